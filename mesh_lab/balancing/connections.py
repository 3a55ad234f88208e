"""HAProxy's leastconn and first: the endpoint with the smallest key, out of a tree.

HAProxy keeps its servers in a tree sorted by a key (``src/lb_fwlc.c``, ``src/lb_fas.c``); a server
is taken out and put back whenever it gets or ends a connection, and the first one of the tree is
used.  Servers with equal keys stand in the order in which they were put back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from ..errors import PartError
from ..parts import Count, part
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels
from .tournament import champion, play_again, played

__all__ = ["FirstAvailable", "LeastConnections"]

WEIGHT_SCALE = 16  # BE_WEIGHT_SCALE
LARGEST_WEIGHT = 256  # SRV_UWGHT_MAX
LARGEST_EFFECTIVE = LARGEST_WEIGHT * WEIGHT_SCALE  # SRV_EWGHT_MAX


@kernel
def pick_champion(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The one with the smallest key."""
    return champion(s, 2 * g * v.stride)


@kernel
def put_back_by_load(s: Any, v: View, p: int, e: int) -> None:
    """Work out the key again, and put the endpoint behind those with an equal one."""
    at = p * v.stride + e
    g = v.pool[at]
    if g < 0:
        return
    inflight = v.outstanding[at]
    loaded = 0
    if inflight > 0:
        loaded = ((inflight + 1) * s.largest) // s.weight[at]
    s.first[at] = float(loaded)
    s.second[at] = s.turn[p]
    s.turn[p] += 1
    play_again(s, 2 * g * v.stride, v.size[g], v.place[at], p * v.stride)


@kernel
def load_sent(s: Any, v: View, p: int, e: int, now: float) -> None:
    """A connection more."""
    put_back_by_load(s, v, p, e)


@kernel
def load_answered(
    s: Any,
    v: View,
    p: int,
    e: int,
    now: float,
    latency: float,
    ok: int,
    there: int,
    worked: float,
) -> None:
    """A connection fewer."""
    put_back_by_load(s, v, p, e)


@kernels(pick=pick_champion, sent=load_sent, answered=load_answered)
class Loads(NamedTuple):
    """The tree of leastconn.

    Attributes
    ----------
    winner : ints
        See `mesh_lab.balancing.tournament`; one tree a pool.
    first, second : floats, ints
        HAProxy's key, and when the endpoint was put back, by ``p * stride + e``.
    weight : ints
        Effective weights, in the same way.
    turn : ints, one a balancer
        How many times an endpoint was put back.
    largest : int
        The largest effective weight.
    """

    winner: Ints
    first: Floats
    second: Ints
    weight: Ints
    turn: Ints
    largest: int


@part
class LeastConnections(Balancer):
    """The endpoint with the fewest outstanding requests for its weight; round robin among equals.

    This is HAProxy's ``balance leastconn`` (``src/lb_fwlc.c``).  The key of an endpoint is 0 while
    nothing is in flight, otherwise, in whole numbers, (in flight + 1) * 4096 / effective weight,
    where the effective weight is 16 times the weight, rounded up, and 4096 is the largest.  So an
    idle endpoint comes first whatever its weight.  Among equal keys, the endpoint comes first
    whose number of requests changed longest ago, which makes an idle service take turns.  The one
    in flight + 1 is as in HAProxy since 2.0 [the version is recalled]; recent versions hold equal
    keys in several lists, appended to at random, which only approximates these turns.

    Weights are 1 to 256, as HAProxy's; fractions are rounded up to sixteenths.

    Examples
    --------
    >>> LeastConnections()
    LeastConnections()
    """

    sees: ClassVar[str] = "its own outstanding requests, weights"
    cost: ClassVar[str] = "O(log n)"
    origin: ClassVar[str] = "HAProxy leastconn"
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
        """Return the rule; an endpoint that stays keeps its turn, a new one comes after it.

        Raises
        ------
        PartError
            When a weight is above 256.
        """
        stride = view.stride
        cells = len(view.outstanding)
        first, second, weight = [0.0] * cells, [-1] * cells, [1] * cells
        turn = [0] * (cells // stride)
        if isinstance(old, Loads):
            second, turn = [int(x) for x in old.second], [int(x) for x in old.turn]
        winner: list[int] = []
        for pool in pools:
            base = pool.balancer * stride
            for e, declared in zip(pool.endpoints, pool.weights, strict=True):
                weight[base + e] = _effective(declared)
                inflight = int(view.outstanding[base + e])
                key = (inflight + 1) * LARGEST_EFFECTIVE // weight[base + e] if inflight else 0
                first[base + e] = float(key)
                if second[base + e] < 0:
                    second[base + e] = turn[pool.balancer]
                    turn[pool.balancer] += 1
            keys = first[base : base + stride], second[base : base + stride]
            winner += played(pool.endpoints, stride, *keys)
        gone = set(range(cells)) - {p.balancer * stride + e for p in pools for e in p.endpoints}
        for cell in gone:
            second[cell] = -1  # who comes back is put at the end
        return Loads(
            make.ints(winner),
            make.floats(first),
            make.ints(second),
            make.ints(weight),
            make.ints(turn),
            LARGEST_EFFECTIVE,
        )


def _effective(weight: float) -> int:
    if weight > LARGEST_WEIGHT:
        problem = f"is {weight!r} at an endpoint, but HAProxy's weights are at most 256"
        raise PartError("LeastConnections", "weight", problem)
    return math.ceil(weight * WEIGHT_SCALE)


@kernel
def put_back_by_room(s: Any, v: View, p: int, e: int) -> None:
    """The key is 0 while there is room, then how far beyond the last free slot it is."""
    at = p * v.stride + e
    g = v.pool[at]
    if g < 0:
        return
    beyond = max(v.outstanding[at] - s.limit + 1, 0)
    if s.first[at] != beyond:
        s.first[at] = float(beyond)
        play_again(s, 2 * g * v.stride, v.size[g], v.place[at], p * v.stride)


@kernel
def room_sent(s: Any, v: View, p: int, e: int, now: float) -> None:
    """A slot fewer."""
    put_back_by_room(s, v, p, e)


@kernel
def room_answered(
    s: Any,
    v: View,
    p: int,
    e: int,
    now: float,
    latency: float,
    ok: int,
    there: int,
    worked: float,
) -> None:
    """A slot more."""
    put_back_by_room(s, v, p, e)


@kernels(pick=pick_champion, sent=room_sent, answered=room_answered)
class Rooms(NamedTuple):
    """The tree of first: who has room, then who is least beyond it, each time the lowest number."""

    winner: Ints
    first: Floats
    second: Ints
    limit: int


@part
class FirstAvailable(Balancer):
    """The first endpoint with a free slot: as few endpoints as possible are in use.

    This is HAProxy's ``balance first`` (``src/lb_fas.c``), which ignores weights and makes sense
    only with a limit (``maxconn``).  When no endpoint has a free slot, HAProxy lets requests wait
    in the proxy.  A balancer here cannot hold them: it sends the request to the endpoint with the
    fewest outstanding, the first one of these, and it waits there.

    Parameters
    ----------
    limit : int
        How many outstanding requests one balancer allows an endpoint.

    Examples
    --------
    >>> FirstAvailable(limit=2)
    FirstAvailable(limit=2)
    """

    sees: ClassVar[str] = "its own outstanding requests"
    cost: ClassVar[str] = "O(log n)"
    origin: ClassVar[str] = "HAProxy first"
    such_as: ClassVar[str] = "FirstAvailable(limit=10)"
    limit: Count

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule; it knows no more than what is outstanding."""
        stride = view.stride
        first = [float(max(int(x) - self.limit + 1, 0)) for x in view.outstanding]
        second = list(range(stride)) * (len(view.outstanding) // stride)
        winner: list[int] = []
        for pool in pools:
            base = pool.balancer * stride
            keys = first[base : base + stride], second[base : base + stride]
            winner += played(pool.endpoints, stride, *keys)
        return Rooms(make.ints(winner), make.floats(first), make.ints(second), self.limit)
