"""The state of outlier detection: what proxies know of endpoints, and the numbers of the part.

`OutlierDetection.state` makes it; the kernels that change it are in `ejecting` and `sweeping`.
"""

from __future__ import annotations

from typing import NamedTuple

from ..balancing.rule import Floats, Ints, kernels
from .ejecting import joined, left, responded
from .sweeping import swept

__all__ = ["Outliers"]


@kernels(responded=responded, swept=swept, joined=joined, left=left)
class Outliers(NamedTuple):
    """What every proxy knows of every endpoint, at ``p * stride + e``, and the part's numbers.

    Attributes
    ----------
    member, ejected : ints
        1 or 0.
    until : floats
        When the time of an ejected endpoint is over; it comes back at the first sweep then.
    multiplier : ints
        How many base times the next ejection, or this one, lasts.
    errors, gateways : ints
        Consecutive 5xx and gateway errors so far.
    total, good : ints
        Answers, and good answers, in this interval.
    why : ints
        Why it was ejected last, one of ``WHY_ERRORS`` and so on.
    back_at : ints
        The number of the sweep at which it came back last, -1 if it never did.
    in_use : ints
        Room for a sweep: 1 if it was not ejected when the judging began.
    members, active, sweeps : ints, one a proxy
        How many endpoints there are, how many of them are ejected, and how many sweeps there were.
    changed, became : ints
        What the last sweep changed, see `sweeping.swept`.
    tally : ints
        Detections, ejections and overflows of each proxy, see `ejecting.TALLIES`.
    """

    stride: int
    grpc: int
    error_limit: int
    gateway_limit: int
    enforcing_errors: int
    enforcing_gateway: int
    base: float
    longest: float
    jitter: int
    max_percent: int
    one_host: int
    gate_before: int
    rate_hosts: int
    rate_volume: int
    rate_factor: float
    enforcing_rate: int
    failure_threshold: float
    failure_hosts: int
    failure_volume: int
    enforcing_failure: int
    member: Ints
    ejected: Ints
    until: Floats
    multiplier: Ints
    errors: Ints
    gateways: Ints
    total: Ints
    good: Ints
    why: Ints
    back_at: Ints
    in_use: Ints
    members: Ints
    active: Ints
    sweeps: Ints
    changed: Ints
    became: Ints
    tally: Ints
