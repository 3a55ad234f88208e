"""Priority levels: how the load is split between them, and which of them panic.

Level 0 is used first.  Each level has a health, the share of its hosts that are healthy times the
overprovisioning factor, at most 100 %; load overflows to the next level where the health of those
before it does not suffice.  A level whose share of healthy hosts is below the panic threshold
panics, unless there is health enough in all levels together: then its hosts are used whether they
are healthy or not.

This is Envoy's ``load_balancer_impl.cc`` (``recalculatePerPriorityState``, ``distributeLoad``,
``recalculatePerPriorityPanic``, ``recalculateLoadInTotalPanic``), whole percents and all; where its
documentation rounds otherwise, the code counts.  Envoy knows degraded hosts and hosts excluded from
the count as well: there are none here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Levels", "priority_loads"]


class Levels(NamedTuple):
    """What becomes of each priority level.

    Attributes
    ----------
    loads : tuple of int
        Per cent of the requests, 100 in all.
    panics : tuple of bool
        Whether healthy hosts are told from others no more.
    """

    loads: tuple[int, ...]
    panics: tuple[bool, ...]


def priority_loads(
    healthy: Sequence[int], hosts: Sequence[int], overprovisioning: int = 140, panic: int = 50
) -> Levels:
    """Return each level's load and whether it panics.

    Parameters
    ----------
    healthy, hosts : sequence of int
        How many hosts of each level are healthy, and how many there are; level 0 first.
    overprovisioning, panic : int
        Per cent.  A threshold of 0 means that no level ever panics.

    Notes
    -----
    Where nothing is healthy and no level may panic, level 0 is given all the load, which it cannot
    take: the requests end as unavailable.

    Examples
    --------
    A quarter of level 0 and all of level 1 is healthy; then a quarter of either:

    >>> priority_loads([25, 100], [100, 100])
    Levels(loads=(35, 65), panics=(False, False))
    >>> priority_loads([25, 25], [100, 100])
    Levels(loads=(50, 50), panics=(True, True))
    """
    count = len(hosts)
    health = [
        min(100, overprovisioning * well // total) if total else 0
        for well, total in zip(healthy, hosts, strict=True)
    ]
    enough = min(100, sum(health))
    loads = [0] * count
    if enough:
        left = 100
        for level in range(count):
            loads[level] = min(left, health[level] * 100 // enough)
            left -= loads[level]
        loads[next(level for level in range(count) if health[level])] += left
    panics = [
        enough < 100 and (100.0 * well / total if total else 0.0) < panic
        for well, total in zip(healthy, hosts, strict=True)
    ]
    if count and all(panics) and sum(hosts):
        loads = [100 * total // sum(hosts) for total in hosts]
        loads[next(level for level in range(count) if hosts[level])] += 100 - sum(loads)
    elif count and not sum(loads):
        loads[0] = 100
    return Levels(tuple(loads), tuple(panics))
