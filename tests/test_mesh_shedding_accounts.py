"""Load shedding against independent accounts of the rules, on random lives of a server.

The accounts are written from the specifications with objects, deques, timers and sorted lists.
"""

from __future__ import annotations

import collections
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from mesh_lab.balancing.rule import Lists
from mesh_lab.shedding import (
    AdaptiveConcurrency,
    AdmissionControl,
    AimdLimit,
    ClientThrottling,
    CoDel,
    Gradient2Limit,
    Shedder,
    VegasLimit,
)

from .shedding_bench import ADMITS, ENDED, GONE, life

TICK = 1e-9

# --- CoDel: the pseudo-code of RFC 8289, which takes packets until one is delivered ---


class RfcQueue:
    """A queue that drops by itself, as in section 5 of the RFC."""

    def __init__(self, target: float, interval: float, spare: int) -> None:
        self.target, self.interval, self.spare = target, interval, spare
        self.queue: collections.deque[tuple[int, float]] = collections.deque()
        self.first_above: float | None = None
        self.drop_next, self.count, self.lastcount, self.dropping = 0.0, 0, 0, False
        self.dropped: list[int] = []

    def control_law(self, t: float) -> float:
        return t + self.interval * self.count**-0.5

    def take(self, now: float) -> tuple[int | None, bool]:
        if not self.queue:
            self.first_above = None
            return None, False
        number, came = self.queue.popleft()
        if now - came < self.target - TICK or len(self.queue) <= self.spare:
            self.first_above = None
        elif self.first_above is None:
            self.first_above = now + self.interval
        elif now >= self.first_above - TICK:
            return number, True
        return number, False

    def deliver(self, now: float) -> int | None:
        number, may_drop = self.take(now)
        if self.dropping:
            self.dropping = may_drop
            while self.dropping and now >= self.drop_next - TICK:
                assert number is not None
                self.dropped.append(number)
                self.count += 1
                number, may_drop = self.take(now)
                if may_drop:
                    self.drop_next = self.control_law(self.drop_next)
                else:
                    self.dropping = False
        elif may_drop:
            assert number is not None
            self.dropped.append(number)
            number, _ = self.take(now)
            self.dropping = True
            delta = self.count - self.lastcount
            recent = now - self.drop_next < 16 * self.interval - TICK
            self.count = delta if delta > 1 and recent else 1
            self.drop_next = self.control_law(now)
            self.lastcount = self.count
        return number


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("lattice", [0.0, 1 / 256, 0.01])
@pytest.mark.parametrize("spare", [0, 1, 4])
def test_codel_equals_the_pseudo_code(seed: int, lattice: float, spare: int) -> None:
    """One worker who takes requests when it has served one, with times of more and less load."""
    rng = random.Random(seed)
    target, interval = 5 / 256, 50 / 256
    rule = CoDel(target=target, interval=interval, spare=spare)
    s, rfc = rule.state(1, Lists()), RfcQueue(target, interval, spare)
    mine: collections.deque[tuple[int, float]] = collections.deque()
    dropped: list[int] = []
    number, entered = 0, 0

    def grid(time: float) -> float:
        return round(time / lattice) * lattice if lattice else time

    comes, free, mood_ends, speed = 0.0, 0.0, 0.0, 1.0
    while number < 6000:
        if comes >= mood_ends:
            mood_ends, speed = comes + rng.expovariate(1.0), rng.choice((0.3, 0.5, 1.5, 2.0))
        if comes <= free:  # an arrival first
            now = comes
            number += 1
            assert s.admits(s, 0, now, 0.0, 0) == 1
            mine.append((number, now))
            rfc.queue.append((number, now))
            comes = grid(now + rng.expovariate(100.0 * speed))
        else:
            now = free
            served = None
            while mine and served is None:
                i, came = mine.popleft()
                if s.began(s, 0, now, now - came):
                    dropped.append(i)
                else:
                    served = i
            was = rfc.dropping
            assert rfc.deliver(now) == served
            assert dropped == rfc.dropped
            entered += rfc.dropping and not was
            free = grid(now + rng.expovariate(100.0)) if served else comes
    assert s.waiting[0] == len(mine)
    assert len(dropped) > 100
    assert entered > 4


# --- adaptive concurrency: timers that fire, as in Envoy ---


class Controller:
    """Envoy's gradient controller with its two timers, samples in a sorted list."""

    def __init__(self, rule: AdaptiveConcurrency) -> None:
        self.rule, self.flying, self.limit = rule, 0, rule.min_concurrency
        self.put_by: int | None = None
        self.samples: list[float] = []
        self.min_rtt, self.epoch, self.in_a_row, self.u = 0.0, 0.0, 0, 0.0
        self.timers: dict[str, tuple[float, int]] = {}
        self.log: list[str] = []
        self.measure(0.0)

    def fire(self, now: float) -> None:
        """Let the timers fire that are due, in order; at one time the window before the other."""
        while self.timers:
            name = min(self.timers, key=lambda n: (self.due(n), n != "window"))
            at = self.due(name)
            if at > now + TICK:
                return
            base, k = self.timers.pop(name)
            if name == "measure":
                self.measure(at)
            elif self.put_by is None:
                self.timers["window"] = (base, k + 1)
                self.window(at)

    def due(self, name: str) -> float:
        base, k = self.timers[name]
        return base + k * self.rule.update_interval

    def measure(self, at: float) -> None:
        if self.put_by is None:
            self.log.append("measure")
            self.put_by, self.in_a_row = self.limit, 0
            self.limit, self.samples, self.epoch = self.rule.min_concurrency, [], at
            self.timers.pop("measure", None)

    def percentile(self) -> float:
        kept = sorted(self.samples[-self.rule.samples :])
        self.samples = []
        return kept[max(math.ceil(self.rule.percentile * len(kept) - 1e-9), 1) - 1]

    def window(self, at: float) -> None:
        if not self.samples:
            return
        latency = self.percentile()
        ratio = self.min_rtt * (1 + self.rule.buffer) / latency if latency else math.inf
        scaled = self.limit * max(0.5, min(2.0, ratio))
        new = math.floor(scaled + scaled**0.5)
        new = max(self.rule.min_concurrency, min(self.rule.max_limit, new))
        low = self.limit == new == self.rule.min_concurrency
        self.in_a_row = self.in_a_row + 1 if low else 0
        self.limit = new
        self.log.append("up" if new > 10 else "down")
        if self.in_a_row == 5:
            self.log.append("stuck")
            self.measure(at)

    def admits(self, now: float, u: float, priority: int) -> int:
        self.fire(now)
        self.u = u
        shares = self.rule.shares
        open_to = shares[min(priority, len(shares) - 1)] * self.limit
        good = self.flying + 1 <= open_to + 1e-9
        self.flying += good
        return int(good)

    def ended(self, now: float, latency: float, sent: float) -> None:
        self.fire(now)
        self.flying -= 1
        if sent < self.epoch - TICK:
            return
        self.samples.append(latency)
        if self.put_by is not None and len(self.samples) == self.rule.request_count:
            self.min_rtt, self.limit, self.put_by = self.percentile(), self.put_by, None
            pause = self.rule.min_rtt_interval * (1.0 + self.rule.jitter * self.u)
            self.timers = {"window": (now, 1), "measure": (now + pause, 0)}

    def gone(self, now: float) -> None:
        self.fire(now)
        self.flying -= 1


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("lattice", [0.0, 1 / 512])
def test_adaptive_concurrency_equals_timers_that_fire(seed: int, lattice: float) -> None:
    rule = AdaptiveConcurrency(
        update_interval=0.125,
        min_rtt_interval=4.0,
        jitter=0.0 if lattice else 0.2,
        request_count=12,
        percentile=0.9,
        samples=20,
        max_limit=40,
        shares=(1.0, 0.6, 0.3),
    )
    s = rule.state(1, Lists())
    calls, results = life(s, seed, 6000, places=1, lattice=lattice, service=0.01)
    account = Controller(rule)
    for c, result in zip(calls, results, strict=True):
        if c.kernel == ADMITS:
            assert account.admits(c.now, c.a, c.b) == result, c
        elif c.kernel == ENDED:
            account.ended(c.now, c.a, c.now - c.a)
        elif c.kernel == GONE:
            account.gone(c.now)
    assert account.limit == s.limit[0]
    assert account.min_rtt == s.min_rtt[0]
    assert account.flying == s.in_flight[0]
    happened = collections.Counter(account.log)
    assert happened["measure"] > 4
    assert min(happened["up"], happened["down"]) > 20


# --- throttling and admission: a deque of buckets ---


class History:
    """Envoy's deque of (when it began, counts)."""

    def __init__(self, window: float, width: float) -> None:
        self.window, self.width = window, width
        self.buckets: collections.deque[tuple[float, collections.Counter[str]]]
        self.buckets = collections.deque()

    def now(self, now: float) -> collections.Counter[str]:
        while self.buckets and now - self.buckets[0][0] >= self.window - TICK:
            self.buckets.popleft()
        if not self.buckets or now - self.buckets[-1][0] >= self.width - TICK:
            self.buckets.append((now, collections.Counter()))
        return self.buckets[-1][1]

    def total(self, what: str) -> int:
        return sum(counts[what] for _, counts in self.buckets)


class Throttle:
    def __init__(self, rule: ClientThrottling) -> None:
        self.k, self.history = rule.k, History(rule.window, rule.width)

    def admits(self, now: float, u: float, priority: int) -> int:
        counts = self.history.now(now)
        requests, accepts = self.history.total("requests"), self.history.total("accepts")
        counts["requests"] += 1
        return int(u >= max(0.0, (requests - self.k * accepts) / (requests + 1)))

    def ended(self, now: float, latency: float, ok: int) -> None:
        if ok:
            self.history.now(now)["accepts"] += 1

    def gone(self, now: float) -> None:
        pass


class Admission:
    def __init__(self, rule: AdmissionControl) -> None:
        self.rule, self.history = rule, History(rule.window, 1.0)

    def admits(self, now: float, u: float, priority: int) -> int:
        n, rule = self.history.total("n"), self.rule
        oldest = self.history.buckets[0][0] if self.history.buckets else now
        if n // max(rule.window, math.floor(now - oldest)) < rule.rps_threshold:
            return 1
        self.history.now(now)
        n, good = self.history.total("n"), self.history.total("good")
        p = max(0.0, (n - good / rule.threshold) / (n + 1)) ** (1 / rule.aggression)
        return int(10_000 * min(p, rule.max_rejection) <= math.floor(u * 10_000))

    def ended(self, now: float, latency: float, ok: int) -> None:
        self.history.now(now).update(n=1, good=ok)

    def gone(self, now: float) -> None:
        pass


# --- Netflix's limits, as its classes have it ---


class Netflix:
    """What its limiters share."""

    def __init__(self, rule: Any) -> None:
        self.rule, self.flying, self.limit, self.u = rule, 0, float(rule.initial_limit), 0.0

    def admits(self, now: float, u: float, priority: int) -> int:
        self.u = u
        share = self.rule.shares[min(priority, len(self.rule.shares) - 1)]
        good = self.flying + 1 <= share * math.floor(self.limit) + 1e-9
        self.flying += good
        return int(good)

    def ended(self, now: float, latency: float, ok: int) -> None:
        flying = self.flying
        self.flying -= 1
        self.update(latency, flying, not ok)

    def gone(self, now: float) -> None:
        self.flying -= 1

    def update(self, rtt: float, flying: int, drop: bool) -> None:
        raise NotImplementedError


class Aimd(Netflix):
    def update(self, rtt: float, flying: int, drop: bool) -> None:
        limit = int(self.limit)
        if drop or rtt > self.rule.timeout:
            limit = math.floor(limit * self.rule.backoff)
        else:
            limit += flying * 2 >= limit
        self.limit = sorted((self.rule.min_limit, limit, self.rule.max_limit))[1]


class Vegas(Netflix):
    def __init__(self, rule: Any) -> None:
        super().__init__(rule)
        self.rtt0, self.probes, self.jitter = math.inf, 0, 0.0

    def update(self, rtt: float, flying: int, drop: bool) -> None:
        if not rtt > 0:
            return
        self.jitter = self.jitter or 0.5 * (1 + self.u)
        self.probes += 1
        if self.probes >= self.jitter * self.rule.probe * self.limit:
            self.jitter, self.probes, self.rtt0 = 0.5 * (1 + self.u), 0, rtt
        elif rtt < self.rtt0:
            self.rtt0 = rtt
        else:
            log = max(1, int(math.log10(int(self.limit) + 0.5)))
            waiting = math.ceil(self.limit * (1 - self.rtt0 / rtt))
            if drop:
                step = -log
            elif flying < self.limit / 2 or 3 * log <= waiting <= 6 * log:
                return
            elif waiting > 6 * log:
                step = -log
            else:
                step = 6 * log if waiting <= log else log
            new = min(max(self.limit + step, 1), self.rule.max_limit)
            self.limit = self.limit * (1 - self.rule.smoothing) + new * self.rule.smoothing


class Gradient2(Netflix):
    def __init__(self, rule: Any) -> None:
        super().__init__(rule)
        self.first: list[float] = []
        self.long = 0.0

    def update(self, rtt: float, flying: int, drop: bool) -> None:
        if not rtt > 0:
            return
        if len(self.first) < 10:
            self.first.append(rtt)
            self.long = sum(self.first) / len(self.first)
        else:
            self.long += (rtt - self.long) * 2 / (self.rule.long_window + 1)
        long = self.long
        if long > 2 * rtt:
            self.long *= 0.95
        if flying * 2 >= self.limit:
            g = min(1.0, max(0.5, self.rule.tolerance * long / rtt))
            step = self.rule.smoothing * (self.limit * (g - 1) + self.rule.queue)
            self.limit = min(max(self.limit + step, self.rule.min_limit), self.rule.max_limit)


THIRDS = (1.0, 0.6, 0.3)
PAIRS: list[tuple[Shedder, Callable[[Any], Any]]] = [
    (ClientThrottling(k=1.2, window=3.0, width=0.7), Throttle),
    (ClientThrottling(k=1.0, window=7.5, width=7.5), Throttle),
    (AdmissionControl(window=3.0), Admission),
    (AdmissionControl(window=2.0, aggression=3.0, threshold=0.8, rps_threshold=40), Admission),
    (AimdLimit(timeout=0.1, min_limit=2, shares=THIRDS), Aimd),
    (AimdLimit(timeout=0.05, initial_limit=3, min_limit=1, max_limit=9, backoff=0.5), Aimd),
    (VegasLimit(probe=3, shares=THIRDS), Vegas),
    (VegasLimit(initial_limit=90, max_limit=120, smoothing=0.3, probe=1), Vegas),
    (Gradient2Limit(min_limit=2, long_window=100, shares=THIRDS), Gradient2),
    (Gradient2Limit(min_limit=4, max_limit=30, smoothing=1.0, queue=2, long_window=10), Gradient2),
]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("rule", "account"), PAIRS, ids=str)
def test_rules_equal_independent_accounts(
    seed: int, rule: Shedder, account: Callable[[Any], Any]
) -> None:
    s = rule.state(1, Lists())
    calls, results = life(s, seed, 4000, places=1, lattice=1 / 128 if seed == 3 else 0.0)
    other, refused = account(rule), 0
    limits = set()
    for c, result in zip(calls, results, strict=True):
        if c.kernel == ADMITS:
            assert other.admits(c.now, c.a, c.b) == result, c
            refused += not result
        elif c.kernel == ENDED:
            other.ended(c.now, c.a, c.b)
        elif c.kernel == GONE:
            other.gone(c.now)
        if isinstance(other, Netflix):
            limits.add(int(other.limit))
    assert refused > 30
    if isinstance(other, Netflix):
        assert other.limit == pytest.approx(s.estimate[0], rel=1e-9)
        assert len(limits) > 3
