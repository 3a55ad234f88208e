"""The statements of an append, in the words of each database.

They go to the driver as they are, with tuples: SQLAlchemy's own way from expressions and dicts to
statements and tuples takes longer than SQLite takes to write.  On a server each statement is a way
there and back, so an append of one event makes few of them: an UPDATE that also says which position
was taken, an INSERT that finds the version by itself (PyMySQL sends the two together), the commit.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from .rows import COLUMNS
from .schema import EVENTS, HEAD

__all__ = ["Statements", "statements"]


@dataclass(frozen=True)
class Statements:
    """SQL with the placeholders of a driver.

    Parameters
    ----------
    take : str
        Moves the head by as many events as are appended.  On PostgreSQL it returns the position
        that results; on MySQL that is the last inserted id.
    position : str
        Asks for the position; empty where `take` says it.
    version : str
        Asks for the version of a stream.
    insert : str
        Inserts a whole row.
    insert_next, insert_at : str
        Insert one event as the next of its stream, at any version or only at the expected one;
        empty where there is no way to save.
    together : bool
        Whether these two begin with `take` in one way there and back, so that they take how many
        events there are, and no position.
    """

    take: str
    position: str
    version: str
    insert: str
    insert_next: str = ""
    insert_at: str = ""
    together: bool = False  # `take` goes with the insert of one, which finds the position by itself


def statements(dialect: Dialect) -> Statements:
    """Return the statements for a database and its driver."""
    quote = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    head, position = quote(HEAD.name), quote("position")
    events, names = quote(EVENTS.name), ", ".join(map(quote, COLUMNS))
    position_is = f"SELECT {position} FROM {head} WHERE one = 1"
    version = quote("version")
    version_is = (
        f"SELECT COALESCE(MAX({version}), 0) AS {version} FROM {events} "
        f"WHERE {quote('stream')} = {mark}"
    )
    insert = f"INSERT INTO {events} ({names}) VALUES ({', '.join([mark] * len(COLUMNS))})"
    moved = f"{position} + {mark}"
    if dialect.name == "sqlite":
        take = f"UPDATE {head} SET {position} = {moved} WHERE one = 1"
        return Statements(take, position_is, version_is, insert)
    if dialect.name == "postgresql":
        take = f"UPDATE {head} SET {position} = {moved} WHERE one = 1 RETURNING {position}"
        values = [f"CAST({mark} AS {_kind(dialect, name)})" for name in COLUMNS]
    else:
        take = f"UPDATE {head} SET {position} = LAST_INSERT_ID({moved}) WHERE one = 1"
        values = [mark] * len(COLUMNS)
    values[COLUMNS.index("version")] = f"newest.{version} + 1"
    if dialect.driver == "pymysql":
        values[COLUMNS.index("position")] = "LAST_INSERT_ID()"
    # a table of its own: an INSERT of MAX(version) itself makes MariaDB read the whole stream
    found = f"SELECT {', '.join(values)} FROM ({version_is}) AS newest"
    insert_next = f"INSERT INTO {events} ({names}) {found}"
    together = dialect.driver == "pymysql"
    if together:
        insert_next = f"{take}; {insert_next}"
    insert_at = f"{insert_next} WHERE newest.{version} = {mark}"
    return Statements(take, "", version_is, insert, insert_next, insert_at, together)


def _kind(dialect: Dialect, column: str) -> str:
    kind: sa.types.TypeEngine[object] = EVENTS.c[column].type
    return kind.compile(dialect=dialect)
