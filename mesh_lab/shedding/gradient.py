"""Adaptive concurrency: a limit on requests in flight that follows the latency.

Envoy's gradient controller (``gradient_controller.cc``).  A request is let in while fewer than the
limit are in flight.  The limit moves by comparing the latency now with that of an idle server:

* In *windows* of `update_interval` the latencies are collected.  At the end of one that has any,
  with sampleRTT their percentile and minRTT the one that was measured last:

      gradient = min(2, max(1/2, minRTT (1 + buffer) / sampleRTT))
      limit = floor(limit * gradient + sqrt(limit * gradient)), within [min_concurrency, max_limit]

* To *measure* minRTT, the limit is pinned to `min_concurrency` until `request_count` requests that
  were let in since have been answered; minRTT is their percentile, and the limit goes back to what
  it was.  This is done at the beginning, then each time `min_rtt_interval` has passed, with a
  random part of `jitter` of it added, and at once if the limit was the minimum in 5 windows
  running, which may mean that minRTT is too low.

=========  ==========================================  =============================================
state      what happens                                then
=========  ==========================================  =============================================
measuring  an answer, to a request let in before       ignored
measuring  an answer, the `request_count`-th           minRTT is set, the limit restored, samples
                                                       are forgotten; a window and the pause until
                                                       the next measuring begin; *running*
running    an answer, to a request let in before the   ignored
           last measuring began
running    the window ends, with samples               the limit moves; if it stays the minimum for
                                                       the fifth time running: *measuring*
running    the window ends, without                    nothing
running    the pause ends                              the limit is put by, samples are forgotten;
                                                       *measuring*
=========  ==========================================  =============================================

Where a window and the pause end in one moment, the window comes first; Envoy leaves that to its
timers.  Envoy keeps the samples in a histogram of two significant digits and cuts percentiles down
to microseconds; here they are exact, and where sampleRTT is 0 the limit grows as it can.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, NamedTuple

from ..errors import PartError
from ..parts import Count, NonNegative, Probability, part
from .classes import Share, check_shares, share_of
from .grid import whole_steps
from .percentile import percentile
from .rule import NANOSECOND, Floats, Ints, Make, Shedder, Span, State, kernel, kernels

__all__ = ["AdaptiveConcurrency"]

AT_MINIMUM = 5  # windows running, after which minRTT is measured again
LEAST, MOST = 0.5, 2.0  # that the limit is multiplied by


@kernel
def begin_measuring(s: Gradients, p: int, time: float) -> None:
    """Put the limit by and pin it."""
    s.put_by[p] = s.limit[p]
    s.limit[p] = s.min_concurrency
    s.at_minimum[p] = 0
    s.seen[p] = 0
    s.epoch[p] = time


@kernel
def summary_of_samples(s: Gradients, p: int) -> float:
    """Return the percentile of the samples, and forget them."""
    n = min(s.seen[p], s.room)
    s.seen[p] = 0
    return percentile(s.samples, p * s.room, n, s.quantile)


@kernel
def end_measuring(s: Gradients, p: int, now: float) -> None:
    """Set minRTT and restore the limit."""
    s.min_rtt[p] = summary_of_samples(s, p)
    s.limit[p] = s.put_by[p]
    s.put_by[p] = 0
    s.measure_at[p] = now + s.min_rtt_interval * (1.0 + s.jitter * s.draw[p])
    s.windows_since[p] = now
    s.window[p] = 1


@kernel
def move_limit(s: Gradients, p: int) -> None:
    """Multiply the limit by the gradient of the window's latencies, and add some headroom."""
    latency = summary_of_samples(s, p)
    gradient = MOST
    if latency > 0.0:
        gradient = max(LEAST, min(MOST, s.min_rtt[p] * (1.0 + s.buffer) / latency))
    scaled = s.limit[p] * gradient
    moved = int(scaled + math.sqrt(scaled))
    moved = max(s.min_concurrency, min(s.max_limit, moved))
    if moved == s.min_concurrency and s.limit[p] == s.min_concurrency:
        s.at_minimum[p] += 1
    else:
        s.at_minimum[p] = 0
    s.limit[p] = moved


@kernel
def catch_up(s: Gradients, p: int, now: float) -> None:
    """Do what was due until now, in order."""
    while s.put_by[p] == 0:
        due = now + NANOSECOND
        window_ends = s.windows_since[p] + s.window[p] * s.update_interval
        if s.seen[p] > 0 and window_ends <= due and window_ends <= s.measure_at[p]:
            move_limit(s, p)
            s.window[p] += 1
            if s.at_minimum[p] >= AT_MINIMUM:
                begin_measuring(s, p, window_ends)
        elif s.measure_at[p] <= due:
            begin_measuring(s, p, s.measure_at[p])
        else:
            if window_ends <= due:  # windows without samples, maybe many
                s.window[p] = whole_steps(now - s.windows_since[p], s.update_interval) + 1
            return


@kernel
def admits_within_limit(s: Gradients, p: int, now: float, u: float, priority: int) -> int:
    """Let it in if fewer than its part of the limit are in flight."""
    catch_up(s, p, now)
    s.draw[p] = u
    if s.in_flight[p] >= share_of(s.shares, s.limit[p], priority):
        return 0
    s.in_flight[p] += 1
    return 1


@kernel
def takes_sample(s: Gradients, p: int, now: float, latency: float, ok: int) -> None:
    """Collect its latency, good or bad."""
    catch_up(s, p, now)
    s.in_flight[p] -= 1
    # it was let in before: both differences are rounded alike, so that equal times stay equal
    if latency > now - s.epoch[p] + NANOSECOND:
        return
    seen = s.seen[p]
    s.samples[p * s.room + seen % s.room] = latency
    s.seen[p] = seen + 1
    if s.put_by[p] > 0 and s.seen[p] >= s.request_count:
        end_measuring(s, p, now)


@kernel
def one_less(s: Any, p: int, now: float, begun: int) -> None:
    """One less is in flight, and nothing is known of its latency."""
    catch_up(s, p, now)
    s.in_flight[p] -= 1


@kernels(admits=admits_within_limit, ended=takes_sample, gone=one_less)
class Gradients(NamedTuple):
    """The controllers.

    Attributes
    ----------
    update_interval, min_rtt_interval : float
        Seconds.
    jitter, buffer, quantile : float
        Fractions.
    request_count, min_concurrency, max_limit, room : int
        `room` is how many of the latest samples of a window are kept.
    shares : floats, one a class
        What part of the limit is open to it.
    in_flight, limit, put_by : ints, one a place
        `put_by` is the limit to go back to while measuring, 0 while running.
    min_rtt, epoch, measure_at : floats
        When measuring began last, and begins next.
    windows_since, window : floats, ints
        Window *k* ends at ``windows_since + k * update_interval``; `window` is the one of now.
    at_minimum, seen : ints
        Windows running at the minimum; samples in this window.
    samples : floats
        Those of place *p* from ``p * room`` on.
    draw : floats
        The uniform draw of the last request, of which the next jitter is made.
    """

    update_interval: float
    min_rtt_interval: float
    jitter: float
    buffer: float
    quantile: float
    request_count: int
    min_concurrency: int
    max_limit: int
    room: int
    shares: Floats
    in_flight: Ints
    limit: Ints
    put_by: Ints
    min_rtt: Floats
    epoch: Floats
    measure_at: Floats
    windows_since: Floats
    window: Ints
    at_minimum: Ints
    seen: Ints
    samples: Floats
    draw: Floats


@part
class AdaptiveConcurrency(Shedder):
    """Limit the requests in flight so that the latency stays near that of an idle server.

    Parameters
    ----------
    update_interval : float
        Seconds of a window, after which the limit moves; Envoy has no default for it, its examples
        say 0.1.
    min_rtt_interval : float
        Seconds between measurements of the latency when idle; Envoy has no default, its examples
        say 60.
    jitter : float
        How much of that is added at most, at random.
    request_count : int
        Answers that a measurement takes.
    percentile : float
        By which latencies are summarised: 0.5 is the median; above 0.
    buffer : float
        By what fraction the latency may be above the idle one without the limit shrinking.
    min_concurrency, max_limit : int
        Bounds of the limit.  The first is also the limit while measuring.
    samples : int
        How many of the latest latencies of a window are kept, for each place.
    shares : sequence of float
        What part of the limit each priority may use, see `mesh_lab.shedding.classes`; not
        Envoy's.

    Notes
    -----
    Source: Envoy's ``gradient_controller.cc`` and ``adaptive_concurrency.proto``; the defaults are
    those.  Not modelled: ``fixed_value`` (a given minRTT) and ``min_concurrency_limit``.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> s = AdaptiveConcurrency(request_count=2).state(1, Lists())
    >>> [s.admits(s, 0, 0.0, 0.5, 0) for _ in range(4)]  # pinned to 3 while it measures
    [1, 1, 1, 0]
    >>> for now in (0.010, 0.010, 0.020):
    ...     s.ended(s, 0, now, now, 1)  # two make a minRTT of 10 ms, one is a sample
    >>> _ = s.admits(s, 0, 0.2, 0.5, 0)  # 3 * 12.5/20 + sqrt(3 * 12.5/20) = 3.24
    >>> s.min_rtt[0], s.limit[0]
    (0.01, 3)
    """

    such_as: ClassVar[str] = "AdaptiveConcurrency()"
    sees: ClassVar[str] = "requests in flight and latencies"
    origin: ClassVar[str] = "Envoy gradient controller"
    update_interval: Span = 0.1
    min_rtt_interval: Span = 60.0
    jitter: Probability = 0.15
    request_count: Count = 50
    percentile: Share = 0.5
    buffer: NonNegative = 0.25
    min_concurrency: Count = 3
    max_limit: Count = 1000
    samples: Count = 2048
    shares: tuple[Share, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_shares(self.shares)
        if self.min_concurrency > self.max_limit:
            raise PartError(
                "",
                "min_concurrency",
                f"is {self.min_concurrency!r}, but must be at most max_limit, {self.max_limit!r}",
            )
        if self.samples < self.request_count:
            raise PartError(
                "",
                "samples",
                f"is {self.samples!r}, but must be at least request_count, {self.request_count!r}: "
                "a measurement needs so many at once",
            )

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return controllers that begin to measure."""
        none, zero = [0] * places, [0.0] * places
        return Gradients(
            update_interval=self.update_interval,
            min_rtt_interval=self.min_rtt_interval,
            jitter=self.jitter,
            buffer=self.buffer,
            quantile=self.percentile,
            request_count=self.request_count,
            min_concurrency=self.min_concurrency,
            max_limit=self.max_limit,
            room=self.samples,
            shares=make.floats(self.shares),
            in_flight=make.ints(none),
            limit=make.ints([self.min_concurrency] * places),
            put_by=make.ints([self.min_concurrency] * places),
            min_rtt=make.floats(zero),
            epoch=make.floats([now] * places),
            measure_at=make.floats(zero),
            windows_since=make.floats(zero),
            window=make.ints(none),
            at_minimum=make.ints(none),
            seen=make.ints(none),
            samples=make.floats([0.0] * (places * self.samples)),
            draw=make.floats(zero),
        )
