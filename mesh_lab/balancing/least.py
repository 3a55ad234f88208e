"""Least request: of a few endpoints, or of all, the one with the fewest outstanding requests.

The rule is Envoy's (``load_balancer_impl.cc``) and gRPC's (proposal A48), where weights are equal.
Where they differ, Envoy makes turns of them instead: see `mesh_lab.balancing.least_due`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge, Le

from ..parts import part
from .counts import any_of_least, lower, raise_, sorted_by_count
from .edf import needs_schedule
from .few import least_of_distinct, least_of_few
from .least_due import due_by_load
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View, kernel, kernels
from .slow_start import SlowStart

__all__ = ["LeastRequest"]


@kernel
def pick_least_of_few(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The fewest outstanding among those drawn, with replacement; of a tie the first drawn."""
    return least_of_few(v.outstanding, v.balancer[g] * v.stride, s.choices, v, g, u)


@kernel
def pick_least_of_distinct(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The fewest outstanding among different endpoints; of a tie the first drawn."""
    return least_of_distinct(v.outstanding, v.balancer[g] * v.stride, s.choices, s.drawn, v, g, u)


@kernel
def pick_least_of_all(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """One of those with the fewest outstanding, each equally likely."""
    return any_of_least(s, g * v.stride, u[0])


@kernel
def one_more_sent(s: Any, v: View, p: int, e: int, now: float) -> None:
    """Raise the endpoint in the order of its pool."""
    g = v.pool[p * v.stride + e]
    if g >= 0:
        raise_(s, g, v.stride, e)


@kernel
def one_fewer_sent(
    s: Any,
    v: View,
    p: int,
    e: int,
    now: float,
    latency: float,
    ok: int,
    there: int,
    worked: float,
) -> None:
    """Lower the endpoint in the order of its pool."""
    g = v.pool[p * v.stride + e]
    if g >= 0:
        lower(s, g, v.stride, e)


@kernels(pick=pick_least_of_few)
class Few(NamedTuple):
    """How many are drawn; the outstanding requests are in the view."""

    choices: int


@kernels(pick=pick_least_of_distinct)
class Distinct(NamedTuple):
    """How many different ones are drawn; `drawn` is room to draw them in."""

    choices: int
    drawn: Ints


@kernels(pick=pick_least_of_all, sent=one_more_sent, answered=one_fewer_sent)
class All(NamedTuple):
    """The endpoints of each pool in the order of what is outstanding: see `counts.Sorted`."""

    members: Ints
    order: Ints
    at: Ints
    block: Ints
    low: Ints
    high: Ints
    value: Ints
    free: Ints
    spare: Ints


@part
class LeastRequest(Balancer):
    """The endpoint with the fewest outstanding requests, of a few drawn at random or of all.

    This is Envoy's LEAST_REQUEST (``load_balancer_impl.cc``).  With equal weights, `choices`
    endpoints are drawn with replacement and the first drawn is kept on ties (also gRPC's
    ``least_request``, A48), or all are looked at and a tie is broken uniformly at random (Envoy's
    FULL_SCAN).  Where weights differ, or an endpoint is in slow start, each endpoint has turns
    (earliest deadline first) by ``weight / (outstanding + 1) ** active_bias``, which is worked out
    when it is picked and not again before its next turn.  A balancer counts what it has sent
    itself and has not got back.

    Parameters
    ----------
    choices : int or "all"
        How many are drawn; at least 2, Envoy's default.
    replacement : bool
        Whether one endpoint may be drawn twice, as in Envoy and gRPC; otherwise, more choices than
        endpoints mean all of them.
    active_bias : float
        How much outstanding requests count where weights differ; 0: not at all.
    slow_start : SlowStart, optional
        For endpoints that join or recover.

    Examples
    --------
    >>> LeastRequest(choices=3)
    LeastRequest(choices=3)
    >>> LeastRequest(choices="all")
    LeastRequest(choices='all')
    """

    sees: ClassVar[str] = "its own outstanding requests, weights"
    cost: ClassVar[str] = "O(choices), O(1) for all; O(log n) by weight"
    origin: ClassVar[str] = "Envoy LEAST_REQUEST, gRPC A48"
    weighs: ClassVar[bool] = True
    choices: Annotated[int, Ge(2), Le(1000)] | Literal["all"] = 2
    replacement: bool = True
    active_bias: Annotated[float, Ge(0), Le(30)] = 1.0  # beyond, powers of it overflow
    slow_start: SlowStart | None = None

    @property
    def draws(self) -> int:
        """One for each choice; one, among those that have the fewest, for all."""
        return 1 if self.choices == "all" else self.choices

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule; as in Envoy, turns by weight begin anew when the endpoints change."""
        scheduled = needs_schedule(pools, self.slow_start, now)
        if any(scheduled):
            return due_by_load(self, pools, scheduled, view, make, now)
        if self.choices == "all":
            return All(*sorted_by_count(make, view.stride, *outstanding_of(pools, view)))
        if self.replacement:
            return Few(self.choices)
        return Distinct(self.choices, make.ints([0] * self.choices))


def outstanding_of(
    pools: Sequence[Pool], view: View
) -> tuple[list[tuple[int, ...]], list[list[int]]]:
    """Return the endpoints of each pool, and how many requests each has outstanding."""
    counts = [
        [int(view.outstanding[pool.balancer * view.stride + e]) for e in pool.endpoints]
        for pool in pools
    ]
    return [pool.endpoints for pool in pools], counts
