"""Random scenarios with a partitioned log in which nothing fails, for the quick engines.

Seed 1, 2, 3, ... gives scenario 1, 2, 3, ...; even ones live on a lattice of times, where
publishings, lingering batches, answers, copies and the ends of handling meet in the same instant.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import mesh_lab as ml
from tests.scenarios import Case, Maker

OPEN = ("Poisson", "Renewal", "PoissonBatches", "Bursts", "TimeVarying", "Merge", "Replay")
ON_A_LATTICE = ("Renewal", "PoissonBatches", "Replay", "AccessLog")
ASSIGNORS = ("range", "roundrobin", "sticky", "cooperative-sticky")


class WithLog(Maker):
    """Makes the parts of one scenario."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.rng = random.Random(f"log {seed}")
        self.lattice = seed % 2 == 0
        self.carrying = self.chance(0.1)

    def span(self, mean: float) -> float:
        """Return some seconds, 0 now and then."""
        return 0.0 if self.chance(0.25) else self.moment(0.0, 2.0 * mean)

    def published(self, name: str, gap: float) -> Any:
        kinds = ON_A_LATTICE if self.lattice else OPEN
        kind = self.rng.choice(("Replay", "AccessLog") if self.carrying else kinds)
        source = self.source(name, kind, gap, "log")
        if self.chance(0.6):
            keys = ml.Keys(
                self.rng.choice((1, 3, 20)),
                exponent=self.rng.choice((0.0, 1.0)),
                prefix=self.rng.choice(("key-", "key-", "key-1")),
            )
            source = dataclasses.replace(source, key=keys)
        return source

    def producer(self) -> Any:
        rng = self.rng
        acks = rng.choice(("all", "all", 1, 0))
        delay = rng.choice((None, None, "constant", "drawn"))
        if delay is not None:
            delay = self.time(0.4) if delay == "drawn" else self.span(0.4)
        return ml.Producer(
            batch=rng.choice((1, 2, 3, 5, 16)),
            linger=self.span(1.0),
            acks=acks,
            in_flight=rng.choice((1, 2, 5)),
            idempotent=False if self.chance(0.2) else None,
            delay=delay,
        )

    def log(self) -> Any:
        rng = self.rng
        replication = rng.choice((1, 1, 2, 3))
        return ml.Log(
            "log",
            partitions=rng.choice((1, 2, 3, 5, 12)),
            replication=replication,
            brokers=replication + rng.choice((0, 0, 1, 2)),
            min_insync=rng.randint(1, replication),
            producer=self.producer(),
            replica_delay=self.span(0.5) if replication > 1 else self.time(0.5),
        )

    def group(self, name: str) -> Any:
        rng = self.rng
        return ml.ConsumerGroup(
            name,
            source="log",
            work=None if self.carrying else self.time(rng.choice((0.5, 1.5, 3.0))),
            members=rng.randint(1, 5),
            poll=rng.choice((1, 2, 3, 7, 500)),
            assignor=rng.choice(ASSIGNORS),
            commit=rng.choice(("after", "after", "before", "with")),
            commit_interval=self.span(4.0),
            reset=rng.choice(("latest", "earliest")),
            initial_delay=rng.choice((0.0, 0.0, self.moment(0.5, 6.0))),
        )

    def case(self, seed: int) -> Case:
        rng = self.rng
        names = [f"s{k}" for k in range(rng.choice((1, 1, 2, 3)))]
        sources = [self.published(name, 1.0 * len(names)) for name in names]
        groups = [self.group(f"g{k}") for k in range(rng.choice((0, 1, 1, 1, 2, 3)))]
        requests: int | None = rng.randint(1, 60)
        until = self.moment(1.0, 60.0) if self.chance(0.4) else None
        if until is not None or (all(hasattr(s, "path") for s in sources) and self.chance(0.5)):
            requests = None
        return Case((*sources, self.log(), *groups), requests, until, seed)


def make(seed: int) -> Case:
    """Return scenario `seed`."""
    return WithLog(seed).case(seed)


def features(case: Case) -> Iterator[str]:
    """Yield what a case has in it."""
    scenario = case.scenario
    log = scenario.channels[0]
    rules = log.producer
    for source in scenario.sources:
        yield type(source).__name__
        yield "keys" if source.key else "no keys"
    yield "several sources" if len(scenario.sources) > 1 else "one source"
    yield f"acks={rules.acks}"
    yield f"replication {log.replication}"
    yield "several brokers" if log.broker_count > 1 else "one broker"
    kind = type(rules.delay).__name__
    yield (
        "no delay" if rules.delay is None else f"delay {'constant' if kind == 'float' else 'drawn'}"
    )
    yield "linger" if rules.linger else "no linger"
    yield f"in_flight={rules.in_flight}"
    yield f"batch={rules.batch}"
    yield f"groups {len(scenario.subscribers)}"
    for group in scenario.subscribers:
        yield group.assignor
        yield f"commit={group.commit}"
        yield f"reset={group.reset}"
        yield "initial_delay" if group.initial_delay else "no initial_delay"
        yield "commit_interval=0" if not group.commit_interval else "commit_interval"
        yield "carried work" if group.work is None else "drawn work"
        if group.members > log.partitions:
            yield "more members than partitions"
        yield "small polls" if group.poll < 10 else "large polls"
    if case.until is not None:
        yield "until="
    else:
        yield "to its end" if case.requests is None else "requests="
