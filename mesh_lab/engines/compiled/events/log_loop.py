"""The compiled partitioned log: producers, partitions, replicas and groups in one loop.

The rules are those of `mesh_lab.messaging.log`, as far as nothing fails: nothing is sent again,
and nobody comes or goes.  What happens next is the least by (time, rank, sequence) of three: the
next publishing (its rank is behind all others), the oldest batch that lingers (all linger equally
long), and the top of the heap with everything else.  What follows in the same instant stands on an
agenda, as on `mesh_lab.clock.Clock`'s.

A partition is a linked list of batches, and a batch one of events, so that nothing is ever moved.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..loop import close_root, schedule
from ..world import HEAP, NOW, RANKED, ROOT_IS_FREE, SEQUENCE

__all__ = ["LOOP", "LogWorld", "fill_rows", "run_log"]

Ints = Any
Floats = Any

# why the loop returns
FINISHED, EMPTY, AT_LIMIT, LEFT = range(4)
# what counters hold, behind those of the heap
ROWS, COMMITS = range(13, 15)
COUNTERS = 15
# kinds of events in the heap
DONE, REST, FORM, COPY, WAY = range(5)
COMPLETION, EXPIRY, CHANGE, HOP = range(1, 5)  # ranks
# what stands on the agenda
SEND, REACH, ANSWERED, POLL = range(4)
ACTIONS = 4
# when a group commits
BEFORE, AFTER, WITH = range(3)
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
    batch, in_flight, poll_most, late : int or float
        As declared.
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
        One entry a row of deliveries; `commit` is the number of the commit that it waits for.
    """

    n: int
    partitions: int
    brokers: int
    replication: int
    groups: int
    batch: int
    in_flight: int
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
    b_created: Floats
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
    r_written: Floats
    r_delivered: Floats
    r_started: Floats
    r_finished: Floats


def begin(w: LogWorld) -> None:
    """Let the groups form: at once, or when they have waited for more members."""
    for g in range(w.groups):
        if w.g_delay[g] > 0.0:
            schedule(
                w.counter, w.clock, w.event_time, w.event_key, w.event_what,
                CHANGE, FORM, g, float(w.g_delay[g]),
            )  # fmt: skip


def run_log(w: LogWorld) -> int:
    """Let everything happen until the run is over; return why it is."""
    c, clock, agenda = w.counter, w.clock, w.agenda
    times, keys, whats = w.event_time, w.event_key, w.event_what
    n, partitions, brokers, groups = w.n, w.partitions, w.brokers, w.groups
    batch, acks, linger, until = w.batch, w.acks, w.linger, w.until
    follower, b_follower, b_count = w.follower, w.b_follower, w.b_count
    followers = w.replication - 1
    ways = (
        w.delay, w.delays, w.s_delayed, w.w_last, w.w_first, w.w_end, w.f_behind, w.f_source,
        w.f_broker, brokers,
    )  # fmt: skip
    instant = w.delay == NONE and followers == 0
    arrived = 0  # events
    made = 0  # batches
    oldest = 0  # batch that may linger
    flights = 0  # that there were at once, at most
    free = 0  # of them
    copies = 0
    rows = 0
    effects = 0
    commits = c[COMMITS]
    in_flight = 0  # requests
    live = 0  # what else is still to come
    stopped = False
    finished = False
    why = EMPTY
    while True:
        if c[ROOT_IS_FREE]:
            close_root(c, times, keys, whats)
        # -- what happens next
        now = w.made[arrived] if arrived < n else INF
        kind, subject = -1, 0
        if linger > 0.0:
            while oldest < made and w.b_state[oldest] == SENT:
                oldest += 1
            if oldest < made and w.b_created[oldest] + linger <= now:
                now = w.b_created[oldest] + linger
                kind = -2
        if c[HEAP] and (
            times[0] < now
            or (
                times[0] == now and (kind == -1 or keys[0] < EXPIRY * RANKED + w.b_sequence[oldest])
            )
        ):
            now = times[0]
            kind, subject = whats[0] & 7, whats[0] >> 3
            if now < until:
                c[ROOT_IS_FREE] = 1
        if now == INF:
            break
        if now >= until:
            why = AT_LIMIT
            break
        clock[NOW] = now
        end, at = 0, 0  # of the agenda
        straight = False
        b, p, q = -1, 0, 0
        # -- it happens
        if kind == -1:
            more = True
            while more:  # what arrives together is published before anything follows
                e = arrived
                arrived += 1
                in_flight += 1
                if arrived == n and w.stops:
                    stopped = True
                s, p = w.source[e], w.partition[e]
                sticky = p < 0
                if sticky:
                    if w.s_current[s] < 0:
                        w.s_current[s] = int(w.uniforms[s, w.s_drawn[s]] * partitions)
                        w.s_drawn[s] += 1
                    p = w.s_current[s]
                    w.partition[e] = p
                q = s * partitions + p
                b = w.q_last[q]
                if b < 0 or b_count[b] >= batch:
                    fresh = made
                    made += 1
                    if b < 0:
                        w.q_first[q] = fresh
                    else:
                        b_follower[b] = fresh
                    w.q_last[q] = fresh
                    b = fresh
                    b_follower[b] = -1
                    w.b_created[b] = now
                    w.b_state[b] = READY if linger == 0.0 else FILLING
                    w.b_first[b] = e
                    w.b_count[b] = 1
                    w.b_sequence[b] = c[SEQUENCE]
                    c[SEQUENCE] += 1
                else:
                    follower[w.q_event[q]] = e
                    b_count[b] += 1
                w.q_event[q] = e
                follower[e] = -1
                full = b_count[b] >= batch
                if sticky:
                    w.s_produced[s] += 1
                    if (w.s_produced[s] >= batch and full) or w.s_produced[s] >= 2 * batch:
                        w.s_current[s] = -1
                        w.s_produced[s] = 0
                more = arrived < n and w.follows[arrived]
                ready = full or w.b_state[b] == READY
                straight = ready and instant and end == 0 and not more and b == w.q_first[q]
                if ready and not straight:
                    if w.q_due[q] == 0:
                        w.q_due[q] = 1
                        w.s_due[s, w.s_dues[s]] = p
                        w.s_dues[s] += 1
                    if w.s_soon[s] == 0:
                        w.s_soon[s] = 1
                        agenda[end] = s * ACTIONS + SEND
                        end += 1
        elif kind == -2:
            b = oldest
            oldest += 1
            w.b_state[b] = READY
            s, p = w.source[w.b_first[b]], w.partition[w.b_first[b]]
            q = s * partitions + p
            straight = instant
            if not straight:
                if w.q_due[q] == 0:
                    w.q_due[q] = 1
                    w.s_due[s, w.s_dues[s]] = p
                    w.s_dues[s] += 1
                agenda[end] = s * ACTIONS + SEND
                end += 1
        elif kind == DONE:
            m = subject
            row = w.m_hand[m]
            w.m_hand[m] = row + 1
            w.r_finished[row] = now
            w.r_effect[row] = effects
            effects += 1
            g = w.m_group[m]
            if w.g_commit[g] == AFTER:
                w.r_commit[row] = w.m_commit[m]
                w.m_open[m] += 1
            else:
                live -= 1
                if live == 0 and stopped and in_flight == 0:
                    finished = True
            row += 1
            if row < w.m_hands[m]:
                w.r_started[row] = now
                seconds = w.works[g, w.r_event[row]]
                if (now + seconds - w.m_polled[m]) * SURE > w.g_late[g]:
                    why = LEFT
                    break
                schedule(c, clock, times, keys, whats, COMPLETION, DONE, m, seconds)
            else:
                agenda[end] = m * ACTIONS + POLL
                end += 1
        elif kind == REST:
            m = subject
            w.m_planned[m] = 0
            if w.m_waits[m] and w.m_open[m]:
                w.m_waits[m] = 0
                agenda[end] = m * ACTIONS + POLL
                end += 1
        elif kind == FORM:
            g = subject
            for m in range(w.g_first[g], w.g_first[g + 1]):
                for k in range(w.m_owned[m], w.m_owned[m + 1]):
                    p = w.owned[k]
                    mine = g * partitions + p
                    w.owner[mine] = m
                    if w.g_latest[g]:
                        # what is there already is skipped
                        high, b = w.p_high[p], -1
                        while w.at_offset[mine] < high:
                            b = w.p_first[p] if b < 0 else w.b_behind[b]
                            w.at_offset[mine] += b_count[b]
                            w.at_batch[mine] = b
                        live -= high
                w.m_waits[m] = 0
                agenda[end] = m * ACTIONS + POLL
                end += 1
            if live == 0 and stopped and in_flight == 0:
                finished = True
        elif kind == COPY:
            p, k = w.c_partition[subject], w.c_follower[subject]
            pair = p * followers + k
            if w.c_upto[subject] > w.ends[pair]:
                w.ends[pair] = w.c_upto[subject]
            high = w.p_length[p]
            for other in range(p * followers, (p + 1) * followers):
                if w.ends[other] < high:
                    high = w.ends[other]
            if high > w.p_high[p]:
                w.p_high[p] = high
                b = w.p_unwritten[p]
                while b >= 0 and w.b_end[b] <= high:
                    w.b_written[b] = now
                    if acks == 2:
                        f = w.b_flight[b]
                        w.f_open[f] -= 1
                        if w.f_open[f] == 0:
                            end = travel(c, clock, times, keys, whats, ways, agenda, end, f, 1)
                    b = w.b_behind[b] if b != w.p_last[p] else -1
                w.p_unwritten[p] = b
                end = wake(w.owner, w.m_waits, groups, partitions, p, agenda, end)
        else:
            f = w.w_first[subject]
            w.w_first[subject] = w.f_behind[f]
            agenda[end] = f * ACTIONS + (ANSWERED if subject & 1 else REACH)
            end += 1
        if straight:
            # the only batch that is sent now arrives and is confirmed in this instant
            w.q_first[q] = -1
            w.q_last[q] = -1
            w.b_state[b] = SENT
            w.b_written[b] = now
            if w.p_last[p] < 0:
                w.p_first[p] = b
            else:
                w.b_behind[w.p_last[p]] = b
            w.p_last[p] = b
            w.p_length[p] += b_count[b]
            w.p_high[p] = w.p_length[p]
            live += b_count[b] * groups
            in_flight -= b_count[b]
            e = w.b_first[b]
            while e >= 0:
                w.published[e] = now
                e = follower[e]
            end = wake(w.owner, w.m_waits, groups, partitions, p, agenda, end)
            if live == 0 and stopped and in_flight == 0:
                finished = True
        # -- what follows
        while at < end:
            what, subject = agenda[at] & 3, agenda[at] >> 2
            at += 1
            if what == SEND:
                s = subject
                w.s_soon[s] = 0
                while w.s_dues[s] > 0:
                    # one flight to each broker, in the order in which partitions come to them
                    fresh = 0
                    many, kept, due = w.s_dues[s], 0, w.s_due
                    for i in range(1, many):  # in order; most often there is one
                        p = due[s, i]
                        k = i
                        while k > 0 and due[s, k - 1] > p:
                            due[s, k] = due[s, k - 1]
                            k -= 1
                        due[s, k] = p
                    for i in range(many):
                        p = due[s, i]
                        broker = p % brokers
                        q = s * partitions + p
                        if w.flying[s * brokers + broker] < w.in_flight:
                            b = w.q_first[q]
                            if b < 0 or not (
                                w.b_state[b] == READY or b_follower[b] >= 0 or b_count[b] >= batch
                            ):
                                w.q_due[q] = 0
                                continue
                            w.q_first[q] = b_follower[b]
                            if b_follower[b] < 0:
                                w.q_last[q] = -1
                            b_follower[b] = -1
                            w.b_state[b] = SENT
                            k = 0
                            while k < fresh and w.f_broker[w.f_new[k]] != broker:
                                k += 1
                            if k == fresh:
                                if free > 0:
                                    free -= 1
                                    f = w.f_free[free]
                                else:
                                    f = flights
                                    flights += 1
                                w.f_new[k] = f
                                fresh += 1
                                w.f_broker[f] = broker
                                w.f_source[f] = s
                                w.f_started[f] = now
                                w.f_first[f] = b
                                w.f_open[f] = 0
                            else:
                                f = w.f_new[k]
                                b_follower[w.f_last[f]] = b
                            w.f_last[f] = b
                            w.f_open[f] += 1
                            if followers:
                                w.b_flight[b] = f
                        due[s, kept] = p
                        kept += 1
                    w.s_dues[s] = kept
                    if fresh == 0:
                        break
                    for k in range(fresh):
                        f = w.f_new[k]
                        if acks != 0:
                            w.flying[s * brokers + w.f_broker[f]] += 1
                        else:
                            live += 1
                            many = confirm(
                                now, w.f_first[f], b_follower, w.b_first, w.b_created, follower,
                                w.published, w.delivery_timeout,
                            )  # fmt: skip
                            in_flight -= many
                            if many < 0:
                                why = LEFT
                        end = travel(c, clock, times, keys, whats, ways, agenda, end, f, 0)
            elif what == REACH:
                f = subject
                b = w.f_first[f]
                while b >= 0:
                    p = w.partition[w.b_first[b]]
                    if w.p_last[p] < 0:
                        w.p_first[p] = b
                    else:
                        w.b_behind[w.p_last[p]] = b
                    w.p_last[p] = b
                    w.p_length[p] += b_count[b]
                    w.b_written[b] = NAN
                    live += b_count[b] * groups
                    if followers == 0:
                        w.p_high[p] = w.p_length[p]
                        w.b_written[b] = now
                        end = wake(w.owner, w.m_waits, groups, partitions, p, agenda, end)
                    else:
                        w.b_end[b] = w.p_length[p]
                        if w.p_unwritten[p] < 0:
                            w.p_unwritten[p] = b
                        for k in range(followers):
                            pair = p * followers + k
                            arrives = now + w.replica_delay
                            if w.arrives[pair] > arrives:
                                arrives = w.arrives[pair]
                            w.arrives[pair] = arrives
                            w.c_partition[copies] = p
                            w.c_follower[copies] = k
                            w.c_upto[copies] = w.p_length[p]
                            schedule(c, clock, times, keys, whats, HOP, COPY, copies, arrives - now)
                            copies += 1
                    if followers == 0 or acks != 2:
                        w.f_open[f] -= 1
                        if w.f_open[f] == 0 and acks != 0:
                            end = travel(c, clock, times, keys, whats, ways, agenda, end, f, 1)
                    b = b_follower[b]
                if acks == 0:
                    w.f_free[free] = f
                    free += 1
                    live -= 1
                    if live == 0 and stopped and in_flight == 0:
                        finished = True
            elif what == ANSWERED:
                f = subject
                s = w.f_source[f]
                w.flying[s * brokers + w.f_broker[f]] -= 1
                many = confirm(
                    now, w.f_first[f], b_follower, w.b_first, w.b_created, follower, w.published,
                    w.delivery_timeout,
                )  # fmt: skip
                if many < 0 or (now - w.f_started[f]) * SURE >= w.request_timeout:
                    why = LEFT
                    break
                w.f_free[free] = f
                free += 1
                in_flight -= many
                if live == 0 and stopped and in_flight == 0:
                    finished = True
                if w.s_dues[s] > 0 and w.s_soon[s] == 0:
                    w.s_soon[s] = 1
                    agenda[end] = s * ACTIONS + SEND
                    end += 1
            else:
                m = subject
                g = w.m_group[m]
                w.m_polled[m] = now
                if w.g_commit[g] == AFTER and now >= w.m_next[m]:
                    w.m_next[m] = now + w.g_interval[g]
                    if w.m_open[m]:
                        w.commits[w.m_commit[m]] = now
                        w.m_commit[m] = commits
                        w.commits[commits] = NAN
                        commits += 1
                        live -= w.m_open[m]
                        w.m_open[m] = 0
                        if live == 0 and stopped and in_flight == 0:
                            finished = True
                first = rows
                room = w.g_poll[g]
                low, many = w.m_owned[m], w.m_owned[m + 1] - w.m_owned[m]
                for k in range(many):
                    turn = w.m_turn[m] + k
                    if turn >= many:
                        turn -= many
                    p = w.owned[low + turn]
                    mine = g * partitions + p
                    offset = w.at_offset[mine]
                    upto = min(offset + room, w.p_high[p])
                    if offset >= upto:
                        continue
                    room -= upto - offset
                    b, e, left = w.at_batch[mine], w.at_event[mine], w.at_left[mine]
                    while offset < upto:
                        if left == 0:
                            b = w.p_first[p] if b < 0 else w.b_behind[b]
                            e, left = w.b_first[b], b_count[b]
                        w.r_event[rows] = e
                        w.r_member[rows] = m
                        w.r_offset[rows] = offset
                        w.r_written[rows] = w.b_written[b]
                        w.r_delivered[rows] = now
                        rows += 1
                        offset += 1
                        left -= 1
                        e = follower[e]
                    w.at_batch[mine], w.at_event[mine], w.at_left[mine] = b, e, left
                    w.at_offset[mine] = offset
                    if room == 0:
                        w.m_turn[m] = turn + 1 if turn + 1 < many else 0
                        break
                if rows > first:
                    w.m_hand[m] = first
                    w.m_hands[m] = rows
                    w.r_started[first] = now
                    seconds = w.works[g, w.r_event[first]]
                    if seconds * SURE > w.g_late[g]:
                        why = LEFT
                        break
                    schedule(c, clock, times, keys, whats, COMPLETION, DONE, m, seconds)
                else:
                    w.m_waits[m] = 1
                    if w.m_open[m] and w.m_planned[m] == 0:
                        w.m_planned[m] = 1
                        rest = w.m_next[m] - now
                        if rest < 0.0:
                            rest = 0.0
                        schedule(c, clock, times, keys, whats, EXPIRY, REST, m, rest)
        if why == LEFT:
            break
        if finished:
            why = FINISHED
            break
    c[ROWS] = rows
    return why


def confirm(
    now: float, batch: int, b_follower: Any, b_first: Any, b_created: Any, follower: Any,
    published: Any, most: float,
) -> int:  # fmt: skip
    """Note that the events of a flight are published; return how many, or -1 if it is too late."""
    many = 0
    while batch >= 0:
        if (now - b_created[batch]) * SURE >= most:
            return -1
        event = b_first[batch]
        while event >= 0:
            published[event] = now
            many += 1
            event = follower[event]
        batch = b_follower[batch]
    return many


def travel(
    c: Any,
    clock: Any,
    times: Any,
    keys: Any,
    whats: Any,
    ways: Any,
    agenda: Any,
    end: int,
    f: int,
    back: int,
) -> int:
    """Send a flight, or its answer, on its way; return the end of the agenda."""
    (delay, delays, s_delayed, w_last, w_first, w_end, f_behind, f_source, f_broker, brokers) = ways
    if delay == NONE:
        agenda[end] = f * ACTIONS + (ANSWERED if back else REACH)
        return end + 1
    s = f_source[f]
    way = (s * brokers + f_broker[f]) * 2 + back
    seconds = delays[s, s_delayed[s]]
    if delay == DRAWN:
        s_delayed[s] += 1
    now = clock[NOW]
    arrives = now + seconds
    if w_last[way] > arrives:
        arrives = w_last[way]
    w_last[way] = arrives
    f_behind[f] = -1
    if w_first[way] < 0:
        w_first[way] = f
    else:
        f_behind[w_end[way]] = f
    w_end[way] = f
    schedule(c, clock, times, keys, whats, HOP, WAY, way, arrives - now)
    return end


def wake(
    owner: Any, m_waits: Any, groups: int, partitions: int, p: int, agenda: Any, end: int
) -> int:
    """Let those who wait for a partition poll; return the end of the agenda."""
    for g in range(groups):
        m = owner[g * partitions + p]
        if m >= 0 and m_waits[m]:
            m_waits[m] = 0
            agenda[end] = m * ACTIONS + POLL
            end += 1
    return end


class LogRows(NamedTuple):
    """What the rows of deliveries show, beside what the loop noted.

    Attributes
    ----------
    key_code, key_rank, key_order
        The code of each event's key; the place of a code among those that rows have; the codes in
        that order.  `source_...` likewise.
    """

    key_code: Ints
    key_rank: Ints
    key_order: Ints
    source_rank: Ints
    source_order: Ints
    number: Ints
    source: Ints
    event: Ints
    key: Ints
    group: Ints
    partition: Ints
    sent: Floats
    acked: Floats
    ended: Floats
    outcome: Ints


def fill_rows(w: LogWorld, r: LogRows) -> int:
    """Fill the columns of the rows; return how many keys have been met."""
    c = w.counter
    given, rows = c[ROWS], c[ROWS]
    for m in range(len(w.m_group)):  # what was given to somebody, and is not finished
        for row in range(w.m_hand[m], w.m_hands[m]):
            if row > w.m_hand[m]:
                w.r_started[row] = NAN
            w.r_finished[row] = NAN
            w.r_effect[row] = -1
    for g in range(w.groups):  # what was not given to anybody when the run ended
        for p in range(w.partitions):
            mine = g * w.partitions + p
            if w.g_latest[g] and w.owner[mine] < 0:
                continue
            b, e, left = w.at_batch[mine], w.at_event[mine], w.at_left[mine]
            for offset in range(w.at_offset[mine], w.p_high[p]):
                if left == 0:
                    b = w.p_first[p] if b < 0 else w.b_behind[b]
                    e, left = w.b_first[b], w.b_count[b]
                w.r_event[rows] = e
                w.r_member[rows] = -1
                w.r_offset[rows] = offset
                w.r_written[rows] = w.b_written[b]
                w.r_delivered[rows] = NAN
                w.r_started[rows] = NAN
                w.r_finished[rows] = NAN
                w.r_effect[rows] = -1
                r.group[rows] = g
                rows += 1
                left -= 1
                e = w.follower[e]
    c[ROWS] = rows
    keys = 0
    sources = 0
    for row in range(rows):
        e = w.r_event[row]
        s = w.source[e]
        if r.source_rank[s] < 0:
            r.source_rank[s] = sources
            r.source_order[sources] = s
            sources += 1
        r.source[row] = r.source_rank[s]
        r.event[row] = r.number[e]
        code = r.key_code[e]
        if code >= 0:
            if r.key_rank[code] < 0:
                r.key_rank[code] = keys
                r.key_order[keys] = code
                keys += 1
            code = r.key_rank[code]
        r.key[row] = code
        r.partition[row] = w.partition[e]
        r.sent[row] = w.made[e]
        r.acked[row] = NAN
        r.ended[row] = NAN
        r.outcome[row] = 0
        m = w.r_member[row]
        if row >= given:
            continue
        g = w.m_group[m]
        r.group[row] = g
        finish = w.r_finished[row]
        done = finish == finish
        if w.g_commit[g] == AFTER:
            if done:
                commit = w.commits[w.r_commit[row]]
                if commit == commit:
                    r.acked[row] = commit
                    r.ended[row] = commit
                    r.outcome[row] = 1
                else:
                    r.ended[row] = finish
                    r.outcome[row] = 11
            continue
        if w.g_commit[g] == BEFORE:
            r.acked[row] = w.r_delivered[row]
        elif done:
            r.acked[row] = finish
        if done:
            r.ended[row] = finish
            r.outcome[row] = 1
    return keys


LOOP = (confirm, travel, wake)  # what `run_log` calls
