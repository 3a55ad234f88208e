"""A scenario: named parts that fit together.

The parts were checked one by one when they were made; here it is checked that names are unique,
that every destination exists, that every queue has a handler which can serve its discipline, that
whatever enters can leave, and that whoever needs a carried service time gets one.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .distributions import Distribution
from .errors import ScenarioError, ScenarioFileError
from .sources.base import OpenSource, Source
from .sources.merge import Merge
from .stations.handler import Handler, To, WorkingFields
from .stations.queue import Queue
from .stations.service import Service

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Part", "Scenario"]

Part = Source | Queue | Handler | Service


class Scenario:
    """Parts that fit together, ready to be simulated.

    Parameters
    ----------
    *parts : Source, Queue, Handler or Service
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
                raise ScenarioError(
                    f"{part!r} is not a part; a scenario is made of sources, queues, handlers "
                    "and services"
                )
        self.parts = parts
        self._check_names()
        self._check_destinations()
        self._check_crews()
        self._check_exits()
        self._check_carried()

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

    def station_number(self, name: str) -> int:
        """Return the place of the queue or service `name` in `stations`."""
        if name not in self._places:
            self[name]  # says so, if there is no such part at all
            raise ScenarioError(
                f"{name!r} is not a queue or service; there are: "
                f"{', '.join(map(repr, self._places))}"
            )
        return self._places.index(name)

    def serving(self, name: str) -> list[WorkingFields]:
        """Return who serves the queue or service `name`."""
        part = self[name]
        if isinstance(part, Service):
            return [part]
        return [handler for handler in self.handlers if handler.source == name]

    @cached_property
    def moves_on(self) -> bool:
        """Whether a request may make a second visit, or be blocked on its way to one."""
        onward = any(part.to for name in self._places for part in self.serving(name))
        return onward or any(part.overflow == "block" for part in self.stations)

    @cached_property
    def waits_for_io(self) -> bool:
        """Whether a handler is asynchronous, so that its workers are free before it is done."""
        return any(crew.mode == "async" for name in self._places for crew in self.serving(name))

    @cached_property
    def in_loops(self) -> frozenset[str]:
        """The queues and services to which a request may come back."""
        return frozenset(name for name in self._places if name in self._reach(self._next(name)))

    def __getitem__(self, name: str) -> Part:
        """Return the part called `name`."""
        for part in self.parts:
            if part.name == name:
                return part
        names = [part.name for part in self.parts]
        raise ScenarioError(f"there is no part {name!r}{_perhaps(name, names)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __repr__(self) -> str:
        inside = "".join(f"    {part!r},\n" for part in self.parts)
        return f"Scenario(\n{inside})"

    # -- making others ---------------------------------------------------------------------------

    def replace(self, name: str, **fields: Any) -> Scenario:
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
                    f"{_perhaps(field, known)}"
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
            One row a queue or service: `arrival_rate` (requests per second, visits counted),
            `work` (mean seconds a visit, I/O of synchronous handlers included), `workers`,
            `utilisation` (the offered load of each worker; above 1 it cannot keep up) and
            `bottleneck` (whether it is the busiest).  NaN where it cannot be known before: behind
            a closed loop, and where a user's function decides how long work takes.
        """
        import pandas as pd

        names = self._places
        position = {name: i for i, name in enumerate(names)}
        outside = np.zeros(len(names))
        for source in self.sources:
            rate = source.long_run_rate() if isinstance(source, OpenSource) else None
            for name, probability in _shares(source.to).items():
                outside[position[name]] += (np.nan if rate is None else rate) * probability
        onward = np.zeros((len(names), len(names)))
        for name in names:
            crews = self.serving(name)
            for crew in crews:  # several handlers of one queue: taken as equally busy
                stay = (1.0 - crew.failure) / len(crews)
                for to, probability in _shares(crew.to).items():
                    onward[position[name], position[to]] += probability * stay
        rates = _traffic(outside, onward)
        rows = []
        for name, rate in zip(names, rates, strict=True):
            crews = self.serving(name)
            replicas = getattr(self[name], "replicas", 1)
            workers = replicas * sum(crew.workers for crew in crews)
            carried = self._carried(name)
            work = float(np.mean([_seconds(crew, carried) for crew in crews]))
            rows.append((name, rate, work, workers, rate * work / workers))
        table = pd.DataFrame(
            rows, columns=["part", "arrival_rate", "work", "workers", "utilisation"]
        ).set_index("part")
        busiest = table["utilisation"].max()
        table["bottleneck"] = table["utilisation"] == busiest
        return table

    def _carried(self, name: str) -> float:
        """The mean service time that the requests which may come to `name` carry."""
        brought = [
            source.carried()
            for source in self.sources
            if isinstance(source, OpenSource) and name in self._reach(_shares(source.to))
        ]
        known = [np.asarray(times) for times in brought if times is not None]
        return float(np.mean(np.concatenate(known))) if known else float("nan")

    # -- do the parts fit? -------------------------------------------------------------------------

    @cached_property
    def _places(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.stations)

    def _next(self, name: str) -> set[str]:
        return {to for crew in self.serving(name) for to in _shares(crew.to)}

    def _reach(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        ahead = list(names)
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                ahead.extend(self._next(name))
        return found

    def _check_names(self) -> None:
        seen: set[str] = set()
        merged = [s for part in self.parts if isinstance(part, Merge) for s in part.sources]
        for part in (*self.parts, *merged):
            if part.name in seen:
                raise ScenarioError(
                    f"two parts are called {part.name!r}; every name must be unique"
                )
            seen.add(part.name)

    def _check_destinations(self) -> None:
        handlers = {handler.name: handler for handler in self.handlers}
        for part in (*self.sources, *self.stations, *self.handlers):
            for name in _shares(getattr(part, "to", None)):
                if name in handlers:
                    raise ScenarioError(
                        f"{_called(part)}, to: {name!r} is a handler, and requests go to its "
                        f"queue; write to={handlers[name].source!r}"
                    )
                if name not in self._places:
                    raise ScenarioError(
                        f"{_called(part)}, to: there is no queue or service {name!r}"
                        f"{_perhaps(name, self._places)}"
                    )
        queues = [part.name for part in self.stations if isinstance(part, Queue)]
        for handler in self.handlers:
            if handler.source not in queues:
                raise ScenarioError(
                    f"{_called(handler)}, source: there is no queue {handler.source!r}"
                    f"{_perhaps(handler.source, queues)}"
                )

    def _check_crews(self) -> None:
        for station in self.stations:
            crews = self.serving(station.name)
            if not crews and not self.open_ended:
                raise ScenarioError(
                    f"{_called(station)} has no handler, so nothing would ever leave it; add "
                    f"Handler(..., source={station.name!r})"
                )
            if station.discipline in {"sjf", "ps", "preemptive"} and len(crews) > 1:
                raise ScenarioError(
                    f"{_called(station)}, discipline: {station.discipline!r} needs to know each "
                    f"request's work, so it takes one handler; it has {len(crews)}"
                )
            for crew in crews:
                if station.discipline in {"ps", "preemptive"} and crew.io is not None:
                    raise ScenarioError(
                        f"{_called(crew)}, io: a wait for I/O cannot be shared or interrupted, so "
                        f"it does not go with discipline {station.discipline!r}"
                    )

    def _check_exits(self) -> None:
        def can_leave(name: str) -> bool:
            crews = self.serving(name)
            return not crews or any(
                crew.failure > 0.0 or sum(_shares(crew.to).values()) < 1.0 - 1e-9 for crew in crews
            )

        for name in self._places:
            if not any(can_leave(other) for other in self._reach([name])):
                loop = sorted(self._reach([name]), key=self._places.index)
                raise ScenarioError(
                    f"nothing that enters {name!r} ever leaves: its requests go round among "
                    f"{', '.join(map(repr, loop))}; let some of them leave, with probabilities in "
                    "to= that add up to less than 1"
                )

    def _check_carried(self) -> None:
        for source in self.sources:
            carries = getattr(source, "service_time", None) is not None
            if carries:
                continue
            for name in sorted(self._reach(_shares(source.to)), key=self._places.index):
                for crew in self.serving(name):
                    field = "service_time" if isinstance(crew, Service) else "work"
                    if getattr(crew, field) is None:
                        raise ScenarioError(
                            f"{_called(crew)}, {field}: is not given, so every request must carry "
                            f"its own, but those of {_called(source)} do not; give {field}=, or "
                            "a Replay with service_time="
                        )


def _shares(to: To) -> dict[str, float]:
    if to is None:
        return {}
    return {to: 1.0} if isinstance(to, str) else dict(to)


def _seconds(crew: WorkingFields, carried: float) -> float:
    work = crew.service_time if isinstance(crew, Service) else getattr(crew, "work", None)
    if isinstance(work, Distribution):
        mean = work.mean
    else:
        mean = carried if work is None else float("nan")
    return mean + (crew.io.mean if crew.io is not None and crew.mode == "sync" else 0.0)


def _traffic(outside: np.ndarray, onward: np.ndarray) -> np.ndarray:
    """Solve rates = outside + rates @ onward, where part of `outside` may be unknown (NaN)."""
    unknown = np.isnan(outside)
    system = np.eye(len(outside)) - onward.T
    rates = np.linalg.solve(system, np.where(unknown, 0.0, outside))
    touched = np.linalg.solve(system, unknown.astype(float))
    rates[touched > 1e-12] = np.nan
    return rates


def _called(part: Any) -> str:
    return f"{type(part).__name__} {part.name!r}"


def _perhaps(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(map(repr, known))}" if known else "; there are none"
