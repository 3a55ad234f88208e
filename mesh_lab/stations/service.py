"""The service as a part: endpoints, each with a waiting line and workers, behind balancers.

A balancer picks an endpoint when a request is sent; the request then waits in that endpoint's own
line, and counts as outstanding there until its response is back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from ..balancing import Balancer, RoundRobin
from ..balancing.eligible import Eligible, check_eligible
from ..distributions import Distribution
from ..parts import Count, Name, field, part
from ..resilience import Breaker, Limits, OutlierDetection, Policy, RetryBudget
from ..shedding import Shedder
from .connections import Connections
from .endpoints import Change, Drain, Endpoint, Failures, Join, Leave
from .faults import Faults
from .handler import Work, WorkingFields
from .queue import WaitingFields

__all__ = ["Delay", "Service"]

Delay = Annotated[float, Ge(0), Le(1e100)] | Distribution | None  # beyond, sums are infinite

_NOTES = 10_000_000  # of all proxies about all endpoints; they take some hundred bytes each


@part
class Service(WaitingFields, WorkingFields):
    """A service: endpoints behind one or more balancers, each a queue and its workers.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    replicas : int
        How many endpoints there are, all alike.
    endpoints : tuple of Endpoint
        The endpoints one by one, where they are not alike; `replicas` is then left out.
    workers : int
        How many requests each endpoint works on at once.
    service_time : Distribution, callable or None
        Seconds of work a request; a function is called with the request and a NumPy generator of
        its own and returns them, as `mesh_lab.stations.handler.Failing` if the request is to fail
        then; None when every request carries its own (a recorded trace).
    balancer : Balancer or callable
        Picks the endpoint of each request.  A function is called with what the balancer sees (a
        `mesh_lab.balancing.Sight`) and the request, and returns the number of an endpoint.
    proxies : int
        How many balancers there are, each with a state of its own; every request meets one of
        them, each equally likely.
    forward_delay, return_delay : float, Distribution or None
        Seconds that a request takes from the balancer to the endpoint, and its response back.
    eligible : Eligible
        Which endpoints a balancer may pick from: priorities, panic, zones, subsets.
    policy : Policy, optional
        How long a call of this service may take, and how often it is tried, whoever makes it; a
        caller's `Call` may have another.
    budget : RetryBudget, optional
        How many retries a proxy allows itself beside its other requests; without one, only the
        policy of a call limits them.
    limits : Limits, optional
        How many requests a proxy has under way at most (Envoy's circuit breakers); what is beyond
        ends as ``overflow``.
    breaker : Breaker, optional
        When a proxy sends nothing more, for a while, to an endpoint or to the service; what cannot
        be sent because of it ends as ``open``, or as ``unavailable`` where no endpoint is left.
    ejection : OutlierDetection, optional
        When a proxy takes an endpoint off its list for a while.
    connections : Connections, optional
        How callers connect to it; without it, connections cost nothing and carry everything, and
        the balancer is asked for every request.
    throttle : Shedder, optional
        Which requests a caller's proxy does not send at all; they end as ``limited``.
    shedding : Shedder, optional
        Which requests an endpoint refuses, or drops when it would start them; they end as ``shed``.
    faults : Faults, optional
        What goes wrong on purpose: requests that are held back, or end as ``failed`` at once.
    cancelled : str
        What becomes of a request whose caller has left.  ``"finish"``: it is worked on as if
        nothing had happened, as most servers do.  ``"skip"``: it waits, but is not started when its
        turn comes.  ``"stop"``: it leaves at once, wherever it is, and its own calls are cancelled,
        as in gRPC when handlers watch for it.
    changes : tuple of Change or Failures
        What becomes of endpoints during a run, see `mesh_lab.stations.endpoints`.
    discipline, capacity, overflow, ttl
        Of each endpoint's waiting line, as a `Queue` has them.
    mode, io, concurrency, calls, to, failure, outages
        As a `Handler` has them; an outage takes the whole service down, with all that waits.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Service("orders", replicas=10, service_time=Exponential(mean=0.02))
    Service('orders', replicas=10, service_time=Exponential(mean=0.02))
    """

    name: Name = field(kw_only=False)
    replicas: Count = 1
    endpoints: tuple[Endpoint, ...] = ()
    service_time: Work = None
    balancer: Balancer | Callable[..., Any] = RoundRobin()
    proxies: Count = 1
    forward_delay: Delay = None
    return_delay: Delay = None
    eligible: Eligible = Eligible()
    policy: Policy | None = None
    budget: RetryBudget | None = None
    limits: Limits | None = None
    breaker: Breaker | None = None
    ejection: OutlierDetection | None = None
    connections: Connections | None = None
    throttle: Shedder | None = None
    shedding: Shedder | None = None
    faults: Faults | None = None
    cancelled: Literal["finish", "skip", "stop"] = "finish"
    changes: tuple[Change | Failures, ...] = ()

    def __post_init__(self) -> None:
        WaitingFields.__post_init__(self)
        WorkingFields.__post_init__(self)
        if self.endpoints and self.replicas not in {1, len(self.endpoints)}:
            raise ValueError(
                f"replicas is {self.replicas}, but {len(self.endpoints)} endpoints are given one "
                "by one; leave replicas out, or say replicas=1"
            )
        if self.delays and self.overflow == "block":
            raise ValueError(
                "overflow 'block' cannot hold back a producer over a forward_delay or "
                "return_delay; take 'reject' or 'drop_oldest', or leave the delays out"
            )
        if self.proxies * self.endpoint_count > _NOTES:
            raise ValueError(
                f"proxies is {self.proxies:,} and there are {self.endpoint_count:,} endpoints; "
                f"every proxy keeps notes about every endpoint, {_NOTES:,} together at most"
            )
        _check_names(self)
        joined = tuple(c.endpoint for c in self.changes if isinstance(c, Join))
        alike = () if self.endpoints else (Endpoint(self.name),)  # where replicas stand
        check_eligible(self.eligible, self.endpoints + alike + joined, self.proxies)
        if isinstance(self.balancer, type) and issubclass(self.balancer, Balancer):
            kind = self.balancer.__name__
            raise ValueError(f"balancer is the class {kind}; write {kind}(), with parentheses")
        if not (isinstance(self.balancer, Balancer) or callable(self.balancer)):
            raise ValueError(
                f"balancer is {self.balancer!r}, but must be a Balancer, such as "
                "RoundRobin(), or a function of (sight, request)"
            )

    @property
    def delays(self) -> bool:
        """Whether requests or responses take time on their way."""
        return self.forward_delay is not None or self.return_delay is not None

    @property
    def notices(self) -> bool:
        """Whether it notices that a caller has left."""
        return self.cancelled != "finish"

    @property
    def guarded(self) -> bool:
        """Whether it has rules for calls, whoever makes them."""
        guards: tuple[object, ...] = (self.policy, self.budget, self.limits, self.breaker)
        guards += (self.ejection, self.connections, self.throttle, self.shedding, self.faults)
        return self.notices or any(guard is not None for guard in guards)

    @property
    def initial_count(self) -> int:
        """How many endpoints there are at the beginning."""
        return len(self.endpoints) or self.replicas

    @cached_property
    def initial(self) -> tuple[Endpoint, ...]:
        """The endpoints that are there from the beginning."""
        if self.endpoints:
            return self.endpoints
        return tuple(Endpoint(f"{self.name}-{i}") for i in range(self.replicas))

    @cached_property
    def ever(self) -> tuple[Endpoint, ...]:
        """All endpoints that there will ever be, by their number."""
        joins = sorted((c for c in self.changes if isinstance(c, Join)), key=lambda join: join.at)
        return self.initial + tuple(join.endpoint for join in joins)

    @property
    def endpoint_count(self) -> int:
        """How many endpoints there will ever be."""
        joined = sum(isinstance(change, Join) for change in self.changes)
        return self.initial_count + joined

    @property
    def is_line(self) -> bool:
        """Whether it is nothing but one line: no choice, no way, no change."""
        return self.endpoint_count == 1 and not (
            self.changes or self.delays or self.endpoints or self.proxies > 1
        )


def _check_names(service: Service) -> None:
    """Raise ValueError when names repeat, or a change is about an endpoint that is not there."""
    joins = [change.endpoint.name for change in service.changes if isinstance(change, Join)]
    names = [endpoint.name for endpoint in service.endpoints] + joins
    for name, times in Counter(names).items():
        if times > 1 or (name in joins and _is_initial(service, name)):
            raise ValueError(f"endpoints: {name!r} is there twice; every name must be unique")
    there: set[str] = set()
    gone: set[str] = set()
    for change in sorted(
        (c for c in service.changes if isinstance(c, Change)), key=lambda change: change.at
    ):
        if type(change) is Change:
            raise ValueError(f"changes: {change!r} does not say what happens; take Fail, Join, ...")
        if isinstance(change, Join):
            there.add(change.endpoint.name)
            continue
        name = change.endpoint  # type: ignore[attr-defined]  # all but the base have it
        if name not in there and not _is_initial(service, name):
            raise ValueError(
                f"changes: {change!r} is about {name!r}, which is not there at that time; at the "
                f"beginning there are: {_some(service)}"
            )
        if name in gone:
            raise ValueError(f"changes: {change!r} comes after {name!r} has gone for good")
        if isinstance(change, Leave | Drain):
            gone.add(name)
    failing: Counter[str] = Counter()
    for failures in service.changes:
        if not isinstance(failures, Failures):
            continue
        for name in failures.endpoints:
            if not _is_initial(service, name):
                raise ValueError(
                    f"changes: Failures of {name!r}, but at the beginning there are: "
                    f"{_some(service)}"
                )
        failing.update(failures.endpoints or [endpoint.name for endpoint in service.initial])
    for name, times in failing.items():
        if times > 1:
            raise ValueError(
                f"changes: Failures of {name!r} are declared {times} times; once is allowed"
            )


def _is_initial(service: Service, name: str) -> bool:
    """Whether an endpoint of that name is there at the beginning; replicas are not made for it."""
    if service.endpoints:
        return any(endpoint.name == name for endpoint in service.endpoints)
    prefix, _, number = name.rpartition("-")
    canonical = number.isascii() and number.isdecimal() and len(number) < 20
    return (
        prefix == service.name
        and canonical
        and str(int(number)) == number
        and int(number) < service.replicas
    )


def _some(service: Service) -> str:
    few = [e.name for e in service.endpoints[:10]] or [
        f"{service.name}-{i}" for i in range(min(service.replicas, 10))
    ]
    more = ", ..." if service.initial_count > len(few) else ""
    return ", ".join(map(repr, few)) + more
