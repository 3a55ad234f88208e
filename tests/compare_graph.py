"""Runs a service graph in the compiled engine and in the reference: where do they first differ?

The loop is plain Python over arrays, so it can be run in two ways: compiled by numba, as it is
meant to be, and *plain*, which needs no compiler and meets the same rules at once, with faults
planted in it or without.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import numpy as np

import mesh_lab as ml
from mesh_lab import draws
from mesh_lab.columns import Columns
from mesh_lab.engines import compiled
from mesh_lab.engines.compiled import feeding
from mesh_lab.engines.compiled.compiling import compiled as compile_all
from mesh_lab.engines.compiled.driver import NotForCompiled
from mesh_lab.engines.compiled.events import arriving
from mesh_lab.engines.compiled.graph import driver, loop, ways
from mesh_lab.engines.compiled.graph.world import (
    NEEDS_DRAWS,
    NEEDS_ROOM,
    NEEDS_WAY,
    GraphWorld,
)
from mesh_lab.engines.compiled.loop import schedule
from mesh_lab.sources import access_log
from tests.compare_compiled import DEADLOCK, Coverage, GoesOnError, Way
from tests.features_graph import features
from tests.happenings_graph import counted, watched
from tests.scenarios import Case
from tests.scenarios_graph import cramped

__all__ = ["LEFT", "Code", "difference", "first_difference", "quarters", "reasons", "reference"]

LEFT = "left to the reference"  # on the way: a rule has become one of another kind
COLUMNS = tuple(field.name for field in dataclasses.fields(Columns))
OF_REQUESTS = ("source", "made", "own_end", "key", "own_outcome")  # the others are of visits
BITS = 3  # of the numbers in a chunk of draws, in cramped quarters
ASKS = {NEEDS_DRAWS: "more draws", NEEDS_ROOM: "more room", NEEDS_WAY: "more ways"}


class Code:
    """The loop that the driver calls, and a count of what it asks for."""

    def __init__(self, way: Way) -> None:
        self._run: Any = compile_all().run_graph if way == "compiled" else loop.run_graph
        self.answers: Counter[int] = Counter()

    def run_graph(self, *arguments: Any) -> int:
        """Run the loop until it asks for something."""
        why: int = self._run(*arguments)
        self.answers[why] += 1
        if self.answers.total() > 50_000:
            raise GoesOnError("run_graph")
        return why


@contextmanager
def quarters(small: bool) -> Iterator[None]:
    """Let draws come 8 at a time and tables begin with a few places, where it is cramped."""
    if not small:
        yield
        return
    chunk = 1 << BITS
    with (
        mock.patch.multiple(draws, _BITS=BITS, CHUNK=chunk, _MASK=chunk - 1),
        mock.patch.object(arriving, "CHUNK", chunk),
        mock.patch.multiple(feeding, CHUNK=chunk, WINDOW=2 * chunk),
        mock.patch.object(access_log, "CHUNK", chunk),
        mock.patch.multiple(ways, CHUNK=chunk, _REACH=1, _WAYS=1, _FEW=1),
        # the driver adds four times what one event may need, which is never below 40
        mock.patch.multiple(driver, _ROWS=1, _PLACES=-20),
        mock.patch.object(driver._Run, "_world", _with_a_short_agenda(driver._Run._world)),
    ):
        yield


def _with_a_short_agenda(world: Callable[..., GraphWorld]) -> Callable[..., GraphWorld]:
    """Return what makes a world whose agenda has just room for what one event may need."""

    def short(*given: Any) -> GraphWorld:
        w = world(*given)
        n = 1 << w.room.bit_length()
        return w._replace(item=w.item[:n], item_of=w.item_of[:n], item_row=w.item_row[:n])

    return short


def reference(case: Case) -> Columns | str:
    """Return the columns by the reference, or how it ended instead."""
    try:
        return ml.simulate(
            case.scenario,
            requests=case.requests,
            until=case.until,
            seed=case.seed,
            engine="reference",
        ).columns
    except ml.Deadlock:
        return DEADLOCK


def quick(case: Case, code: Code) -> Columns | str:
    """Return the columns by the compiled engine, with `code` for its loop, or how it ended."""
    scenario = case.scenario
    found = reasons(scenario)
    assert not found, found
    assert scenario.called
    with mock.patch.object(driver, "compiled", return_value=code):
        try:
            columns = compiled.run_graph(
                scenario, case.seed, requests=case.requests, until=case.until
            )
        except NotForCompiled as why:
            return DEADLOCK if "in flight" in str(why) else LEFT
    assert code.answers, "the loop was not asked"
    return columns


def reasons(scenario: ml.Scenario) -> list[str]:
    """Return what the compiled engine cannot run, were numba there."""
    return [reason for reason in compiled.reasons(scenario) if "numba" not in reason]


def difference(got: Columns | str, wanted: Columns | str) -> str | None:
    """Return where the compiled engine first differs from the reference, in words."""
    if got == LEFT:
        return None
    if isinstance(got, str) or isinstance(wanted, str):
        if isinstance(got, str) and isinstance(wanted, str):
            return None
        mine, other = (x if isinstance(x, str) else "rows" for x in (got, wanted))
        return f"the compiled engine comes to {mine}, the reference to {other}"
    for name in COLUMNS:
        one, other = getattr(got, name), getattr(wanted, name)
        if one is None or other is None:
            if one is not other:
                return f"only one of the engines has a column {name}"
        elif one.dtype != other.dtype:
            return f"column {name} is {one.dtype}, by the reference {other.dtype}"
    found: list[tuple[int, str]] = []
    for name in COLUMNS:
        one, other = getattr(got, name), getattr(wanted, name)
        if one is None:
            continue
        least = min(len(one), len(other))
        same = (one[:least] == other[:least]) | (
            (one[:least] != one[:least]) & (other[:least] != other[:least])
        )
        if not same.all():
            found.append((int(np.argmin(same)), name))
    if found:
        row = min(row for row, _ in found)
        wrong = ", ".join(name for at, name in found if at == row)
        return (
            f"row {row} differs in {wrong}:\n"
            f"  compiled  {_row(got, row)}\n  reference {_row(wanted, row)}"
        )
    for name in COLUMNS:
        one, other = getattr(got, name), getattr(wanted, name)
        if one is not None and len(one) != len(other):
            return f"column {name} has {len(one)} rows, by the reference {len(other)}"
    return None


def _row(columns: Columns, row: int) -> str:
    """Return everything about a visit, and about its request."""
    if row >= len(columns.start):
        return "no such row"
    mine = columns.own_request
    of = {True: row, False: row if mine is None else int(mine[row])}
    values = ((name, getattr(columns, name)) for name in COLUMNS)
    return " ".join(
        f"{name}={v[of[name not in OF_REQUESTS]]}" for name, v in values if v is not None
    )


def first_difference(
    case: Case,
    way: Way,
    *,
    expected: Columns | str | None = None,
    coverage: Coverage | None = None,
    tolerate_errors: bool = True,
) -> str | None:
    """Return where the engines first differ, in words; None if they do not.

    An engine that stumbles differs, unless errors are not tolerated.
    """
    small = cramped(case.seed)
    with quarters(small), np.errstate(all="ignore"):
        with watched() if coverage is not None else nullcontext(set[str]()) as seen:
            wanted = reference(case) if expected is None else expected
        code = Code(way)
        try:
            with not_for_ever() if way == "plain" else nullcontext():
                got = quick(case, code)
        except Exception as error:
            if not tolerate_errors:
                raise
            return f"the compiled engine fails with {error!r}"
    if coverage is not None:
        coverage.cases += 1
        coverage.has.update(features(case))
        coverage.has["cramped"] += small
        coverage.happened += counted(case, wanted)
        coverage.happened.update(seen)
        coverage.happened[LEFT] += got == LEFT
        if not isinstance(wanted, str):
            coverage.requests += len(wanted.made)
        if small:  # of the others, all ask for draws and ways
            coverage.happened.update(ASKS[why] for why in code.answers if why in ASKS)
    return difference(got, wanted)


@contextmanager
def not_for_ever(most: int = 100_000) -> Iterator[None]:
    """Stop a plain loop that, with something wrong in it, would go on without end."""
    left = most

    def limited(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise GoesOnError(function.__name__)
            return function(*arguments)

        return call

    def checked(first: Any, following: Any, of: int, one: int) -> None:
        at, steps = first[of], 0
        while at != one:  # it would look for it for ever
            at, steps = following[at], steps + 1
            if at < 0 or steps > most:
                raise GoesOnError("unlink")
        unlink(first, following, of, one)

    unlink = loop.unlink
    with (
        mock.patch.object(loop, "schedule", limited(schedule)),
        mock.patch.object(loop, "push", limited(loop.push)),
        mock.patch.object(loop, "ring_at", limited(loop.ring_at)),
        mock.patch.object(loop, "unlink", checked),
    ):
        yield
