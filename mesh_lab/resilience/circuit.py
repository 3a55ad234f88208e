"""A circuit breaker at work: what it lets in, what it makes of answers, and when it opens again.

Which state follows on what is in the table of `mesh_lab.resilience.circuit_table`.  What
follows from an answer is for one of two rules to say:

* Consecutive failures, as Linkerd (``consecutive_failures.rs``): so many in a row are too many; a
  probe that fails is one too many.  The pause is twice as long after each probe that failed.
* Failure rate, as resilience4j (``CircuitBreakerMetrics.java``): of the last answers, once there
  are enough of them, this share is too much; in the half-open state, of the answers since then.

As in both sources, *any* answer that comes in the half-open state counts, also one to a request
that was sent long before.  Unlike in Linkerd, where a probe that is dropped before its answer
leaves the breaker waiting, a cancelled probe can be had again; and a probe that nobody asked for
does not add to those of the next half-open state.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..balancing.rule import Floats, Ints, kernel, kernels
from .circuit_table import (
    ASKED,
    CANCELLED,
    CLOSED,
    EVENTS,
    FORGET,
    HALF_OPEN,
    OPEN,
    PROBE,
    REFUSE,
    SHUT,
    TAKE_BACK,
    TOO_BAD,
    TRY,
    UNDECIDED,
    WAITED,
    WELL,
)
from .seen import SEEN_OK

__all__ = [
    "CONSECUTIVE",
    "RATE",
    "Circuits",
    "admits",
    "cancelled",
    "circuit_of",
    "opened_until",
    "ready",
    "responded",
]

KINDS_OF_EVENT = len(EVENTS)
CONSECUTIVE, RATE = 0, 1  # the rules


@kernel
def circuit_of(s: Circuits, p: int, e: int) -> int:
    """Return the number of the circuit of proxy `p` that guards endpoint `e`."""
    return p * s.endpoints + (e if s.endpoints > 1 else 0)


@kernel
def pause_of(s: Circuits, at: int, u: float) -> float:
    """Return how long to shut: doubled for each time since it was closed, plus jitter."""
    pause = s.shortest
    doubled = 0
    while doubled < s.trips[at] and pause < s.longest:
        pause *= 2.0
        doubled += 1
    if pause > s.longest:
        pause = s.longest
    more = u * s.jitter * pause
    if more > s.longest - pause:
        more = s.longest - pause
    return pause + more


@kernel
def happens(s: Circuits, at: int, event: int, now: float, u: float) -> int:
    """Do what the table says about an event, and return the action."""
    place = s.state[at] * KINDS_OF_EVENT + event
    action: int = s.actions[place]
    if action == PROBE and s.probes[at] == 0:
        return REFUSE
    s.state[at] = s.leads_to[place]
    if action == PROBE:
        s.probes[at] -= 1
    elif action == TAKE_BACK:
        s.probes[at] += 1
    elif action in (SHUT, TRY, FORGET):
        s.failed[at] = 0
        s.filled[at] = 0
        s.cursor[at] = 0
        if action == SHUT:
            s.until[at] = now + pause_of(s, at, u)
            s.trips[at] += 1
        elif action == TRY:
            s.probes[at] = s.probes_each
            s.period[at] += 1
        else:
            s.until[at] = -math.inf
            s.trips[at] = 0
    return action


@kernel
def conclusion(s: Circuits, at: int, bad: int) -> int:
    """Count an answer, and return the event that it is."""
    if s.state[at] == OPEN:
        return UNDECIDED
    half = s.state[at] == HALF_OPEN
    if s.kind == CONSECUTIVE:
        if bad == 0:
            s.failed[at] = 0
            return WELL
        s.failed[at] += 1
        return TOO_BAD if half or s.failed[at] >= s.limit else UNDECIDED
    size = s.probes_each if half else s.window
    place = at * s.room + s.cursor[at]
    if s.filled[at] == size:
        s.failed[at] -= s.recent[place]
    else:
        s.filled[at] += 1
    s.recent[place] = bad
    s.failed[at] += bad
    s.cursor[at] = s.cursor[at] + 1 if s.cursor[at] + 1 < size else 0
    if s.filled[at] < min(s.minimum, size):
        return UNDECIDED
    return TOO_BAD if s.failed[at] * 100.0 >= s.percent * s.filled[at] else WELL


@kernel
def ready(s: Circuits, at: int, now: float) -> int:
    """Return 1 if a request that asked now would be let in; nothing is changed."""
    if s.state[at] == CLOSED:
        return 1
    if s.state[at] == OPEN:
        return 1 if now >= s.until[at] else 0
    return 1 if s.probes[at] > 0 else 0


@kernel
def admits(s: Circuits, at: int, now: float) -> int:
    """Let a request in or not.

    Returns
    -------
    int
        0: refused; 1: let in; 2 and more: let in as a probe, in the half-open state of this number,
        which `cancelled` wants to know.
    """
    if s.state[at] == OPEN and now >= s.until[at]:
        happens(s, at, WAITED, now, 0.0)
    action = happens(s, at, ASKED, now, 0.0)
    if action == REFUSE:
        return 0
    return s.period[at] if action == PROBE else 1


@kernel
def responded(s: Circuits, at: int, now: float, saw: int, u: float) -> int:
    """Take in what was seen of an attempt that was let in.

    `u` is a uniform draw for the jitter of a pause, see `Breaker.draws`.

    Returns
    -------
    int
        1 if this has opened the breaker, until `opened_until`; 2 if it has closed it; otherwise 0.
    """
    if s.automatic == 1 and s.state[at] == OPEN and now >= s.until[at]:
        happens(s, at, WAITED, now, 0.0)
    action = happens(s, at, conclusion(s, at, 0 if saw == SEEN_OK else 1), now, u)
    if action == SHUT:
        return 1
    return 2 if action == FORGET else 0


@kernel
def cancelled(s: Circuits, at: int, now: float, passed: int) -> int:
    """Take back an attempt that will not be answered; `passed` is what `admits` had returned.

    Returns
    -------
    int
        1 if another request can be the probe now; otherwise 0.
    """
    if passed < 2 or passed != s.period[at]:
        return 0  # no probe, or one of an earlier half-open state
    return 1 if happens(s, at, CANCELLED, now, 0.0) == TAKE_BACK else 0


@kernel
def opened_until(s: Circuits, at: int) -> float:
    """Return when an open breaker will let a probe in; minus infinity if it is closed."""
    return s.until[at]  # type: ignore[no-any-return]


@kernels(ready=ready, admits=admits, responded=responded, cancelled=cancelled)
class Circuits(NamedTuple):
    """The breakers, one for each pair of proxy and endpoint or one a proxy, and their numbers.

    Attributes
    ----------
    endpoints : int
        How many circuits a proxy has: all endpoints', or 1.
    kind : int
        The rule: `CONSECUTIVE` or `RATE`.
    automatic : int
        1 if an answer that comes when the pause is over finds the half-open state; 0 if that state
        waits for a request.
    limit, window, minimum : ints
        Failures in a row; answers that are looked at, and how many there must be.
    percent : float
        The share of failures that is too much.
    probes_each : int
        How many probes a half-open state hands out.
    shortest, longest, jitter : float
        The first pause and the longest one in seconds; by what part of itself it may be longer.
    actions, leads_to : ints
        The table, at ``state * 6 + event``.
    room : int
        How many answers `recent` has for each circuit.
    state, probes, trips, period : ints
        Of each circuit the state; how many probes are left; how often it was shut since it was
        closed; how many times it has been half-open, plus 1.
    until : floats
        When the pause is over; minus infinity for one that is closed.
    failed, filled, cursor, recent : ints
        Bad answers in a row, or of those looked at; how many those are; the place of the next one,
        and the answers themselves, 1 being bad.
    """

    endpoints: int
    kind: int
    automatic: int
    limit: int
    window: int
    minimum: int
    percent: float
    probes_each: int
    shortest: float
    longest: float
    jitter: float
    actions: Ints
    leads_to: Ints
    room: int
    state: Ints
    probes: Ints
    trips: Ints
    period: Ints
    until: Floats
    failed: Ints
    filled: Ints
    cursor: Ints
    recent: Ints
