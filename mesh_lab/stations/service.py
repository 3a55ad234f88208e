"""The service as a part: replicas, each with a waiting line and workers, behind a balancer.

The balancer picks a replica when a request is sent; the request then waits in that replica's own
line.  It counts as outstanding there until it has left, which is all that the balancer sees.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..balancing import Balancer, RoundRobin, View
from ..balancing.view import Pick
from ..ledger import Request
from ..parts import Count, Name, field, part
from .handler import Work, WorkingFields
from .line import Line, Release, count_visit
from .queue import WaitingFields

__all__ = ["Replicas", "Service"]


@part
class Service(WaitingFields, WorkingFields):
    """A service: so many replicas behind a balancer, each a queue and its workers.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    replicas : int
        How many endpoints there are.
    workers : int
        How many requests each replica works on at once.
    service_time : Distribution, callable or None
        Seconds of work a request; a function is called with the request and a NumPy generator of
        its own and returns them; None when every request carries its own (a recorded trace).
    balancer : Balancer
        Picks the replica of each request.
    discipline, capacity, overflow, ttl
        Of each replica's waiting line, as a `Queue` has them.
    mode, io, concurrency, to, failure, outages
        As a `Handler` has them; an outage takes the whole service down, with all that waits.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Service("orders", replicas=10, service_time=Exponential(mean=0.02))
    Service('orders', replicas=10, service_time=Exponential(mean=0.02))
    """

    name: Name = field(kw_only=False)
    replicas: Count = 1
    service_time: Work = None
    balancer: Balancer = RoundRobin()

    def __post_init__(self) -> None:
        WaitingFields.__post_init__(self)
        WorkingFields.__post_init__(self)


class Replicas:
    """The replicas of a service at work, and their balancer."""

    def __init__(
        self, name: str, lines: Sequence[Line], pick: Pick, *, counts_visits: bool
    ) -> None:
        self.name = name
        self.lines = list(lines)
        self.pick = pick
        self.view = View(len(self.lines))
        self.blocks = self.lines[0].blocks
        self.counts_visits = counts_visits
        for line in self.lines:
            line.told = self._answered

    def arrive(self, request: Request, release: Release | None = None) -> bool:
        """Pick a replica and offer `request` to it; False when its producer is blocked."""
        if self.counts_visits:
            count_visit(request, self.lines[0].station, self.name)
        else:
            request.visit = 0
        endpoint = self.pick(self.view, request)
        self.view.outstanding[endpoint] += 1
        return self.lines[endpoint].offer(request, release)

    def withdraw(self, request: Request) -> None:
        """Forget a blocked request whose producer has crashed."""
        endpoint = self.lines[0].ledger.endpoint[request.call]
        self.lines[endpoint].withdraw(request)

    def _answered(self, endpoint: int) -> None:
        self.view.outstanding[endpoint] -= 1
