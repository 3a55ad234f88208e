"""Balancing rules that look at nothing: random and round robin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge

from ..parts import part
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel

__all__ = ["Random", "RoundRobin"]


@kernel
def pick_any(s: Anyone, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The number of endpoints times a uniform draw, rounded down."""
    return v.hosts[g * v.stride + int(u[0] * v.size[g])]  # type: ignore[no-any-return]


class Anyone(NamedTuple):
    """Random needs to remember nothing."""

    unused: int
    pick = staticmethod(pick_any)


@part
class Random(Balancer):
    """Each endpoint equally likely, for every request anew (Envoy's RANDOM).

    Examples
    --------
    >>> Random()
    Random()
    """

    origin: ClassVar[str] = "Envoy RANDOM"

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
        """Return the rule, which keeps no state."""
        return Anyone(0)


@kernel
def pick_in_turn(s: Turns, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The one after the last, and after the last of all the first."""
    turn = s.turn[g]
    if turn >= v.size[g]:
        turn = 0
    s.turn[g] = turn + 1
    return v.hosts[g * v.stride + turn]  # type: ignore[no-any-return]


class Turns(NamedTuple):
    """Whose turn it is.

    Attributes
    ----------
    turn : ints, one a pool
        The place of the next.
    """

    turn: Ints
    pick = staticmethod(pick_in_turn)


@part
class RoundRobin(Balancer):
    """One endpoint after the other, in order.

    This is Envoy's ROUND_ROBIN, nginx's default and HAProxy's ``roundrobin`` where weights are
    equal.  HAProxy and nginx begin with the first endpoint; an Envoy begins anywhere, which
    `start` can say.

    Parameters
    ----------
    start : int
        The endpoint that is picked first; taken modulo the number of endpoints.

    Examples
    --------
    >>> RoundRobin()
    RoundRobin()
    """

    origin: ClassVar[str] = "Envoy ROUND_ROBIN"
    start: Annotated[int, Ge(0)] = 0

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule, standing before its first endpoint, or where it stood."""
        if isinstance(old, Turns) and len(old.turn) == len(pools):
            return Turns(make.ints(old.turn))
        return Turns(make.ints([self.start % max(len(pool.endpoints), 1) for pool in pools]))
