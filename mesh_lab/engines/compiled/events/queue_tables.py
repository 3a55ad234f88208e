"""The tables of a run of one message queue: publishings, deliveries, and the names of keys."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....columns import Columns
from ....ledger import OK, REJECTED
from ....messaging.deliveries import REJECTED as NOT_STORED
from ....messaging.deliveries import DeliveryColumns
from ....scenario import Scenario
from ...keys import by_first, key_codes
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
    codes, _, text = key_codes(scenario, made.source, made.key)
    keys, order = by_first(codes)
    return keys, tuple(map(text, order))


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
    rows, n, several = int(w.counter[world.ROWS]), len(made.made), len(scenario.sources) > 1
    # columns that are the same throughout share their memory, as do times that are
    zeros, none, nobody = np.zeros(rows, np.int32), np.full(rows, -1, np.int32), np.full(rows, -1)
    sources, seen = by_first(made.source.astype(np.int32)) if several else (zeros, [0][:n])
    event = w.event[:rows] if rows > n else slice(None)
    number, key = made.number[event], none if keys is None else keys[event]
    source = sources[event] if several else zeros
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
