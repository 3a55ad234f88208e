"""The places in the loop where routes or a rule are asked; compiled, they lead to their kernels.

Uncompiled, these functions look the kernels up on the class of the state.
"""

from __future__ import annotations

from typing import Any

from ...balancing.rule import Floats, Rule, View

__all__ = ["answered", "arrived", "choose", "left", "pool_of", "ring", "sent"]


def pool_of(r: Rule, v: View, p: int, level: float, zone: float) -> int:
    """Return the pool that balancer `p` picks from, -1 if there is none."""
    return r.pool(r, v, p, level, zone)  # type: ignore[no-any-return]


def choose(s: Rule, v: View, g: int, u: Floats, now: float, key: Any) -> int:
    """Return the endpoint that the rule picks."""
    return s.pick(s, v, g, u, now, key)  # type: ignore[no-any-return]


def sent(s: Rule, v: View, p: int, e: int, now: float) -> None:
    """Tell the rule of a request that was sent."""
    if getattr(s, "sent", None) is not None:
        s.sent(s, v, p, e, now)


def answered(
    s: Rule, v: View, p: int, e: int, now: float, latency: float, ok: int, there: int, worked: float
) -> None:
    """Tell the rule of a response."""
    if getattr(s, "answered", None) is not None:
        s.answered(s, v, p, e, now, latency, ok, there, worked)


def arrived(s: Rule, v: View, e: int, now: float) -> None:
    """Tell the rule of a request that was let in."""
    if getattr(s, "arrived", None) is not None:
        s.arrived(s, v, e, now)


def left(s: Rule, v: View, e: int, now: float, stay: float, met: int) -> None:
    """Tell the rule of a request that has left its endpoint."""
    if getattr(s, "left", None) is not None:
        s.left(s, v, e, now, stay, met)


def ring(s: Rule, v: View, code: int, now: float) -> None:
    """Ring an alarm that the rule asked for."""
    s.alarm(s, v, code, now)
