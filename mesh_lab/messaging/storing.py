"""How events get into a message queue, and wait there.

At the broker, in this order: the broker may be down, an ephemeral queue without a consumer, the
event stored before (deduplication), the queue full; then it is stored, and keeps its place by the
time of storing for good.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..clock import EXPIRY
from ..ledger import OK
from ..ledger import REJECTED as TURNED_AWAY
from ..ledger import UNAVAILABLE as DOWN
from . import deliveries as say
from .message import PAUSED, WAITS, Message, Stored
from .post import LiveChannel, Post
from .publishing import Publisher
from .ready import KeyedReady, Ready

if TYPE_CHECKING:
    from .handling import LiveConsumer
    from .queue import MessageQueue

__all__ = ["Storing"]


class Storing(LiveChannel):
    """What a message queue does with what comes in."""

    def __init__(self, post: Post, part: MessageQueue, station: int) -> None:
        self.post = post
        self.part = part
        self.name = part.name
        self.station = station
        self.consumers: list[LiveConsumer] = []
        self.down = False
        self._waits: set[int] = set()  # the places of those that are ready or paused
        self.kept: dict[int, Stored] = {}  # all that are stored, by their place
        self.effects: dict[tuple[str, int], float] = {}  # what idempotent consumers have done
        self.copies: Counter[tuple[str, int]] = Counter()
        self._seen: dict[tuple[str, int], float] = {}  # when it was stored, for deduplication
        self._turn = 0  # the consumer that is asked first
        self._order = 0
        self._jitter = post.drawn("uniform", part.name, "backoff")
        self._ready = KeyedReady() if part.order == "key" else Ready(
            by_priority=part.order == "priority"
        )  # fmt: skip
        self._publisher = Publisher(post, part.name, part.link, part.retry, self.take, self.missed)

    # -- getting in ------------------------------------------------------------------------------

    def publish(self, message: Message, done: Callable[[int], None] | None = None) -> None:
        """Publish `message` over the queue's link."""
        self._publisher.publish(message, done)

    def take(self, message: Message, sent: float) -> int:
        """Store `message`, which has reached the broker; return what the broker says."""
        if self.down:
            return DOWN
        if self.part.ephemeral and not self._anybody:
            self._turn_away(message, sent, say.LOST, "away")
            return OK
        window = self.part.deduplication
        now = self.post.now
        if window is not None:
            before = self._seen.get(message.identity)
            if before is not None and now - before < window:
                self._turn_away(message, sent, say.DUPLICATE)
                return OK
        if not self._room(message, sent):
            return TURNED_AWAY
        if window is not None:
            self._seen[message.identity] = now
        self._store(message, sent)
        return OK

    def take_over(self, what: tuple[Message, str | None]) -> None:
        """Store an event that comes from another queue of the broker, which works when down too."""
        message, origin = what
        if self._room(message, self.post.now, say.LOST, "maxlen"):
            self._store(message, self.post.now).origin = origin

    def missed(self, message: Message, sent: float, reason: str) -> None:
        """Note that the broker never got `message`, unless it has a copy of it."""
        if not self.copies[message.identity]:
            outcome = say.UNAVAILABLE if reason == "unavailable" else say.LOST
            self._turn_away(message, sent, outcome, "" if reason == "unavailable" else reason)

    def _turn_away(self, message: Message, sent: float, outcome: int, reason: str = "") -> None:
        copy = self.copies[message.identity]
        self.copies[message.identity] += 1
        row = self.post.rows.open(message, self.name, copy, 1, sent)
        self.post.rows.end(row, outcome, reason)
        self.post.say(message, f"is not stored in {self.name}: {say.OUTCOMES[outcome]} {reason}")

    def _room(
        self, message: Message, sent: float, outcome: int = say.REJECTED, reason: str = ""
    ) -> bool:
        """Whether there is room, or room could be made; if not, the event has a row."""
        part = self.part
        if part.capacity is None or len(self._waits) < part.capacity:
            return True
        if part.overflow == "reject":
            self._turn_away(message, sent, outcome, reason)
            return False
        oldest = next(s for order, s in self.kept.items() if order in self._waits)
        self._dead(oldest, "maxlen")
        return True

    def _store(self, message: Message, sent: float) -> Stored:
        part, post, now = self.part, self.post, self.post.now
        copy = self.copies[message.identity]
        self.copies[message.identity] += 1
        row = post.rows.open(message, self.name, copy, 1, sent)
        post.rows.written[row] = now
        expires = math.inf if part.ttl is None else now + part.ttl
        stored = Stored(message, copy, self._order, expires, row)
        self._order += 1
        self.kept[stored.order] = stored
        self._ready.stored(stored)
        post.say(message, f"is stored in {self.name}")
        self._wait(stored, part.delay)
        self.serve(now)
        return stored

    def _wait(self, stored: Stored, pause: float) -> None:
        """Let it wait for a delivery, after a pause if there is one."""
        post = self.post
        self._waits.add(stored.order)
        if stored.expires < math.inf:
            stored.ttl = post.later(EXPIRY, stored.expires - post.now, self._expire, stored)
        if pause > 0.0:
            stored.state = PAUSED
            stored.pausing = post.later(EXPIRY, pause, self._paused, stored)
        else:
            stored.state = WAITS
            self._ready.push(stored)

    def _paused(self, stored: Stored) -> None:
        stored.state = WAITS
        self._ready.push(stored)
        self.serve(self.post.now)

    def _expire(self, stored: Stored) -> None:
        self._dead(stored, "expired")
        self.serve(self.post.now)

    @property
    def waiting(self) -> int:
        """How many wait for a delivery."""
        return len(self._waits)

    def _stop_waiting(self, stored: Stored) -> None:
        self._waits.discard(stored.order)
        for timer in (stored.ttl, stored.pausing):
            if timer is not None:
                timer.cancel()
        stored.ttl = stored.pausing = None

    @property
    def _anybody(self) -> bool:
        return any(consumer.up for consumer in self.consumers)

    # -- what the whole queue does -------------------------------------------------------------

    def serve(self, now: float) -> None:
        """Deliver what can be delivered."""
        raise NotImplementedError

    def _dead(self, stored: Stored, reason: str) -> None:
        """Move it to the dead letters, or let it be gone."""
        raise NotImplementedError
