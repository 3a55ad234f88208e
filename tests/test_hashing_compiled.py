"""Hashing rules pick the same on lists, on NumPy arrays and compiled."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from mesh_lab.balancing.hashing import JumpHash, KetamaHash, Maglev, MapHash, Rendezvous, RingHash
from mesh_lab.balancing.rule import KERNELS, Arrays, Balancer
from tests.rule_bench import Bench

WINDOW = 25
RULES = [
    RingHash(),
    RingHash(hash="murmur2", min_size=50),
    RingHash(balance_factor=105),
    Maglev(),
    Maglev(table_size=101, balance_factor=130),
    Rendezvous(),
    JumpHash(),
    KetamaHash(),
    MapHash(avalanche=True),
]
WEIGHTS = [[1.0] * 12, [1, 9, 2, 8, 3, 7, 4, 6, 5, 5, 5, 1]]


def keys(rule: Balancer) -> list[int]:
    """Hashes of texts, both ends of the range, and numbers that a float64 cannot hold."""
    return [0, 1, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1] + [
        rule.hash_key(f"key-{k % 700}") for k in range(1500)
    ]


def interpreted(rule: Balancer, weights: list[float], make: Any = None) -> list[int]:
    """What plain Python picks while the last `WINDOW` requests are unanswered, two proxies."""
    bench = Bench(rule, 12, weights=weights, proxies=2, make=make)
    got: list[int] = []
    with np.errstate(over="ignore"):  # compiled arithmetic wraps, and so does that of arrays
        for i, key in enumerate(keys(rule)):
            given: Any = key if make is None else np.uint64(key)
            got.append(bench.pick(key=given, proxy=i % 2))
            if i >= WINDOW:
                bench.answer(got[i - WINDOW], proxy=(i - WINDOW) % 2)
    return got


@functools.cache
def compiled_run(kind: Any) -> Any:
    """The same course of events with the kernels of a state's class, compiled."""
    numba = pytest.importorskip("numba")
    for function in KERNELS:
        numba.extending.register_jitable(function)
    pick = kind.pick
    bounded = hasattr(kind, "sent")
    sent, answered = (kind.sent, kind.answered) if bounded else (kind.pick, kind.pick)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def run(s: Any, v: Any, given: Any, got: Any, unused: Any) -> None:
        for i in range(len(given)):
            p = i % 2
            e = pick(s, v, p, unused, 0.0, given[i])
            got[i] = e
            v.outstanding[p * v.stride + e] += 1
            if bounded:
                sent(s, v, p, e, 0.0)
            if i >= WINDOW:
                q = (i - WINDOW) % 2
                e = got[i - WINDOW]
                v.outstanding[q * v.stride + e] -= 1
                if bounded:
                    answered(s, v, q, e, 0.0, 0.0, 1, 0, 0.0)

    return run


def compiled(rule: Balancer, weights: list[float]) -> list[int]:
    """What compiled kernels pick."""
    bench = Bench(rule, 12, weights=weights, proxies=2, make=Arrays())
    given = np.array(keys(rule), dtype=np.uint64)
    got = np.empty(len(given), dtype=np.int64)
    kind: Any = type(bench.state)
    compiled_run(kind)(bench.state, bench.view, given, got, np.empty(1))
    return [int(e) for e in got]


@pytest.mark.parametrize("weights", WEIGHTS, ids=["equal", "unequal"])
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_lists_arrays_and_compiled_code_pick_the_same(rule: Balancer, weights: list[float]) -> None:
    expected = interpreted(rule, weights)
    assert len(set(expected)) > 8
    assert interpreted(rule, weights, Arrays()) == expected
    assert compiled(rule, weights) == expected
