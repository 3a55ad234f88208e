"""Static balancing rules when endpoints come and go, slow start, and impossible parameters."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from mesh_lab.balancing import (
    IptablesChain,
    RoundRobin,
    SlowStart,
    SmoothRoundRobin,
    StaticStride,
    WeightedRandom,
)
from mesh_lab.balancing.rule import Balancer
from mesh_lab.errors import PartError
from tests.rule_bench import Bench

# ---- endpoints come and go


def test_the_counter_goes_on_when_an_endpoint_leaves() -> None:
    """Envoy keeps its counter: after 6 picks the next is number 6, and 6 modulo 3 is 0."""
    bench = Bench(RoundRobin(), 4)
    assert [bench.pick() for _ in range(6)] == [0, 1, 2, 3, 0, 1]
    bench.change([0, 2, 3])
    assert [bench.pick() for _ in range(4)] == [0, 2, 3, 0]
    bench.change([3, 2])
    assert [bench.pick() for _ in range(2)] == [3, 2]


def test_a_schedule_begins_anew_when_an_endpoint_leaves() -> None:
    bench = Bench(RoundRobin(), 4, weights=[2.0, 1.0, 4.0, 1.0])
    assert [bench.pick() for _ in range(5)] == [2, 0, 2, 2, 1]
    bench.change([0, 1, 3])
    assert [bench.pick() for _ in range(4)] == [0, 1, 3, 0]
    bench.change([1, 3])  # equal weights: the counter, which has not moved
    assert [bench.pick() for _ in range(3)] == [1, 3, 1]
    bench.change([0])
    assert [bench.pick() for _ in range(2)] == [0, 0]


def test_smooth_currents_stay_with_their_endpoints() -> None:
    bench = Bench(SmoothRoundRobin(), 3, weights=[5.0, 1.0, 1.0])
    assert [bench.pick() for _ in range(2)] == [0, 0]  # currents -4, 2, 2
    bench.change([0, 2])
    assert [bench.pick() for _ in range(3)] == [2, 0, 0]  # -4 2; 1 -3; 0 -2; -1 -1
    bench.change([0, 1, 2])  # endpoint 1 still has its 2: 4 3 0
    assert [bench.pick() for _ in range(2)] == [0, 1]


def test_a_stride_begins_anew() -> None:
    bench = Bench(StaticStride(start=1), 3)
    assert [bench.pick() for _ in range(2)] == [1, 2]
    bench.change([0, 1, 2])
    assert bench.pick() == 1


@pytest.mark.parametrize("rule", [WeightedRandom(), IptablesChain(), StaticStride(), RoundRobin()])
def test_those_who_are_gone_are_never_picked(rule: Balancer) -> None:
    source = random.Random(1)
    bench = Bench(rule, 6, weights=[1.7, 0.6, 3.1, 2.3, 0.9, 5.3])
    for members in ([5, 1, 4], [2], [0, 1, 2, 3, 4, 5], [], [3, 0]):
        bench.change(members)
        if members:
            picked = {bench.pick(source.random()) for _ in range(400)}
            assert picked == set(members)


def test_every_proxy_has_its_own_turns() -> None:
    for weights in ([1.0, 1.0], [2.0, 1.0]):
        for rule in (RoundRobin(), SmoothRoundRobin(), StaticStride()):
            bench = Bench(rule, 2, weights=weights, proxies=2)
            first = [bench.pick(proxy=0) for _ in range(6)]
            assert [bench.pick(proxy=1) for _ in range(6)] == first


# ---- slow start


def test_slow_start_by_hand() -> None:
    rule = RoundRobin(slow_start=SlowStart(window=10.0))
    bench = Bench(rule, 2)
    assert [bench.pick() for _ in range(3)] == [0, 1, 0]
    bench.change([0, 1], now=100.0, since=[-math.inf, 100.0])
    # the newcomer weighs 0.1, so is due at 10, where it was in line first
    assert [bench.pick(now=100.0) for _ in range(11)] == [0] * 9 + [1, 0]
    # now at 10, both in line again: 0 is due at 11, 1 at 20.  At 105 it weighs a half
    assert [bench.pick(now=105.0) for _ in range(12)] == [0] * 9 + [1, 0, 0]
    # picked at 20 with a half, it is due at 22, where it has waited for longer than 0
    assert [bench.pick(now=110.0) for _ in range(4)] == [1, 0, 1, 0]
    assert [bench.pick(now=200.0) for _ in range(4)] == [1, 0, 1, 0]
    # at the next change nobody is slow, and the counter stands where it was left: at 3
    bench.change([0, 1], now=300.0, since=[-math.inf, 100.0])
    assert [bench.pick(now=300.0) for _ in range(2)] == [1, 0]


def test_one_endpoint_alone_needs_no_schedule() -> None:
    """Its picks move the counter on, also while it is in slow start."""
    bench = Bench(RoundRobin(slow_start=SlowStart(window=10.0)), 3)
    bench.change([2], now=100.0, since=[100.0])
    assert [bench.pick(now=101.0) for _ in range(3)] == [2, 2, 2]
    bench.change([0, 1], now=200.0)
    assert [bench.pick(now=201.0) for _ in range(2)] == [1, 0]


def test_slow_start_holds_for_the_window_to_the_end() -> None:
    for now, slow in ((109.9, True), (110.0, True), (110.1, False)):
        bench = Bench(RoundRobin(slow_start=SlowStart(window=10.0)), 2)
        bench.change([0, 1], now=now, since=[-math.inf, 100.0])
        assert hasattr(bench.state, "deadlines") is slow


@pytest.mark.parametrize(
    ("elapsed", "aggression", "share"),
    [
        (0.0, 1.0, 0.01),  # a millisecond of 100 ms
        (0.0005, 1.0, 0.01),
        (0.02, 1.0, 0.2),
        (0.02, 2.0, math.sqrt(0.2)),
        (0.02, 0.5, 0.04),
        (0.1, 0.5, 1.0),
        (5.0, 1.0, 1.0),
    ],
)
def test_what_a_slowed_endpoint_gets(elapsed: float, aggression: float, share: float) -> None:
    """Its share of 20 000 picks in one instant is its weight over the sum, to one pick."""
    slow = SlowStart(window=0.1, aggression=aggression, min_weight=0.001)
    bench = Bench(RoundRobin(slow_start=slow), 2, weights=[1.0, 3.0])
    bench.change([0, 1], now=50.0 + elapsed, since=[-math.inf, 50.0])
    counts = [0, 0]
    for _ in range(20_000):
        counts[bench.pick(now=50.0 + elapsed)] += 1
    assert abs(counts[1] - 20_000 * 3 * share / (1 + 3 * share)) <= 1.01


def test_those_of_the_beginning_are_not_slowed() -> None:
    bench = Bench(RoundRobin(slow_start=SlowStart(window=1e6)), 3)
    assert [bench.pick() for _ in range(6)] == [0, 1, 2, 0, 1, 2]


# ---- bad input


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RoundRobin(start=-1), "start: is -1"),
        (lambda: RoundRobin(start=2**32), "start: is 4294967296"),
        (lambda: RoundRobin(start=1.5), "start: is 1.5"),  # type: ignore[arg-type]
        (lambda: RoundRobin(slow_start=30.0), "slow_start: is 30.0"),  # type: ignore[arg-type]
        (lambda: StaticStride(start=-1), "start: is -1"),
        (lambda: SlowStart(window=0.0), "window: is 0.0"),
        (lambda: SlowStart(window=math.inf), "window: is inf"),
        (lambda: SlowStart(window=math.nan), "window: is nan"),
        (lambda: SlowStart(window=1.0, aggression=0.0), "aggression: is 0.0"),
        (lambda: SlowStart(window=1.0, aggression=math.inf), "aggression: is inf"),
        (lambda: SlowStart(window=1.0, min_weight=0.0), "min_weight: is 0.0"),
        (lambda: SlowStart(window=1.0, min_weight=1.1), "min_weight: is 1.1"),
    ],
)
def test_impossible_parameters_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(PartError) as error:
        make()
    assert said in str(error.value)
