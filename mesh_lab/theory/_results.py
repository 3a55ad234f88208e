"""What every closed form returns: one set of names, whatever the model.

With Kendall's letters, for a system that has run for long (its steady state):

===============  =======================================================  ==========
field            meaning                                                  textbooks
===============  =======================================================  ==========
``utilisation``  share of its time that one server is busy                rho
``wait``         mean time before service, in seconds                     W_q
``response``     mean time from arrival to departure, in seconds          W or T
``in_queue``     mean number waiting, not counting those in service       L_q
``in_system``    mean number there, waiting or in service                 L
``throughput``   requests that leave per second                           X
===============  =======================================================  ==========

They are tied by Little's law (Little 1961), ``in_system = rate * response`` and
``in_queue = rate * wait``, for whichever requests `rate` and the times speak of; each result says
which ones these are when some requests are turned away or give up.

Models with a known distribution of time also have `wait_tail`, `wait_quantile`, `response_tail`
and `response_quantile`.  A tail is the complementary distribution function, P(time > t): it keeps
its digits where the distribution function has long been rounded to 1.  The p-quantile is the
smallest t with P(time > t) <= 1 - p; where no formula gives it, it is found by halving an
interval until two neighbouring floats are left.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError
from . import _arguments

__all__ = ["Floats", "Measures", "Times", "quantile", "short", "shown"]

Floats: TypeAlias = Sequence[float] | NDArray[np.float64]


def short(value: object) -> str:
    """Return `value` as a ``repr`` shows it: a float with five significant digits."""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {short(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        inside = ", ".join(short(v) for v in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)


def shown(result: Any) -> str:
    """Return the short, stable ``repr`` of a result: its measures, not its arguments."""
    fields = [f.name for f in dataclasses.fields(result) if f.repr]
    inside = ", ".join(f"{name}={short(getattr(result, name))}" for name in fields)
    return f"{type(result).__name__}({inside})"


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Measures:
    """The measures that every model has (see the module's table).

    Parameters
    ----------
    utilisation : float
        Share of its time that one server is busy, between 0 and 1.
    wait, response : float
        Mean seconds before service, and from arrival to departure.
    in_queue, in_system : float
        Mean number waiting, and waiting or in service.
    throughput : float
        Requests per second that leave, having been served.
    """

    utilisation: float
    wait: float
    response: float
    in_queue: float
    in_system: float
    throughput: float

    def __repr__(self) -> str:
        return shown(self)


class Times(ABC):
    """Tails and quantiles of wait and response, for a number or for an array of them."""

    @abstractmethod
    def _wait_tail(self, t: float) -> float:
        """P(wait > t) for t >= 0."""

    @abstractmethod
    def _response_tail(self, t: float) -> float:
        """P(response > t) for t >= 0."""

    def _wait_quantile(self, p: float) -> float:
        return quantile(self._wait_tail, p)

    def _response_quantile(self, p: float) -> float:
        return quantile(self._response_tail, p)

    @overload
    def wait_tail(self, t: float) -> float: ...
    @overload
    def wait_tail(self, t: Floats) -> NDArray[np.float64]: ...
    def wait_tail(self, t: float | Floats) -> float | NDArray[np.float64]:
        """Return P(wait > t), `t` in seconds; an array gives an array of the same shape.

        Examples
        --------
        >>> from mesh_lab.theory import mm1
        >>> queue = mm1(arrival_rate=8.0, service_rate=10.0)
        >>> queue.wait_tail(0.0), queue.wait_tail([0.0, 0.5, 1.0]).round(3).tolist()
        (0.8, [0.8, 0.294, 0.108])
        """
        return _each(_tail_of(self._wait_tail), t)

    @overload
    def response_tail(self, t: float) -> float: ...
    @overload
    def response_tail(self, t: Floats) -> NDArray[np.float64]: ...
    def response_tail(self, t: float | Floats) -> float | NDArray[np.float64]:
        """Return P(response > t), `t` in seconds; an array gives an array of the same shape.

        Examples
        --------
        >>> from mesh_lab.theory import mm1
        >>> round(mm1(arrival_rate=8.0, service_rate=10.0).response_tail(0.5), 3)
        0.368
        """
        return _each(_tail_of(self._response_tail), t)

    @overload
    def wait_quantile(self, p: float) -> float: ...
    @overload
    def wait_quantile(self, p: Floats) -> NDArray[np.float64]: ...
    def wait_quantile(self, p: float | Floats) -> float | NDArray[np.float64]:
        """Return the time that a share `p` of the waits does not exceed (0 <= p < 1).

        Examples
        --------
        >>> from mesh_lab.theory import mm1
        >>> queue = mm1(arrival_rate=8.0, service_rate=10.0)
        >>> queue.wait_quantile(0.1), round(queue.wait_quantile(0.99), 3)
        (0.0, 2.191)
        """
        return _each(_quantile_of("wait_quantile", self._wait_quantile), p)

    @overload
    def response_quantile(self, p: float) -> float: ...
    @overload
    def response_quantile(self, p: Floats) -> NDArray[np.float64]: ...
    def response_quantile(self, p: float | Floats) -> float | NDArray[np.float64]:
        """Return the time that a share `p` of the responses does not exceed (0 <= p < 1).

        Examples
        --------
        >>> from mesh_lab.theory import mm1
        >>> queue = mm1(arrival_rate=8.0, service_rate=10.0)
        >>> queue.response_quantile([0.5, 0.99]).round(3).tolist()
        [0.347, 2.303]
        """
        return _each(_quantile_of("response_quantile", self._response_quantile), p)


def _each(
    function: Callable[[float], float], values: float | Floats
) -> float | NDArray[np.float64]:
    """Apply a function of one number to a number, or to each of an array."""
    if isinstance(values, str) or np.ndim(values) == 0:
        return function(values)  # type: ignore[arg-type]  # a scalar, checked by the function
    array = np.asarray(values)
    return np.array([function(v) for v in array.ravel().tolist()]).reshape(array.shape)


def _tail_of(tail: Callable[[float], float]) -> Callable[[float], float]:
    """Return `tail` with its argument checked."""

    def checked(t: float) -> float:
        if isinstance(t, float) and t == math.inf:
            return 0.0
        return tail(_arguments.at_least_zero("tail", "t", t))

    return checked


def _quantile_of(name: str, find: Callable[[float], float]) -> Callable[[float], float]:
    """Return `find` with its argument checked; `name` is what the error calls it."""

    def checked(p: float) -> float:
        allowed = "at least 0 and below 1 (0.99 asks for the 99th percentile)"
        try:
            share = _arguments.probability(name, "p", p)
        except PartError:
            raise _arguments.wrong(name, "p", p, allowed) from None
        if share == 1.0:
            raise _arguments.wrong(name, "p", p, allowed)
        return find(share)

    return checked


def quantile(tail: Callable[[float], float], p: float) -> float:
    """Return the smallest t >= 0 with ``tail(t) <= 1 - p``, to the last float.

    Parameters
    ----------
    tail : callable
        A non-increasing function with limit 0.
    p : float
        Between 0 and 1, below 1.

    Examples
    --------
    >>> round(quantile(lambda t: math.exp(-t), 0.5), 12) == round(math.log(2), 12)
    True
    """
    target = 1.0 - p
    if tail(0.0) <= target:
        return 0.0
    low, high = 0.0, 1.0
    if tail(high) <= target:
        while tail(high / 2.0) <= target:
            high /= 2.0
        low = high / 2.0
    else:
        while tail(high) > target:
            low, high = high, high * 2.0
    while low < (middle := low + (high - low) / 2.0) < high:
        if tail(middle) <= target:
            high = middle
        else:
            low = middle
    return high
