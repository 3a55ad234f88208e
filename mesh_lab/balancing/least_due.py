"""Least request by weight: turns that come later for who has more outstanding (Envoy).

Where weights differ, Envoy's least request is a schedule (`mesh_lab.balancing.edf`) whose weights
are ``weight / (outstanding + 1) ** bias`` (``load_balancer_impl.cc``).  A weight is worked out when
the endpoint is picked, before the request counts, and stands until it is picked again, however
many requests come back meanwhile.  A pool of equal weights beside it keeps its choices.

Envoy begins a schedule a random number of picks after its beginning; here it is its beginning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from .counts import any_of_least, lower, raise_, sorted_by_count
from .edf import rotated
from .few import least_of_distinct, least_of_few
from .heap import replace_top
from .rule import Floats, Ints, Make, Pool, Rule, View, kernel, kernels
from .slow_start import SlowStart, slowed

__all__ = ["biased", "due_by_load"]


@kernel
def biased(weight: float, outstanding: int, bias: float) -> float:
    """Return what a weight counts as with so many outstanding requests.

    Examples
    --------
    The example of Envoy's documentation: weight 2 with 4 requests, at a bias of 1.

    >>> biased(2.0, 4, 1.0)
    0.4
    """
    if bias == 1.0:
        return weight / (outstanding + 1.0)
    if bias == 0.0:
        return weight
    return weight / math.pow(outstanding + 1.0, bias)


@kernel
def pick_due(s: Any, v: View, g: int, now: float) -> int:
    """Whoever is due first; it is due again after one over what its weight counts as now."""
    base = g * v.stride
    e = s.items[base]
    outstanding = v.outstanding[v.balancer[g] * v.stride + e]
    weight = biased(s.weights[base + e], outstanding, s.bias)
    if s.window > 0.0:
        weight = slowed(weight, s.since[base + e], now, s.window, s.aggression, s.min_weight)
    seq = s.following[g]
    s.following[g] = seq + 1
    due = s.deadlines[base] + 1.0 / weight
    replace_top(s.deadlines, s.seqs, s.items, base, v.size[g], due, seq, e)
    return e  # type: ignore[no-any-return]


@kernel
def pick_due_or_few(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """By its turn where the pool has a schedule, else the least of a few."""
    if s.scheduled[g] == 1:
        return pick_due(s, v, g, now)
    base = v.balancer[g] * v.stride
    if s.replacement == 1:
        return least_of_few(v.outstanding, base, s.choices, v, g, u)
    return least_of_distinct(v.outstanding, base, s.choices, s.drawn, v, g, u)


@kernel
def pick_due_or_least(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """By its turn where the pool has a schedule, else one of the least of all."""
    if s.scheduled[g] == 1:
        return pick_due(s, v, g, now)
    return any_of_least(s, g * v.stride, u[0])


@kernel
def count_sent(s: Any, v: View, p: int, e: int, now: float) -> None:
    """Raise the endpoint in the order of its pool, if that is used."""
    g = v.pool[p * v.stride + e]
    if g >= 0 and s.scheduled[g] == 0:
        raise_(s, g, v.stride, e)


@kernel
def count_answered(
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
    """Lower the endpoint in the order of its pool, if that is used."""
    g = v.pool[p * v.stride + e]
    if g >= 0 and s.scheduled[g] == 0:
        lower(s, g, v.stride, e)


@kernels(pick=pick_due_or_few)
class DueOrFew(NamedTuple):
    """Schedules, and choices for pools without one; see `mesh_lab.balancing.edf.Deadlines`."""

    deadlines: Floats
    seqs: Ints
    items: Ints
    weights: Floats
    since: Floats
    following: Ints
    scheduled: Ints
    bias: float
    window: float
    aggression: float
    min_weight: float
    choices: int
    replacement: int
    drawn: Ints


@kernels(pick=pick_due_or_least, sent=count_sent, answered=count_answered)
class DueOrAll(NamedTuple):
    """Schedules, and for pools without one the order of all: see `counts.Sorted`."""

    deadlines: Floats
    seqs: Ints
    items: Ints
    weights: Floats
    since: Floats
    following: Ints
    scheduled: Ints
    bias: float
    window: float
    aggression: float
    min_weight: float
    members: Ints
    order: Ints
    at: Ints
    block: Ints
    low: Ints
    high: Ints
    value: Ints
    free: Ints
    spare: Ints


class Declared(Protocol):
    """What is declared of least request."""

    @property
    def choices(self) -> Any: ...
    @property
    def replacement(self) -> bool: ...
    @property
    def active_bias(self) -> float: ...
    @property
    def slow_start(self) -> SlowStart | None: ...


def due_by_load(
    rule: Declared,
    pools: Sequence[Pool],
    scheduled: Sequence[bool],
    view: View,
    make: Make,
    now: float,
) -> Rule:
    """Return the state of least request where some pools are scheduled."""
    stride = view.stride
    length = stride * len(pools)
    keys, weights, since = ([0.0] * length for _ in range(3))
    seqs, items = ([0] * length for _ in range(2))
    following = [0] * len(pools)
    slow = rule.slow_start or SlowStart(window=1.0)
    counts = []
    for g, pool in enumerate(pools):
        base = g * stride
        sent = [int(view.outstanding[pool.balancer * stride + e]) for e in pool.endpoints]
        counts.append(sent)
        if not scheduled[g]:
            continue
        bias = float(rule.active_bias)
        counted = [biased(w, n, bias) for w, n in zip(pool.weights, sent, strict=True)]
        if rule.slow_start is not None:
            counted = [
                slowed(weight, came, now, slow.window, slow.aggression, slow.min_weight)
                for weight, came in zip(counted, pool.since, strict=True)
            ]
        due, order, places, following[g] = rotated(counted, 0)
        end = base + len(pool.endpoints)
        keys[base:end], seqs[base:end] = due, order
        items[base:end] = [pool.endpoints[j] for j in places]
        for e, weight, came in zip(pool.endpoints, pool.weights, pool.since, strict=True):
            weights[base + e], since[base + e] = weight, came
    schedule = (
        make.floats(keys),
        make.ints(seqs),
        make.ints(items),
        make.floats(weights),
        make.floats(since),
        make.ints(following),
        make.ints(int(yes) for yes in scheduled),
        float(rule.active_bias),
        float(slow.window) if rule.slow_start is not None else 0.0,
        float(slow.aggression),
        float(slow.min_weight),
    )
    if rule.choices == "all":
        members = [pool.endpoints for pool in pools]
        return DueOrAll(*schedule, *sorted_by_count(make, stride, members, counts))
    drawn = make.ints([0] * rule.choices)
    return DueOrFew(*schedule, rule.choices, int(rule.replacement), drawn)
