"""Token bucket: as many requests as there are tokens, which come at a rate up to a limit.

A bucket holds at most `burst` tokens and begins full.  A request takes one; without one it is
refused.  Tokens come at `rate`: after *dt* seconds there are min(burst, tokens + rate * dt).  In
any span of *t* seconds no more than burst + rate * t requests are let in.

Envoy's local rate limit (``local_ratelimit_impl.cc``) has had both ways of filling it:

* continuously, worked out when a request comes (``AtomicTokenBucket``), the way of newer releases:
  ``fill_interval=None``;
* in steps, by a timer that adds whole tokens each `fill_interval` (``TimerTokenBucket``), the way
  of older releases.  A burst waits for the next step, and the bucket can be emptied just before and
  just after one.

(Between them a runtime switch, no_timer_based_rate_limit_token_bucket, chose; it was taken away
about release 1.35, by release notes read second hand.)

Nothing is added up, so nothing drifts.  Instead of the tokens, two things are kept: when the bucket
was last seen full, and how many requests it has let in since, a whole number.  What is missing is
the second less rate times the time since, two roundings however many requests there were.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from ..errors import PartError
from ..parts import Count, part
from .classes import Share, check_shares, room_of, rooms
from .grid import whole_steps
from .rule import NANOSECOND, Floats, Ints, Make, Rate, Shedder, Span, State, kernel, kernels

__all__ = ["TokenBucket", "owed"]


@kernel
def owed(s: Any, p: int, now: float) -> float:
    """The requests let in that the rate has not made up for; a bucket owed nothing is full."""
    debt = s.taken[p] - s.rate * (now - s.base[p])
    if debt <= 0.0:
        s.base[p] = now
        s.taken[p] = 0
        return 0.0
    return debt  # type: ignore[no-any-return]


@kernel
def admits_by_rate(s: Continuous, p: int, now: float, u: float, priority: int) -> int:
    """Take a token, if there is one besides the reserve."""
    if owed(s, p, now) > room_of(s.rooms, priority) - 1 + s.rate * NANOSECOND:
        return 0
    s.taken[p] += 1
    return 1


@kernel
def admits_by_fills(s: Stepped, p: int, now: float, u: float, priority: int) -> int:
    """Fill for the steps since the last request, and take a token if there is one."""
    step = whole_steps(now - s.start, s.fill_interval)
    if step > s.step[p]:
        missing = s.burst - s.tokens[p]
        # many steps are not multiplied out: the product could be too large a number
        if step - s.step[p] >= missing:
            s.tokens[p] = s.burst
        else:
            s.tokens[p] = min(s.burst, s.tokens[p] + (step - s.step[p]) * s.fill)
        s.step[p] = step
    if s.tokens[p] <= s.burst - room_of(s.rooms, priority):
        return 0
    s.tokens[p] -= 1
    return 1


@kernels(admits=admits_by_rate)
class Continuous(NamedTuple):
    """Buckets that fill all the time.

    Attributes
    ----------
    rate : float
        Tokens a second.
    rooms : ints, one a class
        How many of the tokens are open to it.
    base : floats, one a place
        When the bucket was last seen full, in seconds.
    taken : ints, one a place
        The requests let in since.
    """

    rate: float
    rooms: Ints
    base: Floats
    taken: Ints


@kernels(admits=admits_by_fills)
class Stepped(NamedTuple):
    """Buckets that are filled in steps.

    Attributes
    ----------
    burst, fill : int
        Tokens at most, and tokens a step.
    start, fill_interval : float
        Step *k* is at ``start + k * fill_interval`` seconds.
    rooms : ints, one a class
        How many of the tokens are open to it.
    tokens, step : ints, one a place
        The tokens there are, and the last step that was looked at.
    """

    burst: int
    fill: int
    start: float
    fill_interval: float
    rooms: Ints
    tokens: Ints
    step: Ints


@part
class TokenBucket(Shedder):
    """Let in `rate` requests a second in the long run, and up to `burst` of them at once.

    Parameters
    ----------
    rate : float
        Tokens a second.
    burst : int
        Tokens that the bucket holds; it begins full.
    fill_interval : float, optional
        Seconds between fills of ``rate * fill_interval`` tokens, a whole number, as in older
        releases of Envoy (at least 0.05 there); the first comes after one interval.  Without it,
        tokens come all the time, as in newer ones.
    shares : sequence of float
        What part of the bucket each priority may empty, from 0, the most important, on: see
        `mesh_lab.shedding.classes`.

    Notes
    -----
    Source: Envoy's ``local_ratelimit_impl.cc`` and ``token_bucket_impl.cc``, and its field names
    max_tokens (`burst`), tokens_per_fill and fill_interval.  Shares are not Envoy's.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> bucket = TokenBucket(rate=10.0, burst=2)
    >>> s = bucket.state(1, Lists())
    >>> [s.admits(s, 0, now, 0.0, 0) for now in (0.0, 0.0, 0.0, 0.05, 0.1, 0.15, 0.2)]
    [1, 1, 0, 0, 1, 0, 1]
    """

    sees: ClassVar[str] = "when requests come"
    origin: ClassVar[str] = "Envoy local rate limit"
    rate: Rate
    burst: Count
    fill_interval: Span | None = None
    shares: tuple[Share, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_shares(self.shares, self.burst)
        if self.fill_interval is not None:
            fill = self.rate * self.fill_interval
            if round(fill) < 1 or abs(fill - round(fill)) > 1e-9 * fill:
                raise PartError(
                    "",
                    "fill_interval",
                    f"is {self.fill_interval!r}, which at rate {self.rate!r} adds {fill:.6g} "
                    "tokens each time; that must be a whole number of at least 1, so give "
                    "fill_interval a whole multiple of 1 / rate, or leave it out to fill "
                    "continuously",
                )

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return full buckets."""
        open_to = make.ints(rooms(self.shares, self.burst))
        if self.fill_interval is None:
            base, taken = make.floats([now] * places), make.ints([0] * places)
            return Continuous(self.rate, open_to, base, taken)
        return Stepped(
            burst=self.burst,
            fill=round(self.rate * self.fill_interval),
            start=now,
            fill_interval=self.fill_interval,
            rooms=open_to,
            tokens=make.ints([self.burst] * places),
            step=make.ints([0] * places),
        )
