"""The tables of a graph: what does not change while it runs, from the declared parts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ....distributions import Distribution
from ....ledger import OUTCOMES
from ....resilience.backoff import BackoffNumbers, backoff_numbers
from ....resilience.policy import Policy
from ....scenario import Scenario
from ....stations.service import Delay, Service
from ...calls import call_names
from . import guarding, loop
from .world import BY_DEADLINE, BY_PRIORITY, BY_RANK, BY_WORK, FIFO, LIFO, Graph

__all__ = ["DISCIPLINES", "Column", "Tables", "tables_of"]

ENDLESS = 1 << 60
DISCIPLINES = {
    "fifo": (FIFO, 0),
    "lifo": (LIFO, 0),
    "priority": (BY_RANK, BY_PRIORITY),
    "sjf": (BY_RANK, BY_WORK),
    "edf": (BY_RANK, BY_DEADLINE),
}


class Column(NamedTuple):
    """What one column of a service's ways is drawn from: see `mesh_lab.draws.Draws.column`."""

    of: Any
    part: str
    purpose: str


class Tables(NamedTuple):
    """The tables of a graph, and what follows from them.

    Attributes
    ----------
    graph : Graph
        For the loop.
    columns : list of list of Column
        Of each service: what is drawn for an attempt there.
    ways : list of str
        Of each call: what it adds to the name of the way that led to its caller.
    places : int
        How many calls one service makes at most.
    jitters, ejections : list of int
        Of each service: the columns for the pauses of its breakers, and the first for ejections;
        -1: none.
    """

    graph: Graph
    columns: list[list[Column]]
    ways: list[str]
    places: int
    jitters: list[int]
    ejections: list[int]


def tables_of(scenario: Scenario) -> Tables:
    """Return the tables of a scenario for which `reasons` finds nothing."""
    services = [part for part in scenario.stations if isinstance(part, Service)]
    number = {part.name: s for s, part in enumerate(services)}
    rows: dict[str, list[Any]] = {name: [] for name in Graph._fields}
    columns: list[list[Column]] = []
    ways = [""] * len(services)
    jitters: list[int] = []
    ejections: list[int] = []
    lines = pools = 0

    def policy(of: Policy | None) -> None:
        of = of or Policy()
        again = of.retries or of.hedge
        backoff = of.retries.backoff if of.retries is not None else None
        rows["timeout"].append(math.inf if of.timeout is None else of.timeout)
        rows["per_try"].append(math.inf if of.per_try_timeout is None else of.per_try_timeout)
        rows["propagate"].append(int(of.propagate))
        rows["times"].append(again.times if again else 0)
        rows["on"].append(sum(1 << OUTCOMES.index(name) for name in set(again.on)) if again else 0)
        rows["hedge"].append(of.hedge.delay if of.hedge is not None else -1.0)
        numbers = BackoffNumbers(loop.AT_ONCE, 0.0, 0.0, 1.0)
        if backoff is not None:
            numbers = backoff_numbers(backoff)
        rows["pausing"].append(numbers.kind)
        rows["base"].append(numbers.base)
        rows["longest"].append(numbers.longest)
        rows["growth"].append(numbers.growth)

    for s, part in enumerate(services):  # the entries come first
        for name, value in (("callee", s), ("optional", 0), ("probability", 1.0)):
            rows[name].append(value)
        rows["at_chance"].append(-1)
        rows["place"].append(0)
        policy(part.policy)
    for part in services:
        mine: list[Column] = []

        def column(of: Any, of_part: str, purpose: str, mine: list[Column] = mine) -> int:
            mine.append(Column(of, of_part, purpose))
            return len(mine) - 1

        columns.append(mine)
        work = part.service_time
        rows["draws_work"].append(int(work is not None))
        if isinstance(work, Distribution):
            column(work, part.name, "service")
        rows["at_failure"].append(
            column("uniform", part.name, "failure") if part.failure > 0.0 else -1
        )
        rows["at_proxy"].append(column("uniform", part.name, "proxy") if part.proxies > 1 else -1)
        rule: Any = part.balancer
        rows["picks"].append(rule.draws)
        rows["at_picks"].append(len(mine))
        for k in range(rule.draws):
            column("uniform", part.name, f"balance{k}" if k else "balance")
        rows["group"].append(0)
        for way, delay, purpose in (
            ("forward", part.forward_delay, "forward"),
            ("back", part.return_delay, "return"),
        ):
            kind, seconds = _way(delay)
            rows[way].append(kind)
            rows[f"{way}_for"].append(seconds)
            rows[f"at_{way}"].append(column(delay, part.name, purpose) if kind == 2 else -1)
        rows["at_pause"].append(column("uniform", part.name, "pause"))
        jitter = part.breaker is not None and part.breaker.draws > 0
        jitters.append(column("uniform", part.name, "breaker") if jitter else -1)
        chances = 0 if part.ejection is None else part.ejection.draws
        ejections.append(len(mine) if chances else -1)
        for k in range(chances):
            column("uniform", part.name, f"eject{k}" if k else "eject")
        rows["guards"].append(_guards(part))
        order, rank = DISCIPLINES[part.discipline]
        for name, value in (
            ("line", lines),
            ("pool", pools),
            ("order", order),
            ("rank", rank),
            ("workers", part.workers),
            ("room", ENDLESS if part.capacity is None else part.capacity),
            ("asynchronous", int(part.mode == "async")),
            ("concurrency", ENDLESS if part.concurrency is None else part.concurrency),
            ("notices", int(part.notices)),
            ("stops", int(part.cancelled == "stop")),
            ("proxies", part.proxies),
            ("failure", part.failure),
            ("step", len(rows["call"])),
        ):
            rows[name].append(value)
        lines += part.endpoint_count
        pools += part.proxies
        steps = call_names(part.calls)
        rows["steps"].append(len(steps))
        place = 0
        for step in steps:
            rows["call"].append(len(rows["callee"]))
            rows["calls"].append(len(step))
            for call, name in step:
                callee = number[call.service]
                rows["callee"].append(callee)
                rows["optional"].append(int(call.optional))
                rows["probability"].append(call.probability)
                chance = call.probability < 1.0
                rows["at_chance"].append(
                    column("uniform", part.name, f"call:{name}") if chance else -1
                )
                rows["place"].append(place)
                policy(call.policy or services[callee].policy)
                ways.append(part.name + name.removeprefix(call.service))
                place += 1
        rows["width"].append(len(mine))
    kinds = Graph.__annotations__
    graph = Graph(
        **{
            name: np.array(values, dtype=np.float64 if "Floats" in str(kinds[name]) else np.int64)
            for name, values in rows.items()
        }
    )
    most = max((sum(map(len, call_names(part.calls))) for part in services), default=0)
    return Tables(graph, columns, ways, max(most, 1), jitters, ejections)


def _guards(part: Service) -> int:
    breaker, ejection = part.breaker, part.ejection
    each = breaker is not None and breaker.per == "endpoint"
    draws = (breaker is not None and breaker.draws) or (ejection is not None and ejection.draws)
    return sum(
        bit
        for bit, there in (
            (guarding.BUDGET, part.budget is not None),
            (guarding.LIMITS, part.limits is not None),
            (guarding.PER_SERVICE, breaker is not None and not each),
            (guarding.PER_ENDPOINT, each),
            (guarding.EJECTS, ejection is not None),
            (guarding.DRAWS, draws),
        )
        if there
    )


def _way(delay: Delay) -> tuple[int, float]:
    if delay is None:
        return 0, 0.0
    return (2, 0.0) if isinstance(delay, Distribution) else (1, delay)
