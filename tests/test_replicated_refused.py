"""What a cluster, its changes and its run refuse, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.errors import PartError, ScenarioError
from mesh_lab.replicated import simulate

WRITES = ml.Poisson("w", rate=1.0, to="db")
ONCE = ml.Exponential(mean=1.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nodes": 0}, "nodes: is 0"),
        ({"nodes": 10_000}, "nodes: is 10000"),
        ({"nodes": 2}, "replication is 3, but there are only 2 nodes"),
        ({"nodes": ("a", "b", "a")}, "nodes: 'a' is there twice"),
        ({"nodes": ("a", "", "b")}, "nodes"),
        ({"replication": 0}, "replication: is 0"),
        ({"vnodes": 0}, "vnodes: is 0"),
        ({"nodes": {}}, "nodes is empty, but must give one data centre at least"),
        ({"nodes": {"east": 0}}, "nodes"),
        ({"nodes": {"": 3}}, "nodes"),
        ({"nodes": {"east": 3, "west": 2}}, "replication in 'west' is 3, but there are only 2"),
        ({"nodes": {"east": ("a", "b", "c"), "west": ("d", "a", "e")}}, "'a' is there twice"),
        (
            {"nodes": {"east": 3, "west": 3}, "replication": {"east": 3}},
            "given for the data centres 'east', but must be a number, or be given for each there "
            "is: 'east', 'west'",
        ),
        ({"replication": {"east": 3}}, "for each there is: none declared"),
        ({"nodes": {"east": 3}, "replication": {"east": 0}}, "replication"),
        ({"far_link": -1.0}, "far_link: is -1.0"),
        ({"read": "SOME"}, "read: is 'SOME'"),
        ({"read": "quorum"}, "'ONE', 'TWO', 'THREE', 'QUORUM', 'LOCAL_QUORUM', or 'ALL'"),
        ({"write": "THREE", "replication": 2}, "write is 'THREE', but replication is 2"),
        ({"link": -1.0}, "link: is -1.0"),
        ({"link": float("nan")}, "link"),
        ({"link": float("inf")}, "link"),
        ({"write_timeout": 0.0}, "write_timeout: is 0.0"),
        ({"detection": -1.0}, "detection"),
        ({"hint_interval": 0.0}, "hint_interval"),
        ({"hints": 1}, "hints: is 1"),
        ({"skew": -0.1}, "skew"),
        ({"skew": {"x": 1.0}}, "skew: 'x' is no node; there are: 'db-0', 'db-1'"),
        ({"skew": {"db-0": 1e300}}, "skew"),
        ({"changes": (ml.Fail(at=1.0, endpoint="x"),)}, "changes: 'x' is no node"),
        ({"changes": (ml.Drain(at=1.0, endpoint="db-1"),)}, "nothing that happens to the nodes"),
        ({"changes": (ml.Slow(at=1.0, endpoint="db-1", speed=2.0),)}, "take Fail, Recover, Leave"),
        ({"changes": (ml.Change(at=1.0),)}, "nothing that happens"),
        ({"changes": (ml.Failures(up=ONCE, down=ONCE, endpoints=("y",)),)}, "'y' is no node"),
        ({"changes": (ml.Failures(up=ONCE, down=ONCE),) * 2}, "Failures of 'db-0' are declared 2"),
        (
            {"changes": (ml.Isolations(connected=ONCE, isolated=ONCE, nodes=("q",)),)},
            "'q' is no node",
        ),
        (
            {"changes": (ml.Isolations(connected=ONCE, isolated=ONCE),) * 2},
            "changes: Isolations of 'db-0' are declared 2 times",
        ),
        ({"changes": (ml.Exponential(mean=1.0),)}, "changes[0]: is Exponential(mean=1.0)"),
        (
            {"changes": (ml.NetworkPartition(at=1.0, until=2.0, nodes=("z",)),)},
            "'z' is no node",
        ),
        (
            {
                "changes": (
                    ml.Recover(at=2.0, endpoint="db-1"),
                    ml.Leave(at=1.0, endpoint="db-1"),
                )
            },
            "comes after 'db-1' has gone for good",
        ),
    ],
)
def test_impossible_clusters_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PartError) as caught:
        ml.Cluster("db", **fields)
    assert words in str(caught.value)
    assert "Cluster 'db'" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"at": 2.0, "until": 2.0, "nodes": ("a",)}, "until is 2.0, but must be later than at"),
        ({"at": 1.0, "until": 2.0, "nodes": ()}, "nodes is empty"),
        ({"at": -1.0, "until": 2.0, "nodes": ("a",)}, "at: is -1.0"),
    ],
)
def test_impossible_partitions_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PartError) as caught:
        ml.NetworkPartition(**fields)
    assert words in str(caught.value)


def test_failures_and_isolations_of_one_node_are_two_things() -> None:
    changes = (ml.Failures(up=ONCE, down=ONCE), ml.Isolations(connected=ONCE, isolated=ONCE))
    assert ml.Cluster("db", changes=changes).changes == changes


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "neither writes nor reads are given"),
        ({"writes": 3}, "writes is 3, but must be an open source, such as Poisson('writes'"),
        (
            {"reads": ml.Users("u", users=1, think=ONCE, to="db")},
            "must be an open source",
        ),
        ({"writes": ml.Poisson("w", rate=1.0, to="shop")}, "source 'w' sends to 'shop', but the"),
        ({"writes": ml.Poisson("w", rate=1.0, to={"db": 1.0})}, "but the cluster is 'db'"),
        ({"writes": WRITES, "reads": WRITES}, "writes and reads are both called 'w'"),
        ({"writes": WRITES}, "give requests= or until=: source 'w' would go on for ever"),
        ({"writes": WRITES, "requests": 0}, "requests is 0"),
        ({"writes": WRITES, "requests": 2.0}, "requests is 2.0"),
        ({"writes": WRITES, "requests": True}, "requests is True"),
        ({"writes": WRITES, "requests": 1, "until": 1.0}, "both requests and until"),
        ({"writes": WRITES, "until": float("nan")}, "until is nan"),
        ({"writes": WRITES, "until": float("inf")}, "until is inf"),
        ({"writes": WRITES, "until": "1"}, "until is '1'"),
        ({"writes": WRITES, "requests": 1, "keys": 5}, "keys is 5, but must be Keys"),
        ({"writes": WRITES, "requests": 1, "seed": -1}, "seed is -1"),
    ],
)
def test_impossible_runs_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        simulate(ml.Cluster("db"), **{"seed": 1, **fields})
    assert words in str(caught.value)


def test_what_is_no_cluster_is_refused_and_so_is_an_impossible_confidence() -> None:
    with pytest.raises(ScenarioError, match="must be a Cluster"):
        simulate(ml.Service("db", service_time=ONCE), writes=WRITES, requests=1, seed=1)  # type: ignore[arg-type]
    run = simulate(ml.Cluster("db"), writes=WRITES, requests=1, seed=1)
    with pytest.raises(ScenarioError, match=r"confidence is 1\.0"):
        run.report(confidence=1.0)


def test_the_default_is_shown_short_and_parts_are_values() -> None:
    store = ml.Cluster("db", nodes=3, read="ONE")
    assert repr(store) == "Cluster('db', nodes=3, read='ONE')"
    assert store == ml.Cluster("db", nodes=3, read="ONE")
    assert hash(store) == hash(ml.Cluster("db", nodes=3, read="ONE"))


def test_isolations_that_take_no_time_are_refused_and_services_know_none() -> None:
    never = ml.Deterministic(value=0.0)
    with pytest.raises(PartError, match="their means must be 1e-9 s at least together"):
        ml.Isolations(connected=never, isolated=never)
    for change in (
        ml.Isolations(connected=ONCE, isolated=ONCE),
        ml.NetworkPartition(at=1.0, until=2.0, nodes=("s",)),
    ):
        with pytest.raises(PartError, match="Service 's', changes"):
            ml.Service("s", service_time=ONCE, changes=(change,))
