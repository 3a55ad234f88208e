"""Uneven families: lognormal, Weibull and bounded Pareto, whose rare long values make the tails.

None has an elementary Laplace transform, so each is integrated in the variable in which the
integrand is smooth: the logarithm.  On the whole line the plain trapezoidal rule converges
geometrically for an integrand that is analytic in a strip |Im t| < d, with an error of the order
exp(-2 pi d / h) for step h (L. N. Trefethen and J. A. C. Weideman, "The Exponentially Convergent
Trapezoidal Rule", SIAM Review 56, 2014); on a finite interval Gauss-Legendre panels are used.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from ..errors import PartError
from ..parts import Positive, part
from .base import Distribution, FloatArray, check_moments

__all__ = ["BoundedPareto", "LogNormal", "Weibull"]


@part
class LogNormal(Distribution):
    """The logarithm is normal: products of many small factors, a usual fit of response times.

    Parameters
    ----------
    mean : float
        Seconds, greater than 0 (of the value itself, not of its logarithm).
    scv : float
        Squared coefficient of variation, greater than 0.

    Examples
    --------
    >>> LogNormal(mean=0.02, scv=4.0)
    LogNormal(mean=0.02, scv=4.0)
    """

    mean: Positive
    scv: Positive

    def __post_init__(self) -> None:
        check_moments(self)

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return math.sqrt(math.log1p(self.scv))

    @property
    def mu(self) -> float:
        """Mean of the logarithm of the value in seconds."""
        return math.log(self.mean) - 0.5 * math.log1p(self.scv)

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        return rng.lognormal(self.mu, self.sigma, size)

    def _cdf(self, x: FloatArray) -> FloatArray:
        from scipy.special import ndtr  # imported when needed: it takes longer than the package

        with np.errstate(divide="ignore"):
            return np.asarray(ndtr((np.log(x) - self.mu) / self.sigma), dtype=np.float64)

    def _laplace(self, s: float) -> float:
        # exp(-s exp(mu + sigma z)) stays bounded for |Im z| < pi / (2 sigma)
        step = min(0.5, 0.25 / self.sigma)
        count = math.ceil(9.0 / step)  # the normal density beyond 9 is below 1e-17
        z = step * np.arange(-count, count + 1)
        weight = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        inner = np.minimum(math.log(s) + self.mu + self.sigma * z, 700.0)
        return float(step * np.sum(weight * np.exp(-np.exp(inner))))


@part
class Weibull(Distribution):
    """A power of an exponential: ageing (shape above 1) or wearing in (shape below 1).

    Parameters
    ----------
    mean : float
        Seconds, greater than 0.
    shape : float
        From 0.01 to 1000.  Shape 1 is the exponential; below 1 the tail is heavier.

    Examples
    --------
    >>> round(Weibull(mean=0.02, shape=0.5).scv, 6)
    5.0
    """

    mean: Positive
    shape: Annotated[float, Ge(0.01), Le(1000)]

    def __post_init__(self) -> None:
        check_moments(self)

    @property
    def scale(self) -> float:
        """Seconds: the value is scale times a standard exponential to the power 1 / shape."""
        return self.mean / math.gamma(1.0 + 1.0 / self.shape)

    @property
    def scv(self) -> float:
        """From the gamma function: G(1 + 2/k) / G(1 + 1/k)² - 1 for shape k."""
        inverse = 1.0 / self.shape
        return math.expm1(math.lgamma(1.0 + 2.0 * inverse) - 2.0 * math.lgamma(1.0 + inverse))

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        values = rng.weibull(self.shape, size)
        values *= self.scale
        return values

    def _cdf(self, x: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return -np.expm1(-((x / self.scale) ** self.shape))

    def _laplace(self, s: float) -> float:
        # with E = exp(t), E exponential: density exp(t - exp(t)), value scale * exp(t / shape)
        step = 0.25 * min(1.0, self.shape)
        t = step * np.arange(math.floor(-40.0 / step), math.ceil(4.0 / step) + 1)
        inner = np.minimum(math.log(s * self.scale) + t / self.shape, 700.0)
        return float(step * np.sum(np.exp(t - np.exp(t) - np.exp(inner))))


@part
class BoundedPareto(Distribution):
    """A power law between two bounds: few requests that carry most of the work.

    P(X > x) falls as x to the power -alpha between `low` and `high`.

    Parameters
    ----------
    low : float
        Smallest value, seconds, greater than 0.
    high : float
        Largest value, seconds, above `low`.
    alpha : float
        Greater than 0; the smaller, the heavier the tail.

    Examples
    --------
    >>> sizes = BoundedPareto(low=0.001, high=10.0, alpha=1.1)
    >>> round(sizes.mean, 5), round(sizes.scv, 1)
    (0.00662, 110.0)
    """

    low: Positive
    high: Positive
    alpha: Positive

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise PartError("", "high", f"is {self.high!r}, but must be above low ({self.low!r})")
        check_moments(self)

    @property
    def _span(self) -> float:
        return math.log(self.high / self.low)

    @property
    def _kept(self) -> float:
        """The share of an unbounded Pareto that lies below `high`."""
        return -math.expm1(-self.alpha * self._span)

    def _moment(self, order: int) -> float:
        """E[(X / low)^order]: the integral of exp((order - alpha) t) over t = log(x / low)."""
        span = self._span
        growth = (order - self.alpha) * span
        relative = math.expm1(growth) / growth if growth != 0.0 else 1.0
        return self.alpha * span * relative / self._kept

    @property
    def mean(self) -> float:
        """Seconds; finite for every `alpha`, because the values are bounded."""
        return self.low * self._moment(1)

    @property
    def scv(self) -> float:
        """From the first two moments."""
        first = self._moment(1)
        return max(0.0, self._moment(2) / (first * first) - 1.0)

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        # Inversion, one uniform a value, with the scalar functions of `math`: NumPy's vectorised
        # ones differ in the last bits from one processor to another, and draws must not.
        low, kept, power = self.low, self._kept, -1.0 / self.alpha
        exp, log1p = math.exp, math.log1p
        uniforms = rng.random(size).tolist()
        values = np.array([low * exp(power * log1p(-kept * u)) for u in uniforms], dtype=np.float64)
        return np.clip(values, low, self.high, out=values)

    def _cdf(self, x: FloatArray) -> FloatArray:
        inside = np.clip(x, self.low, self.high)
        return -np.expm1(-self.alpha * np.log(inside / self.low)) / self._kept

    def _laplace(self, s: float) -> float:
        least = s * self.low
        if least > 745.0:  # exp(-745) is the last that is not 0
            return 0.0
        span = min(self._span, 45.0 / self.alpha, math.log(750.0 / least))
        panels = max(32, math.ceil(2.0 * span))
        nodes, weights = np.polynomial.legendre.leggauss(20)
        edges = np.linspace(0.0, span, panels + 1)[:-1]
        half = 0.5 * span / panels
        t = (edges[:, None] + half * (1.0 + nodes)).ravel()
        inside = np.exp(-least * np.exp(t) - self.alpha * t)
        integral = half * float(np.sum(np.tile(weights, panels) * inside))
        return self.alpha * integral / self._kept
