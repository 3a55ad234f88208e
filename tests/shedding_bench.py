"""A bench for rules that limit or shed load: a made-up server around a rule, without any engine.

`life` makes requests come, wait, be served and be given up, as a rule decides, and records every
call; `replay` makes the same calls to another state, on lists, arrays, or in compiled code.
"""

from __future__ import annotations

import collections
import heapq
import random
from typing import Any, NamedTuple

import numpy as np

ADMITS, HOLD, BEGAN, ENDED, GONE = range(5)


class Call(NamedTuple):
    """A call of a kernel: a and b are (u, priority), (waited, -), (latency, ok), (-, begun)."""

    kernel: int
    p: int
    now: float
    a: float
    b: int


def call(s: Any, c: Call) -> float:
    """Make a call, as an engine does: what a state does not name does nothing."""
    if c.kernel == ADMITS:
        return float(s.admits(s, c.p, c.now, c.a, c.b)) if hasattr(s, "admits") else 1.0
    if c.kernel == HOLD:
        return float(s.hold(s, c.p)) if hasattr(s, "hold") else 0.0
    if c.kernel == BEGAN:
        return float(s.began(s, c.p, c.now, c.a)) if hasattr(s, "began") else 0.0
    if c.kernel == ENDED and hasattr(s, "ended"):
        s.ended(s, c.p, c.now, c.a, c.b)
    if c.kernel == GONE and hasattr(s, "gone"):
        s.gone(s, c.p, c.now, c.b)
    return 0.0


def replay(s: Any, calls: list[Call]) -> list[float]:
    """Make the calls, and return what they returned."""
    return [call(s, c) for c in calls]


def replay_compiled(s: Any, calls: list[Call]) -> list[float]:
    """The same in code that numba has compiled; the state is of arrays."""
    from . import shedding_compiled

    columns = [np.array(column) for column in zip(*calls, strict=True)]
    out: list[float] = shedding_compiled.replay(s, *columns).tolist()
    return out


def plain(s: Any) -> dict[str, Any]:
    """Return the fields of a state as numbers and lists, to compare states."""
    fields = {name: getattr(s, name) for name in s._fields}
    return {name: list(v) if hasattr(v, "__len__") else v for name, v in fields.items()}


def life(
    s: Any,
    seed: int,
    requests: int,
    *,
    places: int = 2,
    workers: int = 3,
    rate: float = 100.0,
    service: float = 0.02,
    patience: float = 0.4,
    lattice: float = 0.0,
    classes: int = 3,
) -> tuple[list[Call], list[float]]:
    """Let requests come to each place's queue and workers; return all calls and their results.

    The arrival rate changes between a fifth and three times `rate` (a place) every now and then,
    and so does the mean service time.  Some requests fail, some give up while they wait or are
    served.  With a `lattice`, all times are multiples of it, and many are equal.
    """
    rng = random.Random(seed)
    calls: list[Call] = []
    results: list[float] = []
    events: list[tuple[float, int, str, int, int]] = []
    number = 0
    came = {}  # of a request: when it came
    queue = [collections.deque[int]() for _ in range(places)]
    serving: list[set[int]] = [set() for _ in range(places)]

    def on_lattice(time: float) -> float:
        return round(time / lattice) * lattice if lattice else time

    def later(time: float, what: str, p: int, i: int) -> None:
        heapq.heappush(events, (on_lattice(time), len(calls) + len(events), what, p, i))

    def ask(kernel: int, p: int, now: float, a: float = 0.0, b: int = 0) -> float:
        calls.append(Call(kernel, p, now, a, b))
        results.append(call(s, calls[-1]))
        return results[-1]

    def work(p: int, now: float) -> None:
        while queue[p] and len(serving[p]) < workers:
            i = queue[p].popleft()
            if ask(BEGAN, p, now, now - came[i]):
                continue
            serving[p].add(i)
            later(now + rng.expovariate(1.0 / (service * slow)), "done", p, i)

    busy, slow = 1.0, 1.0
    later(0.0, "mood", 0, 0)
    for p in range(places):
        later(rng.expovariate(rate), "comes", p, 0)
    while number < requests:
        now, _, what, p, i = heapq.heappop(events)
        if what == "mood":
            busy, slow = rng.choice((0.2, 1.0, 3.0)), rng.choice((0.5, 1.0, 4.0))
            later(now + rng.expovariate(0.5), "mood", 0, 0)
        elif what == "comes":
            number += 1
            if ask(ADMITS, p, now, rng.random(), rng.randrange(classes)):
                ask(HOLD, p, now)
                came[number] = now
                queue[p].append(number)
                if rng.random() < 0.2:
                    later(now + rng.expovariate(1.0 / patience), "gives up", p, number)
                work(p, now)
            later(now + rng.expovariate(rate * busy), "comes", p, 0)
        elif what == "gives up":
            if i in queue[p]:
                queue[p].remove(i)
                ask(GONE, p, now, 0.0, 0)
            elif i in serving[p]:
                serving[p].remove(i)
                ask(GONE, p, now, 0.0, 1)
                work(p, now)
        elif i in serving[p]:
            serving[p].remove(i)
            ask(ENDED, p, now, now - came[i], int(rng.random() < 0.9 / slow**0.3))
            work(p, now)
    return calls, results
