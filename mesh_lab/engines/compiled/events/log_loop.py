"""The compiled partitioned log: producers, partitions, replicas and groups in one loop.

The rules are those of `mesh_lab.messaging.log`, as far as nothing fails: nothing is sent again,
and nobody comes or goes.  What happens next is the least by (time, rank, sequence) of three: the
next publishing (its rank is behind all others), the oldest batch that lingers (all linger equally
long), and the top of the heap with everything else.  What follows in the same instant stands on an
agenda, as on `mesh_lab.clock.Clock`'s.

A partition is a linked list of batches, and a batch one of events, so that nothing is ever moved.
"""

from __future__ import annotations

from typing import Any

from ..loop import close_root, schedule
from ..world import HEAP, NOW, RANKED, ROOT_IS_FREE, SEQUENCE
from .log_world import (
    ACTIONS,
    AFTER,
    ALL,
    ANSWERED,
    AT_LIMIT,
    CHANGE,
    COMMITS,
    COMPLETION,
    COPY,
    DONE,
    DRAWN,
    EMPTY,
    EXPIRY,
    FILLING,
    FINISHED,
    FORM,
    HOP,
    INF,
    LEFT,
    LINGERS,
    NAN,
    NONE,
    OPEN,
    POLL,
    PUBLISHES,
    REACH,
    READY,
    REST,
    ROWS,
    SEND,
    SENT,
    SURE,
    WAY,
    LogWorld,
)

__all__ = ["LOOP", "begin", "run_log"]


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
    c, times, keys, whats = w.counter, w.event_time, w.event_key, w.event_what
    # each look into the world costs the compiler as much as the world is large
    n, partitions, brokers, replication = w.n, w.partitions, w.brokers, w.replication
    groups, batch, most_in_flight, acks = w.groups, w.batch, w.most_in_flight, w.acks
    stops, delay, linger, request_timeout = w.stops, w.delay, w.linger, w.request_timeout
    delivery_timeout, replica_delay, until = w.delivery_timeout, w.replica_delay, w.until
    clock, agenda, made, source, follows = w.clock, w.agenda, w.made, w.source, w.follows
    partition, published, follower, delays = w.partition, w.published, w.follower, w.delays
    uniforms, works, b_written = w.uniforms, w.works, w.b_written
    b_sequence, b_first, b_count, b_follower = w.b_sequence, w.b_first, w.b_count, w.b_follower
    b_behind, b_end, b_flight, b_state = w.b_behind, w.b_end, w.b_flight, w.b_state
    f_started, f_first, f_last, f_broker = w.f_started, w.f_first, w.f_last, w.f_broker
    f_source, f_open, f_behind, f_free = w.f_source, w.f_open, w.f_behind, w.f_free
    f_new, q_first, q_last, q_event, q_due = w.f_new, w.q_first, w.q_last, w.q_event, w.q_due
    s_due, s_dues, s_soon, s_current = w.s_due, w.s_dues, w.s_soon, w.s_current
    s_produced, s_drawn, s_delayed, flying = w.s_produced, w.s_drawn, w.s_delayed, w.flying
    p_first, p_last, p_length, p_high = w.p_first, w.p_last, w.p_length, w.p_high
    p_unwritten, ends, arrives, c_partition = w.p_unwritten, w.ends, w.arrives, w.c_partition
    c_follower, c_upto, w_last, w_first = w.c_follower, w.c_upto, w.w_last, w.w_first
    w_end, g_commit, g_interval, g_poll = w.w_end, w.g_commit, w.g_interval, w.g_poll
    g_late, g_latest, g_first, owner = w.g_late, w.g_latest, w.g_first, w.owner
    at_batch, at_event, at_left, at_offset = w.at_batch, w.at_event, w.at_left, w.at_offset
    m_group, m_owned, m_turn, m_waits = w.m_group, w.m_owned, w.m_turn, w.m_waits
    m_planned, m_hand, m_hands, m_polled = w.m_planned, w.m_hand, w.m_hands, w.m_polled
    m_next, m_open, m_commit, owned, commits = w.m_next, w.m_open, w.m_commit, w.owned, w.commits
    r_event, r_member, r_offset, r_commit = w.r_event, w.r_member, w.r_offset, w.r_commit
    r_effect, r_written, r_delivered = w.r_effect, w.r_written, w.r_delivered
    r_started, r_finished = w.r_started, w.r_finished
    followers = replication - 1
    ways = (
        delay, delays, s_delayed, w_last, w_first, w_end, f_behind, f_source,
        f_broker, brokers,
    )  # fmt: skip
    instant = delay == NONE and followers == 0
    arrived = 0  # events
    batches = 0
    oldest = 0  # batch that may linger
    flights = 0  # that there were at once, at most
    free = 0  # of them
    copies = 0
    rows = 0
    effects = 0
    promised = c[COMMITS]
    in_flight = 0  # requests
    live = 0  # what else is still to come
    stopped = False
    why = EMPTY
    while True:
        if c[ROOT_IS_FREE]:
            close_root(c, times, keys, whats)
        # -- what happens next
        now = made[arrived] if arrived < n else INF
        kind, subject = PUBLISHES, 0
        if linger > 0.0:
            while oldest < batches and b_state[oldest] == SENT:
                oldest += 1
            if oldest < batches and made[b_first[oldest]] + linger <= now:
                now = made[b_first[oldest]] + linger
                kind = LINGERS
        if c[HEAP] and (
            times[0] < now
            or (
                times[0] == now
                and (kind == PUBLISHES or keys[0] - EXPIRY * RANKED < b_sequence[oldest])
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
        if kind == PUBLISHES:
            more = True
            while more:  # what comes together is published before anything follows
                e = arrived
                arrived += 1
                in_flight += 1
                if arrived == n and stops:
                    stopped = True
                s, p = source[e], partition[e]
                sticky = p < 0
                if sticky:
                    if s_current[s] < 0:
                        s_current[s] = int(uniforms[s, s_drawn[s]] * partitions)
                        s_drawn[s] += 1
                    p = s_current[s]
                    partition[e] = p
                q = s * partitions + p
                b = q_last[q]
                if b < 0 or b_count[b] >= batch:
                    fresh = batches
                    batches += 1
                    if b < 0:
                        q_first[q] = fresh
                    else:
                        b_follower[b] = fresh
                    q_last[q] = fresh
                    b = fresh
                    b_follower[b] = -1
                    b_state[b] = READY if linger == 0.0 else FILLING
                    b_first[b] = e
                    b_count[b] = 1
                    b_sequence[b] = c[SEQUENCE]
                    c[SEQUENCE] += 1
                else:
                    follower[q_event[q]] = e
                    b_count[b] += 1
                q_event[q] = e
                follower[e] = -1
                full = b_count[b] >= batch
                if sticky:
                    s_produced[s] += 1
                    if (s_produced[s] >= batch and full) or s_produced[s] >= 2 * batch:
                        s_current[s] = -1
                        s_produced[s] = 0
                more = arrived < n and follows[arrived]
                ready = full or b_state[b] == READY
                straight = ready and instant and end == 0 and not more and b == q_first[q]
                if ready and not straight:
                    if q_due[q] == 0:
                        q_due[q] = 1
                        s_due[s, s_dues[s]] = p
                        s_dues[s] += 1
                    if s_soon[s] == 0:
                        s_soon[s] = 1
                        agenda[end] = s * ACTIONS + SEND
                        end += 1
        elif kind == LINGERS:
            b = oldest
            oldest += 1
            b_state[b] = READY
            s, p = source[b_first[b]], partition[b_first[b]]
            q = s * partitions + p
            straight = instant
            if not straight:
                if q_due[q] == 0:
                    q_due[q] = 1
                    s_due[s, s_dues[s]] = p
                    s_dues[s] += 1
                agenda[end] = s * ACTIONS + SEND
                end += 1
        elif kind == DONE:
            m = subject
            row = m_hand[m]
            m_hand[m] = row + 1
            r_finished[row] = now
            r_effect[row] = effects
            effects += 1
            g = m_group[m]
            if g_commit[g] == AFTER:
                r_commit[row] = m_commit[m]
                m_open[m] += 1
            else:
                live -= 1
            row += 1
            if row < m_hands[m]:
                r_started[row] = now
                seconds = works[g, r_event[row]]
                if (now + seconds - m_polled[m]) * SURE > g_late[g]:
                    why = LEFT
                    break
                schedule(c, clock, times, keys, whats, COMPLETION, DONE, m, seconds)
            else:
                agenda[end] = m * ACTIONS + POLL
                end += 1
        elif kind == REST:
            m = subject
            m_planned[m] = 0
            if m_waits[m] and m_open[m]:
                m_waits[m] = 0
                agenda[end] = m * ACTIONS + POLL
                end += 1
        elif kind == FORM:
            g = subject
            for m in range(g_first[g], g_first[g + 1]):
                for k in range(m_owned[m], m_owned[m + 1]):
                    p = owned[k]
                    mine = g * partitions + p
                    owner[mine] = m
                    if g_latest[g]:
                        # what is there already is skipped
                        high, b = p_high[p], -1
                        while at_offset[mine] < high:
                            b = p_first[p] if b < 0 else b_behind[b]
                            at_offset[mine] += b_count[b]
                            at_batch[mine] = b
                        live -= high
                m_waits[m] = 0
                agenda[end] = m * ACTIONS + POLL
                end += 1
        elif kind == COPY:
            p, k = c_partition[subject], c_follower[subject]
            pair = p * followers + k
            if c_upto[subject] > ends[pair]:
                ends[pair] = c_upto[subject]
            high = p_length[p]
            for other in range(p * followers, (p + 1) * followers):
                if ends[other] < high:
                    high = ends[other]
            if high > p_high[p]:
                p_high[p] = high
                b = p_unwritten[p]
                while b >= 0 and b_end[b] <= high:
                    b_written[b] = now
                    if acks == ALL:
                        f = b_flight[b]
                        f_open[f] -= 1
                        if f_open[f] == 0:
                            end = travel(c, clock, times, keys, whats, ways, agenda, end, f, 1)
                    b = b_behind[b] if b != p_last[p] else -1
                p_unwritten[p] = b
                end = wake(owner, m_waits, groups, partitions, p, agenda, end)
        else:
            f = w_first[subject]
            w_first[subject] = f_behind[f]
            agenda[end] = f * ACTIONS + (ANSWERED if subject & 1 else REACH)
            end += 1
        if straight:
            # the only batch that is sent now comes and is confirmed in this instant
            q_first[q] = -1
            q_last[q] = -1
            b_state[b] = SENT
            b_written[b] = now
            if p_last[p] < 0:
                p_first[p] = b
            else:
                b_behind[p_last[p]] = b
            p_last[p] = b
            p_length[p] += b_count[b]
            p_high[p] = p_length[p]
            live += b_count[b] * groups
            in_flight -= b_count[b]
            e = b_first[b]
            while e >= 0:
                published[e] = now
                e = follower[e]
            end = wake(owner, m_waits, groups, partitions, p, agenda, end)
        # -- what follows
        while at < end:
            what, subject = agenda[at] & 3, agenda[at] >> 2
            at += 1
            if what == SEND:
                s = subject
                s_soon[s] = 0
                while s_dues[s] > 0:
                    # one flight to each broker, in the order in which partitions come to them
                    fresh = 0
                    many, kept, due = s_dues[s], 0, s_due
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
                        if flying[s * brokers + broker] < most_in_flight:
                            b = q_first[q]
                            if b < 0 or not (
                                b_state[b] == READY or b_follower[b] >= 0 or b_count[b] >= batch
                            ):
                                q_due[q] = 0
                                continue
                            q_first[q] = b_follower[b]
                            if b_follower[b] < 0:
                                q_last[q] = -1
                            b_follower[b] = -1
                            b_state[b] = SENT
                            k = 0
                            while k < fresh and f_broker[f_new[k]] != broker:
                                k += 1
                            if k == fresh:
                                if free > 0:
                                    free -= 1
                                    f = f_free[free]
                                else:
                                    f = flights
                                    flights += 1
                                f_new[k] = f
                                fresh += 1
                                f_broker[f] = broker
                                f_source[f] = s
                                f_started[f] = now
                                f_first[f] = b
                                f_open[f] = 0
                            else:
                                f = f_new[k]
                                b_follower[f_last[f]] = b
                            f_last[f] = b
                            f_open[f] += 1
                            if followers:
                                b_flight[b] = f
                        due[s, kept] = p
                        kept += 1
                    s_dues[s] = kept
                    if fresh == 0:
                        break
                    for k in range(fresh):
                        f = f_new[k]
                        if acks != 0:
                            flying[s * brokers + f_broker[f]] += 1
                        else:
                            live += 1
                            many = confirm(
                                now, f_first[f], b_follower, b_first, made, follower,
                                published, delivery_timeout,
                            )  # fmt: skip
                            in_flight -= many
                            if many < 0:
                                why = LEFT
                        end = travel(c, clock, times, keys, whats, ways, agenda, end, f, 0)
            elif what == REACH:
                f = subject
                b = f_first[f]
                while b >= 0:
                    p = partition[b_first[b]]
                    if p_last[p] < 0:
                        p_first[p] = b
                    else:
                        b_behind[p_last[p]] = b
                    p_last[p] = b
                    p_length[p] += b_count[b]
                    b_written[b] = NAN
                    live += b_count[b] * groups
                    if followers == 0:
                        p_high[p] = p_length[p]
                        b_written[b] = now
                        end = wake(owner, m_waits, groups, partitions, p, agenda, end)
                    else:
                        b_end[b] = p_length[p]
                        if p_unwritten[p] < 0:
                            p_unwritten[p] = b
                        for k in range(followers):
                            pair = p * followers + k
                            comes = now + replica_delay
                            if arrives[pair] > comes:
                                comes = arrives[pair]
                            arrives[pair] = comes
                            c_partition[copies] = p
                            c_follower[copies] = k
                            c_upto[copies] = p_length[p]
                            schedule(c, clock, times, keys, whats, HOP, COPY, copies, comes - now)
                            copies += 1
                    if followers == 0 or acks != ALL:
                        f_open[f] -= 1
                        if f_open[f] == 0 and acks != 0:
                            end = travel(c, clock, times, keys, whats, ways, agenda, end, f, 1)
                    b = b_follower[b]
                if acks == 0:
                    f_free[free] = f
                    free += 1
                    live -= 1
            elif what == ANSWERED:
                f = subject
                s = f_source[f]
                flying[s * brokers + f_broker[f]] -= 1
                many = confirm(
                    now, f_first[f], b_follower, b_first, made, follower, published,
                    delivery_timeout,
                )  # fmt: skip
                if many < 0 or (now - f_started[f]) * SURE >= request_timeout:
                    why = LEFT
                    break
                f_free[free] = f
                free += 1
                in_flight -= many
                if s_dues[s] > 0 and s_soon[s] == 0:
                    s_soon[s] = 1
                    agenda[end] = s * ACTIONS + SEND
                    end += 1
            else:
                m = subject
                g = m_group[m]
                m_polled[m] = now
                if g_commit[g] == AFTER and now >= m_next[m]:
                    m_next[m] = now + g_interval[g]
                    if m_open[m]:
                        commits[m_commit[m]] = now
                        m_commit[m] = promised
                        commits[promised] = NAN
                        promised += 1
                        live -= m_open[m]
                        m_open[m] = 0
                first = rows
                room = g_poll[g]
                low, many = m_owned[m], m_owned[m + 1] - m_owned[m]
                for k in range(many):
                    turn = m_turn[m] + k
                    if turn >= many:
                        turn -= many
                    p = owned[low + turn]
                    mine = g * partitions + p
                    offset = at_offset[mine]
                    upto = min(offset + room, p_high[p])
                    if offset >= upto:
                        continue
                    room -= upto - offset
                    b, e, left = at_batch[mine], at_event[mine], at_left[mine]
                    while offset < upto:
                        if left == 0:
                            b = p_first[p] if b < 0 else b_behind[b]
                            e, left = b_first[b], b_count[b]
                        r_event[rows] = e
                        r_member[rows] = m
                        r_offset[rows] = offset
                        r_written[rows] = b_written[b]
                        r_delivered[rows] = now
                        rows += 1
                        offset += 1
                        left -= 1
                        e = follower[e]
                    at_batch[mine], at_event[mine], at_left[mine] = b, e, left
                    at_offset[mine] = offset
                    if room == 0:
                        m_turn[m] = turn + 1 if turn + 1 < many else 0
                        break
                if rows > first:
                    m_hand[m] = first
                    m_hands[m] = rows
                    r_started[first] = now
                    seconds = works[g, r_event[first]]
                    if seconds * SURE > g_late[g]:
                        why = LEFT
                        break
                    schedule(c, clock, times, keys, whats, COMPLETION, DONE, m, seconds)
                else:
                    m_waits[m] = 1
                    if m_open[m] and m_planned[m] == 0:
                        m_planned[m] = 1
                        rest = m_next[m] - now
                        if rest < 0.0:
                            rest = 0.0
                        schedule(c, clock, times, keys, whats, EXPIRY, REST, m, rest)
        if why == LEFT:
            break
        if stopped and live == 0 and in_flight == 0:
            why = FINISHED
            break
    c[ROWS] = rows
    c[OPEN] = in_flight
    return why


def confirm(
    now: float, batch: int, b_follower: Any, b_first: Any, made: Any, follower: Any,
    published: Any, most: float,
) -> int:  # fmt: skip
    """Note that the events of a flight are published; return how many, or -1 if it is too late."""
    many = 0
    while batch >= 0:
        if (now - made[b_first[batch]]) * SURE >= most:
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


LOOP = (confirm, travel, wake)  # what `run_log` calls
