"""One pass over the arrivals, where a rule looks at nothing and who comes first is served first.

Then no event has to be planned: a request that arrives when its endpoint's earliest worker is free
at F starts at max(arrival, F).  For one worker that is Lindley's recursion (1952), for several the
one of Kiefer and Wolfowitz (1955), kept as a heap of the times at which the workers are free.  The
numbers are the event loop's to the last bit, because an event at F is planned by the same addition.
"""

from __future__ import annotations

import math
from typing import Any

from ...balancing.rule import View
from ...ledger import OK
from .loop import lacks_draws
from .rules import choose
from .world import (
    AT_LIMIT,
    EMPTY,
    FINISHED,
    LAST,
    LEFT,
    NEEDS_DRAWS,
    NEEDS_ROWS,
    OPEN,
    ROWS,
    STOPPED,
    WHO,
    World,
)

__all__ = ["ONEPASS", "run_onepass"]

ONEPASS: list[Any] = []
INF = math.inf


def passed(function: Any) -> Any:
    """Say that `function` is part of the pass."""
    ONEPASS.append(function)
    return function


@passed
def occupy(times: Any, first: int, workers: int, time: float) -> None:
    """Take the earliest worker until `time`, and put it where it belongs in the heap."""
    at = 0
    while True:
        down = 2 * at + 1
        if down >= workers:
            break
        if down + 1 < workers and times[first + down + 1] < times[first + down]:
            down += 1
        if time <= times[first + down]:
            break
        times[first + at] = times[first + down]
        at = down
    times[first + at] = time


@passed
def run_onepass(w: World, v: View, s: Any, u: Any) -> int:
    """Serve arrivals until something is needed or the last has come; return which."""
    c, times, workers = w.counter, w.scratch, w.workers
    sources, rows = len(w.users), len(w.made)
    while True:
        if c[STOPPED]:
            return FINISHED
        who, now = -1, INF
        for i in range(sources):
            if w.next_time[i] < now:
                who, now = i, w.next_time[i]
        if who < 0:
            return EMPTY
        if now >= w.until:
            return AT_LIMIT
        low, gap_low = w.window_low[who], w.gap_low[who]
        size, over = w.gap_size[who], w.gap_over[who]
        at_gap = w.fires[who] - gap_low
        window, number = w.window_size[who], w.number[who]
        batch = w.sizes[who, at_gap]
        if lacks_draws(at_gap, size, over, number, batch, low, window):
            c[WHO] = who
            return NEEDS_DRAWS
        # as many of this source as come before any other's next
        rival, second = -1, INF
        for i in range(sources):
            if i != who and w.next_time[i] < second:
                rival, second = i, w.next_time[i]
        while True:
            batch = w.sizes[who, at_gap]
            batch = min(batch, c[LEFT]) if c[LEFT] >= 0 else batch
            if c[ROWS] + batch > rows:
                w.next_time[who] = now
                return NEEDS_ROWS
            w.fires[who] += 1
            while batch > 0:
                batch -= 1
                at = number - low
                number += 1
                w.number[who] = number
                p = 0
                if w.proxies > 1:
                    p = int(w.uniforms[w.draws, who, at] * w.proxies)
                for k in range(w.draws):
                    u[k] = w.uniforms[k, who, at]
                e = choose(s, v, p, u, now, w.hashes[who, at])
                row = c[ROWS]
                c[ROWS] = row + 1
                work = w.works[who, at] / w.speed[e]
                free = times[e * workers]
                start = now if now >= free else free
                finish = start + work
                if workers == 1:
                    times[e] = finish
                else:
                    occupy(times, e * workers, workers, finish)
                w.made[row] = now
                w.source[row] = who
                w.endpoint[row] = e
                w.start[row] = start
                w.finish[row] = finish
                w.outcome[row] = OK
                if w.keys:
                    w.key[row] = w.key_numbers[who, at]
                c[LEFT] -= 1
                if c[LEFT] == 0:
                    c[STOPPED] = 1
                    w.clock[LAST] = now
                    return FINISHED
            w.clock[LAST] = now
            at_gap += 1
            if at_gap >= size:
                w.next_time[who] = INF
                c[OPEN] -= 1
                if c[OPEN] == 0:
                    c[STOPPED] = 1
                break
            now = now + w.gaps[who, at_gap]
            if (
                now > second
                or (now == second and rival < who)
                or now >= w.until
                or lacks_draws(at_gap, size, over, number, w.sizes[who, at_gap], low, window)
            ):
                w.next_time[who] = now
                break
    return EMPTY
