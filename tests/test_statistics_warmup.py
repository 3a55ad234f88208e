"""MSER-5 against its definition, and on sequences whose warm-up is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_lab.statistics import mser5

from .processes import autoregression, mean_wait, relatedness, waits


def by_definition(values: list[float]) -> tuple[int, bool]:
    """MSER-5, word for word: batches of five, the squared marginal standard error of each cut."""
    k = len(values) // 5
    batch = [sum(values[5 * j : 5 * j + 5]) / 5 for j in range(k)]

    def marginal(d: int) -> float:
        kept = batch[d:]
        mean = sum(kept) / len(kept)
        return sum((z - mean) ** 2 for z in kept) / len(kept) ** 2

    rule = [marginal(d) for d in range(k)]
    best = min(range(k - 5 + 1), key=lambda d: rule[d])
    if best <= k // 2:
        return 5 * best, True
    return 5 * min(range(k // 2 + 1), key=lambda d: rule[d]), False


@settings(max_examples=200, deadline=None)
@given(
    st.integers(50, 300),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    st.sampled_from([0, 20, 60, 200]),
)
def test_it_is_the_definition(n: int, seed: int, bias: float, length: int) -> None:
    values = np.random.default_rng(seed).normal(5.0, 1.0, n)
    values[:length] -= bias
    found = mser5(values)
    assert (found.index, found.trusted) == by_definition(values.tolist())


def test_it_is_the_definition_on_a_queue() -> None:
    for seed in range(1, 21):
        values = waits(2_000, 0.9, seed)
        found = mser5(values)
        assert (found.index, found.trusted) == by_definition(values.tolist())


def test_a_far_offset_does_not_disturb_it() -> None:
    values = np.random.default_rng(1).normal(0.0, 1.0, 2_000)
    values[:100] += 8.0
    assert mser5(values + 1e9).index == mser5(values).index == 100


@pytest.mark.parametrize("length", [100, 500, 1_000])
def test_a_shift_is_cut_where_it_ends(length: int) -> None:
    """A start three standard deviations off: found to the batch or the next few, in 50 of 50."""
    for seed in range(1, 51):
        values = np.random.default_rng(seed).normal(0.0, 1.0, 4_000)
        values[:length] += 3.0
        found = mser5(values)
        assert found.trusted
        assert length <= found.index <= length + 100


def test_the_bias_of_a_decaying_start_goes() -> None:
    """Bias 10 exp(-t / 100) on an autoregression: uncut, the mean of 5000 is off by 0.2."""
    bias = 10.0 * np.exp(-np.arange(5_000) / 100)
    raw, cut = [], []
    for seed in range(1, 51):
        values = autoregression(5_000, 0.5, seed) + bias
        raw.append(values.mean())
        cut.append(values[mser5(values) :].mean())
    error = np.std(cut, ddof=1) / np.sqrt(50)
    assert np.mean(raw) > 0.18
    assert abs(np.mean(cut)) < 3 * error + 0.01


def test_a_backlog_at_the_start_of_a_queue_goes() -> None:
    """Thirty mean waits of backlog, 300 independent waits' worth: 30 % off, then 2 % at most."""
    n = int(300 * relatedness(0.8))
    runs = [waits(n, 0.8, seed, backlog=30 * mean_wait(0.8)) for seed in range(1, 201)]
    raw = np.mean([run.mean() for run in runs]) / mean_wait(0.8)
    cut = np.array([run[mser5(run) :].mean() for run in runs]) / mean_wait(0.8)
    error = cut.std(ddof=1) / np.sqrt(200)
    assert 1.25 < raw < 1.35
    assert abs(cut.mean() - 1) < 0.02 + 3 * error


def test_what_it_costs_on_a_short_run_is_as_documented() -> None:
    """From empty, 90 % busy: the mean is low after the cut, by 5 % at 20 and under 1 % at 300."""
    for worth, least, most in ((20, 0.90, 0.98), (300, 0.985, 1.01)):
        n = int(worth * relatedness(0.9))
        runs = [waits(n, 0.9, seed) for seed in range(1, 401)]
        cut = np.mean([run[mser5(run) :].mean() for run in runs]) / mean_wait(0.9)
        assert least < cut < most


def test_a_run_without_warmup_loses_little() -> None:
    cuts = [mser5(autoregression(10_000, 0.5, seed)).index for seed in range(1, 101)]
    assert np.median(cuts) <= 100
    assert max(cuts) <= 3_000


def test_in_the_last_half_it_only_says_that_the_run_is_too_short() -> None:
    found = mser5(np.arange(1_000.0))
    assert not found.trusted
    assert found.index <= 500
    assert "in the last half" in found.note
    growing = mser5(waits(20_000, 1.2, 1))
    assert not growing.trusted


def test_alike_values_at_the_very_end_do_not_win() -> None:
    values = np.random.default_rng(1).normal(0.0, 1.0, 500)
    values[-10:] = values[-1]  # the last two batches are equal: MSER would be 0 there
    found = mser5(values)
    assert found.trusted
    assert found.index < 250


def test_it_is_an_index() -> None:
    values = np.concatenate([np.zeros(50), np.ones(450)])
    found = mser5(values)
    assert (found.index, found.n) == (50, 500)
    assert values[found:].size == 450
    assert values.tolist()[found:][0] == 1.0
    assert mser5(np.ones(500)).index == 0
