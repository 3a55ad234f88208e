"""Weighted turns by earliest deadline first: Envoy's schedule for unequal weights.

Whoever is picked is due again ``1 / weight`` later, on a clock that only the schedule has, and the
pick is whoever is due first (``edf_scheduler.h``).  So an endpoint of weight 3 is due three times
as often as one of weight 1, and its turns are spread evenly.  The weight is looked up when the
endpoint is picked, and counts until it is picked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .heap import replace_top
from .rule import Floats, Ints, Make, Pool, View, kernel, kernels
from .slow_start import SlowStart, slowed

__all__ = ["Deadlines", "deadlines", "needs_schedule", "rotated"]

MOST_PICKS = 429_496_729  # that Envoy skips: the seed is taken modulo the 32-bit maximum over 10
SPREAD = 1e-13  # what Envoy adds to the weights when it skips picks


def rotated(weights: Sequence[float], picks: int) -> tuple[list[float], list[int], list[int], int]:
    """Return the schedule of these weights after its first `picks` picks, without making them.

    This is Envoy's short cut (``EdfScheduler::createWithPicks``).  Everyone gets the whole part of
    its share of the picks at once, and the few that are left are made one by one.  It adds 1e-13 to
    the weights to keep clear of rounding, which also decides who is first among those that are due
    together: after many picks, those of small weight.

    Parameters
    ----------
    weights : sequence of float
        Above 0.
    picks : int
        Taken modulo 429 496 729, as there.

    Returns
    -------
    keys, seqs, items : lists
        A heap in the sense of `mesh_lab.balancing.heap`: deadlines, sequence numbers, and places
        in `weights`.
    following : int
        The next sequence number.

    Examples
    --------
    >>> keys, seqs, items, following = rotated([1.0, 4.0], 0)
    >>> [round(key, 9) for key in keys], items
    ([0.25, 1.0], [1, 0])
    """
    picks %= MOST_PICKS
    spread = [weight + SPREAD for weight in weights]
    total = sum(spread)
    entries, made = [], 0
    for item, weight in enumerate(spread):
        whole = int(weight * picks / total)
        if whole > 0 and whole / weight >= picks / total:
            whole -= 1  # rounding has given it a pick too many
        entries.append(((whole + 1) / weight, item))
        made += whole
    entries.sort()
    keys = [due for due, _ in entries]
    items = [item for _, item in entries]
    seqs = items.copy()
    following = len(weights)
    for _ in range(picks - made):
        item = items[0]
        key = keys[0] + 1.0 / weights[item]
        replace_top(keys, seqs, items, 0, len(items), key, following, item)
        following += 1
    return keys, seqs, items, following


@kernel
def pick_first_due(s: Deadlines, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """Whoever is due first; where there is no schedule, whose turn it is."""
    base = g * v.stride
    if s.scheduled[g] == 0:
        turn = s.turn[g]
        s.turn[g] = turn + 1
        return v.hosts[base + turn % v.size[g]]  # type: ignore[no-any-return]
    e = s.items[base]
    weight = s.weights[base + e]
    if s.window > 0.0:
        weight = slowed(weight, s.since[base + e], now, s.window, s.aggression, s.min_weight)
    seq = s.following[g]
    s.following[g] = seq + 1
    replace_top(
        s.deadlines, s.seqs, s.items, base, v.size[g], s.deadlines[base] + 1.0 / weight, seq, e
    )
    return e  # type: ignore[no-any-return]


@kernels(pick=pick_first_due, blind=True)
class Deadlines(NamedTuple):
    """The schedules of all pools.

    Attributes
    ----------
    deadlines, seqs, items : floats, ints, ints
        A heap for each pool, of its endpoints, from place ``g * stride`` on.
    weights, since : floats
        ``weights[g * stride + e]`` belongs to endpoint *e* in pool *g*, and so does the time from
        which its slow start counts.
    following, turn, scheduled : ints, one a pool
        The next sequence number; whose turn it is without a schedule; 1 if there is one, else 0.
    window, aggression, min_weight : float
        The slow start; a window of 0 is none.
    """

    deadlines: Floats
    seqs: Ints
    items: Ints
    weights: Floats
    since: Floats
    following: Ints
    turn: Ints
    scheduled: Ints
    window: float
    aggression: float
    min_weight: float


def needs_schedule(pools: Sequence[Pool], slow_start: SlowStart | None, now: float) -> list[bool]:
    """Return for each pool whether Envoy makes a schedule for it.

    It does so where weights differ, and everywhere when an endpoint of the same balancer is in
    slow start.  The schedule then stays until the endpoints change again.
    """
    slow = set()
    if slow_start is not None:
        slow = {
            pool.balancer
            for pool in pools
            if any(now - since <= slow_start.window for since in pool.since)
        }
    return [
        len(pool.endpoints) > 1 and (pool.balancer in slow or len(set(pool.weights)) > 1)
        for pool in pools
    ]


def deadlines(
    pools: Sequence[Pool],
    scheduled: Sequence[bool],
    turn: Sequence[int],
    view: View,
    make: Make,
    *,
    start: int,
    slow_start: SlowStart | None,
    now: float,
) -> Deadlines:
    """Return fresh schedules, `start` picks after their beginning, for the pools that need one."""
    length = view.stride * len(pools)
    keys, weights, since = ([0.0] * length for _ in range(3))
    seqs, items = ([0] * length for _ in range(2))
    following = [0] * len(pools)
    slow = slow_start or SlowStart(window=1.0)
    for g, pool in enumerate(pools):
        if not scheduled[g]:
            continue
        base = g * view.stride
        counted = list(pool.weights)
        if slow_start is not None:
            counted = [
                slowed(weight, came, now, slow.window, slow.aggression, slow.min_weight)
                for weight, came in zip(pool.weights, pool.since, strict=True)
            ]
        due, order, places, following[g] = rotated(counted, start)
        end = base + len(pool.endpoints)
        keys[base:end], seqs[base:end] = due, order
        items[base:end] = [pool.endpoints[j] for j in places]
        for e, weight, came in zip(pool.endpoints, pool.weights, pool.since, strict=True):
            weights[base + e], since[base + e] = weight, came
    return Deadlines(
        make.floats(keys),
        make.ints(seqs),
        make.ints(items),
        make.floats(weights),
        make.floats(since),
        make.ints(following),
        make.ints(turn),
        make.ints(int(yes) for yes in scheduled),
        slow_start.window if slow_start is not None else 0.0,
        slow.aggression,
        slow.min_weight,
    )
