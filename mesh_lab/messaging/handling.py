"""A consumer at work: places, handling, acknowledging, answering, going down.

See `mesh_lab.messaging.consumer` for what it promises, and engines/RULES.md for the order of what
happens in one instant.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..clock import COMPLETION, HOP
from . import deliveries as say
from .base import chosen
from .keeping import LiveQueue
from .link import Way
from .message import HELD, Attempt, Message
from .post import Plan, Post

if TYPE_CHECKING:
    from .consumer import Consumer

__all__ = ["LiveConsumer"]


class LiveConsumer:
    """A consumer at work."""

    def __init__(self, post: Post, part: Consumer) -> None:
        self.post = post
        self.part = part
        self.name = part.name
        self.queue: LiveQueue = post.channels[part.source]
        self.queue.consumers.append(self)
        self.up = True
        self.idle = part.workers
        self.places = None if part.prefetch is None else part.prefetch * part.workers
        self.taken = 0  # places
        self.buffer: deque[Attempt] = deque()  # delivered, and waiting for a worker
        self.has: dict[Attempt, None] = {}  # all that a crash would find, in order of sending
        link = part.link
        self.forth = None if link is None else Way(post, link, part.name, "deliver")
        self.back = None if link is None else Way(post, link, part.name, "ack")
        self._work = post.work_of(part.work, part.name)
        self._chance = post.drawn("uniform", part.name, "failure")
        self._route = post.drawn("uniform", part.name, "route")
        self._joined: dict[tuple[str, int], set[tuple[str, int]]] = {}

    # -- places ----------------------------------------------------------------------------------

    @property
    def has_place(self) -> bool:
        """Whether another event may be sent to it."""
        return self.up and (self.places is None or self.taken < self.places)

    def expect(self, attempt: Attempt, *, counts: bool) -> None:
        """Note that a delivery was sent here; it takes a place if it `counts`."""
        self.has[attempt] = None
        attempt.counts = counts
        self.taken += counts

    def release(self, attempt: Attempt) -> None:
        """Free the place of a delivery, if it still has one."""
        self.taken -= attempt.counts
        attempt.counts = False

    def forget(self, attempt: Attempt) -> None:
        """Note that nothing of a delivery is here any longer."""
        self.has.pop(attempt, None)

    # -- handling --------------------------------------------------------------------------------

    def receive(self, attempt: Attempt) -> None:
        """Take a delivery that has arrived."""
        attempt.ways.clear()
        attempt.held = True
        self.post.rows.delivered[attempt.row] = self.post.now
        self.buffer.append(attempt)
        self._begin()

    def _begin(self) -> None:
        """Let idle workers begin with what was delivered."""
        post = self.post
        while self.buffer and self.idle:
            attempt = self.buffer.popleft()
            message = attempt.stored.message
            if self._known(message):
                self._skip(attempt)
                continue
            post.say(message, f"starts at {self.name}, attempt {attempt.attempt}")
            post.rows.started[attempt.row] = post.now
            self.idle -= 1
            seconds = self._work(message, attempt.visit, attempt.attempt - 1)
            attempt.working = post.later(COMPLETION, seconds, self._worked, attempt)

    def _skip(self, attempt: Attempt) -> None:
        self.post.say(attempt.stored.message, f"is known to {self.name}: skipped")
        attempt.done = True
        attempt.held = False
        self.post.rows.end(attempt.row, say.DUPLICATE)
        self._reply(attempt, good=True)

    def _worked(self, attempt: Attempt) -> None:
        rows, now, message = self.post.rows, self.post.now, attempt.stored.message
        before = self.part.ack == "before"
        rows.finished[attempt.row] = now
        attempt.working = None
        attempt.done = True
        attempt.held = False
        self.idle += 1
        good, effect = True, False
        chance = self.part.failure
        if chance > 0.0 and self._chance(message, attempt.visit, attempt.attempt - 1) < chance:
            good = False
            gone = attempt.stored.forgotten  # nobody will bring it again
            rows.end(attempt.row, say.LOST if gone else say.NACKED, "failed" if gone else "")
        elif self._known(message):  # handled meanwhile: the transaction does nothing
            rows.end(attempt.row, say.DUPLICATE)
        else:
            effect = True
            rows.take_effect(attempt.row)
            rows.end(attempt.row, say.ACKED if before else say.HANDLED)
            if self.part.deduplication is not None:
                self.queue.effects[message.identity] = now
        self.post.say(message, f"is handled by {self.name}" if good else f"fails at {self.name}")
        self._begin()
        self._reply(attempt, good)
        if effect:
            self.post.soon(self._answer, attempt)

    def _known(self, message: Message) -> bool:
        window = self.part.deduplication
        if window is None:
            return False
        before = self.queue.effects.get(message.identity)
        return before is not None and (window == "forever" or self.post.now - before < window)

    # -- acknowledging ---------------------------------------------------------------------------

    def _reply(self, attempt: Attempt, good: bool) -> None:
        """Acknowledge, over the link if there is one; what is sent at once is on the agenda."""
        post, message = self.post, attempt.stored.message
        settled = self.part.ack == "before" or not attempt.valid
        # without a connection that lasts, it is the consumer who keeps count of its places
        own_count = settled or self.queue.part.visibility is not None
        if own_count:
            self.release(attempt)
        ways: list[float | None] = [None]
        if settled:
            ways = []
        elif self.back is not None:
            ways = self.back.send(message, attempt.visit, attempt.attempt - 1)
            if not ways:
                post.say(message, "the answer to the broker is lost")
        if not ways:
            self.forget(attempt)
        for delay in ways:
            if delay is None:
                post.soon(self._told, (attempt, good))
            else:
                attempt.ways.append(post.later(HOP, delay, self._told, (attempt, good)))
        if own_count:
            post.soon(self.queue.serve, post.now)

    def _told(self, what: tuple[Attempt, bool]) -> None:
        attempt, good = what
        now = self.post.now
        self.forget(attempt)
        if good:
            self.queue.acked(attempt, now)
        else:
            self.queue.nacked(attempt)
        self.queue.serve(now)

    # -- answering -------------------------------------------------------------------------------

    def _answer(self, attempt: Attempt) -> None:
        """Publish the answers to an event that was handled."""
        part, message = self.part, attempt.stored.message
        if part.to is None or not self._complete(message):
            return
        names = chosen(part.to, lambda: self._route(message, attempt.visit, attempt.attempt - 1))
        subject = self.name if part.subject is None else part.subject
        for child, name in enumerate(names):
            made = message.answer(self.name, subject, attempt.row, child)
            if part.join > 1:
                made.source = f"{message.source.partition('/')[0]}/{self.name}" + (
                    f".{child}" if child else ""
                )
            self.post.channels[name].publish(made)

    def _complete(self, message: Message) -> bool:
        if self.part.join == 1:
            return True
        root = message.source.partition("/")[0], message.number
        there = self._joined.setdefault(root, set())
        if message.identity in there:
            return False  # handled again
        there.add(message.identity)
        return len(there) == self.part.join

    # -- outages ---------------------------------------------------------------------------------

    def plans(self) -> Iterator[Plan]:
        """Yield when it goes down and is up again."""
        for start, end in self.part.outages:
            yield start, self._crash
            yield end, self._recover

    def _crash(self, now: float) -> None:
        """Lose all that it holds; without a visibility, the broker notices at once."""
        self.up = False
        notices = self.queue.part.visibility is None
        held, self.has = list(self.has), {}
        self.buffer.clear()
        self.idle = self.part.workers
        self.taken = 0
        for attempt in held:
            attempt.counts = False
            attempt.held = False
            if not attempt.done:
                self._drop(attempt)
        if notices:  # an acknowledgement that is on its way finds that the event has gone back
            for attempt in held:
                self.queue.take_back(attempt)
        self.queue.somebody_left(now)

    def _drop(self, attempt: Attempt) -> None:
        """End a delivery that it was not done with."""
        self._stop(attempt)
        stored = attempt.stored
        lost = stored.forgotten
        self.post.rows.end(attempt.row, say.LOST if lost else say.CRASHED, "crash" if lost else "")
        self.post.say(stored.message, f"is in the hands of {self.name} when it crashes")

    def _stop(self, attempt: Attempt) -> None:
        for timer in (attempt.working, *attempt.ways):
            if timer is not None:
                timer.cancel()
        attempt.working = None
        attempt.ways.clear()

    def _recover(self, now: float) -> None:
        self.up = True
        self.queue.serve(now)

    def cut_off(self, durable: bool) -> None:
        """Lose the connection to the broker: what is in work goes on, but cannot be acknowledged.

        What had not been started comes back, or is lost with a broker that keeps nothing.
        """
        for attempt in list(self.has):
            if attempt.stored.state != HELD:
                continue
            attempt.valid = False
            self.release(attempt)
            if attempt.working is None:
                self._stop(attempt)
                self.forget(attempt)
                if attempt in self.buffer:
                    self.buffer.remove(attempt)
                attempt.held = False
                if not attempt.done:
                    self.post.rows.end(
                        attempt.row, say.RETURNED if durable else say.LOST,
                        "" if durable else "restart",
                    )  # fmt: skip
        for stored in list(self.queue.kept.values()):
            latest = stored.latest
            if durable and latest is not None and latest.consumer is self:
                self.queue.take_back(latest)
