"""Looking at fixed times, done right: the boundaries of Pocock, and of O'Brien and Fleming.

The times of the looks are fixed beforehand, as shares t of the planned data, and the critical value
of each is raised so that *all looks together* raise a false alarm with the significance asked for:

    Pocock                  the same critical value c at every look,
    O'Brien and Fleming     c / sqrt(t): very strict early, close to a single test at the end,

with c found so that the recursion of module `_looks` gives exactly the significance.  Pocock stops
early more often and needs more data if it does not; O'Brien and Fleming cost almost nothing.

**The price** is the factor by which the planned size must exceed that of a test with one look
(`rates_sample_size`, `means_sample_size`) to have the same power: `inflation`.  The reward is the
expected size, in the same unit, when there is no difference, and when there is the planned one.

Sources: Pocock, Biometrika 64 (1977); O'Brien and Fleming, Biometrics 35 (1979); Jennison and
Turnbull, Group Sequential Methods (2000), chapters 2 and 19.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

from ..theory._results import shown
from . import _arguments as check
from ._looks import fractions_of, stopping
from .comparison import below, normal_quantile

__all__ = ["GroupSequential", "group_sequential"]

SHAPES = ("pocock", "obrien-fleming")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class GroupSequential:
    """What `group_sequential` returns.

    Parameters
    ----------
    critical : tuple of float, shape (looks,)
        Critical value of z at each look.
    nominal : tuple of float, shape (looks,)
        The same as p-values: stop when a look's p-value is below.
    inflation : float
        Largest size, as a multiple of that of a test with one look and the same power.
    expected_null, expected_effect : float
        Mean size in the same unit, without a difference and with the planned one.
    spent : tuple of float, shape (looks,)
        Probability of a false alarm by each look.
    power : tuple of float, shape (looks,)
        Probability of having found the planned difference, with its sign, by each look.
    fractions : tuple of float, shape (looks,)
        Share of the data at each look.
    """

    critical: tuple[float, ...]
    nominal: tuple[float, ...]
    inflation: float
    expected_null: float
    expected_effect: float
    spent: tuple[float, ...] = dataclasses.field(repr=False)
    power: tuple[float, ...] = dataclasses.field(repr=False)
    fractions: tuple[float, ...] = dataclasses.field(repr=False)

    def __repr__(self) -> str:
        return shown(self)


def group_sequential(
    *,
    looks: int | Sequence[float],
    shape: str = "obrien-fleming",
    significance: float = 0.05,
    power: float = 0.8,
    sides: int = 2,
) -> GroupSequential:
    """Return the boundaries of a test that is read at fixed times.

    Parameters
    ----------
    looks : int or sequence of float
        How many looks, equally spaced in data; or the share of the data at each, up to 1.
    shape : str, optional
        ``"pocock"`` or ``"obrien-fleming"``.
    significance : float, optional
        Of all looks together.
    power : float, optional
        Probability of finding the planned difference, with its sign: between significance and 1.
    sides : int, optional
        2 for a difference either way, 1 for one direction only.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Notes
    -----
    For rates and Welch's means the boundaries hold approximately, as the normal approximation does.
    Looks at other times than planned need their own boundaries: give the shares of the data.

    Examples
    --------
    >>> group_sequential(looks=3)
    GroupSequential(critical=(3.4711, 2.4544, 2.004), nominal=(0.00051835, 0.014111, 0.045066), \
inflation=1.0174, expected_null=1.0124, expected_effect=0.85621)
    >>> [round(c, 3) for c in group_sequential(looks=5, shape="pocock").critical]
    [2.413, 2.413, 2.413, 2.413, 2.413]
    """
    where = "group_sequential"
    fractions = fractions_of(where, looks)
    check.choice(where, "shape", shape, SHAPES)
    alpha = check.between(where, "significance", significance)
    wanted = check.between(where, "power", power, low=alpha)
    check.choice(where, "sides", sides, (1, 2))
    rises = [1.0] * len(fractions) if shape == "pocock" else [t**-0.5 for t in fractions]

    def stops(constant: float, drift: float) -> tuple[list[float], list[float]]:
        above, below = stopping(fractions, [constant * r for r in rises], drift, sides)
        return above, [a + b for a, b in zip(above, below, strict=True)]

    single = normal_quantile(1.0 - alpha / sides)
    # all looks together raise no fewer alarms than the last one, and no more than their sum
    most = normal_quantile(1.0 - alpha / sides / len(fractions))
    constant = _root(lambda c: alpha - sum(stops(c, 0.0)[1]), single, most)
    fixed = single + normal_quantile(wanted)
    drift = _root(lambda d: sum(stops(constant, d)[0]) - wanted, 0.0, 3.0 * abs(fixed) + 3.0)
    inflation = (drift / fixed) ** 2
    _, null = stops(constant, 0.0)
    found, effect = stops(constant, drift)
    critical = tuple(constant * r for r in rises)
    return GroupSequential(
        critical=critical,
        nominal=tuple(sides * below(-c) for c in critical),
        inflation=inflation,
        expected_null=inflation * _mean_fraction(fractions, null),
        expected_effect=inflation * _mean_fraction(fractions, effect),
        spent=tuple(itertools.accumulate(null)),
        power=tuple(itertools.accumulate(found)),
        fractions=fractions,
    )


def _mean_fraction(fractions: Sequence[float], stops: Sequence[float]) -> float:
    """Return the mean share of the data at the end, of which the last look is all the rest."""
    early = math.fsum(t * p for t, p in zip(fractions[:-1], stops[:-1], strict=True))
    return early + (1.0 - math.fsum(stops[:-1]))


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses 0."""
    from scipy.optimize import brentq

    if rising(low) >= 0.0:  # one look: nothing to raise
        return low
    if rising(high) <= 0.0:
        return high
    return float(brentq(rising, low, high, xtol=1e-12, rtol=1e-13))
