"""Solutions and checks of notebook 16: look here after you have tried."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes

Pause = Callable[[int, float], float]


def spread(retry: int, uniform: float) -> float:
    """Return the seconds to wait before retry 1, 2, ...: up to 0.1, 0.2, 0.4 s, ..., 2 s.

    A generator that is seeded with the number of the retry gives *every caller* the same pause
    before it, so 300 callers stay together for ever: seven moments, and 20 find room in each.
    """
    return uniform * min(2.0, 0.1 * 2.0 ** (retry - 1))


def _colleague(retry: int, uniform: float) -> float:
    return random.Random(retry).uniform(0.0, min(2.0, 0.1 * 2 ** (retry - 1)))


def _of_crowd(pause: Pause) -> int:
    """Return how many of 300 callers who come at the same moment are answered."""
    rule = SimpleNamespace(pause=lambda retry, uniform, last: pause(retry, uniform))
    scenario = ml.Scenario(
        ml.PoissonBatches("crowd", rate=1.0, size=300, to="stock"),
        ml.Service(
            "stock",
            service_time=ml.Exponential(mean=0.010),
            capacity=20,
            policy=ml.Policy(retries=ml.Retries(6, backoff=rule)),
        ),
    )
    run = ml.simulate(scenario, requests=300, seed=1)
    return int((run.requests["outcome"] == "ok").sum())


@exercise(
    "16.spread",
    wrong=[
        _colleague,
        lambda retry, uniform: min(2.0, 0.1 * 2 ** (retry - 1)),
        lambda retry, uniform: uniform * 0.1 * 2 ** (retry - 1),
        lambda retry, uniform: uniform * min(2.0, 0.1 * 2**retry),
        lambda retry, uniform: uniform * 0.1,
    ],
)
def check_spread(answer: Pause) -> Iterator[Case]:
    """Pauses worked out by hand, then the crowd of the notebook."""
    yield case(answer, 1, 0.5, expected=0.05)
    yield case(answer, 1, 0.25, expected=0.025)
    yield case(answer, 3, 0.5, expected=0.2)
    yield case(answer, 10, 0.5, expected=1.0)
    yield case(
        lambda: _of_crowd(answer),
        says="how many of the crowd of 300 are answered",
        expected=passes("at least 280", lambda got: got >= 280),
    )


def small_clients(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with a budget that counts failures: it has no floor for each client.

    A hundred clients have five tokens each to spend, 500 retries; that is over in a few seconds.
    One failure in a hundred costs a token, and the 99 successes bring back ten.
    """
    budget = ml.GrpcRetryThrottle(max_tokens=10.0, token_ratio=0.1)
    return scenario.replace("stock", budget=budget)


def _hundred(budget: ml.EnvoyRetryBudget | None, pulse: float, failure: float) -> ml.Scenario:
    profile = ml.Profile(
        times=(0.0, 30.0, 30.000001, 40.0, 40.000001), rates=(40.0, 40.0, pulse, pulse, 40.0)
    )
    return ml.Scenario(
        ml.TimeVarying("customers", profile=profile, to="stock"),
        ml.Service(
            "stock",
            service_time=ml.Exponential(mean=0.010),
            policy=ml.Policy(per_try_timeout=1.0, retries=ml.Retries(3)),
            proxies=100,
            budget=budget,
            failure=failure,
        ),
    )


def _with(budget: Any) -> Callable[[ml.Scenario], ml.Scenario]:
    return lambda scenario: scenario.replace("stock", budget=budget)


@exercise(
    "16.small_clients",
    wrong=[
        _with(None),
        _with(ml.EnvoyRetryBudget(min_retry_concurrency=0)),
        _with(ml.EnvoyRetryBudget(min_retry_concurrency=1)),
        _with(ml.RetryLimit(max_retries=0)),
        _with(ml.FinagleRetryBudget()),
        _with(ml.GrpcRetryThrottle(max_tokens=1000.0, token_ratio=1.0)),
        lambda scenario: scenario.replace("stock", capacity=50),
        lambda scenario: scenario,
    ],
)
def check_small_clients(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Only the budget may change; then ordinary failures, then a pulse of ten seconds."""
    envoy = ml.EnvoyRetryBudget()
    before = _hundred(envoy, pulse=200.0, failure=0.0)

    def all_but_the_budget() -> ml.Scenario:
        return answer(before).replace("stock", budget=envoy)

    def failing() -> float:
        flaky = answer(_hundred(envoy, pulse=40.0, failure=0.01))
        outcomes = ml.simulate(flaky, until=100.0, seed=1).requests["outcome"]
        return float(100.0 * (outcomes == "failed").mean())

    def late() -> float:
        rows = ml.simulate(answer(before), until=120.0, seed=1).requests
        there = rows["arrival"].between(100.0, 115.0)
        return float(100.0 * (rows["outcome"][there] == "ok").mean())

    yield case(
        all_but_the_budget,
        says="everything but the budget",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        failing,
        says="where 1 % of the attempts fail: the requests that fail, in per cent",
        expected=passes("at most 0.1", lambda percent: percent <= 0.1),
    )
    yield case(
        late,
        says="a minute after the pulse: the requests that are answered, in per cent",
        expected=passes("at least 99", lambda percent: percent >= 99.0),
    )


def most_clients(arrival_rate: float, capacity: float, retries: int, timeout: float) -> float:
    """Return how many clients are safe (requests/s, attempts/s, a number, seconds)."""
    if arrival_rate * (1 + retries) < capacity:
        return np.inf  # there is nothing to limit
    if arrival_rate / (1 - 0.2) >= capacity:
        return 0  # what the 20 % allow is too much already
    # arrival_rate + 3 k / timeout < capacity; at the limit itself it is not safe
    return max(0, int(np.ceil((capacity - arrival_rate) * timeout / 3)) - 1)


@exercise(
    "16.most_clients",
    wrong=[
        lambda arrival_rate, capacity, retries, timeout: np.floor(
            (capacity - arrival_rate) * timeout / 3
        ),
        lambda arrival_rate, capacity, retries, timeout: (
            np.ceil((capacity - arrival_rate) * timeout / 3) - 1
        ),
        lambda arrival_rate, capacity, retries, timeout: most_clients(
            arrival_rate, capacity, retries, 1.0
        ),
        lambda arrival_rate, capacity, retries, timeout: (
            np.inf
            if arrival_rate * (1 + retries) < capacity
            else np.ceil((capacity - arrival_rate) * timeout / 3) - 1
        ),
    ],
)
def check_most_clients(answer: Callable[[float, float, int, float], float]) -> Iterator[Case]:
    """The notebook's case; a shorter timeout; nothing to limit; too much for the 20 % alone."""
    yield case(answer, 40.0, 100.0, 3, 1.0, expected=19)
    yield case(answer, 60.0, 100.0, 3, 1.0, expected=13)
    yield case(answer, 40.0, 100.0, 3, 0.5, expected=9)
    yield case(answer, 20.0, 100.0, 3, 1.0, expected=np.inf)
    yield case(answer, 40.0, 100.0, 1, 1.0, expected=np.inf)
    yield case(answer, 90.0, 100.0, 3, 1.0, expected=0)
    yield case(answer, 79.0, 100.0, 3, 0.1, expected=0)
