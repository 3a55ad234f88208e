"""Arguments of the statistics of experiments, checked before anything is computed.

As in `mesh_lab.theory`: the error names the function, the argument, the value and what is allowed.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError

__all__ = ["Column", "between", "choice", "column", "count", "number", "pair", "positive", "wrong"]

Column = NDArray[np.float64]

MOST = 10**15  # beyond it floats skip whole numbers


def wrong(function: str, argument: str, value: object, allowed: str) -> PartError:
    """Return the error for one bad argument: who was asked, what was given, what is allowed."""
    return PartError(f"experiments.{function}", argument, f"is {value!r}, but must be {allowed}")


def number(function: str, argument: str, value: object) -> float:
    """Return `value` as a finite float, or raise the error that names it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise wrong(function, argument, value, "a finite number")
    found = float(value)
    if not math.isfinite(found):
        raise wrong(function, argument, found, "a finite number")
    return found


def positive(function: str, argument: str, value: object) -> float:
    """Return `value` as a float above 0, or raise the error that names it."""
    found = number(function, argument, value)
    if found <= 0.0:
        raise wrong(function, argument, value, "a finite number above 0")
    return found


def between(
    function: str, argument: str, value: object, *, ends: bool = False, low: float = 0.0
) -> float:
    """Return a share between `low` and 1; `ends` says whether these two are allowed."""
    allowed = f"between {low:g} and 1" + (", ends included" if ends else "")
    found = number(function, argument, value)
    if not (low <= found <= 1.0 if ends else low < found < 1.0):
        raise wrong(function, argument, value, allowed)
    return found


def count(function: str, argument: str, value: object, least: int = 1, most: int = MOST) -> int:
    """Return `value` as a whole number from `least` on, or raise the error that names it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise wrong(function, argument, value, f"a whole number, {least} or more")
    if int(value) > most:
        raise wrong(function, argument, value, f"a whole number from {least} to {most}")
    return int(value)


def choice(function: str, argument: str, value: object, allowed: tuple[object, ...]) -> None:
    """Refuse a value that is not one of a few."""
    if isinstance(value, bool) or value not in allowed:
        raise wrong(function, argument, value, " or ".join(map(repr, allowed)))


def pair(function: str, argument: str, value: object) -> tuple[object, object]:
    """Return the entries for the control and for the candidate, or raise the error."""
    if isinstance(value, np.ndarray):
        value = list(value)
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise wrong(function, argument, value, "two entries, the control first")
    return value[0], value[1]


def column(
    function: str, argument: str, values: object, *, least: int = 1, whole: bool = False
) -> Column:
    """Return `values` as a one-dimensional array of at least `least` finite numbers."""
    given = np.asarray(values)
    where = f"experiments.{function}"
    if given.dtype.kind not in "iuf" or given.ndim != 1:
        raise wrong(function, argument, values, "a sequence of numbers")
    if given.size < least:
        raise PartError(where, argument, f"has {given.size} values, but must have {least} or more")
    found: Column = given.astype(np.float64)
    fine = np.isfinite(found)
    if whole:
        fine &= (found >= 0.0) & (found == np.floor(found))
    if not fine.all():
        i = int(np.argmin(fine))
        allowed = "a whole number, 0 or more" if whole else "finite"
        raise PartError(where, argument, f"is {found[i]:g} at index {i}, but must be {allowed}")
    return found
