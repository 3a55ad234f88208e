"""Runs a case in the compiled engine and in the reference, and says where they first differ.

The loop of the compiled engine is plain Python over arrays, so it can be run in two ways: compiled
by numba, as it is meant to be, and *plain*, which needs no compiler and meets the same rules at
once, with faults planted in it or without.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from unittest import mock

import numpy as np
import pandas as pd
import simpy

import mesh_lab as ml
from mesh_lab import draws
from mesh_lab.columns import Columns
from mesh_lab.engines import compiled, express
from mesh_lab.engines.compiled import driver, feeding, loop, onepass, rules
from mesh_lab.engines.compiled.compiling import compiled as compile_all
from mesh_lab.engines.compiled.tallying import tallied
from mesh_lab.ledger import OUTCOMES
from mesh_lab.sources import access_log
from mesh_lab.stations import balancers
from tests.compare import shrink
from tests.scenarios import Case
from tests.scenarios_compiled import features

Way = Literal["compiled", "plain"]
DEADLOCK = "a deadlock"
COLUMNS = ("source", "made", "station", "endpoint", "start", "finish", "outcome")
COLUMNS += ("request", "sent", "arrival", "own_end", "key")
BITS = 3  # of the numbers in a chunk of draws, in cramped quarters


@dataclasses.dataclass
class Coverage:
    """What the compared cases had in them, and what happened in them."""

    cases: int = 0
    requests: int = 0
    has: Counter[str] = dataclasses.field(default_factory=Counter)
    happened: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, other: Coverage) -> None:
        """Add what others have compared."""
        self.cases += other.cases
        self.requests += other.requests
        self.has += other.has
        self.happened += other.happened

    def __str__(self) -> str:
        lines = [f"{self.cases} scenarios, {self.requests} requests"]
        for title, counts in (("scenarios with", self.has), ("in which there were", self.happened)):
            lines.append(f"{title}:")
            lines += [f"  {count:8d}  {what}" for what, count in sorted(counts.items())]
        return "\n".join(lines)


class GoesOnError(Exception):
    """An engine, with a fault in it, does not come to an end."""


class Code:
    """The functions that the driver calls, and a count of their calls."""

    def __init__(self, way: Way) -> None:
        if way == "compiled":
            made = compile_all()
            self._functions = {n: getattr(made, n) for n in ("run_loop", "run_onepass")}
        else:
            self._functions = {"run_loop": loop.run_loop, "run_onepass": onepass.run_onepass}
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls[name] += 1
            if self.calls.total() > 20_000:
                raise GoesOnError(name)
            return self._functions[name](*arguments)

        return call


@contextmanager
def quarters(cramped: bool) -> Iterator[None]:
    """Let draws come 8 at a time and tables begin with a few rows, in both engines alike."""
    if not cramped:
        yield
        return
    chunk = 1 << BITS
    with (
        mock.patch.multiple(draws, _BITS=BITS, CHUNK=chunk, _MASK=chunk - 1),
        mock.patch.multiple(feeding, CHUNK=chunk, WINDOW=2 * chunk),
        mock.patch.object(access_log, "CHUNK", chunk),
        mock.patch.multiple(driver, _ROWS=4, _ENDED=16, _EVENTS=1),
        mock.patch.object(balancers, "_SUPPLY", 1),
    ):
        yield


def reference(case: Case) -> Columns | str:
    """Return the columns by the reference, or how it ended instead."""
    try:
        run = ml.simulate(
            case.scenario,
            requests=case.requests,
            until=case.until,
            seed=case.seed,
            engine="reference",
        )
    except ml.Deadlock:
        return DEADLOCK
    return run.columns


def quick(case: Case, code: Code) -> Columns | str:
    """Return the columns by the compiled engine, with `code` for its loop, or how it ended."""
    scenario = case.scenario
    found = [reason for reason in compiled.reasons(scenario) if "numba" not in reason]
    assert not found, found
    with mock.patch.object(driver, "compiled", return_value=code):
        try:
            result = compiled.run(scenario, case.seed, requests=case.requests, until=case.until)
        except driver.NotForCompiled:
            return DEADLOCK
    return result.columns


def lane(case: Case) -> Columns | None:
    """Return the columns by the express lane, where it can be taken."""
    if not express.fits(case.scenario):
        return None
    ledger = express.run(
        simpy.Environment(), case.scenario, case.seed, requests=case.requests, until=case.until
    )
    source, made = ledger.request_columns()
    return Columns(source=source, made=made, **ledger.columns())


def summaries(case: Case, code: Code) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Return the summary by the compiled engine and by the reference, neither of which keeps rows.

    The half-widths of one pass are left out, because it sees requests in another order; so are
    those of runs with delays, where the reference counts a visit before its response is back.
    """
    warmup = (0.0, 2.5, 8.0)[case.seed % 3]
    limits: dict[str, Any] = {"requests": case.requests, "until": case.until}
    try:
        right = ml.simulate(
            case.scenario,
            **limits,
            seed=case.seed,
            warmup=warmup,
            keep="summary",
            engine="reference",
        )
    except ml.Deadlock:
        return None
    with mock.patch.object(driver, "compiled", return_value=code):
        run = tallied(case.scenario, case.seed, warmup=warmup, arrived=None, **limits)
    unlike = ["half_width", "note"] if code.calls["run_onepass"] or case.scenario.delays else []
    both = (table.summary().drop(columns=unlike) for table in (run, right))
    return next(both), next(both)


def unlike_summaries(case: Case, code: Code) -> str | None:
    """Return how the summaries differ by more than rounding, in words."""
    found = summaries(case, code)
    if found is None:
        return None
    try:
        pd.testing.assert_frame_equal(*found, check_exact=False, rtol=1e-9, atol=1e-9)
    except AssertionError as error:
        return f"the summaries differ: {error}"
    return None


def difference(got: Columns | str, wanted: Columns | str, who: str) -> str | None:
    """Return where `got`, by the engine `who`, first differs from the reference, in words."""
    if isinstance(got, str) or isinstance(wanted, str):
        if isinstance(got, str) and isinstance(wanted, str):
            return None
        mine, other = (x if isinstance(x, str) else "rows" for x in (got, wanted))
        return f"{who} comes to {mine}, the reference to {other}"
    if len(got.made) != len(wanted.made):
        return f"{who} has {len(got.made)} requests, the reference {len(wanted.made)}"
    found: list[tuple[int, str]] = []
    for name in COLUMNS:
        one, other = getattr(got, name), getattr(wanted, name)
        if (one is None) != (other is None):
            return f"{who}: only one of the engines has a column {name}"
        if one is None:
            continue
        same = (one == other) | ((one != one) & (other != other))
        if not same.all():
            row = int(np.argmin(same))
            found.append((row, name))
    if not found:
        return None
    row = min(row for row, _ in found)
    wrong = ", ".join(name for at, name in found if at == row)
    return (
        f"row {row} differs in {wrong}:\n  {who} {_row(got, row)}\n  reference {_row(wanted, row)}"
    )


def _row(columns: Columns, row: int) -> str:
    values = ((name, getattr(columns, name)) for name in COLUMNS)
    return " ".join(f"{name}={v[row]}" for name, v in values if v is not None)


def first_difference(
    case: Case,
    way: Way,
    cramped: bool,
    *,
    expected: Columns | str | None = None,
    coverage: Coverage | None = None,
    tolerate_errors: bool = True,
) -> str | None:
    """Return where the engines first differ, in words; None if they do not.

    An engine that stumbles differs, unless errors are not tolerated.
    """
    with quarters(cramped), np.errstate(all="ignore"):
        wanted = reference(case) if expected is None else expected
        code = Code(way)
        try:
            got = quick(case, code)
        except Exception as error:
            if not tolerate_errors:
                raise
            return f"the engine ({way}) fails with {error!r}"
        found = difference(got, wanted, way)
        if coverage is not None:
            _note(coverage, case, wanted, code, cramped)
            other = lane(case)
            if other is not None:
                coverage.happened["the express lane"] += 1
                found = found or difference(other, wanted, "the express lane")
            if case.seed % 5 < 2:
                coverage.has["summary without rows"] += 1
                found = found or unlike_summaries(case, Code(way))
    return found


def _note(
    coverage: Coverage, case: Case, columns: Columns | str, code: Code, cramped: bool
) -> None:
    coverage.cases += 1
    coverage.has.update(features(case))
    coverage.has["cramped"] += cramped
    if isinstance(columns, str):
        coverage.happened[columns] += 1
        return
    coverage.requests += len(columns.made)
    coverage.happened.update(f"outcome {OUTCOMES[k]}" for k in np.unique(columns.outcome))
    coverage.happened["one pass"] += code.calls["run_onepass"] > 0
    ends = columns.finish if columns.own_end is None else columns.own_end
    coverage.happened["arrivals together"] += len(np.unique(columns.made)) < len(columns.made)
    known = ends[~np.isnan(ends)]
    coverage.happened["ends together"] += len(np.unique(known)) < len(known)
    meets = np.isin(columns.made, columns.finish)
    coverage.happened["an arrival and a completion together"] += bool(meets.any())
    changes = getattr(case.scenario.stations[0], "changes", ())
    times = [change.at for change in changes if hasattr(change, "at")]
    moments = np.concatenate([columns.made, columns.finish])
    coverage.happened["a change together with other events"] += bool(np.isin(times, moments).any())
    coverage.happened["waiting"] += bool((columns.start > columns.arrival).any())


def report(case: Case, way: Way, cramped: bool, tries: int = 300) -> str:
    """Return the first difference of a shrunken case, and the case."""

    def differs(smaller: Case) -> str | None:  # with coverage, all ways to run it are compared
        return first_difference(smaller, way, cramped, coverage=Coverage())

    def fails(smaller: Case) -> bool:
        try:
            if [r for r in compiled.reasons(smaller.scenario) if "numba" not in r]:
                return False
            return differs(smaller) is not None
        except ml.MeshLabError:
            return False

    small = shrink(case, fails, tries)
    return f"{differs(small)}\n{small!r}"


@contextmanager
def not_for_ever(most: int = 20_000) -> Iterator[None]:
    """Stop a plain loop that, with a fault in it, plans events or picks without end."""
    left = most

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise GoesOnError(function.__name__)
            return function(*arguments)

        return call

    with (
        mock.patch.object(loop, "schedule", counted(loop.schedule)),
        mock.patch.object(loop, "choose", counted(rules.choose)),
        mock.patch.object(loop, "settle_down", counted(loop.settle_down)),
        mock.patch.object(onepass, "choose", counted(rules.choose)),
    ):
        yield
