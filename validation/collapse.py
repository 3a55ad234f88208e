"""The collapse under retries: whether it stays after a pulse, against `theory.retry_collapse`.

A service of ten workers does a hundred attempts a second, whoever waits for them.  Its callers give
an attempt a second, and try three times more.  A pulse of ten seconds leaves far more attempts
waiting than anybody has patience for.  Long after it, the state is read off the last fifth of the
run: *normal* if nine tenths of the requests end well, *collapsed* if less than a tenth do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed

import mesh_lab as ml
from mesh_lab import theory
from mesh_lab.ledger import OK

__all__ = ["CASES", "SEEDS", "Case", "collapse", "state"]

CAPACITY, TIMEOUT, RETRIES = 100.0, 1.0, 3
PULSE_FROM, PULSE_FOR, PULSE_RATE = 20.0, 10.0, 300.0
NEAR = 0.05  # closer than this to a boundary, chance decides
SEEDS = range(1, 21)


@dataclass(frozen=True)
class Case:
    """A load, and what limits its retries.

    Attributes
    ----------
    rate : float
        Requests per second, before and after the pulse.
    budget : float or None
        Of Envoy's retry budget, a share; None: no budget.
    proxies : int
        Callers with a budget of their own, each with a floor of three retries.
    """

    rate: float
    budget: float | None = None
    proxies: int = 1

    @property
    def theory(self) -> theory.RetryCollapse:
        """What theory says."""
        return theory.retry_collapse(
            arrival_rate=self.rate,
            capacity=CAPACITY,
            retries=RETRIES,
            timeout=TIMEOUT,
            budget=self.budget,
            proxies=self.proxies,
        )

    @property
    def expected(self) -> str:
        """The state after the pulse."""
        return "normal" if self.theory.verdict == "stable" else "collapsed"

    @property
    def spare(self) -> float:
        """How fast the backlog of the pulse shrinks, attempts per second; negative if it grows."""
        return CAPACITY - self.theory.collapsed_load

    @property
    def seconds(self) -> float:
        """How long the run has to be for the backlog of the pulse to be gone, if it ever is."""
        # in the pulse, first attempts and retries come at most so fast
        backlog = PULSE_FOR * ((self.rate + PULSE_RATE) * (RETRIES + 1) - CAPACITY)
        after = backlog / self.spare if self.spare > 0.0 else 300.0
        return PULSE_FROM + PULSE_FOR + 2.0 * after + 100.0

    def scenario(self) -> ml.Scenario:
        """Return the service and its callers."""
        until = PULSE_FROM + PULSE_FOR
        pulse = ml.Profile(
            times=(0.0, PULSE_FROM, PULSE_FROM + 1e-6, until, until + 1e-6),
            rates=(self.rate, self.rate, self.rate + PULSE_RATE, self.rate + PULSE_RATE, self.rate),
        )
        budget = None
        if self.budget is not None:
            budget = ml.EnvoyRetryBudget(budget_percent=100.0 * self.budget)
        return ml.Scenario(
            ml.TimeVarying("callers", profile=pulse, to="service"),
            ml.Service(
                "service",
                workers=10,
                service_time=ml.Exponential(mean=10.0 / CAPACITY),
                proxies=self.proxies,
                policy=ml.Policy(per_try_timeout=TIMEOUT, retries=ml.Retries(RETRIES)),
                budget=budget,
            ),
        )


# without a budget the boundaries are 25 and 100 requests a second
CASES = tuple(Case(rate) for rate in (5, 10, 15, 20, 23.5, 27, 35, 50, 65, 80, 94, 110))
# with one of a fifth, 80 and 100; with forty callers, whose floors allow 120 retries a second, 25
CASES += tuple(Case(rate, budget=0.2) for rate in (20.0, 40.0, 60.0, 76.0, 85.0, 94.0))
CASES += tuple(Case(rate, budget=0.2, proxies=40) for rate in (15.0, 20.0, 35.0, 60.0, 80.0))


def state(case: Case, seed: int) -> str:
    """Return the state long after the pulse: normal, collapsed, or between."""
    until = case.seconds
    run = ml.simulate(case.scenario(), until=until, seed=seed)
    columns = run.columns
    late = (columns.made > 0.8 * until) & (columns.made < until - 5.0 * TIMEOUT)
    assert columns.own_outcome is not None
    good = float(np.mean(columns.own_outcome[late] == OK))
    if good > 0.9:
        return "normal"
    return "collapsed" if good < 0.1 else "between"


def collapse(cases: Iterable[Case] = CASES) -> Iterable[tuple[bool, str]]:
    """Yield (whether it is as theory says, a line that says so): titles, then one a case."""
    yield True, ""
    yield True, "## The collapse under retries"
    yield True, ""
    for case in cases:
        states: list[str] = Parallel(n_jobs=-1)(delayed(state)(case, seed) for seed in SEEDS)
        as_said = states.count(case.expected)
        budget = "no budget" if case.budget is None else f"a budget of {case.budget:.0%}"
        yield (
            as_said == len(states),
            f"- {case.rate:g} requests/s, {budget}, {case.proxies} callers: {case.expected} after "
            f"the pulse in {as_said} of {len(states)} runs (theory: {case.theory.verdict}, "
            f"{case.theory.collapsed_load:.0f} attempts/s against {CAPACITY:g})",
        )
