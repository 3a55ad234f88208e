"""What is built on the store: projections, snapshots, the relay, captured changes, export."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.store import Recorded, Snapshot, Transaction


@pytest.fixture
def store(url: str) -> Iterator[ml.EventStore]:
    with ml.EventStore(url) as opened:
        yield opened


def event(number: int, type: str = "order.paid", **more: object) -> ml.Event:
    return ml.Event(id=str(number), source="/shop", type=type, data={"eur": number}, **more)


def table(store: ml.EventStore, words: str) -> None:
    with store.transaction() as t:
        t.execute(f"CREATE TABLE {words}")


def rows(store: ml.EventStore, query: str) -> list[tuple[Any, ...]]:
    with store.transaction() as t:
        return [tuple(row) for row in t.execute(query)]


def note(recorded: Recorded, t: Transaction) -> None:
    values = {"position": recorded.position, "id": recorded.event.id}
    t.execute("INSERT INTO seen VALUES (:position, :id)", values)


# ---- projections -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [2, 500])
def test_a_projection_handles_each_event_once_and_goes_on(store: ml.EventStore, batch: int) -> None:
    table(store, "seen (position BIGINT PRIMARY KEY, id VARCHAR(20))")
    store.append("a", [event(1), event(2), event(3)])
    projection = store.projection("notes", note, batch=batch)
    assert (projection.run(), projection.position) == (3, 3)
    assert projection.run() == 0
    store.append("b", event(4))
    # another process would make it anew, under its name
    assert store.projection("notes", note).run() == 1
    assert rows(store, "SELECT * FROM seen ORDER BY position") == [(n, str(n)) for n in range(1, 5)]
    assert repr(projection) == "Projection('notes', position=4)"


def test_effect_and_checkpoint_of_a_projection_are_one(store: ml.EventStore) -> None:
    """The second batch fails after its first effect: neither effect nor checkpoint is kept."""
    table(store, "seen (position BIGINT PRIMARY KEY, id VARCHAR(20))")
    store.append("a", [event(n) for n in range(1, 6)])
    broken = True

    def handle(recorded: Recorded, t: Transaction) -> None:
        note(recorded, t)
        if broken and recorded.position == 4:
            raise RuntimeError("no more paper")

    projection = store.projection("notes", handle, batch=2)
    with pytest.raises(RuntimeError, match="no more paper") as caught:
        projection.run()
    (said,) = caught.value.__notes__
    assert "'notes' stopped at position 4 (stream 'a', version 4)" in said
    assert "stays at 2" in said
    assert projection.position == 2
    assert rows(store, "SELECT position FROM seen ORDER BY position") == [(1,), (2,)]
    broken = False
    assert projection.run() == 3
    assert rows(store, "SELECT count(*) FROM seen") == [(5,)]


def test_a_projection_of_some_types_goes_past_the_others(store: ml.EventStore) -> None:
    store.append("a", [event(1, "x"), event(2, "y"), event(3, "x"), event(4, "y"), event(5, "y")])
    seen: list[str] = []
    projection = store.projection("x", lambda r, t: seen.append(r.event.id), types="x", batch=1)
    assert (projection.run(), projection.position, seen) == (2, 5, ["1", "3"])


def test_a_projection_can_begin_again(store: ml.EventStore) -> None:
    table(store, "seen (position BIGINT PRIMARY KEY, id VARCHAR(20))")
    store.append("a", [event(1), event(2)])
    projection = store.projection("notes", note)
    projection.run()
    projection.reset(lambda t: t.execute("DELETE FROM seen"))
    assert projection.position == 0
    assert rows(store, "SELECT * FROM seen") == []
    assert projection.run() == 2


def test_a_projection_may_append(store: ml.EventStore) -> None:
    """Choreography in one database: an event, its answer and the checkpoint are one."""
    store.append("orders", [event(1, "placed"), event(2, "placed")])

    def answer(recorded: Recorded, t: Transaction) -> None:
        reply = ml.Event(id=f"re-{recorded.event.id}", source="/stock", type="reserved")
        t.append("stock", reply)

    projection = store.projection("stock", answer, types="placed", batch=1)
    assert projection.run() == 2
    assert [kept.event.id for kept in store.read("stock")] == ["re-1", "re-2"]
    assert projection.run() == 0


# ---- snapshots ---------------------------------------------------------------------------------


def test_a_fold_goes_on_from_its_snapshot(store: ml.EventStore) -> None:
    applied: list[str] = []

    def add(total: int, one: ml.Event) -> int:
        applied.append(one.id)
        return total + int(one.data["eur"])

    store.append("purse", [event(n) for n in range(1, 6)])
    assert store.fold("purse", add, 0, name="total", every=6) == Snapshot(15, 5)
    assert store.snapshot("purse", "total") is None
    assert store.fold("purse", add, 0, name="total", every=5) == Snapshot(15, 5)
    assert store.snapshot("purse", "total") == Snapshot(15, 5)
    store.append("purse", event(6))
    applied.clear()
    assert store.fold("purse", add, 0, name="total", every=5) == Snapshot(21, 6)
    assert applied == ["6"]
    assert store.fold("purse", add, 0, name="other") == Snapshot(21, 6)
    assert store.fold("nothing", add, 0) == Snapshot(0, 0)


def test_a_later_snapshot_stays(store: ml.EventStore) -> None:
    store.append("a", [event(n) for n in range(1, 4)])
    store.save_snapshot("a", "s", {"n": [1, "ü"]}, 2)
    store.save_snapshot("a", "s", "old", 1)
    assert store.snapshot("a", "s") == Snapshot({"n": [1, "ü"]}, 2)
    store.save_snapshot("a", "s", None, 3)
    assert store.snapshot("a", "s") == Snapshot(None, 3)


@pytest.mark.parametrize("state", [(1, 2), {1: "a"}, {1}, float("nan"), b"x"])
def test_a_state_that_would_come_back_as_another_is_refused(state: object) -> None:
    with ml.EventStore("sqlite://") as store:
        store.append("a", event(1))
        with pytest.raises(ValueError, match="JSON value"):
            store.save_snapshot("a", "s", state, 1)
        with pytest.raises(ValueError, match="only at version 1"):
            store.save_snapshot("a", "s", 0, 2)


# ---- the relay ---------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [2, 100])
def test_a_relay_sends_in_order_and_goes_on(store: ml.EventStore, batch: int) -> None:
    store.append("a", [event(n) for n in range(1, 6)])
    sent: list[str] = []
    relay = store.relay("out", lambda one: sent.append(one.id), batch=batch)
    assert (relay.run(), relay.position) == (5, 5)
    store.append("b", event(6))
    assert store.relay("out", lambda one: sent.append(one.id)).run() == 1
    assert sent == ["1", "2", "3", "4", "5", "6"]


def test_a_relay_goes_past_what_is_not_wanted(store: ml.EventStore) -> None:
    store.append("a", [event(1, type="x"), event(2), event(3)])
    relay = store.relay("out", lambda one: None, types="x")
    assert (relay.run(), relay.position) == (1, 3)


def test_a_relay_goes_on_with_the_event_that_could_not_be_sent(store: ml.EventStore) -> None:
    store.append("a", [event(n) for n in range(1, 6)])
    sent: list[str] = []

    def send(one: ml.Event) -> None:
        if one.id == "4" and len(sent) == 3:
            sent.append("failed")
            raise ConnectionError("nobody there")
        sent.append(one.id)

    relay = store.relay("out", send, batch=2)
    with pytest.raises(ConnectionError) as caught:
        relay.run()
    assert "could not send position 4 (stream 'a', version 4)" in caught.value.__notes__[0]
    assert relay.position == 3
    assert relay.run() == 2
    assert sent == ["1", "2", "3", "failed", "4", "5"]


def test_a_relay_that_dies_before_its_checkpoint_sends_again(store: ml.EventStore) -> None:
    """At least once: the process is gone after the sending, so nothing after it is done."""
    store.append("a", [event(n) for n in range(1, 4)])
    sent: list[str] = []
    relay = store.relay("out", lambda one: sent.append(one.id))
    relay._move = lambda before, done: None  # type: ignore[method-assign]
    relay.run()
    assert store.relay("out", lambda one: sent.append(one.id)).run() == 3
    assert sent == ["1", "2", "3"] * 2


def test_the_later_of_two_relays_of_a_name_stops(store: ml.EventStore) -> None:
    store.append("a", event(1))
    other = store.relay("out", lambda one: None)
    relay = store.relay("out", lambda one: other.run())
    with pytest.raises(ml.StoreError, match="another relay named 'out'"):
        relay.run()
    assert relay.position == 1


def test_the_outbox_is_the_transaction(store: ml.EventStore) -> None:
    table(store, "orders (number INTEGER PRIMARY KEY)")
    sent: list[str] = []
    relay = store.relay("out", lambda one: sent.append(one.id))
    for number in (1, 2, 3):
        try:
            with store.transaction() as t:
                t.execute("INSERT INTO orders VALUES (:n)", {"n": number})
                t.append("orders", event(number))
                if number == 2:
                    raise TimeoutError
        except TimeoutError:
            pass
    relay.run()
    assert sent == ["1", "3"]
    assert rows(store, "SELECT number FROM orders ORDER BY number") == [(1,), (3,)]


# ---- change capture ----------------------------------------------------------------------------


def kind(store: ml.EventStore) -> str:
    return store.name.partition(":")[0]


@pytest.fixture
def orders(store: ml.EventStore) -> ml.EventStore:
    blob = "BYTEA" if kind(store).startswith("postgresql") else "BLOB"
    table(
        store,
        "orders (number INTEGER PRIMARY KEY, state VARCHAR(40), price DOUBLE PRECISION, "
        f"scan {blob})",
    )
    return store


def test_every_change_of_a_row_becomes_an_event(orders: ml.EventStore) -> None:
    capture = orders.capture("orders", source="/db")
    text = 'it\'s "new" \\ % :x ü😀'
    with orders.transaction() as t:
        values = {"state": text, "price": 0.1 + 0.2, "scan": b"\x00\xff"}
        t.execute("INSERT INTO orders VALUES (17, :state, :price, :scan)", values)
        t.execute("UPDATE orders SET state = NULL")
        t.execute("UPDATE orders SET state = 'paid', scan = NULL")
        t.execute("DELETE FROM orders")
    assert capture.collect() == 4
    assert capture.collect() == 0
    events = [kept.event for kept in orders.read("orders")]
    verbs = ["inserted", "updated", "updated", "deleted"]
    assert [one.type for one in events] == [f"orders.{verb}" for verb in verbs]
    first = {"number": 17, "state": text, "price": 0.1 + 0.2, "scan": "00FF"}
    states = [None, first, {**first, "state": None}, {**first, "state": "paid", "scan": None}, None]
    assert [one.data["before"] for one in events] == states[:-1]
    assert [one.data["after"] for one in events] == states[1:]
    assert {(one.source, one.key, one.subject) for one in events} == {("/db", "17", "17")}
    assert len({one.id for one in events}) == 4
    for one in events:
        assert one.time is not None
        assert abs(one.time - datetime.now(UTC)) < timedelta(minutes=10)


def test_what_is_rolled_back_is_no_change(orders: ml.EventStore) -> None:
    capture = orders.capture("orders")
    with pytest.raises(ZeroDivisionError), orders.transaction() as t:  # noqa: PT012
        t.execute("INSERT INTO orders (number) VALUES (1)")
        _ = 1 / 0
    assert capture.collect() == 0


def test_another_key_is_another_row(orders: ml.EventStore) -> None:
    capture = orders.capture("orders")
    with orders.transaction() as t:
        t.execute("INSERT INTO orders (number) VALUES (1)")
        t.execute("UPDATE orders SET number = 2")
    assert capture.collect(batch=1) == 3
    found = [(kept.event.type, kept.event.key) for kept in orders.read("orders")]
    assert found == [("orders.inserted", "1"), ("orders.deleted", "1"), ("orders.inserted", "2")]
    assert len({kept.event.id for kept in orders.read("orders")}) == 3


def test_changes_and_their_events_are_moved_as_one(
    orders: ml.EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector fails after it has appended: nothing was appended, nothing is gone."""
    capture = orders.capture("orders")
    with orders.transaction() as t:
        t.execute("INSERT INTO orders (number) VALUES (1)")
    append = Transaction.append

    def fails(self: Transaction, *arguments: Any, **more: Any) -> range:
        append(self, *arguments, **more)
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "append", fails)
        with pytest.raises(RuntimeError, match="killed"):
            capture.collect()
    assert orders.position == 0
    assert capture.collect() == 1


def test_a_capture_is_renewed_and_removed(orders: ml.EventStore) -> None:
    orders.capture("orders")
    with orders.transaction() as t:
        t.execute("ALTER TABLE orders ADD COLUMN note VARCHAR(10)")
    capture = orders.capture("orders")  # again: for the columns that the table has now
    with orders.transaction() as t:
        t.execute("INSERT INTO orders (number, note) VALUES (1, 'x')")
    assert capture.collect() == 1
    (kept,) = orders.read("orders")
    assert kept.event.data["after"]["note"] == "x"
    capture.remove()
    with orders.transaction() as t:
        t.execute("DELETE FROM orders")
    assert capture.collect() == 0


def test_names_that_need_quotes_are_captured(store: ml.EventStore) -> None:
    q = "`" if kind(store).startswith(("mysql", "mariadb")) else '"'
    name = "the 'orders' of 2026 with a name that is far too long"
    table(
        store,
        f"{q}{name}{q} ({q}a key{q} VARCHAR(20), {q}order{q} INTEGER, "
        f"PRIMARY KEY ({q}a key{q}, {q}order{q}))",
    )
    capture = store.capture(name)
    with store.transaction() as t:
        t.execute(f"INSERT INTO {q}{name}{q} VALUES ('x', 7)")
    assert capture.collect() == 1
    (kept,) = store.read(name)
    assert kept.event.key == "x/7"
    assert kept.event.data["after"] == {"a key": "x", "order": 7}


def test_what_cannot_be_captured_is_said(store: ml.EventStore) -> None:
    table(store, "loose (number INTEGER)")
    with pytest.raises(ml.StoreError, match="no primary key"):
        store.capture("loose")
    with pytest.raises(ml.StoreError, match=r"no table 'none'.*loose"):
        store.capture("none")
    with pytest.raises(ValueError, match="own"):
        store.capture("mesh_lab_events")


def test_numbers_that_json_has_not_are_captured_as_text() -> None:
    with ml.EventStore("sqlite://") as store:
        table(store, "t (k INTEGER PRIMARY KEY, x REAL)")
        capture = store.capture("t")
        with store.transaction() as t:
            t.execute("INSERT INTO t VALUES (1, 9e999), (2, -9e999), (3, 1e308), (4, 5e-324)")
        capture.collect()
        after = [kept.event.data["after"]["x"] for kept in store.read("t")]
        assert after == ["Inf", "-Inf", 1e308, 5e-324]


# ---- measured latency ---------------------------------------------------------------------------


def test_measured_appends_can_feed_a_model(store: ml.EventStore) -> None:
    took = store.measure_appends(5, at_once=3)
    assert (len(took), store.version("measured")) == (5, 18)
    assert all(seconds > 0 for seconds in took)
    work = ml.Empirical(values=took)
    assert min(took) <= work.mean <= max(took)
    store.measure_appends(1)
    assert len({kept.event.identity for kept in store.read("measured")}) == 20


# ---- export ------------------------------------------------------------------------------------


def test_an_export_holds_every_event(store: ml.EventStore, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    at = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    full = ml.Event(
        **{"id": "1", "source": "/shop", "type": "x", "subject": "s", "time": at, "key": "k"},
        **{"datacontenttype": "application/json", "dataschema": "https://example.com/x"},
        **{"data": {"ü": [1, None]}, "extensions": {"trace": "t", "n": 1}},
    )
    scan = ml.Event(id="2", source="/shop", type="y", data=b"\x00\xff")
    store.append("a", [full, scan, ml.Event(id="3", source="/shop", type="x")])
    path = tmp_path / "events.parquet"
    assert store.export(path, batch=2) == 3
    found = pq.read_table(path).to_pylist()
    assert pq.ParquetFile(path).num_row_groups == 2
    assert [row["position"] for row in found] == [1, 2, 3]
    first, second, third = found
    assert first["time"] == at
    assert {name: first[name] for name in ("id", "subject", "key", "stream", "version")} == {
        **{"id": "1", "subject": "s", "key": "k", "stream": "a", "version": 1}
    }
    assert (first["data"], first["extensions"]) == ('{"ü": [1, null]}', '{"trace": "t", "n": 1}')
    assert (second["data"], second["data_bytes"], third["time"]) == (None, b"\x00\xff", None)
    assert store.export(path, types="x", after=1) == 1
    assert pq.read_table(path)["id"].to_pylist() == ["3"]
    assert store.export(path, types="none") == 0
    assert pq.read_table(path).num_rows == 0
    with pytest.raises(ml.StoreError, match="export failed"):
        store.export(tmp_path / "none" / "events.parquet")
