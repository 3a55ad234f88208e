"""One request's life: where it waited, was served and was blocked, as bars along time."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..errors import PlotError
from ..run import Run
from ..stations.service import Service
from .given import Floats, one_run
from .style import (
    GREY,
    LABEL_SIZE,
    SMALL_SIZE,
    TEXT_SIZE,
    Unit,
    axes_or_new,
    contrast,
    figure_of,
    grid,
    look,
    time_unit,
)
from .telling import tell

__all__ = ["request_timeline"]

Visit = dict[Hashable, Any]  # a row of a table, by column

# What may happen at a part: its colour, and the hatch that says the same without colour.
_KINDS = {
    "blocked": (look(1).colour, "xxx"),
    "waiting": (look(4).colour, "///"),
    "in service": (look(0).colour, ""),
    "waiting for I/O": (look(5).colour, "..."),
}


@dataclass(frozen=True)
class _Stretch:
    """A stretch of time at one part: which row, what it was, from when until when (seconds)."""

    row: int
    kind: str
    start: float
    end: float


def request_timeline(
    run: Run, request: int, ax: Axes | None = None, *, unit: str | None = None
) -> Axes:
    """Draw what happened to one request, one row for each part that it visited.

    Parameters
    ----------
    run : Run
        What `mesh_lab.simulate` returned.
    request : int
        Its row in ``run.requests``, from 0.
    ax : Axes, optional
        Where to draw; a new figure by default.
    unit : str, optional
        ``"s"``, ``"ms"`` or ``"us"``; by default ms, or s where that would be five digits.

    Returns
    -------
    Axes
        Times count from the request's arrival.  It is *blocked* while the next part has no room,
        be it at its source or holding the worker that has finished it.  At a part that interrupts
        or shares service, *in service* is from its first start to its end.  What had not ended
        when the run did is open to the right.

    Raises
    ------
    PlotError
        When the run has no such request.
    """
    run = one_run("request_timeline", run)
    n = len(run.columns.made)
    if isinstance(request, bool) or not isinstance(request, int | np.integer):
        raise PlotError(
            f"request_timeline, request: is {request!r}, but must be a row of run.requests, "
            f"0 to {n - 1}"
        )
    if not 0 <= request < n:
        raise PlotError(
            f"request_timeline, request: is {request}, but the run has the requests 0 to {n - 1}"
        )
    mine = np.flatnonzero(run.columns.request == request)
    visits: list[Visit] = run.calls.iloc[mine].to_dict("records")
    worked = None if run.columns.worked is None else run.columns.worked[mine]
    stretches = _stretches(run, visits, worked)
    names = [_called(run, visit) for visit in visits]
    row: Visit = run.requests.iloc[[int(request)]].to_dict("records")[0]
    end = row["finish"] if math.isfinite(row["finish"]) else run.duration
    began = row["arrival"]
    span = end - began
    shown = time_unit("request_timeline", unit or ("ms" if span < 10.0 else "s"))
    ax = axes_or_new(ax, height=1.5 + 0.55 * len(names))
    across = span * shown.scale or 1.0  # who is turned away at once still needs an axis
    ax.set_xlim(-0.01 * across, 1.02 * across)
    ax.set_ylim(len(names) - 0.4, -0.7)
    for stretch in stretches:
        _bar(ax, stretch, began, shown)
    _say_end(ax, str(row["outcome"]), span, shown)
    ax.set_yticks(range(len(names)), names, parse_math=False)
    ax.tick_params(axis="y", length=0, labelsize=TEXT_SIZE)
    ax.set_xlabel(shown.label(f"time since request {request} arrived"), fontsize=LABEL_SIZE)
    grid(ax, "x")
    _write_in(ax, stretches, shown)
    for i, name in enumerate(names):
        told = [f"{s.kind} {shown.value(s.end - s.start)}" for s in stretches if s.row == i]
        tell(ax, f"{name.replace(chr(10), ', ')}: {', '.join(told) or 'nothing'}")
    ended = "still in flight" if row["outcome"] == "in_flight" else str(row["outcome"])
    tell(ax, f"{ended} after {shown.value(end - began)}")
    return ax


def _stretches(run: Run, visits: list[Visit], worked: Floats | None) -> list[_Stretch]:
    """Return what happened at each visit, without what took no time."""
    found = []
    for i, visit in enumerate(visits):
        finish = visit["finish"] if math.isfinite(visit["finish"]) else run.duration
        start = visit["start"] if math.isfinite(visit["start"]) else finish
        arrival = visit["arrival"] if math.isfinite(visit["arrival"]) else finish
        # a request that is offered to a full part holds its worker here until there is room
        held = i + 1 < len(visits) and _blocks(run, visits[i + 1])
        done = min(finish, max(visits[i + 1]["sent"], start)) if held else finish
        ended_work = done
        if worked is not None and start <= worked[i] <= done:
            ended_work = float(worked[i])
        sent = visit["sent"]
        if i > 0 and _blocks(run, visit):
            sent = arrival  # this time stands in the row above, whose worker was held
        found += [
            _Stretch(i, "blocked", sent, arrival),
            _Stretch(i, "waiting", arrival, start),
            _Stretch(i, "in service", start, ended_work),
            _Stretch(i, "waiting for I/O", ended_work, done),
            _Stretch(i, "blocked", done, finish),
        ]
    return [stretch for stretch in found if stretch.end > stretch.start]


def _blocks(run: Run, visit: Visit) -> bool:
    return getattr(run.scenario[visit["service"]], "overflow", "") == "block"


def _called(run: Run, visit: Visit) -> str:
    name = str(visit["service"])
    part = run.scenario[name]
    if isinstance(part, Service) and part.endpoint_count > 1 and visit["endpoint"] >= 0:
        name += f"\nreplica {visit['endpoint']}"
    return name if visit["attempt"] == 0 else f"{name}, attempt {visit['attempt'] + 1}"


def _bar(ax: Axes, stretch: _Stretch, began: float, shown: Unit) -> None:
    colour, hatch = _KINDS[stretch.kind]
    ax.add_patch(
        Rectangle(
            ((stretch.start - began) * shown.scale, stretch.row - 0.3),
            (stretch.end - stretch.start) * shown.scale,
            0.6,
            facecolor=colour,
            edgecolor="white",
            hatch=hatch,
            linewidth=0.8,
            label=stretch.kind,
        )
    )


def _write_in(ax: Axes, stretches: list[_Stretch], shown: Unit) -> None:
    """Write into each bar what it is; what has no room stands together above its row."""
    figure_of(ax).draw_without_rendering()
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    outside: dict[int, tuple[float, list[str]]] = {}
    for bar, stretch in zip(bars, stretches, strict=True):
        colour, _ = _KINDS[stretch.kind]
        took = shown.value(stretch.end - stretch.start)
        text = ax.annotate(
            f"{stretch.kind}\n{took}",
            xy=(bar.get_x() + bar.get_width() / 2.0, stretch.row),
            ha="center",
            va="center",
            fontsize=SMALL_SIZE,
            color="white" if contrast(colour) >= 4.5 else "black",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": colour, "edgecolor": "none"},
        )
        if text.get_window_extent().width + 6 > bar.get_window_extent().width:
            text.remove()
            outside.setdefault(stretch.row, (bar.get_x(), []))[1].append(f"{stretch.kind} {took}")
    for row, (x, words) in outside.items():
        text = ax.annotate(
            ", ".join(words), xy=(x, row - 0.33), ha="left", va="bottom", fontsize=SMALL_SIZE
        )
        if text.get_window_extent().x1 > ax.get_window_extent().x1:
            text.set_horizontalalignment("right")
            text.set_position((ax.get_xlim()[1], row - 0.33))


def _say_end(ax: Axes, outcome: str, span: float, shown: Unit) -> None:
    flying = outcome == "in_flight"
    ax.axvline(
        span * shown.scale, color=GREY, linewidth=1.0, dashes=(2, 2) if flying else (), zorder=1
    )
    words = "still in flight" if flying else outcome
    ax.annotate(
        f"{words} after {shown.value(span)}",
        xy=(span * shown.scale, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right" if span else "left",
        va="bottom",
        fontsize=TEXT_SIZE,
    )
