"""What an assignor is: the rule by which a group's leader gives partitions to members.

An assignor knows who subscribes to which topics, how many partitions each topic has, and who owns
which partitions now.  It says who gets which.  Members are told apart by name, and sorted by it,
so that everybody who computes the assignment comes to the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

__all__ = ["Assignment", "Assignor", "Owned", "Subscriptions", "TopicPartition", "all_partitions"]

TopicPartition = tuple[str, int]
Subscriptions = Mapping[str, Collection[str]]
Owned = Mapping[str, Iterable[TopicPartition]]
Assignment = dict[str, list[TopicPartition]]


class Assignor:
    """The base of the assignors.

    Attributes
    ----------
    name : str
        What Kafka calls it.
    cooperative : bool
        Whether members keep their partitions while a rebalance goes on, and give up only those
        that move (KIP-429); otherwise (*eager*) all give up everything first.
    """

    name: ClassVar[str]
    cooperative: ClassVar[bool] = False

    def assign(
        self, members: Subscriptions, topics: Mapping[str, int], owned: Owned | None = None
    ) -> Assignment:
        """Return who gets which partitions.

        Parameters
        ----------
        members : mapping of str to collection of str
            The topics that each member subscribes to.
        topics : mapping of str to int
            How many partitions each topic has; a topic that is not here has none.
        owned : mapping of str to iterable of (topic, partition), optional
            What members own now.

        Returns
        -------
        dict of str to list of (topic, partition)
            Sorted; every member is in it, and every partition of a topic that somebody subscribes
            to is in exactly one list (in at most one, with a cooperative assignor).
        """
        raise NotImplementedError


def all_partitions(members: Subscriptions, topics: Mapping[str, int]) -> list[TopicPartition]:
    """Return the partitions of all topics that somebody subscribes to, sorted."""
    wanted = {topic for subscribed in members.values() for topic in subscribed}
    return [(topic, p) for topic in sorted(wanted) for p in range(topics.get(topic, 0))]
