"""The M/G/1 family: phase-type chains solved by brute force, and random numbers for the rest.

Service times are mixtures of sums of exponential phases, so that every system is a Markov chain
whose state holds the phase; lognormal and uniform ones go through Lindley's recursion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_lab.theory import (
    batch_mg1,
    batch_mm1,
    kingman_approximation,
    md1,
    mg1,
    mg1_priority,
    mg1_ps,
    mm1,
)

from .test_theory_oracles import lindley, mean_interval, mean_of, steady_state

quick = settings(derandomize=True, deadline=None, max_examples=60)

# A service time: (probability, stages, rate of a stage) for each kind of request.
Phases = tuple[tuple[float, int, float], ...]
ERLANG: Phases = ((1.0, 3, 7.5),)  # mean 0.4, so that a forgotten unit of time is seen
MIXED: Phases = ((0.9, 1, 2.0), (0.1, 2, 2.0 / 5.5))
PLAIN: Phases = ((1.0, 1, 1.0),)


def moments(service: Phases) -> tuple[float, float]:
    """Return mean and squared coefficient of variation."""
    mean = sum(p * k / rate for p, k, rate in service)
    second = sum(p * k * (k + 1) / rate**2 for p, k, rate in service)
    return mean, second / mean**2 - 1.0


def starts(service: Phases) -> list[tuple[tuple[int, int], float]]:
    """Return the first phase (kind, stages left) of a service, and its probability."""
    return [((kind, stages), p) for kind, (p, stages, _) in enumerate(service)]


def fifo(arrival: float, sizes: dict[int, float], service: Phases, most: int) -> dict[Any, float]:
    """Return the steady state of M^[X]/PH/1: (number there, phase in service)."""

    def moves(state: tuple[int, Any]) -> list[tuple[Any, float]]:
        n, phase = state
        out: list[tuple[Any, float]] = []
        for size, p in sizes.items():
            if n + size > most:
                continue
            if n:
                out.append(((n + size, phase), arrival * p))
            else:
                out += [((size, first), arrival * p * q) for first, q in starts(service)]
        if n:
            kind, left = phase
            rate = service[kind][2]
            if left > 1:
                out.append(((n, (kind, left - 1)), rate))
            elif n > 1:
                out += [((n - 1, first), rate * q) for first, q in starts(service)]
            else:
                out.append(((0, None), rate))
        return out

    return steady_state(moves, (0, None))


def shared(arrival: float, service: Phases, most: int) -> dict[Any, float]:
    """Return the steady state of M/PH/1 under processor sharing: how many in each phase."""
    phases = [(kind, left) for kind, (_, k, _) in enumerate(service) for left in range(k, 0, -1)]

    def moves(state: tuple[int, ...]) -> list[tuple[Any, float]]:
        n, out = sum(state), []
        for (kind, left), p in starts(service):
            if n < most:
                at = phases.index((kind, left))
                out.append((tuple(v + (i == at) for i, v in enumerate(state)), arrival * p))
        for i, (kind, left) in enumerate(phases):
            if state[i]:
                to = phases.index((kind, left - 1)) if left > 1 else -1
                after = tuple(v - (j == i) + (j == to) for j, v in enumerate(state))
                out.append((after, service[kind][2] * state[i] / n))
        return out

    return steady_state(moves, (0,) * len(phases))


def two_classes(
    rates: tuple[float, float], services: tuple[Phases, Phases], preemptive: bool, most: int
) -> dict[Any, float]:
    """Return the steady state of two priority classes.

    A state is (numbers there of each class, class in service, phase of each class's started
    request); with preemption the second class keeps the phase where it was interrupted.
    """

    def serving(n: tuple[int, int], current: int | None, phase: tuple[Any, Any]) -> Any:
        """Return the states, with probabilities, after the server has looked whom to serve."""
        if current is None:
            current = 0 if n[0] else 1 if n[1] else None
        elif preemptive and n[0]:
            current = 0
        if current is None:
            return [(((0, 0), None, (None, None)), 1.0)]
        if phase[current] is not None:
            return [((n, current, phase), 1.0)]
        return [
            ((n, current, (first, phase[1]) if current == 0 else (phase[0], first)), p)
            for first, p in starts(services[current])
        ]

    def moves(state: Any) -> list[tuple[Any, float]]:
        n, current, phase = state
        out = []
        for k in (0, 1):
            if n[k] < most:
                more = (n[0] + (k == 0), n[1] + (k == 1))
                out += [(s, rates[k] * p) for s, p in serving(more, current, phase)]
        if current is not None:
            kind, left = phase[current]
            rate = services[current][kind][2]
            then = (kind, left - 1) if left > 1 else None
            after = (then, phase[1]) if current == 0 else (phase[0], then)
            if then is not None:
                out.append(((n, current, after), rate))
            else:
                less = (n[0] - (current == 0), n[1] - (current == 1))
                out += [(s, rate * p) for s, p in serving(less, None, after)]
        return out

    return steady_state(moves, ((0, 0), None, (None, None)))


def agrees_mg1(model: Callable[..., Any]) -> None:
    for service in (ERLANG, MIXED, PLAIN):
        mean, scv = moments(service)
        arrival = 0.6 / mean
        p = fifo(arrival, {1: 1.0}, service, 230)
        result = model(arrival_rate=arrival, service_mean=mean, service_scv=scv)
        in_system = mean_of(p, lambda s: s[0])
        assert result.in_system == pytest.approx(in_system, rel=1e-9)
        assert result.response == pytest.approx(in_system / arrival, rel=1e-9)
        assert result.wait == pytest.approx(in_system / arrival - mean, rel=1e-9)
        assert result.in_queue == pytest.approx(mean_of(p, lambda s: max(s[0] - 1, 0)), rel=1e-9)
        idle = p[0, None]
        assert result.utilisation == pytest.approx(1.0 - idle, rel=1e-9)
        assert result.wait_probability == pytest.approx(1.0 - idle, rel=1e-9)
        # A renewal argument: idle times last 1/arrival, busy periods the rest.
        assert result.busy_period == pytest.approx((1.0 - idle) / idle / arrival, rel=1e-9)


def agrees_mg1_ps(model: Callable[..., Any]) -> None:
    for service in (((1.0, 2, 5.0),), ((0.9, 1, 2.0), (0.1, 1, 2.0 / 11.0))):
        mean, _ = moments(service)
        arrival = 0.5 / mean
        p = shared(arrival, service, 40)
        result = model(arrival_rate=arrival, service_mean=mean)
        in_system = mean_of(p, sum)
        assert result.in_system == pytest.approx(in_system, rel=1e-9)
        assert result.response == pytest.approx(in_system / arrival, rel=1e-9)
        assert result.wait == pytest.approx(in_system / arrival - mean, rel=1e-9)
        assert result.in_queue == pytest.approx(arrival * result.wait, rel=1e-9)
        for n in (0, 1, 4):
            share = math.fsum(q for state, q in p.items() if sum(state) == n)
            assert result.in_system_probability(n) == pytest.approx(share, rel=1e-9)
    # Each kind of the mixture separately: response in proportion to its size.
    service = ((0.9, 1, 2.0), (0.1, 1, 2.0 / 11.0))
    for kind, (p_kind, _, rate) in enumerate(service):
        here = mean_of(p, lambda state, i=kind: state[i])  # type: ignore[misc]
        assert result.response_of(1.0 / rate) == pytest.approx(here / (arrival * p_kind), rel=1e-9)


def agrees_priority(model: Callable[..., Any]) -> None:
    services = (((1.0, 2, 4.0),), ((0.8, 1, 2.0), (0.2, 1, 0.5)))
    rates = (0.3, 0.4)
    means, scvs = zip(*(moments(s) for s in services), strict=True)
    for preemptive in (False, True):
        p = two_classes(rates, services, preemptive, 60)
        result = model(
            arrival_rates=rates, service_means=means, service_scvs=scvs, preemptive=preemptive
        )
        for k in (0, 1):
            there = mean_of(p, lambda s, i=k: s[0][i])  # type: ignore[misc]
            one = result.classes[k]
            assert one.in_system == pytest.approx(there, rel=1e-9)
            assert one.response == pytest.approx(there / rates[k], rel=1e-9)
            assert one.wait == pytest.approx(there / rates[k] - means[k], rel=1e-9)
            assert one.in_queue == pytest.approx(rates[k] * one.wait, rel=1e-12)
            assert one.utilisation == pytest.approx(rates[k] * means[k], rel=1e-12)
            # Those never started yet: there, and not the one with a phase.
            fresh = mean_of(p, lambda s, i=k: s[0][i] - (s[2][i] is not None))  # type: ignore[misc]
            assert one.wait_to_start == pytest.approx(fresh / rates[k], rel=1e-9)
        total = mean_of(p, lambda s: sum(s[0]))
        assert result.in_system == pytest.approx(total, rel=1e-9)
        assert result.response == pytest.approx(total / sum(rates), rel=1e-9)
        assert result.wait == pytest.approx(result.in_queue / sum(rates), rel=1e-12)


def agrees_batch_mm1(model: Callable[..., Any]) -> None:
    for sizes in ({4: 1.0}, {1: 0.5, 2: 0.25, 9: 0.25}):
        mean = sum(size * p for size, p in sizes.items())
        rate = 0.5 / mean
        p = fifo(rate, sizes, PLAIN, 400)
        result = model(batch_rate=rate, batch_size=sizes, service_rate=1.0)
        in_system = mean_of(p, lambda s: s[0])
        assert result.in_system == pytest.approx(in_system, rel=1e-9)
        assert result.response == pytest.approx(in_system / (rate * mean), rel=1e-9)
        assert result.in_queue == pytest.approx(mean_of(p, lambda s: max(s[0] - 1, 0)), rel=1e-9)
        assert result.wait == pytest.approx(result.in_queue / (rate * mean), rel=1e-9)
        # A batch finds the time average (PASTA) and waits for a service each.
        assert result.batch_wait == pytest.approx(in_system, rel=1e-9)
        assert result.wait_probability == pytest.approx(1.0 - p[0, None] / mean, rel=1e-9)


def agrees_batch_mg1(model: Callable[..., Any]) -> None:
    for service in (ERLANG, MIXED):
        mean, scv = moments(service)
        sizes = {1: 0.7, 5: 0.3}
        rate = 0.5 / (2.2 * mean)
        p = fifo(rate, sizes, service, 300)
        result = model(batch_rate=rate, batch_size=sizes, service_mean=mean, service_scv=scv)
        in_system = mean_of(p, lambda s: s[0])
        assert result.in_system == pytest.approx(in_system, rel=1e-9)
        assert result.response == pytest.approx(in_system / (2.2 * rate), rel=1e-9)
        assert result.utilisation == pytest.approx(1.0 - p[0, None], rel=1e-9)


def test_mg1_is_its_chain() -> None:
    agrees_mg1(mg1)


def test_processor_sharing_is_its_chain() -> None:
    agrees_mg1_ps(mg1_ps)


def test_priorities_are_their_chains() -> None:
    agrees_priority(mg1_priority)


def test_exponential_batches_are_their_chain() -> None:
    agrees_batch_mm1(batch_mm1)


def test_general_batches_are_their_chain() -> None:
    agrees_batch_mg1(batch_mg1)


@quick
@given(load=st.floats(0.01, 0.99), mean=st.floats(1e-3, 1e3), scv=st.floats(0.0, 50.0))
def test_special_cases_meet(load: float, mean: float, scv: float) -> None:
    arrival = load / mean
    exponential = mg1(arrival_rate=arrival, service_mean=mean, service_scv=1.0)
    assert exponential.wait == pytest.approx(
        mm1(arrival_rate=arrival, service_rate=1.0 / mean).wait, rel=1e-10
    )
    constant = mg1(arrival_rate=arrival, service_mean=mean, service_scv=0.0)
    assert constant.wait == pytest.approx(
        md1(arrival_rate=arrival, service_mean=mean).wait, rel=1e-10
    )
    any_service = mg1(arrival_rate=arrival, service_mean=mean, service_scv=scv)
    alone = batch_mg1(batch_rate=arrival, batch_size=1, service_mean=mean, service_scv=scv)
    assert alone.wait == pytest.approx(any_service.wait, rel=1e-10)
    one_class = mg1_priority(
        arrival_rates=[arrival], service_means=[mean], service_scvs=[scv]
    ).classes[0]
    assert one_class.wait == pytest.approx(any_service.wait, rel=1e-10)
    approximate = kingman_approximation(
        arrival_rate=arrival, arrival_scv=1.0, service_mean=mean, service_scv=scv
    )
    assert approximate.wait == pytest.approx(any_service.wait, rel=1e-10)


@quick
@given(
    loads=st.lists(st.floats(0.01, 0.3), min_size=1, max_size=3),
    means=st.lists(st.floats(0.01, 10.0), min_size=3, max_size=3),
    scvs=st.lists(st.floats(0.0, 10.0), min_size=3, max_size=3),
)
def test_conservation_law(loads: list[float], means: list[float], scvs: list[float]) -> None:
    """Kleinrock: the sum of load * wait does not depend on the order of the classes."""
    size = len(loads)
    rates = [load / mean for load, mean in zip(loads, means, strict=False)]
    result = mg1_priority(arrival_rates=rates, service_means=means[:size], service_scvs=scvs[:size])
    together = sum(one.utilisation * one.wait for one in result.classes)
    residual = sum(r * m * m * (1 + v) / 2 for r, m, v in zip(rates, means, scvs, strict=False))
    total = sum(loads)
    assert together == pytest.approx(total * residual / (1.0 - total), rel=1e-9)
    waits = [one.wait for one in result.classes]
    assert waits == sorted(waits)


@quick
@given(load=st.floats(0.05, 0.9), share=st.floats(0.05, 0.95))
def test_with_preemption_the_urgent_class_is_alone(load: float, share: float) -> None:
    rates = (load * share, load * (1.0 - share))
    result = mg1_priority(
        arrival_rates=rates, service_means=(1.0, 1.0), service_scvs=(1.0, 1.0), preemptive=True
    )
    alone = mm1(arrival_rate=rates[0], service_rate=1.0)
    assert result.classes[0].response == pytest.approx(alone.response, rel=1e-10)
    # Exponential service: the number there does not notice the order, so nor does the mean.
    both = mm1(arrival_rate=load, service_rate=1.0)
    assert result.response == pytest.approx(both.response, rel=1e-10)


@pytest.mark.parametrize("kind", ["lognormal", "uniform"])
def test_a_million_waits_by_lindleys_recursion(kind: str) -> None:
    # 40 runs of 25 000 after 2 000 of warm-up; 99.9 % interval; 3 % longer service is found.
    spread = math.sqrt(math.log(2.0))
    scv = 1.0 if kind == "lognormal" else 1.0 / 3.0
    exact = mg1(arrival_rate=0.7, service_mean=1.0, service_scv=scv).wait

    def waiting(stretch: float) -> Callable[[np.random.Generator], float]:
        def run(rng: np.random.Generator) -> float:
            if kind == "lognormal":
                services = rng.lognormal(-spread * spread / 2.0, spread, 27_000)
            else:
                services = rng.uniform(0.0, 2.0, 27_000)
            waits = lindley(rng.exponential(1.0 / 0.7, 27_000), stretch * services)
            return float(waits[2_000:].mean())

        return run

    low, high = mean_interval(waiting(1.0), 40, 0.999)
    assert low < exact < high
    low, high = mean_interval(waiting(1.03), 40, 0.999)
    assert not low < exact < high
