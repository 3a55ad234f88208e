"""Closed forms against numbers that others have published.

Each was read where it is cited, not recalled:

- The manual of the Erlang calculator at erlang.com: 15 lines carry 8.108 erlang at 1 % loss.
- A worked example of Erlang C in Maxima (dataset Nemotron-CC-Math-v1, "Expressing Well-Known
  Formulas for Service Waiting Time"): 0.2 calls/s of 240 s, 55 agents.
- The tests of the Octave package queueing 1.2.1, qncsmva.m and qncsmvald.m, which quote Bolch et
  al., examples 8.3, 8.4 and 8.7, and Jain, example 3.42.
- A laboratory notebook on GitHub (health-data-science-OR/stochastic_systems): traffic equations
  with the solution (5, 10, 7.5).
- An introduction to M/M/1 (ikeriri.ne.jp/mm1): 16 and 20 per hour, 12 and 15 minutes.
- rmftool 0.5, the program of Gast, Van Houdt and Allmeier for refined mean fields, run on the
  supermarket model as its examples write it down (25 lengths, choices with replacement).
"""

from __future__ import annotations

import math

import pytest

from mesh_lab.theory import erlang_b, jackson, mm1, mmc, mva, power_of_d


def test_fifteen_lines() -> None:
    below, above = (erlang_b(servers=15, offered_load=a) for a in (8.1075, 8.1085))
    assert below < 0.01 < above


def test_fifty_five_agents() -> None:
    result = mmc(arrival_rate=0.2, service_rate=1.0 / 240.0, servers=55)
    assert round(result.wait_probability, 4) == 0.2387
    assert round(result.wait, 3) == 8.184
    assert round(1.0 - result.wait_tail(15.0), 4) == 0.8459


def test_sixteen_and_twenty_an_hour() -> None:
    result = mm1(arrival_rate=16.0, service_rate=20.0)
    assert result.wait * 60.0 == pytest.approx(12.0, rel=1e-12)
    assert result.response * 60.0 == pytest.approx(15.0, rel=1e-12)


def test_bolch_8_3_four_single_servers() -> None:
    result = mva(
        users=6,
        service_means={"1": 0.02, "2": 0.2, "3": 0.4, "4": 0.6},
        visits={"1": 1.0, "2": 0.4, "3": 0.2, "4": 0.1},
    )
    stations = result.stations.values()
    assert [s.utilisation for s in stations] == pytest.approx(
        [0.198, 0.794, 0.794, 0.595], abs=1e-3
    )
    assert [s.response for s in stations] == pytest.approx([0.025, 0.570, 1.140, 1.244], abs=1e-3)
    assert [s.in_system for s in stations] == pytest.approx([0.244, 2.261, 2.261, 1.234], abs=1e-3)
    assert [s.throughput for s in stations] == pytest.approx([9.920, 3.968, 1.984, 0.992], abs=1e-3)


def test_bolch_8_4_two_servers_and_a_delay() -> None:
    result = mva(
        users=3,
        service_means={"1": 0.5, "2": 0.6, "3": 0.8, "4": 1.0},
        visits={"1": 1.0, "2": 0.5, "3": 0.5, "4": 1.0},
        servers={"1": 2, "4": math.inf},
    )
    stations = result.stations.values()
    assert [s.in_system for s in stations] == pytest.approx([0.624, 0.473, 0.686, 1.217], abs=1e-3)
    assert [s.throughput for s in stations] == pytest.approx([1.218, 0.609, 0.609, 1.218], abs=1e-3)
    assert [s.response for s in stations] == pytest.approx([0.512, 0.776, 1.127, 1.0], abs=1e-3)


def test_jain_three_devices_and_terminals() -> None:
    result = mva(
        users=20,
        think_mean=4.0,
        service_means={"cpu": 0.125, "disk a": 0.3, "disk b": 0.2},
        visits={"cpu": 16.0, "disk a": 10.0, "disk b": 5.0},
    )
    stations = result.stations.values()
    assert [s.response for s in stations] == pytest.approx([0.373, 4.854, 0.300], abs=1e-3)
    assert [s.in_system for s in stations] == pytest.approx([1.991, 16.177, 0.500], abs=1e-3)
    assert result.bottleneck == "disk a"


def test_traffic_equations_of_a_laboratory() -> None:
    result = jackson(
        arrival_rates={"1": 1.0, "2": 4.0, "3": 3.0},
        service_rates={"1": 10.0, "2": 20.0, "3": 10.0},
        routing={
            "1": {"2": 0.6, "3": 0.3},
            "2": {"1": 0.1, "3": 0.3},
            "3": {"1": 0.4, "2": 0.4},
        },
    )
    flows = [station.throughput for station in result.stations.values()]
    assert flows == pytest.approx([5.0, 10.0, 7.5], rel=1e-12)


@pytest.mark.parametrize(
    ("load", "choices", "limit", "correction"),
    [
        (0.7, 2, 1.130117639222398, 0.8490655377094016),
        (0.9, 2, 2.352651639591488, 3.98642698717557),
        (0.95, 2, 3.2138937023934275, 8.878355632508839),
        (0.9, 3, 1.8250703720957508, 4.113542211220676),
    ],
)
def test_refined_mean_fields(load: float, choices: int, limit: float, correction: float) -> None:
    """Requests at a server in the limit, and n times what a server of n has more."""
    result = power_of_d(
        arrival_rate=100.0 * load,
        service_rate=1.0,
        servers=100,
        choices=choices,
        replacement=True,
    )
    assert result.in_system / 100.0 == pytest.approx(limit, rel=1e-9)
    more = 100.0 * load * (result.refined_response - result.response)
    assert more == pytest.approx(correction, rel=1e-6)
