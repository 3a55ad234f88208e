"""What the compiled engine cannot run of services that call each other, part by part."""

from __future__ import annotations

from ....balancing import Balancer
from ....distributions import Distribution
from ....mesh.finding import ServiceDiscovery
from ....resilience import Backoff, EnvoyBackoff, GrpcBackoff
from ....resilience.policy import Policy
from ....scenario import Scenario
from ....sources.base import OpenSource
from ....stations.calls import all_calls
from ....stations.service import Service
from .stacked import unfit
from .tables import DISCIPLINES

__all__ = ["reasons"]


def reasons(scenario: Scenario) -> list[str]:
    """Return why the calls of a scenario cannot be compiled, one text for each part; or nothing."""
    found = []
    for source in scenario.sources:
        if not isinstance(source, OpenSource):
            found.append(f"{source.name!r}: its users wait for answers")
    if scenario.plane is not None:
        found.append(f"{scenario.plane.name!r}: a data plane")
    for route in scenario.routes:
        found.append(f"{route.name!r}: a route to several services")
    for part in scenario.parts:
        if isinstance(part, ServiceDiscovery):
            found.append(f"{part.name!r}: proxies that learn of endpoints late")
    for channel in scenario.channels:
        found.append(f"{channel.name!r}: events travel, too")
    if any(cycle for cycle in _cycles(scenario)):
        names = ", ".join(map(repr, _cycles(scenario)))
        found.append(f"services call each other in a circle: {names}")
    for part in scenario.stations:
        if isinstance(part, Service):
            found += [f"{part.name!r}: {why}" for why in _of_service(part)]
        else:
            found.append(f"{part.name!r}: a queue, beside services that call each other")
    return found


def _of_service(part: Service) -> list[str]:
    found = []
    work = part.service_time
    if work is not None and not isinstance(work, Distribution):
        found.append("a user's function says how long its work takes")
    found += [
        what
        for what, there in (
            ("io= after the work", part.io is not None),
            ("requests go on to other parts (to=)", part.to is not None),
            ("outages= of the whole part", bool(part.outages)),
            ("changes= of its endpoints", bool(part.changes)),
            ("a time-to-live (ttl=)", part.ttl is not None),
            (f"discipline {part.discipline!r}", part.discipline not in DISCIPLINES),
            ("connections (connections=)", part.connections is not None),
            ("a throttle in its callers' proxies (throttle=)", part.throttle is not None),
            ("shedding at its endpoints (shedding=)", part.shedding is not None),
            ("faults on purpose (faults=)", part.faults is not None),
            (f"overflow {part.overflow!r}", part.overflow != "reject"),
        )
        if there
    ]
    rule = part.balancer
    if not isinstance(rule, Balancer):
        found.append("a user's function is its balancer")
    elif type(rule).__module__.partition(".")[0] != "mesh_lab":
        found.append("a user's own class is its balancer")
    elif (why := unfit(part)) is not None:
        found.append(why)
    policies = [part.policy, *(call.policy for call in all_calls(part.calls))]
    found += [why for policy in policies for why in _of_policy(policy)]
    return found


def _of_policy(policy: Policy | None) -> list[str]:
    backoff = policy.retries.backoff if policy is not None and policy.retries else None
    if backoff is None or type(backoff) in (Backoff, EnvoyBackoff, GrpcBackoff):
        return []
    return [f"pauses by a rule of the user's own, {backoff!r}"]


def _cycles(scenario: Scenario) -> list[str]:
    """Return the services that call themselves, or others that call them."""
    callees = {
        part.name: {call.service for call in all_calls(part.calls)} for part in scenario.crews
    }
    found = []
    for name in callees:
        seen, ahead = set[str](), list(callees[name])
        while ahead:
            other = ahead.pop()
            if other not in seen:
                seen.add(other)
                ahead.extend(callees.get(other, ()))
        if name in seen:
            found.append(name)
    return found
