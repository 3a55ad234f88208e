"""Balancers against theory: what each must agree on within three standard errors.

Where theory is a limit of many servers, few servers are held against the solved Markov chain and
many against the limit with its correction; nothing is given more room than the samples need.
Every rule has a wrong twin, which the same comparison must tell apart from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed

import mesh_lab as ml
from mesh_lab import theory
from mesh_lab.balancing import Balancer

__all__ = ["DEALT", "LOADS", "Dealt", "Means", "balancing", "means"]

LOADS = (0.5, 0.8, 0.95)
STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class Dealt:
    """Servers with a queue each, and who deals the requests of one Poisson stream to them.

    Attributes
    ----------
    rule, wrong : Balancer
        The rule, and one that differs from it in one thing.
    theory : str
        The function of `mesh_lab.theory`.
    how : dict
        What that is told besides rates and servers.
    warmup : float
        Seconds (mean service times) that are not counted.
    requests, replications : int
        How many in each replication, and how many of these.
    """

    name: str
    servers: int
    rule: Balancer
    wrong: Balancer
    theory: str
    how: dict[str, object]
    warmup: float = 5_000.0
    requests: int = 400_000
    replications: int = 40

    def expected(self, load: float) -> float:
        """The mean response of theory, in mean service times."""
        known = getattr(theory, self.theory)(
            arrival_rate=load * self.servers, service_rate=1.0, servers=self.servers, **self.how
        )
        refined = getattr(known, "refined_response", None)
        return float(known.response if refined is None else refined)

    def scenario(self, load: float, *, factor: float = 1.0, wrong: bool = False) -> ml.Scenario:
        """The same in the simulator; `factor` and `wrong` plant an error."""
        return ml.Scenario(
            ml.Poisson("a", rate=load * self.servers, to="s"),
            ml.Service(
                "s",
                replicas=self.servers,
                service_time=ml.Exponential(mean=factor),
                balancer=self.wrong if wrong else self.rule,
            ),
        )


def _shortest(servers: int) -> Dealt:
    rule, wrong = ml.JoinShortestQueue(), ml.PowerOfD(choices=2, replacement=True)
    return Dealt(
        f"join shortest queue of {servers}", servers, rule, wrong, "join_shortest_queue", {}
    )


def _of_three(replacement: bool) -> Dealt:
    return Dealt(
        f"power of 2 of 3{', with replacement' if replacement else ''}",
        3,
        ml.PowerOfD(choices=2, replacement=replacement),
        ml.PowerOfD(choices=2, replacement=not replacement),
        "join_shortest_queue",
        {"choices": 2, "replacement": replacement},
    )


def _of_many(choices: int) -> Dealt:
    return Dealt(
        f"power of {choices} of 1,000",
        1_000,
        ml.PowerOfD(choices=choices),
        ml.PowerOfD(choices=5 - choices),
        "power_of_d",
        {"choices": choices},
        warmup=300.0,
        requests=1_500_000,
        replications=20,
    )


DEALT = [
    Dealt("random of 10", 10, ml.Random(), ml.RoundRobin(), "random_split", {}),
    Dealt("round robin of 10", 10, ml.RoundRobin(), ml.Random(), "round_robin", {}),
    _shortest(2),
    _shortest(3),
    _shortest(4),
    _of_three(replacement=False),
    _of_three(replacement=True),
    _of_many(2),
    _of_many(3),
]


@dataclass(frozen=True)
class Means:
    """Mean responses of replications: their mean, and its standard error."""

    mean: float
    error: float

    def off(self, expected: float) -> float:
        """How many standard errors the mean is away from what theory says."""
        return (self.mean - expected) / self.error


def means(
    dealt: Dealt,
    load: float,
    *,
    factor: float = 1.0,
    wrong: bool = False,
    replications: int | None = None,
    requests: int | None = None,
    jobs: int = 1,
) -> Means:
    """Run replications (seeds 1, 2, ...) and return what they measured."""
    measured = Parallel(n_jobs=jobs)(
        delayed(_mean_of)(dealt, load, factor, wrong, requests or dealt.requests, seed)
        for seed in range(1, (replications or dealt.replications) + 1)
    )
    values = np.array(measured)
    return Means(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)))


def _mean_of(
    dealt: Dealt, load: float, factor: float, wrong: bool, requests: int, seed: int
) -> float:
    scenario = dealt.scenario(load, factor=factor, wrong=wrong)
    run = ml.simulate(scenario, requests=requests, seed=seed, warmup=dealt.warmup)
    return float(np.mean(run.latencies("a")))


def balancing() -> Iterable[tuple[bool, str]]:
    """Yield the lines about balancers, each with whether it is as it should be."""
    yield True, ""
    yield True, "## Balancers against theory"
    yield True, ""
    yield (
        True,
        f"Mean response over {DEALT[0].replications} replications of {DEALT[0].requests:,} "
        f"requests ({DEALT[-1].replications} of {DEALT[-1].requests:,} for 1,000 servers), in mean "
        "service times, and how many standard errors it is off. The last columns: how many it is "
        "off in 5 replications with service times 3 % longer, and in as many as before with a "
        "wrong rule; above 3, the error is found. The rules share their random numbers, so that "
        "at one load they are off to the same side.",
    )
    yield True, ""
    yield (
        True,
        "| rule | load | theory | simulation | off | 3 % longer | wrong rule | as it should |",
    )
    yield True, "|---|---|---|---|---|---|---|---|"
    for dealt in DEALT:
        for load in LOADS:
            expected = dealt.expected(load)
            found = means(dealt, load, jobs=-1)
            off = found.off(expected)
            longer = means(dealt, load, factor=1.03, replications=5, jobs=-1).off(expected)
            wrong = means(dealt, load, wrong=True, jobs=-1).off(expected)
            fine = abs(off) <= STANDARD_ERRORS < min(abs(longer), abs(wrong))
            yield (
                fine,
                f"| {dealt.name} | {load} | {expected:.5f} | {found.mean:.5f} ± {found.error:.5f} "
                f"| {off:+.2f} | {longer:+.0f} | {wrong:+.0f} | {'yes' if fine else '**no**'} |",
            )
