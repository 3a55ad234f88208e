"""Plain policies that ignore the state of the endpoints: drawn, in turn, weighted, hashed.

The rules are those of the proxies named beside them; the hash is Python's own, of a tuple of
integers, which is what a plain script has at hand and costs least.
"""

from __future__ import annotations

from bisect import bisect_left
from heapq import heapify, heapreplace
from itertools import accumulate, count, cycle
from math import ceil
from random import Random

from .plain_balancing import Mesh, Pick

POINTS = 21  # on the ring for each endpoint: Envoy's smallest ring, 1024, over 50 endpoints
TABLE = 65_537  # Envoy's size of the Maglev table
BOUND = 1.25  # of the mean load, for bounded loads


def random_choice(mesh: Mesh) -> Pick:
    """Any endpoint."""
    return lambda key, work: mesh.rng.randrange(mesh.endpoints)


def round_robin(mesh: Mesh) -> Pick:
    """One after the other."""
    turns = cycle(range(mesh.endpoints))
    return lambda key, work: next(turns)


def weighted_random(mesh: Mesh) -> Pick:
    """Any endpoint, in proportion to its weight."""
    everyone, cumulative = range(mesh.endpoints), list(accumulate(mesh.weights))
    return lambda key, work: mesh.rng.choices(everyone, cum_weights=cumulative)[0]


def earliest_deadline(mesh: Mesh) -> Pick:
    """Weighted round robin as Envoy has it: the earliest deadline, then again 1 / weight later."""
    numbers = count(mesh.endpoints)
    heap = [(1.0 / weight, e, e) for e, weight in enumerate(mesh.weights)]
    heapify(heap)

    def pick(key: int, work: float) -> int:
        deadline, _, endpoint = heap[0]
        heapreplace(heap, (deadline + 1.0 / mesh.weights[endpoint], next(numbers), endpoint))
        return endpoint

    return pick


def smooth(mesh: Mesh) -> Pick:
    """Weighted round robin as nginx has it: all gain their weight, the richest pays the sum."""
    weights, total = mesh.weights, sum(mesh.weights)
    current = [0.0] * mesh.endpoints

    def pick(key: int, work: float) -> int:
        for endpoint, weight in enumerate(weights):
            current[endpoint] += weight
        best = current.index(max(current))
        current[best] -= total
        return best

    return pick


def static_stride(mesh: Mesh) -> Pick:
    """Weighted round robin as grpc-go has it: pass over an endpoint when its stride says so."""
    n, most = mesh.endpoints, 65_535
    largest = max(mesh.weights)
    weights = [round(weight / largest * most) for weight in mesh.weights]
    sequence = count()

    def pick(key: int, work: float) -> int:
        while True:
            generation, endpoint = divmod(next(sequence), n)
            weight = weights[endpoint]
            if (weight * generation + endpoint * 32_767) % most >= most - weight:
                return endpoint

    return pick


def iptables_chain(mesh: Mesh) -> Pick:
    """kube-proxy's chain: rule i of n matches with probability 1 / (n - i)."""
    chances = [1.0 / (mesh.endpoints - i) for i in range(mesh.endpoints)]

    def pick(key: int, work: float) -> int:
        for endpoint, chance in enumerate(chances):
            if mesh.rng.random() < chance:
                return endpoint
        return mesh.endpoints - 1

    return pick


def _ring(mesh: Mesh) -> tuple[list[int], list[int]]:
    """Return the points of the ring, sorted, and whose each is."""
    ring = sorted((hash((1, e, i)), e) for e in range(mesh.endpoints) for i in range(POINTS))
    return [point for point, _ in ring], [endpoint for _, endpoint in ring]


def ring_hash(mesh: Mesh) -> Pick:
    """The endpoint whose point is next on the ring."""
    points, owners = _ring(mesh)
    return lambda key, work: owners[bisect_left(points, hash((2, key))) % len(owners)]


def bounded_ring(mesh: Mesh) -> Pick:
    """Bounded loads as Envoy has them: from one that is full, a detour that the hash determines."""
    points, owners = _ring(mesh)
    in_flight = 0

    def answered(endpoint: int, response: float, service: float) -> None:
        nonlocal in_flight
        in_flight -= 1

    def pick(key: int, work: float) -> int:
        nonlocal in_flight
        in_flight += 1
        slots = ceil(BOUND * in_flight / mesh.endpoints)
        hashed = hash((2, key))
        first = owners[bisect_left(points, hashed) % len(owners)]
        if mesh.outstanding[first] <= slots:
            return first
        detour, others = Random(hashed), list(range(mesh.endpoints))
        for tried in range(mesh.endpoints):
            jump = detour.randrange(tried, mesh.endpoints)
            others[tried], others[jump] = others[jump], others[tried]
            if mesh.outstanding[others[tried]] <= slots:
                break
        return others[tried]

    mesh.answered = answered
    return pick


def maglev(mesh: Mesh) -> Pick:
    """A table in which the endpoints take places in turn, each in an order of its own."""
    table = [-1] * TABLE
    offsets = [hash((1, e)) % TABLE for e in range(mesh.endpoints)]
    skips = [hash((3, e)) % (TABLE - 1) + 1 for e in range(mesh.endpoints)]
    places = list(offsets)
    for filled in range(TABLE):
        endpoint = filled % mesh.endpoints
        while table[places[endpoint]] >= 0:
            places[endpoint] = (places[endpoint] + skips[endpoint]) % TABLE
        table[places[endpoint]] = endpoint
    return lambda key, work: table[hash((2, key)) % TABLE]


def rendezvous(mesh: Mesh) -> Pick:
    """The endpoint whose hash together with the key is the largest."""
    # a tuple's hash is too regular to be compared for size; multiplying modulo a prime is not
    prime, factors = 2**61 - 1, [mesh.rng.randrange(1, 2**61 - 1) for _ in range(mesh.endpoints)]

    def pick(key: int, work: float) -> int:
        hashed = hash((2, key))
        hashes = [hashed * factor % prime for factor in factors]
        return hashes.index(max(hashes))

    return pick


def jump(mesh: Mesh) -> Pick:
    """Lamping and Veach's jump consistent hash."""

    def pick(key: int, work: float) -> int:
        state, at, following = hash((2, key)) & 0xFFFF_FFFF_FFFF_FFFF, -1, 0
        while following < mesh.endpoints:
            at = following
            state = (state * 2_862_933_555_777_941_757 + 1) & 0xFFFF_FFFF_FFFF_FFFF
            following = int((at + 1) * (2**31 / ((state >> 33) + 1)))
        return at

    return pick
