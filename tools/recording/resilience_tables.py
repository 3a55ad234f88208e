"""The tables of a resilience recording: what was planned, asked, what arrived, what Envoy said.

Times of a run are kept as differences, in milliseconds with one decimal: a request is *late*
against its schedule, its answer *took* so long, an attempt arrived so long after it was sent.  So
small noise takes few bytes, and the rows of two repetitions can be compared by eye.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from .__main__ import write
from .resilience_answers import Scenario
from .resilience_callee import Attempt
from .resilience_caller import Sent

__all__ = ["Recorded", "Row", "write_plan"]

Row = tuple[object, ...]
Header = tuple[str, ...]
REQUESTS: Header = ("run", "request", "worker", "late_ms", "took_ms", "status", "flags", "details")
REQUESTS += ("attempts", "back_end")
ATTEMPTS: Header = ("run", "request", "attempt", "back_end", "connection", "arrived_ms")
ATTEMPTS += ("planned_ms", "status", "ended_ms", "end")
EVENTS: Header = ("run", "time_s", "action", "kind", "back_end", "ejections", "enforced")
EVENTS += ("host_rate", "mean_rate", "threshold")
RUNS: Header = (
    "run",
    "scenario",
    "balancer",
    "workers",
    "repetition",
    "recorded",
    "requests",
    "attempts",
)
RUNS += ("answered", "left", "ok", "503", "504", "UT", "URX", "UO", "sweep_s", "sweep_every_s")


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds with one decimal."""
    return f"{1000 * seconds:.1f}"


def rate(value: object) -> str:
    """Return a percentage of the log of ejections (whole there), -1 (none) as nothing."""
    number = int(str(value))
    return "" if number < 0 else str(number)


class Recorded:
    """Collects the rows of all runs, scenario by scenario, and writes them over older ones."""

    def __init__(self) -> None:
        self.requests: dict[str, list[Row]] = {}
        self.attempts: dict[str, list[Row]] = {}
        self.runs: list[Row] = []
        self.events: list[Row] = []
        self.counters: list[Row] = []
        self.gauges: list[Row] = []

    def run(
        self,
        name: str,
        scenario: Scenario,
        about: Row,
        start: float,
        sent: Sequence[Sent],
        attempts: Sequence[Attempt],
        logged: Sequence[dict[str, Any]],
        ports: Sequence[int],
        events: Sequence[Row],
    ) -> None:
        """Add one run; `about` is balancer, workers, repetition and when it was recorded."""
        asked = {one.request: one for one in sent}
        back_end = {f"127.0.0.1:{port}": i for i, port in enumerate(ports)}
        outcomes: Counter[str] = Counter()
        rows = self.requests.setdefault(scenario.name, [])
        for request, line in enumerate(logged):
            one = asked[request]
            if (int(line["request"]), int(line["status"])) != (request, one.status):
                raise RuntimeError(f"{name}: request {request} got {one.status}, logged {line}")
            flags = line["flags"] if line["flags"] != "-" else ""
            outcomes.update([str(one.status), *flags.split(",")])
            late = one.sent - start - scenario.schedule[request][0]
            took = one.answered - one.sent
            heard: Row = (one.status, flags, line["details"], line["attempts"])
            host = back_end.get(str(line["host"]), "")
            rows.append(
                (name, request, one.worker, milliseconds(late), milliseconds(took), *heard, host)
            )
        arrivals = self.attempts.setdefault(scenario.name, [])
        for at in attempts:
            since = asked[at.request].sent
            where = (name, at.request, at.attempt, at.back_end, at.connection)
            planned = (milliseconds(at.arrived - since), f"{1000 * at.planned.delay:g}")
            ended = (at.planned.status, milliseconds(at.ended - since), at.end)
            arrivals.append((*where, *planned, *ended))
        ends = Counter(at.end for at in attempts)
        counts = (len(sent), len(attempts), ends["answered"], ends["left"])
        known = [outcomes[kind] for kind in ("200", "503", "504", "UT", "URX", "UO")]
        self.events += [(name, *event) for event in events]
        self.runs.append((name, scenario.name, *about, *counts, *known, *sweeps(events)))

    def write(self, folder: Path) -> None:
        """Write every table."""
        for kind, header, tables in (
            ("requests", REQUESTS, self.requests),
            ("attempts", ATTEMPTS, self.attempts),
        ):
            (folder / kind).mkdir(exist_ok=True)
            for name, rows in tables.items():
                write(folder / kind / f"{name}.csv.gz", header, rows)
        for file, header, rows in (
            ("runs.csv", RUNS, self.runs),
            ("events.csv", EVENTS, self.events),
            ("counters.csv.gz", ("run", "counter", "value"), self.counters),
            ("gauges.csv", ("run", "time_s", "gauge", "value"), self.gauges),
        ):
            write(folder / file, header, kept(folder / file, set(self.requests)) + rows)


def kept(file: Path, again: set[str]) -> list[Row]:
    """Return the rows that a table has of scenarios that were not recorded `again`."""
    if not file.exists():
        return []
    data = file.read_bytes()
    text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
    rows = list(csv.reader(text.splitlines()))[1:]
    return [tuple(row) for row in rows if row[0].rsplit("-", 3)[0] not in again]


def ejections(log: Sequence[dict[str, Any]], zero: float, ports: Sequence[int]) -> list[Row]:
    """Return the rows of Envoy's log of ejections; `zero` is the run's start in system time."""
    back_end = {f"127.0.0.1:{port}": i for i, port in enumerate(ports)}
    rows: list[Row] = []
    for event in log:
        # Nanoseconds, which no datetime holds: the fraction is cut to microseconds.
        stamp = re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", event["timestamp"])
        time = datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() - zero
        out = event["action"] == "EJECT"
        by_rate = event.get("eject_success_rate_event", {})
        percentage = event.get("eject_failure_percentage_event", {})
        rows.append(
            (
                f"{time:.4f}",
                event["action"].lower(),
                event["type"].lower() if out else "",
                back_end[event["upstream_url"]],
                event["num_ejections"],
                int(event["enforced"]) if out else "",
                rate((by_rate or percentage).get("host_success_rate", -1)),
                rate(by_rate.get("cluster_average_success_rate", -1)),
                rate(by_rate.get("cluster_success_rate_ejection_threshold", -1)),
            )
        )
    return rows


def sweeps(events: Sequence[Row]) -> tuple[str, str]:
    """Return when the first sweep of a run was and how far apart they are (s), where that shows.

    A sweep shows where it put a host back or ejected by a rate.  The least-squares line through
    these times is given, its first value at or after 0.
    """
    times = [
        float(str(event[0]))
        for event in events
        if event[1] == "uneject" or str(event[2]) in ("success_rate", "failure_percentage")
    ]
    if not times:
        return ("", "")
    turns = [round(time - times[0]) for time in times]
    spread = [turn - sum(turns) / len(turns) for turn in turns]
    over = sum(x * x for x in spread)
    every = sum(x * y for x, y in zip(spread, times, strict=True)) / over if over else 1.0
    middle = sum(times) / len(times) - every * sum(turns) / len(turns)
    return (f"{middle - math.floor(middle / every) * every:.4f}", f"{every:.5f}" if over else "")


def write_plan(folder: Path, scenarios: Sequence[Scenario], texts: dict[str, str]) -> None:
    """Write schedules, answers and configurations of all `scenarios`."""
    (folder / "schedules").mkdir(exist_ok=True)
    (folder / "configurations").mkdir(exist_ok=True)
    cases: list[Row] = []
    faults: list[Row] = []
    about: list[Row] = []
    for one in scenarios:
        slots = [(i, f"{time:g}", case) for i, (time, case) in enumerate(one.schedule)]
        write(folder / "schedules" / f"{one.name}.csv.gz", ("request", "time_s", "case"), slots)
        protocol = "HTTP/2" if one.http2 else "HTTP/1.1"
        usual = (f"{1000 * one.usual.delay:g}", one.usual.status)
        about.append((one.name, one.back_ends, protocol, len(slots), *usual, one.about))
        for case, answers in one.cases.items():
            for attempt, answer in enumerate(answers, 1):
                cases.append((one.name, case, attempt, f"{1000 * answer.delay:g}", answer.status))
        for fault in one.faults:
            when = (fault.back_end, f"{fault.since:g}", f"{fault.until:g}")
            what = (fault.failing, fault.out_of, f"{1000 * fault.answer.delay:g}")
            faults.append((one.name, *when, *what, fault.answer.status))
    for name, text in texts.items():
        (folder / "configurations" / f"{name}.json").write_text(text)
    header: Header = (
        "scenario",
        "back_ends",
        "protocol",
        "requests",
        "usual_ms",
        "usual_status",
        "about",
    )
    write(folder / "scenarios.csv", header, about)
    write(folder / "cases.csv", ("scenario", "case", "attempt", "delay_ms", "status"), cases)
    header = (
        "scenario",
        "back_end",
        "since_s",
        "until_s",
        "failing",
        "out_of",
        "delay_ms",
        "status",
    )
    write(folder / "faults.csv", header, faults)


def text_of(configuration: dict[str, Any]) -> str:
    """Return a configuration as it is kept."""
    return json.dumps(configuration) + "\n"
