"""The replicated store against exact probabilities.

Every count is held against the binomial distribution that it must have, at a level of 0.001 each
(two-sided; with 28 comparisons one in 36 sets of seeds would fail, and the seed is 1).  For each
family a wrong probability, or a wrong rule planted in the store, must be refused at 10^-6.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, binomtest

import mesh_lab as ml
from mesh_lab.replicated import needed, simulate
from mesh_lab.replicated.history import Operation
from mesh_lab.replicated.store import Store
from tests.clusters import at, one_key

LEVEL, FOUND = 1e-3, 1e-6
LEVELS = ("ONE", "TWO", "QUORUM", "ALL")


def p_value(count: int, n: int, probability: float) -> float:
    """Return the two-sided p-value; 0 where what happened is impossible."""
    if probability <= 0.0:
        return float(count == 0)
    return float(binomtest(count, n, probability).pvalue)


# -- unavailable ------------------------------------------------------------------------------

UP, DOWN = 7.0, 3.0
GAP = 20.0 / (1.0 / UP + 1.0 / DOWN)  # states so far apart depend on each other by exp(-20)
OPERATIONS = 4_000  # half of them writes


def unavailable(level: str, replication: int) -> tuple[int, int]:
    """Return how many operations were unavailable, and of how many."""
    store = ml.Cluster(
        "db",
        nodes=replication + 2,
        replication=replication,
        read=level,
        write=level,
        link=0.0,
        detection=0.0,
        hints=False,
        changes=(ml.Failures(up=ml.Exponential(mean=UP), down=ml.Exponential(mean=DOWN)),),
    )
    gap = ml.Deterministic(value=GAP)
    run = simulate(
        store,
        writes=ml.Renewal("w", gap=gap, to="db"),
        reads=ml.Renewal("r", gap=gap, to="db"),
        keys=one_key(),
        requests=OPERATIONS,
        seed=1,
    )
    # a write and a read begin at one moment and see the same nodes: one of the two is counted
    writes = run.operations[run.operations.kind == "write"]
    reads = run.operations[run.operations.kind == "read"]
    assert set(run.operations.outcome) <= {"ok", "unavailable"}
    assert (writes.outcome.to_numpy() == reads.outcome.to_numpy()).all()
    return int((writes.outcome == "unavailable").sum()), len(writes)


@pytest.mark.parametrize("replication", [3, 5])
@pytest.mark.parametrize("level", LEVELS)
def test_unavailable_is_a_binomial_tail(level: str, replication: int) -> None:
    """2000 moments; every replica is up with probability 0.7, each by itself."""
    count, n = unavailable(level, replication)
    need = needed(level, replication)  # type: ignore[arg-type]
    up = UP / (UP + DOWN)
    assert p_value(count, n, binom.cdf(need - 1, replication, up)) > LEVEL
    for wrong in (need - 1, need + 1):  # one replica fewer, or more, than the level needs
        assert p_value(count, n, binom.cdf(wrong - 1, replication, up)) < FOUND


def test_a_replica_too_few_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ml.Cluster, "needed", lambda self, kind: self.replication // 2)
    count, n = unavailable("QUORUM", 5)
    assert p_value(count, n, binom.cdf(2, 5, UP / (UP + DOWN))) < FOUND


# -- stale, replicas chosen at random ---------------------------------------------------------


def stale_after_outage(folder: Path, written: int, level: str) -> tuple[int, int]:
    """Write while only so many of 5 replicas are up; count stale reads when all are up again."""
    down = range(written, 5)
    store = ml.Cluster(
        "db",
        nodes=5,
        replication=5,
        read=level,
        write="ONE",
        detection=0.0,
        hints=False,
        read_repair=False,
        changes=(
            *(ml.Fail(at=0.0, endpoint=f"db-{k}") for k in down),
            *(ml.Recover(at=50.0, endpoint=f"db-{k}") for k in down),
        ),
    )
    run = simulate(
        store,
        writes=at(folder, "w", [1.0 + k for k in range(5)]),
        reads=at(folder, "r", [100.0 + k / 10 for k in range(3_000)]),
        keys=one_key(),
        seed=1,
    )
    assert set(run.operations.outcome) == {"ok"}
    reads = run.operations[run.operations.kind == "read"]
    return int(reads.stale.sum()), len(reads)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("written", [1, 2, 3, 4])
def test_stale_without_repair_is_hypergeometric(tmp_path: Path, written: int, level: str) -> None:
    """3000 reads: none of R of 5 replicas, chosen at random, is one of the W written."""
    count, n = stale_after_outage(tmp_path, written, level)
    asked = needed(level, 5)  # type: ignore[arg-type]
    expected = math.comb(5 - written, asked) / math.comb(5, asked)
    assert p_value(count, n, expected) > LEVEL
    assert (count == 0) == (asked + written > 5)
    if expected > 0.0:
        for wrong in (written - 1, written + 1):
            other = math.comb(5 - wrong, asked) / math.comb(5, asked)
            assert p_value(count, n, other) < FOUND


def test_replicas_that_are_not_chosen_at_random_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(self: Store, read: Operation, alive: list[int]) -> list[int]:
        return alive[: read.needed]

    monkeypatch.setattr(Store, "_chosen", first)
    count, n = stale_after_outage(tmp_path, 2, "TWO")
    assert p_value(count, n, math.comb(3, 2) / math.comb(5, 2)) < FOUND


# -- stale, while a write is on its way -------------------------------------------------------

MEAN = 1.0
PAIRS = 4_000


def on_its_way(folder: Path, replication: int, write: str, read: str) -> tuple[int, list[float]]:
    """Return the number of stale reads, and the exact probability of each read to be stale.

    Replicas take exponential times (mean 1 s) to write, nothing else takes time.  When W of N have
    confirmed, each other one still lacks the write with probability exp(-t) after t seconds,
    because the exponential distribution has no memory.  So a read t seconds later, of R replicas,
    is stale with probability C(N-W, R)/C(N, R) exp(-R t).
    """
    store = ml.Cluster(
        "db",
        nodes=replication,
        replication=replication,
        read=read,
        write=write,
        link=0.0,
        write_time=ml.Exponential(mean=MEAN),
        write_timeout=90.0,
        hints=False,
        read_repair=False,
    )
    begin = [100.0 * k for k in range(1, PAIRS + 1)]
    run = simulate(
        store,
        writes=at(folder, "w", begin),
        reads=at(folder, "r", [time + 0.5 + (k % 8) / 8 for k, time in enumerate(begin)]),
        keys=one_key(),
        seed=1,
    )
    writes = run.operations[run.operations.kind == "write"]
    reads = run.operations[run.operations.kind == "read"]
    waited = reads.arrival.to_numpy() - writes.finish.to_numpy()
    after = waited >= 0.0
    asked, written = needed(read, replication), needed(write, replication)  # type: ignore[arg-type]
    share = math.comb(replication - written, asked) / math.comb(replication, asked)
    exact = share * np.exp(-asked * waited[after] / MEAN)
    return int(reads.stale.to_numpy()[after].sum()), exact.tolist()


@pytest.mark.parametrize(
    ("replication", "write", "read"),
    [(3, "ONE", "ONE"), (3, "ONE", "TWO"), (3, "TWO", "ONE"), (5, "TWO", "TWO")],
)
def test_stale_while_a_write_is_on_its_way(
    tmp_path: Path, replication: int, write: str, read: str
) -> None:
    """Up to 4000 reads, each with its own probability; the sum is normal enough (99.9 %)."""
    count, exact = on_its_way(tmp_path, replication, write, read)
    assert len(exact) > 1_000
    error = math.sqrt(sum(p * (1.0 - p) for p in exact))
    assert error > 3.0
    assert abs(count - sum(exact)) < 3.29 * error
    longer = [p ** (1.0 / 1.3) for p in exact]  # as if replicas took 30 % longer
    assert abs(count - sum(longer)) > 4.9 * error


def test_never_stale_where_quorums_overlap(tmp_path: Path) -> None:
    for write, read in (("TWO", "TWO"), ("ALL", "ONE"), ("ONE", "ALL")):
        count, exact = on_its_way(tmp_path, 3, write, read)
        assert count == 0 == sum(exact)
