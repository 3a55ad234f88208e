"""The engine gives the same rows as the oracle, to the last bit; and what would go unnoticed.

The random scenarios are numbers 1, 2, 3, ... of `tests.scenarios`.  ``make validate`` compares many
more of them with ``python -m tests.differential``.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import mesh_lab as ml
from tests.compare import Coverage, Expected, first_difference, report
from tests.differential import compare, found_after, missing
from tests.faults import FAULTS, planted
from tests.scenarios import TRACES, ByClass, Case, make

SCENARIOS = 80
cache: dict[int, Expected] = {}


def seconds(value: float) -> ml.Deterministic:
    return ml.Deterministic(value=value)


def test_random_scenarios_give_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    coverage = Coverage()
    difference = compare(1, SCENARIOS, coverage)
    with capsys.disabled():
        print(f"\nengine and oracle: {coverage}")
    assert difference is None, difference
    assert not missing(coverage)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    assert found_after(name, cache, SCENARIOS) is not None


def test_planted_faults_are_taken_out_again() -> None:
    """Whatever a fault changed is as it was: the scenario that found it shows no difference."""
    name = "the agenda from its end"
    seed = found_after(name, cache, SCENARIOS)
    assert seed is not None
    assert first_difference(make(seed)) is None


def test_a_difference_is_reported_small_and_can_be_pasted() -> None:
    name = "the interrupted one begins anew"
    seed = found_after(name, cache, SCENARIOS)
    assert seed is not None
    case = make(seed)
    with planted(name):
        text = report(case, tries=150)
        pasted = text[text.index("Case(") :]
        small = eval(pasted, {**vars(ml), "Case": Case, "ByClass": ByClass})
        assert first_difference(small) is not None
    assert first_difference(small) is None
    assert re.search(r"row \d+ of (calls|requests) differs in", text)
    assert len(small.parts) < len(case.parts)
    assert small.requests is not None
    assert small.requests < 30


ITSELF = {"s": 0.999}

CASES = {
    "a request may wait for its own place": Case(
        parts=(
            ml.Poisson("in", rate=0.6, to="s"),
            ml.Service(
                "s",
                service_time=ml.Exponential(mean=0.5),
                workers=2,
                capacity=1,
                overflow="block",
                to={"s": 0.4},
            ),
        ),
        requests=500,
        until=None,
        seed=1,
    ),
    "it counts for concurrency when it is let in at once": Case(
        parts=(
            ml.Poisson("in", rate=0.6, to="s"),
            ml.Service(
                "s",
                service_time=ml.Exponential(mean=0.5),
                io=ml.Exponential(mean=0.5),
                mode="async",
                concurrency=2,
                workers=2,
                capacity=1,
                overflow="block",
                to={"s": 0.3},
            ),
        ),
        requests=300,
        until=None,
        seed=2,
    ),
    "a deadlock may still be dissolved by a time-to-live after the end": Case(
        parts=(
            ml.Renewal("in", gap=seconds(1.0), to="s"),
            ml.Service(
                "s",
                service_time=seconds(1.5),
                capacity=1,
                overflow="block",
                to=ITSELF,
                ttl=50.0,
            ),
        ),
        requests=None,
        until=20.0,
        seed=1,
    ),
    "or by an outage": Case(
        parts=(
            ml.Renewal("in", gap=seconds(1.0), to="s"),
            ml.Service(
                "s",
                service_time=seconds(1.5),
                capacity=1,
                overflow="block",
                to=ITSELF,
                outages=((30.0, 31.0),),
            ),
        ),
        requests=None,
        until=20.0,
        seed=1,
    ),
    "a visit to a station outside the loop is the first one there": Case(
        parts=(
            ml.Poisson("in", rate=1.0, to="a"),
            ml.Service("a", service_time=ml.Exponential(mean=0.3), to={"a": 0.5, "b": 0.5}),
            ml.Service("b", service_time=ml.Exponential(mean=0.5)),
        ),
        requests=200,
        until=None,
        seed=1,
    ),
    "a crash makes room where the limit is on all who are there": Case(
        parts=(
            ml.Poisson("in", rate=1.0, to="q"),
            ml.Users("u", users=4, think=seconds(1.0), to="q"),
            ml.Queue("q", discipline="ps", capacity=2, overflow="block"),
            ml.Handler("h", source="q", work=seconds(2.0), outages=((10.0, 14.0), (30.0, 33.5))),
        ),
        requests=40,
        until=None,
        seed=1,
    ),
    "the new one may preempt where the oldest is dropped": Case(
        parts=(
            ml.Poisson("low", rate=1.0, to="s", priority=1),
            ml.Poisson("high", rate=0.5, to="s"),
            ml.Service(
                "s",
                service_time=ml.Exponential(mean=1.0),
                discipline="preemptive",
                capacity=1,
                overflow="drop_oldest",
            ),
        ),
        requests=300,
        until=None,
        seed=1,
    ),
    "an express scenario": Case(
        parts=(
            ml.Poisson("a", rate=2.0, to="s"),
            ml.Renewal("b", gap=seconds(0.5), to="s"),
            ml.Service(
                "s",
                replicas=3,
                workers=2,
                capacity=2,
                service_time=ml.HyperExponential.fit(mean=1.4, scv=4.0),
                balancer=ml.LeastRequest(),
            ),
        ),
        requests=2000,
        until=None,
        seed=1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_that_was_wrong_once_or_could_be(name: str) -> None:
    assert first_difference(CASES[name]) is None


def test_users_stop_when_a_record_ends_before_all_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case(
        parts=(
            ml.Users("u", users=2, think=seconds(1.0), to="s"),
            ml.Replay("r", str(TRACES / "lattice.csv"), time="at", to="s"),
            ml.Service("s", service_time=ml.Uniform(low=0.25, high=0.75)),
        ),
        requests=400,
        until=None,
        seed=1,
    )
    drawn = 0
    draw = ml.Deterministic.draw

    def limited(self: ml.Deterministic, rng: np.random.Generator, size: int) -> Any:
        nonlocal drawn
        drawn += size
        assert drawn < 20_000, "the users go on for ever"
        return draw(self, rng, size)

    monkeypatch.setattr(ml.Deterministic, "draw", limited)
    assert first_difference(case) is None
