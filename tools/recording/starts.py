"""Where in its schedule Envoy was when a recording began, found by search.

Envoy begins at a random place, so that many of them do not start in phase: with equal weights at a
random index, with unequal ones as if a random number of picks (below 429 496 729) had been made
already.  It does not make them; it computes for each host how many of them it would have had,
which in floating point decides how ties are broken for a long time after.  The number itself is
not told, but a thousand picks give it away up to those that lead to the same picks; the smallest
is kept.

This is a copy of the rule of its own (Envoy's edf_scheduler.h, read at a version with
``createWithPicks``), so that what is recorded does not depend on what it is compared with.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence

__all__ = ["schedule", "start_of"]

Entry = tuple[float, int, int]  # deadline, order of insertion (breaks ties), host
NUDGE = 1e-13  # added to weights while picks are only computed, so that ties fall one way
SEARCHED = 2_000_000


def begin(weights: Sequence[int], picks: int) -> tuple[list[Entry], float, int]:
    """Return the queue, the time and the next order as after `picks` picks at fixed weights."""
    nudged = [weight + NUDGE for weight in weights]
    total = 0.0
    for weight in nudged:
        total += weight
    queue: list[Entry] = []
    now, made = 0.0, 0
    for host, weight in enumerate(nudged):
        had = int(weight * picks / total)
        if had > 0 and had / weight >= picks / total:
            had -= 1
        queue.append(((had + 1) / weight, host, host))
        now = max(now, had / weight)
        made += had
    heapq.heapify(queue)
    order = len(weights)
    for order in range(len(weights), len(weights) + picks - made):
        now, _, host = queue[0]
        heapq.heapreplace(queue, (now + 1.0 / weights[host], order, host))
    return queue, now, order + 1


def schedule(weights: Sequence[int], picks: int, window: int, least_request: bool) -> Iterator[int]:
    """Yield one pick after the other, after `picks` that were made before.

    Parameters
    ----------
    weights : sequence of int
        One for each host.
    picks : int
        How many picks the schedule begins with.
    window : int
        How many requests stay unanswered, the oldest being answered after a pick.
    least_request : bool
        Whether a host counts with its weight over its active requests plus one (the request that
        is being placed is not active yet), read when the host is picked; or with its weight.

    Examples
    --------
    >>> from itertools import islice
    >>> list(islice(schedule([3, 1], 0, 0, False), 8))
    [0, 0, 1, 0, 0, 0, 1, 0]
    """
    queue, _, order = begin(weights, picks)
    active = [0] * len(weights)
    unanswered: deque[int] = deque()
    while True:
        now, _, host = queue[0]
        weight = weights[host] / (active[host] + 1) if least_request else weights[host]
        heapq.heapreplace(queue, (now + 1.0 / weight, order, host))
        order += 1
        yield host
        active[host] += 1
        unanswered.append(host)
        if len(unanswered) > window:
            active[unanswered.popleft()] -= 1


def start_of(weights: Sequence[int], picks: Sequence[int], window: int, least_request: bool) -> int:
    """Return the smallest start that gives all of `picks`.

    With equal weights that is the first index; otherwise the number of picks made before.

    Raises
    ------
    RuntimeError
        When no start gives them: the recording does not follow the rule.
    """
    if len(set(weights)) == 1:
        if all(pick == (picks[0] + i) % len(weights) for i, pick in enumerate(picks)):
            return picks[0]
        raise RuntimeError("equal weights, but the picks do not go round")
    for start in range(SEARCHED):
        follows = schedule(weights, start, window, least_request)
        if all(a == b for a, b in zip(picks, follows, strict=False)):
            return start
    raise RuntimeError(f"none of {SEARCHED} starts gives the picks of weights {list(weights)}")
