"""Rules that look at load: against naive accounts of them, worked sequences, and how they cost."""

from __future__ import annotations

import random

import pytest

import mesh_lab.balancing as mb
from mesh_lab.balancing import Balancer
from mesh_lab.errors import PartError

from . import load_life as naive
from .load_life import events
from .rule_bench import Bench

WEIGHTS = (1.0, 3.0, 0.5, 2.0, 1.0, 7.25, 1.0)

CASES: list[tuple[Balancer, type[naive.Naive], tuple[float, ...] | None]] = [
    (mb.LeastRequest(choices="all"), naive.LeastOut, None),
    (mb.LeastRequest(choices=2), naive.AgainOut, None),
    (mb.LeastRequest(choices=3, replacement=False), naive.FewOut, None),
    (mb.LeastRequest(choices=20, replacement=False), naive.FewOut, None),
    (mb.LeastRequest(), naive.Due, WEIGHTS),
    (mb.LeastRequest(choices="all", active_bias=2.0), naive.DueBySquare, WEIGHTS),
    (mb.LeastConnections(), naive.Leastconn, None),
    (mb.LeastConnections(), naive.Leastconn, WEIGHTS),
    (mb.FirstAvailable(limit=2), naive.First, WEIGHTS),
    (mb.JoinShortestQueue(), naive.Shortest, None),
    (mb.JoinShortestQueue(refresh=4.0), naive.ShortestOnBoard, None),
    (mb.PowerOfD(choices=2), naive.FewThere, None),
    (mb.PowerOfD(choices=3, replacement=True), naive.AgainThere, None),
    (mb.PowerOfD(choices=8, refresh=4.0), naive.FewOnBoard, None),
    (mb.PowerOfD(choices=3, replacement=True, refresh=4.0), naive.AgainOnBoard, None),
    (mb.LeastWorkLeft(), naive.LeastWork, None),
    (mb.JoinIdleQueue(), naive.IdleQueues, None),
    (mb.JoinIdleQueue(choices=2), naive.IdleShorter, None),
    (mb.JoinIdleQueue(choices=9, withdraw=True), naive.IdleWithdrawn, None),
]
COMPILED = [0, 2, 5, 7, 8, 9, 10, 13, 15, 18]  # the other cases have the same kernels, or simpler
NAMES = [f"{rule!r}{' weighted' if weights else ''}" for rule, _, weights in CASES]


def bench_of(rule: Balancer, weights: tuple[float, ...] | None, proxies: int) -> Bench:
    rng = random.Random(7)
    own = [rng.random() for _ in range(9000)]
    return Bench(rule, len(WEIGHTS), weights=weights, proxies=proxies, own=own)


@pytest.mark.parametrize(("rule", "account", "weights"), CASES, ids=NAMES)
@pytest.mark.parametrize("proxies", [1, 3])
def test_every_pick_is_what_a_naive_account_allows(
    rule: Balancer, account: type[naive.Naive], weights: tuple[float, ...] | None, proxies: int
) -> None:
    picked = set()
    for seed in (1, 2, 3):
        bench = bench_of(rule, weights, proxies)
        told = account(bench)
        changes = 0.0 if account in {naive.Due, naive.DueBySquare} and seed == 3 else 0.01
        number = 0
        for number, (e, allowed) in enumerate(
            events(bench, seed, 1500, naive=told, changes=changes), 1
        ):
            assert e in allowed, f"pick {number} of seed {seed}"
            picked.add(e)
        assert number > 400
    assert len(picked) == len(WEIGHTS)


@pytest.mark.parametrize("case", COMPILED)
def test_compiled_and_in_lists_the_picks_are_the_same(case: int) -> None:
    pytest.importorskip("numba")
    from .bench_compiled import benches

    rule, _, weights = CASES[case]
    rng = random.Random(7)
    own = [rng.random() for _ in range(9000)]
    three = benches(rule, len(WEIGHTS), weights=weights, proxies=2, own=own)
    runs = [[e for e, _ in events(bench, 1, 600)] for bench in three]
    assert runs[0] == runs[1] == runs[2]
    assert len(runs[0]) > 150


def test_ties_among_all_are_broken_evenly() -> None:
    """Chi-squared over 3 of 5 endpoints, 3 000 picks each: 13.8 is the 99.9 % point for 2."""
    for rule in (mb.LeastRequest(choices="all"), mb.JoinShortestQueue()):
        rng = random.Random(1)
        bench = Bench(rule, 5)
        for e in (1, 3):
            bench.view.outstanding[e] += 1
            bench._tell("sent", 0, e, 0.0)
            bench.arrive(e)
        counts = [0] * 5
        for _ in range(3000):
            e = bench.pick(rng.random())
            counts[e] += 1
            bench.answer(e)
        assert counts[1] == counts[3] == 0
        assert sum((counts[e] - 1000) ** 2 / 1000 for e in (0, 2, 4)) < 13.8


def test_ties_of_the_power_of_d_are_broken_evenly() -> None:
    """Chi-squared over 4 equal endpoints, 4 000 picks: 16.3 is the 99.9 % point for 3."""
    for rule in (mb.PowerOfD(choices=3), mb.LeastRequest(choices=2, replacement=False)):
        rng = random.Random(1)
        bench = Bench(rule, 4)
        counts = [0] * 4
        for _ in range(4000):
            e = bench.pick(*(rng.random() for _ in range(rule.draws)))
            counts[e] += 1
            bench.answer(e)
        assert sum((count - 1000) ** 2 / 1000 for count in counts) < 16.3


def test_leastconn_by_hand() -> None:
    # weights 1 and 2: keys 8192, 12288, ... for the first, 4096, 6144, 8192, ... for the second
    bench = Bench(mb.LeastConnections(), 2, weights=[1.0, 2.0])
    # both idle: in turn; then 4096 < 8192, 6144 < 8192, 8192 = 8192 where the first stood earlier
    assert [bench.pick() for _ in range(6)] == [0, 1, 1, 1, 0, 1]
    bench.answer(0)
    bench.answer(0)
    assert bench.pick() == 0  # idle again


def test_leastconn_takes_turns_while_idle() -> None:
    bench = Bench(mb.LeastConnections(), 3)
    picks = []
    for _ in range(7):
        picks.append(bench.pick())
        bench.answer(picks[-1])
    assert picks == [0, 1, 2, 0, 1, 2, 0]


def test_first_fills_one_endpoint_after_the_other() -> None:
    bench = Bench(mb.FirstAvailable(limit=2), 3)
    # six slots; beyond them, whoever has fewest, the first of these
    assert [bench.pick() for _ in range(8)] == [0, 0, 1, 1, 2, 2, 0, 1]
    bench.answer(1)
    bench.answer(1)
    bench.answer(2)
    assert [bench.pick() for _ in range(2)] == [1, 2]


def test_least_request_by_weight_weighs_when_it_picks() -> None:
    # due at 1 and 1/3; the second is due again at 2/3, then weighs 3/2 and then 3/3
    bench = Bench(mb.LeastRequest(), 2, weights=[1.0, 3.0])
    assert [bench.pick(0.0, 0.0) for _ in range(5)] == [1, 1, 0, 1, 0]


def test_slow_start_makes_turns_of_equal_weights() -> None:
    bench = Bench(mb.LeastRequest(slow_start=mb.SlowStart(window=10.0)), 2)
    bench.change([0, 1], now=5.0, since=[-1.0, 4.0])
    picks = []
    for _ in range(11):
        picks.append(bench.pick(0.0, 0.0, now=5.0))
        bench.answer(picks[-1])
    assert picks.count(0) == 10  # a tenth of its weight
    bench.change([0, 1], now=20.0, since=[-1.0, 4.0])
    assert [bench.pick(0.6, 0.1, now=20.0), bench.pick(0.6, 0.1, now=20.0)] == [1, 0]


def test_idle_endpoints_join_only_once_and_stale_entries_stay() -> None:
    kept, withdrawn = (
        Bench(mb.JoinIdleQueue(withdraw=w), 2, proxies=2, own=[0.0] * 9) for w in (False, True)
    )
    for bench, second in ((kept, 1), (withdrawn, 0)):
        # endpoint 0 stands with balancer 0, endpoint 1 with balancer 1
        assert bench.pick(0.9, proxy=0) == 0
        assert bench.pick(0.9, proxy=0) == 1  # at random: its I-queue is empty
        bench.arrive(1)
        bench.arrive(0)
        # balancer 1 still has endpoint 1 for idle, if that has not said otherwise
        assert bench.pick(0.0, proxy=1) == second
        bench.leave(1)
        bench.leave(0)
        assert [bench.pick(0.9, proxy=0) for _ in range(2)] == [1, 0]


def test_the_idle_join_the_shorter_queue() -> None:
    bench = Bench(mb.JoinIdleQueue(choices=2), 4, proxies=2, own=[0.0] * 9)
    assert [bench.pick(0.9, proxy=1) for _ in range(2)] == [1, 3]
    for e in (1, 3):
        bench.arrive(e)
        bench.leave(e)
    # balancer 0 holds 0 and 2, so both came back to balancer 1
    assert [bench.pick(0.0, proxy=1) for _ in range(3)] == [1, 3, 0]


def test_least_work_left_is_a_central_queue() -> None:
    """Each request starts when the recursion of Kiefer and Wolfowitz says, to the last bit."""
    rng = random.Random(1)
    for n in (1, 3, 10):
        bench = Bench(mb.LeastWorkLeft(), n)
        free, now = [0.0] * n, 0.0
        leaving: list[tuple[float, int]] = []
        for _ in range(2000):
            now += rng.expovariate(0.9 * n)
            for done, e in sorted(x for x in leaving if x[0] <= now):
                bench.leave(e, now=done)
            leaving = [x for x in leaving if x[0] > now]
            work = rng.expovariate(1.0)
            e = bench.pick(now=now)
            start = max(bench.view.busy_until[e], now)
            free.sort()
            assert start == max(free[0], now)
            free[0] = start + work
            bench.arrive(e, now=now, work=work)
            leaving.append((free[0], e))


@pytest.mark.parametrize(
    "make",
    [
        lambda: mb.LeastRequest(choices=1),
        lambda: mb.LeastRequest(choices="some"),  # type: ignore[arg-type]
        lambda: mb.LeastRequest(active_bias=float("nan")),
        lambda: mb.PowerOfD(choices=0),
        lambda: mb.PowerOfD(refresh=0.0),
        lambda: mb.JoinShortestQueue(refresh=float("inf")),
        lambda: mb.JoinIdleQueue(choices=65),
        lambda: mb.FirstAvailable(limit=0),
        lambda: mb.FirstAvailable(),  # type: ignore[call-arg]
        lambda: Bench(mb.LeastConnections(), 2, weights=[1.0, 257.0]),
    ],
)
def test_impossible_parameters_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(PartError):
        make()
