"""The coordinator of a group at work: who is there, who owns what, and from where it is read.

The rules are in `mesh_lab.messaging.log.group`, the members in `member`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clock import CHANGE, Alarm
from ..post import Post
from .assignors import ASSIGNORS
from .changes import CrashMember, JoinGroup, LeaveGroup, Seek
from .log import LiveLog
from .member import LiveMember
from .offsets import Offsets
from .partition import Partition
from .reading import Reading

if TYPE_CHECKING:
    from .group import ConsumerGroup

__all__ = ["LiveGroup"]


class LiveGroup(Reading):
    """A group at work: the coordinator, and what its members share.

    Attributes
    ----------
    ownership : list of (time, partition, member)
        Who owned what from when on; -1 for nobody.
    """

    def __init__(self, part: ConsumerGroup, log: LiveLog, post: Post) -> None:
        super().__init__(part, log, post)
        self.assignor = ASSIGNORS[part.assignor]
        self.offsets = Offsets(post, log.partitions)
        self.seeks: dict[int, str | float] = {}
        self.ownership: list[tuple[float, int, int]] = []
        self._members: dict[int, LiveMember] = {}  # processes that live, by number
        self._known: list[LiveMember] = []  # whom the coordinator believes to be there
        self._owner: dict[int, LiveMember] = {}
        self._begun: float | None = None  # since when it rebalances
        self._round = 0
        self._forming = False  # whether the first are still waited for
        self._lives = 0
        self._joins = 0  # planned ones
        log.readers.append(self)
        self.rows.at_end.append(self._close_rows)
        self.rows.introduce(part.name, part.member_names)
        for number in range(part.members):
            self._begin(number)
        for change in part.planned:
            self._joins += isinstance(change, JoinGroup)
            post.live += isinstance(change, Seek)  # the run goes on until then
            post.clock.schedule(Alarm(self._change, change), CHANGE, change.at)
        post.clock.drain()

    def member_name(self, number: int) -> str:
        """Return what rows call a member."""
        return f"{self.name}-{number}"

    # -- processes that come and go --------------------------------------------------------------

    def _change(self, alarm: Alarm) -> None:
        change = alarm.subject
        if isinstance(change, JoinGroup):
            self._joins -= 1
            self._begin(change.member)
        elif isinstance(change, LeaveGroup):
            member = self._members[change.member]
            member.leaving = True
            member.wake()
        elif isinstance(change, CrashMember):
            self._crash(change.member)
        else:
            assert isinstance(change, Seek)
            self.post.live -= 1
            for partition in self.log.partitions:
                self.post.live += partition.number not in self.seeks
                self.seeks[partition.number] = change.to
                if partition.number in self._owner:
                    self._owner[partition.number].wake()
        self._strand()
        self.post.clock.drain()

    def _begin(self, number: int) -> None:
        member = LiveMember(self, number, self._lives)
        self._lives += 1
        self._members[number] = member
        self.join(member)

    def _crash(self, number: int) -> None:
        member, now = self._members.pop(number), self.post.now
        member.crash()

        def expire(alarm: Alarm) -> None:
            if member in self._known:
                self._forget(member)
                self.post.clock.drain()

        heard = member.last_heartbeat(now)
        delay = max(0.0, heard + self.part.session_timeout - now)
        self.post.clock.schedule(Alarm(expire), CHANGE, delay)

    def leave(self, member: LiveMember) -> None:
        """Let a member go that has said so."""
        member.dead = True
        if self._members.get(member.number) is member:
            del self._members[member.number]
        if member in self._known:
            self._forget(member)
        self._strand()

    def remove(self, member: LiveMember) -> None:
        """Remove a member that has not polled in time; it works on without knowing."""
        member.removed = True
        self._forget(member)

    def _forget(self, member: LiveMember) -> None:
        self._known.remove(member)
        member.last = []
        self._disown(member, [p for p, owner in self._owner.items() if owner is member])
        self._rebalance()
        self._complete()

    def _strand(self) -> None:
        """Expect nothing more if nobody is there, and nobody will come."""
        if not self._members and not self._joins:
            self.post.live -= len(self.seeks)
            self.seeks.clear()
            self.offsets.close()
            self.post.settle()

    # -- rebalancing -----------------------------------------------------------------------------

    def join(self, member: LiveMember) -> None:
        """Take a member's wish to join, for the first time or again."""
        if member not in self._known:
            if not self._known and self.part.initial_delay > 0.0 and not self._forming:
                self._forming = True
                self.post.clock.schedule(Alarm(self._formed), CHANGE, self.part.initial_delay)
            self._known.append(member)
        self._rebalance()
        member.joined = True
        self.post.clock.agenda.append((self._complete, None))

    def _formed(self, alarm: Alarm) -> None:
        self._forming = False
        self._complete()
        self.post.clock.drain()

    def _rebalance(self) -> None:
        """Begin a rebalance, unless there is one."""
        if self._begun is not None or not self._known:
            return
        self._begun = now = self.post.now
        self._round += 1
        for member in self._known:
            member.told = member.joined = False
            if not member.dead and member.since < now:
                delay = max(0.0, member.next_heartbeat(now) - now)
                alarm = Alarm(self._tell, (member, self._round))
                self.post.clock.schedule(alarm, CHANGE, delay)
        late = Alarm(self._too_late, self._round)
        self.post.clock.schedule(late, CHANGE, self.part.max_poll_interval)

    def _tell(self, alarm: Alarm) -> None:
        member, number = alarm.subject
        if number == self._round and self._begun is not None and not member.joined:
            member.told = True
            member.wake()
            self.post.clock.drain()

    def _too_late(self, alarm: Alarm) -> None:
        if alarm.subject == self._round and self._begun is not None:
            for member in [member for member in self._known if not member.joined]:
                member.removed = True
                self._forget(member)
            self.post.clock.drain()

    def _complete(self, _: None = None) -> None:
        """Assign the partitions, when everybody has joined."""
        if self._begun is None or self._forming:
            return
        if not self._known:
            self._begun = None
            return
        if not all(member.joined for member in self._known):
            return
        self._begun = None
        topic, known = self.log.name, self._known
        cooperative = self.assignor.cooperative
        made = self.assignor.assign(
            {member.id: (topic,) for member in known},
            {topic: len(self.log.partitions)},
            {m.id: [(topic, p) for p in (m.owned if cooperative else m.last)] for m in known},
        )
        for member in known:
            member.told = member.joined = False
            member.pending = member.last = [p for _, p in made[member.id]]
            if not cooperative:
                self.take_over(member)
            member.wake()

    def take_over(self, member: LiveMember) -> None:
        """Let a member take what it was given, and give up the rest."""
        given, member.pending = member.pending, None
        assert given is not None
        gone = [p for p in member.owned if p not in given]
        if gone:
            member.commit()
            self.revoke(member, gone)
            self._rebalance()
            member.told = True  # joins again at once
        new = [p for p in given if p not in member.owned]
        for p in new:
            self._owner[p] = member
            self.ownership.append((self.post.now, p, member.number))
            member.position[p] = self._begins(p)
        member.owned = sorted([*member.owned, *new])

    def revoke(self, member: LiveMember, partitions: list[int]) -> None:
        """Take partitions from a member."""
        partitions = list(partitions)
        self._disown(member, partitions)
        member.owned = [p for p in member.owned if p not in partitions]

    def _disown(self, member: LiveMember, partitions: list[int]) -> None:
        for p in partitions:
            if self._owner.get(p) is member:
                del self._owner[p]
                self.ownership.append((self.post.now, p, -1))

    # -- offsets ---------------------------------------------------------------------------------

    def _begins(self, p: int) -> int:
        """Return where a new owner begins."""
        if p in self.seeks:
            return self.sought(p)
        committed = self.offsets.committed[p]
        if committed is not None:
            return committed
        at = 0 if self.part.reset == "earliest" else self.log.partitions[p].high
        self.offsets.settle(p, at)  # what is skipped does not come any more
        return at

    def sought(self, p: int) -> int:
        """Return where a partition is read on from, on demand."""
        to, partition = self.seeks.pop(p), self.log.partitions[p]
        if to == "earliest":
            at = 0
        elif to == "latest":
            at = partition.high
        else:
            assert not isinstance(to, str)
            readable = partition.log[: partition.high]
            at = next((r.offset for r in readable if r.sent >= to), partition.high)
        self.offsets.move(p, at)
        self.post.live -= 1
        self.post.settle()
        return at

    # -- what the log tells ----------------------------------------------------------------------

    def appended(self, count: int) -> None:
        """Note that so many records are there, which will be read later."""
        self.offsets.appended(count)

    def grown(self, partition: Partition) -> None:
        """Wake the owner of a partition that has something to read."""
        owner = self._owner.get(partition.number)
        if owner is not None and owner.waits:
            owner.wake()

    def cut(self, partition: Partition, end: int, before: int) -> None:
        """Read on from where the log ends now (KIP-320 finds that place, recalled)."""
        p = partition.number
        self.offsets.cut(p, end, before)
        self.forget(p, end)
        for member in self._known:
            if member.position.get(p, 0) > end:
                member.position[p] = end

    def _close_rows(self) -> None:
        """Give rows to what is still to be delivered when the run is over."""
        for partition in self.log.partitions:
            p = partition.number
            owner = self._owner.get(p)
            if owner is None or owner.dead or p not in owner.position:
                committed = self.offsets.committed[p]
                at = self._begins(p) if committed is None else committed
            else:
                at = owner.position[p]
            for record in partition.log[at : partition.high]:
                self.open_row(record)
