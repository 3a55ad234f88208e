"""The rows of deliveries of a compiled log, from the arrays that its loop leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....messaging.deliveries import DeliveryColumns
from ....scenario import Scenario
from ... import logs
from ...keys import key_codes
from .arriving import Arrived
from .log_filling import LogRows
from .log_world import ROWS, LogWorld

__all__ = ["rows_of"]


def rows_of(code: Any, scenario: Scenario, arrived: Arrived, w: LogWorld) -> DeliveryColumns:
    """Return the rows of a run that is over; `code` has the compiled functions."""
    groups = logs.groups_of(scenario)
    names, members = logs.names_of(groups)
    codes, many, text = key_codes(scenario, arrived.source, arrived.key)
    size = len(w.r_event)
    ranks = np.full(max(many, 1), -1, dtype=np.int32)
    ints, times = np.empty((5, size), dtype=np.int32), np.empty((3, size))
    r = LogRows(
        key_code=codes,
        key_rank=ranks,
        key_order=np.empty(len(ranks), dtype=np.int32),
        source_rank=np.full(len(scenario.sources), -1, dtype=np.int32),
        source_order=np.empty(len(scenario.sources), dtype=np.int32),
        number=arrived.number,
        source=ints[0],
        key=ints[1],
        group=ints[2],
        partition=ints[3],
        sent=times[0],
        acked=times[1],
        ended=times[2],
        outcome=np.empty(size, dtype=np.int8),
    )
    keys = code.fill_rows(w, r)
    n = int(w.counter[ROWS])
    sources = int(np.sum(r.source_rank >= 0))
    called = np.array([*members, -1], dtype=np.int32)  # the last for nobody, -1
    return DeliveryColumns(
        source=r.source[:n],
        number=w.r_number[:n],
        key=r.key[:n],
        parent=_all(n, -1, np.int64),
        child=_all(n, 0, np.int32),
        subscriber=r.group[:n],
        consumer=np.take(called, w.r_member[:n], out=ints[4, :n], mode="wrap"),
        copy=_all(n, 0, np.int32),
        attempt=_all(n, 1, np.int32),
        partition=r.partition[:n],
        offset=w.r_offset[:n],
        sent=r.sent[:n],
        written=w.r_written[:n],
        delivered=w.r_delivered[:n],
        started=w.r_started[:n],
        finished=w.r_finished[:n],
        acked=r.acked[:n],
        ended=r.ended[:n],
        outcome=r.outcome[:n],
        reason=_all(n, 0, np.int8),
        effect=w.r_effect[:n],
        sources=tuple(scenario.sources[i].name for i in r.source_order[:sources].tolist()),
        keys=tuple(text(code) for code in r.key_order[:keys].tolist()),
        subscribers=names.subscribers,
        consumers=names.consumers,
    )


def _all(n: int, value: int, kind: Any) -> NDArray[Any]:
    """Return a column that is the same in all rows, and takes no memory."""
    return np.broadcast_to(np.array(value, dtype=kind), n)
