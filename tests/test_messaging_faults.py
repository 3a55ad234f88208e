"""Faults of the network and of the broker, in exact logs.

Where chance decides, the test draws the same numbers by their addresses (see engines/RULES.md) and
works out by itself what must follow.
"""

from __future__ import annotations

import heapq
from typing import Any

import pytest

import mesh_lab as ml

from .delivered import report, table, takes, ticks

SEED = 1


def chance(part: str, purpose: str, number: int, attempt: int = 0, visit: int = 0) -> float:
    column = ml.Draws(SEED).column("uniform", part, purpose, "shop", visit, attempt)
    return column.at(number)


def run_of(
    queue: ml.MessageQueue, requests: int = 3, every: float = 1.0, **consumer: Any
) -> ml.Run:
    fields = {"work": takes(0.5), **consumer}
    scenario = ml.Scenario(
        ticks(every=every), queue, ml.Consumer("billing", source="orders", **fields)
    )
    return ml.simulate(scenario, requests=requests, seed=SEED)


# -- publishing ------------------------------------------------------------------------------------


def test_without_confirmation_what_the_network_drops_is_lost() -> None:
    run = run_of(ml.MessageQueue("orders", link=ml.Link(drop=0.5)), requests=20)
    dropped = [n for n in range(20) if chance("orders", "publish_drop", n) < 0.5]
    assert 4 < len(dropped) < 16
    assert list(run.lost("orders")["number"]) == dropped
    assert set(run.lost("orders")["reason"]) == {"network"}
    assert list(run.requests["outcome"] == "dropped") == [n in dropped for n in range(20)]
    assert report(run, "orders")["once"] == 20 - len(dropped)


def test_with_confirmation_nothing_is_lost_and_a_lost_confirmation_doubles() -> None:
    queue = ml.MessageQueue(
        "orders", link=ml.Link(drop=0.5), retry=ml.Backoff(base=0.1, growth="fixed")
    )
    run = run_of(queue, requests=20)
    copies, finish = [], []
    for n in range(20):
        attempt = confirms = 0
        while True:
            if chance("orders", "publish_drop", n, attempt) >= 0.5:
                confirms += 1
                if chance("orders", "confirm_drop", n, confirms - 1) >= 0.5:
                    break
            attempt += 1
        copies.append(confirms)
        finish.append(attempt)
    assert max(copies) > 1
    stored = run.deliveries[run.deliveries["attempt"] == 1].groupby("number").size()
    assert list(stored) == copies
    waited = ((run.requests["finish"] - run.requests["arrival"]) / 0.1).round().astype(int)
    assert list(waited) == finish
    assert set(run.requests["outcome"]) == {"ok"}
    assert list(run.doubled("orders")["number"]) == [n for n in range(20) if copies[n] > 1]
    assert len(run.lost("orders")) == 0


def test_an_answer_that_is_published_twice_may_be_lost_once() -> None:
    scenario = ml.Scenario(
        ticks(),
        ml.MessageQueue("orders", link=ml.Link(duplicate=1.0)),
        ml.Consumer("billing", source="orders", work=takes(0.25), to="next"),
        ml.MessageQueue("next", link=ml.Link(drop=0.5)),
    )
    run = ml.simulate(scenario, requests=30, seed=SEED)
    drop = [
        ml.Draws(SEED).column("uniform", "next", "publish_drop", "shop/billing", visit, 0)
        for visit in (0, 1)
    ]
    arrive = [sum(column.at(n) >= 0.5 for column in drop) for n in range(30)]
    assert set(arrive) == {0, 1, 2}
    rows = run.deliveries[run.deliveries["subscriber"] == "next"]
    stored = rows[rows["outcome"] == "in_flight"].groupby("number").size()
    assert [int(stored.get(n, 0)) for n in range(30)] == arrive
    assert list(run.lost("next")["number"]) == [n for n in range(30) if not arrive[n]]


def test_retries_that_are_used_up_fail() -> None:
    queue = ml.MessageQueue(
        "orders", link=ml.Link(drop=1.0), retry=ml.Backoff(base=1.0, cap=2.0, limit=2)
    )
    run = run_of(queue, requests=1)  # sent at 1, 2 and 4; given up at 6
    assert [tuple(r) for r in run.requests[["finish", "outcome"]].to_numpy()] == [(6.0, "failed")]
    assert table(run, "sent", "delivered", "outcome", "reason") == [(1.0, None, "lost", "network")]


def test_retries_that_find_nobody_say_so() -> None:
    queue = ml.MessageQueue(
        "orders", restarts=((0.5, 50.0),), retry=ml.Backoff(base=1.0, growth="fixed", limit=1)
    )
    run = run_of(queue, requests=1)  # sent at 1 and 2; given up at 3
    assert [tuple(r) for r in run.requests[["finish", "outcome"]].to_numpy()] == [(3.0, "failed")]
    assert table(run, "sent", "outcome", "reason") == [(1.0, "unavailable", "")]
    assert report(run, "orders") == {"published": 1, "refused": 1}


def test_a_doubled_publishing_is_two_copies() -> None:
    link = ml.Link(duplicate=1.0)
    shown = ("number", "copy", "delivered", "acked", "outcome")
    run = run_of(ml.MessageQueue("orders", link=link), requests=2)
    assert table(run, *shown) == [
        (0, 0, 1.0, 1.5, "acked"),
        (0, 1, 1.5, 2.0, "acked"),
        (1, 0, 2.0, 2.5, "acked"),
        (1, 1, 2.5, 3.0, "acked"),
    ]
    assert report(run, "orders")["doubled"] == 2
    run = run_of(ml.MessageQueue("orders", link=link), requests=2, deduplication="forever")
    assert table(run, *shown) == [
        (0, 0, 1.0, 1.5, "acked"),
        (0, 1, 1.5, 1.5, "duplicate"),
        (1, 0, 2.0, 2.5, "acked"),
        (1, 1, 2.5, 2.5, "duplicate"),
    ]
    run = run_of(ml.MessageQueue("orders", link=link, deduplication=300.0), requests=2)
    assert table(run, *shown) == [
        (0, 0, 1.0, 1.5, "acked"),
        (0, 1, None, None, "duplicate"),
        (1, 0, 2.0, 2.5, "acked"),
        (1, 1, None, None, "duplicate"),
    ]
    assert report(run, "orders")["once"] == 2


def test_drawn_delays_reorder() -> None:
    delay = ml.Exponential(mean=2.0)
    run = run_of(
        ml.MessageQueue("orders", link=ml.Link(delay=delay)), 30, prefetch=None, workers=50
    )
    column = ml.Draws(SEED).column(delay, "orders", "publish_delay", "shop", 0, 0)
    there = [1.0 + n + column.at(n) for n in range(30)]
    by_number = run.deliveries.set_index("number").sort_index()
    assert list(by_number["delivered"]) == pytest.approx(there, abs=1e-9)
    late = [n for n in range(30) if any(there[m] < there[n] for m in range(n + 1, 30))]
    assert len(late) > 5
    assert list(run.reordered("orders")["number"]) == late
    assert list(run.requests["finish"]) == pytest.approx(there, abs=1e-9)


def test_each_of_two_copies_takes_a_time_of_its_own() -> None:
    delay = ml.Exponential(mean=2.0)
    link = ml.Link(delay=delay, duplicate=1.0)
    run = run_of(ml.MessageQueue("orders", link=link), 10, prefetch=None, workers=50)
    columns = [
        ml.Draws(SEED).column(delay, "orders", f"publish_{name}", "shop", 0, 0)
        for name in ("delay", "delay2")
    ]
    there = [sorted(1.0 + n + column.at(n) for column in columns) for n in range(10)]
    rows = run.deliveries.sort_values(["number", "copy"])
    assert list(rows["delivered"]) == pytest.approx([t for two in there for t in two], abs=1e-9)
    assert list(run.requests["finish"]) == pytest.approx([two[0] for two in there], abs=1e-9)


# -- delivering ------------------------------------------------------------------------------------


def test_lost_deliveries_and_lost_acknowledgements_come_again() -> None:
    queue = ml.MessageQueue("orders", visibility=1.0)
    run = run_of(queue, 20, link=ml.Link(drop=0.4), prefetch=None, workers=50)
    expected = []
    for n in range(20):
        sent, attempt = 1.0 + n, 0
        while True:
            attempt += 1
            if chance("billing", "deliver_drop", n, attempt - 1) < 0.4:
                expected.append((n, attempt, sent, None, None, "dropped"))
            elif chance("billing", "ack_drop", n, attempt - 1) < 0.4:
                expected.append((n, attempt, sent, sent + 0.5, None, "handled"))
            else:
                expected.append((n, attempt, sent, sent + 0.5, sent + 0.5, "acked"))
                break
            sent += 1.0
    got = table(run, "number", "attempt", "sent", "finished", "acked", "outcome")
    assert sorted(got, key=lambda row: row[:2]) == expected
    assert {row[-1] for row in expected} == {"dropped", "handled", "acked"}


def test_a_dropped_delivery_is_lost_where_it_was_acknowledged_before() -> None:
    run = run_of(ml.MessageQueue("orders"), 20, link=ml.Link(drop=0.4), ack="before")
    dropped = [n for n in range(20) if chance("billing", "deliver_drop", n) < 0.4]
    assert list(run.lost("orders")["number"]) == dropped
    assert report(run, "orders")["once"] == 20 - len(dropped)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_what_is_not_visible_when_the_run_ends_is_not_lost(engine: Any) -> None:
    """Its consumer has crashed, and it stays hidden for as long as the visibility: it is there."""
    scenario = ml.Scenario(
        ticks(every=1.0),
        ml.MessageQueue("orders", visibility=100.0),
        ml.Consumer("billing", source="orders", work=takes(0.75), outages=((5.5, 6.5),)),
    )
    for until, once, flying in ((20.9, 19, 1), (120.9, 120, 0)):
        run = ml.simulate(scenario, until=until, seed=SEED, engine=engine)
        run.check_invariants()
        found = run.delivery_report().loc["orders"]
        assert (found["once"], found["in_flight"], found["lost"]) == (once, flying, 0)


def test_what_was_handled_badly_and_is_not_visible_yet_is_not_lost() -> None:
    """The network drops what the consumer says of it, or the delivery itself."""
    queue = ml.MessageQueue("orders", visibility=1000.0)
    for fields in ({"failure": 0.5, "link": ml.Link(drop=0.5)}, {"link": ml.Link(drop=0.5)}):
        scenario = ml.Scenario(
            ticks(), queue, ml.Consumer("billing", source="orders", work=takes(0.5), **fields)
        )
        run = ml.simulate(scenario, until=100.0, seed=SEED)
        run.check_invariants()
        found = run.delivery_report().loc["orders"]
        assert (found["in_flight"] > 10, found["lost"]) == (True, 0)


def test_a_doubled_delivery_is_handled_twice_but_acknowledged_once() -> None:
    shown = ("number", "attempt", "started", "finished", "acked", "outcome", "effect")
    link = ml.Link(duplicate=1.0)
    run = run_of(ml.MessageQueue("orders"), 1, link=link, workers=2)
    assert table(run, *shown) == [
        (0, 1, 1.0, 1.5, 1.5, "acked", True),
        (0, 1, 1.0, 1.5, None, "handled", True),
    ]
    # both began before either was done: the second finds out in its transaction
    run = run_of(ml.MessageQueue("orders"), 1, link=link, workers=2, deduplication="forever")
    assert table(run, *shown) == [
        (0, 1, 1.0, 1.5, 1.5, "acked", True),
        (0, 1, 1.0, 1.5, None, "duplicate", False),
    ]


def test_with_a_visibility_a_place_is_free_when_the_first_of_two_deliveries_is_handled() -> None:
    """One place: the next event is sent when the delivery that took it is done, not its double."""
    delay = ml.Exponential(mean=2.0)
    queue = ml.MessageQueue("orders", visibility=1000.0)
    run = run_of(queue, 12, link=ml.Link(delay=delay, duplicate=1.0))
    columns = [
        ml.Draws(SEED).column(delay, "billing", f"deliver_{name}", "shop", 0, 0)
        for name in ("delay", "delay2")
    ]
    coming: list[tuple[float, int, int]] = []  # when, which event, which of the two
    expected: list[tuple[int, int, float]] = []
    idle = 0.0

    def send(n: int, now: float) -> None:
        for which, column in enumerate(columns):
            heapq.heappush(coming, (now + column.at(n), n, which))

    send(0, 1.0)
    while coming:
        when, n, which = heapq.heappop(coming)
        idle = max(when, idle) + 0.5
        expected.append((n, which, idle))
        if which == 0 and n + 1 < 12:
            send(n + 1, max(idle, 2.0 + n))
    rows = run.deliveries
    got = []
    for n in range(12):
        first, second = rows[rows["number"] == n]["finished"]  # the double has the later row
        got += [(n, 0, first), (n, 1, second)]
    assert [row[:2] for row in sorted(expected)] == [row[:2] for row in got]
    assert [row[2] for row in got] == pytest.approx([row[2] for row in sorted(expected)], abs=1e-9)
    assert any(which == 1 for _, which, _ in expected[:-1:2])  # some doubles came first


def test_a_slow_network_takes_its_time_both_ways() -> None:
    run = run_of(ml.MessageQueue("orders"), 2, link=ml.Link(delay=2.0))
    assert table(run) == [
        (0, "orders", 1, 1.0, 3.0, 3.5, 5.5, "acked"),
        (1, "orders", 1, 2.0, 7.5, 8.0, 10.0, "acked"),
    ]
    run = run_of(ml.MessageQueue("orders"), 2, link=ml.Link(delay=2.0), prefetch=2)
    assert table(run) == [
        (0, "orders", 1, 1.0, 3.0, 3.5, 5.5, "acked"),
        (1, "orders", 1, 2.0, 4.0, 4.5, 6.5, "acked"),
    ]


# -- the broker restarts ---------------------------------------------------------------------------


def test_a_durable_queue_keeps_what_waits_and_delivers_again_what_was_in_hand() -> None:
    run = run_of(ml.MessageQueue("orders", restarts=((3.25, 4.0),)), work=takes(1.5))
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, 2.5, 2.5, "acked"),
        (1, "orders", 1, 2.0, 2.5, 4.0, None, "handled"),
        (2, "orders", 1, 3.0, 5.5, 7.0, 7.0, "acked"),
        (1, "orders", 2, 3.25, 4.0, 5.5, 5.5, "acked"),
    ]


def test_what_a_consumer_had_not_begun_goes_back_with_the_connection() -> None:
    queue = ml.MessageQueue("orders", restarts=((3.25, 4.0),))
    run = run_of(queue, work=takes(1.5), prefetch=2)
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, 2.5, 2.5, "acked"),
        (1, "orders", 1, 2.0, 2.0, 4.0, None, "handled"),
        (2, "orders", 1, 3.0, 3.0, None, None, "returned"),
        (1, "orders", 2, 3.25, 4.0, 5.5, 5.5, "acked"),
        (2, "orders", 2, 3.25, 4.0, 7.0, 7.0, "acked"),
    ]


def test_a_new_connection_has_all_its_places() -> None:
    run = run_of(
        ml.MessageQueue("orders", restarts=((1.5, 2.0),)), 1, work=takes(3.0), deduplication=0.5
    )
    assert table(run, "attempt", "delivered", "started", "finished", "outcome") == [
        (1, 1.0, 1.0, 4.0, "handled"),
        (2, 2.0, None, None, "duplicate"),
    ]


@pytest.mark.parametrize("prefetch", [1, 2])
def test_a_queue_that_is_not_durable_loses_what_waits(prefetch: int) -> None:
    queue = ml.MessageQueue("orders", durable=False, restarts=((3.25, 4.0),))
    run = run_of(queue, requests=4, work=takes(1.5), prefetch=prefetch)
    there = {1: 2.5, 2: 2.0}[prefetch]
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, 2.5, 2.5, "acked"),
        (1, "orders", 1, 2.0, there, 4.0, None, "handled"),
        (2, "orders", 1, 3.0, {1: None, 2: 3.0}[prefetch], None, None, "lost"),
        (3, "orders", 1, 4.0, 4.0, 5.5, 5.5, "acked"),
    ]
    assert list(run.lost("orders")["reason"]) == ["restart"]
    assert len(run.doubled("orders")) == 0
    run = ml.simulate(run.scenario, until=3.5, seed=SEED)  # nobody knows yet what becomes of it
    assert table(run, "number", "outcome") == [(0, "acked"), (1, "in_flight"), (2, "lost")]


def test_what_a_forgetful_broker_has_delivered_is_lost_when_it_is_not_handled() -> None:
    queue = ml.MessageQueue("orders", durable=False, restarts=((1.25, 2.5),))
    crash = run_of(queue, requests=1, outages=((1.4, 2.0),))
    assert table(crash, "outcome", "reason") == [("lost", "crash")]
    bad = run_of(queue, requests=1, failure=0.999999)
    assert table(bad, "finished", "outcome", "reason") == [(1.5, "lost", "failed")]


def test_with_a_visibility_only_the_acknowledgement_is_lost_with_the_broker() -> None:
    queue = ml.MessageQueue("orders", visibility=10.0, restarts=((3.25, 4.5),))
    run = run_of(queue, work=takes(1.5))
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, 2.5, 2.5, "acked"),
        (1, "orders", 1, 2.0, 2.5, 4.0, None, "handled"),
        (2, "orders", 1, 3.0, 4.5, 6.0, 6.0, "acked"),
        (1, "orders", 2, 12.5, 12.5, 14.0, 14.0, "acked"),
    ]


def test_publishers_are_told_that_the_broker_is_down_or_try_again() -> None:
    down = ((1.5, 3.25),)
    run = run_of(ml.MessageQueue("orders", restarts=down))
    assert list(run.requests["outcome"]) == ["ok", "unavailable", "unavailable"]
    assert report(run, "orders") == {"published": 3, "delivered": 1, "once": 1, "refused": 2}
    again = ml.Backoff(base=1.0, growth="fixed")
    run = run_of(ml.MessageQueue("orders", restarts=down, retry=again))
    assert list(run.requests["finish"]) == [1.0, 4.0, 4.0]
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, 1.5, 1.5, "acked"),
        (1, "orders", 1, 4.0, 4.0, 4.5, 4.5, "acked"),
        (2, "orders", 1, 4.0, 4.5, 5.0, 5.0, "acked"),
    ]


def test_an_ephemeral_subscription_misses_what_comes_while_nobody_is_there() -> None:
    scenario = ml.Scenario(
        ticks("news"),
        ml.Topic("news"),
        ml.MessageQueue("live", topic="news", ephemeral=True),
        ml.MessageQueue("kept", topic="news"),
        ml.Consumer("screen", source="live", work=takes(1.75), outages=((3.5, 4.5),)),
        ml.Consumer("archive", source="kept", work=takes(0.5), outages=((3.5, 4.5),)),
    )
    run = ml.simulate(scenario, requests=5, seed=1)
    assert [row for row in table(run) if row[1] == "live"] == [
        (0, "live", 1, 1.0, 1.0, 2.75, 2.75, "acked"),
        (1, "live", 1, 2.0, 2.75, None, None, "crashed"),
        (2, "live", 1, 3.0, None, None, None, "lost"),
        (1, "live", 2, 3.5, None, None, None, "lost"),
        (3, "live", 1, 4.0, None, None, None, "lost"),
        (4, "live", 1, 5.0, 5.0, 6.75, 6.75, "acked"),
    ]
    assert report(run, "kept") == {"published": 5, "delivered": 5, "once": 5}
