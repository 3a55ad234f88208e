"""Adaptive throttling: a client that is refused too often refuses some requests itself.

Google's rule (Site Reliability Engineering, chapter 21, "Client-Side Throttling").  In the last two
minutes a client's application has attempted so many *requests*, and the backend has accepted so
many (*accepts*).  A new request is refused by the client itself with probability

    max(0, (requests - K * accepts) / (requests + 1)).

Requests that the client refuses count among the requests, so that it refuses the more the more is
attempted.  With K = 2 it lets about as many be refused by the backend as it lets be served; a
smaller K spares the backend, and notices later that it is well again.

The book does not say how the two minutes are kept.  Here it is in buckets (120, own choice), see
`mesh_lab.shedding.history`.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Lt

from ..parts import part
from .history import check_width, make_buckets, note, turn_buckets
from .rule import Floats, Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["ClientThrottling"]


@kernel
def refusal(s: Throttles, p: int, now: float) -> float:
    """The probability with which the next request is refused."""
    turn_buckets(s, p, now)
    excess = s.all_tried[p] - s.k * s.all_good[p]
    return max(0.0, excess / (s.all_tried[p] + 1.0))  # type: ignore[no-any-return]


@kernel
def admits_by_chance(s: Throttles, p: int, now: float, u: float, priority: int) -> int:
    """Refuse by chance; count it either way."""
    chance = refusal(s, p, now)
    note(s, p, now, 1, 0)
    return 0 if u < chance else 1


@kernel
def accepted(s: Throttles, p: int, now: float, latency: float, ok: int) -> None:
    """Count what the backend has accepted, when its answer comes."""
    if ok:
        note(s, p, now, 0, 1)


@kernels(admits=admits_by_chance, ended=accepted)
class Throttles(NamedTuple):
    """The clients; the other fields are those of `mesh_lab.shedding.history`.

    Attributes
    ----------
    k : float
        The multiplier of what was accepted.
    """

    k: float
    window: float
    width: float
    room: int
    oldest: Ints
    used: Ints
    all_tried: Ints
    all_good: Ints
    since: Floats
    tried: Ints
    good: Ints


@part
class ClientThrottling(Shedder):
    """Refuse requests at the client when the backend has accepted too few of them.

    Parameters
    ----------
    k : float
        How many requests are attempted, at most, for each that is accepted, before the client
        begins to refuse; at least 1, and 2 in the book.
    window : float
        Seconds that count; two minutes in the book.
    width : float
        Seconds of a bucket, at most the window.

    Notes
    -----
    Source: Site Reliability Engineering, chapter 21.  A request is accepted when it is answered
    with ``ok``; one that nobody waits for any more (``gone``) is not.

    Examples
    --------
    Of 10 requests the backend accepts 3: (10 - 2 * 3) / (10 + 1) are refused.

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = ClientThrottling().state(1, Lists())
    >>> for i in range(10):
    ...     _ = s.admits(s, 0, 0.0, 0.99, 0)
    ...     s.ended(s, 0, 0.0, 0.0, int(i < 3))
    >>> s.admits(s, 0, 1.0, 0.36, 0), s.all_tried[0], s.all_good[0]  # 4 / 11 = 0.3636
    (0, 11, 3)
    """

    such_as: ClassVar[str] = "ClientThrottling()"
    sees: ClassVar[str] = "how many requests were accepted"
    origin: ClassVar[str] = "Google SRE"
    k: Annotated[float, Ge(1), Lt(math.inf)] = 2.0
    window: Span = 120.0
    width: Span = 1.0

    def __post_init__(self) -> None:
        check_width(self.window, self.width, "width")

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return clients that have attempted nothing."""
        return Throttles(k=self.k, **make_buckets(self.window, self.width, places, make))
