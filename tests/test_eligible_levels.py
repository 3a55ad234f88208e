"""Priority levels and panic against Envoy's documented tables, and against its rule."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_lab.balancing.priorities import priority_loads

# Envoy, priority.rst: per cent of healthy endpoints of each level, and of the traffic to it.
DOCUMENTED = [
    ((100, 100), (100, 0)),
    ((72, 100), (100, 0)),
    ((71, 100), (99, 1)),
    ((50, 100), (70, 30)),
    ((25, 100), (35, 65)),
    ((0, 100), (0, 100)),
    ((72, 72), (100, 0)),
    ((71, 71), (99, 1)),
    ((50, 50), (70, 30)),
    ((25, 25), (50, 50)),
    ((100, 100, 100), (100, 0, 0)),
    ((72, 72, 100), (100, 0, 0)),
    ((71, 71, 100), (99, 1, 0)),
    ((50, 50, 100), (70, 30, 0)),
    ((25, 100, 100), (35, 65, 0)),
    ((25, 25, 100), (35, 35, 30)),
]
# panic_threshold.rst: the same, and which levels panic at a threshold of 50 %.
DOCUMENTED_PANIC = [
    ((72, 100), (100, 0), (False, False)),
    ((0, 100), (0, 100), (False, False)),
    ((71, 71), (99, 1), (False, False)),
    ((25, 25), (50, 50), (True, True)),
]
# Where the documentation rounds otherwise, or is out of date; worked by hand from the code.
CODE = [
    # health 35, 35, 28, of 98: 35, 35, 28, and 2 that are left go to the first; documented 36 36 28
    ((25, 25, 20), (37, 35, 28), (True, True, True)),
    # health 7 and 91, of 98: 7 and 92, and the 1 that is left; documented 7 and 93
    ((5, 65), (8, 92), (True, False)),
    # health 70 and 84; documented 50 and 50, which leaves overprovisioning out
    ((50, 60), (70, 30), (False, False)),
]


@pytest.mark.parametrize(("healthy", "loads"), DOCUMENTED)
def test_loads_are_those_of_the_documentation(
    healthy: tuple[int, ...], loads: tuple[int, ...]
) -> None:
    assert priority_loads(healthy, [100] * len(healthy)).loads == loads


@pytest.mark.parametrize(("healthy", "loads", "panics"), [*DOCUMENTED_PANIC, *CODE[1:]])
def test_levels_panic_where_the_documentation_or_the_code_says(
    healthy: tuple[int, ...], loads: tuple[int, ...], panics: tuple[bool, ...]
) -> None:
    levels = priority_loads(healthy, [100] * len(healthy))
    assert (levels.loads, levels.panics) == (loads, panics)


def test_the_remainder_of_rounding_goes_to_the_first_level_with_health() -> None:
    healthy, loads, _ = CODE[0]
    # these three panic together, so that hosts are counted instead; without panic the rule shows
    assert priority_loads(healthy, [100] * 3, panic=0).loads == loads
    assert priority_loads(healthy, [100] * 3).loads == (34, 33, 33)
    assert priority_loads((0, *healthy), [100] * 4, panic=0).loads == (0, *loads)


def test_all_levels_in_panic_share_the_load_by_number_of_hosts() -> None:
    assert priority_loads([0, 0], [3, 1]) == ((75, 25), (True, True))
    assert priority_loads([0, 0, 0], [1, 1, 1]) == ((34, 33, 33), (True,) * 3)
    assert priority_loads([0, 0, 0], [0, 2, 1]) == ((0, 67, 33), (True,) * 3)


def test_panic_is_strictly_below_the_threshold_and_only_without_health_enough() -> None:
    assert priority_loads([5], [10], overprovisioning=100).panics == (False,)
    assert priority_loads([49], [100], overprovisioning=100).panics == (True,)
    assert priority_loads([5], [10], overprovisioning=100, panic=51).panics == (True,)
    assert priority_loads([1, 9], [10, 10]).panics == (False, False)  # 14 and 126 suffice
    assert priority_loads([0], [10], panic=0) == ((100,), (False,))
    assert priority_loads([0, 0], [4, 4], panic=0) == ((100, 0), (False, False))


def test_a_health_that_rounds_to_nothing_leaves_the_load_with_level_0() -> None:
    # 1 % of overprovisioning: 60 healthy of 100 count 0, and are too many for panic
    assert priority_loads([60, 60], [100, 100], overprovisioning=1) == ((100, 0), (False, False))


def test_without_endpoints_there_is_nothing_to_share() -> None:
    assert priority_loads([0], [0]).loads == (100,)
    assert priority_loads([0, 0], [0, 0]).loads == (100, 0)


counts = st.integers(0, 40)


@given(
    st.lists(st.tuples(counts, counts), min_size=1, max_size=5),
    st.integers(1, 300),
    st.integers(0, 100),
)
def test_loads_are_within_rounding_of_the_exact_shares(
    drawn: list[tuple[int, int]], overprovisioning: int, panic: int
) -> None:
    healthy = [min(pair) for pair in drawn]
    hosts = [max(pair) for pair in drawn]
    levels = priority_loads(healthy, hosts, overprovisioning, panic)
    assert sum(levels.loads) == 100
    assert min(levels.loads) >= 0
    health = [
        min(100, math.floor(Fraction(overprovisioning * well, total))) if total else 0
        for well, total in zip(healthy, hosts, strict=True)
    ]
    enough = min(100, sum(health))
    shares = [
        Fraction(well, total) if total else Fraction(0)
        for well, total in zip(healthy, hosts, strict=True)
    ]
    assert levels.panics == tuple(enough < 100 and share * 100 < panic for share in shares)
    exact: list[Fraction]
    everybody = sum(hosts)
    if all(levels.panics) and everybody:
        exact = [Fraction(100 * total, everybody) for total in hosts]
        first = next(i for i, total in enumerate(hosts) if total)
    elif enough:
        exact, left = [], Fraction(100)
        for well in health:
            exact.append(min(left, Fraction(100 * well, enough)))
            left -= exact[-1]
        first = next(i for i, well in enumerate(health) if well)
    else:
        exact, first = [Fraction(100)] + [Fraction(0)] * (len(hosts) - 1), 0
    for level, (load, share) in enumerate(zip(levels.loads, exact, strict=True)):
        # each level is rounded down; the first with health has what that leaves, and the last that
        # the load reaches may have what those before it were rounded by
        if level != first:
            assert math.floor(share) <= load < share + len(hosts)
