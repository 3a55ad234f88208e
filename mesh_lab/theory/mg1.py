"""Any service time: M/G/1, first come first served, and processor sharing.

**The model.** Poisson arrivals of rate lambda, one server, and service times S of any distribution,
independent of each other and of the arrivals.  It is described by two numbers, the mean E[S] and
the squared coefficient of variation c**2 = Var[S] / E[S]**2: 0 for a constant, 1 for the
exponential, above 1 when most are short and a few are long.  rho = lambda E[S] < 1.

**First come, first served** (Pollaczek 1930, Khinchine 1932).  An arrival waits for the work that
it finds.  In the mean that is the service of those waiting, lambda * wait * E[S], and, with
probability rho, what is left of the service under way, E[S**2]/(2 E[S]): a random instant falls
into long services more often (the inspection paradox).  So

    wait = rho * wait + lambda E[S**2] / 2,   that is
    wait = rho/(1 - rho) * (1 + c**2)/2 * E[S].

Load, variability and the mean service time, each a factor.  Any order of service that does not look
at the service times and interrupts nobody (last come first served, random) has the same mean.

**Processor sharing.** All who are there share the server evenly, as the threads of a process share
a core.  Then the number there is geometric with ratio rho, whatever the distribution of S, and a
request of size x takes x/(1 - rho) in the mean: long requests no longer hold up short ones, and the
variability of the service times, which ruins first come first served, does not matter at all.

Sources: Kleinrock (1975), Queueing Systems volume 1, chapter 5; Kleinrock (1976), volume 2, chapter
4, for processor sharing.
"""

from __future__ import annotations

import dataclasses

from . import _arguments as check
from ._results import Measures

__all__ = ["MG1", "ProcessorSharing", "mg1", "mg1_ps"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MG1(Measures):
    """What `mg1` returns.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all.
    busy_period : float
        Mean seconds for which the server works without a pause; any order of service.
    """

    wait_probability: float
    busy_period: float


def load_of(function: str, arrival: float, mean: float) -> float:
    """Return the utilisation of a single server, or refuse: for the M/G/1 family."""
    rho = arrival * mean
    check.refuse_unstable(
        f"{function} with arrival rate {arrival:.6g} and mean service time {mean:.6g}",
        rho,
        f"it needs a mean service time below {1.0 / arrival:.6g}",
    )
    return rho


def mg1(*, arrival_rate: float, service_mean: float, service_scv: float) -> MG1:
    """Return the steady state of M/G/1, first come, first served.

    Parameters
    ----------
    arrival_rate : float
        Requests per second.
    service_mean : float
        Mean service time in seconds.
    service_scv : float
        Squared coefficient of variation of the service time, variance / mean**2; 0 or more.
        A mesh_lab distribution has both as ``.mean`` and ``.scv``.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When arrival_rate * service_mean is not below 1.

    Examples
    --------
    The same load with constant, exponential and very variable service:

    >>> for scv in (0.0, 1.0, 9.0):
    ...     print(round(mg1(arrival_rate=40.0, service_mean=0.020, service_scv=scv).wait, 4))
    0.04
    0.08
    0.4
    """
    arrival = check.positive("mg1", "arrival_rate", arrival_rate)
    mean = check.positive("mg1", "service_mean", service_mean)
    scv = check.at_least_zero("mg1", "service_scv", service_scv)
    rho = load_of("M/G/1", arrival, mean)
    wait = rho / (1.0 - rho) * (1.0 + scv) / 2.0 * mean
    return MG1(
        utilisation=rho,
        wait=wait,
        response=wait + mean,
        in_queue=arrival * wait,
        in_system=arrival * wait + rho,
        throughput=arrival,
        wait_probability=rho,
        busy_period=mean / (1.0 - rho),
    )


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class ProcessorSharing(Measures):
    """What `mg1_ps` returns.

    Everybody is in service at once, so nobody waits in a line; `wait` is the time that sharing
    adds, response minus own service time, and `in_queue` the number there beyond one server's
    worth, so that the two obey Little's law as everywhere else.

    Parameters
    ----------
    slowdown : float
        Response of a request divided by its service time, the same for every size in the mean.
    """

    slowdown: float

    def response_of(self, work: float) -> float:
        """Return the mean response of a request that brings `work` seconds of service.

        Examples
        --------
        >>> round(mg1_ps(arrival_rate=40.0, service_mean=0.020).response_of(0.001), 6)
        0.005
        """
        return self.slowdown * check.at_least_zero("mg1_ps", "work", work)

    def in_system_probability(self, n: int) -> float:
        """Return the share of time in which exactly `n` requests are there (geometric).

        Examples
        --------
        >>> mg1_ps(arrival_rate=1.0, service_mean=0.5).in_system_probability(2)
        0.125
        """
        n = check.count("in_system_probability", "n", n, least=0)
        return (1.0 - self.utilisation) * self.utilisation**n


def mg1_ps(*, arrival_rate: float, service_mean: float) -> ProcessorSharing:
    """Return the steady state of M/G/1 under processor sharing, for any service time.

    Parameters
    ----------
    arrival_rate : float
        Requests per second.
    service_mean : float
        Mean service time in seconds; the result does not depend on more of its distribution.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When arrival_rate * service_mean is not below 1.

    Examples
    --------
    >>> mg1_ps(arrival_rate=40.0, service_mean=0.020)
    ProcessorSharing(utilisation=0.8, wait=0.08, response=0.1, in_queue=3.2, in_system=4, \
throughput=40, slowdown=5)
    """
    arrival = check.positive("mg1_ps", "arrival_rate", arrival_rate)
    mean = check.positive("mg1_ps", "service_mean", service_mean)
    rho = load_of("M/G/1 with processor sharing,", arrival, mean)
    slowdown = 1.0 / (1.0 - rho)
    wait = rho * slowdown * mean
    return ProcessorSharing(
        utilisation=rho,
        wait=wait,
        response=slowdown * mean,
        in_queue=arrival * wait,
        in_system=rho * slowdown,
        throughput=arrival,
        slowdown=slowdown,
    )
