"""Routes: a name that callers use, and the services that stand behind it.

A route decides for each *call* (not for each attempt) which of its services is called: by the first
of its rules that fits, or by its weights.  Rules look at who calls, at the subject of the request
(its path, as it were) and at its headers, as Istio's virtual services and the Gateway API do.  With
``by="key"`` the same key always goes the same way, as an A/B test needs it.  A *mirrored* call is
made beside the one that counts; nobody waits for it, and what becomes of it changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import xxhash

from ..clock import CHANGE, Alarm, Clock
from ..ledger import OK, Request
from ..parts import Name, Probability, field, part
from ..resilience.policy import Policy
from ..sources.base import check_headers
from ..stations.handler import shares
from .canary import Canary, Judge
from .upstream import Upstream

__all__ = ["LiveRoute", "Route", "Rule"]

Destinations = Name | dict[str, Probability]


@part
class Rule:
    """Where the calls go that it fits; what is not given fits everything.

    Parameters
    ----------
    to : str or dict
        A service, or ``{service: probability}``.
    source : str, optional
        The source whose request it is.
    subject : str, optional
        The subject of the request; with a ``*`` at its end, what it begins with.
    headers : dict
        What these headers of the request are.

    Examples
    --------
    >>> Rule(to="orders-v2", headers={"x-beta": "yes"})
    Rule(to='orders-v2', headers={'x-beta': 'yes'})
    """

    to: Destinations
    source: Name | None = None
    subject: Name | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_shares(self.to)
        check_headers(self.headers)

    def fits(self, source: str, subject: str, header: Callable[[str], str | None]) -> bool:
        """Whether a request is one of those."""
        if self.source not in (None, source):
            return False
        if self.subject is not None:
            begins, star, _ = self.subject.partition("*")
            if not (subject.startswith(begins) if star else subject == begins):
                return False
        return all(header(name) == value for name, value in self.headers.items())


@part
class Route:
    """A name that can be called, and the services behind it.

    Parameters
    ----------
    name : str
        What callers call, or sources send to.
    to : str or dict
        A service, or ``{service: probability}``: where calls go that no rule fits.
    rules : tuple of Rule
        The first that fits decides.
    by : str
        ``"request"``: chosen by chance for each call; ``"key"``: by the request's key, so that the
        same key always goes the same way.
    mirror : dict
        ``{service: probability}``: who gets a copy, and how likely.
    canary : Canary, optional
        Moves the weights of `to`.
    policy : Policy, optional
        Of calls through this route, instead of the services' own.

    Examples
    --------
    >>> Route("orders", to={"orders-v1": 0.9, "orders-v2": 0.1})
    Route('orders', to={'orders-v1': 0.9, 'orders-v2': 0.1})
    """

    name: Name = field(kw_only=False)
    to: Destinations
    rules: tuple[Rule, ...] = ()
    by: Literal["request", "key"] = "request"
    mirror: dict[str, Probability] = field(default_factory=dict)
    canary: Canary | None = None
    policy: Policy | None = None

    def __post_init__(self) -> None:
        _check_shares(self.to)
        names = list(shares(self.to))
        if self.canary is not None and self.canary.service not in names:
            raise ValueError(
                f"canary is of {self.canary.service!r}, but to is {self.to!r}; name the canary "
                "there too, with any weight: 0.0 will do"
            )
        if self.canary is not None and len(names) < 2:
            raise ValueError("canary needs another service beside it in to=")

    @property
    def services(self) -> tuple[str, ...]:
        """All the services that it may lead to, each once."""
        found = dict.fromkeys(shares(self.to))
        for rule in self.rules:
            found |= dict.fromkeys(shares(rule.to))
        return tuple(found | dict.fromkeys(self.mirror))


def _check_shares(to: str | dict[str, float]) -> None:
    if isinstance(to, dict) and abs(sum(to.values()) - 1.0) > 1e-9:
        raise ValueError(
            f"to is {dict(to)!r}, whose weights add up to {sum(to.values()):g}; they must add up "
            "to 1"
        )


class LiveRoute:
    """A route at work.

    Parameters
    ----------
    part : Route
        What was declared.
    upstreams : dict
        The services, by name.
    chance : callable
        From a purpose to the function that gives a request's uniform draw for it.
    key : callable
        The text of a request's key, or None.
    about : callable
        A request's source and subject, by name.
    header : callable
        What a header of a request is.
    alive : callable
        Whether anything is left that weights could matter to.
    """

    blocks = False

    def __init__(
        self,
        clock: Clock,
        part: Route,
        upstreams: dict[str, Upstream],
        chance: Callable[[str], Callable[[Request], float]],
        key: Callable[[Request], str | None],
        about: Callable[[Request], tuple[str, str]],
        header: Callable[[Request, str], str | None],
        alive: Callable[[], bool],
    ) -> None:
        self.part = part
        self.name = part.name
        self.clock = clock
        self.upstreams = upstreams
        self.weights = dict(shares(part.to))
        self._chance = chance
        self._chances: dict[str, Callable[[Request], float]] = {}
        self._key = key
        self._about = about
        self._header = header
        self._alive = alive
        if part.canary is not None:
            self._judge = Judge(part.canary)
            self._good: list[bool] = []
            self._seconds: list[float] = []
            self._weigh(0.0)
            upstreams[part.canary.service].watch = self._noted
            clock.schedule(Alarm(self._check), CHANGE, part.canary.interval)

    def destination(self, request: Request, suffix: str) -> str:
        """Return the service that is called for a request."""
        source, subject = self._about(request)
        weights: dict[str, float] = self.weights
        for rule in self.part.rules:
            if rule.fits(source, subject, lambda name: self._header(request, name)):
                weights = shares(rule.to)
                break
        if len(weights) == 1:
            return next(iter(weights))
        uniform = self._uniform(request, suffix)
        reached = 0.0
        for name, weight in weights.items():
            reached += weight
            if weight > 0.0:
                last = name
                if uniform < reached:
                    return name
        return last

    def mirrored(self, request: Request, suffix: str) -> list[str]:
        """Return the services that get a copy."""
        return [
            name
            for name, share in self.part.mirror.items()
            if self._drawn(f"mirror{suffix}:{name}")(request) < share
        ]

    def _uniform(self, request: Request, suffix: str) -> float:
        if self.part.by == "key":
            key = self._key(request)
            if key is not None:
                digest = xxhash.xxh64_intdigest(f"{self.name}/{key}".encode())
                return digest / 2.0**64
        return self._drawn(f"route{suffix}")(request)

    def _drawn(self, purpose: str) -> Callable[[Request], float]:
        if purpose not in self._chances:
            self._chances[purpose] = self._chance(purpose)
        return self._chances[purpose]

    # -- the canary ------------------------------------------------------------------------------

    def _noted(self, outcome: int, seconds: float) -> None:
        self._good.append(outcome == OK)
        self._seconds.append(seconds)

    def _check(self, alarm: Alarm) -> None:
        canary = self.part.canary
        assert canary is not None
        check = self._judge.check(self.clock.env.now, self._good, self._seconds)
        self._good.clear()
        self._seconds.clear()
        self._weigh(check.weight)
        if check.phase == "progressing" and self._alive():
            alarm.callbacks = alarm.again
            self.clock.schedule(alarm, CHANGE, canary.interval)

    def _weigh(self, percent: float) -> None:
        """Give the canary so much, and the others the rest as they are declared."""
        assert self.part.canary is not None
        mine = self.part.canary.service
        declared = shares(self.part.to)
        rest = math.fsum(weight for name, weight in declared.items() if name != mine)
        others = sum(name != mine for name in declared)
        share = percent / 100.0
        self.weights = {
            name: share
            if name == mine
            else (1.0 - share) * (weight / rest if rest > 0.0 else 1.0 / others)
            for name, weight in declared.items()
        }
