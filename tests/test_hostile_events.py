"""Channels, subscribers, clusters and events with what nobody should give: refused, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

import mesh_lab as ml
from mesh_lab.errors import Deadlock, EventError, PartError, ScenarioError

LONG = 1e101  # seconds; ten thousand such pauses, or one a little longer, would end at infinity


def _queue(**fields: Any) -> Any:
    return ml.MessageQueue("q", **fields)


def _group(**fields: Any) -> Any:
    return ml.ConsumerGroup("g", source="log", **fields)


def _cluster(**fields: Any) -> Any:
    return ml.Cluster("db", **fields)


def _backoff(**fields: Any) -> Any:
    return ml.Backoff(**{"base": 1.0, "cap": 2.0, **fields})


@pytest.mark.parametrize(
    ("make", "field"),
    [
        *((_queue, field) for field in ("visibility", "ttl", "delay", "deduplication")),
        *((_backoff, field) for field in ("base", "cap")),
        *(
            (ml.Producer, field)
            for field in ("linger", "request_timeout", "delivery_timeout", "retry_backoff")
        ),
        *(
            (_group, field)
            for field in (
                *("heartbeat", "session_timeout", "max_poll_interval"),
                *("commit_interval", "initial_delay"),
            )
        ),
        *(
            (_cluster, field)
            for field in (
                *("link", "far_link", "write_time", "read_time", "detection", "hint_window"),
                *("write_timeout", "read_timeout", "hint_interval"),
            )
        ),
    ],
)
def test_how_long_something_takes_may_not_add_up_to_infinity(
    make: Callable[..., Any], field: str
) -> None:
    with pytest.raises(PartError, match=rf"{field}: is 1e\+101, but must be .*1e\+100"):
        make(**{field: LONG})


def test_an_event_that_comes_back_after_the_longest_pause_comes_at_a_time() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="q"),
        ml.MessageQueue("q", backoff=ml.Backoff(base=1e100, cap=1e100)),
        ml.Consumer("c", source="q", work=ml.Exponential(mean=1.0), failure=0.9),
    )
    quick, plain = (
        ml.simulate(scenario, requests=20, seed=1, engine=engine)
        for engine in ("compiled", "reference")
    )
    assert quick.deliveries.equals(plain.deliveries)
    assert 2e100 <= plain.duration < 1e104


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: _group(members=10**9), "members: is 1000000000, but .* from 0 to 100000"),
        (lambda: _group(members=-1), "members: is -1, but .* from 0 to 100000"),
        (lambda: ml.JoinGroup(at=1.0, member=10**12), "member: is 1000000000000, but .* 100000"),
        (lambda: _group(poll=2**63), "poll: is 9223372036854775808, but .* to 2147483647"),
        (lambda: ml.Producer(batch=2**63), "batch: is 9223372036854775808, but .* to 2147483647"),
        (lambda: ml.Producer(in_flight=2**63), "in_flight: is 9223372036854775808"),
        (lambda: ml.Log("log", replication=10**9), "replication: is 1000000000, but .* to 1000"),
        (lambda: ml.Log("log", brokers=10**9), "brokers: is 1000000000, but .* to 100000"),
        (lambda: ml.Log("log", partitions=10**5, replication=11), "than the 1000000 replicas"),
    ],
)
def test_how_many_there_are_has_a_limit(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(PartError, match=says):
        make()


@pytest.mark.parametrize("engine", ["reference", "compiled", "auto"])
def test_the_largest_polls_batches_and_numbers_of_requests_can_be_run(engine: Any) -> None:
    most = 2**31 - 1
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="log"),
        ml.Log("log", partitions=2, producer=ml.Producer(batch=most, in_flight=most)),
        ml.ConsumerGroup("g", source="log", work=ml.Exponential(mean=0.1), poll=most),
    )
    run = ml.simulate(scenario, requests=20, seed=1, engine=engine)
    assert list(run.deliveries["outcome"].unique()) == ["acked"]


def _nested(levels: int) -> Any:
    data: Any = 0
    for _ in range(levels):
        data = [data]
    return data


def test_data_may_be_nested_so_deep_that_everybody_can_read_it() -> None:
    with ml.EventStore("sqlite://") as store:
        store.append("s", ml.Event(id="1", source="/s", type="t", data=_nested(100)))
        (kept,) = store.read("s")
    assert kept.event.data == _nested(100)


def _holding_itself() -> Any:
    data: dict[str, Any] = {}
    data["self"] = data
    return data


@pytest.mark.parametrize("data", [_nested(101), _nested(100_000), _holding_itself()], ids=len)
def test_data_that_is_nested_without_end_is_refused(data: Any) -> None:
    with pytest.raises(EventError, match="data: lists and dicts are in one another more than 100"):
        ml.Event(id="1", source="/s", type="t", data=data)


@pytest.mark.parametrize(
    ("data", "says"), [("[" * 100_000, "nested too deeply"), ("1" * 5000, "is not JSON: .*digits")]
)
def test_json_that_nobody_reads_is_refused(data: str, says: str) -> None:
    with pytest.raises(EventError, match=says):
        ml.Event.from_json('{"specversion": "1.0", "data": ' + data)


def test_an_integer_that_nobody_reads_back_is_refused() -> None:
    with pytest.raises(EventError, match=r"data\['n'\]: .* an integer of at most 14000 bits"):
        ml.Event(id="1", source="/s", type="t", data={"n": 10**5000})
    with pytest.raises(EventError, match="hits: is of the type int, too large to be shown"):
        ml.Event(id="1", source="/s", type="t", extensions={"hits": 10**5000})


def _answering(source: str, *consumers: Any) -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson(source, rate=1.0, to="q"),
        *(ml.MessageQueue(name) for name in ("q", "p", "r")),
        *consumers,
        ml.Consumer("last", source="p", work=ml.Exponential(mean=0.1), deduplication="forever"),
    )


def _consumer(name: str, **fields: Any) -> ml.Consumer:
    return ml.Consumer(name, source="q", work=ml.Exponential(mean=0.1), **fields)


def test_no_answer_is_called_as_another_event() -> None:
    """The last consumer would take it for one that it knows, and skip it."""
    with pytest.raises(ScenarioError, match=r"Poisson 'shop/c': its name has a '/'.*such as '-'"):
        _answering("shop/c", _consumer("c", to="p"))
    with pytest.raises(ScenarioError, match=r"Consumer 'a/b': its name has a '/'"):
        _answering("shop", _consumer("a/b", to="p"))
    with pytest.raises(
        ScenarioError, match=r"Consumer 'c.1': its answers .* that 'c' sends to 'r'"
    ):
        _answering("shop", _consumer("c", to=("p", "r")), _consumer("c.1", to="p"))


def test_names_that_collide_with_nothing_are_free() -> None:
    _answering("shop/c", _consumer("c"))
    _answering("shop", _consumer("c", to="p"), _consumer("c.1", to="p"))
    _answering("shop", _consumer("c", to={"p": 0.5, "r": 0.5}), _consumer("c.1", to="p"))


def test_a_record_that_takes_longer_than_a_poll_may_last_is_told_of_with_both_numbers() -> None:
    """A poll of one record cannot be smaller: then the interval must be longer."""
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="log"),
        ml.Log("log", partitions=1),
        ml.ConsumerGroup(
            "g",
            source="log",
            work=ml.Deterministic(value=4.0),
            members=1,
            poll=1,
            reset="earliest",
            max_poll_interval=3.0,
        ),
    )
    with (
        mock.patch("mesh_lab.messaging.log.reading.MOST_ATTEMPTS", 50),
        pytest.raises(Deadlock, match=r"poll be smaller \(it is 1\), or .* longer \(it is 3 s\)"),
    ):
        ml.simulate(scenario, requests=1, seed=1)
