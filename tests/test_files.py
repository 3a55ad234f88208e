"""Scenario files: what was written comes back equal, and what is wrong is said with its line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import mesh_lab as ml
from mesh_lab import files
from mesh_lab.balancing import Balancer
from mesh_lab.mesh.discovery import Discovery
from mesh_lab.parts import part
from mesh_lab.resilience import Breaker, RetryBudget
from mesh_lab.shedding import Shedder
from mesh_lab.sources.base import OpenSource, Source
from mesh_lab.sources.recorded import Recorded
from tests.any_part import ODD_WORDS, parts

quick = settings(derandomize=True, deadline=None)

# -- any part --------------------------------------------------------------------------------------


@quick
@given(scenario=st.lists(parts(), max_size=3, unique_by=lambda part: part.name))
def test_every_part_comes_back_equal(scenario: list[Any]) -> None:
    text = files.dump(scenario)
    back = files.load(text)
    assert back == tuple(scenario)
    assert list(map(repr, back)) == list(map(repr, scenario))
    assert files.dump(back) == text


@quick
@given(
    text=st.sampled_from([*ODD_WORDS, "", "\udce9"]) | st.text(),
    number=st.floats(allow_nan=False) | st.integers(-(10**30), 10**30),
)
def test_other_readers_of_yaml_read_the_same_values(text: str, number: float) -> None:
    from mesh_lab.yaml_subset import text as written

    value = {"kind": text, "n": [number, None, True]}
    assert yaml.safe_load(written(value)) == value
    assert type(yaml.safe_load(written(value))["n"][0]) is type(number)


def every_kind(base: type) -> set[str]:
    own = {base.__name__: base} if base.__module__.startswith("mesh_lab") else {}
    bases = {Source, OpenSource, Recorded, Balancer, ml.Change, ml.Distribution}
    bases |= {RetryBudget, Breaker, Shedder, Discovery}
    found = {name for name, kind in own.items() if kind not in bases}
    return found.union(*(every_kind(below) for below in base.__subclasses__()))


def test_no_kind_was_forgotten() -> None:
    declared = [Source, Balancer, ml.Distribution, ml.Queue, ml.Handler, ml.Service, ml.Profile]
    declared += [ml.Change, ml.Endpoint, ml.Failures, ml.Keys, ml.SlowStart, ml.Eligible]
    declared += [ml.ZoneAware, ml.LocalityWeighted]
    declared += [ml.DeterministicSubset, ml.RandomSubset, ml.Aperture]
    declared += [ml.MessageQueue, ml.Topic, ml.Consumer, ml.Redrive, ml.Backoff, ml.Link]
    declared += [ml.Log, ml.Producer, ml.ConsumerGroup]
    declared += [ml.JoinGroup, ml.LeaveGroup, ml.CrashMember, ml.Seek]
    declared += [ml.Call, ml.Parallel, ml.Policy, ml.Retries, ml.Hedge]
    declared += [RetryBudget, ml.EnvoyBackoff, ml.GrpcBackoff, ml.Limits, Breaker]
    declared += [ml.OutlierDetection, ml.Connections, ml.Faults, Shedder]
    declared += [ml.Route, ml.Rule, ml.Canary]
    declared += [ml.DataPlane, ml.ServiceDiscovery, Discovery, ml.PodLife, ml.Readiness]
    assert set().union(*map(every_kind, declared)) == set(files.KINDS)


# -- as people see it ------------------------------------------------------------------------------

EXAMPLE = """\
mesh_lab: 1
parts:
- kind: Poisson
  name: shop
  to: {orders: 0.9, inbox: 0.1}
  rate: 350.0
- kind: Queue
  name: inbox
  capacity: 100
- kind: Handler
  name: worker
  source: inbox
  work:
    kind: Mixture
    components:
    - {kind: Deterministic, value: 1.0e-05}
    - kind: HyperExponential
      means: [0.01, 0.1]
      probabilities: [0.9, 0.1]
    probabilities: [0.5, 0.5]
- kind: Service
  name: orders
  replicas: 10
  service_time: {kind: Exponential, mean: 0.02}
  balancer: {kind: LeastRequest}
"""
SCENARIO = ml.Scenario(
    ml.Poisson("shop", rate=350.0, to={"orders": 0.9, "inbox": 0.1}),
    ml.Queue("inbox", capacity=100),
    ml.Handler(
        "worker",
        source="inbox",
        work=ml.Mixture(
            components=(
                ml.Deterministic(value=1e-5),
                ml.HyperExponential(means=(0.01, 0.1), probabilities=(0.9, 0.1)),
            ),
            probabilities=(0.5, 0.5),
        ),
    ),
    ml.Service(
        "orders",
        replicas=10,
        service_time=ml.Exponential(mean=0.02),
        balancer=ml.LeastRequest(),
    ),
)


def test_a_scenario_is_written_readably_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    assert SCENARIO.to_yaml(path) == EXAMPLE
    assert path.read_text() == EXAMPLE
    assert ml.Scenario.from_yaml(path) == SCENARIO
    assert ml.Scenario.from_yaml(str(path)) == SCENARIO
    assert ml.Scenario.from_yaml(EXAMPLE) == SCENARIO


def test_what_somebody_would_write_by_hand_is_read(tmp_path: Path) -> None:
    text = """\
        \ufeff# a comment
        parts:
          -   name: "no"          # the order of keys does not matter
              kind: Poisson
              to: kind
              rate: 1e3
          - {kind: Users, name: u, to: {kind: 0.25, no: .75}, users: 3, deadline: ~,
             think: {kind: Empirical, values: [1, 2.50, 3E0]}}
        mesh_lab: 1
        """
    path = tmp_path / "hand.yaml"
    path.write_bytes(text.replace("        ", "").replace("\n", "\r\n").encode())
    assert files.load(path) == (
        ml.Poisson("no", to="kind", rate=1000.0),
        ml.Users(
            "u",
            to={"kind": 0.25, "no": 0.75},
            users=3,
            think=ml.Empirical(values=(1.0, 2.5, 3.0)),
        ),
    )


def test_a_trace_keeps_its_path_as_given() -> None:
    relative = ml.Replay("shop", Path("traces/monday.csv"), to="orders", time="t")
    assert "path: traces/monday.csv\n" in files.dump([relative])
    assert files.load(files.dump([relative])) == (relative,)


def test_a_large_measurement_is_read_again() -> None:
    values = np.random.default_rng(1).exponential(0.02, 2_000)
    service = ml.Service("orders", service_time=ml.Empirical(values=values))
    assert files.load(files.dump([service])) == (service,)


# -- what cannot be written ------------------------------------------------------------------------


def never(request: object, generator: object) -> float:
    raise AssertionError("called")


@part
class Coin(ml.Distribution):
    """A user's own distribution; only its class matters here."""

    mean: float = 1.0
    scv: float = 0.0

    _draw = _cdf = _laplace = never  # type: ignore[assignment]


def unwritable(*scenario: Any) -> str:
    with pytest.raises(ml.ScenarioFileError) as caught:
        files.dump(scenario)
    return str(caught.value)


def test_a_function_is_named_with_its_part_and_field(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("old")
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=1.0, to="orders"), ml.Service("orders", service_time=never)
    )
    with pytest.raises(ml.ScenarioFileError) as caught:
        scenario.to_yaml(path)
    assert str(caught.value) == (
        "Service 'orders', service_time: is the function never, which cannot be written: a file "
        "holds no code; use a distribution, or build the scenario in Python"
    )
    assert path.read_text() == "old"
    assert "Handler 'w', work: is the function test_" in unwritable(
        ml.Handler("w", source="q", work=lambda request, generator: 1.0)
    )


def test_a_users_own_kind_is_named_with_its_part_and_field() -> None:
    cannot = "is a Coin, which cannot be written: a file knows only mesh_lab's own kinds"
    assert unwritable(ml.Service("orders", service_time=Coin())) == (
        f"Service 'orders', service_time: {cannot}"
    )
    mixed = ml.Mixture(components=(Coin(),), probabilities=(1.0,))
    assert unwritable(ml.Users("u", to="x", users=1, think=mixed)) == (
        f"Users 'u', think: Mixture, components: {cannot}"
    )


# -- whatever the text

pieces = st.sampled_from(
    [*EXAMPLE.splitlines(keepends=True), *"\n -:,[]{}#&*!|>'\"%@`\t0a.~", "kind: ", "name: a\n"]
)


@quick
@given(text=st.text() | st.lists(pieces, max_size=40).map("".join))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(ml.ScenarioFileError):
        files.load(text + "\n")


@quick
@given(
    drop=st.tuples(st.integers(0, len(EXAMPLE)), st.integers(0, 30)),
    put=st.text(max_size=5) | pieces,
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    drop: tuple[int, int], put: str
) -> None:
    at, length = drop
    with contextlib.suppress(ml.ScenarioFileError):
        files.load(EXAMPLE[:at] + put + EXAMPLE[at + length :] + "\n")
