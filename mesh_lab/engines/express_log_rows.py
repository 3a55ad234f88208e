"""The columns of a run on the express lane for logs, from what the lane has noted.

The lane notes no more than it must: who was given which records when, and when each was done.  When
it started, when it was acknowledged and how it ended follow from that.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..columns import Columns
from ..draws import CHUNK
from ..messaging.deliveries import ACKED, HANDLED, DeliveryColumns
from . import logs
from .keys import by_first, key_codes

if TYPE_CHECKING:
    from .express_log import Lane

__all__ = ["columns_of"]

Floats = NDArray[np.float64]
_SURE = 1.0 + 1e-9  # a timeout that has nearly run out is left to the reference


def columns_of(lane: Lane, until: float | None) -> tuple[Columns, DeliveryColumns] | None:
    """Return requests and deliveries; None if a member would have been removed."""
    _add_what_waits(lane)
    each = np.array(lane.given, dtype=np.float64).reshape(-1, 5)
    sizes = each[:, 3].astype(np.int64)
    member, partition, begin = (each[:, k].astype(np.int32).repeat(sizes) for k in range(3))
    delivered = each[:, 4].repeat(sizes)
    rows = len(member)
    offset = begin + np.arange(rows) - (np.cumsum(sizes) - sizes).repeat(sizes)
    finished = np.full(rows, math.nan)
    finished[lane.effects] = lane.done
    nobody = np.isnan(delivered)
    group = np.array(lane.of_group, dtype=np.int32)[member]
    if _too_late(lane, group, delivered, finished, until):
        return None
    started = np.concatenate(([math.nan], finished))[:rows]  # when the one before was done
    started[lane.polls] = delivered[lane.polls]
    started[nobody] = math.nan
    effect = np.full(rows, -1, dtype=np.int64)
    effect[lane.effects] = np.arange(len(lane.effects))
    acked, ended, outcome = _ends(lane, group, member, delivered, finished)
    names, places = logs.names_of(lane.groups)
    consumer = np.array(places, dtype=np.int32)[member]
    consumer[nobody] = -1
    # the partitions one behind the other
    lengths = np.array([len(events) for events in lane.events])
    place = (np.cumsum(lengths) - lengths)[partition] + offset
    events = np.fromiter(chain.from_iterable(lane.events), np.int64, int(lengths.sum()))
    batches = np.array(list(chain.from_iterable(lane.batches))).reshape(-1, 2)
    written = batches[:, 0].repeat(batches[:, 1].astype(np.int64))
    request = events[place]
    requests, number, key = _requests(lane, events, written)
    codes, _, text = key_codes(lane.scenario, requests.source, key)
    sources, source_order = by_first(requests.source[request].astype(np.int32))
    keys, key_order = by_first(codes[request])
    return requests, DeliveryColumns(
        source=sources,
        number=number[request],
        key=keys,
        parent=np.full(rows, -1, dtype=np.int64),
        child=np.zeros(rows, dtype=np.int32),
        subscriber=group,
        consumer=consumer,
        copy=np.zeros(rows, dtype=np.int32),
        attempt=np.ones(rows, dtype=np.int32),
        partition=partition,
        offset=offset,
        sent=requests.made[request],
        written=written[place],
        delivered=delivered,
        started=started,
        finished=finished,
        acked=acked,
        ended=ended,
        outcome=outcome,
        reason=np.zeros(rows, dtype=np.int8),
        effect=effect,
        sources=tuple(lane.scenario.sources[i].name for i in source_order),
        keys=tuple(text(code) for code in key_order),
        subscribers=names.subscribers,
        consumers=names.consumers,
    )


def _requests(
    lane: Lane, events: NDArray[np.int64], written: Floats
) -> tuple[Columns, NDArray[np.int64], NDArray[np.int32]]:
    """Return the requests, and each one's number and the number of its key in its source."""
    n = len(lane.made)
    source = np.array(lane.source, dtype=np.int16)
    number, key = np.empty(n, dtype=np.int64), np.full(n, -1, dtype=np.int32)
    for i, each in enumerate(lane.scenario.sources):
        mine = np.flatnonzero(source == i)
        number[mine] = np.arange(len(mine))
        if each.key is not None and len(mine):
            draws = lane.draws.column("uniform", each.name, "key", each.name)
            chunks = -(-len(mine) // CHUNK)
            key[mine] = each.key.numbers(draws.block(0, chunks)[: len(mine)])
    published = np.full(n, math.nan)
    published[events] = written  # confirmed in the same instant
    columns = Columns(
        source=source,
        made=np.array(lane.made, dtype=np.float64),
        station=np.zeros(n, dtype=np.int16),
        endpoint=np.zeros(n, dtype=np.int32),
        start=published,
        finish=published,
        outcome=(published >= 0.0).astype(np.int8),
        key=np.maximum(key, 0) if lane.scenario.keyed else None,
    )
    return columns, number, key


def _add_what_waits(lane: Lane) -> None:
    """Add rows for what was not given to anybody when the run ended."""
    for g in range(len(lane.groups)):
        at = {
            p: (m, begin)
            for m, of in enumerate(lane.of_group)
            if of == g
            for p, begin in zip(lane.owned[m], lane.position[m], strict=True)
        }
        for p, events in enumerate(lane.events):
            member, begin = at[p]  # who would have got it
            lane.given.append((member, p, begin, len(events) - begin, math.nan))


def _too_late(
    lane: Lane, group: NDArray[np.int32], delivered: Floats, finished: Floats, until: float | None
) -> bool:
    """Whether a member may have been removed, because a poll took too long."""
    ends = finished if until is None else np.where(np.isnan(finished), until, finished)
    most = np.array([each.max_poll_interval for each in lane.groups])[group]
    return bool(np.any((ends - delivered) * _SURE > most))


def _ends(
    lane: Lane,
    group: NDArray[np.int32],
    member: NDArray[np.int32],
    delivered: Floats,
    finished: Floats,
) -> tuple[Floats, Floats, NDArray[np.int8]]:
    """Return when rows were acknowledged and when they ended, and their outcomes."""
    kinds = ("before", "with", "after")
    how = np.array([kinds.index(each.commit) for each in lane.groups], dtype=np.int8)[group]
    acked = np.where(how == 0, delivered, np.where(how == 1, finished, math.nan))
    order = np.argsort(member, kind="stable")
    first = np.searchsorted(member[order], np.arange(len(lane.commits)))
    for m, commits in enumerate(lane.commits):
        begin = 0
        for time, covered in commits:
            acked[order[first[m] + begin : first[m] + covered]] = time
            begin = covered
    done, open_ = ~np.isnan(finished), (how == 2) & np.isnan(acked)
    outcome = np.where(done, np.where(open_, HANDLED, ACKED), 0).astype(np.int8)
    ended = np.where((how == 2) & ~open_, acked, finished)
    return acked, ended, outcome
