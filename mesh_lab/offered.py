"""The load that a scenario offers to each of its parts, before anything runs.

Traffic equations, as if nothing were rejected, lost or blocked: what comes to a part is what comes
from outside and what the parts send on, rates = outside + rates @ onward (J. R. Jackson, "Networks
of waiting lines", Operations Research 5, 1957).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .distributions import Distribution
from .messaging.load import Flow, offered_events
from .scenario import Scenario
from .sources.base import OpenSource, Source
from .stations.calls import all_calls, steps_of
from .stations.handler import WorkingFields, shares
from .stations.service import Service

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["offered_load"]


def offered_load(scenario: Scenario) -> pd.DataFrame:
    """Return the load of each queue and service; see `mesh_lab.Scenario.check`."""
    import pandas as pd

    names = [part.name for part in scenario.stations]
    position = {name: i for i, name in enumerate(names)}
    outside = np.zeros(len(names))
    flows: list[Flow] = []  # of events
    for source in scenario.sources:
        rate = source.long_run_rate() if isinstance(source, OpenSource) else None
        for name, probability in _behind(scenario, shares(source.to)).items():
            if name not in position:
                flows += _published(source, name, np.nan if rate is None else rate * probability)
                continue
            outside[position[name]] += (np.nan if rate is None else rate) * probability
    onward = np.zeros((len(names), len(names)))
    sent_on: list[tuple[int, str, float]] = []  # from stations to channels
    for name in names:
        crews = scenario.serving(name)
        for crew in crews:  # several handlers of one queue: taken as equally busy
            stay = (1.0 - crew.failure) / len(crews)
            for to, probability in _behind(scenario, shares(crew.to)).items():
                if to not in position:
                    sent_on.append((position[name], to, probability * stay))
                    continue
                onward[position[name], position[to]] += probability * stay
    calls = np.zeros((len(names), len(names)))
    for caller in scenario.crews:
        at = position[caller.name if isinstance(caller, Service) else caller.source]
        share = (1.0 - caller.failure) / len(scenario.serving(names[at]))
        for call in all_calls(caller.calls):
            made = _behind(scenario, {call.service: call.probability})
            for name, probability in made.items():
                calls[at, position[name]] += probability * share
    rates = _traffic(outside, onward + calls)
    # what stations send on keeps the subject of its source, which may be any of them
    flows += [Flow(to, None, rates[at] * share) for at, to, share in sent_on]
    rows = []
    for name, rate in zip(names, rates, strict=True):
        crews = scenario.serving(name)
        part = scenario[name]
        replicas, speed = 1, 1.0
        if isinstance(part, Service):
            replicas = part.initial_count
            if part.endpoints:
                speed = float(np.mean([endpoint.speed for endpoint in part.endpoints]))
        workers = replicas * sum(crew.workers for crew in crews)
        capacity = workers * speed
        carried = _carried(scenario, name)
        work = float(np.mean([_seconds(scenario, crew, carried) for crew in crews]))
        rows.append((name, rate, work, workers, rate * work / capacity))
    for load in offered_events(flows, scenario.channels, scenario.subscribers):
        busy = load.rate * load.work / load.workers if load.workers else np.nan
        rows.append((load.part, load.rate, load.work, load.workers, busy))
    table = pd.DataFrame(
        rows, columns=["part", "arrival_rate", "work", "workers", "utilisation"]
    ).set_index("part")
    busiest = table["utilisation"].max()
    table["bottleneck"] = table["utilisation"] == busiest
    return table


def _behind(scenario: Scenario, to: dict[str, float]) -> dict[str, float]:
    """Return where requests go, by weights and mirrors of routes; their rules are not looked at."""
    found: dict[str, float] = {}
    routes = {route.name: route for route in scenario.routes}
    for name, probability in to.items():
        route = routes.get(name)
        ways = {name: 1.0} if route is None else {**shares(route.to)}
        if route is not None:
            for other, share in route.mirror.items():
                ways[other] = ways.get(other, 0.0) + share
        for other, share in ways.items():
            found[other] = found.get(other, 0.0) + probability * share
    return found


def _published(source: Source, channel: str, rate: float) -> list[Flow]:
    """Return the events of a source, by subject."""
    subject = source.name if source.subject is None else source.subject
    if isinstance(subject, str):
        return [Flow(channel, subject, rate)]
    return [Flow(channel, name, rate * p) for name, p in subject.items()]


def _carried(scenario: Scenario, name: str) -> float:
    """The mean service time that the requests which may come to `name` carry."""
    brought = [
        source.carried()
        for source in scenario.sources
        if isinstance(source, OpenSource) and name in scenario.reach(shares(source.to))
    ]
    known = [np.asarray(times) for times in brought if times is not None]
    return float(np.mean(np.concatenate(known))) if known else float("nan")


def _seconds(
    scenario: Scenario, crew: WorkingFields, carried: float, callers: tuple[str, ...] = ()
) -> float:
    """The mean seconds that a worker is held for a request, by calls without any waiting too."""
    work = crew.service_time if isinstance(crew, Service) else getattr(crew, "work", None)
    if isinstance(work, Distribution):
        mean = work.mean
    else:
        mean = carried if work is None else float("nan")
    if crew.mode == "async":
        return mean
    for step in steps_of(crew.calls):
        longest = 0.0
        for call in step:
            inside = 0.0
            ways = _behind(scenario, {call.service: 1.0})
            for name, share in ways.items():
                callee = scenario[name]
                assert isinstance(callee, Service)
                if name in callers:  # a circle: how often it goes round is not known before
                    return float("nan")
                inside += share * _answer(scenario, callee, carried, (*callers, name))
            longest = max(longest, call.probability * inside / sum(ways.values()))
        mean += longest
    return mean + (crew.io.mean if crew.io is not None else 0.0)


def _answer(scenario: Scenario, part: Service, carried: float, callers: tuple[str, ...]) -> float:
    """The mean seconds that a call of a service takes at the least."""
    seconds = _seconds(scenario, replace(part, mode="sync", concurrency=None), carried, callers)
    for delay in (part.forward_delay, part.return_delay):
        if delay is not None:
            seconds += delay.mean if isinstance(delay, Distribution) else delay
    return seconds


def _traffic(outside: np.ndarray, onward: np.ndarray) -> np.ndarray:
    """Solve rates = outside + rates @ onward, where part of `outside` may be unknown (NaN)."""
    unknown = np.isnan(outside)
    system = np.eye(len(outside)) - onward.T
    if abs(np.linalg.det(system)) < 1e-12:  # calls go round, and only their deadline ends it
        return np.full(len(outside), np.nan)
    rates = np.linalg.solve(system, np.where(unknown, 0.0, outside))
    touched = np.linalg.solve(system, unknown.astype(float))
    rates[(touched > 1e-12) | (rates < 0.0)] = np.nan
    return rates
