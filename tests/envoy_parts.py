"""Envoy's configuration, as recorded in data/resilience/configurations/, as parts of mesh_lab."""

from __future__ import annotations

from typing import Any

import mesh_lab as ml
from tests import recorded_resilience as recorded

__all__ = ["backoff_of", "guards_of", "limits_of", "policy_of", "retries_of"]

CONNECT = 0.001  # seconds: longer than a burst takes to arrive, shorter than its pace of 2 ms


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def route(run: str) -> dict[str, Any]:
    listener = recorded.configuration(run)["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    found: dict[str, Any] = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    return found


def retries_of(run: str) -> int:
    return int(route(run).get("retry_policy", {}).get("num_retries", 0))


def backoff_of(run: str) -> ml.EnvoyBackoff:
    given = route(run).get("retry_policy", {}).get("retry_back_off")
    if given is None:
        return ml.EnvoyBackoff()
    return ml.EnvoyBackoff(base=seconds(given["base_interval"]), max=seconds(given["max_interval"]))


def policy_of(run: str) -> dict[str, Any]:
    """The fields of the route's policy, but for the pauses.

    A limit per try that is longer than the route's does nothing in Envoy, and is an error here, so
    it is left out.
    """
    given, timeout = route(run), seconds(route(run)["timeout"]) or None
    again = given.get("retry_policy", {})
    each = seconds(again["per_try_timeout"]) if "per_try_timeout" in again else None
    if each is not None and timeout is not None and each > timeout:
        each = None
    on: dict[str, Any] = {"connect-failure": {"on": ("unavailable",)}, "5xx": {}}
    return {
        "timeout": timeout,
        "per_try_timeout": each,
        "retries": ml.Retries(retries_of(run), **on[again["retry_on"]]) if again else None,
    }


def ejection_of(given: dict[str, Any], every: float) -> ml.OutlierDetection:
    fields = dict(given)
    assert fields.pop("interval") == "1s"
    fields["base_ejection_time"] = seconds(fields["base_ejection_time"])
    return ml.OutlierDetection(interval=every, **fields)


def limits_of(cluster: dict[str, Any]) -> dict[str, Any]:
    limits = dict(cluster.get("circuit_breakers", {"thresholds": [{}]})["thresholds"][0])
    limits.pop("track_remaining", None)
    return limits


def guards_of(cluster: dict[str, Any], every: float) -> dict[str, Any]:
    """The fields of limits, budget, ejection and connections."""
    found: dict[str, Any] = {}
    limits = limits_of(cluster)
    budget = limits.pop("retry_budget", None)
    if budget is not None:
        found["budget"] = ml.EnvoyRetryBudget(
            budget_percent=budget["budget_percent"]["value"],
            min_retry_concurrency=budget["min_retry_concurrency"],
        )
    found["limits"] = ml.Limits(**limits)
    if "max_connections" in limits:
        options = cluster.get("typed_extension_protocol_options")
        protocol: Any = "http1" if options is None else "http2"
        found["connections"] = ml.Connections(protocol=protocol, connect=CONNECT)
    if "outlier_detection" in cluster:
        found["ejection"] = ejection_of(cluster["outlier_detection"], every)
    return found
