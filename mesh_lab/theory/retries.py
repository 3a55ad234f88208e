"""Retries multiply: attempts per request, and what reaches the bottom of a chain.

**One call.** An attempt fails with probability p, each time anew, and a failed one is repeated up
to r times.  Attempt k + 1 happens when the first k failed, so

    attempts per call = 1 + p + p**2 + ... + p**r,      the call fails with probability p**(r + 1):

with everything failing it is r + 1, which is when the callee can least afford it.

**A chain.** The client calls tier 1, every attempt at tier 1 calls tier 2, and so on, each call
with its own retries.  An attempt at tier i fails when its call to tier i + 1 has failed for good,
or by itself with probability f[i]:

    p[i] = 1 - (1 - f[i]) (1 - p[i+1]**(r[i+1] + 1)),      p[last] = f[last].

The attempts of one call depend on its outcome, and its outcome decides whether the caller tries
again.  Still the means multiply: the attempts of a call are made until one succeeds, which is a
stopping time, and by Wald's identity

    attempts at tier i per request = product over j <= i of (1 + p[j] + ... + p[j]**r[j]).

When the last tier is down, that is (r[1] + 1)(r[2] + 1) ... : three tiers with two retries each
send 27 attempts to the database for every click.  Retrying at one tier only avoids it.

Independence is the assumption: failures of an overloaded tier come together, and then p is close
to 1 for all attempts; module `retry_collapse` is about that.

Sources: Beyer et al., Site Reliability Engineering (2016), chapter 22, for retries that multiply
(recalled, not checked); the chain is derived here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError
from . import _arguments as check
from ._results import Floats, shown

__all__ = ["RetryChain", "retry_attempts", "retry_chain"]

MOST_RETRIES = 1_000_000


def retry_attempts(*, failure: float, retries: int) -> float:
    """Return the mean number of attempts of one call.

    Parameters
    ----------
    failure : float
        Probability that one attempt fails, from 0 to 1.
    retries : int
        Attempts after the first at most; 0 or more.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> retry_attempts(failure=0.5, retries=2), retry_attempts(failure=1.0, retries=2)
    (1.75, 3.0)
    """
    p = check.probability("retry_attempts", "failure", failure)
    return _attempts(p, _retries("retry_attempts", "retries", retries))


def _retries(function: str, argument: str, value: object) -> int:
    return check.count(function, argument, value, least=0, most=MOST_RETRIES)


def _attempts(p: float, retries: int) -> float:
    """1 + p + ... + p**retries, without the subtraction of the closed form."""
    if p == 1.0:
        return retries + 1.0
    total, power = 0.0, 1.0
    for _ in range(retries + 1):
        total += power
        power *= p
        if power <= 1e-18 * total:
            break
    return total


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class RetryChain:
    """What `retry_chain` returns.

    Parameters
    ----------
    attempts : tuple of float
        Mean number of attempts at each tier per request of a client, from the first tier on.
    failures : tuple of float
        Probability that an attempt at each tier fails, for its own or for a deeper reason.
    failure : float
        Share of the requests that fail for the client, after all retries.
    worst : int
        Attempts at the last tier when it is down.
    """

    attempts: tuple[float, ...]
    failures: tuple[float, ...]
    failure: float
    worst: int

    def __repr__(self) -> str:
        return shown(self)


def retry_chain(
    *, failures: Floats, retries: int | Sequence[int] | NDArray[np.int64]
) -> RetryChain:
    """Return what retries do along a chain of tiers that call each other.

    Parameters
    ----------
    failures : sequence of float, shape (tiers,)
        Probability that an attempt at each tier fails by itself, the tier called by the client
        first.  The tier has called the next one before it does.
    retries : int or sequence of int, shape (tiers,)
        Retries of the call *to* each tier: the first are the client's.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    Three tiers, the last of which fails one time in ten, and then every time:

    >>> retry_chain(failures=(0.0, 0.0, 0.1), retries=2)
    RetryChain(attempts=(1, 1.001, 1.1111), failures=(1e-09, 0.001, 0.1), failure=1e-27, worst=27)
    >>> retry_chain(failures=(0.0, 0.0, 1.0), retries=2).attempts
    (3.0, 9.0, 27.0)
    >>> retry_chain(failures=(0.0, 0.0, 1.0), retries=(0, 0, 2)).attempts
    (1.0, 1.0, 3.0)
    """
    where = "retry_chain"
    own = [
        check.probability(where, f"failures[{i}]", p)
        for i, p in enumerate(_sequence("failures", failures))
    ]
    tiers = len(own)
    given = _sequence("retries", retries) if not np.isscalar(retries) else (retries,) * tiers
    if len(given) != tiers:
        problem = f"has {len(given)} entries, but must have {tiers}, one a tier as failures"
        raise PartError(f"theory.{where}", "retries", problem)
    names = ["retries"] * tiers if np.isscalar(retries) else [f"retries[{i}]" for i in range(tiers)]
    again = [_retries(where, name, r) for name, r in zip(names, given, strict=True)]
    fails = [0.0] * tiers
    below = 0.0  # that the call to the next tier fails for good
    for i in range(tiers - 1, -1, -1):
        fails[i] = own[i] + (1.0 - own[i]) * below
        below = fails[i] ** (again[i] + 1)
    attempts, so_far = [], 1.0
    for p, r in zip(fails, again, strict=True):
        so_far *= _attempts(p, r)
        attempts.append(so_far)
    return RetryChain(
        attempts=tuple(attempts),
        failures=tuple(fails),
        failure=below,
        worst=math.prod(r + 1 for r in again),
    )


def _sequence(argument: str, value: object) -> tuple[object, ...]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise check.wrong("retry_chain", argument, value, "a sequence with one number a tier")
    return tuple(value)
