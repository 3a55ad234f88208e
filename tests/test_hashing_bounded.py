"""Bounded loads over ring and Maglev: against the rule as it is written in Envoy's source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mesh_lab.balancing.hashing import Maglev, RingHash
from tests.rule_bench import Bench

RULES = [RingHash, Maglev]


class Naive:
    """The rule, for one balancer, written from thread_aware_lb_impl.cc with everything O(n)."""

    def __init__(self, bench: Bench, factor: int) -> None:
        self.bench, self.factor = bench, factor

    def slots(self, members: list[int], e: int) -> int:
        view, weights = self.bench.view, self.bench.weights
        total = ((sum(view.outstanding) + 1) * self.factor + 99) // 100
        share = weights[e] / sum(weights[m] for m in members)
        return max(math.ceil(total * share), 1)

    def pick(self, key: int, chosen: int, members: list[int]) -> int:
        def overload(e: int) -> float:
            return float(self.bench.view.outstanding[e] / self.slots(members, e))

        if overload(chosen) <= 1.0:
            return chosen
        best, order = chosen, list(range(len(members)))
        bits = np.random.RandomState(key % 2**32)
        for i in range(len(members)):
            left = len(members) - i
            x = left
            while x >= left:
                x = int(bits.randint(0, 2**32, dtype=np.uint32)) // (2**32 // left)
            order[i], order[i + x] = order[i + x], order[i]
            e = members[order[i]]
            if e == chosen:
                continue
            if overload(e) <= 1.0:
                return e
            if overload(e) < overload(best):
                best = e
        return best


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bounded_loads_are_the_rule_of_the_source(seed: int, kind: type[RingHash | Maglev]) -> None:
    rng = np.random.default_rng(seed)
    n = 11
    weights = [float(w) for w in rng.integers(1, 6, n)] if seed > 1 else [1.0] * n
    factor = [100, 120, 135][seed - 1]
    rule, plain = kind(balance_factor=factor), kind()
    bench, first = Bench(rule, n, weights=weights), Bench(plain, n, weights=weights)
    naive, members = Naive(bench, factor), list(range(n))
    busy: list[int] = []
    overflows = 0
    for step in range(3000):
        if step % 500 == 499:  # some leave, some come back; what they hold stays outstanding
            members = sorted(rng.choice(n, size=int(rng.integers(3, n + 1)), replace=False))
            bench.change(members)
            first.change(members)
        if busy and rng.random() < 0.48:
            bench.answer(busy.pop(int(rng.integers(len(busy)))))
            continue
        key = rule.hash_key(f"key-{int(rng.zipf(1.5))}")
        chosen = first.pick(key=key)
        expected = naive.pick(key, chosen, members)
        got = bench.pick(key=key)
        assert got == expected
        overflows += got != chosen
        busy.append(got)
    assert overflows > 100


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_long_detours_end_where_the_source_ends(seed: int) -> None:
    # all but two are overloaded, so a third of the detours takes more words than are remembered
    rule = RingHash(balance_factor=100)
    bench, first = Bench(rule, 20), Bench(RingHash(), 20)
    naive, rng = Naive(bench, 100), np.random.default_rng(seed)
    ends = set()
    for k in range(300):
        held = np.full(20, 100)
        held[rng.choice(20, 2, replace=False)] = 0
        bench.view.outstanding[:] = held.tolist()
        bench.state.active[0] = int(held.sum())
        key = rule.hash_key(f"key-{k % 200}")
        expected = naive.pick(key, first.pick(key=key), list(range(20)))
        assert bench.pick(key=key) == expected
        ends.add(expected)
    assert len(ends) == 20


def test_when_all_are_overloaded_the_least_overloaded_serves() -> None:
    # Slots add up to more than what is outstanding, so this takes a count that is behind.
    rule = Maglev(balance_factor=100)
    for least in range(12):
        bench = Bench(rule, 12)
        bench.view.outstanding[:] = [4 if e == least else 5 + e % 3 for e in range(12)]
        assert list(bench.state.active) == [0]
        assert bench.pick(key=rule.hash_key("hot")) == least


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("factor", [100, 150])
def test_no_endpoint_gets_a_request_above_its_slots_unless_all_are(
    factor: int, kind: type[RingHash | Maglev]
) -> None:
    weights = [1.0, 1.0, 2.0, 3.0, 1.0]
    rule = kind(balance_factor=factor)
    bench = Bench(rule, 5, weights=weights)
    naive, members = Naive(bench, factor), list(range(5))
    rng = np.random.default_rng(1)
    busy: list[int] = []
    for _ in range(2000):
        outstanding = list(bench.view.outstanding)
        slots = [naive.slots(members, e) for e in members]
        over = [have > may for have, may in zip(outstanding, slots, strict=True)]
        e = bench.pick(key=rule.hash_key(f"key-{int(rng.integers(3))}"))  # three hot keys
        assert not over[e] or all(over)
        busy.append(e)
        while len(busy) > 40:
            bench.answer(busy.pop(0))
    # with as many outstanding as ever, nobody holds more than one above its slots, and three
    # keys keep more than three endpoints busy
    held = list(bench.view.outstanding)
    assert all(have <= naive.slots(members, e) + 1 for e, have in enumerate(held))
    assert sum(have > 0 for have in held) > 3


def test_without_a_bound_three_keys_keep_at_most_three_endpoints_busy() -> None:
    rule = Maglev()
    bench = Bench(rule, 5)
    got = [bench.pick(key=rule.hash_key(f"key-{k % 3}")) for k in range(40)]
    assert len(set(got)) <= 3


def test_the_same_key_takes_the_same_detour() -> None:
    rule = RingHash(balance_factor=100)
    detours = set()
    for _ in range(3):
        bench = Bench(rule, 20)
        key = rule.hash_key("hot")
        detours.add(tuple(bench.pick(key=key) for _ in range(12)))
    assert len(detours) == 1
    other = Bench(rule, 20)
    assert tuple(other.pick(key=rule.hash_key("warm")) for _ in range(12)) not in detours


def test_each_balancer_counts_its_own_requests() -> None:
    rule = Maglev(balance_factor=100)
    bench = Bench(rule, 4, proxies=2)
    key = rule.hash_key("hot")
    home = bench.pick(key=key, proxy=1)
    bench.answer(home, proxy=1)
    for _ in range(30):
        bench.pick(key=key, proxy=0)
    assert list(bench.state.active) == [30, 0]
    assert bench.pick(key=key, proxy=1) == home  # the other is busy everywhere, this one is not
    bench.change([0, 1, 2])
    assert list(bench.state.active) == [30, 1]  # counted anew when endpoints change
    bench.answer(home, proxy=1)
    assert list(bench.state.active) == [30, 0]
