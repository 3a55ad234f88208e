"""Requests that give up: Erlang A, M/M/c with abandonment.

**The model.** As M/M/c (module `mm`), but every request brings a patience, exponential with mean
1/theta: whoever has waited that long without being started leaves (first studied by Palm; the
name Erlang A is Garnett, Mandelbaum and Reiman's, 2002).  It is the model of callers that hang up,
and of queued requests with an exponential time-to-live.  The longer the queue, the more give up, so
there is a steady state at any load.

**The chain.** With n there, the total rate of leaving is min(n, c) mu + max(0, n - c) theta: a
birth-and-death chain.  Everyone who gives up does so while waiting, at rate theta, so

    P(abandon) = theta * in_queue / lambda = theta * wait:

each percent that gives up is a percent of 1/theta in mean waiting time, at any load.

**Whose times.** `wait` and `response` are means over *all* requests, those that give up included
(until the moment they do), so that Little's law has the arrival rate in it.  Those of the served
requests, which are what a log of successful requests shows, are those of `served`.  They can be
shorter (the longest waits are the ones not served) or longer (who gives up has cut a wait short).

The distribution of the times is derived in the module `_patience`.

Sources: Garnett, Mandelbaum and Reiman, Manufacturing & Service Operations Management 4 (2002), for
the model and the chain; the times as above.
"""

from __future__ import annotations

import dataclasses

from . import _arguments as check
from ._patience import ImpatientQueue
from ._results import Measures, Times, shown

__all__ = ["ErlangA", "Served", "erlang_a"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Served(Times):
    """The times of those requests that are served: `erlang_a(...).served`.

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
    queue: ImpatientQueue = dataclasses.field(repr=False, compare=False)

    def __repr__(self) -> str:
        return shown(self)

    def _wait_tail(self, t: float) -> float:
        return min(1.0, self.queue.waiting_to_be_served(t) / self.probability)

    def _response_tail(self, t: float) -> float:
        there = self.queue.waiting_to_be_served(t) + self.queue.in_service(t)
        return min(1.0, there / self.probability)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class ErlangA(Measures, Times):
    """What `erlang_a` returns: times are those of all requests, served or not.

    Parameters
    ----------
    wait_probability : float
        Share of the requests that are not started at once.
    abandon_probability : float
        Share of the requests that give up.
    served : Served
        The times of the others.
    """

    wait_probability: float
    abandon_probability: float
    served: Served
    queue: ImpatientQueue = dataclasses.field(repr=False, compare=False)

    def in_system_probability(self, n: int) -> float:
        """Return the share of time in which exactly `n` requests are there.

        Examples
        --------
        With a patience as long as a service, the number there is Poisson:

        >>> ten = erlang_a(arrival_rate=3.0, service_rate=1.0, servers=2, patience_mean=1.0)
        >>> round(ten.in_system_probability(0), 6)
        0.049787
        """
        n = check.count("in_system_probability", "n", n, least=0) - self.queue.first
        return float(self.queue.states[n]) if 0 <= n < len(self.queue.states) else 0.0

    def _wait_tail(self, t: float) -> float:
        return min(1.0, self.queue.waiting(t))

    def _response_tail(self, t: float) -> float:
        return min(1.0, self.queue.waiting(t) + self.queue.in_service(t))


def erlang_a(
    *, arrival_rate: float, service_rate: float, servers: int, patience_mean: float
) -> ErlangA:
    """Return the steady state of M/M/c with exponential patience, at any load.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, those that give up included.
    service_rate : float
        Requests that one busy server finishes per second.
    servers : int
        One or more.
    patience_mean : float
        Mean seconds that a request waits before it gives up.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Notes
    -----
    Probabilities below about 1e-25 may come back as 0.

    Examples
    --------
    Twice as many requests as two servers can do, that wait 5 s on average before they give up:

    >>> busy = erlang_a(arrival_rate=4.0, service_rate=1.0, servers=2, patience_mean=5.0)
    >>> busy
    ErlangA(utilisation=0.99782, wait=2.5055, response=3.0044, in_queue=10.022, in_system=12.017, \
throughput=1.9956, wait_probability=0.99636, abandon_probability=0.50109, \
served=Served(probability=0.49891, wait=3.2358, response=4.2358))
    >>> round(busy.served.response_quantile(0.99), 3)
    9.21
    """
    arrival = check.positive("erlang_a", "arrival_rate", arrival_rate)
    service = check.positive("erlang_a", "service_rate", service_rate)
    c = check.count("erlang_a", "servers", servers)
    patience = check.positive("erlang_a", "patience_mean", patience_mean)
    queue = ImpatientQueue(arrival, service, c, 1.0 / patience)
    wait_served = queue.mean_wait_served()
    return ErlangA(
        utilisation=queue.busy / c,
        wait=queue.in_queue / arrival,
        response=(queue.in_queue + queue.busy) / arrival,
        in_queue=queue.in_queue,
        in_system=queue.in_queue + queue.busy,
        throughput=service * queue.busy,
        wait_probability=float(queue.p.sum()),
        abandon_probability=queue.in_queue / (patience * arrival),
        served=Served(
            probability=queue.served,
            wait=wait_served,
            response=wait_served + 1.0 / service,
            queue=queue,
        ),
        queue=queue,
    )
