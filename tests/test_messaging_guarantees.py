"""At most once, at least once, effectively once: exact logs of one order flow and one crash.

Orders come at 1, 2 and 3 s and take 1.5 s to handle; the handler is down from 2.9 to 4 s.  To the
queue's consumer, everything takes 0.25 s on the network, so that the crash comes after the first
order was handled, and before the broker knows.
"""

from __future__ import annotations

from typing import Any

import pytest

import mesh_lab as ml

from .delivered import report, table, takes, ticks

CRASH = ((2.9, 4.0),)
SLOW = ml.Link(delay=0.25)


def flow(queue: ml.MessageQueue | None = None, **consumer: Any) -> ml.Run:
    fields = {"work": takes(1.5), "outages": CRASH, "link": SLOW, **consumer}
    parts = ticks(), queue or ml.MessageQueue("orders")
    scenario = ml.Scenario(*parts, ml.Consumer("billing", source="orders", **fields))
    return ml.simulate(scenario, requests=3, seed=1)


def test_a_direct_call_fails_with_the_handler() -> None:
    scenario = ml.Scenario(
        ticks(), ml.Service("orders", service_time=takes(1.5), outages=((2.9, 4.0),))
    )
    run = ml.simulate(scenario, requests=3, seed=1)
    assert [tuple(row) for row in run.requests[["finish", "outcome"]].to_numpy()] == [
        (2.5, "ok"),
        (2.9, "crashed"),
        (3.0, "unavailable"),
    ]


def test_at_least_once_loses_none_and_handles_one_twice() -> None:
    run = flow()
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.25, 2.75, None, "handled"),
        (1, "orders", 1, 2.0, 6.25, 7.75, 8.0, "acked"),
        (0, "orders", 2, 2.9, 4.25, 5.75, 6.0, "acked"),
        (2, "orders", 1, 3.0, 8.25, 9.75, 10.0, "acked"),
    ]
    assert report(run, "orders") == {"published": 3, "delivered": 4, "once": 2, "doubled": 1}
    assert run.doubled("orders").to_dict("list") == {
        "source": ["shop"],
        "number": [0],
        "sent": [1.0],
        "times": [2],
    }
    assert list(run.requests["outcome"]) == ["ok"] * 3  # no publisher waits for a handler
    assert run.duration == 10.0


def test_at_most_once_doubles_none_and_loses_one() -> None:
    run = flow(ack="before")
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.25, 2.75, 1.0, "acked"),
        (1, "orders", 1, 2.0, None, None, 2.75, "lost"),
        (2, "orders", 1, 3.0, 4.25, 5.75, 4.0, "acked"),
    ]
    assert report(run, "orders") == {"published": 3, "delivered": 2, "once": 2, "lost": 1}
    assert run.lost("orders").to_dict("list") == {
        "source": ["shop"],
        "number": [1],
        "sent": [2.0],
        "reason": ["crash"],
    }


def test_effectively_once_skips_the_second() -> None:
    run = flow(deduplication="forever")
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.25, 2.75, None, "handled"),
        (1, "orders", 1, 2.0, 4.75, 6.25, 6.5, "acked"),
        (0, "orders", 2, 2.9, 4.25, None, 4.5, "duplicate"),
        (2, "orders", 1, 3.0, 6.75, 8.25, 8.5, "acked"),
    ]
    assert report(run, "orders") == {"published": 3, "delivered": 4, "once": 3}


def test_a_window_that_is_too_short_handles_twice() -> None:
    # the effect was at 2.75, the second delivery comes at 4.25
    assert report(flow(deduplication=1.6), "orders")["once"] == 3
    assert report(flow(deduplication=1.5), "orders")["doubled"] == 1


def test_a_crash_in_the_middle_of_the_work_has_no_effect() -> None:
    run = flow(outages=((2.0, 3.0),), link=None)
    assert table(run, "number", "attempt", "started", "finished", "outcome", "effect") == [
        (0, 1, 1.0, None, "crashed", False),
        (0, 2, 3.0, 4.5, "acked", True),
        (1, 1, 4.5, 6.0, "acked", True),
        (2, 1, 6.0, 7.5, "acked", True),
    ]


def test_with_a_visibility_the_broker_notices_the_crash_only_then() -> None:
    # hidden from 1 to 11 s; the broker does not know that nobody has it any more
    run = flow(ml.MessageQueue("orders", visibility=10.0), outages=((2.0, 3.0),), link=None)
    assert table(run) == [
        (0, "orders", 1, 1.0, 1.0, None, None, "crashed"),
        (1, "orders", 1, 2.0, 3.0, 4.5, 4.5, "acked"),
        (2, "orders", 1, 3.0, 4.5, 6.0, 6.0, "acked"),
        (0, "orders", 2, 11.0, 11.0, 12.5, 12.5, "acked"),
    ]
    assert report(run, "orders") == {
        "published": 3,
        "delivered": 4,
        "once": 3,
        "out_of_order": 1,
    }
    assert list(run.reordered("orders")["number"]) == [0]


def test_a_topic_gives_each_subscriber_a_copy_and_a_slow_one_hurts_nobody_else() -> None:
    scenario = ml.Scenario(
        ticks("news"),
        ml.Topic("news"),
        ml.MessageQueue("orders", topic="news"),
        ml.MessageQueue("audit", topic="news"),
        ml.Consumer("billing", source="orders", work=takes(0.5), outages=((3.0, 3.25),)),
        ml.Consumer("auditor", source="audit", work=takes(10.0)),
    )
    run = ml.simulate(scenario, requests=3, seed=1)
    assert table(run, "number", "subscriber", "consumer", "attempt", "started", "acked") == [
        (0, "orders", "billing", 1, 1.0, 1.5),
        (0, "audit", "auditor", 1, 1.0, 11.0),
        (1, "orders", "billing", 1, 2.0, 2.5),
        (1, "audit", "auditor", 1, 11.0, 21.0),
        (2, "orders", "billing", 1, 3.25, 3.75),
        (2, "audit", "auditor", 1, 21.0, 31.0),
    ]
    assert list(run.delivery_report().index) == ["orders", "audit"]


@pytest.mark.parametrize("ack", ["before", "after"])
def test_all_three_flows_meet_the_same_orders(ack: str) -> None:
    """Called alike, service and consumer draw the same seconds for the same order."""
    work = ml.Exponential(mean=0.5)
    shop = ml.Poisson("shop", rate=1.0, to="orders")
    call = ml.Scenario(shop, ml.Service("orders", service_time=work))
    queue = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="line"),
        ml.MessageQueue("line"),
        ml.Consumer("orders", source="line", work=work, ack=ack),
    )
    called = ml.simulate(call, requests=200, seed=1).requests
    delivered = ml.simulate(queue, requests=200, seed=1).deliveries
    for one, other in (("arrival", "sent"), ("start", "started"), ("finish", "finished")):
        assert list(called[one]) == list(delivered[other])
