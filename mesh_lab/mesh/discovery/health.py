"""Active health checks: every proxy asks every endpoint, again and again, whether it is well.

A check meets the endpoint as it is when the check is sent: one that is READY answers after a time
that is drawn, and passes if that is within the timeout; one that is UNREADY answers an error; one
that is STARTING or DOWN refuses at once; from one that is ABSENT nothing comes, and the check fails
at the timeout; one that terminates passes unless `draining` says that it fails.  What results do to
the health is in `checking`.

Each checker has a clock of its own for each endpoint.  Envoy's next check begins an interval after
the last result, HAProxy's an interval after the last check began (recalled, not checked: the task's
expiry is moved by ``inter`` when a check starts).  The interval may depend on the last result:

====================================  =========================  ==========================
after                                 Envoy's field              HAProxy's
====================================  =========================  ==========================
a success that agrees, or changes     ``interval``               ``inter``
a success that is not yet enough      ``healthy_edge_interval``  ``fastinter``
a failure that is not yet enough      ``unhealthy_edge_...``     ``fastinter``
a failure that agrees, or changes     ``unhealthy_interval``     ``downinter``
====================================  =========================  ==========================

Whom to check is known at once, unless `members` says how the proxies learn that.  Envoy keeps an
endpoint that discovery no longer lists for as long as it passes its checks, because the list may
be what is wrong (Envoy documentation, "On eventually consistent service discovery").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from ...draws import Draws
from ...parts import Count, NonNegative, Seconds, SomeSeconds, part
from .base import Discovery, Truth, ViewChange
from .checking import Thresholds
from .numbers import Delay

__all__ = ["HealthChecks"]


@part
class HealthChecks(Discovery):
    """Active health checks by each proxy.

    Parameters
    ----------
    interval, timeout : float
        Seconds between checks, and that an answer may take.
    unhealthy, healthy : int
        Failures in a row until an endpoint is unhealthy, successes until it is healthy again.
    response : float or Distribution
        Seconds that an endpoint takes to answer a check.
    paced : str
        ``"after the result"`` (Envoy) or ``"by the clock"`` (HAProxy).
    unhealthy_interval, unhealthy_edge_interval, healthy_edge_interval : float, optional
        Seconds to the next check after a failure, and after a result that is not yet enough; the
        second is as the first, the others as `interval`, if left out.
    interval_jitter : float
        Up to so many seconds more, each time.
    interval_jitter_percent : float
        Up to so many percent of the interval more, each time.
    initial_jitter : float
        Up to so many seconds before the first check of an endpoint that is new.
    warm : bool
        Whether the proxies have been checking for long when time begins, each at a phase of its
        own, and know what is so.  If not, they begin at time 0.
    assumed : str
        What an endpoint is taken for before its first check: ``"unhealthy"`` (Envoy: then its first
        success is enough) or ``"healthy"`` (HAProxy: then its first failure is enough).
    error_counts : bool
        Whether an answered error makes unhealthy by itself (Envoy's HTTP checks).
    draining : str
        Whether an endpoint that terminates ``"passes"`` or ``"fails"`` its checks.
    members : Discovery, optional
        How the proxies learn whom to check.
    keep_removed : bool
        Whether an endpoint that `members` no longer lists stays while it passes.

    Examples
    --------
    An endpoint crashes at 10 s; checks are due at 3.7 s, 8.7 s, ..., and two must fail:

    >>> from mesh_lab.draws import Draws
    >>> from mesh_lab.mesh.discovery.base import State
    >>> truth = [Truth(0.0, 0, State.READY), Truth(10.0, 0, State.DOWN)]
    >>> checks = HealthChecks(interval=5.0, timeout=1.0, unhealthy=2, healthy=2)
    >>> for change in checks.views(truth, 1, Draws(seed=1), "orders"):
    ...     print(round(change.time, 1), change.endpoints)
    0.0 ((0, True),)
    18.7 ((0, False),)
    """

    interval: SomeSeconds
    timeout: SomeSeconds
    unhealthy: Count = 3
    healthy: Count = 2
    response: Delay = 0.0
    paced: Literal["after the result", "by the clock"] = "after the result"
    unhealthy_interval: SomeSeconds | None = None
    unhealthy_edge_interval: SomeSeconds | None = None
    healthy_edge_interval: SomeSeconds | None = None
    interval_jitter: Seconds = 0.0
    interval_jitter_percent: NonNegative = 0.0
    initial_jitter: Seconds = 0.0
    warm: bool = True
    assumed: Literal["unhealthy", "healthy"] = "unhealthy"
    error_counts: bool = True
    draining: Literal["passes", "fails"] = "passes"
    members: Discovery | None = None
    keep_removed: bool = True

    def __post_init__(self) -> None:
        for name in (
            "interval",
            "unhealthy_interval",
            "unhealthy_edge_interval",
            "healthy_edge_interval",
        ):
            interval = getattr(self, name)
            if interval is not None and self.timeout > interval:
                raise ValueError(
                    f"timeout is {self.timeout} s, but {name} is {interval} s: a health check "
                    "would be slower than its interval; make timeout at most that, or the interval "
                    "longer"
                )

    @classmethod
    def haproxy(
        cls,
        *,
        inter: float = 2.0,
        fall: int = 3,
        rise: int = 2,
        fastinter: float | None = None,
        downinter: float | None = None,
        timeout: float | None = None,
        response: Delay = 0.0,
        members: Discovery | None = None,
    ) -> HealthChecks:
        """Return checks as HAProxy makes them; its defaults are 2 s, 3 and 2.

        Without ``timeout check`` a check may take the interval in force, here the shortest.

        Examples
        --------
        >>> HealthChecks.haproxy(inter=1.0).timeout
        1.0
        """
        shortest = min(x for x in (inter, fastinter, downinter) if x is not None)
        return cls(
            interval=inter,
            timeout=shortest if timeout is None else timeout,
            unhealthy=fall,
            healthy=rise,
            response=response,
            paced="by the clock",
            unhealthy_interval=downinter,
            unhealthy_edge_interval=inter if fastinter is None else fastinter,
            healthy_edge_interval=fastinter,
            assumed="healthy",
            error_counts=False,
            members=members,
            keep_removed=False,
        )

    @property
    def thresholds(self) -> Thresholds:
        """The counters' rule."""
        return Thresholds(
            self.unhealthy, self.healthy, self.assumed == "unhealthy", self.error_counts
        )

    def pause(self, passed: bool, edge: bool) -> float:
        """Return the seconds to the next check, before jitter.

        Parameters
        ----------
        passed : bool
            Whether the last check passed.
        edge : bool
            Whether it was not yet enough to change what the endpoint is taken for.
        """
        if passed:
            pause = self.healthy_edge_interval if edge else self.interval
        else:
            pause = self.unhealthy_interval
            if edge and self.unhealthy_edge_interval is not None:
                pause = self.unhealthy_edge_interval
        return self.interval if pause is None else pause

    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes; see `Discovery.views`."""
        from .checkers import Checkers

        return Checkers(self, truth, proxies, draws, name).run()
