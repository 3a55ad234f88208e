"""Breakers: their table, exact timing, second accounts of Linkerd's and resilience4j's rules."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import pytest

from mesh_lab.balancing.rule import Arrays, Lists
from mesh_lab.errors import PartError
from mesh_lab.resilience import circuit, circuit_table
from mesh_lab.resilience.breaker import Breaker, ConsecutiveBreaker, FailureRateBreaker
from mesh_lab.resilience.circuit import (
    admits,
    cancelled,
    circuit_of,
    opened_until,
    ready,
    responded,
)
from mesh_lab.resilience.circuit_table import CLOSED, EVENTS, HALF_OPEN, OPEN, STATES, TABLE
from mesh_lab.resilience.seen import SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL, SEEN_OK

# ---------------------------------------------------------------- the table


def test_the_table_that_is_documented_is_the_one_in_force() -> None:
    assert circuit_table.documented() in (circuit_table.__doc__ or "")
    assert set(TABLE) == {(s, e) for s in range(len(STATES)) for e in range(len(EVENTS))}
    for make in (Lists(), Arrays()):
        s = FailureRateBreaker().state(1, 1, make)
        for (state, event), (action, then) in TABLE.items():
            at = state * circuit.KINDS_OF_EVENT + event
            assert (s.actions[at], s.leads_to[at]) == (action, then)


@pytest.mark.parametrize(("state", "event"), TABLE)
def test_every_line_of_the_table_is_what_happens(state: int, event: int) -> None:
    part = FailureRateBreaker(permitted_in_half_open=2)
    s = part.state(1, 1, Lists())
    s.state[0], s.probes[0], s.failed[0], s.filled[0], s.until[0] = state, 1, 1, 1, 5.0
    action, then = TABLE[state, event]
    assert circuit.happens(s, 0, event, 100.0, 0.0) == action
    assert s.state[0] == then
    probes = {circuit_table.PROBE: 0, circuit_table.TAKE_BACK: 2, circuit_table.TRY: 2}
    assert s.probes[0] == probes.get(action, 1)
    until = {circuit_table.SHUT: 160.0, circuit_table.FORGET: -math.inf}
    assert s.until[0] == until.get(action, 5.0)
    anew = action in (circuit_table.SHUT, circuit_table.TRY, circuit_table.FORGET)
    assert (s.failed[0], s.filled[0]) == ((0, 0) if anew else (1, 1))


# ---------------------------------------------------------------- Linkerd's rule


def linkerd(**fields: Any) -> Any:
    return ConsecutiveBreaker(**{"jitter": 0.0, **fields}).state(1, 1, Lists())


def failing(s: Any, n: int, now: float, u: float = 0.0) -> list[int]:
    return [responded(s, 0, now, SEEN_ERROR, u) for _ in range(n)]


@pytest.mark.parametrize("saw", [SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL])
def test_the_seventh_failure_in_a_row_opens_for_a_second(saw: int) -> None:
    s = linkerd()
    for _ in range(6):
        assert responded(s, 0, 1.0, saw, 0.0) == 0
    assert responded(s, 0, 1.0, SEEN_OK, 0.0) == 0
    assert opened_until(s, 0) == -math.inf
    for _ in range(6):
        assert responded(s, 0, 1.0, saw, 0.0) == 0
    assert responded(s, 0, 2.0, saw, 0.0) == 1
    assert opened_until(s, 0) == 3.0
    assert [admits(s, 0, now) for now in (2.0, 2.5, 2.999)] == [0, 0, 0]


def test_a_probe_that_fails_again_and_again_waits_longer_and_longer() -> None:
    s = linkerd()
    now, pauses, periods = 0.0, [], []
    failing(s, 7, now)
    for _ in range(10):
        pauses.append(opened_until(s, 0) - now)
        now = opened_until(s, 0)
        assert (ready(s, 0, now - 0.001), ready(s, 0, now)) == (0, 1)
        periods.append(admits(s, 0, now))
        assert (admits(s, 0, now), ready(s, 0, now)) == (0, 0)  # one at a time
        now += 0.25
        assert responded(s, 0, now, SEEN_ERROR, 0.0) == 1
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    assert periods == list(range(2, 12))
    now = opened_until(s, 0)
    admits(s, 0, now)
    assert responded(s, 0, now, SEEN_OK, 0.0) == 2
    assert (s.state[0], admits(s, 0, now)) == (CLOSED, 1)
    failing(s, 7, now)
    assert opened_until(s, 0) == now + 1.0  # it has forgotten


def test_jitter_lengthens_by_up_to_half_but_not_beyond_the_longest() -> None:
    part = ConsecutiveBreaker(max_failures=1)
    assert (part.draws, ConsecutiveBreaker(jitter=0.0).draws) == (1, 0)
    s = part.state(1, 1, Lists())
    now, seen = 0.0, []
    for u in (0.0, 0.5, 0.999, 1 - 2**-53, 0.5, 0.999, 0.0, 0.999):
        responded(s, 0, now, SEEN_ERROR, u)
        seen.append(opened_until(s, 0) - now)
        now = opened_until(s, 0)
        admits(s, 0, now)
    expected = [1.0, 2.5, 4 * 1.4995, 12.0, 20.0, 32 * 1.4995, 60.0, 60.0]
    assert seen == pytest.approx(expected)


def test_answers_to_old_requests_are_ignored_while_it_is_open_and_count_after() -> None:
    s = linkerd()
    failing(s, 7, 0.0)
    assert [responded(s, 0, 0.5, saw, 0.0) for saw in (SEEN_OK, SEEN_ERROR)] == [0, 0]
    assert opened_until(s, 0) == 1.0
    # the pause is over, nobody has asked: the next answer decides, as in Linkerd
    assert responded(s, 0, 1.0, SEEN_ERROR, 0.0) == 1
    assert opened_until(s, 0) == 3.0
    assert responded(s, 0, 3.5, SEEN_OK, 0.0) == 2
    assert admits(s, 0, 3.5) == 1


def test_a_probe_that_nobody_took_does_not_add_up() -> None:
    s = linkerd()
    failing(s, 7, 0.0)
    assert responded(s, 0, 1.0, SEEN_ERROR, 0.0) == 1
    assert [admits(s, 0, 3.0) > 1, admits(s, 0, 3.0)] == [True, 0]


def test_a_cancelled_probe_can_be_had_again() -> None:
    s = linkerd()
    failing(s, 7, 0.0)
    probe = admits(s, 0, 1.0)
    assert (probe, ready(s, 0, 1.0)) == (2, 0)
    assert cancelled(s, 0, 1.1, probe) == 1
    assert (ready(s, 0, 1.1), admits(s, 0, 1.2), admits(s, 0, 1.2)) == (1, 2, 0)
    assert s.state[0] == HALF_OPEN


def test_only_a_probe_of_this_half_open_state_is_given_back() -> None:
    s = linkerd()
    passed = admits(s, 0, 0.0)
    failing(s, 7, 0.0)
    assert cancelled(s, 0, 0.5, passed) == 0
    assert s.state[0] == OPEN
    first = admits(s, 0, 1.0)
    assert cancelled(s, 0, 1.0, passed) == 0  # let in while it was closed: no probe
    assert ready(s, 0, 1.0) == 0
    failing(s, 1, 1.5)  # an old answer, while the probe is out
    second = admits(s, 0, 4.0)
    assert (first, second) == (2, 3)
    assert cancelled(s, 0, 4.0, first) == 0
    assert ready(s, 0, 4.0) == 0
    assert responded(s, 0, 4.0, SEEN_OK, 0.0) == 2
    assert cancelled(s, 0, 4.0, second) == 0
    assert (s.state[0], s.probes[0]) == (CLOSED, 0)


def test_ready_changes_nothing() -> None:
    s = linkerd()
    failing(s, 7, 0.0)
    before = [list(x) if isinstance(x, list) else x for x in s]
    assert [ready(s, 0, now) for now in (0.0, 1.0, 2.0)] == [0, 1, 1]
    assert before == [list(x) if isinstance(x, list) else x for x in s]


def test_breakers_of_endpoints_and_of_services() -> None:
    s = ConsecutiveBreaker().state(2, 3, Lists())
    assert [circuit_of(s, p, e) for p in range(2) for e in range(3)] == [0, 1, 2, 3, 4, 5]
    assert len(s.state) == 6
    s = FailureRateBreaker().state(2, 3, Lists())
    assert [circuit_of(s, p, e) for p in range(2) for e in range(3)] == [0, 0, 0, 1, 1, 1]
    assert len(s.state) == 2


# ---------------------------------------------------------------- resilience4j's rule


def rate(**fields: Any) -> Any:
    given = {"sliding_window_size": 10, "minimum_number_of_calls": 4, "wait_in_open": 5.0}
    return FailureRateBreaker(**{**given, "permitted_in_half_open": 3, **fields}).state(
        1, 1, Lists()
    )


def answers(s: Any, what: str, now: float) -> list[int]:
    return [responded(s, 0, now, SEEN_OK if c == "." else SEEN_ERROR, 0.0) for c in what]


def test_no_verdict_below_the_least_number_of_answers() -> None:
    s = rate()
    assert answers(s, "xxx", 0.0) == [0, 0, 0]
    assert answers(s, "x", 1.0) == [1]
    assert opened_until(s, 0) == 6.0


def test_the_threshold_itself_is_too_much() -> None:
    assert answers(rate(), "..xx", 0.0) == [0, 0, 0, 1]
    assert answers(rate(), "..x.x..", 0.0) == [0] * 7
    assert answers(rate(failure_rate_threshold=51.0), "..xx", 0.0) == [0] * 4


def test_the_window_slides_over_the_last_answers() -> None:
    s = rate()
    assert answers(s, "." * 10 + "xxxx", 0.0) == [0] * 14
    assert answers(s, "x", 0.0) == [1]
    s = rate()
    assert answers(s, "x......xxx", 0.0) == [0] * 10  # 4 of 10
    assert answers(s, "x", 0.0) == [0]  # the first x has left: still 4
    assert answers(s, "x", 0.0) == [1]


def test_a_window_smaller_than_the_minimum_is_enough() -> None:
    s = rate(sliding_window_size=2, minimum_number_of_calls=100)
    assert answers(s, ".x", 0.0) == [0, 1]


def test_half_open_lets_so_many_in_and_judges_them() -> None:
    s = rate()
    answers(s, "xxxx", 0.0)
    assert [admits(s, 0, now) for now in (0.0, 4.999, 5.0, 5.0, 5.0, 5.0)] == [0, 0, 2, 2, 2, 0]
    assert answers(s, ".x", 6.0) == [0, 0]
    assert answers(s, "x", 6.5) == [1]
    assert opened_until(s, 0) == 11.5  # no longer than the first time
    assert [admits(s, 0, 12.0) for _ in range(4)] == [3, 3, 3, 0]
    assert answers(s, ".x.", 13.0) == [0, 0, 2]
    assert answers(s, "xxx", 14.0) == [0, 0, 0]  # counted anew
    assert answers(s, "x", 14.0) == [1]


def test_it_is_half_open_when_asked_and_not_before_unless_automatic() -> None:
    s = rate()
    answers(s, "xxxx", 0.0)
    assert answers(s, "...", 9.0) == [0, 0, 0]
    assert s.state[0] == OPEN
    s = rate(automatic=True)
    answers(s, "xxxx", 0.0)
    assert answers(s, "...", 9.0) == [0, 0, 2]


def test_cancelled_probes_do_not_leave_it_stuck() -> None:
    s = rate()
    answers(s, "xxxx", 0.0)
    probes = [admits(s, 0, 5.0) for _ in range(3)]
    assert [cancelled(s, 0, 6.0, probe) for probe in probes] == [1, 1, 1]
    assert [admits(s, 0, 7.0) for _ in range(4)] == [2, 2, 2, 0]
    assert answers(s, "...", 8.0) == [0, 0, 2]


# ---------------------------------------------------------------- second accounts


class LinkerdBreaker:
    """Linkerd's failure accrual as a story: a list of answers since the last verdict."""

    def __init__(self, part: ConsecutiveBreaker) -> None:
        self.part = part
        self.mode = "open gate"  # Linkerd's words: the gate is open while the breaker is closed
        self.row: list[bool] = []
        self.sleep_until = 0.0
        self.backoffs = 0
        self.permits: set[int] = set()
        self.episode = 1

    def look(self, now: float) -> None:
        if self.mode == "shut gate" and now >= self.sleep_until:
            self.mode, self.episode = "probation", self.episode + 1
            self.permits = {1}

    def shut(self, now: float, u: float) -> None:
        part = self.part
        base = min(part.min_penalty * 2**self.backoffs, part.max_penalty)
        self.sleep_until = now + min(base + u * part.jitter * base, part.max_penalty)
        self.backoffs += 1
        self.mode, self.row = "shut gate", []

    def ask(self, now: float) -> int:
        self.look(now)
        if self.mode == "open gate":
            return 1
        if self.mode == "probation" and self.permits:
            self.permits.clear()
            return self.episode
        return 0

    def answer(self, now: float, ok: bool, u: float) -> int:
        self.look(now)
        if self.mode == "open gate":
            self.row = [] if ok else [*self.row, False]
            if len(self.row) == self.part.max_failures:
                self.shut(now, u)
                return 1
        elif self.mode == "probation":
            if ok:
                self.mode, self.row, self.backoffs = "open gate", [], 0
                return 2
            self.shut(now, u)
            return 1
        return 0

    def cancel(self, now: float, passed: int) -> int:
        if self.mode == "probation" and passed == self.episode:
            self.permits = {1}
            return 1
        return 0


class RateBreaker:
    """resilience4j's breaker: state objects that are replaced, a bounded queue of outcomes."""

    def __init__(self, part: FailureRateBreaker) -> None:
        self.part = part
        self.mode = "CLOSED"
        self.outcomes: deque[bool] = deque(maxlen=part.sliding_window_size)
        self.retry_after = 0.0
        self.permitted = 0
        self.episode = 1

    def half_open(self) -> None:
        self.mode, self.episode = "HALF_OPEN", self.episode + 1
        self.permitted = self.part.permitted_in_half_open
        self.outcomes = deque(maxlen=self.permitted)

    def ask(self, now: float) -> int:
        if self.mode == "OPEN" and now >= self.retry_after:
            self.half_open()
        if self.mode == "HALF_OPEN" and self.permitted:
            self.permitted -= 1
            return self.episode
        return int(self.mode == "CLOSED")

    def answer(self, now: float, ok: bool, u: float) -> int:
        part = self.part
        if self.mode == "OPEN":
            if not part.automatic or now < self.retry_after:
                return 0
            self.half_open()
        self.outcomes.append(ok)
        size = self.outcomes.maxlen
        assert size is not None
        if len(self.outcomes) < min(part.minimum_number_of_calls, size):
            return 0
        if 100 * self.outcomes.count(False) / len(self.outcomes) >= part.failure_rate_threshold:
            self.mode, self.retry_after = "OPEN", now + part.wait_in_open
            return 1
        if self.mode == "HALF_OPEN":
            self.mode = "CLOSED"
            self.outcomes = deque(maxlen=part.sliding_window_size)
            return 2
        return 0

    def cancel(self, now: float, passed: int) -> int:
        if self.mode == "HALF_OPEN" and passed == self.episode:
            self.permitted += 1
            return 1
        return 0


PARTS: list[Breaker] = [
    ConsecutiveBreaker(max_failures=4),
    ConsecutiveBreaker(max_failures=3, min_penalty=0.3, max_penalty=5.0, jitter=2.0),
    FailureRateBreaker(
        sliding_window_size=12,
        minimum_number_of_calls=6,
        wait_in_open=1.5,
        permitted_in_half_open=4,
        failure_rate_threshold=40.0,
    ),
    FailureRateBreaker(
        sliding_window_size=5,
        minimum_number_of_calls=3,
        wait_in_open=1.0,
        permitted_in_half_open=8,
        automatic=True,
    ),
]


def account(part: Breaker) -> LinkerdBreaker | RateBreaker:
    if isinstance(part, ConsecutiveBreaker):
        return LinkerdBreaker(part)
    assert isinstance(part, FailureRateBreaker)
    return RateBreaker(part)


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_second_account_tells_the_same(part: Breaker, seed: int) -> None:
    rng = np.random.default_rng(seed)
    s, other = part.state(1, 1, Lists()), account(part)
    now = 0.0
    out: list[int] = []
    happened: dict[Any, int] = {0: 0, 1: 0, 2: 0, "probes": 0, "cancelled probes": 0}
    for step in range(8000):
        now += float(rng.exponential(0.05))
        assert ready(s, 0, now) == (admits_would(other, now))
        if not out or rng.random() < 0.45:
            passed = admits(s, 0, now)
            assert passed == other.ask(now)
            happened["probes"] += passed > 1
            if passed:
                out.append(passed)
            continue
        passed = out.pop(int(rng.integers(len(out))))
        if rng.random() < (0.4 if passed > 1 else 0.1):
            back = cancelled(s, 0, now, passed)
            assert back == other.cancel(now, passed)
            happened["cancelled probes"] += back
        else:
            bad, u = rng.random() < (0.8 if (step // 400) % 2 else 0.15), float(rng.random())
            came = responded(s, 0, now, SEEN_ERROR if bad else SEEN_OK, u)
            assert came == other.answer(now, not bad, u)
            happened[came] += 1
    assert all(count >= 10 for count in happened.values()), happened


def admits_would(other: LinkerdBreaker | RateBreaker, now: float) -> int:
    """Whether the account would let one in, read from its fields."""
    if isinstance(other, LinkerdBreaker):
        if other.mode == "shut gate":
            return int(now >= other.sleep_until)
        return int(other.mode == "open gate" or bool(other.permits))
    if other.mode == "OPEN":
        return int(now >= other.retry_after)
    return int(other.mode == "CLOSED" or other.permitted > 0)


# ---------------------------------------------------------------- compiled


def drive(s: Any, draws: Any, log: Any, passes: Any) -> None:
    """Ask, answer and cancel as the draws say, on four endpoints of two proxies."""
    now = 0.0
    for i in range(len(draws)):
        now += draws[i][0] * 0.1
        at = circuit_of(s, int(draws[i][1] * 2), int(draws[i][2] * 4))
        if draws[i][3] < 0.45:
            passes[at] = admits(s, at, now)
            log[i] = passes[at] + ready(s, at, now) / 2.0
        elif draws[i][3] < 0.9:
            bad = 0 if draws[i][4] < 0.4 else 1
            log[i] = responded(s, at, now, bad, draws[i][5]) + opened_until(s, at)
        else:
            log[i] = cancelled(s, at, now, passes[at])


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
def test_lists_arrays_and_compiled_code_agree(part: Breaker) -> None:
    numba = pytest.importorskip("numba")
    from tests.rule_compiled import OPTIONS, register

    register()
    draws = np.random.default_rng(1).random((6000, 6))
    plain, arrays, compiled = (part.state(2, 4, make) for make in (Lists(), Arrays(), Arrays()))
    logs = [np.zeros(len(draws)) for _ in range(3)]
    drive(plain, draws.tolist(), logs[0], [0] * 8)
    drive(arrays, draws, logs[1], np.zeros(8, np.int64))
    numba.njit(**OPTIONS)(drive)(compiled, draws, logs[2], np.zeros(8, np.int64))
    assert max(plain.period) > 20
    for log in logs[1:]:
        assert log.tolist() == logs[0].tolist()
    for name, value in plain._asdict().items():
        for other in (arrays, compiled):
            again = getattr(other, name)
            assert (again.tolist() if isinstance(value, list) else again) == value, name


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kind", "fields", "named", "says"),
    [
        (ConsecutiveBreaker, {"max_failures": 0}, "max_failures", "1"),
        (ConsecutiveBreaker, {"min_penalty": 0.0}, "min_penalty", "above 0"),
        (ConsecutiveBreaker, {"max_penalty": 0.5}, "max_penalty", "at least min_penalty"),
        (ConsecutiveBreaker, {"jitter": -0.1}, "jitter", "0"),
        (ConsecutiveBreaker, {"jitter": 101.0}, "jitter", "100"),
        (ConsecutiveBreaker, {"per": "zone"}, "per", "endpoint"),
        (FailureRateBreaker, {"failure_rate_threshold": 0.0}, "failure_rate_threshold", "above 0"),
        (FailureRateBreaker, {"failure_rate_threshold": 101.0}, "failure_rate_threshold", "100"),
        (FailureRateBreaker, {"sliding_window_size": 0}, "sliding_window_size", "1"),
        (FailureRateBreaker, {"wait_in_open": 0.0}, "wait_in_open", "above 0"),
        (FailureRateBreaker, {"permitted_in_half_open": 0}, "permitted_in_half_open", "1"),
    ],
)
def test_bad_input_is_refused(
    kind: type[Breaker], fields: dict[str, Any], named: str, says: str
) -> None:
    with pytest.raises(PartError) as refused:
        kind(**fields)
    assert refused.value.field == named
    assert says in refused.value.problem
