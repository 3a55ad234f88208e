"""The tail of a distribution: what share of the values is at least this large.

On logarithmic axes an exponential tail bends down and a power-law tail is a straight line; a
mean or a histogram shows neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import StatisticsError
from .checks import Floats, finite_column

__all__ = ["ccdf"]


def ccdf(values: ArrayLike, points: int = 200) -> tuple[Floats, Floats]:
    """Return points of the complementary distribution function, ready for a plot.

    Parameters
    ----------
    values : array_like, shape (n,)
        The data, in any order.
    points : int, optional
        At most how many points, at least 2.  They are spread evenly over the logarithm of
        the share, so that the tail keeps its detail; the smallest and the largest value are
        always among them.

    Returns
    -------
    x : ndarray, shape (m,)
        Values that occur, strictly increasing.
    share : ndarray, shape (m,)
        The share of all values that are at least `x`: from 1 down to the share of the largest
        value.  (Of values *above* the largest there are none, which a logarithmic axis
        cannot show.)

    Raises
    ------
    StatisticsError
        For no values, one that is not finite, or fewer than 2 points.

    Examples
    --------
    >>> x, share = ccdf([1, 2, 2, 4])
    >>> x, share
    (array([1., 2., 4.]), array([1.  , 0.75, 0.25]))
    """
    column = finite_column("ccdf", "values", values)
    if isinstance(points, bool) or not isinstance(points, int | np.integer) or points < 2:
        raise StatisticsError(f"ccdf, points: is {points!r}, but must be a whole number from 2")
    n = column.size
    from_top = np.unique(np.rint(np.geomspace(1, n, int(points))).astype(np.intp))
    ordered = np.sort(column)
    x = np.unique(ordered[n - from_top])
    share = (n - np.searchsorted(ordered, x, side="left")) / n
    return x, share.astype(np.float64)
