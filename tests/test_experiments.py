"""The public face of `mesh_lab.experiments`, and faults planted in it."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import math
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from mesh_lab import experiments
from mesh_lab.errors import MeshLabError, PartError

from .test_experiments_gate import agrees_gate
from .test_experiments_looks import agrees_group_sequential, agrees_peeking
from .test_experiments_power import (
    agrees_compare_means,
    agrees_compare_rates,
    agrees_means_power,
    agrees_rates_power,
    agrees_sample_sizes,
)

# --- the public face -----------------------------------------------------------------------------

GOOD: dict[str, dict[str, Any]] = {
    "compare_rates": {"successes": (90, 80), "trials": (100, 100), "confidence": 0.9},
    "compare_means": {"samples": ([1.0, 2.0, 4.0], [2.0, 3.0]), "confidence": 0.9},
    "rates_power": {"rates": (0.5, 0.6), "trials": (100, 100), "significance": 0.05},
    "rates_sample_size": {
        "rates": (0.5, 0.6),
        "power": 0.8,
        "significance": 0.05,
        "candidate_share": 0.5,
    },
    "means_power": {
        "difference": 1.0,
        "deviations": (1.0, 2.0),
        "trials": (10, 10),
        "significance": 0.05,
    },
    "means_sample_size": {
        "difference": 1.0,
        "deviations": (1.0, 2.0),
        "power": 0.8,
        "significance": 0.05,
        "candidate_share": 0.5,
    },
    "peeking": {"looks": 3, "significance": 0.05, "sides": 2},
    "group_sequential": {"looks": 3, "significance": 0.05, "power": 0.8, "sides": 2},
    "sequential_rates": {
        "successes": ([50, 90], [40, 80]),
        "trials": ([100, 200], [100, 200]),
        "effect": 0.1,
        "significance": 0.05,
        "least": 10,
    },
    "sequential_means": {
        "means": ([1.0, 1.1], [2.0, 2.1]),
        "deviations": ([1.0, 1.0], [1.0, 1.0]),
        "trials": ([100, 200], [100, 200]),
        "effect": 1.0,
        "significance": 0.05,
        "least": 10,
    },
    "rate_sequence": {"successes": [9, 18], "trials": [10, 20], "confidence": 0.95},
    "rate_difference_sequence": {
        "successes": ([9, 18], [8, 16]),
        "trials": ([10, 20], [10, 20]),
        "confidence": 0.95,
    },
    "gate_failure": {
        "success_rate": 0.99,
        "requests": 100,
        "minimum": 0.98,
        "steps": 4,
        "threshold": 2,
    },
}
NUMBERS = [
    (name, argument)
    for name, arguments in GOOD.items()
    for argument, value in arguments.items()
    if isinstance(value, int | float)
]


def made(name: str, **changes: Any) -> Any:
    function: Callable[..., Any] = getattr(experiments, name)
    return function(**(GOOD[name] | changes))


def test_every_function_is_tried_here() -> None:
    assert {n for n in experiments.__all__ if n.islower()} == set(GOOD)


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", None, True, 1j, [[1.0]]])
@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_bad_numbers_are_refused_by_name(name: str, argument: str, value: Any) -> None:
    if value is None and argument == "steps":
        return
    with pytest.raises(PartError) as refused:
        made(name, **{argument: value})
    assert refused.value.part == f"experiments.{name}"
    assert refused.value.field.startswith(argument)
    assert isinstance(refused.value, MeshLabError)


@pytest.mark.parametrize("name", ["confidence", "significance", "power", "candidate_share"])
def test_shares_are_between_0_and_1(name: str) -> None:
    for function, arguments in GOOD.items():
        if name in arguments:
            for value in (0, 1, -0.1, 1.5, 95):
                with pytest.raises(PartError, match="must be between"):
                    made(function, **{name: value})


@pytest.mark.parametrize("value", [5, (1,), (1, 2, 3), "ab", None])
def test_pairs_are_pairs(value: Any) -> None:
    for function, arguments in GOOD.items():
        for argument, value_given in arguments.items():
            if isinstance(value_given, tuple):
                with pytest.raises(PartError, match="two entries, the control first"):
                    made(function, **{argument: value})


def test_counts_that_contradict_each_other() -> None:
    with pytest.raises(PartError, match=r"successes\[1\]: is 101, but must not exceed the 100"):
        made("compare_rates", successes=(90, 101))
    with pytest.raises(PartError, match="no variation on either side"):
        made("compare_means", samples=([1.0, 1.0], [2.0, 2.0]))
    with pytest.raises(PartError, match=r"samples\[0\]: has 1 values, but must have 2 or more"):
        made("compare_means", samples=([1.0], [2.0, 2.0]))
    with pytest.raises(PartError, match=r"is nan at index 1, but must be finite"):
        made("compare_means", samples=([1.0, math.nan], [2.0, 2.0]))
    with pytest.raises(PartError, match="give counts so far"):
        made("rate_sequence", successes=[9, 8])
    with pytest.raises(PartError, match="is 11 at index 0, but must not exceed the 10 trials"):
        made("rate_sequence", successes=[11, 12])
    with pytest.raises(PartError, match="has 3 values, but must have 2, one a look"):
        made("rate_sequence", successes=[1, 2, 3])
    with pytest.raises(PartError, match=r"is 1\.5 at index 0, but must be a whole number"):
        made("rate_sequence", successes=[1.5, 2])
    with pytest.raises(PartError, match=r"successes\[1\]: is 250 at index 1"):
        made("sequential_rates", successes=([50, 90], [40, 250]))
    with pytest.raises(PartError, match=r"trials\[0\]: falls from one look to the next"):
        made("sequential_rates", trials=([100, 90], [100, 200]))
    with pytest.raises(PartError, match=r"deviations\[0\]: is -1 at index 0"):
        made("sequential_means", deviations=([-1.0, 1.0], [1.0, 1.0]))
    with pytest.raises(PartError, match=r"means\[1\]: has 1 values, but must have 2"):
        made("sequential_means", means=([1.0, 2.0], [1.0]))


@pytest.mark.parametrize("name", GOOD)
def test_results_are_frozen_comparable_short_and_survive_pickling(name: str) -> None:
    result = made(name)
    with pytest.raises(TypeError, match="positional"):
        getattr(experiments, name)(*GOOD[name].values())
    if isinstance(result, float):
        return
    assert made(name) == result
    text = repr(result)
    assert text.startswith(type(result).__name__ + "(")
    assert len(text) < 300
    assert "np." not in text
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, dataclasses.fields(result)[0].name, 0.0)


# --- planted errors ------------------------------------------------------------------------------

FAULTS: tuple[tuple[str, Callable[..., None], str, str, str], ...] = (
    ("compare_rates", agrees_compare_rates, "comparison", "(1.0 / n1 + 1.0 / n2)", "(1.0 / n1)"),
    ("compare_rates", agrees_compare_rates, "comparison", "- l2, u1 - p1)", "- l2, p1 - l1)"),
    ("compare_rates", agrees_compare_rates, "comparison", "c2 / (2.0 * trials)", "c2 / trials"),
    ("compare_means", agrees_compare_means, "comparison", "ddof=1", "ddof=0"),
    ("compare_means", agrees_compare_means, "comparison", "/ (n2 - 1.0)", "/ n2"),
    ("rates_power", agrees_rates_power, "power", "(p1 + k * p2) / (1.0 + k)", "p1"),
    ("rates_power", agrees_rates_power, "power", "p2 * (1.0 - p2) / k", "p2 * (1.0 - p2)"),
    ("means_power", agrees_means_power, "power", "s2 * s2 / n2", "s2 * s2 / n1"),
    ("means_power", agrees_means_power, "power", "nct.sf(critical", "nct.sf(1.96"),
    ("rates_sample_size", agrees_sample_sizes, "power", "low + 1 < high", "low + 64 < high"),
    ("rates_sample_size", agrees_sample_sizes, "power", "math.ceil(total * share)", "total"),
    ("peeking", agrees_peeking, "_looks", "drift * (t - before)", "drift * t + 0.01"),
    ("peeking", agrees_peeking, "_looks", "math.sqrt(t - before)", "math.sqrt(t)"),
    ("peeking", agrees_peeking, "_looks", "limit * math.sqrt(t)", "limit * t"),
    ("peeking", agrees_peeking, "peeking", "alpha / sides", "alpha / 2"),
    ("group_sequential", agrees_group_sequential, "_looks", "drift * (t - before)", "drift * t"),
    ("group_sequential", agrees_group_sequential, "group_sequential", "t**-0.5", "t**-0.45"),
    ("group_sequential", agrees_group_sequential, "group_sequential", "fixed) ** 2", "fixed)"),
    ("group_sequential", agrees_group_sequential, "group_sequential", "0.0)[1])", "0.0)[0])"),
    ("group_sequential", agrees_group_sequential, "group_sequential", "(1.0 - math", "(math"),
    ("gate_failure", agrees_gate, "gate", "bdtr(needed - 1, n, p)", "bdtr(needed, n, p)"),
    ("gate_failure", agrees_gate, "gate", "Fraction(repr(least)) * n", "least * n"),
    ("gate_failure", agrees_gate, "gate", "rollback += here * q", "rollback += here"),
    ("gate_failure", agrees_gate, "gate", "here * q + float(at[f])", "float(at[f])"),
    ("gate_failure", agrees_gate, "gate", "checks += here", "checks += 1.0"),
)  # fmt: skip


def faulty(
    monkeypatch: pytest.MonkeyPatch, module: str, text: str, fault: str, function: str
) -> Callable[..., Any]:
    """Return `function` from its module, made anew with the fault in it or below it."""
    home = importlib.import_module(f"mesh_lab.experiments.{module}")
    made_anew = home
    where = sys.modules[getattr(experiments, function).__module__].__name__.rpartition(".")[2]
    for name in dict.fromkeys((module, where)):
        real = importlib.import_module(f"mesh_lab.experiments.{name}")
        source = inspect.getsource(real)
        if name == module:
            assert text in source, f"the fault {fault!r} has nothing to change in {module}"
            source = source.replace(text, fault)
        made_anew = types.ModuleType(f"mesh_lab.experiments.{name}")
        made_anew.__package__ = "mesh_lab.experiments"
        monkeypatch.setitem(sys.modules, made_anew.__name__, made_anew)
        exec(compile(source, f"faulty {name}.py", "exec"), made_anew.__dict__)
    found: Callable[..., Any] = getattr(made_anew, function)
    return found


@pytest.mark.parametrize(("function", "agrees"), sorted({(f[0], f[1]) for f in FAULTS}, key=str))
def test_the_function_agrees(function: str, agrees: Callable[..., None]) -> None:
    agrees(getattr(experiments, function))


@pytest.mark.parametrize(("function", "agrees", "module", "text", "fault"), FAULTS)
def test_a_planted_error_is_found(
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    agrees: Callable[..., None],
    module: str,
    text: str,
    fault: str,
) -> None:
    changed = faulty(monkeypatch, module, text, fault, function)
    with pytest.raises((AssertionError, ArithmeticError, ValueError, IndexError)):
        agrees(changed)
