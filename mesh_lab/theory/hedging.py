"""Hedged requests: ask again when the answer is late, and take the first.

**The rule.** A request is sent; when there is no answer after d seconds, the same request is sent
to another replica, and so on every d seconds until there have been m attempts; the first answer
counts.  Attempt k, sent at k d, is still out at time t with probability S(t - k d), where S is the
tail of one replica's response.  With independent replicas, none has answered by t with

    S_h(t) = product over k = 0 ... m - 1 with k d <= t of S(t - k d),

for the usual single hedge S(t) before d and S(t) S(t - d) from then on.

**What it costs.** Attempt k is sent only if the earlier ones are all out at k d, so

    attempts per request = 1 + S_h(d-) + S_h(2d-) + ... = 1 + S(d) for a single hedge.

A delay at the 95th percentile of a response costs 5 % more requests.  This is the load when losers
are not cancelled, or are cancelled too late to save work.

**What it leaves out.** The responses are taken as they are: the load that hedges add makes them
longer, which matters when d is short and the servers are busy; and replicas that share what makes
them slow (a database, a node) are not independent, so that the hedge helps less.

Sources: Dean and Barroso, The tail at scale, Communications of the ACM 56 (2013), for the idea
(recalled, not checked); attempts every d seconds as in gRPC's proposal A6; the products are derived
here.
"""

from __future__ import annotations

import dataclasses

from . import _arguments as check
from ._responses import Responses, Tail, checked_tail, mean_of

__all__ = ["Hedged", "hedged"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Hedged(Responses):
    """What `hedged` returns: the first answer, and what it costs.

    Parameters
    ----------
    response : float
        Mean seconds until the first answer.
    single_response : float
        Mean seconds without hedges.
    hedge_probability : float
        Share of the requests that are sent more than once: S(delay).
    attempts : float
        Mean number of attempts that a request sends: the load, as a multiple.
    delay : float
        As given.
    most_attempts : int
        As given.
    """

    response: float
    single_response: float
    hedge_probability: float
    attempts: float
    delay: float
    most_attempts: int
    single_tail: Tail = dataclasses.field(repr=False, compare=False)

    def _response_tail(self, t: float) -> float:
        return _first(self.single_tail, self.delay, self.most_attempts, t)


def _first(tail: Tail, delay: float, attempts: int, t: float) -> float:
    """P(none of the attempts sent by t, that at t included, has answered by t)."""
    out = 1.0
    for k in range(attempts):
        since = t - k * delay
        if since < 0.0 or out == 0.0:
            break
        out *= tail(since)
    return out


def hedged(*, response_tail: Tail, delay: float, most_attempts: int = 2) -> Hedged:
    """Return the time until the first answer when late requests are sent again.

    Parameters
    ----------
    response_tail : callable
        P(response of one replica > t) for a time t in seconds, such as the method `response_tail`
        of another result of this package.
    delay : float
        Seconds without an answer after which the next attempt is sent; 0 sends all at once.
    most_attempts : int
        Attempts of one request at most, the first included; two or more.

    Raises
    ------
    PartError
        When an argument is not what is said above, or when the tail has no mean.

    Examples
    --------
    Nine responses in ten take 5 ms on average, one takes 200 ms; a hedge after 20 ms:

    >>> import math
    >>> def slow_at_times(t):
    ...     return 0.9 * math.exp(-t / 0.005) + 0.1 * math.exp(-t / 0.200)
    >>> late = hedged(response_tail=slow_at_times, delay=0.020)
    >>> late
    Hedged(response=0.007668, single_response=0.0245, hedge_probability=0.10697, \
attempts=1.107, delay=0.02, most_attempts=2)
    >>> round(late.response_quantile(0.99), 3)
    0.037
    """
    tail = checked_tail("hedged", "response_tail", response_tail)
    wait = check.at_least_zero("hedged", "delay", delay)
    most = check.count("hedged", "most_attempts", most_attempts, least=2, most=1000)
    return Hedged(
        response=mean_of("hedged", "response_tail", lambda t: _first(tail, wait, most, t)),
        single_response=mean_of("hedged", "response_tail", tail),
        hedge_probability=_first(tail, wait, 1, wait),
        attempts=1.0 + sum(_first(tail, wait, k, k * wait) for k in range(1, most)),
        delay=wait,
        most_attempts=most,
        single_tail=tail,
    )
