"""Rules compiled by numba and driven without any engine, to compare with what they do on lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.extending import overload, register_jitable

from mesh_lab.balancing.rule import KERNELS

# Kernels allocate nothing, so numba need not count references: that takes longer than most picks.
OPTIONS: Any = {"_nrt": False, "error_model": "numpy"}

_known: set[str] = set()


def register() -> None:
    """Tell numba of every kernel that it has not been told of."""
    for function in KERNELS:
        name = f"{function.__module__}.{function.__qualname__}"
        if name not in _known:
            _known.add(name)
            register_jitable(**OPTIONS)(function)


def choose(s: Any, v: Any, g: Any, u: Any, now: Any, key: Any) -> Any:
    """Pick with the kernel that the class of the state names."""
    raise NotImplementedError


@overload(choose, jit_options=OPTIONS)
def _choose(s: Any, v: Any, g: Any, u: Any, now: Any, key: Any) -> Any:
    rule = s.instance_class.pick

    def call(s: Any, v: Any, g: Any, u: Any, now: Any, key: Any) -> Any:
        return rule(s, v, g, u, now, key)

    return call


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _drive(s: Any, v: Any, g: int, draws: Any, times: Any, keys: Any, out: Any) -> None:
    for i in range(len(out)):
        e = choose(s, v, g, draws[i], times[i], keys[i])
        v.outstanding[v.balancer[g] * v.stride + e] += 1
        out[i] = e


def picks(state: Any, view: Any, draws: Any, times: Any, keys: Any = None, g: int = 0) -> Any:
    """Pick once for each row of `draws`, in compiled code; nothing is answered meanwhile."""
    register()
    out = np.zeros(len(times), np.int64)
    if keys is None:
        keys = np.zeros(len(times), np.uint64)
    _drive(state, view, g, draws, times, keys, out)
    return out
