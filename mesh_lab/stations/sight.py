"""A user's own balancing rule: a plain function of what a balancer sees, and the request.

The function is called as ``rule(sight, request)`` for each request, and returns the number of the
endpoint to which it goes.  Of the request it may read what `mesh_lab.ledger.Request` allows.  It
runs in the reference engine only.  What it remembers by itself (an iterator, a list) goes on from
run to run, and is shared by all balancers of the service: make the function anew for each run.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import MeshLabError
from ..ledger import Request
from .balancers import Balancers

__all__ = ["Chooser", "Sight"]


class Sight:
    """What a balancer sees when it picks.

    Attributes
    ----------
    now : float
        Seconds.
    endpoints : list of int
        The endpoints that it may pick, by their number.
    outstanding : dict of int to int
        For each of them, the requests that this balancer has sent there whose response is not
        back.
    weights : dict of int to float
        For each of them, its weight.
    rng : numpy.random.Generator
        For this pick alone, addressed by the request: it repeats with the seed.
    """

    def __init__(self, now: float, generator: Callable[[], np.random.Generator]) -> None:
        self.now = now
        self.endpoints: list[int] = []
        self.outstanding: dict[int, int] = {}
        self.weights: dict[int, float] = {}
        self._generator = generator
        self._made: np.random.Generator | None = None

    @property
    def rng(self) -> np.random.Generator:
        """A generator for this pick."""
        if self._made is None:
            self._made = self._generator()
        return self._made


class Chooser:
    """Asks a user's function, and checks its answer."""

    def __init__(
        self,
        service: str,
        rule: Callable[[Sight, Request], Any],
        generator: Callable[[Request], np.random.Generator],
        balancers: Balancers,
    ) -> None:
        self.service = service
        self.rule = rule
        self.generator = generator
        self.balancers = balancers

    def pick(self, pool: int, request: Request, now: float) -> int:
        """Return the endpoint that the user's function picks.

        Raises
        ------
        MeshLabError
            When it returns what is no endpoint of the pool.
        """
        view = self.balancers.view
        sight = Sight(now, lambda: self.generator(request))
        first, base = pool * view.stride, view.balancer[pool] * view.stride
        may = tuple(view.hosts[first : first + view.size[pool]])
        sight.endpoints = list(may)  # the function's own, like the rest: it may change them
        sight.outstanding = {e: view.outstanding[base + e] for e in may}
        known = self.balancers.known
        sight.weights = {e: known[e].weight for e in sight.endpoints}
        try:
            answer = self.rule(sight, request)
        except Exception as error:
            error.add_note(f"This came from the balancer of {self.service!r}, at {request}.")
            raise
        try:
            endpoint = operator.index(answer)
        except TypeError:
            endpoint = -1
        if isinstance(answer, bool | np.bool_) or endpoint not in may:
            raise MeshLabError(
                f"{self.service!r}: its balancer returned {answer!r} for {request}; it must return "
                f"the number of an endpoint that it may pick, one of {_some(list(may))}"
            )
        return endpoint


def _some(numbers: list[int]) -> str:
    if len(numbers) <= 12:
        return ", ".join(map(str, numbers))
    return f"{', '.join(map(str, numbers[:10]))}, ... ({len(numbers)} in all)"
