"""What every channel and every subscriber declares: the parts that events are sent to and taken by.

A *channel* (queue, topic, log) is where requests and answers are sent; a *subscriber* takes from
one.  Each makes its own live part, so that a new kind needs no change elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Le

from ..parts import Name, NonNegative, Probability, field, part
from ..sources.base import pick_by

if TYPE_CHECKING:
    from .post import Post

__all__ = ["Channel", "Many", "Subscriber", "Times", "check_times", "chosen", "destinations"]

Many = Annotated[int, Ge(1), Le(2**31 - 1)]  # as many as settings that are Java's int can hold
Times = tuple[tuple[NonNegative, NonNegative], ...]
Answers = str | tuple[str, ...] | dict[str, Probability] | None


@part
class Channel:
    """The base of everything that events are published to."""

    has_rows: ClassVar[bool] = True  # whether it is a subscriber in the rows of deliveries
    name: Name = field(kw_only=False)

    def live(self, post: Post, station: int) -> Any:
        """Return the live part (a `Place`, with ``publish``); it is wired when all are made."""
        raise NotImplementedError


@part
class Subscriber:
    """The base of everything that takes events from a channel."""

    handles: ClassVar[bool] = True  # whether it works on what it takes
    name: Name = field(kw_only=False)
    source: Name

    @property
    def onward(self) -> tuple[str, ...]:
        """The channels that its answers may go to."""
        return ()

    def live(self, post: Post) -> Any:
        """Return the live part; all channels are in ``post.channels`` by then."""
        raise NotImplementedError


def destinations(to: Answers) -> tuple[str, ...]:
    """Return all the names in `to`."""
    if to is None:
        return ()
    return (to,) if isinstance(to, str) else tuple(to)


def chosen(to: Answers, uniform: Callable[[], float]) -> tuple[str, ...]:
    """Return where the answers to one event go.

    Parameters
    ----------
    uniform : callable
        Returns a draw, at least 0 and below 1; asked only if `to` leaves it to chance.

    Examples
    --------
    >>> to = {"mail": 0.7, "ship": 0.2}
    >>> chosen(to, lambda: 0.1), chosen(to, lambda: 0.8), chosen(to, lambda: 0.95)
    (('mail',), ('ship',), ())
    """
    if not isinstance(to, dict):
        return destinations(to)
    name = pick_by(list(to), list(to.values()))(uniform())
    return () if name is None else (name,)


def check_times(what: str, times: Times) -> None:
    """Raise ValueError unless `times` are (from, until), in order and without overlap."""
    before = 0.0
    for start, end in times:
        if not before <= start < end:
            raise ValueError(
                f"{what} is {times!r}, but each must be (from, until) in seconds with "
                "from < until, in order and without overlap"
            )
        before = end
