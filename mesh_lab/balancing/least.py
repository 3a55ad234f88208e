"""Balancing rules that look at outstanding requests: least request of a few choices."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from ..ledger import Request
from ..parts import part
from .view import Balancer, Chances, Pick, View

__all__ = ["LeastRequest"]


@part
class LeastRequest(Balancer):
    """The endpoint with the fewest outstanding requests, of a few that are drawn at random.

    This is Envoy's LEAST_REQUEST with equal weights (``load_balancer_impl.cc``): `choices`
    endpoints are drawn with replacement, and the first drawn is kept on ties.

    Parameters
    ----------
    choices : int
        How many are drawn; at least 2, Envoy's default.

    Examples
    --------
    >>> LeastRequest(choices=3)
    LeastRequest(choices=3)
    """

    choices: Annotated[int, Ge(2)] = 2

    def picker(self, endpoints: int, chances: Chances) -> Pick:
        """Return the rule; it keeps no state of its own."""
        drawn = [chances(k) for k in range(self.choices)]

        def pick(view: View, request: Request) -> int:
            outstanding = view.outstanding
            best = int(drawn[0](request) * endpoints)
            for chance in drawn[1:]:
                other = int(chance(request) * endpoints)
                if outstanding[other] < outstanding[best]:
                    best = other
            return best

        return pick
