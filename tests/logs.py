"""Small scenarios with one partitioned log, and their rows as plain tuples."""

from __future__ import annotations

from typing import Any

import mesh_lab as ml
from mesh_lab.messaging.log.group import ConsumerGroup
from mesh_lab.messaging.log.log import Log
from mesh_lab.messaging.log.producer import Producer

AT_ONCE = Producer(linger=0.0)


def fixed(seconds: float) -> ml.Deterministic:
    return ml.Deterministic(value=seconds)


def log(**fields: Any) -> Log:
    return Log("log", **{"partitions": 1, "producer": AT_ONCE, **fields})


def group(**fields: Any) -> ConsumerGroup:
    return ConsumerGroup("g", source="log", **{"work": fixed(0.4), "members": 1, **fields})


def run(
    log: Log,
    *groups: ConsumerGroup,
    events: int,
    gap: float = 1.0,
    keys: int | None = None,
    seed: int = 1,
    until: float | None = None,
) -> ml.Run:
    """An event each `gap` seconds."""
    scenario = ml.Scenario(
        ml.Renewal("s", gap=fixed(gap), to="log", key=None if keys is None else ml.Keys(keys)),
        log,
        *groups,
    )
    if until is not None:
        return ml.simulate(scenario, until=until, seed=seed)
    return ml.simulate(scenario, requests=events, seed=seed)


def rows(run: ml.Run, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of deliveries, times to a microsecond, None for what never came."""
    table = run.deliveries[list(columns)]
    return [tuple(map(_plain, row)) for row in table.itertuples(index=False)]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else round(value, 6)
    return value


def confirmed(run: ml.Run) -> list[tuple[float, str]]:
    """When and how each publishing ended."""
    ends = run.requests[["finish", "outcome"]].itertuples(index=False, name=None)
    return [(round(finish, 6), outcome) for finish, outcome in ends]


def numbers(table: Any) -> list[int]:
    return [int(number) for number in table["number"]]
