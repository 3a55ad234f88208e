"""The same parts inside any SimPy program: live ones, whose operations are SimPy events.

A process waits for them with ``yield``: ``outcome = yield inbox.put(event)``,
``event = yield inbox.get()``, ``reply = yield orders.call(event)``.  The rules are those of
`mesh_lab.simulate`, and so is the code: both make the same lines and crews.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import simpy

from .engines.assembly import Assembly
from .errors import ScenarioError
from .ledger import OUTCOMES, REJECTED, UNAVAILABLE, Request
from .messaging.base import Subscriber
from .messaging.keeping import LiveQueue
from .scenario import Part, Scenario
from .sources.base import Source
from .stations.handler import Handler
from .stations.line import Crew, Line, Place
from .takers import Get, Takers

__all__ = ["LiveHandler", "LivePlace", "LiveSource", "LiveSubscriber", "Reply", "build"]


@dataclass(frozen=True)
class Reply:
    """How a call ended.

    Attributes
    ----------
    event : object
        What was sent.
    outcome : str
        ``"ok"`` or why not.
    latency : float
        Seconds from the call to its end.
    """

    event: Any
    outcome: str
    latency: float


class LivePlace:
    """A queue or a service at work in a SimPy program.

    Attributes
    ----------
    part : Queue or Service
        What was declared.
    """

    def __init__(self, assembly: Assembly, part: Part, place: Place, lines: list[Line]) -> None:
        self.part = part
        self._assembly = assembly
        self._env = assembly.clock.env
        self._place = place
        self._lines = lines
        self._source = len(assembly.source_names)
        self._number = 0
        assembly.source_names.append(f"{part.name} (from outside)")

    def __repr__(self) -> str:
        return f"<live {self.part!r}, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """How many wait in line (of a message queue: for delivery) now."""
        if isinstance(self._place, LiveQueue):
            return self._place.waiting
        return sum(len(line.waiting) for line in self._lines)

    def put(self, event: Any, *, priority: int = 0, deadline: float = math.inf) -> simpy.Event:
        """Put `event` in; the SimPy event happens when it has been let in, or turned away.

        Its value is ``"ok"``, ``"rejected"`` or ``"unavailable"``.  Where overflow is ``"block"``
        it does not happen before there is room (that is back-pressure), or the service goes down.

        Parameters
        ----------
        event : object
            Anything; handlers see it as ``request.payload``.
        priority : int
            Its class; 0 is the most urgent.
        deadline : float
            Seconds from now by which it should be done.
        """
        done = self._env.event()
        request = self._request(event, priority, deadline)

        def settled(request: Request) -> None:
            outcome = self._assembly.ledger.outcome[request.call]
            turned_away = outcome in {REJECTED, UNAVAILABLE}
            done.succeed(OUTCOMES[outcome] if turned_away else "ok")

        if self._place.arrive(request, settled):
            settled(request)
        self._assembly.clock.drain()
        return done

    def call(self, event: Any, *, priority: int = 0, deadline: float = math.inf) -> simpy.Event:
        """Send `event` and wait for its end, wherever its way leads; the value is a `Reply`."""
        done = self._env.event()
        request = self._request(event, priority, deadline)

        def ended(request: Request) -> None:
            latency = self._env.now - request.arrival
            done.succeed(Reply(event, OUTCOMES[request.outcome], latency))

        request.on_end = ended
        self._place.arrive(request)
        self._assembly.clock.drain()
        return done

    def get(self) -> Get:
        """Take the next one out; the SimPy event happens when there is one.

        Raises
        ------
        ScenarioError
            When a handler serves this queue, or it is a service: then nobody else takes from it.
        """
        crew = self._lines[0].crews[0] if self._lines else None
        if not isinstance(crew, Takers):
            raise ScenarioError(
                f"{self.part.name!r} is served already, so nobody else can take from it; leave "
                "the handler out, or send to a queue of your own with to="
                if self._lines
                else f"only a Consumer takes from {self.part.name!r}; its work may be a function"
            )
        return crew.ask()

    def _request(self, event: Any, priority: int, deadline: float) -> Request:
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise ScenarioError(
                f"{self.part.name!r}: priority is {priority!r}, but must be a whole number"
            )
        if not isinstance(deadline, int | float) or not deadline >= 0:
            raise ScenarioError(
                f"{self.part.name!r}: deadline is {deadline!r}, but must be seconds, 0 or more"
            )
        now = self._env.now
        request = self._assembly.ledger.open(self._source, self._number, now)
        self._number += 1
        request.payload = event
        request.priority = priority
        request.deadline = now + deadline
        return request


class LiveHandler:
    """A handler at work in a SimPy program."""

    def __init__(self, part: Handler, crew: Crew) -> None:
        self.part = part
        self._crew = crew

    def __repr__(self) -> str:
        return f"<live {self.part!r}, {self.busy} in hand>"

    @property
    def busy(self) -> int:
        """How many requests are in its hands now."""
        return self._crew.held()


class LiveSubscriber:
    """A consumer, or another subscriber, at work in a SimPy program; it takes by itself."""

    def __init__(self, part: Subscriber) -> None:
        self.part = part

    def __repr__(self) -> str:
        return f"<live {self.part!r}>"


class LiveSource:
    """A source at work in a SimPy program; it sends by itself."""

    def __init__(self, part: Source) -> None:
        self.part = part

    def __repr__(self) -> str:
        return f"<live {self.part!r}>"


def build(env: simpy.Environment, *parts: Part, seed: int) -> tuple[Any, ...]:
    """Make live parts in a SimPy environment.

    Parameters
    ----------
    env : simpy.Environment
        An unmodified one; other processes may run in it.
    *parts : Source, Queue, Handler, Service, MessageQueue, Topic, Consumer, ...
        They must fit together as in a `Scenario`, but a queue may have no handler: then
        processes take from it with ``get``.
    seed : int
        Of all their draws.

    Returns
    -------
    tuple of LivePlace, LiveHandler, LiveSubscriber and LiveSource
        The live parts, in the given order: of a queue, service, message queue or topic, of a
        handler, of a consumer, of a source.

    Notes
    -----
    Sources, `Failures`, and balancers that keep time by themselves (load reports out of band,
    refreshed views) go on for ever: say when the program ends, with ``env.run(until=...)``.

    Examples
    --------
    >>> import simpy
    >>> import mesh_lab as ml
    >>> env = simpy.Environment()
    >>> (inbox,) = build(env, ml.Queue("inbox", capacity=1), seed=1)
    >>> def producer():
    ...     for n in range(3):
    ...         outcome = yield inbox.put(f"event {n}")
    ...         print(env.now, "put", n, outcome)
    >>> def consumer():
    ...     yield env.timeout(5)
    ...     event = yield inbox.get()
    ...     print(env.now, "got", event)
    >>> _ = env.process(producer()), env.process(consumer())
    >>> env.run()
    0 put 0 ok
    0 put 1 rejected
    0 put 2 rejected
    5 got event 0
    """
    if not isinstance(env, simpy.Environment):
        raise ScenarioError(f"env is {env!r}, but must be a simpy.Environment")
    scenario = _OpenScenario(*parts)
    assembly = Assembly(env, scenario, seed, outside=True)
    for line in assembly.lines:
        if not line.crews:
            line.crews.append(Takers(assembly.clock, assembly.ledger, line))
    assembly.add_sources(lambda: False, lambda: False, endless=True)
    for source in assembly.live_sources:
        source.begin()
    made: list[LivePlace | LiveHandler | LiveSubscriber | LiveSource] = []
    for part in parts:
        if isinstance(part, Source):
            made.append(LiveSource(part))
        elif isinstance(part, Handler):
            made.append(LiveHandler(part, assembly.crews[part.name]))
        elif isinstance(part, Subscriber):
            made.append(LiveSubscriber(part))
        else:
            lines = [line for line in assembly.lines if line.name == part.name]
            made.append(LivePlace(assembly, part, assembly.places[part.name], lines))
    return tuple(made)


class _OpenScenario(Scenario):
    """A scenario in which processes from outside may serve queues."""

    open_ended = True
