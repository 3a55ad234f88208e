"""An event on its way: who it is, a copy of it in a queue, and one attempt to deliver that copy.

An event's identity is (source, number), as that of the request which published it.  One that a
consumer answers with is called after its way: the source of an event ``("shop", 17)`` that the
consumer ``billing`` answers is ``("shop/billing", 17)``.  So an event that is handled twice has
answers with the same identity twice, as in a system that derives the names of its events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Deadlock

if TYPE_CHECKING:
    from .handling import LiveConsumer
    from .post import Timer

__all__ = ["Attempt", "Message", "Stored"]

MOST_STEPS = 100  # of one chain of answers


class Message:
    """An event; user code may read all of these.

    Attributes
    ----------
    source, number
        Its identity.
    key : str or None
        What it is about; order by key is order among events of one key.
    priority : int
        Its class; 0 is the most urgent.
    subject : str
        What a topic's subscribers choose by (AMQP's routing key).
    parent, child : int
        Of an answer: the row of the delivery that it answers, and its number among the answers.
        -1 and 0 where a source made it.
    carried : float or None
        The seconds of work that it brings along, from a recorded trace.
    payload : object
        What a process put in.
    """

    __slots__ = (
        "carried", "child", "key", "number", "parent", "payload", "priority", "source", "steps",
        "subject",
    )  # fmt: skip

    def __init__(
        self,
        source: str,
        number: int,
        *,
        key: str | None = None,
        priority: int = 0,
        subject: str = "",
        carried: float | None = None,
        payload: Any = None,
    ) -> None:
        self.source = source
        self.number = number
        self.key = key
        self.priority = priority
        self.subject = subject
        self.carried = carried
        self.payload = payload
        self.parent = -1
        self.child = 0
        self.steps = 0

    def __repr__(self) -> str:
        return f"Message(source={self.source!r}, number={self.number})"

    @property
    def identity(self) -> tuple[str, int]:
        """Who it is: (source, number)."""
        return self.source, self.number

    def answer(self, by: str, subject: str, parent: int, child: int) -> Message:
        """Return the event that the consumer `by` answers this one with.

        Raises
        ------
        Deadlock
            When the chain of answers has no end, or as good as.
        """
        if self.steps >= MOST_STEPS:
            raise Deadlock(
                f"{self} is the end of a chain of {MOST_STEPS} answers, and {by!r} still answers "
                "it; let the chain of consumers come to an end"
            )
        source = f"{self.source}/{by}" if child == 0 else f"{self.source}/{by}.{child}"
        made = Message(
            source,
            self.number,
            key=self.key,
            priority=self.priority,
            subject=subject,
            carried=self.carried,
            payload=self.payload,
        )
        made.parent = parent
        made.child = child
        made.steps = self.steps + 1
        return made


WAITS, PAUSED, HELD, GONE = range(4)  # ready; not yet ready; delivered; settled, moved or lost


class Stored:
    """A copy of an event in a queue."""

    __slots__ = (
        "attempt", "copy", "expires", "forgotten", "latest", "message", "order", "origin", "pause",
        "pausing", "row", "state", "ttl",
    )  # fmt: skip

    def __init__(self, message: Message, copy: int, order: int, expires: float, row: int) -> None:
        self.message = message
        self.copy = copy
        self.order = order  # its place by time of storing, which it keeps
        self.expires = expires
        self.row = row  # of the attempt that it waits for, or that is under way
        self.state = WAITS
        self.forgotten = False  # gone from the queue before anybody said that it was handled
        self.attempt = 1  # the one that it waits for, or that is under way
        self.latest: Attempt | None = None  # the last delivery, while it can be acknowledged
        self.origin: str | None = None  # the queue that it is a dead letter of
        self.pause = 0.0  # the last one
        self.pausing: Timer | None = None
        self.ttl: Timer | None = None


class Attempt:
    """One delivery of a stored copy to a consumer; a doubled one is a second of the same."""

    __slots__ = (
        "attempt", "consumer", "counts", "done", "doubled", "held", "row", "stored",
        "timer", "valid", "ways", "working",
    )  # fmt: skip

    def __init__(
        self, stored: Stored, consumer: LiveConsumer, row: int, *, doubled: bool = False
    ) -> None:
        self.stored = stored
        self.consumer = consumer
        self.row = row
        self.attempt = stored.attempt
        self.doubled = doubled
        self.valid = True  # whether an acknowledgement can still reach the queue
        self.counts = False  # whether it takes one of the consumer's places
        self.held = False  # whether the consumer has it: waiting for a worker, or in work
        self.done = False  # whether the consumer has finished with it
        self.timer: Timer | None = None  # of the visibility
        self.working: Timer | None = None
        self.ways: list[Timer] = []  # what is on its way because of it

    @property
    def hoped(self) -> bool:
        """Whether the consumer may still handle it: it has it, or it is on its way."""
        return self.held or (bool(self.ways) and not self.done)

    @property
    def visit(self) -> int:
        """Its part in the address of draws: of which copy, and whether the doubled one."""
        return 2 * self.stored.copy + self.doubled
