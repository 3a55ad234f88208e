"""One state for many services: the balancers of all proxies that follow the same rule.

On SimPy each proxy of each service has a view and a state of its own.  A rule's kernels find what
belongs to a pool in blocks, pool by pool; so the arrays of single proxies, put behind each other,
are the state of all of them together, as long as all blocks are of one size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....balancing.counts import Sorted
from ....balancing.eligible import Eligible
from ....balancing.rule import Arrays, View
from ....draws import Draws
from ....mesh.proxy import alone
from ....stations.balancers import Balancers
from ....stations.service import Service

__all__ = ["stacked", "unfit"]

CELLS = ("at", "block", "low", "high", "free")  # of `Sorted`: they count from the first cell of all


def unfit(service: Service) -> str | None:
    """Return why the balancers of a service cannot be stacked; None if they can."""
    rule: Any = service.balancer
    if service.eligible != Eligible() or len({e.priority for e in service.ever}) > 1:
        return "priority levels, zones or subsets of endpoints (eligible=)"
    if rule.hashes:
        return f"{rule!r} hashes keys"
    if rule.oracle:
        return f"{rule!r} looks at the endpoints themselves"
    single = Balancers(alone(service, 0), Arrays(), iter(lambda: 0.5, None))
    if int(single.view.alarms[0]) or hasattr(single.state, "alarm"):
        return f"{rule!r} acts at times of its own"
    return None


def stacked(services: list[Service], draws: Draws) -> tuple[View, tuple[Any, ...], list[int]]:
    """Return the view of all proxies of all services, the states, and the state of each service.

    Services share a state when it is of the same class, with the same numbers in it.
    """
    stride = max(len(service.ever) for service in services)
    singles: list[Balancers] = []
    of: list[int] = []  # the state of each of them
    group: list[int] = []
    kinds: list[tuple[Any, ...]] = []
    for service in services:
        for number in range(service.proxies):
            own = iter(draws.column("uniform", service.name, "own", str(number) if number else ""))
            single = Balancers(alone(service, number), Arrays(), own, stride)
            kind = _kind(single.state)
            if kind not in kinds:
                kinds.append(kind)
            singles.append(single)
            of.append(kinds.index(kind))
        group.append(of[-1])
    views = [single.view for single in singles]
    fields: dict[str, Any] = {
        name: np.concatenate([getattr(view, name) for view in views]) for name in View._fields[1:]
    }
    fields["balancer"] = np.arange(len(views))
    fields["pool"] = np.concatenate(
        [np.where(view.pool < 0, -1, g) for g, view in enumerate(views)]
    )
    states = []
    for k in range(len(kinds)):
        model = singles[of.index(k)].state
        # pools of other rules have blocks too, so that the number of a pool finds its own
        parts = [
            single.state if kind == k else model for single, kind in zip(singles, of, strict=True)
        ]
        cells = CELLS if set(Sorted._fields) <= set(model._fields) else ()
        states.append(
            type(model)(
                *(
                    _joined(each, stride if name in cells else 0)
                    for name, each in zip(model._fields, zip(*parts, strict=True), strict=True)
                )
            )
        )
    return View(stride=stride, **fields), tuple(states), group


def _kind(state: Any) -> tuple[Any, ...]:
    """Return what states have in common that can be put behind each other."""
    numbers = [len(x) if isinstance(x, np.ndarray) else x for x in state]
    return (type(state), *numbers)


def _joined(values: tuple[Any, ...], step: int) -> Any:
    """Put arrays behind each other; numbers of cells grow by `step` from one to the next."""
    if not isinstance(values[0], np.ndarray):
        return values[0]
    return np.concatenate([value + number * step for number, value in enumerate(values)])
