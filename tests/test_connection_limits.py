"""Connections and limits, event by event: every time was worked out by hand.

Requests come at seconds 1, 2, 3, ... unless a test says otherwise; `ends` has when each ended, and
how.  The rules are Envoy's (``conn_pool_base.cc``), see `mesh_lab.stations.connections`.
"""

from __future__ import annotations

from typing import Any

import pytest

import mesh_lab as ml
from tests.test_calls import calls, ends, in_turn, once, seconds, service, simulate

HTTP1 = ml.Connections(protocol="http1")
SLOW1 = ml.Connections(protocol="http1", connect=10.0)


def starts(run: ml.Run) -> list[Any]:
    return [row[2] for row in calls(run)]


def test_before_a_connection_is_up_all_wait_and_count_as_pending() -> None:
    limits = ml.Limits(max_connections=2, max_pending_requests=3, max_requests=10)
    run = simulate(
        once("s"), service("s", 100.0, workers=9, connections=SLOW1, limits=limits), requests=6
    )
    assert starts(run) == [11.0, 12.0, 111.0, None, None, None]  # two connections, made at 1 and 2
    refused = [(4.0, "overflow"), (5.0, "overflow"), (6.0, "overflow")]
    assert ends(run) == [(111.0, "ok"), (112.0, "ok"), (211.0, "ok"), *refused]


def test_a_connection_that_takes_no_time_is_there_at_once() -> None:
    limits = ml.Limits(max_connections=2, max_pending_requests=1, max_requests=10)
    run = simulate(
        once("s"), service("s", 100.0, workers=9, connections=HTTP1, limits=limits), requests=4
    )
    assert starts(run) == [1.0, 2.0, 101.0, None]
    assert ends(run)[-1] == (4.0, "overflow")


def test_whoever_waits_first_takes_the_connection_that_is_free_first() -> None:
    """The second need not wait for the one that is opened for it: the first's is free before."""
    run = simulate(once("s"), service("s", 0.5, workers=9, connections=SLOW1), requests=2)
    assert starts(run) == [11.0, 11.5]


@pytest.mark.parametrize("requests", [1, 2])
def test_the_limit_of_requests_is_looked_at_when_there_is_a_connection(requests: int) -> None:
    """On HTTP/2 there is one connection, and three wait for it."""
    connections = ml.Connections(protocol="http2", connect=10.0)
    run = simulate(
        once("s"),
        service(
            "s", 5.0, workers=9, connections=connections, limits=ml.Limits(max_requests=requests)
        ),
        requests=3,
    )
    good = [(16.0, "ok")] * requests
    assert ends(run) == good + [(11.0, "overflow")] * (3 - requests)


def test_connections_are_opened_for_those_who_have_no_room_in_others() -> None:
    connections = ml.Connections(protocol="http2", connect=10.0, streams=2)
    run = simulate(once("s"), service("s", 50.0, workers=9, connections=connections), requests=3)
    assert starts(run) == [11.0, 11.0, 13.0]


def test_balanced_by_connection_the_balancer_is_asked_once_for_each() -> None:
    connections = ml.Connections(protocol="http2", balance="connection", connect=10.0, streams=2)
    run = simulate(
        once("s"),
        service("s", 50.0, replicas=2, workers=9, connections=connections, balancer=in_turn(1, 0)),
        requests=3,
    )
    assert starts(run) == [11.0, 11.0, 13.0]
    assert run.calls["endpoint"].tolist() == [1, 1, 0]


def test_who_is_refused_a_place_in_the_queue_holds_nothing() -> None:
    """One is served, one waits; 2.5 s each.  What overflows must not use up the limit of two."""
    limits = ml.Limits(max_connections=1, max_pending_requests=1, max_requests=2)
    run = simulate(
        once("s"), service("s", 2.5, workers=9, connections=HTTP1, limits=limits), requests=9
    )
    over = "overflow"
    assert ends(run) == [
        (3.5, "ok"),
        (6.0, "ok"),
        (3.0, over),
        (8.5, "ok"),
        (5.0, over),
        (11.0, "ok"),
        (7.0, over),
        (8.0, over),
        (13.5, "ok"),
    ]


def test_who_gives_up_while_waiting_holds_nothing() -> None:
    """Two that have half a second give up their place; the one between them is served at 11."""
    limits = ml.Limits(max_connections=1, max_pending_requests=2, max_requests=2)
    run = simulate(
        once("s"),
        ml.Renewal("hasty", gap=seconds(1.25), to="s", deadline=0.5),
        service("s", 10.0, workers=9, connections=HTTP1, limits=limits),
        requests=4,
    )
    assert ends(run) == [(11.0, "ok"), (1.75, "timeout"), (21.0, "ok"), (3.0, "timeout")]


@pytest.mark.parametrize(("percent", "attempts"), [(34.0, 1), (50.0, 2)])
def test_a_budget_counts_those_who_wait_once(percent: float, attempts: int) -> None:
    """The first fails while the second waits: they are two, of which 34 % are none, 50 % one."""
    budget = ml.EnvoyRetryBudget(budget_percent=percent, min_retry_concurrency=0)
    run = simulate(
        once("s"),
        service(
            "s",
            1.5,
            workers=9,
            failure=1.0,
            connections=HTTP1,
            limits=ml.Limits(max_connections=1),
            budget=budget,
            policy=ml.Policy(retries=ml.Retries(1)),
        ),
        requests=2,
    )
    assert (run.calls["request"] == 0).sum() == attempts


def test_a_connection_that_is_too_old_makes_room_for_another() -> None:
    connections = ml.Connections(protocol="http1", lifetime=5.0)
    run = simulate(
        ml.Renewal("in", gap=seconds(7.0), to="s"),
        service(
            "s",
            0.5,
            replicas=2,
            connections=connections,
            limits=ml.Limits(max_connections=1),
            balancer=in_turn(0, 1, 0),
        ),
        requests=3,
    )
    assert ends(run) == [(7.5, "ok"), (14.5, "ok"), (21.5, "ok")]


@pytest.mark.parametrize("lifetime", [0.1, 5.0, 1e-30])
def test_a_connection_grows_old_from_when_it_is_up(lifetime: float) -> None:
    """However short its life is, it carries the request that it was opened for."""
    connections = ml.Connections(protocol="http2", connect=10.0, lifetime=lifetime)
    run = simulate(once("s"), service("s", 3.0, workers=9, connections=connections), requests=2)
    assert starts(run) == [11.0, 11.0]


def test_nobody_to_go_to_ends_who_would_have_opened_a_connection() -> None:
    """The only endpoint leaves at 1.5; the first still waits, the second takes no place."""
    connections = ml.Connections(protocol="http1", balance="connection", connect=10.0)
    run = simulate(
        once("s"),
        service(
            "s",
            0.5,
            connections=connections,
            limits=ml.Limits(max_pending_requests=2),
            changes=(ml.Leave(at=1.5, endpoint="s-0"),),
        ),
        requests=3,
    )
    assert ends(run)[1:] == [(2.0, "unavailable"), (3.0, "unavailable")]
