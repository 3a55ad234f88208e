"""A readable log of every event of a short run, for learning and for finding faults.

The log is written by the very parts that run: each kind of live part has a talking one here, which
says what it does and then does it.
"""

from __future__ import annotations

import simpy

from .clock import Alarm
from .engines.assembly import Assembly
from .ledger import OUTCOMES, Ledger, Request
from .mesh.attempt import Attempt
from .mesh.spans import GraphLedger
from .messaging.message import Message
from .messaging.post import Post
from .scenario import Scenario
from .simulate import check_arguments, run_assembly
from .stations.crew import Workers
from .stations.line import Line, Release
from .stations.service import Service
from .stations.sharing import SharedWorkers

__all__ = ["explain"]


def explain(
    scenario: Scenario, *, seed: int, requests: int | None = 5, until: float | None = None
) -> str:
    """Return a readable log of every event of a short run, one line an event.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    seed : int
        The same seed gives `simulate` the same run.
    requests : int
        How many arrivals.
    until : float, optional
        A time in seconds at which the log ends instead.

    Raises
    ------
    ScenarioError, Deadlock
        As `simulate` does.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Renewal("tick", gap=ml.Deterministic(value=1.0), to="work"),
    ...     ml.Service("work", service_time=ml.Deterministic(value=1.5)),
    ... )
    >>> print(ml.explain(scenario, requests=2, seed=1))
      1.000000  tick #0  arrives
      1.000000  tick #0  starts at work
      2.000000  tick #1  arrives
      2.000000  tick #1  waits at work, 1 in line
      2.500000  tick #0  leaves work: ok, after 1.5 s
      2.500000  tick #1  starts at work
      4.000000  tick #1  leaves work: ok, after 2 s
    """
    if until is not None:
        requests = None
    check_arguments(scenario, seed, requests, until)
    env = simpy.Environment()
    assembly = _Told(env, scenario, seed)
    run_assembly(env, assembly, requests=requests, until=until)
    return "\n".join(assembly.log)


class _Told(Assembly):
    """An assembly whose parts say what they do."""

    def __init__(self, env: simpy.Environment, scenario: Scenario, seed: int) -> None:
        self.log: list[str] = []
        self.requests: dict[int, Request] = {}  # by their row
        self.line_kind = _bound(_ToldLine, self)
        self.workers_kind = _bound(_ToldWorkers, self)
        self.shared_kind = _bound(_ToldShared, self)
        self.ledger_kind = _bound(_ToldLedger, self)
        self.graph_ledger_kind = _bound(_ToldCalls, self)
        self.attempts: dict[int, Request] = {}  # by their row among the visits
        self.post_kind = _bound(_ToldPost, self)
        super().__init__(env, scenario, seed)

    def say(self, request: Request, what: str) -> None:
        """Add a line about `request` to the log."""
        who = f"{self.source_names[request.source]} #{request.number}"
        if request.attempt:
            who += f" (attempt {request.attempt + 1})"
        self.log.append(f"{self.clock.env.now:10.6f}  {who}  {what}")

    def place(self, station: int, endpoint: int) -> str:
        """Return the name of an endpoint: the service's, with a number where there are several."""
        part = self.scenario.stations[station]
        several = isinstance(part, Service) and part.endpoint_count > 1
        return f"{part.name}[{endpoint}]" if several else part.name


def _bound(kind: type, assembly: _Told) -> type:
    """Return a subclass of `kind` whose instances know the assembly that keeps the log."""
    return type(kind.__name__, (kind,), {"assembly": assembly})


class _ToldLedger(Ledger):
    assembly: _Told

    def open(self, source: int, number: int, now: float) -> Request:
        request = super().open(source, number, now)
        self.assembly.requests[request.row] = request
        self.assembly.say(request, "arrives")
        return request


class _ToldCalls(GraphLedger):
    assembly: _Told

    def open(self, source: int, number: int, now: float) -> Request:
        request = super().open(source, number, now)
        self.assembly.requests[request.row] = request
        self.assembly.say(request, "arrives")
        return request

    def send(self, attempt: Attempt, station: int, endpoint: int, now: float) -> None:
        super().send(attempt, station, endpoint, now)
        self.assembly.attempts[attempt.call] = attempt
        if endpoint >= 0:
            self.assembly.say(attempt, f"is sent to {self.assembly.place(station, endpoint)}")

    def back(self, attempt: Attempt, result: int, now: float) -> None:
        super().back(attempt, result, now)
        station = self.assembly.scenario.stations[self.station[attempt.call]].name
        self.assembly.say(attempt, f"comes back to its caller: {OUTCOMES[result]} at {station}")

    def end_call(self, request: Request, outcome: int) -> None:
        self.assembly.say(request, f"ends: {OUTCOMES[outcome]}")
        super().end_call(request, outcome)


class _ToldPost(Post):
    assembly: _Told

    def say(self, message: Message, what: str) -> None:
        who = f"{message.source} #{message.number}"
        self.assembly.log.append(f"{self.clock.env.now:10.6f}  {who}  {what}")


class _ToldLine(Line):
    assembly: _Told

    def offer(self, request: Request, release: Release | None = None) -> bool:
        admitted = super().offer(request, release)
        if not admitted:
            self.assembly.say(request, f"is blocked before {self._where()}")
        return admitted

    def _turn_away(
        self, request: Request, outcome: int, now: float, *, inside: bool = False
    ) -> None:
        self.assembly.say(request, f"ends at {self._where()}: {OUTCOMES[outcome]}")
        super()._turn_away(request, outcome, now)

    def _expire(self, alarm: Alarm) -> None:
        if alarm.subject is not None:
            self.assembly.say(alarm.subject, f"ends at {self._where()}: expired")
        super()._expire(alarm)

    def _take_in(self, request: Request, now: float) -> bool:
        taken = super()._take_in(request, now)
        start = self.ledger.start[request.call]
        if taken and start != start:  # NaN: it was let in, but not started
            many = len(self.waiting)
            self.assembly.say(request, f"waits at {self._where()}, {many} in line")
        return taken

    def _where(self) -> str:
        return self.assembly.place(self.station, self.endpoint)


class _ToldWorkers(Workers):
    assembly: _Told

    def start(self, request: Request, now: float) -> None:
        begun = self._starts[request.call]
        verb = "starts" if begun != begun else "goes on"
        self.assembly.say(request, f"{verb} at {self._where()}")
        super().start(request, now)

    def make_way(self, request: Request, now: float) -> Request | None:
        victim = super().make_way(request, now)
        if victim is not None:
            left = f"{victim.work:.6g} s of work left"
            self.assembly.say(victim, f"is interrupted at {self._where()}, {left}")
        return victim

    def _worked(self, alarm: Alarm) -> None:
        if alarm.subject is not None and self.is_async:
            self.assembly.say(alarm.subject, f"waits for I/O at {self._where()}")
        super()._worked(alarm)

    def _move_up(self, call: int, outcome: int, now: float) -> None:
        _say_left(self.assembly, self.line, call, outcome, now)
        super()._move_up(call, outcome, now)

    def end_crashed(self, request: Request, call: int, now: float) -> None:
        self.assembly.say(request, f"ends at {self._where()}: crashed")
        super().end_crashed(request, call, now)

    def _where(self) -> str:
        return self.assembly.place(self.line.station, self.line.endpoint)


class _ToldShared(SharedWorkers):
    assembly: _Told

    def start(self, request: Request, now: float) -> None:
        super().start(request, now)
        where = self.assembly.place(self.line.station, self.line.endpoint)
        self.assembly.say(request, f"starts at {where}, shared by {self.held()}")

    def _move_up(self, call: int, outcome: int, now: float) -> None:
        _say_left(self.assembly, self.line, call, outcome, now)
        super()._move_up(call, outcome, now)

    def end_crashed(self, request: Request, call: int, now: float) -> None:
        where = self.assembly.place(self.line.station, self.line.endpoint)
        self.assembly.say(request, f"ends at {where}: crashed")
        super().end_crashed(request, call, now)


def _say_left(assembly: _Told, line: Line, call: int, outcome: int, now: float) -> None:
    ledger = assembly.ledger
    request = assembly.attempts.get(call)
    if request is None:
        request = assembly.requests[ledger.call_request[call] if ledger.own_visits else call]
    sent = ledger.sent[call] if ledger.own_visits else request.arrival
    where = assembly.place(line.station, line.endpoint)
    assembly.say(request, f"leaves {where}: {OUTCOMES[outcome]}, after {now - sent:.6g} s")
