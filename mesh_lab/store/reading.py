"""Reading events page by page: what is chosen, and a subscription that waits for more.

Every page is a query of its own that goes on after the last event it has seen, by position or by
version, so that neither the reader nor the database holds more than a page, and no transaction
stays open while the reader works.  Positions become visible in their order, so nothing can appear
behind a reader.  Each reading ends at the position that the store had when the reading began: it is
the store as it was then, whatever is appended meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..events.timed import micros
from .names import stream_name
from .rows import Recorded, decode
from .schema import EVENTS

if TYPE_CHECKING:
    from .reader import Reader

__all__ = ["Chosen", "Subscription", "choose", "page", "pages"]


@dataclass(frozen=True)
class Chosen:
    """Which events are wanted: types, and from when until before when, in microseconds."""

    types: tuple[str, ...] | None = None
    since: int | None = None
    until: int | None = None

    def clauses(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions as SQL."""
        found: list[sa.ColumnElement[bool]] = []
        if self.types is not None:
            found.append(EVENTS.c.type.in_(self.types))
        if self.since is not None:
            found.append(EVENTS.c.happened >= self.since)
        if self.until is not None:
            found.append(EVENTS.c.happened < self.until)
        return found

    def keeps(self, recorded: Recorded) -> bool:
        """Return whether the type is right to the last space, at which MySQL does not look."""
        return self.types is None or recorded.event.type in self.types


def choose(
    types: str | Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Chosen:
    """Return what is wanted, checked.

    Raises
    ------
    ValueError
        When a type is no string, or a time is no datetime with a zone.
    """
    wanted = None if types is None else (types,) if isinstance(types, str) else tuple(types)
    if wanted is not None and not all(isinstance(kind, str) for kind in wanted):
        raise ValueError(f"types={types!r}: must be a type of events, or several")
    return Chosen(wanted, _moment("since", since), _moment("until", until))


def _moment(name: str, given: object) -> int | None:
    if given is None:
        return None
    if not isinstance(given, datetime) or given.tzinfo is None:
        raise ValueError(f"{name}={given!r}: must be a datetime with a time zone")
    return micros(given)


def whole(name: str, given: object, least: int) -> int:
    """Return a whole number that is at least `least`, or raise ValueError."""
    if isinstance(given, int) and not isinstance(given, bool) and least <= given < 2**63:
        return given
    raise ValueError(f"{name}={given!r}: must be a whole number, {least} or more, below 2**63")


def page(
    connection: sa.Connection, chosen: Chosen, after: int, upto: int, batch: int
) -> tuple[list[Recorded], int]:
    """Return the next chosen events after a position, and the position seen to their end."""
    query = (
        sa.select(EVENTS)
        .where(EVENTS.c.position > after, EVENTS.c.position <= upto, *chosen.clauses())
        .order_by(EVENTS.c.position)
        .limit(batch)
    )
    rows = connection.execute(query).all()
    seen = rows[-1].position if len(rows) == batch else max(after, upto)
    return [found for found in map(decode, rows) if chosen.keeps(found)], seen


def pages(
    store: Reader, chosen: Chosen, after: int, batch: int, stream: str | None = None
) -> Iterator[list[Recorded]]:
    """Yield pages of a stream after a version, or of all streams after a position."""
    upto = store.position
    while True:
        with store.reading() as connection:
            if stream is None:
                found, seen = page(connection, chosen, after, upto, batch)
            else:
                found, seen = _page_of(connection, stream, after, upto, batch)
        if found:
            yield found
        if (seen >= upto) if stream is None else (len(found) < batch):
            return
        after = seen


def _page_of(
    connection: sa.Connection, stream: str, after: int, upto: int, batch: int
) -> tuple[list[Recorded], int]:
    query = (
        sa.select(EVENTS)
        .where(
            EVENTS.c.stream == stream_name(stream),
            EVENTS.c.version > after,
            EVENTS.c.position <= upto,
        )
        .order_by(EVENTS.c.version)
        .limit(batch)
    )
    found = [decode(row) for row in connection.execute(query)]
    return found, found[-1].version if found else after


class Subscription:
    """Every event after a position, those of the past and then those to come, in their order.

    It is an iterator, made by `EventStore.subscribe`.  When there is nothing more it asks the store
    again every `poll` seconds.

    Attributes
    ----------
    position : int
        Go on after this one later: everything up to it has been handed out, or was not wanted.
    """

    def __init__(
        self,
        store: Reader,
        chosen: Chosen,
        *,
        after: int,
        batch: int,
        poll: float,
        idle: float | None,
    ) -> None:
        if not poll > 0:
            raise ValueError(f"poll={poll!r}: must be seconds, more than 0")
        if idle is not None and not idle >= 0:
            raise ValueError(f"idle={idle!r}: must be seconds, 0 or more, or None")
        self.position = whole("after", after, 0)
        self._store, self._chosen = store, chosen
        self._batch, self._poll, self._idle = whole("batch", batch, 1), poll, idle
        self._ahead: deque[Recorded] = deque()
        self._seen = self.position
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Recorded]:
        return self

    def __next__(self) -> Recorded:
        waiting_since = time.monotonic()
        while not self._ahead and not self._closed.is_set():
            if self._look():
                continue
            self.position = self._seen
            if self._idle is not None and time.monotonic() - waiting_since >= self._idle:
                raise StopIteration
            self._closed.wait(self._poll)
        if self._closed.is_set():
            raise StopIteration
        found = self._ahead.popleft()
        self.position = found.position if self._ahead else self._seen
        return found

    def _look(self) -> bool:
        """Fetch a page; return whether the store has more than was seen before."""
        upto = self._store.position
        if upto <= self._seen:
            return False
        with self._store.reading() as connection:
            found, self._seen = page(connection, self._chosen, self._seen, upto, self._batch)
        self._ahead.extend(found)
        return True

    def close(self) -> None:
        """End the iteration, from any thread, also while it waits."""
        self._closed.set()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
