"""How many wait and how many workers are busy, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from numpy.typing import NDArray

from ..errors import PlotError
from ..run import Run
from ..statistics import time_average
from .envelope import Envelope, clipped, envelope
from .given import Floats, Window, one_run, stretch
from .labels import Line, label_lines
from .panels import round_ticks, time_name
from .style import (
    GREY,
    LABEL_SIZE,
    SMALL_SIZE,
    axes_or_new,
    duration,
    grid,
    look,
    name_axes,
    number,
    seconds,
    tint,
)
from .telling import tell

__all__ = ["queue"]

EXACT = 1500  # more changes than that make a solid block, of which only the top can be read
COLUMNS = 150
_COLOURS = {"waiting": look(0).colour, "busy": look(1).colour}


def queue(
    run: Run,
    name: str,
    ax: Axes | None = None,
    *,
    endpoint: int | None = None,
    window: Window | None = None,
    show: Sequence[Literal["waiting", "busy"]] = ("waiting", "busy"),
    mean: bool = False,
) -> Axes:
    """Draw how many requests waited and how many workers were busy, over time.

    Parameters
    ----------
    run : Run
        What `mesh_lab.simulate` returned.
    name : str
        A queue or service.
    ax : Axes, optional
        Where to draw; a new figure by default.
    endpoint : int, optional
        One replica of a service, from 0; all together by default.
    window : (float, float), optional
        From when until when, seconds; the whole run by default.
    show : sequence of str
        ``"waiting"``, ``"busy"`` or both.
    mean : bool
        Draw the time averages over the window too.

    Returns
    -------
    Axes
        One line for each of `show`.  A stretch with more than 1500 changes is summed up in 150
        columns: a line of averages, over an area from the lowest to the highest number, so that
        no peak is lost.

    Raises
    ------
    PlotError
        When no request arrived, or the window or endpoint is outside the run.
    ScenarioError
        When there is no queue or service called `name`.
    """
    run = one_run("queue", run)
    shown = [show] if isinstance(show, str) else list(show)
    if not shown or any(which not in ("waiting", "busy") for which in shown):
        raise PlotError(f"queue, show: is {show!r}; allowed are 'waiting' and 'busy'")
    start, end = stretch("queue", window, run.duration)
    _check_endpoint(run, name, endpoint)
    time, waiting, busy = run.steps(name, endpoint)
    unit = seconds(end)
    ax = axes_or_new(ax)
    ax.set_xlim(start * unit.scale, end * unit.scale)
    changes = np.count_nonzero((time > start) & (time < end))
    drawn: list[Line] = []
    said, top = [], 1.0
    for which, values in (("waiting", waiting), ("busy", busy)):
        if which not in shown:
            continue
        highest = int(clipped(time, values, start, end)[1].max())
        if changes <= EXACT:
            lines = [_exact(ax, *clipped(time, values, start, end), which, unit.scale)]
        else:
            lines = _summed_up(ax, envelope(time, values, start, end, COLUMNS), which, unit.scale)
        if len(shown) == 1:
            lines[0].label = ""  # the axis says what the only line is
        average = time_average(time, values, start, end)
        if mean:
            ax.axhline(average, color=_COLOURS[which], linewidth=1.2, dashes=(1, 1.5), zorder=3)
            lines[0].label = f"{which}, {number(average)} on average"
        drawn += lines
        top = max(top, float(highest))
        said.append(f"{which} {number(average)} on average, at most {highest}")
    tell(ax, f"{name}, {number(start)} to {number(end)} s: {'; '.join(said)}")
    room = _room(run, name, endpoint) if "waiting" in shown else None
    if room is not None and room <= 1.5 * top:
        top = max(top, room)
        _mark_room(ax, room)
    ax.set_ylim(0.0, top * (1.12 if len(shown) == 1 and not mean else 1.2))  # labels need room
    ax.yaxis.set_major_locator(round_ticks(whole=True))
    if run.warmup > start:
        _mark_warmup(ax, start * unit.scale, min(run.warmup, end) * unit.scale)
    part = name if endpoint is None else f"{name}, replica {endpoint}"
    title = ax.set_title(part, fontsize=LABEL_SIZE, loc="left", parse_math=False)
    words = {"waiting": "requests waiting", "busy": "workers busy"}
    counted = ", ".join(words[which] for which in shown)
    if changes > EXACT:
        counted += f",\naverages over {_two_digits((end - start) / COLUMNS)}"
    name_axes(ax, time_name(ax, unit.label("time")), counted)
    grid(ax, "y")
    label_lines(ax, drawn)
    if changes > EXACT:
        _explain_areas(ax, title)
    return ax


def _exact(ax: Axes, time: Floats, values: NDArray[np.int64], which: str, scale: float) -> Line:
    """Draw every change: waiting as a line, busy as an area, so that hue is not the only sign."""
    colour = _COLOURS[which]
    x, y = np.repeat(time * scale, 2)[1:], np.repeat(values.astype(np.float64), 2)[:-1]
    if which == "busy":
        ax.fill_between(x, y, color=colour, alpha=0.3, linewidth=0, label="_area of busy")
    ax.plot(x, y, color=colour, linewidth=0.8 if which == "busy" else 1.6, label=which, zorder=2.5)
    return Line(x, y, which, colour)


def _summed_up(ax: Axes, seen: Envelope, which: str, scale: float) -> list[Line]:
    """Draw the averages of columns as a line, and from lowest to highest as a light area.

    Returns
    -------
    list of Line
        The upper edge of the area, beside which the label is to stand, and the line.
    """
    colour = _COLOURS[which]
    x = np.repeat(seen.edges * scale, 2)[1:-1]
    y = np.repeat(seen.mean, 2)
    ax.fill_between(
        x,
        np.repeat(seen.low, 2),
        np.repeat(seen.high, 2),
        color=tint(colour, 0.3),
        linewidth=0,
        label=f"_range of {which}",
        zorder=1.5 if which == "busy" else 1.2,
    )
    ax.plot(
        x,
        y,
        color=colour,
        linewidth=1.6,
        linestyle=look(1).linestyle if which == "busy" else "-",
        label=which,
        zorder=2.5,
    )
    return [
        Line(x, np.repeat(seen.high, 2).astype(np.float64), which, colour),
        Line(x, y, "", colour),
    ]


def _check_endpoint(run: Run, name: str, endpoint: int | None) -> None:
    replicas = getattr(run.scenario[name], "endpoint_count", 1)
    if endpoint is not None and not (
        isinstance(endpoint, int | np.integer) and 0 <= endpoint < replicas
    ):
        raise PlotError(
            f"queue, endpoint: is {endpoint!r}, but {name!r} has the replicas 0 to {replicas - 1}"
        )


def _room(run: Run, name: str, endpoint: int | None) -> int | None:
    """Return how many may wait, where that is one number for what is drawn."""
    part: Any = run.scenario[name]
    if endpoint is None and getattr(part, "endpoint_count", 1) > 1:
        return None  # one replica may be full while others are empty
    if part.discipline in {"ps", "preemptive"}:
        return None  # the limit is on those in service too
    return None if part.capacity is None else int(part.capacity)


def _mark_room(ax: Axes, room: int) -> None:
    ax.axhline(room, color=GREY, linewidth=1.0, dashes=(1, 2), zorder=1)
    ax.annotate(
        f"room for {room}",
        xy=(1.0, room),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=SMALL_SIZE,
        color=GREY,
    )


def _two_digits(width: float) -> str:
    """Return how wide a column is, in words, to two digits."""
    return duration(float(f"{width:.1e}"))


def _explain_areas(ax: Axes, title: Text) -> None:
    """Say what the areas are, where it leaves most of the line of titles free for a name."""
    free = ax.get_window_extent().width
    note = ax.set_title("areas: lowest to highest", fontsize=SMALL_SIZE, color=GREY, loc="right")
    wide = note.get_window_extent().width
    if wide > 0.3 * free or title.get_window_extent().width + wide > 0.95 * free:
        note.set_text("")


def _mark_warmup(ax: Axes, left: float, right: float) -> None:
    ax.axvspan(left, right, color=tint(GREY), linewidth=0, zorder=0)
    ax.annotate(
        "warm-up",
        xy=(left, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(3, -3),
        textcoords="offset points",
        va="top",
        fontsize=SMALL_SIZE,
        color=GREY,
    )
