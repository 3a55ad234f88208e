"""What a health checker remembers of one endpoint, and what one more result makes of it.

The counters are Envoy's (``ActiveHealthCheckSession`` in ``health_checker_base_impl.cc``); those of
HAProxy (``rise`` and ``fall``) do the same in other words, and differ in the first two rules:

==========  ===================================  ==========  =======================================
taken for   result                               taken for   and
==========  ===================================  ==========  =======================================
unhealthy   first ever, and it succeeded         healthy     (Envoy)
healthy     an error that it answered itself     unhealthy   (Envoy: it asks to be left alone)
healthy     failure number `unhealthy` in a row  unhealthy
healthy     a failure before that                healthy     on the edge
unhealthy   success number `healthy` in a row    healthy
unhealthy   a success before that                unhealthy   on the edge
any         what agrees with it                  the same    both counts begin anew as they should
==========  ===================================  ==========  =======================================

A server that HAProxy has not yet checked is up, and goes down at its first failure.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["Judge", "Result", "Thresholds"]


class Result(IntEnum):
    """What came of one check."""

    PASSED = 0
    ERROR = 1  # the endpoint answered that it is not well
    FAILED = 2  # refused, or nothing came in time


class Thresholds(NamedTuple):
    """How many results in a row matter, and what is special about some.

    Attributes
    ----------
    unhealthy, healthy : int
        Failures in a row until unhealthy, and successes until healthy.
    first_counts : bool
        Whether the first result decides by itself.
    error_counts : bool
        Whether an answered error decides by itself.
    """

    unhealthy: int
    healthy: int
    first_counts: bool = True
    error_counts: bool = True


class Judge:
    """One endpoint's health as one checker sees it."""

    __slots__ = ("edge", "failed", "first", "healthy", "passed")

    def __init__(self, healthy: bool, first: bool) -> None:
        self.healthy = healthy
        self.first = first  # nothing has been checked yet
        self.passed = 0
        self.failed = 0
        self.edge = False  # the last result was not yet enough

    def take(self, result: Result, rule: Thresholds) -> bool:
        """Take in a result; return whether the health has changed.

        Examples
        --------
        >>> judge, rule = Judge(healthy=True, first=False), Thresholds(unhealthy=2, healthy=3)
        >>> [judge.take(result, rule) for result in (Result.FAILED, Result.FAILED)]
        [False, True]
        """
        self.edge = False
        before = self.healthy
        if result == Result.PASSED:
            self.failed = 0
            if not self.healthy:
                self.passed += 1
                alone = self.first and rule.first_counts
                self.healthy = alone or self.passed >= rule.healthy
                self.edge = not self.healthy
        else:
            self.passed = 0
            if self.healthy:
                self.failed += 1
                alone = result == Result.ERROR and rule.error_counts
                alone = alone or (self.first and not rule.first_counts)
                self.healthy = not (alone or self.failed >= rule.unhealthy)
                self.edge = self.healthy
        if self.healthy != before:
            self.passed = self.failed = 0
        self.first = False
        return self.healthy != before
