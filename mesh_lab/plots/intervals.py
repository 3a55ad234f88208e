"""Estimates with their intervals, as marks and as words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..errors import PlotError
from ..statistics import Interval
from .style import Look, Unit, number

__all__ = ["Value", "as_interval", "in_words", "interval_mark"]

Value = Interval | float


def as_interval(value: Any) -> Interval:
    """Take a number as an interval without width."""
    if isinstance(value, Interval):
        return value
    if isinstance(value, int | float | np.number) and math.isfinite(float(value)):
        return Interval(float(value), float(value), float(value), confidence=0.0, n=1)
    raise PlotError(f"{value!r} cannot be drawn; give an Interval or a number")


def interval_mark(
    ax: Axes, at: float, value: Interval, shown: Unit, style: Look, *, upright: bool
) -> None:
    """Draw one estimate and its limits.

    Lying, a limit that is infinite becomes an arrow at the edge; upright, where the axis is to
    begin at 0, only the estimate is drawn then.  What is not trusted gets an open mark.
    """
    low, middle, high = (v * shown.scale for v in (value.low, value.estimate, value.high))
    edges = ax.get_ylim() if upright else ax.get_xlim()
    ends = np.array(
        [low if math.isfinite(low) else edges[0], high if math.isfinite(high) else edges[1]]
    )
    if ends[1] > ends[0] and not (upright and not np.all(np.isfinite([low, high]))):
        pair = ([at, at], ends) if upright else (ends, [at, at])
        caps = ("_" if upright else "|") if np.all(np.isfinite([low, high])) else ""
        ax.plot(
            *pair,
            color=style.colour,
            linewidth=1.8,
            marker=caps,
            markersize=6.0,
            markeredgewidth=1.4,
            label="_interval",
            zorder=2.5,
        )
        for limit, mark, end in ((low, "<", edges[0]), (high, ">", edges[1])):
            if not math.isfinite(limit):
                ax.plot([end], [at], marker=mark, markersize=7, color=style.colour, clip_on=False)
    x, y = (at, middle) if upright else (middle, at)
    ax.plot(
        [x],
        [y],
        marker=style.marker,
        markersize=6.5,
        color=style.colour,
        markerfacecolor=style.colour if value.trusted else "white",
        markeredgecolor=style.colour,
        markeredgewidth=1.4,
        label="_estimate",
        zorder=3,
    )


def in_words(value: Interval, shown: Unit) -> str:
    """Return the estimate and its limits as text."""
    if value.low == value.high:
        return shown.value(value.estimate)
    doubt = "" if value.trusted else ", not trusted"
    low, high = number(value.low * shown.scale), number(value.high * shown.scale)
    return f"{shown.value(value.estimate)} ({low} to {high}{doubt})"
