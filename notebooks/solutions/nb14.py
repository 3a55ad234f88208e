"""Solutions and checks of notebook 14: look here after you have tried."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any

from scipy.stats import binom

import mesh_lab as ml
from mesh_lab import experiments
from mesh_lab.course import Case, case, exercise, passes


def variant(user: str, experiment: str, share: float) -> str:
    """Return "B" for this share of the users of an experiment, "A" for the others.

    The colleague hashed the user alone: who is in B of one experiment is in B of all, so the
    colour got the credit for the search.  With the experiment's name in it, each has a hash of its
    own.  The share must not be in it: a growing share then only adds to B.
    """
    text = f"{experiment}/{user}"
    number = int(hashlib.md5(text.encode()).hexdigest(), 16) % 10_000
    return "B" if number < 10_000 * share else "A"


def _user_alone(user: str, experiment: str, share: float) -> str:
    number = int(hashlib.md5(user.encode()).hexdigest(), 16) % 10_000
    return "B" if number < 10_000 * share else "A"


def _share_in_the_hash(user: str, experiment: str, share: float) -> str:
    return variant(f"{user}/{share}", experiment, share)


def _turned(user: str, experiment: str, share: float) -> str:
    return "A" if variant(user, experiment, share) == "B" else "B"


_calls = 0


def _forgetful(user: str, experiment: str, share: float) -> str:
    global _calls
    _calls += 1
    return variant(f"{user}/{_calls}", experiment, share)


def _by_halves(user: str, experiment: str, share: float) -> str:
    return variant(user, experiment, 0.5)


@exercise(
    "14.variant",
    wrong=[_user_alone, _share_in_the_hash, _turned, _forgetful, _by_halves, lambda *given: "A"],
)
def check_variant(answer: Callable[[str, str, float], str]) -> Iterator[Case]:
    """Of 4000 users: half of them is 2000, give or take 32; five of these are 160."""
    users = [f"user-{k}" for k in range(4000)]

    def in_b(experiment: str, share: float) -> set[str]:
        return {user for user in users if answer(user, experiment, share) == "B"}

    yield case(
        lambda: {answer(user, "search", 0.5) for user in users},
        says="the answers to 4000 users",
        expected=passes('"A" and "B", and nothing else', lambda got: got == {"A", "B"}),
    )
    yield case(
        lambda: len(in_b("search", 0.5)),
        says="of 4000 users, those in B with a share of 0.5",
        expected=passes("from 1840 to 2160", lambda got: 1840 <= got <= 2160),
    )
    yield case(
        lambda: len(in_b("search", 0.1)),
        says="of 4000 users, those in B with a share of 0.1",
        expected=passes("from 305 to 495", lambda got: 305 <= got <= 495),
    )
    yield case(
        lambda: len(in_b("search", 0.5) ^ in_b("search", 0.5)),
        says="users who get another answer when asked again",
        expected=0,
    )
    yield case(
        lambda: len(in_b("search", 0.5) & in_b("colour", 0.5)),
        says="of 4000 users, those in B of two experiments, each with a share of 0.5",
        expected=passes("from 863 to 1137, a quarter", lambda got: 863 <= got <= 1137),
    )
    yield case(
        lambda: len(in_b("search", 0.1) - in_b("search", 0.2)),
        says="users who leave B when the share grows from 0.1 to 0.2",
        expected=0,
    )


def careful(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with less patience, and a gate that few healthy versions fail by chance.

    At 98 % one failure in 60 requests is allowed: a version at 99.5 % then fails a check in 4 % of
    cases, not 26 %, and need not be forgiven nine times.
    """
    return scenario.replace(
        "orders", canary=ml.Canary(service="v2", success_rate=98.0, threshold=2)
    )


def _other(**fields: Any) -> Callable[[ml.Scenario], ml.Scenario]:
    return lambda scenario: scenario.replace("orders", canary=ml.Canary(service="v2", **fields))


def _canary(scenario: ml.Scenario) -> ml.Canary:
    route = scenario["orders"]
    assert isinstance(route, ml.Route)
    assert route.canary is not None
    return route.canary


def _sizes(canary: ml.Canary) -> list[int]:
    """Return how many of the shop's 20 requests/s the canary gets in an interval, step by step."""
    steps = math.ceil(canary.max_weight / canary.step_weight - 1e-9)
    weights = [min(canary.step_weight * k, canary.max_weight) for k in range(1, steps + 1)]
    return [round(20.0 * canary.interval * weight / 100.0) for weight in weights]


def _rollback(canary: ml.Canary, success_rate: float) -> float:
    return experiments.gate_failure(
        success_rate=success_rate,
        requests=_sizes(canary),
        minimum=round(canary.success_rate / 100.0, 9),
        threshold=canary.threshold,
    ).rollback


def _met(canary: ml.Canary, success_rate: float) -> float:
    """Return how many requests the canary gets on average before it is decided."""
    sizes = _sizes(canary)
    fails = experiments.gate_failure(
        success_rate=success_rate,
        requests=sizes,
        minimum=round(canary.success_rate / 100.0, 9),
    ).by_step
    arrive = [1.0] + [0.0] * (canary.threshold - 1)  # by failed checks so far
    met = 0.0
    for size, fail in zip(sizes, fails, strict=True):
        here = 0.0
        for failed, probability in enumerate(arrive):
            here = here * fail + probability
            met += here * size
            arrive[failed] = here * (1.0 - fail)
    return met


@exercise(
    "14.careful",
    wrong=[
        lambda scenario: scenario,
        _other(threshold=2),
        _other(threshold=3, success_rate=98.0),
        _other(threshold=3, success_rate=90.0),
        _other(threshold=5, interval=30.0),
        _other(threshold=2, success_rate=98.0, interval=120.0),
        _other(threshold=2, success_rate=98.0, max_weight=20.0),
        lambda scenario: careful(scenario).replace("v2", failure=0.0),
    ],
)
def check_careful(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """By the binomial distribution, with the mean number of requests at every step."""
    before = ml.Scenario(
        ml.Poisson("customers", rate=20.0, to="orders"),
        ml.Route("orders", to={"v1": 0.95, "v2": 0.05}, canary=ml.Canary(service="v2")),
        ml.Service("v1", replicas=2, service_time=ml.Exponential(mean=0.020), failure=0.005),
        ml.Service("v2", replicas=2, service_time=ml.Exponential(mean=0.020), failure=0.04),
    )
    yield case(
        lambda: answer(before).replace("orders", canary=ml.Canary(service="v2")),
        says="everything but the canary",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        lambda: _canary(answer(before)).max_weight,
        says="the weight from which it is promoted, per cent",
        expected=50.0,
    )
    yield case(
        lambda: (len(_sizes(_canary(answer(before)))) + 1) * _canary(answer(before)).interval / 60,
        says="minutes until a faultless version is promoted",
        expected=passes("at most 12", lambda got: got <= 12.0),
    )
    yield case(
        lambda: _rollback(_canary(answer(before)), 0.995),
        says="the probability that a version at 99.5 % is rolled back",
        expected=passes("below 0.01", lambda got: got < 0.01),
    )
    yield case(
        lambda: _rollback(_canary(answer(before)), 0.96),
        says="the probability that a version at 96 % is rolled back",
        expected=passes("above 0.99", lambda got: got > 0.99),
    )
    yield case(
        lambda: _met(_canary(answer(before)), 0.96),
        says="the requests that meet a version at 96 %, on average",
        expected=passes("fewer than 300", lambda got: got < 300.0),
    )


def verdict(failures: int, requests: int, allowed: float = 0.01) -> str:
    """Return "worse", "better" or "unknown", each wrong in less than 1 % of cases.

    Without any failure it takes 459 requests to be "better" than 1 %, as 0.99**459 is the first
    below 1 %: nearly eight minutes of 60.  It is for one look; whoever asks every minute peeks.
    """
    so_many_or_more = binom.sf(failures - 1, requests, allowed)
    so_few_or_fewer = binom.cdf(failures, requests, allowed)
    if so_many_or_more < 0.01:
        return "worse"
    return "better" if so_few_or_fewer < 0.01 else "unknown"


def _by_the_estimate(failures: int, requests: int, allowed: float = 0.01) -> str:
    return "worse" if failures > allowed * requests else "better"


def _more_only(failures: int, requests: int, allowed: float = 0.01) -> str:
    if binom.sf(failures, requests, allowed) < 0.01:
        return "worse"
    return "better" if binom.cdf(failures, requests, allowed) < 0.01 else "unknown"


def _at_five(failures: int, requests: int, allowed: float = 0.01) -> str:
    if binom.sf(failures - 1, requests, allowed) < 0.05:
        return "worse"
    return "better" if binom.cdf(failures, requests, allowed) < 0.05 else "unknown"


def _never_better(failures: int, requests: int, allowed: float = 0.01) -> str:
    return "worse" if binom.sf(failures - 1, requests, allowed) < 0.01 else "unknown"


def _always_one_per_cent(failures: int, requests: int, allowed: float = 0.01) -> str:
    return verdict(failures, requests)


@exercise(
    "14.verdict",
    wrong=[_by_the_estimate, _more_only, _at_five, _never_better, _always_one_per_cent],
)
def check_verdict(answer: Callable[..., str]) -> Iterator[Case]:
    """Of 60, P(3 or more) is 2.2 %, P(4 or more) 0.3 %; 0.99**458 is 1.002 %, 0.99**459 0.992 %.

    At an allowed share of a half: of 10, P(10) is 0.1 %, P(9 or more) 1.07 %, P(0) 0.1 %.
    """
    yield case(answer, 0, 60, expected="unknown")
    yield case(answer, 1, 60, expected="unknown")
    yield case(answer, 30, 60, expected="worse")
    yield case(answer, 3, 60, expected="unknown")
    yield case(answer, 4, 60, expected="worse")
    yield case(answer, 0, 458, expected="unknown")
    yield case(answer, 0, 459, expected="better")
    yield case(answer, 10, 10, 0.5, expected="worse")
    yield case(answer, 9, 10, 0.5, expected="unknown")
    yield case(answer, 0, 10, 0.5, expected="better")
