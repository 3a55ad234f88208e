"""Measure, compare with the bars, draw, and write RESULTS.md: ``python -m benchmarks``.

``--quick`` simulates fewer requests and ``--only NAME`` measures a part; neither of the two writes
unless ``--write`` says so.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from functools import partial
from pathlib import Path

from .events import EVENTS
from .figure import draw
from .first_use import first_and_later
from .graph import GRAPHS, graph_bars
from .report import Bar, Results, growth_bar, machine, page, speed_bars
from .sides import QUICK, Sizes, compiled, engine_seconds, on, timed
from .store import measure as store_bars
from .surroundings import bytes_a_request, general, import_seconds, notebook_seconds
from .timing import MissingError, in_turns
from .workloads import WORKLOADS, Workload

HERE = Path(__file__).parent
ENDPOINTS = (10, 100, 1_000, 10_000)
SPEEDS = (*WORKLOADS, *EVENTS, *GRAPHS)
PARTS = ("growth", "graphs", "first use", "surroundings", "event store", "notebooks")


def measure_speed(results: Results, workload: Workload) -> None:
    """Let all sides take turns on one workload."""
    sides = {side: timed(side, workload, results.sizes) for side in on(workload)}
    times, missing = in_turns(sides, results.rounds)
    results.speed[workload.name] = times
    results.missing += [f"{workload.name}, {why}" for why in missing]
    results.bars += speed_bars(workload, times)
    told = [f"{side} {1e-3 / statistics.median(found):,.0f} k/s" for side, found in times.items()]
    _say(f"{workload.name}: {', '.join(told)}")
    for why in missing:
        _say(f"    without {why}")


def measure_growth(results: Results, workload: Workload) -> None:
    """Measure the compiled engine at ever more endpoints."""
    # without a bar a pick may take as long as there are endpoints, so a tenth has to do
    requests = results.sizes.ours if workload.grows else results.sizes.ours // 10
    rounds = results.rounds if workload.grows else 1
    times = {}
    try:
        for n in ENDPOINTS:
            run = partial(engine_seconds, compiled, workload, n, requests)
            times[n] = statistics.median(run(seed) for seed in range(1, rounds + 1))
    except MissingError as why:
        results.missing.append(f"{workload.name}, many endpoints: {why}")
        return
    results.growth[workload.name] = times
    results.bars.append(growth_bar(workload, times))
    _say(f"{workload.name}: {', '.join(f'{1e6 * t:.2f} µs at {n:,}' for n, t in times.items())}")


def measure_first_use(results: Results, workload: Workload) -> None:
    """Compile in a fresh process with an empty cache, then start another."""
    try:
        first, later = first_and_later(workload.name)
    except MissingError as why:
        results.missing.append(f"{workload.name}, first use: {why}")
        return
    results.first_use[workload.name] = first, later
    what = f"{workload.name}: first run of a process"
    results.bars += [
        Bar(f"{what}, empty cache", f"{first:.2f} s", "under 6 s", first < 6.0),
        Bar(f"{what}, later", f"{later:.2f} s", "under 0.5 s", later < 0.5),
    ]
    _say(f"{workload.name}: first {first:.2f} s, later {later:.2f} s")


def measure_surroundings(results: Results) -> None:
    """Measure what has nothing to do with balancing."""
    requests = min(results.sizes.ours, 200_000)
    speed = general(requests, results.rounds)
    size = bytes_a_request(requests)
    took = import_seconds(results.rounds)
    results.bars += [
        Bar(
            "two stations, routing, priorities: reference", f"{speed:,.0f} requests/s", "none", True
        ),
        Bar("memory of the rows, M/M/1", f"{size:.0f} bytes a request", "at most 40", size <= 40),
        Bar("`import mesh_lab`", f"{took:.2f} s", "under 0.5 s", took < 0.5),
    ]
    for bar in results.bars[-3:]:
        _say(f"{bar.what}: {bar.measured}")


def measure_store(results: Results, *, quick: bool) -> None:
    """Measure the event store on every database that is there."""
    bars, missing = store_bars(quick=quick)
    results.bars += bars
    results.missing += missing
    for bar in bars:
        _say(f"{bar.what}: {bar.measured}")


def measure_notebooks(results: Results) -> None:
    """Run every notebook from start to end."""
    for name, spent in notebook_seconds().items():
        bar = Bar(f"`{name}`, start to end", f"{spent:.1f} s", "under 20 s", spent < 20.0)
        results.bars.append(bar)
        _say(f"{bar.what}: {bar.measured}")


def _say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    names = [*(workload.name for workload in SPEEDS), *PARTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 000 requests, one round")
    parser.add_argument(
        *("--only", "-o"),
        action="append",
        metavar="NAME",
        choices=names,
        help=f"measure only this; may be given several times: {', '.join(names)}",
    )
    parser.add_argument("--rounds", type=int, default=None, help="3 unless told; 1 with --quick")
    parser.add_argument("--write", action="store_true", help="write also when not all is measured")
    return parser.parse_args()


def main() -> int:
    """Measure everything, print it, write it down; return 1 if a bar is missed."""
    told = arguments()
    rounds = told.rounds or (1 if told.quick else 3)
    results = Results(QUICK if told.quick else Sizes(), rounds)
    wanted = set(told.only or [workload.name for workload in SPEEDS])
    parts = set(told.only or PARTS)
    _say(machine())
    gc.freeze()  # what was imported is no rubbish: a script of its own would not have it either
    for workload in SPEEDS:
        if workload.name in wanted:
            measure_speed(results, workload)
    if "growth" in parts:
        for workload in WORKLOADS:
            if not workload.servers:
                measure_growth(results, workload)
    if "graphs" in parts:
        bars = graph_bars(results.sizes)
        results.bars += bars
        for bar in bars:
            _say(f"{bar.what}: {bar.measured}")
    if "first use" in parts:
        # both logs are one family
        for workload in (*WORKLOADS, *EVENTS[:1], *EVENTS[-1:], *GRAPHS):
            measure_first_use(results, workload)
    if "surroundings" in parts:
        measure_surroundings(results)
    if "event store" in parts:
        measure_store(results, quick=told.quick)
    if "notebooks" in parts:
        measure_notebooks(results)

    writes = told.write or not (told.quick or told.only)
    figure = HERE / "results.png" if writes and results.speed else None
    if figure is not None:
        draw(results.speeds(), figure)
    text = page(results, figure.name if figure is not None else None)
    print(f"\n{text}")
    if writes:
        (HERE / "RESULTS.md").write_text(text, encoding="utf-8")
    return 0 if all(bar.met for bar in results.bars) else 1


if __name__ == "__main__":
    sys.exit(main())
