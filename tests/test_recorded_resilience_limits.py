"""The recordings of a real Envoy in data/resilience/: pauses, budgets and breakers.

As in test_recorded_resilience.py, the rules are a small account of their own, which follows what
the back ends and Envoy's logs say, and nothing of `mesh_lab` is used.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.recorded_resilience import (
    attempts,
    cluster,
    counters,
    requests,
    runs,
    runs_of,
    schedule,
    table,
    tries,
)

RUNS = runs()

# --- Pauses and where a retry goes ----------------------------------------------------------------


def distance(values: list[float], below: float) -> float:
    """Kolmogorov's distance of `values` from a uniform distribution over [0, below]."""
    n = len(values)
    share = sorted(min(max(value / below, 0.0), 1.0) for value in values)
    return max(max((i + 1) / n - x, x - i / n) for i, x in enumerate(share))


@pytest.mark.parametrize(
    ("scenario", "widths", "wrong"),
    [
        ("backoff", [25, 50, 100, 200, 250], [25, 75, 175, 250, 250]),
        ("backoff-capped", [10, 20, 40, 40, 40], [10, 30, 40, 40, 40]),
    ],
)
def test_pauses_are_uniform_and_double_up_to_the_maximum(
    scenario: str, widths: list[int], wrong: list[int]
) -> None:
    """Kolmogorov's test at 99.9 % each, on 600 to 1 200 pauses; 1 ms for whole ms and the way."""
    pauses: dict[int, list[float]] = defaultdict(list)
    for run in runs_of(scenario):
        for reached in tries(run).values():
            for before, after in pairwise(reached):
                pauses[before.attempt].append(after.arrived - before.ended - 0.5)
    assert set(pauses) == {1, 2, 3, 4, 5}
    for retry, values in pauses.items():
        allowed = 1.95 / len(values) ** 0.5 + 1.0 / widths[retry - 1]
        assert distance(values, widths[retry - 1]) < allowed, retry
        if wrong[retry - 1] != widths[retry - 1]:  # the documentation's other widths do not fit
            assert distance(values, wrong[retry - 1]) > allowed, retry


def test_previous_hosts_are_avoided_where_asked_for() -> None:
    again: Counter[str] = Counter()
    for run in runs_of("retry-anywhere", "retry-elsewhere"):
        for reached in tries(run).values():
            for before, after in pairwise(reached):
                again[RUNS[run]["scenario"] + RUNS[run]["balancer"]] += (
                    before.back_end == after.back_end
                )
        assert (
            cluster(run)["lb_policy"]
            .lower()
            .startswith({"rr": "round", "lr": "least"}[RUNS[run]["balancer"]])
        )
    assert again["retry-anywherelr"] > 100
    assert again["retry-elsewherelr"] < again["retry-anywherelr"] / 20
    assert again["retry-elsewhererr"] == 0


# --- Retries at a time ----------------------------------------------------------------------------


def decisions(run: str) -> Iterator[tuple[bool, int, int]]:
    """Of each failed attempt that had retries left: was it retried, retries out then, active then.

    A retry is out from the failure that it follows, through its pause, until its attempt ends: so a
    retry that fails makes room for the next one.  Active are the attempts at back ends, with the
    failed one.
    """
    changes: list[tuple[float, int, int]] = []  # time, retries, active
    asked = []
    for reached in tries(run).values():
        for one in reached:
            changes += [(one.arrived, 0, 1), (one.ended, 0, -1)]
            after = next((a for a in reached if a.attempt == one.attempt + 1), None)
            if after is not None:
                changes += [(one.ended, 1, 0), (after.ended, -1, 0)]
            if one.status == 503 and one.attempt <= 3:
                asked.append((one, after is not None))
    for one, granted in sorted(asked):
        before = [c for c in changes if c[0] < one.ended]
        own = one.attempt > 1
        yield granted, sum(c[1] for c in before) - own, sum(c[2] for c in before)


def allowed(run: str, active: int) -> int:
    """How many retries may be out at a time."""
    limits: dict[str, Any] = cluster(run)["circuit_breakers"]["thresholds"][0]
    budget = limits.get("retry_budget")
    if budget is None:
        return int(limits["max_retries"])
    share = budget["budget_percent"]["value"] / 100
    return max(int(share * active), int(budget["min_retry_concurrency"]))


@pytest.mark.parametrize("run", runs_of("retries-budget", "retries-static", "retries-exhausted"))
def test_a_retry_is_made_where_fewer_than_allowed_are_out(run: str) -> None:
    """All but 2 % of the decisions, as two things less than a millisecond apart may swap."""
    asked = list(decisions(run))
    wrong = sum(granted != (out < allowed(run, active)) for granted, out, active in asked)
    assert len(asked) > 400
    assert wrong <= 0.02 * len(asked)
    # The account would notice one retry more or one less.
    for other in (-1, 1):
        if RUNS[run]["scenario"] != "retries-exhausted":
            changed = [g != (out < allowed(run, active) + other) for g, out, active in asked]
            assert sum(changed) > 0.05 * len(asked)


@pytest.mark.parametrize("run", runs_of("retries-budget", "retries-static", "retries-exhausted"))
def test_a_refused_retry_gives_the_failure_to_the_caller(run: str) -> None:
    refused = exhausted = 0
    all_tries = tries(run)
    for request, row in enumerate(requests(run)):
        last = all_tries[request][-1]
        assert row["status"] == str(last.status)
        kind = "" if last.status == 200 else "URX" if last.attempt == 4 else "UO"
        assert row["flags"] == kind
        refused += kind == "UO"
        exhausted += kind == "URX"
    counted = counters(run)
    assert counted.get("upstream_rq_retry_overflow", 0) == refused
    assert counted.get("upstream_rq_retry_limit_exceeded", 0) == exhausted
    assert counted["upstream_rq_retry"] == len(attempts(run)) - len(requests(run))
    assert counted["upstream_rq_total"] == len(attempts(run))
    assert (refused == 0) == (RUNS[run]["scenario"] == "retries-exhausted")


# --- Breakers -------------------------------------------------------------------------------------

BREAKERS = [name for name, row in RUNS.items() if row["scenario"].startswith("breaker-")]


def most(run: str, back_end: int | None = None) -> int:
    """The most attempts that were at back ends at a time."""
    chosen = [one for one in attempts(run) if back_end in (None, one.back_end)]
    changes = sorted([(a.arrived, 1) for a in chosen] + [(a.ended + 0.1, -1) for a in chosen])
    now = peak = 0
    for _, change in changes:
        now += change
        peak = max(peak, now)
    return peak


def accepted(run: str) -> list[int]:
    """How many requests of each burst were answered by a back end."""
    found: Counter[int] = Counter()
    for (time, _), row in zip(schedule(run), requests(run), strict=True):
        found[int(time // 1000)] += row["status"] == "200"
    return [found[burst] for burst in range(3)]


@pytest.mark.parametrize("run", BREAKERS)
def test_limits_hold_for_all_workers_together(run: str) -> None:
    """Two workers look before they count, so each may go one over."""
    limits = cluster(run)["circuit_breakers"]["thresholds"][0]
    over = int(RUNS[run]["workers"]) - 1
    assert most(run) <= limits["max_requests"] + over
    gauges = defaultdict(list)
    for row in table("gauges.csv"):
        if row["run"] == run:
            gauges[row["gauge"]].append(int(row["value"]))
    assert max(gauges["upstream_rq_active"]) <= limits["max_requests"] + over
    assert max(gauges["upstream_rq_pending_active"]) <= limits["max_pending_requests"] + over
    refused = sum("overflow" in row["details"] for row in requests(run))
    kinds = ("upstream_rq_pending_overflow", "upstream_rq_active_overflow")
    assert sum(counters(run).get(kind, 0) for kind in kinds) == refused
    assert all(row["attempts"] == "1" for row in requests(run)), "an overflow is not retried"
    # A pool (one a worker and host) may open its first connection whatever the limit says.
    pools = len(cluster(run)["load_assignment"]["endpoints"][0]["lb_endpoints"]) * (over + 1)
    assert max(gauges["upstream_cx_active"]) <= limits["max_connections"] + pools - 1


ONE_WORKER = {
    "breaker-http1-paced": [9, 9, 9],  # 4 at the back end, 5 waiting
    "breaker-retried": [9, 9, 9],
    "breaker-http1": [5, 9, 9],  # while no connection is up, all that have come are waiting
    "breaker-http1-requests": [10, 10, 10],
    "breaker-http2": [5, 10, 10],
    "breaker-http2-paced": [10, 10, 10],  # one connection; none waits once it is up
}


@pytest.mark.parametrize("scenario", ONE_WORKER)
def test_one_worker_takes_what_the_limits_say(scenario: str) -> None:
    for run in runs_of(scenario, workers="1"):
        assert accepted(run) == ONE_WORKER[scenario], run
