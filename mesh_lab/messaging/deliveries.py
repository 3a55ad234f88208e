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

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..ledger import latest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OUTCOMES", "REASONS", "TIMES", "DeliveryColumns"]

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

# columns of seconds
TIMES = ("sent", "written", "delivered", "started", "finished", "acked", "ended")

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
    sent, written, delivered, started, finished, acked, ended : array of float
        Seconds; NaN for what never came.  `written` is when it was stored, or could be read from a
        log; `ended` when it got its outcome.
    outcome, reason : array of int8
        Indices in `OUTCOMES` and `REASONS`.
    effect : array of int64
        -1, or the place of the handling among all that took effect, in order of time.
    sources, keys, subscribers, consumers : tuple of str
        The names that the indices stand for.
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
            if name in TIMES:
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
        return max(map(latest, times))

    @classmethod
    def arrays(cls) -> list[str]:
        """Return the names of the arrays."""
        return [f.name for f in fields(cls)][: -len(cls.names())]

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the lists of names."""
        return ["sources", "keys", "subscribers", "consumers"]

    def frame(self, *, logs: bool) -> pd.DataFrame:
        """Return the rows as a table; see `mesh_lab.Run.deliveries`.

        `logs` says whether there are columns for the place in a log.
        """
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
        if logs:
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
