"""Events as a Parquet file: a row an event, a column an attribute, a row group a batch.

The data are JSON text in ``data``, or bytes in ``data_bytes``; times are in UTC.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import replacing
from ..errors import ScenarioFileError, StoreError
from .reading import Chosen, pages
from .rows import Recorded

if TYPE_CHECKING:
    from .reader import Reader

__all__ = ["export"]

_TEXTS = ("id", "source", "type", "subject", "key", "datacontenttype", "dataschema")


def export(store: Reader, path: Path, chosen: Chosen, after: int, batch: int) -> int:
    """Write the chosen events to `path`; see `EventStore.export`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    moment = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [
            *(("position", pa.int64()), ("stream", pa.string()), ("version", pa.int64())),
            *(("recorded", moment), ("time", moment)),
            *((name, pa.string()) for name in _TEXTS),
            *(("data", pa.string()), ("data_bytes", pa.binary()), ("extensions", pa.string())),
        ]
    )
    written = 0
    try:
        with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for found in pages(store, chosen, after, batch):
                writer.write_table(pa.Table.from_pylist([_row(one) for one in found], schema))
                written += len(found)
    except ScenarioFileError as error:
        raise StoreError(
            store.name, "file", f"the export failed: {error}", "choose another file, or make room"
        ) from None
    return written


def _row(recorded: Recorded) -> dict[str, Any]:
    event = recorded.event
    data, raw = event.data, isinstance(event.data, bytes)
    return {
        "position": recorded.position,
        "stream": recorded.stream,
        "version": recorded.version,
        "recorded": recorded.recorded,
        "time": event.time,
        **{name: getattr(event, name) for name in _TEXTS},
        "data": None if raw or data is None else json.dumps(data, ensure_ascii=False),
        "data_bytes": data if raw else None,
        "extensions": json.dumps(event.extensions) if event.extensions else None,
    }
