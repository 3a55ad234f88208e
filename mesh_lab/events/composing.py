"""What all composite events share: what they are made by, and what is made of their causes.

A composite event is derived from its causes alone, so that the same causes give the same event
wherever and whenever they are composed: its id is a hash, its subject and key are theirs if they
agree, and ``data["causes"]`` lists them in their JSON form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from ..errors import EventError, PartError
from .event import Event

__all__ = ["By", "causes", "check_by", "composed", "group_of"]

By: TypeAlias = str | Callable[[Event], Hashable]


def check_by(part: str, by: By) -> None:
    """Raise `PartError` unless events can be grouped by it."""
    if by not in ("subject", "key") and not callable(by):
        raise PartError(
            part, "by", f"is {by!r}, but must be 'subject', 'key' or a function of the event"
        )


def group_of(event: Event, by: By, composer: object) -> Hashable:
    """Return what an event has in common with those that it belongs to."""
    group = getattr(event, by) if isinstance(by, str) else by(event)
    what = by if isinstance(by, str) else "value from the function by="
    if group is None:
        raise EventError(f"{event!r} has no {what}, by which {composer!r} joins")
    try:
        hash(group)
    except TypeError:
        raise EventError(f"{event!r} has the {what} {group!r}, which is not hashable") from None
    return group


def composed(
    type: str,
    source: str,
    parts: Sequence[Event],
    time: datetime | None,
    more: Mapping[str, Any] | None = None,
) -> Event:
    """Return the composite event of some causes; `more` stands beside them in its data."""
    identities = json.dumps([type, *(event.identity for event in parts), *([more] if more else [])])
    subjects = {event.subject for event in parts}
    keys = {event.key for event in parts}
    return Event(
        id=hashlib.sha256(identities.encode()).hexdigest()[:32],
        source=source,
        type=type,
        subject=subjects.pop() if len(subjects) == 1 else None,
        key=keys.pop() if len(keys) == 1 else None,
        time=time,
        data={**(more or {}), "causes": [event.to_dict() for event in parts]},
    )


def causes(event: Event) -> tuple[Event, ...]:
    """Return the events that a composite event was made from, in the order that its maker gives.

    Raises
    ------
    EventError
        When `event` is not a composite one.
    """
    listed = event.data.get("causes") if isinstance(event.data, dict) else None
    if not isinstance(listed, list):
        raise EventError(f"data: of {event!r} lists no causes, so it is not a composite one")
    return tuple(Event.from_dict(members) for members in listed)
