"""What hostile input meets: one clear error of a documented type, and never a run without end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab.draws import Draws, address

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
