"""The public face of `mesh_lab.theory`: field names, errors for people, short frozen results."""

from __future__ import annotations

import dataclasses
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mesh_lab import theory
from mesh_lab.errors import MeshLabError, PartError, UnstableError

MEASURES = ("utilisation", "wait", "response", "in_queue", "in_system", "throughput")


def poisson_gaps(s: float) -> float:
    return 1.0 / (1.0 + s)


GOOD: dict[str, dict[str, Any]] = {
    "mm1": {"arrival_rate": 1.0, "service_rate": 2.0},
    "mmc": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2},
    "mmck": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2, "waiting_room": 3},
    "mminf": {"arrival_rate": 1.0, "service_rate": 1.0},
    "md1": {"arrival_rate": 1.0, "service_mean": 0.5},
    "mg1": {"arrival_rate": 1.0, "service_mean": 0.5, "service_scv": 2.0},
    "mg1_ps": {"arrival_rate": 1.0, "service_mean": 0.5},
    "mg1_priority": {
        "arrival_rates": (0.5, 0.5),
        "service_means": (0.5, 0.5),
        "service_scvs": (1.0, 1.0),
    },
    "gim1": {"arrival_rate": 1.0, "interarrival_laplace": poisson_gaps, "service_rate": 2.0},
    "kingman_bound": {
        "arrival_rate": 1.0,
        "arrival_scv": 1.0,
        "service_mean": 0.5,
        "service_scv": 1.0,
    },
    "kingman_approximation": {
        "arrival_rate": 1.0,
        "arrival_scv": 1.0,
        "service_mean": 0.5,
        "service_scv": 1.0,
        "servers": 1,
    },
    "batch_mm1": {"batch_rate": 0.5, "batch_size": 2, "service_rate": 2.0},
    "batch_mg1": {"batch_rate": 0.5, "batch_size": 2, "service_mean": 0.5, "service_scv": 1.0},
    "erlang_a": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2, "patience_mean": 1.0},
    "random_split": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2},
    "round_robin": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2},
    "power_of_d": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2, "choices": 2},
    "join_shortest_queue": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2},
    "join_idle_queue": {
        "arrival_rate": 1.0,
        "service_rate": 1.0,
        "servers": 2,
        "balancers": 1,
        "choices": 2,
    },
    "jackson": {"arrival_rates": {"a": 1.0}, "service_rates": {"a": 2.0}},
    "mva": {"users": 3, "service_means": {"a": 1.0}, "think_mean": 1.0},
}
DISTRIBUTED = (
    "mm1",
    "mmc",
    "mmck",
    "mminf",
    "md1",
    "gim1",
    "erlang_a",
    "random_split",
    "round_robin",
    "power_of_d",
)


def made(name: str, **changes: Any) -> Any:
    function: Callable[..., Any] = getattr(theory, name)
    return function(**(GOOD[name] | changes))


def test_every_function_is_tried_here() -> None:
    functions = {n for n in theory.__all__ if callable(getattr(theory, n)) and n.islower()}
    elsewhere = {"any_slow", "fan_out", "fork_join", "hedged", "mmc_timeout", "tandem"}
    elsewhere |= {"retry_attempts", "retry_chain", "retry_collapse"}  # in test_theory_graphs
    assert functions - set(GOOD) - elsewhere == {"erlang_b", "erlang_c", "littles_law"}


@pytest.mark.parametrize("name", GOOD)
def test_the_same_names_everywhere(name: str) -> None:
    result = made(name)
    for measure in MEASURES:
        value = getattr(result, measure)
        assert isinstance(value, float), measure
        assert math.isfinite(value)
        assert value >= 0.0
    assert result.response >= result.wait
    assert result.in_system >= result.in_queue


@pytest.mark.parametrize("name", GOOD)
def test_results_are_frozen_comparable_and_survive_pickling(name: str) -> None:
    result = made(name)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.wait = 0.0
    assert made(name) == result
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    assert repr(again) == repr(result)


@pytest.mark.parametrize("name", GOOD)
def test_reprs_are_short_and_say_no_addresses(name: str) -> None:
    text = repr(made(name))
    assert len(text) < 500
    assert "0x" not in text
    assert "np." not in text
    assert text.startswith(type(made(name)).__name__ + "(utilisation=")


@pytest.mark.parametrize("name", GOOD)
def test_arguments_go_by_keyword_only(name: str) -> None:
    function = getattr(theory, name)
    with pytest.raises(TypeError, match="positional"):
        function(*GOOD[name].values())


NUMBERS = [
    (name, argument)
    for name, arguments in GOOD.items()
    for argument, value in arguments.items()
    if isinstance(value, int | float)
]


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, "3", None, True, 1j, [1.0]])
@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_bad_numbers_are_refused_by_name(name: str, argument: str, value: Any) -> None:
    with pytest.raises(PartError) as refused:
        made(name, **{argument: value})
    error = refused.value
    assert error.part == f"theory.{name}"
    assert error.field == argument
    assert str(value) in error.problem
    assert "must be" in error.problem
    assert isinstance(error, ValueError)
    assert isinstance(error, MeshLabError)


@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_zero_is_refused_where_it_means_nothing(name: str, argument: str) -> None:
    if argument.endswith("_scv") or argument in {"waiting_room", "think_mean"}:
        made(name, **{argument: 0})
    else:
        with pytest.raises(PartError, match=argument):
            made(name, **{argument: 0})


@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_numpy_numbers_count_as_numbers(name: str, argument: str) -> None:
    value = np.asarray(GOOD[name][argument])[()]
    assert isinstance(value, np.generic)
    result = made(name, **{argument: value})
    assert result == made(name)
    assert "np." not in repr(result)


@pytest.mark.parametrize("argument", ["servers", "waiting_room", "users", "batch_size", "choices"])
def test_counts_are_whole(argument: str) -> None:
    for name, arguments in GOOD.items():
        if argument in arguments:
            with pytest.raises(PartError, match="whole number"):
                made(name, **{argument: 2.0})


UNSTABLE = (
    ("mm1", {"arrival_rate": 2.0}, "M/M/1 with arrival rate 2 and service rate 2 is unstable: "),
    (
        "mmc",
        {"arrival_rate": 3},
        "M/M/2 with arrival rate 3 and service rate 1 per server is unstable: "
        "utilisation 1.5 is not below 1",
    ),
    ("md1", {"arrival_rate": 3.0}, "M/D/1 with arrival rate 3 and service time 0.5 is unstable"),
    ("mg1", {"arrival_rate": 3.0}, "M/G/1 with arrival rate 3 and mean service time 0.5 is unst"),
    ("mg1_ps", {"service_mean": 1.0}, "M/G/1 with processor sharing, with arrival rate 1 and"),
    (
        "mg1_priority",
        {"arrival_rates": (1.0, 1.5)},
        "M/G/1 with 2 non-preemptive priority classes is unstable: utilisation 1.25",
    ),
    ("gim1", {"service_rate": 0.5}, "GI/M/1 with arrival rate 1 and service rate 0.5 is unstable"),
    ("kingman_bound", {"service_mean": 1.0}, "GI/G/1 with arrival rate 1 and mean service time 1"),
    ("kingman_approximation", {"service_mean": 1.0}, "GI/G/1 with arrival rate 1 and mean"),
    ("batch_mm1", {"batch_size": 4}, "M^[X]/M/1 with 0.5 batches of 4 requests per second and"),
    ("batch_mg1", {"batch_size": 4}, "M^[X]/G/1 with 0.5 batches of 4 requests per second and"),
    ("random_split", {"arrival_rate": 2.0}, "random_split with arrival rate 2, service rate 1 and"),
    ("round_robin", {"arrival_rate": 2.0}, "round_robin with arrival rate 2, service rate 1 and"),
    ("power_of_d", {"arrival_rate": 2.0}, "power_of_d with arrival rate 2, service rate 1 and"),
    ("join_shortest_queue", {"arrival_rate": 2.0}, "join_shortest_queue with arrival rate 2, serv"),
    ("join_idle_queue", {"arrival_rate": 2.0}, "join_idle_queue with arrival rate 2, service rate"),
    ("jackson", {"arrival_rates": {"a": 2.0}}, "station 'a': M/M/1 with arrival rate 2 and"),
)


@pytest.mark.parametrize(("name", "changes", "says"), UNSTABLE)
def test_unstable_systems_are_refused_by_name(
    name: str, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UnstableError) as refused:
        made(name, **changes)
    assert str(refused.value).startswith(says)
    assert "is not below 1" in str(refused.value)
    assert isinstance(refused.value, ValueError)


def test_every_function_that_can_be_unstable_is_in_the_list() -> None:
    always_stable = {"mmck", "mminf", "erlang_a", "mva"}
    assert {name for name, _, _ in UNSTABLE} == set(GOOD) - always_stable


def test_the_message_says_how_many_servers_are_enough() -> None:
    with pytest.raises(UnstableError, match="it needs 4 servers or more"):
        theory.mmc(arrival_rate=3, service_rate=1, servers=2)
    theory.mmc(arrival_rate=3, service_rate=1, servers=4)
    with pytest.raises(UnstableError):
        theory.mmc(arrival_rate=3, service_rate=1, servers=3)


@pytest.mark.parametrize("name", DISTRIBUTED)
def test_tails_and_quantiles_take_numbers_and_arrays(name: str) -> None:
    result = made(name)
    for kind in ("wait", "response"):
        tail = getattr(result, f"{kind}_tail")
        find = getattr(result, f"{kind}_quantile")
        assert isinstance(tail(1.0), float)
        assert isinstance(find(0.5), float)
        times = np.array([[0.0, 1.0], [2.0, 3.0]])
        assert tail(times).tolist() == [[tail(t) for t in row] for row in times.tolist()]
        assert find([0.1, 0.9]).tolist() == [find(0.1), find(0.9)]
        assert tail(math.inf) == 0.0
        assert find(0.0) == 0.0
        assert tail(0) == tail(0.0)


@pytest.mark.parametrize("name", DISTRIBUTED)
@pytest.mark.parametrize("p", [0.5, 0.9, 0.99, 0.9999])
def test_quantiles_are_the_smallest_that_do(name: str, p: float) -> None:
    result = made(name)
    for kind in ("wait", "response"):
        tail = getattr(result, f"{kind}_tail")
        t = getattr(result, f"{kind}_quantile")(p)
        assert tail(t) <= (1.0 - p) * (1.0 + 1e-12)
        if t > 0.0:
            assert tail(t * (1.0 - 1e-9)) >= (1.0 - p) * (1.0 - 1e-12)


@pytest.mark.parametrize("p", [-0.1, 1.0, 99, math.nan, "0.9", None])
def test_a_percentile_is_not_a_probability(p: Any) -> None:
    result = made("mm1")
    with pytest.raises(PartError, match=r"0\.99 asks for the 99th percentile"):
        result.response_quantile(p)


@pytest.mark.parametrize("t", [-1.0, math.nan, "1", None])
def test_times_are_not_negative(t: Any) -> None:
    with pytest.raises(PartError, match="0 or more"):
        made("mm1").wait_tail(t)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ({}, "a mapping"),
        ({0: 1.0}, "whole number, 1 or more"),
        ({1: 0.5, 2: 0.4}, "sum to 0.9"),
        ({1: -0.5, 2: 1.5}, "a probability"),
        ([1, 2], "a mapping"),
    ],
)
def test_batch_sizes_are_a_distribution(size: Any, says: str) -> None:
    with pytest.raises(PartError, match=says) as refused:
        made("batch_mm1", batch_size=size)
    assert refused.value.field.startswith("batch_size")


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"arrival_rates": ()}, "arrival_rates", "one number a class"),
        ({"arrival_rates": 0.5}, "arrival_rates", "one number a class"),
        ({"arrival_rates": "0.5"}, "arrival_rates", "one number a class"),
        ({"service_means": (0.5,)}, "service_means", "has 1 entries, but must have 2"),
        ({"service_scvs": (1.0, -1.0)}, "service_scvs[1]", "0 or more"),
        ({"arrival_rates": (0.5, 0.0)}, "arrival_rates[1]", "above 0"),
        ({"preemptive": "yes"}, "preemptive", "True or False"),
    ],
)
def test_classes_are_checked_one_by_one(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(PartError) as refused:
        made("mg1_priority", **changes)
    assert refused.value.field == field
    assert says in str(refused.value)


def test_classes_may_come_as_arrays() -> None:
    assert made("mg1_priority", arrival_rates=np.array([0.5, 0.5])) == made("mg1_priority")


def test_littles_law_wants_exactly_two() -> None:
    assert theory.littles_law(number=8.0, rate=2.0) == 4.0
    assert theory.littles_law(rate=2.0, time=4.0) == 8.0
    assert theory.littles_law(number=8.0, time=4.0) == 2.0
    for given in ({}, {"rate": 1.0}, {"rate": 1.0, "time": 1.0, "number": 1.0}):
        with pytest.raises(PartError, match="exactly two"):
            theory.littles_law(**given)
    with pytest.raises(PartError, match="above 0"):
        theory.littles_law(number=1.0, time=0.0)


@pytest.mark.parametrize("formula", [theory.erlang_b, theory.erlang_c])
def test_erlangs_formulas_check_too(formula: Callable[..., float]) -> None:
    assert formula(servers=3, offered_load=0.0) == 0.0
    with pytest.raises(PartError, match="servers"):
        formula(servers=0, offered_load=1.0)
    with pytest.raises(PartError, match="offered_load"):
        formula(servers=1, offered_load=-1.0)
    if formula is theory.erlang_c:
        with pytest.raises(UnstableError, match="M/M/2 with an offered load of 2"):
            formula(servers=2, offered_load=2.0)


def test_a_chain_that_is_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(PartError, match="states"):
        made("mmck", waiting_room=10**12)


def test_importing_theory_loads_neither_scipy_nor_the_simulator() -> None:
    # The package's own __init__ is stood in for, so that only the theory is loaded.
    script = (
        "import sys, types, importlib.util as u\n"
        "spec = u.find_spec('mesh_lab')\n"
        "package = types.ModuleType('mesh_lab')\n"
        "package.__path__ = spec.submodule_search_locations\n"
        "sys.modules['mesh_lab'] = package\n"
        "import mesh_lab.theory\n"
        "heavy = {'scipy', 'pandas', 'simpy', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "own = {m for m in sys.modules if m.startswith('mesh_lab.') and 'theory' not in m}\n"
        "print(sorted(heavy), sorted(own))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[] ['mesh_lab.errors']"
