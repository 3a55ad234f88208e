"""Dependent sequences whose mean is known: what an interval must hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binom

Floats = NDArray[np.float64]


def waits(
    n: int, load: float, seed: int, *, response: bool = False, backlog: float = 0.0
) -> Floats:
    """Return waits (or responses) of M/M/1: arrival rate 1, service time `load`, empty at first.

    Lindley's recursion W' = max(0, W + S - A), as partial sums less their running minimum.
    """
    rng = np.random.default_rng(seed)
    service = rng.exponential(load, n)
    gaps = rng.exponential(1.0, n - 1)
    walk = backlog + np.concatenate(([0.0], np.cumsum(service[:-1] - gaps)))
    wait = walk - np.minimum(np.minimum.accumulate(walk), 0.0)
    return wait + service if response else wait


def mean_wait(load: float) -> float:
    return load * load / (1 - load)


def response_quantile(load: float, p: float) -> float:
    """The response of M/M/1 is exponential with mean service / (1 - load)."""
    return -np.log1p(-p) * load / (1 - load)


def relatedness(load: float) -> float:
    """How many waits of M/M/1 in a row tell as much as one independent wait would.

    The asymptotic variance of the mean wait over the variance of a wait; Daley (1968) as recalled,
    and checked in `test_statistics_batches` against the spread of simulated means.
    """
    asymptotic = load**2 * (2 + 5 * load - 4 * load**2 + load**3) * load / (1 - load) ** 4
    variance = load**2 * load * (2 - load) / (1 - load) ** 2
    return asymptotic / variance


def autoregression(n: int, phi: float, seed: int) -> Floats:
    """Return a stationary first-order autoregression with mean 0 and variance 1."""
    noise = np.random.default_rng(seed).standard_normal(n) * np.sqrt(1 - phi * phi)
    noise[0] /= np.sqrt(1 - phi * phi)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise))


def plausible(covered: int, trials: int, rate: float = 0.95, confidence: float = 0.999) -> bool:
    """Whether so many hits in so many trials go with this rate."""
    low, high = binom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], trials, rate)
    return bool(low <= covered <= high)
