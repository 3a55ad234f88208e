"""A database that has the store's tables: opened and checked, its transactions, its readings.

A transaction that fails is rolled back, and the connection goes back to the pool as new, so the
store can be used afterwards, whatever the error was.  Only one thing cannot be told from here: when
the connection is lost while a commit is on its way, it may have been kept or not, and the error
says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Self

import sqlalchemy as sa
from sqlalchemy import exc

from ..errors import StoreError
from .connecting import OUTSIDE, READS, connect
from .refusals import refusal, refused, unknown
from .schema import prepare
from .statements import statements
from .transaction import Transaction

__all__ = ["Database"]


_LONGEST = 1_000_000  # SQLite counts milliseconds in 32 bits: beyond, it would not wait at all


def _is_seconds(given: object) -> bool:
    return isinstance(given, int | float) and given is not True and 0 < given <= _LONGEST


class Database:
    """What `EventStore` stands on; see there for the parameters.

    Attributes
    ----------
    name : str
        The URL without the password.
    timeout : float
        Seconds.
    """

    def __init__(
        self, url: str, *, timeout: float = 5.0, durable: bool = True, beside: bool = False
    ) -> None:
        if not _is_seconds(timeout):
            raise ValueError(
                f"timeout={timeout!r}: must be seconds, more than 0 and at most {_LONGEST}"
            )
        self.timeout = timeout
        self._engine, self.name = connect(url, timeout, durable=durable)
        self._closed = False
        self._statements = statements(self._engine.dialect)
        try:
            with refused(self.name, timeout):
                prepare(self._engine, self.name, beside=beside)
                self._keep_a_log()
        except BaseException:
            self._engine.dispose()
            raise

    def _keep_a_log(self) -> None:
        """Switch an SQLite file to WAL mode, which the file remembers."""
        if self._engine.dialect.name != "sqlite":
            return
        with self._engine.connect().execution_options(**OUTSIDE) as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            until = time.monotonic() + self.timeout
            while mode == "delete":  # not in memory, and not in WAL mode already
                try:
                    mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
                except exc.OperationalError as error:
                    # SQLite does not wait here by itself while others have the file open
                    known = refusal(error, self.name, self.timeout)
                    if known is None or known.reason != "locked" or time.monotonic() > until:
                        raise
                    time.sleep(0.01)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction: appends and other changes of this database, all or nothing.

        This is the transactional outbox: what happened and the event that tells of it are kept
        together or not at all, and a `relay` sends the events on.

        Examples
        --------
        >>> from mesh_lab import Event, EventStore
        >>> store = EventStore("sqlite://")
        >>> with store.transaction() as t:
        ...     _ = t.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, eur INTEGER)")
        ...     _ = t.execute("INSERT INTO orders VALUES (:number, :eur)", {"number": 17, "eur": 5})
        ...     t.append("order-17", Event(id="1", source="/shop", type="order.placed"))
        range(1, 2)
        >>> store.close()
        """
        with refused(self.name, self.timeout), self._connected() as connection:
            under_way = connection.begin()
            try:
                transaction = Transaction(connection, self._statements)
                yield transaction
                if transaction.failed is not None:
                    raise StoreError(
                        self.name,
                        "unfinished",
                        f"an append of this transaction failed ({transaction.failed}), so nothing "
                        "of it was kept",
                        "let the error end the transaction, and begin another",
                    ) from transaction.failed
            except BaseException:
                self._roll_back(under_way)
                raise
            self._commit(under_way)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        if self._closed:
            raise StoreError(self.name, "closed", "it was closed", "open it again")
        with self._engine.connect() as connection:
            yield connection

    def _roll_back(self, under_way: sa.RootTransaction) -> None:
        # where the connection is gone, the database has rolled back by itself
        with contextlib.suppress(exc.SQLAlchemyError):
            under_way.rollback()

    def _commit(self, under_way: sa.RootTransaction) -> None:
        try:
            under_way.commit()
        except exc.DBAPIError as error:
            self._roll_back(under_way)
            known = refusal(error, self.name, self.timeout)
            if error.connection_invalidated or (known is not None and known.reason == "lost"):
                raise unknown(self.name) from error
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a SQLAlchemy connection to read with: your own queries over the store's tables."""
        with refused(self.name, self.timeout), self._connected() as connection:
            yield connection.execution_options(**READS)

    def close(self) -> None:
        """Close the connections; a database in memory is gone then."""
        self._closed = True
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"
