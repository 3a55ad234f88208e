"""What a store says when it cannot: which store, what happened, what to do; and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

import mesh_lab as ml
from mesh_lab.store import EventStore

from .store_servers import free_port


def event(number: int, **more: object) -> ml.Event:
    return ml.Event(id=str(number), source="/shop", type="order.paid", **more)


def refused(do: Callable[[], object], reason: str, *words: str) -> str:
    """Check that a store refuses, and return what it says."""
    with pytest.raises(ml.StoreError) as caught:
        do()
    error = caught.value
    assert error.reason == reason
    assert str(error) == f"event store {error.store}: {error.problem}; {error.advice}"
    for word in words:
        assert word in str(error)
    return str(error)


def digest(path: Path) -> bytes:
    return path.read_bytes()


def test_a_full_disk_keeps_what_was_there_and_the_store_goes_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    with EventStore(url) as store:
        store.append("a", [event(1), event(2)])
        with store.transaction() as t:
            pages = t.execute("PRAGMA page_count").scalar()
            t.execute(f"PRAGMA max_page_count = {pages + 2}")
        large = [event(n, data="x" * 3000) for n in range(50)]
        refused(lambda: store.append("a", large), "full", "no room left", "make room", url)
        assert [kept.event.id for kept in store.read("a")] == ["1", "2"]
        with store.transaction() as t:
            t.execute("PRAGMA max_page_count = 100000")
        assert store.append("a", large, expected=2) == range(3, 53)


def test_a_limit_on_files_is_no_damage(tmp_path: Path) -> None:
    """A write beyond the limit fails as one beyond a quota does: SQLITE_IOERR_WRITE."""
    resource = pytest.importorskip("resource")
    with EventStore(f"sqlite:///{tmp_path / 'events.db'}") as store:
        store.append("a", [event(1), event(2)])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        large = [event(n, data="x" * 3000) for n in range(100)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            refused(lambda: store.append("a", large), "disk", "quota or limit", "read the stream")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [kept.event.id for kept in store.read("a")] == ["1", "2"]
        assert store.append("a", large, expected=2) == range(3, 103)


def test_a_locked_file_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with EventStore(f"sqlite:///{path}", timeout=0.2) as store:
        store.append("a", event(1))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        refused(lambda: store.append("a", event(2)), "locked", "timeout=0.2 s", "longer timeout=")
        assert [kept.event.id for kept in store.read("a")] == ["1"]  # readers do not wait
        other.execute("ROLLBACK")
        other.close()
        assert store.append("a", event(2)) == range(2, 3)


def test_a_file_locked_by_another_program_is_refused_on_opening(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refused(lambda: EventStore(f"sqlite:///{path}", timeout=0.2), "locked", str(path))
    other.execute("ROLLBACK")
    other.close()
    EventStore(f"sqlite:///{path}").close()


def test_a_transaction_left_open_in_memory_is_said(tmp_path: Path) -> None:
    with EventStore("sqlite://", timeout=0.1) as store:
        with store.transaction() as t:
            t.append("a", event(1))
            refused(lambda: store.version("a"), "busy", "inside a transaction use its own methods")
        assert store.version("a") == 1


def test_a_store_that_is_opened_for_reading_reads_only(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with EventStore(f"sqlite:///{path}") as store:
        store.append("a", event(1))
    with EventStore(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        refused(lambda: store.append("a", event(2)), "read-only", "read from it", str(path))
        assert [kept.event.id for kept in store.read("a")] == ["1"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_file_without_permission_to_write_reads_only(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with EventStore(f"sqlite:///{path}") as store:
        store.append("a", event(1))
    path.chmod(0o444)
    with EventStore(f"sqlite:///{path}") as store:
        refused(lambda: store.append("a", event(2)), "read-only")
        assert store.version("a") == 1


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    refused(lambda: EventStore(f"sqlite:///{folder}/e.db"), "missing", str(folder), "make it first")
    refused(lambda: EventStore(f"sqlite:///{tmp_path}"), "missing", "this is a folder")
    only_there = f"sqlite:///file:{tmp_path}/none.db?mode=rw&uri=true"
    refused(lambda: EventStore(only_there), "missing", "there is no such file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 1000)
    before = digest(path)
    refused(lambda: EventStore(f"sqlite:///{path}"), "foreign", "not an SQLite database", str(path))
    assert digest(path) == before


def test_a_database_of_somebody_else_is_left_alone_unless_it_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
    other.close()
    before = digest(path)
    refused(lambda: EventStore(f"sqlite:///{path}"), "foreign", "(orders)", "beside=True")
    assert digest(path) == before
    with EventStore(f"sqlite:///{path}", beside=True) as store:
        assert store.append("a", event(1)) == range(1, 2)
    EventStore(f"sqlite:///{path}").close()  # it is a store now


def test_other_tables_under_our_names_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    EventStore(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE mesh_lab_events RENAME COLUMN version TO number")
    other.close()
    refused(
        *(lambda: EventStore(f"sqlite:///{path}"), "foreign"),
        *("mesh_lab_events has no column 'version'", "another schema"),
    )
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE mesh_lab_events RENAME COLUMN number TO version")
    other.close()
    EventStore(f"sqlite:///{path}").close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM mesh_lab_head", "mesh_lab_head is empty"),
        ("DROP TABLE mesh_lab_head", "mesh_lab_head is gone, but mesh_lab_events tells of events"),
        ("DROP TABLE mesh_lab_events", "mesh_lab_events is gone, but mesh_lab_head tells"),
        ("UPDATE mesh_lab_head SET position = 1", "position is 1, but that of its last event 2"),
        ("UPDATE mesh_lab_head SET schema_version = 'x'", "version 'x', which no mesh_lab gives"),
        ("UPDATE mesh_lab_head SET schema_version = 0", "version 0, which no mesh_lab gives"),
    ],
)
def test_a_store_that_lacks_what_it_had_is_not_made_anew(
    statement: str, says: str, tmp_path: Path
) -> None:
    """An empty table in the place of one that is lost would hide the loss."""
    path = tmp_path / "events.db"
    with EventStore(f"sqlite:///{path}") as store:
        store.append("a", [event(1), event(2)])
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()
    before = digest(path)
    refused(lambda: EventStore(f"sqlite:///{path}"), "damaged", says, "nothing was changed")
    assert digest(path) == before


def test_a_store_whose_maker_died_before_the_first_row_is_made_to_the_end(tmp_path: Path) -> None:
    """MySQL keeps each table at once, so its maker can die between the last table and the row."""
    path = tmp_path / "events.db"
    EventStore(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM mesh_lab_head")
    other.close()
    with EventStore(f"sqlite:///{path}") as store:
        assert store.append("a", event(1)) == range(1, 2)


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), 3e6, "5", None, True])
def test_a_timeout_that_would_not_be_kept_is_refused(timeout: object) -> None:
    """SQLite waits for no time at all where its milliseconds do not fit into 32 bits."""
    with pytest.raises(ValueError, match=r"timeout=.*more than 0 and at most 1000000"):
        EventStore("sqlite://", timeout=timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("data", "{bad"),
        ("data", b"\xff"),
        ("time", "yesterday"),
        ("type", ""),
        ("extensions", "[1]"),
    ],
)
def test_a_row_that_was_changed_is_named(column: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with EventStore(f"sqlite:///{path}") as store:
        store.append("a", [event(1), event(2)])
        with sqlite3.connect(path) as other:
            other.execute(f"UPDATE mesh_lab_events SET {column} = ? WHERE position = 2", (value,))
        other.close()
        with pytest.raises(ml.EventError, match=r"position 2 \(stream 'a', version 2\).*no event"):
            list(store.read("a"))


def test_what_no_database_can_hold_is_refused() -> None:
    with EventStore("sqlite://") as store:
        for wrong in ({"after": 2**63}, {"batch": 2**63}):
            with pytest.raises(ValueError, match=r"must be a whole number, [01] or more, below"):
                store.read_all(**wrong)
        with pytest.raises(ml.EventError, match="events: holds None"):
            store.append("a", None)  # type: ignore[arg-type]


def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    EventStore(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE mesh_lab_head SET schema_version = 2")
    other.close()
    refused(
        *(lambda: EventStore(f"sqlite:///{path}"), "newer"),
        *("have version 2, but this mesh_lab knows 1", "a later one"),
    )


@pytest.mark.parametrize(
    "url", ["shop.db", "", "oracle://host/x", "sqlite", 7, None, "postgresql://host:port/x"]
)
def test_what_is_no_url_of_a_database_is_refused(url: object) -> None:
    said = refused(lambda: EventStore(url), "foreign", "no URL of a database")  # type: ignore[arg-type]
    assert "'sqlite:///shop.db'" in said


@pytest.mark.parametrize("scheme", ["mysql+pymysql", "postgresql+psycopg", "mysql", "postgresql"])
def test_a_server_that_does_not_answer_is_named_without_its_password(scheme: str) -> None:
    pytest.importorskip("pymysql" if scheme.startswith("mysql") else "psycopg")
    port = free_port()
    url = f"{scheme}://me:secret@127.0.0.1:{port}/shop"
    said = refused(lambda: EventStore(url, timeout=1.0), "unreachable", f"127.0.0.1:{port}/shop")
    assert "secret" not in said
    assert "that the server runs" in said


def test_a_missing_driver_is_named_with_what_installs_it() -> None:
    code = (
        "import sys; sys.modules['pymysql'] = None\n"
        "import mesh_lab as ml\n"
        "try: ml.EventStore('mysql://host/shop')\n"
        "except ml.StoreError as error: print(error.reason, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("driver event store mysql+pymysql://host/shop: ")
    assert "pip install 'mesh_lab[mysql]'" in done.stdout


@pytest.mark.parametrize("timeout", [0, -1.0])
def test_what_is_no_timeout_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout="):
        EventStore("sqlite://", timeout=timeout)


# ---- on servers ---------------------------------------------------------------------------------


def test_a_database_that_is_not_there_is_said(server_url: str) -> None:
    other = sa.make_url(server_url).set(database="mesh_lab_none")
    given = other.render_as_string(hide_password=False)
    refused(lambda: EventStore(given), "missing", "mesh_lab_none", "must be made first")


def test_a_user_who_may_not_is_said(server_url: str) -> None:
    other = sa.make_url(server_url).set(username="nobody_here", password="wrong")
    given = other.render_as_string(hide_password=False)
    # PostgreSQL trusts everybody on loopback here, but it knows no such user
    expected = "missing" if "postgresql" in given else "denied"
    said = refused(lambda: EventStore(given), expected, "nobody_here")
    assert "wrong" not in said


def test_a_server_that_is_read_only_is_said(server_url: str) -> None:
    with EventStore(server_url) as store:
        store.append("a", event(1))
        read_only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        again = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"
        if "mysql" in server_url:
            read_only, again = (
                "SET SESSION TRANSACTION READ ONLY",
                "SET SESSION TRANSACTION READ WRITE",
            )
        with store.transaction() as t:
            t.execute(read_only)
        refused(lambda: store.append("a", event(2)), "read-only", "is read-only")
        assert store.version("a") == 1
        with store.transaction() as t:
            t.execute(again)
        assert store.append("a", event(2)) == range(2, 3)


def end_connections(url: str) -> None:
    """End all other connections to a database, as a server that restarts does."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        query = (
            "SELECT id FROM information_schema.processlist "
            "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        for (number,) in connection.exec_driver_sql(query).all():
            connection.exec_driver_sql(f"KILL {number}")


def test_a_lost_connection_is_said_and_the_store_connects_anew(server_url: str) -> None:
    with EventStore(server_url) as store:
        store.append("a", event(1))
        with pytest.raises(ml.StoreError) as caught, store.transaction() as t:  # noqa: PT012
            t.append("a", event(2))
            end_connections(server_url)
            t.append("a", event(3))
        assert caught.value.reason == "lost"
        assert "nothing of this was kept" in str(caught.value)
        assert store.append("a", event(4), expected=1) == range(2, 3)


def test_a_commit_whose_answer_is_lost_is_not_called_lost(server_url: str) -> None:
    with EventStore(server_url) as store:
        with pytest.raises(ml.StoreError) as caught, store.transaction() as t:  # noqa: PT012
            t.append("a", event(1))
            end_connections(server_url)
        assert caught.value.reason == "unknown"
        assert "read the stream to see" in str(caught.value)
        assert store.version("a") == 0  # here we know that it was ended before the commit


def test_a_connection_that_has_rested_is_asked_first(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mesh_lab.store import connecting

    with EventStore(server_url) as store:
        store.append("a", event(1))
        end_connections(server_url)
        monkeypatch.setattr(connecting, "RESTED", 0.0)
        assert store.append("a", event(2)) == range(2, 3)


def test_text_that_is_too_long_is_not_cut(server_url: str) -> None:
    with EventStore(server_url) as store:
        with store.transaction() as t:
            t.execute("CREATE TABLE small (word VARCHAR(3))")
        with pytest.raises(ml.StoreError) as caught, store.transaction() as t:
            t.execute("INSERT INTO small VALUES ('four')")
        assert caught.value.reason == "too large"
