"""Pools and routes to them, laid out as an engine does, without any engine."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mesh_lab.balancing.eligible import Eligible, Known, arrange, choose_pool, max_pools
from mesh_lab.balancing.routes import Routes
from mesh_lab.balancing.rule import Arrays, Lists, Pool, View


def hosts(*groups: tuple[int, int, str, int]) -> list[Known]:
    """Return endpoints: of each group (healthy, unhealthy, zone, priority)."""
    known: list[Known] = []
    for well, ill, zone, priority in groups:
        for k in range(well + ill):
            number = len(known)
            name = f"10.0.0.{number}:80"
            known.append(Known(number, name, 1.0, zone, priority, k < well, -math.inf))
    return known


def without(known: Iterable[Known], *numbers: int) -> list[Known]:
    """Return the endpoints but those that have left."""
    return [endpoint for endpoint in known if endpoint.number not in numbers]


def ill(known: Iterable[Known], *numbers: int) -> list[Known]:
    """Return the endpoints, some of which have failed."""
    return [replace(one, healthy=False) if one.number in numbers else one for one in known]


class Ways:
    """The pools of a service's balancers, and which of them is chosen."""

    def __init__(
        self,
        eligible: Eligible,
        known: Sequence[Known],
        proxies: int = 1,
        *,
        ever: Sequence[Known] | None = None,
        make: Lists | Arrays | None = None,
        seed_words: Sequence[int] = (),
    ) -> None:
        m = make or Lists()
        self.pools: list[Pool]
        self.routes: Routes
        self.pools, self.routes = arrange(
            eligible, known, proxies, m, ever=ever or (), seed_words=seed_words
        )
        assert len(self.pools) <= max_pools(eligible, ever or known, proxies)
        self.known = {endpoint.number: endpoint for endpoint in known}
        size = m.ints(len(pool.endpoints) for pool in self.pools)
        nothing = m.ints([])
        self.view = View(
            stride=1 + max(self.known, default=0),
            size=size,
            hosts=nothing,
            balancer=m.ints(pool.balancer for pool in self.pools),
            pool=nothing,
            place=nothing,
            outstanding=nothing,
            there=nothing,
            busy_until=m.floats([]),
            job=m.floats([0.0]),
            own=m.floats([]),
            cursor=m.ints([0]),
            alarm_times=m.floats([]),
            alarm_codes=nothing,
            alarms=m.ints([0]),
        )
        for p in range(proxies):
            own = [e for pool in self.pools if pool.balancer == p for e in pool.endpoints]
            assert len(own) == len(set(own)), "an endpoint is in two pools of a balancer"

    def choose(self, p: int = 0, u_level: float = 0.5, u_zone: float = 0.5) -> int:
        """Return the pool of a request, which is the balancer's own and not empty; -1: none."""
        pool = int(choose_pool(self.routes, self.view, p, u_level, u_zone))
        if pool >= 0:
            assert self.pools[pool].balancer == p
            assert self.pools[pool].endpoints
        return pool

    def endpoints(self, p: int = 0, u_level: float = 0.5, u_zone: float = 0.5) -> tuple[int, ...]:
        """Return the endpoints that a request may go to."""
        pool = self.choose(p, u_level, u_zone)
        return () if pool < 0 else self.pools[pool].endpoints

    def zones(self, draws: Iterable[float], p: int = 0) -> Counter[str]:
        """Count the zones of the pools that these draws lead to."""
        found: Counter[str] = Counter()
        for u in draws:
            there = {self.known[e].zone for e in self.endpoints(p, 0.5, u)}
            found["+".join(sorted(there)) if there else "none"] += 1
        return found

    def levels(self, draws: Iterable[float], p: int = 0) -> Counter[int]:
        """Count the priorities of the pools that these draws lead to; -1: none."""
        found: Counter[int] = Counter()
        for u in draws:
            there = {self.known[e].priority for e in self.endpoints(p, u)}
            assert len(there) <= 1
            found[there.pop() if there else -1] += 1
        return found


def even(n: int) -> list[float]:
    """Return `n` numbers that divide [0, 1) evenly."""
    return [(k + 0.5) / n for k in range(n)]
