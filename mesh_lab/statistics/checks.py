"""What every statistic asks of its arguments, and the one way it says no.

The message names the function, the argument, what was found (and where) and what is allowed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import StatisticsError

__all__ = ["Floats", "check_confidence", "check_probability", "finite_column", "mean_of", "student"]

Floats = NDArray[np.float64]


def finite_column(
    function: str, name: str, values: ArrayLike, *, at_least: int = 1, low: float | None = None
) -> Floats:
    """Return `values` as a one-dimensional float64 array, or say what is wrong with it.

    Parameters
    ----------
    function, name : str
        Who asks, and the argument's name: they begin the message.
    values : array_like, shape (n,)
        Numbers or truth values.
    at_least : int, optional
        The smallest length allowed.
    low : float, optional
        The smallest value allowed.

    Raises
    ------
    StatisticsError
        For anything but at least `at_least` finite numbers in one dimension.
    """
    given = np.asarray(values)
    where = f"{function}, {name}"
    if given.dtype.kind not in "biuf":
        raise StatisticsError(f"{where}: holds {given.dtype} values, but must hold numbers")
    if given.ndim != 1:
        raise StatisticsError(f"{where}: has {given.ndim} dimensions, but must have one")
    if given.size < at_least:
        noun = "value" if at_least == 1 else "values"
        raise StatisticsError(
            f"{where}: has {given.size}, but must have at least {at_least} {noun}"
        )
    column: Floats = given.astype(np.float64, copy=False)
    finite = np.isfinite(column)
    if not finite.all():
        i = int(np.argmin(finite))
        raise StatisticsError(f"{where}: is {float(column[i])} at index {i}, but must be finite")
    if low is not None and column.size and column.min() < low:
        i = int(np.argmax(column < low))
        raise StatisticsError(
            f"{where}: is {float(column[i])} at index {i}, but must be at least {low:g}"
        )
    return column


def check_confidence(function: str, confidence: float) -> float:
    """Return `confidence`, which must lie strictly between 0 and 1."""
    return _between(function, "confidence", confidence)


def check_probability(function: str, p: float) -> float:
    """Return the order `p` of a quantile, which must lie strictly between 0 and 1."""
    return _between(function, "p", p)


def _between(function: str, name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise StatisticsError(f"{function}, {name}: is {value!r}, but must be a number")
    if not 0 < value < 1:
        raise StatisticsError(f"{function}, {name}: is {value!r}, but must be between 0 and 1")
    return float(value)


def mean_of(column: Floats) -> float:
    """Return the mean, which is exact when all values are the same.

    Examples
    --------
    >>> column = np.full(3, 0.1)
    >>> float(column.mean()) == 0.1, mean_of(column) == 0.1
    (False, True)
    """
    first = float(column[0])
    return first + float((column - first).mean())


def student(confidence: float, degrees: float) -> float:
    """Return the two-sided Student t factor for `confidence` and degrees of freedom.

    Examples
    --------
    >>> round(student(0.95, 19), 3)
    2.093
    """
    from scipy.special import stdtrit  # scipy loads slowly, and only intervals need it

    return float(stdtrit(degrees, (1 + confidence) / 2))
