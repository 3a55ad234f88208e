"""Quantiles, and theory lines: what several plots of times need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..errors import PlotError
from .given import Floats
from .labels import Line
from .style import Look, look, theory_look

__all__ = ["draw_theory", "quantile", "tail_shares", "theory_style"]


def quantile(column: Floats, p: float) -> float:
    """Return the smallest value that a share `p` does not exceed, as `Run.summary` does."""
    return float(np.quantile(column, p, method="inverted_cdf"))


def theory_style(label: str, runs: Mapping[str, Any], index: int) -> Look:
    """Return the look of a theory line: black, or the colour of the run it belongs to."""
    style = theory_look(index)
    if label in runs:
        return Look(look(list(runs).index(label)).colour, style.dashes, style.marker)
    return style


def draw_theory(ax: Axes, x: Floats, y: Floats, label: str, style: Look) -> Line:
    """Draw a theory line, thinner than those of runs, and return it for its label."""
    ax.plot(
        x,
        y,
        color=style.colour,
        linestyle=style.linestyle,
        linewidth=1.4,
        label=label,
        zorder=3,
    )
    return Line(x, y, label, style.colour)


def tail_shares(function: str, label: str, curve: Callable[[float], Any], t: Floats) -> Floats:
    """Call a tail for each time (one by one: a user's function need not take arrays)."""
    shares = np.array([float(curve(float(value))) for value in t])
    if not (np.all(shares >= -1e-9) and np.all(shares <= 1.0 + 1e-9)):
        worst = float(shares[np.argmax(np.abs(shares - 0.5))])
        raise PlotError(
            f"{function}, theory: {label!r} gave {worst}, but P(time > t) is between 0 and 1"
        )
    return shares
