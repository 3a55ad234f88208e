"""The families of queueing theory: constant, uniform, exponential, and sums of exponentials.

Each is given by its mean, because load is arrival rate times mean service time; what else it needs
is a number without unit (Erlang's stages, gamma's shape).  Moments and transforms are textbook
closed forms; ``tests/test_distributions.py`` checks each against numerical integration.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import PartError
from ..parts import Count, NonNegative, Positive, part
from .base import Distribution, FloatArray, check_moments

__all__ = ["Deterministic", "Erlang", "Exponential", "Gamma", "Uniform"]


@part
class Deterministic(Distribution):
    """Always the same value.

    Parameters
    ----------
    value : float
        Seconds, 0 or more.

    Examples
    --------
    >>> Deterministic(value=0.02).scv
    0.0
    """

    value: NonNegative

    @property
    def mean(self) -> float:
        """The value, seconds."""
        return self.value

    @property
    def scv(self) -> float:
        """Nothing varies: 0."""
        return 0.0

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        return np.full(size, self.value)

    def _cdf(self, x: FloatArray) -> FloatArray:
        return (x >= self.value).astype(np.float64)

    def _laplace(self, s: float) -> float:
        return math.exp(-s * self.value)


@part
class Exponential(Distribution):
    """The memoryless distribution: what is left to wait does not depend on the wait so far.

    Parameters
    ----------
    mean : float
        Seconds, greater than 0.

    Examples
    --------
    >>> Exponential(mean=0.02)
    Exponential(mean=0.02)
    """

    mean: Positive

    def __post_init__(self) -> None:
        check_moments(self)

    @property
    def scv(self) -> float:
        """Always 1."""
        return 1.0

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        return rng.standard_exponential(size) * self.mean  # the same numbers, more quickly

    def _cdf(self, x: FloatArray) -> FloatArray:
        return -np.expm1(-x / self.mean)

    def _laplace(self, s: float) -> float:
        return 1.0 / (1.0 + s * self.mean)


@part
class Uniform(Distribution):
    """Every value between two bounds equally likely.

    Parameters
    ----------
    low : float
        Seconds, 0 or more.
    high : float
        Seconds, above `low`.

    Examples
    --------
    >>> Uniform(low=0.0, high=0.04).mean
    0.02
    """

    low: NonNegative
    high: Positive

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise PartError("", "high", f"is {self.high!r}, but must be above low ({self.low!r})")
        check_moments(self)

    @property
    def mean(self) -> float:
        """Halfway between the bounds, seconds."""
        return 0.5 * self.low + 0.5 * self.high

    @property
    def scv(self) -> float:
        """(high - low)² / 12 over mean²; 1/3 when `low` is 0."""
        relative = (self.high - self.low) / self.mean
        return relative * relative / 12.0

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        return rng.uniform(self.low, self.high, size)

    def _cdf(self, x: FloatArray) -> FloatArray:
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def _laplace(self, s: float) -> float:
        width = s * (self.high - self.low)
        # for a width below the smallest normal number the ratio is 1 to the last bit
        ratio = -math.expm1(-width) / width if width > 1e-300 else 1.0
        return math.exp(-s * self.low) * ratio


@part
class Gamma(Distribution):
    """The gamma distribution: any variability, from almost constant to very uneven.

    Parameters
    ----------
    mean : float
        Seconds, greater than 0.
    shape : float
        Greater than 0; ``scv`` is 1 / shape.  Shape 1 is the exponential.

    Examples
    --------
    >>> Gamma(mean=0.02, shape=0.5).scv
    2.0
    """

    mean: Positive
    shape: Positive

    def __post_init__(self) -> None:
        check_moments(self)

    @property
    def scv(self) -> float:
        """1 / shape."""
        return 1.0 / self.shape

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        return rng.gamma(self.shape, self.mean / self.shape, size)

    def _cdf(self, x: FloatArray) -> FloatArray:
        return _gamma_cdf(self.shape, x * (self.shape / self.mean))

    def _laplace(self, s: float) -> float:
        return _gamma_laplace(self.mean, self.shape, s)


@part
class Erlang(Distribution):
    """The sum of equal exponential stages: more regular than one exponential.

    Parameters
    ----------
    mean : float
        Of the whole sum, seconds, greater than 0.
    stages : int
        How many, 1 or more; ``scv`` is 1 / stages.

    Examples
    --------
    >>> Erlang(mean=0.02, stages=4).scv
    0.25
    """

    mean: Positive
    stages: Count

    def __post_init__(self) -> None:
        check_moments(self)

    @property
    def scv(self) -> float:
        """1 / stages."""
        return 1.0 / self.stages

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        return rng.gamma(self.stages, self.mean / self.stages, size)

    def _cdf(self, x: FloatArray) -> FloatArray:
        return _gamma_cdf(float(self.stages), x * (self.stages / self.mean))

    def _laplace(self, s: float) -> float:
        return _gamma_laplace(self.mean, float(self.stages), s)


def _gamma_cdf(shape: float, x: FloatArray) -> FloatArray:
    from scipy.special import gammainc  # imported when needed: it takes longer than the package

    return np.asarray(gammainc(shape, x), dtype=np.float64)


def _gamma_laplace(mean: float, shape: float, s: float) -> float:
    return math.exp(-shape * math.log1p(s * mean / shape))
