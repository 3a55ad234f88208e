"""Classes of importance: when there is little room left, it is kept for what is important.

A request of class *c* (its priority; 0 is the most important) is let in only while less than the
share *c* of a limit is taken.  So the lower classes are refused first, and the rest of the limit is
a reserve for the classes above.  With no shares but one, all are equal.

That higher thresholds belong to higher criticalities is what Google's backends do (the book Site
Reliability Engineering, chapter 21, "Utilization Signals").  The book gives no numbers: that a
threshold is a share of a limit, and which, is this package's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Gt, Le

from ..errors import PartError
from .rule import Floats, Ints, kernel

__all__ = ["Share", "check_shares", "room_of", "rooms", "share_of"]

Share = Annotated[float, Gt(0), Le(1)]

ROUNDING = 1e-9  # 0.29 of 100 is 29, not 28.999999999999996


@kernel
def class_of(priority: int, classes: int) -> int:
    """The place of a priority in an array of so many classes; beyond its end the last."""
    if priority <= 0:
        return 0
    return priority if priority < classes else classes - 1


@kernel
def share_of(shares: Floats, limit: float, priority: int) -> int:
    """How much of a limit, in whole requests, is open to this priority.

    Examples
    --------
    >>> [share_of([1.0, 0.5, 0.29], 100, priority) for priority in (0, 1, 2, 3)]
    [100, 50, 29, 29]
    """
    return int(shares[class_of(priority, len(shares))] * limit + ROUNDING)


@kernel
def room_of(open_to: Ints, priority: int) -> int:
    """The same, where it was worked out before (`rooms`)."""
    return open_to[class_of(priority, len(open_to))]  # type: ignore[no-any-return]


def rooms(shares: Sequence[float], limit: int) -> list[int]:
    """Return how much of a limit that never changes is open to each class."""
    return [share_of(shares, limit, priority) for priority in range(len(shares))]


def check_shares(shares: Sequence[float], limit: int | None = None) -> None:
    """Refuse shares that are no order of importance, or leave a class nothing of `limit`."""
    if not shares or shares[0] != 1.0:
        given = repr(shares[0]) if shares else "nothing"
        raise PartError(
            "",
            "shares",
            f"begin with {given}, but must begin with 1.0: the most important class, priority 0, "
            "may use the whole limit",
        )
    for c in range(1, len(shares)):
        if shares[c] > shares[c - 1]:
            raise PartError(
                "",
                "shares",
                f"give priority {c} {shares[c]!r}, more than the {shares[c - 1]!r} of priority "
                f"{c - 1}; they must not grow, as priority 0 is the most important",
            )
    if limit is not None and rooms(shares, limit)[-1] < 1:
        c = next(c for c, room in enumerate(rooms(shares, limit)) if room < 1)
        raise PartError(
            "",
            "shares",
            f"give priority {c} {shares[c]!r} of {limit}, which is less than one request: it would "
            f"always be refused; give it at least {1 / limit:.6g}",
        )
