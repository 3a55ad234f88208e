"""The event store's promises, on SQLite (in memory and in a file), MariaDB and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mesh_lab as ml
from mesh_lab.store import Recorded


@pytest.fixture
def memory() -> Iterator[ml.EventStore]:
    with ml.EventStore("sqlite://") as opened:
        yield opened


@pytest.fixture
def store(url: str) -> Iterator[ml.EventStore]:
    with ml.EventStore(url) as opened:
        yield opened


def event(number: int, type: str = "order.paid", **more: object) -> ml.Event:
    return ml.Event(id=str(number), source="/shop", type=type, **more)


def ids(found: object) -> list[str]:
    assert isinstance(found, Iterator)
    return [recorded.event.id for recorded in found]


# ---- append ------------------------------------------------------------------------------------


def test_positions_count_all_events_and_versions_those_of_a_stream(store: ml.EventStore) -> None:
    assert store.append("a", [event(1), event(2)]) == range(1, 3)
    assert store.append("b", event(3)) == range(3, 4)
    assert store.append("a", event(4)) == range(4, 5)
    places = [(kept.position, kept.stream, kept.version) for kept in store.read_all()]
    assert places == [(1, "a", 1), (2, "a", 2), (3, "b", 1), (4, "a", 3)]
    assert store.position == 4
    assert store.streams() == {"a": 3, "b": 1}
    assert (store.version("a"), store.version("c")) == (3, 0)


def test_an_expected_version_is_kept_to(store: ml.EventStore) -> None:
    store.append("a", event(1), expected="none")
    store.append("a", [event(2), event(3)], expected=1)
    store.append("a", event(4), expected=3)
    store.append("b", event(5), expected=0)
    store.append("a", event(6), expected="any")
    assert ids(store.read("a")) == ["1", "2", "3", "4", "6"]


def test_a_conflict_names_stream_and_both_versions_and_keeps_nothing(store: ml.EventStore) -> None:
    store.append("a", [event(1), event(2)])
    for expected, said in {"none": 0, 0: 0, 1: 1, 3: 3}.items():
        with pytest.raises(ml.ConflictError) as caught:
            store.append("a", [event(3), event(4)], expected=expected)
        error = caught.value
        assert (error.stream, error.expected, error.actual) == ("a", said, 2)
        assert f"'a': version {said} was expected, but it is at version 2" in str(error)
        assert store.position == 2
    assert store.append("a", event(5), expected=2) == range(3, 4)  # no position was lost


def test_appending_nothing_only_looks_at_the_version(store: ml.EventStore) -> None:
    store.append("a", event(1))
    assert list(store.append("a", [], expected=1)) == []
    with pytest.raises(ml.ConflictError):
        store.append("a", [], expected=0)
    assert store.position == 1


@pytest.mark.parametrize("expected", ["all", -1, 1.0, True, None])
def test_what_is_no_expectation_is_refused(memory: ml.EventStore, expected: object) -> None:
    with pytest.raises(ValueError, match="expected="):
        memory.append("a", event(1), expected=expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", " a", "a ", "a\n", "a" * 201, 7, None, "a\x00b"])
def test_what_is_no_stream_is_refused(memory: ml.EventStore, name: object) -> None:
    for refused in (memory.append, memory.version, memory.read):
        with pytest.raises(ValueError, match="stream="):
            refused(name, *([event(1)] if refused == memory.append else []))  # type: ignore[operator]


def test_what_is_no_event_is_refused_before_anything_is_kept(memory: ml.EventStore) -> None:
    with pytest.raises(ml.EventError, match="make one with"):
        memory.append("a", [event(1), "paid"])  # type: ignore[list-item]
    with pytest.raises(ml.EventError, match="at most 200"):
        memory.append("a", [event(1), event(2, type="x" * 201)])
    assert memory.position == 0


def test_stream_names_are_told_apart_to_the_last_sign(store: ml.EventStore) -> None:
    names = ["a", "A", "ä", "a b", "a%", "😀", "a'", '"a"', "\\a", "ß", "ss", "a" * 200]
    for number, name in enumerate(names):
        store.append(name, event(number), expected="none")
    assert store.streams() == dict.fromkeys(sorted(names), 1)
    for number, name in enumerate(names):
        assert ids(store.read(name)) == [str(number)]


# ---- every attribute survives ------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3
        )
    ),
    max_leaves=8,
)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=30)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EVENTS = st.builds(
    ml.Event,
    id=TEXT,
    source=st.sampled_from(["/shop", "urn:x:1", "https://example.com/a?b=c#d"]),
    type=TEXT,
    subject=st.none() | TEXT,
    time=st.none() | st.datetimes(timezones=ZONES),
    key=st.none() | TEXT,
    datacontenttype=st.sampled_from([None, "application/json"]),
    dataschema=st.sampled_from([None, "https://example.com/order.json"]),
    data=JSON | st.binary(max_size=300),
    extensions=st.dictionaries(
        st.text("abcxyz019", min_size=1, max_size=8),
        st.booleans() | st.integers(-(2**31), 2**31 - 1) | TEXT,
        max_size=3,
    ),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=1, max_size=5))
def test_every_attribute_survives(store: ml.EventStore, events: list[ml.Event]) -> None:
    positions = store.append("all", events)
    found = [kept.event for kept in store.read_all(after=positions.start - 1)]
    assert found == events
    for was, now in zip(events, found, strict=True):
        assert type(was.data) is type(now.data)
        assert now.time is None or now.time.isoformat() == was.time.isoformat()  # type: ignore[union-attr]
        assert now.to_json() == was.to_json()


CORNERS: list[dict[str, Any]] = [
    {"data": bytes(range(256))},
    {"data": b""},
    {"data": ""},
    {"data": "\x00'\"\\%s?:x"},
    {"data": False},
    {"data": 0.1 + 0.2},
    {"data": {"a": [None, {"ü": "😀"}]}},
    {"data": "<a/>", "datacontenttype": "text/xml"},
    {"data": "x" * 3_000_000},
    {"data": b"x" * 3_000_000},
    {"subject": "s" * 70_000},
    {"time": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))},
    {"time": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))},
    {"extensions": {"yes": True, "no": False, "one": 1, "text": "1"}},
]


def test_corners_of_attributes_survive(store: ml.EventStore) -> None:
    for version, more in enumerate(CORNERS):
        kept = event(1, **more)
        store.append("a", kept)
        (found,) = store.read("a", after=version)
        assert found.event == kept
        assert found.event.to_dict() == kept.to_dict()


def test_when_an_event_was_recorded_is_kept(store: ml.EventStore) -> None:
    before = datetime.now(UTC)
    store.append("a", event(1))
    (found,) = store.read_all()
    assert before - timedelta(milliseconds=1) <= found.recorded <= datetime.now(UTC)


# ---- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [2, 1000])
def test_reading_goes_on_after_a_version_and_a_position(store: ml.EventStore, batch: int) -> None:
    for number in range(1, 8):
        store.append("ab"[number % 2], event(number))
    assert ids(store.read("b", batch=batch)) == ["1", "3", "5", "7"]
    assert ids(store.read("b", after=2, batch=batch)) == ["5", "7"]
    assert ids(store.read("c", batch=batch)) == []
    assert ids(store.read_all(batch=batch)) == list("1234567")
    assert ids(store.read_all(after=5, batch=batch)) == ["6", "7"]
    assert ids(store.read_all(after=99, batch=batch)) == []


@pytest.mark.parametrize("batch", [2, 1000])
def test_reading_by_type_and_time(store: ml.EventStore, batch: int) -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for number in range(10):
        # the zone does not matter, the moment does
        zone = timezone(timedelta(hours=number - 5))
        at = (noon + timedelta(minutes=number)).astimezone(zone)
        store.append("a", event(number, type=("even", "odd")[number % 2], time=at))
    assert ids(store.read_all(types="odd", batch=batch)) == ["1", "3", "5", "7", "9"]
    assert ids(store.read_all(types=["odd", "none"], after=5, batch=batch)) == ["5", "7", "9"]
    assert ids(store.read_all(types=[], batch=batch)) == []
    since, until = noon + timedelta(minutes=3), noon + timedelta(minutes=6)
    assert ids(store.read_all(since=since, until=until, batch=batch)) == ["3", "4", "5"]
    assert ids(store.read_all(types="odd", since=since, until=until, batch=batch)) == ["3", "5"]


def test_an_event_without_a_time_happened_when_it_was_recorded(store: ml.EventStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    store.append("a", event(1))
    assert ids(store.read_all(since=before)) == ["1"]
    assert ids(store.read_all(until=before)) == []


def test_types_are_told_apart_to_the_last_space(store: ml.EventStore) -> None:
    store.append("a", [event(1, type="x"), event(2, type="x "), event(3, type="X")])
    assert ids(store.read_all(types="x")) == ["1"]
    assert ids(store.read_all(types="x ")) == ["2"]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_reading_ends_where_the_store_ended_when_it_began(
    store: ml.EventStore, batch: int
) -> None:
    store.append("a", [event(1), event(2), event(3)])
    for reading in (store.read_all(batch=batch), store.read("a", batch=batch)):
        seen, before = [], store.position
        for kept in reading:
            seen.append(kept.position)
            store.append("a", event(100 * before + kept.position))
        assert seen == list(range(1, before + 1))
        assert store.position == 2 * before


def test_what_is_asked_wrongly_is_refused_at_once(memory: ml.EventStore) -> None:
    for name, value in {
        "after": -1,
        "batch": 0,
        "types": [1],
        "since": datetime(2026, 1, 1),
    }.items():
        with pytest.raises(ValueError, match=f"{name}="):
            memory.read_all(**{name: value})  # type: ignore[arg-type]
    for name, value in {"poll": 0, "idle": -1, "after": 1.5}.items():
        with pytest.raises(ValueError, match=f"{name}="):
            memory.subscribe(**{name: value})  # type: ignore[arg-type]


# ---- subscriptions -----------------------------------------------------------------------------


def test_a_subscription_catches_up_and_goes_on(store: ml.EventStore) -> None:
    store.append("a", [event(1), event(2), event(3)])
    subscription = store.subscribe(batch=2, idle=0)
    assert next(subscription).event.id == "1"
    assert subscription.position == 1  # though the second is at hand
    assert ids(subscription) == ["2", "3"]
    assert subscription.position == 3
    store.append("a", event(4))
    assert ids(subscription) == ["4"]
    assert ids(store.subscribe(after=2, idle=0)) == ["3", "4"]


def test_a_subscription_goes_past_what_is_not_wanted(store: ml.EventStore) -> None:
    store.append("a", [event(1, type="x"), *(event(n) for n in range(2, 6))])
    subscription = store.subscribe(types="x", batch=2, idle=0)
    first = next(subscription)
    assert (first.event.id, subscription.position) == ("1", 5)
    assert ids(subscription) == []
    assert subscription.position == 5


def test_a_subscription_waits_for_what_comes_and_can_be_closed(store: ml.EventStore) -> None:
    seen: list[Recorded] = []
    got = threading.Event()
    subscription = store.subscribe(poll=0.01)

    def follow() -> None:
        for kept in subscription:
            seen.append(kept)
            got.set()

    follower = threading.Thread(target=follow)
    follower.start()
    store.append("a", event(1))
    assert got.wait(30)
    subscription.close()
    follower.join(30)
    assert not follower.is_alive()
    assert [kept.event.id for kept in seen] == ["1"]


# ---- transactions ------------------------------------------------------------------------------


def test_a_transaction_keeps_all_or_nothing(store: ml.EventStore) -> None:
    with store.transaction() as t:
        t.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
    with pytest.raises(ZeroDivisionError), store.transaction() as t:  # noqa: PT012
        t.execute("INSERT INTO orders VALUES (:n)", {"n": 1})
        assert t.append("a", event(1)) == range(1, 2)
        assert t.append("b", event(2)) == range(2, 3)
        _ = 1 / 0
    assert store.position == 0
    with store.transaction() as t:
        assert t.execute("SELECT count(*) FROM orders").scalar() == 0
        t.execute("INSERT INTO orders VALUES (:n)", {"n": 1})
        t.append("a", event(1))
        t.append("a", event(2), expected=1)
    assert ids(store.read("a")) == ["1", "2"]


def test_a_transaction_in_which_an_append_failed_cannot_be_committed(store: ml.EventStore) -> None:
    with pytest.raises(ml.StoreError, match="nothing of it") as caught:  # noqa: SIM117, PT012
        with store.transaction() as t:
            t.append("a", event(1))
            with pytest.raises(ml.ConflictError):
                t.append("a", event(2), expected=0)
    assert caught.value.reason == "unfinished"
    assert store.position == 0
    assert store.append("a", event(3)) == range(1, 2)


def test_a_slip_in_ones_own_sql_stays_what_it_is(store: ml.EventStore) -> None:
    import sqlalchemy.exc

    with pytest.raises(sqlalchemy.exc.DBAPIError), store.transaction() as t:  # noqa: PT012
        t.append("a", event(1))
        t.execute("SELEC 1")
    assert store.append("a", event(2)) == range(1, 2)


def test_no_position_is_taken_while_an_earlier_one_may_still_come(shared_url: str) -> None:
    """Taken out of turn, position 2 would be seen by a reader that then never sees 1."""
    with ml.EventStore(shared_url) as one, ml.EventStore(shared_url, timeout=1.0) as other:
        with one.transaction() as t:
            t.append("a", event(1))
            with pytest.raises(ml.StoreError, match="held the database") as caught:
                other.append("b", event(2))
            assert caught.value.reason == "locked"
            assert list(other.read_all()) == []
        assert other.append("b", event(2)) == range(2, 3)
        assert ids(other.read_all()) == ["1", "2"]


def test_threads_may_share_a_store(store: ml.EventStore) -> None:
    errors: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for number in range(20):
                store.append(name, event(number), expected=number)
                assert store.version(name) == number + 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [kept.position for kept in store.read_all()] == list(range(1, 81))


def test_what_was_kept_is_there_when_it_is_opened_again(shared_url: str) -> None:
    with ml.EventStore(shared_url) as store:
        store.append("a", [event(1), event(2)])
    with ml.EventStore(shared_url, durable=False) as store:
        assert store.append("a", event(3), expected=2) == range(3, 4)
        assert ids(store.read("a")) == ["1", "2", "3"]


def test_a_store_in_memory_is_gone_when_it_is_closed() -> None:
    store = ml.EventStore("sqlite://")
    store.append("a", event(1))
    assert repr(store) == "EventStore('sqlite://')"
    store.close()
    with pytest.raises(ml.StoreError, match="closed"):
        store.append("a", event(2))
    with ml.EventStore("sqlite://") as other:
        assert other.position == 0


def test_an_interrupt_costs_a_store_in_memory_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a notebook: SQLAlchemy throws the connection away, and it may not be the last."""
    from mesh_lab.store import reading

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with ml.EventStore("sqlite://") as store:
        store.append("a", event(1))
        with pytest.raises(KeyboardInterrupt), store.transaction() as t:  # noqa: PT012
            t.append("a", event(2))
            t.connection.invalidate()
            raise KeyboardInterrupt
        with monkeypatch.context() as patched:
            patched.setattr(reading, "page", interrupted)
            with pytest.raises(KeyboardInterrupt):
                list(store.read_all())
        assert ids(store.read("a")) == ["1"]
        assert store.append("a", event(3), expected=1) == range(2, 3)


def test_two_stores_in_memory_have_nothing_in_common() -> None:
    with ml.EventStore("sqlite://") as one, ml.EventStore("sqlite://") as other:
        one.append("a", event(1))
        assert (one.position, other.position) == (1, 0)


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    for durable, level in ((True, 2), (False, 1)):
        with ml.EventStore(url, durable=durable) as store, store.transaction() as t:
            assert t.execute("PRAGMA journal_mode").scalar() == "wal"
            assert t.execute("PRAGMA synchronous").scalar() == level  # 2 is FULL, 1 is NORMAL
