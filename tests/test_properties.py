"""What holds in every run: the laws, determinism, and that parts do not disturb each other."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mesh_lab as ml
from tests.scenarios import make

E = ml.Exponential


def digest(run: ml.Run) -> str:
    """A hash of every row."""
    c = run.columns
    found = hashlib.sha256()
    for column in (c.source, c.made, c.station, c.endpoint, c.start, c.finish, c.outcome):
        found.update(np.ascontiguousarray(column).tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("seed", range(1, 61))
def test_random_scenarios_obey_the_laws(seed: int) -> None:
    """Conservation, capacity, order and Little's law, in scenarios of every feature."""
    case = make(seed)
    limits: dict[str, Any] = {"requests": case.requests, "until": case.until, "seed": case.seed}
    try:
        run = ml.simulate(case.scenario, **limits)
    except ml.Deadlock:  # then it comes to a standstill every time
        with pytest.raises(ml.Deadlock):
            ml.simulate(case.scenario, **limits)
        return
    run.check_invariants()
    again = ml.simulate(case.scenario, **limits)
    assert digest(again) == digest(run)


SCENARIO = ml.Scenario(
    ml.Poisson("shop", rate=3.0, to="front", priority={0: 0.3, 1: 0.7}),
    ml.Users("staff", users=4, think=E(mean=2.0), to="front"),
    ml.Service(
        "front", workers=2, service_time=E(mean=0.4), discipline="priority", to={"back": 0.6}
    ),
    ml.Service(
        "back",
        replicas=3,
        service_time=ml.LogNormal(mean=0.5, scv=2.0),
        balancer=ml.LeastRequest(),
        failure=0.05,
        to={"front": 0.1},
    ),
)

PROCESS = """
from tests.test_properties import SCENARIO, digest
import mesh_lab as ml
print(digest(ml.simulate(SCENARIO, requests=2000, seed=11)))
"""


def test_the_same_seed_gives_the_same_rows_in_another_process() -> None:
    here = digest(ml.simulate(SCENARIO, requests=2000, seed=11))
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == here
    assert digest(ml.simulate(SCENARIO, requests=2000, seed=12)) != here


def test_adding_parts_changes_nobody_elses_draws() -> None:
    """A second, separate system beside the first leaves every row of the first as it was."""
    more = ml.Scenario(
        ml.Bursts("other", rates=(1.0, 20.0), holds=(3.0, 1.0), to="elsewhere"),
        *SCENARIO.parts,
        ml.Queue("elsewhere", discipline="random"),
        ml.Handler("h", source="elsewhere", work=E(mean=0.2)),
    )
    alone = ml.simulate(SCENARIO, until=500.0, seed=3).requests
    beside = ml.simulate(more, until=500.0, seed=3).requests
    mine = beside[beside["source"].isin(["shop", "staff"])].reset_index(drop=True)
    mine["source"] = mine["source"].astype(str)
    alone["source"] = alone["source"].astype(str)
    pd.testing.assert_frame_equal(mine, alone)
    assert len(beside) > len(alone) + 1000


def test_every_policy_meets_the_same_customers() -> None:
    """Arrivals and service times are the same under another balancer and another order."""

    def customers(**fields: object) -> pd.DataFrame:
        scenario = SCENARIO.replace("staff", users=1).replace("back", **fields)
        run = ml.simulate(scenario, requests=2000, seed=5)
        made = run.requests
        return made[made["source"] == "shop"][["arrival"]].reset_index(drop=True)

    pd.testing.assert_frame_equal(customers(balancer=ml.Random()), customers(discipline="lifo"))
    # service times: under FIFO and LIFO at one worker, finish - start is the same for everybody
    one = ml.Scenario(ml.Poisson("a", rate=0.8, to="s"), ml.Service("s", service_time=E(mean=1.0)))
    first, last = (
        ml.simulate(one.replace("s", discipline=d), requests=2000, seed=5).requests
        for d in ("fifo", "lifo")
    )
    np.testing.assert_allclose(
        first["finish"] - first["start"], last["finish"] - last["start"], rtol=0, atol=1e-9
    )


def test_longer_runs_begin_as_shorter_ones() -> None:
    short = ml.simulate(SCENARIO, until=100.0, seed=4).requests
    long_ = ml.simulate(SCENARIO, until=200.0, seed=4).requests.iloc[: len(short)]
    ended = short["outcome"] != "in_flight"
    pd.testing.assert_frame_equal(short[ended], long_[ended.to_numpy()])


def test_a_column_of_draws_is_the_same_in_any_order_and_after_forgetting() -> None:
    draws = ml.Draws(1)
    column = draws.column(E(mean=1.0), "s", "service", "a")
    numbers = np.random.default_rng(1).permutation(100_000)  # far more than it remembers
    straight = list(islice(draws.column(E(mean=1.0), "s", "service", "a"), 100_000))
    assert all(column.at(int(n)) == straight[n] for n in numbers[:3000])


def test_columns_of_other_addresses_are_independent() -> None:
    """Pairs of columns of 50 000 draws: correlation within 4.5 standard errors (99.999 %)."""
    draws = ml.Draws(1)
    places = [
        ("s", "service", "a", 0, 0),
        ("s", "service", "b", 0, 0),
        ("s", "service", "a", 1, 0),
        ("s", "service", "a", 0, 1),
        ("s", "io", "a", 0, 0),
        ("t", "service", "a", 0, 0),
    ]
    n = 50_000
    columns = []
    for part, purpose, source, visit, attempt in places:
        column = draws.column("uniform", part, purpose, source, visit, attempt)
        columns.append(list(islice(column, n)))
    correlation = np.corrcoef(columns)
    off = correlation[~np.eye(len(places), dtype=bool)]
    assert np.abs(off).max() < 4.5 / np.sqrt(n)
    assert np.abs(np.corrcoef(columns[0], columns[0])).min() > 0.99  # what sharing would give
