"""Many runs: replications, sweeps and comparisons, against single runs and against theory.

Seeds are 1, 2, 3, ... wherever an experiment needs several.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import joblib
import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab.statistics import batch_means, independent_difference, replication_interval
from mesh_lab.study import MEASURES, intervals
from mesh_lab.study.measures import seeds
from mesh_lab.study.sweeping import with_values

from .processes import plausible

QUEUE = ml.Scenario(
    ml.Poisson("shop", rate=25.0, to="orders"),
    ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
)


def with_rate(rate: float) -> ml.Scenario:
    return QUEUE.replace("shop", rate=rate)


# -- replicate -----------------------------------------------------------------------------------


def test_each_replication_is_a_run_of_its_own_seed() -> None:
    runs = ml.replicate(QUEUE, 3, requests=400, warmup=2.0, seed=5)
    assert runs.seeds == seeds(5, 3)
    assert len(set(runs.seeds)) == 3
    for i, seed in enumerate(runs.seeds):
        table = ml.simulate(QUEUE, requests=400, warmup=2.0, seed=seed).summary()
        for part in ("shop", "orders"):
            row = runs.table.query(f"replication == {i} and part == '{part}'").iloc[0]
            assert row["seed"] == seed
            assert row["count"] == table.loc[part, "count"]
            for measure in MEASURES[:-1]:
                assert row[measure] == table.loc[part, measure] or part == "shop"
            assert row["errors"] == 0.0


def test_the_interval_is_students_t_over_the_runs() -> None:
    runs = ml.replicate(QUEUE, 8, requests=300, seed=1, confidence=0.9)
    values = [
        ml.simulate(QUEUE, requests=300, seed=seed).summary().loc["orders", "mean"]
        for seed in runs.seeds
    ]
    assert runs.values("orders").tolist() == values
    assert runs.interval("orders", "mean") == replication_interval(values, 0.9)
    row = runs.summary().loc[("orders", "mean")]
    found = runs.interval("orders")
    assert (row["estimate"], row["low"], row["high"]) == (found.estimate, found.low, found.high)
    assert (row["n"], row["confidence"], bool(row["trusted"])) == (8, 0.9, True)


def test_replications_hold_theory_and_find_three_percent() -> None:
    """60 studies of 10 runs of M/M/1 at 50 %; 95 % intervals, 99.9 % binomial limits.

    A run starts empty, so the first 5 s (125 requests of 1 500) are cut.
    """
    theory = ml.theory.mm1(arrival_rate=25.0, service_rate=50.0)
    held = {"mean": 0, "utilisation": 0}
    wrong = 0
    for seed in range(1, 61):
        runs = ml.replicate(QUEUE, 10, requests=1_500, warmup=5.0, seed=seed)
        held["mean"] += theory.response in runs.interval("orders", "mean")
        held["utilisation"] += 0.5 in runs.interval("orders", "utilisation")
        wrong += 1.1 * theory.response in runs.interval("orders", "mean")
    assert plausible(held["mean"], 60)
    assert plausible(held["utilisation"], 60)
    assert not plausible(wrong, 60)


def test_more_replications_begin_with_the_same_ones_and_studies_share_none() -> None:
    assert seeds(3, 50)[:20] == seeds(3, 20)
    everything = [one for study in range(200) for one in seeds(study, 50)]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize(
    "choice",
    [{"backend": "threading", "n_jobs": 2}, {"backend": "loky", "n_jobs": 2}],
    ids=["threads", "processes"],
)
def test_where_it_runs_changes_no_number(choice: dict[str, Any]) -> None:
    alone = ml.replicate(QUEUE, 5, requests=200, seed=2)
    with joblib.parallel_config(**choice):
        shared = ml.replicate(QUEUE, 5, requests=200, seed=2)
    assert shared.table.equals(alone.table)
    assert ml.replicate(QUEUE, 5, requests=200, seed=2, jobs=1).table.equals(alone.table)


def test_the_backend_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    from mesh_lab.study import measures

    where = []
    measured = measures._measured

    def noted(*task: Any) -> Any:
        where.append(threading.current_thread() is threading.main_thread())
        return measured(*task)

    monkeypatch.setattr(measures, "_measured", noted)
    ml.replicate(QUEUE, 4, requests=50, seed=1)
    assert where == [True] * 4
    where.clear()
    with joblib.parallel_config(backend="threading", n_jobs=2):
        ml.replicate(QUEUE, 4, requests=50, seed=1)
    assert where == [False] * 4
    where.clear()
    with joblib.parallel_config(backend="threading", n_jobs=2):
        ml.replicate(QUEUE, 4, requests=50, seed=1, jobs=1)
    assert where == [True] * 4


def test_errors_are_a_share_of_what_ended() -> None:
    """M/M/1/1: a request is rejected with probability load / (1 + load) = 1/3."""
    lossy = QUEUE.replace("orders", capacity=0, overflow="reject")
    runs = ml.replicate(lossy, 20, requests=1_000, seed=1)
    assert 1 / 3 in runs.interval("orders", "errors")
    assert 1 / 3 in runs.interval("shop", "errors")
    assert 1.1 / 3 not in runs.interval("orders", "errors")
    # What is in flight when the time is up has not ended, neither well nor badly.
    stopped = ml.replicate(QUEUE.replace("shop", rate=100.0), 5, until=20.0, seed=1)
    assert stopped.interval("orders", "errors").estimate == 0.0
    assert (stopped.table["ok"] < stopped.table["count"]).all()


def test_percentiles_of_short_runs_are_not_trusted() -> None:
    """10 requests beyond the percentile: of 999, the 99th is biased; of 1 000 it is let pass."""
    runs = ml.replicate(QUEUE, 6, requests=999, seed=1)
    assert runs.interval("orders", "p90").trusted
    doubtful = runs.interval("orders", "p99")
    assert not doubtful.trusted
    assert doubtful.note == "a run has only 999 requests; p99 needs at least 1000, or it is biased"
    assert ml.replicate(QUEUE, 6, requests=1_000, seed=1).interval("orders", "p99").trusted
    few = ml.replicate(QUEUE, 4, requests=1_000, seed=1).interval("orders", "mean")
    assert (few.trusted, few.note) == (False, "4 replications are few: make it at least 5")


def test_a_measure_that_some_runs_lack() -> None:
    """Requests once in 10 s on average, for 10 s: some runs see none at all."""
    rare = QUEUE.replace("shop", rate=0.1)
    runs = ml.replicate(rare, 12, until=10.0, seed=1)
    values = runs.values("orders", "mean")
    known = int(np.count_nonzero(~np.isnan(values)))
    assert 2 <= known < 12
    found = runs.interval("orders", "mean")
    assert found.estimate == pytest.approx(np.nanmean(values))
    assert not found.trusted
    assert found.note == f"{12 - known} of 12 replications have no value"
    assert ("shop", "utilisation") not in runs.summary().index


def test_a_progress_bar_counts_runs(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = ml.replicate(QUEUE, 3, requests=50, seed=1)
    assert capsys.readouterr().err == ""
    shown = ml.replicate(QUEUE, 3, requests=50, seed=1, progress=True)
    assert "3/3" in capsys.readouterr().err
    assert shown.table.equals(quiet.table)
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):  # has no early results
        late = ml.replicate(QUEUE, 3, requests=50, seed=1, progress=True)
    assert "3/3" in capsys.readouterr().err
    assert late.table.equals(quiet.table)


# -- compare -------------------------------------------------------------------------------------


def test_a_scenario_compared_with_itself_differs_in_nothing() -> None:
    same = ml.compare(QUEUE, QUEUE, 5, requests=500, seed=1).summary()
    assert (same["difference"] == 0).all()
    assert (same["low"] == 0).all()
    assert (same["high"] == 0).all()


def test_common_random_numbers_narrow_the_difference() -> None:
    faster = QUEUE.replace("orders", service_time=ml.Exponential(mean=0.019))
    change = ml.compare(QUEUE, faster, 10, requests=2_000, seed=1)
    assert change.a.seeds == change.b.seeds
    # Arrivals are the same to the last bit, and every request's work is 5 % less.
    assert change.difference("shop", "rate").half_width == 0.0
    busy = change.ratio("orders", "utilisation")
    assert abs(busy.estimate - 0.95) < 0.0005  # but for what is cut off at the last arrival
    assert busy.half_width < 0.0005
    other = ml.replicate(faster, 10, requests=2_000, seed=2)
    unpaired = independent_difference(change.a.values("orders"), other.values("orders"))
    paired = change.difference("orders", "mean")
    assert paired.half_width < unpaired.half_width / 3
    assert paired.high < 0
    swapped = ml.compare(faster, QUEUE, 10, requests=2_000, seed=1).difference("orders", "mean")
    assert (swapped.low, swapped.high) == pytest.approx((-paired.high, -paired.low))


def test_the_difference_holds_theory() -> None:
    """1/(50-25) to 1/(60-25) seconds: 40 comparisons of 10 pairs; 20 % more is often excluded."""
    faster = QUEUE.replace("orders", service_time=ml.Exponential(mean=1 / 60))
    held = wrong = 0
    for seed in range(1, 41):
        change = ml.compare(QUEUE, faster, 10, requests=1_000, warmup=5.0, seed=seed)
        held += 1 / 35 - 1 / 25 in change.difference("orders")
        wrong += 1.2 * (1 / 35 - 1 / 25) in change.difference("orders")
    assert plausible(held, 40)
    assert wrong < held - 5


def test_only_what_both_have_is_compared() -> None:
    bigger = ml.Scenario(
        *QUEUE.parts,
        ml.Poisson("robot", rate=1.0, to="mail"),
        ml.Service("mail", service_time=ml.Exponential(mean=0.1)),
    )
    change = ml.compare(QUEUE, bigger, 3, until=20.0, seed=1)
    assert change.parts == ("shop", "orders")
    # Adding parts disturbs nobody.
    assert (change.summary()["difference"] == 0).all()
    with pytest.raises(ml.ScenarioError, match="no part 'mail'; there are: 'shop', 'orders'"):
        change.difference("mail")


def test_a_ratio_to_nothing_is_left_open() -> None:
    lossy = QUEUE.replace("orders", capacity=0, overflow="reject")
    change = ml.compare(QUEUE, lossy, 5, requests=500, seed=1)
    row = change.summary().loc[("orders", "errors")]
    assert row["a"] == 0
    assert row["difference"] > 0.25
    assert math.isnan(row["ratio"])
    with pytest.raises(ml.StatisticsError, match="has mean 0, but a ratio needs another"):
        change.ratio("orders", "errors")


# -- sweep ---------------------------------------------------------------------------------------


def test_a_sweep_is_a_replication_at_every_point() -> None:
    table = ml.sweep(
        QUEUE,
        {"shop.rate": [10.0, 40.0], "orders.service_time.mean": [0.01, 0.02]},
        replications=5,
        requests=200,
        seed=3,
    )
    assert list(table.columns[:4]) == ["shop.rate", "orders.service_time.mean", "part", "measure"]
    points = table[["shop.rate", "orders.service_time.mean"]].drop_duplicates().to_numpy().tolist()
    assert points == [[10.0, 0.01], [10.0, 0.02], [40.0, 0.01], [40.0, 0.02]]
    for rate, mean in points:
        there = with_rate(rate).replace("orders", service_time=ml.Exponential(mean=mean))
        runs = ml.replicate(there, 5, requests=200, seed=3)
        here = table[(table["shop.rate"] == rate) & (table["orders.service_time.mean"] == mean)]
        one = here.set_index(["part", "measure"]).loc[("orders", "p90")]
        found = runs.interval("orders", "p90")
        assert (one["estimate"], one["low"], one["high"]) == (found.estimate, found.low, found.high)
        assert len(here) == len(runs.summary())


def test_a_sweep_over_combinations_one_by_one() -> None:
    table = ml.sweep(
        QUEUE,
        [
            {"shop.rate": 25.0, "orders.replicas": 1},
            {"shop.rate": 50.0, "orders.replicas": 2},
        ],
        replications=5,
        requests=2_000,
        seed=1,
    )
    busy = intervals(table, "orders", "utilisation", by="orders.replicas")
    assert list(busy) == [1, 2]
    # The same customers in half the time for twice the replicas.
    assert abs(busy[1].estimate - busy[2].estimate) < 0.001
    assert 0.4 < busy[1].estimate < 0.6


def test_any_field_can_be_varied() -> None:
    balancers = [ml.Random(), ml.RoundRobin(), ml.LeastRequest(choices=2)]
    scenario = QUEUE.replace("orders", replicas=4)
    table = ml.sweep(scenario, {"orders.balancer": balancers}, replications=2, requests=100, seed=1)
    assert list(dict.fromkeys(table["orders.balancer"])) == balancers
    choices = ml.sweep(
        scenario.replace("orders", balancer=ml.LeastRequest(choices=2)),
        {"orders.balancer.choices": np.array([2, 3])},
        replications=2,
        requests=100,
        seed=1,
    )
    assert choices["orders.balancer.choices"].unique().tolist() == [2, 3]
    dotted = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="orders"),
        ml.Poisson("shop.eu", rate=1.0, to="orders"),
        ml.Service("orders", service_time=ml.Deterministic(value=0.1)),
    )
    assert with_values(dotted, {"shop.eu.rate": 2.0})["shop.eu"].rate == 2.0  # type: ignore[union-attr]


def test_one_run_a_point_has_the_run_s_own_interval() -> None:
    table = ml.sweep(
        QUEUE, {"shop.rate": [25.0]}, replications=1, requests=20_000, seed=1, confidence=0.9
    )
    run = ml.simulate(QUEUE, requests=20_000, seed=seeds(1, 1)[0])
    own = batch_means(run.latencies("orders"), 0.9)
    found = intervals(table, "orders")[25.0]
    assert (found.low, found.high, found.trusted) == (own.low, own.high, own.trusted)
    assert found.n == 20_000
    rest = table[(table["measure"] != "mean")]
    assert not rest["trusted"].any()
    assert np.isinf(rest["high"]).all()


def test_a_sweep_follows_theory() -> None:
    rates = [10.0, 25.0, 35.0]
    table = ml.sweep(
        QUEUE, {"shop.rate": rates}, replications=20, requests=4_000, warmup=5.0, seed=1
    )
    for rate, interval in intervals(table, "orders").items():
        theory = ml.theory.mm1(arrival_rate=rate, service_rate=50.0).response
        # 95 % intervals, of which three at once should not all have to hold: 1.5 half-widths are
        # 99.5 % at 19 degrees of freedom.
        assert abs(interval.estimate - theory) < 1.5 * interval.half_width
        assert abs(interval.estimate - 1.1 * theory) > 1.5 * interval.half_width


def test_intervals_of_a_sweep_ask_what_is_meant() -> None:
    table = ml.sweep(
        QUEUE,
        {"shop.rate": [1.0, 2.0], "orders.workers": [1, 2]},
        replications=2,
        requests=20,
        seed=1,
    )
    with pytest.raises(ml.ScenarioError, match=r"give by=, one of shop\.rate, orders\.workers"):
        intervals(table, "orders")
    with pytest.raises(ml.ScenarioError, match=r"several rows have shop\.rate = 1\.0"):
        intervals(table, "orders", by="shop.rate")
    with pytest.raises(ml.ScenarioError, match="by is 'part'"):
        intervals(table, "orders", by="part")
    with pytest.raises(
        ml.ScenarioError, match="the table has no 'median' of 'orders'; it has: rate"
    ):
        intervals(table, "orders", "median", by="shop.rate")
    one = table[table["orders.workers"] == 2]
    assert list(intervals(one, "orders", by="shop.rate")) == [1.0, 2.0]


# -- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"order.replicas": [1]}, "there is no part 'order'; there are: 'shop', 'orders'"),
        (
            {"orders.replica": [1]},
            "Service 'orders' has no field 'replica'; it has: .*'?replicas'?.*service_time",
        ),
        (
            {"orders.service_time.average": [1.0]},
            "Service 'orders', service_time: Exponential has no field 'average'; it has: mean",
        ),
        (
            {"orders.io.mean": [1.0]},
            "Service 'orders', io: is None, which has no field 'mean'",
        ),
        ({"orders": [1]}, "'orders': names no field of Service 'orders'; it has: .*workers"),
        ({"orders.": [1]}, "names no field"),
        ({"orders.replicas": []}, "over, orders.replicas: is empty"),
        ({"orders.replicas": 3}, "over, orders.replicas: is 3, but must be a list of values"),
        ({"shop.to": "orders"}, "over, shop.to: is 'orders', but must be a list of values"),
        ({}, "over is empty"),
        ([], "over is empty"),
        ("orders.replicas", "must be a mapping"),
        (3, "must be a mapping"),
        ([{"shop.rate": 1.0}, {"orders.replicas": 1}], "mappings of different fields"),
        ([{"shop.rate": 1.0}, 5], "over holds 5, but each must be a mapping"),
    ],
)
def test_a_sweep_of_what_there_is_not(over: Any, message: str) -> None:
    with pytest.raises(ml.ScenarioError, match=message):
        ml.sweep(QUEUE, over, requests=10, seed=1)


def test_a_value_that_a_field_cannot_have_is_refused_before_anything_runs() -> None:
    with pytest.raises(ml.PartError) as refused:
        ml.sweep(QUEUE, {"orders.service_time.mean": [0.1, -1.0]}, requests=10**9, seed=1)
    assert refused.value.part == "Service 'orders'"
    assert refused.value.field == "service_time.mean"
    assert "-1.0" in refused.value.problem
    with pytest.raises(ml.ScenarioError, match="there is no queue or service 'nowhere'"):
        ml.sweep(QUEUE, {"shop.to": ["orders", "nowhere"]}, requests=10**9, seed=1)


def test_impossible_arguments() -> None:
    for n in (1, 0, -1, 2.0, True):
        with pytest.raises(
            ml.ScenarioError, match=r"n is .*, but must be a whole number, 2 or more"
        ):
            ml.replicate(QUEUE, n, requests=10, seed=1)  # type: ignore[arg-type]
        with pytest.raises(
            ml.ScenarioError, match=r"n is .*, but must be a whole number, 2 or more"
        ):
            ml.compare(QUEUE, QUEUE, n, requests=10, seed=1)  # type: ignore[arg-type]
    with pytest.raises(ml.ScenarioError, match="replications is 0, but must be"):
        ml.sweep(QUEUE, {"shop.rate": [1.0]}, replications=0, requests=10, seed=1)
    for seed in (-1, 1.5, None):
        with pytest.raises(ml.ScenarioError, match=r"seed is .*, but must be a whole number"):
            ml.replicate(QUEUE, 2, requests=10, seed=seed)  # type: ignore[arg-type]
    for confidence in (0.0, 1.0, 95, "0.95"):
        with pytest.raises(
            ml.ScenarioError, match=r"confidence is .*, but must be between 0 and 1"
        ):
            ml.replicate(QUEUE, 2, requests=10, seed=1, confidence=confidence)  # type: ignore[arg-type]
    with pytest.raises(ml.ScenarioError, match="scenario is 3, but must be a Scenario"):
        ml.replicate(3, 2, requests=10, seed=1)  # type: ignore[arg-type]
    with pytest.raises(ml.ScenarioError, match="b is None, but must be a Scenario"):
        ml.compare(QUEUE, None, 2, requests=10, seed=1)  # type: ignore[arg-type]
    stranger = ml.Scenario(
        ml.Poisson("a", rate=1.0, to="b"), ml.Service("b", service_time=ml.Deterministic(value=0.1))
    )
    with pytest.raises(ml.ScenarioError, match="no part in common; a has: 'shop', 'orders'"):
        ml.compare(QUEUE, stranger, 2, requests=10, seed=1)
    runs = ml.replicate(QUEUE, 2, requests=10, seed=1)
    with pytest.raises(ml.ScenarioError, match="there is no part 'order'; there are: 'shop'"):
        runs.interval("order")
    with pytest.raises(ml.ScenarioError, match="there is no measure 'median'; there are: rate"):
        runs.interval("orders", "median")
    with pytest.raises(ml.ScenarioError, match="both requests and until are given"):
        ml.replicate(QUEUE, 2, requests=10, until=1.0, seed=1)
