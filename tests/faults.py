"""Ways to break the engine, each of which the comparison with the oracle must find.

A fault is a change of one place in the engine's source: the text that is there, and what is put
in its stead.  `planted` compiles the changed module and lends the code of the functions that
differ to those that run, so nothing has to be reloaded and everything is put back afterwards.
When the engine is rewritten and a text is no longer there, `planted` says so.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Fault:
    """`old`, which is in module `where` once, becomes `new`."""

    where: str
    old: str
    new: str


CREW, LINE, SHARING = "stations.crew", "stations.line", "stations.sharing"
DISCIPLINE, SERVICE, CLOCK = "stations.discipline", "stations.service", "clock"
OPEN, CLOSED, ASSEMBLY = "sources.base", "sources.closed", "engines.assembly"
REPLICAS = "stations.replicas"

FAULTS = {
    # the order of events
    "time-to-live before completions": Fault(
        LINE, "schedule(request.timer, EXPIRY,", "schedule(request.timer, 0,"
    ),
    "outages before completions": Fault(
        ASSEMBLY, "schedule(Alarm(ring), OUTAGE,", "schedule(Alarm(ring), 0,"
    ),
    "users wake after open sources": Fault(
        CLOSED,
        "schedule(Alarm(self._wake, number), WAKE,",
        "schedule(Alarm(self._wake, number), 99,",
    ),
    "sources in the wrong order": Fault(
        OPEN, "self._rank = SOURCE + index", "self._rank = SOURCE + 50 - index"
    ),
    "the agenda from its end": Fault(CLOCK, "agenda.popleft()", "agenda.pop()"),
    "I/O is scheduled after the line was served": Fault(
        CREW,
        """            self.hands[request.call] = self._wait(request)
            self.free = self._startable()
            self.line.serve(now)
""",
        """            self.hands[request.call] = None
            self.free = self._startable()
            self.line.serve(now)
            self.hands[request.call] = self._wait(request)
""",
    ),
    # who is next, who is interrupted
    "first in, first out among equals becomes last in": Fault(
        DISCIPLINE,
        "heappush(self._heap, (self._key(request), request.order, request))",
        "heappush(self._heap, (self._key(request), -request.order, request))",
    ),
    "a random line closes up": Fault(
        DISCIPLINE,
        """        last = self.pop()
        if last is not request:
            self[request.slot] = last
            last.slot = request.slot
""",
        """        list.remove(self, request)
""",
    ),
    "the first started is interrupted": Fault(
        CREW,
        "alarm.subject.priority >= victim.priority",
        "alarm.subject.priority > victim.priority",
    ),
    "equals are interrupted, too": Fault(
        CREW, "victim.priority <= request.priority", "victim.priority < request.priority"
    ),
    "the interrupted one begins anew": Fault(
        CREW, "victim.work = victim.due - now", "victim.work = victim.work"
    ),
    "the interrupted one goes to the end of its class": Fault(
        LINE,
        "            if victim is not None:\n",
        "            if victim is not None:\n                victim.order = request.order + 0.5\n",
    ),
    # processor sharing
    "shared among one too many": Fault(
        SHARING, "        n = len(self._served)\n", "        n = len(self._served) + 1\n"
    ),
    "virtual time is not set to the tag": Fault(
        SHARING,
        "        self.virtual = tag if self._served else 0.0\n",
        "        self._advance(now)\n",
    ),
    "virtual time goes on when nobody is there": Fault(
        SHARING, "self.virtual = tag if self._served else 0.0", "self.virtual = tag"
    ),
    # room
    "one too many may wait": Fault(
        LINE, "        if in_all >= self.room:\n", "        if in_all > self.room:\n"
    ),
    "capacity counts only those who wait": Fault(
        LINE, "if self.limits_total else len(self.waiting)", "if False else len(self.waiting)"
    ),
    "the second oldest is dropped": Fault(
        DISCIPLINE,
        "        return self[min(self)]\n",
        "        return self[sorted(self)[:2][-1]]\n",
    ),
    "a blocked producer overtakes another": Fault(
        LINE,
        "            request, release = producers.popleft()\n",
        "            producers.rotate(1)\n            request, release = producers.popleft()\n",
    ),
    "blocked producers come in before the waiting move up": Fault(
        CREW,
        """        self.let_go(call)
        line.serve(now)
        if line.producers:
            line.let_in(now)
""",
        """        self.let_go(call)
        if line.producers:
            line.let_in(now)
        line.serve(now)
""",
    ),
    "nobody is let in when one expires": Fault(
        LINE,
        "        self.let_in(now)\n        self.answer(request, EXPIRED, now)\n",
        "        self.answer(request, EXPIRED, now)\n",
    ),
    "the worker does not wait until it is released": Fault(
        CREW,
        "        elif onward.arrive(request, partial(self._released, call)):\n",
        "        elif onward.arrive(request) or True:\n",
    ),
    "a batch goes on though one is blocked": Fault(
        OPEN,
        """            if not place.arrive(request, self._released):
                return
""",
        """            if not place.arrive(request, self._released) and not self._left:
                return
""",
    ),
    # time-to-live
    "who was started expires all the same": Fault(
        LINE,
        "        request.timer.subject = None  # abandoned: it is still in the heap\n",
        "",
    ),
    # draws
    "every visit draws the same": Fault(
        LINE, "request.visit = request.visits.get(station, 0)", "request.visit = 0"
    ),
    "users' draws are numbered by user": Fault(
        CLOSED, "self._think(request.number + self.users)", "self._think(request.number + 1)"
    ),
    # balancing
    "the balancer is told of completions only": Fault(
        REPLICAS,
        "self.view.outstanding[balancer * self.stride + endpoint] -= 1",
        "self.view.outstanding[balancer * self.stride + endpoint] -= outcome == OK",
    ),
    "the last drawn is kept on ties": Fault(
        "balancing.few",
        "if values[base + other] < values[base + best]:",
        "if values[base + other] <= values[base + best]:",
    ),
    # handlers
    "one more at once than concurrency": Fault(
        CREW, "self.concurrency - len(self.hands)", "self.concurrency + 1 - len(self.hands)"
    ),
    "an outage spares what is blocked": Fault(
        CREW,
        "            self.end_crashed(",
        "            alarm is None or self.end_crashed(",
    ),
    "an outage does not start the waiting afterwards": Fault(
        CREW,
        """        self.free = self._startable()
        self.line.serve(now)
        self.line.let_in(now)
""",
        """        self.free = self._startable()
""",
    ),
    "until includes its moment": Fault(
        CLOCK, "self.env.schedule(limit, simpy.events.URGENT,", "self.env.schedule(limit, 99,"
    ),
}


@contextmanager
def planted(name: str, faults: Mapping[str, Fault] = FAULTS) -> Iterator[None]:
    """Run the engine with fault `name` of `faults`."""
    fault = faults[name]
    module = importlib.import_module(f"mesh_lab.{fault.where}")
    source = inspect.getsource(module)
    if source.count(fault.old) != 1:
        raise LookupError(
            f"fault {name!r}: mesh_lab.{fault.where} has its text {source.count(fault.old)} times, "
            f"but must have it once; the engine was rewritten, so adapt the fault:\n{fault.old}"
        )
    wrong = compile(source.replace(fault.old, fault.new), str(module.__file__), "exec")
    changed: list[tuple[FunctionType, CodeType]] = []
    for code in _functions(wrong):
        function = _named(module, code.co_qualname)
        if function is not None and _differ(function.__code__, code):
            changed.append((function, function.__code__))
            function.__code__ = code
    assert changed, f"fault {name!r} changes no function of mesh_lab.{fault.where}"
    try:
        yield
    finally:
        for function, right in changed:
            function.__code__ = right


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of the functions and methods of a module."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            is_class = not constant.co_flags & inspect.CO_OPTIMIZED
            if is_class:
                yield from _functions(constant)
            else:
                yield constant


def _named(module: ModuleType, name: str) -> FunctionType | None:
    found: Any = module
    for step in name.split("."):
        found = inspect.getattr_static(found, step, None)
    return found if isinstance(found, FunctionType) else None


def _differ(one: CodeType, other: CodeType) -> bool:
    """Say whether two pieces of code do different things, wherever they stand in the file."""

    def does(code: CodeType) -> tuple[Any, ...]:
        constants = tuple(does(c) if isinstance(c, CodeType) else c for c in code.co_consts)
        return code.co_code, constants, code.co_names, code.co_varnames

    return does(one) != does(other)
