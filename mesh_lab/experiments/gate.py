"""How likely a canary fails its gate: the binomial behind "success rate at least 99 %".

**The gate** (Flagger's): after every interval the canary's success rate over that interval is
compared with a minimum.  When it is lower, the check has failed and the weight stays as it is; when
it is not, the weight is raised by one step.  After `steps` passed checks the canary is promoted;
when the failed checks, which are counted over the whole analysis, reach `threshold`, it is rolled
back.  An interval without requests fails too: there is no value to compare.

**One check** of n requests, each a success with probability p: it fails when fewer than
ceil(minimum n) succeed,

    q = P(Binomial(n, p) < ceil(minimum n)).

With a gate of 99 %, a service at 99.5 % fails 9 % of the checks at 100 requests an interval, and
1.3 % at 1000: a gate needs requests, and the first steps of a canary have the fewest.  A service
that is *exactly* as good as its gate is helped by nothing: it fails 26 % and 42 %, and in the limit
every second check.

**The analysis** goes on until `steps` checks have passed or `threshold` have failed.  With the same
q at every step that is a race in coin tosses, else it is followed step by step: at step i the next
check fails with q[i], and a failed one is repeated at the same step.

Intervals are taken as independent: the metric looks back exactly one interval, as by default.

Sources: Flagger's pkg/controller/scheduler.go and scheduler_metrics.go, for the rule; the rest is
arithmetic.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ..errors import PartError
from ..theory._results import shown
from . import _arguments as check

__all__ = ["GateFailure", "gate_failure"]

MOST_STATES = 10_000_000


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class GateFailure:
    """What `gate_failure` returns.

    Parameters
    ----------
    check_failure : float
        Probability that the check of the first step fails.
    any_failure : float
        Probability that some check fails before the canary is promoted.
    rollback : float
        Probability that it is rolled back: that `threshold` checks fail first.
    expected_checks : float
        Mean number of checks until one or the other.
    successes_needed : int
        Successes without which the first check fails; more than the requests when there are none.
    by_step : tuple of float, shape (steps,)
        Probability that a check fails, at each step.
    """

    check_failure: float
    any_failure: float
    rollback: float
    expected_checks: float
    successes_needed: int
    by_step: tuple[float, ...] = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return shown(self)


def gate_failure(
    *,
    success_rate: float,
    requests: int | Sequence[int],
    minimum: float = 0.99,
    steps: int | None = None,
    threshold: int = 1,
) -> GateFailure:
    """Return how likely a canary of known success rate fails a success-rate gate.

    Parameters
    ----------
    success_rate : float
        The canary's true success rate, from 0 to 1.
    requests : int or sequence of int, shape (steps,)
        Requests that the canary gets in an interval, at every step or at each.
    minimum : float, optional
        Success rate below which a check fails, from 0 to 1; Flagger's 99 is 0.99 here.
    steps : int, optional
        Checks that must pass; 1 when not given, or as many as `requests` has.
    threshold : int, optional
        Failed checks at which the canary is rolled back.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    A healthy canary at 99.5 %, 100 requests an interval, ten steps, rolled back at the fifth
    failed check:

    >>> gate_failure(success_rate=0.995, requests=100, steps=10, threshold=5)
    GateFailure(check_failure=0.089822, any_failure=0.60982, rollback=0.0058522, \
expected_checks=10.969, successes_needed=99)

    The same at 1000 requests, and a canary at 98 %:

    >>> gate_failure(success_rate=0.995, requests=1000, steps=10, threshold=5)
    GateFailure(check_failure=0.013469, any_failure=0.12681, rollback=8.0183e-07, \
expected_checks=10.137, successes_needed=990)
    >>> round(gate_failure(success_rate=0.98, requests=1000, steps=10, threshold=5).rollback, 4)
    1.0
    """
    where = "gate_failure"
    p = check.between(where, "success_rate", success_rate, ends=True)
    least = check.between(where, "minimum", minimum, ends=True)
    fails_at = check.count(where, "threshold", threshold)
    sizes = _sizes(where, requests, steps)
    if len(sizes) * fails_at > MOST_STATES:
        problem = f"is {fails_at}, which with {len(sizes)} steps is too many states to go through"
        raise PartError(f"experiments.{where}", "threshold", problem)
    known: dict[int, float] = {n: _fails(n, p, _needed(n, least)) for n in set(sizes)}
    by_step = tuple(known[n] for n in sizes)
    rollback, checks = _race(by_step, fails_at)
    return GateFailure(
        check_failure=by_step[0],
        any_failure=-math.expm1(math.fsum(map(_log_passes, by_step))),
        rollback=rollback,
        expected_checks=checks,
        successes_needed=_needed(sizes[0], least),
        by_step=by_step,
    )


def _sizes(where: str, requests: object, steps: object) -> list[int]:
    if isinstance(requests, str) or not isinstance(requests, (Sequence, np.ndarray)):
        n = check.count(where, "requests", requests, least=0)
        return [n] * (1 if steps is None else check.count(where, "steps", steps, most=1_000_000))
    sizes = [check.count(where, f"requests[{i}]", n, least=0) for i, n in enumerate(list(requests))]
    if not sizes:
        raise check.wrong(where, "requests", requests, "one number a step")
    if steps is not None and check.count(where, "steps", steps) != len(sizes):
        problem = f"is {steps}, but requests has {len(sizes)} entries, one a step"
        raise PartError(f"experiments.{where}", "steps", problem)
    return sizes


def _needed(n: int, least: float) -> int:
    """Return the fewest successes with successes/n >= least; 1 of 0 when there is nothing."""
    if n == 0:
        return 1
    # the decimal that was written, so that 0.99 of 100 is 99 and not a hair more
    return math.ceil(Fraction(repr(least)) * n)


def _fails(n: int, p: float, needed: int) -> float:
    """P(Binomial(n, p) < needed)."""
    from scipy.special import bdtr

    if needed > n:
        return 1.0
    return float(bdtr(needed - 1, n, p)) if needed > 0 else 0.0


def _log_passes(q: float) -> float:
    return math.log1p(-q) if q < 1.0 else -math.inf


def _race(by_step: tuple[float, ...], threshold: int) -> tuple[float, float]:
    """Return P(threshold failures before the last step has passed), and the mean checks."""
    at = np.zeros(threshold)  # P(being at this step with f failures so far), on arrival
    at[0] = 1.0
    rollback, checks = 0.0, 0.0
    for q in by_step:
        # failures at this step pile up from left to right, until one check passes
        passed = np.empty(threshold)
        here = 0.0
        for f in range(threshold):
            here = here * q + float(at[f])
            checks += here
            passed[f] = here * (1.0 - q)
        rollback += here * q
        at = passed
    return rollback, checks
