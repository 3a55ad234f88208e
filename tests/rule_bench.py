"""A bench on which one balancing rule is driven by hand, without any engine.

It keeps the view up to date as an engine does, on lists or on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from mesh_lab.balancing.rule import ALARMS, Arrays, Balancer, Lists, Pool, Rule, View


class Bench:
    """One service under one rule: `pick`, `answer`, `arrive`, `leave`, `change`, `ring`."""

    def __init__(
        self,
        balancer: Balancer,
        endpoints: int = 3,
        *,
        weights: Sequence[float] | None = None,
        names: Sequence[str] | None = None,
        proxies: int = 1,
        own: Sequence[float] = (),
        make: Lists | Arrays | None = None,
    ) -> None:
        self.part = balancer
        self.make = make or Lists()
        self.weights = tuple(weights or [1.0] * endpoints)
        self.names = tuple(names or [f"10.0.0.{i}:80" for i in range(endpoints)])
        n, m = endpoints, self.make
        self.n = n
        self.view = View(
            stride=n,
            size=m.ints([0] * proxies),
            hosts=m.ints([0] * (n * proxies)),
            balancer=m.ints(range(proxies)),
            pool=m.ints([-1] * (n * proxies)),
            place=m.ints([-1] * (n * proxies)),
            outstanding=m.ints([0] * (n * proxies)),
            there=m.ints([0] * n),
            busy_until=m.floats([-math.inf] * n),
            job=m.floats([0.0]),
            own=m.floats(own),
            cursor=m.ints([0]),
            alarm_times=m.floats([0.0] * ALARMS),
            alarm_codes=m.ints([0] * ALARMS),
            alarms=m.ints([0]),
        )
        self.proxies = proxies
        self.state: Rule = None
        self.change(range(n))

    def change(
        self,
        members: Sequence[int] | range,
        now: float = 0.0,
        since: Sequence[float] | None = None,
    ) -> None:
        """Let every balancer pick out of `members` from now on."""
        v, n = self.view, self.n
        pools = []
        for p in range(self.proxies):
            for e in range(n):
                v.pool[p * n + e] = v.place[p * n + e] = -1
            for j, e in enumerate(members):
                v.hosts[p * n + j] = e
                v.pool[p * n + e], v.place[p * n + e] = p, j
            v.size[p] = len(members)
            pools.append(
                Pool(
                    p,
                    tuple(members),
                    tuple(self.weights[e] for e in members),
                    tuple(self.names[e] for e in members),
                    tuple(since or [-math.inf] * len(members)),
                )
            )
        self.state = self.part.state(pools, v, self.make, old=self.state, now=now)

    def pick(self, *u: float, now: float = 0.0, key: int = 0, proxy: int = 0) -> int:
        """Pick, and count the request as outstanding."""
        e = int(self.state.pick(self.state, self.view, proxy, list(u), now, key))
        self.view.outstanding[proxy * self.n + e] += 1
        self._tell("sent", proxy, e, now)
        return e

    def answer(
        self,
        e: int,
        *,
        now: float = 0.0,
        latency: float = 0.0,
        ok: int = 1,
        there: int = 0,
        worked: float = 0.0,
        proxy: int = 0,
    ) -> None:
        """Let a response come back."""
        self.view.outstanding[proxy * self.n + e] -= 1
        self._tell("answered", proxy, e, now, latency, ok, there, worked)

    def arrive(self, e: int, *, now: float = 0.0, work: float = 0.0) -> None:
        """Let a request in at endpoint `e`."""
        v = self.view
        v.there[e] += 1
        v.busy_until[e] = max(v.busy_until[e], now) + work
        self._tell("arrived", e, now)

    def leave(self, e: int, *, now: float = 0.0, stay: float = 0.0, met: int = 0) -> None:
        """Let a request leave endpoint `e`."""
        v = self.view
        v.there[e] -= 1
        if not v.there[e]:
            v.busy_until[e] = now
        self._tell("left", e, now, stay, met)

    def ring(self) -> tuple[float, int]:
        """Take the earliest alarm that was asked for, ring it, and return (time, code)."""
        v = self.view
        count = int(v.alarms[0])
        first = min(range(count), key=lambda k: (v.alarm_times[k], k))
        time, code = float(v.alarm_times[first]), int(v.alarm_codes[first])
        for k in range(first, count - 1):
            v.alarm_times[k], v.alarm_codes[k] = v.alarm_times[k + 1], v.alarm_codes[k + 1]
        v.alarms[0] = count - 1
        self._tell("alarm", code, time)
        return time, code

    def _tell(self, what: str, *arguments: object) -> None:
        hook = getattr(self.state, what, None)
        if hook is not None:
            hook(self.state, self.view, *arguments)
