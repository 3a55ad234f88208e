"""Events: CloudEvents 1.0 with a routing key, composite events, changes of a database.

`Event` is in `event`, what its attributes may hold in `attributes`, `AllOf` and `AnyOf` in `joins`,
`TumblingWindow` and `SlidingWindow` in `windows`, `FollowedBy`, `NotFollowedBy` and `CountWithin`
in `sequences` (the clock that these share is in `timed`, what all composite events share in
`composing`), and `change_event` in `changes`.
"""

from __future__ import annotations

from .changes import change_event
from .composing import causes
from .event import Event
from .joins import AllOf, AnyOf
from .sequences import CountWithin, FollowedBy, NotFollowedBy
from .windows import SlidingWindow, TumblingWindow

__all__ = [
    "AllOf",
    "AnyOf",
    "CountWithin",
    "Event",
    "FollowedBy",
    "NotFollowedBy",
    "SlidingWindow",
    "TumblingWindow",
    "causes",
    "change_event",
]
