"""The keys of requests: which number each has, and what a hashing rule makes of it."""

from __future__ import annotations

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


def key_hashes(scenario: Scenario, rule: Balancer) -> list[list[int]]:
    """Return, for each source and each of its keys by number, the hash under `rule`."""
    made: dict[Keys, list[int]] = {}
    hashes: list[list[int]] = []
    for source in scenario.sources:
        keys = source.key
        if keys is None:
            hashes.append([])
            continue
        if keys not in made:
            made[keys] = [rule.hash_key(keys.text(k)) for k in range(keys.count)]
        hashes.append(made[keys])
    return hashes
