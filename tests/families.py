"""The distributions that the tests use, and how hypothesis makes any of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy import stats

from mesh_lab.distributions import (
    BoundedPareto,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    Histogram,
    HyperExponential,
    LogNormal,
    Mixture,
    Uniform,
    Weibull,
)

# each with SciPy's distribution, written from its own parameters
CONTINUOUS: list[tuple[Distribution, Any]] = [
    (Exponential(mean=0.02), stats.expon(scale=0.02)),
    (Uniform(low=0.01, high=0.05), stats.uniform(loc=0.01, scale=0.04)),
    (Gamma(mean=3.0, shape=0.5), stats.gamma(a=0.5, scale=6.0)),
    (Gamma(mean=0.1, shape=7.5), stats.gamma(a=7.5, scale=0.1 / 7.5)),
    (Erlang(mean=0.02, stages=4), stats.gamma(a=4, scale=0.005)),
    (LogNormal(mean=0.05, scv=4.0), stats.lognorm(s=math.log(5) ** 0.5, scale=0.05 / 5**0.5)),
    (LogNormal(mean=2.0, scv=0.01), stats.lognorm(s=math.log(1.01) ** 0.5, scale=2 / 1.01**0.5)),
    (Weibull(mean=1.0, shape=0.7), stats.weibull_min(c=0.7, scale=1 / math.gamma(1 + 1 / 0.7))),
    (Weibull(mean=1.0, shape=3.0), stats.weibull_min(c=3.0, scale=1 / math.gamma(4 / 3))),
    (BoundedPareto(low=0.5, high=50.0, alpha=1.1), stats.truncpareto(b=1.1, c=100.0, scale=0.5)),
    (BoundedPareto(low=1.0, high=8.0, alpha=1.0), stats.truncpareto(b=1.0, c=8.0)),
    (BoundedPareto(low=0.1, high=80.0, alpha=2.0), stats.truncpareto(b=2.0, c=800.0, scale=0.1)),
]
COMPOSED: list[Distribution] = [
    HyperExponential(means=(0.01, 0.1), probabilities=(0.9, 0.1)),
    HyperExponential.fit(mean=0.02, scv=9.0),
    Histogram(bounds=(0.0, 0.005, 0.01, 0.1, 1.0), counts=(10.0, 60.0, 0.0, 5.0)),
    Mixture(
        components=(Uniform(low=0.1, high=0.2), Erlang(mean=1.0, stages=3)),
        probabilities=(0.3, 0.7),
    ),
]
# with values of positive probability: mean, E[X^2] and E[exp(-X)] by hand
ATOMS: list[tuple[Distribution, tuple[float, float, float]]] = [
    (Deterministic(value=0.02), (0.02, 0.0004, math.exp(-0.02))),
    (Deterministic(value=0.0), (0.0, 0.0, 1.0)),
    (
        Empirical(values=(0.03, 0.01, 0.02, 0.01)),
        (0.07 / 4, 0.0015 / 4, (math.exp(-0.03) + 2 * math.exp(-0.01) + math.exp(-0.02)) / 4),
    ),
    (
        Empirical(values=(0.0, 1.0, 5.0), weights=(5.0, 3.0, 2.0)),
        (1.3, 5.3, 0.5 + 0.3 * math.exp(-1) + 0.2 * math.exp(-5)),
    ),
    (
        Mixture(
            components=(Deterministic(value=0.0), Exponential(mean=2.0)), probabilities=(0.6, 0.4)
        ),
        (0.8, 0.4 * 8.0, 0.6 + 0.4 / 3.0),
    ),
]
SMOOTH = [d for d, _ in CONTINUOUS] + COMPOSED
ALL = SMOOTH + [d for d, _ in ATOMS]

times = st.floats(1e-9, 1e9)
_shapes = st.floats(0.02, 1e4)
_shares = st.lists(st.integers(1, 1000), min_size=1, max_size=5).map(
    lambda counts: tuple(c / sum(counts) for c in counts)
)


def _histogram(widths: list[float], counts: list[int]) -> Histogram:
    edges = np.cumsum(widths[: len(counts)]).tolist()
    return Histogram(bounds=(0.0, *edges), counts=tuple(map(float, counts)))


simple: st.SearchStrategy[Distribution] = st.one_of(
    st.builds(Exponential, mean=times),
    st.builds(Deterministic, value=st.just(0.0) | times),
    st.builds(lambda low, ratio: Uniform(low=low, high=low * ratio), times, st.floats(1.001, 1e6)),
    st.builds(Gamma, mean=times, shape=_shapes),
    st.builds(Erlang, mean=times, stages=st.integers(1, 10_000)),
    st.builds(HyperExponential.fit, mean=times, scv=st.floats(1.0, 1e6)),
    st.builds(LogNormal, mean=times, scv=st.floats(1e-6, 1e6)),
    st.builds(Weibull, mean=times, shape=st.floats(0.02, 1000.0)),
    st.builds(
        lambda low, ratio, alpha: BoundedPareto(low=low, high=low * ratio, alpha=alpha),
        times,
        st.floats(1.001, 1e8),
        st.floats(0.01, 50.0),
    ),
    st.builds(Empirical, values=st.lists(times, min_size=1, max_size=8).map(tuple)),
    st.builds(
        _histogram,
        st.lists(st.floats(0.001, 10.0), min_size=6, max_size=6),
        st.lists(st.integers(1, 1000), min_size=1, max_size=6),
    ),
)

distributions: st.SearchStrategy[Distribution] = simple | _shares.flatmap(
    lambda p: st.builds(
        Mixture,
        components=st.lists(simple, min_size=len(p), max_size=len(p)).map(tuple),
        probabilities=st.just(p),
    )
)
