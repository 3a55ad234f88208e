"""Random scenarios with one message queue and competing consumers, for the quick engines.

Seed 1, 2, 3, ... gives scenario 1, 2, 3, ...; even ones live on a lattice of times, where
publishings, ends of handling, timers and outages meet in the same instant.  Every third has nothing
but the queue's plain ways: no limits, no failures, no timers.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import mesh_lab as ml
from tests.scenarios import Case, Maker

OPEN = ("Poisson", "Renewal", "PoissonBatches", "Bursts", "TimeVarying", "Merge", "Replay")
ON_A_LATTICE = ("Renewal", "Renewal", "PoissonBatches", "Replay", "AccessLog", "Merge")


class WithQueue(Maker):
    """Makes the parts of one scenario."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.rng = random.Random(f"queue {seed}")
        self.lattice = seed % 2 == 0
        self.simple = seed % 3 == 0
        self.carrying = self.chance(0.15)

    def also(self, probability: float) -> bool:
        """Say whether something beyond the plain ways is there."""
        return not self.simple and self.chance(probability)

    def published(self, name: str, gap: float, keyed: bool) -> Any:
        kinds = ON_A_LATTICE if self.lattice else OPEN
        kind = self.rng.choice(("Replay", "AccessLog") if self.carrying else kinds)
        source = self.source(name, kind, gap, "queue")
        if keyed or self.chance(0.3):
            keys = ml.Keys(
                self.rng.choice((1, 3, 20)),
                exponent=self.rng.choice((0.0, 1.0)),
                prefix=self.rng.choice(("key-", "key-", "key-1")),
            )
            source = dataclasses.replace(source, key=keys)
        return source

    def backoff(self) -> Any:
        base = self.moment(0.25, 2.0)
        if self.chance(0.5):
            return ml.Backoff(base=base, growth="fixed")
        return ml.Backoff(base=base, cap=base * self.rng.choice((1.0, 3.0, 8.0)))

    def queue(self, order: str, timed: bool) -> Any:
        fields: dict[str, Any] = {"order": order}
        if self.also(0.4):
            fields["capacity"] = self.rng.randint(1, 6)
            fields["overflow"] = self.rng.choice(("reject", "drop_oldest"))
        if self.also(0.35):
            fields["visibility"] = self.moment(0.5, 5.0)
        if self.also(0.3):
            fields["ttl"] = self.moment(0.5, 8.0)
        if self.also(0.2):
            fields["delay"] = self.moment(0.25, 2.0)
        if self.also(0.35):
            fields["backoff"] = self.backoff()
        if self.also(0.4) or ("visibility" in fields and not timed):
            fields["delivery_limit"] = self.rng.randint(1, 4)
        return ml.MessageQueue("queue", **fields)

    def down_times(self) -> tuple[tuple[float, float], ...]:
        begin = self.moment(2.0, 30.0)
        end = begin + self.moment(0.5, 8.0)
        again = end + (0.0 if self.chance(0.2) else self.moment(1.0, 20.0))
        both = ((begin, end), (again, again + self.moment(0.5, 5.0)))
        return both if self.chance(0.5) else both[:1]

    def work(self, mean: float) -> Any:
        if self.carrying and self.chance(0.8):
            return None
        if self.lattice and self.chance(0.15):  # some take no time at all
            return ml.Empirical(values=(0.0, 0.0, 4 * self.step))
        return self.time(mean)

    def consumer(self, name: str, mean: float) -> Any:
        rng = self.rng
        fields: dict[str, Any] = {}
        if self.also(0.5):
            fields["failure"] = rng.choice((0.1, 0.5, 0.9))
            fields["requeue"] = not self.chance(0.2)
        if self.also(0.3):
            fields["outages"] = self.down_times()
        return ml.Consumer(
            name,
            source="queue",
            work=self.work(mean),
            workers=rng.choice((1, 1, 2, 3)),
            prefetch=rng.choice((1, 1, 2, 5, None)),
            ack=rng.choice(("after", "after", "after", "before")),
            **fields,
        )

    def case(self, seed: int) -> Case:
        rng = self.rng
        requests: int | None = rng.randint(1, 80)
        until = self.moment(1.0, 60.0) if self.chance(0.4) else None
        order = rng.choice(("fifo", "fifo", "priority", "fifo" if self.simple else "key"))
        names = [f"s{k}" for k in range(rng.choice((1, 1, 2, 3)))]
        sources = [self.published(name, 1.0 * len(names), order == "key") for name in names]
        many = rng.choice((0, 1, 1, 2, 2, 3, 4) if self.chance(0.2) else (1, 2, 3, 4))
        takers = [self.consumer(f"c{k}", rng.uniform(0.5, 1.6) * many) for k in range(many)]
        queue = self.queue(order, until is not None)
        if until is not None or (all(hasattr(s, "path") for s in sources) and self.chance(0.5)):
            requests = None
        parts = [*sources, queue, *takers]
        if self.chance(0.3):
            rng.shuffle(parts)
        return Case(tuple(parts), requests, until, seed)


def make(seed: int) -> Case:
    """Return scenario `seed`."""
    return WithQueue(seed).case(seed)


def cramped(seed: int) -> bool:
    """Whether draws and rows come by the handful in scenario `seed`."""
    return seed % 5 < 2


def features(case: Case) -> Iterator[str]:
    """Yield what a case has in it."""
    scenario = case.scenario
    queue: Any = scenario.channels[0]
    for source in scenario.sources:
        yield type(source).__name__
        yield "keys" if source.key else "no keys"
    yield "several sources" if len(scenario.sources) > 1 else "one source"
    yield f"order {queue.order}"
    for field in ("visibility", "ttl", "backoff", "delivery_limit"):
        if getattr(queue, field) is not None:
            yield field
    if queue.delay:
        yield "delay"
    if queue.capacity is not None:
        yield f"capacity, {queue.overflow}"
    takers: tuple[Any, ...] = scenario.subscribers
    yield f"{min(len(takers), 3)} consumers"
    for taker in takers:
        yield f"ack {taker.ack}"
        yield f"prefetch {taker.prefetch}"
        yield "several workers" if taker.workers > 1 else "one worker"
        yield "carried work" if taker.work is None else "drawn work"
        if taker.failure:
            yield f"failure, requeue={taker.requeue}"
        if taker.outages:
            yield "outages"
    yield "until=" if case.until is not None else "to its end"
    yield "cramped" if cramped(case.seed) else "at large"
