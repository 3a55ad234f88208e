"""Slow start: an endpoint that has just come gets less at first, and its share grows.

The rule is Envoy's (``load_balancer_impl.cc``): in the first `window` seconds after an endpoint
joined, or became healthy again, its weight counts as

    weight * max(min_weight, (elapsed / window) ** (1 / aggression)),

with the elapsed time at least a millisecond.  (Envoy's documentation says a second; this is what
its code does.)
"""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from ..parts import Positive, part
from .rule import kernel

__all__ = ["SlowStart", "slowed"]


@kernel
def slowed(
    weight: float, since: float, now: float, window: float, aggression: float, min_weight: float
) -> float:
    """Return what a weight counts as, at `now`, for an endpoint that came at `since`.

    Examples
    --------
    Half way through a window of 10 s, linearly and with an aggression of 2; and afterwards.

    >>> slowed(4.0, 100.0, 105.0, 10.0, 1.0, 0.1)
    2.0
    >>> round(slowed(4.0, 100.0, 105.0, 10.0, 2.0, 0.1), 6)
    2.828427
    >>> slowed(4.0, 100.0, 110.0, 10.0, 2.0, 0.1)
    4.0
    """
    elapsed = now - since
    if elapsed >= window:
        return weight
    factor = max(elapsed, 0.001) / window
    if aggression != 1.0:
        factor = math.pow(factor, 1.0 / aggression)
    return weight * max(factor, min_weight)


@part
class SlowStart:
    """How an endpoint that has joined or recovered is given its share little by little.

    Those that are there from the beginning are not slowed.

    Parameters
    ----------
    window : float
        How long it takes, in seconds; at least a millisecond.
    aggression : float
        1 lets the share grow linearly; more lets it grow quickly at first and slowly later, and
        less the other way round.
    min_weight : float
        The least share, as a fraction of the full weight; above 0 and at most 1, Envoy's default
        being a tenth.

    Examples
    --------
    >>> SlowStart(window=30.0)
    SlowStart(window=30.0)
    """

    window: Annotated[float, Ge(0.001), Lt(math.inf)]
    aggression: Positive = 1.0
    min_weight: Annotated[float, Gt(0), Le(1)] = 0.1
