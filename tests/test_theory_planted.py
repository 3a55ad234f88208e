"""The checks of the closed forms find planted errors.

Each fault is one change in the text of a module: a factor, an index, a sign, the rule of another
textbook formula.  The changed module is run beside the real one, and the comparison that passes
for the real function (in the other ``test_theory_*`` files) must fail for the faulty one.  A fault
whose text is no longer in the module fails too, so the list cannot rot.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from mesh_lab import theory

from .test_theory_balancing import (
    agrees_join_idle_queue,
    agrees_join_shortest_queue,
    agrees_power_of_d,
    agrees_random_split,
    agrees_round_robin,
    refined_agrees,
)
from .test_theory_erlang_a import agrees_erlang_a
from .test_theory_gim1 import agrees_gim1, agrees_kingman, agrees_kingman_bound
from .test_theory_markovian import (
    agrees_erlang_b,
    agrees_erlang_c,
    agrees_mm1,
    agrees_mmc,
    agrees_mmck,
    agrees_mminf,
)
from .test_theory_md1 import agrees_md1, number_agrees_md1, quantile_agrees_md1
from .test_theory_mg1 import (
    agrees_batch_mg1,
    agrees_batch_mm1,
    agrees_mg1,
    agrees_mg1_ps,
    agrees_priority,
)
from .test_theory_networks import agrees_jackson, agrees_mva

Check = Callable[[Callable[..., Any]], None]

# function, comparison, module, text, text with the fault
FAULTS: tuple[tuple[str, Check, str, str, str], ...] = (
    ("erlang_b", agrees_erlang_b, "erlang", "(k + load * blocked)", "(k + load)"),
    ("erlang_b", agrees_erlang_b, "erlang", "range(1, servers + 1)", "range(1, servers)"),
    (
        "erlang_c",
        agrees_erlang_c,
        "erlang",
        "(servers - load) + load * blocked",
        "(servers - load)",
    ),
    ("mm1", agrees_mm1, "mm", "wait=rho * response", "wait=response"),
    (
        "mm1",
        agrees_mm1,
        "mm",
        "self.utilisation * self._response_tail(t)",
        "self._response_tail(t)",
    ),
    ("mm1", agrees_mm1, "mm", "(1.0 - self.utilisation) * self", "self"),
    ("mmc", agrees_mmc, "mm", "service * (servers - arrival / service)", "service * servers"),
    ("mmc", agrees_mmc, "mm", "in_queue + load", "in_queue + load / servers"),
    ("mmc", agrees_mmc, "mm", "x = (drain - service) * t", "x = drain * t"),
    ("mmc", agrees_mmc, "mm", "math.exp(-min(service, drain) * t)", "math.exp(-service * t)"),
    ("mmc", agrees_mmc, "mm", "top * self.utilisation / (1.0", "top / (1.0"),
    ("mmck", agrees_mmck, "mmck", "servers + waiting_room\n    first", "waiting_room\n    first"),
    ("mmck", agrees_mmck, "mmck", "accepted = float(states[:-1].sum())", "accepted = 1.0"),
    ("mmck", agrees_mmck, "mmck", "stays = 1.0 - 1.0 / self.servers", "stays = 0.0"),
    ("mmck", agrees_mmck, "mmck", "wait = in_queue / throughput", "wait = in_queue / arrival"),
    ("mmck", agrees_mmck, "mmck", "here[c:] - c", "here[c:] - c + 1"),
    ("mminf", agrees_mminf, "mminf", "n0 * left - self", "n0 - self"),
    ("md1", agrees_md1, "md1", "(2.0 * (1.0 - rho))", "(1.0 - rho)"),
    ("md1", agrees_md1, "md1", "self._more_than(k - j)", "self._more_than(k - j - 1)"),
    ("md1", agrees_md1, "md1", "float(arrivals[k:].sum()) + beyond", "beyond"),
    ("md1", agrees_md1, "md1", "math.floor(t / d) + 1", "math.ceil(t / d) + 1"),
    ("md1", number_agrees_md1, "md1", "math.exp(rho)", "(1.0 + rho)"),
    ("md1", agrees_md1, "md1", "decay / (1.0 - decay)", "1.0 / (1.0 - decay)"),
    ("md1", quantile_agrees_md1, "md1", "<= 1e-15 * p[-1]", "<= 1e-2 * p[-1]"),
    ("mg1", agrees_mg1, "mg1", "(1.0 + scv) / 2.0", "(1.0 + scv)"),
    ("mg1", agrees_mg1, "mg1", "(1.0 + scv) / 2.0", "(1.0 + scv**0.5) / 2.0"),
    ("mg1", agrees_mg1, "mg1", "busy_period=mean / (1.0 - rho)", "busy_period=mean"),
    ("mg1_ps", agrees_mg1_ps, "mg1", "wait = rho * slowdown * mean", "wait = slowdown * mean"),
    ("mg1_priority", agrees_priority, "priority", "(ahead * within)", "(within * within)"),
    ("mg1_priority", agrees_priority, "priority", "residuals[: k + 1] if", "residuals if"),
    ("mg1_priority", agrees_priority, "priority", "- ahead) / ahead", "- within) / ahead"),
    ("gim1", agrees_gim1, "gim1", "wait = (1.0 - away) * response", "wait = rho * response"),
    (
        "gim1",
        agrees_gim1,
        "gim1",
        "transform(service * x) > x",
        "transform(service * x) > x * 1.01",
    ),
    ("gim1", agrees_gim1, "gim1", "sigma ** (n - 1)", "sigma**n"),
    ("kingman_bound", agrees_kingman_bound, "kingman", "ca2 / (arrival * arrival)", "ca2"),
    ("kingman_bound", agrees_kingman_bound, "kingman", "(2.0 * (1.0 - rho))", "(1.0 - rho)"),
    ("kingman_approximation", agrees_kingman, "kingman", "* (ca2 + cs2) / 2.0", "* ca2"),
    ("kingman_approximation", agrees_kingman, "kingman", "arrival * wait + load", "arrival * wait"),
    ("batch_mm1", agrees_batch_mm1, "batches", "size * (size - 1) for", "size * size for"),
    ("batch_mm1", agrees_batch_mm1, "batches", "1.0 - (1.0 - rho) / first", "rho"),
    ("batch_mg1", agrees_batch_mg1, "batches", "(first * scv + second)", "(scv + second)"),
    ("erlang_a", agrees_erlang_a, "erlang_a", "1.0 / patience)", "patience)"),
    ("random_split", agrees_random_split, "splitting", "rho * response, response", "rho, response"),
    ("random_split", agrees_random_split, "splitting", "n / (service * (n", "1.0 / (service * (n"),
    ("round_robin", agrees_round_robin, "splitting", "-n * math.log1p", "-math.log1p"),
    ("round_robin", agrees_round_robin, "splitting", "known.wait_probability, known", "rho, known"),
    ("power_of_d", agrees_power_of_d, "power_of_d", "** n - 1.0)", "** n)"),
    ("power_of_d", agrees_power_of_d, "power_of_d", "at_one - rho) / rho", "at_one - rho)"),
    ("power_of_d", agrees_power_of_d, "power_of_d", "k + more) ** d", "k + more) * d"),
    ("power_of_d", refined_agrees, "power_of_d", "bend = 0.5 *", "bend ="),
    ("power_of_d", refined_agrees, "power_of_d", "np.diag(rho * (below", "np.diag((below"),
    ("power_of_d", refined_agrees, "power_of_d", "-0.5 * d * (d - 1)", "-d * (d - 1)"),
    ("power_of_d", refined_agrees, "power_of_d", "if not replacement", "if replacement"),
    ("power_of_d", refined_agrees, "power_of_d", "more / rho / service", "more / service"),
    (
        "join_shortest_queue",
        agrees_join_shortest_queue,
        "shortest_queue",
        "reach(others + equal) - reach(others)",
        "reach(others + 1) - reach(others)",
    ),
    (
        "join_shortest_queue",
        agrees_join_shortest_queue,
        "shortest_queue",
        "if length == 0 else (level, bottom)",
        "",
    ),
    (
        "join_shortest_queue",
        agrees_join_shortest_queue,
        "shortest_queue",
        "float((k / n) ** drawn)",
        "math.comb(k, drawn) / math.comb(n, drawn)",
    ),
    (
        "join_shortest_queue",
        agrees_join_shortest_queue,
        "shortest_queue",
        "rates[i, j] += equal",
        "rates[i, j] += 1.0",
    ),
    (
        "join_shortest_queue",
        agrees_join_shortest_queue,
        "shortest_queue",
        "n * float((p @ r @ total @ total).sum())",
        "float((p @ r @ total @ total).sum())",
    ),
    ("join_idle_queue", agrees_join_idle_queue, "idle_queue", "n / m * (1.0 - rho)", "n / m"),
    ("join_idle_queue", agrees_join_idle_queue, "idle_queue", "choices + 1.0", "choices"),
    ("join_idle_queue", agrees_join_idle_queue, "idle_queue", "rho * (1.0 - known)", "rho * known"),
    ("jackson", agrees_jackson, "jackson", "matrix[live.index(other), i]", "matrix[i, i]"),
    ("jackson", agrees_jackson, "jackson", "response=in_system / total", "response=in_system"),
    ("mva", agrees_mva, "mva", "1.0 + queues * numbers", "1.0 + numbers"),
    ("mva", agrees_mva, "mva", "demand * queues * before", "demand * queues * numbers"),
    (
        "mva",
        agrees_mva,
        "mva",
        "total[users - 1] / total[users]",
        "total[users - 2] / total[users]",
    ),
    ("mva", agrees_mva, "mva", "tail[len(parts) - 1 - i]", "tail[i]"),
    ("mva", agrees_mva, "mva", "n - sizes[name], 0.0", "n - 1.0, 0.0"),
)

# The same for the two modules that others are built on: the function is found in its own module,
# loaded again on top of the faulty one.
BELOW: tuple[tuple[str, Check, str, str, str, str], ...] = (
    (
        "erlang_a",
        agrees_erlang_a,
        "erlang_a",
        "_patience",
        "(self.k + 1.0) * theta",
        "self.k * theta",
    ),
    ("erlang_a", agrees_erlang_a, "erlang_a", "_patience", "x + k + 2.0", "x + k + 1.0"),
    ("erlang_a", agrees_erlang_a, "erlang_a", "_patience", "theta + 1.0, self.k", "theta, self.k"),
    ("erlang_a", agrees_erlang_a, "erlang_a", "_patience", "waiting * theta", "above * theta"),
    (
        "erlang_a",
        agrees_erlang_a,
        "erlang_a",
        "_patience",
        "(x + 1.0) * self.theta",
        "x * self.theta",
    ),
    ("mmck", agrees_mmck, "mmck", "_chains", "peak - 1.0 - k", "peak - k"),
    ("mva", agrees_mva, "mva", "_chains", "up(peak + k)", "up(peak + k + 1.0)"),
)


def loaded(
    monkeypatch: pytest.MonkeyPatch, module: str, change: tuple[str, str] | None
) -> types.ModuleType:
    """Return the module `module` of the theory, made anew from its text, changed."""
    real = importlib.import_module(f"mesh_lab.theory.{module}")
    text = inspect.getsource(real)
    if change is not None:
        assert change[0] in text, f"the fault {change} has nothing to change in {module}"
        text = text.replace(*change)
    made = types.ModuleType(f"mesh_lab.theory.{module}")
    made.__package__ = "mesh_lab.theory"
    monkeypatch.setitem(sys.modules, made.__name__, made)
    exec(compile(text, f"faulty {module}.py", "exec"), made.__dict__)
    return made


@pytest.mark.parametrize(("function", "check"), sorted({(f[0], f[1]) for f in FAULTS}, key=str))
def test_the_real_function_passes(function: str, check: Check) -> None:
    check(getattr(theory, function))


@pytest.mark.parametrize(("function", "check", "module", "text", "fault"), FAULTS)
def test_a_planted_error_is_found(
    monkeypatch: pytest.MonkeyPatch, function: str, check: Check, module: str, text: str, fault: str
) -> None:
    faulty = getattr(loaded(monkeypatch, module, (text, fault)), function)
    with pytest.raises((AssertionError, ArithmeticError, ValueError, IndexError)):
        check(faulty)


@pytest.mark.parametrize(("function", "check", "module", "below", "text", "fault"), BELOW)
def test_a_planted_error_below_is_found(
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    check: Check,
    module: str,
    below: str,
    text: str,
    fault: str,
) -> None:
    loaded(monkeypatch, below, (text, fault))
    faulty = getattr(loaded(monkeypatch, module, None), function)
    with pytest.raises((AssertionError, ArithmeticError, ValueError, IndexError)):
        check(faulty)


@pytest.mark.parametrize(("function", "check"), sorted({(f[0], f[1]) for f in FAULTS}, key=str))
def test_three_percent_longer_service_is_found(function: str, check: Check) -> None:
    real = getattr(theory, function)

    def slower(**arguments: Any) -> Any:
        for name, value in arguments.items():
            if name == "service_rate":
                arguments[name] = value / 1.03
            elif name == "service_mean":
                arguments[name] = value * 1.03
            elif name == "service_means":
                arguments[name] = (
                    {k: v * 1.03 for k, v in value.items()}
                    if isinstance(value, dict)
                    else [v * 1.03 for v in value]
                )
            elif name == "service_rates":
                arguments[name] = {k: v / 1.03 for k, v in value.items()}
            elif name == "offered_load":
                arguments[name] = value * 1.03
        return real(**arguments)

    with pytest.raises((AssertionError, ValueError)):
        check(slower)
