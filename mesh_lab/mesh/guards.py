"""What one proxy guards a service with: its retry budget, limits, breakers and ejections.

The rules are kernels of `mesh_lab.resilience`; here they meet the attempts.  Before an attempt is
sent: a breaker of the whole service lets it in or not (``open``); when the balancer has picked, and
there is a connection for it, the limits (``overflow``) and the breaker of that endpoint do.  When
it is over: limits, budget, ejection and breaker are told, in this order, what the proxy has seen of
it:

======================================================  ===================
outcome                                                 seen as
======================================================  ===================
``ok``                                                  good
``failed``                                              an error (500)
``rejected``, ``dropped``, ``expired``, ``shed``, ...   a gateway error (503)
``unavailable``, ``crashed``, ``timeout``               no answer
======================================================  ===================

An attempt that is cancelled says nothing about its endpoint.  An endpoint that is ejected, or whose
breaker is open, is *barred*: for this proxy it counts as unhealthy.  Pools are made anew on the
agenda, after what has led to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice

from ..balancing.rule import Lists
from ..ledger import CRASHED, FAILED, OK, OPEN, OVERFLOW, TIMEOUT, UNAVAILABLE
from ..resilience import (
    SEEN_ERROR,
    SEEN_GATEWAY,
    SEEN_LOCAL,
    SEEN_OK,
    budget,
    circuit,
    ejecting,
    sweeping,
)
from ..resilience import limits as limiting
from ..resilience.limits import CONNECTIONS, PENDING, REQUESTS, RETRIES
from ..stations.service import Service
from .attempt import Attempt

__all__ = ["Guards", "seen"]

Chance = Callable[[Attempt], float]


def seen(outcome: int) -> int:
    """Return as what a proxy sees an outcome."""
    if outcome == OK:
        return SEEN_OK
    if outcome == FAILED:
        return SEEN_ERROR
    return SEEN_LOCAL if outcome in (UNAVAILABLE, CRASHED, TIMEOUT) else SEEN_GATEWAY


class Guards:
    """The guards of one proxy.

    Parameters
    ----------
    part : Service
        What was declared.
    chances : callable
        From a purpose to the function that gives an attempt's uniform draw for it.
    sweeps : iterator of float
        Uniform draws for the sweeps of ejection.

    Attributes
    ----------
    active, pending : int
        The attempts that are under way, and that wait for a connection.
    """

    def __init__(
        self, part: Service, chances: Callable[[str], Chance], sweeps: Iterator[float]
    ) -> None:
        make, n = Lists(), len(part.ever)
        self.active = self.pending = 0
        self.endpoints = n
        self._sweeps = sweeps
        self.limits = None if part.limits is None else part.limits.state(1, make)
        self.budget = None if part.budget is None else part.budget.state(1, make)
        # Envoy's limit of retries is in force where there is no budget
        self._retries = self.limits if part.budget is None else None
        self.breaker = None if part.breaker is None else part.breaker.state(1, n, make)
        self.each = part.breaker is not None and part.breaker.per == "endpoint"
        jitter = part.breaker is not None and part.breaker.draws > 0
        self._jitter = chances("breaker") if jitter else None
        members = [number < part.initial_count for number in range(n)]
        self.outliers = (
            None if part.ejection is None else part.ejection.state(1, n, make, members=members)
        )
        draws = 0 if part.ejection is None else part.ejection.draws
        self._chances = [chances(f"eject{k}" if k else "eject") for k in range(draws)]
        self._draws_of_sweep = draws * n

    # -- before an attempt -----------------------------------------------------------------------

    def admit(self, attempt: Attempt, now: float) -> bool:
        """Ask the breaker of the service."""
        attempt.passed = 0
        if self.breaker is not None and not self.each:
            attempt.passed = circuit.admits(self.breaker, 0, now)
            return attempt.passed > 0
        return True

    def admit_to(self, attempt: Attempt, endpoint: int, now: float) -> int:
        """Let an attempt go to the endpoint that was picked, 0, or say as what it ends."""
        if self.limits is not None and not limiting.take(self.limits, 0, REQUESTS):
            return OVERFLOW
        if self.breaker is not None and self.each:
            attempt.passed = circuit.admits(self.breaker, endpoint, now)
            if not attempt.passed:
                if self.limits is not None:
                    limiting.give(self.limits, 0, REQUESTS)
                return OPEN
        self.active += 1
        return 0

    def dismiss(self, attempt: Attempt, now: float) -> None:
        """Take back that the breaker of the service let an attempt in: it goes nowhere."""
        if not self.each:
            self._take_back(attempt, 0, now)

    def _take_back(self, attempt: Attempt, at: int, now: float) -> None:
        if self.breaker is not None and attempt.passed:
            circuit.cancelled(self.breaker, at, now, attempt.passed)

    # -- after it --------------------------------------------------------------------------------

    def ended(self, attempt: Attempt, endpoint: int, now: float, outcome: int) -> bool:
        """Take in how an attempt has ended; True when pools may have to be made anew."""
        self.active -= 1
        saw, changed = seen(outcome), False
        if self.limits is not None:
            limiting.give(self.limits, 0, REQUESTS)
        if self.budget is not None:
            budget.responded(self.budget, 0, saw)
        if self.outliers is not None:
            u = [chance(attempt) for chance in self._chances]
            changed = ejecting.responded(self.outliers, 0, endpoint, now, saw, u) == 1
        if self.breaker is not None:
            u0 = 0.0 if self._jitter is None else self._jitter(attempt)
            at = endpoint if self.each else 0
            turned = circuit.responded(self.breaker, at, now, saw, u0)
            changed = changed or (self.each and turned != 0)
        return changed

    def cancelled(self, attempt: Attempt, endpoint: int, now: float) -> bool:
        """Take in that nobody waits for an attempt any more; as `ended`."""
        self.active -= 1
        if self.limits is not None:
            limiting.give(self.limits, 0, REQUESTS)
        if self.breaker is None:
            return False
        at = endpoint if self.each else 0
        return circuit.cancelled(self.breaker, at, now, attempt.passed) == 1 and self.each

    # -- connections -----------------------------------------------------------------------------

    def may_connect(self) -> bool:
        """Whether there may be one connection more."""
        return self.limits is None or limiting.room(self.limits, 0, CONNECTIONS) == 1

    def connected(self) -> None:
        """Count a connection, also one that is beyond the limit."""
        if self.limits is not None:
            self.limits.held[CONNECTIONS] += 1

    def disconnected(self) -> None:
        """Count one connection less."""
        if self.limits is not None:
            limiting.give(self.limits, 0, CONNECTIONS)

    def may_wait(self) -> bool:
        """Let one more wait for a connection, if it may."""
        if self.limits is not None and not limiting.take(self.limits, 0, PENDING):
            return False
        self.pending += 1
        return True

    def waited(self) -> None:
        """Let one wait no more."""
        self.pending -= 1
        if self.limits is not None:
            limiting.give(self.limits, 0, PENDING)

    # -- retries ---------------------------------------------------------------------------------

    def first(self, now: float) -> None:
        """Note the first attempt of a call."""
        if self.budget is not None:
            budget.sent(self.budget, 0, now)

    def may_retry(self, now: float) -> bool:
        """Take a retry out of the budget, if there is one left."""
        if self.budget is not None:
            # the attempt that has just failed still counts, as Envoy 1.40 was seen to do
            # (data/resilience/README.md)
            return budget.may_retry(self.budget, 0, now, self.active + 1, self.pending) == 1
        if self._retries is not None:
            return limiting.take(self._retries, 0, RETRIES) == 1
        return True

    def retry_ended(self) -> None:
        """Give a retry back."""
        if self.budget is not None:
            budget.retry_ended(self.budget, 0)
        elif self._retries is not None:
            limiting.give(self._retries, 0, RETRIES)

    # -- endpoints -------------------------------------------------------------------------------

    def barred(self, now: float) -> frozenset[int]:
        """Return the endpoints that get nothing now."""
        out: set[int] = set()
        if self.outliers is not None:
            out.update(e for e in range(self.endpoints) if self.outliers.ejected[e])
        if self.breaker is not None and self.each:
            ready = circuit.ready
            out.update(e for e in range(self.endpoints) if not ready(self.breaker, e, now))
        return frozenset(out)

    def opened_until(self, endpoint: int) -> float:
        """Return when an endpoint's breaker lets a probe in; minus infinity if it is closed."""
        if self.breaker is None or not self.each:
            return -math.inf
        return circuit.opened_until(self.breaker, endpoint)

    def sweep(self, now: float) -> bool:
        """Do what ejection does at the end of an interval; True when endpoints have changed."""
        assert self.outliers is not None
        u = list(islice(self._sweeps, self._draws_of_sweep))
        return sweeping.swept(self.outliers, 0, now, u) > 0

    def joined(self, endpoint: int) -> None:
        """Take in a new endpoint."""
        if self.outliers is not None:
            ejecting.joined(self.outliers, 0, endpoint)

    def gone(self, endpoint: int) -> None:
        """Forget an endpoint that has left for good."""
        if self.outliers is not None:
            ejecting.left(self.outliers, 0, endpoint)
