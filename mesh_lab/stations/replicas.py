"""The endpoints of a service at work, and the balancers in front of them.

A request that is sent takes these steps: it meets one of the balancers; the balancer finds the pool
that it may pick from (`mesh_lab.balancing.eligible`), and its rule picks an endpoint, where the
request counts as outstanding from then on; it goes there, which may take time; when it has left
the endpoint, with whatever outcome, the response goes back, which may take time too; then the
balancer is told, and the request ends or goes on.  Where no pool can be found it ends at once as
``unavailable``, with endpoint -1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..balancing.eligible import choose_pool
from ..balancing.rule import OWN_DRAWS, Lists
from ..clock import CHANGE, COMPLETION, HOP, Alarm, Clock
from ..ledger import OK, UNAVAILABLE, Ledger, Request
from .balancers import Balancers
from .endpoints import Change, Fail, Leave, Recover, Slow
from .line import Line, Place, Release, count_visit
from .service import Service
from .sight import Chooser

__all__ = ["Chances", "Replicas", "Ticket"]

Chances = Callable[[str], Callable[[Request], float]]  # from a purpose to a request's draw


class Ticket(NamedTuple):
    """What the balancer that sent a request notes on it.

    Attributes
    ----------
    endpoint, balancer : int
        Where it was sent, and by whom.
    sent : float
        When.
    """

    endpoint: int
    balancer: int
    sent: float


class Replicas:
    """The endpoints of a service at work, and their balancers.

    Parameters
    ----------
    part : Service
        What was declared.
    lines : sequence of Line
        One for each endpoint that there will ever be.
    chances : callable
        From a purpose to the function that gives a request's uniform draw for it.
    own : iterator of float
        Uniform draws of the service itself.
    forward, back : callable, optional
        Seconds that a request takes to the endpoint, and its response back.
    hashed : callable, optional
        The hash of a request's key.
    counts_visits : bool
        Whether a request may come back here.
    chooser : callable, optional
        Makes the `Chooser` of a user's function.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        part: Service,
        lines: Sequence[Line],
        chances: Chances,
        own: Iterator[float],
        *,
        forward: Callable[[Request], float] | None = None,
        back: Callable[[Request], float] | None = None,
        hashed: Callable[[Request], int] | None = None,
        counts_visits: bool = False,
        chooser: Callable[[Balancers], Chooser] | None = None,
    ) -> None:
        self.name = part.name
        self.clock = clock
        self.ledger = ledger
        self.part = part
        self.lines = list(lines)
        self.blocks = part.overflow == "block"
        self.counts_visits = counts_visits
        self.proxies = part.proxies
        self.on_the_way = 0  # requests and responses
        self._forward = forward
        self._back = back
        self._hashed = hashed
        self.balancers = Balancers(part, Lists(), own)
        self.view = self.balancers.view
        self.stride = self.balancers.stride
        rule = self.balancers.rule
        self._oracle = rule is not None and rule.oracle
        self._proxy = chances("proxy") if part.proxies > 1 else None
        self._level = chances("level")
        self._zone = chances("zone")
        draws = rule.draws if rule is not None else 0
        self._chances = [chances(f"balance{k}" if k else "balance") for k in range(draws)]
        self._uniforms = [0.0] * draws
        self._capacity = [part.workers * endpoint.speed for endpoint in part.ever]
        self._chooser = chooser(self.balancers) if chooser is not None else None
        for line, endpoint in zip(self.lines, part.ever, strict=True):
            line.way = self
            line.speed = endpoint.speed
            if self._oracle:
                line.knows_work = True
        self._arranged(0.0)

    # -- sending -------------------------------------------------------------------------------

    def arrive(self, request: Request, release: Release | None = None) -> bool:
        """Pick an endpoint and send `request` there; False when its producer is blocked."""
        station = self.lines[0].station
        if self.counts_visits:
            count_visit(request, station, self.name)
        else:
            request.visit = 0
        now = self.clock.env.now
        view = self.view
        balancer = 0 if self._proxy is None else int(self._proxy(request) * self.proxies)
        if self._plain:
            pool = balancer if view.size[balancer] else -1
        else:
            level, zone = self._level(request), self._zone(request)
            pool = choose_pool(self._routes, view, balancer, level, zone)
        if pool < 0:
            self.ledger.visit(request, station, -1, now)
            self.ledger.close(request.call, UNAVAILABLE, now)
            self.ledger.end(request, UNAVAILABLE)
            return True
        if self._oracle:
            view.job[0] = self.lines[0].crews[0].need(request)
        if self._chooser is not None:
            endpoint = self._chooser.pick(pool, request, now)
        else:
            uniforms = self._uniforms
            for k, chance in enumerate(self._chances):
                uniforms[k] = chance(request)
            key = 0 if self._hashed is None else self._hashed(request)
            endpoint = self._pick(self._state, view, pool, uniforms, now, key)
        view.outstanding[balancer * self.stride + endpoint] += 1
        request.ticket = Ticket(endpoint, balancer, now)
        if self._sent is not None:
            self._sent(self._state, view, balancer, endpoint, now)
        if view.alarms[0] or view.cursor[0]:
            self._settle(now)
        if self._forward is None:
            return self.lines[endpoint].offer(request, release)
        self.ledger.visit(request, station, endpoint, now)
        self.on_the_way += 1
        self.clock.schedule(Alarm(self._reach, request), HOP, self._forward(request))
        return True

    def _reach(self, alarm: Alarm) -> None:
        request = alarm.subject
        self.on_the_way -= 1
        self.lines[request.ticket.endpoint].reach(request, self.clock.env.now)
        if self.clock.agenda:
            self.clock.drain()

    def withdraw(self, request: Request) -> None:
        """Forget a blocked request whose producer has crashed."""
        self.lines[request.ticket.endpoint].withdraw(request)

    # -- what the lines tell -------------------------------------------------------------------

    def entered(self, request: Request, endpoint: int, now: float) -> None:
        """Note that `request` was let in."""
        if not self._oracle:
            return
        view = self.view
        request.met = view.there[endpoint]
        request.entered = now
        view.there[endpoint] += 1
        busy = view.busy_until[endpoint]
        view.busy_until[endpoint] = max(busy, now) + request.work / self._capacity[endpoint]
        if self._arrived is not None:
            self._arrived(self._state, view, endpoint, now)
            self._settle(now)

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
        """Let the response go back, then end the request, or send it on."""
        view, endpoint = self.view, ticket.endpoint
        there, worked = 0, math.nan
        if self._oracle and inside:
            view.there[endpoint] -= 1
            there = view.there[endpoint]
            if not there:
                view.busy_until[endpoint] = now
            if self._left is not None:
                stay = now - request.entered
                self._left(self._state, view, endpoint, now, stay, request.met)
                self._settle(now)
        if self._told is not None:
            worked = now - self.ledger.start[request.call]
        if self._back is None:
            self._back_at(request, ticket, outcome, now, onward, there, worked, ends)
            return
        self.on_the_way += 1

        def land(alarm: Alarm) -> None:
            self.on_the_way -= 1
            back = self.clock.env.now
            self._back_at(request, ticket, outcome, back, onward, there, worked, ends)
            self.clock.drain()

        self.clock.schedule(Alarm(land), COMPLETION, self._back(request))

    def _back_at(
        self,
        request: Request,
        ticket: Ticket,
        outcome: int,
        now: float,
        onward: Place | None,
        there: int,
        worked: float,
        ends: bool,
    ) -> None:
        """Take the response: the balancer is told, and the request ends, or goes on."""
        endpoint, balancer, sent = ticket
        self.view.outstanding[balancer * self.stride + endpoint] -= 1
        if self._told is not None:
            ok = 1 if outcome == OK else 0
            latency = now - sent
            self._told(self._state, self.view, balancer, endpoint, now, latency, ok, there, worked)
            self._settle(now)
        if not ends:
            return
        if onward is None:
            self.ledger.end(request, outcome)
        else:
            self.clock.agenda.append((onward.arrive, request))

    # -- the rule's own time and chance --------------------------------------------------------

    def _settle(self, now: float) -> None:
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
        self._state.alarm(self._state, self.view, alarm.subject, now)
        self._settle(now)

    # -- changes of endpoints --------------------------------------------------------------------

    def change(self, change: Change, now: float) -> None:
        """Let something become of an endpoint."""
        number = self.balancers.number(change)
        line = self.lines[number]
        if isinstance(change, Slow):
            self._speed(number, change.speed)
            return
        if isinstance(change, Fail | Leave):
            shut([line], now)
        elif isinstance(change, Recover) and number in self.balancers.known:
            self._speed(number, self.part.ever[number].speed)
            line.reopen(now)
        self.balancers.change(change, now)
        self._arranged(now)

    def _speed(self, number: int, speed: float) -> None:
        self.lines[number].speed = speed
        self._capacity[number] = self.part.workers * speed

    def _arranged(self, now: float) -> None:
        """Take the pools and the state that there are now."""
        self._routes = self.balancers.routes
        self._plain = self._routes.plain == 1
        state = self._state = self.balancers.state
        self._settle(now)
        self._pick: Any = getattr(state, "pick", None)
        self._sent = getattr(state, "sent", None)
        self._told = getattr(state, "answered", None)
        self._arrived = getattr(state, "arrived", None)
        self._left = getattr(state, "left", None)


def shut(lines: Sequence[Line], now: float) -> None:
    """Take endpoints down: all that is there ends as ``crashed``.

    First all hands, because what they hold may be blocked before another endpoint.
    """
    for line in lines:
        line.down = True
    for line in lines:
        for crew in line.crews:
            crew.crash(now)
    for line in lines:
        line.turn_out(now)
    for line in lines:
        line.turn_back(now)
