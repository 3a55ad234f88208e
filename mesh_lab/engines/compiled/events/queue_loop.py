"""The event loop of one message queue with competing consumers, by ``engines/RULES.md``.

It is plain Python over the arrays of a `QueueWorld`, so that it can be read, and run, without a
compiler.  What follows from one event is one line of *stages*, each of which is here once: a worker
begins with what its consumer holds, an event comes back, it waits, the queue delivers; an event
begins somewhere on that line.  Nothing else is ever on the agenda of an instant: an acknowledgement
reaches the queue before anything can come between, and so does what the queue delivers after it.
"""

from __future__ import annotations

import math
from typing import Any

from ....messaging.deliveries import (
    ACKED,
    CRASHED,
    EXPIRED,
    HANDLED,
    IN_FLIGHT,
    LOST,
    NACKED,
    REASONS,
    REJECTED,
    WITHDRAWN,
)
from ....messaging.keeping import MOST_DELIVERIES
from ..loop import close_root, schedule
from ..world import HEAP, NOW, ROOT_IS_FREE, SEQUENCE
from .queue_world import (
    ATTEMPTS,
    BADLY,
    EFFECTS,
    EVENT_BITS,
    EXPIRES,
    FORGOTTEN,
    GONE,
    HELD,
    NEEDS_DRAWS,
    NEEDS_ROWS,
    NEVER_SENT,
    NEXT,
    OLD,
    OVER,
    PAUSED,
    PENDING,
    PLACES,
    PLAN,
    READY,
    RESUMES,
    ROWS,
    TOO_OFTEN,
    TURN,
    VISIBLE,
    WAITING,
    WAITS,
    WELL,
    QueueWorld,
)

__all__ = ["QUEUE", "run_queue"]

QUEUE: list[Any] = []  # the functions that are compiled
COMPLETION, EXPIRY = 1, 2  # ranks
INF = math.inf
NAN = math.nan
EVENT = (1 << EVENT_BITS) - 1
FAILED, CRASH, MAXLEN, DELIVERY_LIMIT, NOT_AGAIN, TIME_UP = (
    REASONS.index(why)
    for why in ("failed", "crash", "maxlen", "delivery_limit", "rejected", "expired")
)


def queued(function: Any) -> Any:
    """Say that `function` is part of the loop."""
    QUEUE.append(function)
    return function


@queued
def put(heap: Any, size: int, what: int) -> None:
    """Put a number on a heap of so many, the least on top."""
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if heap[up] < what:
            break
        heap[at] = heap[up]
        at = up
    heap[at] = what


@queued
def take(heap: Any, size: int) -> None:
    """Take the least off a heap of so many."""
    last = size - 1
    what = heap[last]
    at = 0
    down = 1
    while down < last:
        if down + 1 < last and heap[down + 1] < heap[down]:
            down += 1
        if what < heap[down]:
            break
        heap[at] = heap[down]
        at = down
        down = 2 * at + 1
    heap[at] = what


@queued
def end_row(
    outcomes: Any, reasons: Any, ended: Any, row: int, what: int, why: int, now: float
) -> None:
    """End a row, or end it otherwise."""
    outcomes[row] = what
    reasons[row] = why
    ended[row] = now


@queued
def leave(
    c: Any,
    state: Any,
    latest: Any,
    keyed: int,
    key: Any,
    behind: Any,
    first_of: Any,
    ready: Any,
    e: int,
) -> None:
    """Let event `e` be gone; by key, the next of its key may then be ready."""
    if state[e] == WAITS or state[e] == PAUSED:
        c[WAITING] -= 1
    state[e] = GONE
    latest[e] = -1
    if keyed and first_of[key[e]] == e:
        other = behind[e]
        while other >= 0 and state[other] >= GONE:
            other = behind[other]
        first_of[key[e]] = other
        if other >= 0 and state[other] == WAITS:
            put(ready, c[READY], other)
            c[READY] += 1


@queued
def let_go(first: Any, last: Any, before: Any, after: Any, k: int, row: int) -> None:
    """Take a row out of what consumer `k` has."""
    if before[row] >= 0:
        after[before[row]] = after[row]
    else:
        first[k] = after[row]
    if after[row] >= 0:
        before[after[row]] = before[row]
    else:
        last[k] = before[row]


@queued
def run_queue(w: QueueWorld) -> int:
    """Let events happen until something is needed or the run is over; return which."""
    c, clock = w.counter, w.clock
    times, keys, whats = w.event_time, w.event_key, w.event_what
    consumers, n, rows, plans = len(w.idle), len(w.made), len(w.delivered), len(w.plan_time)
    plain, outcome, reason, ended = w.plain, w.outcome, w.reason, w.ended
    state, latest, ready = w.state, w.latest, w.ready
    row_of, event, attempt = w.row, w.event, w.attempt
    work_table = consumers * w.sources * ATTEMPTS * w.windows
    mask = (1 << w.shift) - 1
    while True:
        if c[PENDING] > 0:  # the draws are there now
            kept = c[SEQUENCE]
            for k in range(c[PENDING]):
                row = w.pending[k]
                bad = BADLY if w.given_chance[k] < w.chance[w.consumer[row]] else WELL
                c[SEQUENCE] = w.pending_key[k]
                schedule(c, clock, times, keys, whats, COMPLETION, bad, row, w.given_work[k])
            c[SEQUENCE] = kept
            c[PENDING] = 0
        if c[ROOT_IS_FREE]:
            close_root(c, times, keys, whats)

        # -- what happens next, and what it begins --
        e = c[NEXT]
        time = w.made[e] if e < n else INF
        planned = w.plan_time[c[PLAN]] if c[PLAN] < plans else INF
        first = times[0] if c[HEAP] > 0 else INF
        joined = False
        if w.batches and e < n:
            joined = w.joined[e] != 0  # nothing comes between those of a batch
        starts, back, chained, waits = -1, -1, False, -1  # rows, and an event
        kind, rejected, pause, now = -1, False, 0.0, first
        if not plain and c[ROWS] >= rows:
            return NEEDS_ROWS
        if first <= planned and first <= time and not joined:
            if first == INF or first >= w.until:
                return OVER
            clock[NOW] = first
            row, kind = whats[0] >> 3, whats[0] & 7
            c[ROOT_IS_FREE] = 1  # most events plan another, which takes the place
            e = row if plain else event[row]
            if kind <= BADLY:
                if not plain and outcome[row] != IN_FLIGHT:
                    continue  # a crash came before
                k = w.consumer[row]
                w.finished[row] = now
                if kind == WELL:
                    w.effect[row] = c[EFFECTS]
                    c[EFFECTS] += 1
                if w.taken[k] == w.places[k]:
                    c[PLACES] += 1
                w.taken[k] -= 1
                starts = w.head[k]
                if starts >= 0:
                    w.head[k] = w.follow[starts]
                else:
                    w.idle[k] += 1
                if not plain:
                    if w.crashes:
                        let_go(w.first_held, w.last_held, w.before, w.after, k, row)
                    if kind == BADLY:
                        what, why = (LOST, FAILED) if state[e] == FORGOTTEN else (NACKED, 0)
                        end_row(outcome, reason, ended, row, what, why, now)
                        back, rejected = row, w.requeues[k] == 0
                    else:
                        what = ACKED if w.settles_first[k] else HANDLED
                        if latest[e] == row:
                            what = ACKED
                            w.acked[row] = now
                            if state[e] != HELD:  # visible again, but not delivered again
                                end_row(outcome, reason, ended, row_of[e], WITHDRAWN, 0, now)
                            leave(c, state, latest, w.keyed, w.key, w.behind, w.first_of, ready, e)
                        end_row(outcome, reason, ended, row, what, 0, now)
            elif kind == VISIBLE:
                back = row
            elif row_of[e] != row or (
                state[e] != PAUSED and (kind == RESUMES or state[e] != WAITS)
            ):
                continue
            elif kind == EXPIRES:
                end_row(outcome, reason, ended, row, EXPIRED, TIME_UP, now)
                leave(c, state, latest, w.keyed, w.key, w.behind, w.first_of, ready, e)
            else:
                state[e] = WAITS
                if not w.keyed or w.first_of[w.key[e]] == e:
                    put(ready, c[READY], (w.class_of[e] << EVENT_BITS) | e)
                    c[READY] += 1
        elif planned <= time and not joined:
            if planned >= w.until:
                return OVER
            k = w.plan_who[c[PLAN]]
            if w.plan_up[c[PLAN]]:
                w.up[k] = 1
                c[PLACES] += 1
            else:
                many, row = 0, w.first_held[k]
                while row >= 0:
                    many, row = many + 1, w.after[row]
                if c[ROWS] + many > rows:
                    return NEEDS_ROWS
                w.up[k] = 0
                if w.taken[k] < w.places[k]:
                    c[PLACES] -= 1
                row = w.first_held[k]
                while row >= 0:
                    if state[event[row]] == FORGOTTEN:
                        end_row(outcome, reason, ended, row, LOST, CRASH, planned)
                    else:
                        end_row(outcome, reason, ended, row, CRASHED, 0, planned)
                    row = w.after[row]
                if w.visibility == INF:
                    back, chained = w.first_held[k], True
                w.first_held[k] = w.last_held[k] = w.head[k] = -1
                w.idle[k] = w.workers[k]
                w.taken[k] = 0
            c[PLAN] += 1
            now = clock[NOW] = planned
        else:
            if time >= w.until:
                return OVER
            now = clock[NOW] = time
            c[NEXT] = e + 1
            row = c[ROWS]
            c[ROWS] = row + 1
            w.consumer[row] = -1
            w.delivered[row] = NAN
            w.started[row] = NAN
            w.finished[row] = NAN
            w.effect[row] = -1
            if plain:
                if not w.in_turn:
                    put(ready, c[READY], (w.class_of[e] << EVENT_BITS) | e)
                    c[READY] += 1
            else:
                event[row] = e
                attempt[row] = 1
                w.sent[row] = now
                w.acked[row] = NAN
                end_row(outcome, reason, ended, row, IN_FLIGHT, 0, NAN)
                row_of[e] = row
                latest[e] = -1
                if 0 <= w.room <= c[WAITING]:
                    if not w.drops:
                        end_row(outcome, reason, ended, row, REJECTED, 0, now)
                        state[e] = GONE
                        continue
                    other = w.old[0]
                    while state[other] != WAITS and state[other] != PAUSED:
                        take(w.old, c[OLD])
                        c[OLD] -= 1
                        other = w.old[0]
                    end_row(outcome, reason, ended, row_of[other], LOST, MAXLEN, now)
                    leave(c, state, latest, w.keyed, w.key, w.behind, w.first_of, ready, other)
                if w.ttl < INF:
                    w.expires[e] = now + w.ttl
                if w.keyed:
                    which = w.key[e]
                    w.behind[e] = -1
                    if w.first_of[which] >= 0:
                        w.behind[w.last_of[which]] = e
                    else:
                        w.first_of[which] = e
                    w.last_of[which] = e
                waits, pause = e, w.delay

        # -- the stages of this event --
        while True:
            if starts >= 0:  # a worker begins with this row
                row, starts = starts, -1
                w.started[row] = now
                k = w.consumer[row]
                e = row if plain else event[row]
                tries = 0 if plain else attempt[row] - 1
                work, chance, missing = 0.0, 1.0, tries >= ATTEMPTS
                source = w.source[e] if w.sources > 1 else 0
                number = w.number[e] if w.sources > 1 else e
                if tries < ATTEMPTS:
                    at = ((k * w.sources + source) * ATTEMPTS + tries) * w.windows + (
                        number >> w.shift
                    )
                    if w.carries[k]:
                        work = w.carried[e]
                    elif w.table[at] >= 0:
                        work = w.pool[w.table[at] + (number & mask)]
                    else:
                        missing = True
                    if w.chance[k] > 0.0:
                        at += work_table
                        if w.table[at] >= 0:
                            chance = w.pool[w.table[at] + (number & mask)]
                        else:
                            missing = True
                if missing:
                    w.pending[c[PENDING]] = row
                    w.pending_key[c[PENDING]] = c[SEQUENCE]
                    c[PENDING] += 1
                    c[SEQUENCE] += 1
                else:
                    bad = BADLY if chance < w.chance[k] else WELL
                    schedule(c, clock, times, keys, whats, COMPLETION, bad, row, work)
            if back >= 0:  # what was delivered in this row comes back, if it is still out
                row = back
                back = w.after[row] if chained else -1
                e = event[row]
                if latest[e] == row and state[e] == HELD:
                    if chained or kind != VISIBLE:
                        latest[e] = -1
                    tries = attempt[row]
                    row = c[ROWS]
                    c[ROWS] = row + 1
                    w.consumer[row] = -1
                    w.delivered[row] = NAN
                    w.started[row] = NAN
                    w.finished[row] = NAN
                    w.effect[row] = -1
                    event[row] = e
                    attempt[row] = tries + 1
                    w.sent[row] = now
                    w.acked[row] = NAN
                    row_of[e] = row
                    what, why = LOST, 0
                    if rejected:
                        why = NOT_AGAIN
                    elif 0 < w.limit <= tries:
                        why = DELIVERY_LIMIT
                    elif w.ttl < INF and w.expires[e] <= now:
                        what, why = EXPIRED, TIME_UP
                    if why:
                        end_row(outcome, reason, ended, row, what, why, now)
                        leave(c, state, latest, w.keyed, w.key, w.behind, w.first_of, ready, e)
                    else:
                        end_row(outcome, reason, ended, row, IN_FLIGHT, 0, NAN)
                        waits, pause = e, 0.0
                        if len(w.pauses) > 0:
                            pause = w.pauses[min(tries, len(w.pauses)) - 1]
            if waits >= 0:  # it waits for a delivery
                e, waits = waits, -1
                row = row_of[e]
                c[WAITING] += 1
                if w.drops:
                    put(w.old, c[OLD], e)
                    c[OLD] += 1
                if w.ttl < INF:
                    schedule(c, clock, times, keys, whats, EXPIRY, EXPIRES, row, w.expires[e] - now)
                if pause > 0.0:
                    state[e] = PAUSED
                    schedule(c, clock, times, keys, whats, EXPIRY, RESUMES, row, pause)
                else:
                    state[e] = WAITS
                    if not (w.in_turn and attempt[row] == 1) and (
                        not w.keyed or w.first_of[w.key[e]] == e
                    ):
                        put(ready, c[READY], (w.class_of[e] << EVENT_BITS) | e)
                        c[READY] += 1
            if back >= 0:
                continue

            # the queue delivers: who is ready, and who has a place
            if c[PLACES] == 0:
                break
            size = c[READY]
            if not plain:
                while size > 0 and state[ready[0] & EVENT] != WAITS:
                    take(ready, size)
                    size -= 1
                c[READY] = size
            if size > 0:
                e = ready[0] & EVENT
                take(ready, size)
                c[READY] = size - 1
            elif w.in_turn:
                e = c[NEVER_SENT]
                if not plain:
                    while e < c[NEXT] and state[e] != WAITS:
                        e += 1
                if e >= c[NEXT]:
                    c[NEVER_SENT] = e
                    break
                c[NEVER_SENT] = e + 1
            else:
                break
            k = c[TURN]
            while w.up[k] == 0 or w.taken[k] >= w.places[k]:
                k = k + 1 if k + 1 < consumers else 0
            c[TURN] = k + 1 if k + 1 < consumers else 0
            row = e if plain else row_of[e]
            w.consumer[row] = k
            w.delivered[row] = now
            w.taken[k] += 1
            if w.taken[k] == w.places[k]:
                c[PLACES] -= 1
            if not plain:
                if attempt[row] > MOST_DELIVERIES:
                    return TOO_OFTEN
                c[WAITING] -= 1
                state[e] = HELD
                if w.settles_first[k]:
                    w.acked[row] = now
                    leave(c, state, latest, w.keyed, w.key, w.behind, w.first_of, ready, e)
                    state[e] = FORGOTTEN
                else:
                    latest[e] = row
                    if w.visibility < INF:
                        schedule(c, clock, times, keys, whats, EXPIRY, VISIBLE, row, w.visibility)
                if w.crashes:
                    w.after[row] = -1
                    w.before[row] = w.last_held[k]
                    if w.last_held[k] >= 0:
                        w.after[w.last_held[k]] = row
                    else:
                        w.first_held[k] = row
                    w.last_held[k] = row
            if w.idle[k] > 0:
                w.idle[k] -= 1
                starts = row
            else:
                w.follow[row] = -1
                if w.head[k] >= 0:
                    w.follow[w.tail[k]] = row
                else:
                    w.head[k] = row
                w.tail[k] = row
        if c[PENDING] > 0:
            return NEEDS_DRAWS
