"""How many requests an experiment needs, before it is started.

**Power** is the probability that the test finds a difference that is there.  An experiment that is
too small finds nothing and proves nothing; one asks beforehand for the size that finds the smallest
difference that matters with, say, 80 %.

**Two rates**, n to the control and k n to the candidate: the test of `compare_rates` rejects when
|z| exceeds its critical value c, and with q = 1 - p, p' = (p1 + k p2)/(1 + k) and D = |p2 - p1|

    power = P(Z < (D sqrt(n) - c sqrt(p' q' (1 + 1/k))) / sqrt(p1 q1 + p2 q2/k)),
    n = (c sqrt(p' q' (1 + 1/k)) + z_power sqrt(p1 q1 + p2 q2/k))**2 / D**2.

To halve the difference one must double the requests twice; and with a canary that gets 5 % the
canary's requests are what is scarce.

**Two means**: Welch's t is then about noncentral t with noncentrality D/sqrt(s1**2/n1 + s2**2/n2),
from which the power comes directly, and the size by search.

The (small) chance of rejecting on the wrong side counts: a difference of 0 has the significance as
its power.

Sources: R's power.prop.test and power.t.test, for equal sizes; Fleiss, Levin and Paik, Statistical
Methods for Rates and Proportions (2003), chapter 4 (recalled, not checked), for others.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from ..errors import PartError
from ..theory._results import shown
from . import _arguments as check
from .comparison import below, normal_quantile, welch_degrees

__all__ = ["SampleSize", "means_power", "means_sample_size", "rates_power", "rates_sample_size"]

LARGEST = 10**12


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class SampleSize:
    """What `rates_sample_size` and `means_sample_size` return.

    Parameters
    ----------
    control, candidate : int
        Requests that each needs.
    power : float
        What these give: at least what was asked for.
    significance : float
        As given.
    """

    control: int
    candidate: int
    power: float
    significance: float

    def __repr__(self) -> str:
        return shown(self)


def _rates_power(p1: float, p2: float, n: float, k: float, critical: float) -> float:
    pooled = (p1 + k * p2) / (1.0 + k)
    null = math.sqrt(pooled * (1.0 - pooled) * (1.0 + 1.0 / k))
    true = math.sqrt(p1 * (1.0 - p1) + p2 * (1.0 - p2) / k)
    shift = abs(p2 - p1) * math.sqrt(n)
    if true == 0.0:
        return 1.0 if shift > critical * null else 0.0
    return below((shift - critical * null) / true) + below((-shift - critical * null) / true)


def rates_power(
    *, rates: Sequence[float], trials: Sequence[int], significance: float = 0.05
) -> float:
    """Return the probability that `compare_rates` finds a difference of two true rates.

    Parameters
    ----------
    rates : sequence of float, shape (2,)
        True success rates of control and candidate, from 0 to 1.
    trials : sequence of int, shape (2,)
        Requests that each gets.
    significance : float, optional
        Two-sided; the p-value below which a difference is called found.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> round(rates_power(rates=(0.50, 0.75), trials=(50, 50)), 3)
    0.74
    """
    where = "rates_power"
    p1, p2 = _rates(where, rates)
    n1, n2 = _trials(where, trials, least=1)
    alpha = check.between(where, "significance", significance)
    return _rates_power(p1, p2, n1, n2 / n1, normal_quantile(1.0 - alpha / 2.0))


def _rates(where: str, rates: object) -> tuple[float, float]:
    both = check.pair(where, "rates", rates)
    p1, p2 = (check.between(where, f"rates[{i}]", p, ends=True) for i, p in enumerate(both))
    return p1, p2


def _trials(where: str, trials: object, least: int) -> tuple[int, int]:
    both = check.pair(where, "trials", trials)
    n1, n2 = (check.count(where, f"trials[{i}]", n, least=least) for i, n in enumerate(both))
    return n1, n2


def rates_sample_size(
    *,
    rates: Sequence[float],
    power: float = 0.8,
    significance: float = 0.05,
    candidate_share: float = 0.5,
) -> SampleSize:
    """Return how many requests find a difference between two success rates.

    Parameters
    ----------
    rates : sequence of float, shape (2,)
        True success rates of control and candidate: different, from 0 to 1.
    power : float, optional
        Probability of finding it, between the significance and 1.
    significance : float, optional
        Two-sided.
    candidate_share : float, optional
        Share of all requests that the candidate gets: the weight of the split.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    A loss of half a per cent, with an even split, and with a canary that gets 5 %:

    >>> rates_sample_size(rates=(0.995, 0.990))
    SampleSize(control=4673, candidate=4673, power=0.80002, significance=0.05)
    >>> rates_sample_size(rates=(0.995, 0.990), candidate_share=0.05)
    SampleSize(control=40243, candidate=2119, power=0.8001, significance=0.05)
    """
    where = "rates_sample_size"
    p1, p2 = _rates(where, rates)
    if p1 == p2:
        raise PartError(f"experiments.{where}", "rates", f"are both {p1:g}, but must be different")
    alpha = check.between(where, "significance", significance)
    wanted = check.between(where, "power", power, low=alpha)
    share = check.between(where, "candidate_share", candidate_share)
    critical = normal_quantile(1.0 - alpha / 2.0)

    def reached(total: int) -> float:
        n1, n2 = _split(total, share)
        return _rates_power(p1, p2, n1, n2 / n1, critical)

    return _smallest(where, reached, share, wanted, alpha)


def _split(total: int, share: float) -> tuple[int, int]:
    """Return the requests of control and candidate when there are about `total`."""
    return max(2, math.ceil(total * (1.0 - share))), max(2, math.ceil(total * share))


def _smallest(
    where: str, reached: Callable[[int], float], share: float, wanted: float, alpha: float
) -> SampleSize:
    """Return the smallest total with the wanted power, by doubling and halving."""
    high = 4
    while reached(high) < wanted:
        high *= 2
        if high > LARGEST:
            problem = f"cannot be reached with {LARGEST:.0e} requests: the difference is too small"
            raise PartError(f"experiments.{where}", "power", problem)
    low = high // 2
    while low + 1 < high:
        middle = (low + high) // 2
        if reached(middle) < wanted:
            low = middle
        else:
            high = middle
    n1, n2 = _split(high, share)
    return SampleSize(control=n1, candidate=n2, power=reached(high), significance=alpha)


def _means_power(d: float, s1: float, s2: float, n1: int, n2: int, alpha: float) -> float:
    from scipy.special import stdtrit
    from scipy.stats import nct

    v1, v2 = s1 * s1 / n1, s2 * s2 / n2
    degrees = welch_degrees(v1, v2, n1, n2)
    critical = float(stdtrit(degrees, 1.0 - alpha / 2.0))
    shift = abs(d) / math.sqrt(v1 + v2)
    # where the noncentral t is normal to the digits shown, and scipy's may fail
    if degrees > 1e6 or shift > 30.0:
        return below(shift - critical) + below(-shift - critical)
    return float(nct.sf(critical, degrees, shift) + nct.cdf(-critical, degrees, shift))


def _deviations(where: str, deviations: object) -> tuple[float, float]:
    both = check.pair(where, "deviations", deviations)
    s1, s2 = (check.positive(where, f"deviations[{i}]", s) for i, s in enumerate(both))
    return s1, s2


def means_power(
    *,
    difference: float,
    deviations: Sequence[float],
    trials: Sequence[int],
    significance: float = 0.05,
) -> float:
    """Return the probability that `compare_means` finds a difference of two true means.

    Parameters
    ----------
    difference : float
        Between the true means, in any unit.
    deviations : sequence of float, shape (2,)
        True standard deviations of control and candidate, in that unit.
    trials : sequence of int, shape (2,)
        Requests that each gets, two or more.
    significance : float, optional
        Two-sided.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> round(means_power(difference=1.0, deviations=(1.0, 1.0), trials=(20, 20)), 4)
    0.869
    """
    where = "means_power"
    d = check.number(where, "difference", difference)
    s1, s2 = _deviations(where, deviations)
    n1, n2 = _trials(where, trials, least=2)
    return _means_power(d, s1, s2, n1, n2, check.between(where, "significance", significance))


def means_sample_size(
    *,
    difference: float,
    deviations: Sequence[float],
    power: float = 0.8,
    significance: float = 0.05,
    candidate_share: float = 0.5,
) -> SampleSize:
    """Return how many requests find a difference between two means.

    Parameters
    ----------
    difference : float
        Between the true means, in any unit; not 0.
    deviations : sequence of float, shape (2,)
        True standard deviations of control and candidate, in that unit.
    power : float, optional
        Probability of finding it, between the significance and 1.
    significance : float, optional
        Two-sided.
    candidate_share : float, optional
        Share of all requests that the candidate gets.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    Five milliseconds more, of latencies that deviate by 40:

    >>> means_sample_size(difference=5.0, deviations=(40.0, 40.0))
    SampleSize(control=1006, candidate=1006, power=0.80015, significance=0.05)
    """
    where = "means_sample_size"
    d = check.number(where, "difference", difference)
    if d == 0.0:
        raise check.wrong(where, "difference", difference, "different from 0")
    s1, s2 = _deviations(where, deviations)
    alpha = check.between(where, "significance", significance)
    wanted = check.between(where, "power", power, low=alpha)
    share = check.between(where, "candidate_share", candidate_share)

    def reached(total: int) -> float:
        n1, n2 = _split(total, share)
        return _means_power(d, s1, s2, n1, n2, alpha)

    return _smallest(where, reached, share, wanted, alpha)
