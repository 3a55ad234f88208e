"""An express lane on SimPy for the commonest scenarios: wait in line, be served, leave.

It gives the same rows as `mesh_lab.engines.assembly`, which can do everything, and takes less than
half the time, because what such a scenario cannot do is not asked about for each request: nothing
is routed onwards, interrupted, blocked, expired or broken.  A request is its row in the ledger and
its work; no object is made for it.

`fits` says which scenarios may take it, `run` runs them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count

import simpy

from ..clock import COMPLETION, SOURCE, Alarm, Clock
from ..distributions import Distribution
from ..draws import Draws
from ..ledger import OK, REJECTED, Ledger
from ..scenario import Scenario
from ..sources.base import OpenSource, Source
from ..stations.handler import Handler
from ..stations.queue import Queue
from ..stations.service import Service
from .express_service import balanced, plain_choice
from .keys import KeyNumbers
from .needs import work_in_order

__all__ = ["fits", "run"]

Lane = Callable[[int, float, float], None]  # (row, work, now)
Send = Callable[[int, int, float, float], None]  # (row, source, work, now)


def fits(scenario: Scenario) -> bool:
    """Return whether the express lane gives this scenario's rows."""
    return (
        not scenario.channels
        and not scenario.called
        and all(_plain_source(s) for s in scenario.sources)
        and all(_plain_station(scenario, s) for s in scenario.stations)
    )


def _plain_source(source: Source) -> bool:
    # priorities and deadlines matter to disciplines that the lane does not have
    return (
        isinstance(source, OpenSource)
        and isinstance(source.to, str)
        and type(source).sizes is OpenSource.sizes
    )


def _plain_station(scenario: Scenario, station: Queue | Service) -> bool:
    crews = scenario.serving(station.name)
    if len(crews) != 1 or station.discipline != "fifo" or station.ttl is not None:
        return False
    crew = crews[0]
    work = crew.service_time if isinstance(crew, Service) else getattr(crew, "work", None)
    return (
        station.overflow == "reject"
        and (not isinstance(station, Service) or plain_choice(station))
        and crew.to is None
        and crew.io is None
        and crew.failure == 0.0
        and not crew.outages
        and (work is None or isinstance(work, Distribution))
    )


def run(
    env: simpy.Environment,
    scenario: Scenario,
    seed: int,
    *,
    requests: int | None,
    until: float | None,
    arrived: Callable[[], object] | None = None,
) -> Ledger:
    """Run the scenario; `arrived` is called at every arrival.  Arguments as for `simulate`."""
    clock = Clock(env)
    ledger = Ledger(clock, visits=False, rows=requests, keys=scenario.keyed)
    draws = Draws(seed)
    stations = {
        station.name: _station(clock, ledger, draws, scenario, station, index)
        for index, station in enumerate(scenario.stations)
    }
    left = len(scenario.sources)

    def over() -> None:
        nonlocal left
        left -= 1
        clock.stopped = clock.stopped or left == 0

    rows = count()
    last = None if requests is None else requests - 1
    for index, source in enumerate(scenario.sources):
        assert isinstance(source, OpenSource)
        assert isinstance(source.to, str)
        works = _works(source, scenario, draws)
        send = stations[source.to]
        keyed = None
        if source.key is not None:
            column = draws.column(KeyNumbers(source.key), source.name, "key", source.name)
            keyed = iter(column)
        _feed(
            clock,
            ledger,
            index,
            source.gaps(draws),
            works,
            send,
            rows,
            last,
            arrived,
            keyed,
            over,
        )
    env.run(until)
    ledger.requests = next(rows)
    return ledger


def _works(source: OpenSource, scenario: Scenario, draws: Draws) -> Iterator[float]:
    """The work of the source's requests, in order: it has one destination, so none is skipped."""
    assert isinstance(source.to, str)
    crew = scenario.serving(source.to)[0]
    if isinstance(crew, Service):
        name, work = crew.name, crew.service_time
    else:
        assert isinstance(crew, Handler)
        name, work = crew.name, crew.work
    return work_in_order(draws, work, name, source)


def _feed(
    clock: Clock,
    ledger: Ledger,
    index: int,
    gaps: Iterator[float],
    works: Iterator[float],
    send: Send,
    rows: Iterator[int],
    last: int | None,
    arrived: Callable[[], object] | None,
    keyed: Iterator[float] | None,
    over: Callable[[], None],
) -> None:
    """Make a source live."""
    env, schedule, rank = clock.env, clock.schedule, SOURCE + index
    made, sources = ledger.request_arrival, ledger.request_source
    keys = ledger.request_key

    def fire(alarm: Alarm) -> None:
        alarm.callbacks = again
        if clock.stopped:
            return
        row = next(rows)
        now = env.now
        try:
            made[row] = now
        except IndexError:
            ledger.grow(row)
            made[row] = now
        sources[row] = index
        if keyed is not None:
            keys[row] = int(next(keyed))
        send(row, index, next(works), now)
        if arrived is not None:
            arrived()
        if row == last:
            clock.stopped = True
            return
        gap = next(gaps, None)
        if gap is not None:
            schedule(alarm, rank, gap)
        else:
            over()

    alarm = Alarm(fire)
    again = alarm.again
    first = next(gaps, None)
    if first is not None:
        schedule(alarm, rank, first)
    else:
        over()


def _station(
    clock: Clock,
    ledger: Ledger,
    draws: Draws,
    scenario: Scenario,
    station: Queue | Service,
    index: int,
) -> Send:
    workers = scenario.serving(station.name)[0].workers
    room = math.inf if station.capacity is None else station.capacity
    stations = ledger.station
    if not isinstance(station, Service) or station.is_line:
        lane = _lane(clock, ledger, workers, room)

        def send(row: int, source: int, work: float, now: float) -> None:
            lane(row, work, now)

        if index == 0:
            return send

        def send_here(row: int, source: int, work: float, now: float) -> None:
            stations[row] = index
            lane(row, work, now)

        return send_here

    return balanced(clock, ledger, draws, scenario, station, index)


def _lane(
    clock: Clock,
    ledger: Ledger,
    workers: int,
    room: float,
) -> Lane:
    """A first-in-first-out line and its workers."""
    env, schedule = clock.env, clock.schedule
    starts, finishes, outcomes = ledger.start, ledger.finish, ledger.outcome
    waiting: deque[tuple[int, float]] = deque()
    wait, take = waiting.append, waiting.popleft
    spare: list[Alarm] = []
    free = workers

    def enter(row: int, work: float, now: float) -> None:
        nonlocal free
        if free:
            free -= 1
            starts[row] = now
            alarm = spare.pop() if spare else Alarm(done)
            alarm.subject = row
            schedule(alarm, COMPLETION, work)
        elif len(waiting) < room:
            wait((row, work))
        else:
            finishes[row] = now
            outcomes[row] = REJECTED

    def done(alarm: Alarm) -> None:
        nonlocal free
        alarm.callbacks = alarm.again
        row = alarm.subject
        now = env.now
        finishes[row] = now
        outcomes[row] = OK
        if waiting:
            row, work = take()
            starts[row] = now
            alarm.subject = row
            schedule(alarm, COMPLETION, work)
        else:
            free += 1
            spare.append(alarm)

    return enter
