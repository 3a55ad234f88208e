"""A live producer: what `mesh_lab.messaging.log.producer` declares, at work for one source."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...clock import EXPIRY, WAKE, Alarm
from ...ledger import EXPIRED, FAILED, OK
from ..message import Message
from .partition import Record
from .partitioner import StickyPartitioner
from .timeouts import Timeouts
from .wire import Wire

if TYPE_CHECKING:
    from .log import LiveLog

__all__ = ["Batch", "Flight", "Sender"]

Done = Callable[[int], None] | None

APPENDED, WAITING, REFUSED, OUT_OF_ORDER, UNANSWERED = range(5)  # what became of a batch in flight


class Batch:
    """Events for one partition that are sent together."""

    __slots__ = (
        "attempts",
        "created",
        "done",
        "dones",
        "epoch",
        "lingered",
        "messages",
        "partition",
        "ready",
        "records",
        "sent",
        "sequence",
    )  # fmt: skip

    def __init__(self, partition: int, created: float) -> None:
        self.partition = partition
        self.created = created
        self.messages: list[Message] = []
        self.dones: list[Done] = []
        self.sent: list[float] = []  # when each was published
        self.records: list[Record] = []  # as it was appended the last time
        self.attempts = 0
        self.ready = 0.0  # not to be sent before
        self.sequence = -1  # given when it is first sent
        self.epoch = 0
        self.lingered = False
        self.done = False  # confirmed, or given up


class Flight:
    """A request on its way: batches for one broker."""

    __slots__ = ("batches", "broker", "done", "results", "sender")

    def __init__(self, sender: Sender, broker: int, batches: list[Batch]) -> None:
        self.sender = sender
        self.broker = broker
        self.batches = batches
        self.results = [UNANSWERED] * len(batches)
        self.done = False  # answered, broken or timed out

    def settled(self, place: int, result: int) -> None:
        """Note what became of one batch; the answer goes back when all is known."""
        self.results[place] = result
        if WAITING not in self.results and UNANSWERED not in self.results:
            self.sender.answer(self)


class Sender:
    """The producer of one source, with batches, requests and retries of its own.

    Parameters
    ----------
    index : int
        The producer's number at the brokers.
    source : str
        Whose events it sends.
    """

    def __init__(self, log: LiveLog, index: int, source: str) -> None:
        self.log = log
        self.post = log.post
        self.clock = log.post.clock
        self.rules = rules = log.part.producer
        self.index = index
        draws, name = log.post.draws, log.name
        self._sticky = StickyPartitioner(
            rules.batch, iter(draws.column("uniform", name, "sticky", source)).__next__
        )
        self._wire: Wire[Flight] = Wire(self.post, rules, name, source)
        self._queues: dict[int, deque[Batch]] = {}
        self._flying: dict[int, int] = {}  # requests by broker
        self._flights: set[Flight] = set()
        self._ahead: dict[int, list[int]] = {}  # numbers in flight, by partition
        self._next: dict[int, int] = {}  # sequence numbers and epochs, by partition
        self._epochs: dict[int, int] = {}
        self._renews: set[int] = set()  # partitions in which numbers begin anew
        self.retried = 0  # batches that were sent again
        self._soon = False
        self._due: set[int] = set()  # partitions in which a batch may be ready to be sent
        self._old: Timeouts[Batch] = Timeouts(self.clock, rules.delivery_timeout, self._give_up)
        self._late: Timeouts[Flight] = Timeouts(self.clock, rules.request_timeout, self.fail)

    # -- filling batches -------------------------------------------------------------------------

    def send(self, message: Message, done: Done) -> int:
        """Put an event into a batch; return its partition."""
        keyed = self.log.partition_of(message.key)
        partition = self._sticky.partition(self.log.available()) if keyed is None else keyed
        queue = self._queues.setdefault(partition, deque())
        if not queue or queue[-1].attempts or len(queue[-1].messages) >= self.rules.batch:
            batch = Batch(partition, self.clock.env.now)
            queue.append(batch)
            self._old.add(batch)
            if self.rules.linger > 0.0:
                self.clock.schedule(Alarm(self._lingered, batch), EXPIRY, self.rules.linger)
            else:
                batch.lingered = True
        batch = queue[-1]
        batch.messages.append(message)
        batch.dones.append(done)
        batch.sent.append(self.clock.env.now)
        full = len(batch.messages) >= self.rules.batch
        if keyed is None:
            self._sticky.produced(1, full=full)
        if batch.lingered or full:
            self._due.add(partition)
            self.soon()
        return partition

    def _lingered(self, alarm: Alarm) -> None:
        batch = alarm.subject
        if not batch.attempts:
            batch.lingered = True
            self._due.add(batch.partition)
            self.soon()
            self.clock.drain()

    def soon(self) -> None:
        """Send what can be sent, after what else happens in this instant."""
        if not self._soon:
            self._soon = True
            self.clock.agenda.append((self._send_all, None))

    def led(self, p: int) -> None:
        """Note that a partition has another leader: nothing there waits before it is sent again."""
        for batch in self._queues.get(p, ()):
            batch.ready = 0.0
        self._due.add(p)
        self.soon()

    # -- sending ---------------------------------------------------------------------------------

    def _send_all(self, _: None) -> None:
        self._soon = False
        leader, flying, limit = self.log.brokers.leader, self._flying, self.rules.in_flight
        while self._due:
            chosen: dict[int, list[Batch]] = {}
            for p in sorted(self._due):
                broker = leader(p)
                if broker is None or flying.get(broker, 0) >= limit:
                    continue
                if p not in self._queues or not self._is_ready(self._queues[p]):
                    self._due.discard(p)
                elif self._may_go(p):
                    chosen.setdefault(broker, []).append(self._queues[p].popleft())
                    if not self._queues[p]:
                        del self._queues[p]
            if not chosen:
                return
            for broker, batches in chosen.items():
                self._fly(broker, batches)

    def _is_ready(self, queue: deque[Batch]) -> bool:
        """Whether the first batch need not wait for more events, nor for its next try."""
        first = queue[0]
        if first.attempts:
            return first.ready <= self.clock.env.now
        return first.lingered or len(queue) > 1 or len(first.messages) >= self.rules.batch

    def _may_go(self, p: int) -> bool:
        """Whether a ready batch may be sent now, as the numbers of others in flight are."""
        first = self._queues[p][0]
        if p in self._renews:
            if self._ahead.get(p):
                return False  # numbers begin anew when everything in flight is answered
            self._renew(p)
        # what is sent again waits for what comes before it
        return first.sequence < 0 or all(n > first.sequence for n in self._ahead.get(p, ()))

    def _renew(self, p: int) -> None:
        self._renews.discard(p)
        self._epochs[p] = self._epochs.get(p, 0) + 1
        self._next[p] = 0
        for batch in self._queues[p]:
            batch.sequence = -1

    def _fly(self, broker: int, batches: list[Batch]) -> None:
        flight = Flight(self, broker, batches)
        for batch in batches:
            batch.attempts += 1
            self.retried += batch.attempts > 1
            if self.rules.numbers:
                p = batch.partition
                if batch.sequence < 0:
                    batch.sequence = self._next.get(p, 0)
                    batch.epoch = self._epochs.get(p, 0)
                    self._next[p] = batch.sequence + len(batch.messages)
                self._ahead.setdefault(p, []).append(batch.sequence)
        if self.rules.acks != 0:
            self._flights.add(flight)
            self._flying[broker] = self._flying.get(broker, 0) + 1
            self._late.add(flight)
        lost = self._wire.loses()
        if self.rules.acks == 0:
            self.post.live += 1  # nobody waits for an answer, but it is still on its way
            flight.done = True
            for batch in batches:
                self._confirm(batch)
        if not lost:
            self._wire.carry(flight, broker, self._reach, "there")
        elif self.rules.acks == 0:
            self._vanish(flight)

    def _reach(self, flight: Flight) -> None:
        if flight.broker in self.log.brokers.alive:
            self.log.receive(flight)
            if self.rules.acks == 0:
                self.post.live -= 1
                self.post.settle()
        elif self.rules.acks == 0:
            self._vanish(flight)
        else:
            self.fail(flight)

    def _vanish(self, flight: Flight) -> None:
        self.log.vanish(flight)
        self.post.live -= 1
        self.post.settle()

    # -- answers ---------------------------------------------------------------------------------

    def answer(self, flight: Flight) -> None:
        """Send the broker's answer back."""
        if self.rules.acks != 0 and not self._wire.loses():
            self._wire.carry(flight, flight.broker, self._answered, "back")

    def _answered(self, flight: Flight) -> None:
        if not flight.done:
            self._land(flight)
            for batch, result in zip(flight.batches, flight.results, strict=True):
                if result == APPENDED:
                    self._confirm(batch)
                else:
                    self._again(batch, out_of_order=result == OUT_OF_ORDER)
            self.soon()

    def broken(self, broker: int) -> None:
        """Note that the connection to a broker is gone, and all requests to it with it."""
        flights = [flight for flight in self._flights if flight.broker == broker]
        for flight in sorted(flights, key=lambda flight: flight.batches[0].created):
            self.fail(flight)

    def fail(self, flight: Flight) -> None:
        """Note that a request has failed, or was not answered in time."""
        if not flight.done:
            self._land(flight)
            for batch in flight.batches:
                self._again(batch)
            self.soon()

    def _land(self, flight: Flight) -> None:
        flight.done = True
        self._flights.discard(flight)
        self._flying[flight.broker] -= 1
        for batch in flight.batches:
            if batch.sequence >= 0:
                self._ahead[batch.partition].remove(batch.sequence)

    def _confirm(self, batch: Batch) -> None:
        if batch.sequence >= 0 and self.rules.acks == 0:
            self._ahead[batch.partition].remove(batch.sequence)
        if not batch.done:
            self._finish(batch, OK)
            self.log.confirmed(batch.records)

    def _finish(self, batch: Batch, outcome: int) -> None:
        batch.done = True
        self.post.live -= len(batch.messages)
        for done in batch.dones:
            if done is not None:
                done(outcome)
        batch.dones.clear()
        self.post.settle()

    def _again(self, batch: Batch, *, out_of_order: bool = False) -> None:
        """Put a batch back to where it came from."""
        if batch.done:
            return
        retries, p = self.rules.retries, batch.partition
        queue = self._queues.setdefault(p, deque())
        before = [*self._ahead.get(p, ()), *(b.sequence for b in queue if b.sequence >= 0)]
        if out_of_order and not any(n < batch.sequence for n in before):
            self._renews.add(p)  # the broker has lost what came before (KIP-360)
        if retries is not None and batch.attempts > retries:
            self._drop(batch, FAILED)
            return
        place = 0
        if batch.sequence >= 0:  # in order of the numbers
            place = sum(0 <= other.sequence < batch.sequence for other in queue)
        queue.insert(place, batch)
        batch.ready = self.clock.env.now + self.rules.retry_backoff
        self.clock.schedule(Alarm(self._wake, p), WAKE, self.rules.retry_backoff)

    def _wake(self, alarm: Alarm) -> None:
        self._due.add(alarm.subject)
        self.soon()
        self.clock.drain()

    def _give_up(self, batch: Batch) -> None:
        queue = self._queues.get(batch.partition)
        if queue is not None and batch in queue:
            queue.remove(batch)
            self._due.add(batch.partition)  # another is the first now
        self._drop(batch, EXPIRED)
        self.soon()

    def _drop(self, batch: Batch, outcome: int) -> None:
        p = batch.partition
        if p in self._queues and not self._queues[p]:
            del self._queues[p]
        if batch.sequence >= 0:
            self._renews.add(p)  # its numbers will be missing
        self._finish(batch, outcome)
