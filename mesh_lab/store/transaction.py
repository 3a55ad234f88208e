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

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from ..errors import ConflictError, EventError
from ..events import Event
from .names import stream_name
from .rows import COLUMNS, encode, now
from .schema import EVENTS, HEAD

if TYPE_CHECKING:
    from .database import Database

__all__ = ["Transaction", "expected_version", "insert_statement"]

_HEAD = HEAD.update().where(HEAD.c.one == 1)
_TAKE = _HEAD.values(position=HEAD.c.position + sa.bindparam("events"))
_LOOK = sa.select(
    HEAD.c.position,
    sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.version), 0))
    .where(EVENTS.c.stream == sa.bindparam("stream"))
    .scalar_subquery(),
).where(HEAD.c.one == 1)


class Transaction:
    """What is done between the beginning and the commit of one transaction.

    It is made by `EventStore.transaction`, and handed to the handlers of projections.

    Attributes
    ----------
    connection : sqlalchemy.Connection
        For whatever SQLAlchemy can say to the database, within this transaction.
    """

    def __init__(self, store: Database, connection: sa.Connection) -> None:
        self.store = store
        self.connection = connection
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

        Once an append has failed, the transaction cannot be committed any more.
        """
        wanted = expected_version(expected)
        stream = stream_name(stream)
        recorded = now()
        rest = [encode(event, recorded) for event in _events(events)]
        if not rest:
            return self._nothing(stream, wanted)
        try:
            position, version = self._take(stream, len(rest), wanted)
            rows = [
                (position + i, stream, version + i, *row) for i, row in enumerate(rest, start=1)
            ]
            statement = self.store.insert
            self.connection.exec_driver_sql(statement, rows if len(rows) > 1 else rows[0])
        except BaseException as error:
            self.failed = error
            raise
        return range(position + 1, position + len(rest) + 1)

    def _take(self, stream: str, events: int, wanted: int | None) -> tuple[int, int]:
        """Lock the head, take positions, and return the position and the version before them."""
        self.connection.execute(_TAKE, {"events": events})
        position, version = self.connection.execute(_LOOK, {"stream": stream}).one()
        if wanted is not None and version != wanted:
            raise ConflictError(stream, wanted, version)
        return position - events, version

    def _nothing(self, stream: str, wanted: int | None) -> range:
        """Append no event: only the expectation is looked at."""
        position, version = self.connection.execute(_LOOK, {"stream": stream}).one()
        if wanted is not None and version != wanted:
            raise ConflictError(stream, wanted, version)
        return range(position + 1, position + 1)

    def lock(self) -> int:
        """Keep all other appends out until this transaction ends; return the last position."""
        self.connection.execute(_TAKE, {"events": 0})
        return int(self.connection.execute(sa.select(HEAD.c.position)).scalar_one())


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


def insert_statement(dialect: Dialect) -> str:
    """Return the INSERT of a whole row, with the placeholders of the database's driver.

    It goes to the driver as it is, with tuples: SQLAlchemy's own way from dicts to tuples would
    take as long as SQLite takes to write them.
    """
    quote = dialect.identifier_preparer.quote
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    names, marks = ", ".join(map(quote, COLUMNS)), ", ".join([mark] * len(COLUMNS))
    return f"INSERT INTO {EVENTS.name} ({names}) VALUES ({marks})"


def _events(given: Event | Iterable[Event]) -> list[Event]:
    events = [given] if isinstance(given, Event) else list(given)
    for event in events:
        if not isinstance(event, Event):
            raise EventError(
                f"events: holds {event!r}, but a store keeps events: make one with ml.Event(...)"
            )
    return events
