"""Time, and the order of what happens at one time, on an unmodified SimPy environment.

Events are ordered by (time, rank, sequence of scheduling); a rank is a SimPy priority:

====  =====================================================
rank  what happens
====  =====================================================
0     SimPy's own events
1     completions: the end of work, the end of I/O, responses that come back
2     time-to-live runs out
3     outages begin and end; endpoints change; the alarms of a balancing rule
4     users wake from thinking; requests reach an endpoint after a delay
5+i   open source *i*, in declared order, makes an arrival
====  =====================================================

What follows in the same instant (a request that goes on to the next part, a producer that is
released) goes on one first-in-first-out `Clock.agenda`, which is drained before the next event:
no recursion, no events without a delay.  Without ranks, requests on a lattice of times would
depend on which part was declared first.

An `Alarm` is the small event that the parts schedule.  It is scheduled again and again, which is
why this runs several times faster than a process and a `simpy.Resource` for each request.  An
alarm that is still in SimPy's heap must not be scheduled again: a cancelled one is abandoned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import simpy
from simpy.core import StopSimulation

__all__ = ["CHANGE", "COMPLETION", "EXPIRY", "HOP", "OUTAGE", "SOURCE", "WAKE", "Alarm", "Clock"]

COMPLETION = 1
EXPIRY = 2
OUTAGE = CHANGE = 3
WAKE = HOP = 4
SOURCE = 5


class Alarm:
    """An event that calls one function when its time comes, and may then be scheduled again.

    `subject` is what the alarm is about; None means that it was cancelled, and that its function
    does nothing when SimPy comes to it.
    """

    __slots__ = ("_ok", "again", "callbacks", "subject")

    def __init__(self, ring: Callable[[Alarm], None], subject: Any = None) -> None:
        self.again = (ring,)
        self.callbacks: Any = self.again  # SimPy sets it to None when the time comes
        self._ok = True
        self.subject = subject


class Clock:
    """The environment as the parts use it, and the agenda of the present instant."""

    __slots__ = ("_done", "agenda", "env", "held", "schedule", "stopped")

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        # schedule(alarm, rank, delay); typed loosely because an Alarm is no simpy.Event
        self.schedule: Callable[[Any, Any, float], None] = env.schedule
        self.agenda: deque[tuple[Callable[[Any], object], Any]] = deque()
        self.stopped = False  # sources make no more arrivals
        # whether something besides requests still moves (events in queues)
        self.held: Callable[[], bool] | None = None
        self._done: simpy.Event | None = None

    def drain(self) -> None:
        """Do everything that is on the agenda, in the order in which it was put there."""
        agenda = self.agenda
        while agenda:
            do, argument = agenda.popleft()
            do(argument)

    def stop_sources(self, in_flight: int) -> None:
        """Make no more arrivals; the run is over when nothing is in flight."""
        self.stopped = True
        if not in_flight:
            self.finish()

    def finish(self) -> None:
        """End the run: no request is in flight any more (and nothing else holds it up)."""
        if self.held is not None and self.held():
            return
        done = self._done
        if done is not None and not done.triggered:
            self._end(done, None)

    def _end(self, done: simpy.Event, value: bool | None) -> None:
        # before everything else that happens at this time, which succeed() would not be
        done._ok, done._value = True, value
        self.env.schedule(done, simpy.events.URGENT)

    def run_until_finished(self, until: float | None = None) -> bool:
        """Run until `finish` is called; False when time or SimPy's events ran out before."""
        self._done = done = self.env.event()
        limit = None
        if until is not None:
            # before everything else that happens at that time
            limit = self.env.event()
            limit._ok, limit._value = True, None
            self.env.schedule(limit, simpy.events.URGENT, until - self.env.now)

            def stop(_: simpy.Event) -> None:
                if not done.triggered:
                    self._end(done, True)

            limit.callbacks.append(stop)
        # env.run(until=done) would report the end of events by a RuntimeError, which could not be
        # told from one that a user's own code raises
        done.callbacks.append(StopSimulation.callback)
        self.env.run()
        return done.triggered and done.value is None
