"""Balancing rules that look at nothing: random and round robin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Lt

from ..parts import part
from .edf import Deadlines, deadlines, needs_schedule
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels
from .slow_start import SlowStart

__all__ = ["Random", "RoundRobin"]


@kernel
def pick_any(s: Anyone, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The number of endpoints times a uniform draw, rounded down."""
    return v.hosts[g * v.stride + int(u[0] * v.size[g])]  # type: ignore[no-any-return]


@kernels(pick=pick_any, blind=True)
class Anyone(NamedTuple):
    """Random needs to remember nothing."""

    unused: int


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
    s.turn[g] = turn + 1
    return v.hosts[g * v.stride + turn % v.size[g]]  # type: ignore[no-any-return]


@kernels(pick=pick_in_turn, blind=True)
class Turns(NamedTuple):
    """Whose turn it is.

    Attributes
    ----------
    turn : ints, one a pool
        How many picks there have been, and where they began; modulo the endpoints, the place.
    """

    turn: Ints


@part
class RoundRobin(Balancer):
    """One endpoint after the other, in order; the heavier more often where weights differ.

    This is Envoy's ROUND_ROBIN (``load_balancer_impl.cc``).  With equal weights a counter, modulo
    the number of endpoints, says whose turn it is; it goes on when endpoints come and go.  With
    weights that differ, and from the moment that an endpoint enters slow start, the turns follow
    a schedule (`mesh_lab.balancing.edf`), which is made afresh whenever endpoints come and go.

    With equal weights it is also what nginx and HAProxy's ``roundrobin`` do.  For their weighted
    turns see `SmoothRoundRobin`.

    Parameters
    ----------
    start : int
        How many picks the rule is ahead of its beginning: with equal weights, which endpoint is
        first.  An Envoy draws this number at random, so that many of them do not go in step;
        nginx and HAProxy begin at the beginning.  Below 2**32.
    slow_start : SlowStart, optional
        How an endpoint that comes is given its share; None, the default, at once.

    Examples
    --------
    >>> RoundRobin()
    RoundRobin()
    >>> RoundRobin(start=2, slow_start=SlowStart(window=30.0))
    RoundRobin(start=2, slow_start=SlowStart(window=30.0))
    """

    cost: ClassVar[str] = "O(1); O(log n) when weights differ"
    origin: ClassVar[str] = "Envoy ROUND_ROBIN"
    weighs: ClassVar[bool] = True
    start: Annotated[int, Ge(0), Lt(2**32)] = 0
    slow_start: SlowStart | None = None

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule; its counter stands where it stood, its schedules are new."""
        if isinstance(old, (Turns, Deadlines)) and len(old.turn) == len(pools):
            turn = [int(count) for count in old.turn]
        else:
            turn = [self.start] * len(pools)
        scheduled = needs_schedule(pools, self.slow_start, now)
        if not any(scheduled):
            return Turns(make.ints(turn))
        return deadlines(
            pools,
            scheduled,
            turn,
            view,
            make,
            start=self.start,
            slow_start=self.slow_start,
            now=now,
        )
