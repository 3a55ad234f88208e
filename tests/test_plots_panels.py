"""Plots as panels of one figure: what is said once, and what stands in nobody's way."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from mesh_lab import plots

from .plotted import LONG, SHORT, data, line_of

Draw = Callable[[Axes], Axes]
OVER_TIME: list[Draw] = [
    lambda ax: plots.arrivals(LONG, ax=ax),
    lambda ax: plots.queue(LONG, "orders", ax=ax),
]


@pytest.mark.parametrize("draw", OVER_TIME)
@pytest.mark.parametrize("sharex", [True, "col"])
def test_only_the_lowest_of_panels_that_share_time_names_it(draw: Draw, sharex: str) -> None:
    _, panels = plt.subplots(3, 2, sharex=sharex)
    assert [draw(ax).get_xlabel() for ax in panels.flat] == [""] * 4 + ["time (s)"] * 2


@pytest.mark.parametrize("draw", OVER_TIME)
def test_panels_that_do_not_share_time_all_name_it(draw: Draw) -> None:
    for sharex in (False, "row"):  # a row is shared, but each panel has its own numbers
        _, panels = plt.subplots(2, 2, sharex=sharex)
        lowest = panels[1]
        assert [draw(ax).get_xlabel() for ax in lowest] == ["time (s)"] * 2
    _, panels = plt.subplots(2, 1)
    assert [draw(ax).get_xlabel() for ax in panels] == ["time (s)"] * 2
    _, ax = plt.subplots()
    assert draw(ax).get_xlabel() == "time (s)"


def test_axes_that_share_time_without_a_grid_between_them() -> None:
    figure = plt.figure()
    upper = figure.add_axes((0.1, 0.6, 0.8, 0.3))
    lower = figure.add_axes((0.1, 0.1, 0.8, 0.3), sharex=upper)
    assert plots.queue(SHORT, "orders", ax=upper).get_xlabel() == "time (s)"  # it has numbers
    upper.tick_params(labelbottom=False)
    assert plots.queue(SHORT, "orders", ax=upper).get_xlabel() == ""
    assert plots.queue(SHORT, "orders", ax=lower).get_xlabel() == "time (s)"


@pytest.mark.parametrize("width", [2.5, 4.0, 7.0, 12.0])
def test_titles_of_a_queue_do_not_meet(width: float) -> None:
    figure, ax = plt.subplots(figsize=(width, 3.0), layout="constrained")
    plots.queue(LONG, "orders", ax=ax)
    figure.draw_without_rendering()
    name, note = ax._left_title, ax._right_title
    assert name.get_text() == "orders"
    assert bool(note.get_text()) is (width >= 7.0)
    assert not name.get_window_extent().overlaps(note.get_window_extent()) or not note.get_text()


def test_a_queue_says_in_two_digits_what_it_averages_over() -> None:
    ax = plots.queue(LONG, "orders", window=(60.0, 119.4))  # columns of 0.396 s
    assert ax.get_ylabel().endswith(",\naverages over 0.4 s")
    assert "averages" not in plots.queue(SHORT, "orders").get_ylabel()


def test_the_only_line_of_a_queue_is_named_by_its_axis() -> None:
    ax = plots.queue(LONG, "orders", show="waiting")
    assert not ax.texts
    assert ax.get_ylabel().startswith("requests waiting")
    ax = plots.queue(LONG, "orders", show="waiting", mean=True)
    assert [text.get_text().split(",")[0] for text in ax.texts] == ["waiting"]


@pytest.mark.parametrize("window", [None, (100.0, 130.0), (300.0, 400.0), (20.0, 24.0)])
def test_the_label_of_waiting_keeps_off_its_line(window: tuple[float, float] | None) -> None:
    ax = plots.queue(LONG, "orders", window=window)
    ax.figure.draw_without_rendering()
    (label,) = (text for text in ax.texts if text.get_text() == "waiting")
    box: Bbox = label.get_window_extent()
    corners = ax.transData.transform(np.column_stack(data(line_of(ax, "waiting"))))
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):  # each is level or upright
        piece = Bbox.from_extents(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        assert not (
            piece.x0 < box.x1 and piece.x1 > box.x0 and piece.y0 < box.y1 and piece.y1 > box.y0
        )


@pytest.mark.parametrize("window", [(0.0, 30.0), (100.0, 130.0), (0.0, 500.0)])
def test_numbers_waiting_are_ticked_in_steps_of_1_2_or_5(window: tuple[float, float]) -> None:
    steps = np.diff(plots.queue(LONG, "orders", window=window).get_yticks())
    leading = steps / 10.0 ** np.floor(np.log10(steps) + 1e-6)
    assert all(np.isclose(step, [1.0, 2.0, 5.0]).any() for step in leading)
    assert np.all(steps == np.round(steps))
