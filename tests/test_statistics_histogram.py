"""LogHistogram: its bins, its error bound, and that adding and merging lose nothing."""

from __future__ import annotations

import math
import pickle
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_lab.errors import StatisticsError
from mesh_lab.statistics import LogHistogram

anything = st.floats(0.0, sys.float_info.max, allow_nan=False)
normal = st.one_of(st.just(0.0), st.floats(1e-300, 1e300))
columns = st.lists(anything, max_size=80)


@given(st.lists(normal, min_size=1, max_size=200), st.floats(0.0, 1.0))
def test_quantiles_are_within_one_part_in_256(values: list[float], p: float) -> None:
    exact = float(np.quantile(values, p, method="inverted_cdf"))
    near = sorted(values)[max(0, math.ceil(len(values) * p) - 1)]
    found = LogHistogram(values).quantile(p)
    # Where len * p is a whole number but for rounding, either neighbour is the quantile.
    assert any(abs(found - e) <= e / 256 for e in (exact, near))


def test_the_error_bound_is_reached_and_never_passed() -> None:
    """A fine grid over two octaves: relative error up to 0.39 %, not above."""
    grid = np.linspace(1.0, 4.0, 20_001)
    worst = 0.0
    for value in grid:
        # Neighbours on both sides keep the answer from being clipped to the extremes.
        found = LogHistogram([0.5, value, value, value, 9.0]).quantile(0.5)
        worst = max(worst, abs(found / value - 1))
    assert 0.0038 < worst <= 1 / 256


def test_the_extremes_are_exact() -> None:
    histogram = LogHistogram([0.1, 0.7, 0.30000001])
    assert (histogram.min, histogram.max) == (0.1, 0.7)
    assert (histogram.quantile(0.0), histogram.quantile(1.0)) == (0.1, 0.7)
    one = LogHistogram([0.123456])
    assert [one.quantile(p) for p in (0.0, 0.5, 1.0)] == [0.123456] * 3


@given(columns)
def test_count_sum_and_mean_are_exact(values: list[float]) -> None:
    histogram = LogHistogram(values)
    total = sum(map(Fraction, values), Fraction(0))
    assert histogram.count == len(values)
    limit = Fraction(sys.float_info.max)
    if total <= limit:
        assert histogram.sum == float(total) == math.fsum(values)
    if values and total / len(values) <= limit:
        assert histogram.mean == float(total / len(values))


@given(columns, columns)
def test_merging_is_adding_in_any_order(first: list[float], second: list[float]) -> None:
    both = LogHistogram(first + second)
    assert LogHistogram(first).merge(LogHistogram(second)) == both
    assert LogHistogram(second).merge(LogHistogram(first)) == both
    backwards = LogHistogram()
    for value in reversed(first + second):
        backwards.add_one(value)
    assert backwards == both


@given(columns)
def test_arrays_and_pickles_give_it_back(values: list[float]) -> None:
    histogram = LogHistogram(values)
    assert LogHistogram.from_arrays(**histogram.to_arrays()) == histogram
    assert pickle.loads(pickle.dumps(histogram)) == histogram


def test_one_lost_value_makes_another_histogram() -> None:
    values = np.random.default_rng(1).exponential(1.0, 1_000)
    whole = LogHistogram(values)
    assert LogHistogram(values[:-1]) != whole
    assert LogHistogram(np.nextafter(values, 0.0)) != whole  # the same bins, another sum


def test_many_values_one_by_one() -> None:
    values = np.random.default_rng(1).lognormal(-3.0, 2.0, 10_000)
    histogram = LogHistogram()
    for i, value in enumerate(values.tolist(), start=1):
        histogram.add_one(value)
        assert i % 1_000 or histogram.count == i
    assert histogram == LogHistogram(values)
    assert histogram.sum == math.fsum(values)


def test_it_stays_small() -> None:
    """From a microsecond to an hour: 32 octaves of 128 bins at most."""
    values = np.geomspace(1e-6, 3_600.0, 100_000)
    arrays = LogHistogram(values).to_arrays()
    assert arrays["bins"].size <= 33 * 128
    assert int(arrays["counts"].sum()) == 100_000


def test_zero_and_what_is_next_to_it() -> None:
    histogram = LogHistogram([0.0, -0.0, 5e-324, 1e-310, 1.0])
    assert histogram.count == 5
    assert (histogram.min, histogram.max) == (0.0, 1.0)
    assert histogram.quantile(0.4) == 0.0
    x, share = histogram.ccdf()
    assert x.tolist() == [0.0, 1.0]
    assert share.tolist() == [1.0, 0.2]


def test_its_tail_is_the_data_s_at_bin_edges() -> None:
    values = np.random.default_rng(1).exponential(1.0, 5_000)
    x, share = LogHistogram(values).ccdf()
    assert np.array_equal(share, [np.mean(values >= edge) for edge in x])
    assert (x[0], share[0]) == (values.min(), 1.0)


def test_empty_is_not_an_error_but_has_no_values() -> None:
    empty = LogHistogram()
    assert (empty.count, empty.sum) == (0, 0.0)
    assert all(math.isnan(v) for v in (empty.mean, empty.min, empty.max, empty.quantile(0.5)))
    assert [a.size for a in empty.ccdf()] == [0, 0]
    assert repr(empty) == "LogHistogram(n=0, mean=nan, max=nan)"


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_impossible_values_are_refused_and_change_nothing(bad: float) -> None:
    histogram = LogHistogram([1.0])
    with pytest.raises(StatisticsError, match=r"LogHistogram\.add, values: is .* at index 1"):
        histogram.add([2.0, bad])
    with pytest.raises(StatisticsError, match=r"LogHistogram\.add_one, value: is"):
        histogram.add_one(bad)
    assert histogram == LogHistogram([1.0])


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(StatisticsError, match=r"p: is 1\.5, but must be from 0 to 1"):
        LogHistogram([1.0]).quantile(1.5)
    with pytest.raises(StatisticsError, match="other: is list"):
        LogHistogram().merge([1.0])  # type: ignore[arg-type]
    arrays = LogHistogram([1.0, 2.0]).to_arrays()
    with pytest.raises(StatisticsError, match="as many counts as bins"):
        LogHistogram.from_arrays(**{**arrays, "counts": [1]})
    with pytest.raises(StatisticsError, match="a count of at least 1"):
        LogHistogram.from_arrays(**{**arrays, "counts": [1, -1]})
