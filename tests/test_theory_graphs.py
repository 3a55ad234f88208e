"""The public face of the closed forms of service graphs, and faults planted in them.

What each function is held against is in ``test_theory_graphs_calls`` and ``..._queues``; here the
same comparisons are run on modules with a fault in their text, and must fail.
"""

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

import numpy as np
import pytest

from mesh_lab import theory
from mesh_lab.errors import PartError

from .test_theory_graphs_calls import (
    agrees_any_slow,
    agrees_fan_out,
    agrees_fork_join,
    agrees_hedged,
    agrees_retry_attempts,
    agrees_retry_chain,
)
from .test_theory_graphs_queues import agrees_mmc_timeout, agrees_tandem

# --- the public face -----------------------------------------------------------------------------

GOOD: dict[str, dict[str, Any]] = {
    "any_slow": {"leaves": 10, "slow_probability": 0.1},
    "fan_out": {"leaves": 10, "response_mean": 2.0},
    "fork_join": {"arrival_rate": 1.0, "service_rate": 2.0, "branches": 3},
    "hedged": {
        "response_tail": theory.mm1(arrival_rate=1.0, service_rate=2.0).response_tail,
        "delay": 1.0,
        "most_attempts": 2,
    },
    "retry_attempts": {"failure": 0.5, "retries": 2},
    "retry_chain": {"failures": (0.1, 0.2), "retries": 2},
    "tandem": {"arrival_rate": 1.0, "service_rates": (2.0, 2.0), "servers": 1},
    "mmc_timeout": {"arrival_rate": 1.0, "service_rate": 1.0, "servers": 2, "timeout": 1.0},
    "retry_collapse": {
        "arrival_rate": 50.0,
        "capacity": 100.0,
        "retries": 3,
        "timeout": 1.0,
        "budget": 0.2,
        "floor": 3,
        "proxies": 4,
        "pause": 0.0,
    },
}
NUMBERS = [
    (name, argument)
    for name, arguments in GOOD.items()
    for argument, value in arguments.items()
    if isinstance(value, int | float)
]


def made(name: str, **changes: Any) -> Any:
    function: Callable[..., Any] = getattr(theory, name)
    return function(**(GOOD[name] | changes))


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, "3", True, 1j, [1.0, 2.0, 3.0]])
@pytest.mark.parametrize(("name", "argument"), NUMBERS)
def test_bad_numbers_are_refused_by_name(name: str, argument: str, value: Any) -> None:
    with pytest.raises(PartError) as refused:
        made(name, **{argument: value})
    assert refused.value.part == f"theory.{name}"
    assert refused.value.field.startswith(argument)


@pytest.mark.parametrize("name", GOOD)
def test_results_are_frozen_comparable_short_and_survive_pickling(name: str) -> None:
    result = made(name)
    with pytest.raises(TypeError, match="positional"):
        getattr(theory, name)(*GOOD[name].values())
    if isinstance(result, float):
        return
    assert made(name) == result
    text = repr(result)
    assert text.startswith(type(result).__name__ + "(")
    assert len(text) < 500
    assert "0x" not in text
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    assert repr(again) == text
    field = dataclasses.fields(result)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, field, 0.0)


@pytest.mark.parametrize("name", ["fan_out", "hedged", "tandem", "mmc_timeout"])
@pytest.mark.parametrize("p", [0.5, 0.99, 0.9999])
def test_quantiles_are_the_smallest_that_do(name: str, p: float) -> None:
    result = made(name)
    t = result.response_quantile(p)
    assert result.response_tail(t) <= (1.0 - p) * (1.0 + 1e-9)
    assert result.response_tail(t * (1.0 - 1e-6)) >= 1.0 - p
    times = np.array([[0.0, 1.0], [2.0, 3.0]])
    tails = result.response_tail(times)
    assert tails.tolist() == [[result.response_tail(t) for t in row] for row in times.tolist()]
    with pytest.raises(PartError, match=r"0\.99 asks for the 99th percentile"):
        result.response_quantile(99)
    with pytest.raises(PartError, match="0 or more"):
        result.response_tail(-1.0)


# --- planted errors ------------------------------------------------------------------------------

FAULTS: tuple[tuple[str, Callable[..., None], str, str, str], ...] = (
    ("any_slow", agrees_any_slow, "fan_out", "math.expm1(n * math.log1p(-p))", "n * -p"),
    ("fan_out", agrees_fan_out, "fan_out", "math.log(n) + euler +", "math.log(n) + euler -"),
    ("fan_out", agrees_fan_out, "fan_out", "range(1, n + 1)", "range(1, n)"),
    ("fan_out", agrees_fan_out, "fan_out", "lambda t: _any(n, tail(t))", "tail"),
    ("fork_join", agrees_fork_join, "fork_join", "(12.0 - rho)", "(12.0 + rho)"),
    ("fork_join", agrees_fork_join, "fork_join", "4.0 * rho / 11.0", "5.0 * rho / 11.0"),
    ("fork_join", agrees_fork_join, "fork_join", "-s / arrival", "-s / service"),
    ("fork_join", agrees_fork_join, "fork_join", "harmonic(n) / 1.5", "harmonic(n) / 2.0"),
    ("hedged", agrees_hedged, "hedging", "out *= tail(since)", "out = tail(since)"),
    ("hedged", agrees_hedged, "hedging", "t - k * delay", "t - delay"),
    ("hedged", agrees_hedged, "hedging", "range(1, most))", "range(1, 2))"),
    ("hedged", agrees_hedged, "hedging", "1.0 + sum(", "sum("),
    ("retry_attempts", agrees_retry_attempts, "retries", "range(retries + 1)", "range(retries)"),
    ("retry_chain", agrees_retry_chain, "retries", "fails[i] ** (again[i] + 1)", "fails[i]"),
    ("retry_chain", agrees_retry_chain, "retries", "so_far *= _attempts", "so_far = _attempts"),
    ("retry_chain", agrees_retry_chain, "retries", "(1.0 - own[i]) * below", "own[i] * below"),
    ("retry_chain", agrees_retry_chain, "retries", "math.prod(r + 1", "math.prod(r"),
    ("tandem", agrees_tandem, "tandem", "[waits, 1.0 - waits]", "[1.0 - waits, waits]"),
    ("tandem", agrees_tandem, "tandem", "rate * chance", "rate"),
    ("tandem", agrees_tandem, "tandem", "begin[: len(entry[0][1])] = entry[0][1]", "begin[0] = 1"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "lost_of(c - 1, load)", "lost_of(c, load)"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "/ (c * service)", "/ service"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "waited + tau * lost", "waited"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "min(t, self.tau)", "t"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "b if y > 0.0 else a", "a"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "self.x + service", "self.x"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "(1.0 - y)) /", "(1.0 + y)) /"),
    ("mmc_timeout", agrees_mmc_timeout, "mmc_timeout", "term / (k + 2)", "term / (k + 1)"),
)  # fmt: skip


def faulty(monkeypatch: pytest.MonkeyPatch, module: str, text: str, fault: str) -> types.ModuleType:
    """Return the module of the theory made anew from its text, with the fault in it."""
    real = importlib.import_module(f"mesh_lab.theory.{module}")
    source = inspect.getsource(real)
    assert text in source, f"the fault {fault!r} has nothing to change in {module}"
    changed = types.ModuleType(f"mesh_lab.theory.{module}")
    changed.__package__ = "mesh_lab.theory"
    monkeypatch.setitem(sys.modules, changed.__name__, changed)
    exec(compile(source.replace(text, fault), f"faulty {module}.py", "exec"), changed.__dict__)
    return changed


@pytest.mark.parametrize(("function", "agrees"), sorted({(f[0], f[1]) for f in FAULTS}, key=str))
def test_the_function_agrees(function: str, agrees: Callable[..., None]) -> None:
    agrees(getattr(theory, function))


@pytest.mark.parametrize(("function", "agrees", "module", "text", "fault"), FAULTS)
def test_a_planted_error_is_found(
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    agrees: Callable[..., None],
    module: str,
    text: str,
    fault: str,
) -> None:
    changed = getattr(faulty(monkeypatch, module, text, fault), function)
    with pytest.raises((AssertionError, ArithmeticError, ValueError, IndexError)):
        agrees(changed)
