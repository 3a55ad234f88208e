"""A run as a Parquet file: one row a visit, and what the run was in the file's metadata."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from .atomic import replacing
from .columns import Columns
from .errors import MeshLabError, TraceError
from .ledger import OUTCOMES
from .messaging.deliveries import DeliveryColumns
from .run import Run
from .scenario import Scenario
from .stations.service import Service

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
    if c.own_end is not None:
        columns["end"] = c.own_end[c.request]
    if c.key is not None:
        columns["key"] = c.key[c.request]
    if c.own_outcome is not None:
        columns["ended_as"] = c.own_outcome[c.request]
        columns.update({name: getattr(c, name) for name in _CALLS})
    about: dict[str, Any] = {
        "scenario": run.scenario.to_yaml(),
        "seed": run.seed,
        "duration": run.duration,
        "warmup": run.warmup,
        "requests": len(c.made),
    }
    d = run.delivery_columns
    if d is not None:  # a second table, beside the first; the shorter one is filled up with nulls
        names_of = {name: getattr(d, name) for name in d.names()}
        about["deliveries"] = {"visits": len(c.request), "rows": len(d), **names_of}
        longer = max(len(c.request), len(d))
        columns = {name: _filled(column, longer) for name, column in columns.items()}
        for name in d.arrays():
            columns[f"{_BESIDE}{name}"] = _filled(getattr(d, name), longer)
    table = pa.table(columns).replace_schema_metadata({"mesh_lab": json.dumps(about)})
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def _filled(column: Any, length: int) -> Any:
    """Return a column of `length` entries, null behind its own."""
    import pyarrow as pa

    made = pa.array(column)
    return pa.concat_arrays([made, pa.nulls(length - len(made), made.type)])


def load_run(path: str | Path) -> Run:
    """Return the run that `Run.save` wrote to `path`.

    Raises
    ------
    TraceError
        When the file is missing, is not a saved run, or was changed so that it is none any more.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(os.fspath(path))
    except (OSError, TypeError, pa.ArrowException) as error:
        raise TraceError(f"{path}: cannot be read as a saved run ({error})") from None
    about = (table.schema.metadata or {}).get(b"mesh_lab")
    if about is None:
        raise TraceError(f"{path}: is a Parquet file, but was not written by Run.save")
    known = _known(path, about)
    deliveries = None
    if "deliveries" in known:
        deliveries = _deliveries(path, known["deliveries"], table)
        table = table.drop_columns([n for n in table.column_names if n.startswith(_BESIDE)])
        table = table.slice(0, known["deliveries"]["visits"])
    column = {name: table[name].to_numpy() for name in table.column_names}
    try:
        scenario = Scenario.from_yaml(known["scenario"] + "\n")
    except MeshLabError as error:
        raise TraceError(f"{path}: holds a scenario that cannot be read: {error}") from None
    _check_columns(path, column, known["requests"], scenario)
    request = column["own_request"] = column.pop("request")
    column["own_sent"], column["own_arrival"] = column.pop("sent"), column.pop("arrival")
    source = np.zeros(known["requests"], dtype=np.int16)
    made = np.zeros(known["requests"])
    source[request], made[request] = column.pop("source"), column.pop("made")
    if "end" in column:
        column["own_end"] = np.zeros(known["requests"])
        column["own_end"][request] = column.pop("end")
    if "ended_as" in column:
        column["own_outcome"] = np.zeros(known["requests"], dtype=np.int8)
        column["own_outcome"][request] = column.pop("ended_as")
    if "key" in column:
        keys = np.zeros(known["requests"], dtype=np.int32)
        keys[request] = column["key"]
        column["key"] = keys
    return Run(
        scenario,
        known["seed"],
        Columns(source=source, made=made, **column),
        duration=known["duration"],
        warmup=known["warmup"],
        deliveries=deliveries,
    )


def _deliveries(path: str | Path, about: Any, table: Any) -> DeliveryColumns:
    """Return the rows of deliveries, which stand beside those of the visits."""
    fits = isinstance(about, dict)
    if fits:
        counts = [about.get("visits"), about.get("rows")]
        fits = all(type(n) is int and 0 <= n <= table.num_rows for n in counts) and all(
            isinstance(about.get(name), list) and all(isinstance(text, str) for text in about[name])
            for name in DeliveryColumns.names()
        )
    arrays = DeliveryColumns.arrays()
    if not fits or any(f"{_BESIDE}{name}" not in table.column_names for name in arrays):
        raise TraceError(f"{path}: what it says of the deliveries is not readable; it was changed")
    columns: dict[str, Any] = {
        name: table[f"{_BESIDE}{name}"].slice(0, about["rows"]).to_numpy() for name in arrays
    }
    names: dict[str, Any] = {name: tuple(about[name]) for name in DeliveryColumns.names()}
    try:
        return DeliveryColumns(**columns, **names).checked()
    except ValueError as error:
        raise TraceError(f"{path}, deliveries: {error}; it was changed") from None


_BESIDE = "delivery_"  # begins the names of columns of deliveries
_ABOUT: dict[str, tuple[type, ...]] = {
    "scenario": (str,),
    "seed": (int,),
    "duration": (int, float),
    "warmup": (int, float),
    "requests": (int,),
}


def _known(path: str | Path, about: bytes) -> dict[str, Any]:
    """Return what the file says of the run, once it is what `save` writes."""
    try:
        known = json.loads(about)
    except ValueError:  # also what is not UTF-8
        known = None
    if not isinstance(known, dict):
        raise TraceError(f"{path}: what it says of the run is not readable; it was changed")
    for name, kinds in _ABOUT.items():
        value: Any = known.get(name)
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        if not fits or (value != value if name == "scenario" else not 0 <= value < math.inf):
            raise TraceError(
                f"{path}: says that the run's {name} is {value!r}, which cannot be; it was changed"
            )
    return known


def _check_columns(
    path: str | Path, column: dict[str, Any], requests: int, scenario: Scenario
) -> None:
    """Refuse columns that no run of this scenario has, before anything is made of them."""
    needed = [*_CODES, *_TIMES]
    for name in needed:
        if name not in column:
            raise TraceError(f"{path}: has no column {name!r}; it has: {', '.join(column)}")
    for name in column:
        if name not in {*needed, *_PERHAPS}:
            raise TraceError(f"{path}: has a column {name!r}, which no saved run has")
    n = len(column["request"])
    if n < requests or (n and not requests):
        raise TraceError(f"{path}: has {n} visits of {requests} requests; every request has one")
    replicas = [s.endpoint_count if isinstance(s, Service) else 1 for s in scenario.stations]
    replicas += [1] * len(scenario.channels)
    limits = {
        "request": requests,
        "source": len(scenario.sources),
        "station": len(replicas),
        "endpoint": max(replicas, default=0),
        "outcome": len(OUTCOMES),
    }
    if "ended_as" in column:
        missing = [name for name in (*_CALLS, "end") if name not in column]
        if missing:
            raise TraceError(f"{path}: has no column {missing[0]!r}, though services are called")
        limits |= {"ended_as": len(OUTCOMES), "result": len(OUTCOMES)}
        limits |= {"parent": n, "attempt": 1 << 15}
    for name, limit in limits.items():
        values = column[name]
        # a visit that was sent nowhere has endpoint -1, one that a source made has parent -1
        least = -1 if name in ("endpoint", "parent") else 0
        if values.dtype.kind not in "iu" or np.any((values < least) | (values >= limit)):
            raise TraceError(
                f"{path}, column {name!r}: must hold whole numbers from {least} to {limit - 1}"
            )
    if "key" in column and column["key"].dtype.kind not in "iu":
        raise TraceError(f"{path}, column 'key': must hold whole numbers")
    for name in (*_TIMES, "worked", "end", "returned"):
        if name in column and (
            column[name].dtype.kind != "f" or np.any((column[name] < 0) | np.isinf(column[name]))
        ):
            raise TraceError(f"{path}, column {name!r}: must hold times in seconds")
    if np.any(np.isnan(column["made"]) | np.isnan(column["sent"])):
        raise TraceError(f"{path}: a visit has no time at which it was made or sent")
    if np.any(np.isnan(column["arrival"]) & ~np.isnan(column["start"])):
        raise TraceError(f"{path}: a visit was started, but has no arrival")
    if len(np.unique(column["request"])) != requests:
        raise TraceError(f"{path}: there is a request without a visit")


_CODES = ("request", "source", "station", "endpoint", "outcome")
_TIMES = ("made", "sent", "arrival", "start", "finish")
_CALLS = ("parent", "attempt", "returned", "result")  # where services are called
_PERHAPS = ("worked", "end", "key", "ended_as", *_CALLS)
