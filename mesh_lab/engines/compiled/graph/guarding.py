"""The guards of proxies, in the loop: their own kernels, on the states of all proxies together.

Each family has one state, whose arrays are those of all services, one behind the other.  The
numbers of what a service declares stand in two tables, and come together with the arrays when a
kernel is asked.  What is done here, and in which order, is `mesh_lab.mesh.guards`.
"""

from __future__ import annotations

from typing import Any

from ....balancing.rule import kernel
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
from .world import Guards

__all__ = [
    "BUDGET",
    "DRAWS",
    "EJECTS",
    "GUARDING",
    "HOLDS",
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

GUARDING: list[Any] = []  # the functions that are compiled

# what a service declares, as bits
BUDGET, LIMITS, PER_SERVICE, PER_ENDPOINT, EJECTS, DRAWS = 1, 2, 4, 8, 16, 32
HOLDS = BUDGET | LIMITS  # retries are held
BREAKS = PER_SERVICE | PER_ENDPOINT

# the tables: where the numbers of each family begin, after what the loop itself wants to know
POOL, CIRCUIT, EACH, EJECTOR, AT_BREAKER, AT_EJECT = range(6)
OF_BUDGET = 6
OF_CIRCUITS = 14
OF_OUTLIERS = 22
WHOLE = 38
REAL_BUDGET, REAL_CIRCUITS, REAL_OUTLIERS = 0, 1, 5
REAL = 9
SILENT = -2.0  # nothing has changed; no time is below 0 but minus infinity


def guarding(function: Any) -> Any:
    """Say that `function` is part of the loop."""
    GUARDING.append(function)
    return function


# -- states of one service -----------------------------------------------------------------------


@kernel
def budgets_of(g: Guards, s: int) -> Budgets:
    """Return the budgets with the numbers of service `s`."""
    b, w, i = g.budgets, g.whole, s * WHOLE + OF_BUDGET
    return Budgets(
        w[i],
        w[i + 1],
        g.real[s * REAL + REAL_BUDGET],
        w[i + 2],
        w[i + 3],
        w[i + 4],
        w[i + 5],
        w[i + 6],
        w[i + 7],
        b.retries,
        b.tokens,
        b.began,
        b.place,
        b.current,
        b.past,
    )


@kernel
def uses_of(g: Guards, s: int) -> InUse:
    """Return what is in use, with the limits of service `s`."""
    at_most = g.uses.at_most[s * KINDS : (s + 1) * KINDS]
    return InUse(at_most, g.uses.held, g.uses.overflowed)


@kernel
def circuits_of(g: Guards, s: int) -> Circuits:
    """Return the breakers with the numbers of service `s`."""
    b, w, x = g.circuits, g.whole, g.real
    i, k = s * WHOLE + OF_CIRCUITS, s * REAL + REAL_CIRCUITS
    return Circuits(
        w[i],
        w[i + 1],
        w[i + 2],
        w[i + 3],
        w[i + 4],
        w[i + 5],
        x[k],
        w[i + 6],
        x[k + 1],
        x[k + 2],
        x[k + 3],
        b.actions,
        b.leads_to,
        w[i + 7],
        b.state,
        b.probes,
        b.trips,
        b.period,
        b.until,
        b.failed,
        b.filled,
        b.cursor,
        b.recent,
    )


@kernel
def outliers_of(g: Guards, s: int) -> Outliers:
    """Return what is known of outliers, with the numbers of service `s`."""
    b, w, x = g.outliers, g.whole, g.real
    i, k = s * WHOLE + OF_OUTLIERS, s * REAL + REAL_OUTLIERS
    return Outliers(
        w[i],
        w[i + 1],
        w[i + 2],
        w[i + 3],
        w[i + 4],
        w[i + 5],
        x[k],
        x[k + 1],
        w[i + 6],
        w[i + 7],
        w[i + 8],
        w[i + 9],
        w[i + 10],
        w[i + 11],
        x[k + 2],
        w[i + 12],
        x[k + 3],
        w[i + 13],
        w[i + 14],
        w[i + 15],
        b.member,
        b.ejected,
        b.until,
        b.multiplier,
        b.errors,
        b.gateways,
        b.total,
        b.good,
        b.why,
        b.back_at,
        b.in_use,
        b.members,
        b.active,
        b.sweeps,
        b.changed,
        b.became,
        b.tally,
    )


@kernel
def circuit_at(g: Guards, bits: int, s: int, p: int, e: int) -> int:
    """Return the breaker that an attempt through pool `p` to endpoint `e` meets."""
    w, i = g.whole, s * WHOLE
    first = w[i + CIRCUIT] + (p - w[i + POOL]) * w[i + EACH]
    return first + e if bits & PER_ENDPOINT else first  # type: ignore[no-any-return]


@kernel
def seen_as(outcome: int) -> int:
    """Return as what a proxy sees an outcome; see `mesh_lab.mesh.guards.seen`."""
    if outcome == OK:
        return SEEN_OK
    if outcome == FAILED:
        return SEEN_ERROR
    if outcome in (UNAVAILABLE, CRASHED, TIMEOUT):
        return SEEN_LOCAL
    return SEEN_GATEWAY


# -- before an attempt ---------------------------------------------------------------------------


@guarding
def let_in(g: Guards, bits: int, s: int, p: int, first: bool, now: float) -> int:
    """Ask the breaker of the service; return what it says, 0 without one, -1 if it refuses."""
    if first and bits & BUDGET:
        budget_sent(budgets_of(g, s), p, now)
    if bits & PER_SERVICE:
        passed: int = circuit_admits(circuits_of(g, s), circuit_at(g, bits, s, p, 0), now)
        return passed if passed > 0 else -1
    return 0


@guarding
def let_to(g: Guards, bits: int, s: int, p: int, e: int, passed: int, now: float) -> int:
    """Ask about the endpoint that was picked, -1 for none.

    Returns
    -------
    int
        What the breaker has said; below 0: minus the outcome of an attempt that cannot be sent.
    """
    refused = 0
    if e < 0:
        refused = UNAVAILABLE
    elif bits & LIMITS and take(uses_of(g, s), p, REQUESTS) == 0:
        refused = OVERFLOW
    elif bits & PER_ENDPOINT:
        passed = circuit_admits(circuits_of(g, s), circuit_at(g, bits, s, p, e), now)
        if passed == 0:
            refused = OPEN
            if bits & LIMITS:
                give(uses_of(g, s), p, REQUESTS)
    if refused == 0:
        g.active[p] += 1
        return passed
    if bits & PER_SERVICE:
        circuit_cancelled(circuits_of(g, s), circuit_at(g, bits, s, p, 0), now, passed)
    return -refused


# -- after it ------------------------------------------------------------------------------------


@guarding
def concluded(
    g: Guards,
    bits: int,
    s: int,
    p: int,
    e: int,
    now: float,
    outcome: int,
    passed: int,
    u: Any,
    jitter: float,
) -> float:
    """Take in how an attempt has ended, or that nobody waits for it any more.

    Returns
    -------
    float
        When the endpoint's breaker lets a probe in, if pools may have to be made anew (minus
        infinity if it is closed); otherwise `SILENT`.
    """
    g.active[p] -= 1
    changed = False
    saw = seen_as(outcome)
    if bits & LIMITS:
        give(uses_of(g, s), p, REQUESTS)
    if outcome != CANCELLED:
        if bits & BUDGET:
            budget_hears(budgets_of(g, s), p, saw)
        if bits & EJECTS:
            i = s * WHOLE
            mine = g.whole[i + EJECTOR] + p - g.whole[i + POOL]
            changed = ejecting_hears(outliers_of(g, s), mine, e, now, saw, u) == 1
    if bits & BREAKS:
        circuits, at = circuits_of(g, s), circuit_at(g, bits, s, p, e)
        if outcome == CANCELLED:
            turned = circuit_cancelled(circuits, at, now, passed)
        else:
            turned = circuit_hears(circuits, at, now, saw, jitter)
        if bits & PER_ENDPOINT and (changed or turned != 0):
            return circuit_until(circuits, at)  # type: ignore[no-any-return]
    return -1.0 if changed else SILENT


# -- retries -------------------------------------------------------------------------------------


@guarding
def may_retry(g: Guards, bits: int, s: int, p: int, now: float) -> bool:
    """Take a retry out of the budget, or out of the limit of retries where there is none."""
    if bits & BUDGET:
        return budget_allows(budgets_of(g, s), p, now, g.active[p], 0) == 1  # type: ignore[no-any-return]
    return take(uses_of(g, s), p, RETRIES) == 1  # type: ignore[no-any-return]


@guarding
def given_back(g: Guards, bits: int, s: int, p: int) -> None:
    """Give a retry back."""
    if bits & BUDGET:
        budget_back(budgets_of(g, s), p)
    else:
        give(uses_of(g, s), p, RETRIES)
