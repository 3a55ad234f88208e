"""Lag: how many records of a log a group has not committed yet, over time.

Kafka's lag is the log end offset minus the committed offset.  It is counted here from the rows of
deliveries: a record counts from when it can be read until its offset is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..deliveries import DeliveryColumns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["lag"]


def lag(columns: DeliveryColumns, name: str, partition: int | None = None) -> pd.DataFrame:
    """Return the lag of group `name`, in one partition or all together.

    Returns
    -------
    DataFrame
        `time`, `lag`: the number holds from `time` until the next row.  Times are unique and
        increase; the first is 0.
    """
    import pandas as pd

    mine = (columns.subscriber == columns.subscribers.index(name)) & (columns.offset >= 0)
    if partition is not None:
        mine &= columns.partition == partition
    rows = np.flatnonzero(mine & ~np.isnan(columns.written))
    place = np.stack([columns.partition[rows].astype(np.int64), columns.offset[rows]], axis=1)
    _, first, of = np.unique(place, axis=0, return_index=True, return_inverse=True)
    written = columns.written[rows][first]
    committed = np.full(len(first), np.inf)
    acked = columns.acked[rows]
    np.minimum.at(committed, of.reshape(-1), np.where(np.isnan(acked), np.inf, acked))
    done = np.sort(committed[committed < np.inf])
    times = np.unique(np.concatenate([[0.0], written, done]))
    behind = np.searchsorted(np.sort(written), times, side="right") - np.searchsorted(
        done, times, side="right"
    )
    return pd.DataFrame({"time": times, "lag": behind})
