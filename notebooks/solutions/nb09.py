"""Solutions and checks of notebook 09: look here after you have tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes

Rule = Callable[[ml.Sight, Any], int]


def least_outstanding(sight: ml.Sight, request: Any) -> int:
    """Return one of the endpoints with the fewest outstanding requests, each equally likely.

    `min` keeps the first of a tie, and for a proxy with a tenth of the requests nearly every pick
    is a tie: all ten proxies take endpoint 0, then 1, ..., and the last ones get nothing.  With
    one proxy this does no harm, as an idle replica is an idle replica, whatever its number.
    """
    fewest = min(sight.outstanding[e] for e in sight.endpoints)
    tied = [e for e in sight.endpoints if sight.outstanding[e] == fewest]
    return int(sight.rng.choice(tied))


def _first_of_a_tie(sight: ml.Sight, request: Any) -> int:
    return min(sight.endpoints, key=lambda e: sight.outstanding[e])


def _last_of_a_tie(sight: ml.Sight, request: Any) -> int:
    return min(reversed(sight.endpoints), key=lambda e: sight.outstanding[e])


def _any(sight: ml.Sight, request: Any) -> int:
    return int(sight.rng.choice(sight.endpoints))


def _picks(rule: Rule, outstanding: Sequence[int], times: int = 600) -> Counter[int]:
    """Return how often `rule` picks each endpoint; they are numbered from 3 on."""

    def seeded(seed: int) -> Callable[[], np.random.Generator]:
        return lambda: np.random.default_rng(seed)  # the same anew each time, as in a run

    found: Counter[int] = Counter()
    for number in range(times):
        sight = ml.Sight(float(number), seeded(number))
        sight.endpoints = list(range(3, 3 + len(outstanding)))
        sight.outstanding = dict(zip(sight.endpoints, outstanding, strict=True))
        sight.weights = dict.fromkeys(sight.endpoints, 1.0)
        found[int(rule(sight, number))] += 1
    return found


def _behind_ten_proxies(rule: Rule) -> ml.Run:
    scenario = ml.Scenario(
        ml.Poisson("customers", rate=250.0, to="orders"),
        ml.Service(
            "orders",
            replicas=10,
            proxies=10,
            service_time=ml.Exponential(mean=0.020),
            balancer=rule,
        ),
    )
    return ml.simulate(scenario, requests=5_000, seed=1)


@exercise("09.least_outstanding", wrong=[_first_of_a_tie, _last_of_a_tie, _any])
def check_least_outstanding(answer: Rule) -> Iterator[Case]:
    """Picks in a known state; then no replica of a run may get more than its share by much."""
    yield case(
        lambda: dict(_picks(answer, [2, 0, 1, 3], times=20)),
        says="20 picks where endpoints 3, 4, 5, 6 have 2, 0, 1, 3 outstanding",
        expected={4: 20},
    )
    yield case(
        lambda: [_picks(answer, [1, 0, 0, 2, 0])[e] for e in (4, 5, 7)],
        says="of 600 picks, how many endpoints 4, 5 and 7 get: they have none, 3 and 6 have some",
        expected=passes(
            "600 together, each at least 100",
            lambda got: sum(got) == 600 and min(got) >= 100,
        ),
    )
    yield case(
        lambda: int(np.bincount(_behind_ten_proxies(answer).requests["endpoint"]).max()),
        says="5000 requests through ten proxies: those of the replica that gets most",
        expected=passes("at most 750", lambda most: most <= 750),
    )


def still_looking(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with two choices: 500 ms are too old for three, and for all ten.

    Random mixes in so much chance that no replica is everybody's favourite for half a second.
    """
    return scenario.replace("orders", balancer=ml.PowerOfD(choices=2, refresh=0.5))


def _slow_board(balancer: ml.Balancer) -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("customers", rate=450.0, to="orders"),
        ml.Service(
            "orders", replicas=10, service_time=ml.Exponential(mean=0.020), balancer=balancer
        ),
    )


def _with(balancer: ml.Balancer) -> Callable[[ml.Scenario], ml.Scenario]:
    return lambda scenario: scenario.replace("orders", balancer=balancer)


@exercise(
    "09.still_looking",
    wrong=[
        _with(ml.PowerOfD(choices=3, refresh=0.5)),
        _with(ml.PowerOfD(choices=2, refresh=0.1)),
        _with(ml.RoundRobin()),
        lambda scenario: scenario.replace("orders", workers=2),
        lambda scenario: scenario,
    ],
)
def check_still_looking(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Only the rule may change, and not its board; then the mean of a run of 200 000 requests."""
    before = _slow_board(ml.JoinShortestQueue(refresh=0.5))

    def all_but_the_rule() -> ml.Scenario:
        return answer(before).replace("orders", balancer=ml.JoinShortestQueue(refresh=0.5))

    def refresh() -> Any:
        service = answer(before)["orders"]
        return getattr(getattr(service, "balancer", None), "refresh", "none: it looks at no board")

    def mean_ms() -> float:
        run = ml.simulate(answer(before), requests=200_000, seed=1)
        return float(1000 * run.latencies().mean())

    yield case(
        all_but_the_rule,
        says="everything but the balancer",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        refresh,
        says="how often its board is copied, s",
        expected=passes("0.5", lambda got: got == 0.5),
    )
    yield case(
        mean_ms,
        says="the mean response, ms",
        expected=passes("less than 200", lambda mean: mean < 200.0),
    )


def two_choices(sight: ml.Sight, request: Any) -> int:
    """Return, of two different endpoints drawn at random, the one with fewer outstanding.

    Drawing both at once makes them different, and their order random, so a tie may go to the first.
    """
    first, second = sight.rng.choice(sight.endpoints, size=2, replace=False)
    return int(first if sight.outstanding[first] <= sight.outstanding[second] else second)


def _perhaps_the_same(sight: ml.Sight, request: Any) -> int:
    first, second = sight.rng.choice(sight.endpoints, size=2)
    return int(first if sight.outstanding[first] <= sight.outstanding[second] else second)


def _same_generator_twice(sight: ml.Sight, request: Any) -> int:
    first, second = sight.rng.choice(sight.endpoints), sight.rng.choice(sight.endpoints)
    return int(first if sight.outstanding[first] <= sight.outstanding[second] else second)


def _the_fuller(sight: ml.Sight, request: Any) -> int:
    first, second = sight.rng.choice(sight.endpoints, size=2, replace=False)
    return int(first if sight.outstanding[first] > sight.outstanding[second] else second)


@exercise(
    "09.two_choices",
    wrong=[_perhaps_the_same, _same_generator_twice, _the_fuller, least_outstanding],
)
def check_two_choices(answer: Rule) -> Iterator[Case]:
    """Three endpoints, three pairs: the best wins two of them, the next one, the last none.

    Of 600 picks, 400 and 200; 60 away is more than five standard deviations (11.5).
    """
    yield case(
        lambda: _picks(answer, [0, 5, 2])[4],
        says="of 600 picks among endpoints 3, 4, 5 with 0, 5, 2 outstanding, those of endpoint 4",
        expected=0,
    )
    yield case(
        lambda: _picks(answer, [0, 5, 2])[3],
        says="and those of endpoint 3",
        expected=passes("between 340 and 460", lambda got: 340 <= got <= 460),
    )
    yield case(
        lambda: min(_picks(answer, [1, 1, 1])[e] for e in (3, 4, 5)),
        says="of 600 picks where all have 1 outstanding, those of the one that gets fewest",
        expected=passes("between 140 and 200", lambda got: 140 <= got <= 200),
    )
