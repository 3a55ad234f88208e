"""Subsets: each balancer knows only some of the endpoints, so that connections stay few.

A subset is taken of all endpoints of the service, healthy or not; priorities, panic and zones then
concern the subset.  Endpoints stay in the order in which they joined.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge

from ..parts import Count, part

__all__ = ["Aperture", "DeterministicSubset", "RandomSubset", "Subset", "aperture", "shares"]


@part
class DeterministicSubset:
    """Balancers are dealt subsets in rounds, so that endpoints have equally many balancers.

    The rule of "Site Reliability Engineering" (Google, chapter 20, "Deterministic Subsetting").
    With *n* endpoints there are ``n // size`` subsets.  A round is that many balancers; for each
    round the endpoints are shuffled anew, with the number of the round as the seed, and cut into
    subsets, one a balancer.  So each round gives each endpoint exactly one balancer, and the
    numbers of balancers of any two endpoints differ by 1 at most.

    Where `size` does not divide *n*, some subsets are larger by the rest, as the chapter's text
    says, here as evenly as possible; the chapter's listing leaves the rest out.  When an endpoint
    joins or leaves, all subsets change.  The shuffle is not that of the chapter's Python 2.

    Parameters
    ----------
    size : int
        Endpoints a balancer, at least; fewer only where there are fewer.

    Examples
    --------
    Four balancers are a round among 12 endpoints; these are the places that each of them knows:

    >>> for share in shares(DeterministicSubset(size=3), [f"b{i}" for i in range(12)], proxies=4):
    ...     print([place for place, _ in share])
    [0, 3, 6]
    [1, 5, 7]
    [2, 9, 11]
    [4, 8, 10]
    """

    size: Count


@part
class RandomSubset:
    """Each balancer chooses its endpoints at random, and keeps most when others come and go.

    The rule of gRPC's ``random_subsetting`` (proposal A68): endpoints are sorted by the XXH64 hash
    of their name, seeded with a number that each balancer draws once, and the first `size` are
    kept.  When an endpoint joins or leaves, a subset changes by one endpoint at most.

    Parameters
    ----------
    size : int
        Endpoints a balancer; all, where there are no more.
    seed : int
        What the balancers' own seeds are drawn from.

    Examples
    --------
    >>> RandomSubset(size=20)
    RandomSubset(size=20)
    """

    size: Count
    seed: Annotated[int, Ge(0)] = 0


@part
class Aperture:
    """Balancers lie evenly along a ring of endpoints, and each covers a stretch of it.

    Finagle's deterministic aperture (``DeterministicAperture.scala``).  On a ring of length 1 the
    endpoints are arcs of equal length.  Balancer *i* of *m* covers the ring from ``i / m`` on, over
    the smallest whole multiple of ``1 / m`` that is at least `size` endpoints long, but at most the
    whole ring.  An endpoint of which it covers only a part has that part of its weight; so the
    balancers together cover all endpoints equally.  Only rules that honour weights see that;
    Finagle's own is power of two choices drawn by weight.  Endpoints lie in the order in which they
    joined, and widths are computed without rounding.

    Parameters
    ----------
    size : int
        Endpoints a balancer, at least; Finagle's minimum is 12.

    Examples
    --------
    Two balancers share three endpoints, each covering half of the ring:

    >>> from mesh_lab.balancing.subsets import aperture
    >>> aperture(0, 2, 3, size=1)
    ((0, 1.0), (1, 0.5))
    >>> aperture(1, 2, 3, size=1)
    ((1, 0.5), (2, 1.0))
    """

    size: Annotated[int, Ge(2)] = 12


Subset = DeterministicSubset | RandomSubset | Aperture
Share = tuple[tuple[int, float], ...]  # (place among the endpoints, part of its weight)


def shares(
    subset: Subset, names: Sequence[str], proxies: int, seed_words: Sequence[int] = ()
) -> list[Share]:
    """Return for each balancer the places of its endpoints, ascending, and the part of each."""
    n = len(names)
    if isinstance(subset, Aperture):
        return [aperture(p, proxies, n, subset.size) for p in range(proxies)]
    if subset.size >= n:
        return [tuple((i, 1.0) for i in range(n))] * proxies
    if isinstance(subset, DeterministicSubset):
        chosen = _dealt(n, subset.size, proxies)
    else:
        chosen = _drawn(names, subset, proxies, seed_words)
    return [tuple((i, 1.0) for i in places) for places in chosen]


def _dealt(n: int, size: int, proxies: int) -> list[list[int]]:
    """Deal `n` endpoints out in rounds of ``n // size`` balancers."""
    subsets = n // size
    dealt = []
    shuffled: list[int] = []
    for p in range(proxies):
        turn, i = divmod(p, subsets)
        if not i:
            shuffled = _shuffled(n, turn)
        dealt.append(sorted(shuffled[i * n // subsets : (i + 1) * n // subsets]))
    return dealt


def _shuffled(n: int, seed: int) -> list[int]:
    """Return 0 to ``n - 1`` in a random order (Fisher and Yates).

    Of Python's generator only `random.Random.random` is promised to give the same numbers in every
    version, so it is all that is used.
    """
    draw = random.Random(seed).random
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = int(draw() * (last + 1))
        order[last], order[other] = order[other], order[last]
    return order


def _drawn(
    names: Sequence[str], subset: RandomSubset, proxies: int, seed_words: Sequence[int]
) -> list[list[int]]:
    """Choose those of the smallest hash for each balancer; of equal hashes, who joined first."""
    from .hashing.keyhash import xxh64_all

    chosen = []
    for p in range(proxies):
        words = np.random.SeedSequence([subset.seed, *seed_words], spawn_key=(p,))
        seed = int(words.generate_state(1, np.uint64)[0])
        first = np.argsort(xxh64_all(names, seed), kind="stable")[: subset.size]
        chosen.append(sorted(first.tolist()))
    return chosen


def aperture(p: int, proxies: int, n: int, size: int) -> Share:
    """Return the places that balancer `p` covers of `n` endpoints, and the part of each.

    Lengths are counted in units of ``1 / (proxies * n)`` of the ring, so all are whole numbers.
    """
    if not n:
        return ()
    circles = -(-proxies * min(size, n) // n)  # ceiling
    start, width = p * n, circles * n
    ring = proxies * n
    covered: dict[int, int] = {}
    at, end = start, start + width
    while at < end:
        arc_end = min((at // proxies + 1) * proxies, end)
        place = at % ring // proxies
        covered[place] = covered.get(place, 0) + arc_end - at
        at = arc_end
    return tuple((place, covered[place] / proxies) for place in sorted(covered))
