"""Least work left: the endpoint that will be done first, if nothing else comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from ..parts import part
from .groups import grouped
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels
from .tournament import champion, play_again, played

__all__ = ["LeastWorkLeft"]


@kernel
def pick_least_work(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The one that is done first."""
    return champion(s, 2 * s.group[g] * v.stride)


@kernel
def look_again(s: Any, v: View, e: int) -> None:
    """Take the endpoint's work as it is now to every group that it is in."""
    until = v.busy_until[e]
    if s.first[e] != until:
        s.first[e] = until
        for k in range(s.begins[e], s.begins[e + 1]):
            c = s.within[k]
            play_again(s, 2 * c * v.stride, s.members[c], s.place[c * v.stride + e], 0)


@kernel
def work_arrived(s: Any, v: View, e: int, now: float) -> None:
    """There is more to do."""
    look_again(s, v, e)


@kernel
def work_left(s: Any, v: View, e: int, now: float, stay: float, met: int) -> None:
    """There may be less to do than was thought."""
    look_again(s, v, e)


@kernels(pick=pick_least_work, arrived=work_arrived, left=work_left)
class Works(NamedTuple):
    """When each endpoint will be done.

    Attributes
    ----------
    group, begins, within : ints
        See `mesh_lab.balancing.groups.Groups`.
    members : ints, one a group
        How many endpoints it has.
    place : ints
        Where endpoint *e* stands in group *c*: ``place[c * stride + e]``.
    winner : ints
        See `mesh_lab.balancing.tournament`; one tree a group.
    first, second : floats, ints
        The view's ``busy_until`` as it was last looked at, and the endpoint's number.
    """

    group: Ints
    begins: Ints
    within: Ints
    members: Ints
    place: Ints
    winner: Ints
    first: Floats
    second: Ints


@part
class LeastWorkLeft(Balancer):
    """The endpoint with the fewest seconds of work left; among idle ones, the one idle longest.

    It knows how much work each request there still needs, and of several workers it supposes that
    they share it, which only an oracle knows.  Endpoints that have never worked come first, by
    their number; the lower number wins every tie.  Over first-in-first-out with one worker an
    endpoint, each request starts when it would start in one queue in front of all the workers:
    both give it to the worker that is free first (the recursion of Kiefer and Wolfowitz 1955).
    What is still under way to an endpoint does not count, and weights do not matter.

    Examples
    --------
    >>> LeastWorkLeft()
    LeastWorkLeft()
    """

    sees: ClassVar[str] = "seconds of work at the endpoints"
    cost: ClassVar[str] = "O(log n)"
    origin: ClassVar[str] = "theory (central queue)"
    oracle: ClassVar[bool] = True

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule; it knows no more than what is there."""
        stride = view.stride
        groups = grouped(pools, stride, make)
        first = [float(x) for x in view.busy_until]
        second = list(range(stride))
        place = [0] * (stride * len(groups.members))
        winner: list[int] = []
        for c, members in enumerate(groups.members):
            for j, e in enumerate(members):
                place[c * stride + e] = j
            winner += played(members, stride, first, second)
        return Works(
            groups.group,
            groups.begins,
            groups.within,
            make.ints([len(members) for members in groups.members]),
            make.ints(place),
            make.ints(winner),
            make.floats(first),
            make.ints(second),
        )
