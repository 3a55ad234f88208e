"""What a run says: tables, timeline, summary, invariants, files, the readable log."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mesh_lab as ml
from mesh_lab.ledger import OUTCOMES
from mesh_lab.statistics import mser5

D = ml.Deterministic


def ticks(gap: float, to: str = "s", name: str = "tick", **fields: Any) -> ml.Renewal:
    return ml.Renewal(name, gap=D(value=gap), to=to, **fields)


TANDEM = ml.Scenario(
    ticks(1.0, "first"),
    ml.Service("first", service_time=D(value=0.5), to="second"),
    ml.Service("second", service_time=D(value=2.0), capacity=0, overflow="block"),
)


def test_rows_of_a_tandem_that_blocks() -> None:
    """The second takes 2 s each and has no room: the first is held until it takes over."""
    run = ml.simulate(TANDEM, requests=3, seed=1)
    assert run.requests.drop(columns="source").values.tolist() == [
        [1.0, 1.0, 3.5, 2.5, 0, "ok"],
        [2.0, 2.0, 5.5, 3.5, 0, "ok"],
        [3.0, 3.5, 7.5, 4.5, 0, "ok"],
    ]
    visits = run.calls[["request", "service", "sent", "arrival", "start", "finish"]]
    assert visits.values.tolist() == [
        [0, "first", 1.0, 1.0, 1.0, 1.5],
        [0, "second", 1.5, 1.5, 1.5, 3.5],
        [1, "first", 2.0, 2.0, 2.0, 3.5],  # done at 2.5, held until 3.5
        [1, "second", 2.5, 3.5, 3.5, 5.5],
        [2, "first", 3.0, 3.0, 3.5, 5.5],
        [2, "second", 4.0, 5.5, 5.5, 7.5],
    ]
    run.check_invariants()
    assert run.duration == 7.5
    assert run.summary().loc["first", "utilisation"] == pytest.approx(1.5 / 3.0)


def test_timeline_counts_waiting_and_busy() -> None:
    run = ml.simulate(TANDEM, requests=3, seed=1)
    assert run.timeline("first").values.tolist() == [
        [0.0, 0, 0],
        [1.0, 0, 1],
        [1.5, 0, 0],
        [2.0, 0, 1],
        [3.0, 1, 1],
        [3.5, 0, 1],
        [5.5, 0, 0],
    ]


def test_timeline_of_shared_and_interrupted_work() -> None:
    """Sharing: all are served, but only as many workers are busy as there are."""
    shared = ml.Scenario(
        ticks(1.0), ml.Service("s", service_time=D(value=2.0), discipline="ps", workers=1)
    )
    run = ml.simulate(shared, requests=2, seed=1)
    assert run.requests["finish"].tolist() == [4.0, 5.0]
    assert run.timeline("s").values.tolist() == [
        [0.0, 0, 0],
        [1.0, 0, 1],
        [2.0, 1, 1],
        [4.0, 0, 1],
        [5.0, 0, 0],
    ]


def test_an_asynchronous_worker_is_free_while_its_requests_wait_for_io() -> None:
    scenario = ml.Scenario(
        ticks(1.0),
        ml.Service("s", service_time=D(value=0.5), io=D(value=10.0), mode="async"),
    )
    run = ml.simulate(scenario, requests=3, seed=1)
    assert run.requests["finish"].tolist() == [11.5, 12.5, 13.5]
    assert run.timeline("s")["busy"].tolist() == [0, 1, 0, 1, 0, 1, 0]
    run.check_invariants()


def test_summary_stands_for_the_window_from_warmup_to_the_last_arrival() -> None:
    scenario = ml.Scenario(ticks(1.0), ml.Service("s", service_time=D(value=0.5)))
    run = ml.simulate(scenario, requests=101, seed=1, warmup=51.0)
    row = run.summary().loc["s"]
    assert row["count"] == 51
    assert row["rate"] == pytest.approx(51 / 50)
    assert row["utilisation"] == pytest.approx(0.5)
    assert (row["mean"], row["p50"], row["p999"], row["wait"]) == (0.5, 0.5, 0.5, 0.0)


def test_percentiles_are_of_those_that_ended_well_and_errors_stand_beside() -> None:
    scenario = ml.Scenario(
        ticks(1.0), ml.Service("s", service_time=D(value=1.5), capacity=0, failure=0.25)
    )
    run = ml.simulate(scenario, requests=2000, seed=1)
    row = run.summary().loc["tick"]
    outcomes = run.requests["outcome"].value_counts()
    assert row["rejected"] == outcomes["rejected"] == 1000
    assert row["failed"] == outcomes["failed"] > 200
    assert "in_flight" not in row
    assert row["mean"] == pytest.approx(1.5)  # rejected ones took no time, and do not count


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_warmup_is_found_by_itself(seed: int) -> None:
    """It ends after what came too quickly at first has been served, where MSER-5 says.

    In 200 s come 1000, of which 200 are served; the other 800 are gone when the worker, which
    serves 1 a second, has been ahead of 0.5 arrivals a second for 1600 s: at about 1800 s (the
    standard deviation is about 2 * sqrt(1000 + 800) = 85 s).
    """
    rush = ml.Profile(times=(0.0, 200.0, 200.001), rates=(5.0, 5.0, 0.5))
    scenario = ml.Scenario(
        ml.TimeVarying("shop", profile=rush, to="s"), ml.Service("s", service_time=D(value=1.0))
    )
    run = ml.simulate(scenario, until=20_000.0, seed=seed, warmup="auto")
    done = run.requests[run.requests["outcome"] == "ok"]
    assert run.warmup == done["arrival"].to_numpy()[mser5(done["latency"])]
    assert 1800.0 - 4 * 85.0 < run.warmup < 10_000.0
    assert run.latencies().max() < run.with_warmup(0.0).latencies().max() / 10.0


def test_what_is_left_at_the_end_is_in_flight() -> None:
    scenario = ml.Scenario(ticks(1.0), ml.Service("s", service_time=D(value=2.0)))
    run = ml.simulate(scenario, until=4.0, seed=1)
    assert run.requests["outcome"].tolist() == ["ok", "in_flight", "in_flight"]
    assert run.requests["start"].isna().tolist() == [False, False, True]
    assert run.in_flight == 2
    assert repr(run) == "Run(3 requests, 4 s, seed=1, 2 in flight)"
    run.check_invariants()


BREACHES: dict[str, tuple[str, Any, str]] = {
    "an ending without a finish": ("finish", (3, np.nan), "conservation"),
    "an ok that never started": ("start", (3, np.nan), "conservation"),
    "a finish before its start": ("finish", (3, 0.0), "order of times"),
    "a start before its arrival": ("start", (3, 0.0), "order of times"),
    "two in service at one worker": ("start", (5, 6.5), "capacity: 's' endpoint 0: 2 in service"),
    "a rejection that was served": ("outcome", (3, OUTCOMES.index("rejected")), "conservation"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_run_that_breaks_a_law_is_found(breach: str) -> None:
    column, (row, value), law = BREACHES[breach]
    scenario = ml.Scenario(ticks(1.0), ml.Service("s", service_time=D(value=1.5)))
    run = ml.simulate(scenario, requests=20, seed=1)
    run.check_invariants()
    broken = np.array(getattr(run.columns, column))
    broken[row] = value
    columns = dataclasses.replace(run.columns, **{column: broken})
    tampered = ml.Run(scenario, 1, columns, duration=run.duration)
    with pytest.raises(ml.InvariantError, match=law):
        tampered.check_invariants()


def test_a_line_out_of_order_is_found() -> None:
    scenario = ml.Scenario(
        ticks(1.0), ml.Service("s", service_time=D(value=1.5), discipline="lifo")
    )
    run = ml.simulate(scenario, requests=20, seed=1)
    run.check_invariants()
    claimed = ml.Run(
        scenario.replace("s", discipline="fifo"), 1, run.columns, duration=run.duration
    )
    with pytest.raises(ml.InvariantError, match="order: 's' endpoint 0: a later arrival"):
        claimed.check_invariants()


def test_idling_while_others_wait_is_found() -> None:
    scenario = ml.Scenario(ticks(1.0), ml.Service("s", service_time=D(value=1.5)))
    run = ml.simulate(scenario, requests=20, seed=1)
    claimed = ml.Run(scenario.replace("s", workers=2), 1, run.columns, duration=run.duration)
    with pytest.raises(ml.InvariantError, match="work conservation: 's' endpoint 0: idle"):
        claimed.check_invariants()


def test_a_saved_run_comes_back(tmp_path: Path) -> None:
    for name, scenario in {"tandem": TANDEM, "single": TANDEM.replace("first", to=None)}.items():
        path = tmp_path / f"{name}.parquet"
        run = ml.simulate(scenario, requests=300, seed=2, warmup=5.0)
        run.save(path)
        again = ml.load_run(path)
        pd.testing.assert_frame_equal(again.requests, run.requests)
        pd.testing.assert_frame_equal(again.calls, run.calls)
        pd.testing.assert_frame_equal(again.summary(), run.summary())
        assert (again.scenario, again.seed, again.duration) == (scenario, 2, run.duration)
        again.check_invariants()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["single.parquet", "tandem.parquet"]


def test_what_is_no_saved_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ml.TraceError, match="cannot be read as a saved run"):
        ml.load_run(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("not Parquet")
    with pytest.raises(ml.TraceError, match="cannot be read as a saved run"):
        ml.load_run(tmp_path / "text.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ml.TraceError, match=r"was not written by Run\.save"):
        ml.load_run(tmp_path / "other.parquet")
    user = ml.Scenario(ticks(1.0), ml.Service("s", service_time=lambda request, rng: 1.0))
    with pytest.raises(ml.ScenarioFileError, match=r"'s'.*service_time"):
        ml.simulate(user, requests=3, seed=1).save(tmp_path / "user.parquet")
    assert not (tmp_path / "user.parquet").exists()


def test_asking_a_source_for_its_queue_is_refused() -> None:
    run = ml.simulate(TANDEM, requests=3, seed=1)
    with pytest.raises(
        ml.ScenarioError, match="'tick' is not a queue or service; there are: 'first'"
    ):
        run.timeline("tick")
    with pytest.raises(ml.ScenarioError, match="no part 'third'"):
        run.latencies("third")


def test_explain_tells_every_event_of_a_short_run() -> None:
    scenario = ml.Scenario(
        ml.Renewal("calm", gap=D(value=2.0), to="q", priority=1),
        ml.Renewal("urgent", gap=D(value=3.0), to="q"),
        ml.Queue("q", discipline="preemptive", capacity=1),
        ml.Handler("h", source="q", work=D(value=2.5)),
    )
    assert ml.explain(scenario, until=7.0, seed=1).splitlines() == [
        "  2.000000  calm #0  arrives",
        "  2.000000  calm #0  starts at q",
        "  3.000000  urgent #0  arrives",
        "  3.000000  calm #0  is interrupted at q, 1.5 s of work left",
        "  3.000000  urgent #0  starts at q",
        "  4.000000  calm #1  arrives",
        "  4.000000  calm #1  ends at q: rejected",
        "  5.500000  urgent #0  leaves q: ok, after 2.5 s",
        "  5.500000  calm #0  goes on at q",
        "  6.000000  calm #2  arrives",
        "  6.000000  calm #2  waits at q, 1 in line",
        "  6.000000  urgent #1  arrives",
        "  6.000000  urgent #1  ends at q: rejected",
    ]


def test_explain_and_simulate_are_the_same_run() -> None:
    run = ml.simulate(TANDEM, requests=3, seed=1)
    log = ml.explain(TANDEM, requests=3, seed=1).splitlines()
    ends = [line for line in log if "leaves second" in line]
    assert [float(line.split()[0]) for line in ends] == run.requests["finish"].tolist()
    assert any("is blocked before second" in line for line in log)
