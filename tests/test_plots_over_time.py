"""Queues, arrivals and one request's life: what is drawn is what the run says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

import mesh_lab as ml
from mesh_lab import plots
from mesh_lab.plots.envelope import clipped, envelope

from .plotted import LONG, SHORT, TURNED_AWAY, data, every, line_of

# -- queue ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["waiting", "busy"])
def test_a_short_queue_is_drawn_change_by_change(which: str) -> None:
    ax = plots.queue(SHORT, "orders")
    x, y = data(line_of(ax, which))
    table = SHORT.timeline("orders")
    assert ax.get_xlabel() == "time (s)"
    for time, value in zip(table["time"][:-1], table[which][:-1], strict=True):
        after = np.flatnonzero(x <= time)[-1]
        assert y[after] == value
    assert y.max() == table[which].max()
    assert x[-1] == SHORT.duration


@pytest.mark.parametrize("which", ["waiting", "busy"])
def test_a_long_queue_keeps_every_peak_and_its_averages(which: str) -> None:
    ax = plots.queue(LONG, "orders", mean=True)
    table = LONG.timeline("orders")
    time, values = table["time"].to_numpy(), table[which].to_numpy()
    x, mean = data(line_of(ax, which))
    edges = np.append(x[::2], x[-1])
    assert len(edges) == 151
    (area,) = (c for c in ax.collections if c.get_label() == f"_range of {which}")
    corners = area.get_paths()[0].vertices
    for i in (0, 17, 80, 149):
        low, high = edges[i], edges[i + 1]
        held = values[np.searchsorted(time, low, side="right") - 1]
        inner = values[(time > low) & (time < high)]
        middle = (low + high) / 2.0
        near = corners[np.abs(corners[:, 0] - middle) <= (high - low) / 2.0 + 1e-9]
        assert near[:, 1].max() >= max(held, inner.max())
        assert ml.statistics.time_average(time, values, low, high) == pytest.approx(mean[2 * i])
    assert corners[:, 1].max() == values.max()
    average = ml.statistics.time_average(time, values, 0.0, LONG.duration)
    assert f"{which} {average:.3g} on average, at most {values.max()}" in plots.describe(ax)
    assert any(f"{which}, {average:.3g} on average" in text.get_text() for text in ax.texts)


def test_a_window_and_a_replica_of_a_queue() -> None:
    service = ml.Service("orders", replicas=3, service_time=ml.Exponential(mean=0.06))
    scenario = ml.Scenario(ml.Poisson("shop", rate=40.0, to="orders"), service)
    run = ml.simulate(scenario, requests=300, seed=1)
    ax = plots.queue(run, "orders", endpoint=2, window=(1.0, 3.0), show="busy")
    x, y = data(line_of(ax, "busy"))
    assert (x[0], x[-1]) == (1.0, 3.0)
    assert y.max() == 1.0
    assert "replica 2" in ax.get_title(loc="left")
    time, _, busy = run.steps("orders", 2)
    average = ml.statistics.time_average(time, busy, 1.0, 3.0)
    assert f"busy {average:.3g} on average" in plots.describe(ax)


def test_a_queue_with_room_shows_how_much() -> None:
    ax = plots.queue(TURNED_AWAY, "orders", window=(0, 5))
    assert any(text.get_text() == "room for 3" for text in ax.texts)
    assert data(line_of(ax, "waiting"))[1].max() == 3.0


@settings(max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=60), st.integers(1, 9), st.data())
def test_an_envelope_is_what_a_step_function_did_in_each_column(
    values: list[int], columns: int, more: st.DataObject
) -> None:
    gaps = more.draw(st.lists(st.integers(1, 4), min_size=len(values), max_size=len(values)))
    time = np.cumsum([0, *gaps[:-1]]).astype(float)
    start, end = 0.5, float(time[-1]) + 1.0
    seen = envelope(time, np.array(values), start, end, columns)
    # whole-numbered times: a grid that hits none of them sees every stretch
    grid = np.linspace(start, end, 40 * columns * 7 + 1)
    grid = (grid[1:] + grid[:-1]) / 2.0
    held = np.array(values)[np.searchsorted(time, grid, side="right") - 1]
    for i, part in enumerate(np.split(held, columns)):
        assert seen.low[i] <= part.min()
        assert seen.high[i] >= part.max()
        inside = (time > seen.edges[i]) & (time < seen.edges[i + 1])
        possible = {*np.array(values)[inside].tolist(), part[0]}
        assert (seen.low[i], seen.high[i]) == (min(possible), max(possible))
        average = ml.statistics.time_average(
            time, np.array(values), seen.edges[i], seen.edges[i + 1]
        )
        assert seen.mean[i] == pytest.approx(average, abs=1e-9)
    cut_time, cut = clipped(time, np.array(values), start, end)
    assert (cut_time[0], cut_time[-1]) == (start, end)
    assert ml.statistics.time_average(cut_time, cut, start, end) == pytest.approx(
        ml.statistics.time_average(time, np.array(values), start, end)
    )


# -- arrivals -------------------------------------------------------------------------------------


def test_arrivals_are_counted_in_steps_and_marked_one_by_one() -> None:
    times = SHORT.requests["arrival"].to_numpy()
    ax = plots.arrivals({"shop": SHORT}, step=0.5, window=(2.0, 8.0))
    x, y = data(line_of(ax, "shop"))
    edges, rates = np.append(x[::2], x[-1]), y[::2]
    assert edges.tolist() == np.arange(2.0, 8.5, 0.5).tolist()
    for low, high, rate in zip(edges, edges[1:], rates, strict=False):
        assert rate == np.sum((times >= low) & (times < high)) / 0.5
    (marks,) = (c for c in ax.collections if isinstance(c, LineCollection))
    drawn = np.array([segment[0][0] for segment in marks.get_segments()])
    assert drawn.tolist() == times[(times >= 2.0) & (times <= 8.0)].tolist()
    assert all(segment[:, 1].max() < 0.0 for segment in marks.get_segments())
    assert "counted over 0.5 s" in ax.get_ylabel()


def test_each_source_of_a_run_has_a_line() -> None:
    both = (ml.Poisson("web", rate=9.0, to="-"), ml.Poisson("app", rate=3.0, to="-"))
    service = ml.Service("orders", service_time=ml.Exponential(mean=0.02))
    scenario = ml.Scenario(ml.Merge("all", sources=both, to="orders"), service)
    run = ml.simulate(scenario, until=30.0, seed=1)
    ax = plots.arrivals(run, source=["web", "app"], step=3.0)
    for name in ("web", "app"):
        x, y = data(line_of(ax, name))
        widths = np.diff(np.append(x[::2], x[-1]))
        assert np.sum(y[::2] * widths) == pytest.approx(np.sum(run.requests["source"] == name))
    with pytest.raises(ml.ScenarioError, match="not a source; there are: 'web', 'app'"):
        plots.arrivals(run, source="orders")


# -- one request ----------------------------------------------------------------------------------


def bars(ax: Axes) -> list[tuple[int, str, float, float]]:
    """Return (row, what, from, until), in ms."""
    return [
        (
            round(bar.get_y() + 0.3),
            str(bar.get_label()),
            round(bar.get_x(), 6),
            round(bar.get_x() + bar.get_width(), 6),
        )
        for bar in ax.patches
        if isinstance(bar, Rectangle)
    ]


def test_a_request_that_holds_its_worker_is_blocked_there() -> None:
    scenario = ml.Scenario(
        every(1.0, "front"),
        ml.Service("front", service_time=ml.Deterministic(value=0.5), to="inbox"),
        ml.Queue("inbox", capacity=1, overflow="block"),
        ml.Handler("mailer", source="inbox", work=ml.Deterministic(value=2.1)),
    )
    run = ml.simulate(scenario, requests=5, seed=1)
    # request 3 comes at 4, is done in front at 4.5; request 2 waits until 5.7 and works until 7.8
    ax = plots.request_timeline(run, 3)
    assert bars(ax) == [
        (0, "in service", 0.0, 500.0),
        (0, "blocked", 500.0, 1700.0),
        (1, "waiting", 1700.0, 3800.0),
        (1, "in service", 3800.0, 5900.0),
    ]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["front", "inbox"]
    assert ax.get_xlabel() == "time since request 3 arrived (ms)"
    assert "ok after 5900 ms" in plots.describe(ax)


def test_a_request_that_its_source_could_not_hand_over() -> None:
    service = ml.Service(
        "work", service_time=ml.Deterministic(value=1.6), capacity=0, overflow="block"
    )
    run = ml.simulate(ml.Scenario(every(1.0, "work"), service), requests=3, seed=1)
    ax = plots.request_timeline(run, 1)
    assert bars(ax) == [(0, "blocked", 0.0, 600.0), (0, "in service", 600.0, 2200.0)]


def test_a_request_that_waits_for_io_without_a_worker() -> None:
    scenario = ml.Scenario(
        every(0.1, "inbox"),
        ml.Queue("inbox"),
        ml.Handler(
            "mailer",
            source="inbox",
            work=ml.Deterministic(value=0.15),
            io=ml.Deterministic(value=0.5),
            mode="async",
        ),
    )
    run = ml.simulate(scenario, requests=3, seed=1)
    assert bars(plots.request_timeline(run, 1)) == [
        (0, "waiting", 0.0, 50.0),
        (0, "in service", 50.0, 200.0),
        (0, "waiting for I/O", 200.0, 700.0),
    ]


def test_a_request_still_there_and_one_turned_away() -> None:
    service = ml.Service("work", service_time=ml.Deterministic(value=1.6), capacity=1)
    run = ml.simulate(ml.Scenario(every(1.0, "work"), service), until=5.5, seed=1)
    assert run.requests["outcome"].tolist() == ["ok", "ok", "in_flight", "rejected", "in_flight"]
    ax = plots.request_timeline(run, 2)
    assert bars(ax) == [(0, "waiting", 0.0, 1200.0), (0, "in service", 1200.0, 2500.0)]
    ax = plots.request_timeline(run, 4)
    assert bars(ax) == [(0, "waiting", 0.0, 500.0)]
    assert "still in flight after 500 ms" in [text.get_text() for text in ax.texts]
    ax = plots.request_timeline(run, 3)
    assert bars(ax) == []
    assert "rejected after 0 ms" in plots.describe(ax)


@pytest.mark.parametrize("request_number", range(0, 500, 61))
def test_the_bars_of_a_request_add_up_to_its_latency(request_number: int) -> None:
    drawn = bars(plots.request_timeline(SHORT, request_number, unit="us"))
    latency = SHORT.requests["latency"][request_number]
    assert sum(end - start for _, _, start, end in drawn) == pytest.approx(latency * 1e6)
