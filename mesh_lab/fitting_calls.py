"""Whether the calls of a scenario fit together: who is called, by whom, and whether it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .balancing.zones import ZoneAware
from .errors import ScenarioError
from .mesh.finding import ServiceDiscovery
from .mesh.plane import DataPlane
from .resilience.policy import Policy
from .stations.calls import Call, all_calls
from .stations.handler import shares
from .stations.service import Service

if TYPE_CHECKING:
    from .scenario import Scenario

__all__ = ["check_calls"]


def check_calls(scenario: Scenario, perhaps: Callable[[object, Sequence[str]], str]) -> None:
    """Raise `ScenarioError` naming the first call that cannot be made, and what to do."""
    services = {part.name: part for part in scenario.stations if isinstance(part, Service)}
    routes = {route.name for route in scenario.routes}
    for caller in scenario.crews:
        for call in all_calls(caller.calls):
            if call.service in routes:
                continue
            if call.service not in services:
                raise ScenarioError(
                    f"{_called(caller)}, calls: there is no service {call.service!r}"
                    f"{perhaps(call.service, [*services, *routes])}"
                )
            if services[call.service].to is not None:
                raise ScenarioError(
                    f"{_called(caller)}, calls: {call.service!r} sends its requests on "
                    f"(to={services[call.service].to!r}), so it never answers; let it call what "
                    "comes next (calls=), or send to it (to=) instead of calling it"
                )
    for part in services.values():
        if part.to is not None:
            for what, given in (
                ("calls", part.calls),
                ("policy", part.policy),
                ("budget", part.budget),
                ("limits", part.limits),
                ("breaker", part.breaker),
                ("ejection", part.ejection),
                ("connections", part.connections),
                ("throttle", part.throttle),
                ("shedding", part.shedding),
                ("faults", part.faults),
                ("cancelled", part.notices),
            ):
                if given:
                    raise ScenarioError(
                        f"{_called(part)}, {what}: is for services that answer, but this one sends "
                        f"its requests on (to={part.to!r}); leave one of them out"
                    )
        if part.name not in scenario.called:
            continue
        if part.overflow == "block":
            raise ScenarioError(
                f"{_called(part)}, overflow: 'block' cannot hold back a caller, who waits for an "
                "answer anyway; take 'reject' or 'drop_oldest'"
            )
        if part.eligible.subset is not None:
            raise ScenarioError(
                f"{_called(part)}, eligible: a subset of endpoints for each proxy does not go "
                "with calls yet; leave subset out"
            )
        if isinstance(part.eligible.zones, ZoneAware):
            raise ScenarioError(
                f"{_called(part)}, eligible: zone-aware routing looks at the zones of all callers, "
                "which a proxy of calls does not know yet; leave ZoneAware out, or the rules for "
                "calls"
            )
    _check_routes(scenario, list(services), perhaps)
    _check_plane(scenario)
    _check_finding(scenario)
    _check_ends(scenario)


def _check_routes(
    scenario: Scenario, services: list[str], perhaps: Callable[[object, Sequence[str]], str]
) -> None:
    for route in scenario.routes:
        for name in route.services:
            if name not in services:
                raise ScenarioError(
                    f"{_called(route)}, to: there is no service {name!r}{perhaps(name, services)}"
                )
            if name not in scenario.called:
                raise ScenarioError(
                    f"{_called(route)}, to: {name!r} sends its requests on (to=), so it never "
                    "answers; let it call what comes next (calls=)"
                )
        if route.by == "key":
            for source in scenario.sources:
                if source.key is None and set(route.services) & scenario.reach(shares(source.to)):
                    raise ScenarioError(
                        f"{_called(route)}, by: 'key' needs keys, but the requests of "
                        f"{_called(source)} have none; give it key=Keys(1000)"
                    )


def _check_plane(scenario: Scenario) -> None:
    planes = [part for part in scenario.parts if isinstance(part, DataPlane)]
    if len(planes) > 1:
        raise ScenarioError(
            f"there are two data planes, {planes[0].name!r} and {planes[1].name!r}; one is allowed"
        )
    if not planes:
        return
    if not scenario.called:
        raise ScenarioError(
            f"{_called(planes[0])} stands between services that call each other, but there is no "
            "service that answers: all send their requests on (to=)"
        )
    for name in scenario.called:
        part: Any = scenario[name]
        if part.proxies > 1:
            raise ScenarioError(
                f"{_called(part)}, proxies: is {part.proxies}, but {_called(planes[0])} says how "
                "many proxies there are; leave proxies out"
            )


def _check_finding(scenario: Scenario) -> None:
    seen: dict[str, str] = {}
    for part in scenario.parts:
        if not isinstance(part, ServiceDiscovery):
            continue
        for name in part.services or sorted(scenario.called):
            if name not in scenario.called:
                raise ScenarioError(
                    f"{_called(part)}, services: there is no service {name!r} that answers; there "
                    f"are: {', '.join(map(repr, sorted(scenario.called)))}"
                )
            if name in seen:
                raise ScenarioError(
                    f"{_called(part)}, services: {name!r} is found by {seen[name]!r} already; "
                    "name it in one of them"
                )
            seen[name] = part.name


def _check_ends(scenario: Scenario) -> None:
    """Calls that go round need a deadline that goes with them, or nothing would end them."""
    calls = {
        part.name: list(_possible(all_calls(part.calls)))
        for part in scenario.crews
        if isinstance(part, Service)
    }

    def ends(call: Call) -> bool:
        callee: Any = scenario[call.service]
        return _travels(call.policy or callee.policy)

    for name, mine in calls.items():  # a route is every service behind it
        calls[name] = [
            replace(call, service=service, policy=call.policy or _policy(scenario, call.service))
            for call in mine
            for service in scenario.behind(call.service)
        ]

    for source in scenario.sources:
        if source.deadline is not None:
            continue
        entries = [name for to in shares(source.to) for name in scenario.behind(to)]
        for entry in entries:
            part = scenario[entry] if entry in calls else None
            if isinstance(part, Service) and _travels(part.policy):
                continue
            way = _circle([entry], calls, ends)
            if way:
                raise ScenarioError(
                    f"the requests of {_called(source)} can go round for ever: "
                    f"{' calls '.join(map(repr, way))}; give one of these calls a deadline that "
                    "goes along, policy=Policy(timeout=..., propagate=True), or the source a "
                    "deadline="
                )


def _circle(
    way: list[str], calls: dict[str, list[Call]], ends: Callable[[Call], bool]
) -> list[str]:
    """Return a way along calls without a deadline that comes back to itself; empty if none does."""
    done: set[str] = set()
    stack: list[Iterator[Call]] = [iter(calls.get(way[-1], ()))]
    while stack:
        call = next(stack[-1], None)
        if call is None:
            stack.pop()
            done.add(way.pop())
            continue
        if ends(call) or call.service in done:
            continue
        if call.service in way:
            return [*way[way.index(call.service) :], call.service]
        way.append(call.service)
        stack.append(iter(calls.get(call.service, ())))
    return []


def _possible(calls: Iterator[Call]) -> Iterator[Call]:
    return (call for call in calls if call.probability > 0.0)


def _policy(scenario: Scenario, name: str) -> Policy | None:
    """Return the policy that a route gives its calls, if it is one."""
    return next((route.policy for route in scenario.routes if route.name == name), None)


def _travels(policy: Policy | None) -> bool:
    return policy is not None and policy.propagate


def _called(part: Any) -> str:
    return f"{type(part).__name__} {part.name!r}"
