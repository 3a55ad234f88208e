"""Making the rows of deliveries while a run goes on: a column each, appended to and changed.

What the columns hold is said in `mesh_lab.messaging.deliveries`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .deliveries import IN_FLIGHT, REASONS, TIMES, DeliveryColumns
from .message import Message

__all__ = ["Rows"]

_INTS = {
    "source": "i",
    "number": "q",
    "key": "i",
    "parent": "q",
    "child": "i",
    "subscriber": "i",
    "consumer": "i",
    "copy": "i",
    "attempt": "i",
    "partition": "i",
    "offset": "q",
    "outcome": "b",
    "reason": "b",
    "effect": "q",
}


class Rows:
    """The rows of deliveries while they are made.

    Parameters
    ----------
    subscribers, consumers : sequence of str
        The names of the queues and topics, and of the consumers, by which rows know them.
    now : callable
        Returns the time, seconds.
    """

    def __init__(
        self, subscribers: Sequence[str], consumers: Sequence[str], now: Callable[[], float]
    ) -> None:
        self.now = now
        self.subscribers = tuple(subscribers)
        self.consumers = tuple(consumers)
        self._sources: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._subscriber = {name: i for i, name in enumerate(self.subscribers)}
        self._consumer = {name: i for i, name in enumerate(self.consumers)}
        self._ints = {name: array(kind) for name, kind in _INTS.items()}
        self._times = {name: array("d") for name in TIMES}
        self.delivered = self._times["delivered"]
        self.started = self._times["started"]
        self.finished = self._times["finished"]
        self.acked = self._times["acked"]
        self.written = self._times["written"]
        self.ended = self._times["ended"]
        self.outcome = self._ints["outcome"]
        self.reason = self._ints["reason"]
        self.effect = self._ints["effect"]
        self._effects = 0
        every: list[array[Any]] = [*self._ints.values(), *self._times.values()]
        self._appends = [column.append for column in every]
        self.at_end: list[Callable[[], None]] = []  # what has rows for what it still keeps

    def introduce(self, subscriber: str, consumers: Sequence[str]) -> None:
        """Let rows know a subscriber that is no channel (a group that reads a log), and members."""
        self._subscriber.setdefault(subscriber, len(self._subscriber))
        for name in consumers:
            self._consumer.setdefault(name, len(self._consumer))
        self.subscribers, self.consumers = tuple(self._subscriber), tuple(self._consumer)

    def open(self, message: Message, subscriber: str, copy: int, attempt: int, sent: float) -> int:
        """Begin a row, and return its number."""
        row = len(self.outcome)
        key = message.key
        sources, keys = self._sources, self._keys
        nan = math.nan
        values = (
            sources.setdefault(message.source, len(sources)),
            message.number,
            -1 if key is None else keys.setdefault(key, len(keys)),
            message.parent,
            message.child,
            self._subscriber[subscriber],
            -1,
            copy,
            attempt,
            -1,
            -1,
            IN_FLIGHT,
            0,
            -1,
            sent,
            nan,
            nan,
            nan,
            nan,
            nan,
            nan,
        )  # in the order of _INTS and TIMES
        for append, value in zip(self._appends, values, strict=True):
            append(value)
        return row

    def placed(self, row: int, partition: int, offset: int, written: float) -> None:
        """Note where in a partitioned log it stands, and since when it can be read there."""
        self._ints["partition"][row] = partition
        self._ints["offset"][row] = offset
        self._times["written"][row] = written

    def given(self, row: int, consumer: str) -> None:
        """Note who gets it."""
        self._ints["consumer"][row] = self._consumer[consumer]

    def again(self, row: int) -> int:
        """Begin a second row like `row`: what was sent to a consumer arrives twice."""
        all_columns: dict[str, array[Any]] = {**self._ints, **self._times}
        for column in all_columns.values():
            column.append(column[row])
        self.written[-1] = math.nan  # only one of them has waited
        return len(self.outcome) - 1

    def end(self, row: int, outcome: int, reason: str = "") -> None:
        """End a row, or end it otherwise."""
        self.outcome[row] = outcome
        self.ended[row] = self.now()
        self.reason[row] = REASONS.index(reason) if reason else 0

    def take_effect(self, row: int) -> None:
        """Note that the handling had its effect."""
        self.effect[row] = self._effects
        self._effects += 1

    def columns(self) -> DeliveryColumns:
        """Return the rows as arrays that share memory with this, when the run is over."""
        while self.at_end:
            self.at_end.pop(0)()
        all_columns: dict[str, array[Any]] = {**self._ints, **self._times}
        made: dict[str, Any] = {
            name: np.frombuffer(c, c.typecode) if len(c) else np.empty(0, c.typecode)
            for name, c in all_columns.items()
        }
        return DeliveryColumns(
            **made,
            sources=tuple(self._sources),
            keys=tuple(self._keys),
            subscribers=self.subscribers,
            consumers=self.consumers,
        )
