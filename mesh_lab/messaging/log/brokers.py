"""The brokers of a log: copying from leader to followers, failure, detection and fail-over.

A follower has what its leader appended after the declared delay (of one fetch).  A broker that goes
down takes its connections with it at once; the controller notices `failover` seconds later, takes
it out of the in-sync replicas, and lets others lead.  Until then its partitions cannot be written
or read.  One that is back earlier goes on as it was.  One that comes back later copies what it
missed, and joins the in-sync replicas again (`partition`).  What a broker has written survives its
failure (its process dies, not its disk).  Leadership stays where it is after a recovery: Kafka's
periodic return to the preferred leader is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ...clock import CHANGE, HOP, Alarm, Clock
from .partition import Partition, Record

__all__ = ["Brokers", "Watcher"]


class Watcher(Protocol):
    """Who is told what happens to partitions."""

    def grown(self, partition: Partition) -> None:
        """The high watermark has moved."""

    def elected(self, partition: Partition, cut: list[Record]) -> None:
        """Another broker leads, or the old one again; `cut` is lost."""

    def broken(self, broker: int) -> None:
        """Connections to a broker are gone."""


class Brokers:
    """The brokers at work.

    Parameters
    ----------
    count : int
        Brokers; partition p is led by broker p % count, and kept by those that follow it.
    delay : callable
        From (partition, follower) to the seconds that a copy takes.
    failover : float
        Seconds until a failure is noticed.
    outages : iterable of (broker, from, until)
        When which one is down.
    """

    def __init__(
        self,
        clock: Clock,
        watcher: Watcher,
        *,
        partitions: int,
        count: int,
        replication: int,
        delay: Callable[[int, int], float],
        failover: float,
        unclean: bool,
        outages: Iterable[tuple[int, float, float]],
    ) -> None:
        self.clock = clock
        self.watcher = watcher
        self.partitions = [
            Partition(p, [(p + k) % count for k in range(replication)]) for p in range(partitions)
        ]
        self.alive = set(range(count))
        self._delay = delay
        self._failover = failover
        self._unclean = unclean
        self._downs = [0] * count  # how often each has failed
        self._arrives: dict[tuple[int, int], float] = {}  # copies come in order
        for broker, start, end in outages:
            self._at(start, self._down, broker)
            self._at(end, self._up, broker)

    def leader(self, partition: int) -> int | None:
        """Return the broker that leads a partition, None if it cannot be reached."""
        leader = self.partitions[partition].leader
        return leader if leader in self.alive else None

    def appended(self, partition: Partition) -> None:
        """Let the followers copy what the leader has appended."""
        for broker in partition.replicas:
            if broker != partition.leader and broker in self.alive:
                self._copy(partition, broker)

    # -- inside ----------------------------------------------------------------------------------

    def _copy(self, partition: Partition, broker: int) -> None:
        now = self.clock.env.now
        pair = partition.number, broker
        arrives = max(now + self._delay(*pair), self._arrives.get(pair, 0.0))
        self._arrives[pair] = arrives
        what = partition, broker, len(partition.log), partition.epoch, self._downs[broker]
        self.clock.schedule(Alarm(self._copied, what), HOP, arrives - now)

    def _copied(self, alarm: Alarm) -> None:
        partition, broker, upto, epoch, downs = alarm.subject
        if epoch == partition.epoch and downs == self._downs[broker]:
            if self.leader(partition.number) is not None and partition.copied(broker, upto):
                self.watcher.grown(partition)
            self.clock.drain()

    def _at(self, time: float, do: Callable[[int], None], broker: int) -> None:
        def ring(alarm: Alarm) -> None:
            do(broker)
            self.clock.drain()

        self.clock.schedule(Alarm(ring), CHANGE, time)

    def _down(self, broker: int) -> None:
        self.alive.discard(broker)
        self._downs[broker] += 1
        self.watcher.broken(broker)
        downs = self._downs[broker]

        def noticed(alarm: Alarm) -> None:
            if broker not in self.alive and downs == self._downs[broker]:
                self._notice(broker)
                self.clock.drain()

        self.clock.schedule(Alarm(noticed), CHANGE, self._failover)

    def _notice(self, broker: int) -> None:
        for partition in self.partitions:
            if broker in partition.replicas:
                grown = partition.shrink(broker)
                if partition.leader == broker:
                    self._elect(partition)
                elif grown and self.leader(partition.number) is not None:
                    self.watcher.grown(partition)

    def _up(self, broker: int) -> None:
        self.alive.add(broker)
        for partition in self.partitions:
            if broker not in partition.replicas:
                continue
            if partition.leader is None:
                self._elect(partition)
            elif partition.leader == broker:  # nobody had noticed
                self.appended(partition)
                self.watcher.elected(partition, [])
            elif partition.leader in self.alive:
                self._copy(partition, broker)

    def _elect(self, partition: Partition) -> None:
        cut = partition.elect(self.alive, unclean=self._unclean)
        if partition.leader is not None:
            self.appended(partition)
            self.watcher.elected(partition, cut)
