"""A message queue at work: delivering, taking back, settling.

The life of a copy of an event in a queue::

    stored -> (paused) -> waits -> held -> acknowledged: gone
                 ^           |       |
                 |           |       +--> comes back: nacked, its consumer gone, not visible
                 +-----------|-------+    any longer; or dead when it was the last delivery
                             +--> expired, dropped, lost with the broker: dead or gone

Every delivery is a row, and so is the waiting before it: the row is opened when the event is
stored or comes back, and the delivery goes on in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..clock import EXPIRY, HOP
from ..errors import Deadlock
from . import deliveries as say
from .message import GONE, HELD, Attempt, Stored
from .post import Plan
from .storing import Storing

if TYPE_CHECKING:
    from .handling import LiveConsumer

__all__ = ["LiveQueue"]

MOST_DELIVERIES = 10_000  # of one copy; each takes columns of draws of its own


class LiveQueue(Storing):
    """A message queue at work."""

    # -- delivering ------------------------------------------------------------------------------

    def serve(self, now: float) -> None:
        """Deliver what can be delivered, to consumers in turn."""
        while not self.down:
            stored = self._ready.first()
            consumer = None if stored is None else self._taker()
            if stored is None or consumer is None:
                return
            self._ready.pop()
            self._send(stored, consumer, now)

    def _taker(self) -> LiveConsumer | None:
        """Return the next consumer that has a place, in turns."""
        many = len(self.consumers)
        for k in range(many):
            at = (self._turn + k) % many
            if self.consumers[at].has_place:
                self._turn = (at + 1) % many
                return self.consumers[at]
        return None

    def _send(self, stored: Stored, consumer: LiveConsumer, now: float) -> None:
        post, rows, row = self.post, self.post.rows, stored.row
        if stored.attempt > MOST_DELIVERIES:
            raise Deadlock(
                f"{self.name!r} has delivered {stored.message} {MOST_DELIVERIES} times and nobody "
                "acknowledges it; give delivery_limit=, or a visibility above the time of handling"
            )
        self._stop_waiting(stored)
        attempt = Attempt(stored, consumer, row)
        rows.given(row, consumer.name)
        consumer.expect(attempt, counts=True)
        stored.state = HELD
        if consumer.part.ack == "before":
            rows.acked[row] = now
            self._leave(stored)
            stored.forgotten = True
        else:
            stored.latest = attempt
            if self.part.visibility is not None:
                attempt.timer = post.later(
                    EXPIRY, self.part.visibility, self._visible_again, attempt
                )
        ways: list[float | None] = [None]
        if consumer.forth is not None:
            ways = consumer.forth.send(stored.message, 2 * stored.copy, attempt.attempt - 1)
        if not ways:
            post.say(stored.message, f"is lost on its way to {consumer.name}")
            consumer.forget(attempt)
            consumer.release(attempt)
            if stored.forgotten:
                rows.end(row, say.LOST, "network")
            else:
                rows.end(row, say.DROPPED)
        doubled = None
        if len(ways) == 2:
            doubled = Attempt(stored, consumer, rows.again(row), doubled=True)
            consumer.expect(doubled, counts=False)
        for delay, each in zip(ways, (attempt, doubled), strict=False):
            assert each is not None
            if delay is None:
                consumer.receive(each)
            else:
                each.ways.append(post.later(HOP, delay, consumer.receive, each))

    # -- coming back, and leaving ----------------------------------------------------------------

    def acked(self, attempt: Attempt, now: float) -> None:
        """Take an acknowledgement that has reached the broker; the last delivery's counts."""
        if self.down:
            return
        stored, rows = attempt.stored, self.post.rows
        self._give_back_place(attempt)
        if stored.latest is None or stored.latest.attempt != attempt.attempt:
            return  # it came too late, or was there before
        if stored.state != HELD:  # not visible any longer, but not delivered again either
            rows.end(stored.row, say.WITHDRAWN)
        rows.acked[attempt.row] = now
        if rows.outcome[attempt.row] == say.HANDLED:
            rows.end(attempt.row, say.ACKED)
        self._leave(stored)

    def nacked(self, attempt: Attempt) -> None:
        """Take a negative acknowledgement that has reached the broker: the event comes back."""
        if not self.down:
            self._give_back_place(attempt)
            self.take_back(attempt, rejected=not attempt.consumer.part.requeue)

    def take_back(self, attempt: Attempt, *, rejected: bool = False) -> None:
        """Let a delivered event come back, if this is its last delivery, not to be acknowledged."""
        stored = attempt.stored
        latest = stored.latest
        if latest is None or stored.state != HELD or latest.attempt != attempt.attempt:
            return
        stored.latest = None
        if latest.timer is not None:
            latest.timer.cancel()
        self._again(stored, rejected=rejected)

    def _give_back_place(self, attempt: Attempt) -> None:
        if self.part.visibility is not None:
            return  # the consumer keeps count by itself
        attempt.consumer.release(attempt)
        latest = attempt.stored.latest
        if latest is not None and latest.attempt == attempt.attempt:
            latest.consumer.release(latest)

    def _visible_again(self, attempt: Attempt) -> None:
        self.post.say(attempt.stored.message, f"is visible again in {self.name}")
        self._again(attempt.stored)
        self.serve(self.post.now)

    def _again(self, stored: Stored, *, rejected: bool = False) -> None:
        """Let it wait for its next delivery, unless it is dead."""
        part, post, now = self.part, self.post, self.post.now
        last = stored.attempt
        stored.attempt += 1
        message = stored.message
        stored.row = post.rows.open(message, self.name, stored.copy, stored.attempt, now)
        post.rows.written[stored.row] = now
        pause = 0.0
        if part.backoff is not None:
            uniform = self._jitter(message, stored.copy, last - 1)
            pause = stored.pause = part.backoff.pause(last, uniform, stored.pause)
        if rejected:
            self._dead(stored, "rejected")
        elif part.delivery_limit is not None and last >= part.delivery_limit:
            self._dead(stored, "delivery_limit")
        elif stored.expires <= now:
            self._dead(stored, "expired")
        else:
            self._wait(stored, pause)

    def _dead(self, stored: Stored, reason: str) -> None:
        """Move it to the dead letters, or let it be gone."""
        part, post = self.part, self.post
        if part.dead_letter is not None:
            post.say(stored.message, f"moves from {self.name} to {part.dead_letter}: {reason}")
            post.rows.end(stored.row, say.DEAD_LETTERED, reason)
            dead = post.channels[part.dead_letter]
            post.soon(dead.take_over, (stored.message, self.name))
        else:
            outcome = say.EXPIRED if reason == "expired" else say.LOST
            post.say(stored.message, f"is gone from {self.name}: {reason}")
            post.rows.end(stored.row, outcome, reason)
        self._leave(stored)

    def _lose(self, stored: Stored, reason: str) -> None:
        """Let it be gone before anybody has said that it was handled."""
        rows, row, latest = self.post.rows, stored.row, stored.latest
        # a consumer that has it, or will, may still handle it
        hoped = stored.state == HELD and latest is not None and latest.hoped
        if not hoped and rows.effect[row] < 0 and rows.outcome[row] != say.DUPLICATE:
            self.post.say(stored.message, f"is lost in {self.name}: {reason}")
            rows.end(row, say.LOST, reason)
        stored.forgotten = True
        self._leave(stored)

    def _leave(self, stored: Stored) -> None:
        if stored.order in self._waits:
            self._stop_waiting(stored)
        elif stored.state == HELD and stored.latest is not None and stored.latest.timer is not None:
            stored.latest.timer.cancel()
        stored.state = GONE
        stored.latest = None
        del self.kept[stored.order]
        self._ready.left(stored)

    # -- the broker, and who is there ------------------------------------------------------------

    def plans(self) -> Iterator[Plan]:
        """Yield when the broker goes down and is up again."""
        for start, end in self.part.restarts:
            yield start, self._go_down
            yield end, self._come_up

    def _go_down(self, now: float) -> None:
        self.down = True
        durable = self.part.durable
        if self.part.visibility is None:  # connections are gone, and what was on its way in them
            for consumer in self.consumers:
                consumer.cut_off(durable)
        if not durable:
            self._seen.clear()
            for stored in list(self.kept.values()):
                self._lose(stored, "restart")

    def _come_up(self, now: float) -> None:
        self.down = False
        self.serve(now)

    def somebody_left(self, now: float) -> None:
        """Note that a consumer has gone; an ephemeral queue goes with the last one."""
        if self.part.ephemeral and not self._anybody:
            for stored in list(self.kept.values()):
                self._lose(stored, "away")
        self.serve(now)

    def move_out(self, take: Callable[[Stored], str | None]) -> None:
        """Move all that wait to other queues of the broker; `take` says where, None: nowhere."""
        for stored in list(self.kept.values()):
            to = take(stored) if stored.order in self._waits else None
            if to is not None:
                self.post.say(stored.message, f"moves from {self.name} back to {to}")
                self.post.rows.end(stored.row, say.REDRIVEN)
                self._leave(stored)
                self.post.soon(self.post.channels[to].take_over, (stored.message, None))
