"""The bench of `tests.rule_bench` with all kernels of a rule compiled, its hooks too.

Import it after ``pytest.importorskip("numba")``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numba.extending import overload

from mesh_lab.balancing.rule import Arrays, Balancer

from .rule_bench import Bench
from .rule_compiled import register

_SIGNATURES = {
    "pick": "g, u, now, key",
    "sent": "p, e, now",
    "answered": "p, e, now, latency, ok, there, worked",
    "arrived": "e, now",
    "left": "e, now, stay, met",
    "alarm": "code, now",
}


def _compiled(name: str, arguments: str) -> Any:
    """A compiled function that calls whichever kernel the state's class has under `name`."""
    space: dict[str, Any] = {"overload": overload, "njit": njit}
    exec(  # numba wants the arguments spelled out
        f"def stub(s, v, {arguments}): raise NotImplementedError\n"
        "@overload(stub)\n"
        f"def typed(s, v, {arguments}):\n"
        f"    kernel = s.instance_class.{name}\n"
        f"    def call(s, v, {arguments}): return kernel(s, v, {arguments})\n"
        "    return call\n"
        "@njit(error_model='numpy')\n"
        f"def run(s, v, {arguments}): return stub(s, v, {arguments})\n",
        space,
    )
    return space["run"]


_CALLS = {name: _compiled(name, arguments) for name, arguments in _SIGNATURES.items()}


class CompiledBench(Bench):
    """A `Bench` on arrays whose rule runs compiled."""

    def __init__(self, balancer: Balancer, endpoints: int = 3, **options: Any) -> None:
        register()
        super().__init__(balancer, endpoints, make=Arrays(), **options)

    def pick(self, *u: float, now: float = 0.0, key: int = 0, proxy: int = 0) -> int:
        e = int(
            _CALLS["pick"](
                self.state, self.view, proxy, np.array(u or [0.0]), float(now), np.uint64(key)
            )
        )
        self.view.outstanding[proxy * self.n + e] += 1
        self._tell("sent", proxy, e, float(now))
        return e

    def _tell(self, what: str, *arguments: Any) -> None:
        if hasattr(self.state, what):
            _CALLS[what](self.state, self.view, *arguments)


def benches(balancer: Balancer, endpoints: int, **options: Any) -> Sequence[Bench]:
    """The same rule on lists, on arrays, and compiled."""
    return (
        Bench(balancer, endpoints, **options),
        Bench(balancer, endpoints, make=Arrays(), **options),
        CompiledBench(balancer, endpoints, **options),
    )
