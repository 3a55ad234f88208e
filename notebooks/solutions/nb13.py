"""Solutions and checks of notebook 13: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes

Rule = Callable[..., int | None]


def in_a_row(passed: Sequence[bool], unhealthy: int = 3) -> int | None:
    """Return after how many checks a pod counts as unhealthy, or None; `passed` has the results.

    A success sets the counter back.  Without that, failures add up over the days, and with one
    check in a hundred lost every pod has its third one after some 300 checks.
    """
    failures = 0
    for number, good in enumerate(passed, start=1):
        failures = 0 if good else failures + 1
        if failures == unhealthy:
            return number
    return None


def _colleague(passed: Sequence[bool], unhealthy: int = 3) -> int | None:
    failures = 0
    for number, good in enumerate(passed, start=1):
        failures += not good
        if failures == unhealthy:
            return number
    return None


def _always_three(passed: Sequence[bool], unhealthy: int = 3) -> int | None:
    return in_a_row(passed, 3)


def _one_more(passed: Sequence[bool], unhealthy: int = 3) -> int | None:
    return in_a_row(passed, unhealthy + 1)


def _only_at_the_end(passed: Sequence[bool], unhealthy: int = 3) -> int | None:
    last = list(passed)[-unhealthy:]
    return len(passed) if len(last) == unhealthy and not any(last) else None


def _counts_down(passed: Sequence[bool], unhealthy: int = 3) -> int | None:
    failures = 0
    for number, good in enumerate(passed, start=1):
        failures = max(0, failures - 1) if good else failures + 1
        if failures == unhealthy:
            return number
    return None


@exercise(
    "13.in_a_row", wrong=[_colleague, _always_three, _one_more, _only_at_the_end, _counts_down]
)
def check_in_a_row(answer: Rule) -> Iterator[Case]:
    """Results that were judged by hand."""
    good, bad = True, False
    yield case(answer, [good, good, bad, bad, bad], expected=5)
    yield case(answer, [bad, bad], expected=None)
    yield case(answer, [bad, good, bad, good, bad], expected=None)
    yield case(answer, [bad, bad, good, bad, bad, good], expected=None)
    yield case(answer, [bad, bad, good, bad, bad, bad, good], expected=6)
    yield case(answer, [good, bad, bad], unhealthy=2, expected=3)
    yield case(answer, [good] * 1000 + [bad], unhealthy=1, expected=1001)


def nothing_lost(life: ml.PodLife) -> ml.PodLife:
    """Return the pod's life, changed so that nothing is lost (seconds).

    The grace period covers the hook.  With 30 s, which is the default, the hook is cut off and the
    pod gets SIGTERM after 30 s, whatever the hook says.
    """
    return replace(life, grace=70.0)


def _with(**fields: Any) -> Callable[[ml.PodLife], ml.PodLife]:
    return lambda life: replace(life, **fields)


@exercise(
    "13.nothing_lost",
    wrong=[
        lambda life: life,
        _with(pre_stop=30.0),
        _with(pre_stop=120.0),
        _with(pre_stop=120.0, grace=200.0),
        _with(pre_stop=40.0, grace=70.0),
        _with(grace=60.0, pre_stop=55.0),
        _with(on_term="serves"),
    ],
)
def check_nothing_lost(answer: Callable[[ml.PodLife], ml.PodLife]) -> Iterator[Case]:
    """What the server does at SIGTERM stays as it is; then when it is sent; then a deployment."""
    given = ml.PodLife(pre_stop=65.0, on_term="refuses", shutdown=1.0)

    def lost() -> int:
        changes: list[Any] = []
        for k in range(10):
            changes.append(ml.Join(at=10.0 + 5 * k, endpoint=ml.Endpoint(f"new-{k}")))
            changes.append(ml.Drain(at=10.0 + 5 * k, endpoint=f"orders-{k}"))
        orders = ml.Service(
            "orders",
            replicas=10,
            proxies=40,
            balancer=ml.Random(),
            service_time=ml.Exponential(mean=0.010),
            changes=tuple(changes),
        )
        names = ml.ServiceDiscovery(
            "names", by=ml.Dns(ttl=30, resolvers=4, refresh=30.0), life=answer(given)
        )
        customers = ml.Poisson("customers", rate=20.0, to="orders")
        run = ml.simulate(ml.Scenario(customers, orders, names), until=140.0, seed=1)
        return int((run.calls["outcome"] == "unavailable").sum())

    yield case(
        lambda: replace(answer(given), pre_stop=65.0, grace=30.0),
        says="everything but the pause and the grace period",
        expected=passes("as it was", lambda life: life == given),
    )
    yield case(
        lambda: answer(given).ending(deleted=0.0, shutdown=1.0).gone,
        says="when the pod is gone, seconds after its deletion",
        expected=passes("at most 70", lambda gone: gone <= 70.0),
    )
    yield case(
        lambda: answer(given).ending(deleted=0.0, shutdown=1.0).term,
        says="when it gets SIGTERM, seconds after its deletion",
        expected=passes("60 at least, for lists are up to 60 s old", lambda term: term >= 60.0),
    )
    yield case(lost, says="the requests that the deployment loses", expected=0)


def lost(rate: float, ttl: float, pause: float) -> float:
    """Return how many requests a deployment loses (requests/s, seconds, seconds).

    What is left of an answer is u, between 0 and the TTL, each equally likely; the list is wrong
    for u - pause, where that is more than 0.  The mean of it is (ttl - pause)^2 / (2 ttl).
    """
    left = max(0.0, ttl - pause)
    return rate * left**2 / (2 * ttl)


@exercise(
    "13.lost",
    wrong=[
        lambda rate, ttl, pause: rate * (ttl / 2 - pause),
        lambda rate, ttl, pause: rate * max(0.0, ttl / 2 - pause),
        lambda rate, ttl, pause: rate * max(0.0, ttl - pause) / 2,
        lambda rate, ttl, pause: rate * (ttl - pause) ** 2 / (2 * ttl),
        lambda rate, ttl, pause: 20.0 * max(0.0, ttl - pause) ** 2 / (2 * ttl),
    ],
)
def check_lost(answer: Callable[[float, float, float], float]) -> Iterator[Case]:
    """Without a pause; half of the TTL; all of it; more than that; another rate and TTL."""
    yield case(answer, 20.0, 30.0, 0.0, expected=300.0)
    yield case(answer, 20.0, 30.0, 15.0, expected=75.0)
    yield case(answer, 20.0, 30.0, 30.0, expected=0.0)
    yield case(answer, 20.0, 30.0, 45.0, expected=0.0)
    yield case(answer, 100.0, 5.0, 1.0, expected=160.0)
