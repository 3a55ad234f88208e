"""A projection: a table (or anything else) that is worked out from the events, and follows them.

The handler's changes and the checkpoint are one transaction, so an event that the handler writes
down in the same database takes effect exactly once, whenever the process dies.  What a handler does
elsewhere (a mail, a file, another database) is done before the checkpoint moves: at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa

from .checkpoints import Checkpoint
from .names import checked_name
from .reading import choose, page, whole
from .rows import Recorded
from .schema import HEAD
from .transaction import Transaction

if TYPE_CHECKING:
    from .eventstore import EventStore

__all__ = ["Projection"]


class Projection:
    """Events handed to a handler, once each, with a checkpoint; made by `EventStore.projection`.

    Parameters
    ----------
    store : EventStore
        Where the events are, and the checkpoint.
    name : str
        Whose checkpoint it is: the same name goes on where it left off, in any process.  Two
        processes that run one projection take turns.
    handle : callable
        Called with the `Recorded` event and the `Transaction`, in whose database it may change
        what it likes.
    types : str or iterable of str, optional
        Only these types; a projection that has run does not see what it skipped when they change,
        so `reset` it then.
    batch : int, optional
        Events in one transaction.

    Examples
    --------
    >>> from mesh_lab import Event
    >>> from mesh_lab.store import EventStore
    >>> store = EventStore("sqlite://")
    >>> with store.transaction() as t:
    ...     _ = t.execute("CREATE TABLE totals (stream VARCHAR(200) PRIMARY KEY, eur INTEGER)")
    >>> def add(recorded, t):
    ...     eur = {"stream": recorded.stream, "eur": recorded.event.data["eur"]}
    ...     changed = t.execute("UPDATE totals SET eur = eur + :eur WHERE stream = :stream", eur)
    ...     if changed.rowcount == 0:
    ...         t.execute("INSERT INTO totals VALUES (:stream, :eur)", eur)
    >>> totals = store.projection("totals", add)
    >>> paid = [Event(id=str(n), source="/shop", type="paid", data={"eur": n}) for n in (1, 2)]
    >>> _ = store.append("purse", paid)
    >>> totals.run(), totals.position
    (2, 2)
    >>> with store.transaction() as t:
    ...     t.execute("SELECT * FROM totals").all()
    [('purse', 3)]
    >>> store.close()
    """

    def __init__(
        self,
        store: EventStore,
        name: str,
        handle: Callable[[Recorded, Transaction], object],
        *,
        types: str | Iterable[str] | None = None,
        batch: int = 500,
    ) -> None:
        self.name = checked_name("name", name)
        self._store, self._handle = store, handle
        self._chosen, self._batch = choose(types), whole("batch", batch, 1)
        self._checkpoint = Checkpoint(store, "projection", name)

    @property
    def position(self) -> int:
        """The position up to which all events have been handled."""
        return self._checkpoint.position

    def run(self) -> int:
        """Handle all events that are there, and return how many.

        When the handler raises, its batch is undone, and the error has a note that names the event.
        """
        handled, more = 0, True
        while more:
            found, more = self._batched()
            handled += found
        return handled

    def _batched(self) -> tuple[int, bool]:
        with self._store.transaction() as transaction:
            connection = transaction.connection
            before = self._checkpoint.take(connection)
            upto = connection.execute(sa.select(HEAD.c.position)).scalar_one()
            found, seen = page(connection, self._chosen, before, upto, self._batch)
            for recorded in found:
                try:
                    self._handle(recorded, transaction)
                except Exception as error:
                    error.add_note(
                        f"projection {self.name!r} stopped at position {recorded.position} "
                        f"(stream {recorded.stream!r}, version {recorded.version}); its checkpoint "
                        f"stays at {before}"
                    )
                    raise
            self._checkpoint.move(connection, before, seen)
        return len(found), seen < upto

    def reset(self, clear: Callable[[Transaction], object] | None = None) -> None:
        """Begin again with the first event.

        Parameters
        ----------
        clear : callable, optional
            Called with the transaction that moves the checkpoint: takes away what was worked out.
        """
        with self._store.transaction() as transaction:
            before = self._checkpoint.take(transaction.connection)
            if clear is not None:
                clear(transaction)
            self._checkpoint.move(transaction.connection, before, 0)

    def __repr__(self) -> str:
        return f"Projection({self.name!r}, position={self.position})"
