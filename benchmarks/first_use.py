"""How long the first compiled run of a process takes, with an empty cache and with a full one.

``python -m benchmarks.first_use NAME`` is the process that is measured; it prints its seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from .events import EVENTS
from .graph import GRAPHS
from .sides import compiled
from .timing import MissingError, seconds
from .workloads import WORKLOADS

ROOT = Path(__file__).parent.parent


def first_and_later(name: str) -> tuple[float, float]:
    """Return the processor time of the first compiled run: cache empty, cache full.

    Each is measured in a new process after ``import mesh_lab``, on 1 000 requests, so that nearly
    all of it is compiling or reading the cache.

    Raises
    ------
    MissingError
        When the compiled engine cannot run the workload.
    """
    with tempfile.TemporaryDirectory() as folder:
        return _child(name, folder), _child(name, folder)


def _child(name: str, cache: str) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_use", name],
        cwd=ROOT,
        # OpenBLAS has a thread for each core that spins before it sleeps, which is not compiling
        env={**os.environ, "MESH_LAB_CACHE": cache, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise MissingError(said[-1].rpartition("MissingError: ")[2])
    return float(done.stdout.split()[-1])  # before it, the engine says that it compiles


def main() -> int:
    """Run one workload once and print the seconds."""
    workloads = {workload.name: workload for workload in (*WORKLOADS, *EVENTS, *GRAPHS)}
    scenario = workloads[sys.argv[1]].scenario()
    print(seconds(partial(compiled, scenario, 1_000, 1)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
