"""What the express lane for service graphs works on: attempts, and the rows that they leave.

A call has one attempt out at most, so what it knows is on that attempt: for whom it is made, when
its time is over, which pause was before it.  The next attempt takes that over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from ..clock import Clock
from ..draws import Draws
from ..mesh.spans import GraphLedger
from ..scenario import Scenario

if TYPE_CHECKING:
    from .express_graph_proxies import Proxy
    from .express_graph_ways import Way

__all__ = ["Attempt", "Begin", "Ended", "Judge", "Rows", "Setting", "call_now"]

MORE = 4096  # rows at least, where there were too few


@dataclass(slots=True, init=False, eq=False, repr=False)
class Attempt:
    """An attempt, or what a source has made; also the event of whatever it waits for.

    Attributes
    ----------
    _ok, callbacks
        For SimPy.
    way : Way
        Along which it was sent.
    drawn, at
        Its draws, in the order in which they were `Wanted`: ``drawn[k][at]`` is one.
    parent : Attempt
        For whom it is made.
    row, request : int
        Its own row (-1: it is what a source has made), and that of the request it is all about.
    number : int
        Of that request within its source.
    sent, end, deadline : float
        When it was sent; when the time of its call is over; by when what is made for it must be
        done.
    last : bool
        Whether its own time ends with that of its call.
    timed, left : bool
        Whether its time may run out; whether its caller has left.
    pause : float
        The pause before it.
    proxy, endpoint
        Through which it went, and where.
    entered, met : float, int
        When it was let in there, and how many it met.
    worked, behind : float, int
        While its response goes back: its seconds of service, and how many it left behind there.
    step, open, failed
        Of its calls: which step it is at, how many of them are open, whether one has failed.
    """

    _ok: bool
    callbacks: Any
    way: Way
    drawn: list[list[float]]
    at: int
    parent: Attempt
    row: int
    request: int
    number: int
    sent: float
    end: float
    deadline: float
    last: bool
    timed: bool
    left: bool
    pause: float
    proxy: Proxy
    endpoint: int
    entered: float
    met: int
    worked: float
    behind: int
    step: int
    open: int
    failed: bool


Begin = Callable[[Attempt, float], None]  # (for whom, now)
Ended = Callable[[Attempt, int, float], None]  # (for whom, result, now)
Judge = Callable[[Attempt, int, float], None]  # (attempt, result, now)


class Rows(GraphLedger):
    """The columns of the run; what happens is written into them directly."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.numbers = count()  # of the attempts
        self.timed: dict[int, Attempt] = {}  # by row: those whose time may run out
        self._ended = self._gone = 0  # requests and attempts before these have ended

    def more(self, row: int) -> None:
        """Make room for attempt `row` and more."""
        self._room(self._grow_calls, max(row, MORE))

    def busy(self) -> bool:
        """Whether a request or an attempt that has begun has not ended."""
        ends, sent, finish = self.request_end, self.sent, self.finish
        while self._ended < self.requests and ends[self._ended] == ends[self._ended]:  # not NaN
            self._ended += 1
        at = self._gone
        while at < len(sent) and sent[at] == sent[at] and finish[at] == finish[at]:
            at += 1
        self._gone = at
        return self._ended < self.requests or (at < len(sent) and sent[at] == sent[at])


class Setting(NamedTuple):
    """What all live parts share."""

    clock: Clock
    rows: Rows
    draws: Draws
    scenario: Scenario


def call_now(what: tuple[Begin, Attempt, float]) -> None:
    """Begin a call that was put on the agenda."""
    begin, attempt, now = what
    begin(attempt, now)
