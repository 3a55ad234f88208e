"""Service graphs against theory: each inside a 99 % interval over twenty replications.

The intervals are those of the mean of seeds 1 to 20 (Student, 19 degrees of freedom).  An error of
5 % in theory's number must fall outside each, so that the intervals are no wider than they may be.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab import theory
from mesh_lab.ledger import CANCELLED, OUTCOMES

SEEDS = range(1, 21)
STUDENT = 2.861  # 99.5 % quantile, 19 degrees of freedom
PLANTED = 0.05
ENDLESS = 10_000  # workers, where nobody waits


def exponential(mean: float) -> ml.Exponential:
    return ml.Exponential(mean=mean)


def interval(measure: Callable[[ml.Run], float], scenario: ml.Scenario, requests: int) -> object:
    """Return the mean of a measure and the half-width of its interval."""
    found = [measure(ml.simulate(scenario, requests=requests, seed=seed)) for seed in SEEDS]
    return np.mean(found), STUDENT * np.std(found, ddof=1) / math.sqrt(len(found))


def meets(
    measure: Callable[[ml.Run], float], scenario: ml.Scenario, requests: int, expected: float
) -> None:
    mean, half = interval(measure, scenario, requests)
    assert abs(mean - expected) <= half, (mean, half, expected)
    assert half < PLANTED * expected, (mean, half)
    for wrong in (1.0 - PLANTED, 1.0 + PLANTED):
        assert abs(mean - wrong * expected) > half


def latency(run: ml.Run) -> float:
    return float(run.requests["latency"].mean())


def attempts_at(run: ml.Run, service: str) -> float:
    return float((run.calls["service"] == service).sum() / len(run.requests))


def test_a_fan_out_takes_as_long_as_its_slowest_leaf() -> None:
    leaves = tuple(f"leaf{k}" for k in range(8))
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=10.0, to="front"),
        ml.Service(
            "front",
            workers=ENDLESS,
            service_time=ml.Deterministic(value=0.0),
            calls=(ml.Parallel(leaves),),
        ),
        *(ml.Service(leaf, workers=ENDLESS, service_time=exponential(0.1)) for leaf in leaves),
    )
    known = theory.fan_out(leaves=8, response_mean=0.1)
    assert known.response == pytest.approx(0.1 * sum(1 / k for k in range(1, 9)))
    meets(latency, scenario, 2000, known.response)
    slow = known.response_quantile(0.9)
    meets(lambda run: float((run.requests["latency"] > slow).mean()), scenario, 8000, 0.1)


def hedging(policy: ml.Policy) -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("shop", rate=10.0, to="api"),
        ml.Service("api", workers=ENDLESS, service_time=exponential(0.1), policy=policy),
    )


def test_hedges_cut_the_tail_and_cost_load() -> None:
    scenario = hedging(ml.Policy(hedge=ml.Hedge(delay=0.08)))
    known = theory.hedged(response_tail=lambda t: math.exp(-t / 0.1), delay=0.08)
    meets(latency, scenario, 2000, known.response)
    meets(lambda run: attempts_at(run, "api"), scenario, 2000, known.attempts)
    assert known.attempts == pytest.approx(1.0 + math.exp(-0.8))
    slow = known.response_quantile(0.95)
    meets(lambda run: float((run.requests["latency"] > slow).mean()), scenario, 15_000, 0.05)


def test_retries_multiply_from_tier_to_tier() -> None:
    retrying = ml.Policy(retries=ml.Retries(2))

    def tier(name: str, failure: float, *calls: str) -> ml.Service:
        return ml.Service(
            name,
            workers=ENDLESS,
            service_time=exponential(0.01),
            failure=failure,
            calls=calls,
            policy=retrying,
        )

    scenario = ml.Scenario(
        ml.Poisson("shop", rate=10.0, to="a"),
        tier("a", 0.0, "b"),
        tier("b", 0.0, "c"),
        tier("c", 0.9),
    )
    known = theory.retry_chain(failures=(0.0, 0.0, 0.9), retries=2)
    for name, expected in zip("abc", known.attempts, strict=True):
        meets(lambda run, name=name: attempts_at(run, name), scenario, 1000, expected)
    failed = OUTCOMES.index("failed")
    meets(
        lambda run: float((run.columns.own_outcome == failed).mean()),
        scenario,
        8_000,
        known.failure,
    )


def test_calls_in_a_row_are_a_tandem() -> None:
    # asynchronous workers are free while they wait: two M/M/1 in a row
    def station(name: str, mean: float, *calls: str) -> ml.Service:
        return ml.Service(
            name,
            mode="async" if calls else "sync",
            service_time=exponential(mean),
            calls=calls,
        )

    scenario = ml.Scenario(
        ml.Poisson("shop", rate=5.0, to="a"),
        station("a", 0.1, "b"),
        station("b", 0.14, "c"),
        station("c", 0.12),
    )
    known = theory.tandem(arrival_rate=5.0, service_rates=(1 / 0.1, 1 / 0.14, 1 / 0.12))
    meets(latency, scenario, 60_000, known.response)


def test_feedback_is_a_jackson_network() -> None:
    # a request of b needs it again with probability 0.4, as a call of its own
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=5.0, to="a"),
        ml.Service("a", service_time=exponential(0.1), to="b"),
        ml.Service("b", service_time=exponential(0.07), to={"b": 0.4}),
    )
    known = theory.jackson(
        arrival_rates={"a": 5.0},
        service_rates={"a": 10.0, "b": 1 / 0.07},
        routing={"a": {"b": 1.0}, "b": {"b": 0.4}},
    )
    meets(latency, scenario, 60_000, known.response)


def waiting(**source: object) -> ml.Scenario:
    """Return a service that does not start those whose callers have left."""
    fields = {"policy": ml.Policy(timeout=source.pop("timeout"))} if "timeout" in source else {}
    return ml.Scenario(
        ml.Poisson("shop", rate=28.0, to="api", **source),
        ml.Service("api", workers=3, service_time=exponential(0.1), cancelled="skip", **fields),
    )


def never_started(run: ml.Run) -> float:
    return float(np.mean(run.columns.outcome == CANCELLED))


def test_callers_who_give_up_after_a_time() -> None:
    known = theory.mmc_timeout(arrival_rate=28.0, service_rate=10.0, servers=3, timeout=0.2)
    scenario = waiting(timeout=0.2)
    meets(never_started, scenario, 60_000, known.timeout_probability)


def test_callers_who_give_up_at_random() -> None:
    known = theory.erlang_a(arrival_rate=28.0, service_rate=10.0, servers=3, patience_mean=0.3)
    meets(never_started, waiting(deadline=exponential(0.3)), 60_000, known.abandon_probability)
