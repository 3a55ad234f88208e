"""What an endpoint answers to a probe of Prequal, and where a balancer draws the line of hot.

*The endpoint* tells its requests in flight (RIF), and as the latency to expect the median of
recent stays of requests that met about as many others when they came (Wydrowski and others,
"Load is not what you should balance: Introducing Prequal", NSDI 2024, as summarised).  Chosen
here: "about as many" is the same bucket, which is one number up to 15, and then 16 to 31, 32 to
63 and so on; "recent" is the latest `LATEST` stays of the bucket; if there are none, the nearest
bucket counts, the lower one first; an endpoint where nothing was ever finished tells 0 seconds.

*The balancer* calls an answer hot if its RIF is above a quantile of the RIFs of all endpoints.  It
estimates these from the latest `RIF_WINDOW` answers (chosen here): the threshold is the smallest
RIF that a share of at least `quantile` of them does not exceed.  Counts by RIF and a threshold
that moves step by step keep that cheap.  A RIF from `RIF_LIMIT` on counts as `RIF_LIMIT`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rule import kernel

if TYPE_CHECKING:
    from .probing import Probes

__all__ = ["BUCKETS", "LATEST", "RIF_LIMIT", "RIF_WINDOW"]

BUCKETS = 24  # the last is from 2048 requests on
LATEST = 7
RIF_WINDOW = 128
RIF_LIMIT = 1023


@kernel
def bucket_of(rif: int) -> int:
    """The bucket of a number of requests: 0 to 15 their own, then one for each doubling."""
    if rif < 16:
        return rif
    b = 16
    x = rif // 32
    while x > 0 and b < BUCKETS - 1:
        b += 1
        x //= 2
    return b


@kernel
def note_latency(s: Probes, e: int, met: int, stay: float) -> None:
    """Remember a stay at endpoint `e`, and the median of its bucket."""
    at = e * BUCKETS + bucket_of(met)
    count = s.stay_count[at]
    s.stays[at * LATEST + count % LATEST] = stay
    s.stay_count[at] = count + 1
    size = min(count + 1, LATEST)
    for k in range(size):  # by insertion: there are few
        x = s.stays[at * LATEST + k]
        j = k
        while j > 0 and s.scratch[j - 1] > x:
            s.scratch[j] = s.scratch[j - 1]
            j -= 1
        s.scratch[j] = x
    half = size // 2
    if size % 2 == 1:
        s.medians[at] = s.scratch[half]
    else:
        s.medians[at] = (s.scratch[half - 1] + s.scratch[half]) / 2.0


@kernel
def told_latency(s: Probes, e: int, rif: int) -> float:
    """The latency that endpoint `e` tells while `rif` requests are there."""
    row, b = e * BUCKETS, bucket_of(rif)
    for away in range(BUCKETS):
        if b - away >= 0 and s.stay_count[row + b - away] > 0:
            return s.medians[row + b - away]  # type: ignore[no-any-return]
        if b + away < BUCKETS and s.stay_count[row + b + away] > 0:
            return s.medians[row + b + away]  # type: ignore[no-any-return]
    return 0.0


@kernel
def note_rif(s: Probes, p: int, rif: int) -> None:
    """Take a RIF into the estimate of balancer `p`, and move its threshold."""
    r = min(rif, RIF_LIMIT)
    row, counts = p * RIF_WINDOW, p * (RIF_LIMIT + 1)
    here = s.window_next[p]
    threshold, at_most, size = s.threshold[p], s.at_most[p], s.window_count[p]
    if size == RIF_WINDOW:
        gone = s.window[row + here]
        s.spread[counts + gone] -= 1
        if gone <= threshold:
            at_most -= 1
    else:
        size += 1
        s.window_count[p] = size
    s.window[row + here] = r
    s.window_next[p] = (here + 1) % RIF_WINDOW
    s.spread[counts + r] += 1
    if r <= threshold:
        at_most += 1
    share = s.quantile * size
    needed = int(share)
    if needed < share or needed == 0:
        needed += 1
    while at_most < needed:
        threshold += 1
        at_most += s.spread[counts + threshold]
    while threshold > 0 and at_most - s.spread[counts + threshold] >= needed:
        at_most -= s.spread[counts + threshold]
        threshold -= 1
    s.threshold[p] = threshold
    s.at_most[p] = at_most
