"""Rendezvous hashing: every endpoint draws a lot for the key, the highest wins.

The rule is Thaler and Ravishankar's "highest random weight" (1998), with weights as logarithms:
the lot of an endpoint of weight w that hashes to u, uniform on (0, 1), is -w/ln(u).  That is the
inverse of an exponential time of rate w, so the endpoint wins with probability w over the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from ...parts import part
from ..rule import Balancer, Floats, Hashes, Make, Pool, Rule, View, kernel, kernels
from .keyhash import xxh64, xxh64_all

__all__ = ["Rendezvous"]

# xorshift64* (Vigna 2016), as Envoy's rendezvous_hash_lb.cc mixes the two hashes
SHIFT, LEFT, LAST, ALL, FACTOR, LOW = range(6)
CONSTANTS = (12, 25, 27, 2**64 - 1, 2685821657736338717, 2**53 - 1)


@kernel
def lot(s: Lots, e: int, key: int) -> int:
    """Return 53 bits that the key and the endpoint's name make together."""
    c = s.constants
    x = key ^ s.names[e]
    x = x ^ (x >> c[0])
    x = x ^ ((x << c[1]) & c[3])
    x = x ^ (x >> c[2])
    return ((x * c[4]) & c[3]) & c[5]  # type: ignore[no-any-return]


@kernel
def pick_highest(s: Lots, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The highest lot, where weights are equal; of equal lots the first endpoint's."""
    first = g * v.stride
    best = v.hosts[first]
    highest = lot(s, best, key)
    for j in range(1, v.size[g]):
        e = v.hosts[first + j]
        drawn = lot(s, e, key)
        if drawn > highest:
            highest = drawn
            best = e
    return best  # type: ignore[no-any-return]


@kernel
def weighted_lot(s: WeightedLots, e: int, key: int) -> float:
    """Return -w/ln(u), where u is the lot between 0 and 1."""
    drawn = lot(s, e, key) * 1.1102230246251565e-16  # type: ignore[arg-type]  # 2**-53
    if drawn == 0.0:
        return 0.0
    return -s.weights[e] / math.log(drawn)  # type: ignore[no-any-return]


@kernel
def pick_highest_weighted(s: WeightedLots, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The highest of the weighted lots; of equal lots the first endpoint's."""
    first = g * v.stride
    best = v.hosts[first]
    highest = weighted_lot(s, best, key)
    for j in range(1, v.size[g]):
        e = v.hosts[first + j]
        drawn = weighted_lot(s, e, key)
        if drawn > highest:
            highest = drawn
            best = e
    return best  # type: ignore[no-any-return]


@kernels(pick=pick_highest, blind=True)
class Lots(NamedTuple):
    """The hash of the name of each endpoint, by its number."""

    names: Hashes
    constants: Hashes


@kernels(pick=pick_highest_weighted, blind=True)
class WeightedLots(NamedTuple):
    """The hash of the name and the weight of each endpoint, by its number."""

    names: Hashes
    constants: Hashes
    weights: Floats


@part
class Rendezvous(Balancer):
    """The endpoint whose name, hashed together with the key, gives the highest number.

    No table, no memory, exact shares by weight, and the least that can move: when an endpoint
    leaves, its own keys and no others.  The price is that every pick looks at all endpoints.

    The key's and the name's xxHash64 are mixed as Envoy's rendezvous policy does it
    (``rendezvous_hash_lb.cc``).  That takes a fast approximation of the logarithm where this takes
    the logarithm, so under unequal weights a few keys in a hundred thousand go elsewhere.

    Examples
    --------
    >>> Rendezvous()
    Rendezvous()
    """

    sees: ClassVar[str] = "the key"
    cost: ClassVar[str] = "O(n)"
    origin: ClassVar[str] = "Thaler and Ravishankar 1998"
    weighs: ClassVar[bool] = True
    hashes: ClassVar[bool] = True

    def hash_key(self, key: str) -> int:
        """Return xxHash64 of the key."""
        return xxh64(key)

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the hashes of all names; there is nothing to remember."""
        known: dict[int, str] = {}
        weights = np.ones(view.stride)
        for pool in pools:
            known.update(zip(pool.endpoints, pool.names, strict=True))
            weights[list(pool.endpoints)] = pool.weights
        names = np.zeros(view.stride, dtype=np.uint64)
        names[list(known)] = xxh64_all(list(known.values()))
        fields = (make.hashes(names), make.hashes(CONSTANTS))
        if all(len(set(pool.weights)) <= 1 for pool in pools):
            return Lots(*fields)
        return WeightedLots(*fields, make.floats(weights))
