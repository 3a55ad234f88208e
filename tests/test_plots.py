"""What plots draw is what the run says: the artists' data against the run's tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

import mesh_lab as ml
from mesh_lab import plots
from mesh_lab.plots.envelope import clipped, envelope
from mesh_lab.statistics import Interval

MS = 1e3


def mm1(requests: int, seed: int, warmup: float = 0.0, **fields: object) -> ml.Run:
    service = ml.Service("orders", service_time=ml.Exponential(mean=0.02), **fields)
    scenario = ml.Scenario(ml.Poisson("shop", rate=40.0, to="orders"), service)
    return ml.simulate(scenario, requests=requests, seed=seed, warmup=warmup)


SHORT = mm1(500, 1)
LONG = mm1(20_000, 1)
TURNED_AWAY = mm1(5_000, 1, warmup=20.0, capacity=3)


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    yield
    plt.close("all")


def line_of(ax: Axes, label: str) -> Line2D:
    (found,) = (line for line in ax.lines if line.get_label() == label)
    return found


def data(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


# -- tail --------------------------------------------------------------------------------------


def test_tail_is_the_share_that_took_at_least_so_long() -> None:
    took = TURNED_AWAY.requests.query("outcome == 'ok' and arrival >= 20")["latency"].to_numpy()
    x, share = data(line_of(plots.tail({"it": TURNED_AWAY}), "it"))
    assert x[-1] == took.max() * MS
    assert len(x) > 100
    for at, part in zip(x / MS, share, strict=True):
        # the values themselves are among the points, but for the rounding of the unit
        assert part == np.mean(took >= at * (1.0 - 1e-12))


@pytest.mark.parametrize(("unit", "scale"), [("s", 1.0), ("ms", 1e3), ("us", 1e6)])
def test_tail_shows_seconds_in_the_unit(unit: str, scale: float) -> None:
    ax = plots.tail(SHORT, unit=unit)
    x, _ = data(line_of(ax, "measured"))
    assert x[-1] == pytest.approx(SHORT.latencies().max() * scale, rel=1e-12)
    assert {"s": "(s)", "ms": "(ms)", "us": "(µs)"}[unit] in ax.get_xlabel()


def test_tail_marks_the_quantiles_that_the_run_has() -> None:
    ax = plots.tail({"it": LONG}, quantiles=(0.5, 0.99, 0.99999))
    x, share = data(line_of(ax, "_quantiles of it"))
    ordered = np.sort(LONG.latencies())
    # 20 000 values cannot tell which of them 99.999 % do not exceed
    assert x.tolist() == [ordered[9_999] * MS, ordered[19_799] * MS]
    assert share.tolist() == pytest.approx([0.5, 0.01])
    summary = LONG.summary().loc["shop"]
    assert x.tolist() == [summary["p50"] * MS, summary["p99"] * MS]
    assert f"p99 {summary['p99'] * MS:.0f} ms" in plots.describe(ax)


@pytest.mark.parametrize("axis", ["log", "linear"])
def test_tail_draws_theory_as_it_is(axis: str) -> None:
    theory = ml.theory.mm1(arrival_rate=40.0, service_rate=50.0)
    ax = plots.tail(LONG, theory={"M/M/1": theory.response_tail}, axis=axis)
    x, share = data(line_of(ax, "M/M/1"))
    drawn = ~np.isnan(share)
    assert drawn.sum() > 300
    np.testing.assert_allclose(share[drawn], np.exp(-10.0 * x[drawn] / MS), rtol=1e-9)
    assert ax.get_xscale() == axis
    assert ax.get_yscale() == "log"


def test_tail_calls_a_theory_that_takes_only_numbers() -> None:
    ax = plots.tail(SHORT, theory=lambda t: math.exp(-10.0 * t))
    _, share = data(line_of(ax, "theory"))
    assert np.nanmax(share) > 0.9


def test_theory_of_a_run_has_its_colour_and_other_dashes() -> None:
    tail = ml.theory.mm1(arrival_rate=40.0, service_rate=50.0).response_tail
    ax = plots.tail({"a": SHORT, "b": LONG}, theory={"b": tail, "other": tail})
    measured, theory = (line for line in ax.lines if line.get_label() == "b")
    assert measured.get_color() == theory.get_color()
    assert measured._unscaled_dash_pattern != theory._unscaled_dash_pattern
    assert line_of(ax, "other").get_color() == "#000000"


def test_tail_of_waits_of_which_some_are_zero() -> None:
    waits = LONG.waits("orders")
    x, share = data(line_of(plots.tail({"wait": waits}), "wait"))
    assert np.all(x > 0.0)
    assert share[0] == np.mean(waits >= x[0] / MS * (1 - 1e-12)) < 1.0
    x, share = data(line_of(plots.tail({"wait": waits}, axis="linear"), "wait"))
    assert (x[0], share[0]) == (0.0, 1.0)


def test_runs_in_a_list_are_called_by_their_seeds() -> None:
    ax = plots.tail([mm1(100, 1), mm1(100, 2)])
    assert {"seed 1", "seed 2"} <= {line.get_label() for line in ax.lines}


# -- histogram ---------------------------------------------------------------------------------


def test_histogram_shows_shares_of_all_requests() -> None:
    took = LONG.latencies()
    ax = plots.histogram({"it": LONG}, step=0.025)
    x, y = data(line_of(ax, "it"))
    edges, shares = x[::2] / MS, y[1:-1:2]
    np.testing.assert_allclose(np.diff(edges), 0.025)
    for low, high, share in zip(edges, edges[1:], shares, strict=False):
        inside = (took >= low - 1e-12) & (took < high - 1e-12)
        assert share == pytest.approx(100.0 * inside.mean(), abs=1e-9)
    beyond = 100.0 * np.mean(took > edges[-1])
    assert 0.0 < beyond <= 2.0
    assert f"{beyond:.2g} % took longer" in ax.get_xlabel()
    assert "25 ms" in ax.get_ylabel()
    assert ax.get_ylim()[0] == 0.0


def test_histogram_draws_what_theory_expects_of_each_step() -> None:
    ax = plots.histogram(LONG, theory={"M/M/1": lambda t: math.exp(-10.0 * t)}, step=0.05)
    x, y = data(line_of(ax, "M/M/1"))
    low = x / MS - 0.025
    np.testing.assert_allclose(y, 100.0 * (np.exp(-10 * low) - np.exp(-10 * (low + 0.05))))


# -- queue -------------------------------------------------------------------------------------


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


# -- arrivals ----------------------------------------------------------------------------------


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


# -- load, comparison, outcomes ----------------------------------------------------------------


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
    x, y = data(next(line for line in ax.lines if line.get_label() == "it"))
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


# -- one request -------------------------------------------------------------------------------


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


def every(seconds: float, to: str) -> ml.Renewal:
    return ml.Renewal("tick", gap=ml.Deterministic(value=seconds), to=to)


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


# -- what cannot be drawn ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plots.tail({}), "nothing to draw"),
        (lambda: plots.tail(7), "7 cannot be drawn; give a Run, an array"),
        (lambda: plots.tail("orders"), "'orders' cannot be drawn"),
        (lambda: plots.tail({"a": [0.1, -1.0]}), "'a' holds -1.0 at index 1"),
        (lambda: plots.tail({"a": []}), "shape (0,), but must be a column"),
        (lambda: plots.tail([0.0, 0.0]), "logarithmic axis"),
        (lambda: plots.tail([0.1], name="orders"), "no parts to name"),
        (lambda: plots.tail(SHORT, unit="h"), "unit: is 'h'; allowed are 's', 'ms', 'us'"),
        (lambda: plots.tail(SHORT, axis="square"), "axis: is 'square'"),
        (
            lambda: plots.tail(SHORT, quantiles=(99,)),
            "holds 99.0, but each must be between 0 and 1",
        ),
        (lambda: plots.tail(SHORT, theory=0.5), "'theory' is 0.5, but must be a function"),
        (lambda: plots.tail(SHORT, theory=lambda t: 7.0), "'theory' gave 7.0"),
        (lambda: plots.tail(SHORT.with_warmup(1e6)), "warm-up of 1e+06 s ended ok"),
        (lambda: plots.histogram(SHORT, step=0.0), "step: is 0.0"),
        (lambda: plots.histogram(SHORT, step=1e-9), "at most 2000"),
        (lambda: plots.queue([1.0], "orders"), "[1.0] is not a Run"),
        (lambda: plots.queue(SHORT, "orders", window=(3, 1)), "0 <= from < until"),
        (lambda: plots.queue(SHORT, "orders", window=5), "must be (from, until) in seconds"),
        (lambda: plots.queue(SHORT, "orders", window=(900, 999)), "nothing happened after"),
        (lambda: plots.queue(SHORT, "orders", endpoint=1), "has the replicas 0 to 0"),
        (lambda: plots.queue(SHORT, "orders", show=["idle"]), "allowed are 'waiting' and 'busy'"),
        (lambda: plots.arrivals(SHORT, step=0.0), "step: is 0.0"),
        (lambda: plots.arrivals([0.1], source=["a", "b"]), "needs one Run"),
        (lambda: plots.utilisation_curve(), "no points and no theory"),
        (lambda: plots.utilisation_curve({80: 0.1}), "between 0 and 1"),
        (lambda: plots.utilisation_curve(theory=lambda u: -1.0), "must give seconds"),
        (lambda: plots.utilisation_curve({0.5: 0.1}, upto=1.0), "upto: is 1.0"),
        (lambda: plots.comparison({}), "not empty"),
        (lambda: plots.comparison({"a": "b"}), "'b' cannot be drawn"),
        (lambda: plots.comparison({"a": math.nan}), "finite"),
        (lambda: plots.comparison({"a": 1.0}, reference={"b": 1.0}), "no result 'b'"),
        (lambda: plots.outcomes([[1.0], [2.0]]), "is not a Run"),
        (lambda: plots.request_timeline(SHORT, 500), "has the requests 0 to 499"),
        (lambda: plots.request_timeline(SHORT, -1), "has the requests 0 to 499"),
        (lambda: plots.request_timeline(SHORT, "first"), "must be a row of run.requests"),
        (lambda: plots.scenario(SHORT), "is not a Scenario"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(call: object, words: str) -> None:
    with pytest.raises(ml.PlotError) as refused:
        call()  # type: ignore[operator]
    assert words in str(refused.value)
    assert not plt.get_fignums()  # and leaves no empty figure behind


@pytest.mark.parametrize(
    "call",
    [
        lambda: plots.tail(SHORT, "oders"),
        lambda: plots.histogram(SHORT, "oders"),
        lambda: plots.queue(SHORT, "oders"),
        lambda: plots.outcomes(SHORT, name="oders"),
        lambda: plots.arrivals(SHORT, source="oders"),
    ],
)
def test_a_part_that_does_not_exist_is_named(call: object) -> None:
    with pytest.raises(ml.ScenarioError, match="no part 'oders'; did you mean 'orders'"):
        call()  # type: ignore[operator]
    assert not plt.get_fignums()


def test_a_source_has_no_queue() -> None:
    with pytest.raises(ml.ScenarioError, match="not a queue or service; there are: 'orders'"):
        plots.queue(SHORT, "shop")


def test_a_run_in_which_nothing_finished_says_what_did_happen() -> None:
    service = ml.Service("work", service_time=ml.Deterministic(value=100.0))
    run = ml.simulate(ml.Scenario(every(1.0, "work"), service), until=5.5, seed=1)
    with pytest.raises(ml.PlotError, match=r"no request ended ok.*5 in_flight"):
        plots.tail(run)
    empty = ml.simulate(ml.Scenario(every(1.0, "work"), service), until=0.5, seed=1)
    for draw in (plots.tail, plots.arrivals, plots.outcomes):
        with pytest.raises(ml.PlotError, match="no request arrived"):
            draw(empty)
    with pytest.raises(ml.PlotError, match="no request arrived"):
        plots.queue(empty, "work")
