"""A canary whose share grows step by step, and who rolls back by itself: Flagger's rule.

Every `interval` the canary is judged by what its endpoints have finished since the last time:

1. the share that ended ``ok`` must be at least `success_rate`, and the 99th percentile of the time
   from being let in to the end at most `duration`; without any traffic there is nothing to judge,
   which counts as a failed check (but not the very first time, when the canary has had no weight);
2. after a failed check nothing moves; after `threshold` of them, over all, the canary is rolled
   back: its weight is 0 for good;
3. otherwise its weight grows by `step_weight`, to `max_weight`; a check that is passed there
   promotes it: it gets everything.

Source: Flagger's documentation ("How it works", canary release) and controller
(``pkg/controller/scheduler.go``), for the defaults; percentiles are exact here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Gt, Le

from ..ledger import OK
from ..parts import Count, Name, SomeSeconds, part

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Canary", "Check", "Judge", "history", "table"]

Percent = Annotated[float, Gt(0), Le(100)]


@part
class Canary:
    """How the share of a canary grows, and when it is rolled back.

    Parameters
    ----------
    service : str
        The canary, one of the destinations of its `Route`; the others share the rest as their
        weights are declared.
    interval : float
        Seconds between checks.
    threshold : int
        After how many failed checks it is rolled back.
    max_weight, step_weight : float
        Per cent: where it is promoted from, and by how much it grows.
    success_rate : float
        Per cent that must end ``ok`` at the least.
    duration : float
        Seconds that the 99th percentile may be at the most.

    Examples
    --------
    >>> Canary(service="orders-v2", interval=60.0)
    Canary(service='orders-v2')
    """

    service: Name
    interval: SomeSeconds = 60.0
    threshold: Count = 10
    max_weight: Percent = 50.0
    step_weight: Percent = 5.0
    success_rate: Percent = 99.0
    duration: SomeSeconds = 0.5

    def __post_init__(self) -> None:
        if self.step_weight > self.max_weight:
            raise ValueError(
                f"step_weight is {self.step_weight:g} %, but must be max_weight, "
                f"{self.max_weight:g} %, at most"
            )


Phase = Literal["progressing", "promoted", "failed"]


class Check(NamedTuple):
    """One check of a canary.

    Attributes
    ----------
    time : float
        When, seconds.
    requests : int
        How many had ended since the last check.
    success_rate, duration : float
        Per cent, seconds (the 99th percentile); NaN without traffic.
    passed : bool
        Whether it was good enough.
    weight : float
        Per cent that the canary gets from then on.
    phase : str
        ``"progressing"``, ``"promoted"`` or ``"failed"``.
    """

    time: float
    requests: int
    success_rate: float
    duration: float
    passed: bool
    weight: float
    phase: Phase


class Judge:
    """Applies the rule, check by check.

    Examples
    --------
    >>> judge = Judge(Canary(service="v2", step_weight=50.0))
    >>> judge.check(60.0, [], []).weight
    50.0
    >>> judge.check(120.0, [True] * 100, [0.1] * 100).phase
    'promoted'
    """

    def __init__(self, part: Canary) -> None:
        self.part = part
        self.weight = 0.0
        self.failed = 0
        self.phase: Phase = "progressing"
        self._started = False

    def check(self, now: float, good: Sequence[bool], seconds: Sequence[float]) -> Check:
        """Judge what has ended since the last time: whether each was good, and how long it took."""
        part, n = self.part, len(good)
        rate = 100.0 * sum(good) / n if n else math.nan
        slow = float(np.quantile(seconds, 0.99, method="inverted_cdf")) if n else math.nan
        passed = n > 0 and rate >= part.success_rate and slow <= part.duration
        if not self._started:
            self._started = passed = True
        if self.phase == "progressing":
            self._step(passed)
        return Check(now, n, rate, slow, passed, self.weight, self.phase)

    def _step(self, passed: bool) -> None:
        part = self.part
        if not passed:
            self.failed += 1
            if self.failed >= part.threshold:
                self.weight, self.phase = 0.0, "failed"
        elif self.weight >= part.max_weight:
            self.weight, self.phase = 100.0, "promoted"
        else:
            self.weight = min(self.weight + part.step_weight, part.max_weight)


def history(
    part: Canary, ended: np.ndarray, outcomes: np.ndarray, seconds: np.ndarray, until: float
) -> list[Check]:
    """Return the checks of a run, from what the canary's endpoints have finished.

    Parameters
    ----------
    ended, seconds : array of float
        When each ended, and how long it was there.
    outcomes : array of int
        Indices in `mesh_lab.ledger.OUTCOMES`.
    until : float
        The end of the run.
    """
    judge, checks = Judge(part), []
    time, last = part.interval, -math.inf
    while time <= until and judge.phase == "progressing":
        # what ends at the very moment of a check belongs to it: completions come first
        since = (ended > last) & (ended <= time)
        good = (outcomes[since] == OK).tolist()
        checks.append(judge.check(time, good, seconds[since].tolist()))
        time, last = time + part.interval, time
    return checks


def table(checks: Sequence[Check]) -> pd.DataFrame:
    """Return checks as a table, one row each."""
    import pandas as pd

    return pd.DataFrame(checks, columns=list(Check._fields))
