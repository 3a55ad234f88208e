"""Solutions and checks of notebook 15: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes

Counts = Mapping[str, int]


def overflow(callers: Counts, hosts: Counts, home: str) -> dict[str, float]:
    """Return the share of the requests from `home` that goes to each other zone, by name.

    What counts is not how many hosts a zone has, but how many its own callers leave over.
    """
    l, u = ({zone: n / sum(of.values()) for zone, n in of.items()} for of in (callers, hosts))
    others = [zone for zone in u if zone != home]
    leave = max(0.0, 1 - u.get(home, 0.0) / l[home])
    room = {zone: max(0.0, u[zone] - l.get(zone, 0.0)) for zone in others}
    return {zone: leave * room[zone] / sum(room.values()) if leave else 0.0 for zone in others}


def _by_hosts(callers: Counts, hosts: Counts, home: str) -> dict[str, float]:
    others = {zone: n for zone, n in hosts.items() if zone != home}
    leave = max(0.0, 1 - hosts[home] / sum(hosts.values()) * sum(callers.values()) / callers[home])
    return {zone: leave * n / sum(others.values()) for zone, n in others.items()}


def _by_few_callers(callers: Counts, hosts: Counts, home: str) -> dict[str, float]:
    kept = 1 - sum(_by_hosts(callers, hosts, home).values())
    few = {zone: 1 / max(callers[zone], 1e-9) for zone in hosts if zone != home}
    return {zone: (1 - kept) * n / sum(few.values()) for zone, n in few.items()}


def _with_debts(callers: Counts, hosts: Counts, home: str) -> dict[str, float]:
    l, u = ({zone: n / sum(of.values()) for zone, n in of.items()} for of in (callers, hosts))
    leave = max(0.0, 1 - u[home] / l[home])
    room = {zone: u[zone] - l[zone] for zone in u if zone != home}
    return {zone: leave * left / sum(room.values()) for zone, left in room.items()}


def _all_that_there_is(callers: Counts, hosts: Counts, home: str) -> dict[str, float]:
    l, u = ({zone: n / sum(of.values()) for zone, n in of.items()} for of in (callers, hosts))
    return {zone: max(0.0, u[zone] - l[zone]) for zone in u if zone != home}


def _close(**expected: float) -> Any:
    told = ", ".join(f"{zone!r}: {share:.4f}" for zone, share in expected.items())

    def fits(got: Any) -> bool:
        zones = {*expected, *got}
        return all(abs(got.get(zone, 0.0) - expected.get(zone, 0.0)) < 1e-6 for zone in zones)

    return passes(f"{{{told}}} (zones that get nothing may be left out)", fits)


@exercise("15.overflow", wrong=[_by_hosts, _by_few_callers, _with_debts, _all_that_there_is])
def check_overflow(
    answer: Callable[[dict[str, int], dict[str, int], str], dict[str, float]],
) -> Iterator[Case]:
    """The colleague's two tests; then zones whose callers are not alike, worked out by hand."""
    four = {"a": 4, "b": 4, "c": 4}
    yield case(answer, {"a": 6, "b": 3, "c": 3}, four, "a", expected=_close(b=1 / 6, c=1 / 6))
    uneven = {"a": 5, "b": 10, "c": 5}
    yield case(answer, {"a": 4, "b": 4, "c": 2}, uneven, "a", expected=_close(b=0.25, c=0.125))
    yield case(answer, {"a": 6, "b": 4, "c": 2}, four, "a", expected=_close(c=1 / 3))
    yield case(answer, {"a": 6, "b": 4, "c": 2}, four, "c", expected=_close())
    yield case(answer, {"a": 5, "b": 5, "c": 2}, four, "b", expected=_close(c=0.2))
    # 1/2 - 2/12 and 1/4 - 1/12 are left: two thirds of what leaves, and one third
    half = {"a": 3, "b": 6, "c": 3}
    yield case(answer, {"a": 9, "b": 2, "c": 1}, half, "a", expected=_close(b=4 / 9, c=2 / 9))


def spill_in_time(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with no overprovisioning: the share of hosts that is gone goes over.

    Seven hosts get 70 % of 400 a second, 40 each.  At 80 % busy the factor may be 1 / 0.8 at most,
    and at 1.25 hosts would be just full.
    """
    return scenario.replace("orders", eligible=ml.Eligible(overprovisioning=1.0))


def _morning(healthy: int) -> ml.Scenario:
    hosts = [
        ml.Endpoint(f"{zone}{k}", zone=zone, priority=level)
        for level, zone in enumerate("ab")
        for k in range(10)
    ]
    return ml.Scenario(
        ml.Poisson("customers", rate=400.0, to="orders"),
        ml.Service(
            "orders",
            endpoints=tuple(hosts),
            service_time=ml.Exponential(mean=0.020),
            balancer=ml.Random(),
            policy=ml.Policy(per_try_timeout=1.0),
            changes=tuple(ml.Fail(at=0.0, endpoint=f"a{k}") for k in range(healthy, 10)),
        ),
    )


def _with(**fields: Any) -> Callable[[ml.Scenario], ml.Scenario]:
    return lambda scenario: scenario.replace("orders", eligible=ml.Eligible(**fields))


@exercise(
    "15.spill_in_time",
    wrong=[
        _with(),
        _with(overprovisioning=1.4, panic=0.8),
        _with(overprovisioning=1.2),
        _with(overprovisioning=2.0),
        _with(overprovisioning=0.8),
        lambda scenario: scenario.replace("orders", capacity=25),
        lambda scenario: scenario,
    ],
)
def check_spill_in_time(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Only the rule may change; then a morning with all hosts, and the one with seven."""
    before = _morning(7)

    def all_but_the_rule() -> ml.Scenario:
        return answer(before).replace("orders", eligible=ml.Eligible())

    def over() -> float:
        rows = ml.simulate(answer(_morning(10)), until=3.0, seed=1).requests
        return float(100.0 * (rows["endpoint"] >= 10).mean())

    def late() -> float:
        rows = ml.simulate(answer(before), until=30.0, seed=1).requests
        there = rows["arrival"].between(20.0, 28.0)
        return float(100.0 * (rows["outcome"][there] == "ok").mean())

    yield case(
        all_but_the_rule,
        says="everything but eligible=",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        over,
        says="all hosts of a are healthy: the requests that go to b, in per cent",
        expected=passes("0", lambda percent: percent == 0.0),
    )
    yield case(
        late,
        says="seven hosts of a are healthy: the requests that are answered, in per cent",
        expected=passes("at least 99", lambda percent: percent >= 99.0),
    )


def levels(healthy: Sequence[int], hosts: Sequence[int]) -> list[int]:
    """Return the per cent of the requests for each level (two lists of numbers of hosts)."""
    health = [min(100, 140 * well // of) for well, of in zip(healthy, hosts, strict=True)]
    whole = min(100, sum(health))
    loads: list[int] = []
    for part in health:
        loads.append(min(part * 100 // whole, 100 - sum(loads)))
    first = next(level for level, part in enumerate(health) if part)
    loads[first] += 100 - sum(loads)
    return loads


def _without_scaling(healthy: Sequence[int], hosts: Sequence[int]) -> list[int]:
    loads: list[int] = []
    for well, of in zip(healthy, hosts, strict=True):
        loads.append(min(140 * well // of, 100 - sum(loads)))
    return loads


def _rest_to_the_first(healthy: Sequence[int], hosts: Sequence[int]) -> list[int]:
    loads = _rest_lost(healthy, hosts)
    return [loads[0] + 100 - sum(loads), *loads[1:]]


def _rest_lost(healthy: Sequence[int], hosts: Sequence[int]) -> list[int]:
    health = [min(100, 140 * well // of) for well, of in zip(healthy, hosts, strict=True)]
    loads: list[int] = []
    for part in health:
        loads.append(min(part * 100 // min(100, sum(health)), 100 - sum(loads)))
    return loads


def _rounded(healthy: Sequence[int], hosts: Sequence[int]) -> list[int]:
    health = [min(100, round(140 * well / of)) for well, of in zip(healthy, hosts, strict=True)]
    loads: list[int] = []
    for part in health:
        loads.append(min(round(part * 100 / min(100, sum(health))), 100 - sum(loads)))
    return loads


@exercise("15.levels", wrong=[_without_scaling, _rest_to_the_first, _rest_lost, _rounded])
def check_levels(answer: Callable[[list[int], list[int]], list[int]]) -> Iterator[Case]:
    """From all healthy to rounding that leaves something over; every line worked out by hand."""
    yield case(answer, [10, 10], [10, 10], expected=[100, 0])
    yield case(answer, [7, 10], [10, 10], expected=[98, 2])
    yield case(answer, [25, 100], [100, 100], expected=[35, 65])
    # 140 x 2 // 3 = 93
    yield case(answer, [2, 3], [3, 3], expected=[93, 7])
    # 35 and 35 are 70 in all: half each
    yield case(answer, [25, 25], [100, 100], expected=[50, 50])
    # three times 14 are 42: 33 each, and 1 is left over
    yield case(answer, [10, 10, 10], [100, 100, 100], expected=[34, 33, 33])
    yield case(answer, [0, 10, 10, 10], [50, 100, 100, 100], expected=[0, 34, 33, 33])
