"""A scenario as a picture: a box for each part, an arrow for each way that requests go.

Requests go from left to right: sources first, then each part to the right of all that send to it.
Where requests come back, the arrow runs below the boxes, from right to left.  Positions are in
inches, so that boxes can be as large as what is written in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

from ..errors import PlotError
from ..mesh.routing import Route
from ..messaging.base import Channel, Subscriber
from ..messaging.queue import MessageQueue
from ..scenario import Part, Scenario
from ..sources.base import Source
from ..stations.calls import all_calls
from ..stations.handler import Handler
from ..stations.queue import Queue
from .boxes import kind, numbers, short_time
from .layout import Arrow, layered
from .placing import Box, Point, along, around, onward, place, ports, stops
from .style import BLACK, GREY, figure_of, look, number, tint
from .telling import tell

__all__ = ["scenario"]

_NAME, _TEXT, _SHARE = 11.0, 9.5, 9.0  # points
_LINE = 1.32  # the height of a line of text, as a multiple of its size
_PAD, _MARGIN, _LANE, _TURN = 0.14, 0.15, 0.24, 0.2  # inches
_RENDERED = 1.06  # on a screen, letters fitted to its pixels are up to so much wider
_WIDEST = 12.0
_LARGEST = 1.15

Lines = list[tuple[str, float, str]]  # what is written in a box: text, size, weight


def scenario(scenario: Scenario, ax: Axes | None = None, *, load: bool = False) -> Axes:
    """Draw the parts of a scenario and where requests go between them.

    Parameters
    ----------
    scenario : Scenario
        What to draw.
    ax : Axes, optional
        Where to draw; by default a new figure of the size that the drawing needs.
    load : bool
        Write into each queue and service how busy its workers will be, by `Scenario.check`, and
        which is the bottleneck.

    Returns
    -------
    Axes
        Without a frame.  An arrow with a share is taken by that share of the requests; an arrow
        into the open is where requests leave; one with two heads is a call, which is answered.

    Raises
    ------
    PlotError
        When it is not a scenario, or has no parts.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> parts = ml.Scenario(
    ...     ml.Poisson("shop", rate=30.0, to="orders"),
    ...     ml.Service("orders", replicas=2, service_time=ml.Exponential(mean=0.05)),
    ... )
    >>> print(ml.plots.describe(ml.plots.scenario(parts)))
    shop (Poisson source: 30 /s) sends to orders
    orders (service: 2 replicas of 1 worker, round robin, work 50 ms, scv 1)
    """
    if not isinstance(scenario, Scenario):
        raise PlotError(f"scenario: {scenario!r} is not a Scenario")
    parts: list[Part] = [
        *scenario.sources,
        *scenario.routes,
        *scenario.stations,
        *scenario.handlers,
        *scenario.channels,
        *scenario.subscribers,
    ]
    if not parts:
        raise PlotError("scenario: has no parts, so there is nothing to draw")
    loads = _loads(scenario) if load else {}
    texts = {part.name: _lines(part, loads.get(part.name, [])) for part in parts}
    called = scenario.called  # answers go back the way that calls came
    boxes = {
        part.name: _box(texts[part.name], 0.0 if part.name in called else _leaving(part))
        for part in parts
    }
    calls = _calls(scenario)
    arrows = {**_arrows(parts), **calls}
    plan = layered(list(boxes), list(arrows))
    passing = place(plan, boxes)
    ends = ports(arrows, plan, boxes, passing)
    back = [arrow for arrow in arrows if arrow in plan.back]
    between = [y for _, _, y in passing.values()]
    floor = min([box.low for box in boxes.values()] + between)
    lanes = {arrow: floor - _LANE * (i + 1.2) for i, arrow in enumerate(back)}
    ax, scale = _sheet(ax, boxes, lanes, between)
    for arrow, (start, end) in ends.items():
        if arrow in lanes:
            lane, turn = lanes[arrow], _turn(back.index(arrow))
            path = around(start, end, lane, turn)
            label_at = (start[0] - 0.2 * (start[0] - end[0]), lane)
        else:
            through = [passing[stop] for stop in stops(plan, arrow)]
            path = onward(start, end, through)
            first = (through[0][0], through[0][2]) if through else end
            label_at = along(start, first, 0.4)
        both = arrow in calls
        _arrow(ax, path, f"arrow:{arrow[0]}->{arrow[1]}", scale, both=both)
        share = arrows[arrow]
        if share is not None and share < 1.0 - 1e-9:
            _share(ax, label_at, share, scale)
    for part in parts:
        box, lines = boxes[part.name], texts[part.name]
        _draw(ax, part, box, lines, scale)
        _exit(ax, part, box, scale)
        tell(ax, _told(part, [*numbers(part), *loads.get(part.name, [])], arrows, calls))
    return ax


# -- what there is -------------------------------------------------------------------------------


def _arrows(parts: Sequence[Part]) -> dict[tuple[str, str], float | None]:
    """Return (from, to) -> the share that goes there; None from a queue to its handlers."""
    found: dict[tuple[str, str], float | None] = {}
    for part in parts:
        if isinstance(part, Queue):
            for other in parts:
                if isinstance(other, Handler) and other.source == part.name:
                    found[part.name, other.name] = None
        if isinstance(part, MessageQueue):
            if part.topic is not None:
                found[part.topic, part.name] = None
            if part.dead_letter is not None:
                found[part.name, part.dead_letter] = None
        if isinstance(part, Subscriber):
            found[part.source, part.name] = None
        if not isinstance(part, Route):
            for name, share in _onward_shares(part).items():
                found[part.name, name] = share
    return found


def _calls(scenario: Scenario) -> dict[Arrow, float | None]:
    """Return (caller, callee) -> how likely a request makes one of these calls at least."""
    found: dict[Arrow, float | None] = {}
    for part in scenario.crews:
        for call in all_calls(part.calls):
            before = found.get((part.name, call.service)) or 0.0
            found[part.name, call.service] = 1.0 - (1.0 - before) * (1.0 - call.probability)
    for route in scenario.routes:
        for name in route.services:
            found[route.name, name] = {**route.mirror, **_onward_shares(route)}.get(name)
    return found


def _onward_shares(part: Part) -> dict[str, float]:
    to = getattr(part, "to", None)
    if to is None:
        return {}
    if isinstance(to, tuple):
        return dict.fromkeys(to, 1.0)  # an answer to each
    return {to: 1.0} if isinstance(to, str) else dict(to)


def _loads(scenario: Scenario) -> dict[str, list[str]]:
    table = scenario.check()
    found = {}
    for name, row in table.to_dict("index").items():
        busy = float(row["utilisation"])
        served = scenario[str(name)]
        whose = "handlers " if isinstance(served, Queue) else ""
        whose = "consumers " if isinstance(served, MessageQueue) else whose
        words = "load unknown" if math.isnan(busy) else f"{whose}{number(100.0 * busy)} % busy"
        found[str(name)] = [words]
        if bool(row["bottleneck"]) and len(table) > 1:
            found[str(name)].append("bottleneck")
    return found


def _leaving(part: Part) -> float:
    """Return the share of finished requests that leave the scenario here."""
    if isinstance(part, Source | Queue | Channel | Subscriber | Route):
        return 0.0
    rest = 1.0 - sum(_onward_shares(part).values())
    return rest if rest > 1e-9 else 0.0


def _told(
    part: Part,
    lines: Sequence[str],
    arrows: Mapping[Arrow, float | None],
    calls: Mapping[Arrow, float | None],
) -> str:
    told = f"{part.name} ({kind(part)}: {', '.join(lines)})"
    verb = "sends to"
    if isinstance(part, Queue | Channel):
        verb = "is served by" if isinstance(part, Queue) else "goes to"
    for does, some in (
        ("calls", calls),
        (verb, {arrow: share for arrow, share in arrows.items() if arrow not in calls}),
    ):
        shares = [
            to if share is None or share == 1.0 else f"{to} ({number(100.0 * share)} %)"
            for (source, to), share in some.items()
            if source == part.name
        ]
        if shares:
            told = f"{told} {does} {', '.join(shares)}"
    return told


# -- drawing it ----------------------------------------------------------------------------------


def _lines(part: Part, more: Sequence[str]) -> Lines:
    lines = [(part.name, _NAME, "bold"), (kind(part), _TEXT, "normal")]
    lines += [(text, _TEXT, "normal") for text in numbers(part, short_time)]
    return lines + [(text, _TEXT, "bold") for text in more]


def _box(lines: Lines, leaving: float) -> Box:
    width = _RENDERED * max(_width(*line) for line in lines) + 2.0 * _PAD
    height = sum(size for _, size, _ in lines) * _LINE / 72.0 + 1.4 * _PAD
    return Box(max(width, 0.9), height, leaving)


def _width(text: str, size: float, weight: str) -> float:
    font = FontProperties(size=size, weight=weight)
    wide, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(wide) / 72.0


def _turn(lane: int) -> float:
    """Return how far from the boxes an arrow goes down to its lane."""
    return _TURN + 0.09 * lane


def _sheet(
    ax: Axes | None,
    boxes: Mapping[str, Box],
    lanes: Mapping[Arrow, float],
    between: Sequence[float],
) -> tuple[Axes, float]:
    """Return the axes, with limits in inches, and how much smaller than life it is drawn."""
    exits = [(box.exit[1], box.leaving) for box in boxes.values() if box.exit is not None]
    beside = [x + (0.5 if share < 1.0 else 0.0) for (x, _), share in exits]
    loops = _turn(len(lanes) - 1) if lanes else 0.0
    left = min(box.left for box in boxes.values()) - loops - _MARGIN
    right = max([*(box.right + loops for box in boxes.values()), *beside]) + _MARGIN
    heights = [*lanes.values(), *between, *(y for (_, y), _ in exits)]
    low = min([*(box.low for box in boxes.values()), *heights]) - _MARGIN
    top = max([*(box.top for box in boxes.values()), *heights]) + _MARGIN
    width, height = right - left, top - low
    if ax is None:
        scale = min(1.0, _WIDEST / width)
        figure = plt.figure(figsize=(width * scale, height * scale))
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    else:
        figure_of(ax).draw_without_rendering()
        size = ax.get_window_extent()
        across, up = size.width / figure_of(ax).dpi, size.height / figure_of(ax).dpi
        scale = min(across / width, up / height, _LARGEST)
        left -= (across / scale - width) / 2.0
        low -= (up / scale - height) / 2.0
        right, top = left + across / scale, low + up / scale
    ax.set_axis_off()
    ax.set_xlim(left, right)
    ax.set_ylim(low, top)
    return ax, scale


def _colour(part: Part) -> str:
    if isinstance(part, Source):
        return look(4).colour
    if isinstance(part, Queue | Channel):
        return look(5).colour
    return look(2).colour if isinstance(part, Handler | Subscriber) else look(0).colour


def _draw(ax: Axes, part: Part, box: Box, lines: Lines, scale: float) -> None:
    colour = _colour(part)
    rounding = 0.18 if isinstance(part, Source) else 0.05
    ax.add_patch(
        FancyBboxPatch(
            (box.left, box.low),
            box.width,
            box.height,
            boxstyle=f"round,pad=0,rounding_size={rounding}",
            facecolor=tint(colour),
            edgecolor=colour,
            linewidth=1.5 * scale,
            zorder=2,
            gid=f"part:{part.name}",
        )
    )
    y = box.y + sum(size for _, size, _ in lines) * _LINE / 144.0
    for i, (text, size, weight) in enumerate(lines):
        y -= size * _LINE / 144.0
        ax.text(
            box.x,
            y,
            text,
            ha="center",
            va="center",
            fontsize=size * scale,
            fontweight=weight,
            fontstyle="italic" if i == 1 else "normal",
            color=BLACK,
            zorder=3,
            parse_math=False,
        )
        y -= size * _LINE / 144.0


def _exit(ax: Axes, part: Part, box: Box, scale: float) -> None:
    """Draw the arrow of the requests that leave, with their share where it is not all."""
    if box.exit is None:
        return
    start, end = box.exit
    _arrow(ax, Path([start, end]), f"arrow:{part.name}->", scale)
    if box.leaving < 1.0:
        beside = end[0] + 0.06, end[1] if start[1] == end[1] else (start[1] + end[1]) / 2.0
        _share(ax, beside, box.leaving, scale, beside=True)


def _arrow(ax: Axes, path: Path, gid: str, scale: float, *, both: bool = False) -> None:
    """Draw an arrow; that of a call has two heads, because its answer comes back."""
    ax.add_patch(
        FancyArrowPatch(
            path=path,
            arrowstyle="<|-|>" if both else "-|>",
            mutation_scale=12.0 * scale,
            linewidth=1.2 * scale,
            color=GREY,
            shrinkA=0.0,
            shrinkB=0.0,
            zorder=1.5,
            gid=gid,
        )
    )


def _share(ax: Axes, at: Point, share: float, scale: float, *, beside: bool = False) -> None:
    ax.text(
        *at,
        f"{number(100.0 * share)} %",
        ha="left" if beside else "center",
        va="center",
        fontsize=_SHARE * scale,
        color=BLACK,
        zorder=4,
        bbox=None if beside else {"boxstyle": "square,pad=0.12", "fc": "white", "ec": "none"},
    )
