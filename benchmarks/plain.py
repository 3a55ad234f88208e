"""The script that everybody writes first: one SimPy process and one `Resource` request each.

It keeps the same rows as mesh_lab (arrival, start, finish) and draws its numbers one at a time,
as the examples in SimPy's documentation do.
"""

from __future__ import annotations

import random
from collections.abc import Generator

import simpy

Row = tuple[float, float, float]


def mmc(requests: int, *, load: float, servers: int, seed: int) -> list[Row]:
    """Simulate M/M/c with a mean service time of 1 s; return (arrival, start, finish)."""
    env = simpy.Environment()
    workers = simpy.Resource(env, capacity=servers)
    rng = random.Random(seed)
    rows: list[Row] = []

    def request() -> Generator[simpy.Event, None, None]:
        arrival = env.now
        with workers.request() as turn:
            yield turn
            start = env.now
            yield env.timeout(rng.expovariate(1.0))
        rows.append((arrival, start, env.now))

    def source() -> Generator[simpy.Event, None, None]:
        for _ in range(requests):
            yield env.timeout(rng.expovariate(load * servers))
            env.process(request())

    env.process(source())
    env.run()
    return rows
