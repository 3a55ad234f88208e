"""The replicated store against exact probabilities, and random clusters against its laws.

The tests make the same comparisons with fewer operations.  A probability is refused where what
happened has a two-sided p-value below 0.001; a planted wrong one must be refused at 10^-6.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from scipy.stats import binom, binomtest, norm

import mesh_lab as ml
from mesh_lab.replicated import ClusterRun, needed, simulate
from mesh_lab.replicated.cluster import Consistency
from mesh_lab.replicated.store import Store
from tests.clusters import at, one_key
from tests.random_clusters import FAULTS, random_run, violations

__all__ = [
    "FOUND",
    "LEVEL",
    "LEVELS",
    "UP_SHARE",
    "on_its_way",
    "p_value",
    "replicated",
    "stale_after_outage",
    "sum_p_value",
    "unavailable",
]

LEVEL, FOUND = 1e-3, 1e-6
LEVELS: tuple[Consistency, ...] = ("ONE", "TWO", "QUORUM", "ALL")
MOMENTS, READS, PAIRS, CLUSTERS = 20_000, 40_000, 40_000, 2_000


def p_value(count: int, n: int, probability: float) -> float:
    """Return the two-sided p-value of a binomial count; 0 where what happened is impossible."""
    if probability <= 0.0:
        return float(count == 0)
    return float(binomtest(count, n, probability).pvalue)


def sum_p_value(count: int, probabilities: list[float]) -> float:
    """Return the two-sided p-value of a count of independent events, by the normal limit."""
    exact = np.array(probabilities)
    error = math.sqrt(float((exact * (1.0 - exact)).sum()))
    if error == 0.0:
        return float(count == exact.sum())
    return float(2.0 * norm.sf(abs(count - exact.sum()) / error))


UP, DOWN = 7.0, 3.0
UP_SHARE = UP / (UP + DOWN)
GAP = 20.0 / (1.0 / UP + 1.0 / DOWN)  # states so far apart depend on each other by exp(-20)


def unavailable(level: Consistency, replication: int, moments: int) -> tuple[int, int]:
    """Return at how many moments a write (and so a read) was unavailable, and of how many.

    Every node is up with probability `UP_SHARE`, each by itself; a coordinator is there when a
    replica is.  So it is the probability that fewer replicas are up than the level needs.
    """
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
        requests=2 * moments,
        seed=1,
    )
    # a write and a read begin at one moment and see the same nodes: one of the two is counted
    writes = run.operations[run.operations.kind == "write"]
    reads = run.operations[run.operations.kind == "read"]
    assert set(run.operations.outcome) <= {"ok", "unavailable"}
    assert (writes.outcome.to_numpy() == reads.outcome.to_numpy()).all()
    return int((writes.outcome == "unavailable").sum()), len(writes)


def stale_after_outage(written: int, level: Consistency, count: int) -> tuple[int, int]:
    """Write while only so many of 5 replicas are up; count stale reads when all are up again.

    None of the R replicas of a read, chosen at random, is one of the W written with probability
    C(5-W, R)/C(5, R).
    """
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
    run = _at_times(store, [1.0 + k for k in range(5)], [100.0 + k / 10 for k in range(count)])
    assert set(run.operations.outcome) == {"ok"}
    reads = run.operations[run.operations.kind == "read"]
    return int(reads.stale.sum()), len(reads)


def on_its_way(
    replication: int, write: Consistency, read: Consistency, pairs: int, *, mean: float = 1.0
) -> tuple[int, list[float]]:
    """Return the number of stale reads, and the exact probability of each read to be stale.

    Replicas take exponential times (mean 1 s) to write, nothing else takes time.  When W of N have
    confirmed, each other one still lacks the write with probability exp(-t) after t seconds,
    because the exponential distribution has no memory.  So a read t seconds later, of R replicas,
    is stale with probability C(N-W, R)/C(N, R) exp(-R t).  Another `mean` plants an error.
    """
    store = ml.Cluster(
        "db",
        nodes=replication,
        replication=replication,
        read=read,
        write=write,
        link=0.0,
        write_time=ml.Exponential(mean=mean),
        write_timeout=90.0,
        hints=False,
        read_repair=False,
    )
    begin = [100.0 * k for k in range(1, pairs + 1)]
    run = _at_times(store, begin, [time + 0.5 + (k % 8) / 8 for k, time in enumerate(begin)])
    writes = run.operations[run.operations.kind == "write"]
    reads = run.operations[run.operations.kind == "read"]
    waited = reads.arrival.to_numpy() - writes.finish.to_numpy()
    after = waited >= 0.0
    asked, written = needed(read, replication), needed(write, replication)
    share = math.comb(replication - written, asked) / math.comb(replication, asked)
    exact = share * np.exp(-asked * waited[after])
    return int(reads.stale.to_numpy()[after].sum()), exact.tolist()


def _at_times(store: ml.Cluster, writes: list[float], reads: list[float]) -> ClusterRun:
    with tempfile.TemporaryDirectory() as folder:
        return simulate(
            store,
            writes=at(Path(folder), "w", writes),
            reads=at(Path(folder), "r", reads),
            keys=one_key(),
            seed=1,
        )


def replicated() -> Iterable[tuple[bool, str]]:
    """Yield the lines about the replicated store, each with whether it is as it should be."""
    yield True, ""
    yield True, "## The replicated store against exact probabilities"
    yield True, ""
    yield (
        True,
        f"Counts, what is expected of them, and the two-sided p-value (refused below {LEVEL:g}); "
        f"the last column: is a wrong rule refused at {FOUND:g}?  Rows of one kind share their "
        "random numbers.",
    )
    yield True, ""
    yield True, "| what | of | count | expected | p-value | as it should | wrong rule |"
    yield True, "|---|---|---|---|---|---|---|"
    yield from _unavailable()
    yield from _stale()
    yield from _under_way()
    yield from _laws()


def _unavailable() -> Iterator[tuple[bool, str]]:
    for replication in (3, 5):
        for level in LEVELS:
            count, n = unavailable(level, replication, MOMENTS)
            tails = [float(binom.cdf(k - 1, replication, UP_SHARE)) for k in range(7)]
            need = needed(level, replication)
            wrong = max(p_value(count, n, tails[need - 1]), p_value(count, n, tails[need + 1]))
            what = f"unavailable, {level} of {replication} (wrong: one replica more or less)"
            yield _row(what, n, count, n * tails[need], p_value(count, n, tails[need]), wrong)


def _stale() -> Iterator[tuple[bool, str]]:
    for written in (1, 2, 3, 4):
        for level in LEVELS:
            asked = needed(level, 5)
            if asked + written > 5:
                continue
            count, n = stale_after_outage(written, level, READS)
            shares = [math.comb(5 - w, asked) / math.comb(5, asked) for w in range(6)]
            wrong = max(
                p_value(count, n, shares[written - 1]), p_value(count, n, shares[written + 1])
            )
            what = f"stale, {written} of 5 written, {level} read (wrong: one more or less written)"
            p = p_value(count, n, shares[written])
            yield _row(what, n, count, n * shares[written], p, wrong)


def _under_way() -> Iterator[tuple[bool, str]]:
    cases: list[tuple[int, Consistency, Consistency]] = [
        (3, "ONE", "ONE"),
        (3, "ONE", "TWO"),
        (3, "TWO", "ONE"),
        (5, "TWO", "TWO"),
    ]
    for replication, write, read in cases:
        count, exact = on_its_way(replication, write, read, PAIRS)
        wrong = sum_p_value(*on_its_way(replication, write, read, PAIRS, mean=0.7))
        what = f"stale while on its way, {write} and {read} of {replication} (wrong: 30 % quicker)"
        yield _row(what, len(exact), count, sum(exact), sum_p_value(count, exact), wrong)


def _row(
    what: str, n: int, count: int, expected: float, p: float, wrong: float
) -> tuple[bool, str]:
    fine = p > LEVEL
    found = "found" if wrong < FOUND else "**not found**"
    verdict = "yes" if fine else "**no**"
    row = f"| {what} | {n:,} | {count:,} | {expected:,.1f} | {p:.3f} | {verdict} | {found} |"
    return fine and wrong < FOUND, row


def _laws() -> Iterator[tuple[bool, str]]:
    counts: dict[str, int] = {}
    broken = []
    for seed in range(1, CLUSTERS + 1):
        run = random_run(seed)
        broken += [f"{seed}: {law}" for law in violations(run)]
        for outcome, count in run.operations.outcome.value_counts().items():
            counts[str(outcome)] = counts.get(str(outcome), 0) + int(count)
    happened = ", ".join(f"{word} {count:,}" for word, count in sorted(counts.items()))
    verdict = f"**{broken[0]}**" if broken else "no stale read, no lost update, no law broken"
    yield True, ""
    yield (
        not broken,
        f"Random clusters with R + W > RF, 1 to {CLUSTERS:,} ({happened}): {verdict}.",
    )
    yield True, ""
    yield True, "| planted fault | found by cluster |"
    yield True, "|---|---|"
    for method, fault in FAULTS:
        with mock.patch.object(Store, method, fault):
            seeds = range(1, 201)
            first = next((seed for seed in seeds if any(violations(random_run(seed)))), None)
        name = fault.__name__.replace("_", " ")
        yield first is not None, f"| {name} | {first if first is not None else '**not found**'} |"
