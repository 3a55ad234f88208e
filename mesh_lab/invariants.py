"""The laws that every run obeys, whatever its scenario.

- Conservation: every request has at least one visit, and everybody is ok, turned away, lost or
  in flight; the numbers add up, and every time is in its place (sent <= arrival <= start <=
  finish), with none missing and none invented.
- Capacity: never more requests in service than workers, never more waiting than there is room for.
- Work is conserved: nobody waits at a synchronous station while a worker there is idle.
- Order: a first-in-first-out line with one worker serves in order of arrival.
- Little's law: the time average of the number there is the rate of arrivals times the mean time
  there, when both are taken over a period that begins and ends empty.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .errors import InvariantError
from .ledger import EXPIRED, IN_FLIGHT, OK, REJECTED, UNAVAILABLE
from .messaging.laws import broken_laws
from .messaging.log.group import ConsumerGroup
from .messaging.log.laws import broken_log_laws
from .messaging.log.log import Log
from .messaging.queue import MessageQueue
from .messaging.topic import Topic
from .stations.queue import Queue
from .stations.service import Service

if TYPE_CHECKING:
    from .columns import Columns
    from .run import Run

__all__ = ["check"]


def check(run: Run) -> None:
    """Raise `InvariantError` naming the first law that `run` breaks and where."""
    _conservation(run)
    for station in run.scenario.stations:
        replicas = station.endpoint_count if isinstance(station, Service) else 1
        for endpoint in range(replicas):
            _station(run, station, endpoint)
        _littles_law(run, station)
    if run.delivery_columns is not None:
        kept = [c.name for c in run.scenario.channels if isinstance(c, MessageQueue | Topic)]
        for law, what in broken_laws(run.delivery_columns, kept):
            _demand(False, law, what)
        for group in run.scenario.subscribers:
            if isinstance(group, ConsumerGroup):
                log = run.scenario[group.source]
                assert isinstance(log, Log)
                found = broken_log_laws(run.delivery_columns, group.name, unclean=log.unclean)
                for law, what in found:
                    _demand(False, law, what)


def _conservation(run: Run) -> None:
    c = run.columns
    visits = np.bincount(c.request, minlength=len(c.made))
    _demand(bool(np.all(visits > 0)), "conservation", "a request has no visit at all")
    _demand(
        bool(np.all(np.isnan(c.finish) == (c.outcome == IN_FLIGHT))),
        "conservation",
        "a visit has ended without a finish, or has a finish and is in flight",
    )
    _demand(
        bool(np.all(~np.isnan(c.start[c.outcome == OK]))),
        "conservation",
        "a visit is ok but was never started",
    )
    never_in = np.isin(c.outcome, (REJECTED, UNAVAILABLE))
    _demand(
        bool(np.all(np.isnan(c.start[never_in | (c.outcome == EXPIRED)]))),
        "conservation",
        "a visit was started, but ended as turned away or expired",
    )
    if len(c.request) and len(c.made):
        earliest = c.made[c.request]
        for before, after, text in (
            (earliest, c.sent, "sent before its request was made"),
            (c.sent, c.arrival, "let in before it was sent"),
            (c.arrival, c.start, "started before it was let in"),
            (c.start, c.finish, "finished before it was started"),
            (c.sent, c.finish, "finished before it was sent"),
        ):
            _demand(not bool(np.any(after < before)), "order of times", f"a visit was {text}")
    _demand(
        not bool(np.any(c.finish > run.duration)), "order of times", "a visit ends after the run"
    )


def _station(run: Run, station: Queue | Service, endpoint: int) -> None:
    crews = run.scenario.serving(station.name)
    workers = sum(crew.workers for crew in crews)
    where = f"{station.name!r}" + (f" endpoint {endpoint}" if isinstance(station, Service) else "")
    time, waiting, busy = run.steps(station.name, endpoint)
    _demand(bool(np.all(waiting >= 0) and np.all(busy >= 0)), "capacity", f"{where}: below zero")
    most = int(busy.max(initial=0))
    _demand(most <= workers, "capacity", f"{where}: {most} in service, but {workers} workers")
    room = math.inf if station.capacity is None else station.capacity
    most = int(waiting.max(initial=0))
    if station.discipline not in {"ps", "preemptive"}:
        _demand(most <= room, "capacity", f"{where}: {most} waiting, but room for {room}")
    else:
        most = int((waiting + busy).max(initial=0))
        _demand(most <= room + workers, "capacity", f"{where}: {most} there, beyond the limit")
    if all(crew.mode == "sync" and not crew.outages for crew in crews):
        lazy = (waiting > 0) & (busy < workers)
        when = f"at {time[np.argmax(lazy)]:g} s" if np.any(lazy) else ""
        _demand(not np.any(lazy), "work conservation", f"{where}: idle while others wait, {when}")
    if station.discipline == "fifo":
        _first_in_first_out(run.columns, run.scenario.station_number(station.name), endpoint, where)


def _first_in_first_out(c: Columns, station: int, endpoint: int, where: str) -> None:
    here = (c.station == station) & (c.endpoint == endpoint) & ~np.isnan(c.start)
    arrival, start = c.arrival[here], c.start[here]
    order = np.argsort(arrival, kind="stable")
    distinct = np.diff(arrival[order]) > 0.0  # of arrivals at one time, any may come first
    early = distinct & (np.diff(start[order]) < 0.0)
    _demand(not bool(np.any(early)), "order", f"{where}: a later arrival was started earlier")


def _littles_law(run: Run, station: Queue | Service) -> None:
    c = run.columns
    here = (c.station == run.scenario.station_number(station.name)) & ~np.isnan(c.arrival)
    arrival, finish = c.arrival[here], c.finish[here]
    if not len(arrival) or run.duration <= 0.0:
        return
    time, waiting, busy = run.steps(station.name)
    there = (waiting + busy).astype(float)
    if any(crew.mode == "async" for crew in run.scenario.serving(station.name)):
        return  # those that wait for I/O are neither waiting nor holding a worker
    seconds = np.diff(np.append(time, run.duration))
    area = float(np.sum(there * seconds))
    spent = float(np.sum(np.where(np.isnan(finish), run.duration, finish) - arrival))
    _demand(
        math.isclose(area, spent, rel_tol=1e-9, abs_tol=1e-9),
        "Little's law",
        f"{station.name!r}: {area!r} request-seconds by the clock, {spent!r} by the requests",
    )


def _demand(holds: bool, law: str, what: str) -> None:
    if not holds:
        raise InvariantError(f"{law}: {what}")
