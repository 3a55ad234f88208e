"""An interval: where the true value lies, how surely, and whether to believe it.

An interval of confidence 95 % is the outcome of a procedure that, over many runs, holds the true
value in 95 of 100.  That promise rests on conditions (enough values, nearly independent
batches).  The functions of this package check what can be checked, and an `Interval` carries the
verdict: ``trusted``, with the reason in ``note``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

from ..errors import StatisticsError

__all__ = ["Interval"]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the limits between which the true value is claimed to lie.

    Parameters
    ----------
    estimate : float
        The best single value, in the unit of the data.
    low, high : float
        The limits; infinite where the data give none.
    confidence : float
        How often such an interval holds the true value, between 0 and 1.
    n : int
        How many values (or replications, or pairs) it rests on.
    trusted : bool, optional
        False when the data are too few or too dependent for the confidence to be believed.
    note : str, optional
        Why it is not trusted, or what else to know.

    Examples
    --------
    >>> interval = Interval(4.0, 3.9, 4.1, confidence=0.95, n=20_000)
    >>> interval
    Interval(4 [3.9, 4.1], 95 %, n=20000)
    >>> 4.05 in interval, 4.2 in interval
    (True, False)
    >>> round(interval.half_width, 6), round(interval.relative, 6)
    (0.1, 0.025)
    """

    estimate: float
    low: float
    high: float
    confidence: float
    n: int
    trusted: bool = True
    note: str = ""

    @property
    def half_width(self) -> float:
        """Half the distance between the limits, in the unit of the data."""
        return (self.high - self.low) / 2

    @property
    def relative(self) -> float:
        """The half-width as a share of the estimate; infinite when the estimate is 0."""
        if self.half_width == 0:
            return 0.0
        return self.half_width / abs(self.estimate) if self.estimate else math.inf

    def values_needed(self, relative: float) -> int:
        """Return about how many values would give a half-width of `relative` times the estimate.

        An interval shrinks with the square root of the number of values, whatever their
        dependence, as long as the batches are long enough for the present one to be trusted.

        Parameters
        ----------
        relative : float
            The wanted half-width as a share of the estimate: 0.03 is 3 %.

        Examples
        --------
        >>> Interval(4.0, 3.8, 4.2, confidence=0.95, n=10_000).values_needed(0.01)
        250000
        """
        if not relative > 0:
            raise StatisticsError(
                f"values_needed, relative: is {relative!r}, but must be greater than 0"
            )
        needed = self.n * (self.relative / relative) ** 2
        if not math.isfinite(needed):
            raise StatisticsError(f"values_needed: {self!r} has no finite relative width to go by")
        # The quotient of two rounded numbers may stand a hair above a whole number.
        return math.ceil(needed * (1 - 1e-9))

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Real) and bool(self.low <= float(value) <= self.high)

    def __repr__(self) -> str:
        doubt = "" if self.trusted else ", not trusted"
        return (
            f"Interval({self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}], "
            f"{100 * self.confidence:.4g} %, n={self.n}{doubt})"
        )
