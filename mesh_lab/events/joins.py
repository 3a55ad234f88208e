"""Joining events: one new event when all of several have happened, or the first of several.

Events belong together when they agree in one thing: their subject, their key, or what a function
of the event returns.  A join is an incremental object: give it each event with ``offer``; it
returns the joined event when one is complete, otherwise None.

The rules, which every such join has to settle and few documents do:

- **Duplicates.**  CloudEvents 1.0 lets a consumer take two events of the same source and id as one
  (``spec.md``, attribute ``id``).  So does a join: it remembers every identity that it has used,
  and ignores it from then on, also after the join was made.  That memory grows with the number of
  events.
- **More of one type.**  `AllOf` joins first with first, second with second: every event takes part
  in one joined event at most, and none is lost.  `AnyOf` is a race: the first event of a group
  wins and the later ones are only counted, in ``late``.
- **Left-overs.**  `AllOf` keeps what still waits for its partners for ever; ``pending()`` returns
  it.  Nothing expires.
- **Other types** are not for the join, and are ignored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable
from itertools import chain

from ..errors import PartError
from .composing import By, check_by, composed, group_of
from .event import Event

__all__ = ["AllOf", "AnyOf"]


class _Join(ABC):
    """What both joins share: which events they take, and what the joined event looks like."""

    _word: str  # between the types, in the default type of the joined event
    _path: str  # the default source of the joined event

    def __init__(
        self, *types: str, by: By = "subject", type: str | None = None, source: str | None = None
    ) -> None:
        label = self.__class__.__name__
        if len(types) < 2 or not all(map(_named, types)) or len(set(types)) < len(types):
            raise PartError(
                label, "types", f"are {types!r}, but must be two or more different event types"
            )
        check_by(label, by)
        self.types = types
        self.by = by
        self.type = type if type is not None else self._word.join(types)
        self.source = source if source is not None else self._path
        self.duplicates = 0
        self._used: set[tuple[str, str]] = set()
        Event(id="probe", source=self.source, type=self.type)  # raises if these are impossible

    def offer(self, event: Event) -> Event | None:
        """Take one event; return the joined event if this one completes it, otherwise None.

        Raises
        ------
        EventError
            When the event is of a type that is joined, but lacks what it is joined by.
        """
        if event.type not in self.types:
            return None
        group = group_of(event, self.by, self)
        if event.identity in self._used:
            self.duplicates += 1
            return None
        self._used.add(event.identity)
        complete = self._complete(group, event)
        return None if complete is None else self._joined(complete)

    def pending(self) -> tuple[Event, ...]:
        """Return the events that still wait for partners, group by group, oldest first."""
        return ()

    @abstractmethod
    def _complete(self, group: Hashable, event: Event) -> tuple[Event, ...] | None: ...

    def _joined(self, parts: tuple[Event, ...]) -> Event:
        times = [event.time for event in parts if event.time is not None]
        time = max(times) if len(times) == len(parts) else None
        return composed(self.type, self.source, parts, time)

    def __repr__(self) -> str:
        by = self.by if isinstance(self.by, str) else getattr(self.by, "__name__", "function")
        return f"{type(self).__name__}({', '.join(map(repr, self.types))}, by={by!r})"


class AllOf(_Join):
    """Joins one event of each type: it has happened when all of them have.

    Parameters
    ----------
    *types : str
        Two or more different event types.
    by : {"subject", "key"} or callable, default "subject"
        What events must have in common: an attribute, or a function of the event.
    type : str, optional
        The joined event's type; by default the types with ``+`` between them.
    source : str, optional
        The joined event's source; by default ``"/all-of"``.

    Attributes
    ----------
    duplicates : int
        How many events were ignored because their source and id had been used.

    Notes
    -----
    The joined event is derived from its causes alone.  Its id is a hash of its type and of their
    sources and ids, in the order of `types`, so that it does not depend on the order of arrival.
    Its time is the latest of theirs (if all have one), subject and key are theirs if they agree,
    and ``data["causes"]`` lists them in their JSON form (`mesh_lab.causes` gives them back).
    The module's opening says what happens to duplicates and to what is left over.

    Examples
    --------
    >>> from mesh_lab import causes
    >>> ready = AllOf("order.paid", "order.packed", type="order.ready")
    >>> ready.offer(Event(id="1", source="/till", type="order.paid", subject="order-17"))
    >>> done = ready.offer(Event(id="9", source="/store", type="order.packed", subject="order-17"))
    >>> done.type, done.subject, [cause.id for cause in causes(done)]
    ('order.ready', 'order-17', ['1', '9'])
    """

    _word = "+"
    _path = "/all-of"

    def __init__(
        self, *types: str, by: By = "subject", type: str | None = None, source: str | None = None
    ) -> None:
        super().__init__(*types, by=by, type=type, source=source)
        self._waiting: dict[Hashable, dict[str, deque[Event]]] = {}

    def pending(self) -> tuple[Event, ...]:
        """Return the events that still wait for partners, group by group, oldest first."""
        lines = chain.from_iterable(group.values() for group in self._waiting.values())
        return tuple(chain.from_iterable(lines))

    def _complete(self, group: Hashable, event: Event) -> tuple[Event, ...] | None:
        lines = self._waiting.setdefault(group, {})
        lines.setdefault(event.type, deque()).append(event)
        if len(lines) < len(self.types):
            return None
        complete = tuple(lines[name].popleft() for name in self.types)
        left = {name: line for name, line in lines.items() if line}
        if left:
            self._waiting[group] = left
        else:
            del self._waiting[group]
        return complete


class AnyOf(_Join):
    """Joins the first event of any of the types: it has happened when one of them has.

    Once for each group (each subject, say): the first event wins, later ones of the same group
    give nothing.

    Parameters
    ----------
    *types : str
        Two or more different event types.
    by : {"subject", "key"} or callable, default "subject"
        What makes events alternatives of each other: an attribute, or a function of the event.
    type : str, optional
        The joined event's type; by default the types with ``|`` between them.
    source : str, optional
        The joined event's source; by default ``"/any-of"``.

    Attributes
    ----------
    duplicates : int
        How many events were ignored because their source and id had been used.
    late : int
        How many events came after another one of their group had won.

    Notes
    -----
    The joined event is made as `AllOf` makes it, with one cause.  ``pending()`` is always empty.

    Examples
    --------
    >>> answered = AnyOf("call.answered", "call.voicemail", by="key", type="call.over")
    >>> first = answered.offer(Event(id="1", source="/line", type="call.voicemail", key="call-3"))
    >>> first.type, first.key
    ('call.over', 'call-3')
    >>> answered.offer(Event(id="2", source="/line", type="call.answered", key="call-3"))
    >>> answered.late
    1
    """

    _word = "|"
    _path = "/any-of"

    def __init__(
        self, *types: str, by: By = "subject", type: str | None = None, source: str | None = None
    ) -> None:
        super().__init__(*types, by=by, type=type, source=source)
        self.late = 0
        self._won: set[Hashable] = set()

    def _complete(self, group: Hashable, event: Event) -> tuple[Event, ...] | None:
        if group in self._won:
            self.late += 1
            return None
        self._won.add(group)
        return (event,)


def _named(name: object) -> bool:
    return isinstance(name, str) and bool(name)
