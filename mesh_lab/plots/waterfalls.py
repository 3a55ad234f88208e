"""One request among services that call each other, as a waterfall of its attempts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..errors import PlotError
from ..run import Run
from .given import one_run
from .style import (
    BLACK,
    GREY,
    LABEL_SIZE,
    SMALL_SIZE,
    TEXT_SIZE,
    axes_or_new,
    grid,
    look,
    time_unit,
)
from .telling import tell

__all__ = ["waterfall"]

# the caller's side is a frame, the callee's is filled: waiting, then service (and its own calls)
_WAITING, _SERVED = look(4).colour, look(0).colour


def waterfall(run: Run, request: int, ax: Axes | None = None, *, unit: str | None = None) -> Axes:
    """Draw the attempts of one request, each below the one that it was made for.

    Parameters
    ----------
    run : Run
        Of a scenario in which services are called.
    request : int
        Its row in ``run.requests``, from 0.
    ax : Axes, optional
        Where to draw; a new figure by default.
    unit : str, optional
        ``"s"``, ``"ms"`` or ``"us"``; by default ms, or s where that would be five digits.

    Returns
    -------
    Axes
        One row an attempt, in order of sending below its parent.  The frame is the caller's side,
        from sending until it knew; inside, the callee's: waiting (hatched), then served, its own
        calls included.  What goes on behind the frame is work for nobody.

    Raises
    ------
    PlotError
        When the run has no such request, or no calls.
    """
    run = one_run("waterfall", run)
    n = len(run.columns.made)
    fits = isinstance(request, int | np.integer) and not isinstance(request, bool)
    if not fits or not 0 <= request < n:
        raise PlotError(
            f"waterfall, request: is {request!r}, but must be a row of run.requests, 0 to {n - 1}"
        )
    if run.columns.parent is None:
        raise PlotError("waterfall: services do not call each other here; see request_timeline")
    mine = np.flatnonzero(run.columns.request == request)
    records: list[dict[Any, Any]] = run.calls.iloc[mine].assign(row=mine).to_dict("records")
    rows = _in_order(records)
    began = float(run.columns.made[request])
    row: dict[Any, Any] = run.requests.iloc[[int(request)]].to_dict("records")[0]
    known = [t for r in records for t in (r["returned"], r["finish"]) if math.isfinite(t)]
    last = max([*known, run.duration if row["outcome"] == "in_flight" else began])
    shown = time_unit("waterfall", unit or ("ms" if last - began < 10.0 else "s"))
    ax = axes_or_new(ax, height=1.4 + 0.38 * len(rows))
    across = (last - began) * shown.scale or 1.0
    ax.set_xlim(-0.01 * across, 1.16 * across)
    ax.set_ylim(len(rows) - 0.4, -0.7)
    names = []
    for place, (depth, record) in enumerate(rows):
        end = _until(record["returned"], run.duration)
        finish = _until(record["finish"], run.duration)
        _bar(ax, place, record["sent"] - began, end - began, shown.scale, frame=True)
        if math.isfinite(record["arrival"]):
            start = record["start"] if math.isfinite(record["start"]) else finish
            _bar(ax, place, record["arrival"] - began, start - began, shown.scale, hatch="///")
            _bar(ax, place, start - began, finish - began, shown.scale)
        text = f"{record['result']} {shown.value(end - record['sent'])}"
        ax.annotate(
            text,
            xy=((max(end, finish) - began) * shown.scale, place),
            xytext=(4, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=SMALL_SIZE,
            color=BLACK,
            parse_math=False,
        )
        name = _name(record)
        names.append("   " * depth + name)
        tell(ax, f"{'> ' * depth}{name}: {text}, sent at {shown.value(record['sent'] - began)}")
    ax.set_yticks(range(len(names)), names, parse_math=False)
    for label in ax.get_yticklabels():
        label.set_horizontalalignment("left")
    ax.tick_params(axis="y", length=0, labelsize=TEXT_SIZE, pad=_pad(names))
    ax.set_xlabel(shown.label(f"time since request {request} arrived"), fontsize=LABEL_SIZE)
    grid(ax, "x")
    ended = row["finish"]
    if math.isfinite(ended):
        ax.axvline((ended - began) * shown.scale, color=GREY, linewidth=1.0, zorder=1)
        tell(ax, f"request: {row['outcome']} after {shown.value(ended - began)}")
    return ax


def _in_order(records: list[dict[Any, Any]]) -> list[tuple[int, dict[Any, Any]]]:
    """Return the attempts, those of a visit below it, each with its depth."""
    below: dict[int, list[dict[Any, Any]]] = {}
    for record in records:
        below.setdefault(int(record["parent"]), []).append(record)
    found: list[tuple[int, dict[Any, Any]]] = []
    ahead = [(0, record) for record in reversed(below.get(-1, []))]
    while ahead:
        depth, record = ahead.pop()
        found.append((depth, record))
        ahead += [(depth + 1, other) for other in reversed(below.get(int(record["row"]), []))]
    return found


def _until(time: float, otherwise: float) -> float:
    return time if math.isfinite(time) else otherwise


def _name(record: dict[Any, Any]) -> str:
    name = str(record["service"])
    if record["endpoint"] >= 0:
        name += f" {record['endpoint']}"
    return name if record["attempt"] == 0 else f"{name}, attempt {record['attempt'] + 1}"


def _pad(names: list[str]) -> float:
    """Return how far left of the axis the names begin, points."""
    return 6.0 + 0.56 * TEXT_SIZE * max(map(len, names), default=0)


def _bar(
    ax: Axes,
    place: int,
    start: float,
    end: float,
    scale: float,
    *,
    hatch: str = "",
    frame: bool = False,
) -> None:
    if end <= start and not frame:
        return
    ax.add_patch(
        Rectangle(
            (start * scale, place - (0.36 if frame else 0.24)),
            (end - start) * scale,
            0.72 if frame else 0.48,
            facecolor="none" if frame else (_WAITING if hatch else _SERVED),
            edgecolor=GREY if frame else "white",
            hatch=hatch,
            linewidth=1.2 if frame else 0.6,
            zorder=3 if frame else 2,
        )
    )
