"""What outlier detection does at each interval: who comes back, and whose statistics are bad.

Envoy's order (``outlier_detection_impl.cc``):

1. Endpoints whose time is over come back.
2. The counts of the interval that ends are looked at, of endpoints that are not ejected.  Success
   rate: among the endpoints with at least the volume of requests, if there are enough of them, one
   whose rate is below mean - factor * (population) standard deviation is detected.  Then failure
   percentage: one that reaches the threshold is detected.
3. Who is not ejected, and has come back at an earlier sweep, has its multiplier lowered by 1.
4. Counting begins anew.

gRPC (proposal A50) looks at the statistics first, of ejected endpoints too, and asks for a failure
percentage *above* the threshold, with all endpoints counting towards the minimum.  Then it lowers
the multiplier of each endpoint that is not ejected, and lets those come back whose time *lies
behind*: on an exact clock, a time that is a multiple of the interval ends one sweep later.

Where Envoy goes through its endpoints in the order of a hash table, they have the order of their
numbers here.  An endpoint that its success rate has just ejected is not ejected a second time for
its failure percentage; Envoy asserts that this does not happen, but does not prevent it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..balancing.rule import Floats, kernel
from .ejecting import WHY_FAILURE_PERCENTAGE, WHY_SUCCESS_RATE, came_back, eject

if TYPE_CHECKING:
    from .outliers import Outliers

__all__ = ["judge_failures", "judge_rates", "swept"]

# Envoy's clock counts nanoseconds; sums of floats that should be equal differ by less, up to some
# weeks of simulated time
NANOSECOND = 1e-9


@kernel
def note(s: Outliers, changes: int, e: int, now_out: int) -> int:
    """Write down a change of this sweep, for the caller; return how many there are."""
    s.changed[changes] = e
    s.became[changes] = now_out
    return changes + 1


@kernel
def looked_at(s: Outliers, at: int, volume: int) -> int:
    """Return 1 if an endpoint has had enough requests in this interval to be judged."""
    if s.member[at] == 0 or s.total[at] == 0 or s.total[at] < volume:
        return 0
    # what came back, or was ejected, in this very sweep is judged as it stood before the judging
    return 1 if s.grpc == 1 or s.in_use[at] == 1 else 0


@kernel
def judge_rates(s: Outliers, p: int, now: float, u: Floats, changes: int) -> int:
    """Eject those whose success rate is far below the mean; return the number of changes."""
    first = p * s.stride
    judged = 0
    sum_ = 0.0
    for e in range(s.stride):
        if looked_at(s, first + e, s.rate_volume) == 1:
            judged += 1
            sum_ += s.good[first + e] * 100.0 / s.total[first + e]
    if judged == 0 or judged < s.rate_hosts:
        return changes
    mean = sum_ / judged
    variance = 0.0
    for e in range(s.stride):
        if looked_at(s, first + e, s.rate_volume) == 1:
            off = s.good[first + e] * 100.0 / s.total[first + e] - mean
            variance += off * off
    threshold = mean - s.rate_factor * math.sqrt(variance / judged)
    for e in range(s.stride):
        if (
            looked_at(s, first + e, s.rate_volume) == 1
            and s.ejected[first + e] == 0
            and s.good[first + e] * 100.0 / s.total[first + e] < threshold
            and eject(s, p, e, WHY_SUCCESS_RATE, s.enforcing_rate, now, u, 4 * e) == 1
        ):
            changes = note(s, changes, e, 1)
    return changes


@kernel
def judge_failures(s: Outliers, p: int, now: float, u: Floats, changes: int) -> int:
    """Eject those that fail too often, whatever others do; return the number of changes."""
    first = p * s.stride
    judged = 0
    for e in range(s.stride):
        judged += looked_at(s, first + e, s.failure_volume)
    enough = s.members[p] if s.grpc == 1 else judged
    if judged == 0 or enough < s.failure_hosts:
        return changes
    for e in range(s.stride):
        at = first + e
        if looked_at(s, at, s.failure_volume) == 1 and s.ejected[at] == 0:
            failed = 100.0 - s.good[at] * 100.0 / s.total[at]
            if failed > s.failure_threshold or (s.grpc == 0 and failed == s.failure_threshold):
                why = WHY_FAILURE_PERCENTAGE
                if eject(s, p, e, why, s.enforcing_failure, now, u, 4 * e + 2) == 1:
                    changes = note(s, changes, e, 1)
    return changes


@kernel
def swept(s: Outliers, p: int, now: float, u: Floats) -> int:
    """Do what proxy `p` does at an interval's end; return how many endpoints changed.

    The changes are ``changed[i]`` (an endpoint) and ``became[i]`` (1: ejected, 0: back), in the
    order in which they happened; an endpoint may come back and be ejected again.  The draws of
    endpoint `e` are ``u[4 * e : 4 * e + 4]``; see `OutlierDetection.draws`.  The next sweep is an
    interval later.
    """
    first = p * s.stride
    changes = 0
    s.sweeps[p] += 1
    if s.grpc == 0:
        for e in range(s.stride):
            at = first + e
            if s.ejected[at] == 1 and now >= s.until[at] - NANOSECOND:
                came_back(s, p, e)
                changes = note(s, changes, e, 0)
    for e in range(s.stride):
        s.in_use[first + e] = 1 - s.ejected[first + e]
    changes = judge_rates(s, p, now, u, changes)
    changes = judge_failures(s, p, now, u, changes)
    for e in range(s.stride):
        at = first + e
        s.total[at] = 0
        s.good[at] = 0
        if s.member[at] == 1 and s.ejected[at] == 0:
            # gRPC does not ask whether it has been back for an interval
            rested = s.back_at[at] >= 0 and s.back_at[at] < s.sweeps[p]
            if s.multiplier[at] > 0 and (s.grpc == 1 or rested):
                s.multiplier[at] -= 1
        elif s.grpc == 1 and s.ejected[at] == 1 and now > s.until[at] + NANOSECOND:
            came_back(s, p, e)
            changes = note(s, changes, e, 0)
    return changes
