"""Balancing rules against sequences worked by hand."""

from __future__ import annotations

import pytest

import mesh_lab as ml
from mesh_lab.balancing import Balancer, View
from mesh_lab.ledger import Request


def picks(rule: Balancer, outstanding: list[int], draws: list[list[float]], n: int) -> list[int]:
    """The first `n` picks among endpoints with fixed outstanding requests, from given draws."""
    view = View(len(outstanding))
    view.outstanding[:] = outstanding
    pick = rule.picker(len(outstanding), lambda k: lambda request: draws[k][request.number])
    return [pick(view, Request(0, number, number)) for number in range(n)]


@pytest.mark.parametrize(
    ("start", "expected"),
    [(0, [0, 1, 2, 0, 1, 2, 0]), (2, [2, 0, 1, 2, 0, 1, 2]), (4, [1, 2, 0, 1, 2, 0, 1])],
)
def test_round_robin_takes_turns_from_where_it_starts(start: int, expected: list[int]) -> None:
    assert picks(ml.RoundRobin(start=start), [9, 0, 5], [], 7) == expected


def test_random_divides_the_unit_interval_evenly() -> None:
    draws = [[0.0, 0.2499, 0.25, 0.74, 0.75, 0.9999]]
    assert picks(ml.Random(), [0, 7, 0, 0], draws, 6) == [0, 0, 1, 2, 3, 3]


def test_least_request_keeps_the_first_drawn_on_ties_and_draws_with_replacement() -> None:
    first, second = [0.1, 0.9, 0.1, 0.6], [0.9, 0.1, 0.1, 0.3]
    # of four endpoints: 0 against 3, 3 against 0, 0 twice, 2 against 1
    assert picks(ml.LeastRequest(), [1, 4, 2, 1], [first, second], 4) == [0, 3, 0, 2]


def test_least_request_takes_the_least_of_all_its_choices() -> None:
    draws = [[0.1], [0.3], [0.6], [0.9]]
    assert picks(ml.LeastRequest(choices=4), [3, 2, 1, 2], draws, 1) == [2]
