"""The triggers that write a table's changes down, in the words of each database.

After each INSERT, UPDATE and DELETE of a row, a trigger inserts into ``mesh_lab_changes`` what the
row was and what it is, as JSON text, in the transaction that changed it.  Bytes become hexadecimal
digits.  SQLite's own ``json_object`` writes 15 digits of a number, so its trigger writes 17, which
give every float back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import sqlalchemy as sa

from .schema import CHANGES

__all__ = ["create_triggers", "drop_triggers"]

_OPERATIONS = {"insert": ("", "NEW"), "update": ("OLD", "NEW"), "delete": ("OLD", "")}
_COLUMNS = f"INSERT INTO {CHANGES.name} (of_table, changed, before_row, after_row)"
_LARGEST = "1.7976931348623157e308"

# microseconds since 1970
_SQLITE_NOW = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000"
_MYSQL_NOW = "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
_POSTGRESQL_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


def create_triggers(
    connection: sa.Connection, table: str, columns: Sequence[str], binary: frozenset[str]
) -> None:
    """Make the triggers of a table, in the place of those that are there."""
    drop_triggers(connection, table)
    kind = connection.dialect.name
    for statement in (
        _sqlite(connection, table, columns)
        if kind == "sqlite"
        else _postgresql(connection, table)
        if kind == "postgresql"
        else _mysql(connection, table, columns, binary)
    ):
        _run(connection, statement)


def drop_triggers(connection: sa.Connection, table: str) -> None:
    """Take the triggers of a table away, if they are there."""
    on_table = f" ON {_quoted(connection, table)}" if _is_postgresql(connection) else ""
    for operation in _OPERATIONS:
        _run(connection, f"DROP TRIGGER IF EXISTS {_name(connection, table, operation)}{on_table}")
    if _is_postgresql(connection):
        _run(connection, f"DROP FUNCTION IF EXISTS {_name(connection, table, 'changed')}()")


def _sqlite(connection: sa.Connection, table: str, columns: Sequence[str]) -> list[str]:
    def row(which: str) -> str:
        if not which:
            return "NULL"
        members = []
        for column in columns:
            value = f"{which}.{_quoted(connection, column)}"
            member = _text(connection, f"{json.dumps(column, ensure_ascii=False)}:")
            members.append(
                f"{member} || CASE typeof({value}) "
                f"WHEN 'blob' THEN '\"' || hex({value}) || '\"' "
                f"WHEN 'real' THEN CASE WHEN abs({value}) <= {_LARGEST} "
                f"THEN printf('%!.17g', {value}) ELSE json_quote(CAST({value} AS TEXT)) END "
                f"ELSE json_quote({value}) END"
            )
        return "'{' || " + " || ',' || ".join(members) + " || '}'"

    return _each(connection, table, _SQLITE_NOW, row)


def _mysql(
    connection: sa.Connection, table: str, columns: Sequence[str], binary: frozenset[str]
) -> list[str]:
    def row(which: str) -> str:
        if not which:
            return "NULL"
        members = []
        for column in columns:
            value = f"{which}.{_quoted(connection, column)}"
            value = f"HEX({value})" if column in binary else value
            members.append(f"{_text(connection, column)}, {value}")
        return f"JSON_OBJECT({', '.join(members)})"

    return _each(connection, table, _MYSQL_NOW, row)


def _each(connection: sa.Connection, table: str, clock: str, row: object) -> list[str]:
    assert callable(row)
    return [
        f"CREATE TRIGGER {_name(connection, table, operation)} AFTER {operation.upper()} "
        f"ON {_quoted(connection, table)} FOR EACH ROW BEGIN {_COLUMNS} VALUES "
        f"({_text(connection, table)}, {clock}, {row(before)}, {row(after)}); END"
        for operation, (before, after) in _OPERATIONS.items()
    ]


def _postgresql(connection: sa.Connection, table: str) -> list[str]:
    function = _name(connection, table, "changed")
    body = (
        f"BEGIN {_COLUMNS} VALUES ({_text(connection, table)}, {_POSTGRESQL_NOW}, "
        "CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE row_to_json(OLD)::text END, "
        "CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE row_to_json(NEW)::text END); RETURN NULL; END"
    )
    return [
        f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql "
        f"AS {_text(connection, body)}",
        *(
            f"CREATE TRIGGER {_name(connection, table, operation)} AFTER {operation.upper()} "
            f"ON {_quoted(connection, table)} FOR EACH ROW EXECUTE FUNCTION {function}()"
            for operation in _OPERATIONS
        ),
    ]


def _is_postgresql(connection: sa.Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _name(connection: sa.Connection, table: str, what: str) -> str:
    """Return the name of a trigger: PostgreSQL's have at most 63 bytes, MySQL's 64 letters."""
    own = table if len(table.encode()) <= 40 else hashlib.sha256(table.encode()).hexdigest()[:32]
    return _quoted(connection, f"mesh_lab_{what}_{own}")


def _quoted(connection: sa.Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _text(connection: sa.Connection, text: str) -> str:
    """Return a literal of SQL."""
    if connection.dialect.name in ("mysql", "mariadb"):
        text = text.replace("\\", "\\\\")
    return "'" + text.replace("'", "''") + "'"


def _run(connection: sa.Connection, statement: str) -> None:
    # without parameters, so that no driver looks for placeholders in it
    connection.execution_options(no_parameters=True).exec_driver_sql(statement)
