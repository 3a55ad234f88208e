"""Measure, compare with the bars, and write RESULTS.md: ``python -m benchmarks``."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import mesh_lab as ml

from .plain import mmc

HERE = Path(__file__).parent
REQUESTS, ROUNDS, LOAD = 200_000, 5, 0.8


def seconds(do: Callable[[], object]) -> float:
    """Return the processor time that `do` takes."""
    before = time.process_time()
    do()
    return time.process_time() - before


def speed(servers: int) -> tuple[float, float, float]:
    """Return (plain, mesh_lab) in requests per second and the ratio; medians of the rounds.

    The two take turns, so that both meet the machine in the same moods.
    """
    scenario = ml.Scenario(
        ml.Poisson("a", rate=LOAD * servers, to="s"),
        ml.Service("s", workers=servers, service_time=ml.Exponential(mean=1.0)),
    )
    plain, ours = [], []
    for seed in range(1, ROUNDS + 1):
        plain.append(seconds(partial(mmc, REQUESTS, load=LOAD, servers=servers, seed=seed)))
        ours.append(seconds(partial(ml.simulate, scenario, requests=REQUESTS, seed=seed)))
    ratios = [p / o for p, o in zip(plain, ours, strict=True)]
    return (
        REQUESTS / statistics.median(plain),
        REQUESTS / statistics.median(ours),
        statistics.median(ratios),
    )


def general() -> float:
    """Return requests per second of the engine that knows everything, on a network."""
    scenario = ml.Scenario(
        ml.Poisson("a", rate=0.8, to="front"),
        ml.Service("front", service_time=ml.Exponential(mean=1.0), to={"back": 0.5}),
        ml.Service("back", service_time=ml.Exponential(mean=1.0), discipline="priority"),
    )
    times = [
        seconds(partial(ml.simulate, scenario, requests=REQUESTS, seed=seed))
        for seed in range(1, ROUNDS + 1)
    ]
    return REQUESTS / statistics.median(times)


def bytes_a_request() -> float:
    """Return the bytes that the rows of M/M/1 take, for each request."""
    scenario = ml.Scenario(
        ml.Poisson("a", rate=LOAD, to="s"), ml.Service("s", service_time=ml.Exponential(mean=1.0))
    )
    return ml.simulate(scenario, requests=REQUESTS, seed=1).columns.nbytes / REQUESTS


def import_seconds() -> float:
    """Return the processor time of ``import mesh_lab`` beyond that of starting Python."""

    def child(code: str) -> float:
        script = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    return statistics.median(child("import mesh_lab") for _ in range(ROUNDS))


def notebook_seconds() -> dict[str, float]:
    """Return the processor time that each notebook takes, kernel start included."""
    import resource

    found = {}
    for path in sorted((HERE.parent / "notebooks").glob("[0-9][0-9]_*.ipynb")):
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


def main() -> int:
    """Measure everything, print it, write it down; return 1 if a bar is missed."""
    rows: list[tuple[str, str, str, bool]] = []
    for servers in (1, 10):
        plain, ours, ratio = speed(servers)
        rows.append(
            (
                f"M/M/{servers}, load {LOAD}, {REQUESTS:,} requests, rows kept",
                f"{ours:,.0f} requests/s, {ratio:.1f} times the plain script's {plain:,.0f}",
                "at least 5 times",
                ratio >= 5.0,
            )
        )
    rows.append(
        ("two stations, routing and priorities", f"{general():,.0f} requests/s", "none", True)
    )
    size = bytes_a_request()
    rows.append(
        ("memory of the rows, M/M/1", f"{size:.0f} bytes a request", "at most 40", size <= 40)
    )
    took = import_seconds()
    rows.append(("`import mesh_lab`", f"{took:.2f} s", "under 0.5 s", took < 0.5))
    for name, spent in notebook_seconds().items():
        rows.append((f"`{name}`, start to end", f"{spent:.1f} s", "under 20 s", spent < 20.0))

    lines = [
        "# What was measured",
        "",
        "Written by `python -m benchmarks`. Processor time, medians of "
        f"{ROUNDS} rounds in which the two sides take turns.",
        f"Machine: {platform.machine()}, {platform.system()}; Python {platform.python_version()}, "
        f"SimPy {version('simpy')}, NumPy {version('numpy')}.",
        "",
        "| what | measured | bar | |",
        "|---|---|---|---|",
        *(f"| {a} | {b} | {c} | {'met' if ok else '**missed**'} |" for a, b, c, ok in rows),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
    return 0 if all(ok for *_, ok in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
