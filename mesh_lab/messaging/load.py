"""The load that events offer to the consumers of each queue or log, before anything runs.

As if nothing were lost, late or turned away: every event goes its way, is delivered again where it
is handled badly, and is answered once.  Since no chain of answers comes back to where it was, rates
are found by following each flow of events to its end.  A group of consumers reads all of its log.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..distributions import Distribution
from .base import Channel, Subscriber
from .consumer import Consumer
from .log.group import ConsumerGroup
from .log.log import Log
from .queue import MessageQueue
from .topic import Topic, fits

__all__ = ["Flow", "Load", "offered_events"]


class Flow(NamedTuple):
    """Events that come to a channel: so many a second, with this subject (None: unknown)."""

    channel: str
    subject: str | None
    rate: float


class Load(NamedTuple):
    """What is offered to the consumers of a queue, or to a group that reads a log.

    `part` is the queue or the group, `work` in seconds an event, retries included.
    """

    part: str
    rate: float
    work: float
    workers: int


def offered_events(
    flows: Iterable[Flow], channels: Sequence[Channel], subscribers: Sequence[Subscriber]
) -> list[Load]:
    """Return the load of message queues that have consumers, then of groups, as declared."""
    known = {channel.name: channel for channel in channels}
    queues = [channel for channel in channels if isinstance(channel, MessageQueue)]
    consumers: dict[str, list[Consumer]] = {queue.name: [] for queue in queues}
    for subscriber in subscribers:
        if isinstance(subscriber, Consumer):
            consumers[subscriber.source].append(subscriber)
    groups = [reader for reader in subscribers if isinstance(reader, ConsumerGroup)]
    rates = dict.fromkeys(known, 0.0)
    ahead = list(flows)
    while ahead:
        name, subject, rate = ahead.pop()
        part = known[name]
        if isinstance(part, Topic):
            for queue in (queue for queue in queues if queue.topic == name):
                if queue.pattern == "#" or (subject is not None and fits(queue.pattern, subject)):
                    ahead.append(Flow(queue.name, subject, rate))
                elif subject is None:
                    ahead.append(Flow(queue.name, None, math.nan))
        elif isinstance(part, Log):
            rates[name] += rate
            for group in (group for group in groups if group.source == name):
                ahead += _answers(group, group.name, rate)
        elif isinstance(part, MessageQueue):
            rates[name] += rate
            takers = consumers[name]
            for taker in takers:  # several consumers of one queue: taken as equally busy
                subject = taker.name if taker.subject is None else taker.subject
                ahead += _answers(taker, subject, rate / len(takers) / taker.join)
    loads = [
        Load(
            queue.name,
            rates[queue.name],
            sum(_seconds(c, queue) for c in consumers[queue.name]) / len(consumers[queue.name]),
            sum(c.workers for c in consumers[queue.name]),
        )
        for queue in queues
        if consumers[queue.name]
    ]
    for group in groups:
        log = known[group.source]
        assert isinstance(log, Log)
        seconds = group.work.mean if isinstance(group.work, Distribution) else math.nan
        busy = min(group.members, log.partitions)  # the others have nothing to read
        loads.append(Load(group.name, rates[group.source], seconds, busy))
    return loads


def _answers(taker: Consumer | ConsumerGroup, subject: str, rate: float) -> list[Flow]:
    shares = taker.to if isinstance(taker.to, dict) else dict.fromkeys(taker.onward, 1.0)
    return [Flow(name, subject, rate * p) for name, p in shares.items()]


def _seconds(consumer: Consumer, queue: MessageQueue) -> float:
    """Return the mean seconds that an event takes a worker, all its deliveries together."""
    if not isinstance(consumer.work, Distribution):
        return math.nan
    bad, limit = consumer.failure, queue.delivery_limit
    if consumer.ack == "before" or bad == 0.0 or not consumer.requeue:
        times = 1.0
    elif limit is None:
        times = 1.0 / (1.0 - bad)
    else:
        times = float(limit) if bad == 1.0 else (1.0 - bad**limit) / (1.0 - bad)
    return consumer.work.mean * times
