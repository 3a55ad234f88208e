"""Draws follow the CDF, repeat, and can be compared between scenarios.

The statistical test is Kolmogorov-Smirnov's with 400 000 draws at a confidence of 99.999 % (a bound
of 0.0039), with seeds 1, 2 and 3; it must reject the same draws made 3 % longer.  That neighbours
are independent is checked by their correlation, at the same confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mesh_lab.distributions import (
    BoundedPareto,
    Deterministic,
    Distribution,
    Erlang,
    Exponential,
    Gamma,
    HyperExponential,
    LogNormal,
    Mixture,
    Uniform,
    Weibull,
)
from mesh_lab.errors import MeshLabError, PartError
from mesh_lab.parts import part
from tests.families import ALL, distributions

DRAWS = 400_000
BOUND = math.sqrt(-math.log(1e-5 / 2) / 2) / math.sqrt(DRAWS)

Floats = NDArray[np.float64]


def distance(values: Floats, d: Distribution) -> float:
    """Kolmogorov-Smirnov distance, right also where the distribution has atoms."""
    distinct, counts = np.unique(values, return_counts=True)
    up_to = np.cumsum(counts) / values.size
    before = up_to - counts / values.size
    above = up_to - d.cdf(distinct)
    below = d.cdf(np.nextafter(distinct, -1.0)) - before
    return float(max(above.max(), below.max()))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("d", ALL, ids=repr)
def test_draws_follow_the_cdf_and_a_planted_error_is_found(d: Distribution, seed: int) -> None:
    values = d.draw(np.random.default_rng(seed), DRAWS)
    assert values.dtype == np.float64
    assert values.shape == (DRAWS,)
    assert distance(values, d) < BOUND
    if d.mean > 0.0:
        assert distance(1.03 * values, d) > BOUND


@pytest.mark.parametrize("d", [d for d in ALL if d.scv > 0.0], ids=repr)
def test_draws_do_not_depend_on_their_place(d: Distribution) -> None:
    values = d.draw(np.random.default_rng(1), DRAWS)
    assert distance(values[: DRAWS // 100], d) < 10.0 * BOUND
    ranks = d.cdf(values)
    neighbours = np.corrcoef(ranks[1:], ranks[:-1])[0, 1]
    assert abs(neighbours) < 4.42 / math.sqrt(DRAWS)  # 99.999 %


@given(distributions)
def test_draws_are_finite_never_negative_and_repeat(d: Distribution) -> None:
    values = d.draw(np.random.default_rng(1), 50)
    assert values.dtype == np.float64
    assert np.isfinite(values).all()
    assert (values >= 0.0).all()
    assert np.array_equal(values, d.draw(np.random.default_rng(1), 50))
    assert d.draw(np.random.default_rng(1), 0).shape == (0,)


anything = st.floats() | st.sampled_from([5e-324, 1e-308, 1e-150, 1e150, 1e308, 0.0, -1.0])


@given(
    st.sampled_from(
        [Exponential, Gamma, LogNormal, Weibull, Uniform, BoundedPareto, Deterministic]
    ),
    st.lists(anything, min_size=3, max_size=3),
)
def test_any_numbers_are_refused_or_work(family: Any, numbers: list[float]) -> None:
    names = list(family.__dataclass_fields__)
    try:
        d = family(**dict(zip(names, numbers, strict=False)))
    except MeshLabError:
        return
    values = d.draw(np.random.default_rng(1), 20)  # which checks that they are finite and >= 0
    assert math.isfinite(d.mean)
    assert d.scv >= 0.0
    assert 0.0 <= d.laplace(1.0) <= 1.0
    assert ((d.cdf(values) >= 0.0) & (d.cdf(values) <= 1.0)).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda m: Exponential(mean=m),
        lambda m: Gamma(mean=m, shape=0.5),
        lambda m: Erlang(mean=m, stages=3),
        lambda m: HyperExponential.fit(mean=m, scv=4.0),
        lambda m: LogNormal(mean=m, scv=4.0),
        lambda m: Weibull(mean=m, shape=0.5),
        lambda m: BoundedPareto(low=m, high=100.0 * m, alpha=1.5),
    ],
)
def test_a_longer_mean_stretches_the_same_draws(make: Callable[[float], Distribution]) -> None:
    """Two scenarios that differ in a mean meet the same customers, only longer."""
    one = make(1.0).draw(np.random.default_rng(1), 1000)
    two = make(2.0).draw(np.random.default_rng(1), 1000)
    assert np.allclose(two, 2.0 * one, rtol=1e-12, atol=0.0)


def test_an_impossible_choice_is_never_made() -> None:
    """Not even with the largest uniform number, beyond a sum a little below 1."""
    d = Mixture(
        components=(Exponential(mean=1.0), Deterministic(value=7.0), Uniform(low=8.0, high=9.0)),
        probabilities=(1.0 - 5e-10, 0.0, 0.0),
    )

    class Largest(np.random.Generator):
        def random(self, size: Any = None, *_: Any, **__: Any) -> Any:
            return np.full(size, math.nextafter(1.0, 0.0))

    values = d.draw(Largest(np.random.PCG64(1)), 100)
    assert np.array_equal(values, Exponential(mean=1.0).draw(np.random.default_rng(1), 100))


@part
class Broken(Distribution):
    value: float

    def _draw(self, rng: np.random.Generator, size: int) -> Floats:
        return np.full(size, self.value)

    def _cdf(self, x: Floats) -> Floats:
        return x

    def _laplace(self, s: float) -> float:
        return s


@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_a_family_that_draws_nonsense_is_stopped(value: float) -> None:
    with pytest.raises(PartError, match="Broken, draw: gave a value that is negative, infinite or"):
        Broken(value=value).draw(np.random.default_rng(1), 3)


@pytest.mark.parametrize("size", [-1, 2.0, True, "3"])
def test_size_must_be_a_count(size: Any) -> None:
    with pytest.raises(PartError, match=r"Exponential, size: is .*, but must be an integer, 0 or"):
        Exponential(mean=1.0).draw(np.random.default_rng(1), size)
