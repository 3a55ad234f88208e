"""The peeking mistake: what "I stop as soon as it is significant" does to the false alarms.

A test at 5 % raises a false alarm in 5 of 100 experiments without any difference, when it is read
once.  Whoever reads it k times as the data comes in, and stops at the first p < 0.05, gives chance
k occasions.  They are not independent, each look has most of the data of the one before, so it is
less than 1 - 0.95**k, but it grows without limit: with equally spaced looks

    looks          1     2     3     4     5    10    20    50   100   1000
    false alarms   5 %   8 %  11 %  13 %  14 %  19 %  25 %  32 %  37 %   53 %

and every experiment without a difference is called significant at last, by the law of the iterated
logarithm.  The numbers come from the recursion of module `_looks`, which agrees with other software
(R's rpact) to seven digits; Armitage, McPherson and Rowe's table 2 has 14.2 % for five looks and
19.3 % for ten (recalled, not checked).

Source: Armitage, McPherson and Rowe, Journal of the Royal Statistical Society A 132 (1969).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from ..theory._results import shown
from . import _arguments as check
from ._looks import fractions_of, stopping
from .comparison import normal_quantile

__all__ = ["Peeking", "peeking"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Peeking:
    """What `peeking` returns.

    Parameters
    ----------
    false_alarm : float
        Probability that some look finds a difference that is not there.
    significance : float
        As given: the probability for one look.
    looks : int
        How many there are.
    by_look : tuple of float, shape (looks,)
        Probability of having stopped by each look.
    """

    false_alarm: float
    significance: float
    looks: int
    by_look: tuple[float, ...] = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return shown(self)


def peeking(*, looks: int | Sequence[float], significance: float = 0.05, sides: int = 2) -> Peeking:
    """Return how often a test that is read many times raises a false alarm.

    Parameters
    ----------
    looks : int or sequence of float
        How many looks, equally spaced in data; or the share of the data at each, up to 1.
    significance : float, optional
        Of each look.
    sides : int, optional
        2 for a difference either way, 1 for "the candidate is worse" only.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Examples
    --------
    >>> peeking(looks=5)
    Peeking(false_alarm=0.14169, significance=0.05, looks=5)
    >>> [round(peeking(looks=k).false_alarm, 3) for k in (1, 2, 10, 100)]
    [0.05, 0.083, 0.193, 0.374]
    """
    where = "peeking"
    fractions = fractions_of(where, looks)
    alpha = check.between(where, "significance", significance)
    check.choice(where, "sides", sides, (1, 2))
    critical = normal_quantile(1.0 - alpha / sides)
    above, below = stopping(fractions, [critical] * len(fractions), sides=sides)
    by_look = tuple(itertools.accumulate(a + b for a, b in zip(above, below, strict=True)))
    return Peeking(
        false_alarm=by_look[-1], significance=alpha, looks=len(fractions), by_look=by_look
    )
