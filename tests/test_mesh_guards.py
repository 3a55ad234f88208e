"""Guards at work: a slow queued server, event by event; limits, budgets, breakers, ejection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mesh_lab as ml

EACH_SECOND = ml.Deterministic(value=1.0)


def slow(*, every: float = 1.0, replicas: int = 1, **fields: object) -> ml.Scenario:
    """Return a server that takes 10 s, whose callers wait for 1 s and try twice."""
    policy = ml.Policy(per_try_timeout=1.0, retries=ml.Retries(1))
    given = {"policy": policy, "service_time": ml.Deterministic(value=10.0), **fields}
    return ml.Scenario(
        ml.Renewal("shop", gap=ml.Deterministic(value=every), to="api"),
        ml.Service("api", replicas=replicas, **given),
    )


def rows(run: ml.Run, *columns: str) -> list[tuple[object, ...]]:
    return list(run.calls[list(columns)].itertuples(index=False, name=None))


def test_it_times_out_retries_and_works_for_nobody() -> None:
    run = ml.simulate(slow(every=100.0), requests=1, seed=1)
    assert rows(run, "attempt", "sent", "start", "finish", "outcome", "returned", "result") == [
        (0, 100.0, 100.0, 110.0, "ok", 101.0, "timeout"),
        (1, 101.0, 110.0, 120.0, "ok", 102.0, "timeout"),
    ]
    assert run.requests["outcome"].tolist() == ["timeout"]
    assert run.requests["finish"].tolist() == [102.0]
    assert run.duration == 120.0
    left = run.calls[run.calls["result"] == "timeout"]
    assert (left["finish"] - left["start"]).sum() == 20.0


def test_a_breaker_opens_for_the_whole_service_and_probes() -> None:
    # two failures open it for 4 s, then 8, then 16: no jitter
    breaker = ml.ConsecutiveBreaker(
        max_failures=2, min_penalty=4.0, max_penalty=60.0, jitter=0.0, per="service"
    )
    policy = ml.Policy(timeout=1.0)
    run = ml.simulate(slow(policy=policy, breaker=breaker), until=50.0, seed=1)
    sent = run.calls.loc[run.calls["result"] != "open", "sent"]
    # the second failure is known at 3 s; what is sent at that very moment comes after it, so the
    # breaker is open until 7 s; the probe of 7 fails at 8: open until 16; that of 16 at 17: to 33
    assert sent.tolist() == [1.0, 2.0, 7.0, 16.0, 33.0]
    refused = run.calls[run.calls["result"] == "open"]
    assert (refused["endpoint"] == -1).all()
    assert (refused["returned"] == refused["sent"]).all()
    assert refused["sent"].tolist() == [float(t) for t in range(3, 50) if t not in {7, 16, 33}]


def test_a_breaker_of_an_endpoint_lets_others_serve() -> None:
    endpoints = (ml.Endpoint("slow"), ml.Endpoint("quick", speed=100.0))
    breaker = ml.ConsecutiveBreaker(max_failures=1, min_penalty=10.0, jitter=0.0)
    scenario = slow(
        policy=ml.Policy(timeout=1.0),
        endpoints=endpoints,
        balancer=ml.RoundRobin(),
        breaker=breaker,
        eligible=ml.Eligible(panic=0),
    )
    run = ml.simulate(scenario, until=40.0, seed=1)
    first = run.calls[run.calls["endpoint"] == 0]
    # sent at 1, failed at 2; a probe from 12 on, which fails within the next second: 20 s more
    assert first["result"].tolist() == ["timeout"] * len(first)
    assert first["sent"].iloc[0] == 1.0
    assert np.diff(first["sent"]).min() >= 10.0
    assert (run.calls.loc[run.calls["endpoint"] == 1, "result"] == "ok").all()
    assert (run.calls["result"] != "open").all()


def test_a_slow_host_is_ejected_and_comes_back_for_longer_each_time() -> None:
    endpoints = (ml.Endpoint("slow"), *(ml.Endpoint(f"quick-{i}", speed=100.0) for i in range(3)))
    ejection = ml.OutlierDetection(
        interval=5.0, base_ejection_time=20.0, max_ejection_percent=50, consecutive_5xx=1
    )
    scenario = slow(
        policy=ml.Policy(timeout=1.0), endpoints=endpoints, ejection=ejection, every=0.5
    )
    run = ml.simulate(scenario, until=200.0, seed=1)
    sent = run.calls.loc[run.calls["endpoint"] == 0, "sent"]
    # one failure is enough, and known a second later; it fails again before the next sweep, so
    # that nothing takes its multiplier down
    first = sent.iloc[0] + 1.0
    gaps = sent[sent.diff() > 10.0]
    # back at the first sweep (every 5 s) that is not before 20 s after the ejection
    back = np.ceil((first + 20.0) / 5.0) * 5.0
    assert back <= gaps.iloc[0] < back + 2.0
    pauses = [g - b for g, b in zip(gaps, sent[sent.diff().shift(-1) > 10.0], strict=True)]
    assert len(pauses) >= 2
    assert pauses[1] > pauses[0] + 15.0  # the second time for 40 s


def test_with_nine_hosts_and_ten_per_cent_nobody_is_ever_ejected() -> None:
    def failing(hosts: int) -> int:
        endpoints = (
            ml.Endpoint("slow"),
            *(ml.Endpoint(f"q{i}", speed=100.0) for i in range(hosts - 1)),
        )
        scenario = slow(
            policy=ml.Policy(timeout=1.0),
            endpoints=endpoints,
            ejection=ml.OutlierDetection(base_ejection_time=300.0),
            every=0.1,
        )
        run = ml.simulate(scenario, until=60.0, seed=1)
        return int((run.calls["endpoint"] == 0).sum())

    assert failing(9) > 60  # one in nine of 600, to the end
    # with ten, those sent until the fifth failure is known: one a second, each known after one more
    assert failing(10) in {5, 6, 7}


def test_limits_refuse_what_is_beyond() -> None:
    scenario = slow(
        policy=ml.Policy(timeout=5.0),
        workers=100,
        limits=ml.Limits(max_requests=2),
        every=1.0,
    )
    run = ml.simulate(scenario, until=12.5, seed=1)
    # two go at 1 and 2 s, and leave at 6 and 7; at those very moments the next ones find room
    assert rows(run, "sent", "result")[:8] == [
        (1.0, "timeout"),
        (2.0, "timeout"),
        (3.0, "overflow"),
        (4.0, "overflow"),
        (5.0, "overflow"),
        (6.0, "timeout"),
        (7.0, "timeout"),
        (8.0, "overflow"),
    ]


def test_what_limits_have_refused_is_not_tried_again() -> None:
    retrying = ml.Policy(timeout=5.0, retries=ml.Retries(3))
    scenario = slow(policy=retrying, workers=100, limits=ml.Limits(max_requests=1))
    run = ml.simulate(scenario, until=4.5, seed=1)
    assert run.calls["attempt"].max() == 0


@pytest.mark.parametrize(("budget", "most"), [(ml.RetryLimit(max_retries=1), 1), (None, 3)])
def test_a_limit_of_retries(budget: ml.RetryLimit | None, most: int) -> None:
    # without a budget, the limits' own max_retries of 3 is in force
    policy = ml.Policy(per_try_timeout=1.0, retries=ml.Retries(100))
    scenario = slow(
        policy=policy, workers=1000, budget=budget, limits=ml.Limits(), every=0.25, cancelled="stop"
    )
    run = ml.simulate(scenario, until=20.0, seed=1)
    retries = run.calls[run.calls["attempt"] > 0]
    ends = np.where(retries["returned"].isna(), 20.0, retries["returned"])
    steps = pd.Series([1] * len(retries), index=retries["sent"]).add(
        pd.Series([-1] * len(retries), index=ends), fill_value=0
    )
    there = steps.groupby(level=0).sum().cumsum()
    assert there.max() == most
    assert len(retries) > 10


def test_a_budget_of_a_fifth() -> None:
    policy = ml.Policy(per_try_timeout=1.0, retries=ml.Retries(5))
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=100.0, to="api"),
        ml.Service(
            "api",
            workers=10_000,
            service_time=ml.Deterministic(value=10.0),
            policy=policy,
            budget=ml.EnvoyRetryBudget(),
            cancelled="stop",
        ),
    )
    run = ml.simulate(scenario, until=100.0, seed=1)
    steady = run.calls[run.calls["sent"] > 20.0]
    share = (steady["attempt"] > 0).mean()
    # of all that is out a fifth are retries, cut down to whole ones (some 125 are out)
    assert 0.18 < share <= 0.205
    wrong = ml.simulate(
        scenario.replace("api", budget=ml.EnvoyRetryBudget(budget_percent=25.0)),
        until=100.0,
        seed=1,
    )
    assert (wrong.calls.loc[wrong.calls["sent"] > 20.0, "attempt"] > 0).mean() > 0.225


def test_proxies_do_not_know_of_each_other() -> None:
    # each of three balancers allows one request at a time
    scenario = slow(
        policy=ml.Policy(timeout=100.0),
        workers=100,
        proxies=3,
        limits=ml.Limits(max_requests=1),
        every=0.1,
    )
    run = ml.simulate(scenario, until=9.0, seed=1)
    assert (run.calls["result"] != "overflow").sum() == 3
