"""Random service graphs: who calls whom, by which policies, through which balancers, under strain.

Seed 1, 2, 3, ... gives scenario 1, 2, 3, ...; even ones live on a lattice of times, where answers,
timeouts, pauses, hedges and arrivals meet in the same instant all the time.  One in four runs in
*cramped* quarters: the draws come a few at a time and the tables begin with a few places, so that
a short run meets every border that a long one meets (`tests.compare_graph`).

The rules of the services come in `MIXES`, which take turns: a loop is compiled for each.  For a
further field of a policy, or of a service, put another function into `tests.policies_graph.POLICY`
or into `SERVICE`, and its words into `tests.features_graph`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any

import mesh_lab as ml
from mesh_lab import balancing
from mesh_lab.engines.compiled.graph.tables import DISCIPLINES
from mesh_lab.stations.calls import all_calls
from tests.policies_graph import Policies
from tests.scenarios import Case

# the rules of services, in the order in which services are declared; the others take one of them
MIXES: tuple[tuple[str, ...], ...] = (
    ("RoundRobin", "LeastRequest", "PeakEwma"),
    ("Random",),
    ("LeastRequest of all", "RoundRobin by weight"),
    ("LeastRequest by weight", "C3"),
    ("LeastConnections", "FirstAvailable"),
    ("SmoothRoundRobin", "StaticStride"),
    ("WeightedRandom", "IptablesChain"),
    ("LeastRequest, distinct", "LeastRequest of all by weight"),
    ("LeastRequest", "LeastRequest, three"),
)
RULES: dict[str, Callable[[], balancing.Balancer]] = {
    "C3": balancing.C3,
    "FirstAvailable": lambda: balancing.FirstAvailable(limit=2),
    "IptablesChain": balancing.IptablesChain,
    "LeastConnections": balancing.LeastConnections,
    "LeastRequest": balancing.LeastRequest,
    "LeastRequest, three": lambda: balancing.LeastRequest(choices=3),
    "LeastRequest, distinct": lambda: balancing.LeastRequest(choices=3, replacement=False),
    "LeastRequest of all": lambda: balancing.LeastRequest(choices="all"),
    "LeastRequest by weight": lambda: balancing.LeastRequest(active_bias=0.5),
    "LeastRequest of all by weight": lambda: balancing.LeastRequest(choices="all"),
    "PeakEwma": lambda: balancing.PeakEwma(decay=2.0, default_rtt=1.0),
    "Random": balancing.Random,
    "RoundRobin": balancing.RoundRobin,
    "RoundRobin by weight": lambda: balancing.RoundRobin(start=3),
    "SmoothRoundRobin": balancing.SmoothRoundRobin,
    "StaticStride": lambda: balancing.StaticStride(start=5),
    "WeightedRandom": balancing.WeightedRandom,
}
ALIKE = (  # other weights would make another rule of them
    *("RoundRobin", "LeastRequest", "LeastRequest, three", "LeastRequest, distinct"),
    "LeastRequest of all",
)
WHOLE = ("SmoothRoundRobin",)  # takes whole weights only
ROWS = 1500  # attempts of a scenario, or so


class Graph(Policies):
    """Makes the parts of one scenario."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.rng = random.Random(f"graph {seed}")
        self.step = 0.25
        self.mix = MIXES[mix_of(seed)]
        self.carrying = self.chance(0.08)
        self.hasty = self.chance(0.5)
        self.straight = self.chance(0.12)  # a long chain

    # -- who calls whom ------------------------------------------------------------------------

    def steps(self, ahead: list[str]) -> tuple[Any, ...]:
        """Return the calls of a service to those in `ahead`, the nearest first."""
        if not ahead:
            return ()
        shape = self.rng.random()
        if shape < 0.3 or self.straight:
            return (self.call(ahead[0]),)
        if shape < 0.4 and len(ahead) > 1:  # half of a diamond
            return (ml.Parallel((self.call(ahead[0]), self.call(ahead[1]))),)
        if shape < 0.5:
            return (self.call(ahead[0]), self.call(ahead[0]))
        near = ahead[:3]
        found: list[Any] = []
        for _ in range(self.rng.choice((0, 1, 1, 2, 3))):
            if self.chance(0.4):
                many = self.rng.randint(1, 3)
                found.append(ml.Parallel(tuple(self.call(self.some(*near)) for _ in range(many))))
            else:
                found.append(self.call(self.some(*near)))
        return tuple(found)

    def call(self, name: str) -> Any:
        """Return the call of a service: its name, or more."""
        if self.chance(0.35):
            return name
        return ml.Call(
            name,
            probability=self.some(1.0, 1.0, 0.7, 0.3, 0.0 if self.chance(0.2) else 0.5),
            optional=self.chance(0.3),
            policy=self.policy(self.spans[name]) if self.chance(0.4) else None,
        )

    # -- services ------------------------------------------------------------------------------

    def service(self, name: str, rule: str, ahead: list[str], share: float) -> ml.Service:
        """Return a service that about `share` attempts come to for each request of a source."""
        fields: dict[str, Any] = self.endpoints(name, rule)
        count = len(fields.get("endpoints", ())) or fields["replicas"]
        workers = self.rng.choice((1, 1, 2, 3))
        mean = min(self.rng.uniform(0.3, 1.3) * workers * count / share, 4.0)
        self.spans[name] = 1.5 * mean
        calls = self.steps(ahead)
        if calls:
            self.spans[name] += max(self.spans[call.service] for call in all_calls(calls))
        for make in SERVICE:
            fields |= make(self, bool(calls), self.spans[name])
        carries = self.carrying and self.chance(0.6)
        return ml.Service(
            name,
            workers=workers,
            service_time=None if carries else self.time(mean),
            balancer=RULES[rule](),
            calls=calls,
            **fields,
        )

    def endpoints(self, name: str, rule: str) -> dict[str, Any]:
        """Return the fields that say which endpoints there are."""
        weighted = rule.endswith("by weight")
        count = self.rng.randint(2 if weighted else 1, 4)
        if not weighted and self.chance(0.4):
            return {"replicas": count}
        weights = [1.0] * count
        if rule not in ALIKE and (weighted or self.chance(0.6)):
            whole = rule in WHOLE or self.chance(0.5)
            weights = [
                float(self.rng.randint(1, 4)) if whole else self.rng.uniform(0.2, 4.0)
                for _ in range(count)
            ]
            if weighted and len(set(weights)) == 1:
                weights[0] += 1.0
        speeds = (1.0, 2.0, 0.5) if self.lattice else (1.0, 0.7, 1.9)
        uneven = self.chance(0.5)
        return {
            "endpoints": tuple(
                ml.Endpoint(
                    f"{name}-{i}", weight=weight, speed=self.rng.choice(speeds) if uneven else 1.0
                )
                for i, weight in enumerate(weights)
            )
        }

    def waiting(self, calling: bool, span: float) -> dict[str, Any]:
        """Return who waits, how many may, and who is next."""
        capacity = self.some(None, None, 0, 1, 2, 4)
        return {"discipline": self.rng.choice(tuple(DISCIPLINES)), "capacity": capacity}

    def serving(self, calling: bool, span: float) -> dict[str, Any]:
        """Return how it works, and fails."""
        fields: dict[str, Any] = {"failure": self.some(0.0, 0.0, 0.1, 0.3)}
        if calling and self.chance(0.5):
            fields["mode"] = "async"
            fields["concurrency"] = self.some(None, 1, 2, 4)
        return fields

    def around(self, calling: bool, span: float) -> dict[str, Any]:
        """Return the ways there and back, and the proxies."""
        delays = [
            self.some(None, None, 0.0, self.moment(0.1, 1.5), lambda: self.time(0.7))
            for _ in range(2)
        ]
        return {
            "forward_delay": delays[0],
            "return_delay": delays[1],
            "proxies": self.rng.choice((1, 1, 2, 3)),
        }

    def caring(self, calling: bool, span: float) -> dict[str, Any]:
        """Return how it is called, and what it does for callers that have left."""
        fields: dict[str, Any] = {"cancelled": self.some("finish", "skip", "stop")}
        if self.chance(0.6):
            fields["policy"] = self.policy(span)
        return fields

    # -- everything ----------------------------------------------------------------------------

    def entries(self, names: list[str]) -> list[Any]:
        """Return one to three sources."""
        kinds = ["Merge", "PoissonBatches", "Renewal", "Renewal", "Replay"]
        kinds += ["AccessLog", "Renewal"] if self.lattice else ["Poisson", "Bursts", "TimeVarying"]
        if self.carrying:
            kinds = ["Replay", "AccessLog"] if self.lattice else ["Replay"]
        many = self.rng.choice((1, 1, 2, 3))
        found = []
        for i in range(many):
            to: Any = names[0] if self.chance(0.7) else self.rng.choice(names)
            if len(names) > 1 and self.chance(0.3):
                one, other = self.rng.sample(names, 2)
                to = {one: 0.75, other: 0.25}
            kind = self.rng.choice(kinds)
            source = self.source(f"in{i}", kind, many * self.rng.uniform(0.7, 1.4), to)
            if kind == "PoissonBatches" and self.chance(0.5):
                source = dataclasses.replace(source, rate=source.rate / 3.0, size=9)
            if self.chance(0.2):
                source = dataclasses.replace(source, key=ml.Keys(self.some(3, 20), exponent=1.0))
            found.append(source)
        return found

    def made(self) -> tuple[Any, ...]:
        """Return the parts of the scenario."""
        count = 6 if self.straight else max(self.some(1, 1, 2, 3, 4, 5, 6), len(self.mix))
        names = [f"s{i}" for i in range(count)]
        declared = names[:]
        if self.chance(0.5):
            self.rng.shuffle(declared)
        rules = list(self.mix) + [self.rng.choice(self.mix) for _ in names]
        rule = dict(zip(declared, rules, strict=False))
        self.spans: dict[str, float] = {}
        found: dict[str, ml.Service] = {}
        for i in reversed(range(count)):  # callees first
            ahead = names[i + 1 :]
            if not self.straight and self.chance(0.3):
                self.rng.shuffle(ahead)
            while True:
                service = self.service(names[i], rule[names[i]], ahead, 1.0 + 0.4 * i)
                found[names[i]] = service
                if burden(found, names[i]) <= 40.0:
                    break
                ahead = ahead[: len(ahead) // 2]
        if not any(part.calls or part.policy or part.notices for part in found.values()):
            called = found[names[0]]
            found[names[0]] = dataclasses.replace(called, policy=self.policy(self.spans[names[0]]))
        return (*self.entries(names), *(found[name] for name in declared))


SERVICE: tuple[Callable[[Graph, bool, float], dict[str, Any]], ...] = (
    Graph.waiting,
    Graph.serving,
    Graph.around,
    Graph.caring,
    Graph.guards,
)


def mix_of(seed: int) -> int:
    """Return which of `MIXES` scenario number `seed` has; each is met by odd and even ones."""
    return seed // 2 % len(MIXES)


def burden(services: dict[str, ml.Service], name: str) -> float:
    """Return about how many attempts one request to a service leads to, at the worst."""
    return 1.0 + sum(
        call.probability
        * tries(call.policy or services[call.service].policy)
        * burden(services, call.service)
        for call in all_calls(services[name].calls)
    )


def tries(policy: ml.Policy | None) -> float:
    """Return about how many attempts a call makes."""
    again = None if policy is None else policy.retries or policy.hedge
    return 1.0 if again is None else 1.0 + 0.5 * again.times


def policies(case: Case) -> Iterator[ml.Policy]:
    """Yield all policies that are declared."""
    for part in case.parts:
        if isinstance(part, ml.Service):
            if part.policy is not None:
                yield part.policy
            for call in all_calls(part.calls):
                if call.policy is not None:
                    yield call.policy


def make(seed: int) -> Case:
    """Return scenario number `seed`."""
    maker = Graph(seed)
    parts = maker.made()
    services = {part.name: part for part in parts if isinstance(part, ml.Service)}
    sources = [part for part in parts if not isinstance(part, ml.Service)]
    worst = max(tries(services[name].policy) * burden(services, name) for name in services)
    most = max(6, min(80, int(ROWS / worst)))
    recorded = all(type(source).__name__ in ("Replay", "AccessLog") for source in sources)
    if recorded and most > 40 and maker.chance(0.6):
        return Case(parts, None, None, seed)
    if maker.chance(0.65):
        return Case(parts, maker.rng.randint(most // 3, most), None, seed)
    return Case(parts, None, maker.moment(0.3 * most, float(most)), seed)


def cramped(seed: int) -> bool:
    """Whether scenario number `seed` runs in cramped quarters."""
    return random.Random(f"cramped graph {seed}").random() < 0.25
