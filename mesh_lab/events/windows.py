"""Windows: the events of each stretch of time, and how many they are.

A tumbling window follows the other without gap or overlap; sliding windows overlap.  A window holds
what happened from its start up to, not including, its end.  Starts are multiples of the distance
between windows since 1970-01-01T00:00:00Z, so that windows of a minute are those of the clock on
the wall (as in Apache Flink; its documentation, "Tumbling Windows", read in a quotation: "aligned
with epoch").  Windows begin to exist with their first event, one for each group; empty ones are not
told of.
"""

from __future__ import annotations

from collections.abc import Hashable

from ..errors import PartError
from .composing import By
from .event import Event
from .timed import Timed, microseconds, moment

__all__ = ["SlidingWindow", "TumblingWindow"]

_AT_ONCE = 10_000


class SlidingWindow(Timed):
    """Windows of `size` seconds, one beginning every `every` seconds.

    A window closes when the clock reaches its end.  Then one event comes out for each group that
    had any: its time is the window's end, and its data hold ``count``, ``start``, ``end`` and the
    ``causes`` in order of time.

    Parameters
    ----------
    *types : str
        One or more event types.
    size : float
        Seconds that a window covers.
    every : float
        Seconds from the start of one to the start of the next, `size` at most, and at least a
        10 000th of it.
    by : {"subject", "key"} or callable, default "subject"
        What the events of a group have in common.
    type, source : str, optional
        Those of the events that come out; by default the types with ``|`` between them, and
        ``.window``; and ``"/slidingwindow"``.

    Attributes
    ----------
    late : int
        How many events came when a window that they belong to had closed; they still count in
        those that had not.
    duplicates : int
        How many were ignored because their source and id had been used.

    Examples
    --------
    >>> window = SlidingWindow("click", size=60.0, every=30.0)
    >>> for number, time in enumerate(("12:00:10", "12:00:40", "12:01:05")):
    ...     click = Event(id=str(number), source="/web", type="click", subject="ann",
    ...                   time=f"2026-01-01T{time}Z")
    ...     print([(made.data["start"][11:19], made.data["count"]) for made in window.offer(click)])
    []
    [('11:59:30', 1)]
    [('12:00:00', 2)]
    """

    def __init__(
        self,
        *types: str,
        size: float,
        every: float,
        by: By = "subject",
        type: str | None = None,
        source: str | None = None,
    ) -> None:
        label = self.__class__.__name__
        self._size = microseconds(label, "size", size)
        self._every = microseconds(label, "every", every)
        if not self._every <= self._size <= self._every * _AT_ONCE:
            raise PartError(
                label,
                "every",
                f"is {every!r} and size is {size!r}: every must not be longer, or events between "
                f"windows would be lost, nor less than a {_AT_ONCE:,}th, or an event would be in "
                "too many",
            )
        self.size = size
        self.every = every
        word = "|".join(map(str, types)) + ".window"
        super().__init__(types, by, type, source, word)
        self._open: dict[int, dict[Hashable, list[tuple[int, Event]]]] = {}

    def pending(self) -> tuple[Event, ...]:
        """Return the events of the windows that are still open, each once, in order of time."""
        held = {
            event.identity: (time, event)
            for groups in self._open.values()
            for line in groups.values()
            for time, event in line
        }
        return tuple(event for _, event in sorted(held.values(), key=_order))

    def _starts(self, time: int) -> range:
        """Return the starts of all windows that hold a time, the last first."""
        return range(time // self._every * self._every, time - self._size, -self._every)

    def _is_late(self, time: int) -> bool:
        return self._closed(self._starts(time)[-1])

    def _is_useless(self, time: int) -> bool:
        return self._closed(self._starts(time)[0])

    def _closed(self, start: int) -> bool:
        return self._clock is not None and start + self._size <= self._clock

    def _taken(self, event: Event, group: Hashable, time: int) -> tuple[Event, ...]:
        for start in self._starts(time):
            if self._closed(start):
                break
            self._open.setdefault(start, {}).setdefault(group, []).append((time, event))
        return ()

    def _passed(self, time: int) -> tuple[Event, ...]:
        made = []
        for start in sorted(start for start in self._open if start + self._size <= time):
            lines = [sorted(line, key=_order) for line in self._open.pop(start).values()]
            for line in sorted(lines, key=lambda line: _order(line[0])):
                end = start + self._size
                more: dict[str, object] = {
                    "count": len(line),
                    "start": moment(start).isoformat(),
                    "end": moment(end).isoformat(),
                }
                made.append(self._composed([event for _, event in line], end, more))
        return tuple(made)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.types))
        return f"{type(self).__name__}({names}, size={self.size!r}, every={self.every!r})"


class TumblingWindow(SlidingWindow):
    """Windows of `size` seconds, one after the other: every event is in exactly one.

    Parameters
    ----------
    *types, size, by, type, source
        As for `SlidingWindow`.

    Examples
    --------
    >>> minute = TumblingWindow("click", size=60.0)
    >>> click = Event(id="1", source="/web", type="click", subject="ann",
    ...               time="2026-01-01T12:00:10Z")
    >>> minute.offer(click)
    ()
    >>> (closed,) = minute.advance("2026-01-01T12:01:00Z")
    >>> closed.type, closed.subject, closed.data["count"]
    ('click.window', 'ann', 1)
    """

    def __init__(
        self,
        *types: str,
        size: float,
        by: By = "subject",
        type: str | None = None,
        source: str | None = None,
    ) -> None:
        super().__init__(*types, size=size, every=size, by=by, type=type, source=source)

    def __repr__(self) -> str:
        return f"TumblingWindow({', '.join(map(repr, self.types))}, size={self.size!r})"


def _order(held: tuple[int, Event]) -> tuple[int, tuple[str, str]]:
    return held[0], held[1].identity
