"""Composite events that depend on time: the clock that they share, and what comes too late.

Time is `Event.time`, when something happened, not when it was offered.  The clock of a composer
stands at the latest time that it has been told of, by an event that it takes or by ``advance``; it
never goes back.  ``advance(time)`` promises that nothing before `time` will be offered any more, so
that what waits for time to pass is not kept waiting when no event comes.

What is offered after the clock has passed what it belongs to is **late**: it is counted in
``late``, and not used.  An event that was used before (same source and id) is a duplicate, counted
in ``duplicates`` and ignored; the memory of identities grows with the number of events, as that of
the joins does.  Other types are ignored, and do not move the clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from numbers import Real
from typing import Any

from ..errors import EventError, PartError
from . import attributes as check
from .composing import By, check_by, composed, group_of
from .event import Event

__all__ = ["Timed", "micros", "microseconds", "moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def micros(time: datetime) -> int:
    """Return a moment, which must have a zone, as microseconds since 1970 (UTC), exactly.

    Examples
    --------
    >>> micros(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    return (time - _EPOCH) // _ONE


def moment(micros: int) -> datetime:
    """Return the moment so many microseconds after 1970; the first or last there is, beyond."""
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return _FIRST if micros < 0 else _LAST


def microseconds(part: str, field: str, seconds: Any) -> int:
    """Return a length of time in microseconds; raise `PartError` for an impossible one."""
    number = isinstance(seconds, Real) and not isinstance(seconds, bool)
    if not number or not 1e-6 <= seconds <= 1e11:
        raise PartError(
            part, field, f"is {seconds!r}, but must be a number of seconds from 1e-6 to 1e11"
        )
    return round(float(seconds) * 1e6)


class Timed(ABC):
    """What all composers with a clock share."""

    def __init__(
        self, types: tuple[str, ...], by: By, type: str | None, source: str | None, word: str
    ) -> None:
        label = self.__class__.__name__
        good = all(isinstance(name, str) and name for name in types)
        if not types or not good or len(set(types)) < len(types):
            raise PartError(
                label, "types", f"are {types!r}, but must be one or more different event types"
            )
        check_by(label, by)
        self.types = types
        self.by = by
        self.type = type if type is not None else word
        self.source = source if source is not None else "/" + label.lower()
        self.duplicates = 0
        self.late = 0
        self._clock: int | None = None
        self._used: set[tuple[str, str]] = set()
        Event(id="probe", source=self.source, type=self.type)  # raises if these are impossible

    @property
    def clock(self) -> datetime | None:
        """The latest time that it has been told of; None before the first."""
        return None if self._clock is None else moment(self._clock)

    def offer(self, event: Event) -> tuple[Event, ...]:
        """Take one event; return the composite events that it completes, or whose time is over.

        Raises
        ------
        EventError
            When the event is of a type that is taken, but has no time, or lacks what it is
            grouped by.
        """
        if event.type not in self.types:
            return ()
        group = group_of(event, self.by, self)
        if event.time is None:
            raise EventError(f"{event!r} has no time, which {self!r} goes by")
        if event.identity in self._used:
            self.duplicates += 1
            return ()
        time = micros(event.time)
        due = self._advanced(time)
        if self._is_late(time):
            self.late += 1
        if not self._is_useless(time):
            self._used.add(event.identity)
            return due + self._taken(event, group, time)
        return due

    def advance(self, time: datetime | str) -> tuple[Event, ...]:
        """Let the clock go on to `time`, if it is not past that; return what is over by then.

        Parameters
        ----------
        time : datetime or str
            With a time zone, or RFC 3339 text: nothing before it will be offered any more.

        Raises
        ------
        EventError
            When that is no time.
        """
        return self._advanced(micros(check.timestamp("time", time)))

    def _advanced(self, time: int) -> tuple[Event, ...]:
        if self._clock is not None and time <= self._clock:
            return ()
        self._clock = time
        return self._passed(time)

    def _is_late(self, time: int) -> bool:
        """Whether an event of this time comes too late for anything that it belongs to."""
        return self._clock is not None and time < self._clock

    def _is_useless(self, time: int) -> bool:
        """Whether it comes too late for everything that it belongs to."""
        return self._is_late(time)

    @abstractmethod
    def _passed(self, time: int) -> tuple[Event, ...]:
        """Return what is over now that the clock stands at `time`."""

    @abstractmethod
    def _taken(self, event: Event, group: Hashable, time: int) -> tuple[Event, ...]:
        """Take an event that is not late; return what it completes."""

    def _composed(
        self, parts: list[Event], time: int, more: dict[str, object] | None = None
    ) -> Event:
        return composed(self.type, self.source, parts, moment(time), more)
