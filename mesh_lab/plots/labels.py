"""Labels that stand beside their lines, so that nobody has to match a legend by colour.

Each label tries many places along its line, right, left, above and below of it, and takes the one
where it covers least: no other label, no edge, as little as possible of any line, and nearer to
its own line than to others.  Points and boxes are in pixels while a place is sought; the label
itself is then tied to a point of the data, so it stays there when the figure changes its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from .given import Floats
from .style import HALO, TEXT_SIZE, figure_of, ink

__all__ = ["Line", "label_lines"]

# Where a label stands of its point, as (horizontal, vertical) directions.
_SIDES = ((1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1))
_PLACES = 60
_GAP = 6.0
_STEP = 3.0
_SHORTENED = 40.0  # what it costs to leave something out


@dataclass
class Line:
    """A line to be labelled.

    Parameters
    ----------
    x, y : array, shape (n,)
        Its corners, in data coordinates, as they are drawn (steps written out).
    label : str
        What to write; empty for a line that only stands in the way.
    colour : str
        Its colour.
    short : str, optional
        What to write instead, where `label` would cover something.
    """

    x: Floats
    y: Floats
    label: str
    colour: str
    short: str = ""


def label_lines(ax: Axes, lines: Sequence[Line], taken: Sequence[Bbox] = ()) -> None:
    """Write each line's label beside it.

    Call it when everything is drawn and the limits are set.

    Parameters
    ----------
    ax : Axes
        Where the lines are.
    lines : sequence of Line
        In the order in which they may choose their places.
    taken : sequence of Bbox
        Boxes, in pixels, that are to stay free.
    """
    figure_of(ax).draw_without_rendering()  # the layout decides where points are
    inside = ax.get_window_extent()
    paths = [_dense(ax, line, inside) for line in lines]
    boxes = list(taken)
    for i, line in enumerate(lines):
        if line.label and len(paths[i]):
            boxes.append(_place(ax, line, i, paths, boxes, inside))


def _dense(ax: Axes, line: Line, inside: Bbox) -> Floats:
    """Return the points of a line every few pixels, as far as they are inside the axes."""
    corners = ax.transData.transform(np.column_stack([line.x, line.y]))
    corners = corners[np.isfinite(corners).all(axis=1)]
    if not len(corners):
        return np.zeros((0, 2))
    corners = np.clip(corners, -1e6, 1e6)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    # a line that goes up and down all the time covers an area, of which a sample will do
    at = np.linspace(0.0, length[-1], int(np.clip(length[-1] / _STEP, 2, 4000)))
    points = np.column_stack([np.interp(at, length, corners[:, k]) for k in (0, 1)])
    here = (
        (points[:, 0] >= inside.x0 - 1)
        & (points[:, 0] <= inside.x1 + 1)
        & (points[:, 1] >= inside.y0 - 1)
        & (points[:, 1] <= inside.y1 + 1)
    )
    return np.asarray(points[here])


def _place(
    ax: Axes, line: Line, own: int, paths: Sequence[Floats], boxes: Sequence[Bbox], inside: Bbox
) -> Bbox:
    text = ax.annotate(
        line.label,
        xy=(0.5, 0.5),
        xytext=(0.0, 0.0),
        textcoords="offset points",
        fontsize=TEXT_SIZE,
        color=ink(line.colour),
        linespacing=1.15,
        va="center",
        ha="left",
        annotation_clip=False,
        path_effects=HALO,
        zorder=6,
        parse_math=False,
    )
    pixels = figure_of(ax).dpi / 72.0
    found = {}
    for label in dict.fromkeys([line.label, line.short or line.label]):
        text.set_text(label)
        found[label] = _best(text, paths, own, boxes, inside, _GAP * pixels)
    chosen = line.label
    if line.short and found[line.short][0] + _SHORTENED < found[line.label][0]:
        chosen = line.short
    text.set_text(chosen)
    _, anchor, box = found[chosen]
    x, y = ax.transData.inverted().transform(anchor)
    text.xy = (float(x), float(y))
    text.set_position(((box.x0 - anchor[0]) / pixels, ((box.y0 + box.y1) / 2 - anchor[1]) / pixels))
    return box


def _best(
    text: Annotation,
    paths: Sequence[Floats],
    own: int,
    boxes: Sequence[Bbox],
    inside: Bbox,
    gap: float,
) -> tuple[float, Floats, Bbox]:
    """Return what the best place costs, the point of the line it belongs to, and the place."""
    size = text.get_window_extent()
    width, height = size.width, size.height
    path = paths[own]
    anchors = path[np.linspace(0, len(path) - 1, _PLACES).astype(int)]
    found = []
    for side in _SIDES:
        left, low = _corners(anchors, side, width, height, gap)
        cost = _cost(left, low, width, height, own, paths, boxes, inside)
        # where nothing else decides: towards the end of the line, and beside rather than above it
        cost = cost + np.linspace(2.0, 0.0, _PLACES) + (3.0 if side[0] == 0 else 0.0)
        i = int(np.argmin(cost))
        box = Bbox.from_bounds(float(left[i]), float(low[i]), width, height)
        found.append((float(cost[i]), anchors[i], box))
    return min(found, key=lambda place: place[0])


def _corners(
    anchors: Floats, side: tuple[int, int], width: float, height: float, gap: float
) -> tuple[Floats, Floats]:
    """Return the lower left corners of boxes beside the anchors."""
    across, up = side
    left = anchors[:, 0] + {1: gap, -1: -gap - width, 0: -width / 2.0}[across]
    low = anchors[:, 1] + {1: gap / 2.0, -1: -gap / 2.0 - height, 0: -height / 2.0}[up]
    if across == 0:
        low = low + up * gap / 2.0
    return left, low


def _cost(
    left: Floats,
    low: Floats,
    width: float,
    height: float,
    own: int,
    paths: Sequence[Floats],
    boxes: Sequence[Bbox],
    inside: Bbox,
) -> Floats:
    """Return what each box costs: what it covers, and how near it is to lines of others."""
    right, top = left + width, low + height
    over = np.maximum(inside.x0 - left, 0.0) + np.maximum(right - inside.x1, 0.0)
    over += np.maximum(inside.y0 - low, 0.0) + np.maximum(top - inside.y1, 0.0)
    cost = 50.0 * over
    for box in boxes:
        across = np.minimum(right, box.x1 + 4.0) - np.maximum(left, box.x0 - 4.0)
        up = np.minimum(top, box.y1 + 3.0) - np.maximum(low, box.y0 - 3.0)
        cost += np.where((across > 0.0) & (up > 0.0), 1000.0 + across * up, 0.0)
    for j, path in enumerate(paths):
        if not len(path):
            continue
        dx = np.maximum(np.maximum(left[:, None] - path[:, 0], path[:, 0] - right[:, None]), 0.0)
        dy = np.maximum(np.maximum(low[:, None] - path[:, 1], path[:, 1] - top[:, None]), 0.0)
        away = np.hypot(dx, dy)
        # a corner may be half a step from the nearest point
        cost += 12.0 * np.count_nonzero(away <= _STEP / 2.0, axis=1)
        if j != own:  # a label must be nearer to its own line than to any other
            cost += 35.0 * np.clip(1.0 - away.min(axis=1) / 24.0, 0.0, 1.0)
    return np.asarray(cost)
