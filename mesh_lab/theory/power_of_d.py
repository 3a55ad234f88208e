r"""The supermarket model: each request joins the shortest of d random queues.

**The limit.** n servers with a queue each, Poisson arrivals of rate lambda n, exponential service
of rate 1.  Let s[i] be the share of servers with at least i requests.  As n grows, the shares
follow a differential equation,

    ds[i]/dt = lambda (s[i-1]**d - s[i]**d) - (s[i] - s[i+1]),       s[0] = 1:

an arrival makes an i of an i - 1 when all of its d choices have at least i - 1 and not all have i,
a departure takes it back.  Its fixed point is

    s[i] = lambda**((d**i - 1)/(d - 1)),      E[T] = sum over i >= 1 of s[i] / lambda.

For d = 1 that is the geometric queue of M/M/1; from d = 2 on, the exponent itself grows
exponentially, and long queues are as good as impossible.  An arrival finds at least i requests
where it joins with probability s[i]**d, and needs one exponential service for each of them and one
for itself, so first come, first served,

    P(response > t) = E[s[K]**d],     P(wait > t) = E[s[K+1]**d],     K ~ Poisson(t).

**Finite n: the refined mean field.** With n servers the shares fluctuate around the fixed point by
about 1/sqrt(n), and since the equation is not linear that moves the *mean* by about 1/n:

    E[s] = s + v/n + O(1/n**2),      A v + b = 0,      A W + W A' + Q = 0,

with A the Jacobian of the right-hand side at the fixed point, Q the variance rate of the jumps
there (diagonal: up and down are equally likely, 2 (s[i] - s[i+1])), W the covariance of the
fluctuations times n, and b[i] half the sum of second derivatives times W.  Queues are longer than
in the limit.  For d = 2 the correction of the mean number at a server is near
lambda**2 / (2 (1 - lambda)) / n (Gast's fit); here it is computed from the equations above, for
every d.  What is *not* known is the remainder: use the correction where n is much larger than
1/(1 - lambda), and `join_shortest_queue` for two to four servers.

Without replacement, the d choices are different servers, and s**d above becomes
s**d - d (d - 1)/2 (s**(d-1) - s**d)/n + O(1/n**2), which adds to b.  [Derived here.]

Sources: Vvedenskaya, Dobrushin and Karpelevich, Problems of Information Transmission 32 (1996);
Mitzenmacher, PhD thesis, Berkeley (1996), both recalled; Gast, "Expected values estimated via
mean-field approximation are 1/N-accurate", SIGMETRICS 2017; Gast and Van Houdt, "A refined mean
field approximation", SIGMETRICS 2018.  The tests hold the correction against the program that goes
with these, rmftool, and against solved chains of 6 and 12 servers.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from . import _arguments as check
from ._results import Measures, Times
from .splitting import checked

__all__ = ["Supermarket", "power_of_d"]

NEGLIGIBLE = 1e-18  # share of servers


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Supermarket(Measures, Times):
    """What `power_of_d` returns: the common measures and times, in the limit of many servers.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all.
    refined_response : float
        Mean response in seconds with the correction for a finite number of servers: an
        approximation whose error falls with the square of that number (see the module).
    service_rate : float
        As given.
    choices : int
        As given.
    """

    wait_probability: float
    refined_response: float
    service_rate: float = dataclasses.field(repr=False)
    choices: int = dataclasses.field(repr=False)

    def at_least(self, n: int) -> float:
        """Return the share of servers at which `n` requests or more are, in the limit.

        Examples
        --------
        >>> two = power_of_d(arrival_rate=90.0, service_rate=1.0, servers=100)
        >>> [round(two.at_least(n), 4) for n in range(5)]
        [1.0, 0.9, 0.729, 0.4783, 0.2059]
        """
        n = check.count("at_least", "n", n, least=0)
        return _at_least(self.utilisation, self.choices, n)

    def _wait_tail(self, t: float) -> float:
        return self._found_after(t, 1)

    def _response_tail(self, t: float) -> float:
        return self._found_after(t, 0)

    def _found_after(self, t: float, more: int) -> float:
        """E[s[K + more]**d] with K Poisson: all that is to be served before has taken t."""
        rho, d, events = self.utilisation, self.choices, self.service_rate * t
        if d == 1:
            return rho**more * math.exp(-(1.0 - rho) * events)
        if events == 0.0:
            return _at_least(rho, d, more) ** d
        total, k = 0.0, 0
        while (found := _at_least(rho, d, k + more) ** d) > 1e-300:
            total += found * math.exp(k * math.log(events) - events - math.lgamma(k + 1.0))
            k += 1
        return min(1.0, total)


def power_of_d(
    *,
    arrival_rate: float,
    service_rate: float,
    servers: int,
    choices: int = 2,
    replacement: bool = False,
) -> Supermarket:
    """Return the supermarket model: the limit of many servers, and a correction for `servers`.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, over all servers.
    service_rate : float
        Requests that one busy server finishes per second.
    servers : int
        One or more; the limit depends on it only through the load, `refined_response` also
        through its number.
    choices : int
        How many random servers a request looks at: d.
    replacement : bool
        Whether a request may look at one server twice; this matters for `refined_response` only.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When the arrival rate is not below servers * service_rate.

    Examples
    --------
    The step from one choice to two, and how little the third adds, at a load of 0.95:

    >>> for d in (1, 2, 3):
    ...     print(round(power_of_d(arrival_rate=95.0, service_rate=1.0, servers=100,
    ...                            choices=d).response, 3))
    20.0
    3.383
    2.535

    Ten servers are far from infinitely many:

    >>> ten = power_of_d(arrival_rate=9.0, service_rate=1.0, servers=10, replacement=True)
    >>> round(ten.response, 4), round(ten.refined_response, 4)
    (2.6141, 3.057)
    """
    where = "power_of_d"
    arrival, service, n, rho = checked(where, arrival_rate, service_rate, servers)
    d = check.count(where, "choices", choices, most=10**6)
    if not isinstance(replacement, bool | np.bool_):
        raise check.wrong(where, "replacement", replacement, "True or False")
    if d == 1:
        at_one, more = rho / (1.0 - rho), 0.0
    else:
        shares = _shares(rho, d)
        at_one = float(shares.sum())
        more = float(_correction(rho, d, shares, bool(replacement)).sum()) / n
    response = at_one / rho / service
    wait = max(0.0, at_one - rho) / rho / service
    return Supermarket(
        utilisation=rho,
        wait=wait,
        response=response,
        in_queue=arrival * wait,
        in_system=arrival * response,
        throughput=arrival,
        wait_probability=rho**d,
        refined_response=response + more / rho / service,
        service_rate=service,
        choices=d,
    )


def _at_least(rho: float, d: int, n: int) -> float:
    """s[n] of the fixed point; an exponent too large for a float stands for a share of 0."""
    if d == 1:
        return rho**n
    try:
        exponent = (float(d) ** n - 1.0) / (d - 1.0)
    except OverflowError:
        return 0.0
    return float(rho**exponent)


def _shares(rho: float, d: int) -> NDArray[np.float64]:
    """s[1], s[2], ... as far as they matter."""
    shares = [rho]
    while (share := _at_least(rho, d, len(shares) + 1)) > NEGLIGIBLE * rho:
        shares.append(share)
    return np.array(shares)


def _correction(
    rho: float, d: int, s: NDArray[np.float64], replacement: bool
) -> NDArray[np.float64]:
    """V of the module's text: how much a share exceeds the limit, times the number of servers."""
    below = np.concatenate([[1.0], s[:-1]])
    above = np.append(s[1:], 0.0)
    jacobian = np.diag(-rho * d * s ** (d - 1) - 1.0)
    jacobian += np.diag(rho * d * s[:-1] ** (d - 1), -1) + np.diag(np.ones(len(s) - 1), 1)
    jumps = np.diag(rho * (below**d - s**d) + s - above)
    # A W + W A' = -Q, written as one system of linear equations: there are few states
    one = np.eye(len(s))
    both = np.kron(jacobian, one) + np.kron(one, jacobian)
    spread = np.diag(np.linalg.solve(both, -jumps.ravel()).reshape(jumps.shape))
    # half the second derivative of rho s[i]**d, which feeds state i + 1 and leaves state i
    bend = 0.5 * rho * d * (d - 1) * s ** (d - 2) * spread
    push = np.concatenate([[0.0], bend[:-1]]) - bend
    if not replacement:

        def fewer(x: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(-0.5 * d * (d - 1) * (x ** (d - 1) - x**d))

        push += rho * (fewer(below) - fewer(s))
    return np.asarray(np.linalg.solve(jacobian, -push))
