"""What Netflix's concurrency limits have in common: limits on requests in flight that move.

Netflix's library (concurrency-limits) lets a request in while fewer than the whole part of a limit
are in flight (``SimpleLimiter``), and moves the limit at each answer (``AbstractLimiter``) by one
of three rules: `AimdLimit`, `VegasLimit` and `Gradient2Limit`.  An answer that was not ``ok`` is
what the library calls dropped, a request that is gone is ignored.

Two differences.  The rules are told how many were in flight: in the library when the request was
let in, here when its answer comes, itself included in both.  And the library can wrap a rule so
that it sees averages of windows instead of each answer (``WindowedLimit``); that is not modelled.

An answer without any latency says nothing about queueing; it moves no limit but that of AIMD.
"""

from __future__ import annotations

from ..errors import PartError
from .rule import kernel

__all__ = ["check_bounds", "whole_log10"]


@kernel
def whole_log10(limit: int) -> int:
    """The whole part of the decimal logarithm, at least 1 (``Log10RootFunction``).

    Examples
    --------
    >>> [whole_log10(limit) for limit in (1, 20, 99, 100, 999, 1000)]
    [1, 1, 1, 2, 2, 3]
    """
    digits = 0
    while limit >= 10:
        limit //= 10
        digits += 1
    return max(1, digits)


def check_bounds(initial: int, lowest: int, highest: int) -> None:
    """Refuse a first limit that is outside of its bounds."""
    if lowest > highest:
        raise PartError(
            "", "min_limit", f"is {lowest!r}, but must be at most max_limit, {highest!r}"
        )
    if not lowest <= initial <= highest:
        raise PartError(
            "", "initial_limit", f"is {initial!r}, but must be from {lowest!r} to {highest!r}"
        )
