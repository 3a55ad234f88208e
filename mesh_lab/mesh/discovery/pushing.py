"""A control plane at work: who is pushed to, when, and what he makes of it.

Of one instant, what arrives at proxies comes first, then places become free, then the control plane
goes down or comes back, then timers ring, then proxies are served.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ...draws import Draws
from .base import State, Truth, View
from .control import ControlPlane
from .debounce import Debounce
from .loop import Model
from .numbers import Next, numbers

__all__ = ["Pushing"]

_ARRIVE, _DONE, _OUTAGE, _TIMER, _SERVE = range(5)


class Pushing(Model):
    """The model of `ControlPlane`."""

    def __init__(
        self, part: ControlPlane, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> None:
        super().__init__(truth, proxies, draws, name)
        self.part = part
        self.in_force: list[View] = [self.known.view(part.unready)] * proxies
        self.debounce = Debounce(part.after, part.longest)
        self.up = True
        self.life = 0  # how often it has gone down; what was planned before is void
        self.connected = [True] * proxies
        self.waiting: deque[int] = deque()
        self.queued: set[int] = set()
        self.served: set[int] = set()
        self.again: set[int] = set()  # being served, and wanted once more
        self.latest = [0.0] * proxies  # when what was sent last arrives
        self.next_turn = 0.0  # by the rate
        self.turn_planned = False
        self.pushes = 0
        each = range(proxies)
        self.works = [Next(numbers(part.work, draws, name, "push", str(p))) for p in each]
        self.ways = [Next(numbers(part.way, draws, name, "way", str(p))) for p in each]
        refusal = "uniform" if part.refused else 1.0
        self.refusals = [Next(numbers(refusal, draws, name, "refusal", str(p))) for p in each]
        self.returns = [
            Next(numbers(part.reconnect, draws, name, "reconnect", str(p))) for p in each
        ]

    def begin(self) -> None:
        """Plan the outages."""
        for begin, end in self.part.down:
            self.agenda.plan(begin, self._goes_down, rank=_OUTAGE)
            self.agenda.plan(end, self._comes_back, rank=_OUTAGE)

    def view(self, proxy: int) -> View:
        """Return the configuration in force."""
        return self.in_force[proxy]

    # -- changes -------------------------------------------------------------------------------

    def changed(self, change: Truth, before: State) -> None:
        """The registry says something new."""
        if self.up:
            timer = self.debounce.came(self.now)
            if timer is not None:
                self.agenda.plan(timer, self._rings, self.life, rank=_TIMER)

    def _rings(self, life: int) -> None:
        if life != self.life:
            return
        timer = self.debounce.rang(self.now)
        if timer is not None:
            self.agenda.plan(timer, self._rings, life, rank=_TIMER)
            return
        order = self.draws.column("uniform", self.name, "push order", "", visit=self.pushes)
        self.pushes += 1
        connected = [p for p in range(self.proxies) if self.connected[p]]
        for proxy in sorted(connected, key=order.at):
            self._enqueue(proxy)

    # -- outages -------------------------------------------------------------------------------

    def _goes_down(self) -> None:
        self.up = False
        self.life += 1
        self.connected = [False] * self.proxies
        self.debounce.forget()
        self.waiting.clear()
        for some in (self.queued, self.served, self.again):
            some.clear()
        self.turn_planned = False

    def _comes_back(self) -> None:
        self.up = True
        for proxy in range(self.proxies):
            at = self.now + self.returns[proxy]()
            self.agenda.plan(at, self._connects, proxy, self.life, rank=_OUTAGE)

    def _connects(self, proxy: int, life: int) -> None:
        if life == self.life:
            self.connected[proxy] = True
            self._enqueue(proxy)

    # -- the queue -----------------------------------------------------------------------------

    def _enqueue(self, proxy: int) -> None:
        if proxy in self.served:
            self.again.add(proxy)
        elif proxy not in self.queued:
            self.queued.add(proxy)
            self.waiting.append(proxy)
            self._plan_turn()

    def _plan_turn(self) -> None:
        """Serve the next one as soon as there is a place, and the rate allows it."""
        room = len(self.served) < self.part.concurrency
        if self.waiting and room and not self.turn_planned:
            self.turn_planned = True
            at = max(self.now, self.next_turn)
            self.agenda.plan(at, self._serve, self.life, rank=_SERVE)

    def _serve(self, life: int) -> None:
        if life != self.life:
            return
        self.turn_planned = False
        proxy = self.waiting.popleft()
        self.queued.discard(proxy)
        self.served.add(proxy)
        if self.part.rate is not None:
            self.next_turn = self.now + 1.0 / self.part.rate
        content = self.known.view(self.part.unready)
        done = self.now + self.works[proxy]()
        self.agenda.plan(done, self._done, proxy, content, life, rank=_DONE)
        self._plan_turn()

    def _done(self, proxy: int, content: View, life: int) -> None:
        if life != self.life:
            return  # it was never sent
        self.served.discard(proxy)
        self.latest[proxy] = max(self.latest[proxy], self.now + self.ways[proxy]())
        accepted = self.refusals[proxy]() >= self.part.refused
        self.agenda.plan(self.latest[proxy], self._arrives, proxy, content, accepted, rank=_ARRIVE)
        if proxy in self.again:
            self.again.discard(proxy)
            self._enqueue(proxy)
        self._plan_turn()

    def _arrives(self, proxy: int, content: View, accepted: bool) -> None:
        if accepted:
            self.in_force[proxy] = content
            self.touch(proxy)
