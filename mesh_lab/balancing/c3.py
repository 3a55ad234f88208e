"""C3's replica ranking: expected wait with a cubed queue, from what servers say of themselves.

Every response brings back how many requests it left behind at its endpoint and how long it was
in service.  Each balancer averages these and the response time for each endpoint, and sends to
the lowest score

    R - S + q**3 * S,    q = 1 + outstanding * w + Q

with the averages *R* of response times, *S* of service times (1/mu in the paper) and *Q* of
queues, its own `outstanding` requests and the number *w* of balancers, each of which is taken to
have as many on the way.  The cube makes long queues at quick servers unattractive.

Suresh, Canini, Schmid, Feldmann: "C3: Cutting tail latency in cloud data stores via adaptive
replica selection", NSDI 2015, as Elasticsearch's ``ResponseCollectorService.java`` and the
``ScoreTracker.java`` of the authors' Cassandra have it.  C3's second half, a rate limit per server
that backs off as TCP CUBIC does, is left out: this is the ranking alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Gt, Le

from ..parts import NonNegative, part
from .rule import Balancer, Floats, Make, Pool, Rule, View, kernel, kernels

__all__ = ["C3"]


@kernel
def score_of(s: Scores, outstanding: int, at: int) -> float:
    """The score of an endpoint; 0 while it has not answered."""
    service = s.service[at]
    if service < 0.0:
        return 0.0
    q = 1.0 + outstanding * s.clients + s.queue[at]
    return s.response[at] - service + q * q * q * service  # type: ignore[no-any-return]


@kernel
def pick_lowest_score(s: Scores, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The endpoint with the lowest score, of a tie one at random."""
    n = v.size[g]
    first, base = g * v.stride, v.balancer[g] * v.stride
    best = v.hosts[first]
    lowest = s.score[base + best]
    tied = 1
    for j in range(1, n):
        e = v.hosts[first + j]
        score = s.score[base + e]
        if score < lowest:
            best, lowest, tied = e, score, 1
        elif score == lowest:
            tied += 1
    if tied == 1:
        return best  # type: ignore[no-any-return]
    wanted = int(u[0] * tied)
    for j in range(n):
        e = v.hosts[first + j]
        if s.score[base + e] == lowest:
            if wanted == 0:
                return e  # type: ignore[no-any-return]
            wanted -= 1
    return best  # type: ignore[no-any-return]


@kernel
def score_sent(s: Scores, v: View, p: int, e: int, now: float) -> None:
    """Score an endpoint that has one more outstanding."""
    at = p * v.stride + e
    s.score[at] = score_of(s, v.outstanding[at], at)


@kernel
def score_answered(
    s: Scores,
    v: View,
    p: int,
    e: int,
    now: float,
    latency: float,
    ok: int,
    there: int,
    worked: float,
) -> None:
    """Take in the feedback of a response that was served; score anew."""
    at = p * v.stride + e
    if v.pool[at] < 0:
        return
    if ok == 0 or math.isnan(worked):
        pass
    elif s.service[at] < 0.0:
        s.response[at] = latency
        s.service[at] = worked
        s.queue[at] = there * 1.0
    else:
        alpha = s.alpha
        s.response[at] = alpha * latency + (1.0 - alpha) * s.response[at]
        s.service[at] = alpha * worked + (1.0 - alpha) * s.service[at]
        s.queue[at] = alpha * there + (1.0 - alpha) * s.queue[at]
    s.score[at] = score_of(s, v.outstanding[at], at)


@kernels(pick=pick_lowest_score, sent=score_sent, answered=score_answered)
class Scores(NamedTuple):
    """The averages of every balancer, at ``p * stride + e``.

    Attributes
    ----------
    response, service : floats
        Seconds; `service` is -1 for an endpoint that has not answered.
    queue : floats
        Requests left behind at the endpoint.
    score : floats
        What follows from these and the outstanding requests; a pick only looks for the lowest.
    alpha, clients : float
        See `C3`.
    """

    response: Floats
    service: Floats
    queue: Floats
    score: Floats
    alpha: float
    clients: float


@part
class C3(Balancer):
    """The endpoint with the lowest C3 score: response time, and service time by cubed queue.

    Parameters
    ----------
    alpha : float
        The weight of the newest value in the averages, above 0 and at most 1.  The authors'
        Cassandra has 0.9, Elasticsearch 0.3.
    clients : float or None
        By how much a balancer multiplies its own outstanding requests, to allow for what the
        others have on the way.  None is the number of balancers, as in the paper.

    Notes
    -----
    All endpoints are scored for every pick, which costs O(n).  On a tie one of the lowest is
    drawn.  An average begins with its first value, as in Elasticsearch (in the authors' Cassandra
    with 0).  An endpoint that has not answered yet scores 0, as in the authors' code, so it comes
    before all others; an endpoint that joins again has not answered.  Only a good response is
    feedback, as in Elasticsearch; what was rejected or failed changes nothing.  The queue that is
    averaged is everything a response leaves behind at its endpoint, waiting and in service.
    Rate control is left out, see `mesh_lab.balancing.c3`.

    Examples
    --------
    >>> C3()
    C3()
    >>> C3(alpha=0.3)  # Elasticsearch's averages
    C3(alpha=0.3)
    """

    sees: ClassVar[str] = "its own outstanding requests and latencies; queue and work in responses"
    cost: ClassVar[str] = "O(n)"
    origin: ClassVar[str] = "C3 (NSDI 2015), Elasticsearch"
    alpha: Annotated[float, Gt(0), Le(1)] = 0.9
    clients: NonNegative | None = None

    @property
    def draws(self) -> int:
        """One, for ties."""
        return 1

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the averages; those of endpoints that stay in a pool are carried over."""
        entries = len(view.outstanding)
        response, service, queue = [0.0] * entries, [-1.0] * entries, [0.0] * entries
        if isinstance(old, Scores):
            for pool in pools:
                for e in pool.endpoints:
                    at = pool.balancer * view.stride + e
                    response[at], service[at] = old.response[at], old.service[at]
                    queue[at] = old.queue[at]
        clients = entries / max(view.stride, 1) if self.clients is None else self.clients
        score = [0.0] * entries
        made = Scores(
            make.floats(response),
            make.floats(service),
            make.floats(queue),
            make.floats(score),
            self.alpha,
            clients,
        )
        for at in range(entries):
            made.score[at] = score_of(made, view.outstanding[at], at)
        return made
