"""Scenarios of circuit breakers: bursts of requests that slow back ends hold.

Each burst is 30 requests at once, every second; the first finds no connection open, the others
find those that the first left.  In the middle of each the gauges are read.
"""

from __future__ import annotations

from typing import Any

from .resilience_answers import Answer, Scenario

__all__ = ["BREAKERS"]

BURST, BURSTS, HOLD = 30, 3, 0.25


def burst(
    name: str,
    about: str,
    limits: dict[str, int],
    gap: float = 0.0,
    route: dict[str, Any] | None = None,
    **more: Any,
) -> Scenario:
    """Return a scenario of bursts under `limits`, `gap` seconds between the requests of one."""
    times = [second + i * gap for second in range(BURSTS) for i in range(BURST)]
    thresholds = {"thresholds": [limits | {"track_remaining": True}]}
    fields: dict[str, Any] = {"back_ends": 1, "usual": Answer(HOLD)} | more
    return Scenario(
        name,
        about,
        tuple((round(time, 6), "") for time in times),
        route or {},
        {"circuit_breakers": thresholds},
        sampled=tuple(second + BURST * gap + HOLD / 2 for second in range(BURSTS)),
        **fields,
    )


LIMITS = {"max_connections": 4, "max_pending_requests": 5, "max_requests": 10}
REQUESTS = {"max_connections": 20, "max_pending_requests": 20, "max_requests": 10}

BREAKERS = (
    burst("breaker-http1", "HTTP/1.1: 4 connections, 5 pending, 10 requests", LIMITS),
    burst("breaker-http1-paced", "as breaker-http1, 2 ms between requests", LIMITS, gap=0.002),
    burst("breaker-http1-requests", "HTTP/1.1: 20 connections, 20 pending, 10 requests", REQUESTS),
    burst("breaker-http2", "HTTP/2: 4 connections, 5 pending, 10 requests", LIMITS, http2=True),
    burst(
        "breaker-http2-paced",
        "as breaker-http2, 2 ms between requests",
        LIMITS,
        gap=0.002,
        http2=True,
    ),
    burst(
        "breaker-retried",
        "as breaker-http1-paced with 2 retries on 5xx: is an overflow retried?",
        LIMITS,
        gap=0.002,
        route={"retry_policy": {"retry_on": "5xx", "num_retries": 2}},
    ),
    burst(
        "breaker-three-hosts",
        "as breaker-http1-paced with 3 hosts: limits are the cluster's, queues each host's",
        LIMITS,
        gap=0.002,
        back_ends=3,
        balancers=("ROUND_ROBIN", "LEAST_REQUEST"),
    ),
)
