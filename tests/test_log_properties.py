"""What holds for every run of a log, whatever fails: random scenarios, seeds 1, 2, 3, ..."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import defaultdict
from typing import Any

import pytest
import simpy

import mesh_lab as ml
from mesh_lab.engines.assembly import Assembly
from mesh_lab.messaging.deliveries import HANDLED, IN_FLIGHT, LOST, OUTCOMES
from mesh_lab.messaging.log.changes import CrashMember, GroupChange, JoinGroup, LeaveGroup, Seek
from mesh_lab.messaging.log.coordinator import LiveGroup
from mesh_lab.messaging.log.group import ConsumerGroup
from mesh_lab.messaging.log.log import Log
from mesh_lab.messaging.log.producer import Producer
from mesh_lab.messaging.log.sender import Sender
from mesh_lab.simulate import run_assembly

ASSIGNORS = ["range", "roundrobin", "sticky", "cooperative-sticky"]
EVENTS = 300


def comings_and_goings(rng: random.Random, members: int) -> tuple[GroupChange, ...]:
    """Members crash, leave, join and start again; member 0 stays."""
    changes: list[GroupChange] = []
    at, there = 0.0, set(range(members))
    for new in range(members, members + rng.randrange(2, 7)):
        at += rng.choice([0.5, 2.0, 7.0, 20.0]) * rng.random()
        kind = rng.randrange(3)
        if kind == 0 or there == {0}:
            changes.append(JoinGroup(at=at, member=new))
            there.add(new)
        else:
            gone = rng.choice(sorted(there - {0}))
            there.discard(gone)
            changes.append(
                CrashMember(at=at, member=gone) if kind == 1 else LeaveGroup(at=at, member=gone)
            )
    return tuple(changes)


def a_group(rng: random.Random, assignor: str, commit: str) -> ConsumerGroup:
    members = rng.randrange(1, 5)
    return ConsumerGroup(
        "g",
        source="log",
        work=ml.Exponential(mean=rng.choice([0.01, 0.1, 0.3])),
        members=members,
        assignor=assignor,  # type: ignore[arg-type]
        commit=commit,  # type: ignore[arg-type]
        commit_interval=rng.choice([0.0, 1.0, 5.0]),
        poll=rng.choice([1, 5, 500]),
        reset="earliest",
        heartbeat=rng.choice([0.3, 1.0]),
        session_timeout=rng.choice([2.0, 6.0]),
        changes=comings_and_goings(rng, members),
    )


def scenario(log: Log, group: ConsumerGroup) -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("s", rate=15.0, to="log", key=ml.Keys(20, exponent=1.0)), log, group
    )


def performed(seed: int, log: Log, group: ConsumerGroup) -> tuple[Assembly, LiveGroup]:
    env = simpy.Environment()
    assembly = Assembly(env, scenario(log, group), seed)
    run_assembly(env, assembly, requests=EVENTS, until=None)
    assert assembly.post is not None
    assert assembly.post.live == 0  # nothing was counted twice, or forgotten
    reader = assembly.post.channels["log"].readers[0]
    assert isinstance(reader, LiveGroup)
    return assembly, reader


def one_owner_at_a_time(group: LiveGroup) -> None:
    """A member takes a partition only when nobody has it."""
    owner: dict[int, int] = {}
    before = 0.0
    for time, partition, member in group.ownership:
        assert time >= before
        before = time
        if member < 0:
            assert partition in owner
            del owner[partition]
        else:
            assert partition not in owner
            owner[partition] = member
    assert group.ownership


def offsets_go_forwards(c: Any) -> None:
    """Each partition is delivered without gaps, and each record again only after its first time."""
    reached: dict[int, int] = defaultdict(int)
    for partition, offset, attempt in zip(c.partition, c.offset, c.attempt, strict=True):
        if offset < 0 or attempt == 0:
            continue
        assert offset <= reached[partition]
        assert (attempt == 1) is (offset == reached[partition])
        reached[partition] = max(reached[partition], int(offset) + 1)


def keys_in_order(c: Any) -> None:
    """First effects of one key come in the order of publishing."""
    last: dict[int, int] = defaultdict(lambda: -1)
    seen: set[int] = set()
    effects = sorted((effect, row) for row, effect in enumerate(c.effect) if effect >= 0)
    for _, row in effects:
        number, key = int(c.number[row]), int(c.key[row])
        if number not in seen:
            seen.add(number)
            assert number > last[key]
            last[key] = number


@pytest.mark.parametrize("commit", ["after", "before", "with"])
@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_every_guarantee_of_every_commit_under_every_assignor(assignor: str, commit: str) -> None:
    again = lost = 0
    for seed in range(1, 13):
        rng = random.Random(seed)
        log = Log("log", partitions=rng.randrange(1, 9), producer=Producer(linger=0.0))
        assembly, group = performed(seed, log, a_group(rng, assignor, commit))
        assert assembly.post is not None
        c = assembly.post.rows.columns()
        one_owner_at_a_time(group)
        offsets_go_forwards(c)
        keys_in_order(c)
        effects: dict[int, int] = dict.fromkeys(range(EVENTS), 0)
        for number, effect in zip(c.number, c.effect, strict=True):
            effects[int(number)] += int(effect >= 0)
        assert IN_FLIGHT not in c.outcome
        if commit == "with":
            assert set(effects.values()) == {1}
        elif commit == "after":
            assert min(effects.values()) == 1
            again += sum(n > 1 for n in effects.values())
        else:
            assert max(effects.values()) == 1
            lost += sum(n == 0 for n in effects.values())
            gone = {int(c.number[row]) for row, end in enumerate(c.outcome) if end == LOST}
            assert gone == {number for number, n in effects.items() if n == 0}
    # the guarantees are tried: what may be doubled is, and what may be lost is
    assert (again > 0) is (commit == "after")
    assert (lost > 0) is (commit == "before")


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_who_gives_up_a_partition_commits_first(assignor: str) -> None:
    """Where members only come and go, in peace, nothing is handled twice."""
    moved = 0
    for seed in range(1, 7):
        rng = random.Random(seed)
        group = a_group(rng, assignor, "after")
        peace = tuple(c for c in group.changes if not isinstance(c, CrashMember))
        group = dataclasses.replace(group, changes=peace, commit_interval=100.0)
        assembly, live = performed(seed, Log("log", partitions=6), group)
        assert assembly.post is not None
        c = assembly.post.rows.columns()
        assert sorted(c.number) == list(range(EVENTS))
        assert (c.effect >= 0).all()
        moved += sum(member >= 0 for _, _, member in live.ownership) - 6
    assert moved > 10


def owners(group: ConsumerGroup) -> list[tuple[float, int, int]]:
    _, live = performed(1, Log("log", partitions=2), group)
    return [(round(time, 6), partition, member) for time, partition, member in live.ownership]


def test_who_gives_up_a_partition_joins_again_at_once() -> None:
    """Member 0 is told at 12.0, and gives up partition 1; member 1 is told at 13.5."""
    joins = (JoinGroup(at=10.5, member=1),)
    group = dataclasses.replace(READER, members=1, assignor="cooperative-sticky", changes=joins)
    assert owners(group) == [(0.0, 0, 0), (0.0, 1, 0), (12.0, 1, -1), (13.5, 1, 1)]


def test_a_rebalance_waits_for_a_poll_interval_and_no_longer() -> None:
    """Member 1 crashes at 4.0, and its session lasts; the rebalance of 6.5 goes on at 11.5."""
    changes = (CrashMember(at=4.0, member=1), JoinGroup(at=6.5, member=2))
    group = dataclasses.replace(READER, max_poll_interval=5.0, changes=changes)
    assert owners(group) == [
        (0.0, 0, 0), (0.0, 1, 1), (9.0, 0, -1), (11.5, 1, -1), (11.5, 0, 0), (11.5, 1, 2)
    ]  # fmt: skip


def test_what_is_sent_again_waits_for_what_comes_before_it() -> None:
    """Event 1 is lost at 2.0 and sent again at 3.6; 2, refused at 3.0, is sent once more then."""
    producer = Producer(linger=0.0, request_timeout=1.5, cuts=((1.9, 2.1),))
    alone = ml.Scenario(
        ml.Renewal("s", gap=ml.Deterministic(value=1.0), to="log"),
        Log("log", partitions=1, producer=producer),
    )
    env = simpy.Environment()
    assembly = Assembly(env, alone, 1)
    run_assembly(env, assembly, requests=4, until=None)
    assert assembly.post is not None
    assert assembly.post.channels["log"]._senders["s"].retried == 2


def broker_outages(rng: random.Random, brokers: int) -> tuple[tuple[int, float, float], ...]:
    """One broker at a time, and the next not before all have caught up."""
    outages, at = [], 0.0
    for _ in range(rng.randrange(2, 6)):
        at += 0.5 + 3.0 * rng.random()
        until = at + 3.0 * rng.random() + 0.01
        outages.append((rng.randrange(brokers), at, until))
        at = until + 1.0
    return tuple(outages)


def a_producer(rng: random.Random, **fields: Any) -> Producer:
    return Producer(
        batch=rng.choice([1, 4, 16]),
        linger=rng.choice([0.0, 0.05]),
        delay=rng.choice([None, 0.01, ml.Exponential(mean=0.02)]),
        loss=rng.choice([0.0, 0.02, 0.2]),
        request_timeout=1.0,
        in_flight=rng.choice([1, 2, 5]),
        **fields,
    )


def replicated(rng: random.Random, producer: Producer, **fields: Any) -> Log:
    return Log(
        "log",
        partitions=rng.randrange(1, 5),
        replication=3,
        producer=producer,
        replica_delay=rng.choice([0.005, ml.Exponential(mean=0.1)]),
        failover=rng.choice([0.0, 0.3, 2.0]),
        broker_outages=broker_outages(rng, 3),
        **fields,
    )


READER = ConsumerGroup(
    "g", source="log", work=ml.Deterministic(value=0.001), members=2, commit="with"
)


def test_acks_all_and_two_in_sync_lose_nothing_and_numbers_double_and_reorder_nothing() -> None:
    retried = 0
    for seed in range(1, 41):
        rng = random.Random(seed)
        log = replicated(rng, a_producer(rng), min_insync=2)
        assembly, group = performed(seed, log, READER)
        assert assembly.post is not None
        c = assembly.post.rows.columns()
        numbers = [int(n) for n in c.number]
        assert sorted(numbers) == list(range(EVENTS))  # each once: nothing lost, nothing doubled
        assert (c.effect >= 0).all()
        keys_in_order(c)
        one_owner_at_a_time(group)
        senders: dict[str, Sender] = assembly.post.channels["log"]._senders
        retried += senders["s"].retried
    assert retried > 1000  # it was tried


@pytest.mark.parametrize(
    ("fields", "loses", "doubles"),
    [
        ({"acks": 0}, True, False),
        ({"acks": 1}, True, True),
        ({"idempotent": False}, False, True),
    ],
)
def test_what_the_others_lose_and_double(
    fields: dict[str, Any], loses: bool, doubles: bool
) -> None:
    lost = doubled = 0
    for seed in range(1, 21):
        rng = random.Random(seed)
        log = replicated(rng, a_producer(rng, **fields), min_insync=2)
        assembly, _ = performed(seed, log, READER)
        assert assembly.post is not None
        c = assembly.post.rows.columns()
        effects = dict.fromkeys(range(EVENTS), 0)
        for number, effect in zip(c.number, c.effect, strict=True):
            effects[int(number)] += int(effect >= 0)
        missing = {number for number, n in effects.items() if n == 0}
        assert missing <= {int(c.number[row]) for row, end in enumerate(c.outcome) if end == LOST}
        lost += len(missing)
        doubled += sum(n > 1 for n in effects.values())
    assert (lost > 0) is loses
    assert (doubled > 0) is doubles


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_every_run_obeys_the_laws(assignor: str) -> None:
    for seed in range(1, 7):
        rng = random.Random(seed)
        log = replicated(rng, a_producer(rng, acks=rng.choice(["all", 1, 0])))
        at = 5.0 * rng.random()  # and all brokers are away together
        log = dataclasses.replace(
            log,
            unclean=rng.random() < 0.5,
            broker_outages=tuple((b, at + 2.0 * rng.random(), at + 3.0) for b in range(3)),
        )
        group = a_group(rng, assignor, rng.choice(["after", "before", "with"]))
        made = ml.simulate(scenario(log, group), requests=EVENTS, seed=seed)
        made.check_invariants()


@pytest.mark.parametrize(
    ("column", "row", "value", "law"),
    [
        ("written", 3, 0.0, "order of times"),
        ("written", 3, math.nan, "order of times"),
        ("delivered", 3, 0.0, "order of times"),
        ("started", 3, 0.0, "order of times"),
        ("finished", 3, 0.0, "order of times"),
        ("acked", 3, 0.0, "order of times"),
        ("finished", 3, math.nan, "order of times"),
        ("offset", 3, 99, "offsets go forwards"),
        ("attempt", -1, 7, "one at a time"),
    ],
)
def test_a_broken_law_is_found(column: str, row: int, value: float, law: str) -> None:
    group = dataclasses.replace(READER, commit="after", changes=(Seek(at=5.0, to="earliest"),))
    made = ml.simulate(scenario(Log("log", partitions=1), group), requests=20, seed=1)
    made.check_invariants()
    c = made.delivery_columns
    assert c is not None
    changed = getattr(c, column).copy()
    changed[row] = value
    made.delivery_columns = dataclasses.replace(c, **{column: changed})
    with pytest.raises(ml.InvariantError, match=law):
        made.check_invariants()


def test_batches_reach_the_same_log_whatever_reads_it() -> None:
    """Readers do not change what is written, when, or where."""
    rng = random.Random(1)
    log = replicated(rng, a_producer(rng), min_insync=2)
    made = []
    for seed in (1, 2, 3):
        group = a_group(random.Random(seed), ASSIGNORS[seed], "after")
        assembly, _ = performed(9, log, group)
        assert assembly.post is not None
        partitions = assembly.post.channels["log"].partitions
        made.append([[(r.message.number, r.sent, r.written) for r in p.log] for p in partitions])
    assert made[0] == made[1] == made[2]
    assert all(not math.isnan(r[2]) for p in made[0] for r in p)


def test_a_run_is_the_same_every_time() -> None:
    rng = random.Random(2)
    log, group = replicated(rng, a_producer(rng)), a_group(rng, "cooperative-sticky", "after")
    first, second = (performed(3, log, group)[0].post for _ in range(2))
    assert first is not None
    assert second is not None
    one, two = first.rows.columns(), second.rows.columns()
    for name in one.arrays():
        a, b = getattr(one, name), getattr(two, name)
        assert ((a == b) | ((a != a) & (b != b))).all(), name
    assert OUTCOMES[HANDLED] == "handled"
