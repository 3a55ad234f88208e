"""The hashing rules pick what the real proxies picked, key by key: see data/balancing/README.md."""

from __future__ import annotations

import csv
import functools
import gzip
from collections import deque

import pytest

from mesh_lab.balancing.hashing import KetamaHash, Maglev, MapHash, RingHash
from mesh_lab.balancing.rule import Balancer
from tests.recorded_picks import FOLDER, hosts, picks
from tests.rule_bench import Bench

LISTS = ["three", "ten", "three_weighted", "seven_weighted", "ten_weighted"]
IDLE = {
    "envoy-ring-hash": RingHash(),
    "envoy-ring-hash-murmur": RingHash(hash="murmur2"),
    "envoy-maglev": Maglev(),
    "nginx-hash-consistent": KetamaHash(),
    "haproxy-map-based": MapHash(),
}
WINDOW = 30  # requests that stay unanswered


@functools.cache
def recorded(name: str) -> tuple[list[str], dict[str, list[int]]]:
    """The keys that were sent, and what was picked for each of them."""
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt", newline="") as file:
        keys = [row["key"] for row in csv.DictReader(file)]
    return keys, picks(name)


def bench(rule: Balancer, which: str) -> Bench:
    addresses, weights = hosts()[which]
    return Bench(rule, len(addresses), weights=weights, names=addresses)


@pytest.mark.parametrize("which", LISTS)
@pytest.mark.parametrize("name", IDLE)
def test_every_key_goes_where_the_proxy_sent_it(name: str, which: str) -> None:
    rule = IDLE[name]
    at = bench(rule, which)
    keys, expected = recorded(name)
    assert len(keys) == 1250
    assert [at.pick(key=rule.hash_key(key)) for key in keys] == expected[which]


def bounded_picks(name: str, factor: int, which: str) -> list[int]:
    """What the rule picks while the last `WINDOW` requests are unanswered."""
    rules = {"ring-hash": RingHash, "maglev": Maglev}
    rule = rules[name](balance_factor=factor)
    at = bench(rule, which)
    unanswered: deque[int] = deque()
    got = []
    for key in recorded(f"envoy-{name}-bounded")[0]:
        got.append(at.pick(key=rule.hash_key(key)))
        unanswered.append(got[-1])
        if len(unanswered) > WINDOW:
            at.answer(unanswered.popleft())
    return got


@pytest.mark.parametrize("which", LISTS)
@pytest.mark.parametrize("name", ["ring-hash", "maglev"])
def test_bounded_loads_overflow_as_the_proxy_does(name: str, which: str) -> None:
    expected = recorded(f"envoy-{name}-bounded")[1][which]
    assert bounded_picks(name, 110, which) == expected
    # the recording is sharp enough to tell this from no bound and from a wider one
    assert recorded(f"envoy-{name}")[1][which] != expected
    assert bounded_picks(name, 120, which) != expected
