"""What a distribution of times is: never negative, always finite, and known by four things.

The simulator needs only draws.  Theory needs the first two moments (`mean` and `scv`, the squared
coefficient of variation, variance / mean²) and, for GI/M/1, the Laplace-Stieltjes transform
E[exp(-sX)].  Tests need the cumulative distribution function.  Every family here gives all four,
so that the same object that was simulated can be put into a formula.

`Distribution` checks what goes in and what comes out; a family writes ``_draw``, ``_cdf`` and
``_laplace`` for arguments that are known to be good.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PartError

__all__ = ["Distribution", "FloatArray", "check_moments", "check_probabilities", "thresholds"]

FloatArray = NDArray[np.float64]

SUM_TOLERANCE = 1e-9
SMALLEST = 1e-100
LARGEST = 1e200


class Distribution(ABC):
    """A distribution of times in seconds (or of other amounts that are never negative).

    Attributes
    ----------
    mean : float
        The expected value, seconds.
    scv : float
        The squared coefficient of variation, variance / mean² (no unit): 0 for a constant, 1 for
        the exponential, larger for what is more variable.  A constant 0 has ``scv`` 0.

    Notes
    -----
    To add a family, write a `mesh_lab.parts.part` that inherits from this class, with ``mean`` and
    ``scv`` (as fields or as properties), ``_draw(rng, size)``, ``_cdf(x)`` for an array of
    non-negative ``x``, and ``_laplace(s)`` for a positive, finite ``s``.
    """

    such_as: ClassVar[str] = "Exponential(mean=0.1)"  # what an error gives as an example

    if TYPE_CHECKING:  # at run time these would hide the fields of the same names

        @property
        def mean(self) -> float:
            """The expected value, seconds."""

        @property
        def scv(self) -> float:
            """The squared coefficient of variation."""

    def draw(self, rng: np.random.Generator, size: int) -> FloatArray:
        """Draw independent values.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where the randomness comes from; the same state gives the same values.
        size : int
            How many, 0 or more.

        Returns
        -------
        numpy.ndarray, shape (size,), float64
            Seconds, each finite and at least 0.

        Raises
        ------
        PartError
            When `size` is not a count, or a user's own family draws something impossible.

        Examples
        --------
        >>> import numpy as np
        >>> from mesh_lab.distributions import Uniform
        >>> Uniform(low=1.0, high=3.0).draw(np.random.default_rng(1), 3).round(3)
        array([2.024, 2.901, 1.288])
        """
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
            raise self._wrong("size", f"is {size!r}, but must be an integer, 0 or more")
        values = self._draw(rng, int(size))
        if size and not (values.min() >= 0.0 and values.max() < math.inf):
            raise self._wrong("draw", "gave a value that is negative, infinite or not a number")
        return values

    @overload
    def cdf(self, x: float) -> float: ...

    @overload
    def cdf(self, x: ArrayLike) -> FloatArray: ...

    def cdf(self, x: ArrayLike) -> float | FloatArray:
        """Return P(X <= x).

        Parameters
        ----------
        x : float or array_like
            Seconds; any real number, infinities included.

        Returns
        -------
        float or numpy.ndarray
            The probability, of the shape of `x` (a plain float for a number).

        Raises
        ------
        PartError
            When `x` holds something that is not a number.

        Examples
        --------
        >>> from mesh_lab.distributions import Exponential
        >>> round(Exponential(mean=2.0).cdf(2.0), 4)
        0.6321
        """
        points = np.asarray(x, dtype=np.float64)
        if np.isnan(points).any():
            raise self._wrong("x", "holds a value that is not a number")
        inside = (points >= 0.0) & (points < math.inf)
        below = np.asarray(self._cdf(np.where(inside, points, 0.0)), dtype=np.float64)
        # sums of rounded terms may end a last digit outside
        below = np.clip(below, 0.0, 1.0)
        result: FloatArray = np.where(inside, below, np.where(points > 0.0, 1.0, 0.0))
        return float(result) if result.ndim == 0 else result

    def laplace(self, s: float) -> float:
        """Return the Laplace-Stieltjes transform E[exp(-s X)].

        Parameters
        ----------
        s : float
            Per second, 0 or more.

        Returns
        -------
        float
            Between 0 and 1; in closed form where there is one, otherwise by a quadrature whose
            absolute error is below 1e-10 (the tests compare it with adaptive quadrature).

        Raises
        ------
        PartError
            When `s` is negative or not finite.

        Examples
        --------
        >>> from mesh_lab.distributions import Exponential
        >>> Exponential(mean=2.0).laplace(1.5)
        0.25
        """
        s = float(s)
        if not 0.0 <= s < math.inf:
            raise self._wrong("s", f"is {s!r}, but must be finite and at least 0")
        # a sum of rounded terms may end a last digit above 1
        return 1.0 if s == 0.0 else min(1.0, float(self._laplace(s)))

    @abstractmethod
    def _draw(self, rng: np.random.Generator, size: int) -> FloatArray: ...

    @abstractmethod
    def _cdf(self, x: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _laplace(self, s: float) -> float: ...

    def _wrong(self, field: str, problem: str) -> PartError:
        return PartError(type(self).__name__, field, problem)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what was declared, not the arrays that were derived from it."""
        names = [f.name for f in dataclasses.fields(self)]  # type: ignore[arg-type]  # a part
        return {name: self.__dict__[name] for name in names}


def check_moments(distribution: Distribution) -> None:
    """Refuse parameters with which 64-bit arithmetic would overflow or lose its digits."""
    try:
        mean, scv = distribution.mean, distribution.scv
        fits = mean == 0.0 or (mean >= SMALLEST and mean * mean * (1.0 + scv) <= LARGEST)
    except (OverflowError, ZeroDivisionError):
        fits = False
    if not fits:
        raise ValueError(
            "with these parameters the mean or the variance is too large or too small for 64-bit "
            f"numbers (the mean must be at least {SMALLEST:g} s, the mean square at most "
            f"{LARGEST:g} s²)"
        )


def check_probabilities(probabilities: Sequence[float], field: str = "probabilities") -> None:
    """Require that the probabilities sum to 1; they are never renormalised silently."""
    total = math.fsum(probabilities)
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise PartError("", field, f"sum to {total:.10g}, but must sum to 1")


def thresholds(weights: ArrayLike) -> FloatArray:
    """Return where a uniform number in [0, 1) changes from one choice to the next.

    ``numpy.searchsorted(thresholds(w), u, side="right")`` then chooses index i with a probability
    proportional to ``w[i]``, and never one of weight 0: the last threshold is 1 exactly.
    """
    steps: FloatArray = np.cumsum(np.asarray(weights, dtype=np.float64))
    steps /= steps[-1]
    return steps
