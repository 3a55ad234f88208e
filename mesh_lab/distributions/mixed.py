"""Mixtures: first choose which kind of request it is, then draw from that kind.

The hyperexponential is the mixture of exponentials, the usual stand-in for "more variable than
exponential" in theory.  Choosing and drawing use separate numbers of the stream.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from ..errors import PartError
from ..parts import Positive, Probability, part
from .base import Distribution, FloatArray, check_moments, check_probabilities, thresholds

__all__ = ["HyperExponential", "Mixture"]


@part
class HyperExponential(Distribution):
    """One of several exponentials, chosen with given probabilities.

    Parameters
    ----------
    means : tuple of float
        Seconds, each greater than 0, at least one.
    probabilities : tuple of float
        As many, summing to 1.

    Examples
    --------
    >>> HyperExponential(means=(0.01, 0.09), probabilities=(0.75, 0.25)).mean
    0.03
    """

    means: tuple[Positive, ...]
    probabilities: tuple[Probability, ...]

    def __post_init__(self) -> None:
        _check_choices("means", self.means, self.probabilities)
        check_moments(self)

    @staticmethod
    def fit(*, mean: float, scv: float) -> HyperExponential:
        """Return the two-branch hyperexponential of a mean and an `scv`, with balanced means.

        Balanced means that each branch carries half of the work: p1 m1 = p2 m2 = mean / 2.  With
        the second moment that leaves one solution, p = (1 ± sqrt((scv - 1) / (scv + 1))) / 2.

        Parameters
        ----------
        mean : float
            Seconds, greater than 0.
        scv : float
            Squared coefficient of variation, 1 or more.

        Raises
        ------
        PartError
            When `mean` or `scv` is out of range.

        Examples
        --------
        >>> fitted = HyperExponential.fit(mean=0.02, scv=4.0)
        >>> round(fitted.mean, 12), round(fitted.scv, 12)
        (0.02, 4.0)
        """
        mean, scv = float(mean), float(scv)
        if not 0.0 < mean < math.inf:
            raise PartError(
                "HyperExponential.fit", "mean", f"is {mean!r}, but must be finite and above 0"
            )
        if not 1.0 <= scv < math.inf:
            raise PartError(
                "HyperExponential.fit",
                "scv",
                f"is {scv!r}, but must be finite and at least 1 (below 1, use Erlang or Gamma)",
            )
        root = math.sqrt((scv - 1.0) / (scv + 1.0))
        often = 0.5 * (1.0 + root)
        rarely = 1.0 / ((scv + 1.0) * (1.0 + root))  # 1 - often, without cancellation
        return HyperExponential(
            means=(mean / (2.0 * often), mean / (2.0 * rarely)), probabilities=(often, rarely)
        )

    @property
    def mean(self) -> float:
        """Seconds."""
        return math.fsum(p * m for p, m in zip(self.probabilities, self.means, strict=True))

    @property
    def scv(self) -> float:
        """Variance / mean²: 1 or more."""
        return _mixed_scv(self.probabilities, self.means, [1.0] * len(self.means))

    @functools.cached_property
    def _choices(self) -> tuple[FloatArray, FloatArray]:
        return thresholds(self.probabilities), np.array(self.means)

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        steps, means = self._choices
        branch = np.searchsorted(steps, rng.random(size), side="right")
        return rng.standard_exponential(size) * means[branch]

    def _cdf(self, x: FloatArray) -> FloatArray:
        total = np.zeros_like(x)
        for p, m in zip(self.probabilities, self.means, strict=True):
            total -= p * np.expm1(-x / m)
        return total

    def _laplace(self, s: float) -> float:
        return math.fsum(
            p / (1.0 + s * m) for p, m in zip(self.probabilities, self.means, strict=True)
        )


@part
class Mixture(Distribution):
    """One of several distributions, chosen with given probabilities: two kinds of request.

    Parameters
    ----------
    components : tuple of Distribution
        At least one.
    probabilities : tuple of float
        As many, summing to 1.

    Examples
    --------
    >>> from mesh_lab.distributions import Deterministic, Exponential
    >>> page = Mixture(
    ...     components=(Deterministic(value=0.001), Exponential(mean=0.05)),
    ...     probabilities=(0.8, 0.2),
    ... )
    >>> round(page.mean, 4)
    0.0108
    """

    components: tuple[Distribution, ...]
    probabilities: tuple[Probability, ...]

    def __post_init__(self) -> None:
        _check_choices("components", self.components, self.probabilities)
        check_moments(self)

    @property
    def mean(self) -> float:
        """Seconds."""
        return math.fsum(
            p * c.mean for p, c in zip(self.probabilities, self.components, strict=True)
        )

    @property
    def scv(self) -> float:
        """Variance within the components and between them, over mean²."""
        means = [c.mean for c in self.components]
        return _mixed_scv(self.probabilities, means, [c.scv for c in self.components])

    @functools.cached_property
    def _steps(self) -> FloatArray:
        return thresholds(self.probabilities)

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        chosen = np.searchsorted(self._steps, rng.random(size), side="right")
        values = np.empty(size)
        for i, component in enumerate(self.components):
            mine = np.flatnonzero(chosen == i)
            if mine.size:
                values[mine] = component.draw(rng, int(mine.size))
        return values

    def _cdf(self, x: FloatArray) -> FloatArray:
        total = np.zeros_like(x)
        for p, c in zip(self.probabilities, self.components, strict=True):
            total += p * c.cdf(x)
        return total

    def _laplace(self, s: float) -> float:
        return math.fsum(
            p * c.laplace(s) for p, c in zip(self.probabilities, self.components, strict=True)
        )


def _check_choices(field: str, choices: Sequence[object], probabilities: Sequence[float]) -> None:
    if not choices:
        raise PartError("", field, "is empty, but must hold at least one")
    if len(choices) != len(probabilities):
        raise PartError(
            "", "probabilities", f"has {len(probabilities)} values, but {field} has {len(choices)}"
        )
    check_probabilities(probabilities)


def _mixed_scv(
    probabilities: Sequence[float], means: Sequence[float], scvs: Sequence[float]
) -> float:
    """Return variance / mean² from parts relative to the mean: no cancellation, no overflow."""
    mean = math.fsum(p * m for p, m in zip(probabilities, means, strict=True))
    if mean == 0.0:
        return 0.0
    return math.fsum(
        p * ((m / mean) * (m / mean) * scv + (m / mean - 1.0) * (m / mean - 1.0))
        for p, m, scv in zip(probabilities, means, scvs, strict=True)
    )
