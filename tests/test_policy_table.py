"""The table of policies is complete, and the README shows it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab.engines.compiled import reasons

README = Path(__file__).parents[1] / "README.md"


def test_readme_shows_the_table() -> None:
    section = README.read_text().split("### Balancers")[1].split("## What it needs")[0]
    shown = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\| (?!policy).*$", section, re.MULTILINE)
    ]
    assert shown == [[name, *row] for name, *row in ml.policy_table().itertuples(name=None)]


def test_every_policy_is_there_and_says_everything() -> None:
    table = ml.policy_table()
    declared = {
        name
        for name in ml.__all__
        if isinstance(kind := getattr(ml, name), type)
        and issubclass(kind, ml.Balancer)
        and kind is not ml.Balancer
    }
    assert declared == set(table.index) - {"a function"}
    assert len(declared) == 24
    for column in table:
        assert all(isinstance(text, str) and text for text in table[column])


def test_only_a_function_keeps_a_service_from_the_compiled_engine() -> None:
    def first(sight: ml.Sight, request: object) -> int:
        return sight.endpoints[0]

    shop = ml.Poisson("shop", rate=1.0, to="s")
    scenario = ml.Scenario(
        shop, ml.Service("s", replicas=2, service_time=ml.Exponential(mean=1.0), balancer=first)
    )
    assert "'s': a user's function is its balancer" in reasons(scenario)
    assert not [r for r in reasons(scenario.replace("s", balancer=ml.Random())) if "balancer" in r]


@pytest.mark.parametrize("name", [n for n in ml.policy_table().index if n != "a function"])
def test_weights_count_where_the_table_says_so(name: str) -> None:
    """The same requests at 70 % load, with equal weights and with 4, 2 and 1."""
    kind = getattr(ml, name)
    given = {"FirstAvailable": {"limit": 2}, "SizeInterval": {"cutoffs": (0.4, 1.2)}}
    source = ml.Poisson("p", rate=2.1, to="s", key=ml.Keys(300))
    picked = []
    for weights in ((1.0, 1.0, 1.0), (4.0, 2.0, 1.0)):
        service = ml.Service(
            "s",
            endpoints=tuple(ml.Endpoint(f"e{i}", weight=w) for i, w in enumerate(weights)),
            service_time=ml.Exponential(mean=1.0),
            balancer=kind(**given.get(name, {})),
        )
        run = ml.simulate(ml.Scenario(source, service), requests=600, seed=1)
        picked.append(run.requests["endpoint"].to_numpy())
    matters = not np.array_equal(*picked)
    assert matters == (ml.policy_table().loc[name, "weights"] == "yes")
