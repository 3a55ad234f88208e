"""How a store connects: one place for what SQLite, MySQL/MariaDB and PostgreSQL need to be told.

**SQLite** runs in WAL mode (https://www.sqlite.org/wal.html): readers and the one writer do not
wait for each other.  With ``synchronous=FULL`` a commit returns after the log is on the disk; with
``NORMAL`` it may return before, so a power cut (not the death of a process) can take the last
commits, while the file stays whole (https://www.sqlite.org/pragma.html#pragma_synchronous).
Transactions that write begin with ``BEGIN IMMEDIATE``: one that reads first and writes later would
fail when another has written in between, without waiting.  A database in memory has one connection,
which all threads take turns with, and a second one that only keeps it alive: an interrupt (Ctrl-C
in a notebook) may cost the first.

**MySQL and MariaDB** read what is committed (``READ COMMITTED``): under their default a
transaction that has read once would not see the newest version of a stream.  Strict mode is
switched on, or they would cut text that is too long and say nothing.  Whether a commit waits for
the disk is the server's own setting (``innodb_flush_log_at_trx_commit``, 1 by default: it does).

**PostgreSQL** waits for the disk unless ``durable=False`` sets ``synchronous_commit`` to off.
"""

from __future__ import annotations

import math
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy import event, exc, pool

from ..errors import StoreError

__all__ = ["OUTSIDE", "READS", "connect"]

# what a connection's transactions begin with on SQLite, where they do not write, and no transaction
READS = {"mesh_lab_begin": "BEGIN"}
OUTSIDE = {"mesh_lab_begin": ""}
# MySQL's protocol, "Capabilities Flags": several statements in one way there and back (see
# `statements`), and rows that an UPDATE has found count though it left them as they were
MULTI_STATEMENTS, FOUND_ROWS = 1 << 16, 1 << 1
RESTED = 1.0  # seconds after which a connection may have been ended by the server

# the drivers that are tried, where a URL names none
_DRIVERS = {
    "sqlite": "sqlite",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_EXTRAS = {"mysql": "mysql", "mariadb": "mysql", "postgresql": "postgres"}
_URLS = (
    "'sqlite:///shop.db', 'sqlite://' (in memory), 'mysql+pymysql://user:password@host/database' "
    "or 'postgresql+psycopg://user:password@host/database'"
)


def connect(given: str, timeout: float, *, durable: bool) -> tuple[sa.Engine, str]:
    """Return the engine for a URL, and the store's name for errors, which has no password.

    Raises
    ------
    StoreError
        When it is no URL of a database that a store can use, its driver is not installed, or the
        folder of an SQLite file is missing.
    """
    url = _url(given)
    name = url.render_as_string(hide_password=True)
    kind = url.get_backend_name()
    memory = kind == "sqlite" and _is_memory(url)
    options: dict[str, Any] = {}
    if kind == "sqlite":
        if not memory:
            _check_path(url, name)
        options["connect_args"] = {"timeout": timeout, "check_same_thread": False}
        if url.database in (None, "", ":memory:"):
            url = sa.make_url(f"sqlite:///file:mesh_lab_{secrets.token_hex(8)}")
            url = url.set(query={"mode": "memory", "cache": "shared", "uri": "true"})
        options["poolclass"] = pool.QueuePool
        options["pool_timeout"] = timeout if memory else 30.0
        options |= {"pool_size": 1, "max_overflow": 0} if memory else {"max_overflow": -1}
    elif kind == "postgresql":
        later = "" if durable else " -c synchronous_commit=off"
        options["connect_args"] = {
            "connect_timeout": max(2, math.ceil(timeout)),
            "options": f"-c lock_timeout={math.ceil(1000 * timeout)}{later}",
        }
    else:
        options["connect_args"] = {
            "connect_timeout": max(1, math.ceil(timeout)),
            "init_command": f"SET SESSION innodb_lock_wait_timeout = {max(1, math.ceil(timeout))}, "
            "SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
        }
        if url.get_driver_name() == "pymysql":
            options["connect_args"]["client_flag"] = MULTI_STATEMENTS | FOUND_ROWS
    if kind != "sqlite":
        # a connection ends its transaction itself when it is given back
        options |= {"isolation_level": "READ COMMITTED", "pool_reset_on_return": None}
    try:
        engine = sa.create_engine(url, **options)
    except ModuleNotFoundError as error:
        raise StoreError(
            name,
            "driver",
            f"the driver {error.name!r} is not installed",
            f"install it with: pip install 'mesh_lab[{_EXTRAS[kind]}]'",
        ) from None
    if kind == "sqlite":
        _tell_sqlite(engine, durable=durable)
        if memory:
            _keep_alive(engine)
    else:
        _ask_the_rested(engine)
    return engine, name


def _url(given: str) -> sa.URL:
    try:
        url = sa.make_url(given)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        kind = url.get_backend_name()
    except (exc.ArgumentError, ValueError, TypeError):
        kind = ""
    if kind not in _EXTRAS and kind != "sqlite":
        # what is no URL may hold a password all the same
        shown = given if isinstance(given, str) and "@" not in given else type(given).__name__
        raise StoreError(
            repr(shown), "foreign", "this is no URL of a database", f"give one such as {_URLS}"
        ) from None
    return url


def _is_memory(url: sa.URL) -> bool:
    there = url.database or ""
    return there in ("", ":memory:") or "mode=memory" in there or url.query.get("mode") == "memory"


def _check_path(url: sa.URL, name: str) -> None:
    there = str(url.database)
    if there.startswith("file:"):
        there = unquote(there.removeprefix("file:").partition("?")[0])
    path = Path(there)
    if path.is_dir():
        raise StoreError(name, "missing", "this is a folder", "name a file in it")
    if not path.parent.is_dir():
        raise StoreError(
            name,
            "missing",
            f"the folder {str(path.parent)!r} is not there",
            "make it first, or correct the path",
        )


def _keep_alive(engine: sa.Engine) -> None:
    """Keep a database in memory until the engine is disposed of, whatever its connections do."""
    arguments, options = engine.dialect.create_connect_args(engine.url)
    options["check_same_thread"] = False  # whoever closes it
    keeper = engine.dialect.loaded_dbapi.connect(*arguments, **options)
    event.listen(engine, "engine_disposed", lambda disposed: keeper.close())


def _ask_the_rested(engine: sa.Engine) -> None:
    """Ask a connection that has rested whether it is still there, before it is used again.

    Asking every time, as SQLAlchemy's ``pool_pre_ping`` does, would add a fifth to an append.
    """

    @event.listens_for(engine, "checkin")
    def rests(connection: Any, record: Any) -> None:
        record.info["since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def wakes(connection: Any, record: Any, proxy: object) -> None:
        since = record.info.get("since")
        if since is None or time.monotonic() - since < RESTED:
            return
        dialect = engine.dialect
        try:
            alive = dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error:
            alive = False
        if not alive:
            raise exc.DisconnectionError  # the pool makes another one


def _tell_sqlite(engine: sa.Engine, *, durable: bool) -> None:
    level = "FULL" if durable else "NORMAL"

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA synchronous = {level}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        words = connection.get_execution_options().get("mesh_lab_begin", "BEGIN IMMEDIATE")
        if words:
            connection.exec_driver_sql(words)
