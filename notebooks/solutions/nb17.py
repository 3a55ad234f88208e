"""Solutions and checks of notebook 17: look here after you have tried."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes

Bucket = dict[str, float]
Limiter = Callable[[Bucket, float], bool]


def token_bucket(bucket: Bucket, now: float) -> bool:
    """Return whether a request at `now` (s) may pass, and take a token if so.

    A bucket that is full stays full.  Without `min` a quiet night of 8 hours at 100 tokens a second
    leaves nearly three million tokens, and as many requests pass at once in the morning.
    """
    came = bucket["rate"] * (now - bucket["at"])
    bucket["tokens"] = min(bucket["burst"], bucket["tokens"] + came)
    bucket["at"] = now
    if bucket["tokens"] < 1:
        return False
    bucket["tokens"] -= 1
    return True


def _without_a_brim(bucket: Bucket, now: float) -> bool:
    bucket["tokens"] += bucket["rate"] * (now - bucket["at"])
    bucket["at"] = now
    if bucket["tokens"] < 1:
        return False
    bucket["tokens"] -= 1
    return True


def _time_stands_still_when_refused(bucket: Bucket, now: float) -> bool:
    came = bucket["rate"] * (now - bucket["at"])
    bucket["tokens"] = min(bucket["burst"], bucket["tokens"] + came)
    if bucket["tokens"] < 1:
        return False  # and what came will come again
    bucket["at"] = now
    bucket["tokens"] -= 1
    return True


def _whole_tokens_only(bucket: Bucket, now: float) -> bool:
    came = int(bucket["rate"] * (now - bucket["at"]))
    bucket["tokens"] = min(bucket["burst"], bucket["tokens"] + came)
    bucket["at"] = now
    if bucket["tokens"] < 1:
        return False
    bucket["tokens"] -= 1
    return True


def _full_each_second(bucket: Bucket, now: float) -> bool:
    if now - bucket["at"] >= 1.0:
        bucket["tokens"], bucket["at"] = bucket["burst"], now
    if bucket["tokens"] < 1:
        return False
    bucket["tokens"] -= 1
    return True


def _let_in(answer: Limiter, times: Sequence[float]) -> Any:
    """Return which of the requests pass, by number: 8 tokens a second, at most 4."""
    bucket: Bucket = {"rate": 8.0, "burst": 4, "tokens": 4, "at": 0.0}
    found: list[Any] = [answer(bucket, now) for now in times]
    for got in found:
        if got is ... or got is None:  # the blank, or a way that returns nothing
            return got
    return [number for number, passed in enumerate(found) if passed]


@exercise(
    "17.token_bucket",
    wrong=[
        _without_a_brim,
        _time_stands_still_when_refused,
        _whole_tokens_only,
        _full_each_second,
    ],
)
def check_token_bucket(answer: Limiter) -> Iterator[Case]:
    """With 8 tokens a second all times are exact: a token comes in 1/8 s."""
    yield case(
        lambda: _let_in(answer, [0.0] * 6),
        says="rate 8, burst 4: of six requests at 0 s, those that pass",
        expected=[0, 1, 2, 3],
    )
    yield case(
        lambda: _let_in(answer, [0.0] * 4 + [0.0625, 0.125, 0.1875, 0.25]),
        says="four at 0 s, then one at 1/16, 2/16, 3/16 and 4/16 s: those that pass",
        expected=[0, 1, 2, 3, 5, 7],
    )
    yield case(
        lambda: _let_in(answer, [3600.0] * 6),
        says="nobody for an hour, then six at once: those that pass",
        expected=[0, 1, 2, 3],
    )
    yield case(
        lambda: _let_in(answer, [0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25]),
        says="three at 0 s, when two tokens have come four more: those that pass",
        expected=[0, 1, 2, 3, 4, 5],
    )


def three_sick(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` (20 replicas, three sick, default detector) with less than 2 % failing.

    Three of twenty are 15 %, and Envoy counts the one to be ejected: 100 * (2 + 1) / 20 <= 15.
    With 10 % two may go.  `always_eject_one_host` changes nothing, as it is about the first.
    """
    return scenario.replace("orders", ejection=ml.OutlierDetection(max_ejection_percent=15))


def _crowd() -> ml.Scenario:
    """Return the twenty replicas; numbers 3, 8 and 13 are sick."""
    slow = 0.020 * math.log(2) / 0.250
    return ml.Scenario(
        ml.Poisson("customers", rate=400.0, to="orders"),
        ml.Service(
            "orders",
            endpoints=tuple(
                ml.Endpoint(f"orders-{k}", speed=slow if k in (3, 8, 13) else 1.0)
                for k in range(20)
            ),
            workers=50,
            service_time=ml.Exponential(mean=0.020),
            policy=ml.Policy(timeout=0.250),
            cancelled="stop",
            ejection=ml.OutlierDetection(),
        ),
    )


def _ejecting(rule: ml.OutlierDetection | None) -> Callable[[ml.Scenario], ml.Scenario]:
    return lambda scenario: scenario.replace("orders", ejection=rule)


@exercise(
    "17.three_sick",
    wrong=[
        lambda scenario: scenario,
        _ejecting(ml.OutlierDetection(always_eject_one_host=True)),
        _ejecting(ml.OutlierDetection(max_ejection_percent=14)),
        _ejecting(ml.OutlierDetection(max_ejection_percent=50)),
        _ejecting(ml.OutlierDetection(max_ejection_percent=15, consecutive_5xx=2)),
        _ejecting(None),
        lambda scenario: scenario.replace("orders", policy=ml.Policy(timeout=2.0)),
    ],
)
def check_three_sick(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Only the percentage may change; 40 s, 16 000 requests, of which 7.5 % fail unguarded."""
    before = _crowd()

    def percent() -> Any:
        rule = getattr(answer(before)["orders"], "ejection", None)
        return getattr(rule, "max_ejection_percent", "there is no detector")

    def with_the_default() -> ml.Scenario:
        rule = ml.OutlierDetection(max_ejection_percent=percent())
        changed = answer(before)
        if getattr(changed["orders"], "ejection", None) != rule:
            return changed
        return changed.replace("orders", ejection=ml.OutlierDetection())

    def failing() -> float:
        run = ml.simulate(answer(before), until=40.0, seed=1)
        outcome = run.requests["outcome"]
        return float(100 * (outcome[outcome != "in_flight"] != "ok").mean())

    yield case(
        percent,
        says="its max_ejection_percent",
        expected=passes("a number of per cent", lambda got: isinstance(got, int)),
    )
    yield case(
        with_the_default,
        says="everything but max_ejection_percent",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        failing,
        says="the share of requests that fail, %",
        expected=passes("less than 2", lambda share: share < 2.0),
    )
    yield case(
        percent,
        says="its max_ejection_percent",
        expected=passes("no larger than needed", lambda got: got == 15),
    )


def outliers(success: Sequence[float]) -> list[int]:
    """Return the numbers of the replicas that are outliers, as a list in ascending order.

    Two sick replicas of five are never found, however sick: they pull the mean down and the
    deviation up.  k of n that are equally sick are sqrt((n - k) / k) deviations below the mean,
    which is more than 1.9 only for less than 21.7 % of them.
    """
    mean = statistics.fmean(success)
    threshold = mean - 1.9 * statistics.pstdev(success)
    return [number for number, rate in enumerate(success) if rate < threshold]


def _of_a_sample(success: Sequence[float]) -> list[int]:
    threshold = statistics.fmean(success) - 1.9 * statistics.stdev(success)
    return [number for number, rate in enumerate(success) if rate < threshold]


def _not_above(success: Sequence[float]) -> list[int]:
    threshold = statistics.fmean(success) - 1.9 * statistics.pstdev(success)
    return [number for number, rate in enumerate(success) if rate <= threshold]


def _on_both_sides(success: Sequence[float]) -> list[int]:
    mean, far = statistics.fmean(success), 1.9 * statistics.pstdev(success)
    return [number for number, rate in enumerate(success) if abs(rate - mean) > far]


def _below_the_half(success: Sequence[float]) -> list[int]:
    return [number for number, rate in enumerate(success) if rate < 60.0]


@exercise("17.outliers", wrong=[_of_a_sample, _not_above, _on_both_sides, _below_the_half])
def check_outliers(answer: Callable[[Sequence[float]], list[int]]) -> Iterator[Case]:
    """By hand: {50, 100 x 4} has mean 90 and deviation 20, so 52; {50, 50, 100 x 3}: 80, 24.5."""
    yield case(answer, [100.0, 100.0, 50.0, 100.0, 100.0], expected=[2])  # 50 < 52
    yield case(answer, [50.0, 50.0, 100.0, 100.0, 100.0], expected=[])  # 50 > 33.5
    yield case(answer, [100.0] * 5, expected=[])  # nobody is below the mean
    yield case(answer, [0.0, 0.0, 0.0, 100.0, 100.0, 100.0, 100.0], expected=[])  # 57 - 1.9 * 49
    yield case(answer, [99.0, *[100.0] * 7, 99.0, 100.0], expected=[0, 8])  # 99.8 - 1.9 * 0.4
    yield case(answer, [0.0, 100.0, 0.0, 0.0, 0.0], expected=[])  # good for once
