"""Two variants compared once, at a time fixed beforehand: two rates, or two means.

**Two rates.** Of n1 requests to the control k1 succeeded, of n2 to the candidate k2.  If both had
the same success probability, its best estimate would be the pooled p = (k1 + k2)/(n1 + n2), and

    z = (k2/n2 - k1/n1) / sqrt(p (1 - p) (1/n1 + 1/n2))

nearly standard normal; z**2 is Pearson's chi-square of the two-by-two table.  The interval of the
difference is Newcombe's: each rate has its Wilson interval (l, u), and with d the difference

    d - sqrt((p2 - l2)**2 + (u1 - p1)**2)  to  d + sqrt((u2 - p2)**2 + (p1 - l1)**2),

which stays inside [-1, 1] and is right at success rates of 99.9 %, where the textbook's symmetric
one is not.  (The two are built differently: near the border one may exclude 0, the other not.)

**Two means**, of latencies say: Welch's test, for variances that differ,

    t = (m2 - m1) / sqrt(v1/n1 + v2/n2),

Student's t with the degrees of freedom of Welch and Satterthwaite.  Latencies are skewed: with a
few hundred on each side this is no concern, with ten it is.

Both are for *one* look at the data, and for requests that are independent of each other.  Whoever
looks again and again needs `group_sequential` or the always-valid ones; `peeking` says why.

Sources: Newcombe, Statistics in Medicine 17 (1998), method 10; Wilson, Journal of the American
Statistical Association 22 (1927); Welch, Biometrika 34 (1947).
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

__all__ = ["Comparison", "compare_means", "compare_rates"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """What `compare_rates` and `compare_means` return.

    Parameters
    ----------
    difference : float
        Candidate minus control.
    low, high : float
        Limits of the difference.
    confidence : float
        How often such limits hold the true difference.
    statistic : float
        z or t.
    p_value : float
        Probability, were both the same, of a difference at least this far from 0, either way.
    control, candidate : float
        The two rates or means.
    """

    difference: float
    low: float
    high: float
    confidence: float
    statistic: float
    p_value: float
    control: float
    candidate: float

    def __repr__(self) -> str:
        return shown(self)


def compare_rates(
    *, successes: Sequence[int], trials: Sequence[int], confidence: float = 0.95
) -> Comparison:
    """Return how two success rates compare.

    Parameters
    ----------
    successes : sequence of int, shape (2,)
        Successes of the control, then of the candidate.
    trials : sequence of int, shape (2,)
        Requests that each got, one or more.
    confidence : float, optional
        Of the interval, between 0 and 1.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Notes
    -----
    The normal approximation asks for some five successes and five failures on each side.

    Examples
    --------
    >>> compare_rates(successes=(9950, 985), trials=(10_000, 1000))
    Comparison(difference=-0.01, low=-0.019676, high=-0.0039013, confidence=0.95, \
statistic=-3.934, p_value=8.3557e-05, control=0.995, candidate=0.985)
    """
    where = "compare_rates"
    k1, k2, n1, n2 = counts_of(where, successes, trials)
    level = check.between(where, "confidence", confidence)
    p1, p2 = k1 / n1, k2 / n2
    pooled = (k1 + k2) / (n1 + n2)
    spread = math.sqrt(pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2))
    z = (p2 - p1) / spread if spread > 0.0 else 0.0
    critical = normal_quantile((1.0 + level) / 2.0)
    (l1, u1), (l2, u2) = wilson(k1, n1, critical), wilson(k2, n2, critical)
    return Comparison(
        difference=p2 - p1,
        low=p2 - p1 - math.hypot(p2 - l2, u1 - p1),
        high=p2 - p1 + math.hypot(u2 - p2, p1 - l1),
        confidence=level,
        statistic=z,
        p_value=2.0 * below(-abs(z)),
        control=p1,
        candidate=p2,
    )


def counts_of(where: str, successes: object, trials: object) -> tuple[int, int, int, int]:
    """Return checked successes of both, then trials of both."""
    ks, ns = check.pair(where, "successes", successes), check.pair(where, "trials", trials)
    sizes = [check.count(where, f"trials[{i}]", n) for i, n in enumerate(ns)]
    good = [check.count(where, f"successes[{i}]", k, least=0) for i, k in enumerate(ks)]
    for i in (0, 1):
        if good[i] > sizes[i]:
            problem = f"is {good[i]}, but must not exceed the {sizes[i]} trials"
            raise PartError(f"experiments.{where}", f"successes[{i}]", problem)
    return good[0], good[1], sizes[0], sizes[1]


def normal_quantile(p: float) -> float:
    """Return the standard normal quantile.

    Examples
    --------
    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    from scipy.special import ndtri  # scipy loads slowly

    return float(ndtri(p))


def below(x: float) -> float:
    """Return P(Z < x) for a standard normal Z, with all digits also far below.

    Examples
    --------
    >>> round(below(1.959964), 6)
    0.975
    """
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def wilson(successes: int, trials: int, critical: float) -> tuple[float, float]:
    """Return Wilson's interval of a rate, for a two-sided critical value.

    Examples
    --------
    >>> low, high = wilson(0, 10, 1.959964)
    >>> low, round(high, 4)
    (0.0, 0.2775)
    """
    p, c2 = successes / trials, critical * critical
    middle = p + c2 / (2.0 * trials)
    half = critical * math.sqrt(p * (1.0 - p) / trials + c2 / (4.0 * trials * trials))
    whole = 1.0 + c2 / trials
    # at the ends rounding must not leave [0, 1], nor the estimate itself
    low = 0.0 if successes == 0 else (middle - half) / whole
    high = 1.0 if successes == trials else (middle + half) / whole
    return low, high


def compare_means(*, samples: Sequence[ArrayLike], confidence: float = 0.95) -> Comparison:
    """Return how the means of two samples compare (Welch).

    Parameters
    ----------
    samples : sequence of array_like, two of any lengths
        Values of the control, then of the candidate: two or more each, not all equal.
    confidence : float, optional
        Of the interval, between 0 and 1.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> compare_means(samples=([10.0, 12.0, 11.0, 13.0], [13.0, 15.0, 12.0, 16.0]))
    Comparison(difference=2.5, low=-0.31113, high=5.3111, confidence=0.95, statistic=2.2361, \
p_value=0.07163, control=11.5, candidate=14)
    """
    from scipy.special import stdtr, stdtrit

    where = "compare_means"
    both = check.pair(where, "samples", samples)
    level = check.between(where, "confidence", confidence)
    values = [check.column(where, f"samples[{i}]", s, least=2) for i, s in enumerate(both)]
    means = [float(v.mean()) for v in values]
    parts = [float(np.var(v, ddof=1)) / len(v) for v in values]
    total = parts[0] + parts[1]
    if total <= 0.0:
        problem = "has no variation on either side, so there is nothing to test with"
        raise PartError(f"experiments.{where}", "samples", problem)
    degrees = welch_degrees(parts[0], parts[1], len(values[0]), len(values[1]))
    difference, spread = means[1] - means[0], math.sqrt(total)
    t = difference / spread
    half = float(stdtrit(degrees, (1.0 + level) / 2.0)) * spread
    return Comparison(
        difference=difference,
        low=difference - half,
        high=difference + half,
        confidence=level,
        statistic=t,
        p_value=2.0 * float(stdtr(degrees, -abs(t))),
        control=means[0],
        candidate=means[1],
    )


def welch_degrees(v1: float, v2: float, n1: float, n2: float) -> float:
    """Return the degrees of freedom for variances v1, v2 of the two means."""
    return (v1 + v2) ** 2 / (v1 * v1 / (n1 - 1.0) + v2 * v2 / (n2 - 1.0))
