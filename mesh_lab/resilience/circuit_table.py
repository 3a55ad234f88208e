"""A circuit breaker as a table: in which state, what event does what, and where that leads.

=========  ==================================  ====================  =========
state      event                               what is done          then
=========  ==================================  ====================  =========
closed     a request asks                      let it in             closed
closed     an answer, nothing to conclude yet  -                     closed
closed     an answer, and all is well          -                     closed
closed     an answer, and too many were bad    shut for the pause    open
closed     the pause is over                   -                     closed
closed     an attempt was cancelled            -                     closed
open       a request asks                      refuse it             open
open       an answer, nothing to conclude yet  -                     open
open       an answer, and all is well          -                     open
open       an answer, and too many were bad    -                     open
open       the pause is over                   hand out probes       half-open
open       an attempt was cancelled            -                     open
half-open  a request asks                      let it in as a probe  half-open
half-open  an answer, nothing to conclude yet  -                     half-open
half-open  an answer, and all is well          forget the past       closed
half-open  an answer, and too many were bad    shut for the pause    open
half-open  the pause is over                   -                     half-open
half-open  an attempt was cancelled            take the probe back   half-open
=========  ==================================  ====================  =========

The kernels of `mesh_lab.resilience.circuit` do what `TABLE` says, and `documented` prints it.
In the half-open state a request is refused when no probe is left.
"""

from __future__ import annotations

__all__ = [
    "ACTIONS",
    "ASKED",
    "CANCELLED",
    "CLOSED",
    "EVENTS",
    "FORGET",
    "HALF_OPEN",
    "LET_IN",
    "NOTHING",
    "OPEN",
    "PROBE",
    "REFUSE",
    "SHUT",
    "STATES",
    "TABLE",
    "TAKE_BACK",
    "TOO_BAD",
    "TRY",
    "UNDECIDED",
    "WAITED",
    "WELL",
    "documented",
]

CLOSED, OPEN, HALF_OPEN = 0, 1, 2
STATES = ("closed", "open", "half-open")

ASKED, UNDECIDED, WELL, TOO_BAD, WAITED, CANCELLED = 0, 1, 2, 3, 4, 5
EVENTS = (
    "a request asks",
    "an answer, nothing to conclude yet",
    "an answer, and all is well",
    "an answer, and too many were bad",
    "the pause is over",
    "an attempt was cancelled",
)

NOTHING, LET_IN, REFUSE, PROBE, SHUT, TRY, FORGET, TAKE_BACK = 0, 1, 2, 3, 4, 5, 6, 7
ACTIONS = (
    "-",
    "let it in",
    "refuse it",
    "let it in as a probe",
    "shut for the pause",
    "hand out probes",
    "forget the past",
    "take the probe back",
)

TABLE = {
    (CLOSED, ASKED): (LET_IN, CLOSED),
    (CLOSED, UNDECIDED): (NOTHING, CLOSED),
    (CLOSED, WELL): (NOTHING, CLOSED),
    (CLOSED, TOO_BAD): (SHUT, OPEN),
    (CLOSED, WAITED): (NOTHING, CLOSED),
    (CLOSED, CANCELLED): (NOTHING, CLOSED),
    (OPEN, ASKED): (REFUSE, OPEN),
    (OPEN, UNDECIDED): (NOTHING, OPEN),
    (OPEN, WELL): (NOTHING, OPEN),
    (OPEN, TOO_BAD): (NOTHING, OPEN),
    (OPEN, WAITED): (TRY, HALF_OPEN),
    (OPEN, CANCELLED): (NOTHING, OPEN),
    (HALF_OPEN, ASKED): (PROBE, HALF_OPEN),
    (HALF_OPEN, UNDECIDED): (NOTHING, HALF_OPEN),
    (HALF_OPEN, WELL): (FORGET, CLOSED),
    (HALF_OPEN, TOO_BAD): (SHUT, OPEN),
    (HALF_OPEN, WAITED): (NOTHING, HALF_OPEN),
    (HALF_OPEN, CANCELLED): (TAKE_BACK, HALF_OPEN),
}


def documented() -> str:
    """Return the table in force, as it stands in this module's docstring."""
    head = ("state", "event", "what is done", "then")
    rows = [
        (STATES[state], EVENTS[event], ACTIONS[action], STATES[then])
        for (state, event), (action, then) in TABLE.items()
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(4)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join((rule, lines[0], rule, *lines[1:], rule))
