"""The compiled engine gives the reference's columns, to the last bit; and what would go unnoticed.

The scenarios are numbers 1, 2, 3, ... of `tests.scenarios_compiled`.  Most run with the loop as
plain Python, which follows the same rules and needs no compiler; ``make differential`` compares
thousands with the compiled one.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.engines.compiled.compiling import installed
from mesh_lab.engines.compiled.world import DISCIPLINES
from tests.compare_compiled import first_difference, report
from tests.differential_compiled import WITHIN, compare, missing
from tests.faults import planted
from tests.faults_compiled import FAULTS, found_after
from tests.scenarios import Case
from tests.scenarios_compiled import RULES, cramped, make

PLAIN, COMPILED = 300, 150


def test_random_scenarios_give_the_same_columns_with_the_plain_loop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    coverage, found = compare(list(range(1, PLAIN + 1)), "plain")
    with capsys.disabled():
        print(f"\nplain loop and reference: {coverage}")
    assert not found, report(make(found[0]), "plain", cramped(found[0]))
    assert not missing(coverage, 1)


@pytest.mark.skipif(not installed(), reason="numba is not installed")
def test_random_scenarios_give_the_same_columns_compiled() -> None:
    coverage, found = compare(list(range(1, COMPILED + 1)), "compiled")
    assert not found, report(make(found[0]), "compiled", cramped(found[0]))
    assert all(coverage.has[what] for what in (*RULES, *DISCIPLINES))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    assert found_after(name, WITHIN) is not None


def test_planted_faults_are_taken_out_again() -> None:
    name = "one too many may wait"
    seed = found_after(name, WITHIN)
    assert seed is not None
    assert first_difference(make(seed), "plain", cramped(seed)) is None


def test_a_difference_is_reported_small_and_can_be_pasted() -> None:
    name = "rejected requests stay outstanding"
    seed = found_after(name, WITHIN)
    assert seed is not None
    case = make(seed)
    with planted(name, FAULTS):
        text = report(case, "plain", cramped(seed), tries=150)
        pasted = text[text.index("Case(") :]
        known: dict[str, Any] = {**vars(ml), "Case": Case}
        small = eval(pasted, known)
        assert first_difference(small, "plain", cramped(seed)) is not None
    assert first_difference(small, "plain", cramped(seed)) is None
    assert re.search(r"row \d+ differs in|requests, the reference", text)
    assert len(repr(small)) < len(repr(case))
    assert small.requests is not None
    assert case.requests is not None
    assert small.requests < case.requests


def test_the_reason_why_a_plain_run_stands_still_is_the_same() -> None:
    """Users who need not think are turned away for ever: both engines end with a deadlock."""
    case = Case(
        parts=(
            ml.Users("u", users=2, think=ml.Deterministic(value=0.0), to="s"),
            ml.Service("s", service_time=ml.Deterministic(value=1.0), capacity=0),
        ),
        requests=None,
        until=10.0,
        seed=1,
    )
    assert first_difference(case, "plain", cramped=False) is None
    with pytest.raises(ml.Deadlock, match="without any"):
        ml.simulate(case.scenario, until=10.0, seed=1)
