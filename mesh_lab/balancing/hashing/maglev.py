"""Maglev hashing: one table in which every endpoint holds its share of places, in its own order.

The rule is Envoy's MAGLEV (``maglev_lb.cc``) after Eisenbud et al., "Maglev: a fast and reliable
software network load balancer" (NSDI 2016).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le

from ...parts import part
from ..rule import Balancer, Floats, Hashes, Ints, Make, Pool, Rule, View, kernel, kernels
from .bounded import bounded_fields, count_answered, count_sent, within_bounds
from .keyhash import xxh64, xxh64_all
from .tables import Table, lay_out, shares

__all__ = ["Maglev", "MaglevTable"]

BIGGEST = 5_000_011


@kernel
def pick_from_table(s: MaglevTable, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The owner of the place that is the key modulo the size of the table."""
    return s.owners[s.first[g] + int(key % s.modulus[0])]  # type: ignore[no-any-return]


@kernels(pick=pick_from_table, blind=True)
class MaglevTable(NamedTuple):
    """Who holds each place; see `tables.Layout`."""

    owners: Ints
    first: Ints
    modulus: Hashes


@kernel
def pick_from_bounded_table(
    s: BoundedTable, v: View, g: int, u: Floats, now: float, key: int
) -> int:
    """The owner of the key's place, unless it is overloaded."""
    return within_bounds(s, v, g, pick_from_table(s, v, g, u, now, key), key)  # type: ignore[arg-type]


@kernels(pick=pick_from_bounded_table, sent=count_sent, answered=count_answered)
class BoundedTable(NamedTuple):
    """A table, and what `bounded.bounded_fields` adds."""

    owners: Ints
    first: Ints
    modulus: Hashes
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


def turns(share: npt.NDArray[np.float64]) -> Iterator[list[int]]:
    """Yield round after round who takes a place in it.

    An endpoint whose share is a fraction of the greatest takes a place in that fraction of the
    rounds; the comparison is Envoy's, in floating point.
    """
    greatest = share.max()
    if share.min() == greatest:
        everyone = list(range(len(share)))
        while True:
            yield everyone
    due = np.zeros(len(share))
    turn = 0
    while True:
        turn += 1
        takers = np.flatnonzero(turn * share >= due)
        due[takers] += greatest
        yield takers.tolist()


@functools.lru_cache(maxsize=32)
def table(names: tuple[str, ...], weights: tuple[float, ...], size: int) -> Table:
    """Fill the table: in turns, each endpoint takes the next free place of its permutation."""
    order = sorted(range(len(names)), key=names.__getitem__)
    known = [names[i] for i in order]
    at: list[int] = (xxh64_all(known) % np.uint64(size)).tolist()
    step: list[int] = (xxh64_all(known, seed=1) % np.uint64(size - 1) + np.uint64(1)).tolist()
    holder = [-1] * size
    left = size
    for takers in turns(np.array(shares(weights))[order]):
        for i in takers[:left]:
            place = at[i]
            while holder[place] >= 0:
                place += step[i]
                if place >= size:
                    place -= size
            holder[place] = i
            at[i] = place
        left -= len(takers)
        if left <= 0:
            break
    return Table(np.empty(0, dtype=np.uint64), np.array(order, dtype=np.int32)[holder])


def is_prime(number: int) -> bool:
    """Return whether `number`, which is above 1, has no divisor but itself and 1."""
    return all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


@part
class Maglev(Balancer):
    """Consistent hashing by a table (Envoy's MAGLEV).

    Endpoints, in the order of their names, take places of the table in turns; each tries them in
    the order of a permutation of its own (a start and a step, both xxHash64 of its name).  Shares
    are equal to one place (by weight, otherwise), lookups take one step; when an endpoint leaves, a
    few other places change hands too.  With fewer places than endpoints, some have none, and no
    request.

    Parameters
    ----------
    table_size : int
        Places; a prime number up to 5,000,011.
    balance_factor : int or None
        Bounded loads: the percentage, from 100, of its fair share of the outstanding requests to
        which an endpoint is limited; see `mesh_lab.balancing.hashing.bounded`.

    Examples
    --------
    >>> Maglev(table_size=1009)
    Maglev(table_size=1009)
    >>> Maglev(table_size=1000)
    Traceback (most recent call last):
        ...
    mesh_lab.errors.PartError: Maglev: table_size is 1,000, which is not prime; 1,009 is the next
    """

    sees: ClassVar[str] = "the key; with a balance factor its own outstanding requests"
    cost: ClassVar[str] = "O(1); O(n) when bounded loads overflow"
    origin: ClassVar[str] = "Envoy MAGLEV"
    weighs: ClassVar[bool] = True
    hashes: ClassVar[bool] = True
    table_size: Annotated[int, Ge(2), Le(BIGGEST)] = 65_537
    balance_factor: Annotated[int, Ge(100)] | None = None

    def __post_init__(self) -> None:
        if not is_prime(self.table_size):
            following = self.table_size + 1
            while not is_prime(following):
                following += 1
            raise ValueError(
                f"table_size is {self.table_size:,}, which is not prime; {following:,} is the next"
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
        """Return a table for each pool; nothing is remembered of an earlier one."""
        laid = lay_out(pools, lambda names, weights: table(names, weights, self.table_size))
        fields = (make.ints(laid.owners), make.ints(laid.first), make.hashes([self.table_size]))
        if self.balance_factor is None:
            return MaglevTable(*fields)
        return BoundedTable(*fields, *bounded_fields(self.balance_factor, pools, view, make))
