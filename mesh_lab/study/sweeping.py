"""A scenario with other values in any of its fields: one row a combination, part and measure."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import PartError, ScenarioError
from ..scenario import Scenario
from ..statistics import Interval
from .measures import Plan, Summary, check_count, run_all, seeds
from .replicating import Replications, check_scenario, check_share, numbers_of, rows_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["intervals", "sweep", "with_values"]


def sweep(
    scenario: Scenario,
    over: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]],
    *,
    seed: int,
    replications: int = 5,
    requests: int | None = None,
    until: float | None = None,
    warmup: float | Literal["auto"] = 0.0,
    confidence: float = 0.95,
    jobs: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Run a scenario with other values in some of its fields.

    Parameters
    ----------
    scenario : Scenario
        The one that is varied; it is not changed.
    over : mapping or iterable of mappings
        From ``"part.field"`` to the values it takes: ``{"orders.replicas": [10, 12]}``.  A field
        of a field is written ``"orders.service_time.mean"``.  Several fields: every combination,
        the last changing fastest.  An iterable of mappings gives the combinations one by one:
        ``[{"shop.rate": 10.0, "orders.replicas": 1}, {"shop.rate": 20.0, ...}]``.
    seed : int
        Every combination is run with the same derived seeds, so meets the same customers.
    replications : int
        How many runs of each combination.  With 1, the interval of the mean is the run's own (by
        batch means, see `mesh_lab.statistics.batch_means`), and nothing else has one.
    requests, until, warmup, confidence, jobs, progress
        As for `replicate`.

    Returns
    -------
    DataFrame
        One row a combination, part and measure.  Columns: the fields that were varied, `part`,
        `measure` (as `Replications.values` lists them), `estimate`, `low`, `high`,
        `half_width`, `confidence`, `n`, `trusted`.

    Raises
    ------
    ScenarioError, PartError
        For a part or field that there is not (the message names those that there are), a value
        that it cannot have, or an impossible argument; before anything is run.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=40.0, to="orders"),
    ...     ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
    ... )
    >>> table = ml.sweep(scenario, {"shop.rate": [10.0, 25.0]}, requests=2_000, seed=7)
    >>> busy = table.query("part == 'orders' and measure == 'utilisation'")
    >>> busy["shop.rate"].tolist(), busy["estimate"].round(1).tolist()
    ([10.0, 25.0], [0.2, 0.5])
    """
    import pandas as pd

    check_scenario("scenario", scenario)
    check_count("replications", replications, 1)
    check_share("confidence", confidence)
    points = _points(over)
    varied = [with_values(scenario, point) for point in points]
    chosen = seeds(seed, replications)
    tasks = [(each, one) for each in varied for one in chosen]
    alone = confidence if replications == 1 else None
    plan = Plan(requests, until, warmup, alone)
    summaries = run_all(tasks, plan, jobs=jobs, progress=progress)
    rows = []
    for i, (point, each) in enumerate(zip(points, varied, strict=True)):
        own = summaries[i * replications : (i + 1) * replications]
        runs = Replications(each, chosen, own, confidence)
        found = rows_of(runs)
        if replications == 1:
            _use_the_run_s_own(found, own[0])
        rows += [point | row for row in found]
    return pd.DataFrame(rows)


def intervals(
    table: pd.DataFrame, part: str, measure: str = "mean", *, by: str | None = None
) -> dict[Any, Interval]:
    """Return one measure of a sweep as intervals, for a plot.

    Parameters
    ----------
    table : DataFrame
        What `sweep` returned, or some of its rows.
    part, measure : str
        Which rows.
    by : str, optional
        The column whose values label them; needed when several fields were varied.

    Returns
    -------
    dict
        From the values of `by` to `Interval`, in the table's order.

    Raises
    ------
    ScenarioError
        For a part, measure or column that the table does not have, or when two rows would have
        the same label.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=40.0, to="orders"),
    ...     ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
    ... )
    >>> table = ml.sweep(scenario, {"shop.rate": [10.0, 25.0]}, requests=2_000, seed=7)
    >>> found = intervals(table, "orders")
    >>> list(found), 0.025 in found[10.0], 0.04 in found[25.0]
    ([10.0, 25.0], True, True)
    """
    fields = list(table.columns[: list(table.columns).index("part")])
    if by is None:
        if len(fields) != 1:
            raise ScenarioError(f"several fields were varied; give by=, one of {', '.join(fields)}")
        by = fields[0]
    if by not in fields:
        raise ScenarioError(f"by is {by!r}, but must be one of {', '.join(fields)}")
    rows = table[(table["part"] == part) & (table["measure"] == measure)]
    if not len(rows):
        raise ScenarioError(
            f"the table has no {measure!r} of {part!r}; it has: "
            f"{', '.join(map(str, table['measure'].unique()))} of "
            f"{', '.join(map(repr, table['part'].unique()))}"
        )
    found: dict[Any, Interval] = {}
    for row in rows.to_dict("records"):
        if row[by] in found:
            raise ScenarioError(
                f"several rows have {by} = {row[by]!r}; choose among them before, by the other "
                "fields that were varied"
            )
        found[row[by]] = Interval(
            *(row[name] for name in ("estimate", "low", "high", "confidence", "n", "trusted"))
        )
    return found


def with_values(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """Return the scenario with other values in the fields that ``"part.field"`` names.

    Raises
    ------
    ScenarioError, PartError
        For a part or field that there is not, or a value that it cannot have.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=40.0, to="orders"),
    ...     ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
    ... )
    >>> with_values(scenario, {"orders.service_time.mean": 0.01})["orders"]
    Service('orders', service_time=Exponential(mean=0.01))
    """
    for path, value in values.items():
        name, fields = _parsed(scenario, path)
        part = scenario[name]
        called = f"{type(part).__name__} {name!r}"
        try:
            changed = _replaced(part, fields, value, called)
            scenario = scenario.replace(name, **{fields[0]: changed})
        except PartError as error:  # which may name the distribution only
            raise PartError(called, ".".join(fields), error.problem) from None
    return scenario


def _points(over: Any) -> list[dict[str, Any]]:
    if isinstance(over, Mapping):
        choices = {str(path): _listed(path, values) for path, values in over.items()}
        points = [
            dict(zip(choices, chosen, strict=True))
            for chosen in itertools.product(*choices.values())
        ]
        if choices and points:
            return points
        raise ScenarioError("over is empty; give fields and values: {'orders.replicas': [1, 2]}")
    if isinstance(over, str) or not isinstance(over, Iterable):
        raise ScenarioError(f"over is {over!r}, but must be a mapping from 'part.field' to values")
    points = list(over)
    for point in points:
        if not isinstance(point, Mapping) or not point:
            raise ScenarioError(f"over holds {point!r}, but each must be a mapping, not empty")
        if list(point) != list(points[0]):
            raise ScenarioError(
                f"over holds mappings of different fields: {', '.join(points[0])} and "
                f"{', '.join(point)}"
            )
    if not points:
        raise ScenarioError("over is empty; give fields and values: {'orders.replicas': [1, 2]}")
    return [dict(point) for point in points]


def _listed(path: str, values: Any) -> list[Any]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        raise ScenarioError(f"over, {path}: is {values!r}, but must be a list of values")
    listed = list(values)
    if not listed:
        raise ScenarioError(f"over, {path}: is empty, but must have at least one value")
    return [value.item() if isinstance(value, np.generic) else value for value in listed]


def _parsed(scenario: Scenario, path: str) -> tuple[str, list[str]]:
    """Split ``"part.field.field"``; a part's name may have dots in it, too."""
    names = [part.name for part in scenario.parts]
    fitting = [name for name in names if path == name or path.startswith(f"{name}.")]
    if not fitting:
        raise ScenarioError(
            f"{path!r}: there is no part {path.split('.')[0]!r}; there are: "
            f"{', '.join(map(repr, names))}"
        )
    name = max(fitting, key=len)
    fields = path.removeprefix(name).split(".")[1:]
    if not fields or not all(fields):
        part = scenario[name]
        raise ScenarioError(
            f"{path!r}: names no field of {type(part).__name__} {name!r}; "
            f"it has: {', '.join(f.name for f in dataclasses.fields(part))}"
        )
    return name, fields


def _replaced(holder: Any, fields: list[str], value: Any, called: str) -> Any:
    """Return what the first of `fields` of `holder` becomes when the last of them is `value`."""
    known = [f.name for f in dataclasses.fields(holder)]
    first, *rest = fields
    if first not in known:
        raise ScenarioError(f"{called} has no field {first!r}; it has: {', '.join(known)}")
    if not rest:
        return value
    held = getattr(holder, first)
    if not dataclasses.is_dataclass(held) or isinstance(held, type):
        raise ScenarioError(f"{called}, {first}: is {held!r}, which has no field {rest[0]!r}")
    inside = _replaced(held, rest, value, f"{called}, {first}: {type(held).__name__}")
    return dataclasses.replace(held, **{rest[0]: inside})


def _use_the_run_s_own(rows: list[dict[str, Any]], summary: Summary) -> None:
    for row in rows:
        own = summary[row["part"]].get("own")
        if row["measure"] == "mean" and own is not None:
            row |= numbers_of(own)
