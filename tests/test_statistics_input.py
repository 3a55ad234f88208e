"""What statistics refuse, and that they say which argument, what it holds and what is allowed."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mesh_lab import statistics
from mesh_lab.errors import MeshLabError, StatisticsError
from mesh_lab.statistics import Interval

COLUMNS: list[tuple[str, str, int, Callable[[Any], Any]]] = [
    ("mser5", "values", 50, statistics.mser5),
    ("batch_means", "values", 2, statistics.batch_means),
    ("von_neumann_ratio", "values", 3, statistics.von_neumann_ratio),
    ("quantile_interval", "values", 1, lambda v: statistics.quantile_interval(v, 0.5)),
    ("batch_quantile_interval", "values", 2, lambda v: statistics.batch_quantile_interval(v, 0.5)),
    ("replication_interval", "means", 2, statistics.replication_interval),
    ("paired_difference", "a", 2, lambda v: statistics.paired_difference(v, [1.0, 2.0])),
    ("paired_difference", "b", 2, lambda v: statistics.paired_difference([1.0, 2.0], v)),
    ("paired_ratio", "a", 2, lambda v: statistics.paired_ratio(v, [1.0, 2.0])),
    ("independent_difference", "b", 2, lambda v: statistics.independent_difference([1.0, 2.0], v)),
    ("ccdf", "values", 1, statistics.ccdf),
    ("time_average", "times", 1, lambda v: statistics.time_average(v, [1.0])),
]


@pytest.mark.parametrize(("function", "name", "least", "call"), COLUMNS)
def test_bad_columns(function: str, name: str, least: int, call: Callable[[Any], Any]) -> None:
    where = rf"^{function}, {name}: "
    noun = "value" if least == 1 else "values"
    for values in ([], [1.0] * (least - 1)):
        message = f"has {len(values)}, but must have at least {least} {noun}"
        with pytest.raises(StatisticsError, match=where + message):
            call(values)
    good = [float(i) for i in range(60)]
    with pytest.raises(StatisticsError, match=where + "is nan at index 3, but must be finite"):
        call([*good[:3], math.nan, *good[4:]])
    with pytest.raises(StatisticsError, match=where + "is -inf at index 0, but must be finite"):
        call([-math.inf, *good])
    with pytest.raises(StatisticsError, match=where + "has 2 dimensions, but must have one"):
        call(np.ones((30, 2)))
    with pytest.raises(StatisticsError, match=where + "holds <U2 values, but must hold numbers"):
        call(["fast"[:2]] * 60)
    with pytest.raises(StatisticsError, match=where + "holds object values"):
        call([None] * 60)


@pytest.mark.parametrize("bad", [0.0, 1.0, 95, -0.1, math.nan])
def test_bad_confidence_and_order(bad: float) -> None:
    values = np.arange(300.0)
    for call in (
        lambda: statistics.batch_means(values, bad),
        lambda: statistics.quantile_interval(values, 0.5, bad),
        lambda: statistics.batch_quantile_interval(values, 0.5, bad),
        lambda: statistics.replication_interval(values, bad),
        lambda: statistics.paired_difference(values, values, bad),
        lambda: statistics.paired_ratio(values, values, bad),
        lambda: statistics.independent_difference(values, values, bad),
    ):
        with pytest.raises(
            StatisticsError, match=r"confidence: is .*, but must be between 0 and 1"
        ):
            call()
    for quantile in (statistics.quantile_interval, statistics.batch_quantile_interval):
        with pytest.raises(StatisticsError, match=r"p: is .*, but must be between 0 and 1"):
            quantile(values, bad)


def test_other_bad_arguments() -> None:
    values = np.arange(300.0)
    for batches in (1, 0, -3, 2.5, True):
        with pytest.raises(StatisticsError, match=r"batches: is .*a whole number of at least 2"):
            statistics.batch_means(values, batches=batches)  # type: ignore[arg-type]
    with pytest.raises(StatisticsError, match="confidence: is '95 %', but must be a number"):
        statistics.batch_means(values, "95 %")  # type: ignore[arg-type]
    with pytest.raises(StatisticsError, match="b: has 3 values, but a has 2: pairs are needed"):
        statistics.paired_difference([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(StatisticsError, match="a: has mean 0, but a ratio needs another"):
        statistics.paired_ratio([-1.0, 1.0], [1.0, 2.0])
    with pytest.raises(StatisticsError, match="points: is 1, but must be a whole number from 2"):
        statistics.ccdf(values, 1)
    with pytest.raises(StatisticsError, match=r"times: goes back from 2\.0 to 1\.0 at index 1"):
        statistics.time_average([2.0, 1.0], [0.0, 0.0], end=3.0)
    with pytest.raises(StatisticsError, match=r"start: is 0\.0, but must not be before the first"):
        statistics.time_average([2.0, 3.0], [0.0, 0.0], start=0.0)
    with pytest.raises(StatisticsError, match=r"end: is 2\.0, but must be after the start, 2\.0"):
        statistics.time_average([2.0], [1.0])
    with pytest.raises(StatisticsError, match=r"end: is inf"):
        statistics.time_average([2.0], [1.0], end=math.inf)
    with pytest.raises(StatisticsError, match=r"finish: is 1\.0 at index 0, .* the arrival, 2\.0"):
        statistics.littles_law([2.0], [1.0], 0.0, 3.0)
    with pytest.raises(StatisticsError, match=r"finish: is inf at index 0"):
        statistics.littles_law([2.0], [math.inf], 0.0, 3.0)
    with pytest.raises(StatisticsError, match=r"finish: has 2, but arrival has 1"):
        statistics.littles_law([2.0], [3.0, 4.0], 0.0, 3.0)


def test_they_are_all_one_documented_error() -> None:
    assert issubclass(StatisticsError, MeshLabError)
    assert issubclass(StatisticsError, ValueError)


def test_an_interval_is_small_frozen_and_readable() -> None:
    interval = Interval(0.051234567, 0.05, 0.0525, 0.95, 20_000)
    assert repr(interval) == "Interval(0.05123 [0.05, 0.0525], 95 %, n=20000)"
    doubtful = Interval(1.0, -math.inf, 2.0, 0.9, 7, trusted=False, note="why")
    assert repr(doubtful) == "Interval(1 [-inf, 2], 90 %, n=7, not trusted)"
    with pytest.raises(AttributeError):
        interval.low = 0.0  # type: ignore[misc]
    for inside in (0.05, 0.0525, np.float64(0.051)):
        assert inside in interval
    for outside in (0.0499, 0.0526, math.nan, "0.051", None):
        assert outside not in interval
    assert np.int64(1) in doubtful
    assert doubtful.half_width == doubtful.relative == math.inf
    assert Interval(0.0, 0.0, 0.0, 0.95, 5).relative == 0.0
    assert Interval(0.0, -1.0, 1.0, 0.95, 5).relative == math.inf


def test_how_many_values_a_precision_needs() -> None:
    interval = Interval(10.0, 9.0, 11.0, 0.95, 1_000)
    assert interval.values_needed(0.1) == 1_000
    assert interval.values_needed(0.01) == 100_000
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(StatisticsError, match=r"relative: is .*, but must be greater than 0"):
            interval.values_needed(bad)
    with pytest.raises(StatisticsError, match="has no finite relative width"):
        Interval(1.0, 0.0, math.inf, 0.95, 10).values_needed(0.1)


def test_truth_values_and_whole_numbers_are_numbers() -> None:
    failed = np.arange(1_000) % 10 == 0
    assert statistics.batch_means(failed).estimate == pytest.approx(0.1)
    assert statistics.quantile_interval(range(1, 10), 0.5).estimate == 5.0


def test_scipy_is_loaded_only_when_an_interval_is_asked_for() -> None:
    code = (
        "import sys; import mesh_lab.statistics as s; s.mser5(range(100)); s.LogHistogram([1.0]);"
        "assert not any(m.split('.')[0] == 'scipy' for m in sys.modules), 'scipy';"
        "s.batch_means(range(100)); assert 'scipy.special' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
