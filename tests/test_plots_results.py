"""Results side by side: what is drawn is what was given."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mesh_lab import plots
from mesh_lab.statistics import Interval

from .plotted import SHORT, TURNED_AWAY, data, line_of


def interval(estimate: float, half: float, *, trusted: bool = True) -> Interval:
    return Interval(
        estimate, estimate - half, estimate + half, confidence=0.95, n=20, trusted=trusted
    )


def test_points_stand_at_their_load_with_their_limits() -> None:
    points = {0.8: interval(0.1, 0.01), 0.5: interval(0.04, 0.002, trusted=False), 0.3: 0.03}
    ax = plots.utilisation_curve({"it": points}, theory={"it": lambda u: 0.02 / (1 - u)})
    marks = [line for line in ax.lines if line.get_label() == "_estimate"]
    assert [(*m.get_xdata(), *m.get_ydata()) for m in marks] == [(30, 30), (50, 40), (80, 100)]
    assert [m.get_markerfacecolor() == "white" for m in marks] == [False, True, False]
    limits = [line for line in ax.lines if line.get_label() == "_interval"]
    assert [list(line.get_ydata()) for line in limits] == [
        pytest.approx([38.0, 42.0]),
        pytest.approx([90.0, 110.0]),
    ]
    x, y = data(next(line for line in ax.lines if line.get_label() == "it, theory"))
    np.testing.assert_allclose(y, 20.0 / (1.0 - x / 100.0))
    assert ax.get_ylim()[0] == 0.0
    assert ax.get_title(loc="right") == "open marks: not trusted"
    assert "50 % busy: 40 ms (38 to 42, not trusted)" in plots.describe(ax)


def test_load_curves_take_pairs_and_sweeps_and_theory_alone() -> None:
    ax = plots.utilisation_curve([(0.5, 0.04), (0.8, 0.1)])
    assert data(line_of(ax, "mean response time"))[0].tolist() == [50.0, 80.0]
    ax = plots.utilisation_curve(theory={"M/M/1": lambda u: 0.02 / (1 - u)}, upto=0.9)
    assert data(line_of(ax, "M/M/1"))[0][-1] == 90.0
    assert "90 % busy: 200 ms" in plots.describe(ax)


def test_a_comparison_has_a_row_a_result() -> None:
    results = {
        "fifo": interval(0.1, 0.004),
        "lifo": interval(0.11, 0.02, trusted=False),
        "short": Interval(0.09, 0.05, math.inf, confidence=0.95, n=3, trusted=False),
    }
    ax = plots.comparison(results, reference={"fifo": 0.099})
    assert [label.get_text() for label in ax.get_yticklabels()] == list(results)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top
    marks = [line for line in ax.lines if line.get_label() == "_estimate"]
    assert [m.get_xdata()[0] for m in marks] == pytest.approx([100.0, 110.0, 90.0])
    assert [m.get_ydata()[0] for m in marks] == [0.0, 1.0, 2.0]
    assert [m.get_markerfacecolor() == "white" for m in marks] == [False, True, True]
    limits = [line.get_xdata() for line in ax.lines if line.get_label() == "_interval"]
    assert limits[0] == pytest.approx((96.0, 104.0))
    assert limits[2] == pytest.approx((50.0, ax.get_xlim()[1]))
    (arrow,) = (line for line in ax.lines if line.get_label() == "_without limit")
    assert arrow.get_marker() == ">"
    assert line_of(ax, "theory of fifo").get_xdata()[0] == pytest.approx(99.0)
    assert "95 % intervals" in ax.get_xlabel()
    assert "110, not trusted" in [text.get_text() for text in ax.texts]


def test_a_reference_does_not_cross_out_a_number() -> None:
    ax = plots.comparison(
        {"a": interval(0.0399, 0.0025), "b": interval(0.0404, 3e-4)}, reference=0.0404
    )
    ax.figure.draw_without_rendering()
    (number,) = (text for text in ax.texts if text.get_text() == "40.4")
    reference = ax.lines[0]
    words, line = number.get_window_extent(), reference.get_window_extent()
    assert words.x0 < line.x0 < words.x1  # it would, but for what is behind the number
    behind = number.get_bbox_patch()
    assert behind is not None
    assert behind.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert number.get_zorder() > reference.get_zorder()
    paper = behind.get_window_extent()
    assert (paper.x0, paper.y0) <= (words.x0, words.y0)
    assert (paper.x1, paper.y1) >= (words.x1, words.y1)


@pytest.mark.parametrize("half", [1.1e-5, 2.7e-4, 2.9e-3, 0.0101, 0.031])
def test_a_comparison_is_ticked_in_steps_of_1_2_or_5(half: float) -> None:
    ax = plots.comparison({"a": interval(0.04, half)})
    steps = np.diff(ax.get_xticks())
    leading = steps / 10.0 ** np.floor(np.log10(steps) + 1e-6)
    assert all(np.isclose(step, [1.0, 2.0, 5.0]).any() for step in leading)


@pytest.mark.parametrize(
    ("unit", "shown", "named"),
    [("%", 10.0, "(%)"), ("requests/s", 0.1, "(requests/s)"), ("", 0.1, "time")],
)
def test_other_units_of_a_comparison(unit: str, shown: float, named: str) -> None:
    ax = plots.comparison({"a": 0.1}, unit=unit, what="time")
    assert line_of(ax, "_estimate").get_xdata()[0] == pytest.approx(shown)
    assert ax.get_xlabel().endswith(named)


def test_outcomes_are_shares_of_all_requests() -> None:
    ax = plots.outcomes({"room for 3": TURNED_AWAY, "no limit": SHORT})
    counts = TURNED_AWAY.requests["outcome"].value_counts(normalize=True)
    width = {
        container.get_label(): [bar.get_width() for bar in container] for container in ax.containers
    }
    assert width["ok"] == pytest.approx([100.0 * counts["ok"], 100.0])
    assert width["rejected"] == pytest.approx([100.0 * counts["rejected"], 0.0])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["room for 3", "no limit"]
