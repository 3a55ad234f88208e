"""CoDel: drop from a queue in which requests have waited too long for too long.

RFC 8289 (Controlled Delay Active Queue Management), with requests for packets.  What counts is how
long a request has waited when it is taken from the queue.  A wait of `target` (5 ms) or more says
little by itself; but if waits never fell below it for a whole `interval` (100 ms), there is a
*standing queue*, and the request is dropped.  From then on one is dropped each time that the next
drop is due,

    next drop = this one + interval / sqrt(count),    count = 1, 2, 3, ... drops,

so after 100, 71, 58, 50, ... ms, quicker and quicker, until a wait is below the target.  If
dropping has to begin again within 16 intervals, it begins at the rate that it had reached:

==========  ===========================  ========================================================
state       a request is taken that has  then
==========  ===========================  ========================================================
good        waited below target, or      good; the interval begins anew
            leaves no queue behind it
good        waited target or more        good, until that was so for an interval; then *dropping*:
                                         it is dropped; count = the drops added the last time, if
                                         those were more than one and the drop that was due next
                                         then is less than 16 intervals ago, or else 1;
                                         next = now + law(count)
dropping    waited below target, or      good
            leaves no queue behind it
dropping    waited target or more, the   dropping; it is served
            next drop not being due
dropping    waited target or more, the   it is dropped; count + 1; if the one after it has waited
            next drop being due          target or more too, next = next + law(count), which may
                                         be due already; or else good
==========  ===========================  ========================================================

with law(count) = interval / sqrt(count).  The RFC takes several packets in one go; here each
request is decided on when its turn comes, with the same result.  Where the RFC spares a queue of no
more bytes than the largest packet, so that a link is never idle for it, here `spare` requests are
spared: one request is the largest packet.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge

from ..errors import PartError
from ..parts import part
from .rule import NANOSECOND, Floats, Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["CoDel"]

REMEMBERED = 16.0  # intervals: RFC 8289, section 5.5
NEVER = -1.0  # there is no time before 0


@kernel
def law(s: Delays, p: int, time: float) -> float:
    """The control law: when the next drop is due, after one at `time`."""
    return time + s.interval / math.sqrt(s.count[p])


@kernel
def joins(s: Delays, p: int, now: float, u: float, priority: int) -> int:
    """Count who waits; everybody may."""
    s.waiting[p] += 1
    return 1


@kernel
def stands(s: Delays, p: int, now: float, waited: float) -> bool:
    """Whether a standing queue has been there for an interval."""
    if waited + NANOSECOND < s.target or s.waiting[p] <= s.spare:
        s.due_above[p] = NEVER
        return False
    if s.due_above[p] == NEVER:
        s.due_above[p] = now + s.interval
        return False
    return s.due_above[p] <= now + NANOSECOND  # type: ignore[no-any-return]


@kernel
def drops(s: Delays, p: int, now: float, waited: float) -> int:
    """Decide on the request whose turn it is."""
    s.waiting[p] -= 1
    may_drop = stands(s, p, now, waited)
    if s.pending[p]:  # the request before was dropped, and this one says whether more will be
        s.pending[p] = 0
        if may_drop:
            s.drop_next[p] = law(s, p, s.drop_next[p])
    if s.dropping[p]:
        if not may_drop:
            s.dropping[p] = 0
        elif s.drop_next[p] <= now + NANOSECOND:
            s.count[p] += 1
            s.pending[p] = 1
            return 1
    elif may_drop:
        s.dropping[p] = 1
        drops_then = s.count[p] - s.count_then[p]
        s.count[p] = 1
        if drops_then > 1 and now - s.drop_next[p] + NANOSECOND < REMEMBERED * s.interval:
            s.count[p] = drops_then
        s.drop_next[p] = law(s, p, now)
        s.count_then[p] = s.count[p]
        return 1
    return 0


@kernel
def leaves(s: Delays, p: int, now: float, begun: int) -> None:
    """Count one less who waits, if it had still waited."""
    if not begun:
        s.waiting[p] -= 1


@kernels(admits=joins, began=drops, gone=leaves)
class Delays(NamedTuple):
    """The queues.

    Attributes
    ----------
    target, interval : float
        Seconds.
    spare : int
        With so many left behind it, nothing is dropped.
    waiting : ints, one a place
        Requests that wait.
    due_above : floats
        When waits will have been too long for an interval; -1: the last was not too long.
    dropping : ints
        1 while dropping.
    drop_next : floats
        When the next drop is due, or was.
    count, count_then : ints
        Drops since dropping began, and what `count` began with.
    pending : ints
        1 if `drop_next` waits for what the next request says.
    """

    target: float
    interval: float
    spare: int
    waiting: Ints
    due_above: Floats
    dropping: Ints
    drop_next: Floats
    count: Ints
    count_then: Ints
    pending: Ints


@part
class CoDel(Shedder):
    """Drop requests from a queue in which all waits have been too long for a while.

    Parameters
    ----------
    target : float
        Seconds that a request may wait; RFC 8289 says 5 ms for packets, and 5 to 10 % of the
        interval.
    interval : float
        Seconds after which a wait that never fell below the target is a standing queue; the RFC
        says about as long as a round trip through the bottleneck takes: 100 ms.
    spare : int
        With no more than so many waiting behind a request it is not dropped.

    Notes
    -----
    Source: RFC 8289, section 5 (the pseudo-code, which is Linux's rule; read in three public
    implementations that follow it line by line).  How the RFC would choose `target` and `interval`
    is recalled, not checked.  The queue should be first in, first out.

    Examples
    --------
    A queue in which everybody waits 20 ms, one taken each 10 ms: dropped are those of 100 ms
    after the first, and then 100, 71 and 58 ms later, at the next one's turn.

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = CoDel().state(1, Lists())
    >>> for _ in range(100):
    ...     _ = s.admits(s, 0, 0.0, 0.0, 0)
    >>> [k * 10 for k in range(50) if s.began(s, 0, k * 0.010, 0.020)]
    [100, 200, 280, 330, 380, 430, 470]
    """

    such_as: ClassVar[str] = "CoDel()"
    sees: ClassVar[str] = "how long requests wait"
    origin: ClassVar[str] = "RFC 8289"
    target: Span = 0.005
    interval: Span = 0.1
    spare: Annotated[int, Ge(0)] = 1

    def __post_init__(self) -> None:
        if self.target >= self.interval:
            raise PartError(
                "",
                "target",
                f"is {self.target!r}, but must be below interval, {self.interval!r}: RFC 8289 "
                "has 5 ms of 100 ms",
            )

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return queues in which nobody waits and nothing was dropped."""
        return Delays(
            target=self.target,
            interval=self.interval,
            spare=self.spare,
            waiting=make.ints([0] * places),
            due_above=make.floats([NEVER] * places),
            dropping=make.ints([0] * places),
            drop_next=make.floats([0.0] * places),
            count=make.ints([0] * places),
            count_then=make.ints([0] * places),
            pending=make.ints([0] * places),
        )
