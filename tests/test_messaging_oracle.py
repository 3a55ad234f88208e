"""A second, independent at-least-once queue, written from engines/RULES.md, gives the same rows.

One source, one queue with a visibility (or none), one consumer with several workers and places,
failures, a delivery limit, and outages of the consumer; over random scenarios, half of them on a
lattice of times where much happens at once.
"""

from __future__ import annotations

import heapq
import math
import random
from typing import Any

import pytest

import mesh_lab as ml

from .delivered import table

COMPLETION, TIMEOUT, OUTAGE, SOURCE = 1, 2, 3, 5
COLUMNS = ("number", "attempt", "sent", "delivered", "started", "finished", "acked", "outcome")


class SecondQueue:
    """The rules again: an event loop over (time, rank, sequence), and lists."""

    def __init__(self, case: dict[str, Any], requests: int, seed: int) -> None:
        self.case = case
        self.draws = ml.Draws(seed)
        self.rows: list[dict[str, Any]] = []
        self.heap: list[tuple[float, int, int, str, Any]] = []
        self.sequence = 0
        self.waiting: list[tuple[int, int]] = []  # (number, row), the least number first
        self.buffer: list[int] = []  # rows that were delivered
        self.working: dict[int, None] = {}
        self.mine: dict[int, None] = {}  # rows with a place
        self.up = True
        self.stored: dict[int, str] = {}  # number -> "waits" or "held"
        self.latest: dict[int, int] = {}  # number -> row of the last delivery
        self.planned: set[int] = set()  # rows whose visibility runs
        gaps = iter(self.draws.column(case["gap"], "shop", "gap", "shop"))
        for start, end in case["outages"]:
            self.at(start, OUTAGE, "go_down", None)
            self.at(end, OUTAGE, "come_up", None)
        now = 0.0
        arrivals = []
        for number in range(requests):
            now = now + next(gaps)
            arrivals.append((now, number))
        for time, number in arrivals:
            self.at(time, SOURCE, "arrive", number)
        while self.heap:
            time, _, _, what, about = heapq.heappop(self.heap)
            getattr(self, what)(time, about)

    def at(self, time: float, rank: int, what: str, about: Any) -> None:
        heapq.heappush(self.heap, (time, rank, self.sequence, what, about))
        self.sequence += 1

    def uniform(self, purpose: str, number: int, attempt: int) -> float:
        return self.draws.column("uniform", "c", purpose, "shop", 0, attempt - 1).at(number)

    def row(self, number: int, attempt: int, now: float) -> int:
        nothing = dict.fromkeys(("delivered", "started", "finished", "acked"), math.nan)
        about = {"number": number, "attempt": attempt, "sent": now, "outcome": "in_flight"}
        self.rows.append({**about, **nothing})
        return len(self.rows) - 1

    def arrive(self, now: float, number: int) -> None:
        self.wait(number, self.row(number, 1, now))
        self.serve(now)

    def wait(self, number: int, row: int) -> None:
        self.stored[number] = "waits"
        heapq.heappush(self.waiting, (number, row))

    def serve(self, now: float) -> None:
        places = self.case["prefetch"]
        limit = math.inf if places is None else places * self.case["workers"]
        while self.up and self.waiting and len(self.mine) < limit:
            number, row = heapq.heappop(self.waiting)
            if self.stored.get(number) != "waits" or self.rows[row]["outcome"] != "in_flight":
                continue
            self.stored[number] = "held"
            self.latest[number] = row
            self.mine[row] = None
            self.rows[row]["delivered"] = now
            if self.case["visibility"] is not None:
                self.planned.add(row)
                self.at(now + self.case["visibility"], TIMEOUT, "visible", row)
            self.buffer.append(row)
            self.begin(now)

    def begin(self, now: float) -> None:
        while self.buffer and len(self.working) < self.case["workers"]:
            row = self.buffer.pop(0)
            number, attempt = self.rows[row]["number"], self.rows[row]["attempt"]
            self.rows[row]["started"] = now
            self.working[row] = None
            column = self.draws.column(self.case["work"], "c", "service", "shop", 0, attempt - 1)
            self.at(now + column.at(number), COMPLETION, "done", row)

    def done(self, now: float, row: int) -> None:
        if row not in self.working:
            return  # its consumer has crashed
        del self.working[row]
        made = self.rows[row]
        number = made["number"]
        made["finished"] = now
        bad = self.uniform("failure", number, made["attempt"]) < self.case["failure"]
        made["outcome"] = "nacked" if bad else "handled"
        self.begin(now)
        self.mine.pop(row, None)
        if self.latest.get(number) == row:
            if bad:
                if self.stored[number] == "held":
                    self.planned.discard(row)
                    del self.latest[number]
                    self.again(row, now)
            else:
                self.planned.discard(row)
                if self.stored[number] == "waits":  # the row that it waits in is its newest
                    newest = max(k for k, r in enumerate(self.rows) if r["number"] == number)
                    self.rows[newest]["outcome"] = "withdrawn"
                made["outcome"], made["acked"] = "acked", now
                del self.stored[number], self.latest[number]
        self.serve(now)

    def again(self, row: int, now: float) -> None:
        number, attempt = self.rows[row]["number"], self.rows[row]["attempt"]
        following = self.row(number, attempt + 1, now)
        if self.case["limit"] is not None and attempt >= self.case["limit"]:
            self.rows[following]["outcome"] = "lost"
            del self.stored[number]
            self.latest.pop(number, None)
        else:
            self.wait(number, following)

    def visible(self, now: float, row: int) -> None:
        if row in self.planned:
            self.planned.discard(row)
            self.again(row, now)
            self.serve(now)

    def go_down(self, now: float, _: None) -> None:
        self.up = False
        held = list(self.mine)
        for row in held:
            self.rows[row]["outcome"] = "crashed"
        self.mine.clear()
        self.buffer.clear()
        self.working.clear()
        if self.case["visibility"] is None:
            for row in held:
                del self.latest[self.rows[row]["number"]]
                self.again(row, now)

    def come_up(self, now: float, _: None) -> None:
        self.up = True
        self.serve(now)


def random_case(rng: random.Random) -> dict[str, Any]:
    lattice = rng.random() < 0.5
    times = [0.5, 1.0, 1.5, 2.0] if lattice else [0.43, 0.91, 1.37, 2.21]
    work = ml.Deterministic(value=rng.choice(times)) if lattice else ml.Exponential(mean=1.0)
    gap = ml.Deterministic(value=rng.choice(times)) if lattice else ml.Exponential(mean=0.7)
    visibility = rng.choice([None, *times, 4.0])
    outages, end = [], 0.0
    for _ in range(rng.randrange(4)):
        start = end + rng.choice(times) * rng.randrange(1, 8)
        end = start + rng.choice(times)
        outages.append((start, end))
    limit = rng.choice([None, 1, 2, 5])
    if visibility is not None and limit is None and rng.random() < 0.7:
        limit = 8  # or events may go round for very long
    return {
        "gap": gap,
        "work": work,
        "visibility": visibility,
        "limit": limit if visibility is None or limit is not None else 30,
        "workers": rng.randrange(1, 4),
        "prefetch": rng.choice([1, 2, 3, None]),
        "failure": rng.choice([0.0, 0.2, 0.5]),
        "outages": tuple(outages),
    }


def simulated(case: dict[str, Any], requests: int, seed: int) -> ml.Run:
    return ml.simulate(
        ml.Scenario(
            ml.Renewal("shop", gap=case["gap"], to="q"),
            ml.MessageQueue("q", visibility=case["visibility"], delivery_limit=case["limit"]),
            ml.Consumer(
                "c",
                source="q",
                work=case["work"],
                workers=case["workers"],
                prefetch=case["prefetch"],
                failure=case["failure"],
                outages=case["outages"],
            ),
        ),
        requests=requests,
        seed=seed,
    )


def agree(case: dict[str, Any], seed: int) -> tuple[bool, set[str]]:
    second = SecondQueue(case, 25, seed).rows
    expected = [
        tuple(
            None if value != value else round(value, 9) if isinstance(value, float) else value
            for value in (row[name] for name in COLUMNS)
        )
        for row in second
    ]
    return table(simulated(case, 25, seed), *COLUMNS) == expected, {r["outcome"] for r in second}


@pytest.mark.parametrize("part", range(4))
def test_both_give_the_same_rows(part: int) -> None:
    met: set[str] = set()
    for seed in range(60 * part, 60 * part + 60):
        case = random_case(random.Random(seed))
        same, outcomes = agree(case, seed)
        assert same, (seed, case)
        met |= outcomes
    assert met == {"acked", "handled", "nacked", "crashed", "withdrawn", "lost"}


def test_the_comparison_finds_a_planted_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """With late acknowledgements that never count, rows differ."""
    monkeypatch.setattr(SecondQueue, "visible", _and_forget)
    different = [s for s in range(60) if not agree(random_case(random.Random(s)), s)[0]]
    assert len(different) > 2


def _and_forget(self: SecondQueue, now: float, row: int) -> None:
    if row in self.planned:
        self.planned.discard(row)
        del self.latest[self.rows[row]["number"]]
        self.again(row, now)
        self.serve(now)
