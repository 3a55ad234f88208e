"""Sticky: balance first, and then everybody keeps what can be kept (KIP-54).

Javadoc of Kafka's ``StickyAssignor``: an assignment is balanced when numbers differ by one at
most, or when no member that has two or more fewer than another can take over one of the other's
partitions.  Among such assignments, partitions stay where they are.

The rule here has three steps.  Members keep what they own and still subscribe to.  Partitions that
nobody has go to the subscribed member that has fewest, those first that fewest members want.  Then,
as long as a member could take a partition from one that has two or more above it, one is moved,
from the fullest such member to the emptiest.  With equal subscriptions this keeps as many
partitions in place as any balanced assignment can, like Kafka's; which of them move, where there is
a choice, may differ from Kafka, whose two algorithms (for equal and for different subscriptions,
``AbstractStickyAssignor``) break ties by the order of Java's hash tables in places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .rule import Assignment, Assignor, Owned, Subscriptions, TopicPartition, all_partitions

__all__ = ["StickyAssignor"]


class StickyAssignor(Assignor):
    """Balanced, and as little as possible moves.

    Examples
    --------
    >>> now = {"a": [("s", 0), ("s", 1), ("s", 2)], "b": [("s", 3)]}
    >>> StickyAssignor().assign({"a": ["s"], "b": ["s"], "c": ["s"]}, {"s": 4}, now)
    {'a': [('s', 0), ('s', 1)], 'b': [('s', 3)], 'c': [('s', 2)]}
    """

    name: ClassVar[str] = "sticky"

    def assign(
        self, members: Subscriptions, topics: Mapping[str, int], owned: Owned | None = None
    ) -> Assignment:
        """Return who gets which partitions.

        Of a partition that several claim to own, the first by name keeps it.
        """
        names = sorted(members)
        free = dict.fromkeys(all_partitions(members, topics))
        assignment: Assignment = {member: [] for member in names}
        for member in names:
            for partition in sorted((owned or {}).get(member, ())):
                if partition in free and partition[0] in members[member]:
                    assignment[member].append(partition)
                    del free[partition]
        kept = {partition for held in assignment.values() for partition in held}
        wants = {topic: [m for m in names if topic in members[m]] for topic, _ in free}
        for topic, p in sorted(free, key=lambda partition: (len(wants[partition[0]]), partition)):
            least = min(wants[topic], key=lambda member: len(assignment[member]))
            assignment[least].append((topic, p))
        while move := _improvement(members, assignment, kept):
            giver, taker, partition = move
            assignment[giver].remove(partition)
            assignment[taker].append(partition)
        return {member: sorted(assignment[member]) for member in members}


def _improvement(
    members: Subscriptions, assignment: Assignment, kept: set[TopicPartition]
) -> tuple[str, str, TopicPartition] | None:
    """Return (from whom, to whom, what) if a move makes the numbers more equal; None if none does.

    What was not owned before is moved rather than what was, and the last rather than the first.
    """
    by_load = sorted(assignment, key=lambda member: (len(assignment[member]), member))
    for giver in reversed(by_load):
        for taker in by_load:
            if len(assignment[giver]) < len(assignment[taker]) + 2:
                break
            movable = [held for held in assignment[giver] if held[0] in members[taker]]
            if movable:
                return giver, taker, max(movable, key=lambda held: (held not in kept, held))
    return None
