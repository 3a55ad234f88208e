"""The arrays of a compiled partitioned log: producers, partitions, replicas, groups and rows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

__all__ = ["LogWorld"]

Ints = Any
Floats = Any

# why the loop returns
FINISHED, EMPTY, AT_LIMIT, LEFT = range(4)
# what counters hold, behind those of the heap
ROWS, COMMITS, OPEN = range(13, 16)  # `OPEN`: requests in flight
COUNTERS = 16
# kinds of events in the heap
DONE, REST, FORM, COPY, WAY = range(5)
# what happens too, and never stands there
PUBLISHES, LINGERS = -1, -2
COMPLETION, EXPIRY, CHANGE, HOP = range(1, 5)  # ranks
# what stands on the agenda
SEND, REACH, ANSWERED, POLL = range(4)
ACTIONS = 4
# when a group commits
BEFORE, AFTER, WITH = range(3)
ALL = 2  # replicas confirm; 1 and 0 are Kafka's numbers
# what a batch does
FILLING, READY, SENT = range(3)
# delays
NONE, CONSTANT, DRAWN = range(3)
NAN = math.nan
INF = math.inf
SURE = 1.0 + 1e-9  # a timeout that has nearly run out is left to the reference


class LogWorld(NamedTuple):
    """The arrays of a run.

    Attributes
    ----------
    n, partitions, brokers, replication, groups : int
        How many there are; `n` events.
    batch, most_in_flight : int
        Of the producer, as declared.
    acks : int
        Who confirms: 0 nobody, 1 the leader, 2 all replicas.
    stops : int
        Whether the run may end when everything is done.
    counter, clock, event_time, event_key, event_what
        As in `mesh_lab.engines.compiled.world.World`.
    made, source, follows, partition
        One entry an event; -1 for a partition that is not chosen by a key.
    published
        When its producer knew that it is written.
    follower
        The next event in the batch.
    delays, uniforms
        One row a source: seconds of its producer's ways, and draws for sticky partitions.
    b_...
        One entry a batch.  `follower` is the next in its queue, then in its flight; `behind` the
        next in its partition; `end`, the offset behind it, and `flight` where there are followers.
    f_...
        One entry a flight (a request of a producer) that there may be at once; `free` are those
        that have landed, `new` those that start now.
    q_...
        One entry a source and partition: the batches that are not sent yet, and the last event.
    s_...
        One entry a source.
    p_..., ends, arrives
        One entry a partition, and a follower of it.
    c_...
        One entry a copy to a follower.
    w_...
        One entry a way: (source, broker, there or back).
    g_...
        One entry a group; `owner` and the cursors `at_...` one a group and partition.
    m_...
        One entry a member; `owned` are the partitions of all, one after the other.
    r_...
        One entry a row of deliveries; `commit` is the number of the commit that it waits for,
        `number` that of the event in its source.
    """

    n: int
    partitions: int
    brokers: int
    replication: int
    groups: int
    batch: int
    most_in_flight: int
    acks: int
    stops: int
    delay: int
    linger: float
    request_timeout: float
    delivery_timeout: float
    replica_delay: float
    until: float
    counter: Ints
    clock: Floats
    event_time: Floats
    event_key: Ints
    event_what: Ints
    agenda: Ints
    made: Floats
    source: Ints
    follows: Ints
    partition: Ints
    published: Floats
    follower: Ints
    delays: Floats
    uniforms: Floats
    works: Floats
    b_written: Floats
    b_sequence: Ints
    b_first: Ints
    b_count: Ints
    b_follower: Ints
    b_behind: Ints
    b_end: Ints
    b_flight: Ints
    b_state: Ints
    f_started: Floats
    f_first: Ints
    f_last: Ints
    f_broker: Ints
    f_source: Ints
    f_open: Ints
    f_behind: Ints
    f_free: Ints
    f_new: Ints
    q_first: Ints
    q_last: Ints
    q_event: Ints
    q_due: Ints
    s_due: Ints
    s_dues: Ints
    s_soon: Ints
    s_current: Ints
    s_produced: Ints
    s_drawn: Ints
    s_delayed: Ints
    flying: Ints
    p_first: Ints
    p_last: Ints
    p_length: Ints
    p_high: Ints
    p_unwritten: Ints
    ends: Ints
    arrives: Floats
    c_partition: Ints
    c_follower: Ints
    c_upto: Ints
    w_last: Floats
    w_first: Ints
    w_end: Ints
    g_commit: Ints
    g_interval: Floats
    g_poll: Ints
    g_late: Floats
    g_latest: Ints
    g_first: Ints
    g_delay: Floats
    owner: Ints
    at_batch: Ints
    at_event: Ints
    at_left: Ints
    at_offset: Ints
    m_group: Ints
    m_owned: Ints
    m_turn: Ints
    m_waits: Ints
    m_planned: Ints
    m_hand: Ints
    m_hands: Ints
    m_polled: Floats
    m_next: Floats
    m_open: Ints
    m_commit: Ints
    owned: Ints
    commits: Floats
    r_event: Ints
    r_member: Ints
    r_offset: Ints
    r_commit: Ints
    r_effect: Ints
    r_number: Ints
    r_written: Floats
    r_delivered: Floats
    r_started: Floats
    r_finished: Floats
