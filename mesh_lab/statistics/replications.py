"""Intervals from independent replications, and the comparison of two scenarios.

Replications are runs that differ in their seed only, so their means are independent, and as
averages of many requests nearly normal: Student's t applies.

Two scenarios are compared pair by pair.  When replication i of both meets the same customers
(common random numbers), most of the chance is the same on both sides and cancels in the
difference: Var(B - A) = Var(A) + Var(B) - 2 Cov(A, B).  See A. M. Law, Simulation Modeling and
Analysis.  Differences are always "b minus a", ratios "b over a": what
b changes for one who has a.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatisticsError
from .checks import Floats, check_confidence, finite_column, mean_of, student
from .interval import Interval

__all__ = [
    "independent_difference",
    "paired_difference",
    "paired_ratio",
    "replication_interval",
]

FEW = 5  # below this, nothing in the data could show that means are far from normal


def replication_interval(means: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean over independent replications with its Student t interval.

    Parameters
    ----------
    means : array_like, shape (n,)
        One number a replication (a mean, a percentile, a utilisation); at least 2.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    Interval
        ``trusted`` is False for fewer than 5 replications.

    Raises
    ------
    StatisticsError
        For fewer than 2 values, one that is not finite, or an impossible confidence.

    Examples
    --------
    >>> replication_interval([4.1, 3.9, 4.3, 4.0, 3.7])
    Interval(4 [3.722, 4.278], 95 %, n=5)
    """
    column = finite_column("replication_interval", "means", means, at_least=2)
    return _student_interval(column, check_confidence("replication_interval", confidence))


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the mean of ``b - a`` over pairs, with its Student t interval.

    Parameters
    ----------
    a, b : array_like, shape (n,)
        One number a replication, where ``a[i]`` and ``b[i]`` met the same customers; at
        least 2.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    Interval
        Above 0 if b is larger.  When 0 lies in it, the pairs do not tell which is.

    Raises
    ------
    StatisticsError
        For different lengths, fewer than 2 pairs, or a value that is not finite.

    Examples
    --------
    >>> before, after = [10.0, 20.0, 30.0, 40.0, 50.0], [11.1, 20.9, 31.0, 41.2, 50.8]
    >>> paired_difference(before, after)
    Interval(1 [0.8037, 1.196], 95 %, n=5)
    >>> 0.0 in independent_difference(before, after)
    True
    """
    first, second = _pairs("paired_difference", a, b)
    return _student_interval(second - first, check_confidence("paired_difference", confidence))


def paired_ratio(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the ratio of means ``mean(b) / mean(a)`` over pairs, with Fieller's interval.

    The limits are the ratios r for which ``mean(b - r * a)`` is not significantly different from
    0, and may lie unevenly around the estimate.  E. C. Fieller, "Some problems in interval
    estimation", Journal of the Royal Statistical Society B 16 (1954).

    Parameters
    ----------
    a, b : array_like, shape (n,)
        As for `paired_difference`.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    Interval
        Above 1 if b is larger.  When the mean of `a` is not clearly different from 0, no ratio is
        excluded: the limits are infinite and ``trusted`` is False.

    Raises
    ------
    StatisticsError
        For different lengths, fewer than 2 pairs, a value that is not finite, or a mean of
        `a` that is 0.

    Examples
    --------
    >>> paired_ratio([10.0, 20.0, 30.0, 40.0, 50.0], [11.1, 20.9, 31.0, 41.2, 50.8])
    Interval(1.033 [1.018, 1.103], 95 %, n=5)
    """
    first, second = _pairs("paired_ratio", a, b)
    check_confidence("paired_ratio", confidence)
    n = first.size
    x, y = float(first.mean()), float(second.mean())
    if x == 0:
        raise StatisticsError("paired_ratio, a: has mean 0, but a ratio needs another")
    t2 = student(confidence, n - 1) ** 2 / n / (n - 1)
    dx, dy = first - x, second - y
    # (y - r x)^2 <= t^2 Var(mean(b - r a)), a quadratic in r: square r^2 - 2 cross r + rest <= 0.
    square = x * x - t2 * float(dx @ dx)
    cross = x * y - t2 * float(dx @ dy)
    rest = y * y - t2 * float(dy @ dy)
    estimate = y / x
    if square <= 0:
        note = "the mean of a is not clearly different from 0, so no ratio is excluded"
        return Interval(estimate, -math.inf, math.inf, confidence, n, trusted=False, note=note)
    root = math.sqrt(max(0.0, cross * cross - square * rest))
    note = _few(n)
    return Interval(
        estimate,
        (cross - root) / square,
        (cross + root) / square,
        confidence,
        n,
        trusted=not note,
        note=note,
    )


def independent_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the difference of means ``b - a`` of unrelated replications (Welch's interval).

    For scenarios that did not meet the same customers; their numbers may differ.  B. L. Welch,
    "The generalization of Student's problem", Biometrika 34 (1947).

    Parameters
    ----------
    a, b : array_like, shape (n,), (m,)
        One number a replication; at least 2 of each.
    confidence : float, optional
        Between 0 and 1.

    Raises
    ------
    StatisticsError
        For fewer than 2 values of either, or one that is not finite.

    Examples
    --------
    >>> independent_difference([10.0, 11.0, 9.0, 10.5, 9.5], [12.0, 12.5, 11.5, 13.0, 11.0])
    Interval(2 [0.847, 3.153], 95 %, n=10)
    """
    name = "independent_difference"
    first = finite_column(name, "a", a, at_least=2)
    second = finite_column(name, "b", b, at_least=2)
    check_confidence(name, confidence)
    u, v = first.var(ddof=1) / first.size, second.var(ddof=1) / second.size
    difference = float(second.mean() - first.mean())
    half = 0.0
    if u + v > 0:
        degrees = (u + v) ** 2 / (u * u / (first.size - 1) + v * v / (second.size - 1))
        half = student(confidence, float(degrees)) * math.sqrt(u + v)
    note = _few(min(first.size, second.size))
    return Interval(
        difference,
        difference - half,
        difference + half,
        confidence,
        first.size + second.size,
        trusted=not note,
        note=note,
    )


def _pairs(function: str, a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    first = finite_column(function, "a", a, at_least=2)
    second = finite_column(function, "b", b, at_least=2)
    if first.size != second.size:
        raise StatisticsError(
            f"{function}, b: has {second.size} values, but a has {first.size}: pairs are needed"
        )
    return first, second


def _student_interval(column: Floats, confidence: float) -> Interval:
    n = column.size
    mean = mean_of(column)
    spread = float(np.sum((column - mean) ** 2)) / (n - 1)
    half = student(confidence, n - 1) * math.sqrt(spread / n)
    note = _few(n)
    return Interval(mean, mean - half, mean + half, confidence, n, trusted=not note, note=note)


def _few(n: int) -> str:
    return "" if n >= FEW else f"{n} replications are few: make it at least {FEW}"
