"""Who is next: the orders in which a line serves those who wait.

Each discipline keeps the waiting requests and answers three questions: who is next (`take`), who
came first (`oldest`, for the overflow rule ``drop_oldest``), and `remove` this one, please.

``fifo``        first in, first out: by arrival at the line
``lifo``        last in, first out
``random``      each of the waiting is equally likely
``priority``    the smallest class first, within a class first in, first out
``preemptive``  the same line; the station also interrupts whoever is less urgent
``sjf``         shortest job first: the least work, by what it will really need
``edf``         earliest deadline first; without a deadline, last
``ps``          processor sharing: nobody waits (see `mesh_lab.stations.sharing`)

Requests that tie are served in order of arrival at the line.  A preempted request waits at its
old place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any, Literal, Protocol

from ..ledger import Request

__all__ = ["Discipline", "Waiting", "waiting_line"]

Discipline = Literal["fifo", "lifo", "random", "ps", "priority", "preemptive", "sjf", "edf"]


class Waiting(Protocol):
    """The requests that wait in a line."""

    def __len__(self) -> int: ...
    def push(self, request: Request) -> None:
        """Let `request` wait; ``request.order`` tells its arrival at the line."""
        ...

    def take(self) -> Request:
        """Take the next one out."""
        ...

    def oldest(self) -> Request:
        """Return the one that arrived at the line first."""
        ...

    def remove(self, request: Request) -> None:
        """Take `request` out, wherever it stands."""
        ...


class FirstIn(deque[Request]):
    """First in, first out."""

    push = deque.append
    take = deque.popleft

    def oldest(self) -> Request:
        """Return the one that arrived first."""
        return self[0]

    def remove(self, request: Request) -> None:
        """Take `request` out; whoever expires or is dropped came first, so this is quick."""
        if self[0] is request:
            self.popleft()
        else:
            super().remove(request)


class LastIn(FirstIn):
    """Last in, first out."""

    take = deque.pop


class Sorted(dict[int, Request]):
    """The smallest key first: class, work or deadline; ties in order of arrival at the line.

    The dictionary holds those that wait, by their order of arrival; a heap knows who is next, and
    may still hold some that were removed meanwhile.
    """

    def __init__(self, key: Callable[[Request], Any]) -> None:
        super().__init__()
        self._key = key
        self._heap: list[tuple[Any, int, Request]] = []

    def push(self, request: Request) -> None:
        """Let `request` wait."""
        heappush(self._heap, (self._key(request), request.order, request))
        self[request.order] = request

    def take(self) -> Request:
        """Take the one with the smallest key, past those that were removed meanwhile."""
        while True:
            _, order, request = heappop(self._heap)
            if self.pop(order, None) is not None:
                return request

    def oldest(self) -> Request:
        """Return the one that arrived first; a scan, because only a full line asks."""
        return self[min(self)]

    def remove(self, request: Request) -> None:
        """Forget `request`; its entry in the heap is skipped when it comes up."""
        del self[request.order]


class AnyOrder(list[Request]):
    """Everybody equally likely: the number of waiting times a uniform draw, rounded down.

    New ones stand at the end of the list; whoever leaves is replaced by the last.
    """

    def __init__(self, uniform: Callable[[], float]) -> None:
        super().__init__()
        self._uniform = uniform

    def push(self, request: Request) -> None:
        """Let `request` wait."""
        request.slot = len(self)
        self.append(request)

    def take(self) -> Request:
        """Take one of them, each equally likely."""
        request = self[int(self._uniform() * len(self))]
        self.remove(request)
        return request

    def oldest(self) -> Request:
        """Return the one that arrived first; a scan, because only a full line asks."""
        return min(self, key=attrgetter("order"))

    def remove(self, request: Request) -> None:
        """Take `request` out and move the last one into its place."""
        last = self.pop()
        if last is not request:
            self[request.slot] = last
            last.slot = request.slot


def waiting_line(discipline: Discipline, uniform: Callable[[], float]) -> Waiting:
    """Return an empty line of the given discipline; `uniform` serves ``"random"`` only."""
    if discipline == "random":
        return AnyOrder(uniform)
    if discipline in {"priority", "preemptive"}:
        return Sorted(attrgetter("priority"))
    if discipline == "sjf":
        return Sorted(attrgetter("work"))
    if discipline == "edf":
        return Sorted(attrgetter("deadline"))
    return LastIn() if discipline == "lifo" else FirstIn()
