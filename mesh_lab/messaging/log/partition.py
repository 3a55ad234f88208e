"""One partition: an append-only log of records, on several brokers, of which one leads.

The leader appends.  Followers copy from it.  The *in-sync replicas* (ISR) are those that have kept
up; the *high watermark* is the smallest log end among them, and consumers read below it only.  When
the leader is gone, one of the in-sync replicas leads: its log is the log from then on, and what it
had not copied yet is cut off everywhere.  So a record is safe once every in-sync replica has it,
which is what ``acks=all`` waits for, and ``acks=1`` does not.

A follower that has fallen out of sync joins again when its log end is at or beyond the high
watermark and the start of the leader's epoch: it need not have everything, which under steady
writing it never would.  Where the leader is alone in sync, the high watermark is the leader's own
log end and would run ahead of the follower for ever; so it waits for one that has copied up to
where the leader was a moment ago (KAFKA-4485).  Both rules are ``isFollowerInSync`` and
``maybeIncrementLeaderHW`` of Kafka's ``Partition.scala``, read.  Left out is
``replica.lag.time.max.ms``: Kafka takes out a follower that is behind for so long, and waits for
one that was away for less already before its first copy.

The high watermark moves on even if fewer than ``min_insync`` replicas are in sync, as it did in
Kafka before 3.7.  Since then it stands still (KAFKA-15583, "strict min ISR"), which is what
eligible leader replicas are built on (KIP-966; on by default in new clusters since 4.1).

A record carries its producer's sequence number.  With idempotence, the leader takes a batch only
if it follows the last one of that producer; one that it has already is confirmed once more and
not appended (KIP-98).

All replicas of a partition agree up to where the shorter of two ends, so one list of records and
the end of each replica say everything.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from ..message import Message

__all__ = ["Partition", "Record"]


class Record:
    """An event in a log.

    Attributes
    ----------
    message : Message
        The event.
    partition, offset : int
        Where it is: its place in the partition is 0, 1, 2, ...
    copy : int
        0, or how many copies of the event came before: a retry has appended it again.
    sent, written : float
        When it was published, and since when it can be read.
    producer, epoch, sequence : int
        Whose it is, and its number among those of its producer in this partition; without
        idempotence, -1.
    confirmed, cut : bool
        Whether its producer knows that it is here; whether it was lost when another leader took
        over.
    """

    __slots__ = (
        "confirmed", "copy", "cut", "epoch", "message", "offset", "partition", "producer", "sent",
        "sequence", "written",
    )  # fmt: skip

    def __init__(
        self,
        message: Message,
        partition: int,
        offset: int,
        producer: int,
        epoch: int,
        sequence: int,
    ) -> None:
        self.message = message
        self.partition = partition
        self.offset = offset
        self.copy = 0
        self.sent = 0.0
        self.written = math.nan
        self.confirmed = False
        self.producer = producer
        self.epoch = epoch
        self.sequence = sequence
        self.cut = False


class Partition:
    """The log of one partition, and how far each replica has got.

    Parameters
    ----------
    number : int
        0, 1, 2, ... within its topic.
    replicas : sequence of int
        The brokers that keep it, the preferred leader first.

    Examples
    --------
    >>> partition = Partition(0, [0, 1, 2])
    >>> _ = partition.append([Message("shop", n) for n in range(3)], producer=0)
    >>> partition.copied(1, 3), partition.high
    (False, 0)
    >>> partition.copied(2, 2), partition.high
    (True, 2)
    >>> partition.shrink(2), partition.high
    (True, 3)
    >>> partition.copied(2, 3), partition.isr
    (False, [0, 1, 2])
    >>> [record.offset for record in partition.elect({1, 2})]  # broker 1 leads: nothing is cut
    []
    """

    def __init__(self, number: int, replicas: Sequence[int]) -> None:
        self.number = number
        self.replicas = tuple(replicas)
        self.leader: int | None = replicas[0]
        self.isr = list(replicas)
        self.log: list[Record] = []
        self.ends = dict.fromkeys(replicas, 0)
        self.high = 0
        self.epoch = 0  # how often the leader has changed
        self.start = 0  # the log end at which the leader's epoch began
        self._joining: set[int] = set()  # back, but not at the high watermark: it waits
        self._last: dict[int, tuple[int, int]] = {}  # (epoch, sequence) by producer

    def append(
        self, messages: Sequence[Message], producer: int, epoch: int = 0, sequence: int = -1
    ) -> list[Record]:
        """Append a batch at the leader; `sequence` is that of its first event, -1 for none."""
        assert self.leader is not None
        first = len(self.log)
        made = [
            Record(
                message,
                self.number,
                first + k,
                producer,
                epoch,
                -1 if sequence < 0 else sequence + k,
            )
            for k, message in enumerate(messages)
        ]
        self.log += made
        if sequence >= 0:
            self._last[producer] = epoch, sequence + len(messages) - 1
        self.ends[self.leader] = len(self.log)
        self._advance()
        return made

    def expects(self, producer: int, epoch: int, sequence: int) -> bool | None:
        """Whether a batch with this first sequence number is the next; None if it is here already.

        A new epoch of a producer begins with 0.
        """
        known, last = self._last.get(producer, (-1, -1))
        if epoch != known:
            return sequence == 0 if epoch > known else False
        return None if sequence <= last else sequence == last + 1

    def end_of(self, producer: int, epoch: int, sequence: int, count: int) -> int:
        """Return the offset after the batch that is here already."""
        for record in reversed(self.log):
            if (record.producer, record.epoch) == (producer, epoch) and (
                record.sequence == sequence + count - 1
            ):
                return record.offset + 1
        return len(self.log)

    def copied(self, broker: int, upto: int) -> bool:
        """Note that a follower has everything below `upto`; True if the high watermark moved.

        One that had fallen out of sync joins again at the high watermark, if that is in the epoch
        of this leader.  What lies between the two might be confirmed already: the leader has it
        from its predecessor, and who led next without it would lose it.
        """
        end = self.ends[broker] = max(self.ends[broker], min(upto, len(self.log)))
        if broker not in self.isr:
            if end >= max(self.high, self.start):
                self.isr.append(broker)
            else:
                self._joining.add(broker)
        return self._advance()

    def shrink(self, broker: int) -> bool:
        """Take a broker out of the in-sync replicas, but never the last one; wait for it no more.

        Returns whether the high watermark moved.
        """
        self._joining.discard(broker)
        if broker in self.isr and self.isr != [broker]:
            self.isr.remove(broker)
        return self._advance()

    def elect(self, alive: Collection[int], *, unclean: bool = False) -> list[Record]:
        """Choose a new leader among the living; return the records that are cut off.

        It is the first of `replicas` that is in sync; if there is none, the partition has no
        leader, or, with `unclean`, the first that lives, however far behind it is.
        """
        in_sync = [broker for broker in self.replicas if broker in alive and broker in self.isr]
        living = [broker for broker in self.replicas if broker in alive]
        if not in_sync and not (unclean and living):
            self.leader = None
            return []
        self.leader = (in_sync or living)[0]
        self.epoch += 1
        if not in_sync:
            self.isr = [self.leader]
        self._joining.clear()
        end = self.start = self.ends[self.leader]
        cut = self.log[end:]
        del self.log[end:]
        for record in cut:
            record.cut = True
        for broker, upto in self.ends.items():
            self.ends[broker] = min(upto, end)
        self.high = min(self.high, end)
        if cut:
            self._recall()
        self._advance()
        return cut

    def _recall(self) -> None:
        """Find out from the log, as a new leader does, what each producer sent last."""
        self._last = {}
        for record in self.log:
            if record.sequence >= 0:
                self._last[record.producer] = record.epoch, record.sequence

    def _advance(self) -> bool:
        before = self.high
        if self.leader is not None:
            heeded = self._joining.union(self.isr)
            self.high = max(before, min(self.ends[broker] for broker in heeded))
        return self.high > before
