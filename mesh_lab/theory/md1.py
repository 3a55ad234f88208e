"""A server that is never late: M/D/1, with the whole distribution of its wait.

**The model.** Poisson arrivals of rate lambda, one server, and every service takes exactly D
seconds; rho = lambda D < 1.  By Pollaczek and Khinchine the mean wait is half that of M/M/1,

    wait = rho D / (2 (1 - rho)),

which says how much of M/M/1's waiting comes from the variability of its service.

**The formula not to use.** Erlang (1909) found the distribution of the wait,

    P(wait <= t) = (1 - rho) * sum over k = 0 ... floor(t/D) of
                   (lambda (k D - t))**k / k! * exp(-lambda (k D - t)),

exact and useless: its terms alternate in sign and grow like exp(lambda t), so that a computer with
16 digits returns noise for large t: exactly where one looks for a percentile under high load (a
known defect: Iversen and Staalhage, Electronics Letters, 1999).

**The sum used here** has positive terms only.  Let a request arrive at time s, and look back by
u, 0 < u <= D, to write its wait as t = k D - u.  At s - u there were Q waiting; A more came in the
u seconds since.  From s - u on, a busy server starts one service every D seconds, exactly k of them
in k D seconds, so our request has been started by s - u + k D = s + t just when at most k - 1 were
ahead of it.  Q and A are independent and A is Poisson(lambda u), therefore

    P(wait > t) = P(A >= k) + sum over j = 0 ... k-1 of P(A = j) P(Q > k - 1 - j).

(This is the argument of Franx, Operations Research Letters 29, 2001, who has it for M/D/c; derived
here for one server.)

**The number waiting** needs P(N = n), the number in the system.  Requests that come during one
service are Poisson(rho) many; with b[j] = P(more than j of them), a cut between n and n + 1 in the
chain seen by departures gives

    p[n+1] * exp(-rho) = p[0] b[n] + sum over i = 1 ... n of p[i] b[n+1-i],

a recursion of positive terms from p[0] = 1 - rho, which cannot lose digits.  Its ratio
p[n+1]/p[n] settles within a few dozen steps, to 16 digits, on the one root z > 1 of
z = exp(rho (z - 1)), as 1/z.  From there on everything is geometric: a tail at any depth costs the
same, and no percentile is out of reach.  What remains at a load of 1 - d is the rounding of the
load itself, a relative error of about 1e-16/d.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import NDArray

from . import _arguments as check
from ._results import Measures, Times

__all__ = ["MD1", "md1"]

SMALLEST = 1e-290  # below it float64 begins to lose digits, and then the number itself


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MD1(Measures, Times):
    """What `md1` returns: the common measures, times, and the distribution of the number there.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all.
    arrival_rate, service_mean : float
        As given.
    """

    wait_probability: float
    arrival_rate: float = dataclasses.field(repr=False)
    service_mean: float = dataclasses.field(repr=False)

    @functools.cached_property
    def _numbers(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        return _numbers(self.utilisation)

    def in_system_probability(self, n: int) -> float:
        """Return the share of time in which exactly `n` requests are there.

        Examples
        --------
        >>> half = md1(arrival_rate=0.5, service_mean=1.0)
        >>> half.in_system_probability(0)
        0.5
        """
        n = check.count("in_system_probability", "n", n, least=0)
        exact, _, decay = self._numbers
        last = len(exact) - 1
        return float(exact[n]) if n <= last else float(exact[last]) * decay ** (n - last)

    def _more_than(self, n: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(more than n requests in the system), for an array of whole numbers n >= 0."""
        _, tails, decay = self._numbers
        last = len(tails) - 1
        inside = np.minimum(n, last).astype(np.int64)
        return np.asarray(tails[inside] * decay ** np.maximum(n - last, 0.0))

    def _wait_tail(self, t: float) -> float:
        d = self.service_mean
        k = math.floor(t / d) + 1
        # t = k d - u with 0 < u <= d; rounding must not leave that interval.
        mean = self.arrival_rate * min(max(k * d - t, 0.0), d)
        arrivals, beyond = _poisson(mean)
        used = min(k, len(arrivals))
        j = np.arange(used, dtype=np.float64)
        # More than q waiting is more than q + 1 in the system.
        ahead = self._more_than(k - j)
        tail = float(np.dot(arrivals[:used], ahead))
        if k < len(arrivals):
            tail += float(arrivals[k:].sum()) + beyond
        return min(1.0, tail)

    def _response_tail(self, t: float) -> float:
        return self._wait_tail(t - self.service_mean) if t >= self.service_mean else 1.0

    def _response_quantile(self, p: float) -> float:
        return self.service_mean + self._wait_quantile(p) if p > 0.0 else 0.0


def _poisson(mean: float) -> tuple[NDArray[np.float64], float]:
    """Return P(A = 0), P(A = 1), ... for a mean of at most 1, and a bound of what is left."""
    terms = [math.exp(-mean)]
    while terms[-1] > SMALLEST and len(terms) < 200:
        terms.append(terms[-1] * mean / len(terms))
    return np.array(terms), terms[-1] * mean / len(terms)


def _numbers(rho: float) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return P(N = n) and P(N > n) for n = 0 ... last, and the decay of both beyond it."""
    arrivals, beyond = _poisson(rho)
    # b[j] = P(more than j arrivals), summed from the far end.
    above = np.append(np.cumsum(arrivals[:0:-1])[::-1], beyond) + beyond
    decay = _decay(rho)
    p = [1.0 - rho]
    while p[-1] > SMALLEST:
        n = len(p) - 1
        reach = min(n, len(above) - 1)
        # p[i] * above[n + 1 - i] for i = n, n - 1, ..., as far as `above` reaches.
        recent = np.array(p[n : n - reach : -1])
        flow = float(np.dot(recent, above[1 : reach + 1]))
        if n < len(above):
            flow += p[0] * float(above[n])
        p.append(flow * math.exp(rho))
        if n > 8 and abs(p[-1] - p[-2] * decay) <= 1e-15 * p[-1]:
            break
    exact = np.array(p)
    geometric = exact[-1] * decay / (1.0 - decay)
    tails = np.append(np.cumsum(exact[:0:-1])[::-1], 0.0) + geometric
    return exact, tails, decay


def _decay(rho: float) -> float:
    """Return x = 1/z in (0, 1), where z > 1 solves z = exp(rho (z - 1)), to the last float.

    With z = 1 + y, log1p(y) = rho y: Newton on the concave log1p(y) - rho y, from the right of the
    root, is monotone.
    """
    # log1p(y) < y - y**2/2 + y**3/3 puts no root beyond the first guess; doubling makes sure of it.
    y = 2.0 * (1.0 - rho) / rho
    while math.log1p(y) > rho * y:
        y *= 2.0
    while True:
        closer = y - (math.log1p(y) - rho * y) / (1.0 / (1.0 + y) - rho)
        if not closer < y:
            return 1.0 / (1.0 + y)
        y = closer


def md1(*, arrival_rate: float, service_mean: float) -> MD1:
    """Return the steady state of M/D/1: one server, constant service, first come, first served.

    Parameters
    ----------
    arrival_rate : float
        Requests per second.
    service_mean : float
        Seconds that every service takes.

    Raises
    ------
    PartError
        When an argument is not a finite number above 0.
    UnstableError
        When arrival_rate * service_mean is not below 1.

    Examples
    --------
    >>> steady = md1(arrival_rate=45.0, service_mean=0.020)
    >>> steady
    MD1(utilisation=0.9, wait=0.09, response=0.11, in_queue=4.05, in_system=4.95, throughput=45, \
wait_probability=0.9)
    >>> round(steady.response_quantile(0.99), 4)
    0.458

    The same at 99.9 % busy, where the textbook formula has long broken down:

    >>> round(md1(arrival_rate=0.999, service_mean=1.0).wait_quantile(0.99), 1)
    2301.5
    """
    arrival = check.positive("md1", "arrival_rate", arrival_rate)
    service = check.positive("md1", "service_mean", service_mean)
    rho = arrival * service
    check.refuse_unstable(
        f"M/D/1 with arrival rate {arrival:.6g} and service time {service:.6g}",
        rho,
        f"it needs a service time below {1.0 / arrival:.6g}",
    )
    wait = rho * service / (2.0 * (1.0 - rho))
    return MD1(
        utilisation=rho,
        wait=wait,
        response=wait + service,
        in_queue=arrival * wait,
        in_system=arrival * wait + rho,
        throughput=arrival,
        wait_probability=rho,
        arrival_rate=arrival,
        service_mean=service,
    )
