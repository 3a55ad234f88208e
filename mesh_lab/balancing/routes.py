"""Which pool a balancer picks from for this request: kernels that run in both engines.

The pools of a balancer are laid out by priority level; a level has one pool for all its zones
together and, where zones matter, one for each zone.  All that depends on the endpoints alone is
decided when `Routes` are made (`mesh_lab.balancing.eligible`); a request's draws only decide
between pools.
"""

from __future__ import annotations

from typing import NamedTuple

from .rule import Floats, Ints, View, kernel, kernels

__all__ = ["ALL", "BY_WEIGHT", "STAY", "Routes", "choose_pool", "next_zone"]

ALL = 0  # zones of this level are used alike
STAY = 1  # requests stay in the balancer's zone, those that it cannot take go elsewhere
BY_WEIGHT = 2  # zones take turns by weight


@kernel
def next_zone(r: Routes, at: int) -> int:
    """Return the zone whose turn it is; `at` is the number of balancer and level.

    Earliest deadline first, as Envoy's ``edf_scheduler.h``; its time is the deadline of the last
    turn, so the next turn of that zone is ``1 / weight`` later.  Zones are few: they are scanned.
    """
    first = at * r.zones
    best = -1
    for zone in range(r.zones):
        here = first + zone
        if r.weight[here] > 0.0 and (
            best < 0
            or r.deadline[here] < r.deadline[best]
            or (r.deadline[here] == r.deadline[best] and r.order[here] < r.order[best])
        ):
            best = here
    r.deadline[best] = r.deadline[best] + 1.0 / r.weight[best]
    r.order[best] = r.turns[at]
    r.turns[at] = r.turns[at] + 1
    return best - first


@kernel
def zone_to_go(r: Routes, p: int, u_zone: float) -> int:
    """Return the balancer's own zone, or, for what does not stay, one with capacity left.

    One draw decides both: what lies above the share that stays is uniform again.
    """
    x = u_zone * 10000.0
    local = r.local[p]
    if x < local:
        return r.home[p]  # type: ignore[no-any-return]
    first = p * r.zones
    total = r.residual[first + r.zones - 1]
    threshold = min(int((x - local) / (10000.0 - local) * total), total - 1)
    zone = 0
    while zone < r.zones - 1 and threshold >= r.residual[first + zone]:
        zone += 1
    return zone


@kernel
def choose_pool(r: Routes, v: View, p: int, u_level: float, u_zone: float) -> int:
    """Return the pool that balancer `p` picks from for this request.

    Parameters
    ----------
    r : Routes
        The turns of zones by weight move on.
    v : View
        The sizes of the pools.
    p : int
        The balancer.
    u_level, u_zone : float
        Uniform draws of the request, in [0, 1).

    Returns
    -------
    int
        -1 if there is none: the request ends as unavailable.
    """
    if r.plain == 1:
        return p if v.size[p] > 0 else -1
    at = p * r.levels
    if r.levels > 1:
        percent = int(u_level * 100.0) + 1
        last = at + r.levels - 1
        while at < last and r.load[at] < percent:
            at += 1
    pool = at * (1 + r.zones)
    how = r.how[at]
    if how == STAY:
        pool += 1 + zone_to_go(r, p, u_zone)
    elif how == BY_WEIGHT:
        pool += 1 + next_zone(r, at)
    return pool if v.size[pool] > 0 else -1


@kernels(pool=choose_pool)
class Routes(NamedTuple):
    """The way from a balancer to its pools.

    Pool ``(p * levels + level) * (1 + zones)`` of balancer *p* holds the endpoints of a level, and
    those that follow it are the level's pools by zone.

    Attributes
    ----------
    plain : int
        1 where each balancer has one pool only, of its own number.
    levels, zones : int
        How many priority levels there are, and how many zones matter.
    load : ints, one a balancer and level
        The per cents of the level and all before it.
    how : ints, one a balancer and level
        `ALL`, `STAY` or `BY_WEIGHT`.
    home, local : ints, one a balancer
        Its zone, and how many of 10 000 requests stay there.
    residual : ints, one a balancer and zone
        Capacity that is left in the zone and all before it.
    weight, deadline : floats, one a balancer, level and zone
        For turns by weight: the effective weight, and when the zone's next turn is due.
    order : ints, one a balancer, level and zone
        When the zone was given its turn; of equal deadlines the first given comes first.
    turns : ints, one a balancer and level
        How many turns have been given.
    """

    plain: int
    levels: int
    zones: int
    load: Ints
    how: Ints
    home: Ints
    local: Ints
    residual: Ints
    weight: Floats
    deadline: Floats
    order: Ints
    turns: Ints
