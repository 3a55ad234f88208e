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
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ScenarioError

__all__ = ["CHUNK", "Column", "Drawable", "Draws", "checked_seed"]

_BITS = 10
CHUNK = 1 << _BITS
_MASK = CHUNK - 1
_POOL = 4  # words of a seed sequence's pool
_WORD = 0xFFFFFFFF
_SEEDS = 512  # chunks whose seeds are made at a time
_FEW = 8  # chunks, for which that would not pay
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

    __slots__ = ("_chunks", "_key", "_of", "_ready", "_seed")

    def __init__(self, of: Drawable, seed: int, key: tuple[int, ...]) -> None:
        self._of = of
        self._seed = seed
        self._key = key
        self._chunks: dict[int, list[float]] = {}
        self._ready: tuple[int, NDArray[np.uint64]] = 0, np.empty((0, _POOL), dtype=np.uint64)

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
        few = (self.chunk(index) for index in range(_FEW))
        many = (self.block(index, _FEW) for index in count(_FEW, _FEW))
        return chain.from_iterable(made.tolist() for made in chain(few, many))

    def chunk(self, index: int) -> NDArray[np.float64]:
        """Return numbers ``index * CHUNK`` up to, not including, ``(index + 1) * CHUNK``."""
        seeds = np.random.SeedSequence(self._seed, spawn_key=(*self._key, index))
        return self._of.draw(np.random.Generator(np.random.PCG64(seeds)), CHUNK)

    def block(self, first: int, chunks: int) -> NDArray[np.float64]:
        """Return the numbers of so many chunks from number `first` on; quicker than one by one."""
        made = np.empty(chunks * CHUNK)
        begin, words = self._ready
        if not begin <= first <= first + chunks <= begin + len(words):
            # seeds come many at a time: one by one they would take longer than the numbers
            begin, many = first, chunks if first == 0 else max(chunks, _SEEDS)
            words = _states(self._seed, self._key, first, many)
            self._ready = begin, words
        for k, ready in enumerate(words[first - begin : first - begin + chunks]):
            rng = np.random.Generator(np.random.PCG64(_Ready(ready)))  # type: ignore[arg-type]
            made[k * CHUNK : (k + 1) * CHUNK] = self._of.draw(rng, CHUNK)
        return made

    def _remember(self, index: int) -> list[float]:
        chunks = self._chunks
        if len(chunks) >= _KEPT:
            del chunks[next(iter(chunks))]
        made: list[float] = self.chunk(index).tolist()
        chunks[index] = made
        return made


class _Ready(np.random.bit_generator.ISeedSequence):
    """A seed sequence whose words are there already."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self.words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """Return the words, which PCG64 asks for."""
        return self.words


def _states(seed: int, key: tuple[int, ...], first: int, chunks: int) -> NDArray[np.uint64]:
    """Return what `numpy.random.SeedSequence` gives PCG64 for so many chunks, all at once.

    This is NumPy's own algorithm (O'Neill's seed_seq_fe, ``bit_generator.pyx``), done with arrays.
    """
    with np.errstate(over="ignore"):
        entropy = [seed >> (32 * k) & _WORD for k in range(max(1, -(-seed.bit_length() // 32)))]
        words: list[Any] = [np.uint32(word) for word in entropy]
        words += [np.uint32(0)] * (_POOL - len(words))
        words += [np.uint32(word) for word in key]
        words.append(np.arange(first, first + chunks, dtype=np.uint32))
        constant = np.uint32(0x43B0D7E5)

        def hashed(value: Any) -> Any:
            nonlocal constant
            value = value ^ constant
            constant = constant * np.uint32(0x931E8875)
            value = value * constant
            return value ^ (value >> np.uint32(16))

        def mixed(x: Any, y: Any) -> Any:
            value = np.uint32(0xCA01F9DD) * x - np.uint32(0x4973F715) * y
            return value ^ (value >> np.uint32(16))

        pool = [hashed(words[k]) for k in range(_POOL)]
        for source in range(_POOL):
            for target in range(_POOL):
                if source != target:
                    pool[target] = mixed(pool[target], hashed(pool[source]))
        for word in words[_POOL:]:
            for target in range(_POOL):
                pool[target] = mixed(pool[target], hashed(word))
        made = np.empty((chunks, 2 * _POOL), dtype=np.uint32)
        constant = np.uint32(0x8B51F9DD)
        for k in range(2 * _POOL):
            value = pool[k % _POOL] ^ constant
            constant = constant * np.uint32(0x58F38DED)
            value = value * constant
            made[:, k] = value ^ (value >> np.uint32(16))
    return made.astype("<u4").view("<u8").astype(np.uint64)


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
