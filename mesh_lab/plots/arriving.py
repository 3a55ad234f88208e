"""When requests come: how many a second, and each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ..errors import PlotError, ScenarioError
from ..run import Run
from .given import Floats, Runs, Some, Window, labelled, latencies, one_run, stretch
from .labels import Line, label_lines
from .panels import time_name
from .style import (
    GREY,
    Look,
    axes_or_new,
    duration,
    grid,
    look,
    name_axes,
    number,
    round_time,
    seconds,
)
from .telling import tell

__all__ = ["arrivals"]

RUG = 800  # more arrivals than that make a solid bar


def arrivals(
    runs: Runs,
    ax: Axes | None = None,
    *,
    source: str | Sequence[str] | None = None,
    window: Window | None = None,
    step: float | None = None,
) -> Axes:
    """Draw when requests came: how many a second, and below it each of them.

    Parameters
    ----------
    runs : Run, array_like or several
        One run, an array of arrival times in seconds, a list of them, or a mapping from label to
        run or array.
    ax : Axes, optional
        Where to draw; a new figure by default.
    source : str or sequence of str, optional
        The source whose requests count; of one run also several, which get a line each.  All
        requests together by default.
    window : (float, float), optional
        From when until when, seconds; from 0 to the last arrival by default.
    step : float, optional
        Over how many seconds arrivals are counted; a round number by default.

    Returns
    -------
    Axes
        One line of steps for each run or source, in arrivals a second.  Each arrival has a mark
        in the strips below 0, unless there are more than 800 of them in a strip.

    Raises
    ------
    PlotError
        When nothing arrived, or an argument cannot be drawn.
    ScenarioError
        When a run has no source called `source`.
    """
    columns = {
        label: _times("arrivals", some, one, label)
        for label, (some, one) in _by_source(runs, source).items()
    }
    last = max(float(times.max()) for times in columns.values())
    start, end = stretch("arrivals", window, max(last, 1e-9))
    edges = _counting_edges(columns, start, end, step)
    width = float(edges[1] - edges[0])
    unit = seconds(end)
    ax = axes_or_new(ax)
    drawn, rugs, top = [], [], 0.0
    for i, (label, times) in enumerate(columns.items()):
        style = look(i)
        here = times[(times >= start) & (times <= end)]
        rates = np.histogram(here, edges)[0] / np.diff(edges)
        x, y = np.repeat(edges, 2)[1:-1] * unit.scale, np.repeat(rates, 2)
        ax.plot(
            x,
            y,
            color=style.colour,
            linestyle=style.linestyle,
            linewidth=1.6,
            label=label or "arrivals",
        )
        drawn.append(Line(x, y, label, style.colour))
        top = max(top, float(rates.max()))
        if here.size <= RUG:
            rugs.append((here * unit.scale, style))
        tell(
            ax,
            f"{label + ': ' if label else ''}{here.size} arrivals in {number(end - start)} s, "
            f"{number(here.size / (end - start))}/s on average, from {number(float(rates.min()))} "
            f"to {number(float(rates.max()))}/s over {duration(width)}",
        )
    ax.set_xlim(start * unit.scale, end * unit.scale)
    _rug(ax, rugs, max(top, 1e-9))
    counted = f"arrivals per second,\ncounted over {duration(width)}"
    name_axes(ax, time_name(ax, unit.label("time")), counted)
    grid(ax, "y")
    label_lines(ax, drawn)
    return ax


def _by_source(
    runs: Runs, source: str | Sequence[str] | None
) -> dict[str, tuple[Some, str | None]]:
    if source is None or isinstance(source, str):
        return {label: (some, source) for label, some in labelled("arrivals", runs).items()}
    if not isinstance(runs, Run):
        raise PlotError(
            f"arrivals, source: names {len(source)} sources, which needs one Run; give a mapping "
            "label -> array of times instead"
        )
    if not source:
        raise PlotError("arrivals, source: is empty; leave it out to draw all requests together")
    return {name: (runs, name) for name in source}


def _times(function: str, some: Some, source: str | None, label: str) -> Floats:
    """Return when the requests of a source, or of all, arrived."""
    if not isinstance(some, Run):
        return latencies(function, some, source, label)
    made = one_run(function, some).columns.made
    if source is None:
        return made
    names = [known.name for known in some.scenario.sources]
    if source not in names:
        some.scenario[source]  # says so, if there is no such part at all
        raise ScenarioError(f"{source!r} is not a source; there are: {', '.join(map(repr, names))}")
    made = made[some.columns.source == names.index(source)]
    if not len(made):
        raise PlotError(f"{function}: in this run no request of {source!r} arrived")
    return np.asarray(made)


def _counting_edges(
    columns: Mapping[str, Floats], start: float, end: float, step: float | None
) -> Floats:
    span = end - start
    if step is None:
        most = max(int(np.sum((t >= start) & (t <= end))) for t in columns.values())
        # at least ten arrivals a step on average, or the line shows little but chance
        step = round_time(min(max(span / 120.0, 10.0 * span / max(most, 1)), span / 5.0))
    elif not (isinstance(step, int | float) and 0.0 < step <= span):
        raise PlotError(
            f"arrivals, step: is {step!r}, but must be seconds, more than 0 and at most the "
            f"{span:g} s that are drawn"
        )
    whole = math.floor(span / step + 1e-9)
    edges: Floats = start + np.arange(whole + 1, dtype=np.float64) * float(step)
    if end - edges[-1] >= step / 2.0:
        return np.append(edges, end)
    edges[-1] = end  # what is left over is too short to count in
    return edges


def _rug(ax: Axes, rugs: Sequence[tuple[Floats, Look]], top: float) -> None:
    """Draw a strip of marks for each, below 0, where the axis has no numbers."""
    strip = 0.07 * top
    for i, (times, style) in enumerate(rugs):
        ax.vlines(times, -(i + 0.9) * strip, -(i + 0.15) * strip, color=style.colour, linewidth=0.7)
    if rugs:
        ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.set_ylim(-len(rugs) * strip, 1.12 * top)
    ax.yaxis.set_major_formatter(lambda value, _: number(value) if value >= 0 else "")
    ax.tick_params(axis="y", length=0)
