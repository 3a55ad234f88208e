"""Any gaps between arrivals: GI/M/1.

**The model.** The gaps between arrivals are independent with any distribution of mean 1/lambda;
service is exponential with rate mu; one server, first come, first served; rho = lambda/mu < 1.

**The root.** Just before an arrival the number there is a chain whose steady state is geometric:
an arrival finds n others with probability (1 - sigma) sigma**n (Kendall 1953), where sigma is the
one root in (0, 1) of

    sigma = A(mu (1 - sigma)),     A(s) = E[exp(-s * gap)],

the Laplace transform of the gap: between two arrivals a busy server must not keep up.  A(s) is
exp(-s/lambda) for constant gaps, lambda/(lambda + s) for exponential ones, which give sigma = rho.
Regular arrivals have a smaller sigma, bursty ones a larger: the same load, felt differently.  An
arrival that finds n others needs n + 1 exponential services; with n geometric that is exponential:

    P(response > t) = exp(-mu (1 - sigma) t),     P(wait > t) = sigma exp(-mu (1 - sigma) t).

Here arrivals do *not* see what an outside observer sees (they are not Poisson): an arrival finds
the server busy with probability sigma, the observer with probability rho.

**Finding it.** f(sigma) = A(mu (1 - sigma)) - sigma is convex, positive at 0 and zero at 1, where
its slope is 1/rho - 1 > 0; so it is negative just below 1 and crosses zero once in between.  Steps
back from 1 in powers of two find a negative value, halving does the rest.  (Substituting again and
again, sigma <- A(mu (1 - sigma)), also converges, but ever more slowly as rho grows.)

Sources: Kendall, Annals of Mathematical Statistics 24 (1953); Kleinrock (1975), Queueing Systems
volume 1, chapter 6.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from ..errors import PartError
from . import _arguments as check
from ._results import Measures, Times

__all__ = ["GIM1", "gim1"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class GIM1(Measures, Times):
    """What `gim1` returns: the common measures, times, and the distribution of the number there.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all: the root sigma.  Not the utilisation, unless
        arrivals are Poisson.
    service_rate : float
        As given.
    """

    wait_probability: float
    service_rate: float = dataclasses.field(repr=False)

    def in_system_probability(self, n: int) -> float:
        """Return the share of *time* in which exactly `n` requests are there.

        Examples
        --------
        >>> steady = gim1(arrival_rate=0.5, interarrival_laplace=lambda s: 0.5 / (0.5 + s),
        ...               service_rate=1.0)
        >>> round(steady.in_system_probability(2), 12)
        0.125
        """
        n = check.count("in_system_probability", "n", n, least=0)
        if n == 0:
            return 1.0 - self.utilisation
        sigma = self.wait_probability
        return self.utilisation * (1.0 - sigma) * sigma ** (n - 1)

    def _wait_tail(self, t: float) -> float:
        return self.wait_probability * self._response_tail(t)

    def _response_tail(self, t: float) -> float:
        return math.exp(-t / self.response)

    def _wait_quantile(self, p: float) -> float:
        if self.wait_probability <= 1.0 - p:
            return 0.0
        return math.log(self.wait_probability / (1.0 - p)) * self.response

    def _response_quantile(self, p: float) -> float:
        return -math.log1p(-p) * self.response


def gim1(
    *,
    arrival_rate: float,
    interarrival_laplace: Callable[[float], float],
    service_rate: float,
) -> GIM1:
    """Return the steady state of GI/M/1: any independent gaps, one exponential server.

    Parameters
    ----------
    arrival_rate : float
        Requests per second: 1 / mean gap.
    interarrival_laplace : callable
        Laplace transform of the gap, ``s -> E[exp(-s * gap)]`` for s > 0 per second; the
        ``.laplace`` of a mesh_lab distribution of mean 1 / `arrival_rate`.
    service_rate : float
        Requests that a busy server finishes per second.

    Raises
    ------
    PartError
        When an argument is not what is said above, or when the transform cannot be that of a
        gap with mean 1 / `arrival_rate`.
    UnstableError
        When the arrival rate is not below the service rate.

    Examples
    --------
    Constant, exponential and bursty gaps at the same load of 0.8:

    >>> import math
    >>> def bursty(s):  # nine gaps of ten are short
    ...     return 0.9 / (1 + 0.25 * s) + 0.1 / (1 + 10.25 * s)
    >>> for gaps in (lambda s: math.exp(-1.25 * s), lambda s: 1 / (1 + 1.25 * s), bursty):
    ...     print(gim1(arrival_rate=0.8, interarrival_laplace=gaps, service_rate=1.0))
    GIM1(utilisation=0.8, wait=1.6927, response=2.6927, in_queue=1.3542, in_system=2.1542, \
throughput=0.8, wait_probability=0.62863)
    GIM1(utilisation=0.8, wait=4, response=5, in_queue=3.2, in_system=4, \
throughput=0.8, wait_probability=0.8)
    GIM1(utilisation=0.8, wait=31.07, response=32.07, in_queue=24.856, in_system=25.656, \
throughput=0.8, wait_probability=0.96882)
    """
    arrival = check.positive("gim1", "arrival_rate", arrival_rate)
    service = check.positive("gim1", "service_rate", service_rate)
    if not callable(interarrival_laplace):
        allowed = "a callable s -> E[exp(-s * gap)]"
        raise check.wrong("gim1", "interarrival_laplace", interarrival_laplace, allowed)
    rho = arrival / service
    check.refuse_unstable(
        f"GI/M/1 with arrival rate {arrival:.6g} and service rate {service:.6g}",
        rho,
        f"it needs a service rate above {arrival:.6g}",
    )
    transform = _checked(interarrival_laplace, arrival)
    away = _distance_from_one(transform, service)
    response = 1.0 / (service * away)
    wait = (1.0 - away) * response
    return GIM1(
        utilisation=rho,
        wait=wait,
        response=response,
        in_queue=arrival * wait,
        in_system=arrival * response,
        throughput=arrival,
        wait_probability=1.0 - away,
        service_rate=service,
    )


def _checked(transform: Callable[[float], float], rate: float) -> Callable[[float], float]:
    """Return the transform as floats, having asked it what every such transform must answer."""
    what = "interarrival_laplace"

    def value(s: float) -> float:
        answer = float(transform(s))
        if not 0.0 <= answer <= 1.0 + 1e-9:
            problem = f"is {answer!r} at s = {s:.6g}, but a Laplace transform is between 0 and 1"
            raise PartError("theory.gim1", what, problem)
        return min(answer, 1.0)

    # E[exp(-s X)] >= exp(-s E[X]) by Jensen's inequality, for every s; a rate that was given as
    # a mean, or the other way round, shows here or in the slope.
    for s in (0.1 * rate, rate, 10.0 * rate):
        if value(s) < math.exp(-s / rate) * (1.0 - 1e-6):
            mean = -math.log(max(value(s), 1e-300)) / s
            problem = (
                f"belongs to gaps with a mean of {mean:.6g} s or more, but arrival_rate "
                f"{rate:.6g} means a mean gap of {1.0 / rate:.6g} s"
            )
            raise PartError("theory.gim1", what, problem)
    # (1 - A(s))/s rises to E[X] as s falls; at this s it is within 2 % unless scv > 40 000.
    small = 1e-6 * rate
    slope = (1.0 - value(small)) / small
    if slope < 0.98 / rate:
        problem = (
            f"belongs to gaps with a mean of about {slope:.6g} s (its slope at 0), but "
            f"arrival_rate {rate:.6g} means a mean gap of {1.0 / rate:.6g} s"
        )
        raise PartError("theory.gim1", what, problem)
    return value


def _distance_from_one(transform: Callable[[float], float], service: float) -> float:
    """Return x = 1 - sigma, the root of x = 1 - A(service * x) in (0, 1)."""

    def below(x: float) -> bool:
        return 1.0 - transform(service * x) > x

    high = 1.0
    while not below(high / 2.0):
        high /= 2.0
        if high < 1e-12:
            problem = "is too inexact near 0 to find the root at this load, so close to 1"
            raise PartError("theory.gim1", "interarrival_laplace", problem)
    low = high / 2.0
    while low < (middle := low + (high - low) / 2.0) < high:
        if below(middle):
            low = middle
        else:
            high = middle
    return high
