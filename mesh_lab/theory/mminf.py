"""Nobody waits: M/M/inf, a server for everyone.

**The model.** Poisson arrivals of rate lambda, and every request is served at once, for a time with
mean 1/mu: an elastic service, or the requests that are out on the network.  The number there in
steady state is Poisson with mean a = lambda/mu, so its spread is sqrt(a): a system ten times as
large needs, relative to its mean, a third of the spare capacity.  That holds for any service time
of the same mean (M/G/inf); what follows needs exponential ones.

**From a standing start.** With n0 requests there at time 0, each of them is still there at t with
probability exp(-mu t), and those that came since form a Poisson number, so the mean is

    in_system_at(t) = n0 exp(-mu t) + a (1 - exp(-mu t)):

it approaches a with the time constant 1/mu, however large the arrival rate.

Source: Kleinrock (1975), Queueing Systems volume 1, chapter 3; the transient mean is derived above.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from . import _arguments as check
from ._results import Floats, Measures, Times

__all__ = ["MMInf", "mminf"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MMInf(Measures, Times):
    """What `mminf` returns; `utilisation` is 0, the share of infinitely many servers that work.

    Parameters
    ----------
    arrival_rate, service_rate : float
        As given.
    """

    arrival_rate: float = dataclasses.field(repr=False)
    service_rate: float = dataclasses.field(repr=False)

    def in_system_probability(self, n: int) -> float:
        """Return the share of time in which exactly `n` requests are there (Poisson).

        Examples
        --------
        >>> round(mminf(arrival_rate=2.0, service_rate=1.0).in_system_probability(0), 4)
        0.1353
        """
        n = check.count("in_system_probability", "n", n, least=0)
        return math.exp(n * math.log(self.in_system) - self.in_system - math.lgamma(n + 1.0))

    def in_system_at(self, t: float | Floats, *, initial: int = 0) -> float | NDArray[np.float64]:
        """Return the mean number there at time `t`, having begun with `initial` at time 0.

        Parameters
        ----------
        t : float or array of them
            Seconds, 0 or more.
        initial : int
            How many requests were there at time 0.

        Examples
        --------
        >>> cloud = mminf(arrival_rate=100.0, service_rate=2.0)
        >>> [round(float(cloud.in_system_at(t)), 2) for t in (0.0, 0.5, 5.0)]
        [0.0, 31.61, 50.0]
        """
        n0 = check.count("in_system_at", "initial", initial, least=0)
        times = np.asarray(t, dtype=np.float64)
        if not bool(np.all(np.isfinite(times) & (times >= 0.0))):
            raise check.wrong("in_system_at", "t", t, "finite, 0 or more")
        left = np.exp(-self.service_rate * times)
        mean = n0 * left - self.in_system * np.expm1(-self.service_rate * times)
        return float(mean) if times.ndim == 0 else np.asarray(mean)

    def _wait_tail(self, t: float) -> float:
        return 0.0

    def _response_tail(self, t: float) -> float:
        return math.exp(-self.service_rate * t)

    def _response_quantile(self, p: float) -> float:
        return -math.log1p(-p) / self.service_rate


def mminf(*, arrival_rate: float, service_rate: float) -> MMInf:
    """Return the steady state of M/M/inf: a server for everyone.

    Parameters
    ----------
    arrival_rate : float
        Requests per second.
    service_rate : float
        1 / mean service time.

    Raises
    ------
    PartError
        When an argument is not a finite number above 0.

    Examples
    --------
    >>> mminf(arrival_rate=100.0, service_rate=2.0)
    MMInf(utilisation=0, wait=0, response=0.5, in_queue=0, in_system=50, throughput=100)
    """
    arrival = check.positive("mminf", "arrival_rate", arrival_rate)
    service = check.positive("mminf", "service_rate", service_rate)
    return MMInf(
        utilisation=0.0,
        wait=0.0,
        response=1.0 / service,
        in_queue=0.0,
        in_system=arrival / service,
        throughput=arrival,
        arrival_rate=arrival,
        service_rate=service,
    )
