"""The engine's rows of calls are those of a second reading of the rules, to the last bit.

Scenarios 1, 2, 3, ...: odd ones live on continuous times, even ones on a lattice of 1/4 second,
where answers, time-outs, pauses, hedges and arrivals meet in one instant all the time.

``python -m tests.test_calls_oracle 2000`` compares scenarios 1 to 2000, prints what they covered
and ends with status 1 at the first difference; ``--faults`` plants every fault of this file, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import pandas as pd
import pytest

import mesh_lab as ml
from mesh_lab.engines import compiled
from mesh_lab.ledger import CANCELLED, TIMEOUT
from mesh_lab.mesh.calling import Caller
from tests.faults import Fault, planted
from tests.oracle_calls import Oracle, run

SCENARIOS = 60
WITHIN = 200  # scenarios, after which every planted fault is found


@dataclass(frozen=True)
class Case:
    """A scenario and how to run it; its ``repr`` can be pasted."""

    parts: tuple[Any, ...]
    requests: int | None
    until: float | None
    seed: int

    def __repr__(self) -> str:
        inner = "".join(f"        {part!r},\n" for part in self.parts)
        return (
            f"Case(\n    parts=(\n{inner}    ),\n"
            f"    requests={self.requests}, until={self.until}, seed={self.seed},\n)"
        )


class Maker:
    """Makes one scenario."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"calls {seed}")
        self.lattice = seed % 2 == 0
        self.seed = seed

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def seconds(self, mean: float, least: float = 0.0) -> float:
        """Return a time between 0 and twice the mean."""
        x = self.rng.uniform(0.0, 2.0 * mean)
        x = 0.25 * round(4.0 * x) if self.lattice else x
        return max(x, least, 0.25 if self.lattice and least > 0.0 else 0.0)

    def time(self, mean: float) -> ml.Distribution:
        rng = self.rng
        if self.lattice:
            top = max(1, round(8.0 * mean))
            if self.chance(0.3):
                return ml.Deterministic(value=0.25 * max(1, top // 2))
            return ml.Empirical(values=tuple(0.25 * k for k in {0, 1, top // 2, top}))
        kind = rng.randrange(4)
        if kind == 0:
            return ml.Uniform(low=0.0, high=2.0 * mean)
        if kind == 1:
            return ml.HyperExponential.fit(mean=mean, scv=4.0)
        if kind == 2:
            return ml.Deterministic(value=mean)
        return ml.Exponential(mean=mean)

    def on(self) -> Any:
        every = list(ml.Retries(1).on)
        if self.chance(0.6):
            return tuple(every)
        return tuple(self.rng.sample(every, self.rng.randint(1, 4)))

    def backoff(self) -> Any:
        rng = self.rng
        base = self.seconds(0.5, least=0.01)
        kind = rng.randrange(6)
        if kind == 0:
            return ml.Backoff(base=base, growth="fixed")
        if kind == 1:
            jitter: Any = "none" if self.lattice else rng.choice(("full", "equal", "decorrelated"))
            return ml.Backoff(base=base, cap=4.0 * base, jitter=jitter)
        if kind == 2 and not self.lattice:
            return ml.EnvoyBackoff(base=base, rule=rng.choice(("code", "documentation")))
        if kind == 3 and not self.lattice:
            return ml.GrpcBackoff(initial=base, multiplier=2.0, max=5.0 * base)
        return None

    def policy(self) -> Any:
        rng = self.rng
        timeout = self.seconds(2.5, least=0.3) if self.chance(0.7) else None
        each = self.seconds(1.0, least=0.1) if self.chance(0.5) else None
        if timeout is not None and each is not None:
            each = min(each, timeout)
        kind = rng.randrange(3)
        retries = hedge = None
        if kind == 0:
            retries = ml.Retries(rng.randint(0, 3), on=self.on(), backoff=self.backoff())
        elif kind == 1:
            hedge = ml.Hedge(delay=self.seconds(0.5), times=rng.randint(1, 3), on=self.on())
        propagate = self.chance(0.4) and (timeout is not None or each is not None)
        return ml.Policy(
            timeout=timeout, per_try_timeout=each, retries=retries, hedge=hedge, propagate=propagate
        )

    def call(self, name: str) -> Any:
        if self.chance(0.3):
            return name
        return ml.Call(
            name,
            probability=self.rng.choice((1.0, 0.5, 0.25, 0.0)) if self.chance(0.4) else 1.0,
            optional=self.chance(0.3),
            policy=self.policy() if self.chance(0.4) else None,
        )

    def steps(self, callees: list[str]) -> tuple[Any, ...]:
        steps: list[Any] = []
        left = self.rng.randint(1, 3)
        while left:
            if left > 1 and self.chance(0.5):
                steps.append(ml.Parallel(tuple(self.call(self.rng.choice(callees)) for _ in "ab")))
                left -= 2
            else:
                steps.append(self.call(self.rng.choice(callees)))
                left -= 1
        return tuple(steps)

    def delay(self) -> Any:
        kind = self.rng.randrange(6)
        if kind == 0:
            return self.seconds(0.2)
        return self.time(0.25) if kind == 1 else None

    def service(self, name: str, callees: list[str], round_again: list[str]) -> ml.Service:
        rng = self.rng
        fields: dict[str, Any] = {}
        if callees and self.chance(0.9):
            fields["calls"] = self.steps(callees)
        if round_again and self.chance(0.5):
            again = ml.Call(rng.choice(round_again), probability=0.4, optional=self.chance(0.5))
            fields["calls"] = (*fields.get("calls", ()), again)
        if self.chance(0.25):
            fields["io"] = self.time(0.3)
        if self.chance(0.4) and ("calls" in fields or "io" in fields):
            fields["mode"] = "async"
            if self.chance(0.4):
                fields["concurrency"] = rng.randint(1, 4)
        if self.chance(0.5):
            fields["capacity"] = rng.randint(0, 4)
            if self.chance(0.3):
                fields["overflow"] = "drop_oldest"
        if self.chance(0.2):
            fields["ttl"] = self.seconds(1.0, least=0.1)
        if self.chance(0.3):
            fields["failure"] = rng.choice((0.1, 0.3, 0.6))
        if self.chance(0.7):
            fields["policy"] = self.policy()
        return ml.Service(
            name,
            replicas=rng.choice((1, 1, 2, 3)),
            workers=rng.choice((1, 1, 2)),
            service_time=self.time(0.5),
            balancer=rng.choice((ml.RoundRobin(), ml.Random(), ml.LeastRequest())),
            proxies=rng.choice((1, 1, 2)),
            forward_delay=self.delay(),
            return_delay=self.delay(),
            discipline=rng.choice(("fifo", "fifo", "lifo", "priority", "random", "sjf", "edf")),
            cancelled=rng.choice(("finish", "skip", "stop")),
            **fields,
        )

    def source(self, name: str, to: list[str], deadline: bool) -> Any:
        rng = self.rng
        common: dict[str, Any] = {"to": rng.choice(to[:2])}
        if len(to) > 1 and self.chance(0.2):
            common["to"] = {to[0]: 0.7, to[1]: 0.3}
        common["priority"] = rng.choice((0, 1, {0: 0.4, 1: 0.3, 2: 0.3}))
        if deadline or self.chance(0.3):
            given = self.seconds(2.0, least=0.5)
            common["deadline"] = given if self.chance(0.6) else self.time(2.0)
        kind = rng.randrange(4)
        if kind == 0:
            return ml.Users(name, users=rng.randint(1, 4), think=self.time(1.0), **common)
        if kind == 1:
            return ml.PoissonBatches(name, rate=0.5, size={1: 0.5, 3: 0.5}, **common)
        if kind == 2 and not self.lattice:
            return ml.Poisson(name, rate=1.0, **common)
        return ml.Renewal(name, gap=self.time(1.0), **common)

    def case(self) -> Case:
        rng = self.rng
        names = [f"s{i}" for i in range(rng.randint(1, 4))]
        circle = self.chance(0.2)
        services = [
            self.service(name, names[i + 1 :], names[: i + 1] if circle else [])
            for i, name in enumerate(names)
        ]
        if not any(part.policy or part.calls or part.notices for part in services):
            services[0] = dataclasses.replace(services[0], cancelled="skip")
        sources = [self.source(f"in{i}", names, circle) for i in range(rng.choice((1, 1, 2)))]
        parts = [*sources, *services]
        rng.shuffle(parts)
        if self.chance(0.2):
            return Case(tuple(parts), None, self.seconds(20.0, least=5.0), self.seed)
        return Case(tuple(parts), rng.randint(15, 50), None, self.seed)


def make(seed: int) -> Case:
    return Maker(seed).case()


# -- comparing -----------------------------------------------------------------------------------

Rows = list[dict[str, Any]]

EVERYTHING = (
    *(f"call {result}" for result in ("ok", "failed", "rejected", "dropped", "expired", "timeout")),
    *(
        f"left: {result}, {cancelled}, {state}"
        for result in ("timeout", "cancelled")
        for cancelled in ("finish", "skip", "stop")
        for state in ("way", "waiting", "working", "calling", "gone")
    ),
    *(f"stopped: {state}" for state in ("way", "waiting", "working", "calling", "gone")),
    *("a call failed, needed", "a call failed, optional", "a call that was not made"),
    *("hedge", "per-try timeout", "pause cut short", "not sent", "single alarm", "skipped"),
    *("waits for the others", "answer to nobody", "at the time of the event before"),
)


def expected(case: Case) -> Oracle:
    return run(case.parts, case.requests, case.until, seed=case.seed)


def engine_rows(case: Case, engine: Any = "reference") -> tuple[Rows, Rows]:
    """Return the rows of requests and of calls."""
    with _not_for_ever():
        result = ml.simulate(
            ml.Scenario(*case.parts),
            requests=case.requests,
            until=case.until,
            seed=case.seed,
            engine=engine,
        )
    return rows(result.requests), rows(result.calls)


def rows(table: pd.DataFrame) -> Rows:
    names = list(table.columns)
    lists = [table[name].tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


@contextmanager
def _not_for_ever(most: int = 40_000) -> Iterator[None]:
    """Stop an engine that, with a fault in it, goes on calling without end."""
    right, left = Caller.begin, most

    def counted(*given: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError("the engine goes on for ever")
        right(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Caller, "begin", counted)
        yield


def first_difference(
    case: Case, wanted: Oracle | None = None, engine: Any = "reference"
) -> str | None:
    """Return where the engine and the oracle first differ, in words; None if they do not."""
    wanted = expected(case) if wanted is None else wanted
    requests, calls = engine_rows(case, engine)
    pairs = (("calls", calls, wanted.call_rows), ("requests", requests, wanted.request_rows))
    found: list[tuple[float, str]] = []
    for table, ours, theirs in pairs:
        for n, (e, o) in enumerate(zip_longest(ours, theirs)):
            if e is None or o is None:
                row, who = (o, "oracle") if e is None else (e, "engine")
                made = row["sent"] if "sent" in row else row["arrival"]
                found.append((made, f"row {n} of {table}, which only the {who} has:\n  {row}"))
                break
            wrong = [name for name in o if not same(e[name], o[name])]
            if wrong:
                times = [r[c] for r in (e, o) for c in wrong if isinstance(r[c], float)]
                when = min((t for t in times if not math.isnan(t)), default=math.inf)
                text = f"row {n} of {table} in {', '.join(wrong)}:\n  engine {e}\n  oracle {o}"
                found.append((when, text))
    return min(found)[1] if found else None


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


# -- faults ---------------------------------------------------------------------------------------

CALLING, PROXY, UPSTREAM = "mesh.calling", "mesh.proxy", "mesh.upstream"

FAULTS = {
    # times
    "a call does not end with the request that it is made for": Fault(
        CALLING,
        "min(self.clock.env.now + live.policy.timeout, parent.deadline)",
        "self.clock.env.now + live.policy.timeout",
    ),
    "the end of the call goes along, not that of the attempt": Fault(
        CALLING, "min(attempt.deadline, end)", "min(attempt.deadline, call.end)"
    ),
    "what is too late is sent": Fault(
        CALLING,
        "        if end <= now:\n            self.ledger.not_sent",
        "        if end < now:\n            self.ledger.not_sent",
    ),
    "a per-try timeout at the end of the call stands in its list": Fault(
        CALLING, "call.end <= now + policy.per_try", "call.end < now + policy.per_try"
    ),
    "lists ring before single alarms": Fault(
        CALLING, "EXPIRY + (number + 1) * _FRACTION", "EXPIRY - (1000 - number) * _FRACTION"
    ),
    "lists ring from the last to the first": Fault(
        CALLING, "EXPIRY + (number + 1) * _FRACTION", "EXPIRY + (1000 - number) * _FRACTION"
    ),
    "all times of a list run out before anything follows": Fault(
        CALLING,
        "                self.late(attempt)\n                self.clock.drain()\n",
        "                self.late(attempt)\n",
    ),
    "timeouts come before answers": Fault(
        CALLING, "EXPIRY + (number + 1) * _FRACTION", "0.5 + (number + 1) * _FRACTION"
    ),
    # another attempt
    "one hedge too many": Fault(
        CALLING,
        "if policy.hedge is not None and call.tried <= policy.times:",
        "if policy.hedge is not None and call.tried <= policy.times + 1:",
    ),
    "one retry too few": Fault(
        CALLING,
        "            and call.tried <= policy.times\n",
        "            and call.tried < policy.times\n",
    ),
    "a pause may end with the call": Fault(
        CALLING, "if now + call.pause < call.end:", "if now + call.pause <= call.end:"
    ),
    "a failure at the end of the call is tried again": Fault(
        CALLING, "if result == OK or now >= call.end:", "if result == OK or now > call.end:"
    ),
    "a hedge rings though the next attempt was sent": Fault(
        CALLING,
        "                self._cancel_alarm(call)\n                self.clock.agenda",
        "                self.clock.agenda",
    ),
    "a failure ends the call while others are out": Fault(
        CALLING, "elif not call.out or result not in policy.on:", "elif True:"
    ),
    "the others go on after a result that is not to be tried again": Fault(
        CALLING, "elif not call.out or result not in policy.on:", "elif not call.out:"
    ),
    # leaving
    "losers have timed out": Fault(
        CALLING, "TIMEOUT if result == TIMEOUT else CANCELLED", "TIMEOUT"
    ),
    "who stops keeps its calls": Fault(CALLING, "for call in errand.open:", "for call in ():"),
    "who was left stays outstanding": Fault(
        PROXY,
        "self.view.outstanding[endpoint] -= 1",
        f"self.view.outstanding[endpoint] -= outcome not in ({TIMEOUT}, {CANCELLED})",
    ),
    "a late answer frees its place once more": Fault(
        UPSTREAM,
        "        if request.left:\n",
        "        if request.left:\n"
        "            self.proxies[ticket.balancer].view.outstanding[endpoint] -= 1\n",
    ),
    "what comes too late is taken in": Fault(
        UPSTREAM, "if attempt.left and self.notices:", "if False:"
    ),
    # steps
    "a failed optional call fails its caller": Fault(
        CALLING, "if result != OK and not call.live.optional:", "if result != OK:"
    ),
    "a step follows a failed one": Fault(
        CALLING, "        if errand.failed:\n", "        if False:\n"
    ),
    "a step ends with the first of its calls": Fault(
        CALLING, "        if not errand.open:\n", "        if True:\n"
    ),
    # draws
    "what a retry calls draws as what the first attempt called": Fault(
        CALLING, 'again = f":{parent.visit}" if parent.visit else ""', 'again = ""'
    ),
    "all meet the first proxy": Fault(
        UPSTREAM, "int(self._proxy(attempt) * len(self.proxies))", "0"
    ),
}


_cache: dict[int, Oracle] = {}


def wanted(seed: int) -> Oracle:
    if seed not in _cache:
        _cache[seed] = expected(make(seed))
    return _cache[seed]


def found_after(name: str, last: int) -> int | None:
    """Plant fault `name`; return the scenario that finds it, or None."""
    with planted(name, FAULTS):
        for seed in range(1, last + 1):
            oracle = wanted(seed)
            try:
                found = first_difference(make(seed), oracle) is not None
            except Exception:  # an engine that stumbles differs
                found = True
            if found:
                return seed
    return None


# -- tests ----------------------------------------------------------------------------------------


def test_random_scenarios_give_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    happened: Counter[str] = Counter()
    count = 0
    for seed in range(1, SCENARIOS + 1):
        case = make(seed)
        assert (found := first_difference(case, wanted(seed))) is None, f"{seed}: {found}\n{case}"
        happened += wanted(seed).tally
        count += len(wanted(seed).call_rows)
    with capsys.disabled():
        print(f"\nengine and oracle of calls: {SCENARIOS} scenarios, {count} attempts")
    assert [what for what in EVERYTHING if not happened[what]] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    assert found_after(name, WITHIN) is not None


def test_planted_faults_are_taken_out_again() -> None:
    seed = found_after("one retry too few", WITHIN)
    assert seed is not None
    assert first_difference(make(seed), wanted(seed)) is None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", type=int, help="how many scenarios")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--engine", default="reference", help="the engine that is compared")
    parser.add_argument("--faults", action="store_true", help="plant the faults as well")
    given = parser.parse_args()
    happened: Counter[str] = Counter()
    compared = attempts = 0
    for seed in range(given.first, given.first + given.scenarios):
        case = make(seed)
        if given.engine == "compiled" and compiled.reasons(ml.Scenario(*case.parts)):
            continue
        oracle = expected(case)
        difference = first_difference(case, oracle, given.engine)
        if difference is not None:
            print(f"scenario {seed}: {difference}\n{case}")
            return 1
        happened += oracle.tally
        compared += 1
        attempts += len(oracle.call_rows)
    print(f"{compared} scenarios, {attempts} attempts: the same rows, to the last bit")
    for what, count in sorted(happened.items()):
        print(f"  {count:8d}  {what}")
    if given.faults:
        for name in FAULTS:
            found = found_after(name, given.scenarios)
            print(f"  {name}: {'NOT FOUND' if found is None else f'found by scenario {found}'}")
            if found is None:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
