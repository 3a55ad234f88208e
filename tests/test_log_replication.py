"""What failing brokers and networks lose, double or reorder: acks, in-sync replicas, numbers."""

from __future__ import annotations

from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.draws import Draws
from mesh_lab.messaging.log.changes import JoinGroup
from mesh_lab.messaging.log.log import Log
from mesh_lab.messaging.log.partition import Partition
from mesh_lab.messaging.log.producer import Producer
from mesh_lab.messaging.message import Message
from tests.logs import confirmed, fixed, group, log, numbers, rows, run

BOLD = Producer(linger=0.0, acks=1)
READER = group(work=fixed(0.1), commit="with")
EARLY, LATE = (JoinGroup(at=4.0, member=0),), (JoinGroup(at=9.0, member=0),)


def messages(*numbers: int) -> list[Message]:
    return [Message("s", number) for number in numbers]


def held(partition: Partition) -> list[int]:
    return [record.message.number for record in partition.log]


# -- one partition, by hand ----------------------------------------------------------------------


def test_the_high_watermark_is_the_least_log_end_in_sync() -> None:
    p = Partition(0, [0, 1, 2])
    p.append(messages(0, 1, 2), producer=0)
    assert (p.copied(1, 3), p.high) == (False, 0)
    assert (p.copied(2, 1), p.high) == (True, 1)
    assert (p.shrink(2), p.high, p.isr) == (True, 3, [0, 1])
    p.append(messages(3), producer=0)
    assert (p.copied(2, 2), p.isr) == (False, [0, 1])  # below the high watermark
    assert (p.copied(2, 3), p.isr, p.high) == (False, [0, 1, 2], 3)  # not everything, but enough
    assert (p.copied(1, 4), p.high) == (False, 3)
    assert (p.copied(2, 4), p.high) == (True, 4)


def test_the_high_watermark_of_a_leader_alone_waits_for_who_catches_up() -> None:
    p = Partition(0, [0, 1])
    p.shrink(1)
    p.append(messages(0, 1), producer=0)
    assert p.high == 2  # nobody to wait for
    assert (p.copied(1, 1), p.isr) == (False, [0])
    p.append(messages(2), producer=0)
    assert p.high == 2
    assert (p.copied(1, 2), p.isr, p.high) == (False, [0, 1], 2)
    assert (p.copied(1, 3), p.high) == (True, 3)


def test_the_high_watermark_waits_no_more_for_who_fails_again() -> None:
    p = Partition(0, [0, 1])
    p.shrink(1)
    p.append(messages(0, 1), producer=0)
    p.copied(1, 1)
    p.append(messages(2), producer=0)
    assert (p.high, p.shrink(1), p.high) == (2, True, 3)


def test_a_new_leader_waits_for_nobody_who_has_not_copied_from_it() -> None:
    p = Partition(0, [0, 1, 2])
    p.shrink(2)
    p.append(messages(0, 1), producer=0)
    p.copied(1, 2)
    p.copied(2, 1)
    p.shrink(0)
    p.elect({1, 2})
    p.append(messages(2), producer=0)
    assert (p.isr, p.high) == ([1], 3)


def test_nobody_is_in_sync_without_what_a_new_leader_brings() -> None:
    """Broker 1 leads with 2 records; the second may have been confirmed, as far as it knows."""
    p = Partition(0, [0, 1, 2, 3])
    p.append(messages(0), producer=0)
    p.shrink(3)
    p.append(messages(1), producer=0)
    p.copied(1, 2)
    p.copied(2, 1)
    p.shrink(0)
    assert p.elect({1, 2, 3}) == []
    assert (p.leader, p.isr, p.high, p.start) == (1, [1, 2], 1, 2)
    p.append(messages(2), producer=0)
    assert (p.copied(3, 1), p.isr) == (False, [1, 2])
    assert (p.copied(3, 2), p.isr) == (False, [1, 2, 3])


def test_the_last_in_sync_replica_stays() -> None:
    p = Partition(0, [0, 1])
    assert not p.shrink(1)
    assert not p.shrink(0)
    assert p.isr == [0]
    assert p.elect({1}) == []
    assert p.leader is None


def test_a_new_leader_cuts_off_what_it_does_not_have() -> None:
    p = Partition(0, [0, 1, 2])
    made = p.append(messages(0, 1, 2, 3), producer=0)
    p.copied(1, 2)
    p.copied(2, 3)
    cut = p.elect({1, 2})
    assert [record.message.number for record in cut] == [2, 3]
    assert [record.cut for record in made] == [False, False, True, True]
    # broker 2 had record 2 too, and must drop it: it would not be the leader's
    assert (p.leader, held(p), p.ends, p.epoch) == (1, [0, 1], {0: 2, 1: 2, 2: 2}, 1)
    p.append(messages(4), producer=0)
    assert held(p) == [0, 1, 4]
    p.shrink(0)
    p.copied(2, 3)
    assert p.high == 3


def test_an_unclean_leader_may_cut_off_what_was_confirmed() -> None:
    p = Partition(0, [0, 1])
    p.append(messages(0), producer=0)
    p.copied(1, 1)
    p.shrink(1)
    p.append(messages(1, 2), producer=0)
    assert p.high == 3
    assert [record.message.number for record in p.elect({1}, unclean=True)] == [1, 2]
    assert (p.leader, p.isr, p.high) == (1, [1], 1)


def test_a_leader_takes_numbered_batches_once_and_in_order() -> None:
    p = Partition(0, [0, 1])
    p.append(messages(0, 1), producer=7, sequence=0)
    assert p.expects(7, 0, 0) is None  # is here already
    assert p.expects(7, 0, 2) is True
    assert p.expects(7, 0, 4) is False  # 2 and 3 are missing
    assert p.expects(8, 0, 0) is True
    assert p.expects(8, 0, 1) is False
    assert p.expects(7, 1, 0) is True  # a new epoch
    assert p.expects(7, -1, 0) is False  # an old one
    assert p.end_of(7, 0, 0, 2) == 2
    p.copied(1, 2)
    p.append(messages(2), producer=7, sequence=2)
    assert p.expects(7, 0, 2) is None
    p.elect({1})
    assert p.expects(7, 0, 2) is True  # what was cut off is expected again
    assert p.expects(7, 0, 0) is None


# -- failing brokers -----------------------------------------------------------------------------


def failing(acks: Any, **fields: Any) -> Log:
    """Broker 0 fails at 3.2; what it appended at 3.0 would have been copied at 3.5."""
    return log(
        **{
            "replication": 2,
            "replica_delay": 0.5,
            "failover": 2.0,
            "broker_outages": ((0, 3.2, 20.0),),
            "producer": Producer(linger=0.0, acks=acks),
            **fields,
        }
    )


def test_acks_1_loses_what_was_confirmed() -> None:
    made = run(failing(1), READER, events=6)
    # event 2 is confirmed at 3.0, and gone at 5.2; 3 and 4 wait for a leader
    assert confirmed(made) == [(t, "ok") for t in (1.0, 2.0, 3.0, 5.2, 5.2, 6.0)]
    assert rows(made, "number", "offset", "written", "finished", "outcome", "reason") == [
        (0, 0, 1.5, 1.6, "acked", ""),
        (1, 1, 2.5, 2.6, "acked", ""),
        (2, 2, None, None, "lost", "failover"),
        (3, 2, 5.2, 5.3, "acked", ""),
        (4, 3, 5.2, 5.4, "acked", ""),
        (5, 4, 6.0, 6.1, "acked", ""),
    ]
    assert numbers(made.lost("g")) == [2]


def test_acks_all_confirms_what_survives() -> None:
    made = run(failing("all"), READER, events=6)
    # event 2 is not confirmed when the leader fails, and sent again
    assert confirmed(made) == [(t, "ok") for t in (1.5, 2.5, 5.2, 5.2, 5.2, 6.0)]
    assert rows(made, "number", "offset", "finished", "outcome") == [
        (0, 0, 1.6, "acked"),
        (1, 1, 2.6, "acked"),
        (2, 2, 5.3, "acked"),
        (3, 3, 5.4, "acked"),
        (4, 4, 5.5, "acked"),
        (5, 5, 6.1, "acked"),
    ]
    assert made.delivery_report().loc["g", "once"] == 6
    assert set(made.deliveries["copy"]) == {0}  # what was cut off is no copy


def test_acks_0_also_loses_what_the_network_loses() -> None:
    producer = Producer(linger=0.0, acks=0, cuts=((0.9, 1.1),))
    made = run(failing(0, producer=producer), READER, events=6)
    assert confirmed(made) == [(t, "ok") for t in (1.0, 2.0, 3.0, 5.2, 5.2, 6.0)]
    assert [row for row in rows(made, "number", "outcome", "reason") if row[1] != "acked"] == [
        (0, "lost", "network"),
        (2, "lost", "failover"),
    ]


def test_a_broker_that_is_back_before_anybody_notices_loses_nothing() -> None:
    made = run(
        failing(1, broker_outages=((0, 3.2, 4.5),)),
        READER,
        events=6,
    )
    assert not len(made.lost("g"))
    assert [t for t, _ in confirmed(made)] == [1.0, 2.0, 3.0, 4.5, 5.0, 6.0]
    # the copy of event 2 begins again at 4.5
    assert [row[0] for row in rows(made, "written")] == [1.5, 2.5, 5.0, 5.0, 5.5, 6.5]


def test_what_has_no_leader_cannot_be_read() -> None:
    """A reader comes at 4.0; the leader has been down since 3.2, and another leads from 5.2 on."""
    late = group(work=fixed(0.1), commit="with", members=0, reset="earliest", changes=EARLY)
    made = run(failing(1), late, events=3)
    assert rows(made, "number", "delivered", "outcome") == [
        (2, None, "lost"),
        (0, 5.2, "acked"),
        (1, 5.2, "acked"),
    ]


def test_a_failure_is_noticed_so_long_after_it_began() -> None:
    """Broker 0 is away from 1.2 to 1.7, unnoticed, and again from 2.2: it is noticed at 4.2."""
    made = run(failing(1, broker_outages=((0, 1.2, 1.7), (0, 2.2, 20.0))), READER, events=4)
    assert [t for t, _ in confirmed(made)] == [1.0, 2.0, 4.2, 4.2]


def test_what_was_on_its_way_from_an_old_leader_is_not_what_the_new_one_has() -> None:
    """Broker 0 fails at 2.2, its copies of event 0 would come at 2.5; 1 leads at once."""
    made = run(
        failing(
            "all", replication=3, replica_delay=1.5, failover=0.0, broker_outages=((0, 2.2, 20.0),)
        ),
        READER,
        events=1,
    )
    assert confirmed(made) == [(3.7, "ok")]


def test_copies_come_in_the_order_of_the_log() -> None:
    delay = ml.Exponential(mean=2.0)
    made = run(log(replication=2, replica_delay=delay, producer=BOLD), READER, events=20)
    delays = Draws(1).column(delay, "log", "replica", "0/1")
    expected, last = [], 0.0
    for n in range(20):
        last = max(last, n + 1.0 + delays.at(n))
        expected.append(round(last, 6))
    assert [row[0] for row in rows(made, "written")] == expected


def test_what_could_be_read_since_a_failure_is_noted_at_the_election() -> None:
    """The slow follower and then the leader fail; what the quick one has can be read from 4.05."""
    delay = ml.Exponential(mean=0.3)
    for seed in range(1, 11):
        made = run(
            log(
                replication=3,
                replica_delay=delay,
                failover=1.0,
                broker_outages=((2, 3.05, 20.0), (0, 3.05, 20.0)),
                producer=BOLD,
            ),
            READER,
            events=60,
            gap=0.1,
            seed=seed,
        )
        made.check_invariants()
        assert not [t for (t,) in rows(made, "written") if t is not None and 3.05 < t < 4.05]


def test_behind_a_batch_that_is_given_up_the_next_need_not_wait() -> None:
    """Event 0 is lost at 1.0, and would be sent again at 12.0, but is given up at 3.5."""
    producer = Producer(
        linger=0.0, cuts=((0.9, 1.1),), request_timeout=1.0, retry_backoff=10.0,
        delivery_timeout=2.5,
    )  # fmt: skip
    made = run(log(producer=producer), READER, events=2)
    assert confirmed(made) == [(3.5, "expired"), (3.5, "ok")]


def test_min_insync_refuses_what_only_one_broker_would_have() -> None:
    producer = Producer(linger=0.0, request_timeout=1.0, delivery_timeout=2.5)
    made = run(
        failing("all", min_insync=2, broker_outages=((1, 3.2, 8.0),), producer=producer),
        READER,
        events=8,
    )
    ends = confirmed(made)
    # from the failure of the follower until it is back and has caught up, at 8.5, nothing is
    # confirmed; what was begun too long before is given up after 2.5 s
    assert ends[:6] == [
        (1.5, "ok"),
        (2.5, "ok"),
        (5.5, "expired"),
        (6.5, "expired"),
        (7.5, "expired"),
        (8.5, "expired"),
    ]
    assert [outcome for _, outcome in ends[6:]] == ["ok", "ok"]
    assert all(8.5 < t < 10.0 for t, _ in ends[6:])
    # given up is not the same as not written: 2, 3 and 4 are in the leader's log
    assert [row[0] for row in rows(made, "number")] == [0, 1, 2, 3, 4, 6, 7]


def test_a_follower_catches_up_with_a_leader_that_never_rests() -> None:
    """Broker 1 is away from 2.1 to 4.1, broker 0 alone in sync; at 6.1 broker 0 fails for good."""
    made = run(
        failing(
            "all", replica_delay=0.55, failover=0.25, broker_outages=((1, 2.1, 4.1), (0, 6.1, 20.0))
        ),
        READER,
        events=32,
        gap=0.2,
    )
    ends = [t for t, _ in confirmed(made)]
    assert ends[19:23] == [4.0, 4.2, 4.4, 4.6]  # at once, by broker 0 alone
    # the first copy comes at 4.65, without events 20 to 22; the fourth, with 22, at 5.15
    assert ends[23:27] == [5.35, 5.55, 5.75, 5.95]
    assert ends[27:] == [6.35, 6.35, 6.35, 6.35, 6.4]  # broker 1 leads, since it was in sync
    assert not len(made.lost("g"))


@pytest.mark.parametrize("unclean", [False, True])
def test_min_insync_1_trusts_one_broker(unclean: bool) -> None:
    """Broker 1 is away, broker 0 confirms alone, and then 0 fails as 1 comes back."""
    made = run(
        failing(
            "all",
            replica_delay=0.1,
            failover=0.0,
            broker_outages=((1, 1.5, 6.5), (0, 4.5, 8.5)),
            unclean=unclean,
        ),
        group(work=fixed(0.1), commit="with", members=0, reset="earliest", changes=LATE),
        events=8,
    )
    assert {outcome for _, outcome in confirmed(made)} == {"ok"}
    if unclean:  # broker 1 leads at 6.5, without events 1, 2 and 3
        assert numbers(made.lost("g")) == [1, 2, 3]
        assert confirmed(made)[4][0] == 6.6
    else:  # nobody leads until broker 0 is back
        assert not len(made.lost("g"))
        assert [t for t, _ in confirmed(made)[4:]] == [8.5] * 4


UNCLEAN = failing(
    "all",
    replica_delay=0.1,
    failover=0.0,
    broker_outages=((1, 1.5, 6.5), (0, 4.5, 8.5)),
    unclean=True,
)


def test_readers_go_back_to_where_an_unclean_leader_ends() -> None:
    """The reader has come to offset 4; broker 1 leads from 6.5 on and ends at offset 1."""
    made = run(UNCLEAN, READER, events=8)
    handled = [row for row in rows(made, "number", "offset", "outcome") if row[2] == "acked"]
    assert [row[:2] for row in handled[:4]] == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert [row[:2] for row in handled[4:]] == [(4, 1), (5, 2), (6, 3), (7, 4)]


def test_no_transaction_takes_a_record_that_is_cut_off() -> None:
    """Records 1 to 3 are in hand when broker 1 leads without them, at 6.5."""
    made = run(UNCLEAN, group(work=fixed(3.0), commit="with"), events=8)
    assert rows(made, "number", "finished", "outcome")[:4] == [
        (0, 4.1, "acked"),
        (1, 7.1, "nacked"),
        (2, 10.1, "nacked"),
        (3, 13.1, "nacked"),
    ]


def test_an_event_of_which_a_copy_is_left_is_not_lost() -> None:
    """Its first answer is lost at 1.2; what is sent again at 2.1 is cut off with broker 0."""
    producer = Producer(linger=0.0, acks=1, delay=0.2, cuts=((1.1, 1.3),), request_timeout=1.0)
    made = run(
        failing(1, failover=1.0, broker_outages=((0, 2.6, 20.0),), producer=producer),
        READER,
        events=1,
    )
    assert confirmed(made) == [(2.5, "ok")]
    assert rows(made, "number", "copy", "finished", "outcome") == [(0, 0, 1.8, "acked")]


# -- a failing network ---------------------------------------------------------------------------


def test_a_connection_keeps_order_whatever_the_delays() -> None:
    delay = ml.Exponential(mean=2.0)
    made = run(log(producer=Producer(linger=0.0, acks=0, delay=delay)), READER, events=20)
    delays = Draws(1).column(delay, "log", "delay", "s")
    expected, last = [], 0.0
    for n in range(20):
        last = max(last, n + 1.0 + delays.at(n))
        expected.append(round(last, 6))
    assert [row[0] for row in rows(made, "written")] == expected


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_lost_answer_doubles_without_numbers(idempotent: bool) -> None:
    """Event 2 is appended and copied by 3.3; its answer is under way when the broker fails."""
    producer = Producer(linger=0.0, delay=0.2, idempotent=idempotent)
    made = run(
        failing("all", replica_delay=0.1, broker_outages=((0, 3.4, 20.0),), producer=producer),
        READER,
        events=4,
    )
    assert confirmed(made) == [(t, "ok") for t in (1.5, 2.5, 5.8, 5.8)]
    again = [] if idempotent else [(2, 1, 3, 5.7)]
    last = (3, 0, 3, 5.7) if idempotent else (3, 0, 4, 5.8)
    assert rows(made, "number", "copy", "offset", "finished") == [
        (0, 0, 0, 1.4),
        (1, 0, 1, 2.4),
        (2, 0, 2, 3.4),
        *again,
        last,
    ]
    assert numbers(made.doubled("g")) == ([] if idempotent else [2])


@pytest.mark.parametrize(
    ("fields", "order", "ends"),
    [
        ({"idempotent": False}, [0, 2, 1, 3], [1.0, 3.6, 3.0, 4.0]),
        ({"idempotent": True}, [0, 1, 2, 3], [1.0, 3.6, 3.6, 4.0]),
        ({"idempotent": False, "in_flight": 1}, [0, 1, 2, 3], [1.0, 3.6, 3.6, 4.0]),
    ],
)
def test_what_is_sent_again_overtakes_nobody_if_numbered_or_alone(
    fields: dict[str, Any], order: list[int], ends: list[float]
) -> None:
    """Event 1 is lost at 2.0, missed at 3.5, and sent again at 3.6."""
    producer = Producer(
        linger=0.0,
        request_timeout=1.5,
        cuts=((1.9, 2.1),),
        **fields,
    )
    made = run(log(producer=producer), READER, events=4)
    assert [row[0] for row in rows(made, "number")] == order
    assert [t for t, _ in confirmed(made)] == ends
    assert numbers(made.reordered("g")) == ([1] if order[1] == 2 else [])


def test_retries_are_used_up() -> None:
    producer = Producer(linger=0.0, retries=2, request_timeout=1.0, cuts=((1.9, 10.0),))
    made = run(log(producer=producer), READER, events=2)
    # sent at 2.0, 3.1 and 4.2, and missed for the third time at 5.2
    assert confirmed(made) == [(1.0, "ok"), (5.2, "failed")]


def test_after_a_batch_is_given_up_the_next_begins_new_numbers() -> None:
    producer = Producer(linger=0.0, retries=0, request_timeout=0.5, cuts=((1.9, 2.1),))
    made = run(log(producer=producer), READER, events=4)
    assert confirmed(made) == [(1.0, "ok"), (2.5, "failed"), (3.0, "ok"), (4.0, "ok")]
    assert [row[0] for row in rows(made, "number")] == [0, 2, 3]
