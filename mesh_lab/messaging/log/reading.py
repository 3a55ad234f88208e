"""What a group reads and works on: rows of deliveries, attempts, seconds of work, answers.

A record that is given out again, after a crash, a rebalance or a seek, has a row for each attempt.
A record at or above the highest offset reached so far is given out for the first time, since those
of a partition are given out in order; only attempts above 1 are kept.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...errors import Deadlock
from ..base import chosen
from ..deliveries import LOST
from ..message import Message
from ..post import Post
from .log import LiveLog
from .partition import Record

if TYPE_CHECKING:
    from .group import ConsumerGroup
    from .member import LiveMember

__all__ = ["Reading"]

MOST_ATTEMPTS = 10_000  # to have one record handled; each takes a column of draws of its own


class Reading:
    """The reading half of a group at work."""

    def __init__(self, part: ConsumerGroup, log: LiveLog, post: Post) -> None:
        self.part = part
        self.name = part.name
        self.log = log
        self.post = post
        self.rows = post.rows
        self._need = post.work_of(part.work, part.name)
        self._route = post.drawn("uniform", part.name, "route")
        self._reached = [0] * len(log.partitions)  # given out so far
        self._tries: dict[tuple[int, int], int] = {}  # attempts above 1

    def lost(self, message: Message, partition: int, offset: int, sent: float) -> None:
        """Note that an event will not come, though its producer believes it to be written."""
        row = self.rows.open(message, self.name, 0, 0, sent)
        self.rows.placed(row, partition, offset, math.nan)
        self.rows.end(row, LOST, "network" if offset < 0 else "failover")

    def readable(self, p: int, at: int, room: int) -> list[Record]:
        """Return up to `room` records from offset `at` on that can be read now."""
        if self.log.brokers.leader(p) is None:
            return []
        partition = self.log.partitions[p]
        return partition.log[at : min(at + room, partition.high)]

    def delivered(self, record: Record, member: LiveMember, now: float) -> int:
        """Begin the row of a delivery."""
        row = self.open_row(record)
        self.post.say(record.message, f"is given to {member.consumer} by {self._at(record)}")
        self.rows.given(row, member.consumer)
        self.rows.delivered[row] = now
        if self.part.commit == "before":
            self.rows.acked[row] = now
        return row

    def open_row(self, record: Record) -> int:
        """Begin the row of an attempt to deliver a record."""
        p, offset, attempt = record.partition, record.offset, 1
        if offset < self._reached[p]:
            attempt = self._tries.get((p, offset), 1) + 1
            if attempt > MOST_ATTEMPTS:
                raise Deadlock(
                    f"{self.name!r} was given record {offset} of partition {p} {MOST_ATTEMPTS} "
                    "times; its polls take longer than max_poll_interval perhaps, so that they are "
                    f"never committed: let poll be smaller (it is {self.part.poll}), or "
                    f"max_poll_interval longer (it is {self.part.max_poll_interval:g} s)"
                )
            self._tries[p, offset] = attempt
        else:
            self._reached[p] = offset + 1
        row = self.rows.open(record.message, self.name, record.copy, attempt, record.sent)
        self.rows.placed(row, p, offset, record.written)
        return row

    def forget(self, p: int, end: int) -> None:
        """Note that other records will stand from offset `end` on."""
        self._reached[p] = min(self._reached[p], end)
        for key in [key for key in self._tries if key[0] == p and key[1] >= end]:
            del self._tries[key]

    def _attempt(self, record: Record) -> int:
        return self._tries.get((record.partition, record.offset), 1)

    def _at(self, record: Record) -> str:
        return f"{self.log.name}, partition {record.partition}, offset {record.offset}"

    def needs(self, record: Record) -> float:
        """Return the seconds of work of a delivery."""
        return self._need(record.message, 2 * record.copy, self._attempt(record) - 1)

    def answer(self, record: Record, row: int) -> None:
        """Publish the answers to a record that was handled."""
        message, attempt = record.message, self._attempt(record)
        names = chosen(self.part.to, lambda: self._route(message, 2 * record.copy, attempt - 1))
        for child, name in enumerate(names):
            made = message.answer(self.name, self.name, row, child)
            self.post.channels[name].publish(made)
