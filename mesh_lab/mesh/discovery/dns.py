"""DNS: whoever asks gets a list that he may keep for a while, and so may those in between.

*The name server* answers with those that the registry says are ready, and with a time to live.
*Resolvers*, if there are any, keep an answer until its time is over, and hand it on with the time
that is left.  *Clients* ask again when the time is over (``"ttl"``), or when they please: an Envoy
cluster every 5 s whatever the answer says (``dns_refresh_rate``), a JVM after 30 s
(``networkaddress.cache.ttl``), or never under a security manager.

So a client is behind by at most the resolver's time, plus its own, plus one lookup.  When time
begins every client and resolver has an answer already, and asks again at a phase of its own.

A name without addresses is an answer too, and is kept for the smaller of the SOA record's TTL and
its MINIMUM field (RFC 2308, section 3: `negative_ttl`).

Who takes only the first record of an answer is balanced by its order: ``"fixed"`` (everybody goes
to one), ``"round robin"`` (the next answer begins one further), or ``"random"`` (CoreDNS's
``loadbalance``: each order is equally likely).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from annotated_types import Ge

from ...draws import Draws
from ...parts import NonNegative, SomeSeconds, part
from .base import Discovery, State, Truth, View, ViewChange, published
from .loop import Model
from .numbers import Delay, Next, numbers

__all__ = ["Dns", "negative_ttl"]

_NONE_LEFT = 1e-6  # seconds; what is left of a time to live below this is rounding


def negative_ttl(soa_ttl: float, soa_minimum: float) -> float:
    """Return the seconds for which the answer "there is none" may be kept (RFC 2308, section 3).

    Examples
    --------
    >>> negative_ttl(soa_ttl=30.0, soa_minimum=5.0)
    5.0
    """
    return min(soa_ttl, soa_minimum)


@part
class Dns(Discovery):
    """Names that are looked up.

    Parameters
    ----------
    ttl : float
        Seconds that the name server says an answer may be kept.
    negative_ttl : float
        The same for the answer that there is nobody.
    resolvers : int
        Caches between clients and the name server; proxy p asks number ``p % resolvers``.  0: they
        ask the name server itself.
    cache : float
        Seconds for which a resolver keeps an answer at most.
    refresh : "ttl", float or None
        When a client asks again: when the time to live is over, after so many seconds whatever it
        was, or never.
    negative_refresh : float, optional
        The same after the answer that there is nobody, in seconds; as `refresh`, if left out.
    empty : str
        What a client makes of such an answer: it believes that there is nobody
        (``"believed"``: Envoy), or goes on with what it had (``"ignored"``).
    lookup : float or Distribution
        Seconds from a client's question to its answer.
    order : str
        ``"fixed"``, ``"round robin"`` or ``"random"``.
    takes : str
        Whether a client uses ``"all"`` records or the ``"first"``.

    Examples
    --------
    >>> from mesh_lab.draws import Draws
    >>> truth = [Truth(0.0, 0, State.READY), Truth(1.0, 1, State.READY)]
    >>> for change in Dns.envoy().views(truth, 2, Draws(seed=1), "orders"):
    ...     print(round(change.time, 2), change.proxy, change.endpoints)
    0.0 0 ((0, True),)
    0.0 1 ((0, True),)
    3.74 1 ((0, True), (1, True))
    5.26 0 ((0, True), (1, True))
    """

    ttl: NonNegative = 30.0
    negative_ttl: NonNegative = 5.0
    resolvers: Annotated[int, Ge(0)] = 0
    cache: SomeSeconds = 3600.0
    refresh: Literal["ttl"] | SomeSeconds | None = "ttl"
    negative_refresh: SomeSeconds | None = None
    empty: Literal["believed", "ignored"] = "believed"
    lookup: Delay = 0.0
    order: Literal["fixed", "round robin", "random"] = "fixed"
    takes: Literal["all", "first"] = "all"

    def __post_init__(self) -> None:
        if self.refresh == "ttl":
            for name in ("ttl", "negative_ttl"):
                if getattr(self, name) == 0.0 and not (
                    name == "negative_ttl" and self.negative_refresh is not None
                ):
                    raise ValueError(
                        f"{name} is 0 s and refresh is 'ttl', so clients would ask without end at "
                        "one moment; give refresh= in seconds"
                    )

    @classmethod
    def coredns(cls, ttl: float = 5.0, **fields: Any) -> Dns:
        """Return CoreDNS as it answers for Kubernetes: 5 s, in random order.

        Other fields of `Dns` may be given too.
        """
        return cls(ttl=ttl, **{"order": "random", "resolvers": 1, **fields})

    @classmethod
    def kubeadm(cls, **fields: Any) -> Dns:
        """Return CoreDNS as kubeadm installs it: 30 s, and a cache of 30 s (recalled)."""
        return cls.coredns(30.0, **{"cache": 30.0, **fields})

    @classmethod
    def envoy(cls, respect_ttl: bool = False, **fields: Any) -> Dns:
        """Return an Envoy cluster of type STRICT_DNS: every 5 s, or as the TTL says."""
        return cls(**{"refresh": "ttl" if respect_ttl else 5.0, **fields})

    @classmethod
    def jvm(cls, forever: bool = False, **fields: Any) -> Dns:
        """Return a Java program: 30 s (10 s if there is nobody), or for ever; the first record."""
        kept = {"refresh": None if forever else 30.0, "negative_refresh": 10.0, "takes": "first"}
        return cls(**{**kept, **fields})

    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes; see `Discovery.views`.

        With ``refresh=None`` a proxy never hears of anybody but those of the beginning.
        """
        return _Model(self, published(truth), proxies, draws, name).run()


class _Resolver:
    """A cache between clients and the name server."""

    __slots__ = ("answers", "expiry", "records")

    def __init__(self, records: tuple[int, ...], expiry: float) -> None:
        self.records = records
        self.expiry = expiry
        self.answers = 0  # given so far, which round robin counts


class _Model(Model):
    def __init__(
        self, part: Dns, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> None:
        super().__init__(truth, proxies, draws, name)
        self.part = part
        self.views: list[View] = [()] * proxies
        self.lookups = [
            Next(numbers(part.lookup, draws, name, "lookup", str(p))) for p in range(proxies)
        ]
        picked = "uniform" if part.order == "random" and part.takes == "first" else 0.0
        self.picks = [Next(numbers(picked, draws, name, "order", str(p))) for p in range(proxies)]
        self.servers: list[_Resolver] = []

    def records(self) -> tuple[int, ...]:
        """Return what the name server answers."""
        return tuple(endpoint for endpoint, _ in self.known.view())

    def changed(self, change: Truth, before: State) -> None:
        """Nobody hears of it until he asks."""

    def view(self, proxy: int) -> View:
        """Return what the last answer made the client believe."""
        return self.views[proxy]

    def begin(self) -> None:
        """Everybody has an answer, somewhere in the middle of its time."""
        part = self.part
        there = self.records()
        phases = self.draws.column("uniform", self.name, "cache phase", "")
        lives = min(self._ttl(there), part.cache)
        # without resolvers the name server stands for one that keeps nothing
        self.servers = [
            _Resolver(there, lives * phases.at(k) if part.resolvers else 0.0)
            for k in range(max(1, part.resolvers))
        ]
        phases = self.draws.column("uniform", self.name, "phase", "")
        for proxy in range(self.proxies):
            server = self._server(proxy)
            self._believe(proxy, self._ordered(proxy, server))
            if part.refresh == "ttl" and part.resolvers and not self._own(there):
                again = server.expiry  # the time that was left when it asked last
            else:
                again = self._again(there, self._ttl(there)) * phases.at(proxy)
            self.agenda.plan(again, self._ask, proxy)

    # -- times ---------------------------------------------------------------------------------

    def _ttl(self, records: tuple[int, ...]) -> float:
        return self.part.ttl if records else self.part.negative_ttl

    def _own(self, records: tuple[int, ...]) -> bool:
        """Whether the client has a time of its own for such an answer."""
        negative = not records and self.part.negative_refresh is not None
        return negative or self.part.refresh != "ttl"

    def _again(self, records: tuple[int, ...], left: float) -> float:
        """Return the seconds after which a client asks again; infinity for never."""
        part = self.part
        if not records and part.negative_refresh is not None:
            return part.negative_refresh
        if part.refresh is None:
            return math.inf
        return left if part.refresh == "ttl" else part.refresh

    # -- questions and answers -----------------------------------------------------------------

    def _server(self, proxy: int) -> _Resolver:
        return self.servers[proxy % len(self.servers)]

    def _ask(self, proxy: int) -> None:
        server, part = self._server(proxy), self.part
        if not part.resolvers:
            server.records = self.records()
            left = self._ttl(server.records)
        else:
            if server.expiry - self.now < _NONE_LEFT:
                server.records = self.records()
                server.expiry = self.now + min(self._ttl(server.records), part.cache)
            left = server.expiry - self.now
        answer = self._ordered(proxy, server)
        # nobody will hear anything else any more, unless the order changes
        last = self.truth.ended and server.records == self.records() and not self._shuffled()
        self.agenda.plan(
            self.now + self.lookups[proxy](), self._hear, proxy, answer, left, last, rank=1
        )

    def _shuffled(self) -> bool:
        return self.part.takes == "first" and self.part.order != "fixed"

    def _ordered(self, proxy: int, server: _Resolver) -> tuple[int, ...]:
        """Return an answer's records, the first one first; the others in order of their number."""
        records = server.records
        if not records or not self._shuffled():
            return records
        first = server.answers % len(records)
        server.answers += 1
        if self.part.order == "random":
            first = int(self.picks[proxy]() * len(records))
        return (records[first], *records[:first], *records[first + 1 :])

    def _believe(self, proxy: int, answer: tuple[int, ...]) -> None:
        used = answer[:1] if self.part.takes == "first" else answer
        if used or self.part.empty == "believed":
            self.views[proxy] = tuple((endpoint, True) for endpoint in used)
            self.touch(proxy)

    def _hear(self, proxy: int, answer: tuple[int, ...], left: float, last: bool) -> None:
        self._believe(proxy, answer)
        if not last:
            self.agenda.plan(self.now + self._again(answer, left), self._ask, proxy)
