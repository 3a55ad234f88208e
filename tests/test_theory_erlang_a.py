"""Erlang A against its chain, its limits, and one request followed through the queue."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from mesh_lab.theory import erlang_a, erlang_b, mmc, mminf

from .test_theory_oracles import absorbed_later, mean_of, steady_state

CASES = (
    # arrival rate, service rate, servers, patience, where the chain is cut
    (4.0, 1.0, 2, 5.0, 120),
    (2.4, 1.0, 3, 2.0, 60),
    (0.7, 1.0, 1, 0.3, 40),
    (9.0, 1.0, 8, 1.0, 80),
)


def chain(
    arrival: float, service: float, servers: int, theta: float, most: int
) -> dict[int, float]:
    def moves(n: int) -> list[tuple[int, float]]:
        up = [(n + 1, arrival)] if n < most else []
        leave = min(n, servers) * service + max(n - servers, 0) * theta
        return [*up, (n - 1, leave)] if n else up

    return steady_state(moves, 0)


def one_request(service: float, servers: int, theta: float, end: str) -> Callable[[Any], Any]:
    """Return the moves of one request with k before it; "s" is in service, "x" another end.

    `end` says what None stands for: "start" (of service, or giving up), "leave" (finished or given
    up), "start served" and "leave served" (giving up goes to "x", where it stays).
    """
    full = servers * service

    def moves(k: Any) -> list[tuple[Any, float]]:
        if k == "x":
            return []
        if k == "s":
            return [(None, service)]
        started = "s" if end.startswith("leave") else None
        gone = "x" if end.endswith("served") else None
        ahead = (k - 1, full + k * theta) if k else (started, full)
        return [ahead, (gone, theta)]

    return moves


def agrees_erlang_a(model: Callable[..., Any]) -> None:
    for arrival, service, servers, patience, most in CASES:
        theta = 1.0 / patience
        p = chain(arrival, service, servers, theta, most)
        result = model(
            arrival_rate=arrival, service_rate=service, servers=servers, patience_mean=patience
        )
        in_queue = mean_of(p, lambda n, c=servers: max(n - c, 0))  # type: ignore[misc]
        busy = mean_of(p, lambda n, c=servers: min(n, c))  # type: ignore[misc]
        assert result.in_queue == pytest.approx(in_queue, rel=1e-10)
        assert result.in_system == pytest.approx(in_queue + busy, rel=1e-10)
        assert result.wait == pytest.approx(in_queue / arrival, rel=1e-10)
        assert result.response == pytest.approx((in_queue + busy) / arrival, rel=1e-10)
        assert result.utilisation == pytest.approx(busy / servers, rel=1e-10)
        assert result.throughput == pytest.approx(busy * service, rel=1e-10)
        waits = math.fsum(share for n, share in p.items() if n >= servers)
        assert result.wait_probability == pytest.approx(waits, rel=1e-10)
        lost = 1.0 - busy * service / arrival
        assert result.abandon_probability == pytest.approx(lost, rel=1e-9)
        assert result.served.probability == pytest.approx(1.0 - lost, rel=1e-10)
        for n in (0, servers, servers + 4):
            assert result.in_system_probability(n) == pytest.approx(p[n], rel=1e-10)

        waiting: dict[Any, float] = {n - servers: q for n, q in p.items() if n >= servers}
        begins = waiting | {"s": 1.0 - waits}
        for t in (0.2, 1.0, 3.0):
            moves = one_request(service, servers, theta, "start")
            assert result.wait_tail(t) == pytest.approx(absorbed_later(moves, waiting, t), rel=1e-8)
            moves = one_request(service, servers, theta, "leave")
            assert result.response_tail(t) == pytest.approx(
                absorbed_later(moves, begins, t), rel=1e-8
            )
            # Those that give up stay at "x" for ever, and are taken out of what is still there.
            moves = one_request(service, servers, theta, "start served")
            tail = (absorbed_later(moves, waiting, t) - lost) / (1.0 - lost)
            assert result.served.wait_tail(t) == pytest.approx(tail, rel=1e-7)
            moves = one_request(service, servers, theta, "leave served")
            tail = (absorbed_later(moves, begins, t) - lost) / (1.0 - lost)
            assert result.served.response_tail(t) == pytest.approx(tail, rel=1e-7)

        def area(tail: Callable[[float], float]) -> float:
            return float(integrate.quad(tail, 0.0, 100.0, limit=400, epsabs=1e-11)[0])

        assert result.wait == pytest.approx(area(result.wait_tail), rel=1e-8)
        assert result.response == pytest.approx(area(result.response_tail), rel=1e-8)
        assert result.served.wait == pytest.approx(area(result.served.wait_tail), rel=1e-8)
        assert result.served.response == pytest.approx(area(result.served.response_tail), rel=1e-8)


def test_erlang_a_is_its_chain() -> None:
    agrees_erlang_a(erlang_a)


quick = settings(derandomize=True, deadline=None, max_examples=40)


@quick
@given(load=st.floats(0.05, 0.95), servers=st.integers(1, 20))
def test_endless_patience_is_erlang_c(load: float, servers: int) -> None:
    arrival = load * servers
    limit = mmc(arrival_rate=arrival, service_rate=1.0, servers=servers)
    # The difference is of the order of theta times the time a busy spell lasts.
    close = 1e-7 / (1.0 - load) ** 2
    result = erlang_a(arrival_rate=arrival, service_rate=1.0, servers=servers, patience_mean=1e9)
    assert result.wait == pytest.approx(limit.wait, rel=close)
    assert result.wait_probability == pytest.approx(limit.wait_probability, rel=close)
    for t in (0.1, 1.0, 5.0):
        assert result.wait_tail(t) == pytest.approx(limit.wait_tail(t), rel=close)
        assert result.response_tail(t) == pytest.approx(limit.response_tail(t), rel=close)
        assert result.served.response_tail(t) == pytest.approx(limit.response_tail(t), rel=close)


@quick
@given(load=st.floats(0.05, 3.0), servers=st.integers(1, 20))
def test_no_patience_is_erlang_b(load: float, servers: int) -> None:
    result = erlang_a(
        arrival_rate=load * servers, service_rate=1.0, servers=servers, patience_mean=1e-10
    )
    lost = erlang_b(servers=servers, offered_load=load * servers)
    assert result.abandon_probability == pytest.approx(lost, rel=1e-7)
    assert result.served.response == pytest.approx(1.0, rel=1e-7)


@quick
@given(load=st.floats(0.05, 3.0), servers=st.integers(1, 20))
def test_patience_like_a_service_is_a_server_for_everyone(load: float, servers: int) -> None:
    result = erlang_a(
        arrival_rate=load * servers, service_rate=1.0, servers=servers, patience_mean=1.0
    )
    free = mminf(arrival_rate=load * servers, service_rate=1.0)
    assert result.in_system == pytest.approx(free.in_system, rel=1e-11)
    for n in (0, servers, servers + 3):
        assert result.in_system_probability(n) == pytest.approx(
            free.in_system_probability(n), rel=1e-10
        )


@quick
@given(
    load=st.floats(0.05, 3.0),
    servers=st.integers(1, 20),
    patience=st.floats(0.05, 50.0),
)
def test_identities(load: float, servers: int, patience: float) -> None:
    arrival = load * servers
    result = erlang_a(
        arrival_rate=arrival, service_rate=1.0, servers=servers, patience_mean=patience
    )
    assert result.served.probability + result.abandon_probability == pytest.approx(1.0, rel=1e-11)
    assert result.throughput == pytest.approx(arrival * result.served.probability, rel=1e-11)
    assert result.abandon_probability == pytest.approx(result.wait / patience, rel=1e-12)
    p = result.served.response_quantile(0.9)
    assert result.served.response_tail(p) == pytest.approx(0.1, rel=1e-9)
    more = erlang_a(
        arrival_rate=arrival, service_rate=1.0, servers=servers + 1, patience_mean=patience
    )
    assert more.abandon_probability <= result.abandon_probability * (1.0 + 1e-12)


def test_a_long_overloaded_queue_is_nearly_a_fluid() -> None:
    # Half of the work cannot be done: half gives up, and the started have waited ln 2 patiences.
    result = erlang_a(arrival_rate=2.0, service_rate=1.0, servers=1, patience_mean=2_000.0)
    assert result.abandon_probability == pytest.approx(0.5, rel=1e-6)
    assert result.served.wait == pytest.approx(2_000.0 * math.log(2.0), rel=2e-3)
    area, _ = integrate.quad(result.served.response_tail, 0.0, 3_000.0, limit=400)
    assert result.served.response == pytest.approx(area, rel=1e-8)
    tails = result.served.response_tail(np.linspace(0.0, 3_000.0, 61))
    assert np.all(np.diff(tails) <= 1e-15)
    assert tails[0] == pytest.approx(1.0, rel=1e-12)
