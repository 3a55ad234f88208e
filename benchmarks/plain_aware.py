"""Plain policies that look at the endpoints: at what is outstanding, at work, at latencies.

With one balancer and no delay on the way, what the balancer knows to be outstanding is the true
queue, so a plain script has one list of counts for both.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator
from itertools import cycle
from operator import itemgetter

import simpy

from .plain_balancing import Mesh, Pick

LIMIT = 4  # requests an endpoint takes before `first` goes on to the next
DECAY = 10.0  # seconds, of peak EWMA
SMOOTHING = 0.9  # the weight of the past in C3's averages
POOL, PROBES, PROBE_DELAY, HOT = 16, 3, 0.0005, 2**-0.25  # of Prequal


def least_of_two(mesh: Mesh) -> Pick:
    """The one with fewer outstanding of two drawn with replacement; the first on ties."""

    def pick(key: int, work: float) -> int:
        a, b = mesh.rng.randrange(mesh.endpoints), mesh.rng.randrange(mesh.endpoints)
        return b if mesh.outstanding[b] < mesh.outstanding[a] else a

    return pick


def least_of_all(mesh: Mesh) -> Pick:
    """The one with the fewest outstanding; any of them on ties."""

    def pick(key: int, work: float) -> int:
        fewest = min(mesh.outstanding)
        return mesh.rng.choice([e for e, n in enumerate(mesh.outstanding) if n == fewest])

    return pick


def power_of_two(mesh: Mesh) -> Pick:
    """The shorter queue of two different ones."""
    everyone = range(mesh.endpoints)

    def pick(key: int, work: float) -> int:
        return min(mesh.rng.sample(everyone, 2), key=mesh.outstanding.__getitem__)

    return pick


def least_connections(mesh: Mesh) -> Pick:
    """HAProxy's leastconn: the fewest outstanding, in turn among equals."""
    order = deque(range(mesh.endpoints))

    def pick(key: int, work: float) -> int:
        best = min(order, key=mesh.outstanding.__getitem__)
        order.remove(best)
        order.append(best)
        return best

    return pick


def first_available(mesh: Mesh) -> Pick:
    """HAProxy's first: the first with a free place; the shortest queue when there is none."""

    def pick(key: int, work: float) -> int:
        for endpoint, n in enumerate(mesh.outstanding):
            if n < LIMIT:
                return endpoint
        return mesh.outstanding.index(min(mesh.outstanding))

    return pick


def join_idle_queue(mesh: Mesh) -> Pick:
    """One that has said that it is idle; any when none has."""
    idle = deque(range(mesh.endpoints))

    def answered(endpoint: int, response: float, service: float) -> None:
        if mesh.outstanding[endpoint] == 0:
            idle.append(endpoint)

    mesh.answered = answered
    return lambda key, work: idle.popleft() if idle else mesh.rng.randrange(mesh.endpoints)


def least_work_left(mesh: Mesh) -> Pick:
    """The one that will be free first."""
    free_at = [0.0] * mesh.endpoints

    def pick(key: int, work: float) -> int:
        best = free_at.index(min(free_at))
        # all that are free already are equal, so the first of them is as good as the earliest
        free_at[best] = max(free_at[best], mesh.env.now) + work
        return best

    return pick


def peak_ewma(mesh: Mesh) -> Pick:
    """Finagle's: a peak at once, a slow decay, times what is outstanding; two distinct choices."""
    cost = [0.0] * mesh.endpoints
    stamp = [0.0] * mesh.endpoints

    def observe(endpoint: int, rtt: float) -> None:
        now = mesh.env.now
        if rtt > cost[endpoint]:
            cost[endpoint] = rtt
        else:
            keep = math.exp((stamp[endpoint] - now) / DECAY)
            cost[endpoint] = rtt * (1.0 - keep) + cost[endpoint] * keep
        stamp[endpoint] = now

    def load(endpoint: int) -> float:
        observe(endpoint, 0.0)
        pending = mesh.outstanding[endpoint]
        if cost[endpoint] == 0.0 and pending:
            return 1e9 + pending
        return cost[endpoint] * (pending + 1)

    def pick(key: int, work: float) -> int:
        a, b = mesh.rng.sample(range(mesh.endpoints), 2)
        return a if load(a) <= load(b) else b

    mesh.answered = lambda endpoint, response, service: observe(endpoint, response)
    return pick


def c3(mesh: Mesh) -> Pick:
    """C3's score: latency without service, and service times the cube of the queue."""
    response = [0.0] * mesh.endpoints
    service = [0.0] * mesh.endpoints
    queue = [0.0] * mesh.endpoints

    def answered(endpoint: int, took: float, worked: float) -> None:
        keep, new = SMOOTHING, 1.0 - SMOOTHING
        response[endpoint] = keep * response[endpoint] + new * took
        service[endpoint] = keep * service[endpoint] + new * worked
        queue[endpoint] = keep * queue[endpoint] + new * mesh.outstanding[endpoint]

    def score(endpoint: int) -> float:
        size = 1.0 + mesh.outstanding[endpoint] + queue[endpoint]
        return response[endpoint] - service[endpoint] + size**3 * service[endpoint]

    mesh.answered = answered
    return lambda key, work: min(range(mesh.endpoints), key=score)


def prequal(mesh: Mesh) -> Pick:
    """Prequal, simply: three probes a request, each a process, into a pool of sixteen.

    A probe brings the requests in flight and the latency that a request last had which met about
    as many there.  Of those that are not hot, and the limit is in the pool itself, so there always
    are some, the quickest is used.  A probe is used once, and the worst and the oldest, in turn,
    leave after each request.
    """
    latency: list[dict[int, float]] = [{} for _ in range(mesh.endpoints)]
    met: list[deque[int]] = [deque() for _ in range(mesh.endpoints)]
    pool: deque[tuple[int, int, float]] = deque(maxlen=POOL)
    worst_leaves = cycle((True, False))

    def answered(endpoint: int, response: float, service: float) -> None:
        latency[endpoint][met[endpoint].popleft()] = response

    def probe(endpoint: int) -> Generator[simpy.Event, None, None]:
        yield mesh.env.timeout(PROBE_DELAY)
        flying = mesh.outstanding[endpoint]
        seen = latency[endpoint]
        near = min(seen, key=lambda n: abs(n - flying), default=None)
        answer = (endpoint, flying, 0.0 if near is None else seen[near])
        yield mesh.env.timeout(PROBE_DELAY)
        pool.append(answer)

    def choose() -> int:
        if len(pool) < 2:
            return mesh.rng.randrange(mesh.endpoints)
        flights = sorted(flying for _, flying, _ in pool)
        limit = flights[min(int(HOT * len(flights)), len(flights) - 1)]
        hot = [probe for probe in pool if probe[1] > limit]
        cold = [probe for probe in pool if probe[1] <= limit]
        chosen = min(cold, key=itemgetter(2))
        pool.remove(chosen)
        if next(worst_leaves):
            worst = max(hot, key=itemgetter(1)) if hot else max(cold, key=itemgetter(2))
            if worst in pool:
                pool.remove(worst)
        else:
            pool.popleft()
        return chosen[0]

    def pick(key: int, work: float) -> int:
        for endpoint in mesh.rng.sample(range(mesh.endpoints), PROBES):
            mesh.env.process(probe(endpoint))
        chosen = choose()
        met[chosen].append(mesh.outstanding[chosen])
        return chosen

    mesh.answered = answered
    return pick
