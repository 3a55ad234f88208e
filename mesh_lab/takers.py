"""Processes of a SimPy program that take from a queue by themselves, instead of a handler.

To the queue they are a crew: as many as ask can be given something, each gets one, and what it
does with it is its own affair.
"""

from __future__ import annotations

from collections import deque

import simpy

from .clock import Clock
from .ledger import OK, Ledger, Request
from .stations.line import Line

__all__ = ["Get", "Takers"]


class Get(simpy.Event):
    """The event of a `LivePlace.get`; its value is what was put in.

    A process that stops waiting for it (because a timeout came first) must call `cancel`, or the
    next thing that is put in goes to nobody.
    """

    def __init__(self, env: simpy.Environment, takers: Takers) -> None:
        super().__init__(env)
        self._takers = takers

    def cancel(self) -> None:
        """Stop waiting; nothing happens if something was received already."""
        self._takers.forget(self)


class Takers:
    """Processes that take from a queue by themselves: a crew with no work of its own."""

    def __init__(self, clock: Clock, ledger: Ledger, line: Line) -> None:
        self._clock = clock
        self._ledger = ledger
        self._line = line
        self._asking: deque[Get] = deque()
        self.free = 0

    def ask(self) -> Get:
        """Let one more process wait for something."""
        clock = self._clock
        asked = Get(clock.env, self)
        self._asking.append(asked)
        self.free += 1
        self._line.serve(clock.env.now)
        self._line.let_in(clock.env.now)
        clock.drain()
        return asked

    def forget(self, asked: Get) -> None:
        """Let a process wait no longer."""
        if asked in self._asking:
            self._asking.remove(asked)
            self.free -= 1

    def start(self, request: Request, now: float) -> None:
        """Give `request` to the process that has waited longest."""
        ledger = self._ledger
        ledger.start[request.call] = now
        ledger.close(request.call, OK, now)
        self.free -= 1
        self._asking.popleft().succeed(request.payload)
        ledger.end(request, OK)

    def held(self) -> int:
        """Return 0: what was taken is gone."""
        return 0

    def need(self, request: Request) -> float:
        """Return 0: whoever takes decides how long it takes."""
        return 0.0

    def make_way(self, request: Request, now: float) -> Request | None:
        """Nobody is interrupted."""
        return None

    def alive(self) -> bool:
        """Whether something could still be taken: nobody can tell."""
        return True

    def crash(self, now: float) -> None:
        """Nothing to do: outages belong to handlers."""

    def recover(self, now: float) -> None:
        """Nothing to do: outages belong to handlers."""
