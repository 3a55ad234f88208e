"""The state of a compiled run in which services call each other: everything is in these arrays.

Three kinds of things come and go, each in a pool whose places are used again: *visits* (attempts,
from when they are sent until they have ended on both sides), *callings* (calls in progress) and
events.  Rows stay.  What a request draws is found by its *way*: which call of which caller, on
which attempt, led to it; ways get their numbers when they are first gone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Callings", "Graph", "GraphWorld", "Lines", "Rows", "Store", "Visits"]

Ints = Any
Floats = Any

# why the loop returns
FINISHED, EMPTY, AT_LIMIT, NEEDS_ROOM, NEEDS_DRAWS, NEEDS_WAY, CHANGES = range(7)

# counters; the first are those of `mesh_lab.engines.compiled.world`
ROWS, SEQUENCE, HEAP, FLYING, STOPPED = range(5)
ROOT_IS_FREE = 12
ARRIVED, WORKING, FREE_VISITS, FREE_CALLINGS, ASKED, NUMBER, FIRST_ITEM, ITEMS = range(13, 21)
SERIAL, RINGING = 21, 22
COUNTERS = 23

# kinds of events
DONE, BACK, REACH, TIMER, NEXT, GIVES_UP, RING, CHANGE = range(8)
# kinds of what is on the agenda
SEND, ANSWERED, GO_ON, STOP, REARRANGE = range(5)

LISTED = -2

# orders of those who wait
FIFO, LIFO, BY_RANK = range(3)
BY_PRIORITY, BY_WORK, BY_DEADLINE = range(3)


class Graph(NamedTuple):
    """What does not change: services, steps, calls and their policies.

    Attributes
    ----------
    line, pool
        Of a service: the number of its first line (endpoint), and of its first pool (proxy).
    order, rank, workers, room, asynchronous, concurrency, notices, stops, proxies, group
        Of a service; `group` is which of the states its balancers' rule has.
    guards
        Of a service: which of them its proxies have, as bits; see `guarding`.
    draws_work, failure, forward, back
        Of a service: whether its work is drawn, or comes with the request; a probability; the kind
        of each way (0: none, 1: `..._for`, 2: drawn).
    picks
        How many uniform draws its rule takes.
    at_failure, at_proxy, at_picks, at_forward, at_back, at_pause
        Of a service: which of the columns of a way holds which draw; the first is its work.
    width
        Of a service: how many columns there are.
    step, steps
        Of a service: its first step, and how many there are.
    call, calls
        Of a step: its first call, and how many there are.
    callee, optional, probability, at_chance, place
        Of a call; `place` is which of its caller's it is.  The entry of service s, by which sources
        call it, is call number s.
    timeout, per_try, propagate, times, on, hedge
        Of a call, from its policy; `on` has a bit for each outcome, `hedge` is -1.0 without one.
    pausing, base, longest, growth
        Of a call: its back-off as `mesh_lab.resilience.BackoffNumbers`; -1: no pause at all.
    """

    line: Ints
    pool: Ints
    order: Ints
    rank: Ints
    workers: Ints
    room: Ints
    asynchronous: Ints
    concurrency: Ints
    notices: Ints
    stops: Ints
    proxies: Ints
    group: Ints
    guards: Ints
    draws_work: Ints
    failure: Floats
    forward: Ints
    forward_for: Floats
    back: Ints
    back_for: Floats
    picks: Ints
    at_failure: Ints
    at_proxy: Ints
    at_picks: Ints
    at_forward: Ints
    at_back: Ints
    at_pause: Ints
    width: Ints
    step: Ints
    steps: Ints
    call: Ints
    calls: Ints
    callee: Ints
    optional: Ints
    probability: Floats
    at_chance: Ints
    place: Ints
    timeout: Floats
    per_try: Floats
    propagate: Ints
    times: Ints
    on: Ints
    hedge: Floats
    pausing: Ints
    base: Floats
    longest: Floats
    growth: Floats


class Lines(NamedTuple):
    """One entry a line: those who wait there, and its workers.

    `waiting` is how many wait; `held` how many workers are; `inside` how many requests they, or
    their calls, have in hands; `arrivals` how many have been let in.
    """

    waiting: Ints
    head: Ints
    tail: Ints
    held: Ints
    inside: Ints
    arrivals: Ints
    speed: Floats


class Store(NamedTuple):
    """Draws, in chunks: number n of a way is in chunk ``n >> bits``.

    Attributes
    ----------
    numbers
        Blocks of a chunk each; all columns of a way stand behind each other.
    block, tag
        ``[way * reach + (chunk & (reach - 1))]``: which block holds the first column of that chunk,
        and which chunk it is; -1: none.
    first
        ``[way * places + place]``: the way of the first attempt of a call; -1: not yet known.
    after
        The way of the next attempt of the same call; -1: not yet known.
    roots
        ``[source * services + service]``: the way of the first attempt of a source's call.
    reach, places, bits
        See above; a chunk has ``1 << bits`` numbers.
    """

    numbers: Floats
    block: Ints
    tag: Ints
    first: Ints
    after: Ints
    roots: Ints
    reach: int
    places: int
    bits: int


class Rows(NamedTuple):
    """What is kept: see `mesh_lab.columns.Columns`; `end` and `ended_as` are of requests."""

    request: Ints
    station: Ints
    endpoint: Ints
    sent: Floats
    arrival: Floats
    start: Floats
    finish: Floats
    outcome: Ints
    parent: Ints
    attempt: Ints
    returned: Floats
    result: Ints
    worked: Floats
    end: Floats
    ended_as: Ints


class Visits(NamedTuple):
    """Attempts that have not ended on both sides.

    Attributes
    ----------
    row, calling, service, line, sender, way, number, request, attempt
        Its row; its call; where it was sent, and through which pool; the way that its draws are
        known by, and their number; the request that it is all about; which attempt it is.
    deadline, work, rank
        Of the request there; once it is done, `work` is how long it was served.
    last
        Whether the end of its time is that of its call.
    left, known, gone
        Whether the caller has left; whether it has been told; whether it waits no more, though it
        still stands in the line.
    holds, passed
        The pool whose budget it is a retry from, -1 for none; what the breaker said when it let it
        in.
    timer, done
        The sequences of its planned events; -1: none.  `timer` is ``LISTED - k`` when its time is
        in list k of deadlines.
    due, before, behind
        The end of its time, and its neighbours in that list.
    next, second, order
        Where it stands in the line.
    out
        The next attempt of the same call that is out.
    step, open, failed, first_open
        Of its own calls: the step, how many are open, whether one has failed, and the first.
    """

    row: Ints
    calling: Ints
    service: Ints
    line: Ints
    sender: Ints
    way: Ints
    number: Ints
    request: Ints
    attempt: Ints
    deadline: Floats
    last: Ints
    work: Floats
    rank: Floats
    left: Ints
    known: Ints
    gone: Ints
    holds: Ints
    passed: Ints
    timer: Ints
    due: Floats
    before: Ints
    behind: Ints
    done: Ints
    next: Ints
    second: Ints
    order: Ints
    out: Ints
    step: Ints
    open: Ints
    failed: Ints
    first_open: Ints
    free: Ints


class Callings(NamedTuple):
    """Calls in progress.

    Attributes
    ----------
    call, parent, request, way, number
        What was declared; the visit that makes it (-1: a source); the request that it is all
        about; the way of its latest attempt (of the next, before it is sent), and the number of its
        draws.
    end, deadline, pause, tried, alarm, first_out
        When its time is over; the deadline of its parent; the pause before; how many attempts there
        have been; the sequence of its planned event; the first attempt that is out.
    next
        The next call that is open of the same parent.
    held, holders
        How many retries it holds that are not yet sent; from whose budgets (pools), in the order in
        which they were given, the same number of places for each call.
    serial
        Tells this call from others that have had, or will have, the same place; -1: none.
    """

    call: Ints
    parent: Ints
    request: Ints
    way: Ints
    number: Ints
    end: Floats
    deadline: Floats
    pause: Floats
    tried: Ints
    alarm: Ints
    first_out: Ints
    next: Ints
    held: Ints
    holders: Ints
    serial: Ints
    free: Ints


class GraphWorld(NamedTuple):
    """The arrays of a run; see the parts.

    Attributes
    ----------
    first_due, last_due, armed
        The lists of deadlines, two for each call: who is first and last, and whether the alarm is
        set.
    item, item_of, item_row
        The agenda, a ring whose length is a power of two: what, of whom, in which row.
    made, source, number, to, follows, deadline, priority
        Of all requests, in order of arrival.
    until : float
        Events strictly before it happen.
    stops : int
        Whether the run ends when the last of the requests has ended.
    room : int
        How many events, items, visits and callings one item may add.
    """

    graph: Graph
    lines: Lines
    store: Store
    rows: Rows
    visits: Visits
    callings: Callings
    counter: Ints
    clock: Floats
    event_time: Floats
    event_key: Ints
    event_what: Ints
    first_due: Ints
    last_due: Ints
    armed: Ints
    item: Ints
    item_of: Ints
    item_row: Ints
    made: Floats
    source: Ints
    number: Ints
    to: Ints
    follows: Ints
    deadline: Floats
    priority: Floats
    carried: Floats
    until: float
    stops: int
    room: int
