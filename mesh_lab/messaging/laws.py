"""The laws that every run of queues and topics obeys.

- Order of times: nothing is delivered before it was sent, started before it was delivered,
  finished before it was started; only what was finished has an effect.
- Conservation: every copy of an event that a queue got has ended there (acknowledged, skipped,
  moved, expired, lost or turned away), was handled, or is still in flight; and where it has ended,
  nobody waits for it any more.
- One at a time: of one copy, an attempt is sent no earlier than the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from . import deliveries as say
from .deliveries import DeliveryColumns

__all__ = ["ENDS", "broken_laws", "hidden"]

ENDS = (
    say.ACKED,
    say.DUPLICATE,
    say.DEAD_LETTERED,
    say.EXPIRED,
    say.LOST,
    say.REJECTED,
    say.UNAVAILABLE,
    say.UNROUTABLE,
    say.REDRIVEN,
)
_COMES_AGAIN = (say.NACKED, say.CRASHED, say.RETURNED, say.DROPPED)


def hidden(c: DeliveryColumns, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows tell of what will come again, but is not visible yet when the run ends.

    Nobody has it, and there is no next attempt that could be in flight: it is still in its queue.
    """
    of, copies = _copies(c, rows)
    last = np.zeros(copies, dtype=np.int64)
    last[of] = np.arange(len(rows))  # of equal indices, the last assignment is kept
    found = np.zeros(len(rows), dtype=bool)
    found[last] = True
    return found & np.isin(c.outcome[rows], _COMES_AGAIN) & (c.partition[rows] < 0)


def _copies(c: DeliveryColumns, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Return which copy of an event each row is about, by number, and how many there are."""
    names = np.stack(
        [c.subscriber[rows], c.source[rows], c.number[rows], c.copy[rows]], axis=1
    ).astype(np.int64)
    _, of = np.unique(names, axis=0, return_inverse=True)
    return of.reshape(-1), int(of.max(initial=-1)) + 1


def broken_laws(c: DeliveryColumns, subscribers: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (law, what breaks it) for the rows of some queues and topics."""
    known = [c.subscribers.index(name) for name in subscribers]
    mine = np.isin(c.subscriber, known)
    for before, after, text in (
        (c.sent, c.delivered, "delivered before it was sent"),
        (c.delivered, c.started, "started before it was delivered"),
        (c.started, c.finished, "finished before it was started"),
        (c.sent, c.acked, "acknowledged before it was sent"),
    ):
        if np.any(mine & (after < before)):
            yield "order of times", f"an event was {text}"
    if np.any(mine & (c.effect >= 0) & np.isnan(c.finished)):
        yield "order of times", "an event that was not finished had an effect"
    rows = np.flatnonzero(mine)
    of, copies = _copies(c, rows)

    def has(found: np.ndarray) -> np.ndarray:
        return np.bincount(of, weights=found, minlength=copies) > 0

    outcome = c.outcome[rows]
    ended = has(np.isin(outcome, ENDS))
    handled = has(c.effect[rows] >= 0)
    flying = has((outcome == say.IN_FLIGHT) | hidden(c, rows))
    if not np.all(ended | handled | flying):
        yield "conservation", "an event has neither ended nor is it in flight"
    undelivered = has((outcome == say.IN_FLIGHT) & np.isnan(c.delivered[rows]))
    gone = has(np.isin(outcome, (say.DEAD_LETTERED, say.EXPIRED, say.REDRIVEN)))
    if np.any(gone & undelivered):
        yield "conservation", "an event is gone from its queue and waits there"
    order = np.lexsort((c.attempt[rows], of))
    same = np.diff(of[order]) == 0
    if np.any(same & (np.diff(c.sent[rows][order]) < 0.0)):
        yield "one at a time", "a later attempt was sent before an earlier one"
