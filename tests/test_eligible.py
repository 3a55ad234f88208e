"""Which endpoints a balancer picks from: pools, levels, panic and turns; the same in all forms."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from mesh_lab.balancing.eligible import (
    Aperture,
    DeterministicSubset,
    Eligible,
    LocalityWeighted,
    RandomSubset,
    ZoneAware,
    arrange,
    max_pools,
)
from mesh_lab.balancing.routes import choose_pool
from mesh_lab.balancing.rule import KERNELS, Arrays, Lists
from mesh_lab.errors import PartError
from tests.eligible_bench import Ways, even, hosts, ill, without

NO_PANIC = Eligible(panic=0)


# -- one level -----------------------------------------------------------------------------------


def test_plain_balancers_have_one_pool_each_with_all_endpoints_in_order() -> None:
    known = hosts((4, 0, "", 0))
    ways = Ways(Eligible(), known, proxies=3)
    assert ways.routes.plain == 1
    assert [pool.endpoints for pool in ways.pools] == [(0, 1, 2, 3)] * 3
    assert [ways.choose(p, u, u) for p in range(3) for u in (0.0, 0.999)] == [0, 0, 1, 1, 2, 2]
    assert ways.pools[2].names == ("10.0.0.0:80", "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
    assert ways.pools[2].weights == (1.0,) * 4
    assert ways.pools[2].since == (-math.inf,) * 4


def test_unhealthy_endpoints_are_left_out_until_too_many_are() -> None:
    known = hosts((4, 0, "", 0))
    assert Ways(Eligible(), ill(known, 2)).endpoints() == (0, 1, 3)
    assert Ways(Eligible(), ill(known, 0, 2)).endpoints() == (1, 3)  # half: not below the threshold
    assert Ways(Eligible(), ill(known, 0, 1, 2)).endpoints() == (0, 1, 2, 3)
    assert Ways(Eligible(panic=0.25), ill(known, 0, 1, 2)).endpoints() == (3,)
    assert Ways(NO_PANIC, ill(known, 0, 1, 2)).endpoints() == (3,)
    assert Ways(Eligible(fail_in_panic=True), ill(known, 0, 1, 2)).choose() == -1
    assert Ways(Eligible(fail_in_panic=True), ill(known, 0, 2)).endpoints() == (1, 3)


def test_nothing_healthy_without_panic_is_unavailable_and_so_is_nothing_at_all() -> None:
    known = hosts((0, 3, "", 0), (0, 3, "", 1))
    for u in even(100):
        assert Ways(NO_PANIC, known).choose(0, u, u) == -1
        assert Ways(NO_PANIC, known[:3]).choose(0, u, u) == -1
        assert Ways(Eligible(), []).choose(0, u, u) == -1
        assert Ways(Eligible(), [], ever=known).choose(0, u, u) == -1
    assert Ways(Eligible(zones=ZoneAware(proxy_zones=("a",))), []).choose() == -1
    assert Ways(Eligible(zones=LocalityWeighted(weights={"a": 1})), []).choose() == -1
    assert Ways(Eligible(subset=Aperture()), []).choose() == -1
    assert Ways(Eligible(subset=RandomSubset(size=2)), []).choose() == -1
    assert Ways(Eligible(subset=DeterministicSubset(size=2)), []).choose() == -1


# -- levels --------------------------------------------------------------------------------------


def test_a_draw_chooses_the_level_by_whole_percents() -> None:
    known = hosts((50, 50, "", 0), (2, 0, "", 1))
    ways = Ways(Eligible(), known)
    assert ways.levels(even(10_000)) == {0: 7000, 1: 3000}
    assert ways.endpoints(0, 0.6999) == tuple(range(50))
    assert ways.endpoints(0, 0.7) == (100, 101)
    assert ways.endpoints(0, math.nextafter(1.0, 0.0)) == (100, 101)
    assert ways.endpoints(0, 0.0) == tuple(range(50))


def test_levels_need_not_be_numbered_without_gaps() -> None:
    ways = Ways(Eligible(), hosts((1, 1, "", 3), (2, 0, "", 7)))
    assert ways.levels(even(1000)) == {3: 700, 7: 300}


def test_a_level_in_panic_uses_all_its_endpoints_and_another_does_not() -> None:
    known = hosts((1, 19, "", 0), (13, 7, "", 1))  # 5 % and 65 %, Envoy's example
    ways = Ways(Eligible(), known)
    assert ways.endpoints(0, 0.0) == tuple(range(20))
    assert ways.endpoints(0, 0.5) == tuple(range(20, 33))
    assert ways.levels(even(1000)) == {0: 80, 1: 920}
    failing = Ways(Eligible(fail_in_panic=True), known)
    assert failing.levels(even(1000)) == {-1: 80, 1: 920}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_drawn_shares_of_levels_are_their_loads(seed: int) -> None:
    # 10 000 draws; 4 standard errors: 1 run in 16 000 of a right rule would fail
    known = hosts((25, 75, "", 0), (25, 75, "", 1), (3, 1, "", 2))
    rng = np.random.default_rng(seed)
    found = Ways(Eligible(), known).levels(rng.random(10_000).tolist())
    for level, load in enumerate((35, 35, 30)):
        error = math.sqrt(10_000 * load / 100 * (1 - load / 100))
        assert abs(found[level] - 100 * load) < 4 * error


def test_overprovisioning_says_when_load_overflows() -> None:
    known = hosts((8, 2, "", 0), (10, 0, "", 1))
    assert Ways(Eligible(), known).levels(even(100)) == {0: 100}
    assert Ways(Eligible(overprovisioning=1.0), known).levels(even(100)) == {0: 80, 1: 20}


# -- what engines rely on ------------------------------------------------------------------------


def test_pools_keep_their_numbers_when_a_level_or_zone_empties() -> None:
    known = hosts((3, 0, "a", 0), (3, 0, "b", 0), (2, 0, "b", 1))
    eligible = Eligible(zones=LocalityWeighted(weights={"a": 1, "b": 1}))
    all_there = Ways(eligible, known, 2, ever=known)
    assert len(all_there.pools) == max_pools(eligible, known, 2) == 2 * 2 * 3
    some_gone = Ways(eligible, without(known, 0, 1, 2), 2, ever=known)
    # balancer 1: levels 0 and 1, each all, a, b
    expected = [(), (0, 1, 2), (3, 4, 5), (), (), (6, 7)]
    assert [pool.endpoints for pool in all_there.pools[6:]] == expected
    expected[1] = ()
    assert [pool.endpoints for pool in some_gone.pools[6:]] == expected
    level_gone = Ways(eligible, without(known, *range(6)), 2, ever=known)
    assert [pool.endpoints for pool in level_gone.pools[6:]] == [()] * 5 + [(6, 7)]


def mixed(rng: random.Random) -> tuple[Eligible, list[Any], int]:
    """Return a declaration, endpoints of several zones, levels and health, and balancers."""
    proxies = rng.randint(1, 5)
    names = "abcd"[: rng.randint(1, 4)]
    groups = [
        (rng.randint(0, 4), rng.randint(0, 2), zone, level)
        for zone in names
        for level in range(rng.randint(1, 3))
    ]
    zones = rng.choice(
        [
            None,
            ZoneAware(proxy_zones=tuple(rng.choice(names) for _ in range(proxies))),
            ZoneAware(
                proxy_zones=tuple(rng.choice("abcde") for _ in range(proxies)), min_cluster_size=2
            ),
            LocalityWeighted(
                weights={zone: rng.choice([0, 1, 1, 2.5]) for zone in names} | {"z": 1}
            ),
        ]
    )
    subset = rng.choice(
        [None, None, RandomSubset(size=4), DeterministicSubset(size=3), Aperture(size=2)]
    )
    eligible = Eligible(
        overprovisioning=rng.choice([1.0, 1.4, 2.0]),
        panic=rng.choice([0, 0.5, 1]),
        fail_in_panic=rng.random() < 0.2,
        zones=zones,
        subset=subset,
    )
    return eligible, hosts(*groups), proxies


def script(rng: random.Random, proxies: int, count: int = 200) -> list[tuple[int, float, float]]:
    return [(rng.randrange(proxies), rng.random(), rng.random()) for _ in range(count)]


def test_lists_and_arrays_choose_the_same_pools() -> None:
    for seed in range(1, 301):
        rng = random.Random(seed)
        eligible, known, proxies = mixed(rng)
        requests = script(rng, proxies)
        on_lists = Ways(eligible, known, proxies)
        on_arrays = Ways(eligible, known, proxies, make=Arrays())
        assert on_lists.pools == on_arrays.pools
        chosen = [on_lists.choose(*request) for request in requests]
        assert chosen == [on_arrays.choose(*request) for request in requests]


def test_compiled_kernels_choose_the_same_pools() -> None:
    numba = pytest.importorskip("numba")
    from numba.extending import register_jitable

    for function in KERNELS:
        register_jitable(function)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def run(r: Any, v: Any, p: Any, u: Any, w: Any, out: Any) -> None:
        for k in range(p.size):
            out[k] = choose_pool(r, v, p[k], u[k], w[k])

    kinds = set()
    for seed in range(1, 301):
        rng = random.Random(seed)
        eligible, known, proxies = mixed(rng)
        requests = script(rng, proxies)
        plain = Ways(eligible, known, proxies)
        compiled = Ways(eligible, known, proxies, make=Arrays())
        chosen = np.zeros(len(requests), np.int64)
        columns = [np.array(column) for column in zip(*requests, strict=True)]
        run(compiled.routes, compiled.view, *columns, chosen)
        assert chosen.tolist() == [plain.choose(*request) for request in requests]
        kinds |= {(plain.routes.levels > 1, how) for how in plain.routes.how}
        assert len(run.signatures) == 1, "one class of state for all cases compiles once"
    assert kinds == {(several, how) for several in (False, True) for how in range(3)}


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"panic": -0.1}, "panic: is -0.1, but must be a number from 0 to 1"),
        ({"panic": 1.5}, "panic: is 1.5"),
        ({"panic": math.nan}, "panic: is nan"),
        ({"panic": 0.505}, "panic: is 0.505, but must be a whole number of hundredths"),
        ({"panic": 0.001}, "such as 0.01"),
        ({"overprovisioning": 0}, "overprovisioning: is 0, but must be a number above 0"),
        ({"overprovisioning": math.inf}, "overprovisioning: is inf"),
        ({"overprovisioning": 1.405}, "overprovisioning: is 1.405, but must be a whole"),
        ({"zones": "a"}, "zones: is 'a', but must be a ZoneAware"),
        ({"subset": 3}, "subset: is 3, but must be a DeterministicSubset"),
    ],
)
def test_impossible_declarations_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(PartError) as refused:
        Eligible(**fields)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("part", "fields", "says"),
    [
        (LocalityWeighted, {"weights": {}}, "at least one zone must have a weight above 0"),
        (LocalityWeighted, {"weights": {"a": 0}}, "at least one zone must have a weight above 0"),
        (LocalityWeighted, {"weights": {"a": -1}}, "weights['a']: is -1"),
        (LocalityWeighted, {"weights": {"a": math.nan}}, "weights['a']: is nan"),
        (ZoneAware, {"proxy_zones": ()}, "not empty"),
        (ZoneAware, {"proxy_zones": ("a",), "min_cluster_size": 0}, "min_cluster_size: is 0"),
        (DeterministicSubset, {"size": 0}, "size: is 0, but must be an integer of at least 1"),
        (RandomSubset, {"size": 2.5}, "size: is 2.5"),
        (RandomSubset, {"size": 2, "seed": -1}, "seed: is -1"),
        (Aperture, {"size": 1}, "size: is 1, but must be an integer of at least 2"),
    ],
)
def test_impossible_zones_and_subsets_are_refused(
    part: type, fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(PartError) as refused:
        part(**fields)
    assert says in str(refused.value)


def test_zones_that_do_not_fit_the_service_are_refused() -> None:
    known = hosts((1, 0, "a", 0), (1, 0, "b", 0))
    with pytest.raises(PartError, match=r"holds 1 zones, but the service has proxies=2"):
        arrange(Eligible(zones=ZoneAware(proxy_zones=("a",))), known, 2, Lists())
    with pytest.raises(PartError, match=r"has no weight for zone 'b' of an endpoint, only for 'a'"):
        arrange(Eligible(zones=LocalityWeighted(weights={"a": 1})), known, 1, Lists())
