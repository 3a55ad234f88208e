"""Random scenarios that put the rules under strain, and a count of what they covered.

Seed 1, 2, 3, ... gives scenario 1, 2, 3, ...; odd ones live on continuous times, even ones on a
lattice (all times are multiples of 1/4 or 1/8), where events meet in the same instant all the
time.  Every third puts closed loops, preemption, processor sharing, time-to-live and blocking
into one loop of stations; every fifth has small stations that block one another and themselves,
and go down again and again.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import mesh_lab as ml

TRACES = Path(__file__).parent / "traces"
DISCIPLINES = ("fifo", "lifo", "random", "ps", "priority", "preemptive", "sjf", "edf")
NEEDS_THE_WORK = ("ps", "preemptive", "sjf")  # take one handler
NO_IO = ("ps", "preemptive")


@dataclass(frozen=True)
class ByClass:
    """A user's own function for the seconds of work: the less urgent, the more."""

    mean: float
    step: float

    def __call__(self, request: Any, rng: np.random.Generator) -> float:
        work = float(rng.exponential(self.mean * (1 + request.priority)))
        return self.step * round(work / self.step) if self.step else work


@dataclass(frozen=True)
class Case:
    """A scenario and how to run it; its ``repr`` can be pasted."""

    parts: tuple[Any, ...]
    requests: int | None
    until: float | None
    seed: int

    @property
    def scenario(self) -> ml.Scenario:
        return ml.Scenario(*self.parts)

    def __repr__(self) -> str:
        inner = "".join(f"        {part!r},\n" for part in self.parts)
        return (
            f"Case(\n    parts=(\n{inner}    ),\n"
            f"    requests={self.requests}, until={self.until}, seed={self.seed},\n)"
        )


class Maker:
    """Makes the parts of one scenario."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"scenario {seed}")
        self.lattice = seed % 2 == 0
        self.step = self.rng.choice((0.25, 0.125))
        self.carrying = False  # every source carries service times
        self.down: tuple[tuple[float, float], ...] = ()

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def time(self, mean: float) -> ml.Distribution:
        """Return a distribution with about this mean; never 0 for good."""
        rng = self.rng
        if self.lattice:
            top = max(1, round(2.0 * mean / self.step))
            if self.chance(0.2):
                return ml.Deterministic(value=self.step * max(1, top // 2))
            values = [self.step * rng.randint(0, top) for _ in range(rng.randint(1, 3))]
            return ml.Empirical(values=(*values, self.step * top, self.step * max(1, top // 2)))
        kind = rng.randrange(6)
        if kind == 0:
            return ml.Uniform(low=0.0, high=2.0 * mean)
        if kind == 1:
            return ml.Erlang(mean=mean, stages=3)
        if kind == 2:
            return ml.HyperExponential.fit(mean=mean, scv=4.0)
        if kind == 3:
            return ml.Deterministic(value=mean)
        return ml.Exponential(mean=mean)

    def moment(self, low: float, high: float) -> float:
        x = self.rng.uniform(low, high)
        return self.step * max(1, round(x / self.step)) if self.lattice else x

    # -- sources -----------------------------------------------------------------------------

    def source(self, name: str, kind: str, gap: float, to: Any) -> Any:
        rng = self.rng
        common: dict[str, Any] = {"to": to}
        common["priority"] = rng.choice((0, 1, 2, {0: 0.3, 1: 0.4, 2: 0.3}, {2: 0.5, 0: 0.5}))
        if self.chance(0.5):
            common["deadline"] = rng.choice((self.moment(1.0, 9.0), self.time(5.0)))
        if kind == "Users":
            users = rng.randint(1, 7)
            return ml.Users(name, users=users, think=self.time(gap * users), **common)
        if kind == "Replay":
            path = str(TRACES / ("lattice.csv" if self.lattice else "continuous.csv"))
            return ml.Replay(name, path=path, time="at", service_time="work", **common)
        if kind == "AccessLog":
            log = str(TRACES / "access.log")
            work = r"(\S+)$" if self.carrying else None
            return ml.AccessLog(name, path=log, spread="none", service_time=work, **common)
        if kind == "Merge":
            inner = tuple(
                self.source(f"{name}{i}", "Renewal" if self.lattice else "Poisson", 2 * gap, "-")
                for i in range(2)
            )
            return ml.Merge(name, sources=inner, **common)
        if kind == "PoissonBatches":
            sizes = rng.choice((3, {1: 0.5, 2: 0.25, 4: 0.25}))
            return ml.PoissonBatches(name, rate=0.4 / gap, size=sizes, **common)
        if kind == "Bursts":
            rates, holds = (0.2 / gap, 2.0 / gap), (10.0 * gap, 8.0 * gap)
            return ml.Bursts(name, rates=rates, holds=holds, **common)
        if kind == "TimeVarying":
            profile = ml.Profile(times=(0.0, 20.0), rates=(0.3 / gap, 1.7 / gap), period=40.0)
            return ml.TimeVarying(name, profile=profile, **common)
        if kind == "Poisson":
            return ml.Poisson(name, rate=1.0 / gap, **common)
        return ml.Renewal(name, gap=self.time(gap), **common)

    def sources(self, first: list[str]) -> list[Any]:
        rng = self.rng
        kinds = ["Users", "Users", "Merge", "PoissonBatches"]
        if self.lattice:
            kinds += ["Renewal", "Renewal", "Renewal", "Replay", "AccessLog"]
        else:
            kinds += ["Poisson", "Renewal", "Bursts", "TimeVarying", "Replay"]
        if self.carrying:
            kinds = ["Replay", "AccessLog"]
        n = rng.randint(1, 4)
        found = []
        for i in range(n):
            kind = rng.choice(kinds)
            to: Any = rng.choice(first)
            if len(first) > 1 and self.chance(0.4):
                to = {first[0]: 0.5, first[1]: 0.5}
            found.append(self.source(f"in{i}", kind, n * rng.uniform(0.8, 1.5), to))
        return found

    # -- stations ----------------------------------------------------------------------------

    def line(self, discipline: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"discipline": discipline}
        if self.chance(0.6):
            fields["capacity"] = self.rng.randint(0, 4)
            kinds = (
                ("reject", "block") if discipline == "ps" else ("reject", "drop_oldest", "block")
            )
            fields["overflow"] = self.rng.choice((*kinds, "block"))
        if discipline != "ps" and self.chance(0.3):
            fields["ttl"] = self.moment(0.5, 6.0)
        return fields

    def working(self, discipline: str, onward: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if onward is not None:
            fields["to"] = onward
        if self.chance(0.25):
            fields["failure"] = 0.1
        if discipline not in NO_IO and self.chance(0.35):
            fields["io"] = self.time(1.0)
            if self.chance(0.6):
                fields["mode"] = "async"
                if self.lattice:  # short: it often ends together with the next one's work
                    fields["io"] = ml.Deterministic(value=self.step * self.rng.randint(1, 3))
                if self.chance(0.6):
                    fields["concurrency"] = self.rng.randint(1, 4)
        if self.chance(0.25):
            begin = self.moment(5.0, 60.0)
            end = begin + self.moment(0.5, 8.0)
            again = end + (0.0 if self.chance(0.2) else self.moment(1.0, 40.0))
            both = ((begin, end), (again, again + self.moment(0.5, 5.0)))
            fields["outages"] = both if self.chance(0.5) else both[:1]
        return fields

    def work(self, mean: float) -> ml.Distribution | ByClass | None:
        if self.chance(0.15) and not self.carrying:
            return ByClass(0.5 * mean, self.step if self.lattice else 0.0)
        return None if self.carrying else self.time(mean)

    def station(self, name: str, discipline: str, onward: Any, load: float) -> list[Any]:
        rng = self.rng
        line = self.line(discipline)
        workers = rng.choice((1, 1, 2, 3))
        if self.chance(0.5):
            replicas = rng.choice((1, 1, 2, 3))
            balancer = rng.choice(
                (ml.RoundRobin(), ml.Random(), ml.LeastRequest(), ml.LeastRequest(choices=3))
            )
            return [
                ml.Service(
                    name,
                    replicas=replicas,
                    workers=workers,
                    service_time=self.work(load * workers * replicas),
                    balancer=balancer,
                    **line,
                    **self.working(discipline, onward),
                )
            ]
        crews = 1 if discipline in NEEDS_THE_WORK else rng.choice((1, 1, 2))
        return [
            ml.Queue(name, **line),
            *(
                ml.Handler(
                    f"{name}-{i}",
                    source=name,
                    workers=workers,
                    work=self.work(load * workers * crews),
                    **self.working(discipline, onward),
                )
                for i in range(crews)
            ),
        ]

    def onward(self, i: int, names: list[str]) -> Any:
        """Return where station `i` sends to: ahead, back, to itself, or away."""
        rng = self.rng
        ahead = names[i + 1] if i + 1 < len(names) else None
        shares: dict[str, float] = {}
        if ahead is not None and self.chance(0.85):
            if self.chance(0.4):
                return ahead
            shares[ahead] = 0.6
        if self.chance(0.35):
            back = rng.choice(names[: i + 1])
            shares[back] = 0.2
        return shares or None

    def parts(self, seed: int) -> tuple[Any, ...]:
        if seed % 3 == 0:
            return self.loop()
        if seed % 5 == 0:
            return self.rough()
        rng = self.rng
        self.carrying = self.chance(0.08)
        names = list("abcd"[: rng.randint(1, 4)])
        found: list[Any] = self.sources(names)
        for i, name in enumerate(names):
            load = rng.uniform(0.5, 1.2)
            discipline = rng.choice(DISCIPLINES)
            found += self.station(name, discipline, self.onward(i, names), load)
        if self.chance(0.3):
            rng.shuffle(found)
        return tuple(found)

    def loop(self) -> tuple[Any, ...]:
        """Return users and sources before preemption, sharing and blocking, with a way back."""
        rng = self.rng
        back = {"third": 0.7, "first": 0.15}
        batches = "Replay" if self.lattice and self.chance(0.6) else "PoissonBatches"
        limit: dict[str, Any] = rng.choice(({}, {"overflow": "reject"}, {"overflow": "block"}))
        if limit:
            limit["capacity"] = rng.randint(2, 5)
        return (
            self.source("users", "Users", 2.0, rng.choice(("first", "second"))),
            self.source("more", "Users", 4.0, {"second": 0.5, "third": 0.5}),
            self.source("open", "Renewal", 2.5, "first"),
            self.source("batches", batches, 4.0, {"first": 0.5, "third": 0.5}),
            ml.Service(
                "first",
                workers=rng.randint(1, 2),
                service_time=self.time(0.9),
                discipline="preemptive",
                capacity=rng.randint(0, 3),
                overflow=rng.choice(("block", "block", "drop_oldest", "reject")),
                ttl=self.moment(1.0, 6.0),
                to="second",
            ),
            ml.Service(
                "second",
                replicas=rng.randint(1, 2),
                workers=rng.randint(1, 2),
                service_time=self.time(0.8),
                discipline="ps",
                to=back if self.chance(0.8) else {"third": 0.9},
                balancer=rng.choice((ml.RoundRobin(), ml.LeastRequest())),
                **limit,
            ),
            ml.Queue(
                "third",
                discipline=rng.choice(("fifo", "lifo", "random", "edf", "priority")),
                capacity=rng.randint(1, 4),
                overflow="block",
                ttl=self.moment(1.0, 8.0),
            ),
            ml.Handler("third-1", source="third", work=self.time(0.8), failure=0.05),
            ml.Handler(
                "third-2",
                source="third",
                work=self.time(0.8),
                io=self.time(1.0),
                mode="async",
                concurrency=rng.randint(1, 4),
            ),
        )

    def outages(self, n: int) -> tuple[tuple[float, float], ...]:
        """Return outages; now and then those of another part, so that both are down together."""
        if self.down and self.chance(0.3):
            return self.down
        found, now = [], 0.0
        for _ in range(n):
            begin = now + (0.0 if now and self.chance(0.2) else self.moment(2.0, 25.0))
            now = begin + self.moment(0.5, 4.0)
            found.append((begin, now))
        self.down = tuple(found)
        return self.down

    def rough(self) -> tuple[Any, ...]:
        """Return stations that block one another and themselves, and are often down."""
        rng = self.rng

        def fields(name: str, other: str) -> dict[str, Any]:
            return {
                "discipline": rng.choice(DISCIPLINES),
                "capacity": rng.randint(0, 2),
                "overflow": "block",
                "to": {other: rng.choice((0.3, 0.6)), name: rng.choice((0.1, 0.2, 0.3))},
                "workers": rng.randint(1, 2),
                "outages": self.outages(rng.randint(2, 9)),
            }

        found: list[Any] = [
            self.source("users", "Users", 1.0, {"a": 0.5, "b": 0.5}),
            self.source("more", "Users", 2.0, rng.choice("ab")),
            self.source("open", "Renewal", 2.0, rng.choice("ab")),
        ]
        if self.chance(0.5):
            found.append(self.source("batches", "PoissonBatches", 6.0, {"a": 0.5, "b": 0.5}))
        for name, other in rng.choice(((("a", "b"), ("b", "a")), (("b", "a"), ("a", "b")))):
            given = fields(name, other)
            if self.chance(0.5):
                replicas = rng.randint(1, 3)
                balancer = rng.choice((ml.RoundRobin(), ml.LeastRequest(), ml.Random()))
                found.append(
                    ml.Service(
                        name,
                        replicas=replicas,
                        balancer=balancer,
                        service_time=self.time(0.8 * replicas),
                        **given,
                    )
                )
                continue
            line = {key: given.pop(key) for key in ("discipline", "capacity", "overflow")}
            found.append(ml.Queue(name, **line))
            found.append(ml.Handler(f"{name}-0", source=name, work=self.time(0.8), **given))
            if line["discipline"] not in NEEDS_THE_WORK:
                more: dict[str, Any] = {
                    "mode": "async",
                    "io": self.time(1.0),
                    "concurrency": rng.randint(1, 3),
                }
                given["outages"] = self.outages(3)
                found.append(
                    ml.Handler(f"{name}-1", source=name, work=self.time(0.8), **given, **more)
                )
        return tuple(found)


def make(seed: int, requests: int = 300) -> Case:
    """Return scenario number `seed`."""
    maker = Maker(seed)
    parts = maker.parts(seed)
    kinds = {type(part).__name__ for part in parts}
    endless = kinds & {"Poisson", "PoissonBatches", "Renewal", "Bursts", "TimeVarying", "Merge"}
    if maker.chance(0.15) or ("Users" in kinds and not endless):
        return Case(parts, None, float(requests // 4), seed)
    return Case(parts, requests, None, seed)


def features(parts: tuple[Any, ...]) -> Counter[str]:
    """Return what a scenario has, as words."""
    found: set[str] = set()
    for part in parts:
        kind = type(part).__name__
        found.add(kind)
        discipline = getattr(part, "discipline", None)
        if discipline is not None:
            found.add(discipline)
            if part.capacity is not None:
                found.add(f"overflow {part.overflow}")
            if part.ttl is not None:
                found.add("time-to-live")
        if getattr(part, "io", None) is not None:
            found.add(f"{part.mode} I/O")
            if part.concurrency is not None:
                found.add("concurrency")
        if getattr(part, "failure", 0.0):
            found.add("failure")
        if getattr(part, "outages", ()):
            found.add(f"outage of a {kind.lower()}")
        if getattr(part, "replicas", 1) > 1:
            found.add(f"{type(part.balancer).__name__} of several")
        if kind in {"Handler", "Service"}:
            own = part.source if kind == "Handler" else part.name
            if isinstance(part.to, dict):
                found.add("routing")
                if own in part.to:
                    found.add("feedback to itself")
            work = part.work if kind == "Handler" else part.service_time
            if work is None:
                found.add("carried service times")
            elif isinstance(work, ByClass):
                found.add("a user's function")
    together = {"Users", "preemptive", "ps", "time-to-live", "overflow block"}
    if together <= found:
        found.add("all five together")
    return Counter(found)
