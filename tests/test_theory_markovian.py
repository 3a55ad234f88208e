"""M/M/1, M/M/c, M/M/c/K, M/M/inf and Erlang's formulas against their chains, solved by brute force.

``agrees_*`` take the function to be checked, so that test_theory_planted.py can give them faulty
ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from mesh_lab.theory import erlang_b, erlang_c, mm1, mmc, mmck, mminf

from .test_theory_oracles import EXACT, absorbed_later, mean_of, steady_state

quick = settings(derandomize=True, deadline=None, max_examples=60)
loads = st.floats(0.01, 0.99)
rates = st.floats(1e-3, 1e3)
sizes = st.integers(1, 60)


def line(arrival: float, service: float, servers: int, most: int) -> dict[int, float]:
    """Return the steady state of M/M/c/K with K = `most`."""

    def moves(n: int) -> list[tuple[int, float]]:
        up = [(n + 1, arrival)] if n < most else []
        return up + ([(n - 1, min(n, servers) * service)] if n else [])

    return steady_state(moves, 0)


def passage(service: float, servers: int, served: bool) -> Callable[[Any], list[tuple[Any, float]]]:
    """Return the moves of one request: k before it in the queue, then -1 in service, then None."""

    def moves(k: int) -> list[tuple[Any, float]]:
        if k == -1:
            return [(None, service)]
        then = k - 1 if k else (-1 if served else None)
        return [(then, servers * service)]

    return moves


def found(p: dict[int, float], servers: int, most: int) -> dict[Any, float]:
    """Return where an accepted arrival begins, when it finds the state `p` and less than `most`."""
    accepted = math.fsum(share for n, share in p.items() if n < most)
    begins = {n - servers: share / accepted for n, share in p.items() if servers <= n < most}
    return begins | {-1: math.fsum(p[n] for n in range(min(servers, most))) / accepted}


def times_agree(result: Any, p: dict[int, float], service: float, servers: int, most: int) -> None:
    begins = found(p, servers, most)
    waiting = {k: share for k, share in begins.items() if k != -1}
    for t in (0.0, 0.3 / service, 1.0 / service, 4.0 / service):
        tail = absorbed_later(passage(service, servers, served=True), begins, t)
        assert result.response_tail(t) == pytest.approx(tail, rel=1e-9)
        tail = absorbed_later(passage(service, servers, served=False), waiting, t)
        assert result.wait_tail(t) == pytest.approx(tail, rel=1e-9)


def agrees_mm1(model: Callable[..., Any]) -> None:
    for arrival, service in ((0.5, 1.0), (8.0, 10.0), (0.03, 0.05)):
        most = 150
        p = line(arrival, service, 1, most)
        result = model(arrival_rate=arrival, service_rate=service)
        in_system = mean_of(p, float)
        in_queue = mean_of(p, lambda n: max(n - 1, 0))
        assert result.utilisation == pytest.approx(1.0 - p[0], rel=EXACT)
        assert result.in_system == pytest.approx(in_system, rel=EXACT)
        assert result.in_queue == pytest.approx(in_queue, rel=EXACT)
        assert result.response == pytest.approx(in_system / arrival, rel=EXACT)
        assert result.wait == pytest.approx(in_queue / arrival, rel=EXACT)
        assert result.wait_probability == pytest.approx(1.0 - p[0], rel=EXACT)
        for n in (0, 1, 5):
            assert result.in_system_probability(n) == pytest.approx(p[n], rel=EXACT)
        times_agree(result, p, service, 1, most)


def agrees_mmc(model: Callable[..., Any]) -> None:
    for arrival, service, servers in ((2.4, 1.0, 3), (0.5, 1.0, 1), (7.0, 0.5, 20), (1.0, 1.0, 2)):
        most = servers + 150
        p = line(arrival, service, servers, most)
        result = model(arrival_rate=arrival, service_rate=service, servers=servers)
        in_queue = mean_of(p, lambda n, c=servers: max(n - c, 0))  # type: ignore[misc]
        busy = mean_of(p, lambda n, c=servers: min(n, c))  # type: ignore[misc]
        assert result.utilisation == pytest.approx(busy / servers, rel=EXACT)
        assert result.in_queue == pytest.approx(in_queue, rel=EXACT)
        assert result.in_system == pytest.approx(in_queue + busy, rel=EXACT)
        assert result.wait == pytest.approx(in_queue / arrival, rel=EXACT)
        assert result.response == pytest.approx((in_queue + busy) / arrival, rel=EXACT)
        waits = math.fsum(share for n, share in p.items() if n >= servers)
        assert result.wait_probability == pytest.approx(waits, rel=EXACT)
        for n in (0, 1, servers - 1, servers, servers + 7):
            assert result.in_system_probability(n) == pytest.approx(p[n], rel=EXACT)
        times_agree(result, p, service, servers, most)


def agrees_mmck(model: Callable[..., Any]) -> None:
    cases = (
        (3.0, 1.0, 2, 4),
        (0.8, 1.0, 1, 0),
        (5.0, 1.0, 8, 0),
        (8.0, 2.0, 4, 25),
        (2.0, 1.0, 1, 9),
    )
    for arrival, service, servers, room in cases:
        most = servers + room
        p = line(arrival, service, servers, most)
        result = model(
            arrival_rate=arrival, service_rate=service, servers=servers, waiting_room=room
        )
        in_queue = mean_of(p, lambda n, c=servers: max(n - c, 0))  # type: ignore[misc]
        busy = mean_of(p, lambda n, c=servers: min(n, c))  # type: ignore[misc]
        accepted = arrival * math.fsum(share for n, share in p.items() if n < most)
        assert result.blocking_probability == pytest.approx(p[most], rel=EXACT)
        assert result.throughput == pytest.approx(accepted, rel=EXACT)
        assert result.utilisation == pytest.approx(busy / servers, rel=EXACT)
        assert result.in_queue == pytest.approx(in_queue, rel=EXACT)
        assert result.in_system == pytest.approx(in_queue + busy, rel=EXACT)
        assert result.wait == pytest.approx(in_queue / accepted, rel=EXACT)
        assert result.response == pytest.approx((in_queue + busy) / accepted, rel=EXACT)
        waits = math.fsum(p[n] for n in range(servers, most)) / (accepted / arrival)
        assert result.wait_probability == pytest.approx(waits, rel=EXACT)
        for n in (0, servers, most):
            assert result.in_system_probability(n) == pytest.approx(p[n], rel=EXACT)
        assert result.in_system_probability(most + 1) == 0.0
        times_agree(result, p, service, servers, most)


def agrees_mminf(model: Callable[..., Any]) -> None:
    arrival, service, most = 6.0, 2.0, 60
    p = line(arrival, service, most, most)
    result = model(arrival_rate=arrival, service_rate=service)
    assert result.in_system == pytest.approx(mean_of(p, float), rel=EXACT)
    assert result.in_system_probability(5) == pytest.approx(p[5], rel=EXACT)
    assert result.response == 1.0 / service
    assert result.wait == result.in_queue == result.wait_tail(0.0) == 0.0
    up = np.diag(np.full(most, arrival), 1)
    down = np.diag(service * np.arange(1.0, most + 1), -1)
    q = up + down
    q -= np.diag(q.sum(axis=1))
    for initial in (0, 9):
        for t in (0.0, 0.1, 1.0):
            mean = linalg.expm(q * t)[initial] @ np.arange(most + 1)
            assert result.in_system_at(t, initial=initial) == pytest.approx(
                mean, rel=1e-9, abs=1e-12
            )


def agrees_erlang_b(formula: Callable[..., float]) -> None:
    for servers, load in (
        (1, Fraction(1, 3)),
        (4, Fraction(5)),
        (15, Fraction(8)),
        (40, Fraction(9)),
    ):
        terms = [load**k / math.factorial(k) for k in range(servers + 1)]
        exact = float(terms[-1] / sum(terms))
        assert formula(servers=servers, offered_load=float(load)) == pytest.approx(exact, rel=1e-14)


def agrees_erlang_c(formula: Callable[..., float]) -> None:
    for servers, load in (
        (1, Fraction(1, 3)),
        (3, Fraction(12, 5)),
        (40, Fraction(9)),
        (40, Fraction(39)),
    ):
        terms = [load**k / math.factorial(k) for k in range(servers)]
        top = load**servers / math.factorial(servers) * servers / (servers - load)
        exact = float(top / (sum(terms) + top))
        assert formula(servers=servers, offered_load=float(load)) == pytest.approx(exact, rel=1e-13)


def test_mm1_is_its_chain() -> None:
    agrees_mm1(mm1)


def test_mmc_is_its_chain() -> None:
    agrees_mmc(mmc)


def test_mmck_is_its_chain() -> None:
    agrees_mmck(mmck)


def test_mminf_is_its_chain_also_on_the_way() -> None:
    agrees_mminf(mminf)


def test_erlang_b_is_the_sum_in_fractions() -> None:
    agrees_erlang_b(erlang_b)


def test_erlang_c_is_the_sum_in_fractions() -> None:
    agrees_erlang_c(erlang_c)


@quick
@given(load=loads, service=rates)
def test_one_server_of_many_is_mm1(load: float, service: float) -> None:
    one = mm1(arrival_rate=load * service, service_rate=service)
    many = mmc(arrival_rate=load * service, service_rate=service, servers=1)
    assert many.response == pytest.approx(one.response, rel=1e-11)
    for t in (0.0, 0.1 * one.response, 3.0 * one.response):
        assert many.wait_tail(t) == pytest.approx(one.wait_tail(t), rel=1e-10)
        assert many.response_tail(t) == pytest.approx(one.response_tail(t), rel=1e-10)


@quick
@given(load=loads, service=rates, servers=sizes)
def test_littles_law_and_the_mean_under_the_tail(load: float, service: float, servers: int) -> None:
    arrival = load * servers * service
    result = mmc(arrival_rate=arrival, service_rate=service, servers=servers)
    assert result.in_system == pytest.approx(arrival * result.response, rel=1e-12)
    assert result.in_queue == pytest.approx(arrival * result.wait, rel=1e-12)
    # The area under the tail is the mean, and an exponential tail has its area in closed form.
    assert result.wait == pytest.approx(
        result.wait_probability / (servers * service - arrival), rel=1e-9
    )


@quick
@given(load=loads, service=rates, servers=sizes, p=st.floats(0.0, 0.999999))
def test_quantiles_invert_tails(load: float, service: float, servers: int, p: float) -> None:
    result = mmc(arrival_rate=load * servers * service, service_rate=service, servers=servers)
    response = result.response_quantile(p)
    assert result.response_tail(response) <= 1.0 - p
    assert result.response_tail(response * (1.0 - 1e-9)) >= 1.0 - p
    wait = result.wait_quantile(p)
    assert (wait == 0.0) == (result.wait_probability <= 1.0 - p)
    if wait > 0.0:
        assert result.wait_tail(wait) == pytest.approx(1.0 - p, rel=1e-9)


@quick
@given(load=st.floats(0.05, 0.9), servers=st.integers(1, 30))
def test_a_long_queue_is_an_unbounded_one(load: float, servers: int) -> None:
    bounded = mmck(arrival_rate=load * servers, service_rate=1.0, servers=servers, waiting_room=700)
    free = mmc(arrival_rate=load * servers, service_rate=1.0, servers=servers)
    assert bounded.wait == pytest.approx(free.wait, rel=1e-10)
    assert bounded.wait_probability == pytest.approx(free.wait_probability, rel=1e-10)
    for t in (0.1, 2.0, 9.0):
        assert bounded.wait_tail(t) == pytest.approx(free.wait_tail(t), rel=1e-9)
        assert bounded.response_tail(t) == pytest.approx(free.response_tail(t), rel=1e-9)


@quick
@given(load=st.floats(0.01, 5.0), servers=sizes)
def test_no_room_to_wait_is_erlang_b(load: float, servers: int) -> None:
    full = mmck(arrival_rate=load * servers, service_rate=1.0, servers=servers, waiting_room=0)
    lost = erlang_b(servers=servers, offered_load=load * servers)
    assert full.blocking_probability == pytest.approx(lost, rel=1e-11)
    assert full.wait == full.wait_probability == full.wait_tail(0.0) == 0.0
    assert full.response_tail(1.0) == pytest.approx(math.exp(-1.0), rel=1e-12)


@quick
@given(load=st.floats(0.05, 1.5), servers=st.integers(1, 30), room=st.integers(0, 40))
def test_what_comes_goes_or_is_turned_away(load: float, servers: int, room: int) -> None:
    arrival = load * servers
    result = mmck(arrival_rate=arrival, service_rate=1.0, servers=servers, waiting_room=room)
    assert result.throughput + arrival * result.blocking_probability == pytest.approx(
        arrival, rel=1e-12
    )
    assert result.in_system == pytest.approx(result.throughput * result.response, rel=1e-12)
    bigger = mmck(arrival_rate=arrival, service_rate=1.0, servers=servers, waiting_room=room + 1)
    assert bigger.blocking_probability < result.blocking_probability
    assert bigger.wait >= result.wait * (1.0 - 1e-12)


def test_large_systems_neither_overflow_nor_underflow() -> None:
    big = mmc(arrival_rate=9_900.0, service_rate=1.0, servers=10_000)
    assert 0.0 < big.wait_probability < 1.0
    # Halfin and Whitt's limit with beta = (c - a)/sqrt(a): right to O(1/sqrt(c)).
    beta = 100.0 / math.sqrt(9_900.0)
    normal = math.exp(-beta * beta / 2.0) / math.sqrt(2.0 * math.pi)
    below = 0.5 * math.erfc(-beta / math.sqrt(2.0))
    assert big.wait_probability == pytest.approx(1.0 / (1.0 + beta * below / normal), rel=0.02)
    assert mmc(arrival_rate=1.0, service_rate=1.0, servers=500).in_system_probability(
        0
    ) == pytest.approx(math.exp(-1.0), rel=1e-14)
    over = mmck(arrival_rate=3_000.0, service_rate=1.0, servers=1_000, waiting_room=5_000)
    assert over.blocking_probability == pytest.approx(2.0 / 3.0, rel=1e-12)
    rare = mmck(arrival_rate=0.3, service_rate=1.0, servers=1, waiting_room=200)
    assert rare.blocking_probability == pytest.approx(0.7 * 0.3**201, rel=1e-12)


def test_response_does_not_cancel_where_the_textbook_formula_divides_by_zero() -> None:
    at = mmc(arrival_rate=2.0, service_rate=1.0, servers=3)  # c - 1 - a = 0
    for t in (0.1, 1.0, 10.0):
        by_hand = (1.0 + at.wait_probability * t) * math.exp(-t)
        assert at.response_tail(t) == pytest.approx(by_hand, rel=1e-14)
        near = mmc(arrival_rate=2.0 + 1e-9, service_rate=1.0, servers=3)
        assert near.response_tail(t) == pytest.approx(by_hand, rel=1e-7)


def test_from_ninety_to_ninety_five_percent_doubles_the_response() -> None:
    ratio = (
        mm1(arrival_rate=0.95, service_rate=1.0).response
        / mm1(arrival_rate=0.90, service_rate=1.0).response
    )
    assert ratio == pytest.approx(2.0, rel=1e-13)
