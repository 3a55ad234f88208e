"""How many waited and how many were served over time, worked out from the rows of a run.

A visit waits from when it is let in until it starts, and holds a worker until it leaves; an
asynchronous worker is free as soon as its work is done.  Where waiting and being served mix
(``"ps"``, ``"preemptive"``), as many as there are workers are served of those that are there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .messaging.deliveries import DeliveryColumns

__all__ = ["Steps", "added", "events_over_time", "over_time"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Steps(NamedTuple):
    """Numbers that hold from a time until the next one.

    Attributes
    ----------
    time : numpy.ndarray, shape (n,), float64
        Seconds; unique, increasing, the first 0.
    waiting, busy : numpy.ndarray, shape (n,), int64
        How many waited, and how many workers were held.
    """

    time: Floats
    waiting: Counts
    busy: Counts


def over_time(columns: Columns, here: NDArray[np.bool_], *, shared_by: int | None = None) -> Steps:
    """Return how many of some visits waited and were served over time.

    Parameters
    ----------
    columns : Columns
        Of the run.
    here : numpy.ndarray, shape (visits,), bool
        Which visits.
    shared_by : int, optional
        The number of workers where waiting and being served mix.
    """
    here = here & ~np.isnan(columns.arrival)
    into, begun, out = columns.arrival[here], columns.start[here], columns.finish[here]
    if shared_by is not None:
        time, there, _ = _counted((into, 1, 0), (out, -1, 0))
        busy = np.minimum(there, shared_by)
        return Steps(time, there - busy, busy)
    freed = out
    if columns.worked is not None:
        worked = columns.worked[here]
        freed = np.where(np.isnan(worked), out, worked)
    left_waiting = np.where(np.isnan(begun), out, begun)
    return _counted(
        (into, 1, 0), (left_waiting, -1, 0), (begun, 0, 1), (freed[~np.isnan(begun)], 0, -1)
    )


def events_over_time(c: DeliveryColumns, subscriber: str) -> Steps:
    """Return how many events waited in a message queue, and how many were in work, over time.

    An event waits from being stored, or coming back, until a consumer has it; in work is also what
    a consumer handles whose event the queue has given to another.
    """
    here = (c.subscriber == c.subscribers.index(subscriber)) & ~np.isnan(c.written)
    mine = c.subscriber == c.subscribers.index(subscriber)
    into, got = c.written[here], c.delivered[here]
    begun, done = c.started[mine], c.finished[mine]
    left_waiting = np.where(np.isnan(got), c.ended[here], got)
    freed = np.where(np.isnan(done), c.ended[mine], done)[~np.isnan(begun)]
    return _counted((into, 1, 0), (left_waiting, -1, 0), (begun, 0, 1), (freed, 0, -1))


def added(steps: list[Steps]) -> Steps:
    """Return the sum of what is there at several endpoints."""
    return _cumulated(
        np.concatenate([each.time for each in steps]),
        np.concatenate([np.diff(each.waiting, prepend=0) for each in steps]),
        np.concatenate([np.diff(each.busy, prepend=0) for each in steps]),
    )


def _counted(*changes: tuple[Floats, int, int]) -> Steps:
    """Add up changes (of those that wait, of those that are served) at given times; NaN: never."""
    times = np.concatenate([[0.0], *(t for t, _, _ in changes)])
    waiting = np.concatenate([[0], *(np.full(len(t), a) for t, a, _ in changes)])
    busy = np.concatenate([[0], *(np.full(len(t), b) for t, _, b in changes)])
    came = ~np.isnan(times)
    return _cumulated(times[came], waiting[came], busy[came])


def _cumulated(times: Floats, waiting: Counts, busy: Counts) -> Steps:
    order = np.argsort(times, kind="stable")
    times = times[order]
    last = np.append(times[1:] != times[:-1], True)  # what holds after all of one instant
    return Steps(times[last], np.cumsum(waiting[order])[last], np.cumsum(busy[order])[last])
