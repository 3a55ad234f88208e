"""Time in steps of equal width: which step it is, with no error that grows.

Step *k* begins at ``k * width``, one multiplication, not at a sum of widths: a timer that adds its
interval to itself is off by as many roundings as it has fired.
"""

from __future__ import annotations

from .rule import NANOSECOND, kernel

__all__ = ["whole_steps"]


@kernel
def whole_steps(elapsed: float, width: float) -> int:
    """Return how many whole steps there are in a time, to the nanosecond.

    Examples
    --------
    >>> int(0.3 / 0.1), whole_steps(0.3, 0.1)
    (2, 3)
    """
    steps = int(elapsed / width)
    if (steps + 1) * width <= elapsed + NANOSECOND:
        steps += 1
    return steps
