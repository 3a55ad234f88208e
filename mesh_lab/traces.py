"""The spans of a run: what tracing would show of services that call each other.

Every attempt is two spans, as OpenTelemetry has it: the caller's (kind CLIENT), from when it was
sent until the caller knew, and the callee's (kind SERVER) inside it, from when it was let in until
it left.  An attempt that was never let in has no second one.  The request itself is the root.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .atomic import replacing
from .errors import ScenarioError
from .ledger import OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

    from .run import Run

__all__ = ["otlp", "spans", "write_otlp"]

_CLIENT, _SERVER = 3, 2  # SpanKind
_OK, _ERROR = 1, 2  # StatusCode


def spans(run: Run) -> pd.DataFrame:
    """Return one row a span; see `mesh_lab.Run.traces`."""
    import pandas as pd

    c = run.columns
    if c.result is None or c.parent is None:
        raise ScenarioError(
            "there are no calls in this scenario, and so no traces; run.calls has the visits"
        )
    table = run.calls
    names = [source.name for source in run.scenario.sources]
    made_by = np.array(names, dtype=object)[c.source[c.request]]
    service = table["service"].astype(object).to_numpy()
    caller = np.where(c.parent < 0, made_by, service[np.maximum(c.parent, 0)])
    return pd.DataFrame(
        {
            "trace": c.request,
            "span": np.arange(len(c.request)),
            "parent": c.parent,
            "caller": pd.Categorical(caller),
            "service": table["service"],
            "endpoint": c.endpoint,
            "attempt": table["attempt"],
            "start": c.sent,
            "end": c.returned,
            "served_from": c.arrival,
            "served_until": np.where(np.isnan(c.arrival), np.nan, c.finish),
            "outcome": table["result"],
        }
    )


def otlp(run: Run, requests: Iterable[int] | None = None) -> dict[str, Any]:
    """Return the traces of some requests as OpenTelemetry's JSON (OTLP, ``ExportTraceService``).

    Parameters
    ----------
    requests : iterable of int, optional
        Rows of ``run.requests``; all by default.

    Returns
    -------
    dict
        ``resourceSpans``, one entry a source or service.  Times are nanoseconds since the start of
        the run; what had not ended when the run did has no end.  The identifiers repeat with the
        run.
    """
    table = spans(run)
    n = len(run.columns.made)
    chosen = range(n) if requests is None else [_checked(r, n) for r in requests]
    wanted = table[table["trace"].isin(list(chosen))]
    found: dict[str, list[dict[str, Any]]] = {}
    rows = run.requests
    for request in chosen:
        row = rows.iloc[request]
        found.setdefault(str(row["source"]), []).append(
            _span(
                request,
                _root(request),
                "",
                str(row["source"]),
                _CLIENT,
                (row["arrival"], row["finish"]),
                str(row["outcome"]),
                {},
            )
        )
    for record in wanted.to_dict("records"):
        for resource, span in _both(record):
            found.setdefault(resource, []).append(span)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [_attribute("service.name", name)]},
                "scopeSpans": [{"scope": {"name": "mesh_lab"}, "spans": mine}],
            }
            for name, mine in found.items()
        ]
    }


def write_otlp(run: Run, path: str | Path, requests: Iterable[int] | None = None) -> None:
    """Write the traces of some requests to a JSON file; see `mesh_lab.Run.export_traces`."""
    text = json.dumps(otlp(run, requests), indent=1)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _checked(request: Any, n: int) -> int:
    fits = isinstance(request, int | np.integer) and not isinstance(request, bool)
    if not fits or not 0 <= request < n:
        raise ScenarioError(
            f"requests holds {request!r}, but the run has the requests 0 to {n - 1}"
        )
    return int(request)


def _both(record: dict[Any, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the caller's span of an attempt, and the callee's, each with whose it is."""
    trace, row = int(record["trace"]), int(record["span"])
    parent = _root(trace) if record["parent"] < 0 else _server(int(record["parent"]))
    name = str(record["service"])
    about = {"endpoint": int(record["endpoint"]), "attempt": int(record["attempt"])}
    outcome = str(record["outcome"])
    times = record["start"], record["end"]
    yield (
        str(record["caller"]),
        _span(trace, _client(row), parent, name, _CLIENT, times, outcome, about),
    )
    if record["served_from"] == record["served_from"]:  # not NaN
        times = record["served_from"], record["served_until"]
        ended = "ok" if outcome == "ok" else outcome
        yield name, _span(trace, _server(row), _client(row), name, _SERVER, times, ended, about)


def _span(
    trace: int,
    span: str,
    parent: str,
    name: str,
    kind: int,
    times: tuple[float, float],
    outcome: str,
    about: dict[str, int],
) -> dict[str, Any]:
    start, end = times
    made: dict[str, Any] = {
        "traceId": f"{trace + 1:032x}",
        "spanId": span,
        "parentSpanId": parent,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(round(start * 1e9)),
        "attributes": [
            *(_attribute(f"mesh_lab.{key}", value) for key, value in about.items()),
            _attribute("mesh_lab.outcome", outcome),
        ],
        "status": {"code": _OK} if outcome == "ok" else {"code": _ERROR, "message": outcome},
    }
    if outcome == OUTCOMES[0]:
        made["status"] = {}
    if math.isfinite(end):
        made["endTimeUnixNano"] = str(round(end * 1e9))
    return made


def _attribute(key: str, value: str | int) -> dict[str, Any]:
    # integers are texts in protobuf's JSON
    kind = {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
    return {"key": key, "value": kind}


def _root(request: int) -> str:
    return f"{(3 << 60) + request:016x}"


def _client(row: int) -> str:
    return f"{(1 << 60) + row:016x}"


def _server(row: int) -> str:
    return f"{(2 << 60) + row:016x}"
