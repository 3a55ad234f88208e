"""Calls at work: who is called, when an attempt is given up, when another follows.

A call goes through these states.  What is done in one instant goes on the agenda of the clock, so
nothing here calls itself.

=============  ===========================  =======================================================
state          what happens                 what follows
=============  ===========================  =======================================================
an attempt is  a good answer                the call is ``ok``; other attempts are cancelled
out            a bad one, to be tried       a pause, if there is one, and the next attempt; with a
               again                        hedge, the next attempt at once
               a bad one                    the call ends with it, once no attempt is out
               the attempt's time is over   the caller leaves; then as after a bad answer
               the call's time is over      the caller leaves all attempts; the call ends
a pause        its end                      the next attempt
               the call's time is over      the call ends
either         the caller itself is gone    the caller leaves all attempts; the call ends
=============  ===========================  =======================================================

A caller that leaves closes its stream: the attempt is no longer outstanding, its balancer is told
of a bad answer, and what the callee does then is the callee's business (`Service.cancelled`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..clock import EXPIRY, HOP, Alarm, Clock
from ..errors import Deadlock
from ..ledger import CANCELLED, FAILED, IN_FLIGHT, OK, OUTCOMES, TIMEOUT, Request
from ..resilience.policy import Policy
from .attempt import Attempt
from .spans import GraphLedger

__all__ = [
    "Callee",
    "Caller",
    "Calling",
    "Chooser",
    "Deadlines",
    "Errand",
    "Errands",
    "LiveCall",
    "LivePolicy",
]

Drawn = Callable[[Request], float]

MOST_DEEP = 2_000  # calls on one way; the name of each way is as long as it is deep
_FRACTION = 2.0**-20  # of a rank, for each list of deadlines


class Callee(Protocol):
    """A service that can be called."""

    name: str
    station: int

    def send(self, attempt: Attempt, now: float) -> None:
        """Send `attempt` to an endpoint; it will come back to `Caller.answered`."""
        ...

    def leave(self, attempt: Attempt, result: int, now: float) -> None:
        """Close the stream of `attempt`, whose caller does not wait for it any more."""
        ...

    def may_retry(self, attempt: Attempt, now: float) -> bool:
        """Take a retry out of the budget of the proxy that has sent `attempt`, if there is one."""
        ...

    def retry_ended(self, sender: int) -> None:
        """Give a retry back to the budget of a proxy."""
        ...


class Chooser(Protocol):
    """A route: which of its services is called for a request, and which get a copy."""

    def destination(self, request: Request, suffix: str) -> str:
        """Return the service that is called."""
        ...

    def mirrored(self, request: Request, suffix: str) -> list[str]:
        """Return the services that get a copy."""
        ...


class LivePolicy:
    """The numbers of a policy, ready to be used.

    Parameters
    ----------
    policy : Policy or None
        None: one attempt, and no end of waiting.
    jitter : callable
        The uniform draw of an attempt for the pause after it.
    """

    def __init__(self, policy: Policy | None, jitter: Drawn) -> None:
        policy = policy or Policy()
        self.timeout = math.inf if policy.timeout is None else policy.timeout
        each = policy.per_try_timeout
        self.per_try = math.inf if each is None else each
        self.propagate = policy.propagate
        self.limited = policy.timeout is not None or each is not None
        again = policy.retries or policy.hedge
        self.times = again.times if again is not None else 0
        self.on = frozenset(OUTCOMES.index(name) for name in again.on) if again else frozenset()
        self.hedge = policy.hedge.delay if policy.hedge is not None else None
        self.backoff: Any = policy.retries.backoff if policy.retries is not None else None
        self.jitter = jitter


class LiveCall:
    """A declared call of a service, or of a source.

    Attributes
    ----------
    callee : Callee
        Who is called.
    policy : LivePolicy
        By which rules.
    chance : callable or None
        The uniform draw of a caller's request that decides whether it makes this call.
    probability : float
        How likely it does.
    optional : bool
        Whether its failure is none of its caller.
    caller : str
        Who makes it; of the entry, by which sources call, it is empty.
    way : str
        What is added to the name of the way that led to its caller.
    route, behind, copies
        Which of the calls behind it is made, by the name of the service, where it is a route's; and
        those of copies that nobody waits for.
    """

    def __init__(
        self,
        callee: Callee,
        policy: LivePolicy,
        *,
        chance: Drawn | None = None,
        probability: float = 1.0,
        optional: bool = False,
        way: str = "",
        caller: str = "",
        route: Chooser | None = None,
        behind: Mapping[str, LiveCall] | None = None,
        copies: Mapping[str, LiveCall] | None = None,
    ) -> None:
        self.callee = callee
        self.policy = policy
        self.chance = chance
        self.probability = probability
        self.optional = optional
        self.way = way
        self.caller = caller
        self.route = route
        self.behind = behind or {}
        self.copies = copies or {}
        self.number = -1  # among all calls that are declared; see `Deadlines`
        self.each: Deadlines | None = None
        self.whole: Deadlines | None = None


class Calling:
    """A call in progress.

    Attributes
    ----------
    live : LiveCall
        What was declared of it.
    parent : Request
        For whom it is made: what a source has made, or what is in service at the caller.
    errand : Errand or None
        To which calls of its parent it belongs; None when a source has made it.
    end : float
        When its time is over.
    tried : int
        How many attempts there have been.
    out : list of Attempt
        Those that are not answered.
    alarm : Alarm or None
        The end of a pause, or the time of the next hedge.
    pause : float
        The pause before, which some back-offs look at.
    copy : bool
        Whether nobody waits for it.
    held : list of int
        Retries that the budgets of these proxies have given, and that are not yet sent.
    """

    __slots__ = (
        "alarm",
        "copy",
        "end",
        "errand",
        "held",
        "live",
        "origin",
        "out",
        "over",
        "parent",
        "pause",
        "tried",
    )

    def __init__(self, live: LiveCall, parent: Request, origin: int, errand: Errand | None) -> None:
        self.live = live
        self.parent = parent
        self.origin = origin
        self.errand = errand
        self.end = math.inf
        self.tried = 0
        self.out: list[Attempt] = []
        self.alarm: Alarm | None = None
        self.pause = 0.0
        self.over = False
        self.copy = False
        self.held: list[int] = []


class Errand:
    """The calls of one request in service: which step they are at, and what is open."""

    __slots__ = ("done", "failed", "of", "open", "step")

    def __init__(self, of: Errands, done: Callable[[Request, int], None]) -> None:
        self.of = of
        self.done = done
        self.step = -1
        self.open: list[Calling] = []
        self.failed = False


class Caller:
    """Makes the calls of all sources and services of a scenario.

    Parameters
    ----------
    names : list of str
        The names of the sources; those of the ways that lead to calls are added behind them, and
        draws are addressed by them.
    """

    def __init__(self, clock: Clock, ledger: GraphLedger, names: list[str]) -> None:
        self.clock = clock
        self.ledger = ledger
        self.names = names
        self.alarms = 0  # that have not rung and are not abandoned
        self._origins: dict[tuple[int, int, str], int] = {}
        self._deep: dict[int, int] = {}  # how many calls there are on a way
        ledger.answered = self.answered

    # -- the calls of a request in service -----------------------------------------------------

    def errands(self, steps: Sequence[Sequence[LiveCall]]) -> Errands:
        """Return what makes these calls for each request of a service."""
        return Errands(self, steps)

    def origin(self, parent: Request, way: str) -> int:
        """Return the number of the way that leads from a request in service to its call."""
        key = parent.source, parent.visit, way
        known = self._origins.get(key)
        if known is None:
            known = self._origins[key] = len(self.names)
            deep = self._deep[known] = self._deep.get(parent.source, 0) + 1
            if deep > MOST_DEEP:
                raise Deadlock(
                    f"{parent} has led to calls that are {deep} deep: services that call each "
                    "other in a circle need time to pass, or a probability below 1, for their "
                    "deadline to end it"
                )
            again = f":{parent.visit}" if parent.visit else ""
            self.names.append(f"{self.names[parent.source]}{again}>{way}")
        return known

    # -- one call --------------------------------------------------------------------------------

    def begin(self, live: LiveCall, parent: Request, origin: int, errand: Errand | None) -> None:
        """Make a call; its first attempt goes on the agenda."""
        if live.route is not None:
            suffix = live.way[len(live.caller) :]
            for name in live.route.mirrored(parent, suffix):
                self._begin(live.copies[name], parent, origin, None, copy=True)
            live = live.behind[live.route.destination(parent, suffix)]
        self._begin(live, parent, origin, errand)

    def _begin(
        self,
        live: LiveCall,
        parent: Request,
        origin: int,
        errand: Errand | None,
        *,
        copy: bool = False,
    ) -> None:
        call = Calling(live, parent, origin, errand)
        call.copy = copy
        call.end = min(self.clock.env.now + live.policy.timeout, parent.deadline)
        if errand is not None:
            errand.open.append(call)
        self.clock.agenda.append((self._send, call))

    def _send(self, call: Calling) -> None:
        """Send the next attempt of a call."""
        if call.over:
            return
        live, policy = call.live, call.live.policy
        now = self.clock.env.now
        attempt = Attempt(call, call.origin, call.tried)
        call.tried += 1
        if call.held:
            attempt.holds = call.held.pop(0)
        end = min(call.end, now + policy.per_try)
        attempt.last = call.end <= now + policy.per_try
        if policy.propagate:
            attempt.deadline = min(attempt.deadline, end)
        call.out.append(attempt)
        if end <= now:
            self.ledger.not_sent(attempt, live.callee, TIMEOUT, now)
            self.clock.agenda.append((self.answered, attempt))
            return
        if end < math.inf:
            self._set(attempt, end, now)
        if policy.hedge is not None and call.tried <= policy.times:
            self._wait(call, policy.hedge)
        live.callee.send(attempt, now)

    def _set(self, attempt: Attempt, end: float, now: float) -> None:
        """Let the time of an attempt end at `end`."""
        live = attempt.calling.live
        policy = live.policy
        if not attempt.last:
            if live.each is None:
                live.each = Deadlines(self.clock, 2 * live.number, self._too_late)
            live.each.add(attempt, end, policy.per_try)
        elif end == now + policy.timeout:
            if live.whole is None:
                live.whole = Deadlines(self.clock, 2 * live.number + 1, self._too_late)
            live.whole.add(attempt, end, policy.timeout)
        else:
            attempt.alarm = Alarm(self._rung, attempt)
            self.clock.schedule(attempt.alarm, EXPIRY, end - now)
        attempt.timed = True
        self.alarms += 1

    def _rung(self, alarm: Alarm) -> None:
        if alarm.subject is not None:
            self._too_late(alarm.subject)
            self.clock.drain()

    def _wait(self, call: Calling, seconds: float) -> None:
        call.alarm = self._alarm(self._next, call, HOP, seconds)

    def _alarm(
        self, ring: Callable[[Alarm], None], subject: Any, rank: int, seconds: float
    ) -> Alarm:
        alarm = Alarm(ring, subject)
        self.alarms += 1
        self.clock.schedule(alarm, rank, seconds)
        return alarm

    def _next(self, alarm: Alarm) -> None:
        """Send the next attempt: a pause is over, or it is time for a hedge."""
        call = alarm.subject
        if call is None:
            return
        call.alarm = None
        self.alarms -= 1
        if call.live.policy.hedge is not None:
            if not call.live.callee.may_retry(call.out[-1], self.clock.env.now):
                return
            call.held.append(call.out[-1].sender)
        self.clock.agenda.append((self._send, call))
        self.clock.drain()

    def answered(self, attempt: Attempt) -> None:
        """Take what came back for an attempt, or what kept it from being sent."""
        call = attempt.calling
        if attempt.left or call.over:
            return
        call.out.remove(attempt)
        self._stop(attempt)
        self._give_back(attempt)
        self._judge(call, attempt, attempt.result)

    def _too_late(self, attempt: Attempt) -> None:
        """End the time of an attempt, or of its call."""
        attempt.timed = False
        attempt.alarm = None
        self.alarms -= 1
        call, now = attempt.calling, self.clock.env.now
        if attempt.last:
            self._end(call, TIMEOUT)
        else:
            call.out.remove(attempt)
            self._leave(attempt, TIMEOUT, now)
            self._judge(call, attempt, TIMEOUT)

    def _judge(self, call: Calling, attempt: Attempt, result: int) -> None:
        """Say what follows from the result of an attempt."""
        policy, now = call.live.policy, self.clock.env.now
        if result == OK or now >= call.end:
            self._end(call, result)
        elif (
            result in policy.on
            and call.tried <= policy.times
            and call.live.callee.may_retry(attempt, now)
        ):
            call.held.append(attempt.sender)
            if policy.hedge is not None:
                self._cancel_alarm(call)
                self.clock.agenda.append((self._send, call))
                return
            if policy.backoff is None:
                self.clock.agenda.append((self._send, call))
                return
            retry = call.tried
            call.pause = policy.backoff.pause(retry, policy.jitter(attempt), call.pause)
            if now + call.pause < call.end:
                self._wait(call, call.pause)
            else:
                seconds = call.end - now
                call.alarm = self._alarm(self._gives_up, call, EXPIRY, seconds)
        elif not call.out or result not in policy.on:
            self._end(call, result)

    def _gives_up(self, alarm: Alarm) -> None:
        call = alarm.subject
        if call is None:
            return
        call.alarm = None
        self.alarms -= 1
        self._end(call, TIMEOUT)
        self.clock.drain()

    # -- the end of a call -----------------------------------------------------------------------

    def _end(self, call: Calling, result: int) -> None:
        """End a call, and tell whoever made it."""
        now = self.clock.env.now
        self._close(call, TIMEOUT if result == TIMEOUT else CANCELLED, now)
        errand = call.errand
        if call.copy:
            return
        if errand is None:
            self.ledger.end_call(call.parent, result)
            return
        errand.open.remove(call)
        if result != OK and not call.live.optional:
            errand.failed = True
        if not errand.open:
            self.clock.agenda.append((errand.of.go_on, call.parent))

    def _close(self, call: Calling, result: int, now: float) -> None:
        call.over = True
        self._cancel_alarm(call)
        for attempt in call.out:
            self._leave(attempt, result, now)
        call.out.clear()
        for sender in call.held:
            call.live.callee.retry_ended(sender)

    def drop(self, call: Calling) -> None:
        """Leave a call whose caller is gone itself."""
        self._close(call, CANCELLED, self.clock.env.now)

    def _leave(self, attempt: Attempt, result: int, now: float) -> None:
        self._stop(attempt)
        self._give_back(attempt)
        attempt.left = True
        if attempt.result == IN_FLIGHT:
            attempt.calling.live.callee.leave(attempt, result, now)

    def _give_back(self, attempt: Attempt) -> None:
        """Give the retry back that an attempt has held, to the proxy whose budget it was."""
        if attempt.holds >= 0:
            attempt.calling.live.callee.retry_ended(attempt.holds)
            attempt.holds = -1

    def _stop(self, attempt: Attempt) -> None:
        if attempt.timed:
            attempt.timed = False
            self.alarms -= 1
            if attempt.alarm is not None:
                attempt.alarm.subject = None  # abandoned: it is still in the heap
                attempt.alarm = None

    def _cancel_alarm(self, call: Calling) -> None:
        if call.alarm is not None:
            call.alarm.subject = None
            call.alarm = None
            self.alarms -= 1


class Deadlines:
    """When the times of some attempts end: those that have equally long, so that they end in order.

    One alarm does for all of them: it rings for the first, and is then set for the next that is
    still waited for.  Of alarms that ring at one time, those of single attempts come first, then
    these lists, in the order in which calls are declared (the entries of services before others),
    and of one call first that of `per_try_timeout`.
    """

    def __init__(self, clock: Clock, number: int, late: Callable[[Attempt], None]) -> None:
        self.clock = clock
        self.late = late
        self.waiting: deque[tuple[float, Attempt]] = deque()
        self._rank = EXPIRY + (number + 1) * _FRACTION
        self._alarm = Alarm(self._ring)
        self._armed = False

    def add(self, attempt: Attempt, end: float, seconds: float) -> None:
        """Let the time of `attempt` end at `end`, `seconds` from now."""
        self.waiting.append((end, attempt))
        if not self._armed:
            self._armed = True
            self.clock.schedule(self._alarm, self._rank, seconds)

    def _ring(self, alarm: Alarm) -> None:
        waiting, now = self.waiting, self.clock.env.now
        alarm.callbacks = alarm.again
        while waiting:
            end, attempt = waiting[0]
            if not attempt.timed:
                waiting.popleft()
            elif end <= now:
                waiting.popleft()
                self.late(attempt)
                self.clock.drain()
            else:
                self.clock.schedule(alarm, self._rank, end - now)
                return
        self._armed = False


class Errands:
    """Makes the calls of a service for each of its requests.

    Parameters
    ----------
    steps : sequence of sequences of LiveCall
        One step follows the other; the calls of a step are made at the same time.
    """

    def __init__(self, caller: Caller, steps: Sequence[Sequence[LiveCall]]) -> None:
        self.caller = caller
        self.steps = steps

    def run(self, request: Request, done: Callable[[Request, int], None]) -> None:
        """Make the calls of `request`, then call `done` with it and the outcome."""
        request.errand = Errand(self, done)
        self._step(request)

    def go_on(self, request: Request) -> None:
        """Make the next step, or answer: all calls of this one have ended."""
        errand = request.errand
        if errand is None:  # the request is gone
            return
        if errand.failed:
            request.errand = None
            errand.done(request, FAILED)
        else:
            self._step(request)

    def _step(self, request: Request) -> None:
        errand, begin = request.errand, self.caller.begin
        while not errand.open:
            errand.step += 1
            if errand.step == len(self.steps):
                request.errand = None
                errand.done(request, OK)
                return
            for live in self.steps[errand.step]:
                if live.chance is None or live.chance(request) < live.probability:
                    begin(live, request, self.caller.origin(request, live.way), errand)

    def drop(self, request: Request) -> None:
        """Leave all calls of `request` that are not answered."""
        errand, request.errand = request.errand, None
        for call in errand.open:
            self.caller.drop(call)
