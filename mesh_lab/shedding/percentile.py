"""The percentile of samples: the least of them that so many are not above.

Of *n* samples in order, the percentile *q* is the one at place ceil(q n), counted from 1: an
observed value, found by Hoare's quickselect (1961) in O(n) on average, in place and without room of
its own.
"""

from __future__ import annotations

from .rule import Floats, kernel

__all__ = ["percentile"]

ROUNDING = 1e-9  # of a sample: 0.07 of 100 samples is the seventh


@kernel
def percentile(values: Floats, first: int, n: int, q: float) -> float:
    """Return percentile `q` of the `n` values from `first` on, which loses their order.

    Examples
    --------
    >>> percentile([9.0, 4.0, 1.0, 3.0, 2.0, 9.0], 1, 4, 0.5)
    2.0
    >>> [percentile([4.0, 1.0, 3.0, 2.0], 0, 4, q) for q in (0.0, 0.25, 0.26, 1.0)]
    [1.0, 1.0, 2.0, 4.0]
    """
    exact = q * n - ROUNDING
    rank = int(exact)
    if rank < exact:
        rank += 1
    at = first + max(rank, 1) - 1
    low, high = first, first + n - 1
    while low < high:
        pivot = values[low + (high - low) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if at <= j:
            high = j
        elif at >= i:
            low = i
        else:
            break
    return values[at]  # type: ignore[no-any-return]
