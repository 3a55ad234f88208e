"""Load shedding: worked cases of CoDel, adaptive concurrency, throttling, admission, priorities."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mesh_lab.balancing.rule import Lists
from mesh_lab.errors import PartError
from mesh_lab.shedding import (
    AdaptiveConcurrency,
    AdmissionControl,
    AimdLimit,
    ClientThrottling,
    CoDel,
    ConcurrencyLimit,
    Gradient2Limit,
    Shedder,
    VegasLimit,
)
from mesh_lab.shedding.percentile import percentile

# --- CoDel ---


def codel(
    waits: Sequence[tuple[float, float]], waiting: int = 10_000, **fields: Any
) -> list[float]:
    """Take one request after another, at (time, wait), and return when one was dropped."""
    s = CoDel(**fields).state(1, Lists())
    for _ in range(waiting):
        s.admits(s, 0, 0.0, 0.0, 0)
    return [now for now, waited in waits if s.began(s, 0, now, waited)]


def every(
    step: float, until: float, waited: float, start: float = 0.0
) -> list[tuple[float, float]]:
    return [(start + k * step, waited) for k in range(round((until - start) / step) + 1)]


def test_codel_drops_at_the_times_of_the_control_law() -> None:
    """Above the target from 0 on: the first after an interval, then interval / sqrt(count) apart.

    A request is taken each 10 us, so each drop is at most that late, and lateness does not add up.
    """
    drops = codel(every(1e-5, 1.0, 0.02), waiting=200_000)
    due, expected = 0.1, [0.1]
    for count in range(1, len(drops)):
        due += 0.1 / math.sqrt(count)
        expected.append(due)
    assert drops == pytest.approx(expected, abs=1.1e-5)
    assert all(drop >= due - 1e-9 for drop, due in zip(drops, expected, strict=True))
    assert [round(1000 * t) for t in drops[:6]] == [100, 200, 271, 328, 378, 423]
    assert len(drops) == 27  # 100 / sqrt(k) ms add up to 885 over k <= 26, to 904 over 27


def test_codel_needs_a_whole_interval_above_the_target() -> None:
    high = every(0.01, 0.09, 0.02)
    assert codel([*high, (0.0999, 0.02)]) == []
    assert codel([*high, (0.1, 0.02)]) == [0.1]
    # at exactly the target it is too long; a moment below, and the interval begins anew
    assert codel([(now, 0.005) for now, _ in high] + [(0.1, 0.005)]) == [0.1]
    broken = [*every(0.01, 0.08, 0.02), (0.09, 0.0049)]
    assert codel([*broken, *every(0.01, 0.19, 0.02, start=0.10)]) == []
    assert codel([*broken, *every(0.01, 0.20, 0.02, start=0.10)]) == [pytest.approx(0.2)]


def test_one_wait_below_the_target_ends_dropping() -> None:
    high = every(0.01, 0.15, 0.02)
    # the drop due at 0.2 is not made, and it takes an interval again
    after = [(0.16, 0.001), *every(0.01, 0.40, 0.02, start=0.17)]
    assert codel([*high, *after]) == pytest.approx([0.1, 0.27, 0.37])


def again_after(pause: float) -> list[float]:
    """Return when drops are made in a second overload, `pause` after the first has ended.

    In the first, drops are due at 0.1, 0.2, 0.2707, 0.3284, 0.3784 and 0.4232, so count is 5 when
    it ends at 0.4.
    """
    s = CoDel().state(1, Lists())
    for _ in range(10_000):
        s.admits(s, 0, 0.0, 0.0, 0)
    first = [k for k in range(400) if s.began(s, 0, k / 1000, 0.02)]
    assert first == [100, 200, 271, 329, 379]
    assert (s.count[0], s.count_then[0]) == (5, 1)
    assert not s.began(s, 0, 0.4, 0.0)
    assert s.drop_next[0] == pytest.approx(0.1 + sum(0.1 / math.sqrt(k) for k in range(1, 6)))
    start = 0.4 + pause
    return [k / 1000 for k in range(300) if s.began(s, 0, start + k / 1000, 0.02)]


def test_dropping_that_begins_again_soon_begins_at_the_rate_it_had() -> None:
    # 5 - 1 = 4 drops were added: 0.1 / sqrt(4), then / sqrt(5), / sqrt(6), ...
    assert again_after(0.1) == pytest.approx([0.1, 0.15, 0.195, 0.236, 0.274], abs=1e-9)
    # the last drop was due at 0.4232; 16 intervals after is 2.0232, and it begins an interval
    # after the overload: soon enough at 2.0230, not at 2.0240
    assert again_after(1.523)[:3] == pytest.approx([0.1, 0.15, 0.195], abs=1e-9)
    assert again_after(1.524) == pytest.approx([0.1, 0.2, 0.271], abs=1e-9)


def test_a_drop_that_ends_it_leaves_the_next_one_where_it_was() -> None:
    """The request after a drop has waited little: no further drop is scheduled.

    So 16 intervals count from 0.3784, when the last drop was due, and not from 0.4232.
    """
    for pause, second in [(1.498, 0.15), (1.501, 0.2)]:
        s = CoDel().state(1, Lists())
        for _ in range(10_000):
            s.admits(s, 0, 0.0, 0.0, 0)
        assert [k for k in range(380) if s.began(s, 0, k / 1000, 0.02)][-1] == 379
        assert not s.began(s, 0, 0.379, 0.0)
        assert s.drop_next[0] == pytest.approx(0.3784457)
        start = 0.379 + pause
        drops = [k / 1000 for k in range(210) if s.began(s, 0, start + k / 1000, 0.02)]
        assert drops[:2] == pytest.approx([0.1, second])


def test_the_second_time_counts_only_what_was_added() -> None:
    """count - lastcount (RFC 8289; Linux): after a short relapse the memory is short too."""
    s = CoDel().state(1, Lists())
    for _ in range(10_000):
        s.admits(s, 0, 0.0, 0.0, 0)
    for k in range(400):
        s.began(s, 0, k / 1000, 0.02)
    s.began(s, 0, 0.4, 0.0)
    assert [k for k in range(410, 540) if s.began(s, 0, k / 1000, 0.02)] == [510]
    assert (s.count[0], s.count_then[0]) == (4, 4)
    s.began(s, 0, 0.54, 0.0)
    assert [k for k in range(550, 800) if s.began(s, 0, k / 1000, 0.02)] == [650, 750]


def test_a_late_drop_is_caught_up_with() -> None:
    """After a time without anybody taken, several drops are due: one request after the other."""
    s = CoDel().state(1, Lists())
    for _ in range(100):
        s.admits(s, 0, 0.0, 0.0, 0)
    assert [s.began(s, 0, now, 1.0) for now in (0.0, 0.1)] == [0, 1]  # the next is due at 0.2
    # due by 0.45: 0.2, 0.2707, 0.3284, 0.3784, 0.4232; not 0.4640
    assert [s.began(s, 0, 0.45, 1.0) for _ in range(7)] == [1, 1, 1, 1, 1, 0, 0]
    # of several that are due, the first short wait spares itself and ends it
    assert [s.began(s, 0, 0.6, w) for w in (1.0, 1.0, 0.001, 1.0)] == [1, 1, 0, 0]


def test_a_short_queue_is_spared() -> None:
    for spare in (0, 1, 3):
        s = CoDel(spare=spare).state(1, Lists())
        for _ in range(8):
            s.admits(s, 0, 0.0, 0.0, 0)
        # all wait long, one is taken each 2 intervals: dropped from the second on, while more
        # than `spare` are left behind
        got = [s.began(s, 0, 0.2 * k, 1.0) for k in range(8)]
        assert got == [0] + [1] * (6 - spare) + [0] * (1 + spare)


def test_who_gives_up_waits_no_more() -> None:
    s = CoDel(spare=0).state(1, Lists())
    for _ in range(4):
        s.admits(s, 0, 0.0, 0.0, 0)
    assert s.began(s, 0, 0.0, 1.0) == 0
    s.gone(s, 0, 0.1, 1)  # the one in service: as many wait as before
    assert s.waiting[0] == 3
    s.gone(s, 0, 0.1, 0)
    assert s.waiting[0] == 2
    assert [s.began(s, 0, now, 1.0) for now in (0.2, 0.4)] == [1, 0]


# --- adaptive concurrency ---


class Line:
    """A concurrency limit driven by hand: `fill` takes all the room, `answer` answers one."""

    def __init__(self, rule: Shedder, u: float = 0.5) -> None:
        self.s, self.u = rule.state(1, Lists()), u

    def fill(self, now: float, most: int = 10_000, priority: int = 0) -> int:
        n = 0
        while n < most and self.s.admits(self.s, 0, now, self.u, priority):
            n += 1
        return n

    def answer(self, now: float, latency: float, ok: int = 1, times: int = 1) -> None:
        for _ in range(times):
            self.s.ended(self.s, 0, now, latency, ok)

    def gone(self, now: float) -> None:
        self.s.gone(self.s, 0, now, 1)

    @property
    def limit(self) -> int:
        return int(self.s.limit[0])


def measured(**fields: Any) -> Line:
    """Return a controller that measured a minRTT of 10 ms at 0.01, with nothing in flight."""
    given = {"request_count": 3, "update_interval": 0.1, "min_rtt_interval": 10.0, **fields}
    line = Line(AdaptiveConcurrency(**given))
    assert line.fill(0.0, most=3) == 3
    line.answer(0.01, 0.01, times=3)
    assert line.s.min_rtt[0] == 0.01
    assert line.s.put_by[0] == 0
    return line


def test_it_is_pinned_to_the_minimum_until_enough_were_answered() -> None:
    line = Line(AdaptiveConcurrency(request_count=5, min_concurrency=2))
    assert line.fill(0.0) == 2
    line.answer(0.010, 0.010)
    line.gone(0.020)  # cancelled: room for one, but no sample
    assert line.fill(0.020) == 2
    line.answer(0.030, 0.010, times=2)
    assert line.fill(0.030) == 2
    line.answer(0.070, 0.040)
    assert line.s.put_by[0] == 2
    assert line.s.seen[0] == 4
    line.answer(0.080, 0.050, ok=0)  # a bad answer is a sample as well
    assert line.s.put_by[0] == 0
    assert line.s.min_rtt[0] == 0.010  # the median of 10, 10, 10, 40, 50
    assert line.s.measure_at[0] == pytest.approx(0.080 + 60.0 * (1 + 0.15 * 0.5))


def test_the_limit_follows_the_gradient_with_headroom() -> None:
    """Windows end at 0.11, 0.21, ...: 0.1 after the measurement ended, and each 0.1 after."""
    line = measured()
    window = 0.01
    for latency, expected in [
        (0.0125, 4),  # 12.5 / 12.5 = 1: 3 + sqrt(3) = 4.73
        (0.0125, 6),  # 4 + 2
        (0.005, 15),  # at most twice: 12 + sqrt(12) = 15.46
        (0.025, 10),  # half: 7.5 + sqrt(7.5) = 10.24
        (1.0, 7),  # at least half: 5 + sqrt(5) = 7.24
        (0.020, 6),  # 0.625: 4.375 + 2.09
    ]:
        now = window + 0.05
        assert line.fill(now, most=3) == 3
        line.answer(now, latency if latency < 0.05 else now - 0.01, times=3)
        window += 0.1
        line.fill(window - 1e-6, most=1)
        line.gone(window - 1e-6)
        before = line.limit
        line.fill(window, most=1)
        line.gone(window)
        assert line.limit == expected, f"after {latency}, from {before}"


def test_a_window_without_samples_moves_nothing() -> None:
    line = measured()
    line.fill(0.05, most=3)
    line.answer(0.06, 0.01, times=3)
    line.fill(0.11, most=1)
    moved = line.limit
    assert moved == 5  # 3 * 1.25 + sqrt(3.75) = 5.69
    line.fill(5.0, most=1)
    assert line.limit == moved
    line.answer(5.05, 0.01)  # in the window from 5.01 to 5.11
    line.gone(5.10)
    assert line.limit == moved
    line.fill(5.11, most=1)
    assert line.limit == 8  # 5 * 1.25 + sqrt(6.25) = 8.75


def test_each_window_counts_by_itself_though_nobody_asks_between() -> None:
    """Samples of one window are judged at its end, also when the next call comes much later."""
    line = measured(min_rtt_interval=0.45, jitter=0.0)  # windows end at .11, .21 ..., pause at .46
    line.fill(0.02, most=3)
    line.answer(0.05, 0.01)
    line.answer(0.15, 0.1)
    assert line.limit == 5
    line.answer(0.25, 0.2)
    assert line.limit == 4  # half of 5: 2.5 + 1.58
    line.fill(0.455, most=1)
    assert line.limit == 3  # 2 + sqrt(2), at 0.31
    line.fill(0.5, most=1)
    assert line.s.epoch[0] == pytest.approx(0.46)
    assert line.s.put_by[0] == 3


def test_measuring_puts_the_limit_by_and_restores_it() -> None:
    line = measured(min_rtt_interval=1.0, jitter=0.1)
    assert line.s.measure_at[0] == pytest.approx(0.01 + 1.0 * 1.05)
    for k in range(3):
        line.fill(0.02 + 0.1 * k, most=1)
        line.answer(0.03 + 0.1 * k, 0.01)
    assert line.fill(0.5) == 13  # 5.69, 8.75, 13.16
    line.answer(1.059, 0.9)  # in the last window
    assert line.fill(1.0599) == 1
    # at 1.06 it begins: pinned to 3, of which 13 are in flight
    assert line.fill(1.06) == 0
    assert (line.s.put_by[0], line.limit, line.s.seen[0]) == (13, 3, 0)
    # those of before say nothing, also the one let in just before
    line.answer(1.1, 0.6, times=12)
    line.answer(1.1, 1.1 - 1.0599)
    assert line.s.seen[0] == 0
    assert line.fill(1.1) == 3
    line.answer(1.12, 0.02, times=3)
    assert (line.s.put_by[0], line.limit, line.s.min_rtt[0]) == (0, 13, 0.02)


def test_a_request_let_in_at_the_very_beginning_of_measuring_counts() -> None:
    line = measured(min_rtt_interval=0.3, jitter=0.0)
    begin = line.s.measure_at[0]
    assert line.fill(begin, most=3) == 3
    for now in (0.37, 0.38):
        line.answer(now, now - begin)
    assert line.s.seen[0] == 2


def test_five_windows_at_the_minimum_measure_again() -> None:
    line = measured(min_rtt_interval=1000.0)
    for k in range(5):
        assert line.limit == 3
        line.fill(0.02 + 0.1 * k, most=1)
        line.answer(0.10 + 0.1 * k, 0.08)
    assert line.s.at_minimum[0] == 4  # the fifth window has not ended: 0.51
    assert line.s.put_by[0] == 0
    line.fill(0.512, most=1)
    assert line.s.put_by[0] == 3
    assert line.s.epoch[0] == pytest.approx(0.51)
    line.answer(0.53, 0.018)
    line.fill(0.53, most=2)
    line.answer(0.55, 0.02, times=2)
    assert line.s.min_rtt[0] == 0.02


def test_windows_at_the_minimum_must_follow_each_other() -> None:
    line = measured(min_rtt_interval=1000.0)
    for k, latency in enumerate([0.08, 0.08, 0.08, 0.08, 0.011, 0.08, 0.08, 0.08, 0.08]):
        line.fill(0.02 + 0.1 * k, most=1)
        line.answer(0.10 + 0.1 * k, latency)
    line.fill(0.915, most=1)
    # the fifth made it 3 * 1.136 + 1.85 = 5, the sixth 4, the seventh 3, which does not count yet
    assert line.limit == 3
    assert line.s.at_minimum[0] == 2
    assert line.s.put_by[0] == 0


def test_the_limit_stays_within_its_bounds() -> None:
    line = measured(max_limit=10)
    for k in range(20):
        line.fill(0.02 + 0.1 * k, most=1)
        line.answer(0.03 + 0.1 * k, 0.001)
    assert line.fill(2.1) == 10


def test_only_the_latest_samples_are_kept() -> None:
    line = measured(samples=4)
    for latency in (0.001, 0.002, 0.003, 0.02, 0.02, 0.02, 0.02):
        line.fill(0.05, most=1)
        line.answer(0.05, latency)
    line.fill(0.11, most=1)
    assert line.limit == 3  # 0.625: 1.875 + 1.37 = 3.24; with the quick ones it would grow


def test_percentiles_are_observed_values() -> None:
    rng = random.Random(1)
    for n in (1, 2, 3, 10, 99, 100, 1000):
        values = [round(rng.random(), rng.choice((1, 15))) for _ in range(n)]
        for q in (0.001, 0.07, 0.5, 0.9, 0.99, 1.0):
            for order in (values, sorted(values), sorted(values, reverse=True), [0.5] * n):
                kept = [-1.0, *order, 9.0]
                want = next(x for x in sorted(order) if sum(y <= x for y in order) >= q * n - 1e-9)
                assert percentile(kept, 1, n, q) == want
                assert sorted(kept) == sorted([-1.0, *order, 9.0])


# --- limits that do not move, and classes ---


def test_a_fixed_limit_counts_what_is_in_flight() -> None:
    line = Line(ConcurrencyLimit(limit=3))
    assert [line.fill(0.0), line.fill(1.0)] == [3, 0]
    line.answer(1.0, 1.0, ok=0)
    line.gone(1.0)
    assert line.fill(1.0) == 2


@pytest.mark.parametrize(
    "rule",
    [
        ConcurrencyLimit(limit=20, shares=(1.0, 0.5, 0.1)),
        AimdLimit(shares=(1.0, 0.5, 0.1)),
        VegasLimit(shares=(1.0, 0.5, 0.1)),
        Gradient2Limit(shares=(1.0, 0.5, 0.1)),
        AdaptiveConcurrency(min_concurrency=20, shares=(1.0, 0.5, 0.1)),
    ],
    ids=str,
)
def test_lower_classes_are_refused_earlier(rule: Shedder) -> None:
    line = Line(rule)
    assert [line.fill(0.0, priority=p) for p in (2, 1, 2, 0, 1)] == [2, 8, 0, 10, 0]
    line.gone(0.0)
    assert [line.fill(0.0, priority=p) for p in (9, 1, -5)] == [0, 0, 1]


def test_a_share_is_not_rounded_down_by_accident() -> None:
    assert 0.29 * 100 < 29
    for rule in (
        ConcurrencyLimit(limit=100, shares=(1.0, 0.29)),
        AdaptiveConcurrency(min_concurrency=100, shares=(1.0, 0.29)),
    ):
        assert Line(rule).fill(0.0, priority=1) == 29


# --- client-side throttling ---


def test_a_client_refuses_what_the_formula_says() -> None:
    s = ClientThrottling(k=2.0).state(1, Lists())
    assert [s.admits(s, 0, 0.0, 0.0, 0) for _ in range(1)] == [1]  # 0 of 0: nothing is refused
    for _ in range(9):
        s.admits(s, 0, 0.0, 0.999, 0)
    for _ in range(4):
        s.ended(s, 0, 0.0, 0.0, 1)
    for _ in range(6):
        s.ended(s, 0, 0.0, 0.0, 0)
    # (10 - 8) / 11 = 0.1818; then of 11, (11 - 8) / 12 = 0.25 though it was refused
    assert s.admits(s, 0, 1.0, 0.1818, 0) == 0
    assert s.admits(s, 0, 1.0, 0.2499, 0) == 0
    assert s.admits(s, 0, 1.0, 4 / 13 + 1e-9, 0) == 1
    s.ended(s, 0, 1.0, 0.0, 1)
    assert (s.all_tried[0], s.all_good[0]) == (13, 5)
    s.gone(s, 0, 1.0, 1) if hasattr(s, "gone") else None
    assert (s.all_tried[0], s.all_good[0]) == (13, 5)


def test_with_k_of_two_nothing_is_refused_while_half_is_accepted() -> None:
    s = ClientThrottling(k=2.0).state(1, Lists())
    for i in range(100):
        assert s.admits(s, 0, i / 10, 0.0, 0)  # even for a draw of 0
        s.ended(s, 0, i / 10, 0.0, 1 - i % 2)


def test_two_minutes_later_all_is_forgotten() -> None:
    s = ClientThrottling().state(1, Lists())
    for i in range(100):
        s.admits(s, 0, 0.5 + 0.01 * i, 0.99999, 0)
    # one bucket began at 0.5; at 1.5 a second would
    assert s.used[0] == 1
    assert s.admits(s, 0, 120.49, 0.99, 0) == 0  # 100 / 101
    assert s.admits(s, 0, 120.5, 0.51, 0) == 1  # 1 / 2
    assert s.all_tried[0] == 2  # this one, and that of 120.49


def test_throttling_settles_at_k_times_what_the_backend_accepts() -> None:
    """A backend that accepts 10 a second of 100: about 20 a second are let through (the book).

    The mean over 400 s after 120; requests come evenly, refusals by chance: the standard deviation
    of 8000 is below 90, so the band of 4 % is 3.5 of them.
    """
    s = ClientThrottling().state(1, Lists())
    rng = random.Random(1)
    sent, second, taken = 0, -1, 0
    for i in range(52_000):
        now = i / 100
        if int(now) != second:
            second, taken = int(now), 0
        if s.admits(s, 0, now, rng.random(), 0):
            taken += 1
            sent += now >= 120
            s.ended(s, 0, now, 0.0, int(taken <= 10))
    assert sent == pytest.approx(400 * 20, rel=0.04)


# --- admission control ---


def filled(good: int, bad: int, **fields: Any) -> Any:
    s = AdmissionControl(**fields).state(1, Lists())
    for _ in range(good):
        s.ended(s, 0, 0.0, 0.0, 1)
    for _ in range(bad):
        s.ended(s, 0, 0.0, 0.0, 0)
    return s


def chance(s: Any, now: float = 0.5) -> float:
    """Return the share of 10 000 evenly spread draws that are refused."""
    return sum(not s.admits(s, 0, now, (k + 0.5) / 10_000, 0) for k in range(10_000)) / 10_000


def steps(p: float) -> float:
    """Return a probability rounded up to a ten-thousandth, as Envoy draws it."""
    return math.ceil(10_000 * p) / 10_000


def test_admission_refuses_what_envoys_formula_says() -> None:
    assert chance(filled(0, 0)) == 0.0
    assert chance(filled(95, 5)) == 0.0  # at the threshold
    assert chance(filled(94, 6)) == steps((100 - 94 / 0.95) / 101) == 0.0105
    assert chance(filled(50, 50)) == steps((100 - 50 / 0.95) / 101)
    assert chance(filled(0, 1)) == 0.5
    assert chance(filled(0, 1000)) == 0.8  # no more than that
    assert chance(filled(0, 1000, max_rejection=1.0)) == steps(1000 / 1001)
    assert chance(filled(50, 50, threshold=0.5)) == 0.0
    want = ((100 - 50 / 0.95) / 101) ** 0.5
    assert chance(filled(50, 50, aggression=2.0)) == steps(want)


def test_what_admission_refuses_does_not_count() -> None:
    s = filled(0, 4)
    assert [s.admits(s, 0, 0.1, 0.1, 0) for _ in range(3)] == [0, 0, 0]
    assert s.all_tried[0] == 4


def test_below_the_rate_admission_refuses_nothing() -> None:
    # 100 in a window of 30 s are 3 a second, rounded down
    assert chance(filled(0, 100, rps_threshold=3)) == 0.8
    assert chance(filled(0, 100, rps_threshold=4)) == 0.0
    assert chance(filled(0, 119, rps_threshold=4)) == 0.0
    assert chance(filled(0, 120, rps_threshold=4)) == 0.8


def test_the_rate_is_over_all_that_is_kept_before_the_old_is_forgotten() -> None:
    s = AdmissionControl(rps_threshold=4).state(1, Lists())
    s.ended(s, 0, 0.0, 0.0, 0)
    for _ in range(119):
        s.ended(s, 0, 20.0, 0.0, 0)
    assert s.admits(s, 0, 29.9, 0.1, 0) == 0  # 120 in 30 s
    assert s.admits(s, 0, 31.5, 0.1, 0) == 1  # 120 in 31 s, which is 3 a second


def test_admission_forgets_in_buckets_of_a_second() -> None:
    s = AdmissionControl().state(1, Lists())
    for now in (0.2, 0.9, 1.1, 1.2, 3.0):  # buckets from 0.2, 1.2, 3.0
        s.ended(s, 0, now, 0.0, 0)
    seen = []
    for now in (30.1, 30.2, 31.1, 31.2, 32.9, 33.0):
        s.admits(s, 0, now, 0.9999, 0)
        seen.append(s.all_tried[0])
    assert seen == [5, 2, 2, 1, 1, 0]


# --- Netflix's limits ---


def test_aimd_adds_one_while_half_is_used_and_multiplies_on_an_error() -> None:
    line = Line(AimdLimit(initial_limit=50, min_limit=20, max_limit=52, timeout=1.0))
    s = line.s
    limits = []
    assert line.fill(0.0, most=25) == 25
    line.answer(0.0, 0.5)  # 25 of 50 is half
    limits.append(s.estimate[0])
    line.answer(0.0, 0.5)  # 24 of 51 is less
    limits.append(s.estimate[0])
    line.fill(0.0)
    line.answer(0.0, 1.0, times=3)  # at the timeout it is no error; 52 at most
    limits.append(s.estimate[0])
    line.answer(0.0, 1.001)  # int(46.8)
    limits.append(s.estimate[0])
    line.answer(0.0, 0.1, ok=0)  # int(41.4)
    limits.append(s.estimate[0])
    line.gone(0.0)
    limits.append(s.estimate[0])
    line.answer(0.0, 0.1, ok=0, times=20)
    limits.append(s.estimate[0])
    assert limits == [51, 51, 52, 46, 41, 41, 20]


def test_vegas_moves_by_the_queue() -> None:
    """At a limit of 100, log10 is 2: at most 2 waiting +12, below 6 +2, above 12 -2."""
    for latency, ok, expected in [
        (0.0100, 1, 112.0),
        (0.0102, 1, 112.0),  # ceil(1.96) = 2
        (0.0103, 1, 102.0),  # 3
        (0.0105, 1, 102.0),  # ceil(4.76) = 5
        (0.0106, 1, 100.0),  # 6
        (0.0113, 1, 100.0),  # 12
        (0.0114, 1, 98.0),  # 13
        (0.0100, 0, 98.0),
    ]:
        line = Line(VegasLimit(initial_limit=100))
        line.fill(0.0)
        line.answer(0.0, 0.0100)  # the first only sets rtt0
        assert (line.s.estimate[0], line.s.rtt0[0]) == (100.0, 0.01)
        line.answer(0.0, latency, ok)
        assert line.s.estimate[0] == expected, latency


def test_vegas_takes_a_quicker_answer_for_the_least_and_leaves_a_half_used_limit() -> None:
    line = Line(VegasLimit(initial_limit=100))
    line.fill(0.0)
    line.answer(0.0, 0.0100)
    line.answer(0.0, 0.0090)
    assert (line.s.estimate[0], line.s.rtt0[0]) == (100.0, 0.009)
    for _ in range(49):
        line.gone(0.0)
    line.answer(0.0, 0.0090)  # 49 of 100
    assert line.s.estimate[0] == 100.0
    line.answer(0.0, 0.0090, ok=0)
    assert line.s.estimate[0] == 98.0
    assert line.s.in_flight[0] == 47


def test_vegas_measures_the_least_anew_now_and_then() -> None:
    """After (0.5 + u / 2) * probe * limit answers, 0.75 * 2 * 20 = 30 here."""
    line = Line(VegasLimit(initial_limit=20, max_limit=20, probe=2))
    for _ in range(29):
        line.fill(0.0)
        line.answer(0.0, 0.010)
    assert line.s.answers[0] == 29
    line.fill(0.0)
    line.answer(0.0, 0.050)
    assert (line.s.rtt0[0], line.s.answers[0], line.s.estimate[0]) == (0.05, 0, 20.0)


def test_gradient2_by_hand() -> None:
    line = Line(Gradient2Limit(initial_limit=100, min_limit=20, max_limit=200, long_window=9))
    s = line.s
    for _ in range(10):
        line.fill(0.0)
        line.answer(0.0, 0.1)
    # each answer as the average: 0.8 L + 0.2 (L + 4) = L + 0.8
    assert s.estimate[0] == pytest.approx(108.0)
    line.fill(0.0)
    line.answer(0.0, 0.6)  # the average: 0.8 * 0.1 + 0.2 * 0.6 = 0.2; gradient 1.5 * 0.2 / 0.6
    assert s.long[0] == pytest.approx(0.2)
    assert s.estimate[0] == pytest.approx(0.8 * 108 + 0.2 * (54 + 4))
    line.fill(0.0)
    line.answer(0.0, 0.01)  # 0.162 is more than twice 0.01: 5 % off it
    assert s.long[0] == pytest.approx(0.162 * 0.95)
    before = s.estimate[0]
    while s.in_flight[0] >= before / 2:
        line.gone(0.0)
    line.answer(0.0, 5.0)
    assert s.estimate[0] == before


# --- bad input ---


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: CoDel(target=0.0), "target: is 0.0"),
        (lambda: CoDel(target=0.1), "target: is 0.1, but must be below interval, 0.1"),
        (lambda: CoDel(interval=-1.0), "interval: is -1.0"),
        (lambda: CoDel(spare=-1), "spare: is -1"),
        (lambda: AdaptiveConcurrency(percentile=0.0), "percentile: is 0.0"),
        (lambda: AdaptiveConcurrency(percentile=50.0), "percentile: is 50.0"),
        (lambda: AdaptiveConcurrency(jitter=1.5), "jitter: is 1.5"),
        (lambda: AdaptiveConcurrency(buffer=-0.1), "buffer: is -0.1"),
        (lambda: AdaptiveConcurrency(request_count=0), "request_count: is 0"),
        (lambda: AdaptiveConcurrency(update_interval=0.0), "update_interval: is 0.0"),
        (
            lambda: AdaptiveConcurrency(min_concurrency=5, max_limit=4),
            "min_concurrency: is 5, but must be at most max_limit, 4",
        ),
        (
            lambda: AdaptiveConcurrency(request_count=50, samples=49),
            "samples: is 49, but must be at least request_count, 50",
        ),
        (lambda: AdaptiveConcurrency(shares=(0.9,)), "shares: begin with 0.9"),
        (lambda: ConcurrencyLimit(limit=0), "limit: is 0"),
        (lambda: ConcurrencyLimit(limit=3, shares=(1.0, 0.3)), "which is less than one request"),
        (lambda: ClientThrottling(k=0.99), "k: is 0.99, but must be a number of at least 1"),
        (lambda: ClientThrottling(window=0.0), "window: is 0.0"),
        (lambda: ClientThrottling(width=121.0), "width: is 121.0, but must be at most the window"),
        (lambda: ClientThrottling(width=1e-5), "width: is 1e-05, which makes 1.2e+07 buckets"),
        (lambda: AdmissionControl(threshold=0.0), "threshold: is 0.0"),
        (lambda: AdmissionControl(threshold=95.0), "threshold: is 95.0"),
        (lambda: AdmissionControl(aggression=0.5), "aggression: is 0.5"),
        (lambda: AdmissionControl(window=0.5), "window: is 0.5, but must be from 1.0 to"),
        (lambda: AdmissionControl(max_rejection=1.1), "max_rejection: is 1.1"),
        (lambda: AdmissionControl(rps_threshold=-1), "rps_threshold: is -1"),
        (lambda: AimdLimit(backoff=1.0), "backoff: is 1.0"),
        (lambda: AimdLimit(backoff=0.4), "backoff: is 0.4"),
        (lambda: AimdLimit(initial_limit=5), "initial_limit: is 5, but must be from 20 to 200"),
        (lambda: AimdLimit(min_limit=300), "min_limit: is 300, but must be at most max_limit, 200"),
        (lambda: VegasLimit(smoothing=0.0), "smoothing: is 0.0"),
        (lambda: VegasLimit(initial_limit=2000), "initial_limit: is 2000"),
        (lambda: Gradient2Limit(tolerance=0.9), "tolerance: is 0.9"),
        (lambda: Gradient2Limit(smoothing=1.1), "smoothing: is 1.1"),
        (lambda: Gradient2Limit(queue=-1), "queue: is -1"),
    ],
)
def test_impossible_rules_are_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(PartError) as refused:
        make()
    assert says in str(refused.value)
