"""Fan-out: who asks many waits for the slowest.

**The slowest of n.** A page needs the answers of n leaves at once, whose responses are independent
with tail S(t) = P(response > t).  It is ready when the last one is, so

    P(page > t) = 1 - (1 - S(t))**n,

and what is rare for one leaf is common for the page: with 1 in 100 responses slow, a page of 100
leaves is slow in 63 % of all cases.  To have the page within t at probability p, each leaf must be
within t at p**(1/n): the page's 99th percentile with 100 leaves is a leaf's 99.99th.

**Exponential responses** of mean m, such as those of M/M/1: the first of n is in after m/n, the
next after another m/(n - 1), and so on, which is the harmonic number H_n = 1 + 1/2 + ... + 1/n,

    mean of the slowest = m H_n,

growing like ln n + 0.577: a hundred leaves cost five times one leaf, not a hundred times.

**What it leaves out.** Leaves of one request are called at the same instant, so their queues are
not independent.  For M/M/1 leaves that all get every request the true slowest comes sooner than
here (module `fork_join`); with leaves that are chosen among many others, or a load that comes
mostly from elsewhere, independence is close.

Sources: Dean and Barroso, The tail at scale, Communications of the ACM 56 (2013), for the
percentages; Feller, An Introduction to Probability Theory volume 2, chapter 1, for the harmonic
number (both recalled, not checked; the arithmetic is tested).
"""

from __future__ import annotations

import dataclasses
import math

from ..errors import PartError
from . import _arguments as check
from ._responses import Responses, Tail, checked_tail, mean_of

__all__ = ["FanOut", "any_slow", "fan_out"]

LEAVES_ONE_BY_ONE = 1000  # from here on the harmonic number by its expansion


def any_slow(*, leaves: int, slow_probability: float) -> float:
    """Return the probability that at least one of `leaves` independent responses is slow.

    Parameters
    ----------
    leaves : int
        Responses that are waited for, one or more.
    slow_probability : float
        That one of them is slow, from 0 to 1.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> round(any_slow(leaves=100, slow_probability=0.01), 3)
    0.634
    >>> round(any_slow(leaves=2000, slow_probability=0.0001), 3)
    0.181
    """
    n = check.count("any_slow", "leaves", leaves)
    return _any(n, check.probability("any_slow", "slow_probability", slow_probability))


def _any(n: int, p: float) -> float:
    """1 - (1 - p)**n, also where p is far below the last digit of 1."""
    return -math.expm1(n * math.log1p(-p)) if p < 1.0 else 1.0


def harmonic(n: int) -> float:
    """Return 1 + 1/2 + ... + 1/n.

    From 1000 on by Euler's expansion, whose next term is below 1e-20.

    Examples
    --------
    >>> round(harmonic(4), 12) == round(25 / 12, 12), round(harmonic(10**6), 6)
    (True, 14.392727)
    """
    if n <= LEAVES_ONE_BY_ONE:
        return math.fsum(1.0 / k for k in range(1, n + 1))
    euler = 0.5772156649015329
    return math.log(n) + euler + 1.0 / (2.0 * n) - 1.0 / (12.0 * n**2) + 1.0 / (120.0 * n**4)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class FanOut(Responses):
    """What `fan_out` returns: the slowest of the leaves' responses.

    Parameters
    ----------
    response : float
        Mean seconds until the last leaf has answered.
    leaf_response : float
        Mean seconds until one leaf has.
    leaves : int
        As given.
    """

    response: float
    leaf_response: float
    leaves: int
    leaf_tail: Tail = dataclasses.field(repr=False, compare=False)

    def _response_tail(self, t: float) -> float:
        return _any(self.leaves, self.leaf_tail(t))


class _Exponential:
    """The tail of an exponential time."""

    def __init__(self, mean: float) -> None:
        self.mean = mean

    def __call__(self, t: float) -> float:
        return math.exp(-t / self.mean)


def fan_out(
    *, leaves: int, response_tail: Tail | None = None, response_mean: float | None = None
) -> FanOut:
    """Return the time until the last of `leaves` independent responses.

    Give one of `response_tail` and `response_mean`.

    Parameters
    ----------
    leaves : int
        Responses that are waited for, one or more.
    response_tail : callable, optional
        P(one leaf's response > t) for a time t in seconds, such as the method `response_tail` of
        another result of this package.
    response_mean : float, optional
        Mean seconds of one leaf's response, when it is exponential, as that of M/M/1.

    Raises
    ------
    PartError
        When an argument is not what is said above, when not exactly one of the last two is given,
        or when the tail has no mean.

    Examples
    --------
    One leaf, then a page of a hundred:

    >>> from mesh_lab.theory import mm1
    >>> leaf = mm1(arrival_rate=50.0, service_rate=100.0)
    >>> page = fan_out(leaves=100, response_tail=leaf.response_tail)
    >>> page
    FanOut(response=0.10375, leaf_response=0.02, leaves=100)
    >>> round(page.response_quantile(0.99), 4), round(leaf.response_quantile(0.99), 4)
    (0.1841, 0.0921)

    M/M/1 has exponential responses, so their mean is enough:

    >>> round(fan_out(leaves=100, response_mean=leaf.response).response, 5)
    0.10375
    """
    n = check.count("fan_out", "leaves", leaves)
    if (response_tail is None) == (response_mean is None):
        given = "neither" if response_tail is None else "both"
        problem = f"{given} given; fan_out needs exactly one of response_tail and response_mean"
        raise PartError("theory.fan_out", "", problem)
    if response_tail is None:
        mean = check.positive("fan_out", "response_mean", response_mean)
        return FanOut(
            response=mean * harmonic(n), leaf_response=mean, leaves=n, leaf_tail=_Exponential(mean)
        )
    tail = checked_tail("fan_out", "response_tail", response_tail)
    return FanOut(
        response=mean_of("fan_out", "response_tail", lambda t: _any(n, tail(t))),
        leaf_response=mean_of("fan_out", "response_tail", tail),
        leaves=n,
        leaf_tail=tail,
    )
