"""What the engines are compared with does the work that it is said to do.

A rival that skipped work would be quick for nothing, and one that queued wrongly would be slow for
nothing, so every plain policy and the C loop are held to the rules: legal endpoints, nobody lost,
first come first served at each endpoint, and theory where there is one.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from heapq import heapreplace

import numpy as np
import pytest
import simpy
from scipy import stats

from benchmarks import peers, plain_aware, plain_static
from benchmarks.event_loop import POLICIES, compiler, event_loop
from benchmarks.plain import mmc
from benchmarks.plain_balancing import Mesh, Policy, balanced
from benchmarks.workloads import ENDPOINTS, KEYS, LOAD, WORKLOADS
from mesh_lab.theory import mmc as theory

Rows = Sequence[tuple[float, float, float, int]]
BALANCED = {w.name: w for w in WORKLOADS if w.policy is not None}
needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


def check_queues(rows: Rows, requests: int, endpoints: int, workers: int) -> None:
    """Hold rows to conservation: each begins when it has come and the first worker is free."""
    assert len(rows) == requests
    assert {endpoint for *_, endpoint in rows} <= set(range(endpoints))
    free = [[0.0] * workers for _ in range(endpoints)]
    for arrival, start, finish, endpoint in sorted(rows):
        assert start == max(arrival, free[endpoint][0])
        assert finish > start
        heapreplace(free[endpoint], finish)


def check_fewest(rows: Rows, endpoints: int) -> None:
    """Hold picks to least request of all: nobody had fewer outstanding at that moment."""
    outstanding = [0] * endpoints
    changes = [(finish, -1, endpoint) for _, _, finish, endpoint in rows]
    changes += [(arrival, 1, endpoint) for arrival, _, _, endpoint in rows]
    for _, change, endpoint in sorted(changes):
        if change > 0:
            assert outstanding[endpoint] == min(outstanding)
        outstanding[endpoint] += change


def as_rows(columns: dict[str, np.ndarray]) -> Rows:
    """Return the C loop's columns as rows."""
    return list(zip(*(column.tolist() for column in columns.values()), strict=True))


def picks(policy: Policy, count: int, *, weights: Sequence[float] | None = None) -> list[int]:
    """Return the picks of a policy while nothing happens at the endpoints."""
    mesh = Mesh(simpy.Environment(), random.Random(1), ENDPOINTS, weights or [1.0] * ENDPOINTS)
    pick = policy(mesh)
    return [pick(key, 1.0) for key in range(count)]


def test_workloads_have_names_of_their_own() -> None:
    assert len({w.name for w in WORKLOADS}) == len(WORKLOADS)


@pytest.mark.parametrize("name", BALANCED)
def test_plain_policies_obey_conservation(name: str) -> None:
    check_queues(BALANCED[name].plain(3_000, seed=1), 3_000, ENDPOINTS, 1)


@pytest.mark.parametrize("servers", [1, 10])
def test_plain_queue_is_first_come_first_served(servers: int) -> None:
    rows = [(*row, 0) for row in mmc(5_000, load=LOAD, servers=servers, seed=1)]
    check_queues(rows, 5_000, 1, servers)


@pytest.mark.parametrize("policy", [plain_aware.least_of_all, plain_aware.least_connections])
def test_plain_least_has_the_fewest(policy: Policy) -> None:
    check_fewest(balanced(policy, 3_000, endpoints=7, load=0.9, seed=1), 7)


def test_plain_least_work_is_the_central_queue() -> None:
    rows = balanced(plain_aware.least_work_left, 5_000, endpoints=5, load=0.9, seed=1)
    check_queues([(*row[:3], 0) for row in rows], 5_000, 1, 5)


def test_plain_idle_queue_never_keeps_anybody_waiting_beside_an_idle_endpoint() -> None:
    rows = balanced(plain_aware.join_idle_queue, 5_000, endpoints=5, load=0.7, seed=1)
    changes = sorted([(r[2], -1) for r in rows] + [(r[1], 1) for r in rows])
    busy, at = 0, 0
    for arrival, start, *_ in sorted(rows):
        while changes[at][0] < arrival:
            busy, at = busy + changes[at][1], at + 1
        assert start == arrival or busy == 5


@pytest.mark.parametrize(
    "policy", [plain_static.earliest_deadline, plain_static.smooth, plain_static.static_stride]
)
def test_plain_weighted_turns_honour_weights(policy: Policy) -> None:
    weights = [4.0, 5.0] * (ENDPOINTS // 2)
    counts = Counter(picks(policy, 10 * 225, weights=weights))
    assert all(abs(counts[e] - 10.0 * weight) <= 1.0 for e, weight in enumerate(weights))


@pytest.mark.parametrize(
    ("policy", "weights", "turns"),
    [
        # worked by hand: 5 1 1, -2 1 1 | 3 2 2, -4 2 2 | 1 3 3, 1 -4 3 | 6 -3 4, -1 -3 4 | ...
        (plain_static.smooth, (5.0, 1.0, 1.0), [0, 0, 1, 0, 2, 0, 0]),
        # deadlines 0.5 1 | 1 1, the second was there before | 1 2 | 1.5 2 | 2 2, again | 2 3
        (plain_static.earliest_deadline, (2.0, 1.0), [0, 1, 0, 0, 1, 0]),
    ],
)
def test_plain_weighted_turns_as_worked_by_hand(
    policy: Policy, weights: Sequence[float], turns: list[int]
) -> None:
    mesh = Mesh(simpy.Environment(), random.Random(1), len(weights), weights)
    pick = policy(mesh)
    assert [pick(0, 1.0) for _ in turns] == turns


@pytest.mark.parametrize(
    ("policy", "weights"),
    [
        (plain_static.random_choice, (1.0, 1.0)),
        (plain_static.iptables_chain, (1.0, 1.0)),
        (plain_static.weighted_random, (4.0, 5.0)),
        (plain_static.maglev, (1.0, 1.0)),
        (plain_static.rendezvous, (1.0, 1.0)),
        (plain_static.jump, (1.0, 1.0)),
    ],
)
def test_plain_shares_are_the_weights(policy: Policy, weights: tuple[float, float]) -> None:
    """A chi-square test at 99.9 % over 50 000 picks, or as many different keys."""
    everybody = np.array(weights * (ENDPOINTS // 2))
    counts = np.bincount(picks(policy, 50_000, weights=list(everybody)), minlength=ENDPOINTS)
    expected = 50_000 * everybody / everybody.sum()
    assert ((counts - expected) ** 2 / expected).sum() < stats.chi2.ppf(0.999, ENDPOINTS - 1)


@pytest.mark.parametrize("name", [w.name for w in WORKLOADS if w.keyed and w.bar == 80.0])
def test_plain_hashes_send_a_key_to_one_endpoint(name: str) -> None:
    policy = BALANCED[name].policy
    assert policy is not None
    assert picks(policy, 500) == picks(policy, 500)
    assert len(set(picks(policy, 500))) > 30


def test_plain_bounded_ring_keeps_its_bound() -> None:
    rows = balanced(plain_static.bounded_ring, 3_000, endpoints=10, load=0.9, seed=1, keys=20)
    outstanding = [0] * 10
    changes = [(finish, -1, endpoint) for _, _, finish, endpoint in rows]
    changes += [(arrival, 1, endpoint) for arrival, _, _, endpoint in rows]
    for _, change, endpoint in sorted(changes):
        outstanding[endpoint] += change
        if change > 0:
            bound = math.ceil(plain_static.BOUND * sum(outstanding) / 10)
            assert outstanding[endpoint] <= bound + 1  # compared before it is counted


@needs_compiler
@pytest.mark.parametrize("policy", POLICIES)
def test_c_loop_obeys_conservation(policy: str) -> None:
    _, columns = event_loop(policy, 20_000, endpoints=ENDPOINTS, load=LOAD, seed=1, keys=KEYS)
    rows = as_rows(columns)
    check_queues(rows, 20_000, ENDPOINTS, 1)
    if policy == "least request of all":
        check_fewest(rows, ENDPOINTS)


@needs_compiler
@pytest.mark.parametrize("workers", [1, 10])
def test_c_loop_agrees_with_theory(workers: int) -> None:
    """A t-test at 99.9 % over 40 runs of 50 000 requests, at load 0.7."""
    means = []
    for seed in range(1, 41):
        _, columns = event_loop("random", 50_000, workers=workers, load=0.7, seed=seed)
        means.append(float((columns["start"] - columns["arrival"]).mean()))
        if seed == 1:
            rows = as_rows(columns)
            check_queues(rows, 50_000, 1, workers)
    wait = theory(arrival_rate=0.7 * workers, service_rate=1.0, servers=workers).wait
    assert stats.ttest_1samp(means, wait).pvalue > 0.001


@needs_compiler
def test_c_loop_spreads_as_its_policies_say() -> None:
    """Random by a chi-square test at 99.9 % over 50 000 requests; in turn exactly."""
    for policy in ("random", "round robin"):
        _, columns = event_loop(policy, 50_000, endpoints=ENDPOINTS, load=LOAD, seed=1)
        counts = np.bincount(columns["endpoint"], minlength=ENDPOINTS)
        most = stats.chi2.ppf(0.999, ENDPOINTS - 1) if policy == "random" else 0.0
        assert ((counts - 1_000.0) ** 2 / 1_000.0).sum() <= most


@pytest.mark.parametrize("peer", peers.PEERS)
def test_peers_serve_everybody(peer: str) -> None:
    pytest.importorskip(peer)
    covered = [w for w in WORKLOADS if peers.covers(peer, w)]
    assert covered
    for workload in covered:
        assert len(peers.run(peer, workload, 300, seed=1)) >= 300
