"""The express lane for service graphs gives the reference's rows, and takes nothing it cannot do.

The scenarios are those of `tests.scenarios_graph` without what the lane does not know, and with
rules of balancing that only SimPy runs.  ``python -m tests.test_express_graph 300`` compares more.
"""

from __future__ import annotations

import dataclasses
import functools
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest
import simpy

import mesh_lab as ml
from mesh_lab import balancing, draws
from mesh_lab.columns import Columns
from mesh_lab.engines import (
    express_graph,
    express_graph_attempts,
    express_graph_calls,
    express_graph_ways,
)
from mesh_lab.ledger import CANCELLED, FAILED, OK, REJECTED, TIMEOUT
from mesh_lab.sources import access_log
from mesh_lab.sources.base import Source
from mesh_lab.stations.calls import Call, Parallel, Step
from tests.faults import Fault, planted
from tests.scenarios import Case
from tests.scenarios_graph import cramped, make

COLUMNS = tuple(field.name for field in dataclasses.fields(Columns))
FEW = 120  # scenarios in ``make test``
MOST = 100_000  # events of a scenario, which has a few thousand
# beside those of `tests.scenarios_graph`: with keys, with oracles, with times of their own
FURTHER = (
    balancing.JoinShortestQueue(),
    balancing.PowerOfD(choices=2, refresh=1.0),
    balancing.JoinIdleQueue(choices=2),
    balancing.SizeInterval(cutoffs=(1.0,)),
    balancing.Prequal(),
    balancing.LoadReports(),
    balancing.RingHash(min_size=16, balance_factor=125),
    balancing.Maglev(table_size=31),
)


class Limited(simpy.Environment):
    """An environment that does not go on for ever, if a fault makes it."""

    left = MOST

    def step(self) -> None:
        self.left -= 1
        assert self.left, f"after {MOST} events it still goes on"
        super().step()


@functools.cache
def case_of(seed: int) -> Case:
    """Return case `seed` of `tests.scenarios_graph` without what the lane does not know."""
    case = make(seed)
    rng = random.Random(f"lane {seed}")
    parts: list[Any] = []
    for part in case.parts:
        if isinstance(part, ml.Service):
            fields: dict[str, Any] = {"policy": plain_policy(part.policy)}
            fields["calls"] = tuple(plain_step(step) for step in part.calls)
            if part.cancelled == "stop":
                fields["cancelled"] = "skip"
            if rng.random() < 0.3:
                fields["balancer"] = rng.choice(FURTHER)
            parts.append(dataclasses.replace(part, **fields, **unknown(ml.Service)))
        elif isinstance(part, Source):
            keyed = part.key is not None
            parts.append(part if keyed else dataclasses.replace(part, key=ml.Keys(20)))
    return dataclasses.replace(case, parts=tuple(parts))


def plain_step(step: Step) -> Step:
    """Return a step with policies that the lane knows."""
    if isinstance(step, Parallel):
        return Parallel(tuple(plain_step(call) for call in step.calls))
    if isinstance(step, str):
        return step
    return dataclasses.replace(step, policy=plain_policy(step.policy))


def plain_policy(policy: ml.Policy | None) -> ml.Policy | None:
    """Return a policy with retries instead of hedges."""
    if policy is None:
        return None
    retries = policy.retries
    if policy.hedge is not None:
        retries = ml.Retries(policy.hedge.times, on=policy.hedge.on)
    return dataclasses.replace(policy, **{**unknown(ml.Policy), "retries": retries})


def unknown(kind: type[Any]) -> dict[str, Any]:
    """Return the fields of a part that the lane does not know, as they are by default."""
    known = express_graph._KNOWN[kind].split()
    found = {}
    for field in dataclasses.fields(kind):
        if field.name not in known:
            made: Any = field.default_factory
            found[field.name] = field.default if made is dataclasses.MISSING else made()
    return found


@contextmanager
def quarters(small: bool) -> Iterator[None]:
    """Let draws come 8 at a time, and rows one by one, where it is cramped."""
    with ExitStack() as stack:
        if small:
            chunk = {"CHUNK": 8}
            for where, what in (
                (draws, {"_BITS": 3, "_MASK": 7, **chunk}),
                (access_log, chunk),
                (express_graph_calls, {"BITS": 3, "MASK": 7}),
                (express_graph_ways, {"FEW": 1, "KEPT": 2, **chunk}),
                (express_graph_attempts, {"MORE": 1}),
            ):
                stack.enter_context(mock.patch.multiple(where, **what))
        yield


def by_lane(scenario: ml.Scenario, seed: int, **limits: Any) -> Columns:
    """Return the columns by the express lane."""
    limits = {"requests": None, "until": None, **limits}
    rows = express_graph.run(Limited(), scenario, seed, **limits)
    source, made = rows.request_columns()
    return Columns(source=source, made=made, **rows.columns())


def by_reference(scenario: ml.Scenario, seed: int, **limits: Any) -> Columns:
    """Return the columns by the reference."""
    return ml.simulate(scenario, seed=seed, engine="reference", **limits).columns


@functools.cache
def expected(seed: int) -> Columns:
    """Return the columns of case `seed` by the reference."""
    case = case_of(seed)
    with quarters(cramped(seed)):
        return by_reference(case.scenario, seed, requests=case.requests, until=case.until)


def difference(one: Columns, other: Columns) -> str | None:
    """Return where the columns differ, in words; None if they do not."""
    for name in COLUMNS:
        a, b = getattr(one, name), getattr(other, name)
        if a is None or b is None:
            if a is not b:
                return f"only one has a column {name}"
        elif a.dtype != b.dtype or len(a) != len(b):
            return f"column {name} has {len(a)} {a.dtype}, by the reference {len(b)} {b.dtype}"
        else:
            unlike = np.flatnonzero((a != b) & ((a == a) | (b == b)))
            if len(unlike):
                at = unlike[0]
                return f"row {at} of column {name} is {a[at]}, by the reference {b[at]}"
    return None


def first_difference(seed: int) -> str | None:
    """Return how case `seed` differs; None if it does not."""
    case = case_of(seed)
    wanted = expected(seed)
    with quarters(cramped(seed)):
        got = by_lane(case.scenario, seed, requests=case.requests, until=case.until)
    return difference(got, wanted)


@functools.cache
def seeds(many: int) -> list[int]:
    """Return the first seeds whose cases the lane takes: all but a few."""
    found = [s for s in range(1, 2 * many) if express_graph.fits(case_of(s).scenario)]
    assert len(found) >= 1.8 * many
    return found[:many]


@pytest.mark.parametrize("part", range(4))
def test_same_rows_as_the_reference(part: int) -> None:
    for seed in seeds(FEW)[part::4]:
        found = first_difference(seed)
        assert found is None, f"seed {seed}: {found}\n{case_of(seed)}"


def test_the_scenarios_have_everything_in_them() -> None:
    seen: Counter[str] = Counter()
    for seed in seeds(FEW):
        columns = expected(seed)
        outcome, result, attempt = columns.outcome, columns.result, columns.attempt
        assert result is not None
        assert attempt is not None
        seen["left while it was worked on"] += bool(((result == TIMEOUT) & (outcome == OK)).any())
        seen["not sent"] += bool(((columns.endpoint < 0) & (result == TIMEOUT)).any())
        seen["skipped"] += bool((outcome == CANCELLED).any())
        seen["third attempts"] += bool((attempt > 1).any())
        for name, code in (("rejected", REJECTED), ("failed", FAILED)):
            seen[name] += bool((outcome == code).any())
        for part in case_of(seed).parts:
            if isinstance(part, ml.Service):
                seen[part.mode] += 1
                seen["several proxies"] += part.proxies > 1
                seen["delays"] += part.delays
                seen[type(part.balancer).__name__] += part.balancer in FURTHER
                seen["in parallel"] += any(isinstance(step, Parallel) for step in part.calls)
            else:
                seen["batches"] += type(part).__name__ == "PoissonBatches"
                seen["deadlines"] += part.deadline is not None
                seen["several destinations"] += isinstance(part.to, dict)
    wanted = [type(rule).__name__ for rule in FURTHER]
    wanted += ["left while it was worked on", "not sent", "skipped", "third attempts", "rejected"]
    wanted += ["failed", "sync", "async", "several proxies", "delays", "in parallel", "batches"]
    wanted += ["deadlines", "several destinations"]
    missing = [what for what in wanted if not seen[what]]
    assert not missing, seen


# -- chosen scenarios ----------------------------------------------------------------------------

WORK = ml.Exponential(mean=0.02)


def tiers(load: float, **fields: Any) -> ml.Scenario:
    """Three services in a row, the last of which can do 200 requests a second."""
    again = ml.Retries(2)
    return ml.Scenario(
        ml.Poisson("shop", rate=200.0 * load, to="web"),
        ml.Service(
            "web",
            replicas=4,
            workers=16,
            service_time=WORK,
            calls=("orders",),
            balancer=ml.LeastRequest(),
            policy=ml.Policy(timeout=3.0, retries=ml.Retries(1)),
            **fields,
        ),
        ml.Service(
            "orders",
            replicas=4,
            workers=8,
            service_time=WORK,
            calls=("stock",),
            mode="async",
            balancer=ml.LeastRequest(),
            policy=ml.Policy(per_try_timeout=1.0, retries=again),
            **fields,
        ),
        ml.Service(
            "stock",
            replicas=4,
            service_time=WORK,
            balancer=ml.LeastRequest(),
            policy=ml.Policy(per_try_timeout=0.25, retries=again),
            **fields,
        ),
    )


@pytest.mark.parametrize("limits", [{"requests": 1500}, {"until": 7.0}], ids=str)
@pytest.mark.parametrize("capacity", [None, 5])
@pytest.mark.parametrize("load", [0.7, 1.3])
def test_retries_under_load(load: float, capacity: int | None, limits: dict[str, Any]) -> None:
    scenario = tiers(load, capacity=capacity)
    got = by_lane(scenario, 1, **limits)
    assert difference(got, by_reference(scenario, 1, **limits)) is None
    assert got.attempt is not None
    assert load < 1.0 or np.mean(got.attempt > 0) > 0.2


def test_room_grows_when_nobody_knows_how_many_there_will_be() -> None:
    scenario = tiers(0.5)
    got = by_lane(scenario, 2, until=60.0)
    assert len(got.made) > 4096
    assert got.attempt is not None
    assert len(got.attempt) > 3 * 4096
    assert difference(got, by_reference(scenario, 2, until=60.0)) is None


def test_simulate_takes_the_lane_unless_the_reference_is_wanted() -> None:
    scenario = tiers(0.7)
    with mock.patch.object(express_graph, "run", wraps=express_graph.run) as lane:
        for engine, times in (("simpy", 1), ("auto", 2), ("reference", 2)):
            ml.simulate(scenario, requests=10, seed=1, engine=engine)  # type: ignore[call-overload]
            assert lane.call_count == times, engine


def test_progress_counts_arrivals() -> None:
    seen = []
    express_graph.run(
        Limited(), tiers(0.7), 1, requests=7, until=None, arrived=lambda: seen.append(1)
    )
    assert len(seen) == 7


def chain(length: int) -> ml.Scenario:
    """Services that call one another, one below the other."""
    names = [f"s{i}" for i in range(length)]
    work = ml.Deterministic(value=0.25)
    services = [
        ml.Service(name, service_time=work, calls=(below,) if below else ())
        for name, below in zip(names, [*names[1:], ""], strict=True)
    ]
    return ml.Scenario(ml.Renewal("a", gap=ml.Deterministic(value=30.0), to="s0"), *services)


def test_a_deep_chain_does_not_fill_the_stack() -> None:
    scenario = chain(express_graph.DEEPEST)
    assert express_graph.fits(scenario)
    assert (
        difference(by_lane(scenario, 1, requests=2), by_reference(scenario, 1, requests=2)) is None
    )
    assert not express_graph.fits(chain(express_graph.DEEPEST + 1))


def test_many_steps_that_are_turned_away_do_not_fill_the_stack() -> None:
    many = tuple(Call("busy", optional=True) for _ in range(2000))
    scenario = ml.Scenario(
        ml.Renewal("a", gap=ml.Deterministic(value=1.0), to="s"),
        ml.Renewal("b", gap=ml.Deterministic(value=0.75), to="busy"),
        ml.Service("s", service_time=ml.Deterministic(value=1.0), calls=many),
        ml.Service("busy", service_time=ml.Deterministic(value=9.0), capacity=0),
    )
    assert express_graph.fits(scenario)
    got = by_lane(scenario, 1, requests=5)
    assert difference(got, by_reference(scenario, 1, requests=5)) is None
    assert np.sum(got.outcome == REJECTED) > 2000


# -- what it does not take -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"discipline": "lifo"},
        {"ttl": 1.0},
        {"capacity": 1, "overflow": "drop_oldest"},
        {"outages": ((1.0, 2.0),)},
        {"io": WORK},
        {"mode": "async", "io": WORK},
        {"service_time": lambda request, rng: 1.0},
        {"balancer": lambda sight, request: 0},
        {"cancelled": "stop"},
        {"changes": (ml.Fail(at=1.0, endpoint="s-0"),)},
        {"eligible": ml.Eligible(panic=0.0)},
        {"replicas": 1, "endpoints": (ml.Endpoint("a"), ml.Endpoint("b", priority=1))},
        {"policy": ml.Policy(hedge=ml.Hedge(delay=0.1))},
        {"calls": (Call("t", policy=ml.Policy(hedge=ml.Hedge(delay=0.1))),)},
        {"calls": (Call("s", policy=ml.Policy(timeout=1.0, propagate=True)),)},
    ],
    ids=" ".join,
)
def test_whatever_it_cannot_do_goes_to_the_reference(fields: dict[str, Any]) -> None:
    usual = {"replicas": 2, "service_time": WORK, "policy": ml.Policy(timeout=1.0), "calls": ("t",)}
    source, other = ml.Poisson("a", rate=1.0, to="s"), ml.Service("t", service_time=WORK)
    assert express_graph.fits(ml.Scenario(source, ml.Service("s", **usual), other))
    assert not express_graph.fits(ml.Scenario(source, ml.Service("s", **usual | fields), other))


@pytest.mark.parametrize(
    "parts",
    [
        (ml.Users("a", users=2, think=WORK, to="s"),),
        (ml.Poisson("a", rate=1.0, to="q"), ml.Queue("q"), ml.Handler("h", source="q", work=WORK)),
        (ml.Poisson("a", rate=1.0, to="t"), ml.Service("t", service_time=WORK, to="s")),
    ],
    ids=lambda parts: parts[-1].name,
)
def test_parts_it_does_not_have_go_to_the_reference(parts: tuple[Any, ...]) -> None:
    called = ml.Service("s", service_time=WORK, policy=ml.Policy(timeout=1.0))
    assert not express_graph.fits(ml.Scenario(*parts, called))


def test_without_calls_it_is_not_asked() -> None:
    source = ml.Poisson("a", rate=1.0, to="s")
    assert not express_graph.fits(ml.Scenario(source, ml.Service("s", service_time=WORK)))


def test_a_field_that_it_has_not_heard_of_goes_to_the_reference() -> None:
    scenario = tiers(0.7)
    known = {**express_graph._KNOWN}
    for kind, field in ((ml.Policy, "propagate"), (ml.Policy, "timeout"), (ml.Service, "mode")):
        less = known[kind].replace(field, "", 1)  # as if the lane had been written before it came
        with mock.patch.dict(express_graph._KNOWN, {kind: less}):
            assert express_graph.fits(scenario) is (field == "propagate"), field  # as by default


# -- planted faults ------------------------------------------------------------------------------

CALLS, SERVICES = "engines.express_graph_calls", "engines.express_graph_services"
LANE, PROXIES = "engines.express_graph", "engines.express_graph_proxies"

FAULTS = {
    "a list of deadlines sleeps for too long": Fault(
        CALLS, "self._rank, sent[row] + seconds - now)", "self._rank, seconds)"
    ),
    "of alarms at one time those of lists come first": Fault(
        CALLS, "EXPIRY + (number + 1) * FRACTION", "EXPIRY - (number + 1) * FRACTION"
    ),
    "one attempt too many": Fault(CALLS, "way.visit >= times", "way.visit > times"),
    "pauses begin one step too late": Fault(
        CALLS, "backoff.pause(way.visit + 1,", "backoff.pause(way.visit + 2,"
    ),
    "the next attempt draws as the one before": Fault(
        CALLS, "before.visit + 1, before.source", "before.visit, before.source"
    ),
    "a pause goes on beyond the end": Fault(CALLS, "if now + pause < attempt.end:", "if True:"),
    "a pause is forgotten": Fault(CALLS, "            attempt.pause = pause ", "            pass "),
    "deadlines do not travel": Fault(CALLS, "due if propagate and due < limit", "due if False"),
    "what is optional fails its caller": Fault(CALLS, "OK if optional else result", "result"),
    "who has left is still outstanding": Fault(
        CALLS,
        "attempt.proxy.answered(attempt.endpoint, now, now - attempt.sent, 0, 0, math.nan)",
        "pass",
    ),
    "a worker is not held during calls": Fault(
        SERVICES,
        "            attempt.open = 0\n",
        "            attempt.open = 0\n            free[attempt.endpoint] += 1\n",
    ),
    "what nobody waits for is started": Fault(
        SERVICES,
        "            if attempt.left and notices:\n                fin",
        "            if False:\n                fin",
    ),
    "one too many may wait": Fault(
        SERVICES, "elif len(waiting[endpoint]) < room:", "elif len(waiting[endpoint]) <= room:"
    ),
    "the speed of endpoints does not matter": Fault(
        SERVICES, "[attempt.at] / speeds[endpoint])", "[attempt.at])"
    ),
    "a late response counts": Fault(
        SERVICES, "        if attempt.left:\n            return\n        outcome", "        outcome"
    ),
    "the rule's own times are forgotten": Fault(
        PROXIES, "for k in range(self.alarms[0]):", "for k in range(0):"
    ),
    "a batch goes on when the sources have stopped": Fault(
        LANE, "                if clock.stopped:\n                    break\n", ""
    ),
}


def found_after(name: str, many: int) -> int | None:
    """Return after how many cases fault `name` is found; None if it is not."""
    with planted(name, FAULTS):
        for tried, seed in enumerate(seeds(many), start=1):
            try:
                found = first_difference(seed) is not None
            except Exception:
                found = True
            if found:
                return tried
    return None


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    assert found_after(name, FEW) is not None


if __name__ == "__main__":
    wrong = 0
    for seed in seeds(int(sys.argv[1])):
        found = first_difference(seed)
        if found is not None:
            wrong += 1
            print(f"seed {seed}: {found}\n{case_of(seed)}")
    print(f"{sys.argv[1]} scenarios, {wrong} differ")
    sys.exit(bool(wrong))
