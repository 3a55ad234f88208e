"""The collapse under retries: bistable between two boundaries, as theory says.

``validation`` has 23 loads with 20 seeds each; here are four with two.  A load within 5 % of a
boundary is nobody's business: there chance decides.
"""

from __future__ import annotations

import pytest

from mesh_lab import theory
from validation.collapse import CAPACITY, CASES, NEAR, RETRIES, TIMEOUT, Case, state

FEW = (
    Case(15.0),  # below 25 a second any backlog drains
    Case(50.0),  # between 25 and 100 it stays
    Case(50.0, budget=0.2),  # with a budget it stays only above 80
    Case(50.0, budget=0.2, proxies=40),  # but forty floors are no budget
)


@pytest.mark.parametrize("case", FEW, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_state_after_the_pulse(case: Case, seed: int) -> None:
    assert state(case, seed) == case.expected


def test_the_four_are_told_apart() -> None:
    assert [case.expected for case in FEW] == ["normal", "collapsed", "normal", "collapsed"]


def test_a_wrong_theory_is_found() -> None:
    # with one retry instead of three, 40 requests a second would be stable
    wrong = theory.retry_collapse(arrival_rate=40.0, capacity=CAPACITY, retries=1, timeout=TIMEOUT)
    assert wrong.verdict == "stable"
    assert state(Case(40.0), 1) == "collapsed"


def test_no_load_of_the_validation_is_near_a_boundary() -> None:
    assert len([case for case in CASES if case.budget is None]) >= 12
    for case in CASES:
        known = case.theory
        for boundary in (known.recovers_below, known.collapses_above):
            assert abs(case.rate / boundary - 1.0) >= NEAR, case
    assert RETRIES == 3
