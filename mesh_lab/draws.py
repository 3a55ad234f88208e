"""Random numbers that are addressed by what they are for, never by when they are needed.

The service time of request 17 from source ``shop`` at its first visit to ``orders`` is always the
same number under one seed, whatever else the scenario holds and in whatever order the engine asks.
So every policy meets the same customers (common random numbers), and adding a part disturbs nobody.

The rule: an address (part, purpose, source, visit, attempt) names a column.  Its 128-bit BLAKE2
hash is the ``spawn_key`` of a NumPy `~numpy.random.SeedSequence`, followed by the index of the
chunk; each chunk of 1024 numbers has a PCG64 generator of its own.  A chunk that was forgotten is
therefore made again with the same numbers, which bounds memory without any book-keeping.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain, count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ScenarioError

__all__ = ["CHUNK", "Column", "Drawable", "Draws", "checked_seed"]

_BITS = 10
CHUNK = 1 << _BITS
_MASK = CHUNK - 1
_KEPT = 32  # chunks a column remembers; older ones are made again if somebody still asks


class Drawable(Protocol):
    """What a column draws from: a `mesh_lab.distributions.Distribution`, for one."""

    def draw(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Return `size` numbers drawn with `rng`."""
        ...


class Uniform01:
    """Numbers in [0, 1), for choices."""

    def draw(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Return `size` numbers in [0, 1)."""
        return rng.random(size)


class Column:
    """The numbers of one address; number *n* is the same whenever it is asked for."""

    __slots__ = ("_chunks", "_key", "_of", "_seed")

    def __init__(self, of: Drawable, seed: int, key: tuple[int, ...]) -> None:
        self._of = of
        self._seed = seed
        self._key = key
        self._chunks: dict[int, list[float]] = {}

    def at(self, number: int) -> float:
        """Return number `number` (0, 1, 2, ...) of this column."""
        try:
            return self._chunks[number >> _BITS][number & _MASK]
        except KeyError:
            if number < 0:
                raise ScenarioError(
                    f"number is {number!r}, but a column has the numbers 0, 1, 2, ..."
                ) from None
            return self._remember(number >> _BITS)[number & _MASK]

    def __iter__(self) -> Iterator[float]:
        """Yield number 0, 1, 2, ... without end."""
        return chain.from_iterable(self.chunk(index).tolist() for index in count())

    def chunk(self, index: int) -> NDArray[np.float64]:
        """Return numbers ``index * CHUNK`` up to, not including, ``(index + 1) * CHUNK``."""
        seeds = np.random.SeedSequence(self._seed, spawn_key=(*self._key, index))
        return self._of.draw(np.random.Generator(np.random.PCG64(seeds)), CHUNK)

    def _remember(self, index: int) -> list[float]:
        chunks = self._chunks
        if len(chunks) >= _KEPT:
            del chunks[next(iter(chunks))]
        made: list[float] = self.chunk(index).tolist()
        chunks[index] = made
        return made


class Draws:
    """All the random numbers of one run.

    Parameters
    ----------
    seed : int
        A non-negative whole number; the same seed gives the same numbers on every machine.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> service = Draws(seed=7).column(Exponential(mean=0.02), "orders", "service", "shop")
    >>> service.at(17) == service.at(17)
    True
    """

    __slots__ = ("seed",)

    def __init__(self, seed: int) -> None:
        self.seed = checked_seed(seed)

    def column(
        self,
        of: Drawable | str,
        part: str,
        purpose: str,
        source: str,
        visit: int = 0,
        attempt: int = 0,
    ) -> Column:
        """Return the column of one address; `of` is what it draws from, or ``"uniform"``."""
        drawn: Drawable = Uniform01() if isinstance(of, str) else of
        return Column(drawn, self.seed, address(part, purpose, source, visit, attempt))

    def generator(
        self, part: str, purpose: str, source: str, visit: int, number: int
    ) -> np.random.Generator:
        """Return the generator of one request for user code, addressed in the same way."""
        key = (*address(part, purpose, source, visit, 0), number)
        seeds = np.random.SeedSequence(self.seed, spawn_key=key)
        return np.random.Generator(np.random.PCG64(seeds))


def checked_seed(seed: int) -> int:
    """Return the seed as a plain number; raise `ScenarioError` for one that is impossible."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ScenarioError(f"seed is {seed!r}, but must be a whole number, 0 or more")
    return int(seed)


def address(part: str, purpose: str, source: str, visit: int, attempt: int) -> tuple[int, ...]:
    """Return the stable 128-bit hash of an address as four 32-bit words."""
    name = "\x1f".join((_plain(part), purpose, _plain(source), str(visit), str(attempt)))
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))


def _plain(name: str) -> str:
    """Return a name without the separator, so that no two addresses are written alike."""
    return name.replace("\x1e", "\x1e0").replace("\x1f", "\x1e1")
