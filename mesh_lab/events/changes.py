"""A change in a database as an event: what the row was, what it is now, and which it is.

The shape is that of the CloudEvents which Debezium emits (Debezium documentation, "Exporting
CloudEvents"): ``data`` holds ``before`` and ``after``, one of them null when the row was inserted
or deleted; the extension attribute ``iodebeziumop`` is ``c`` (create), ``u`` (update) or ``d``
(delete), and ``iodebeziumtable`` names the table.  One thing differs: the type says what happened
(``orders.inserted``), where Debezium names its connector (``io.debezium...datachangeevent``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..errors import EventError
from .event import Event, NewId

__all__ = ["change_event"]


def change_event(
    table: str,
    key: str | int,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    *,
    source: str,
    id: NewId,
    time: datetime | None = None,
) -> Event:
    """Return the event that tells of one changed row.

    Parameters
    ----------
    table : str
        The table's name.
    key : str or int
        The row's primary key; it becomes subject and routing key, so that the changes of one row
        stay in order.
    before, after : mapping or None
        The row's columns; `before` is None for an insert, `after` for a delete.
    source : str
        The database, as a URI reference.
    id : str, iterator or numpy.random.Generator
        As for `Event.new`; a position in the database's log would do.
    time : datetime, optional
        When the change was made.

    Raises
    ------
    EventError
        When both rows are None, or an attribute is not what CloudEvents allows.

    Examples
    --------
    >>> was, now = {"state": "new"}, {"state": "paid"}
    >>> change = change_event("orders", 17, was, now, source="/db", id="8")
    >>> change.type, change.key, change.extensions["iodebeziumop"]
    ('orders.updated', '17', 'u')
    >>> change.data
    {'before': {'state': 'new'}, 'after': {'state': 'paid'}}
    """
    if before is None and after is None:
        raise EventError("data: before and after are both None, so no row has changed")
    if before is None:
        verb, operation = "inserted", "c"
    elif after is None:
        verb, operation = "deleted", "d"
    else:
        verb, operation = "updated", "u"
    return Event.new(
        f"{table}.{verb}",
        source,
        id=id,
        subject=str(key),
        key=str(key),
        time=time,
        data={"before": before, "after": after},
        extensions={"iodebeziumop": operation, "iodebeziumtable": table},
    )
