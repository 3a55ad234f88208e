"""What hostile input meets: one clear error of a documented type, and never a run without end."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simpy

import mesh_lab as ml
from mesh_lab.draws import Draws, address
from mesh_lab.live import LivePlace

D = ml.Deterministic
SHOP = ml.Poisson("shop", rate=40.0, to="orders")


def served(work: Any) -> ml.Scenario:
    return ml.Scenario(SHOP, ml.Service("orders", service_time=work))


# -- users' functions ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [True, None, "1", -1.0, 10**400, 1e308, float("nan")], ids=repr)
def test_what_a_users_function_returns_must_be_seconds(given: Any) -> None:
    with pytest.raises(ml.MeshLabError, match="'orders': the function for its work returned"):
        ml.simulate(served(lambda request, rng: given), requests=3, seed=1)


@pytest.mark.parametrize("given", [np.float32(0.5), np.int64(1), np.float64(0.5)], ids=repr)
def test_a_number_of_numpy_is_a_number(given: Any) -> None:
    scenario = served(lambda request, rng: given)
    first = ml.simulate(scenario, requests=1, seed=1).requests.iloc[0]
    assert first["finish"] == first["start"] + float(given)


def test_an_error_of_a_users_function_says_where_it_happened() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        ml.simulate(served(lambda request, rng: 1 / 0), requests=3, seed=1)
    assert "the work of 'orders', at Request(source=0, number=0)" in caught.value.__notes__[0]


# -- loops -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [1, 2])
def test_who_goes_round_for_ever_is_stopped(replicas: int) -> None:
    """The way out exists, but its probability is so small that nobody would ever take it."""
    scenario = ml.Scenario(
        SHOP,
        ml.Service(
            "orders", replicas=replicas, service_time=D(value=0.0), to="orders", failure=1e-300
        ),
    )
    with pytest.raises(ml.Deadlock, match="has come to 'orders' 10000 times"):
        ml.simulate(scenario, requests=1, seed=1)


def test_a_handler_that_sends_back_what_only_another_lets_go_is_stopped() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="inbox"),
        ml.Queue("inbox"),
        ml.Handler("back", source="inbox", work=D(value=0.1), to="inbox"),
        ml.Handler("out", source="inbox", work=D(value=0.1)),
    )
    with pytest.raises(ml.Deadlock, match="to 'inbox' 10000 times"):
        ml.simulate(scenario, requests=1, seed=1)


# -- draws -----------------------------------------------------------------------------------------


def test_no_two_addresses_are_written_alike() -> None:
    """Names may hold any character, also the one between the words of an address."""
    odd = ["a", "a\x1f", "\x1fa", "a\x1e", "a\x1e0", "a\x1e1", "a\x1fservice\x1fb", "b"]
    made = [address(part, "service", source, 0, 0) for part in odd for source in odd]
    assert len(set(made)) == len(made)
    assert address("a", "b\x1fc", "d", 0, 0) != address("a\x1fb", "c", "d", 0, 0)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", None, True], ids=repr)
def test_draws_refuse_what_is_no_seed(seed: Any) -> None:
    with pytest.raises(ml.ScenarioError, match="must be a whole number, 0 or more"):
        Draws(seed)


def test_a_column_has_no_negative_numbers() -> None:
    column = Draws(1).column("uniform", "a", "b", "c")
    with pytest.raises(ml.ScenarioError, match="number is -1, but a column has"):
        column.at(-1)


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [3, None, "a\0b", []], ids=repr)
def test_what_is_no_path_is_refused(path: Any) -> None:
    run = ml.simulate(served(D(value=0.01)), requests=3, seed=1)
    with pytest.raises(ml.ScenarioFileError, match="cannot be written: it is no path"):
        run.save(path)
    with pytest.raises(ml.ScenarioFileError, match="cannot be read"):
        ml.Scenario.from_yaml(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ml.ScenarioFileError, match="cannot be written: it is not a file"):
        served(D(value=0.01)).to_yaml(pipe)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


# -- saved runs that somebody changed --------------------------------------------------------------


def changed(path: Path, *, about: Any = None, **columns: Any) -> None:
    """Write a saved run again with other metadata or columns (None: without the column)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    kept = json.loads(table.schema.metadata[b"mesh_lab"])
    written = json.dumps({**kept, **about}) if isinstance(about, dict) else about
    made = {name: table[name] for name in table.column_names}
    for name, value in columns.items():
        if value is None:
            del made[name]
        else:
            made[name] = pa.array([value] * len(table))
    new = pa.table(made).replace_schema_metadata({"mesh_lab": written or json.dumps(kept)})
    pq.write_table(new, path)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"about": "no JSON"}, "is not readable"),
        ({"about": b"\xff"}, "is not readable"),
        ({"about": "[]"}, "is not readable"),
        ({"about": {"seed": None}}, "seed is None"),
        ({"about": {"duration": -1.0}}, "duration is -1.0"),
        ({"about": {"warmup": float("nan")}}, "warmup is nan"),
        ({"about": {"requests": 10**12}}, "visits of 1000000000000 requests"),
        ({"about": {"requests": 5}}, "column 'request': must hold whole numbers from 0 to 4"),
        ({"about": {"scenario": "nowhere.yml"}}, "a scenario that cannot be read"),
        ({"about": {"scenario": 3}}, "scenario is 3"),
        ({"request": None}, "has no column 'request'"),
        ({"finish": None}, "has no column 'finish'"),
        ({"more": 1}, "a column 'more', which no saved run has"),
        ({"request": 0}, "a request without a visit"),
        ({"source": 1}, "column 'source': must hold whole numbers from 0 to 0"),
        ({"station": -1}, "column 'station'"),
        ({"outcome": 99}, "column 'outcome'"),
        ({"outcome": "ok"}, "column 'outcome'"),
        ({"endpoint": 1}, "column 'endpoint'"),
        ({"start": "x"}, "column 'start': must hold times in seconds"),
        ({"finish": -1.0}, "column 'finish'"),
        ({"sent": float("nan")}, "no time at which it was made or sent"),
        ({"arrival": float("nan")}, "was started, but has no arrival"),
    ],
    ids=str,
)
def test_a_saved_run_that_was_changed_is_refused(
    tmp_path: Path, how: dict[str, Any], says: str
) -> None:
    path = tmp_path / "run.parquet"
    ml.simulate(served(D(value=0.01)), requests=20, seed=1).save(path)
    changed(path)
    assert len(ml.load_run(path).requests) == 20  # written again without a change, it is read
    changed(path, **how)
    with pytest.raises(ml.TraceError, match=re.escape(says)):
        ml.load_run(path)


@pytest.mark.parametrize("path", [3, None, []], ids=repr)
def test_a_run_is_loaded_from_a_path(path: Any) -> None:
    with pytest.raises(ml.TraceError, match="cannot be read as a saved run"):
        ml.load_run(path)


# -- live parts ------------------------------------------------------------------------------------


def live(part: ml.Queue | ml.Service) -> LivePlace:
    (made,) = ml.build(simpy.Environment(), part, seed=1)
    assert isinstance(made, LivePlace)
    return made


@pytest.mark.parametrize(
    "given", [{"priority": "x"}, {"priority": True}, {"priority": 0.5}], ids=str
)
def test_a_live_queue_refuses_what_is_no_class(given: dict[str, Any]) -> None:
    inbox = live(ml.Queue("inbox"))
    with pytest.raises(ml.ScenarioError, match=r"'inbox': priority is .* a whole number"):
        inbox.put("event", **given)
    assert inbox.waiting == 0


@pytest.mark.parametrize("deadline", ["x", -1.0, float("nan")], ids=repr)
def test_a_live_queue_refuses_what_is_no_deadline(deadline: Any) -> None:
    inbox = live(ml.Queue("inbox"))
    with pytest.raises(ml.ScenarioError, match=r"'inbox': deadline is .* seconds, 0 or more"):
        inbox.call("event", deadline=deadline)


def test_live_parts_need_an_environment_and_a_seed() -> None:
    env: Any = "environment"
    with pytest.raises(ml.ScenarioError, match="env is 'environment', but must be a simpy"):
        ml.build(env, ml.Queue("inbox"), seed=1)
    with pytest.raises(ml.ScenarioError, match="seed is -1"):
        ml.build(simpy.Environment(), ml.Queue("inbox"), seed=-1)


def test_a_live_service_without_a_service_time_says_so() -> None:
    orders = live(ml.Service("orders"))
    with pytest.raises(ml.MeshLabError, match="'orders' does not say how long its work takes"):
        orders.call("event")


# -- many runs, theory, exercises, sources ---------------------------------------------------------


@pytest.mark.parametrize("jobs", [0, "x", 1.5, True, 10**6], ids=repr)
def test_jobs_must_be_a_number_of_processes(jobs: Any) -> None:
    with pytest.raises(ml.ScenarioError, match=r"jobs is .*, but must be a whole number from 1"):
        ml.replicate(served(D(value=0.01)), 2, requests=5, seed=1, jobs=jobs)


def test_replications_without_any_measure_have_an_empty_summary() -> None:
    runs = ml.replicate(served(D(value=0.01)), 2, until=1e-9, seed=1)
    table = runs.summary()
    assert len(table) == 0
    assert "half_width" in table.columns


@pytest.mark.parametrize("servers", [10**9, 10**400])
def test_theory_refuses_what_would_take_for_ever(servers: int) -> None:
    with pytest.raises(ml.PartError, match=r"servers: .* a whole number from 1 to 10000000"):
        ml.theory.erlang_c(servers=servers, offered_load=0.8)


def test_theory_refuses_a_number_beyond_all_floats() -> None:
    with pytest.raises(ml.PartError, match=r"arrival_rate: .* a finite number above 0"):
        ml.theory.mm1(arrival_rate=10**400, service_rate=1.0)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        *((name, "give the exercise's name in quotes") for name in (3, None, ["02.x"])),
        ("0" * 1000 + ".x", "is no exercise's name"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_an_exercise_has_a_name(name: Any, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    ml.course.solution(name)
    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("field", "given"),
    [("low", -1.0), ("low", 9.0), ("high", float("nan")), ("peak_hour", "x"), ("low", True)],
)
def test_a_daily_cycle_has_rates_that_can_be(field: str, given: Any) -> None:
    """Below 0, the cycle used to be cut off, so that its mean was not what was asked for."""
    fields = {"low": 1.0, "high": 2.0, "peak_hour": 14.0} | {field: given}
    with pytest.raises(ml.PartError, match=f"daily, {field}: "):
        ml.daily(**fields)


# -- scenarios -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "failure"), [({"inner": 0.5, "orders": 0.5, "out": 0.0}, 0.0), ("inner", 0.0)], ids=str
)
def test_an_exit_of_probability_0_is_no_exit(to: Any, failure: float) -> None:
    with pytest.raises(ml.ScenarioError, match="nothing that enters 'orders' ever leaves"):
        ml.Scenario(
            SHOP,
            ml.Service("orders", service_time=D(value=0.1), to=to, failure=failure),
            ml.Service("inner", service_time=D(value=0.1), to={"orders": 1.0, "out": 0.0}),
            ml.Service("out", service_time=D(value=0.1)),
        )


def test_no_part_is_called_as_a_replica_of_another() -> None:
    """Both would draw the same random numbers."""
    two = ml.Service("orders", replicas=2, service_time=D(value=0.1))
    with pytest.raises(ml.ScenarioError, match="a part is called 'orders#1', as replica 1 of"):
        ml.Scenario(SHOP, two, ml.Service("orders#1", service_time=D(value=0.1)))
    ml.Scenario(SHOP, two, ml.Service("orders#2", service_time=D(value=0.1)))


def test_a_part_may_be_renamed_and_asked_for_by_anything() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="orders"), served(D(value=0.1))["orders"]
    )
    assert scenario.replace("shop", name="kiosk")["kiosk"].name == "kiosk"
    nonsense: Any = 3
    with pytest.raises(ml.ScenarioError, match="there is no part 3"):
        scenario[nonsense]
