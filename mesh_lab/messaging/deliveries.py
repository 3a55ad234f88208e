"""The rows of deliveries: one an event, subscriber and attempt.

An attempt begins when the event is published, or comes back into its queue, and ends with one of
these outcomes.  Those in the first group end the event's stay in the queue; after those in the
second it comes again.

==================  ==================================================================
outcome             what happened
==================  ==================================================================
``acked``           handled (or, with ack="before", sent), and the broker knows
``duplicate``       skipped: it was handled, or stored, before
``dead_lettered``   moved to the dead-letter queue, for the reason given
``expired``         its time-to-live ran out, and there is no dead-letter queue
``lost``            gone without having been handled, for the reason given
``rejected``        not stored, because the queue was full; the publisher knows
``unavailable``     not stored, because the broker was down; the publisher knows
``unroutable``      no queue of the topic takes its subject
``redriven``        moved out of a dead-letter queue
``withdrawn``       acknowledged late, before this attempt began
``handled``         handled, but the broker does not know: the acknowledgement was lost, or late
``nacked``          handled badly
``crashed``         the consumer went down while it had it
``returned``        the broker went down before the consumer had started with it
``dropped``         the network lost it on its way to the consumer
``in_flight``       none of these yet when the run ended
==================  ==================================================================
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .message import Message

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OUTCOMES", "REASONS", "DeliveryColumns", "Rows"]

OUTCOMES = (
    "in_flight", "acked", "duplicate", "dead_lettered", "expired", "lost", "rejected",
    "unavailable", "unroutable", "redriven", "withdrawn", "handled", "nacked", "crashed",
    "returned", "dropped",
)  # fmt: skip
(
    IN_FLIGHT, ACKED, DUPLICATE, DEAD_LETTERED, EXPIRED, LOST, REJECTED,
    UNAVAILABLE, UNROUTABLE, REDRIVEN, WITHDRAWN, HANDLED, NACKED, CRASHED,
    RETURNED, DROPPED,
) = range(len(OUTCOMES))  # fmt: skip

# why an event was moved to the dead letters, or is lost
REASONS = (
    "", "expired", "maxlen", "delivery_limit", "crash", "network", "restart", "away", "unavailable",
    "rejected", "failed", "failover",
)  # fmt: skip


@dataclass(frozen=True)
class DeliveryColumns:
    """The rows of deliveries when a run is over, as arrays of equal length.

    Attributes
    ----------
    source, key, subscriber, consumer : array of int32
        Indices in `sources`, `keys`, `subscribers` and `consumers`; -1 for none.
    number, parent, child, copy, attempt : array of int
        Who it is, whose answer, which copy of it in this queue (0, 1, ...), and which attempt to
        deliver that copy (1, 2, ...).
    partition, offset : array of int
        Where it stands in a partitioned log; -1 elsewhere.
    sent, written, delivered, started, finished, acked : array of float
        Seconds; NaN for what never came.  `written` is when it could be read from a log.
    outcome, reason : array of int8
        Indices in `OUTCOMES` and `REASONS`.
    effect : array of int64
        -1, or the place of the handling among all that took effect, in order of time.
    """

    source: NDArray[np.int32]
    number: NDArray[np.int64]
    key: NDArray[np.int32]
    parent: NDArray[np.int64]
    child: NDArray[np.int32]
    subscriber: NDArray[np.int32]
    consumer: NDArray[np.int32]
    copy: NDArray[np.int32]
    attempt: NDArray[np.int32]
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    sent: NDArray[np.float64]
    written: NDArray[np.float64]
    delivered: NDArray[np.float64]
    started: NDArray[np.float64]
    finished: NDArray[np.float64]
    acked: NDArray[np.float64]
    ended: NDArray[np.float64]
    outcome: NDArray[np.int8]
    reason: NDArray[np.int8]
    effect: NDArray[np.int64]
    sources: tuple[str, ...]
    keys: tuple[str, ...]
    subscribers: tuple[str, ...]
    consumers: tuple[str, ...]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.source)

    def checked(self) -> DeliveryColumns:
        """Return itself; raise ValueError when an index or a time is one that no run has."""
        limits = {
            "source": (0, len(self.sources)),
            "key": (-1, len(self.keys)),
            "subscriber": (0, len(self.subscribers)),
            "consumer": (-1, len(self.consumers)),
            "outcome": (0, len(OUTCOMES)),
            "reason": (0, len(REASONS)),
        }
        for name in self.arrays():
            values = getattr(self, name)
            least, limit = limits.get(name, (-1, 1 << 62))
            if name in _TIMES:
                wrong = values.dtype.kind != "f" or np.any((values < 0) | np.isinf(values))
            else:
                wrong = values.dtype.kind != "i" or np.any((values < least) | (values >= limit))
            if wrong:
                raise ValueError(f"column {name!r} holds what no run has")
        return self

    @property
    def last(self) -> float:
        """The time of the last thing that a row tells of, seconds."""
        times = (self.sent, self.delivered, self.finished, self.acked, self.ended)
        return float(max(np.max(t, initial=0.0, where=~np.isnan(t)) for t in times))

    @classmethod
    def arrays(cls) -> list[str]:
        """Return the names of the arrays."""
        return [f.name for f in fields(cls)][: -len(cls.names())]

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the lists of names."""
        return ["sources", "keys", "subscribers", "consumers"]

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table; see `mesh_lab.Run.deliveries`."""
        import pandas as pd

        def named(codes: NDArray[Any], names: Sequence[object]) -> pd.Categorical[object]:
            return pd.Categorical.from_codes(codes, categories=pd.Index(list(names)))

        columns: dict[str, Any] = {
            "source": named(self.source, self.sources),
            "number": self.number,
        }
        if self.keys:
            columns["key"] = named(self.key, self.keys)
        columns |= {
            "parent": self.parent,
            "child": self.child,
            "subscriber": named(self.subscriber, self.subscribers),
            "consumer": named(self.consumer, self.consumers),
            "copy": self.copy,
            "attempt": self.attempt,
        }
        columns["sent"] = self.sent
        if np.any(self.partition >= 0):
            columns["written"] = self.written
            columns |= {"partition": self.partition, "offset": self.offset}
        columns |= {
            "delivered": self.delivered,
            "started": self.started,
            "finished": self.finished,
            "acked": self.acked,
            "ended": self.ended,
            "outcome": named(self.outcome, OUTCOMES),
            "reason": named(self.reason, REASONS),
            "effect": self.effect >= 0,
        }
        return pd.DataFrame(columns)


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
_TIMES = ("sent", "written", "delivered", "started", "finished", "acked", "ended")


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
        self._times = {name: array("d") for name in _TIMES}
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
        )  # in the order of _INTS and _TIMES
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
