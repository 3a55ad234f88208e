"""Keys of requests: users, sessions, objects, some of which are asked for more often than others.

Hashing rules send all requests of one key to one endpoint.  How well that balances is decided by
how unevenly keys are asked for, and the usual model of that is Zipf's law.
"""

from __future__ import annotations

import functools
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le

from ..parts import NonNegative, field, part

__all__ = ["Keys"]

FloatArray = npt.NDArray[np.float64]


@part
class Keys:
    """A number of keys, and how often each is asked for.

    Key k, counted from 0, is asked for in proportion to 1/(k + 1)**exponent: equally often with
    exponent 0, and by Zipf's law otherwise, key 0 most often.

    Parameters
    ----------
    count : int
        How many keys there are, 10 million at most: a hash of each is kept.
    exponent : float
        0 or more; 1 is Zipf's law proper.
    prefix : str
        What stands before the number in a key's text.

    Examples
    --------
    >>> keys = Keys(3, exponent=1.0)
    >>> keys.popularity().round(3).tolist()
    [0.545, 0.273, 0.182]
    >>> keys.numbers(np.array([0.0, 0.5, 0.6, 0.9])).tolist()
    [0, 0, 1, 2]
    >>> keys.text(2)
    'key-2'
    """

    such_as: ClassVar[str] = "Keys(1000)"
    count: Annotated[int, Ge(1), Le(10_000_000)] = field(kw_only=False)
    exponent: NonNegative = 0.0
    prefix: str = "key-"

    def popularity(self) -> FloatArray:
        """Return the probability of each key, an array of `count` numbers."""
        if self.exponent == 0.0:
            return np.full(self.count, 1.0 / self.count)
        return np.diff(_cumulated(self.count, self.exponent), prepend=0.0)

    def numbers(self, uniforms: FloatArray) -> npt.NDArray[np.int64]:
        """Return the key for each uniform draw: where the cumulated distribution exceeds it.

        Parameters
        ----------
        uniforms : array of float
            At least 0 and below 1.

        Returns
        -------
        array of int
            Of the same shape, from 0 to `count` - 1.
        """
        if self.exponent == 0.0:  # a draw below 1 times a whole number stays below it, rounded
            return (uniforms * self.count).astype(np.int64)
        steps = _cumulated(self.count, self.exponent)  # of which the last is 1
        return np.searchsorted(steps, uniforms, side="right").astype(np.int64)

    def text(self, k: int) -> str:
        """Return the text of key `k`, which is what a balancer hashes."""
        return f"{self.prefix}{k}"


@functools.lru_cache(maxsize=8)
def _cumulated(count: int, exponent: float) -> FloatArray:
    """Return the probability that the key is one of the first 1, 2, ..., `count`."""
    steps = np.cumsum(np.arange(1.0, count + 1.0) ** -exponent)
    steps /= steps[-1]
    steps.flags.writeable = False
    return steps
