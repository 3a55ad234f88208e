"""Admission control: refuse by chance when too few of the recent requests succeeded.

Envoy's filter (``admission_control.cc``).  Of *n* requests that were answered in the last `window`
seconds *s* succeeded.  A request is refused with probability

    min(max_rejection, max(0, (n - s / threshold) / (n + 1)) ** (1 / aggression)),

looked at in steps of a ten-thousandth.  So nothing is refused while the success rate is at or above
the threshold.  It is Google's client-side throttling (`mesh_lab.shedding.throttling`) with
K = 1 / threshold, except that requests which the filter itself refuses do not count.  With an
`rps_threshold` nothing is refused while fewer requests a second than that were answered.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Lt

from ..errors import PartError
from ..parts import Probability, part
from .classes import Share
from .history import MOST_BUCKETS, make_buckets, note, turn_buckets
from .rule import Floats, Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["AdmissionControl"]

STEPS = 10_000  # of a probability: Envoy's accuracy of four digits
WIDTH = 1.0  # seconds of a bucket: Envoy's defaultHistoryGranularity


@kernel
def average_rate(s: Admissions, p: int, now: float) -> int:
    """Requests a second, rounded down, as the history stands before it is brought up to date."""
    if s.used[p] == 0:
        return 0
    age = int(now - s.since[p * s.room + s.oldest[p]])
    return int(s.all_tried[p] / max(s.window, age))


@kernel
def admits_by_success(s: Admissions, p: int, now: float, u: float, priority: int) -> int:
    """Refuse by chance."""
    if average_rate(s, p, now) < s.rps_threshold:
        return 1
    turn_buckets(s, p, now)
    chance = (s.all_tried[p] - s.all_good[p] / s.threshold) / (s.all_tried[p] + 1.0)
    if chance <= 0.0:
        return 1
    if s.aggression != 1.0:
        chance = math.pow(chance, 1.0 / s.aggression)
    return 0 if STEPS * min(chance, s.max_rejection) > int(u * STEPS) else 1


@kernel
def counts_success(s: Admissions, p: int, now: float, latency: float, ok: int) -> None:
    """Count an answer."""
    note(s, p, now, 1, ok)


@kernels(admits=admits_by_success, ended=counts_success)
class Admissions(NamedTuple):
    """The filters; the other fields are those of `mesh_lab.shedding.history`.

    Attributes
    ----------
    threshold, aggression, max_rejection, rps_threshold : float, float, float, int
        As declared.
    """

    threshold: float
    aggression: float
    max_rejection: float
    rps_threshold: int
    window: float
    width: float
    room: int
    oldest: Ints
    used: Ints
    all_tried: Ints
    all_good: Ints
    since: Floats
    tried: Ints
    good: Ints


@part
class AdmissionControl(Shedder):
    """Refuse requests by chance, the more the fewer of the recent ones succeeded.

    Parameters
    ----------
    threshold : float
        The success rate below which requests are refused; 95 % in Envoy.
    aggression : float
        At 1 the chance grows in proportion; above, it grows quickly at first.
    window : float
        Seconds that count, at least one.
    max_rejection : float
        The chance never exceeds it; 80 % in Envoy.
    rps_threshold : int
        Requests a second below which nothing is refused.

    Notes
    -----
    Source: Envoy's ``admission_control.cc`` and ``thread_local_controller.cc``, with its defaults.
    Envoy does not count requests that end without an answer, and neither does this (``gone``).

    Examples
    --------
    Ten answers, half of them good: (10 - 5 / 0.95) / 11 is 0.4306.

    >>> from mesh_lab.balancing.rule import Lists
    >>> s = AdmissionControl().state(1, Lists())
    >>> for i in range(10):
    ...     s.ended(s, 0, 0.0, 0.0, i % 2)
    >>> [s.admits(s, 0, 0.5, u, 0) for u in (0.4305, 0.4307)]
    [0, 1]
    """

    such_as: ClassVar[str] = "AdmissionControl()"
    sees: ClassVar[str] = "how many requests succeeded"
    origin: ClassVar[str] = "Envoy admission control"
    threshold: Share = 0.95
    aggression: Annotated[float, Ge(1), Lt(math.inf)] = 1.0
    window: Span = 30.0
    max_rejection: Probability = 0.8
    rps_threshold: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        if not WIDTH <= self.window <= MOST_BUCKETS * WIDTH:
            raise PartError(
                "",
                "window",
                f"is {self.window!r}, but must be from {WIDTH!r} to {MOST_BUCKETS * WIDTH!r} "
                "seconds: Envoy counts in buckets of a second",
            )

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return filters that have seen nothing."""
        return Admissions(
            threshold=self.threshold,
            aggression=self.aggression,
            max_rejection=self.max_rejection,
            rps_threshold=self.rps_threshold,
            **make_buckets(self.window, WIDTH, places, make),
        )
