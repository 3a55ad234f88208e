"""The oracle's rules of arrival: balancer, offer, room, overflow, time-to-live, who is next."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from mesh_lab.draws import Draws
from tests.oracle_data import (
    NAN,
    TIME_TO_LIVE,
    Event,
    Hands,
    Line,
    Place,
    Request,
    Visit,
)
from tests.oracle_sources import Feed


class Arrivals:
    """What happens to a request that is offered to a station, until it starts there."""

    draws: Draws
    columns: dict[tuple[Any, ...], Any]
    now: float
    places: dict[str, Place]
    call_rows: list[dict[str, Any]]
    tally: Counter[str]

    @abstractmethod
    def schedule(
        self,
        time: float,
        rank: int,
        action: Callable[[], object],
        live: Callable[[], bool] = lambda: True,
    ) -> Event: ...

    @abstractmethod
    def later(self, action: Callable[[], object]) -> None: ...

    @abstractmethod
    def end(self, request: Request, outcome: str) -> None: ...

    @abstractmethod
    def start(self, handler: Hands, visit: Visit) -> None: ...

    @abstractmethod
    def work(self, handler: Hands, visit: Visit) -> float: ...

    @abstractmethod
    def release(self, producer: Feed | Visit) -> None: ...

    def draw(self, of: Any, part: str, purpose: str, visit: Visit) -> float:
        request = visit.request
        key = (part, purpose, request.feed.name, visit.nth)
        if key not in self.columns:
            self.columns[key] = self.draws.column(of, *key)
        return float(self.columns[key].at(request.number))

    def arrive(self, request: Request, name: str, producer: Feed | Visit) -> bool:
        """Offer a request to the station `name`; False if the producer stands blocked."""
        place = self.places[name]
        nth = request.visits.get(name, 0)
        self.tally["came back"] += nth > 0
        request.visits[name] = nth + 1
        row = {
            "request": request.index,
            "parent": -1,
            "service": name,
            "endpoint": -1,
            "attempt": 0,
            "sent": self.now,
            "arrival": NAN,
            "start": NAN,
            "finish": NAN,
            "outcome": "in_flight",
        }
        self.call_rows.append(row)
        visit = Visit(
            request, place, nth, row, producer, first=len(request.visits) == 1 and nth == 0
        )
        index = self.pick(place, visit)
        place.outstanding[index] += 1
        row["endpoint"] = index
        if request.row["endpoint"] == -1:
            request.row["endpoint"] = index
        visit.line = place.lines[index]
        return self.offer(visit.line, visit)

    def pick(self, place: Place, visit: Visit) -> int:
        """Choose a replica."""
        n = len(place.lines)
        balancer: Any = getattr(place.part, "balancer", None)
        kind = type(balancer).__name__
        if kind == "NoneType":
            return 0
        if kind == "RoundRobin":
            turn = place.turn
            place.turn += 1
            return turn % n
        if kind == "Random":
            return math.floor(self.draw("uniform", place.name, "balance", visit) * n)
        if kind == "LeastRequest":
            best = -1
            for i in range(balancer.choices):
                u = self.draw("uniform", place.name, f"balance{i or ''}", visit)
                index = math.floor(u * n)
                if best == -1 or place.outstanding[index] < place.outstanding[best]:
                    best = index
            return best
        raise NotImplementedError(kind)

    def offer(self, line: Line, visit: Visit) -> bool:
        """Start it, let it wait, or turn it away; False if it stands at the door."""
        if visit.place.down:
            self.leave(visit, "unavailable")
            return True
        handler = self.free_handler(line)
        victim = self.victim(line, visit)
        if handler is not None:
            self.admit(line, visit)
            self.start(handler, visit)
        elif victim is not None:
            assert victim.handler is not None
            self.admit(line, visit)
            handler = victim.handler
            self.preempt(victim)
            self.start(handler, visit)
        elif self.room(line):
            self.admit(line, visit)
            self.wait(line, visit)
        elif line.part.overflow == "block":
            visit.state = "blocked"
            self.tally["blocked"] += 1
            if isinstance(visit.producer, Visit):
                visit.producer.ahead = visit
            line.blocked.append(visit)
            return False
        elif line.part.overflow == "drop_oldest" and line.waiting:
            oldest = min(line.waiting, key=lambda v: v.order)
            self.take(line, oldest)
            self.leave(oldest, "dropped")
            return self.offer(line, visit)  # as if it had found room: it may preempt
        else:
            self.leave(visit, "rejected")
        return True

    def admit(self, line: Line, visit: Visit) -> None:
        visit.row["arrival"] = self.now
        visit.order = line.arrivals
        line.arrivals += 1

    def wait(self, line: Line, visit: Visit) -> None:
        visit.state = "waiting"
        line.waiting.append(visit)
        never_started = visit.restart == -1
        if line.part.ttl is not None and never_started:
            self.schedule(
                self.now + line.part.ttl,
                TIME_TO_LIVE,
                lambda: self.expire(line, visit),
                lambda: visit.state == "waiting" and visit.restart == -1,
            )

    def expire(self, line: Line, visit: Visit) -> None:
        self.take(line, visit)
        self.leave(visit, "expired")

    def leave(self, visit: Visit, outcome: str) -> None:
        """A visit ends without being completed: rows, room for others, the balancer, the end."""
        visit.state = "gone"
        visit.row["finish"] = self.now
        visit.row["outcome"] = outcome
        assert visit.line is not None
        if outcome in {"dropped", "expired"}:
            self.let_in(visit.line)
        self.tell(visit)
        self.later(lambda: self.end(visit.request, outcome))

    def tell(self, visit: Visit) -> None:
        """Tell the balancer that the visit is over."""
        visit.place.outstanding[visit.row["endpoint"]] -= 1

    def total(self, line: Line) -> int:
        return len(line.waiting) + sum(h.using() for h in line.handlers)

    def room(self, line: Line) -> bool:
        """Say whether one more may wait."""
        part = line.part
        if part.capacity is None:
            return True
        if part.discipline in {"ps", "preemptive"}:
            workers = sum(h.part.workers for h in line.handlers)
            return self.total(line) < int(workers + part.capacity)
        return len(line.waiting) < int(part.capacity)

    def may_start(self, line: Line, handler: Hands) -> bool:
        if not handler.up:
            return False
        if line.part.discipline == "ps":
            # One who waits already counts in the total, so only arrivals need room.
            return bool(line.waiting) or self.room(line)
        part = handler.part
        if part.concurrency is not None and len(handler.hands) >= part.concurrency:
            return False
        return handler.using() < int(part.workers)

    def free_handler(self, line: Line) -> Hands | None:
        return next((h for h in line.handlers if self.may_start(line, h)), None)

    def victim(self, line: Line, visit: Visit) -> Visit | None:
        """Return who would be preempted by `visit`: the least urgent, then the latest started."""
        if line.part.discipline != "preemptive" or not self.room(line):
            return None
        running = [v for h in line.handlers for v in h.hands if v.state == "working"]
        worse = [v for v in running if v.request.priority > visit.request.priority]
        return max(worse, key=lambda v: (v.request.priority, v.restart), default=None)

    def preempt(self, victim: Visit) -> None:
        assert victim.handler is not None
        assert victim.event is not None
        assert victim.line is not None
        victim.left = victim.event.time - self.now
        victim.event.off = True
        self.tally["preempted"] += 1
        victim.handler.hands.remove(victim)
        victim.handler = None
        self.wait(victim.line, victim)

    def next_one(self, line: Line) -> Visit:
        """Return who of the waiting is next."""
        discipline = line.part.discipline
        waiting = line.waiting
        if discipline == "random":
            index = waiting[0].row["endpoint"]
            name = f"{line.part.name}#{index}" if index else line.part.name
            u = self.draws.column("uniform", name, "order", "").at(line.picks)
            line.picks += 1
            self.tally["picked at random among several"] += len(waiting) > 1
            return waiting[math.floor(u * len(waiting))]
        if discipline == "lifo":
            return max(waiting, key=lambda v: v.order)
        if discipline in {"priority", "preemptive"}:
            return min(waiting, key=lambda v: (v.request.priority, v.order))
        if discipline == "sjf":
            return min(waiting, key=lambda v: (self.work(line.handlers[0], v), v.order))
        if discipline == "edf":
            return min(waiting, key=lambda v: (v.request.deadline, v.order))
        assert discipline in {"fifo", "ps"}, discipline
        return min(waiting, key=lambda v: v.order)

    def take(self, line: Line, visit: Visit) -> None:
        """Take one out of the line; the last moves into its place (as in random order)."""
        index = line.waiting.index(visit)
        line.waiting[index] = line.waiting[-1]
        line.waiting.pop()

    def serve(self, line: Line) -> None:
        """Start waiting ones while possible."""
        while line.waiting:
            handler = self.free_handler(line)
            if handler is None:
                return
            visit = self.next_one(line)
            self.take(line, visit)
            self.start(handler, visit)

    def let_in(self, line: Line) -> None:
        """Admit blocked producers while there is room."""
        while line.blocked and (self.free_handler(line) is not None or self.room(line)):
            visit = line.blocked.pop(0)
            producer = visit.producer
            assert producer is not None
            admitted = self.offer(line, visit)
            assert admitted
            self.later(partial(self.release, producer))
