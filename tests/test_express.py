"""The express lane gives the rows that the general engine gives, and takes nothing it cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import simpy

import mesh_lab as ml
from mesh_lab.engines import express
from mesh_lab.engines.assembly import Assembly
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
        kept = {name: columns[name] for name in (*COLUMNS, "key") if name in columns}
        found.append({"source": source, "made": made, **kept})
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
    "keys on a ring beside true queues and latencies": ml.Scenario(
        ml.Poisson("a", rate=3.0, to="s", key=ml.Keys(50, exponent=1.0)),
        ml.Renewal("b", gap=LATTICE, to="t"),
        ml.Renewal("c", gap=LATTICE, to="u"),
        ml.Service(
            "s",
            replicas=5,
            service_time=ml.Exponential(mean=1.0),
            balancer=ml.RingHash(min_size=64, balance_factor=125),
        ),
        ml.Service(
            "t",
            endpoints=(ml.Endpoint("x", speed=0.5), ml.Endpoint("y"), ml.Endpoint("z", speed=2.0)),
            service_time=LATTICE,
            capacity=1,
            balancer=ml.PowerOfD(choices=2, refresh=2.0),
        ),
        ml.Service("u", replicas=3, service_time=LATTICE, balancer=ml.PeakEwma()),
    ),
}


@pytest.mark.parametrize("limits", [{"requests": 3000}, {"until": 700.0}], ids=str)
@pytest.mark.parametrize("name", SCENARIOS)
def test_same_rows_as_the_general_engine(name: str, limits: dict[str, Any]) -> None:
    scenario = SCENARIOS[name]
    assert express.fits(scenario)
    fast, slow = both(scenario, 1, **limits)
    assert len(fast["made"]) > 300
    assert fast.keys() == slow.keys()
    for column, values in slow.items():
        np.testing.assert_array_equal(fast[column], values, err_msg=column)


def test_room_grows_when_nobody_knows_how_many_requests_there_will_be() -> None:
    fast, slow = both(SCENARIOS["one worker"], 2, until=30_000.0)
    assert len(fast["made"]) > 3 * 4096
    for column, values in slow.items():
        np.testing.assert_array_equal(fast[column], values, err_msg=column)


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
        {"replicas": 2, "balancer": lambda sight, request: 0},
        {"replicas": 2, "proxies": 2},
        {"replicas": 2, "forward_delay": 0.1},
        {"replicas": 2, "changes": (ml.Fail(at=1.0, endpoint="s-0"),)},
        {"replicas": 2, "eligible": ml.Eligible(subset=ml.RandomSubset(size=1))},
        {"endpoints": (ml.Endpoint("a"), ml.Endpoint("b", priority=1))},
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
