"""Join-Idle-Queue, for so many servers and balancers that they no longer notice each other.

**The model.** n servers, m balancers (Lu et al. call them dispatchers), r = n/m servers for each.
Every balancer has an I-queue of servers that said they are idle.  A request goes to the first of
its balancer's I-queue; when that is empty, to a server chosen uniformly at random.  A server that
becomes idle joins the I-queue of a random balancer, or the shortest of d random ones.

**I-queues.** An I-queue is a queue in which servers wait for requests.  Let p be the share of
I-queues that hold somebody.  Servers that are idle and listed are all there are in I-queues: the
mean length is r (1 - lambda), lambda being the load of a server.  With random choice an I-queue is
an M/M/1, of mean length p/(1 - p); with d choices it is the supermarket model (`power_of_d`), so

    p/(1 - p) = r (1 - lambda),   or   sum over i >= 1 of p**((d**i - 1)/(d - 1)) = r (1 - lambda).

**Servers.** A busy server gets only what finds an I-queue empty: Poisson with rate lambda (1 - p).
With exponential service its busy spells are those of M/M/1 under that smaller load, whence (times
in mean services)

    response = 1/(1 - lambda (1 - p)),

and for d = 1:  response = 1 + lambda/(1 - lambda) / (1 + r).  Under processor sharing the same
holds for any service times.

**What it is not.** A finite system lies a few per cent off.  On which side depends on what becomes
of the entry of a server that gets a request from elsewhere while it stands in an I-queue: withdrawn
or left behind.  The limit counts every entry as idle.

Sources: Lu, Xie, Kliot, Geller, Larus and Greenberg, "Join-Idle-Queue", Performance Evaluation 68
(2011), recalled; the last formula for d = 1 follows from the two before it, and simulations of
large systems agree (tests and validation).
"""

from __future__ import annotations

import dataclasses
import math

from . import _arguments as check
from ._results import Measures
from .splitting import checked

__all__ = ["IdleQueues", "join_idle_queue"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class IdleQueues(Measures):
    """What `join_idle_queue` returns: the common measures in the limit of a large system.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that wait at all.
    idle_known : float
        Share of the requests whose balancer has an idle server on its I-queue.
    """

    wait_probability: float
    idle_known: float


def join_idle_queue(
    *, arrival_rate: float, service_rate: float, servers: int, balancers: int, choices: int = 1
) -> IdleQueues:
    """Return the large-system limit of Join-Idle-Queue.

    Only the ratio of servers to balancers matters, and the load of a server.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, over all balancers.
    service_rate : float
        Requests that one busy server finishes per second.
    servers, balancers : int
        One or more.
    choices : int
        Among how many random I-queues an idle server joins the shortest; 1: JIQ-Random.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When the arrival rate is not below servers * service_rate.

    Examples
    --------
    Ten servers for each balancer:

    >>> join_idle_queue(arrival_rate=90.0, service_rate=1.0, servers=100, balancers=10)
    IdleQueues(utilisation=0.9, wait=0.81818, response=1.8182, in_queue=73.636, \
in_system=163.64, throughput=90, wait_probability=0.45, idle_known=0.5)
    """
    where = "join_idle_queue"
    arrival, service, n, rho = checked(where, arrival_rate, service_rate, servers)
    m = check.count(where, "balancers", balancers)
    d = check.count(where, "choices", choices, most=10**6)
    known = _share_not_empty(n / m * (1.0 - rho), d)
    reaches_busy = rho * (1.0 - known)
    response = 1.0 / (1.0 - reaches_busy) / service
    wait = reaches_busy * response
    return IdleQueues(
        utilisation=rho,
        wait=wait,
        response=response,
        in_queue=arrival * wait,
        in_system=arrival * response,
        throughput=arrival,
        wait_probability=reaches_busy,
        idle_known=known,
    )


def _share_not_empty(length: float, choices: int) -> float:
    """Return p, the share of I-queues with somebody in them, from their mean length."""
    if choices == 1:
        return length / (1.0 + length)

    def mean(p: float) -> float:
        total, exponent = 0.0, 1.0
        while p > 0.0 and (term := math.exp(exponent * math.log(p))) > 1e-18:
            total += term
            exponent = exponent * choices + 1.0
        return total

    low, high = 0.0, 1.0
    while low < (middle := 0.5 * (low + high)) < high:
        if mean(middle) < length:
            low = middle
        else:
            high = middle
    return high
