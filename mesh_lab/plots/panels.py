"""Where a plot is one panel of several: what it need not say, because another panel does.

Panels under one another that share their time axis show its numbers once, under the lowest;
matplotlib's ``Axes.label_outer`` leaves the axis's name to that one too, and so do plots.
"""

from __future__ import annotations

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

__all__ = ["round_ticks", "time_name"]


def time_name(ax: Axes, name: str) -> str:
    """Return the name of a time axis, or nothing where a panel that shares it says it.

    Parameters
    ----------
    ax : Axes
        One that shares its x axis with no other keeps the name in any case.
    name : str
        What the axis is called.
    """
    others = [other for other in ax.get_shared_x_axes().get_siblings(ax) if other is not ax]
    if not others:
        return name
    shown = ax.xaxis.get_tick_params(which="major")
    numbered = shown.get("labelbottom", True) or shown.get("labeltop", False)
    return "" if not numbered or any(_below(other, ax) for other in others) else name


def _below(other: Axes, ax: Axes) -> bool:
    """Whether `other` is in the same grid and column as `ax`, further down."""
    here, there = ax.get_subplotspec(), other.get_subplotspec()
    if here is None or there is None or here.get_gridspec() is not there.get_gridspec():
        return False
    columns = set(here.colspan) & set(there.colspan)
    return bool(columns) and there.rowspan.start >= here.rowspan.stop


def round_ticks(most: int | Literal["auto"] = "auto", *, whole: bool = False) -> MaxNLocator:
    """Return a locator whose steps are 1, 2 or 5, at any power of ten.

    Examples
    --------
    >>> round_ticks(7).tick_values(37.1, 41.9).tolist()
    [37.0, 38.0, 39.0, 40.0, 41.0, 42.0]
    """
    return MaxNLocator(most, steps=[1, 2, 5, 10], integer=whole)
