"""The places in the loop where one of several rules is asked; compiled, they lead to its kernels.

Services with equal balancers share one state, which has a pool for each proxy of each of them; the
loop is given a tuple of such states.
"""

from __future__ import annotations

from typing import Any

from ....balancing.rule import View

__all__ = ["answered_by", "choose_by", "sent_by"]


def choose_by(states: Any, k: int, v: View, g: int, u: Any, now: float, key: Any) -> int:
    """Return the endpoint that rule `k` picks."""
    return states[k].pick(states[k], v, g, u, now, key)  # type: ignore[no-any-return]


def sent_by(states: Any, k: int, v: View, p: int, e: int, now: float) -> None:
    """Tell rule `k` of an attempt that was sent."""
    if getattr(states[k], "sent", None) is not None:
        states[k].sent(states[k], v, p, e, now)


def answered_by(
    states: Any, k: int, v: View, p: int, e: int, now: float, latency: float, ok: int, worked: float
) -> None:
    """Tell rule `k` of an answer, or that nobody waits for one any more."""
    if getattr(states[k], "answered", None) is not None:
        states[k].answered(states[k], v, p, e, now, latency, ok, 0, worked)
