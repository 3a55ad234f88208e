"""What one run of a study gives: a few numbers a part, and how runs are shared out.

**Seeds.**  Replication i of a study with seed s is run with the first 64 bits of
``numpy.random.SeedSequence(s, spawn_key=(i,))``.  So more replications begin with the same ones,
studies with neighbouring seeds share none, and every scenario of a study meets the same customers
(common random numbers).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..draws import checked_seed
from ..errors import ScenarioError
from ..ledger import OUTCOMES
from ..scenario import Scenario
from ..simulate import simulate
from ..statistics import Interval, batch_means, replication_interval

__all__ = [
    "MEASURES",
    "Plan",
    "Summary",
    "check_count",
    "doubted",
    "interval_of",
    "run_all",
    "seeds",
    "short_tail",
]

MEASURES = ("rate", "utilisation", "wait", "mean", "p50", "p90", "p99", "p999", "errors")

BEYOND = {"p50": 0.5, "p90": 0.1, "p99": 0.01, "p999": 0.001}  # shares beyond a percentile
NEEDED = 10  # requests beyond it, for a percentile of one run to be near the true one

# part -> measure -> value; also "count", "ok" (how many ended so) and, for a run that stands
# alone, "own", an Interval
Summary = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """How long each run of a study is: the arguments of `simulate`.

    `alone` is the confidence of the interval of the mean of a run without replications.
    """

    requests: int | None = None
    until: float | None = None
    warmup: float | Literal["auto"] = 0.0
    alone: float | None = None


MOST_JOBS = 1000


def seeds(seed: int, n: int) -> tuple[int, ...]:
    """Return the seeds of `n` replications.

    Examples
    --------
    >>> seeds(7, 2) == seeds(7, 3)[:2]
    True
    >>> set(seeds(7, 100)) & set(seeds(8, 100))
    set()
    """
    entropy = checked_seed(seed)
    sequences = (np.random.SeedSequence(entropy, spawn_key=(i,)) for i in range(n))
    return tuple(int(sequence.generate_state(1, np.uint64)[0]) for sequence in sequences)


def check_count(name: str, n: int, least: int) -> int:
    """Return `n`, which must be a whole number of at least `least`."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < least:
        raise ScenarioError(f"{name} is {n!r}, but must be a whole number, {least} or more")
    return int(n)


def run_all(
    tasks: Sequence[tuple[Scenario, int]], plan: Plan, *, jobs: int | None, progress: bool
) -> list[Summary]:
    """Run every (scenario, seed) and return their summaries, in order."""
    import joblib

    if jobs is not None and (
        isinstance(jobs, bool)
        or not isinstance(jobs, int | np.integer)
        or not (-MOST_JOBS <= jobs <= MOST_JOBS and jobs != 0)
    ):
        raise ScenarioError(
            f"jobs is {jobs!r}, but must be a whole number from 1 to {MOST_JOBS}, -1 for all "
            "processors, -2 for all but one and so on, or None"
        )
    calls = [joblib.delayed(_measured)(scenario, seed, plan) for scenario, seed in tasks]
    if not progress:
        return list(joblib.Parallel(n_jobs=jobs)(calls))
    from tqdm.auto import tqdm

    try:
        finished: Iterable[Summary] = joblib.Parallel(n_jobs=jobs, return_as="generator")(calls)
    except ValueError:  # a backend that gives results all at once: the bar waits for the end
        finished = joblib.Parallel(n_jobs=jobs)(calls)
    return list(tqdm(finished, total=len(calls), unit="run"))


def interval_of(values: np.ndarray, confidence: float) -> Interval:
    """Return the interval over replications, some of which may have no value (NaN)."""
    known = values[~np.isnan(values)]
    missing = f"{values.size - known.size} of {values.size} replications have no value"
    if known.size < 2:
        middle = float(known[0]) if known.size else np.nan
        note = missing if known.size < values.size else "one replication has no interval"
        return Interval(middle, -np.inf, np.inf, confidence, known.size, trusted=False, note=note)
    found = replication_interval(known, confidence)
    return doubted(found, missing if known.size < values.size else "")


def short_tail(summaries: Iterable[Summary], part: str, measure: str) -> str:
    """Return why a percentile of runs as short as these is biased, or nothing.

    More replications do not help: the 99.9th percentile of 500 requests is about their largest.
    """
    if measure not in BEYOND:
        return ""
    fewest = min(summary[part]["ok"] for summary in summaries)
    if fewest * BEYOND[measure] >= NEEDED:
        return ""
    return (
        f"a run has only {fewest} requests; {measure} needs at least "
        f"{math.ceil(NEEDED / BEYOND[measure])}, or it is biased"
    )


def doubted(interval: Interval, note: str) -> Interval:
    """Return the interval, not trusted if there is a `note`."""
    return dataclasses.replace(interval, trusted=False, note=note) if note else interval


def _measured(scenario: Scenario, seed: int, plan: Plan) -> Summary:
    """Run once and keep the numbers; at the top of the module, so that processes can find it."""
    run = simulate(
        scenario, seed=seed, requests=plan.requests, until=plan.until, warmup=plan.warmup
    )
    table = run.summary()
    ended = [name for name in OUTCOMES if name not in {"ok", "in_flight"}]
    summary: Summary = {}
    for part, row in table.iterrows():
        bad = sum(int(row[name]) for name in ended if name in table)
        done = int(row["count"]) - (int(row["in_flight"]) if "in_flight" in table else 0)
        numbers: dict[str, Any] = {"count": int(row["count"]), "ok": done - bad}
        numbers |= {name: float(row[name]) for name in MEASURES if name != "errors"}
        numbers["errors"] = bad / done if done else np.nan
        if plan.alone is not None and (took := run.latencies(str(part))).size >= 2:
            numbers["own"] = batch_means(took, plan.alone)
        summary[str(part)] = numbers
    return summary
