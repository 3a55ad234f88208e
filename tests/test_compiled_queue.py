"""The compiled loop of a message queue gives the reference's rows, and says what it cannot run.

Scenarios are numbers 1, 2, 3, ... of `tests.scenarios_queue`.  As a program,
`tests.differential_queue` compares thousands.
"""

from __future__ import annotations

from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.engines.compiled.compiling import installed
from mesh_lab.engines.compiled.events.queue_driver import reasons
from tests.differential_queue import (
    FAULTS,
    WITHIN,
    compare,
    difference,
    found_after,
    reference,
    report,
)
from tests.scenarios import Case

PLAIN, COMPILED = 150, 60
PLANTED = (  # one of each kind; all of them with --faults
    "sources before everything else",
    "the first consumer is always asked first",
    "one too many may wait",
    "one delivery too many",
    "a late acknowledgement does not count",
    "what crashed is handled all the same",
    "the next attempt is drawn as the first",
    "keys by number",
)
WORK = ml.Exponential(mean=0.5)


def test_random_queues_give_the_same_rows_with_the_plain_loop() -> None:
    covered, found = compare(1, PLAIN, plain=True)
    assert not found, report(found[0], plain=True)
    assert covered["rows of several attempts"] > PLAIN // 10


@pytest.mark.skipif(not installed(), reason="numba is not installed")
def test_random_queues_give_the_same_rows_compiled() -> None:
    _, found = compare(1, COMPILED, plain=False)
    assert not found, report(found[0], plain=False)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    assert name in FAULTS
    assert found_after(name, WITHIN) is not None


def test_what_is_delivered_without_end_is_left_to_the_reference() -> None:
    """Each delivery becomes visible again before it is handled, and none is ever the last."""
    parts = (
        ml.Renewal("s", gap=ml.Deterministic(value=1.0), to="q"),
        ml.MessageQueue("q", visibility=1.0),
        ml.Consumer("c", source="q", work=ml.Deterministic(value=1e9), prefetch=None),
    )
    case = Case(parts, requests=1, until=None, seed=1)
    assert reference(case) is None
    assert difference(case, plain=True) is None


def scenario(queue: dict[str, Any], consumer: dict[str, Any], *more: Any) -> ml.Scenario:
    """A source, a queue and a consumer with these fields."""
    fields: dict[str, Any] = {"source": "q", "work": WORK} | consumer
    return ml.Scenario(
        ml.Poisson("s", rate=1.0, to="q"),
        ml.MessageQueue("q", **queue),
        ml.Consumer("c", **fields),
        *more,
    )


def test_nothing_speaks_against_what_the_loop_does() -> None:
    queue = {
        "visibility": 3.0, "delivery_limit": 3, "backoff": ml.Backoff(base=0.1, cap=2.0),
        "ttl": 9.0, "capacity": 5, "overflow": "drop_oldest", "delay": 0.1, "order": "priority",
    }  # fmt: skip
    consumer = {"workers": 2, "prefetch": None, "failure": 0.1, "outages": ((1.0, 2.0),)}
    assert reasons(scenario(queue, consumer)) == []
    assert reasons(scenario({}, {"ack": "before"})) == []


@pytest.mark.parametrize(
    ("queue", "consumer", "more", "says"),
    [
        ({"dead_letter": "d"}, {}, (ml.MessageQueue("d"),), "'q': dead events are moved"),
        ({"dead_letter": "d"}, {}, (ml.MessageQueue("d"),), "there are 2 queues"),
        ({"deduplication": 5.0}, {}, (), "'q': it remembers"),
        ({"restarts": ((1.0, 2.0),)}, {}, (), "'q': its broker goes down"),
        ({"restarts": ((1.0, 2.0),), "durable": False}, {}, (), "'q': durable="),
        ({"ephemeral": True}, {}, (), "'q': it is there only while"),
        ({"link": ml.Link(delay=0.1)}, {}, (), "'q': a network of its own"),
        ({"retry": ml.Backoff(base=1.0, cap=2.0)}, {}, (), "'q': publishers wait"),
        ({"backoff": ml.Backoff(base=1.0, cap=2.0, jitter="full")}, {}, (), "'q': pauses of its"),
        ({"topic": "t"}, {}, (ml.Topic("t"),), "'t': a Topic"),
        ({}, {"deduplication": "forever"}, (), "'c': it remembers"),
        ({}, {"to": "d"}, (ml.MessageQueue("d"),), "'c': it answers"),
        ({}, {"link": ml.Link(delay=0.1)}, (), "'c': a network of its own"),
        ({}, {"work": lambda event, rng: 1.0}, (), "'c': a user's function"),
        ({}, {}, (ml.Redrive("r", source="q", at=(1.0,), to="d"), ml.MessageQueue("d")), "'r': a"),
        ({}, {}, (ml.Service("x", service_time=WORK),), "there are 1 queues and services"),
        ({}, {}, (ml.Users("u", users=2, think=WORK, to="q"),), "'u': a Users"),
        (
            {},
            {},
            (ml.MessageQueue("d"), ml.Poisson("p", rate=1.0, to={"q": 0.5, "d": 0.5})),
            "'p': its events go to several parts",
        ),
    ],
)
def test_what_the_loop_does_not_do_is_named(
    queue: dict[str, Any], consumer: dict[str, Any], more: tuple[Any, ...], says: str
) -> None:
    found = reasons(scenario(queue, consumer, *more))
    assert any(reason.startswith(says) for reason in found), found


def test_a_users_own_source_and_queue_are_named() -> None:
    class Mine(ml.Poisson):
        pass

    class Own(ml.MessageQueue):
        pass

    found = reasons(ml.Scenario(Mine("s", rate=1.0, to="q"), Own("q")))
    assert found == ["'s': a user's own class is the source", "'q': a Own, not a MessageQueue"]
