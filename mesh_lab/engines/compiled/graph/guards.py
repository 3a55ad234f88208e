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
from ....resilience.circuit import ready
from ....resilience.outliers import Outliers
from ....stations.service import Service
from . import guarding
from .guarding import AREAS, CIRCUIT, EJECTOR, EJECTS, FIRST, PER_ENDPOINT, ROOM, WHOLE
from .stacked import Stack
from .tables import Tables

__all__ = ["Watch", "guards_of"]

TABLE_OF_EVENTS = ("actions", "leads_to")  # of `Circuits`: all have the same
SCRATCH = ("changed", "became")  # of `Outliers`: what one sweep writes


def guards_of(services: list[Service], tables: Tables) -> tuple[Any, Any]:
    """Return the guards of all proxies, as they are at the beginning, in two arrays."""
    if not tables.graph.guards.any():
        return np.zeros(1, dtype=np.int64), np.zeros(1)
    make = Arrays()
    numbers: list[int] = []
    real: list[float] = []
    budgets: list[Any] = []
    uses: list[Any] = []
    circuits: list[Any] = []
    outliers: list[tuple[int, Any]] = []
    first = ejectors = places = 0  # breakers; proxies that eject, and places of their endpoints
    for s, part in enumerate(services):
        n = len(part.ever)
        budget = (part.budget or RetryLimit()).state(part.proxies, make)
        use = (part.limits or Limits()).state(part.proxies, make)
        circuit = (part.breaker or ConsecutiveBreaker()).state(part.proxies, n, make)
        outlier = (part.ejection or OutlierDetection()).state(part.proxies, n, make)
        budgets.append(budget)
        uses.append(use)
        ejector = max(ejectors, -(-places // n))  # the next that has its places behind the others'
        numbers += [int(tables.graph.pool[s]), first, circuit.endpoints, ejector]
        numbers += [tables.jitters[s], tables.ejections[s]]
        for state in (budget, circuit, outlier):
            numbers += [x for x in state if isinstance(x, int)]
            real += [x for x in state if isinstance(x, float)]
        if part.breaker is not None or not circuits:
            circuits.append(circuit)
            first += len(circuit.state)
        if part.ejection is not None or not outliers:
            outliers.append((ejector, outlier))
            ejectors = ejector + part.proxies
            places = ejectors * n
    whole = np.array(numbers, dtype=np.int64)
    # answers that are looked at have as many places for each breaker as the one with most
    room = max(circuit.room for circuit in circuits)
    whole[ROOM::WHOLE] = room
    arrays = _joined(budgets) + _joined(uses) + _joined(circuits, room) + _spread(outliers)
    proxies = sum(part.proxies for part in services)
    ints = [whole, np.zeros(proxies, dtype=np.int64)]
    ints += [array for array in arrays if array.dtype == np.int64]
    floats = [np.array(real), *(array for array in arrays if array.dtype == np.float64)]
    assert (len(ints), len(floats)) == (AREAS, 3)
    begins = [*accumulate(map(len, ints), initial=FIRST)]
    begins += [*accumulate(map(len, floats), initial=0)]
    return np.concatenate([np.array(begins, dtype=np.int64), *ints]), np.concatenate(floats)


def _joined(states: list[Any], room: int = 0) -> list[Any]:
    """Return the arrays of states behind each other; `room` is that of each breaker."""
    arrays = []
    for name, values in zip(states[0]._fields, zip(*states, strict=True), strict=True):
        if name in TABLE_OF_EVENTS:
            arrays.append(values[0])
        elif name == "recent":
            many = sum(len(state.state) for state in states)
            arrays.append(np.zeros(many * room, dtype=np.int64))
        elif isinstance(values[0], np.ndarray):
            arrays.append(np.concatenate(values))
    return arrays


def _spread(states: list[tuple[int, Any]]) -> list[Any]:
    """Return the arrays of outliers; each state begins with the proxy that it is given with."""
    made = []
    for name in Outliers._fields:
        parts = [(ejector, state, getattr(state, name)) for ejector, state in states]
        if not isinstance(parts[0][2], np.ndarray):
            continue
        if name in SCRATCH:
            made.append(max((values for *_, values in parts), key=len))
            continue
        blocks = []
        for ejector, state, values in parts:
            begin = ejector * (len(values) // len(state.members))
            blocks.append((begin, values))
        size = max(begin + len(values) for begin, values in blocks)
        array = np.zeros(size, dtype=blocks[0][1].dtype)
        for begin, values in blocks:
            array[begin : begin + len(values)] = values
        made.append(array)
    return made


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
        self.ints, self.floats = guards_of(services, tables)
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
