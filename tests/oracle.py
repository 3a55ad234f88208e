"""A second reading of the rules: a small, slow event loop that shares no code with the engine.

Everything here is a plain list that is scanned from end to end, and a heap of events.  It knows
``mesh_lab/engines/RULES.md`` only, and no SimPy.  The engine must give the same rows, to the last
bit.

Where the rules leave something open, this is how they are read here:

R1  A request that is turned away (`rejected`, `unavailable`) was never let in: its visit has `sent`
    and `finish`, no `arrival` and no `start`.  The balancer picks before it is seen that a service
    is down, so an `unavailable` one has an endpoint, and round robin has moved on.
R2  A producer that is blocked stands outside: its request's visit to the next place has begun (it
    has its row and its number of the visit, and is outstanding for a balancer), and ends `crashed`
    when the producer crashes.
R3  Whoever is let in, or taken in because the oldest was dropped, is offered like any other: it
    may interrupt somebody.
R4  The total that `capacity` limits under "ps" and "preemptive" counts all who wait or hold a
    worker, one who is done but held back by a blocked next place included.
R5  Under "ps" one who is held back has no share any more: n counts those who are served, and V = 0
    when there are none.  A tag never lies in the past: the time left is max(0, tag - V) / rate,
    the rate 1 or workers / n.  The next completion is planned anew when somebody joins, and at a
    completion before anything else; of equal tags the first arrival at the line completes first.
R6  "random": every take from the line is a pick, of one among one too.  A removal by time-to-live
    or overflow is none.
R7  "sjf" goes by the work alone, without the I/O.
R8  A recorded arrival comes at its recorded time; once a block has made it late, the source's
    gap to the next one is kept.
R9  The outages of a part are scheduled before the run: begin, end, begin, end, ...
R10 When an asynchronous worker has done its work, the line is served as at a completion: waiting
    ones are started, then blocked producers are let in.
R11 A queue's row is named after the queue; its endpoint is 0, whichever handler it was.
R12 When every open source is a record that has ended before `requests` were counted, users stop,
    as they do after the last arrival that counts.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from mesh_lab.draws import Draws
from mesh_lab.errors import Deadlock
from tests.oracle_data import (
    NAN,
    OPEN,
    OUTAGE,
    WAKING,
    Event,
    Request,
    Visit,
    places,
)
from tests.oracle_sources import Feed, feeds
from tests.oracle_work import Work

Rows = list[dict[str, Any]]


def run(
    scenario: Any, requests: int | None = None, until: float | None = None, *, seed: int
) -> tuple[Rows, Rows]:
    """Run `scenario`; return the rows of requests (as made) and of calls (as offered)."""
    oracle = Oracle(list(scenario.parts), seed, requests, until)
    oracle.run()
    return oracle.request_rows, oracle.call_rows


class Oracle(Work):
    """One run of a scenario."""

    def __init__(
        self, parts: list[Any], seed: int, requests: int | None, until: float | None
    ) -> None:
        self.parts = parts
        self.draws = Draws(seed)
        self.columns: dict[tuple[Any, ...], Any] = {}
        self.requests = requests
        self.until = until
        self.now = 0.0
        self.sequence = 0
        self.starts = 0
        self.counted = 0
        self.in_flight = 0
        self.stopped = False
        self.heap: list[tuple[float, int, int, Event]] = []
        self.agenda: list[Callable[[], object]] = []
        self.tally: Counter[str] = Counter()  # what happened, for the count of what was covered
        self.request_rows: list[dict[str, Any]] = []
        self.call_rows: list[dict[str, Any]] = []
        self.places = places(parts)
        self.feeds = feeds(parts, self.draws)
        self.open = any(feed.kind != "Users" for feed in self.feeds)

    def schedule(
        self,
        time: float,
        rank: int,
        action: Callable[[], object],
        live: Callable[[], bool] = lambda: True,
    ) -> Event:
        event = Event(time, action, live)
        heapq.heappush(self.heap, (time, rank, self.sequence, event))
        self.sequence += 1
        return event

    def later(self, action: Callable[[], object]) -> None:
        """Put `action` on the agenda of this instant."""
        self.agenda.append(action)

    def run(self, most: float = math.inf) -> bool:
        """Run to the end; False if that had not come after `most` requests."""
        self.begin()
        while True:
            while self.agenda:
                self.agenda.pop(0)()
            if self.stopped and self.in_flight == 0:
                return True
            if len(self.request_rows) > most:
                return False
            while self.heap and (self.heap[0][3].off or not self.heap[0][3].live()):
                heapq.heappop(self.heap)
            if not self.heap:
                if self.in_flight:
                    raise Deadlock("the oracle: in flight, and nothing can move")
                return True
            if self.until is not None and self.heap[0][0] >= self.until:
                return True
            event = heapq.heappop(self.heap)[3]
            self.tally["events at the time of the one before"] += event.time == self.now
            self.now = event.time
            event.action()

    def begin(self) -> None:
        for part in self.parts:
            if getattr(part, "outages", ()):
                self.plan_outages(part)
        for feed in self.feeds:
            if feed.kind == "Users":
                for user in range(feed.users):
                    self.think(feed, user, 0)
            else:
                self.next_gap(feed)

    def plan_outages(self, part: Any) -> None:
        """Plan the outages of a service, or of one handler of a queue."""
        place = self.places[getattr(part, "source", part.name)]
        whole = place.part is part
        hands = [h for line in place.lines for h in line.handlers if whole or h.part is part]
        for begin, end in part.outages:
            self.schedule(begin, OUTAGE, lambda: self.fail(place, hands, whole))
            if end < math.inf:
                self.schedule(end, OUTAGE, lambda: self.restore(place, hands))

    def think(self, feed: Feed, user: int, cycle: int) -> None:
        number = cycle * feed.users + user
        self.schedule(
            self.now + feed.think(number),
            WAKING,
            lambda: self.send(feed, user, cycle),
            lambda: not self.stopped,
        )

    def next_gap(self, feed: Feed) -> None:
        time = feed.next_time(self.now)
        if time is None:
            feed.ended = True
            if self.until is None and all(f.ended for f in self.feeds if f.kind != "Users"):
                self.stopped = True
        else:
            rank = OPEN + feed.place
            self.schedule(time, rank, lambda: self.emit(feed), lambda: not self.stopped)

    def emit(self, feed: Feed) -> None:
        feed.rest = feed.batch_size()
        feed.batch += 1
        self.emit_rest(feed)

    def emit_rest(self, feed: Feed) -> None:
        while feed.rest and not self.stopped:
            feed.rest -= 1
            if not self.send(feed, -1, feed.made):
                return
        if not self.stopped:
            self.next_gap(feed)

    def send(self, feed: Feed, user: int, cycle: int) -> bool:
        """Make a request and offer it; False if it stands blocked."""
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
        request = Request(
            index=len(self.request_rows),
            feed=feed,
            user=user,
            cycle=cycle,
            number=number,
            priority=feed.priority(number),
            deadline=feed.deadline(self.now, number),
            carried=feed.carried(number),
            row=row,
        )
        self.request_rows.append(row)
        feed.made += 1
        self.in_flight += 1
        if feed.kind != "Users" or not self.open:
            self.counted += 1
            self.stopped = self.counted == self.requests
        to = feed.destination(number)
        if to is None:
            self.later(lambda: self.end(request, "ok"))
            return True
        return self.arrive(request, to, feed)

    def end(self, request: Request, outcome: str) -> None:
        """End a request; its user, if it has one, thinks again."""
        request.row["finish"] = self.now
        request.row["latency"] = self.now - request.row["arrival"]
        request.row["outcome"] = outcome
        self.tally[f"outcome {outcome}"] += 1
        self.in_flight -= 1
        if request.feed.kind == "Users" and not self.stopped:
            self.think(request.feed, request.user, request.cycle + 1)

    def release(self, producer: Feed | Visit) -> None:
        if isinstance(producer, Feed):
            if producer.kind != "Users":
                self.tally["released: a source"] += 1
                self.tally["released: a batch that went on"] += producer.rest > 0
                self.emit_rest(producer)
        else:
            assert producer.state == "held"
            producer.ahead = None
            self.tally["released: a worker"] += 1
            self.depart(producer, "ok")
