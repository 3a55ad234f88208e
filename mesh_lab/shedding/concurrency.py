"""A limit on requests in flight: the simplest bulkhead, and what all adaptive limits share.

A request is let in while fewer than `limit` are in flight: let in, and neither answered nor gone.
What adapts its limit to latencies is in `mesh_lab.shedding.gradient` (Envoy), ``gradient2``,
``vegas`` and ``aimd`` (Netflix).
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from ..parts import Count, part
from .classes import Share, check_shares, room_of, rooms, share_of
from .rule import Ints, Make, Shedder, State, kernel, kernels

__all__ = ["ConcurrencyLimit", "admits_below_estimate", "one_gone", "room_for"]


@kernel
def room_for(s: Any, p: int, limit: float, priority: int) -> bool:
    """Whether a request may be in flight too, of a limit that moves."""
    open_to = share_of(s.shares, limit, priority)
    return s.in_flight[p] < open_to  # type: ignore[no-any-return]


@kernel
def admits_below_estimate(s: Any, p: int, now: float, u: float, priority: int) -> int:
    """Let it in below the whole part of a limit that moves."""
    s.draw[p] = u
    if not room_for(s, p, int(s.estimate[p]), priority):
        return 0
    s.in_flight[p] += 1
    return 1


@kernel
def admits_below_limit(s: InFlight, p: int, now: float, u: float, priority: int) -> int:
    """Let it in below the limit."""
    if s.in_flight[p] >= room_of(s.rooms, priority):
        return 0
    s.in_flight[p] += 1
    return 1


@kernel
def one_answered(s: InFlight, p: int, now: float, latency: float, ok: int) -> None:
    """One less is in flight."""
    s.in_flight[p] -= 1


@kernel
def one_gone(s: Any, p: int, now: float, begun: int) -> None:
    """One less is in flight, and nothing is known of its latency."""
    s.in_flight[p] -= 1


@kernels(admits=admits_below_limit, ended=one_answered, gone=one_gone)
class InFlight(NamedTuple):
    """The requests in flight.

    Attributes
    ----------
    rooms : ints, one a class
        The limit that is open to it.
    in_flight : ints, one a place
        Requests.
    """

    rooms: Ints
    in_flight: Ints


@part
class ConcurrencyLimit(Shedder):
    """Let in requests while fewer than `limit` are in flight.

    Parameters
    ----------
    limit : int
        Requests.
    shares : sequence of float
        What part of the limit each priority may use, from 0, the most important, on: see
        `mesh_lab.shedding.classes`.

    Notes
    -----
    The rule is its definition.

    Examples
    --------
    Of a limit of 4, half is open to priority 1:

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = ConcurrencyLimit(limit=4, shares=(1.0, 0.5)).state(1, Lists())
    >>> [s.admits(s, 0, 0.0, 0.0, priority) for priority in (1, 1, 1, 0, 1, 0, 0)]
    [1, 1, 0, 1, 0, 1, 0]
    """

    such_as: ClassVar[str] = "ConcurrencyLimit(limit=100)"
    sees: ClassVar[str] = "requests in flight"
    origin: ClassVar[str] = "its definition"
    limit: Count
    shares: tuple[Share, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_shares(self.shares, self.limit)

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return limits with nothing in flight."""
        return InFlight(
            rooms=make.ints(rooms(self.shares, self.limit)), in_flight=make.ints([0] * places)
        )
