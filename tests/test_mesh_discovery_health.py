"""Active health checks: thresholds, timing, phases, membership."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest
from scipy import stats

from mesh_lab import Exponential, Uniform
from mesh_lab.draws import Draws
from mesh_lab.mesh.discovery import Dns, HealthChecks, State, Truth, ViewChange
from mesh_lab.mesh.discovery.checking import Judge, Result, Thresholds

A, S, R, U, T, D = State
PASSED, ERROR, FAILED = Result


def log(checks: HealthChecks, truth: list[Truth], proxies: int = 1, until: float = 1e9) -> Any:
    views = checks.views(truth, proxies, Draws(seed=1), "o")
    taken = itertools.takewhile(lambda change: change.time < until, views)
    return [(round(c.time, 9), c.proxy, c.endpoints) for c in taken]


def alone(checks: HealthChecks, *states: tuple[float, State], until: float = 1e9) -> Any:
    """Say when what one proxy takes one endpoint for changes, and to what."""
    truth = [Truth(time, 0, state) for time, state in states]
    return [(t, dict(view).get(0)) for t, _, view in log(checks, truth, until=until)]


# -- thresholds -----------------------------------------------------------------------------------


def by_haproxy(results: list[Result], rise: int, fall: int, new: bool) -> list[bool]:
    """HAProxy's own arithmetic: one number, up from `rise` on (``src/check.c``)."""
    health = rise if new else rise + fall - 1  # a new one is up, but falls at the first failure
    told = []
    for result in results:
        if result == PASSED:
            if health < rise + fall - 1:
                health += 1
                if health >= rise:
                    health = rise + fall - 1
        elif health > rise:
            health -= 1
        else:
            health = 0
        told.append(health >= rise)
    return told


def by_runs(results: list[Result], rule: Thresholds, healthy: bool, new: bool) -> list[bool]:
    """Envoy's rule, from the length of the runs of equal results so far."""
    told = []
    for n in range(1, len(results) + 1):
        so_far = [result == PASSED for result in results[:n]]
        last = so_far[-1]
        run = n - max((k + 1 for k in range(n) if so_far[k] != last), default=0)
        at_once = (new and n == 1 and last) or (results[n - 1] == ERROR)
        if at_once or run >= (rule.healthy if last else rule.unhealthy):
            healthy = last
        told.append(healthy)
    return told


def test_thresholds_against_two_other_accounts() -> None:
    changes = 0
    for seed in range(1, 501):
        rng = random.Random(seed)
        results = [rng.choice([PASSED, PASSED, FAILED, FAILED, ERROR]) for _ in range(60)]
        unhealthy, healthy, new = rng.randint(1, 5), rng.randint(1, 5), rng.random() < 0.5
        judge = Judge(healthy=True, first=new)
        rule = Thresholds(unhealthy, healthy, first_counts=False, error_counts=False)
        told = [(judge.take(result, rule), judge.healthy)[1] for result in results]
        assert told == by_haproxy(results, healthy, unhealthy, new), seed
        rule = Thresholds(unhealthy, healthy)
        start = not new and rng.random() < 0.5
        judge = Judge(healthy=start, first=new)
        told = []
        for result in results:
            before = judge.healthy
            assert judge.take(result, rule) == (judge.healthy != before)
            told.append(judge.healthy)
        assert told == by_runs(results, rule, start, new), seed
        changes += sum(a != b for a, b in itertools.pairwise(told))
    assert changes > 3000


# -- timing ---------------------------------------------------------------------------------------

COLD = HealthChecks(interval=10.0, timeout=2.0, unhealthy=3, healthy=2, warm=False)


def cold(**fields: Any) -> HealthChecks:
    given = {"interval": 10.0, "timeout": 2.0, "unhealthy": 3, "healthy": 2, "warm": False}
    return HealthChecks(**{**given, **fields})


@pytest.mark.parametrize(
    ("checks", "states", "expected"),
    [
        # the first success is enough
        (cold(), [(0.0, R)], [(0.0, True)]),
        (cold(response=0.5), [(0.0, R)], [(0.0, False), (0.5, True)]),
        # then 10 s after each result: checks at 0, 10.5, 21, 31.5; down from 5 on, refused at once
        (cold(response=0.5), [(0.0, R), (5.0, D)], [(0.0, False), (0.5, True), (30.5, False)]),
        # nothing answers: each failure takes the timeout: 10.5+2, 22.5+2, 34.5+2
        (
            cold(response=0.5),
            [(0.0, R), (5.0, R), (6.0, D), (7.0, A)],
            [(0.0, False), (0.5, True), (7.0, None)],
        ),
        # an answered error is enough
        (cold(response=0.5), [(0.0, R), (5.0, U)], [(0.0, False), (0.5, True), (11.0, False)]),
        (cold(error_counts=False), [(0.0, R), (5.0, U)], [(0.0, True), (30.0, False)]),
        # two successes to come back: 40 and 50
        (
            cold(),
            [(0.0, R), (5.0, D), (35.0, R)],
            [(0.0, True), (30.0, False), (50.0, True)],
        ),
        # a success between failures begins the count anew: 10, 20 fail, 30 passes, 40, 50, 60
        (
            cold(),
            [(0.0, R), (5.0, D), (25.0, R), (35.0, D)],
            [(0.0, True), (60.0, False)],
        ),
        # in time exactly, and too late
        (cold(response=2.0), [(0.0, R)], [(0.0, False), (2.0, True)]),
        (cold(response=2.1), [(0.0, R)], [(0.0, False)]),
        # the edge: 10 fails, 11 fails, 12 fails -> unhealthy, then every 20 s: 32 and 37 pass
        (
            cold(
                unhealthy_edge_interval=2.0,
                unhealthy_interval=20.0,
                healthy_edge_interval=5.0,
            ),
            [(0.0, R), (5.0, D), (15.0, R)],
            [(0.0, True), (14.0, False), (39.0, True)],
        ),
        # HAProxy: up until the first failure, by the clock: 0, 2, 4, ...; 5.0 down: 6, 8, 10
        (
            HealthChecks.haproxy(response=0.5),
            [(0.0, A), (1.0, R), (5.0, D), (11.0, R)],
            [(1.0, True), (9.0, False), (13.5, True)],
        ),
        (  # 1, 3, then 5 and, fast, 6 fail, 7 passes
            HealthChecks.haproxy(fastinter=1.0, downinter=4.0),
            [(0.0, A), (1.0, R), (4.0, D), (6.5, R)],
            [(1.0, True)],
        ),
        (  # 5, 6, 7 fail: down; 11 and, fast, 12 pass
            HealthChecks.haproxy(fastinter=1.0, downinter=4.0),
            [(0.0, A), (1.0, R), (4.0, D), (8.0, R)],
            [(1.0, True), (7.0, False), (12.0, True)],
        ),
        (HealthChecks.haproxy(), [(0.0, A), (1.0, S)], [(1.0, False)]),
        # who terminates passes, or fails; his members never hear of it
        (
            cold(draining="fails", members=Dns(refresh=None)),
            [(0.0, R), (5.0, T)],
            [(0.0, True), (10.0, False)],
        ),
        (cold(draining="passes", members=Dns(refresh=None)), [(0.0, R), (5.0, T)], [(0.0, True)]),
    ],
)
def test_checks_come_at_their_times(checks: HealthChecks, states: Any, expected: Any) -> None:
    assert alone(checks, *states, until=1000.0) == expected


def second_account(
    checks: HealthChecks, states: list[tuple[float, State]], phase: float, until: float
) -> list[tuple[float, bool]]:
    """Go from check to check of one warm checker, without a loop of events."""
    assert isinstance(checks.response, float)
    rule = checks.thresholds

    def state_at(time: float) -> State:
        return [state for t, state in states if t <= time][-1]

    healthy = states[0][1] == R
    told, failures, successes = [(0.0, healthy)], 0, 0
    time = phase
    while True:
        state = state_at(time)
        took = checks.response if state in (R, U, T) else 0.0
        passed = state in (R, T) and took <= checks.timeout
        error = state == U and took <= checks.timeout
        took = min(took, checks.timeout)
        if time + took >= until:
            return told
        failures = 0 if passed else failures + 1
        successes = successes + 1 if passed else 0
        after = healthy
        if healthy and (failures >= rule.unhealthy or (error and rule.error_counts)):
            after = False
        if not healthy and successes >= rule.healthy:
            after = True
        edge = passed != after
        if after != healthy:
            told.append((round(time + took, 9), after))
            failures = successes = 0
        elif passed == healthy:
            failures = successes = 0
        healthy = after
        begin = time if checks.paced == "by the clock" else time + took
        time = begin + checks.pause(passed, edge)


def test_checks_against_a_second_account() -> None:
    changes = 0
    for seed in range(1, 301):
        rng = random.Random(seed)
        checks = HealthChecks(
            interval=rng.choice([2.0, 5.0]),
            timeout=1.0,
            unhealthy=rng.randint(1, 4),
            healthy=rng.randint(1, 4),
            response=rng.choice([0.0, 0.3, 1.0]),
            paced=rng.choice(["after the result", "by the clock"]),
            unhealthy_interval=rng.choice([None, 3.0]),
            unhealthy_edge_interval=rng.choice([None, 1.0]),
            healthy_edge_interval=rng.choice([None, 1.5]),
            error_counts=rng.random() < 0.5,
        )
        time, states = 0.0, [(0.0, rng.choice([R, R, U, D]))]
        for _ in range(rng.randint(0, 12)):
            time += rng.choice([0.3, 1.7, 4.0, 11.0, 23.0])
            states.append((time, rng.choice([s for s in (S, R, R, U, D) if s != states[-1][1]])))
        draws = Draws(seed=1)
        wait = checks.pause(states[0][1] == R, edge=False)
        phase = wait * draws.column("uniform", "o", "phase", "0").at(0)
        until = time + 60.0
        found = alone(checks, *states, until=until)
        expected = second_account(checks, states, phase, until)
        assert found == expected, (seed, checks, states)
        changes += len(found) - 1
    assert changes > 500


def test_checks_that_fail_by_chance_go_on_for_ever_and_say_so() -> None:
    """P(too late) = exp(-8): about one in 3000, and two in a row practically never."""
    checks = HealthChecks(
        interval=1.0, timeout=0.8, unhealthy=2, healthy=1, response=Exponential(mean=0.1)
    )
    views = checks.views([Truth(0.0, 0, R)], 1, Draws(seed=1), "o")
    first = list(itertools.islice(views, 6))
    assert [change.endpoints for change in first] == [((0, True),)] * 6
    assert all(a.time < b.time for a, b in itertools.pairwise(first))


def test_late_answers_make_unhealthy_as_often_as_their_distribution_says() -> None:
    """With thresholds of 1 the share of healthy time is P(in time); 99.7 %, 7700 checks."""
    response = Exponential(mean=1.0)
    checks = HealthChecks(interval=2.0, timeout=1.0, unhealthy=1, healthy=1, response=response)
    until = 20_000.0
    stream = checks.views([Truth(0.0, 0, R)], 1, Draws(seed=1), "o")
    views = list(itertools.takewhile(lambda c: c.time < until, stream))
    times = [*(c.time for c in views), until]
    stays = [b - a for a, b in itertools.pairwise(times)]
    well = sum(stay for stay, c in zip(stays, views, strict=True) if c.endpoints[0][1])
    # renewal-reward: the state after a check holds for a pause and the next check's duration
    expected = response.cdf(1.0)
    assert abs(well / until - expected) < 3 * math.sqrt(expected * (1 - expected) / (until / 2.6))


# -- phases ---------------------------------------------------------------------------------------


def detection(interval: float, threshold: int, proxies: int) -> list[float]:
    checks = HealthChecks(interval=interval, timeout=1.0, unhealthy=threshold)
    truth = [Truth(0.0, 0, R), Truth(97.0, 0, D)]
    views = list(checks.views(truth, proxies, Draws(seed=1), "o"))
    return [c.time - 97.0 for c in views if c.time > 0.0]


def test_detection_is_uniform_over_the_interval_after_the_threshold() -> None:
    """KS test at 99.9 %, 1000 proxies: (k - 1) intervals and a uniform phase."""
    found = detection(5.0, 3, 1000)
    assert stats.kstest(found, stats.uniform(10.0, 5.0).cdf).pvalue > 0.001
    # and it would find a threshold or an interval that is wrong
    assert stats.kstest(detection(5.0, 2, 1000), stats.uniform(10.0, 5.0).cdf).pvalue < 1e-6
    assert stats.kstest(detection(4.5, 3, 1000), stats.uniform(10.0, 5.0).cdf).pvalue < 1e-6


def test_jitter_makes_intervals_longer_never_shorter() -> None:
    """Mean detection of a crash: a mean interval of 5 + 1 + 0.5 s and threshold 4 (99.9 %)."""
    checks = HealthChecks(
        interval=5.0,
        timeout=1.0,
        unhealthy=4,
        interval_jitter=2.0,
        interval_jitter_percent=20.0,
    )
    truth = [Truth(0.0, 0, R), Truth(200.0, 0, D)]
    views = checks.views(truth, 800, Draws(seed=1), "o")
    found = [c.time - 200.0 for c in views if not c.endpoints[0][1]]
    assert len(found) == 800
    assert min(found) >= 15.0
    assert max(found) <= 4 * 8.0
    # the first check: half of E[I^2] / E[I], of I = 5 + U(0, 1) + U(0, 2)
    mean, variance = 6.5, (1.0 + 4.0) / 12.0
    expected = (mean**2 + variance) / mean / 2.0 + 3 * mean
    error = stats.sem(found)
    assert abs(sum(found) / len(found) - expected) < 3.3 * error


def test_cold_checkers_without_jitter_check_all_at_once_and_with_it_do_not() -> None:
    truth = [Truth(0.0, 0, R), Truth(0.0, 1, R)]
    assert {t for t, _, _ in log(COLD, truth, 50)} == {0.0}
    times = [t for t, _, _ in log(cold(initial_jitter=3.0), truth, 50) if t > 0.0]
    assert len(set(times)) == 100
    assert max(times) < 3.0


def test_responses_are_drawn_by_proxy_and_endpoint() -> None:
    """Another endpoint, or another proxy, changes nothing for those that were there."""
    checks = cold(response=Uniform(low=0.1, high=0.9), unhealthy=1)
    truth = [Truth(0.0, 0, R), Truth(40.0, 0, D)]
    more = sorted([*truth, Truth(3.0, 1, R), Truth(20.0, 1, D)])
    few = log(checks, truth, 2)
    many = [
        (t, p, tuple(pair for pair in view if pair[0] == 0)) for t, p, view in log(checks, more, 3)
    ]
    for proxy in range(2):
        want = [(t, v) for t, p, v in few if p == proxy]
        have = [(t, v) for t, p, v in many if p == proxy]
        assert [pair for k, pair in enumerate(have) if not k or pair[1] != have[k - 1][1]] == want


# -- who is checked -------------------------------------------------------------------------------


def test_envoy_keeps_who_is_no_longer_listed_as_long_as_it_passes() -> None:
    members = Dns(refresh=5.0)
    truth = [Truth(0.0, 0, R), Truth(20.0, 0, T), Truth(70.0, 0, A)]
    kept = alone(cold(members=members), *((t, s) for t, _, s in truth))
    # at 80, 92 and 104 nothing comes for 2 s; the first check after 70 is at 70 itself
    assert kept == [(0.0, True), (96.0, None)]
    dropped = alone(cold(members=members, keep_removed=False), *((t, s) for t, _, s in truth))
    assert len(dropped) == 2
    assert 20.0 < dropped[1][0] <= 25.0


def test_members_that_are_not_known_yet_are_not_checked() -> None:
    truth = [Truth(0.0, 0, R), Truth(12.0, 1, R)]
    views = log(cold(members=Dns(refresh=5.0)), truth, 40)
    heard = {p: t for t, p, view in views if t > 0.0 and len(view) == 2}
    assert set(heard) == set(range(40))
    assert all(12.0 < t <= 17.0 for t in heard.values())
    assert len(set(heard.values())) == 40


def test_the_same_stream_however_it_is_read() -> None:
    checks = HealthChecks(interval=2.0, timeout=1.0, response=Exponential(mean=0.5))
    truth = [Truth(float(t), t % 3, (R, D)[t % 2]) for t in range(30)]
    a = checks.views(truth, 3, Draws(seed=1), "o")
    b = checks.views(iter(truth), 3, Draws(seed=1), "o")
    next(b)
    first: list[ViewChange] = list(itertools.islice(a, 300))
    assert first[1:] == list(itertools.islice(b, 299))
    assert [(c.time, c.proxy) for c in first] == sorted((c.time, c.proxy) for c in first)
