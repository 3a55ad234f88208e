"""What is written into the box of each part: its kind and the numbers that matter most."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..balancing import Balancer
from ..distributions import Distribution
from ..messaging.base import Channel, Subscriber
from ..scenario import Part
from ..sources.base import OpenSource, Source
from ..sources.closed import Users
from ..sources.open import Poisson, PoissonBatches, Renewal
from ..sources.recorded import Recorded
from ..sources.varying import Bursts, TimeVarying
from ..stations.handler import Handler
from ..stations.queue import Queue
from ..stations.service import Service
from .style import duration, number, time_unit

__all__ = ["kind", "numbers", "short_time"]

Words = Callable[[float], str]

_DISCIPLINES = {
    "fifo": "first in, first out",
    "lifo": "last in, first out",
    "random": "random order",
    "priority": "by priority",
    "preemptive": "by priority, preemptive",
    "ps": "processor sharing",
    "sjf": "shortest job first",
    "edf": "earliest deadline first",
}
_OVERFLOWS = {"reject": "reject", "drop_oldest": "drop the oldest", "block": "block"}


def kind(part: Part) -> str:
    """Return what sort of part it is, in words.

    Examples
    --------
    >>> kind(Poisson("shop", rate=350.0, to="orders")), kind(Queue("inbox"))
    ('Poisson source', 'queue')
    """
    if isinstance(part, Source):
        names = {
            Poisson: "Poisson source",
            Renewal: "renewal source",
            PoissonBatches: "batches",
            Bursts: "bursts",
            TimeVarying: "varying source",
            Users: "users",
        }
        if isinstance(part, Recorded):
            return "recorded trace"
        return names.get(type(part), f"{type(part).__name__} source")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(part).__name__)  # message queue
    return words.lower()


def short_time(time: float) -> str:
    """Return how long it is, below a second in ms, so that times in a picture can be compared.

    Examples
    --------
    >>> short_time(0.075), short_time(0.125), short_time(5.0), short_time(900.0)
    ('75 ms', '125 ms', '5 s', '15 min')
    """
    return time_unit("scenario", "ms").value(time) if time < 1.0 else duration(time)


def numbers(part: Part, words: Words = duration) -> list[str]:
    """Return the lines of numbers of a part; what is as it usually is is left out.

    Parameters
    ----------
    part : Part
        What is in the box.
    words : callable
        How a number of seconds is written.

    Examples
    --------
    >>> numbers(Poisson("shop", rate=350.0, to="orders"))
    ['350 /s']
    >>> numbers(Service("orders", replicas=10, service_time=None, capacity=5))
    ['10 replicas of 1 worker', 'round robin', 'work: each its own', 'room for 5, then reject']
    """
    if isinstance(part, Source):
        return _of_source(part, words)
    if isinstance(part, Queue):
        return [_DISCIPLINES[part.discipline], *_waiting(part, words)]
    if isinstance(part, Handler):
        return [_count(part.workers, "worker"), *_working(part, part.work, words)]
    if isinstance(part, Channel | Subscriber):
        return _declared(part, words)
    if not isinstance(part, Service):
        return []
    lines = [_count(part.workers, "worker")]
    if not part.is_line:
        what = "endpoint" if part.endpoints else "replica"
        lines = [f"{_count(part.initial_count, what)} of {lines[0]}", _balancer(part)]
        if part.proxies > 1:
            lines.append(_count(part.proxies, "balancer"))
        ways = (part.forward_delay, part.return_delay)
        if part.delays:
            there, back = (
                way.mean if isinstance(way, Distribution) else way or 0.0 for way in ways
            )
            lines.append(f"on the way {words(there)}, back {words(back)}")
        if part.changes:
            lines.append(_count(len(part.changes), "change"))
    lines += _working(part, part.service_time, words)
    if part.discipline != "fifo":
        lines.append(_DISCIPLINES[part.discipline])
    return lines + _waiting(part, words)


def _declared(part: Channel | Subscriber, words: Words) -> list[str]:
    """Return what a part of messaging was given, but for the names of other parts."""
    lines = []
    for f in dataclasses.fields(part):
        value = getattr(part, f.name)
        if f.name == "work":
            lines += [
                f"work {words(value.mean)}, scv {number(value.scv)}"
                if isinstance(value, Distribution)
                else "work: each its own" if value is None else "work: a function"
            ]  # fmt: skip
        elif f.name in _NAMES or value == f.default:
            continue
        elif value is None:
            lines.append(f"{f.name} unlimited")
        elif isinstance(value, bool):
            lines.append(f.name if value else f"not {f.name}")
        elif isinstance(value, float):
            lines.append(f"{f.name} {words(value) if f.name in _SECONDS else number(value)}")
        elif isinstance(value, int | str):
            lines.append(f"{f.name.replace('_', ' ')} {value}")
        elif isinstance(value, tuple):
            lines.append(_count(len(value), f.name.removesuffix("s")))
        else:
            lines.append(f"with {f.name}")
    return lines


# fields that arrows show, and fields in seconds
_NAMES = {"name", "source", "to", "topic", "dead_letter"}
_SECONDS = {"visibility", "ttl", "delay", "deduplication"}


def _of_source(part: Source, words: Words) -> list[str]:
    if isinstance(part, Users):
        return [_count(part.users, "user"), f"think {words(part.think.mean)}"]
    if isinstance(part, Recorded):
        return [Path(part.path).name]  # not read: drawing must not depend on the file
    lines = []
    if isinstance(part, OpenSource):
        rate = part.long_run_rate()
        mean = "" if isinstance(part, Poisson) else " on average"
        lines.append("" if rate is None else f"{number(rate)} /s{mean}")
    if isinstance(part, Bursts):
        lines.append(", ".join(number(rate) for rate in part.rates) + " /s in turn")
    if isinstance(part, TimeVarying):
        lines.append(f"{number(min(part.profile.rates))} to {number(part.profile.highest)} /s")
    if isinstance(part, Renewal):
        lines.append(f"scv of gaps {number(part.gap.scv)}")
    if isinstance(part.priority, dict):
        lines.append("priorities " + ", ".join(str(p) for p in part.priority))
    elif part.priority:
        lines.append(f"priority {part.priority}")
    return [line for line in lines if line]


def _waiting(part: Any, words: Words) -> list[str]:
    lines = []
    if part.capacity is not None:
        lines.append(f"room for {part.capacity}, then {_OVERFLOWS[part.overflow]}")
    if part.ttl is not None:
        lines.append(f"expires after {words(part.ttl)}")
    return lines


def _working(part: Any, work: Any, words: Words) -> list[str]:
    if isinstance(work, Distribution):
        lines = [f"work {words(work.mean)}, scv {number(work.scv)}"]
    else:
        lines = ["work: each its own" if work is None else "work: a function"]
    if part.io is not None:
        lines.append(f"I/O {words(part.io.mean)}, {part.mode}")
    if part.concurrency is not None:
        lines.append(f"at most {part.concurrency} at once")
    if part.failure:
        lines.append(f"{number(100.0 * part.failure)} % fail")
    if part.outages:
        lines.append(_count(len(part.outages), "outage"))
    return lines


def _balancer(part: Service) -> str:
    """Return the balancer's name in words: LeastRequest(choices=3) is least request of 3."""
    if not isinstance(part.balancer, Balancer):
        return "a function picks"
    name = type(part.balancer).__name__
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    choices = getattr(part.balancer, "choices", None)
    return words if choices is None else f"{words} of {choices}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
