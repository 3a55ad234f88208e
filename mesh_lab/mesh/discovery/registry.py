"""What happens to the endpoints of a service, as a stream: the truth.

`Registry` takes the endpoints and the changes that a `mesh_lab.stations.service.Service` takes,
with the same numbers for the endpoints and, for `Failures`, the same draws, so that the truth is
what the engine does:

===========  ==================================================================================
change       the endpoint's state from then on
===========  ==================================================================================
`Join`       READY; with a `PodLife` STARTING, and READY when it has started up
`Drain`      TERMINATING; with a `PodLife` it then ends as told in `pods`
`Leave`      ABSENT
`Fail`       DOWN
`Recover`    as after `Join`
`Slow`       no other
===========  ==================================================================================

An endpoint that terminates does not recover from a failure.  With `Readiness` the registry
publishes what its probes have found (`readiness`); without, it knows everything at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cached_property

from ...distributions import Deterministic
from ...draws import Draws
from ...errors import PartError
from ...parts import Count, Name, field, part
from ...stations.endpoints import Change, Drain, Endpoint, Fail, Failures, Join, Leave, Recover
from ...stations.service import Service
from .base import State, Truth
from .loop import Agenda
from .numbers import numbers
from .pods import PodLife
from .readiness import Readiness

__all__ = ["Facts", "Registry"]


@part
class Registry:
    """The endpoints of a service over time.

    Parameters
    ----------
    name : str
        The service's name.
    endpoints : int or tuple of str
        Those of the beginning: how many (``orders-0``, ``orders-1``, ...), or their names.
    changes : tuple of Change or Failures
        What becomes of them, see `mesh_lab.stations.endpoints`.
    life : PodLife, optional
        How they start and end; without it, at once and never.
    readiness : Readiness, optional
        How the registry finds out who is ready.

    Examples
    --------
    >>> from mesh_lab.draws import Draws
    >>> from mesh_lab.stations.endpoints import Drain, Fail, Recover
    >>> registry = Registry(
    ...     "orders",
    ...     endpoints=2,
    ...     changes=(
    ...         Fail(at=10.0, endpoint="orders-0"),
    ...         Recover(at=12.0, endpoint="orders-0"),
    ...         Drain(at=20.0, endpoint="orders-1"),
    ...     ),
    ...     life=PodLife(startup=3.0, pre_stop=5.0, on_term="refuses", shutdown=1.0),
    ... )
    >>> for time, endpoint, state in registry.truth(Draws(seed=1)):
    ...     print(time, endpoint, state.name)
    0.0 0 READY
    0.0 1 READY
    10.0 0 DOWN
    12.0 0 STARTING
    15.0 0 READY
    20.0 1 TERMINATING
    25.0 1 DOWN
    26.0 1 ABSENT
    """

    name: Name = field(kw_only=False)
    endpoints: Count | tuple[Name, ...] = 1
    changes: tuple[Change | Failures, ...] = ()
    life: PodLife | None = None
    readiness: Readiness | None = None

    def __post_init__(self) -> None:
        if isinstance(self.endpoints, tuple) and not self.endpoints:
            raise ValueError("endpoints is empty, but must name one at least")
        try:
            len(self.names)
        except PartError as error:
            raise ValueError(error.problem) from None

    @classmethod
    def of(
        cls, service: Service, life: PodLife | None = None, readiness: Readiness | None = None
    ) -> Registry:
        """Return the registry of a service: its endpoints, and what becomes of them.

        Examples
        --------
        >>> from mesh_lab import Exponential, Service
        >>> Registry.of(Service("orders", replicas=3, service_time=Exponential(mean=0.02)))
        Registry('orders', endpoints=('orders-0', 'orders-1', 'orders-2'))
        """
        return cls(
            service.name,
            endpoints=tuple(endpoint.name for endpoint in service.initial),
            changes=service.changes,
            life=life,
            readiness=readiness,
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all endpoints that there will ever be, by their number."""
        # a service checks that names are unique, and that changes are about somebody who is there
        work = Deterministic(value=0.0)
        if isinstance(self.endpoints, int):
            service = Service(
                self.name, replicas=self.endpoints, service_time=work, changes=self.changes
            )
        else:
            named = tuple(Endpoint(name) for name in self.endpoints)
            service = Service(self.name, endpoints=named, service_time=work, changes=self.changes)
        return tuple(endpoint.name for endpoint in service.ever)

    @property
    def initial_count(self) -> int:
        """How many endpoints there are at the beginning."""
        return self.endpoints if isinstance(self.endpoints, int) else len(self.endpoints)

    def truth(self, draws: Draws) -> Facts:
        """Return what happens to the endpoints, under the random numbers of a run."""
        return Facts(self, draws)


class Facts:
    """The truth of a registry; it can be read again and again, and may have no end.

    Attributes
    ----------
    published : iterable of Truth
        What the registry says.
    """

    __slots__ = ("_draws", "_registry")

    def __init__(self, registry: Registry, draws: Draws) -> None:
        self._registry = registry
        self._draws = draws

    def __iter__(self) -> Iterator[Truth]:
        return _Fates(self._registry, self._draws).stream()

    @property
    def published(self) -> Iterable[Truth]:
        """What the registry says."""
        registry = self._registry
        if registry.readiness is None:
            return self
        return registry.readiness.published(self, self._draws, registry.name)


class _Fates:
    """Makes the changes, and notes the states."""

    def __init__(self, registry: Registry, draws: Draws) -> None:
        self.life = registry.life
        self.part, self.draws = registry.name, draws
        self.names = registry.names
        self.number = {name: k for k, name in enumerate(self.names)}
        self.states = [State.ABSENT] * len(self.names)
        self.lives = [0] * len(self.names)  # what was planned in an earlier life is void
        self.leaving: set[int] = set()  # or gone: for good
        self.agenda = Agenda()
        self.now = 0.0
        self.told: list[Truth] = []
        for k in range(registry.initial_count):
            self._be(k, State.READY)
        for change in registry.changes:
            if isinstance(change, Failures):
                for name in change.endpoints or self.names[: registry.initial_count]:
                    self._cycle(change, name)
            else:
                self.agenda.plan(change.at, self._happens, change)

    def stream(self) -> Iterator[Truth]:
        """Yield the truth."""
        yield from self.told
        while self.agenda.time < math.inf:
            self.now = self.agenda.time
            self.told = []
            self.agenda.happen()
            yield from self.told

    def _be(self, k: int, state: State) -> None:
        if self.states[k] != state:
            self.states[k] = state
            self.told.append(Truth(self.now, k, state))

    def _happens(self, change: Change) -> None:
        if isinstance(change, Join):
            self._start(self.number[change.endpoint.name])
        elif isinstance(change, Drain):
            self._delete(self.number[change.endpoint])
        elif isinstance(change, Leave):
            self._go(self.number[change.endpoint])
        elif isinstance(change, Fail):
            self._fail(self.number[change.endpoint])
        elif isinstance(change, Recover):
            self._recover(self.number[change.endpoint])

    def _cycle(self, failures: Failures, name: str) -> None:
        """Let one endpoint fail and recover for ever, with the engine's draws."""
        k = self.number[name]
        ups = iter(self.draws.column(failures.up, self.part, "up", name))
        downs = iter(self.draws.column(failures.down, self.part, "down", name))

        def fail() -> None:
            self._fail(k)
            if k not in self.leaving:  # else nothing will become of it any more
                self.agenda.plan(self.now + next(downs), recover)

        def recover() -> None:
            self._recover(k)
            self.agenda.plan(self.now + next(ups), fail)

        self.agenda.plan(next(ups), fail)

    def _start(self, k: int) -> None:
        self.lives[k] += 1
        if self.life is None:
            self._be(k, State.READY)
            return
        startup = numbers(self.life.startup, self.draws, self.part, "startup", self.names[k])
        self._be(k, State.STARTING)
        self.agenda.plan(self.now + startup(self.lives[k] - 1), self._started, k, self.lives[k])

    def _started(self, k: int, life: int) -> None:
        if life == self.lives[k] and self.states[k] == State.STARTING:
            self._be(k, State.READY)

    def _fail(self, k: int) -> None:
        if self.states[k] != State.ABSENT:
            self._be(k, State.DOWN)

    def _recover(self, k: int) -> None:
        if self.states[k] == State.DOWN and k not in self.leaving:
            self._start(k)

    def _delete(self, k: int) -> None:
        self.leaving.add(k)
        if self.states[k] != State.DOWN:
            self._be(k, State.TERMINATING)
        if self.life is not None:
            shutdown = numbers(self.life.shutdown, self.draws, self.part, "shutdown", self.names[k])
            ending = self.life.ending(self.now, shutdown(0))
            if self.life.on_term == "refuses":
                self.agenda.plan(ending.term, self._fail, k)
            self.agenda.plan(ending.gone, self._go, k)

    def _go(self, k: int) -> None:
        self.leaving.add(k)
        self._be(k, State.ABSENT)
