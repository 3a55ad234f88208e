"""Which endpoints a balancer picks from at all, before its rule picks one.

The steps are Envoy's (``load_balancer_impl.cc``).  A balancer knows a subset of the endpoints, or
all of them.  A request's draw chooses the priority level by the levels' loads.  In a level that
panics all endpoints are used; otherwise the healthy ones are, all together or those of one zone,
which is chosen by turns or by a second draw.  What depends on the endpoints alone is decided by
`arrange`, whenever one joins, leaves, fails or recovers; what is left for each request is
`mesh_lab.balancing.routes.choose_pool`.

Envoy also knows degraded hosts, retry priorities, weighted priority health and a zone routing that
is enabled for some requests only: there are none here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple, Protocol

from annotated_types import Gt, Le

from ..errors import PartError
from ..parts import Probability, part
from .plans import Known, Plan, plan_for
from .routes import BY_WEIGHT, Routes, choose_pool, next_zone
from .rule import Make, Pool
from .subsets import Aperture, DeterministicSubset, RandomSubset, Share, shares
from .zones import LocalityWeighted, ZoneAware

__all__ = [
    "Aperture",
    "DeterministicSubset",
    "Eligible",
    "Known",
    "LocalityWeighted",
    "RandomSubset",
    "Routes",
    "ZoneAware",
    "arrange",
    "check_eligible",
    "choose_pool",
    "max_pools",
]


@part
class Eligible:
    """Which endpoints a balancer picks from: priorities, panic, zones, subsets.

    Parameters
    ----------
    overprovisioning : float
        A priority level, or a zone with a weight, loses requests only when less than
        ``1 / overprovisioning`` of its endpoints are healthy.  Envoy counts in whole per cent.
    panic : float
        A level with a smaller share of healthy endpoints uses all of its endpoints, unless the
        levels together are healthy enough; 0: never, then requests end as ``unavailable`` when no
        endpoint is healthy.
    fail_in_panic : bool
        Let the requests of a level that panics end as ``unavailable`` instead.
    zones : ZoneAware or LocalityWeighted, optional
        How zones are chosen; without it they do not matter.
    subset : DeterministicSubset, RandomSubset or Aperture, optional
        Which endpoints each balancer knows; all of them without it.

    Examples
    --------
    >>> Eligible(panic=0, subset=RandomSubset(size=20))
    Eligible(panic=0.0, subset=RandomSubset(size=20))
    """

    overprovisioning: Annotated[float, Gt(0), Le(1e6)] = 1.4
    panic: Probability = 0.5
    fail_in_panic: bool = False
    zones: ZoneAware | LocalityWeighted | None = None
    subset: DeterministicSubset | RandomSubset | Aperture | None = None

    def __post_init__(self) -> None:
        for field in ("overprovisioning", "panic"):
            value = getattr(self, field)
            if round(100 * value) != round(100 * value, 9) or (value > 0) > round(100 * value):
                raise PartError(
                    "",
                    field,
                    f"is {value!r}, but must be a whole number of hundredths, such as "
                    f"{max(round(value, 2), 0.01)!r}: Envoy counts in whole per cent",
                )


class Standing(Protocol):
    """Where an endpoint stands: `Known`, or a declared `mesh_lab.Endpoint`."""

    @property
    def zone(self) -> str: ...

    @property
    def priority(self) -> int: ...


class Layout(NamedTuple):
    """The priority levels and zones that pools are made for, ascending."""

    levels: tuple[int, ...]
    zones: tuple[str, ...]

    @property
    def pools(self) -> int:
        """How many a balancer has."""
        return len(self.levels) * (1 + len(self.zones))


def _layout(eligible: Eligible, endpoints: Iterable[Standing]) -> Layout:
    levels, zones = set(), set()
    for endpoint in endpoints:
        levels.add(endpoint.priority)
        zones.add(endpoint.zone)
    return Layout(tuple(sorted(levels or {0})), tuple(sorted(zones)) if eligible.zones else ())


def max_pools(eligible: Eligible, endpoints: Iterable[Standing], proxies: int) -> int:
    """Return how many pools `arrange` returns at most, given all endpoints that will ever be.

    Examples
    --------
    >>> max_pools(Eligible(), [], proxies=3)
    3
    """
    return proxies * _layout(eligible, endpoints).pools


def check_eligible(eligible: Eligible, endpoints: Iterable[Standing], proxies: int) -> None:
    """Check that `eligible` fits the endpoints that will ever be, and the balancers.

    Raises
    ------
    PartError
        When zones are declared for another number of balancers, or an endpoint stands in a zone
        that has no weight.
    """
    zones = eligible.zones
    if isinstance(zones, ZoneAware) and len(zones.proxy_zones) != proxies:
        raise PartError(
            "ZoneAware()",
            "proxy_zones",
            f"holds {len(zones.proxy_zones)} zones, but the service has proxies={proxies}: "
            "give one zone for each",
        )
    if isinstance(zones, LocalityWeighted):
        missing = sorted({endpoint.zone for endpoint in endpoints} - set(zones.weights))
        if missing:
            raise PartError(
                "LocalityWeighted()",
                "weights",
                f"has no weight for zone {missing[0]!r} of an endpoint, only for "
                f"{', '.join(map(repr, zones.weights))}; give it one (0: no requests)",
            )


def arrange(
    eligible: Eligible,
    known: Sequence[Known],
    proxies: int,
    make: Make,
    *,
    old: Routes | None = None,
    ever: Iterable[Standing] = (),
    seed_words: Sequence[int] = (),
) -> tuple[list[Pool], Routes]:
    """Return the pools of all balancers, and the routes to them.

    Parameters
    ----------
    eligible : Eligible
        What is declared.
    known : sequence of Known
        The endpoints that there are now, by number; failed ones too, but none that has left or
        drains.
    proxies : int
        How many balancers there are.
    make : Make
        Makes the arrays.
    old : Routes, optional
        The routes until now.  Nothing of them is needed: Envoy makes the turns of zones anew too.
    ever : iterable of Standing, optional
        All endpoints that will ever be: with them, a pool of a level and zone keeps its number when
        the last endpoint of another level or zone leaves.
    seed_words : sequence of int, optional
        What the balancers' seeds of a `RandomSubset` are drawn from, beside its own seed.

    Raises
    ------
    PartError
        As `check_eligible`.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> known = [Known(e, f"10.0.0.{e}:80", 1.0, "", 0, e != 1, 0.0) for e in range(3)]
    >>> pools, routes = arrange(Eligible(), known, 1, Lists())
    >>> pools[0].endpoints, routes.plain
    ((0, 2), 1)
    """
    check_eligible(eligible, known, proxies)
    layout = _layout(eligible, [*known, *ever])
    aware = isinstance(eligible.zones, ZoneAware)
    homes = eligible.zones.proxy_zones if isinstance(eligible.zones, ZoneAware) else ("",) * proxies
    if eligible.subset is None:
        parts: list[Share | None] = [None] * proxies
    else:
        names = [endpoint.name for endpoint in known]
        parts = [*shares(eligible.subset, names, proxies, seed_words)]
    made: dict[tuple[Share | None, str], Plan] = {}
    plans = []
    for share, home in zip(parts, homes, strict=True):
        if (share, home) not in made:
            made[share, home] = plan_for(eligible, layout.levels, layout.zones, known, share, home)
        plans.append(made[share, home])
    pools = [Pool(p, *content) for p, plan in enumerate(plans) for content in plan.contents]
    zones = layout.zones
    weights = [weight for plan in plans for weight in plan.weight]
    routes = Routes(
        plain=1 if layout.pools == 1 else 0,
        levels=len(layout.levels),
        zones=len(zones),
        load=make.ints(load for plan in plans for load in plan.load),
        how=make.ints(how for plan in plans for how in plan.how),
        home=make.ints(zones.index(home) if aware and home in zones else 0 for home in homes),
        local=make.ints(plan.local for plan in plans),
        residual=make.ints(left for plan in plans for left in plan.residual),
        weight=make.floats(weights),
        deadline=make.floats(1.0 / weight if weight > 0 else 0.0 for weight in weights),
        order=make.ints(range(len(weights))),
        turns=make.ints([len(weights)] * (proxies * len(layout.levels))),
    )
    for at in range(proxies * len(layout.levels)):
        if routes.how[at] == BY_WEIGHT:
            for _ in range(at // len(layout.levels) % 100):
                next_zone(routes, at)
    return pools, routes
