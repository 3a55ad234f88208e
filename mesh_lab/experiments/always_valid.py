"""Looking at any time, done right: always-valid p-values by the mixture likelihood ratio.

**The idea.** Let d be the difference seen so far and V its variance.  How much better than "no
difference" does a true difference b explain it?  Averaged over b ~ Normal(0, tau**2), the
likelihood ratio is

    L = sqrt(V/(V + tau**2)) exp(tau**2 d**2 / (2 V (V + tau**2))).

Without a difference L is a martingale of mean 1 as data comes in, so by Ville's inequality it
*ever* exceeds 1/alpha with probability alpha at most.  Hence

    p = smallest 1/L so far (1 at most)

is valid at every moment: stop as soon as p < alpha, or look once, or let a dashboard decide; false
alarms stay below alpha.  The values d0 that the same test does not reject are an interval that
holds the true difference at *all* times at once,

    d - w to d + w,   w**2 = V (V + tau**2)/tau**2 * (2 ln(1/alpha) + ln((V + tau**2)/V)),

and as all of them hold together, so does their intersection.

**The price** is width: where a single test has 1.96 standard errors, this has about 3.  It is least
when tau is about the size of the differences that occur; tau must be chosen before the data is
seen, but whatever it is, the guarantee holds.

**When it is exact.** For normal data of known variance.  For rates, V is estimated as
p1 q1/n1 + p2 q2/n2 as the source proposes, and for means from the sample variances; then it is
approximate, which matters early.  Looks before each side has `least` requests are therefore
ignored, and for rates close to 0 or 1 `rate_sequence` and `rate_difference_sequence` are exact at
any size.

Sources: Johari, Koomen, Pekelis and Walsh, Peeking at A/B tests, KDD 2017, and Always valid
inference, Operations Research 70 (2022); Robbins, Annals of Mathematical Statistics 41 (1970).
Their formula for equal sizes is this one with V = 2 sigma**2/n.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PartError
from ..theory._results import shown
from . import _arguments as check

__all__ = ["AlwaysValid", "sequential_means", "sequential_rates"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class AlwaysValid:
    """What `sequential_rates` and `sequential_means` return.

    Parameters
    ----------
    difference : float
        Candidate minus control, at the last look.
    low, high : float
        Limits of it that have held at all looks together; infinite when nothing is known.
    p_value : float
        At the last look: the smallest so far.
    stopped : int or None
        The first look, from 0, at which the p-value is below the significance.
    significance : float
        As given; the limits hold with probability 1 - significance.
    p_values, lows, highs : tuple of float, shape (looks,)
        The same at every look.
    """

    difference: float
    low: float
    high: float
    p_value: float
    stopped: int | None
    significance: float
    p_values: tuple[float, ...] = dataclasses.field(repr=False)
    lows: tuple[float, ...] = dataclasses.field(repr=False)
    highs: tuple[float, ...] = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return shown(self)


def sequential_rates(
    *,
    successes: Sequence[ArrayLike],
    trials: Sequence[ArrayLike],
    effect: float,
    significance: float = 0.05,
    least: int = 100,
) -> AlwaysValid:
    """Return what two success rates show, however often one looks.

    Parameters
    ----------
    successes : sequence of array_like, two of shape (looks,)
        Successes of the control and of the candidate *so far*, at each look.
    trials : sequence of array_like, two of shape (looks,)
        Requests of each so far, at each look; not decreasing.
    effect : float
        Size of the differences that are to be expected (tau), above 0; chosen beforehand.
    significance : float, optional
        Probability of ever raising a false alarm.
    least : int, optional
        Requests of each side below which a look is ignored.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    A candidate that loses 5 %, read after every thousand requests:

    >>> seen = sequential_rates(successes=([951, 1903, 2850], [898, 1801, 2702]),
    ...                         trials=([1000, 2000, 3000], [1000, 2000, 3000]), effect=0.02)
    >>> seen
    AlwaysValid(difference=-0.049333, low=-0.069843, high=-0.028823, p_value=1.2736e-10, \
stopped=0, significance=0.05)
    >>> [f"{p:.1e}" for p in seen.p_values]
    ['1.0e-03', '2.0e-07', '1.3e-10']
    """
    where = "sequential_rates"
    good = [
        check.column(where, f"successes[{i}]", k, whole=True)
        for i, k in enumerate(check.pair(where, "successes", successes))
    ]
    sizes = _sizes(where, trials, len(good[0]))
    for i in (0, 1):
        _same_length(where, f"successes[{i}]", good[i], len(sizes[0]))
        bad = sizes[i] - good[i]
        if (bad < 0.0).any():
            at = int(np.argmin(bad))
            problem = f"is {good[i][at]:g} at index {at}, but must not exceed the trials there"
            raise PartError(f"experiments.{where}", f"successes[{i}]", problem)
        if (np.diff(good[i]) < 0.0).any() or (np.diff(bad) < 0.0).any():
            problem = "loses successes or failures from one look to the next: give counts so far"
            raise PartError(f"experiments.{where}", f"successes[{i}]", problem)
    p1, p2 = (k / np.maximum(n, 1.0) for k, n in zip(good, sizes, strict=True))
    spread = p1 * (1.0 - p1) / np.maximum(sizes[0], 1.0) + p2 * (1.0 - p2) / np.maximum(
        sizes[1], 1.0
    )
    return _read(where, p2 - p1, spread, sizes, effect, significance, least)


def sequential_means(
    *,
    means: Sequence[ArrayLike],
    deviations: Sequence[ArrayLike],
    trials: Sequence[ArrayLike],
    effect: float,
    significance: float = 0.05,
    least: int = 100,
) -> AlwaysValid:
    """Return what two means show, however often one looks.

    Parameters
    ----------
    means : sequence of array_like, two of shape (looks,)
        Mean of the control and of the candidate *so far*, at each look.
    deviations : sequence of array_like, two of shape (looks,)
        Standard deviation of the values of each so far; constant arrays when it is known.
    trials : sequence of array_like, two of shape (looks,)
        Values of each so far; not decreasing.
    effect : float
        Size of the differences that are to be expected (tau), above 0; chosen beforehand.
    significance : float, optional
        Probability of ever raising a false alarm.
    least : int, optional
        Values of each side below which a look is ignored; 1 when the deviations are known.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> sequential_means(means=([100.0, 101.0], [104.0, 105.0]), effect=5.0,
    ...                  deviations=([40.0, 40.0], [40.0, 40.0]),
    ...                  trials=([1000, 2000], [1000, 2000]))
    AlwaysValid(difference=4, low=0.12893, high=7.8711, p_value=0.037113, stopped=1, \
significance=0.05)
    """
    where = "sequential_means"
    seen = [
        check.column(where, f"means[{i}]", m)
        for i, m in enumerate(check.pair(where, "means", means))
    ]
    sizes = _sizes(where, trials, len(seen[0]))
    spread = np.zeros(len(seen[0]))
    for i, s in enumerate(check.pair(where, "deviations", deviations)):
        values = check.column(where, f"deviations[{i}]", s)
        _same_length(where, f"means[{i}]", seen[i], len(sizes[0]))
        _same_length(where, f"deviations[{i}]", values, len(sizes[0]))
        if (values < 0.0).any():
            at = int(np.argmax(values < 0.0))
            problem = f"is {values[at]:g} at index {at}, but must be 0 or more"
            raise PartError(f"experiments.{where}", f"deviations[{i}]", problem)
        spread = spread + values * values / np.maximum(sizes[i], 1.0)
    return _read(where, seen[1] - seen[0], spread, sizes, effect, significance, least)


def _same_length(where: str, argument: str, values: check.Column, looks: int) -> None:
    if len(values) != looks:
        problem = f"has {len(values)} values, but must have {looks}, one a look as trials[0]"
        raise PartError(f"experiments.{where}", argument, problem)


def _sizes(where: str, trials: object, looks: int) -> list[check.Column]:
    sizes = [
        check.column(where, f"trials[{i}]", n, whole=True)
        for i, n in enumerate(check.pair(where, "trials", trials))
    ]
    _same_length(where, "trials[1]", sizes[1], len(sizes[0]))
    for i, n in enumerate(sizes):
        if (np.diff(n) < 0.0).any():
            problem = "falls from one look to the next, but must count the requests so far"
            raise PartError(f"experiments.{where}", f"trials[{i}]", problem)
    return sizes


def _read(
    where: str,
    difference: check.Column,
    spread: check.Column,
    sizes: list[check.Column],
    effect: object,
    significance: object,
    least: object,
) -> AlwaysValid:
    """Go through the looks with the formulas of the module."""
    tau2 = check.positive(where, "effect", effect) ** 2
    alpha = check.between(where, "significance", significance)
    enough = np.minimum(sizes[0], sizes[1]) >= check.count(where, "least", least)
    p, low, high = 1.0, -math.inf, math.inf
    p_values, lows, highs = [], [], []
    stopped: int | None = None
    for look, (d, v) in enumerate(zip(difference.tolist(), spread.tolist(), strict=True)):
        if enough[look] and v > 0.0:
            wider = v + tau2
            log_ratio = 0.5 * math.log(v / wider) + tau2 * d * d / (2.0 * v * wider)
            p = min(p, math.exp(-log_ratio) if log_ratio > 0.0 else 1.0)
            half = math.sqrt(v * wider / tau2 * (2.0 * math.log(1 / alpha) + math.log(wider / v)))
            low, high = max(low, d - half), min(high, d + half)
        if stopped is None and p <= alpha:
            stopped = look
        p_values.append(p)
        lows.append(low)
        highs.append(high)
    return AlwaysValid(
        difference=float(difference[-1]),
        low=low,
        high=high,
        p_value=p,
        stopped=stopped,
        significance=alpha,
        p_values=tuple(p_values),
        lows=tuple(lows),
        highs=tuple(highs),
    )
