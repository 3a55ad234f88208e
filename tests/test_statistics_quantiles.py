"""Quantile intervals: exact for independent values, nominal on runs."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_lab.statistics import batch_quantile_interval, quantile_interval

from .processes import plausible, relatedness, response_quantile, waits


def below(k: int, n: int, p: Fraction) -> Fraction:
    """P(fewer than k of n are below the p-quantile), exactly."""
    return sum((math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k)), Fraction(0))


@pytest.mark.parametrize("p", [Fraction(1, 10), Fraction(1, 2), Fraction(9, 10), Fraction(99, 100)])
@pytest.mark.parametrize("n", [1, 5, 30, 100, 400])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_ranks_are_the_tightest_that_keep_the_confidence(
    n: int, p: Fraction, confidence: float
) -> None:
    interval = quantile_interval(np.arange(1, n + 1), float(p), confidence)
    alpha = (1 - Fraction(str(confidence))) / 2
    if math.isfinite(interval.low):
        low = int(interval.low)
        assert below(low, n, p) <= alpha  # so it lies above the quantile that seldom
        assert below(low + 1, n, p) > alpha  # and the next one would too often
    else:
        assert below(1, n, p) > alpha
    if math.isfinite(interval.high):
        high = int(interval.high)
        assert 1 - below(high, n, p) <= alpha
        assert 1 - below(high - 1, n, p) > alpha
    else:
        assert 1 - below(n, n, p) > alpha
    assert interval.trusted == (math.isfinite(interval.low) and math.isfinite(interval.high))


def test_the_coverage_of_independent_values_is_the_binomial_one() -> None:
    """Of 2000 samples of 60, at p = 0.9: the exact coverage, within 99.9 % limits."""
    ranks = quantile_interval(np.arange(1, 61), 0.9)
    p = Fraction(9, 10)
    exact = float(below(int(ranks.high), 60, p) - below(int(ranks.low), 60, p))
    assert exact >= 0.95
    true = -math.log(0.1)
    hits = sum(
        true in quantile_interval(np.random.default_rng(seed).exponential(1.0, 60), 0.9)
        for seed in range(1, 2_001)
    )
    assert plausible(hits, 2_000, exact)
    assert not plausible(hits, 2_000, exact - 0.03)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.floats(0.001, 0.999),
)
def test_the_estimate_is_the_inverse_of_the_empirical_distribution(
    values: list[float], p: float
) -> None:
    interval = quantile_interval(values, p)
    assert interval.low <= interval.estimate <= interval.high
    ordered = sorted(values)
    at_or_below = sum(v <= interval.estimate for v in values)
    strictly = sum(v < interval.estimate for v in values)
    assert interval.estimate in ordered
    # Rounding of n * p may move it across one value's edge, by less than 1e-12.
    assert at_or_below >= len(values) * p - 1e-12
    assert strictly < len(values) * p + 1e-12


def test_a_percentile_of_round_numbers_is_that_number() -> None:
    values = np.arange(1, 101)
    for percent in range(1, 100):
        assert quantile_interval(values, percent / 100).estimate == percent


@pytest.mark.parametrize(
    ("load", "p", "worth"),
    [
        (0.5, 0.5, 1_000),
        (0.5, 0.9, 1_000),
        (0.5, 0.99, 4_000),
        (0.8, 0.5, 1_000),
        (0.8, 0.9, 1_000),
    ],
)
def test_on_a_run_dependence_is_allowed_for(load: float, p: float, worth: int) -> None:
    """So many independent values' worth of M/M/1; as if independent, the intervals fail."""
    n = int(worth * relatedness(load))
    true = response_quantile(load, p)
    intervals, naive = [], 0
    for seed in range(1, 201):
        values = waits(n, load, seed, response=True)
        intervals.append(batch_quantile_interval(values, p))
        naive += true in quantile_interval(values, p)
    assert 0.90 <= np.mean([true in interval for interval in intervals]) <= 0.98
    assert np.mean([interval.trusted for interval in intervals]) >= 0.95
    assert naive / 200 < 0.80


def test_a_quantile_three_percent_off_is_noticed() -> None:
    true = response_quantile(0.5, 0.9)
    intervals = [
        batch_quantile_interval(waits(200_000, 0.5, seed, response=True), 0.9)
        for seed in range(1, 201)
    ]
    assert 0.90 <= np.mean([true in interval for interval in intervals]) <= 0.98
    assert np.mean([1.03 * true in interval for interval in intervals]) < 0.80


@pytest.mark.parametrize(("p", "worth"), [(0.5, 10), (0.9, 20), (0.99, 100), (0.999, 500)])
def test_too_short_a_run_is_not_trusted(p: float, worth: int) -> None:
    """At the 99.9th percentile, 500 independent values' worth rest on a single bad moment."""
    n = int(worth * relatedness(0.8))
    intervals = [
        batch_quantile_interval(waits(n, 0.8, seed, response=True), p) for seed in range(1, 101)
    ]
    assert np.mean([interval.trusted for interval in intervals]) <= 0.05
    assert all("too short to tell" in i.note for i in intervals if not i.trusted)


def test_independent_values_lose_little_by_allowing_for_dependence() -> None:
    """Widths of both kinds on the same 200 samples: on average within 10 %."""
    ratio = []
    for seed in range(1, 201):
        values = np.random.default_rng(seed).exponential(1.0, 10_000)
        run = batch_quantile_interval(values, 0.9)
        ratio.append(run.half_width / quantile_interval(values, 0.9).half_width)
    assert 0.95 <= np.mean(ratio) <= 1.15


def test_the_tail_needs_values_in_it() -> None:
    values = np.random.default_rng(1).exponential(1.0, 5_000)
    few = batch_quantile_interval(values, 0.999)
    assert not few.trusted
    assert few.note == "too short to tell: 5 values lie beyond, but 10 are needed"
    assert batch_quantile_interval(values, 0.99).trusted
    assert quantile_interval(values[:367], 0.99).high == math.inf
    assert quantile_interval(values[:368], 0.99).high == values[:368].max()


def test_ties_and_constants() -> None:
    same = batch_quantile_interval(np.full(1_000, 2.5), 0.9)
    assert (same.low, same.estimate, same.high) == (2.5, 2.5, 2.5)
    steps = np.tile([1.0, 2.0, 3.0, 4.0], 500)
    assert batch_quantile_interval(steps, 0.6).estimate == 3.0
