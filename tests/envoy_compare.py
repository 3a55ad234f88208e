"""What a recorded Envoy and the model of it did, side by side: times in ms, both from the start.

Two things less than `NOISE` apart may happen in either order (README beside the data).  So a
request may end one way in Envoy and another way in the model only where both ends are that close to
each other, and one of the two may have sent an attempt more only that close to its end.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from scipy.stats import t as student

from tests import recorded_resilience as recorded
from tests.envoy_model import Played, play
from tests.recorded_resilience import NOISE, Attempt

__all__ = ["agrees", "late", "marks", "predicted", "same", "slipped", "unlike"]

Mark = tuple[float, int, bool]
FAR = 60.0  # ms


def _ends(run: str) -> list[float]:
    took = [float(row["took_ms"]) for row in recorded.requests(run)]
    return [start + x for start, x in zip(recorded.sent(run), took, strict=True)]


def _shape(tries: list[Attempt]) -> list[tuple[int, int, bool]]:
    return [(one.attempt, one.back_end, one.left) for one in tries]


def same(run: str, played: Played) -> list[bool]:
    """Whether each request ended alike, after attempts at the same back ends that ended alike."""
    tries = recorded.tries(run)
    return [
        int(row["status"]) == played.status[i]
        and _shape(tries.get(i, [])) == _shape(played.tries.get(i, []))
        for i, row in enumerate(recorded.requests(run))
    ]


def unlike(run: str, played: Played) -> list[int]:
    """The requests that differ by more than the order of what was less than `NOISE` apart."""
    tries, ends = recorded.tries(run), _ends(run)
    return [
        i
        for i, alike in enumerate(same(run, played))
        if not alike
        and not _near(tries.get(i, []), played.tries.get(i, []), ends[i], played.ended[i])
    ]


def _near(ours: list[Attempt], theirs: list[Attempt], end: float, other: float) -> bool:
    if abs(end - other) > NOISE:
        return False
    for a, b in zip_longest(ours, theirs):
        one = a or b
        if a is None or b is None:
            if one.arrived < min(end, other) - NOISE:
                return False
        else:
            apart = abs(a.ended - b.ended) if a.left != b.left else 0.0
            if a.back_end != b.back_end or max(apart, abs(a.arrived - b.arrived)) > NOISE:
                return False
    return True


def late(run: str, played: Played) -> list[float]:
    """By how much the times of the requests that are alike differ: arrivals, ends, answers."""
    tries, ends = recorded.tries(run), _ends(run)
    found = []
    for i, alike in enumerate(same(run, played)):
        if alike:
            found.append(abs(played.ended[i] - ends[i]))
            for a, b in zip(tries.get(i, []), played.tries.get(i, []), strict=True):
                found += [abs(a.arrived - b.arrived), abs(a.ended - b.ended)]
    return found


def agrees(run: str, played: Played) -> bool:
    """Whether no request is unlike, at most 1 % of the times beyond the noise, and none far."""
    found = late(run, played)
    few = sum(x > NOISE for x in found) <= 0.01 * len(found)
    return not unlike(run, played) and few and max(found) < FAR


def marks(run: str) -> list[Mark]:
    """When Envoy's log says that which host went out (True) or came back, enforced ones only."""
    rows = [row for row in recorded.events(run) if row["enforced"] != "0"]
    return [
        (1000 * float(row["time_s"]), int(row["back_end"]), row["action"] == "eject")
        for row in rows
    ]


def slipped(run: str, played: Played, within: float, slips: tuple[float, ...]) -> int | None:
    """How many hosts Envoy let back later than the model, by one of `slips` ms.

    None if anything else differs: another host, another number of ejections, one that began more
    than `within` ms earlier or later, or a return at another sweep.
    """
    ours, theirs = _stays(marks(run)), _stays(played.marks)
    if [(host, k) for host, k, *_ in ours] != [(host, k) for host, k, *_ in theirs]:
        return None
    last = recorded.schedule(run)[-1][0]
    found = 0
    for (_, _, out, back), (_, _, other, again) in zip(ours, theirs, strict=True):
        if abs(out - other) > within:
            return None
        if min(back, again) > last or abs(back - again) <= within:
            continue
        if not any(abs(min(back, last) - min(again + slip, last)) <= within for slip in slips):
            return None
        found += 1
    return found


def _stays(found: list[Mark]) -> list[tuple[int, int, float, float]]:
    """Each ejection: host, which of that host's it is, from when, until when."""
    stays: list[tuple[int, int, float, float]] = []
    for host in sorted({host for _, host, _ in found}):
        of = [(time, out) for time, who, out in found if who == host]
        outs = [time for time, out in of if out]
        backs = [time for time, out in of if not out] + [float("inf")]
        stays += [(host, k, out, backs[k]) for k, out in enumerate(outs)]
    return stays


SEEDS = range(1, 13)


def predicted(
    measure: Callable[[Played], float],
    runs: list[str],
    kind: str,
    *,
    seeds: Sequence[int] = SEEDS,
    **changes: Any,
) -> tuple[float, float]:
    """Between which values one more run is to lie, 99.9 %, where the model draws by itself.

    `kind` is the balancer, as in the names of runs.  Runs of one scenario differ in the noise of
    their times only, so each seed takes the next.
    """
    chosen = [run for run in runs if f"-{kind}-1w-" in run]
    found = [
        measure(play(chosen[seed % len(chosen)], seed=seed, picks=False, pauses=False, **changes))
        for seed in seeds
    ]
    mean, spread = statistics.mean(found), statistics.stdev(found)
    t = float(student.ppf(0.9995, len(found) - 1))
    half = t * spread * math.sqrt(1 + 1 / len(found)) + 0.5  # counts are whole numbers
    return mean - half, mean + half
