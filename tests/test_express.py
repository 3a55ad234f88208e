"""The express lane gives the rows that the general engine gives, and takes nothing it cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import simpy

import mesh_lab as ml
from mesh_lab.balancing.view import Chances, Pick
from mesh_lab.engines import express
from mesh_lab.engines.assembly import Assembly
from mesh_lab.parts import part
from mesh_lab.simulate import run_assembly

LATTICE = ml.Empirical(values=(0.25, 0.5, 1.0))
COLUMNS = ("station", "endpoint", "start", "finish", "outcome")


def both(scenario: ml.Scenario, seed: int, **limits: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns by the express lane and by the general engine."""
    limits = {"requests": None, "until": None, **limits}
    fast = express.run(simpy.Environment(), scenario, seed, **limits)
    env = simpy.Environment()
    slow = Assembly(env, scenario, seed)
    run_assembly(env, slow, **limits)
    found = []
    for ledger in (fast, slow.ledger):
        source, made = ledger.request_columns()
        columns = ledger.columns()
        found.append({"source": source, "made": made, **{name: columns[name] for name in COLUMNS}})
    return found[0], found[1]


SCENARIOS = {
    "one worker": ml.Scenario(
        ml.Poisson("a", rate=0.8, to="s"), ml.Service("s", service_time=ml.Exponential(mean=1.0))
    ),
    "queue and handler, bounded": ml.Scenario(
        ml.Renewal("a", gap=LATTICE, to="q"),
        ml.Queue("q", capacity=2),
        ml.Handler("h", source="q", work=LATTICE, workers=1),
    ),
    "several sources and stations on a lattice": ml.Scenario(
        ml.Renewal("a", gap=LATTICE, to="s"),
        ml.Poisson("b", rate=1.0, to="t"),
        ml.Renewal("c", gap=LATTICE, to="s"),
        ml.Service("s", workers=2, service_time=LATTICE, capacity=3),
        ml.Service("t", replicas=3, service_time=ml.Exponential(mean=2.0), balancer=ml.Random()),
    ),
    "least request, bounded replicas": ml.Scenario(
        ml.Poisson("a", rate=5.0, to="s"),
        ml.Service(
            "s",
            replicas=4,
            service_time=ml.Exponential(mean=1.0),
            capacity=1,
            balancer=ml.LeastRequest(choices=3),
        ),
    ),
    "round robin from the third": ml.Scenario(
        ml.Bursts("a", rates=(1.0, 9.0), holds=(5.0, 1.0), to="s"),
        ml.Service(
            "s", replicas=4, service_time=ml.Exponential(mean=1.0), balancer=ml.RoundRobin(start=2)
        ),
    ),
}


@pytest.mark.parametrize("limits", [{"requests": 3000}, {"until": 700.0}], ids=str)
@pytest.mark.parametrize("name", SCENARIOS)
def test_same_rows_as_the_general_engine(name: str, limits: dict[str, Any]) -> None:
    scenario = SCENARIOS[name]
    assert express.fits(scenario)
    fast, slow = both(scenario, 1, **limits)
    assert len(fast["made"]) > 300
    for column, values in slow.items():
        np.testing.assert_array_equal(fast[column], values, err_msg=column)


def test_room_grows_when_nobody_knows_how_many_requests_there_will_be() -> None:
    fast, slow = both(SCENARIOS["one worker"], 2, until=30_000.0)
    assert len(fast["made"]) > 3 * 4096
    for column, values in slow.items():
        np.testing.assert_array_equal(fast[column], values, err_msg=column)


@part
class Newest(ml.Balancer):
    """A user's own rule, which may look at anything that a request has."""

    def picker(self, endpoints: int, chances: Chances) -> Pick:
        return lambda view, request: int(request.arrival) % endpoints


SERVICE = {"service_time": ml.Exponential(mean=1.0)}


@pytest.mark.parametrize(
    "fields",
    [
        {"discipline": "lifo"},
        {"discipline": "ps"},
        {"ttl": 1.0},
        {"capacity": 1, "overflow": "block"},
        {"capacity": 1, "overflow": "drop_oldest"},
        {"failure": 0.1},
        {"outages": ((1.0, 2.0),)},
        {"io": ml.Exponential(mean=1.0)},
        {"mode": "async", "io": ml.Exponential(mean=1.0)},
        {"to": {"s": 0.1}},
        {"service_time": lambda request, rng: 1.0},
        {"balancer": Newest()},
    ],
    ids=" ".join,
)
def test_whatever_it_cannot_do_goes_to_the_general_engine(fields: dict[str, Any]) -> None:
    service = ml.Service("s", **{**SERVICE, **fields})
    assert not express.fits(ml.Scenario(ml.Poisson("a", rate=0.5, to="s"), service))


@pytest.mark.parametrize(
    "source",
    [
        ml.Users("a", users=2, think=ml.Exponential(mean=1.0), to="s"),
        ml.PoissonBatches("a", rate=0.1, size=3, to="s"),
        ml.Poisson("a", rate=0.5, to={"s": 0.5, "t": 0.5}),
    ],
    ids=repr,
)
def test_sources_it_cannot_do_go_to_the_general_engine(source: Any) -> None:
    stations = ml.Service("s", **SERVICE), ml.Service("t", **SERVICE)
    assert not express.fits(ml.Scenario(source, *stations))
