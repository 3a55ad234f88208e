"""Solutions and checks of notebook 08: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes


def equally_busy(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with weights such that all its servers are equally busy."""
    service = scenario["orders"]
    assert isinstance(service, ml.Service)
    weighted = tuple(ml.Endpoint(e.name, speed=e.speed, weight=e.speed) for e in service.endpoints)
    return scenario.replace("orders", endpoints=weighted)


def _shop(speeds: Sequence[float], rate: float) -> ml.Scenario:
    servers = tuple(ml.Endpoint(f"orders-{i}", speed=speed) for i, speed in enumerate(speeds))
    return ml.Scenario(
        ml.Poisson("customers", rate=rate, to="orders"),
        ml.Service("orders", endpoints=servers, service_time=ml.Exponential(mean=0.020)),
    )


def _endpoints(scenario: ml.Scenario) -> tuple[ml.Endpoint, ...]:
    service = scenario["orders"]
    assert isinstance(service, ml.Service)
    return service.endpoints


def _upside_down(scenario: ml.Scenario) -> ml.Scenario:
    weighted = tuple(
        ml.Endpoint(e.name, speed=e.speed, weight=1 / e.speed) for e in _endpoints(scenario)
    )
    return scenario.replace("orders", endpoints=weighted)


def _mended(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("orders", endpoints=(), replicas=len(_endpoints(scenario)))


def _only_the_slowest(scenario: ml.Scenario) -> ml.Scenario:
    slowest = min(e.speed for e in _endpoints(scenario))
    weighted = tuple(
        ml.Endpoint(e.name, speed=e.speed, weight=0.25 if e.speed == slowest else 1.0)
        for e in _endpoints(scenario)
    )
    return scenario.replace("orders", endpoints=weighted)


@exercise(
    "08.equally_busy", wrong=[_upside_down, _mended, _only_the_slowest, lambda scenario: scenario]
)
def check_equally_busy(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """With weights like speeds, all are as busy as the whole: load over the sum of the speeds."""

    def busy(scenario: ml.Scenario, rate: float) -> list[float]:
        servers = _endpoints(answer(scenario))
        weights = sum(e.weight for e in servers)
        return [rate * e.weight / weights * 0.020 / e.speed for e in servers]

    def all_but_weights(scenario: ml.Scenario) -> ml.Scenario:
        plain = tuple(ml.Endpoint(e.name, speed=e.speed) for e in _endpoints(answer(scenario)))
        return answer(scenario).replace("orders", endpoints=plain)

    small, large = _shop([1.0, 0.5], 60.0), _shop([1.0] * 8 + [0.5, 0.25], 350.0)
    yield case(
        lambda: all_but_weights(small),
        says="everything but the weights",
        expected=passes("as it was", lambda scenario: scenario == small),
    )
    # 60/s * 20 ms = 1.2 of 1.5; 350/s * 20 ms = 7 of 8.75
    yield case(
        lambda: busy(small, 60.0),
        says="the shares of time in which servers of speed 1 and 0.5 are busy",
        expected=[0.8] * 2,
    )
    yield case(
        lambda: busy(large, 350.0),
        says="the shares of time in which the ten servers are busy",
        expected=[0.8] * 10,
    )


def smooth(weights: Sequence[int], picks: int) -> list[int]:
    """Return the first `picks` picks of smooth weighted round robin, as places in `weights`."""
    current = [0] * len(weights)
    chosen = []
    for _ in range(picks):
        current = [has + weight for has, weight in zip(current, weights, strict=True)]
        best = current.index(max(current))
        current[best] -= sum(weights)
        chosen.append(best)
    return chosen


def _in_blocks(weights: Sequence[int], picks: int) -> list[int]:
    row = [place for place, weight in enumerate(weights) for _ in range(weight)]
    return [row[pick % len(row)] for pick in range(picks)]


def _last_of_the_largest(weights: Sequence[int], picks: int) -> list[int]:
    current = [0] * len(weights)
    chosen = []
    for _ in range(picks):
        current = [has + weight for has, weight in zip(current, weights, strict=True)]
        best = max(place for place, has in enumerate(current) if has == max(current))
        current[best] -= sum(weights)
        chosen.append(best)
    return chosen


def _back_to_zero(weights: Sequence[int], picks: int) -> list[int]:
    current = [0] * len(weights)
    chosen = []
    for _ in range(picks):
        current = [has + weight for has, weight in zip(current, weights, strict=True)]
        best = current.index(max(current))
        current[best] = 0
        chosen.append(best)
    return chosen


@exercise("08.smooth", wrong=[_in_blocks, _last_of_the_largest, _back_to_zero])
def check_smooth(answer: Callable[[Sequence[int], int], list[int]]) -> Iterator[Case]:
    """The example of nginx's own commit, and what nginx 1.22.1 did (data/balancing)."""
    yield case(answer, [1, 1, 1], 7, expected=[0, 1, 2, 0, 1, 2, 0])
    yield case(answer, [5, 1, 1], 7, expected=[0, 0, 1, 0, 2, 0, 0])
    yield case(answer, [1, 2, 3, 5, 8, 13, 1], 12, expected=NGINX_SEVEN)
    yield case(answer, [4, 4, 2, 7, 1, 1, 9, 3, 6, 2], 12, expected=NGINX_TEN)


# the first rows of data/balancing/nginx-round-robin.csv.gz
NGINX_SEVEN = [5, 4, 3, 5, 2, 4, 5, 1, 5, 3, 4, 5]
NGINX_TEN = [6, 3, 8, 0, 1, 7, 6, 3, 2, 8, 9, 6]
