"""A transaction: appends, and whatever else the same database shall do, all of it or nothing.

An append first takes the one row of ``mesh_lab_head`` (an UPDATE, whose lock lasts until the
commit), then looks at the version of the stream, then inserts.  So appends go one after the other,
and three things follow without more code: a stream's version cannot change between look and insert;
positions have no gaps, because a rollback gives them back; and they become visible in their order,
because nobody can take position 18 before 17 is committed.  A sequence or AUTO_INCREMENT would hand
out numbers faster, and let a reader see 18 while 17 is on its way: it would go on from 18 and never
see 17.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ..errors import ConflictError, EventError
from ..events import Event
from .names import stream_name
from .rows import encode, now
from .statements import Statements

__all__ = ["Transaction", "expected_version"]


class Transaction:
    """What is done between the beginning and the commit of one transaction.

    It is made by `EventStore.transaction`, and handed to the handlers of projections.

    Attributes
    ----------
    connection : sqlalchemy.Connection
        For whatever SQLAlchemy can say to the database, within this transaction.
    """

    def __init__(self, connection: sa.Connection, statements: Statements) -> None:
        self.connection = connection
        self._statements = statements
        self.failed: BaseException | None = None

    def execute(self, statement: str, values: Mapping[str, Any] | None = None) -> Any:
        """Run one statement of SQL, with values for its ``:names``.

        Parameters
        ----------
        statement : str
            SQL as the database understands it; ``:name`` stands for a value.
        values : mapping, optional
            The values by name.

        Returns
        -------
        sqlalchemy.CursorResult
            Iterate over it, or ask it for ``all()``, ``first()``, ``scalar()`` or ``rowcount``.
        """
        return self.connection.execute(sa.text(statement), values or {})

    def append(
        self, stream: str, events: Event | Iterable[Event], *, expected: int | str = "any"
    ) -> range:
        """Append to a stream, as `EventStore.append` does, when the transaction commits.

        The positions are final when the transaction has committed.  Once an append has failed, it
        cannot be committed any more.
        """
        wanted = expected_version(expected)
        stream = stream_name(stream)
        recorded = now()
        rest = [encode(event, recorded) for event in _events(events)]
        if not rest:
            with self._cursor() as cursor:
                self._version(cursor, stream, wanted)
            return range(0)
        try:
            with self._cursor() as cursor:
                if len(rest) == 1 and self._statements.insert_at:
                    position = self._append_one(cursor, stream, rest[0], wanted) - 1
                else:
                    position = self._take(cursor, len(rest)) - len(rest)
                    self._insert(cursor, position, stream, rest, wanted)
        except BaseException as error:
            self.failed = error
            raise
        return range(position + 1, position + len(rest) + 1)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        """Give a cursor of the driver, whose errors become SQLAlchemy's.

        SQLAlchemy's own way takes as long as a server takes to answer; an append has no need of it.
        """
        connection = self.connection
        with contextlib.closing(connection.connection.cursor()) as cursor:
            try:
                yield cursor
            except connection.dialect.loaded_dbapi.Error as error:
                raw: Any = connection.connection
                lost = connection.dialect.is_disconnect(error, raw, cursor)
                if lost:
                    connection.invalidate(error)
                raise exc.DBAPIError(None, None, error, connection_invalidated=lost) from error
            except (KeyboardInterrupt, SystemExit):
                connection.invalidate()  # half an answer may still be on its way
                raise

    def _take(self, cursor: Any, events: int) -> int:
        """Take so many positions, keep all others out until the end, and return the last one."""
        cursor.execute(self._statements.take, (events,))
        if self._statements.position:
            cursor.execute(self._statements.position)
        return int(cursor.lastrowid if cursor.description is None else cursor.fetchone()[0])

    def _insert(
        self,
        cursor: Any,
        position: int,
        stream: str,
        rest: list[tuple[Any, ...]],
        wanted: int | None,
    ) -> None:
        """Insert events after a position."""
        version = self._version(cursor, stream, wanted)
        rows = [(position + i, stream, version + i, *row) for i, row in enumerate(rest, start=1)]
        if len(rows) == 1:
            cursor.execute(self._statements.insert, rows[0])
        else:
            cursor.executemany(self._statements.insert, rows)

    def _append_one(
        self, cursor: Any, stream: str, rest: tuple[Any, ...], wanted: int | None
    ) -> int:
        """Append one event with a version that the database finds, and return its position."""
        words = self._statements.insert_next if wanted is None else self._statements.insert_at
        values = (stream, *rest, stream, *(() if wanted is None else (wanted,)))
        if self._statements.together:
            cursor.execute(words, (1, *values))
            position = int(cursor.lastrowid)
            cursor.nextset()
        else:
            position = self._take(cursor, 1)
            cursor.execute(words, (position, *values))
        if cursor.rowcount != 1:
            self._version(cursor, stream, wanted)  # says which it is
        return position

    def _version(self, cursor: Any, stream: str, wanted: int | None) -> int:
        """Return the version of a stream, which must be the wanted one."""
        cursor.execute(self._statements.version, (stream,))
        version = int(cursor.fetchone()[0])
        if wanted is not None and version != wanted:
            raise ConflictError(stream, wanted, version)
        return version

    def lock(self) -> None:
        """Keep all other appends out until this transaction ends."""
        with self._cursor() as cursor:
            self._take(cursor, 0)


def expected_version(expected: object) -> int | None:
    """Return the version that a stream must have, None for any.

    Raises
    ------
    ValueError
        When it is none of ``"any"``, ``"none"`` and a version.
    """
    if isinstance(expected, str) and expected in ("any", "none"):
        return None if expected == "any" else 0
    if isinstance(expected, int) and not isinstance(expected, bool) and expected >= 0:
        return expected
    raise ValueError(
        f"expected={expected!r}: must be the version the stream has now (0 or more), "
        "'none' for a new stream, or 'any'"
    )


def _events(given: Event | Iterable[Event]) -> list[Event]:
    events = list(given) if isinstance(given, Iterable) else [given]
    for event in events:
        if not isinstance(event, Event):
            raise EventError(
                f"events: holds {event!r}, but a store keeps events: make one with ml.Event(...)"
            )
    return events
