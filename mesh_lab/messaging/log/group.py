"""The consumer group: members that share the partitions of a log, and their coordinator.

A partition is read by one member at a time.  When a member comes, leaves, or is not heard of any
more, the group *rebalances*: members learn of it with their next heartbeat, join again in their
next poll, and when all have joined, the assignor says who gets what.  This is Kafka's classic
protocol, recalled; its timeouts, their defaults and the javadoc of the assignors were read.

- *Eager*: a member gives up everything when it joins again, and reads nothing until the last has
  joined: the world stops for as long as the slowest member works on its records.
- *Cooperative* (KIP-429): members keep reading; only what moves is given up, and a second
  rebalance gives it to its new owner.

A member that is not heard of for `session_timeout` is removed, and so is one that does not poll
within `max_poll_interval`; the latter works on without knowing, and what it has handled by then
can no longer be committed.  During a rebalance the coordinator waits that long for members to join.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from ...distributions import Distribution
from ...parts import Seconds, SomeSeconds, part
from ..base import Answers, Many, Subscriber, destinations
from ..post import Post
from .changes import (
    MOST_MEMBERS,
    CrashMember,
    GroupChange,
    JoinGroup,
    LeaveGroup,
    Seek,
)
from .coordinator import LiveGroup

__all__ = ["ConsumerGroup"]


@part
class ConsumerGroup(Subscriber):
    """Members that read a log together.

    Defaults are Kafka's (``ConsumerConfig``), where there is one.

    Parameters
    ----------
    name : str
        Its name in the scenario; its members are called ``name-0``, ``name-1``, ...
    source : str
        The log that it reads.
    work : Distribution, callable or None
        Seconds of work a record; as for `mesh_lab.Handler`.
    members : int
        How many there are at time 0, with all partitions assigned (or after `initial_delay`).
    poll : int
        How many records a poll returns at most (``max.poll.records``).
    assignor : str
        ``"range"``, ``"roundrobin"``, ``"sticky"`` or ``"cooperative-sticky"``.
    commit : str
        ``"before"``: a poll commits what it returns, so that a crash loses it (at most once).
        ``"after"``: when it is handled, so that a crash repeats what was not committed yet (at
        least once).  ``"with"``: each in one transaction with its result (effectively once).
    commit_interval : float
        With ``"after"``: seconds between commits (``auto.commit.interval.ms``); 0 commits at every
        poll.
    reset : str
        Where to begin without a committed offset: ``"latest"`` or ``"earliest"``.
    heartbeat : float
        Seconds between the heartbeats of a member; with them it learns of a rebalance.
    session_timeout : float
        Seconds without a heartbeat after which a member is taken for dead.
    max_poll_interval : float
        Seconds without a poll after which a member is put out of the group, and for which a
        rebalance waits for members to join.
    initial_delay : float
        Seconds that the coordinator waits for more members when the first has joined (Kafka's
        brokers: 3).
    to : str, dict or tuple, optional
        Where the events go that it answers with; as for `mesh_lab.Consumer`.
    changes : tuple of JoinGroup, LeaveGroup, CrashMember and Seek
        What happens when.

    Examples
    --------
    >>> ConsumerGroup("billing", source="orders", members=2, commit="before")
    ConsumerGroup('billing', source='orders', members=2, commit='before')
    """

    work: Distribution | Callable[..., Any] | None = None
    members: Annotated[int, Ge(0), Le(MOST_MEMBERS)] = 4
    poll: Many = 500
    assignor: Literal["range", "roundrobin", "sticky", "cooperative-sticky"] = "range"
    commit: Literal["after", "before", "with"] = "after"
    commit_interval: Seconds = 5.0
    reset: Literal["latest", "earliest"] = "latest"
    heartbeat: SomeSeconds = 3.0
    session_timeout: SomeSeconds = 45.0
    max_poll_interval: SomeSeconds = 300.0
    initial_delay: Seconds = 0.0
    to: Answers = None
    changes: tuple[GroupChange, ...] = ()

    def __post_init__(self) -> None:
        if self.heartbeat >= self.session_timeout:
            raise ValueError(
                f"heartbeat is {self.heartbeat:g} s, but must be less than session_timeout, "
                f"{self.session_timeout:g} s, or no member would be heard of in time"
            )
        there = set(range(self.members))
        for change in self.planned:
            if isinstance(change, Seek):
                continue
            assert isinstance(change, JoinGroup | LeaveGroup | CrashMember)
            joins = isinstance(change, JoinGroup)
            if (change.member in there) is joins:
                raise ValueError(
                    f"changes has {change!r}, but member {change.member} is "
                    f"{'there already' if joins else 'not there'} at that time"
                )
            (there.add if joins else there.discard)(change.member)

    def live(self, post: Post) -> LiveGroup:
        """Return the group at work."""
        return LiveGroup(self, post.channels[self.source], post)

    @property
    def onward(self) -> tuple[str, ...]:
        """The channels that its answers may go to."""
        return destinations(self.to)

    @property
    def planned(self) -> list[GroupChange]:
        """The changes in order of time, with the joining again of those that restart."""
        restarts = [
            JoinGroup(at=change.at + change.restart, member=change.member)
            for change in self.changes
            if isinstance(change, CrashMember) and change.restart is not None
        ]
        return sorted((*self.changes, *restarts), key=lambda change: change.at)

    @property
    def member_names(self) -> list[str]:
        """The names of all members that ever join."""
        joins = [change.member for change in self.changes if isinstance(change, JoinGroup)]
        return [f"{self.name}-{k}" for k in range(max([self.members - 1, *joins]) + 1)]
