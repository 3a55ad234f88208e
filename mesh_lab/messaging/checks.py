"""Whether channels and subscribers fit together, and whether a run of them would come to an end.

What would never end is refused before it runs: an event that is handled badly for ever, an
acknowledgement that never arrives, a ring of dead letters or of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ScenarioError
from ..sources.base import OpenSource, Source
from .base import Channel, Subscriber
from .consumer import Consumer
from .log.group import ConsumerGroup
from .log.log import Log
from .queue import MessageQueue
from .redrive import Redrive
from .topic import Topic

__all__ = ["check_messaging", "who_takes_from"]

Perhaps = Callable[[object, Sequence[str]], str]


def check_messaging(
    channels: Sequence[Channel],
    subscribers: Sequence[Subscriber],
    arriving: Sequence[tuple[Source, set[str]]],
    perhaps: Perhaps,
) -> None:
    """Raise `ScenarioError` naming the first part that does not fit, and what to do.

    Parameters
    ----------
    arriving : sequence of (source, set of str)
        The sources, and to which places their requests may come.
    perhaps : callable
        Ends an error about an unknown name: what was meant perhaps, or all there is.
    """
    known = {channel.name: channel for channel in channels}
    queues = {name: part for name, part in known.items() if isinstance(part, MessageQueue)}
    _check_names(known, queues, subscribers, perhaps)
    publishing = [source for source, places in arriving if places & set(known)]
    _check_answers(publishing, [part for part in subscribers if part.onward])
    following = _following(known, subscribers)
    _check_rings(queues, following)
    for consumer in subscribers:
        if isinstance(consumer, Consumer):
            _check_ends(consumer, queues[consumer.source])
    for source, places in arriving:
        _check_brought(source, _all_from(places & set(known), following), queues, subscribers)


def who_takes_from(channel: Channel | None) -> str:
    """Return the end of an error about a part that takes from a channel of another kind."""
    if isinstance(channel, Log):
        return f"; {channel.name!r} is a log, which a ConsumerGroup reads"
    if isinstance(channel, MessageQueue):
        return f"; {channel.name!r} is a message queue, which a Consumer takes from"
    if isinstance(channel, Topic):
        return f"; {channel.name!r} is a topic: take from a MessageQueue(..., topic=...)"
    return ""


def _called(part: Any) -> str:
    return f"{type(part).__name__} {part.name!r}"


def _check_names(
    known: Mapping[str, Channel],
    queues: Mapping[str, MessageQueue],
    subscribers: Sequence[Subscriber],
    perhaps: Perhaps,
) -> None:
    topics = [name for name, part in known.items() if isinstance(part, Topic)]

    def find(part: Any, field: str, name: str, among: Sequence[str], what: str) -> None:
        if name not in among:
            end = who_takes_from(known.get(name)) if field == "source" else ""
            raise ScenarioError(
                f"{_called(part)}, {field}: there is no {what} {name!r}"
                f"{end or perhaps(name, list(among))}"
            )

    for subscriber in subscribers:
        if isinstance(subscriber, Consumer | Redrive):
            find(subscriber, "source", subscriber.source, list(queues), "message queue")
        elif isinstance(subscriber, ConsumerGroup):
            logs = [name for name, part in known.items() if isinstance(part, Log)]
            find(subscriber, "source", subscriber.source, logs, "log")
        else:
            find(subscriber, "source", subscriber.source, list(known), "channel")
        for name in subscriber.onward:
            find(subscriber, "to", name, list(known), "message queue, topic or log")
        if isinstance(subscriber, Redrive) and subscriber.to is not None:
            find(subscriber, "to", subscriber.to, list(queues), "message queue")
    for queue in queues.values():
        if queue.dead_letter is not None:
            find(queue, "dead_letter", queue.dead_letter, list(queues), "message queue")
        if queue.topic is not None:
            find(queue, "topic", queue.topic, topics, "topic")
        taken = any(isinstance(s, Consumer) and s.source == queue.name for s in subscribers)
        if queue.ephemeral and not taken:
            raise ScenarioError(
                f"{_called(queue)} is ephemeral, and so there only while a consumer is, but it has "
                f"none; add Consumer(..., source={queue.name!r}), or leave ephemeral out"
            )
    for name in topics:
        if not any(queue.topic == name for queue in queues.values()):
            raise ScenarioError(
                f"Topic {name!r} has no queue bound to it, so nobody would get its events; add "
                f"MessageQueue(..., topic={name!r})"
            )


def _check_answers(sources: Sequence[Source], answering: Sequence[Subscriber]) -> None:
    """Raise if an answer, which is called after its way, may be called as another event."""
    if not answering:
        return
    named: list[Any] = [*sources, *answering]
    for part in named:
        if "/" in part.name:
            raise ScenarioError(
                f"{_called(part)}: its name has a '/', but an answer is called after its source "
                "and who answered, with '/' between, so two events could have one name; take "
                "another sign, such as '-'"
            )
    many = {part.name: part for part in answering if not isinstance(getattr(part, "to", 0), dict)}
    for part in answering:
        name, _, child = part.name.rpartition(".")
        if name in many and child in map(str, range(1, len(many[name].onward))):
            raise ScenarioError(
                f"{_called(part)}: its answers would be called as those that {name!r} sends to "
                f"{many[name].onward[int(child)]!r}; take a name without '.{child}' at its end"
            )


def _following(
    known: Mapping[str, Channel], subscribers: Sequence[Subscriber]
) -> dict[str, set[str]]:
    """Return to which channels the events of each channel, or answers to them, may come."""
    following: dict[str, set[str]] = {name: set() for name in known}
    for channel in known.values():
        if isinstance(channel, MessageQueue) and channel.topic is not None:
            following[channel.topic].add(channel.name)
    for subscriber in subscribers:
        following[subscriber.source] |= set(subscriber.onward)
    return following


def _all_from(names: set[str], following: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead.extend(following[name])
    return found


def _check_rings(queues: Mapping[str, MessageQueue], following: Mapping[str, set[str]]) -> None:
    for name in following:
        if name in _all_from(following[name], following):
            raise ScenarioError(
                f"the answers to the events of {name!r} come back to {name!r}, so a chain of "
                "events would never end; send the last answer to a queue that nobody answers"
            )
    for name, queue in queues.items():
        passed = [name]
        dead = queue.dead_letter
        while dead is not None:
            if dead in passed:
                raise ScenarioError(
                    f"dead letters go round among {', '.join(map(repr, passed))}; let the last "
                    "one have no dead_letter, and bring its events back with a Redrive"
                )
            passed.append(dead)
            dead = queues[dead].dead_letter


def _check_ends(consumer: Consumer, queue: MessageQueue) -> None:
    """Raise for a consumer to which an event would be delivered for ever, or never come back."""
    if consumer.ack == "before":
        return
    drop = 0.0 if consumer.link is None else consumer.link.drop
    if drop > 0.0 and queue.visibility is None:
        raise ScenarioError(
            f"{_called(consumer)}, link: may drop a delivery or an acknowledgement, but "
            f"{_called(queue)} would wait for it for ever; give the queue visibility= seconds"
        )
    endless = queue.delivery_limit is None
    if endless and ((consumer.failure == 1.0 and consumer.requeue) or drop == 1.0):
        what = "handles every event badly" if consumer.failure == 1.0 else "gets or confirms none"
        raise ScenarioError(
            f"{_called(consumer)} {what}, so {_called(queue)} would deliver the same events for "
            "ever; give the queue delivery_limit="
        )


def _check_brought(
    source: Source,
    places: set[str],
    queues: Mapping[str, MessageQueue],
    subscribers: Sequence[Subscriber],
) -> None:
    """Raise when the events of a source lack what a queue or consumer needs."""
    for name in [name for name in queues if name in places]:
        if queues[name].order == "key" and source.key is None:
            raise ScenarioError(
                f"{_called(queues[name])} keeps order by key, but the events of {_called(source)} "
                "have none; give it key=Keys(1000)"
            )
    carries = isinstance(source, OpenSource) and getattr(source, "service_time", None) is not None
    for consumer in subscribers:
        works = isinstance(consumer, Consumer | ConsumerGroup)
        if not works or consumer.source not in places:
            continue
        if getattr(consumer, "work", None) is None and not carries:
            raise ScenarioError(
                f"{_called(consumer)}, work: is not given, so every event must carry its own, "
                f"but those of {_called(source)} do not; give work=, or a Replay with "
                "service_time="
            )
