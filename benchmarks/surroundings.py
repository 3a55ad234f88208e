"""What else has a bar: a network on the reference engine, memory, import, the notebooks."""

from __future__ import annotations

import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

import mesh_lab as ml

from .timing import seconds
from .workloads import LOAD

ROOT = Path(__file__).parent.parent


def general(requests: int, rounds: int) -> float:
    """Return requests per second of the engine that knows everything, on a network."""
    scenario = ml.Scenario(
        ml.Poisson("a", rate=0.8, to="front"),
        ml.Service("front", service_time=ml.Exponential(mean=1.0), to={"back": 0.5}),
        ml.Service("back", service_time=ml.Exponential(mean=1.0), discipline="priority"),
    )
    run = partial(ml.simulate, scenario, requests=requests, engine="simpy")
    return requests / statistics.median(
        seconds(partial(run, seed=seed)) for seed in range(1, rounds + 1)
    )


def bytes_a_request(requests: int) -> float:
    """Return the bytes that the rows of M/M/1 take, for each request."""
    scenario = ml.Scenario(
        ml.Poisson("a", rate=LOAD, to="s"), ml.Service("s", service_time=ml.Exponential(mean=1.0))
    )
    return ml.simulate(scenario, requests=requests, seed=1).columns.nbytes / requests


def import_seconds(rounds: int) -> float:
    """Return the processor time of ``import mesh_lab`` beyond that of starting Python."""
    code = "import time; t = time.process_time(); import mesh_lab; print(time.process_time() - t)"

    def child() -> float:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    return statistics.median(child() for _ in range(rounds))


def notebook_seconds() -> dict[str, float]:
    """Return the processor time that each notebook takes, kernel start included."""
    import resource

    found = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [
                *(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute"),
                *("--stdout", "--log-level=ERROR", str(path)),
            ],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found[path.name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found
