"""The tables of a run of one message queue: publishings, deliveries, and the names of keys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....columns import Columns
from ....ledger import OK, REJECTED
from ....messaging.deliveries import REJECTED as NOT_STORED
from ....messaging.deliveries import DeliveryColumns
from ....scenario import Scenario
from . import queue_world as world
from .arriving import Arrived
from .queue_world import QueueWorld

__all__ = ["delivered", "named_keys", "requested"]


def named_keys(
    scenario: Scenario, made: Arrived
) -> tuple[NDArray[np.int32] | None, tuple[str, ...]]:
    """Return the number of each event's key in order of their first events, and the texts."""
    if not scenario.keyed:
        return None, ()
    n = len(made.made)
    begins: dict[str, int] = {}
    counts: dict[str, int] = {}
    for source in scenario.sources:
        if source.key is not None:
            counts[source.key.prefix] = max(counts.get(source.key.prefix, 0), source.key.count)
    total = 1  # the first place is for events without a key
    for prefix, count in counts.items():
        begins[prefix], total = total, total + count
    starts = [0 if s.key is None else begins[s.key.prefix] for s in scenario.sources]
    places = np.where(made.key < 0, 0, made.key + np.array(starts, dtype=np.int64)[made.source])
    firsts = np.full(total, n, dtype=np.int64)
    firsts[places[::-1]] = np.arange(n - 1, -1, -1)  # of equal places the last one counts
    firsts[0] = n
    seen = np.flatnonzero(firsts < n)
    seen = seen[np.argsort(firsts[seen])]
    number = np.full(total, -1, dtype=np.int32)
    names: dict[str, int] = {}
    prefixes, edges = list(begins), np.array(list(begins.values()))
    for place, which in zip(
        seen.tolist(), (np.searchsorted(edges, seen, side="right") - 1).tolist(), strict=True
    ):
        prefix = prefixes[which]
        number[place] = names.setdefault(f"{prefix}{place - begins[prefix]}", len(names))
    return number[places], tuple(names)


def requested(scenario: Scenario, made: Arrived, w: QueueWorld) -> Columns:
    """Return the publishings: each ends at once, stored or turned away."""
    n = len(made.made)
    start = made.made
    outcome = np.full(n, OK, dtype=np.int8)
    if w.room >= 0:
        refused = w.outcome[w.row[:n]] == NOT_STORED
        start = np.where(refused, np.nan, start)
        outcome[refused] = REJECTED
    return Columns(
        source=made.source,
        made=made.made,
        station=np.zeros(n, dtype=np.int16),
        endpoint=np.zeros(n, dtype=np.int32),
        start=start,
        finish=made.made,
        outcome=outcome,
        key=np.maximum(made.key, 0) if scenario.keyed else None,
    )


def delivered(
    scenario: Scenario,
    made: Arrived,
    keys: NDArray[np.int32] | None,
    texts: tuple[str, ...],
    w: QueueWorld,
) -> DeliveryColumns:
    """Return the rows of deliveries."""
    rows, n = int(w.counter[world.ROWS]), len(made.made)
    seen = list(dict.fromkeys(made.source.tolist() if len(scenario.sources) > 1 else [0] * (n > 0)))
    of_source = np.zeros(len(scenario.sources), dtype=np.int32)
    of_source[seen] = np.arange(len(seen))
    # columns that are the same throughout share their memory, as do times that are
    zeros, none, nobody = np.zeros(rows, np.int32), np.full(rows, -1, np.int32), np.full(rows, -1)
    event = w.event[:rows] if rows > n else slice(None)
    number, key = made.number[event], none if keys is None else keys[event]
    source = of_source[made.source[event]] if len(seen) > 1 else zeros
    sent = w.sent[:rows] if not w.plain else made.made
    written, delivered, finished = sent, w.delivered[:rows], w.finished[:rows]
    if w.plain:
        acked = ended = finished
        if w.settles_first.any():
            acked = np.where(w.settles_first[w.consumer[:rows]] != 0, delivered, finished)
        outcome = np.equal(finished, finished).view(np.int8)  # in flight, or acknowledged
        reason, attempt = np.zeros(rows, dtype=np.int8), np.ones(rows, dtype=np.int32)
    else:
        acked, ended, outcome = w.acked[:rows], w.ended[:rows], w.outcome[:rows]
        reason, attempt = w.reason[:rows], w.attempt[:rows]
        if w.room >= 0 and not w.drops:
            written = np.where(outcome == NOT_STORED, np.nan, sent)
    return DeliveryColumns(
        source=source,
        number=number,
        key=key,
        parent=nobody,
        child=zeros,
        subscriber=zeros,
        consumer=w.consumer[:rows],
        copy=zeros,
        attempt=attempt,
        partition=none,
        offset=nobody,
        sent=sent,
        written=written,
        delivered=delivered,
        started=w.started[:rows],
        finished=finished,
        acked=acked,
        ended=ended,
        outcome=outcome,
        reason=reason,
        effect=w.effect[:rows],
        sources=tuple(scenario.sources[i].name for i in seen),
        keys=texts,
        subscribers=tuple(channel.name for channel in scenario.channels),
        consumers=tuple(taker.name for taker in scenario.subscribers),
    )
