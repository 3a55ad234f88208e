"""A real Envoy in data/resilience/, as the tests read it; times in ms from the start of a run."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent.parent / "data" / "resilience"
Row = dict[str, str]
NOISE = 6.0  # ms: 99.9 % of what was recorded was late by less (see the README there)


class Attempt(NamedTuple):
    """One attempt that reached a back end."""

    request: int
    attempt: int
    back_end: int
    arrived: float
    ended: float
    planned: float
    status: int
    left: bool


@cache
def table(name: str) -> list[Row]:
    path = FOLDER / name
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as f:
        return list(csv.DictReader(f))


@cache
def _by_run(kind: str, scenario: str) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in table(f"{kind}/{scenario}.csv.gz"):
        rows[row["run"]].append(row)
    return rows


def runs() -> dict[str, Row]:
    return {row["run"]: row for row in table("runs.csv")}


def runs_of(*scenarios: str, workers: str = "12") -> list[str]:
    found = runs().values()
    return [r["run"] for r in found if r["scenario"] in scenarios and r["workers"] in workers]


def requests(run: str) -> list[Row]:
    return _by_run("requests", runs()[run]["scenario"])[run]


def schedule(run: str) -> list[tuple[float, str]]:
    """When each request is to be sent, and its case."""
    rows = table(f"schedules/{runs()[run]['scenario']}.csv.gz")
    return [(1000 * float(row["time_s"]), row["case"]) for row in rows]


def sent(run: str) -> list[float]:
    late = [float(row["late_ms"]) for row in requests(run)]
    return [time + x for (time, _), x in zip(schedule(run), late, strict=True)]


@cache
def attempts(run: str) -> list[Attempt]:
    """Every attempt that reached a back end, in order of arrival."""
    zero = sent(run)
    found = []
    for row in _by_run("attempts", runs()[run]["scenario"])[run]:
        request = int(row["request"])
        where = (request, int(row["attempt"]), int(row["back_end"]))
        arrived, ended = float(row["arrived_ms"]), float(row["ended_ms"])
        when = (zero[request] + arrived, zero[request] + ended, float(row["planned_ms"]))
        found.append(Attempt(*where, *when, int(row["status"]), row["end"] == "left"))
    return found


def tries(run: str) -> dict[int, list[Attempt]]:
    """The attempts of each request that reached a back end, in order."""
    found: dict[int, list[Attempt]] = defaultdict(list)
    for one in sorted(attempts(run), key=lambda one: one.attempt):
        found[one.request].append(one)
    return found


def events(run: str) -> list[Row]:
    return [row for row in table("events.csv") if row["run"] == run]


def counters(run: str) -> dict[str, int]:
    return {r["counter"]: int(r["value"]) for r in table("counters.csv.gz") if r["run"] == run}


def configuration(run: str) -> dict[str, Any]:
    """Envoy's configuration, with nominal ports."""
    name = "-".join(run.split("-")[:-2])
    read: dict[str, Any] = json.loads((FOLDER / "configurations" / f"{name}.json").read_text())
    return read


def cluster(run: str) -> dict[str, Any]:
    found: dict[str, Any] = configuration(run)["static_resources"]["clusters"][0]
    return found
