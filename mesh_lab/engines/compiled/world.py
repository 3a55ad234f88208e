"""The state of a compiled run: everything that happens is a change of these arrays.

Rows of requests, the agenda of events, endpoints with their lines, sources with the draws that
their next requests will need.  `mesh_lab.engines.compiled.loop` moves it; Python steps in when
draws, room or a change of endpoints are needed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["World"]

Ints = Any
Floats = Any

# why the loop returns
FINISHED, EMPTY, AT_LIMIT, NEEDS_DRAWS, NEEDS_OWN, NEEDS_ROWS, NEEDS_HEAP, HAS_ENDED = range(8)
CHANGES, STANDSTILL = 8, 9

# counters
ROWS, SEQUENCE, HEAP, FLYING, STOPPED, LEFT, OPEN = range(7)
FREE, ENDED, BUSY, WHO, PENDING, ROOT_IS_FREE = range(7, 13)
COUNTERS = 13
# clocks
NOW, AREA, SINCE, AREA_LAST, INSTANT, LAST = range(6)
CLOCKS = 6

FIFO, LIFO, PRIORITY, PREEMPTIVE, SJF, PS = range(6)
DISCIPLINES = ("fifo", "lifo", "priority", "preemptive", "sjf", "ps")

# kinds of events; what an event is about is its subject
DONE, SHARED, BACK, REACH, WAKE, TICK = range(6)

RANKED = 1 << 56  # key of an event: rank * RANKED + sequence


class World(NamedTuple):
    """The arrays of a run.

    Attributes
    ----------
    discipline, workers, room, proxies, draws : int
        Of the service; `room` is how many may wait, or be there in all.
    oracle, feedback, keeps_hands, summary, endless, counts_users : int
        Whether the rule looks at the endpoints, or at what responses bring; whether it matters who
        is in service; whether rows are used again; whether time ends the run; whether users count.
    until : float
        Events strictly before it happen.
    forward, back : int
        0: no delay; 1: the constant in `ways`; 2: a draw for each request.
    delays, keys : int
        Whether there is a delay; whether requests have keys.
    change_time, change_key : float, int
        Of the next change of endpoints, which Python plans; infinity if there is none.
    counter, clock : ints, floats
        See the names above.
    event_time, event_key, event_what
        A binary heap by (time, key); what happens is its subject * 8 + kind.
    made ... user
        One entry a row; one entry in all where nobody reads the column.  `follower` and `second`
        are the next in a line, or the children in a heap.
    free, ended, pending
        Rows that may be used again; rows that have ended since the last were handed over (both
        without rows only); rows that a change of endpoints has ended, whose response is left.
    down ... plan
        One entry an endpoint (`hands`: `workers` each, in order of start).  `plan` is the sequence
        of the completion that is planned under processor sharing; an event with another is stale.
    next_time ... key_numbers
        One entry a source; the windows of draws have one row a source.  `ways` and `uniforms` have
        a block of such rows for each way, and for each purpose.  `fires` counts arrivals, batches
        as one; of users, the requests of this instant.
    user_source, user_number
        One entry a user: the source, and the number of the request that it makes or has made.
    scratch
        Of one pass: when each worker is free.
    """

    discipline: int
    workers: int
    room: int
    proxies: int
    draws: int
    oracle: int
    feedback: int
    keeps_hands: int
    summary: int
    endless: int
    counts_users: int
    until: float
    forward: int
    back: int
    delays: int
    keys: int
    change_time: float
    change_key: int
    counter: Ints
    clock: Floats
    event_time: Floats
    event_key: Ints
    event_what: Ints
    # rows
    made: Floats
    source: Ints
    endpoint: Ints
    start: Floats
    finish: Floats
    outcome: Ints
    arrival: Floats
    end: Floats
    key: Ints
    work: Floats
    follower: Ints
    second: Ints
    rank: Floats
    order: Ints
    due: Floats
    alarm: Ints
    sender: Ints
    wayback: Floats
    entered: Floats
    met: Ints
    left_there: Ints
    worked: Floats
    user: Ints
    free: Ints
    ended: Ints
    pending: Ints
    # endpoints
    down: Ints
    speed: Floats
    in_service: Ints
    waiting: Ints
    head: Ints
    tail: Ints
    hands: Ints
    arrivals: Ints
    virtual: Floats
    shared_since: Floats
    plan: Ints
    # sources
    next_time: Floats
    number: Ints
    fires: Ints
    users: Ints
    window_low: Ints
    window_size: Ints
    gap_low: Ints
    gap_size: Ints
    gap_over: Ints
    gaps: Floats
    sizes: Ints
    works: Floats
    priorities: Floats
    uniforms: Floats
    ways: Floats
    hashes: Any
    key_numbers: Ints
    user_source: Ints
    user_number: Ints
    scratch: Floats
