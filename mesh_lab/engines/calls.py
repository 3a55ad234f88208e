"""From declared calls to live ones: who calls whom, by which rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ..clock import Clock
from ..draws import Drawable, Draws
from ..ledger import Request
from ..mesh.calling import Caller, Errands, LiveCall, LivePolicy
from ..mesh.plane import Plane
from ..mesh.routing import LiveRoute
from ..mesh.spans import GraphLedger
from ..mesh.upstream import Upstream
from ..resilience.policy import Policy
from ..stations.balancers import Balancers
from ..stations.calls import Call, Step, steps_of
from ..stations.line import Line, Release
from ..stations.service import Service
from ..stations.sight import Chooser
from .needs import Need

__all__ = ["Calls", "Entry", "call_names"]

Drawn = Callable[[Drawable | str, str, str], Need]


def call_names(calls: tuple[Step, ...]) -> list[list[tuple[Call, str]]]:
    """Return the calls of each step, each with the name that its draws know it by.

    A service that is called again by the same caller gets a number, so that what a further call
    draws changes nothing for those before.

    Examples
    --------
    >>> call_names(("stock", "users", "stock"))
    [[(Call('stock'), 'stock')], [(Call('users'), 'users')], [(Call('stock'), 'stock#1')]]
    """
    seen: Counter[str] = Counter()
    named: list[list[tuple[Call, str]]] = []
    for step in steps_of(calls):
        named.append([])
        for call in step:
            again = seen[call.service]
            seen[call.service] += 1
            named[-1].append((call, f"{call.service}#{again}" if again else call.service))
    return named


class Calls:
    """The services that are called, and what calls them.

    Parameters
    ----------
    drawn : callable
        From what is drawn, the part's name and the purpose to the function from a request to its
        draw.
    names : list of str
        The names of the sources; those of ways are added.
    """

    def __init__(
        self, clock: Clock, ledger: GraphLedger, draws: Draws, drawn: Drawn, names: list[str]
    ) -> None:
        self.clock = clock
        self.ledger = ledger
        self.draws = draws
        self.drawn = drawn
        self.caller = Caller(clock, ledger, names)
        self.upstreams: dict[str, Upstream] = {}
        self.routes: dict[str, LiveRoute] = {}
        self._declared = 0
        clock.held = self._held

    def _held(self) -> bool:
        return self.ledger.working > 0

    def alive(self) -> bool:
        """Whether something will happen to a call: an end of its time, a pause, a hop."""
        ways = any(upstream.on_the_way for upstream in self.upstreams.values())
        return self.caller.alarms > 0 or ways

    def upstream(
        self,
        part: Service,
        lines: Sequence[Line],
        *,
        forward: Need | None,
        back: Need | None,
        hashed: Callable[[Request], int] | None,
        chooser: Callable[[Balancers], Chooser] | None,
        counts_visits: bool,
        plane: Plane | None = None,
        handshake: Need | None = None,
        fault_delay: Need | None = None,
    ) -> Upstream:
        """Return a service that is called, ready for the calls of sources."""
        made = self.upstreams[part.name] = Upstream(
            self.clock,
            self.ledger,
            self.caller,
            part,
            lines,
            lambda purpose: self.drawn("uniform", part.name, purpose),
            self.draws,
            forward=forward,
            back=back,
            hashed=hashed,
            chooser=chooser,
            counts_visits=counts_visits,
            plane=plane,
            handshake=handshake,
            fault_delay=fault_delay,
        )
        made.entry = self._numbered(LiveCall(made, self._policy(part, part.policy)))
        return made

    def _numbered(self, call: LiveCall) -> LiveCall:
        call.number = self._declared
        self._declared += 1
        return call

    def _policy(self, callee: Service, policy: Policy | None) -> LivePolicy:
        return LivePolicy(policy, self.drawn("uniform", callee.name, "pause"))

    def errands(self, caller: str, calls: tuple[Step, ...]) -> Errands:
        """Return what makes the calls of a handler or service."""
        return self.caller.errands(
            [[self._call(caller, call, name) for call, name in step] for step in call_names(calls)]
        )

    def _call(self, caller: str, call: Call, name: str) -> LiveCall:
        chance = self.drawn("uniform", caller, f"call:{name}") if call.probability < 1.0 else None
        suffix = name.removeprefix(call.service)
        if call.service in self.routes:
            return self._routed(self.routes[call.service], call, chance, caller, suffix)
        return self._direct(call.service, call, call.policy, chance, caller, suffix)

    def _direct(
        self,
        service: str,
        call: Call,
        policy: Policy | None,
        chance: Need | None,
        caller: str,
        suffix: str,
    ) -> LiveCall:
        callee = self.upstreams[service]
        return self._numbered(
            LiveCall(
                callee,
                self._policy(callee.part, policy or callee.part.policy),
                chance=chance,
                probability=call.probability,
                optional=call.optional,
                caller=caller,
                way=caller + suffix,
            )
        )

    def _routed(
        self, route: LiveRoute, call: Call, chance: Need | None, caller: str, suffix: str
    ) -> LiveCall:
        """Return a call through a route: with one of its own for each service behind it."""
        policy = call.policy or route.part.policy
        behind = {
            name: self._direct(name, call, policy, None, caller, suffix)
            for name in route.part.services
        }
        copies = {
            name: self._direct(name, call, Policy(), None, caller, f"{suffix}~")
            for name in route.part.mirror
        }
        first = next(iter(behind.values()))
        return LiveCall(
            first.callee,
            first.policy,
            chance=chance,
            probability=call.probability,
            optional=call.optional,
            caller=caller,
            way=caller + suffix,
            route=route,
            behind=behind,
            copies=copies,
        )

    def entry(self, route: LiveRoute) -> Entry:
        """Return the place where sources call through a route."""
        return Entry(self.caller, self._routed(route, Call(route.name), None, "", ""))


class Entry:
    """A route as a place that sources and handlers send to."""

    blocks = False

    def __init__(self, caller: Caller, live: LiveCall) -> None:
        self.name = live.callee.name
        self.caller = caller
        self.live = live

    def arrive(self, request: Request, release: Release | None = None) -> bool:
        """Call the service that the route chooses for `request`."""
        request.visit = 0
        self.caller.begin(self.live, request, request.source, None)
        return True

    def withdraw(self, request: Request) -> None:
        """Forget a blocked request whose producer has crashed; nobody is blocked here."""
        raise AssertionError(f"{request} is not blocked at {self.name!r}")
