"""Calls on the express lane for service graphs: attempts are sent, left, judged, tried again.

The rules are those of `mesh_lab.mesh.calling`, and everything is done in the same order.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from ..clock import EXPIRY, HOP, Alarm
from ..ledger import IN_FLIGHT, OK, OUTCOMES, TIMEOUT
from ..resilience.policy import Policy
from .express_graph_attempts import Attempt, Begin, Ended, Setting
from .express_graph_services import Lane
from .express_graph_ways import BITS, MASK, Way

__all__ = ["entry_of", "live_call"]

FRACTION = 2.0**-20  # of a rank, for each list of deadlines


class Deadlines:
    """When the times of some attempts end: those that have equally long, so that they end in order.

    One alarm does for all, as in `mesh_lab.mesh.calling.Deadlines`.  The list knows attempts by
    their rows, so that those that are answered, which are many, need not be kept until it rings.
    """

    __slots__ = ("_alarm", "_late", "_rank", "_seconds", "_setting", "_waiting", "add", "armed")

    def __init__(
        self,
        setting: Setting,
        number: int,
        seconds: float,
        late: Callable[[Attempt, float], None],
    ) -> None:
        self.armed = False
        self._waiting: deque[int] = deque()
        self.add = self._waiting.append
        self._setting = setting
        self._seconds = seconds
        self._late = late
        self._rank = EXPIRY + (number + 1) * FRACTION
        self._alarm = Alarm(self._ring)

    def arm(self) -> None:
        """Set the alarm for the first."""
        self.armed = True
        self._setting.clock.schedule(self._alarm, self._rank, self._seconds)

    def _ring(self, alarm: Alarm) -> None:
        clock, rows, waiting = self._setting.clock, self._setting.rows, self._waiting
        sent, results, seconds = rows.sent, rows.result, self._seconds
        now = clock.env.now
        alarm.callbacks = alarm.again
        while waiting:
            row = waiting[0]
            if results[row] != IN_FLIGHT:
                waiting.popleft()
            elif sent[row] + seconds <= now:
                waiting.popleft()
                self._late(rows.timed[row], now)
                clock.drain()
            else:
                clock.schedule(alarm, self._rank, sent[row] + seconds - now)
                return
        self.armed = False


def entry_of(setting: Setting) -> Ended:
    """Return what ends the request of a source."""
    ends, outcomes = setting.rows.request_end, setting.rows.request_outcome

    def ended(of: Attempt, result: int, now: float) -> None:
        ends[of.request] = now
        outcomes[of.request] = result

    return ended


def live_call(
    setting: Setting,
    number: int,
    callee: Lane,
    policy: Policy | None,
    *,
    place: int,
    ended: Ended,
    label: str | None = None,
    optional: bool = False,
) -> Begin:
    """Make a declared call live, and return what begins it.

    Parameters
    ----------
    number, place : int
        Among all calls that are declared, and among those of its caller.
    callee, policy
        Who is called, and by which rules.
    ended : callable
        What tells the caller.
    label : str, optional
        What is added to the name of the way that led to its caller; nothing where a source calls.
    optional : bool
        Whether the caller is told of a good end always.
    """
    clock, rows, draws = setting.clock, setting.rows, setting.draws
    env, schedule, agenda = clock.env, clock.schedule, clock.agenda
    numbers, timed = rows.numbers, rows.timed
    sent, requests, parents = rows.sent, rows.call_request, rows.parent
    attempts, stations, endpoints = rows.attempt, rows.station, rows.endpoint
    finishes, outcomes, returned, results = rows.finish, rows.outcome, rows.returned, rows.result
    name, station, go = callee.part.name, callee.station, callee.send
    policy = policy or Policy()
    retries = policy.retries
    timeout = math.inf if policy.timeout is None else policy.timeout
    per_try = math.inf if policy.per_try_timeout is None else policy.per_try_timeout
    propagate = policy.propagate
    times = 0 if retries is None else retries.times
    backoff = None if retries is None else retries.backoff
    on = frozenset(OUTCOMES.index(name) for name in retries.on) if retries else frozenset()

    def way_of(origin: str, visit: int, source: int) -> Way:
        columns = callee.wanted.along(setting, origin, visit, source)
        return Way(origin, visit, source, columns, [None] * callee.places, judge, ended)

    def first_way(before: Way) -> Way:
        origin = before.origin
        if label is not None:
            origin += f":{before.visit}>{label}" if before.visit else f">{label}"
        way = before.further[place] = way_of(origin, 0, before.source)
        return way

    def begin(parent: Attempt, now: float) -> None:
        """Begin a call."""
        end = now + timeout
        if parent.deadline < end:
            end = parent.deadline
        send(parent.way.further[place] or first_way(parent.way), parent, end, 0.0, now)

    def send(way: Way, parent: Attempt, end: float, pause: float, now: float) -> None:
        """Send the next attempt of a call."""
        request = parent.number
        try:
            drawn = way.chunks[request >> BITS]
        except KeyError:
            drawn = way.fill(request >> BITS)
        row = next(numbers)
        try:
            sent[row] = now
        except IndexError:
            rows.more(row)
            sent[row] = now
        requests[row] = parent.request
        parents[row] = parent.row
        if station:
            stations[row] = station
        if way.visit:
            attempts[row] = way.visit
        attempt = Attempt()
        attempt._ok = True
        attempt.way = way
        attempt.parent = parent
        attempt.row = row
        attempt.request = parent.request
        attempt.number = request
        attempt.drawn = drawn
        attempt.at = request & MASK
        attempt.sent = now
        attempt.end = end
        attempt.pause = pause
        attempt.left = False
        attempt.last = last = end <= now + per_try
        due = end if last else now + per_try
        limit = parent.deadline
        attempt.deadline = due if propagate and due < limit else limit
        if due <= now:
            endpoints[row] = -1
            finishes[row] = returned[row] = now
            outcomes[row] = results[row] = TIMEOUT
            agenda.append((not_sent, attempt))
            return
        if due == math.inf:
            attempt.timed = False
        else:
            attempt.timed = True
            timed[row] = attempt
            if not last:
                each.add(row)
                if not each.armed:
                    each.arm()
            elif end == now + timeout:
                whole.add(row)
                if not whole.armed:
                    whole.arm()
            else:
                schedule(Alarm(rung, attempt), EXPIRY, end - now)
        go(attempt, now)

    def not_sent(attempt: Attempt) -> None:
        judge(attempt, TIMEOUT, env.now)

    def rung(alarm: Alarm) -> None:
        attempt: Attempt = alarm.subject
        if attempt.timed:
            too_late(attempt, env.now)
            clock.drain()

    def too_late(attempt: Attempt, now: float) -> None:
        """Leave an attempt whose time is over."""
        del timed[attempt.row]
        attempt.timed = False
        attempt.left = True
        returned[attempt.row] = now
        results[attempt.row] = TIMEOUT
        attempt.proxy.answered(attempt.endpoint, now, now - attempt.sent, 0, 0, math.nan)
        if attempt.last:
            end(attempt, TIMEOUT, now)
        else:
            judge(attempt, TIMEOUT, now)

    def end(attempt: Attempt, result: int, now: float) -> None:
        """End a call, and tell whoever made it."""
        ended(attempt.parent, OK if optional else result, now)

    def judge(attempt: Attempt, result: int, now: float) -> None:
        """Say what follows from the result of an attempt."""
        way = attempt.way
        if result == OK or result not in on or way.visit >= times or now >= attempt.end:
            end(attempt, result, now)
        elif backoff is None:
            agenda.append((again, attempt))
        else:
            if way.jitter is None:
                way.jitter = draws.column("uniform", name, "pause", way.origin, way.visit)
            uniform = way.jitter.at(attempt.number)
            pause = backoff.pause(way.visit + 1, uniform, attempt.pause)
            attempt.pause = pause  # the next attempt takes it over
            if now + pause < attempt.end:
                schedule(Alarm(paused, attempt), HOP, pause)
            else:
                schedule(Alarm(gives_up, attempt), EXPIRY, attempt.end - now)

    def again(attempt: Attempt) -> None:
        """Send the attempt that follows this one."""
        before = attempt.way
        if before.again is None:
            before.again = way_of(before.origin, before.visit + 1, before.source)
        send(before.again, attempt.parent, attempt.end, attempt.pause, env.now)

    def paused(alarm: Alarm) -> None:
        again(alarm.subject)
        clock.drain()

    def gives_up(alarm: Alarm) -> None:
        end(alarm.subject, TIMEOUT, env.now)
        clock.drain()

    each = Deadlines(setting, 2 * number, per_try, too_late)
    whole = Deadlines(setting, 2 * number + 1, timeout, too_late)
    return begin
