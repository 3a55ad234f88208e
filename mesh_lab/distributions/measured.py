"""Distributions taken from measurements: the values themselves, or the buckets of a histogram.

`Empirical` gives back measured values, nothing between or beyond them.  `Histogram` knows only how
many values fell between two bounds and takes them as uniform there, which is what Prometheus'
``histogram_quantile`` assumes too (Prometheus documentation, "Query functions":
linear interpolation within a bucket).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PartError
from ..parts import NonNegative, Positive, part, shown
from .base import Distribution, FloatArray, check_moments, thresholds

__all__ = ["Empirical", "Histogram"]

SHOWN_IN_FULL = 24


@part
class Empirical(Distribution):
    """Measured values, each drawn again as often as it was seen (or as its weight says).

    Parameters
    ----------
    values : tuple of float
        Seconds, each 0 or more, at least one.
    weights : tuple of float, optional
        As many, each greater than 0; only their ratios matter.  Without: all equal.

    Examples
    --------
    >>> seen = Empirical(values=(0.01, 0.02, 0.09))
    >>> round(seen.mean, 4), seen.cdf(0.02) == 2 / 3
    (0.04, True)
    """

    values: tuple[NonNegative, ...]
    weights: tuple[Positive, ...] | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise PartError("", "values", "is empty, but must hold at least one measurement")
        if self.weights is not None and len(self.weights) != len(self.values):
            raise PartError(
                "", "weights", f"has {len(self.weights)} values, but values has {len(self.values)}"
            )
        check_moments(self)

    @staticmethod
    def from_histogram(
        bounds: ArrayLike,
        counts: ArrayLike,
        *,
        cumulative: bool,
        first: float = 0.0,
        last: float | None = None,
    ) -> Histogram:
        """Return the distribution that a histogram describes, uniform inside each bucket.

        Parameters
        ----------
        bounds : array_like of float, shape (n,)
            The upper bound of each bucket, seconds, increasing; the last may be ``inf``, as in
            what Prometheus exports (``le="+Inf"``).
        counts : array_like of float, shape (n,)
            How many values fell into each bucket.
        cumulative : bool
            Whether each count includes all smaller buckets (as Prometheus' classic histograms do)
            or is the bucket's own.  There is no default: the two are easily confused.
        first : float, default 0
            The lower bound of the first bucket, seconds.
        last : float, optional
            The upper bound to assume for the ``inf`` bucket, seconds.  Needed when that bucket
            holds anything: a histogram does not say how large its largest values were.

        Raises
        ------
        PartError
            When the bounds do not increase, a count is negative, a cumulative count falls, nothing
            was counted, or the ``inf`` bucket holds values and `last` is not given.

        Examples
        --------
        >>> latency = Empirical.from_histogram(
        ...     [0.01, 0.1, float("inf")], [60, 95, 100], cumulative=True, last=1.0)
        >>> latency
        Histogram(bounds=(0.0, 0.01, 0.1, 1.0), counts=(60.0, 35.0, 5.0))
        """
        label = "Empirical.from_histogram"
        upper = _numbers(label, "bounds", bounds).tolist()
        own = _numbers(label, "counts", counts)
        if own.size != len(upper):
            raise PartError(label, "counts", f"has {own.size} values, but bounds has {len(upper)}")
        if cumulative:
            own = np.diff(own, prepend=0.0)
            if own.min() < 0.0:
                at = int(np.argmin(own >= 0.0))
                raise PartError(
                    label,
                    "counts",
                    f"falls at bound {upper[at]!r}, but cumulative counts never do "
                    "(are they each bucket's own? then say cumulative=False)",
                )
        tally = own.tolist()
        if upper[-1] == math.inf:
            if tally[-1] == 0.0 and len(upper) > 1:
                upper, tally = upper[:-1], tally[:-1]
            elif last is None:
                raise PartError(
                    label,
                    "last",
                    f"is missing, but the bucket up to +Inf holds {tally[-1]:g} values: "
                    "give last=, the largest value to assume for them, in seconds",
                )
            else:
                upper[-1] = float(last)
        elif last is not None:
            raise PartError(label, "last", "is given, but there is no bucket up to +Inf")
        return Histogram(bounds=(float(first), *upper), counts=tuple(tally))

    @functools.cached_property
    def _sorted(self) -> tuple[FloatArray, FloatArray]:
        """The distinct order of the values, and the probability up to and including each."""
        values = np.array(self.values)
        order = np.argsort(values, kind="stable")
        weights = np.ones(values.size) if self.weights is None else np.array(self.weights)
        return values[order], thresholds(weights[order])

    @functools.cached_property
    def _moments(self) -> tuple[float, float]:
        weights = (1.0,) * len(self.values) if self.weights is None else self.weights
        total = math.fsum(weights)
        mean = math.fsum(w / total * v for w, v in zip(weights, self.values, strict=True))
        if mean == 0.0:
            return 0.0, 0.0
        spread = ((v / mean - 1.0, w / total) for w, v in zip(weights, self.values, strict=True))
        return mean, math.fsum(w * d * d for d, w in spread)

    @property
    def mean(self) -> float:
        """Of the measured values, seconds."""
        return self._moments[0]

    @property
    def scv(self) -> float:
        """Variance of the measured values (divided by n) over mean²."""
        return self._moments[1]

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        values, steps = self._sorted
        return values[np.searchsorted(steps, rng.random(size), side="right")]

    def _cdf(self, x: FloatArray) -> FloatArray:
        values, steps = self._sorted
        return np.concatenate(([0.0], steps))[np.searchsorted(values, x, side="right")]

    def _laplace(self, s: float) -> float:
        values, steps = self._sorted
        return float(np.sum(np.diff(steps, prepend=0.0) * np.exp(-s * values)))

    def __repr__(self) -> str:
        if len(self.values) <= SHOWN_IN_FULL:
            return shown(self)
        return f"<Empirical: {len(self.values)} values, mean {self.mean:.4g}, scv {self.scv:.4g}>"


@part
class Histogram(Distribution):
    """Counts between bounds, uniform inside each bucket (see `Empirical.from_histogram`).

    Parameters
    ----------
    bounds : tuple of float
        The n + 1 edges of the buckets, seconds, increasing, the first 0 or more.
    counts : tuple of float
        The n buckets' own counts, each 0 or more; only their ratios matter.

    Examples
    --------
    >>> Histogram(bounds=(0.0, 0.01, 0.03), counts=(3, 1)).mean
    0.00875
    """

    bounds: tuple[NonNegative, ...]
    counts: tuple[NonNegative, ...]

    def __post_init__(self) -> None:
        if len(self.counts) < 1 or len(self.bounds) != len(self.counts) + 1:
            raise PartError(
                "",
                "counts",
                f"has {len(self.counts)} values and bounds has {len(self.bounds)}, "
                "but there must be one bucket or more, and one more bound than buckets",
            )
        for low, high in zip(self.bounds, self.bounds[1:], strict=False):
            if not low < high:
                raise PartError("", "bounds", f"must increase, but {high!r} comes after {low!r}")
        if math.fsum(self.counts) == 0.0:
            raise PartError("", "counts", "are all 0, but at least one must be positive")
        check_moments(self)

    @functools.cached_property
    def _steps(self) -> FloatArray:
        return thresholds(self.counts)

    @functools.cached_property
    def _edges(self) -> FloatArray:
        return np.array(self.bounds)

    @functools.cached_property
    def _moments(self) -> tuple[float, float]:
        total = math.fsum(self.counts)
        rows = [
            (count / total, 0.5 * low + 0.5 * high, high - low)
            for count, low, high in zip(self.counts, self.bounds, self.bounds[1:], strict=False)
        ]
        mean = math.fsum(p * middle for p, middle, _ in rows)
        between = ((p, middle / mean - 1.0, width / mean) for p, middle, width in rows)
        return mean, math.fsum(p * (d * d + w * w / 12.0) for p, d, w in between)

    @property
    def mean(self) -> float:
        """Seconds, with the middle of each bucket as its mean."""
        return self._moments[0]

    @property
    def scv(self) -> float:
        """Variance between the buckets and inside them, over mean²."""
        return self._moments[1]

    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        bucket = np.searchsorted(self._steps, rng.random(size), side="right")
        low = self._edges[bucket]
        return low + rng.random(size) * (self._edges[bucket + 1] - low)

    def _cdf(self, x: FloatArray) -> FloatArray:
        return np.interp(x, self._edges, np.concatenate(([0.0], self._steps)))

    def _laplace(self, s: float) -> float:
        weights = np.diff(self._steps, prepend=0.0)
        width = np.maximum(s * np.diff(self._edges), 1e-300)
        inside = -np.expm1(-width) / width
        return float(np.sum(weights * np.exp(-s * self._edges[:-1]) * inside))

    def __repr__(self) -> str:
        if len(self.counts) <= SHOWN_IN_FULL:
            return shown(self)
        return f"<Histogram: {len(self.counts)} buckets, mean {self.mean:.4g}, scv {self.scv:.4g}>"


def _numbers(label: str, field: str, given: ArrayLike) -> FloatArray:
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise PartError(label, field, f"is {given!r}, but must be a list of numbers") from None
    if numbers.ndim != 1 or numbers.size == 0:
        raise PartError(
            label, field, f"has the shape {numbers.shape}, but must be a list of one or more"
        )
    return numbers
