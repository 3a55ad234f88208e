"""Delays and choices of discovery: always the same number, or one drawn by its address.

A delay is declared as seconds or as a distribution.  Number k of one address is the same whenever
it is asked for (`mesh_lab.draws`); what never varies is not drawn at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ...distributions import Deterministic, Distribution
from ...draws import Draws
from ...parts import Seconds

__all__ = ["Delay", "Next", "always", "chance_within", "numbers"]

Delay: TypeAlias = Seconds | Distribution


def always(delay: float | Distribution) -> float | None:
    """Return the seconds that a delay always takes, or None if it varies."""
    if isinstance(delay, Deterministic):
        return delay.value
    return None if isinstance(delay, Distribution) else float(delay)


def numbers(
    of: float | Distribution | str, draws: Draws, part: str, purpose: str, source: str
) -> Callable[[int], float]:
    """Return the function from k to number k of an address; `of` may be ``"uniform"``."""
    if isinstance(of, str):
        return draws.column(of, part, purpose, source).at
    fixed = always(of)
    if fixed is not None:
        return lambda k: fixed
    assert isinstance(of, Distribution)  # only these vary
    return draws.column(of, part, purpose, source).at


def chance_within(delay: float | Distribution, limit: float) -> float:
    """Return the probability that a delay is at most `limit` seconds."""
    fixed = always(delay)
    if fixed is not None:
        return float(fixed <= limit)
    assert isinstance(delay, Distribution)  # only these vary
    return delay.cdf(limit)


class Next:
    """The numbers of one address one after the other."""

    __slots__ = ("_at", "_k")

    def __init__(self, at: Callable[[int], float]) -> None:
        self._at = at
        self._k = -1

    def __call__(self) -> float:
        """Return the next number."""
        self._k += 1
        return self._at(self._k)
