"""Zone-aware and locality-weighted routing against worked numbers and Envoy's documentation."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from mesh_lab.balancing.eligible import Eligible, LocalityWeighted, ZoneAware
from mesh_lab.balancing.zones import Staying, effective_weight, staying
from tests.eligible_bench import Ways, even, hosts, ill, without

# The example in the comments of Envoy's load_balancer_impl.cc: 40, 40 and 20 % of the callers, 25,
# 50 and 25 % of the endpoints; the first zone keeps 62.5 % and the rest goes 2 to 1.
CALLERS = ("a", "a", "b", "b", "c")
ENDPOINTS = ((2, 0, "a", 0), (4, 0, "b", 0), (2, 0, "c", 0))


def aware(*zones: str, size: int = 6) -> Eligible:
    return Eligible(zones=ZoneAware(proxy_zones=zones, min_cluster_size=size))


def weighted(**weights: float) -> Eligible:
    return Eligible(zones=LocalityWeighted(weights=weights))


# -- zone-aware ----------------------------------------------------------------------------------


def test_the_first_zone_keeps_what_its_endpoints_can_take() -> None:
    ways = Ways(aware(*CALLERS), hosts(*ENDPOINTS), 5)
    draws = even(80_000)
    assert ways.zones(draws, 0) == {"a": 50_000, "b": 20_000, "c": 10_000}
    assert ways.zones(draws, 2) == {"b": 80_000}
    assert ways.zones(draws, 4) == {"c": 80_000}


def test_one_draw_decides_where_its_bounds_are() -> None:
    ways = Ways(aware(*CALLERS), hosts(*ENDPOINTS), 5)
    assert ways.endpoints(0, 0.5, 0.0) == (0, 1)
    assert ways.endpoints(0, 0.5, math.nextafter(0.625, 0)) == (0, 1)
    assert ways.endpoints(0, 0.5, 0.625) == (2, 3, 4, 5)
    assert ways.endpoints(0, 0.5, 0.8751) == (6, 7)
    assert ways.endpoints(0, 0.5, math.nextafter(1.0, 0)) == (6, 7)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_callers_together_load_all_endpoints_alike(seed: int) -> None:
    # What zone-aware routing is for.  Of random zones; shares are rounded to 1 in 10 000, and the
    # draws divide the unit interval evenly, so the error is that of rounding.
    rng = random.Random(seed)
    zones = "abcde"
    callers = [rng.choice(zones) for _ in range(20)]
    callers[:5] = zones
    groups = [(rng.randint(1, 12), 0, zone, 0) for zone in zones]
    ways = Ways(aware(*callers), hosts(*groups), 20)
    sent: Counter[str] = Counter()
    for p in range(20):
        sent += ways.zones(even(2000), p)
    total = sum(group[0] for group in groups)
    for well, _, zone, _ in groups:
        assert sent[zone] / 40_000 == pytest.approx(well / total, abs=0.002)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drawn_shares_of_zones_are_as_computed(seed: int) -> None:
    # 10 000 draws; 4 standard errors: 1 run in 16 000 of a right rule would fail
    ways = Ways(aware(*CALLERS), hosts(*ENDPOINTS), 5)
    found = ways.zones(np.random.default_rng(seed).random(10_000).tolist(), 1)
    for zone, share in {"a": 0.625, "b": 0.25, "c": 0.125}.items():
        assert abs(found[zone] - 10_000 * share) < 4 * math.sqrt(10_000 * share * (1 - share))


def test_a_balancer_without_endpoints_in_its_zone_sends_all_elsewhere() -> None:
    ways = Ways(aware("x", "a"), hosts((3, 0, "a", 0), (3, 0, "b", 0)), 2)
    # half the callers are in a, which has half the endpoints: nothing is left there
    assert ways.zones(even(1000), 0) == {"b": 1000}
    assert ways.zones(even(1000), 1) == {"a": 1000}


def test_a_zone_that_is_empty_now_has_no_capacity() -> None:
    known = hosts((2, 0, "a", 0), (4, 0, "b", 0), (2, 0, "c", 0), (1, 0, "d", 0))
    ways = Ways(aware(*CALLERS), known[:8], 5, ever=known)
    assert ways.zones(even(8000)) == {"a": 5000, "b": 2000, "c": 1000}
    # callers 6666, 3333, 0; endpoints 4000, 4000, 2000: 6000 stay, and 667 and 2000 are left
    ways = Ways(aware("a", "a", "c", size=5), without(known, 2, 3, 4, 5), 3, ever=known)
    assert ways.zones(even(10_000)) == {"a": 6000, "c": 1000, "d": 3000}


def test_only_healthy_endpoints_count_but_a_zone_that_fails_stays_a_zone() -> None:
    known = hosts((4, 0, "a", 0), (4, 0, "b", 0))
    assert Ways(aware("a", "b"), known, 2).zones(even(100)) == {"a": 100}
    # 2 of 6 healthy ones are in a: 3333 of 5000 stay, 6666 of 10 000
    ways = Ways(aware("a", "b"), ill(known, 0, 1), 2)
    assert ways.zones(even(10_000)) == {"a": 6666, "b": 3334}
    assert ways.endpoints(0, 0.5, 0.0) == (2, 3)
    # none is healthy in a: all leave it
    assert Ways(aware("a", "b", size=4), ill(known, 0, 1, 2, 3), 2).zones(even(100)) == {"b": 100}


@pytest.mark.parametrize(
    ("callers", "groups", "size"),
    [
        (("a", "b"), ((3, 0, "a", 0), (2, 1, "b", 0)), 6),  # five are healthy
        (("a", "b"), ((8, 0, "a", 0),), 6),  # one zone has endpoints
        (("a", "a"), ((4, 0, "a", 0), (4, 0, "b", 0)), 6),  # one zone has callers
        (("a", "b"), ((4, 0, "a", 1), (4, 0, "b", 1)), 6),  # not level 0
    ],
)
def test_zones_are_used_alike_where_the_conditions_do_not_hold(
    callers: tuple[str, ...], groups: tuple[tuple[int, int, str, int], ...], size: int
) -> None:
    known = hosts(*groups)
    ways = Ways(aware(*callers, size=size), known, 2)
    healthy = tuple(one.number for one in known if one.healthy)
    for p in (0, 1):
        for u in even(50):
            assert ways.endpoints(p, u, u) == healthy


def test_a_panic_uses_all_zones_and_all_endpoints() -> None:
    known = hosts((3, 9, "a", 0), (3, 9, "b", 0))
    assert Ways(aware("a", "b"), known, 2).endpoints() == tuple(range(24))
    failing = Eligible(zones=ZoneAware(proxy_zones=("a", "b")), fail_in_panic=True)
    assert Ways(failing, known, 2).choose() == -1


def test_zones_matter_in_level_0_only() -> None:
    known = hosts((3, 3, "a", 0), (3, 3, "b", 0), (4, 0, "a", 1), (4, 0, "b", 1))
    ways = Ways(aware("a", "b"), known, 2)
    assert ways.endpoints(1, 0.69, 0.9) == (6, 7, 8)
    assert ways.endpoints(1, 0.70, 0.9) == tuple(range(12, 20))


def test_where_rounding_leaves_no_capacity_any_zone_is_as_likely() -> None:
    # in hundredths of a per cent, callers 3334, 3333, 3333 and endpoints 3333 each
    callers = {"a": 3334, "b": 3333, "c": 3333}
    assert staying("a", callers, {"a": 5, "b": 5, "c": 5}) == Staying(9997, (1, 2, 3))
    assert staying("b", callers, {"a": 5, "b": 5, "c": 5}) == Staying(10_000, (0, 0, 0))


# -- locality-weighted ---------------------------------------------------------------------------


def test_zones_take_turns_by_weight_as_worked_by_hand() -> None:
    # a at 1, b at 0.5; then b at 1.0 after a, which stood there before it; and so on
    ways = Ways(weighted(a=1, b=2), hosts((1, 0, "a", 0), (1, 0, "b", 0)))
    order = "".join("ab"[ways.endpoints()[0]] for _ in range(12))
    assert order == "babbabbabbab"
    # a at 0.5, b at 1.0, then both at 1.0, 2.0, ...: who has waited there longer is first
    ways = Ways(weighted(a=2, b=1), hosts((1, 0, "a", 0), (1, 0, "b", 0)))
    assert "".join("ab"[ways.endpoints()[0]] for _ in range(12)) == "abaabaabaaba"


def test_each_balancer_has_its_own_turns_one_ahead_of_the_last() -> None:
    ways = Ways(weighted(a=1, b=2), hosts((1, 0, "a", 0), (1, 0, "b", 0)), 102)
    orders = ["".join("ab"[ways.endpoints(p)[0]] for _ in range(4)) for p in (0, 1, 2, 100, 101)]
    assert orders == ["babb", "abba", "bbab", "babb", "abba"]


# Envoy, locality_weight.rst: weights 1 and 2, per cent of the first zone that is healthy, and of
# the traffic to it.
@pytest.mark.parametrize(
    ("healthy", "percent"), [(100, 33), (70, 33), (69, 32), (50, 26), (25, 15), (0, 0)]
)
def test_shares_are_those_of_the_documentation(healthy: int, percent: int) -> None:
    known = hosts((healthy, 100 - healthy, "a", 0), (100, 0, "b", 0))
    found = Ways(weighted(a=1, b=2), known).zones([0.5] * 10_000)
    assert set(found) <= {"a", "b"}
    exact = effective_weight(1, healthy, 100)
    assert found["a"] == pytest.approx(10_000 * exact / (exact + 2), abs=1)
    # the table rounds 32.89 up and 32.57 down
    assert found["a"] / 100 == pytest.approx(percent, abs=0.6)


def test_the_weight_of_a_zone_falls_below_five_sevenths_of_it() -> None:
    assert effective_weight(3, 5, 7) == 3
    assert effective_weight(3, 1, 2) == pytest.approx(2.1)
    assert effective_weight(3, 1, 2, overprovisioning=100) == 1.5
    assert effective_weight(3, 0, 0) == 0


def test_turns_are_as_even_as_weights_allow() -> None:
    # By time t a zone of weight w has had floor(t w) turns, all zones together n; so what it has
    # had less its share n w / W lies between -1 and the number of zones times w / W.
    weights = {"a": 1.0, "b": 2.5, "c": 0.7, "d": 4.0}
    ways = Ways(weighted(**weights), hosts(*((2, 0, zone, 0) for zone in weights)))
    found: Counter[str] = Counter()
    total = sum(weights.values())
    for n in range(1, 2001):
        found += ways.zones([0.5])
        for zone, weight in weights.items():
            ahead = found[zone] - n * weight / total
            assert -1 - 1e-9 <= ahead <= len(weights) * weight / total + 1e-9


def test_a_zone_of_weight_0_is_left_out_while_another_can_take_requests() -> None:
    known = hosts((2, 0, "a", 0), (2, 0, "b", 0), (2, 0, "c", 0))
    assert Ways(weighted(a=0, b=1, c=1), known).zones([0.5] * 10) == {"b": 5, "c": 5}
    alone = ill(known, 2, 3)
    assert Ways(weighted(a=0, b=1, c=0), alone).zones([0.5] * 10) == {"a+c": 10}


def test_levels_take_their_turns_apart_and_a_level_in_panic_takes_none() -> None:
    known = hosts((1, 1, "a", 0), (1, 1, "b", 0), (1, 0, "a", 1), (1, 0, "b", 1))
    ways = Ways(weighted(a=1, b=1), known)
    order = [ways.endpoints(0, u) for u in (0.1, 0.9, 0.1, 0.9)]
    assert order == [(0,), (4,), (2,), (5,)]
    panic = Ways(weighted(a=1, b=1), hosts((1, 3, "a", 0), (1, 3, "b", 0)))
    assert [panic.endpoints() for _ in range(3)] == [tuple(range(8))] * 3
