"""A rate that is watched all the time: limits that hold at every look together, exactly.

**One rate.** Of n requests k succeeded, so far.  Against a candidate value p for the true rate, let
every rate q have its say, spread evenly over 0 to 1: the mean likelihood ratio is

    M(p) = B(k + 1, n - k + 1) / (p**k (1 - p)**(n - k)),      B the beta function,

a martingale of mean 1 if p is true, whatever the order of successes and failures.  By Ville's
inequality it ever reaches 1/alpha with probability alpha at most, so

    the limits at a look: all p with M(p) < 1/alpha,

an interval around k/n, and all looks hold together, so their intersection does as well.  No normal
approximation is in it: this is right from the first request on, and at 99.99 %.

**Two rates.** If each has limits that fail with probability alpha/2, the difference lies between
low2 - high1 and high2 - low1 at all times, with probability 1 - alpha.  That is exact too, and
wider than `sequential_rates`, which is approximate.

For a gate ("the success rate is at least 99 %"): below it for sure as soon as `high` is under
0.99, above it for sure as soon as `low` is over; until then, unknown.

Sources: Robbins, Annals of Mathematical Statistics 41 (1970); Howard, Ramdas, McAuliffe and Sekhon,
Annals of Statistics 49 (2021).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import PartError
from ..theory._results import shown
from . import _arguments as check

__all__ = ["ConfidenceSequence", "rate_difference_sequence", "rate_sequence"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class ConfidenceSequence:
    """What `rate_sequence` and `rate_difference_sequence` return.

    Parameters
    ----------
    estimate : float
        At the last look; NaN before the first request.
    low, high : float
        Limits that have held at all looks together.
    confidence : float
        Probability that they ever do, at all looks.
    lows, highs : tuple of float, shape (looks,)
        The same at every look.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    lows: tuple[float, ...] = dataclasses.field(repr=False)
    highs: tuple[float, ...] = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return shown(self)


def rate_sequence(
    *, successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95
) -> ConfidenceSequence:
    """Return limits of a success rate that hold however often one looks.

    Parameters
    ----------
    successes, trials : array_like, shape (looks,)
        Successes and requests *so far*, at each look.
    confidence : float, optional
        Between 0 and 1.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    A canary that must have 99 %: after 1000 requests it is known to be worse.

    >>> seen = rate_sequence(successes=[97, 484, 965], trials=[100, 500, 1000])
    >>> seen
    ConfidenceSequence(estimate=0.965, low=0.93832, high=0.9828, confidence=0.95)
    >>> [round(h, 4) for h in seen.highs]
    [0.9985, 0.9892, 0.9828]
    """
    where = "rate_sequence"
    return _one(where, ("successes", "trials"), successes, trials, confidence)


def _one(
    where: str, names: tuple[str, str], successes: object, trials: object, confidence: object
) -> ConfidenceSequence:
    level = check.between(where, "confidence", confidence)
    good = check.column(where, names[0], successes, whole=True)
    sizes = check.column(where, names[1], trials, whole=True)
    if len(good) != len(sizes):
        problem = f"has {len(good)} values, but must have {len(sizes)}, one a look as {names[1]}"
        raise PartError(f"experiments.{where}", names[0], problem)
    bad = sizes - good
    if (bad < 0.0).any():
        at = int(np.argmin(bad))
        problem = f"is {good[at]:g} at index {at}, but must not exceed the {sizes[at]:g} trials"
        raise PartError(f"experiments.{where}", names[0], problem)
    if (np.diff(good) < 0.0).any() or (np.diff(bad) < 0.0).any():
        problem = "loses successes or failures from one look to the next: give counts so far"
        raise PartError(f"experiments.{where}", names[0], problem)
    low, high = 0.0, 1.0
    lows, highs = [], []
    for k, f in zip(good.tolist(), bad.tolist(), strict=True):
        here, there = _limits(k, f, -math.log1p(-level))
        low, high = max(low, here), min(high, there)
        lows.append(low)
        highs.append(high)
    return ConfidenceSequence(
        estimate=float(good[-1] / sizes[-1]) if sizes[-1] else math.nan,
        low=low,
        high=high,
        confidence=level,
        lows=tuple(lows),
        highs=tuple(highs),
    )


def _limits(good: float, bad: float, threshold: float) -> tuple[float, float]:
    """Return the interval of p where ln M(p) < threshold, for counts of successes and failures."""
    from scipy.special import betaln  # scipy loads slowly

    if good + bad == 0.0:
        return 0.0, 1.0
    mixed = float(betaln(good + 1.0, bad + 1.0))

    def held(p: float) -> bool:
        return mixed - good * math.log(p) - bad * math.log1p(-p) < threshold

    estimate = good / (good + bad)
    # ln M is convex with its minimum, below 0, at the estimate: one crossing on each side, and
    # halving asks for points strictly between 0 and 1
    low = 0.0 if good == 0.0 else _edge(held, estimate, 0.0)
    high = 1.0 if bad == 0.0 else _edge(held, estimate, 1.0)
    return low, high


def _edge(held: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the last point towards `outside` that is not held, by halving."""
    for _ in range(200):
        middle = (inside + outside) / 2.0
        if middle in (inside, outside):
            break
        if held(middle):
            inside = middle
        else:
            outside = middle
    return outside


def rate_difference_sequence(
    *,
    successes: Sequence[ArrayLike],
    trials: Sequence[ArrayLike],
    confidence: float = 0.95,
) -> ConfidenceSequence:
    """Return limits of the difference of two rates that hold however often one looks.

    Parameters
    ----------
    successes, trials : sequence of array_like, two of shape (looks,)
        Successes and requests of the control and of the candidate *so far*, at each look.
    confidence : float, optional
        Between 0 and 1.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> rate_difference_sequence(successes=([951, 1903, 2850], [898, 1801, 2702]),
    ...                          trials=([1000, 2000, 3000], [1000, 2000, 3000]))
    ConfidenceSequence(estimate=-0.049333, low=-0.087136, high=-0.011057, confidence=0.95)
    """
    where = "rate_difference_sequence"
    level = check.between(where, "confidence", confidence)
    good = check.pair(where, "successes", successes)
    sizes = check.pair(where, "trials", trials)
    first, second = (
        _one(where, (f"successes[{i}]", f"trials[{i}]"), good[i], sizes[i], (1.0 + level) / 2.0)
        for i in (0, 1)
    )
    if len(first.lows) != len(second.lows):
        problem = f"has {len(second.lows)} values, but must have {len(first.lows)}, as trials[0]"
        raise PartError(f"experiments.{where}", "trials[1]", problem)
    lows = tuple(b - a for a, b in zip(first.highs, second.lows, strict=True))
    highs = tuple(b - a for a, b in zip(first.lows, second.highs, strict=True))
    return ConfidenceSequence(
        estimate=second.estimate - first.estimate,
        low=lows[-1],
        high=highs[-1],
        confidence=level,
        lows=lows,
        highs=highs,
    )
