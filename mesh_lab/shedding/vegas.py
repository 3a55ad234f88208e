"""Vegas: the limit follows how many of the requests in flight must be waiting.

Netflix's ``VegasLimit.java`` (concurrency-limits), after TCP Vegas.  With rtt0 the least latency
seen, of a limit L of requests in flight

    queue = ceil(L (1 - rtt0 / rtt))

wait somewhere.  With l = the whole part of log10 L, at least 1, an answer moves the limit:

================================  ====================
an error                          L - l
less than half of L in flight     L as it is
queue at most l                   L + 6 l
queue below 3 l                   L + l
queue above 6 l                   L - l
otherwise                         L as it is
================================  ====================

within [1, `max_limit`].  An answer that is quicker than rtt0 only sets rtt0.  After a number of
answers, a random part (from a half to all) of `probe` * L, rtt0 is set to the next latency,
whatever it is, so that an rtt0 of better times is not kept for ever.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from ..parts import Count, part
from .classes import Share, check_shares
from .concurrency import admits_below_estimate, one_gone
from .netflix import check_bounds, whole_log10
from .rule import Floats, Ints, Make, Shedder, State, kernel, kernels

__all__ = ["VegasLimit"]


@kernel
def moved_limit(s: Vegases, p: int, latency: float, in_flight: int, ok: int) -> float:
    """Return what the limit becomes."""
    limit = s.estimate[p]
    log = whole_log10(int(limit))
    exact = limit * (1.0 - s.rtt0[p] / latency)
    queue = int(exact)
    if queue < exact:
        queue += 1
    if not ok:
        moved = limit - log
    elif in_flight * 2 < limit:
        return limit  # type: ignore[no-any-return]
    elif queue <= log:
        moved = limit + 6 * log
    elif queue < 3 * log:
        moved = limit + log
    elif queue > 6 * log:
        moved = limit - log
    else:
        return limit  # type: ignore[no-any-return]
    moved = max(1.0, min(float(s.max_limit), moved))
    return (1.0 - s.smoothing) * limit + s.smoothing * moved  # type: ignore[no-any-return]


@kernel
def estimates_queue(s: Vegases, p: int, now: float, latency: float, ok: int) -> None:
    """Take in a latency: as the least, or to move the limit."""
    in_flight = s.in_flight[p]
    s.in_flight[p] = in_flight - 1
    if latency <= 0.0:
        return
    if s.part[p] == 0.0:
        s.part[p] = 0.5 + 0.5 * s.draw[p]
    s.answers[p] += 1
    if s.part[p] * s.probe * s.estimate[p] <= s.answers[p]:
        s.part[p] = 0.5 + 0.5 * s.draw[p]
        s.answers[p] = 0
        s.rtt0[p] = latency
    elif s.rtt0[p] == 0.0 or latency < s.rtt0[p]:
        s.rtt0[p] = latency
    else:
        s.estimate[p] = moved_limit(s, p, latency, in_flight, ok)


@kernels(admits=admits_below_estimate, ended=estimates_queue, gone=one_gone)
class Vegases(NamedTuple):
    """The limits.

    Attributes
    ----------
    max_limit, probe : int
        As declared.
    smoothing : float
        How much of a move is made.
    shares : floats, one a class
        What part of the limit is open to it.
    in_flight, answers : ints, one a place
        Requests; answers since rtt0 was last set anew.
    estimate, rtt0 : floats, one a place
        The limit, whose whole part is in force; the least latency, 0 before any.
    part, draw : floats, one a place
        What part of the pause between probes is waited for, 0 before any; the uniform draw of the
        last request, of which the next such part is made.
    """

    max_limit: int
    probe: int
    smoothing: float
    shares: Floats
    in_flight: Ints
    answers: Ints
    estimate: Floats
    rtt0: Floats
    part: Floats
    draw: Floats


@part
class VegasLimit(Shedder):
    """Limit the requests in flight by how many of them seem to wait.

    Parameters
    ----------
    initial_limit, max_limit : int
        The limit at first, and at most.
    smoothing : float
        How much of a move is made at once; 1: all of it.
    probe : int
        After at most so many times the limit answers the least latency is measured anew.
    shares : sequence of float
        What part of the limit each priority may use, see `mesh_lab.shedding.classes`; not
        Netflix's.

    Notes
    -----
    Source: Netflix's ``VegasLimit.java``, with its defaults; see `mesh_lab.shedding.netflix`
    for what differs.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> s = VegasLimit().state(1, Lists())
    >>> for latency in (0.010, 0.0102, 0.013, 0.040):
    ...     while s.admits(s, 0, 0.0, 0.0, 0):
    ...         pass
    ...     s.ended(s, 0, 0.1, latency, 1)
    ...     print(s.estimate[0])
    20.0
    26.0
    26.0
    25.0
    """

    such_as: ClassVar[str] = "VegasLimit()"
    sees: ClassVar[str] = "requests in flight, errors and latencies"
    origin: ClassVar[str] = "Netflix concurrency-limits"
    initial_limit: Count = 20
    max_limit: Count = 1000
    smoothing: Share = 1.0
    probe: Count = 30
    shares: tuple[Share, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_shares(self.shares)
        check_bounds(self.initial_limit, 1, self.max_limit)

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return limits with nothing in flight."""
        return Vegases(
            max_limit=self.max_limit,
            probe=self.probe,
            smoothing=self.smoothing,
            shares=make.floats(self.shares),
            in_flight=make.ints([0] * places),
            answers=make.ints([0] * places),
            estimate=make.floats([self.initial_limit] * places),
            rtt0=make.floats([0.0] * places),
            part=make.floats([0.0] * places),
            draw=make.floats([0.0] * places),
        )
