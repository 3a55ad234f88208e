"""The data plane: where the proxies stand between services, and what they cost.

==============  ====================================================================================
`proxy`         the proxies of a service's callers
==============  ====================================================================================
``"sidecar"``   one beside every replica of every caller, and one beside the callee's (Istio with
                sidecars, Linkerd): a request passes two
``"node"``      one on every node, shared by all that stands there (Istio's ambient mode, at layer
                4, and its predecessors): a request passes two, or one where caller and callee
                stand on the same node
``"none"``      no proxy: callers connect by themselves, and pass none
==============  ====================================================================================

A source is a caller of its own, on a node of its own.  A proxy has a balancer, budgets, breakers
and connections of its own towards every service; so proxies do not know of each other's requests.
A proxy's cost is time that a request takes there; that proxies are busy themselves, and can be
overloaded, is not modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Le

from ..distributions import Distribution
from ..ledger import Request
from ..parts import Count, Name, field, part
from ..stations.service import Service
from .attempt import Attempt

__all__ = ["DataPlane", "Plane"]

Cost = Annotated[float, Ge(0), Le(1e100)] | Distribution | None


@part
class DataPlane:
    """Where proxies stand, and what a request pays there.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    proxy : str
        ``"sidecar"``, ``"node"`` or ``"none"``, see `mesh_lab.mesh.plane`.
    nodes : int
        How many nodes there are; endpoint *i* of every service stands on node ``i % nodes``.
    cost : float, Distribution or None
        Seconds that a request takes in each proxy that it passes, there and back together.
    within, between : float, Distribution or None
        Seconds each way between a caller and an endpoint of the same zone, and of different zones.
        Where one of them has no zone, it is ``within``.

    Examples
    --------
    >>> DataPlane("mesh", proxy="sidecar", cost=0.001)
    DataPlane('mesh', cost=0.001)
    """

    name: Name = field(kw_only=False)
    proxy: Literal["sidecar", "node", "none"] = "sidecar"
    nodes: Count = 1
    cost: Cost = None
    within: Cost = None
    between: Cost = None


Need = Callable[[Request], float]


class Plane:
    """The data plane as one service sees it: which proxy a caller has, and what the way costs.

    Parameters
    ----------
    part : DataPlane
        What was declared.
    callee : Service
        Who is called.
    callers : sequence of (str, Service or None)
        Who calls it, by name: services, and others (sources, handlers), which stand once.
    need : callable
        From a distribution or constant and a purpose to the function of an attempt.
    sources : sequence of str
        The names of the sources, by their number.
    """

    def __init__(
        self,
        part: DataPlane,
        callee: Service,
        callers: Sequence[tuple[str, Service | None]],
        need: Callable[[Cost, str], Need | None],
        sources: Sequence[str],
    ) -> None:
        self._sources = sources
        self.part = part
        self.callee = callee
        self._numbers: dict[tuple[str, int], int] = {}
        for name, service in callers:
            for number in range(1 if service is None else service.endpoint_count):
                shared = service is not None and part.proxy == "node"
                key = ("", number % part.nodes) if shared else (name, number)
                if key not in self._numbers:
                    self._numbers[key] = len(self._numbers)
        self._services = {name for name, service in callers if service is not None}
        self._callers = {name: service for name, service in callers if service is not None}
        passes = 0 if part.proxy == "none" else 2
        self._costs = [need(part.cost, f"pass{k}" if k else "pass") for k in range(passes)]
        self._there = {same: need(way, f"{name}_there") for same, way, name in self._ways()}
        self._back = {same: need(way, f"{name}_back") for same, way, name in self._ways()}

    def _ways(self) -> list[tuple[bool, Cost, str]]:
        return [(True, self.part.within, "within"), (False, self.part.between, "between")]

    @property
    def count(self) -> int:
        """How many proxies there are towards this service."""
        return len(self._numbers)

    def number(self, attempt: Attempt) -> int:
        """Return the proxy of whoever has made the attempt."""
        caller = self._caller(attempt)
        endpoint = self._stands(caller, attempt)
        if caller in self._services and self.part.proxy == "node":
            return self._numbers["", endpoint % self.part.nodes]
        return self._numbers[caller, endpoint]

    def _caller(self, attempt: Attempt) -> str:
        calling = attempt.calling
        return calling.live.caller or self._sources[calling.parent.made_by]

    def _stands(self, caller: str, attempt: Attempt) -> int:
        parent = attempt.calling.parent
        return parent.ticket.endpoint if caller in self._services else 0

    def there(self, attempt: Attempt, endpoint: int) -> float | None:
        """Return the seconds that the way to an endpoint takes; None if it takes no event."""
        caller = self._caller(attempt)
        passed = self._costs
        if self.part.proxy == "node" and caller in self._services:
            same = self._stands(caller, attempt) % self.part.nodes == endpoint % self.part.nodes
            passed = self._costs[:1] if same else self._costs
        ways = [*passed, self._there[self._same_zone(caller, attempt, endpoint)]]
        return self._sum(ways, attempt)

    def back(self, attempt: Attempt, endpoint: int) -> float | None:
        """Return the seconds that the way back takes; None if it takes no event."""
        caller = self._caller(attempt)
        return self._sum([self._back[self._same_zone(caller, attempt, endpoint)]], attempt)

    def _same_zone(self, caller: str, attempt: Attempt, endpoint: int) -> bool:
        service = self._callers.get(caller)
        mine = "" if service is None else service.ever[self._stands(caller, attempt)].zone
        other = self.callee.ever[endpoint].zone
        return not mine or not other or mine == other

    def _sum(self, ways: Sequence[Need | None], attempt: Attempt) -> float | None:
        seconds = [way(attempt) for way in ways if way is not None]
        return sum(seconds) if seconds else None
