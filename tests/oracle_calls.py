"""A second reading of the rules of calls: a slow event loop that shares no code with the engines.

Services that call services, and nothing else: it knows "Calls" of ``mesh_lab/engines/RULES.md``,
and what that builds on ("Order", "Draws", "Balancing", "Getting in", "Who is next", "Completions").
Everything is a plain list that is scanned from end to end, and a heap of (time, rank, which list,
sequence, action).  The engines must give the same rows, to the last bit.

Where the rules leave something open, this is how they are read here:

C1  An attempt stands in the list of `per_try_timeout` if that ends before the call does, not at the
    same time; else in that of `timeout`, if now + `timeout` comes out as the call's end.
C2  A time-to-live has rank 2 and no list: like the alarm of a single attempt.
C3  A list that rings counts as set until it has been through with those who are due.
C4  A single alarm is set for now + (end - now); what it rings for is over, whatever that rounds to.
C5  An attempt is *out* from its sending until its caller has been told, or has left it.
C6  An attempt that is not sent has its whole row at once; it counts as sent for `times`.
C7  Who skips an attempt that is left frees nothing but its place in the line.
C8  A request's start and endpoint are those of its first row, even where it starts only after the
    request has ended.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mesh_lab.draws import Draws
from tests.oracle_sources import Feed, feeds

NAN, NEVER = math.nan, math.inf
DONE, TIMEOUT, HOP, OPEN = 1, 2, 4, 5  # ranks

Rows = list[dict[str, Any]]


@dataclass(eq=False)
class Alarm:
    """Something that will happen, unless it is forgotten."""

    action: Callable[[], object]
    forgotten: bool = False


@dataclass(eq=False)
class Waiters:
    """The attempts of one declared call that end so many seconds after they were sent."""

    number: int
    entries: list[Attempt] = field(default_factory=list)  # in order of coming
    is_set: bool = False


@dataclass(eq=False)
class Declared:
    """A call as it is declared: an entry of a service, or one of the calls of a caller."""

    place: Place
    policy: Any
    each: Waiters  # for `per_try_timeout`
    whole: Waiters  # for `timeout`
    probability: float = 1.0
    optional: bool = False
    name: str = ""  # the purpose of the draw for its probability
    suffix: str = ""  # of the way: which call of this callee it is


@dataclass(eq=False)
class Line:
    """One endpoint: who waits there, and who is inside."""

    endpoint: int
    waiting: list[Attempt] = field(default_factory=list)
    inside: list[Attempt] = field(default_factory=list)
    arrivals: int = 0
    picks: int = 0  # in random order


@dataclass(eq=False)
class Place:
    """A service."""

    part: Any
    lines: list[Line]
    turns: list[int]  # of round robin, one a proxy
    outstanding: list[list[int]]  # one list a proxy
    entry: Declared | None = None
    steps: list[list[Declared]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.part.name)


@dataclass(eq=False)
class Request:
    """What a source has made."""

    index: int
    feed: Feed
    user: int
    cycle: int
    number: int
    priority: int
    deadline: float
    row: dict[str, Any]
    first: int = -1  # its first row of calls


@dataclass(eq=False)
class Call:
    """What somebody wants of a service."""

    declared: Declared
    way: str
    request: Request
    parent: int
    end: float
    limit: float  # the deadline of the request that it is made for
    told: Callable[[str], object]
    sent: int = 0
    over: bool = False
    out: list[Attempt] = field(default_factory=list)
    alarm: Alarm | None = None  # of the next attempt: a hedge, or the end of a pause
    last: float = 0.0  # the last pause


@dataclass(eq=False)
class Attempt:
    """One request that was sent for a call, at its endpoint."""

    call: Call
    nth: int
    row: dict[str, Any]
    index: int
    end: float
    deadline: float
    proxy: int = 0
    line: Line | None = None
    state: str = "way"  # waiting, working, io, calling, gone
    order: int = -1  # of arrival at the line
    left: bool = False  # by its caller
    timer: Alarm | None = None  # a single alarm of its end
    event: Alarm | None = None  # the end of its work or I/O
    step: int = 0
    opened: list[Call] = field(default_factory=list)  # the calls of this step
    still: int = 0  # how many of them are open
    failed: bool = False

    @property
    def place(self) -> Place:
        return self.call.declared.place


def run(
    parts: Iterable[Any], requests: int | None = None, until: float | None = None, *, seed: int
) -> Oracle:
    """Run `parts`; the result has `request_rows` (as made) and `call_rows` (as sent)."""
    oracle = Oracle(list(parts), seed, requests, until)
    oracle.run()
    return oracle


class Oracle:
    """One run."""

    def __init__(
        self, parts: list[Any], seed: int, requests: int | None, until: float | None
    ) -> None:
        self.draws = Draws(seed)
        self.columns: dict[tuple[Any, ...], Any] = {}
        self.requests, self.until = requests, until
        self.now = 0.0
        self.sequence = 0
        self.counted = 0
        self.stopped = False
        self.heap: list[tuple[float, int, int, int, Alarm]] = []
        self.agenda: list[Callable[[], object]] = []
        self.tally: Counter[str] = Counter()
        self.request_rows: Rows = []
        self.call_rows: Rows = []
        self.made: list[Request] = []
        self.places = declare(parts)
        self.feeds = feeds([p for p in parts if not hasattr(p, "workers")], self.draws)
        self.open = any(feed.kind != "Users" for feed in self.feeds)

    # -- time ------------------------------------------------------------------------------------

    def at(
        self, time: float, rank: int, action: Callable[[], object], list_number: int = -1
    ) -> Alarm:
        alarm = Alarm(action)
        heapq.heappush(self.heap, (time, rank, list_number, self.sequence, alarm))
        self.sequence += 1
        return alarm

    def later(self, action: Callable[..., object], *given: Any) -> None:
        self.agenda.append(partial(action, *given))

    def drain(self) -> None:
        while self.agenda:
            self.agenda.pop(0)()

    def run(self) -> None:
        for feed in self.feeds:
            if feed.kind == "Users":
                for user in range(feed.users):
                    self.think(feed, user, 0)
            else:
                self.next_gap(feed)
        while self.heap and not (self.until is not None and self.heap[0][0] >= self.until):
            time, _, _, _, alarm = heapq.heappop(self.heap)
            if not alarm.forgotten:
                self.tally["at the time of the event before"] += time == self.now
                self.now = time
                alarm.action()
                self.drain()
        for request in self.made:
            if request.first >= 0:
                first = self.call_rows[request.first]
                request.row["start"], request.row["endpoint"] = first["start"], first["endpoint"]

    def draw(self, of: Any, part: str, purpose: str, way: str, visit: int, number: int) -> float:
        key = (part, purpose, way, visit)
        if key not in self.columns:
            self.columns[key] = self.draws.column(of, *key)
        return float(self.columns[key].at(number))

    def drawn(self, attempt: Attempt, purpose: str, of: Any = "uniform") -> float:
        """Return a draw of an attempt at its callee."""
        number = attempt.call.request.number
        return self.draw(of, attempt.place.name, purpose, attempt.call.way, attempt.nth, number)

    # -- sources ---------------------------------------------------------------------------------

    def think(self, feed: Feed, user: int, cycle: int) -> None:
        number = cycle * feed.users + user
        self.at(self.now + feed.think(number), HOP, lambda: self.make(feed, user, cycle))

    def next_gap(self, feed: Feed) -> None:
        time = feed.next_time(self.now)
        assert time is not None
        self.at(time, OPEN + feed.place, lambda: self.emit(feed))

    def emit(self, feed: Feed) -> None:
        if self.stopped:
            return
        size = feed.batch_size()
        feed.batch += 1
        for _ in range(size):
            self.make(feed, -1, feed.made)
        if not self.stopped:
            self.next_gap(feed)

    def make(self, feed: Feed, user: int, cycle: int) -> None:
        if self.stopped:
            return
        number = cycle * feed.users + user if feed.kind == "Users" else cycle
        row = {
            "source": feed.name,
            "arrival": self.now,
            "start": NAN,
            "finish": NAN,
            "latency": NAN,
            "endpoint": -1,
            "outcome": "in_flight",
        }
        priority, deadline = feed.priority(number), feed.deadline(self.now, number)
        index = len(self.request_rows)
        request = Request(index, feed, user, cycle, number, priority, deadline, row)
        self.request_rows.append(row)
        self.made.append(request)
        feed.made += 1
        if feed.kind != "Users" or not self.open:
            self.counted += 1
            self.stopped = self.counted == self.requests
        to = feed.destination(number)
        if to is None:
            self.later(self.ended, request, "ok")
        else:
            entry = self.places[to].entry
            assert entry is not None
            self.begin(entry, feed.name, request, -1, deadline, partial(self.ended, request))

    def ended(self, request: Request, result: str) -> None:
        request.row["finish"] = self.now
        request.row["latency"] = self.now - request.row["arrival"]
        request.row["outcome"] = result
        if request.feed.kind == "Users" and not self.stopped:
            self.think(request.feed, request.user, request.cycle + 1)

    # -- calls -----------------------------------------------------------------------------------

    def begin(
        self,
        declared: Declared,
        way: str,
        request: Request,
        parent: int,
        limit: float,
        told: Callable[[str], object],
    ) -> Call:
        timeout = declared.policy.timeout if declared.policy is not None else None
        end = limit if timeout is None else min(self.now + timeout, limit)
        call = Call(declared, way, request, parent, end, limit, told)
        self.later(self.send, call)
        return call

    def send(self, call: Call) -> None:
        """Send the next attempt."""
        if call.over:
            return
        policy, nth = call.declared.policy, call.sent
        call.sent += 1
        each = policy.per_try_timeout if policy is not None else None
        end = call.end if each is None else min(call.end, self.now + each)
        row = {
            "request": call.request.index,
            "parent": call.parent,
            "service": call.declared.place.name,
            "endpoint": -1,
            "attempt": nth,
            "sent": self.now,
            "arrival": NAN,
            "start": NAN,
            "finish": NAN,
            "outcome": "in_flight",
            "returned": NAN,
            "result": "in_flight",
        }
        deadline = end if policy is not None and policy.propagate else call.limit
        attempt = Attempt(call, nth, row, len(self.call_rows), end, deadline)
        self.call_rows.append(row)
        if call.request.first == -1:
            call.request.first = attempt.index
        call.out.append(attempt)
        self.tally["attempt after the first"] += nth > 0
        if end <= self.now:
            self.tally["not sent"] += 1
            attempt.state = "gone"
            row["finish"] = row["returned"] = self.now
            row["outcome"] = row["result"] = "timeout"
            self.later(self.hear, attempt)
            return
        self.set_end(attempt)
        if policy is not None and policy.hedge is not None and nth < policy.hedge.times:
            call.alarm = self.at(self.now + policy.hedge.delay, HOP, lambda: self.hedge(call))
        self.pick(attempt)
        delay = self.delay(attempt, "forward")
        if delay is None:
            self.offer(attempt)
        else:
            self.at(self.now + delay, HOP, lambda: self.offer(attempt))

    def hedge(self, call: Call) -> None:
        self.tally["hedge"] += 1
        self.later(self.send, call)

    def set_end(self, attempt: Attempt) -> None:
        """Set the alarm of an attempt's end: in one of the lists, or its own."""
        declared, end = attempt.call.declared, attempt.end
        policy = declared.policy
        each = policy.per_try_timeout if policy is not None else None
        whole = policy.timeout if policy is not None else None
        if end == NEVER:
            return
        if each is not None and self.now + each < attempt.call.end:
            self.enlist(declared.each, attempt)
        elif whole is not None and end == self.now + whole:
            self.enlist(declared.whole, attempt)
        else:
            self.tally["single alarm"] += 1
            time = self.now + (end - self.now)
            attempt.timer = self.at(time, TIMEOUT, lambda: self.time_over(attempt))

    def enlist(self, waiters: Waiters, attempt: Attempt) -> None:
        waiters.entries.append(attempt)
        if not waiters.is_set:
            waiters.is_set = True
            self.at(attempt.end, TIMEOUT, lambda: self.ring(waiters), waiters.number)

    def ring(self, waiters: Waiters) -> None:
        while True:
            waiters.entries = [a for a in waiters.entries if a in a.call.out]
            if not waiters.entries or waiters.entries[0].end > self.now:
                break
            self.time_over(waiters.entries.pop(0))
            self.drain()
        waiters.is_set = bool(waiters.entries)
        if waiters.entries:
            time = self.now + (waiters.entries[0].end - self.now)
            self.at(time, TIMEOUT, lambda: self.ring(waiters), waiters.number)

    def time_over(self, attempt: Attempt) -> None:
        call = attempt.call
        if attempt.end == call.end:
            self.end(call, "timeout")
        else:
            self.tally["per-try timeout"] += 1
            self.leave(attempt, "timeout")
            self.judge(attempt, "timeout")

    def hear(self, attempt: Attempt) -> None:
        """The caller is told."""
        call = attempt.call
        if attempt in call.out:
            call.out.remove(attempt)
            self.forget(attempt.timer)
            self.judge(attempt, attempt.row["result"])

    def judge(self, attempt: Attempt, result: str) -> None:
        call = attempt.call
        policy = call.declared.policy
        rule = None if policy is None else policy.retries or policy.hedge
        again = rule is not None and result in rule.on
        if result == "ok" or self.now >= call.end or not again:
            self.end(call, result)
        elif rule is not None and call.sent <= rule.times:
            backoff = None if policy.hedge is not None else rule.backoff
            if backoff is None:
                self.forget(call.alarm)
                self.later(self.send, call)
            else:
                u = self.drawn(attempt, "pause")
                call.last = backoff.pause(call.sent, u, call.last)
                time = self.now + call.last
                if time < call.end:
                    call.alarm = self.at(time, HOP, lambda: self.later(self.send, call))
                else:
                    self.tally["pause cut short"] += 1
                    time = self.now + (call.end - self.now)
                    call.alarm = self.at(time, TIMEOUT, lambda: self.end(call, "timeout"))
        elif not call.out:
            self.end(call, result)
        else:
            self.tally["waits for the others"] += 1

    def leave(self, attempt: Attempt, result: str) -> None:
        """The caller leaves an attempt that is out."""
        attempt.call.out.remove(attempt)
        self.forget(attempt.timer)
        if attempt.row["result"] == "in_flight":
            self.tally[f"left: {result}, {attempt.place.part.cancelled}, {attempt.state}"] += 1
            attempt.left = True
            attempt.row["result"] = result
            attempt.row["returned"] = self.now
            self.give_back(attempt)
            if attempt.place.part.cancelled == "stop":
                self.later(self.stop, attempt)

    def drop(self, call: Call, result: str) -> None:
        """A call is over: it leaves all attempts that are out."""
        call.over = True
        self.forget(call.alarm)
        for attempt in list(call.out):
            self.leave(attempt, "timeout" if result == "timeout" else "cancelled")

    def end(self, call: Call, result: str) -> None:
        self.drop(call, result)
        self.tally[f"call {result}"] += 1
        call.told(result)

    def forget(self, alarm: Alarm | None) -> None:
        if alarm is not None:
            alarm.forgotten = True

    # -- balancing -------------------------------------------------------------------------------

    def pick(self, attempt: Attempt) -> None:
        """Choose the proxy and the endpoint."""
        place = attempt.place
        part, n = place.part, len(place.lines)
        if part.proxies > 1 and n > 1:
            attempt.proxy = math.floor(self.drawn(attempt, "proxy") * part.proxies)
        held = place.outstanding[attempt.proxy]
        kind = type(part.balancer).__name__
        if kind == "RoundRobin":
            index = place.turns[attempt.proxy] % n
            place.turns[attempt.proxy] += 1
        elif kind == "Random":
            index = math.floor(self.drawn(attempt, "balance") * n)
        elif kind == "LeastRequest":
            purposes = [f"balance{i or ''}" for i in range(part.balancer.choices)]
            some = [math.floor(self.drawn(attempt, purpose) * n) for purpose in purposes]
            index = min(some, key=lambda i: held[i])  # of a tie the first drawn
        else:
            raise NotImplementedError(kind)
        held[index] += 1
        attempt.row["endpoint"] = index
        attempt.line = place.lines[index]

    def give_back(self, attempt: Attempt) -> None:
        attempt.place.outstanding[attempt.proxy][attempt.row["endpoint"]] -= 1

    def delay(self, attempt: Attempt, purpose: str) -> float | None:
        given = getattr(attempt.place.part, f"{purpose}_delay")
        if given is None or isinstance(given, int | float):
            return given
        return self.drawn(attempt, purpose, given)

    # -- at the endpoint ---------------------------------------------------------------------------

    def offer(self, attempt: Attempt) -> None:
        part, line = attempt.place.part, attempt.line
        assert line is not None
        if self.unwanted(attempt):
            self.gone(attempt, "cancelled")
        elif self.may_start(attempt.place, line):
            self.admit(line, attempt)
            self.start(line, attempt)
        elif part.capacity is None or len(line.waiting) < part.capacity:
            self.admit(line, attempt)
            self.wait(line, attempt)
        elif part.overflow == "drop_oldest" and line.waiting:
            oldest = min(line.waiting, key=lambda a: a.order)
            self.take(line, oldest)
            self.gone(oldest, "dropped")
            self.admit(line, attempt)
            self.wait(line, attempt)
        else:
            self.gone(attempt, "rejected")

    def unwanted(self, attempt: Attempt) -> bool:
        return attempt.left and attempt.place.part.cancelled != "finish"

    def admit(self, line: Line, attempt: Attempt) -> None:
        attempt.row["arrival"] = self.now
        attempt.order = line.arrivals
        line.arrivals += 1

    def wait(self, line: Line, attempt: Attempt) -> None:
        attempt.state = "waiting"
        line.waiting.append(attempt)
        ttl = attempt.place.part.ttl
        if ttl is not None:
            self.at(self.now + ttl, TIMEOUT, lambda: self.expire(line, attempt))

    def expire(self, line: Line, attempt: Attempt) -> None:
        if attempt.state == "waiting":
            self.take(line, attempt)
            self.gone(attempt, "expired")

    def gone(self, attempt: Attempt, outcome: str) -> None:
        """It has left the endpoint; the response goes back, if somebody waits for it."""
        attempt.state = "gone"
        attempt.row["finish"] = self.now
        attempt.row["outcome"] = outcome
        self.tally[f"outcome {outcome}"] += 1
        if attempt.left:
            self.tally["answer to nobody"] += 1
            return
        delay = self.delay(attempt, "return")
        if delay is None:
            self.back(attempt)
        else:
            self.at(self.now + delay, DONE, lambda: self.back(attempt))

    def back(self, attempt: Attempt) -> None:
        if not attempt.left:
            self.give_back(attempt)
            attempt.row["returned"] = self.now
            attempt.row["result"] = attempt.row["outcome"]
            self.later(self.hear, attempt)

    def may_start(self, place: Place, line: Line) -> bool:
        part = place.part
        if part.concurrency is not None and len(line.inside) >= part.concurrency:
            return False
        busy = [a for a in line.inside if part.mode == "sync" or a.state == "working"]
        return len(busy) < int(part.workers)

    def serve(self, place: Place, line: Line) -> None:
        while line.waiting and self.may_start(place, line):
            attempt = self.next_one(place, line)
            self.take(line, attempt)
            if self.unwanted(attempt):
                self.tally["skipped"] += 1
                self.gone(attempt, "cancelled")
            else:
                self.start(line, attempt)

    def next_one(self, place: Place, line: Line) -> Attempt:
        discipline, waiting = place.part.discipline, line.waiting
        if discipline == "random":
            name = f"{place.name}#{line.endpoint}" if line.endpoint else place.name
            u = self.draw("uniform", name, "order", "", 0, line.picks)
            line.picks += 1
            return waiting[math.floor(u * len(waiting))]
        keys: dict[str, Callable[[Attempt], Any]] = {
            "fifo": lambda a: a.order,
            "lifo": lambda a: -a.order,
            "priority": lambda a: (a.call.request.priority, a.order),
            "sjf": lambda a: (self.work(a), a.order),
            "edf": lambda a: (a.deadline, a.order),
        }
        return min(waiting, key=keys[discipline])

    def take(self, line: Line, attempt: Attempt) -> None:
        """Take one out of the line; the last moves into its place."""
        at = line.waiting.index(attempt)
        line.waiting[at] = line.waiting[-1]
        line.waiting.pop()

    # -- service -----------------------------------------------------------------------------------

    def work(self, attempt: Attempt) -> float:
        return self.drawn(attempt, "service", attempt.place.part.service_time)

    def start(self, line: Line, attempt: Attempt) -> None:
        part = attempt.place.part
        attempt.row["start"] = self.now
        attempt.state = "working"
        line.inside.append(attempt)
        held = self.work(attempt)
        if part.io is not None and part.mode == "sync":
            held = held + self.drawn(attempt, "io", part.io)
        attempt.event = self.at(self.now + held, DONE, lambda: self.worked(attempt))

    def worked(self, attempt: Attempt) -> None:
        part, line = attempt.place.part, attempt.line
        assert line is not None
        if part.mode == "async" and part.io is not None:
            attempt.state = "io"
            time = self.now + self.drawn(attempt, "io", part.io)
            attempt.event = self.at(time, DONE, lambda: self.done(attempt))
            self.serve(attempt.place, line)
        else:
            self.done(attempt)

    def done(self, attempt: Attempt) -> None:
        """Work and I/O are done: it fails, or calls others."""
        part, line = attempt.place.part, attempt.line
        assert line is not None
        if part.failure > 0.0 and self.drawn(attempt, "failure") < part.failure:
            self.finish(attempt, "failed")
        else:
            attempt.state = "calling"
            if part.mode == "async" and part.io is None:
                self.serve(attempt.place, line)
            self.next_step(attempt)

    def next_step(self, attempt: Attempt) -> None:
        """Make the calls of the next step that has any; without one, it is done."""
        steps, call = attempt.place.steps, attempt.call
        nth = f":{attempt.nth}" if attempt.nth else ""
        while attempt.step < len(steps):
            made = [d for d in steps[attempt.step] if self.is_made(attempt, d)]
            attempt.step += 1
            if made:
                attempt.still = len(made)
                attempt.opened = [
                    self.begin(
                        declared,
                        f"{call.way}{nth}>{attempt.place.name}{declared.suffix}",
                        call.request,
                        attempt.index,
                        attempt.deadline,
                        partial(self.answered, attempt, declared),
                    )
                    for declared in made
                ]
                return
        self.finish(attempt, "ok")

    def is_made(self, attempt: Attempt, declared: Declared) -> bool:
        p = declared.probability
        made = p >= 1.0 or self.drawn(attempt, declared.name) < p
        self.tally["a call that was not made"] += not made
        return made

    def answered(self, attempt: Attempt, declared: Declared, result: str) -> None:
        """One of its calls has ended."""
        attempt.still -= 1
        if result != "ok":
            self.tally["a call failed, " + ("optional" if declared.optional else "needed")] += 1
            attempt.failed = attempt.failed or not declared.optional
        if attempt.still == 0:
            self.later(self.go_on, attempt)

    def go_on(self, attempt: Attempt) -> None:
        if attempt.state == "calling":
            if attempt.failed:
                self.finish(attempt, "failed")
            else:
                self.next_step(attempt)

    def finish(self, attempt: Attempt, outcome: str) -> None:
        """A completion: the worker is free, those that wait are started, the response goes back."""
        line = attempt.line
        assert line is not None
        line.inside.remove(attempt)
        attempt.state = "gone"
        self.serve(attempt.place, line)
        self.gone(attempt, outcome)

    def stop(self, attempt: Attempt) -> None:
        """An attempt is told that its caller has left."""
        line = attempt.line
        assert line is not None
        self.tally[f"stopped: {attempt.state}"] += 1
        if attempt.state == "waiting":
            self.take(line, attempt)
            self.gone(attempt, "cancelled")
        elif attempt.state in {"working", "io", "calling"}:
            self.forget(attempt.event)
            if attempt.state == "calling":
                for call in attempt.opened:
                    self.drop(call, "cancelled")
            self.finish(attempt, "cancelled")


def declare(parts: list[Any]) -> dict[str, Place]:
    """Return the services by name, with the calls that they make, and the lists of alarms."""
    found: dict[str, Place] = {}
    for part in parts:
        if hasattr(part, "workers"):
            n, proxies = part.replicas, part.proxies
            start = getattr(part.balancer, "start", 0)
            held = [[0] * n for _ in range(proxies)]
            found[part.name] = Place(part, [Line(k) for k in range(n)], [start] * proxies, held)
    numbers = iter(range(1_000_000))

    def declared(place: Place, policy: Any, **more: Any) -> Declared:
        return Declared(place, policy, Waiters(next(numbers)), Waiters(next(numbers)), **more)

    for place in found.values():
        place.entry = declared(place, place.part.policy)
    for place in found.values():
        seen: Counter[str] = Counter()
        for step in place.part.calls:
            row = []
            for call in getattr(step, "calls", (step,)):
                name = getattr(call, "service", call)
                suffix = f"#{seen[name]}" if seen[name] else ""
                seen[name] += 1
                callee = found[name]
                policy = getattr(call, "policy", None) or callee.part.policy
                chance = getattr(call, "probability", 1.0)
                optional = getattr(call, "optional", False)
                row.append(
                    declared(
                        callee,
                        policy,
                        probability=chance,
                        optional=optional,
                        name=f"call:{name}{suffix}",
                        suffix=suffix,
                    )
                )
            place.steps.append(row)
    return found
