"""The pool of answers that a balancer of Prequal keeps: which is best, oldest, worst.

The hot-cold lexicographic rule: an answer whose requests in flight (RIF) are above a limit is hot.
The cold come before the hot; among the cold the latency counts, among the hot the RIF.  The source
is named in `mesh_lab.balancing.prequal`, which says as well how ties are decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rule import View, kernel

if TYPE_CHECKING:
    from .probing import Probes

__all__ = ["best_entry", "oldest_entry", "remove_entry", "worst_entry"]


@kernel
def remove_entry(s: Probes, v: View, g: int, j: int) -> None:
    """Take entry `j` out of pool `g`; the last one takes its place."""
    base, row = v.balancer[g] * v.stride, g * s.room
    last = s.filled[g] - 1
    s.filled[g] = last
    s.entry[base + s.host[row + j]] = -1
    if j != last:
        here, there = row + j, row + last
        s.host[here] = s.host[there]
        s.rif[here] = s.rif[there]
        s.latency[here] = s.latency[there]
        s.born[here] = s.born[there]
        s.order[here] = s.order[there]
        s.uses[here] = s.uses[there]
        s.entry[base + s.host[here]] = j


@kernel
def oldest_entry(s: Probes, g: int) -> int:
    """The place of the answer that came back first."""
    row = g * s.room
    best = 0
    for j in range(1, s.filled[g]):
        if s.order[row + j] < s.order[row + best]:
            best = j
    return best


@kernel
def worst_entry(s: Probes, g: int, limit: int) -> int:
    """The hot entry with the most in flight, or if none is hot the slowest; of a tie the oldest."""
    row = g * s.room
    best, hot = 0, s.rif[row] > limit
    for j in range(1, s.filled[g]):
        at, top = row + j, row + best
        older = s.order[at] < s.order[top]
        if s.rif[at] > limit:
            if not hot or s.rif[at] > s.rif[top] or (s.rif[at] == s.rif[top] and older):
                best, hot = j, True
        elif not hot:
            slower = s.latency[at] > s.latency[top]
            if slower or (s.latency[at] == s.latency[top] and older):
                best = j
    return best


@kernel
def best_entry(s: Probes, g: int, limit: int) -> int:
    """The cold entry with the lowest latency, or if all are hot the one with the fewest in flight.

    A tie goes to fewer in flight (lower latency among the hot), and then to the newest answer.
    """
    row = g * s.room
    best, cold = 0, s.rif[row] <= limit
    for j in range(1, s.filled[g]):
        at, top = row + j, row + best
        newer = s.order[at] > s.order[top]
        less, same = s.latency[at] < s.latency[top], s.latency[at] == s.latency[top]
        fewer, equal = s.rif[at] < s.rif[top], s.rif[at] == s.rif[top]
        if s.rif[at] <= limit:
            if not cold or less or (same and (fewer or (equal and newer))):
                best, cold = j, True
        elif not cold and (fewer or (equal and (less or (same and newer)))):
            best = j
    return best
