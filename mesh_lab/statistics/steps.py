"""Averages over time, and Little's law.

The number of waiting requests changes in steps; its average weighs each value by how long it
held.  An average over the moments of change would be another number.

Little's law, L = lambda W: the mean number in a system is the arrival rate times the mean time in
it.  J. D. C. Little, "A proof for the queuing formula L = lambda W", Operations Research 9 (1961).
Over a stretch of one run it needs no probability at all: both sides add up the same stays, one
across requests, the other along time.  They differ only by the stays that reach over an edge of
the stretch, and that difference is computed here too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatisticsError
from .checks import Floats, finite_column

__all__ = ["LittlesLaw", "littles_law", "time_average"]


def time_average(
    times: ArrayLike, values: ArrayLike, start: float | None = None, end: float | None = None
) -> float:
    """Return the average over time of a quantity that changes in steps.

    Parameters
    ----------
    times : array_like, shape (n,)
        When it changed, in seconds, never decreasing.
    values : array_like, shape (n,)
        The value from that time on; of several at one time the last holds.
    start, end : float, optional
        The stretch to average over, in seconds; from the first to the last of `times` unless
        given.  The last value holds until `end`.

    Returns
    -------
    float
        The integral from `start` to `end`, divided by its length, in the unit of `values`.

    Raises
    ------
    StatisticsError
        For times that decrease, a stretch that is empty or begins before the first time, or
        numbers that are not finite.

    Examples
    --------
    >>> time_average([0.0, 1.0, 3.0], [0, 2, 1], end=4.0)
    1.25
    >>> time_average([0.0, 1.0, 3.0], [0, 2, 1], start=2.0, end=4.0)
    1.5
    """
    t = finite_column("time_average", "times", times)
    v = finite_column("time_average", "values", values)
    if v.size != t.size:
        raise StatisticsError(
            f"time_average, values: has {v.size}, but times has {t.size}: one is needed for each"
        )
    falls = np.flatnonzero(np.diff(t) < 0)
    if falls.size:
        i = int(falls[0]) + 1
        raise StatisticsError(
            f"time_average, times: goes back from {float(t[i - 1])} to {float(t[i])} "
            f"at index {i}, but must never decrease"
        )
    begin = float(t[0]) if start is None else float(start)
    stop = float(t[-1]) if end is None else float(end)
    if not begin >= t[0]:
        raise StatisticsError(
            f"time_average, start: is {begin}, but must not be before the first time, {float(t[0])}"
        )
    _check_stretch("time_average", begin, stop)
    inside = np.clip(t, begin, stop)
    held = np.diff(np.append(inside, stop))
    return float(held @ v) / (stop - begin)


@dataclass(frozen=True, slots=True)
class LittlesLaw:
    """Both sides of Little's law over a stretch of a run.

    Parameters
    ----------
    in_system : float
        The mean number in the system over the stretch, L.
    rate : float
        Arrivals per second in the stretch, lambda.
    response : float
        The mean time in system of those arrivals, in seconds, W; of one that never left, the
        time until the stretch ended.  NaN without arrivals.
    edges : float
        What stays over the edges make of ``in_system - rate * response``: positive for those
        that were there at the start, negative for those that left after the end.
    n : int
        How many arrivals.

    Examples
    --------
    >>> law = littles_law([0.0, 1.0], [2.0, 4.0], 0.0, 5.0)
    >>> law
    LittlesLaw(L=1, rate=0.4, W=2.5, edges=0, n=2)
    >>> law.residual
    0.0
    """

    in_system: float
    rate: float
    response: float
    edges: float
    n: int

    @property
    def residual(self) -> float:
        """``in_system - rate * response - edges``: 0 but for rounding, or requests were lost."""
        return self.in_system - (self.rate * self.response if self.n else 0.0) - self.edges

    def __repr__(self) -> str:
        return (
            f"LittlesLaw(L={self.in_system:.4g}, rate={self.rate:.4g}, W={self.response:.4g}, "
            f"edges={self.edges:.4g}, n={self.n})"
        )


def littles_law(
    arrival: ArrayLike,
    finish: ArrayLike,
    start: float,
    end: float,
    *,
    in_system: float | None = None,
) -> LittlesLaw:
    """Return both sides of Little's law for the requests of one run.

    Parameters
    ----------
    arrival : array_like, shape (n,)
        When each request arrived, in seconds, in any order.
    finish : array_like, shape (n,)
        When each left, in seconds; NaN while it is still there.
    start, end : float
        The stretch of time, in seconds.
    in_system : float, optional
        The mean number in the system as measured elsewhere, by `time_average` of a recorded
        timeline; counted from `arrival` and `finish` unless given.  With it, ``residual`` checks
        one record against the other.

    Raises
    ------
    StatisticsError
        For a request that leaves before it arrives, an empty stretch, or bad numbers.

    Examples
    --------
    A stay that began before the stretch shows at its edge:

    >>> littles_law([0.0, 4.0], [3.0, 6.0], 1.0, 9.0)
    LittlesLaw(L=0.5, rate=0.125, W=2, edges=0.25, n=1)
    """
    came = finite_column("littles_law", "arrival", arrival, at_least=0)
    _check_stretch("littles_law", start, end)
    given = np.asarray(finish)
    there = np.isnan(given) if given.dtype.kind == "f" else np.zeros(given.shape, dtype=bool)
    left = finite_column("littles_law", "finish", np.where(there, 0, given), at_least=0)
    if left.size != came.size:
        raise StatisticsError(
            f"littles_law, finish: has {left.size}, but arrival has {came.size}: "
            "one is needed for each"
        )
    left = np.where(there, np.maximum(came, end), left)
    early = np.flatnonzero(left < came)
    if early.size:
        i = int(early[0])
        raise StatisticsError(
            f"littles_law, finish: is {float(left[i])} at index {i}, "
            f"but must not be before the arrival, {float(came[i])}"
        )
    length = end - start
    inside = (came >= start) & (came < end)
    n = int(inside.sum())
    response = float((left - came)[inside].mean()) if n else float("nan")
    if in_system is None:
        in_system = _number_in_system(came, left, start, end)
    before = came < start
    over_start = np.clip(left[before], start, end) - start
    over_end = np.maximum(left[inside] - end, 0.0)
    edges = float(over_start.sum() - over_end.sum()) / length
    return LittlesLaw(float(in_system), n / length, response, edges, n)


def _number_in_system(came: Floats, left: Floats, start: float, end: float) -> float:
    """Count along time, not across requests: that is what makes the law a check."""
    times = np.concatenate(([start], came, left))
    steps = np.concatenate(([0.0], np.ones(came.size), -np.ones(left.size)))
    order = np.argsort(times, kind="stable")
    # What changed before the start counts as there from the start on.
    moments, level = np.maximum(times[order], start), np.cumsum(steps[order])
    return time_average(moments, level, start, end)


def _check_stretch(function: str, start: float, end: float) -> None:
    if not (np.isfinite(start) and np.isfinite(end) and end > start):
        raise StatisticsError(
            f"{function}, end: is {end}, but must be after the start, {start}, and finite"
        )
