"""Sliding window, exactly: never more than so many requests in any span of a given length.

The times of the last `limit` requests that were let in are kept.  A request is let in if the oldest
of them is at least `window` seconds ago, and then takes its place.  It is the only window rule
without a way around it, and costs `limit` numbers for each place where it is kept; Cloudflare
("How we built rate limiting capable of scaling to millions of domains", 2017) gave it up for that
and keeps two (`mesh_lab.shedding.sliding_window`).

Requests that are refused are not kept: some implementations keep them too, and then a caller that
never pauses is never let in again.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

from ..parts import Count, part
from .rule import NANOSECOND, Floats, Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["SlidingLog"]


@kernel
def admits_by_log(s: Logs, p: int, now: float, u: float, priority: int) -> int:
    """Let it in if the oldest of the last `limit` requests has left the window."""
    at = p * s.limit + s.oldest[p]
    if now - s.times[at] + NANOSECOND < s.window:
        return 0
    s.times[at] = now
    s.oldest[p] = s.oldest[p] + 1 if s.oldest[p] + 1 < s.limit else 0
    return 1


@kernels(admits=admits_by_log)
class Logs(NamedTuple):
    """The logs.

    Attributes
    ----------
    limit : int
        How many times are kept for each place.
    window : float
        Seconds.
    times : floats
        Those of place *p* from ``p * limit`` on, in a ring; minus infinity at first.
    oldest : ints, one a place
        Where in the ring the oldest is.
    """

    limit: int
    window: float
    times: Floats
    oldest: Ints


@part
class SlidingLog(Shedder):
    """Let in at most `limit` requests in any `window` seconds.

    Parameters
    ----------
    limit : int
        Requests; so many times are remembered for each place.
    window : float
        Seconds.  A request exactly so long ago counts no more.

    Notes
    -----
    The rule is its definition.  A decision costs O(1).

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> s = SlidingLog(limit=2, window=60.0).state(1, Lists())
    >>> [s.admits(s, 0, now, 0.0, 0) for now in (30.0, 59.5, 60.0, 89.9, 90.0, 119.5)]
    [1, 1, 0, 0, 1, 1]
    """

    such_as: ClassVar[str] = "SlidingLog(limit=100, window=1.0)"
    sees: ClassVar[str] = "when requests come"
    origin: ClassVar[str] = "its definition"
    limit: Count
    window: Span

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return empty logs."""
        return Logs(
            limit=self.limit,
            window=self.window,
            times=make.floats([-math.inf] * (places * self.limit)),
            oldest=make.ints([0] * places),
        )
