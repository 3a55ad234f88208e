"""Time averages and Little's law, against adding up second by second."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mesh_lab.statistics import ccdf, littles_law, time_average

from .processes import waits

steps = st.lists(st.tuples(st.integers(0, 20), st.integers(-5, 5)), min_size=1, max_size=30).map(
    lambda pairs: sorted(pairs, key=lambda pair: pair[0])
)


def added_up(pairs: list[tuple[int, int]], start: int, end: int) -> float:
    total = 0
    for second in range(start, end):
        total += [value for time, value in pairs if time <= second][-1]
    return total / (end - start)


@given(steps, st.integers(0, 25), st.integers(1, 10))
def test_a_time_average_adds_up_every_second(
    pairs: list[tuple[int, int]], start: int, length: int
) -> None:
    assume(pairs[0][0] <= start)
    times, values = zip(*pairs, strict=True)
    found = time_average(times, values, start, start + length)
    assert found == pytest.approx(added_up(pairs, start, start + length), abs=1e-12)


def test_a_time_average_is_not_the_average_of_the_changes() -> None:
    times, values = [0.0, 9.0, 10.0], [0.0, 10.0, 0.0]
    assert time_average(times, values, end=10.0) == 1.0
    assert np.mean(values) > 3.0


stays = st.lists(
    st.tuples(st.integers(0, 20), st.one_of(st.none(), st.integers(0, 10))), max_size=30
)


@given(stays, st.integers(0, 20), st.integers(1, 15))
def test_littles_law_closes_on_any_stays_and_stretch(
    pairs: list[tuple[int, int | None]], start: int, length: int
) -> None:
    end = start + length
    arrival = np.array([a for a, _ in pairs], dtype=float)
    finish = np.array([math.nan if d is None else a + d for a, d in pairs], dtype=float)
    law = littles_law(arrival, finish, start, end)
    gone = [math.inf if d is None else a + d for a, d in pairs]
    present = sum(
        a <= second < g
        for (a, _), g in zip(pairs, gone, strict=True)
        for second in range(start, end)
    )
    assert law.in_system == pytest.approx(present / length, abs=1e-12)
    assert law.n == sum(start <= a < end for a, _ in pairs)
    assert law.residual == pytest.approx(0.0, abs=1e-9)


def test_over_a_whole_run_there_are_no_edges() -> None:
    response = waits(5_000, 0.8, 1, response=True)
    arrival = np.cumsum(np.random.default_rng(2).exponential(1.0, 5_000))
    finish = arrival + response
    law = littles_law(arrival, finish, 0.0, finish.max())
    assert law.edges == 0.0
    assert law.in_system == pytest.approx(law.rate * law.response, rel=1e-12)
    assert law.residual == pytest.approx(0.0, abs=1e-9)


def test_a_timeline_that_lost_a_request_is_found_out() -> None:
    arrival, finish = np.array([0.0, 1.0, 2.0]), np.array([4.0, 5.0, 3.0])
    honest = time_average([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [1, 2, 3, 2, 1, 0], end=10.0)
    lossy = time_average([0.0, 1.0, 4.0, 5.0], [1, 2, 1, 0], end=10.0)
    assert littles_law(arrival, finish, 0.0, 10.0, in_system=honest).residual == pytest.approx(0.0)
    assert littles_law(arrival, finish, 0.0, 10.0, in_system=lossy).residual == pytest.approx(-0.1)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.integers(2, 50))
def test_the_tail_s_shares_are_those_of_the_data(values: list[float], points: int) -> None:
    x, share = ccdf(values, points)
    column = np.asarray(values)
    assert x.size <= points
    assert (x[0], x[-1]) == (column.min(), column.max())
    assert np.all(np.diff(x) > 0)
    assert np.array_equal(share, [np.mean(column >= point) for point in x])


def test_the_tail_keeps_its_detail() -> None:
    x, share = ccdf(np.random.default_rng(1).exponential(1.0, 100_000), 200)
    assert 150 <= x.size <= 200
    assert np.count_nonzero(share < 0.01) >= 60
    assert np.diff(np.log10(share[::-1]))[20:].max() < 0.06
