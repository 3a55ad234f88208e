"""An express lane on SimPy for the commonest partitioned logs: written at once, read by groups.

It gives the same rows as `mesh_lab.messaging.log`, several times as quickly, because what cannot
happen is not asked about for each event: nothing takes time on its way, nothing fails, and nobody
comes or goes.  Then a batch is in its partition, and confirmed, in the instant in which it is full
or has lingered; whoever waits for the partition polls; and a poll knows all its records.

SimPy has one event for each publishing, each batch that lingers, each record that is handled, and
each commit of a member at rest.  `mesh_lab.engines.express_log_rows` makes the columns afterwards.

`fits` says which scenarios may take it, `run` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count

import numpy as np
import simpy
from numpy.typing import NDArray

from ..clock import COMPLETION, EXPIRY, SOURCE, Alarm, Clock
from ..columns import Columns
from ..distributions import Distribution
from ..draws import Draws
from ..messaging.deliveries import DeliveryColumns
from ..messaging.log.group import ConsumerGroup
from ..messaging.log.log import Log
from ..messaging.log.partitioner import StickyPartitioner
from ..scenario import Scenario
from ..sources.base import OpenSource
from . import logs
from .express_log_rows import columns_of
from .needs import work_in_order

__all__ = ["Lane", "fits", "run"]

Floats = NDArray[np.float64]
Poll = Callable[[float], None]


def fits(scenario: Scenario) -> bool:
    """Return whether the express lane gives this scenario's rows, unless `run` finds otherwise."""
    if len(scenario.channels) != 1 or scenario.stations:
        return False
    log = scenario.channels[0]
    return (
        type(log) is Log
        and log.replication == 1
        and not log.broker_outages
        and log.producer.delay is None
        and log.producer.loss == 0.0
        and not log.producer.cuts
        and all(
            isinstance(source, OpenSource)
            and isinstance(source.to, str)
            and type(source).sizes is OpenSource.sizes
            for source in scenario.sources
        )
        and all(type(part) is ConsumerGroup and _plain(part) for part in scenario.subscribers)
    )


def _plain(group: ConsumerGroup) -> bool:
    return (
        (group.work is None or isinstance(group.work, Distribution))
        and group.to is None
        and not group.changes
        and group.members > 0
        and group.initial_delay == 0.0
    )


def run(
    env: simpy.Environment,
    scenario: Scenario,
    seed: int,
    *,
    requests: int | None,
    until: float | None,
    arrived: Callable[[], object] | None = None,
) -> tuple[Columns, DeliveryColumns] | None:
    """Run the scenario; None if a poll takes so long that its member would be removed.

    `arrived` is called at every arrival.  Other arguments as for `simulate`.
    """
    lane = Lane(env, scenario, seed)
    for index, source in enumerate(scenario.sources):
        assert isinstance(source, OpenSource)
        lane.feed(index, source, requests, arrived)
    env.run(until)
    return columns_of(lane, until)


class Lane:
    """The live parts of one run, and what they note."""

    def __init__(self, env: simpy.Environment, scenario: Scenario, seed: int) -> None:
        log = scenario.channels[0]
        assert isinstance(log, Log)
        self.clock = Clock(env)
        self.scenario = scenario
        self.log = log
        self.draws = Draws(seed)
        self.groups = logs.groups_of(scenario)
        # one entry a request
        self.source: list[int] = []
        self.made: list[float] = []
        self.works: list[list[float]] = [[] for _ in self.groups]
        # one list a partition: requests in their order; batches as (time, size)
        self.events: list[list[int]] = [[] for _ in range(log.partitions)]
        self.batches: list[list[tuple[float, int]]] = [[] for _ in range(log.partitions)]
        self.readers: list[list[tuple[int, Poll]]] = [[] for _ in range(log.partitions)]
        # rows, as they are given out together: (member, partition, first offset, how many, when)
        self.given: list[tuple[int, int, int, int, float]] = []
        self.rows = 0
        self.polls: list[int] = []  # the first row of each
        # rows in the order in which they were handled, and when
        self.effects: list[int] = []
        self.done: list[float] = []
        # one entry a member
        self.waits: list[bool] = []
        self.owned: list[list[int]] = []
        self.position: list[list[int]] = []  # in the partitions that it owns
        self.commits: list[list[tuple[float, int]]] = []  # times, and how many rows are covered
        self.of_group: list[int] = []
        for g, group in enumerate(self.groups):
            for mine in logs.owned(group, log):
                self._join(g, group, mine)

    # -- writing ---------------------------------------------------------------------------------

    def feed(
        self,
        index: int,
        source: OpenSource,
        requests: int | None,
        arrived: Callable[[], object] | None,
    ) -> None:
        """Make a source live: it publishes into batches of its own."""
        clock, rules, draws = self.clock, self.log.producer, self.draws
        env, schedule, rank = clock.env, clock.schedule, SOURCE + index
        made, sources, write = self.made, self.source, self._write
        size, linger = rules.batch, rules.linger
        gaps = source.gaps(draws)
        works = [
            (known.append, work_in_order(draws, group.work, group.name, source).__next__)
            for known, group in zip(self.works, self.groups, strict=True)
        ]
        places = self._places(source)
        batches: dict[int, list[int]] = {}  # those that are being filled
        every = list(range(self.log.partitions))
        column = draws.column("uniform", self.log.name, "sticky", source.name)
        sticky = StickyPartitioner(size, iter(column).__next__)

        def fire(alarm: Alarm) -> None:
            alarm.callbacks = again
            if clock.stopped:
                return
            row, now = len(made), env.now
            made.append(now)
            sources.append(index)
            for note, work in works:
                note(work())
            p = next(places) if places is not None else sticky.partition(every)
            if p in batches:
                batch = batches[p]
                batch.append(row)
            else:
                batch = batches[p] = [row]
                if linger > 0.0:
                    schedule(Alarm(lingered, (p, batch)), EXPIRY, linger)
            full = len(batch) >= size
            if places is None:
                sticky.produced(1, full=full)
            if full or linger == 0.0:
                del batches[p]
                write(p, batch, now)
            if arrived is not None:
                arrived()
            if row + 1 == requests:
                clock.stopped = True
                return
            gap = next(gaps, None)
            if gap is not None:
                schedule(alarm, rank, gap)

        def lingered(alarm: Alarm) -> None:
            p, began = alarm.subject
            batch = batches.get(p)
            if batch is not None and batch is began:
                del batches[p]
                write(p, batch, env.now)

        alarm = Alarm(fire)
        again = alarm.again
        first = next(gaps, None)
        if first is not None:
            schedule(alarm, rank, first)

    def _places(self, source: OpenSource) -> Iterator[int] | None:
        """Return the partitions of a source's events, by their keys; None where there are none."""
        keys = source.key
        if keys is None:
            return None
        draws = self.draws.column("uniform", source.name, "key", source.name)
        partitions = self.log.partitions
        numbers = (keys.numbers(draws.chunk(index)) for index in count())
        return chain.from_iterable(logs.placed(keys, each, partitions).tolist() for each in numbers)

    def _write(self, p: int, batch: list[int], now: float) -> None:
        """Append a batch, and wake who waits for the partition."""
        self.events[p] += batch
        self.batches[p].append((now, len(batch)))
        waits = self.waits
        for member, poll in self.readers[p]:
            if waits[member]:
                waits[member] = False
                poll(now)

    # -- reading ---------------------------------------------------------------------------------

    def _join(self, g: int, group: ConsumerGroup, owned: list[int]) -> None:
        """Make a member live."""
        member, many = len(self.waits), len(owned)
        position = [0] * many
        commits: list[tuple[float, int]] = []
        self.waits.append(True)
        self.owned.append(owned)
        self.position.append(position)
        self.commits.append(commits)
        self.of_group.append(g)
        env, schedule, waits, work = self.clock.env, self.clock.schedule, self.waits, self.works[g]
        effect, done_at = self.effects.append, self.done.append
        most, commits_after = group.poll, group.commit == "after"
        todo: list[float] = []  # the work of what is in hand, the next last
        turn = row = handled = covered = 0
        planned = False
        next_commit = group.commit_interval

        def poll(now: float) -> None:
            nonlocal turn, row, covered, planned, next_commit
            if commits_after and now >= next_commit:
                next_commit = now + group.commit_interval
                if handled > covered:
                    commits.append((now, handled))
                    covered = handled
            room = most
            for k in range(many):
                at = (turn + k) % many
                p, begin = owned[at], position[at]
                log = self.events[p]
                end = min(begin + room, len(log))
                if begin < end:
                    todo.extend([work[each] for each in log[begin:end]])
                    self.given.append((member, p, begin, end - begin, now))
                    position[at] = end
                    room -= end - begin
                    if not room:
                        turn = (at + 1) % many
                        break
            if todo:
                row = self.rows
                self.rows += len(todo)
                self.polls.append(row)
                todo.reverse()
                schedule(working, COMPLETION, todo.pop())
                return
            waits[member] = True
            if commits_after and handled > covered and not planned:
                planned = True
                schedule(resting, EXPIRY, max(0.0, next_commit - now))

        def work_is_done(alarm: Alarm) -> None:
            nonlocal row, handled
            alarm.callbacks = again
            now = env.now
            effect(row)
            done_at(now)
            handled += 1
            if todo:
                row += 1
                schedule(alarm, COMPLETION, todo.pop())
            else:
                poll(now)

        def commit_at_rest(alarm: Alarm) -> None:
            nonlocal planned
            alarm.callbacks = alarm.again
            planned = False
            if waits[member] and handled > covered:
                waits[member] = False
                poll(env.now)

        working, resting = Alarm(work_is_done), Alarm(commit_at_rest)
        again = working.again
        for p in owned:
            self.readers[p].append((member, poll))
