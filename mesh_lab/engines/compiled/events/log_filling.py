"""Filling the rows of a compiled log when its loop is done; compiled too, in one pass over them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ....messaging.deliveries import ACKED, HANDLED, IN_FLIGHT
from .log_world import AFTER, BEFORE, NAN, ROWS, LogWorld

__all__ = ["LogRows", "fill_rows"]

Ints = Any
Floats = Any


class LogRows(NamedTuple):
    """What the rows of deliveries show, beside what the loop noted.

    Attributes
    ----------
    key_code, key_rank, key_order
        The code of each event's key; the place of a code among those that rows have; the codes in
        that order.  `source_...` likewise.
    number
        Of each event, in its source.
    source, key, ..., outcome
        One entry a row, as in `mesh_lab.messaging.deliveries.DeliveryColumns`; `group` is the
        subscriber there.
    """

    key_code: Ints
    key_rank: Ints
    key_order: Ints
    source_rank: Ints
    source_order: Ints
    number: Ints
    source: Ints
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
        w.r_number[row] = r.number[e]
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
        r.outcome[row] = IN_FLIGHT
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
                    r.outcome[row] = ACKED
                else:
                    r.ended[row] = finish
                    r.outcome[row] = HANDLED
            continue
        if w.g_commit[g] == BEFORE:
            r.acked[row] = w.r_delivered[row]
        elif done:
            r.acked[row] = finish
        if done:
            r.ended[row] = finish
            r.outcome[row] = ACKED
    return keys
