"""Distributions: mean, scv, CDF and transform against SciPy, integration and other closed forms."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from mesh_lab.distributions import (
    BoundedPareto,
    Deterministic,
    Distribution,
    Empirical,
    HyperExponential,
    LogNormal,
    Mixture,
    Weibull,
)
from tests.families import ATOMS, CONTINUOUS, SMOOTH, distributions, times


def integral(f: Any, d: Distribution, size: float = 1.0) -> float:
    """Integrate a function of about `size` over 0 .. 4096 means, in pieces.

    Beyond, less than 1e-12 of each distribution here is left, and 1 - cdf is mostly rounding.
    """
    edges = {0.0, *(d.mean * 4.0**k for k in range(-12, 7))}
    for name in ("bounds", "low", "high"):  # where the CDF has a kink
        edges |= set(np.atleast_1d(getattr(d, name, [])).tolist())
    if isinstance(d, Mixture):
        edges |= {0.1, 0.2}
    return math.fsum(
        integrate.quad(f, a, b, epsabs=1e-11 * size, epsrel=1e-9, limit=200)[0]
        for a, b in pairwise(sorted(edges))
    )


def shown(value: Any) -> str:
    """Name a case; the reference's repr holds an address, which differs between processes."""
    return repr(value) if isinstance(value, Distribution) else ""


@pytest.mark.parametrize(("d", "reference"), CONTINUOUS, ids=shown)
def test_cdf_and_moments_are_scipys(d: Distribution, reference: Any) -> None:
    x = reference.ppf(np.linspace(0.0005, 0.9995, 400))
    assert np.abs(d.cdf(x) - reference.cdf(x)).max() < 1e-12
    assert d.mean == pytest.approx(reference.mean(), rel=1e-9)
    assert d.scv == pytest.approx(reference.var() / reference.mean() ** 2, rel=1e-8)


@pytest.mark.parametrize("d", SMOOTH, ids=repr)
def test_moments_are_integrals_of_the_cdf(d: Distribution) -> None:
    mean = integral(lambda x: 1.0 - d.cdf(x), d, d.mean)
    second = integral(lambda x: 2.0 * x * (1.0 - d.cdf(x)), d, 1000.0 * d.mean**2)
    assert d.mean == pytest.approx(mean, rel=1e-7)
    assert d.scv == pytest.approx(second / mean**2 - 1.0, rel=1e-5)


@pytest.mark.parametrize("relative", [0.01, 0.3, 1.0, 5.0, 100.0])
@pytest.mark.parametrize("d", SMOOTH, ids=repr)
def test_laplace_is_an_integral_of_the_cdf(d: Distribution, relative: float) -> None:
    s = relative / d.mean
    expected = integral(lambda x: s * math.exp(-s * x) * d.cdf(x), d)
    # beyond 4096 means the CDF is 1, and the rest of the integral exp(-4096 s mean)
    expected += math.exp(-4096.0 * relative)
    assert d.laplace(s) == pytest.approx(expected, abs=2e-10)


@pytest.mark.parametrize(("d", "by_hand"), ATOMS, ids=shown)
def test_atoms_by_hand(d: Distribution, by_hand: tuple[float, float, float]) -> None:
    mean, second, transform = by_hand
    assert d.mean == pytest.approx(mean, rel=1e-12)
    assert d.scv == pytest.approx(second / mean**2 - 1.0 if mean else 0.0, rel=1e-9, abs=1e-12)
    assert d.laplace(1.0) == pytest.approx(transform, rel=1e-12)


def test_the_cdf_of_atoms_is_right_continuous() -> None:
    seen = Empirical(values=(0.03, 0.01, 0.02, 0.01))
    points = [0.0, 0.0099, 0.01, 0.02, 0.0299, 0.03, 1.0]
    assert seen.cdf(points).tolist() == [0.0, 0.0, 0.5, 0.75, 0.75, 1.0, 1.0]
    assert Deterministic(value=2.0).cdf(2.0) == 1.0
    assert Deterministic(value=2.0).cdf(math.nextafter(2.0, 0.0)) == 0.0


@pytest.mark.parametrize("s", [1e-6, 0.01, 1.0, 30.0, 1000.0])
def test_transforms_that_have_another_closed_form(s: float) -> None:
    # a Weibull of shape 1 is exponential; one of shape 1/2 and mean 1 is E² / 2 for E exponential
    assert Weibull(mean=2.0, shape=1.0).laplace(s) == pytest.approx(1 / (1 + 2 * s), abs=1e-13)
    root = 1.0 / math.sqrt(2.0 * s)
    half = math.sqrt(math.pi) * root * special.erfcx(root)
    assert Weibull(mean=1.0, shape=0.5).laplace(s) == pytest.approx(half, abs=1e-12)
    # a bounded Pareto with an integer alpha: exponential integrals
    low, high = 0.01, 40.0
    for alpha in (1, 2, 5):
        tail = [special.expn(alpha + 1, s * x) * x**-alpha for x in (low, high)]
        expected = alpha * low**alpha * (tail[0] - tail[1]) / (1 - (low / high) ** alpha)
        d = BoundedPareto(low=low, high=high, alpha=float(alpha))
        assert d.laplace(s) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scv", [1e-6, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("s", [1e-3, 1.0, 1e3])
def test_lognormal_transforms_by_adaptive_quadrature(scv: float, s: float) -> None:
    d = LogNormal(mean=1.0, scv=scv)

    def f(z: float) -> float:
        return float(math.exp(-s * math.exp(d.mu + d.sigma * z)) * stats.norm.pdf(z))

    expected = math.fsum(
        integrate.quad(f, a, b, epsabs=1e-15, epsrel=1e-12)[0]
        for a, b in pairwise(np.linspace(-9.0, 9.0, 19).tolist())
    )
    assert d.laplace(s) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("s", [1e-55, 1e-3, 1.0, 1e20])
@pytest.mark.parametrize("alpha", [0.003, 0.02, 0.7])
def test_a_pareto_over_150_decades_by_adaptive_quadrature(alpha: float, s: float) -> None:
    d = BoundedPareto(low=1e-90, high=1e60, alpha=alpha)

    def f(t: float) -> float:  # in t = log(x / low)
        return alpha * math.exp(-min(s * d.low * math.exp(t), 1e3) - alpha * t)

    span = math.log(d.high / d.low)
    pieces = pairwise(np.linspace(0.0, span, 900).tolist())
    whole = math.fsum(integrate.quad(f, a, b, epsabs=1e-14, epsrel=1e-12)[0] for a, b in pieces)
    assert d.laplace(s) == pytest.approx(whole / -math.expm1(-alpha * span), abs=1e-10)


@given(distributions)
def test_what_holds_for_every_cdf_and_transform(d: Distribution) -> None:
    x = np.sort(np.append(d.draw(np.random.default_rng(1), 20), d.mean * np.logspace(-6, 6, 40)))
    below = d.cdf(x)
    assert (np.diff(below) >= -1e-12).all()
    assert below.min() >= 0.0
    assert below.max() <= 1.0
    assert d.cdf([-1.0, math.inf, -math.inf]).tolist() == [0.0, 1.0, 0.0]
    assert isinstance(d.cdf(1.0), float)
    assert d.cdf(np.ones((2, 3))).shape == (2, 3)

    assert d.laplace(0.0) == 1.0
    previous = 1.0
    for relative in (0.01, 1.0, 100.0):
        value = d.laplace(relative / max(d.mean, 1e-9))
        if d.mean > 0.0:
            assert value >= math.exp(-relative) - 1e-10  # Jensen's inequality
        assert value <= previous + 1e-10
        previous = value


@given(times, st.floats(1.0, 1e9))
def test_fit_has_the_moments_asked_for_and_balanced_means(mean: float, scv: float) -> None:
    d = HyperExponential.fit(mean=mean, scv=scv)
    assert d.mean == pytest.approx(mean, rel=1e-12)
    assert d.scv == pytest.approx(scv, rel=1e-9)
    work = [p * m for p, m in zip(d.probabilities, d.means, strict=True)]
    assert work[0] == pytest.approx(work[1], rel=1e-12)
