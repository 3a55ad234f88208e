"""What cannot be drawn is refused in words, and leaves no empty figure behind."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import pytest

import mesh_lab as ml
from mesh_lab import plots

from .plotted import SHORT, every


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
