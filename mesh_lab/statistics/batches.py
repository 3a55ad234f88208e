"""Intervals from one run: the method of batch means, and whether the run is long enough for it.

A run is cut into 20 batches.  If each is much longer than the memory of the system, the batch
means are nearly independent and nearly normal, and Student's t on them gives the interval.

Why 20: with the run's length fixed, more batches gain little (t at 19 degrees of freedom is 2.09,
at infinity 1.96) while each gets shorter and depends more on its neighbour.  Twenty to thirty is
the usual advice, after B. Schmeiser, "Batch size effects in the analysis of simulation output",
Operations Research 30 (1982), as the manual of SIGMA gives it.

Whether the batches are long enough cannot be seen on 20 means: a lag-one correlation is then known
to 0.2 only.  Adam and Klein (European Journal of Operational Research, November 1989) ask for at
least 100 batches when testing it.  So every batch is cut again into 12 and von Neumann's ratio
is taken over these 240: their correlation may be at most 0.3.  Where correlation decays
exponentially this means batches of about 30 relaxation times or more, and a variance that is at
most 3 % too small.

Measured on M/M/1 waits (loads 0.3 to 0.9) and a first-order autoregression, 400 runs of each: runs
worth 500 to 1000 independent values are trusted in 93 to 100 of 100, and nominal 95 % intervals
hold the truth in 92 to 95.  Runs worth 50 or less are never trusted (of the queue, 77 to 90 hold).
In between the verdict wavers: worth 200, a third to a half of the queue's runs pass, and of those
82 hold, because a run that missed the long busy stretches shows neither them nor their memory.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatisticsError
from .checks import Floats, check_confidence, finite_column, mean_of, student
from .interval import Interval

__all__ = ["batch_means", "von_neumann_ratio"]

BATCHES = 20
PIECES = 12  # into which every batch is cut again to see whether batches are long enough
CORRELATION = 0.3  # allowed between neighbouring pieces


def batch_means(values: ArrayLike, confidence: float = 0.95, *, batches: int = BATCHES) -> Interval:
    """Return the mean of one run with an interval that allows for dependent values.

    Parameters
    ----------
    values : array_like, shape (n,)
        What was observed after the warm-up, in the order of time; at least 2 values.
    confidence : float, optional
        Between 0 and 1.
    batches : int, optional
        How many batches, at least 2; 20 unless there is a reason.  Their sizes differ by at most
        one value, so that all values count.

    Returns
    -------
    Interval
        ``trusted`` is False when there are fewer than ``12 * batches`` values, or when twelfths
        of a batch are still correlated by more than 0.3: the run is too short to tell.  ``note``
        then says so, and about how much longer it should be.

    Raises
    ------
    StatisticsError
        For fewer than 2 values, one that is not finite, or an impossible argument.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> batch_means(rng.normal(5.0, 1.0, 10_000))
    Interval(4.989 [4.963, 5.015], 95 %, n=10000)
    >>> drunkard = np.cumsum(rng.normal(0.0, 1.0, 10_000))
    >>> batch_means(drunkard).trusted
    False
    """
    column = finite_column("batch_means", "values", values, at_least=2)
    check_confidence("batch_means", confidence)
    check_batches("batch_means", batches)
    k = min(batches, column.size)
    mean = mean_of(column)
    half = student(confidence, k - 1) * math.sqrt(batched_variance(column, k, mean))
    note = too_short(column, batches)
    return Interval(
        mean, mean - half, mean + half, confidence, column.size, trusted=not note, note=note
    )


def von_neumann_ratio(values: ArrayLike) -> float:
    """Return the mean square of successive differences over the variance.

    It is near 2 for independent values and 2 * (1 - r) for a correlation r between neighbours.
    J. von Neumann, "Distribution of the ratio of the mean square successive difference to the
    variance", Annals of Mathematical Statistics 12 (1941).

    Parameters
    ----------
    values : array_like, shape (n,)
        At least 3 values that are not all the same.

    Returns
    -------
    float
        ``sum((x[i+1] - x[i])**2) / sum((x[i] - mean)**2)``.

    Raises
    ------
    StatisticsError
        For fewer than 3 values, one that is not finite, or values that are all the same.

    Examples
    --------
    >>> round(von_neumann_ratio([1, 2, 3, 4, 5]), 3)
    0.4
    >>> round(von_neumann_ratio([1, 5, 2, 6, 1, 5]), 3)
    3.237
    """
    column = finite_column("von_neumann_ratio", "values", values, at_least=3)
    ratio = _ratio(column)
    if ratio is None:
        raise StatisticsError(
            f"von_neumann_ratio, values: are all {float(column[0])}, but must not all be the same"
        )
    return ratio


def check_batches(function: str, batches: int) -> None:
    """Refuse a number of batches that gives no spread."""
    if isinstance(batches, bool) or not isinstance(batches, int | np.integer) or batches < 2:
        raise StatisticsError(
            f"{function}, batches: is {batches!r}, but must be a whole number of at least 2"
        )


def batched_variance(column: Floats, batches: int, mean: float) -> float:
    """Return the variance of the mean of `column`, estimated from the spread of its batches."""
    # Deviations first: the batch means of a constant would not all be equal to the last bit.
    means, sizes = _batched(column - mean, batches)
    spread = float(np.sum(sizes * means**2))
    return spread / (batches - 1) / column.size


def too_short(column: Floats, batches: int) -> str:
    """Return why `column` is too short for this many batches, or nothing."""
    pieces = PIECES * batches
    if column.size < pieces:
        return f"too short to tell: {column.size} values, but {batches} batches need {pieces}"
    ratio = _ratio(_batched(column, pieces)[0])
    correlation = 0.0 if ratio is None else 1 - ratio / 2
    if correlation <= CORRELATION:
        return ""
    longer = _lengths(CORRELATION) / _lengths(correlation)
    times = f"{math.ceil(longer)} times" if longer < 50 else "more than 50 times"
    return (
        f"too short to tell: twelfths of a batch are correlated by {correlation:.2f} "
        f"(at most {CORRELATION}); make the run about {times} longer"
    )


def _batched(column: Floats, batches: int) -> tuple[Floats, Floats]:
    edges = np.arange(batches + 1) * column.size // batches
    sizes = np.diff(edges).astype(np.float64)
    return np.add.reduceat(column, edges[:-1]) / sizes, sizes


def _ratio(column: Floats) -> float | None:
    deviation = column - column.mean()
    spread = float(deviation @ deviation)
    # Sums of equal values may differ in the last bits: that is no spread.
    if spread <= column.size * (1e-14 * float(np.abs(column).max())) ** 2:
        return None
    steps = np.diff(column)
    return float(steps @ steps) / spread


def _lengths(correlation: float) -> float:
    """Return how many relaxation times long pieces are whose means are correlated so.

    For a correlation of exp(-t), means over neighbouring stretches of length u are correlated by
    (1 - exp(-u))**2 / (2 * (u - 1 + exp(-u))), which falls from 1 to 0; solved by halving.
    """
    low, high = 1e-4, 1e4
    for _ in range(60):
        u = math.sqrt(low * high)
        if math.expm1(-u) ** 2 / (2 * (u + math.expm1(-u))) > correlation:
            low = u
        else:
            high = u
    return high
