"""Subsets: worked examples, how evenly endpoints are shared, and what changes when one leaves."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from mesh_lab.balancing.eligible import Aperture, DeterministicSubset, Eligible, RandomSubset
from mesh_lab.balancing.subsets import Subset, aperture
from tests.eligible_bench import Ways, hosts, ill, without


def subsets(
    subset: Subset, n: int, proxies: int, gone: tuple[int, ...] = (), words: tuple[int, ...] = ()
) -> list[tuple[int, ...]]:
    """Return the endpoints of each balancer, in the service's own numbers."""
    known = without(hosts((n, 0, "", 0)), *gone)
    ways = Ways(Eligible(subset=subset), known, proxies, seed_words=words)
    return [pool.endpoints for pool in ways.pools]


# -- deterministic -------------------------------------------------------------------------------


def test_twelve_endpoints_in_threes_are_dealt_to_four_balancers_a_round() -> None:
    # Google's example: 12 backends, subsets of 3; balancers 0 to 3 are a round, 4 to 7, 8 to 11
    dealt = subsets(DeterministicSubset(size=3), 12, 12)
    assert all(len(subset) == 3 for subset in dealt)
    rounds = [dealt[start : start + 4] for start in (0, 4, 8)]
    for one in rounds:
        assert sorted(e for subset in one for e in subset) == list(range(12))
    assert len({frozenset(map(frozenset, one)) for one in rounds}) == 3, "shuffled anew each round"


def test_300_balancers_of_10_of_300_endpoints_give_each_exactly_10() -> None:
    dealt = subsets(DeterministicSubset(size=10), 300, 300)
    assert Counter(e for subset in dealt for e in subset) == dict.fromkeys(range(300), 10)


def test_numbers_of_balancers_differ_by_one_at_most_whatever_divides_what() -> None:
    rng = random.Random(1)
    for _ in range(200):
        n, size, proxies = rng.randint(1, 40), rng.randint(1, 45), rng.randint(1, 60)
        dealt = subsets(DeterministicSubset(size=size), n, proxies)
        counts = Counter(dict.fromkeys(range(n), 0))
        for subset in dealt:
            assert min(size, n) <= len(subset) == len(set(subset))
            assert list(subset) == sorted(subset)
            counts.update(subset)
        assert max(counts.values()) - min(counts.values()) <= 1, (n, size, proxies)


# -- random --------------------------------------------------------------------------------------


def test_a_random_subset_holds_the_smallest_hashes_of_its_own_seed() -> None:
    xxhash = pytest.importorskip("xxhash")
    got = subsets(RandomSubset(size=4, seed=5), 20, 3, words=(7, 8))
    for p, subset in enumerate(got):
        words = np.random.SeedSequence([5, 7, 8], spawn_key=(p,)).generate_state(1, np.uint64)
        seed = int(words[0])
        hashes = {e: xxhash.xxh64_intdigest(b"10.0.0.%d:80" % e, seed) for e in range(20)}
        assert subset == tuple(sorted(sorted(hashes, key=hashes.__getitem__)[:4]))
    assert len(set(got)) == 3
    assert got != subsets(RandomSubset(size=4, seed=5), 20, 3, words=(7, 9))
    assert got != subsets(RandomSubset(size=4, seed=6), 20, 3, words=(7, 8))


def test_a_leaving_endpoint_changes_a_random_subset_by_itself_only() -> None:
    pytest.importorskip("xxhash")
    before = subsets(RandomSubset(size=5), 30, 40)
    for leaves in range(30):
        after = subsets(RandomSubset(size=5), 30, 40, gone=(leaves,))
        for old, new in zip(before, after, strict=True):
            assert len(new) == 5
            if leaves in old:
                assert len(set(old) - set(new)) == 1
                assert leaves not in new
            else:
                assert old == new


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_subsets_take_each_endpoint_as_often(seed: int) -> None:
    # 2000 balancers, 5 of 20 each: 500 expected, standard error 19.4; 4.5 of them for the largest
    # of 20 deviations: 1 run in 7000 of a right rule would fail
    pytest.importorskip("xxhash")
    counts = Counter(e for s in subsets(RandomSubset(size=5, seed=seed), 20, 2000) for e in s)
    for e in range(20):
        assert abs(counts[e] - 500) < 4.5 * math.sqrt(2000 * 0.25 * 0.75)


def test_a_subset_of_all_is_all() -> None:
    for subset in (RandomSubset(size=5), RandomSubset(size=9), DeterministicSubset(size=5)):
        assert subsets(subset, 5, 3) == [(0, 1, 2, 3, 4)] * 3


# -- aperture ------------------------------------------------------------------------------------


def test_an_aperture_is_as_worked_by_hand() -> None:
    # 3 balancers, 4 endpoints, 2 wanted: ceil(3 * 2 / 4) = 2 thirds of the ring, 8/3 endpoints
    assert aperture(0, 3, 4, 2) == ((0, 1.0), (1, 1.0), (2, 2 / 3))
    assert aperture(1, 3, 4, 2) == ((1, 2 / 3), (2, 1.0), (3, 1.0))
    assert aperture(2, 3, 4, 2) == ((0, 1.0), (1, 1 / 3), (2, 1 / 3), (3, 1.0))


def test_apertures_cover_all_endpoints_equally_and_are_wide_enough() -> None:
    rng = random.Random(1)
    for _ in range(300):
        n, size, proxies = rng.randint(1, 30), rng.randint(2, 20), rng.randint(1, 30)
        covered: Counter[int] = Counter()
        for p in range(proxies):
            share = aperture(p, proxies, n, size)
            # in units of 1 / proxies of an endpoint, which must be whole
            units = {e: round(part * proxies) for e, part in share}
            assert all(part == units[e] / proxies and 0 < part <= 1 for e, part in share)
            width = Fraction(sum(units.values()), proxies)
            assert width >= min(size, n)
            assert width < min(size, n) + Fraction(n, proxies)
            covered.update(units)
        assert len(set(covered.values())) == 1, (n, size, proxies)
        assert len(covered) == n


def test_an_aperture_multiplies_weights_by_what_it_covers() -> None:
    ways = Ways(Eligible(subset=Aperture(size=2)), hosts((4, 0, "", 0)), 3)
    assert ways.pools[1].endpoints == (1, 2, 3)
    assert ways.pools[1].weights == pytest.approx((2 / 3, 1.0, 1.0))


# -- with health ---------------------------------------------------------------------------------


def test_a_subset_is_of_all_endpoints_and_health_counts_within_it() -> None:
    known = hosts((12, 0, "", 0))
    eligible = Eligible(subset=DeterministicSubset(size=3))
    dealt = [pool.endpoints for pool in Ways(eligible, known, 4).pools]
    sick = dealt[0]
    one = Ways(eligible, ill(known, sick[0]), 4)
    assert [pool.endpoints for pool in one.pools] == [sick[1:], *dealt[1:]]
    two = Ways(eligible, ill(known, *sick[:2]), 4)  # a third is healthy: panic, of this balancer
    assert [pool.endpoints for pool in two.pools] == dealt
    no_panic = Eligible(subset=DeterministicSubset(size=3), panic=0)
    assert Ways(no_panic, ill(known, *sick), 4).choose(0) == -1
    assert Ways(no_panic, ill(known, *sick), 4).choose(1) == 1
