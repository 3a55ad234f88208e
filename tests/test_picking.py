"""Asking hashing rules directly: the same picks as real proxies, and as a run."""

from __future__ import annotations

import csv
import gzip
from typing import Any

import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab.balancing.picking import picks
from tests.recorded_picks import FOLDER, hosts
from tests.recorded_picks import picks as recorded

ASKED = [
    ("envoy-ring-hash", ml.RingHash(), 0),
    ("envoy-maglev", ml.Maglev(), 0),
    ("nginx-hash-consistent", ml.KetamaHash(), 0),
    ("haproxy-map-based", ml.MapHash(), 0),
    ("envoy-ring-hash-bounded", ml.RingHash(balance_factor=110), 30),
    ("envoy-maglev-bounded", ml.Maglev(balance_factor=110), 30),
]


def keys_of(name: str) -> list[str]:
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt", newline="") as file:
        return [row["key"] for row in csv.DictReader(file)]


def endpoints_of(which: str) -> list[ml.Endpoint]:
    addresses, weights = hosts()[which]
    return [ml.Endpoint(a, weight=w) for a, w in zip(addresses, weights, strict=True)]


@pytest.mark.parametrize("which", ["ten", "ten_weighted"])
@pytest.mark.parametrize(("name", "rule", "unanswered"), ASKED)
def test_picks_are_those_of_the_proxy(
    name: str, rule: ml.Balancer, unanswered: int, which: str
) -> None:
    got = picks(rule, endpoints_of(which), keys_of(name), unanswered=unanswered)
    assert got.tolist() == recorded(name)[which]


def test_outstanding_requests_matter_to_bounded_loads_alone() -> None:
    keys = keys_of("envoy-ring-hash")
    free, bounded = ml.RingHash(), ml.RingHash(balance_factor=110)
    names = [endpoint.name for endpoint in endpoints_of("ten")]
    plain = picks(free, names, keys).tolist()
    assert picks(bounded, names, keys).tolist() == plain
    assert picks(free, names, keys, unanswered=30).tolist() == plain
    assert picks(bounded, names, keys, unanswered=30).tolist() != plain
    assert (
        picks(bounded, names, keys, unanswered=29).tolist()
        != recorded("envoy-ring-hash-bounded")["ten"]
    )


@pytest.mark.parametrize("rule", [ml.RingHash(), ml.Maglev(), ml.Rendezvous(), ml.JumpHash()])
def test_picks_are_those_of_a_run(rule: ml.Balancer) -> None:
    endpoints = (ml.Endpoint("a", weight=2.0), ml.Endpoint("b"), ml.Endpoint("c"))
    keys = ml.Keys(100)
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=10.0, to="cache", key=keys),
        ml.Service(
            "cache",
            endpoints=endpoints,
            balancer=rule,
            service_time=ml.Deterministic(value=0.01),
        ),
    )
    requests = ml.simulate(scenario, requests=500, seed=1, engine="reference").requests
    got = picks(rule, endpoints, [keys.text(k) for k in requests["key"]])
    np.testing.assert_array_equal(got, requests["endpoint"].to_numpy())


def test_keys_may_come_one_by_one() -> None:
    got = picks(ml.JumpHash(), ["a", "b"], (str(k) for k in range(5)))
    assert got.shape == (5,)
    assert picks(ml.JumpHash(), ["a", "b"], []).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((ml.RoundRobin(), ["a"], ["k"]), "must be a rule that looks at keys"),
        ((lambda sight, request: 0, ["a"], ["k"]), "must be a rule that looks at keys"),
        ((ml.Maglev(), [], ["k"]), "at least one endpoint"),
        ((ml.Maglev(), "abc", ["k"]), "at least one endpoint"),
        ((ml.Maglev(), ["a", "b", "a"], ["k"]), "'a' twice"),
        ((ml.Maglev(), ["a"], "key"), "give a list of texts"),
        ((ml.MapHash(), [ml.Endpoint("a", weight=0.5)], ["k"]), "must be a whole number"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ml.PartError, match=says):
        picks(*arguments)


@pytest.mark.parametrize("unanswered", [-1, 1.5])
def test_a_window_is_a_whole_number(unanswered: Any) -> None:
    with pytest.raises(ml.PartError, match="must be 0 or more"):
        picks(ml.Maglev(), ["a"], ["k"], unanswered=unanswered)


@pytest.mark.parametrize(
    ("endpoints", "keys", "message"),
    [
        (["a", "b"], [1, 2], "keys: holds 1, but every key must be a text"),
        (["a", "b"], ml.Keys(10), r"keys: is Keys\(10\); give texts"),
        ([1, 2], ["k"], r"endpoints: is \[1, 2\], but must be a list of at least one endpoint"),
        (3, ["k"], "endpoints: is 3, but must be a list"),
    ],
)
def test_what_is_no_key_or_endpoint_is_named(endpoints: Any, keys: Any, message: str) -> None:
    with pytest.raises(ml.PartError, match=message):
        ml.picks(ml.RingHash(), endpoints, keys)


def test_a_class_of_rules_needs_parentheses() -> None:
    rule: Any = ml.RingHash
    with pytest.raises(ml.PartError, match=r"write RingHash\(\), with parentheses"):
        ml.picks(rule, ["a"], ["k"])
