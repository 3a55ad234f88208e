"""Leaky bucket: requests are let in at an even pace, with some tolerance.

The bucket leaks at `rate`; each request pours one in, and one that would make it overflow is
refused.  As a meter this is the generic cell rate algorithm, GCRA(T, tau) of ITU-T I.371 with
T = 1 / rate and tau = burst / rate: a request conforms if it comes no more than tau before its
theoretical arrival time TAT, and then TAT becomes max(now, TAT) + T.

nginx's ``limit_req`` (``ngx_http_limit_req_module.c``) is the same rule.  It keeps an *excess*, by
how many requests a key is ahead of its rate: a first request, or one after a long pause, has 0, and
otherwise each has max(0, excess - rate * dt + 1); more than `burst` is refused.  In addition, nginx
holds back what is let in so that it leaves at the rate, each by excess / rate, unless it is told
``nodelay``, or how much excess needs no ``delay``.

The excess is TAT's lead over now, in units of T: ``burst=b`` lets b + 1 in at once, and is a token
bucket of b + 1 tokens seen from the other side.  It is kept in the same way (see
`mesh_lab.shedding.token_bucket`), so nothing drifts; nginx rounds to a thousandth of a request
and a millisecond.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge

from ..errors import PartError
from ..parts import part
from .rule import NANOSECOND, Floats, Ints, Make, Rate, Shedder, State, kernel, kernels
from .token_bucket import owed

__all__ = ["LeakyBucket"]


@kernel
def admits_evenly(s: Leaky, p: int, now: float, u: float, priority: int) -> int:
    """Let in what does not make the bucket overflow, and note how long it is to be held."""
    excess = owed(s, p, now)
    if excess > s.burst + s.rate * NANOSECOND:
        return 0
    s.taken[p] += 1
    s.held[p] = max(0.0, excess - s.passing) / s.rate if s.delays else 0.0
    return 1


@kernel
def held_back(s: Leaky, p: int) -> float:
    """For how many seconds the last request is held back."""
    return s.held[p]  # type: ignore[no-any-return]


@kernels(admits=admits_evenly, hold=held_back)
class Leaky(NamedTuple):
    """The buckets.

    Attributes
    ----------
    rate : float
        Requests a second.
    burst : int
        The excess that is still let in.
    delays, passing : int
        Whether (1 or 0) excess is held back, and how much of it is not.
    base : floats, one a place
        When the bucket was last seen empty, in seconds.
    taken : ints, one a place
        The requests let in since.
    held : floats, one a place
        For how many seconds the last request is held back.
    """

    rate: float
    burst: int
    delays: int
    passing: int
    base: Floats
    taken: Ints
    held: Floats


@part
class LeakyBucket(Shedder):
    """Let requests in at an even pace of `rate` a second, and up to `burst` of them early.

    Parameters
    ----------
    rate : float
        Requests a second.
    burst : int
        How many may come ahead of the pace; with 0, nginx's default, two requests are at least
        1 / rate seconds apart.
    delay : int or None
        With None all that is let in goes on at once: a meter, nginx's ``nodelay``.  With a number
        the first `delay` of those ahead of the pace go on at once and the others are held back
        until the pace has caught up; 0 is nginx's default.

    Notes
    -----
    Sources: ITU-T I.371 by the description of GCRA in the ATM Forum's specifications;
    ``ngx_http_limit_req_module.c``.

    Examples
    --------
    Five at once: one passes, two are held back until their turn, two are refused.

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = LeakyBucket(rate=10.0, burst=2, delay=0).state(1, Lists())
    >>> [(s.admits(s, 0, 0.0, 0.0, 0), s.hold(s, 0)) for _ in range(3)]
    [(1, 0.0), (1, 0.1), (1, 0.2)]
    >>> [s.admits(s, 0, now, 0.0, 0) for now in (0.0, 0.0, 0.1, 0.1)]
    [0, 0, 1, 0]
    """

    such_as: ClassVar[str] = "LeakyBucket(rate=100.0)"
    sees: ClassVar[str] = "when requests come"
    origin: ClassVar[str] = "nginx limit_req, GCRA"
    rate: Rate
    burst: Annotated[int, Ge(0)] = 0
    delay: Annotated[int, Ge(0)] | None = None

    def __post_init__(self) -> None:
        if self.delay is not None and self.delay > self.burst:
            raise PartError(
                "",
                "delay",
                f"is {self.delay!r}, more than burst, {self.burst!r}: no request is ever so far "
                "ahead; give at most burst, or None to hold nothing back",
            )

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return empty buckets."""
        return Leaky(
            rate=self.rate,
            burst=self.burst,
            delays=0 if self.delay is None else 1,
            passing=self.delay or 0,
            base=make.floats([now] * places),
            taken=make.ints([0] * places),
            held=make.floats([0.0] * places),
        )
