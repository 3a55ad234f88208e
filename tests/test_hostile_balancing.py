"""What careless or hostile declarations of balancing meet: a clear error, and never a wrong row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import simpy

import mesh_lab as ml

WORK = ml.Exponential(mean=0.01)
NONE = ml.Deterministic(value=0.0)
SHOP = ml.Poisson("shop", rate=200.0, to="orders")
THREE = tuple(f"orders-{i}" for i in range(3))


def service(**fields: Any) -> ml.Service:
    given: dict[str, Any] = {"service_time": WORK, "replicas": 3} | fields
    return ml.Service("orders", **given)


def ran(requests: int = 60, **fields: Any) -> ml.Run:
    scenario = ml.Scenario(SHOP, service(**fields))
    run = ml.simulate(scenario, requests=requests, seed=1, engine="simpy")
    run.check_invariants()
    return run


# -- declarations that would never end, or never fit -----------------------------------------------


def test_failures_without_time_are_refused() -> None:
    """They would fail and recover at one moment, and the run would never come past it."""
    with pytest.raises(ml.PartError, match=r"Failures: up is .* without end at one moment"):
        ml.Failures(up=NONE, down=NONE)
    with pytest.raises(ml.PartError, match=r"must be 1e-9 s at least"):
        ml.Failures(up=ml.Exponential(mean=1e-30), down=NONE)


@pytest.mark.parametrize(("up", "down"), [(WORK, NONE), (NONE, WORK)], ids=["up", "down"])
def test_failures_of_which_one_takes_time_end(up: ml.Distribution, down: ml.Distribution) -> None:
    assert len(ran(requests=20, changes=(ml.Failures(up=up, down=down),)).requests) == 20


@pytest.mark.parametrize("choices", [0, 1001, 10**9, 1.5, True, "two"], ids=repr)
@pytest.mark.parametrize("rule", [ml.LeastRequest, ml.PowerOfD, ml.JoinIdleQueue])
def test_choices_that_cannot_be_drawn_are_refused(rule: Any, choices: Any) -> None:
    with pytest.raises(ml.PartError, match=f"{rule.__name__}, choices: is "):
        rule(choices=choices)


@pytest.mark.parametrize(
    "rule",
    [
        ml.LeastRequest(choices=9),
        ml.LeastRequest(choices=9, replacement=False),
        ml.PowerOfD(choices=9),
        ml.JoinIdleQueue(choices=9),
    ],
    ids=repr,
)
def test_more_choices_than_endpoints_are_all_of_them(rule: ml.Balancer) -> None:
    run = ran(balancer=rule)
    assert (run.requests["outcome"] == "ok").all()
    assert run.requests["endpoint"].between(0, 2).all()


@pytest.mark.parametrize("bias", [-1.0, math.nan, math.inf, 31.0, 1e308])
def test_a_bias_whose_powers_overflow_is_refused(bias: float) -> None:
    with pytest.raises(ml.PartError, match="LeastRequest, active_bias: is"):
        ml.LeastRequest(active_bias=bias)


def test_the_greatest_bias_and_weights_can_be_run() -> None:
    ends = (
        ml.Endpoint("a", weight=1e9),
        ml.Endpoint("b", weight=1e-9),
        ml.Endpoint("c"),
    )
    run = ran(replicas=1, endpoints=ends, balancer=ml.LeastRequest(active_bias=30.0))
    assert (run.requests["outcome"] == "ok").all()


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf, 1e308])
def test_an_overprovisioning_beyond_whole_percents_is_refused(factor: float) -> None:
    with pytest.raises(ml.PartError, match="Eligible, overprovisioning: is"):
        ml.Eligible(overprovisioning=factor)


@pytest.mark.parametrize("count", [0, -1, 10**10, 10**30, 2.5, "3"], ids=repr)
def test_keys_that_cannot_be_kept_are_refused(count: Any) -> None:
    with pytest.raises(ml.PartError, match=r"count: is .* from 1 to 10000000"):
        ml.Keys(count)


@pytest.mark.parametrize("fields", [{"proxies": 10**9}, {"replicas": 10**6, "proxies": 11}])
def test_notes_that_cannot_be_kept_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ml.PartError, match="10,000,000 together at most"):
        service(**fields)


@pytest.mark.parametrize("given", [-1.0, math.nan, math.inf, 1e308, "1", True], ids=repr)
@pytest.mark.parametrize("field", ["forward_delay", "return_delay"])
def test_a_delay_is_a_number_of_seconds(field: str, given: Any) -> None:
    with pytest.raises(ml.PartError, match=f"Service 'orders', {field}: is "):
        service(**{field: given})


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf, 1e300, "2", True], ids=repr)
def test_a_weight_is_a_number_that_can_be_divided_by(weight: Any) -> None:
    with pytest.raises(ml.PartError, match="Endpoint 'a', weight: is "):
        ml.Endpoint("a", weight=weight)


# -- changes ---------------------------------------------------------------------------------------

FAIL_X = ml.Fail(at=0.2, endpoint="x")
JOIN_X = ml.Join(at=0.2, endpoint=ml.Endpoint("x"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((ml.Change(at=0.1),), "does not say what happens"),
        ((FAIL_X,), "not there at that time"),
        ((FAIL_X, JOIN_X), "not there at that time"),
        (
            (ml.Leave(at=0.1, endpoint="orders-0"), ml.Recover(at=0.1, endpoint="orders-0")),
            "gone for good",
        ),
        ((ml.Join(at=0.2, endpoint=ml.Endpoint("orders-0")),), "is there twice"),
        ((ml.Failures(up=WORK, down=WORK, endpoints=("x",)),), "Failures of 'x'"),
    ],
)
def test_changes_that_cannot_be_are_refused(changes: tuple[Any, ...], says: str) -> None:
    with pytest.raises(ml.PartError, match=f"Service 'orders': changes|endpoints.*{says}") as told:
        service(changes=changes)
    assert says in str(told.value)


@pytest.mark.parametrize("at", [-1.0, math.nan, math.inf, "1", True], ids=repr)
def test_a_change_happens_at_a_time(at: Any) -> None:
    with pytest.raises(ml.PartError, match="Fail, at: is"):
        ml.Fail(at=at, endpoint="x")


def test_who_joins_may_fail_at_the_same_instant() -> None:
    run = ran(changes=(JOIN_X, FAIL_X))
    assert not (run.requests["endpoint"] == 3).any()


@pytest.mark.parametrize(
    ("panic", "kind", "endpoint"),
    [(0.5, ml.Fail, None), (0.0, ml.Fail, -1), (0.5, ml.Leave, -1)],
    ids=["panic", "no panic", "nobody"],
)
def test_with_nobody_healthy_requests_are_unavailable(
    panic: float, kind: Any, endpoint: int | None
) -> None:
    """In panic they are sent to endpoints that are down; without, nowhere."""
    changes = tuple(kind(at=0.0, endpoint=name) for name in THREE)
    run = ran(changes=changes, eligible=ml.Eligible(panic=panic))
    assert (run.requests["outcome"] == "unavailable").all()
    expected = {0, 1, 2} if endpoint is None else {endpoint}
    assert set(run.requests["endpoint"]) == expected


# -- a user's own rule -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [3, -1, True, 1.0, None, "a", 10**40, math.nan, np.float64(1), np.bool_(1), np.array([1])],
    ids=repr,
)
def test_what_is_no_endpoint_is_refused(given: Any) -> None:
    with pytest.raises(ml.MeshLabError, match=r"'orders': its balancer returned .* one of 0, 1, 2"):
        ran(balancer=lambda sight, request: given)


@pytest.mark.parametrize("given", [np.int64(1), np.int8(1), np.uint64(1)], ids=repr)
def test_whole_numbers_of_numpy_are_numbers(given: Any) -> None:
    assert (ran(balancer=lambda sight, request: given).requests["endpoint"] == 1).all()


def test_who_has_left_may_not_be_picked() -> None:
    with pytest.raises(ml.MeshLabError, match=r"returned 0 for .* one of 1, 2"):
        ran(balancer=lambda s, r: 0, changes=(ml.Leave(at=0.1, endpoint="orders-0"),))


def test_a_rule_that_changes_what_it_sees_changes_nothing_else() -> None:
    def emptied(sight: ml.Sight, request: Any) -> int:
        sight.outstanding.clear()
        sight.endpoints.clear()
        return 1

    def widened(sight: ml.Sight, request: Any) -> int:
        sight.outstanding[9] = 0
        sight.endpoints.append(9)
        return 9

    assert (ran(balancer=emptied).requests["endpoint"] == 1).all()
    with pytest.raises(ml.MeshLabError, match=r"returned 9 for .* one of 0, 1, 2"):
        ran(balancer=widened)


def test_a_class_is_no_balancer() -> None:
    with pytest.raises(ml.PartError, match=r"the class RoundRobin; write RoundRobin\(\)"):
        service(balancer=ml.RoundRobin)


def test_an_error_of_a_users_rule_says_where_it_happened() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        ran(balancer=lambda sight, request: 1 / 0)
    assert "the balancer of 'orders', at Request(" in caught.value.__notes__[0]


# -- inside a program of one's own -----------------------------------------------------------------


def called(**fields: Any) -> list[str]:
    env = simpy.Environment()
    (live,) = ml.build(env, service(**fields), seed=1)
    outcomes: list[str] = []

    def caller() -> Any:
        for number in range(5):
            reply = yield live.call(number)
            outcomes.append(reply.outcome)

    env.process(caller())
    env.run(until=20.0)
    return outcomes


@pytest.mark.parametrize(
    "fields",
    [
        {"forward_delay": 0.1, "return_delay": 0.2},
        {"balancer": ml.Prequal()},
        {"balancer": ml.LoadReports(out_of_band=True)},
        {"balancer": ml.JoinShortestQueue(refresh=0.1)},
        {"changes": (ml.Leave(at=0.0, endpoint="orders-0"), JOIN_X)},
    ],
    ids=repr,
)
def test_calls_of_a_live_service_come_back(fields: dict[str, Any]) -> None:
    assert len(called(**fields)) == 5


def test_calls_of_a_live_service_with_nobody_there_come_back() -> None:
    """They leave one after the other, so that two calls are let in and then crash."""
    left = tuple(ml.Leave(at=0.0, endpoint=name) for name in THREE)
    assert called(changes=left) == ["crashed", "crashed"] + ["unavailable"] * 3


@pytest.mark.parametrize("rule", [ml.RingHash(), ml.Maglev(), ml.MapHash()], ids=repr)
def test_what_a_process_sends_has_no_key_to_hash(rule: ml.Balancer) -> None:
    with pytest.raises(ml.MeshLabError, match=r"which hashes keys, but .*, sent by a process"):
        called(balancer=rule)
