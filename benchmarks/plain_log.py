"""A partitioned log the plain way: a store for each partition, a process for each consumer.

This is what a script without the package would be: the source is a process that fills batches, each
batch that is not full soon is sent by a process that has waited for it, and each consumer takes
batches from its store and works through them.  It draws its numbers one at a time, as the examples
in SimPy's documentation do, and keeps what the package keeps of each event: where it stands, and
its times.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Generator
from typing import Any

import simpy

__all__ = ["log"]

Row = tuple[int, int, int, int, float, float, float, float]


def log(
    events: int,
    *,
    rate: float,
    work: float,
    keys: int,
    partitions: int,
    batch: int,
    linger: float,
    commit_interval: float,
    seed: int,
) -> tuple[list[Row], list[tuple[float, int, int]]]:
    """Simulate so many events, with exponential gaps and work; `work` is the mean, seconds.

    Returns
    -------
    rows : list of (number, key, partition, offset, sent, written, started, finished)
    commits : list of (time, partition, offset)
    """
    env = simpy.Environment()
    rng = random.Random(seed)
    partition_of = [zlib.crc32(f"key-{key}".encode()) % partitions for key in range(keys)]
    stores = [simpy.Store(env) for _ in range(partitions)]
    filling: list[list[tuple[int, int, float]] | None] = [None] * partitions
    rows: list[Row] = []
    commits: list[tuple[float, int, int]] = []

    def source() -> Generator[simpy.Event, Any, None]:
        for number in range(events):
            yield env.timeout(rng.expovariate(rate))
            key = rng.randrange(keys)
            p = partition_of[key]
            open_batch = filling[p]
            if open_batch is None:
                open_batch = filling[p] = []
                env.process(send_later(p, open_batch))
            open_batch.append((number, key, env.now))
            if len(open_batch) == batch:
                filling[p] = None
                yield stores[p].put((env.now, open_batch))

    def send_later(
        p: int, open_batch: list[tuple[int, int, float]]
    ) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(linger)
        if filling[p] is open_batch:
            filling[p] = None
            yield stores[p].put((env.now, open_batch))

    def consumer(p: int) -> Generator[simpy.Event, Any, None]:
        offset, due = 0, commit_interval
        while True:
            written, records = yield stores[p].get()
            if env.now >= due:
                commits.append((env.now, p, offset))
                due = env.now + commit_interval
            for number, key, sent in records:
                started = env.now
                yield env.timeout(rng.expovariate(1.0 / work))
                rows.append((number, key, p, offset, sent, written, started, env.now))
                offset += 1

    env.process(source())
    for p in range(partitions):
        env.process(consumer(p))
    env.run()
    return rows, commits
