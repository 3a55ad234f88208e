"""A scenario: named parts that fit together (`mesh_lab.fitting` says what that means)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import fitting
from .errors import ScenarioError, ScenarioFileError
from .fitting import perhaps
from .mesh.finding import ServiceDiscovery
from .mesh.plane import DataPlane
from .mesh.routing import Route
from .messaging.base import Channel, Subscriber
from .sources.base import OpenSource, Source
from .sources.merge import Merge
from .stations.calls import all_calls
from .stations.handler import Handler, WorkingFields, shares
from .stations.queue import Queue
from .stations.service import Service

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Part", "Scenario"]

Part = (
    Source | Queue | Handler | Service | Channel | Subscriber | DataPlane | ServiceDiscovery | Route
)


class Scenario:
    """Parts that fit together, ready to be simulated.

    Parameters
    ----------
    *parts : Source, Queue, Handler, Service, MessageQueue, Topic, Consumer, ...
        In any order, but the order is kept: of events at one time, those of the source that was
        declared first come first.

    Raises
    ------
    ScenarioError
        When the parts do not fit together; the message names the part and what to do.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=30.0, to="orders"),
    ...     ml.Service("orders", replicas=2, service_time=ml.Exponential(mean=0.05)),
    ... )
    >>> scenario.replace("orders", replicas=3)["orders"].replicas
    3
    """

    open_ended = False  # whether somebody outside may take from queues that have no handler

    def __init__(self, *parts: Part) -> None:
        for part in parts:
            if not isinstance(part, Part):
                from .replicated import Cluster

                raise ScenarioError(
                    f"{part!r} is not a part; "
                    + (
                        "a cluster runs by itself: ml.replicated.simulate(cluster, writes=..., "
                        "reads=..., seed=...)"
                        if isinstance(part, Cluster)
                        else "a scenario is made of sources, queues, handlers and services, or of "
                        "message queues, topics, logs and their consumers"
                    )
                )
            if type(part) in (Source, OpenSource):
                raise ScenarioError(
                    f"{part!r} makes no arrivals by itself; it is what all sources have in common. "
                    "Take Poisson, Renewal, Replay, Users or another"
                )
        self.parts = parts
        fitting.check(self)

    # -- looking ---------------------------------------------------------------------------------

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The sources in declared order, merged ones in place."""
        found: list[Source] = []
        for part in self.parts:
            if isinstance(part, Merge):
                found.extend(part.merged())
            elif isinstance(part, Source):
                found.append(part)
        return tuple(found)

    @cached_property
    def stations(self) -> tuple[Queue | Service, ...]:
        """Where requests wait: the queues and services, in declared order."""
        return tuple(part for part in self.parts if isinstance(part, Queue | Service))

    @cached_property
    def handlers(self) -> tuple[Handler, ...]:
        """The handlers, in declared order."""
        return tuple(part for part in self.parts if isinstance(part, Handler))

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """Where events are published: message queues, topics and logs, in declared order."""
        return tuple(part for part in self.parts if isinstance(part, Channel))

    @cached_property
    def subscribers(self) -> tuple[Subscriber, ...]:
        """Who takes events from channels, in declared order."""
        return tuple(part for part in self.parts if isinstance(part, Subscriber))

    @cached_property
    def consumers(self) -> tuple[Subscriber, ...]:
        """Those of the subscribers that work on events: consumers and consumer groups."""
        return tuple(part for part in self.subscribers if part.handles)

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The names of `stations`, then those of `channels`: where requests can be sent."""
        return tuple(part.name for part in (*self.stations, *self.channels))

    def station_number(self, name: str) -> int:
        """Return the place of the queue, service or channel `name` in `places`."""
        if name not in self.places:
            self[name]  # says so, if there is no such part at all
            raise ScenarioError(
                f"{name!r} is not a queue or service; there are: "
                f"{', '.join(map(repr, self.places))}"
            )
        return self.places.index(name)

    def serving(self, name: str) -> list[WorkingFields]:
        """Return who serves the queue or service `name`."""
        part = self[name]
        if isinstance(part, Service):
            return [part]
        return [handler for handler in self.handlers if handler.source == name]

    @cached_property
    def moves_on(self) -> bool:
        """Whether a request may make a second visit, or be blocked on its way to one."""
        onward = any(part.to for name in self.places for part in self.serving(name))
        if self.called or self.delays:
            return True
        return onward or any(part.overflow == "block" for part in self.stations)

    @cached_property
    def called(self) -> frozenset[str]:
        """The services that are called: all that answer, in a scenario that knows of calls."""
        services = [part for part in self.stations if isinstance(part, Service)]
        calls = any(crew.calls for crew in self.crews)
        rules = any(part.guarded for part in services)
        finding = any(isinstance(part, DataPlane | ServiceDiscovery | Route) for part in self.parts)
        if not (calls or rules or finding):
            return frozenset()
        return frozenset(part.name for part in services if part.to is None)

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The names behind which several services stand, in declared order."""
        return tuple(part for part in self.parts if isinstance(part, Route))

    def behind(self, name: str) -> tuple[str, ...]:
        """Return the services behind a name that can be called: itself, if it is a service."""
        part = next((route for route in self.routes if route.name == name), None)
        return (name,) if part is None else part.services

    @cached_property
    def plane(self) -> DataPlane | None:
        """Where proxies stand, if that is declared."""
        return next((part for part in self.parts if isinstance(part, DataPlane)), None)

    def finding(self, name: str) -> ServiceDiscovery | None:
        """Return how callers of service `name` learn of its endpoints; None: they know."""
        for part in self.parts:
            if isinstance(part, ServiceDiscovery):
                named = name in part.services if part.services else name in self.called
                if named:
                    return part
        return None

    def sent_to(self, source: Source) -> set[str]:
        """Return where the requests of a source may be sent: its own places and further ones."""
        return _reached(shares(source.to), self._next)

    @cached_property
    def crews(self) -> tuple[Handler | Service, ...]:
        """Who serves requests: the handlers and services, in declared order."""
        return tuple(part for part in self.parts if isinstance(part, Handler | Service))

    @cached_property
    def delays(self) -> bool:
        """Whether requests or their responses take time on their way."""
        return any(isinstance(part, Service) and part.delays for part in self.stations)

    @cached_property
    def keyed(self) -> bool:
        """Whether requests have keys."""
        return any(source.key is not None for source in self.sources)

    @cached_property
    def waits_for_io(self) -> bool:
        """Whether a handler is asynchronous, so that its workers are free before it is done."""
        return any(crew.mode == "async" for name in self.places for crew in self.serving(name))

    @cached_property
    def in_loops(self) -> frozenset[str]:
        """The queues and services to which a request may come back."""
        return frozenset(
            name for name in self.places if name in _reached(self._next(name), self._next)
        )

    def _next(self, name: str) -> set[str]:
        if any(route.name == name for route in self.routes):
            return set(self.behind(name))
        following = [shares(crew.to) for crew in self.serving(name)]
        return {to for each in following for to, probability in each.items() if probability > 0.0}

    def reach(self, names: Iterable[str]) -> set[str]:
        """Return the queues and services among `names`, and all that requests go on to, or call."""

        def further(name: str) -> set[str]:
            if any(route.name == name for route in self.routes):
                return set(self.behind(name))
            calls = [call for crew in self.serving(name) for call in all_calls(crew.calls)]
            return self._next(name) | {call.service for call in calls if call.probability > 0.0}

        return _reached(names, further) - {route.name for route in self.routes}

    def __getitem__(self, name: str) -> Part:
        """Return the part called `name`."""
        for part in self.parts:
            if part.name == name:
                return part
        names = [part.name for part in self.parts]
        raise ScenarioError(f"there is no part {name!r}{perhaps(name, names)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        inside = "".join(f"    {part!r},\n" for part in self.parts)
        return f"Scenario(\n{inside})"

    # -- making others ---------------------------------------------------------------------------

    def replace(self, name: str, /, **fields: Any) -> Scenario:
        """Return a scenario in which part `name` has other values in some fields.

        Raises
        ------
        ScenarioError, PartError
            When there is no such part, or it has no such field or cannot have that value.
        """
        changed = self[name]
        known = [f.name for f in dataclasses.fields(changed)]
        for field in fields:
            if field not in known:
                raise ScenarioError(
                    f"{type(changed).__name__} {name!r} has no field {field!r}"
                    f"{perhaps(field, known)}"
                )
        new = dataclasses.replace(changed, **fields)
        return Scenario(*(new if part is changed else part for part in self.parts))

    def to_yaml(self, path: str | Path | None = None) -> str:
        """Return the scenario as YAML, and write it to `path` if one is given.

        Raises
        ------
        ScenarioFileError
            When a part holds a user's function (the message names it), or `path` cannot be
            written; a file that was there before is then as it was.
        """
        from . import files

        text = files.dump(self.parts)
        if path is not None:
            files.write(text, path)
        return text

    @classmethod
    def from_yaml(cls, source: str | Path) -> Scenario:
        """Return the scenario that a YAML file, or a text with at least two lines, describes.

        Raises
        ------
        ScenarioFileError
            When it cannot be read; the message names the line, the part and the field.
        """
        from . import files

        parts = files.load(source)
        try:
            return cls(*parts)
        except ScenarioError as error:
            raise ScenarioFileError(f"{files.origin(source)}: {error}") from None

    def draw(self, ax: Axes | None = None) -> Axes:
        """Draw the parts and where requests go between them; return the axes."""
        from . import plots

        return plots.scenario(self, ax=ax)

    # -- before anything runs ----------------------------------------------------------------------

    def check(self) -> pd.DataFrame:
        """Return the load that each queue and service is offered, before anything runs.

        It solves the traffic equations, as if nothing were rejected, lost or blocked.

        Returns
        -------
        DataFrame
            One row a queue, service, message queue with consumers, or consumer group of a log:
            `arrival_rate` (requests per second, visits counted, each call tried once), `work` (mean
            seconds that a visit holds a worker: with the I/O of synchronous handlers, and with
            their calls, as long as those take without any waiting, which is the least), `workers`
            (of a group, the members at time 0 that have a partition), `utilisation` (the offered
            load of each worker; above 1 it cannot keep up; of a group it is the mean, and a member
            with a hot key has more) and `bottleneck` (whether it is the busiest). NaN where it
            cannot be known before: behind a closed loop, and where a user's function decides how
            long work takes.

        Examples
        --------
        >>> import mesh_lab as ml
        >>> ml.Scenario(
        ...     ml.Poisson("shop", rate=30.0, to="orders"),
        ...     ml.Service("orders", service_time=ml.Exponential(mean=0.025), to={"bank": 0.5}),
        ...     ml.Service("bank", service_time=ml.Exponential(mean=0.04)),
        ... ).check()  # doctest: +NORMALIZE_WHITESPACE
                arrival_rate   work  workers  utilisation  bottleneck
        part
        orders          30.0  0.025        1         0.75        True
        bank            15.0  0.040        1         0.60       False
        """
        from .offered import offered_load

        return offered_load(self)


def _reached(names: Iterable[str], further: Callable[[str], set[str]]) -> set[str]:
    """Return `names`, what is `further` from them, and so on."""
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(further(name))
    return found
