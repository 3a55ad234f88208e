"""The least of a few endpoints that are drawn at random, with replacement or without."""

from __future__ import annotations

from .rule import Floats, Ints, View, kernel

__all__ = ["least_of_distinct", "least_of_few"]


@kernel
def least_of_few(values: Ints, base: int, choices: int, v: View, g: int, u: Floats) -> int:
    """The least of those drawn with replacement; of a tie, the first drawn.

    The value of endpoint *e* is ``values[base + e]``; draw *k* uses ``u[k]``.
    """
    n = v.size[g]
    first = g * v.stride
    best = v.hosts[first + int(u[0] * n)]
    for k in range(1, choices):
        other = v.hosts[first + int(u[k] * n)]
        if values[base + other] < values[base + best]:
            best = other
    return best  # type: ignore[no-any-return]


@kernel
def least_of_distinct(
    values: Ints, base: int, choices: int, drawn: Ints, v: View, g: int, u: Floats
) -> int:
    """The least of different endpoints; of a tie, the first drawn.

    Draw *k* is a place among the n - k that are left, in their order: it is shifted past the
    places drawn before, which stand in ascending order in `drawn`.  More choices than endpoints
    mean all of them.
    """
    n = v.size[g]
    first = g * v.stride
    best = v.hosts[first]
    for k in range(min(choices, n)):
        place = int(u[k] * (n - k))
        j = 0
        while j < k and drawn[j] <= place:
            place += 1
            j += 1
        i = k
        while i > j:
            drawn[i] = drawn[i - 1]
            i -= 1
        drawn[j] = place
        e = v.hosts[first + place]
        if k == 0 or values[base + e] < values[base + best]:
            best = e
    return best  # type: ignore[no-any-return]
