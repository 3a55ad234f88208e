"""A user's function for the work may say that a request fails, and knows where and when it is."""

from __future__ import annotations

import math
from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.stations.handler import Failing
from tests.test_calls import calls, in_turn, once, seconds, simulate


def test_it_knows_the_endpoint_the_attempt_and_when_it_was_sent() -> None:
    seen = []

    def work(request: Any, rng: Any) -> float:
        seen.append((request.endpoint, request.attempt, request.sent))
        return Failing(0.5) if request.endpoint == 0 else 0.25

    policy = ml.Policy(retries=ml.Retries(2))
    run = simulate(
        once("s"),
        ml.Service(
            "s",
            replicas=2,
            service_time=work,
            balancer=in_turn(0, 0, 1),
            forward_delay=2.0,
            policy=policy,
        ),
    )
    assert seen == [(0, 0, 1.0), (0, 1, 3.5), (1, 2, 6.0)]
    assert calls(run) == [
        ("s/0", 1.0, 3.0, 3.5, "failed", 3.5, "failed"),
        ("s/1", 3.5, 5.5, 6.0, "failed", 6.0, "failed"),
        ("s/2", 6.0, 8.0, 8.25, "ok", 8.25, "ok"),
    ]


@pytest.mark.parametrize("discipline", ["fifo", "sjf", "ps", "preemptive"])
def test_who_fails_goes_nowhere_and_who_does_not_goes_on(discipline: Any) -> None:
    def work(request: Any, rng: Any) -> float:
        return Failing(0.5) if request.number == 0 else 0.5

    run = ml.simulate(
        ml.Scenario(
            once("line"),
            ml.Queue("line", discipline=discipline),
            ml.Handler("h", source="line", work=work, to="next"),
            ml.Queue("next"),
            ml.Handler("g", source="next", work=seconds(0.25)),
        ),
        requests=2,
        seed=1,
    )
    assert run.requests["outcome"].tolist() == ["failed", "ok"]
    assert run.requests["finish"].tolist() == [1.5, 2.75]


def test_without_a_balancer_there_is_no_endpoint() -> None:
    seen = []

    def work(request: Any, rng: Any) -> float:
        seen.append((request.endpoint, request.attempt, math.isnan(request.sent)))
        return 0.5

    ml.simulate(
        ml.Scenario(once("line"), ml.Queue("line"), ml.Handler("h", source="line", work=work)),
        requests=1,
        seed=1,
    )
    assert seen == [(-1, 0, True)]


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_it_must_be_seconds_all_the_same(value: float) -> None:
    scenario = ml.Scenario(
        once("s"), ml.Service("s", replicas=2, service_time=lambda request, rng: Failing(value))
    )
    with pytest.raises(ml.MeshLabError, match="must return seconds"):
        ml.simulate(scenario, requests=1, seed=1)


def test_a_consumer_says_what_to_do_instead() -> None:
    scenario = ml.Scenario(
        ml.Renewal("shop", gap=seconds(1.0), to="box"),
        ml.MessageQueue("box"),
        ml.Consumer("c", source="box", work=lambda event, rng: Failing(0.5)),
    )
    with pytest.raises(ml.MeshLabError, match="give failure= instead"):
        ml.simulate(scenario, requests=1, seed=1)
