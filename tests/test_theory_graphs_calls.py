"""Fan-outs, forks, hedges, retries: against fractions, other integrals, chains and simulations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from mesh_lab import theory
from mesh_lab.errors import PartError

from .test_theory_oracles import steady_state

SURE = 3.2905  # the normal quantile of a two-sided 99.9 % interval
quick = settings(deadline=None, max_examples=40, derandomize=True)


# --- fan-out -------------------------------------------------------------------------------------


def agrees_any_slow(any_slow: Callable[..., float]) -> None:
    # Dean and Barroso's numbers, then fractions
    assert any_slow(leaves=100, slow_probability=0.01) == pytest.approx(0.634, abs=5e-4)
    assert any_slow(leaves=2000, slow_probability=0.0001) == pytest.approx(0.181, abs=5e-4)
    for n in (1, 2, 7, 40):
        for p in (0.0, 0.25, 0.5, 1.0):
            exact = 1 - (1 - Fraction(p)) ** n
            assert any_slow(leaves=n, slow_probability=p) == pytest.approx(float(exact), rel=1e-14)
    assert any_slow(leaves=1000, slow_probability=1e-18) == pytest.approx(1e-15, rel=1e-12)


def agrees_fan_out(fan_out: Callable[..., Any]) -> None:
    for n in (1, 3, 10, 250, 1000, 1001, 4000):
        harmonic = float(sum(Fraction(1, k) for k in range(1, n + 1)))
        page = fan_out(leaves=n, response_mean=0.02)
        assert page.response == pytest.approx(0.02 * harmonic, rel=1e-13)
        general = fan_out(leaves=n, response_tail=lambda t: math.exp(-t / 0.02))
        assert general.response == pytest.approx(0.02 * harmonic, rel=1e-9)
        assert general.leaf_response == pytest.approx(0.02, rel=1e-9)
    for name, law in (
        ("gamma", stats.gamma(0.3, scale=0.1)),
        ("lognorm", stats.lognorm(1.5)),
        ("pareto", stats.lomax(2.5)),
    ):
        for n in (1, 5, 60):
            page = fan_out(leaves=n, response_tail=lambda t, law=law: float(law.sf(t)))
            # the mean by the quantiles of the largest of n, not by its tail
            mean = integrate.quad(
                lambda u, law=law, n=n: law.isf(-math.expm1(-u / n)) * math.exp(-u), 0.0, 700.0,
                limit=500, points=(1e-9, 1e-6, 1e-3, 1.0, 10.0),
            )[0]  # fmt: skip
            assert page.response == pytest.approx(mean, rel=1e-6), name
            for p in (0.1, 0.5, 0.99):
                expected = float(law.isf(-math.expm1(math.log(p) / n)))
                assert page.response_quantile(p) == pytest.approx(expected, rel=1e-9), name


def test_a_step_in_the_tail_is_no_trouble() -> None:
    page = theory.fan_out(leaves=9, response_tail=lambda t: 1.0 if t < 0.3 else 0.0)
    assert page.response == pytest.approx(0.3, rel=1e-9)
    two = theory.fan_out(leaves=3, response_tail=lambda t: 1.0 if t < 1 else 0.5 if t < 7 else 0.0)
    assert two.response == pytest.approx(1.0 + 6.0 * (1 - 0.5**3), rel=1e-9)
    never = theory.fan_out(leaves=3, response_tail=lambda t: 0.0)
    assert never.response == 0.0
    assert never.response_quantile(0.9) == 0.0


@pytest.mark.parametrize("tail", [lambda t: 1.0 / (1.0 + t), lambda t: 0.5, lambda t: 1.0])
def test_a_tail_without_a_mean_is_refused(tail: Callable[[float], float]) -> None:
    with pytest.raises(PartError, match="does not fall to 0 fast enough to have a mean"):
        theory.fan_out(leaves=2, response_tail=tail)


def test_a_tail_that_is_no_probability_is_refused_with_the_time() -> None:
    with pytest.raises(PartError, match=r"gives 2.0 at 0 s, but must give a probability"):
        theory.fan_out(leaves=2, response_tail=lambda t: 2.0)
    with pytest.raises(PartError, match=r"gives nan at 0 s"):
        theory.hedged(response_tail=lambda t: math.nan, delay=1.0)
    with pytest.raises(PartError, match="exactly one of response_tail and response_mean"):
        theory.fan_out(leaves=2)
    with pytest.raises(PartError, match="both given"):
        theory.fan_out(leaves=2, response_tail=lambda t: 0.0, response_mean=1.0)
    with pytest.raises(PartError, match="a function of a time"):
        theory.fan_out(leaves=2, response_tail=0.5)  # type: ignore[arg-type]


# --- fork and join -------------------------------------------------------------------------------


def fork_join_chain(arrival: float, branches: int, most: int) -> float:
    """The mean response from the chain of queue lengths: as many requests as the longest queue."""

    def moves(lengths: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], float]]:
        if max(lengths) < most:
            yield tuple(sorted(n + 1 for n in lengths)), arrival
        for i, n in enumerate(lengths):
            if n:
                yield tuple(sorted((*lengths[:i], n - 1, *lengths[i + 1 :]))), 1.0

    # several moves may lead to the same state: their rates add up
    def joined(lengths: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
        rates: dict[tuple[int, ...], float] = {}
        for other, rate in moves(lengths):
            rates[other] = rates.get(other, 0.0) + rate
        return list(rates.items())

    p = steady_state(joined, (0,) * branches)
    return sum(chance * max(lengths) for lengths, chance in p.items()) / arrival


def agrees_fork_join(fork_join: Callable[..., Any]) -> None:
    for rho, most in ((0.2, 25), (0.5, 45), (0.8, 110)):
        two = fork_join(arrival_rate=3.0 * rho, service_rate=3.0, branches=2)
        assert two.exact
        assert two.response == pytest.approx(fork_join_chain(rho, 2, most) / 3.0, rel=1e-8)
        assert two.in_system == pytest.approx(3.0 * rho * two.response, rel=1e-12)
    for rho, n, most, off in ((0.3, 3, 22, 0.01), (0.3, 5, 14, 0.015), (0.6, 3, 40, 0.02)):
        many = fork_join(arrival_rate=rho, service_rate=1.0, branches=n)
        true = fork_join_chain(rho, n, most)
        assert many.response == pytest.approx(true, rel=off)
        assert many.lower < true < many.upper
        assert not many.exact
    # the lower bound is attained by regular arrivals; sigma by substitution, not by halving
    sigma = 0.5
    for _ in range(200):
        sigma = math.exp(-(1.0 - sigma) / 0.6)
    lower = (1 + 1 / 2 + 1 / 3) / (1.0 - sigma)
    assert fork_join(arrival_rate=0.6, service_rate=1.0, branches=3).lower == pytest.approx(lower)
    # no load: the largest of n services
    idle = fork_join(arrival_rate=1e-9, service_rate=1.0, branches=20)
    harmonic = sum(1 / k for k in range(1, 21))
    assert idle.response == pytest.approx(harmonic, rel=1e-7)
    one = fork_join(arrival_rate=0.5, service_rate=1.0, branches=1)
    assert one.lower == one.response == one.upper == one.branch_response == 2.0


@quick
@given(rho=st.floats(0.01, 0.95), n=st.integers(2, 32))
def test_fork_join_is_between_its_bounds(rho: float, n: int) -> None:
    known = theory.fork_join(arrival_rate=rho, service_rate=1.0, branches=n)
    assert known.lower <= known.response <= known.upper


def test_ten_branches_by_simulation() -> None:
    # 99.9 % interval from 40 replications of 20 000 requests, plus the 4 % the docstring admits
    means = []
    for seed in range(1, 41):
        rng = np.random.default_rng(seed)
        gaps = rng.exponential(1 / 0.7, 20_000)
        worst = np.zeros(20_000)
        for _ in range(10):
            service = rng.exponential(1.0, 20_000)
            # Lindley: response = service + max over earlier starts
            sums = np.cumsum(service[:-1] - gaps[1:])
            wait = np.concatenate(([0.0], sums - np.minimum.accumulate(np.minimum(sums, 0.0))))
            worst = np.maximum(worst, wait + service)
        means.append(worst[2_000:].mean())
    half = SURE * np.std(means, ddof=1) / math.sqrt(40)
    known = theory.fork_join(arrival_rate=0.7, service_rate=1.0, branches=10)
    assert half < 0.04 * np.mean(means)
    assert abs(known.response - np.mean(means)) < half + 0.04 * np.mean(means)
    assert known.lower < np.mean(means) + half
    assert known.upper > np.mean(means) - half


# --- hedging -------------------------------------------------------------------------------------


def two_speeds(t: float) -> float:
    return 0.9 * math.exp(-t / 0.005) + 0.1 * math.exp(-t / 0.2)


def agrees_hedged(hedged: Callable[..., Any]) -> None:
    # exponential: until d one runs, then two, the first of which is in after half the time
    for mu, d in ((1.0, 0.5), (10.0, 0.3), (2.0, 0.0)):
        once = hedged(response_tail=lambda t, mu=mu: math.exp(-mu * t), delay=d)
        mean = (1 - math.exp(-mu * d)) / mu + math.exp(-mu * d) / (2 * mu)
        assert once.response == pytest.approx(mean, rel=1e-9)
        assert once.attempts == pytest.approx(1 + math.exp(-mu * d), rel=1e-12)
        assert once.hedge_probability == pytest.approx(math.exp(-mu * d), rel=1e-12)
        assert once.response_tail(d + 1) == pytest.approx(math.exp(-mu * (d + 2)), rel=1e-12)
    # two speeds, by integrating the product over t >= d in closed form
    d = 0.02
    parts = ((0.9, 1 / 0.005), (0.1, 1 / 0.2))
    mean = sum(w * (1 - math.exp(-r * d)) / r for w, r in parts) + sum(
        w * v * math.exp(-r * d) / (r + q) for w, r in parts for v, q in parts
    )
    late = hedged(response_tail=two_speeds, delay=d)
    assert late.response == pytest.approx(mean, rel=1e-9)
    assert late.single_response == pytest.approx(0.9 * 0.005 + 0.1 * 0.2, rel=1e-9)
    # up to four attempts, on random numbers: 99.9 % intervals of 200 000 requests
    rng = np.random.default_rng(1)
    slow = rng.random((200_000, 4)) < 0.1
    times = rng.exponential(np.where(slow, 0.2, 0.005)) + 0.03 * np.arange(4)
    first = times.min(axis=1)
    sent = 1 + sum(times[:, :k].min(axis=1) > 0.03 * k for k in (1, 2, 3))
    many = hedged(response_tail=two_speeds, delay=0.03, most_attempts=4)
    for value, sample in (
        (many.response, first),
        (many.attempts, sent),
        (many.response_tail(0.05), first > 0.05),
        (many.response_tail(0.1), first > 0.1),
        (many.hedge_probability, sent > 1),
    ):
        half = SURE * float(np.std(sample)) / math.sqrt(len(sample))
        assert abs(float(np.mean(sample)) - value) < half


def test_a_hedge_at_the_95th_percentile_costs_five_per_cent() -> None:
    queue = theory.mm1(arrival_rate=50.0, service_rate=100.0)
    late = theory.hedged(
        response_tail=queue.response_tail, delay=queue.response_quantile(0.95), most_attempts=2
    )
    assert late.attempts == pytest.approx(1.05, rel=1e-9)
    p = late.response_tail(late.response_quantile(0.999))
    assert p == pytest.approx(0.001, rel=1e-9)


# --- retries -------------------------------------------------------------------------------------


def agrees_retry_attempts(retry_attempts: Callable[..., float]) -> None:
    for p in (0.0, 0.1, 0.5, 0.999, 1.0):
        for r in (0, 1, 5):
            exact = sum(Fraction(p) ** k for k in range(r + 1))
            assert retry_attempts(failure=p, retries=r) == pytest.approx(float(exact), rel=1e-14)


def sampled_chain(
    rng: np.random.Generator, own: tuple[float, ...], retries: tuple[int, ...], visits: list[int]
) -> bool:
    """Follow one request down the chain, as a caller does it; return whether it succeeded."""

    def call(tier: int) -> bool:
        for _ in range(retries[tier] + 1):
            visits[tier] += 1
            below = call(tier + 1) if tier + 1 < len(own) else True
            if below and rng.random() >= own[tier]:
                return True
        return False

    return call(0)


def agrees_retry_chain(retry_chain: Callable[..., Any]) -> None:
    own, retries = (0.05, 0.3, 0.55), (1, 2, 1)
    known = retry_chain(failures=own, retries=retries)
    rng = np.random.default_rng(1)
    rows, failed = [], []
    for _ in range(40_000):
        visits = [0, 0, 0]
        failed.append(not sampled_chain(rng, own, retries, visits))
        rows.append(visits)
    table = np.array(rows)
    for i in range(3):
        half = SURE * float(table[:, i].std()) / math.sqrt(len(table))
        assert abs(float(table[:, i].mean()) - known.attempts[i]) < half
    half = SURE * float(np.std(failed)) / math.sqrt(len(table))
    assert abs(float(np.mean(failed)) - known.failure) < half
    assert known.worst == 12
    for depth in (1, 2, 4):
        down = retry_chain(failures=(0.0,) * (depth - 1) + (1.0,), retries=2)
        assert down.attempts == tuple(3.0 ** (k + 1) for k in range(depth))
        assert down.worst == 3**depth
        assert down.failure == 1.0
    only = retry_chain(failures=(0.0, 0.0, 0.4), retries=(0, 0, 3))
    assert only.attempts == pytest.approx((1.0, 1.0, 1 + 0.4 + 0.4**2 + 0.4**3), rel=1e-14)
    assert only.failures == pytest.approx((0.4**4, 0.4**4, 0.4), rel=1e-14)


def test_a_chain_as_arrays_and_its_refusals() -> None:
    given = theory.retry_chain(failures=np.array([0.1, 0.2]), retries=np.array([1, 2]))
    assert given == theory.retry_chain(failures=[0.1, 0.2], retries=(1, 2))
    for changes, field, says in (
        ({"failures": ()}, "failures", "one number a tier"),
        ({"failures": 0.1}, "failures", "one number a tier"),
        ({"failures": (0.1, 1.1)}, "failures[1]", "a probability"),
        ({"retries": (1,)}, "retries", "has 1 entries, but must have 2, one a tier"),
        ({"retries": (1, -1)}, "retries[1]", "0 or more"),
        ({"retries": 1.5}, "retries", "whole number"),
        ({"retries": "2"}, "retries", "whole number"),
    ):
        with pytest.raises(PartError) as refused:
            theory.retry_chain(**({"failures": (0.1, 0.2), "retries": 1} | changes))  # type: ignore[arg-type]
        assert refused.value.field == field
        assert says in str(refused.value)
