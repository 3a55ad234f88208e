"""Jump consistent hash: a key jumps ahead through the list of endpoints until it would leave it.

The rule is Lamping and Veach's "A fast, minimal memory, consistent hash algorithm" (arXiv
1406.2294): a generator seeded with the key says at which length of the list the key moves next, and
then it moves to the endpoint that is new at that length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ...parts import part
from ..rule import Balancer, Floats, Hashes, Make, Pool, Rule, View, kernel, kernels
from .keyhash import xxh64

__all__ = ["JumpHash"]

CONSTANTS = (2862933555777941757, 1, 33, 2**64 - 1)


@kernel
def pick_by_jumps(s: Jumps, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The last place that the key jumps to within the list."""
    c = s.constants
    n = v.size[g]
    place = 0
    following = 0
    state = key
    while following < n:
        place = following
        state = (state * c[0] + c[1]) & c[3]
        following = int((place + 1) * (2147483648.0 / ((state >> c[2]) * 1.0 + 1.0)))
    return v.hosts[g * v.stride + place]  # type: ignore[no-any-return]


@kernels(pick=pick_by_jumps, blind=True)
class Jumps(NamedTuple):
    """The generator's factor, increment, shift and mask."""

    constants: Hashes


@part
class JumpHash(Balancer):
    """Consistent hashing without a table, over the list of endpoints in the order they joined.

    Shares are equal and weights are not looked at.  A new endpoint takes 1/n of the keys of each of
    the others, which is the least possible, and the last of the list can leave as cheaply.  When
    another leaves, those behind it move up, and their keys move with them to other endpoints: a
    list whose members fail one by one is not what this rule is for.

    Examples
    --------
    >>> JumpHash()
    JumpHash()
    """

    sees: ClassVar[str] = "the key"
    cost: ClassVar[str] = "O(log n)"
    origin: ClassVar[str] = "Lamping and Veach 2014"
    hashes: ClassVar[bool] = True

    def hash_key(self, key: str) -> int:
        """Return xxHash64 of the key."""
        return xxh64(key)

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule, which keeps no state."""
        return Jumps(make.hashes(CONSTANTS))
