"""The oracle's rules of work: starting, completing, being held back, sharing, outages."""

from __future__ import annotations

from functools import partial

from tests.oracle_arrival import Arrivals
from tests.oracle_data import COMPLETION, Hands, Place, Visit
from tests.oracle_sources import chosen


class Work(Arrivals):
    """What happens to a request from its start at a station until it leaves it."""

    starts: int

    def work(self, handler: Hands, visit: Visit) -> float:
        if handler.work is None:
            assert visit.request.carried is not None
            return visit.request.carried
        if callable(handler.work):
            name, request = handler.part.name, visit.request
            rng = self.draws.generator(name, "user", request.feed.name, visit.nth, request.number)
            return float(handler.work(request, rng))
        return self.draw(handler.work, handler.part.name, "service", visit)

    def io(self, handler: Hands, visit: Visit) -> float:
        return self.draw(handler.part.io, handler.part.name, "io", visit)

    def start(self, handler: Hands, visit: Visit) -> None:
        assert visit.line is not None
        if visit.restart == -1:
            visit.row["start"] = self.now
            if visit.first:
                visit.request.row["start"] = self.now
        visit.restart = self.starts
        self.starts += 1
        visit.state = "working"
        visit.handler = handler
        if visit.left is None:
            visit.left = self.work(handler, visit)
            if handler.part.io is not None and handler.part.mode == "sync":
                visit.left = visit.left + self.io(handler, visit)
        if visit.line.part.discipline == "ps":
            self.advance(handler)
            visit.tag = handler.virtual + visit.left
            handler.hands.append(visit)
            self.plan(handler)
        else:
            handler.hands.append(visit)
            time = self.now + visit.left
            visit.event = self.schedule(time, COMPLETION, lambda: self.end_of_work(visit))

    def end_of_work(self, visit: Visit) -> None:
        handler, line = visit.handler, visit.line
        assert handler is not None
        assert line is not None
        visit.event = None
        if handler.part.mode == "async" and handler.part.io is not None:
            visit.state = "io"
            time = self.now + self.io(handler, visit)
            visit.event = self.schedule(time, COMPLETION, lambda: self.done(visit))
            self.serve(line)
            self.let_in(line)
        else:
            self.done(visit)

    def done(self, visit: Visit) -> None:
        """Decide where a finished one goes; it stays in its place while the way is blocked."""
        handler, request = visit.handler, visit.request
        assert handler is not None
        part = handler.part
        visit.event = None
        visit.state = "held"
        if part.failure > 0 and self.draw("uniform", part.name, "failure", visit) < part.failure:
            self.depart(visit, "failed")
            self.later(lambda: self.end(request, "failed"))
            return
        to = part.to
        if isinstance(to, dict):
            to = chosen(to, self.draw("uniform", part.name, "route", visit))
        if to is None:
            self.depart(visit, "ok")
            self.later(lambda: self.end(request, "ok"))
        elif self.places[to].part.overflow == "block":
            if self.arrive(request, to, visit):
                self.depart(visit, "ok")
        else:
            self.depart(visit, "ok")
            self.later(lambda: self.arrive(request, to, visit))

    def depart(self, visit: Visit, outcome: str) -> None:
        """A visit is completed: rows, the worker is free, room for others, the balancer."""
        line, handler = visit.line, visit.handler
        assert line is not None
        assert handler is not None
        handler.hands.remove(visit)
        visit.state = "gone"
        visit.row["finish"] = self.now
        visit.row["outcome"] = outcome
        self.serve(line)
        self.let_in(line)
        self.tell(visit)

    def rate(self, handler: Hands) -> float:
        n, workers = len(served(handler)), handler.part.workers
        self.tally["sharing: more than workers"] += n > workers
        return 1.0 if n <= workers else workers / n

    def advance(self, handler: Hands) -> None:
        """Bring the virtual time up to now."""
        if served(handler):
            handler.virtual += (self.now - handler.updated) * self.rate(handler)
        handler.updated = self.now

    def plan(self, handler: Hands) -> None:
        """Plan the next completion."""
        if handler.planned is not None:
            handler.planned.off = True
            handler.planned = None
        if served(handler):
            first = min(served(handler), key=lambda v: (v.tag, v.order))
            left = max(0.0, first.tag - handler.virtual)
            time = self.now + left / self.rate(handler)
            handler.planned = self.schedule(
                time, COMPLETION, lambda: self.shared_completion(handler, first)
            )

    def shared_completion(self, handler: Hands, visit: Visit) -> None:
        handler.planned = None
        visit.state = "held"
        handler.virtual = visit.tag if served(handler) else 0.0
        handler.updated = self.now
        self.plan(handler)
        self.done(visit)

    def fail(self, place: Place, failing: list[Hands], whole: bool) -> None:
        """Begin an outage of a service (`whole`), or of one handler of a queue."""
        place.down = whole
        for handler in failing:
            handler.up = False
        for handler in failing:
            for visit in sorted(handler.hands, key=lambda v: v.restart):
                self.crash(visit)
        for handler in failing:
            if handler.planned is not None:
                handler.planned.off = True
                handler.planned = None
            handler.virtual = 0.0
        if whole:
            for line in place.lines:
                for visit in sorted(line.waiting, key=lambda v: v.order):
                    line.waiting.remove(visit)
                    self.gone(visit, "crashed")
            for line in place.lines:
                while line.blocked:
                    visit = line.blocked.pop(0)
                    producer = visit.producer
                    assert producer is not None
                    self.gone(visit, "unavailable")
                    self.tally["turned away while blocked"] += 1
                    self.later(partial(self.release, producer))
        else:
            for line in place.lines:
                self.let_in(line)

    def crash(self, visit: Visit) -> None:
        """End what was in the hands of a handler that went down."""
        assert visit.handler is not None
        if visit.event is not None:
            visit.event.off = True
        visit.handler.hands.remove(visit)
        ahead = visit.ahead
        if ahead is not None:
            assert ahead.line is not None
            ahead.line.blocked.remove(ahead)
            ahead.state = "gone"
            self.tally["crashed while blocked"] += 1
            ahead.row["finish"] = self.now
            ahead.row["outcome"] = "crashed"
            self.tell(ahead)
        self.gone(visit, "crashed")

    def gone(self, visit: Visit, outcome: str) -> None:
        visit.state = "gone"
        visit.row["finish"] = self.now
        visit.row["outcome"] = outcome
        self.tell(visit)
        self.later(lambda: self.end(visit.request, outcome))

    def restore(self, place: Place, failing: list[Hands]) -> None:
        place.down = False
        for handler in failing:
            handler.up = True
        for line in place.lines:
            self.serve(line)
            self.let_in(line)


def served(handler: Hands) -> list[Visit]:
    """Return those who share the workers."""
    return [v for v in handler.hands if v.state == "working"]
