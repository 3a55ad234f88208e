"""Fifty endpoints behind a balancer, in the script that everybody writes first.

One SimPy process a request, one `simpy.Resource` an endpoint, the `random` module, a list of
tuples for the rows; a policy is a function that returns the number of an endpoint.  Nothing is
made slow on purpose and nothing is tuned: where Python has the thing (`bisect`, `heapq`, `deque`,
``min(..., key=...)``, ``random.sample``) it is used.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import simpy

Row = tuple[float, float, float, int]
Pick = Callable[[int, float], int]  # (key of the request, seconds of work) -> endpoint
Answered = Callable[[int, float, float], None]  # (endpoint, response time, service time)


@dataclass
class Mesh:
    """What a policy may use: the clock, a generator, and what the script counts anyway."""

    env: simpy.Environment
    rng: random.Random
    endpoints: int
    weights: Sequence[float]
    outstanding: list[int] = field(default_factory=list)
    answered: Answered | None = None  # set by the policies that learn from responses

    def __post_init__(self) -> None:
        self.outstanding = [0] * self.endpoints


Policy = Callable[[Mesh], Pick]


def balanced(
    policy: Policy,
    requests: int,
    *,
    endpoints: int,
    load: float,
    seed: int,
    weights: Sequence[float] | None = None,
    keys: int | None = None,
) -> list[Row]:
    """Simulate Poisson arrivals to single workers with exponential service of mean 1 s.

    Return (arrival, start, finish, endpoint) in the order of finishing.
    """
    env = simpy.Environment()
    rng = random.Random(seed)
    mesh = Mesh(env, rng, endpoints, weights or [1.0] * endpoints)
    workers = [simpy.Resource(env, capacity=1) for _ in range(endpoints)]
    outstanding = mesh.outstanding
    pick = policy(mesh)
    answered = mesh.answered
    rows: list[Row] = []

    def request() -> Generator[simpy.Event, None, None]:
        arrival = env.now
        work = rng.expovariate(1.0)
        key = rng.randrange(keys) if keys else 0
        endpoint = pick(key, work)
        outstanding[endpoint] += 1
        with workers[endpoint].request() as turn:
            yield turn
            start = env.now
            yield env.timeout(work)
        outstanding[endpoint] -= 1
        if answered:
            answered(endpoint, env.now - arrival, work)
        rows.append((arrival, start, env.now, endpoint))

    def source() -> Generator[simpy.Event, None, None]:
        for _ in range(requests):
            yield env.timeout(rng.expovariate(load * endpoints))
            env.process(request())

    env.process(source())
    env.run()
    return rows
