"""The balancers of a service: what they know of its endpoints, and the state of their rule.

All engines use this; it is told of changes, and arranges pools and states anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ..balancing.eligible import Known, arrange, max_pools
from ..balancing.rule import ALARMS, OWN_DRAWS, Balancer, Make, View
from .endpoints import Change, Drain, Endpoint, Fail, Join, Leave, Recover
from .service import Service

__all__ = ["Balancers"]

_SUPPLY = 1024  # own draws at a time


class Balancers:
    """What the balancers of one service see and remember.

    Parameters
    ----------
    part : Service
        What was declared.
    make : Make
        Makes the arrays: lists, or NumPy arrays.
    own : iterator of float
        Uniform draws of the service itself.
    stride : int, optional
        How many places each balancer has in the view, at least one for each endpoint.

    Attributes
    ----------
    view : View
        Kept up by the engine.
    state, routes
        Of the rule, and of the way to its pools; other ones after each change.
    known : dict
        The endpoints that are on the lists, by their number.
    barred : frozenset of int
        Those that count as unhealthy, whatever is known of them.
    """

    def __init__(
        self, part: Service, make: Make, own: Iterator[float], stride: int | None = None
    ) -> None:
        self.part = part
        self.make = make
        self.rule = part.balancer if isinstance(part.balancer, Balancer) else None
        self.state: Any = None
        self.routes: Any = None
        self._own = own
        ever = part.ever
        self.stride = n = len(ever) if stride is None else stride
        self._numbers = {endpoint.name: number for number, endpoint in enumerate(ever)}
        self._joined = len(part.initial)
        self.known = {
            number: _known(number, ever[number], -math.inf) for number in range(self._joined)
        }
        self.barred: frozenset[int] = frozenset()
        pools = max_pools(part.eligible, ever, part.proxies)
        rows = part.proxies * n
        self.view = View(
            stride=n,
            size=make.ints([0] * pools),
            hosts=make.ints([0] * (pools * n)),
            balancer=make.ints([0] * pools),
            pool=make.ints([-1] * rows),
            place=make.ints([-1] * rows),
            outstanding=make.ints([0] * rows),
            there=make.ints([0] * n),
            busy_until=make.floats([-math.inf] * n),
            job=make.floats([0.0]),
            own=make.floats([]),
            cursor=make.ints([0]),
            alarm_times=make.floats([0.0] * ALARMS),
            alarm_codes=make.ints([0] * ALARMS),
            alarms=make.ints([0]),
        )
        self.arrange(0.0)

    def number(self, change: Change) -> int:
        """Return the number of the endpoint that `change` is about; a new one has the next."""
        if isinstance(change, Join):
            return self._joined
        name: str = change.endpoint  # type: ignore[attr-defined]  # all but the base have it
        return self._numbers[name]

    def change(self, change: Change, now: float) -> None:
        """Take note of a change, and arrange pools and states anew where that follows."""
        number = self.number(change)
        if isinstance(change, Join):
            self._joined += 1
            self.known[number] = _known(number, change.endpoint, now)
        elif number not in self.known:
            return  # it has gone for good
        elif isinstance(change, Leave | Drain):
            del self.known[number]
        elif isinstance(change, Fail):
            self.known[number] = replace(self.known[number], healthy=False)
        elif isinstance(change, Recover):
            self.known[number] = replace(self.known[number], healthy=True, since=now)
        else:
            return
        self.arrange(now)

    def believe(self, endpoints: Sequence[tuple[int, bool]], now: float) -> None:
        """Know these endpoints, by number and whether each is healthy, and no others."""
        known: dict[int, Known] = {}
        for number, healthy in endpoints:
            old = self.known.get(number)
            fresh = old is None or (healthy and not old.healthy)
            # whoever is there from the beginning does not warm up
            since = now if now > 0.0 else -math.inf
            if old is None:
                old = _known(number, self.part.ever[number], since)
            known[number] = replace(old, healthy=healthy, since=since if fresh else old.since)
        self.known = known

    def arrange(self, now: float) -> None:
        """Make pools, routes and the rule's state for the endpoints that are known now."""
        view, n, part = self.view, self.stride, self.part
        known = [self.known[number] for number in sorted(self.known)]
        if self.barred:
            known = [replace(k, healthy=False) if k.number in self.barred else k for k in known]
        pools, self.routes = arrange(
            part.eligible, known, part.proxies, self.make, old=self.routes, ever=part.ever
        )
        for at in range(part.proxies * n):
            view.pool[at] = view.place[at] = -1
        for g in range(len(view.size)):
            view.size[g] = 0
        for g, pool in enumerate(pools):
            view.size[g] = len(pool.endpoints)
            view.balancer[g] = pool.balancer
            first, base = g * n, pool.balancer * n
            for place, endpoint in enumerate(pool.endpoints):
                view.hosts[first + place] = endpoint
                view.pool[base + endpoint] = g
                view.place[base + endpoint] = place
        if self.rule is not None:
            self.supply(2 * n + OWN_DRAWS)
            self.state = self.rule.state(pools, self.view, self.make, old=self.state, now=now)

    def supply(self, least: int) -> None:
        """Keep at least so many of the service's own draws in the view."""
        view = self.view
        left = len(view.own) - int(view.cursor[0])
        if left >= least:
            return
        rest = list(view.own[int(view.cursor[0]) :])
        rest.extend(islice(self._own, least + _SUPPLY))
        view.cursor[0] = 0
        if isinstance(view.own, list):
            view.own[:] = rest
        else:
            self.view = view._replace(own=self.make.floats(rest))


def _known(number: int, endpoint: Endpoint, since: float) -> Known:
    return Known(
        number, endpoint.name, endpoint.weight, endpoint.zone, endpoint.priority, True, since
    )
