"""Many looks at fixed times, against SAS, rpact, tables and the normal distribution.

SAS's values are those of its documentation of SEQDESIGN, example 3; rpact's those in that package's
own tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mesh_lab import experiments
from mesh_lab.errors import PartError

SURE = 3.2905  # the normal quantile of a two-sided 99.9 % interval
quick = settings(deadline=None, max_examples=60, derandomize=True)

# --- many looks at fixed times -------------------------------------------------------------------

# Armitage, McPherson and Rowe 1969, table 2, 5 % two-sided (recalled, not checked)
ARMITAGE = {1: 0.05, 2: 0.083, 3: 0.107, 4: 0.126, 5: 0.142, 10: 0.193, 20: 0.248, 50: 0.320}


def agrees_peeking(peeking: Callable[..., Any]) -> None:
    for looks, alarms in ARMITAGE.items():
        assert peeking(looks=looks).false_alarm == pytest.approx(alarms, abs=5.1e-4)
    # rpact: four looks, each at 5 % on each side
    by_look = np.diff([0.0, *peeking(looks=4, significance=0.1).by_look])
    per_side = [0.05, 0.030074925, 0.020961248, 0.01595848]
    assert by_look / 2 == pytest.approx(per_side, abs=2e-8)
    # one side and unequal times: the normal distribution in three dimensions
    at = (0.2, 0.7, 1.0)
    cov = [[math.sqrt(min(s, t) / max(s, t)) for s in at] for t in at]
    inside = stats.multivariate_normal(cov=cov, allow_singular=False).cdf([1.644854] * 3)
    assert peeking(looks=at, sides=1).false_alarm == pytest.approx(1 - inside, abs=2e-5)


def test_peeking_by_simulation_and_without_end() -> None:
    # 20 000 experiments of 100 looks: 99.9 % interval
    rng = np.random.default_rng(1)
    sums = np.cumsum(rng.standard_normal((20_000, 100)), axis=1)
    alarms = (abs(sums) > 1.959964 * np.sqrt(np.arange(1, 101))).any(axis=1).mean()
    known = experiments.peeking(looks=100).false_alarm
    assert abs(alarms - known) < SURE * math.sqrt(known * (1 - known) / 20_000)
    more = [experiments.peeking(looks=k).false_alarm for k in (1, 5, 30, 200, 1000)]
    assert all(a < b for a, b in pairwise(more))
    assert more[-1] == pytest.approx(0.53, abs=0.005)


def agrees_group_sequential(group_sequential: Callable[..., Any]) -> None:
    # Jennison and Turnbull's tables 2.1 and 2.3 (recalled; K = 3 and 4 as below)
    pocock = {2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 10: 2.555}
    fleming = {2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 10: 2.087}
    for k in pocock:
        known = group_sequential(looks=k, shape="pocock")
        assert known.critical == pytest.approx((pocock[k],) * k, abs=6e-4)
        assert known.spent[-1] == pytest.approx(0.05, abs=1e-11)
        known = group_sequential(looks=k)
        assert known.critical[-1] == pytest.approx(fleming[k], abs=6e-4)
        assert known.critical[0] == pytest.approx(known.critical[-1] * math.sqrt(k), rel=1e-12)
        assert known.power[-1] == pytest.approx(0.8, abs=1e-10)
    # SAS: Pocock, four looks, power 90 %
    known = group_sequential(looks=4, shape="pocock", power=0.9)
    assert known.inflation == pytest.approx(1.183143, abs=1e-6)
    assert known.expected_null == pytest.approx(1.156074, abs=1e-6)
    assert known.expected_effect == pytest.approx(0.6974805, abs=1e-6)
    # rpact: O'Brien and Fleming, one side at 2.5 %, three looks
    known = group_sequential(looks=3, significance=0.025, sides=1)
    assert known.critical == pytest.approx((3.4710914, 2.4544323, 2.0040356), abs=2e-6)
    assert known.nominal == pytest.approx((0.00025917372, 0.0070553616, 0.022533125), rel=2e-5)
    assert known.spent == pytest.approx((0.00025917372, 0.0071600594, 0.025), rel=2e-5)
    # the power, by the normal distribution in two dimensions
    known = group_sequential(looks=(0.4, 1.0), shape="pocock", power=0.7, sides=1)
    drift = math.sqrt(known.inflation) * float(stats.norm.ppf(0.95) + stats.norm.ppf(0.7))
    r = math.sqrt(0.4)
    both = stats.multivariate_normal([r * drift, drift], [[1, r], [r, 1]])
    assert 1 - both.cdf(known.critical) == pytest.approx(0.7, abs=1e-7)
    first = float(stats.norm.sf(known.critical[0] - r * drift))
    mean = known.inflation * (0.4 * first + 1.0 * (1 - first))
    assert known.expected_effect == pytest.approx(mean, rel=1e-9)


@quick
@given(
    looks=st.integers(1, 8),
    shape=st.sampled_from(("pocock", "obrien-fleming")),
    significance=st.floats(0.001, 0.3),
    power=st.floats(0.4, 0.99),
    sides=st.sampled_from((1, 2)),
)
def test_boundaries_keep_their_promises(
    looks: int, shape: str, significance: float, power: float, sides: int
) -> None:
    known = experiments.group_sequential(
        looks=looks, shape=shape, significance=significance, power=power, sides=sides
    )
    assert known.spent[-1] == pytest.approx(significance, rel=1e-8)
    assert known.power[-1] == pytest.approx(power, rel=1e-8)
    assert known.inflation >= 1.0 - 1e-9
    assert known.expected_effect <= known.inflation * (1 + 1e-12)
    assert all(n <= significance * (1 + 1e-9) for n in known.nominal)
    if looks == 1:
        assert known.critical[0] == pytest.approx(
            float(stats.norm.isf(significance / sides)), rel=1e-12
        )


def test_looks_that_cannot_be_are_refused() -> None:
    for looks, says in (
        (0, "1 or more"),
        (2.5, "whole number"),
        ("5", "sequence of numbers"),
        ((0.5, 0.4, 1.0), "increase up to 1"),
        ((0.0, 1.0), "increase up to 1"),
        ((0.5, 0.9), "increase up to 1"),
        ((), "has 0 values"),
        (True, "whole number"),
        (10**6, "2000"),
    ):
        with pytest.raises(PartError, match=says) as refused:
            experiments.peeking(looks=looks)  # type: ignore[arg-type]
        assert refused.value.field == "looks"
    with pytest.raises(PartError, match="'pocock' or 'obrien-fleming'"):
        experiments.group_sequential(looks=2, shape="Pocock")
    with pytest.raises(PartError, match="1 or 2"):
        experiments.peeking(looks=2, sides=3)
