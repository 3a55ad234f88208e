"""The static rules pick the same on lists, on arrays, and compiled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mesh_lab.balancing import (
    IptablesChain,
    Random,
    RoundRobin,
    SlowStart,
    SmoothRoundRobin,
    StaticStride,
    WeightedRandom,
)
from mesh_lab.balancing.rule import Arrays, Balancer, Lists
from tests.rule_bench import Bench

pytest.importorskip("numba")

WEIGHTS = [1.7, 0.6, 3.1, 2.3, 0.9, 5.3, 1.1]
RULES = [
    Random(),
    WeightedRandom(),
    IptablesChain(),
    SmoothRoundRobin(),
    StaticStride(start=2**32 - 100),
    RoundRobin(start=2**32 - 1),
    RoundRobin(slow_start=SlowStart(window=100.0, aggression=1.7)),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("weights", [WEIGHTS, [1.0] * 7], ids=["weighted", "equal"])
def test_all_ways_pick_the_same(rule: Balancer, weights: list[float]) -> None:
    from tests.rule_compiled import picks

    n, count = len(weights), 400
    plain, arrays, compiled = (
        Bench(rule, n, weights=weights, make=make) for make in (Lists(), Arrays(), Arrays())
    )
    draws = np.random.default_rng(1).random((count, 1))
    now = 0.0
    for members in (range(n), [0, 2, 3, 6], range(n), [4], [5, 1]):
        since = [now if e % 2 else -math.inf for e in members]
        for bench in (plain, arrays, compiled):
            bench.change(members, now=now, since=since)
        times = now + np.linspace(0.0, 150.0, count)
        expected = [plain.pick(*u, now=t) for u, t in zip(draws.tolist(), times, strict=True)]
        on_arrays = [arrays.pick(*u, now=t) for u, t in zip(draws, times, strict=True)]
        assert on_arrays == expected
        assert picks(compiled.state, compiled.view, draws, times).tolist() == expected
        assert set(expected) == set(members)
        now += 75.0
    assert compiled.view.outstanding.tolist() == plain.view.outstanding
