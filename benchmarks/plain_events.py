"""What everybody writes first for events: SimPy processes that put into a store and take out of it.

It keeps the same times as mesh_lab (published, delivered, started, finished) and draws its numbers
one at a time, as the examples in SimPy's documentation do.
"""

from __future__ import annotations

import random
from collections.abc import Generator

import simpy

Row = tuple[int, float, float, float]


def queue(events: int, *, load: float, consumers: int, seed: int) -> list[Row]:
    """Simulate competing consumers of one queue, with a mean work of 1 s an event.

    Returns
    -------
    list of (consumer, published, started, finished)
        In order of the ends of handling.  A consumer here takes its event when it is idle, and so
        begins with it as soon as it has it.
    """
    env = simpy.Environment()
    store = simpy.Store(env)
    rng = random.Random(seed)
    rows: list[Row] = []

    def source() -> Generator[simpy.Event, None, None]:
        for _ in range(events):
            yield env.timeout(rng.expovariate(load * consumers))
            yield store.put(env.now)

    def consumer(who: int) -> Generator[simpy.Event, float, None]:
        while True:
            published = yield store.get()
            started = env.now
            yield env.timeout(rng.expovariate(1.0))
            rows.append((who, published, started, env.now))

    env.process(source())
    for who in range(consumers):
        env.process(consumer(who))
    env.run()
    return rows
