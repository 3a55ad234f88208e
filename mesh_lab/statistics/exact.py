"""Sums without rounding, so that the order of adding and merging cannot matter.

Every float64 is a whole number of units of 2**-1126 (the smallest is 2**-1074, and its mantissa
is taken as 53 bits).  So a sum is kept as one Python integer, and rounded once when it is read.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from .checks import Floats

__all__ = ["exact_sum", "from_parts", "rounded", "to_parts"]

EXPONENT = 1126
UNIT = 1 << EXPONENT
CHUNK = 1 << 24  # halves of at most 27 bits add up exactly as float64, up to 2**26 of them


def exact_sum(column: Floats) -> int:
    """Return the exact sum of finite, non-negative values, in units of 2**-1126.

    Mantissas are added as whole numbers, one sum for every exponent, in two halves so that
    `numpy.bincount` (whose weights are float64) stays exact.

    Examples
    --------
    >>> rounded(exact_sum(np.array([1e16, 1.0, 1.0])))
    1.0000000000000002e+16
    """
    total = 0
    for begin in range(0, column.size, CHUNK):
        fraction, exponent = np.frexp(column[begin : begin + CHUNK])
        mantissa = np.ldexp(fraction, 53).astype(np.int64)
        least = int(exponent.min())
        place = exponent - least
        high = np.bincount(place, weights=(mantissa >> 26).astype(np.float64))
        low = np.bincount(place, weights=(mantissa & (2**26 - 1)).astype(np.float64))
        for i, (upper, lower) in enumerate(zip(high.tolist(), low.tolist(), strict=True)):
            total += ((int(upper) << 26) + int(lower)) << (EXPONENT - 53 + least + i)
    return total


def rounded(total: int, divisor: int = 1) -> float:
    """Return ``total / divisor`` as the nearest float64; infinite when it is too large for one."""
    try:
        return total / (UNIT * divisor)
    except OverflowError:
        return math.inf


def to_parts(total: int) -> list[float]:
    """Return float64 values, largest first, that add up to `total` exactly.

    Examples
    --------
    >>> to_parts(exact_sum(np.array([1e16, 1.0])))
    [1e+16, 1.0]
    """
    parts = []
    while total:
        part = min(max(rounded(total), -sys.float_info.max), sys.float_info.max)
        parts.append(part)
        total -= from_parts(np.array([part]))
    return parts


def from_parts(parts: Floats) -> int:
    """Return the exact sum of values of either sign, in units of 2**-1126."""
    return exact_sum(parts[parts > 0]) - exact_sum(-parts[parts < 0])
