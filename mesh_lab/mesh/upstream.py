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

from ..balancing.eligible import choose_pool
from ..clock import CHANGE, COMPLETION, HOP, Alarm, Clock
from ..draws import Draws
from ..ledger import (
    CANCELLED,
    CRASHED,
    FAILED,
    IN_FLIGHT,
    LIMITED,
    OK,
    OPEN,
    OVERFLOW,
    SHED,
    UNAVAILABLE,
    Request,
)
from ..stations.balancers import Balancers
from ..stations.connections import Connections
from ..stations.endpoints import Change, Drain, Fail, Join, Leave, Recover, Slow
from ..stations.line import Line, Place, Release, count_visit
from ..stations.replicas import Chances, Ticket, shut
from ..stations.service import Service
from ..stations.sight import Chooser
from .attempt import Attempt
from .calling import Caller, LiveCall
from .doors import Door
from .plane import Plane
from .pools import Connection, Pool
from .proxy import Proxy
from .spans import GraphLedger

__all__ = ["Upstream"]


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
    plane : Plane, optional
        Where its callers' proxies stand, and what the ways cost.
    handshake : callable, optional
        Seconds that the connection takes which is opened for an attempt.
    fault_delay : callable, optional
        Seconds for which an attempt is held back on purpose.

    Attributes
    ----------
    entry : LiveCall
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
        plane: Plane | None = None,
        handshake: Callable[[Request], float] | None = None,
        fault_delay: Callable[[Request], float] | None = None,
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
        self.plane = plane
        self._handshake = handshake
        count = part.proxies if plane is None else plane.count
        self.proxies = [Proxy(self, number, draws, chooser) for number in range(count)]
        self.alive: Callable[[], bool] = lambda: True
        self.watch: Callable[[int, float], None] | None = None  # is told of every end here
        self.throttle = Door(part.throttle, len(self.proxies)) if part.throttle else None
        self.shedding = Door(part.shedding, len(self.lines)) if part.shedding else None
        self._draw_throttle, self._draw_shedding = chances("throttle"), chances("shedding")
        faults = part.faults
        self._abort = chances("abort") if faults is not None and faults.abort > 0.0 else None
        self._abort_share = faults.abort if faults is not None else 0.0
        self._delayed = chances("delayed") if fault_delay is not None else None
        self._delay_share = faults.delayed if faults is not None else 0.0
        self._fault_delay = fault_delay
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
            line.drops = self._drops if self.shedding is not None else None
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
        """Send `attempt` to an endpoint, unless something is to go wrong with it first."""
        if self._delayed is not None and self._delayed(attempt) < self._delay_share:
            assert self._fault_delay is not None
            self.ledger.send(attempt, self.station, -1, now)
            attempt.held = Alarm(self._held, attempt)
            self.on_the_way += 1
            self.clock.schedule(attempt.held, HOP, self._fault_delay(attempt))
        else:
            self._send_on(attempt, now)

    def _held(self, alarm: Alarm) -> None:
        attempt = alarm.subject
        self.on_the_way -= 1
        if attempt is not None:
            attempt.held = None
            self._send_on(attempt, self.clock.env.now)
            self.clock.drain()

    def _send_on(self, attempt: Attempt, now: float) -> None:
        if self._abort is not None and self._abort(attempt) < self._abort_share:
            self._refuse(attempt, FAILED, now)
            return
        number = self._proxy_of(attempt)
        proxy = self.proxies[number]
        attempt.sender = number
        if proxy.guards is not None and not attempt.visit:
            proxy.guards.first(now)
        if self.throttle is not None:
            if not self.throttle.admits(number, attempt, now, self._draw_throttle(attempt)):
                self._refuse(attempt, LIMITED, now)
                return
            attempt.let_in = now
        if proxy.guards is not None and not proxy.guards.admit(attempt, now):
            self._forget(attempt, now)
            self._refuse(attempt, OPEN, now)
            return
        if self.part.connections is not None:
            self._connect(self.part.connections, attempt, proxy, now)
            return
        endpoint = self._pick(attempt, proxy, now)
        if endpoint >= 0 and self._admitted(attempt, proxy, endpoint, now):
            self._go(attempt, proxy, endpoint, now)

    def _proxy_of(self, attempt: Attempt) -> int:
        if self.plane is not None:
            return self.plane.number(attempt)
        return 0 if self._proxy is None else int(self._proxy(attempt) * len(self.proxies))

    def _pick(self, attempt: Attempt, proxy: Proxy, now: float) -> int:
        """Return the endpoint that the balancer picks; -1 if the attempt has ended instead."""
        view = proxy.view
        if proxy.plain:
            pool = 0 if view.size[0] else -1
        else:
            level, zone = self._level(attempt), self._zone(attempt)
            pool = choose_pool(proxy.routes, view, 0, level, zone)
        if pool < 0:
            self._dismiss(attempt, proxy, UNAVAILABLE, now)
            return -1
        if self._oracle:
            view.job[0] = self.lines[0].crews[0].need(attempt)
        if proxy.chooser is not None:
            endpoint: int = proxy.chooser.pick(pool, attempt, now)
        else:
            uniforms = self._uniforms
            for k, chance in enumerate(self._chances):
                uniforms[k] = chance(attempt)
            key = 0 if self._hashed is None else self._hashed(attempt)
            endpoint = proxy.pick(proxy.state, view, pool, uniforms, now, key)
        return endpoint

    def _admitted(self, attempt: Attempt, proxy: Proxy, endpoint: int, now: float) -> bool:
        """Ask the guards about the endpoint; False if the attempt has ended."""
        guards = proxy.guards
        if guards is None:
            return True
        refused = guards.admit_to(attempt, endpoint, now)
        if refused:
            self._dismiss(attempt, proxy, refused, now)
            return False
        if attempt.passed > 1 and guards.each:  # the probe: nobody else goes there now
            self.clock.agenda.append((proxy.rearrange, None))
        return True

    def _go(
        self,
        attempt: Attempt,
        proxy: Proxy,
        endpoint: int,
        now: float,
        connection: Connection | None = None,
    ) -> None:
        """Let an attempt go to an endpoint, over a connection if there are some."""
        view = proxy.view
        view.outstanding[endpoint] += 1
        attempt.ticket = Ticket(endpoint, proxy.number, now)
        if proxy.sent is not None:
            proxy.sent(proxy.state, view, 0, endpoint, now)
        if view.alarms[0] or view.cursor[0]:
            proxy.settle(now)
        if attempt.call < 0:
            self.ledger.send(attempt, self.station, endpoint, now)
        else:
            self.ledger.endpoint[attempt.call] = endpoint  # it has waited for a connection
        if self.throttle is not None:
            held = self.throttle.hold(proxy.number)
            self.throttle.drops(proxy.number, now, 0.0)
        seconds = self._there(attempt, endpoint)
        if self.throttle is not None and held > 0.0:
            seconds = held + (seconds or 0.0)
        if connection is not None:
            connection.streams += 1
            attempt.connection = connection
        if seconds is None:
            self._enter(attempt, endpoint, now)
            return
        self.on_the_way += 1
        self.clock.schedule(Alarm(self._reach, attempt), HOP, seconds)

    def _there(self, attempt: Attempt, endpoint: int) -> float | None:
        """Return the seconds of the way there; None where none are declared."""
        seconds = None if self._forward is None else self._forward(attempt)
        if self.plane is not None:
            more = self.plane.there(attempt, endpoint)
            if more is not None:
                seconds = more + (seconds or 0.0)
        return seconds

    # -- connections -----------------------------------------------------------------------------

    def _connect(self, part: Connections, attempt: Attempt, proxy: Proxy, now: float) -> None:
        """Send an attempt over a connection, or let it wait for one."""
        endpoint = -1
        if part.balance == "request":
            endpoint = self._pick(attempt, proxy, now)
            if endpoint < 0:
                return
        pool = proxy.pool(endpoint)
        connection = None if pool.waiting else pool.free(now)
        if connection is None and not pool.waiting and self._handshake is None:
            # what takes no time to open is there at once, and nobody waits for it
            connection = self._open(attempt, proxy, pool, endpoint, now)
            if attempt.result != IN_FLIGHT:
                return
        if connection is not None:
            self._attach(attempt, proxy, connection, now)
        elif proxy.guards is None or proxy.guards.may_wait():
            self.ledger.send(attempt, self.station, endpoint, now)
            attempt.pool = pool
            pool.waiting.append(attempt)
            self._provide(proxy, pool, endpoint, now)
            if pool.free(now) is not None:
                self.clock.agenda.append((self._serve, (proxy, pool, endpoint)))
        else:
            self._dismiss(attempt, proxy, OVERFLOW, now)

    def _attach(self, attempt: Attempt, proxy: Proxy, connection: Connection, now: float) -> None:
        """Let an attempt have a connection, unless limits or a breaker turn it away now."""
        if self._admitted(attempt, proxy, connection.endpoint, now):
            self._go(attempt, proxy, connection.endpoint, now, connection)

    def _provide(self, proxy: Proxy, pool: Pool, endpoint: int, now: float) -> None:
        """Open as many connections as those who wait need, and as there may be."""
        while len(pool.waiting) > pool.room(now):
            attempt = pool.waiting[int(pool.room(now))]
            if self._open(attempt, proxy, pool, endpoint, now) is not None:
                continue
            if attempt.result == IN_FLIGHT:
                return
            self._stop_waiting(attempt, proxy)

    def _open(
        self, attempt: Attempt, proxy: Proxy, pool: Pool, endpoint: int, now: float
    ) -> Connection | None:
        """Open a connection for an attempt, if there may be one more.

        Where the balancer is asked, and finds nobody, the attempt has ended.
        """
        if not self._may_open(pool, proxy, now):
            return None
        of = endpoint
        if endpoint < 0:
            endpoint = self._pick(attempt, proxy, now)
            if endpoint < 0:
                return None
        if proxy.guards is not None:
            proxy.guards.connected()
        connection = pool.connect(endpoint)
        if self._handshake is None:
            pool.connected(connection, now)
            return connection

        def done(alarm: Alarm) -> None:
            self.on_the_way -= 1
            pool.connected(connection, self.clock.env.now)
            self._serve((proxy, pool, of))
            self.clock.drain()

        self.on_the_way += 1
        self.clock.schedule(Alarm(done), HOP, self._handshake(attempt))
        return connection

    def _may_open(self, pool: Pool, proxy: Proxy, now: float) -> bool:
        """Say whether there may be one more; an endpoint without any always gets its first."""
        assert self.part.connections is not None
        if self.part.connections.lifetime is not None:
            for other in proxy.pools.values():
                for _ in range(other.close_old(now)):
                    if proxy.guards is not None:
                        proxy.guards.disconnected()
        if not pool.may_open(now):
            return False
        return proxy.guards is None or not pool.open or proxy.guards.may_connect()

    def _stop_waiting(self, attempt: Attempt, proxy: Proxy) -> None:
        attempt.pool.waiting.remove(attempt)
        attempt.pool = None
        if proxy.guards is not None:
            proxy.guards.waited()

    def _release(self, attempt: Attempt, now: float, *, broken: bool) -> None:
        """Let an attempt leave its connection; the next that waits takes it, on the agenda."""
        connection, attempt.connection = attempt.connection, None
        if connection is None or self.part.connections is None:
            return
        proxy = self.proxies[attempt.sender]
        of = connection.endpoint if self.part.connections.balance == "request" else -1
        pool = proxy.pool(of)
        before = len(pool.open)
        pool.release(connection, now, broken=broken)
        if proxy.guards is not None and len(pool.open) < before:
            proxy.guards.disconnected()
        if pool.waiting:
            self.clock.agenda.append((self._serve, (proxy, pool, of)))

    def _serve(self, where: tuple[Proxy, Pool, int]) -> None:
        """Let those who wait have the room that there is; open what is needed for the rest."""
        proxy, pool, endpoint = where
        now = self.clock.env.now
        while pool.waiting:
            if pool.free(now) is None:
                self._provide(proxy, pool, endpoint, now)
            connection = pool.free(now)
            if connection is None or not pool.waiting:
                return
            attempt = pool.waiting[0]
            self._stop_waiting(attempt, proxy)
            self._attach(attempt, proxy, connection, now)

    def _dismiss(self, attempt: Attempt, proxy: Proxy, outcome: int, now: float) -> None:
        """End an attempt that its proxy had let in, but could not send."""
        if proxy.guards is not None:
            proxy.guards.dismiss(attempt, now)
        self._forget(attempt, now)
        self._refuse(attempt, outcome, now)

    def _forget(self, attempt: Attempt, now: float) -> None:
        """Tell the door of the proxy that an attempt was not sent after all."""
        if self.throttle is not None:
            self.throttle.gone(attempt.sender, now, begun=False)

    def _refuse(self, attempt: Attempt, outcome: int, now: float) -> None:
        if attempt.call < 0:
            self.ledger.not_sent(attempt, self, outcome, now)
        else:  # it has waited for a connection
            self.ledger.close(attempt.call, outcome, now)
            self.ledger.back(attempt, outcome, now)
            self.ledger.gone()
        self.clock.agenda.append((self.ledger.answered, attempt))

    def _reach(self, alarm: Alarm) -> None:
        attempt, now = alarm.subject, self.clock.env.now
        self.on_the_way -= 1
        if attempt.left and self.notices:
            self.ledger.close(attempt.call, CANCELLED, now)
            self.ledger.end(attempt, CANCELLED)
        else:
            self._enter(attempt, attempt.ticket.endpoint, now)
        if self.clock.agenda:
            self.clock.drain()

    def _enter(self, attempt: Attempt, endpoint: int, now: float) -> None:
        """Let an attempt come to its endpoint, through its door if it has one."""
        if self.shedding is None or self.lines[endpoint].down:
            self.lines[endpoint].reach(attempt, now)
        elif not self.shedding.admits(endpoint, attempt, now, self._draw_shedding(attempt)):
            self.ledger.close(attempt.call, SHED, now)
            self.answered(attempt, attempt.ticket, SHED, now, None, inside=False, ends=True)
        else:
            attempt.inside = now
            held = self.shedding.hold(endpoint)
            if held > 0.0:
                self.on_the_way += 1
                self.clock.schedule(Alarm(self._let_go, attempt), HOP, held)
            else:
                self.lines[endpoint].reach(attempt, now)

    def _let_go(self, alarm: Alarm) -> None:
        attempt, now = alarm.subject, self.clock.env.now
        self.on_the_way -= 1
        self.lines[attempt.ticket.endpoint].reach(attempt, now)
        self.clock.drain()

    def _drops(self, request: Request, now: float) -> bool:
        """Ask the door of an endpoint whether it drops a request that would be started."""
        assert isinstance(request, Attempt)
        assert self.shedding is not None
        waited = now - self.ledger.arrival[request.call]
        dropped = self.shedding.drops(request.ticket.endpoint, now, waited)
        if dropped:
            request.inside = math.nan
        return dropped

    def _out(self, attempt: Attempt, endpoint: int, outcome: int, now: float) -> None:
        """Tell the door of an endpoint that an attempt has left."""
        if self.shedding is None or attempt.inside != attempt.inside:
            return
        begun = self.ledger.start[attempt.call] == self.ledger.start[attempt.call]
        if begun and outcome in (OK, FAILED):
            self.shedding.ended(endpoint, now, now - attempt.inside, ok=outcome == OK)
        else:
            self.shedding.gone(endpoint, now, begun=begun)

    def leave(self, attempt: Attempt, result: int, now: float) -> None:
        """Close the stream of `attempt`, whose caller does not wait for it any more."""
        self.ledger.back(attempt, result, now)
        if attempt.held is not None:  # held back on purpose
            attempt.held.subject = None
            attempt.held = None
            self.ledger.close(attempt.call, CANCELLED, now)
            self.ledger.gone()
            return
        proxy = self.proxies[attempt.sender]
        if attempt.pool is not None:  # it waits for a connection
            self._stop_waiting(attempt, proxy)
            if proxy.guards is not None:
                proxy.guards.dismiss(attempt, now)
            self._forget(attempt, now)
            self.ledger.close(attempt.call, CANCELLED, now)
            self.ledger.gone()
            return
        proxy.answered(attempt, result, now, 0, math.nan)
        self._told(attempt, result, now)
        one_at_a_time = self.part.connections is not None and self.part.connections.carries == 1
        self._release(attempt, now, broken=one_at_a_time)
        if self.stops:
            self.clock.agenda.append((self._stop, attempt))

    def _told(self, attempt: Attempt, result: int, now: float) -> None:
        """Tell the door of the proxy how an attempt has ended."""
        if self.throttle is None:
            return
        if result == CANCELLED:
            self.throttle.gone(attempt.sender, now, begun=True)
        else:
            latency = now - attempt.let_in
            self.throttle.ended(attempt.sender, now, latency, ok=result == OK)

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
        if self.watch is not None:
            entered = self.ledger.arrival[request.call]
            self.watch(outcome, now - entered if entered == entered else 0.0)
        self._out(request, endpoint, outcome, now)
        if self._oracle and inside:
            there = self._left(request, endpoint, now)
        if request.left:
            self.ledger.end(request, outcome)
            return
        proxy = self.proxies[ticket.balancer]
        if proxy.told is not None:
            worked = now - self.ledger.start[request.call]
        seconds = None if self._back is None else self._back(request)
        if self.plane is not None:
            more = self.plane.back(request, endpoint)
            if more is not None:
                seconds = more + (seconds or 0.0)
        if seconds is None:
            self._back_at(request, outcome, now, there, worked)
            return
        self.on_the_way += 1

        def land(alarm: Alarm) -> None:
            self.on_the_way -= 1
            self._back_at(request, outcome, self.clock.env.now, there, worked)
            self.clock.drain()

        self.clock.schedule(Alarm(land), COMPLETION, seconds)

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
            self._told(attempt, outcome, now)
            self._release(attempt, now, broken=outcome in (UNAVAILABLE, CRASHED))
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
            self.restore(number)
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

    def restore(self, number: int) -> None:
        """Let an endpoint have the speed again that it was declared with."""
        self._speed(number, self.part.ever[number].speed)

    def _speed(self, number: int, speed: float) -> None:
        self.lines[number].speed = speed
        self._capacity[number] = self.part.workers * speed
