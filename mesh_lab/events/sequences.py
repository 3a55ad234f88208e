"""Sequences: one event and then another within a time; one without the other; so many in a time.

These go by the order of time, so events have to be offered in that order: one that lies before the
clock is late (`mesh_lab.events.timed`).  Events of one time count in the order in which they were
offered.

`FollowedBy` and `NotFollowedBy` are each other's complement.  A later event answers the oldest
earlier one of its group that still waits within its time; it answers one, and every earlier one is
answered once at most.  So each is told of by exactly one of the two, once its time is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from numbers import Integral
from typing import Any

from ..errors import PartError
from .composing import By
from .event import Event
from .timed import Timed, microseconds

__all__ = ["CountWithin", "FollowedBy", "NotFollowedBy"]


class _Waiting:
    """An event that waits for others."""

    __slots__ = ("done", "event", "group", "until")

    def __init__(self, event: Event, group: Hashable, until: int) -> None:
        self.event = event
        self.group = group
        self.until = until
        self.done = False


class _Within(Timed):
    """Events of a group that wait for others of it, each for so long."""

    def __init__(
        self, types: tuple[str, ...], within: float, by: By, type: str | None, source: str | None,
        word: str,
    ) -> None:  # fmt: skip
        self._within = microseconds(self.__class__.__name__, "within", within)
        super().__init__(types, by, type, source, word)
        self.within = within
        self._line: deque[_Waiting] = deque()  # all, in order of time
        self._groups: dict[Hashable, deque[_Waiting]] = {}  # those that are not done

    def pending(self) -> tuple[Event, ...]:
        """Return the events that still wait, oldest first."""
        return tuple(waiting.event for waiting in self._line if not waiting.done)

    def _wait(self, event: Event, group: Hashable, time: int) -> deque[_Waiting]:
        """Let an event wait; return all of its group that do, oldest first."""
        waiting = _Waiting(event, group, time + self._within)
        self._line.append(waiting)
        line = self._groups.setdefault(group, deque())
        line.append(waiting)
        return line

    def _next(self, group: Hashable) -> _Waiting | None:
        """Take the oldest of a group that still waits; None if there is none."""
        line = self._groups.get(group)
        if line is None:
            return None
        waiting = line.popleft()
        waiting.done = True
        if not line:
            del self._groups[group]
        return waiting

    def _passed(self, time: int) -> tuple[Event, ...]:
        made: list[Event] = []
        line = self._line
        while line and (line[0].done or line[0].until < time):
            waiting = line.popleft()
            if not waiting.done:
                self._next(waiting.group)  # which is this one
                made += self._expired(waiting.event, waiting.until)
        return tuple(made)

    def _expired(self, event: Event, until: int) -> tuple[Event, ...]:
        """Return what follows from an event that has waited in vain."""
        return ()


class _Sequence(_Within):
    """A first event that waits for an answer."""

    def __init__(
        self, first: str, then: str, within: float, by: By, type: str | None, source: str | None,
        word: str,
    ) -> None:  # fmt: skip
        types = (first,) if first == then else (first, then)
        super().__init__(types, within, by, type, source, f"{first}{word}{then}")
        self.first = first
        self.then = then
        self.unmatched = 0

    def _taken(self, event: Event, group: Hashable, time: int) -> tuple[Event, ...]:
        made: tuple[Event, ...] = ()
        if event.type == self.then:
            answered = self._next(group)
            if answered is not None:
                made = self._answered(answered.event, event, time)
            else:
                self.unmatched += 1
        if event.type == self.first:
            self._wait(event, group, time)
        return made

    def _answered(self, event: Event, answer: Event, time: int) -> tuple[Event, ...]:
        """Return what follows from an event that was answered in time."""
        return ()

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}({self.first!r}, {self.then!r}, within={self.within!r})"


class FollowedBy(_Sequence):
    """One event, and then another of its group within a time.

    Parameters
    ----------
    first, then : str
        The two event types; they may be the same one.
    within : float
        Seconds from the first to the second, at most.
    by : {"subject", "key"} or callable, default "subject"
        What the two have in common.
    type, source : str, optional
        Those of the events that come out; by default the types with ``>`` between them, and
        ``"/followedby"``.

    Attributes
    ----------
    expired, unmatched, late, duplicates : int
        How many first events were not answered in time; how many answers met nothing; how many
        events came too late, or twice.

    Examples
    --------
    >>> quick = FollowedBy("order.placed", "order.paid", within=600.0, type="order.quick")
    >>> quick.offer(Event(id="1", source="/shop", type="order.placed", subject="order-17",
    ...                   time="2026-01-01T12:00:00Z"))
    ()
    >>> (made,) = quick.offer(Event(id="2", source="/till", type="order.paid", subject="order-17",
    ...                             time="2026-01-01T12:04:00Z"))
    >>> made.type, made.subject, made.time.isoformat()
    ('order.quick', 'order-17', '2026-01-01T12:04:00+00:00')
    """

    def __init__(
        self,
        first: str,
        then: str,
        *,
        within: float,
        by: By = "subject",
        type: str | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(first, then, within, by, type, source, ">")
        self.expired = 0

    def _answered(self, event: Event, answer: Event, time: int) -> tuple[Event, ...]:
        return (self._composed([event, answer], time),)

    def _expired(self, event: Event, until: int) -> tuple[Event, ...]:
        self.expired += 1
        return ()


class NotFollowedBy(_Sequence):
    """One event, and no other of its group within a time.

    It comes out when the clock has passed the end of that time, by a later event or by ``advance``;
    its time is that end.  An answer that comes just at the end is in time.

    Parameters
    ----------
    first, then, within, by, type, source
        As for `FollowedBy`; by default the type has ``>!`` between the two, and the source is
        ``"/notfollowedby"``.

    Attributes
    ----------
    unmatched, late, duplicates : int
        As for `FollowedBy`.

    Examples
    --------
    >>> unpaid = NotFollowedBy("order.placed", "order.paid", within=600.0, type="order.unpaid")
    >>> unpaid.offer(Event(id="1", source="/shop", type="order.placed", subject="order-17",
    ...                    time="2026-01-01T12:00:00Z"))
    ()
    >>> unpaid.advance("2026-01-01T12:10:00Z")
    ()
    >>> (made,) = unpaid.advance("2026-01-01T12:10:01Z")
    >>> made.type, made.subject, made.time.isoformat()
    ('order.unpaid', 'order-17', '2026-01-01T12:10:00+00:00')
    """

    def __init__(
        self,
        first: str,
        then: str,
        *,
        within: float,
        by: By = "subject",
        type: str | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(first, then, within, by, type, source, ">!")

    def _expired(self, event: Event, until: int) -> tuple[Event, ...]:
        return (self._composed([event], until),)


class CountWithin(_Within):
    """So many events of a group within a time.

    It comes out with the last of them.  Every event counts once: after that, counting begins anew.

    Parameters
    ----------
    *types : str
        One or more event types.
    count : int
        How many, at least 2.
    within : float
        Seconds from the first of them to the last, at most.
    by : {"subject", "key"} or callable, default "subject"
        What they have in common.
    type, source : str, optional
        Those of the events that come out; by default the types with ``|`` between them, and
        ``.count``; and ``"/countwithin"``.

    Attributes
    ----------
    late, duplicates : int
        How many events came too late, or twice.

    Examples
    --------
    >>> attack = CountWithin("login.failed", count=3, within=60.0, type="login.attack")
    >>> for number, second in enumerate((0, 50, 61, 70)):
    ...     failed = Event(id=str(number), source="/web", type="login.failed", subject="ann",
    ...                    time=f"2026-01-01T12:{second // 60:02}:{second % 60:02}Z")
    ...     print([len(made.data["causes"]) for made in attack.offer(failed)])
    []
    []
    []
    [3]
    """

    def __init__(
        self,
        *types: str,
        count: int,
        within: float,
        by: By = "subject",
        type: str | None = None,
        source: str | None = None,
    ) -> None:
        label = self.__class__.__name__
        given: Any = count
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 2:
            raise PartError(label, "count", f"is {count!r}, but must be a whole number, 2 or more")
        super().__init__(types, within, by, type, source, "|".join(map(str, types)) + ".count")
        self.count = count

    def _taken(self, event: Event, group: Hashable, time: int) -> tuple[Event, ...]:
        counted = self._wait(event, group, time)
        if len(counted) < self.count:
            return ()
        for one in self._groups.pop(group):
            one.done = True
        return (self._composed([one.event for one in counted], time),)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.types))
        return f"CountWithin({names}, count={self.count!r}, within={self.within!r})"
