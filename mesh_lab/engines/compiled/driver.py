"""Running a scenario with the compiled loop: Python gives it what it needs, and takes what it made.

The loop returns when it needs draws, room, or a change of endpoints; what is done about it here
happens seldom, so it may be plain Python, and the rules of endpoints are the reference's own.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...balancing.rule import ALARMS, OWN_DRAWS, Arrays, View, kernel, kernels
from ...columns import Columns
from ...draws import Draws
from ...errors import MeshLabError
from ...ledger import CRASHED, IN_FLIGHT
from ...scenario import Scenario
from ...sources.base import OpenSource
from ...sources.closed import Users
from ...stations.balancers import Balancers
from ...stations.endpoints import Change, Fail, Failures, Leave, Recover, Slow
from ...stations.service import Service
from . import world
from .compiling import compiled
from .feeding import Feed
from .loop import begin, note_busy, schedule
from .world import World

__all__ = ["Ended", "NotForCompiled", "Result", "run"]

_ROWS = 4096  # at first, when nobody knows how many there will be
_EVENTS = 1024  # at first
_ENDED = 16_384  # requests that have ended, handed over at a time, when no rows are kept
_WORKERS = 1 << 22  # that one pass may remember; "infinitely many" are no work for the loop
_WINDOW = 1 << 20  # requests of one source whose draws are at hand, when no rows are kept
_ENDLESS = 1 << 60


class NotForCompiled(MeshLabError):  # noqa: N818  # it is no error for users
    """The run ended in a way that the reference has to report."""


class Ended(NamedTuple):
    """Requests whose end is known, as columns; see `mesh_lab.columns.Columns`.

    `end` is when the response is back, the same as `finish` where it takes no time.  One pass
    hands requests over in order of arrival, and knows their end before it comes.
    """

    source: NDArray[np.int16]
    made: NDArray[np.float64]
    start: NDArray[np.float64]
    finish: NDArray[np.float64]
    end: NDArray[np.float64]
    outcome: NDArray[np.int8]


class Result(NamedTuple):
    """What a run leaves behind.

    Attributes
    ----------
    columns : Columns
        Of all requests, or of those in flight when rows were not kept.
    requests, in_flight : int
        How many there were, and are at the end (when rows were not kept).
    last_arrival, now : float
        Seconds.
    busy : float
        Seconds of busy workers from the warm-up to the last arrival.
    """

    columns: Columns
    requests: int
    in_flight: int
    last_arrival: float
    now: float
    busy: float


@kernel
def pick_only(s: Any, v: View, g: int, u: Any, now: float, key: Any) -> int:
    """The only one there is."""
    return 0


@kernels(pick=pick_only, blind=True)
class Only(NamedTuple):
    """The rule where there is nothing to choose."""

    unused: int


@kernel
def own_pool(r: Any, v: View, p: int, level: float, zone: float) -> int:
    """The one pool of a balancer, unless it is empty."""
    return p if v.size[p] > 0 else -1


@kernels(pool=own_pool)
class Undivided(NamedTuple):
    """The routes where each balancer has one pool: the code for others need not be compiled."""

    unused: int


def run(
    scenario: Scenario,
    seed: int,
    *,
    requests: int | None,
    until: float | None,
    ended: Callable[[Ended], None] | None = None,
    warmup: float = 0.0,
    arrived: Callable[[int], None] | None = None,
) -> Result:
    """Run a scenario for which `reasons` finds nothing.

    Parameters
    ----------
    requests, until
        As for `mesh_lab.simulate`.
    ended : callable, optional
        Gets requests when they have ended; then no rows are kept.
    warmup : float
        From when on busy workers count, when no rows are kept.
    arrived : callable, optional
        Is told now and then how many arrivals there have been.

    Raises
    ------
    NotForCompiled
        When the run comes to nothing but what the reference reports as an error.
    """
    return _Run(scenario, seed, requests, until, ended, warmup, arrived).run()


class _Run:
    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        requests: int | None,
        until: float | None,
        ended: Callable[[Ended], None] | None,
        warmup: float,
        arrived: Callable[[int], None] | None,
    ) -> None:
        self.scenario = scenario
        self.requests = requests
        self.ended = ended
        self.arrived = arrived
        self.warmup = warmup
        self.draws = Draws(seed)
        self.station = scenario.stations[0]
        self.service = self.station if isinstance(self.station, Service) else None
        self.plain_line = self.service is None or self.service.is_line
        service = None if self.plain_line else self.service
        own = iter(self.draws.column("uniform", self.station.name, "own", ""))
        # a line is a service with one endpoint, where there is nothing to choose
        self.balancers = Balancers(service or Service(self.station.name), Arrays(), own)
        self.state: Any = Only(0) if service is None else self.balancers.state
        self.divided = self._divided()  # into pools by level or zone
        self.open = all(isinstance(source, OpenSource) for source in scenario.sources)
        self.counts_users = not any(isinstance(s, OpenSource) for s in scenario.sources)
        choice = 0 if service is None else (3 if self.divided else int(service.proxies > 1))
        self.feed = Feed(scenario, self.draws, choice, requests if self.open else None)
        self.changes: list[tuple[float, int, Any]] = []
        self.told = False  # whether a rule has asked for answers only after a change
        self.w = self._world(until, service)
        self.one_pass = self._one_pass(service)
        self.uniforms = np.zeros(max(self.w.draws, 1))
        self.w.clock[world.SINCE] = warmup
        self.gone = 0  # requests that were handed over
        self.worked = 0.0  # of one pass: seconds of busy workers until the last arrival
        self.latest = 0.0
        self.after = np.empty((0, 2))  # ... and when those began and end that may outlast it

    def _routes(self) -> Any:
        return self.balancers.routes if self.divided else Undivided(0)

    def _divided(self) -> bool:
        return bool(self.balancers.routes.plain != 1)

    def _one_pass(self, service: Service | None) -> bool:
        return (
            self.open
            and self.w.discipline == world.FIFO
            and self.w.room == _ENDLESS
            and self.state.blind
            and not self.w.delays
            and not self.divided
            and int(min(self.balancers.view.size)) > 0
            and not (service is not None and service.changes)  # not yet planned
            and self.balancers.stride * self.w.workers <= _WORKERS
            and (self.ended is None or self.w.until == math.inf)
        )

    # -- the arrays ------------------------------------------------------------------------------

    def _world(self, until: float | None, service: Service | None) -> World:
        scenario, part = self.scenario, self.station
        crew = scenario.serving(part.name)[0]
        discipline = world.DISCIPLINES.index(part.discipline)
        mixed = discipline in (world.PS, world.PREEMPTIVE)
        room = _ENDLESS if part.capacity is None else part.capacity
        rule = self.balancers.rule if service is not None else None
        n = self.balancers.stride
        changes = bool(service and service.changes)
        rows = self.requests if self.requests and self.open else _ROWS
        if self.ended is not None:
            rows = _ENDED
        users = [s for s in scenario.sources if isinstance(s, Users)]
        ends = [
            (i, u)
            for i, s in enumerate(scenario.sources)
            if isinstance(s, Users)
            for u in range(s.users)
        ]
        delays = service is not None and service.delays
        counter = np.zeros(world.COUNTERS, dtype=np.int64)
        counter[world.LEFT] = -1 if self.requests is None else min(self.requests, _ENDLESS)
        counter[world.OPEN] = sum(isinstance(s, OpenSource) for s in scenario.sources)
        ways = self.feed.windows()
        for k, delay in enumerate((service.forward_delay, service.return_delay) if service else ()):
            if isinstance(delay, float):
                ways["ways"][k] = delay
        ever = service.ever if service else ()
        keeps = changes or discipline == world.PREEMPTIVE
        heap = _EVENTS + 4 * sum(s.users for s in users) + n
        return World(
            discipline=discipline,
            workers=crew.workers,
            room=room + crew.workers if mixed and room != _ENDLESS else room,
            proxies=service.proxies if service else 1,
            draws=rule.draws if rule is not None else 0,
            oracle=int(rule is not None and rule.oracle),
            feedback=int(hasattr(self.state, "answered")),
            keeps_hands=int(keeps),
            summary=int(self.ended is not None),
            endless=int(until is not None),
            counts_users=int(self.counts_users),
            until=math.inf if until is None else float(until),
            forward=_way(service.forward_delay if service else None),
            back=_way(service.return_delay if service else None),
            delays=int(delays),
            keys=int(scenario.keyed),
            change_time=math.inf,
            change_key=0,
            counter=counter,
            clock=np.zeros(world.CLOCKS),  # workers are busy from the warm-up on
            event_time=np.empty(heap),
            event_key=np.empty(heap, dtype=np.int64),
            event_what=np.empty(heap, dtype=np.int64),
            pending=np.empty(1, dtype=np.int64),
            **self._rows(rows, delays, changes),
            free=np.empty(rows if self.ended is not None else 1, dtype=np.int64),
            ended=np.empty(2 * rows if self.ended is not None else 1, dtype=np.int64),
            down=np.zeros(n, dtype=np.int64),
            speed=np.array([e.speed for e in ever] or [1.0] * n),
            in_service=np.zeros(n, dtype=np.int64),
            waiting=np.zeros(n, dtype=np.int64),
            head=np.full(n, -1, dtype=np.int64),
            tail=np.full(n, -1, dtype=np.int64),
            hands=np.zeros(n * crew.workers + 1 if keeps else 1, dtype=np.int64),
            arrivals=np.zeros(n, dtype=np.int64),
            virtual=np.zeros(n),
            shared_since=np.zeros(n),
            plan=np.full(n, -1, dtype=np.int64),
            user_source=np.array([i for i, _ in ends], dtype=np.int64),
            user_number=np.array([u for _, u in ends], dtype=np.int64),
            scratch=np.zeros(1),
            **ways,
        )

    def _rows(self, n: int, delays: bool, changes: bool) -> dict[str, Any]:
        """Return the columns of so many requests; those that nobody reads have one entry."""

        def floats(there: object = True) -> Any:
            return np.empty(n if there else 1)

        def ints(there: object = True, kind: Any = np.int64) -> Any:
            return np.empty(n if there else 1, dtype=kind)

        rule = self.balancers.rule if not self.plain_line else None
        part = self.station
        oracle = rule is not None and rule.oracle
        sorts = part.discipline not in ("fifo", "lifo")
        # once there are answers to tell they stay, though a later state may not want them
        feedback = hasattr(self.state, "answered") or self.told
        service = self.service
        keeps = changes or part.discipline == "preemptive"
        try:
            return {
                "made": floats(),
                "source": ints(kind=np.int16),
                "endpoint": ints(kind=np.int32),
                "start": floats(),
                "finish": floats(),
                "outcome": ints(kind=np.int8),
                "arrival": floats(delays),
                "end": floats(delays),
                "key": ints(self.scenario.keyed, np.int32),
                "work": floats(),
                "follower": ints(),
                "second": ints(sorts),
                "rank": floats(sorts),
                "order": ints(sorts or keeps),
                "due": floats(keeps),
                "alarm": ints(keeps),
                "sender": ints(service is not None and service.proxies > 1, np.int32),
                "wayback": floats(delays),
                "entered": floats(oracle),
                "met": ints(oracle),
                "left_there": ints(feedback),
                "worked": floats(feedback),
                "user": ints(not self.open),
            }
        except (MemoryError, OverflowError, ValueError):
            raise MeshLabError(
                f"the rows of {n:,} requests do not fit into memory; run with keep='summary', "
                "which needs the same memory however long the run is"
            ) from None

    # -- running ---------------------------------------------------------------------------------

    def run(self) -> Result:
        """Run to the end."""
        code = compiled()
        self._settle()
        self._plan_changes()
        for i in range(len(self.scenario.sources)):
            self.w = self.feed.fill(self.w, i)
        self._prepare_one_pass()
        begin(self.w)
        while True:
            view, routes = self.balancers.view, self._routes()
            if self.one_pass:
                why = code.run_onepass(self.w, view, self.state, self.uniforms)
            else:
                why = code.run_loop(self.w, view, self.state, routes, self.uniforms)
            if self.arrived is not None:
                self.arrived(self._arrivals())
            if not self._answer(code, why):
                return self._result()

    def _prepare_one_pass(self) -> None:
        """In one pass, `scratch` holds when each worker is free."""
        if self.one_pass:
            workers = self.balancers.stride * self.w.workers
            self.w = self.w._replace(scratch=np.full(workers, -math.inf))

    def _answer(self, code: Any, why: int) -> bool:
        """Do what the loop asks for; False when the run is over."""
        c = self.w.counter
        if why == world.NEEDS_DRAWS:
            self.w = self.feed.fill(self.w, int(c[world.WHO]))
            if self.ended is not None and self.w.works.shape[1] > _WINDOW + 4 * self.feed.width:
                # one window has to reach from the user who is furthest behind to all others
                raise NotForCompiled("a user starves, and what is drawn for others fills memory")
        elif why == world.NEEDS_OWN:
            self.balancers.supply(OWN_DRAWS * (self._largest_batch() + 1))
        elif why == world.NEEDS_ROWS:
            self._more_rows()
        elif why == world.NEEDS_HEAP:
            self._more_events()
        elif why == world.HAS_ENDED:
            self._hand_over()
        elif why == world.CHANGES:
            self._change(code)
        elif why == world.STANDSTILL:
            raise NotForCompiled("users go round without any time passing")
        elif why == world.EMPTY and c[world.FLYING]:
            raise NotForCompiled("requests are in flight and nothing is left that moves them")
        else:
            return False
        return True

    def _arrivals(self) -> int:
        c = self.w.counter
        return self.gone + int(c[world.ROWS] - c[world.FREE])

    def _largest_batch(self) -> int:
        """Return how many requests one arrival may bring, as far as it is known."""
        left, most = int(self.w.counter[world.LEFT]), int(self.w.sizes.max())
        return most if left < 0 else min(most, left)

    def _more_rows(self) -> None:
        w, n = self.w, len(self.w.made)
        if self.ended is not None:
            self._hand_over()
            room = n - int(w.counter[world.ROWS]) + int(w.counter[world.FREE])
            if room >= n // 2 and room >= self._largest_batch():
                return
        more = 2 * n
        while more < n + self._largest_batch():
            more *= 2
        fresh = self._rows(more, bool(w.delays), bool(self.service and self.service.changes))
        for name, column in fresh.items():
            old = getattr(w, name)
            column[: len(old)] = old
        self.w = w._replace(**fresh)
        if self.ended is not None:
            free = np.empty(more, dtype=np.int64)
            free[: len(w.free)] = w.free
            ended = np.empty(2 * more, dtype=np.int64)
            ended[: len(w.ended)] = w.ended
            self.w = self.w._replace(free=free, ended=ended)

    def _more_events(self) -> None:
        w = self.w
        size = 2 * (len(w.event_time) + int(w.counter[world.FLYING]))
        size += (2 + ALARMS) * (self._largest_batch() + 1)
        fields = ("event_time", "event_key", "event_what")
        self.w = w._replace(**{name: _longer(getattr(w, name), size) for name in fields})

    # -- changes of endpoints ----------------------------------------------------------------------

    def _sequence(self) -> int:
        c = self.w.counter
        c[world.SEQUENCE] += 1
        return int(c[world.SEQUENCE]) - 1

    def _plan(self, time: float, change: Any) -> None:
        heapq.heappush(self.changes, (time, 3 * world.RANKED + self._sequence(), change))
        time, key, _ = self.changes[0]
        self.w = self.w._replace(change_time=time, change_key=key)

    def _plan_changes(self) -> None:
        if self.plain_line or self.service is None:
            return
        for change in self.service.changes:
            if isinstance(change, Failures):
                for name in change.endpoints or [e.name for e in self.service.initial]:
                    cycle = self._cycle(change, name)
                    self._plan(next(cycle), (name, cycle, True))
            else:
                self._plan(change.at, change)

    def _cycle(self, failures: Failures, name: str) -> Iterator[float]:
        """Yield how long an endpoint is up, then down, then up, and so on."""
        assert self.service is not None
        ups = iter(self.draws.column(failures.up, self.service.name, "up", name))
        downs = iter(self.draws.column(failures.down, self.service.name, "down", name))
        while True:
            yield next(ups)
            yield next(downs)

    def _change(self, code: Any) -> None:
        now, _, what = heapq.heappop(self.changes)
        cycle = None
        if isinstance(what, tuple):
            name, cycle, fails = what
            change: Change = (
                Fail(at=now, endpoint=name) if fails else Recover(at=now, endpoint=name)
            )
        else:
            change = what
        self._make_change(code, change, now)
        if cycle is not None:
            self._plan(now + next(cycle), (name, cycle, not fails))
        if self.changes:
            time, key, _ = self.changes[0]
        else:
            time, key = math.inf, 0
        self.w = self.w._replace(change_time=time, change_key=key)

    def _make_change(self, code: Any, change: Change, now: float) -> None:
        """Do what `mesh_lab.stations.replicas.Replicas.change` does."""
        service, number = self.service, self.balancers.number(change)
        assert service is not None
        w = self.w
        if isinstance(change, Slow):
            w.speed[number] = change.speed
            return
        if isinstance(change, Fail | Leave):
            self._crash(code, number, now)
        elif isinstance(change, Recover) and number in self.balancers.known:
            w.speed[number] = service.ever[number].speed
            w.down[number] = 0
        self.balancers.change(change, now)
        self.state = self.balancers.state
        self._settle()
        feedback = int(hasattr(self.state, "answered"))
        if feedback and not self.w.feedback:
            n = len(self.w.made)
            # nothing was noted about responses that are already on their way back
            self.told = True
            self.w = self.w._replace(
                feedback=1, left_there=np.zeros(n, dtype=np.int64), worked=np.full(n, np.nan)
            )
        if self._divided() and not self.divided:
            raise NotForCompiled("pools were divided during the run")

    def _crash(self, code: Any, number: int, now: float) -> None:
        """End all that is at an endpoint: what is in service by start, what waits by arrival."""
        w = self.w
        w.down[number] = 1
        held = int(w.in_service[number])
        if w.discipline == world.PS:
            gone = self._waiting(number, held)
            w.virtual[number], w.shared_since[number], w.plan[number] = 0.0, now, -1
        else:
            first = number * w.workers
            gone = w.hands[first : first + held].tolist()
            w.alarm[gone] = -1
            gone += self._waiting(number, int(w.waiting[number]))
        w.in_service[number] = w.waiting[number] = 0
        w.head[number] = w.tail[number] = -1
        if w.summary:
            note_busy(w.counter, w.clock, -min(held, w.workers))
        if not gone:
            return
        w.finish[gone] = now
        w.outcome[gone] = CRASHED
        w.counter[world.PENDING] = len(gone)
        needed = int(w.counter[world.HEAP] + w.counter[world.FLYING]) + (2 + ALARMS) * len(gone)
        while len(self.w.event_time) < needed:
            self._more_events()
        self._room_for_ended()
        if hasattr(self.state, "left"):
            self.balancers.supply(OWN_DRAWS * (len(gone) + 1))
        self.w = self.w._replace(pending=np.array(gone, dtype=np.int64))
        view, routes = self.balancers.view, self._routes()
        why = code.run_loop(self.w, view, self.state, routes, self.uniforms)
        assert why == world.CHANGES

    def _waiting(self, number: int, count: int) -> list[int]:
        """Return the rows that stand in the line of an endpoint, by arrival at the line."""
        w = self.w
        rows: list[int] = []
        ahead = [int(w.head[number])] if count else []
        heaped = w.discipline not in (world.FIFO, world.LIFO)
        while ahead and len(rows) < count:
            row = ahead.pop()
            if row >= 0:
                rows.append(row)
                ahead.append(int(w.follower[row]))
                if heaped:
                    ahead.append(int(w.second[row]))
        return sorted(rows, key=lambda row: int(w.order[row]))

    def _room_for_ended(self) -> None:
        w = self.w
        if self.ended is not None and w.counter[world.ENDED] + w.counter[world.FLYING] >= len(
            w.ended
        ):
            self._hand_over()

    def _settle(self) -> None:
        """Schedule the alarms that making a state has asked for."""
        view, w = self.balancers.view, self.w
        for k in range(int(view.alarms[0])):
            delay = max(float(view.alarm_times[k]) - float(w.clock[world.NOW]), 0.0)
            schedule(
                w.counter,
                w.clock,
                w.event_time,
                w.event_key,
                w.event_what,
                3,
                world.TICK,
                int(view.alarm_codes[k]),
                delay,
            )
        view.alarms[0] = 0

    # -- what was made -----------------------------------------------------------------------------

    def _hand_over(self) -> None:
        """Give away the requests that have ended, and use their rows again."""
        assert self.ended is not None
        w = self.w
        c = w.counter
        count = int(c[world.ENDED])
        if self.one_pass:
            rows = np.arange(int(c[world.ROWS]))
            c[world.ROWS] = 0
            self._count_work(w.start[rows], w.finish[rows])
        else:
            rows = w.ended[:count].copy()
            free = int(c[world.FREE])
            w.free[free : free + count] = rows
            c[world.FREE] = free + count
            c[world.ENDED] = 0
        self.gone += len(rows)
        end = w.end[rows] if w.delays else w.finish[rows]
        self.ended(
            Ended(
                w.source[rows],
                w.made[rows],
                w.start[rows],
                w.finish[rows],
                end,
                w.outcome[rows],
            )
        )

    def _result(self) -> Result:
        w, c = self.w, self.w.counter
        now, last = float(w.clock[world.NOW]), float(w.clock[world.LAST])
        if self.ended is not None:
            self._hand_over()
        n = int(c[world.ROWS])
        flying = np.arange(n)
        busy = float(w.clock[world.AREA_LAST])
        if self.ended is not None:
            flying = np.setdiff1d(flying, w.free[: int(c[world.FREE])])
            if self.one_pass:
                busy = self.worked + float(np.sum(np.minimum(self.after[:, 1], last)))
                busy -= float(np.sum(np.minimum(self.after[:, 0], last)))
                now = max(last, self.latest)
        columns = self._columns(slice(n) if self.ended is None else flying, len(flying))
        if self.one_pass and w.until < math.inf:
            _cut(columns, w.until)
        return Result(columns, self.gone + len(flying), len(flying), last, now, busy)

    def _count_work(self, start: Any, finish: Any) -> None:
        """Count the busy workers of one pass, as far as it is sure that arrivals go on."""
        last = self.w.clock[world.LAST]
        spans = np.column_stack((np.maximum(start, self.warmup), finish))
        spans = np.concatenate((self.after, spans[spans[:, 1] > self.warmup]))
        over = spans[:, 1] <= last
        self.worked += float(np.sum(spans[over, 1] - spans[over, 0]))
        self.after = spans[~over]
        self.latest = max(self.latest, float(np.max(finish, initial=0.0)))

    def _columns(self, which: Any, n: int) -> Columns:
        w = self.w
        delays = bool(w.delays)
        return Columns(
            source=w.source[which],
            made=w.made[which],
            station=np.zeros(n, dtype=np.int16),
            endpoint=w.endpoint[which] if not self.plain_line else np.zeros(n, dtype=np.int32),
            start=w.start[which],
            finish=w.finish[which],
            outcome=w.outcome[which],
            own_request=np.arange(n) if delays else None,
            own_sent=w.made[which] if delays else None,
            own_arrival=w.arrival[which] if delays else None,
            own_end=w.end[which] if delays else None,
            key=w.key[which] if w.keys else None,
        )


def _cut(columns: Columns, until: float) -> None:
    """Take back what would only have happened at `until` or later."""
    late = columns.finish >= until
    columns.finish[late] = np.nan
    columns.outcome[late] = IN_FLIGHT
    columns.start[columns.start >= until] = np.nan


def _way(delay: Any) -> int:
    return 0 if delay is None else 1 if isinstance(delay, float) else 2


def _longer(array: Any, size: int) -> Any:
    made = np.empty(size, dtype=array.dtype)
    made[: len(array)] = array
    return made
