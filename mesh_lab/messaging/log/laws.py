"""The laws that every run of a partitioned log obeys.

- Order of times: nothing can be read before it was sent, is delivered before it can be read,
  started before it was delivered, finished before it was started, or committed before it was
  delivered; only what was finished has an effect.
- Offsets go forwards: the records of a partition come to a group for the first time in the order
  of their offsets, and those of one partition that can be read were written in that order.
- One at a time: a record is given to somebody again no earlier than it was given the last time, and
  attempts are counted from 1 without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..deliveries import DeliveryColumns

__all__ = ["broken_log_laws"]


def broken_log_laws(
    c: DeliveryColumns, group: str, *, unclean: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield (law, what breaks it) for the rows of one consumer group.

    Parameters
    ----------
    unclean : bool
        Whether offsets may be used again, because a leader that was not in sync had less.
    """
    if group not in c.subscribers:
        return
    rows = np.flatnonzero((c.subscriber == c.subscribers.index(group)) & (c.attempt > 0))
    for before, after, text in (
        (c.sent, c.written, "to be read before it was sent"),
        (c.written, c.delivered, "delivered before it could be read"),
        (c.delivered, c.started, "started before it was delivered"),
        (c.started, c.finished, "finished before it was started"),
        (c.delivered, c.acked, "committed before it was delivered"),
    ):
        if np.any(~np.isnan(after[rows]) & ~(after[rows] >= before[rows])):
            yield "order of times", f"a record of {group!r} was {text}"
    if np.any((c.effect[rows] >= 0) & np.isnan(c.finished[rows])):
        yield "order of times", f"a record of {group!r} that was not finished had an effect"
    if unclean:
        return
    first = rows[c.attempt[rows] == 1]
    order = first[np.argsort(c.partition[first], kind="stable")]  # else in order of delivery
    same = np.diff(c.partition[order]) == 0
    if np.any(same & (np.diff(c.offset[order]) <= 0)):
        yield "offsets go forwards", f"a partition was not given to {group!r} in order"
    if np.any(same & (np.diff(c.written[order]) < 0)):
        yield "offsets go forwards", "a record could be read before one that stands before it"
    order = rows[np.lexsort((rows, c.offset[rows], c.partition[rows]))]
    same = (np.diff(c.partition[order]) == 0) & (np.diff(c.offset[order]) == 0)
    if np.any(same & (np.diff(c.attempt[order]) != 1)):
        yield "one at a time", f"attempts of a record of {group!r} are not counted one by one"
    if np.any(same & (np.diff(c.delivered[order]) < 0)):
        yield "one at a time", f"a later attempt was delivered to {group!r} before an earlier one"
