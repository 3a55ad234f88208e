"""Comparisons at one look and their power, against scipy, R and all outcomes.

R's values are those in the examples of its help pages for power.prop.test and power.t.test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mesh_lab import experiments
from mesh_lab.errors import PartError

SURE = 3.2905  # the normal quantile of a two-sided 99.9 % interval

# --- one look ------------------------------------------------------------------------------------


def agrees_compare_rates(compare_rates: Callable[..., Any]) -> None:
    for k1, n1, k2, n2 in ((48, 80, 56, 70), (990, 1000, 170, 180), (3, 1000, 2, 50)):
        known = compare_rates(successes=(k1, k2), trials=(n1, n2))
        table = stats.chi2_contingency([[k1, n1 - k1], [k2, n2 - k2]], correction=False)
        assert known.statistic**2 == pytest.approx(table.statistic, rel=1e-10)
        assert known.p_value == pytest.approx(table.pvalue, rel=1e-9)
        assert math.copysign(1, known.statistic) == math.copysign(1, known.difference)
        first = stats.binomtest(k1, n1).proportion_ci(0.95, "wilson")
        second = stats.binomtest(k2, n2).proportion_ci(0.95, "wilson")
        d, p1, p2 = k2 / n2 - k1 / n1, k1 / n1, k2 / n2
        assert known.difference == pytest.approx(d, rel=1e-12)
        low = d - math.sqrt((p2 - second.low) ** 2 + (first.high - p1) ** 2)
        high = d + math.sqrt((second.high - p2) ** 2 + (p1 - first.low) ** 2)
        assert (known.low, known.high) == pytest.approx((low, high), rel=1e-9)
    # Newcombe 1998, table II, 56/70 and 48/80, method 10 (recalled, not checked)
    known = compare_rates(successes=(48, 56), trials=(80, 70))
    assert (known.low, known.high) == pytest.approx((0.0524, 0.3339), abs=6e-5)


def test_the_interval_covers_also_near_one() -> None:
    # exact, over all outcomes: Newcombe's interval is near its confidence, the symmetric one is not
    for p1, p2, n1, n2 in ((0.98, 0.95, 100, 60), (0.9, 0.9, 40, 40)):
        covered = symmetric = 0.0
        for k1 in range(n1 + 1):
            for k2 in range(n2 + 1):
                chance = float(stats.binom.pmf(k1, n1, p1) * stats.binom.pmf(k2, n2, p2))
                if chance < 1e-9:
                    continue
                known = experiments.compare_rates(successes=(k1, k2), trials=(n1, n2))
                covered += chance * (known.low <= p2 - p1 <= known.high)
                a, b = k1 / n1, k2 / n2
                half = 1.96 * math.sqrt(a * (1 - a) / n1 + b * (1 - b) / n2)
                symmetric += chance * (abs(b - a - (p2 - p1)) <= half)
        assert 0.94 < covered < 0.985
        assert covered > symmetric


def test_nothing_but_successes() -> None:
    same = experiments.compare_rates(successes=(50, 70), trials=(50, 70))
    assert same.p_value == 1.0
    assert same.difference == 0.0
    assert -1.0 < same.low < 0.0 < same.high < 1.0


def agrees_compare_means(compare_means: Callable[..., Any]) -> None:
    for seed, n1, n2 in ((1, 5, 9), (2, 200, 30), (3, 2, 2)):
        rng = np.random.default_rng(seed)
        x, y = rng.gamma(2.0, 3.0, n1), rng.normal(7.0, 10.0, n2)
        for level in (0.9, 0.99):
            known = compare_means(samples=(x, y), confidence=level)
            other = stats.ttest_ind(y, x, equal_var=False)
            interval = other.confidence_interval(level)
            assert known.statistic == pytest.approx(other.statistic, rel=1e-10)
            assert known.p_value == pytest.approx(other.pvalue, rel=1e-8)
            assert (known.low, known.high) == pytest.approx(tuple(interval), rel=1e-8)
            assert known.difference == pytest.approx(y.mean() - x.mean(), rel=1e-12)


# --- power ---------------------------------------------------------------------------------------


def agrees_rates_power(rates_power: Callable[..., float]) -> None:
    assert rates_power(rates=(0.50, 0.75), trials=(50, 50)) == pytest.approx(0.740, abs=5e-4)
    # exact: the test of two binomials, over all outcomes
    for p1, p2, n1, n2, off in (
        (0.5, 0.75, 50, 50, 0.02),
        (0.9, 0.8, 300, 100, 0.03),
        (0.95, 0.9, 120, 360, 0.03),
        (0.6, 0.6, 80, 80, 0.01),
    ):
        k1, k2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
        pooled = (k1 + k2) / (n1 + n2)
        spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / n1 + 1 / n2))
        found = abs(k2 / n2 - k1 / n1) / spread > 1.959963985
        chances = stats.binom.pmf(k1, n1, p1) * stats.binom.pmf(k2, n2, p2)
        exact = float(chances[found].sum())
        assert rates_power(rates=(p1, p2), trials=(n1, n2)) == pytest.approx(exact, abs=off)


def agrees_means_power(means_power: Callable[..., float]) -> None:
    known = means_power(difference=1.0, deviations=(1.0, 1.0), trials=(20, 20))
    assert known == pytest.approx(0.8689528, abs=5e-7)  # R
    known = means_power(difference=0.0, deviations=(1.0, 3.0), trials=(20, 7), significance=0.1)
    assert known == pytest.approx(0.1, rel=1e-9)
    # unequal sizes and deviations: 99.9 % interval of 20 000 experiments, and Welch's own error
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.0, 1.0, (20_000, 40)), rng.normal(1.5, 3.0, (20_000, 25))
    found = stats.ttest_ind(x, y, axis=1, equal_var=False).pvalue < 0.05
    half = SURE * math.sqrt(0.25 / 20_000) + 0.005
    known = means_power(difference=-1.5, deviations=(1.0, 3.0), trials=(40, 25))
    assert abs(float(found.mean()) - known) < half
    large = means_power(difference=0.01, deviations=(1.0, 1.0), trials=(600_000, 600_000))
    shift = 0.01 / math.sqrt(2 / 600_000)
    assert large == pytest.approx(float(stats.norm.sf(1.959964 - shift)), abs=1e-6)
    certain = means_power(difference=50.0, deviations=(1.0, 1.0), trials=(20, 20))
    assert certain == pytest.approx(1.0, abs=1e-12)


def agrees_sample_sizes(rates_sample_size: Callable[..., Any]) -> None:
    known = rates_sample_size(rates=(0.50, 0.75), power=0.90)
    assert known.control == known.candidate == 77  # R: 76.7
    for share in (0.5, 0.05, 0.3):
        for rates in ((0.995, 0.990), (0.2, 0.25)):
            known = rates_sample_size(rates=rates, candidate_share=share, power=0.85)
            n1, n2 = known.control, known.candidate
            assert n2 / (n1 + n2) == pytest.approx(share, abs=0.002)
            # Fleiss's formula, as it is written
            (p1, p2), k = rates, n2 / n1
            mean = (p1 + k * p2) / (1 + k)
            n = (
                1.959964 * math.sqrt(mean * (1 - mean) * (1 + 1 / k))
                + 1.036433 * math.sqrt(p1 * (1 - p1) + p2 * (1 - p2) / k)
            ) ** 2 / (p2 - p1) ** 2
            assert n1 == pytest.approx(n, abs=1.0 + 1e-3 * n)
            assert known.power >= 0.85
            assert known.power == pytest.approx(
                experiments.rates_power(rates=rates, trials=(n1, n2)), rel=1e-12
            )


def test_sizes_for_means_are_the_smallest() -> None:
    known = experiments.means_sample_size(difference=1.0, deviations=(1.0, 1.0), power=0.90)
    assert known.control == known.candidate == 23  # R: 22.02
    for share, deviations in ((0.5, (3.0, 5.0)), (0.1, (4.0, 4.0))):
        known = experiments.means_sample_size(
            difference=1.0, deviations=deviations, candidate_share=share
        )
        n1, n2 = known.control, known.candidate
        less = experiments.means_power(
            difference=1.0, deviations=deviations, trials=(n1 - 1, n2 - 1)
        )
        assert less < 0.8 <= known.power


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(PartError, match=r"rates: are both 0.9, but must be different"):
        experiments.rates_sample_size(rates=(0.9, 0.9))
    with pytest.raises(PartError, match="the difference is too small"):
        experiments.rates_sample_size(rates=(0.5, 0.5 + 1e-8))
    with pytest.raises(PartError, match=r"between 0\.05 and 1"):
        experiments.rates_sample_size(rates=(0.5, 0.6), power=0.01)
    with pytest.raises(PartError, match="different from 0"):
        experiments.means_sample_size(difference=0.0, deviations=(1.0, 1.0))
