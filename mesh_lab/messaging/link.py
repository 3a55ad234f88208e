"""A network way between publisher, broker and consumer, and its faults.

Each thing that is sent takes a delay of its own, may be dropped, and may arrive twice; where
delays differ, what was sent later may arrive earlier.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from ..distributions import Distribution
from ..parts import Probability, part
from .message import Message
from .post import Draw, Post

__all__ = ["Link", "Way"]


@part
class Link:
    """A network way with faults.

    Parameters
    ----------
    delay : float, Distribution or None
        Seconds that each thing takes; None for no time at all.
    drop : float
        The probability that it never arrives.
    duplicate : float
        The probability that it arrives twice, each time after a delay of its own.

    Examples
    --------
    >>> Link(delay=0.005, drop=0.01)
    Link(delay=0.005, drop=0.01)
    """

    delay: Annotated[float, Ge(0), Le(1e100)] | Distribution | None = None
    drop: Probability = 0.0
    duplicate: Probability = 0.0


class Way:
    """One direction of a link at work: what becomes of each thing that is sent.

    Parameters
    ----------
    part : str
        The part that it belongs to, for the addresses of its draws.
    purpose : str
        ``"publish"``, ``"confirm"``, ``"deliver"`` or ``"ack"``.
    """

    def __init__(self, post: Post, link: Link, part: str, purpose: str) -> None:
        self.link = link
        self._dropped = post.drawn("uniform", part, f"{purpose}_drop")
        self._doubled = post.drawn("uniform", part, f"{purpose}_duplicate")
        self._delays: tuple[Draw, ...] = ()
        if isinstance(link.delay, Distribution):
            self._delays = tuple(
                post.drawn(link.delay, part, f"{purpose}_{name}") for name in ("delay", "delay2")
            )

    def send(self, message: Message, visit: int, attempt: int) -> list[float | None]:
        """Return the delay of each arrival: none, one or two; None stands for no delay at all."""
        link = self.link
        if link.drop > 0.0 and self._dropped(message, visit, attempt) < link.drop:
            return []
        times = 1
        if link.duplicate > 0.0 and self._doubled(message, visit, attempt) < link.duplicate:
            times = 2
        if self._delays:
            return [draw(message, visit, attempt) for draw in self._delays[:times]]
        delay = link.delay
        assert not isinstance(delay, Distribution)
        return [delay] * times
