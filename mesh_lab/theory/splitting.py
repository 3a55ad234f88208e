"""Requests dealt to servers without looking at them: at random, and in turn.

**At random.** Every server gets a Poisson stream of rate lambda/n (a Poisson process, split by coin
tosses, is Poisson again), so each is an M/M/1 of its own.

**In turn.** Every server gets each n-th request.  The gap between two of them is the sum of n
exponential gaps, an Erlang distribution with n stages and squared variation 1/n: each server is an
E_n/M/1, a special GI/M/1.  Its root sigma and all that follows are in module `gim1`.  As n grows
the gaps become constant, D/M/1, which at high load halves the wait of M/M/1: half of the variation
was that of service, which no order of turns takes away.

In both, a server may idle while requests wait at another.  M/M/n, one queue for all, is what this
costs.

`in_queue`, `in_system` and `throughput` are over all servers; the servers of round robin are not
independent, but means add up all the same.

Sources: Kleinrock (1975), Queueing Systems volume 1, chapters 3 and 6.
"""

from __future__ import annotations

import dataclasses
import math

from . import _arguments as check
from ._results import Measures, Times
from .gim1 import gim1

__all__ = ["Split", "random_split", "round_robin"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Split(Measures, Times):
    """What `random_split` and `round_robin` return: the common measures, and times.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all.
    """

    wait_probability: float

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


def random_split(*, arrival_rate: float, service_rate: float, servers: int) -> Split:
    """Return the steady state of `servers` M/M/1 among which requests choose uniformly at random.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, over all servers.
    service_rate : float
        Requests that one busy server finishes per second.
    servers : int
        One or more.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When the arrival rate is not below servers * service_rate.

    Examples
    --------
    >>> random_split(arrival_rate=8.0, service_rate=1.0, servers=10)
    Split(utilisation=0.8, wait=4, response=5, in_queue=32, in_system=40, throughput=8, \
wait_probability=0.8)
    """
    arrival, service, n, rho = checked("random_split", arrival_rate, service_rate, servers)
    # n mu - lambda, as a difference of what was given: rho may be rounded near 1
    response = n / (service * (n - arrival / service))
    return _split(arrival, rho, rho, rho * response, response)


def round_robin(*, arrival_rate: float, service_rate: float, servers: int) -> Split:
    """Return the steady state of `servers` E_n/M/1 that get the requests of one stream in turn.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, over all servers; the stream is Poisson.
    service_rate : float
        Requests that one busy server finishes per second.
    servers : int
        One or more: n.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When the arrival rate is not below servers * service_rate.

    Examples
    --------
    >>> round_robin(arrival_rate=8.0, service_rate=1.0, servers=10)
    Split(utilisation=0.8, wait=1.9223, response=2.9223, in_queue=15.378, in_system=23.378, \
throughput=8, wait_probability=0.6578)

    With one server, everybody's turn is the next one, and the queue is M/M/1:

    >>> round(round_robin(arrival_rate=0.8, service_rate=1.0, servers=1).response, 9)
    5.0
    """
    arrival, service, n, rho = checked("round_robin", arrival_rate, service_rate, servers)
    known = gim1(
        arrival_rate=arrival / n,
        interarrival_laplace=lambda s: math.exp(-n * math.log1p(s / arrival)),
        service_rate=service,
    )
    return _split(arrival, rho, known.wait_probability, known.wait, known.response)


def _split(arrival: float, rho: float, waits: float, wait: float, response: float) -> Split:
    return Split(
        utilisation=rho,
        wait=wait,
        response=response,
        in_queue=arrival * wait,
        in_system=arrival * response,
        throughput=arrival,
        wait_probability=waits,
    )


def checked(
    function: str, arrival_rate: object, service_rate: object, servers: object, most: int = 10**6
) -> tuple[float, float, int, float]:
    """Return arrival rate, service rate, servers and utilisation, or refuse.

    For all models of `servers` exponential servers, each with a queue of its own.
    """
    arrival = check.positive(function, "arrival_rate", arrival_rate)
    service = check.positive(function, "service_rate", service_rate)
    n = check.count(function, "servers", servers, most=most)
    rho = arrival / service / n
    check.refuse_unstable(
        f"{function} with arrival rate {arrival:.6g}, service rate {service:.6g} and {n} servers",
        rho,
        f"it needs a service rate above {arrival / n:.6g}",
    )
    return arrival, service, n, rho
