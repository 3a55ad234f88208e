"""A histogram for any number of positive values: the bin is the top bits of the float64.

A float64 is sign, 11 bits of exponent, 52 bits of mantissa.  Shifted right by 45 bits, it leaves
the exponent and 7 bits of mantissa: bins whose width is 1/128 of their lower edge or less, at
every magnitude, found without a logarithm.  A quantile read from the middle of a bin is off by
at most 1/256 of its value (0.4 %).  Counts add bin by bin, so merging loses nothing.
Number, sum, smallest and largest value are exact.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatisticsError
from .checks import Floats, finite_column
from .exact import exact_sum, from_parts, rounded, to_parts
from .quantiles import rank
from .window import Counts, Whole

__all__ = ["LogHistogram"]

SHIFT = 45
FIRST = 1 << 7  # the bin of the smallest normal float64, 2.2e-308; below it everything is 0
PENDING = 4096


class LogHistogram:
    """Counts of values in bins of equal relative width.

    Values below 2.2e-308 (the smallest normal float64) are counted as 0.

    Parameters
    ----------
    values : array_like, shape (n,), optional
        What to count at once: finite and not negative.

    Examples
    --------
    >>> import numpy as np
    >>> times = np.random.default_rng(1).exponential(0.02, 100_000)
    >>> histogram = LogHistogram(times[:60_000]).merge(LogHistogram(times[60_000:]))
    >>> histogram
    LogHistogram(n=100000, mean=0.01992, max=0.2421)
    >>> exact = float(np.quantile(times, 0.99, method="inverted_cdf"))
    >>> abs(histogram.quantile(0.99) / exact - 1) <= 1 / 256
    True
    """

    __slots__ = ("_counts", "_max", "_min", "_pending", "_total", "_zeros")

    def __init__(self, values: ArrayLike = ()) -> None:
        self._counts = Counts()
        self._zeros = 0  # apart, or the window of bins would begin at 0
        self._total = 0  # the sum of all values, as `exact_sum` counts it
        self._min = math.inf
        self._max = -math.inf
        self._pending: list[float] = []
        self.add(values if np.size(values) else np.zeros(0))

    def add(self, values: ArrayLike) -> None:
        """Count `values`, all at once.

        Parameters
        ----------
        values : array_like, shape (n,)
            Finite and not negative.

        Raises
        ------
        StatisticsError
            For a value that is negative or not finite; nothing is counted then.

        Examples
        --------
        >>> histogram = LogHistogram()
        >>> histogram.add([0.5, 0.25])
        >>> histogram.count, histogram.sum
        (2, 0.75)
        """
        column = finite_column("LogHistogram.add", "values", values, at_least=0, low=0.0)
        if not column.size:
            return
        self._min = min(self._min, float(column.min()))
        self._max = max(self._max, float(column.max()))
        self._total += exact_sum(column)
        # Adding 0 makes -0.0 the plain 0, whose bits are all 0.
        bins = (np.ascontiguousarray(column) + 0.0).view(np.int64) >> SHIFT
        tiny = bins < FIRST
        self._zeros += int(np.count_nonzero(tiny))
        self._counts.add(bins[~tiny])

    def add_one(self, value: float) -> None:
        """Count one value: the quick way when they come one by one.

        Parameters
        ----------
        value : float
            Finite and not negative.

        Raises
        ------
        StatisticsError
            For a value that is negative or not finite.

        Examples
        --------
        >>> histogram = LogHistogram()
        >>> for milliseconds in (3, 5, 4):
        ...     histogram.add_one(milliseconds / 1000)
        >>> histogram.quantile(0.5) == 0.004
        False
        >>> abs(histogram.quantile(0.5) / 0.004 - 1) <= 1 / 256
        True
        """
        if not 0.0 <= value < math.inf:
            raise StatisticsError(
                f"LogHistogram.add_one, value: is {value!r}, but must be finite and at least 0"
            )
        self._pending.append(float(value))
        if len(self._pending) >= PENDING:
            self._settle()

    def merge(self, other: LogHistogram) -> LogHistogram:
        """Count all that `other` holds too, and return this histogram.

        The result is the same, bit for bit, as if all values had been added to one.

        Examples
        --------
        >>> LogHistogram([1.0, 2.0]).merge(LogHistogram([3.0])) == LogHistogram([3.0, 1.0, 2.0])
        True
        """
        if not isinstance(other, LogHistogram):
            raise StatisticsError(
                f"LogHistogram.merge, other: is {type(other).__name__}, but must be a LogHistogram"
            )
        self._settle()
        other._settle()
        self._counts.add_counts(*other._counts.held())
        self._zeros += other._zeros
        self._total += other._total
        self._min = min(self._min, other._min)
        self._max = max(self._max, other._max)
        return self

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self._counts.counts.sum()) + self._zeros + len(self._pending)

    @property
    def sum(self) -> float:
        """The exact sum of all values, rounded once."""
        self._settle()
        return rounded(self._total)

    @property
    def mean(self) -> float:
        """The exact mean of all values, rounded once; NaN without values."""
        n = self.count
        self._settle()
        return rounded(self._total, n) if n else math.nan

    @property
    def min(self) -> float:
        """The smallest value; NaN without values."""
        self._settle()
        return self._min if self._min < math.inf else math.nan

    @property
    def max(self) -> float:
        """The largest value; NaN without values."""
        self._settle()
        return self._max if self._max >= 0 else math.nan

    def quantile(self, p: float) -> float:
        """Return the `p`-quantile, at most 0.4 % off.

        Parameters
        ----------
        p : float
            From 0 (the smallest value, exactly) to 1 (the largest, exactly).

        Returns
        -------
        float
            The middle of the bin that holds the value of rank ``ceil(p * count)``: off by at
            most 1/256 of it.  NaN without values.

        Raises
        ------
        StatisticsError
            For `p` outside 0 to 1.

        Examples
        --------
        >>> LogHistogram(range(1, 101)).quantile(1)
        100.0
        """
        if not 0 <= p <= 1:
            raise StatisticsError(f"LogHistogram.quantile, p: is {p!r}, but must be from 0 to 1")
        n = self.count
        if n == 0:
            return math.nan
        self._settle()
        place = rank(n, p)
        if place == 1:
            return self._min
        if place == n:
            return self._max
        if place <= self._zeros:
            return 0.0
        bins, counts = self._counts.held()
        i = int(np.searchsorted(np.cumsum(counts), place - self._zeros))
        middle = float(_edges(bins[i : i + 1], middle=True)[0])
        return min(max(middle, self._min), self._max)

    def ccdf(self) -> tuple[Floats, Floats]:
        """Return the points of the complementary distribution function, as `ccdf` does.

        Returns
        -------
        x : ndarray, shape (m,)
            Lower edges of the bins that hold values, increasing; the first is the smallest
            value.
        share : ndarray, shape (m,)
            The share of all values that are at least `x`, exactly.

        Examples
        --------
        >>> LogHistogram([1.0, 2.0, 2.0, 4.0]).ccdf()
        (array([1., 2., 4.]), array([1.  , 0.75, 0.25]))
        """
        bins, counts = self._held()
        if not counts.size:
            return np.zeros(0), np.zeros(0)
        x = np.where(bins < FIRST, 0.0, _edges(bins))
        x[0] = self._min
        share = np.cumsum(counts[::-1])[::-1] / counts.sum()
        return x, share

    def to_arrays(self) -> dict[str, Whole | Floats]:
        """Return all that it holds as four short arrays, for a file or another process.

        Returns
        -------
        dict of str to ndarray
            ``bins`` and ``counts`` (of the bins that hold values), ``sum`` (one to many float64
            that add up to it exactly), ``range`` (smallest and largest value).

        Examples
        --------
        >>> histogram = LogHistogram([0.1, 0.2, 0.2])
        >>> {name: array.size for name, array in histogram.to_arrays().items()}
        {'bins': 2, 'counts': 2, 'sum': 2, 'range': 2}
        >>> LogHistogram.from_arrays(**histogram.to_arrays()) == histogram
        True
        """
        bins, counts = self._held()
        return {
            "bins": bins,
            "counts": counts,
            "sum": np.array(to_parts(self._total)),
            "range": np.array([self._min, self._max]),
        }

    @classmethod
    def from_arrays(
        cls, bins: ArrayLike, counts: ArrayLike, sum: ArrayLike, range: ArrayLike
    ) -> LogHistogram:
        """Return the histogram that `to_arrays` took apart.

        Raises
        ------
        StatisticsError
            When `bins` and `counts` differ in length, or hold what no histogram can.
        """
        made = cls()
        places = np.asarray(bins, dtype=np.int64)
        held = np.asarray(counts, dtype=np.int64)
        limits = np.asarray(range, dtype=np.float64)
        if places.shape != held.shape or places.ndim != 1 or limits.shape != (2,):
            raise StatisticsError(
                f"LogHistogram.from_arrays: {places.size} bins, {held.size} counts, "
                f"{limits.size} limits, but must be as many counts as bins, and 2 limits"
            )
        if places.size and not (places.min() >= 0 and places.max() < 2047 << 7 and held.min() > 0):
            raise StatisticsError(
                f"LogHistogram.from_arrays, bins: must be from 0 to {(2047 << 7) - 1}, "
                "each with a count of at least 1"
            )
        low = places < FIRST
        made._zeros = int(held[low].sum())
        made._counts.add_counts(places[~low], held[~low])
        made._total = from_parts(np.asarray(sum, dtype=np.float64))
        made._min, made._max = float(limits[0]), float(limits[1])
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LogHistogram):
            return NotImplemented
        mine, theirs = self._held(), other._held()
        return (
            np.array_equal(mine[0], theirs[0])
            and np.array_equal(mine[1], theirs[1])
            and (self._total, self._min, self._max) == (other._total, other._min, other._max)
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"LogHistogram(n={self.count}, mean={self.mean:.4g}, max={self.max:.4g})"

    def _settle(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            self.add(pending)

    def _held(self) -> tuple[Whole, Whole]:
        self._settle()
        bins, counts = self._counts.held()
        if self._zeros:
            bins, counts = np.append([0], bins), np.append([self._zeros], counts)
        return bins, counts


def _edges(bins: Whole, middle: bool = False) -> Floats:
    """Return the lower edges of `bins`, or their middles."""
    bits = bins.astype(np.int64) << SHIFT
    edges: Floats = (bits | (1 << (SHIFT - 1)) if middle else bits).view(np.float64)
    return edges
