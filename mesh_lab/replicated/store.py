"""The nodes at work: coordinators that send, wait, repair and give up, replicas that store.

A message arrives if its sender could reach the receiver when it was sent, and the receiver is up
and connected when it comes; else it is lost, and only a timeout tells.  Every operation is in the
hands of its coordinator: when that fails, its client loses the connection (``crashed``), and what
the coordinator still had to do for it (hints, repairs) is not done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

from ..clock import COMPLETION, EXPIRY, HOP, Alarm, Clock
from ..distributions import Distribution
from ..draws import Column, Draws
from .cluster import Cluster
from .hints import Hints
from .history import CRASHED, IN_FLIGHT, OK, TIMEOUT, UNAVAILABLE, History, Operation
from .network import Network

__all__ = ["Store"]


class Store:
    """All nodes of a cluster, live."""

    def __init__(self, cluster: Cluster, clock: Clock, draws: Draws, history: History) -> None:
        self.cluster = cluster
        self.clock = clock
        self.history = history
        self.network = Network(len(cluster.names), cluster.detection)
        self.hints = Hints(
            clock,
            self.network,
            window=cluster.hint_window,
            every=cluster.hint_interval,
            timeout=cluster.write_timeout,
            send=self._send_hint,
        )
        self._centres = [centre for centre, nodes in cluster.centres.items() for _ in nodes]
        self.data: list[dict[str, Operation]] = [{} for _ in cluster.names]
        self.busy = 0  # operations in hand and messages under way
        self._draws = draws
        self._columns: dict[tuple[str, str, int, int], Column] = {}
        self._replicas: dict[str, tuple[int, ...]] = {}
        self._in_hand: list[dict[Operation, None]] = [{} for _ in cluster.names]
        self._stamps = [-(1 << 63) for _ in cluster.names]
        self._offsets = [self._offset(name) for name in cluster.names]

    # -- operations -----------------------------------------------------------------------------

    def begin(self, operation: Operation) -> None:
        """Take an operation: find a coordinator, and enough replicas, or end it at once."""
        now, network = self.clock.env.now, self.network
        self.history.begin(operation, now)
        nodes = [node for node, up in enumerate(network.up) if up]
        if nodes:
            here = nodes[int(self._uniform("coordinator", operation, 0) * len(nodes))]
            operation.coordinator = here
            alive = [
                node
                for node in self.replicas(operation.key)
                if network.takes_for_alive(here, node, now)
            ]
            counting = self._counting(operation, alive)
            if len(counting) >= operation.needed:
                self._take(operation, alive if operation.write else counting)
                return
        self.history.end(operation, UNAVAILABLE, now)

    def _counting(self, operation: Operation, alive: list[int]) -> list[int]:
        """Return those whose answers count, and set how many of them there must be."""
        centre = self._centres[operation.coordinator]
        kind: Literal["read", "write"] = "write" if operation.write else "read"
        operation.needed = self.cluster.needed(kind, centre)
        if getattr(self.cluster, kind) != "LOCAL_QUORUM":
            return alive
        operation.counting = sum(1 << k for k, one in enumerate(self._centres) if one == centre)
        return [node for node in alive if self._centres[node] == centre]

    def _take(self, operation: Operation, alive: list[int]) -> None:
        here, cluster = operation.coordinator, self.cluster
        timeout = cluster.write_timeout if operation.write else cluster.read_timeout
        operation.timer = Alarm(self._timed_out, operation)
        self.clock.schedule(operation.timer, EXPIRY, timeout)
        self._in_hand[here][operation] = None
        self.busy += 1
        if operation.write:
            operation.stamp = self._stamp(here), str(operation.number).encode()
            if cluster.hints:
                for node in self.replicas(operation.key):
                    if node not in alive:
                        self.hints.keep(here, node, operation)
            self._send_write(operation, alive, operation, 0)
            return
        for node in self._chosen(operation, alive):
            delay = self._way(here, node, "request", operation, 0)
            delay += self._seconds(cluster.read_time, "read", operation, node, 0)
            self._send(here, node, delay, HOP, self._read, operation, node)

    def _chosen(self, read: Operation, alive: list[int]) -> list[int]:
        """Return as many of the nodes as the read needs, uniformly at random, all if it must."""
        if len(alive) > read.needed:
            for k in range(read.needed):
                uniform = self._uniform("replica", read, k)
                other = k + int(uniform * (len(alive) - k))
                alive[k], alive[other] = alive[other], alive[k]
        return alive[: read.needed]

    def _timed_out(self, alarm: Alarm) -> None:
        operation: Operation | None = alarm.subject
        if operation is None:
            return
        if operation.outcome == IN_FLIGHT:
            self.history.end(operation, TIMEOUT, self.clock.env.now)
        if operation.write and self.cluster.hints:
            for node in self.replicas(operation.key):
                if (operation.asked & ~operation.acks) >> node & 1:
                    self.hints.keep(operation.coordinator, node, operation)
        self._let_go(operation)

    def _let_go(self, operation: Operation) -> None:
        """The coordinator is done with it; answers that still come are nothing to it."""
        assert operation.timer is not None
        operation.timer.subject = None
        operation.timer = None
        del self._in_hand[operation.coordinator][operation]
        self._less_busy()

    def crash(self, node: int) -> None:
        """End what a node has in hand."""
        for operation in list(self._in_hand[node]):
            if operation.outcome == IN_FLIGHT:
                self.history.end(operation, CRASHED, self.clock.env.now)
            self._let_go(operation)

    # -- writing --------------------------------------------------------------------------------

    def _send_write(
        self, operation: Operation, nodes: list[int], write: Operation, attempt: int
    ) -> None:
        """Send `write` to nodes on behalf of an operation: the write itself, or a read's repair."""
        here = operation.coordinator
        for node in nodes:
            operation.asked |= 1 << node
            delay = self._way(here, node, "request", operation, attempt)
            delay += self._seconds(self.cluster.write_time, "write", operation, node, attempt)
            self._send(here, node, delay, HOP, self._write, operation, node, write, attempt)

    def _write(self, operation: Operation, node: int, write: Operation, attempt: int) -> None:
        self._apply(node, write)
        delay = self._way(operation.coordinator, node, "response", operation, attempt)
        here = operation.coordinator
        self._send(node, here, delay, COMPLETION, self._acknowledged, operation, node)

    def _apply(self, node: int, write: Operation) -> None:
        write.received |= 1 << node
        there = self.data[node].get(write.key)
        if there is None or write.stamp > there.stamp:
            self.data[node][write.key] = write

    def _acknowledged(self, operation: Operation, node: int) -> None:
        if operation.timer is None:
            return
        operation.acks |= 1 << node
        enough = operation.needed if operation.write else operation.asked.bit_count()
        counted = operation.acks & operation.counting if operation.write else operation.acks
        if operation.outcome == IN_FLIGHT and counted.bit_count() >= enough:
            self.history.end(operation, OK, self.clock.env.now)
        if operation.acks == operation.asked:
            self._let_go(operation)

    def _send_hint(self, holder: int, target: int, write: Operation, attempt: int) -> None:
        delay = self._way(holder, target, "hint", write, attempt)
        delay += self._seconds(self.cluster.write_time, "write hint", write, target, attempt)
        self._send(holder, target, delay, HOP, self._hinted, holder, target, write, attempt)

    def _hinted(self, holder: int, target: int, write: Operation, attempt: int) -> None:
        self._apply(target, write)
        delay = self._way(holder, target, "hint response", write, attempt)
        told = self.hints.confirmed
        self._send(target, holder, delay, COMPLETION, told, holder, target, write)

    # -- reading --------------------------------------------------------------------------------

    def _read(self, operation: Operation, node: int) -> None:
        version = self.data[node].get(operation.key)
        delay = self._way(operation.coordinator, node, "response", operation, 0)
        here = operation.coordinator
        self._send(node, here, delay, COMPLETION, self._replied, operation, node, version)

    def _replied(self, operation: Operation, node: int, version: Operation | None) -> None:
        if operation.timer is None:
            return
        operation.replies.append((node, version))
        if len(operation.replies) < operation.needed:
            return
        newest = None
        for _, one in operation.replies:
            if one is not None and (newest is None or one.stamp > newest.stamp):
                newest = one
        operation.version = newest
        behind = [node for node, one in operation.replies if one is not newest]
        if self.cluster.read_repair and behind and newest is not None:
            self._send_write(operation, behind, newest, 1)
        else:
            self.history.end(operation, OK, self.clock.env.now)
            self._let_go(operation)

    # -- messages, clocks, draws ----------------------------------------------------------------

    def replicas(self, key: str) -> tuple[int, ...]:
        """Return the numbers of the nodes that keep a key."""
        found = self._replicas.get(key)
        if found is None:
            found = tuple(self.cluster.names.index(name) for name in self.cluster.replicas(key))
            self._replicas[key] = found
        return found

    def left(self) -> Iterator[Operation]:
        """Yield the writes that nodes which have not gone for good hold, or will be handed."""
        for gone, stored in zip(self.network.gone, self.data, strict=True):
            if not gone:
                yield from stored.values()
        yield from self.hints.deliverable()

    def _send(
        self, a: int, b: int, delay: float, rank: int, do: Callable[..., None], *what: Any
    ) -> None:
        if self.network.reaches(a, b):
            self.busy += 1
            self.clock.schedule(Alarm(self._arrived, (a, b, do, what)), rank, delay)

    def _arrived(self, alarm: Alarm) -> None:
        a, b, do, what = alarm.subject
        if self.network.up[b] and self.network.connected(a, b):
            do(*what)
        self._less_busy()

    def _less_busy(self) -> None:
        self.busy -= 1
        self.rest()

    def rest(self) -> None:
        """End the run if there is nothing more to come."""
        if self.clock.stopped and not self.busy:
            self.clock.finish()

    def _stamp(self, node: int) -> int:
        """Return a timestamp in microseconds; a node never gives one twice, nor a lower one.

        Source: ``getTimestamp`` of Cassandra's ``ClientState.java``.
        """
        now = math.floor((self.clock.env.now + self._offsets[node]) * 1e6)
        self._stamps[node] = max(now, self._stamps[node] + 1)
        return self._stamps[node]

    def _offset(self, name: str) -> float:
        skew = self.cluster.skew
        if isinstance(skew, float | int):
            column = self._draws.column("uniform", self.cluster.name, "skew", name)
            return (2.0 * column.at(0) - 1.0) * skew
        return skew.get(name, 0.0)

    def _way(self, a: int, b: int, purpose: str, operation: Operation, attempt: int) -> float:
        """Return how long a message takes; it is addressed by the end that is not coordinator."""
        if a == b:
            return 0.0
        far = self.cluster.far_link
        if far is None or self._centres[a] == self._centres[b]:
            return self._seconds(self.cluster.link, purpose, operation, b, attempt)
        return self._seconds(far, f"far {purpose}", operation, b, attempt)

    def _seconds(
        self, of: float | Distribution, purpose: str, operation: Operation, node: int, attempt: int
    ) -> float:
        if isinstance(of, float | int):
            return of
        return self._column(of, purpose, operation.source, node, attempt).at(operation.number)

    def _uniform(self, purpose: str, operation: Operation, which: int) -> float:
        return self._column("uniform", purpose, operation.source, which, 0).at(operation.number)

    def _column(
        self, of: Distribution | str, purpose: str, source: str, node: int, attempt: int
    ) -> Column:
        address = purpose, source, node, attempt
        column = self._columns.get(address)
        if column is None:
            name = self.cluster.name
            column = self._draws.column(of, name, purpose, source, node, attempt)
            self._columns[address] = column
        return column
