"""Zones: requests stay in the balancer's own zone, or are spread over zones by weight.

Zone-aware routing keeps as many requests as possible in the zone of the balancer that sends them,
without giving an endpoint there more than its share.  Let a zone hold *l* of the balancers and *u*
of the healthy endpoints, in hundredths of a per cent.  In a zone with ``u >= l`` all requests stay.
Otherwise ``u / l`` of them do, and the others go to zones that have more endpoints than
balancers, in proportion to ``u - l``.

Locality-weighted routing gives each zone the share that the operator says; a zone of which less
than ``1 / overprovisioning`` is healthy counts for less, in proportion.

Both are Envoy's: ``load_balancer_impl.cc`` (``regenerateLocalityRoutingStructures``,
``earlyExitNonLocalityRouting``, ``tryChooseLocalLocalityHosts``), whole numbers and all, and
``locality_wrr.cc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Annotated, NamedTuple

from annotated_types import Ge, MinLen

from ..errors import PartError
from ..parts import NonNegative, part

__all__ = ["LocalityWeighted", "Staying", "ZoneAware", "effective_weight", "staying"]


@part
class ZoneAware:
    """Requests stay in the zone of their balancer where its endpoints can take them.

    It holds for priority level 0 only, and not while that level panics; at least two zones must
    have endpoints, and at least two must have balancers.  Otherwise all zones are used alike.

    Parameters
    ----------
    proxy_zones : tuple of str
        The zone of balancer 0, 1, ...; one for each of the service's ``proxies``.
    min_cluster_size : int
        With fewer healthy endpoints, all zones are used alike; Envoy's default is 6.

    Examples
    --------
    >>> ZoneAware(proxy_zones=("a", "a", "b"))
    ZoneAware(proxy_zones=('a', 'a', 'b'))
    """

    proxy_zones: Annotated[tuple[str, ...], MinLen(1)]
    min_cluster_size: Annotated[int, Ge(1)] = 6


@part
class LocalityWeighted:
    """Each zone has the share of requests that its weight says.

    Zones take turns by weight (earliest deadline first); the turn is taken after the priority level
    is known.  The schedule is made anew whenever an endpoint joins, leaves, fails or recovers, and
    balancer *p* begins ``p % 100`` turns ahead, so that many do not go in step; an Envoy begins at
    random.

    Parameters
    ----------
    weights : dict of str to float
        By zone, in all priority levels; a zone of weight 0 has no requests as long as another zone
        of its level can take them.

    Examples
    --------
    >>> LocalityWeighted(weights={"a": 1, "b": 2}).weights["b"]
    2.0
    """

    weights: dict[str, NonNegative]

    def __post_init__(self) -> None:
        if not any(weight > 0 for weight in self.weights.values()):
            raise PartError(
                "",
                "weights",
                f"is {dict(self.weights)!r}, but at least one zone must have a weight above 0",
            )


def effective_weight(weight: float, healthy: int, hosts: int, overprovisioning: int = 140) -> float:
    """Return the weight of a zone of which `healthy` of `hosts` are healthy.

    Examples
    --------
    >>> effective_weight(2.0, healthy=1, hosts=2)
    1.4
    """
    if not hosts:
        return 0.0
    return weight * min(1.0, (overprovisioning / 100.0) * (1.0 * healthy / hosts))


class Staying(NamedTuple):
    """How much of its requests a balancer keeps in its zone, and where the others go.

    Attributes
    ----------
    local : int
        How many of 10 000 stay; 10 000 if all do.
    residual : tuple of int
        The capacity that each zone has left, accumulated over the zones.
    """

    local: int
    residual: tuple[int, ...]


def staying(
    home: str,
    balancers: Mapping[str, int],
    healthy: Mapping[str, int],
    min_cluster_size: int = 6,
) -> Staying | None:
    """Return what a balancer in zone `home` does, or None where it uses all zones alike.

    Parameters
    ----------
    home : str
        The balancer's zone.
    balancers : mapping
        How many balancers each zone has.
    healthy : mapping
        How many healthy endpoints each zone has, in the order of zones; a zone whose endpoints are
        all unhealthy counts 0.

    Notes
    -----
    Where no zone has capacity left, because percentages are rounded, each zone is as likely as any
    other to have a request that does not stay.

    Examples
    --------
    40, 40 and 20 % of the balancers, but 25, 50 and 25 % of the endpoints are in these zones:

    >>> staying("a", {"a": 4, "b": 4, "c": 2}, {"a": 5, "b": 10, "c": 5})
    Staying(local=6250, residual=(0, 1000, 1500))
    """
    if len(healthy) < 2 or len(balancers) < 2 or sum(healthy.values()) < min_cluster_size:
        return None
    from_here = _ten_thousandths(balancers)
    up_there = _ten_thousandths(healthy)
    here = up_there.get(home, 0)
    if here and here >= from_here[home]:
        return Staying(10_000, (0,) * len(healthy))
    local = here * 10_000 // from_here[home] if from_here[home] else 0
    # nothing is left at home, where callers are too many
    left = [max(0, share - from_here.get(zone, 0)) for zone, share in up_there.items()]
    if not any(left):
        left = [1] * len(healthy)
    return Staying(local, tuple(accumulate(left)))


def _ten_thousandths(counts: Mapping[str, int]) -> dict[str, int]:
    """Return each zone's share of the total, in hundredths of a per cent, rounded down."""
    total = sum(counts.values())
    return {zone: 10_000 * count // total if total else 0 for zone, count in counts.items()}
