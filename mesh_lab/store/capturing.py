"""Changes of a table as events: triggers write them down, a collector appends them to a stream.

Triggers, rather than asking for rows with a newer version: they see deletions, every change of a
row and not only its last, what the row was before, and whoever made the change; and they write in
the transaction of the change, so that both are kept or none is.  The collector appends the events
and deletes what it has read in one transaction: each change becomes one event, whenever a process
dies.  It looks at what lies there, not at a last number, so it misses none that was committed late.

The changes of one row come in their order, because the row is locked from the change to the commit;
those of different rows in that of their numbers, which need not be the order of the commits.

Not seen are ``TRUNCATE``, what ``ON DELETE CASCADE`` does on MySQL and MariaDB (their triggers do
not fire then), and the deletions of ``INSERT OR REPLACE`` on SQLite (unless ``recursive_triggers``
is on).  The events have the shape of `mesh_lab.change_event`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..errors import StoreError
from ..events import Event, change_event
from ..events.timed import moment
from .names import checked_name
from .reading import whole
from .schema import CHANGES, TABLES
from .triggers import create_triggers, drop_triggers

if TYPE_CHECKING:
    from .eventstore import EventStore

__all__ = ["Capture"]


class Capture:
    """The changes of one table as events; made by `EventStore.capture`.

    Making it puts the triggers there (and new ones in the place of old ones, for the columns that
    the table has now, so make it while nobody writes); they stay when the process ends.

    Parameters
    ----------
    store : EventStore
        The database that holds the table, and the events.
    table : str
        The table; it must have a primary key.
    source : str
        The database as a URI reference, the events' source.

    Raises
    ------
    StoreError
        When there is no such table, or it has no primary key.

    Examples
    --------
    >>> from mesh_lab.store import EventStore
    >>> store = EventStore("sqlite://")
    >>> with store.transaction() as t:
    ...     _ = t.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, state TEXT)")
    >>> changes = store.capture("orders")
    >>> with store.transaction() as t:
    ...     _ = t.execute("INSERT INTO orders VALUES (17, 'new')")
    ...     _ = t.execute("UPDATE orders SET state = 'paid'")
    >>> changes.collect()
    2
    >>> for kept in store.read("orders"):
    ...     print(kept.event.type, kept.event.key, kept.event.data["after"])
    orders.inserted 17 {'number': 17, 'state': 'new'}
    orders.updated 17 {'number': 17, 'state': 'paid'}
    >>> changes.remove()
    >>> store.close()
    """

    def __init__(self, store: EventStore, table: str, *, source: str = "/database") -> None:
        self.table = checked_name("table", table)
        self._store, self._source = store, source
        if table in {own.name for own in TABLES}:
            raise ValueError(f"table={table!r}: is the store's own")
        with store.transaction() as transaction:
            connection = transaction.connection
            columns, self._key = _described(store, connection, table)
            self._binary = frozenset(
                column["name"]
                for column in columns
                if isinstance(column["type"], sa.LargeBinary | sa.types._Binary)
            )
            names = [column["name"] for column in columns]
            create_triggers(connection, table, names, self._binary)

    def collect(self, batch: int = 500) -> int:
        """Append what was changed to the stream that is named as the table; return how many events.

        Parameters
        ----------
        batch : int, optional
            Changes in one transaction.
        """
        whole("batch", batch, 1)
        collected = 0
        while True:
            with self._store.transaction() as transaction:
                transaction.lock()  # another collector waits here, and then sees what is left
                rows = transaction.connection.execute(
                    sa.select(CHANGES)
                    .where(CHANGES.c.of_table == self.table)
                    .order_by(CHANGES.c.number)
                    .limit(batch)
                ).all()
                events = list(itertools.chain.from_iterable(map(self._events, rows)))
                transaction.append(self.table, events)
                read = [row.number for row in rows]
                transaction.connection.execute(CHANGES.delete().where(CHANGES.c.number.in_(read)))
            collected += len(events)
            if len(rows) < batch:
                return collected

    def _events(self, row: Any) -> Iterator[Event]:
        before, after = self._row(row.before_row), self._row(row.after_row)
        time = moment(row.changed)
        key = self._key_of(before if after is None else after)
        number = str(row.number)
        if before is not None and after is not None and self._key_of(before) != key:
            # another key is another row: the old one ends, and a new one begins (as Debezium does)
            gone = self._key_of(before)
            yield self._event(gone, before, None, id=f"{number}-deleted", time=time)
            before, number = None, f"{number}-inserted"
        yield self._event(key, before, after, id=number, time=time)

    def _event(self, key: str, before: Any, after: Any, *, id: str, time: datetime) -> Event:
        unique = f"{self.table}-{id}"
        return change_event(
            self.table, key, before, after, source=self._source, id=unique, time=time
        )

    def _row(self, text: str | None) -> dict[str, Any] | None:
        if text is None:
            return None
        row: dict[str, Any] = json.loads(text)
        for column in self._binary & row.keys():
            value = row[column]
            if isinstance(value, str):  # PostgreSQL writes \x before the digits, in lower case
                row[column] = value.removeprefix("\\x").upper()
        return row

    def _key_of(self, row: dict[str, Any] | None) -> str:
        assert row is not None
        key = "/".join(str(row[column]) for column in self._key)
        return key if key.isprintable() and key else json.dumps(key)

    def remove(self) -> None:
        """Take the triggers away; what was written down can still be collected."""
        with self._store.transaction() as transaction:
            drop_triggers(transaction.connection, self.table)

    def __repr__(self) -> str:
        return f"Capture({self.table!r})"


def _described(
    store: EventStore, connection: sa.Connection, table: str
) -> tuple[list[Any], list[str]]:
    inspector = sa.inspect(connection)
    if not inspector.has_table(table):
        there = ", ".join(sorted(inspector.get_table_names()))
        raise StoreError(
            store.name,
            "missing",
            f"it has no table {table!r}",
            f"give one of those it has: {there}",
        )
    key = inspector.get_pk_constraint(table)["constrained_columns"]
    if not key:
        raise StoreError(
            store.name,
            "foreign",
            f"its table {table!r} has no primary key, so nobody can say which row has changed",
            "give the table a primary key",
        )
    return list(inspector.get_columns(table)), list(key)
