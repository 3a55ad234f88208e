"""The tables of an event store, how they are made, and how a foreign database is recognised.

`EVENTS` holds one row an event: its place in the global order (`position`), its stream and its
place there (`version`), and every attribute of the CloudEvent in a column of its own.  `HEAD` holds
one row: the version of these tables, and the position of the last event.  An append updates that
row first and so keeps every other append out until it has committed; that makes positions without
gaps that become visible in their order (see `mesh_lab.store`).

All names begin with ``mesh_lab_``, so that a user's tables can lie beside them in one database, and
one transaction can hold both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from ..errors import StoreError

__all__ = ["CHANGES", "CHECKPOINTS", "EVENTS", "HEAD", "SCHEMA", "SNAPSHOTS", "TABLES", "prepare"]

SCHEMA = 1  # the version of these tables; a store that says more was written by a later mesh_lab
NAME = 200  # characters of an indexed name: InnoDB's keys hold 3072 bytes, at 4 a character
_LOCK = 0x6D657368  # "mesh": the advisory lock that PostgreSQL's openers take turns by

METADATA = sa.MetaData()
# binary comparison: "Order-1" and "order-1" are two streams, on every database
_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")

HEAD = sa.Table(
    "mesh_lab_head",
    METADATA,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    **_MYSQL,
)

EVENTS = sa.Table(
    "mesh_lab_events",
    METADATA,
    # INTEGER, because SQLite's row id is the key only under that name; it has 64 bits all the same
    sa.Column(
        "position",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("stream", sa.String(NAME), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("recorded", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("happened", sa.BigInteger, nullable=False),  # the event's time, or `recorded`
    sa.Column("time", sa.String(40)),  # the event's time as it was given, zone included
    sa.Column("id", _TEXT, nullable=False),
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("type", sa.String(NAME), nullable=False),
    sa.Column("subject", _TEXT),
    sa.Column("partitionkey", _TEXT),
    sa.Column("datacontenttype", _TEXT),
    sa.Column("dataschema", _TEXT),
    sa.Column("data", _TEXT),  # JSON
    sa.Column("data_bytes", _BYTES),  # where the payload is bytes
    sa.Column("extensions", _TEXT),  # JSON
    sa.UniqueConstraint("stream", "version", name="mesh_lab_events_stream"),
    sa.Index("mesh_lab_events_type", "type", "position"),
    sa.Index("mesh_lab_events_happened", "happened"),
    **_MYSQL,
)

CHECKPOINTS = sa.Table(
    "mesh_lab_checkpoints",
    METADATA,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("name", sa.String(NAME), primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    **_MYSQL,
)

SNAPSHOTS = sa.Table(
    "mesh_lab_snapshots",
    METADATA,
    sa.Column("stream", sa.String(NAME), primary_key=True),
    sa.Column("name", sa.String(NAME), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("state", _TEXT, nullable=False),  # JSON
    **_MYSQL,
)

CHANGES = sa.Table(
    "mesh_lab_changes",
    METADATA,
    sa.Column(
        "number",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("of_table", sa.String(NAME), nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("before_row", _TEXT),  # JSON
    sa.Column("after_row", _TEXT),  # JSON
    sqlite_autoincrement=True,  # or a number would come again once its row is gone
    **_MYSQL,
)

TABLES = (HEAD, EVENTS, CHECKPOINTS, SNAPSHOTS, CHANGES)


def prepare(engine: sa.Engine, store: str, *, beside: bool) -> None:
    """Make the tables that are missing, and check those that are there.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The database.
    store : str
        Its name, for errors.
    beside : bool
        Whether the tables may be put beside those of somebody else.

    Raises
    ------
    StoreError
        When the database is somebody else's, has other tables under our names, or was written by
        a later version.
    """
    with engine.connect() as connection:
        there = set(sa.inspect(connection).get_table_names())
    missing = {table.name for table in TABLES} - there
    if there and len(missing) == len(TABLES) and not beside:
        some = ", ".join(sorted(there)[:3]) + (", ..." if len(there) > 3 else "")
        raise StoreError(
            store,
            "foreign",
            f"the database is no event store, and has tables already ({some})",
            "give another one, or beside=True to keep events beside these tables",
        )
    if missing:
        _check_what_is_left(engine, store, there)
    if missing or not _has_begun(engine):
        _create(engine)
    _check(engine, store)


def _check_what_is_left(engine: sa.Engine, store: str, there: set[str]) -> None:
    """Raise if a table is missing that was there once: an empty one would hide what is lost."""
    for gone, left in ((HEAD, EVENTS), (EVENTS, HEAD)):
        if gone.name in there or left.name not in there:
            continue
        with engine.connect() as connection:
            if _is_ours(connection, left) and (
                connection.execute(sa.select(sa.func.max(left.c.position))).scalar()
            ):
                raise _damaged(
                    store, f"its table {gone.name} is gone, but {left.name} tells of events"
                )


def _has_begun(engine: sa.Engine) -> bool:
    """Return False if whoever makes the tables has died, or is about to, before the first row."""
    with engine.connect() as connection:
        if not (_is_ours(connection, HEAD) and _is_ours(connection, EVENTS)):
            return True  # and another schema, of which `_check` tells
        head = connection.execute(sa.select(HEAD.c.one)).first()
        return head is not None or _holds_events(connection)


def _is_ours(connection: sa.Connection, table: sa.Table) -> bool:
    columns = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    return columns >= set(table.c.keys())


def _holds_events(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(EVENTS.c.position).limit(1)).first() is not None


def _damaged(store: str, problem: str) -> StoreError:
    return StoreError(store, "damaged", problem, "restore it from a copy; nothing was changed")


def _create(engine: sa.Engine) -> None:
    with engine.connect() as connection, _in_turn(connection):
        METADATA.create_all(connection)
        if connection.execute(sa.select(HEAD.c.one)).first() is None:
            connection.execute(HEAD.insert().values(one=1, schema_version=SCHEMA, position=0))
        connection.commit()


@contextlib.contextmanager
def _in_turn(connection: sa.Connection) -> Iterator[None]:
    """Let one process at a time make tables; SQLite's transaction does that by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if connection.dialect.name not in ("mysql", "mariadb"):
        yield
        return
    connection.execute(sa.text("SELECT GET_LOCK('mesh_lab_store', 60)"))
    try:
        yield
    finally:
        connection.execute(sa.text("SELECT RELEASE_LOCK('mesh_lab_store')"))


def _check(engine: sa.Engine, store: str) -> None:
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        if {column["name"] for column in inspector.get_columns(HEAD.name)} >= set(HEAD.c.keys()):
            version = connection.execute(sa.select(HEAD.c.schema_version)).scalar()
            if version is not None and not (isinstance(version, int) and version >= 1):
                raise _damaged(
                    store, f"its tables have version {version!r}, which no mesh_lab gives them"
                )
            if version is not None and version > SCHEMA:
                raise StoreError(
                    store,
                    "newer",
                    f"its tables have version {version}, but this mesh_lab knows {SCHEMA}",
                    "use the mesh_lab that wrote it, or a later one; nothing was changed",
                )
        for table in TABLES:
            columns = {column["name"] for column in inspector.get_columns(table.name)}
            lacking = sorted(set(table.c.keys()) - columns)
            if lacking:
                raise StoreError(
                    store,
                    "foreign",
                    f"its table {table.name} has no column {lacking[0]!r}: it is another schema",
                    "give another database; nothing was changed",
                )
        last = sa.select(sa.func.max(EVENTS.c.position)).scalar_subquery()
        row = connection.execute(sa.select(HEAD.c.position, last)).first()
        if row is None:
            raise _damaged(
                store, f"its table {HEAD.name} is empty, so the next position is not known"
            )
        if row[0] < (row[1] or 0):
            raise _damaged(
                store, f"its last position is {row[0]}, but that of its last event {row[1] or 0}"
            )
