"""Tables of several pools in one array: pools of equal endpoints share what is built once.

Independent balancers (proxies) of one service see the same endpoints, so they look into the same
table; a pool knows where in the array its table begins and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import PartError
from ..rule import Pool
from .keyhash import Hash64

__all__ = ["IntArray", "Layout", "Table", "lay_out", "shares", "whole_weights"]

IntArray = npt.NDArray[np.int64]


class Table(NamedTuple):
    """Positions on a ring in ascending order (or none), and the place in the pool of each."""

    points: Hash64
    places: npt.NDArray[np.integer[Any]]


class Layout(NamedTuple):
    """All tables one after the other.

    Attributes
    ----------
    points : array of uint64
        Positions.
    owners : array of int
        The number of the endpoint at each position.
    first, end : list of int, one a pool
        Where in these arrays the pool's table begins, and where it has ended.
    """

    points: Hash64
    owners: IntArray
    first: list[int]
    end: list[int]


def lay_out(
    pools: Sequence[Pool], build: Callable[[tuple[str, ...], tuple[float, ...]], Table]
) -> Layout:
    """Build a table for each pool, once for pools of equal endpoints; an empty pool has none."""
    made: dict[object, tuple[int, int]] = {}
    points: list[Hash64] = [np.empty(0, dtype=np.uint64)]
    owners: list[IntArray] = [np.empty(0, dtype=np.int64)]
    first, end, size = [], [], 0
    for pool in pools:
        known = (pool.endpoints, pool.names, pool.weights)
        if pool.endpoints and known not in made:
            table = build(pool.names, pool.weights)
            points.append(table.points)
            owners.append(np.asarray(pool.endpoints, dtype=np.int64)[table.places])
            made[known] = (size, size + len(table.places))
            size += len(table.places)
        begins, ends = made.get(known, (0, 0))
        first.append(begins)
        end.append(ends)
    return Layout(np.concatenate(points), np.concatenate(owners), first, end)


def shares(weights: Sequence[float]) -> list[float]:
    """Return the weights divided by their sum, as Envoy's ``normalizeHostWeights`` does."""
    total = sum(weights)
    return [weight / total for weight in weights]


def whole_weights(rule: str, source: str, pool: Pool, most: int) -> list[int]:
    """Return the weights of `pool` as whole numbers.

    Raises
    ------
    PartError
        When one is not whole, or above `most`: the proxy would refuse it too.
    """
    for name, weight in zip(pool.names, pool.weights, strict=True):
        if weight != int(weight) or not 1 <= weight <= most:
            raise PartError(
                f"Endpoint {name!r}",
                "weight",
                f"is {weight:g}, but under {rule} must be a whole number from 1 to {most:,}, "
                f"as in {source}; multiply all weights by the same number",
            )
    return [int(weight) for weight in pool.weights]
