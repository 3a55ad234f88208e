"""Endpoints in the order of a count that moves by one at a time, each step in O(1).

Full scans for the fewest outstanding requests cost O(n) a pick.  But a count changes by one only,
so endpoints can be kept sorted: those of one count stand together, in a *block*.  To raise a count,
swap the endpoint with the last of its block and move the border of the two blocks; to lower it,
with the first.  The least counts are the first block, and a tie is broken by one uniform draw over
it.  (The idea is that of the "frequency list" of constant-time least-frequently-used caches.)

A rule's state holds the arrays as fields of the names of `Sorted`; group *c* of endpoints has the
part from ``c * stride`` on, and an endpoint's own cell is ``c * stride + e``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from .rule import Ints, Make, kernel

__all__ = ["Sorted", "any_of_least", "lower", "raise_", "set_count", "sorted_by_count"]


class Sorted(NamedTuple):
    """The arrays of endpoints sorted by a count, for every group.

    Attributes
    ----------
    members : ints, one a group
        How many endpoints it has.
    order : ints
        The endpoints, the fewest first.
    at : ints
        Where in `order` an endpoint stands.
    block : ints
        The block of an endpoint.
    low, high, value : ints
        Where in `order` a block begins and ends, and its endpoints' count.
    free : ints
        Blocks that are not in use.
    spare : ints, one a group
        How many they are.
    """

    members: Ints
    order: Ints
    at: Ints
    block: Ints
    low: Ints
    high: Ints
    value: Ints
    free: Ints
    spare: Ints


def sorted_by_count(
    make: Make, stride: int, groups: Sequence[Sequence[int]], counts: Sequence[Sequence[int]]
) -> Sorted:
    """Sort every group by its counts; equal ones stay in the group's order.

    Parameters
    ----------
    make : Make
        Makes the arrays.
    stride : int
        More than the highest number of an endpoint.
    groups : sequence of sequences of int
        The endpoints of each group.
    counts : sequence of sequences of int
        Their counts, in the same order.
    """
    cells = len(groups) * stride
    order, at, block = [0] * cells, [0] * cells, [0] * cells
    low, high, value, free = [0] * cells, [0] * cells, [0] * cells, [0] * cells
    spare = []
    for c, (group, values) in enumerate(zip(groups, counts, strict=True)):
        base = position = used = c * stride
        ranked = sorted(zip(values, range(len(group)), group, strict=True))
        for counted, equal in groupby(ranked, key=lambda entry: entry[0]):
            low[used], value[used] = position, counted
            for _, _, e in equal:
                order[position], at[base + e], block[base + e] = e, position, used
                position += 1
            high[used] = position - 1
            used += 1
        rest = range(used, base + stride)
        free[base : base + len(rest)] = rest
        spare.append(len(rest))
    arrays = (order, at, block, low, high, value, free, spare)
    return Sorted(make.ints([len(group) for group in groups]), *(make.ints(a) for a in arrays))


@kernel
def any_of_least(s: Any, base: int, u: float) -> int:
    """One of those with the fewest, each equally likely; `base` is the group's first cell."""
    first_block = s.block[base + s.order[base]]
    return s.order[base + int(u * (s.high[first_block] - base + 1))]  # type: ignore[no-any-return]


@kernel
def raise_(s: Any, c: int, stride: int, e: int) -> None:
    """Raise the count of endpoint `e` in group `c` by one."""
    base = c * stride
    b = s.block[base + e]
    last = s.high[b]
    i = s.at[base + e]
    if i != last:  # to the end of its block
        other = s.order[last]
        s.order[i] = other
        s.at[base + other] = i
        s.order[last] = e
        s.at[base + e] = last
    more = s.value[b] + 1
    if last + 1 < base + s.members[c]:
        after = s.block[base + s.order[last + 1]]
        if s.value[after] == more:
            s.block[base + e] = after
            s.low[after] = last
            if s.low[b] == last:
                s.free[base + s.spare[c]] = b
                s.spare[c] += 1
            else:
                s.high[b] = last - 1
            return
    if s.low[b] == last:
        s.value[b] = more
        return
    s.high[b] = last - 1
    s.spare[c] -= 1
    new = s.free[base + s.spare[c]]
    s.block[base + e] = new
    s.low[new] = last
    s.high[new] = last
    s.value[new] = more


@kernel
def lower(s: Any, c: int, stride: int, e: int) -> None:
    """Lower the count of endpoint `e` in group `c` by one."""
    base = c * stride
    b = s.block[base + e]
    first = s.low[b]
    i = s.at[base + e]
    if i != first:  # to the beginning of its block
        other = s.order[first]
        s.order[i] = other
        s.at[base + other] = i
        s.order[first] = e
        s.at[base + e] = first
    less = s.value[b] - 1
    if first > base:
        before = s.block[base + s.order[first - 1]]
        if s.value[before] == less:
            s.block[base + e] = before
            s.high[before] = first
            if s.high[b] == first:
                s.free[base + s.spare[c]] = b
                s.spare[c] += 1
            else:
                s.low[b] = first + 1
            return
    if s.high[b] == first:
        s.value[b] = less
        return
    s.low[b] = first + 1
    s.spare[c] -= 1
    new = s.free[base + s.spare[c]]
    s.block[base + e] = new
    s.low[new] = first
    s.high[new] = first
    s.value[new] = less


@kernel
def set_count(s: Any, c: int, stride: int, e: int, value: int) -> None:
    """Let the count of endpoint `e` in group `c` be `value`; O(how far it is away)."""
    while s.value[s.block[c * stride + e]] < value:
        raise_(s, c, stride, e)
    while s.value[s.block[c * stride + e]] > value:
        lower(s, c, stride, e)
