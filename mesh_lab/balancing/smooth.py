"""Smooth weighted turns: nginx's way of spreading the turns of the heavy among those of the light.

Every endpoint has a current weight, 0 at first.  At a pick each gains its weight; the first of
those with the largest current weight is picked, and loses the sum of all weights (nginx, commit
52327e0 of 2012; `ngx_http_upstream_round_robin.c`).  Weights 5, 1, 1 give a a b a c a a, where
plain turns would give a a a a a b c.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ..parts import part
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels

__all__ = ["SmoothRoundRobin"]


@kernel
def pick_largest_current(s: Currents, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """Give everyone its weight, and take the sum from the first of those that have most."""
    first = g * v.stride
    best = first
    most = s.current[first] + s.weights[first]
    s.current[first] = most
    for place in range(first + 1, first + v.size[g]):
        has = s.current[place] + s.weights[place]
        s.current[place] = has
        if has > most:
            best, most = place, has
    s.current[best] = most - s.total[g]
    return v.hosts[best]  # type: ignore[no-any-return]


@kernels(pick=pick_largest_current, blind=True)
class Currents(NamedTuple):
    """The current weights.

    Attributes
    ----------
    current, weights : floats
        ``current[g * stride + j]`` belongs to the endpoint at place *j* of pool *g*.
    total : floats, one a pool
        The sum of the weights.
    last : floats
        ``last[g * stride + e]``: what endpoint *e* had when it was in the pool the last time.
    members : ints
        The pools, as ``View.hosts`` has them; -1 behind the last.
    """

    current: Floats
    weights: Floats
    total: Floats
    last: Floats
    members: Ints


@part
class SmoothRoundRobin(Balancer):
    """Turns in proportion to the weights, spread as evenly as can be; nginx's default.

    An endpoint that fails and comes back finds its current weight as it was, as in nginx, and one
    that joins begins with 0.  nginx also lets failed attempts lower a weight for a while; that is
    left out, for here an endpoint is either healthy or not.

    A pick looks at every endpoint, as nginx does.

    Examples
    --------
    >>> SmoothRoundRobin()
    SmoothRoundRobin()
    """

    cost: ClassVar[str] = "O(n)"
    origin: ClassVar[str] = "nginx round robin"
    weighs: ClassVar[bool] = True

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule, with the current weights that there were."""
        length = view.stride * len(pools)
        last, current, weights = [0.0] * length, [0.0] * length, [0.0] * length
        if isinstance(old, Currents) and len(old.current) == length:
            last = list(old.last)
            for at, e in enumerate(old.members):
                if e >= 0:
                    last[at - at % view.stride + e] = old.current[at]
        members = [-1] * length
        for g, pool in enumerate(pools):
            first = g * view.stride
            for j, (e, weight) in enumerate(zip(pool.endpoints, pool.weights, strict=True)):
                current[first + j], weights[first + j] = last[first + e], weight
                members[first + j] = e
        totals = [sum(pool.weights) for pool in pools]
        return Currents(
            make.floats(current),
            make.floats(weights),
            make.floats(totals),
            make.floats(last),
            make.ints(members),
        )
