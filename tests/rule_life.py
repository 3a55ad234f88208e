"""A made-up service around a rule: requests come, wait, and are answered after delays.

It is no engine: it only makes calls to a bench in an order that is possible, with endpoints that
come and go, so that a rule and an independent account of it can be compared.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator

from .rule_bench import Bench


def live(
    bench: Bench,
    seed: int,
    requests: int,
    *,
    rate: float = 100.0,
    slow: float = 0.1,
    bad: float = 0.1,
    changes: float = 0.0,
    also: Callable[..., None] = lambda *_: None,
) -> Iterator[tuple[float, int, list[float], int]]:
    """Drive `bench`, and yield (now, proxy, draws, pick) of each request.

    Parameters
    ----------
    rate, slow : float
        Requests a second, and the mean of what one takes.
    bad : float
        The share of requests that an endpoint does not let in.
    changes : float
        How often a second the list of endpoints changes.
    also : function
        Called as ``also(what, now, ...)`` after each event but picks, with "answered" (proxy,
        endpoint, latency, ok, there, worked), "arrived" (endpoint), "left" (endpoint, stay, met),
        "alarm" (code) and "change" (members).
    """
    rng = random.Random(seed)
    ticks = itertools.count()
    events: list[tuple[float, int, str, tuple[float, ...]]] = []
    in_service = [0.0] * bench.n

    def later(time: float, what: str, *rest: float) -> None:
        heapq.heappush(events, (time, next(ticks), what, rest))

    later(0.0, "request")
    if changes:
        later(rng.expovariate(changes), "change")
    done = 0
    while done < requests:
        v = bench.view
        alarms = [float(v.alarm_times[k]) for k in range(int(v.alarms[0]))]
        if alarms and min(alarms) <= events[0][0]:
            time, code = bench.ring()
            also("alarm", time, code)
            continue
        now, _, what, rest = heapq.heappop(events)
        if what == "request":
            p = rng.randrange(bench.proxies)
            u = [rng.random() for _ in range(bench.part.draws)]
            e = bench.pick(*u, now=now, proxy=p)
            yield now, p, u, e
            done += 1
            later(now + rng.expovariate(rate), "request")
            if rng.random() < bad:
                later(now + 0.001, "answer", p, e, now, 0, math.nan)
                continue
            later(now + 0.0005, "arrive", p, e, now)
        elif what == "arrive":
            p, e, sent = int(rest[0]), int(rest[1]), rest[2]
            met = int(v.there[e])
            bench.arrive(e, now=now)
            also("arrived", now, e)
            # few different times, so that latencies are equal now and then
            worked = rng.choice([0.25, 0.5, 1.0, 3.0]) * slow * (1 + e % 3)
            in_service[e] = max(in_service[e], now) + worked
            later(in_service[e], "leave", p, e, sent, met, now, worked)
        elif what == "leave":
            p, e, sent, met, came, worked = rest
            bench.leave(int(e), now=now, stay=now - came, met=int(met))
            also("left", now, int(e), now - came, int(met))
            ok = 0.0 if rng.random() < bad else 1.0
            later(now + 0.0005, "answer", p, e, sent, ok, worked)
        elif what == "answer":
            p, e, sent, ok, worked = rest
            values = now - sent, int(ok), int(v.there[int(e)]), worked
            latency, good, there, worked = values
            bench.answer(
                int(e), now=now, latency=latency, ok=good, there=there, worked=worked, proxy=int(p)
            )
            also("answered", now, int(p), int(e), *values)
        else:
            members = sorted(rng.sample(range(bench.n), rng.randint(1, bench.n)))
            bench.change(members, now=now)
            also("change", now, members)
            later(now + rng.expovariate(changes), "change")
