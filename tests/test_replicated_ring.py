"""Tokens against published and recorded values; the ring against a search from scratch."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh_lab as ml
from mesh_lab.errors import ScenarioError
from mesh_lab.replicated import TokenRing, needed, token
from mesh_lab.replicated.murmur3 import LARGEST, SMALLEST

# Cassandra's Python driver, tests/unit/test_metadata.py
PUBLISHED = {
    b"123": -7468325962851647638,
    b"\x00\xff\x10\xfa\x99" * 10: 5837342703291459765,
    b"\xfe" * 8: -8927430733708461935,
    b"\x10" * 8: 1446172840243228796,
    b"9223372036854775807": 7162290910810015547,
}
# what version 3.30.1 of that driver (its module cmurmur3) gives for random keys, with bytes above
# 127 at every place of an incomplete block
RECORDED = {
    "5b": -4923411493018973843,
    "073f": 6735081069628590375,
    "28f861": -7820986966130685066,
    "bfb7ae63": -5745889730648077944,
    "92f18001b7": 1162281299037771433,
    "2a4ab2b4b262": 4077441312983762952,
    "dca5d480d6da7b": -1523663237464077010,
    "2fad855b04eb82ae": -7480448321948569743,
    "32be76da401bde0997": -8344998352939332691,
    "dc5797d1944f291467d8": 5157755766863268861,
    "74258855212169ef8f4bab": 2870317447973309274,
    "7451caa5ad7f2ec5dcdb085d": 3531661547398921875,
    "c7434b5702c0c6dbd868ac7355": -2622546293330038764,
    "aadc7a946aebc507f02eae0a39a2": 3274472504157877636,
    "ae89d992bc5fe7685f4dd64b21dea8": 5692452961065408959,
    "fa225900d3a4e0b9fa61a8c24deacec9": 2151068244265407368,
    "86f18a64c6f93ea749f99ea0d606dc21c0": 6180627436141147591,
    "9b30edfb62b27710806ef824ff278cba9506ed670c9f9c22": -7740409279712308634,
    "70afa9b69b129e2297fddf2326ca38bcc8a25fe38415899ff4f6d287e2a66d": -1774789352115535611,
    "39157d2360bcd960db6e5cb76589b3fd7b59f8edf6a712e278c1a93c88de8f74": 6458638876857312879,
    "a7d3bd2986945d2fc8f7bdb56e458fe988d912fdf8be7f8fe88d31e7bbd016a9b6": -3074051085832079598,
}


@pytest.mark.parametrize(("key", "expected"), PUBLISHED.items())
def test_tokens_are_those_that_the_driver_publishes(key: bytes, expected: int) -> None:
    assert token(key) == expected


@pytest.mark.parametrize(("key", "expected"), RECORDED.items())
def test_tokens_are_those_that_the_driver_makes(key: str, expected: int) -> None:
    assert token(bytes.fromhex(key)) == expected


def test_the_empty_key_has_the_smallest_token_and_text_is_utf_8() -> None:
    assert token("") == token(b"") == SMALLEST
    assert token("é") == token("é".encode())


tokens = st.integers(SMALLEST, LARGEST)


@given(
    st.lists(tokens, min_size=1, max_size=20, unique=True),
    st.data(),
    st.integers(1, 7),
    tokens,
)
def test_replicas_are_the_next_distinct_owners_round_the_ring(
    owned: list[int], data: st.DataObject, count: int, key: int
) -> None:
    owners = data.draw(st.lists(st.sampled_from("abcde"), min_size=len(owned), max_size=len(owned)))
    ring = TokenRing(
        {
            node: [one for one, owner in zip(owned, owners, strict=True) if owner == node]
            for node in "abcde"
        }
    )
    # from scratch: by the distance that one has to go upwards, modulo 2**64
    by_distance = sorted(
        (((one - key) % 2**64), owner) for one, owner in zip(owned, owners, strict=True)
    )
    expected = tuple(dict.fromkeys(owner for _, owner in by_distance))[:count]
    assert ring.replicas(key, count) == expected
    assert sum(ring.ownership().values()) == pytest.approx(1.0)
    if len(owned) == 1:
        assert ring.ownership()[owners[0]] == 1.0


def test_the_ring_of_the_documentation() -> None:
    """Eight nodes, RF = 3: what falls between token 1 and token 2 is kept by nodes 2, 3 and 4."""
    ring = TokenRing({f"node {k}": [k * 1000] for k in range(1, 9)})
    assert ring.replicas(1001, 3) == ring.replicas(2000, 3) == ("node 2", "node 3", "node 4")
    assert ring.replicas(1000, 3) == ("node 1", "node 2", "node 3")
    assert ring.replicas(8001, 3) == ("node 1", "node 2", "node 3")
    assert ring.replicas(7500, 3) == ("node 8", "node 1", "node 2")


def test_more_virtual_nodes_share_the_ring_more_evenly() -> None:
    spread = []
    for vnodes in (1, 16, 256):
        shares = ml.Cluster("db", nodes=20, vnodes=vnodes).ring.ownership().values()
        assert sum(shares) == pytest.approx(1.0)
        spread.append(max(shares) - min(shares))
    assert spread[0] > 2 * spread[1] > 4 * spread[2]


def test_a_new_node_takes_keys_from_others_and_moves_nothing_else() -> None:
    before = ml.Cluster("db", nodes=9, replication=1)
    after = ml.Cluster("db", nodes=10, replication=1)
    moved = 0
    for k in range(2000):
        (old,), (new,) = before.replicas(f"key-{k}"), after.replicas(f"key-{k}")
        assert new in (old, "db-9")
        moved += new != old
    assert 100 < moved < 300


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "one token at least"),
        ({"a": []}, "one token at least"),
        ({"a": [1], "b": [1]}, "token 1 of node 'b' is owned by 'a' already"),
        ({"a": [2**63]}, "from -2\\*\\*63 to 2\\*\\*63 - 1"),
    ],
)
def test_impossible_rings_are_refused(given: dict[str, list[int]], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        TokenRing(given)


def test_levels() -> None:
    table = {
        level: [needed(level, replication) for replication in (1, 2, 3, 4, 5, 6)]
        for level in ("QUORUM", "ALL")
    }
    assert table == {"QUORUM": [1, 2, 2, 3, 3, 4], "ALL": [1, 2, 3, 4, 5, 6]}
    assert [needed(level, 5) for level in ("ONE", "TWO", "THREE")] == [1, 2, 3]
    for one, other in itertools.product(range(1, 8), repeat=2):
        quorums = needed("QUORUM", one) + needed("QUORUM", one)
        assert quorums > one
        assert needed("ALL", other) == other
