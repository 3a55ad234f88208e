"""Processor time, taken in turns, so that all sides meet the machine in the same moods."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

Timed = Callable[[int], float]  # seed -> seconds of processor time for each request


class MissingError(RuntimeError):
    """What was to be measured is not there; the message says why."""


def seconds(do: Callable[[], object]) -> float:
    """Return the processor time that `do` takes; the rubbish of others is taken away first."""
    gc.collect()
    before = time.process_time()
    do()
    return time.process_time() - before


def average(timed: Callable[[], float]) -> float:
    """Return the mean of as many runs as take half a second together.

    `timed` returns its seconds.  A side that needs a twentieth of a second would otherwise meet
    the machine in one mood only.
    """
    found = [timed()]
    while sum(found) < 0.5:
        found.append(timed())
    return statistics.fmean(found)


def in_turns(sides: Mapping[str, Timed], rounds: int) -> tuple[dict[str, list[float]], list[str]]:
    """Let the sides take turns; return the times of each, round by round, and who was missing."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    missing = []
    for seed in range(1, rounds + 1):
        for name, timed in sides.items():
            if name not in times:
                continue
            try:
                times[name].append(timed(seed))
            except MissingError as why:
                del times[name]
                missing.append(f"{name}: {why}")
    return times, missing


def ratio(slow: list[float], quick: list[float]) -> float:
    """Return how many times as quick the second side is: the median over the rounds."""
    return statistics.median(s / q for s, q in zip(slow, quick, strict=True))
