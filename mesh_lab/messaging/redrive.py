"""Redrive: dead letters go back to where they came from, at times that somebody chooses.

As with SQS's redrive, the events that wait in the dead-letter queue at that time are moved, and
start again with no delivery counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ..parts import Name, NonNegative, part
from .base import Subscriber
from .keeping import LiveQueue
from .message import Stored
from .post import Plan, Post

__all__ = ["Redrive"]


@part
class Redrive(Subscriber):
    """Moves what waits in a queue back, at given times.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    source : str
        The queue, usually one with dead letters.
    at : tuple of float
        When, seconds.
    to : str, optional
        The queue that they are moved to; each to the one that it is a dead letter of, without.

    Examples
    --------
    >>> Redrive("after the fix", source="dead", at=(3600.0,))
    Redrive('after the fix', source='dead', at=(3600.0,))
    """

    handles: ClassVar[bool] = False
    at: tuple[NonNegative, ...]
    to: Name | None = None

    def __post_init__(self) -> None:
        if not self.at or list(self.at) != sorted(set(self.at)):
            raise ValueError(f"at is {self.at!r}, but must be one or more times, increasing")
        if self.to == self.source:
            raise ValueError("to is the source itself; name another queue, or leave it out")

    def live(self, post: Post) -> Any:
        """Return it at work."""
        return _LiveRedrive(post, self)


class _LiveRedrive:
    def __init__(self, post: Post, part: Redrive) -> None:
        self.part = part
        self.queue: LiveQueue = post.channels[part.source]

    def plans(self) -> Iterator[Plan]:
        """Yield when events are moved."""
        for time in self.part.at:
            yield time, self._move

    def _move(self, now: float) -> None:
        def where(stored: Stored) -> str | None:
            return stored.origin if self.part.to is None else self.part.to

        self.queue.move_out(where)
