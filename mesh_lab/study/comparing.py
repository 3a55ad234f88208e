"""Two scenarios put to the same customers: intervals for what the change changes.

Draws are addressed by part and purpose, never by when they are needed.  So with the same seed,
sources of the same name send the same customers, who need the same service at services of the
same name, whatever else differs; and the difference of a pair of runs holds little chance.
Parts that have other names in the two scenarios meet other draws.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import ScenarioError
from ..scenario import Scenario
from ..statistics import Interval, paired_difference, paired_ratio
from .measures import MEASURES, Plan, check_count, doubted, run_all, seeds
from .replicating import Replications, check_asked, check_scenario, check_share

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare"]


class Comparison:
    """Runs of two scenarios in pairs; differences are b less a, ratios b over a.

    Attributes
    ----------
    a, b : Replications
        The runs of each; run i of both has the same seed.
    """

    def __init__(self, a: Replications, b: Replications) -> None:
        self.a = a
        self.b = b
        self.confidence = a.confidence

    def __len__(self) -> int:
        return len(self.a)

    def __repr__(self) -> str:
        return f"Comparison({len(self)} pairs, {', '.join(map(repr, self.parts))})"

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the sources, queues and services that both have."""
        return tuple(part for part in self.a.parts if part in self.b.parts)

    def difference(self, part: str, measure: str = "mean") -> Interval:
        """Return ``b - a`` of a measure, with its paired interval.

        Above 0, b has more of it.  When 0 lies in the interval, these runs do not tell.

        Raises
        ------
        ScenarioError
            When there is no such part in both, or no such measure, or no two pairs have it.
        """
        found = paired_difference(*self._pairs(part, measure), self.confidence)
        return doubted(found, found.note or self._short_tail(part, measure))

    def ratio(self, part: str, measure: str = "mean") -> Interval:
        """Return ``b / a`` of a measure, with its paired interval (Fieller's).

        Raises
        ------
        ScenarioError
            As for `difference`.
        StatisticsError
            When a has none of it, so that there is no ratio.
        """
        found = paired_ratio(*self._pairs(part, measure), self.confidence)
        return doubted(found, found.note or self._short_tail(part, measure))

    def summary(self) -> pd.DataFrame:
        """Return every measure of every part that both have.

        Returns
        -------
        DataFrame
            Index `part`, `measure`; columns `a` and `b` (means over the runs), `difference` with
            its limits `low` and `high`, `ratio` with `ratio_low` and `ratio_high` (NaN where a
            has none), `n` (pairs), `trusted`.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for part in self.parts:
            for measure in MEASURES:
                before, after = self._known(part, measure)
                if before.size < 2:
                    continue
                change = self.difference(part, measure)
                ratio = self.ratio(part, measure) if before.mean() != 0 else None
                rows.append(
                    {
                        "part": part,
                        "measure": measure,
                        "a": float(before.mean()),
                        "b": float(after.mean()),
                        "difference": change.estimate,
                        "low": change.low,
                        "high": change.high,
                        "ratio": ratio.estimate if ratio else math.nan,
                        "ratio_low": ratio.low if ratio else math.nan,
                        "ratio_high": ratio.high if ratio else math.nan,
                        "n": change.n,
                        "trusted": change.trusted,
                    }
                )
        return pd.DataFrame(rows).set_index(["part", "measure"])

    def _known(self, part: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
        before, after = self.a.values(part, measure), self.b.values(part, measure)
        known = ~(np.isnan(before) | np.isnan(after))
        return before[known], after[known]

    def _short_tail(self, part: str, measure: str) -> str:
        return self.a.short_tail(part, measure) or self.b.short_tail(part, measure)

    def _pairs(self, part: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
        check_asked(part, self.parts, measure)
        before, after = self._known(part, measure)
        if before.size < 2:
            raise ScenarioError(
                f"{part!r} has {measure} in {before.size} of {len(self)} pairs of runs, but at "
                "least 2 are needed"
            )
        return before, after


def compare(
    a: Scenario,
    b: Scenario,
    n: int,
    *,
    seed: int,
    requests: int | None = None,
    until: float | None = None,
    warmup: float | Literal["auto"] = 0.0,
    confidence: float = 0.95,
    jobs: int | None = None,
    progress: bool = False,
) -> Comparison:
    """Run two scenarios `n` times each on common random numbers.

    Parameters
    ----------
    a, b : Scenario
        What is, and what might be; with at least one source, queue or service of the same name.
    n : int
        How many pairs of runs, at least 2; below 5 intervals are not trusted.
    seed, requests, until, warmup, confidence, jobs, progress
        As for `replicate`.

    Returns
    -------
    Comparison
        Its `difference`, `ratio` and `summary` hold the results.

    Raises
    ------
    ScenarioError
        When an argument is impossible, or the two have no part in common.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> now = ml.Scenario(
    ...     ml.Poisson("shop", rate=40.0, to="orders"),
    ...     ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
    ... )
    >>> faster = now.replace("orders", service_time=ml.Exponential(mean=0.019))
    >>> change = ml.compare(now, faster, 10, requests=2_000, seed=7)
    >>> change.ratio("orders", "mean").high < 1
    True

    Of events in a queue or a log, a source and a channel have what their publishers wait for, which
    may be nothing.  How soon events are handled is in the consumer's row, or the group's:

    >>> now = ml.Scenario(
    ...     ml.Poisson("shop", rate=40.0, to="orders"),
    ...     ml.MessageQueue("orders"),
    ...     ml.Consumer("billing", source="orders", work=ml.Exponential(mean=0.02)),
    ... )
    >>> change = ml.compare(now, now.replace("billing", workers=2), 10, requests=2_000, seed=7)
    >>> change.difference("billing", "mean").high < 0
    True
    """
    check_scenario("a", a)
    check_scenario("b", b)
    check_count("n", n, 2)
    check_share("confidence", confidence)
    names = [[part.name for part in (*s.sources, *s.stations)] for s in (a, b)]
    if not set(names[0]) & set(names[1]):
        raise ScenarioError(
            f"the two have no part in common; a has: {', '.join(map(repr, names[0]))}; "
            f"b has: {', '.join(map(repr, names[1]))}"
        )
    chosen = seeds(seed, n)
    tasks = [(scenario, one) for scenario in (a, b) for one in chosen]
    summaries = run_all(tasks, Plan(requests, until, warmup), jobs=jobs, progress=progress)
    return Comparison(
        Replications(a, chosen, summaries[:n], confidence),
        Replications(b, chosen, summaries[n:], confidence),
    )
