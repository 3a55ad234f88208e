"""How endpoints measure their load and report it, and how balancers weigh the reports.

The rule is in `mesh_lab.balancing.reports`.  There are two alarms for a service, however many
endpoints and balancers it has: one for the end of a period that endpoints measure, and one for new
weights.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .rule import Floats, Ints, View, kernel, kernels, wake_at
from .stride import HEAVIEST, pick_stride

__all__ = ["REPORT", "SHORTEST_UPDATE", "UPDATE", "Reports", "renew_weights"]

UPDATE, REPORT = 0, 1  # codes of alarms
SHORTEST_UPDATE = 0.1  # seconds; gRPC takes a shorter period as this


@kernel
def take_report(s: Reports, v: View, p: int, e: int, now: float) -> None:
    """Let balancer `p` take in the latest report of endpoint `e`; an empty one says nothing."""
    qps, utilisation = s.qps[e], s.utilisation[e]
    if qps > 0.0 and utilisation > 0.0:
        at = p * v.stride + e
        s.weight[at] = qps / (utilisation + s.eps[e] / qps * s.penalty)
        s.updated[at] = now
        if s.heard_since[at] == math.inf:
            s.heard_since[at] = now


@kernel
def usable_weight(s: Reports, at: int, now: float) -> float:
    """The weight of an endpoint, 0 if its reports are too few or too old."""
    if now - s.updated[at] >= s.expiration:
        s.heard_since[at] = math.inf
        return 0.0
    if s.blackout > 0.0 and now - s.heard_since[at] < s.blackout:
        return 0.0
    return s.weight[at]  # type: ignore[no-any-return]


@kernel
def renew_weights(s: Reports, v: View, g: int, now: float) -> None:
    """Scale the weights of pool `g` to 65 535; who has none gets the mean of the others."""
    n, first, base = v.size[g], g * v.stride, v.balancer[g] * v.stride
    total, most, known = 0.0, 0.0, 0
    for j in range(n):
        weight = usable_weight(s, base + v.hosts[first + j], now)
        s.latest[first + j] = weight
        if weight > 0.0:
            known += 1
            total += weight
            most = max(most, weight)
    for j in range(n):
        if known < 2:
            s.weights[first + j] = HEAVIEST
        else:
            weight = s.latest[first + j]
            if weight == 0.0:
                weight = total / known
            scaled = HEAVIEST / most * weight
            whole = int(scaled)
            if scaled - whole >= 0.5:
                whole += 1
            s.weights[first + j] = whole


@kernel
def measure(s: Reports, e: int, now: float) -> None:
    """Let endpoint `e` make the report of the period that ends, and begin the next."""
    passed = now - s.period_began[e]
    if passed <= 0.0:
        return
    busy = s.busy[e]
    if s.busy_since[e] < math.inf:
        busy += now - s.busy_since[e]
        s.busy_since[e] = now
    s.utilisation[e] = busy / passed
    s.qps[e] = s.queries[e] / passed
    s.eps[e] = s.errors[e] / passed
    s.busy[e] = 0.0
    s.queries[e] = 0
    s.errors[e] = 0
    s.period_began[e] = now


@kernel
def reports_alarm(s: Reports, v: View, code: int, now: float) -> None:
    """Time to compute the weights, or to measure and report."""
    if code == UPDATE:
        for g in range(len(v.size)):
            renew_weights(s, v, g, now)
        wake_at(v, now + s.update_period, UPDATE)
        return
    for e in range(v.stride):
        measure(s, e, now)
    if s.out_of_band == 1:
        for p in range(len(v.outstanding) // v.stride):
            for e in range(v.stride):
                if v.pool[p * v.stride + e] >= 0:
                    take_report(s, v, p, e, now)
    wake_at(v, now + s.report_period, REPORT)


@kernel
def report_answered(
    s: Reports,
    v: View,
    p: int,
    e: int,
    now: float,
    latency: float,
    ok: int,
    there: int,
    worked: float,
) -> None:
    """The response counts at its endpoint, and brings its latest report unless these come alone."""
    s.queries[e] += 1
    if ok == 0:
        s.errors[e] += 1
    if s.out_of_band == 0 and v.pool[p * v.stride + e] >= 0:
        take_report(s, v, p, e, now)


@kernel
def report_arrived(s: Reports, v: View, e: int, now: float) -> None:
    """The endpoint is busy from the first request on."""
    if v.there[e] == 1:
        s.busy_since[e] = now


@kernel
def report_left(s: Reports, v: View, e: int, now: float, stay: float, met: int) -> None:
    """The endpoint is idle after the last."""
    if v.there[e] == 0 and s.busy_since[e] < math.inf:
        s.busy[e] += now - s.busy_since[e]
        s.busy_since[e] = math.inf


@kernels(
    pick=pick_stride,
    alarm=reports_alarm,
    answered=report_answered,
    arrived=report_arrived,
    left=report_left,
)
class Reports(NamedTuple):
    """What the endpoints measure and report, and what the balancers make of it.

    Attributes
    ----------
    count, weights : ints
        The schedule of each pool, see `mesh_lab.balancing.stride.Strides`.
    latest : floats
        The weights of the last update, unscaled, at ``g * stride + j``.
    weight, updated, heard_since : floats
        At ``p * stride + e``: the weight from the latest report, when that came (minus infinity:
        never), and since when reports have come without a long break (infinity: they have not).
    qps, eps, utilisation : floats
        The latest report of each endpoint.
    busy_since, busy, period_began : floats
        At each endpoint: since when it has been busy (infinity: it is idle), how many seconds of
        the period it was busy before that, and when the period began.
    queries, errors : ints
        Responses in the period, and how many of them were errors.
    penalty, blackout, expiration, update_period, report_period : float
        See `LoadReports`.
    out_of_band : int
        1 if reports come alone, 0 if they come with responses.
    """

    count: Ints
    weights: Ints
    latest: Floats
    weight: Floats
    updated: Floats
    heard_since: Floats
    qps: Floats
    eps: Floats
    utilisation: Floats
    busy_since: Floats
    busy: Floats
    period_began: Floats
    queries: Ints
    errors: Ints
    penalty: float
    blackout: float
    expiration: float
    update_period: float
    report_period: float
    out_of_band: int
