"""A run without rows gives the summary of the run with rows."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pandas as pd
import pytest

import mesh_lab as ml

E = ml.Exponential
SCENARIOS = {
    "one line": ml.Scenario(
        ml.Poisson("a", rate=0.8, to="s"), ml.Service("s", service_time=E(mean=1.0))
    ),
    "shared, bounded, two replicas": ml.Scenario(
        ml.Poisson("a", rate=1.8, to="s"),
        ml.Service("s", service_time=E(mean=1.0), replicas=2, discipline="ps", capacity=3),
    ),
    "preemptive with feedback": ml.Scenario(
        ml.Poisson("a", rate=0.8, to="s", priority={0: 0.5, 1: 0.5}),
        ml.Service("s", service_time=E(mean=1.0), discipline="preemptive", to={"s": 0.1}),
    ),
    "blocking, I/O, failures, outages, users": ml.Scenario(
        ml.Poisson("a", rate=0.8, to="q"),
        ml.Users("u", users=4, think=E(mean=5.0), to="q"),
        ml.Queue("q", capacity=3, overflow="block"),
        ml.Handler(
            "h",
            source="q",
            work=E(mean=0.4),
            io=E(mean=0.4),
            mode="async",
            concurrency=3,
            to={"s": 0.6},
            failure=0.1,
        ),
        ml.Service(
            "s",
            service_time=E(mean=1.0),
            capacity=1,
            overflow="block",
            outages=((100.0, 200.0), (300.0, 330.0)),
        ),
    ),
}
# an interval of batch means begins its batches elsewhere; a percentile is a bin's middle
LOOSE = {"half_width": 0.15, "p50": 0.004, "p90": 0.004, "p99": 0.004, "p999": 0.004}


@pytest.mark.parametrize(
    "limits", [{"requests": 5000, "warmup": 50.0}, {"until": 3000.0, "warmup": 100.0}], ids=str
)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_summary_is_that_of_the_run_with_rows(name: str, limits: dict[str, Any]) -> None:
    scenario = SCENARIOS[name]
    rows = ml.simulate(scenario, seed=1, **limits).summary()
    without = ml.simulate(scenario, seed=1, keep="summary", **limits).summary()
    assert list(without.columns) == list(rows.columns)
    for column in rows.columns.drop("note"):
        pd.testing.assert_series_equal(
            without[column], rows[column], rtol=LOOSE.get(column, 1e-9), obj=column
        )


def test_memory_does_not_grow_with_the_run() -> None:
    """With rows, 60 000 more requests would take 2 MB more."""
    scenario = SCENARIOS["one line"]

    def most(requests: int) -> int:
        tracemalloc.start()
        ml.simulate(scenario, requests=requests, seed=1, keep="summary")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # whatever is imported and made once, also when requests are first handed over to be counted
    ml.simulate(scenario, requests=100_000, seed=1, keep="summary")
    # a column of draws remembers 32 chunks of 1024 numbers
    assert most(100_000) < 1.05 * most(40_000)


def test_whoever_asks_for_rows_is_told_how_to_keep_them() -> None:
    run = ml.simulate(SCENARIOS["one line"], requests=100, seed=1, keep="summary")
    assert repr(run) == "TallyRun(100 requests, 123.984 s, seed=1, no rows)"
    for ask in (
        lambda: run.requests,
        lambda: run.calls,
        lambda: run.timeline("s"),
        run.latencies,
        run.check_invariants,
        lambda: run.save("run.parquet"),
    ):
        with pytest.raises(ml.ScenarioError, match=r"kept no rows.*keep='rows'"):
            ask()


def test_what_it_cannot_do_is_said() -> None:
    scenario = SCENARIOS["one line"]
    with pytest.raises(ml.ScenarioError, match="warmup='auto' needs the rows"):
        ml.simulate(scenario, requests=100, seed=1, keep="summary", warmup="auto")
    with pytest.raises(ml.ScenarioError, match="keep is 'nothing'; there are: 'rows', 'summary'"):
        ml.simulate(scenario, requests=100, seed=1, keep="nothing")  # type: ignore[call-overload]


def test_who_crashes_while_waiting_is_there_no_longer() -> None:
    """Under preemption busy workers follow from the number there, which a crash takes back."""
    scenario = ml.Scenario(
        ml.Renewal("in", gap=ml.Deterministic(value=1.0), to="s"),
        ml.Service(
            "s",
            replicas=2,
            discipline="preemptive",
            service_time=ml.Deterministic(value=4.0),
            changes=(ml.Leave(at=10.5, endpoint="s-0"), ml.Leave(at=20.5, endpoint="s-1")),
        ),
    )
    rows = ml.simulate(scenario, requests=40, seed=1, engine="reference")
    assert (rows.requests["outcome"] == "crashed").sum() > 2
    counted = ml.simulate(scenario, requests=40, seed=1, keep="summary", engine="reference")
    expected = rows.summary().loc["s", "utilisation"]
    assert counted.summary().loc["s", "utilisation"] == pytest.approx(expected, rel=1e-12)
