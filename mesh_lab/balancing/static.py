"""Balancing rules that look at nothing: random and round robin."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from ..ledger import Request
from ..parts import part
from .view import Balancer, Chances, Pick, View

__all__ = ["Random", "RoundRobin"]


@part
class Random(Balancer):
    """Each endpoint equally likely, for every request anew (Envoy's RANDOM).

    Examples
    --------
    >>> Random()
    Random()
    """

    def picker(self, endpoints: int, chances: Chances) -> Pick:
        """Return the rule: the number of endpoints times a uniform draw, rounded down."""
        chance = chances(0)

        def pick(view: View, request: Request) -> int:
            return int(chance(request) * endpoints)

        return pick


@part
class RoundRobin(Balancer):
    """One endpoint after the other, in order.

    This is Envoy's ROUND_ROBIN, nginx's default and HAProxy's ``roundrobin`` where weights are
    equal.  HAProxy and nginx begin with the first endpoint; an Envoy begins anywhere, which
    `start` can say.

    Parameters
    ----------
    start : int
        The endpoint that is picked first; taken modulo the number of endpoints.

    Examples
    --------
    >>> RoundRobin()
    RoundRobin()
    """

    start: Annotated[int, Ge(0)] = 0

    def picker(self, endpoints: int, chances: Chances) -> Pick:
        """Return the rule, standing before its first endpoint."""
        turn = self.start % endpoints - 1

        def pick(view: View, request: Request) -> int:
            nonlocal turn
            turn = turn + 1 if turn + 1 < endpoints else 0
            return turn

        return pick
