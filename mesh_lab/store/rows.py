"""An event as a row, and a row as an event: every attribute survives the way there and back.

JSON data is kept as JSON text and bytes as bytes, in a column each.  The time of an event is kept
twice: as the text of RFC 3339 with its zone, which gives it back as it was, and as microseconds
since 1970 (UTC), which can be compared.  An event without a time counts as having happened when it
was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from time import time_ns
from typing import Any, NamedTuple

from ..errors import EventError
from ..events import Event
from ..events.timed import micros, moment
from .schema import EVENTS, NAME

__all__ = ["COLUMNS", "Recorded", "decode", "encode", "now"]

COLUMNS = tuple(EVENTS.c.keys())

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Recorded(NamedTuple):
    """An event where it lies in a store.

    Parameters
    ----------
    position : int
        Its place in the global order: 1, 2, 3, ... without gaps.
    stream : str
        The stream it was appended to.
    version : int
        Its place in the stream: 1, 2, 3, ... without gaps.
    event : Event
        The event.
    recorded : datetime
        When it was appended, by the clock of the process that did it (UTC).
    """

    position: int
    stream: str
    version: int
    event: Event
    recorded: datetime


def now() -> int:
    """Return the microseconds since 1970, as rows hold them."""
    return time_ns() // 1000


def encode(event: Event, recorded: int) -> tuple[Any, ...]:
    """Return the columns of an event after `position`, `stream` and `version`.

    Raises
    ------
    EventError
        When its type is too long for an index.
    """
    if len(event.type) > NAME:
        raise EventError(
            f"type: has {len(event.type)} characters, but a store finds events by their type, "
            f"which must have at most {NAME}"
        )
    data, time = event.data, event.time
    raw = isinstance(data, bytes)
    return (
        recorded,
        recorded if time is None else micros(time),
        None if time is None else time.isoformat(),
        event.id,
        event.source,
        event.type,
        event.subject,
        event.key,
        event.datacontenttype,
        event.dataschema,
        None if data is None or raw else _json(data),
        data if raw else None,
        _json(event.extensions) if event.extensions else None,
    )


def decode(row: Sequence[Any]) -> Recorded:
    """Return what a row of all `COLUMNS` holds.

    Raises
    ------
    EventError
        When the row was changed so that it is no event any more.
    """
    position, stream, version, recorded = row[:4]
    try:
        return Recorded(position, stream, version, _event(row), moment(recorded))
    except (EventError, ValueError, TypeError) as error:
        raise EventError(
            f"the row at position {position} (stream {stream!r}, version {version}) was changed, "
            f"and is no event any more: {error}"
        ) from error


def _event(row: Sequence[Any]) -> Event:
    time, id, source, type = row[5:9]
    subject, key, datacontenttype, dataschema, data, data_bytes, extensions = row[9:]
    return Event(
        id=id,
        source=source,
        type=type,
        subject=subject,
        time=None if time is None else datetime.fromisoformat(time),
        key=key,
        datacontenttype=datacontenttype,
        dataschema=dataschema,
        data=json.loads(data) if data is not None else data_bytes,
        extensions=json.loads(extensions) if extensions is not None else {},
    )
