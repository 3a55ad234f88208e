"""The consumer: takes events from a queue, handles them, acknowledges them, answers with others.

When it acknowledges decides what a crash does.  With ack="after", an event that it has not finished
comes back: none is lost, but one whose acknowledgement did not arrive is handled again (at least
once).  With ack="before", an event is settled when it is sent: none comes again, but what a crash
finds in its hands is lost (at most once).  A consumer with `deduplication` remembers whom it has
handled, in the same transaction as the effect, and skips the second (effectively once).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ..distributions import Distribution
from ..parts import Count, Probability, SomeSeconds, part
from .base import Answers, Subscriber, Times, check_times, destinations
from .link import Link
from .post import Post

__all__ = ["Consumer"]


@part
class Consumer(Subscriber):
    """A consumer of a message queue.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    source : str
        The `MessageQueue` that it takes events from; several consumers may share one.
    work : Distribution, callable or None
        Seconds that handling takes; a function is called with the event and a NumPy generator of
        its own; None when every event carries its own (a recorded trace).
    workers : int
        How many events it handles at once.
    prefetch : int or None
        How many events each worker may hold, the one it handles included; None for no limit.  A
        place is free again when the queue has the acknowledgement, or, where the queue has a
        `visibility` (or ack="before"), when the event was handled.
    ack : str
        ``"after"`` handling, or ``"before"``: the event is settled when the broker sends it.
    failure : float
        The probability that an event is handled badly: then it is acknowledged negatively and
        comes back, at once or after the queue's `backoff`, whatever its `visibility`; or, with
        ack="before", is lost.
    requeue : bool
        Whether what it acknowledges negatively comes back, or is dead at once (AMQP's field of
        that name).
    deduplication : float or "forever", optional
        Seconds for which it remembers, together with the other consumers of the queue that do,
        whom it has handled.
    outages : tuple of (from, until)
        Seconds between which it is down.  What it holds is lost to it: it comes back, or, with
        ack="before", is lost.
    to : str, tuple of str or dict, optional
        Where it publishes its answer to each event that it handled: a queue or topic, several (to
        each an answer), or ``{name: probability}``, the rest without an answer.
    subject : str, optional
        The subject of its answers; its name by default.
    join : int
        Answers only when it has handled so many different events of one (first) source and number:
        the other end of a fan-out.
    link : Link, optional
        The network between the broker and it: deliveries and acknowledgements.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Consumer("billing", source="orders", work=Exponential(mean=0.02), prefetch=10)
    Consumer('billing', source='orders', work=Exponential(mean=0.02), prefetch=10)
    """

    work: Distribution | Callable[..., Any] | None = None
    workers: Count = 1
    prefetch: Count | None = 1
    ack: Literal["after", "before"] = "after"
    failure: Probability = 0.0
    requeue: bool = True
    deduplication: SomeSeconds | Literal["forever"] | None = None
    outages: Times = ()
    to: Answers = None
    subject: str | None = None
    join: Count = 1
    link: Link | None = None

    def __post_init__(self) -> None:
        check_times("outages", self.outages)
        if isinstance(self.to, dict):
            total = sum(self.to.values())
            if not self.to or total > 1 + 1e-9:
                raise ValueError(
                    f"to is {dict(self.to)!r}, whose probabilities add up to {total:g}; they may "
                    "add up to 1 at most, and what is missing to 1 is not answered"
                )
        elif self.to is not None and (not self.onward or len(set(self.onward)) < len(self.onward)):
            raise ValueError(f"to is {self.to!r}, but must name different queues or topics")
        if self.to is None and (self.subject is not None or self.join > 1):
            raise ValueError("subject and join are about answers; give to=, or leave them out")

    @property
    def onward(self) -> tuple[str, ...]:
        """The channels that its answers may go to."""
        return destinations(self.to)

    def live(self, post: Post) -> Any:
        """Return the consumer at work."""
        from .handling import LiveConsumer

        return LiveConsumer(post, self)
