"""A long step function, summed up column by column without hiding a peak.

A run of a million requests changes more often than a figure has pixels.  Drawing every n-th change
would lose peaks, and drawing all of them makes a solid block, of which only the top can be read.
So each column of the figure shows three numbers: the lowest and the highest value that the
function held in it, and its average over the column's time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .given import Floats

__all__ = ["Envelope", "clipped", "envelope"]


@dataclass(frozen=True)
class Envelope:
    """What a step function did in each column.

    Parameters
    ----------
    edges : array, shape (n + 1,)
        Where the columns begin, and where the last ends.
    low, high, mean : array, shape (n,)
        The lowest and highest value in each column, and the time average.
    """

    edges: Floats
    low: Floats
    high: Floats
    mean: Floats


def clipped(
    time: Floats, values: NDArray[np.int64], start: float, end: float
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the part of a step function between two times, with its values at both.

    Parameters
    ----------
    time : array, shape (n,)
        When it changes, increasing; before the first it is as at the first.
    values : array, shape (n,)
        The value from each time until the next.
    start, end : float
        The stretch of time.

    Examples
    --------
    >>> import numpy as np
    >>> clipped(np.array([0.0, 1.0, 4.0]), np.array([0, 2, 1]), 0.5, 3.0)
    (array([0.5, 1. , 3. ]), array([0, 2, 2]))
    """
    first = int(np.searchsorted(time, start, side="right"))
    last = int(np.searchsorted(time, end, side="left"))
    inner = slice(first, last)
    ends = _held(time, values, np.array([start, np.nextafter(end, start)]))
    return (
        np.concatenate([[start], time[inner], [end]]),
        np.concatenate([ends[:1], values[inner], ends[1:]]),
    )


def envelope(
    time: Floats, values: NDArray[np.int64], start: float, end: float, columns: int
) -> Envelope:
    """Return the lowest, the highest and the average value in each of equal columns.

    Parameters
    ----------
    time, values : array, shape (n,)
        A step function, as for `clipped`.
    start, end : float
        The stretch of time.
    columns : int
        How many columns.

    Examples
    --------
    >>> import numpy as np
    >>> queue = envelope(np.array([0.0, 1.0, 3.0]), np.array([0, 5, 1]), 0.0, 4.0, 2)
    >>> queue.low, queue.high, queue.mean
    (array([0., 1.]), array([5., 5.]), array([2.5, 3. ]))
    """
    edges = np.linspace(start, end, columns + 1)
    inner = time[(time > start) & (time < end)]
    times = np.unique(np.concatenate([edges[:-1], inner]))
    held = _held(time, values, times).astype(np.float64)
    begins = np.searchsorted(times, edges[:-1])
    area = np.concatenate([[0.0], np.cumsum(held * np.diff(np.append(times, end)))])
    until = np.append(begins[1:], len(times))
    return Envelope(
        edges=edges,
        low=np.minimum.reduceat(held, begins),
        high=np.maximum.reduceat(held, begins),
        mean=(area[until] - area[begins]) / np.diff(edges),
    )


def _held(time: Floats, values: NDArray[np.int64], at: Floats) -> NDArray[np.int64]:
    """Return the values that a step function has at given times."""
    return np.asarray(values[np.maximum(np.searchsorted(time, at, side="right") - 1, 0)])
