"""A member of a consumer group: the loop of polling, working and committing.

After the Java consumer (``ConsumerCoordinator.onJoinPrepare`` was read for what is committed
before joining, the rest is recalled): a member polls, gets up to
`poll` records of the partitions that it owns, works on them one after the other, and polls again.
Everything else happens in a poll: it commits if it is time, joins again if a heartbeat has told it
of a rebalance, and takes or gives up partitions.  Heartbeats come from a thread of their own, also
while it works.  A poll with nothing to read waits until there is something.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ...clock import CHANGE, COMPLETION, EXPIRY, Alarm
from ..deliveries import ACKED, CRASHED, HANDLED, LOST, NACKED
from .partition import Record

if TYPE_CHECKING:
    from .coordinator import LiveGroup

__all__ = ["LiveMember"]


class LiveMember:
    """A member at work; one that starts again after a crash is another.

    Attributes
    ----------
    number : int
        Which member it is, from 0.
    since : float
        When it joined first; its heartbeats are counted from then.
    owned : list of int
        The partitions that it reads.
    told, joined : bool
        During a rebalance: whether it knows of it; whether it has joined again.
    pending : list of int or None
        The partitions that it was given, and will take at its next poll.
    """

    def __init__(self, group: LiveGroup, number: int, life: int) -> None:
        self.group = group
        self.number = number
        self.consumer = group.member_name(number)
        self.id = f"{number:09}.{life:09}"  # what assignors sort by
        self.since = group.post.now
        self.owned: list[int] = []
        self.last: list[int] = []  # what it was given in the last rebalance
        self.position: dict[int, int] = {}
        self.pending: list[int] | None = None
        self.told = self.joined = self.leaving = self.dead = self.removed = False
        self.waits = True  # in a poll, for records or for an assignment
        self._hands: deque[tuple[Record, int]] = deque()
        self._handled: list[int] = []  # rows that are not committed yet
        self._working: Alarm | None = None
        self._turn = 0
        self._polled = 0.0
        self._polls = 0
        self._watched = False  # whether the poll timeout is on
        self._next_commit = self.since + group.part.commit_interval
        self._planned_commit = False

    # -- polling ---------------------------------------------------------------------------------

    def wake(self) -> None:
        """End the wait of a poll."""
        if self.waits and not self.dead:
            self.waits = False
            self.group.post.clock.agenda.append((self._poll, None))

    def _poll(self, _: None) -> None:
        if self.dead:
            return
        self._polls += 1
        self._watched = False
        if not self._takes_part():
            return
        group, part = self.group, self.group.part
        self._polled = now = group.post.now
        if part.commit == "after" and now >= self._next_commit:
            self.commit()
            self._next_commit = now + part.commit_interval
        for p in self.owned:
            if p in group.seeks:
                self.commit()
                self.position[p] = group.sought(p)
        self._fetch(now)
        if self._hands:
            self._start()
        else:
            self._rest(now)

    def _takes_part(self) -> bool:
        """Do what the group asks for; False if that ends the poll without records."""
        group = self.group
        if self.removed:
            self.removed = False
            self.owned, self._handled = [], []
            self.waits = True
            group.join(self)
            return False
        while True:
            if self.pending is not None:
                group.take_over(self)
            elif self.leaving:
                self.commit()
                group.leave(self)
                return False
            elif self.told and not self.joined:
                self.commit()
                if not group.assignor.cooperative:
                    group.revoke(self, self.owned)
                    self.waits = True
                    group.join(self)
                    return False
                group.join(self)
            else:
                return True

    def _fetch(self, now: float) -> None:
        group = self.group
        room, n = group.part.poll, len(self.owned)
        for k in range(n):
            p = self.owned[(self._turn + k) % n]
            at = self.position[p]
            for record in group.readable(p, at, room):
                self._hands.append((record, group.delivered(record, self, now)))
                room -= 1
                at += 1
            if at > self.position[p] and group.part.commit == "before":
                group.offsets.commit(p, at)
            self.position[p] = at
            if not room:
                self._turn = (self._turn + k + 1) % n
                return

    def _rest(self, now: float) -> None:
        self.waits = True
        if self._handled and not self._planned_commit:
            self._planned_commit = True
            delay = max(0.0, self._next_commit - now)
            self.group.post.clock.schedule(Alarm(self._commit_at_rest), EXPIRY, delay)

    def _commit_at_rest(self, alarm: Alarm) -> None:
        self._planned_commit = False
        if self.waits and self._handled:
            self.wake()
            self.group.post.clock.drain()

    # -- working ---------------------------------------------------------------------------------

    def _start(self) -> None:
        group = self.group
        now = group.post.now
        record, row = self._hands[0]
        group.rows.started[row] = now
        seconds = group.needs(record)
        self._working = Alarm(self._worked, self)
        group.post.clock.schedule(self._working, COMPLETION, seconds)
        due = self._polled + group.part.max_poll_interval
        if now + seconds > due and not self._watched and not self.removed:
            self._watched = True
            alarm = Alarm(self._poll_is_late, self._polls)
            group.post.clock.schedule(alarm, CHANGE, max(0.0, due - now))

    def _poll_is_late(self, alarm: Alarm) -> None:
        if self._watched and alarm.subject == self._polls and not (self.dead or self.removed):
            self.group.remove(self)
            self.group.post.clock.drain()

    def _worked(self, alarm: Alarm) -> None:
        if alarm.subject is None:
            return
        group = self.group
        record, row = self._hands.popleft()
        p, now = record.partition, group.post.now
        rows = group.rows
        rows.finished[row] = now
        if group.part.commit == "with" and (self.removed or record.cut):
            rows.end(row, NACKED, "failed")  # the transaction is refused, and with it the result
        else:
            rows.take_effect(row)
            group.post.say(record.message, f"is handled by {self.consumer}")
            group.answer(record, row)  # before anything that could end the run
            if group.part.commit == "after":
                rows.end(row, HANDLED)
                self._handled.append(row)
            else:
                rows.end(row, ACKED)
                if group.part.commit == "with":
                    rows.acked[row] = now
                    group.offsets.commit(p, record.offset + 1)
                group.offsets.settle(p, record.offset + 1)
        if self._hands:
            self._start()
        else:
            self._working = None
            self._poll(None)
        group.post.clock.drain()

    # -- offsets ---------------------------------------------------------------------------------

    def commit(self) -> None:
        """Commit what is handled; between two polls that is everything that was read."""
        group = self.group
        if group.part.commit != "after":
            return
        now = group.post.now
        for row in self._handled:
            group.rows.end(row, ACKED)
            group.rows.acked[row] = now
        self._handled.clear()
        for p in self.owned:
            committed = group.offsets.committed[p]
            if committed is None or self.position[p] > committed:
                group.offsets.commit(p, self.position[p])
                group.offsets.settle(p, self.position[p])

    # -- the end ---------------------------------------------------------------------------------

    def crash(self) -> None:
        """Die with what is in hand."""
        self.dead = True
        group = self.group
        if self._working is not None:
            self._working.subject = None
        before = group.part.commit == "before"
        for record, row in self._hands:
            group.rows.end(row, LOST if before else CRASHED, "crash" if before else "")
            if before:
                group.offsets.settle(record.partition, record.offset + 1)
        self._hands.clear()

    def last_heartbeat(self, now: float) -> float:
        """Return when its last heartbeat was."""
        every = self.group.part.heartbeat
        return self.since + (now - self.since) // every * every

    def next_heartbeat(self, now: float) -> float:
        """Return when its next heartbeat will be, after now."""
        return self.last_heartbeat(now) + self.group.part.heartbeat
