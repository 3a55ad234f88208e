"""Weighted turns by static stride: grpc-go's schedule, which keeps nothing but a counter.

The counter goes round the endpoints again and again, and skips an endpoint of weight *w* in all
but *w* of 65 535 rounds (``balancer/weightedroundrobin/scheduler.go``).  Weights are scaled so that
the largest is 65 535: the heaviest endpoint is never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Lt

from ..parts import part
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels

__all__ = ["StaticStride", "scaled"]

HEAVIEST = 65_535  # the largest unsigned number of 16 bits
COUNTS = 2**32  # of the counter, which begins anew after them


def scaled(weights: Sequence[float]) -> list[int]:
    """Return the weights as whole numbers up to 65 535, or all 65 535 where grpc-go takes turns.

    It takes turns when there is but one endpoint, and when every weight is the mean, once scaled.
    Halves are rounded up.  A weight below 1/131 070 of the largest becomes 0 and gets nothing.

    Examples
    --------
    >>> scaled([1.0, 2.0, 4.0])
    [16384, 32768, 65535]
    >>> scaled([3.0, 3.0])
    [65535, 65535]
    """
    factor = HEAVIEST / max(weights)
    whole = [_rounded(factor * weight) for weight in weights]
    mean = _rounded(factor * (sum(weights) / len(weights)))
    if all(weight == mean for weight in whole):
        return [HEAVIEST] * len(whole)
    return whole


def _rounded(x: float) -> int:
    """Return the nearest whole number to one above 0; of two, the larger."""
    down = math.floor(x)
    return down + 1 if x - down >= 0.5 else down


@kernel
def pick_stride(s: Strides, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The next that is not skipped."""
    n, base = v.size[g], g * v.stride
    count = s.count[g]
    while True:
        place = count % n
        weight = s.weights[base + place]
        # the second term keeps endpoints of one weight from being skipped in the same rounds
        phase = (weight * (count // n) + place * (HEAVIEST // 2)) % HEAVIEST
        count += 1
        if count == COUNTS:
            count = 0
        if phase >= HEAVIEST - weight:
            break
    s.count[g] = count
    return v.hosts[base + place]  # type: ignore[no-any-return]


@kernels(pick=pick_stride, blind=True)
class Strides(NamedTuple):
    """A counter for each pool.

    Attributes
    ----------
    count : ints, one a pool
        What the next pick begins with.
    weights : ints
        ``weights[g * stride + j]`` is that of the endpoint at place *j* of pool *g*.
    """

    count: Ints
    weights: Ints


@part
class StaticStride(Balancer):
    """Turns in proportion to the weights, from a counter alone; gRPC's weighted round robin in Go.

    A pick passes over at most all other endpoints, and over as many as the heaviest weight is
    above the mean weight, on average.

    This is the schedule only, with weights that are declared.  What grpc does with a weight of 0
    (the mean takes its place) is left out, for such a weight cannot be declared.

    Parameters
    ----------
    start : int
        What the counter begins with, and begins with again when endpoints come and go; below
        2**32.  grpc-go draws it at random each time, so that many clients do not go in step.

    Examples
    --------
    >>> StaticStride()
    StaticStride()
    """

    cost: ClassVar[str] = "O(largest weight / mean weight)"
    origin: ClassVar[str] = "grpc-go weighted_round_robin"
    weighs: ClassVar[bool] = True
    start: Annotated[int, Ge(0), Lt(2**32)] = 0

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule; its counter begins anew, as it does there."""
        weights = [0] * (view.stride * len(pools))
        for g, pool in enumerate(pools):
            if pool.endpoints:
                base = g * view.stride
                weights[base : base + len(pool.endpoints)] = scaled(pool.weights)
        return Strides(make.ints([self.start] * len(pools)), make.ints(weights))
