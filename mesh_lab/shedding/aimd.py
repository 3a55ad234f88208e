"""AIMD: the limit grows by one while it is used, and shrinks by a tenth on an error.

Netflix's ``AIMDLimit.java`` (concurrency-limits).  At each answer:

* that was an error, or took longer than `timeout`: the limit becomes its whole part of
  limit * `backoff`;
* otherwise, if at least half of the limit is in flight: limit + 1;
* within [`min_limit`, `max_limit`].
"""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Lt

from ..parts import Count, part
from .classes import Share, check_shares
from .concurrency import admits_below_estimate, one_gone
from .netflix import check_bounds
from .rule import Floats, Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["AimdLimit"]


@kernel
def adds_or_multiplies(s: Aimds, p: int, now: float, latency: float, ok: int) -> None:
    """Move the limit."""
    in_flight = s.in_flight[p]
    s.in_flight[p] = in_flight - 1
    limit = int(s.estimate[p])
    if not ok or latency > s.timeout:
        limit = int(limit * s.backoff)
    elif in_flight * 2 >= limit:
        limit += 1
    s.estimate[p] = float(max(s.min_limit, min(s.max_limit, limit)))


@kernels(admits=admits_below_estimate, ended=adds_or_multiplies, gone=one_gone)
class Aimds(NamedTuple):
    """The limits.

    Attributes
    ----------
    timeout, backoff : float
        Seconds; a fraction.
    min_limit, max_limit : int
        Bounds of the limit.
    shares : floats, one a class
        What part of the limit is open to it.
    in_flight : ints, one a place
        Requests.
    estimate : floats, one a place
        The limit, a whole number.
    draw : floats, one a place
        Not used by this rule.
    """

    timeout: float
    backoff: float
    min_limit: int
    max_limit: int
    shares: Floats
    in_flight: Ints
    estimate: Floats
    draw: Floats


@part
class AimdLimit(Shedder):
    """Limit the requests in flight: one more while all is well, a tenth less on an error.

    Parameters
    ----------
    timeout : float
        Seconds; a longer latency counts as an error.
    backoff : float
        What the limit is multiplied by on an error; at least 0.5 and below 1.
    initial_limit, min_limit, max_limit : int
        The limit at first, and its bounds.
    shares : sequence of float
        What part of the limit each priority may use, see `mesh_lab.shedding.classes`; not
        Netflix's (its partitions guarantee shares, this keeps a reserve).

    Notes
    -----
    Source: Netflix's ``AIMDLimit.java``, with its defaults; see `mesh_lab.shedding.netflix`
    for what differs.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> s = AimdLimit(min_limit=10).state(1, Lists())
    >>> for ok in (1, 1, 0, 0):
    ...     while s.admits(s, 0, 0.0, 0.0, 0):
    ...         pass
    ...     s.ended(s, 0, 0.1, 0.1, ok)
    ...     print(s.estimate[0])
    21.0
    22.0
    19.0
    17.0
    """

    such_as: ClassVar[str] = "AimdLimit()"
    sees: ClassVar[str] = "requests in flight, errors and latencies"
    origin: ClassVar[str] = "Netflix concurrency-limits"
    timeout: Span = 5.0
    backoff: Annotated[float, Ge(0.5), Lt(1)] = 0.9
    initial_limit: Count = 20
    min_limit: Count = 20
    max_limit: Count = 200
    shares: tuple[Share, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_shares(self.shares)
        check_bounds(self.initial_limit, self.min_limit, self.max_limit)

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return limits with nothing in flight."""
        return Aimds(
            timeout=self.timeout,
            backoff=self.backoff,
            min_limit=self.min_limit,
            max_limit=self.max_limit,
            shares=make.floats(self.shares),
            in_flight=make.ints([0] * places),
            estimate=make.floats([self.initial_limit] * places),
            draw=make.floats([0.0] * places),
        )
