"""When retries keep an overload alive: the boundaries of a metastable collapse.

**The model.** Requests arrive at rate lambda; the servers together finish C attempts per second,
first come, first served, and *go on working for callers that have left*.  A caller that has no
answer after tau seconds tries again, up to r times.  Two states can keep themselves alive:

- *normal*: waits are far below tau, nothing is retried, the load is lambda;
- *collapsed*: more than C tau attempts are waiting, so every attempt times out, every request is
  sent r + 1 times, and the load is lambda (r + 1), all of it work for nobody.

Normal needs lambda < C.  Collapsed needs lambda (r + 1) > C, or the backlog would drain until waits
are below tau again.  So

    lambda (r + 1) < C          stable: any backlog drains by itself,
    lambda < C < lambda (r + 1) bistable: a pulse that leaves C tau attempts waiting is enough to
                                collapse it, and it stays so after the pulse has gone,
    C < lambda                  overloaded: collapsed, whatever one does about retries.

**With a retry budget** as Envoy's, of a share b and a floor of m: a proxy lets a retry go only
while its retries in progress are fewer than max(m, b * (requests active or pending)).  Collapsed,
every attempt is held for tau, so by Little's law a rate of x attempts per second is x tau requests
in progress.  First attempts and retries both count as active, hence with R retries per second

    R tau <= b (lambda + R) tau,   that is   R <= lambda b/(1 - b),   or else   R <= m proxies/tau,

and R <= lambda r in any case.  Collapsed, the load is

    lambda + min(lambda r, max(lambda b/(1 - b), m proxies/tau)),

and the system recovers when this is below C.  The share does not depend on how many proxies there
are; the floor does: many small clients, each allowed its three retries, are no budget at all.

**What this assumes.** (1) Every attempt in the collapsed state is held for the same tau: per-try
timeouts, no fast refusals.  (2) Back-off is short.  A retry takes its place when it is scheduled
and keeps it while it pauses, but a pausing request is not counted as active, so a mean pause of w
seconds lowers both parts, to lambda b/(1 - b + w/tau) and m proxies/(tau + w): give `pause`.
(3) All proxies get the same share of the load: in general the sum over proxies of the larger part
counts, which is never less than the larger of the sums used here.  (4) Numbers in progress are
large: Envoy truncates b times a whole number, which allows less; and takes the larger of two
quantities when one of them fluctuates, which allows more.  (5) Requests wait without limit.  A
bounded queue that holds less than C tau never gets to the collapsed state.  (6) Means: within a few
per cent of a boundary chance decides.

Sources: Bronson, Aghayev, Charapko and Zhu, Metastable failures in distributed systems, HotOS 2021,
for the two states (recalled, not checked); Envoy's source, resource_manager_impl.h and
retry_state_impl.cc, for the budget; the boundaries are derived here.
"""

from __future__ import annotations

import dataclasses
import math

from ..errors import PartError
from . import _arguments as check
from ._results import shown

__all__ = ["RetryCollapse", "retry_collapse"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class RetryCollapse:
    """What `retry_collapse` returns; all rates per second.

    Parameters
    ----------
    verdict : str
        ``"stable"``, ``"bistable"`` or ``"overloaded"``.
    utilisation : float
        Arrival rate over capacity: the load in the normal state.
    collapsed_load : float
        Attempts per second while every attempt times out, retries included.
    limit : str
        What bounds the retries then: ``"retries"`` (their number), ``"budget"`` or ``"floor"``.
    recovers_below : float
        The arrival rate below which any backlog drains by itself.
    collapses_above : float
        The arrival rate above which there is no normal state: the capacity.
    backlog : float
        Attempts waiting at which each new one times out: what a pulse must leave behind.
    reasoning : str
        The verdict in words.
    """

    verdict: str
    utilisation: float
    collapsed_load: float
    limit: str
    recovers_below: float
    collapses_above: float
    backlog: float
    reasoning: str = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return shown(self)


def retry_collapse(
    *,
    arrival_rate: float,
    capacity: float,
    retries: int,
    timeout: float,
    budget: float | None = None,
    floor: int = 3,
    proxies: int = 1,
    pause: float = 0.0,
) -> RetryCollapse:
    """Return whether retries can keep an overload alive after its cause has gone.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, over all proxies, without retries.
    capacity : float
        Attempts per second that all servers together finish.
    retries : int
        Retries of one request at most; 0 or more.
    timeout : float
        Seconds after which an attempt is given up by its caller, not by the server.
    budget : float, optional
        Retries in progress as a share of the requests in progress, 0 to 1 (Envoy's
        budget_percent / 100, 0.2 by default there); no budget when not given.
    floor : int, optional
        Retries in progress that each proxy may always have (Envoy's min_retry_concurrency).  Only
        with a budget.
    proxies : int, optional
        Proxies that keep a budget of their own.
    pause : float, optional
        Mean seconds of back-off before a retry.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    Half busy, but with three retries it can stay down after a short pulse; a budget of 20 %
    prevents it with few clients, not with many:

    >>> given = {"arrival_rate": 50.0, "capacity": 100.0, "retries": 3, "timeout": 1.0}
    >>> retry_collapse(**given)
    RetryCollapse(verdict='bistable', utilisation=0.5, collapsed_load=200, limit='retries', \
recovers_below=25, collapses_above=100, backlog=100)
    >>> retry_collapse(**given, budget=0.2)
    RetryCollapse(verdict='stable', utilisation=0.5, collapsed_load=62.5, limit='budget', \
recovers_below=80, collapses_above=100, backlog=100)
    >>> many = retry_collapse(**given, budget=0.2, proxies=20)
    >>> many.verdict, many.collapsed_load, many.limit
    ('bistable', 110.0, 'floor')
    >>> print(many.reasoning)
    Normally 50 attempts/s meet a capacity of 100/s. While everything times out there are 110 \
attempts/s, retries being limited by the floor of 3 on each of 20 proxies: above capacity, so a \
backlog of 100 attempts does not drain. It would below 40 requests/s.
    """
    where = "retry_collapse"
    arrival = check.positive(where, "arrival_rate", arrival_rate)
    total = check.positive(where, "capacity", capacity)
    r = check.count(where, "retries", retries, least=0)
    tau = check.positive(where, "timeout", timeout)
    n = check.count(where, "proxies", proxies)
    m = check.count(where, "floor", floor, least=0)
    held = tau + check.at_least_zero(where, "pause", pause)
    share, always = math.inf, math.inf
    if budget is not None:
        b = _budget(where, budget)
        left = held / tau - b
        share = b / left if left > 0.0 else math.inf
        always = m * n / held
    number, part, least = arrival * r, arrival * share, always
    allowed = max(part, least)
    if number <= allowed:
        again, limit = number, "retries"
    else:
        again, limit = (part, "budget") if part >= least else (least, "floor")
    collapsed = arrival + again
    recovers = max(
        total / (r + 1.0),
        0.0 if budget is None else min(total / (1.0 + share), max(0.0, total - always)),
    )
    verdict = "stable" if collapsed < total else "bistable"
    if arrival >= total:
        verdict = "overloaded"
    words = {
        "retries": f"{r} retries of each request",
        "budget": f"a budget of {100 * (budget or 0.0):.6g} %",
        "floor": f"the floor of {m} on each of {n} proxies",
    }[limit]
    return RetryCollapse(
        verdict=verdict,
        utilisation=arrival / total,
        collapsed_load=collapsed,
        limit=limit,
        recovers_below=recovers,
        collapses_above=total,
        backlog=total * tau,
        reasoning=_reasoning(verdict, arrival, total, collapsed, words, recovers, total * tau),
    )


def _budget(where: str, value: object) -> float:
    try:
        return check.probability(where, "budget", value)
    except PartError:
        allowed = "a share from 0 to 1 (0.2 is 20 %), or None for no budget"
        raise check.wrong(where, "budget", value, allowed) from None


def _reasoning(
    verdict: str,
    arrival: float,
    capacity: float,
    collapsed: float,
    limited_by: str,
    recovers: float,
    backlog: float,
) -> str:
    normal = f"Normally {arrival:.6g} attempts/s meet a capacity of {capacity:.6g}/s"
    if verdict == "overloaded":
        return (
            f"{normal}: more than it can do even without retries. Nothing but less load or more "
            "capacity helps."
        )
    down = (
        f"{normal}. While everything times out there are {collapsed:.6g} attempts/s, retries being "
        f"limited by {limited_by}"
    )
    if verdict == "stable":
        return f"{down}: still below capacity, so any backlog drains by itself."
    return (
        f"{down}: above capacity, so a backlog of {backlog:.6g} attempts does not drain. It would "
        f"below {recovers:.6g} requests/s."
    )
