"""Outlier detection: timing, limits and their interplay, and a second account of the same rules."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mesh_lab.balancing.rule import Arrays, Lists
from mesh_lab.errors import PartError
from mesh_lab.resilience.ejecting import (
    ENFORCED,
    OVERFLOW,
    TALLIES,
    WHY_ERRORS,
    WHY_FAILURE_PERCENTAGE,
    WHY_GATEWAY,
    WHY_SUCCESS_RATE,
    joined,
    left,
    responded,
)
from mesh_lab.resilience.ejection import OutlierDetection
from mesh_lab.resilience.seen import SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL, SEEN_OK
from mesh_lab.resilience.sweeping import swept


def errors(s: Any, e: int, n: int, now: float, saw: int = SEEN_ERROR) -> list[int]:
    return [responded(s, 0, e, now, saw, []) for _ in range(n)]


def sweep(s: Any, now: float) -> list[tuple[int, int]]:
    n = swept(s, 0, now, [])
    return list(zip(s.changed[:n], s.became[:n], strict=True))


def out(s: Any) -> set[int]:
    return {e for e in range(s.stride) if s.ejected[e]}


# ---------------------------------------------------------------- consecutive errors


def test_the_fifth_error_in_a_row_ejects() -> None:
    s = OutlierDetection.envoy().state(1, 10, Lists())
    assert errors(s, 3, 4, 1.0) == [0] * 4
    assert responded(s, 0, 3, 1.5, SEEN_OK, []) == 0
    assert errors(s, 3, 5, 2.0) == [0, 0, 0, 0, 1]
    assert (out(s), s.until[3], s.multiplier[3], s.why[3]) == ({3}, 32.0, 1, WHY_ERRORS)


@pytest.mark.parametrize("saw", [SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL])
def test_every_kind_of_failure_counts_as_a_5xx(saw: int) -> None:
    s = OutlierDetection().state(1, 10, Lists())
    assert errors(s, 0, 5, 1.0, saw) == [0, 0, 0, 0, 1]


def test_gateway_errors_are_counted_but_do_not_eject_by_default() -> None:
    s = OutlierDetection(consecutive_gateway_failure=3).state(1, 10, Lists())
    assert errors(s, 0, 4, 1.0, SEEN_LOCAL) == [0] * 4
    assert s.tally[WHY_GATEWAY] == 1
    assert s.tally[ENFORCED + WHY_GATEWAY] == 0


def test_a_plain_error_interrupts_a_row_of_gateway_errors_but_not_of_5xx() -> None:
    part = OutlierDetection(
        consecutive_5xx=6,
        consecutive_gateway_failure=3,
        enforcing_consecutive_gateway_failure=100,
        max_ejection_percent=100,
    )
    s = part.state(1, 2, Lists())
    seen = [SEEN_GATEWAY, SEEN_GATEWAY, SEEN_ERROR, SEEN_GATEWAY, SEEN_GATEWAY]
    assert [responded(s, 0, 0, 1.0, saw, []) for saw in seen] == [0] * 5
    assert responded(s, 0, 0, 1.0, SEEN_ERROR, []) == 1
    assert s.why[0] == WHY_ERRORS
    assert errors(s, 1, 3, 1.0, SEEN_GATEWAY) == [0, 0, 1]
    assert s.why[1] == WHY_GATEWAY


def test_both_limits_at_once_eject_once_and_the_other_count_goes_on() -> None:
    part = OutlierDetection(enforcing_consecutive_gateway_failure=100, max_ejection_percent=100)
    s = part.state(1, 2, Lists())
    assert errors(s, 0, 5, 1.0, SEEN_GATEWAY)[-1] == 1
    assert (s.gateways[0], s.errors[0], s.active[0], s.multiplier[0]) == (0, 5, 1, 1)
    assert s.tally[:4] == [0, 1, 0, 0]


def test_what_an_ejected_endpoint_answers_has_no_effect_until_it_is_back() -> None:
    s = OutlierDetection().state(1, 10, Lists())
    errors(s, 0, 5, 1.0)
    assert errors(s, 0, 12, 2.0) == [0] * 12
    assert (s.errors[0], s.active[0], s.multiplier[0]) == (12, 1, 1)
    assert sweep(s, 30.0) == []
    assert sweep(s, 40.0) == [(0, 0)]
    assert s.errors[0] == 0
    assert errors(s, 0, 5, 41.0) == [0, 0, 0, 0, 1]


def test_a_detection_that_may_not_eject_begins_to_count_anew() -> None:
    s = OutlierDetection(max_ejection_percent=0).state(1, 10, Lists())
    assert errors(s, 0, 14, 1.0) == [0] * 14
    assert (s.tally[WHY_ERRORS], s.tally[OVERFLOW], s.errors[0]) == (2, 2, 4)


# ---------------------------------------------------------------- how many may go


@pytest.mark.parametrize(
    ("n", "percent", "fields", "most"),
    [
        (9, 10, {}, 0),
        (10, 10, {}, 1),
        (19, 10, {}, 1),
        (20, 10, {}, 2),
        (1, 99, {}, 0),
        (1, 100, {}, 1),
        (3, 50, {}, 1),
        (3, 67, {}, 2),
        (9, 10, {"always_eject_one_host": True}, 1),
        (9, 0, {"always_eject_one_host": True}, 1),
        (20, 10, {"always_eject_one_host": True}, 2),
        (9, 10, {"gate": "before"}, 1),
        (10, 10, {"gate": "before"}, 1),
        (11, 10, {"gate": "before"}, 2),
        (3, 67, {"gate": "before"}, 3),  # Envoy's issue 27066: two are 66.7 %, so the third may go
        (3, 0, {"gate": "before"}, 0),
    ],
)
def test_so_many_may_be_ejected(n: int, percent: int, fields: dict[str, Any], most: int) -> None:
    s = OutlierDetection(max_ejection_percent=percent, **fields).state(1, n, Lists())
    for e in range(n):
        errors(s, e, 5, 1.0)
    assert out(s) == set(range(most))
    assert s.tally[OVERFLOW] == n - most


def test_a_place_is_free_again_when_one_comes_back_or_leaves() -> None:
    s = OutlierDetection().state(1, 10, Lists())
    errors(s, 0, 5, 1.0)
    assert errors(s, 1, 5, 2.0)[-1] == 0
    assert sweep(s, 31.0) == [(0, 0)]
    assert errors(s, 1, 5, 32.0)[-1] == 1
    left(s, 0, 1)
    assert (s.active[0], s.members[0]) == (0, 9)
    assert errors(s, 2, 5, 33.0)[-1] == 0  # one of 9 would be 11 %
    joined(s, 0, 1)
    assert errors(s, 2, 5, 34.0)[-1] == 1
    assert responded(s, 0, 1, 35.0, SEEN_ERROR, []) == 0
    assert (s.errors[1], s.multiplier[1]) == (1, 0)  # without any past


def test_answers_of_endpoints_that_left_are_not_counted() -> None:
    s = OutlierDetection(max_ejection_percent=100).state(1, 2, Lists(), members=[True, False])
    assert errors(s, 1, 9, 1.0) == [0] * 9
    assert (s.total[1], s.members[0]) == (0, 1)
    left(s, 0, 1)
    joined(s, 0, 0)
    assert s.members[0] == 1  # nothing happens twice


def test_proxies_do_not_know_of_each_other() -> None:
    s = OutlierDetection().state(2, 10, Lists())
    assert [responded(s, p, 0, 1.0, SEEN_ERROR, []) for p in (0, 1) * 4] == [0] * 8
    assert responded(s, 1, 0, 1.0, SEEN_ERROR, []) == 1
    assert (s.ejected[0], s.ejected[10], s.active) == (0, 1, [0, 1])


# ---------------------------------------------------------------- how long


def test_each_ejection_lasts_longer_up_to_the_longest() -> None:
    s = OutlierDetection().state(1, 10, Lists())
    stays, now = [], 0.0
    for _ in range(14):
        errors(s, 0, 5, now)
        stays.append(s.until[0] - now)
        while s.ejected[0]:
            now += 10.0
            sweep(s, now)
    assert stays == [30.0 * k for k in range(1, 11)] + [300.0] * 4
    assert s.multiplier[0] == 11  # one more than the longest takes


def test_the_multiplier_falls_with_each_interval_without() -> None:
    s = OutlierDetection().state(1, 10, Lists())
    log = []
    for second in range(331):
        if second in (0, 31, 101, 225):
            errors(s, 0, 5, float(second))
            log.append((second, "out", s.multiplier[0], s.until[0]))
        if second % 10 == 0:
            before = s.multiplier[0]
            if sweep(s, float(second)):
                log.append((second, "back", s.multiplier[0], s.until[0]))
            elif s.multiplier[0] != before:
                log.append((second, "lower", s.multiplier[0], s.until[0]))
    assert log == [
        (0, "out", 1, 30.0),
        (30, "back", 1, 30.0),
        (31, "out", 2, 91.0),
        (100, "back", 2, 91.0),
        (101, "out", 3, 191.0),
        (200, "back", 3, 191.0),
        (210, "lower", 2, 191.0),
        (220, "lower", 1, 191.0),
        (225, "out", 2, 285.0),
        (290, "back", 2, 285.0),
        (300, "lower", 1, 285.0),
        (310, "lower", 0, 285.0),
    ]


def test_it_does_not_fall_at_the_sweep_that_brings_it_back() -> None:
    s = OutlierDetection(base_ejection_time=10.0).state(1, 10, Lists())
    errors(s, 0, 5, 0.0)
    assert sweep(s, 10.0) == [(0, 0)]
    assert s.multiplier[0] == 1
    sweep(s, 20.0)
    assert s.multiplier[0] == 0


def test_times_that_are_multiples_of_the_interval_end_at_their_sweep() -> None:
    s = OutlierDetection(interval=0.1, base_ejection_time=0.3).state(1, 10, Lists())
    errors(s, 0, 5, 0.1)
    assert s.until[0] == 0.1 + 0.3
    times = [0.1 * k for k in range(2, 5)]
    assert [sweep(s, now) for now in times] == [[], [], [(0, 0)]]
    s = OutlierDetection(interval=0.1, base_ejection_time=0.9).state(1, 10, Lists())
    errors(s, 0, 5, 0.1)
    tenth = sum([0.1] * 10)  # as floats, it lies before the end of the time
    assert tenth < s.until[0]
    assert sweep(s, tenth) == [(0, 0)]


def test_the_longest_time_is_300_s_unless_the_base_is_longer() -> None:
    assert OutlierDetection().longest == 300.0
    assert OutlierDetection(base_ejection_time=400.0).longest == 400.0
    assert OutlierDetection(base_ejection_time=40.0, max_ejection_time=40.0).longest == 40.0


def test_jitter_is_in_whole_milliseconds_up_to_and_with_its_maximum() -> None:
    part = OutlierDetection(max_ejection_time_jitter=2.0)
    assert part.draws == 4
    stays = set()
    for u in [i / 2001 + 1e-9 for i in range(2001)]:
        s = part.state(1, 10, Lists())
        for _ in range(5):
            responded(s, 0, 0, 0.0, SEEN_ERROR, [0.0, 0.0, 0.0, u])
        stays.add(round(s.until[0] - 30.0, 9))
    assert stays == {round(0.001 * i, 9) for i in range(2001)}


# ---------------------------------------------------------------- chances


def test_enforcing_percentages_use_a_draw_each() -> None:
    part = OutlierDetection(
        enforcing_consecutive_5xx=40,
        enforcing_consecutive_gateway_failure=70,
        max_ejection_percent=100,
    )
    assert part.draws == 4
    for u, why in [
        ([0.69, 0.9, 0.9, 0.9], WHY_GATEWAY),
        ([0.70, 0.9, 0.39, 0.9], WHY_ERRORS),
        ([0.70, 0.9, 0.40, 0.9], None),
    ]:
        s = part.state(1, 1, Lists())
        done = [responded(s, 0, 0, 1.0, SEEN_GATEWAY, u) for _ in range(5)]
        assert done[-1] == (why is not None)
        if why is not None:
            assert s.why[0] == why
        else:
            assert (s.tally[:4], s.tally[ENFORCED:OVERFLOW]) == ([1, 1, 0, 0], [0] * 4)


def test_sure_percentages_take_no_draw() -> None:
    for part in (OutlierDetection(), OutlierDetection.istio(), OutlierDetection.grpc()):
        assert part.draws == 0
    assert OutlierDetection(enforcing_success_rate=50).draws == 4


# ---------------------------------------------------------------- success rate


def rates(s: Any, good: list[int], total: list[int], p: int = 0) -> None:
    for e, (g, n) in enumerate(zip(good, total, strict=True)):
        for i in range(n):
            # bad answers are spread, so that no row of them ejects
            bad = (i * (n - g)) // n != ((i + 1) * (n - g)) // n
            assert responded(s, p, e, 1.0, SEEN_ERROR if bad else SEEN_OK, []) == 0


NO_ROWS: dict[str, Any] = {"consecutive_5xx": 0, "max_ejection_percent": 100}


@pytest.mark.parametrize(
    ("good", "total", "factor", "expected"),
    [
        # the example in Envoy's source: mean 90, deviation 20, threshold 52
        ([50, 100, 100, 100, 100], [100] * 5, 1900, {0}),
        ([53, 100, 100, 100, 100], [100] * 5, 1900, {0}),  # mean 90.6, threshold 54.9
        ([50, 100, 100, 100, 100], [100] * 5, 2000, set()),  # threshold 50: not below
        ([50, 100, 100, 100, 100], [100] * 5, 1999, {0}),
        ([49, 100, 100, 100, 100], [99, 100, 100, 100, 100], 1900, set()),  # too few requests
        ([50, 100, 100, 100], [100] * 4, 1900, set()),  # too few endpoints
        ([0, 100, 100, 100, 100], [100] * 5, 1900, {0}),
        ([90] * 5, [100] * 5, 1900, set()),
        ([1] * 5, [3] * 5, 0, set()),
    ],
)
def test_success_rates_below_the_threshold_eject(
    good: list[int], total: list[int], factor: int, expected: set[int]
) -> None:
    part = OutlierDetection(success_rate_stdev_factor=factor, **NO_ROWS)
    s = part.state(1, len(good), Lists())
    rates(s, good, total)
    assert sweep(s, 10.0) == [(e, 1) for e in sorted(expected)]
    assert out(s) == expected
    assert s.tally[WHY_SUCCESS_RATE] == len(expected)


def test_only_the_interval_that_ends_counts() -> None:
    s = OutlierDetection(**NO_ROWS).state(1, 5, Lists())
    rates(s, [25, 60, 60, 60, 60], [50, 60, 60, 60, 60])
    assert sweep(s, 10.0) == []
    rates(s, [25, 60, 60, 60, 60], [50, 60, 60, 60, 60])
    assert sweep(s, 20.0) == []


def test_who_comes_back_is_judged_in_the_same_sweep() -> None:
    s = OutlierDetection(base_ejection_time=10.0, **NO_ROWS).state(1, 5, Lists())
    rates(s, [50, 100, 100, 100, 100], [100] * 5)
    assert sweep(s, 10.0) == [(0, 1)]
    rates(s, [50, 100, 100, 100, 100], [100] * 5)  # it still gets requests: panic
    assert sweep(s, 20.0) == [(0, 0), (0, 1)]
    assert (s.multiplier[0], s.until[0]) == (2, 40.0)


def test_ejected_endpoints_are_not_in_the_mean() -> None:
    s = OutlierDetection(**NO_ROWS).state(1, 6, Lists())
    rates(s, [50, 100, 100, 100, 100, 100], [100] * 6)
    assert sweep(s, 10.0) == [(0, 1)]
    rates(s, [50, 100, 100, 100, 100, 90], [100] * 6)
    # with endpoint 0 the threshold would be 56; without it, 98 - 1.9 * 4 = 90.4
    assert sweep(s, 20.0) == [(5, 1)]


# ---------------------------------------------------------------- failure percentage


@pytest.mark.parametrize(
    ("bad", "total", "expected"),
    [(85, 100, [(0, 1)]), (84, 100, []), (43, 50, [(0, 1)]), (49, 49, [])],
)
def test_a_failure_percentage_that_reaches_the_threshold_ejects(
    bad: int, total: int, expected: list[tuple[int, int]]
) -> None:
    part = OutlierDetection(enforcing_success_rate=0, enforcing_failure_percentage=100, **NO_ROWS)
    s = part.state(1, 5, Lists())
    rates(s, [total - bad] + [60] * 4, [total] + [60] * 4)
    assert sweep(s, 10.0) == expected


def test_it_needs_enough_endpoints_with_enough_requests() -> None:
    part = OutlierDetection(enforcing_success_rate=0, enforcing_failure_percentage=100, **NO_ROWS)
    s = part.state(1, 5, Lists())
    rates(s, [0, 60, 60, 60, 49], [60, 60, 60, 60, 49])
    assert sweep(s, 10.0) == []


def test_no_endpoint_is_ejected_by_both_statistics() -> None:
    part = OutlierDetection(enforcing_failure_percentage=100, **NO_ROWS)
    s = part.state(1, 5, Lists())
    rates(s, [0, 100, 100, 100, 100], [100] * 5)
    assert sweep(s, 10.0) == [(0, 1)]
    assert (s.active[0], s.multiplier[0], s.tally[WHY_FAILURE_PERCENTAGE]) == (1, 1, 0)


def test_the_share_holds_within_a_sweep() -> None:
    part = OutlierDetection(
        consecutive_5xx=0,
        enforcing_success_rate=0,
        enforcing_failure_percentage=100,
        max_ejection_percent=40,
    )
    s = part.state(1, 5, Lists())
    rates(s, [0] * 5, [60] * 5)
    assert sweep(s, 10.0) == [(0, 1), (1, 1)]
    assert s.tally[OVERFLOW] == 3


# ---------------------------------------------------------------- gRPC


def test_grpc_asks_for_more_than_the_threshold_and_ejects_one_of_few() -> None:
    part = OutlierDetection.grpc()
    s = part.state(1, 5, Lists())
    rates(s, [15, 15, 60, 60, 60], [100, 100, 60, 60, 60])
    assert sweep(s, 10.0) == []
    rates(s, [14, 14, 60, 60, 60], [100, 100, 60, 60, 60])
    # 0 of 5 ejected is below 10 %, 1 of 5 is not
    assert sweep(s, 20.0) == [(0, 1)]


def test_grpc_counts_all_endpoints_towards_the_least_number() -> None:
    s = OutlierDetection.grpc().state(1, 5, Lists())
    rates(s, [0, 0, 0, 0, 0], [50, 0, 0, 0, 0])
    assert sweep(s, 10.0) == [(0, 1)]
    s = OutlierDetection.grpc().state(1, 4, Lists())
    rates(s, [0, 0, 0, 0], [50, 0, 0, 0])
    assert sweep(s, 10.0) == []


def test_grpc_lets_back_only_after_the_time_and_lowers_at_once() -> None:
    s = OutlierDetection.grpc().state(1, 5, Lists())
    rates(s, [0, 0, 0, 0, 0], [50, 0, 0, 0, 0])
    assert sweep(s, 10.0) == [(0, 1)]
    assert [sweep(s, now) for now in (20.0, 30.0, 40.0)] == [[], [], []]
    assert sweep(s, 50.0) == [(0, 0)]
    assert s.multiplier[0] == 1
    sweep(s, 60.0)
    assert s.multiplier[0] == 0


def test_grpc_multiplies_without_end_but_not_the_time() -> None:
    part = OutlierDetection(
        rule="grpc",
        gate="before",
        consecutive_5xx=0,
        consecutive_gateway_failure=0,
        enforcing_failure_percentage=100,
        max_ejection_time=60.0,
    )
    s = part.state(1, 5, Lists())
    now, stays = 0.0, []
    for _ in range(5):
        rates(s, [0, 0, 0, 0, 0], [50, 0, 0, 0, 0])
        now += 10.0
        assert sweep(s, now) == [(0, 1)]
        stays.append(s.until[0] - now)
        while s.ejected[0]:
            now += 10.0
            sweep(s, now)
    assert stays == [30.0, 60.0, 60.0, 60.0, 60.0]
    assert s.multiplier[0] == 5


# ---------------------------------------------------------------- a second account


class Host:
    """What Envoy or gRPC would know of a host, kept as a story rather than as counts."""

    def __init__(self) -> None:
        self.story: list[str] = []  # of answers, "|" where the 5xx count began anew, "/" gateways
        self.bucket: list[bool] = []
        self.out_since: int | None = None
        self.back_since: int | None = None
        self.out_for = 0
        self.backoff = 0

    def row(self, of: str, stop: str) -> int:
        n = 0
        for what in reversed(self.story):
            if what == stop or what not in of + "|/":
                break
            n += what in of
        return n


class Detector:
    """Outlier detection in whole milliseconds and exact fractions, a host being an object."""

    def __init__(self, part: OutlierDetection, n: int) -> None:
        self.part = part
        self.hosts: dict[int, Host] = {e: Host() for e in range(n)}
        self.log: list[tuple[int, int]] = []

    def ms(self, seconds: float) -> int:
        return round(1000 * seconds)

    def ejected(self) -> set[int]:
        return {e for e, host in self.hosts.items() if host.out_since is not None}

    def allowed(self) -> bool:
        part, n, active = self.part, len(self.hosts), len(self.ejected())
        if part.always_eject_one_host and not active:
            return True
        if part.gate == "before":
            return Fraction(100 * active, n) < part.max_ejection_percent
        return Fraction(100 * (active + 1), n) <= part.max_ejection_percent

    def try_eject(self, e: int, percent: int, now: int, u: tuple[float, float]) -> bool:
        part, host = self.part, self.hosts[e]
        if not self.allowed() or not u[0] * 100 < percent:
            return False
        base, longest = self.ms(part.base_ejection_time), self.ms(part.longest)
        if part.rule == "grpc" or host.backoff * base < longest + base:
            host.backoff += 1
        jitter = int(u[1] * (self.ms(part.max_ejection_time_jitter) + 1))
        host.out_since, host.out_for = now, min(base * host.backoff, longest) + jitter
        self.log.append((e, 1))
        return True

    def answer(self, e: int, saw: int, now: int, u: list[float]) -> bool:
        part, host = self.part, self.hosts.get(e)
        if host is None:
            return False
        host.story.append("ok5gg"[saw + (saw > 0)])
        host.bucket.append(saw == SEEN_OK)
        done = False
        if saw in (SEEN_GATEWAY, SEEN_LOCAL):
            in_row = host.row("g", "/") if "5" not in "".join(host.story[-1:]) else 0
            if in_row == part.consecutive_gateway_failure and host.out_since is None:
                percent = part.enforcing_consecutive_gateway_failure
                done = self.try_eject(e, percent, now, (u[0], u[1]))
                host.story.append("/")
        if saw != SEEN_OK:
            in_row = host.row("5g", "|")
            if in_row == part.consecutive_5xx and host.out_since is None:
                percent = part.enforcing_consecutive_5xx
                done = self.try_eject(e, percent, now, (u[2], u[3])) or done
                host.story.append("|")
        return done

    def back(self, e: int, now: int) -> None:
        host = self.hosts[e]
        host.story.clear()
        host.out_since, host.back_since = None, now
        self.log.append((e, 0))

    def statistics(self, now: int, u: list[float]) -> None:
        part, grpc = self.part, self.part.rule == "grpc"
        seen = {
            e: Fraction(100 * sum(host.bucket), len(host.bucket))
            for e, host in sorted(self.hosts.items())
            if host.bucket and (grpc or host.out_since is None)
        }
        enough = {
            e: r for e, r in seen.items() if self.volume(e) >= part.success_rate_request_volume
        }
        if enough and len(enough) >= part.success_rate_minimum_hosts:
            mean = sum(enough.values(), Fraction(0)) / len(enough)
            variance = sum(((r - mean) ** 2 for r in enough.values()), Fraction(0)) / len(enough)
            factor = Fraction(part.success_rate_stdev_factor, 1000)
            for e, r in enough.items():
                far = mean > r and (mean - r) ** 2 > factor**2 * variance
                if far and e not in self.ejected():
                    chance = (u[4 * e], u[4 * e + 1])
                    self.try_eject(e, part.enforcing_success_rate, now, chance)
        volume = part.failure_percentage_request_volume
        enough = {e: r for e, r in seen.items() if self.volume(e) >= volume}
        judged = len(self.hosts) if grpc else len(enough)
        if enough and judged >= part.failure_percentage_minimum_hosts:
            for e, r in enough.items():
                threshold = part.failure_percentage_threshold
                over = 100 - r > threshold if grpc else 100 - r >= threshold
                if over and e not in self.ejected():
                    chance = (u[4 * e + 2], u[4 * e + 3])
                    self.try_eject(e, part.enforcing_failure_percentage, now, chance)

    def volume(self, e: int) -> int:
        return len(self.hosts[e].bucket)

    def sweep(self, now: int, u: list[float]) -> list[tuple[int, int]]:
        self.log.clear()
        grpc = self.part.rule == "grpc"
        for e in sorted(self.ejected()):
            host = self.hosts[e]
            assert host.out_since is not None
            if not grpc and now - host.out_since >= host.out_for:
                self.back(e, now)
        self.statistics(now, u)
        for e, host in sorted(self.hosts.items()):
            host.bucket.clear()
            if host.out_since is None:
                rested = host.back_since is not None
                if rested and not grpc:
                    assert host.back_since is not None
                    rested = now - host.back_since >= self.ms(self.part.interval)
                if rested or grpc:
                    host.backoff = max(0, host.backoff - 1)
            elif grpc and now - host.out_since > host.out_for:
                self.back(e, now)
        return list(self.log)


SMALL: dict[str, Any] = {
    "interval": 1.0,
    "base_ejection_time": 2.0,
    "max_ejection_time": 7.0,
    "success_rate_minimum_hosts": 3,
    "success_rate_request_volume": 10,
    "success_rate_stdev_factor": 1100,
    "failure_percentage_threshold": 60,
    "failure_percentage_minimum_hosts": 3,
    "failure_percentage_request_volume": 8,
}
PARTS = [
    OutlierDetection(max_ejection_percent=40, enforcing_failure_percentage=100, **SMALL),
    OutlierDetection(
        max_ejection_percent=50,
        consecutive_5xx=4,
        consecutive_gateway_failure=3,
        enforcing_consecutive_5xx=60,
        enforcing_consecutive_gateway_failure=50,
        enforcing_success_rate=70,
        enforcing_failure_percentage=30,
        max_ejection_time_jitter=1.5,
        **SMALL,
    ),
    OutlierDetection(max_ejection_percent=10, always_eject_one_host=True, **SMALL),
    OutlierDetection(max_ejection_percent=30, gate="before", consecutive_5xx=3, **SMALL),
    OutlierDetection(
        rule="grpc",
        gate="before",
        consecutive_5xx=0,
        consecutive_gateway_failure=0,
        max_ejection_percent=40,
        enforcing_failure_percentage=80,
        **SMALL,
    ),
]
N = 7
ANSWER, SWEEP, JOIN, LEAVE = range(4)


def happenings(seed: int, steps: int) -> tuple[Any, ...]:
    """Draw what happens: kind, endpoint, time, what was seen, draws; sweeps are every second."""
    rng = np.random.default_rng(seed)
    kinds: list[int] = []
    endpoints: list[int] = []
    times: list[float] = []
    seens: list[int] = []
    now = 0
    while len(kinds) < steps:
        for _ in range(int(rng.integers(20, 120))):
            kind = rng.choice([ANSWER, JOIN, LEAVE], p=[0.99, 0.005, 0.005])
            e = int(rng.integers(N))
            # some endpoints are worse than others, and which they are changes
            bad = 0.1 + 0.8 * ((e + now // 20_000) % 4 == 0)
            seen = int(rng.integers(1, 4)) if rng.random() < bad else SEEN_OK
            kinds.append(int(kind))
            endpoints.append(e)
            times.append(now / 1000 + float(rng.integers(1, 1000)) / 1000)
            seens.append(seen)
        now += 1000
        kinds.append(SWEEP)
        endpoints.append(0)
        times.append(now / 1000)
        seens.append(0)
    order = np.argsort(times, kind="stable")
    columns = [np.asarray(x)[order] for x in (kinds, endpoints, times, seens)]
    return (*columns, rng.random((len(kinds), 4 * N)))


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_second_account_tells_the_same(part: OutlierDetection, seed: int) -> None:
    s, other = part.state(1, N, Lists()), Detector(part, N)
    kinds, endpoints, times, seens, draws = (x.tolist() for x in happenings(seed, 8000))
    for kind, e, now, saw, u in zip(kinds, endpoints, times, seens, draws, strict=True):
        ms = round(1000 * now)
        if kind == ANSWER:
            done = responded(s, 0, e, now, saw, u)
            assert done == other.answer(e, saw, ms, u)
        elif kind == SWEEP:
            n = swept(s, 0, now, u)
            assert list(zip(s.changed[:n], s.became[:n], strict=True)) == other.sweep(ms, u)
        elif kind == JOIN:
            joined(s, 0, e)
            other.hosts.setdefault(e, Host())
        else:
            left(s, 0, e)
            other.hosts.pop(e, None)
        assert out(s) == other.ejected()
        assert s.active[0] == len(other.ejected())
        assert s.members[0] == len(other.hosts)
        if e in other.hosts:
            assert s.multiplier[e] == other.hosts[e].backoff
    assert sum(s.tally[ENFORCED:OVERFLOW]) >= 20
    assert s.tally[OVERFLOW] >= 1


# ---------------------------------------------------------------- compiled


def drive(s: Any, kinds: Any, endpoints: Any, times: Any, seens: Any, draws: Any, log: Any) -> None:
    for i in range(len(kinds)):
        p = i % 2
        e = endpoints[i]
        if kinds[i] == ANSWER:
            log[i] = responded(s, p, e, times[i], seens[i], draws[i])
        elif kinds[i] == SWEEP:
            for q in range(2):
                n = swept(s, q, times[i], draws[i])
                for j in range(n):
                    log[i] = log[i] * 20 + s.changed[j] * 2 + s.became[j] + 1
        elif kinds[i] == JOIN:
            joined(s, p, e)
        else:
            left(s, p, e)


@pytest.mark.parametrize("part", PARTS, ids=range(len(PARTS)))
def test_lists_arrays_and_compiled_code_agree(part: OutlierDetection) -> None:
    numba = pytest.importorskip("numba")
    from tests.rule_compiled import OPTIONS, register

    register()
    columns: Any = happenings(1, 8000)
    plain, arrays, compiled = (part.state(2, N, make) for make in (Lists(), Arrays(), Arrays()))
    logs = [np.zeros(len(columns[0]), np.int64) for _ in range(3)]
    drive(plain, *(x.tolist() for x in columns), logs[0])
    drive(arrays, *columns, logs[1])
    numba.njit(**OPTIONS)(drive)(compiled, *columns, logs[2])
    assert sum(plain.tally[ENFORCED:OVERFLOW]) >= 10
    assert sum(plain.tally[TALLIES + ENFORCED : TALLIES + OVERFLOW]) >= 10
    for log in logs[1:]:
        assert log.tolist() == logs[0].tolist()
    for name, value in plain._asdict().items():
        for other in (arrays, compiled):
            again = getattr(other, name)
            assert (again.tolist() if isinstance(value, list) else again) == value, name


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("fields", "named", "says"),
    [
        ({"interval": 0.0}, "interval", "above 0"),
        ({"interval": -1.0}, "interval", "above 0"),
        ({"base_ejection_time": 0.0}, "base_ejection_time", "above 0"),
        ({"base_ejection_time": 40.0, "max_ejection_time": 30.0}, "max_ejection_time", "at least"),
        ({"max_ejection_percent": 101}, "max_ejection_percent", "100"),
        ({"max_ejection_percent": -1}, "max_ejection_percent", "0"),
        ({"enforcing_success_rate": 101}, "enforcing_success_rate", "100"),
        ({"enforcing_consecutive_5xx": -1}, "enforcing_consecutive_5xx", "0"),
        ({"failure_percentage_threshold": 101}, "failure_percentage_threshold", "100"),
        ({"consecutive_5xx": -1}, "consecutive_5xx", "0"),
        ({"max_ejection_time_jitter": -1.0}, "max_ejection_time_jitter", "0"),
        ({"success_rate_minimum_hosts": 0}, "success_rate_minimum_hosts", "1"),
        ({"gate": "never"}, "gate", "after"),
        ({"rule": "grpc"}, "rule", "consecutive_5xx=0"),
    ],
)
def test_bad_input_is_refused(fields: dict[str, Any], named: str, says: str) -> None:
    with pytest.raises(PartError) as refused:
        OutlierDetection(**fields)
    assert refused.value.field == named
    assert says in refused.value.problem
    assert str(refused.value).startswith("OutlierDetection")
