"""The mean without rows, against the mean with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_lab.errors import StatisticsError
from mesh_lab.statistics import RunningMean, batch_means

from .processes import mean_wait, relatedness, waits


def fed(values: np.ndarray, cuts: list[int]) -> RunningMean:
    running = RunningMean()
    for piece in np.split(values, sorted(cuts)):
        running.add(piece)
    return running


@settings(deadline=None)
@given(st.integers(2, 1919), st.integers(0, 2**32 - 1))
def test_as_long_as_all_values_fit_it_is_the_same(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).exponential(1.0, n)
    kept, run = batch_means(values), fed(values, []).interval()
    assert (run.estimate, run.half_width) == pytest.approx((kept.estimate, kept.half_width))
    assert (run.n, run.trusted, run.note) == (kept.n, kept.trusted, kept.note)


@settings(deadline=None)
@given(st.integers(1, 20_000), st.lists(st.integers(0, 20_000), max_size=8))
def test_how_it_is_fed_does_not_matter(n: int, cuts: list[int]) -> None:
    values = np.random.default_rng(1).exponential(1.0, n)
    whole, pieces, single = fed(values, []), fed(values, cuts), RunningMean()
    for value in values.tolist():
        single.add_one(value)
    assert whole.mean == pytest.approx(values.mean(), rel=1e-13)
    for other in (pieces, single):
        assert other.mean == pytest.approx(whole.mean, rel=1e-13)
        assert (other.count, other.size) == (n, whole.size)
        if n >= 2:
            half = whole.interval().half_width
            assert other.interval().half_width == pytest.approx(half, rel=1e-9)


def test_it_stays_small() -> None:
    running = fed(np.ones(1_000_000), [])
    assert running.size == 1024
    assert 960 <= running.count // running.size < 1920
    assert running._sums.size == 1920


def test_on_a_long_run_it_covers_and_agrees() -> None:
    """M/M/1 at 80 %, 1000 independent values' worth, seeds 1 to 200; 90 to 98 % for 95 %."""
    n = int(1_000 * relatedness(0.8))
    held, ratio, agree = 0, [], 0
    for seed in range(1, 201):
        values = waits(n, 0.8, seed)
        run, kept = fed(values, []).interval(), batch_means(values)
        held += mean_wait(0.8) in run
        agree += run.trusted == kept.trusted
        ratio.append(run.half_width / kept.half_width)
    assert 180 <= held <= 196
    assert agree >= 195
    assert 0.97 < np.mean(ratio) < 1.03


def test_a_short_run_is_not_trusted() -> None:
    n = int(20 * relatedness(0.9))
    assert not any(fed(waits(n, 0.9, seed), []).interval().trusted for seed in range(1, 51))


def test_bad_values_are_refused_and_change_nothing() -> None:
    running = fed(np.arange(5.0), [])
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(StatisticsError, match=r"RunningMean\.add_one, value: is"):
            running.add_one(bad)
        with pytest.raises(StatisticsError, match=r"RunningMean\.add, values: is .* at index 1"):
            running.add([1.0, bad])
    assert (running.count, running.mean) == (5, 2.0)
    assert math.isnan(RunningMean().mean)
    with pytest.raises(StatisticsError, match="has 0, but must have at least 2 values"):
        RunningMean().interval()
    assert repr(running) == "RunningMean(2, n=5)"
