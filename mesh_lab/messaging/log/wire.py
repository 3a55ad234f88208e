"""The connections between a producer and the brokers: delays, losses, and order.

A connection keeps order (TCP does), whatever delay each thing is given.  What is lost, by chance or
while the network is cut, stands for a connection that broke: nobody learns of it before the request
has timed out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from ...clock import HOP, Alarm
from ...distributions import Distribution
from ..post import Post
from .producer import Producer

__all__ = ["Wire"]

T = TypeVar("T")


class Wire(Generic[T]):
    """The connections of one producer.

    Parameters
    ----------
    rules : Producer
        What was declared.
    name, source : str
        Of the log, and of the events: they address the draws.
    """

    def __init__(self, post: Post, rules: Producer, name: str, source: str) -> None:
        self._clock = post.clock
        self._rules = rules
        self._losses = iter(post.draws.column("uniform", name, "loss", source))
        self._delays: Iterator[float] | None = None
        if isinstance(rules.delay, Distribution):
            self._delays = iter(post.draws.column(rules.delay, name, "delay", source))
        # what is on its way, and when the last arrives
        self._ways: dict[tuple[int, str], tuple[deque[T], float]] = {}

    def loses(self) -> bool:
        """Whether what is sent now never arrives."""
        now = self._clock.env.now
        if any(start <= now < end for start, end in self._rules.cuts):
            return True
        return self._rules.loss > 0.0 and next(self._losses) < self._rules.loss

    def carry(self, what: T, broker: int, then: Callable[[T], None], direction: str) -> None:
        """Call ``then(what)`` when it has arrived, behind what was sent before it."""
        delay = self._rules.delay if self._delays is None else next(self._delays)
        if delay is None:
            self._clock.agenda.append((then, what))
            return
        assert not isinstance(delay, Distribution)
        now, way = self._clock.env.now, (broker, direction)
        queue, last = self._ways.get(way, (deque(), 0.0))
        at = max(now + delay, last)
        queue.append(what)
        self._ways[way] = queue, at

        def arrive(alarm: Alarm) -> None:
            then(queue.popleft())
            self._clock.drain()

        self._clock.schedule(Alarm(arrive), HOP, at - now)
