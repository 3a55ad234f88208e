"""Traces: what tracing would show, and the picture of one request."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import simpy

import mesh_lab as ml
from mesh_lab.traces import otlp


def shop() -> ml.Scenario:
    """Return a front that calls a slow back: 10 s of work, 1 s of patience, one retry."""
    return ml.Scenario(
        ml.Renewal("shop", gap=ml.Deterministic(value=100.0), to="front"),
        ml.Service("front", service_time=ml.Deterministic(value=0.5), calls=("back",)),
        ml.Service(
            "back",
            service_time=ml.Deterministic(value=10.0),
            policy=ml.Policy(per_try_timeout=1.0, retries=ml.Retries(1)),
        ),
    )


@pytest.fixture(scope="module")
def run() -> ml.Run:
    return ml.simulate(shop(), requests=2, seed=1)


def test_both_sides_of_every_attempt(run: ml.Run) -> None:
    table = run.traces
    first = table[table["trace"] == 0]
    assert first["caller"].tolist() == ["shop", "front", "front"]
    assert first["service"].tolist() == ["front", "back", "back"]
    assert first["parent"].tolist() == [-1, 0, 0]
    assert first["attempt"].tolist() == [0, 0, 1]
    assert first["start"].tolist() == [100.0, 100.5, 101.5]
    assert first["end"].tolist() == [102.5, 101.5, 102.5]
    # the back works on for nobody, one after the other
    assert first["served_until"].tolist() == [102.5, 110.5, 120.5]
    assert first["outcome"].tolist() == ["failed", "timeout", "timeout"]


def test_opentelemetry(run: ml.Run, tmp_path: Path) -> None:
    run.export_traces(tmp_path / "traces.json", [0])
    told = json.loads((tmp_path / "traces.json").read_text())
    assert told == otlp(run, [0])
    of = {
        entry["resource"]["attributes"][0]["value"]["stringValue"]: entry["scopeSpans"][0]["spans"]
        for entry in told["resourceSpans"]
    }
    assert {name: len(spans) for name, spans in of.items()} == {"shop": 2, "front": 3, "back": 2}
    every = [span for spans in of.values() for span in spans]
    assert len({span["spanId"] for span in every}) == len(every)
    assert {span["traceId"] for span in every} == {f"{1:032x}"}
    parents = {span["spanId"]: span["parentSpanId"] for span in every}
    roots = [span for span, parent in parents.items() if not parent]
    assert len(roots) == 1
    assert all(parent in parents for parent in parents.values() if parent)
    # a server's span hangs below the client's that caused it
    kinds = {span["spanId"]: span["kind"] for span in every}
    servers = [span for span in every if span["kind"] == 2]
    assert all(kinds[span["parentSpanId"]] == 3 for span in servers)
    ends = {span["name"]: span["endTimeUnixNano"] for span in of["back"]}
    assert ends == {"back": "120500000000"}
    assert [span["status"] for span in of["shop"]] == [{"code": 2, "message": "failed"}] * 2


def test_there_are_none_without_calls() -> None:
    plain = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="front"),
        ml.Service("front", service_time=ml.Deterministic(value=0.5)),
    )
    with pytest.raises(ml.ScenarioError, match="there are no calls in this scenario"):
        _ = ml.simulate(plain, requests=3, seed=1).traces


def test_a_request_that_is_not_there(run: ml.Run, tmp_path: Path) -> None:
    with pytest.raises(ml.ScenarioError, match="requests holds 2, but the run has"):
        run.export_traces(tmp_path / "traces.json", [2])
    assert not (tmp_path / "traces.json").exists()
    with pytest.raises(ml.PlotError, match="waterfall, request: is 2, but must be a row"):
        ml.plots.waterfall(run, 2)


def test_the_waterfall_tells_what_it_shows(run: ml.Run) -> None:
    ax = ml.plots.waterfall(run, 0)
    assert ml.plots.describe(ax).splitlines() == [
        "front 0: failed 2.5 s, sent at 0 s",
        "> back 0: timeout 1 s, sent at 0.5 s",
        "> back 0, attempt 2: timeout 1 s, sent at 1.5 s",
        "request: failed after 2.5 s",
    ]
    plt.close(ax.figure)


def test_a_saved_run_comes_back(run: ml.Run, tmp_path: Path) -> None:
    run.save(tmp_path / "run.parquet")
    back = ml.load_run(tmp_path / "run.parquet")
    for name in run.columns.__dataclass_fields__:
        mine, other = getattr(run.columns, name), getattr(back.columns, name)
        if mine is None:
            assert other is None, name
        else:
            assert np.array_equal(mine, other, equal_nan=mine.dtype.kind == "f"), name
    assert back.requests.equals(run.requests)
    assert back.calls.equals(run.calls)


def test_explained_event_by_event() -> None:
    assert ml.explain(shop(), requests=1, seed=1).splitlines() == [
        "100.000000  shop #0  arrives",
        "100.000000  shop #0  is sent to front",
        "100.000000  shop #0  starts at front",
        "100.500000  shop>front #0  is sent to back",
        "100.500000  shop>front #0  starts at back",
        "101.500000  shop>front #0  comes back to its caller: timeout at back",
        "101.500000  shop>front #0 (attempt 2)  is sent to back",
        "101.500000  shop>front #0 (attempt 2)  waits at back, 1 in line",
        "102.500000  shop>front #0 (attempt 2)  comes back to its caller: timeout at back",
        "102.500000  shop #0  leaves front: failed, after 2.5 s",
        "102.500000  shop #0  comes back to its caller: failed at front",
        "102.500000  shop #0  ends: failed",
        "110.500000  shop>front #0  leaves back: ok, after 10 s",
        "110.500000  shop>front #0 (attempt 2)  starts at back",
        "120.500000  shop>front #0 (attempt 2)  leaves back: ok, after 19 s",
    ]


def test_in_a_program_of_ones_own() -> None:
    env = simpy.Environment()
    front, _ = ml.build(env, shop()["front"], shop()["back"], seed=1)
    told = []

    def caller() -> Generator[simpy.Event, ml.Reply, None]:
        reply = yield front.call("hello")
        told.append((env.now, reply.outcome, reply.latency))

    env.process(caller())
    env.run()
    assert told == [(2.5, "failed", 2.5)]
