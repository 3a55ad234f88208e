"""HAProxy's map-based hashing: a map with one place for each unit of weight, and a remainder.

The rule is that of ``hash-type map-based`` (``lb_map.c``), HAProxy's default for every balance
algorithm that hashes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from ...parts import part
from ..rule import Balancer, Floats, Hashes, Ints, Make, Pool, Rule, View, kernel, kernels
from .keyhash import avalanche, sdbm
from .tables import Table, lay_out, whole_weights

__all__ = ["MapHash"]

HEAVIEST = 256  # that HAProxy accepts as a weight


@kernel
def pick_from_map(s: Map, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The owner of the place that is the hash modulo the sum of the weights."""
    return s.owners[s.first[g] + int(key % s.size[g])]  # type: ignore[no-any-return]


@kernels(pick=pick_from_map, blind=True)
class Map(NamedTuple):
    """Who holds each place, see `tables.Layout`; how many there are; what divided the weights."""

    owners: Ints
    first: Ints
    size: Hashes
    unit: int


@functools.lru_cache(maxsize=8)
def places(weights: tuple[int, ...]) -> Table:
    """Fill the map: at every place all scores grow by the weights, and a highest one is paid for.

    Scores are compared in whole multiples of the sum of the weights, so that the first endpoint
    in order wins among many: with equal weights the map is the list of endpoints.
    """
    total = sum(weights)
    score, weight = np.zeros(len(weights), dtype=np.int64), np.array(weights)
    holder = np.zeros(total, dtype=np.int64)
    for place in range(total if len(weights) > 1 else 0):
        score += weight
        best = int(np.argmax((score + total) // total))
        holder[place] = best
        score[best] -= total
    return Table(np.empty(0, dtype=np.uint64), holder)


@part
class MapHash(Balancer):
    """Hashing without consistency: a map of all endpoints, and the hash modulo its size (HAProxy).

    Shares are exact, lookups take one step, and nearly all keys move when an endpoint joins or
    leaves.  This is HAProxy's ``hash-type map-based`` with its default hash, sdbm.  Weights are
    whole numbers from 1 to 256, divided by their greatest common divisor at the start.

    Parameters
    ----------
    avalanche : bool
        Whether the hash is spread over all bits first (``hash-type map-based sdbm avalanche``).

    Examples
    --------
    >>> MapHash()
    MapHash()
    """

    sees: ClassVar[str] = "the key"
    cost: ClassVar[str] = "O(1)"
    origin: ClassVar[str] = "HAProxy hash-type map-based"
    weighs: ClassVar[bool] = True
    hashes: ClassVar[bool] = True
    avalanche: bool = False

    def hash_key(self, key: str) -> int:
        """Return HAProxy's hash of the key, 32 bits."""
        return avalanche(sdbm(key)) if self.avalanche else sdbm(key)

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return a map for each pool; weights stay divided by what divided them at the start."""
        unit = old.unit if isinstance(old, Map) else 0
        for pool in pools:
            unit = math.gcd(unit, *whole_weights("MapHash", "HAProxy", pool, HEAVIEST))

        laid = lay_out(
            pools, lambda _, weights: places(tuple(int(weight) // unit for weight in weights))
        )
        sizes = [max(end - first, 1) for first, end in zip(laid.first, laid.end, strict=True)]
        return Map(
            make.ints(laid.owners),
            make.ints(laid.first),
            make.hashes(sizes),
            unit,
        )
