"""Solutions and checks of notebook 10: look here after you have tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from mesh_lab.course import Case, case, exercise

Lot = Callable[[str, str], float]


def moved_when_one_joins(n: int, least: int = 1024) -> float:
    """Return the mean share of keys that move when one more server joins n on a ring.

    Backwards, one of n + 1 servers leaves: the same keys move.
    """
    k = math.ceil(least / (n + 1))  # positions of each with the new server
    d = math.ceil(least / n) - k  # and how many more each had before
    return (k + n * d * (1 - 1 / (n + 1))) / ((n + 1) * k + n * d)


def _textbook(n: int, least: int = 1024) -> float:
    return 1 / (n + 1)


def _forwards(n: int, least: int = 1024) -> float:
    k = math.ceil(least / n)
    d = math.ceil(least / (n - 1)) - k if n > 1 else 0
    return (k + (n - 1) * d * (1 - 1 / n)) / (n * k + (n - 1) * d)


@exercise("10.moved_when_one_joins", wrong=[_textbook, _forwards])
def check_moved_when_one_joins(answer: Callable[..., float]) -> Iterator[Case]:
    """Positions counted by hand."""
    # 21 positions each, before and after: no other moves than to the new server
    yield case(answer, 49, expected=1 / 50)
    # 1024 positions become 512 and 512: half of the keys, whichever way one looks at it
    yield case(answer, 1, expected=1 / 2)
    # backwards: 94 of 11 x 94 positions vanish, 10 x 9 appear, of which 10 in 11 take keys away
    yield case(answer, 10, expected=(94 + 900 / 11) / (1034 + 90))
    # 3 servers on a ring of 12: 4 positions each become 3
    yield case(answer, 3, 12, expected=(3 + 3 * 3 / 4) / (12 + 3))


def owners(names: Sequence[str], key: str, lot: Lot, count: int = 2) -> list[str]:
    """Return the `count` names that have the highest lots for this key, the highest first."""
    return sorted(names, key=lambda name: lot(name, key), reverse=True)[:count]


def _lowest(names: Sequence[str], key: str, lot: Lot, count: int = 2) -> list[str]:
    return sorted(names, key=lambda name: lot(name, key))[:count]


def _best_and_neighbours(names: Sequence[str], key: str, lot: Lot, count: int = 2) -> list[str]:
    best = max(range(len(names)), key=lambda i: lot(names[i], key))
    return [names[(best + j) % len(names)] for j in range(min(count, len(names)))]


@exercise("10.owners", wrong=[_lowest, _best_and_neighbours])
def check_owners(answer: Callable[..., list[str]]) -> Iterator[Case]:
    """Lots drawn by hand: for each key, those of a, b and c."""
    lots = {"basket": {"a": 3, "b": 9, "c": 7}, "cart": {"a": 8, "b": 1, "c": 4}}

    def lot(name: str, key: str) -> float:
        return lots[key][name]

    yield case(answer, ["a", "b", "c"], "basket", lot, 1, expected=["b"])
    yield case(answer, ["a", "b", "c"], "cart", lot, 1, expected=["a"])
    yield case(answer, ["a", "b", "c"], "cart", lot, 2, expected=["a", "c"])
    # b leaves: the second best takes over
    yield case(answer, ["a", "c"], "basket", lot, 1, expected=["c"])
    yield case(answer, ["a", "b", "c"], "basket", lot, 5, expected=["b", "c", "a"])
