"""Publishing: over a link or directly, with or without a confirmation from the broker.

Without `retry`, a publisher sends and forgets: the publishing ends ``ok`` when the broker has the
event, ``dropped`` when the network lost it, ``rejected`` or ``unavailable`` when the broker did
not take it.  With `retry`, it waits for the broker's confirmation, and sends the same event again
when the pause of the back-off has passed without one.  So neither a lost event nor a broker that
is down loses anything, but when it was the confirmation that was lost, the broker gets the event
twice.  When the retries are used up, the publishing ends as ``failed``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..clock import EXPIRY, HOP
from ..ledger import DROPPED, FAILED, OK, REJECTED, UNAVAILABLE
from ..resilience.pauses import Backoff
from .link import Link, Way
from .message import Message
from .post import Post, Timer

__all__ = ["Publisher", "check_publishing"]

Done = Callable[[int], None]


def check_publishing(link: Link | None, retry: Backoff | None) -> None:
    """Raise ValueError for a publishing that would go on for ever."""
    if retry is not None and retry.limit is None and link is not None and link.drop == 1.0:
        raise ValueError(
            "the link drops everything and retry has no limit, so publishing would never end; "
            "give Backoff(limit=...), or a drop below 1"
        )


class Publisher:
    """The way to a channel.

    Parameters
    ----------
    take : callable
        From (message, when it was sent) to what the broker says: ok, rejected or unavailable.
    missed : callable
        Told of (message, when it was first sent, why) when not every queue has got it.
    """

    def __init__(
        self,
        post: Post,
        name: str,
        link: Link | None,
        retry: Backoff | None,
        take: Callable[[Message, float], int],
        missed: Callable[[Message, float, str], None],
    ) -> None:
        self.post = post
        self.retry = retry
        self.take = take
        self.missed = missed
        self.forth = None if link is None else Way(post, link, name, "publish")
        self.back = None if link is None or retry is None else Way(post, link, name, "confirm")
        self.jitter = post.drawn("uniform", name, "retry")
        self._published: Counter[tuple[str, int]] = Counter()

    def publish(self, message: Message, done: Done | None = None) -> None:
        """Send `message`; `done` is told how that ended, once."""
        if self.forth is None and self.retry is None:
            now = self.post.now
            outcome = self.take(message, now)
            if outcome != OK:
                self.missed(message, now, "unavailable")
            if done is not None:
                done(outcome)
            return
        visit = self._published[message.identity]  # answers may be published more than once
        self._published[message.identity] += 1
        _Publishing(self, message, visit, done).send()


class _Publishing:
    """One event on its way to the broker."""

    def __init__(
        self, publisher: Publisher, message: Message, visit: int, done: Done | None
    ) -> None:
        self.publisher = publisher
        self.message = message
        self.visit = visit
        self.done = done
        self.first = publisher.post.now
        self.tries = 0
        self.confirms = 0
        self.why = "network"  # why a queue has none of it
        self.ended = False
        self.pause = 0.0
        self.timer: Timer | None = None

    def send(self) -> None:
        """Send it, for the first time or again."""
        publisher, message = self.publisher, self.message
        post = publisher.post
        attempt = self.tries
        self.tries += 1
        if publisher.retry is not None:
            uniform = publisher.jitter(message, self.visit, attempt)
            self.pause = publisher.retry.pause(self.tries, uniform, self.pause)
            self.timer = post.later(EXPIRY, self.pause, self._unconfirmed, self)
        ways: list[float | None] = [None]
        if publisher.forth is not None:
            ways = publisher.forth.send(message, self.visit, attempt)
        if not ways:
            post.say(message, "is lost on its way to the broker")
            if publisher.retry is None:
                self._end(DROPPED)
        for delay in ways:
            if delay is None:
                self._reach(post.now)
            else:
                post.later(HOP, delay, self._reach, post.now)

    def _unconfirmed(self, _: object) -> None:
        retry = self.publisher.retry
        assert retry is not None
        if retry.limit is not None and self.tries > retry.limit:
            self._end(FAILED)
        else:
            self.publisher.post.say(self.message, "is published again: no confirmation came")
            self.send()

    def _reach(self, sent: float) -> None:
        publisher = self.publisher
        outcome = publisher.take(self.message, sent)
        if outcome in (REJECTED, UNAVAILABLE):
            self.why = "unavailable"  # those queues of a topic that have not rejected it
        if publisher.retry is None:
            self._end(outcome)
        elif outcome != UNAVAILABLE:  # nobody there who could confirm
            ways: list[float | None] = [None]
            if publisher.back is not None:
                ways = publisher.back.send(self.message, self.visit, self.confirms)
            self.confirms += 1
            for delay in ways:
                if delay is None:
                    self._end(outcome)
                else:
                    publisher.post.later(HOP, delay, self._end, outcome)

    def _end(self, outcome: int) -> None:
        if self.ended:
            return
        self.ended = True
        if self.timer is not None:
            self.timer.cancel()
        if outcome != OK:
            self.publisher.missed(self.message, self.first, self.why)
        if self.done is not None:
            self.done(outcome)
