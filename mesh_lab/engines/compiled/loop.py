"""The event loop of the compiled engine, by the rules of ``engines/RULES.md``.

It is plain Python over the arrays of a `World`, so that it can be read, and run, without a
compiler; compiled, it runs some hundred times as quickly.

What follows from one event is one line of *stages*, each of which is here once: a request is made
and sent, reaches its endpoint, is let in and served, leaves, comes back, and ends; an event begins
somewhere on that line, and goes as far along it as this instant goes.  (The loop is one function
because every function that gets the whole world as arguments takes the compiler seconds.)
"""

from __future__ import annotations

import math
from typing import Any

from ...balancing.rule import ALARMS, OWN_DRAWS, View
from ...ledger import IN_FLIGHT, OK, REJECTED, UNAVAILABLE
from .rules import answered, arrived, choose, left, pool_of, ring, sent
from .world import (
    AREA,
    AREA_LAST,
    AT_LIMIT,
    BACK,
    BUSY,
    CHANGES,
    DONE,
    EMPTY,
    ENDED,
    FIFO,
    FINISHED,
    FLYING,
    FREE,
    HAS_ENDED,
    HEAP,
    INSTANT,
    LAST,
    LEFT,
    LIFO,
    NEEDS_DRAWS,
    NEEDS_HEAP,
    NEEDS_OWN,
    NEEDS_ROWS,
    NOW,
    OPEN,
    PENDING,
    PREEMPTIVE,
    PS,
    RANKED,
    REACH,
    ROOT_IS_FREE,
    ROWS,
    SEQUENCE,
    SHARED,
    SINCE,
    STANDSTILL,
    STOPPED,
    TICK,
    WAKE,
    WHO,
    World,
)

__all__ = ["LOOP", "begin", "lacks_draws", "merged", "run_loop"]

LOOP: list[Any] = []  # the functions that are compiled
COMPLETED, CHANGED, HOPPED = 1, 3, 4  # ranks
USERS_AT_ONCE = 1000
INF = math.inf
LATEST = (1 << 63) - 1  # no key is larger
NAN = math.nan

# stages
NOWHERE, MAKES, ARRIVES, SERVES, LEAVES, RETURNS, ENDS = range(7)


def looped(function: Any) -> Any:
    """Say that `function` is part of the loop."""
    LOOP.append(function)
    return function


# -- the agenda ----------------------------------------------------------------------------------


@looped
def settle_down(
    times: Any, keys: Any, whats: Any, size: int, time: float, key: int, what: int
) -> None:
    """Put an event where it belongs below the free place at the root."""
    at = 0
    down = 1
    while down < size:
        other = down + 1
        if other < size and (
            times[other] < times[down] or (times[other] == times[down] and keys[other] < keys[down])
        ):
            down = other
        if time < times[down] or (time == times[down] and key < keys[down]):
            break
        times[at] = times[down]
        keys[at] = keys[down]
        whats[at] = whats[down]
        at = down
        down = 2 * at + 1
    times[at] = time
    keys[at] = key
    whats[at] = what


@looped
def schedule(
    c: Any,
    clock: Any,
    times: Any,
    keys: Any,
    whats: Any,
    rank: int,
    kind: int,
    subject: int,
    delay: float,
) -> int:
    """Plan an event `delay` seconds from now; return its sequence."""
    sequence = c[SEQUENCE]
    c[SEQUENCE] = sequence + 1
    key, what = rank * RANKED + sequence, subject * 8 + kind
    put_event(c, times, keys, whats, clock[NOW] + delay, key, what)
    return sequence  # type: ignore[no-any-return]


@looped
def put_event(c: Any, times: Any, keys: Any, whats: Any, time: float, key: int, what: int) -> None:
    """Put an event on the agenda of times."""
    if c[ROOT_IS_FREE]:
        c[ROOT_IS_FREE] = 0
        settle_down(times, keys, whats, c[HEAP], time, key, what)
        return
    at = c[HEAP]
    c[HEAP] = at + 1
    while at > 0:
        up = (at - 1) >> 1
        if times[up] < time or (times[up] == time and keys[up] < key):
            break
        times[at] = times[up]
        keys[at] = keys[up]
        whats[at] = whats[up]
        at = up
    times[at] = time
    keys[at] = key
    whats[at] = what


@looped
def close_root(c: Any, times: Any, keys: Any, whats: Any) -> None:
    """Fill the root, whose event has happened, by the last one."""
    c[ROOT_IS_FREE] = 0
    size = c[HEAP] - 1
    c[HEAP] = size
    settle_down(times, keys, whats, size, times[size], keys[size], whats[size])


# -- small parts ---------------------------------------------------------------------------------


@looped
def merged(follower: Any, second: Any, rank: Any, order: Any, a: int, b: int) -> int:
    """Merge two skew heaps by (rank, order of arrival at the line); return the root.

    `follower` and `second` are the children of a row; -1 is nobody.
    """
    if a < 0:
        return b
    if b < 0:
        return a
    if rank[b] < rank[a] or (rank[b] == rank[a] and order[b] < order[a]):
        a, b = b, a
    root = a
    while True:
        # go down the right spine of a, and turn each node's children round
        right = second[a]
        second[a] = follower[a]
        if right < 0:
            follower[a] = b
            return root
        if rank[b] < rank[right] or (rank[b] == rank[right] and order[b] < order[right]):
            follower[a] = b
            a = b
            b = right
        else:
            follower[a] = right
            a = right


@looped
def note_busy(c: Any, clock: Any, change: int) -> None:
    """Count the seconds of busy workers until now, then `change` their number."""
    if clock[NOW] > clock[SINCE]:
        clock[AREA] += c[BUSY] * (clock[NOW] - clock[SINCE])
        clock[SINCE] = clock[NOW]
    c[BUSY] += change


@looped
def share(n: int, workers: int) -> float:
    """The share of a worker that each of `n` gets."""
    return 1.0 if n <= workers else workers / n


@looped
def lacks_draws(
    at: int, size: int, over: int, number: int, batch: int, low: int, window: int
) -> bool:
    """Whether a source lacks the draws of its next batch, or of the gap after it.

    `at` is the place of the planned gap among the `size` that there are; `number` and following
    will arrive, `batch` together; draws are there from `low` on, for `window` requests.
    """
    return (at + 1 >= size and over == 0) or number + batch > low + window


@looped
def plan_arrival(
    c: Any, clock: Any, next_time: Any, gaps: Any, i: int, at: int, size: int, endless: int
) -> None:
    """Plan the next arrival of open source `i`, one gap from now, if there is one."""
    if at < size:
        next_time[i] = clock[NOW] + gaps[i, at]
        return
    next_time[i] = INF
    c[OPEN] -= 1
    if c[OPEN] == 0 and endless == 0:
        c[STOPPED] = 1


def begin(w: World) -> None:
    """Plan the first arrivals, source by source."""
    c, clock = w.counter, w.clock
    user = 0
    for i in range(len(w.users)):
        if w.users[i] == 0:
            at = int(w.fires[i] - w.gap_low[i])
            plan_arrival(c, clock, w.next_time, w.gaps, i, at, int(w.gap_size[i]), w.endless)
            continue
        for number in range(w.users[i]):
            think = float(w.gaps[i, number - w.gap_low[i]])
            schedule(c, clock, w.event_time, w.event_key, w.event_what, HOPPED, WAKE, user, think)
            user += 1


# -- the loop ------------------------------------------------------------------------------------


@looped
def run_loop(w: World, v: View, s: Any, r: Any, u: Any) -> int:
    """Let events happen until something is needed or the run is over; return which."""
    c, clock = w.counter, w.clock
    times, keys, whats = w.event_time, w.event_key, w.event_what
    follower, second, rank, order = w.follower, w.second, w.rank, w.order
    sources, rows, room, own = len(w.users), len(w.made), len(times), len(v.own)
    enough, discipline, workers = len(w.ended), w.discipline, w.workers
    # each look into the world costs the compiler as much as the world is large
    w_room, w_proxies, w_draws, w_oracle = w.room, w.proxies, w.draws, w.oracle
    w_feedback, w_keeps_hands, w_summary = w.feedback, w.keeps_hands, w.summary
    w_endless, w_counts_users, w_until, w_forward = w.endless, w.counts_users, w.until, w.forward
    w_back, w_delays, w_keys, w_change_time = w.back, w.delays, w.keys, w.change_time
    w_change_key, w_made, w_source, w_endpoint = w.change_key, w.made, w.source, w.endpoint
    w_start, w_finish, w_outcome, w_arrival = w.start, w.finish, w.outcome, w.arrival
    w_end, w_key, w_work, w_due, w_alarm = w.end, w.key, w.work, w.due, w.alarm
    w_sender, w_wayback, w_entered, w_met = w.sender, w.wayback, w.entered, w.met
    w_left_there, w_worked, w_user, w_free = w.left_there, w.worked, w.user, w.free
    w_ended, w_pending, w_down, w_speed = w.ended, w.pending, w.down, w.speed
    w_in_service, w_waiting, w_head, w_tail = w.in_service, w.waiting, w.head, w.tail
    w_hands, w_arrivals, w_virtual = w.hands, w.arrivals, w.virtual
    w_shared_since, w_plan, w_next_time, w_number = w.shared_since, w.plan, w.next_time, w.number
    w_fires, w_users, w_window_low, w_window_size = w.fires, w.users, w.window_low, w.window_size
    w_gap_low, w_gap_size, w_gap_over, w_gaps = w.gap_low, w.gap_size, w.gap_over, w.gaps
    w_sizes, w_works, w_priorities, w_uniforms = w.sizes, w.works, w.priorities, w.uniforms
    w_ways, w_hashes, w_key_numbers = w.ways, w.hashes, w.key_numbers
    w_user_source, w_user_number = w.user_source, w.user_number
    pending = c[PENDING]
    while True:
        stage, row, i, e, user, inside, batch, fired = NOWHERE, -1, 0, -1, 0, 1, 0, 0
        shares = False  # whether those who share workers go on with other shares
        if pending > 0:
            # what was ended by a change of endpoints: only its response is left
            row = w_pending[c[PENDING] - pending]
            stage = LEAVES
            pending -= 1
        elif c[PENDING] > 0:
            c[PENDING] = 0
            return CHANGES
        elif c[STOPPED] and c[FLYING] == 0:
            return FINISHED
        else:
            # the earliest source; of equals, the first declared
            who, time = -1, INF
            if c[STOPPED] == 0:
                for k in range(sources):
                    if w_next_time[k] < time:
                        who, time = k, w_next_time[k]
            first = times[0] if c[HEAP] > 0 else INF
            if w_change_time <= time and (
                w_change_time < first or (w_change_time == first and w_change_key < keys[0])
            ):
                if w_change_time == INF:
                    return EMPTY
                if w_change_time >= w_until:
                    return AT_LIMIT
                clock[NOW] = w_change_time
                return CHANGES
            if first <= time:
                if first == INF:
                    return EMPTY
                if first >= w_until:
                    return AT_LIMIT
                if c[HEAP] + c[FLYING] + 2 * (2 + ALARMS) > room:
                    return NEEDS_HEAP
                if v.cursor[0] + OWN_DRAWS > own:
                    return NEEDS_OWN
                if w_summary and c[ENDED] + c[FLYING] + 1 > enough:
                    return HAS_ENDED
                what, sequence = whats[0], keys[0] & (RANKED - 1)
                kind, row = what & 7, what >> 3
                if kind == WAKE and c[STOPPED] == 0:
                    user = row
                    i = w_user_source[user]
                    if c[ROWS] >= rows and c[FREE] == 0:
                        return NEEDS_ROWS
                    if w_user_number[user] + w_users[i] >= w_gap_low[i] + w_gap_size[i]:
                        c[WHO] = i
                        return NEEDS_DRAWS
                clock[NOW] = first
                c[ROOT_IS_FREE] = 1  # most events plan another, which takes the place
                if kind == DONE:
                    if w_keeps_hands == 0 or w_alarm[row] == sequence:
                        e = w_endpoint[row]
                        w_finish[row] = first
                        w_outcome[row] = OK
                        count = w_in_service[e] - 1
                        w_in_service[e] = count
                        if w_summary:
                            note_busy(c, clock, -1)
                        if w_keeps_hands:
                            at = e * workers
                            last = at + count
                            while w_hands[at] != row:
                                at += 1
                            while at < last:
                                w_hands[at] = w_hands[at + 1]
                                at += 1
                        stage = SERVES
                elif kind == SHARED:
                    e = row
                    if w_plan[e] == sequence:
                        row = w_head[e]
                        w_head[e] = merged(
                            follower, second, rank, order, follower[row], second[row]
                        )
                        count = w_in_service[e] - 1
                        w_in_service[e] = count
                        if w_summary and count < workers:
                            note_busy(c, clock, -1)
                        w_virtual[e] = rank[row] if count > 0 else 0.0
                        w_shared_since[e] = first
                        w_plan[e] = -1
                        shares = count > 0
                        w_finish[row] = first
                        w_outcome[row] = OK
                        stage = LEAVES
                elif kind == BACK:
                    stage = RETURNS
                elif kind == REACH:
                    stage = ARRIVES
                elif kind == WAKE:
                    if c[STOPPED] == 0:
                        if first > clock[INSTANT]:
                            clock[INSTANT] = first
                            for k in range(sources):
                                if w_users[k] > 0:
                                    w_fires[k] = 0
                        w_fires[i] += 1
                        if w_fires[i] > USERS_AT_ONCE * w_users[i]:
                            return STANDSTILL
                        stage = MAKES
                else:
                    ring(s, v, row, first)
            else:
                if time >= w_until:
                    return AT_LIMIT
                at = w_fires[who] - w_gap_low[who]
                batch = w_sizes[who, at]
                if lacks_draws(
                    at,
                    w_gap_size[who],
                    w_gap_over[who],
                    w_number[who],
                    batch,
                    w_window_low[who],
                    w_window_size[who],
                ):
                    c[WHO] = who
                    return NEEDS_DRAWS
                # of the last batch, no more than are wanted
                batch = min(batch, c[LEFT]) if c[LEFT] >= 0 else batch
                # each may be planned twice, and make its rule ask for alarms
                if c[HEAP] + c[FLYING] + (2 + ALARMS) * (batch + 1) > room:
                    return NEEDS_HEAP
                if v.cursor[0] + OWN_DRAWS * (batch + 1) > own:
                    return NEEDS_OWN
                if c[ROWS] + batch > rows + c[FREE]:
                    return NEEDS_ROWS
                if w_summary and c[ENDED] + c[FLYING] + batch > enough:
                    return HAS_ENDED
                clock[NOW] = time
                i = who
                w_fires[i] += 1
                fired = 1
                stage = MAKES

        # -- the stages of this event, once for each request of a batch --
        now = clock[NOW]
        while True:
            hops, rank_of, delay, subject = -1, HOPPED, 0.0, row  # what is on its way after this
            if stage == MAKES:
                if c[FREE] > 0:
                    c[FREE] -= 1
                    row = w_free[c[FREE]]
                else:
                    row = c[ROWS]
                    c[ROWS] = row + 1
                c[FLYING] += 1
                w_made[row] = now
                w_source[row] = i
                w_start[row] = NAN
                w_finish[row] = NAN
                w_outcome[row] = IN_FLIGHT
                if w_delays:
                    w_arrival[row] = NAN
                    w_end[row] = NAN
                if w_summary:
                    note_busy(c, clock, 0)
                    clock[AREA_LAST] = clock[AREA]
                    clock[LAST] = now
                if w_users[i] > 0:
                    w_user[row] = user
                    number = w_user_number[user]
                else:
                    batch -= 1
                    number = w_number[i]
                    w_number[i] = number + 1
                if w_users[i] == 0 or w_counts_users:
                    c[LEFT] -= 1
                    if c[LEFT] == 0:
                        c[STOPPED] = 1
                at = number - w_window_low[i]
                w_work[row] = w_works[i, at]
                if discipline > LIFO:
                    rank[row] = w_priorities[i, at] if discipline <= PREEMPTIVE else w_work[row]
                if w_keys:
                    w_key[row] = w_key_numbers[i, at]
                # sent: a balancer, a pool, an endpoint
                p = 0
                if w_proxies > 1:
                    p = int(w_uniforms[w_draws, i, at] * w_proxies)
                    w_sender[row] = p
                level, zone = w_uniforms[w_draws + 1, i, at], w_uniforms[w_draws + 2, i, at]
                g = pool_of(r, v, p, level, zone)
                if g < 0:
                    w_endpoint[row] = -1
                    w_finish[row] = now
                    w_outcome[row] = UNAVAILABLE
                    stage = ENDS
                else:
                    if w_oracle:
                        v.job[0] = w_work[row]
                    for k in range(w_draws):
                        u[k] = w_uniforms[k, i, at]
                    e = choose(s, v, g, u, now, w_hashes[i, at])
                    w_endpoint[row] = e
                    v.outstanding[p * v.stride + e] += 1
                    sent(s, v, p, e, now)
                    if w_back == 2:
                        w_wayback[row] = w_ways[1, i, at]
                    if w_forward == 0:
                        stage = ARRIVES
                    else:
                        delay = w_ways[0, 0, 0] if w_forward == 1 else w_ways[0, i, at]
                        hops, subject = REACH, row
                        stage = NOWHERE

            if stage == ARRIVES:
                e = w_endpoint[row]
                if discipline in (PS, PREEMPTIVE):
                    fits = w_waiting[e] + w_in_service[e] < w_room
                else:
                    fits = w_waiting[e] < w_room or w_in_service[e] < workers
                if w_down[e] or not fits:
                    w_finish[row] = now
                    w_outcome[row] = UNAVAILABLE if w_down[e] else REJECTED
                    inside = 0
                    stage = LEAVES
                else:
                    if w_delays:
                        w_arrival[row] = now
                    if discipline > LIFO or w_keeps_hands:
                        order[row] = w_arrivals[e]
                        w_arrivals[e] += 1
                    if w_oracle:
                        w_met[row] = v.there[e]
                        w_entered[row] = now
                        v.there[e] += 1
                        busy = v.busy_until[e]
                        busy = busy if busy > now else now
                        v.busy_until[e] = busy + w_work[row] / (workers * w_speed[e])
                        arrived(s, v, e, now)
                    if discipline == PS:
                        w_start[row] = now
                        count = w_in_service[e]
                        if count > 0:
                            w_virtual[e] = w_virtual[e] + (now - w_shared_since[e]) * share(
                                count, workers
                            )
                        w_shared_since[e] = now
                        rank[row] = w_virtual[e] + w_work[row] / w_speed[e]
                        follower[row] = -1
                        second[row] = -1
                        w_head[e] = merged(follower, second, rank, order, w_head[e], row)
                        w_in_service[e] = count + 1
                        if w_summary and count < workers:
                            note_busy(c, clock, 1)
                        shares = True
                        stage = NOWHERE
                    else:
                        w_waiting[e] += 1
                        if discipline == PREEMPTIVE and w_in_service[e] == workers:
                            # the least urgent in service, the last started of a tie
                            base = e * workers
                            victim = base
                            for k in range(base + 1, base + workers):
                                if rank[w_hands[k]] >= rank[w_hands[victim]]:
                                    victim = k
                            other = w_hands[victim]
                            if rank[other] > rank[row]:
                                for k in range(victim, base + workers - 1):
                                    w_hands[k] = w_hands[k + 1]
                                w_in_service[e] -= 1
                                if w_summary:
                                    note_busy(c, clock, -1)
                                w_alarm[other] = -1
                                w_work[other] = w_due[other] - now
                                w_waiting[e] += 1
                                follower[other] = -1
                                second[other] = -1
                                w_head[e] = merged(follower, second, rank, order, w_head[e], other)
                        follower[row] = -1
                        if discipline == FIFO:
                            if w_head[e] < 0:
                                w_head[e] = row
                            else:
                                follower[w_tail[e]] = row
                            w_tail[e] = row
                        elif discipline == LIFO:
                            follower[row] = w_head[e]
                            w_head[e] = row
                        else:
                            second[row] = -1
                            w_head[e] = merged(follower, second, rank, order, w_head[e], row)
                        stage = SERVES
                        row = -1

            if shares:
                shares = False
                ahead = (rank[w_head[e]] - w_virtual[e]) / share(w_in_service[e], workers)
                ahead = ahead if ahead > 0.0 else 0.0
                w_plan[e] = schedule(c, clock, times, keys, whats, COMPLETED, SHARED, e, ahead)

            if stage == SERVES:
                while w_waiting[e] > 0 and w_in_service[e] < workers and w_down[e] == 0:
                    next_one = w_head[e]
                    w_waiting[e] -= 1
                    if discipline <= LIFO:
                        w_head[e] = follower[next_one]
                    else:
                        w_head[e] = merged(
                            follower, second, rank, order, follower[next_one], second[next_one]
                        )
                    work = w_work[next_one]
                    if w_start[next_one] != w_start[next_one]:  # NaN: it never started before
                        w_start[next_one] = now
                        work = work / w_speed[e]
                    count = w_in_service[e]
                    w_in_service[e] = count + 1
                    if w_summary:
                        note_busy(c, clock, 1)
                    sequence = schedule(
                        c, clock, times, keys, whats, COMPLETED, DONE, next_one, work
                    )
                    if w_keeps_hands:
                        w_due[next_one] = now + work
                        w_alarm[next_one] = sequence
                        w_hands[e * workers + count] = next_one
                stage = LEAVES if row >= 0 else NOWHERE

            if stage == LEAVES:
                there = 0
                if w_oracle and inside:
                    e = w_endpoint[row]
                    v.there[e] -= 1
                    there = v.there[e]
                    if there == 0:
                        v.busy_until[e] = now
                    left(s, v, e, now, now - w_entered[row], w_met[row])
                if w_feedback:
                    w_left_there[row] = there
                    w_worked[row] = now - w_start[row]
                if w_back == 0:
                    stage = RETURNS
                else:
                    delay = w_ways[1, 0, 0] if w_back == 1 else w_wayback[row]
                    hops, rank_of, subject = BACK, COMPLETED, row

            if stage == RETURNS:
                p = 0
                if w_proxies > 1:
                    p = w_sender[row]
                e = w_endpoint[row]
                v.outstanding[p * v.stride + e] -= 1
                if w_feedback:
                    ok = 1 if w_outcome[row] == OK else 0
                    waited = now - w_made[row]
                    answered(s, v, p, e, now, waited, ok, w_left_there[row], w_worked[row])
                stage = ENDS

            if stage == ENDS:
                c[FLYING] -= 1
                if w_delays:
                    w_end[row] = now
                if w_summary:
                    w_ended[c[ENDED]] = row
                    c[ENDED] += 1
                k = w_source[row]
                if w_users[k] > 0 and c[STOPPED] == 0:
                    thinks = w_user[row]
                    number = w_user_number[thinks] + w_users[k]
                    w_user_number[thinks] = number
                    delay = w_gaps[k, number - w_gap_low[k]]
                    hops, subject = WAKE, thinks

            if hops >= 0:
                schedule(c, clock, times, keys, whats, rank_of, hops, subject, delay)
            if v.alarms[0] > 0:
                for k in range(v.alarms[0]):
                    ahead = v.alarm_times[k] - now
                    ahead = ahead if ahead > 0.0 else 0.0
                    schedule(c, clock, times, keys, whats, CHANGED, TICK, v.alarm_codes[k], ahead)
                v.alarms[0] = 0
            if batch == 0 or c[STOPPED]:
                break
            stage, inside = MAKES, 1
        if c[ROOT_IS_FREE]:
            close_root(c, times, keys, whats)
        if fired and c[STOPPED] == 0:
            at = w_fires[i] - w_gap_low[i]
            plan_arrival(c, clock, w_next_time, w_gaps, i, at, w_gap_size[i], w_endless)
