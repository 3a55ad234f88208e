"""The keys of requests: which number each has, and what a hashing rule makes of it."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from ..balancing.rule import Balancer
from ..scenario import Scenario
from ..sources.keys import Keys

__all__ = ["KeyNumbers", "key_hashes"]


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
