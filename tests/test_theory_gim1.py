"""GI/M/1 against chains with phases of arrival, and Kingman's formulas against what is exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from mesh_lab.errors import PartError
from mesh_lab.theory import (
    gim1,
    kingman_approximation,
    kingman_bound,
    mg1,
    mm1,
    mmc,
)

from .test_theory_markovian import passage
from .test_theory_mg1 import ERLANG, MIXED, Phases, moments, starts
from .test_theory_oracles import absorbed_later, lindley, mean_interval, mean_of, steady_state

quick = settings(derandomize=True, deadline=None, max_examples=60)


def transform(gap: Phases) -> Callable[[float], float]:
    return lambda s: sum(p * (rate / (rate + s)) ** k for p, k, rate in gap)


def phased(gap: Phases, service: float, most: int) -> dict[Any, float]:
    """Return the steady state of PH/M/1: (number there, phase of the arrival under way)."""

    def moves(state: tuple[int, tuple[int, int]]) -> list[tuple[Any, float]]:
        n, (kind, left) = state
        rate = gap[kind][2]
        out: list[tuple[Any, float]] = [((n - 1, (kind, left)), service)] if n else []
        if left > 1:
            return [*out, ((n, (kind, left - 1)), rate)]
        return out + [((min(n + 1, most), first), rate * p) for first, p in starts(gap)]

    return steady_state(moves, (0, (0, 1)))


def agrees_gim1(model: Callable[..., Any]) -> None:
    for gap in (ERLANG, MIXED):
        mean, _ = moments(gap)
        arrival, service, most = 1.0 / mean, 1.0 / (0.6 * mean), 150
        p = phased(gap, service, most)
        result = model(
            arrival_rate=arrival, interarrival_laplace=transform(gap), service_rate=service
        )
        assert result.in_system == pytest.approx(mean_of(p, lambda s: s[0]), rel=1e-9)
        assert result.in_queue == pytest.approx(mean_of(p, lambda s: max(s[0] - 1, 0)), rel=1e-9)
        assert result.response == pytest.approx(result.in_system / arrival, rel=1e-12)
        assert result.wait == pytest.approx(result.in_queue / arrival, rel=1e-12)
        for n in (0, 1, 6):
            share = math.fsum(q for s, q in p.items() if s[0] == n)
            assert result.in_system_probability(n) == pytest.approx(share, rel=1e-9)
        # What arrivals find: the flow of arrivals out of each number.
        finds: dict[int, float] = dict.fromkeys(range(most + 1), 0.0)
        for (n, (kind, left)), q in p.items():
            finds[n] += q * gap[kind][2] / arrival if left == 1 else 0.0
        assert result.wait_probability == pytest.approx(1.0 - finds[0], rel=1e-9)
        begins: dict[Any, float] = {n - 1: q for n, q in finds.items()}
        for t in (0.2 * mean, mean, 5.0 * mean):
            tail = absorbed_later(passage(service, 1, served=True), begins, t)
            assert result.response_tail(t) == pytest.approx(tail, rel=1e-9)
            waiting = {k: q for k, q in begins.items() if k >= 0}
            tail = absorbed_later(passage(service, 1, served=False), waiting, t)
            assert result.wait_tail(t) == pytest.approx(tail, rel=1e-9)


def agrees_kingman(model: Callable[..., Any]) -> None:
    """Check the approximation where it is exact: M/G/1 and M/M/c."""
    for scv in (0.0, 1.0, 7.0):
        exact = mg1(arrival_rate=0.8, service_mean=1.1, service_scv=scv)
        mine = model(arrival_rate=0.8, arrival_scv=1.0, service_mean=1.1, service_scv=scv)
        for name in ("utilisation", "wait", "response", "in_queue", "in_system"):
            assert getattr(mine, name) == pytest.approx(getattr(exact, name), rel=1e-12)
    many = mmc(arrival_rate=2.4, service_rate=0.9, servers=3)
    mine = model(
        arrival_rate=2.4, arrival_scv=1.0, service_mean=1 / 0.9, service_scv=1.0, servers=3
    )
    for name in ("utilisation", "wait", "response", "in_queue", "in_system"):
        assert getattr(mine, name) == pytest.approx(getattr(many, name), rel=1e-12)
    # Linear in the sum of the two scvs.
    more = model(
        arrival_rate=2.4, arrival_scv=0.2, service_mean=1 / 0.9, service_scv=0.3, servers=3
    )
    assert more.wait == pytest.approx(mine.wait * 0.25, rel=1e-12)


def agrees_kingman_bound(model: Callable[..., Any]) -> None:
    """Check the bound by Lindley's recursion squared: E[I**2] / (2 E[I]) is all it leaves out.

    For exponential service the idle part I = max(0, gap - wait - service) is known: with rate
    mu (1 - sigma) for the response, moments of I follow from those of the gap and its transform.
    """
    for gap in (ERLANG, MIXED):
        mean, scv = moments(gap)
        arrival, service = 1.0 / mean, 1.0 / (0.7 * mean)
        exact = gim1(
            arrival_rate=arrival, interarrival_laplace=transform(gap), service_rate=service
        )
        eta = 1.0 / exact.response  # response is exponential with this rate
        value = transform(gap)(eta)
        second = (scv + 1.0) * mean**2
        idle = mean - (1.0 - value) / eta
        idle_squared = second - 2.0 * mean / eta + 2.0 * (1.0 - value) / eta**2
        variance_lost = idle_squared - idle**2
        bound = model(
            arrival_rate=arrival, arrival_scv=scv, service_mean=1.0 / service, service_scv=1.0
        )
        # wait = bound - Var[I] / (2 E[I]): what the bound drops (E[I] = 1/lambda - 1/mu).
        assert exact.wait == pytest.approx(bound.wait - variance_lost / (2.0 * idle), rel=1e-9)
        assert bound.response == pytest.approx(bound.wait + 1.0 / service, rel=1e-12)
        assert bound.in_queue == pytest.approx(arrival * bound.wait, rel=1e-12)
        assert bound.in_system == pytest.approx(arrival * bound.response, rel=1e-12)


def test_gim1_is_its_chain() -> None:
    agrees_gim1(gim1)


def test_the_approximation_is_exact_for_poisson_arrivals() -> None:
    agrees_kingman(kingman_approximation)


def test_the_bound_leaves_out_what_it_says() -> None:
    agrees_kingman_bound(kingman_bound)


@quick
@given(load=st.floats(0.01, 0.999), service=st.floats(1e-3, 1e3))
def test_exponential_gaps_are_mm1(load: float, service: float) -> None:
    arrival = load * service
    result = gim1(
        arrival_rate=arrival,
        interarrival_laplace=lambda s: arrival / (arrival + s),
        service_rate=service,
    )
    one = mm1(arrival_rate=arrival, service_rate=service)
    assert result.wait_probability == pytest.approx(load, rel=1e-9)
    assert result.response == pytest.approx(one.response, rel=1e-9)
    assert result.response_quantile(0.99) == pytest.approx(one.response_quantile(0.99), rel=1e-9)


@quick
@given(load=st.floats(0.05, 0.99))
def test_constant_gaps_have_a_root_that_lambert_knows(load: float) -> None:
    # sigma = exp(-(1 - sigma)/rho) has the solution -rho W(-exp(-1/rho)/rho).
    result = gim1(
        arrival_rate=load, interarrival_laplace=lambda s: math.exp(-s / load), service_rate=1.0
    )
    sigma = float(np.real(-load * special.lambertw(-math.exp(-1.0 / load) / load)))
    assert result.wait_probability == pytest.approx(sigma, rel=1e-9)


@quick
@given(load=st.floats(0.05, 0.98), shape=st.floats(0.05, 20.0))
def test_kingmans_bound_is_never_below(load: float, shape: float) -> None:
    scale = 1.0 / (load * shape)
    exact = gim1(
        arrival_rate=load,
        interarrival_laplace=lambda s: (1.0 + scale * s) ** -shape,
        service_rate=1.0,
    )
    bound = kingman_bound(
        arrival_rate=load, arrival_scv=1.0 / shape, service_mean=1.0, service_scv=1.0
    )
    assert exact.wait <= bound.wait
    # More variable than exponential gaps wait longer than M/M/1, more regular ones less.
    poisson = mm1(arrival_rate=load, service_rate=1.0).wait
    assert (exact.wait - poisson) * (1.0 - shape) >= -1e-9 * poisson


@pytest.mark.parametrize("scv", [0.25, 4.0])
def test_both_kingman_formulas_are_close_at_high_load(scv: float) -> None:
    shape = 1.0 / scv
    for load, close in ((0.9, 0.35), (0.99, 0.04), (0.999, 0.004)):
        scale = 1.0 / (load * shape)
        exact = gim1(
            arrival_rate=load,
            interarrival_laplace=lambda s, b=scale: (1.0 + b * s) ** -shape,  # type: ignore[misc]
            service_rate=1.0,
        ).wait
        given_scvs: dict[str, Any] = {"arrival_scv": scv, "service_mean": 1.0, "service_scv": 1.0}
        for model in (kingman_bound, kingman_approximation):
            assert model(arrival_rate=load, **given_scvs).wait == pytest.approx(exact, rel=close)


def test_a_million_waits_by_lindleys_recursion() -> None:
    # 40 runs of 25 000 after 2 000 of warm-up; 99.9 % interval; 3 % longer service is found.
    shape, load = 0.5, 0.6
    scale = 1.0 / (load * shape)
    exact = gim1(
        arrival_rate=load,
        interarrival_laplace=lambda s: (1.0 + scale * s) ** -shape,
        service_rate=1.0,
    )

    def waiting(stretch: float) -> Callable[[np.random.Generator], float]:
        def run(rng: np.random.Generator) -> float:
            gaps = rng.gamma(shape, scale, 27_000)
            return float(lindley(gaps, rng.exponential(stretch, 27_000))[2_000:].mean())

        return run

    low, high = mean_interval(waiting(1.0), 40, 0.999)
    assert low < exact.wait < high
    low, high = mean_interval(waiting(1.03), 40, 0.999)
    assert not low < exact.wait < high


@pytest.mark.parametrize(
    ("laplace", "says"),
    [
        (lambda s: math.exp(-2.0 * s), "belongs to gaps with a mean of 2 s or more"),
        (lambda s: 1.0 / (1.0 + 0.5 * s), "belongs to gaps with a mean of about 0.5 s"),
        (lambda s: 1.0 + s, "a Laplace transform is between 0 and 1"),
        (lambda s: -0.5, "a Laplace transform is between 0 and 1"),
        (lambda s: math.nan, "a Laplace transform is between 0 and 1"),
        ("exponential", "must be a callable"),
    ],
)
def test_a_transform_of_something_else_is_refused(laplace: Any, says: str) -> None:
    with pytest.raises(PartError, match=says) as refused:
        gim1(arrival_rate=1.0, interarrival_laplace=laplace, service_rate=2.0)
    assert refused.value.field == "interarrival_laplace"
