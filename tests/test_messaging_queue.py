"""What a message queue does with its events, in exact logs worked out by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import simpy

import mesh_lab as ml
from mesh_lab.engines.assembly import Assembly
from mesh_lab.messaging.topic import fits
from mesh_lab.simulate import run_assembly

from .delivered import report, table, takes, ticks


def run_of(
    queue: ml.MessageQueue, *more: Any, requests: int = 3, every: float = 1.0, **consumer: Any
) -> ml.Run:
    fields = {"work": takes(0.5), **consumer}
    billing = ml.Consumer("billing", source="orders", **fields)
    return ml.simulate(
        ml.Scenario(ticks(every=every), queue, billing, *more), requests=requests, seed=1
    )


# -- visibility and places -------------------------------------------------------------------------


def test_a_batch_against_the_visibility_is_handled_twice_without_any_crash() -> None:
    run = run_of(ml.MessageQueue("orders", visibility=2.0), every=0.25, work=takes(1.0), prefetch=3)
    assert table(run) == [
        (0, "orders", 1, 0.25, 0.25, 1.25, 1.25, "acked"),
        (1, "orders", 1, 0.5, 0.5, 2.25, 2.25, "acked"),
        (2, "orders", 1, 0.75, 0.75, 3.25, None, "handled"),
        (2, "orders", 2, 2.75, 2.75, 4.25, 4.25, "acked"),
    ]
    assert report(run, "orders") == {"published": 3, "delivered": 4, "once": 2, "doubled": 1}


@pytest.mark.parametrize(
    ("fields", "copies"),
    [
        ({}, 2),
        ({"deduplication": 1.0}, 2),  # the second comes just when the window is over
        ({"deduplication": 1.001}, 1),
        ({"deduplication": 60.0, "restarts": ((3.5, 3.75),)}, 1),
        ({"deduplication": 60.0, "restarts": ((3.5, 3.75),), "durable": False}, 2),
    ],
)
def test_how_long_the_broker_remembers(fields: dict[str, Any], copies: int) -> None:
    """Event 2 is handled at 3.25 and at 4.25 s, and answered each time."""
    run = run_of(
        ml.MessageQueue("orders", visibility=2.0),
        ml.MessageQueue("next", **fields),
        every=0.25,
        work=takes(1.0),
        prefetch=3,
        to="next",
    )
    rows = table(run, "subscriber", "source", "number", "sent", "outcome")
    answers = [row[3:] for row in rows if row[:3] == ("next", "shop/billing", 2)]
    kept = "lost" if fields.get("durable") is False else "in_flight"
    assert answers == [(3.25, kept), (4.25, "in_flight" if copies == 2 else "duplicate")]


def test_a_late_acknowledgement_counts_while_nobody_else_has_the_event() -> None:
    run = run_of(ml.MessageQueue("orders", visibility=2.0), requests=1, work=takes(3.0))
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, 4.0, 4.0, "acked"),
        (0, "orders", 2, 3.0, None, None, None, "withdrawn"),
    ]
    assert report(run, "orders") == {"published": 1, "delivered": 1, "once": 1}


def test_prefetch_lets_a_slow_consumer_hoard() -> None:
    def finished(prefetch: int | None) -> list[float]:
        quick = ml.Consumer("quick", source="orders", work=takes(0.25), prefetch=prefetch)
        run = run_of(
            ml.MessageQueue("orders"), quick, requests=4, every=0.25, prefetch=prefetch,
            work=takes(4.0),
        )  # fmt: skip
        run.check_invariants()
        return list(run.deliveries["finished"])

    # in turns: the slow one has the first; then the quick one takes what the slow one cannot
    assert finished(1) == [4.25, 0.75, 1.0, 1.25]
    assert finished(2) == [4.25, 0.75, 8.25, 1.25]
    assert finished(None) == finished(2)


def test_workers_share_what_was_delivered() -> None:
    run = run_of(ml.MessageQueue("orders"), every=0.25, workers=2, work=takes(1.0))
    assert table(run, "started", "finished") == [(0.25, 1.25), (0.5, 1.5), (1.25, 2.25)]


# -- negative acknowledgement, back-off, dead letters ----------------------------------------------


def test_what_is_handled_badly_comes_back_until_its_last_delivery_and_is_redriven() -> None:
    run = run_of(
        ml.MessageQueue(
            "orders",
            delivery_limit=2,
            dead_letter="dead",
            backoff=ml.Backoff(base=1.0, growth="fixed"),
        ),
        ml.MessageQueue("dead"),
        ml.Redrive("again", source="dead", at=(10.0,)),
        requests=1,
        failure=1.0,
    )
    shown = ("subscriber", "copy", "attempt", "sent", "started", "finished", "outcome", "reason")
    assert table(run, *shown) == [
        ("orders", 0, 1, 1.0, 1.0, 1.5, "nacked", ""),
        ("orders", 0, 2, 1.5, 2.5, 3.0, "nacked", ""),
        ("orders", 0, 3, 3.0, None, None, "dead_lettered", "delivery_limit"),
        ("dead", 0, 1, 3.0, None, None, "redriven", ""),
        ("orders", 1, 1, 10.0, 10.0, 10.5, "nacked", ""),
        ("orders", 1, 2, 10.5, 11.5, 12.0, "nacked", ""),
        ("orders", 1, 3, 12.0, None, None, "dead_lettered", "delivery_limit"),
        ("dead", 1, 1, 12.0, None, None, "in_flight", ""),
    ]
    assert report(run, "orders") == {"published": 1, "delivered": 4, "dead": 1}
    assert report(run, "dead") == {"published": 1, "in_flight": 1}


def test_without_dead_letters_the_last_delivery_loses_it() -> None:
    run = run_of(ml.MessageQueue("orders", delivery_limit=1), requests=1, failure=1.0)
    assert table(run, "attempt", "sent", "outcome", "reason") == [
        (1, 1.0, "nacked", ""),
        (2, 1.5, "lost", "delivery_limit"),
    ]
    assert list(run.lost("orders")["reason"]) == ["delivery_limit"]


def test_what_is_rejected_is_dead_at_once() -> None:
    queue = ml.MessageQueue("orders", dead_letter="dead")
    run = run_of(queue, ml.MessageQueue("dead"), requests=1, failure=1.0, requeue=False)
    assert table(run, "subscriber", "attempt", "sent", "outcome", "reason") == [
        ("orders", 1, 1.0, "nacked", ""),
        ("orders", 2, 1.5, "dead_lettered", "rejected"),
        ("dead", 1, 1.5, "in_flight", ""),
    ]


def test_failures_before_an_early_acknowledgement_are_lost() -> None:
    run = run_of(ml.MessageQueue("orders"), requests=200, failure=0.3, ack="before")
    failing = ml.Draws(1).column("uniform", "billing", "failure", "shop", 0, 0)
    assert list(run.lost("orders")["number"]) == [n for n in range(200) if failing.at(n) < 0.3]
    assert set(run.lost("orders")["reason"]) == {"failed"}


def test_each_retry_waits_for_its_pause_and_fails_by_its_own_draw() -> None:
    backoff = ml.Backoff(base=1.0, cap=4.0, jitter="full")
    run = run_of(ml.MessageQueue("orders", backoff=backoff), requests=40, failure=0.6, workers=99)
    draws, expected = ml.Draws(1), []
    for n in range(40):
        sent = started = 1.0 + n
        for attempt in range(99):  # pragma: no branch
            fails = draws.column("uniform", "billing", "failure", "shop", 0, attempt).at(n) < 0.6
            expected.append((n, attempt + 1, sent, started, "nacked" if fails else "acked"))
            if not fails:
                break
            sent = started + 0.5
            jitter = draws.column("uniform", "orders", "backoff", "shop", 0, attempt).at(n)
            started = sent + jitter * min(4.0, 2.0**attempt)
    got = table(run, "number", "attempt", "sent", "started", "outcome")
    assert sorted(got, key=lambda row: row[:2]) == [
        tuple(round(x, 9) if isinstance(x, float) else x for x in row) for row in expected
    ]
    assert max(row[1] for row in expected) > 3


def test_pauses_follow_the_formulas() -> None:
    def pauses(**fields: Any) -> list[float]:
        rule, last, made = ml.Backoff(base=1.0, **fields), 0.0, []
        for n in range(1, 5):
            last = rule.pause(n, 0.5, last)
            made.append(last)
        return made

    assert pauses(growth="fixed") == [1.0, 1.0, 1.0, 1.0]
    assert pauses(cap=5.0) == [1.0, 2.0, 4.0, 5.0]
    assert pauses(cap=5.0, jitter="full") == [0.5, 1.0, 2.0, 2.5]
    assert pauses(cap=5.0, jitter="equal") == [0.75, 1.5, 3.0, 3.75]
    # 1 + 0.5 (3 last - 1), with 1 for the last before the first
    assert pauses(cap=5.0, jitter="decorrelated") == [2.0, 3.5, 5.0, 5.0]


# -- time-to-live, room, delay ---------------------------------------------------------------------


@pytest.mark.parametrize("dead", [None, "dead"])
def test_what_waits_too_long_is_dead(dead: str | None) -> None:
    more = () if dead is None else (ml.MessageQueue("dead"),)
    queue = ml.MessageQueue("orders", ttl=1.5, dead_letter=dead)
    run = run_of(queue, *more, requests=4, work=takes(3.0))
    outcome = ("expired" if dead is None else "dead_lettered", "expired")
    shown = ("number", "sent", "started", "outcome", "reason")
    assert [row for row in table(run, "subscriber", *shown) if row[0] == "orders"] == [
        ("orders", 0, 1.0, 1.0, "acked", ""),
        ("orders", 1, 2.0, None, *outcome),
        ("orders", 2, 3.0, 4.0, "acked", ""),
        ("orders", 3, 4.0, None, *outcome),
    ]
    if dead is not None:
        assert list(run.deliveries[run.deliveries["subscriber"] == "dead"]["sent"]) == [3.5, 5.5]
        assert report(run, "dead") == {"published": 2, "in_flight": 2}
    else:
        assert report(run, "orders")["lost"] == 2


def test_an_event_that_comes_back_after_its_time_is_dead_at_once() -> None:
    queue = ml.MessageQueue("orders", ttl=1.5)
    run = run_of(queue, requests=1, work=takes(3.0), outages=((3.0, 4.0),))
    assert table(run, "attempt", "sent", "started", "outcome") == [
        (1, 1.0, 1.0, "crashed"),
        (2, 3.0, None, "expired"),
    ]
    assert run.duration == 3.0


def test_an_event_that_comes_back_just_when_its_time_is_up_is_dead() -> None:
    other = ml.Consumer("other", source="orders", work=takes(0.5), outages=((0.5, 2.5),))
    queue = ml.MessageQueue("orders", ttl=2.0)
    run = run_of(queue, other, requests=1, work=takes(9.0), outages=((3.0, 4.0),))
    assert table(run, "attempt", "sent", "outcome") == [(1, 1.0, "crashed"), (2, 3.0, "expired")]


@pytest.mark.parametrize("overflow", ["reject", "drop_oldest"])
def test_a_full_queue(overflow: Any) -> None:
    queue = ml.MessageQueue("orders", capacity=1, overflow=overflow)
    run = run_of(queue, requests=4, work=takes(10.0))
    shown = ("number", "started", "outcome", "reason")
    if overflow == "reject":
        assert table(run, *shown) == [
            (0, 1.0, "acked", ""),
            (1, 11.0, "acked", ""),
            (2, None, "rejected", ""),
            (3, None, "rejected", ""),
        ]
        assert list(run.requests["outcome"]) == ["ok", "ok", "rejected", "rejected"]
        assert report(run, "orders")["refused"] == 2
    else:
        assert table(run, *shown) == [
            (0, 1.0, "acked", ""),
            (1, None, "lost", "maxlen"),
            (2, None, "lost", "maxlen"),
            (3, 11.0, "acked", ""),
        ]
        assert set(run.requests["outcome"]) == {"ok"}
        assert list(run.lost("orders")["number"]) == [1, 2]


def test_delayed_delivery() -> None:
    run = run_of(ml.MessageQueue("orders", delay=2.25))
    assert table(run, "sent", "delivered") == [(1.0, 3.25), (2.0, 4.25), (3.0, 5.25)]


# -- order -----------------------------------------------------------------------------------------


def test_priorities() -> None:
    scenario = ml.Scenario(
        ml.Renewal("late", gap=takes(0.5), to="orders", priority=1),
        ml.Renewal("soon", gap=takes(1.5), to="orders"),
        ml.MessageQueue("orders", order="priority"),
        ml.Consumer("billing", source="orders", work=takes(1.25)),
    )
    run = ml.simulate(scenario, requests=5, seed=1)
    assert sorted(table(run, "started", "source", "number")) == [
        (0.5, "late", 0),
        (1.75, "soon", 0),
        (3.0, "late", 1),
        (4.25, "late", 2),
        (5.5, "late", 3),
    ]


def test_by_key_one_event_at_a_time_and_others_pass() -> None:
    def started(order: Any) -> list[tuple[float, str]]:
        scenario = ml.Scenario(
            ticks(every=0.25, key=ml.Keys(2)),
            ml.MessageQueue("orders", order=order),
            ml.Consumer("billing", source="orders", work=takes(1.0), workers=9),
        )
        run = ml.simulate(scenario, requests=6, seed=2)
        return sorted(table(run, "started", "key"))

    keys = [key for _, key in started("fifo")]
    assert [when for when, _ in started("fifo")] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    expected, free = [], {"key-0": 0.0, "key-1": 0.0}
    for n, key in enumerate(keys):
        begins = max(0.25 * (n + 1), free[key])
        free[key] = begins + 1.0
        expected.append((begins, key))
    assert set(keys) == {"key-0", "key-1"}
    assert started("key") == sorted(expected)


def test_by_key_a_crash_keeps_the_order_and_by_arrival_it_does_not() -> None:
    def late(order: Any) -> int:
        scenario = ml.Scenario(
            ml.Poisson("shop", rate=4.0, to="orders", key=ml.Keys(3)),
            ml.MessageQueue("orders", order=order, backoff=ml.Backoff(base=1.0, growth="fixed")),
            *(
                ml.Consumer(
                    f"c{i}", source="orders", work=ml.Exponential(mean=0.4), failure=0.2,
                    outages=((5.0 + i, 6.0 + i), (20.0 + i, 21.0 + i)),
                )
                for i in range(4)
            ),
        )  # fmt: skip
        run = ml.simulate(scenario, requests=200, seed=1)
        assert report(run, "orders")["once"] == 200
        return len(run.reordered("orders"))

    assert late("key") == 0
    assert late("fifo") > 20


# -- topics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("#", "a", True),
        ("#", "a.b.c", True),
        ("*", "a", True),
        ("*", "a.b", False),
        ("a", "a", True),
        ("a", "b", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.#", "a", True),
        ("a.#.z", "a.z", True),
        ("a.#.z", "a.b.c.z", True),
        ("a.#.z", "a.b.c", False),
        ("#.b.#", "a.b.b.c", True),
        ("*.b.#", "b.b", True),
        ("*.b.#", "b", False),
        ("#.*", "", True),
    ],
)
def test_patterns(pattern: str, subject: str, expected: bool) -> None:
    assert fits(pattern, subject) is expected


def test_a_topic_sorts_by_subject_and_says_what_nobody_takes() -> None:
    subjects = {"order.new": 0.5, "order.paid": 0.3, "mail": 0.2}
    scenario = ml.Scenario(
        ticks("news", subject=subjects),
        ml.Topic("news"),
        ml.MessageQueue("all", topic="news", pattern="order.#"),
        ml.MessageQueue("paid", topic="news", pattern="*.paid"),
    )
    run = ml.simulate(scenario, requests=50, seed=1)
    draw = ml.Draws(1).column("uniform", "shop", "subject", "shop")
    new = [n for n in range(50) if draw.at(n) < 0.5]
    paid = [n for n in range(50) if 0.5 <= draw.at(n) < 0.8]
    rows = table(run, "subscriber", "number", "outcome")
    assert sorted(n for who, n, _ in rows if who == "all") == sorted(new + paid)
    assert [n for who, n, _ in rows if who == "paid"] == paid
    assert [n for who, n, what in rows if what == "unroutable"] == [
        n for n in range(50) if n not in new + paid
    ]
    assert report(run, "news") == {"published": 50 - len(new + paid), "lost": 50 - len(new + paid)}
    assert report(run, "paid") == {"published": len(paid), "in_flight": len(paid)}


def test_a_topic_says_the_worst_that_its_queues_say() -> None:
    scenario = ml.Scenario(
        ticks("news"),
        ml.Topic("news"),
        ml.MessageQueue("all", topic="news"),
        ml.MessageQueue("small", topic="news", capacity=1),
        ml.MessageQueue("away", topic="news", restarts=((3.5, 4.5),)),
    )
    run = ml.simulate(scenario, requests=4, seed=1)
    assert list(run.requests["outcome"]) == ["ok", "rejected", "rejected", "rejected"]
    assert report(run, "all") == {"published": 4, "in_flight": 4}
    assert report(run, "small") == {"published": 4, "in_flight": 1, "refused": 3}
    assert report(run, "away") == {"published": 4, "in_flight": 3, "refused": 1}
    alone = ml.Scenario(*(part for part in scenario.parts if part.name != "small"))
    outcomes = ml.simulate(alone, requests=4, seed=1).requests["outcome"]
    assert list(outcomes) == ["ok", "ok", "ok", "unavailable"]


def test_a_publisher_that_retries_sends_again_to_all() -> None:
    scenario = ml.Scenario(
        ticks("news"),
        ml.Topic("news", retry=ml.Backoff(base=1.0, growth="fixed")),
        ml.MessageQueue("all", topic="news"),
        ml.MessageQueue("away", topic="news", restarts=((0.5, 2.5),)),
    )
    run = ml.simulate(scenario, requests=1, seed=1)
    assert table(run, "subscriber", "copy", "sent") == [
        ("all", 0, 1.0),
        ("all", 1, 2.0),
        ("all", 2, 3.0),
        ("away", 0, 3.0),
    ]
    assert list(run.requests["finish"]) == [3.0]


# -- answers ---------------------------------------------------------------------------------------


def test_a_chain_of_handlers_with_fan_out_and_fan_in() -> None:
    scenario = ml.Scenario(
        ticks(),
        ml.MessageQueue("orders"),
        ml.Consumer("split", source="orders", work=takes(0.25), to=("pay", "pack")),
        ml.MessageQueue("pay"),
        ml.Consumer("bank", source="pay", work=takes(0.25), to="ready"),
        ml.MessageQueue("pack"),
        ml.Consumer("store", source="pack", work=takes(1.0), to="ready"),
        ml.MessageQueue("ready"),
        ml.Consumer("join", source="ready", work=takes(0.0), to="ship", join=2),
        ml.MessageQueue("ship"),
    )
    run = ml.simulate(scenario, requests=2, seed=1)
    assert table(run, "source", "number", "parent", "child", "subscriber", "sent", "acked") == [
        ("shop", 0, -1, 0, "orders", 1.0, 1.25),
        ("shop/split", 0, 0, 0, "pay", 1.25, 1.5),
        ("shop/split.1", 0, 0, 1, "pack", 1.25, 2.25),
        ("shop/split/bank", 0, 1, 0, "ready", 1.5, 1.5),
        ("shop", 1, -1, 0, "orders", 2.0, 2.25),
        ("shop/split.1/store", 0, 2, 0, "ready", 2.25, 2.25),
        ("shop/split", 1, 4, 0, "pay", 2.25, 2.5),
        ("shop/split.1", 1, 4, 1, "pack", 2.25, 3.25),
        ("shop/join", 0, 5, 0, "ship", 2.25, None),
        ("shop/split/bank", 1, 6, 0, "ready", 2.5, 2.5),
        ("shop/split.1/store", 1, 7, 0, "ready", 3.25, 3.25),
        ("shop/join", 1, 10, 0, "ship", 3.25, None),
    ]


def test_a_join_answers_once_however_many_come() -> None:
    scenario = ml.Scenario(
        ticks(),
        ml.MessageQueue("orders"),
        ml.Consumer("ask", source="orders", work=takes(0.0), to=("a", "b", "c")),
        *(ml.MessageQueue(name) for name in "abc"),
        *(
            ml.Consumer(f"of {name}", source=name, work=takes(seconds), to="answers")
            for name, seconds in (("a", 0.1), ("b", 0.3), ("c", 0.2))
        ),
        ml.MessageQueue("answers", link=ml.Link(duplicate=1.0)),
        ml.Consumer("first two", source="answers", work=takes(0.0), to="done", join=2),
        ml.MessageQueue("done"),
    )
    run = ml.simulate(scenario, requests=2, seed=1)
    rows = table(run, "subscriber", "source", "number", "sent")
    assert [row[1:] for row in rows if row[0] == "done"] == [
        ("shop/first two", 0, 1.2),
        ("shop/first two", 1, 2.2),
    ]


def test_what_is_handled_twice_is_answered_twice_with_the_same_name() -> None:
    def run_with(deduplication: Any) -> ml.Run:
        return run_of(
            ml.MessageQueue("orders", link=ml.Link(duplicate=1.0)),
            ml.MessageQueue("next"),
            ml.Consumer("mail", source="next", work=takes(0.1), deduplication=deduplication),
            requests=2,
            to="next",
        )

    assert report(run_with(None), "next") == {"published": 2, "delivered": 4, "doubled": 2}
    assert report(run_with("forever"), "next") == {"published": 2, "delivered": 4, "once": 2}


def test_answers_by_chance() -> None:
    run = run_of(
        ml.MessageQueue("orders"), ml.MessageQueue("a"), ml.MessageQueue("b"), requests=100,
        to={"a": 0.5, "b": 0.2},
    )  # fmt: skip
    draw = ml.Draws(1).column("uniform", "billing", "route", "shop", 0, 0)
    rows = table(run, "subscriber", "number")
    assert [n for who, n in rows if who == "a"] == [n for n in range(100) if draw.at(n) < 0.5]
    assert [n for who, n in rows if who == "b"] == [
        n for n in range(100) if 0.5 <= draw.at(n) < 0.7
    ]


# -- ends ------------------------------------------------------------------------------------------


def test_events_that_nobody_takes_are_in_flight_and_hold_up_nothing() -> None:
    scenario = ml.Scenario(ticks(), ml.MessageQueue("orders"))
    run = ml.simulate(scenario, requests=3, seed=1)
    assert [row[-1] for row in table(run)] == ["in_flight"] * 3
    assert run.duration == 3.0
    assert report(run, "orders") == {"published": 3, "in_flight": 3}


def test_stale_timers_do_not_extend_a_run() -> None:
    retry = ml.Backoff(base=500.0, growth="fixed")
    queue = ml.MessageQueue("orders", visibility=1000.0, ttl=2000.0, retry=retry)
    scenario = ml.Scenario(ticks(), queue, ml.Consumer("billing", source="orders", work=takes(0.5)))
    env = simpy.Environment()
    run_assembly(env, Assembly(env, scenario, 1), requests=3, until=None)
    assert env.now == 3.5
    later = run_of(
        dataclasses.replace(queue, restarts=((5000.0, 5001.0),)), outages=((4000.0, 4001.0),)
    )
    assert later.duration == 3.5
    assert report(later, "orders")["once"] == 3


def test_a_later_outage_still_finds_what_is_there() -> None:
    queue = ml.MessageQueue("orders", durable=False, restarts=((50.0, 51.0),))
    run = ml.simulate(ml.Scenario(ticks(), queue), requests=2, seed=1)
    assert [row[-1] for row in table(run)] == ["lost", "lost"]


def test_until_leaves_the_rest_in_flight() -> None:
    scenario = ml.Scenario(
        ticks(), ml.MessageQueue("orders"), ml.Consumer("c", source="orders", work=takes(1.75))
    )
    run = ml.simulate(scenario, until=4.0, seed=1)
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, 2.75, 2.75, "acked"),
        (1, "orders", 1, 2.0, 2.75, None, None, "in_flight"),
        (2, "orders", 1, 3.0, None, None, None, "in_flight"),
    ]


def test_an_event_that_goes_round_for_ever_ends_as_a_deadlock() -> None:
    # two workers take it from one another for ever: work is twice the visibility
    queue = ml.MessageQueue("orders", visibility=1.0)
    with pytest.raises(ml.Deadlock, match=r"'orders' has delivered .* 10000 times"):
        run_of(queue, requests=1, work=takes(2.5), workers=3)


def test_presets_and_what_they_do() -> None:
    assert ml.rabbitmq("q").delivery_limit == 21
    assert ml.rabbitmq("q", delivery_limit=5).delivery_limit == 5
    assert (ml.sqs("q").visibility, ml.sqs("q").ttl) == (30.0, 345_600.0)
    fifo = ml.sqs_fifo("q", visibility=2.0)
    assert (fifo.order, fifo.deduplication, fifo.visibility) == ("key", 300.0, 2.0)
    run = run_of(ml.rabbitmq("orders"), requests=1, failure=0.999999)
    assert len(run.deliveries) == 22
    assert table(run, "outcome", "reason")[-1] == ("lost", "delivery_limit")
