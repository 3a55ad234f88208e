"""The proxies of a service on the express lane for service graphs, and the rules that they follow.

A rule is told what `mesh_lab.mesh.upstream` tells it, in the same order.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..balancing.rule import OWN_DRAWS, Lists
from ..clock import CHANGE, Alarm
from ..mesh.proxy import alone
from ..stations.balancers import Balancers
from ..stations.service import Service
from .express_graph_attempts import Attempt, Setting

__all__ = ["Proxy"]


class Proxy:
    """One caller's way to a service: its balancer, and what it has outstanding."""

    def __init__(self, setting: Setting, part: Service, number: int) -> None:
        own = setting.draws.column("uniform", part.name, "own", str(number) if number else "")
        self.balancers = Balancers(alone(part), Lists(), iter(own))
        self.clock, self.rows = setting.clock, setting.rows
        rules, view = self.balancers.state, self.balancers.view
        # attributes, which Python finds in half the time of a named tuple's fields
        self.state = SimpleNamespace(**rules._asdict())
        self.view: Any = SimpleNamespace(**view._asdict())
        self.outstanding, self.alarms, self.cursor = view.outstanding, view.alarms, view.cursor
        self.pick = rules.pick
        self.sent, self.told = getattr(rules, "sent", None), getattr(rules, "answered", None)
        self.came, self.went = getattr(rules, "arrived", None), getattr(rules, "left", None)
        self.alarm: Any = getattr(rules, "alarm", None)
        self.settle(0.0)

    def settle(self, now: float) -> None:
        """Schedule the alarms that the rule has asked for, and keep its own draws in supply."""
        view = self.view
        for k in range(self.alarms[0]):
            delay = max(view.alarm_times[k] - now, 0.0)
            self.clock.schedule(Alarm(self._ring, view.alarm_codes[k]), CHANGE, delay)
        self.alarms[0] = 0
        if self.cursor[0]:
            self.balancers.supply(OWN_DRAWS)

    def _ring(self, alarm: Alarm) -> None:
        if self.clock.stopped and not self.rows.busy():
            return  # nobody is left to balance
        now = self.clock.env.now
        self.alarm(self.state, self.view, alarm.subject, now)
        self.settle(now)

    def answered(
        self, endpoint: int, now: float, latency: float, ok: int, there: int, worked: float
    ) -> None:
        """Take an attempt off the outstanding ones, and tell the balancer."""
        self.outstanding[endpoint] -= 1
        if self.told is not None:
            self.told(self.state, self.view, 0, endpoint, now, latency, ok, there, worked)
            self.settle(now)

    # -- for rules that look at the endpoints themselves -----------------------------------------

    def entered(self, attempt: Attempt, endpoint: int, now: float, work: float) -> None:
        """Note that an attempt was let in, with so many seconds of work for all workers."""
        view = self.view
        attempt.met = view.there[endpoint]
        attempt.entered = now
        view.there[endpoint] += 1
        view.busy_until[endpoint] = max(view.busy_until[endpoint], now) + work
        if self.came is not None:
            self.came(self.state, view, endpoint, now)
            self.settle(now)

    def left(self, attempt: Attempt, endpoint: int, now: float) -> int:
        """Note that an attempt has left the endpoint; return how many it left behind."""
        view = self.view
        view.there[endpoint] -= 1
        there: int = view.there[endpoint]
        if not there:
            view.busy_until[endpoint] = now
        if self.went is not None:
            stay = now - attempt.entered
            self.went(self.state, view, endpoint, now, stay, attempt.met)
            self.settle(now)
        return there
