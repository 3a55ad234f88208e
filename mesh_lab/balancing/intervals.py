"""Size intervals: short requests here, long ones there, so that no short one waits for a long one.

SITA (size interval task assignment): the sizes are cut into intervals, and each has endpoints of
its own.  In SITA-E the cutoffs give every interval an equal part of the *work* (Harchol-Balter,
Crovella and Murta, "On Choosing a Task Assignment Policy for a Distributed Server System", 1999
[recalled]).  It wins over least work left when few requests are most of the work, though not
always, and it must know the size of a request before it is served.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np

from ..distributions import Distribution
from ..errors import PartError
from ..parts import Positive, part
from .rule import Balancer, Floats, Make, Pool, Rule, View, kernel, kernels

__all__ = ["SizeInterval"]


@kernel
def pick_by_size(s: Intervals, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """Any of the endpoints of the interval in which the size lies; a cutoff is in the lower one."""
    low = 0
    high = s.intervals - 1
    while low < high:
        middle = (low + high) // 2
        if v.job[0] <= s.cutoffs[middle]:
            high = middle
        else:
            low = middle + 1
    n = v.size[g]
    first = low * n // s.intervals
    beyond = max((low + 1) * n // s.intervals, first + 1)
    return v.hosts[g * v.stride + first + int(u[0] * (beyond - first))]  # type: ignore[no-any-return]


@kernels(pick=pick_by_size)
class Intervals(NamedTuple):
    """How many intervals there are, and where each but the last ends."""

    intervals: int
    cutoffs: Floats


@part
class SizeInterval(Balancer):
    """Endpoints by the size of the request: the seconds of work that it brings.

    With k intervals and n endpoints, interval *i* (from 0) has the endpoints at the places from
    floor(i n / k) to floor((i + 1) n / k) - 1, and one of these is picked at random; with fewer
    endpoints than intervals, neighbouring intervals share one.

    Parameters
    ----------
    cutoffs : list of float
        Where the intervals but the last end, in seconds, ascending; a request of exactly a cutoff
        belongs to the lower interval.

    Examples
    --------
    >>> SizeInterval(cutoffs=[0.01, 1.0])
    SizeInterval(cutoffs=(0.01, 1.0))
    """

    sees: ClassVar[str] = "seconds of work of the request"
    cost: ClassVar[str] = "O(log k) of k intervals"
    origin: ClassVar[str] = "theory (SITA-E)"
    oracle: ClassVar[bool] = True
    such_as: ClassVar[str] = "SizeInterval(cutoffs=[0.1])"
    cutoffs: tuple[Positive, ...]

    def __post_init__(self) -> None:
        if any(b <= a for a, b in pairwise(self.cutoffs)):
            problem = f"is {list(self.cutoffs)}, but each cutoff must be above the one before"
            raise PartError("SizeInterval", "cutoffs", problem)

    @classmethod
    def equal_load(cls, sizes: Distribution, intervals: int) -> SizeInterval:
        """Return the rule whose intervals have equal parts of the work (SITA-E).

        Cutoff *i* is the smallest *x* for which the requests up to *x* are *i* parts of the work,
        out of `intervals`.  The work up to *x* is summed over a grid of 400 001 points, equally
        spaced in the logarithm, from the cumulative distribution function: for a density, the
        error of a cutoff's share of the work is below 1e-6; where single sizes are likely, below
        1e-3, but a cutoff at one of them is exact.

        Parameters
        ----------
        sizes : Distribution
            Of the seconds of work.
        intervals : int
            How many, at least 1; one for each endpoint.

        Raises
        ------
        PartError
            When single sizes are so likely that cutoffs coincide.

        Examples
        --------
        >>> from mesh_lab.distributions import Uniform
        >>> rule = SizeInterval.equal_load(Uniform(low=0.0, high=1.0), 4)
        >>> [round(cutoff, 4) for cutoff in rule.cutoffs]
        [0.5, 0.7071, 0.866]
        """
        if isinstance(intervals, bool) or not isinstance(intervals, int) or intervals < 1:
            problem = f"is {intervals!r}, but must be an integer of at least 1"
            raise PartError("SizeInterval", "intervals", problem)
        low = high = sizes.mean
        while low * sizes.cdf(low) > 1e-13 * sizes.mean:
            low /= 2.0
        while sizes.cdf(high) < 1.0:
            high *= 2.0
        grid = np.geomspace(low, high, 400_001)
        below = np.asarray(sizes.cdf(grid))
        work = np.concatenate([[0.0], np.cumsum(np.diff(below) * (grid[1:] + grid[:-1]) / 2.0)])
        cutoffs = []
        for i in range(1, intervals):
            wanted = work[-1] * i / intervals
            cell = int(np.searchsorted(work, wanted))
            a, b = float(grid[cell - 1]), float(grid[cell])
            start, until = float(below[cell - 1]), b
            while math.nextafter(a, b) < until:
                x = a + (until - a) / 2.0
                if work[cell - 1] + (sizes.cdf(x) - start) * (grid[cell - 1] + b) / 2.0 >= wanted:
                    until = x
                else:
                    a = x
            cutoffs.append(until)
        if any(b <= a for a, b in pairwise(cutoffs)):
            problem = f"would be {cutoffs}: single sizes are more work than an interval's part"
            raise PartError("SizeInterval", "cutoffs", problem)
        return cls(cutoffs=tuple(cutoffs))

    @property
    def draws(self) -> int:
        """One, for intervals that have several endpoints."""
        return 1

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule, which keeps no state."""
        # an array of nothing has no type for compiled code to read
        return Intervals(len(self.cutoffs) + 1, make.floats(self.cutoffs or (0.0,)))
