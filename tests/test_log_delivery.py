"""The partitioned log by hand: batches, groups, crashes, rebalances; every row of small cases."""

from __future__ import annotations

from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.messaging.log.changes import CrashMember, JoinGroup, LeaveGroup, Seek
from mesh_lab.messaging.log.group import ConsumerGroup
from mesh_lab.messaging.log.lag import lag
from mesh_lab.messaging.log.log import Log
from mesh_lab.messaging.log.producer import Producer
from tests.logs import confirmed, fixed, group, log, numbers, rows, run


def test_a_batch_is_sent_when_it_is_full_or_old() -> None:
    made = run(log(producer=Producer(batch=3, linger=2.5)), group(), events=7)
    # three at 3.0, three at 6.0, and the last 2.5 s after it came
    assert confirmed(made) == [(3.0, "ok")] * 3 + [(6.0, "ok")] * 3 + [(9.5, "ok")]
    assert rows(made, "offset", "sent", "delivered", "started", "finished", "acked") == [
        (0, 1.0, 3.0, 3.0, 3.4, 5.0),  # commits come every 5 s
        (1, 2.0, 3.0, 3.4, 3.8, 5.0),
        (2, 3.0, 3.0, 3.8, 4.2, 5.0),
        (3, 4.0, 6.0, 6.0, 6.4, 10.0),
        (4, 5.0, 6.0, 6.4, 6.8, 10.0),
        (5, 6.0, 6.0, 6.8, 7.2, 10.0),
        (6, 7.0, 9.5, 9.5, 9.9, 10.0),
    ]


def test_batches_fill_while_requests_are_in_flight() -> None:
    made = run(
        log(producer=Producer(batch=3, linger=0.0, in_flight=1, delay=0.8)), group(), events=7
    )
    # 1.0 -> 2.6; the next goes at 2.6, then 3.0 and 4.0 together at 4.2, and so on
    assert [end for end, _ in confirmed(made)] == [2.6, 4.2, 5.8, 5.8, 7.4, 9.0, 9.0]
    assert [row[0] for row in rows(made, "written")] == [1.8, 3.4, 5.0, 5.0, 6.6, 8.2, 8.2]


def test_a_poll_returns_no_more_than_it_may() -> None:
    made = run(log(), group(work=fixed(2.5), poll=2, commit_interval=0.0), events=6)
    assert rows(made, "delivered", "acked") == [
        (1.0, 3.5),
        (3.5, 8.5),
        (3.5, 8.5),
        (8.5, 13.5),
        (8.5, 13.5),
        (13.5, 16.0),
    ]


# Four events are written together at 4.0, and one poll returns them all to member 0.  It has
# handled two, and dies in the third at 7.5.  It was heard of at 6.0 last, so it is removed at 16.0;
# member 1 learns of that with its heartbeat at 18.0, and goes on from the committed offset.
@pytest.mark.parametrize(
    ("commit", "expected", "lost", "doubled"),
    [
        (
            "after",
            [
                (0, "g-0", 1, 4.0, 5.5, None, "handled"),
                (1, "g-0", 1, 5.5, 7.0, None, "handled"),
                (2, "g-0", 1, 7.0, None, None, "crashed"),
                (3, "g-0", 1, None, None, None, "crashed"),
                (0, "g-1", 2, 18.0, 19.5, 24.0, "acked"),
                (1, "g-1", 2, 19.5, 21.0, 24.0, "acked"),
                (2, "g-1", 2, 21.0, 22.5, 24.0, "acked"),
                (3, "g-1", 2, 22.5, 24.0, 24.0, "acked"),
            ],
            [],
            [0, 1],
        ),
        (
            "before",
            [
                (0, "g-0", 1, 4.0, 5.5, 4.0, "acked"),
                (1, "g-0", 1, 5.5, 7.0, 4.0, "acked"),
                (2, "g-0", 1, 7.0, None, 4.0, "lost"),
                (3, "g-0", 1, None, None, 4.0, "lost"),
            ],
            [2, 3],
            [],
        ),
        (
            "with",
            [
                (0, "g-0", 1, 4.0, 5.5, 5.5, "acked"),
                (1, "g-0", 1, 5.5, 7.0, 7.0, "acked"),
                (2, "g-0", 1, 7.0, None, None, "crashed"),
                (3, "g-0", 1, None, None, None, "crashed"),
                (2, "g-1", 2, 18.0, 19.5, 19.5, "acked"),
                (3, "g-1", 2, 19.5, 21.0, 21.0, "acked"),
            ],
            [],
            [],
        ),
    ],
)
def test_what_a_crash_does_depends_on_when_offsets_are_committed(
    commit: str, expected: list[tuple[object, ...]], lost: list[int], doubled: list[int]
) -> None:
    made = run(
        log(producer=Producer(batch=4, linger=9.0)),
        group(
            work=fixed(1.5),
            members=2,
            commit=commit,
            commit_interval=0.0,
            session_timeout=10.0,
            changes=(CrashMember(at=7.5, member=0),),
        ),
        events=4,
    )
    assert (
        rows(made, "number", "consumer", "attempt", "started", "finished", "acked", "outcome")
        == expected
    )
    assert numbers(made.lost("g")) == lost
    assert numbers(made.doubled("g")) == doubled
    made.check_invariants()


def test_a_member_that_starts_again_waits_for_its_old_self_to_be_forgotten() -> None:
    made = run(
        log(),
        group(
            commit_interval=0.0,
            session_timeout=10.0,
            changes=(CrashMember(at=3.2, member=0, restart=1.0),),
        ),
        events=5,
    )
    # heard of at 3.0 last; the new one has joined at 4.2, but the group is complete at 13.0
    assert rows(made, "number", "attempt", "delivered", "started", "finished", "outcome") == [
        (0, 1, 1.0, 1.0, 1.4, "acked"),
        (1, 1, 2.0, 2.0, 2.4, "acked"),
        (2, 1, 3.0, 3.0, None, "crashed"),
        (2, 2, 13.0, 13.0, 13.4, "acked"),
        (3, 1, 13.0, 13.4, 13.8, "acked"),
        (4, 1, 13.0, 13.8, 14.2, "acked"),
    ]


def test_who_leaves_commits_and_nothing_is_handled_twice() -> None:
    made = run(
        log(partitions=2),
        group(work=fixed(0.7), members=2, changes=(LeaveGroup(at=3.2, member=1),)),
        events=8,
        keys=4,
    )
    # g-1 has partition 1, and is idle at 3.2; g-0 learns of it at its heartbeat at 6.0, and commits
    # when it joins again
    assert rows(made, "number", "consumer", "partition", "delivered", "finished", "acked") == [
        (0, "g-1", 1, 1.0, 1.7, 3.2),
        (1, "g-1", 1, 2.0, 2.7, 3.2),
        (2, "g-0", 0, 3.0, 3.7, 5.0),
        (3, "g-0", 0, 4.0, 4.7, 5.0),
        (4, "g-0", 0, 5.0, 5.7, 6.0),
        (5, "g-0", 1, 6.0, 6.7, 10.0),
        (6, "g-0", 1, 7.0, 7.7, 10.0),
        (7, "g-0", 0, 8.0, 8.7, 10.0),
    ]


def test_who_polls_too_late_is_removed_and_cannot_commit() -> None:
    seconds = iter([8.0])
    made = run(
        log(),
        group(
            work=lambda message, rng: next(seconds, 1.0),
            members=2,
            commit_interval=0.0,
            max_poll_interval=5.0,
        ),
        events=4,
    )
    # polled at 1.0 and removed at 6.0, it works until 9.0 and joins again; the other joins with its
    # heartbeat at 9.0, and the only partition goes to the first by name
    assert rows(made, "number", "consumer", "attempt", "started", "finished", "acked") == [
        (0, "g-0", 1, 1.0, 9.0, None),
        (0, "g-0", 2, 9.0, 10.0, 13.0),
        (1, "g-0", 1, 10.0, 11.0, 13.0),
        (2, "g-0", 1, 11.0, 12.0, 13.0),
        (3, "g-0", 1, 12.0, 13.0, 13.0),
    ]
    assert numbers(made.doubled("g")) == [0]


def test_a_transaction_of_who_was_removed_is_refused() -> None:
    seconds = iter([8.0])
    made = run(
        log(),
        group(
            work=lambda message, rng: next(seconds, 1.0),
            members=2,
            commit="with",
            reset="earliest",
            max_poll_interval=5.0,
        ),
        events=2,
    )
    assert rows(made, "number", "finished", "outcome", "effect") == [
        (0, 9.0, "nacked", False),
        (0, 10.0, "acked", True),
        (1, 11.0, "acked", True),
    ]


def test_polls_that_are_always_late_are_found() -> None:
    with pytest.raises(ml.Deadlock, match="'g' was given record 0 of partition 0 10000 times"):
        run(log(), group(work=fixed(6.0), max_poll_interval=5.0, commit_interval=0.0), events=1)


def test_where_a_group_without_offsets_begins() -> None:
    late = (JoinGroup(at=3.5, member=0),)
    made = run(
        log(),
        group(members=0, changes=late),
        ConsumerGroup(
            "h", source="log", members=0, reset="earliest", work=fixed(0.4), changes=late
        ),
        events=6,
    )
    given = rows(made, "subscriber", "number")
    assert [number for name, number in given if name == "g"] == [3, 4, 5]
    assert [number for name, number in given if name == "h"] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("to", "again"), [("earliest", [0, 1, 2, 3]), (3.0, [2, 3]), (2.5, [2, 3]), (9.0, [])]
)
def test_seek_reads_from_there_again(to: Any, again: list[int]) -> None:
    made = run(log(), group(commit_interval=0.0, changes=(Seek(at=4.5, to=to),)), events=5)
    assert numbers(made.doubled("g")) == again
    assert [row for row in rows(made, "number", "delivered") if row[1] == 4.5] == [
        (number, 4.5) for number in again
    ]
    assert not len(made.lost("g"))


def test_seek_waits_for_an_owner_and_the_run_for_the_seek() -> None:
    changes = (CrashMember(at=2.8, member=0, restart=1.0), Seek(at=9.0, to="earliest"))
    made = run(log(), group(changes=changes, session_timeout=10.0), events=2)
    # nothing was committed by 2.8; heard of at 0 last, the old member is gone at 10.0
    assert rows(made, "number", "attempt", "delivered", "outcome") == [
        (0, 1, 1.0, "handled"),
        (1, 1, 2.0, "handled"),
        (0, 2, 10.0, "acked"),
        (1, 2, 10.0, "acked"),
    ]
    made = run(log(), group(commit="with", changes=(Seek(at=50.0, to=2.0),)), events=2)
    assert rows(made, "number", "finished") == [(0, 1.4), (1, 2.4), (1, 50.4)]


def test_seek_to_the_end_skips_what_waits() -> None:
    made = run(
        log(),
        group(work=fixed(2.0), commit_interval=0.0, changes=(Seek(at=3.5, to="latest"),)),
        events=5,
    )
    # at 3.5 it works on 1, until 5.0; 2 and 3 are there by then, 4 comes just after
    assert rows(made, "number", "finished") == [(0, 3.0), (1, 5.0), (4, 7.0)]


def test_lag_is_what_is_written_and_not_committed() -> None:
    late = group(work=fixed(2.5), poll=2, commit_interval=0.0)
    made = run(log(), late, events=6)
    assert made.delivery_columns is not None
    steps = lag(made.delivery_columns, "g").itertuples(index=False, name=None)
    assert list(steps) == [
        (0.0, 0),
        (1.0, 1),
        (2.0, 2),
        (3.0, 3),
        (3.5, 2),
        (4.0, 3),
        (5.0, 4),
        (6.0, 5),
        (8.5, 3),
        (13.5, 1),
        (16.0, 0),
    ]
    cut_off = run(log(), late, events=6, until=6.2)
    assert rows(cut_off, "number", "delivered", "outcome") == [
        (0, 1.0, "acked"),
        (1, 3.5, "handled"),
        (2, 3.5, "in_flight"),
        (3, None, "in_flight"),
        (4, None, "in_flight"),
        (5, None, "in_flight"),
    ]
    assert cut_off.delivery_columns is not None
    assert lag(cut_off.delivery_columns, "g")["lag"].iloc[-1] == 5
    assert cut_off.delivery_report().loc["g", "in_flight"] == 4


def test_a_log_that_nobody_reads_has_an_empty_report() -> None:
    read = run(log(), group(), events=3).delivery_report()
    unread = run(log(), events=3).delivery_report()
    assert len(unread) == 0
    assert list(unread.columns) == list(read.columns)


def test_the_lag_of_a_partition_that_is_not_there_is_refused() -> None:
    made = run(log(partitions=2), group(), events=6)
    assert made.lag("g", 1)["lag"].iloc[0] == 0
    with pytest.raises(ml.ScenarioError, match="'log' has the partitions 0 to 1, and no 2"):
        made.lag("g", 2)
    with pytest.raises(ml.ScenarioError, match="'log' is not a group"):
        made.lag("log", 1)


def test_what_nobody_reads_any_more_stays_in_the_log() -> None:
    made = run(log(), group(changes=(LeaveGroup(at=3.5, member=0),)), events=6)
    assert rows(made, "number", "outcome") == [(n, "acked") for n in range(3)] + [
        (n, "in_flight") for n in range(3, 6)
    ]
    assert made.duration == 6.0


@pytest.mark.parametrize(
    ("assignor", "begins"),
    [
        # g-1 joins again at 4.0, and gets nothing before g-0 has joined at 23.0
        ("range", [1.0, 2.0, 23.0, 23.5, 24.0, 24.5]),
        ("sticky", [1.0, 2.0, 23.0, 23.5, 24.0, 24.5]),
        # g-1 joins again at 4.0, and reads on
        ("cooperative-sticky", [1.0, 2.0, 6.0, 7.0, 9.0, 10.0]),
    ],
)
def test_an_eager_rebalance_waits_for_the_slowest_and_a_cooperative_one_does_not(
    assignor: str, begins: list[float]
) -> None:
    made = run(
        log(partitions=2),
        group(
            work=lambda message, rng: 20.0 if message.number == 2 else 0.5,
            members=2,
            assignor=assignor,
            heartbeat=1.0,
            changes=(JoinGroup(at=3.2, member=2),),
        ),
        events=10,
        keys=4,
    )
    given = rows(made, "partition", "started")
    assert [started for partition, started in given if partition == 1] == begins
    assert [started for partition, started in given if partition == 0] == [3.0, 23.0, 23.5, 24.0]
    assert made.delivery_report().loc["g", "once"] == 10


def test_without_a_commit_the_latest_offset_skips_what_was_in_hand() -> None:
    crash = (CrashMember(at=1.2, member=0, restart=0.5),)
    for reset, handled in (("latest", [3]), ("earliest", [0, 1, 2, 3])):
        made = run(
            log(),
            group(commit="with", reset=reset, heartbeat=0.5, session_timeout=2.3, changes=crash),
            events=4,
        )
        assert [n for n, effect in rows(made, "number", "effect") if effect] == handled


def test_the_first_members_are_waited_for() -> None:
    made = run(log(), group(initial_delay=3.0, members=2, reset="earliest"), events=4)
    assert rows(made, "number", "delivered") == [(0, 3.0), (1, 3.0), (2, 3.8), (3, 4.2)]


def test_answers_go_on_to_another_log() -> None:
    scenario = ml.Scenario(
        ml.Renewal("s", gap=fixed(1.0), to="log"),
        log(),
        Log("bills", partitions=1, producer=Producer(linger=0.0)),
        group(to="bills", commit="with"),
        ConsumerGroup("h", source="bills", work=fixed(0.1), members=1, commit="with"),
    )
    made = ml.simulate(scenario, requests=2, seed=1)
    assert rows(made, "source", "number", "subscriber", "parent", "sent", "finished") == [
        ("s", 0, "g", -1, 1.0, 1.4),
        ("s/g", 0, "h", 0, 1.4, 1.5),
        ("s", 1, "g", -1, 2.0, 2.4),
        ("s/g", 1, "h", 2, 2.4, 2.5),
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"heartbeat": 50.0}, "heartbeat is 50 s, but must be less than session_timeout, 45 s"),
        ({"members": -1}, "members: is -1"),
        ({"changes": (JoinGroup(at=1.0, member=0),)}, "member 0 is there already"),
        ({"changes": (LeaveGroup(at=1.0, member=3),)}, "member 3 is not there"),
        (
            {"changes": (CrashMember(at=1.0, member=0), CrashMember(at=2.0, member=0))},
            "member 0 is not there",
        ),
        ({"assignor": "random"}, "assignor"),
    ],
)
def test_a_group_that_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ml.PartError, match=f"ConsumerGroup 'g'.*{says}"):
        group(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"replication": 3, "brokers": 2}, "replication is 3, but there are 2 brokers"),
        ({"min_insync": 2}, "min_insync is 2, but replication is 1"),
        ({"broker_outages": ((1, 0.0, 1.0),)}, "a broker from 0 to 0"),
        ({"broker_outages": ((0, 2.0, 1.0),)}, "from < until"),
        ({"partitions": 0}, "partitions"),
    ],
)
def test_a_log_that_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ml.PartError, match=f"Log 'log'.*{says}"):
        log(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"idempotent": True, "acks": 1}, "numbering needs acks='all'"),
        ({"idempotent": True, "in_flight": 6}, "it may be 5 at most"),
        ({"delivery_timeout": 20.0}, "delivery_timeout is 20, but must be"),
        ({"cuts": ((2.0, 1.0),)}, "from first"),
        ({"acks": 2}, "acks"),
    ],
)
def test_a_producer_that_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ml.PartError, match=says):
        Producer(**fields)


def test_a_log_that_nobody_has_read_yet_has_its_columns_and_a_lag_of_0() -> None:
    waits = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="orders"),
        ml.Log("orders", producer=ml.Producer(linger=5.0)),
        ml.ConsumerGroup("billing", source="orders", work=ml.Deterministic(value=1.0)),
    )
    run = ml.simulate(waits, until=3.0, seed=1)
    assert {"written", "partition", "offset"} <= set(run.deliveries.columns)
    assert len(run.deliveries) == 0
    assert run.lag("billing").to_dict("list") == {"time": [0.0], "lag": [0]}
    with pytest.raises(ml.ScenarioError, match="'orders' is not a group that reads a log; there"):
        run.lag("orders")
