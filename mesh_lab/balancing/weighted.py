"""Endpoints drawn at random in proportion to their weights, with one draw and in O(1).

The table is that of the alias method (Walker 1977, made as Vose 1991 does; both recalled, and the
table is tested against the weights).  As many columns of equal width as there are endpoints divide
the unit interval; each belongs to at most two endpoints, with a boundary between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ..parts import part
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels

__all__ = ["WeightedRandom", "alias_table"]


def alias_table(weights: Sequence[float]) -> tuple[list[float], list[int]]:
    """Return for each column up to where it is its own item's, and whose the rest is.

    Parameters
    ----------
    weights : sequence of float
        Above 0.

    Returns
    -------
    own : list of float
        Parts of a column, from 0 to 1.
    other : list of int
        Places in `weights`.

    Examples
    --------
    >>> alias_table([3.0, 1.0])
    ([1.0, 0.5], [0, 0])
    """
    n, total = len(weights), sum(weights)
    height = [weight * n / total for weight in weights]
    own, other = [1.0] * n, list(range(n))
    low = [j for j in range(n) if height[j] < 1.0]
    high = [j for j in range(n) if height[j] >= 1.0]
    while low and high:
        small, large = low.pop(), high[-1]
        own[small], other[small] = height[small], large
        height[large] -= 1.0 - height[small]
        if height[large] < 1.0:
            low.append(high.pop())
    return own, other  # what is left over is full up to rounding


@kernel
def pick_by_weight(s: Aliases, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The whole part of the draw chooses a column, the rest one of its two endpoints."""
    base = g * v.stride
    x = u[0] * v.size[g]
    place = int(x)
    if x - place >= s.own[base + place]:
        place = s.other[base + place]
    return v.hosts[base + place]  # type: ignore[no-any-return]


@kernels(pick=pick_by_weight, blind=True)
class Aliases(NamedTuple):
    """The tables of all pools; ``g * stride + j`` for pool *g*, place *j*.

    Attributes
    ----------
    own : floats
        Up to which part of the column it is endpoint *j*'s own.
    other : ints
        The place of the endpoint to which the rest belongs.
    """

    own: Floats
    other: Ints


@part
class WeightedRandom(Balancer):
    """Each endpoint with a probability in proportion to its weight, for every request anew.

    With equal weights it makes the same picks as `Random`.

    Examples
    --------
    >>> WeightedRandom()
    WeightedRandom()
    """

    origin: ClassVar[str] = "alias method"
    weighs: ClassVar[bool] = True

    @property
    def draws(self) -> int:
        """One."""
        return 1

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule, which keeps nothing but its table."""
        own = [0.0] * (view.stride * len(pools))
        other = [0] * (view.stride * len(pools))
        for g, pool in enumerate(pools):
            if pool.endpoints:
                base = g * view.stride
                end = base + len(pool.endpoints)
                own[base:end], other[base:end] = alias_table(pool.weights)
        return Aliases(make.floats(own), make.ints(other))
