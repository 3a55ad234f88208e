"""Where the boxes and arrows of a scenario's picture go, in inches, left to right.

`mesh_lab.plots.layout` says what is on which layer and in which order; here that becomes places.
An arrow leaves a box on its right and enters one on its left, each at a place of its own, and
passes between the boxes of the layers that it crosses; one that goes back runs below all boxes.
Requests that leave the scenario go to the right from the last layer, and upwards from others, out
of the way of what goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.path import Path

from .layout import Arrow, Layout, Spot

__all__ = [
    "Box",
    "Ends",
    "Passing",
    "Point",
    "along",
    "around",
    "onward",
    "place",
    "ports",
    "stops",
]

ACROSS, BETWEEN, THROUGH = 1.05, 0.3, 0.24  # between layers, between boxes, for a passing arrow
PORT, ROUND = 0.2, 0.1  # between arrows at one side of a box; the rounding of a corner
STUB, RISE = 0.45, 0.3  # the arrow of requests that leave: to the right, or upwards

Point = tuple[float, float]
Ends = tuple[Point, Point]
Passing = dict[Spot, tuple[float, float, float]]  # from left to right, at which height


@dataclass
class Box:
    """A box: how large it is and where its middle is.

    Parameters
    ----------
    width, height : float
        Inches.
    leaving : float
        The share of its requests that leave the scenario.
    """

    width: float
    height: float
    leaving: float = 0.0
    x: float = 0.0
    y: float = 0.0
    exit: Ends | None = None

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width / 2.0

    @property
    def left(self) -> float:
        """The left edge."""
        return self.x - self.width / 2.0

    @property
    def top(self) -> float:
        """The upper edge."""
        return self.y + self.height / 2.0

    @property
    def low(self) -> float:
        """The lower edge."""
        return self.y - self.height / 2.0


def place(plan: Layout, boxes: Mapping[str, Box]) -> Passing:
    """Give each box its place, layer by layer, each layer centred at height 0.

    Returns
    -------
    dict
        For each arrow that passes through a layer: from where to where, and at which height.
    """
    passing: Passing = {}
    left = 0.0
    for i, layer in enumerate(plan.layers):
        rise = RISE if i + 1 < len(plan.layers) else 0.0
        wide = max(boxes[spot].width if isinstance(spot, str) else 0.0 for spot in layer)
        above = [rise if isinstance(spot, str) and boxes[spot].leaving else 0.0 for spot in layer]
        heights = [boxes[spot].height if isinstance(spot, str) else THROUGH for spot in layer]
        # room above the first box does not push the layer down, so that chains stay straight
        y = above[0] + (sum(heights) + sum(above[1:]) + BETWEEN * (len(layer) - 1)) / 2.0
        for spot, height, room in zip(layer, heights, above, strict=True):
            y -= room + height / 2.0
            if isinstance(spot, str):
                box = boxes[spot]
                box.x, box.y = left + wide / 2.0, y
                if room:
                    x = box.right - min(0.3, box.width / 3.0)
                    box.exit = ((x, box.top), (x, box.top + RISE))
            else:
                passing[spot] = (left, left + wide, y)
            y -= height / 2.0 + BETWEEN
        left += wide + ACROSS
    return passing


def stops(plan: Layout, arrow: Arrow) -> list[Spot]:
    """Return the stand-ins of an arrow on the layers between its ends."""
    source, target = arrow
    return [(source, target, i) for i in range(plan.layer_of(source) + 1, plan.layer_of(target))]


def ports(
    arrows: Iterable[Arrow], plan: Layout, boxes: Mapping[str, Box], passing: Passing
) -> dict[Arrow, Ends]:
    """Return where each arrow leaves and enters, spread over the sides of the boxes.

    Arrows at one side are sorted by where they come from or go to, so that they do not cross
    there; those that go back are lowest.
    """
    known = list(arrows)

    def height(arrow: Arrow, other: str, stop: int) -> float:
        if arrow in plan.back:
            return -math.inf
        through = stops(plan, arrow)
        return passing[through[stop]][2] if through else boxes[other].y

    starts: dict[Arrow, Point] = {}
    finishes: dict[Arrow, Point] = {}
    for name, box in boxes.items():
        going = [arrow for arrow in known if arrow[0] == name]
        coming = [arrow for arrow in known if arrow[1] == name]
        going.sort(key=lambda arrow: -height(arrow, arrow[1], 0))
        coming.sort(key=lambda arrow: -height(arrow, arrow[0], -1))
        straight_out = box.leaving > 0.0 and box.exit is None
        heights = _spread(box, len(going) + straight_out)
        if straight_out:
            y = heights.pop(0)  # from the last layer all other arrows go back, below
            box.exit = ((box.right, y), (box.right + STUB, y))
        starts.update({a: (box.right, y) for a, y in zip(going, heights, strict=True)})
        heights = _spread(box, len(coming))
        finishes.update({a: (box.left, y) for a, y in zip(coming, heights, strict=True)})
    return {arrow: (starts[arrow], finishes[arrow]) for arrow in known}


def _spread(box: Box, n: int) -> list[float]:
    apart = min(PORT, box.height / (n + 1))
    return [box.y + apart * ((n - 1) / 2.0 - i) for i in range(n)]


def onward(start: Point, end: Point, through: Sequence[tuple[float, float, float]]) -> Path:
    """Return a path that is level where it leaves, passes through layers, and enters."""
    vertices, codes, here = [start], [Path.MOVETO], start
    for left, right, y in [*through, (end[0], end[0], end[1])]:
        half = (left - here[0]) / 2.0
        vertices += [(here[0] + half, here[1]), (left - half, y), (left, y)]
        codes += [Path.CURVE4] * 3
        if right > left:
            vertices.append((right, y))
            codes.append(Path.LINETO)
        here = (right, y)
    return Path(vertices, codes)


def around(start: Point, end: Point, lane: float, turn: float) -> Path:
    """Return a path that runs below everything, from right to left, with round corners.

    Parameters
    ----------
    lane : float
        The height at which it runs.
    turn : float
        How far from the boxes it goes down and up.
    """
    corners = [
        start,
        (start[0] + turn, start[1]),
        (start[0] + turn, lane),
        (end[0] - turn, lane),
        (end[0] - turn, end[1]),
        end,
    ]
    vertices, codes = [start], [Path.MOVETO]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        vertices += [_towards(corner, before), corner, _towards(corner, after)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, end], [*codes, Path.LINETO])


def _towards(corner: Point, other: Point) -> Point:
    """Return the point of a line to `other` where the rounding of its corner begins."""
    length = math.dist(corner, other) or 1.0
    share = min(ROUND, length / 2.0) / length
    return (
        corner[0] + share * (other[0] - corner[0]),
        corner[1] + share * (other[1] - corner[1]),
    )


def along(start: Point, end: Point, share: float) -> Point:
    """Return the point at a share of the curve of `onward` from `start` to `end`."""
    t, s = share, 1.0 - share
    middle = (start[0] + end[0]) / 2.0
    across = s**3 * start[0] + 3.0 * s * t * middle + t**3 * end[0]
    return across, (s**3 + 3.0 * s * s * t) * start[1] + (3.0 * s * t * t + t**3) * end[1]
