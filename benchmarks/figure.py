"""One figure of all speeds: a line for each workload, a mark for each side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mesh_lab.plots.style import BLACK, GREY, Look, ink, look

from .sides import COMPILED, PLAIN, SIDES, SIMPY, C

# the compiled engine and the plain script are what the figure is about: the two darkest
_LOOKS: dict[str, Look] = {
    COMPILED: look(0),
    PLAIN: look(1),
    SIMPY: look(2),
    C: Look(BLACK, (), "X"),
    **{peer: look(index) for index, peer in enumerate(SIDES[4:], start=3)},
}


def draw(speeds: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw requests per second by workload and side, and save it as PNG.

    Every side is named where it is first seen from above; on the right stands how many times the
    plain script the compiled engine does.
    """
    names = list(speeds)
    figure = Figure(figsize=(7.6, 1.4 + 0.27 * len(names)), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(names):
        found = list(speeds[name].values())
        axes.plot([min(found), max(found)], [row, row], color="0.85", linewidth=1.0, zorder=1)
        for side, speed in speeds[name].items():
            style = _LOOKS[side]
            axes.plot(speed, row, style.marker, color=style.colour, markersize=5.5, zorder=3)
    axes.set_xscale("log")
    axes.set_xlabel("requests per second of processor time")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _name_sides(axes, speeds)
    for row, name in enumerate(names):
        both = speeds[name]
        if COMPILED in both and PLAIN in both:
            times = f"{both[COMPILED] / both[PLAIN]:.0f} times"
            axes.text(1.01, row, times, transform=axes.get_yaxis_transform(), va="center", size=9)
    if any(COMPILED in both for both in speeds.values()):
        words = "compiled /\nplain"
        # below the last, since names of sides stand above the first
        foot = len(names) - 0.4
        axes.text(1.01, foot, words, transform=axes.get_yaxis_transform(), va="top", size=9)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=100)
    Image.open(drawn).quantize(64).save(path, optimize=True)  # few colours: a quarter of the size


def _name_sides(axes: Axes, speeds: Mapping[str, Mapping[str, float]]) -> None:
    """Write each side's name above its first mark, in three heights so that none meet."""
    first: dict[str, tuple[float, int]] = {}
    for row, found in enumerate(speeds.values()):
        for side, speed in found.items():
            first.setdefault(side, (speed, row))
    ordered: Sequence[str] = sorted(first, key=lambda side: first[side][0])
    for place, side in enumerate(ordered):
        colour = _LOOKS[side].colour
        axes.annotate(
            side,
            first[side],
            xytext=(first[side][0], -0.9 - 0.9 * (place % 3)),
            annotation_clip=False,
            ha="center",
            va="bottom",
            size=9,
            color=ink(colour) if colour != BLACK else BLACK,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkB": 3},
        )
