"""Connections, data planes, discovery, doors and faults between callers and endpoints."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mesh_lab as ml


def fixed(seconds: float) -> ml.Deterministic:
    return ml.Deterministic(value=seconds)


def rows(run: ml.Run, *columns: str) -> list[tuple[object, ...]]:
    return list(run.calls[list(columns)].itertuples(index=False, name=None))


def called(*, every: float = 1.0, work: float = 2.5, **fields: object) -> ml.Scenario:
    """Return a service with room for everybody, called once a second."""
    given = {"replicas": 2, "workers": 100, "service_time": fixed(work), **fields}
    return ml.Scenario(ml.Renewal("shop", gap=fixed(every), to="api"), ml.Service("api", **given))


# -- connections -----------------------------------------------------------------------------------


def test_one_request_at_a_time_on_http1() -> None:
    connections = ml.Connections(protocol="http1", connect=0.5)
    run = ml.simulate(called(replicas=1, connections=connections), requests=5, seed=1)
    # 2.5 s of work: those of 1, 2 and 3 s open one each; that of 4 s comes at the very moment at
    # which the first is done (1 + 0.5 + 2.5), and takes its connection
    assert rows(run, "sent", "start", "returned") == [
        (1.0, 1.5, 4.0),
        (2.0, 2.5, 5.0),
        (3.0, 3.5, 6.0),
        (4.0, 4.0, 6.5),
        (5.0, 5.0, 7.5),
    ]


def test_many_at_a_time_on_http2() -> None:
    connections = ml.Connections(connect=0.5)
    run = ml.simulate(called(replicas=1, connections=connections, every=0.25), requests=4, seed=1)
    # the handshakes take until 0.75 s; who comes meanwhile waits for the same
    assert rows(run, "sent", "start") == [(0.25, 0.75), (0.5, 0.75), (0.75, 0.75), (1.0, 1.0)]


def test_who_finds_no_connection_waits_in_order() -> None:
    connections = ml.Connections(protocol="http1", most=1)
    run = ml.simulate(called(replicas=1, connections=connections), requests=3, seed=1)
    assert rows(run, "sent", "start", "returned") == [
        (1.0, 1.0, 3.5),
        (2.0, 3.5, 6.0),
        (3.0, 6.0, 8.5),
    ]


def test_a_timeout_ends_waiting_and_the_connection() -> None:
    connections = ml.Connections(protocol="http1", most=1, connect=0.25)
    scenario = called(replicas=1, connections=connections, policy=ml.Policy(timeout=1.5))
    run = ml.simulate(scenario, requests=3, seed=1)
    assert rows(run, "sent", "endpoint", "start", "returned", "result", "outcome") == [
        (1.0, 0, 1.25, 2.5, "timeout", "ok"),
        # the first has given up at 2.5 s and its connection is gone: a new one is opened
        (2.0, 0, 2.75, 3.5, "timeout", "ok"),
        (3.0, 0, 3.75, 4.5, "timeout", "ok"),
    ]
    short = ml.simulate(scenario.replace("api", policy=ml.Policy(timeout=0.9)), requests=3, seed=1)
    assert (short.calls["result"] == "timeout").all()


def test_who_gives_up_while_waiting_was_nowhere() -> None:
    patient, hasty = ml.Call("api"), ml.Call("api", policy=ml.Policy(timeout=1.0), optional=True)
    scenario = ml.Scenario(
        ml.Renewal("shop", gap=fixed(100.0), to="web"),
        ml.Service("web", service_time=fixed(0.5), calls=(ml.Parallel((patient, hasty)),)),
        ml.Service(
            "api",
            service_time=fixed(10.0),
            connections=ml.Connections(protocol="http1", most=1, balance="connection"),
        ),
    )
    run = ml.simulate(scenario, requests=1, seed=1)
    columns = ("service", "endpoint", "sent", "start", "finish", "outcome", "returned", "result")
    assert rows(run, *columns)[:2] == [
        ("web", 0, 100.0, 100.0, 110.5, "ok", 110.5, "ok"),
        ("api", 0, 100.5, 100.5, 110.5, "ok", 110.5, "ok"),
    ]
    gone = run.calls.iloc[2]
    assert gone["endpoint"] == -1
    assert np.isnan(gone["start"])
    assert (gone["finish"], gone["outcome"]) == (101.5, "cancelled")
    assert (gone["returned"], gone["result"]) == (101.5, "timeout")
    run.check_invariants()


def test_limits_of_connections_and_of_those_that_wait() -> None:
    scenario = called(
        replicas=1,
        every=0.25,
        work=10.0,
        connections=ml.Connections(protocol="http1"),
        limits=ml.Limits(max_connections=2, max_pending_requests=3),
    )
    run = ml.simulate(scenario, until=3.1, seed=1)
    assert run.calls["result"].tolist()[:12] == ["in_flight"] * 5 + ["overflow"] * 7
    assert run.calls["start"].notna().sum() == 2


def test_pinned_connections_leave_replicas_idle() -> None:
    # ten callers with one connection each, ten endpoints picked at random: each stays without any
    # with probability 0.9 ** 10
    def idle(seed: int, balance: str) -> int:
        scenario = ml.Scenario(
            ml.Poisson("shop", rate=100.0, to="web"),
            ml.Service("web", replicas=10, workers=50, service_time=fixed(0.001), calls=("api",)),
            ml.Service(
                "api",
                replicas=10,
                workers=50,
                service_time=fixed(0.001),
                balancer=ml.Random(),
                connections=ml.Connections(balance=balance),
            ),
            ml.DataPlane("net", proxy="none"),
        )
        run = ml.simulate(scenario, requests=300, seed=seed)
        there = run.calls.loc[run.calls["service"] == "api", "endpoint"]
        return 10 - there.nunique()

    found = [idle(seed, "connection") for seed in range(1, 201)]
    # occupancy: mean 10 (0.9)^10 = 3.487, variance 0.99; 99.9 % of the mean of 200
    assert abs(np.mean(found) - 10 * 0.9**10) < 3.29 * math.sqrt(0.99 / 200)
    assert idle(1, "request") == 0


# -- the data plane --------------------------------------------------------------------------------


def three_tiers(plane: ml.DataPlane | None, **fields: object) -> ml.Scenario:
    parts = [
        ml.Renewal("shop", gap=fixed(1.0), to="web"),
        ml.Service("web", replicas=2, service_time=fixed(0.1), calls=("api",)),
        ml.Service("api", replicas=2, service_time=fixed(0.1), calls=("db",)),
        ml.Service("db", replicas=2, service_time=fixed(0.1), **fields),
    ]
    return ml.Scenario(*parts, *([plane] if plane is not None else []))


@pytest.mark.parametrize(
    ("proxy", "passes"),
    # two a hop; on one node all but the source stand together: two, one and one; none
    [("sidecar", 6), ("node", 4), ("none", 0)],
)
def test_what_proxies_cost(proxy: str, passes: int) -> None:
    run = ml.simulate(
        three_tiers(ml.DataPlane("mesh", proxy=proxy, cost=0.01)), requests=20, seed=1
    )
    assert np.allclose(run.requests["latency"], 0.3 + 0.01 * passes)


def test_neighbours_on_a_node_pass_one_proxy() -> None:
    plane = ml.DataPlane("mesh", proxy="node", nodes=2, cost=0.01)
    run = ml.simulate(three_tiers(plane), requests=200, seed=1)
    c = run.calls
    web = c[c["service"] == "web"].set_index("request")["endpoint"]
    api = c[c["service"] == "api"].set_index("request")["endpoint"]
    db = c[c["service"] == "db"].set_index("request")["endpoint"]
    expected = 2 + 2 - (web == api).astype(int) + 2 - (api == db).astype(int)
    assert np.allclose(run.requests["latency"], 0.3 + 0.01 * expected)
    assert expected.nunique() >= 2


def test_zones() -> None:
    endpoints = (ml.Endpoint("a", zone="east"), ml.Endpoint("b", zone="west"))
    scenario = ml.Scenario(
        ml.Renewal("shop", gap=fixed(1.0), to="web"),
        ml.Service("web", endpoints=endpoints, service_time=fixed(0.1), calls=("db",)),
        ml.Service("db", endpoints=endpoints, service_time=fixed(0.1), balancer=ml.Random()),
        ml.DataPlane("mesh", proxy="none", within=0.001, between=0.01),
    )
    run = ml.simulate(scenario, requests=100, seed=1)
    c = run.calls
    here = c[c["service"] == "web"]["endpoint"].to_numpy()
    there = c[c["service"] == "db"]["endpoint"].to_numpy()
    way = np.where(here == there, 0.001, 0.01)
    assert np.allclose(run.requests["latency"], 0.2 + 2 * 0.001 + 2 * way)
    assert 20 < (here == there).sum() < 80


# -- discovery -------------------------------------------------------------------------------------


def found(by: object, *changes: object, **fields: object) -> ml.Scenario:
    return ml.Scenario(
        ml.Renewal("shop", gap=fixed(0.5), to="api"),
        ml.Service("api", replicas=2, service_time=fixed(0.01), changes=changes),
        ml.ServiceDiscovery("names", by=by, **fields),
    )


def test_at_once_is_what_there_is_without_discovery() -> None:
    changes = (ml.Fail(at=10.2, endpoint="api-0"), ml.Recover(at=20.2, endpoint="api-0"))
    late = ml.simulate(found(ml.AtOnce(), *changes), until=40.0, seed=1)
    plain = ml.Scenario(*(p for p in found(ml.AtOnce(), *changes).parts if p.name != "names"))
    plain = plain.replace("api", policy=ml.Policy())
    now = ml.simulate(plain, until=40.0, seed=1)
    assert late.calls.equals(now.calls)


def test_old_names_lead_nowhere_until_they_are_looked_up_again() -> None:
    gone = ml.Leave(at=31.2, endpoint="api-0")
    run = ml.simulate(found(ml.Dns(ttl=30.0), gone), until=100.0, seed=1)
    lost = run.calls[run.calls["outcome"] == "unavailable"]
    assert (lost["endpoint"] == 0).all()
    assert len(lost) > 0
    assert lost["sent"].min() >= 31.2
    assert lost["sent"].max() <= 31.2 + 30.0
    after = run.calls[run.calls["sent"] > 61.5]
    assert (after["endpoint"] == 1).all()
    assert (after["outcome"] == "ok").all()


def test_a_newcomer_gets_nothing_before_it_is_known() -> None:
    join = ml.Join(at=31.2, endpoint=ml.Endpoint("new"))
    run = ml.simulate(found(ml.Dns(ttl=30.0), join), until=100.0, seed=1)
    first = run.calls.loc[run.calls["endpoint"] == 2, "sent"].min()
    assert 31.2 < first <= 61.7


# -- doors and faults ------------------------------------------------------------------------------


def test_a_throttle_in_the_proxy() -> None:
    scenario = called(every=0.1, work=0.01, throttle=ml.TokenBucket(rate=1.0, burst=2))
    run = ml.simulate(scenario, until=5.05, seed=1)
    let_in = run.calls.loc[run.calls["result"] == "ok", "sent"]
    # two at once, then one a second
    assert np.allclose(let_in, [0.1, 0.2, 1.1, 2.1, 3.1, 4.1])
    assert (run.calls.loc[run.calls["result"] == "limited", "endpoint"] == -1).all()


def test_codel_drops_what_has_waited_too_long() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=150.0, to="api"),
        ml.Service("api", service_time=fixed(0.01), shedding=ml.CoDel(), policy=ml.Policy()),
    )
    run = ml.simulate(scenario, requests=10_000, seed=1)
    run.check_invariants()
    shed = run.calls[run.calls["outcome"] == "shed"]
    assert shed["start"].isna().all()
    assert shed["arrival"].notna().all()
    assert 0.25 < len(shed) / 10_000 < 0.40  # a third is too much
    plain = ml.simulate(scenario.replace("api", shedding=None), requests=10_000, seed=1)
    assert np.median(run.latencies("shop")) < np.median(plain.latencies("shop")) / 10.0


def test_a_concurrency_limit_forgets_nobody() -> None:
    # nobody is left inside at the end of a long run with timeouts, stops and rejections
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=150.0, to="api"),
        ml.Service(
            "api",
            workers=2,
            capacity=3,
            service_time=ml.Exponential(mean=0.02),
            shedding=ml.ConcurrencyLimit(limit=4),
            cancelled="stop",
            policy=ml.Policy(per_try_timeout=0.03, retries=ml.Retries(2)),
        ),
    )
    run = ml.simulate(scenario, requests=20_000, seed=1)
    run.check_invariants()
    late = run.calls.iloc[-4000:]
    assert (late["outcome"] == "ok").mean() > 0.2
    inside = run.steps("api")
    assert (inside.waiting + inside.busy).max() == 4


def test_faults_on_purpose() -> None:
    scenario = called(every=0.01, work=0.001, faults=ml.Faults(abort=0.1, delay=0.5, delayed=0.2))
    run = ml.simulate(scenario, requests=10_000, seed=1)
    aborted = (run.calls["result"] == "failed").to_numpy()
    late = (run.calls["returned"] - run.calls["sent"] > 0.4).to_numpy()
    for share, expected in ((aborted, 0.1), (late, 0.2), (aborted & late, 0.02)):
        spread = math.sqrt(expected * (1.0 - expected) / 10_000)
        assert abs(share.mean() - expected) < 3.29 * spread
    assert (run.calls.loc[aborted, "endpoint"] == -1).all()


def test_a_caller_does_not_wait_for_a_fault_to_end() -> None:
    scenario = called(work=0.1, faults=ml.Faults(delay=5.0), policy=ml.Policy(timeout=1.0))
    run = ml.simulate(scenario, requests=2, seed=1)
    assert rows(run, "sent", "returned", "result", "outcome") == [
        (1.0, 2.0, "timeout", "cancelled"),
        (2.0, 3.0, "timeout", "cancelled"),
    ]
    assert run.duration == 3.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ml.Connections(protocol="http1", streams=3), "carries one request at a time"),
        (lambda: ml.Faults(), "neither abort nor delay is given"),
        (
            lambda: ml.Scenario(*three_tiers(ml.DataPlane("a")).parts, ml.DataPlane("b")),
            "there are two data planes, 'a' and 'b'; one is allowed",
        ),
        (
            lambda: ml.Scenario(*called(proxies=3).parts, ml.DataPlane("mesh")),
            "proxies: is 3, but DataPlane 'mesh' says how many",
        ),
        (
            lambda: called(
                policy=ml.Policy(),
                eligible=ml.Eligible(zones=ml.ZoneAware(proxy_zones=("east",))),
            ),
            "zone-aware routing looks at the zones of all callers",
        ),
        (
            lambda: found(ml.AtOnce(), services=("apy",)),
            "there is no service 'apy' that answers",
        ),
        (
            lambda: ml.HealthChecks(interval=1.0, timeout=2.0),
            "timeout",
        ),
    ],
)
def test_errors_say_what_to_do(make: object, message: str) -> None:
    with pytest.raises(ml.MeshLabError) as error:
        make()  # type: ignore[operator]
    assert message in str(error.value)


def test_a_circle_in_which_no_time_passes_is_reported() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="api"),
        ml.Service(
            "api",
            mode="async",
            service_time=fixed(0.0),
            calls=("api",),
            policy=ml.Policy(timeout=1.0, propagate=True),
        ),
    )
    with pytest.raises(ml.Deadlock, match="calls that are 2001 deep"):
        ml.simulate(scenario, requests=1, seed=1)
