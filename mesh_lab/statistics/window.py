"""Counts over whole-numbered bins, kept for the stretch of bins that occurs and no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counts", "Whole"]

Whole = NDArray[np.int64]


class Counts:
    """How often each bin occurred, in one array that covers the first to the last that did.

    Examples
    --------
    >>> counts = Counts()
    >>> counts.add(np.array([7, 5, 7]))
    >>> counts.held()
    (array([5, 7]), array([1, 2]))
    """

    __slots__ = ("base", "counts")

    def __init__(self) -> None:
        self.base = 0
        self.counts: Whole = np.zeros(0, dtype=np.int64)

    def add(self, bins: Whole) -> None:
        """Count each of `bins` once."""
        if bins.size:
            self._cover(int(bins.min()), int(bins.max()) + 1)
            self.counts += np.bincount(bins - self.base, minlength=self.counts.size)

    def add_counts(self, bins: Whole, counts: Whole) -> None:
        """Add `counts`, one for each of `bins`."""
        if bins.size:
            self._cover(int(bins.min()), int(bins.max()) + 1)
            np.add.at(self.counts, bins - self.base, counts)

    def held(self) -> tuple[Whole, Whole]:
        """Return the bins that occurred, increasing, and how often."""
        filled = np.flatnonzero(self.counts)
        return filled + self.base, self.counts[filled]

    def _cover(self, low: int, high: int) -> None:
        if self.counts.size:
            low = min(low, self.base)
            high = max(high, self.base + self.counts.size)
            if high - low == self.counts.size:
                return
        wider = np.zeros(high - low, dtype=np.int64)
        if self.counts.size:
            at = self.base - low
            wider[at : at + self.counts.size] = self.counts
        self.base, self.counts = low, wider
