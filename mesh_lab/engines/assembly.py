"""From declared parts to live ones: lines, crews and sources, wired on one clock.

`Assembly` is what both `mesh_lab.simulate` and `mesh_lab.build` make; the first also starts the
sources and ends the run.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import simpy

from ..balancing import Balancer
from ..clock import CHANGE, OUTAGE, Alarm, Clock
from ..distributions import Distribution
from ..draws import Drawable, Draws
from ..errors import MeshLabError
from ..ledger import Ledger, Request
from ..mesh.finding import Finder
from ..mesh.plane import Plane
from ..mesh.routing import LiveRoute, Route
from ..mesh.spans import GraphLedger
from ..mesh.upstream import Upstream
from ..messaging.post import Plan, Post, planned
from ..messaging.rows import Rows
from ..scenario import Scenario
from ..sources.base import Arrivals, OpenSource, Source, pick_by
from ..sources.closed import Loop, Users
from ..stations.balancers import Balancers
from ..stations.calls import all_calls
from ..stations.crew import Hands, Workers
from ..stations.discipline import waiting_line
from ..stations.endpoints import Change, Fail, Failures, Recover, Slow
from ..stations.handler import Handler, To, Work, WorkingFields
from ..stations.line import Crew, Line, Place
from ..stations.queue import WaitingFields
from ..stations.replicas import Replicas, shut
from ..stations.service import Delay, Service
from ..stations.sharing import SharedWorkers
from ..stations.sight import Chooser
from .calls import Calls
from .dressing import dressing
from .keys import key_hashes
from .needs import Need, drawn, work_of

__all__ = ["Assembly"]


class Assembly:
    """The live parts of one run.

    Parameters
    ----------
    env : simpy.Environment
        Where they live.
    scenario : Scenario
        The declared parts.
    seed : int
        Of all draws.
    rows : int, optional
        How many requests there will be, when that is known.
    outside : bool
        Whether processes outside the scenario put requests in, and want them told apart by visit.
    """

    line_kind: type[Line] = Line
    workers_kind: type[Workers] = Workers
    shared_kind: type[SharedWorkers] = SharedWorkers
    ledger_kind: type[Ledger] = Ledger
    graph_ledger_kind: type[GraphLedger] = GraphLedger
    post_kind: type[Post] = Post

    def __init__(
        self,
        env: simpy.Environment,
        scenario: Scenario,
        seed: int,
        *,
        rows: int | None = None,
        outside: bool = False,
    ) -> None:
        self.scenario = scenario
        self.clock = Clock(env)
        self.draws = Draws(seed)
        graph = bool(scenario.called)
        kind = self.graph_ledger_kind if graph else self.ledger_kind
        self.ledger = kind(
            self.clock,
            visits=outside or scenario.moves_on,
            rows=rows,
            io=scenario.waits_for_io,
            delays=scenario.delays or graph,
            keys=scenario.keyed,
        )
        self.source_names = [source.name for source in scenario.sources]
        self.calls: Calls | None = None
        if isinstance(self.ledger, GraphLedger):
            self.calls = Calls(self.clock, self.ledger, self.draws, self._drawn, self.source_names)
        self.stations = [part.name for part in scenario.stations]
        self.lines: list[Line] = []
        self.places: dict[str, Place] = {}
        self.crews: dict[str, Crew] = {}  # by the handler's name
        self._hands: defaultdict[str, list[Hands]] = defaultdict(list)  # by handler or service
        self._switches: dict[str, tuple[Callable[[float], None], Callable[[float], None]]] = {}
        self._plans: dict[str, list[Plan]] = {}  # what channels and subscribers do at set times
        self._planned = 0  # beginnings and ends of outages that are still to come
        self.live_sources: list[Arrivals | Loop] = []
        self.replicas: list[Replicas | Upstream] = []
        for station, part in enumerate(scenario.stations):
            if isinstance(part, Service):
                self.places[part.name] = self._service(part, station)
            else:
                self.places[part.name] = self._line(part, part.name, station)
        for handler in scenario.handlers:
            self._handler(handler)
        for route in scenario.routes:
            self._route(route)
        for caller in scenario.crews:
            if caller.calls:
                assert self.calls is not None
                errands = self.calls.errands(caller.name, caller.calls)
                for crew in self._hands[caller.name]:
                    crew.errands = errands
        self.post: Post | None = None
        if scenario.channels:
            self._messaging(scenario)
        for declared in scenario.parts:  # of outages at one time, those declared first go first
            if declared.name in self._switches:
                for start, end in getattr(declared, "outages", ()):
                    down, up = self._switches[declared.name]
                    self._at(start, down)
                    self._at(end, up)
            for time, do in self._plans.get(declared.name, ()):
                self._at(time, do)
        self._find()
        for place in self.replicas:
            self._changes(place)

    # -- channels and subscribers --------------------------------------------------------------

    def _messaging(self, scenario: Scenario) -> None:
        """Make the channels, then those who take from them."""
        rows = Rows(
            [part.name for part in scenario.channels if part.has_rows],
            [part.name for part in scenario.subscribers],
            lambda: self.clock.env.now,
        )
        self.post = post = self.post_kind(
            self.clock, self.ledger, self.draws, self.source_names, self._key_of, rows
        )
        for number, channel in enumerate(scenario.channels, start=len(scenario.stations)):
            live = channel.live(post, number)
            self.places[channel.name] = post.channels[channel.name] = live
            self._plans[channel.name] = list(planned(live))
        for subscriber in scenario.subscribers:
            self._plans[subscriber.name] = list(planned(subscriber.live(post)))

    def _key_of(self, request: Request) -> str | None:
        sources = self.scenario.sources
        keys = sources[request.made_by].key if request.made_by < len(sources) else None
        return None if keys is None else keys.text(request.key)

    # -- stations ------------------------------------------------------------------------------

    def _line(self, part: WaitingFields, name: str, station: int, endpoint: int = 0) -> Line:
        discipline = part.discipline
        crews = self.scenario.serving(name)
        limits_total = discipline in {"ps", "preemptive"}
        room = math.inf if part.capacity is None else float(part.capacity)
        if limits_total:
            room += sum(crew.workers for crew in crews)
        # each replica makes random picks of its own
        place = name if endpoint == 0 else f"{name}#{endpoint}"
        order = iter(self.draws.column("uniform", place, "order", ""))
        line = self.line_kind(
            self.clock,
            self.ledger,
            name,
            waiting_line(discipline, order.__next__),
            station=station,
            endpoint=endpoint,
            room=room,
            overflow=part.overflow,
            ttl=part.ttl,
            limits_total=limits_total,
            preemptive=discipline == "preemptive",
            knows_work=discipline in {"sjf", "ps", "preemptive"},
            counts_visits=name in self.scenario.in_loops,
        )
        self.lines.append(line)
        return line

    def _crew(self, line: Line, part: WorkingFields, name: str, work: Work) -> None:
        need = work_of(self.draws, work, name, self.source_names)
        chance = self._drawn("uniform", name, "failure") if part.failure > 0.0 else None
        onward = self._onward(part.to, name)
        crew: SharedWorkers | Workers
        if line.limits_total and not line.preemptive:
            crew = self.shared_kind(
                self.clock,
                self.ledger,
                line,
                need,
                workers=part.workers,
                failure=part.failure,
                chance=chance,
                onward=onward,
            )
        else:
            crew = self.workers_kind(
                self.clock,
                self.ledger,
                line,
                need,
                workers=part.workers,
                io=None if part.io is None else self._drawn(part.io, name, "io"),
                is_async=part.mode == "async",
                concurrency=part.concurrency,
                failure=part.failure,
                chance=chance,
                onward=onward,
            )
        line.crews.append(crew)
        self._hands[name].append(crew)

    def _handler(self, part: Handler) -> None:
        line = self.places[part.source]
        assert isinstance(line, Line)
        self._crew(line, part, part.name, part.work)
        crew = self.crews[part.name] = line.crews[-1]
        self._switches[part.name] = crew.crash, crew.recover

    def _service(self, part: Service, station: int) -> Place:
        lines = [self._line(part, part.name, station, i) for i in range(part.endpoint_count)]
        for line in lines:
            self._crew(line, part, part.name, part.service_time)

        def close_down(now: float) -> None:
            shut(lines, now)

        def reopen(now: float) -> None:
            for line in lines:
                line.reopen(now)

        self._switches[part.name] = close_down, reopen
        if self.calls is not None and part.name in self.scenario.called:
            upstream = self.calls.upstream(
                part,
                lines,
                forward=self._delay(part.forward_delay, part.name, "forward"),
                back=self._delay(part.return_delay, part.name, "return"),
                hashed=self._hashed(part),
                chooser=self._chooser(part),
                counts_visits=part.name in self.scenario.in_loops,
                plane=self._plane(part),
                handshake=self._delay(
                    part.connections.connect if part.connections else None, part.name, "connect"
                ),
                fault_delay=self._delay(
                    part.faults.delay if part.faults else None, part.name, "held"
                ),
            )
            upstream.alive = self.alive
            self.replicas.append(upstream)
            return upstream
        if part.is_line:
            return lines[0]
        replicas = Replicas(
            self.clock,
            self.ledger,
            part,
            lines,
            lambda purpose: self._drawn("uniform", part.name, purpose),
            iter(self.draws.column("uniform", part.name, "own", "")),
            forward=self._delay(part.forward_delay, part.name, "forward"),
            back=self._delay(part.return_delay, part.name, "return"),
            hashed=self._hashed(part),
            counts_visits=part.name in self.scenario.in_loops,
            chooser=self._chooser(part),
        )
        self.replicas.append(replicas)
        return replicas

    def _route(self, part: Route) -> None:
        """Make a route live: a place for sources, and something that services call."""
        assert self.calls is not None
        about = {source.name: self._subject(source) for source in self.scenario.sources}
        headers = {source.name: self._headers(source) for source in self.scenario.sources}

        def told(request: Request) -> tuple[str, str]:
            source = self.scenario.sources[request.made_by].name
            return source, about[source](request)

        def header(request: Request, name: str) -> str | None:
            of = headers[self.scenario.sources[request.made_by].name].get(name)
            return None if of is None else of(request)

        live = self.calls.routes[part.name] = LiveRoute(
            self.clock,
            part,
            self.calls.upstreams,
            lambda purpose: self._drawn("uniform", part.name, purpose),
            self._key_of,
            told,
            header,
            self.alive,
        )
        self.places[part.name] = self.calls.entry(live)

    def _subject(self, source: Source) -> Callable[[Request], str]:
        subject = source.subject
        if isinstance(subject, dict):
            return self._chosen(subject, source.name, "subject")
        return lambda request: source.name if subject is None else subject

    def _headers(self, source: Source) -> dict[str, Callable[[Request], str]]:
        return {
            name: self._chosen(
                value if isinstance(value, dict) else {value: 1.0}, source.name, f"header:{name}"
            )
            for name, value in source.headers.items()
        }

    def _chosen(
        self, values: dict[str, float], source: str, purpose: str
    ) -> Callable[[Request], str]:
        """Return one of some values, the same for all that is done for a source's request."""
        choose = pick_by(list(values), list(values.values()))
        column = self.draws.column("uniform", source, purpose, source)
        return lambda request: choose(column.at(request.number)) or ""

    def _plane(self, part: Service) -> Plane | None:
        declared = self.scenario.plane
        if declared is None:
            return None
        callers: list[tuple[str, Service | None]] = [
            (source.name, None)
            for source in self.scenario.sources
            if part.name in self.scenario.sent_to(source)
        ]
        callers += [
            (caller.name, caller if isinstance(caller, Service) else None)
            for caller in self.scenario.crews
            if any(call.service == part.name for call in all_calls(caller.calls))
        ]
        return Plane(
            declared,
            part,
            callers,
            lambda cost, purpose: self._delay(cost, part.name, purpose),
            self.source_names,
        )

    def _delay(self, delay: Delay, name: str, purpose: str) -> Need | None:
        if delay is None or isinstance(delay, Distribution):
            return None if delay is None else self._drawn(delay, name, purpose)
        return lambda request: delay

    def _hashed(self, part: Service) -> Callable[[Request], int] | None:
        if not (isinstance(part.balancer, Balancer) and part.balancer.hashes):
            return None
        made = key_hashes(self.scenario, part.balancer)
        hashes: list[list[int]] = [each.tolist() for each in made]
        known = len(hashes)

        def hashed(request: Request) -> int:
            if request.made_by >= known:  # what a process has sent, in a user's own program
                raise MeshLabError(
                    f"{part.name!r} is balanced by {part.balancer!r}, which hashes keys, but "
                    f"{request}, sent by a process, has none; take a balancer that hashes "
                    "nothing, or send by a source with key=Keys(1000)"
                )
            return hashes[request.made_by][request.key]

        return hashed

    def _chooser(self, part: Service) -> Callable[[Balancers], Chooser] | None:
        rule = part.balancer
        if isinstance(rule, Balancer):
            return None

        def generator(request: Request) -> np.random.Generator:
            source = self.source_names[request.source]
            return self.draws.generator(
                part.name, "balancer", source, request.visit, request.number
            )

        return lambda balancers: Chooser(part.name, rule, generator, balancers)

    def _find(self) -> None:
        """Let the proxies of called services learn of endpoints, where that is declared."""
        for place in self.replicas:
            declared = self.scenario.finding(place.name)
            if declared is not None and isinstance(place, Upstream):
                Finder(self.clock, declared, place, self.draws, self.alive)

    def _changes(self, place: Replicas | Upstream) -> None:
        """Plan what becomes of the endpoints of a service."""
        found = self.scenario.finding(place.name) is not None
        for change in place.part.changes:
            if found and not isinstance(change, Slow):
                continue  # it is the registry's affair
            if isinstance(change, Change):
                self._plan_change(place, change)
            else:
                names = change.endpoints or [e.name for e in place.part.initial]
                for name in names:
                    self._fail_and_recover(place, change, name)

    def _plan_change(self, place: Replicas | Upstream, change: Change) -> None:
        def ring(alarm: Alarm) -> None:
            place.change(change, self.clock.env.now)
            self.clock.drain()

        self.clock.schedule(Alarm(ring), CHANGE, change.at)

    def _fail_and_recover(self, place: Replicas | Upstream, failures: Failures, name: str) -> None:
        """Let one endpoint fail and recover again and again."""
        ups = iter(self.draws.column(failures.up, place.name, "up", name))
        downs = iter(self.draws.column(failures.down, place.name, "down", name))

        def fail(alarm: Alarm) -> None:
            now = self.clock.env.now
            place.change(Fail(at=now, endpoint=name), now)
            self.clock.drain()
            self.clock.schedule(Alarm(recover), CHANGE, next(downs))

        def recover(alarm: Alarm) -> None:
            now = self.clock.env.now
            place.change(Recover(at=now, endpoint=name), now)
            self.clock.drain()
            self.clock.schedule(Alarm(fail), CHANGE, next(ups))

        self.clock.schedule(Alarm(fail), CHANGE, next(ups))

    def _at(self, time: float, do: Callable[[float], None]) -> None:
        post = self.post

        def ring(alarm: Alarm) -> None:
            self._planned -= 1
            do(time)
            self.clock.drain()
            if post is not None:
                post.planned -= 1
                post.settle()

        self._planned += 1
        if post is not None:
            post.planned += 1
        self.clock.schedule(Alarm(ring), OUTAGE, time)

    # -- draws and choices ---------------------------------------------------------------------

    def _drawn(self, of: Drawable | str, part: str, purpose: str) -> Need:
        """Return the function from a request to its draw at this part, by its address."""
        return drawn(self.draws, of, part, purpose, self.source_names)

    def _onward(self, to: To, part: str) -> Callable[[Request], Place | None] | None:
        if to is None:
            return None
        places = self.places
        if isinstance(to, str):
            return lambda request: places[to]
        choose = pick_by(list(to), list(to.values()))
        uniform = self._drawn("uniform", part, "route")

        def onward(request: Request) -> Place | None:
            name = choose(uniform(request))
            return None if name is None else places[name]

        return onward

    # -- sources -------------------------------------------------------------------------------

    def add_sources(
        self,
        count_open: Callable[[], bool],
        count_users: Callable[[], bool],
        *,
        endless: bool,
    ) -> None:
        """Make the sources live; the functions count an arrival and say when it was the last.

        When every open source is a record that has come to its end, users stop too, as after the
        last arrival that counts; unless they are `endless`, and something else ends the run.
        """
        self._endless = endless
        self._open = sum(isinstance(source, OpenSource) for source in self.scenario.sources)
        for index, part in enumerate(self.scenario.sources):
            choose = self._onward(part.to, part.name)
            assert choose is not None
            dress = dressing(part, self._drawn, self.ledger)
            if isinstance(part, Users):
                think = self.draws.column(part.think, part.name, "think", part.name)
                self.live_sources.append(
                    Loop(
                        self.clock,
                        self.ledger,
                        index,
                        part.name,
                        part.users,
                        think,
                        choose=choose,
                        dress=dress,
                        counted=count_users,
                    )
                )
                continue
            assert isinstance(part, OpenSource)
            self.live_sources.append(
                Arrivals(
                    self.clock,
                    self.ledger,
                    index,
                    part.gaps(self.draws),
                    choose=choose,
                    place=self.places[part.to] if isinstance(part.to, str) else None,
                    sizes=part.sizes(self.draws),
                    dress=dress,
                    counted=count_open,
                    exhausted=self._exhausted,
                )
            )

    def alive(self) -> bool:
        """Whether anything is left that will move a request or make one."""
        return (
            self._planned > 0
            or (self.post is not None and self.post.live > 0)
            or (self.calls is not None and self.calls.alive())
            or any(source.alive() for source in self.live_sources)
            or any(line.alive() for line in self.lines)
            or any(place.on_the_way for place in self.replicas)
        )

    def _exhausted(self) -> None:
        self._open -= 1
        if not self._open and not self._endless:
            self.clock.stop_sources(self.ledger.in_flight)
