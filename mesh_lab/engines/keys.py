"""The keys of requests: which number each has, its text, and what a hashing rule makes of it."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..balancing.rule import Balancer
from ..scenario import Scenario
from ..sources.keys import Keys

__all__ = ["KeyNumbers", "by_first", "key_codes", "key_hashes"]

Ints = NDArray[np.int32]


class KeyNumbers:
    """Draws the numbers of keys, as a column of floats."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def draw(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Return the numbers of `size` keys."""
        return self.keys.numbers(rng.random(size)).astype(np.float64)


def key_hashes(scenario: Scenario, rule: Balancer) -> list[NDArray[np.uint64]]:
    """Return, for each source and each of its keys by number, the hash under `rule`."""
    found = []
    for source in scenario.sources:
        keys = source.key
        found.append(_hashed(rule, keys.prefix, keys.count) if keys else np.empty(0, np.uint64))
    return found


@functools.lru_cache(maxsize=8)  # to hash 100 000 keys takes as long as a million requests
def _hashed(rule: Balancer, prefix: str, count: int) -> NDArray[np.uint64]:
    keys = Keys(count, prefix=prefix)
    hashes = np.fromiter((rule.hash_key(keys.text(k)) for k in range(count)), np.uint64, count)
    hashes.flags.writeable = False
    return hashes


def key_codes(
    scenario: Scenario, source: NDArray[np.int16], key: Ints
) -> tuple[Ints, int, Callable[[int], str]]:
    """Return a code for the text of each event's key, -1 for none; how many codes; their texts."""
    keyed = {each.key.prefix: each.key for each in scenario.sources if each.key is not None}
    if len(keyed) <= 1:
        counts = [each.key.count for each in scenario.sources if each.key is not None]
        prefix = next(iter(keyed), "")
        return key, max(counts, default=0), lambda code: f"{prefix}{code}"
    # different prefixes may give the same text
    codes = np.full(len(key), -1, dtype=np.int32)
    known: dict[str, int] = {}
    for i, each in enumerate(scenario.sources):
        if each.key is not None:
            mine = source == i
            there, which = np.unique(key[mine], return_inverse=True)
            texts = map(each.key.text, there.tolist())
            made = np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int32)
            codes[mine] = made[which]
    return codes, len(known), list(known).__getitem__


def by_first(codes: Ints) -> tuple[Ints, list[int]]:
    """Number codes by where they come first, -1 left as it is; return also the codes in order."""
    size = int(codes.max(initial=-1)) + 1
    first = np.full(size + 1, len(codes))  # the last is for -1
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several the last assignment holds
    first = first[:size]
    there = np.flatnonzero(first < len(codes))
    order = there[np.argsort(first[there])]
    rank = np.full(size + 1, -1, dtype=np.int32)
    rank[order] = np.arange(len(order))
    return rank[codes], order.tolist()
