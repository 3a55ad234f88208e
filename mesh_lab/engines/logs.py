"""What the quick engines for partitioned logs need to know beforehand: who reads, and what where.

The rules themselves are those of `mesh_lab.messaging.log`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..messaging.log.assignors import ASSIGNORS
from ..messaging.log.group import ConsumerGroup
from ..messaging.log.log import Log
from ..messaging.log.partitioner import keyed_partition
from ..messaging.rows import Rows
from ..scenario import Scenario
from ..sources.keys import Keys

__all__ = ["groups_of", "names_of", "owned", "partitions_of", "placed"]

Ints = NDArray[np.int32]
_MANY = 100_000  # keys, all of which are hashed beforehand


def groups_of(scenario: Scenario) -> list[ConsumerGroup]:
    """Return the groups of a scenario."""
    return [group for group in scenario.subscribers if isinstance(group, ConsumerGroup)]


def owned(group: ConsumerGroup, log: Log) -> list[list[int]]:
    """Return the partitions of each member, as the assignor gives them out at the beginning."""
    ids = [f"{number:09}" for number in range(group.members)]
    made = ASSIGNORS[group.assignor].assign(
        dict.fromkeys(ids, (log.name,)), {log.name: log.partitions}, {each: [] for each in ids}
    )
    return [sorted(p for _, p in made[each]) for each in ids]


def partitions_of(scenario: Scenario, log: Log, source: NDArray[np.int16], key: Ints) -> Ints:
    """Return the partition of each event that has a key; -1 for the others.

    Parameters
    ----------
    source, key : array
        Of each event: its source, and the number of its key there.
    """
    made = np.full(len(key), -1, dtype=np.int32)
    for i, each in enumerate(scenario.sources):
        keys = each.key
        if keys is None:
            continue
        mine = slice(None) if len(scenario.sources) == 1 else source == i
        numbers = key[mine]
        made[mine] = placed(keys, numbers, log.partitions)
    return made


def placed(keys: Keys, numbers: NDArray[Any], partitions: int) -> Ints:
    """Return the partitions of keys, by their numbers."""
    if keys.count <= _MANY:
        places = _all_placed(keys.prefix, keys.count, partitions)
        return np.take(places, numbers)
    there, which = np.unique(numbers, return_inverse=True)
    return _places(keys, there.tolist(), partitions)[which.reshape(-1)]


@functools.lru_cache(maxsize=8)  # to hash 100 000 keys takes as long as a million events
def _all_placed(prefix: str, count: int, partitions: int) -> Ints:
    places = _places(Keys(count, prefix=prefix), list(range(count)), partitions)
    places.flags.writeable = False
    return places


def _places(keys: Keys, numbers: list[int], partitions: int) -> Ints:
    return np.array(
        [keyed_partition(keys.text(k).encode(), partitions) for k in numbers], dtype=np.int32
    )


def names_of(groups: list[ConsumerGroup]) -> tuple[Rows, list[int]]:
    """Return the names by which rows know groups and members, and the place of each member."""
    names = Rows([], [group.name for group in groups], lambda: 0.0)
    for group in groups:
        names.introduce(group.name, group.member_names)
    place = {name: k for k, name in enumerate(names.consumers)}
    return names, [place[f"{group.name}-{k}"] for group in groups for k in range(group.members)]
