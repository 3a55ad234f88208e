"""Three services that call each other, in the script that everybody writes first.

One SimPy process a request and one an attempt, one `simpy.Resource` an endpoint, a timeout as
``yield answer | env.timeout(...)``, the `random` module, a list of tuples for the rows.  An attempt
that its caller has given up goes on working, as a server does that notices nothing.  Nothing is
made slow on purpose and nothing is tuned.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, field

import simpy

__all__ = ["Tier", "called"]

Row = tuple[str, int, float, float, float, bool]
Work = Generator[simpy.Event, object, bool]


@dataclass
class Tier:
    """One service: endpoints with workers, mean work, whom it calls, and the rules of that."""

    name: str
    endpoints: int
    workers: int
    work: float
    callee: Tier | None = None
    per_try: float = 1.0
    retries: int = 0
    room: int | None = None
    resources: list[simpy.Resource] = field(default_factory=list)
    outstanding: list[int] = field(default_factory=list)


def called(front: Tier, requests: int, *, rate: float, seed: int) -> list[Row]:
    """Simulate Poisson arrivals at `front`; return a row for each attempt, in order of its end.

    Each endpoint is picked as the one with fewer outstanding requests of two.
    """
    env = simpy.Environment()
    rng = random.Random(seed)
    rows: list[Row] = []
    tier: Tier | None = front
    while tier is not None:
        tier.resources = [simpy.Resource(env, capacity=tier.workers) for _ in range(tier.endpoints)]
        tier.outstanding = [0] * tier.endpoints
        tier = tier.callee

    def attempt(tier: Tier, endpoint: int) -> Work:
        sent = env.now
        resource = tier.resources[endpoint]
        if tier.room is not None and len(resource.queue) >= tier.room:
            rows.append((tier.name, endpoint, sent, sent, sent, False))
            return False
        with resource.request() as turn:
            yield turn
            start = env.now
            yield env.timeout(rng.expovariate(1.0 / tier.work))
            good = True
            if tier.callee is not None:
                good = bool((yield env.process(call(tier.callee))))
        rows.append((tier.name, endpoint, sent, start, env.now, good))
        return good

    def call(tier: Tier) -> Work:
        for _ in range(tier.retries + 1):
            one, other = rng.randrange(tier.endpoints), rng.randrange(tier.endpoints)
            endpoint = one if tier.outstanding[one] <= tier.outstanding[other] else other
            tier.outstanding[endpoint] += 1
            answer = env.process(attempt(tier, endpoint))
            yield answer | env.timeout(tier.per_try)
            tier.outstanding[endpoint] -= 1
            if answer.triggered and answer.value:
                return True
        return False

    def source() -> Generator[simpy.Event, object, None]:
        for _ in range(requests):
            yield env.timeout(rng.expovariate(rate))
            env.process(call(front))

    env.process(source())
    env.run()
    return rows
