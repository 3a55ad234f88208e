"""Calls, event by event: every time in these logs was worked out by hand.

The one request is made at second 1, unless a test says otherwise.  A row of a log is one attempt:
where and which, when it was sent, when its service began and ended and how, when its caller knew,
and what it saw.  `NEVER` stands for what did not happen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab.draws import Draws

NEVER = None
Row = tuple[Any, ...]


def seconds(value: float) -> ml.Deterministic:
    return ml.Deterministic(value=value)


def once(to: str, **fields: Any) -> ml.Renewal:
    """Return a source whose first request comes at second 1, the next at 2, and so on."""
    return ml.Renewal("in", gap=seconds(1.0), to=to, **fields)


def service(name: str, work: float, **fields: Any) -> ml.Service:
    return ml.Service(name, service_time=seconds(work), **fields)


def simulate(*parts: Any, requests: int = 1) -> ml.Run:
    return ml.simulate(ml.Scenario(*parts), requests=requests, seed=1, engine="reference")


def calls(run: ml.Run) -> list[Row]:
    """Return (service/attempt, sent, start, finish, outcome, returned, result) of each attempt."""
    table = run.calls
    name = [f"{s}/{k}" for s, k in zip(table["service"], table["attempt"], strict=True)]
    columns = [table[c] for c in ("sent", "start", "finish", "outcome", "returned", "result")]
    return [
        tuple(NEVER if isinstance(x, float) and math.isnan(x) else x for x in row)
        for row in zip(name, *columns, strict=True)
    ]


def ends(run: ml.Run) -> list[tuple[float, str]]:
    """Return when each request ended, and how."""
    return list(zip(run.requests["finish"], run.requests["outcome"], strict=True))


def in_turn(*endpoints: int) -> Callable[..., int]:
    """Return a balancer that picks these endpoints, one after the other."""
    left = iter(endpoints)
    return lambda sight, request: next(left)


# -- time-outs -------------------------------------------------------------------------------------


def test_a_slow_server_goes_on_working_for_callers_that_have_left() -> None:
    run = simulate(
        once("slow"),
        service("slow", 10.0, policy=ml.Policy(per_try_timeout=1.0, retries=ml.Retries(2))),
    )
    assert calls(run) == [
        ("slow/0", 1.0, 1.0, 11.0, "ok", 2.0, "timeout"),
        ("slow/1", 2.0, 11.0, 21.0, "ok", 3.0, "timeout"),
        ("slow/2", 3.0, 21.0, 31.0, "ok", 4.0, "timeout"),
    ]
    assert ends(run) == [(4.0, "timeout")]
    assert run.duration == 31.0  # it ends with the last work, not with the last caller
    busy = run.timeline("slow")
    assert list(zip(busy["time"], busy["waiting"], busy["busy"], strict=True)) == [
        (0.0, 0, 0),
        (1.0, 0, 1),
        (2.0, 1, 1),
        (3.0, 2, 1),
        (11.0, 1, 1),
        (21.0, 0, 1),
        (31.0, 0, 0),
    ]
    run.check_invariants()


@pytest.mark.parametrize(
    ("whole", "each", "sent", "end"),
    [
        (2.5, 1.0, [1.0, 2.0, 3.0], 3.5),  # the last try has half a second left
        (2.0, 1.0, [1.0, 2.0], 3.0),  # the second try ends with the call: there is no third
        (1.0, 1.0, [1.0], 2.0),
        (2.5, None, [1.0], 3.5),
        (None, 1.0, [1.0, 2.0, 3.0, 4.0], 5.0),  # until retries run out
    ],
)
def test_the_time_of_a_try_and_of_the_call(
    whole: float | None, each: float | None, sent: list[float], end: float
) -> None:
    policy = ml.Policy(timeout=whole, per_try_timeout=each, retries=ml.Retries(3))
    run = simulate(once("slow"), service("slow", 10.0, workers=9, policy=policy))
    returned = [*sent[1:], end]
    assert calls(run) == [
        (f"slow/{k}", at, at, at + 10.0, "ok", back, "timeout")
        for k, (at, back) in enumerate(zip(sent, returned, strict=True))
    ]
    assert ends(run) == [(end, "timeout")]


def test_a_time_out_covers_both_ways_and_the_line() -> None:
    """0.5 there, 1 in the line behind another, 1 of work, 0.5 back: 3 seconds for the second."""
    for timeout, result in ((3.0, "ok"), (2.75, "timeout")):
        run = simulate(
            once("s"),
            ml.Renewal("other", gap=seconds(1.0), to="s"),
            service(
                "s", 1.0, forward_delay=0.5, return_delay=0.5, policy=ml.Policy(timeout=timeout)
            ),
            requests=2,
        )
        assert calls(run) == [
            ("s/0", 1.0, 1.5, 2.5, "ok", 3.0, "ok"),
            ("s/0", 1.0, 2.5, 3.5, "ok", 1.0 + timeout, result),
        ]


def test_an_answer_at_the_very_end_is_in_time() -> None:
    for policy in (ml.Policy(timeout=0.5), ml.Policy(per_try_timeout=0.5, retries=ml.Retries(1))):
        run = simulate(once("s"), service("s", 0.5, policy=policy))
        assert calls(run) == [("s/0", 1.0, 1.0, 1.5, "ok", 1.5, "ok")]
    run = simulate(once("s", deadline=0.5), service("s", 0.5, cancelled="skip"))
    assert ends(run) == [(1.5, "ok")]


def test_a_failure_at_the_very_end_is_what_the_call_ends_with() -> None:
    policy = ml.Policy(timeout=0.5, retries=ml.Retries(3))
    run = simulate(once("s"), service("s", 0.5, failure=1.0, policy=policy))
    assert calls(run) == [("s/0", 1.0, 1.0, 1.5, "failed", 1.5, "failed")]
    assert ends(run) == [(1.5, "failed")]


# -- retries ---------------------------------------------------------------------------------------


def test_retries_run_out() -> None:
    policy = ml.Policy(retries=ml.Retries(2))
    run = simulate(once("s"), service("s", 0.5, failure=1.0, policy=policy))
    assert calls(run) == [
        ("s/0", 1.0, 1.0, 1.5, "failed", 1.5, "failed"),
        ("s/1", 1.5, 1.5, 2.0, "failed", 2.0, "failed"),
        ("s/2", 2.0, 2.0, 2.5, "failed", 2.5, "failed"),
    ]
    assert ends(run) == [(2.5, "failed")]


def test_the_pauses_of_a_back_off_grow() -> None:
    backoff = ml.Backoff(base=0.25, cap=0.75)
    policy = ml.Policy(retries=ml.Retries(3, backoff=backoff))
    run = simulate(once("s"), service("s", 0.5, failure=1.0, policy=policy))
    sent = [1.0, 1.75, 2.75, 4.0]  # 0.5 of work, then 0.25, 0.5, 0.75
    assert [row[1] for row in calls(run)] == sent


@pytest.mark.parametrize(
    ("timeout", "sent", "end"),
    [
        (2.5, [1.0, 2.5], 3.5),  # the second pause would end at 4
        (3.0, [1.0, 2.5], 4.0),  # it would end with the call
        (3.25, [1.0, 2.5, 4.0], 4.25),  # it ends before: the third try has a quarter of a second
    ],
)
def test_a_pause_is_cut_short_by_the_end_of_the_call(
    timeout: float, sent: list[float], end: float
) -> None:
    backoff = ml.Backoff(base=1.0, growth="fixed")
    policy = ml.Policy(timeout=timeout, retries=ml.Retries(9, backoff=backoff))
    run = simulate(once("s"), service("s", 0.5, failure=1.0, policy=policy))
    assert [row[1] for row in calls(run)] == sent
    assert ends(run) == [(end, "timeout")]


BUSY = ml.Renewal("before", gap=seconds(0.75), to="s")  # the server has somebody already
FAILING: dict[str, dict[str, Any]] = {
    "rejected": {"capacity": 0},
    "dropped": {"capacity": 1, "overflow": "drop_oldest"},
    "expired": {"ttl": 0.25},
    "failed": {"failure": 1.0, "workers": 9},
    "crashed": {"workers": 9, "outages": ((1.25, 9.0),)},
    "unavailable": {"workers": 9, "outages": ((0.875, 9.0),)},
    "timeout": {},
}


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("result", FAILING)
def test_only_what_a_policy_names_is_tried_again(result: str, tried: bool) -> None:
    """Requests at 0.75, 1 and 1.5; the one at 1 meets its failure, at 1.5 at the latest."""
    named = [name for name in FAILING if (name == result) == tried]
    policy = ml.Policy(
        per_try_timeout=0.25 if result == "timeout" else None,
        retries=ml.Retries(1, on=tuple(named), backoff=ml.Backoff(base=5.0, growth="fixed")),  # type: ignore[arg-type]
    )
    run = simulate(
        BUSY,
        once("front"),
        ml.Service(
            "front", service_time=seconds(0.0), workers=9, calls=(ml.Call("s", policy=policy),)
        ),
        service("s", 0.5 if result == "failed" else 4.0, **FAILING[result]),
        requests=3,
    )
    ours = run.calls[(run.calls["service"] == "s") & (run.calls["request"] == 1)]
    first = ours.iloc[0]
    assert first["sent"] == 1.0
    assert first["result"] == result
    assert first["returned"] <= 1.5
    assert ours["sent"].tolist()[1:] == ([first["returned"] + 5.0] if tried else [])


def test_what_is_tried_again_by_default() -> None:
    """All that is tried here, and not what Envoy's circuit breaker has refused."""
    for on in (ml.Retries(1).on, ml.Hedge(delay=1.0).on):
        assert set(FAILING) <= set(on)
        assert "overflow" not in on


def test_a_rejected_one_is_tried_elsewhere() -> None:
    """Two requests, at 1 and 2; both pick endpoint 0, which has no room for the second."""
    run = simulate(
        once("s"),
        service(
            "s",
            10.0,
            replicas=2,
            capacity=0,
            balancer=in_turn(0, 0, 1),
            policy=ml.Policy(retries=ml.Retries(1)),
        ),
        requests=2,
    )
    assert calls(run) == [
        ("s/0", 1.0, 1.0, 11.0, "ok", 11.0, "ok"),
        ("s/0", 2.0, NEVER, 2.0, "rejected", 2.0, "rejected"),
        ("s/1", 2.0, 2.0, 12.0, "ok", 12.0, "ok"),
    ]
    assert run.calls["endpoint"].tolist() == [0, 0, 1]
    assert ends(run) == [(11.0, "ok"), (12.0, "ok")]


# -- hedges ----------------------------------------------------------------------------------------

TWO = (ml.Endpoint("slow", speed=0.1), ml.Endpoint("quick"))  # 1 second of work takes 10 and 1
HEDGE = ml.Policy(hedge=ml.Hedge(delay=0.5))


@pytest.mark.parametrize(
    ("cancelled", "finish", "outcome"),
    [("finish", 11.0, "ok"), ("skip", 11.0, "ok"), ("stop", 2.5, "cancelled")],
)
def test_a_hedge_wins_against_one_in_service(cancelled: Any, finish: float, outcome: str) -> None:
    run = simulate(once("s"), service("s", 1.0, endpoints=TWO, policy=HEDGE, cancelled=cancelled))
    assert calls(run) == [
        ("s/0", 1.0, 1.0, finish, outcome, 2.5, "cancelled"),
        ("s/1", 1.5, 1.5, 2.5, "ok", 2.5, "ok"),
    ]
    assert ends(run) == [(2.5, "ok")]
    assert run.duration == finish


@pytest.mark.parametrize(
    ("cancelled", "start", "finish", "outcome"),
    [
        ("finish", 10.75, 20.75, "ok"),
        ("skip", NEVER, 10.75, "cancelled"),
        ("stop", NEVER, 2.5, "cancelled"),
    ],
)
def test_a_hedge_wins_against_one_that_waits(
    cancelled: Any, start: float | None, finish: float, outcome: str
) -> None:
    run = simulate(
        BUSY,
        once("front"),
        service("front", 0.0, calls=(ml.Call("s", policy=HEDGE),)),
        service("s", 1.0, endpoints=TWO, balancer=in_turn(0, 0, 1), cancelled=cancelled),
        requests=2,
    )
    assert calls(run) == [
        ("s/0", 0.75, 0.75, 10.75, "ok", 10.75, "ok"),
        ("front/0", 1.0, 1.0, 2.5, "ok", 2.5, "ok"),
        ("s/0", 1.0, start, finish, outcome, 2.5, "cancelled"),
        ("s/1", 1.5, 1.5, 2.5, "ok", 2.5, "ok"),
    ]


@pytest.mark.parametrize(
    ("cancelled", "start", "finish", "outcome"),
    [
        ("finish", 3.0, 13.0, "ok"),
        ("skip", NEVER, 3.0, "cancelled"),
        ("stop", NEVER, 3.0, "cancelled"),
    ],
)
def test_a_hedge_wins_against_one_on_its_way(
    cancelled: Any, start: float | None, finish: float, outcome: str
) -> None:
    """Attempts take 1 or 3 seconds to `s`: we look at the first request with 3, then 1."""
    far = ml.Empirical(values=(1.0, 3.0))
    ways = [Draws(seed=1).column(far, "s", "forward", "in", attempt) for attempt in (0, 1)]
    number = next(n for n in range(1000) if [way.at(n) for way in ways] == [3.0, 1.0])
    run = simulate(
        ml.Renewal("in", gap=seconds(64.0), to="s"),
        service("s", 1.0, endpoints=TWO, forward_delay=far, policy=HEDGE, cancelled=cancelled),
        requests=number + 1,
    )
    at = 64.0 * (number + 1)
    assert calls(run)[-2:] == [
        ("s/0", at, start and at + start, at + finish, outcome, at + 2.5, "cancelled"),
        ("s/1", at + 0.5, at + 1.5, at + 2.5, "ok", at + 2.5, "ok"),
    ]


def test_who_is_stopped_leaves_its_own_calls() -> None:
    """The first attempt at `mid` waits for `deep` when the second one wins."""
    for cancelled, finish, result in (("stop", 2.5, "cancelled"), ("finish", 11.0, "ok")):
        run = simulate(
            once("mid"),
            service("mid", 0.0, workers=2, calls=("deep",), policy=HEDGE, cancelled=cancelled),
            service("deep", 1.0, endpoints=TWO),
        )
        assert calls(run) == [
            ("mid/0", 1.0, 1.0, finish, result, 2.5, "cancelled"),
            ("deep/0", 1.0, 1.0, 11.0, "ok", finish, result),
            ("mid/1", 1.5, 1.5, 2.5, "ok", 2.5, "ok"),
            ("deep/0", 1.5, 1.5, 2.5, "ok", 2.5, "ok"),
        ]
        assert run.calls["parent"].tolist() == [-1, 0, -1, 2]


def test_a_failure_sends_the_next_hedge_at_once() -> None:
    policy = ml.Policy(hedge=ml.Hedge(delay=10.0, times=2))
    run = simulate(once("s"), service("s", 0.5, failure=1.0, policy=policy))
    assert [row[1] for row in calls(run)] == [1.0, 1.5, 2.0]
    assert ends(run) == [(2.5, "failed")]


@pytest.mark.xfail(
    reason="each of several failures in one instant sends an attempt, though only one may follow",
    raises=AssertionError,
    strict=True,
)
def test_failures_in_one_instant_do_not_send_more_than_the_policy_says() -> None:
    """An outage ends attempts 0 and 1 at once; one more may follow them."""
    run = simulate(
        once("s"),
        service(
            "s",
            10.0,
            workers=9,
            outages=((1.75, 2.0),),
            policy=ml.Policy(hedge=ml.Hedge(delay=0.5, times=2)),
        ),
    )
    assert run.calls["attempt"].tolist() == [0, 1, 2]


def test_the_others_are_waited_for_only_if_the_failure_may_be_tried_again() -> None:
    """0: 10 seconds, ok; 1: at a place without room."""
    for on, end in ((("rejected",), (11.0, "ok")), (("failed",), (1.5, "rejected"))):
        policy = ml.Policy(hedge=ml.Hedge(delay=0.5, on=on))  # type: ignore[arg-type]
        run = simulate(once("s"), service("s", 10.0, capacity=0, policy=policy))
        assert [row[4] for row in calls(run)] == ["ok", "rejected"]
        assert ends(run) == [end]


# -- deadlines that travel -------------------------------------------------------------------------


def tiers(last: float, middle: float = 0.5, **policy: Any) -> ml.Run:
    return simulate(
        once("a"),
        service("a", 0.5, calls=("b",), policy=ml.Policy(timeout=2.0, **policy)),
        service("b", middle, calls=("c",)),
        service("c", last),
    )


def test_a_deadline_travels_over_three_tiers() -> None:
    """All must be done at 3; who is called hears of it first, so `a` fails in that instant."""
    assert calls(tiers(2.0, propagate=True)) == [
        ("a/0", 1.0, 1.0, 3.0, "failed", 3.0, "failed"),
        ("b/0", 1.5, 1.5, 3.0, "failed", 3.0, "timeout"),
        ("c/0", 2.0, 2.0, 4.0, "ok", 3.0, "timeout"),
    ]
    assert calls(tiers(2.0)) == [
        ("a/0", 1.0, 1.0, 4.0, "ok", 3.0, "timeout"),
        ("b/0", 1.5, 1.5, 4.0, "ok", 4.0, "ok"),
        ("c/0", 2.0, 2.0, 4.0, "ok", 4.0, "ok"),
    ]


def test_a_call_that_begins_after_the_deadline_is_not_sent() -> None:
    run = tiers(2.0, middle=2.0, propagate=True)
    assert calls(run) == [
        ("a/0", 1.0, 1.0, 3.0, "failed", 3.0, "failed"),
        ("b/0", 1.5, 1.5, 3.5, "failed", 3.0, "timeout"),
        ("c/0", 3.5, NEVER, 3.5, "timeout", 3.5, "timeout"),
    ]
    assert run.calls["endpoint"].tolist() == [0, 0, -1]
    assert calls(tiers(2.0, middle=2.0))[2] == ("c/0", 3.5, 3.5, 5.5, "ok", 5.5, "ok")


def test_a_call_that_begins_at_the_deadline_is_not_sent_either() -> None:
    assert calls(tiers(2.0, middle=1.5, propagate=True))[2][2:] == (
        *(NEVER, 3.0, "timeout", 3.0, "timeout"),
    )


def test_the_deadline_of_a_source_is_the_end_of_its_call_and_of_all_below() -> None:
    run = simulate(
        once("a", deadline=2.0),
        service("a", 0.5, calls=("b",)),
        service("b", 4.0, cancelled="stop"),
    )
    assert calls(run) == [
        ("a/0", 1.0, 1.0, 3.0, "failed", 3.0, "timeout"),
        ("b/0", 1.5, 1.5, 3.0, "cancelled", 3.0, "timeout"),
    ]
    assert ends(run) == [(3.0, "timeout")]


def test_the_end_of_a_try_goes_along_not_that_of_the_call() -> None:
    policy = ml.Policy(timeout=9.0, per_try_timeout=1.0, retries=ml.Retries(1), propagate=True)
    run = simulate(
        once("a"),
        service("a", 0.5, workers=2, calls=("b",), policy=policy),
        service("b", 4.0, cancelled="stop"),
    )
    assert [row for row in calls(run) if row[0] == "b/0"] == [
        ("b/0", 1.5, 1.5, 2.0, "cancelled", 2.0, "timeout"),
        ("b/0", 2.5, 2.5, 3.0, "cancelled", 3.0, "timeout"),
    ]


# -- steps -----------------------------------------------------------------------------------------


def test_steps_follow_one_another_and_a_parallel_step_waits_for_its_last() -> None:
    run = simulate(
        once("a"),
        service("a", 0.5, calls=("b", ml.Parallel(("b", "c")), "b")),
        service("b", 1.0),
        service("c", 3.0),
    )
    assert calls(run) == [
        ("a/0", 1.0, 1.0, 6.5, "ok", 6.5, "ok"),
        ("b/0", 1.5, 1.5, 2.5, "ok", 2.5, "ok"),
        ("b/0", 2.5, 2.5, 3.5, "ok", 3.5, "ok"),
        ("c/0", 2.5, 2.5, 5.5, "ok", 5.5, "ok"),
        ("b/0", 5.5, 5.5, 6.5, "ok", 6.5, "ok"),
    ]
    assert run.calls["parent"].tolist() == [-1, 0, 0, 0, 0]


def test_a_failed_call_fails_the_request_when_its_step_has_ended() -> None:
    run = simulate(
        once("a"),
        service("a", 0.5, calls=(ml.Parallel(("bad", "c")), "c")),
        service("bad", 0.5, failure=1.0),
        service("c", 3.0),
    )
    assert calls(run) == [
        ("a/0", 1.0, 1.0, 4.5, "failed", 4.5, "failed"),
        ("bad/0", 1.5, 1.5, 2.0, "failed", 2.0, "failed"),
        ("c/0", 1.5, 1.5, 4.5, "ok", 4.5, "ok"),
    ]


def test_an_optional_call_may_fail() -> None:
    run = simulate(
        once("a"),
        service("a", 0.5, calls=(ml.Call("bad", optional=True), "c")),
        service("bad", 0.5, failure=1.0),
        service("c", 3.0),
    )
    assert calls(run) == [
        ("a/0", 1.0, 1.0, 5.0, "ok", 5.0, "ok"),
        ("bad/0", 1.5, 1.5, 2.0, "failed", 2.0, "failed"),
        ("c/0", 2.0, 2.0, 5.0, "ok", 5.0, "ok"),
    ]


def test_who_fails_by_itself_makes_no_calls() -> None:
    run = simulate(once("a"), service("a", 0.5, failure=1.0, calls=("b",)), service("b", 1.0))
    assert calls(run) == [("a/0", 1.0, 1.0, 1.5, "failed", 1.5, "failed")]


def test_each_request_draws_for_itself_whether_it_makes_a_call() -> None:
    run = simulate(
        once("a"),
        service(
            "a",
            0.25,
            calls=(
                ml.Call("b", probability=0.3),
                ml.Call("b", probability=0.6),
                ml.Call("c", probability=0.0),
            ),
        ),
        service("b", 0.125),
        service("c", 0.125),
        requests=300,
    )
    draws = Draws(seed=1)
    first, second = (
        [draws.column("uniform", "a", f"call:b{j}", "in").at(n) < p for n in range(300)]
        for j, p in (("", 0.3), ("#1", 0.6))
    )
    made = run.calls[run.calls["service"] == "b"].groupby("request").size()
    assert made.reindex(range(300), fill_value=0).tolist() == [
        int(one) + int(other) for one, other in zip(first, second, strict=True)
    ]
    assert 60 <= sum(first) <= 120  # 90 are expected, give or take 3.8 standard deviations
    assert "c" not in set(run.calls["service"])


@pytest.mark.parametrize(
    ("mode", "second"),
    [
        ({}, (2.0, 3.5, 6.0)),
        ({"mode": "async"}, (2.0, 2.0, 4.5)),
        ({"mode": "async", "concurrency": 1}, (2.0, 3.5, 6.0)),
    ],
)
def test_a_synchronous_worker_is_held_during_calls(
    mode: dict[str, Any], second: tuple[float, float, float]
) -> None:
    run = simulate(
        once("a"), service("a", 0.5, calls=("b",), **mode), service("b", 2.0, workers=9), requests=2
    )
    at_a = [row for row in calls(run) if row[0] == "a/0"]
    assert [row[1:4] for row in at_a] == [(1.0, 1.0, 3.5), second]


# -- what a proxy has outstanding -----------------------------------------------------------------


@pytest.mark.parametrize("cancelled", ["finish", "skip", "stop"])
def test_outstanding_is_exact_after_thousands_of_answers_that_nobody_waits_for(
    cancelled: Any,
) -> None:
    """What a balancer sees is what the rows say: sent there, and neither answered nor left."""
    seen: list[tuple[float, int, dict[int, int]]] = []

    def fewest(sight: ml.Sight, request: Any) -> int:
        counts = dict(sight.outstanding)
        picked = min(counts, key=lambda e: (counts[e], e))
        seen.append((sight.now, picked, counts))
        return picked

    hedged = ml.Policy(timeout=0.5, hedge=ml.Hedge(delay=0.0625, times=2), propagate=True)
    tried = ml.Policy(per_try_timeout=0.1, retries=ml.Retries(2))
    run = simulate(
        ml.Poisson("in", rate=20.0, to="a"),
        ml.Service(
            "a",
            service_time=ml.Exponential(mean=0.01),
            mode="async",
            calls=(ml.Parallel(("b", ml.Call("b", policy=tried, optional=True))),),
            policy=ml.Policy(timeout=0.4),
            cancelled=cancelled,
        ),
        ml.Service(
            "b",
            replicas=4,
            service_time=ml.Exponential(mean=0.06),
            capacity=5,
            failure=0.1,
            ttl=0.3,
            forward_delay=ml.Exponential(mean=0.01),
            return_delay=ml.Exponential(mean=0.02),
            balancer=fewest,
            policy=hedged,
            cancelled=cancelled,
        ),
        requests=1500,
    )
    rows = run.calls[(run.calls["service"] == "b") & (run.calls["endpoint"] >= 0)]
    sent, returned = rows["sent"].to_numpy(), rows["returned"].to_numpy()
    endpoint = rows["endpoint"].to_numpy()
    left = rows["result"].isin(["timeout", "cancelled"])
    assert len(rows) == len(seen) > 4000
    assert left.sum() > 2000
    assert set(rows["result"]) >= {"ok", "timeout", "cancelled", "rejected", "failed"}
    for n, (now, picked, counts) in enumerate(seen):
        assert (now, picked) == (sent[n], endpoint[n])
        there = endpoint[:n][returned[:n] > now]
        assert counts == dict(enumerate(np.bincount(there, minlength=4).tolist()))


# -- errors for people ----------------------------------------------------------------------------


def fits(*parts: Any) -> Callable[[], object]:
    return lambda: ml.Scenario(once("a"), *parts)


ROUND = (
    "; give one of these calls a deadline that goes along, "
    "policy=Policy(timeout=..., propagate=True), or the source a deadline="
)
ANSWERS = "is for services that answer, but this one sends its requests on (to='b'); "

ERRORS: dict[str, tuple[Callable[[], object], str]] = {
    "a call to nobody": (
        fits(service("a", 1.0, calls=("b",))),
        "Service 'a', calls: there is no service 'b'; there are: 'a'",
    ),
    "a call to nobody whose name is nearly right": (
        fits(service("a", 1.0, calls=("stoc",)), service("stock", 1.0)),
        "Service 'a', calls: there is no service 'stoc'; did you mean 'stock'?",
    ),
    "a circle without a deadline": (
        fits(service("a", 1.0, calls=("b",)), service("b", 1.0, calls=("a",))),
        "the requests of Renewal 'in' can go round for ever: 'a' calls 'b' calls 'a'" + ROUND,
    ),
    "a circle with a time-out that stays where it is": (
        fits(service("a", 1.0, calls=("a",), policy=ml.Policy(timeout=1.0))),
        "the requests of Renewal 'in' can go round for ever: 'a' calls 'a'" + ROUND,
    ),
    "to together with calls": (
        fits(service("a", 1.0, calls=("b",), to="b"), service("b", 1.0)),
        f"Service 'a', calls: {ANSWERS}leave one of them out",
    ),
    "to together with a policy": (
        fits(service("a", 1.0, policy=ml.Policy(timeout=1.0), to="b"), service("b", 1.0)),
        f"Service 'a', policy: {ANSWERS}leave one of them out",
    ),
    "to together with cancelled": (
        fits(service("a", 1.0, cancelled="stop", to="b"), service("b", 1.0)),
        f"Service 'a', cancelled: {ANSWERS}leave one of them out",
    ),
    "a call of what never answers": (
        fits(service("a", 1.0, calls=("b",)), service("b", 1.0, to="c"), service("c", 1.0)),
        "Service 'a', calls: 'b' sends its requests on (to='c'), so it never answers; let it call "
        "what comes next (calls=), or send to it (to=) instead of calling it",
    ),
    "a line that blocks": (
        fits(service("a", 1.0, calls=("b",)), service("b", 1.0, capacity=1, overflow="block")),
        "Service 'b', overflow: 'block' cannot hold back a caller, who waits for an answer anyway; "
        "take 'reject' or 'drop_oldest'",
    ),
    "a try that takes longer than the call": (
        lambda: ml.Policy(timeout=1.0, per_try_timeout=2.0),
        "Policy: per_try_timeout is 2.0, but must be timeout, 1.0, at most: no attempt can take "
        "longer than the whole call",
    ),
    "nothing to go along": (
        lambda: ml.Policy(propagate=True),
        "Policy: propagate=True needs a timeout or a per_try_timeout to go along",
    ),
    "retries and hedges": (
        lambda: ml.Policy(retries=ml.Retries(1), hedge=ml.Hedge(delay=1.0)),
        "Policy: retries and hedge cannot go together: both say when the next attempt is sent; "
        "give one of them (a hedge has times= and on= of its own)",
    ),
    "a step without calls": (
        lambda: ml.Parallel(()),
        "Parallel: calls is empty; name at least one service",
    ),
    "a back-off that is a number": (
        lambda: ml.Retries(1, backoff=3.0),
        "Retries: backoff is 3.0, but must be a rule for pauses, such as "
        "Backoff(base=0.025, cap=0.25, jitter='full')",
    ),
    "fewer than no retries": (
        lambda: ml.Retries(-1),
        "Retries, times: is -1, but must be an integer from 0 to 1000",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_is_refused_in_words(name: str) -> None:
    make, text = ERRORS[name]
    with pytest.raises(ml.MeshLabError) as caught:
        make()
    assert str(caught.value) == text


def test_a_circle_with_a_deadline_that_goes_along_ends() -> None:
    """The request is made at 64; the run would be over at 96, if the calls were not before."""
    for deadline, policy in ((None, ml.Policy(timeout=1.0, propagate=True)), (1.0, None)):
        source = ml.Renewal("in", gap=seconds(64.0), to="a", deadline=deadline)
        again = service("a", 0.5, workers=9, calls=("a",), policy=policy, cancelled="skip")
        run = ml.simulate(ml.Scenario(source, again), until=96.0, seed=1, engine="reference")
        assert [row[:3] for row in calls(run)] == [
            ("a/0", 64.0, 64.0),
            ("a/0", 64.5, 64.5),
            ("a/0", 65.0, NEVER),  # not sent: it is time
        ]
