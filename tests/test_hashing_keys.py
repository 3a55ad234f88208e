"""Keys of requests: how often each is asked for."""

from __future__ import annotations

import bisect
import math

import numpy as np
import pytest

from mesh_lab.errors import PartError
from mesh_lab.sources.keys import Keys

LAST = math.nextafter(1.0, 0.0)


def test_without_an_exponent_all_keys_are_equally_likely() -> None:
    keys = Keys(8)
    grid = (np.arange(8000) + 0.5) / 8000
    assert np.bincount(keys.numbers(grid)).tolist() == [1000] * 8
    assert keys.popularity().tolist() == [0.125] * 8


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_zipfs_law_gives_every_key_its_share_of_the_unit_interval(exponent: float) -> None:
    keys = Keys(50, exponent=exponent)
    total = math.fsum(k**-exponent for k in range(1, 51))
    shares = [k**-exponent / total for k in range(1, 51)]
    assert keys.popularity().tolist() == pytest.approx(shares, rel=1e-12)
    grid = (np.arange(200_000) + 0.5) / 200_000
    numbers = keys.numbers(grid)
    assert (np.diff(numbers) >= 0).all()  # the inverse of a distribution never falls
    held = np.bincount(numbers, minlength=50)
    assert np.abs(held - 200_000 * np.array(shares)).max() <= 1.0


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_numbers_are_where_the_cumulated_distribution_exceeds_the_draw(
    exponent: float, seed: int
) -> None:
    keys = Keys(1000, exponent=exponent)
    draws = np.random.default_rng(seed).random(2000)
    total, so_far, steps = math.fsum(k**-exponent for k in range(1, 1001)), 0.0, []
    for k in range(1, 1001):
        so_far += k**-exponent / total
        steps.append(so_far)
    assert keys.numbers(draws).tolist() == [bisect.bisect_right(steps, draw) for draw in draws]


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_a_draw_on_the_border_belongs_to_the_next_key(exponent: float) -> None:
    keys = Keys(4, exponent=exponent)
    border = keys.popularity()[0]
    draws = np.array([math.nextafter(border, 0.0), border])
    assert keys.numbers(draws).tolist() == [0, 1]


@pytest.mark.parametrize("exponent", [0.0, 0.3, 1.0, 40.0])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 49, 1023, 1025, 99_991, 100_000, 2**20 + 1])
def test_every_draw_gives_a_key(count: int, exponent: float) -> None:
    numbers = Keys(count, exponent=exponent).numbers(np.array([0.0, LAST]))
    assert numbers.dtype == np.int64
    assert numbers[0] == 0
    assert 0 <= numbers[1] <= count - 1
    assert Keys(count, exponent=exponent).numbers(np.empty(0)).tolist() == []


def test_texts_tell_keys_apart() -> None:
    assert [Keys(3).text(k) for k in range(3)] == ["key-0", "key-1", "key-2"]
    assert Keys(3, prefix="/users/").text(2) == "/users/2"
    assert repr(Keys(3, exponent=1.0)) == "Keys(3, exponent=1.0)"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"count": 0}, "count: is 0"),
        ({"count": -1}, "count: is -1"),
        ({"count": 2.5}, "count: is 2.5"),
        ({"count": 3, "exponent": -0.1}, "exponent: is -0.1"),
        ({"count": 3, "exponent": math.nan}, "exponent: is nan"),
        ({"count": 3, "exponent": math.inf}, "exponent: is inf"),
    ],
)
def test_keys_that_cannot_be_are_refused(arguments: dict[str, float], problem: str) -> None:
    with pytest.raises(PartError, match=problem):
        Keys(**arguments)  # type: ignore[arg-type]
