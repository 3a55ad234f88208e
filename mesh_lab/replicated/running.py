"""Running a cluster under writes and reads, from the beginning to the end.

The order of events and the addresses of draws are those of ``engines/RULES.md``: answers come at
rank 1, timeouts at 2, changes and hand-overs of hints at 3, messages reach a node at 4, sources
make operations at 5 and 6.  Purposes, all of the part that the cluster is: ``coordinator`` and
``replica`` (uniform; the visit counts the picks); ``request``, ``response``, ``hint`` and ``hint
response``, ``far request`` and so on between data centres, ``write``, ``read`` and ``write hint``
(seconds; the visit is the node's number, the attempt 1 for a read's repair, and the number of times
that a hint was sent before); ``skew``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import simpy

from ..clock import SOURCE, Alarm, Clock
from ..draws import Draws, checked_seed
from ..errors import ScenarioError
from ..sources.base import OpenSource
from ..sources.keys import Keys
from .cluster import Cluster
from .fates import Fates
from .history import History, Operation
from .run import ClusterRun
from .store import Store

__all__ = ["simulate"]


def simulate(
    cluster: Cluster,
    *,
    seed: int,
    writes: OpenSource | None = None,
    reads: OpenSource | None = None,
    keys: Keys | None = None,
    requests: int | None = None,
    until: float | None = None,
) -> ClusterRun:
    """Run a cluster and return what became of every operation.

    Parameters
    ----------
    cluster : Cluster
        What to run.
    seed : int
        Not negative.  The same arguments give the same run on every machine.
    writes, reads : OpenSource, optional
        When operations begin; one of the two at least.  Their ``to`` is the cluster's name, and
        urgency means nothing here.
    keys : Keys, optional
        What is written and read, 100 keys alike unless given; a source that has a ``key`` of its
        own uses that.
    requests : int, optional
        Stop the sources after so many operations, writes and reads together.  The run goes on
        until all have ended and no message is under way; hints that wait for a node to come back
        do not keep it going.
    until : float, optional
        Stop at this time, not before: events strictly before it happen.  Without `requests` and
        `until` the sources must end by themselves, as a recorded trace does.

    Returns
    -------
    ClusterRun
        Its `operations` and its `report`.

    Raises
    ------
    ScenarioError
        When an argument is impossible; the message says what is allowed.

    Examples
    --------
    A read of one replica often comes before the write of one replica has reached it:

    >>> import mesh_lab as ml
    >>> store = ml.Cluster("db", read="ONE", write="ONE", link=ml.Exponential(mean=0.010))
    >>> run = ml.replicated.simulate(
    ...     store,
    ...     writes=ml.Poisson("writes", rate=50.0, to="db"),
    ...     reads=ml.Poisson("reads", rate=50.0, to="db"),
    ...     keys=ml.Keys(10),
    ...     requests=5_000,
    ...     seed=7,
    ... )
    >>> run.report().loc[["failed reads", "stale reads"], "count"].tolist()
    [0, 29]
    """
    sources = _checked(cluster, writes, reads, keys, requests, until)
    draws = Draws(checked_seed(seed))
    clock = Clock(simpy.Environment())
    history = History()
    store = Store(cluster, clock, draws, history)
    Fates(store, draws)
    stop = _Countdown(requests, until, store)
    made = [
        _Arrivals(
            store, source, source is writes, source.key or keys or Keys(100), rank, draws, stop
        )
        for rank, source in enumerate(sources)
    ]
    stop.sources = len(made)
    for arrivals in made:
        arrivals.plan()
    finished = clock.run_until_finished(until)
    duration = clock.env.now if finished or until is None else float(until)
    history.judge(store.left())
    return ClusterRun(cluster, draws.seed, duration, history.operations, store.data)


class _Countdown:
    """Knows when there will be no more operations."""

    __slots__ = ("_left", "_store", "_until", "sources")

    def __init__(self, requests: int | None, until: float | None, store: Store) -> None:
        self._left = math.inf if requests is None else int(requests)
        self._until = until
        self._store = store
        self.sources = 0  # that go on

    def one_less(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._store.clock.stopped = True

    def one_source_less(self) -> None:
        self.sources -= 1
        if not self.sources and self._until is None:
            self._store.clock.stopped = True
            self._store.rest()


class _Arrivals:
    """A source at work: it begins operations, one or a batch at a time."""

    __slots__ = (
        "_clock", "_gaps", "_keys", "_names", "_number", "_rank", "_sizes", "_source",
        "_stop", "_store", "_uniforms", "_write",
    )  # fmt: skip

    def __init__(
        self,
        store: Store,
        source: OpenSource,
        write: bool,
        keys: Keys,
        index: int,
        draws: Draws,
        stop: _Countdown,
    ) -> None:
        self._store = store
        self._clock = store.clock
        self._source = source.name
        self._write = write
        self._keys = keys
        self._names: dict[int, str] = {}
        self._uniforms = draws.column("uniform", source.name, "key", source.name)
        self._gaps: Iterator[float] = source.gaps(draws)
        self._sizes = source.sizes(draws)
        self._rank = SOURCE + index
        self._stop = stop
        self._number = 0

    def plan(self) -> None:
        """Plan the next arrival, if there is one."""
        gap = next(self._gaps, None)
        if gap is None:
            self._stop.one_source_less()
        else:
            self._clock.schedule(Alarm(self._arrive), self._rank, gap)

    def _arrive(self, alarm: Alarm) -> None:
        if self._clock.stopped:
            return
        for _ in range(1 if self._sizes is None else next(self._sizes)):
            number, self._number = self._number, self._number + 1
            self._stop.one_less()
            key = self._key(number)
            self._store.begin(Operation(self._source, number, key, self._write))
            if self._clock.stopped:
                self._store.rest()
                return
        self.plan()

    def _key(self, number: int) -> str:
        k = int(self._keys.numbers(np.array([self._uniforms.at(number)]))[0])
        name = self._names.get(k)
        if name is None:
            name = self._names[k] = self._keys.text(k)
        return name


def _checked(
    cluster: Cluster,
    writes: OpenSource | None,
    reads: OpenSource | None,
    keys: Keys | None,
    requests: int | None,
    until: float | None,
) -> list[OpenSource]:
    """Return the sources; raise `ScenarioError` for what cannot be run."""
    if not isinstance(cluster, Cluster):
        raise ScenarioError(f"cluster is {cluster!r}, but must be a Cluster")
    if keys is not None and not isinstance(keys, Keys):
        raise ScenarioError(f"keys is {keys!r}, but must be Keys, such as Keys(1000)")
    sources = []
    for what, source in (("writes", writes), ("reads", reads)):
        if source is None:
            continue
        if not isinstance(source, OpenSource):
            raise ScenarioError(
                f"{what} is {source!r}, but must be an open source, such as "
                f"Poisson({what!r}, rate=10.0, to={cluster.name!r})"
            )
        if source.to != cluster.name:
            raise ScenarioError(
                f"{what}: source {source.name!r} sends to {source.to!r}, but the cluster is "
                f"{cluster.name!r}"
            )
        sources.append(source)
    if not sources:
        raise ScenarioError("neither writes nor reads are given, so nothing would happen; give one")
    if len({source.name for source in sources}) < len(sources):
        raise ScenarioError(
            f"writes and reads are both called {sources[0].name!r}; their names must differ"
        )
    if requests is not None and until is not None:
        raise ScenarioError("both requests and until are given; give one of them")
    if requests is not None and (
        isinstance(requests, bool) or not isinstance(requests, int | np.integer) or requests < 1
    ):
        raise ScenarioError(f"requests is {requests!r}, but must be a whole number, 1 or more")
    if until is not None and not (
        isinstance(until, int | float | np.integer | np.floating)
        and not isinstance(until, bool)
        and 0.0 < until < math.inf
    ):
        raise ScenarioError(f"until is {until!r}, but must be a time in seconds, more than 0")
    endless = [source.name for source in sources if getattr(source, "length", None) is None]
    if requests is None and until is None and endless:
        raise ScenarioError(f"give requests= or until=: source {endless[0]!r} would go on for ever")
    return sources
