"""Replications, and two scenarios on common random numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mesh_lab.statistics import (
    independent_difference,
    paired_difference,
    paired_ratio,
    replication_interval,
)

from .processes import plausible, waits


def test_replications_are_students_t() -> None:
    means = np.random.default_rng(1).normal(3.0, 1.0, 12)
    interval = replication_interval(means, 0.9)
    low, high = stats.t.interval(0.9, 11, means.mean(), stats.sem(means))
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)
    assert (interval.n, interval.confidence, interval.trusted) == (12, 0.9, True)


def test_replications_cover() -> None:
    """1000 intervals from 10 normal means each: exact, so within the 99.9 % binomial limits."""
    hits = sum(
        2.0 in replication_interval(np.random.default_rng(seed).normal(2.0, 0.5, 10))
        for seed in range(1, 1_001)
    )
    assert plausible(hits, 1_000)


def test_few_replications_are_not_trusted() -> None:
    assert replication_interval([1.0, 2.0, 3.0, 4.0, 5.0]).trusted
    few = replication_interval([1.0, 2.0, 3.0, 4.0])
    assert not few.trusted
    assert few.note == "4 replications are few: make it at least 5"


def test_the_difference_is_b_less_a() -> None:
    a, b = [1.0, 2.0, 4.0, 3.0, 6.0], [3.0, 5.0, 6.0, 4.0, 9.0]
    interval = paired_difference(a, b)
    reference = stats.ttest_rel(b, a).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(reference), rel=1e-12)
    assert interval.estimate == pytest.approx(2.2)
    reverse = paired_difference(b, a)
    assert (reverse.low, reverse.high) == pytest.approx((-interval.high, -interval.low))


def test_independent_samples_are_welchs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(1.0, 1.0, 8), rng.normal(2.0, 3.0, 15)
    interval = independent_difference(a, b, 0.9)
    reference = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.9)
    assert (interval.low, interval.high) == pytest.approx(tuple(reference), rel=1e-10)


def test_common_random_numbers_narrow_the_comparison() -> None:
    """A 5 % faster server under the same customers: 20 comparisons of 10 replications each."""
    narrower = []
    for k in range(20):
        seeds = range(10 * k + 1, 10 * k + 11)
        slow = [waits(5_000, 0.80, seed).mean() for seed in seeds]
        fast = [waits(5_000, 0.76, seed).mean() for seed in seeds]  # the same draws, scaled
        other = [waits(5_000, 0.76, 1_000 + seed).mean() for seed in seeds]
        paired = paired_difference(slow, fast)
        unpaired = independent_difference(slow, other)
        narrower.append(paired.half_width / unpaired.half_width)
        assert paired.high < 0  # certain each time
    assert max(narrower) < 1
    assert np.median(narrower) < 0.5


def fieller_by_search(a: np.ndarray, b: np.ndarray, confidence: float) -> tuple[float, float]:
    """The ratios that a paired t test does not reject, by bisection on either side."""
    n = len(a)
    limit = stats.t.ppf((1 + confidence) / 2, n - 1)

    def rejected(ratio: float) -> bool:
        rest = b - ratio * a
        return bool(abs(rest.mean()) > limit * rest.std(ddof=1) / math.sqrt(n))

    centre, found = b.mean() / a.mean(), []
    for direction in (-1, 1):
        inner, outer = 0.0, 1e-3
        while not rejected(centre + direction * outer):
            inner, outer = outer, 2 * outer
        for _ in range(80):
            middle = (inner + outer) / 2
            if rejected(centre + direction * middle):
                outer = middle
            else:
                inner = middle
        found.append(centre + direction * inner)
    return found[0], found[1]


def test_the_ratio_is_fiellers() -> None:
    for seed in range(1, 21):
        rng = np.random.default_rng(seed)
        a = rng.normal(10.0, 2.0, 8)
        b = 0.7 * a + rng.normal(0.0, 1.0, 8)
        interval = paired_ratio(a, b)
        assert interval.estimate == pytest.approx(b.mean() / a.mean())
        searched = fieller_by_search(a, b, 0.95)
        assert (interval.low, interval.high) == pytest.approx(searched, rel=1e-9)


def test_the_ratio_covers() -> None:
    """1000 intervals from 10 pairs each, with a noisy denominator; and 3 % off is noticed."""
    hits = off = 0
    for seed in range(1, 1_001):
        rng = np.random.default_rng(seed)
        common = rng.normal(0.0, 2.0, 10)
        a = 10.0 + common + rng.normal(0.0, 0.1, 10)
        b = 8.0 + 0.8 * common + rng.normal(0.0, 0.1, 10)
        interval = paired_ratio(a, b)
        hits += 0.8 in interval
        off += 0.8 * 1.03 in interval
    assert plausible(hits, 1_000)
    assert off < 500


def test_a_denominator_that_may_be_zero_excludes_nothing() -> None:
    interval = paired_ratio([-2.0, 1.0, 3.0, -1.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert not interval.trusted
    assert "not clearly different from 0" in interval.note


def test_equal_numbers_are_known_exactly() -> None:
    assert replication_interval([0.1] * 7).half_width == 0.0
    assert 0.1 in replication_interval([0.1] * 7)
    same = paired_difference([0.3] * 5, [0.3] * 5)
    assert (same.estimate, same.half_width) == (0.0, 0.0)
    assert independent_difference([2.0] * 5, [3.0] * 6).estimate == 1.0
    ratio = paired_ratio([2.0] * 5, [3.0] * 5)
    assert (ratio.low, ratio.high) == pytest.approx((1.5, 1.5))
