"""How the proxies of a scenario learn which endpoints there are: discovery at work.

Without it, every proxy knows of every change at once.  With it, an endpoint does what its service's
`changes` say (and, with a `PodLife`, starts up and ends as a pod does), and each proxy sends to
whom it believes in: see `mesh_lab.mesh.discovery`.  An endpoint that is not there, or not up, ends
what is sent to it as ``unavailable``.  A host that is gone altogether would not even refuse, and
its callers would wait for their timeouts; here they know after the way there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ..clock import CHANGE, Alarm, Clock
from ..draws import Draws
from ..parts import Name, field, part
from ..stations.replicas import shut
from .discovery import Discovery, PodLife, Readiness, Registry, Truth, ViewChange, meets
from .upstream import Upstream

__all__ = ["Finder", "ServiceDiscovery"]

T = TypeVar("T", Truth, ViewChange)


@part
class ServiceDiscovery:
    """How proxies learn which endpoints there are.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    by : Discovery
        The way of learning: `Dns`, `BlockingQueries`, `EndpointSlices`, `ControlPlane`, `Gossip`,
        `HealthChecks`, `AtOnce`.
    services : tuple of str
        Of which services; all that are called, if none is named.
    life : PodLife, optional
        How endpoints start and end; without it, at once.
    readiness : Readiness, optional
        How the registry finds out who is ready; without it, it knows.

    Examples
    --------
    >>> from mesh_lab.mesh.discovery import Dns
    >>> ServiceDiscovery("dns", by=Dns(ttl=30.0), services=("orders",))
    ServiceDiscovery('dns', by=Dns(), services=('orders',))
    """

    name: Name = field(kw_only=False)
    by: Discovery
    services: tuple[Name, ...] = ()
    life: PodLife | None = None
    readiness: Readiness | None = None


class Finder:
    """Lets the truth happen to the endpoints of a service, and its proxies learn of it.

    Parameters
    ----------
    part : ServiceDiscovery
        What was declared.
    upstream : Upstream
        The service.
    alive : callable
        Whether anything is left that a change could matter to.
    """

    def __init__(
        self,
        clock: Clock,
        part: ServiceDiscovery,
        upstream: Upstream,
        draws: Draws,
        alive: Callable[[], bool],
    ) -> None:
        self.clock = clock
        self.upstream = upstream
        self.alive = alive
        service = upstream.part
        facts = Registry.of(service, part.life, part.readiness).truth(draws)
        views = part.by.views(facts, len(upstream.proxies), draws, service.name)
        self._seen: dict[int, object] = {}
        for proxy in upstream.proxies:
            proxy.believe((), 0.0)
        for line in upstream.lines[service.initial_count :]:
            line.down = True
        self._follow(iter(facts), self._happens)
        self._follow(iter(views), self._learns)

    def _follow(self, stream: Iterator[T], do: Callable[[T], None]) -> None:
        """Do what comes of a stream at its times, one after the other."""
        coming = next(stream, None)
        while coming is not None and coming.time <= self.clock.env.now:
            do(coming)
            coming = next(stream, None)
        if coming is None:
            return

        def ring(alarm: Alarm) -> None:
            now = self.clock.env.now
            ahead: T | None = alarm.subject
            while ahead is not None and ahead.time <= now:
                do(ahead)
                self.clock.drain()
                ahead = next(stream, None)
            if ahead is not None and self.alive():
                alarm.callbacks = alarm.again
                alarm.subject = ahead
                self.clock.schedule(alarm, CHANGE, ahead.time - now)

        self.clock.schedule(Alarm(ring, coming), CHANGE, coming.time - self.clock.env.now)

    def _happens(self, truth: Truth) -> None:
        line, now = self.upstream.lines[truth.endpoint], self.clock.env.now
        if meets(truth.state) == "answered":
            if line.down:
                self.upstream.restore(truth.endpoint)
                line.reopen(now)
        elif not line.down:
            shut([line], now)

    def _learns(self, change: ViewChange) -> None:
        if self._seen.get(change.proxy) != change.endpoints:
            self._seen[change.proxy] = change.endpoints
            self.upstream.proxies[change.proxy].believe(change.endpoints, self.clock.env.now)
