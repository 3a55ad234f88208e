"""What becomes of the nodes during a run: planned changes, and failures and isolations at random.

The draws of a random failure are those of ``engines/RULES.md``: purpose ``up`` until it comes,
then ``down`` until it is over, addressed by the node's name and the number of its cycle; those of
isolations have the purposes ``connected`` and ``isolated``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..clock import CHANGE, Alarm
from ..distributions import Distribution
from ..draws import Draws
from ..stations.endpoints import Fail, Failures, Leave, Recover
from .changes import Isolations, NetworkPartition
from .store import Store

__all__ = ["Fates"]


class Fates:
    """Plans and makes the changes of a store's nodes."""

    def __init__(self, store: Store, draws: Draws) -> None:
        self._store = store
        self._clock = store.clock
        self._network = store.network
        cluster = store.cluster
        self._numbers = {name: k for k, name in enumerate(cluster.names)}
        for change in cluster.changes:
            if isinstance(change, Failures):
                stays = (change.up, "up"), (change.down, "down")
                for name in change.endpoints or cluster.names:
                    _Cycle(self, self.set_up, stays, name, draws)
            elif isinstance(change, Isolations):
                stays = (change.connected, "connected"), (change.isolated, "isolated")
                for name in change.nodes or cluster.names:
                    _Cycle(self, self.set_connected, stays, name, draws)
            elif isinstance(change, NetworkPartition):
                self._clock.schedule(Alarm(self._parts, change), CHANGE, change.at)
            else:
                self._clock.schedule(Alarm(self._happens, change), CHANGE, change.at)

    def _happens(self, alarm: Alarm) -> None:
        change: Fail | Recover | Leave = alarm.subject
        node = self._numbers[change.endpoint]
        if isinstance(change, Leave):
            self._network.gone[node] = True
        self.set_up(node, isinstance(change, Recover))

    def _parts(self, alarm: Alarm) -> None:
        change: NetworkPartition = alarm.subject
        side = frozenset(self._numbers[name] for name in change.nodes)
        self._network.partitions.append(side)
        self._clock.schedule(Alarm(self._heals, side), CHANGE, change.until - change.at)
        self.settle(side)

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

    def set_connected(self, node: int, connected: bool) -> None:
        """A node is connected again, or cut off from all others."""
        self._network.isolated[node] = not connected
        self.settle((node,))

    def settle(self, changed: Iterable[int]) -> None:
        """Let the nodes know; hints are handed over to those that are back."""
        for holder, target in self._network.settle(changed, self._clock.env.now):
            self._store.hints.plan(holder, target)


class _Cycle:
    """One node that is well and not well by turns, for ever; `turn` is told which."""

    __slots__ = ("_columns", "_fates", "_node", "_stays", "_turn")

    def __init__(
        self,
        fates: Fates,
        turn: Callable[[int, bool], None],
        stays: tuple[tuple[Distribution, str], tuple[Distribution, str]],
        name: str,
        draws: Draws,
    ) -> None:
        self._fates = fates
        self._turn = turn
        self._node = fates._numbers[name]
        part = fates._store.cluster.name
        self._columns = [draws.column(of, part, purpose, name) for of, purpose in stays]
        self._stays = 0  # good and bad ones together
        self._plan()

    def _plan(self) -> None:
        cycle, bad = divmod(self._stays, 2)
        self._stays += 1
        alarm = Alarm(self._ends, bool(bad))  # after a bad stay it is well again
        self._fates._clock.schedule(alarm, CHANGE, self._columns[bad].at(cycle))

    def _ends(self, alarm: Alarm) -> None:
        self._turn(self._node, alarm.subject)
        if not self._fates._network.gone[self._node]:
            self._plan()
