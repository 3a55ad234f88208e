"""The heaps of the rules against lists that are searched from end to end."""

from __future__ import annotations

import random

import pytest

from mesh_lab.balancing.heap import heap_push, heap_remove, heap_update, push, replace_top

BASE = 5  # the heap lies in the middle of its arrays
ROOM = 12
GUARD = -77


def arrays() -> tuple[list[float], list[int], list[int]]:
    length = BASE + ROOM + 3
    return [float(GUARD)] * length, [GUARD] * length, [GUARD] * length


def untouched(size: int, *lists: list[float] | list[int]) -> bool:
    """Nothing is written outside the heap's own places."""
    return all(
        all(x == GUARD for x in [*one[:BASE], *one[BASE + max(size, ROOM) :]]) for one in lists
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pushing_and_replacing_the_smallest(seed: int) -> None:
    source = random.Random(seed)
    for size in range(1, ROOM + 1):
        keys, seqs, items = arrays()
        plain: list[tuple[float, int, int]] = []
        for seq in range(size):
            key = float(source.randrange(4))  # with many ties
            push(keys, seqs, items, BASE, seq, key, seq, 100 + seq)
            plain.append((key, seq, 100 + seq))
        for seq in range(size, size + 300):
            smallest = min(plain)
            assert (keys[BASE], seqs[BASE], items[BASE]) == smallest
            plain.remove(smallest)
            key = smallest[0] + source.randrange(4)
            plain.append((key, seq, smallest[2]))
            replace_top(keys, seqs, items, BASE, size, key, seq, smallest[2])
            end = BASE + size
            assert set(zip(keys[BASE:end], seqs[BASE:end], items[BASE:end], strict=True)) == set(
                plain
            )
        assert untouched(size, keys, seqs, items)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_changing_any_entry(seed: int) -> None:
    source = random.Random(seed)
    keys, seqs, items = arrays()
    places = [-1] * len(keys)
    plain: dict[int, tuple[float, int]] = {}
    done = {"push": 0, "update": 0, "remove": 0}
    for seq in range(5000):
        item, key = source.randrange(ROOM), float(source.randrange(6))
        size = len(plain)
        if item not in plain:
            heap_push(keys, seqs, items, places, BASE, size, item, key, seq)
            plain[item] = (key, seq)
            done["push"] += 1
        elif source.random() < 0.3:
            heap_remove(keys, seqs, items, places, BASE, size, item)
            del plain[item]
            done["remove"] += 1
        else:
            heap_update(keys, seqs, items, places, BASE, size, item, key, seq)
            plain[item] = (key, seq)
            done["update"] += 1
        if plain:
            first = min(plain, key=lambda one: plain[one])
            assert items[BASE] == first
        for one in range(ROOM):
            at = places[BASE + one]
            if one not in plain:
                assert at == -1
            else:
                place = BASE + at
                assert (items[place], keys[place], seqs[place]) == (one, *plain[one])
    assert min(done.values()) > 500
    assert untouched(ROOM, keys, seqs, items)
