"""Results that know how long a response takes, and nothing of queues: fan-outs, hedges, tandems.

`Responses` has the same two methods as `Times` of module `_results`, for results that have no wait
of their own.  `mean_of` is the mean of a time that is known by its tail,

    mean = integral over t >= 0 of P(time > t),

taken piece by piece over [0, q], [q, 2q], [2q, 4q], ... with q the median, so that a tail of any
length needs few pieces.  A tail is written by the user: it is checked at every point it is asked.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError
from . import _arguments as check
from ._results import Floats, _each, _quantile_of, _tail_of, quantile, shown

__all__ = ["Responses", "Tail", "checked_tail", "mean_of"]

Tail = Callable[[float], float]

PIECES = 900  # doublings: from 1 s to beyond the age of anything
NOTHING = 1e-13  # of the mean


class Responses(ABC):
    """Tail and quantiles of the response, for a number or for an array of them."""

    @abstractmethod
    def _response_tail(self, t: float) -> float:
        """P(response > t) for t >= 0."""

    def _response_quantile(self, p: float) -> float:
        return quantile(self._response_tail, p)

    def __repr__(self) -> str:
        return shown(self)

    @overload
    def response_tail(self, t: float) -> float: ...
    @overload
    def response_tail(self, t: Floats) -> NDArray[np.float64]: ...
    def response_tail(self, t: float | Floats) -> float | NDArray[np.float64]:
        """Return P(response > t), `t` in seconds; an array gives an array of the same shape.

        Examples
        --------
        >>> from mesh_lab.theory import fan_out
        >>> round(fan_out(leaves=100, response_mean=0.010).response_tail(0.050), 3)
        0.491
        """
        return _each(_tail_of(self._response_tail), t)

    @overload
    def response_quantile(self, p: float) -> float: ...
    @overload
    def response_quantile(self, p: Floats) -> NDArray[np.float64]: ...
    def response_quantile(self, p: float | Floats) -> float | NDArray[np.float64]:
        """Return the time that a share `p` of the responses does not exceed (0 <= p < 1).

        Examples
        --------
        >>> from mesh_lab.theory import fan_out
        >>> page = fan_out(leaves=100, response_mean=0.010)
        >>> page.response_quantile([0.5, 0.99]).round(4).tolist()
        [0.0498, 0.0921]
        """
        return _each(_quantile_of("response_quantile", self._response_quantile), p)


def checked_tail(function: str, argument: str, tail: object) -> Tail:
    """Return `tail` as a function that refuses, by name, an answer that is no probability."""
    allowed = "a function of a time in seconds that returns P(response > time)"
    if not callable(tail):
        raise check.wrong(function, argument, tail, allowed)
    return _Checked(function, argument, tail)


class _Checked:
    """A tail, each answer of which is checked; a class, so that results can be pickled."""

    def __init__(self, function: str, argument: str, tail: Callable[[float], object]) -> None:
        self.function, self.argument, self.tail = function, argument, tail

    def __call__(self, t: float) -> float:
        if t == math.inf:
            return 0.0
        value = self.tail(t)
        try:
            return check.probability(self.function, self.argument, value)
        except PartError:
            problem = f"gives {value!r} at {t:.6g} s, but must give a probability, from 0 to 1"
            raise PartError(f"theory.{self.function}", self.argument, problem) from None


def mean_of(function: str, argument: str, tail: Tail) -> float:
    """Return the mean of a time with this tail, to about 11 digits.

    Parameters
    ----------
    function, argument : str
        Whose tail it is, for the error.
    tail : callable
        Non-increasing, from at most 1 to 0.

    Raises
    ------
    PartError
        When the tail does not fall to 0, or so slowly that the mean is infinite.

    Examples
    --------
    >>> round(mean_of("mean_of", "tail", lambda t: math.exp(-t)), 10)
    1.0
    """
    from scipy.integrate import quad  # scipy loads slowly

    at_zero = tail(0.0)
    if at_zero <= 1e-15:
        return 0.0
    high = quantile(tail, 1.0 - at_zero / 2.0)
    low, total = 0.0, 0.0
    for _ in range(PIECES):
        if not math.isfinite(high):
            break
        # all outputs, so that a step in the tail gives no warning
        piece = float(quad(tail, low, high, epsabs=0.0, epsrel=1e-11, limit=200, full_output=1)[0])
        total += piece
        if max(piece, tail(high) * high) <= NOTHING * total:
            return total
        low, high = high, 2.0 * high
    problem = "does not fall to 0 fast enough to have a mean"
    raise PartError(f"theory.{function}", argument, problem)
