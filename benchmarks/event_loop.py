"""The C event loop of ``event_loop.c``: compiled where there is a compiler, called by ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .timing import MissingError

SOURCE = Path(__file__).with_name("event_loop.c")
POLICIES = ("random", "round robin", "least request of 2", "least request of all", "ring hash")
POINTS = 21  # on the ring for each endpoint, as the plain script has them


def compiler() -> str | None:
    """Return the C compiler, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@cache
def _library() -> ctypes.CDLL:
    command = compiler()
    if command is None:
        raise MissingError("there is no C compiler (cc, gcc or clang)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        built = Path(folder) / "event_loop.so"
        done = subprocess.run(
            [command, "-O2", "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-lm"],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise MissingError(
                f"{command} did not compile event_loop.c: {done.stderr.strip()[-200:]}"
            )
        library = ctypes.CDLL(str(built))
    real, whole = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int32)
    library.simulate.restype = ctypes.c_double
    library.simulate.argtypes = [
        *(ctypes.c_int, ctypes.c_int64, ctypes.c_int, ctypes.c_int, ctypes.c_double),
        *(ctypes.c_uint64, ctypes.c_int, ctypes.c_int64, real, real, real, whole),
    ]
    return library


def event_loop(
    policy: str,
    requests: int,
    *,
    endpoints: int = 1,
    workers: int = 1,
    load: float,
    seed: int,
    keys: int = 1,
) -> tuple[float, dict[str, NDArray[Any]]]:
    """Run the loop; return its seconds of processor time and its rows.

    Raises
    ------
    MissingError
        When there is no compiler, it fails, or memory does not suffice.
    """
    library = _library()
    times = [np.empty(requests) for _ in range(3)]
    chosen = np.empty(requests, dtype=np.int32)
    real, whole = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int32)
    seconds: float = library.simulate(
        *(POLICIES.index(policy), requests, endpoints, workers, load, seed, POINTS, keys),
        *(column.ctypes.data_as(real) for column in times),
        chosen.ctypes.data_as(whole),
    )
    if seconds < 0.0:
        raise MissingError(f"the C event loop has no memory for {requests} requests")
    rows = dict(zip(("arrival", "start", "finish"), times, strict=True))
    return seconds, {**rows, "endpoint": chosen}
