"""What a balancer sees: its own outstanding requests, and no queue of any server.

A real proxy knows which of the requests that it sent have not been answered.  So a request counts
as outstanding from the pick until its response is back, whether it waits at the endpoint or is
being served there.  That is all that the rules here may look at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ..ledger import Request
from ..parts import part

__all__ = ["Balancer", "Chances", "Pick", "View"]

Chances = Callable[[int], Callable[[Request], float]]
Pick = Callable[["View", Request], int]


class View:
    """The endpoints of one service as its balancer sees them.

    Attributes
    ----------
    outstanding : list of int
        For each endpoint, the requests sent there whose response is not back.
    """

    __slots__ = ("outstanding",)

    def __init__(self, endpoints: int) -> None:
        self.outstanding = [0] * endpoints


@part
class Balancer:
    """The base of every balancing rule that can be declared."""

    such_as: ClassVar[str] = "RoundRobin()"  # what an error gives as an example

    def picker(self, endpoints: int, chances: Chances) -> Pick:
        """Return the rule with fresh state for so many endpoints.

        ``chances(k)`` gives the *k*-th uniform draw that a request has for this choice.
        """
        raise NotImplementedError
