"""Events: CloudEvents 1.0 with a routing key, joins of several, changes of a database.

`Event` is in `event`, what its attributes may hold in `attributes`, `AllOf` and `AnyOf` in `joins`,
and `change_event` in `changes`.
"""

from __future__ import annotations

from .changes import change_event
from .event import Event
from .joins import AllOf, AnyOf, causes

__all__ = ["AllOf", "AnyOf", "Event", "causes", "change_event"]
