"""Looking k times at growing data: the probability of stopping at each look.

**The process.** At look k a share t[k] of the planned data is in.  The test statistic, scaled as
S[k] = z[k] sqrt(t[k]), grows by independent normal steps: S[k] - S[k-1] has mean drift * (t[k] -
t[k-1]) and variance t[k] - t[k-1], a Brownian motion seen at the looks; drift = 0 when there is no
difference.  The test stops at the first look at which S leaves its limits.

**The recursion** (Armitage, McPherson and Rowe 1969).  Let f[k](s) be the density of S[k] for paths
that have not stopped before look k.  Then

    f[k](s) = integral over the limits at k - 1 of f[k-1](u) phi((s - u - mean)/sd)/sd du,

and the probability of stopping at k is the integral of f[k] outside the limits at k.  Between the
limits f is smooth, so Gauss-Legendre points integrate it to some twelve digits; their number grows
where the steps are short compared with the distance of the limits.

Source: Armitage, McPherson and Rowe, Journal of the Royal Statistical Society A 132 (1969);
Jennison and Turnbull, Group Sequential Methods (2000), chapter 19.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError
from . import _arguments as check

__all__ = ["MOST_LOOKS", "fractions_of", "stopping"]

MOST_LOOKS = 2000
FAR = 9.0  # standard deviations: what lies beyond is below 1e-18


@functools.lru_cache(maxsize=64)
def _points(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(n)


def stopping(
    fractions: Sequence[float], limits: Sequence[float], drift: float = 0.0, sides: int = 2
) -> tuple[list[float], list[float]]:
    """Return the probabilities of stopping above, and below, at each look.

    Parameters
    ----------
    fractions : sequence of float, shape (looks,)
        Share of the data at each look: increasing, above 0.
    limits : sequence of float, shape (looks,)
        Critical values of z at each look.
    drift : float, optional
        Mean of z when all of the data is in.
    sides : int, optional
        2 stops at +-limit, 1 at +limit only.

    Examples
    --------
    >>> above, below = stopping([0.5, 1.0], [1.96, 1.96])
    >>> round(sum(above) + sum(below), 4)
    0.0831
    """
    from scipy.special import ndtr

    above, below = [], []
    nodes, density = np.zeros(1), np.ones(1)  # a point at 0, of weight 1
    before = 0.0
    for t, limit in zip(fractions, limits, strict=True):
        sd = math.sqrt(t - before)
        centres = nodes + drift * (t - before)
        upper = limit * math.sqrt(t)
        lower = -upper if sides == 2 else min(0.0, drift * t) - FAR * math.sqrt(t) - abs(upper)
        above.append(float(density @ ndtr((centres - upper) / sd)))
        below.append(float(density @ ndtr((lower - centres) / sd)) if sides == 2 else 0.0)
        # what lies too far from everything possible needs no points
        inner_low = max(lower, float(centres.min()) - FAR * sd)
        inner_high = min(upper, float(centres.max()) + FAR * sd)
        if inner_high <= inner_low:
            nodes, density = np.zeros(1), np.zeros(1)
            before = t
            continue
        half = (inner_high - inner_low) / 2.0
        count = 32 * math.ceil((32.0 + 3.0 * half / sd) / 32.0)
        x, w = _points(count)
        fresh = (inner_low + inner_high) / 2.0 + half * x
        steps = (fresh[:, None] - centres[None, :]) / sd
        kernel = np.exp(-0.5 * steps * steps) / (sd * math.sqrt(2.0 * math.pi))
        density = (kernel @ density) * w * half
        nodes, before = fresh, t
    return above, below


def fractions_of(function: str, looks: object) -> tuple[float, ...]:
    """Return the shares of the data at each look, from their number or as they are given."""
    if isinstance(looks, (int, np.integer)) or not isinstance(looks, (Sequence, np.ndarray)):
        k = check.count(function, "looks", looks, most=MOST_LOOKS)
        return tuple((i + 1) / k for i in range(k))
    given = check.column(function, "looks", looks)
    where = f"experiments.{function}"
    if len(given) > MOST_LOOKS:
        raise PartError(where, "looks", f"has {len(given)} entries, but must have {MOST_LOOKS}")
    if given[0] <= 0.0 or (np.diff(given) <= 0.0).any() or abs(given[-1] - 1.0) > 1e-12:
        shown = [round(float(t), 6) for t in given[:6]]
        problem = f"begins with {shown}, but must be shares of the data that increase up to 1"
        raise PartError(where, "looks", problem)
    return tuple(given.tolist())
