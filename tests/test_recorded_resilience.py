"""The recordings of a real Envoy in data/resilience/: whole, well-formed, timeouts as documented.

The rules here are a small account of their own, from Envoy's documentation and source (see the
README beside the data).  Nothing of `mesh_lab` is used: what is compared with these recordings must
not also be what says that they are right.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.recorded_resilience import (
    FOLDER,
    NOISE,
    Attempt,
    attempts,
    requests,
    runs,
    runs_of,
    schedule,
    sent,
    table,
    tries,
)
from tools.recording.resilience import SHORT
from tools.recording.resilience import runs as script_runs
from tools.recording.resilience_envoy import configuration as envoy_configuration
from tools.recording.resilience_scenarios import SCENARIOS as SCRIPT
from tools.recording.resilience_tables import text_of, write_plan

RUNS = runs()
SCENARIOS = {row["scenario"]: row for row in table("scenarios.csv")}
README = (FOLDER / "README.md").read_text()

# --- Whole and well-formed ------------------------------------------------------------------------


def test_there_is_what_the_readme_says_and_no_more() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 1_500_000
    for name in ("runs", "scenarios", "cases", "faults", "events", "gauges"):
        for column in table(f"{name}.csv")[0]:
            assert f"`{column}`" in README, (name, column)
    for kind in ("requests", "attempts", "schedules"):
        assert {p.name.split(".")[0] for p in (FOLDER / kind).iterdir()} == set(SCENARIOS)
        for column in table(f"{kind}/plain.csv.gz")[0]:
            assert f"`{column}`" in README, (kind, column)
    for scenario in SCENARIOS:
        assert f"`{scenario}`" in README
    for path in FOLDER.rglob("*"):
        if path.suffix in (".md", ".json", ".csv"):
            assert not re.search(r"/(tmp|work|home|root)/", path.read_text()), path.name
    with_envoy = {name for name, row in RUNS.items() if row["scenario"] != "direct"}
    assert {row["run"] for row in table("counters.csv.gz")} == with_envoy


def test_the_script_still_plans_what_was_recorded(tmp_path: Path) -> None:
    texts = {
        f"{one.name}-{SHORT[balancer]}": text_of(envoy_configuration(one, balancer))
        for one in SCRIPT
        for balancer in one.balancers
        if one.name != "direct"
    }
    write_plan(tmp_path, SCRIPT, texts)
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 2 * len(SCENARIOS)
    for name in written:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name
    recorded = {(row["scenario"], row["balancer"] or "rr", row["workers"]) for row in RUNS.values()}
    planned = {(one.name, SHORT[balancer]) for one, balancer, *_ in script_runs(SCRIPT, 3)}
    assert {run[:2] for run in recorded} == planned
    assert len(RUNS) == len(list(script_runs(SCRIPT, 3)))


@pytest.mark.parametrize("run", RUNS)
def test_the_totals_are_those_of_the_rows(run: str) -> None:
    status = Counter(row["status"] for row in requests(run))
    flags = Counter(flag for row in requests(run) for flag in row["flags"].split(","))
    left = sum(one.left for one in attempts(run))
    found = {"requests": len(requests(run)), "attempts": len(attempts(run)), "ok": status["200"]}
    found |= {"answered": len(attempts(run)) - left, "left": left}
    found |= {name: status[name] for name in ("503", "504")}
    found |= {name: flags[name] for name in ("UT", "URX", "UO")}
    assert {name: int(RUNS[run][name]) for name in found} == found
    assert found["ok"] + found["503"] + found["504"] == found["requests"] == len(schedule(run))
    assert [int(row["request"]) for row in requests(run)] == list(range(found["requests"]))
    assert len({(one.request, one.attempt) for one in attempts(run)}) == found["attempts"]
    arrivals = [one.arrived for one in attempts(run)]
    assert all(a <= b + 0.2 for a, b in pairwise(arrivals)), "in order of arrival"


def answers(run: str) -> Iterator[tuple[Attempt, float, int]]:
    """What the plan says of each attempt, by cases.csv and faults.csv."""
    scenario = RUNS[run]["scenario"]
    usual = (float(SCENARIOS[scenario]["usual_ms"]), int(SCENARIOS[scenario]["usual_status"]))
    cases: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for row in table("cases.csv"):
        if row["scenario"] == scenario:
            cases[row["case"]].append((float(row["delay_ms"]), int(row["status"])))
    faults = [row for row in table("faults.csv") if row["scenario"] == scenario]
    seen: Counter[int] = Counter()
    slots = schedule(run)
    for one in attempts(run):
        case = slots[one.request][1]
        answer = cases[case][min(one.attempt, len(cases[case])) - 1] if case else usual
        for i, fault in enumerate(faults):
            during = float(fault["since_s"]) <= one.arrived / 1000 < float(fault["until_s"])
            if during and int(fault["back_end"]) == one.back_end:
                if seen[i] % int(fault["out_of"]) < int(fault["failing"]):
                    answer = (float(fault["delay_ms"]), int(fault["status"]))
                seen[i] += 1
        yield one, *answer


def few(late: list[float]) -> bool:
    """Whether at most 1 % of these (ms) are beyond the noise, and none far."""
    return sum(x > NOISE for x in late) <= max(1, 0.01 * len(late)) and max(late, default=0.0) < 60


@pytest.mark.parametrize("run", RUNS)
def test_back_ends_answered_as_planned(run: str) -> None:
    late = []
    for one, delay, status in answers(run):
        assert (one.planned, one.status) == (delay, status), one
        late.append(one.ended - one.arrived - delay)
        assert one.left or late[-1] >= -0.2, one
    assert few(late)


@pytest.mark.parametrize("run", RUNS)
def test_every_answer_comes_from_the_last_attempt_or_from_envoy(run: str) -> None:
    zero, late, all_tries, cut = sent(run), [], tries(run), 0
    for request, row in enumerate(requests(run)):
        reached = all_tries.get(request, [])
        if "overflow" in row["details"]:  # there was no room for an attempt, which still counts
            assert (row["status"], row["flags"], reached) == ("503", "UO", [])
            assert row["attempts"] == "1"
            continue
        if int(row["attempts"]) != len(reached):  # cut by the route's timeout on its way
            assert (row["details"], int(row["attempts"])) == ("response_timeout", len(reached) + 1)
            cut += 1
        if row["details"] == "via_upstream":
            answered = [one for one in reached if one.back_end == int(row["back_end"])]
            answered = [
                one for one in answered if (str(one.status), one.left) == (row["status"], 0)
            ]
            if RUNS[run]["scenario"] != "timeout-hedged":
                assert answered[-1] == reached[-1]
            late.append(zero[request] + float(row["took_ms"]) - answered[-1].ended)
            assert late[-1] >= -0.3, row
    assert few(late)
    assert cut <= 0.01 * len(zero)


def test_the_noise_is_what_the_readme_says() -> None:
    """Lines of the README's table: scenario, workers, median, 99th percentile, largest."""
    lines = re.findall(r"^\| `(\w+)` \| (\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", README, re.M)
    assert len(lines) == 3
    for scenario, workers, *stated in lines:
        extra = []
        for run in runs_of(scenario, workers=workers):
            took = [float(row["took_ms"]) for row in requests(run)]
            extra += [took[one.request] - one.planned for one in attempts(run)]
        extra.sort()
        found = (extra[len(extra) // 2], extra[int(0.99 * len(extra))], extra[-1])
        assert [f"{value:.1f}" for value in found] == stated


# --- Timeouts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", runs_of("timeouts", "timeouts-default-breaker"))
def test_a_try_is_given_up_after_100_ms_and_a_request_after_250(run: str) -> None:
    zero, all_tries, early = sent(run), tries(run), []
    for request, row in enumerate(requests(run)):
        for one in all_tries[request]:
            due = min(one.arrived + 100, zero[request] + 250)  # when it is given up
            early.append(due - one.ended if one.left else 0.0)
            if abs(one.arrived + one.planned - due) > NOISE:
                assert one.left == (one.arrived + one.planned > due), one
            assert one.ended <= due + NOISE
        took = float(row["took_ms"])
        assert took <= 250 + NOISE
        if row["details"] == "response_timeout" and "UO" not in row["flags"]:
            assert (row["status"], row["flags"]) == ("504", "UT")
            assert took >= 249.5
    assert few(early)


@pytest.mark.parametrize("run", runs_of("timeouts"))
def test_a_failed_try_is_repeated_until_retries_or_the_route_timeout_end(run: str) -> None:
    zero, all_tries = sent(run), tries(run)
    for request, row in enumerate(requests(run)):
        reached = all_tries[request]
        failed = [one.left or one.status == 503 for one in reached]
        assert all(failed[:-1]), "a try that was good is the last"
        if row["status"] == "200":
            assert not failed[-1]
        elif row["status"] == "503":
            assert len(reached) == 4
            assert row["flags"] == "URX"
        else:  # cut while a try was out, or in the pause before the next one
            assert row["flags"] == "UT"
            assert len(reached) <= 4
        for retry, (before, after) in enumerate(pairwise(reached), 1):
            pause = after.arrived - before.ended
            assert -0.5 <= pause <= 25 * 2 ** (retry - 1) + NOISE
            assert after.arrived - zero[request] <= 250 + NOISE


CERTAIN = {
    "20": (1, 200),
    "80": (1, 200),
    "95": (1, 200),
    "150 20": (2, 200),
    "20/503 20": (2, 200),
}
CERTAIN |= {"20/503": (4, 503), "20/503 20/503 20/503 20": (4, 200)}


@pytest.mark.parametrize("run", runs_of("timeouts"))
def test_cases_that_no_pause_decides_all_end_alike(run: str) -> None:
    found: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for (_, case), row in zip(schedule(run), requests(run), strict=True):
        found[case].add((int(row["attempts"]), int(row["status"])))
    for case, end in CERTAIN.items():
        assert found[case] == {end}, case
    assert {status for _, status in found["150"]} == {504}
    assert len({status for _, status in found["150 150 20"]}) == 2, "the pauses decide"


def test_the_route_timeout_alone_cuts_tries_and_pauses() -> None:
    for run in runs_of("timeout-route", "timeout-try-longer"):
        zero, all_tries = sent(run), tries(run)
        for request, row in enumerate(requests(run)):
            for one in all_tries[request]:
                due = one.arrived + one.planned - zero[request]
                assert one.left == (due > 250) or abs(due - 250) < NOISE
            took = float(row["took_ms"])
            assert took <= 250 + NOISE
            assert row["status"] == ("504" if took > 250 else "200") or abs(took - 250) < NOISE


def test_a_try_that_times_out_is_not_retried_unless_asked_for() -> None:
    for run in runs_of("timeout-not-retried"):
        ends = {"80": ("200", ""), "150": ("504", "UT"), "20/503": ("503", "")}
        for (_, case), row in zip(schedule(run), requests(run), strict=True):
            assert (row["status"], row["flags"]) == ends[case]
            assert row["attempts"] == "1"
            if case == "150":
                assert row["details"] == "upstream_per_try_timeout"


def test_a_hedged_try_goes_on_and_the_first_good_answer_wins() -> None:
    for run in runs_of("timeout-hedged"):
        zero, all_tries = sent(run), tries(run)
        for (_, case), (request, row) in zip(schedule(run), enumerate(requests(run)), strict=True):
            reached = all_tries[request]
            if case == "150":  # the retry must beat what is left of the first try: it cannot
                assert [one.left for one in reached] == [False, True]
            given_up = [one for one in reached if one.left]
            last = zero[request] + float(row["took_ms"])
            assert all(abs(one.ended - last) < 2 * NOISE for one in given_up), row
