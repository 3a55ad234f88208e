"""Events: what CloudEvents 1.0 allows, and its JSON format, against the official package."""

from __future__ import annotations

import dataclasses
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import numpy as np
import pytest
from cloudevents.conversion import to_json as official_to_json
from cloudevents.http import CloudEvent
from cloudevents.http import from_json as official_from_json
from hypothesis import given
from hypothesis import strategies as st

from mesh_lab.errors import EventError
from mesh_lab.events import Event, change_event

NONCHARACTERS = [chr(c) for c in range(0xFDD0, 0xFDF0)] + [
    chr((plane << 16) | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
]
words = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=NONCHARACTERS), min_size=1
)
ascii_words = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0189-._~", min_size=1, max_size=8)
sources = st.builds(
    lambda scheme, parts, query: scheme + "/".join(parts) + query,
    st.sampled_from(["", "/", "https://example.com/", "urn:shop:", "mailto:", "//host/"]),
    st.lists(ascii_words, min_size=1, max_size=3),
    st.sampled_from(["", "?a=1&b=%20", "#top", "?q#x"]),
)
zones = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
times = st.datetimes(min_value=datetime(1000, 1, 2), timezones=zones | st.just(UTC))
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20).filter(
    lambda name: name not in {
        "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data",
        "specversion", "partitionkey",
    }
)  # fmt: skip
extensions = st.dictionaries(
    names, st.booleans() | st.integers(-(2**31), 2**31 - 1) | words | st.just(""), max_size=4
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


def events(content: st.SearchStrategy[Any], kinds: list[str | None]) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        id=words,
        source=sources,
        type=words,
        subject=st.none() | words,
        time=st.none() | times,
        key=st.none() | words,
        datacontenttype=st.sampled_from(kinds),
        dataschema=st.none() | st.just("https://example.com/order.json?v=2"),
        data=content,
        extensions=extensions,
    )


with_json = events(json_values, [None, "application/json", "text/json; charset=utf-8", "a/b+json"])
with_text = events(texts, ["text/plain", "application/xml"])
with_bytes = events(st.binary(), [None, "application/json", "image/png"])


# -- the JSON format --------------------------------------------------------------------------


@given(with_json | with_text | with_bytes)
def test_reading_gives_back_what_was_written(event: Event) -> None:
    for document in (event.to_json(), event.to_json(indent=2), event.to_json().encode()):
        again = Event.from_json(document)
        assert again == event
        assert again.to_json() == event.to_json()
        assert hash(again) == hash(event)


@given(with_json | with_text)
def test_the_official_package_reads_what_we_write(event: Event) -> None:
    theirs = official_from_json(event.to_json())
    attributes = dict(theirs.get_attributes())
    assert attributes.pop("specversion") == "1.0"
    assert attributes.pop("partitionkey", None) == event.key
    if event.time is None:
        attributes.pop("time")  # theirs puts the present in
    else:
        assert datetime.fromisoformat(attributes.pop("time")) == event.time
    for name in ("id", "source", "type", "subject", "datacontenttype", "dataschema"):
        assert attributes.pop(name, None) == getattr(event, name)
    assert attributes == event.extensions
    assert theirs.get_data() == (event.data if event.data != "" else None)


@given(with_bytes)
def test_the_official_package_reads_our_bytes(event: Event) -> None:
    theirs = official_from_json(event.to_json(), data_unmarshaller=bytes)
    assert theirs.get_data() == (event.data or None)  # theirs takes empty data as none


@given(with_json | with_text | with_bytes)
def test_we_read_what_the_official_package_writes(event: Event) -> None:
    attributes: dict[str, Any] = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": None if event.time is None else event.time.isoformat(),
        "subject": event.subject,
        "partitionkey": event.key,
        "datacontenttype": event.datacontenttype,
        "dataschema": event.dataschema,
        **event.extensions,
    }
    theirs = CloudEvent(attributes, event.data)
    assert Event.from_json(official_to_json(theirs)) == event


def test_the_example_of_the_specification() -> None:
    event = Event.from_json(
        """{
            "specversion" : "1.0",
            "type" : "com.example.someevent",
            "source" : "/mycontext",
            "subject": null,
            "id" : "B234-1234-1234",
            "time" : "2018-04-05T17:31:00Z",
            "comexampleextension1" : "value",
            "comexampleothervalue" : 5,
            "unsetextension": null,
            "datacontenttype" : "application/xml",
            "data" : "<much wow=\\"xml\\"/>"
        }"""
    )
    assert event == Event(
        id="B234-1234-1234",
        source="/mycontext",
        type="com.example.someevent",
        time=datetime(2018, 4, 5, 17, 31, tzinfo=UTC),
        datacontenttype="application/xml",
        data='<much wow="xml"/>',
        extensions={"comexampleextension1": "value", "comexampleothervalue": 5},
    )
    assert json.loads(event.to_json())["time"] == "2018-04-05T17:31:00Z"


def test_the_members_that_are_written() -> None:
    event = Event(
        id="1", source="/shop", type="order.paid", key="ann", data={"eur": 5},
        time=datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2))),
        extensions={"retry": True},
    )  # fmt: skip
    assert json.loads(event.to_json()) == {
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid",
        "time": "2026-01-31T12:00:00+02:00", "partitionkey": "ann", "retry": True,
        "data": {"eur": 5},
    }  # fmt: skip
    assert json.loads(Event(id="1", source="a", type="b", data=b"\xff").to_json())["data_base64"]


def document(**members: Any) -> str:
    return json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"} | members)


@pytest.mark.parametrize(
    ("given_document", "problem"),
    [
        ("{", "the event is not JSON: Expecting property name"),
        (b"\xff", "the event is not JSON: 'utf-8' codec"),
        ("[1]", "an event must be a JSON object, but is a list"),
        (17, "the event must be str or bytes, not int"),
        ("{}", "specversion: is missing, but every CloudEvent must have it"),
        (document(id=None), "id: is missing, but every CloudEvent must have it"),
        (document(specversion="0.3"), "specversion: is '0.3', but must be '1.0'"),
        (document(specversion=1.0), "specversion: is 1.0, but must be '1.0'"),
        (document(data=1, data_base64="YQ=="), "data_base64: is given beside data"),
        (document(data_base64="?"), r"data_base64: is '\?', but must be Base64 text"),
        (document(data_base64=5), "data_base64: is 5, but must be Base64 text"),
        (document(data=[1])[:-1] + ', "id": "2"}', "id: appears twice in one JSON object"),
        (document()[:-1] + ', "data": NaN}', "the event is not JSON: it holds NaN"),
        (document(txId="5"), "extensions: has the attribute name 'txId', but a name must consist"),
        (document(level=1.5), "level: is 1.5, but must be True or False, an integer of 32 bits"),
        (document(level=[1]), r"level: is \[1\], but must be True or False, an integer"),
        (document(time="yesterday"), "time: is 'yesterday', but must be a datetime with a time"),
        (document(id=5), "id: is 5, but must be a string that is not empty"),
        (document(partitionkey=""), "key: is '', but must be a string that is not empty"),
        (document(data={"a": 1}, datacontenttype="text/xml"), "data: is .*'text/xml' is not JSON"),
    ],
)
def test_documents_that_are_refused(given_document: Any, problem: str) -> None:
    with pytest.raises(EventError, match=problem):
        Event.from_json(given_document)


# -- attributes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "bad", "allowed"),
    [
        ("id", "", "a string that is not empty"),
        ("id", None, "a string that is not empty"),
        ("type", "two\nlines", "without control characters"),
        ("type", "\x80", "without control characters"),
        ("subject", "\ud800", "without control characters or noncharacters"),
        ("subject", "\ufffe", "without control characters or noncharacters"),
        ("subject", "\U0010ffff", "without control characters or noncharacters"),
        ("key", "", "a string that is not empty"),
        ("key", 5, "a string that is not empty"),
        ("source", "", "a URI reference"),
        ("source", "my shop", "a URI reference"),
        ("source", "1:2", "a URI reference"),
        ("source", "a#b#c", "a URI reference"),
        ("source", "%5", "a URI reference"),
        ("source", "ü", "a URI reference"),
        ("dataschema", "/relative", "an absolute URI"),
        ("dataschema", "https://a/b#part", "an absolute URI"),
        ("datacontenttype", "json", "a media type"),
        ("datacontenttype", "text/plain; charset", "a media type"),
        ("time", datetime(2026, 1, 1), "a datetime with a time zone"),
        ("time", datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=61))), "whole minutes"),
        ("time", "2026-02-31T00:00:00Z", "a datetime with a time zone"),
        ("time", "2026-01-01T24:00:00Z", "a datetime with a time zone"),
        ("time", "2026-01-01T00:00:00", "a datetime with a time zone"),
        ("time", 5.0, "a datetime with a time zone"),
        ("extensions", [1], "a dict of attribute names to values"),
        ("data", float("nan"), "finite"),
        ("data", object(), "JSON"),
    ],
)
def test_attributes_that_are_refused(attribute: str, bad: Any, allowed: str) -> None:
    attributes = {"id": "1", "source": "/s", "type": "t", attribute: bad}
    with pytest.raises(EventError, match=rf"^{attribute}: is .*, but must be .*{allowed}"):
        Event(**attributes)


@pytest.mark.parametrize(
    ("extension", "problem"),
    [
        ({"Upper": "a"}, "the attribute name 'Upper', but a name must consist of lower-case"),
        ({"data_base64": "a"}, "the attribute name 'data_base64'"),
        ({"data": "a"}, "has 'data', but that is not an extension"),
        ({"subject": "a"}, "has 'subject', but that is not an extension"),
        ({"partitionkey": "a"}, "has 'partitionkey', but the partition key is the field key="),
        ({5: "a"}, "the attribute name 5"),
        ({"big": 2**31}, "big: is 2147483648, but must be True or False, an integer of 32 bits"),
        ({"none": None}, "none: is None, but must be"),
        ({"lines": "a\nb"}, "lines: is 'a.nb', but must be a string without control characters"),
    ],
)
def test_extensions_that_are_refused(extension: Any, problem: str) -> None:
    with pytest.raises(EventError, match=problem):
        Event(id="1", source="/s", type="t", extensions=extension)


def test_errors_inside_data_say_where() -> None:
    with pytest.raises(
        EventError, match=r"^data\['lines'\]\[1\]\['eur'\]: is inf, but must be fin"
    ):
        Event(id="1", source="/s", type="t", data={"lines": [{}, {"eur": float("inf")}]})
    with pytest.raises(EventError, match=r"^data\['a'\], the key: is 1, but must be a string"):
        Event(id="1", source="/s", type="t", data={"a": {1: 2}})


@pytest.mark.parametrize(
    "source",
    ["1-555-123-4567", "/sensors/tn-1/alerts", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
     "mailto:cncf-wg-serverless@lists.cncf.io", "http://[::1]:8080/x?y#z", "shop"],
)  # fmt: skip
def test_sources_that_the_specification_gives_as_examples(source: str) -> None:
    assert Event(id="1", source=source, type="t").source == source


# -- an event is a fact -----------------------------------------------------------------------


def test_nothing_in_an_event_can_change() -> None:
    lines = [{"item": "tea"}]
    event = Event(id="1", source="/s", type="t", data={"lines": lines}, extensions={"a": 1})
    lines.append({"item": "milk"})
    assert event.data == {"lines": [{"item": "tea"}]}
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.id = "2"  # type: ignore[misc]
    attributes: Any = event.extensions
    with pytest.raises(TypeError, match="cannot be changed"):
        event.data.update(a=1)
    with pytest.raises(TypeError, match="cannot be changed"):
        event.data["lines"].append(1)
    with pytest.raises(TypeError, match="cannot be changed"):
        event.data["lines"][0].clear()
    with pytest.raises(TypeError, match="cannot be changed"):
        attributes["a"] = 2
    assert pickle.loads(pickle.dumps(event)) == event
    assert dataclasses.replace(event, id="2").identity == ("/s", "2")


def test_ids_from_a_counter_or_a_seeded_generator() -> None:
    numbers = count(1)
    assert [Event.new("t", "/s", id=numbers).id for _ in range(3)] == ["1", "2", "3"]
    assert Event.new("t", "/s", id="x", subject="y") == Event(
        id="x", source="/s", type="t", subject="y"
    )
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    first = [Event.new("t", "/s", id=rng).id for _ in range(3)]
    assert first == [Event.new("t", "/s", id=same).id for _ in range(3)]
    assert len(set(first)) == 3
    assert all(len(name) == 36 and name[14] == "4" for name in first)
    with pytest.raises(EventError, match="id: the iterator that gives the ids is exhausted"):
        Event.new("t", "/s", id=iter(()))
    with pytest.raises(EventError, match="id: is 5, but must be a string, an iterator"):
        Event.new("t", "/s", id=5)  # type: ignore[arg-type]


def test_the_repr_shows_what_was_given() -> None:
    event = Event(id="1", source="/s", type="t", data=0)
    assert repr(event) == "Event(id='1', source='/s', type='t', data=0)"
    assert eval(repr(event)) == event


# -- changes of a database --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "kind", "operation"),
    [
        (None, {"a": 1}, "orders.inserted", "c"),
        ({"a": 1}, {"a": 2}, "orders.updated", "u"),
        ({"a": 1}, None, "orders.deleted", "d"),
    ],
)
def test_a_change_of_a_row(before: Any, after: Any, kind: str, operation: str) -> None:
    event = change_event("orders", 17, before, after, source="/db", id="lsn-5")
    assert (event.type, event.subject, event.key) == (kind, "17", "17")
    assert event.extensions == {"iodebeziumop": operation, "iodebeziumtable": "orders"}
    assert event.data == {"before": before, "after": after}
    assert Event.from_json(event.to_json()) == event


def test_a_change_needs_a_row() -> None:
    with pytest.raises(EventError, match="before and after are both None"):
        change_event("orders", 17, None, None, source="/db", id="1")
