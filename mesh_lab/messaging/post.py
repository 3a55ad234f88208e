"""What all live parts of messaging share: the clock, draws, rows, and what is still to come.

The run ends when no request is in flight and nothing can move an event any more.  So every timer
here counts while it is live: one that is cancelled stays in SimPy's heap, but holds up nothing.
Planned outages, restarts and redrives count too; those that move nothing change no row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..clock import Alarm, Clock
from ..distributions import Distribution
from ..draws import Drawable, Draws
from ..errors import MeshLabError
from ..ledger import OK, Ledger, Request
from ..stations.handler import Failing
from .message import Message
from .rows import Rows

__all__ = ["Draw", "LiveChannel", "Plan", "Post", "Timer"]

Draw = Callable[[Message, int, int], float]  # of (message, visit, attempt)
Plan = tuple[float, Callable[[float], None]]  # a time, and what is done then

_KEPT = 1000  # columns of draws at a time, 32 kB each
LONGEST = 1e100  # seconds; far beyond it times would add up to infinity


class LiveChannel:
    """Where an event can be published: a queue, a topic, a log.  A place to which requests come.

    Attributes
    ----------
    name : str
        Of the part.
    station : int
        Its index among all places.
    """

    blocks = False  # a request that comes is published at once, whatever becomes of the event
    name: str
    post: Post
    station: int

    def arrive(self, request: Request, release: Callable[[Request], None] | None = None) -> bool:
        """Let `request` publish an event here."""
        self.post.publish(request, self, self.station)
        return True

    def withdraw(self, request: Request) -> None:
        """Nobody is ever blocked here."""

    def publish(self, message: Message, done: Callable[[int], None] | None = None) -> None:
        """Publish `message`; `done` is told the outcome (`mesh_lab.ledger.OUTCOMES`), once."""
        raise NotImplementedError


class Timer(Alarm):
    """An alarm that holds up the end of the run until it rings or is cancelled."""

    __slots__ = ("do", "post")

    def __init__(self, post: Post, do: Callable[[Any], None], subject: Any) -> None:
        super().__init__(post.ring, subject)
        self.post = post
        self.do = do

    def cancel(self) -> None:
        """Do nothing when the time comes; nothing happens if it has come already."""
        if self.subject is not None:
            self.subject = None
            self.post.live -= 1


class Post:
    """What the live parts of messaging share in one run.

    Parameters
    ----------
    source_names : list of str
        By the index that requests know.
    key_of : callable
        From a request to the text of its key, or None.
    rows : Rows
        Where deliveries are noted.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        draws: Draws,
        source_names: list[str],
        key_of: Callable[[Request], str | None],
        rows: Rows,
    ) -> None:
        self.clock = clock
        self.ledger = ledger
        self.draws = draws
        self.source_names = source_names
        self.key_of = key_of
        self.rows = rows
        self.channels: dict[str, Any] = {}  # live ones, by name
        self.live = 0  # timers, and what is on the agenda
        self.planned = 0  # outages, restarts and redrives that are still to come
        clock.held = self.held

    # -- the end of the run ----------------------------------------------------------------------

    def held(self) -> bool:
        """Whether something is left that could move an event."""
        return self.live > 0 or self.planned > 0

    def settle(self) -> None:
        """End the run, if this was the last that could happen."""
        clock = self.clock
        if clock.stopped and not self.ledger.in_flight and not self.held():
            clock.finish()

    # -- later and soon --------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The time, seconds."""
        return float(self.clock.env.now)

    def later(self, rank: int, delay: float, do: Callable[[Any], None], subject: Any) -> Timer:
        """Call ``do(subject)`` after `delay` seconds, unless the timer is cancelled."""
        timer = Timer(self, do, subject)
        self.live += 1
        self.clock.schedule(timer, rank, delay)
        return timer

    def ring(self, alarm: Alarm) -> None:
        """Do what a timer is for, and all that follows in the same instant."""
        assert isinstance(alarm, Timer)
        subject = alarm.subject
        if subject is None:
            return
        alarm.subject = None
        alarm.do(subject)
        self.clock.drain()
        self.live -= 1
        self.settle()

    def soon(self, do: Callable[[Any], object], subject: Any) -> None:
        """Put ``do(subject)`` on the agenda of this instant."""
        self.live += 1
        self.clock.agenda.append((self._do, (do, subject)))

    def _do(self, what: tuple[Callable[[Any], object], Any]) -> None:
        do, subject = what
        do(subject)
        self.live -= 1
        self.settle()

    # -- from requests to events -----------------------------------------------------------------

    def publish(self, request: Request, channel: LiveChannel, station: int) -> None:
        """Let a request be the publishing of an event; it ends when the channel says so."""
        ledger, now = self.ledger, self.now
        request.visit = 0
        ledger.visit(request, station, 0, now)
        source = self.source_names[request.source]
        message = Message(
            source,
            request.number,
            key=self.key_of(request),
            priority=request.priority,
            subject=source if request.subject is None else request.subject,
            carried=request.carried,
            payload=request.payload,
        )

        def done(outcome: int) -> None:
            now = self.now
            if outcome == OK:
                ledger.admit(request, now)
                ledger.start[request.call] = now
            ledger.close(request.call, outcome, now)
            ledger.end(request, outcome)

        self.live += 1  # what is done last here must not end the run before the rest is done
        channel.publish(message, done)
        self.live -= 1
        self.settle()

    # -- draws -----------------------------------------------------------------------------------

    def drawn(self, of: Drawable | str, part: str, purpose: str) -> Draw:
        """Return the function from (message, visit, attempt) to its draw, by its address."""
        columns: dict[tuple[str, int, int], Callable[[int], float]] = {}

        def draw(message: Message, visit: int, attempt: int) -> float:
            address = message.source, visit, attempt
            at = columns.get(address)
            if at is None:
                if len(columns) >= _KEPT:
                    columns.clear()  # a column that is made again has the same numbers
                at = columns[address] = self.draws.column(of, part, purpose, *address).at
            return at(message.number)

        return draw

    def work_of(self, work: Distribution | Callable[..., Any] | None, part: str) -> Draw:
        """Return the function from (message, visit, attempt) to the seconds that `part` needs.

        Raises
        ------
        MeshLabError
            By that function, when a user's own returns what cannot be seconds.
        """
        if isinstance(work, Distribution):
            return self.drawn(work, part, "service")
        if work is None:

            def carried(message: Message, visit: int, attempt: int) -> float:
                if message.carried is None:
                    raise MeshLabError(
                        f"{part!r} does not say how long its work takes, and {message} carries no "
                        "service time; give work="
                    )
                return message.carried

            return carried

        def asked(message: Message, visit: int, attempt: int) -> float:
            # attempts have generators of their own, as visits have
            which = f"{message.source}#{attempt}" if attempt else message.source
            rng = self.draws.generator(part, "user", which, visit, message.number)
            try:
                seconds = work(message, rng)
            except Exception as error:
                error.add_note(f"This came from the function for the work of {part!r}: {message}.")
                raise
            if isinstance(seconds, np.floating | np.integer):
                seconds = seconds.item()
            if (
                isinstance(seconds, bool)
                or not isinstance(seconds, int | float)
                or not 0.0 <= seconds <= LONGEST
            ):
                raise MeshLabError(
                    f"{part!r}: the function for its work returned {seconds!r} for {message}; it "
                    f"must return seconds, a finite number that is not negative"
                )
            if isinstance(seconds, Failing):
                raise MeshLabError(
                    f"{part!r}: the function for its work returned {seconds!r} as Failing for "
                    f"{message}, but only handlers and services know that; give failure= instead"
                )
            return float(seconds)

        return asked

    # -- telling ---------------------------------------------------------------------------------

    def say(self, message: Message, what: str) -> None:
        """Say what happens to an event, to whoever listens (see `mesh_lab.explain`)."""


def planned(live: Any) -> Iterator[Plan]:
    """Yield what a live part does at times that are known beforehand, in order."""
    plans = getattr(live, "plans", None)
    if plans is not None:
        yield from plans()
