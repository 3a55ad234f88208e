"""Services on the express lane for service graphs: the way there, the line, the work, the calls.

A service does what `mesh_lab.mesh.upstream`, `mesh_lab.stations.line` and `mesh_lab.stations.crew`
do, in the same order, where a line is first in, first out, turns away what finds no room, and is
never down.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from ..balancing import Balancer
from ..clock import COMPLETION, HOP
from ..ledger import CANCELLED, FAILED, OK, REJECTED
from ..stations.service import Service
from .express_graph_attempts import Attempt, Begin, Ended, Setting, call_now
from .express_graph_proxies import Proxy
from .express_graph_ways import Wanted
from .keys import key_hashes

__all__ = ["Lane", "Made", "Step", "serving"]

Made = tuple[Begin, int, float]  # what begins it, its draw (-1: none), its probability
Step = tuple[Begin | None, list[Made]]  # what begins the only call, if there is one for sure; all


class Lane:
    """A service at work.

    Attributes
    ----------
    part : Service
        What was declared.
    station : int
        Its number.
    wanted : Wanted
        What is drawn for an attempt here.
    steps, places : list of Step, int
        The calls that it makes, and how many these are at most.
    send : callable
        Sends an attempt to an endpoint.
    call_ended : callable
        Takes the result of a call that it has made.
    """

    send: Begin
    call_ended: Ended

    def __init__(self, part: Service, station: int) -> None:
        self.part = part
        self.station = station
        self.wanted = Wanted(part.name)
        self.steps: list[Step] = []
        self.places = 0


def serving(setting: Setting, part: Service, station: int) -> Lane:
    """Make a service live."""
    lane = Lane(part, station)
    clock, rows, steps, wanted = setting.clock, setting.rows, lane.steps, lane.wanted
    env, schedule, agenda = clock.env, clock.schedule, clock.agenda
    endpoints, arrivals, starts, finishes = rows.endpoint, rows.arrival, rows.start, rows.finish
    worked, outcomes, keys = rows.worked, rows.outcome, rows.request_key
    returned, results, timed = rows.returned, rows.result, rows.timed
    rule = part.balancer
    assert isinstance(rule, Balancer)
    picks = rule.draws
    for k in range(picks):  # the first ones
        wanted.chance(f"balance{k}" if k else "balance")
    at_work = wanted.column(part.service_time, "service")
    at_failure = wanted.chance("failure") if part.failure > 0.0 else -1
    at_proxy = wanted.chance("proxy") if part.proxies > 1 else -1
    forward, at_forward = wanted.delay(part.forward_delay, "forward")
    back, at_back = wanted.delay(part.return_delay, "return")
    proxies = [Proxy(setting, part, number) for number in range(part.proxies)]
    first, count, failure, oracle = proxies[0], part.proxies, part.failure, rule.oracle
    hears = first.told is not None  # of answers
    hashes = None
    if rule.hashes:
        hashes = [each.tolist() for each in key_hashes(setting.scenario, rule)]
    room = math.inf if part.capacity is None else part.capacity
    concurrency = math.inf if part.concurrency is None else part.concurrency
    asynchronous, notices = part.mode == "async", part.notices
    waiting: list[deque[Attempt]] = [deque() for _ in part.ever]
    free: list[Any] = [min(part.workers, concurrency)] * len(waiting)  # how many could be started
    idle, inside = [part.workers] * len(waiting), [0] * len(waiting)  # where it is asynchronous
    speeds = [endpoint.speed for endpoint in part.ever]
    capacity = [part.workers * speed for speed in speeds]

    # -- getting in ------------------------------------------------------------------------------

    def send(attempt: Attempt, now: float) -> None:
        """Send an attempt to an endpoint."""
        drawn, at = attempt.drawn, attempt.at
        proxy = first if at_proxy < 0 else proxies[int(drawn[at_proxy][at] * count)]
        view = proxy.view
        if oracle:
            view.job[0] = drawn[at_work][at]
        uniforms: Any = ()
        if picks == 2:  # the usual number
            uniforms = drawn[0][at], drawn[1][at]
        elif picks:
            uniforms = [column[at] for column in drawn[:picks]]
        key = 0 if hashes is None else hashes[attempt.way.source][keys[attempt.request]]
        endpoint = proxy.pick(proxy.state, view, 0, uniforms, now, key)
        proxy.outstanding[endpoint] += 1
        attempt.proxy = proxy
        attempt.endpoint = endpoints[attempt.row] = endpoint
        if proxy.sent is not None:
            proxy.sent(proxy.state, view, 0, endpoint, now)
        if proxy.alarms[0] or proxy.cursor[0]:
            proxy.settle(now)
        if forward is None:
            enter(attempt, endpoint, now)
            return
        attempt.callbacks = reaching
        schedule(attempt, HOP, forward if at_forward < 0 else drawn[at_forward][at])

    def reach(attempt: Attempt) -> None:
        now = env.now
        if attempt.left and notices:
            finishes[attempt.row] = now
            outcomes[attempt.row] = CANCELLED
            return
        enter(attempt, attempt.endpoint, now)
        if agenda:
            clock.drain()

    def enter(attempt: Attempt, endpoint: int, now: float) -> None:
        """Start an attempt, let it wait, or turn it away."""
        row = attempt.row
        if free[endpoint] > 0:
            arrivals[row] = now
            if oracle:
                welcome(attempt, endpoint, now)
            start(attempt, endpoint, now)
        elif len(waiting[endpoint]) < room:
            arrivals[row] = now
            if oracle:
                welcome(attempt, endpoint, now)
            waiting[endpoint].append(attempt)
        else:
            finishes[row] = now
            outcomes[row] = REJECTED
            if not attempt.left:
                answer(attempt, REJECTED, now, 0)

    def welcome(attempt: Attempt, endpoint: int, now: float) -> None:
        work = attempt.drawn[at_work][attempt.at] / capacity[endpoint]
        for proxy in proxies:
            proxy.entered(attempt, endpoint, now, work)

    # -- service ---------------------------------------------------------------------------------

    def start(attempt: Attempt, endpoint: int, now: float) -> None:
        """Begin to work on an attempt."""
        starts[attempt.row] = now
        if asynchronous:
            idle[endpoint] -= 1
            inside[endpoint] += 1
            free[endpoint] = min(idle[endpoint], concurrency - inside[endpoint])
        else:
            free[endpoint] -= 1
        attempt.callbacks = done
        schedule(attempt, COMPLETION, attempt.drawn[at_work][attempt.at] / speeds[endpoint])

    def serve(endpoint: int, now: float) -> None:
        """Start those who wait, as far as workers can take them."""
        line = waiting[endpoint]
        while line and free[endpoint] > 0:
            attempt = line.popleft()
            if attempt.left and notices:
                finishes[attempt.row] = now
                outcomes[attempt.row] = CANCELLED
                if oracle:
                    farewell(attempt, endpoint, now)
            else:
                start(attempt, endpoint, now)

    def work_is_done(attempt: Attempt) -> None:
        now = env.now
        if asynchronous:
            endpoint = attempt.endpoint
            worked[attempt.row] = now
            idle[endpoint] += 1
            free[endpoint] = min(idle[endpoint], concurrency - inside[endpoint])
            serve(endpoint, now)
        if at_failure >= 0 and attempt.drawn[at_failure][attempt.at] < failure:
            leave(attempt, FAILED, now)
        elif steps:
            attempt.step = -1
            attempt.open = 0
            attempt.failed = False
            make_calls(attempt, now)
        else:
            leave(attempt, OK, now)
        if agenda:
            clock.drain()

    def make_calls(attempt: Attempt, now: float) -> None:
        """Make the calls of the next step; leave after the last, or if one has failed."""
        if attempt.failed:
            leave(attempt, FAILED, now)
            return
        while True:
            attempt.step += 1
            if attempt.step == len(steps):
                leave(attempt, OK, now)
                return
            sole, calls = steps[attempt.step]
            if sole is not None and not agenda:
                attempt.open = 1
                sole(attempt, now)
                return
            begins = [
                begin
                for begin, chance, probability in calls
                if chance < 0 or attempt.drawn[chance][attempt.at] < probability
            ]
            if begins:
                break
        attempt.open = len(begins)
        for begin in begins:
            agenda.append((call_now, (begin, attempt, now)))

    def call_ended(attempt: Attempt, result: int, now: float) -> None:
        """Take the result of a call that `attempt` has made."""
        attempt.open -= 1
        if result != OK:
            attempt.failed = True
        if not attempt.open:
            if agenda:
                agenda.append((go_on, attempt))
            else:
                make_calls(attempt, now)

    def go_on(attempt: Attempt) -> None:
        make_calls(attempt, env.now)

    # -- leaving ---------------------------------------------------------------------------------

    def leave(attempt: Attempt, outcome: int, now: float) -> None:
        """End a visit: free what it holds, serve the line, answer."""
        row, endpoint = attempt.row, attempt.endpoint
        finishes[row] = now
        outcomes[row] = outcome
        if asynchronous:
            inside[endpoint] -= 1
            free[endpoint] = min(idle[endpoint], concurrency - inside[endpoint])
        else:
            free[endpoint] += 1
        if waiting[endpoint]:
            serve(endpoint, now)
        behind = farewell(attempt, endpoint, now) if oracle else 0
        if not attempt.left:
            answer(attempt, outcome, now, behind)

    def farewell(attempt: Attempt, endpoint: int, now: float) -> int:
        return [proxy.left(attempt, endpoint, now) for proxy in proxies][-1]

    def answer(attempt: Attempt, outcome: int, now: float, behind: int) -> None:
        """Let the response go back to the caller, who waits for it."""
        seconds = now - starts[attempt.row] if hears else math.nan
        if back is None:
            arrive(attempt, outcome, now, behind, seconds)
            return
        attempt.behind = behind
        attempt.worked = seconds
        attempt.callbacks = landing
        schedule(attempt, COMPLETION, back if at_back < 0 else attempt.drawn[at_back][attempt.at])

    def land(attempt: Attempt) -> None:
        if attempt.left:
            return
        outcome = outcomes[attempt.row]
        arrive(attempt, outcome, env.now, attempt.behind, attempt.worked)
        if agenda:
            clock.drain()

    def arrive(attempt: Attempt, outcome: int, now: float, behind: int, seconds: float) -> None:
        """Take the response, unless the caller has left meanwhile."""
        row, proxy = attempt.row, attempt.proxy
        if hears:
            ok = 1 if outcome == OK else 0
            proxy.answered(attempt.endpoint, now, now - attempt.sent, ok, behind, seconds)
        else:
            proxy.outstanding[attempt.endpoint] -= 1
        if attempt.timed:
            attempt.timed = False
            del timed[row]
        returned[row] = now
        results[row] = outcome
        if agenda or outcome == REJECTED:
            agenda.append((judged, attempt))
        elif outcome == OK:
            attempt.way.ended(attempt.parent, OK, now)
        else:
            attempt.way.judge(attempt, outcome, now)

    def judged(attempt: Attempt) -> None:
        attempt.way.judge(attempt, results[attempt.row], env.now)

    reaching, done, landing = (reach,), (work_is_done,), (land,)
    lane.send, lane.call_ended = send, call_ended
    return lane
