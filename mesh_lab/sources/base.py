"""What every source has: where its requests go, how urgent they are, and how they are made.

An *open* source makes arrivals on its own, whatever becomes of them.  It declares the gaps between
them, and the live source turns gaps into arrivals: the next gap starts at an arrival, or, when the
arrival was blocked, at its release.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from ..clock import SOURCE, Alarm, Clock
from ..distributions import Distribution
from ..draws import Column, Draws
from ..ledger import Ledger, Request
from ..parts import Name, Positive, Probability, field, part
from ..stations.line import Place
from .keys import Keys

__all__ = [
    "Arrivals",
    "Choice",
    "Dress",
    "OpenSource",
    "Source",
    "check_headers",
    "choices",
    "pick_by",
]

Choice = Callable[[Request], "Place | None"]
Dress = Callable[[Request], None]
T = TypeVar("T")


def check_headers(headers: Mapping[str, object]) -> None:
    """Raise ValueError for a name that a scenario file could not tell from something else."""
    if "kind" in headers:
        raise ValueError(
            "headers: 'kind' is how a scenario file says what a part is; take another name"
        )


@part
class Source:
    """The base of everything that makes requests."""

    name: Name = field(kw_only=False)
    to: str | dict[str, Probability]
    priority: int | dict[int, Probability] = 0
    deadline: Positive | Distribution | None = None
    key: Keys | None = None
    subject: Name | dict[str, Probability] | None = None
    headers: dict[str, str | dict[str, Probability]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_headers(self.headers)
        given = {what: getattr(self, what) for what in ("to", "priority", "subject")}
        given |= {f"headers[{name!r}]": value for name, value in self.headers.items()}
        for what, choices in given.items():
            if isinstance(choices, dict) and abs(sum(choices.values()) - 1.0) > 1e-9:
                raise ValueError(
                    f"{what} is {dict(choices)!r}, whose probabilities add up to "
                    f"{sum(choices.values()):g}; they must add up to 1"
                )


@part
class OpenSource(Source):
    """The base of the sources whose arrivals do not wait for answers."""

    def gaps(self, draws: Draws) -> Iterator[float]:
        """Yield the seconds between one arrival (or batch) and the next, from time 0 on."""
        column = self.gap_column(draws)
        if column is None:
            raise NotImplementedError
        return iter(column)

    def gap_column(self, draws: Draws) -> Column | None:
        """Return the gaps as a column of draws, where they are one; None where they are not."""
        return None

    def sizes(self, draws: Draws) -> Iterator[int] | None:
        """Yield how many requests arrive together each time; None when it is always one."""
        return None

    def carried(self) -> Sequence[float] | None:
        """Return the service time that each request brings along, or None."""
        return None

    def long_run_rate(self) -> float | None:
        """Return the requests per second in the long run; None when there is no long run."""
        raise NotImplementedError


class Arrivals:
    """An open source at work.

    Parameters
    ----------
    index : int
        The source's number, by which requests and ranks know it.
    place : Place or None
        Where all its requests go; None when `choose` decides for each.
    dress : callable or None
        Gives a request its priority, deadline and carried service time.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        index: int,
        gaps: Iterator[float],
        *,
        choose: Choice,
        place: Place | None = None,
        sizes: Iterator[int] | None = None,
        dress: Dress | None = None,
        counted: Callable[[], bool] | None = None,
        exhausted: Callable[[], None] | None = None,
    ) -> None:
        self.clock = clock
        self.ledger = ledger
        self.index = index
        self.gaps = gaps
        self.sizes = sizes
        self.choose = choose
        self.place = place
        self.dress = dress
        self.counted = counted
        self.exhausted = exhausted
        self.number = 0
        self._planned = False
        self._left = 0  # of the batch that is arriving
        self._rank = SOURCE + index
        self._alarm = Alarm(self._fire)

    def alive(self) -> bool:
        """Whether an arrival is planned."""
        return self._planned and not self.clock.stopped

    def begin(self) -> None:
        """Plan the first arrival."""
        self._plan()

    def _plan(self) -> None:
        gap = next(self.gaps, None)
        self._planned = gap is not None
        if gap is not None:
            self.clock.schedule(self._alarm, self._rank, gap)
        elif self.exhausted is not None:
            self.exhausted()

    def _fire(self, alarm: Alarm) -> None:
        alarm.callbacks = alarm.again
        if self.clock.stopped:
            return
        self._planned = False
        self._left = 1 if self.sizes is None else next(self.sizes)
        self._make(self.clock.env.now)
        if self.clock.agenda:
            self.clock.drain()

    def _make(self, now: float) -> None:
        """Make what is left of the batch; stop when one is blocked."""
        clock = self.clock
        while self._left and not clock.stopped:
            self._left -= 1
            number = self.number
            self.number = number + 1
            request = self.ledger.open(self.index, number, now)
            if self.dress is not None:
                self.dress(request)
            if self.counted is not None and self.counted():
                clock.stopped = True
            place = self.place if self.place is not None else self.choose(request)
            assert place is not None
            if not place.arrive(request, self._released):
                return
        if not clock.stopped:
            self._plan()
        elif not self.ledger.in_flight:
            clock.finish()

    def _released(self, request: Request) -> None:
        self._make(self.clock.env.now)


def choices(names: Sequence[T], probabilities: Sequence[float]) -> tuple[list[T], list[float]]:
    """Return what is possible, and the bound below which a uniform draw chooses each.

    Examples
    --------
    >>> choices(["pay", "leave", "wait"], [0.75, 0.0, 0.25])
    (['pay', 'wait'], [0.75, inf])
    """
    possible = [(name, p) for name, p in zip(names, probabilities, strict=True) if p > 0.0]
    bounds = list(accumulate(p for _, p in possible))
    if bounds and abs(bounds[-1] - 1.0) <= 1e-9:
        bounds[-1] = math.inf
    return [name for name, _ in possible], bounds


def pick_by(names: Sequence[T], probabilities: Sequence[float]) -> Callable[[float], T | None]:
    """Return a function from a uniform draw to a name: the first whose cumulated one is above it.

    None stands for the rest that the probabilities leave.  Where they add up to 1, the last name
    takes what rounding leaves; what has probability 0 is never chosen.

    Examples
    --------
    >>> choose = pick_by(["pay", "leave"], [0.75, 0.25])
    >>> choose(0.5), choose(0.75)
    ('pay', 'leave')
    """
    names, bounds = choices(names, probabilities)

    def choose(uniform: float) -> T | None:
        for name, bound in zip(names, bounds, strict=True):
            if uniform < bound:
                return name
        return None

    return choose
