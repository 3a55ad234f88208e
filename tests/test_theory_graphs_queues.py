"""Tandems and limits on waiting: against quadrature, other formulas and small simulations."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from mesh_lab import theory
from mesh_lab.errors import PartError, UnstableError

SURE = 3.2905  # the normal quantile of a two-sided 99.9 % interval
quick = settings(deadline=None, max_examples=40, derandomize=True)


# --- tandems -------------------------------------------------------------------------------------


def agrees_tandem(tandem: Callable[..., Any]) -> None:
    # three stations of one server: the textbook's sum of exponentials of different rates
    three = tandem(arrival_rate=1.0, service_rates=(2.0, 3.0, 5.0))
    rates = (1.0, 2.0, 4.0)
    for t in (0.0, 0.3, 2.0, 9.0):
        tail = sum(
            math.exp(-r * t) * math.prod(q / (q - r) for q in rates if q != r) for r in rates
        )
        assert three.response_tail(t) == pytest.approx(tail, rel=1e-10)
    # equal rates, where that formula is 0/0: Erlang
    equal = tandem(arrival_rate=1.0, service_rates=(3.0,) * 4)
    for p in (0.5, 0.99):
        expected = float(stats.gamma(4, scale=0.5).ppf(p))
        assert equal.response_quantile(p) == pytest.approx(expected, rel=1e-9)
    # several servers at both ends: two convolutions by quadrature
    ends = tandem(arrival_rate=4.0, service_rates=(2.5, 6.0, 1.5), servers=(2, 1, 4))
    first = theory.mmc(arrival_rate=4.0, service_rate=2.5, servers=2)
    last = theory.mmc(arrival_rate=4.0, service_rate=1.5, servers=4)

    def two(t: float) -> float:  # the middle is exponential with rate 2
        inside = integrate.quad(lambda u: 2 * math.exp(-2 * u) * last.response_tail(t - u), 0, t)
        return float(math.exp(-2 * t) + inside[0])

    def density(t: float) -> float:
        h = 1e-5
        low = max(t - h, 0.0)
        return (first.response_tail(low) - first.response_tail(t + h)) / (t + h - low)

    for t in (0.5, 2.0, 5.0):
        by_parts = first.response_tail(t) + integrate.quad(lambda u: density(u) * two(t - u), 0, t)[0]  # noqa: B023,E501  # fmt: skip
        assert ends.response_tail(t) == pytest.approx(by_parts, rel=1e-6)
    # the means are those of Jackson's network
    net = theory.jackson(
        arrival_rates={"a": 4.0},
        service_rates={"a": 2.5, "b": 6.0, "c": 1.5},
        routing={"a": {"b": 1.0}, "b": {"c": 1.0}},
        servers={"a": 2, "b": 1, "c": 4},
    )
    for measure in ("utilisation", "wait", "response", "in_queue", "in_system", "throughput"):
        assert getattr(ends, measure) == pytest.approx(getattr(net, measure), rel=1e-12)
    assert ends.bottleneck == 0
    mean = integrate.quad(ends.response_tail, 0, 60, limit=200)[0]
    assert ends.response == pytest.approx(mean, rel=1e-8)


def fcfs(arrivals: np.ndarray, service: np.ndarray, servers: int) -> np.ndarray:
    """Departures of a first-come-first-served station, in the order of arrival."""
    free = [0.0] * servers
    out = np.empty(len(arrivals))
    for i, (at, work) in enumerate(zip(arrivals.tolist(), service.tolist(), strict=True)):
        out[i] = max(at, heapq.heappop(free)) + work
        heapq.heappush(free, out[i])
    return out


def test_a_tandem_by_simulation() -> None:
    # 20 replications of 20 000 requests through 2, 1 and 4 servers: 99.9 % intervals
    known = theory.tandem(arrival_rate=4.0, service_rates=(2.5, 6.0, 1.5), servers=(2, 1, 4))
    rows = []
    for seed in range(1, 21):
        rng = np.random.default_rng(seed)
        start = np.cumsum(rng.exponential(0.25, 20_000))
        at, order = start, np.arange(20_000)
        for rate, c in ((2.5, 2), (6.0, 1), (1.5, 4)):
            at = fcfs(at, rng.exponential(1 / rate, 20_000), c)
            again = np.argsort(at, kind="stable")
            at, order = at[again], order[again]
        response = at - start[order]
        settled = response[2_000:]
        rows.append((settled.mean(), (settled > 2.0).mean(), (settled > 5.0).mean()))
    table = np.array(rows)
    half = stats.t(19).ppf(0.9995) * table.std(axis=0, ddof=1) / math.sqrt(20)
    expected = np.array([known.response, *known.response_tail([2.0, 5.0])])
    assert (abs(table.mean(axis=0) - expected) < half).all()
    assert (half < 0.25 * expected).all()


def test_who_overtakes_has_no_percentile() -> None:
    middle = theory.tandem(arrival_rate=1.0, service_rates=(2.0, 1.0, 2.0), servers=(1, 2, 1))
    assert middle.response > 0.0
    with pytest.raises(PartError, match="is 2 at station 1, between the first and the last"):
        middle.response_tail(1.0)
    with pytest.raises(UnstableError, match="tandem, station 1: M/M/2 with arrival rate 3"):
        theory.tandem(arrival_rate=3.0, service_rates=(4.0, 1.0), servers=(1, 2))
    for changes, field in (
        ({"service_rates": ()}, "service_rates"),
        ({"service_rates": (1.0, 0.0)}, "service_rates[1]"),
        ({"servers": (1,)}, "servers"),
        ({"servers": (1, 0)}, "servers[1]"),
    ):
        with pytest.raises(PartError) as refused:
            theory.tandem(**({"arrival_rate": 0.5, "service_rates": (1.0, 1.0)} | changes))  # type: ignore[arg-type]
        assert refused.value.field == field


# --- a time limit on waiting ---------------------------------------------------------------------

LIMITED = (
    # arrival rate, service rate, servers, timeout
    (0.7, 1.0, 1, 2.0),
    (1.0, 1.0, 1, 3.0),
    (3.0, 1.0, 1, 1.5),
    (2.4, 1.0, 3, 0.8),
    (3.0, 1.0, 3, 2.0),
    (9.0, 2.0, 3, 0.7),
    (50.0, 1.0, 45, 0.2),
)


def agrees_mmc_timeout(mmc_timeout: Callable[..., Any]) -> None:
    for arrival, mu, c, tau in LIMITED:
        known = mmc_timeout(arrival_rate=arrival, service_rate=mu, servers=c, timeout=tau)
        rho, e = arrival / (c * mu), math.exp(-(c * mu - arrival) * tau)
        if c == 1 and rho != 1.0:  # the textbook's formula, at any load
            lost = (1 - rho) * rho * e / (1 - rho**2 * e)
            assert known.timeout_probability == pytest.approx(lost, rel=1e-12)
        if rho < 1.0:  # Boots and Tijms, from M/M/c without limit
            late = theory.mmc(arrival_rate=arrival, service_rate=mu, servers=c).wait_tail(tau)
            lost = (1 - rho) * late / (1 - rho * late)
            assert known.timeout_probability == pytest.approx(lost, rel=1e-11)
        # everything from the density, in plain numbers, by quadrature
        weights = [(arrival / mu) ** n / math.factorial(n) for n in range(c)]
        level = arrival * weights[-1]

        def v(t: float, level: float = level, x: float = arrival - c * mu) -> float:
            return level * math.exp(x * t)

        def area(f: Callable[[float], float], a: float, b: float) -> float:
            return float(integrate.quad(f, a, b, epsabs=0, epsrel=1e-12)[0])

        beyond = v(tau) / (c * mu)
        total = sum(weights) + area(v, 0, tau) + beyond
        waited = area(lambda t, v=v: t * v(t), 0, tau) / total  # type: ignore[misc]
        served = 1 - beyond / total
        assert known.timeout_probability == pytest.approx(beyond / total, rel=1e-10)
        assert known.wait_probability == pytest.approx(1 - sum(weights) / total, rel=1e-9)
        assert known.wait == pytest.approx(waited + tau * beyond / total, rel=1e-9)
        assert known.served.wait == pytest.approx(waited / served, rel=1e-9)
        assert known.served.response == pytest.approx(waited / served + 1 / mu, rel=1e-9)
        assert known.in_queue == pytest.approx(arrival * known.wait, rel=1e-12)
        assert known.in_system == pytest.approx(arrival * known.response, rel=1e-12)
        assert known.throughput == pytest.approx(arrival * served, rel=1e-10)
        assert known.utilisation == pytest.approx(arrival * served / (c * mu), rel=1e-10)
        for t in (0.0, 0.3 * tau, 0.99 * tau):
            there = (area(v, t, tau) + beyond) / total
            assert known.wait_tail(t) == pytest.approx(there, rel=1e-9)
            alone = area(v, t, tau) / total / served
            assert known.served.wait_tail(t) == pytest.approx(alone, rel=1e-8)
        for t in (0.5 * tau, tau, 2 * tau):
            m = min(t, tau)
            inside = area(lambda u, v=v, t=t, mu=mu: v(u) * math.exp(-mu * (t - u)), 0, m)  # type: ignore[misc]
            busy = (sum(weights) * math.exp(-mu * t) + inside) / total
            waits = (area(v, t, tau) + beyond) / total if t < tau else 0.0
            assert known.response_tail(t) == pytest.approx(busy + waits, rel=1e-9)
            alone = area(v, t, tau) / total if t < tau else 0.0
            assert known.served.response_tail(t) == pytest.approx((busy + alone) / served, rel=1e-9)
        for result in (known, known.served):
            far = 40.0 / mu + tau
            mean = area(result.response_tail, 0, tau) + area(result.response_tail, tau, far)
            assert result.response == pytest.approx(mean, rel=1e-8)


def limited_queue(
    seed: int, arrival: float, mu: float, c: int, tau: float, n: int
) -> tuple[float, float, float]:
    """Return what a simulation saw: share that left, mean wait of all, P(served, wait > tau/2)."""
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.exponential(1 / arrival, n)).tolist()
    work = rng.exponential(1 / mu, n).tolist()
    free = [0.0] * c
    left, waits, late = 0, 0.0, 0
    for i in range(n):
        wait = max(0.0, free[0] - at[i])  # the earliest server, if it were patient
        if wait > tau:
            left, waits = left + 1, waits + tau
            continue
        heapq.heapreplace(free, at[i] + wait + work[i])
        waits, late = waits + wait, late + (wait > tau / 2)
    return left / n, waits / n, late / n


@pytest.mark.parametrize(("arrival", "mu", "c", "tau"), LIMITED)
def test_a_limit_on_waiting_by_simulation(arrival: float, mu: float, c: int, tau: float) -> None:
    # 20 replications of 10 000 requests: 99.9 % intervals
    table = np.array([limited_queue(seed, arrival, mu, c, tau, 10_000) for seed in range(1, 21)])
    half = stats.t(19).ppf(0.9995) * table.std(axis=0, ddof=1) / math.sqrt(20)
    known = theory.mmc_timeout(arrival_rate=arrival, service_rate=mu, servers=c, timeout=tau)
    late = known.served.wait_tail(tau / 2) * known.served.probability
    expected = np.array([known.timeout_probability, known.wait, late])
    assert (abs(table.mean(axis=0) - expected) < half + 2e-3 * expected).all()
    assert (half < 0.12 * expected).all()


def test_long_and_short_limits() -> None:
    patient = theory.mmc_timeout(arrival_rate=2.4, service_rate=1.0, servers=3, timeout=1e4)
    queue = theory.mmc(arrival_rate=2.4, service_rate=1.0, servers=3)
    for measure in ("utilisation", "wait", "response", "in_queue", "in_system", "throughput"):
        assert getattr(patient, measure) == pytest.approx(getattr(queue, measure), rel=1e-10)
    assert patient.response_tail(3.0) == pytest.approx(queue.response_tail(3.0), rel=1e-10)
    hurried = theory.mmc_timeout(arrival_rate=2.4, service_rate=1.0, servers=3, timeout=1e-12)
    lost = theory.erlang_b(servers=3, offered_load=2.4)
    assert hurried.timeout_probability == pytest.approx(lost, rel=1e-9)
    flood = theory.mmc_timeout(arrival_rate=1e4, service_rate=1.0, servers=2, timeout=100.0)
    assert flood.throughput == pytest.approx(2.0, rel=1e-9)
    assert flood.served.wait == pytest.approx(100.0, rel=1e-3)


@quick
@given(
    load=st.floats(0.05, 4.0),
    servers=st.integers(1, 40),
    tau=st.floats(0.01, 30.0),
    near=st.floats(-1e-9, 1e-9),
)
def test_limits_are_smooth_where_the_formula_is_0_by_0(
    load: float, servers: int, tau: float, near: float
) -> None:
    def at(arrival: float) -> theory.MMcTimeout:
        return theory.mmc_timeout(
            arrival_rate=arrival, service_rate=1.0, servers=servers, timeout=tau
        )

    here, there = at(float(servers)), at(servers * (1.0 + near))
    assert there.wait == pytest.approx(here.wait, rel=1e-6)
    assert there.response_tail(tau / 2) == pytest.approx(here.response_tail(tau / 2), rel=1e-6)
    some = at(load * servers)
    assert 0.0 <= some.served.wait <= tau
    assert some.served.wait <= some.served.response
    assert some.wait_tail(0.0) == pytest.approx(some.wait_probability, rel=1e-9, abs=1e-300)
    assert some.response_tail(0.0) == pytest.approx(1.0, rel=1e-9)
    more = at(load * servers * 1.1)
    assert more.timeout_probability >= some.timeout_probability
