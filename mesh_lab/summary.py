"""The numbers of a run, one row a source, queue, service, consumer and group.

Counts and latencies are of what arrived after the warm-up; mean and percentiles are over those
that ended ``ok``, and what ended otherwise stands beside them, by outcome.  Rates and utilisation
cover the time from the warm-up to the last arrival, so that the emptying of the system at the end
does not dilute them.  The mean has a 95 % interval by batch means, and `note` says so when the run
is too short to tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import StatisticsError
from .ledger import OUTCOMES
from .messaging.handled import busy_share
from .stations.service import Service
from .statistics import batch_means, time_average

if TYPE_CHECKING:
    import pandas as pd

    from .run import Run
    from .scenario import Scenario

__all__ = ["PERCENTILES", "as_table", "summarise", "workers_of"]

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p999": 0.999}


def summarise(run: Run) -> pd.DataFrame:
    """Return one row a source, queue, service, channel, consumer and group.

    The row of a channel counts publishings; that of a consumer, or a consumer group, the events
    that it has handled, from when they were published.

    Returns
    -------
    DataFrame
        Index `part`.  Columns: `count` (requests or visits), `rate` (a second), `utilisation`
        (share of the workers' time; NaN for sources), `wait` (mean seconds until service
        started), `mean` and its `half_width` (seconds; 95 % interval), `p50`, `p90`, `p99`,
        `p999` (seconds), one column for each outcome other than ``ok`` that occurred, `note`.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=25.0, to="orders"),
    ...     ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
    ... )
    >>> run = ml.simulate(scenario, requests=50_000, seed=7)
    >>> run.summary()[["count", "rate", "utilisation", "mean"]].round(
    ...     2
    ... )  # doctest: +NORMALIZE_WHITESPACE
            count   rate  utilisation  mean
    part
    shop    50000  24.86          NaN  0.04
    orders  50000  24.86          0.5  0.04
    """
    names = [s.name for s in run.scenario.sources] + list(run.scenario.places)
    names += [consumer.name for consumer in run.scenario.consumers]
    there = set(np.unique(run.columns.outcome).tolist())
    if run.columns.own_outcome is not None:
        there |= set(np.unique(run.columns.own_outcome).tolist())
    occurred = sorted(there - {OUTCOMES.index("ok")})
    rows = [_row(run, name, occurred) for name in names]
    return as_table(names, rows)


def as_table(names: list[str], rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the table of a summary, one row a part."""
    import pandas as pd

    return pd.DataFrame(rows, index=pd.Index(names, name="part"))


def workers_of(scenario: Scenario, name: str, *, each: bool = False) -> int:
    """Return how many workers serve a queue or service; with `each`, on each replica."""
    part = scenario[name]
    # those of the beginning: how many there are may change during a run
    replicas = part.initial_count if isinstance(part, Service) and not each else 1
    return replicas * sum(crew.workers for crew in scenario.serving(name))


def _row(run: Run, name: str, occurred: list[int]) -> dict[str, Any]:
    spans = run.spans(name)
    window = spans.began >= run.warmup
    began, started, ended, outcome = (column[window] for column in spans)
    waits = started - began
    span = run.last_arrival - run.warmup
    took = (ended - began)[outcome == OUTCOMES.index("ok")]
    row: dict[str, Any] = {
        "count": len(began),
        "rate": len(began) / span if span > 0.0 else np.nan,
        "utilisation": _utilisation(run, name),
        "wait": float(np.mean(waits[~np.isnan(waits)])) if np.any(~np.isnan(waits)) else np.nan,
        "mean": float(np.mean(took)) if len(took) else np.nan,
    }
    row["half_width"], note = _half_width(took)
    for column, p in PERCENTILES.items():
        row[column] = float(np.quantile(took, p, method="inverted_cdf")) if len(took) else np.nan
    for code in occurred:
        row[OUTCOMES[code]] = int(np.count_nonzero(outcome == code))
    row["note"] = note
    return row


def _half_width(took: np.ndarray) -> tuple[float, str]:
    try:
        interval = batch_means(took)
    except StatisticsError:
        return np.nan, f"too short to tell: {len(took)} requests"
    return interval.half_width, "" if interval.trusted else interval.note


def _utilisation(run: Run, name: str) -> float:
    part = next((s for s in run.scenario.stations if s.name == name), None)
    end = run.last_arrival
    if end <= run.warmup:
        return np.nan
    consumer = next((c for c in run.scenario.consumers if c.name == name), None)
    if consumer is not None and run.delivery_columns is not None:
        return busy_share(run.delivery_columns, consumer, run.warmup, end)
    if part is None:
        return np.nan
    time, _, busy = run.steps(name)
    return float(time_average(time, busy, run.warmup, end)) / workers_of(run.scenario, name)
