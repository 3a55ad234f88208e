"""Closed loops: users who think, send a request, wait for its end, and think again.

A slow system slows its users down, so a closed loop can never be overloaded as an open source can.
Every user thinks first.  A user's request number *n* counts ``cycle * users + user``, so that a
user's draws do not depend on how quickly the others are served.

Users who need not think may be turned away again and again without any time passing.  Such a
standstill is reported after so many requests of one instant that no served user comes near it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..clock import WAKE, Alarm, Clock
from ..distributions import Distribution
from ..draws import Column
from ..errors import Deadlock
from ..ledger import Ledger, Request
from ..parts import Count, part
from .base import Choice, Dress, Source

__all__ = ["Loop", "Users"]

_AT_ONCE = 1000  # requests of one user in one instant


@part
class Users(Source):
    """So many users, each with one request at a time.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    users : int
        How many there are.
    think : Distribution
        Seconds between the end of a request and the next.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Users("staff", users=20, think=Exponential(mean=5.0), to="orders")
    Users('staff', to='orders', users=20, think=Exponential(mean=5.0))
    """

    users: Count
    think: Distribution


class Loop:
    """A closed loop at work."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        index: int,
        name: str,
        users: int,
        think: Column,
        *,
        choose: Choice,
        dress: Dress | None = None,
        counted: Callable[[], bool] | None = None,
    ) -> None:
        self.clock = clock
        self.ledger = ledger
        self.index = index
        self.name = name
        self.users = users
        self.think = think
        self.choose = choose
        self.dress = dress
        self.counted = counted
        self.thinking = 0
        self._instant = 0.0
        self._sent = 0  # in this instant

    def alive(self) -> bool:
        """Whether a user is thinking, and will send again."""
        return self.thinking > 0 and not self.clock.stopped

    def begin(self) -> None:
        """Let every user think for the first time."""
        for user in range(self.users):
            self._think(user)

    def _think(self, number: int) -> None:
        self.thinking += 1
        self.clock.schedule(Alarm(self._wake, number), WAKE, self.think.at(number))

    def _wake(self, alarm: Alarm) -> None:
        clock = self.clock
        if clock.stopped:
            return
        self.thinking -= 1
        now = clock.env.now
        if now > self._instant:
            self._instant, self._sent = now, 0
        self._sent += 1
        if self._sent > _AT_ONCE * self.users:
            raise Deadlock(
                f"at {now:g} s the users {self.name!r} have sent {self._sent} requests without any "
                "time passing: they do not think, and are turned away or served at once; let them "
                "think, or give what they wait for more room"
            )
        request = self.ledger.open(self.index, alarm.subject, now)
        request.on_end = self._ended
        if self.dress is not None:
            self.dress(request)
        if self.counted is not None and self.counted():
            clock.stopped = True
        place = self.choose(request)
        assert place is not None
        place.arrive(request)
        clock.drain()
        if clock.stopped and not self.ledger.in_flight:
            clock.finish()

    def _ended(self, request: Request) -> None:
        if not self.clock.stopped:
            self._think(request.number + self.users)
