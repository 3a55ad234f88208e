"""Who has the smallest key, kept up in O(log n) when any key changes: a tournament of endpoints.

The n endpoints of a group stand at the leaves n to 2n - 1 of a binary tree; node *i* holds the
winner of nodes 2i and 2i + 1, so that node 1 is the champion.  When a key changes, only the matches
on the way from its leaf to the root are played again (Knuth, The Art of Computer Programming,
volume 3, section 5.2.3: a tree of winners).  For any n, every leaf has node 1 above it.

A key is a pair (`first`, `second`) of a float and a whole number that differs between endpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .rule import kernel

__all__ = ["champion", "play_again", "played"]


@kernel
def champion(s: Any, tree: int) -> int:
    """Return the endpoint with the smallest key; `tree` is the group's first cell in `winner`."""
    return s.winner[tree + 1]  # type: ignore[no-any-return]


@kernel
def play_again(s: Any, tree: int, size: int, place: int, base: int) -> None:
    """Play the matches of the leaf at `place`, out of `size`, again; its key has changed.

    The keys of endpoint *e* are ``first[base + e]`` and ``second[base + e]``.
    """
    node = size + place
    e = s.winner[tree + node]
    best = e  # below `node`
    key = s.first[base + e]
    while node > 1:
        other = s.winner[tree + (node ^ 1)]
        its = s.first[base + other]
        if its < key or (its == key and s.second[base + other] < s.second[base + best]):
            best = other
            key = its
        node >>= 1
        if best != e and s.winner[tree + node] == best:
            return  # neither then nor now: above, nothing changes
        s.winner[tree + node] = best


def played(
    members: Sequence[int], stride: int, first: Sequence[float], second: Sequence[int]
) -> list[int]:
    """Play all the matches of one group.

    Parameters
    ----------
    members : sequence of int
        Endpoints; the one at place *j* has leaf ``len(members) + j``.
    stride : int
        More than the highest number of an endpoint; the tree gets ``2 * stride`` cells.
    first, second : sequences
        The keys, by endpoint.
    """
    n = len(members)
    winner = [0] * n + list(members) + [0] * (2 * stride - 2 * n)
    for node in range(n - 1, 0, -1):
        pair = winner[2 * node], winner[2 * node + 1]
        winner[node] = min(pair, key=lambda e: (first[e], second[e]))
    return winner
