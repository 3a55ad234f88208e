"""A waiting line: who gets in, who waits, who is turned away, who is let in later.

An offered request is started if a crew can take it, waits if there is room, and otherwise meets
the line's overflow rule:

``reject``       it leaves at once as ``rejected``
``drop_oldest``  the one that came first among the waiting leaves as ``dropped``; it waits
``block``        its producer (a source, a worker upstream) is blocked until there is room

With a time-to-live, whoever has waited that long without being started leaves as ``expired``.
`capacity` counts those that wait; for ``"ps"`` and ``"preemptive"``, where waiting and being
served mix, the limit is on both together: workers + capacity.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from ..clock import EXPIRY, Alarm, Clock
from ..errors import Deadlock
from ..ledger import (
    CANCELLED,
    CRASHED,
    DROPPED,
    EXPIRED,
    REJECTED,
    SHED,
    UNAVAILABLE,
    Ledger,
    Request,
)
from .discipline import Waiting

__all__ = ["Crew", "Line", "Overflow", "Place", "Release"]

MOST_VISITS = 10_000  # of one request to one place; each takes a column of draws of its own

Overflow = Literal["reject", "drop_oldest", "block"]
Release = Callable[[Request], None]


class Place(Protocol):
    """Where a request can be sent: a line, or a service that picks one of its lines."""

    name: str
    blocks: bool

    def arrive(self, request: Request, release: Release | None = None) -> bool:
        """Offer `request`; False when its producer is blocked until `release` is called."""
        ...

    def withdraw(self, request: Request) -> None:
        """Forget a blocked request whose producer has crashed."""
        ...


class Way(Protocol):
    """The balancers in front of a line, who hear of what becomes of a request that they sent."""

    def entered(self, request: Request, endpoint: int, now: float) -> None:
        """Note that `request` was let in."""
        ...

    def answered(
        self,
        request: Request,
        ticket: Any,
        outcome: int,
        now: float,
        onward: Place | None,
        *,
        inside: bool,
        ends: bool,
    ) -> None:
        """Let the response go back, then end the request, or send it on."""
        ...


class Crew(Protocol):
    """Those who serve a line."""

    free: int  # how many requests it could start now

    def start(self, request: Request, now: float) -> None:
        """Begin to serve `request`."""
        ...

    def held(self) -> int:
        """Return how many requests are in its hands."""
        ...

    def need(self, request: Request) -> float:
        """Return the seconds of work that `request` needs here."""
        ...

    def make_way(self, request: Request, now: float) -> Request | None:
        """Interrupt and return somebody less urgent than `request`, if there is one."""
        ...

    def alive(self) -> bool:
        """Whether it works on something, or will be up again."""
        ...

    def crash(self, now: float) -> None:
        """End everything in its hands, and start nothing until `recover`."""
        ...

    def recover(self, now: float) -> None:
        """Serve again."""
        ...


class Line:
    """One waiting line and the crews that serve it.

    Parameters
    ----------
    waiting : Waiting
        Keeps those that wait, in the order of the discipline.
    room : float
        How many may wait (or, where `limits_total`, be there in all); infinity for no limit.
    knows_work : bool
        Whether the discipline needs to know on arrival how much work a request brings.
    counts_visits : bool
        Whether a request may come back here, so that its visits must be told apart.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        name: str,
        waiting: Waiting,
        *,
        station: int,
        endpoint: int = 0,
        room: float = math.inf,
        overflow: Overflow = "reject",
        ttl: float | None = None,
        limits_total: bool = False,
        preemptive: bool = False,
        knows_work: bool = False,
        counts_visits: bool = False,
    ) -> None:
        self.name = name
        self.clock = clock
        self.ledger = ledger
        self.waiting = waiting
        self.station = station
        self.endpoint = endpoint
        self.room = room
        self.overflow = overflow
        self.blocks = overflow == "block"
        self.ttl = ttl
        self.limits_total = limits_total
        self.preemptive = preemptive
        self.knows_work = knows_work
        self.counts_visits = counts_visits
        self.crews: list[Crew] = []
        self.producers: deque[tuple[Request, Release | None]] = deque()
        self.down = False
        self.skips = False  # whether it does not start those whose callers have left
        # whether one whose service would start is dropped instead
        self.drops: Callable[[Request, float], bool] | None = None
        self.way: Way | None = None  # the balancers in front, if there are any
        self.speed = 1.0  # seconds of work done in a second
        self._arrivals = 0
        self._timers = 0  # times-to-live that run

    # -- getting in ----------------------------------------------------------------------------

    def arrive(self, request: Request, release: Release | None = None) -> bool:
        """Offer `request`; False when its producer is blocked until `release` is called."""
        if self.counts_visits:
            count_visit(request, self.station, self.name)
        else:
            request.visit = 0
        return self.offer(request, release)

    def offer(self, request: Request, release: Release | None = None) -> bool:
        """Offer a request whose visit has been counted already."""
        now = self.clock.env.now
        self.ledger.visit(request, self.station, self.endpoint, now)
        return self.reach(request, now, release)

    def reach(self, request: Request, now: float, release: Release | None = None) -> bool:
        """Take a request whose visit has begun: it has come to the endpoint."""
        if self.down:
            self._turn_away(request, UNAVAILABLE, now)
        elif not self._take_in(request, now):
            if self.overflow == "block":
                self.producers.append((request, release))
                return False
            if self.overflow == "drop_oldest" and self.waiting:
                self._drop(self.waiting.oldest(), DROPPED, now)
                self._take_in(request, now)
            else:
                self._turn_away(request, REJECTED, now)
        return True

    def _take_in(self, request: Request, now: float) -> bool:
        """Start the request or let it wait, if it can be; False if there is no room."""
        in_all = self._in_all() if self.limits_total else len(self.waiting)
        for crew in self.crews:
            if crew.free > 0 and not (self.limits_total and in_all >= self.room):
                self._welcome(request, now)
                if self.drops is not None and self.drops(request, now):
                    self._turn_away(request, SHED, now, inside=True)
                else:
                    crew.start(request, now)
                return True
        if in_all >= self.room:
            return False
        self._welcome(request, now)
        if self.preemptive:
            crew = self.crews[0]
            victim = crew.make_way(request, now)
            if victim is not None:
                self.waiting.push(victim)
                crew.start(request, now)
                return True
        self.waiting.push(request)
        if self.ttl is not None:
            self._timers += 1
            request.timer = Alarm(self._expire, request)
            self.clock.schedule(request.timer, EXPIRY, self.ttl)
        return True

    def _in_all(self) -> int:
        return len(self.waiting) + sum(crew.held() for crew in self.crews)

    def _welcome(self, request: Request, now: float) -> None:
        self.ledger.admit(request, now)
        request.order = self._arrivals
        self._arrivals += 1
        if self.knows_work:
            request.work = self.crews[0].need(request)
        if self.way is not None:
            self.way.entered(request, self.endpoint, now)

    # -- moving on -----------------------------------------------------------------------------

    def serve(self, now: float) -> None:
        """Start those who wait, as far as crews can take them."""
        waiting = self.waiting
        while waiting:
            for crew in self.crews:
                if crew.free > 0:
                    break
            else:
                return
            request = waiting.take()
            if request.timer is not None:
                self._stop_timer(request)
            if request.left and self.skips:
                self._turn_away(request, CANCELLED, now, inside=True)
                continue
            if self.drops is not None and self.drops(request, now):
                self._turn_away(request, SHED, now, inside=True)
                continue
            crew.start(request, now)

    def cancel(self, request: Request, now: float) -> None:
        """Let go of a request that was let in, and whose caller has left."""
        starts, ends = self.ledger.start[request.call], self.ledger.finish[request.call]
        if ends == ends:  # not NaN: it has left by itself
            return
        interrupted = self.preemptive and request.order in self.waiting  # type: ignore[operator]
        if starts != starts or interrupted:
            self._drop(request, CANCELLED, now)
            self.let_in(now)
        else:
            hands: Any = self.crews[0]  # those of a service, which know how to stop
            hands.cancel(request, now)

    def let_in(self, now: float) -> None:
        """Admit blocked producers while there is room; each is released on the agenda."""
        producers = self.producers
        while producers and self._take_in(producers[0][0], now):
            request, release = producers.popleft()
            if release is not None:
                self.clock.agenda.append((release, request))

    def withdraw(self, request: Request) -> None:
        """Forget a blocked request whose producer has crashed."""
        self.producers = deque(entry for entry in self.producers if entry[0] is not request)
        now = self.clock.env.now
        self.ledger.close(request.call, CRASHED, now)
        if self.way is not None:
            self.way.answered(request, request.ticket, CRASHED, now, None, inside=False, ends=False)

    # -- the response --------------------------------------------------------------------------

    def answer(
        self,
        request: Request,
        outcome: int,
        now: float,
        *,
        onward: Place | None = None,
        inside: bool = True,
    ) -> None:
        """Let the response go back; then the request ends, or goes on.

        Parameters
        ----------
        inside : bool
            Whether it had been let in.
        """
        if self.way is not None:
            self.way.answered(
                request, request.ticket, outcome, now, onward, inside=inside, ends=True
            )
        elif onward is None:
            self.ledger.end(request, outcome)
        else:
            self.clock.agenda.append((onward.arrive, request))

    # -- leaving without service ---------------------------------------------------------------

    def _turn_away(
        self, request: Request, outcome: int, now: float, *, inside: bool = False
    ) -> None:
        self.ledger.close(request.call, outcome, now)
        self.answer(request, outcome, now, inside=inside)

    def _drop(self, request: Request, outcome: int, now: float) -> None:
        self.waiting.remove(request)
        if request.timer is not None:
            self._stop_timer(request)
        self._turn_away(request, outcome, now, inside=True)

    def _stop_timer(self, request: Request) -> None:
        request.timer.subject = None  # abandoned: it is still in the heap
        request.timer = None
        self._timers -= 1

    def _expire(self, alarm: Alarm) -> None:
        request = alarm.subject
        if request is None:
            return
        now = self.clock.env.now
        request.timer = None
        self._timers -= 1
        self.waiting.remove(request)
        self.ledger.close(request.call, EXPIRED, now)
        self.let_in(now)
        self.answer(request, EXPIRED, now)
        self.clock.drain()

    # -- outages -------------------------------------------------------------------------------

    def turn_out(self, now: float) -> None:
        """End all that waits as ``crashed``: the whole place has gone down."""
        while self.waiting:
            self._drop(self.waiting.oldest(), CRASHED, now)

    def turn_back(self, now: float) -> None:
        """End what is blocked before the line as ``unavailable``, and release its producers."""
        producers, self.producers = self.producers, deque()
        for request, release in producers:
            self._turn_away(request, UNAVAILABLE, now)
            if release is not None:
                self.clock.agenda.append((release, request))

    def reopen(self, now: float) -> None:
        """Serve again."""
        self.down = False
        for crew in self.crews:
            crew.recover(now)

    def alive(self) -> bool:
        """Whether something will happen here: work that goes on, or a time-to-live that runs."""
        return self._timers > 0 or any(crew.alive() for crew in self.crews)

    def stuck(self) -> str | None:
        """Describe whoever cannot move here, for the report of a deadlock."""
        blocked, waiting = len(self.producers), len(self.waiting)
        if not blocked and not waiting:
            return None
        return f"{self.name!r} ({waiting} waiting, {blocked} blocked before it)"


def count_visit(request: Request, station: int, name: str) -> None:
    """Note which visit of `request` to `station` this is: 0 for the first.

    Raises
    ------
    Deadlock
        When it has come so often that it goes round for ever, or as good as.
    """
    if request.visits is None:
        request.visits = {}
    visit = request.visit = request.visits.get(station, 0)
    if visit >= MOST_VISITS:
        raise Deadlock(
            f"{request} has come to {name!r} {visit} times and still goes round; let more of "
            "those that are done there leave, with smaller probabilities in to="
        )
    request.visits[station] = visit + 1


def stuck_places(lines: Sequence[Line]) -> str:
    """Return the places where requests stand that nothing will move."""
    found = [text for line in lines if (text := line.stuck()) is not None]
    return ", ".join(found)
