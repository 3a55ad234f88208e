"""Rules that limit or shed load compiled by numba, and driven without any engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.extending import overload

from .rule_compiled import OPTIONS, register
from .shedding_bench import ADMITS, BEGAN, ENDED, GONE, HOLD

# Each of these leads to the kernel that the class of the state names, or to what a missing one does


def admit(s: Any, p: Any, now: Any, u: Any, priority: Any) -> Any:
    raise NotImplementedError


@overload(admit, jit_options=OPTIONS)
def _admit(s: Any, p: Any, now: Any, u: Any, priority: Any) -> Any:
    rule = getattr(s.instance_class, "admits", None)

    def call(s: Any, p: Any, now: Any, u: Any, priority: Any) -> Any:
        return rule(s, p, now, u, priority)

    def nothing(s: Any, p: Any, now: Any, u: Any, priority: Any) -> Any:
        return 1

    return nothing if rule is None else call


def held(s: Any, p: Any) -> Any:
    raise NotImplementedError


@overload(held, jit_options=OPTIONS)
def _held(s: Any, p: Any) -> Any:
    rule = getattr(s.instance_class, "hold", None)

    def call(s: Any, p: Any) -> Any:
        return rule(s, p)

    def nothing(s: Any, p: Any) -> Any:
        return 0.0

    return nothing if rule is None else call


def begin(s: Any, p: Any, now: Any, waited: Any) -> Any:
    raise NotImplementedError


@overload(begin, jit_options=OPTIONS)
def _begin(s: Any, p: Any, now: Any, waited: Any) -> Any:
    rule = getattr(s.instance_class, "began", None)

    def call(s: Any, p: Any, now: Any, waited: Any) -> Any:
        return rule(s, p, now, waited)

    def nothing(s: Any, p: Any, now: Any, waited: Any) -> Any:
        return 0

    return nothing if rule is None else call


def end(s: Any, p: Any, now: Any, latency: Any, ok: Any) -> Any:
    raise NotImplementedError


@overload(end, jit_options=OPTIONS)
def _end(s: Any, p: Any, now: Any, latency: Any, ok: Any) -> Any:
    rule = getattr(s.instance_class, "ended", None)

    def call(s: Any, p: Any, now: Any, latency: Any, ok: Any) -> Any:
        return rule(s, p, now, latency, ok)

    def nothing(s: Any, p: Any, now: Any, latency: Any, ok: Any) -> Any:
        return None

    return nothing if rule is None else call


def go(s: Any, p: Any, now: Any, begun: Any) -> Any:
    raise NotImplementedError


@overload(go, jit_options=OPTIONS)
def _go(s: Any, p: Any, now: Any, begun: Any) -> Any:
    rule = getattr(s.instance_class, "gone", None)

    def call(s: Any, p: Any, now: Any, begun: Any) -> Any:
        return rule(s, p, now, begun)

    def nothing(s: Any, p: Any, now: Any, begun: Any) -> Any:
        return None

    return nothing if rule is None else call


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _drive(s: Any, kernel: Any, p: Any, now: Any, a: Any, b: Any, out: Any) -> None:
    for i in range(len(out)):
        if kernel[i] == ADMITS:
            out[i] = admit(s, p[i], now[i], a[i], b[i])
        elif kernel[i] == HOLD:
            out[i] = held(s, p[i])
        elif kernel[i] == BEGAN:
            out[i] = begin(s, p[i], now[i], a[i])
        elif kernel[i] == ENDED:
            end(s, p[i], now[i], a[i], b[i])
        elif kernel[i] == GONE:
            go(s, p[i], now[i], b[i])


def replay(s: Any, kernel: Any, p: Any, now: Any, a: Any, b: Any) -> Any:
    """Make the calls in compiled code, and return what they returned."""
    register()
    out = np.zeros(len(now))
    _drive(s, kernel, p, now, a, b, out)
    return out
