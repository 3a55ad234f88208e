"""The state of a compiled run of one message queue: what happens is a change of these arrays.

`mesh_lab.engines.compiled.events.queue_loop` moves it; Python steps in when draws or rows are
needed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..world import CLOCKS
from ..world import COUNTERS as LOOP_COUNTERS

__all__ = ["CLOCKS", "QueueWorld"]

Ints = Any
Floats = Any

# why the loop returns
OVER, NEEDS_DRAWS, NEEDS_ROWS, TOO_OFTEN = range(4)

# counters; those of the agenda (SEQUENCE, HEAP, ROOT_IS_FREE) are the ones of the other loop
NEXT, ROWS, NEVER_SENT, WAITING, PLACES, TURN, READY, OLD, EFFECTS, PENDING, PLAN = range(
    LOOP_COUNTERS, LOOP_COUNTERS + 11
)
COUNTERS = LOOP_COUNTERS + 11

# kinds of events, about a row
WELL, BADLY, VISIBLE, EXPIRES, RESUMES = range(5)

# states of a stored event; forgotten: gone, before anybody said that it was handled
WAITS, PAUSED, HELD, GONE, FORGOTTEN = range(5)

EVENT_BITS = 40  # of an entry among the ready: class << EVENT_BITS | event
ATTEMPTS = 12  # so many of one event have tables of draws; later ones are drawn one by one
DRAWN = 2  # purposes: the work, and whether it is done badly


class QueueWorld(NamedTuple):
    """The arrays of a run.  Events are numbered in order of publishing, which is their place.

    Attributes
    ----------
    plain : int
        Whether every event is stored, delivered once, and settled when it was handled (or sent):
        then a row is its event, and only the columns of times are kept.
    in_turn : int
        Whether events that were never sent are ready in order of their place, at once; they need
        no heap then.
    keyed : int
        Whether only the first event of a key is ready.
    batches, crashes, drops : int
        Whether events of one batch follow each other; whether consumers go down; whether a full
        queue drops its oldest.
    room, limit : int
        How many may wait, -1 without an end; how many deliveries, 0 without an end.
    visibility, ttl, delay : float
        Seconds; infinity without.
    shift : int
        A window of draws holds 2**shift numbers.
    sources, windows : int
        How many there are; windows of one source.
    until : float
        Events strictly before it happen.
    counter, clock : ints, floats
        See the names above, and those of the loop for requests.
    event_time, event_key, event_what
        A binary heap by (time, key); what happens is its row * 8 + kind.
    made ... expires
        One entry an event.  `row` is that of the attempt that it waits for, or that is under way;
        `latest` that of the last delivery while it can be acknowledged; `class_of` its class for
        order by priority; `behind` the next of its key.
    first_of, last_of
        One entry a key: the events of it that are not gone, as a list.
    ready, old
        Heaps of events: by class and place; by place, of all that have come to wait.
    event ... after
        One entry a row.  `follow` is the next that waits for a worker of the same consumer;
        `before` and `after` are its neighbours among all that the consumer has.
    idle ... first_held, last_held
        One entry a consumer.
    plan_time, plan_who, plan_up
        When consumers go down and come up, in order.
    pauses
        Seconds before delivery 2, 3, ...; the last for all that follow; empty without back-off.
    table, pool
        Where the window of a purpose, consumer, source and attempt begins in `pool`; -1: nowhere.
    pending, pending_key, given_work, given_chance
        Rows whose handling has begun, though their draws were not at hand, the sequences that
        their ends have, and what Python gives them.
    """

    plain: int
    in_turn: int
    keyed: int
    batches: int
    crashes: int
    drops: int
    room: int
    limit: int
    visibility: float
    ttl: float
    delay: float
    shift: int
    sources: int
    windows: int
    until: float
    counter: Ints
    clock: Floats
    event_time: Floats
    event_key: Ints
    event_what: Ints
    # events
    made: Floats
    source: Ints
    number: Ints
    joined: Ints
    carried: Floats
    class_of: Ints
    key: Ints
    row: Ints
    state: Ints
    latest: Ints
    behind: Ints
    expires: Floats
    # keys
    first_of: Ints
    last_of: Ints
    ready: Ints
    old: Ints
    # rows
    event: Ints
    attempt: Ints
    consumer: Ints
    sent: Floats
    delivered: Floats
    started: Floats
    finished: Floats
    acked: Floats
    ended: Floats
    outcome: Ints
    reason: Ints
    effect: Ints
    follow: Ints
    before: Ints
    after: Ints
    # consumers
    idle: Ints
    taken: Ints
    places: Ints
    up: Ints
    settles_first: Ints
    requeues: Ints
    carries: Ints
    chance: Floats
    workers: Ints
    head: Ints
    tail: Ints
    first_held: Ints
    last_held: Ints
    # what is planned, and draws
    plan_time: Floats
    plan_who: Ints
    plan_up: Ints
    pauses: Floats
    table: Ints
    pool: Floats
    pending: Ints
    pending_key: Ints
    given_work: Floats
    given_chance: Floats
