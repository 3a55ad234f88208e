"""Birth-and-death chains, solved outwards from the most likely state.

A system in which requests come and go one at a time is a birth-and-death chain.  In steady state
the flow up from state n equals the flow down from n + 1 (a cut between the two is crossed as
often in one direction as in the other),

    p[n] * birth(n) = p[n+1] * death(n+1),

so every p follows from any one of them by multiplication (Kleinrock 1975, chapter 3).  Textbooks
start at p[0], and write a**n / n!: that overflows near 170 servers, or drowns p[0] in underflow.
Here the start is the most likely state, set to 1.  Every other weight is then a product of ratios
of at most 1, all terms are positive and nothing is ever subtracted, so each probability keeps its
relative accuracy (about the number of factors times 1e-16) however many servers there are, and
what underflows is negligible.  This needs a chain with one peak: birth(n) / death(n+1) must not
increase with n, which holds for every chain here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError

__all__ = ["poisson", "stationary"]

Rates = Callable[[NDArray[np.float64]], NDArray[np.float64]]

NEGLIGIBLE = 1e-25  # of the peak; a mass this far below float64's last digit changes no sum
LARGEST = 20_000_000  # states: 160 MB, and seconds rather than minutes


def stationary(
    function: str, up: Rates, last: int | None = None, start: int = 0
) -> tuple[int, NDArray[np.float64]]:
    """Solve a one-peaked birth-and-death chain on the states 0, 1, ... `last`.

    Parameters
    ----------
    function : str
        Who asks, for the error when the chain needs too many states.
    up : callable
        ``up(n) = birth(n) / death(n + 1)`` for an array of states n; must not increase with n.
    last : int, optional
        The highest state; None for a chain without end, whose `up` must fall below 1, and of which
        states that hold less than 1e-25 of the peak are left out.  A chain with an end is solved
        whole, however unlikely its ends are.
    start : int
        Where to look for the peak first.

    Returns
    -------
    first : int
        The state of the first probability.
    probabilities : ndarray, shape (states,)
        They sum to 1.

    Examples
    --------
    The number of busy servers of an M/M/inf system with an offered load of 2 is Poisson(2):

    >>> first, p = stationary("example", lambda n: 2.0 / (n + 1.0))
    >>> first, round(float(p[2]) / (2.0 * float(np.exp(-2.0))), 12)
    (0, 1.0)
    """
    peak = _peak(up, last, start)
    whole = last is not None
    above = _outwards(
        function, lambda k: up(peak + k), last - peak if last is not None else None, whole
    )
    below = _outwards(function, lambda k: 1.0 / up(peak - 1.0 - k), peak, whole)
    weights = np.concatenate([below[::-1], [1.0], above])
    return peak - len(below), weights / weights.sum()


def _peak(up: Rates, last: int | None, start: int) -> int:
    """Return the first state n from which the chain no longer climbs: up(n) <= 1."""

    def climbs(n: int) -> bool:
        return (last is None or n < last) and float(up(np.array([float(n)]))[0]) > 1.0

    low, step = 0, 1
    high = start if last is None else min(start, last)
    while climbs(high):
        low, high, step = high + 1, high + step, step * 2
        if last is not None:
            high = min(high, last)
    while low < high:
        middle = (low + high) // 2
        if climbs(middle):
            low = middle + 1
        else:
            high = middle
    return low


def _outwards(function: str, ratio: Rates, most: int | None, whole: bool) -> NDArray[np.float64]:
    """Return the running products of ``ratio(0), ratio(1), ...``: `most`, or what matters."""
    pieces: list[NDArray[np.float64]] = []
    done, weight, size = 0, 1.0, 256
    if whole and most is not None and most > LARGEST:
        raise _too_large(function)
    while most is None or done < most:
        stop = done + size if most is None else min(done + size, most)
        steps = ratio(np.arange(done, stop, dtype=np.float64))
        piece = np.cumprod(steps, dtype=np.float64) * weight
        pieces.append(piece)
        done, weight, size = stop, float(piece[-1]), size * 2
        # Ratios fall from here on, so what is left is below a geometric series.
        last_ratio = float(steps[-1])
        rest = weight * last_ratio / (1.0 - last_ratio) if last_ratio < 1.0 else 1.0
        if not whole and rest < NEGLIGIBLE:
            break
        if done >= LARGEST:
            raise _too_large(function)
    return np.concatenate(pieces) if pieces else np.empty(0)


def _too_large(function: str) -> PartError:
    problem = f"needs more than {LARGEST} states; is a rate or a size many times too large?"
    return PartError(f"theory.{function}", "", problem)


def poisson(mean: float) -> tuple[int, NDArray[np.float64]]:
    """Return the Poisson probabilities that matter, as the number busy of an M/M/inf system.

    Examples
    --------
    >>> first, p = poisson(1e6)
    >>> round(float(np.dot(np.arange(first, first + len(p)), p)), 3)
    1000000.0
    """
    if mean <= 0.0:
        return 0, np.ones(1)
    return stationary("poisson", lambda n: mean / (n + 1.0), start=int(mean))
