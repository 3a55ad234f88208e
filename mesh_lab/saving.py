"""A run as a Parquet file: one row a visit, and what the run was in the file's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .atomic import replacing
from .columns import Columns
from .errors import TraceError
from .run import Run
from .scenario import Scenario

__all__ = ["load_run", "save"]


def save(run: Run, path: str | Path) -> None:
    """Write `run` to the Parquet file `path`; see `Run.save`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    c = run.columns
    columns: dict[str, Any] = {
        "request": c.request,
        "source": c.source[c.request],
        "made": c.made[c.request],
    }
    names = ["station", "endpoint", "sent", "arrival", "start", "finish", "outcome"]
    columns.update({name: getattr(c, name) for name in names})
    if c.worked is not None:
        columns["worked"] = c.worked
    about = {
        "scenario": run.scenario.to_yaml(),
        "seed": run.seed,
        "duration": run.duration,
        "warmup": run.warmup,
        "requests": len(c.made),
    }
    table = pa.table(columns).replace_schema_metadata({"mesh_lab": json.dumps(about)})
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def load_run(path: str | Path) -> Run:
    """Return the run that `Run.save` wrote to `path`.

    Raises
    ------
    TraceError
        When the file is missing, or is not a saved run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise TraceError(f"{path}: cannot be read as a saved run ({error})") from None
    about = (table.schema.metadata or {}).get(b"mesh_lab")
    if about is None:
        raise TraceError(f"{path}: is a Parquet file, but was not written by Run.save")
    known = json.loads(about)
    column = {name: table[name].to_numpy() for name in table.column_names}
    request = column["own_request"] = column.pop("request")
    column["own_sent"], column["own_arrival"] = column.pop("sent"), column.pop("arrival")
    source = np.zeros(known["requests"], dtype=np.int16)
    made = np.zeros(known["requests"])
    source[request], made[request] = column.pop("source"), column.pop("made")
    return Run(
        Scenario.from_yaml(known["scenario"]),
        known["seed"],
        Columns(source=source, made=made, **column),
        duration=known["duration"],
        warmup=known["warmup"],
    )
