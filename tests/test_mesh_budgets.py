"""Limits and retry budgets: exact counts, rounding, expiry, and second accounts of each rule."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mesh_lab.balancing.rule import Arrays, Lists
from mesh_lab.errors import PartError
from mesh_lab.resilience.budget import may_retry, responded, retry_ended, sent
from mesh_lab.resilience.budgets import (
    EnvoyRetryBudget,
    FinagleRetryBudget,
    GrpcRetryThrottle,
    RetryBudget,
    RetryLimit,
)
from mesh_lab.resilience.limits import (
    CONNECTIONS,
    PENDING,
    REQUESTS,
    RETRIES,
    Limits,
    give,
    room,
    take,
)
from mesh_lab.resilience.seen import SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL, SEEN_OK

# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("kind", "most"), [(CONNECTIONS, 1024), (PENDING, 1024), (REQUESTS, 1024), (RETRIES, 3)]
)
def test_envoys_limits(kind: int, most: int) -> None:
    s = Limits.envoy().state(2, Lists())
    taken = [take(s, 1, kind) for _ in range(most + 2)]
    assert taken == [1] * most + [0, 0]
    assert (room(s, 1, kind), room(s, 0, kind), s.overflowed[4 + kind]) == (0, 1, 2)
    assert sum(s.held) == most  # nothing else, and nobody else, has anything
    give(s, 1, kind)
    assert [room(s, 1, kind), take(s, 1, kind), take(s, 1, kind)] == [1, 1, 0]


def test_istio_has_no_limits() -> None:
    assert list(Limits.istio().state(1, Lists()).at_most) == [4294967295] * 4


def test_a_limit_of_none_lets_nothing_in() -> None:
    s = Limits(max_retries=0).state(1, Lists())
    assert take(s, 0, RETRIES) == 0


# ---------------------------------------------------------------- a fixed number, and a share


def grants(s: Any, n: int, active: int, pending: int = 0, now: float = 0.0) -> int:
    return sum(may_retry(s, 0, now, active, pending) for _ in range(n))


def test_a_limit_does_not_look_at_the_load() -> None:
    s = RetryLimit().state(1, Lists())
    assert (grants(s, 9, 1000), grants(s, 9, 0)) == (3, 0)
    retry_ended(s, 0)
    assert grants(s, 9, 1000) == 1


@pytest.mark.parametrize(
    ("percent", "least", "active", "pending", "allowed"),
    [
        (20.0, 3, 0, 0, 3),
        (20.0, 3, 19, 0, 3),
        (20.0, 3, 20, 0, 4),
        (20.0, 3, 24, 0, 4),
        (20.0, 3, 12, 13, 5),
        (20.0, 0, 4, 0, 0),
        (20.0, 0, 5, 0, 1),
        (0.0, 0, 1000, 0, 0),
        (100.0, 3, 7, 0, 7),
        (29.0, 0, 100, 0, 28),  # Envoy's: 29 / 100 * 100 is a little less than 29
        (0.5, 0, 399, 0, 1),
    ],
)
def test_a_share_is_cut_off_and_has_a_floor(
    percent: float, least: int, active: int, pending: int, allowed: int
) -> None:
    part = EnvoyRetryBudget(budget_percent=percent, min_retry_concurrency=least)
    s = part.state(1, Lists())
    assert grants(s, 50, active, pending) == allowed
    assert s.retries[0] == allowed


def test_a_share_that_shrinks_waits_until_enough_retries_are_over() -> None:
    s = EnvoyRetryBudget().state(1, Lists())
    assert grants(s, 50, 50) == 10
    for over in range(6):  # 20 % of 25 are 5
        assert grants(s, 1, 25) == 0, over
        retry_ended(s, 0)
    assert s.retries[0] == 4
    assert grants(s, 9, 25) == 1


def test_budgets_are_each_proxys_own() -> None:
    s = RetryLimit(max_retries=1).state(2, Lists())
    assert [may_retry(s, p, 0.0, 0, 0) for p in (0, 1, 0, 1)] == [1, 1, 0, 0]


# ---------------------------------------------------------------- deposits


def test_the_reserve_of_finagle_is_a_hundred_retries() -> None:
    s = FinagleRetryBudget().state(1, Lists())
    assert (s.deposit, s.withdrawal, s.reserve, s.slice_ms) == (1000, 5000, 500_000, 1000)
    assert grants(s, 200, 0) == 100
    assert grants(s, 200, 0, now=10.0) == 100  # what was withdrawn is forgotten too
    assert grants(s, 5, 0, now=19.999) == 0  # this look begins a slice, and delays the end
    assert [grants(s, 200, 0, now=now) for now in (20.998, 20.999)] == [0, 100]


def test_five_requests_allow_a_retry_for_ten_seconds() -> None:
    part = FinagleRetryBudget(min_retries_per_second=0)
    for late, allowed in [(9.999, 1), (10.0, 0)]:
        s = part.state(1, Lists())
        for _ in range(9):
            sent(s, 0, 0.0)
        assert grants(s, 9, 0, now=late) == allowed


def test_a_slice_begins_with_the_first_look_after_the_last() -> None:
    part = FinagleRetryBudget(min_retries_per_second=0)
    s = part.state(1, Lists())
    for now in (0.0, 0.9, 1.7, 2.6, 3.5):
        sent(s, 0, now)
    # slices began at 0, 1.7 and 3.5, so all of the first is gone ten slices after 1.7
    assert (s.began[0], s.past[:2]) == (3500, [2000, 2000])
    for now in range(5, 12):
        assert grants(s, 0, 0, now=float(now)) == 0
    assert sum(s.past) + s.current[0] == 5000
    assert grants(s, 1, 0, now=11.4) == 1


def test_every_fifth_request_may_be_retried_in_the_long_run() -> None:
    s = FinagleRetryBudget(min_retries_per_second=0).state(1, Lists())
    allowed = 0
    for i in range(20_000):
        sent(s, 0, i * 0.01)
        allowed += may_retry(s, 0, i * 0.01, 0, 0)
    assert allowed == 4000


def test_withdrawals_of_odd_shares_are_cut_off_and_a_reserve_alone_costs_one_each() -> None:
    assert FinagleRetryBudget(percent_can_retry=0.3).state(1, Lists()).withdrawal == 3333
    s = FinagleRetryBudget(percent_can_retry=0.0, min_retries_per_second=2).state(1, Lists())
    for _ in range(1000):
        sent(s, 0, 0.0)
    assert grants(s, 50, 0) == 20
    s = FinagleRetryBudget(percent_can_retry=0.0, min_retries_per_second=0).state(1, Lists())
    sent(s, 0, 0.0)
    assert grants(s, 5, 0) == 0


# ---------------------------------------------------------------- tokens


def test_grpc_stops_at_half_and_begins_above_it() -> None:
    s = GrpcRetryThrottle(max_tokens=10.0, token_ratio=0.1).state(1, Lists())
    allowed = []
    for _ in range(6):
        responded(s, 0, SEEN_ERROR)
        allowed.append(may_retry(s, 0, 0.0, 0, 0))
    assert allowed == [1, 1, 1, 1, 0, 0]  # 9, 8, 7, 6, 5, 4
    for _ in range(10):
        responded(s, 0, SEEN_OK)
    assert may_retry(s, 0, 0.0, 0, 0) == 0  # 5 is not above half
    responded(s, 0, SEEN_OK)
    assert may_retry(s, 0, 0.0, 0, 0) == 1


@pytest.mark.parametrize("saw", [SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL])
def test_tokens_stay_within_their_bounds(saw: int) -> None:
    s = GrpcRetryThrottle(max_tokens=2.5, token_ratio=0.7).state(1, Lists())
    for _ in range(5):
        responded(s, 0, saw)
    assert s.tokens[0] == 0
    for _ in range(5):
        responded(s, 0, SEEN_OK)
    assert s.tokens[0] == 2500


def test_three_decimals_count() -> None:
    s = GrpcRetryThrottle(max_tokens=10.0, token_ratio=0.5466).state(1, Lists())
    assert s.gain == 546
    s = GrpcRetryThrottle(max_tokens=1.001, token_ratio=0.001).state(1, Lists())
    assert (s.full, s.gain) == (1001, 1)


# ---------------------------------------------------------------- second accounts


class Share:
    """Envoy's budget as a question about sets of retries."""

    def __init__(self, part: Any) -> None:
        self.part, self.under_way = part, 0

    def allows(self, now: float, active: int, pending: int) -> bool:
        share = math.floor(self.part.budget_percent / 100.0 * (active + pending))
        least: int = self.part.min_retry_concurrency
        return self.under_way < (share if share > least else least)

    def withdraw(self, now: float) -> None: ...

    def deposit(self, now: float) -> None: ...

    def answer(self, ok: bool) -> None: ...


class Limit(Share):
    def __init__(self, part: RetryLimit) -> None:
        self.most, self.under_way = part.max_retries, 0

    def allows(self, now: float, active: int, pending: int) -> bool:
        return self.under_way in range(self.most)


class Deposits(Share):
    """Finagle's budget as a ledger: every movement with the slice it fell in."""

    def __init__(self, part: FinagleRetryBudget) -> None:
        self.part, self.under_way = part, 0
        self.slice_ms = round(1000 * part.ttl) // 10
        self.ledger: list[tuple[int, int]] = []  # (number of the slice, amount)
        self.began, self.slice = 0, 0

    def look(self, now: float) -> None:
        ms = round(1000 * now)
        if ms - self.began >= self.slice_ms:
            self.slice += max(1, min((ms - self.began) // self.slice_ms, 10))
            self.began = ms
            self.ledger = [(i, x) for i, x in self.ledger if i > self.slice - 10]

    def cost(self) -> int:
        share = self.part.percent_can_retry
        return math.floor(1000 / share) if share else 1

    def allows(self, now: float, active: int, pending: int) -> bool:
        self.look(now)
        reserve = self.part.min_retries_per_second * math.floor(self.part.ttl) * self.cost()
        return bool(sum(x for _, x in self.ledger) + reserve >= self.cost())

    def withdraw(self, now: float) -> None:
        self.ledger.append((self.slice, -self.cost()))

    def deposit(self, now: float) -> None:
        self.look(now)
        self.ledger.append((self.slice, 1000 if self.part.percent_can_retry else 0))


class Tokens(Share):
    """gRPC's throttle in exact fractions."""

    def __init__(self, part: GrpcRetryThrottle) -> None:
        self.most, self.gain = Fraction(str(part.max_tokens)), Fraction(str(part.token_ratio))
        self.level, self.under_way = self.most, 0

    def allows(self, now: float, active: int, pending: int) -> bool:
        return self.level > self.most / 2

    def answer(self, ok: bool) -> None:
        level = self.level + self.gain if ok else self.level - 1
        self.level = sorted((Fraction(0), level, self.most))[1]


def account(part: RetryBudget) -> Share:
    if isinstance(part, EnvoyRetryBudget):
        return Share(part)
    if isinstance(part, FinagleRetryBudget):
        return Deposits(part)
    if isinstance(part, GrpcRetryThrottle):
        return Tokens(part)
    assert isinstance(part, RetryLimit)
    return Limit(part)


PARTS: list[RetryBudget] = [
    RetryLimit(max_retries=2),
    EnvoyRetryBudget(budget_percent=12.5, min_retry_concurrency=1),
    EnvoyRetryBudget(budget_percent=29.0, min_retry_concurrency=0),
    FinagleRetryBudget(ttl=1.5, min_retries_per_second=1),
    FinagleRetryBudget(ttl=3.0, min_retries_per_second=0, percent_can_retry=0.35),
    GrpcRetryThrottle(max_tokens=7.5, token_ratio=0.123),
]


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_second_account_tells_the_same(part: RetryBudget, seed: int) -> None:
    rng = np.random.default_rng(seed)
    s, other = part.state(1, Lists()), account(part)
    ms, granted, refused = 0, 0, 0
    for step in range(8000):
        # mostly a little time passes, sometimes many slices
        ms += int(rng.integers(1, 60)) if rng.random() < 0.99 else int(rng.integers(100, 5000))
        now = ms / 1000
        what = rng.random()
        if what < 0.4:
            sent(s, 0, now)
            other.deposit(now)
        elif what < 0.6:
            ok = rng.random() < (0.3 if (step // 500) % 2 else 0.95)
            responded(s, 0, SEEN_OK if ok else SEEN_ERROR)
            other.answer(ok)
        elif what < 0.75 and other.under_way:
            retry_ended(s, 0)
            other.under_way -= 1
        else:
            active, pending = int(rng.integers(0, 40)), int(rng.integers(0, 20))
            allowed = other.allows(now, active, pending)
            assert may_retry(s, 0, now, active, pending) == allowed
            if allowed:
                other.withdraw(now)
                other.under_way += 1
            granted, refused = granted + allowed, refused + (not allowed)
        assert s.retries[0] == other.under_way
    assert min(granted, refused) >= 100


# ---------------------------------------------------------------- compiled


def drive(s: Any, draws: Any, log: Any) -> None:
    now = 0.0
    for i in range(len(draws)):
        now += draws[i][0] * 0.1
        p = int(draws[i][1] * 3)
        if draws[i][2] < 0.4:
            sent(s, p, now)
        elif draws[i][2] < 0.6:
            responded(s, p, int(draws[i][3] * 1.5))
        elif draws[i][2] < 0.8:
            log[i] = may_retry(s, p, now, int(draws[i][3] * 40), int(draws[i][4] * 20))
        elif s.retries[p] > 0:
            retry_ended(s, p)


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
def test_lists_arrays_and_compiled_code_agree(part: RetryBudget) -> None:
    numba = pytest.importorskip("numba")
    from tests.rule_compiled import OPTIONS, register

    register()
    draws = np.random.default_rng(1).random((6000, 5))
    plain, arrays, compiled = (part.state(3, make) for make in (Lists(), Arrays(), Arrays()))
    logs = [np.zeros(len(draws), np.int64) for _ in range(3)]
    drive(plain, draws.tolist(), logs[0])
    drive(arrays, draws, logs[1])
    numba.njit(**OPTIONS)(drive)(compiled, draws, logs[2])
    assert 20 < logs[0].sum() < 1180
    for log in logs[1:]:
        assert log.tolist() == logs[0].tolist()
    for name, value in plain._asdict().items():
        for other in (arrays, compiled):
            again = getattr(other, name)
            assert (again.tolist() if isinstance(value, list) else again) == value, name


def drive_limits(s: Any, draws: Any, log: Any) -> None:
    for i in range(len(draws)):
        p, kind = int(draws[i][0] * 2), int(draws[i][1] * 4)
        if draws[i][2] < 0.6:
            log[i] = 2 * room(s, p, kind) + take(s, p, kind)
        elif s.held[p * 4 + kind] > 0:
            give(s, p, kind)


def test_limits_agree_on_lists_arrays_and_compiled_and_with_sets() -> None:
    part = Limits(max_connections=5, max_pending_requests=3, max_requests=7, max_retries=1)
    draws = np.random.default_rng(1).random((5000, 3))
    plain, arrays, compiled = (part.state(2, make) for make in (Lists(), Arrays(), Arrays()))
    logs = [np.zeros(len(draws), np.int64) for _ in range(3)]
    drive_limits(plain, draws.tolist(), logs[0])
    drive_limits(arrays, draws, logs[1])
    held: dict[tuple[int, int], set[int]] = {}
    for i, (a, b, c) in enumerate(draws.tolist()):
        mine = held.setdefault((int(a * 2), int(b * 4)), set())
        fits = len(mine) < (5, 3, 7, 1)[int(b * 4)]
        if c < 0.6:
            assert logs[0][i] == 3 * fits
            if fits:
                mine.add(i)
        elif mine:
            mine.pop()
    assert logs[1].tolist() == logs[0].tolist()
    numba = pytest.importorskip("numba")
    from tests.rule_compiled import OPTIONS, register

    register()
    numba.njit(**OPTIONS)(drive_limits)(compiled, draws, logs[2])
    assert logs[2].tolist() == logs[0].tolist()
    assert compiled.overflowed.tolist() == plain.overflowed == arrays.overflowed.tolist()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kind", "fields", "named", "says"),
    [
        (EnvoyRetryBudget, {"budget_percent": 101.0}, "budget_percent", "100"),
        (EnvoyRetryBudget, {"budget_percent": -1.0}, "budget_percent", "0"),
        (EnvoyRetryBudget, {"min_retry_concurrency": -1}, "min_retry_concurrency", "0"),
        (FinagleRetryBudget, {"percent_can_retry": 1.01}, "percent_can_retry", "1"),
        (FinagleRetryBudget, {"percent_can_retry": 0.0001}, "percent_can_retry", "0.001"),
        (FinagleRetryBudget, {"ttl": 0.9}, "ttl", "1"),
        (FinagleRetryBudget, {"ttl": 61.0}, "ttl", "60"),
        (FinagleRetryBudget, {"min_retries_per_second": -1}, "min_retries_per_second", "0"),
        (GrpcRetryThrottle, {"max_tokens": 1001.0, "token_ratio": 0.1}, "max_tokens", "1000"),
        (GrpcRetryThrottle, {"max_tokens": 0.0, "token_ratio": 0.1}, "max_tokens", "0.001"),
        (GrpcRetryThrottle, {"max_tokens": 10.0, "token_ratio": 0.0004}, "token_ratio", "0.001"),
        (GrpcRetryThrottle, {"max_tokens": 10.0}, "token_ratio", ""),
        (RetryLimit, {"max_retries": -1}, "max_retries", "0"),
        (Limits, {"max_requests": -1}, "max_requests", "0"),
        (Limits, {"max_connections": 2**32}, "max_connections", "4294967295"),
    ],
)
def test_bad_input_is_refused(
    kind: type[Any], fields: dict[str, Any], named: str, says: str
) -> None:
    with pytest.raises(PartError) as refused:
        kind(**fields)
    assert refused.value.field == named
    assert says in refused.value.problem
