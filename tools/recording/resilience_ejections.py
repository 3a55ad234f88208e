"""Scenarios of outlier ejection: consecutive errors, success rate, failure percentage, panic.

A sweep every second, ejections of 2 s times the multiplier.  A good back end takes 50 ms, a bad
one fails at once, as crashed processes do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .resilience_answers import Answer, Fault, Scenario

__all__ = ["EJECTIONS"]

BAD = Answer(0.001, 503)
SCALED = {"interval": "1s", "base_ejection_time": "2s"}
BOTH = ("ROUND_ROBIN", "LEAST_REQUEST")


def ejecting(
    name: str,
    about: str,
    rate: float,
    seconds: float,
    faults: Sequence[Fault],
    detection: dict[str, Any],
    unlimited: bool = False,
    merged: bool = False,
    **more: Any,
) -> Scenario:
    """Return a scenario of evenly spaced requests.

    Its retries, if any, may be `unlimited` at a time.  By default Envoy applies changes of health
    at most once a second (they are `merged`): an ejection soon after a return then comes late.
    """
    schedule = tuple((round(i / rate, 6), "") for i in range(int(rate * seconds)))
    cluster: dict[str, Any] = {"outlier_detection": SCALED | detection}
    if not merged:
        cluster["common_lb_config"] = {"update_merge_window": "0s"}
    if unlimited:
        cluster["circuit_breakers"] = {"thresholds": [{"max_retries": 1024}]}
    fields: dict[str, Any] = {"back_ends": 10, "usual": Answer(0.05)} | more
    return Scenario(name, about, schedule, cluster=cluster, faults=tuple(faults), **fields)


def failing(back_ends: Sequence[int], since: float, until: float) -> list[Fault]:
    """Return faults of back ends that fail every request in [since, until)."""
    return [Fault(i, since, until, BAD) for i in back_ends]


def some(back_end: int, count: int, out_of: int) -> Fault:
    """Return a back end that fails `count` of every `out_of` requests from second 2 on."""
    return Fault(back_end, 2.0, 60.0, BAD, count, out_of)


RATE_ONLY = {"consecutive_5xx": 1000, "success_rate_request_volume": 10, "max_ejection_percent": 50}
PERCENTAGE = {
    "consecutive_5xx": 1000,
    "enforcing_success_rate": 0,
    "success_rate_minimum_hosts": 100,
    "failure_percentage_request_volume": 10,
    "enforcing_failure_percentage": 100,
    "max_ejection_percent": 50,
}
RETRIED = {"retry_on": "5xx", "num_retries": 2, "per_try_timeout": "0.1s"}

EJECTIONS = (
    ejecting(
        "eject-one",
        "10 hosts, at most 10 %; one fails from 2 to 13 s and again from 20 s: the multiplier",
        100.0,
        26.0,
        [*failing([3], 2.0, 13.0), *failing([3], 20.0, 60.0)],
        {},
        balancers=BOTH,
        repetitions=(3, 1),
    ),
    ejecting(
        "eject-one-default",
        "as eject-one, with Envoy's own coarse timers and its merging of changes of health",
        100.0,
        26.0,
        [*failing([3], 2.0, 13.0), *failing([3], 20.0, 60.0)],
        {},
        merged=True,
        precise=False,
        repetitions=(3, 0),
    ),
    ejecting(
        "eject-two-of-ten",
        "10 hosts, at most 10 %; two fail from 2 to 9 s: only one is out at a time",
        100.0,
        13.0,
        failing([3, 7], 2.0, 9.0),
        {"max_ejection_percent": 10},
        repetitions=(2, 1),
    ),
    ejecting(
        "eject-half",
        "10 hosts, at most 50 %; six fail from 2 to 8 s: five are out, no panic",
        100.0,
        13.0,
        failing(range(6), 2.0, 8.0),
        {"max_ejection_percent": 50},
        balancers=BOTH,
        repetitions=(3, 1),
    ),
    ejecting(
        "eject-panic",
        "10 hosts, at most 100 %; six fail from 2 to 8 s: below half healthy, panic",
        100.0,
        13.0,
        failing(range(6), 2.0, 8.0),
        {"max_ejection_percent": 100},
        repetitions=(2, 1),
    ),
    ejecting(
        "eject-nine",
        "9 hosts, at most 10 %: one is 11.1 %, so nothing is ever ejected",
        90.0,
        6.0,
        failing([3], 2.0, 60.0),
        {},
        back_ends=9,
        repetitions=(2, 1),
    ),
    ejecting(
        "eject-nine-always",
        "as eject-nine with two failing and always_eject_one_host",
        90.0,
        8.0,
        failing([3, 7], 2.0, 60.0),
        {"always_eject_one_host": True},
        back_ends=9,
        repetitions=(2, 1),
    ),
    ejecting(
        "eject-success-rate",
        "10 hosts; one fails every other request from 2 s on; volume 10, factor 1.9",
        150.0,
        9.0,
        [some(4, 1, 2)],
        RATE_ONLY,
        repetitions=(2, 1),
    ),
    ejecting(
        "eject-success-rate-three",
        "as eject-success-rate with three of ten: they widen the spread and none is an outlier",
        150.0,
        7.0,
        [some(i, 1, 2) for i in (1, 4, 8)],
        RATE_ONLY,
        repetitions=(2, 1),
    ),
    ejecting(
        "eject-failure-percentage",
        "10 hosts; three fail 9 of 10, 4 of 5 and all from 2 s on; threshold 85 %, volume 10",
        150.0,
        10.0,
        [some(1, 9, 10), some(4, 4, 5), some(8, 1, 1)],
        PERCENTAGE,
        repetitions=(2, 1),
    ),
    ejecting(
        "eject-timeouts",
        "10 hosts; one takes 1 s from 2 to 6 s; 100 ms per try, 2 retries: timeouts eject",
        100.0,
        10.0,
        [Fault(3, 2.0, 6.0, Answer(1.0))],
        {},
        route={"retry_policy": RETRIED},
        unlimited=True,
        repetitions=(3, 1),
        balancers=BOTH,
    ),
)
