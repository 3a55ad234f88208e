"""Results side by side, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ..errors import PlotError
from .intervals import Value, as_interval, in_words, interval_mark
from .panels import round_ticks
from .style import (
    BLACK,
    GREY,
    LABEL_SIZE,
    SMALL_SIZE,
    TEXT_SIZE,
    axes_or_new,
    grid,
    look,
    number,
    unit_of,
)
from .telling import tell

__all__ = ["comparison"]


def comparison(
    results: Mapping[str, Value],
    ax: Axes | None = None,
    unit: str = "ms",
    *,
    reference: float | Mapping[str, float] | None = None,
    reference_label: str = "theory",
    what: str = "mean response time",
) -> Axes:
    """Draw estimates one below the other, each with its interval.

    Parameters
    ----------
    results : mapping
        From label to an `Interval`, or a number.  An interval that is not trusted gets an open
        mark and says so; one without a finite limit ends in an arrow.
    ax : Axes, optional
        Where to draw; a new figure by default.
    unit : str
        ``"s"``, ``"ms"`` and ``"us"`` show seconds, ``"%"`` shows shares of 1, and any other text
        names the unit that the numbers have already.
    reference : float or mapping, optional
        What the estimates are to be compared with: one value, or one for some of the labels.
    reference_label : str
        What the reference is.
    what : str
        The name of the axis.

    Returns
    -------
    Axes
        One row a result, the first on top.  The axis need not begin at 0, since positions and not
        lengths are compared.

    Raises
    ------
    PlotError
        When there is nothing to draw, or a reference has a label that no result has.
    """
    if not isinstance(results, Mapping) or not results:
        raise PlotError("comparison, results: must be a mapping label -> Interval, not empty")
    shown = unit_of(unit)
    values = {str(label): as_interval(value) for label, value in results.items()}
    references = reference if isinstance(reference, Mapping) else {}
    for label in references:
        if label not in values:
            raise PlotError(
                f"comparison, reference: there is no result {label!r}; there are: "
                f"{', '.join(map(repr, values))}"
            )
    ax = axes_or_new(ax, height=1.3 + 0.45 * len(values))
    rows = np.arange(len(values), dtype=np.float64)
    known = [v for i in values.values() for v in (i.low, i.estimate, i.high) if math.isfinite(v)]
    known += [float(v) for v in references.values()]
    if isinstance(reference, int | float):
        known.append(float(reference))
        ax.axvline(reference * shown.scale, color=BLACK, linewidth=1.2, dashes=(4, 2.5), zorder=1)
    low, high = min(known) * shown.scale, max(known) * shown.scale
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    ax.set_xlim(low - room, high + room)
    ax.set_ylim(len(values) - 0.4, -0.75 if reference is not None else -0.6)
    for row, (label, value) in zip(rows, values.items(), strict=True):
        interval_mark(ax, row, value, shown, look(0), upright=False)
        doubt = "" if value.trusted else ", not trusted"
        ax.annotate(
            f"{number(value.estimate * shown.scale)}{doubt}",
            xy=(value.estimate * shown.scale, row),
            xytext=(0, 15 if label in references else 8),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL_SIZE,
            color=BLACK if value.trusted else GREY,
            # the line of the reference stops at the number instead of crossing it out
            bbox={"boxstyle": "square,pad=0.25", "fc": "white", "ec": "none"},
        )
        if label in references:
            ax.plot(
                [references[label] * shown.scale],
                [row],
                marker="|",
                markersize=24,
                markeredgewidth=2.0,
                color=BLACK,
                linestyle="none",
                label=f"{reference_label} of {label}",
                zorder=2.2,
            )
        versus = references.get(label, reference if isinstance(reference, int | float) else None)
        beside = "" if versus is None else f"; {reference_label} {shown.value(float(versus))}"
        tell(ax, f"{label}: {in_words(value, shown)}{beside}")
    ax.set_yticks(rows, list(values), parse_math=False)
    ax.tick_params(axis="y", length=0, labelsize=TEXT_SIZE)
    if reference is not None:
        first = reference if isinstance(reference, int | float) else next(iter(references.values()))
        ax.annotate(
            reference_label,
            xy=(float(first) * shown.scale, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL_SIZE,
        )
    sure = {value.confidence for value in values.values() if value.high > value.low}
    with_confidence = f", {number(100 * sure.pop())} % intervals" if len(sure) == 1 else ""
    ax.set_xlabel(shown.label(what) + with_confidence, fontsize=LABEL_SIZE)
    ax.xaxis.set_major_locator(round_ticks(7))
    grid(ax, "x")
    return ax
