"""Range: each topic is cut into as many runs of partitions as it has members.

Kafka's default first choice (javadoc of ``RangeAssignor``): topic by topic, members are sorted by
name, each gets n // c consecutive partitions, and the first n % c one more.  Partition 3 of one
topic and of another with as many partitions are therefore at one member, which joins need; the
same members get one more of every topic, which is the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .rule import Assignment, Assignor, Owned, Subscriptions

__all__ = ["RangeAssignor"]


class RangeAssignor(Assignor):
    """Consecutive partitions, topic by topic.

    Examples
    --------
    >>> two = {"a": ["s", "t"], "b": ["s", "t"]}
    >>> RangeAssignor().assign(two, {"s": 3, "t": 3})["a"]
    [('s', 0), ('s', 1), ('t', 0), ('t', 1)]
    """

    name: ClassVar[str] = "range"

    def assign(
        self, members: Subscriptions, topics: Mapping[str, int], owned: Owned | None = None
    ) -> Assignment:
        """Return who gets which partitions; what is owned makes no difference."""
        assignment: Assignment = {member: [] for member in members}
        for topic in sorted({topic for wanted in members.values() for topic in wanted}):
            subscribed = sorted(member for member in members if topic in members[member])
            each, more = divmod(topics.get(topic, 0), len(subscribed))
            first = 0
            for index, member in enumerate(subscribed):
                end = first + each + (index < more)
                assignment[member] += [(topic, p) for p in range(first, end)]
                first = end
        return assignment
