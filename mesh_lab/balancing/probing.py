"""What a balancer of Prequal does: pick out of its answers, and send probes for more.

The rule is in `mesh_lab.balancing.prequal`.  A probe on the way occupies a slot, and takes two
alarms: ``2 * slot`` when it is at its endpoint, ``2 * slot + 1`` when its answer is back.
"""

from __future__ import annotations

from typing import NamedTuple

from .answers import best_entry, oldest_entry, remove_entry, worst_entry
from .probes import note_latency, note_rif, told_latency
from .rule import Floats, Ints, View, kernel, kernels, wake_at

__all__ = ["Probes"]


@kernel
def send_probe(s: Probes, v: View, g: int, e: int, uses: int, now: float) -> None:
    """Let a probe leave for `e`, unless too many are on the way."""
    left = s.free_count[0]
    if left > 0:
        slot = s.free[left - 1]
        s.free_count[0] = left - 1
        s.probe_from[slot] = v.balancer[g]
        s.probe_to[slot] = e
        s.probe_uses[slot] = uses
        wake_at(v, now + s.probe_delay, 2 * slot)


@kernel
def pick_prequal(s: Probes, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """Pick out of the pool of answers, thin it out, and send the next probes."""
    n = v.size[g]
    first, row, base = g * v.stride, g * s.room, v.balancer[g] * v.stride
    if n == 1:
        return v.hosts[first]  # type: ignore[no-any-return]
    j = 0
    while j < s.filled[g]:
        if now - s.born[row + j] > s.max_age:
            remove_entry(s, v, g, j)  # and look at the one that took its place
        else:
            j += 1
    limit = s.threshold[v.balancer[g]]
    if s.filled[g] < 2:
        picked = v.hosts[first + int(u[0] * n)]
        j = s.entry[base + picked]
    else:
        j = best_entry(s, g, limit)
        picked = s.host[row + j]
    if j >= 0:
        s.rif[row + j] += 1
        s.uses[row + j] -= 1
        if s.uses[row + j] <= 0:
            remove_entry(s, v, g, j)
    removals = int(s.removals)
    if u[1] < s.removals - removals:
        removals += 1
    while removals > 0 and s.filled[g] > 0:
        if s.worst_next[g] == 0:
            remove_entry(s, v, g, oldest_entry(s, g))
        else:
            remove_entry(s, v, g, worst_entry(s, g, limit))
        s.worst_next[g] = 1 - s.worst_next[g]
        removals -= 1
    probes = int(s.probes)
    if u[2] < s.probes - probes:
        probes += 1
    reuse = s.reuse[g]
    for k in range(min(probes, n)):
        # the first k places of `deck` are what has been drawn, so nothing is drawn twice
        here = first + k
        other = first + k + int(u[3 + 2 * k] * (n - k))
        e = s.deck[other]
        s.deck[other] = s.deck[here]
        s.deck[here] = e
        uses = int(reuse)
        if u[4 + 2 * k] < reuse - uses:
            uses += 1
        send_probe(s, v, g, e, uses, now)
    return picked  # type: ignore[no-any-return]


@kernel
def probe_alarm(s: Probes, v: View, code: int, now: float) -> None:
    """A probe is at its endpoint (even), or its answer is back (odd)."""
    slot = code // 2
    p, e = s.probe_from[slot], s.probe_to[slot]
    g = v.pool[p * v.stride + e]
    if g >= 0 and code % 2 == 0:
        s.probe_rif[slot] = v.there[e]
        s.probe_latency[slot] = told_latency(s, e, v.there[e])
        wake_at(v, now + s.probe_delay, code + 1)
        return
    s.free[s.free_count[0]] = slot
    s.free_count[0] += 1
    if g < 0:
        return  # the endpoint is gone, and does not answer
    note_rif(s, p, s.probe_rif[slot])
    at = p * v.stride + e
    j = s.entry[at]
    if j < 0:
        if s.filled[g] == s.room:
            remove_entry(s, v, g, oldest_entry(s, g))
        j = s.filled[g]
        s.filled[g] = j + 1
        s.entry[at] = j
    here = g * s.room + j
    s.host[here] = e
    s.rif[here] = s.probe_rif[slot]
    s.latency[here] = s.probe_latency[slot]
    s.uses[here] = s.probe_uses[slot]
    s.born[here] = now
    s.order[here] = s.answers[0]
    s.answers[0] += 1


@kernel
def probed_left(s: Probes, v: View, e: int, now: float, stay: float, met: int) -> None:
    """The endpoint remembers how long a request stayed that met so many others."""
    note_latency(s, e, met, stay)


@kernels(pick=pick_prequal, alarm=probe_alarm, left=probed_left)
class Probes(NamedTuple):
    """What the balancers have heard, what is on the way, and what the endpoints remember.

    Attributes
    ----------
    whose, filled, worst_next : ints, one a pool
        The balancer of pool *g*; how many answers it holds; 1 if the worst is the next to go, 0 if
        it is the oldest.
    host, rif, order, uses : ints
        The answers of pool *g*, from ``g * room``: whose, its requests in flight (with those sent
        since), the number of the answer, and how often it may still be used.
    latency, born : floats
        The same: what the endpoint told, and when that came back.
    entry : ints
        ``entry[p * stride + e]`` is the place of *e*'s answer in its pool, or -1.
    deck : ints
        The endpoints of pool *g*, from ``g * stride``, in the order of the last draws.
    reuse : floats, one a pool
        How often an answer may be used, on average.
    answers : ints
        How many answers have come back.
    probe_from, probe_to, probe_uses, probe_rif, probe_latency : ints; the last floats
        The probes on the way, by slot.
    free, free_count : ints
        The slots that are free.
    window, window_next, window_count, spread, at_most, threshold, scratch : ints; the last floats
        See `mesh_lab.balancing.probes`, as for `stays`, `stay_count` and `medians`.
    room : int
        How many answers a pool can hold.
    probes, removals, max_age, probe_delay, quantile : float
        See `Prequal`.
    """

    whose: Ints
    filled: Ints
    worst_next: Ints
    host: Ints
    rif: Ints
    order: Ints
    uses: Ints
    latency: Floats
    born: Floats
    entry: Ints
    deck: Ints
    reuse: Floats
    answers: Ints
    probe_from: Ints
    probe_to: Ints
    probe_uses: Ints
    probe_rif: Ints
    probe_latency: Floats
    free: Ints
    free_count: Ints
    window: Ints
    window_next: Ints
    window_count: Ints
    spread: Ints
    at_most: Ints
    threshold: Ints
    stays: Floats
    stay_count: Ints
    medians: Floats
    scratch: Floats
    room: int
    probes: float
    removals: float
    max_age: float
    probe_delay: float
    quantile: float
