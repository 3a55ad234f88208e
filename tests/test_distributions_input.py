"""Distributions as values, histograms from monitoring, and what is refused with which words."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from mesh_lab.distributions import *  # noqa: F403  (so that eval(repr(d)) finds every family)
from mesh_lab.distributions import (
    BoundedPareto,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    Histogram,
    HyperExponential,
    LogNormal,
    Mixture,
    Uniform,
    Weibull,
)
from mesh_lab.errors import PartError
from tests.families import distributions


@given(distributions)
def test_a_distribution_is_a_value(d: Distribution) -> None:
    again = eval(repr(d))
    assert again == d
    assert hash(again) == hash(d)
    d.draw(np.random.default_rng(1), 3)  # computes what is derived from the fields
    copied = pickle.loads(pickle.dumps(d))
    assert copied == d
    assert set(vars(copied)) == set(d.__dataclass_fields__)  # type: ignore[attr-defined]
    assert np.array_equal(
        copied.draw(np.random.default_rng(2), 9), d.draw(np.random.default_rng(2), 9)
    )


def test_different_parameters_are_different_distributions() -> None:
    assert Exponential(mean=1.0) != Exponential(mean=2.0)
    gamma: Distribution = Gamma(mean=1.0, shape=2.0)
    assert gamma != Erlang(mean=1.0, stages=2)


def test_arrays_are_taken_as_the_numbers_they_hold() -> None:
    given_array: Any = np.array([1, 2, 3])
    assert Empirical(values=given_array) == Empirical(values=(1.0, 2.0, 3.0))


def test_long_ones_show_a_summary_that_is_no_expression() -> None:
    many = Empirical(values=tuple(np.linspace(0.0, 1.0, 101).tolist()))
    assert repr(many) == "<Empirical: 101 values, mean 0.5, scv 0.34>"
    with pytest.raises(SyntaxError):
        eval(repr(many))
    assert pickle.loads(pickle.dumps(many)) == many
    bounds = tuple(float(edge) for edge in range(102))
    assert repr(Histogram(bounds=bounds, counts=(1.0,) * 101)).startswith("<Histogram: 101 buckets")


def test_a_prometheus_histogram() -> None:
    bounds = [0.1, 0.5, 1.0, math.inf]
    with pytest.raises(PartError, match=r"last: is missing, but the bucket up to \+Inf holds 7 "):
        Empirical.from_histogram(bounds, [20, 80, 93, 100], cumulative=True)
    d = Empirical.from_histogram(bounds, [20, 80, 93, 100], cumulative=True, last=4.0)
    assert d == Histogram(bounds=(0.0, 0.1, 0.5, 1.0, 4.0), counts=(20, 60, 13, 7))
    assert d == Empirical.from_histogram(bounds, [20, 60, 13, 7], cumulative=False, last=4.0)
    # linear inside a bucket: 50 of 100 are below 0.1 + 0.4 * 30 / 60
    assert d.cdf(0.3) == pytest.approx(0.5, abs=1e-15)
    # an empty last bucket says that nothing was larger
    empty = Empirical.from_histogram(bounds, [20, 80, 100, 100], cumulative=True)
    assert empty == Histogram(bounds=(0.0, 0.1, 0.5, 1.0), counts=(20, 60, 20))
    later = Empirical.from_histogram([2.0], [5], cumulative=False, first=1.0)
    assert later == Histogram(bounds=(1.0, 2.0), counts=(5,))


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("bounds", "counts", "cumulative", "options", "problem"),
    [
        ([1, 2], [5, 3], True, {}, "counts: falls at bound 2.0, but cumulative counts never do"),
        ([1, 2], [5, -3], False, {}, r"counts\[1\]: is -3.0, but must be a number of at least 0"),
        ([1, 2], [5], False, {}, "counts: has 1 values, but bounds has 2"),
        ([], [], False, {}, "bounds: has the shape"),
        ([[1, 2]], [[1, 1]], False, {}, "bounds: has the shape"),
        ([1, "x"], [1, 1], False, {}, r"bounds: is \[1, 'x'\], but must be a list of numbers"),
        ([2, 1], [5, 3], False, {}, "bounds: must increase, but 1.0 comes after 2.0"),
        ([1, 1], [5, 3], False, {}, "bounds: must increase, but 1.0 comes after 1.0"),
        ([0, 1], [5, 3], False, {}, "bounds: must increase, but 0.0 comes after 0.0"),
        ([1, 2], [0, 0], False, {}, "counts: are all 0, but at least one must be positive"),
        ([1, INF], [1, 1], False, {"last": 1.0}, "bounds: must increase, but 1.0 comes after 1.0"),
        ([1, 2], [1, 1], False, {"last": 3.0}, r"last: is given, but there is no bucket up to \+I"),
        ([1, NAN], [1, 1], False, {}, r"bounds\[2\]: is nan, but must be a number of at least 0"),
        ([1, 2], [1, NAN], True, {}, r"counts\[1\]: is nan, but must be a number of at least 0"),
        ([1, 2], [1, 1], False, {"first": -1.0}, r"bounds\[0\]: is -1.0, but must be a number"),
        ([INF], [3], True, {}, r"last: is missing, but the bucket up to \+Inf holds 3 values"),
        ([INF, 1], [3, 4], True, {}, r"bounds\[1\]: is inf, but must be a number of at least 0"),
    ],
)
def test_histograms_that_make_no_sense(
    bounds: Any, counts: Any, cumulative: bool, options: Any, problem: str
) -> None:
    with pytest.raises(PartError, match=problem):
        Empirical.from_histogram(bounds, counts, cumulative=cumulative, **options)


def test_whether_counts_are_cumulative_must_be_said() -> None:
    with pytest.raises(TypeError, match="cumulative"):
        Empirical.from_histogram([1.0], [1])  # type: ignore[call-arg]


ONE = Exponential(mean=1.0)
HALVES = (0.5, 0.5)


@pytest.mark.parametrize(
    ("make", "fields", "problem"),
    [
        (Exponential, {"mean": 0.0}, "Exponential, mean: is 0.0, but must be a number above 0"),
        (Exponential, {"mean": INF}, r"mean: is inf, but must be a number above 0 \(and finite\)"),
        (
            Exponential,
            {"mean": 1e200},
            "Exponential: with these parameters the mean or the varianc",
        ),
        (
            Exponential,
            {"mean": 1e-200},
            "Exponential: with these parameters the mean or the varian",
        ),
        (Exponential, {"rate": 2.0}, "rate: is not a field of Exponential; it has: mean"),
        (Deterministic, {"value": -0.1}, "value: is -0.1, but must be a number of at least 0"),
        (Uniform, {"low": 2.0, "high": 1.0}, r"high: is 1.0, but must be above low \(2.0\)"),
        (Gamma, {"mean": 1.0, "shape": 0.0}, "shape: is 0.0, but must be a number above 0"),
        (Erlang, {"mean": 1.0, "stages": 2.5}, "stages: is 2.5, but must be an integer of at leas"),
        (Erlang, {"mean": 1.0, "stages": 0}, "stages: is 0, but must be an integer of at least 1"),
        (LogNormal, {"mean": 1.0, "scv": 0.0}, "scv: is 0.0, but must be a number above 0"),
        (
            Weibull,
            {"mean": 1.0, "shape": 0.004},
            "shape: is 0.004, but must be a number from 0.01 to",
        ),
        (BoundedPareto, {"low": 1.0, "high": 1.0, "alpha": 1.0}, "high: is 1.0, but must be abov"),
        (HyperExponential, {"means": (1, 2), "probabilities": (0.5, 0.6)}, "sum to 1.1, but must"),
        (HyperExponential, {"means": (1, 2), "probabilities": (0.5, 0.5 - 2e-9)}, "sum to 0.99999"),
        (HyperExponential, {"means": (1,), "probabilities": HALVES}, "has 2 values, but means has"),
        (HyperExponential, {"means": (), "probabilities": ()}, "means: is empty"),
        (HyperExponential, {"means": (1, -2), "probabilities": HALVES}, r"means\[1\]: is -2, but"),
        (HyperExponential.fit, {"mean": 1.0, "scv": 0.5}, "fit, scv: is 0.5, but must be finite"),
        (HyperExponential.fit, {"mean": NAN, "scv": 2.0}, "fit, mean: is nan, but must be finite"),
        (Empirical, {"values": ()}, "values: is empty, but must hold at least one measurement"),
        (Empirical, {"values": (1, 2), "weights": (1,)}, "weights: has 1 values, but values has 2"),
        (Empirical, {"values": (1,), "weights": (0,)}, r"weights\[0\]: is 0, but must be a number"),
        (Empirical, {"values": (1, NAN)}, r"values\[1\]: is nan, but must be a number of at least"),
        (Histogram, {"bounds": (0, 1), "counts": (1, 2)}, "counts: has 2 values and bounds has 2"),
        (Mixture, {"components": (ONE, 3), "probabilities": HALVES}, "must be a Distribution"),
        (Mixture, {"components": (ONE,), "probabilities": (0.9,)}, "sum to 0.9, but must sum to 1"),
        (ONE.laplace, {"s": -1.0}, "Exponential, s: is -1.0, but must be finite and at least 0"),
        (ONE.laplace, {"s": INF}, "Exponential, s: is inf, but must be finite and at least 0"),
        (ONE.cdf, {"x": NAN}, "Exponential, x: holds a value that is not a number"),
    ],
)
def test_what_is_refused(make: Any, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(PartError, match=problem):
        make(**fields)


def test_fields_are_named() -> None:
    with pytest.raises(PartError, match="Exponential: takes nothing by position, but was given"):
        Exponential(0.1)  # type: ignore[call-arg]
