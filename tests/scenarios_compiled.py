"""Random scenarios for the compiled engine: every rule and discipline that it runs, under strain.

Seed 1, 2, 3, ... gives scenario 1, 2, 3, ...; even ones live on a lattice of times, where arrivals,
completions, wakings, changes of endpoints and responses meet in the same instant all the time.
Every scenario is one queue or service; what surrounds it is drawn anew for each.  One in six runs
in *cramped* quarters: the draws come a few at a time and the tables begin with a few rows, so that
a short run meets every border that a long one meets (`tests.compare_compiled`).
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import mesh_lab as ml
from mesh_lab import balancing
from mesh_lab.engines.compiled.world import DISCIPLINES
from tests.scenarios import Case, Maker

# the rules take turns, so that all are met equally often
RULES = tuple(
    sorted(
        name
        for name, kind in vars(balancing).items()
        if isinstance(kind, type)
        and issubclass(kind, balancing.Balancer)
        and kind is not balancing.Balancer
    )
)
STATIC = ("Random", "WeightedRandom", "RoundRobin", "StaticStride", "IptablesChain", "JumpHash")
STATIC += ("SmoothRoundRobin", "MapHash", "KetamaHash", "Rendezvous")
WHOLE = ("KetamaHash", "MapHash", "SmoothRoundRobin")  # take whole weights only


class Compiled(Maker):
    """Makes the parts of one scenario."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.rng = random.Random(f"compiled {seed}")
        self.lattice = seed % 2 == 0
        self.step = self.rng.choice((0.5, 0.25))
        self.rule_name = RULES[seed // 2 % len(RULES)]
        self.simple = self.chance(0.15)  # what one pass over the arrivals can run
        self.zones = self.rng.choice((("",), ("a", "b"), ("a", "b", "c")))
        self.proxies = self.rng.choice((1, 1, 2, 3))

    def some(self, *choices: Any) -> Any:
        """Return one of them; functions are called."""
        chosen = self.rng.choice(choices)
        return chosen() if callable(chosen) else chosen

    # -- the rule ------------------------------------------------------------------------------

    def rule(self) -> Any:
        """Return the rule of this scenario with parameters drawn at random."""
        kind: Any = getattr(balancing, self.rule_name)
        given: dict[str, Callable[[], dict[str, Any]]] = {
            "LeastRequest": lambda: {
                "choices": self.some(2, 3, 5, "all", "all"),
                "replacement": self.chance(0.5),
                "active_bias": self.some(1.0, 0.0, 0.5, 2.0),
                "slow_start": self.slow_start(),
            },
            "RoundRobin": lambda: {
                "start": self.some(0, 1, 7, 2**32 - 1),
                "slow_start": self.slow_start(),
            },
            "StaticStride": lambda: {"start": self.some(0, 5, 2**32 - 2)},
            "FirstAvailable": lambda: {"limit": self.some(1, 2, 4)},
            "JoinShortestQueue": self.refresh,
            "PowerOfD": lambda: {
                "choices": self.some(1, 2, 3, 6),
                "replacement": self.chance(0.4),
                **self.refresh(),
            },
            "JoinIdleQueue": lambda: {
                "choices": self.some(1, 2, 3),
                "withdraw": self.chance(0.5),
            },
            "SizeInterval": self.cutoffs,
            "PeakEwma": lambda: {
                "decay": self.some(10.0, 1.0, 0.25, 100.0),
                "default_rtt": self.some(0.03, 1.0, None),
            },
            "C3": lambda: {
                "alpha": self.some(0.9, 0.5, 1.0),
                "clients": self.some(None, 0.0, 1.0, 4.0),
            },
            "Prequal": lambda: {
                "probes": self.some(3.0, 0.5, 1.0, 2.5),
                "pool": self.some(2, 4, 16),
                "max_age": self.some(0.5, 2.0, 30.0),
                "removals": self.some(0.0, 1.0, 0.5, 2.0),
                "quantile": self.some(0.0, 0.5, 0.84, 1.0),
                "delta": self.some(0.0, 1.0),
                "probe_delay": self.some(0.0, 0.0005, 0.25, 1.0),
            },
            "LoadReports": lambda: {
                "blackout": self.some(0.0, 2.0, 10.0),
                "expiration": self.some(3.0, 20.0, 180.0),
                "update_period": self.some(0.25, 1.0, 5.0),
                "error_penalty": self.some(0.0, 1.0),
                "report_period": self.some(0.5, 2.0, 10.0),
                "out_of_band": self.chance(0.5),
                "start": self.some(0, 3),
            },
            "RingHash": lambda: {
                "min_size": self.some(1, 16, 64),
                "max_size": self.some(64, 1024),
                "hash": self.some("xxh64", "murmur2"),
                "balance_factor": self.some(None, 100, 125, 200),
            },
            "Maglev": lambda: {
                "table_size": self.some(31, 101, 251),
                "balance_factor": self.some(None, 100, 150),
            },
            "MapHash": lambda: {"avalanche": self.chance(0.5)},
        }
        fields = given.get(self.rule_name, dict)()
        if self.simple and "balance_factor" in fields:
            fields["balance_factor"] = None
        return kind(**fields)

    def slow_start(self) -> Any:
        """Return a slow start, or none."""
        if self.simple or self.chance(0.5):
            return None
        return balancing.SlowStart(
            window=self.moment(1.0, 30.0),
            aggression=self.some(1.0, 0.5, 2.0),
            min_weight=self.some(0.1, 0.5, 1.0),
        )

    def refresh(self) -> dict[str, Any]:
        """Return how often news comes, or that it comes at once."""
        return {"refresh": None if self.chance(0.5) else self.moment(0.5, 8.0)}

    def cutoffs(self) -> dict[str, Any]:
        """Return up to three cutoffs around the usual work; on a lattice they meet it exactly."""
        wanted = sorted({self.moment(0.5, 8.0) for _ in range(self.rng.randint(1, 3))})
        return {"cutoffs": tuple(wanted)}

    # -- endpoints -----------------------------------------------------------------------------

    def endpoint(self, name: str) -> ml.Endpoint:
        """Return an endpoint that may differ from the others in everything."""
        speeds = (1.0, 2.0, 0.5) if self.lattice else (1.0, 0.7, 1.9)
        weight = 1.0
        if self.weighted:
            weight = self.some(1.0, 2.0, 5.0) if self.whole else self.rng.uniform(0.2, 4.0)
        return ml.Endpoint(
            name,
            weight=weight,
            speed=self.rng.choice(speeds) if self.uneven else 1.0,
            zone=self.rng.choice(self.zones),
            priority=self.rng.choice((0, 0, 1, 2)) if self.levels else 0,
        )

    def endpoints(self) -> dict[str, Any]:
        """Return the fields that say which endpoints there are."""
        self.weighted = self.chance(0.65)
        self.whole = self.rule_name in WHOLE or self.chance(0.6)
        self.uneven = self.chance(0.3)
        self.levels = not self.simple and self.chance(0.15)
        self.names = [f"s-{i}" for i in range(self.rng.choice((1, 2, 3, 4, 5, 6, 9)))]
        if self.chance(0.3) and len(self.names) > 1:
            self.zones, self.levels = ("",), False
            return {"replicas": len(self.names)}
        return {"endpoints": tuple(self.endpoint(name) for name in self.names)}

    def eligible(self) -> dict[str, Any]:
        """Return which endpoints a balancer may pick from."""
        if self.simple or self.chance(0.4):
            return {}
        zones: Any = None
        if self.chance(0.4) and len(self.zones) > 1:
            if self.chance(0.5):
                zones = ml.LocalityWeighted(weights={z: self.some(1, 2, 0.5) for z in self.zones})
            else:
                self.proxies = max(self.proxies, 2)
                zones = ml.ZoneAware(
                    proxy_zones=tuple(self.rng.choice(self.zones) for _ in range(self.proxies)),
                    min_cluster_size=self.some(1, 2, 6),
                )
        return {
            "eligible": ml.Eligible(
                panic=self.some(0.5, 0.0, 0.3, 1.0),
                overprovisioning=self.some(1.4, 1.0, 2.0),
                fail_in_panic=self.chance(0.2),
                zones=zones,
                subset=self.subset(),
            )
        }

    def subset(self) -> Any:
        """Return which endpoints each balancer knows; parts of a weight not for every rule."""
        kinds = [
            None,
            None,
            lambda: ml.DeterministicSubset(size=self.rng.randint(1, 4)),
            lambda: ml.RandomSubset(size=self.rng.randint(1, 4), seed=self.some(0, 1)),
        ]
        if self.rule_name not in WHOLE:
            kinds.append(lambda: ml.Aperture(size=self.rng.randint(2, 4)))
        return self.some(*kinds)

    def changes(self) -> dict[str, Any]:
        """Return what becomes of endpoints; on a lattice often several things in one instant."""
        if self.simple or self.chance(0.45):
            return {}
        there, found = list(self.names), []
        moments = sorted(self.moment(0.0, 60.0) for _ in range(self.rng.randint(1, 7)))
        if self.chance(0.1):
            moments[0] = 0.0
        last = 0.0
        for number, moment in enumerate(moments):
            together = self.lattice and self.chance(0.3)
            at = last = max(last, moment - moment % 4.0) if together else max(last, moment)
            kinds = (ml.Fail, ml.Fail, ml.Recover, ml.Slow, ml.Join, ml.Leave, ml.Drain)
            kind: Any = self.rng.choice(kinds)
            if kind is ml.Join or not there:
                name = f"new-{number}"
                found.append(ml.Join(at=at, endpoint=self.endpoint(name)))
                there.append(name)
                continue
            name = self.rng.choice(there)
            if kind in (ml.Leave, ml.Drain):
                there.remove(name)
            speed = {"speed": self.some(0.5, 2.0, 0.25)} if kind is ml.Slow else {}
            found.append(kind(at=at, endpoint=name, **speed))
            if kind is ml.Fail and self.chance(0.6):
                back = at + self.moment(0.5, 15.0)
                if there and name in there:
                    found.append(ml.Recover(at=back, endpoint=name))
        gone = {c.endpoint: c.at for c in found if isinstance(c, ml.Leave | ml.Drain)}
        kept = [
            c
            for c in found
            if isinstance(c, ml.Join | ml.Leave | ml.Drain) or c.at < gone.get(c.endpoint, 1e9)
        ]
        if self.chance(0.25):
            some = tuple(self.rng.sample(self.names, self.rng.randint(0, len(self.names))))
            failures = ml.Failures(up=self.pause(20.0), down=self.pause(5.0), endpoints=some)
            kept.insert(self.rng.randint(0, len(kept)), failures)
        return {"changes": tuple(kept)}

    def pause(self, mean: float) -> ml.Distribution:
        """Return a distribution of times that are never 0."""
        if self.lattice:
            return ml.Empirical(values=(self.step, 2 * self.step, 2 * mean))
        return ml.Exponential(mean=mean)

    def delay(self) -> Any:
        """Return a delay of requests or responses."""
        if self.simple:
            return None
        return self.some(None, None, 0.0, lambda: self.moment(0.25, 2.0), lambda: self.time(1.0))

    # -- everything ----------------------------------------------------------------------------

    def open_sources(self) -> list[Any]:
        """Return one to three sources."""
        kinds = ["Merge", "PoissonBatches", "Renewal", "Renewal", "Replay"]
        kinds += ["AccessLog"] if self.lattice else ["Poisson", "Poisson", "Bursts", "TimeVarying"]
        if not self.simple:
            kinds += ["Users", "Users", "Users"]
        if self.carrying:
            kinds = ["Replay", "AccessLog"]
        many = self.rng.choice((1, 1, 2, 3))
        found = []
        for i in range(many):
            kind = self.rng.choice(kinds)
            found.append(self.source(f"in{i}", kind, many * self.rng.uniform(0.7, 1.4), "s"))
        hashes = getattr(balancing, self.rule_name).hashes
        if hashes or self.chance(0.15):
            found = [self.keyed(source) for source in found]
        return found

    def keyed(self, source: Any) -> Any:
        """Return the source with keys."""
        keys = ml.Keys(self.some(1, 3, 20, 200), exponent=self.some(0.0, 1.0, 2.0))
        if isinstance(source, ml.Merge) and self.chance(0.5):
            inner = tuple(self.keyed(s) for s in source.sources)
            return dataclasses.replace(source, sources=inner)
        return dataclasses.replace(source, key=keys)

    def parts(self, seed: int) -> tuple[Any, ...]:
        """Return the parts of the scenario."""
        self.carrying = self.chance(0.08)
        discipline = self.rng.choice(DISCIPLINES)
        capacity = self.some(None, None, 0, 1, 2, 4)
        if self.simple:
            discipline, capacity, self.proxies = "fifo", None, self.some(1, 2)
            if self.rule_name not in (*STATIC, "RingHash", "Maglev"):
                self.rule_name = self.rng.choice(STATIC)
        workers = self.rng.choice((1, 1, 2, 3))
        sources = self.open_sources()
        load = self.rng.uniform(0.5, 1.3)
        line = {"discipline": discipline, "capacity": capacity}
        lone = self.rng.random()
        if lone < 0.06:
            work = None if self.carrying else self.time(load * workers)
            found = (ml.Queue("s", **line), ml.Handler("h", source="s", work=work, workers=workers))
            return (*sources, *found)
        if lone < 0.1:
            work = None if self.carrying else self.time(load * workers)
            service = ml.Service("s", service_time=work, workers=workers, **line)
            return (*sources, service)
        endpoints = self.endpoints()
        mean = load * workers * len(self.names)
        service = ml.Service(
            "s",
            workers=workers,
            service_time=None if self.carrying else self.time(mean),
            balancer=self.rule(),
            forward_delay=self.delay(),
            return_delay=self.delay(),
            **line,
            **endpoints,
            **self.eligible(),
            **self.changes(),
            proxies=self.proxies,
        )
        return (*sources, service)


def make(seed: int) -> Case:
    """Return scenario number `seed`."""
    maker = Compiled(seed)
    parts = maker.parts(seed)
    sources = [part for part in parts if hasattr(part, "priority") and hasattr(part, "key")]
    recorded = all(type(source).__name__ in ("Replay", "AccessLog") for source in sources)
    end = maker.rng.random()
    if recorded and end < 0.4:
        return Case(parts, None, None, seed)
    if end < 0.75:
        return Case(parts, maker.rng.randint(10, 120), None, seed)
    return Case(parts, None, maker.moment(10.0, 90.0), seed)


def cramped(seed: int) -> bool:
    """Whether scenario number `seed` runs in cramped quarters."""
    return seed % 4 >= 2 and seed % 3 == 0


def features(case: Case) -> set[str]:
    """Return what a scenario has, as words."""
    found: set[str] = set()
    scenario = case.scenario
    for source in scenario.sources:
        found.add(type(source).__name__)
        if isinstance(source.priority, dict):
            found.add("priorities drawn")
        if source.key is not None:
            found.add("Zipf keys" if source.key.exponent else "uniform keys")
    found |= {type(part).__name__ for part in case.parts}
    found.add("several sources" if len(scenario.sources) > 1 else "one source")
    found.add(
        "until=" if case.until is not None else "requests=" if case.requests else "to its end"
    )
    station = scenario.stations[0]
    found.add(station.discipline)
    found.add("capacity" if station.capacity is not None else "no limit")
    crew = scenario.serving(station.name)[0]
    found.add("several workers" if crew.workers > 1 else "one worker")
    if (getattr(station, "service_time", 0) or getattr(crew, "work", None)) is None:
        found.add("carried service times")
    if not isinstance(station, ml.Service) or station.is_line:
        found.add("a plain line")
        return found
    return found | _of_service(station)


def _of_service(service: Any) -> set[str]:
    rule, eligible = service.balancer, service.eligible
    found = {type(rule).__name__}
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if field.name in ("refresh", "slow_start", "balance_factor") and value is not None:
            found.add(f"{type(rule).__name__} with {field.name}")
        if value == "all" or (field.name in ("withdraw", "out_of_band") and value):
            found.add(f"{type(rule).__name__} {field.name}={value}")
    weights = {endpoint.weight for endpoint in service.ever}
    if len(weights) > 1:
        found |= {"weights", f"{type(rule).__name__} weighted"}
    if len({endpoint.speed for endpoint in service.ever}) > 1:
        found.add("speeds")
    if len({endpoint.priority for endpoint in service.ever}) > 1:
        found.add("priority levels")
    if service.proxies > 1:
        found.add("several balancers")
    for name, delay in (("forward", service.forward_delay), ("return", service.return_delay)):
        if delay is not None:
            kind = "drawn" if isinstance(delay, ml.Distribution) else "constant" if delay else "0"
            found.add(f"{name} delay {kind}")
    found |= {type(change).__name__ for change in service.changes}
    if eligible.subset is not None:
        found.add(type(eligible.subset).__name__)
    if eligible.zones is not None:
        found.add(type(eligible.zones).__name__)
    if eligible.panic != 0.5:
        found.add("panic threshold")
    return found
