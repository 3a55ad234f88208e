"""The same scenario again and again: means with intervals."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import ScenarioError
from ..scenario import Scenario
from ..statistics import Interval
from .measures import (
    MEASURES,
    Plan,
    Summary,
    check_count,
    doubted,
    interval_of,
    run_all,
    seeds,
    short_tail,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Replications", "replicate", "rows_of"]


class Replications:
    """What independent runs of one scenario gave.

    Attributes
    ----------
    scenario : Scenario
        What was run.
    seeds : tuple of int
        The seed of each run: ``simulate(scenario, seed=replications.seeds[3], ...)`` repeats one.
    confidence : float
        Of the intervals.
    """

    def __init__(
        self,
        scenario: Scenario,
        seeds: tuple[int, ...],
        summaries: list[Summary],
        confidence: float,
    ) -> None:
        self.scenario = scenario
        self.seeds = seeds
        self.confidence = confidence
        self._summaries = summaries

    def __len__(self) -> int:
        return len(self.seeds)

    def __repr__(self) -> str:
        return f"Replications({len(self)} runs, {', '.join(map(repr, self.parts))})"

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the sources, queues and services."""
        return tuple(self._summaries[0])

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a run and part: `replication`, `seed`, `part`, `count`, `ok`, the measures."""
        import pandas as pd

        rows = [
            {"replication": i, "seed": self.seeds[i], "part": part}
            | {name: numbers[name] for name in ("count", "ok", *MEASURES)}
            for i, summary in enumerate(self._summaries)
            for part, numbers in summary.items()
        ]
        return pd.DataFrame(rows)

    def values(self, part: str, measure: str = "mean") -> np.ndarray:
        """Return one number a run.

        Parameters
        ----------
        part : str
            A source, queue or service.
        measure : str
            ``"rate"`` (a second), ``"utilisation"``, ``"wait"`` (mean seconds until service),
            ``"mean"``, ``"p50"``, ``"p90"``, ``"p99"``, ``"p999"`` (seconds) or ``"errors"``
            (the share of all that ended which did not end ``ok``).

        Returns
        -------
        ndarray, shape (n,)
            NaN where a run has no such number.

        Raises
        ------
        ScenarioError
            When there is no such part or measure.
        """
        check_asked(part, self.parts, measure)
        return np.array([summary[part][measure] for summary in self._summaries])

    def interval(self, part: str, measure: str = "mean") -> Interval:
        """Return the mean of a measure over the runs, with its Student t interval.

        It is not trusted for fewer than 5 runs, or where a run has fewer than 10 requests beyond
        a percentile.

        Raises
        ------
        ScenarioError
            When there is no such part or measure.
        """
        found = interval_of(self.values(part, measure), self.confidence)
        return doubted(found, found.note or self.short_tail(part, measure))

    def short_tail(self, part: str, measure: str) -> str:
        """Return why the runs are too short for a percentile, or nothing."""
        return short_tail(self._summaries, part, measure)

    def summary(self) -> pd.DataFrame:
        """Return every measure of every part with its interval.

        Returns
        -------
        DataFrame
            Index `part`, `measure`; columns `estimate`, `low`, `high`, `half_width`,
            `confidence`, `n`, `trusted`.  Measures that a part does not have (the utilisation
            of a source) are left out.
        """
        import pandas as pd

        columns = ["part", "measure", *_INTERVAL]
        return pd.DataFrame(rows_of(self), columns=columns).set_index(["part", "measure"])


def replicate(
    scenario: Scenario,
    n: int,
    *,
    seed: int,
    requests: int | None = None,
    until: float | None = None,
    warmup: float | Literal["auto"] = 0.0,
    confidence: float = 0.95,
    jobs: int | None = None,
    progress: bool = False,
) -> Replications:
    """Run a scenario `n` times with different seeds.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    n : int
        How many runs, at least 2; below 5 intervals are not trusted.
    seed : int
        The seeds of the runs are derived from it; see `mesh_lab.study.measures`.  The first runs
        of a longer study are those of a shorter one.
    requests, until, warmup
        As for `simulate`, for each run.
    confidence : float
        Of the intervals.
    jobs : int, optional
        How many runs at a time; -1 for all processors.  By default what
        `joblib.parallel_config` says, or one.  It changes no number.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Replications
        Its `interval` and `summary` hold the results.

    Raises
    ------
    ScenarioError
        When an argument is impossible; the message says what is allowed.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=25.0, to="orders"),
    ...     ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
    ... )
    >>> runs = ml.replicate(scenario, 10, requests=2_000, seed=7)
    >>> runs
    Replications(10 runs, 'shop', 'orders')
    >>> 0.04 in runs.interval("orders", "mean")  # M/M/1: 1 / (50 - 25) seconds
    True
    """
    check_scenario("scenario", scenario)
    check_count("n", n, 2)
    check_share("confidence", confidence)
    chosen = seeds(seed, n)
    tasks = [(scenario, one) for one in chosen]
    summaries = run_all(tasks, Plan(requests, until, warmup), jobs=jobs, progress=progress)
    return Replications(scenario, chosen, summaries, confidence)


def rows_of(replications: Replications) -> list[dict[str, Any]]:
    """Return the rows of a summary: those measures that a part has."""
    rows = []
    for part in replications.parts:
        for measure in MEASURES:
            found = replications.interval(part, measure)
            if math.isnan(found.estimate):
                continue
            rows.append({"part": part, "measure": measure} | numbers_of(found))
    return rows


def numbers_of(interval: Interval) -> dict[str, Any]:
    """Return an interval as the columns of a table."""
    return {name: getattr(interval, name) for name in _INTERVAL}


_INTERVAL = ("estimate", "low", "high", "half_width", "confidence", "n", "trusted")


def check_scenario(name: str, scenario: Scenario) -> None:
    """Refuse anything but a scenario."""
    if not isinstance(scenario, Scenario):
        raise ScenarioError(f"{name} is {scenario!r}, but must be a Scenario")


def check_share(name: str, value: float) -> None:
    """Refuse what is not between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ScenarioError(f"{name} is {value!r}, but must be between 0 and 1")


def check_asked(part: str, parts: tuple[str, ...], measure: str) -> None:
    """Refuse a part or measure that there is not."""
    if part not in parts:
        raise ScenarioError(f"there is no part {part!r}; there are: {', '.join(map(repr, parts))}")
    if measure not in MEASURES:
        raise ScenarioError(f"there is no measure {measure!r}; there are: {', '.join(MEASURES)}")
