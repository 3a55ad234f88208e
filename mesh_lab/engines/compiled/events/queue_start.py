"""The state in which a run of one message queue begins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....draws import CHUNK, Draws
from ....scenario import Scenario
from ..driver import NotForCompiled
from ..feeding import Classes
from . import queue_world as world
from .arriving import Arrived, by_number, first
from .queue_draws import published
from .queue_world import QueueWorld

__all__ = ["longer", "start"]

_MORE = 1024  # rows besides one an event, at first
_FEW = 64  # consumers, times sources, whose windows of draws may be long
_LONG = (3, 5)  # a long window has 2**3 chunks, or 2**5 where there are only first attempts
_SLOTS = 2  # windows at hand of each column
_TABLE = 1 << 26  # windows that can be told apart, 0.5 GB
_ENDLESS = 1 << 62  # as good as without a limit
_DOUBLINGS = 62  # of a back-off that grows


def start(
    scenario: Scenario,
    draws: Draws,
    made: Arrived,
    keys: NDArray[np.int32] | None,
    until: float | None,
) -> QueueWorld:
    """Return the state at time 0, with room for the rows that are likely.

    Parameters
    ----------
    made : Arrived
        All that will be published.
    keys : array of int32 or None
        The number of each event's key, if there are keys.

    Raises
    ------
    NotForCompiled
        When there are too many consumers to keep tables of their draws.
    """
    queue: Any = scenario.channels[0]
    takers: tuple[Any, ...] = scenario.subscribers
    n, many, sources = len(made.made), len(takers), len(scenario.sources)
    crashes = any(taker.outages for taker in takers)
    returns = any(t.failure > 0.0 and t.ack == "after" for t in takers)
    timed = queue.visibility is not None or queue.ttl is not None or queue.delay > 0.0
    keyed, ranked = queue.order == "key", queue.order == "priority"
    failing = any(taker.failure > 0.0 for taker in takers)
    plain = not (crashes or failing or timed or keyed or queue.capacity is not None)
    again = returns or crashes or queue.visibility is not None
    rows = n + 1 + (n // 4 + _MORE if again else 0)
    workers = min(sum(taker.workers for taker in takers), rows)
    joined = _joined(scenario, made)
    shift = CHUNK.bit_length() - 1 + (_LONG[plain] if many * sources <= _FEW else 0)
    windows = (max(published(scenario, made)) >> shift) + 1
    classes = _classes(scenario, draws, made) if ranked else None
    purposes = world.DRAWN if failing else 1
    fronts = min(int(classes.max(initial=0)) + 1, 8) if classes is not None else 1
    columns = many * sources * (1 if plain else world.ATTEMPTS) * purposes
    slots = min(columns * fronts * _SLOTS, 1 << 16)
    table = purposes * many * sources * world.ATTEMPTS * windows
    if table > _TABLE:
        raise NotForCompiled(f"{many} consumers, whose draws would need too many tables")
    pauses = queue.backoff
    plans = sorted(
        (
            (time, k, up)
            for k, taker in enumerate(takers)
            for outage in taker.outages
            for time, up in zip(outage, (0, 1), strict=True)
        ),
        key=lambda plan: plan[0],  # at one time in declared order
    )
    some = 0 if plain else n
    counter = np.zeros(world.COUNTERS, dtype=np.int64)
    counter[world.PLACES] = many

    def each(what: Callable[[Any], int]) -> Any:
        return np.array([min(what(taker), _ENDLESS) for taker in takers], dtype=np.int64)

    def ints(size: int) -> Any:
        return np.empty(size, dtype=np.int64)

    w = QueueWorld(
        plain=int(plain),
        in_turn=int(queue.order == "fifo" and queue.delay == 0.0),
        keyed=int(keyed),
        batches=int(joined is not None),
        crashes=int(crashes),
        drops=int(queue.overflow == "drop_oldest"),
        room=-1 if queue.capacity is None else min(queue.capacity, _ENDLESS),
        limit=min(queue.delivery_limit or 0, _ENDLESS),
        visibility=math.inf if queue.visibility is None else float(queue.visibility),
        ttl=math.inf if queue.ttl is None else float(queue.ttl),
        delay=float(queue.delay),
        shift=shift,
        sources=sources,
        windows=windows,
        until=math.inf if until is None else float(until),
        counter=counter,
        clock=np.zeros(world.CLOCKS),
        event_time=np.empty(0),
        event_key=ints(0),
        event_what=ints(0),
        made=made.made,
        source=made.source,
        number=made.number,
        joined=np.empty(0, dtype=np.bool_) if joined is None else joined,
        carried=_carried(scenario, made),
        class_of=np.zeros(some, dtype=np.int64) if classes is None else classes,
        key=np.empty(0, dtype=np.int32) if keys is None or not keyed else keys,
        row=ints(some),
        state=np.empty(some, dtype=np.int8),
        latest=ints(some),
        behind=ints(n if keyed else 0),
        expires=np.empty(n if queue.ttl is not None else 0),
        first_of=np.full(int(keys.max(initial=0)) + 1 if keyed and keys is not None else 0, -1),
        last_of=ints(int(keys.max(initial=0)) + 1 if keyed and keys is not None else 0),
        ready=ints(n),
        old=ints(0),
        event=ints(0),
        attempt=np.empty(0, dtype=np.int32),
        consumer=np.empty(0, dtype=np.int32),
        sent=np.empty(0),
        delivered=np.empty(0),
        started=np.empty(0),
        finished=np.empty(0),
        acked=np.empty(0),
        ended=np.empty(0),
        outcome=np.empty(0, dtype=np.int8),
        reason=np.empty(0, dtype=np.int8),
        effect=ints(0),
        follow=ints(0),
        before=ints(0),
        after=ints(0),
        idle=each(lambda t: t.workers),
        taken=np.zeros(many, dtype=np.int64),
        places=each(lambda t: _ENDLESS if t.prefetch is None else t.prefetch * t.workers),
        up=np.ones(many, dtype=np.int64),
        settles_first=each(lambda t: t.ack == "before"),
        requeues=each(lambda t: t.requeue),
        carries=each(lambda t: t.work is None),
        chance=np.array([t.failure for t in takers], dtype=np.float64),
        workers=each(lambda t: t.workers),
        head=np.full(many, -1),
        tail=np.full(many, -1),
        first_held=np.full(many, -1),
        last_held=np.full(many, -1),
        plan_time=np.array([plan[0] for plan in plans], dtype=np.float64),
        plan_who=np.array([plan[1] for plan in plans], dtype=np.int64),
        plan_up=np.array([plan[2] for plan in plans], dtype=np.int64),
        pauses=np.array(
            [] if pauses is None else [pauses.pause(k, 0.0, 0.0) for k in range(1, _DOUBLINGS + 1)],
            dtype=np.float64,
        ),
        table=np.full(table, -1),
        pool=np.empty(slots << shift),
        pending=ints(workers),
        pending_key=ints(workers),
        given_work=np.empty(workers),
        given_chance=np.empty(workers),
    )
    return _with_rows(w, rows, workers if plain else rows * (2 + 2 * int(timed) + int(again)))


_OF_PLAIN_ROWS = ("consumer", "delivered", "started", "finished", "effect", "follow")
_OF_ROWS = (
    *_OF_PLAIN_ROWS,
    *("event", "attempt", "sent", "acked", "ended", "outcome", "reason", "before", "after", "old"),
)


def _with_rows(w: QueueWorld, rows: int, planned: int) -> QueueWorld:
    """Return the world with room for so many rows and so many planned events."""
    sizes = dict.fromkeys(_OF_PLAIN_ROWS if w.plain else _OF_ROWS, rows)
    sizes |= dict.fromkeys(("event_time", "event_key", "event_what"), planned)

    def grown(old: NDArray[Any], size: int) -> NDArray[Any]:
        new = np.empty(size, dtype=old.dtype)
        new[: len(old)] = old
        return new

    new: dict[str, Any] = {name: grown(getattr(w, name), size) for name, size in sizes.items()}
    return w._replace(**new)


def longer(w: QueueWorld) -> QueueWorld:
    """Return the world with twice as many rows."""
    return _with_rows(w, 2 * len(w.delivered), 2 * len(w.event_time))


def _joined(scenario: Scenario, made: Arrived) -> NDArray[np.bool_] | None:
    """Return which events follow another in one batch; None when none do.

    Gaps between batches are never 0.
    """
    batched = np.array([source.sizes(Draws(0)) is not None for source in _all(scenario)])
    if not batched.any():
        return None
    joined = np.zeros(len(made.made), dtype=np.bool_)
    joined[1:] = (made.made[1:] == made.made[:-1]) & (made.source[1:] == made.source[:-1])
    joined &= batched[made.source]
    return joined


def _all(scenario: Scenario) -> tuple[Any, ...]:
    return scenario.sources


def _carried(scenario: Scenario, made: Arrived) -> NDArray[np.float64]:
    """Return the work that each event brings along; nothing when no consumer asks."""
    takers: tuple[Any, ...] = scenario.subscribers
    if all(taker.work is not None for taker in takers):
        return np.empty(0)
    columns = []
    for source in _all(scenario):
        carried = source.carried()
        columns.append(np.array([] if carried is None else carried, dtype=np.float64))
    return by_number(columns, made)


def _classes(scenario: Scenario, draws: Draws, made: Arrived) -> NDArray[np.int64]:
    """Return the class of each event, counted from 0 in order of urgency."""
    declared = [
        s.priority if isinstance(s.priority, dict) else {s.priority: 1.0} for s in _all(scenario)
    ]
    rank = {each: k for k, each in enumerate(sorted(set().union(*declared)))}
    columns = []
    for source, count in zip(scenario.sources, published(scenario, made), strict=True):
        if isinstance(source.priority, dict):
            drawn = Classes({rank[each]: p for each, p in source.priority.items()})
            columns.append(first(draws.column(drawn, source.name, "priority", source.name), count))
        else:
            columns.append(np.full(count, float(rank[source.priority])))
    return by_number(columns, made).astype(np.int64)
