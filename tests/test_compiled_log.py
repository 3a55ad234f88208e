"""The compiled log gives the rows of the reference, and says what it cannot run."""

from __future__ import annotations

from types import ModuleType
from typing import Any
from unittest import mock

import pytest

import mesh_lab as ml
from mesh_lab.engines import express_log
from mesh_lab.engines.compiled import reasons
from mesh_lab.engines.compiled.events import log_driver
from mesh_lab.parts import part
from tests.differential_log import FAULTS, compare, differing, found_after

WORK = ml.Exponential(mean=0.01)


def test_the_rows_are_those_of_the_reference() -> None:
    covered, found = compare(1, 150, plain=False)
    assert not found
    assert covered["compiled"] >= 145


@pytest.mark.parametrize("name", list(FAULTS)[::3])
def test_a_planted_fault_is_found(name: str) -> None:
    assert found_after(name, 500) is not None


def scenario(*, log: ml.Log | None = None, **group: object) -> ml.Scenario:
    options: dict[str, object] = {"work": WORK, "members": 2, **group}
    return ml.Scenario(
        ml.Poisson("shop", rate=100.0, to="orders", key=ml.Keys(10)),
        log or ml.Log("orders", partitions=3),
        ml.ConsumerGroup("billing", source="orders", **options),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("engine", "taken"),
    [("auto", log_driver), ("compiled", log_driver), ("simpy", express_log)],
)
def test_simulate_takes_it_by_itself_and_when_asked(engine: Any, taken: ModuleType) -> None:
    right = ml.simulate(scenario(), seed=1, requests=20_000, engine="reference")
    with mock.patch.object(taken, "run", wraps=taken.run) as quick:
        run = ml.simulate(scenario(), seed=1, requests=20_000, engine=engine)
    assert quick.call_count == 1
    assert not differing((run.columns, run.delivery_columns), right)
    assert run.duration == right.duration
    assert run.lag("billing").equals(right.lag("billing"))
    assert run.delivery_report().equals(right.delivery_report())


def test_a_group_of_another_kind_is_not_run_as_what_it_derives_from() -> None:
    @part
    class Other(ml.ConsumerGroup):
        pass

    other = ml.Scenario(
        ml.Poisson("shop", rate=100.0, to="orders"),
        ml.Log("orders"),
        Other("billing", source="orders", work=WORK),
    )
    assert "'billing': a Other, which takes or keeps events" in reasons(other)
    assert not express_log.fits(other)


@pytest.mark.parametrize(
    ("log", "group", "words"),
    [
        (None, {"work": lambda event, rng: 0.1}, "'billing': a user's function says how long"),
        (None, {"changes": (ml.CrashMember(at=1.0, member=0),)}, "members that come and go"),
        (None, {"members": 0}, "a group without members"),
        (ml.Log("orders", broker_outages=((0, 1.0, 2.0),)), {}, "'orders': broker_outages="),
        (ml.Log("orders", producer=ml.Producer(loss=0.1)), {}, "a producer that loses requests"),
        (
            ml.Log("orders", replication=2, replica_delay=ml.Exponential(mean=0.1)),
            {},
            "replicas that copy in drawn times",
        ),
    ],
)
def test_what_it_cannot_run_is_named(
    log: ml.Log | None, group: dict[str, object], words: str
) -> None:
    cannot = scenario(log=log, **group)
    assert any(words in reason for reason in reasons(cannot))
    with pytest.raises(ml.ScenarioError, match="the compiled engine cannot run this scenario"):
        ml.simulate(cannot, seed=1, requests=10, engine="compiled")


def test_a_timeout_that_runs_out_is_left_to_the_reference() -> None:
    slow = scenario(
        log=ml.Log("orders", producer=ml.Producer(delay=ml.Exponential(mean=20.0))),
        reset="earliest",
    )
    assert not reasons(slow)
    one, other = (
        ml.simulate(slow, seed=3, requests=300, engine=engine)  # type: ignore[call-overload]
        for engine in ("compiled", "reference")
    )
    assert "expired" in set(other.requests.outcome)
    assert one.deliveries.equals(other.deliveries)
