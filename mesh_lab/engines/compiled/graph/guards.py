"""The guards of a run: from what is declared to the arrays of the loop, and what Python does.

Most of it happens in the loop.  What happens seldom is here, on the same arrays: proxies make their
pools anew when other endpoints are barred, and ejection sweeps at the end of each interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, islice
from typing import Any

import numpy as np

from ....balancing.rule import Arrays
from ....draws import Draws
from ....resilience import ConsecutiveBreaker, Limits, OutlierDetection, RetryLimit, sweeping
from ....resilience.budget import Budgets
from ....resilience.circuit import Circuits, ready
from ....resilience.limits import InUse
from ....resilience.outliers import Outliers
from ....stations.service import Service
from . import guarding
from .guarding import AREAS, CIRCUIT, EJECTOR, EJECTS, FIRST, PER_ENDPOINT, REAL, ROOM, WHOLE
from .stacked import Stack
from .tables import Tables

__all__ = ["Watch", "guards_of"]


def guards_of(services: list[Service], tables: Tables, stride: int) -> tuple[Any, Any]:
    """Return the guards of all proxies, as they are at the beginning, in two arrays.

    Parameters
    ----------
    stride : int
        How many places each balancer has in the view.
    """
    make = Arrays()
    whole = np.zeros(len(services) * WHOLE, dtype=np.int64)
    real = np.zeros(len(services) * REAL)
    budgets: list[Budgets] = []
    uses: list[InUse] = []
    circuits: list[Circuits] = []
    outliers: list[Outliers] = []
    first = ejector = 0
    for s, part in enumerate(services):
        n = len(part.ever)
        budget = (part.budget or RetryLimit()).state(part.proxies, make)
        circuit = (part.breaker or ConsecutiveBreaker()).state(part.proxies, n, make)
        outlier = (part.ejection or OutlierDetection()).state(
            part.proxies, stride, make, members=[e < n for e in range(stride)]
        )
        budgets.append(budget)
        uses.append((part.limits or Limits()).state(part.proxies, make))
        numbers: list[Any] = [
            *(tables.graph.pool[s], first, circuit.endpoints, ejector),
            *(tables.jitters[s], tables.ejections[s]),
        ]
        numbers += [*_whole(budget), *_whole(circuit), *_whole(outlier)]
        whole[s * WHOLE : (s + 1) * WHOLE] = numbers
        real[s * REAL : (s + 1) * REAL] = [*_real(budget), *_real(circuit), *_real(outlier)]
        if part.breaker is not None or not circuits:
            circuits.append(circuit)
            first += len(circuit.state)
        if part.ejection is not None or not outliers:
            outliers.append(outlier)
            ejector += part.proxies
    # answers that are looked at have as many places for each breaker as the one with most
    room = max(circuit.room for circuit in circuits)
    count = sum(len(circuit.state) for circuit in circuits)
    whole[ROOM::WHOLE] = room
    proxies = sum(part.proxies for part in services)
    family = [
        *_together(budgets, {}),
        *_together(uses, {}),
        *_together(
            circuits,
            {
                "actions": circuits[0].actions,
                "leads_to": circuits[0].leads_to,
                "recent": np.zeros(count * room, dtype=np.int64),
            },
        ),
        *_together(outliers, {"changed": outliers[0].changed, "became": outliers[0].became}),
    ]
    ints = [whole, np.zeros(proxies, dtype=np.int64)]
    ints += [each for each in family if each.dtype == np.int64]
    floats = [real, *(each for each in family if each.dtype == np.float64)]
    assert (len(ints), len(floats)) == (AREAS, 3)
    begins = [*accumulate(map(len, ints), initial=FIRST)]
    begins += [*accumulate(map(len, floats), initial=0)]
    return np.concatenate([np.array(begins, dtype=np.int64), *ints]), np.concatenate(floats)


def _whole(state: Any) -> list[int]:
    return [x for x in state if isinstance(x, int)]


def _real(state: Any) -> list[float]:
    return [x for x in state if isinstance(x, float)]


def _together(states: list[Any], given: dict[str, Any]) -> list[Any]:
    """Return the arrays of states behind each other, or what is given for them."""
    return [
        given.get(name, np.concatenate(values))
        for name, values in zip(states[0]._fields, zip(*states, strict=True), strict=True)
        if isinstance(values[0], np.ndarray)
    ]


class Watch:
    """Does what the proxies of a run do now and then.

    Parameters
    ----------
    stack : Stack
        Their balancers.
    """

    def __init__(self, services: list[Service], tables: Tables, stack: Stack, draws: Draws) -> None:
        self.services = services
        self.bits: list[int] = tables.graph.guards.tolist()
        self.stack = stack
        self.ints, self.floats = guards_of(services, tables, stack.view.stride)
        self.service_of = [s for s, part in enumerate(services) for _ in range(part.proxies)]
        self.first: list[int] = tables.graph.pool.tolist()
        self.sweeps: dict[int, Iterator[float]] = {
            self.first[s] + number: iter(draws.column("uniform", part.name, "sweep", str(number)))
            for s, part in enumerate(services)
            if part.ejection is not None
            for number in range(part.proxies)
        }

    def barred(self, p: int, now: float) -> frozenset[int]:
        """Return the endpoints that proxy `p` sends nothing to now."""
        s = self.service_of[p]
        bits, n = self.bits[s], len(self.services[s].ever)
        out: set[int] = set()
        if bits & EJECTS:
            outliers = guarding.outliers_of(self.ints, self.floats, s)
            ejected = outliers.ejected[self._ejector(s, p) * outliers.stride :]
            out.update(e for e in range(n) if ejected[e])
        if bits & PER_ENDPOINT:
            circuits = guarding.circuits_of(self.ints, self.floats, s)
            first = self._of(s, CIRCUIT) + (p - self.first[s]) * n
            out.update(e for e in range(n) if not ready(circuits, first + e, now))
        return frozenset(out)

    def rearrange(self, p: int, now: float) -> None:
        """Make the pools of proxy `p` anew, if others than before are barred."""
        self.stack.arrange(p, self.stack.group[self.service_of[p]], self.barred(p, now), now)

    def sweep(self, s: int, now: float) -> float:
        """Let the proxies of service `s` sweep; return when they do so again, in seconds."""
        part = self.services[s]
        ejection = part.ejection
        assert ejection is not None
        outliers = guarding.outliers_of(self.ints, self.floats, s)
        for p in range(self.first[s], self.first[s] + part.proxies):
            u = list(islice(self.sweeps[p], ejection.draws * len(part.ever)))
            if sweeping.swept(outliers, self._ejector(s, p), now, u) > 0:
                self.rearrange(p, now)
        return ejection.interval

    def _ejector(self, s: int, p: int) -> int:
        """Return which of the proxies that eject is proxy `p`."""
        return self._of(s, EJECTOR) + p - self.first[s]

    def _of(self, s: int, what: int) -> int:
        return int(self.ints[FIRST + s * WHOLE + what])
