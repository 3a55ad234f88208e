"""Time against load: measured points with their intervals, and what theory says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..errors import PlotError
from ..statistics import Interval
from .given import Curves, curves
from .intervals import Value, as_interval, in_words, interval_mark
from .labels import Line, label_lines
from .shares import draw_theory
from .style import (
    GREY,
    SMALL_SIZE,
    Look,
    Unit,
    axes_or_new,
    grid,
    look,
    name_axes,
    number,
    time_unit,
)
from .telling import tell

__all__ = ["utilisation_curve"]

Group = list[tuple[float, Interval]]
Points = Mapping[float, Value] | Iterable[tuple[float, Value]]

_CURVE_POINTS = 300


def utilisation_curve(
    points: Points | Mapping[str, Points] | None = None,
    theory: Curves = None,
    ax: Axes | None = None,
    *,
    unit: str = "ms",
    what: str = "mean response time",
    upto: float | None = None,
) -> Axes:
    """Draw a time against the utilisation: measured points with their intervals, and theory.

    Parameters
    ----------
    points : mapping or iterable, optional
        From utilisation (0 to 1) to an `Interval`, or a number, in seconds; or pairs of them; or a
        mapping from label to either.
    theory : callable or mapping, optional
        Seconds as a function of the utilisation, or a mapping from label to functions.  One with
        the label of some points takes their colour.
    ax : Axes, optional
        Where to draw; a new figure by default.
    unit : str
        ``"s"``, ``"ms"`` or ``"us"``.
    what : str
        The name of the time axis.
    upto : float, optional
        The utilisation up to which theory is drawn; by default a little beyond the last point.

    Returns
    -------
    Axes
        The time axis begins at 0.

    Raises
    ------
    PlotError
        When there is nothing to draw, or a utilisation or time is impossible.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> def mm1(utilisation):
    ...     return ml.theory.mm1(arrival_rate=50.0 * utilisation, service_rate=50.0).response
    >>> ax = ml.plots.utilisation_curve({0.5: 0.0403, 0.8: 0.0987}, theory={"M/M/1": mm1})
    >>> print(ml.plots.describe(ax))
    50 % busy: 40.3 ms; 80 % busy: 98.7 ms
    """
    shown = time_unit("utilisation_curve", unit)
    groups = _groups(points)
    lines = curves("utilisation_curve", theory)
    if not groups and not lines:
        raise PlotError("utilisation_curve: there are no points and no theory to draw")
    last = max((u for group in groups.values() for u, _ in group), default=0.95)
    end = min(0.99, last + 0.02) if upto is None else upto
    if not 0.0 < end < 1.0:
        raise PlotError(f"utilisation_curve, upto: is {upto!r}, but must be between 0 and 1")
    x = np.linspace(0.01, end, _CURVE_POINTS)
    expected = {
        label: np.array([_time(label, curve, float(u)) for u in x]) * shown.scale
        for label, curve in lines.items()
    }
    ax = axes_or_new(ax)
    drawn = []
    for label, line in draw_theory(ax, 100.0 * x, expected, groups).items():
        if label in groups:
            line.label = ""  # the points beside it carry it
        drawn.append(line)
    for i, (label, group) in enumerate(groups.items()):
        joined = not lines  # where there is theory, it is the line through the points
        drawn.append(_points(ax, label, group, shown, look(i), label or what, joined=joined))
        told = [f"{number(100 * u)} % busy: {in_words(v, shown)}" for u, v in group]
        tell(ax, f"{label + ': ' if label else ''}{'; '.join(told)}")
    for label, curve in lines.items() if not groups else ():
        at = [u for u in (0.5, 0.8, 0.9, 0.95) if u <= end]
        told = [f"{number(100 * u)} % busy: {shown.value(_time(label, curve, u))}" for u in at]
        tell(ax, f"{label}: {'; '.join(told)}")
    values = [value for group in groups.values() for _, value in group]
    if not all(value.trusted for value in values):
        ax.set_title("open marks: not trusted", fontsize=SMALL_SIZE, color=GREY, loc="right")
    tops = [float(times[x <= last + 0.005].max(initial=0.0)) for times in expected.values()]
    tops += [end * shown.scale for value in values for end in (value.estimate, value.high)]
    ax.set_xlim(0.0, 100.0)
    ax.set_ylim(0.0, max(top for top in tops if math.isfinite(top)) * 1.08)
    name_axes(ax, "utilisation (%)", shown.label(what))
    grid(ax)
    label_lines(ax, drawn)
    return ax


def _points(
    ax: Axes,
    label: str,
    group: Group,
    shown: Unit,
    style: Look,
    name: str,
    *,
    joined: bool,
) -> Line:
    for u, value in group:
        interval_mark(ax, 100.0 * u, value, shown, style, upright=True)
    busy = 100.0 * np.array([u for u, _ in group])
    times = np.array([value.estimate for _, value in group]) * shown.scale
    ax.plot(
        busy,
        times,
        color=style.colour,
        linestyle=style.linestyle if joined else "none",
        linewidth=1.2,
        label=name,
    )
    return Line(busy, times, label, style.colour)


def _groups(points: Any) -> dict[str, Group]:
    """Return label -> pairs of utilisation and interval, in order of utilisation."""
    if points is None:
        return {}
    several = isinstance(points, Mapping) and any(isinstance(key, str) for key in points)
    groups = points if several else {"": points}
    found = {}
    for label, group in groups.items():
        pairs = list(group.items() if isinstance(group, Mapping) else group)
        for pair in pairs:
            if not isinstance(pair, Sequence) or len(pair) != 2 or not _is_share(pair[0]):
                raise PlotError(
                    f"utilisation_curve, points: {pair!r} is not a pair of a utilisation, between "
                    "0 and 1, and an Interval or number of seconds"
                )
        pairs.sort(key=lambda pair: float(pair[0]))
        if pairs:
            found[str(label)] = [(float(u), as_interval(value)) for u, value in pairs]
    return found


def _is_share(value: object) -> bool:
    return isinstance(value, int | float | np.number) and 0.0 <= float(value) <= 1.0


def _time(label: str, curve: Callable[[float], Any], utilisation: float) -> float:
    value = float(curve(utilisation))
    if not (math.isfinite(value) and value >= 0.0):
        raise PlotError(
            f"utilisation_curve, theory: {label!r} gave {value} at utilisation {utilisation:g}, "
            "but must give seconds"
        )
    return value
