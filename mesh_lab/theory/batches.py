"""Requests that come together: batch arrivals, M^[X]/M/1 and M^[X]/G/1.

**The model.** Batches arrive as a Poisson process of rate nu; a batch holds X requests, one server
serves them one at a time, in any order that does not look at service times.  The rate of requests
is lambda = nu E[X], and rho = lambda E[S] < 1.

**Two waits, added.** A batch as a whole is a customer of M/G/1 whose service is the sum of X
service times, B; the first request of a batch waits as that customer does.  A request that is not
the first waits for those before it in the batch, too.  A request chosen at random is likelier to be
in a large batch; the mean number before it in its own is E[X (X - 1)] / (2 E[X]).  Together

    wait = nu E[B**2] / (2 (1 - rho))  +  E[S] E[X (X - 1)] / (2 E[X]),
    E[B**2] = E[X] Var[S] + E[X**2] E[S]**2.

For exponential service the mean number in the system comes out as

    in_system = rho (1 + E[X**2]/E[X]) / (2 (1 - rho)).

The same requests one by one would wait as in M/M/1: batches of 10 at 50 % load are worse than
single arrivals at 90 %.

Source: derived here from the formula of Pollaczek and Khinchine (module `mg1`); Gross and Harris,
Fundamentals of Queueing Theory, for exponential service.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from . import _arguments as check
from ._results import Measures

__all__ = ["Batches", "batch_mg1", "batch_mm1"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Batches(Measures):
    """What `batch_mm1` and `batch_mg1` return; times are those of single requests.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all: all but the first of a batch that finds the server
        idle.
    batch_wait : float
        Mean seconds until the first request of a batch starts.
    """

    wait_probability: float
    batch_wait: float


def batch_mm1(
    *, batch_rate: float, batch_size: int | Mapping[int, float], service_rate: float
) -> Batches:
    """Return the steady state of M^[X]/M/1: Poisson batches, one exponential server.

    Parameters
    ----------
    batch_rate : float
        Batches (not requests) per second.
    batch_size : int or mapping {size: probability}
        Requests in a batch, 1 or more; the probabilities sum to 1.
    service_rate : float
        Requests that the busy server finishes per second.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When batch_rate times the mean size is not below service_rate.

    Examples
    --------
    >>> batch_mm1(batch_rate=5.0, batch_size=10, service_rate=100.0)
    Batches(utilisation=0.5, wait=0.1, response=0.11, in_queue=5, in_system=5.5, throughput=50, \
wait_probability=0.95, batch_wait=0.055)
    >>> from mesh_lab.theory import mm1
    >>> mm1(arrival_rate=90.0, service_rate=100.0).response
    0.1
    """
    rate = check.positive("batch_mm1", "batch_rate", batch_rate)
    sizes = check.probabilities("batch_mm1", "batch_size", batch_size)
    service = check.positive("batch_mm1", "service_rate", service_rate)
    return _solve("M^[X]/M/1", rate, sizes, 1.0 / service, 1.0)


def batch_mg1(
    *,
    batch_rate: float,
    batch_size: int | Mapping[int, float],
    service_mean: float,
    service_scv: float,
) -> Batches:
    """Return the steady state of M^[X]/G/1: Poisson batches, any service time, one server.

    Parameters
    ----------
    batch_rate : float
        Batches (not requests) per second.
    batch_size : int or mapping {size: probability}
        Requests in a batch, 1 or more; the probabilities sum to 1.
    service_mean : float
        Mean service time of a request, in seconds.
    service_scv : float
        Squared coefficient of variation of the service time.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When batch_rate times the mean size times service_mean is not below 1.

    Examples
    --------
    >>> round(batch_mg1(batch_rate=5.0, batch_size={1: 0.5, 19: 0.5}, service_mean=0.010,
    ...                 service_scv=0.0).wait, 4)
    0.176
    """
    rate = check.positive("batch_mg1", "batch_rate", batch_rate)
    sizes = check.probabilities("batch_mg1", "batch_size", batch_size)
    mean = check.positive("batch_mg1", "service_mean", service_mean)
    scv = check.at_least_zero("batch_mg1", "service_scv", service_scv)
    return _solve("M^[X]/G/1", rate, sizes, mean, scv)


def _solve(name: str, rate: float, sizes: dict[int, float], mean: float, scv: float) -> Batches:
    first = math.fsum(p * size for size, p in sizes.items())
    second = math.fsum(p * size * size for size, p in sizes.items())
    before = math.fsum(p * size * (size - 1) for size, p in sizes.items()) / (2.0 * first)
    arrival = rate * first
    rho = arrival * mean
    check.refuse_unstable(
        f"{name} with {rate:.6g} batches of {first:.6g} requests per second and mean service time "
        f"{mean:.6g}",
        rho,
        f"it needs a mean service time below {1.0 / arrival:.6g}",
    )
    batch_wait = rate * (first * scv + second) * mean * mean / (2.0 * (1.0 - rho))
    wait = batch_wait + mean * before
    return Batches(
        utilisation=rho,
        wait=wait,
        response=wait + mean,
        in_queue=arrival * wait,
        in_system=arrival * wait + rho,
        throughput=arrival,
        wait_probability=1.0 - (1.0 - rho) / first,
        batch_wait=batch_wait,
    )
