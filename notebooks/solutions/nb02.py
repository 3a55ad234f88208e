"""Solutions and checks of notebook 02: look here after you have tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes

Seconds = NDArray[np.float64]


def mean_in_system(arrival: Seconds, finish: Seconds, end: float) -> float:
    """Return the mean number inside from 0 to `end`, by Little's law.

    Whoever is still inside at `end` has been there since the arrival: that time counts, and those
    customers count in the rate.
    """
    stay = np.where(np.isnan(finish), end, finish) - arrival
    rate = len(arrival) / end
    return float(rate * stay.mean())


def _hasty(arrival: Seconds, finish: Seconds, end: float) -> float:
    return float(len(arrival) / end * np.nanmean(finish - arrival))


def _only_who_left(arrival: Seconds, finish: Seconds, end: float) -> float:
    left = ~np.isnan(finish)
    return float(left.sum() / end * (finish - arrival)[left].mean())


@exercise("02.mean_in_system", wrong=[_hasty, _only_who_left])
def check_mean_in_system(answer: Callable[..., float]) -> Iterator[Case]:
    """Areas counted by hand: customer-seconds inside, over the seconds."""
    nan = math.nan
    # everybody has left: 2 + 1 customer-seconds in 4 s
    yield case(answer, np.array([0.0, 1.0]), np.array([2.0, 2.0]), 4.0, expected=0.75)
    # two are still there: 2 + 2 + 2 + 1 customer-seconds in 4 s
    arrival, finish = np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0, 3.0, nan, nan])
    yield case(answer, arrival, finish, 4.0, expected=1.75)
    # nobody has left: 10 + 5 customer-seconds in 10 s
    yield case(answer, np.array([0.0, 5.0]), np.array([nan, nan]), 10.0, expected=1.5)


def calmer(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with a service that always takes 20 ms: its scv falls from 1 to 0."""
    return scenario.replace("checkout", service_time=ml.Deterministic(value=0.020))


def _shop(service_time: ml.Distribution) -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("customers", rate=47.5, to="checkout"),
        ml.Service("checkout", service_time=service_time),
    )


def _second_worker(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("checkout", workers=2)


def _quicker(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("checkout", service_time=ml.Exponential(mean=0.018))


def _hardly_calmer(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("checkout", service_time=ml.Erlang(mean=0.020, stages=2))


@exercise("02.calmer", wrong=[_second_worker, _quicker, _hardly_calmer, lambda scenario: scenario])
def check_calmer(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Only the service time may change, and not its mean; the wait is that of M/G/1."""
    before = _shop(ml.Exponential(mean=0.020))

    def all_but_service_time() -> ml.Scenario:
        usual = ml.Exponential(mean=0.020)
        return answer(before).replace("checkout", service_time=usual)

    def service_time() -> ml.Distribution:
        service = answer(before)["checkout"]
        assert isinstance(service, ml.Service)
        assert isinstance(service.service_time, ml.Distribution)
        return service.service_time

    def mean_wait() -> float:
        service = service_time()
        return ml.theory.mg1(
            arrival_rate=47.5, service_mean=service.mean, service_scv=service.scv
        ).wait

    yield case(
        all_but_service_time,
        says="everything but the service time",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(lambda: service_time().mean, says="the mean service time, s", expected=0.020)
    yield case(
        mean_wait,
        says="the mean wait of your shop, s",
        expected=passes("less than 0.2", lambda wait: wait < 0.2),
    )


def fewest_workers(arrival_rate: float, service_mean: float, limit: float) -> int:
    """Return the smallest number of workers whose mean wait, in seconds, is at most `limit`."""
    workers = math.floor(arrival_rate * service_mean) + 1
    rates = {"arrival_rate": arrival_rate, "service_rate": 1 / service_mean}
    while ml.theory.mmc(**rates, servers=workers).wait > limit:
        workers += 1
    return workers


def _enough_to_keep_up(arrival_rate: float, service_mean: float, limit: float) -> int:
    return math.floor(arrival_rate * service_mean) + 1


def _separate_queues(arrival_rate: float, service_mean: float, limit: float) -> int:
    load = arrival_rate * service_mean  # of M/M/1: busy <= limit / (limit + service_mean)
    return math.ceil(load * (limit + service_mean) / limit)


@exercise("02.fewest_workers", wrong=[_enough_to_keep_up, _separate_queues])
def check_fewest_workers(answer: Callable[..., int]) -> Iterator[Case]:
    """Compare with Erlang C in fractions: load 1 waits 1/3 at 2, 1/22 at 3, 1/147 at 4 workers."""
    yield case(answer, 1.0, 1.0, 0.4, expected=2)
    yield case(answer, 1.0, 1.0, 0.3, expected=3)
    yield case(answer, 1.0, 1.0, 0.04, expected=4)
    # load 7.2: 17.5 ms at 8 workers, 4.80 ms at 9, 1.81 ms at 10
    yield case(answer, 360.0, 0.020, 0.005, expected=9)
    yield case(answer, 360.0, 0.020, 0.004, expected=10)
