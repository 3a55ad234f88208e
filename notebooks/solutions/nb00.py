"""Solutions and checks of notebook 00: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes


def lost(made: list[str], handled: list[str]) -> list[str]:
    """Return the orders in `made` that were never handled, in the order in which they were made."""
    return [order for order in made if order not in handled]


def _from_the_end(made: list[str], handled: list[str]) -> list[str]:
    return made[len(handled) :]


def _how_many(made: list[str], handled: list[str]) -> int:
    return len(made) - len(handled)


@exercise("00.lost", wrong=[_from_the_end, _how_many, lambda made, handled: []])
def check_lost(answer: Callable[..., list[str]]) -> Iterator[Case]:
    """The third case has lost one although the numbers agree: "c" was handled twice."""
    yield case(answer, ["a", "b", "c"], [], expected=["a", "b", "c"])
    yield case(answer, ["a", "b", "c"], ["b"], expected=["a", "c"])
    yield case(answer, ["a", "b", "c"], ["c", "a", "c"], expected=["b"])
    yield case(answer, ["a", "b", "c"], ["c", "b", "a"], expected=[])


def fast_enough(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` (`ten_servers`) with as many replicas as needed, and no more."""
    return scenario.replace("orders", replicas=12)


def _ten_servers() -> ml.Scenario:
    minute = ml.Replay(
        "shop",
        ml.data_path("measured/requests.csv.gz"),
        time="scheduled_s",
        service_time="service_s",
        to="orders",
    )
    return ml.Scenario(minute, ml.Service("orders", replicas=10))


def _another_balancer(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("orders", balancer=ml.LeastRequest(choices=2))


def _two_workers(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("orders", workers=2)


@exercise(
    "00.fast_enough",
    wrong=[
        _another_balancer,
        _two_workers,
        lambda scenario: scenario.replace("orders", replicas=11),
        lambda scenario: scenario.replace("orders", replicas=13),
        lambda scenario: scenario,
    ],
)
def check_fast_enough(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """GI/M/1 says 139 ms for 12 back ends and 159 ms for 11; the recorded minute, 133 and 153."""
    before = _ten_servers()

    def p99() -> float:
        return float(np.quantile(ml.simulate(answer(before), seed=1).latencies(), 0.99))

    def all_but_replicas() -> ml.Scenario:
        return answer(before).replace("orders", replicas=10)

    def replicas() -> int:
        service = answer(before)["orders"]
        assert isinstance(service, ml.Service)
        return service.replicas

    yield case(
        all_but_replicas,
        says="everything but the number of replicas",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        p99,
        says="the p99 of your scenario, s",
        expected=passes("less than 0.15", lambda seconds: seconds < 0.15),
    )
    yield case(
        replicas,
        says="the number of replicas",
        expected=passes("the smallest that will do", lambda number: number == 12),
    )


def coffee_bar() -> ml.Scenario:
    """Return the coffee bar as a scenario."""
    return ml.Scenario(
        ml.Poisson("customers", rate=1 / 30, to="line"),
        ml.Queue("line"),
        ml.Handler("baristas", source="line", work=ml.Exponential(mean=50.0), workers=2),
    )


def _two_lines() -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("customers", rate=1 / 30, to="line"),
        ml.Service("line", replicas=2, service_time=ml.Exponential(mean=50.0)),
    )


def _one_barista() -> ml.Scenario:
    return coffee_bar().replace("baristas", workers=1)


def _a_rate_of_thirty() -> ml.Scenario:
    return coffee_bar().replace("customers", rate=30.0)


def _always_fifty() -> ml.Scenario:
    return coffee_bar().replace("baristas", work=ml.Deterministic(value=50.0))


@exercise("00.coffee_bar", wrong=[_two_lines, _one_barista, _a_rate_of_thirty, _always_fifty])
def check_coffee_bar(answer: Callable[[], ml.Scenario]) -> Iterator[Case]:
    """M/M/2 at a load of 5/6: by Erlang C a wait of 25/33 * 150 s, in all 1800/11 s."""

    def column(name: str) -> float:
        load = answer().check()
        return float(load.loc[load["bottleneck"], name].iloc[0])

    yield case(answer, expected=passes("a Scenario", lambda got: isinstance(got, ml.Scenario)))
    yield case(lambda: column("arrival_rate"), says="customers a second", expected=1 / 30)
    yield case(lambda: column("workers"), says="baristas", expected=2)
    yield case(lambda: column("utilisation"), says="how busy they are", expected=5 / 6)
    yield case(
        lambda: float(ml.simulate(answer(), requests=100_000, seed=1).latencies().mean()),
        says="seconds from coming in to coffee",
        expected=1800 / 11,
        within=0.1,
    )
