"""Solutions and checks of notebook 03: look here after you have tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes

Seconds = NDArray[np.float64]


def percentile_of_all(latency: Seconds, outcome: NDArray[np.str_], p: float) -> float:
    """Return the seconds within which a share `p` of all customers had their answer.

    The service did not become faster. Some customers are through sooner because one in six was sent
    away, and so there is no time any more within which nine in ten are answered (before: 0.23 s).
    """
    waited = np.where(outcome == "ok", latency, math.inf)
    return float(np.quantile(waited, p, method="inverted_cdf"))


def _survivors(latency: Seconds, outcome: NDArray[np.str_], p: float) -> float:
    return float(np.quantile(latency[outcome == "ok"], p, method="inverted_cdf"))


def _a_no_is_quick(latency: Seconds, outcome: NDArray[np.str_], p: float) -> float:
    return float(np.quantile(latency, p, method="inverted_cdf"))


def _all_or_nothing(latency: Seconds, outcome: NDArray[np.str_], p: float) -> float:
    if (outcome != "ok").any():
        return math.inf
    return float(np.quantile(latency, p, method="inverted_cdf"))


@exercise("03.percentile_of_all", wrong=[_survivors, _a_no_is_quick, _all_or_nothing])
def check_percentile_of_all(answer: Callable[..., float]) -> Iterator[Case]:
    """Eleven customers, so that the 50th, 80th and 90th percentile are the 6th, 9th and 10th."""
    ok, no = "ok", "rejected"
    latency = np.array([0.4, 0.1, 1.0, 0.7, 0.2, 0.3, 0.9, 0.5, 0.6, 0.8, 1.1])
    yield case(
        answer, latency, np.array([ok] * 11), 0.9, says="all answered, p = 0.9", expected=1.0
    )
    # three were turned away at once: the 6th of all is the 6th of the eight who were answered
    latency = np.array([0.0, 0.1, 0.0, 0.7, 0.2, 0.3, 0.0, 0.5, 0.6, 0.8, 0.4])
    outcome = np.array([no, ok, no, ok, ok, ok, no, ok, ok, ok, ok])
    yield case(answer, latency, outcome, 0.5, says="3 of 11 rejected, p = 0.5", expected=0.6)
    yield case(answer, latency, outcome, 0.8, says="3 of 11 rejected, p = 0.8", expected=math.inf)
    # dropped after a wait and still in line are no answers either
    latency = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.05, math.nan])
    outcome = np.array([ok] * 9 + ["dropped", "in_flight"])
    says = "one dropped, one in flight, p = 0.8"
    yield case(answer, latency, outcome, 0.8, says=says, expected=0.9)


def clicks_first(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with clicks that interrupt invoices.

    The third condition has to go: as long as nobody is interrupted, a click that meets an invoice
    in service waits for what is left of it, whatever the order of the line.
    """
    return scenario.replace("checkout", discipline="preemptive")


def _in_order(discipline: str) -> Callable[[ml.Scenario], ml.Scenario]:
    return lambda scenario: scenario.replace("checkout", discipline=discipline)


def _second_worker(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("checkout", discipline="preemptive", workers=2)


def _work(request: Any, _: np.random.Generator) -> float:
    return 0.005 if request.priority == 0 else 0.155


@exercise(
    "03.clicks_first",
    wrong=[_in_order("priority"), _in_order("sjf"), _in_order("ps"), _second_worker],
)
def check_clicks_first(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Only the discipline may change; by theory a click takes 5.5 ms, otherwise 25 or more."""
    before = ml.Scenario(
        ml.Poisson("clicks", rate=36.0, priority=0, to="checkout"),
        ml.Poisson("invoices", rate=4.0, priority=1, to="checkout"),
        ml.Service("checkout", discipline="fifo", service_time=_work),
    )

    def all_but_discipline() -> ml.Scenario:
        return answer(before).replace("checkout", discipline="fifo")

    def mean_click() -> float:
        run = ml.simulate(answer(before), requests=20_000, seed=1)
        return float(run.latencies("clicks").mean())

    yield case(
        all_but_discipline,
        says="everything but the discipline",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        mean_click,
        says="the mean response time of a click, s",
        expected=passes("less than 0.010", lambda seconds: seconds < 0.010),
    )


def best_room(arrival_rate: float, service_rate: float, patience: float) -> int:
    """Return how many places to wait get most of all customers answered within `patience`."""

    def answered_in_time(room: int) -> float:
        steady = ml.theory.mmck(
            arrival_rate=arrival_rate, service_rate=service_rate, servers=1, waiting_room=room
        )
        return (1 - steady.blocking_probability) * (1 - steady.response_tail(patience))

    most = math.ceil(patience * service_rate)  # whoever waits behind that many is late on average
    return max(range(most + 1), key=answered_in_time)


def _as_many_as_fit(arrival_rate: float, service_rate: float, patience: float) -> int:
    return math.floor(patience * service_rate)


def _best_for_survivors(arrival_rate: float, service_rate: float, patience: float) -> int:
    return 0


@exercise("03.best_room", wrong=[_as_many_as_fit, _best_for_survivors])
def check_best_room(answer: Callable[..., int]) -> Iterator[Case]:
    """Compare with sums of gamma distributions over the states of the chain, worked out apart."""
    yield case(answer, 40.0, 50.0, 0.2, expected=7)
    yield case(answer, 60.0, 50.0, 0.2, expected=5)
    yield case(answer, 1.0, 1.0, 5.0, expected=3)
    yield case(answer, 2.0, 1.0, 3.0, expected=1)
