"""Running a scenario with a partitioned log in the compiled loop: what it refuses, arrays in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....columns import Columns
from ....distributions import Distribution
from ....draws import Draws
from ....messaging.deliveries import DeliveryColumns
from ....messaging.log.group import ConsumerGroup
from ....messaging.log.log import Log
from ....scenario import Scenario
from ....sources.base import OpenSource
from ... import logs
from ..compiling import compiled
from ..driver import NotForCompiled
from ..world import CLOCKS
from . import log_loop as loop
from . import log_world as world
from .arriving import Arrived, arrivals, by_number, first
from .log_tables import rows_of

__all__ = ["reasons", "run"]

_EVENTS = 1 << 28  # so that whatever is counted has 31 bits
_MOST = 1 << 28  # places for draws, or for partitions of all groups: 2 GB
_OF_BATCHES = ("b_sequence", "b_first", "b_count", "b_follower", "b_behind")
_OF_FLIGHTS = ("f_first", "f_last", "f_broker", "f_source", "f_open", "f_behind", "f_free")
_COMMITS = {"before": world.BEFORE, "after": world.AFTER, "with": world.WITH}


def reasons(scenario: Scenario) -> list[str]:
    """Return why the loop cannot run a scenario whose channels are logs; or nothing."""
    found = []
    if len(scenario.channels) != 1:
        found.append(f"there are {len(scenario.channels)} logs, not one")
    if scenario.stations:
        found.append(f"{scenario.stations[0].name!r}: a queue or service beside a log")
    for source in scenario.sources:
        if not isinstance(source, OpenSource):
            found.append(f"{source.name!r}: a {type(source).__name__} that waits for a log")
        elif not isinstance(source.to, str):
            found.append(f"{source.name!r}: it sends to several parts")
    for log in scenario.channels:
        assert isinstance(log, Log)
        rules = log.producer
        found += [
            f"{log.name!r}: {what}"
            for what, there in (
                ("broker_outages=", bool(log.broker_outages)),
                ("replicas that copy in drawn times", _copies_in_drawn_times(log)),
                ("a producer that loses requests (loss=, cuts=)", rules.loss > 0 or rules.cuts),
                (
                    "so many partitions and sources",
                    log.partitions * len(scenario.sources) * log.broker_count > _MOST,
                ),
            )
            if there
        ]
    for group in scenario.subscribers:
        if type(group) is not ConsumerGroup:
            found.append(f"{group.name!r}: a {type(group).__name__}, which takes or keeps events")
            continue
        found += [
            f"{group.name!r}: {what}"
            for what, there in (
                (
                    "a user's function says how long its work takes",
                    group.work is not None and not isinstance(group.work, Distribution),
                ),
                ("it answers with events (to=)", group.to is not None),
                ("members that come and go, and seeks (changes=)", bool(group.changes)),
                ("a group without members", group.members == 0),
                (
                    "it waits for members as long as a poll may last (initial_delay=)",
                    group.initial_delay >= group.max_poll_interval,
                ),
            )
            if there
        ]
    return found


def _copies_in_drawn_times(log: Log) -> bool:
    return log.replication > 1 and isinstance(log.replica_delay, Distribution)


def run(
    scenario: Scenario, seed: int, *, requests: int | None, until: float | None
) -> tuple[Columns, DeliveryColumns]:
    """Run a scenario for which `reasons` finds nothing.

    Raises
    ------
    NotForCompiled
        When something fails after all: a timeout runs out, or nothing is published.
    """
    draws = Draws(seed)
    arrived = arrivals(scenario, draws, requests=requests, until=until)
    if not 0 < len(arrived.made) < _EVENTS:
        raise NotForCompiled("nothing is published, or more than the tables hold")
    w = _world(scenario, draws, arrived, until)
    loop.begin(w)
    code = compiled()
    why = code.run_log(w)
    _check(scenario, w, why, until)
    n = w.n
    done = w.counter[world.OPEN] == 0
    columns = Columns(
        source=arrived.source,
        made=arrived.made,
        station=np.zeros(n, dtype=np.int16),
        endpoint=np.zeros(n, dtype=np.int32),
        start=w.published,
        finish=w.published,
        outcome=np.ones(n, np.int8) if done else (w.published >= 0.0).astype(np.int8),
        key=_key_numbers(scenario, arrived),
    )
    return columns, rows_of(code, scenario, arrived, w)


def _key_numbers(scenario: Scenario, arrived: Arrived) -> NDArray[np.int32] | None:
    """Return the numbers of the requests' keys, 0 for one without; None if no source has keys."""
    if all(source.key is not None for source in scenario.sources):
        return arrived.key
    return np.maximum(arrived.key, 0) if scenario.keyed else None


def _check(scenario: Scenario, w: world.LogWorld, why: int, until: float | None) -> None:
    """Leave it to the reference if a timeout has run out before the end."""
    if why == world.LEFT:
        raise NotForCompiled("a timeout runs out")
    if w.counter[world.OPEN] == 0:
        return
    if why == world.EMPTY:
        raise NotForCompiled("nothing is left that moves what is in flight")
    assert until is not None
    log = scenario.channels[0]
    assert isinstance(log, Log)
    # the first that is open has begun its batch, and was sent later
    waited = until - w.made[np.isnan(w.published)][0]
    if waited * world.SURE > min(log.producer.delivery_timeout, log.producer.request_timeout):
        raise NotForCompiled("a timeout may have run out")


def _world(
    scenario: Scenario, draws: Draws, arrived: Arrived, until: float | None
) -> world.LogWorld:
    log = scenario.channels[0]
    assert isinstance(log, Log)
    rules = log.producer
    groups = logs.groups_of(scenario)
    n, sources, partitions = len(arrived.made), len(scenario.sources), log.partitions
    brokers, followers = log.broker_count, log.replication - 1
    of_group = np.array([group.members for group in groups], dtype=np.int64)
    members = int(of_group.sum())

    def ints(size: int, fill: int | None = None, kind: Any = np.int64) -> NDArray[Any]:
        return np.empty(size, dtype=kind) if fill is None else np.full(size, fill, dtype=kind)

    small = np.int32
    delay, delays = _delays(scenario, log, draws, arrived)
    owned = [logs.owned(group, log) for group in groups]
    of_members = [each for group in owned for each in group]
    copies = n * followers
    ways = 2 * sources * brokers
    heap = 2 * members + len(groups) + 8 + copies + (2 * n if delay else 0)
    counter = np.zeros(world.COUNTERS, dtype=np.int64)
    counter[world.COMMITS] = members
    rows = n * len(groups)
    replica_delay = 0.0 if isinstance(log.replica_delay, Distribution) else log.replica_delay
    return world.LogWorld(
        n=n,
        partitions=partitions,
        brokers=brokers,
        replication=log.replication,
        groups=len(groups),
        batch=min(rules.batch, n + 1),
        most_in_flight=rules.in_flight,
        acks=world.ALL if rules.acks == "all" else rules.acks,
        stops=int(arrived.stops),
        delay=delay,
        linger=float(rules.linger),
        request_timeout=math.inf if rules.acks == 0 else float(rules.request_timeout),
        delivery_timeout=float(rules.delivery_timeout),
        replica_delay=float(replica_delay),
        until=math.inf if until is None else float(until),
        counter=counter,
        clock=np.zeros(CLOCKS),
        event_time=np.empty(heap),
        event_key=ints(heap),
        event_what=ints(heap),
        agenda=ints(4 * n + n * len(groups) + 2 * members + sources + 8),
        made=arrived.made,
        source=arrived.source,
        follows=arrived.follows,
        partition=logs.partitions_of(scenario, log, arrived.source, arrived.key),
        published=np.full(n, np.nan),
        delays=delays,
        uniforms=_uniforms(scenario, log, draws, arrived),
        works=_works(scenario, groups, draws, arrived),
        b_written=np.empty(n),
        **_block(np.int32, n, "follower", *_OF_BATCHES),
        b_end=ints(n if followers else 0, kind=small),
        b_flight=ints(n if followers else 0, kind=small),
        b_state=ints(n, kind=np.int8),
        f_started=np.empty(n),
        **_block(np.int32, n, *_OF_FLIGHTS),
        **_block(np.int32, rows, "r_event", "r_member", "r_commit"),
        q_first=ints(sources * partitions, -1),
        q_last=ints(sources * partitions, -1),
        f_new=ints(brokers),
        q_event=ints(sources * partitions),
        q_due=ints(sources * partitions, 0),
        s_due=np.zeros((sources, partitions), dtype=np.int64),
        s_dues=ints(sources, 0),
        s_soon=ints(sources, 0),
        s_current=ints(sources, -1),
        s_produced=ints(sources, 0),
        s_drawn=ints(sources, 0),
        s_delayed=ints(sources, 0),
        flying=ints(sources * brokers, 0),
        p_first=ints(partitions, -1),
        p_last=ints(partitions, -1),
        p_length=ints(partitions, 0),
        p_high=ints(partitions, 0),
        p_unwritten=ints(partitions, -1),
        ends=ints(partitions * followers, 0),
        arrives=np.zeros(partitions * followers),
        c_partition=ints(copies, kind=small),
        c_follower=ints(copies, kind=small),
        c_upto=ints(copies, kind=small),
        w_last=np.zeros(ways),
        w_first=ints(ways, -1),
        w_end=ints(ways, -1),
        g_commit=np.array([_COMMITS[group.commit] for group in groups], dtype=np.int64),
        g_interval=np.array([float(group.commit_interval) for group in groups]),
        g_poll=np.array([group.poll for group in groups], dtype=np.int64),
        g_late=np.array([float(group.max_poll_interval) for group in groups]),
        g_latest=np.array([int(group.reset == "latest") for group in groups], dtype=np.int64),
        g_first=np.concatenate(([0], np.cumsum(of_group))),
        g_delay=np.array([float(group.initial_delay) for group in groups]),
        owner=_owners(groups, owned, partitions),
        at_batch=ints(len(groups) * partitions, -1),
        at_event=ints(len(groups) * partitions, -1),
        at_left=ints(len(groups) * partitions, 0),
        at_offset=ints(len(groups) * partitions, 0),
        m_group=np.repeat(np.arange(len(groups)), of_group),
        m_owned=np.cumsum([0, *map(len, of_members)], dtype=np.int64),
        m_turn=ints(members, 0),
        m_waits=ints(members, 1),
        m_planned=ints(members, 0),
        m_hand=ints(members, 0),
        m_hands=ints(members, 0),
        m_polled=np.zeros(members),
        m_next=np.repeat(np.array([float(group.commit_interval) for group in groups]), of_group),
        m_open=ints(members, 0),
        m_commit=np.arange(members),
        owned=np.array([p for each in of_members for p in each] or [0], dtype=np.int64),
        commits=_none_at_first(rows + members + 1, members),
        **_block(np.int64, rows, "r_offset", "r_effect", "r_number"),
        **_block(np.float64, rows, "r_written", "r_delivered", "r_started", "r_finished"),
    )


def _owners(
    groups: list[ConsumerGroup], owned: list[list[list[int]]], partitions: int
) -> NDArray[np.int64]:
    """Return the member that owns each partition from time 0 on; -1 where the group waits."""
    owner = np.full(len(groups) * partitions, -1, dtype=np.int64)
    member = 0
    for g, (group, of_members) in enumerate(zip(groups, owned, strict=True)):
        for mine in of_members:
            if group.initial_delay == 0.0:
                owner[[g * partitions + p for p in mine]] = member
            member += 1
    return owner


def _delays(
    scenario: Scenario, log: Log, draws: Draws, arrived: Arrived
) -> tuple[int, NDArray[np.float64]]:
    """Return the kind of delay between producers and brokers, and a row of them a source."""
    delay, sources = log.producer.delay, len(scenario.sources)
    if delay is None:
        return world.NONE, np.zeros((1, 1))
    if not isinstance(delay, Distribution):
        return world.CONSTANT, np.full((sources, 1), float(delay))
    # each way there, and each way back: no more than two for each event
    counts = [2 * int(np.sum(arrived.source == i)) for i in range(sources)]
    rows = np.zeros((sources, max(counts) + 1))
    for i, source in enumerate(scenario.sources):
        column = draws.column(delay, log.name, "delay", source.name)
        rows[i, : counts[i]] = first(column, counts[i])
    return world.DRAWN, rows


def _uniforms(scenario: Scenario, log: Log, draws: Draws, arrived: Arrived) -> NDArray[np.float64]:
    """Return the draws of the sticky partitioners, a row a source: one for each full batch."""
    counts = [
        int(np.sum(arrived.source == i)) // log.producer.batch + 1 if source.key is None else 0
        for i, source in enumerate(scenario.sources)
    ]
    rows = np.zeros((len(counts), max(counts) + 1))
    for i, source in enumerate(scenario.sources):
        if counts[i]:
            column = draws.column("uniform", log.name, "sticky", source.name)
            rows[i, : counts[i]] = first(column, counts[i])
    return rows


def _works(
    scenario: Scenario, groups: list[ConsumerGroup], draws: Draws, arrived: Arrived
) -> NDArray[np.float64]:
    """Return the seconds of work of each event, a row a group."""
    works = np.empty((len(groups), len(arrived.made) if len(groups) > 1 else 0))
    for g, group in enumerate(groups):
        columns = []
        for i, source in enumerate(scenario.sources):
            count = int(np.sum(arrived.source == i))
            if isinstance(group.work, Distribution):
                column = draws.column(group.work, group.name, "service", source.name)
                columns.append(first(column, count))
            else:
                assert isinstance(source, OpenSource)
                columns.append(np.asarray(source.carried(), dtype=np.float64)[:count])
        found = by_number(columns, arrived)
        if len(groups) == 1:
            return found.reshape(1, -1)
        works[g] = found
    return works


def _block(kind: Any, n: int, *names: str) -> dict[str, NDArray[Any]]:
    """Return columns of `n` entries each, in one piece.

    The system gives large pieces in large pages; in small ones the first touch of what an event
    takes up would last as long as what happens to it.
    """
    columns = np.empty((len(names), n), dtype=kind)
    return dict(zip(names, columns, strict=True))


def _none_at_first(size: int, first: int) -> NDArray[np.float64]:
    """Return times of commits; those of the first are known to be none yet."""
    made = np.empty(size)
    made[:first] = np.nan
    return made
