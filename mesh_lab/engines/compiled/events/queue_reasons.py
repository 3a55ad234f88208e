"""What the loop of a message queue cannot run, part by part: all that it is not known to do."""

from __future__ import annotations

import dataclasses
from typing import Any

from ....distributions import Distribution
from ....messaging.consumer import Consumer
from ....messaging.queue import MessageQueue
from ....resilience.pauses import Backoff
from ....scenario import Scenario
from ....sources.base import OpenSource, Source

__all__ = ["reasons"]

# what the loop does exactly; whatever else is declared is a reason not to take it
_QUEUE = (
    "name", "visibility", "delivery_limit", "backoff", "ttl", "capacity", "overflow", "delay",
    "order",
)  # fmt: skip
_CONSUMER = (
    "name", "source", "work", "workers", "prefetch", "ack", "failure", "requeue", "outages",
)  # fmt: skip
_WORDS = {
    "dead_letter": "dead events are moved to another queue (dead_letter=)",
    "deduplication": "it remembers whom it has seen (deduplication=)",
    "restarts": "its broker goes down (restarts=)",
    "topic": "it is bound to a topic (topic=)",
    "ephemeral": "it is there only while a consumer is (ephemeral=)",
    "link": "a network of its own (link=)",
    "retry": "publishers wait for confirmations (retry=)",
    "to": "it answers with events (to=)",
}


def reasons(scenario: Scenario) -> list[str]:
    """Return why this loop cannot run a scenario of message queues, one text a part and feature.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=30.0, to="orders"),
    ...     ml.MessageQueue("orders"),
    ...     ml.Consumer("billing", source="orders", work=ml.Exponential(mean=0.02), to="paid"),
    ...     ml.MessageQueue("paid"),
    ... )
    >>> reasons(scenario)
    ['there are 2 queues, topics and logs, not one', "'billing': it answers with events (to=)"]
    """
    found = []
    if len(scenario.channels) != 1:
        found.append(f"there are {len(scenario.channels)} queues, topics and logs, not one")
    if scenario.stations:
        found.append(f"there are {len(scenario.stations)} queues and services for requests as well")
    names = {channel.name for channel in scenario.channels}
    for source in scenario.sources:
        found += [f"{source.name!r}: {why}" for why in _of_source(source, names)]
    for channel in scenario.channels:
        if type(channel) is not MessageQueue:
            found.append(f"{channel.name!r}: a {type(channel).__name__}, not a MessageQueue")
            continue
        found += [f"{channel.name!r}: {why}" for why in _unknown(channel, _QUEUE)]
        if channel.backoff is not None and not _steady(channel.backoff):
            found.append(f"{channel.name!r}: pauses of its back-off are drawn (jitter=)")
    for taker in scenario.subscribers:
        if type(taker) is not Consumer:
            found.append(f"{taker.name!r}: a {type(taker).__name__}, not a Consumer")
            continue
        found += [f"{taker.name!r}: {why}" for why in _unknown(taker, _CONSUMER)]
        if taker.work is not None and not isinstance(taker.work, Distribution):
            found.append(f"{taker.name!r}: a user's function says how long its work takes")
    return found


def _of_source(source: Source, names: set[str]) -> list[str]:
    if not isinstance(source, OpenSource):
        return [f"a {type(source).__name__}, which waits for what becomes of its requests"]
    found = []
    if type(source).__module__.partition(".")[0] != "mesh_lab":
        found.append("a user's own class is the source")
    if not isinstance(source.to, str) or source.to not in names:
        found.append("its events go to several parts, by chance (to=)")
    return found


def _unknown(part: Any, known: tuple[str, ...]) -> list[str]:
    """Return what a part declares besides the fields that are known, in words."""
    return [
        _WORDS.get(field.name, f"{field.name}=")
        for field in dataclasses.fields(part)
        if field.name not in known and getattr(part, field.name) != field.default
    ]


def _steady(backoff: Backoff) -> bool:
    """Whether its pauses are known beforehand."""
    declared = {field.name for field in dataclasses.fields(backoff)}
    return backoff.jitter == "none" and declared == {"base", "cap", "jitter", "growth", "limit"}
