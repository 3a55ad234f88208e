"""How every figure looks: colours with dashes and marks, units on the axes, nothing set globally.

The colours are those of Okabe and Ito (2008, "Color Universal Design", jfly.uni-koeln.de/color),
chosen so that colour-blind readers tell them apart; Wong (2011, Nature Methods 8:441) made them
known.  A colour is never the only sign: the first six lines differ in colour, in dashes and in
marks.  Yellow is left out, because it cannot be seen on white, and black is kept for theory.
Orange and sky blue, which are light too (2.3 to 1 on white), come last.
Labels are written in a darkened shade of their line's colour, which has the contrast of 4.5 to 1
that the Web Content Accessibility Guidelines (WCAG 2.1, 1.4.3) ask of text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ..errors import PlotError

__all__ = [
    "BLACK",
    "GREY",
    "HALO",
    "Look",
    "Unit",
    "axes_or_new",
    "contrast",
    "duration",
    "figure_of",
    "ink",
    "look",
    "number",
    "round_time",
    "round_up",
    "seconds",
    "theory_look",
    "time_unit",
    "tint",
    "unit_of",
]

# Blue, vermillion, bluish green, reddish purple, orange, sky blue: the darkest first.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BLACK = "#000000"
GREY = "#6F6F6F"
MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (6, 2),
    (1.2, 1.4),
    (8, 2, 1.2, 2),
    (3, 1.2),
    (8, 2, 1.2, 2, 1.2, 2),
)
_THEORY_DASHES: tuple[tuple[float, ...], ...] = ((4, 2.5), (1.2, 1.8), (9, 3), (6, 2, 1.2, 2))

LABEL_SIZE, TICK_SIZE, TEXT_SIZE, SMALL_SIZE = 11.0, 10.0, 10.0, 9.0
WIDTH, HEIGHT = 7.2, 4.2
# around text, so that a line behind it does not make it illegible
HALO = [withStroke(linewidth=3.0, foreground="white", alpha=0.85)]

LineStyle = str | tuple[float, Sequence[float]]


@dataclass(frozen=True)
class Look:
    """What a line looks like, so that it can be told from all others in a figure."""

    colour: str
    dashes: tuple[float, ...]
    marker: str

    @property
    def linestyle(self) -> LineStyle:
        """The dashes as matplotlib takes them."""
        return (0.0, self.dashes) if self.dashes else "-"


def look(index: int) -> Look:
    """Return the look of line number `index`: 36 different ones, then again from the first.

    The first six differ from one another in all of colour, dashes and mark.

    Examples
    --------
    >>> look(0)
    Look(colour='#0072B2', dashes=(), marker='o')
    """
    n = len(PALETTE)
    colour, turn = index % n, index // n
    return Look(PALETTE[colour], _DASHES[(colour + turn) % n], MARKERS[(colour + turn) % n])


def theory_look(index: int) -> Look:
    """Return the look of theory line number `index`: black, by dashes alone told apart."""
    return Look(BLACK, _THEORY_DASHES[index % len(_THEORY_DASHES)], MARKERS[index % len(MARKERS)])


def _luminance(colour: str) -> float:
    """Return the relative luminance as WCAG 2.1 defines it, 0 for black to 1 for white."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, background: str = "#FFFFFF") -> float:
    """Return the contrast ratio of two colours (WCAG 2.1): 1 for none, 21 for black on white.

    Examples
    --------
    >>> contrast("#000000"), contrast("#FFFFFF")
    (21.0, 1.0)
    """
    dark, light = sorted((_luminance(colour), _luminance(background)))
    return (light + 0.05) / (dark + 0.05)


def ink(colour: str) -> str:
    """Return `colour`, darkened until text in it can be read on white.

    Examples
    --------
    >>> contrast(ink("#E69F00")) >= 4.5
    True
    """
    red, green, blue = to_rgb(colour)
    share = 1.0
    while contrast(darker := to_hex((red * share, green * share, blue * share))) < 4.5:
        share -= 0.02
    return darker


def tint(colour: str, share: float = 0.18) -> str:
    """Return a light shade of `colour`, for areas under text."""
    red, green, blue = (1.0 - share * (1.0 - c) for c in to_rgb(colour))
    return to_hex((red, green, blue))


# -- units -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """What values are multiplied by to be shown, and what is written beside them."""

    scale: float
    name: str

    def label(self, what: str) -> str:
        """Return the label of an axis."""
        return f"{what} ({self.name})" if self.name else what

    def value(self, value: float) -> str:
        """Return `value` with its unit, three significant digits."""
        return f"{number(value * self.scale)} {self.name}".rstrip()


_TIMES = {"s": Unit(1.0, "s"), "ms": Unit(1e3, "ms"), "us": Unit(1e6, "µs")}


def time_unit(function: str, unit: str) -> Unit:
    """Return a unit in which seconds are shown."""
    if unit not in _TIMES:
        raise PlotError(
            f"{function}, unit: is {unit!r}; allowed are {', '.join(map(repr, _TIMES))}"
        )
    return _TIMES[unit]


def unit_of(unit: str) -> Unit:
    """Return a unit for anything: times and shares are scaled, other units only named."""
    return {**_TIMES, "%": Unit(100.0, "%")}.get(unit) or Unit(1.0, unit)


def seconds(span: float) -> Unit:
    """Return the unit in which a stretch of `span` seconds is best read.

    Examples
    --------
    >>> seconds(0.5).name, seconds(90.0).name, seconds(7200.0).name, seconds(86400.0).name
    ('ms', 's', 'min', 'h')
    """
    if span < 1.0:
        return _TIMES["ms"]
    if span <= 900.0:
        return _TIMES["s"]
    return Unit(1 / 60.0, "min") if span <= 3 * 3600.0 else Unit(1 / 3600.0, "h")


def duration(time: float) -> str:
    """Return how long it is, in words for people.

    Examples
    --------
    >>> duration(0.02), duration(0.5), duration(900.0), duration(14400.0)
    ('20 ms', '0.5 s', '15 min', '4 h')
    """
    if time < 0.1:
        return _TIMES["ms"].value(time)
    if time <= 120.0:
        return _TIMES["s"].value(time)
    return seconds(max(time, 901.0)).value(time)


def number(value: float) -> str:
    """Return three significant digits, without an exponent where one can do without.

    Examples
    --------
    >>> number(20954.0), number(0.012345), number(100.0), number(3.0e-7), number(41.96)
    ('20954', '0.0123', '100', '3e-07', '42')
    """
    if not math.isfinite(value):
        return str(value).replace("inf", "∞")
    if abs(value) >= 100.0:
        return f"{value:.0f}" if abs(value) < 1e7 else f"{value:.3g}"
    return f"{value:.3g}"


def round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 and so on, at any power of ten.

    Examples
    --------
    >>> round_up(0.3), round_up(12.0), round_up(5.0)
    (0.5, 20.0, 5.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= value * (1.0 - 1e-9))


def round_time(value: float) -> float:
    """Return the next round number of seconds, minutes or hours, in seconds.

    Examples
    --------
    >>> round_time(0.3), round_time(22.0), round_time(700.0), round_time(5000.0)
    (0.5, 30.0, 900.0, 7200.0)
    """
    if value <= 10.0:
        return round_up(value)
    rounds = (20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
    return next((float(r) for r in rounds if r >= value), 86400.0 * round_up(value / 86400.0))


# -- axes --------------------------------------------------------------------------------------


def axes_or_new(ax: Axes | None, height: float = HEIGHT, width: float = WIDTH) -> Axes:
    """Return `ax`, or the axes of a new figure, with the frame that all plots share."""
    if ax is None:
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    elif not isinstance(ax, Axes):
        raise PlotError(
            f"ax is a {type(ax).__name__}, but must be the axes to draw on; of several, "
            "as plt.subplots returns them, pick one"
        )
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(labelsize=TICK_SIZE)
    ax.set_axisbelow(True)
    return ax


def figure_of(ax: Axes) -> Figure:
    """Return the whole figure that axes belong to, also through figures inside figures."""
    inside: Any = ax
    while not isinstance(inside, Figure):
        inside = inside.figure
    return inside


def name_axes(ax: Axes, x: str, y: str) -> None:
    """Label both axes."""
    ax.set_xlabel(x, fontsize=LABEL_SIZE)
    ax.set_ylabel(y, fontsize=LABEL_SIZE)


def grid(ax: Axes, axis: Any = "both") -> None:
    """Draw faint lines to read values by."""
    ax.grid(True, axis=axis, which="major", color="#E4E4E4", linewidth=0.8)
