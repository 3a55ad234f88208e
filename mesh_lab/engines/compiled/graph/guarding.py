"""The guards of proxies, in the loop: their own kernels, on the states of all proxies together.

Each family has one state, whose arrays are those of all services, one behind the other.  The
numbers of what a service declares stand in two tables, and come together with the arrays when a
kernel is asked.  What is done here, and in which order, is `mesh_lab.mesh.guards`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ....ledger import CANCELLED, CRASHED, FAILED, OK, OPEN, OVERFLOW, TIMEOUT, UNAVAILABLE
from ....resilience.budget import Budgets
from ....resilience.budget import may_retry as budget_allows
from ....resilience.budget import responded as budget_hears
from ....resilience.budget import retry_ended as budget_back
from ....resilience.budget import sent as budget_sent
from ....resilience.circuit import Circuits
from ....resilience.circuit import admits as circuit_admits
from ....resilience.circuit import cancelled as circuit_cancelled
from ....resilience.circuit import opened_until as circuit_until
from ....resilience.circuit import responded as circuit_hears
from ....resilience.ejecting import responded as ejecting_hears
from ....resilience.limits import KINDS, REQUESTS, RETRIES, InUse, give, take
from ....resilience.outliers import Outliers
from ....resilience.seen import SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL, SEEN_OK

__all__ = [
    "BUDGET",
    "DRAWS",
    "EJECTS",
    "GUARDING",
    "HOLDS",
    "JITTER",
    "LIMITS",
    "PER_ENDPOINT",
    "PER_SERVICE",
    "circuits_of",
    "concluded",
    "given_back",
    "let_in",
    "let_to",
    "may_retry",
    "outliers_of",
]

F = TypeVar("F", bound=Callable[..., Any])

GUARDING: list[Any] = []  # the functions that are compiled
ASKED: dict[Any, Any] = {}  # those that the loop asks, and what they say where nothing is guarded

# what a service declares, as bits
BUDGET, LIMITS, PER_SERVICE, PER_ENDPOINT, EJECTS, DRAWS = 1, 2, 4, 8, 16, 32
HOLDS = BUDGET | LIMITS  # retries are held
BREAKS = PER_SERVICE | PER_ENDPOINT

# the table of a service: what the loop itself wants to know, then the numbers of each family
POOL, CIRCUIT, EACH, EJECTOR, AT_BREAKER, AT_EJECT = range(6)
OF_BUDGET = 6
OF_CIRCUITS = 14
ROOM = OF_CIRCUITS + 7  # that each breaker has for answers
OF_OUTLIERS = 22
WHOLE = 38
REAL_BUDGET, REAL_CIRCUITS, REAL_OUTLIERS = 0, 1, 5
REAL = 9
JITTER = 4
SILENT = -2.0  # nothing has changed; no time is below 0 but minus infinity

# areas of whole numbers, one behind the other; where area k begins stands at place k
TABLE, ACTIVE, BUDGETS, USES, CIRCUITS, OUTLIERS = 0, 1, 2, 8, 11, 21
AREAS = 37
# areas of floats, the first being a table too; where they begin stands behind where those end
UNTIL_CIRCUITS, UNTIL_OUTLIERS = AREAS + 2, AREAS + 3
FIRST = AREAS + 5


def guarding(function: Any) -> Any:
    """Say that `function` is part of the loop."""
    GUARDING.append(function)
    return function


def asked(silent: Callable[..., Any]) -> Callable[[F], F]:
    """Say that a function is asked by the loop; where nothing is guarded `silent` is in its place.

    The guards take about half as long to compile as the loop, and most scenarios have none.
    """

    def decorate(function: F) -> F:
        ASKED[function] = silent
        return function

    return decorate


class Guarded(NamedTuple):
    """The guards of all proxies in two arrays, see the areas."""

    ints: Any
    floats: Any


class Unguarded(NamedTuple):
    """The same, of a scenario without any."""

    ints: Any
    floats: Any


# -- states of one service -----------------------------------------------------------------------


@guarding
def budgets_of(ints: Any, floats: Any, s: int) -> Budgets:
    """Return the budgets with the numbers of service `s`."""
    i = FIRST + s * WHOLE + OF_BUDGET
    return Budgets(
        ints[i],
        ints[i + 1],
        floats[s * REAL + REAL_BUDGET],
        ints[i + 2],
        ints[i + 3],
        ints[i + 4],
        ints[i + 5],
        ints[i + 6],
        ints[i + 7],
        ints[ints[BUDGETS] : ints[BUDGETS + 1]],
        ints[ints[BUDGETS + 1] : ints[BUDGETS + 2]],
        ints[ints[BUDGETS + 2] : ints[BUDGETS + 3]],
        ints[ints[BUDGETS + 3] : ints[BUDGETS + 4]],
        ints[ints[BUDGETS + 4] : ints[BUDGETS + 5]],
        ints[ints[BUDGETS + 5] : ints[BUDGETS + 6]],
    )


@guarding
def uses_of(ints: Any, s: int) -> InUse:
    """Return what is in use, with the limits of service `s`."""
    first = ints[USES] + s * KINDS
    return InUse(
        ints[first : first + KINDS],
        ints[ints[USES + 1] : ints[USES + 2]],
        ints[ints[USES + 2] : ints[USES + 3]],
    )


@guarding
def circuits_of(ints: Any, floats: Any, s: int) -> Circuits:
    """Return the breakers with the numbers of service `s`."""
    i, k = FIRST + s * WHOLE + OF_CIRCUITS, s * REAL + REAL_CIRCUITS
    return Circuits(
        ints[i],
        ints[i + 1],
        ints[i + 2],
        ints[i + 3],
        ints[i + 4],
        ints[i + 5],
        floats[k],
        ints[i + 6],
        floats[k + 1],
        floats[k + 2],
        floats[k + 3],
        ints[ints[CIRCUITS] : ints[CIRCUITS + 1]],
        ints[ints[CIRCUITS + 1] : ints[CIRCUITS + 2]],
        ints[i + 7],  # ROOM
        ints[ints[CIRCUITS + 2] : ints[CIRCUITS + 3]],
        ints[ints[CIRCUITS + 3] : ints[CIRCUITS + 4]],
        ints[ints[CIRCUITS + 4] : ints[CIRCUITS + 5]],
        ints[ints[CIRCUITS + 5] : ints[CIRCUITS + 6]],
        floats[ints[UNTIL_CIRCUITS] : ints[UNTIL_CIRCUITS + 1]],
        ints[ints[CIRCUITS + 6] : ints[CIRCUITS + 7]],
        ints[ints[CIRCUITS + 7] : ints[CIRCUITS + 8]],
        ints[ints[CIRCUITS + 8] : ints[CIRCUITS + 9]],
        ints[ints[CIRCUITS + 9] : ints[CIRCUITS + 10]],
    )


@guarding
def outliers_of(ints: Any, floats: Any, s: int) -> Outliers:
    """Return what is known of outliers, with the numbers of service `s`."""
    i, k = FIRST + s * WHOLE + OF_OUTLIERS, s * REAL + REAL_OUTLIERS
    return Outliers(
        ints[i],
        ints[i + 1],
        ints[i + 2],
        ints[i + 3],
        ints[i + 4],
        ints[i + 5],
        floats[k],
        floats[k + 1],
        ints[i + 6],
        ints[i + 7],
        ints[i + 8],
        ints[i + 9],
        ints[i + 10],
        ints[i + 11],
        floats[k + 2],
        ints[i + 12],
        floats[k + 3],
        ints[i + 13],
        ints[i + 14],
        ints[i + 15],
        ints[ints[OUTLIERS] : ints[OUTLIERS + 1]],
        ints[ints[OUTLIERS + 1] : ints[OUTLIERS + 2]],
        floats[ints[UNTIL_OUTLIERS] : ints[UNTIL_OUTLIERS + 1]],
        ints[ints[OUTLIERS + 2] : ints[OUTLIERS + 3]],
        ints[ints[OUTLIERS + 3] : ints[OUTLIERS + 4]],
        ints[ints[OUTLIERS + 4] : ints[OUTLIERS + 5]],
        ints[ints[OUTLIERS + 5] : ints[OUTLIERS + 6]],
        ints[ints[OUTLIERS + 6] : ints[OUTLIERS + 7]],
        ints[ints[OUTLIERS + 7] : ints[OUTLIERS + 8]],
        ints[ints[OUTLIERS + 8] : ints[OUTLIERS + 9]],
        ints[ints[OUTLIERS + 9] : ints[OUTLIERS + 10]],
        ints[ints[OUTLIERS + 10] : ints[OUTLIERS + 11]],
        ints[ints[OUTLIERS + 11] : ints[OUTLIERS + 12]],
        ints[ints[OUTLIERS + 12] : ints[OUTLIERS + 13]],
        ints[ints[OUTLIERS + 13] : ints[OUTLIERS + 14]],
        ints[ints[OUTLIERS + 14] : ints[OUTLIERS + 15]],
        ints[ints[OUTLIERS + 15] : ints[OUTLIERS + 16]],
    )


@guarding
def circuit_at(ints: Any, bits: int, s: int, p: int, e: int) -> int:
    """Return the breaker that an attempt through pool `p` to endpoint `e` meets."""
    i = FIRST + s * WHOLE
    first = ints[i + CIRCUIT] + (p - ints[i + POOL]) * ints[i + EACH]
    return first + e if bits & PER_ENDPOINT else first  # type: ignore[no-any-return]


@guarding
def seen_as(outcome: int) -> int:
    """Return as what a proxy sees an outcome; see `mesh_lab.mesh.guards.seen`."""
    if outcome == OK:
        return SEEN_OK
    if outcome == FAILED:
        return SEEN_ERROR
    return SEEN_LOCAL if outcome in (UNAVAILABLE, CRASHED, TIMEOUT) else SEEN_GATEWAY


# -- before an attempt ---------------------------------------------------------------------------


@asked(lambda g, bits, s, p, first, now: 0)
def let_in(g: Any, bits: int, s: int, p: int, first: bool, now: float) -> int:
    """Ask the breaker of the service; return what it says, 0 without one, -1 if it refuses."""
    if first and bits & BUDGET:
        budget_sent(budgets_of(g.ints, g.floats, s), p, now)
    if bits & PER_SERVICE:
        passed: int = circuit_admits(
            circuits_of(g.ints, g.floats, s), circuit_at(g.ints, bits, s, p, 0), now
        )
        return passed if passed > 0 else -1
    return 0


@asked(lambda g, bits, s, p, e, passed, now: passed)
def let_to(g: Any, bits: int, s: int, p: int, e: int, passed: int, now: float) -> int:
    """Ask about the endpoint that was picked, -1 for none.

    Returns
    -------
    int
        What the breaker has said; below 0: minus the outcome of an attempt that cannot be sent.
    """
    refused = 0
    if e < 0:
        refused = UNAVAILABLE
    elif bits & LIMITS and take(uses_of(g.ints, s), p, REQUESTS) == 0:
        refused = OVERFLOW
    elif bits & PER_ENDPOINT:
        passed = circuit_admits(
            circuits_of(g.ints, g.floats, s), circuit_at(g.ints, bits, s, p, e), now
        )
        if passed == 0:
            refused = OPEN
            if bits & LIMITS:
                give(uses_of(g.ints, s), p, REQUESTS)
    if refused == 0:
        g.ints[g.ints[ACTIVE] + p] += 1
        return passed
    if bits & PER_SERVICE:
        circuit_cancelled(
            circuits_of(g.ints, g.floats, s), circuit_at(g.ints, bits, s, p, 0), now, passed
        )
    return -refused


# -- after it ------------------------------------------------------------------------------------


@asked(lambda g, u, bits, s, p, e, passed, outcome, now: SILENT)
def concluded(
    g: Any,
    u: Any,
    bits: int,
    s: int,
    p: int,
    e: int,
    passed: int,
    outcome: int,
    now: float,
) -> float:
    """Take in how an attempt has ended, or that nobody waits for it any more.

    Of the draws `u`, those up to `JITTER` are for ejection, that one for the breaker's pause.

    Returns
    -------
    float
        When the endpoint's breaker lets a probe in, if pools may have to be made anew (minus
        infinity if it is closed); otherwise `SILENT`.
    """
    g.ints[g.ints[ACTIVE] + p] -= 1
    changed = False
    saw = seen_as(outcome)
    if bits & LIMITS:
        give(uses_of(g.ints, s), p, REQUESTS)
    if outcome != CANCELLED:
        if bits & BUDGET:
            budget_hears(budgets_of(g.ints, g.floats, s), p, saw)
        if bits & EJECTS:
            i = FIRST + s * WHOLE
            mine = g.ints[i + EJECTOR] + p - g.ints[i + POOL]
            changed = ejecting_hears(outliers_of(g.ints, g.floats, s), mine, e, now, saw, u) == 1
    if bits & BREAKS:
        circuits, at = circuits_of(g.ints, g.floats, s), circuit_at(g.ints, bits, s, p, e)
        if outcome == CANCELLED:
            turned = circuit_cancelled(circuits, at, now, passed)
        else:
            turned = circuit_hears(circuits, at, now, saw, u[JITTER])
        if bits & PER_ENDPOINT and (changed or turned != 0):
            return circuit_until(circuits, at)
    return -1.0 if changed else SILENT


# -- retries -------------------------------------------------------------------------------------


@asked(lambda g, bits, s, p, now: True)
def may_retry(g: Any, bits: int, s: int, p: int, now: float) -> bool:
    """Take a retry out of the budget, or out of the limit of retries where there is none."""
    if bits & BUDGET:
        # the attempt that has just failed still counts, as in `mesh_lab.mesh.guards`
        return (
            budget_allows(
                budgets_of(g.ints, g.floats, s), p, now, g.ints[g.ints[ACTIVE] + p] + 1, 0
            )
            == 1
        )
    return take(uses_of(g.ints, s), p, RETRIES) == 1


@asked(lambda g, bits, s, p: None)
def given_back(g: Any, bits: int, s: int, p: int) -> None:
    """Give a retry back."""
    if bits & BUDGET:
        budget_back(budgets_of(g.ints, g.floats, s), p)
    else:
        give(uses_of(g.ints, s), p, RETRIES)
