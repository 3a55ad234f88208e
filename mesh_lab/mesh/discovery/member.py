"""What one member of a gossiping group believes of the others, and what news makes of that.

The rules are SWIM's (Das, Gupta, Motivala: "SWIM: Scalable Weakly-consistent Infection-style
Process Group Membership Protocol", 2002) as memberlist has them (``state.go``).  Every member has
an incarnation number that only it can raise:

==========  ================================  ==================================================
news        is believed of another if         and of oneself
==========  ================================  ==================================================
alive       its incarnation is higher         a higher one than one's own is outbid
suspect     its incarnation is not lower,     is refuted: alive, with a higher incarnation
            and the other is taken for alive
            (if it is suspect: confirms that)
dead        its incarnation is not lower,     is refuted, unless one is leaving
            and the other is not dead yet
==========  ================================  ==================================================

What is believed is passed on, in place of older news of the same member.  A dead member that says
so itself has left.  Who has been dead for some time is forgotten when the list of whom to probe has
been gone through; then the list is shuffled.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from .suspicion import Suspicion, retransmit_limit, suspicion_timeout
from .swim import Gossip

__all__ = ["Kind", "Member", "News", "Record", "Status"]


class Status(IntEnum):
    """What a member is taken for."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2
    LEFT = 3


class Kind(IntEnum):
    """What a piece of news says."""

    ALIVE = 0
    SUSPECT = 1
    DEAD = 2


class News(NamedTuple):
    """What `source` says of member `about` in its incarnation `incarnation`."""

    kind: Kind
    about: int
    incarnation: int
    source: int


class Record:
    """What is believed of one member."""

    __slots__ = ("incarnation", "since", "status", "suspicion")

    def __init__(self, status: Status, incarnation: int, since: float) -> None:
        self.status = status
        self.incarnation = incarnation
        self.since = since
        self.suspicion: Suspicion | None = None

    @property
    def gone(self) -> bool:
        """Whether it is taken for dead, or has left."""
        return self.status in (Status.DEAD, Status.LEFT)


class Member:
    """One member of the group.

    Parameters
    ----------
    number : int
        Which one it is.
    rule : Gossip
        The group's numbers.
    choice : callable
        Gives numbers in [0, 1), for choices.
    timer : callable
        Is told of a member that is suspected, and of the suspicion, when a deadline was set.
    """

    def __init__(
        self,
        number: int,
        rule: Gossip,
        choice: Callable[[], float],
        timer: Callable[[int, Suspicion], None],
    ) -> None:
        self.number = number
        self.rule = rule
        self.choice = choice
        self.timer = timer
        self.leaving = False
        self.score = 0  # Lifeguard's awareness: 0 is healthy
        self.records: dict[int, Record] = {number: Record(Status.ALIVE, 1, 0.0)}
        self.nodes = [number]  # in the order of probing
        self.index = 0
        self.queue: dict[int, tuple[News, int]] = {}  # by whom it is about; times sent

    # -- news ----------------------------------------------------------------------------------

    def hear(self, news: News, now: float) -> None:
        """Believe a piece of news, or not, and pass it on if so."""
        if news.kind == Kind.ALIVE:
            self._alive(news, now)
        elif news.kind == Kind.SUSPECT:
            self._suspect(news, now)
        else:
            self._dead(news, now)

    def merge(self, states: list[tuple[int, int, Status]], now: float) -> None:
        """Take in all that another member believes; its dead are only suspects here."""
        for about, incarnation, status in states:
            kind = {Status.ALIVE: Kind.ALIVE, Status.LEFT: Kind.DEAD}.get(status, Kind.SUSPECT)
            source = about if status == Status.LEFT else self.number
            self.hear(News(kind, about, incarnation, source), now)

    def states(self) -> list[tuple[int, int, Status]]:
        """Return all that it believes."""
        return [(about, r.incarnation, r.status) for about, r in self.records.items()]

    def _alive(self, news: News, now: float) -> None:
        own = news.about == self.number
        if own and self.leaving:
            return
        record = self.records.get(news.about)
        if record is None:
            record = self.records[news.about] = Record(Status.DEAD, 0, now)
            self._insert(news.about)
        if own:
            if news.incarnation > record.incarnation:
                self._refute(record, news.incarnation)
        elif news.incarnation > record.incarnation:
            record.suspicion = None
            self.pass_on(news)
            record.incarnation = news.incarnation
            if record.status != Status.ALIVE:
                record.status, record.since = Status.ALIVE, now

    def _suspect(self, news: News, now: float) -> None:
        record = self.records.get(news.about)
        if record is None or news.incarnation < record.incarnation:
            return
        if record.suspicion is not None:
            if record.suspicion.confirm(news.source, now):
                self.pass_on(news)
                self.timer(news.about, record.suspicion)
            return
        if record.status != Status.ALIVE:
            return
        if news.about == self.number:
            self._refute(record, news.incarnation)
            return
        self.pass_on(news)
        record.incarnation = news.incarnation
        record.status, record.since = Status.SUSPECT, now
        members, rule = len(self.nodes), self.rule
        k = rule.suspicion_mult - 2
        if members - 2 < k:  # without the suspect and oneself there are not so many
            k = 0
        least = suspicion_timeout(rule.suspicion_mult, members, rule.probe_interval)
        most = rule.suspicion_max_mult * least
        record.suspicion = Suspicion(news.source, k, least, most, now)
        self.timer(news.about, record.suspicion)

    def _dead(self, news: News, now: float) -> None:
        record = self.records.get(news.about)
        if record is None or news.incarnation < record.incarnation:
            return
        record.suspicion = None
        if record.gone:
            return
        if news.about == self.number and not self.leaving:
            self._refute(record, news.incarnation)
            return
        self.pass_on(news)
        record.incarnation = news.incarnation
        record.status = Status.LEFT if news.source == news.about else Status.DEAD
        record.since = now

    def _refute(self, record: Record, accused: int) -> None:
        record.incarnation = max(record.incarnation, accused) + 1
        self.feel(+1)
        self.pass_on(News(Kind.ALIVE, self.number, record.incarnation, self.number))

    def feel(self, delta: int) -> None:
        """Feel worse, or better (`delta` below 0)."""
        self.score = min(max(self.score + delta, 0), self.rule.awareness_max - 1)

    # -- passing on ----------------------------------------------------------------------------

    def pass_on(self, news: News) -> None:
        """Send a piece of news from now on, in place of older news of the same member."""
        self.queue[news.about] = news, 0

    def packet(self) -> tuple[News, ...]:
        """Return the news that goes with one message; all of it fits."""
        limit = retransmit_limit(self.rule.retransmit_mult, len(self.nodes))
        sent = tuple(news for news, _ in self.queue.values())
        for about, (news, times) in list(self.queue.items()):
            if times + 1 >= limit:
                del self.queue[about]
            else:
                self.queue[about] = news, times + 1
        return sent

    # -- whom to ask ---------------------------------------------------------------------------

    def _insert(self, about: int) -> None:
        """Put a new member somewhere into the list, so that it is probed soon on average."""
        at = int(self.choice() * len(self.nodes))
        self.nodes.append(about)
        self.nodes[at], self.nodes[-1] = self.nodes[-1], self.nodes[at]

    def next_target(self, now: float) -> int | None:
        """Return whom to probe next, or None if there is nobody."""
        checked = 0
        while checked < len(self.nodes):
            if self.index >= len(self.nodes):
                self._reset(now)
                checked += 1
                continue
            target = self.nodes[self.index]
            self.index += 1
            if target != self.number and not self.records[target].gone:
                return target
            checked += 1
        return None

    def _reset(self, now: float) -> None:
        """Forget those who have been dead for long, and shuffle."""
        forgotten = {
            about
            for about, record in self.records.items()
            if record.gone and now - record.since > self.rule.gossip_to_dead
        }
        for about in forgotten - {self.number}:
            del self.records[about]
        self.nodes = [about for about in self.nodes if about in self.records]
        self.shuffle()
        self.index = 0

    def shuffle(self) -> None:
        """Put the list into random order (Fisher and Yates)."""
        for i in range(len(self.nodes) - 1, 0, -1):
            j = int(self.choice() * (i + 1))
            self.nodes[i], self.nodes[j] = self.nodes[j], self.nodes[i]

    def some(self, count: int, wanted: Callable[[int, Record], bool]) -> list[int]:
        """Return up to `count` members at random, in 3 n tries (``kRandomNodes``)."""
        found: list[int] = []
        for _ in range(3 * len(self.nodes)):
            if len(found) >= count:
                break
            about = self.nodes[int(self.choice() * len(self.nodes))]
            if about in found or about == self.number or not wanted(about, self.records[about]):
                continue
            found.append(about)
        return found
