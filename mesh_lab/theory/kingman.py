"""Any gaps and any service: Kingman's bound and the approximation made of it.

**The model.** GI/G/1: independent gaps between arrivals with mean 1/lambda and squared coefficient
of variation ca2, independent service times with mean E[S] and cs2, one server, first come, first
served, rho = lambda E[S] < 1.  The mean wait then depends on the whole of both distributions, and
no formula is known for it.  Two things can be said from two moments alone.

**A bound** (Kingman 1962).  With the variances Va = ca2/lambda**2 of the gap and Vs = cs2 E[S]**2
of the service,

    wait <= lambda (Va + Vs) / (2 (1 - rho)).

It is never wrong, and close when the load is high; at low load it is far too large.  It follows
from Lindley's recursion, wait' = max(0, wait + S - gap): square both sides, take means, and drop a
term that is not negative.

**An approximation** ("VUT": variability, utilisation, time), from the heavy-traffic limit in which
the wait is exponential (Kingman 1961):

    wait ~ (ca2 + cs2)/2 * rho/(1 - rho) * E[S].

For several servers the wait of M/M/c takes the place of rho/(1 - rho) E[S]; that is the formula of
Allen and Cunneen (in Allen, Probability, Statistics and Queueing Theory).  It is exact for M/G/1
and M/M/c; elsewhere it can be off on either side, most when ca2 is far from 1 and the load low, so
compare before you trust it.
"""

from __future__ import annotations

import dataclasses

from . import _arguments as check
from ._results import Measures
from .mm import steady

__all__ = ["Approximation", "UpperBound", "kingman_approximation", "kingman_bound"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class UpperBound(Measures):
    """What `kingman_bound` returns: wait, response and both numbers are upper bounds of means."""


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Approximation(Measures):
    """What `kingman_approximation` returns: the means, approximately."""


def kingman_bound(
    *, arrival_rate: float, arrival_scv: float, service_mean: float, service_scv: float
) -> UpperBound:
    """Return upper bounds of the means of GI/G/1, first come, first served.

    Parameters
    ----------
    arrival_rate : float
        Requests per second.
    arrival_scv : float
        Squared coefficient of variation of the gap between arrivals.
    service_mean : float
        Mean service time in seconds.
    service_scv : float
        Squared coefficient of variation of the service time.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When arrival_rate * service_mean is not below 1.

    Examples
    --------
    For M/M/1 at 80 %, whose mean wait is 4:

    >>> round(kingman_bound(arrival_rate=0.8, arrival_scv=1.0, service_mean=1.0,
    ...                     service_scv=1.0).wait, 3)
    5.125
    """
    where = "kingman_bound"
    arrival = check.positive(where, "arrival_rate", arrival_rate)
    ca2 = check.at_least_zero(where, "arrival_scv", arrival_scv)
    mean = check.positive(where, "service_mean", service_mean)
    cs2 = check.at_least_zero(where, "service_scv", service_scv)
    rho = arrival * mean
    check.refuse_unstable(
        f"GI/G/1 with arrival rate {arrival:.6g} and mean service time {mean:.6g}",
        rho,
        f"it needs a mean service time below {1.0 / arrival:.6g}",
    )
    variances = ca2 / (arrival * arrival) + cs2 * mean * mean
    wait = arrival * variances / (2.0 * (1.0 - rho))
    return UpperBound(
        utilisation=rho,
        wait=wait,
        response=wait + mean,
        in_queue=arrival * wait,
        in_system=arrival * wait + rho,
        throughput=arrival,
    )


def kingman_approximation(
    *,
    arrival_rate: float,
    arrival_scv: float,
    service_mean: float,
    service_scv: float,
    servers: int = 1,
) -> Approximation:
    """Return the approximate means of GI/G/c by the formula of Allen and Cunneen.

    Parameters
    ----------
    arrival_rate : float
        Requests per second.
    arrival_scv : float
        Squared coefficient of variation of the gap between arrivals.
    service_mean : float
        Mean service time in seconds.
    service_scv : float
        Squared coefficient of variation of the service time.
    servers : int
        One or more.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When the load is not below the number of servers.

    Examples
    --------
    Regular arrivals (constant gaps) halve the wait of M/M/3, approximately:

    >>> for ca2 in (1.0, 0.0):
    ...     print(round(kingman_approximation(arrival_rate=2.4, arrival_scv=ca2, service_mean=1.0,
    ...                                       service_scv=1.0, servers=3).wait, 4))
    1.0787
    0.5393
    """
    where = "kingman_approximation"
    arrival = check.positive(where, "arrival_rate", arrival_rate)
    ca2 = check.at_least_zero(where, "arrival_scv", arrival_scv)
    mean = check.positive(where, "service_mean", service_mean)
    cs2 = check.at_least_zero(where, "service_scv", service_scv)
    c = check.count(where, "servers", servers)
    load = arrival * mean
    check.refuse_unstable(
        f"GI/G/{c} with arrival rate {arrival:.6g} and mean service time {mean:.6g}",
        load / c,
        f"it needs {int(load) + 1} servers or more",
    )
    wait = steady(f"GI/G/{c}", arrival, 1.0 / mean, c).wait * (ca2 + cs2) / 2.0
    return Approximation(
        utilisation=load / c,
        wait=wait,
        response=wait + mean,
        in_queue=arrival * wait,
        in_system=arrival * wait + load,
        throughput=arrival,
    )
