"""The reading half of a store: by stream, by type and time, in batches, and as a subscription."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from .database import Database
from .exporting import export
from .names import stream_name
from .reading import Subscription, choose, pages, whole
from .rows import Recorded
from .schema import EVENTS, HEAD

__all__ = ["Reader"]

_POSITION = sa.select(HEAD.c.position).where(HEAD.c.one == 1)


class Reader(Database):
    """What can be asked of a store without changing it; see `EventStore`."""

    @property
    def position(self) -> int:
        """The position of the last event, 0 without any: also the number of events."""
        with self.reading() as connection:
            return int(connection.execute(_POSITION).scalar_one())

    def version(self, stream: str) -> int:
        """Return the version of a stream, the number of its events; 0 when there is none."""
        newest = sa.select(sa.func.max(EVENTS.c.version)).where(
            EVENTS.c.stream == stream_name(stream)
        )
        with self.reading() as connection:
            return int(connection.execute(newest).scalar() or 0)

    def streams(self) -> dict[str, int]:
        """Return every stream and its version, by name."""
        versions = (
            sa.select(EVENTS.c.stream, sa.func.max(EVENTS.c.version))
            .group_by(EVENTS.c.stream)
            .order_by(EVENTS.c.stream)
        )
        with self.reading() as connection:
            return {row.stream: row[1] for row in connection.execute(versions)}

    def read(self, stream: str, *, after: int = 0, batch: int = 1000) -> Iterator[Recorded]:
        """Read a stream in its order, as it is when the reading begins.

        Parameters
        ----------
        stream : str
            Its name; a stream that is not there is empty.
        after : int, optional
            The version after which to begin.
        batch : int, optional
            Events that are fetched, and held, at once.
        """
        found = pages(
            self, choose(), whole("after", after, 0), whole("batch", batch, 1), stream_name(stream)
        )
        return (recorded for one in found for recorded in one)

    def read_all(
        self,
        *,
        after: int = 0,
        types: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        batch: int = 1000,
    ) -> Iterator[Recorded]:
        """Read the events of all streams in the global order, as they are when it begins.

        Parameters
        ----------
        after : int, optional
            The position after which to begin.
        types : str or iterable of str, optional
            Only events of these types.
        since, until : datetime, optional
            Only events that happened at `since` or later, and before `until`: by the event's own
            time, or when it was recorded if it has none.
        batch : int, optional
            Events that are fetched, and held, at once.
        """
        chosen = choose(types, since, until)
        found = pages(self, chosen, whole("after", after, 0), whole("batch", batch, 1))
        return (recorded for one in found for recorded in one)

    def subscribe(
        self,
        *,
        after: int = 0,
        types: str | Iterable[str] | None = None,
        batch: int = 1000,
        poll: float = 0.1,
        idle: float | None = None,
    ) -> Subscription:
        """Catch up with all events after a position, then wait for those to come.

        Parameters
        ----------
        after, types, batch
            As for `read_all`.
        poll : float, optional
            Seconds between two looks when there is nothing new.
        idle : float, optional
            End when nothing new has come for so many seconds; 0 ends when all is read.  None, the
            default, never ends.

        Returns
        -------
        Subscription
            An iterator of `Recorded`, with its `position`.
        """
        chosen = choose(types)
        return Subscription(self, chosen, after=after, batch=batch, poll=poll, idle=idle)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        after: int = 0,
        types: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        batch: int = 10_000,
    ) -> int:
        """Write events to a Parquet file, and return how many.

        Parameters
        ----------
        path : path
            The file; it is the old one or the new one, whatever happens in between.
        after, types, since, until, batch
            As for `read_all`; a batch is a row group.

        Raises
        ------
        StoreError
            When the file cannot be written.
        """
        chosen = choose(types, since, until)
        return export(self, Path(path), chosen, whole("after", after, 0), whole("batch", batch, 1))
