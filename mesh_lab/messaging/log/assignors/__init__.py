"""Assignors: which member of a group gets which partitions, by Kafka's names."""

from __future__ import annotations

from .cooperative import CooperativeStickyAssignor
from .range import RangeAssignor
from .roundrobin import RoundRobinAssignor
from .rule import Assignment, Assignor
from .sticky import StickyAssignor

__all__ = [
    "ASSIGNORS",
    "Assignment",
    "Assignor",
    "CooperativeStickyAssignor",
    "RangeAssignor",
    "RoundRobinAssignor",
    "StickyAssignor",
]

ASSIGNORS: dict[str, Assignor] = {
    rule.name: rule
    for rule in (
        RangeAssignor(),
        RoundRobinAssignor(),
        StickyAssignor(),
        CooperativeStickyAssignor(),
    )
}
