"""M/D/1: its positive sums against the defining alternating sum in hundreds of digits.

The textbook formula in floats is shown to break down where `md1` must not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from mesh_lab.theory import md1

from .test_theory_oracles import lindley, md1_wait_tail, mean_interval

TIMES = ("0", "0.25", "0.999", "1", "1.5", "2", "7.75", "15", "40.25")


def textbook_tail(rho: float, t: float) -> float:
    """Return P(wait > t) by the alternating sum in floats."""
    terms = [
        (rho * (k - t)) ** k / math.factorial(k) * math.exp(-rho * (k - t))
        for k in range(math.floor(t) + 1)
    ]
    return 1.0 - (1.0 - rho) * math.fsum(terms)


def agrees_md1(model: Callable[..., Any]) -> None:
    for load in ("0.05", "0.5", "0.9", "0.99"):
        rho = float(load)
        for service in (1.0, 0.02):
            result = model(arrival_rate=rho / service, service_mean=service)
            assert result.utilisation == pytest.approx(rho, rel=1e-15)
            assert result.wait == pytest.approx(rho / (1 - rho) / 2 * service, rel=1e-12)
            assert result.response == pytest.approx(result.wait + service, rel=1e-14)
            assert result.in_queue == pytest.approx(rho / service * result.wait, rel=1e-14)
            assert result.in_system == pytest.approx(result.in_queue + rho, rel=1e-14)
            assert result.wait_probability == result.utilisation
        for t in TIMES:
            exact = md1_wait_tail(load, t)
            if exact < Decimal("1e-250"):
                continue
            result = model(arrival_rate=rho, service_mean=1.0)
            assert result.wait_tail(float(t)) == pytest.approx(float(exact), rel=1e-12)
            assert result.response_tail(1.0 + float(t)) == pytest.approx(float(exact), rel=1e-12)
            assert result.response_tail(0.999) == 1.0


def quantile_agrees_md1(model: Callable[..., Any]) -> None:
    for load in ("0.3", "0.8", "0.95"):
        result = model(arrival_rate=float(load), service_mean=1.0)
        for p in (0.5, 0.9, 0.99, 0.999):
            wait = result.wait_quantile(p)
            if wait == 0.0:
                assert 1.0 - float(load) >= p
                continue
            # The tail is continuous above 0, so the quantile is where it crosses 1 - p.
            crossing = Decimal(1) - Decimal(str(p))
            assert md1_wait_tail(load, repr(wait * (1 - 1e-10))) > crossing
            assert md1_wait_tail(load, repr(wait * (1 + 1e-10))) < crossing
            assert result.response_quantile(p) == pytest.approx(1.0 + wait, rel=1e-14)


def number_agrees_md1(model: Callable[..., Any]) -> None:
    """Check the number in the system against the chain embedded at departures, in decimals."""
    rho = Decimal("0.8")
    arrivals = [(-rho).exp()]
    for j in range(1, 60):
        arrivals.append(arrivals[-1] * rho / j)
    p = [1 - rho]
    for n in range(12):
        inflow = p[0] * arrivals[n] + sum(
            (p[i] * arrivals[n - i + 1] for i in range(1, n + 1)), Decimal(0)
        )
        p.append((p[n] - inflow) / arrivals[0])
    result = model(arrival_rate=0.8, service_mean=1.0)
    for n, exact in enumerate(p):
        assert result.in_system_probability(n) == pytest.approx(float(exact), rel=1e-12)
    everywhere = [result.in_system_probability(n) for n in range(400)]
    assert math.fsum(everywhere) == pytest.approx(1.0, rel=1e-13)
    assert np.dot(everywhere, np.arange(400.0)) == pytest.approx(result.in_system, rel=1e-12)


def test_every_tail_is_the_alternating_sum() -> None:
    agrees_md1(md1)


def test_quantiles_are_where_the_exact_tail_crosses() -> None:
    quantile_agrees_md1(md1)


def test_the_number_in_the_system() -> None:
    number_agrees_md1(md1)


def test_the_textbook_formula_breaks_down_and_this_one_does_not() -> None:
    exact = float(md1_wait_tail("0.95", "60"))
    with np.errstate(all="ignore"):
        noise = textbook_tail(0.95, 60.0)
    assert abs(noise / exact - 1.0) > 1.0
    assert md1(arrival_rate=0.95, service_mean=1.0).wait_tail(60.0) == pytest.approx(
        exact, rel=1e-12
    )


@pytest.mark.parametrize("rho", [1e-9, 1e-3, 0.5, 0.999, 1.0 - 1e-7])
def test_extreme_loads_keep_their_shape(rho: float) -> None:
    result = md1(arrival_rate=rho, service_mean=1.0)
    assert result.wait_tail(0.0) == pytest.approx(rho, rel=1e-8)
    times = np.linspace(0.0, 40.0 * result.response, 400)
    tails = result.wait_tail(times)
    assert np.all(np.diff(tails) <= 1e-15)
    assert tails[-1] >= 0.0


@pytest.mark.parametrize("rho", [0.999, 1.0 - 1e-6])
def test_at_high_load_the_wait_is_nearly_exponential(rho: float) -> None:
    # Kingman's heavy-traffic limit; its relative error here is of the order 1 - rho.
    result = md1(arrival_rate=rho, service_mean=1.0)
    limit = -math.log(0.01) * result.wait
    assert result.wait_quantile(0.99) == pytest.approx(limit, rel=3.0 * (1.0 - rho))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(rho=st.floats(0.02, 0.98), service=st.floats(1e-3, 1e2))
def test_the_area_under_the_tail_is_the_mean(rho: float, service: float) -> None:
    result = md1(arrival_rate=rho / service, service_mean=service)
    far = result.wait_quantile(1.0 - 1e-13) / service

    def tail(x: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return result.wait_tail(x * service)

    # Smooth between whole multiples of the service time, so piece by piece.
    pieces = [integrate.fixed_quad(tail, k, k + 1, n=12)[0] for k in range(math.ceil(far))]
    assert math.fsum(pieces) * service == pytest.approx(result.wait, rel=1e-9)


def test_a_million_waits_by_lindleys_recursion() -> None:
    # 40 runs of 25 000 after 2 000 of warm-up; 99.9 % interval; 3 % longer service is found.
    result = md1(arrival_rate=0.8, service_mean=1.0)
    limit = result.wait_quantile(0.95)

    def late(stretch: float) -> Callable[[np.random.Generator], float]:
        def run(rng: np.random.Generator) -> float:
            waits = lindley(rng.exponential(1.25, 27_000), np.full(27_000, stretch))
            return float(np.mean(waits[2_000:] > limit))

        return run

    low, high = mean_interval(late(1.0), 40, 0.999)
    assert low < 0.05 < high
    low, high = mean_interval(late(1.03), 40, 0.999)
    assert not low < 0.05 < high
