"""Hash functions and the generator of bounded loads against published values."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mesh_lab.balancing.hashing.bounded import next_word
from mesh_lab.balancing.hashing.keyhash import (
    avalanche,
    crc32,
    murmur2,
    murmur2_all,
    sdbm,
    xxh64,
    xxh64_all,
)
from tests.recorded_picks import hosts, picks
from tests.test_recorded_hash_picks import recorded

# Envoy, test/common/common/hash_test.cc
XXH64 = {
    "foo": 3728699739546630719,
    "bar": 5234164152756840025,
    "foo\nbar": 8917841378505826757,
    "lyft": 4400747396090729504,
    "": 17241709254077376921,
}
MURMUR2 = {
    "foo": 9631199822919835226,
    "bar": 11474628671133349555,
    "foo\nbar": 16306510975912980159,
    "lyft": 12847078931730529320,
    "": 6142509188972423790,
}
TEXTS = ["é" * n + "x" * m for n in range(4) for m in range(40)]


def test_xxh64_gives_the_values_that_envoy_tests() -> None:
    assert {text: xxh64(text) for text in XXH64} == XXH64
    assert xxh64_all(list(XXH64)).tolist() == list(XXH64.values())
    assert xxh64_all(["foo"], seed=1)[0] == xxh64("foo", 1) != xxh64("foo")


def test_murmur2_gives_the_values_that_envoy_tests() -> None:
    assert {text: murmur2(text) for text in MURMUR2} == MURMUR2


def test_murmur2_of_many_texts_is_that_of_each() -> None:
    assert murmur2_all(TEXTS).tolist() == [murmur2(text) for text in TEXTS]
    assert murmur2_all([]).tolist() == []


def test_crc32_gives_its_check_value() -> None:
    assert crc32("123456789") == 0xCBF43926


def test_sdbm_is_haproxys_loop() -> None:
    for text in TEXTS:
        value = 0
        for byte in text.encode():
            value = (byte + (value << 6) + (value << 16) - value) % 2**32
        assert sdbm(text) == value


@pytest.mark.parametrize("which", ["three", "ten", "seven_weighted"])
def test_avalanche_gives_the_picks_of_haproxys_consistent_hash(which: str) -> None:
    # 16 nodes for each unit of weight; the closest to the key's hash is picked
    ring = sorted(
        (avalanche((server + 1) * 4096 + k), server)
        for server, weight in enumerate(hosts()[which][1])
        for k in range(16 * int(weight))
    )
    positions = np.array([position for position, _ in ring])
    keys, _ = recorded("haproxy-consistent")
    got = []
    for key in keys:
        value = avalanche(sdbm(key))
        after = int(np.searchsorted(positions, value)) % len(ring)
        before = (after - 1) % len(ring)
        behind = (value - int(positions[before])) % 2**32
        ahead = (int(positions[after]) - value) % 2**32
        got.append(ring[before if behind <= ahead else after][1])
    assert got == picks("haproxy-consistent")[which]


def words(seed: int, count: int) -> list[int]:
    s = SimpleNamespace(words=[seed] + [0] * 623, cursor=[1, 0])
    return [next_word(s) for _ in range(count)]


@pytest.mark.parametrize("seed", [0, 1, 5489, 2**32 - 1])
def test_the_generator_is_mt19937(seed: int) -> None:
    expected = np.random.RandomState(seed).randint(0, 2**32, size=2000, dtype=np.uint32)
    assert words(seed, 2000) == expected.tolist()


def test_the_generator_makes_only_the_words_that_it_needs() -> None:
    s = SimpleNamespace(words=[5489] + [0] * 623, cursor=[1, 0])
    next_word(s)
    assert s.cursor == [398, 1]


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "xxhash", None)
    with pytest.raises(ImportError, match=r"needs the package xxhash.*pip install xxhash"):
        xxh64("foo")
