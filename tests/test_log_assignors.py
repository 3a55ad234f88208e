"""Assignors: what must hold always, and the same groups with kafka-python's."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mesh_lab.messaging.log.assignors import ASSIGNORS, Assignment

Group = tuple[dict[str, list[str]], dict[str, int]]
MANY = 1500


def group(rng: random.Random, *, equal: bool) -> Group:
    """Members with their topics, topics with their partitions."""
    topics = {f"t{k}": rng.randrange(1, 20) for k in range(rng.randrange(1, 5))}
    names = rng.sample([f"m{k:02}" for k in range(40)], rng.randrange(1, 12))
    if equal:
        return {name: list(topics) for name in names}, topics
    return {name: rng.sample(list(topics), rng.randrange(1, len(topics) + 1)) for name in names}, (
        topics
    )


def changed(rng: random.Random, before: Group, *, equal: bool) -> Group:
    """The group after some have come, gone, or changed what they want."""
    members = {name: wanted for name, wanted in before[0].items() if rng.random() < 0.8}
    topics = dict(before[1])
    if rng.random() < 0.2:
        topics[rng.choice(list(topics))] += rng.randrange(1, 6)
    for name in rng.sample([f"n{k:02}" for k in range(9)], rng.randrange(0 if members else 1, 4)):
        members[name] = list(topics)
    if not equal:
        for name in members:
            if rng.random() < 0.3:
                members[name] = rng.sample(list(topics), rng.randrange(1, len(topics) + 1))
    return members, topics


def groups(*, equal: bool, seed: int) -> Iterator[tuple[Group, Group]]:
    rng = random.Random(seed)
    for _ in range(MANY):
        before = group(rng, equal=equal)
        yield before, changed(rng, before, equal=equal)


def everything(members: dict[str, list[str]], topics: dict[str, int]) -> list[tuple[str, int]]:
    wanted = {topic for those in members.values() for topic in those}
    return sorted((topic, p) for topic in wanted for p in range(topics[topic]))


def check_once_each(members: dict[str, list[str]], topics: dict[str, int], a: Assignment) -> None:
    assert set(a) == set(members)
    assert sorted(p for held in a.values() for p in held) == everything(members, topics)
    assert all(topic in members[member] for member, held in a.items() for topic, _ in held)


def kept(before: Assignment, after: Assignment) -> int:
    return sum(len(set(held) & set(before.get(member, []))) for member, held in after.items())


def theirs(
    name: str, members: dict[str, list[str]], topics: dict[str, int], owned: Assignment
) -> Assignment:
    """What kafka-python's assignor gives."""
    from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.coordinator.assignors.sticky.sticky_assignor import (
        StickyAssignmentExecutor,
        StickyAssignorMemberMetadataV1,
    )
    from kafka.structs import TopicPartition

    class Cluster:
        def topics(self) -> list[str]:
            return sorted(topics)

        def partitions_for_topic(self, topic: str) -> set[int]:
            return set(range(topics[topic]))

    class Member:
        group_instance_id = None

        def __init__(self, member_id: str) -> None:
            self.member_id = member_id
            self.metadata = self
            self.topics = members[member_id]

    if name == "sticky":
        executor = StickyAssignmentExecutor(
            Cluster(),
            {
                member: StickyAssignorMemberMetadataV1(
                    partitions=[TopicPartition(*p) for p in owned.get(member, [])],
                    generation=1,
                    subscription=members[member],
                )
                for member in members
            },
        )
        executor.perform_initial_assignment()
        executor.balance()
        given: dict[str, Any] = {m: executor.get_final_assignment(m) for m in members}
    else:
        kinds: dict[str, type[AbstractPartitionAssignor]] = {
            "range": RangePartitionAssignor,
            "roundrobin": RoundRobinPartitionAssignor,
        }
        made = kinds[name].assign(Cluster(), [Member(m) for m in members])
        given = {m: [(tp.topic, [tp.partition]) for tp in made[m].partitions()] for m in members}
    return {m: sorted((t, p) for t, ps in given[m] for p in ps) for m in members}


@pytest.mark.parametrize(
    # kafka-python 3.0.12 cannot skip members in its round-robin (it raises KeyError), see below
    ("name", "equal"),
    [("range", True), ("range", False), ("roundrobin", True)],
)
def test_the_assignment_is_kafka_pythons(name: str, equal: bool) -> None:
    pytest.importorskip("kafka", reason="assignors are compared with kafka-python's")
    for (members, topics), _ in groups(equal=equal, seed=1):
        assert ASSIGNORS[name].assign(members, topics) == theirs(name, members, topics, {})


def test_round_robin_skips_who_does_not_subscribe() -> None:
    # the example in the javadoc of Kafka's RoundRobinAssignor
    members = {"C0": ["t0"], "C1": ["t0", "t1"], "C2": ["t0", "t1", "t2"]}
    assert ASSIGNORS["roundrobin"].assign(members, {"t0": 1, "t1": 2, "t2": 3}) == {
        "C0": [("t0", 0)],
        "C1": [("t1", 0)],
        "C2": [("t1", 1), ("t2", 0), ("t2", 1), ("t2", 2)],
    }


def test_sticky_is_as_balanced_as_kafka_pythons_and_keeps_no_less() -> None:
    pytest.importorskip("kafka", reason="assignors are compared with kafka-python's")
    sticky = ASSIGNORS["sticky"]
    for before, (members, topics) in groups(equal=True, seed=2):
        owned = sticky.assign(*before)
        ours, other = (
            sticky.assign(members, topics, owned),
            theirs("sticky", members, topics, owned),
        )
        assert Counter(map(len, ours.values())) == Counter(map(len, other.values()))
        assert kept(owned, ours) >= kept(owned, other)


def test_sticky_with_different_wishes_beside_kafka_python() -> None:
    """Both look for a balance by single moves, and may end in different ones.

    Over 1500 groups ours should be no less even, and keep no less, in the sum.
    """
    pytest.importorskip("kafka", reason="assignors are compared with kafka-python's")
    sticky, uneven, stayed = ASSIGNORS["sticky"], [0, 0], [0, 0]
    for before, (members, topics) in groups(equal=False, seed=3):
        owned = sticky.assign(*before)
        both = sticky.assign(members, topics, owned), theirs("sticky", members, topics, owned)
        for k, made in enumerate(both):
            uneven[k] += sum(len(held) ** 2 for held in made.values())
            stayed[k] += kept(owned, made)
    assert uneven[0] <= 1.001 * uneven[1]
    assert stayed[0] >= 0.99 * stayed[1]


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("name", ["range", "roundrobin", "sticky"])
def test_every_partition_has_exactly_one_owner(name: str, equal: bool) -> None:
    rule = ASSIGNORS[name]
    for before, after in groups(equal=equal, seed=4):
        owned = rule.assign(*before)
        check_once_each(*before, owned)
        check_once_each(*after, rule.assign(*after, owned))


@pytest.mark.parametrize("name", ["roundrobin", "sticky"])
def test_numbers_differ_by_one_at_most(name: str) -> None:
    rule = ASSIGNORS[name]
    for before, after in groups(equal=True, seed=5):
        owned = rule.assign(*before)
        for given in (owned, rule.assign(*after, owned)):
            sizes = [len(held) for held in given.values()]
            assert max(sizes) - min(sizes) <= 1


def test_range_differs_by_one_at_most_in_each_topic() -> None:
    for (members, topics), _ in groups(equal=False, seed=6):
        given = ASSIGNORS["range"].assign(members, topics)
        for topic in topics:
            held = {m: [p for t, p in given[m] if t == topic] for m in members}
            sizes = [len(held[m]) for m in members if topic in members[m]]
            assert not sizes or max(sizes) - min(sizes) <= 1
            assert all(ps == list(range(ps[0], ps[0] + len(ps))) for ps in held.values() if ps)


def test_sticky_keeps_as_much_as_can_be_kept() -> None:
    """Balanced means p // n each, and one more for p % n members: whoever has most keeps it."""
    sticky = ASSIGNORS["sticky"]
    rng = random.Random(7)
    for before, (members, topics) in groups(equal=True, seed=7):
        owned = sticky.assign(*before)
        if rng.random() < 0.5:  # or any ownership at all, balanced or not
            owned = {member: [] for member in before[0]}
            for partition in everything(*before):
                owned[rng.choice(list(owned))].append(partition)
        low, more = divmod(len(everything(members, topics)), len(members))
        had = sorted((len(owned.get(member, [])) for member in members), reverse=True)
        best = sum(min(n, low + (k < more)) for k, n in enumerate(had))
        assert kept(owned, sticky.assign(members, topics, owned)) == best


def test_sticky_leaves_no_move_that_would_even_out() -> None:
    sticky = ASSIGNORS["sticky"]
    for before, (members, topics) in groups(equal=False, seed=8):
        given = sticky.assign(members, topics, sticky.assign(*before))
        for giver in members:
            for taker in members:
                if len(given[giver]) >= len(given[taker]) + 2:
                    assert not any(topic in members[taker] for topic, _ in given[giver])


def test_cooperative_takes_two_rounds_and_no_partition_has_two_owners() -> None:
    rule, sticky = ASSIGNORS["cooperative-sticky"], ASSIGNORS["sticky"]
    moved = 0
    for before, after in groups(equal=True, seed=9):
        owned = sticky.assign(*before)
        first = rule.assign(*after, owned)
        given = [p for held in first.values() for p in held]
        assert len(given) == len(set(given))
        owner = {p: m for m, held in owned.items() if m in after[0] for p in held}
        assert all(owner.get(p, m) == m for m, held in first.items() for p in held)
        second = rule.assign(*after, first)
        check_once_each(*after, second)
        assert all(set(first[m]) <= set(second[m]) for m in first)  # nothing moves twice
        moved += len(everything(*after)) - len(given)
    assert moved > MANY  # the second round is needed often
