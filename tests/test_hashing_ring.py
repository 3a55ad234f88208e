"""Ring hash, nginx's ring and the tables that pools share."""

from __future__ import annotations

import bisect
import math
import zlib

import numpy as np
import pytest

from mesh_lab.balancing.hashing import KetamaHash, RingHash
from mesh_lab.balancing.hashing.keyhash import xxh64
from mesh_lab.errors import PartError
from tests.rule_bench import Bench

KEYS = [f"key-{k}" for k in range(20_000)]
LOCAL = [f"127.0.0.1:{port}" for port in range(90, 96)]

# Envoy, test/extensions/load_balancing_policies/ring_hash/ring_hash_lb_test.cc: port, position
XXH64_RING = [
    (94, 833437586790550860),
    (92, 928266305478181108),
    (90, 1033482794131418490),
    (95, 3551244743356806947),
    (93, 3851675632748031481),
    (91, 5583722120771150861),
    (91, 6311230543546372928),
    (93, 7700377290971790572),
    (95, 13144177310400110813),
    (92, 13444792449719432967),
    (94, 15516499411664133160),
    (90, 16117243373044804889),
]
MURMUR2_RING = [
    (85, 1358027074129602068),
    (83, 4361834613929391114),
    (84, 7224494972555149682),
    (81, 7701421856454313576),
    (82, 8649315368077433379),
    (84, 8739448859063030639),
    (81, 9887544217113020895),
    (82, 10150910876324007731),
    (83, 15168472011420622455),
    (80, 15427156902705414897),
    (85, 16375050414328759093),
    (80, 17613279263364193813),
]


def test_the_ring_is_the_one_that_envoy_tests() -> None:
    bench = Bench(RingHash(min_size=12), 6, names=LOCAL)
    assert list(zip(bench.state.owners, bench.state.points, strict=True)) == [
        (port - 90, position) for port, position in XXH64_RING
    ]
    cases = {0: 4, 2**64 - 1: 4, 3551244743356806947: 5, 3551244743356806948: 3}
    assert {key: bench.pick(key=key) for key in cases} == cases


def test_the_murmur2_ring_is_the_one_that_envoy_tests() -> None:
    names = [f"127.0.0.1:{port}" for port in range(80, 86)]
    bench = Bench(RingHash(min_size=12, hash="murmur2"), 6, names=names)
    assert list(zip(bench.state.owners, bench.state.points, strict=True)) == [
        (port - 80, position) for port, position in MURMUR2_RING
    ]
    cases = {0: 5, 2**64 - 1: 5, 1358027074129602068: 5, 1358027074129602069: 3}
    assert {key: bench.pick(key=key) for key in cases} == cases


def positions(bench: Bench) -> list[int]:
    return [int(count) for count in np.bincount(bench.state.owners, minlength=bench.n)]


def test_positions_are_rounded_as_they_add_up() -> None:
    # the example in a comment of Envoy's ring_hash_lb.cc: four hosts, a ring of at most 6
    assert positions(Bench(RingHash(min_size=6, max_size=6), 4)) == [2, 1, 2, 1]
    assert positions(Bench(RingHash(), 3)) == [342, 342, 342]  # ceil(1024 / 3) each
    assert positions(Bench(RingHash(), 2, weights=[1, 3])) == [256, 768]
    assert positions(Bench(RingHash(min_size=1), 3, weights=[0.5, 1.0, 2.0])) == [1, 2, 4]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_ring_is_that_of_the_loop_in_the_source(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        n = int(rng.integers(1, 9))
        weights = [float(w) for w in rng.integers(1, 30, n)]
        least = int(rng.integers(1, 400))
        most = int(rng.integers(least, 800))
        bench = Bench(RingHash(min_size=least, max_size=most), n, weights=weights)
        share = [w / sum(weights) for w in weights]
        scale = min(math.ceil(min(share) * least) / min(share), float(most))
        ring, current, target = [], 0.0, 0.0
        for e, part in enumerate(share):
            target += scale * part
            i = 0
            while current < target:
                ring.append((xxh64(f"10.0.0.{e}:80_{i}"), e))
                i += 1
                current += 1
        ring.sort()
        hashes = [position for position, _ in ring]
        for text in KEYS[:300]:
            key = xxh64(text)
            assert bench.pick(key=key) == ring[bisect.bisect_left(hashes, key) % len(ring)][1]


@pytest.mark.parametrize("rule", [RingHash(), RingHash(min_size=1), KetamaHash()], ids=repr)
def test_keys_around_every_position_find_it(rule: RingHash | KetamaHash) -> None:
    bench = Bench(rule, 3, weights=[1, 2, 4])
    points, owners = list(bench.state.points), list(bench.state.owners)
    for i, point in enumerate(points):
        assert bench.pick(key=point - 1) == owners[i]
        assert bench.pick(key=point) == owners[i]
        assert bench.pick(key=point + 1) == owners[(i + 1) % len(points)]
    for key in (points[-1] + 1, 2**63, 2**64 - 1, 0):
        after = [owner for point, owner in zip(points, owners, strict=True) if point >= key]
        assert bench.pick(key=key) == (after or owners)[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shares_of_the_ring_follow_the_weights(seed: int) -> None:
    # N uniform positions, k = pN of them one endpoint's: its arcs are Beta(k, N - k) of the ring
    weights = [1.0, 2.0, 5.0]
    names = [f"ring-{seed}-{e}" for e in range(3)]
    bench = Bench(RingHash(min_size=80_000), 3, weights=weights, names=names)
    points = np.array(bench.state.points, dtype=np.uint64)
    owners = np.array(bench.state.owners)
    arcs = points - np.roll(points, 1)  # modulo 2**64, as the ring is
    for e, weight in enumerate(weights):
        p = weight / 8.0
        share = arcs[owners == e].astype(float).sum() / 2.0**64
        sd = math.sqrt(p * (1 - p) / (len(points) + 1))
        assert abs(share - p) < 3.5 * sd  # 9 comparisons, together 99.6 % if the rule holds


@pytest.mark.parametrize("rule", [RingHash(min_size=9), KetamaHash()], ids=repr)
def test_only_the_keys_of_the_one_that_leaves_move(rule: RingHash | KetamaHash) -> None:
    # up to 9 the smallest ring has one position for each of 9 and of 10 endpoints
    bench = Bench(rule, 10)
    keys = [rule.hash_key(key) for key in KEYS]
    before = [bench.pick(key=key) for key in keys]
    bench.change([e for e in range(10) if e != 4])
    after = [bench.pick(key=key) for key in keys]
    moved = [old for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {4}
    assert len(moved) == before.count(4)
    assert 4 not in after
    bench.change(range(10))
    assert [bench.pick(key=key) for key in keys] == before


def test_a_ring_that_grows_when_one_leaves_moves_keys_to_new_positions_only() -> None:
    # 103 positions each for ten, 114 each for nine: so more than a tenth of the keys move
    rule = RingHash()
    bench = Bench(rule, 10)
    keys = [rule.hash_key(key) for key in KEYS]
    before, known = [bench.pick(key=key) for key in keys], set(bench.state.points)
    bench.change(range(9))
    state = bench.state
    moved = 0
    for key, old in zip(keys, before, strict=True):
        new = bench.pick(key=key)
        if new != old:
            moved += 1
            at = bisect.bisect_left(state.points, key) % len(state.points)
            assert old == 9 or state.points[at] not in known
    # 99 of 1026 positions are new and 8 of 9 of their keys were another's: 0.1 + 0.9 * 0.0858
    assert 0.15 < moved / len(keys) < 0.21


def test_the_bound_of_one_position_each_is_exact_for_two_hosts() -> None:
    bench = Bench(RingHash(min_size=1), 2)
    low, high = sorted(xxh64(f"10.0.0.{e}:80_0") for e in range(2))
    owner = {xxh64(f"10.0.0.{e}:80_0"): e for e in range(2)}
    for key, expected in [
        (low, low),
        (low + 1, high),
        (high, high),
        (high + 1, low),
        (0, low),
        (2**64 - 1, low),
    ]:
        assert bench.pick(key=key) == owner[expected]


def test_proxies_share_one_ring_and_pools_that_differ_do_not() -> None:
    shared = Bench(RingHash(), 10, proxies=4)
    assert len(shared.state.owners) == 1030
    assert list(shared.state.first) == [0] * 4
    key = xxh64("key-1")
    assert len({shared.pick(key=key, proxy=p) for p in range(4)}) == 1
    shared.change([3])
    assert shared.pick(key=key, proxy=2) == 3
    shared.change([])
    assert list(shared.state.first) == list(shared.state.end) == [0] * 4
    shared.change(range(10))
    assert len(shared.state.owners) == 1030


def test_nginxs_ring_has_160_positions_for_each_unit_of_weight() -> None:
    bench = Bench(KetamaHash(), 3, weights=[1, 2, 5])
    assert positions(bench) == [160, 320, 800]
    assert list(bench.state.points) == sorted(bench.state.points)
    start = zlib.crc32(b"10.0.0.0\x0080" + b"\0" * 4)  # of the first endpoint, the first
    assert bench.state.owners[list(bench.state.points).index(start)] == 0


@pytest.mark.parametrize(
    ("weight", "problem"),
    [(1.5, "is 1.5, but under KetamaHash must be a whole number"), (0.25, "is 0.25")],
)
def test_nginx_takes_whole_weights_only(weight: float, problem: str) -> None:
    with pytest.raises(PartError, match=problem):
        Bench(KetamaHash(), 2, weights=[1.0, weight])


def test_a_ring_of_nginx_that_would_not_fit_is_refused() -> None:
    with pytest.raises(PartError, match="add up to 60,000; they must stay below 52,428"):
        Bench(KetamaHash(), 2, weights=[30_000.0, 30_000.0])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"min_size": 0}, "min_size: is 0"),
        ({"max_size": 8_388_609}, "max_size: is 8388609"),
        ({"min_size": 20, "max_size": 10}, "min_size is 20, above max_size, which is 10"),
        ({"hash": "md5"}, "hash: is 'md5'"),
        ({"balance_factor": 99}, "balance_factor: is 99"),
        ({"balance_factor": 1.5}, "balance_factor: is 1.5"),
    ],
)
def test_a_ring_that_cannot_be_is_refused(arguments: dict[str, object], problem: str) -> None:
    with pytest.raises(PartError, match=problem):
        RingHash(**arguments)  # type: ignore[arg-type]
