"""One state for many services: the balancers of all proxies that follow the same rule.

On SimPy each proxy of each service has a view and a state of its own.  A rule's kernels find what
belongs to a pool in blocks, pool by pool; so the arrays of single proxies, put behind each other,
are the state of all of them together, as long as all blocks are of one size.

When other endpoints than before are barred, the balancer of one proxy is arranged anew, by itself,
and what has come out is put into its block (`Stack.arrange`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....balancing.counts import Sorted
from ....balancing.eligible import Eligible
from ....balancing.rule import OWN_DRAWS, Arrays, View
from ....draws import Draws
from ....mesh.proxy import alone
from ....stations.balancers import Balancers
from ....stations.service import Service
from ..driver import NotForCompiled

__all__ = ["Stack", "stacked", "unfit"]

CELLS = ("at", "block", "low", "high", "free")  # of `Sorted`: they count from the first cell of all
PANIC = (
    "overprovisioning",
    "panic",
    "fail_in_panic",
)  # of `Eligible`: they change no more than pools
OF_PROXY = ("size", "hosts", "pool", "place", "outstanding")  # of `View`: what arranging looks at


def unfit(service: Service) -> str | None:
    """Return why the balancers of a service cannot be stacked; None if they can."""
    rule: Any = service.balancer
    panic = {name: getattr(service.eligible, name) for name in PANIC}
    if service.eligible != Eligible(**panic) or len({e.priority for e in service.ever}) > 1:
        return "priority levels, zones or subsets of endpoints (eligible=)"
    if rule.hashes:
        return f"{rule!r} hashes keys"
    if rule.oracle:
        return f"{rule!r} looks at the endpoints themselves"
    single = Balancers(alone(service), Arrays(), iter(lambda: 0.5, None))
    if int(single.view.alarms[0]) or hasattr(single.state, "alarm"):
        return f"{rule!r} acts at times of its own"
    return None


@dataclass
class Stack:
    """The balancers of all proxies of all services, together and one by one.

    Attributes
    ----------
    view : View
        Of all.
    states : tuple
        Those of all rules.
    group : list of int
        Which of the states each service has.
    singles : list of Balancers
        By proxy; what they know is up to date for those that have been arranged anew, no more.
    """

    view: View
    states: tuple[Any, ...]
    group: list[int]
    singles: list[Balancers]

    def arrange(self, p: int, group: int, barred: frozenset[int], now: float) -> None:
        """Make pools and state of proxy `p` anew, if others than before are barred.

        Raises
        ------
        NotForCompiled
            When the rule becomes one of another kind, as where weights differ no more.
        """
        single, view, stacked = self.singles[p], self.view, self.states[group]
        if barred == single.barred:
            return
        blocks = {name: _block(getattr(view, name), p, len(self.singles)) for name in OF_PROXY}
        single.view = single.view._replace(**blocks)
        single.view.balancer[0] = 0
        mine = [_block(x, p, len(self.singles)) for x in stacked]
        steps = [p * step for step in _steps(stacked, view.stride)]
        single.state = type(stacked)(
            *(
                x - step if isinstance(x, np.ndarray) else x
                for x, step in zip(mine, steps, strict=True)
            )
        )
        single.barred = barred
        kind = _kind(single.state)
        single.arrange(now)
        if _kind(single.state) != kind or hasattr(single.state, "alarm"):
            raise NotForCompiled("the balancer of a service becomes one of another kind")
        if int(single.view.cursor[0]):
            single.supply(OWN_DRAWS)
        for x, made, step in zip(mine, single.state, steps, strict=True):
            if isinstance(x, np.ndarray):
                x[:] = made + step
        blocks["pool"][blocks["pool"] >= 0] = p


def stacked(services: list[Service], draws: Draws) -> Stack:
    """Return the balancers of all proxies of all services.

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
            single = Balancers(alone(service), Arrays(), own, stride)
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
        joined = zip(zip(*parts, strict=True), _steps(model, stride), strict=True)
        states.append(type(model)(*(_joined(each, step) for each, step in joined)))
    return Stack(View(stride=stride, **fields), tuple(states), group, singles)


def _steps(state: Any, stride: int) -> list[int]:
    """Return by how much the numbers in each array grow from one block to the next."""
    cells = CELLS if set(Sorted._fields) <= set(state._fields) else ()
    return [stride if name in cells else 0 for name in state._fields]


def _block(values: Any, p: int, count: int) -> Any:
    """Return the block of proxy `p` out of an array of all, as a part of it."""
    if not isinstance(values, np.ndarray):
        return values
    size = len(values) // count
    return values[p * size : (p + 1) * size]


def _kind(state: Any) -> tuple[Any, ...]:
    """Return what states have in common that can be put behind each other."""
    numbers = [len(x) if isinstance(x, np.ndarray) else x for x in state]
    return (type(state), *numbers)


def _joined(values: tuple[Any, ...], step: int) -> Any:
    """Put arrays behind each other; numbers of cells grow by `step` from one to the next."""
    if not isinstance(values[0], np.ndarray):
        return values[0]
    return np.concatenate([value + number * step for number, value in enumerate(values)])
