"""Open networks with feedback: Jackson's theorem.

**The model.** Several stations, each with exponential service and one or more servers, first come,
first served.  Requests come from outside to station i as a Poisson process of rate gamma_i; after
service at i a request goes to j with probability P[i][j], whatever happened before, and leaves with
what is left of 1.  Loops are allowed: a failed request that comes back is P[i][i] > 0.

**Flows.** In the long run each station passes on what it gets, so the total arrival rates solve the
traffic equations

    lambda_j = gamma_j + sum over i of lambda_i P[i][j],

linear, with one solution when everything that comes in can get out.

**The theorem** (Jackson 1957, 1963).  When every station has room for its lambda_i, the numbers at
the stations, seen at one instant, are independent, and station i looks just like M/M/c with
arrival rate lambda_i.  This is remarkable: with feedback the arrivals at a station are *not*
Poisson, and yet the means are as if they were.  So each station is solved by `mmc`, and by Little's
law around the whole network

    response = (sum of the mean numbers at all stations) / (sum of the gammas).

Source: Jackson, Management Science 10 (1963); Kleinrock (1975), Queueing Systems volume 1,
chapter 4.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from ..errors import PartError
from . import _arguments as check
from ._results import Measures
from .mm import MMc, steady

__all__ = ["JacksonNetwork", "jackson"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class JacksonNetwork(Measures):
    """What `jackson` returns: the means of the whole network, and every station.

    `wait` and `response` are sums over all visits of one request, from its arrival from outside
    until it leaves; `utilisation` is that of the busiest station.

    Parameters
    ----------
    bottleneck : str
        The busiest station.
    visits : dict of str to float
        Mean number of visits that a request pays to each station.
    stations : dict of str to MMc
        Each station as M/M/c; its `throughput` is the solution of the traffic equations, its
        `response` that of one visit.
    """

    bottleneck: str
    visits: dict[str, float]
    stations: dict[str, MMc] = dataclasses.field(repr=False)


def jackson(
    *,
    arrival_rates: Mapping[str, float],
    service_rates: Mapping[str, float],
    routing: Mapping[str, Mapping[str, float]] | None = None,
    servers: int | Mapping[str, int] = 1,
) -> JacksonNetwork:
    """Return the steady state of an open Jackson network.

    Parameters
    ----------
    arrival_rates : mapping of str to float
        Requests per second from outside to each station; a station that is not named gets none.
    service_rates : mapping of str to float
        For every station, the requests that one busy server of it finishes per second.
    routing : mapping of str to mapping of str to float
        ``routing[a][b]`` is the probability that a request goes on to `b` after `a`; the rest
        leaves.  A station that is not named sends everything out.
    servers : int or mapping of str to int
        Servers of every station, or of each; one for a station that is not named.

    Raises
    ------
    PartError
        When an argument is not what is said above, names a station that has no service rate, or
        when some requests could never leave.
    UnstableError
        When a station gets more than its servers can do; the message names it.

    Examples
    --------
    A web tier that asks the database every second time, and one time in ten has to try again:

    >>> net = jackson(arrival_rates={"web": 6.0}, service_rates={"web": 20.0, "db": 12.5},
    ...               routing={"web": {"db": 0.5, "web": 0.1}, "db": {"web": 1.0}})
    >>> net
    JacksonNetwork(utilisation=0.75, wait=0.525, response=0.75, in_queue=3.15, in_system=4.5, \
throughput=6, bottleneck='web', visits={'web': 2.5, 'db': 1.25})
    >>> round(net.stations["db"].response, 12)
    0.2
    """
    where = "jackson"
    service = {
        name: check.positive(where, f"service_rates[{name!r}]", rate)
        for name, rate in check.by_name(where, "service_rates", service_rates).items()
    }
    if not service:
        raise check.wrong(where, "service_rates", {}, "a mapping with one station or more")
    names = list(service)
    outside = _outside(arrival_rates, names)
    sizes = _servers(servers, names)
    chances = _routing(routing or {}, names)
    flows = _flows(outside, chances, names)
    stations = {
        name: steady(f"station {name!r}", flows[name], service[name], sizes[name]) for name in names
    }
    total = math.fsum(outside.values())
    in_queue = math.fsum(s.in_queue for s in stations.values())
    in_system = math.fsum(s.in_system for s in stations.values())
    bottleneck = max(names, key=lambda name: stations[name].utilisation)
    return JacksonNetwork(
        utilisation=stations[bottleneck].utilisation,
        wait=in_queue / total,
        response=in_system / total,
        in_queue=in_queue,
        in_system=in_system,
        throughput=total,
        bottleneck=bottleneck,
        visits={name: flows[name] / total for name in names},
        stations=stations,
    )


def _known(argument: str, name: str, names: list[str]) -> None:
    if name not in names:
        problem = f"names {name!r}, which has no service rate; stations are: {', '.join(names)}"
        raise PartError("theory.jackson", argument, problem)


def _outside(arrival_rates: object, names: list[str]) -> dict[str, float]:
    rates = dict.fromkeys(names, 0.0)
    for name, rate in check.by_name("jackson", "arrival_rates", arrival_rates).items():
        _known("arrival_rates", name, names)
        rates[name] = check.at_least_zero("jackson", f"arrival_rates[{name!r}]", rate)
    if math.fsum(rates.values()) <= 0.0:
        raise check.wrong("jackson", "arrival_rates", arrival_rates, "above 0 for some station")
    return rates


def _servers(servers: object, names: list[str]) -> dict[str, int]:
    if not isinstance(servers, Mapping):
        return dict.fromkeys(names, check.count("jackson", "servers", servers))
    sizes = dict.fromkeys(names, 1)
    for name, size in check.by_name("jackson", "servers", servers).items():
        _known("servers", name, names)
        sizes[name] = check.count("jackson", f"servers[{name!r}]", size)
    return sizes


def _routing(routing: object, names: list[str]) -> dict[str, dict[str, float]]:
    chances: dict[str, dict[str, float]] = {name: {} for name in names}
    for name, row in check.by_name("jackson", "routing", routing).items():
        _known("routing", name, names)
        where = f"routing[{name!r}]"
        for other, chance in check.by_name("jackson", where, row).items():
            _known(where, other, names)
            share = check.probability("jackson", f"{where}[{other!r}]", chance)
            if share > 0.0:
                chances[name][other] = share
        total = math.fsum(chances[name].values())
        if total > 1.0 + 1e-9:
            problem = f"has probabilities that sum to {total:.10g}, but must not exceed 1"
            raise PartError("theory.jackson", where, problem)
        if total >= 1.0 - 1e-9:  # the rounding of thirds is not a way out
            chances[name] = {other: share / total for other, share in chances[name].items()}
    return chances


def _flows(
    outside: dict[str, float], chances: dict[str, dict[str, float]], names: list[str]
) -> dict[str, float]:
    """Return the solution of the traffic equations, or refuse what can never leave."""
    reached = _closure({n for n in names if outside[n] > 0.0}, chances)
    incoming: dict[str, dict[str, float]] = {name: {} for name in names}
    for name, row in chances.items():
        for other, share in row.items():
            incoming[other][name] = share
    ends = {n for n in names if math.fsum(chances[n].values()) < 1.0 - 1e-9}
    trapped = [n for n in names if n in reached and n not in _closure(ends, incoming)]
    if trapped:
        problem = f"sends requests to {', '.join(map(repr, trapped))}, from where none ever leaves"
        raise PartError("theory.jackson", "routing", problem)
    # Only what is reached, so that an idle loop does not make the equations singular.
    live = [n for n in names if n in reached]
    matrix = np.eye(len(live))
    for i, name in enumerate(live):
        for other, share in chances[name].items():
            matrix[live.index(other), i] -= share
    solved = np.linalg.solve(matrix, np.array([outside[n] for n in live]))
    return dict.fromkeys(names, 0.0) | {n: float(v) for n, v in zip(live, solved, strict=True)}


def _closure(start: set[str], edges: dict[str, dict[str, float]]) -> set[str]:
    """Return all that can be reached from `start`, itself included."""
    found, fresh = set(start), list(start)
    while fresh:
        for other in edges[fresh.pop()]:
            if other not in found:
                found.add(other)
                fresh.append(other)
    return found
