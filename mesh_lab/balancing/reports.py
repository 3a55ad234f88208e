"""Weighted turns whose weights come from what the endpoints report of their own load.

An endpoint tells its requests per second (qps), its errors per second (eps) and its utilisation;
its weight is ``qps / (utilisation + eps / qps * penalty)``: roughly what it could do if it were
busy all the time.  gRPC's ``weighted_round_robin`` (proposal A58; ``balancer.go`` and
``scheduler.go`` of grpc-go's ``weightedroundrobin``) and Envoy's client-side weighted round robin
do this with ORCA load reports.  The kernels are in `mesh_lab.balancing.reporting`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt

from ..parts import NonNegative, Positive, part
from .reporting import REPORT, SHORTEST_UPDATE, UPDATE, Reports, renew_weights
from .rule import Balancer, Make, Pool, Rule, View, wake_at

__all__ = ["LoadReports"]


@part
class LoadReports(Balancer):
    """Turns in proportion to weights that endpoints earn with their load reports (gRPC, ORCA).

    The weight of an endpoint is qps / (utilisation + eps / qps * `error_penalty`).  Every
    `update_period` the turns are made anew from the weights that are usable: from endpoints that
    have been reporting for `blackout` seconds, and did so within the last `expiration` seconds;
    who was silent for so long has to report for `blackout` seconds again.  An endpoint without a
    usable weight gets the mean of the others; with fewer than two usable weights everyone's turn
    is the same.  The turns are those of `StaticStride`, as in grpc-go.

    Parameters
    ----------
    blackout : float
        Seconds; 10 in gRPC.
    expiration : float
        Seconds; 180 in gRPC.
    update_period : float
        Seconds; 1 in gRPC, which takes less than 0.1 as 0.1.
    error_penalty : float
        1 in gRPC.
    report_period : float
        Over how many seconds an endpoint measures; its report is about the last whole period.  10
        is how often gRPC asks for reports out of band; with the responses a server may report
        what it likes.
    out_of_band : bool
        False: every response brings the latest report, gRPC's default.  True: the report comes by
        itself at the end of each period, without delay.
    start : int
        What the schedule's counter begins with, below 2**32; grpc-go draws it.

    Notes
    -----
    Sources: gRPC's proposal A58, and grpc-go's ``balancer/weightedroundrobin``.

    What an endpoint reports is for its application to say; here it measures itself.  Its
    utilisation is the share of the period in which at least one request was there, waiting or in
    service.  That is what its worker is busy, if it has one; with several it is more.  Requests
    count, for qps and eps, when the response is back, and those that were rejected count as well.
    An empty report (nothing was answered, or the endpoint was never busy) is ignored.

    The periods run from the beginning of the run, and are the same for all.  An endpoint that
    joins, or joins again, begins anew: without a weight, and with a first period that is shorter.
    The turns begin anew whenever endpoints come or go.

    Examples
    --------
    >>> LoadReports(blackout=1.0, report_period=1.0)
    LoadReports(blackout=1.0, report_period=1.0)
    """

    sees: ClassVar[str] = "load reports: rate, errors and utilisation, as the endpoint tells"
    cost: ClassVar[str] = "O(largest weight / mean weight)"
    origin: ClassVar[str] = "gRPC A58 weighted_round_robin"
    oracle: ClassVar[bool] = True  # endpoints measure how long they are busy
    blackout: NonNegative = 10.0
    expiration: Positive = 180.0
    update_period: Positive = 1.0
    error_penalty: NonNegative = 1.0
    report_period: Positive = 10.0
    out_of_band: bool = False
    start: Annotated[int, Ge(0), Lt(2**32)] = 0

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the state; what is known of endpoints that stay in a pool is carried over."""
        n, entries = view.stride, len(view.outstanding)
        length = n * len(pools)
        weight, updated, heard = [0.0] * entries, [-math.inf] * entries, [math.inf] * entries
        qps, eps, utilisation, busy = ([0.0] * n for _ in range(4))
        queries, errors = [0] * n, [0] * n
        began = [math.inf] * n  # who is in no pool does not measure
        busy_since = [now if view.there[e] > 0 else math.inf for e in range(n)]
        for pool in pools:
            for e in pool.endpoints:
                began[e] = now
                if not isinstance(old, Reports) or old.period_began[e] == math.inf:
                    continue
                began[e], busy[e], busy_since[e] = (
                    old.period_began[e],
                    old.busy[e],
                    old.busy_since[e],
                )
                queries[e], errors[e] = old.queries[e], old.errors[e]
                qps[e], eps[e], utilisation[e] = old.qps[e], old.eps[e], old.utilisation[e]
                at = pool.balancer * n + e
                weight[at], updated[at], heard[at] = (
                    old.weight[at],
                    old.updated[at],
                    old.heard_since[at],
                )
        state = Reports(
            count=make.ints([self.start] * len(pools)),
            weights=make.ints([0] * length),
            latest=make.floats([0.0] * length),
            weight=make.floats(weight),
            updated=make.floats(updated),
            heard_since=make.floats(heard),
            qps=make.floats(qps),
            eps=make.floats(eps),
            utilisation=make.floats(utilisation),
            busy_since=make.floats(busy_since),
            busy=make.floats(busy),
            period_began=make.floats(began),
            queries=make.ints(queries),
            errors=make.ints(errors),
            penalty=self.error_penalty,
            blackout=self.blackout,
            expiration=self.expiration,
            update_period=max(self.update_period, SHORTEST_UPDATE),
            report_period=self.report_period,
            out_of_band=int(self.out_of_band),
        )
        for g in range(len(pools)):
            renew_weights(state, view, g, now)
        if not isinstance(old, Reports):
            wake_at(view, now + state.update_period, UPDATE)
            wake_at(view, now + state.report_period, REPORT)
        return state
