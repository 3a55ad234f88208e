"""How long requests took: what is drawn is what the run says."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes

import mesh_lab as ml
from mesh_lab import plots

from .plotted import LONG, MS, SHORT, TURNED_AWAY, data, line_of, mm1

# -- tail -----------------------------------------------------------------------------------------


def test_tail_is_the_share_that_took_longer_than_anything_shorter() -> None:
    took = TURNED_AWAY.requests.query("outcome == 'ok' and arrival >= 20")["latency"].to_numpy()
    ax = plots.tail({"it": TURNED_AWAY})
    assert ax.get_ylabel() == "share that took longer"
    x, share = data(line_of(ax, "it"))
    assert x[-1] == took.max() * MS
    assert len(x) > 100
    for at, part in zip(x / MS, share, strict=True):
        # upper corners: the share just before each value, which holds the value itself
        assert part == np.mean(took > at * (1.0 - 1e-12))


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


@pytest.mark.parametrize("draw", [plots.tail, plots.histogram])
def test_theory_of_a_run_says_so_in_its_colour(draw: Callable[..., Axes]) -> None:
    tail = ml.theory.mm1(arrival_rate=40.0, service_rate=50.0).response_tail
    ax = draw({"a": SHORT, "b": LONG}, theory={"b": tail, "other": tail, "a": tail})
    for name in ("a", "b"):
        measured, theory = line_of(ax, name), line_of(ax, f"{name}, theory")
        assert measured.get_color() == theory.get_color()
        assert measured._unscaled_dash_pattern != theory._unscaled_dash_pattern
        assert theory.get_linewidth() < measured.get_linewidth()
    looks = {
        (str(line._unscaled_dash_pattern), line.get_linewidth())
        for line in ax.lines
        if line.get_label() in ("a, theory", "b, theory", "other")
    }
    assert len(looks) == 1
    assert line_of(ax, "other").get_color() == "#000000"
    written = [text.get_text().split("\n")[0] for text in ax.texts]
    for words in ("a", "b", "a, theory", "b, theory", "other"):
        assert written.count(words) == 1


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


# -- histogram ------------------------------------------------------------------------------------


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
