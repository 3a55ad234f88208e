"""What a client knows of the operations: which writes were confirmed, what a read should have seen.

One operation comes *after* another when it began after the other had ended; else they overlap.  A
client may expect that what comes after takes effect after, and that of two that overlap either may
be first.  So:

- A read is **stale** when it misses a write that was confirmed before the read began: one that came
  after what it returned, or that overlaps with that and outranks it.  Reading nothing at all
  misses every write.
- A confirmed write is a **lost update** when no later read of all replicas would return it, though
  nothing came after it: a write that had ended before it began outranks it (a clock was ahead) and
  is on some replica; or no node that is left has it or anything that outranks it.

Last write wins: writes are ranked by timestamp, and where that is the same by value, as bytes
(``resolveRegular`` in Cassandra's ``Cells.java``).  The value of write 17 is the text "17".
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from ..clock import Alarm

__all__ = [
    "CRASHED",
    "IN_FLIGHT",
    "OK",
    "OUTCOMES",
    "TIMEOUT",
    "UNAVAILABLE",
    "History",
    "Operation",
]

OUTCOMES = ("in_flight", "ok", "unavailable", "timeout", "crashed")
IN_FLIGHT, OK, UNAVAILABLE, TIMEOUT, CRASHED = range(len(OUTCOMES))

Stamp = tuple[int, bytes]
_LOWEST: Stamp = (-(1 << 63), b"")


class Operation:
    """One read or write: what its client sees of it, and what its coordinator notes on it."""

    __slots__ = (
        "acks",
        "arrival",
        "asked",
        "began",
        "coordinator",
        "counting",
        "ended",
        "finish",
        "key",
        "known",
        "lost",
        "needed",
        "number",
        "outcome",
        "received",
        "replies",
        "source",
        "stale",
        "stamp",
        "timer",
        "version",
        "write",
    )

    def __init__(self, source: str, number: int, key: str, write: bool) -> None:
        self.source = source
        self.number = number
        self.key = key
        self.needed = 0
        self.write = write
        self.coordinator = -1
        self.arrival = self.finish = math.nan
        self.began = 0  # places in the order of all beginnings and ends
        self.ended: float = math.inf
        self.outcome = IN_FLIGHT
        self.timer: Alarm | None = None
        self.asked = 0  # sets of nodes, one bit each
        self.acks = 0
        # of a write
        self.counting = -1  # the nodes whose confirmation counts, one bit each
        self.stamp = _LOWEST
        self.received = 0
        self.lost = False
        # of a read
        self.replies: list[tuple[int, Operation | None]] = []
        self.version: Operation | None = None
        self.known = 0  # how many writes of its key had been confirmed when it began
        self.stale = False


class _Confirmed:
    """The confirmed writes of one key, in the order in which they were confirmed."""

    __slots__ = ("latest_begin", "writes")

    def __init__(self) -> None:
        self.writes: list[Operation] = []
        self.latest_begin: list[int] = []  # of the writes up to each

    def add(self, write: Operation) -> None:
        before = self.latest_begin[-1] if self.latest_begin else 0
        self.writes.append(write)
        self.latest_begin.append(max(before, write.began))


class History:
    """All operations of a run, and the verdicts on them."""

    __slots__ = ("_confirmed", "_order", "last", "operations")

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.last = 0.0
        self._confirmed: dict[str, _Confirmed] = {}
        self._order = 0

    def begin(self, operation: Operation, now: float) -> None:
        """Note that an operation begins."""
        self._order += 1
        operation.began, operation.arrival = self._order, now
        self.operations.append(operation)
        self.last = now
        if not operation.write:
            confirmed = self._confirmed.get(operation.key)
            operation.known = len(confirmed.writes) if confirmed is not None else 0

    def end(self, operation: Operation, outcome: int, now: float) -> None:
        """Note that an operation ends."""
        self._order += 1
        operation.ended, operation.finish, operation.outcome = self._order, now, outcome
        self.last = now
        if outcome != OK:
            return
        if operation.write:
            self._confirmed.setdefault(operation.key, _Confirmed()).add(operation)
        else:
            operation.stale = self._is_stale(operation)

    def _is_stale(self, read: Operation) -> bool:
        if not read.known:
            return False
        version = read.version
        if version is None:
            return True
        confirmed = self._confirmed[read.key]
        if confirmed.latest_begin[read.known - 1] > version.ended:
            return True
        for k in range(read.known - 1, -1, -1):
            write = confirmed.writes[k]
            if write.ended < version.began:
                return False  # so did all before it
            if write.stamp > version.stamp:
                return True
        return False

    def judge(self, left: Iterable[Operation]) -> None:
        """Find the lost updates; `left` are the writes that the nodes that are left have."""
        highest: dict[str, Stamp] = {}
        for write in left:
            if write.stamp > highest.get(write.key, _LOWEST):
                highest[write.key] = write.stamp
        ends: dict[str, tuple[list[float], list[Stamp]]] = {}
        reached = (one for one in self.operations if one.write and one.received)
        for write in sorted(reached, key=_ended):
            order, top = ends.setdefault(write.key, ([], []))
            order.append(write.ended)
            top.append(max(write.stamp, top[-1]) if top else write.stamp)
        for write in self.operations:
            if write.write and write.outcome == OK:
                order, top = ends.get(write.key, ([], []))
                before = bisect_left(order, write.began)
                outranked = before > 0 and top[before - 1] > write.stamp
                write.lost = outranked or highest.get(write.key, _LOWEST) < write.stamp


def _ended(operation: Any) -> float:
    return float(operation.ended)
