"""The partitioned log as a part: partitions on brokers, written by producers, read by groups.

Events stay where they were appended, whoever has read them; what moves is the offset that each
group of consumers has come to.  Where an event goes is `mesh_lab.messaging.log.partitioner`; when
it is safe, `partition` and `brokers`; how it is written, `producer`; how it is read, `group`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Protocol

from annotated_types import Ge, Le

from ...distributions import Distribution
from ...parts import Count, NonNegative, Seconds, part
from ..base import Channel
from ..message import Message
from ..post import LiveChannel, Post
from .brokers import Brokers
from .partition import Partition, Record
from .partitioner import keyed_partition
from .producer import Producer
from .sender import APPENDED, OUT_OF_ORDER, REFUSED, WAITING, Batch, Flight, Sender

__all__ = ["LiveLog", "Log"]


_MOST_REPLICAS = 1_000_000  # of partitions; a kilobyte each


@part
class Log(Channel):
    """A partitioned, replicated log (a topic of Kafka).

    Parameters
    ----------
    name : str
        Its name in the scenario; sources send to it, consumer groups read from it.
    partitions : int
        How many partitions.  Events of one key are in one partition, in order.
    replication : int
        How many brokers keep each partition.
    brokers : int, optional
        How many there are; as many as `replication`, if not given.  Partition p is led by broker
        p % brokers at first.
    min_insync : int
        How many in-sync replicas there must be for a write with ``acks="all"``; else it is refused.
    producer : Producer
        How sources write; each source has a producer of its own.
    replica_delay : float or Distribution
        Seconds until a follower has what the leader appended.
    failover : float
        Seconds until a broker's failure is noticed and others lead (Kafka with KRaft: 9 s,
        ``broker.session.timeout.ms``).
    unclean : bool
        Whether a replica that was not in sync may lead when no other is there.
    broker_outages : tuple of (broker, from, until)
        When which broker is down.  What it has written it still has afterwards.

    Examples
    --------
    >>> Log("orders", partitions=6, replication=3, min_insync=2, producer=Producer(linger=0.0))
    Log('orders', partitions=6, replication=3, min_insync=2, producer=Producer(linger=0.0))
    """

    such_as: ClassVar[str] = "Log('orders')"
    has_rows: ClassVar[bool] = False  # the groups that read it have
    partitions: Annotated[int, Ge(1), Le(100_000)] = 12
    replication: Annotated[int, Ge(1), Le(1000)] = 1
    brokers: Annotated[int, Ge(1), Le(100_000)] | None = None
    min_insync: Count = 1
    producer: Producer = Producer()
    replica_delay: Annotated[float, Ge(0), Le(1e100)] | Distribution = 0.005
    failover: Seconds = 9.0
    unclean: bool = False
    broker_outages: tuple[tuple[int, NonNegative, NonNegative], ...] = ()

    def __post_init__(self) -> None:
        if self.replication > self.broker_count:
            raise ValueError(
                f"replication is {self.replication}, but there are {self.broker_count} brokers, "
                "and each keeps a partition once"
            )
        if self.min_insync > self.replication:
            raise ValueError(
                f"min_insync is {self.min_insync}, but replication is {self.replication}: nothing "
                "could be written with acks='all'"
            )
        if self.partitions * self.replication > _MOST_REPLICAS:
            raise ValueError(
                f"partitions is {self.partitions} and replication {self.replication}: that makes "
                f"more than the {_MOST_REPLICAS} replicas that a log may have; take fewer of one"
            )
        until = dict.fromkeys(range(self.broker_count), 0.0)
        for broker, start, end in self.broker_outages:
            if broker not in until or not until[broker] <= start < end:
                raise ValueError(
                    f"broker_outages has {(broker, start, end)!r}, but each must be (broker, from, "
                    f"until): a broker from 0 to {self.broker_count - 1}, from < until, and those "
                    "of one broker in order and without overlap"
                )
            until[broker] = end

    def live(self, post: Post, station: int) -> LiveLog:
        """Return the log at work."""
        return LiveLog(self, post, station)

    @property
    def broker_count(self) -> int:
        """How many brokers there are."""
        return self.replication if self.brokers is None else self.brokers


class Reader(Protocol):
    """A group of consumers, as the log knows it."""

    def appended(self, count: int) -> None:
        """So many records are there, which it may read later."""

    def grown(self, partition: Partition) -> None:
        """It may read on."""

    def cut(self, partition: Partition, end: int, before: int) -> None:
        """What was between these two offsets is gone."""

    def lost(self, message: Message, partition: int, offset: int, sent: float) -> None:
        """An event that its producer believes to be safe is not there any more."""


class LiveLog(LiveChannel):
    """A log at work.

    Attributes
    ----------
    partitions : list of Partition
        What is in it.
    """

    def __init__(self, part: Log, post: Post, station: int = 0) -> None:
        self.part = part
        self.station = station
        self.name = part.name
        self.post = post
        self.readers: list[Reader] = []
        self.brokers = Brokers(
            post.clock,
            self,
            partitions=part.partitions,
            count=part.broker_count,
            replication=part.replication,
            delay=self._copying(),
            failover=part.failover,
            unclean=part.unclean,
            outages=part.broker_outages,
        )
        self.partitions = self.brokers.partitions
        self._senders: dict[str, Sender] = {}
        self._by_key: dict[str, int] = {}
        self._available = list(range(part.partitions))
        self._waiting: dict[int, list[tuple[int, Flight, int]]] = {}

    def _copying(self) -> Callable[[int, int], float]:
        delay = self.part.replica_delay
        if not isinstance(delay, Distribution):
            return lambda partition, broker: delay
        columns: dict[tuple[int, int], Callable[[], float]] = {}

        def drawn(partition: int, broker: int) -> float:
            draw = columns.get((partition, broker))
            if draw is None:
                column = self.post.draws.column(
                    delay, self.name, "replica", f"{partition}/{broker}"
                )
                draw = columns[partition, broker] = iter(column).__next__
            return draw()

        return drawn

    # -- writing ---------------------------------------------------------------------------------

    def publish(self, message: Message, done: Callable[[int], None] | None = None) -> None:
        """Write an event; `done` is told the outcome (`mesh_lab.ledger.OUTCOMES`), once."""
        sender = self._senders.get(message.source)
        if sender is None:
            sender = Sender(self, len(self._senders), message.source)
            self._senders[message.source] = sender
        self.post.live += 1
        sender.send(message, done)

    def partition_of(self, key: str | None) -> int | None:
        """Return the partition of a key; None where there is no key."""
        if key is None:
            return None
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = keyed_partition(key.encode(), self.part.partitions)
        return found

    def available(self) -> list[int]:
        """Return the partitions that can be written now; all, if none can."""
        return self._available

    def receive(self, flight: Flight) -> None:
        """Take a producer's request at the broker it was sent to."""
        for place, batch in enumerate(flight.batches):
            partition = self.partitions[batch.partition]
            result, end = self._appended(partition, flight, batch)
            if result == WAITING:
                self._waiting.setdefault(partition.number, []).append((end, flight, place))
            flight.settled(place, result)

    def _appended(self, partition: Partition, flight: Flight, batch: Batch) -> tuple[int, int]:
        """Append a batch; return what became of it, and the offset that it needs to be safe."""
        rules, sender = self.part.producer, flight.sender.index
        if self.brokers.leader(partition.number) != flight.broker or (
            rules.acks == "all" and len(partition.isr) < self.part.min_insync
        ):
            return REFUSED, 0
        if rules.numbers:
            first, many = batch.sequence, len(batch.messages)
            expected = partition.expects(sender, batch.epoch, first)
            if expected is None:
                end = partition.end_of(sender, batch.epoch, first, many)
                return (APPENDED if partition.high >= end else WAITING), end
            if not expected:
                return OUT_OF_ORDER, 0
        high, earlier = partition.high, batch.records
        made = partition.append(batch.messages, sender, batch.epoch, batch.sequence)
        for record, sent in zip(made, batch.sent, strict=True):
            record.sent = sent
            record.confirmed = rules.acks == 0
            self.post.say(
                record.message,
                f"is written to {self.name}, partition {record.partition}, offset {record.offset}",
            )
        for record, before in zip(made, earlier, strict=False):
            record.copy = before.copy + (not before.cut)
        batch.records = made
        for reader in self.readers:
            reader.appended(len(made))
        self.brokers.appended(partition)
        if partition.high > high:
            self.grown(partition)
        end = made[-1].offset + 1
        return (APPENDED if rules.acks != "all" or partition.high >= end else WAITING), end

    def confirmed(self, records: list[Record]) -> None:
        """Note that a producer knows these to be written."""
        for record in records:
            record.confirmed = True
            if record.cut:
                self._lose(record)

    def vanish(self, flight: Flight) -> None:
        """Note that events which nobody asks about (``acks=0``) never arrived."""
        for batch in flight.batches:
            for message, sent in zip(batch.messages, batch.sent, strict=True):
                for reader in self.readers:
                    reader.lost(message, batch.partition, -1, sent)

    # -- what brokers tell -----------------------------------------------------------------------

    def grown(self, partition: Partition) -> None:
        """Confirm what all in-sync replicas have, and let consumers read it."""
        self._note(partition)
        waiting = self._waiting.get(partition.number)
        if waiting:
            safe = [entry for entry in waiting if entry[0] <= partition.high]
            self._waiting[partition.number] = [e for e in waiting if e[0] > partition.high]
            # the leader refuses after all if too few were in sync by then, and it is sent again
            enough = len(partition.isr) >= self.part.min_insync
            for _, flight, place in safe:
                flight.settled(place, APPENDED if enough else REFUSED)
        for reader in self.readers:
            reader.grown(partition)

    def elected(self, partition: Partition, cut: list[Record]) -> None:
        """Go on with another leader: what it did not have is gone."""
        self._note(partition)  # the high watermark may have moved while nobody could read
        self._find_available()
        if cut:
            end = len(partition.log)
            for reader in self.readers:
                reader.cut(partition, end, end + len(cut))
            for record in cut:
                if record.confirmed:
                    self._lose(record)
        for sender in self._senders.values():
            sender.led(partition.number)
        for reader in self.readers:
            reader.grown(partition)

    def broken(self, broker: int) -> None:
        """Break all connections to a broker."""
        for partition in self.partitions:
            if partition.leader == broker:
                self._waiting.pop(partition.number, None)
        self._find_available()
        for sender in self._senders.values():
            sender.broken(broker)

    def _find_available(self) -> None:
        every = range(self.part.partitions)
        self._available = [p for p in every if self.brokers.leader(p) is not None] or list(every)

    def _lose(self, record: Record) -> None:
        p = self.partitions[record.partition]
        if record.copy and any(other.message is record.message for other in p.log):
            return
        self.post.say(record.message, f"is lost: broker {p.leader} leads without it")
        for reader in self.readers:
            reader.lost(record.message, p.number, record.offset, record.sent)

    def _note(self, partition: Partition) -> None:
        """Note since when records can be read."""
        now, at = self.post.now, partition.high - 1
        while at >= 0 and math.isnan(partition.log[at].written):
            partition.log[at].written = now
            at -= 1
