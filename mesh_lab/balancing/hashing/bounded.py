"""Consistent hashing with bounded loads, as Envoy's ``thread_aware_lb_impl.cc`` does it.

Every endpoint has slots: its share, by weight, of a balance factor (in percent) times the requests
that are outstanding, counting the new one.  An endpoint with more outstanding than slots is
overloaded, and passes the request on to the others in a random order that the hash alone
determines (a Fisher-Yates shuffle by ``std::mt19937`` seeded with it), so that the same key always
takes the same detour; if all are overloaded, the least overloaded serves.  The idea is Mirrokni,
Thorup and Zadimoghaddam's (arXiv 1608.01350), the random jump Chen, Coleman and Shrivastava's
(arXiv 1908.08762).

Since Envoy compares before it counts the new request, an endpoint may hold one more than its slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..rule import Make, Pool, View, kernel
from .tables import shares

__all__ = ["bounded_fields", "count_answered", "count_sent", "within_bounds"]

STATE_SIZE = 624  # words of the generator
SEEDS = 1024  # whose first words are remembered
KEPT = 8  # words of each


@kernel
def next_word(s: Any) -> int:
    """Return the next 32 bits of MT19937 (Matsumoto and Nishimura 1998).

    The words of its state are made as they are needed: the first output takes 398 of the 624, each
    further one another.  ``cursor[0]`` of them are made; ``cursor[1]`` is the next to be used.
    """
    k = s.cursor[1]
    near = k + 1
    far = k + 397
    if far < 624:
        made = s.cursor[0]
        while made <= far:
            before = s.words[made - 1]
            # below 2**63: the factor has 31 bits
            mixed = 1812433253 * (before ^ (before >> 30)) + made
            s.words[made] = mixed & 0xFFFFFFFF
            made += 1
        s.cursor[0] = made
    else:
        far -= 624
    if near == 624:
        near = 0
    joined = (s.words[k] & 0x80000000) | (s.words[near] & 0x7FFFFFFF)
    word = s.words[far] ^ (joined >> 1)
    if joined & 1 == 1:
        word ^= 0x9908B0DF
    s.words[k] = word
    s.cursor[1] = near
    word ^= word >> 11
    word ^= (word << 7) & 0x9D2C5680
    word ^= (word << 15) & 0xEFC60000
    return word ^ (word >> 18)  # type: ignore[no-any-return]


@kernel
def restart(s: Any, seed: int) -> None:
    """Seed the generator."""
    s.words[0] = seed
    s.cursor[0] = 1
    s.cursor[1] = 0


@kernel
def remember(s: Any, seed: int) -> int:
    """Return where in ``memo`` the first words from `seed` are; make them if they are not.

    Hot keys overflow again and again, and seeding costs as much as everything else together.
    """
    slot = seed % SEEDS
    if s.seeds[slot] != seed:
        restart(s, seed)
        for k in range(KEPT):
            s.memo[slot * KEPT + k] = next_word(s)
        s.seeds[slot] = seed
    return slot * KEPT


@kernel
def word(s: Any, seed: int, kept: int, used: int) -> int:
    """Return word number `used` from `seed`, whose first words are at `kept`."""
    if used < KEPT:
        return s.memo[kept + used]  # type: ignore[no-any-return]
    if used == KEPT:  # go on where what is remembered ends
        restart(s, seed)
        for _ in range(KEPT):
            next_word(s)
    return next_word(s)


@kernel
def overload(s: Any, v: View, g: int, e: int) -> float:
    """Return the outstanding requests of `e` in units of its slots, which are never below 1."""
    p = v.balancer[g]
    total = ((s.active[p] + 1) * s.factor + 99) // 100
    exact = total * s.share[g * v.stride + e]
    slots = int(exact)
    if slots < exact:
        slots += 1
    if slots < 1:
        slots = 1
    return v.outstanding[p * v.stride + e] / slots  # type: ignore[no-any-return]


@kernel
def within_bounds(s: Any, v: View, g: int, chosen: int, key: int) -> int:
    """Return `chosen`, or who takes its place when it is overloaded."""
    least = overload(s, v, g, chosen)
    if least <= 1.0:
        return chosen
    best = chosen
    n = v.size[g]
    seed = int(key & s.low[0])
    kept = remember(s, seed)
    used = 0
    tried = 0
    while tried < n:
        left = n - tried
        width = 4294967296 // left
        jump = left
        while jump >= left:  # words in an incomplete last interval are thrown away
            jump = word(s, seed, kept, used) // width
            used += 1
        at = tried + jump
        place = s.order[at]
        s.order[at] = s.order[tried]
        s.order[tried] = place
        s.jumped[tried] = at
        tried += 1
        e = v.hosts[g * v.stride + place]
        if e != chosen:
            load = overload(s, v, g, e)
            if load <= 1.0:
                best = e
                break
            if load < least:
                best = e
                least = load
    for k in range(tried):  # in order again for the next shuffle, without touching all n
        s.order[k] = k
        s.order[s.jumped[k]] = s.jumped[k]
    return best


@kernel
def count_sent(s: Any, v: View, p: int, e: int, now: float) -> None:
    """One more is outstanding."""
    s.active[p] += 1


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
    """One less is outstanding."""
    s.active[p] -= 1


def bounded_fields(factor: int, pools: Sequence[Pool], view: View, make: Make) -> tuple[Any, ...]:
    """Return the fields that a state with bounded loads ends with.

    They are ``factor``, ``active`` (ints, one a balancer: its outstanding requests), ``share``
    (floats, ``share[g * stride + e]``), ``order`` and ``jumped`` (ints: the places of the shuffle,
    and where each of them came from), ``words`` and ``cursor`` (ints: the generator), ``seeds``
    and ``memo`` (ints: what is remembered of it) and ``low`` (hashes: the mask of 32 bits).
    """
    n = view.stride
    share = np.zeros(len(pools) * n)
    for g, pool in enumerate(pools):
        if pool.endpoints:
            share[g * n + np.array(pool.endpoints)] = shares(pool.weights)
    active = np.asarray(view.outstanding, dtype=np.int64).reshape(-1, n).sum(axis=1)
    return (
        factor,
        make.ints(active),
        make.floats(share),
        make.ints(range(n)),
        make.ints([0] * n),
        make.ints([0] * STATE_SIZE),
        make.ints([0, 0]),
        make.ints([-1] * SEEDS),
        make.ints([0] * (SEEDS * KEPT)),
        make.hashes([0xFFFFFFFF]),
    )
