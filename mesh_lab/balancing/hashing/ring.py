"""Ring hash: every endpoint stands at many positions of a ring, a key goes to the next one.

The rule is Envoy's RING_HASH (``ring_hash_lb.cc``).  Envoy searches the ring by halves, as ketama
does; here the search begins at the right place, since positions are spread evenly.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Le

from ...parts import part
from ..rule import Balancer, Floats, Hashes, Ints, Make, Pool, Rule, View, kernel, kernels
from .bounded import bounded_fields, count_answered, count_sent, within_bounds
from .keyhash import murmur2_all, xxh64, xxh64_all
from .tables import IntArray, Layout, Table, lay_out, shares

__all__ = ["Ring", "RingHash", "ring_fields"]

BIGGEST = 8_388_608


@kernel
def pick_on_ring(s: Ring, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The owner of the first position that is not before the key; after the last, the first."""
    bucket = key >> s.shift[g]
    if bucket > s.last[g]:
        bucket = s.last[g]
    at = s.starts[s.skip[g] + int(bucket)]
    end = s.end[g]
    while at < end and s.points[at] < key:
        at += 1
    if at == end:
        at = s.first[g]
    return s.owners[at]  # type: ignore[no-any-return]


@kernels(pick=pick_on_ring, blind=True)
class Ring(NamedTuple):
    """Positions and who stands there, and where to begin to look.

    Attributes
    ----------
    points, owners, first, end : hashes, ints
        See `tables.Layout`.
    starts : ints
        The range of hashes is cut into buckets, about one for each position of a ring; this is the
        first position that is not before a bucket.
    skip : ints, one a pool
        Where in `starts` its buckets begin.
    shift, last : hashes, one a pool
        A hash shifted right by the first is its bucket; the second is the highest bucket.
    """

    points: Hashes
    owners: Ints
    first: Ints
    end: Ints
    starts: Ints
    skip: Ints
    shift: Hashes
    last: Hashes


@kernel
def pick_on_bounded_ring(s: BoundedRing, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The next on the ring, unless it is overloaded."""
    return within_bounds(s, v, g, pick_on_ring(s, v, g, u, now, key), key)  # type: ignore[arg-type]


@kernels(pick=pick_on_bounded_ring, sent=count_sent, answered=count_answered)
class BoundedRing(NamedTuple):
    """A ring, and what `bounded.bounded_fields` adds."""

    points: Hashes
    owners: Ints
    first: Ints
    end: Ints
    starts: Ints
    skip: Ints
    shift: Hashes
    last: Hashes
    factor: int
    active: Ints
    share: Floats
    order: Ints
    jumped: Ints
    words: Ints
    cursor: Ints
    seeds: Ints
    memo: Ints
    low: Hashes


@functools.lru_cache(maxsize=8)
def ring(
    names: tuple[str, ...], weights: tuple[float, ...], least: int, most: int, how: str
) -> Table:
    """Build the ring: a number of positions for each endpoint that is proportional to its weight.

    The lightest endpoint gets a whole number of them, so that there are at least `least` in all,
    unless that makes more than `most`.  What the others get is rounded as it adds up.
    """
    share = shares(weights)
    lightest = min(share)
    scale = min(math.ceil(lightest * least) / lightest, float(most))
    reached = np.ceil(np.cumsum(scale * np.array(share))).astype(np.int64)
    counts = np.diff(reached, prepend=0)
    texts = [
        f"{name}_{i}"
        for name, count in zip(names, counts.tolist(), strict=True)
        for i in range(count)
    ]
    points = (murmur2_all if how == "murmur2" else xxh64_all)(texts)
    order = np.argsort(points, kind="stable")
    return Table(points[order], np.repeat(np.arange(len(names)), counts)[order])


def ring_fields(laid: Layout, bits: int, make: Make) -> tuple[Any, ...]:
    """Return the fields of `Ring` for rings of hashes of so many bits."""
    made: dict[tuple[int, int], tuple[int, int]] = {}
    starts: list[IntArray] = []
    size = 0
    for first, end in zip(laid.first, laid.end, strict=True):
        if (first, end) not in made:
            used = max((end - first - 1).bit_length(), 1)
            edges = np.arange(2**used, dtype=np.uint64) << np.uint64(bits - used)
            starts.append(first + np.searchsorted(laid.points[first:end], edges))
            made[first, end] = (size, used)
            size += len(edges)
    skip, used_bits = zip(
        *(made[pool] for pool in zip(laid.first, laid.end, strict=True)), strict=True
    )
    return (
        make.hashes(laid.points),
        make.ints(laid.owners),
        make.ints(laid.first),
        make.ints(laid.end),
        make.ints(np.concatenate(starts)),
        make.ints(skip),
        make.hashes([bits - used for used in used_bits]),
        make.hashes([2**used - 1 for used in used_bits]),
    )


@part
class RingHash(Balancer):
    """Consistent hashing on a ring (Envoy's RING_HASH, gRPC's ``ring_hash``).

    Each endpoint stands at the hashes of its name, an underscore and 0, 1, 2, ..., at as many of
    them as its weight says; a key goes to the first position that is not before its xxHash64.  When
    one of n endpoints leaves, its keys move, about 1/n of all, and nearly as many again if those
    that stay have another number of positions in a ring of `min_size`, which is so unless n is
    large beside it.  How evenly keys divide depends on the size: with k positions each, shares vary
    by about 1/sqrt(k) of themselves.  In a ring that is smaller than their number, endpoints may
    have no position, and no request.

    Parameters
    ----------
    min_size, max_size : int
        Positions on the ring; 1 to 8,388,608.  As in Envoy, the size follows from the first, and
        the second only limits it.
    hash : "xxh64" or "murmur2"
        Of the positions.  Envoy hashes keys with xxHash64 in both cases.
    balance_factor : int or None
        Bounded loads: the percentage, from 100, of its fair share of the outstanding requests to
        which an endpoint is limited; see `mesh_lab.balancing.hashing.bounded`.

    Examples
    --------
    >>> RingHash(balance_factor=150)
    RingHash(balance_factor=150)
    """

    sees: ClassVar[str] = "the key; with a balance factor its own outstanding requests"
    cost: ClassVar[str] = "O(1); O(n) when bounded loads overflow"
    origin: ClassVar[str] = "Envoy RING_HASH"
    weighs: ClassVar[bool] = True
    hashes: ClassVar[bool] = True
    min_size: Annotated[int, Ge(1), Le(BIGGEST)] = 1024
    max_size: Annotated[int, Ge(1), Le(BIGGEST)] = BIGGEST
    hash: Literal["xxh64", "murmur2"] = "xxh64"
    balance_factor: Annotated[int, Ge(100)] | None = None

    def __post_init__(self) -> None:
        if self.min_size > self.max_size:
            raise ValueError(
                f"min_size is {self.min_size:,}, above max_size, which is {self.max_size:,}; "
                "a ring cannot be both"
            )

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
        """Return a ring for each pool; nothing is remembered of an earlier one."""
        laid = lay_out(
            pools,
            lambda names, weights: ring(names, weights, self.min_size, self.max_size, self.hash),
        )
        table = ring_fields(laid, 64, make)
        if self.balance_factor is None:
            return Ring(*table)
        return BoundedRing(*table, *bounded_fields(self.balance_factor, pools, view, make))
