"""The event loop of services that call each other, by ``engines/RULES.md``.

It is plain Python over the arrays of a `GraphWorld`, so that it can be read, and run, without a
compiler.  What happens is one event, or one item of the agenda, and what follows from it is one
line of *stages*, each of which is here once: an attempt reaches its endpoint, is let in and served,
makes its calls, leaves, comes back; its call is judged, and ends.

Whatever an item needs (draws, room) is asked for before anything of it has happened: the loop then
returns, and begins with the same item again.
"""

from __future__ import annotations

import math
from typing import Any

from ....balancing.rule import View
from ....ledger import CANCELLED, FAILED, IN_FLIGHT, OK, OPEN, REJECTED, TIMEOUT, UNAVAILABLE
from ....resilience.backoff import BackoffNumbers
from ....resilience.backoff import pause as pause_by
from ..loop import close_root, merged, put_event, schedule
from ..world import NOW, RANKED
from .guarding import (
    AT_BREAKER,
    AT_EJECT,
    DRAWS,
    FIRST,
    HOLDS,
    JITTER,
    PER_ENDPOINT,
    SILENT,
    WHOLE,
    concluded,
    given_back,
    let_in,
    let_to,
    may_retry,
)
from .rules import answered_by, choose_by, sent_by
from .world import (
    ANSWERED,
    ARRIVED,
    ASKED,
    AT_LIMIT,
    BACK,
    BY_DEADLINE,
    BY_PRIORITY,
    BY_RANK,
    CHANGE,
    CHANGES,
    DONE,
    EMPTY,
    FIFO,
    FINISHED,
    FIRST_ITEM,
    FLYING,
    FREE_CALLINGS,
    FREE_VISITS,
    GIVES_UP,
    GO_ON,
    HEAP,
    ITEMS,
    LIFO,
    LISTED,
    NEEDS_DRAWS,
    NEEDS_ROOM,
    NEEDS_WAY,
    NEXT,
    NUMBER,
    REACH,
    REARRANGE,
    RING,
    RINGING,
    ROOT_IS_FREE,
    ROWS,
    SEND,
    SERIAL,
    STOP,
    TIMER,
    WORKING,
    GraphWorld,
)

__all__ = ["GRAPH", "run_graph"]

GRAPH: list[Any] = []  # the functions that are compiled
COMPLETED, TOO_LATE, CHANGED, HOPPED = 1, 2, 3, 4  # ranks
INF = math.inf
NAN = math.nan
LISTS = 1 << 55  # of events at one time, the alarms of lists are the last of their rank
IDLE = -2  # the step of a visit that makes no calls now
AT_ONCE = -1  # the kind of no pause

# stages
(
    NOWHERE,
    JOINS,
    ARRIVES,
    DEPARTS,
    CALLS,
    LEAVES,
    SERVES,
    ANSWERS,
    RETURNS,
    GONE,
    JUDGED,
    ENDED,
) = range(12)


def graphed(function: Any) -> Any:
    """Say that `function` is part of the loop."""
    GRAPH.append(function)
    return function


# -- small parts ---------------------------------------------------------------------------------


@graphed
def known_draws(tag: Any, reach: int, bits: int, way: int, number: int) -> bool:
    """Whether the draws of a way for request `number` are at hand."""
    chunk = number >> bits
    return tag[way * reach + (chunk & (reach - 1))] == chunk  # type: ignore[no-any-return]


@graphed
def drawn(store: Any, way: int, column: int, number: int) -> float:
    """Return a draw."""
    bits = store.bits
    at = way * store.reach + ((number >> bits) & (store.reach - 1))
    place = ((store.block[at] + column) << bits) + (number & ((1 << bits) - 1))
    return store.numbers[place]  # type: ignore[no-any-return]


@graphed
def push(c: Any, item: Any, item_of: Any, item_row: Any, kind: int, of: int, row: int) -> None:
    """Put something on the agenda."""
    at = (c[FIRST_ITEM] + c[ITEMS]) & (len(item) - 1)
    item[at] = kind
    item_of[at] = of
    item_row[at] = row
    c[ITEMS] += 1


@graphed
def begin_call(
    c: Any, cs: Any, call: int, parent: int, request: int, number: int, end: float, limit: float
) -> int:
    """Begin a call, and return its place; it belongs on the agenda."""
    c[FREE_CALLINGS] -= 1
    q = cs.free[c[FREE_CALLINGS]]
    cs.call[q] = call
    cs.parent[q] = parent
    cs.request[q] = request
    cs.way[q] = -1
    cs.number[q] = number
    cs.end[q] = end if end < limit else limit
    cs.deadline[q] = limit
    cs.pause[q] = 0.0
    cs.tried[q] = 0
    cs.alarm[q] = -1
    cs.first_out[q] = -1
    cs.next[q] = -1
    cs.held[q] = 0
    cs.serial[q] = c[SERIAL]
    c[SERIAL] += 1
    return q  # type: ignore[no-any-return]


@graphed
def free_calling(c: Any, cs: Any, q: int) -> None:
    """Let the place of a call be used again."""
    cs.serial[q] = -1
    cs.free[c[FREE_CALLINGS]] = q
    c[FREE_CALLINGS] += 1


@graphed
def free_visit(c: Any, vs: Any, v: int) -> None:
    """Let the place of a visit be used again."""
    vs.row[v] = -1
    vs.free[c[FREE_VISITS]] = v
    c[FREE_VISITS] += 1


@graphed
def unlink(first: Any, following: Any, of: int, one: int) -> None:
    """Take `one` out of the list that begins at ``first[of]``."""
    if first[of] == one:
        first[of] = following[one]
        return
    at = first[of]
    while following[at] != one:
        at = following[at]
    following[at] = following[one]


@graphed
def append(first: Any, following: Any, of: int, one: int) -> None:
    """Put `one` at the end of the list that begins at ``first[of]``."""
    following[one] = -1
    if first[of] < 0:
        first[of] = one
        return
    at = first[of]
    while following[at] >= 0:
        at = following[at]
    following[at] = one


@graphed
def held_first(held: Any, holders: Any, width: int, q: int) -> int:
    """Return from whose budget the retry is that a call holds longest; it is sent now."""
    first = q * width
    p = holders[first]
    held[q] -= 1
    for k in range(first, first + held[q]):
        holders[k] = holders[k + 1]
    return p  # type: ignore[no-any-return]


@graphed
def drawless(
    tag: Any, reach: int, bits: int, ways: Any, following: Any, number: int, v: int
) -> int:
    """Return the first way of the attempts from `v` on whose draws are not at hand; -1: none."""
    while v >= 0:
        if not known_draws(tag, reach, bits, ways[v], number):
            return ways[v]  # type: ignore[no-any-return]
        v = following[v]
    return -1


@graphed
def chances_of(store: Any, u: Any, ints: Any, s: int, way: int, number: int) -> None:
    """Draw what the guards of service `s` may need to know of an answer: see `concluded`."""
    at_eject = ints[FIRST + s * WHOLE + AT_EJECT]
    at_breaker = ints[FIRST + s * WHOLE + AT_BREAKER]
    if at_eject >= 0:
        for k in range(JITTER):
            u[k] = drawn(store, way, at_eject + k, number)
    if at_breaker >= 0:
        u[JITTER] = drawn(store, way, at_breaker, number)


@graphed
def list_deadline(vs: Any, first_due: Any, last_due: Any, k: int, v: int, due: float) -> None:
    """Put the end of an attempt's time at the end of a list."""
    vs.timer[v] = LISTED - k
    vs.due[v] = due
    vs.behind[v] = -1
    vs.before[v] = last_due[k]
    if first_due[k] < 0:
        first_due[k] = v
    else:
        vs.behind[last_due[k]] = v
    last_due[k] = v


@graphed
def ring_at(c: Any, clock: Any, times: Any, keys: Any, whats: Any, k: int, seconds: float) -> None:
    """Set the alarm of a list; of events at one time it comes after those of its rank."""
    key = TOO_LATE * RANKED + LISTS + k
    put_event(c, times, keys, whats, clock[NOW] + seconds, key, k * 8 + RING)


@graphed
def stop_timer(vs: Any, first_due: Any, last_due: Any, v: int) -> None:
    """Forget the end of an attempt's time."""
    k = LISTED - vs.timer[v]
    vs.timer[v] = -1
    if k >= 0:
        before, behind = vs.before[v], vs.behind[v]
        if before < 0:
            first_due[k] = behind
        else:
            vs.behind[before] = behind
        if behind < 0:
            last_due[k] = before
        else:
            vs.before[behind] = before


# -- the loop ------------------------------------------------------------------------------------


@graphed
def run_graph(w: GraphWorld, view: View, states: Any, guards: Any, u: Any) -> int:
    """Let events happen until something is needed or the run is over; return which."""
    g, lines, store, rows, vs, cs = w.graph, w.lines, w.store, w.rows, w.visits, w.callings
    c, clock = w.counter, w.clock
    times, keys, whats = w.event_time, w.event_key, w.event_what
    item, item_of, item_row = w.item, w.item_of, w.item_row
    first_due, last_due, armed = w.first_due, w.last_due, w.armed
    tag, reach, bits = store.tag, store.reach, store.bits
    group, stops, guarded = g.group, g.stops, g.guards
    total, stride, room = len(w.made), view.stride, w.room
    heap_room, all_rows, all_items = len(times) - room, len(rows.request), len(item) - room
    # each look into the world costs the compiler as much as the world is large
    g_asynchronous, g_at_back, g_at_chance = g.asynchronous, g.at_back, g.at_chance
    g_at_failure, g_at_forward, g_at_pause = g.at_failure, g.at_forward, g.at_pause
    g_at_picks, g_at_proxy, g_back = g.at_picks, g.at_proxy, g.back
    g_back_for, g_base, g_call = g.back_for, g.base, g.call
    g_callee, g_calls, g_longest = g.callee, g.calls, g.longest
    g_concurrency, g_draws_work, g_failure = g.concurrency, g.draws_work, g.failure
    g_forward, g_forward_for, g_growth = g.forward, g.forward_for, g.growth
    g_hedge, g_line, g_notices = g.hedge, g.line, g.notices
    g_on, g_optional, g_order = g.on, g.optional, g.order
    g_pausing, g_per_try, g_picks = g.pausing, g.per_try, g.picks
    g_place, g_pool, g_probability = g.place, g.pool, g.probability
    g_propagate, g_proxies, g_rank = g.propagate, g.proxies, g.rank
    g_room, g_step, g_steps = g.room, g.step, g.steps
    g_timeout, g_times, g_workers = g.timeout, g.times, g.workers
    lines_arrivals, lines_head, lines_held = lines.arrivals, lines.head, lines.held
    lines_inside, lines_speed, lines_tail = lines.inside, lines.speed, lines.tail
    lines_waiting = lines.waiting
    rows_arrival, rows_attempt, rows_end = rows.arrival, rows.attempt, rows.end
    rows_ended_as, rows_endpoint, rows_finish = rows.ended_as, rows.endpoint, rows.finish
    rows_outcome, rows_parent, rows_request = rows.outcome, rows.parent, rows.request
    rows_result, rows_returned, rows_sent = rows.result, rows.returned, rows.sent
    rows_start, rows_station, rows_worked = rows.start, rows.station, rows.worked
    vs_calling, vs_deadline, vs_done = vs.calling, vs.deadline, vs.done
    vs_due, vs_failed, vs_first_open = vs.due, vs.failed, vs.first_open
    vs_free, vs_gone, vs_known = vs.free, vs.gone, vs.known
    vs_last, vs_left, vs_line = vs.last, vs.left, vs.line
    vs_next, vs_number, vs_open = vs.next, vs.number, vs.open
    vs_holds, vs_passed = vs.holds, vs.passed
    vs_order, vs_out, vs_rank = vs.order, vs.out, vs.rank
    vs_request, vs_row, vs_second = vs.request, vs.row, vs.second
    vs_sender, vs_service, vs_step = vs.sender, vs.service, vs.step
    vs_timer, vs_way, vs_work = vs.timer, vs.way, vs.work
    cs_alarm, cs_call, cs_deadline = cs.alarm, cs.call, cs.deadline
    cs_end, cs_first_out, cs_next = cs.end, cs.first_out, cs.next
    cs_held, cs_holders = cs.held, cs.holders
    width = len(cs_holders) // len(cs_held)
    cs_number, cs_parent, cs_pause = cs.number, cs.parent, cs.pause
    cs_request, cs_serial, cs_tried = cs.request, cs.serial, cs.tried
    cs_way = cs.way
    store_after, store_first, store_places = store.after, store.first, store.places
    store_roots = store.roots
    w_carried, w_deadline, w_follows = w.carried, w.deadline, w.follows
    w_made, w_number, w_priority = w.made, w.number, w.priority
    w_source, w_stops, w_to = w.source, w.stops, w.to
    w_until = w.until
    ending, ends_as = -1, OK
    while True:
        if ending < 0 and (
            c[ROWS] >= all_rows
            or c[HEAP] > heap_room
            or c[ITEMS] > all_items
            or c[FREE_VISITS] < 1
            or c[FREE_CALLINGS] < room
        ):
            return NEEDS_ROOM
        stage, v, q, result, way, number, outcome, after = NOWHERE, -1, -1, OK, -1, 0, OK, NOWHERE
        over = sender = leaves = only = -1
        drops = False
        now = clock[NOW]
        line = -1
        if ending >= 0:  # of the item before: a call whose other attempts are left
            q, result = ending, ends_as
            ending = -1
            leaves, stage = q, ENDED
        elif c[ITEMS] > 0:
            at = c[FIRST_ITEM]
            kind, of, row = item[at], item_of[at], item_row[at]
            if kind == SEND:
                q = of
                if cs_serial[q] == row:
                    if cs_tried[q] > 0:
                        way = store_after[cs_way[q]]
                    elif cs_parent[q] < 0:
                        r = cs_request[q]
                        way = store_roots[w_source[r] * len(g_line) + w_to[r]]
                    else:
                        place = g_place[cs_call[q]]
                        way = store_first[vs_way[cs_parent[q]] * store_places + place]
                    if way < 0:
                        c[ASKED] = q
                        return NEEDS_WAY
                    number = cs_number[q]
                    if not known_draws(tag, reach, bits, way, number):
                        c[ASKED], c[NUMBER] = way, number
                        return NEEDS_DRAWS
                    stage = JOINS
            elif kind == REARRANGE:
                c[FIRST_ITEM] = (at + 1) & (len(item) - 1)
                c[ITEMS] -= 1
                c[ASKED] = 2 * of
                return CHANGES
            elif vs_row[of] == row:
                v = of
                way, number = vs_way[v], vs_number[v]
                if not known_draws(tag, reach, bits, way, number):
                    c[ASKED], c[NUMBER] = way, number
                    return NEEDS_DRAWS
                if kind == ANSWERED:
                    if vs_left[v]:
                        free_visit(c, vs, v)
                    else:
                        q = vs_calling[v]
                        s = vs_service[v]
                        if guarded[s] & DRAWS:
                            begin = cs_first_out[q]
                            other = drawless(tag, reach, bits, vs_way, vs_out, number, begin)
                            if other >= 0:
                                c[ASKED], c[NUMBER] = other, number
                                return NEEDS_DRAWS
                        unlink(cs_first_out, vs_out, q, v)
                        stop_timer(vs, first_due, last_due, v)
                        if vs_holds[v] >= 0:
                            given_back(guards, guarded[s], s, vs_holds[v])
                        sender = vs_sender[v]
                        result = rows_result[row]
                        free_visit(c, vs, v)
                        stage = JUDGED
                elif kind == GO_ON:
                    if vs_step[v] != IDLE:
                        if vs_failed[v]:
                            vs_step[v] = IDLE
                            outcome = FAILED
                            stage = LEAVES
                        else:
                            stage = CALLS
                elif (
                    rows_arrival[row] == rows_arrival[row] and rows_finish[row] != rows_finish[row]
                ):
                    # its caller has left, and it is told to stop
                    if rows_start[row] != rows_start[row]:
                        rows_finish[row] = now
                        rows_outcome[row] = CANCELLED
                        lines_waiting[vs_line[v]] -= 1
                        vs_gone[v] = 1
                        c[WORKING] -= 1
                    else:
                        if vs_step[v] != IDLE:
                            vs_step[v] = IDLE
                            leaves, drops = vs_first_open[v], True
                            vs_first_open[v] = -1
                            vs_open[v] = 0
                        else:
                            vs_done[v] = -1
                            if g_asynchronous[vs_service[v]]:
                                lines_held[vs_line[v]] -= 1
                        outcome = CANCELLED
                        stage = LEAVES
            c[FIRST_ITEM] = (at + 1) & (len(item) - 1)
            c[ITEMS] -= 1
        elif c[RINGING] > 0:
            # the time of one attempt after the other is over
            k = c[RINGING] - 1
            of = first_due[k]
            if of < 0:
                armed[k] = 0
                c[RINGING] = 0
            elif vs_due[of] > now:
                ring_at(c, clock, times, keys, whats, k, vs_due[of] - now)
                c[RINGING] = 0
            else:
                way, number = vs_way[of], vs_number[of]
                if not known_draws(tag, reach, bits, way, number):
                    c[ASKED], c[NUMBER] = way, number
                    return NEEDS_DRAWS
                if guarded[vs_service[of]] & DRAWS:
                    begin = cs_first_out[vs_calling[of]]
                    other = drawless(tag, reach, bits, vs_way, vs_out, number, begin)
                    if other >= 0:
                        c[ASKED], c[NUMBER] = other, number
                        return NEEDS_DRAWS
                over = of
        else:
            arrived = c[ARRIVED]
            if arrived == total and w_stops and c[FLYING] == 0 and c[WORKING] == 0:
                return FINISHED
            time = w_made[arrived] if arrived < total else INF
            first = times[0] if c[HEAP] > 0 else INF
            if first <= time:
                if first == INF:
                    return EMPTY
                if first >= w_until:
                    return AT_LIMIT
                what, sequence = whats[0], keys[0] & (RANKED - 1)
                kind, of = what & 7, what >> 3
                happens = True
                if kind == DONE:
                    happens = vs_done[of] == sequence
                elif kind == TIMER:
                    happens = vs_timer[of] == sequence
                elif NEXT <= kind <= GIVES_UP:
                    happens = cs_alarm[of] == sequence
                if happens and kind <= TIMER:  # the draws of one attempt may be wanted
                    way, number = vs_way[of], vs_number[of]
                    if not known_draws(tag, reach, bits, way, number):
                        c[ASKED], c[NUMBER] = way, number
                        return NEEDS_DRAWS
                    if kind == TIMER and guarded[vs_service[of]] & DRAWS:
                        begin = cs_first_out[vs_calling[of]]
                        other = drawless(tag, reach, bits, vs_way, vs_out, number, begin)
                        if other >= 0:
                            c[ASKED], c[NUMBER] = other, number
                            return NEEDS_DRAWS
                now = first
                clock[NOW] = first
                c[ROOT_IS_FREE] = 1  # most events plan another, which takes the place
                if happens:
                    if kind == DONE:
                        v = of
                        vs_done[v] = -1
                        stage = DEPARTS
                        if g_asynchronous[vs_service[v]]:
                            rows_worked[vs_row[v]] = now
                            lines_held[vs_line[v]] -= 1
                            line = vs_line[v]
                            stage, after = SERVES, DEPARTS
                    elif kind == BACK:
                        v = of
                        stage = RETURNS
                    elif kind == REACH:
                        v = of
                        stage = ARRIVES
                        if vs_left[v] and g_notices[vs_service[v]]:
                            rows_finish[vs_row[v]] = now
                            rows_outcome[vs_row[v]] = CANCELLED
                            stage = GONE
                    elif kind == TIMER:
                        over = of
                    elif kind == RING:
                        c[RINGING] = of + 1
                    elif kind == NEXT:
                        cs_alarm[of] = -1
                        s = g_callee[cs_call[of]]
                        if guarded[s] & HOLDS and g_hedge[cs_call[of]] >= 0.0:
                            other = cs_first_out[of]
                            while vs_out[other] >= 0:
                                other = vs_out[other]
                            p = vs_sender[other]
                            happens = p < 0 or may_retry(guards, guarded[s], s, p, now)
                            if happens:
                                cs_holders[of * width + cs_held[of]] = p
                                cs_held[of] += 1
                        if happens:
                            push(c, item, item_of, item_row, SEND, of, cs_serial[of])
                    elif kind == CHANGE:
                        close_root(c, times, keys, whats)
                        c[ASKED] = of
                        return CHANGES
                    else:
                        q = of
                        result = TIMEOUT
                        leaves, stage = q, ENDED
            else:
                # those of a batch arrive together, and what follows from them comes after
                if not known_room(c, cs, total - arrived, w_follows, arrived, len(item)):
                    return NEEDS_ROOM
                now = time
                clock[NOW] = time
                while True:
                    c[FLYING] += 1
                    s = w_to[arrived]
                    q = begin_call(
                        c,
                        cs,
                        s,
                        -1,
                        arrived,
                        w_number[arrived],
                        now + g_timeout[s],
                        w_deadline[arrived],
                    )
                    push(c, item, item_of, item_row, SEND, q, cs_serial[q])
                    arrived += 1
                    if arrived == total or w_follows[arrived] == 0:
                        break
                c[ARRIVED] = arrived

        # -- the stages of this item, or event --
        if over >= 0:  # the time of an attempt
            q = vs_calling[over]
            sender = vs_sender[over]
            result = TIMEOUT
            leaves, stage = q, ENDED
            if vs_last[over] == 0:
                unlink(cs_first_out, vs_out, q, over)
                only, stage = over, JUDGED

        while leaves >= 0:  # a call's attempts that are out, and what it holds; or only one of them
            why = TIMEOUT if result == TIMEOUT else CANCELLED
            other = cs_first_out[leaves] if only < 0 else only
            while other >= 0:
                stop_timer(vs, first_due, last_due, other)
                s, row = vs_service[other], vs_row[other]
                if vs_holds[other] >= 0:
                    given_back(guards, guarded[s], s, vs_holds[other])
                vs_left[other] = 1
                if vs_known[other] == 0:
                    p = vs_sender[other]
                    e = 0 + rows_endpoint[row]  # 64 bits, as everywhere
                    rows_returned[row] = now
                    rows_result[row] = why
                    view.outstanding[p * stride + e] -= 1
                    answered_by(states, group[s], view, p, e, now, now - rows_sent[row], 0, NAN)
                    if guarded[s]:
                        if guarded[s] & DRAWS and why == TIMEOUT:
                            chances_of(store, u, guards.ints, s, vs_way[other], vs_number[other])
                        until = concluded(
                            guards, u, guarded[s], s, p, e, vs_passed[other], why, now
                        )
                        if until != SILENT:
                            if until > now:
                                schedule(
                                    c,
                                    clock,
                                    times,
                                    keys,
                                    whats,
                                    CHANGED,
                                    CHANGE,
                                    2 * p,
                                    until - now,
                                )
                            push(c, item, item_of, item_row, REARRANGE, p, 0)
                    if stops[s]:
                        push(c, item, item_of, item_row, STOP, other, row)
                other = vs_out[other] if only < 0 else -1
            if only >= 0:
                break
            while cs_held[leaves] > 0:
                p = held_first(cs_held, cs_holders, width, leaves)
                if p >= 0:
                    s = g_callee[cs_call[leaves]]
                    given_back(guards, guarded[s], s, p)
            if not drops:
                break
            following = cs_next[leaves]
            cs_alarm[leaves] = -1
            free_calling(c, cs, leaves)
            leaves = following

        if stage == JOINS:
            call = cs_call[q]
            s = g_callee[call]
            c[FREE_VISITS] -= 1
            v = vs_free[c[FREE_VISITS]]
            tried = cs_tried[q]
            cs_tried[q] = tried + 1
            cs_way[q] = way
            end, last = cs_end[q], 1
            if now + g_per_try[call] < end:
                end, last = now + g_per_try[call], 0
            row = c[ROWS]
            c[ROWS] = row + 1
            parent = cs_parent[q]
            vs_row[v] = row
            vs_calling[v] = q
            vs_service[v] = s
            vs_way[v] = way
            vs_number[v] = number
            vs_request[v] = cs_request[q]
            vs_deadline[v] = cs_deadline[q]
            if g_propagate[call] and end < cs_deadline[q]:
                vs_deadline[v] = end
            vs_last[v] = last
            vs_left[v] = 0
            vs_known[v] = 0
            vs_gone[v] = 0
            vs_timer[v] = -1
            vs_done[v] = -1
            vs_step[v] = IDLE
            vs_open[v] = 0
            vs_failed[v] = 0
            vs_first_open[v] = -1
            vs_sender[v] = -1
            vs_holds[v] = -1
            if cs_held[q] > 0:
                vs_holds[v] = held_first(cs_held, cs_holders, width, q)
            append(cs_first_out, vs_out, q, v)
            rows_request[row] = cs_request[q]
            rows_station[row] = s
            rows_endpoint[row] = -1
            rows_sent[row] = now
            rows_arrival[row] = NAN
            rows_start[row] = NAN
            rows_finish[row] = NAN
            rows_outcome[row] = IN_FLIGHT
            rows_parent[row] = vs_row[parent] if parent >= 0 else -1
            rows_attempt[row] = tried
            rows_returned[row] = NAN
            rows_result[row] = IN_FLIGHT
            if len(rows_worked) > 1:
                rows_worked[row] = NAN
            c[WORKING] += 1
            refused = IN_FLIGHT
            p = g_pool[s]
            if end <= now:
                refused = TIMEOUT
            else:
                if last and end != now + g_timeout[call]:
                    if end < INF:
                        vs_timer[v] = schedule(
                            c, clock, times, keys, whats, TOO_LATE, TIMER, v, end - now
                        )
                elif end < INF:
                    k, seconds = 2 * call, g_per_try[call]
                    if last:
                        k, seconds = k + 1, g_timeout[call]
                    list_deadline(vs, first_due, last_due, k, v, end)
                    if armed[k] == 0:
                        armed[k] = 1
                        ring_at(c, clock, times, keys, whats, k, seconds)
                if g_hedge[call] >= 0.0 and tried < g_times[call]:
                    cs_alarm[q] = schedule(
                        c, clock, times, keys, whats, HOPPED, NEXT, q, g_hedge[call]
                    )
                if g_proxies[s] > 1:
                    p += int(drawn(store, way, g_at_proxy[s], number) * g_proxies[s])
                vs_sender[v] = p
                if guarded[s]:
                    passed = let_in(guards, guarded[s], s, p, tried == 0, now)
                    if passed < 0:
                        refused = OPEN
                if refused == IN_FLIGHT:
                    e = -1
                    if view.size[p] > 0:
                        for k in range(g_picks[s]):
                            u[k] = drawn(store, way, g_at_picks[s] + k, number)
                        e = choose_by(states, group[s], view, p, u, now, 0)
                    else:
                        refused = UNAVAILABLE
                    if guarded[s]:
                        passed = let_to(guards, guarded[s], s, p, e, passed, now)
                        vs_passed[v] = passed
                        if passed < 0:
                            refused = -passed
                        elif passed > 1 and guarded[s] & PER_ENDPOINT:
                            push(c, item, item_of, item_row, REARRANGE, p, 0)
            if refused != IN_FLIGHT:
                rows_finish[row] = now
                rows_outcome[row] = refused
                rows_returned[row] = now
                rows_result[row] = refused
                vs_known[v] = 1
                push(c, item, item_of, item_row, ANSWERED, v, row)
                c[WORKING] -= 1
                stage = NOWHERE
            else:
                view.outstanding[p * stride + e] += 1
                sent_by(states, group[s], view, p, e, now)
                vs_line[v] = g_line[s] + e
                rows_endpoint[row] = e
                if g_draws_work[s]:
                    vs_work[v] = drawn(store, way, 0, number)
                else:
                    vs_work[v] = w_carried[cs_request[q]]
                if g_forward[s] == 0:
                    stage = ARRIVES
                else:
                    delay = g_forward_for[s]
                    if g_forward[s] == 2:
                        delay = drawn(store, way, g_at_forward[s], number)
                    schedule(c, clock, times, keys, whats, HOPPED, REACH, v, delay)
                    stage = NOWHERE

        if stage == ARRIVES:
            line, s, row = vs_line[v], vs_service[v], vs_row[v]
            fits = lines_held[line] < g_workers[s]
            if g_asynchronous[s]:
                fits = fits and lines_inside[line] < g_concurrency[s]
            if not fits and lines_waiting[line] >= g_room[s]:
                rows_finish[row] = now
                rows_outcome[row] = REJECTED
                vs_work[v] = NAN
                stage = ANSWERS
            else:
                rows_arrival[row] = now
                vs_order[v] = lines_arrivals[line]
                lines_arrivals[line] += 1
                lines_waiting[line] += 1
                vs_next[v] = -1
                order = g_order[s]
                if order == FIFO:
                    if lines_head[line] < 0:
                        lines_head[line] = v
                    else:
                        vs_next[lines_tail[line]] = v
                    lines_tail[line] = v
                elif order == LIFO:
                    vs_next[v] = lines_head[line]
                    lines_head[line] = v
                else:
                    vs_second[v] = -1
                    if g_rank[s] == BY_PRIORITY:
                        vs_rank[v] = w_priority[vs_request[v]]
                    elif g_rank[s] == BY_DEADLINE:
                        vs_rank[v] = vs_deadline[v]
                    else:
                        vs_rank[v] = vs_work[v]
                    lines_head[line] = merged(
                        vs_next, vs_second, vs_rank, vs_order, lines_head[line], v
                    )
                stage, after = SERVES, NOWHERE

        while True:
            if stage == DEPARTS:
                s = vs_service[v]
                stage, outcome = LEAVES, OK
                if g_failure[s] > 0.0 and drawn(store, way, g_at_failure[s], number) < g_failure[s]:
                    outcome = FAILED
                elif g_steps[s] > 0:
                    vs_step[v] = -1
                    vs_failed[v] = 0
                    stage = CALLS

            if stage == CALLS:
                s = vs_service[v]
                stage = NOWHERE
                while vs_open[v] == 0:
                    step = vs_step[v] + 1
                    vs_step[v] = step
                    if step == g_steps[s]:
                        vs_step[v] = IDLE
                        stage, outcome = LEAVES, OK
                        break
                    begins = g_call[g_step[s] + step]
                    for call in range(begins, begins + g_calls[g_step[s] + step]):
                        if g_at_chance[call] >= 0:
                            chance = drawn(store, way, g_at_chance[call], number)
                            if chance >= g_probability[call]:
                                continue
                        q = begin_call(
                            c,
                            cs,
                            call,
                            v,
                            vs_request[v],
                            number,
                            now + g_timeout[call],
                            vs_deadline[v],
                        )
                        append(vs_first_open, cs_next, v, q)
                        vs_open[v] += 1
                        push(c, item, item_of, item_row, SEND, q, cs_serial[q])

            if stage == LEAVES:
                row, line, s = vs_row[v], vs_line[v], vs_service[v]
                rows_finish[row] = now
                rows_outcome[row] = outcome
                vs_work[v] = now - rows_start[row]
                if g_asynchronous[s]:
                    lines_inside[line] -= 1
                else:
                    lines_held[line] -= 1
                stage, after = SERVES, ANSWERS

            if stage == SERVES:
                while lines_waiting[line] > 0:
                    other = lines_head[line]
                    s = vs_service[other]
                    if lines_held[line] >= g_workers[s] or (
                        g_asynchronous[s] and lines_inside[line] >= g_concurrency[s]
                    ):
                        break
                    if g_order[s] == BY_RANK:
                        lines_head[line] = merged(
                            vs_next, vs_second, vs_rank, vs_order, vs_next[other], vs_second[other]
                        )
                    else:
                        lines_head[line] = vs_next[other]
                    if vs_gone[other]:
                        free_visit(c, vs, other)
                        continue
                    lines_waiting[line] -= 1
                    row = vs_row[other]
                    if vs_left[other] and g_notices[s]:
                        rows_finish[row] = now
                        rows_outcome[row] = CANCELLED
                        c[WORKING] -= 1
                        free_visit(c, vs, other)
                        continue
                    rows_start[row] = now
                    lines_held[line] += 1
                    if g_asynchronous[s]:
                        lines_inside[line] += 1
                    work = vs_work[other] / lines_speed[line]
                    vs_done[other] = schedule(
                        c, clock, times, keys, whats, COMPLETED, DONE, other, work
                    )
                stage = after
                if stage == DEPARTS:
                    continue
            break

        if stage == ANSWERS:
            s = vs_service[v]
            if vs_left[v]:
                stage = GONE
            elif g_back[s] == 0:
                stage = RETURNS
            else:
                delay = g_back_for[s]
                if g_back[s] == 2:
                    delay = drawn(store, vs_way[v], g_at_back[s], vs_number[v])
                schedule(c, clock, times, keys, whats, COMPLETED, BACK, v, delay)
                stage = NOWHERE

        if stage == RETURNS:
            if vs_left[v] == 0:
                row, p, s = vs_row[v], vs_sender[v], vs_service[v]
                e = 0 + rows_endpoint[row]  # 64 bits, as everywhere
                view.outstanding[p * stride + e] -= 1
                outcome = 0 + rows_outcome[row]
                ok = 1 if outcome == OK else 0
                answered_by(states, group[s], view, p, e, now, now - rows_sent[row], ok, vs_work[v])
                if guarded[s]:
                    if guarded[s] & DRAWS:
                        chances_of(store, u, guards.ints, s, vs_way[v], vs_number[v])
                    until = concluded(guards, u, guarded[s], s, p, e, vs_passed[v], outcome, now)
                    if until != SILENT:
                        if until > now:
                            schedule(
                                c, clock, times, keys, whats, CHANGED, CHANGE, 2 * p, until - now
                            )
                        push(c, item, item_of, item_row, REARRANGE, p, 0)
                rows_returned[row] = now
                rows_result[row] = rows_outcome[row]
                vs_known[v] = 1
                push(c, item, item_of, item_row, ANSWERED, v, row)
            stage = GONE

        if stage == GONE:
            c[WORKING] -= 1
            if vs_left[v] and vs_known[v] == 0:
                free_visit(c, vs, v)

        if stage == JUDGED:
            call = cs_call[q]
            stage = NOWHERE
            again = (g_on[call] >> result) & 1 == 1
            bad = result != OK and now < cs_end[q]
            more = bad and again and cs_tried[q] <= g_times[call]
            s = g_callee[call]
            if more and guarded[s] & HOLDS:
                more = sender < 0 or may_retry(guards, guarded[s], s, sender, now)
                if more:
                    cs_holders[q * width + cs_held[q]] = sender
                    cs_held[q] += 1
            if not bad:
                stage = ENDED
            elif more:
                if g_hedge[call] >= 0.0:
                    cs_alarm[q] = -1
                    push(c, item, item_of, item_row, SEND, q, cs_serial[q])
                elif g_pausing[call] == AT_ONCE:
                    push(c, item, item_of, item_row, SEND, q, cs_serial[q])
                else:
                    uniform = 0.0
                    if g_at_pause[s] >= 0:
                        uniform = drawn(store, way, g_at_pause[s], number)
                    numbers = BackoffNumbers(
                        g_pausing[call], g_base[call], g_longest[call], g_growth[call]
                    )
                    pause = pause_by(numbers, cs_tried[q], uniform, cs_pause[q])
                    cs_pause[q] = pause
                    if now + pause < cs_end[q]:
                        cs_alarm[q] = schedule(c, clock, times, keys, whats, HOPPED, NEXT, q, pause)
                    else:
                        cs_alarm[q] = schedule(
                            c, clock, times, keys, whats, TOO_LATE, GIVES_UP, q, cs_end[q] - now
                        )
            elif cs_first_out[q] < 0 or not again:
                stage = ENDED
            if stage == ENDED and (cs_first_out[q] >= 0 or cs_held[q] > 0):
                ending, ends_as, stage = q, result, NOWHERE

        if stage == ENDED:
            cs_alarm[q] = -1
            parent = cs_parent[q]
            if parent < 0:
                r = cs_request[q]
                rows_end[r] = now
                rows_ended_as[r] = result
                c[FLYING] -= 1
            else:
                unlink(vs_first_open, cs_next, parent, q)
                vs_open[parent] -= 1
                if result != OK and g_optional[cs_call[q]] == 0:
                    vs_failed[parent] = 1
                if vs_open[parent] == 0:
                    push(c, item, item_of, item_row, GO_ON, parent, vs_row[parent])
            free_calling(c, cs, q)

        if c[ROOT_IS_FREE]:
            close_root(c, times, keys, whats)


@graphed
def known_room(c: Any, cs: Any, left: int, follows: Any, at: int, items: int) -> bool:
    """Whether there is room for a batch."""
    batch = 1
    while batch < left and follows[at + batch]:
        batch += 1
    return c[FREE_CALLINGS] >= batch and c[ITEMS] + batch <= items  # type: ignore[no-any-return]
