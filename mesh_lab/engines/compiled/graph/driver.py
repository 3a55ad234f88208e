"""Running services that call each other with the compiled loop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....columns import Columns
from ....distributions import Distribution
from ....draws import Draws
from ....errors import MeshLabError
from ....scenario import Scenario
from ....sources.base import OpenSource, choices
from ....stations.service import Service
from ..compiling import compiled
from ..driver import NotForCompiled
from ..events.arriving import Arrived, arrivals, first
from ..feeding import Classes
from ..loop import schedule
from ..world import CLOCKS, NOW
from . import loop, world
from .guarding import HOLDS, JITTER, Guarded, Unguarded
from .guards import Watch
from .stacked import stacked
from .tables import tables_of
from .ways import Ways
from .world import Callings, GraphWorld, Lines, Rows, Visits

__all__ = ["run"]

_ROWS = 4096
_PLACES = 256  # visits, callings, events, items, to begin with


def run(scenario: Scenario, seed: int, *, requests: int | None, until: float | None) -> Columns:
    """Run a scenario for which `reasons` finds nothing; return its columns.

    Raises
    ------
    NotForCompiled
        When the run comes to nothing but what the reference reports as an error, or to a rule that
        becomes one of another kind.
    """
    return _Run(scenario, seed, requests, until).run()


class _Run:
    def __init__(
        self, scenario: Scenario, seed: int, requests: int | None, until: float | None
    ) -> None:
        self.scenario = scenario
        self.draws = Draws(seed)
        self.services = [s for s in scenario.stations if isinstance(s, Service)]
        self.until = until
        self.tables = tables_of(scenario)
        self.ways = Ways(scenario, self.tables, self.draws)
        self.arrived = arrivals(scenario, self.draws, requests=requests, until=until)
        stack = stacked(self.services, self.draws)
        self.view, self.states = stack.view, stack.states
        self.tables.graph.group[:] = stack.group
        self.uniforms = np.zeros(max(int(self.tables.graph.picks.max(initial=0)), JITTER + 1))
        self.watch = Watch(self.services, self.tables, stack, self.draws)
        kind = Guarded if self.tables.graph.guards.any() else Unguarded
        self.guards = kind(self.watch.ints, self.watch.floats)
        self.w = self._world()
        for s, service in enumerate(self.services):
            if service.ejection is not None:
                self._plan(2 * s + 1, service.ejection.interval)

    # -- the arrays ------------------------------------------------------------------------------

    def _world(self) -> GraphWorld:
        g, arrived = self.tables.graph, self.arrived
        calls = int(g.calls.max(initial=1))
        outs = int(np.max(np.where(g.hedge >= 0.0, g.times + 1, 1), initial=1))
        room = 8 + 2 * calls * outs
        hedged = (g.hedge >= 0.0) & (g.guards[g.callee] & HOLDS > 0)
        held = int(np.max(np.where(hedged, g.times, 1), initial=1))
        places = _PLACES + 4 * room
        counter = np.zeros(world.COUNTERS, dtype=np.int64)
        counter[world.FREE_VISITS] = counter[world.FREE_CALLINGS] = places
        n = len(arrived.made)
        lines = int(sum(service.endpoint_count for service in self.services))
        speeds = [endpoint.speed for service in self.services for endpoint in service.ever]
        items = 1 << (places - 1).bit_length()
        events = places + sum(service.ejection is not None for service in self.services)
        return GraphWorld(
            graph=g,
            lines=Lines(
                **{
                    name: np.zeros(lines, dtype=np.int64)
                    for name in ("waiting", "held", "inside", "arrivals")
                },
                head=np.full(lines, -1, dtype=np.int64),
                tail=np.full(lines, -1, dtype=np.int64),
                speed=np.array(speeds),
            ),
            store=self.ways.store,
            rows=self._rows(_ROWS + 4 * n // 3, n),
            visits=_made(Visits, places, free=np.arange(places)),
            callings=_made(
                Callings,
                places,
                free=np.arange(places),
                holders=np.zeros(places * held, dtype=np.int64),
            ),
            counter=counter,
            clock=np.zeros(CLOCKS),
            event_time=np.empty(events),
            event_key=np.empty(events, dtype=np.int64),
            event_what=np.empty(events, dtype=np.int64),
            first_due=np.full(2 * len(g.callee), -1, dtype=np.int64),
            last_due=np.full(2 * len(g.callee), -1, dtype=np.int64),
            armed=np.zeros(2 * len(g.callee), dtype=np.int64),
            item=np.empty(items, dtype=np.int64),
            item_of=np.empty(items, dtype=np.int64),
            item_row=np.empty(items, dtype=np.int64),
            made=arrived.made,
            source=arrived.source,
            number=arrived.number,
            follows=arrived.follows,
            **self._requests(arrived),
            until=math.inf if self.until is None else float(self.until),
            stops=int(arrived.stops),
            room=room,
        )

    def _requests(self, arrived: Arrived) -> dict[str, Any]:
        """Return what each request brings along."""
        number = {service.name: s for s, service in enumerate(self.services)}
        n = len(arrived.made)
        to = np.zeros(n, dtype=np.int64)
        deadline = np.full(n, math.inf)
        priority = np.zeros(n)
        carried = np.zeros(n)
        for i, source in enumerate(self.scenario.sources):
            assert isinstance(source, OpenSource)
            mine = np.flatnonzero(arrived.source == i)
            count = int(arrived.number[mine].max(initial=-1)) + 1
            at = arrived.number[mine]
            if isinstance(source.to, str):
                to[mine] = number[source.to]
            else:
                names, bounds = choices(list(source.to), list(source.to.values()))
                uniforms = first(self._column("uniform", source.name, "route"), count)[at]
                chosen = np.searchsorted(np.array(bounds), uniforms, side="right")
                to[mine] = np.array([number[name] for name in names])[chosen]
            if isinstance(source.deadline, Distribution):
                seconds = first(self._column(source.deadline, source.name, "deadline"), count)
                deadline[mine] = arrived.made[mine] + seconds[at]
            elif source.deadline is not None:
                deadline[mine] = arrived.made[mine] + source.deadline
            if isinstance(source.priority, dict):
                classes = self._column(Classes(source.priority), source.name, "priority")
                priority[mine] = first(classes, count)[at]
            else:
                priority[mine] = source.priority
            brought = source.carried()
            if brought is not None:
                carried[mine] = np.asarray(brought)[at]
        return {"to": to, "deadline": deadline, "priority": priority, "carried": carried}

    def _column(self, of: Any, source: str, purpose: str) -> Any:
        return self.draws.column(of, source, purpose, source)

    def _rows(self, n: int, requests: int) -> Rows:
        io = self.scenario.waits_for_io
        try:
            return Rows(
                request=np.empty(n, dtype=np.int64),
                station=np.empty(n, dtype=np.int16),
                endpoint=np.empty(n, dtype=np.int32),
                sent=np.empty(n),
                arrival=np.empty(n),
                start=np.empty(n),
                finish=np.empty(n),
                outcome=np.empty(n, dtype=np.int8),
                parent=np.empty(n, dtype=np.int64),
                attempt=np.empty(n, dtype=np.int16),
                returned=np.empty(n),
                result=np.empty(n, dtype=np.int8),
                worked=np.empty(n if io else 1),
                end=np.full(requests, np.nan),
                ended_as=np.zeros(requests, dtype=np.int8),
            )
        except (MemoryError, OverflowError, ValueError):
            raise MeshLabError(f"the rows of {n:,} attempts do not fit into memory") from None

    # -- running ---------------------------------------------------------------------------------

    def run(self) -> Columns:
        """Run to the end."""
        code = compiled()
        while True:
            why = code.run_graph(self.w, self.view, self.states, self.guards, self.uniforms)
            if not self._answer(why):
                return self._columns()

    def _answer(self, why: int) -> bool:
        """Do what the loop asks for; False when the run is over."""
        w = self.w
        c = w.counter
        if why == world.NEEDS_DRAWS:
            self.ways.fill(int(c[world.ASKED]), int(c[world.NUMBER]))
        elif why == world.NEEDS_WAY:
            q = int(c[world.ASKED])
            request = int(w.callings.request[q])
            source, service = int(w.source[request]), int(w.to[request])
            self.ways.learn(q, w.callings, w.visits, source, service)
        elif why == world.NEEDS_ROOM:
            self._more_room()
        elif why == world.CHANGES:
            self._change(int(c[world.ASKED]))
        elif why == world.EMPTY and self.until is None and c[world.FLYING]:
            raise NotForCompiled("requests are in flight and nothing is left that moves them")
        else:
            return False
        if why in (world.NEEDS_DRAWS, world.NEEDS_WAY):
            self.w = self.w._replace(store=self.ways.store)
        return True

    def _change(self, what: int) -> None:
        """Let a proxy make its pools anew, or the proxies of a service sweep."""
        now, of = float(self.w.clock[NOW]), what >> 1
        if what & 1 == 0:
            self.watch.rearrange(of, now)
            return
        interval = self.watch.sweep(of, now)
        w, c = self.w, self.w.counter
        planned = w.event_what[: c[world.HEAP]] & 7
        if c[world.ARRIVED] < len(w.made) or np.any(planned != world.CHANGE):
            self._plan(what, interval)

    def _plan(self, what: int, seconds: float) -> None:
        w = self.w
        schedule(
            w.counter,
            w.clock,
            w.event_time,
            w.event_key,
            w.event_what,
            loop.CHANGED,
            world.CHANGE,
            what,
            seconds,
        )

    def _more_room(self) -> None:
        """Make everything larger that is nearly full."""
        w, c = self.w, self.w.counter
        batch = self._batch()
        if c[world.ROWS] >= len(w.rows.request):
            size = 2 * len(w.rows.request)
            grown = {
                name: _longer(array, size)
                for name, array in zip(w.rows._fields, w.rows, strict=True)
                if name not in ("end", "ended_as") and len(array) > 1
            }
            w = w._replace(rows=w.rows._replace(**grown))
        if c[world.HEAP] + w.room > len(w.event_time):
            size = 2 * len(w.event_time) + w.room
            w = w._replace(
                event_time=_longer(w.event_time, size),
                event_key=_longer(w.event_key, size),
                event_what=_longer(w.event_what, size),
            )
        while c[world.ITEMS] + w.room + batch > len(w.item):
            w = _more_items(w)
        if c[world.FREE_VISITS] < 1:
            w = w._replace(visits=_more_places(w.visits, c, world.FREE_VISITS))
        while c[world.FREE_CALLINGS] < w.room + batch:
            w = w._replace(callings=_more_places(w.callings, c, world.FREE_CALLINGS))
        self.w = w

    def _batch(self) -> int:
        """Return how many requests arrive together next."""
        at, follows = int(self.w.counter[world.ARRIVED]), self.w.follows
        if at >= len(follows):
            return 0
        batch = 1
        while at + batch < len(follows) and follows[at + batch]:
            batch += 1
        return batch

    def _columns(self) -> Columns:
        w, rows = self.w, self.w.rows
        n = int(w.counter[world.ROWS])
        m = int(w.counter[world.ARRIVED])
        key = np.maximum(self.arrived.key[:m], 0) if self.scenario.keyed else None
        return Columns(
            source=w.source[:m],
            made=w.made[:m],
            station=rows.station[:n],
            endpoint=rows.endpoint[:n],
            start=rows.start[:n],
            finish=rows.finish[:n],
            outcome=rows.outcome[:n],
            own_request=rows.request[:n],
            own_sent=rows.sent[:n],
            own_arrival=rows.arrival[:n],
            worked=rows.worked[:n] if self.scenario.waits_for_io else None,
            own_end=rows.end[:m],
            key=key,
            own_outcome=rows.ended_as[:m],
            parent=rows.parent[:n],
            attempt=rows.attempt[:n],
            returned=rows.returned[:n],
            result=rows.result[:n],
        )


def _made(kind: Any, places: int, **given: Any) -> Any:
    """Return a pool of so many places."""
    made = {
        name: np.zeros(places, dtype=np.float64 if "Floats" in str(hint) else np.int64)
        for name, hint in kind.__annotations__.items()
        if name not in given
    }
    if "row" in made:
        made["row"][:] = -1
    if "serial" in made:
        made["serial"][:] = -1
    return kind(**made, **given)


def _more_places(pool: Any, c: Any, free: int) -> Any:
    """Return a pool twice as large; the new places are free."""
    n = len(pool.free)
    grown = pool._replace(
        **{
            name: _longer(each, 2 * len(each))
            for name, each in zip(pool._fields, pool, strict=True)
        }
    )
    for name in ("row", "serial"):
        if hasattr(grown, name):
            getattr(grown, name)[n:] = -1
    count = int(c[free])
    grown.free[count : count + n] = np.arange(n, 2 * n)
    c[free] = count + n
    return grown


def _more_items(w: GraphWorld) -> GraphWorld:
    """Return the world with twice the room on the agenda, whose items begin at its first place."""
    c, n = w.counter, len(w.item)
    order = (int(c[world.FIRST_ITEM]) + np.arange(n)) & (n - 1)
    grown: dict[str, Any] = {}
    for name in ("item", "item_of", "item_row"):
        array = np.empty(2 * n, dtype=np.int64)
        array[:n] = getattr(w, name)[order]
        grown[name] = array
    c[world.FIRST_ITEM] = 0
    return w._replace(**grown)


def _longer(array: Any, size: int) -> Any:
    made = np.empty(size, dtype=array.dtype)
    made[: len(array)] = array
    return made
