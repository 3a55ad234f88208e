"""Rate limits: worked cases, their laws, and independent accounts of the rules on random events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import pytest

from mesh_lab.balancing.rule import Lists
from mesh_lab.errors import PartError
from mesh_lab.shedding import (
    FixedWindowLimit,
    LeakyBucket,
    Shedder,
    SlidingLog,
    SlidingWindowLimit,
    TokenBucket,
)
from mesh_lab.shedding.grid import whole_steps
from mesh_lab.shedding.sliding_window import estimate


def decide(rule: Shedder, times: Sequence[float], priority: int = 0, now: float = 0.0) -> list[int]:
    s = rule.state(1, Lists(), now=now)
    return [s.admits(s, 0, time, 0.5, priority) for time in times]


def random_times(seed: int, n: int, rate: float, lattice: int = 0) -> list[float]:
    """Times of which many are close together and some are far apart; perhaps on a lattice."""
    rng, now, times = random.Random(seed), 0.0, []
    while len(times) < n:
        now += rng.expovariate(rate * rng.choice((0.1, 1.0, 10.0)))
        times += [round(now * lattice) / lattice if lattice else now] * rng.choice((1, 1, 1, 2, 5))
    return times[:n]


# --- token bucket ---


def test_a_full_bucket_lets_its_burst_in_and_then_one_for_each_token() -> None:
    rule = TokenBucket(rate=4.0, burst=3)
    times = [0.0, 0.0, 0.0, 0.0, 0.249, 0.25, 0.25, 0.5, 0.74, 0.76]
    assert decide(rule, times) == [1, 1, 1, 0, 0, 1, 0, 1, 0, 1]
    # a long pause fills it, and no further than it holds
    assert decide(rule, [*[0.0] * 4, *[100.0] * 5]) == [1, 1, 1, 0, 1, 1, 1, 0, 0]
    assert decide(rule, [7.0] * 4, now=7.0) == [1, 1, 1, 0]


def test_a_refused_request_takes_no_token() -> None:
    rule = TokenBucket(rate=1.0, burst=1)
    assert decide(rule, [0.0, *(k / 10 for k in range(1, 10)), 1.0, 1.5, 2.0]) == [
        *(1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        *(1, 0, 1),
    ]


def test_a_stepped_bucket_fills_at_whole_intervals_only() -> None:
    rule = TokenBucket(rate=4.0, burst=3, fill_interval=0.5)  # 2 tokens at 0.5, 1.0, ...
    times = [0.4, 0.4, 0.4, 0.4, 0.49, 0.5, 0.5, 0.5, 0.9, 1.0, 1.5, 1.5, 1.5, 1.5]
    assert decide(rule, times) == [1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0]
    # what continuous filling gives at 0.35 has to wait
    assert decide(TokenBucket(rate=4.0, burst=3), [0.1, 0.1, 0.1, 0.35]) == [1, 1, 1, 1]
    assert decide(rule, [0.1, 0.1, 0.1, 0.35]) == [1, 1, 1, 0]
    # steps are counted from when the rule came into force
    assert decide(rule, [0.3, 0.3, 0.3, 0.5, 0.79, 0.8], now=0.3) == [1, 1, 1, 0, 0, 1]


def test_filling_in_steps_forgets_what_overflows_at_each_step() -> None:
    # 3 of 3 at 0.1; 2 more at 0.5: full, one is lost; none at 0.6, so no fourth
    rule = TokenBucket(rate=4.0, burst=3, fill_interval=0.5)
    assert decide(rule, [0.1, 0.1, 0.6, 0.6, 0.6, 0.6]) == [1, 1, 1, 1, 1, 0]


class ExactBucket:
    """The recurrence tokens = min(B, tokens + r dt), in fractions."""

    def __init__(self, rate: float, burst: int, share: float = 1.0) -> None:
        self.rate, self.burst, self.tokens, self.last = Fraction(rate), burst, Fraction(burst), 0
        self.reserve = burst - int(Fraction(share) * burst)
        self.margin = Fraction(1)

    def admits(self, now: float) -> int:
        self.tokens = min(
            Fraction(self.burst), self.tokens + self.rate * (Fraction(now) - self.last)
        )
        self.last = Fraction(now)  # type: ignore[assignment]
        short = self.tokens - self.reserve - 1
        self.margin = min(self.margin, abs(short)) if short else self.margin
        self.tokens -= int(short >= 0)
        return int(short >= 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("rate", "burst"), [(8.0, 1), (4.0, 3), (0.25, 2), (64.0, 100)])
def test_a_bucket_is_exact_where_numbers_are(seed: int, rate: float, burst: int) -> None:
    """On a lattice of binary fractions, where requests come just when tokens do."""
    times = random_times(seed, 4000, 4.0 * rate, lattice=64)
    exact = ExactBucket(rate, burst)
    expected = [exact.admits(now) for now in times]
    assert decide(TokenBucket(rate=rate, burst=burst), times) == expected
    assert 0.05 < sum(expected) / len(times) < 0.95
    # the leaky bucket is the same seen from the other side
    assert decide(LeakyBucket(rate=rate, burst=burst - 1), times) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rate", [3.0, 0.7, 1000 / 3])
def test_a_bucket_is_exact_at_any_time(seed: int, rate: float) -> None:
    times = random_times(seed, 4000, rate)
    exact = ExactBucket(rate, 7)
    expected = [exact.admits(now) for now in times]
    assert exact.margin > rate * 2e-9, "no request came within two nanoseconds of a token"
    assert decide(TokenBucket(rate=rate, burst=7), times) == expected


def test_nothing_drifts_in_a_long_time() -> None:
    """A third of a million requests in a bucket that is never full: as many as there were tokens.

    Adding tokens up, or subtracting 1 / rate from a time, would be off by one sooner or later.
    """
    rate, burst, n = 3.3, 5, 1_000_000
    s = TokenBucket(rate=rate, burst=burst).state(1, Lists())
    rng, now, let_in = random.Random(1), 0.0, s.admits(s, 0, 0.0, 0.0, 0)
    for i in range(n):
        now += 0.2 * rng.random()
        let_in += s.admits(s, 0, now, 0.0, 0)
        if i % 1000 == 999:
            left = burst + Fraction(rate) * Fraction(now) - let_in
            assert -1e-6 < left < 1.0 + 1e-6
    assert s.base[0] == 0.0, "the bucket was never full again"
    assert let_in > 300_000


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("interval", [0.1, 0.25, 2.0])
def test_a_stepped_bucket_equals_a_timer(seed: int, interval: float) -> None:
    fill, burst = 3, 10
    times = random_times(seed, 4000, fill / interval, lattice=40)
    rule = TokenBucket(rate=fill / interval, burst=burst, fill_interval=interval)
    tokens, timer, expected = burst, 1, []
    step = Fraction(interval).limit_denominator(1000)
    for now in times:
        while timer * step <= Fraction(now).limit_denominator(10**6):
            tokens = min(burst, tokens + fill)
            timer += 1
        expected.append(int(tokens > 0))
        tokens -= int(tokens > 0)
    assert decide(rule, times) == expected
    assert 0.05 < sum(expected) / len(times) < 0.95


def most_ahead(times: Sequence[float], rate: float) -> float:
    """The most requests in any span of time, less rate times its length."""
    worst, lowest = 0.0, 0.0
    for i, now in enumerate(times):
        lowest = min(lowest, i - rate * now)
        worst = max(worst, i + 1 - rate * now - lowest)
    return worst


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_span_of_time_has_more_than_burst_and_rate(seed: int) -> None:
    times = [t + 1.0 for t in random_times(seed, 20_000, 50.0)]
    for rule, burst in [
        (TokenBucket(rate=50.0, burst=10), 10),
        (LeakyBucket(rate=50.0, burst=9), 10),
        # in steps, one fill more may fall into a span than its length says
        (TokenBucket(rate=50.0, burst=10, fill_interval=0.1), 15),
    ]:
        s = rule.state(1, Lists(), now=1.0)
        passed = [now for now in times if s.admits(s, 0, now, 0.0, 0)]
        assert len(passed) > 3000
        assert burst - 5 < most_ahead(passed, 50.0) <= burst + 1e-6, str(rule)


def test_a_tenth_of_a_second_is_a_tenth_of_a_second() -> None:
    """At exactly its pace a source is never refused, though 0.3 - 0.2 is less than 0.1."""
    times = [k / 10 for k in range(2000)]
    assert 0.3 - 0.2 < 0.1
    for rule in (
        TokenBucket(rate=10.0, burst=1),
        TokenBucket(rate=10.0, burst=1, fill_interval=0.1),
        LeakyBucket(rate=10.0),
        SlidingLog(limit=1, window=0.1),
        SlidingLog(limit=3, window=0.3),
        FixedWindowLimit(limit=1, window=0.1),
    ):
        assert decide(rule, times) == [1] * len(times), str(rule)
    assert [whole_steps(k / 10, 0.1) for k in range(2000)] == list(range(2000))
    assert [whole_steps(k / 10 - 1e-8, 0.1) for k in range(1, 2000)] == list(range(1999))


def test_lower_classes_leave_a_reserve_of_tokens() -> None:
    for interval in (None, 1.0):
        rule = TokenBucket(rate=1.0, burst=10, fill_interval=interval, shares=(1.0, 0.5, 0.1))
        s = rule.state(1, Lists())
        order = [2, 2, 1, 1, 1, 1, 1, 2, 0, 0, 1, 0, 0, 0, 0, 7, 0, -1]
        got = [s.admits(s, 0, 0.0, 0.0, priority) for priority in order]
        # 10: one for class 2; down to 5 for class 1; the rest for class 0
        assert got == [1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0]
        assert [s.admits(s, 0, 6.0, 0.0, priority) for priority in (2, 1, 1)] == [0, 1, 0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_class_alone_has_a_smaller_bucket(seed: int) -> None:
    times = random_times(seed, 3000, 8.0, lattice=64)
    exact = ExactBucket(8.0, 8, share=0.25)
    rule = TokenBucket(rate=8.0, burst=8, shares=(1.0, 0.5, 0.25))
    assert decide(rule, times, priority=2) == [exact.admits(now) for now in times]


# --- leaky bucket ---


def test_the_generic_cell_rate_algorithm_in_its_own_words() -> None:
    """GCRA(T = 0.1 s, tau = 0.25 s): conforming while no earlier than TAT - tau."""
    rule = LeakyBucket(rate=10.0, burst=2)  # tau = 0.2
    # TAT after each that conforms: 0.1, 0.2, 0.3 | at 0.0: 0.3 - 0.2 > 0 | 0.4 ...
    assert decide(rule, [0.0, 0.0, 0.0, 0.0, 0.1, 0.15, 0.2, 0.9, 0.9, 0.9, 0.9]) == [
        *(1, 1, 1, 0, 1, 0, 1),
        *(1, 1, 1, 0),
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("burst", [0, 1, 5])
def test_leaky_bucket_equals_the_virtual_scheduling_algorithm(seed: int, burst: int) -> None:
    times = random_times(seed, 4000, 16.0, lattice=128)
    increment = Fraction(1, 16)
    arrival, expected = Fraction(0), []
    for now in map(Fraction, times):
        conforms = now >= arrival - burst * increment
        if conforms:
            arrival = max(now, arrival) + increment
        expected.append(int(conforms))
    assert decide(LeakyBucket(rate=16.0, burst=burst), times) == expected


class Nginx:
    """ngx_http_limit_req_module's arithmetic: milliseconds, thousandths of requests."""

    def __init__(self, rate: int, burst: int, delay: int) -> None:
        self.rate, self.burst, self.delay = rate * 1000, burst * 1000, delay * 1000
        self.known, self.excess, self.last = False, 0, 0

    def ask(self, now: int) -> tuple[int, int]:
        """Return whether it is let in, and for how many milliseconds it is held."""
        if self.known:
            excess = max(0, self.excess - self.rate * (now - self.last) // 1000 + 1000)
            if excess > self.burst:
                return 0, 0
            self.excess = excess
        self.known, self.last = True, now
        if self.excess <= self.delay:
            return 1, 0
        return 1, (self.excess - self.delay) * 1000 // self.rate


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("burst", "delay"), [(0, 0), (4, 0), (4, 2), (10, 10)])
def test_leaky_bucket_equals_nginx_on_its_clock(seed: int, burst: int, delay: int) -> None:
    """A rate of 20 a second, which nginx's thousandths hold exactly, on a clock of milliseconds."""
    s = LeakyBucket(rate=20.0, burst=burst, delay=delay).state(1, Lists())
    nginx, held = Nginx(20, burst, delay), set()
    for now in random_times(seed, 4000, 20.0, lattice=1000):
        ms = round(now * 1000)
        good, wait = nginx.ask(ms)
        assert s.admits(s, 0, ms / 1000, 0.0, 0) == good
        if good:
            assert s.hold(s, 0) == pytest.approx(wait / 1000, abs=1e-8)
            held.add(wait)
    assert (max(held) > 0) == (burst > delay)


def test_what_is_held_back_leaves_at_the_rate() -> None:
    s = LeakyBucket(rate=5.0, burst=3, delay=0).state(1, Lists())
    starts = [now + s.hold(s, 0) for now in (1.0, 1.0, 1.1, 1.15, 1.3) if s.admits(s, 0, now, 0, 0)]
    assert starts == pytest.approx([1.0, 1.2, 1.4, 1.6, 1.8])
    # the first two ahead of the pace go on at once, the third waits for one place
    s = LeakyBucket(rate=5.0, burst=3, delay=2).state(1, Lists())
    assert [s.hold(s, 0) for _ in range(4) if s.admits(s, 0, 1.0, 0.0, 0)] == pytest.approx(
        [0.0, 0.0, 0.0, 0.2]
    )
    s = LeakyBucket(rate=5.0, burst=3).state(1, Lists())  # nodelay
    assert [s.hold(s, 0) for _ in range(4) if s.admits(s, 0, 1.0, 0.0, 0)] == [0.0] * 4


# --- windows ---


def test_a_fixed_window_lets_twice_its_limit_in_around_its_end() -> None:
    rule = FixedWindowLimit(limit=3, window=10.0)
    times = [9.7, 9.8, 9.9, 9.99, 10.0, 10.01, 10.02, 10.03, 19.9, 20.0, 45.0]
    assert decide(rule, times) == [1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1]
    assert decide(SlidingLog(limit=3, window=10.0), times) == [1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1]


def test_a_request_exactly_a_window_ago_counts_no_more() -> None:
    rule = SlidingLog(limit=2, window=1.0)
    assert decide(rule, [0.0, 0.5, 0.75, 0.99, 1.0, 1.25, 1.5, 1.75]) == [1, 1, 0, 0, 1, 0, 1, 0]


Account = Callable[[list[float]], list[int]]


def by_brute_force(limit: int, window: Fraction) -> Account:
    def decided(times: list[float]) -> list[int]:
        kept: list[Fraction] = []
        out = []
        for now in map(Fraction, times):
            good = sum(1 for then in kept if then > now - window) < limit
            kept = [then for then in kept if then > now - window] + [now] * good
            out.append(int(good))
        return out

    return decided


def by_counting(limit: int, window: Fraction) -> Account:
    def decided(times: list[float]) -> list[int]:
        counts: Counter[int] = Counter()
        out = []
        for now in times:
            key = int(Fraction(now) // window)
            out.append(int(counts[key] < limit))
            counts[key] += 1  # also what is refused: it makes no difference here
        return out

    return decided


def by_two_counts(limit: int, window: Fraction, penalty: bool) -> Account:
    def decided(times: list[float]) -> list[int]:
        counts: Counter[int] = Counter()
        out = []
        for now in times:
            key, elapsed = divmod(Fraction(now), window)
            rate = counts[int(key) - 1] * (window - elapsed) / window + counts[int(key)]
            good = rate + 1 <= limit
            counts[int(key)] += good or penalty
            out.append(int(good))
        return out

    return decided


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("limit", [1, 7, 40])
def test_windows_equal_their_definitions(seed: int, limit: int) -> None:
    window = Fraction(3, 2)
    times = random_times(seed, 3000, limit / 1.5, lattice=32)
    pairs: list[tuple[Any, Account]] = [
        (SlidingLog(limit=limit, window=1.5), by_brute_force(limit, window)),
        (FixedWindowLimit(limit=limit, window=1.5), by_counting(limit, window)),
        (SlidingWindowLimit(limit=limit, window=1.5), by_two_counts(limit, window, False)),
        (
            SlidingWindowLimit(limit=limit, window=1.5, penalty=True),
            by_two_counts(limit, window, True),
        ),
    ]
    seen = []
    for rule, account in pairs:
        seen.append(decide(rule, times))
        assert seen[-1] == account(times), str(rule)
        assert 0 < sum(seen[-1]) < len(times)
    assert len({tuple(x) for x in seen}) == 4, "the events tell the rules apart"


def test_cloudflares_example() -> None:
    s = SlidingWindowLimit(limit=50, window=60.0).state(1, Lists())
    for _ in range(42):
        assert s.admits(s, 0, 30.0, 0.0, 0)
    for _ in range(18):
        assert s.admits(s, 0, 75.0, 0.0, 0)
    assert estimate(s, 0, 75.0) == 49.5
    assert not s.admits(s, 0, 75.0, 0.0, 0)  # 50.5
    assert not s.admits(s, 0, 75.7, 0.0, 0)  # 42 * 44.3 / 60 + 19 = 50.01
    assert s.admits(s, 0, 75.8, 0.0, 0)  # 49.94
    assert estimate(s, 0, 120.0) == 19.0
    assert estimate(s, 0, 240.0) == 0.0  # the window before had nothing


def test_two_counters_are_fooled_by_an_uneven_window() -> None:
    """50 at the end of a window count as if spread: more than the limit in a span of its length."""
    rule = SlidingWindowLimit(limit=50, window=60.0)
    times = [59.9] * 50 + [90.0] * 25
    assert sum(decide(rule, times)) == 75
    assert sum(decide(SlidingLog(limit=50, window=60.0), times)) == 50


def test_with_a_penalty_a_hasty_caller_stays_out() -> None:
    times = [k / 10 for k in range(1000)]  # 10 a second at a limit of 5
    assert 0.35 < sum(decide(SlidingWindowLimit(limit=5, window=1.0), times)) / 1000 < 0.5
    assert sum(decide(SlidingWindowLimit(limit=5, window=1.0, penalty=True), times)) == 5


def test_lower_classes_use_part_of_a_window() -> None:
    s = FixedWindowLimit(limit=10, window=1.0, shares=(1.0, 0.5)).state(1, Lists())
    assert [s.admits(s, 0, 0.5, 0.0, p) for p in (1, 1, 1, 0, 0, 1, 0)] == [1, 1, 1, 1, 1, 0, 1]


# --- bad input ---


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TokenBucket(rate=0.0, burst=1), "rate: is 0.0, but must be a number above 0"),
        (lambda: TokenBucket(rate=-1.0, burst=1), "rate: is -1.0"),
        (lambda: TokenBucket(rate=float("nan"), burst=1), "rate: is nan"),
        (lambda: TokenBucket(rate=1.0, burst=0), "burst: is 0, but must be an integer of at least"),
        (lambda: TokenBucket(rate=1.0, burst=1.5), "burst: is 1.5"),
        (lambda: TokenBucket(rate=1.0), "burst"),
        (
            lambda: TokenBucket(rate=1.0, burst=1, fill_interval=0.5),
            "fill_interval: is 0.5, which at rate 1.0 adds 0.5 tokens each time",
        ),
        (lambda: TokenBucket(rate=3.0, burst=1, fill_interval=0.5), "adds 1.5 tokens each time"),
        (lambda: TokenBucket(rate=1.0, burst=1, fill_interval=0.0), "fill_interval: is 0.0"),
        (lambda: TokenBucket(rate=1.0, burst=1, shares=()), "shares: begin with nothing"),
        (lambda: TokenBucket(rate=1.0, burst=1, shares=(0.5,)), "must begin with 1.0"),
        (
            lambda: TokenBucket(rate=1.0, burst=10, shares=(1.0, 0.2, 0.3)),
            "shares: give priority 2 0.3, more than the 0.2 of priority 1",
        ),
        (
            lambda: TokenBucket(rate=1.0, burst=10, shares=(1.0, 0.09)),
            "give priority 1 0.09 of 10, which is less than one request",
        ),
        (lambda: TokenBucket(rate=1.0, burst=10, shares=(1.0, 0.0)), "shares"),
        (lambda: LeakyBucket(rate=0.0), "rate: is 0.0"),
        (lambda: LeakyBucket(rate=1.0, burst=-1), "burst: is -1"),
        (lambda: LeakyBucket(rate=1.0, burst=1, delay=2), "delay: is 2, more than burst, 1"),
        (lambda: FixedWindowLimit(limit=0, window=1.0), "limit: is 0"),
        (lambda: FixedWindowLimit(limit=1, window=0.0), "window: is 0.0"),
        (lambda: SlidingLog(limit=1, window=1e-9), "window: is 1e-09"),
        (lambda: SlidingLog(limit=0, window=1.0), "limit: is 0"),
        (lambda: SlidingWindowLimit(limit=1, window=-1.0), "window: is -1.0"),
    ],
)
def test_impossible_limits_are_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(PartError) as refused:
        make()
    assert says in str(refused.value)
