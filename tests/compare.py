"""Runs a case in the engine and in the oracle, and says in words where they first differ."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

import mesh_lab as ml
from mesh_lab.ledger import Ledger
from tests.oracle import Oracle, Rows
from tests.scenarios import Case, features

REQUESTS = ("source", "arrival", "start", "finish", "latency", "endpoint", "outcome")
CALLS = (
    "request",
    "parent",
    "service",
    "endpoint",
    "attempt",
    "sent",
    "arrival",
    "start",
    "finish",
    "outcome",
)

Tables = tuple[Rows, Rows]


@dataclasses.dataclass
class Coverage:
    """What the compared cases had in them, and what happened in them."""

    cases: int = 0
    requests: int = 0
    calls: int = 0
    has: Counter[str] = dataclasses.field(default_factory=Counter)
    happened: Counter[str] = dataclasses.field(default_factory=Counter)

    def __str__(self) -> str:
        lines = [f"{self.cases} scenarios, {self.requests} requests, {self.calls} visits"]
        for title, counts in (("scenarios with", self.has), ("happened", self.happened)):
            lines.append(f"{title}:")
            lines += [f"  {count:8d}  {what}" for what, count in sorted(counts.items())]
        return "\n".join(lines)


def engine(case: Case) -> Tables:
    """Run the case in the engine; return the rows of requests and of calls."""
    with _not_for_ever():
        # the compiled engine is compared with this one, see tests.compare_compiled
        run = ml.simulate(
            case.scenario,
            requests=case.requests,
            until=case.until,
            seed=case.seed,
            engine="simpy",
        )
    return (
        _records(run.requests, REQUESTS),
        _records(run.calls, CALLS),
    )


@contextmanager
def _not_for_ever(most: int = 40_000) -> Iterator[None]:
    """Stop an engine that, with a fault in it, makes requests or sends them round without end."""
    right = {name: getattr(Ledger, name) for name in ("open", "visit")}
    left = most

    def counted(name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise RuntimeError("the engine goes on for ever")
            return right[name](*args)

        return call

    try:
        for name in right:
            setattr(Ledger, name, counted(name))
        yield
    finally:
        for name, function in right.items():
            setattr(Ledger, name, function)


class Expected:
    """What the oracle says about a case.

    When it ends in a deadlock, the engine must say so, and the rows are those of the same case
    just before: until the time of the last event, which is not included.  So it is, too, when
    the run would not end: the open sources are blocked for good, and users go on elsewhere.
    """

    most = 6000

    def __init__(self, case: Case) -> None:
        self.case = case
        self.deadlock: float | None = None
        oracle = Oracle(list(case.parts), case.seed, case.requests, case.until)
        try:
            ended = oracle.run(self.most)
        except ml.Deadlock:
            self.deadlock = oracle.now
            ended = False
        if not ended:
            self.case = dataclasses.replace(case, requests=None, until=oracle.now)
            oracle = Oracle(list(case.parts), case.seed, None, oracle.now)
            oracle.run()
        self.requests = oracle.request_rows
        self.calls = oracle.call_rows
        self.tally = oracle.tally


def first_difference(
    case: Case,
    *,
    expected: Expected | None = None,
    coverage: Coverage | None = None,
    tolerate_errors: bool = False,
) -> str | None:
    """Return where the engine and the oracle first differ, in words; None if they do not.

    With `tolerate_errors` an engine that stumbles differs, instead of stopping everything.
    """
    expected = Expected(case) if expected is None else expected
    if coverage is not None:
        coverage.cases += 1
        coverage.requests += len(expected.requests)
        coverage.calls += len(expected.calls)
        coverage.has += features(case.parts)
        coverage.happened += expected.tally
        coverage.happened["deadlock"] += expected.deadlock is not None
    try:
        return _difference(case, expected)
    except Exception as error:
        if not tolerate_errors:
            raise
        return f"the engine fails with {error!r}"


def _records(table: pd.DataFrame, columns: tuple[str, ...]) -> Rows:
    lists = [table[column].tolist() for column in columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _difference(case: Case, expected: Expected) -> str | None:
    if expected.deadlock is not None:
        try:
            engine(case)
        except ml.Deadlock:
            pass
        else:
            return f"the oracle ends in a deadlock at {expected.deadlock}, the engine does not"
        if expected.deadlock == 0.0:
            return None  # there is nothing before time 0
    try:
        requests, calls = engine(expected.case)
    except ml.Deadlock as error:
        return f"the engine ends in a deadlock ({error}), the oracle does not"
    differences = [
        _rows("calls", CALLS, calls, expected.calls),
        _rows("requests", REQUESTS, requests, expected.requests),
    ]
    found = [d for d in differences if d is not None]
    return min(found)[1] if found else None


def _rows(
    table: str, columns: tuple[str, ...], got: Rows, wanted: Rows
) -> tuple[float, str] | None:
    """Return (when, words) of the first row in which two tables differ."""
    for n, (g, w) in enumerate(zip(got, wanted, strict=False)):
        wrong = [c for c in columns if not _same(g[c], w[c])]
        if wrong:
            return _when(g, w, wrong), (
                f"row {n} of {table} differs in {', '.join(wrong)}:\n"
                f"  engine {_shown(g, columns)}\n  oracle {_shown(w, columns)}"
            )
    if len(got) != len(wanted):
        rest = (got if len(got) > len(wanted) else wanted)[min(len(got), len(wanted))]
        who = "engine" if len(got) > len(wanted) else "oracle"
        made: float = rest["sent" if "sent" in rest else "arrival"]
        return made, (
            f"{table}: the engine has {len(got)} rows, the oracle {len(wanted)}; "
            f"the first that only the {who} has:\n  {_shown(rest, columns)}"
        )
    return None


def _when(got: dict[str, Any], wanted: dict[str, Any], wrong: list[str]) -> float:
    """Return the earliest time at which two rows can be seen to differ."""
    times: list[float] = [
        row[c] for row in (got, wanted) for c in wrong if isinstance(row[c], float)
    ]
    known = [time for time in times if not math.isnan(time)]
    ends: list[float] = [row["finish"] for row in (got, wanted) if not math.isnan(row["finish"])]
    return min(known or ends or [math.inf])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def _shown(row: dict[str, Any], columns: tuple[str, ...]) -> str:
    return " ".join(f"{c}={row[c]}" for c in columns)


def shrink(case: Case, fails: Callable[[Case], bool], tries: int = 400) -> Case:
    """Return a smaller case for which `fails` is still true."""
    at, since = 0, 0  # which of the smaller ones is tried, how many were in vain in a row
    while tries > 0:
        candidates = list(_smaller(case))
        if since >= len(candidates):
            break
        smaller = candidates[at % len(candidates)]
        try:
            fitting = bool(smaller.scenario.sources)  # raises where the parts do not fit
            tries -= fitting
            failing = fitting and fails(smaller)
        except ml.MeshLabError:
            failing = False
        if failing:
            case, since = smaller, 0
        else:
            at, since = at + 1, since + 1
    return case


def _smaller(case: Case) -> Iterator[Case]:
    if case.requests is not None:
        for requests in (1, 2, 3, 5, 10, case.requests // 2, case.requests - 1):
            if 0 < requests < case.requests:
                yield dataclasses.replace(case, requests=requests)
    if case.until is not None and case.until > 1.0:
        yield dataclasses.replace(case, until=case.until / 2)
    for i, part in enumerate(case.parts):
        rest = case.parts[:i] + case.parts[i + 1 :]
        yield dataclasses.replace(case, parts=tuple(_without(p, part.name) for p in rest))
        for field in dataclasses.fields(part):
            if field.name == "spread":  # the oracle reads whole seconds only
                continue
            value = getattr(part, field.name)
            if field.default is dataclasses.MISSING:
                simpler = [n for n in (1, 2) if field.name == "users" and n < value]
            else:
                simpler = [field.default] if value != field.default else []
            for one in simpler:
                try:
                    changed = dataclasses.replace(part, **{field.name: one})
                    parts = (*case.parts[:i], changed, *case.parts[i + 1 :])
                    ml.Scenario(*parts)
                except ml.MeshLabError:
                    continue
                yield dataclasses.replace(case, parts=parts)


def _without(part: Any, name: str) -> Any:
    """Return `part` sending nothing to `name`."""
    to = getattr(part, "to", None)
    if isinstance(to, dict) and name in to:
        left = {n: p for n, p in to.items() if n != name}
        if hasattr(part, "priority"):  # a source sends every request somewhere
            return dataclasses.replace(part, to=next(iter(left))) if left else part
        return dataclasses.replace(part, to=left or None)
    if to == name and not hasattr(part, "priority"):
        return dataclasses.replace(part, to=None)
    return part


def report(case: Case, tries: int = 400) -> str:
    """Return the first difference of a shrunken case, and the case."""
    small = shrink(case, lambda c: first_difference(c, tolerate_errors=True) is not None, tries)
    return f"{first_difference(small, tolerate_errors=True)}\n{small!r}"
