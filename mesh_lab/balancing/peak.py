"""Peak EWMA: of two distinct endpoints the one with the smaller latency times queue.

Each balancer keeps one estimate of the round trip time for each endpoint.  A response that was
slower than the estimate replaces it at once (the peak); a faster one pulls it down, the more the
longer ago the last look was.  The estimate also decays when it is read, towards 0, so that an
endpoint that was slow and has therefore got nothing for a while is tried again.

The rule is Finagle's (``PeakEwma.scala`` and ``P2CPick.scala``), which tower and so linkerd2-proxy
took over (``peak_ewma.rs``); the two differ in what an endpoint without any response costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ..parts import Positive, part
from .rule import Balancer, Floats, Make, Pool, Rule, View, kernel, kernels

__all__ = ["PeakEwma"]

# Finagle's Long.MaxValue >> 16 nanoseconds, about 39 hours; it adds a nanosecond for each request
PENALTY = (2**47 - 1) * 1e-9
PENALTY_STEP = 1e-9


@kernel
def observe(s: Peaks, at: int, now: float, latency: float) -> float:
    """Take in a latency, or with 0 only the time that has passed, and return the estimate."""
    estimate = s.estimate[at]
    if latency > estimate:
        estimate = latency
    else:
        passed = now - s.stamp[at]
        if passed > 0.0:
            w = math.exp(-passed / s.decay)
            estimate = latency * (1.0 - w) + estimate * w
    s.estimate[at] = estimate
    s.stamp[at] = now
    return estimate  # type: ignore[no-any-return]


@kernel
def load_of(s: Peaks, v: View, at: int, now: float) -> float:
    """What one more request would cost there: the decayed estimate times the queue with it."""
    estimate = observe(s, at, now, 0.0)
    pending = v.outstanding[at]
    if estimate == 0.0 and pending > 0:
        return PENALTY + PENALTY_STEP * pending  # type: ignore[no-any-return]
    return estimate * (pending + 1)  # type: ignore[no-any-return]


@kernel
def pick_lower_peak(s: Peaks, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The less loaded of two distinct endpoints, on a tie the first drawn."""
    n = v.size[g]
    first = g * v.stride
    if n == 1:
        return v.hosts[first]  # type: ignore[no-any-return]
    i = int(u[0] * n)
    j = int(u[1] * (n - 1))
    if j >= i:
        j += 1
    a, b = v.hosts[first + i], v.hosts[first + j]
    base = v.balancer[g] * v.stride
    load_a = load_of(s, v, base + a, now)
    load_b = load_of(s, v, base + b, now)
    return b if load_b < load_a else a  # type: ignore[no-any-return]


@kernel
def peak_answered(
    s: Peaks,
    v: View,
    p: int,
    e: int,
    now: float,
    latency: float,
    ok: int,
    there: int,
    worked: float,
) -> None:
    """Take in the latency of a response, good or bad."""
    at = p * v.stride + e
    if v.pool[at] >= 0:  # what is no longer balanced to has no estimate
        observe(s, at, now, latency)


@kernels(pick=pick_lower_peak, answered=peak_answered)
class Peaks(NamedTuple):
    """The estimates of every balancer, at ``p * stride + e``.

    Attributes
    ----------
    estimate : floats
        Seconds.
    stamp : floats
        When the estimate was last touched; infinite for an endpoint that is in no pool.
    decay : float
        Seconds.
    """

    estimate: Floats
    stamp: Floats
    decay: float


@part
class PeakEwma(Balancer):
    """Of two distinct endpoints the one where latency times queue is smaller.

    Two different endpoints are drawn.  The load of each is its latency estimate times (the
    requests that this balancer has outstanding there + 1); the smaller one gets the request, on a
    tie the first drawn.  With *w* = exp(-(time since the last look) / `decay`), a response of
    latency *t* makes the estimate *t* if that is more than the estimate, and otherwise
    *t* (1 - *w*) + estimate * *w*; each look at a load does the same with *t* = 0.  Every response
    counts, also one that is an error: what fails quickly looks quick.

    An endpoint that joins, or joins again, begins without memory.

    Parameters
    ----------
    decay : float
        Seconds after which an estimate is down to 1/e; 10 in Finagle and Linkerd.
    default_rtt : float or None
        The estimate in seconds of an endpoint that has not answered yet, 0.03 in linkerd2-proxy;
        it decays as well.  With None the estimate begins at 0 as in Finagle: an endpoint that
        never answered costs nothing while it has nothing outstanding, and is avoided (39 hours)
        while it has.

    Notes
    -----
    Sources: Finagle's ``PeakEwma.scala`` and ``P2CPick.scala``; tower's ``load/peak_ewma.rs``.
    Finagle compares the health of the two before their load; here an unhealthy endpoint is not
    in the pool.  A pick costs O(1).

    Examples
    --------
    >>> PeakEwma()
    PeakEwma()
    >>> PeakEwma(default_rtt=None)  # as in Finagle
    PeakEwma(default_rtt=None)
    """

    sees: ClassVar[str] = "its own outstanding requests and latencies"
    origin: ClassVar[str] = "Finagle, linkerd2-proxy"
    decay: Positive = 10.0
    default_rtt: Positive | None = 0.03

    @property
    def draws(self) -> int:
        """Two."""
        return 2

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the estimates; those of endpoints that stay in a pool are carried over."""
        begin = 0.0 if self.default_rtt is None else self.default_rtt
        entries = len(view.outstanding)
        estimate, stamp = [begin] * entries, [math.inf] * entries
        for pool in pools:
            for e in pool.endpoints:
                at = pool.balancer * view.stride + e
                stamp[at] = now
                if isinstance(old, Peaks) and old.stamp[at] < math.inf:
                    estimate[at], stamp[at] = old.estimate[at], old.stamp[at]
        return Peaks(make.floats(estimate), make.floats(stamp), self.decay)
