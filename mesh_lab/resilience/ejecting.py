"""How an endpoint is ejected after consecutive errors, and for how long.

The rules are those of Envoy (``outlier_detection_impl.cc``), step by step:

* Each answer counts, also one of an endpoint that is ejected, and one that comes late.  A good one
  sets both counts of consecutive errors to 0.  A gateway error raises both; another 5xx raises one
  and sets the count of gateway errors to 0.
* A count that *reaches* its limit is a detection.  The gateway limit is looked at first.  After a
  detection that count begins at 0 again, whether or not the endpoint was ejected.
* If the endpoint is ejected already, reaching the limit does nothing, and the count goes on beyond
  it: it is set to 0 when the endpoint comes back.
* A detection ejects if the share of ejected endpoints allows it, and then with the chance that the
  part says.  Ejection raises the multiplier by 1, unless multiplier times base has passed the
  longest time by a base already.  The endpoint stays out for the base time times the multiplier,
  the longest time at most, plus a jitter; it comes back at the first sweep after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..balancing.rule import Floats, kernel
from .seen import SEEN_GATEWAY, SEEN_OK

if TYPE_CHECKING:
    from .outliers import Outliers

__all__ = [
    "ENFORCED",
    "OVERFLOW",
    "TALLIES",
    "WHY_ERRORS",
    "WHY_FAILURE_PERCENTAGE",
    "WHY_GATEWAY",
    "WHY_SUCCESS_RATE",
    "came_back",
    "eject",
    "enforced",
    "gate",
    "joined",
    "left",
    "responded",
]

# why an endpoint was detected; ``tally[p * TALLIES + why]`` counts detections
WHY_ERRORS = 0
WHY_GATEWAY = 1
WHY_SUCCESS_RATE = 2
WHY_FAILURE_PERCENTAGE = 3
ENFORCED = 4  # ``tally[p * TALLIES + ENFORCED + why]`` counts ejections
OVERFLOW = 8  # detections that the share of ejected endpoints did not allow
TALLIES = 9


@kernel
def gate(s: Outliers, p: int) -> int:
    """Return 1 if one more endpoint may be ejected, 0 if too many are."""
    active = s.active[p]
    if s.one_host == 1 and active == 0:
        return 1
    if s.gate_before == 1:
        return 1 if 100.0 * active / s.members[p] < s.max_percent else 0
    return 1 if 100.0 * (active + 1) / s.members[p] <= s.max_percent else 0


@kernel
def enforced(percent: int, u: Floats, i: int) -> int:
    """Return 1 with a chance of `percent`; a draw is looked at only where there is a chance."""
    if percent >= 100:
        return 1
    if percent <= 0:
        return 0
    return 1 if u[i] * 100.0 < percent else 0


@kernel
def eject(
    s: Outliers, p: int, e: int, why: int, percent: int, now: float, u: Floats, i: int
) -> int:
    """Eject an endpoint that was detected, if that is allowed; 1 if it is ejected now.

    ``u[i]`` decides whether, ``u[i + 1]`` is the jitter's.
    """
    at = p * s.stride + e
    s.tally[p * TALLIES + why] += 1
    if gate(s, p) == 0:
        s.tally[p * TALLIES + OVERFLOW] += 1
        return 0
    if enforced(percent, u, i) == 0:
        return 0
    s.tally[p * TALLIES + ENFORCED + why] += 1
    s.active[p] += 1
    s.ejected[at] = 1
    s.why[at] = why
    if s.grpc == 1 or s.multiplier[at] * s.base < s.longest + s.base:
        s.multiplier[at] += 1
    stay = s.multiplier[at] * s.base
    if stay > s.longest:
        stay = s.longest
    if s.jitter > 0:  # whole milliseconds from 0 to the jitter, as in Envoy
        stay += int(u[i + 1] * (s.jitter + 1)) / 1000.0
    s.until[at] = now + stay
    return 1


@kernel
def came_back(s: Outliers, p: int, e: int) -> None:
    """Note that an ejected endpoint is used again; its counts begin at 0."""
    at = p * s.stride + e
    s.active[p] -= 1
    s.ejected[at] = 0
    s.errors[at] = 0
    s.gateways[at] = 0
    s.back_at[at] = s.sweeps[p]


@kernel
def responded(s: Outliers, p: int, e: int, now: float, saw: int, u: Floats) -> int:
    """Take in what proxy `p` saw of an attempt at endpoint `e`; 1 if `e` is to be ejected now.

    The state shows the ejection already (`ejected`, `until`, `multiplier`, `why`).  The draws
    ``u[0:2]`` are for a gateway error, ``u[2:4]`` for a 5xx; see `OutlierDetection.draws`.
    """
    at = p * s.stride + e
    if s.member[at] == 0:  # it has left meanwhile
        return 0
    s.total[at] += 1
    if saw == SEEN_OK:
        s.good[at] += 1
        s.errors[at] = 0
        s.gateways[at] = 0
        return 0
    done = 0
    if saw >= SEEN_GATEWAY:
        s.gateways[at] += 1
        if s.gateways[at] == s.gateway_limit and s.ejected[at] == 0:
            done = eject(s, p, e, WHY_GATEWAY, s.enforcing_gateway, now, u, 0)
            s.gateways[at] = 0
    else:
        s.gateways[at] = 0
    s.errors[at] += 1
    if s.errors[at] == s.error_limit and s.ejected[at] == 0:
        done = eject(s, p, e, WHY_ERRORS, s.enforcing_errors, now, u, 2)
        s.errors[at] = 0
    return done


@kernel
def joined(s: Outliers, p: int, e: int) -> None:
    """Take a new endpoint in, without any past."""
    at = p * s.stride + e
    if s.member[at] == 1:
        return
    s.member[at] = 1
    s.members[p] += 1
    s.multiplier[at] = 0
    s.errors[at] = 0
    s.gateways[at] = 0
    s.total[at] = 0
    s.good[at] = 0
    s.back_at[at] = -1


@kernel
def left(s: Outliers, p: int, e: int) -> None:
    """Forget an endpoint that is gone; if it was ejected, another may be ejected for it."""
    at = p * s.stride + e
    if s.member[at] == 0:
        return
    s.member[at] = 0
    s.members[p] -= 1
    if s.ejected[at] == 1:
        s.ejected[at] = 0
        s.active[p] -= 1
