"""The message queue as a part: what it keeps, for how long, and what becomes of the rest."""

from __future__ import annotations

from typing import Any, Literal

from ..parts import Count, Name, Seconds, SomeSeconds, part
from ..resilience.pauses import Backoff
from .base import Channel, Times, check_times
from .link import Link
from .post import Post
from .publishing import check_publishing

__all__ = ["MessageQueue"]


@part
class MessageQueue(Channel):
    """A queue that keeps each event until a consumer has acknowledged it.

    Several consumers compete: each event goes to one of them.  An event that was delivered and not
    acknowledged comes back, to its old place, and is delivered again.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    visibility : float, optional
        Seconds for which a delivered event is hidden; then it comes back, whatever the consumer
        is doing with it (SQS).  None: it comes back when the consumer, or the connection to it,
        is gone (AMQP).
    delivery_limit : int, optional
        How many deliveries of one event at most; one that comes back from the last is dead.
    dead_letter : str, optional
        The queue that dead events are moved to (their time was up, the queue was full, they
        reached the delivery limit, or a consumer rejected them); without one they are gone.
    backoff : Backoff, optional
        Pauses before an event that came back is delivered again.
    ttl : float, optional
        Seconds after which an event that waits is dead.
    capacity : int, optional
        How many may wait, besides those that are delivered and not yet acknowledged.
    overflow : str
        What happens when it is full: ``"reject"`` the new one, or ``"drop_oldest"`` of the waiting.
    delay : float
        Seconds from storing an event to its first delivery, at least.
    order : str
        ``"fifo"``: by arrival; ``"priority"``: by class, then arrival; ``"key"``: by arrival, and
        the next event of a key only when the one before is acknowledged (or dead).
    deduplication : float, optional
        Seconds during which an event that was stored is not stored again.
    durable : bool
        Whether events outlive a restart of the broker.
    restarts : tuple of (from, until)
        Seconds between which the broker is down.
    topic, pattern : str
        The topic that it is bound to, and which subjects it takes: words with dots between, ``*``
        for any one word, ``#`` for any number of words.
    ephemeral : bool
        Whether the queue is there only while a consumer is; what is published otherwise, or waits
        when the last one goes, is lost to it.
    link : Link, optional
        The network between its publishers and the broker.
    retry : Backoff, optional
        Publishers wait for a confirmation, and publish again after these pauses; see
        `mesh_lab.messaging.publishing`.

    Examples
    --------
    >>> MessageQueue("orders", visibility=30.0, delivery_limit=3, dead_letter="dead")
    MessageQueue('orders', visibility=30.0, delivery_limit=3, dead_letter='dead')
    """

    visibility: SomeSeconds | None = None
    delivery_limit: Count | None = None
    dead_letter: Name | None = None
    backoff: Backoff | None = None
    ttl: SomeSeconds | None = None
    capacity: Count | None = None
    overflow: Literal["reject", "drop_oldest"] = "reject"
    delay: Seconds = 0.0
    order: Literal["fifo", "priority", "key"] = "fifo"
    deduplication: SomeSeconds | None = None
    durable: bool = True
    restarts: Times = ()
    topic: Name | None = None
    pattern: Name = "#"
    ephemeral: bool = False
    link: Link | None = None
    retry: Backoff | None = None

    def __post_init__(self) -> None:
        check_times("restarts", self.restarts)
        check_publishing(self.link, self.retry)
        if self.overflow != "reject" and self.capacity is None:
            raise ValueError(
                f"overflow is {self.overflow!r}, but without a capacity nothing overflows; "
                "give a capacity, or leave overflow out"
            )
        if self.backoff is not None and self.backoff.limit is not None:
            raise ValueError(
                "backoff has a limit, which is for publishers that retry; deliveries are limited "
                "by delivery_limit="
            )
        if self.dead_letter == self.name:
            raise ValueError("dead_letter is the queue itself; name another MessageQueue")
        if self.pattern != "#" and self.topic is None:
            raise ValueError(
                f"pattern is {self.pattern!r}, but the queue is not bound to a topic; give topic="
            )
        if not self.durable and not self.restarts:
            raise ValueError(
                "durable=False means something only when the broker restarts; give restarts="
            )

    def live(self, post: Post, station: int) -> Any:
        """Return the queue at work."""
        from .keeping import LiveQueue

        return LiveQueue(post, self, station)
