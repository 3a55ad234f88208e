"""Many timeouts of one length with one event: the first to start is the first to run out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from ...clock import EXPIRY, Alarm, Clock

__all__ = ["Timeouts"]


class Ends(Protocol):
    """What may be over before its time has run out."""

    done: bool


T = TypeVar("T", bound=Ends)


class Timeouts(Generic[T]):
    """Calls `expire` for everything that is not done so many seconds after it was added."""

    def __init__(self, clock: Clock, seconds: float, expire: Callable[[T], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expire = expire
        self._waiting: deque[tuple[float, T]] = deque()

    def add(self, item: T) -> None:
        """Start the time of `item`."""
        self._waiting.append((self._clock.env.now + self._seconds, item))
        if len(self._waiting) == 1:
            self._plan()

    def _plan(self) -> None:
        due = self._waiting[0][0]
        self._clock.schedule(Alarm(self._ring), EXPIRY, max(0.0, due - self._clock.env.now))

    def _ring(self, alarm: Alarm) -> None:
        due = self._waiting[0][0]  # what the alarm is for, whatever rounding made of its time
        while self._waiting and (self._waiting[0][0] <= due or self._waiting[0][1].done):
            _, item = self._waiting.popleft()
            if not item.done:
                self._expire(item)
        if self._waiting:
            self._plan()
        self._clock.drain()
