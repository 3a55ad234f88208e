"""Fixed window: so many requests from one full minute to the next.

Time is cut into windows that follow each other, and each lets in at most `limit` requests.  Around
a boundary up to twice the limit passes in a moment.  The rule of Envoy's global rate limit service
(envoyproxy/ratelimit: the counter's key holds the time cut down to whole units), and of many that
count with Redis's ``INCR`` and ``EXPIRE``.

The windows are counted from time 0, as there from the Unix epoch.  A window begins at a whole
multiple of its length, not at a sum of lengths (see `mesh_lab.shedding.grid`).
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from ..parts import Count, part
from .classes import Share, check_shares, room_of, rooms
from .grid import whole_steps
from .rule import Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["FixedWindowLimit"]


@kernel
def admits_by_window(s: Windows, p: int, now: float, u: float, priority: int) -> int:
    """Count the request in the window of now, if there is room in it."""
    number = whole_steps(now, s.window)
    if number != s.number[p]:
        s.number[p] = number
        s.count[p] = 0
    if s.count[p] >= room_of(s.rooms, priority):
        return 0
    s.count[p] += 1
    return 1


@kernels(admits=admits_by_window)
class Windows(NamedTuple):
    """The windows.

    Attributes
    ----------
    window : float
        Seconds.
    rooms : ints, one a class
        How many requests a window lets in.
    number, count : ints, one a place
        Which window it was at the last request, and how many it has let in.
    """

    window: float
    rooms: Ints
    number: Ints
    count: Ints


@part
class FixedWindowLimit(Shedder):
    """Let in `limit` requests in each window of time.

    Parameters
    ----------
    limit : int
        Requests a window.
    window : float
        Its length in seconds; windows are counted from time 0.
    shares : sequence of float
        What part of the limit each priority may use, see `mesh_lab.shedding.classes`.

    Notes
    -----
    Source: envoyproxy/ratelimit (``cache_key.go``; it counts refused requests too, which makes no
    difference in this rule).  Shares are this package's own.

    Examples
    --------
    Twice the limit around the end of a window:

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = FixedWindowLimit(limit=2, window=60.0).state(1, Lists())
    >>> [s.admits(s, 0, now, 0.0, 0) for now in (59.0, 59.5, 59.9, 60.0, 60.1, 60.2)]
    [1, 1, 0, 1, 1, 0]
    """

    such_as: ClassVar[str] = "FixedWindowLimit(limit=100, window=1.0)"
    sees: ClassVar[str] = "when requests come"
    origin: ClassVar[str] = "Envoy ratelimit service"
    limit: Count
    window: Span
    shares: tuple[Share, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_shares(self.shares, self.limit)

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return windows in which nothing has come yet."""
        return Windows(
            window=self.window,
            rooms=make.ints(rooms(self.shares, self.limit)),
            number=make.ints([-1] * places),
            count=make.ints([0] * places),
        )
