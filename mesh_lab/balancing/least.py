"""Balancing rules that look at outstanding requests: least request of a few choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge

from ..parts import part
from .rule import Balancer, Floats, Make, Pool, Rule, View, kernel

__all__ = ["LeastRequest"]


@kernel
def pick_least_of_few(s: Few, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The fewest outstanding among those drawn, with replacement; of a tie the first drawn."""
    n = v.size[g]
    first, base = g * v.stride, v.balancer[g] * v.stride
    best = v.hosts[first + int(u[0] * n)]
    for k in range(1, s.choices):
        other = v.hosts[first + int(u[k] * n)]
        if v.outstanding[base + other] < v.outstanding[base + best]:
            best = other
    return best  # type: ignore[no-any-return]


class Few(NamedTuple):
    """How many are drawn; the outstanding requests are in the view."""

    choices: int
    pick = staticmethod(pick_least_of_few)


@part
class LeastRequest(Balancer):
    """The endpoint with the fewest outstanding requests, of a few that are drawn at random.

    This is Envoy's LEAST_REQUEST with equal weights (``load_balancer_impl.cc``): `choices`
    endpoints are drawn with replacement, and the first drawn is kept on ties.

    Parameters
    ----------
    choices : int
        How many are drawn; at least 2, Envoy's default.

    Examples
    --------
    >>> LeastRequest(choices=3)
    LeastRequest(choices=3)
    """

    sees: ClassVar[str] = "its own outstanding requests"
    cost: ClassVar[str] = "O(choices)"
    origin: ClassVar[str] = "Envoy LEAST_REQUEST"
    choices: Annotated[int, Ge(2)] = 2

    @property
    def draws(self) -> int:
        """One for each choice."""
        return self.choices

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule; the engine counts what is outstanding."""
        return Few(self.choices)
