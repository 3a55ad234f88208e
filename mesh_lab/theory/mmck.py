"""A bounded queue: M/M/c/K, where requests that find no room are turned away.

**What the room counts.** Kendall's K counts everybody in the system, those in service included;
mesh_lab's ``Queue(capacity=...)`` counts only those who wait.  To keep the two apart this function
has neither name: it takes ``waiting_room``, how many may *wait*.  So

    waiting_room = capacity of the Queue = K - servers,

and ``waiting_room=0`` is the loss system of Erlang B.

**The model.** As M/M/c (module `mm`), but an arrival that finds c + waiting_room requests leaves at
once.  The number there is a birth-and-death chain on 0, 1, ... K, which has a steady state at any
load: rejection is what keeps an overloaded system finite.  By PASTA (Wolff 1982) the share turned
away is the share of time in which the system is full, p[K]; those accepted see the distribution
q[n] = p[n] / (1 - p[K]), n < K.

**Whose times.** `wait`, `response` and their tails are those of the accepted requests, and so is
Little's law: ``in_queue = throughput * wait``.

**Times.** While all servers are busy departures are a Poisson process of rate c mu, and each of
them ends the service of a given request with probability 1/c.  A request that finds k waiting
enters service at the (k+1)-th departure; after that its service takes a geometric number of
departures (of a chain kept going at rate c mu whether or not the servers are busy).  With
N[m] = P(not done after m such departures), which does not depend on t,

    P(response > t) = sum over m of Poisson(m; c mu t) N[m],

a sum of positive terms (uniformisation; derived here), and the same with "not started" for the
wait.

Sources: Kleinrock (1975), Queueing Systems volume 1, chapter 3; Gross and Harris, Fundamentals of
Queueing Theory, for the chain.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from . import _arguments as check
from ._chains import poisson, stationary
from ._results import Measures, Times

__all__ = ["MMcK", "mmck"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class MMcK(Measures, Times):
    """What `mmck` returns; times are those of accepted requests.

    Parameters
    ----------
    wait_probability : float
        Share of the accepted requests that wait at all.
    blocking_probability : float
        Share of all requests that are turned away.
    arrival_rate, service_rate : float
        As given; `arrival_rate` counts those turned away, `throughput` does not.
    servers, waiting_room : int
        As given.
    """

    wait_probability: float
    blocking_probability: float
    arrival_rate: float = dataclasses.field(repr=False)
    service_rate: float = dataclasses.field(repr=False)
    servers: int = dataclasses.field(repr=False)
    waiting_room: int = dataclasses.field(repr=False)

    def in_system_probability(self, n: int) -> float:
        """Return the share of time in which exactly `n` requests are there.

        Examples
        --------
        >>> alone = mmck(arrival_rate=1.0, service_rate=1.0, servers=1, waiting_room=3)
        >>> round(alone.in_system_probability(4), 12)
        0.2
        """
        n = check.count("in_system_probability", "n", n, least=0)
        return float(self._states[n]) if n < len(self._states) else 0.0

    @functools.cached_property
    def _states(self) -> NDArray[np.float64]:
        return _solve(self.arrival_rate / self.service_rate, self.servers, self.waiting_room)

    @functools.cached_property
    def _not_started(self) -> NDArray[np.float64]:
        """P(not yet in service after m departures), m = 0 ... waiting_room."""
        joins = self._states[self.servers : -1]
        accepted = float(self._states[:-1].sum())
        # Summed from the far end: the small probabilities first.
        return np.append(np.cumsum(joins[::-1])[::-1], 0.0) / accepted

    @functools.cached_property
    def _not_done(self) -> NDArray[np.float64]:
        """P(not yet served after m departures), m = 0 ... waiting_room; geometric from there."""
        waiting, states, c = self._not_started, self._states, self.servers
        # P(enters service at departure m): at once, or behind m - 1 others.
        starts = np.append(states[:c].sum(), states[c:-1]) / states[:-1].sum()
        stays = 1.0 - 1.0 / self.servers
        serving, undone = 0.0, np.empty(len(waiting))
        for m in range(len(waiting)):
            serving = serving * stays + float(starts[m])
            undone[m] = waiting[m] + serving
        return undone

    def _after(self, t: float, left: NDArray[np.float64], stays: float) -> float:
        """Average `left[m]` over the number m of departures within t (geometric beyond it)."""
        first, weights = poisson(self.servers * self.service_rate * t)
        inside = left[first : first + len(weights)]
        total = float(np.dot(weights[: len(inside)], inside))
        if (rest := weights[len(inside) :]).size:
            steps = np.arange(first + len(inside), first + len(weights)) - (len(left) - 1)
            total += float(np.dot(rest, stays**steps)) * float(left[-1])
        return min(1.0, total)

    def _wait_tail(self, t: float) -> float:
        return self._after(t, self._not_started, 0.0)

    def _response_tail(self, t: float) -> float:
        return self._after(t, self._not_done, 1.0 - 1.0 / self.servers)


def _solve(load: float, servers: int, waiting_room: int) -> NDArray[np.float64]:
    """Return the probabilities of 0 ... servers + waiting_room requests in the system."""
    size = servers + waiting_room
    first, p = stationary(
        "mmck",
        lambda n: load / np.minimum(n + 1.0, float(servers)),
        last=size,
        start=min(int(load), servers),
    )
    states = np.zeros(size + 1)
    states[first : first + len(p)] = p
    return states


def mmck(*, arrival_rate: float, service_rate: float, servers: int, waiting_room: int) -> MMcK:
    """Return the steady state of M/M/c/K with K = `servers` + `waiting_room`, at any load.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, those turned away included.
    service_rate : float
        Requests that one busy server finishes per second.
    servers : int
        One or more.
    waiting_room : int
        How many may wait, 0 or more: the ``capacity`` of a mesh_lab ``Queue``.  It is *not*
        Kendall's K, which counts those in service too.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> mmck(arrival_rate=3.0, service_rate=1.0, servers=2, waiting_room=4)
    MMcK(utilisation=0.96053, wait=1.3451, response=2.3451, in_queue=2.5841, in_system=4.5052, \
throughput=1.9211, wait_probability=0.90139, blocking_probability=0.35964)

    Without room to wait it is Erlang's loss system:

    >>> from mesh_lab.theory import erlang_b
    >>> full = mmck(arrival_rate=8.108, service_rate=1.0, servers=15, waiting_room=0)
    >>> round(full.blocking_probability - erlang_b(servers=15, offered_load=8.108), 12)
    0.0
    """
    arrival = check.positive("mmck", "arrival_rate", arrival_rate)
    service = check.positive("mmck", "service_rate", service_rate)
    c = check.count("mmck", "servers", servers)
    room = check.count("mmck", "waiting_room", waiting_room, least=0)
    states = _solve(arrival / service, c, room)
    here = np.arange(len(states), dtype=np.float64)
    busy = float(np.dot(states, np.minimum(here, c)))
    in_queue = float(np.dot(states[c:], here[c:] - c))
    throughput = service * busy
    accepted = float(states[:-1].sum())
    wait = in_queue / throughput
    return MMcK(
        utilisation=busy / c,
        wait=wait,
        response=wait + 1.0 / service,
        in_queue=in_queue,
        in_system=in_queue + busy,
        throughput=throughput,
        wait_probability=float(states[c:-1].sum()) / accepted,
        blocking_probability=float(states[-1]),
        arrival_rate=arrival,
        service_rate=service,
        servers=c,
        waiting_room=room,
    )
