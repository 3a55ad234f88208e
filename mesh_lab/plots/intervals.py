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
    """Return an interval with something to draw; a number becomes one without width."""
    if isinstance(value, Interval) and math.isfinite(value.estimate):
        return value
    if isinstance(value, int | float | np.number) and math.isfinite(float(value)):
        return Interval(float(value), float(value), float(value), confidence=0.0, n=1)
    raise PlotError(f"{value!r} cannot be drawn; give an Interval or a number, finite")


def interval_mark(
    ax: Axes, at: float, value: Interval, shown: Unit, style: Look, *, upright: bool
) -> None:
    """Draw one estimate and its limits, where it has any.

    Lying, a limit that is infinite becomes an arrow at the edge; upright, where the axis is to
    begin at 0, only the estimate is drawn then.  What is not trusted gets an open mark.
    """
    low, middle, high = (v * shown.scale for v in (value.low, value.estimate, value.high))
    bounded = math.isfinite(low) and math.isfinite(high)
    drawable = bounded if upright else not (math.isnan(low) or math.isnan(high))
    if drawable and high > low:
        edges = ax.get_xlim()
        ends = (max(low, edges[0]), min(high, edges[1])) if not bounded else (low, high)
        pair = ((at, at), ends) if upright else (ends, (at, at))
        caps = ("_" if upright else "|") if bounded else ""
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
            if math.isinf(limit):
                ax.plot(
                    [end],
                    [at],
                    marker=mark,
                    markersize=7,
                    color=style.colour,
                    clip_on=False,
                    label="_without limit",
                )
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
