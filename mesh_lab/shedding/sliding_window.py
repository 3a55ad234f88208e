"""Sliding window, approximately: two counters stand for all the times of the last minute.

Time is cut into windows.  Of the requests of the window before, as many are taken to be in the span
that ends now as that span covers of it, as if they had come evenly:

    rate = previous * (window - elapsed) / window + current

where `elapsed` is how long ago the current window began.  The rule and its numbers are Cloudflare's
("How we built rate limiting capable of scaling to millions of domains", 2017): at a limit of 50 a
minute, 42 requests in the minute before and 18 in the 15 seconds of this one make
42 * (60 - 15) / 60 + 18 = 49.5.  On their traffic 0.003 % of requests were decided wrongly.

The article does not say whether the request that is decided on is part of the count; here it is, so
that the estimate never exceeds the limit.  Whether those that are refused count as well differs:
Kong (its rate-limiting-advanced plugin) calls it a penalty, which its ``disable_penalty`` takes
away.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from ..parts import Count, part
from .grid import whole_steps
from .rule import Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["SlidingWindowLimit", "estimate"]

ROUNDING = 1e-9  # of a request: the share of a window is not exact


@kernel
def estimate(s: Pairs, p: int, now: float) -> float:
    """How many requests the two counters say have come in the last `window` seconds."""
    number = whole_steps(now, s.window)
    if number != s.number[p]:
        s.previous[p] = s.current[p] if number == s.number[p] + 1 else 0
        s.current[p] = 0
        s.number[p] = number
    elapsed = max(0.0, now - number * s.window)
    part_of_it = max(0.0, (s.window - elapsed) / s.window)
    return s.previous[p] * part_of_it + s.current[p]  # type: ignore[no-any-return]


@kernel
def admits_by_estimate(s: Pairs, p: int, now: float, u: float, priority: int) -> int:
    """Let it in if the estimate with it is within the limit."""
    good = estimate(s, p, now) + 1.0 <= s.limit + ROUNDING
    if good or s.penalty:
        s.current[p] += 1
    return 1 if good else 0


@kernels(admits=admits_by_estimate)
class Pairs(NamedTuple):
    """The counters.

    Attributes
    ----------
    limit : int
        Requests.
    window : float
        Seconds.
    penalty : int
        Whether (1 or 0) refused requests count.
    number, current, previous : ints, one a place
        Which window it was at the last request, and the counts of that one and of the one before.
    """

    limit: int
    window: float
    penalty: int
    number: Ints
    current: Ints
    previous: Ints


@part
class SlidingWindowLimit(Shedder):
    """Let in about `limit` requests in any `window` seconds, by two counters.

    Parameters
    ----------
    limit : int
        Requests.
    window : float
        Seconds; windows are counted from time 0.
    penalty : bool
        Whether refused requests count too.  A caller that is too quick by far then stays shut out.

    Notes
    -----
    Source: Cloudflare's article, see the module.

    Examples
    --------
    Cloudflare's example: 49.5 at a limit of 50; one more would make 50.5.

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = SlidingWindowLimit(limit=50, window=60.0).state(1, Lists())
    >>> sum(s.admits(s, 0, 0.0, 0.0, 0) for _ in range(42))
    42
    >>> sum(s.admits(s, 0, 75.0, 0.0, 0) for _ in range(20))
    18
    >>> estimate(s, 0, 75.0)
    49.5
    """

    such_as: ClassVar[str] = "SlidingWindowLimit(limit=100, window=1.0)"
    sees: ClassVar[str] = "when requests come"
    origin: ClassVar[str] = "Cloudflare"
    limit: Count
    window: Span
    penalty: bool = False

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return counters at 0."""
        return Pairs(
            limit=self.limit,
            window=self.window,
            penalty=int(self.penalty),
            number=make.ints([-1] * places),
            current=make.ints([0] * places),
            previous=make.ints([0] * places),
        )
