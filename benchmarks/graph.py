"""What is measured where services call each other: three tiers with timeouts and retries.

The last tier has room for a thousand requests a second.  Every hop picks the less busy of two
endpoints, gives an attempt a time and tries again when that is over; at the loads of the table this
is rarely needed, but every attempt has its timer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import mesh_lab as ml

from .plain_graph import Tier, called
from .report import Bar
from .sides import COMPILED, SIMPY, Sizes, by_simpy, compiled
from .timing import MissingError, average, seconds
from .workloads import Workload

__all__ = ["GRAPHS", "GraphWorkload", "graph_bars"]

CAPACITY = 1_000.0
LOADS = (0.7, 1.2)  # between which the time a request may grow
GROWTH, BUILD = 3.0, 5.0
SERVICES, EACH = 1_000, 10
ROOM = 20  # of each endpoint's line, where load is above 1


@dataclass(frozen=True)
class GraphWorkload(Workload):
    """One line of the table; `room` is that of every endpoint's line."""

    load: float = 0.7
    room: int | None = None

    def plain(self, requests: int, seed: int) -> object:
        """Run the plain script."""
        db = Tier("db", 10, 2, 0.02, per_try=0.25, retries=2, room=self.room)
        orders = Tier("orders", 10, 8, 0.01, callee=db, per_try=1.0, retries=2, room=self.room)
        web = Tier("web", 10, 16, 0.01, callee=orders, per_try=2.0, retries=1, room=self.room)
        return called(web, requests, rate=self.load * CAPACITY, seed=seed)

    def scenario(self, endpoints: int = 0) -> ml.Scenario:
        """Return the scenario for the engines."""

        def tier(name: str, workers: int, work: float, per_try: float, times: int) -> ml.Service:
            callee = {"web": ("orders",), "orders": ("db",)}.get(name, ())
            return ml.Service(
                name,
                replicas=10,
                workers=workers,
                service_time=ml.Exponential(mean=work),
                calls=callee,
                balancer=ml.LeastRequest(),
                capacity=self.room,
                policy=ml.Policy(per_try_timeout=per_try, retries=ml.Retries(times)),
            )

        return ml.Scenario(
            ml.Poisson("a", rate=self.load * CAPACITY, to="web"),
            tier("web", 16, 0.01, 2.0, 1),
            tier("orders", 8, 0.01, 1.0, 2),
            tier("db", 2, 0.02, 0.25, 2),
        )


GRAPHS = (GraphWorkload("three tiers with retries", bar=60.0, simpy_bar=3.0),)


def graph_bars(sizes: Sizes) -> list[Bar]:
    """Return what has a bar besides the speed: growth with the load, and a large graph."""
    found = []
    sides: tuple[tuple[str, Callable[..., object], int], ...] = (
        (SIMPY, by_simpy, sizes.plain),
        (COMPILED, compiled, sizes.plain),
    )
    for side, run, requests in sides:
        what = f"three tiers: {side}, time a request, load {LOADS[0]:g} to {LOADS[1]:g}"
        try:
            low, high = (_seconds(run, load, requests) for load in LOADS)
        except MissingError:
            found.append(Bar(what, "not there", f"at most {GROWTH:g}", False))
            continue
        by = high / low
        found.append(Bar(what, f"{by:.1f} times", f"at most {GROWTH:g}", by <= GROWTH))
    for side, run, _ in sides:
        what = f"{SERVICES:,} services, {SERVICES * EACH:,} endpoints: {side}, first request"
        try:
            took = seconds(partial(run, large(), 1, 1))
            took = min(took, seconds(partial(run, large(), 1, 1)))  # compiled by now
        except MissingError:
            found.append(Bar(what, "not there", f"under {BUILD:g} s", False))
            continue
        found.append(Bar(what, f"{took:.1f} s", f"under {BUILD:g} s", took < BUILD))
    return found


def _seconds(run: Callable[..., object], load: float, requests: int) -> float:
    scenario = GraphWorkload("", bar=0.0, load=load, room=ROOM).scenario()
    run(scenario, requests if run is compiled else 1_000, 1)
    return average(partial(seconds, partial(run, scenario, requests, 1))) / requests


def large() -> ml.Scenario:
    """Return a thousand services in a tree, each with ten endpoints and two callees."""

    def node(k: int) -> ml.Service:
        callees = tuple(f"s{c}" for c in (2 * k + 1, 2 * k + 2) if c < SERVICES)
        return ml.Service(
            f"s{k}",
            replicas=EACH,
            service_time=ml.Exponential(mean=0.001),
            calls=(ml.Parallel(callees),) if callees else (),
            balancer=ml.LeastRequest(),
            policy=ml.Policy(timeout=10.0, retries=ml.Retries(1)),
        )

    return ml.Scenario(ml.Poisson("a", rate=1.0, to="s0"), *(node(k) for k in range(SERVICES)))
