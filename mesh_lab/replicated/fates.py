"""What becomes of the nodes during a run: planned changes, and failures and isolations at random.

The draws of a random failure are those of ``engines/RULES.md``: purpose ``up`` until it comes,
then ``down`` until it is over, addressed by the node's name and the number of its cycle; those of
isolations have the purposes ``joined`` and ``apart``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..clock import CHANGE, Alarm
from ..draws import Column, Draws
from ..stations.endpoints import Change, Fail, Failures, Leave
from .cluster import Isolations, NetworkPartition
from .store import Store

__all__ = ["Fates"]


class Fates:
    """Plans and makes the changes of a store's nodes."""

    def __init__(self, store: Store, draws: Draws) -> None:
        self._store = store
        self._clock = store.clock
        self._network = store.network
        self._numbers = {name: k for k, name in enumerate(store.cluster.names)}
        for change in store.cluster.changes:
            if isinstance(change, Failures):
                for name in change.endpoints or store.cluster.names:
                    _Cycle(self, change, name, self._numbers[name], draws)
            else:
                self._clock.schedule(Alarm(self._happens, change), CHANGE, change.at)

    def _happens(self, alarm: Alarm) -> None:
        change: Change = alarm.subject
        if isinstance(change, NetworkPartition):
            side = frozenset(self._numbers[name] for name in change.nodes)
            self._network.partitions.append(side)
            self._clock.schedule(Alarm(self._heals, side), CHANGE, change.until - change.at)
            self.settle(side)
            return
        node = self._numbers[change.endpoint]  # type: ignore[attr-defined]  # all others have it
        if isinstance(change, Leave):
            self._network.gone[node] = True
        self.set_up(node, not isinstance(change, Fail | Leave))

    def _heals(self, alarm: Alarm) -> None:
        self._network.partitions.remove(alarm.subject)
        self.settle(alarm.subject)

    def set_up(self, node: int, up: bool) -> None:
        """A node fails or recovers, if it has not left."""
        network = self._network
        network.up[node] = up and not network.gone[node]
        if not network.up[node]:
            self._store.crash(node)
        self.settle((node,))

    def set_isolated(self, node: int, isolated: bool) -> None:
        """A node is cut off from all others, or connected again."""
        self._network.isolated[node] = isolated
        self.settle((node,))

    def settle(self, changed: Iterable[int]) -> None:
        """Let the nodes know; hints are handed over to those that are back."""
        for holder, target in self._network.settle(changed, self._clock.env.now):
            self._store.hints.plan(holder, target)


class _Cycle:
    """One node that fails and recovers, or is cut off and connected again, for ever."""

    __slots__ = ("_clock", "_columns", "_fates", "_isolates", "_node", "_stays")

    def __init__(
        self, fates: Fates, failures: Failures, name: str, node: int, draws: Draws
    ) -> None:
        self._fates = fates
        self._node = node
        self._clock = fates._clock
        self._isolates = isinstance(failures, Isolations)
        words = ("joined", "apart") if self._isolates else ("up", "down")
        part = fates._store.cluster.name
        self._columns: tuple[Column, Column] = (
            draws.column(failures.up, part, words[0], name),
            draws.column(failures.down, part, words[1], name),
        )
        self._stays = 0  # good and bad ones together
        self._plan()

    def _plan(self) -> None:
        cycle, bad = divmod(self._stays, 2)
        self._stays += 1
        alarm = Alarm(self._turn, not bad)
        self._clock.schedule(alarm, CHANGE, self._columns[bad].at(cycle))

    def _turn(self, alarm: Alarm) -> None:
        ends: bool = alarm.subject  # whether a good stay has ended
        if self._isolates:
            self._fates.set_isolated(self._node, ends)
        else:
            self._fates.set_up(self._node, not ends)
        if not self._fates._network.gone[self._node]:
            self._plan()
