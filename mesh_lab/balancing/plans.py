"""What one balancer does with the endpoints that it knows: its pools, by level and zone.

This is where priorities, panic and zones meet; what each of them says is in its own file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from .priorities import priority_loads
from .routes import ALL, BY_WEIGHT, STAY
from .subsets import Share
from .zones import LocalityWeighted, ZoneAware, effective_weight, staying

if TYPE_CHECKING:
    from .eligible import Eligible

__all__ = ["Known", "Plan", "plan_for"]


@dataclass(frozen=True, slots=True)
class Known:
    """What the balancers of a service know of one endpoint now.

    Attributes
    ----------
    number : int
        Its number in the service.
    name : str
        Its address.
    weight : float
        Above 0.
    zone : str
        Where it stands.
    priority : int
        Its level; 0 is used first.
    healthy : bool
        Whether it has not failed.
    since : float
        When it joined or became healthy again; minus infinity for those of the beginning.
    """

    number: int
    name: str
    weight: float
    zone: str
    priority: int
    healthy: bool
    since: float


class Content(NamedTuple):
    """The endpoints of a pool, whoever's it is: the fields of `Pool`."""

    endpoints: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    since: tuple[float, ...] = ()


class Plan(NamedTuple):
    """What becomes of one balancer; many balancers have the same."""

    contents: list[Content]
    load: list[int]
    how: list[int]
    local: int
    residual: list[int]
    weight: list[float]


def plan_for(
    eligible: Eligible,
    level_numbers: Sequence[int],
    zones: Sequence[str],
    known: Sequence[Known],
    share: Share | None,
    home: str,
) -> Plan:
    """Decide what a balancer in zone `home` does that knows `share` of the endpoints; None: all."""
    if share is None:
        mine = [(endpoint, 1.0) for endpoint in known]
    else:
        mine = [(known[place], covered) for place, covered in share]
    by_level: dict[int, list[tuple[Known, float]]] = {level: [] for level in level_numbers}
    for endpoint, covered in mine:
        by_level[endpoint.priority].append((endpoint, covered))
    percent = round(100 * eligible.overprovisioning)
    levels = priority_loads(
        [sum(e.healthy for e, _ in members) for members in by_level.values()],
        [len(members) for members in by_level.values()],
        percent,
        round(100 * eligible.panic),
    )
    plan = Plan([], list(accumulate(levels.loads)), [], 0, [0] * len(zones), [])
    for level, panics in zip(level_numbers, levels.panics, strict=True):
        members = by_level[level]
        healthy = [member for member in members if member[0].healthy]
        how, weight = ALL, [0.0] * len(zones)
        if isinstance(eligible.zones, LocalityWeighted):
            hosts, well = _zones(members), _zones(healthy)
            weight = [
                effective_weight(eligible.zones.weights[zone], well[zone], hosts[zone], percent)
                if hosts[zone]
                else 0.0
                for zone in zones
            ]
            how = BY_WEIGHT if any(weight) and not panics else ALL
        elif isinstance(eligible.zones, ZoneAware) and level == 0 and not panics:
            well = _zones(healthy)
            keeps = staying(
                home,
                Counter(eligible.zones.proxy_zones),
                {zone: well[zone] for zone in sorted(_zones(members))},
                eligible.zones.min_cluster_size,
            )
            if keeps is not None:
                how = STAY
                plan = plan._replace(
                    local=keeps.local,
                    residual=_spread(sorted(_zones(members)), keeps.residual, zones),
                )
        plan.how.append(how)
        plan.weight.extend(weight)
        if how == ALL:
            if panics:
                healthy = [] if eligible.fail_in_panic else members
            plan.contents.append(_content(healthy))
            plan.contents.extend([Content()] * len(zones))
        else:
            plan.contents.append(Content())
            for zone in zones:
                plan.contents.append(_content([m for m in healthy if m[0].zone == zone]))
    return plan


def _zones(members: Iterable[tuple[Known, float]]) -> Counter[str]:
    return Counter(endpoint.zone for endpoint, _ in members)


def _spread(zones: Sequence[str], residual: Sequence[int], all_zones: Sequence[str]) -> list[int]:
    """Return the accumulated capacity of all zones; those without endpoints add nothing."""
    left = dict(zip(zones, residual, strict=True))
    spread: list[int] = []
    for zone in all_zones:
        spread.append(left.get(zone, spread[-1] if spread else 0))
    return spread


def _content(members: Sequence[tuple[Known, float]]) -> Content:
    return Content(
        tuple(endpoint.number for endpoint, _ in members),
        tuple(endpoint.weight * covered for endpoint, covered in members),
        tuple(endpoint.name for endpoint, _ in members),
        tuple(endpoint.since for endpoint, _ in members),
    )
