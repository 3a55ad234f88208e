"""The model against a real Envoy (data/resilience/): pauses, who is asked again, retries at a time.

Where Envoy's picks and pauses are replayed, each request is compared with itself (tolerances as in
test_envoy_resilience_timeouts.py).  Under a budget or a limit, a retry that Envoy gives to one of
two requests that fail within a millisecond, and the model to the other, moves those that follow; so
there some requests may differ, and how many is stated.  What is drawn is compared as a distribution
(pauses: Kolmogorov and Smirnov's test at 99.9 %) or a total (99.9 % prediction intervals).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

import mesh_lab as ml
from tests import recorded_resilience as recorded
from tests.envoy_compare import agrees, late, predicted, same
from tests.envoy_model import Played, play, replayed
from tests.faults import Fault, planted
from tests.recorded_resilience import NOISE, Attempt, runs_of

EXACT = ("backoff", "backoff-capped", "retry-anywhere", "retry-elsewhere", "retries-exhausted")


@pytest.mark.parametrize("run", runs_of(*EXACT))
def test_each_request_is_tried_as_often_as_it_was(run: str) -> None:
    """That previous hosts are avoided (`retry-elsewhere`) is in Envoy's picks: no part of ours."""
    played = replayed(run)
    assert agrees(run, played)
    assert all(same(run, played))
    assert not played.astray


# --- Pauses ---------------------------------------------------------------------------------------


def pauses(tries: dict[int, list[Attempt]]) -> dict[int, list[float]]:
    """The pauses before each retry, ms, with the way back and there."""
    found: dict[int, list[float]] = defaultdict(list)
    for reached in tries.values():
        for before, after in pairwise(reached):
            found[before.attempt].append(after.arrived - before.ended)
    return found


def distance(ours: list[float], theirs: list[float]) -> float:
    """Kolmogorov and Smirnov's distance of two samples."""
    steps = sorted([(x, 1.0 / len(ours)) for x in ours] + [(x, -1.0 / len(theirs)) for x in theirs])
    found = height = 0.0
    for _, step in steps:
        height += step
        found = max(found, abs(height))
    return found


def unlike_pauses(scenario: str, **changes: object) -> list[int]:
    """The retries whose pauses are distributed otherwise in the model (seed 1) than in Envoy."""
    runs = runs_of(scenario)
    envoy: dict[int, list[float]] = defaultdict(list)
    for run in runs:
        for retry, found in pauses(recorded.tries(run)).items():
            envoy[retry] += found
    model = pauses(play(runs[0], pauses=False, **changes).tries)
    assert set(model) == set(envoy) == {1, 2, 3, 4, 5}
    found = []
    for retry, theirs in envoy.items():
        n, m = len(model[retry]), len(theirs)
        # Envoy's are whole milliseconds, which is as much as 1 ms of the widest pause
        allowed = 1.95 * ((n + m) / (n * m)) ** 0.5 + 1.0 / max(theirs)
        if distance(model[retry], theirs) > allowed:
            found.append(retry)
    return found


@pytest.mark.parametrize("scenario", ["backoff", "backoff-capped"])
def test_pauses_are_distributed_as_envoys(scenario: str) -> None:
    """200 to 300 pauses of the model before each retry, 600 to 900 of Envoy's."""
    assert unlike_pauses(scenario) == []


def test_pauses_by_the_documentation_or_from_another_base_would_be_noticed() -> None:
    """The documentation's are wider for retries 2 to 5; half the base is narrower until the cap."""
    for backoff, retries in (
        (ml.EnvoyBackoff(rule="documentation"), [2, 3, 4, 5]),
        (ml.EnvoyBackoff(base=0.0125, max=0.25), [1, 2, 3, 4]),
        (ml.EnvoyBackoff(max=0.2), [5]),
    ):
        policy = ml.Policy(retries=ml.Retries(5, backoff=backoff))
        assert set(retries) <= set(unlike_pauses("backoff", policy=policy)), backoff


# --- Retries at a time ----------------------------------------------------------------------------

# with one worker; with two, whose decisions cross each other, twice or four times as many
MAY_DIFFER = {"retries-static": 0.0, "retries-budget": 0.02}
WITH_TWO = {"retries-static": 0.02, "retries-budget": 0.08}


@pytest.mark.parametrize("run", runs_of(*MAY_DIFFER))
def test_retries_are_made_and_refused_as_they_were(run: str) -> None:
    """The static limit, one worker: all 638 requests alike.  Budget: 2 %, with two workers 8 %.

    In all, attempts agree within 1 %, and what comes back for whom within the stated share.
    """
    played, rows = replayed(run), recorded.requests(run)
    scenario, workers = (recorded.runs()[run][what] for what in ("scenario", "workers"))
    may = (MAY_DIFFER if workers == "1" else WITH_TWO)[scenario]
    assert same(run, played).count(False) <= may * len(rows)
    assert max(late(run, played)) <= 2 * NOISE
    attempts = sum(map(len, played.tries.values()))
    assert abs(attempts - len(recorded.attempts(run))) <= 0.01 * len(recorded.attempts(run))
    refused = sum(played.status[i] == 503 and len(played.tries[i]) <= 3 for i in range(len(rows)))
    found = sum("UO" in row["flags"] for row in rows)
    assert abs(refused - found) <= 0.01 * found + may * len(rows) / 4


CALLING, GUARDS, BUDGET = "mesh.calling", "mesh.guards", "resilience.budget"
FAULTS = {
    "the attempt that has failed does not count for the budget": Fault(
        GUARDS, "self.active + 1, self.pending", "self.active, self.pending"
    ),
    "a retry that has failed counts when the next one is asked for": Fault(
        CALLING,
        "        self._give_back(attempt)\n        self._judge(call, attempt, attempt.result)",
        "        self._judge(call, attempt, attempt.result)\n        self._give_back(attempt)",
    ),
    "the budget is rounded up": Fault(
        BUDGET,
        "share = int(s.percent / 100.0 * (active + pending))",
        "share = int(s.percent / 100.0 * (active + pending) + 0.999)",
    ),
    "one more than allowed": Fault(
        BUDGET,
        "allowed = s.retries[p] < max(share, s.at_most)",
        "allowed = s.retries[p] <= max(share, s.at_most)",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_rule_of_the_budget_would_be_noticed(fault: str) -> None:
    run = "retries-budget-rr-1w-1"
    with planted(fault, FAULTS):
        found = same(run, play(run))
    assert found.count(False) > MAY_DIFFER["retries-budget"] * len(found)


def test_another_budget_or_limit_would_be_noticed() -> None:
    for budget in (
        ml.EnvoyRetryBudget(budget_percent=25),
        ml.EnvoyRetryBudget(budget_percent=18),
        ml.EnvoyRetryBudget(min_retry_concurrency=5),
    ):
        found = same("retries-budget-rr-1w-1", play("retries-budget-rr-1w-1", budget=budget))
        assert found.count(False) > MAY_DIFFER["retries-budget"] * len(found), budget
    for most in (2, 4):
        limits = ml.Limits(max_retries=most)
        assert not all(
            same("retries-static-rr-1w-1", play("retries-static-rr-1w-1", limits=limits))
        )


# --- Drawn picks and pauses -----------------------------------------------------------------------


def _good(played: Played) -> int:
    return played.status.count(200)


def _attempts(played: Played) -> int:
    return sum(map(len, played.tries.values()))


@pytest.mark.parametrize("measure", ["ok", "attempts"])
@pytest.mark.parametrize(
    ("scenario", "balancer"),
    [
        ("retry-anywhere", "rr"),
        ("retry-anywhere", "lr"),
        ("retries-budget", "rr"),
        ("retries-static", "rr"),
    ],
)
def test_totals_are_predicted_where_the_model_draws(
    scenario: str, balancer: str, measure: str
) -> None:
    """12 runs of the model (seeds 1 to 12) predict each of Envoy's, at 99.9 %."""
    runs = [run for run in runs_of(scenario) if f"-{balancer}-" in run]
    low, high = predicted({"ok": _good, "attempts": _attempts}[measure], runs, balancer)
    found = [int(recorded.runs()[run][measure]) for run in runs]
    assert all(low <= total <= high for total in found), (low, found, high)


def test_a_budget_of_25_percent_would_be_noticed_in_the_totals() -> None:
    budget = ml.EnvoyRetryBudget(budget_percent=25)
    low, high = predicted(_attempts, runs_of("retries-budget"), "rr", budget=budget)
    found = [int(recorded.runs()[run]["attempts"]) for run in runs_of("retries-budget")]
    assert all(total < low for total in found), (low, found, high)
