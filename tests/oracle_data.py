"""What the oracle keeps: events, requests, visits, and the stations that a scenario declares."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.oracle_sources import Feed

NAN = math.nan
COMPLETION, TIME_TO_LIVE, OUTAGE, WAKING, OPEN = 1, 2, 3, 4, 5


@dataclass
class Event:
    """Something that will happen, unless it was called off."""

    time: float
    action: Callable[[], object]
    live: Callable[[], bool] = lambda: True
    off: bool = False


@dataclass(eq=False)
class Request:
    """One request, from where it was made to its end."""

    index: int
    feed: Feed
    user: int
    cycle: int
    number: int
    priority: int
    deadline: float
    carried: float | None
    row: dict[str, Any]
    visits: dict[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class Visit:
    """One request at one station."""

    request: Request
    place: Place
    nth: int
    row: dict[str, Any]
    producer: Feed | Visit | None
    first: bool  # the request's first visit anywhere
    line: Line | None = None
    order: int = -1  # of arrival at the line
    state: str = "offered"  # blocked, waiting, working, io, held, gone
    handler: Hands | None = None
    restart: int = -1  # order of the last start
    left: float | None = None  # what a preempted one has still to do
    tag: float = NAN  # virtual time of completion under "ps"
    event: Event | None = None  # its end of work or I/O
    ahead: Visit | None = None  # the visit to the next station at whose door it stands


@dataclass(eq=False)
class Hands:
    """A handler, or one replica of a service: workers and what they hold."""

    part: Any
    work: Any
    up: bool = True
    hands: list[Visit] = field(default_factory=list)  # in order of (re)start
    virtual: float = 0.0
    updated: float = 0.0
    planned: Event | None = None

    def using(self) -> int:
        """Return how many workers are held: none by those in asynchronous I/O, or after it."""
        waits_for_io = self.part.mode == "async" and self.part.io is not None
        free = {"io", "held"} if waits_for_io else set()
        return sum(v.state not in free for v in self.hands)


@dataclass(eq=False)
class Line:
    """A waiting line, its handlers, and the producers that stand at its door."""

    part: Any
    handlers: list[Hands]
    waiting: list[Visit] = field(default_factory=list)
    blocked: list[Visit] = field(default_factory=list)
    arrivals: int = 0
    picks: int = 0  # in random order


@dataclass(eq=False)
class Place:
    """What `to=` can name: a queue (one line) or a service (a line a replica)."""

    name: str
    part: Any
    lines: list[Line]
    down: bool = False
    turn: int = 0  # of round robin
    outstanding: list[int] = field(default_factory=list)


def places(parts: list[Any]) -> dict[str, Place]:
    """Return what `to=` can name, in declared order."""
    found: dict[str, Place] = {}
    for part in parts:
        kind = type(part).__name__
        if kind == "Queue":
            handlers = [Hands(p, p.work) for p in parts if getattr(p, "source", None) == part.name]
            found[part.name] = Place(part.name, part, [Line(part, handlers)])
        elif kind == "Service":
            lines = [Line(part, [Hands(part, part.service_time)]) for _ in range(part.replicas)]
            found[part.name] = Place(part.name, part, lines)
    for place in found.values():
        place.outstanding = [0] * len(place.lines)
        place.turn = getattr(getattr(place.part, "balancer", None), "start", 0)
    return found
