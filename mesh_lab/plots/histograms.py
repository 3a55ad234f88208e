"""How long requests took, most of them: the shares of steps of equal width."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ..errors import PlotError
from .given import Curves, Floats, Runs, curves, labelled, latencies
from .labels import Line, label_lines
from .shares import draw_theory, quantile, tail_shares
from .style import axes_or_new, grid, look, name_axes, number, round_up, time_unit
from .telling import tell

__all__ = ["histogram"]

_BULK = 0.98  # the share of requests that a histogram shows; `tail` is for the rest


def histogram(
    runs: Runs,
    name: str | None = None,
    ax: Axes | None = None,
    theory: Curves = None,
    *,
    step: float | None = None,
    unit: str = "ms",
    what: str = "response time",
) -> Axes:
    """Draw what share of the requests took how long, in steps of equal width.

    Parameters
    ----------
    runs, name, ax, unit, what
        As for `tail`.
    theory : callable or mapping, optional
        As for `tail`, P(time > t); its share of each step is drawn.
    step : float, optional
        The width of a step, seconds; by default a round number that suits the quickest run.

    Returns
    -------
    Axes
        One outline a run.  The axis ends where 2 % of the slowest run are left, and says so;
        shares are of all requests, those beyond the end too.

    Raises
    ------
    PlotError, ScenarioError
        As for `tail`.
    """
    shown = time_unit("histogram", unit)
    columns = {
        label: latencies("histogram", some, name, label)
        for label, some in labelled("histogram", runs).items()
    }
    edges = _edges(columns, step)
    expected = {
        label: -100.0 * np.diff(tail_shares("histogram", label, curve, edges))
        for label, curve in curves("histogram", theory).items()
    }
    width = float(edges[1] - edges[0])
    ax = axes_or_new(ax)
    drawn, beyond, highest = [], 0.0, 0.0
    for i, (label, column) in enumerate(columns.items()):
        style = look(i)
        counts, _ = np.histogram(column, edges)
        shares = 100.0 * counts / column.size
        beyond = max(beyond, float(np.mean(column > edges[-1])))
        highest = max(highest, float(shares.max()))
        x, y = _outline(edges * shown.scale, shares)
        if len(columns) == 1:
            ax.fill_between(x, y, color=style.colour, alpha=0.15, linewidth=0)
        ax.plot(
            x,
            y,
            color=style.colour,
            linestyle=style.linestyle,
            linewidth=1.8,
            label=label or "measured",
        )
        drawn.append(Line(x, y, label, style.colour))
        tell(
            ax,
            f"{label + ': ' if label else ''}median {shown.value(quantile(column, 0.5))}, "
            f"highest step {number(float(shares.max()))} % from "
            f"{shown.value(float(edges[int(np.argmax(shares))]))}",
        )
    middles = (edges[1:] + edges[:-1]) / 2.0 * shown.scale
    highest = max([highest, *(float(shares.max()) for shares in expected.values())])
    drawn += draw_theory(ax, middles, expected, columns).values()
    ax.set_xlim(float(edges[0]) * shown.scale, float(edges[-1]) * shown.scale)
    ax.set_ylim(0.0, highest * 1.12)
    among = " at most" if len(columns) > 1 else ""
    left_out = f";{among} {100.0 * beyond:.2g} % took longer" if beyond else ""
    name_axes(
        ax,
        f"{what} ({shown.name}{left_out})",
        f"requests in each {shown.value(width)} (%)",
    )
    grid(ax, "y")
    label_lines(ax, drawn)
    return ax


def _edges(columns: Mapping[str, Floats], step: float | None) -> Floats:
    """Return the edges of the steps, from 0, seconds."""
    ends = [quantile(column, _BULK) for column in columns.values()]
    right = max(ends)
    if min(ends) <= 0.0:
        raise PlotError("histogram: nearly all times are 0, so there is no width to divide")
    if step is None:
        # fine enough for the quickest run, unless that would be more steps than can be seen
        step = round_up(max(min(ends) / 40.0, right / 120.0))
    elif not (isinstance(step, int | float) and 0.0 < step < math.inf):
        raise PlotError(f"histogram, step: is {step!r}, but must be seconds, more than 0")
    count = math.ceil(right / step - 1e-9)
    if count > 2000:
        raise PlotError(
            f"histogram, step: {step:g} s would make {count} steps up to {right:.3g} s; "
            "at most 2000 can be drawn"
        )
    return np.asarray(np.arange(count + 1) * step, dtype=np.float64)


def _outline(edges: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """Return the corners of the steps, down to 0 at both ends."""
    return np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
