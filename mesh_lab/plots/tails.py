"""How long requests took, down to the slowest: the tail on logarithmic axes.

A mean says little of waiting times and a histogram hides the slowest one in a hundred; the
complementary distribution function, the share of requests that took longer than t, shows all of
them.  On two logarithmic axes a power law is a straight line; with a linear time axis an
exponential tail is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..errors import PlotError
from ..statistics import ccdf
from .given import Curves, Floats, Runs, curves, labelled, latencies
from .labels import Line, label_lines
from .shares import draw_theory, quantile, tail_shares
from .style import (
    GREY,
    SMALL_SIZE,
    Look,
    Unit,
    axes_or_new,
    grid,
    look,
    name_axes,
    number,
    time_unit,
)
from .telling import tell

__all__ = ["tail"]

_CURVE_POINTS = 400


def tail(
    runs: Runs,
    name: str | None = None,
    ax: Axes | None = None,
    theory: Curves = None,
    *,
    quantiles: Sequence[float] = (0.5, 0.99),
    unit: str = "ms",
    axis: Literal["log", "linear"] = "log",
    what: str = "response time",
) -> Axes:
    """Draw what share of the requests took longer, down to the slowest.

    Parameters
    ----------
    runs : Run, array_like or several
        One run, an array of seconds, a list of them, or (best, since it names the lines) a
        mapping from label to run or array.  Of a run, only what ended ``ok`` after the warm-up.
    name : str, optional
        A source, queue or service of the runs; whole requests by default.
    ax : Axes, optional
        Where to draw; a new figure by default.
    theory : callable or mapping, optional
        P(time > t) as a function of t in seconds, such as
        ``ml.theory.mm1(...).response_tail``; or a mapping from label to functions.  One with the
        label of a run takes its colour and is called its theory.
    quantiles : sequence of float
        What is marked on each line: 0.99 is the time that 99 % did not exceed.  One that rests on
        less than one request is left out.
    unit : str
        ``"s"``, ``"ms"`` or ``"us"``.
    axis : str
        Of the times: ``"log"`` or ``"linear"``.
    what : str
        The name of the time axis.

    Returns
    -------
    Axes
        One line a run, P(time > t), at most 200 points each (see `mesh_lab.statistics.ccdf`).
        It goes through the upper corners of the steps: above a time that occurred stands the share
        just before that time, which counts it too, so that the slowest request is to be seen.

    Raises
    ------
    PlotError
        When no request ended ok, or an argument cannot be drawn.
    ScenarioError
        When a run has no part called `name`.
    """
    shown = time_unit("tail", unit)
    columns = {
        label: latencies("tail", some, name, label)
        for label, some in labelled("tail", runs).items()
    }
    marks = _checked_quantiles(quantiles)
    if axis not in ("log", "linear"):
        raise PlotError(f"tail, axis: is {axis!r}; allowed are 'log', 'linear'")
    if axis == "log" and not any(column.max() > 0.0 for column in columns.values()):
        raise PlotError("tail: all times are 0, which a logarithmic axis cannot show")
    left, right = _time_limits(list(columns.values()), axis)
    lowest = 1.0 / max(column.size for column in columns.values()) / 1.6
    t = (np.geomspace if axis == "log" else np.linspace)(left, right, _CURVE_POINTS)
    expected = {
        label: tail_shares("tail", label, curve, t)
        for label, curve in curves("tail", theory).items()
    }
    ax = axes_or_new(ax)
    ax.set_yscale("log")
    ax.set_xscale(axis)
    drawn = []
    for i, (label, column) in enumerate(columns.items()):
        drawn.append(_empirical(ax, column, label, look(i), marks, shown, axis))
    for shares in expected.values():
        shares[shares < lowest] = np.nan  # below what any of the runs could show
    drawn += draw_theory(ax, t * shown.scale, expected, columns).values()
    ax.set_xlim(left * shown.scale, right * shown.scale)
    ax.set_ylim(lowest, 1.4)
    _name_shares(ax)
    name_axes(ax, shown.label(what), "share that took longer")
    if axis == "log":
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    grid(ax)
    used = sorted({p for p in marks for column in columns.values() if _resolved(column, p)})
    for p in used:
        ax.axhline(1.0 - p, color=GREY, linewidth=0.8, dashes=(1, 3), zorder=1)
        ax.annotate(
            _quantile_name(p),
            xy=(1.0, 1.0 - p),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL_SIZE,
            color=GREY,
        )
    label_lines(ax, drawn)
    for label, column in columns.items():
        tell(ax, _told(label, column, marks, shown))
    return ax


def _empirical(
    ax: Axes,
    column: Floats,
    label: str,
    style: Look,
    marks: Sequence[float],
    shown: Unit,
    axis: str,
) -> Line:
    x, share = ccdf(column)
    if axis == "log":
        x, share = x[x > 0.0], share[x > 0.0]
    ax.plot(
        x * shown.scale,
        share,
        color=style.colour,
        linestyle=style.linestyle,
        linewidth=2.0,
        label=label or "measured",
    )
    there = [p for p in marks if _resolved(column, p)]
    at = [quantile(column, p) for p in there]
    ax.plot(
        np.array(at) * shown.scale,
        1.0 - np.array(there),
        linestyle="none",
        marker=style.marker,
        markersize=6.5,
        color=style.colour,
        markeredgecolor="white",
        markeredgewidth=0.8,
        label=f"_quantiles of {label}",
        zorder=4,
    )
    words = [f"{_quantile_name(p)} {shown.value(t)}" for p, t in zip(there, at, strict=True)]
    text = "\n".join([label] * bool(label) + words)
    return Line(x * shown.scale, share, text, style.colour, short=label)


def _checked_quantiles(quantiles: Sequence[float]) -> list[float]:
    marks = [float(p) for p in quantiles]
    for p in marks:
        if not 0.0 < p < 1.0:
            raise PlotError(
                f"tail, quantiles: holds {p}, but each must be between 0 and 1 "
                "(0.99 asks for the 99th percentile)"
            )
    return marks


def _resolved(column: Floats, p: float) -> bool:
    """Whether at least one value lies beyond the quantile, and it can be shown."""
    return bool(column.size * (1.0 - p) >= 1.0 - 1e-9) and quantile(column, p) > 0.0


def _quantile_name(p: float) -> str:
    """Return p50, p99, p99.9."""
    return f"p{100.0 * p:.10g}"


def _told(label: str, column: Floats, marks: Sequence[float], shown: Unit) -> str:
    words = [f"{_quantile_name(p)} {shown.value(quantile(column, p))}" for p in marks]
    words.append(f"slowest {shown.value(float(column.max()))} of {column.size}")
    return f"{label + ': ' if label else ''}{', '.join(words)}"


def _time_limits(columns: Sequence[Floats], axis: str) -> tuple[float, float]:
    """Return from where to where times are shown, seconds."""
    right = max(float(column.max()) for column in columns)
    if axis == "linear":
        return 0.0, right * 1.04
    # left of its first percentile a line is flat, and takes decades of the axis
    positive = [column[column > 0.0] for column in columns]
    left = min(quantile(column, 0.01) for column in positive if column.size)
    return left / 1.05, max(right, left * 1.01) * 1.15


def _name_shares(ax: Axes) -> None:
    """Write shares as percentages without an exponent."""

    def words(share: float, _: object) -> str:
        return f"{100.0 * share:.{max(0, round(-math.log10(share)) - 2)}f} %"

    ax.yaxis.set_major_locator(LogLocator(base=10.0))
    ax.yaxis.set_major_formatter(FuncFormatter(words))
    ax.yaxis.set_minor_formatter(NullFormatter())
