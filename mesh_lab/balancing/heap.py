"""Binary min-heaps on flat arrays: who is due next, in O(log n) operations.

Many heaps share one set of arrays: a heap of `size` entries occupies the places ``base`` to
``base + size - 1`` of `keys`, `seqs` and `items`, its smallest entry first.  Entries are ordered by
key, and those of equal keys by their sequence number, so that no two entries tie and the order in
which they come out does not depend on how the heap happens to lie; this is also how Envoy's
schedule breaks its ties (``edf_scheduler.h``).

In a heap whose entries may be changed in place, `places` says where each item lies:
``places[base + item]`` counts from `base`, so items are numbered from 0 and are fewer than the
array has room for.  `replace_top` does without it, and is quicker where only the smallest changes.

The operations are those of the textbook (a hole is moved, and filled last).  A sorted sequence is
a heap, which is the easiest way of making one.
"""

from __future__ import annotations

from .rule import Floats, Ints, kernel

__all__ = ["heap_push", "heap_remove", "heap_update", "push", "replace_top"]


@kernel
def push(
    keys: Floats, seqs: Ints, items: Ints, base: int, size: int, key: float, seq: int, item: int
) -> None:
    """Add an entry to a heap of `size` entries without places; the caller counts it.

    Examples
    --------
    >>> keys, seqs, items = [2.0, 0.0], [0, 0], [7, 0]
    >>> push(keys, seqs, items, 0, 1, 1.0, 1, 8)
    >>> keys, items
    ([1.0, 2.0], [8, 7])
    """
    at = size
    while at > 0:
        up = (at - 1) >> 1
        other = keys[base + up]
        if other < key or (other == key and seqs[base + up] < seq):
            break
        keys[base + at] = other
        seqs[base + at] = seqs[base + up]
        items[base + at] = items[base + up]
        at = up
    keys[base + at] = key
    seqs[base + at] = seq
    items[base + at] = item


@kernel
def replace_top(
    keys: Floats, seqs: Ints, items: Ints, base: int, size: int, key: float, seq: int, item: int
) -> None:
    """Put an entry in the place of the smallest, in a heap without places.

    Examples
    --------
    >>> keys, seqs, items = [1.0, 2.0, 3.0], [0, 1, 2], [7, 8, 9]
    >>> replace_top(keys, seqs, items, 0, 3, 2.0, 3, 7)
    >>> keys, items
    ([2.0, 2.0, 3.0], [8, 7, 9])
    """
    at = 0
    child = 1
    while child < size:
        here = base + child
        small = keys[here]
        if child + 1 < size:
            other = keys[here + 1]
            if other < small or (other == small and seqs[here + 1] < seqs[here]):
                here += 1
                child += 1
                small = other
        if key < small or (key == small and seq < seqs[here]):
            break
        keys[base + at] = small
        seqs[base + at] = seqs[here]
        items[base + at] = items[here]
        at = child
        child = 2 * at + 1
    keys[base + at] = key
    seqs[base + at] = seq
    items[base + at] = item


@kernel
def settle(
    keys: Floats,
    seqs: Ints,
    items: Ints,
    places: Ints,
    base: int,
    size: int,
    at: int,
    key: float,
    seq: int,
    item: int,
) -> None:
    """Fill the hole at place `at` with an entry, moving the hole up or down to where it fits."""
    hole = at
    while hole > 0:
        up = (hole - 1) >> 1
        other = keys[base + up]
        if other < key or (other == key and seqs[base + up] < seq):
            break
        moved = items[base + up]
        keys[base + hole] = other
        seqs[base + hole] = seqs[base + up]
        items[base + hole] = moved
        places[base + moved] = hole
        hole = up
    if hole == at:  # it did not rise, so it may have to sink
        child = 2 * hole + 1
        while child < size:
            here = base + child
            small = keys[here]
            if child + 1 < size:
                other = keys[here + 1]
                if other < small or (other == small and seqs[here + 1] < seqs[here]):
                    here += 1
                    child += 1
                    small = other
            if key < small or (key == small and seq < seqs[here]):
                break
            moved = items[here]
            keys[base + hole] = small
            seqs[base + hole] = seqs[here]
            items[base + hole] = moved
            places[base + moved] = hole
            hole = child
            child = 2 * hole + 1
    keys[base + hole] = key
    seqs[base + hole] = seq
    items[base + hole] = item
    places[base + item] = hole


@kernel
def heap_push(
    keys: Floats,
    seqs: Ints,
    items: Ints,
    places: Ints,
    base: int,
    size: int,
    item: int,
    key: float,
    seq: int,
) -> None:
    """Add an item that is not in the heap of `size` entries yet; the caller counts it.

    Examples
    --------
    >>> keys, seqs, items, places = [0.0, 0.0], [0, 0], [0, 0], [-1, -1]
    >>> heap_push(keys, seqs, items, places, 0, 0, 1, 2.0, 0)
    >>> heap_push(keys, seqs, items, places, 0, 1, 0, 1.0, 1)
    >>> items, places
    ([0, 1], [0, 1])
    """
    settle(keys, seqs, items, places, base, size + 1, size, key, seq, item)


@kernel
def heap_update(
    keys: Floats,
    seqs: Ints,
    items: Ints,
    places: Ints,
    base: int,
    size: int,
    item: int,
    key: float,
    seq: int,
) -> None:
    """Give an item of the heap another key and sequence number.

    Examples
    --------
    >>> keys, seqs, items, places = [1.0, 2.0, 3.0], [0, 1, 2], [2, 1, 0], [2, 1, 0]
    >>> heap_update(keys, seqs, items, places, 0, 3, 0, 0.5, 3)
    >>> keys, items, places
    ([0.5, 2.0, 1.0], [0, 1, 2], [0, 1, 2])
    """
    settle(keys, seqs, items, places, base, size, places[base + item], key, seq, item)


@kernel
def heap_remove(
    keys: Floats, seqs: Ints, items: Ints, places: Ints, base: int, size: int, item: int
) -> None:
    """Take an item out of the heap of `size` entries; its place becomes -1, the caller counts it.

    Examples
    --------
    >>> keys, seqs, items, places = [1.0, 2.0, 3.0], [0, 1, 2], [2, 1, 0], [2, 1, 0]
    >>> heap_remove(keys, seqs, items, places, 0, 3, 2)
    >>> keys[:2], items[:2], places
    ([2.0, 3.0], [1, 0], [1, 0, -1])
    """
    at = places[base + item]
    last = base + size - 1
    if base + at != last:
        settle(keys, seqs, items, places, base, size - 1, at, keys[last], seqs[last], items[last])
    places[base + item] = -1
