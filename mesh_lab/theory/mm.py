r"""Poisson arrivals, exponential service: M/M/1 and M/M/c.

**The model.** Requests arrive as a Poisson process of rate lambda: the gaps between them are
independent and exponential, which is what many independent users produce together.  Service times
are exponential with rate mu (mean 1/mu), there are c servers and one queue, first come, first
served, with room for everyone.  The offered load is a = lambda/mu (in erlang): the mean number of
servers that the work would keep busy.  The utilisation of a server is rho = a/c, and the queue
settles only when rho < 1.

**One server.** The number in the system is geometric, p[n] = (1 - rho) rho**n, so its mean is
rho/(1 - rho).  An arrival sees the same distribution as an outside observer (PASTA, Wolff 1982)
and needs one exponential service for each one it finds and one for itself: a geometric sum of
exponentials is exponential again, with rate mu - lambda.  Hence

    response = 1/(mu - lambda),    P(response > t) = exp(-(mu - lambda) t),
    wait = rho/(mu - lambda),      P(wait > t) = rho exp(-(mu - lambda) t).

From 90 to 95 % busy the response doubles: that is the 1/(1 - rho).

**Many servers.** An arrival waits with probability C, Erlang's second formula (module `erlang`),
and one that waits does so for an exponential time of rate c mu - lambda, however many they are:

    wait = C/(c mu - lambda),      P(wait > t) = C exp(-(c mu - lambda) t).

The response is the sum of that wait and an independent service:

    P(response > t) = exp(-mu t) + C mu t exp(-mu t) * (1 - exp(-x))/x,   x = (c - 1 - a) mu t,

written so that nothing cancels at c - 1 = a, where textbooks give the formula as a special case.

Sources: Kleinrock (1975), Queueing Systems volume 1, chapter 3; Gross and Harris, Fundamentals of
Queueing Theory.
"""

from __future__ import annotations

import dataclasses
import math

from . import _arguments as check
from ._chains import stationary
from ._results import Measures, Times
from .erlang import enough, waits_of

__all__ = ["MM1", "MMc", "mm1", "mmc"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MM1(Measures, Times):
    """What `mm1` returns: the common measures, times, and the distribution of the number there.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all.
    arrival_rate, service_rate : float
        As given.
    """

    wait_probability: float
    arrival_rate: float = dataclasses.field(repr=False)
    service_rate: float = dataclasses.field(repr=False)

    def in_system_probability(self, n: int) -> float:
        """Return the share of time in which exactly `n` requests are there.

        Examples
        --------
        >>> mm1(arrival_rate=1.0, service_rate=2.0).in_system_probability(3)
        0.0625
        """
        n = check.count("in_system_probability", "n", n, least=0)
        return (1.0 - self.utilisation) * self.utilisation**n

    def _wait_tail(self, t: float) -> float:
        return self.utilisation * self._response_tail(t)

    def _response_tail(self, t: float) -> float:
        return math.exp(-(self.service_rate - self.arrival_rate) * t)

    def _wait_quantile(self, p: float) -> float:
        if self.utilisation <= 1.0 - p:
            return 0.0
        return math.log(self.utilisation / (1.0 - p)) * self.response

    def _response_quantile(self, p: float) -> float:
        return -math.log1p(-p) * self.response


def mm1(*, arrival_rate: float, service_rate: float) -> MM1:
    """Return the steady state of M/M/1: one exponential server, first come, first served.

    Parameters
    ----------
    arrival_rate : float
        Requests per second.
    service_rate : float
        Requests that a busy server finishes per second: 1 / mean service time.

    Raises
    ------
    PartError
        When an argument is not a finite number above 0.
    UnstableError
        When the arrival rate is not below the service rate.

    Examples
    --------
    From 90 to 95 % busy, everything doubles:

    >>> mm1(arrival_rate=9.0, service_rate=10.0)
    MM1(utilisation=0.9, wait=0.9, response=1, in_queue=8.1, in_system=9, throughput=9, \
wait_probability=0.9)
    >>> round(mm1(arrival_rate=9.5, service_rate=10.0).response, 12)
    2.0
    >>> round(mm1(arrival_rate=9.0, service_rate=10.0).response_quantile(0.99), 3)
    4.605
    """
    arrival = check.positive("mm1", "arrival_rate", arrival_rate)
    service = check.positive("mm1", "service_rate", service_rate)
    rho = arrival / service
    check.refuse_unstable(
        f"M/M/1 with arrival rate {arrival:.6g} and service rate {service:.6g}",
        rho,
        f"it needs a service rate above {arrival:.6g}, or more servers (mmc)",
    )
    response = 1.0 / (service - arrival)
    return MM1(
        utilisation=rho,
        wait=rho * response,
        response=response,
        in_queue=arrival * rho * response,
        in_system=arrival * response,
        throughput=arrival,
        wait_probability=rho,
        arrival_rate=arrival,
        service_rate=service,
    )


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MMc(Measures, Times):
    """What `mmc` returns: the common measures, times, and the distribution of the number there.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all (Erlang C).
    arrival_rate, service_rate : float
        As given.
    servers : int
        As given.
    """

    wait_probability: float
    arrival_rate: float = dataclasses.field(repr=False)
    service_rate: float = dataclasses.field(repr=False)
    servers: int = dataclasses.field(repr=False)

    def in_system_probability(self, n: int) -> float:
        """Return the share of time in which exactly `n` requests are there.

        Examples
        --------
        >>> two = mmc(arrival_rate=1.0, service_rate=1.0, servers=2)
        >>> round(two.in_system_probability(0), 12) == round(1 / 3, 12)
        True
        """
        n = check.count("in_system_probability", "n", n, least=0)
        a, c = self.arrival_rate / self.service_rate, self.servers
        if a == 0.0:
            return 1.0 if n == 0 else 0.0
        # The chain of the loss system, then the geometric tail that a queue puts on its last state.
        first, loss = stationary("mmc", lambda k: a / (k + 1.0), last=c, start=min(int(a), c))
        top = float(loss[-1]) if first + len(loss) == c + 1 else 0.0
        total = 1.0 + top * self.utilisation / (1.0 - self.utilisation)
        if n >= c:
            return top * self.utilisation ** (n - c) / total
        return float(loss[n - first]) / total if first <= n < first + len(loss) else 0.0

    def _drain(self) -> float:
        return _drain(self.arrival_rate, self.service_rate, self.servers)

    def _wait_tail(self, t: float) -> float:
        return self.wait_probability * math.exp(-self._drain() * t)

    def _response_tail(self, t: float) -> float:
        service, drain = self.service_rate, self._drain()
        x = (drain - service) * t
        # exp(-service t) * (1 - exp(-x)) / x, from whichever exponential is the larger one.
        slow = math.exp(-min(service, drain) * t)
        both = slow * (-math.expm1(-abs(x)) / abs(x) if x != 0.0 else 1.0)
        return min(1.0, math.exp(-service * t) + self.wait_probability * service * t * both)

    def _wait_quantile(self, p: float) -> float:
        if self.wait_probability <= 1.0 - p:
            return 0.0
        return math.log(self.wait_probability / (1.0 - p)) / self._drain()


def _drain(arrival: float, service: float, servers: int) -> float:
    """Return the rate at which a queue shrinks while all servers are busy.

    c mu - lambda, from the difference that `refuse_unstable` has found to be above 0.
    """
    return service * (servers - arrival / service)


def mmc(*, arrival_rate: float, service_rate: float, servers: int) -> MMc:
    """Return the steady state of M/M/c: `servers` exponential servers and one queue.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, over all.
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
    >>> mmc(arrival_rate=2.4, service_rate=1.0, servers=3)
    MMc(utilisation=0.8, wait=1.0787, response=2.0787, in_queue=2.5888, in_system=4.9888, \
throughput=2.4, wait_probability=0.64719)
    >>> mmc(arrival_rate=3, service_rate=1, servers=2)
    Traceback (most recent call last):
        ...
    mesh_lab.errors.UnstableError: M/M/2 with arrival rate 3 and service rate 1 per server is \
unstable: utilisation 1.5 is not below 1, so its queue grows without limit and it has no mean \
wait; it needs 4 servers or more
    """
    arrival = check.positive("mmc", "arrival_rate", arrival_rate)
    service = check.positive("mmc", "service_rate", service_rate)
    return steady(
        "mmc", arrival, service, check.count("mmc", "servers", servers, most=check.ONE_BY_ONE)
    )


def steady(where: str, arrival: float, service: float, servers: int) -> MMc:
    """Return M/M/c for checked arguments (an arrival rate of 0 included), for other modules."""
    load = arrival / service
    name = "M/M/" if where == "mmc" else f"{where}: M/M/"
    check.refuse_unstable(
        f"{name}{servers} with arrival rate {arrival:.6g} and service rate {service:.6g} "
        "per server",
        load / servers,
        f"it needs {enough(load)} servers or more",
    )
    waits = waits_of(servers, load)
    wait = waits / _drain(arrival, service, servers)
    in_queue = arrival * wait
    return MMc(
        utilisation=load / servers,
        wait=wait,
        response=wait + 1.0 / service,
        in_queue=in_queue,
        in_system=in_queue + load,
        throughput=arrival,
        wait_probability=waits,
        arrival_rate=arrival,
        service_rate=service,
        servers=servers,
    )
