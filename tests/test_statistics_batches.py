"""Batch means: nominal coverage on long runs, distrust of short ones.

Seeds are 1, 2, 3, ... in every experiment.  A band of 90 to 98 % for 200 intervals of nominal
95 % holds them with probability 0.986 if the coverage is exact.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import t as student_t

from mesh_lab.errors import StatisticsError
from mesh_lab.statistics import Interval, batch_means, von_neumann_ratio

from .processes import autoregression, mean_wait, relatedness, waits

RUNS = 200


def covered(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([truth in interval for interval in intervals]))


def trusted(intervals: list[Interval]) -> float:
    return float(np.mean([interval.trusted for interval in intervals]))


@pytest.mark.parametrize("load", [0.3, 0.5, 0.8])
def test_long_runs_of_a_queue_are_covered_and_trusted(load: float) -> None:
    n = int(2_000 * relatedness(load))
    intervals = [batch_means(waits(n, load, seed)) for seed in range(1, RUNS + 1)]
    assert 0.90 <= covered(intervals, mean_wait(load)) <= 0.98
    assert trusted(intervals) >= 0.98


@pytest.mark.parametrize("phi", [0.0, 0.9, 0.99, -0.5])
def test_long_autoregressions_are_covered_and_trusted(phi: float) -> None:
    n = max(1_000, int(1_000 * (1 + phi) / (1 - phi)))
    intervals = [batch_means(autoregression(n, phi, seed)) for seed in range(1, RUNS + 1)]
    assert 0.90 <= covered(intervals, 0.0) <= 0.98
    assert trusted(intervals) >= 0.98


def test_a_mean_that_is_three_percent_off_is_noticed() -> None:
    n = 200_000  # half-width about 3.3 %
    intervals = [batch_means(waits(n, 0.5, seed)) for seed in range(1, RUNS + 1)]
    assert 0.90 <= covered(intervals, mean_wait(0.5)) <= 0.98
    assert covered(intervals, 1.03 * mean_wait(0.5)) < 0.80
    assert covered(intervals, 0.97 * mean_wait(0.5)) < 0.80


@pytest.mark.parametrize("load", [0.5, 0.8, 0.9])
def test_short_runs_of_a_queue_are_not_trusted(load: float) -> None:
    n = int(20 * relatedness(load))
    intervals = [batch_means(waits(n, load, seed)) for seed in range(1, RUNS + 1)]
    assert covered(intervals, mean_wait(load)) < 0.90  # so a claim of 95 % would be false
    assert trusted(intervals) <= 0.03
    assert all("too short to tell" in i.note for i in intervals if not i.trusted)


def test_as_if_independent_the_intervals_are_far_too_short() -> None:
    n = int(2_000 * relatedness(0.8))
    naive = 0
    for seed in range(1, RUNS + 1):
        values = waits(n, 0.8, seed)
        half = student_t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n)
        naive += abs(values.mean() - mean_wait(0.8)) <= half
    assert naive / RUNS < 0.40


def test_a_queue_that_never_settles_is_not_trusted() -> None:
    assert not batch_means(waits(100_000, 1.05, 1)).trusted
    assert not batch_means(waits(100_000, 1.0, 1)).trusted


def test_at_95_percent_busy_three_percent_take_about_ten_million_requests() -> None:
    """Theory: 7.2e6.  A batch variance at 19 degrees of freedom is known to 32 %; 20 runs: 7 %."""
    n = int(1_000 * relatedness(0.95))
    needed = [batch_means(waits(n, 0.95, seed)).values_needed(0.03) for seed in range(1, 21)]
    theory = relatedness(0.95) * (1.96 / 0.03) ** 2 * (2 - 0.95) / 0.95
    assert 7.0e6 < theory < 7.5e6
    # t instead of the normal factor: (2.093 / 1.96)^2 = 1.14; three standard errors: 0.22.
    assert 0.92 <= np.mean(needed) / theory <= 1.36


def test_the_theory_of_the_experiments_themselves() -> None:
    """The variance of 400 means is known to 7 %; three of these, at 1500 independent values."""
    for load in (0.3, 0.5, 0.8):
        n = int(1_500 * relatedness(load))
        means = [waits(n, load, seed).mean() for seed in range(1, 401)]
        variance = load**3 * (2 - load) / (1 - load) ** 2
        assert abs(np.var(means, ddof=1) * n / relatedness(load) / variance - 1) < 0.21


@pytest.mark.parametrize(("n", "batches"), [(240, 20), (1003, 20), (1003, 7), (10, 20)])
def test_it_is_students_t_on_the_batches(n: int, batches: int) -> None:
    values = np.random.default_rng(1).exponential(1.0, n)
    k = min(batches, n)
    edges = [i * n // k for i in range(k + 1)]
    pieces = [values[a:b] for a, b in itertools.pairwise(edges)]
    sizes = [len(piece) for piece in pieces]
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    mean = sum(values) / n
    spread = sum(m * (sum(p) / m - mean) ** 2 for m, p in zip(sizes, pieces, strict=True))
    half = student_t.ppf(0.95, k - 1) * math.sqrt(spread / (k - 1) / n)
    interval = batch_means(values, 0.90, batches=batches)
    assert interval.estimate == pytest.approx(mean, rel=1e-12)
    assert interval.half_width == pytest.approx(half, rel=1e-10)
    assert (interval.n, interval.confidence) == (n, 0.90)


def test_fewer_values_than_the_check_needs_are_not_trusted() -> None:
    values = np.random.default_rng(1).normal(size=240)
    assert batch_means(values).trusted
    short = batch_means(values[:239])
    assert not short.trusted
    assert short.note == "too short to tell: 239 values, but 20 batches need 240"


def test_the_note_says_how_much_longer() -> None:
    """Autoregression with a relaxation time of 100: the check wants 240 pieces of about 222."""
    phi = math.exp(-1 / 100)
    wanted = 240 * 222
    for factor in (2, 5):
        advice = []
        for seed in range(1, 41):
            note = batch_means(autoregression(wanted // factor, phi, seed)).note
            assert "make the run about" in note
            advice.append(int(note.split("about ")[1].split(" ")[0]))
        assert factor <= np.mean(advice) <= factor + 1.5
    steady = [batch_means(autoregression(2 * wanted, phi, seed)).trusted for seed in range(1, 41)]
    assert all(steady)


def test_what_never_changes_is_known_exactly() -> None:
    for value in (0.0, 0.1, 1e9 + 0.1):
        interval = batch_means(np.full(1_000, value))
        assert (interval.estimate, interval.half_width, interval.trusted) == (value, 0.0, True)


def test_von_neumanns_ratio_is_two_less_twice_the_correlation() -> None:
    """Standard error of a lag-one correlation: 1 / sqrt(n) or less."""
    n = 100_000
    for phi in (-0.5, 0.0, 0.7):
        ratio = von_neumann_ratio(autoregression(n, phi, 1))
        assert abs(ratio - 2 * (1 - phi)) < 4 * 2 / math.sqrt(n)
    with pytest.raises(StatisticsError, match=r"von_neumann_ratio, values: are all 2\.0"):
        von_neumann_ratio([2.0, 2.0, 2.0])
