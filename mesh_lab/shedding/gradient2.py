"""Gradient2: the limit follows the latency now against the latency of the last while.

Netflix's ``Gradient2Limit.java`` (concurrency-limits).  `long` is an average of latencies: of the
first ten their mean, and then exponentially weighted, each answer with 2 / (`long_window` + 1).  At
each answer, after it was taken into the average:

    gradient = min(1, max(1/2, tolerance * long / latency))
    moved = limit * gradient + queue
    limit = limit (1 - smoothing) + moved * smoothing, within [min_limit, max_limit]

unless less than half of the limit is in flight: then it stays.  If the average is more than twice
the latency, as after a long overload, 5 % are taken off it.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Lt

from ..parts import Count, part
from .classes import Share, check_shares
from .concurrency import admits_below_estimate, one_gone
from .netflix import check_bounds
from .rule import Floats, Ints, Make, Shedder, State, kernel, kernels

__all__ = ["Gradient2Limit"]

WARM_UP = 10  # latencies whose plain mean is the average at first
DRIFT, DECAY = 2.0, 0.95


@kernel
def average_with(s: Gradient2s, p: int, latency: float) -> float:
    """Take a latency into the average, and return it."""
    if s.seen[p] < WARM_UP:
        s.seen[p] += 1
        s.total[p] += latency
        s.long[p] = s.total[p] / s.seen[p]
    else:
        factor = 2.0 / (s.long_window + 1.0)
        s.long[p] = s.long[p] * (1.0 - factor) + latency * factor
    return s.long[p]  # type: ignore[no-any-return]


@kernel
def compares_latencies(s: Gradient2s, p: int, now: float, latency: float, ok: int) -> None:
    """Take in a latency and move the limit; whether it was an error makes no difference."""
    in_flight = s.in_flight[p]
    s.in_flight[p] = in_flight - 1
    if latency <= 0.0:
        return
    average = average_with(s, p, latency)
    if average / latency > DRIFT:
        s.long[p] = average * DECAY
    limit = s.estimate[p]
    if in_flight < limit / 2.0:
        return
    gradient = max(0.5, min(1.0, s.tolerance * average / latency))
    moved = limit * gradient + s.queue
    moved = limit * (1.0 - s.smoothing) + moved * s.smoothing
    s.estimate[p] = max(float(s.min_limit), min(float(s.max_limit), moved))


@kernels(admits=admits_below_estimate, ended=compares_latencies, gone=one_gone)
class Gradient2s(NamedTuple):
    """The limits.

    Attributes
    ----------
    min_limit, max_limit, queue, long_window : int
        As declared.
    smoothing, tolerance : float
        As declared.
    shares : floats, one a class
        What part of the limit is open to it.
    in_flight, seen : ints, one a place
        Requests; latencies taken into the mean at the beginning.
    estimate, total, long : floats, one a place
        The limit, whose whole part is in force; the sum of the first latencies, and the average.
    draw : floats, one a place
        Not used by this rule.
    """

    min_limit: int
    max_limit: int
    queue: int
    long_window: int
    smoothing: float
    tolerance: float
    shares: Floats
    in_flight: Ints
    seen: Ints
    estimate: Floats
    total: Floats
    long: Floats
    draw: Floats


@part
class Gradient2Limit(Shedder):
    """Limit the requests in flight by the latency now against that of the last while.

    Parameters
    ----------
    initial_limit, min_limit, max_limit : int
        The limit at first, and its bounds.
    queue : int
        By how much the limit grows, before smoothing, while the latency is as it was.
    smoothing : float
        How much of a move is made at once.
    tolerance : float
        By what factor the latency may exceed the average before the limit shrinks; at least 1.
    long_window : int
        Answers over which the average goes.
    shares : sequence of float
        What part of the limit each priority may use, see `mesh_lab.shedding.classes`; not
        Netflix's.

    Notes
    -----
    Source: Netflix's ``Gradient2Limit.java`` and ``ExpAvgMeasurement.java``, with their defaults;
    see `mesh_lab.shedding.netflix` for what differs.

    Examples
    --------
    The first latency is as the average: 20 * 0.8 + (20 + 4) * 0.2.  The second makes an average of
    0.055 s, and 1.5 * 0.055 / 0.1 is 0.825.

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = Gradient2Limit().state(1, Lists())
    >>> for latency in (0.010, 0.100):
    ...     while s.admits(s, 0, 0.0, 0.0, 0):
    ...         pass
    ...     s.ended(s, 0, 0.1, latency, 1)
    ...     print(round(s.estimate[0], 6))
    20.8
    20.872
    """

    such_as: ClassVar[str] = "Gradient2Limit()"
    sees: ClassVar[str] = "requests in flight and latencies"
    origin: ClassVar[str] = "Netflix concurrency-limits"
    initial_limit: Count = 20
    min_limit: Count = 20
    max_limit: Count = 200
    queue: Annotated[int, Ge(0)] = 4
    smoothing: Share = 0.2
    tolerance: Annotated[float, Ge(1), Lt(math.inf)] = 1.5
    long_window: Count = 600
    shares: tuple[Share, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_shares(self.shares)
        check_bounds(self.initial_limit, self.min_limit, self.max_limit)

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return limits with nothing in flight."""
        zero = [0.0] * places
        return Gradient2s(
            min_limit=self.min_limit,
            max_limit=self.max_limit,
            queue=self.queue,
            long_window=self.long_window,
            smoothing=self.smoothing,
            tolerance=self.tolerance,
            shares=make.floats(self.shares),
            in_flight=make.ints([0] * places),
            seen=make.ints([0] * places),
            estimate=make.floats([self.initial_limit] * places),
            total=make.floats(zero),
            long=make.floats(zero),
            draw=make.floats(zero),
        )
