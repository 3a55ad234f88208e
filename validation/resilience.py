"""The model against a recorded Envoy under failures (data/resilience), scenario by scenario.

The tests compare each run with the model of it; here is how near it comes.  First with Envoy's own
picks and pauses: how many requests end alike, with alike attempts, how many hang on less than the
noise of the recording (6 ms), how many differ for another reason, and when hosts are ejected.  Then
with picks and pauses of the model's own: in which interval one more run is to lie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from joblib import Parallel, delayed

from tests import recorded_resilience as recorded
from tests.envoy_compare import late, marks, predicted, same, unlike
from tests.envoy_model import Played, play

__all__ = ["DIFFER", "DRAWN", "resilience"]

SEEDS = range(1, 201)

# how many requests, as a share, may differ by more than noise, and why
DIFFER = {
    "timeouts-coarse": (0.05, "coarse timers"),
    "timeouts-default-breaker": (0.20, "several failures in one ms"),
    "retries-static": (0.02, "two workers"),
    "retries-budget": (0.08, "several failures in one ms"),
    "eject-one-default": (0.02, "merged updates"),
    "eject-timeouts": (0.002, "a pick beside a return"),
    "eject-failure-percentage": (0.002, "a pick beside a return"),
}
# not in the model: workers that share limits and not connections, pauses before hedges
LEFT_OUT = ("direct", "timeout-hedged")

Measure = Callable[[Played], float]


def _ok(played: Played) -> float:
    return played.status.count(200)


def _failed(played: Played) -> float:
    return played.status.count(503)


def _attempts(played: Played) -> float:
    return sum(map(len, played.tries.values()))


DRAWN: tuple[tuple[str, str, str, Measure], ...] = (
    ("timeouts", "rr", "ok", _ok),
    ("timeout-route", "rr", "ok", _ok),
    ("timeout-try-longer", "rr", "ok", _ok),
    ("retry-anywhere", "rr", "attempts", _attempts),
    ("retry-anywhere", "lr", "attempts", _attempts),
    ("retries-budget", "rr", "ok", _ok),
    ("retries-budget", "rr", "attempts", _attempts),
    ("retries-static", "rr", "ok", _ok),
    ("retries-static", "rr", "attempts", _attempts),
    ("eject-half", "lr", "503", _failed),
    ("eject-timeouts", "lr", "attempts", _attempts),
)


def resilience() -> Iterable[tuple[bool, str]]:
    """Yield the lines about Envoy under failures, each with whether it is as it should be."""
    yield True, ""
    yield True, "## A recorded Envoy under failures"
    yield True, ""
    yield (
        True,
        "Runs of data/resilience replayed with Envoy's picks and pauses. Alike: same outcome after "
        "the same attempts. Within noise: what differs is less than 6 ms apart. Times: 99 % of all "
        "arrivals, ends and answers of those that are alike are nearer than that. Two workers at "
        "the breakers share limits but not connections, which is not in the model, so those runs "
        "are left out, but for paced bursts at one host; so are Envoy's hedges, which pause first.",
    )
    yield True, ""
    yield (
        True,
        "| scenario | runs | requests | alike | within noise | otherwise | times | ejections | "
        "moved by | as it should |",
    )
    yield True, "|---|---|---|---|---|---|---|---|---|---|"
    scenarios = [row["scenario"] for row in recorded.table("scenarios.csv")]
    chosen = [name for name in scenarios if name not in LEFT_OUT]
    yield from Parallel(n_jobs=-1)(delayed(_replayed)(name) for name in chosen)
    yield True, ""
    yield (
        True,
        f"With picks and pauses of the model's own, {len(SEEDS)} runs: 99.9 % prediction interval "
        "of the model, and what Envoy's runs had.",
    )
    yield True, ""
    yield True, "| scenario | balancer | what | model | Envoy | inside |"
    yield True, "|---|---|---|---|---|---|"
    yield from Parallel(n_jobs=-1)(delayed(_drawn)(number) for number in range(len(DRAWN)))


def _replayed(scenario: str) -> tuple[bool, str]:
    shared = scenario.startswith("breaker-") and not scenario.endswith(("paced", "retried"))
    runs = recorded.runs_of(scenario, workers="1" if shared else "12")
    alike = other = total = ejections = 0
    apart: list[float] = []
    moved = [0.0]
    for run in runs:
        played = play(run)
        total += len(played.status)
        alike += sum(same(run, played))
        other += len(unlike(run, played))
        apart += late(run, played)
        ours = sorted((host, time) for time, host, out in marks(run) if out)
        theirs = sorted((host, time) for time, host, out in played.marks if out)
        ejections += len(ours)
        if [host for host, _ in ours] != [host for host, _ in theirs]:
            moved.append(np.inf)
        else:
            moved += [abs(a[1] - b[1]) for a, b in zip(ours, theirs, strict=True)]
    share, why = DIFFER.get(scenario, (0.0, ""))
    fine = other <= share * total and max(moved) <= (15.0 if "default" in scenario else 5.0)
    says = f"{other} ({why})" if other else "0"
    times = f"{np.quantile(apart, 0.99):.1f} ms"
    shift = f"{max(moved):.1f} ms" if ejections else ""
    return fine, (
        f"| {scenario} | {len(runs)} | {total:,} | {alike:,} | {total - alike - other} | {says} | "
        f"{times} | {ejections or ''} | {shift} | {_yes(fine)} |"
    )


def _drawn(number: int) -> tuple[bool, str]:
    scenario, kind, column, measure = DRAWN[number]
    runs = [run for run in recorded.runs_of(scenario) if f"-{kind}-" in run]
    low, high = predicted(measure, runs, kind, seeds=SEEDS)
    found = [int(recorded.runs()[run][column]) for run in runs]
    fine = all(low <= value <= high for value in found)
    return fine, (
        f"| {scenario} | {kind} | {column} | {low:.1f} to {high:.1f} | "
        f"{', '.join(map(str, found))} | {_yes(fine)} |"
    )


def _yes(fine: bool) -> str:
    return "yes" if fine else "**no**"
