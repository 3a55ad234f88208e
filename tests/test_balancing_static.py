"""Static balancing rules: sequences worked by hand, naive implementations, weights, changes."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from scipy import stats

from mesh_lab.balancing import (
    IptablesChain,
    Random,
    RoundRobin,
    SmoothRoundRobin,
    StaticStride,
    WeightedRandom,
)
from mesh_lab.balancing.chain import chances, shares_up_to
from mesh_lab.balancing.rule import Balancer
from mesh_lab.balancing.weighted import alias_table
from tests.rule_bench import Bench

NAMES = "abcdefghij"


def letters(rule: Balancer, weights: list[float], count: int) -> str:
    bench = Bench(rule, len(weights), weights=weights)
    return "".join(NAMES[bench.pick()] for _ in range(count))


def uneven(seed: int, n: int) -> list[float]:
    """Weights of which no two have a simple ratio, so that nobody is ever due together."""
    source = random.Random(seed)
    return [source.uniform(0.5, 8.0) for _ in range(n)]


# ---- worked by hand


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        # a is due at 1/2, 1, 3/2, ... and b at 1, 2, ...; b stood in line for 1 before a did
        ([2.0, 1.0], "abaabaaba"),
        # at 1 all are due; c has stood in line since 0, b since 1/2, a since 2/3
        ([3.0, 2.0, 1.0], "abacbaabacba"),
        # due at 0.4, 0.8, 1.2, 1.6, 2 and at 1, 2; at 2, b has stood in line for longer
        ([2.5, 1.0], "aabaaba" * 2),
    ],
)
def test_earliest_deadline_first_by_hand(weights: list[float], expected: str) -> None:
    assert letters(RoundRobin(), weights, len(expected)) == expected


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([5.0, 1.0, 1.0], "aabacaa" * 3),  # the example in nginx's own change
        ([1.0, 1.0, 1.0], "abcabc"),
        # currents before each pick: 2 3, 4 1, 1 4, 3 2, 0 5; and then 0 0 is left
        ([2.0, 3.0], "babab" * 2),
        ([0.5, 0.25], "aba" * 3),
    ],
)
def test_smooth_round_robin_by_hand(weights: list[float], expected: str) -> None:
    assert letters(SmoothRoundRobin(), weights, len(expected)) == expected


def test_static_stride_by_hand() -> None:
    # scaled to 65535 and 32768 (a half is rounded up); b is skipped where
    # (32768 * round + 32767) mod 65535 is below 32767: 32767, 0, 32768, 1, 32769, ...
    assert letters(StaticStride(), [2.0, 1.0], 9) == "abaabaaba"
    # and with equal weights nobody is skipped
    assert letters(StaticStride(start=4), [2.0, 2.0, 2.0], 5) == "bcabc"
    assert letters(StaticStride(), [7.0], 3) == "aaa"


def test_iptables_chain_rounds_as_printed_and_as_the_kernel_compares() -> None:
    # 1/3 is printed 0.3333333333, which is 715 827 882.6 parts of 2**31
    assert chances(3) == [715_827_883 / 2**31, 0.5, 1.0]
    assert chances(1) == [1.0]
    # 1/7 is printed 0.1428571429, 306 783 378.4 parts
    assert chances(7)[0] == 306_783_378 / 2**31
    bench = Bench(IptablesChain(), 3)
    first = 715_827_883 / 2**31
    second = first + (1 - first) / 2
    draws = [0.0, first - 1e-12, first + 1e-12, second - 1e-12, second + 1e-12, 1 - 2**-53]
    assert [bench.pick(u) for u in draws] == [0, 0, 1, 1, 2, 2]
    # between a third and the rounded third it is still the first: the rounding is in the picks
    assert bench.pick(1 / 3 + 1e-11) == 0


# ---- against naive implementations of the same definitions


def naive_deadlines(weights: list[float], count: int) -> list[int]:
    """Everyone's next deadline in a list that is searched from end to end."""
    due = [(1 / w, e, e) for e, w in enumerate(weights)]
    found = []
    for number in range(count):
        first = min(due)
        due.remove(first)
        e = first[2]
        due.append((first[0] + 1 / weights[e], len(weights) + number, e))
        found.append(e)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("n", [2, 3, 10, 60])
@pytest.mark.parametrize("start", [0, 1, 37, 1000])
def test_the_schedule_is_that_of_a_plain_search(seed: int, n: int, start: int) -> None:
    """So `start` picks are really those that are skipped, although they are never made."""
    weights = uneven(seed, n)
    bench = Bench(RoundRobin(start=start), n, weights=weights)
    picked = [bench.pick() for _ in range(500)]
    assert picked == naive_deadlines(weights, start + 500)[start:]


def naive_stride(weights: list[float], count: int, start: int) -> list[int]:
    """As FACTS of grpc-go's scheduler say it, with a counter of 32 bits."""
    scale = 65535 / max(weights)
    whole = [int(scale * w + 0.5) for w in weights]
    found: list[int] = []
    at = start
    while len(found) < count:
        place, generation = at % len(whole), at // len(whole)
        phase = (whole[place] * generation + place * 32767) % 65535
        if not phase < 65535 - whole[place]:
            found.append(place)
        at = (at + 1) % 2**32
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("start", [0, 12_345, 2**32 - 40])
def test_static_stride_is_that_of_its_definition(seed: int, start: int) -> None:
    weights = uneven(seed, 9)
    bench = Bench(StaticStride(start=start), 9, weights=weights)
    assert [bench.pick() for _ in range(2000)] == naive_stride(weights, 2000, start)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 999])
def test_the_chain_is_that_of_its_rules_one_after_the_other(n: int) -> None:
    reached, up_to = Fraction(1), Fraction(0)
    for i, share in enumerate(shares_up_to(n)):
        printed = Fraction(f"{1 / (n - i):.10f}")
        chance = Fraction(round(printed * 2**31), 2**31) if i < n - 1 else Fraction(1)
        up_to += reached * chance
        reached *= 1 - chance
        assert abs(Fraction(share) - up_to) < Fraction(n, 10**15)
    bench = Bench(IptablesChain(), n)
    shares = shares_up_to(n)
    source = random.Random(1)
    around = [math.nextafter(s, side) for s in shares[:-1] for side in (0.0, 1.0)]
    for u in [*shares[:-1], *around, *(source.random() for _ in range(500))]:
        assert bench.pick(u) == next(j for j, share in enumerate(shares) if share > u)


def test_the_chain_is_as_even_as_its_rounding_allows() -> None:
    n = 10_000
    shares = shares_up_to(n)
    each = [b - a for a, b in zip([0.0, *shares], shares, strict=False)]
    assert all(abs(share * n - 1) < 5e-6 for share in each)
    assert any(abs(share * n - 1) > 1e-7 for share in each)  # it is rounded


# ---- weights are honoured


WEIGHTS = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 1.0]


@pytest.mark.parametrize(
    ("rule", "within"), [(RoundRobin(), 1), (RoundRobin(start=17), 1), (SmoothRoundRobin(), 0)]
)
def test_after_whole_rounds_everyone_had_its_share(rule: Balancer, within: int) -> None:
    total = int(sum(WEIGHTS))
    bench = Bench(rule, len(WEIGHTS), weights=WEIGHTS)
    counts = [0] * len(WEIGHTS)
    for rounds in range(1, 101):
        for _ in range(total):
            counts[bench.pick()] += 1
        for count, weight in zip(counts, WEIGHTS, strict=True):
            assert abs(count - rounds * weight) <= within


def test_in_65535_generations_a_stride_picks_each_as_often_as_its_weight() -> None:
    weights = [65535.0, 21845.0, 100.0]
    bench = Bench(StaticStride(), 3, weights=weights)
    counts = [0, 0, 0]
    for _ in range(int(sum(weights))):
        counts[bench.pick()] += 1
    assert counts == weights
    assert int(bench.state.count[0]) >= 3 * 65534  # and that took all the generations


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_alias_table_holds_the_weights(seed: int) -> None:
    source = random.Random(seed)
    weights = [source.paretovariate(0.7) for _ in range(200)] + [1e-9, 1e9]
    own, other = alias_table(weights)
    n = len(weights)
    shares = [Fraction(0)] * n
    for j in range(n):
        shares[j] += Fraction(own[j]) / n
        shares[other[j]] += (1 - Fraction(own[j])) / n
    total = sum(map(Fraction, weights))
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(weight) / total) < Fraction(1, 10**14)
    assert sum(shares) == 1


def sampled(rule: Balancer, weights: list[float], seed: int, count: int = 100_000) -> list[int]:
    bench = Bench(rule, len(weights), weights=weights)
    source = random.Random(seed)
    counts = [0] * len(weights)
    for _ in range(count):
        counts[bench.pick(source.random())] += 1
    return counts


def rejected(counts: list[int], weights: list[float]) -> bool:
    """Pearson's test, at a level of one in a million."""
    scale = sum(counts) / sum(weights)
    return bool(stats.chisquare(counts, [w * scale for w in weights]).pvalue < 1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_draws_are_in_proportion_to_the_weights(seed: int) -> None:
    """100 000 picks; and the test sees a weight that is 10 % too high."""
    counts = sampled(WeightedRandom(), WEIGHTS, seed)
    assert not rejected(counts, WEIGHTS)
    assert rejected(counts, [*WEIGHTS[:4], 8.8, *WEIGHTS[5:]])


@pytest.mark.parametrize("rule", [Random(), IptablesChain()])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_ignores_weights_is_even(rule: Balancer, seed: int) -> None:
    counts = sampled(rule, WEIGHTS, seed)
    assert not rejected(counts, [1.0] * 7)
    assert rejected(counts, [1.1] + [1.0] * 6)


def test_weighted_random_with_equal_weights_is_random() -> None:
    source = random.Random(1)
    weighted, plain = (
        Bench(WeightedRandom(), 7, weights=[0.3] * 7),
        Bench(Random(), 7),
    )
    for u in (source.random() for _ in range(1000)):
        assert weighted.pick(u) == plain.pick(u)


@pytest.mark.parametrize(
    "rule", [Random(), WeightedRandom(), IptablesChain(), RoundRobin(), SmoothRoundRobin()]
)
def test_the_largest_draw_is_not_one_too_many(rule: Balancer) -> None:
    for n in (1, 2, 3, 1023, 1024, 1025):
        bench = Bench(rule, n)
        assert 0 <= bench.pick(1 - 2**-53) < n
        assert bench.pick(0.0) in {0, 1 % n}
