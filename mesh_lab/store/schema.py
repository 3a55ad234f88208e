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
        _create(engine)
    _check(engine, store)


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
        if connection.execute(sa.select(HEAD.c.one)).first() is None:
            raise StoreError(
                store,
                "damaged",
                f"its table {HEAD.name} is empty, so the next position is not known",
                "restore it from a copy; nothing was changed",
            )
