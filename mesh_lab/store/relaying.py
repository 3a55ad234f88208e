"""The relay of a transactional outbox: sends events on in their order, each at least once.

The events are appended in the transaction that makes them true (`EventStore.transaction`); the
relay reads them in the global order, sends, and moves its checkpoint after the sending.  When it
dies in between, it sends again what it had sent: the receiver tells duplicates by the event's
source and id.  No lock is held while it sends, so a slow receiver keeps no writer waiting.  (The
pattern is C. Richardson's "Transactional outbox", recalled; here the log itself is the outbox.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..events import Event
from .checkpoints import Checkpoint
from .names import checked_name
from .reading import choose, page, whole

if TYPE_CHECKING:
    from .eventstore import EventStore

__all__ = ["Relay"]


class Relay:
    """Events sent on, in order and at least once; made by `EventStore.relay`.

    Parameters
    ----------
    store : EventStore
        Where the events are, and the checkpoint.
    name : str
        Whose checkpoint it is.  Run one relay of a name at a time: a second one would send the same
        events, and the one that comes late stops with an error.
    send : callable
        Called with the event; when it returns, the event counts as sent.
    types : str or iterable of str, optional
        Only these types.
    batch : int, optional
        Events after which the checkpoint is moved: so many are sent again at most.

    Examples
    --------
    >>> from mesh_lab import Event
    >>> from mesh_lab.store import EventStore
    >>> store = EventStore("sqlite://")
    >>> _ = store.append("order-17", Event(id="1", source="/shop", type="order.placed"))
    >>> sent = []
    >>> relay = store.relay("to the warehouse", sent.append)
    >>> relay.run(), sent
    (1, [Event(id='1', source='/shop', type='order.placed')])
    >>> relay.run()
    0
    >>> store.close()
    """

    def __init__(
        self,
        store: EventStore,
        name: str,
        send: Callable[[Event], object],
        *,
        types: str | Iterable[str] | None = None,
        batch: int = 100,
    ) -> None:
        self.name = checked_name("name", name)
        self._store, self._send = store, send
        self._chosen, self._batch = choose(types), whole("batch", batch, 1)
        self._checkpoint = Checkpoint(store, "relay", name)

    @property
    def position(self) -> int:
        """The position up to which all events have been sent."""
        return self._checkpoint.position

    def run(self) -> int:
        """Send all events that are there, and return how many.

        When `send` raises, the events before that one count as sent, and the error has a note that
        names the event.
        """
        sent, upto = 0, self._store.position
        before = self.position
        while before < upto:
            with self._store.reading() as connection:
                found, seen = page(connection, self._chosen, before, upto, self._batch)
            done = before
            try:
                for recorded in found:
                    self._send(recorded.event)
                    done, sent = recorded.position, sent + 1
                done = seen
            except BaseException as error:
                error.add_note(
                    f"relay {self.name!r} could not send position {recorded.position} (stream "
                    f"{recorded.stream!r}, version {recorded.version}); it will go on there"
                )
                raise
            finally:
                self._move(before, done)
            before = seen
        return sent

    def _move(self, before: int, done: int) -> None:
        with self._store.transaction() as transaction:
            moved = self._checkpoint.move(transaction.connection, before, done)
        if not moved:
            raise StoreError(
                self._store.name,
                "busy",
                f"another relay named {self.name!r} has sent these events as well",
                "run one relay of a name at a time; the receiver has some events twice",
            )

    def __repr__(self) -> str:
        return f"Relay({self.name!r}, position={self.position})"
