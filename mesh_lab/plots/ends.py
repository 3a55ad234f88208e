"""How requests ended: the share of each outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..errors import PlotError
from ..ledger import OUTCOMES
from ..run import Run
from .given import Runs, labelled, one_run
from .style import (
    GREY,
    LABEL_SIZE,
    SMALL_SIZE,
    TEXT_SIZE,
    axes_or_new,
    contrast,
    look,
    number,
)
from .telling import tell

__all__ = ["outcomes"]

_ORDER = ("ok", *(o for o in OUTCOMES if o not in {"ok", "in_flight"}), "in_flight")
# what comes of a call shares its colour with something else, and has a hatching of its own
_COLOURS = [look(i).colour for i in (0, 1, 4, 3, 2, 5)] + [GREY]
_COLOURS += [look(i).colour for i in (3, 5, 1, 2, 4, 0)] + ["#C8C8C8"]
_OUTCOME_COLOURS = dict(zip(_ORDER, _COLOURS, strict=True))
_ROOM = 14.0  # a narrower piece, in per cent, cannot hold its name
_HATCHES = {
    "rejected": "///",
    "dropped": "\\\\\\",
    "expired": "...",
    "failed": "xxx",
    "timeout": "|||",
    "cancelled": "---",
    "overflow": "+++",
    "open": "ooo",
    "limited": "OO",
    "shed": "**",
}


def outcomes(runs: Runs, ax: Axes | None = None, name: str | None = None) -> Axes:
    """Draw how requests ended, as shares of all of them, one bar a run.

    Parameters
    ----------
    runs : Run, or several
        One run, a list of runs, or a mapping from label to run.
    ax : Axes, optional
        Where to draw; a new figure by default.
    name : str, optional
        A source, or a queue or service, whose visits count instead of whole requests.

    Returns
    -------
    Axes
        One bar a run, the first on top, divided by outcome.

    Raises
    ------
    PlotError
        When a run is empty, or arrays are given.
    ScenarioError
        When a run has no part called `name`.
    """
    found = {
        label: _shares(one_run("outcomes", some), name)
        for label, some in labelled("outcomes", runs).items()
    }
    occurred = [o for o in _ORDER if any(shares.get(o, 0.0) > 0.0 for shares in found.values())]
    ax = axes_or_new(ax, height=1.5 + 0.5 * len(found))
    rows = np.arange(len(found), dtype=np.float64)
    before = np.zeros(len(found))
    for outcome in occurred:
        widths = np.array([100.0 * shares.get(outcome, 0.0) for shares in found.values()])
        colour = _OUTCOME_COLOURS[outcome]
        bars = ax.barh(
            rows,
            widths,
            left=before,
            height=0.6,
            color=colour,
            edgecolor="white",
            linewidth=0.8,
            hatch=_HATCHES.get(outcome),
            label=outcome,
        )
        for bar, width in zip(bars, widths, strict=True):
            if width >= _ROOM:
                _inside(ax, bar, f"{outcome}\n{number(float(width))} %", colour)
        before += widths
    for row, (label, shares) in zip(rows, found.items(), strict=True):
        small = [o for o in occurred if 0.0 < 100.0 * shares.get(o, 0.0) < _ROOM]
        words = "\n".join(f"{o} {number(100.0 * shares[o])} %" for o in small)
        ax.annotate(
            words,
            xy=(100.0, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL_SIZE,
            annotation_clip=False,
        )
        told = [f"{o} {number(100.0 * shares[o])} %" for o in occurred if shares.get(o)]
        tell(ax, f"{label + ': ' if label else ''}{', '.join(told)}")
    ax.set_yticks(rows, list(found), parse_math=False)
    ax.tick_params(axis="y", length=0, labelsize=TEXT_SIZE)
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.set_xlim(0.0, 100.0)
    of_what = "requests" if name is None else f"requests at {name}"
    ax.set_xlabel(f"share of {of_what} (%)", fontsize=LABEL_SIZE)
    return ax


def _shares(run: Run, name: str | None) -> dict[str, float]:
    codes = run.spans(name).outcome
    if not len(codes):
        raise PlotError(f"outcomes: in this run no request came to {name!r}")
    counts = np.bincount(codes, minlength=len(OUTCOMES)) / len(codes)
    return {outcome: float(share) for outcome, share in zip(OUTCOMES, counts, strict=True)}


def _inside(ax: Axes, bar: Any, text: str, colour: str) -> None:
    light = contrast(colour, "#FFFFFF") >= 4.5
    ax.annotate(
        text,
        xy=(bar.get_x() + bar.get_width() / 2.0, bar.get_y() + bar.get_height() / 2.0),
        ha="center",
        va="center",
        fontsize=SMALL_SIZE,
        color="white" if light else "black",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": colour, "edgecolor": "none"},
    )
