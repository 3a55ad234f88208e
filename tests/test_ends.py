"""How a run ends: after the last arrival, with the error of a user's own code, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simpy

import mesh_lab as ml
from mesh_lab.engines import express

E = ml.Exponential
D = ml.Deterministic
SHOP = ml.Poisson("shop", rate=1.0, to="s")
SERVICE = ml.Service("s", service_time=E(mean=0.5))


@pytest.mark.parametrize("limits", [{"requests": 3}, {"until": 30.0}], ids=str)
def test_an_error_of_the_users_function_comes_through(limits: dict[str, Any]) -> None:
    """SimPy reports the end of events by a RuntimeError, too; the two must not be mixed up."""

    def broken(request: Any, rng: np.random.Generator) -> float:
        raise RuntimeError("the user's own")

    scenario = ml.Scenario(SHOP, ml.Service("s", service_time=broken))
    with pytest.raises(RuntimeError, match="the user's own"):
        ml.simulate(scenario, seed=1, **limits)


def recorded_and_users(folder: Path) -> ml.Scenario:
    path = folder / "trace.csv"
    path.write_text("time\n1.0\n2.0\n3.0\n")
    return ml.Scenario(
        ml.Replay("trace", path, time="time", to="s"),
        ml.Users("staff", users=2, think=D(value=1.0), to="s"),
        ml.Service("s", workers=9, service_time=D(value=0.25)),
    )


def test_users_stop_when_every_open_source_has_come_to_its_end(tmp_path: Path) -> None:
    run = ml.simulate(recorded_and_users(tmp_path), requests=100, seed=1)
    requests = run.requests
    assert requests["arrival"][requests["source"] == "trace"].tolist() == [1.0, 2.0, 3.0]
    assert requests["arrival"][requests["source"] == "staff"].tolist() == [1.0, 1.0, 2.25, 2.25]
    assert run.in_flight == 0


def test_users_go_on_until_the_time_that_is_given(tmp_path: Path) -> None:
    run = ml.simulate(recorded_and_users(tmp_path), until=20.0, seed=1)
    arrivals = run.requests["arrival"][run.requests["source"] == "staff"]
    assert arrivals.tolist() == [1.0 + 1.25 * cycle for cycle in range(16) for _ in range(2)]


def test_users_for_whom_no_time_passes_are_an_error() -> None:
    """The second of them is turned away, does not think, is turned away, and so on."""
    scenario = ml.Scenario(
        ml.Users("staff", users=2, think=D(value=0.0), to="s"),
        ml.Service("s", service_time=D(value=1.0), capacity=0),
    )
    with pytest.raises(ml.Deadlock, match="the users 'staff' have sent 2001 requests"):
        ml.simulate(scenario, until=3.0, seed=1)


def test_users_need_not_think_where_they_are_served() -> None:
    """A closed loop without thinking: with 3 users and 1 worker, somebody is always served."""
    scenario = ml.Scenario(
        ml.Users("staff", users=3, think=D(value=0.0), to="s"),
        ml.Service("s", service_time=D(value=0.5)),
    )
    run = ml.simulate(scenario, until=4001.0, seed=1)
    assert run.summary().loc["s", "utilisation"] == pytest.approx(1.0)
    assert np.count_nonzero(run.requests["outcome"] == "ok") == 8001


def test_the_reference_engine_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = ml.Scenario(SHOP, SERVICE)
    quick = ml.simulate(scenario, requests=500, seed=1)

    def not_this_one(*_: object, **__: object) -> None:
        raise AssertionError("the express lane was taken")

    monkeypatch.setattr(express, "run", not_this_one)
    asked = ml.simulate(scenario, requests=500, seed=1, engine="reference")
    assert asked.requests.equals(quick.requests)


def test_a_scenario_that_would_go_on_for_ever_is_not_explained() -> None:
    with pytest.raises(ml.ScenarioError, match="source 'shop' would go on for ever"):
        ml.explain(ml.Scenario(SHOP, SERVICE), seed=1, requests=None)
    with pytest.raises(ml.ScenarioError, match="seed is -1"):
        ml.explain(ml.Scenario(SHOP, SERVICE), seed=-1)


def test_numbers_of_numpy_are_taken_as_numbers(tmp_path: Path) -> None:
    numbers: dict[str, Any] = {"requests": np.int64(20), "seed": np.uint8(3)}
    run = ml.simulate(ml.Scenario(SHOP, SERVICE), **numbers)
    run.save(tmp_path / "run.parquet")
    assert ml.load_run(tmp_path / "run.parquet").seed == 3


def work(request: Any, rng: np.random.Generator) -> float:
    return float(rng.exponential(0.9))


def test_users_functions_meet_the_same_chance_whatever_the_policy_is() -> None:
    """The generator belongs to the request, not to the moment at which somebody asks."""
    needed = []
    for fields in ({}, {"discipline": "lifo"}, {"discipline": "sjf"}, {"replicas": 3}):
        service = ml.Service("s", service_time=work, **fields)
        run = ml.simulate(ml.Scenario(SHOP, service), requests=300, seed=1)
        needed.append((run.requests["finish"] - run.requests["start"]).to_numpy())
    assert len(set(needed[0])) > 290
    for other in needed[1:]:
        np.testing.assert_allclose(other, needed[0], rtol=0, atol=1e-9)


def test_a_blocked_put_is_told_when_the_service_goes_down() -> None:
    env = simpy.Environment()
    service: Any
    (service,) = ml.build(
        env,
        ml.Service(
            "s", capacity=0, overflow="block", service_time=D(value=9.0), outages=((2.0, 3.0),)
        ),
        seed=1,
    )
    let_in, blocked = service.put("first"), service.put("second")
    env.run(until=1.0)
    assert (let_in.value, blocked.triggered) == ("ok", False)
    env.run(until=2.5)
    assert blocked.value == "unavailable"
