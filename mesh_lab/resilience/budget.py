"""Retry budgets at work: how many retries a proxy may add to the load of a service.

One set of kernels runs four rules; each proxy has its own budget for the service.

=============  ==================================================================================
limit          fewer retries under way than a fixed number (Envoy's ``max_retries``)
share          fewer under way than a share of the requests under way (Envoy's ``retry_budget``)
deposits       each request deposits, each retry withdraws, deposits expire (Finagle, Linkerd)
tokens         each failure takes a token, each success brings a part of one back (gRPC)
=============  ==================================================================================

The order in which a caller asks matters: first `responded` for what came back, and `retry_ended` if
that attempt was a retry itself, then `may_retry`.  Envoy gives the ended retry back before it asks
for another (``retry_state_impl.cc``), and gRPC takes the failure's token first (proposal A6).
"""

from __future__ import annotations

from typing import NamedTuple

from ..balancing.rule import Ints, kernel, kernels
from .seen import SEEN_OK

__all__ = [
    "DEPOSITS",
    "LIMIT",
    "SHARE",
    "SLICES",
    "TOKENS",
    "Budgets",
    "may_retry",
    "responded",
    "retry_ended",
    "sent",
]

LIMIT, SHARE, DEPOSITS, TOKENS = 0, 1, 2, 3
SLICES = 9  # past slices of the time that deposits live, besides the one under way


@kernel
def turn(s: Budgets, p: int, now: float) -> None:
    """Begin a new slice of time if the last is over; what is older than ten slices is forgotten.

    Finagle's ``WindowedAdder``: a slice begins with the first look after the last one's end, so
    slices have no fixed places, and a deposit lives for about, not exactly, its time.
    """
    ms = int(now * 1000.0 + 1e-6)  # its clock counts milliseconds; what floats lack is added
    passed = ms - s.began[p]
    if passed < s.slice_ms:
        return
    first = p * SLICES
    i = s.place[p]
    s.past[first + i] = s.current[p]
    s.current[p] = 0
    i = (i + 1) % SLICES
    skipped = min(passed // s.slice_ms - 1, SLICES)
    while skipped > 0:
        s.past[first + i] = 0
        i = (i + 1) % SLICES
        skipped -= 1
    s.place[p] = i
    s.began[p] = ms


@kernel
def balance(s: Budgets, p: int, now: float) -> int:
    """Return what is there to withdraw from: deposits that live, and the reserve."""
    turn(s, p, now)
    there: int = s.reserve + s.current[p]
    for i in range(SLICES):
        there += s.past[p * SLICES + i]
    return there


@kernel
def sent(s: Budgets, p: int, now: float) -> None:
    """Note the first attempt of a request."""
    if s.kind == DEPOSITS:
        turn(s, p, now)
        s.current[p] += s.deposit


@kernel
def responded(s: Budgets, p: int, saw: int) -> None:
    """Take in what was seen of any attempt, first or retry."""
    if s.kind == TOKENS:
        if saw == SEEN_OK:
            s.tokens[p] = min(s.full, s.tokens[p] + s.gain)
        else:
            s.tokens[p] = max(0, s.tokens[p] - 1000)


@kernel
def may_retry(s: Budgets, p: int, now: float, active: int, pending: int) -> int:
    """Return 1 if proxy `p` may retry, which is then under way and withdrawn; otherwise 0.

    `active` and `pending` are its requests to the service that are under way and that wait for a
    connection; only a share looks at them.
    """
    if s.kind == LIMIT:
        allowed = s.retries[p] < s.at_most
    elif s.kind == SHARE:
        # Envoy's arithmetic: a product of floats, cut off, so that 29 % of 100 are 28
        share = int(s.percent / 100.0 * (active + pending))
        allowed = s.retries[p] < max(share, s.at_most)
    elif s.kind == DEPOSITS:
        allowed = balance(s, p, now) >= s.withdrawal
        if allowed:
            s.current[p] -= s.withdrawal
    else:
        allowed = 2 * s.tokens[p] > s.full
    if not allowed:
        return 0
    s.retries[p] += 1
    return 1


@kernel
def retry_ended(s: Budgets, p: int) -> None:
    """Note that a retry is over, however it ended, or was given up during its pause."""
    s.retries[p] -= 1


@kernels(sent=sent, responded=responded, may_retry=may_retry, retry_ended=retry_ended)
class Budgets(NamedTuple):
    """The retry budgets of all proxies, and the numbers of their rule.

    Attributes
    ----------
    kind : int
        `LIMIT`, `SHARE`, `DEPOSITS` or `TOKENS`.
    at_most, percent : int, float
        Of a limit, or least of a share; of a share.
    deposit, withdrawal, reserve, slice_ms : int
        Of deposits; the last is milliseconds.
    full, gain : int
        Of tokens, in thousandths.
    retries : ints, one a proxy
        How many are under way, whatever the rule.
    tokens : ints, one a proxy
        Thousandths.
    began, place, current : ints, one a proxy
        When the slice began, in milliseconds, where it will be kept, and what is in it.
    past : ints
        ``past[p * SLICES + i]``: what earlier slices held; below 0 if more was withdrawn.
    """

    kind: int
    at_most: int
    percent: float
    deposit: int
    withdrawal: int
    reserve: int
    slice_ms: int
    full: int
    gain: int
    retries: Ints
    tokens: Ints
    began: Ints
    place: Ints
    current: Ints
    past: Ints
