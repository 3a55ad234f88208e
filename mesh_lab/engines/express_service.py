"""A service on the express lane: one balancer, lasting endpoints, first come first served.

Everything that the balancing rule hears of is told as `mesh_lab.stations.replicas` tells it, and in
the same order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

from ..balancing import Balancer
from ..balancing.eligible import Eligible
from ..balancing.rule import OWN_DRAWS, Lists
from ..clock import CHANGE, COMPLETION, Alarm, Clock
from ..draws import Draws
from ..ledger import OK, REJECTED, Ledger
from ..scenario import Scenario
from ..stations.balancers import Balancers
from ..stations.service import Service
from .keys import key_hashes

__all__ = ["balanced", "plain_choice"]

Send = Callable[[int, int, float, float], None]  # (row, source, work, now)


def plain_choice(service: Service) -> bool:
    """Whether the lane can do what the service's balancer does."""
    return service.is_line or (
        isinstance(service.balancer, Balancer)
        and not service.changes
        and not service.delays
        and service.proxies == 1
        and service.eligible == Eligible()
        and all(endpoint.priority == 0 for endpoint in service.endpoints)
    )


class _Fields:
    """The fields of a named tuple as attributes, which Python finds in half the time."""

    def __init__(self, of: Any) -> None:
        for name, value in of._asdict().items():
            setattr(self, name, value)


def balanced(
    clock: Clock, ledger: Ledger, draws: Draws, scenario: Scenario, service: Service, index: int
) -> Send:
    """Return the function that sends a request to the service, which is number `index`."""
    env, schedule = clock.env, clock.schedule
    starts, finishes, outcomes = ledger.start, ledger.finish, ledger.outcome
    stations, endpoints, made = ledger.station, ledger.endpoint, ledger.request_arrival
    room = math.inf if service.capacity is None else service.capacity
    rule = service.balancer
    assert isinstance(rule, Balancer)
    own = iter(draws.column("uniform", service.name, "own", ""))
    balancers = Balancers(service, Lists(), own)
    rules = balancers.state
    view: Any = _Fields(balancers.view)
    state = _Fields(rules)
    outstanding, there, busy_until = view.outstanding, view.there, view.busy_until
    alarms, cursor, job = view.alarms, view.cursor, view.job
    pick = rules.pick
    sent, told = getattr(rules, "sent", None), getattr(rules, "answered", None)
    came, left = getattr(rules, "arrived", None), getattr(rules, "left", None)
    oracle = rule.oracle
    # every request of a source comes here, so its draws are wanted one after the other
    purposes = [f"balance{k}" if k else "balance" for k in range(rule.draws)]
    columns = [
        [draws.column("uniform", service.name, purpose, source.name) for purpose in purposes]
        for source in scenario.sources
    ]
    drawn = [zip(*some, strict=True).__next__ for some in columns] if purposes else None
    hashes = [h.tolist() for h in key_hashes(scenario, rule)] if rule.hashes else None
    keys = ledger.request_key
    lines: list[deque[tuple[int, float]]] = [deque() for _ in service.ever]
    free = [service.workers] * len(lines)
    speeds = [endpoint.speed for endpoint in service.ever]
    capacity = [service.workers * speed for speed in speeds]
    spare: list[Alarm] = []
    met: dict[int, int] = {}  # row: how many it met at its endpoint

    def settle(now: float) -> None:
        for k in range(alarms[0]):
            delay = max(view.alarm_times[k] - now, 0.0)
            schedule(Alarm(ring, view.alarm_codes[k]), CHANGE, delay)
        alarms[0] = 0
        if cursor[0]:
            balancers.supply(OWN_DRAWS)

    def ring(alarm: Alarm) -> None:
        if clock.stopped and not any(outstanding):
            return  # nobody is left to balance
        now = env.now
        rules.alarm(state, view, alarm.subject, now)
        settle(now)

    def send(row: int, source: int, work: float, now: float) -> None:
        uniforms = () if drawn is None else drawn[source]()
        if oracle:
            job[0] = work
        key = 0 if hashes is None else hashes[source][keys[row]]
        endpoint = pick(state, view, 0, uniforms, now, key)
        outstanding[endpoint] += 1
        if index:
            stations[row] = index
        endpoints[row] = endpoint
        if sent is not None:
            sent(state, view, 0, endpoint, now)
        if alarms[0] or cursor[0]:
            settle(now)
        waiting = lines[endpoint]
        if not free[endpoint] and len(waiting) >= room:
            finishes[row] = now
            outcomes[row] = REJECTED
            outstanding[endpoint] -= 1
            if told is not None:
                told(state, view, 0, endpoint, now, 0.0, 0, 0, math.nan)
                settle(now)
            return
        if oracle:
            met[row] = there[endpoint]
            there[endpoint] += 1
            busy = busy_until[endpoint]
            busy_until[endpoint] = (busy if busy > now else now) + work / capacity[endpoint]
            if came is not None:
                came(state, view, endpoint, now)
                if alarms[0] or cursor[0]:
                    settle(now)
        if free[endpoint]:
            free[endpoint] -= 1
            starts[row] = now
            alarm = spare.pop() if spare else Alarm(done)
            alarm.subject = row
            schedule(alarm, COMPLETION, work / speeds[endpoint])
        else:
            waiting.append((row, work))

    def done(alarm: Alarm) -> None:
        alarm.callbacks = alarm.again
        row = alarm.subject
        now = env.now
        finishes[row] = now
        outcomes[row] = OK
        endpoint = endpoints[row]
        waiting = lines[endpoint]
        if waiting:
            following, work = waiting.popleft()
            starts[following] = now
            alarm.subject = following
            schedule(alarm, COMPLETION, work / speeds[endpoint])
        else:
            free[endpoint] += 1
            spare.append(alarm)
        behind = 0
        if oracle:
            there[endpoint] -= 1
            behind = there[endpoint]
            if not behind:
                busy_until[endpoint] = now
            found = met.pop(row)
            if left is not None:
                left(state, view, endpoint, now, now - made[row], found)
                if alarms[0] or cursor[0]:
                    settle(now)
        outstanding[endpoint] -= 1
        if told is not None:
            worked = now - starts[row]
            told(state, view, 0, endpoint, now, now - made[row], 1, behind, worked)
            if alarms[0] or cursor[0]:
                settle(now)

    settle(0.0)
    return send
