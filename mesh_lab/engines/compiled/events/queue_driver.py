"""Running one message queue with its consumers in the compiled loop: arrays in, columns out.

What the sources publish is known beforehand (`arriving`), so Python makes the draws, in windows,
and otherwise only the tables when the run is over.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....columns import Columns
from ....distributions import Distribution
from ....draws import CHUNK, Column, Draws
from ....ledger import OK, REJECTED
from ....messaging.backoff import Backoff
from ....messaging.consumer import Consumer
from ....messaging.deliveries import REJECTED as NOT_STORED
from ....messaging.deliveries import DeliveryColumns
from ....messaging.queue import MessageQueue
from ....scenario import Scenario
from ....sources.base import OpenSource, Source
from ..compiling import compiled
from ..driver import NotForCompiled
from ..feeding import Classes
from . import queue_world as world
from .arriving import Arrived, arrivals, by_number, first
from .queue_world import QueueWorld

__all__ = ["reasons", "run"]

_MORE = 1024  # rows besides one an event, at first
_FEW = 64  # consumers, times sources, whose windows of draws may be long
_LONG = 5  # a long window has 2**5 chunks
_SLOTS = 4  # windows at hand of each column
_ENDLESS = 1 << 62  # places
_DOUBLINGS = 62  # of a back-off that grows

# what the loop does exactly; whatever else is declared is a reason not to take it
_QUEUE = (
    "name", "visibility", "delivery_limit", "backoff", "ttl", "capacity", "overflow", "delay",
    "order",
)  # fmt: skip
_CONSUMER = (
    "name", "source", "work", "workers", "prefetch", "ack", "failure", "requeue", "outages",
)  # fmt: skip
_WORDS = {
    "dead_letter": "dead events are moved to another queue (dead_letter=)",
    "deduplication": "it remembers whom it has seen (deduplication=)",
    "restarts": "its broker goes down (restarts=)",
    "topic": "it is bound to a topic (topic=)",
    "ephemeral": "it is there only while a consumer is (ephemeral=)",
    "link": "a network of its own (link=)",
    "retry": "publishers wait for confirmations (retry=)",
    "to": "it answers with events (to=)",
}


def reasons(scenario: Scenario) -> list[str]:
    """Return why this loop cannot run a scenario of message queues, one text a part and feature.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=30.0, to="orders"),
    ...     ml.MessageQueue("orders"),
    ...     ml.Consumer("billing", source="orders", work=ml.Exponential(mean=0.02), to="paid"),
    ...     ml.MessageQueue("paid"),
    ... )
    >>> reasons(scenario)
    ['there are 2 queues, topics and logs, not one', "'billing': it answers with events (to=)"]
    """
    found = []
    if len(scenario.channels) != 1:
        found.append(f"there are {len(scenario.channels)} queues, topics and logs, not one")
    if scenario.stations:
        found.append(f"there are {len(scenario.stations)} queues and services for requests as well")
    names = {channel.name for channel in scenario.channels}
    for source in scenario.sources:
        found += [f"{source.name!r}: {why}" for why in _of_source(source, names)]
    for channel in scenario.channels:
        if type(channel) is not MessageQueue:
            found.append(f"{channel.name!r}: a {type(channel).__name__}, not a MessageQueue")
            continue
        found += [f"{channel.name!r}: {why}" for why in _unknown(channel, _QUEUE)]
        if channel.backoff is not None and not _steady(channel.backoff):
            found.append(f"{channel.name!r}: pauses of its back-off are drawn (jitter=)")
    for taker in scenario.subscribers:
        if type(taker) is not Consumer:
            found.append(f"{taker.name!r}: a {type(taker).__name__}, not a Consumer")
            continue
        found += [f"{taker.name!r}: {why}" for why in _unknown(taker, _CONSUMER)]
        if taker.work is not None and not isinstance(taker.work, Distribution):
            found.append(f"{taker.name!r}: a user's function says how long its work takes")
    return found


def _of_source(source: Source, names: set[str]) -> list[str]:
    if not isinstance(source, OpenSource):
        return [f"a {type(source).__name__}, which waits for what becomes of its requests"]
    found = []
    if type(source).__module__.partition(".")[0] != "mesh_lab":
        found.append("a user's own class is the source")
    if not isinstance(source.to, str) or source.to not in names:
        found.append("its events go to several parts, by chance (to=)")
    return found


def _unknown(part: Any, known: tuple[str, ...]) -> list[str]:
    """Return what a part declares besides the fields that are known, in words."""
    return [
        _WORDS.get(field.name, f"{field.name}=")
        for field in dataclasses.fields(part)
        if field.name not in known and getattr(part, field.name) != field.default
    ]


def _steady(backoff: Backoff) -> bool:
    """Whether its pauses are known beforehand."""
    declared = {field.name for field in dataclasses.fields(backoff)}
    return backoff.jitter == "none" and declared == {"base", "cap", "jitter", "growth", "limit"}


def run(
    scenario: Scenario,
    seed: int,
    *,
    requests: int | None,
    until: float | None,
    arrived: Callable[[int], None] | None = None,
) -> tuple[Columns, DeliveryColumns]:
    """Run a scenario for which `reasons` finds nothing.

    Parameters
    ----------
    requests, until
        As for `mesh_lab.simulate`.
    arrived : callable, optional
        Is told now and then how many events there have been.

    Raises
    ------
    NotForCompiled
        When the run comes to nothing but what the reference reports as an error.
    """
    draws = Draws(seed)
    made = arrivals(scenario, draws, requests=requests, until=until)
    keys, texts = _keys(scenario, made)
    w = _begin(scenario, draws, made, keys, until)
    feed = _Feed(scenario, draws, made, w)
    loop = compiled().run_queue
    while True:
        code = loop(w)
        if arrived is not None:
            arrived(int(w.counter[world.NEXT]))
        if code == world.NEEDS_DRAWS:
            feed.give(w)
        elif code == world.NEEDS_ROWS:
            w = _longer(w)
        elif code == world.TOO_OFTEN:
            raise NotForCompiled("an event is delivered again and again")
        else:
            return _columns(scenario, made, w), _deliveries(scenario, made, keys, texts, w)


# -- before ----------------------------------------------------------------------------------------


def _keys(scenario: Scenario, made: Arrived) -> tuple[NDArray[np.int32] | None, tuple[str, ...]]:
    """Return the number of each event's key in order of their first events, and the texts."""
    if not scenario.keyed:
        return None, ()
    n = len(made.made)
    begins: dict[str, int] = {}
    counts: dict[str, int] = {}
    for source in scenario.sources:
        if source.key is not None:
            counts[source.key.prefix] = max(counts.get(source.key.prefix, 0), source.key.count)
    total = 1  # the first place is for events without a key
    for prefix, count in counts.items():
        begins[prefix], total = total, total + count
    starts = [0 if s.key is None else begins[s.key.prefix] for s in scenario.sources]
    places = np.where(made.key < 0, 0, made.key + np.array(starts, dtype=np.int64)[made.source])
    firsts = np.full(total, n, dtype=np.int64)
    firsts[places[::-1]] = np.arange(n - 1, -1, -1)  # of equal places the last one counts
    firsts[0] = n
    seen = np.flatnonzero(firsts < n)
    seen = seen[np.argsort(firsts[seen])]
    number = np.full(total, -1, dtype=np.int32)
    names: dict[str, int] = {}
    prefixes, edges = list(begins), np.array(list(begins.values()))
    for place, which in zip(
        seen.tolist(), (np.searchsorted(edges, seen, side="right") - 1).tolist(), strict=True
    ):
        prefix = prefixes[which]
        number[place] = names.setdefault(f"{prefix}{place - begins[prefix]}", len(names))
    return number[places], tuple(names)


def _classes(scenario: Scenario, draws: Draws, made: Arrived) -> NDArray[np.int64]:
    """Return the class of each event, counted from 0 in order of urgency."""
    columns = []
    counts = np.bincount(made.source, minlength=len(scenario.sources)).tolist()
    for source, count in zip(scenario.sources, counts, strict=True):
        if isinstance(source.priority, dict):
            drawn = Classes(source.priority)
            columns.append(first(draws.column(drawn, source.name, "priority", source.name), count))
        else:
            columns.append(np.full(count, float(source.priority)))
    values = by_number(columns, made)
    return np.unique(values, return_inverse=True)[1].reshape(len(values)).astype(np.int64)


def _begin(
    scenario: Scenario,
    draws: Draws,
    made: Arrived,
    keys: NDArray[np.int32] | None,
    until: float | None,
) -> QueueWorld:
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
    counts = np.bincount(made.source, minlength=sources)
    shift = CHUNK.bit_length() - 1 + (_LONG if many * sources <= _FEW else 0)
    windows = (int(counts.max(initial=0)) >> shift) + 1
    classes = _classes(scenario, draws, made) if ranked else None
    purposes = world.DRAWN if failing else 1
    fronts = min(int(classes.max(initial=0)) + 1, 8) if classes is not None else 1
    slots = min(many * sources * (1 if plain else 4) * purposes * fronts * _SLOTS, 1 << 16)
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

    def each(what: Callable[[Any], float]) -> Any:
        return np.array([what(taker) for taker in takers], dtype=np.int64)

    def ints(size: int) -> Any:
        return np.empty(size, dtype=np.int64)

    w = QueueWorld(
        plain=int(plain),
        in_turn=int(queue.order == "fifo" and queue.delay == 0.0),
        keyed=int(keyed),
        batches=int(joined is not None),
        crashes=int(crashes),
        drops=int(queue.overflow == "drop_oldest"),
        room=-1 if queue.capacity is None else queue.capacity,
        limit=queue.delivery_limit or 0,
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
        table=np.full(purposes * many * sources * world.ATTEMPTS * windows, -1),
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

    return w._replace(**{name: grown(getattr(w, name), size) for name, size in sizes.items()})


def _longer(w: QueueWorld) -> QueueWorld:
    """Return the world with twice as many rows."""
    return _with_rows(w, 2 * len(w.delivered), 2 * len(w.event_time))


def _joined(scenario: Scenario, made: Arrived) -> NDArray[np.bool_] | None:
    """Return which events follow another in one batch; None when none do.

    Gaps between batches are never 0.
    """
    batched = np.array([source.sizes(Draws(0)) is not None for source in _opened(scenario)])
    if not batched.any():
        return None
    joined = np.zeros(len(made.made), dtype=np.bool_)
    joined[1:] = (made.made[1:] == made.made[:-1]) & (made.source[1:] == made.source[:-1])
    return joined & batched[made.source]


def _opened(scenario: Scenario) -> tuple[Any, ...]:
    return scenario.sources


def _carried(scenario: Scenario, made: Arrived) -> NDArray[np.float64]:
    """Return the work that each event brings along; nothing when no consumer asks."""
    takers: tuple[Any, ...] = scenario.subscribers
    if all(taker.work is not None for taker in takers):
        return np.empty(0)
    columns = []
    for source in _opened(scenario):
        carried = source.carried()
        columns.append(np.array([] if carried is None else carried, dtype=np.float64))
    return by_number(columns, made)


# -- meanwhile -------------------------------------------------------------------------------------


class _Feed:
    """Gives the loop the draws that it lacks, and those that it will need next."""

    def __init__(self, scenario: Scenario, draws: Draws, made: Arrived, w: QueueWorld) -> None:
        self.takers: tuple[Any, ...] = scenario.subscribers
        self.sources = [source.name for source in scenario.sources]
        self.draws = draws
        self.counts = np.bincount(made.source, minlength=len(self.sources)).tolist()
        self.columns: dict[tuple[int, int, int, int], Column] = {}
        self.slots = max(len(w.pool) >> w.shift, 1)
        self.owners = [-1] * self.slots
        self.next_slot = 0

    def give(self, w: QueueWorld) -> None:
        """Give what those need whose handling has begun without draws."""
        for j in range(int(w.counter[world.PENDING])):
            row = int(w.pending[j])
            e, tries = (row, 0) if w.plain else (int(w.event[row]), int(w.attempt[row]) - 1)
            k, source, number = int(w.consumer[row]), int(w.source[e]), int(w.number[e])
            w.given_chance[j] = 1.0
            if w.carries[k]:
                w.given_work[j] = w.carried[e]
            else:
                w.given_work[j] = self._draw(w, (0, k, source, tries), number)
            if w.chance[k] > 0.0:
                w.given_chance[j] = self._draw(w, (1, k, source, tries), number)

    def _draw(self, w: QueueWorld, which: tuple[int, int, int, int], number: int) -> float:
        purpose, k, source, tries = which
        if tries >= world.ATTEMPTS:
            return self._column(which).at(number)
        at = ((purpose * len(self.takers) + k) * w.sources + source) * world.ATTEMPTS + tries
        at = at * w.windows + (number >> w.shift)
        if w.table[at] < 0:
            slot, self.next_slot = self.next_slot, (self.next_slot + 1) % self.slots
            if self.owners[slot] >= 0:
                w.table[self.owners[slot]] = -1
            self.owners[slot] = at
            low = number >> w.shift << w.shift
            size = min(-(-(self.counts[source] - low) // CHUNK) * CHUNK, 1 << w.shift)
            begin = slot << w.shift
            w.pool[begin : begin + size] = self._column(which).block(low // CHUNK, size // CHUNK)
            w.table[at] = begin
        return float(w.pool[w.table[at] + (number & ((1 << w.shift) - 1))])

    def _column(self, which: tuple[int, int, int, int]) -> Column:
        if which not in self.columns:
            purpose, k, source, tries = which
            taker = self.takers[k]
            self.columns[which] = self.draws.column(
                "uniform" if purpose else taker.work,
                taker.name,
                "failure" if purpose else "service",
                self.sources[source],
                0,
                tries,
            )
        return self.columns[which]


# -- after -----------------------------------------------------------------------------------------


def _columns(scenario: Scenario, made: Arrived, w: QueueWorld) -> Columns:
    """Return the publishings: each ends at once, stored or turned away."""
    n = len(made.made)
    start = made.made
    outcome = np.full(n, OK, dtype=np.int8)
    if w.room >= 0:
        refused = w.outcome[w.row[:n]] == NOT_STORED
        start = np.where(refused, np.nan, start)
        outcome[refused] = REJECTED
    return Columns(
        source=made.source,
        made=made.made,
        station=np.zeros(n, dtype=np.int16),
        endpoint=np.zeros(n, dtype=np.int32),
        start=start,
        finish=made.made,
        outcome=outcome,
        key=np.maximum(made.key, 0) if scenario.keyed else None,
    )


def _deliveries(
    scenario: Scenario,
    made: Arrived,
    keys: NDArray[np.int32] | None,
    texts: tuple[str, ...],
    w: QueueWorld,
) -> DeliveryColumns:
    """Return the rows of deliveries."""
    rows, n = int(w.counter[world.ROWS]), len(made.made)
    seen = list(dict.fromkeys(made.source.tolist() if len(scenario.sources) > 1 else [0] * (n > 0)))
    of_source = np.zeros(len(scenario.sources), dtype=np.int32)
    of_source[seen] = np.arange(len(seen))
    source = of_source[made.source] if len(seen) > 1 else np.zeros(n, dtype=np.int32)
    number, key = made.number, np.full(n, -1, dtype=np.int32) if keys is None else keys
    if rows > n:
        event = w.event[:rows]
        source, number, key = source[event], number[event], key[event]
    sent = w.sent[:rows] if not w.plain else made.made
    written, delivered, finished = sent, w.delivered[:rows], w.finished[:rows]
    if w.plain:
        acked = ended = finished
        if w.settles_first.any():
            acked = np.where(w.settles_first[w.consumer[:rows]] != 0, delivered, finished)
        outcome = np.equal(finished, finished).view(np.int8)  # in flight, or acknowledged
        reason, attempt = np.zeros(rows, dtype=np.int8), np.ones(rows, dtype=np.int32)
    else:
        acked, ended, outcome = w.acked[:rows], w.ended[:rows], w.outcome[:rows]
        reason, attempt = w.reason[:rows], w.attempt[:rows]
        if w.room >= 0 and not w.drops:
            written = np.where(outcome == NOT_STORED, np.nan, sent)
    return DeliveryColumns(
        source=source,
        number=number,
        key=key,
        parent=np.full(rows, -1),
        child=np.zeros(rows, dtype=np.int32),
        subscriber=np.zeros(rows, dtype=np.int32),
        consumer=w.consumer[:rows],
        copy=np.zeros(rows, dtype=np.int32),
        attempt=attempt,
        partition=np.full(rows, -1, dtype=np.int32),
        offset=np.full(rows, -1),
        sent=sent,
        written=written,
        delivered=delivered,
        started=w.started[:rows],
        finished=finished,
        acked=acked,
        ended=ended,
        outcome=outcome,
        reason=reason,
        effect=w.effect[:rows],
        sources=tuple(scenario.sources[i].name for i in seen),
        keys=texts,
        subscribers=tuple(channel.name for channel in scenario.channels),
        consumers=tuple(taker.name for taker in scenario.subscribers),
    )
