"""Round-robin: all partitions of all topics are dealt out, one to each member in turn.

Javadoc of Kafka's ``RoundRobinAssignor``: members and partitions are sorted, and who does not
subscribe to a partition's topic is skipped.  With equal subscriptions, numbers differ by one at
most; when a member comes or goes, nearly everything may move.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import ClassVar

from .rule import Assignment, Assignor, Owned, Subscriptions, all_partitions

__all__ = ["RoundRobinAssignor"]


class RoundRobinAssignor(Assignor):
    """One partition to each member in turn.

    Examples
    --------
    >>> two = {"a": ["s", "t"], "b": ["s", "t"]}
    >>> RoundRobinAssignor().assign(two, {"s": 3, "t": 3})["a"]
    [('s', 0), ('s', 2), ('t', 1)]
    """

    name: ClassVar[str] = "roundrobin"

    def assign(
        self, members: Subscriptions, topics: Mapping[str, int], owned: Owned | None = None
    ) -> Assignment:
        """Return who gets which partitions; what is owned makes no difference."""
        assignment: Assignment = {member: [] for member in members}
        turns = cycle(sorted(members))
        for topic, p in all_partitions(members, topics):
            member = next(member for member in turns if topic in members[member])
            assignment[member].append((topic, p))
        return assignment
