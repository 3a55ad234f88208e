"""Balancing rules against sequences worked by hand."""

from __future__ import annotations

import pytest

from mesh_lab.balancing import Balancer, LeastRequest, Random, RoundRobin
from tests.rule_bench import Bench


def picks(rule: Balancer, outstanding: list[int], draws: list[list[float]], n: int) -> list[int]:
    """The first `n` picks among endpoints with fixed outstanding requests, from given draws."""
    bench = Bench(rule, len(outstanding))
    found = []
    for number in range(n):
        bench.view.outstanding[:] = outstanding
        found.append(bench.pick(*(column[number] for column in draws)))
    return found


@pytest.mark.parametrize(
    ("start", "expected"),
    [(0, [0, 1, 2, 0, 1, 2, 0]), (2, [2, 0, 1, 2, 0, 1, 2]), (4, [1, 2, 0, 1, 2, 0, 1])],
)
def test_round_robin_takes_turns_from_where_it_starts(start: int, expected: list[int]) -> None:
    assert picks(RoundRobin(start=start), [9, 0, 5], [], 7) == expected


def test_random_divides_the_unit_interval_evenly() -> None:
    draws = [[0.0, 0.2499, 0.25, 0.74, 0.75, 0.9999]]
    assert picks(Random(), [0, 7, 0, 0], draws, 6) == [0, 0, 1, 2, 3, 3]


def test_least_request_keeps_the_first_drawn_on_ties_and_draws_with_replacement() -> None:
    first, second = [0.1, 0.9, 0.1, 0.6], [0.9, 0.1, 0.1, 0.3]
    # of four endpoints: 0 against 3, 3 against 0, 0 twice, 2 against 1
    assert picks(LeastRequest(), [1, 4, 2, 1], [first, second], 4) == [0, 3, 0, 2]


def test_least_request_takes_the_least_of_all_its_choices() -> None:
    draws = [[0.1], [0.3], [0.6], [0.9]]
    assert picks(LeastRequest(choices=4), [3, 2, 1, 2], draws, 1) == [2]
