"""Quantiles, and theory lines: what several plots of times need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from ..errors import PlotError
from .given import Floats
from .labels import Line
from .style import BLACK, look, theory_look

__all__ = ["draw_theory", "quantile", "tail_shares"]


def quantile(column: Floats, p: float) -> float:
    """Return the smallest value that a share `p` does not exceed, as `Run.summary` does."""
    return float(np.quantile(column, p, method="inverted_cdf"))


def draw_theory(
    ax: Axes, x: Floats, curves: Mapping[str, Floats], runs: Mapping[str, Any]
) -> dict[str, Line]:
    """Draw theory lines, thinner than those of runs, and return them for their labels.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    x : array, shape (n,)
        In data coordinates.
    curves : mapping
        From label to the heights of a line.  One with the label of a run has its colour, and is
        called its theory; others are black, told apart by their dashes.
    runs : mapping
        What else is drawn, in the order of its looks.
    """
    drawn, own = {}, 0
    for label, y in curves.items():
        if label in runs:
            colour, dashes = look(list(runs).index(label)).colour, theory_look(0).linestyle
        else:
            colour, dashes, own = BLACK, theory_look(own).linestyle, own + 1
        words = f"{label}, theory" if label in runs else label
        ax.plot(
            x,
            y,
            color=colour,
            linestyle=dashes,
            linewidth=1.1,
            label=words,
            zorder=3,
            # dashes on a line of the same colour, where theory is right, need an edge to be seen
            path_effects=[withStroke(linewidth=2.6, foreground="white")],
        )
        drawn[label] = Line(x, y, words, colour)
    return drawn


def tail_shares(function: str, label: str, curve: Callable[[float], Any], t: Floats) -> Floats:
    """Call a tail for each time (one by one: a user's function need not take arrays)."""
    shares = np.array([float(curve(float(value))) for value in t])
    if not (np.all(shares >= -1e-9) and np.all(shares <= 1.0 + 1e-9)):
        worst = float(shares[np.argmax(np.abs(shares - 0.5))])
        raise PlotError(
            f"{function}, theory: {label!r} gave {worst}, but P(time > t) is between 0 and 1"
        )
    return shares
