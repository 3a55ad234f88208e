"""An express lane on SimPy for the commonest service graphs: calls, timeouts, retries.

It gives the same rows as `mesh_lab.mesh` and `mesh_lab.stations`, which can do everything, several
times as quickly, because what such a scenario cannot do is not asked about for each attempt: nobody
is told to stop, no call has two attempts out, no endpoint changes, every line is first in, first
out.  So a call is what its attempt knows of it, and an attempt is one small object, which is also
the event that SimPy schedules.

What follows in the same instant is done at once where the agenda is empty and the event has nothing
else left to do, which is the order in which the agenda would do it.  It goes on the agenda where
several calls are made together, and where an attempt is turned away or tried again at once: this
also keeps Python's stack short, whatever happens in one instant.

`fits` says which scenarios may take the lane, `run` runs them.  Sources are here, calls in
`mesh_lab.engines.express_graph_calls`, services in `mesh_lab.engines.express_graph_services`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import simpy

from ..balancing import Balancer
from ..clock import SOURCE, Alarm, Clock
from ..distributions import Distribution
from ..draws import Draws
from ..resilience.policy import Policy, Retries
from ..scenario import Scenario
from ..sources.base import OpenSource, Source, pick_by
from ..stations.calls import Call, all_calls
from ..stations.endpoints import Endpoint
from ..stations.service import Service
from .calls import call_names
from .express_graph_attempts import Attempt, Begin, Rows, Setting, call_now
from .express_graph_calls import entry_of, live_call
from .express_graph_services import Lane, Made, serving
from .express_graph_ways import Way
from .keys import KeyNumbers

__all__ = ["fits", "run"]

DEEPEST = 50  # services that call one another: each takes a few frames of Python's stack

# the fields that the lane knows; all others must be as they are by default
_KNOWN = {
    Service: "name replicas endpoints workers service_time balancer proxies forward_delay "
    "return_delay policy cancelled capacity mode concurrency calls failure",
    Endpoint: "name weight speed zone",
    Policy: "timeout per_try_timeout retries propagate",
    Retries: "times on backoff",
    Call: "service probability optional policy",
    # classes matter to disciplines that the lane does not have, subjects to topics
    Source: "name to priority deadline key subject",
}


def fits(scenario: Scenario) -> bool:
    """Return whether the express lane gives this scenario's rows."""
    return (
        bool(scenario.called)
        and all(isinstance(part, Source | Service) for part in scenario.parts)
        and all(isinstance(source, OpenSource) for source in scenario.sources)
        and all(_plain(source, Source) for source in scenario.sources)
        and all(part.name in scenario.called for part in scenario.stations)
        and all(_plain_service(part) for part in scenario.stations)
        and _depth(scenario) <= DEEPEST
    )


def _plain_service(part: Any) -> bool:
    calls = list(all_calls(part.calls))
    policies = [part.policy, *(call.policy for call in calls)]
    return (
        _plain(part, Service)
        and (part.service_time is None or isinstance(part.service_time, Distribution))
        and isinstance(part.balancer, Balancer)
        and part.cancelled != "stop"
        and all(_plain(endpoint, Endpoint) for endpoint in part.endpoints)
        and all(_plain(call, Call) for call in calls)
        and all(_plain(policy, Policy) for policy in policies if policy)
        and all(_plain(policy.retries, Retries) for policy in policies if policy and policy.retries)
    )


def _plain(part: Any, kind: type[Any]) -> bool:
    """Whether all fields of a part but the known ones are as they are by default."""
    known = _KNOWN[kind].split()
    for field in dataclasses.fields(kind):
        if field.name not in known:
            made: Any = field.default_factory
            default = field.default if made is dataclasses.MISSING else made()
            if getattr(part, field.name) != default:
                return False
    return type(part) is kind or kind is Source


def _depth(scenario: Scenario) -> int:
    """Return how many services call one another, one below the other; too many in a circle."""
    callees = {
        part.name: {call.service for call in all_calls(part.calls)} for part in scenario.crews
    }
    depth = 0
    while callees:
        depth += 1
        called = set().union(*callees.values())
        left = {name: callees[name] for name in callees if name in called}
        if len(left) == len(callees):
            return DEEPEST + 1
        callees = left
    return depth


def run(
    env: simpy.Environment,
    scenario: Scenario,
    seed: int,
    *,
    requests: int | None,
    until: float | None,
    arrived: Callable[[], object] | None = None,
) -> Rows:
    """Run the scenario; `arrived` is called at every arrival.  Arguments as for `simulate`."""
    clock = Clock(env)
    rows = Rows(
        clock,
        visits=True,
        rows=requests,
        io=scenario.waits_for_io,
        delays=True,
        keys=scenario.keyed,
    )
    setting = Setting(clock, rows, Draws(seed), scenario)
    lanes, entries = _services(setting)
    roots = [
        Way(source.name, 0, index, [], [None] * len(lanes))
        for index, source in enumerate(scenario.sources)
    ]
    left = len(scenario.sources)

    def over() -> None:
        nonlocal left
        left -= 1
        clock.stopped = clock.stopped or left == 0

    for index, source in enumerate(scenario.sources):
        assert isinstance(source, OpenSource)
        _feed(setting, source, roots[index], entries, requests, arrived, over)
    env.run(until)
    rows.calls = next(rows.numbers)
    return rows


def _services(setting: Setting) -> tuple[dict[str, Lane], dict[str, Begin]]:
    """Make the services live, and their calls; return also how sources call them."""
    parts = [part for part in setting.scenario.stations if isinstance(part, Service)]
    lanes = {part.name: serving(setting, part, station) for station, part in enumerate(parts)}
    ended = entry_of(setting)
    entries = {
        part.name: live_call(
            setting, station, lanes[part.name], part.policy, place=station, ended=ended
        )
        for station, part in enumerate(parts)
    }
    number = len(parts)  # calls are counted behind the entries
    for part in parts:
        lane = lanes[part.name]
        for step in call_names(part.calls):
            made: list[Made] = []
            for call, name in step:
                callee = lanes[call.service]
                policy = call.policy or callee.part.policy
                begin = live_call(
                    setting,
                    number,
                    callee,
                    policy,
                    place=lane.places,
                    label=part.name + name.removeprefix(call.service),
                    optional=call.optional,
                    ended=lane.call_ended,
                )
                chance = lane.wanted.chance(f"call:{name}") if call.probability < 1.0 else -1
                made.append((begin, chance, call.probability))
                number += 1
                lane.places += 1
            certain = len(made) == 1 and made[0][1] < 0
            lane.steps.append((made[0][0] if certain else None, made))
    return lanes, entries


def _feed(
    setting: Setting,
    source: OpenSource,
    root: Way,
    entries: dict[str, Begin],
    requests: int | None,
    arrived: Callable[[], object] | None,
    over: Callable[[], None],
) -> None:
    """Make a source live."""
    clock, rows, index = setting.clock, setting.rows, root.source
    env, schedule, agenda, rank = clock.env, clock.schedule, clock.agenda, SOURCE + index
    made, sources, keys = rows.request_arrival, rows.request_source, rows.request_key
    gaps, sizes = source.gaps(setting.draws), source.sizes(setting.draws)
    keyed = _keys(setting.draws, source)
    due = _deadlines(setting.draws, source)
    choose = _choice(setting.draws, source, entries)
    number = 0

    def request(now: float) -> tuple[Begin, Attempt]:
        nonlocal number
        row = rows.requests
        rows.requests = row + 1
        try:
            made[row] = now
        except IndexError:
            rows.grow(row)
            made[row] = now
        sources[row] = index
        if keyed is not None:
            keys[row] = int(next(keyed))
        of = Attempt()
        of.way = root
        of.row = -1
        of.number = number
        of.request = row
        of.deadline = now + next(due)
        number += 1
        if arrived is not None:
            arrived()
        if row + 1 == requests:
            clock.stopped = True
        return choose(), of

    def fire(alarm: Alarm) -> None:
        alarm.callbacks = again
        if clock.stopped:
            return
        now = env.now
        if sizes is None:
            begin, of = request(now)
        else:
            for _ in range(next(sizes)):
                agenda.append((call_now, (*request(now), now)))
                if clock.stopped:
                    break
        if not clock.stopped:
            gap = next(gaps, None)
            if gap is not None:
                schedule(alarm, rank, gap)
            else:
                over()
        if sizes is None:
            begin(of, now)
        if agenda:
            clock.drain()

    alarm = Alarm(fire)
    again = alarm.again
    first = next(gaps, None)
    if first is not None:
        schedule(alarm, rank, first)
    else:
        over()


def _keys(draws: Draws, source: OpenSource) -> Iterator[float] | None:
    """The numbers of the keys of a source's requests, in order."""
    if source.key is None:
        return None
    return iter(draws.column(KeyNumbers(source.key), source.name, "key", source.name))


def _deadlines(draws: Draws, source: OpenSource) -> Iterator[float]:
    """How many seconds after its arrival each request of a source should be done."""
    deadline = source.deadline
    if isinstance(deadline, Distribution):
        return iter(draws.column(deadline, source.name, "deadline", source.name))
    return repeat(math.inf if deadline is None else deadline)


def _choice(draws: Draws, source: OpenSource, entries: dict[str, Begin]) -> Callable[[], Begin]:
    """Return what gives the call that the next request of a source makes."""
    to = source.to
    if isinstance(to, str):
        return repeat(entries[to]).__next__
    choose = pick_by(list(to), list(to.values()))
    uniforms = iter(draws.column("uniform", source.name, "route", source.name))

    def chosen() -> Begin:
        name = choose(next(uniforms))
        assert name is not None  # probabilities of a source add up to 1
        return entries[name]

    return chosen
