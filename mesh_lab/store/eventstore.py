"""The store's face: append with an expected version, read, subscribe, and what is built on it.

The rules are those of optimistic concurrency: a writer says which version of the stream its
decision was made on, and if the stream has moved on since, nothing is written and it decides anew
(H. T. Kung and J. T. Robinson, "On optimistic methods for concurrency control", 1981; recalled).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..events import Event
from .measuring import measure_appends
from .projecting import Projection
from .reader import Reader
from .relaying import Relay
from .rows import Recorded
from .snapshots import Snapshot, fold, save_snapshot, snapshot
from .transaction import Transaction

if TYPE_CHECKING:
    from .capturing import Capture

__all__ = ["EventStore"]


class EventStore(Reader):
    """Events kept in a database: streams of them, and all of them in one order.

    Parameters
    ----------
    url : str
        ``"sqlite:///shop.db"`` (a file, made if it is missing), ``"sqlite://"`` (in memory),
        ``"mysql+pymysql://user:password@host/database"`` (MySQL or MariaDB, extra ``mysql``) or
        ``"postgresql+psycopg://user:password@host/database"`` (extra ``postgres``).
    timeout : float, optional
        Seconds to wait for a connection, or for others who hold a lock.
    durable : bool, optional
        Whether an append waits until it is on the disk.  Without, a power cut may take the last
        appends (the death of a process takes none).  MySQL has only the server's own setting.
    beside : bool, optional
        Whether the tables may be made in a database that has others already.

    Raises
    ------
    StoreError
        When the database cannot be reached or used: which, what happened, what to do.

    Notes
    -----
    Threads may share a store.  Processes must not: each opens its own.

    Examples
    --------
    >>> from mesh_lab import Event
    >>> store = EventStore("sqlite://")
    >>> placed = Event(id="1", source="/shop", type="order.placed", data={"eur": 5})
    >>> store.append("order-17", placed, expected="none")
    range(1, 2)
    >>> [(kept.position, kept.version, kept.event.type) for kept in store.read("order-17")]
    [(1, 1, 'order.placed')]
    >>> store.append("order-17", Event(id="2", source="/shop", type="order.paid"), expected=0)
    Traceback (most recent call last):
        ...
    mesh_lab.errors.ConflictError: stream 'order-17': version 0 was expected, but it is at version \
1; nothing was appended. Read what came in between, decide anew, and append again
    >>> store.close()
    """

    def append(
        self, stream: str, events: Event | Iterable[Event], *, expected: int | str = "any"
    ) -> range:
        """Append events to a stream, all of them or none; return when they are kept.

        The store does not look for duplicates: one event may lie in several streams.  Whoever
        appends again because an answer was lost gives `expected`, which refuses what is kept.

        Parameters
        ----------
        stream : str
            Its name; the first append makes the stream.
        events : Event or iterable of Event
            One or several.  Many at once are far quicker than one by one.
        expected : int or str, optional
            The version that the stream must have now (its number of events); ``"none"`` for a
            stream that must be new; ``"any"``, the default, for no check.

        Returns
        -------
        range
            The positions of the events in the global order.

        Raises
        ------
        ConflictError
            When the stream has another version; it names both, and nothing was appended.
        StoreError
            When the database refuses.
        """
        with self.transaction() as transaction:
            return transaction.append(stream, events, expected=expected)

    def projection(
        self,
        name: str,
        handle: Callable[[Recorded, Transaction], object],
        *,
        types: str | Iterable[str] | None = None,
        batch: int = 500,
    ) -> Projection:
        """Return a projection: a table, or anything else, that is worked out from the events.

        See `Projection`.
        """
        return Projection(self, name, handle, types=types, batch=batch)

    def relay(
        self,
        name: str,
        send: Callable[[Event], object],
        *,
        types: str | Iterable[str] | None = None,
        batch: int = 100,
    ) -> Relay:
        """Return a relay, which sends events on: in order, each at least once.

        See `Relay`.
        """
        return Relay(self, name, send, types=types, batch=batch)

    def capture(self, table: str, *, source: str = "/database") -> Capture:
        """Return what turns the changes of a table in this database into events.

        See `Capture`.
        """
        from .capturing import Capture

        return Capture(self, table, source=source)

    def measure_appends(
        self, count: int = 100, *, at_once: int = 1, stream: str = "measured"
    ) -> tuple[float, ...]:
        """Append events to a stream of their own, and return the seconds that each append took.

        They can feed a model: ``ml.Handler("writer", source="inbox",
        work=ml.Empirical(values=store.measure_appends()))``.

        Parameters
        ----------
        count : int, optional
            Appends that are measured; a first one, which is slower, is not.
        at_once : int, optional
            Events in one append.
        stream : str, optional
            Where they go.
        """
        return measure_appends(self, count, at_once, stream)

    def fold(
        self,
        stream: str,
        apply: Callable[[Any, Event], Any],
        initial: Any,
        *,
        name: str | None = None,
        every: int = 100,
    ) -> Snapshot:
        """Return what a stream's events add up to, from the last snapshot if there is one.

        Parameters
        ----------
        stream : str
            The stream.
        apply : callable
            Called with the state and the next event, returns the next state.
        initial : JSON value
            The state before the first event.
        name : str, optional
            Keep snapshots under this name.  Take another name when `apply` changes.
        every : int, optional
            Keep one when so many events were applied since the last.

        Returns
        -------
        Snapshot
            The state, and the version of the stream that it is of.

        Examples
        --------
        >>> from mesh_lab import Event
        >>> store = EventStore("sqlite://")
        >>> paid = [Event(id=str(n), source="/shop", type="paid", data={"eur": n}) for n in (1, 2)]
        >>> _ = store.append("purse", paid)
        >>> store.fold("purse", lambda total, event: total + event.data["eur"], 0)
        Snapshot(state=3, version=2)
        >>> store.close()
        """
        return fold(self, stream, apply, initial, name=name, every=every)

    def snapshot(self, stream: str, name: str) -> Snapshot | None:
        """Return the snapshot that is kept of a stream under a name, if there is one."""
        return snapshot(self, stream, name)

    def save_snapshot(self, stream: str, name: str, state: Any, version: int) -> None:
        """Keep a stream's state at a version; a snapshot of a later version stays.

        Raises
        ------
        ValueError
            When the state is no JSON value, or the stream has not come to that version.
        """
        save_snapshot(self, stream, name, state, version)
