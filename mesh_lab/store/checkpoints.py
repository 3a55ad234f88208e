"""A checkpoint: the position up to which somebody has worked, in a row of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from .names import checked_name
from .schema import CHECKPOINTS

if TYPE_CHECKING:
    from .eventstore import EventStore

__all__ = ["Checkpoint"]


class Checkpoint:
    """The checkpoint of a projection or a relay, by its kind and name; 0 at first.

    Parameters
    ----------
    store : EventStore
        Where it is kept.
    kind, name : str
        Whose it is.
    """

    def __init__(self, store: EventStore, kind: str, name: str) -> None:
        self._row = sa.and_(
            CHECKPOINTS.c.kind == kind, CHECKPOINTS.c.name == checked_name("name", name)
        )
        self._store = store
        if self._read() is not None:
            return
        with store.transaction() as transaction:
            transaction.lock()  # two who begin at once would both insert it
            there = sa.select(CHECKPOINTS.c.position).where(self._row)
            if transaction.connection.execute(there).first() is None:
                row = {"kind": kind, "name": name, "position": 0}
                transaction.connection.execute(CHECKPOINTS.insert().values(row))

    def _read(self) -> int | None:
        with self._store.reading() as connection:
            there = sa.select(CHECKPOINTS.c.position).where(self._row)
            return connection.execute(there).scalar()

    @property
    def position(self) -> int:
        """Where it is."""
        return self._read() or 0

    def take(self, connection: sa.Connection) -> int:
        """Return where it is, and keep others from moving it until the transaction ends."""
        there = sa.select(CHECKPOINTS.c.position).where(self._row).with_for_update()
        return int(connection.execute(there).scalar_one())

    def move(self, connection: sa.Connection, before: int, position: int) -> bool:
        """Move it, and return whether it was where we left it."""
        moved = (
            CHECKPOINTS.update()
            .where(self._row, CHECKPOINTS.c.position == before)
            .values(position=position)
        )
        return connection.execute(moved).rowcount == 1
