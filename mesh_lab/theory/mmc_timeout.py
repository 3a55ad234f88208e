r"""A time limit on waiting: M/M/c whose requests leave after tau seconds in the queue.

**The model.** As M/M/c (module `mm`), but a request that has waited tau seconds without being
started leaves, and does no work: a queue whose entries have a time-to-live, or whose callers take
their request back.  (Where the callee goes on working for callers that have left, nobody leaves the
queue: that is plain M/M/c, and `mmc(...).response_tail(tau)` is the share that times out.)  There
is a steady state at any load.  In Kendall's letters M/M/c+D, first solved by Palm (1957) and, for
any patience, by Baccelli and Hebuterne (1981).

**The offered wait.** Let V be the wait that a request arriving now would have if it were patient.
While all servers are busy V falls at speed 1, and an arrival adds to it an exponential time of rate
c mu (the next departure after it is started) only if it will stay, V < tau.  Balancing the flow
over a level t gives the density of V above 0,

    v(t) = lambda p exp((lambda - c mu) min(t, tau)) exp(-c mu max(0, t - tau)),

with p the probability of exactly c - 1 in the system.  Below c, the chain is that of a loss system,
so p/P(fewer than c there) is Erlang's B for c - 1 servers, and the whole adds up to 1.  From v:

    P(leaves unserved) = P(V > tau),    wait = min(V, tau).

For c = 1 this gives the textbook's (1 - rho) rho e/(1 - rho**2 e), e = exp(-(mu - lambda) tau).

**Whose times.** As in module `erlang_a`: `wait` and `response` are means over all requests, those
that leave included, until the moment they do; those of the served ones are in `served`.

Every integral of v is written so that the exponentials are of negative numbers, and what is near
0/0 at lambda = c mu comes from a series.

Sources: Palm, Tele (English edition) 1957; Baccelli and Hebuterne, On queues with impatient
customers, Performance '81 (both recalled, not checked); Boots and Tijms, Management Science 45
(1999), whose loss probability, exact for exponential service, this gives at loads below 1.  The
density and its integrals are derived here.
"""

from __future__ import annotations

import dataclasses
import math

from . import _arguments as check
from ._results import Measures, Times, shown
from .erlang import lost_of

__all__ = ["InTime", "MMcTimeout", "mmc_timeout"]


def _mean_exp(y: float) -> float:
    """Integral of exp(y u) over u in [0, 1], for y <= 0."""
    return math.expm1(y) / y if y != 0.0 else 1.0


def _mean_ramp(y: float) -> float:
    """Integral of u exp(y u) over u in [0, 1], for y <= 0."""
    if y < -0.5:
        return (1.0 - math.exp(y) * (1.0 - y)) / (y * y)
    total, term = 0.0, 1.0
    for k in range(30):
        total += term / (k + 2)
        term *= y / (k + 1)
    return total


@dataclasses.dataclass(frozen=True)
class _OfferedWait:
    """The offered wait V of the module's theory: `waits` times a density, and an atom at 0.

    The density over [0, tau) is level * exp(x t - top), x = lambda - c mu; beyond tau lies `left`.
    """

    x: float
    top: float
    tau: float
    level: float
    left: float

    def between(self, a: float, b: float) -> float:
        """P(a < V <= b) for 0 <= a <= b <= tau."""
        y = self.x * (b - a)
        ends = self.x * (b if y > 0.0 else a) - self.top  # the larger exponent
        return self.level * math.exp(ends) * (b - a) * _mean_exp(-abs(y))

    def total(self) -> float:
        """E[V; 0 < V < tau]."""
        y = self.x * self.tau
        if y <= 0.0:
            ramp = math.exp(-self.top) * _mean_ramp(y)
        else:  # from the other end: u becomes 1 - u
            ramp = math.exp(y - self.top) * (_mean_exp(-y) - _mean_ramp(-y))
        return self.level * self.tau**2 * ramp

    def started(self, t: float, service: float) -> float:
        """P(0 < V < tau, started by t and still in service at t)."""
        m = min(t, self.tau)
        y = (self.x + service) * m
        ends = -service * t - self.top + max(y, 0.0)
        return self.level * math.exp(ends) * m * _mean_exp(-abs(y))


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class InTime(Times):
    """The times of those requests that are served: `mmc_timeout(...).served`.

    Parameters
    ----------
    probability : float
        Share of the requests that is served.
    wait, response : float
        Mean seconds before service, and from arrival to departure.
    """

    probability: float
    wait: float
    response: float
    offered: _OfferedWait = dataclasses.field(repr=False, compare=False)
    at_once: float = dataclasses.field(repr=False, compare=False)
    service_rate: float = dataclasses.field(repr=False, compare=False)

    def __repr__(self) -> str:
        return shown(self)

    def _wait_tail(self, t: float) -> float:
        if t >= self.offered.tau:
            return 0.0
        return min(1.0, self.offered.between(t, self.offered.tau) / self.probability)

    def _in_service(self, t: float) -> float:
        """P(started by t and not finished), of all requests."""
        at_once = self.at_once * math.exp(-self.service_rate * t)
        return at_once + self.offered.started(t, self.service_rate)

    def _response_tail(self, t: float) -> float:
        return min(1.0, self._wait_tail(t) + self._in_service(t) / self.probability)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MMcTimeout(Measures, Times):
    """What `mmc_timeout` returns: times are those of all requests, served or not.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that are not started at once.
    timeout_probability : float
        Share of the requests that leave the queue unserved.
    served : InTime
        The times of the others.
    """

    wait_probability: float
    timeout_probability: float
    served: InTime

    def _wait_tail(self, t: float) -> float:
        offered = self.served.offered
        if t >= offered.tau:
            return 0.0
        return min(1.0, offered.between(t, offered.tau) + offered.left)

    def _response_tail(self, t: float) -> float:
        return min(1.0, self._wait_tail(t) + self.served._in_service(t))


def mmc_timeout(
    *, arrival_rate: float, service_rate: float, servers: int, timeout: float
) -> MMcTimeout:
    """Return the steady state of M/M/c whose requests wait at most `timeout` seconds.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, those that leave unserved included; any load is allowed.
    service_rate : float
        Requests that one busy server finishes per second.
    servers : int
        One or more.
    timeout : float
        Seconds in the queue after which a request leaves; one that is started is always finished.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    Twice as many requests as two servers can do, that wait 5 s at most: whoever is served has
    waited nearly that long.

    >>> busy = mmc_timeout(arrival_rate=4.0, service_rate=1.0, servers=2, timeout=5.0)
    >>> busy
    MMcTimeout(utilisation=0.99999, wait=4.7501, response=5.25, in_queue=19, in_system=21, \
throughput=2, wait_probability=0.99999, timeout_probability=0.5, \
served=InTime(probability=0.5, wait=4.5001, response=5.5001))
    >>> round(busy.served.response_quantile(0.99), 3)
    9.2
    """
    where = "mmc_timeout"
    arrival = check.positive(where, "arrival_rate", arrival_rate)
    service = check.positive(where, "service_rate", service_rate)
    c = check.count(where, "servers", servers, most=check.ONE_BY_ONE)
    tau = check.positive(where, "timeout", timeout)
    load = arrival / service
    x = service * (load - c)
    fewer = lost_of(c - 1, load)  # p / P(fewer than c there)
    top = max(0.0, x * tau)  # all weights are divided by exp(top)
    weights = _OfferedWait(x=x, top=top, tau=tau, level=arrival * fewer, left=0.0)
    waiting = weights.between(0.0, tau)
    leaving = arrival * fewer * math.exp(x * tau - top) / (c * service)
    everything = math.exp(-top) + waiting + leaving
    at_once, lost = math.exp(-top) / everything, leaving / everything
    offered = dataclasses.replace(weights, level=arrival * fewer / everything, left=lost)
    served = at_once + waiting / everything
    waited = offered.total()
    wait = waited + tau * lost
    response = wait + served / service
    return MMcTimeout(
        utilisation=load * served / c,
        wait=wait,
        response=response,
        in_queue=arrival * wait,
        in_system=arrival * response,
        throughput=arrival * served,
        wait_probability=(waiting + leaving) / everything,
        timeout_probability=lost,
        served=InTime(
            probability=served,
            wait=waited / served,
            response=waited / served + 1.0 / service,
            offered=offered,
            at_once=at_once,
            service_rate=service,
        ),
    )
