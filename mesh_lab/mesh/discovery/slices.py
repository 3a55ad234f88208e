"""Kubernetes' endpoint slices: a list in pieces, written by a controller and watched by proxies.

*The controller* looks at a service when one of its pods has changed, or a batch period after that:
whatever changes in between is written together (``endpointUpdatesBatchPeriod``, 0 unless set).
It then puts the endpoints into slices of 100 at most, and changes as few slices as it can
(``reconcileByPortMapping`` in the reconciler of ``k8s.io/endpointslice``):

1. those who are gone leave their slices, and those who changed are changed where they are;
2. slices that have changed anyhow are filled with the new ones;
3. the rest, as long as it would fill a whole slice, gets new ones; what is left then goes into the
   slice that it fills best (``getSliceToFill``), or into one more new slice.  A slice that lost its
   last endpoint is used again as a new one, or deleted (the second and third step as recalled).

The slices are written one after the other.  *A watcher* hears of each as it is written, in order;
so for a moment it may have new pieces beside old ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, TypeVar

from annotated_types import Ge, Le

from ...draws import Draws
from ...parts import Seconds, part
from .base import Discovery, State, Truth, View, ViewChange, published
from .loop import Model
from .numbers import Delay, Next, numbers

__all__ = ["EndpointSlices", "packed"]

_HEAR, _WRITE, _SYNC = 0, 1, 2

V = TypeVar("V")


def packed(
    slices: Mapping[int, Mapping[int, V]], wanted: Mapping[int, V], most: int
) -> tuple[dict[int, dict[int, V]], list[int]]:
    """Put endpoints into slices, as the controller does.

    Parameters
    ----------
    slices : dict
        The slices there are: by their number, of each endpoint what is written about it.
    wanted : dict
        Of each endpoint that there should be, what should be written.
    most : int
        How many a slice may hold.

    Returns
    -------
    slices : dict
        The slices that there should be; one that lost its last endpoint is gone.
    changed : list of int
        Which of them have to be written, or deleted, in order.

    Examples
    --------
    >>> packed({0: {7: "up", 8: "up"}, 1: {9: "up"}}, {7: "up", 9: "up", 10: "new"}, most=2)
    ({0: {7: 'up', 10: 'new'}, 1: {9: 'up'}}, [0])
    """
    after = {n: {e: wanted[e] for e in held if e in wanted} for n, held in slices.items()}
    changed = {n for n, held in slices.items() if after[n] != held}
    empty = sorted(n for n in after if not after[n])
    placed = {e for held in after.values() for e in held}
    new = [e for e in sorted(wanted) if e not in placed]

    def fill(number: int) -> None:
        free = most - len(after[number])
        after[number].update((e, wanted[e]) for e in new[:free])
        del new[:free]
        changed.add(number)

    for number in sorted(changed.difference(empty)):
        if new and len(after[number]) < most:
            fill(number)
    unchanged = sorted(set(after) - changed)
    while new:
        room = [n for n in unchanged if len(after[n]) + len(new) <= most]
        if len(new) < most and room:
            fill(max(room, key=lambda n: (len(after[n]), -n)))
            break
        # one that would be deleted is used again for a new one (``recycleSlices``)
        number = empty.pop(0) if empty else max(after, default=-1) + 1
        after.setdefault(number, {})
        fill(number)
    return {n: held for n, held in after.items() if held}, sorted(changed)


@part
class EndpointSlices(Discovery):
    """A watch on endpoint slices.

    Parameters
    ----------
    batch : float
        Seconds from a change until the controller looks.
    most : int
        Endpoints in a slice, 1000 at most (``--max-endpoints-per-slice``).
    write : float or Distribution
        Seconds that writing one slice takes.
    way : float or Distribution
        Seconds from there to a watcher; what was written first is heard of first.
    unready : bool
        Whether watchers list endpoints that are not ready as unhealthy, or leave them out.

    Examples
    --------
    >>> from mesh_lab.draws import Draws
    >>> truth = [Truth(0.0, 0, State.READY), Truth(1.0, 1, State.READY), Truth(1.3, 0, State.DOWN)]
    >>> for change in EndpointSlices(batch=0.5).views(truth, 1, Draws(seed=1), "orders"):
    ...     print(change.time, change.endpoints)
    0.0 ((0, True),)
    1.5 ((1, True),)
    """

    batch: Seconds = 0.0
    most: Annotated[int, Ge(1), Le(1000)] = 100
    write: Delay = 0.0
    way: Delay = 0.0
    unready: bool = False

    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes; see `Discovery.views`."""
        return _Model(self, published(truth), proxies, draws, name).run()


class _Model(Model):
    def __init__(
        self,
        part: EndpointSlices,
        truth: Iterable[Truth],
        proxies: int,
        draws: Draws,
        name: str,
    ) -> None:
        super().__init__(truth, proxies, draws, name)
        self.part = part
        self.slices: dict[int, dict[int, State]] = {}
        self.heard: list[dict[int, dict[int, State]]] = []
        self.latest = [0.0] * proxies  # when a watcher hears of what was written last
        self.planned = False  # the controller will look, or has to, when it has written
        self.writing = False
        self.waiting = False
        self.writes = Next(numbers(part.write, draws, name, "write", ""))
        self.ways = [Next(numbers(part.way, draws, name, "way", str(p))) for p in range(proxies)]
        listed = [State.READY]
        if part.unready:
            listed += [State.STARTING, State.UNREADY, State.DOWN]
        self.listed = frozenset(listed)

    def _wanted(self) -> dict[int, State]:
        return {e: s for e, s in self.known.state.items() if s != State.ABSENT}

    def begin(self) -> None:
        """All slices are written, and everybody has them."""
        self.slices, _ = packed({}, self._wanted(), self.part.most)
        self.heard = [dict(self.slices) for _ in range(self.proxies)]

    def changed(self, change: Truth, before: State) -> None:
        """Let the controller look, in a while; what comes until then is looked at together."""
        if not self.planned:
            self.planned = True
            self.agenda.plan(self.now + self.part.batch, self._look, rank=_SYNC)

    def view(self, proxy: int) -> View:
        """Return the pieces that a watcher has, as one list."""
        said: dict[int, bool] = {}
        for held in self.heard[proxy].values():
            for endpoint, state in held.items():
                if state in self.listed:
                    # it may stand in two pieces for a moment; one that says ready is believed
                    said[endpoint] = state == State.READY or said.get(endpoint, False)
        return tuple(sorted(said.items()))

    def _look(self) -> None:
        self.planned = False
        self.waiting = self.writing
        if not self.writing:
            self.slices, changed = packed(self.slices, self._wanted(), self.part.most)
            self._write([(number, self.slices.get(number, {})) for number in changed])

    def _write(self, left: list[tuple[int, dict[int, State]]]) -> None:
        self.writing = bool(left)
        if left:
            self.agenda.plan(self.now + self.writes(), self._written, left, rank=_WRITE)
        elif self.waiting:
            self._look()

    def _written(self, left: list[tuple[int, dict[int, State]]]) -> None:
        (number, held), *rest = left
        for proxy in range(self.proxies):
            self.latest[proxy] = max(self.latest[proxy], self.now + self.ways[proxy]())
            self.agenda.plan(self.latest[proxy], self._hear, proxy, number, held, rank=_HEAR)
        self._write(rest)

    def _hear(self, proxy: int, number: int, held: dict[int, State]) -> None:
        if held:
            self.heard[proxy][number] = held
        else:
            self.heard[proxy].pop(number, None)
        self.touch(proxy)
