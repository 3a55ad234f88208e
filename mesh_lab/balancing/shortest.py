"""Rules that look at how many requests are at the endpoints: join shortest queue, power of d.

No real proxy sees these numbers: it knows what it has sent itself and what is not back, while an
endpoint serves others too.  They are what theory is about, and the measure for what is possible.
With `refresh` the number is that of some time ago: every `refresh` seconds, a board is copied from
the truth, and all the balancers look at the board until it is copied again.  This is the model of
periodic updates in Mitzenmacher, "How Useful Is Old Information?", IEEE Transactions on Parallel
and Distributed Systems 11 (2000): whoever sends everything to the one that looked least loaded a
while ago makes it the most loaded, while two random choices go on working.

What is under way to an endpoint, where the service has a forward delay, is not there yet and is not
counted; nor is a response under way back.  Weights do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

from annotated_types import Ge, Le

from ..parts import Positive, part
from .counts import any_of_least, lower, raise_, set_count, sorted_by_count
from .few import least_of_distinct, least_of_few
from .groups import grouped
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels, wake_at

__all__ = ["JoinShortestQueue", "PowerOfD"]


@kernel
def pick_shortest(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """One of those with the fewest requests, each equally likely."""
    return any_of_least(s, s.group[g] * v.stride, u[0])


@kernel
def one_more_there(s: Any, v: View, e: int, now: float) -> None:
    """Raise the endpoint in every group that it is in."""
    for k in range(s.begins[e], s.begins[e + 1]):
        raise_(s, s.within[k], v.stride, e)


@kernel
def one_fewer_there(s: Any, v: View, e: int, now: float, stay: float, met: int) -> None:
    """Lower the endpoint in every group that it is in."""
    for k in range(s.begins[e], s.begins[e + 1]):
        lower(s, s.within[k], v.stride, e)


@kernel
def copy_to_order(s: Any, v: View, code: int, now: float) -> None:
    """Look at the truth, and again in `refresh` seconds."""
    for e in range(v.stride):
        if s.seen[e] != v.there[e]:
            s.seen[e] = v.there[e]
            for k in range(s.begins[e], s.begins[e + 1]):
                set_count(s, s.within[k], v.stride, e, s.seen[e])
    wake_at(v, now + s.refresh, 0)


@kernels(pick=pick_shortest, arrived=one_more_there, left=one_fewer_there)
class Present(NamedTuple):
    """Endpoints in the order of what is there: see `counts.Sorted` and `groups.Groups`."""

    group: Ints
    begins: Ints
    within: Ints
    members: Ints
    order: Ints
    at: Ints
    block: Ints
    low: Ints
    high: Ints
    value: Ints
    free: Ints
    spare: Ints


@kernels(pick=pick_shortest, alarm=copy_to_order)
class Past(NamedTuple):
    """The same in the order of what was there: `seen`, by endpoint, every `refresh` seconds."""

    refresh: float
    seen: Ints
    group: Ints
    begins: Ints
    within: Ints
    members: Ints
    order: Ints
    at: Ints
    block: Ints
    low: Ints
    high: Ints
    value: Ints
    free: Ints
    spare: Ints


@part
class JoinShortestQueue(Balancer):
    """The endpoint with the fewest requests waiting or in service; a tie is broken at random.

    It looks at the endpoints themselves, as no real proxy can.  What is still under way there is
    not counted.  One uniform draw breaks a tie among all that have the fewest.

    Parameters
    ----------
    refresh : float, optional
        Look only every so many seconds (Mitzenmacher's periodic updates), first when the run
        begins; the default is to see the present.  An endpoint that joins later counts with what
        the board says of it, which is 0 until the next look.

    Examples
    --------
    >>> JoinShortestQueue(refresh=0.5)
    JoinShortestQueue(refresh=0.5)
    """

    sees: ClassVar[str] = "requests at the endpoints"
    origin: ClassVar[str] = "theory; with refresh, Mitzenmacher 2000"
    oracle: ClassVar[bool] = True
    refresh: Positive | None = None

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
        """Return the rule, with the endpoints sorted by what is, or was, there."""
        groups = grouped(pools, view.stride, make)
        index = (groups.group, groups.begins, groups.within)
        if self.refresh is None:
            counts = [[int(view.there[e]) for e in members] for members in groups.members]
            return Present(*index, *sorted_by_count(make, view.stride, groups.members, counts))
        seen = _board(old, Past, view, self.refresh, now)
        counts = [[seen[e] for e in members] for members in groups.members]
        ranked = sorted_by_count(make, view.stride, groups.members, counts)
        return Past(float(self.refresh), make.ints(seen), *index, *ranked)


def _board(old: Rule | None, kind: type, view: View, refresh: float, now: float) -> list[int]:
    """Return the board as it stands, or a first one; its bell is rung only once."""
    if isinstance(old, kind):
        return [int(x) for x in old.seen]  # type: ignore[attr-defined]
    wake_at(view, now + refresh, 0)
    return [int(view.there[e]) for e in range(view.stride)]


@kernel
def pick_of_few_there(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The fewest there among those drawn, with replacement."""
    return least_of_few(v.there, 0, s.choices, v, g, u)


@kernel
def pick_of_distinct_there(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The fewest there among different endpoints."""
    return least_of_distinct(v.there, 0, s.choices, s.drawn, v, g, u)


@kernel
def pick_of_few_seen(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The fewest on the board among those drawn, with replacement."""
    return least_of_few(s.seen, 0, s.choices, v, g, u)


@kernel
def pick_of_distinct_seen(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The fewest on the board among different endpoints."""
    return least_of_distinct(s.seen, 0, s.choices, s.drawn, v, g, u)


@kernel
def copy_to_board(s: Any, v: View, code: int, now: float) -> None:
    """Look at the truth, and again in `refresh` seconds."""
    for e in range(v.stride):
        s.seen[e] = v.there[e]
    wake_at(v, now + s.refresh, 0)


@kernels(pick=pick_of_few_there)
class FewThere(NamedTuple):
    """How many are drawn, with replacement."""

    choices: int


@kernels(pick=pick_of_distinct_there)
class DistinctThere(NamedTuple):
    """How many different ones are drawn; `drawn` is room to draw them in."""

    choices: int
    drawn: Ints


@kernels(pick=pick_of_few_seen, alarm=copy_to_board)
class FewSeen(NamedTuple):
    """How many are drawn, and what the board says."""

    choices: int
    refresh: float
    seen: Ints


@kernels(pick=pick_of_distinct_seen, alarm=copy_to_board)
class DistinctSeen(NamedTuple):
    """How many different ones are drawn, and what the board says."""

    choices: int
    drawn: Ints
    refresh: float
    seen: Ints


@part
class PowerOfD(Balancer):
    """The endpoint with the fewest requests waiting or in service, of a few drawn at random.

    The supermarket model (Vvedenskaya, Dobrushin and Karpelevich 1996; Mitzenmacher 1996): two
    choices already make long queues doubly exponentially rare.  The first drawn is kept on ties;
    since the order of the draws is random, a tie is broken uniformly.  It looks at the endpoints
    themselves; `LeastRequest` is what a proxy can do.

    Parameters
    ----------
    choices : int
        How many are drawn, 1 or more; more than there are endpoints means all of them.
    replacement : bool
        Whether one endpoint may be drawn twice; not by default.  In a large service it does not
        matter.
    refresh : float, optional
        Look only every so many seconds, as in `JoinShortestQueue`.

    Examples
    --------
    >>> PowerOfD(choices=3)
    PowerOfD(choices=3)
    """

    sees: ClassVar[str] = "requests at the endpoints"
    cost: ClassVar[str] = "O(choices)"
    origin: ClassVar[str] = "supermarket model"
    oracle: ClassVar[bool] = True
    choices: Annotated[int, Ge(1), Le(1000)] = 2
    replacement: bool = False
    refresh: Positive | None = None

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
        """Return the rule; the engine counts what is there, the board what was."""
        drawn = make.ints([0] * self.choices)
        if self.refresh is None:
            return (
                FewThere(self.choices) if self.replacement else DistinctThere(self.choices, drawn)
            )
        kind = FewSeen if self.replacement else DistinctSeen
        seen = make.ints(_board(old, kind, view, self.refresh, now))
        refresh = float(self.refresh)
        if self.replacement:
            return FewSeen(self.choices, refresh, seen)
        return DistinctSeen(self.choices, drawn, refresh, seen)
