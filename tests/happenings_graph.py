"""What happened when a random service graph ran, as words to be counted.

Happenings are read from the columns of the reference, so they say the same whatever the engines
keep to themselves; only what guards refuse without a trace is noted while it runs (`watched`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import mesh_lab as ml
from mesh_lab.columns import Columns
from mesh_lab.ledger import CANCELLED, FAILED, OK, OUTCOMES, TIMEOUT
from mesh_lab.mesh.guards import Guards
from mesh_lab.stations.calls import all_calls
from tests.scenarios import Case
from tests.scenarios_graph import policies

__all__ = ["HAPPENINGS", "counted", "happenings", "watched"]

Rows = NDArray[np.int64]

HAPPENINGS = (
    *(f"outcome {name}" for name in ("in_flight", "ok", "rejected", "failed")),
    *("outcome timeout", "outcome cancelled"),
    *(f"result {name}" for name in ("in_flight", "ok", "rejected", "failed")),
    *("result timeout", "result cancelled"),
    *(f"request {name}" for name in ("in_flight", "ok", "rejected", "failed", "timeout")),
    # the times of calls
    *("the time of a try ran out", "the time of a call ran out", "the deadline was the end"),
    *("the last try had less time", "a pause was cut short", "no time was left to send"),
    *("retries at two depths in one request", "a hedge won", "a hedge was not needed"),
    # who has left
    *("stopped while waiting", "stopped in service", "stopped making calls", "stopped on its way"),
    *("skipped", "worked for nobody", "started for nobody", "a caller left an answered call"),
    # graphs
    *("failed by its calls", "went on without an optional call", "a call not made"),
    *("waiting", "overtaking", "more at once than workers"),
    # ties
    *("arrivals together", "answers together", "a timeout with an answer of another"),
    *("a timeout with an arrival", "two timeouts together", "a completion with a timeout"),
    *("a retry with an arrival",),
    # guards
    *(
        "result unavailable",
        "result overflow",
        "result open",
        "a retry was refused",
        "an endpoint was barred",
    ),
    "a sweep of ejection changed endpoints",
    # the engine's tables
    *("more room", "more draws", "more ways"),
)


def happenings(case: Case, columns: Columns) -> set[str]:
    """Return what happened in a run, as words."""
    found = {f"outcome {OUTCOMES[k]}" for k in np.unique(columns.outcome)}
    assert columns.result is not None
    assert columns.own_outcome is not None
    found |= {f"result {OUTCOMES[k]}" for k in np.unique(columns.result)}
    found |= {f"request {OUTCOMES[k]}" for k in np.unique(columns.own_outcome)}
    found |= set(_true(_of_times(case, columns)))
    found |= set(_true(_of_leaving(case, columns)))
    found |= set(_true(_of_graph(case, columns)))
    found |= set(_true(_of_ties(columns)))
    return found


def _true(pairs: Iterable[tuple[str, Any]]) -> Iterator[str]:
    return (what for what, there in pairs if bool(np.any(there)))


def _of_times(case: Case, of: Columns) -> Iterator[tuple[str, Any]]:
    c: Any = of
    roots = c.parent < 0
    late = c.result == TIMEOUT
    ended, as_late = c.own_end[c.request], c.own_outcome[c.request] == TIMEOUT
    sent = c.endpoint >= 0
    last = np.zeros(len(c.made))  # when something came back for the last time
    known = roots & ~np.isnan(c.returned)
    np.maximum.at(last, c.request[known], c.returned[known])
    yield "the time of a try ran out", roots & sent & late & (c.returned < ended)
    at_end = roots & sent & late & as_late & (c.returned == ended)
    yield "the time of a call ran out", at_end
    yield "the last try had less time", at_end & (c.attempt > 0)
    limits = {p.timeout for p in policies(case) if p.timeout is not None}
    spent = c.own_end - c.made
    yield "the deadline was the end", (c.own_outcome == TIMEOUT) & ~np.isin(spent, list(limits))
    yield "a pause was cut short", (c.own_outcome == TIMEOUT) & (last > 0.0) & (last < c.own_end)
    yield "no time was left to send", ~sent & late
    again = (c.attempt > 0) & ~_hedged(case)[c.station]
    depth = _depths(c.parent)
    deeper = np.zeros((len(c.made), 8), dtype=bool)
    deeper[c.request[again], depth[again]] = True
    yield "retries at two depths in one request", deeper.sum(axis=1) > 1
    won = _cancelled_by_another(c)
    yield "a hedge won", won == 1
    yield "a hedge was not needed", won == -1


def _hedged(case: Case) -> NDArray[np.bool_]:
    """Say of each service whether a call of it may be hedged."""
    services = [part for part in case.parts if isinstance(part, ml.Service)]
    found = {part.name for part in services if part.policy is not None and part.policy.hedge}
    for part in services:
        for call in all_calls(part.calls):
            if call.policy is not None and call.policy.hedge is not None:
                found.add(call.service)
    return np.array([part.name in found for part in services])


def _depths(parent: Rows) -> Rows:
    depth = np.zeros(len(parent), dtype=np.int64)
    for row in np.flatnonzero(parent >= 0):  # parents have rows before their children's
        depth[row] = depth[parent[row]] + 1
    return depth


def _cancelled_by_another(c: Any) -> Rows:
    """Say of each attempt whether it ended an earlier (1) or a later one (-1) of its call."""
    found = np.zeros(len(c.parent), dtype=np.int64)
    ended: dict[tuple[Any, ...], list[int]] = {}
    for row in np.flatnonzero(c.result == CANCELLED):
        key = (c.request[row], c.parent[row], c.station[row], c.returned[row])
        ended.setdefault(key, []).append(int(row))
    for row in np.flatnonzero(c.result == OK):
        key = (c.request[row], c.parent[row], c.station[row], c.returned[row])
        for other in ended.get(key, ()):
            found[row] = 1 if c.attempt[row] > c.attempt[other] else -1
    return found


def _of_leaving(case: Case, of: Columns) -> Iterator[tuple[str, Any]]:
    c: Any = of
    services = [part for part in case.parts if isinstance(part, ml.Service)]
    stops = np.array([part.cancelled == "stop" for part in services])[c.station]
    skips = np.array([part.cancelled == "skip" for part in services])[c.station]
    gone = c.outcome == CANCELLED
    came, began = ~np.isnan(c.arrival), ~np.isnan(c.start)
    calls = np.zeros(len(c.parent), dtype=bool)
    calls[c.parent[c.parent >= 0]] = True
    left = (c.result == TIMEOUT) | (c.result == CANCELLED)
    yield "stopped while waiting", gone & stops & came & ~began
    yield "stopped in service", gone & stops & began & ~calls
    yield "stopped making calls", gone & stops & calls
    yield "stopped on its way", gone & ~came
    yield "skipped", gone & skips & came & ~began
    yield "worked for nobody", left & (c.outcome == OK) & (c.finish > c.returned)
    yield "started for nobody", left & began & (c.start > c.returned)
    inner = c.parent >= 0
    at = np.where(inner, c.parent, 0)
    yield (
        "a caller left an answered call",
        inner & (c.result == OK) & (c.result[at] != OK) & (c.outcome[at] == CANCELLED),
    )


def _of_graph(case: Case, of: Columns) -> Iterator[tuple[str, Any]]:
    c: Any = of
    services = [part for part in case.parts if isinstance(part, ml.Service)]
    inner = np.flatnonzero(c.parent >= 0)
    bad = np.zeros(len(c.parent), dtype=bool)
    bad[c.parent[inner[(c.result[inner] != OK)]]] = True
    good: set[tuple[int, int]] = {
        (c.parent[row], c.station[row]) for row in inner if c.result[row] == OK
    }
    made = {(c.parent[row], c.station[row]) for row in inner}
    yield "failed by its calls", bad & (c.outcome == FAILED)
    yield (
        "went on without an optional call",
        [c.outcome[parent] == OK for parent, station in made - good],
    )
    names = {part.name: number for number, part in enumerate(services)}
    wanted = [{names[call.service] for call in all_calls(part.calls)} for part in services]
    did: list[set[int]] = [set() for _ in c.parent]
    for parent, station in made:
        did[parent].add(station)
    ended = np.flatnonzero(c.outcome == OK)
    yield "a call not made", [wanted[c.station[row]] > did[row] for row in ended]
    yield "waiting", c.start > c.arrival
    began = np.flatnonzero(~np.isnan(c.start))
    order = np.lexsort((c.arrival[began], c.endpoint[began], c.station[began]))
    rows = began[order]
    same = (c.station[rows][1:] == c.station[rows][:-1]) & (
        c.endpoint[rows][1:] == c.endpoint[rows][:-1]
    )
    yield "overtaking", same & (c.start[rows][1:] < c.start[rows][:-1])
    workers = np.array([part.workers for part in services])
    yield "more at once than workers", _most_at_once(c, services) > workers


def _most_at_once(c: Any, services: list[ml.Service]) -> Rows:
    """Return how many requests were in the hands of one endpoint, for each service."""
    most = np.zeros(len(services), dtype=np.int64)
    for station, part in enumerate(services):
        if part.mode != "async":
            continue
        for endpoint in range(part.endpoint_count):
            mine = (c.station == station) & (c.endpoint == endpoint) & ~np.isnan(c.start)
            ends = np.where(np.isnan(c.finish[mine]), np.inf, c.finish[mine])
            times = np.concatenate([c.start[mine], ends])
            steps = np.repeat((1, -1), mine.sum())
            order = np.lexsort((steps, times))
            most[station] = max(most[station], np.cumsum(steps[order]).max(initial=0))
    return most


def _of_ties(of: Columns) -> Iterator[tuple[str, Any]]:
    c: Any = of
    late = (c.result == TIMEOUT) & (c.endpoint >= 0)
    answers = c.returned[(c.result != TIMEOUT) & (c.result != CANCELLED) & (c.result > 0)]
    yield "arrivals together", _repeats(c.made)
    yield "answers together", _repeats(answers)
    yield "a timeout with an answer of another", np.isin(c.returned[late], answers)
    yield "a timeout with an arrival", np.isin(c.returned[late], c.made)
    yield "two timeouts together", _repeats(c.returned[late])
    yield "a completion with a timeout", np.isin(c.finish[c.outcome == OK], c.returned[late])
    yield "a retry with an arrival", np.isin(c.sent[c.attempt > 0], c.made)


def _repeats(times: Any) -> bool:
    return len(np.unique(times)) < len(times)


def counted(case: Case, columns: Columns | str) -> Counter[str]:
    """Return how a run ended, or what happened in it, each once."""
    return Counter([columns] if isinstance(columns, str) else happenings(case, columns))


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect what the guards of the reference do, which no column shows."""
    seen: set[str] = set()

    def noting(method: Any, what: str, notable: Callable[[Any], bool]) -> Any:
        def call(*given: Any) -> Any:
            answer = method(*given)
            if notable(answer):
                seen.add(what)
            return answer

        return call

    with mock.patch.multiple(
        Guards,
        may_retry=noting(Guards.may_retry, "a retry was refused", lambda allowed: not allowed),
        barred=noting(Guards.barred, "an endpoint was barred", bool),
        sweep=noting(Guards.sweep, "a sweep of ejection changed endpoints", bool),
    ):
        yield seen
