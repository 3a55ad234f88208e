"""Scenarios of timeouts, back-offs, retries and their budget.

Delays and statuses are written as in ``"150 20/503"``: the first attempt is answered with 200
after 150 ms, the second with 503 after 20 ms, later ones as the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from random import Random
from typing import Any

from .resilience_answers import Answer, Fault, Scenario, Slot

__all__ = ["RETRIES"]


def answers(case: str) -> tuple[Answer, ...]:
    """Return the answers that a case spells out.

    Examples
    --------
    >>> answers("150 20/503")
    (Answer(delay=0.15, status=200), Answer(delay=0.02, status=503))
    """
    pairs = (one.partition("/") for one in case.split())
    return tuple(Answer(float(delay) / 1000, int(status or 200)) for delay, _, status in pairs)


def in_turn(cases: Sequence[str], each: int, gap: float) -> tuple[Slot, ...]:
    """Return a schedule of all `cases` in turn, `each` times, `gap` seconds apart."""
    return tuple((round(i * gap, 6), cases[i % len(cases)]) for i in range(each * len(cases)))


def planned(
    name: str,
    about: str,
    cases: Sequence[str],
    each: int,
    gap: float,
    route: dict[str, Any],
    **more: Any,
) -> Scenario:
    """Return a scenario whose requests are `cases` in turn."""
    spelled = {case: answers(case) for case in cases}
    fields = {"cluster": UNLIMITED} | more
    return Scenario(name, about, in_turn(cases, each, gap), route, cases=spelled, **fields)


TRIED = ["20", "80", "95", "105", "150", "150 20", "150 150 20", "150 150 5", "20/503 20"]
TRIED += ["20/503 20/503 20/503 20", "20/503", "90/503 90/503 20", "90/503", "60/503 150 20"]
TRIED += ["150 60/503 20", "1/503 1/503 150 20"]
ROUTE_ONLY = ["20", "240", "260", "200/503 20", "200/503 40", "230/503 1", "240/503 1", "100/503"]
# By default three retries at a time are all that a cluster has; here they are not to matter.
UNLIMITED: dict[str, Any] = {"circuit_breakers": {"thresholds": [{"max_retries": 1024}]}}
RETRY: dict[str, Any] = {"retry_on": "5xx", "num_retries": 3}
TRY_AND_ROUTE = {"timeout": "0.25s", "retry_policy": RETRY | {"per_try_timeout": "0.1s"}}


def poisson(seed: int, stages: Sequence[tuple[float, float]], failing: float) -> tuple[Slot, ...]:
    """Return arrivals of (rate, seconds) stages; a case tells which of four attempts fail (F)."""
    random = Random(seed)
    slots: list[Slot] = []
    time = end = 0.0
    for rate, seconds in stages:
        time, end = end, end + seconds
        while (time := time + random.expovariate(rate)) < end:
            case = "".join("F" if random.random() < failing else "o" for _ in range(4))
            slots.append((round(time, 4), case))
    return tuple(slots)


LOAD = poisson(1, [(40.0, 4.0), (120.0, 4.0)], 0.8)
LETTERS = {"F": Answer(0.3, 503), "o": Answer(0.3)}
PATTERNS = {"".join(p): tuple(LETTERS[c] for c in p) for p in product("Fo", repeat=4)}


def loaded(name: str, about: str, thresholds: dict[str, Any], *often: int) -> Scenario:
    """Return a scenario in which four of five attempts fail, under one limit of retries."""
    return Scenario(
        name,
        about,
        LOAD,
        {"retry_policy": RETRY},
        {"circuit_breakers": {"thresholds": [thresholds]}},
        PATTERNS,
        connections=256,
        repetitions=(often[0], often[1]),
    )


def elsewhere(name: str, about: str, more: dict[str, Any]) -> Scenario:
    """Return a scenario in which one back end of three always fails at once."""
    return Scenario(
        name,
        about,
        tuple((i * 0.01, "") for i in range(300)),
        {"retry_policy": RETRY | more},
        UNLIMITED,
        faults=(Fault(0, 0.0, 60.0, Answer(0.0, 503)),),
        usual=Answer(0.005),
        balancers=("ROUND_ROBIN", "LEAST_REQUEST"),
        repetitions=(3, 1),
    )


PREVIOUS = {
    "host_selection_retry_max_attempts": 5,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host"
                ".previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
}

RETRIES = (
    planned(
        "direct",
        "no Envoy: the caller asks one back end itself; the noise of the recorder",
        ["0", "20", "100"],
        250,
        0.01,
        {},
        direct=True,
        back_ends=1,
    ),
    planned(
        "plain",
        "no failure, no policy: the noise with Envoy",
        ["0", "20", "100"],
        250,
        0.01,
        {},
        repetitions=(3, 1),
    ),
    planned(
        "timeouts",
        "per try 100 ms, route 250 ms, 3 retries on 5xx",
        TRIED,
        30,
        0.02,
        TRY_AND_ROUTE,
        repetitions=(3, 1),
    ),
    planned(
        "timeouts-default-breaker",
        "as timeouts, with Envoy's default of 3 retries at a time in the cluster",
        TRIED,
        15,
        0.02,
        TRY_AND_ROUTE,
        cluster={},
        repetitions=(3, 1),
    ),
    planned(
        "timeouts-coarse",
        "as timeouts, with Envoy's own timers, which are as coarse as the kernel's tick",
        TRIED,
        30,
        0.02,
        TRY_AND_ROUTE,
        precise=False,
        repetitions=(1, 0),
    ),
    planned(
        "timeout-route",
        "route 250 ms, none per try, 3 retries on 5xx",
        ROUTE_ONLY,
        30,
        0.02,
        {"timeout": "0.25s", "retry_policy": RETRY},
    ),
    planned(
        "timeout-try-longer",
        "per try 300 ms, longer than the route's 250 ms, 3 retries on 5xx",
        ["240", "260", "150/503 90"],
        20,
        0.02,
        {"timeout": "0.25s", "retry_policy": RETRY | {"per_try_timeout": "0.3s"}},
        repetitions=(3, 1),
    ),
    planned(
        "timeout-not-retried",
        "per try 100 ms, route 250 ms, 3 retries on connect-failure only",
        ["80", "150", "20/503"],
        20,
        0.02,
        {
            "timeout": "0.25s",
            "retry_policy": RETRY | {"retry_on": "connect-failure", "per_try_timeout": "0.1s"},
        },
        repetitions=(3, 1),
    ),
    planned(
        "timeout-hedged",
        "as timeouts, with hedge_on_per_try_timeout: a try that timed out goes on",
        [*TRIED, "150 150 150 150", "150 20/503 20/503", "110 90", "240 240 240"],
        15,
        0.02,
        TRY_AND_ROUTE | {"hedge_policy": {"hedge_on_per_try_timeout": True}},
        repetitions=(3, 1),
    ),
    planned(
        "backoff",
        "5 retries on 5xx, all fail after 1 ms: the pauses of the default back-off (25 ms)",
        ["1/503"],
        300,
        0.02,
        {"retry_policy": RETRY | {"num_retries": 5}},
        repetitions=(2, 1),
    ),
    planned(
        "backoff-capped",
        "as backoff, with base 10 ms and at most 40 ms",
        ["1/503"],
        200,
        0.02,
        {
            "retry_policy": RETRY
            | {
                "num_retries": 5,
                "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.04s"},
            }
        },
        repetitions=(2, 1),
    ),
    elsewhere("retry-anywhere", "3 retries on 5xx, any back end; back end 0 always fails", {}),
    elsewhere("retry-elsewhere", "as retry-anywhere, previous hosts avoided, 5 tries", PREVIOUS),
    loaded(
        "retries-budget",
        "4 of 5 attempts fail; retry budget of 20 %, at least 3",
        {"retry_budget": {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3}},
        3,
        3,
    ),
    loaded("retries-static", "4 of 5 attempts fail; max_retries 3", {"max_retries": 3}, 3, 3),
    loaded(
        "retries-exhausted",
        "4 of 5 attempts fail; no limit but 3 a request",
        {"max_retries": 1024},
        1,
        1,
    ),
)
