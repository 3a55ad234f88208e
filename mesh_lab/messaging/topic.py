"""Topics: every event goes, as a copy of its own, to each queue whose pattern fits its subject.

Patterns are AMQP's: words with dots between, ``*`` for exactly one word, ``#`` for any number of
words, none included (AMQP 0-9-1, topic exchanges).  Each queue goes on by itself: a slow
subscriber's events wait in its own queue, and hold up nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ledger import OK, REJECTED, UNAVAILABLE
from ..parts import part
from ..resilience.pauses import Backoff
from . import deliveries as say
from .base import Channel
from .keeping import LiveQueue
from .link import Link
from .message import Message
from .post import LiveChannel, Post
from .publishing import Publisher, check_publishing

__all__ = ["LiveTopic", "Topic", "fits"]


@part
class Topic(Channel):
    """A topic, to which queues are bound with ``MessageQueue(..., topic=..., pattern=...)``.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    link, retry
        The way of its publishers, as a `MessageQueue` has them.

    Notes
    -----
    A publishing that one of the queues rejects ends as ``rejected``, and one that finds a queue's
    broker down as ``unavailable`` (then a publisher that retries sends again to all); the other
    queues have the event nevertheless.

    Examples
    --------
    >>> Topic("orders")
    Topic('orders')
    """

    link: Link | None = None
    retry: Backoff | None = None

    def __post_init__(self) -> None:
        check_publishing(self.link, self.retry)

    def live(self, post: Post, station: int) -> Any:
        """Return the topic at work."""
        return LiveTopic(post, self, station)


def fits(pattern: str, subject: str) -> bool:
    """Return whether `subject` fits `pattern`.

    Examples
    --------
    >>> fits("order.*", "order.paid"), fits("order.*", "order.paid.late")
    (True, False)
    >>> fits("order.#", "order"), fits("#.late", "order.paid.late"), fits("*", "a.b")
    (True, True, False)
    """
    return _fits(pattern.split("."), subject.split("."))


def _fits(pattern: Sequence[str], words: Sequence[str]) -> bool:
    # which beginnings of `words` the pattern so far fits, by their length
    reached = {0}
    for word in pattern:
        if word == "#":
            reached = set(range(min(reached), len(words) + 1)) if reached else set()
        else:
            reached = {n + 1 for n in reached if n < len(words) and word in ("*", words[n])}
    return len(words) in reached


class LiveTopic(LiveChannel):
    """A topic at work."""

    def __init__(self, post: Post, part: Topic, station: int) -> None:
        self.post = post
        self.name = part.name
        self.station = station
        self._publisher = Publisher(post, part.name, part.link, part.retry, self.take, self.missed)
        self._found: dict[str, list[LiveQueue]] = {}

    def publish(self, message: Message, done: Callable[[int], None] | None = None) -> None:
        """Publish `message` over the topic's link."""
        self._publisher.publish(message, done)

    def take(self, message: Message, sent: float) -> int:
        """Give a copy to every queue that it is for; return what the broker says."""
        said = {queue.take(message, sent) for queue in self._for(message)}
        if not said:
            row = self.post.rows.open(message, self.name, 0, 1, sent)
            self.post.rows.end(row, say.UNROUTABLE)
            self.post.say(message, f"is for no queue of {self.name}")
        return REJECTED if REJECTED in said else UNAVAILABLE if UNAVAILABLE in said else OK

    def missed(self, message: Message, sent: float, reason: str) -> None:
        """Note with every queue that it is for that the broker never got `message`."""
        for queue in self._for(message):
            queue.missed(message, sent, reason)

    def _for(self, message: Message) -> list[LiveQueue]:
        found = self._found.get(message.subject)
        if found is None:
            found = self._found[message.subject] = [
                live
                for live in self.post.channels.values()
                if isinstance(live, LiveQueue)
                and live.part.topic == self.name
                and fits(live.part.pattern, message.subject)
            ]
        return found
