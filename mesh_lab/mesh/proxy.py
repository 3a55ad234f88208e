"""One proxy of a caller towards one service: its balancer, its guards, its connections.

A proxy knows of the endpoints what it has been told, and of requests only its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..balancing.rule import OWN_DRAWS, Lists
from ..clock import CHANGE, Alarm
from ..draws import Draws
from ..ledger import CANCELLED, OK
from ..stations.balancers import Balancers
from ..stations.service import Service
from ..stations.sight import Chooser
from .attempt import Attempt
from .guards import Guards
from .pools import Pool

if TYPE_CHECKING:
    from .upstream import Upstream

__all__ = ["Proxy", "alone"]


class Proxy:
    """One caller's way to a service: its balancer, and what it knows of the endpoints.

    Parameters
    ----------
    number : int
        Which of the service's proxies it is.
    """

    def __init__(
        self,
        upstream: Upstream,
        number: int,
        draws: Draws,
        chooser: Callable[[Balancers], Chooser] | None,
    ) -> None:
        part = self.part = upstream.part
        self.number = number
        self.clock = upstream.clock
        own = iter(draws.column("uniform", part.name, "own", str(number) if number else ""))
        self.balancers = Balancers(alone(part), Lists(), own)
        self.view = self.balancers.view
        self.chooser = chooser(self.balancers) if chooser is not None else None
        self.pools: dict[int, Pool] = {}  # by endpoint; -1: of the service
        self.guards: Guards | None = None
        if any((part.budget, part.limits, part.breaker, part.ejection)):
            sweeps = iter(draws.column("uniform", part.name, "sweep", str(number)))
            self.guards = Guards(part, upstream.chances, sweeps)
        self.arranged(0.0)

    def pool(self, of: int) -> Pool:
        """Return the connections to an endpoint, or (-1) to the service."""
        if of not in self.pools:
            assert self.part.connections is not None
            self.pools[of] = Pool(self.part.connections)
        return self.pools[of]

    def arranged(self, now: float) -> None:
        """Take the pools and the state that there are now."""
        self.routes = self.balancers.routes
        self.plain = self.routes.plain == 1
        state = self.state = self.balancers.state
        self.settle(now)
        self.pick: Any = getattr(state, "pick", None)
        self.sent: Any = getattr(state, "sent", None)
        self.told: Any = getattr(state, "answered", None)
        self.arrived: Any = getattr(state, "arrived", None)
        self.departed: Any = getattr(state, "left", None)

    def settle(self, now: float) -> None:
        """Schedule the alarms that the rule has asked for, and keep its own draws in supply."""
        view = self.view
        for k in range(view.alarms[0]):
            delay = max(view.alarm_times[k] - now, 0.0)
            self.clock.schedule(Alarm(self._ring, view.alarm_codes[k]), CHANGE, delay)
        view.alarms[0] = 0
        if view.cursor[0]:
            self.balancers.supply(OWN_DRAWS)

    def _ring(self, alarm: Alarm) -> None:
        now = self.clock.env.now
        self.state.alarm(self.state, self.view, alarm.subject, now)
        self.settle(now)

    def answered(
        self, attempt: Attempt, outcome: int, now: float, there: int, worked: float
    ) -> None:
        """Take an attempt off the outstanding ones; tell the balancer, and the guards."""
        endpoint, _, sent = attempt.ticket
        self.view.outstanding[endpoint] -= 1
        if self.told is not None:
            ok = 1 if outcome == OK else 0
            self.told(self.state, self.view, 0, endpoint, now, now - sent, ok, there, worked)
            self.settle(now)
        if self.guards is not None:
            if outcome == CANCELLED:
                changed = self.guards.cancelled(attempt, endpoint, now)
            else:
                changed = self.guards.ended(attempt, endpoint, now, outcome)
            if changed:
                self._wake_at(self.guards.opened_until(endpoint), now)
                self.clock.agenda.append((self.rearrange, None))

    def _wake_at(self, time: float, now: float) -> None:
        if time > now:
            self.clock.schedule(Alarm(self._woken), CHANGE, time - now)

    def _woken(self, alarm: Alarm) -> None:
        self.rearrange(None)
        self.clock.drain()

    def believe(self, endpoints: Sequence[tuple[int, bool]], now: float) -> None:
        """Take another view of the endpoints: their numbers, and whether each is healthy."""
        before = set(self.balancers.known)
        self.balancers.believe(endpoints, now)
        if self.guards is not None:
            there = set(self.balancers.known)
            for endpoint in sorted(there - before):
                self.guards.joined(endpoint)
            for endpoint in sorted(before - there):
                self.guards.gone(endpoint)
            self.balancers.barred = self.guards.barred(now)
        self.balancers.arrange(now)
        self.arranged(now)

    def rearrange(self, _: object) -> None:
        """Make the pools anew, if other endpoints than before are barred."""
        assert self.guards is not None
        now = self.clock.env.now
        barred = self.guards.barred(now)
        if barred != self.balancers.barred:
            self.balancers.barred = barred
            self.balancers.arrange(now)
            self.arranged(now)


def alone(part: Service) -> Service:
    """Return the service as one of its proxies sees it: as if there were no other."""
    return part if part.proxies == 1 else replace(part, proxies=1)
