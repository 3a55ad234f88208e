"""What a random service graph has in it, as words to be counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import mesh_lab as ml
from mesh_lab.engines.compiled.graph.tables import DISCIPLINES
from mesh_lab.resilience.policy import Failure
from mesh_lab.stations.calls import all_calls, steps_of
from tests.scenarios import Case
from tests.scenarios_graph import RULES, policies

__all__ = ["EVERYTHING", "features"]

EVERYTHING = (
    *RULES,
    *DISCIPLINES,
    # sources
    *("Poisson", "Renewal", "PoissonBatches", "Bursts", "TimeVarying", "Merge", "Replay"),
    *("AccessLog", "1 sources", "2 sources", "3 sources", "to one", "to several", "keys"),
    *("carried work", "priorities drawn", "deadline constant", "deadline drawn", "no deadline"),
    *("requests=", "until=", "to its end", "lattice", "cramped"),
    # graphs
    *(f"{count} services" for count in range(1, 7)),
    *(f"{depth} deep" for depth in range(6)),
    *("in sequence", "Parallel", "one service twice in a step", "one service in two steps"),
    *("diamond", "probability", "never called", "optional", "policy of a call"),
    *("policy of a service", "declared in another order"),
    # services
    *("1 endpoints", "2 endpoints", "3 endpoints", "4 endpoints", "weights", "speeds"),
    *("several workers", "room 0", "room", "no limit", "failure", "1 proxies", "2 proxies"),
    *("3 proxies", "async", "async, concurrency", "sync with calls"),
    *("cancelled finish", "cancelled skip", "cancelled stop"),
    *(
        f"{way} delay {kind}"
        for way in ("forward", "return")
        for kind in ("none", "0", "constant", "drawn")
    ),
    # policies
    *("no timeout", "timeout", "per_try_timeout", "both timeouts", "propagate", "hedge"),
    *("hedge at once", "several hedges", "retries", "0 retries", "several retries", "some of on"),
    *(f"on {name}" for name in get_args(Failure)),
    *("no pause", "Backoff fixed", "Backoff exponential", "GrpcBackoff", "EnvoyBackoff code"),
    *("EnvoyBackoff documentation",),
    *(f"jitter {name}" for name in ("none", "full", "equal", "decorrelated")),
    # guards
    *("RetryLimit", "EnvoyRetryBudget", "FinagleRetryBudget", "GrpcRetryThrottle", "limits"),
    *(
        f"{kind} per {per}"
        for kind in ("ConsecutiveBreaker", "FailureRateBreaker")
        for per in ("endpoint", "service")
    ),
    *("breaker with jitter", "ejection envoy", "ejection grpc", "ejection with draws"),
    *("panic threshold", "no panic", "fail in panic"),
)


def features(case: Case) -> set[str]:
    """Return what a scenario has, as words."""
    found = set(_of_run(case))
    services = {part.name: part for part in case.parts if isinstance(part, ml.Service)}
    found.add(f"{len(services)} services")
    found.add(f"{max(_depth(services, name) for name in services)} deep")
    if list(services) != sorted(services):
        found.add("declared in another order")
    for service in services.values():
        found |= set(_of_service(service))
        found |= set(_of_calls(service)) | set(_guards(service))
    if _has_diamond(services):
        found.add("diamond")
    for policy in policies(case):
        found |= set(_of_policy(policy))
    return found


def _of_run(case: Case) -> Iterator[str]:
    sources: list[Any] = [part for part in case.parts if not isinstance(part, ml.Service)]
    yield f"{len(sources)} sources"
    if case.until is not None:
        yield "until="
    else:
        yield "requests=" if case.requests else "to its end"
    if case.seed % 2 == 0:
        yield "lattice"
    for source in sources:
        yield type(source).__name__
        yield "to one" if isinstance(source.to, str) else "to several"
        if isinstance(source.priority, dict):
            yield "priorities drawn"
        if source.key is not None:
            yield "keys"
        if source.deadline is None:
            yield "no deadline"
        else:
            drawn = isinstance(source.deadline, ml.Distribution)
            yield "deadline drawn" if drawn else "deadline constant"


def _of_service(service: ml.Service) -> Iterator[str]:
    rule: Any = service.balancer
    weights = {endpoint.weight for endpoint in service.ever}
    for name, make in RULES.items():
        if make() == rule and name.endswith("by weight") == _turns(rule, weights):
            yield name
    yield service.discipline
    yield f"{service.endpoint_count} endpoints"
    yield f"{service.proxies} proxies"
    yield f"cancelled {service.cancelled}"
    if service.capacity is None:
        yield "no limit"
    else:
        yield "room" if service.capacity else "room 0"
    for what, there in (
        ("weights", len(weights) > 1),
        ("speeds", len({endpoint.speed for endpoint in service.ever}) > 1),
        ("several workers", service.workers > 1),
        ("failure", service.failure > 0.0),
        ("carried work", service.service_time is None),
        ("async", service.mode == "async"),
        ("async, concurrency", service.concurrency is not None),
        ("sync with calls", service.mode == "sync" and bool(service.calls)),
        ("policy of a service", service.policy is not None),
        ("limits", service.limits is not None),
        ("breaker with jitter", service.breaker is not None and service.breaker.draws > 0),
        ("ejection with draws", service.ejection is not None and service.ejection.draws > 0),
    ):
        if there:
            yield what
    for way, delay in (("forward", service.forward_delay), ("return", service.return_delay)):
        if delay is None:
            yield f"{way} delay none"
        else:
            kind = "drawn" if isinstance(delay, ml.Distribution) else "constant" if delay else "0"
            yield f"{way} delay {kind}"


def _guards(service: ml.Service) -> Iterator[str]:
    if service.budget is not None:
        yield type(service.budget).__name__
    if service.breaker is not None:
        yield f"{type(service.breaker).__name__} per {service.breaker.per}"
    if service.ejection is not None:
        yield f"ejection {service.ejection.rule}"
    if service.eligible.panic != 0.5:
        yield "panic threshold" if service.eligible.panic else "no panic"
    if service.eligible.fail_in_panic:
        yield "fail in panic"


def _turns(rule: Any, weights: set[float]) -> bool:
    return type(rule).__name__ in ("RoundRobin", "LeastRequest") and len(weights) > 1


def _of_calls(service: ml.Service) -> Iterator[str]:
    steps = list(steps_of(service.calls))
    named = [{call.service for call in step} for step in steps]
    if len(steps) > 1:
        yield "in sequence"
    if any(len(step) > 1 for step in steps):
        yield "Parallel"
    if any(len(names) < len(step) for names, step in zip(named, steps, strict=True)):
        yield "one service twice in a step"
    if sum(map(len, named)) > len(set().union(*named)):
        yield "one service in two steps"
    for call in all_calls(service.calls):
        if 0.0 < call.probability < 1.0:
            yield "probability"
        if call.probability == 0.0:
            yield "never called"
        if call.optional:
            yield "optional"
        if call.policy is not None:
            yield "policy of a call"


def _of_policy(policy: ml.Policy) -> Iterator[str]:
    both = (policy.timeout is not None, policy.per_try_timeout is not None)
    kinds = ("no timeout", "per_try_timeout", "timeout", "both timeouts")
    yield kinds[2 * both[0] + both[1]]
    if policy.propagate:
        yield "propagate"
    again = policy.retries or policy.hedge
    if again is not None:
        yield from (f"on {name}" for name in again.on)
        if again.on != ml.Retries(1).on:
            yield "some of on"
    if policy.hedge is not None:
        yield "hedge"
        if policy.hedge.delay == 0.0:
            yield "hedge at once"
        if policy.hedge.times > 1:
            yield "several hedges"
    if policy.retries is not None:
        times = policy.retries.times
        yield "several retries" if times > 1 else "retries" if times else "0 retries"
        yield from _of_backoff(policy.retries.backoff)


def _of_backoff(backoff: Any) -> Iterator[str]:
    if backoff is None:
        yield "no pause"
        return
    name = type(backoff).__name__
    kind = {"Backoff": "growth", "EnvoyBackoff": "rule"}.get(name)
    yield f"{name} {getattr(backoff, kind)}" if kind else name
    if name == "Backoff":
        yield f"jitter {backoff.jitter}"


def _depth(services: dict[str, Any], name: str) -> int:
    callees = {call.service for call in all_calls(services[name].calls)}
    return 1 + max(_depth(services, callee) for callee in callees) if callees else 0


def _has_diamond(services: dict[str, Any]) -> bool:
    """Whether two different callees of one service call the same third one."""
    callees = {
        name: {call.service for call in all_calls(part.calls)} for name, part in services.items()
    }
    return any(
        callees[one] & callees[other]
        for mine in callees.values()
        for one in mine
        for other in mine
        if one < other
    )
