"""Size intervals: who gets which sizes, and cutoffs that divide the work equally."""

from __future__ import annotations

import math
import random

import pytest
from scipy.optimize import brentq

from mesh_lab.balancing import SizeInterval
from mesh_lab.distributions import (
    BoundedPareto,
    Deterministic,
    Empirical,
    Exponential,
    LogNormal,
)
from mesh_lab.errors import PartError

from .rule_bench import Bench


def places(rule: SizeInterval, n: int, sizes: list[float], u: float = 0.0) -> list[int]:
    bench = Bench(rule, n)
    picks = []
    for size in sizes:
        bench.view.job[0] = size
        picks.append(bench.pick(u))
    return picks


def test_a_cutoff_belongs_to_the_lower_interval() -> None:
    rule = SizeInterval(cutoffs=(0.1, 1.0))
    sizes = [0.0, 0.1, 0.1000001, 1.0, 1.5, 1e9]
    assert places(rule, 3, sizes) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("n", "firsts", "lasts"), [(7, [0, 2, 4], [1, 3, 6]), (2, [0, 0, 1], [0, 0, 1])]
)
def test_more_or_fewer_endpoints_than_intervals(
    n: int, firsts: list[int], lasts: list[int]
) -> None:
    rule = SizeInterval(cutoffs=(0.1, 1.0))
    assert places(rule, n, [0.05, 0.5, 5.0]) == firsts
    assert places(rule, n, [0.05, 0.5, 5.0], u=0.999) == lasts


def test_without_cutoffs_it_is_random() -> None:
    assert places(SizeInterval(cutoffs=()), 4, [1.0, 1.0], u=0.5) == [2, 2]


def test_every_interval_is_found() -> None:
    rng = random.Random(1)
    for count in range(1, 40):
        cutoffs = sorted(rng.random() for _ in range(count))
        sizes = [rng.random() for _ in range(50)]
        naive = [sum(size > cutoff for cutoff in cutoffs) for size in sizes]
        assert places(SizeInterval(cutoffs=tuple(cutoffs)), count + 1, sizes) == naive


def test_equal_load_of_an_exponential() -> None:
    # the work up to x is 1 - (1 + x) exp(-x) of all
    rule = SizeInterval.equal_load(Exponential(mean=2.0), 5)
    for i, cutoff in enumerate(rule.cutoffs, 1):
        wanted = brentq(lambda x, i=i: 1 - (1 + x) * math.exp(-x) - i / 5, 0, 50, xtol=1e-14)
        assert cutoff == pytest.approx(2.0 * wanted, rel=1e-6)


def test_equal_load_of_a_bounded_pareto() -> None:
    # the work up to x is (x^(1-a) - low^(1-a)) / (high^(1-a) - low^(1-a)) of all
    low, high, a = 0.001, 1e4, 1.1
    rule = SizeInterval.equal_load(BoundedPareto(low=low, high=high, alpha=a), 4)
    bottom, top = low ** (1 - a), high ** (1 - a)
    exact = [(bottom + i / 4 * (top - bottom)) ** (1 / (1 - a)) for i in (1, 2, 3)]
    assert rule.cutoffs == pytest.approx(exact, rel=1e-5)


def test_equal_load_of_a_log_normal() -> None:
    # the work up to x is the normal distribution of (ln x - m) / s - s
    from scipy.stats import norm

    sizes = LogNormal(mean=1.0, scv=20.0)
    s = math.sqrt(math.log(21.0))
    m = -s * s / 2
    exact = [math.exp(m + s * (s + norm.ppf(i / 3))) for i in (1, 2)]
    assert SizeInterval.equal_load(sizes, 3).cutoffs == pytest.approx(exact, rel=1e-6)


def test_equal_load_of_single_sizes_cuts_at_one() -> None:
    # of work 1 + 1 + 3.3 + 4 = 9.3, half is within the 3.3
    rule = SizeInterval.equal_load(Empirical(values=(1.0, 1.0, 3.3, 4.0)), 2)
    assert rule.cutoffs == (3.3,)
    with pytest.raises(PartError, match="more work than an interval's part"):
        SizeInterval.equal_load(Deterministic(value=1.0), 3)


@pytest.mark.parametrize(
    "cutoffs", [[1.0, 1.0], [2.0, 1.0], [0.0], [-1.0], [math.nan], [math.inf], ["a"], 3.0]
)
def test_impossible_cutoffs_are_refused(cutoffs: object) -> None:
    with pytest.raises(PartError):
        SizeInterval(cutoffs=cutoffs)  # type: ignore[arg-type]


def test_an_impossible_number_of_intervals_is_refused() -> None:
    for bad in (0, 1.5, True):
        with pytest.raises(PartError):
            SizeInterval.equal_load(Exponential(mean=1.0), bad)  # type: ignore[arg-type]
