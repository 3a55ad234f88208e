"""Cooperative sticky: the sticky assignment, reached in two rebalances that stop nobody (KIP-429).

In the first, a partition that is to move from one member to another is given to nobody: its owner
sees that it is gone, revokes it and joins again.  In the second it belongs to nobody, and goes to
its new owner.  All other partitions are worked on all the while (Kafka's
``CooperativeStickyAssignor.adjustAssignment``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .rule import Assignment, Owned, Subscriptions
from .sticky import StickyAssignor

__all__ = ["CooperativeStickyAssignor"]


class CooperativeStickyAssignor(StickyAssignor):
    """Sticky, and only what moves is given up.

    Examples
    --------
    >>> assignor, two = CooperativeStickyAssignor(), {"a": ["s"], "b": ["s"]}
    >>> first = assignor.assign(two, {"s": 4}, {"a": [("s", p) for p in range(4)]})
    >>> first
    {'a': [('s', 0), ('s', 1)], 'b': []}
    >>> assignor.assign(two, {"s": 4}, first)
    {'a': [('s', 0), ('s', 1)], 'b': [('s', 2), ('s', 3)]}
    """

    name: ClassVar[str] = "cooperative-sticky"
    cooperative: ClassVar[bool] = True

    def assign(
        self, members: Subscriptions, topics: Mapping[str, int], owned: Owned | None = None
    ) -> Assignment:
        """Return who gets which partitions now; what moves is in no list yet."""
        final = super().assign(members, topics, owned)
        owner = {
            partition: member for member in members for partition in (owned or {}).get(member, ())
        }
        return {
            member: [p for p in partitions if owner.get(p, member) == member]
            for member, partitions in final.items()
        }
