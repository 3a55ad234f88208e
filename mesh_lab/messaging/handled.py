"""How soon events were handled: what a consumer, or a group, did for those who wait for it.

An event counts from when it was published until its first handling with effect has ended, whatever
attempts, copies and pauses lie between.  What was never handled is not here but in the report
(`mesh_lab.messaging.report`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .base import Subscriber
from .deliveries import DeliveryColumns
from .log.group import ConsumerGroup
from .report import events_of

__all__ = ["Handled", "busy_share", "handled"]

Floats = NDArray[np.float64]


class Handled(NamedTuple):
    """The events that were handled, in the order in which they were published.

    Attributes
    ----------
    published, started, finished : array of float
        Seconds: when each was published; when the handling that had its effect began and ended.
    """

    published: Floats
    started: Floats
    finished: Floats


def handled(c: DeliveryColumns, part: Subscriber) -> Handled:
    """Return what a consumer or a consumer group has handled."""
    is_group = isinstance(part, ConsumerGroup)
    events = events_of(c, c.subscribers.index(part.name if is_group else part.source))
    done = c.effect[events.rows] >= 0
    rows, of = events.rows[done], events.of[done]
    in_time = np.argsort(c.effect[rows])
    event, first = np.unique(of[in_time], return_index=True)
    row = rows[in_time][first]
    if not is_group:
        mine = c.consumer[row] == c.consumers.index(part.name)
        event, row = event[mine], row[mine]
    return Handled(c.sent[events.first[event]], c.started[row], c.finished[row])


def busy_share(c: DeliveryColumns, part: Subscriber, begin: float, end: float) -> float:
    """Return the share of its workers' time, from `begin` to `end`, that a part has worked.

    A group has as many workers as it has members at the beginning.
    """
    if isinstance(part, ConsumerGroup):
        mine, workers = c.subscriber == c.subscribers.index(part.name), part.members
    else:
        mine, workers = c.consumer == c.consumers.index(part.name), getattr(part, "workers", 1)
    mine &= ~np.isnan(c.started)
    # what was interrupted has ended all the same; what is in work goes on
    finished = np.where(np.isnan(c.finished[mine]), c.ended[mine], c.finished[mine])
    finished = np.where(np.isnan(finished), np.inf, finished)
    worked = np.clip(finished, begin, end) - np.clip(c.started[mine], begin, end)
    if not workers or end <= begin:
        return float("nan")
    return float(np.sum(worked)) / (workers * (end - begin))
