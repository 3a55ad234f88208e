"""Who is next among the events that wait in a queue: by arrival, by class, or by key.

An event keeps its place by the time at which it was stored; one that comes back has its old place.
By key, only the first event of each key can be next, and only when it is not in anybody's hands:
so at most one event of a key is unacknowledged, as in SQS's groups of FIFO messages.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from .message import GONE, WAITS, Stored

__all__ = ["KeyedReady", "Ready"]


class Ready:
    """Those that can be delivered, by (class, place); the class is always 0 for plain arrival."""

    def __init__(self, *, by_priority: bool) -> None:
        self._heap: list[tuple[int, int, Stored]] = []
        self._by_priority = by_priority

    def stored(self, stored: Stored) -> None:
        """Note that an event is in the queue from now on."""

    def push(self, stored: Stored) -> None:
        """Note that it waits to be delivered."""
        priority = stored.message.priority if self._by_priority else 0
        heappush(self._heap, (priority, stored.order, stored))

    def first(self) -> Stored | None:
        """Return who is next; None if nobody can be delivered."""
        heap = self._heap
        while heap and heap[0][2].state != WAITS:
            heappop(heap)
        return heap[0][2] if heap else None

    def pop(self) -> None:
        """Take out who is next."""
        heappop(self._heap)

    def left(self, stored: Stored) -> None:
        """Note that it is no longer in the queue."""


class KeyedReady(Ready):
    """At most one event of a key at a time, the first."""

    def __init__(self) -> None:
        super().__init__(by_priority=False)
        self._groups: dict[str | None, deque[Stored]] = {}

    def stored(self, stored: Stored) -> None:
        """Note that an event is in the queue from now on, behind the others of its key."""
        self._groups.setdefault(stored.message.key, deque()).append(stored)

    def push(self, stored: Stored) -> None:
        """Note that it waits to be delivered, when it is its turn."""
        if self._groups[stored.message.key][0] is stored:
            super().push(stored)

    def left(self, stored: Stored) -> None:
        """Note that it is gone: the next of its key may be delivered."""
        key = stored.message.key
        group = self._groups[key]
        if group[0] is not stored:
            return
        while group and group[0].state == GONE:
            group.popleft()
        if not group:
            del self._groups[key]
        elif group[0].state == WAITS:
            super().push(group[0])
