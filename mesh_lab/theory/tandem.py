"""Stations in a row, with percentiles of the whole way: open tandems of M/M/c.

**The means.** Poisson arrivals of rate lambda go through all stations in order, each M/M/c, first
come, first served.  What leaves M/M/c is Poisson again, and what has left before a moment says
nothing about who is there at it (Burke 1956), so every station is M/M/c with rate lambda and the
means add up: a tandem is the simplest of Jackson's networks (module `jackson`, which has loops and
branches too, and means only).

**The distribution.** The times that one request spends at the stations are independent when nobody
can overtake anybody on the way: when every station *between* the first and the last has one server
(Reich 1957 for one server each, Burke 1969 for the ends).  Then the whole response is a sum of
independent times, each a sum of exponential stages: M/M/1 is one stage of rate mu - lambda; M/M/c
is, with Erlang's probability C of waiting, a stage of rate c mu - lambda before one of rate mu.
With alpha the stage that a request begins in and T the rates between stages,

    P(response > t) = alpha exp(T t) 1.

Waits at successive stations are *not* independent, even where responses are, so a tandem has no
`wait_tail`.  With several servers in the middle, or with feedback, only the means are known.

Sources: Burke, Operations Research 4 (1956); Reich, Annals of Mathematical Statistics 28 (1957);
Burke, Annals of Mathematical Statistics 40 (1969); all recalled, not checked.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError
from . import _arguments as check
from ._responses import Responses
from ._results import Floats, Measures
from .mm import MMc, steady

__all__ = ["Tandem", "tandem"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Tandem(Measures, Responses):
    """What `tandem` returns: sums over all stations; `utilisation` is that of the busiest one.

    Parameters
    ----------
    bottleneck : int
        The number of the busiest station, from 0.
    stations : tuple of MMc
        Each station as M/M/c.
    """

    bottleneck: int
    stations: tuple[MMc, ...] = dataclasses.field(repr=False)

    def _response_tail(self, t: float) -> float:
        from scipy.linalg import expm

        for i, station in enumerate(self.stations[1:-1], start=1):
            if station.servers > 1:
                problem = (
                    f"is {station.servers} at station {i}, between the first and the last: "
                    "requests overtake each other there, and only the means are known, no "
                    "percentile; simulate it"
                )
                raise PartError("theory.tandem", "servers", problem)
        start, rates = _stages(self.stations)
        return min(1.0, max(0.0, float((start @ expm(rates * t)).sum())))


def _stages(stations: tuple[MMc, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a request begins, and the rates from stage to stage (rows sum to at most 0)."""
    entry: list[tuple[list[float], list[float]]] = []  # of each station: rates, chances to begin
    for station in stations:
        free = station.service_rate - station.arrival_rate
        if station.servers == 1:
            entry.append(([free], [1.0]))
        else:
            waits = station.wait_probability
            drain = station.service_rate * (
                station.servers - station.arrival_rate / station.service_rate
            )
            entry.append(([drain, station.service_rate], [waits, 1.0 - waits]))
    size = sum(len(rates) for rates, _ in entry)
    matrix, begin = np.zeros((size, size)), np.zeros(size)
    at = 0
    for number, (rates, _) in enumerate(entry):
        for k, rate in enumerate(rates):
            matrix[at + k, at + k] = -rate
            if k + 1 < len(rates):
                matrix[at + k, at + k + 1] = rate
            elif number + 1 < len(entry):
                for j, chance in enumerate(entry[number + 1][1]):
                    matrix[at + k, at + k + 1 + j] = rate * chance
        at += len(rates)
    begin[: len(entry[0][1])] = entry[0][1]
    return begin, matrix


def tandem(
    *,
    arrival_rate: float,
    service_rates: Floats,
    servers: int | Sequence[int] | NDArray[np.int64] = 1,
) -> Tandem:
    """Return the steady state of M/M/c stations in a row.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, each of which visits all stations in order.
    service_rates : sequence of float, shape (stations,)
        Requests that one busy server of each station finishes per second.
    servers : int or sequence of int, shape (stations,)
        Servers of every station, or of each.

    Raises
    ------
    PartError
        When an argument is not what is said above; from `response_tail` and `response_quantile`
        when a station between the first and the last has several servers.
    UnstableError
        When a station gets more than its servers can do; the message names it.

    Notes
    -----
    Tails are exact to about 1e-12, not relative to themselves.

    Examples
    --------
    A gateway, a service with three workers, in a row:

    >>> way = tandem(arrival_rate=80.0, service_rates=(200.0, 40.0), servers=(1, 3))
    >>> way
    Tandem(utilisation=0.66667, wait=0.014444, response=0.044444, in_queue=1.1556, \
in_system=3.5556, throughput=80, bottleneck=1)
    >>> round(way.response_quantile(0.99), 3)
    0.157
    """
    where = "tandem"
    arrival = check.positive(where, "arrival_rate", arrival_rate)
    rates = _per_station("service_rates", service_rates)
    service = [check.positive(where, f"service_rates[{i}]", r) for i, r in enumerate(rates)]
    if np.isscalar(servers):
        sizes = [check.count(where, "servers", servers, most=check.ONE_BY_ONE)] * len(service)
    else:
        given = _per_station("servers", servers)
        sizes = [
            check.count(where, f"servers[{i}]", c, most=check.ONE_BY_ONE)
            for i, c in enumerate(given)
        ]
        if len(sizes) != len(service):
            problem = (
                f"has {len(sizes)} entries, but must have {len(service)}, "
                "one a station as service_rates"
            )
            raise PartError(f"theory.{where}", "servers", problem)
    stations = tuple(
        steady(f"tandem, station {i}", arrival, mu, c)
        for i, (mu, c) in enumerate(zip(service, sizes, strict=True))
    )
    in_queue = math.fsum(s.in_queue for s in stations)
    in_system = math.fsum(s.in_system for s in stations)
    bottleneck = max(range(len(stations)), key=lambda i: stations[i].utilisation)
    return Tandem(
        utilisation=stations[bottleneck].utilisation,
        wait=math.fsum(s.wait for s in stations),
        response=math.fsum(s.response for s in stations),
        in_queue=in_queue,
        in_system=in_system,
        throughput=arrival,
        bottleneck=bottleneck,
        stations=stations,
    )


def _per_station(argument: str, value: object) -> tuple[object, ...]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise check.wrong("tandem", argument, value, "a sequence with one number a station")
    return tuple(value)
