"""Groups of endpoints: one structure for all the balancers that pick out of the same endpoints.

Rules that look at the endpoints themselves see the same whoever looks.  With a hundred proxies and
no subsets, one order of the endpoints serves them all, and an arrival moves it once instead of a
hundred times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .rule import Ints, Make, Pool

__all__ = ["Groups", "grouped"]


class Groups(NamedTuple):
    """Which pools hold the same endpoints, and which groups an endpoint is in.

    Attributes
    ----------
    members : tuple of tuples of int
        The endpoints of each group.
    group : ints, one a pool
        Its group.
    begins, within : ints
        Endpoint *e* is in the groups ``within[begins[e]]`` to ``within[begins[e + 1] - 1]``.
    """

    members: tuple[tuple[int, ...], ...]
    group: Ints
    begins: Ints
    within: Ints


def grouped(pools: Sequence[Pool], stride: int, make: Make) -> Groups:
    """Put the pools that hold the same endpoints together.

    Parameters
    ----------
    pools : sequence of Pool
        All the pools of a service.
    stride : int
        More than the highest number of an endpoint.
    make : Make
        Makes the arrays.
    """
    number: dict[tuple[int, ...], int] = {}
    group = [number.setdefault(pool.endpoints, len(number)) for pool in pools]
    holders: list[list[int]] = [[] for _ in range(stride)]
    for endpoints, c in number.items():
        for e in endpoints:
            holders[e].append(c)
    begins, within = [0], list[int]()
    for held in holders:
        within.extend(held)
        begins.append(len(within))
    # an array of nothing has no type for compiled code to read
    return Groups(tuple(number), make.ints(group), make.ints(begins), make.ints(within or [0]))
