"""Doors: rules of `mesh_lab.shedding` at work, before the endpoints of a service or in proxies.

A request that a door refuses ends at once.  One that it lets in ends there in exactly one way:
dropped when its service would start, answered, or gone without an answer.
"""

from __future__ import annotations

from typing import Any

from ..balancing.rule import Lists
from ..ledger import Request
from ..shedding.rule import Shedder

__all__ = ["Door"]


class Door:
    """A rule with a state for each of some places.

    Parameters
    ----------
    rule : Shedder
        What was declared.
    places : int
        How many endpoints, or proxies.
    """

    def __init__(self, rule: Shedder, places: int) -> None:
        state = self._state = rule.state(places, Lists())
        self._admits: Any = getattr(state, "admits", None)
        self._hold: Any = getattr(state, "hold", None)
        self._began: Any = getattr(state, "began", None)
        self._ended: Any = getattr(state, "ended", None)
        self._gone: Any = getattr(state, "gone", None)

    def admits(self, place: int, request: Request, now: float, u: float) -> bool:
        """Whether a request is let in."""
        if self._admits is None:
            return True
        return bool(self._admits(self._state, place, now, u, request.priority))

    def hold(self, place: int) -> float:
        """Return the seconds for which the request that was let in last is held back."""
        return 0.0 if self._hold is None else float(self._hold(self._state, place))

    def drops(self, place: int, now: float, waited: float) -> bool:
        """Whether a request is dropped whose service would start."""
        return self._began is not None and bool(self._began(self._state, place, now, waited))

    def ended(self, place: int, now: float, latency: float, *, ok: bool) -> None:
        """Take in an answer."""
        if self._ended is not None:
            self._ended(self._state, place, now, latency, int(ok))

    def gone(self, place: int, now: float, *, begun: bool) -> None:
        """Take in that a request has left without an answer."""
        if self._gone is not None:
            self._gone(self._state, place, now, int(begun))
