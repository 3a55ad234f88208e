"""A service that is called: its endpoints, and the proxies through which its callers reach it.

Every proxy has a balancer with a state of its own, and knows of the endpoints what it has been
told.  An attempt takes these steps: its proxy finds a pool and picks an endpoint out of it; from
then on the attempt is outstanding there; it goes there, which may take time; when it has left the
endpoint the response goes back, which may take time too; then the attempt is no longer outstanding,
the balancer is told, and the caller.  When its caller leaves before, the proxy closes the stream at
that moment: the attempt is not outstanding any more, the balancer is told of a bad answer, and what
comes back later is thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..balancing.eligible import choose_pool
from ..balancing.rule import OWN_DRAWS, Lists
from ..balancing.zones import ZoneAware
from ..clock import CHANGE, COMPLETION, HOP, Alarm, Clock
from ..draws import Draws
from ..ledger import CANCELLED, OK, OPEN, UNAVAILABLE, Request
from ..stations.balancers import Balancers
from ..stations.endpoints import Change, Drain, Fail, Join, Leave, Recover, Slow
from ..stations.line import Line, Place, Release, count_visit
from ..stations.replicas import Chances, Ticket, shut
from ..stations.service import Service
from ..stations.sight import Chooser
from .attempt import Attempt
from .calling import Caller, LiveCall
from .guards import Guards
from .spans import GraphLedger

__all__ = ["Proxy", "Upstream", "alone"]


class Proxy:
    """One caller's way to a service: its balancer, and what it knows of the endpoints.

    Parameters
    ----------
    number : int
        Which of the service's proxies it is.
    """

    def __init__(
        self,
        upstream: Upstream,
        number: int,
        draws: Draws,
        chooser: Callable[[Balancers], Chooser] | None,
    ) -> None:
        part = upstream.part
        self.number = number
        self.clock = upstream.clock
        own = iter(draws.column("uniform", part.name, "own", str(number) if number else ""))
        self.balancers = Balancers(alone(part, number), Lists(), own)
        self.view = self.balancers.view
        self.chooser = chooser(self.balancers) if chooser is not None else None
        self.guards: Guards | None = None
        if any((part.budget, part.limits, part.breaker, part.ejection)):
            sweeps = iter(draws.column("uniform", part.name, "sweep", str(number)))
            self.guards = Guards(part, upstream.chances, sweeps)
        self.arranged(0.0)

    def arranged(self, now: float) -> None:
        """Take the pools and the state that there are now."""
        self.routes = self.balancers.routes
        self.plain = self.routes.plain == 1
        state = self.state = self.balancers.state
        self.settle(now)
        self.pick: Any = getattr(state, "pick", None)
        self.sent: Any = getattr(state, "sent", None)
        self.told: Any = getattr(state, "answered", None)
        self.arrived: Any = getattr(state, "arrived", None)
        self.departed: Any = getattr(state, "left", None)

    def settle(self, now: float) -> None:
        """Schedule the alarms that the rule has asked for, and keep its own draws in supply."""
        view = self.view
        for k in range(view.alarms[0]):
            delay = max(view.alarm_times[k] - now, 0.0)
            self.clock.schedule(Alarm(self._ring, view.alarm_codes[k]), CHANGE, delay)
        view.alarms[0] = 0
        if view.cursor[0]:
            self.balancers.supply(OWN_DRAWS)

    def _ring(self, alarm: Alarm) -> None:
        now = self.clock.env.now
        self.state.alarm(self.state, self.view, alarm.subject, now)
        self.settle(now)

    def answered(
        self, attempt: Attempt, outcome: int, now: float, there: int, worked: float
    ) -> None:
        """Take an attempt off the outstanding ones; tell the balancer, and the guards."""
        endpoint, _, sent = attempt.ticket
        self.view.outstanding[endpoint] -= 1
        if self.told is not None:
            ok = 1 if outcome == OK else 0
            self.told(self.state, self.view, 0, endpoint, now, now - sent, ok, there, worked)
            self.settle(now)
        if self.guards is not None:
            if outcome == CANCELLED:
                changed = self.guards.cancelled(attempt, endpoint, now)
            else:
                changed = self.guards.ended(attempt, endpoint, now, outcome)
            if changed:
                self._wake_at(self.guards.opened_until(endpoint), now)
                self.clock.agenda.append((self.rearrange, None))

    def _wake_at(self, time: float, now: float) -> None:
        if time > now:
            self.clock.schedule(Alarm(self._woken), CHANGE, time - now)

    def _woken(self, alarm: Alarm) -> None:
        self.rearrange(None)
        self.clock.drain()

    def rearrange(self, _: object) -> None:
        """Make the pools anew, if other endpoints than before are barred."""
        assert self.guards is not None
        now = self.clock.env.now
        barred = self.guards.barred(now)
        if barred != self.balancers.barred:
            self.balancers.barred = barred
            self.balancers.arrange(now)
            self.arranged(now)


class Upstream:
    """The endpoints of a service that is called, and the proxies of its callers.

    Parameters
    ----------
    part : Service
        What was declared.
    lines : sequence of Line
        One for each endpoint that there will ever be.
    chances : callable
        From a purpose to the function that gives a request's uniform draw for it.
    forward, back : callable, optional
        Seconds that an attempt takes to the endpoint, and its response back.
    hashed : callable, optional
        The hash of a request's key.
    chooser : callable, optional
        Makes the `Chooser` of a user's function.
    entry : callable
        What is declared of the calls that sources make here.
    """

    blocks = False

    def __init__(
        self,
        clock: Clock,
        ledger: GraphLedger,
        caller: Caller,
        part: Service,
        lines: Sequence[Line],
        chances: Chances,
        draws: Draws,
        *,
        forward: Callable[[Request], float] | None = None,
        back: Callable[[Request], float] | None = None,
        hashed: Callable[[Request], int] | None = None,
        chooser: Callable[[Balancers], Chooser] | None = None,
        counts_visits: bool = False,
    ) -> None:
        self.name = part.name
        self.clock = clock
        self.ledger = ledger
        self.caller = caller
        self.part = part
        self.lines = list(lines)
        self.station = self.lines[0].station
        self.on_the_way = 0
        self.entry: LiveCall | None = None
        self.notices = part.cancelled != "finish"
        self.stops = part.cancelled == "stop"
        self._counts_visits = counts_visits
        self._forward = forward
        self._back = back
        self._hashed = hashed
        self.chances: Chances = chances
        self.proxies = [Proxy(self, number, draws, chooser) for number in range(part.proxies)]
        self.alive: Callable[[], bool] = lambda: True
        if part.ejection is not None:
            interval = part.ejection.interval
            self.clock.schedule(Alarm(self._sweep, interval), CHANGE, interval)
        rule = self.proxies[0].balancers.rule
        self._oracle = rule is not None and rule.oracle
        self._proxy = chances("proxy") if part.proxies > 1 else None
        self._level = chances("level")
        self._zone = chances("zone")
        count = rule.draws if rule is not None else 0
        self._chances = [chances(f"balance{k}" if k else "balance") for k in range(count)]
        self._uniforms = [0.0] * count
        self._capacity = [part.workers * endpoint.speed for endpoint in part.ever]
        for line, endpoint in zip(self.lines, part.ever, strict=True):
            line.way = self
            line.speed = endpoint.speed
            line.skips = self.notices
            if self._oracle:
                line.knows_work = True

    # -- calls -----------------------------------------------------------------------------------

    def arrive(self, request: Request, release: Release | None = None) -> bool:
        """Let a source, or a handler, call the service for `request`."""
        if self._counts_visits:
            count_visit(request, self.station, self.name)
        else:
            request.visit = 0
        assert self.entry is not None
        origin = request.source
        if request.visit:
            origin = self.caller.origin(request, "")
        self.caller.begin(self.entry, request, origin, None)
        return True

    def withdraw(self, request: Request) -> None:
        """Forget a blocked request whose producer has crashed; nobody is blocked here."""
        raise AssertionError(f"{request} is not blocked at {self.name!r}")

    # -- attempts --------------------------------------------------------------------------------

    def send(self, attempt: Attempt, now: float) -> None:
        """Send `attempt` to an endpoint."""
        number = 0 if self._proxy is None else int(self._proxy(attempt) * len(self.proxies))
        proxy = self.proxies[number]
        guards = proxy.guards
        attempt.sender = number
        if guards is not None:
            if not attempt.visit:
                guards.first(now)
            refused = guards.admit(attempt, now)
            if refused:
                self._refuse(attempt, refused, now)
                return
        view = proxy.view
        if proxy.plain:
            pool = 0 if view.size[0] else -1
        else:
            level, zone = self._level(attempt), self._zone(attempt)
            pool = choose_pool(proxy.routes, view, 0, level, zone)
        if pool < 0:
            if guards is not None:
                guards.dismiss(attempt, now)
            self._refuse(attempt, UNAVAILABLE, now)
            return
        if self._oracle:
            view.job[0] = self.lines[0].crews[0].need(attempt)
        if proxy.chooser is not None:
            endpoint = proxy.chooser.pick(pool, attempt, now)
        else:
            uniforms = self._uniforms
            for k, chance in enumerate(self._chances):
                uniforms[k] = chance(attempt)
            key = 0 if self._hashed is None else self._hashed(attempt)
            endpoint = proxy.pick(proxy.state, view, pool, uniforms, now, key)
        if guards is not None:
            if not guards.admit_to(attempt, endpoint, now):
                guards.dismiss(attempt, now)
                self._refuse(attempt, OPEN, now)
                return
            guards.active += 1
            if attempt.passed > 1 and guards.each:  # the probe: nobody else goes there now
                self.clock.agenda.append((proxy.rearrange, None))
        view.outstanding[endpoint] += 1
        attempt.ticket = Ticket(endpoint, number, now)
        if proxy.sent is not None:
            proxy.sent(proxy.state, view, 0, endpoint, now)
        if view.alarms[0] or view.cursor[0]:
            proxy.settle(now)
        self.ledger.send(attempt, self.station, endpoint, now)
        if self._forward is None:
            self.lines[endpoint].reach(attempt, now)
            return
        self.on_the_way += 1
        self.clock.schedule(Alarm(self._reach, attempt), HOP, self._forward(attempt))

    def _refuse(self, attempt: Attempt, outcome: int, now: float) -> None:
        self.ledger.not_sent(attempt, self, outcome, now)
        self.clock.agenda.append((self.ledger.answered, attempt))

    def _reach(self, alarm: Alarm) -> None:
        attempt, now = alarm.subject, self.clock.env.now
        self.on_the_way -= 1
        if attempt.left and self.notices:
            self.ledger.close(attempt.call, CANCELLED, now)
            self.ledger.end(attempt, CANCELLED)
        else:
            self.lines[attempt.ticket.endpoint].reach(attempt, now)
        if self.clock.agenda:
            self.clock.drain()

    def leave(self, attempt: Attempt, result: int, now: float) -> None:
        """Close the stream of `attempt`, whose caller does not wait for it any more."""
        self.ledger.back(attempt, result, now)
        self.proxies[attempt.sender].answered(attempt, result, now, 0, math.nan)
        if self.stops:
            self.clock.agenda.append((self._stop, attempt))

    def _stop(self, attempt: Attempt) -> None:
        call = attempt.call
        if self.ledger.arrival[call] == self.ledger.arrival[call]:  # not NaN: it was let in
            self.lines[attempt.ticket.endpoint].cancel(attempt, self.clock.env.now)

    # -- what the lines tell -----------------------------------------------------------------------

    def entered(self, request: Request, endpoint: int, now: float) -> None:
        """Note that `request` was let in."""
        if not self._oracle:
            return
        work = request.work / self._capacity[endpoint]
        for proxy in self.proxies:
            view = proxy.view
            request.met = view.there[endpoint]
            request.entered = now
            view.there[endpoint] += 1
            view.busy_until[endpoint] = max(view.busy_until[endpoint], now) + work
            if proxy.arrived is not None:
                proxy.arrived(proxy.state, view, endpoint, now)
                proxy.settle(now)

    def answered(
        self,
        request: Request,
        ticket: Ticket,
        outcome: int,
        now: float,
        onward: Place | None,
        *,
        inside: bool,
        ends: bool,
    ) -> None:
        """Let the response go back to the caller, if it is waited for."""
        assert isinstance(request, Attempt)
        assert onward is None
        endpoint = ticket.endpoint
        there, worked = 0, math.nan
        if self._oracle and inside:
            there = self._left(request, endpoint, now)
        if request.left:
            self.ledger.end(request, outcome)
            return
        proxy = self.proxies[ticket.balancer]
        if proxy.told is not None:
            worked = now - self.ledger.start[request.call]
        if self._back is None:
            self._back_at(request, outcome, now, there, worked)
            return
        self.on_the_way += 1

        def land(alarm: Alarm) -> None:
            self.on_the_way -= 1
            self._back_at(request, outcome, self.clock.env.now, there, worked)
            self.clock.drain()

        self.clock.schedule(Alarm(land), COMPLETION, self._back(request))

    def _left(self, request: Request, endpoint: int, now: float) -> int:
        there = 0
        for proxy in self.proxies:
            view = proxy.view
            view.there[endpoint] -= 1
            there = view.there[endpoint]
            if not there:
                view.busy_until[endpoint] = now
            if proxy.departed is not None:
                stay = now - request.entered
                proxy.departed(proxy.state, view, endpoint, now, stay, request.met)
                proxy.settle(now)
        return there

    def _back_at(
        self, attempt: Attempt, outcome: int, now: float, there: int, worked: float
    ) -> None:
        """Take the response, unless the caller has left meanwhile."""
        if not attempt.left:
            self.proxies[attempt.sender].answered(attempt, outcome, now, there, worked)
        self.ledger.end(attempt, outcome)

    # -- retries -----------------------------------------------------------------------------------

    def may_retry(self, attempt: Attempt, now: float) -> bool:
        """Take a retry out of the budget of the proxy that has sent `attempt`, if there is one."""
        guards = self.proxies[attempt.sender].guards if attempt.sender >= 0 else None
        return guards is None or guards.may_retry(now)

    def retry_ended(self, sender: int) -> None:
        """Give a retry back to the budget of a proxy."""
        guards = self.proxies[sender].guards if sender >= 0 else None
        if guards is not None:
            guards.retry_ended()

    # -- changes of endpoints ----------------------------------------------------------------------

    def _sweep(self, alarm: Alarm) -> None:
        now = self.clock.env.now
        for proxy in self.proxies:
            assert proxy.guards is not None
            if proxy.guards.sweep(now):
                proxy.rearrange(None)
        self.clock.drain()
        if self.alive():
            alarm.callbacks = alarm.again
            self.clock.schedule(alarm, CHANGE, alarm.subject)

    def change(self, change: Change, now: float) -> None:
        """Let something become of an endpoint; every proxy is told at once."""
        balancers = self.proxies[0].balancers
        number = balancers.number(change)
        line = self.lines[number]
        if isinstance(change, Slow):
            self._speed(number, change.speed)
            return
        if isinstance(change, Fail | Leave):
            shut([line], now)
        elif isinstance(change, Recover) and number in balancers.known:
            self._speed(number, self.part.ever[number].speed)
            line.reopen(now)
        for proxy in self.proxies:
            if proxy.guards is not None:
                if isinstance(change, Join):
                    proxy.guards.joined(number)
                elif isinstance(change, Leave | Drain) and number in proxy.balancers.known:
                    proxy.guards.gone(number)
                proxy.balancers.barred = proxy.guards.barred(now)
            proxy.balancers.change(change, now)
            proxy.arranged(now)

    def _speed(self, number: int, speed: float) -> None:
        self.lines[number].speed = speed
        self._capacity[number] = self.part.workers * speed


def alone(part: Service, number: int) -> Service:
    """Return the service as one of its proxies sees it: as if there were no other."""
    if part.proxies == 1:
        return part
    eligible = part.eligible
    if isinstance(eligible.zones, ZoneAware):
        home = eligible.zones.proxy_zones[number]
        eligible = replace(eligible, zones=replace(eligible.zones, proxy_zones=(home,)))
    return replace(part, proxies=1, eligible=eligible)
