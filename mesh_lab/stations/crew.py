"""Those who serve a line: workers, synchronous or asynchronous, their failures and their outages.

A *synchronous* worker is held for the whole of a request: its work and its wait for I/O.  An
*asynchronous* one is held for the work only; the request then waits for its I/O by itself, and a
limit on concurrency counts those that are in either phase.

At a completion, in this order: the request may fail; its calls are made, and when they have ended
the rest follows; its next place is chosen; a place that blocks is asked first, and while it does
not take the request, the worker stays held (blocking after service). Then the worker is freed and
the line moves up, blocked producers of this line are let in, the balancer is told, and the onward
arrival goes on the agenda.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ..clock import COMPLETION, Alarm, Clock
from ..ledger import CANCELLED, CRASHED, FAILED, OK, Ledger, Request
from .line import Line, Place

__all__ = ["Errands", "Hands", "Workers"]

Need = Callable[[Request], float]
Onward = Callable[[Request], "Place | None"]


class Errands(Protocol):
    """Who makes the calls of a crew's requests."""

    def run(self, request: Request, done: Callable[[Request, int], None]) -> None:
        """Make the calls of `request`, then call `done` with it and the outcome."""
        ...

    def drop(self, request: Request) -> None:
        """Leave all calls of `request` that are not answered."""
        ...


class Hands:
    """What every kind of crew does when a request is done: fail it, send it on, free the worker.

    Parameters
    ----------
    line : Line
        The line that it serves.
    need : callable
        The seconds of work of a request.
    failure : float
        The probability that a request fails.
    chance : callable
        The uniform draw of a request that decides whether it fails.
    onward : callable
        The next place of a request; None when it leaves.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        line: Line,
        need: Need,
        *,
        failure: float = 0.0,
        chance: Need | None = None,
        onward: Onward | None = None,
    ) -> None:
        self.clock = clock
        self.ledger = ledger
        self.line = line
        self.need = need
        self.failure = failure
        self.chance = chance
        self.onward = onward
        # done, but the next place is full: by their visit here, because a request may be on its
        # way from this crew to this crew
        self.blocked: dict[int, tuple[Request, Place, Any]] = {}
        self.errands: Errands | None = None
        self.calling: dict[int, Request] = {}  # done, but for the calls: by their visit here
        self.free = 0

    def let_go(self, call: int) -> None:
        """Free what a visit holds; each kind of crew says how."""
        raise NotImplementedError

    def depart(self, request: Request, now: float) -> None:
        """Send a request on whose service is complete."""
        if request.fails or (self.chance is not None and self.chance(request) < self.failure):
            self._go(request, FAILED, now)
        elif self.errands is not None:
            self.calling[request.call] = request
            self.errands.run(request, self._called)
        else:
            self._go(request, OK, now)

    def _called(self, request: Request, outcome: int) -> None:
        del self.calling[request.call]
        self._go(request, outcome, self.clock.env.now)

    def _go(self, request: Request, outcome: int, now: float) -> None:
        """Let a request go on, or answer it."""
        call, ticket = request.call, request.ticket
        onward = self.onward(request) if outcome == OK and self.onward is not None else None
        if onward is None or not onward.blocks:
            self._move_up(call, outcome, now)
            self.line.answer(request, outcome, now, onward=onward)
        elif onward.arrive(request, partial(self._released, call)):
            # the next place has it already: only what it held here is freed
            self._move_up(call, OK, now)
            self._tell(request, ticket, OK, now)
        else:
            self.blocked[call] = request, onward, ticket

    def _released(self, call: int, request: Request) -> None:
        _, _, ticket = self.blocked.pop(call)
        now = self.clock.env.now
        self._move_up(call, OK, now)
        self._tell(request, ticket, OK, now)

    def _tell(self, request: Request, ticket: Any, outcome: int, now: float) -> None:
        """Tell the balancer of a request that is somewhere else already."""
        if self.line.way is not None:
            self.line.way.answered(request, ticket, outcome, now, None, inside=True, ends=False)

    def _move_up(self, call: int, outcome: int, now: float) -> None:
        line = self.line
        self.ledger.close(call, outcome, now)
        self.let_go(call)
        line.serve(now)
        if line.producers:
            line.let_in(now)

    def end_crashed(self, request: Request, call: int, now: float) -> None:
        """End a request whose visit was in the hands of a crew that crashed."""
        if call in self.blocked:
            _, place, ticket = self.blocked.pop(call)
            place.withdraw(request)
            request.ticket = ticket  # of the visit that ends now
        elif call in self.calling:
            self._drop_calls(request)
        self.ledger.close(call, CRASHED, now)
        self.line.answer(request, CRASHED, now)

    def _drop_calls(self, request: Request) -> None:
        assert self.errands is not None
        del self.calling[request.call]
        self.errands.drop(request)

    def cancel(self, request: Request, now: float) -> None:
        """Stop working on a request whose caller has left."""
        call = request.call
        if call in self.calling:
            self._drop_calls(request)
        else:
            self.interrupt(request, now)
        self._move_up(call, CANCELLED, now)
        self.line.answer(request, CANCELLED, now)

    def interrupt(self, request: Request, now: float) -> None:
        """Stop the work, or the I/O, of a request in its hands; each kind of crew says how."""
        raise NotImplementedError


class Workers(Hands):
    """A number of workers, each with one request at a time.

    Parameters
    ----------
    workers : int
        How many there are.
    io : callable, optional
        The seconds of I/O of a request after its work.
    is_async : bool
        Whether the worker is free during the I/O.
    concurrency : int, optional
        How many requests may be in work or I/O together, when asynchronous.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        line: Line,
        need: Need,
        *,
        workers: int = 1,
        io: Need | None = None,
        is_async: bool = False,
        concurrency: int | None = None,
        failure: float = 0.0,
        chance: Need | None = None,
        onward: Onward | None = None,
    ) -> None:
        super().__init__(clock, ledger, line, need, failure=failure, chance=chance, onward=onward)
        self.workers = workers
        self.io = io
        self.is_async = is_async
        self.concurrency = concurrency if concurrency is not None else math.inf
        self.up = True
        self.busy = 0  # workers that are held
        # the visits in its hands, in order of start; None once work and I/O are done
        self.hands: dict[int, Alarm | None] = {}
        self.free = self._startable()
        self._spare: list[Alarm] = []
        self._starts = ledger.start

    def held(self) -> int:
        """Return how many requests are in its hands."""
        return len(self.hands)

    def start(self, request: Request, now: float) -> None:
        """Begin to serve `request`; one that was interrupted goes on."""
        starts, call = self._starts, request.call
        work = request.work if self.line.knows_work else self.need(request)
        if starts[call] != starts[call]:  # NaN: it never started before
            starts[call] = now
            work = work / self.line.speed
        if self.io is not None and not self.is_async:
            work = work + self.io(request)
        request.due = now + work
        alarm = self._spare.pop() if self._spare else Alarm(self._worked)
        alarm.subject = request
        self.hands[call] = alarm
        self.busy += 1
        if self.is_async:
            self.free = self._startable()
        else:
            self.free -= 1
        self.clock.schedule(alarm, COMPLETION, work)

    def _worked(self, alarm: Alarm) -> None:
        request = alarm.subject
        if request is None:
            return
        alarm.callbacks = alarm.again
        self._spare.append(alarm)
        now = self.clock.env.now
        if self.is_async:
            self.ledger.worked[request.call] = now
            self.busy -= 1
            self.hands[request.call] = self._wait(request)
            self.free = self._startable()
            self.line.serve(now)
            if self.line.producers:
                self.line.let_in(now)
            if self.io is None:
                self.depart(request, now)
        else:
            self.hands[request.call] = None
            self.depart(request, now)
        if self.clock.agenda:
            self.clock.drain()

    def _wait(self, request: Request) -> Alarm | None:
        """Let a request wait for its I/O, if there is any."""
        if self.io is None:
            return None
        waits = Alarm(self._answered, request)
        self.clock.schedule(waits, COMPLETION, self.io(request))
        return waits

    def _answered(self, alarm: Alarm) -> None:
        request = alarm.subject
        if request is None:
            return
        self.hands[request.call] = None
        self.depart(request, self.clock.env.now)
        if self.clock.agenda:
            self.clock.drain()

    def let_go(self, call: int) -> None:
        """Free the worker, or the place among the concurrent ones."""
        del self.hands[call]
        if self.is_async:
            self.free = self._startable()
        else:
            self.busy -= 1
            self.free += 1

    def interrupt(self, request: Request, now: float) -> None:
        """Stop the work, or the I/O, of a request in its hands."""
        alarm = self.hands[request.call]
        assert alarm is not None
        alarm.subject = None  # abandoned: it is still in the heap
        if self.is_async and self.ledger.worked[request.call] != self.ledger.worked[request.call]:
            self.busy -= 1

    def _startable(self) -> int:
        if not self.up:
            return 0
        idle = self.workers - self.busy
        return int(min(idle, self.concurrency - len(self.hands))) if self.is_async else idle

    def make_way(self, request: Request, now: float) -> Request | None:
        """Interrupt the least urgent one, if it is less urgent than `request`.

        The victim is the one with the largest priority number; among those the one that was
        started (or resumed) last.  What is left of its work is its planned end minus now.
        """
        victim: Request | None = None
        for alarm in self.hands.values():
            if alarm is not None and (victim is None or alarm.subject.priority >= victim.priority):
                victim = alarm.subject
        if victim is None or victim.priority <= request.priority:
            return None
        alarm = self.hands.pop(victim.call)
        assert alarm is not None
        alarm.subject = None  # abandoned: it is still in the heap
        victim.work = victim.due - now
        self.busy -= 1
        self.free = self._startable()
        return victim

    def alive(self) -> bool:
        """Whether it works on something, or will be up again."""
        return not self.up or any(alarm is not None for alarm in self.hands.values())

    def crash(self, now: float) -> None:
        """End everything in its hands, and start nothing until `recover`."""
        self.up = False
        for call, alarm in list(self.hands.items()):
            if alarm is not None:
                request = alarm.subject
            else:
                request = self.blocked[call][0] if call in self.blocked else self.calling[call]
            if alarm is not None:
                alarm.subject = None
            self.end_crashed(request, call, now)
        self.hands.clear()
        self.busy = 0
        self.free = 0
        if not self.line.down:
            self.line.let_in(now)  # where the limit is on all that are there, there is room now

    def recover(self, now: float) -> None:
        """Serve again, those who wait first."""
        self.up = True
        self.free = self._startable()
        self.line.serve(now)
        self.line.let_in(now)
