"""Back-offs of data planes: bounds, shapes, and the same numbers from methods and compiled code."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mesh_lab.errors import PartError
from mesh_lab.resilience.backoff import EnvoyBackoff, GrpcBackoff, backoff_numbers, pause
from mesh_lab.resilience.pauses import Backoff

ALMOST_1 = 1.0 - 2.0**-53

# ---------------------------------------------------------------- Envoy


@pytest.mark.parametrize(
    ("rule", "spans", "cap"),
    [
        ("code", [25, 50, 100, 200, 250, 250], 250),
        ("documentation", [25, 75, 175, 375, 375, 375], 250),
    ],
)
def test_envoys_pauses_are_uniform_up_to_a_span(rule: Any, spans: list[int], cap: int) -> None:
    backoff = EnvoyBackoff(rule=rule)
    for retry, span in enumerate(spans, 1):
        for u in (0.0, 0.25, 0.5, 0.75, ALMOST_1):
            expected = min(u * span, cap) / 1000
            assert backoff.pause(retry, u, 0.0) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_third_of_the_documented_pauses_is_the_longest_from_the_fourth_on() -> None:
    backoff = EnvoyBackoff(rule="documentation")
    draws = (np.arange(30_000) + 0.5) / 30_000  # evenly, so no chance is involved
    pauses = np.array([backoff.pause(4, float(u), 0.0) for u in draws])
    assert (pauses == 0.25).mean() == pytest.approx(1 / 3, abs=1e-4)
    assert (np.array([backoff.pause(3, float(u), 0.0) for u in draws]) == 0.25).sum() == 0


def test_the_longest_pause_is_ten_times_the_base_unless_it_is_given() -> None:
    assert EnvoyBackoff(base=0.1).pause(60, ALMOST_1, 0.0) == pytest.approx(1.0)
    assert EnvoyBackoff(base=0.1, max=0.3).pause(60, ALMOST_1, 0.0) == pytest.approx(0.3)
    assert EnvoyBackoff(base=0.1, max=0.1).pause(1, 0.5, 0.0) == 0.05


def by_the_code(backoff: EnvoyBackoff, n: int) -> list[Fraction]:
    """Say the spans of the first pauses, as ``nextBackOffMs`` goes from one to the next."""
    base = Fraction(backoff.base)
    most = 10 * base if backoff.max is None else Fraction(backoff.max)
    spans = []
    if backoff.rule == "code":
        interval = base
        for _ in range(n):
            spans.append(interval)
            interval = 2 * interval if interval < most / 2 else most
    else:
        current = 1
        for _ in range(n):
            spans.append((2**current - 1) * base)
            current += spans[-1] <= most
    return spans


@pytest.mark.parametrize("rule", ["code", "documentation"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_envoys_spans_follow_its_counters(rule: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(200):
        base = float(rng.exponential(0.05)) + 1e-4
        longest = None if rng.random() < 0.3 else base * (1.0 + float(rng.exponential(10.0)))
        backoff = EnvoyBackoff(base=base, max=longest, rule=rule)
        most = 10 * base if longest is None else longest
        for retry, span in enumerate(by_the_code(backoff, 12), 1):
            u = float(rng.random())
            expected = min(u * float(span), most)
            assert backoff.pause(retry, u, 0.0) == pytest.approx(expected, rel=1e-12)


# ---------------------------------------------------------------- gRPC


def test_grpcs_pauses_are_a_fifth_more_or_less() -> None:
    backoff = GrpcBackoff(initial=0.1, multiplier=2.0, max=1.0)
    for retry, middle in enumerate([0.1, 0.2, 0.4, 0.8, 1.0, 1.0], 1):
        assert backoff.pause(retry, 0.0, 0.0) == pytest.approx(0.8 * middle)
        assert backoff.pause(retry, 0.5, 0.0) == pytest.approx(middle)
        assert backoff.pause(retry, ALMOST_1, 0.0) == pytest.approx(1.2 * middle)


@pytest.mark.parametrize("multiplier", [0.5, 1.0, 1.6, 3.0, 1000.0])
def test_grpcs_pauses_grow_by_the_multiplier(multiplier: float) -> None:
    backoff = GrpcBackoff(initial=0.3, multiplier=multiplier, max=7.0)
    for retry in range(1, 80):
        exact = min(Fraction(3, 10) * Fraction(multiplier) ** (retry - 1), Fraction(7))
        assert backoff.pause(retry, 0.5, 0.0) == pytest.approx(float(exact), rel=1e-12)


def test_an_initial_pause_above_the_longest_is_the_longest() -> None:
    assert GrpcBackoff(initial=3.0, multiplier=2.0, max=1.0).pause(1, 0.5, 0.0) == 1.0


# ---------------------------------------------------------------- one kernel for all of them

BACKOFFS: list[Any] = [
    Backoff(base=0.3, cap=20.0),
    Backoff(base=0.005, cap=2.0, jitter="full"),
    Backoff(base=0.7, cap=0.7, jitter="equal"),
    Backoff(base=0.1, cap=13.0, jitter="equal"),
    Backoff(base=0.01, cap=3.3, jitter="decorrelated"),
    Backoff(base=0.4, growth="fixed"),
    Backoff(base=0.4, growth="fixed", jitter="full"),
    Backoff(base=0.4, cap=9.0, growth="fixed", jitter="equal"),
    Backoff(base=1e-9, cap=1e99),
    EnvoyBackoff(),
    EnvoyBackoff(base=0.033, max=0.777),
    EnvoyBackoff(rule="documentation"),
    EnvoyBackoff(base=0.013, max=1.9, rule="documentation"),
    GrpcBackoff(initial=0.1, multiplier=1.6, max=120.0),
    GrpcBackoff(initial=0.5, multiplier=0.9, max=1.0),
]


def drive(s: Any, retries: Any, draws: Any, out: Any) -> None:
    last = 0.0
    for i in range(len(out)):
        if retries[i] == 1:
            last = 0.0
        last = pause(s, retries[i], draws[i], last)
        out[i] = last


@pytest.mark.parametrize("backoff", BACKOFFS, ids=range(len(BACKOFFS)))
def test_the_kernel_makes_of_the_numbers_what_the_method_makes(backoff: Any) -> None:
    rng = np.random.default_rng(1)
    n = 20_000
    draws = rng.random(n)
    retries = np.ones(n, np.int64)
    for i in range(1, n):  # rows of retries of random length, some of them long
        retries[i] = 1 if rng.random() < 0.1 else retries[i - 1] + 1
    retries[:90] = np.arange(1, 91)
    expected, last = [], 0.0
    for retry, u in zip(retries.tolist(), draws.tolist(), strict=True):
        last = backoff.pause(retry, u, 0.0 if retry == 1 else last)
        expected.append(last)
    assert all(0.0 <= x < math.inf for x in expected)
    numbers, out = backoff_numbers(backoff), [0.0] * n
    drive(numbers, retries.tolist(), draws.tolist(), out)
    assert out == expected
    numba = pytest.importorskip("numba")
    from tests.rule_compiled import OPTIONS, register

    register()
    compiled = np.zeros(n)
    numba.njit(**OPTIONS)(drive)(numbers, retries, draws, compiled)
    assert compiled.tolist() == expected


def test_what_is_not_known_has_no_numbers() -> None:
    class Mine:
        def pause(self, retry: int, uniform: float, last: float) -> float:
            return 1.0

    with pytest.raises(TypeError, match="only these"):
        backoff_numbers(Mine())


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("kind", "fields", "named", "says"),
    [
        (EnvoyBackoff, {"base": 0.0}, "base", "above 0"),
        (EnvoyBackoff, {"base": 1.0, "max": 0.5}, "max", "at least base"),
        (EnvoyBackoff, {"rule": "docs"}, "rule", "documentation"),
        (GrpcBackoff, {"initial": 0.0, "multiplier": 2.0, "max": 1.0}, "initial", "above 0"),
        (GrpcBackoff, {"initial": 0.1, "multiplier": 0.0, "max": 1.0}, "multiplier", "above 0"),
        (GrpcBackoff, {"initial": 0.1, "multiplier": 2.0, "max": math.inf}, "max", "1e+100"),
        (GrpcBackoff, {"initial": 0.1, "multiplier": 2.0}, "max", ""),
    ],
)
def test_bad_input_is_refused(
    kind: type[Any], fields: dict[str, Any], named: str, says: str
) -> None:
    with pytest.raises(PartError) as refused:
        kind(**fields)
    assert refused.value.field == named
    assert says in refused.value.problem
