"""The replicated store against exact probabilities.

The comparisons are those of `validation`, with fewer operations.  Every count is held against the
distribution that it must have, at a level of 0.001 each (two-sided; with 22 comparisons one set of
seeds in 45 would fail, and the seed is 1).  In each family an error planted in the store, or a
wrong probability, must be refused at 10^-6.
"""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom

import mesh_lab as ml
from mesh_lab.replicated import needed
from mesh_lab.replicated.cluster import Consistency
from mesh_lab.replicated.history import Operation
from mesh_lab.replicated.store import Store
from validation.replicated import (
    FOUND,
    LEVEL,
    LEVELS,
    UP_SHARE,
    on_its_way,
    p_value,
    stale_after_outage,
    sum_p_value,
    unavailable,
)

MOMENTS, READS, PAIRS = 2_000, 3_000, 4_000

# -- unavailable ------------------------------------------------------------------------------


@pytest.mark.parametrize("replication", [3, 5])
@pytest.mark.parametrize("level", LEVELS)
def test_unavailable_is_a_binomial_tail(level: Consistency, replication: int) -> None:
    """2000 moments; every replica is up with probability 0.7, each by itself."""
    count, n = unavailable(level, replication, MOMENTS)
    need = needed(level, replication)
    assert p_value(count, n, binom.cdf(need - 1, replication, UP_SHARE)) > LEVEL
    for wrong in (need - 1, need + 1):  # one replica fewer, or more, than the level needs
        assert p_value(count, n, binom.cdf(wrong - 1, replication, UP_SHARE)) < FOUND


def test_a_replica_too_few_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ml.Cluster, "needed", lambda self, kind, centre: self.replication // 2)
    count, n = unavailable("QUORUM", 5, MOMENTS)
    assert p_value(count, n, binom.cdf(2, 5, UP_SHARE)) < FOUND


# -- stale, replicas chosen at random ---------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("written", [1, 2, 3, 4])
def test_stale_without_repair_is_hypergeometric(written: int, level: Consistency) -> None:
    """3000 reads: none of R of 5 replicas, chosen at random, is one of the W written."""
    count, n = stale_after_outage(written, level, READS)
    asked = needed(level, 5)
    expected = math.comb(5 - written, asked) / math.comb(5, asked)
    assert p_value(count, n, expected) > LEVEL
    assert (count == 0) == (asked + written > 5)
    if expected > 0.0:
        for wrong in (written - 1, written + 1):
            other = math.comb(5 - wrong, asked) / math.comb(5, asked)
            assert p_value(count, n, other) < FOUND


def test_replicas_that_are_not_chosen_at_random_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(self: Store, read: Operation, alive: list[int]) -> list[int]:
        return alive[: read.needed]

    monkeypatch.setattr(Store, "_chosen", first)
    count, n = stale_after_outage(2, "TWO", READS)
    assert p_value(count, n, math.comb(3, 2) / math.comb(5, 2)) < FOUND


# -- stale, while a write is on its way -------------------------------------------------------


@pytest.mark.parametrize(
    ("replication", "write", "read"),
    [(3, "ONE", "ONE"), (3, "ONE", "TWO"), (3, "TWO", "ONE"), (5, "TWO", "TWO")],
)
def test_stale_while_a_write_is_on_its_way(
    replication: int, write: Consistency, read: Consistency
) -> None:
    """Up to 4000 reads, each with its own probability; the sum is normal enough."""
    count, exact = on_its_way(replication, write, read, PAIRS)
    assert len(exact) > 1_000
    assert sum(exact) > 30.0
    assert sum_p_value(count, exact) > LEVEL
    # replicas that are twice as quick are found
    assert sum_p_value(*on_its_way(replication, write, read, PAIRS, mean=0.5)) < FOUND


def test_never_stale_where_quorums_overlap() -> None:
    overlapping: list[tuple[Consistency, Consistency]] = [
        ("TWO", "TWO"),
        ("ALL", "ONE"),
        ("ONE", "ALL"),
    ]
    for write, read in overlapping:
        count, exact = on_its_way(3, write, read, 500)
        assert count == 0 == sum(exact)
