"""The gate of a canary, against scipy and against every course of events in fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from scipy import stats

from mesh_lab import experiments
from mesh_lab.errors import PartError

# --- the gate ------------------------------------------------------------------------------------


def raced(by_step: tuple[Fraction, ...], threshold: int) -> tuple[Fraction, Fraction]:
    """Return P(rollback) and the mean number of checks, by following every course of events."""

    def follow(step: int, failed: int) -> tuple[Fraction, Fraction]:
        if failed == threshold:
            return Fraction(1), Fraction(0)
        if step == len(by_step):
            return Fraction(0), Fraction(0)
        q = by_step[step]
        fails, passes = follow(step, failed + 1), follow(step + 1, failed)
        return q * fails[0] + (1 - q) * passes[0], 1 + q * fails[1] + (1 - q) * passes[1]

    return follow(0, 0)


def agrees_gate(gate_failure: Callable[..., Any]) -> None:
    for p, n, least in ((0.995, 100, 0.99), (0.99, 300, 0.99), (0.97, 57, 0.95), (0.5, 3, 0.0)):
        needed = math.ceil(Fraction(str(least)) * n)
        fails = float(stats.binom.cdf(needed - 1, n, p))
        for steps, threshold in ((1, 1), (10, 1), (10, 5), (3, 20)):
            known = gate_failure(
                success_rate=p, requests=n, minimum=least, steps=steps, threshold=threshold
            )
            assert known.successes_needed == needed
            assert known.check_failure == pytest.approx(fails, rel=1e-10, abs=1e-300)
            assert known.any_failure == pytest.approx(1 - (1 - fails) ** steps, rel=1e-9)
            # failures before the last success: negative binomial
            rollback = float(stats.nbinom.sf(threshold - 1, steps, 1 - fails))
            assert known.rollback == pytest.approx(rollback, rel=1e-9, abs=1e-18)
    # the canary gets more at every step: every course of events, in fractions
    sizes = (20, 50, 100, 400)
    known = gate_failure(success_rate=0.98, requests=sizes, minimum=0.95, threshold=3)
    exact = tuple(
        sum(
            math.comb(n, k) * Fraction("0.98") ** k * Fraction("0.02") ** (n - k)
            for k in range(math.ceil(Fraction("0.95") * n))
        )
        for n in sizes
    )
    assert known.by_step == pytest.approx(tuple(float(q) for q in exact), rel=1e-9)
    rollback, checks = raced(exact, 3)
    assert known.rollback == pytest.approx(float(rollback), rel=1e-9)
    assert known.expected_checks == pytest.approx(float(checks), rel=1e-12)
    # no requests, no value: the check fails
    silent = gate_failure(success_rate=1.0, requests=0, threshold=4)
    assert silent.check_failure == silent.rollback == silent.any_failure == 1.0
    assert silent.expected_checks == 4.0
    # 99 of 100 pass a gate of 99 %, whatever 0.99 * 100 is in binary
    for n in range(1, 400):
        known = gate_failure(success_rate=0.5, requests=n, minimum=0.55)
        assert known.successes_needed == -(-55 * n // 100)


def test_a_gate_wants_requests() -> None:
    def at(requests: int) -> float:
        return experiments.gate_failure(success_rate=0.995, requests=requests).check_failure

    assert at(100) == pytest.approx(0.09, abs=0.001)
    assert at(1000) == pytest.approx(0.013, abs=0.001)
    assert at(10_000) < 1e-9
    edge = experiments.gate_failure(success_rate=0.99, requests=10_000).check_failure
    assert edge == pytest.approx(0.47, abs=0.02)


def test_gates_that_cannot_be_are_refused() -> None:
    for changes, field, says in (
        ({"success_rate": 1.01}, "success_rate", "between 0 and 1, ends included"),
        ({"minimum": 99}, "minimum", "between 0 and 1, ends included"),
        ({"requests": -1}, "requests", "0 or more"),
        ({"requests": (10, 1.5)}, "requests[1]", "whole number"),
        ({"requests": ()}, "requests", "one number a step"),
        ({"requests": (10, 20), "steps": 3}, "steps", "requests has 2 entries"),
        ({"threshold": 0}, "threshold", "1 or more"),
        ({"steps": 10**5, "threshold": 10**5}, "threshold", "too many states"),
    ):
        with pytest.raises(PartError) as refused:
            experiments.gate_failure(**({"success_rate": 0.99, "requests": 100} | changes))  # type: ignore[arg-type]
        assert refused.value.field == field
        assert says in str(refused.value)
