"""The mean of a run that keeps no rows, with its batch-means interval.

Batch means need only sums over short stretches of the run, not the values.  Stretches of equal
length are kept, each the sum of `size` values; when there are 1920 of them, neighbours are added
in pairs and `size` doubles.  So between 960 and 1920 stretches cover the run, however long it gets,
and `batch_means` on their means is what it would be on the values, but for where batches begin.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatisticsError
from .batches import BATCHES, batch_means
from .checks import Floats, finite_column
from .interval import Interval

__all__ = ["RunningMean"]

STRETCHES = 1920
PENDING = 4096


class RunningMean:
    """The mean of values that come one by one, or in pieces, in the order of time.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(1).normal(5.0, 1.0, 100_000)
    >>> mean = RunningMean()
    >>> mean.add(values[:30_000])
    >>> mean.add(values[30_000:])
    >>> mean.interval()
    Interval(4.995 [4.99, 5], 95 %, n=100000)
    """

    __slots__ = ("_count", "_kept", "_open", "_pending", "_size", "_sums")

    def __init__(self) -> None:
        self._count = 0
        self._size = 1  # values in a stretch
        self._sums: Floats = np.zeros(STRETCHES)
        self._kept = 0  # how many stretches are complete
        self._open: list[float] = []  # sums of parts of the stretch that is not
        self._pending: list[float] = []

    def add_one(self, value: float) -> None:
        """Count one value: the quick way when they come one by one.

        Raises
        ------
        StatisticsError
            For a value that is not finite.
        """
        if not -math.inf < value < math.inf:
            raise StatisticsError(f"RunningMean.add_one, value: is {value!r}, but must be finite")
        self._pending.append(value)
        if len(self._pending) >= PENDING:
            self._settle()

    def add(self, values: ArrayLike) -> None:
        """Count `values`, which follow in time on those before.

        Raises
        ------
        StatisticsError
            For a value that is not finite; nothing is counted then.
        """
        column = finite_column("RunningMean.add", "values", values, at_least=0)
        self._settle()
        self._take(column)

    @property
    def count(self) -> int:
        """How many values were counted."""
        return self._count + len(self._pending)

    @property
    def size(self) -> int:
        """How many values a stretch holds by now, a power of 2."""
        self._settle()
        return self._size

    @property
    def mean(self) -> float:
        """The mean of all values; NaN without values."""
        self._settle()
        if not self._count:
            return math.nan
        return math.fsum([*self._sums[: self._kept].tolist(), *self._open]) / self._count

    def interval(self, confidence: float = 0.95, *, batches: int = BATCHES) -> Interval:
        """Return the mean with its interval, as `batch_means` does.

        Raises
        ------
        StatisticsError
            For fewer than 2 values, or an impossible argument.
        """
        self._settle()
        if self._count < 2:
            raise StatisticsError(
                f"RunningMean.interval: has {self._count}, but must have at least 2 values"
            )
        found = batch_means(self._sums[: self._kept] / self._size, confidence, batches=batches)
        # Up to one stretch at the end is in the mean, but not yet in the spread.
        half, mean = found.half_width, self.mean
        return dataclasses.replace(
            found, estimate=mean, low=mean - half, high=mean + half, n=self._count
        )

    def __repr__(self) -> str:
        self._settle()
        return f"RunningMean({self.mean:.4g}, n={self._count})"

    def _settle(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            self._take(np.asarray(pending, dtype=np.float64))

    def _take(self, column: Floats) -> None:
        while column.size:
            missing = self._size - self._count % self._size if self._open else self._size
            if self._open or column.size < self._size:
                part, column = column[:missing], column[missing:]
                self._open.append(float(part.sum()))
                self._count += part.size
                if part.size == missing:
                    self._complete(np.array([math.fsum(self._open)]))
                    self._open = []
            else:
                fitting = min(column.size // self._size, STRETCHES - self._kept)
                whole, column = column[: fitting * self._size], column[fitting * self._size :]
                self._count += whole.size
                self._complete(whole.reshape(fitting, self._size).sum(axis=1))

    def _complete(self, sums: Floats) -> None:
        self._sums[self._kept : self._kept + sums.size] = sums
        self._kept += sums.size
        if self._kept == STRETCHES:
            self._kept //= 2
            self._sums[: self._kept] = self._sums[0::2] + self._sums[1::2]
            self._size *= 2
