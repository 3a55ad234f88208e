"""Whether the parts of a scenario fit together.

They were checked one by one when they were made; here it is checked that names are unique, that
every destination exists, that every queue has a handler which can serve its discipline, that
whatever enters can leave, and that whoever needs a carried service time gets one.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .balancing import Balancer
from .errors import ScenarioError
from .fitting_calls import check_calls
from .messaging.checks import check_messaging, who_takes_from
from .sources.merge import Merge
from .stations.handler import shares
from .stations.queue import Queue
from .stations.service import Service

if TYPE_CHECKING:
    from .scenario import Scenario

__all__ = ["called", "check", "perhaps"]


def check(scenario: Scenario) -> None:
    """Raise `ScenarioError` naming the first part that does not fit, and what to do."""
    _check_names(scenario)
    _check_destinations(scenario)
    _check_crews(scenario)
    check_calls(scenario, perhaps)
    _check_exits(scenario)
    _check_carried(scenario)
    _check_keys(scenario)
    arriving = [(source, scenario.reach(shares(source.to))) for source in scenario.sources]
    check_messaging(scenario.channels, scenario.subscribers, arriving, perhaps)


def _check_names(scenario: Scenario) -> None:
    seen: set[str] = set()
    merged = [s for part in scenario.parts if isinstance(part, Merge) for s in part.sources]
    parts: list[Any] = [*scenario.parts, *merged]
    for part in parts:
        if part.name in seen:
            raise ScenarioError(f"two parts are called {part.name!r}; every name must be unique")
        seen.add(part.name)
    # a replica draws under a name of its own; see engines/RULES.md
    services = {part.name: part for part in scenario.parts if isinstance(part, Service)}
    for name in seen:
        of, _, number = name.rpartition("#")
        a_number = number.isascii() and number.isdecimal() and len(number) < 20
        replicas = services[of].endpoint_count if of in services and a_number else 0
        if number[:1] != "0" and replicas and int(number) < replicas:
            raise ScenarioError(
                f"a part is called {name!r}, as replica {number} of {called(services[of])} is; "
                "give the part another name"
            )


def _check_destinations(scenario: Scenario) -> None:
    takers: list[Any] = [*scenario.handlers, *scenario.subscribers]
    handlers = {taker.name: taker for taker in takers}
    routes = [route.name for route in scenario.routes]
    for part in (*scenario.sources, *scenario.stations, *scenario.handlers):
        for name in shares(getattr(part, "to", None)):
            if name in handlers:
                kind = type(handlers[name]).__name__.lower()
                raise ScenarioError(
                    f"{called(part)}, to: {name!r} is a {kind}, and requests go to its "
                    f"queue; write to={handlers[name].source!r}"
                )
            if name not in scenario.places and name not in routes:
                raise ScenarioError(
                    f"{called(part)}, to: there is no queue or service {name!r}"
                    f"{perhaps(name, scenario.places)}"
                )
    queues = [part.name for part in scenario.stations if isinstance(part, Queue)]
    for handler in scenario.handlers:
        if handler.source not in queues:
            channels = {channel.name: channel for channel in scenario.channels}
            raise ScenarioError(
                f"{called(handler)}, source: there is no queue {handler.source!r}"
                f"{who_takes_from(channels.get(handler.source)) or perhaps(handler.source, queues)}"
            )


def _check_crews(scenario: Scenario) -> None:
    for station in scenario.stations:
        crews = scenario.serving(station.name)
        if not crews and not scenario.open_ended:
            raise ScenarioError(
                f"{called(station)} has no handler, so nothing would ever leave it; add "
                f"Handler(..., source={station.name!r})"
            )
        if station.discipline in {"sjf", "ps", "preemptive"} and len(crews) > 1:
            raise ScenarioError(
                f"{called(station)}, discipline: {station.discipline!r} needs to know each "
                f"request's work, so it takes one handler; it has {len(crews)}"
            )
        for crew in crews:
            if station.discipline in {"ps", "preemptive"} and crew.io is not None:
                raise ScenarioError(
                    f"{called(crew)}, io: a wait for I/O cannot be shared or interrupted, so "
                    f"it does not go with discipline {station.discipline!r}"
                )


def _check_exits(scenario: Scenario) -> None:
    def can_leave(name: str) -> bool:
        crews = scenario.serving(name)
        return not crews or any(
            crew.failure > 0.0 or sum(shares(crew.to).values()) < 1.0 - 1e-9 for crew in crews
        )

    def goes_to(name: str) -> set[str]:
        onward = [shares(crew.to) for crew in scenario.serving(name) if crew.failure < 1.0]
        return {to for each in onward for to, probability in each.items() if probability > 0.0}

    for name in scenario.places:
        found, ahead = {name}, [name]  # what it can come to; an exit of probability 0 is none
        while ahead:
            further = goes_to(ahead.pop()) - found
            found |= further
            ahead.extend(further)
        if not any(can_leave(other) for other in found):
            loop = sorted(found, key=scenario.places.index)
            raise ScenarioError(
                f"nothing that enters {name!r} ever leaves: its requests go round among "
                f"{', '.join(map(repr, loop))}; let some of them leave, with probabilities in "
                "to= that add up to less than 1"
            )


def _check_carried(scenario: Scenario) -> None:
    for source in scenario.sources:
        carries = getattr(source, "service_time", None) is not None
        if carries:
            continue
        for name in sorted(scenario.reach(shares(source.to)), key=scenario.places.index):
            for crew in scenario.serving(name):
                field = "service_time" if isinstance(crew, Service) else "work"
                if getattr(crew, field) is None:
                    raise ScenarioError(
                        f"{called(crew)}, {field}: is not given, so every request must carry "
                        f"its own, but those of {called(source)} do not; give {field}=, or "
                        "a Replay with service_time="
                    )


def called(part: Any) -> str:
    """Return what an error calls a part: its kind and name."""
    return f"{type(part).__name__} {part.name!r}"


def perhaps(name: object, known: Sequence[str]) -> str:
    """Return the end of an error about an unknown name: what was meant perhaps, or all there is."""
    close = difflib.get_close_matches(str(name), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(map(repr, known))}" if known else "; there are none"


def _check_keys(scenario: Scenario) -> None:
    """Whoever is balanced by hashing needs a key, or every request would go the same way."""
    for station in scenario.stations:
        rule = station.balancer if isinstance(station, Service) else None
        if not isinstance(rule, Balancer) or not rule.hashes:
            continue
        for source in scenario.sources:
            if source.key is None and station.name in scenario.reach(shares(source.to)):
                raise ScenarioError(
                    f"{called(station)} is balanced by {rule!r}, which hashes keys, but the "
                    f"requests of {called(source)} have none; give it key=Keys(1000)"
                )
