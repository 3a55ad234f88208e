"""What the compiled engine cannot run, part by part."""

from __future__ import annotations

from ...balancing import Balancer
from ...distributions import Distribution
from ...errors import ScenarioError
from ...scenario import Scenario
from ...stations.handler import Handler
from ...stations.service import Service
from .compiling import installed
from .events import choosing
from .graph import reasons as graph
from .world import DISCIPLINES

__all__ = ["reasons"]

_PLACES = 1 << 24  # of workers whose hands are remembered


def reasons(scenario: Scenario) -> list[str]:
    """Return why the compiled engine cannot run this scenario, one text for each part; or nothing.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=30.0, to="orders"),
    ...     ml.Service("orders", service_time=lambda request, rng: 0.02),
    ... )
    >>> reasons(scenario)[-1]
    "'orders': a user's function says how long its work takes"
    """
    if not isinstance(scenario, Scenario):
        raise ScenarioError(f"reasons() is told of a scenario, but was given {scenario!r}")
    found = []
    if not installed():
        found.append("numba is not installed: install mesh_lab[fast]")
    if scenario.called:
        return found + graph.reasons(scenario)
    if scenario.channels:
        return found + choosing.reasons(scenario)
    if len(scenario.stations) != 1:
        found.append(f"there are {len(scenario.stations)} queues and services, not one")
    for station in scenario.stations:
        crews = scenario.serving(station.name)
        name = repr(station.name)
        if len(crews) != 1:
            found.append(f"{name}: {len(crews)} handlers serve it, not one")
        for crew in crews:
            work = crew.service_time if isinstance(crew, Service) else getattr(crew, "work", None)
            who = repr(crew.name) if isinstance(crew, Handler | Service) else name
            if work is not None and not isinstance(work, Distribution):
                found.append(f"{who}: a user's function says how long its work takes")
            found += [
                f"{who}: {what}"
                for what, there in (
                    ("io= and asynchronous work", crew.io is not None or crew.mode == "async"),
                    ("requests go on to other parts (to=)", crew.to is not None),
                    ("failure= after the work", crew.failure > 0.0),
                    ("outages= of the whole part", bool(crew.outages)),
                )
                if there
            ]
        if station.discipline not in DISCIPLINES:
            found.append(f"{name}: discipline {station.discipline!r}")
        if station.overflow != "reject":
            found.append(f"{name}: overflow {station.overflow!r}")
        if station.ttl is not None:
            found.append(f"{name}: a time-to-live (ttl=)")
        if isinstance(station, Service):
            if not isinstance(station.balancer, Balancer):
                found.append(f"{name}: a user's function is its balancer")
            elif type(station.balancer).__module__.partition(".")[0] != "mesh_lab":
                found.append(f"{name}: a user's own class is its balancer")
        changes = isinstance(station, Service) and station.changes
        if crews and (changes or station.discipline == "preemptive"):
            endpoints = len(station.ever) if isinstance(station, Service) else 1
            places = endpoints * crews[0].workers
            if places > _PLACES:
                found.append(f"{name}: {places:,} workers whose requests may be interrupted")
    return found
