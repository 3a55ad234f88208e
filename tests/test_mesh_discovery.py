"""The truth of a registry, the life of pods, readiness, and how stale a view is."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Any

import pytest

from mesh_lab import Exponential, Service, Uniform
from mesh_lab.draws import Draws
from mesh_lab.errors import PartError, ScenarioError
from mesh_lab.mesh.discovery import (
    AtOnce,
    BlockingQueries,
    ControlPlane,
    Dns,
    EndpointSlices,
    Gossip,
    HealthChecks,
    PodLife,
    Readiness,
    Registry,
    State,
    Truth,
    ViewChange,
    meets,
    published,
    staleness,
)
from mesh_lab.stations.endpoints import (
    Drain,
    Endpoint,
    Fail,
    Failures,
    Join,
    Leave,
    Recover,
    Slow,
)

A, S, R, U, T, D = State
Log = list[tuple[float, int, State]]


def log(truth: Iterable[Truth], until: float = 1e9) -> Log:
    taken = itertools.takewhile(lambda change: change.time < until, truth)
    return [(round(time, 9), endpoint, state) for time, endpoint, state in taken]


# -- the truth ------------------------------------------------------------------------------------


def test_each_change_has_its_state() -> None:
    registry = Registry(
        "o",
        endpoints=("a", "b", "c"),
        changes=(
            Fail(at=1.0, endpoint="a"),
            Fail(at=1.5, endpoint="a"),  # it is down already
            Slow(at=2.0, endpoint="b", speed=0.5),
            Join(at=4.0, endpoint=Endpoint("e")),
            Join(at=3.0, endpoint=Endpoint("d")),  # numbers follow the order of joining
            Recover(at=5.0, endpoint="a"),
            Drain(at=6.0, endpoint="b"),
            Leave(at=7.0, endpoint="c"),
        ),
    )
    assert registry.names == ("a", "b", "c", "d", "e")
    assert log(registry.truth(Draws(seed=1))) == [
        (0.0, 0, R),
        (0.0, 1, R),
        (0.0, 2, R),
        (1.0, 0, D),
        (3.0, 3, R),
        (4.0, 4, R),
        (5.0, 0, R),
        (6.0, 1, T),
        (7.0, 2, A),
    ]


def test_a_registry_of_a_service_has_its_numbers_and_changes() -> None:
    service = Service(
        "orders",
        replicas=2,
        service_time=Exponential(mean=0.1),
        changes=(Join(at=2.0, endpoint=Endpoint("new")), Leave(at=3.0, endpoint="orders-0")),
    )
    registry = Registry.of(service)
    assert registry.names == tuple(endpoint.name for endpoint in service.ever)
    assert log(registry.truth(Draws(seed=1)))[2:] == [(2.0, 2, R), (3.0, 0, A)]


def test_failures_are_those_of_the_engine() -> None:
    """What callers meet in a run of the engine is what the truth says at that time."""
    import mesh_lab as ml

    failures = Failures(up=Exponential(mean=5.0), down=Exponential(mean=2.0))
    service = Service(
        "orders", replicas=1, service_time=Exponential(mean=0.001), changes=(failures,)
    )
    scenario = ml.Scenario(ml.Poisson("shop", rate=20.0, to="orders"), service)
    run = ml.simulate(scenario, requests=2000, seed=3, engine="simpy")
    times = [0.0, *(t for t, _, _ in log(Registry.of(service).truth(Draws(seed=3)), 200.0)[1:])]
    states = [state for _, _, state in log(Registry.of(service).truth(Draws(seed=3)), 200.0)]
    down = 0
    for row in run.requests.itertuples():
        state = states[sum(t <= row.arrival for t in times) - 1]
        assert (row.outcome == "unavailable") == (state == D), row
        down += state == D
    assert 100 < down < 1900


def test_failures_have_no_end_and_are_made_as_they_are_read() -> None:
    failures = Failures(up=Exponential(mean=1.0), down=Exponential(mean=1.0), endpoints=("o-1",))
    truth = Registry("o", endpoints=3, changes=(failures,)).truth(Draws(seed=1))
    first = list(itertools.islice(truth, 1000))
    assert first == list(itertools.islice(truth, 1000))  # it can be read again
    assert {endpoint for _, endpoint, _ in first[3:]} == {1}
    assert [state for _, _, state in first[3:]] == [D, R] * 498 + [D]


def test_who_is_down_when_it_is_deleted_does_not_come_back() -> None:
    failures = Failures(up=Uniform(low=2.0, high=2.5), down=Uniform(low=5.0, high=6.0))
    registry = Registry("o", changes=(failures, Drain(at=4.0, endpoint="o-0")))
    assert [state for _, _, state in log(registry.truth(Draws(seed=1)))] == [R, D]


def test_a_pod_that_terminates_does_not_come_back() -> None:
    failures = Failures(up=Uniform(low=2.0, high=3.0), down=Uniform(low=0.1, high=0.2))
    registry = Registry("o", changes=(failures, Drain(at=1.0, endpoint="o-0")))
    assert [state for _, _, state in log(registry.truth(Draws(seed=1)))] == [R, T, D]


@pytest.mark.parametrize(
    ("life", "expected"),
    [
        (PodLife(), [(10.0, T), (10.0, A)]),
        (PodLife(shutdown=7.0), [(10.0, T), (17.0, A)]),
        (PodLife(shutdown=99.0), [(10.0, T), (40.0, A)]),
        (PodLife(pre_stop=5.0, shutdown=99.0, grace=12.0), [(10.0, T), (22.0, A)]),
        (PodLife(pre_stop=29.5, shutdown=99.0), [(10.0, T), (41.5, A)]),  # 2 s at least
        (PodLife(pre_stop=60.0, shutdown=99.0), [(10.0, T), (42.0, A)]),
        (
            PodLife(pre_stop=5.0, shutdown=3.0, on_term="refuses"),
            [(10.0, T), (15.0, D), (18.0, A)],
        ),
    ],
)
def test_termination_follows_the_kubelet(life: PodLife, expected: list[Any]) -> None:
    registry = Registry("o", changes=(Drain(at=10.0, endpoint="o-0"),), life=life)
    assert [(t, state) for t, _, state in log(registry.truth(Draws(seed=1)))[1:]] == expected


def test_a_process_that_fails_while_it_starts_does_not_finish_starting() -> None:
    registry = Registry(
        "o",
        changes=(
            Join(at=1.0, endpoint=Endpoint("n")),
            Fail(at=3.0, endpoint="n"),
            Recover(at=4.0, endpoint="n"),
            Fail(at=20.0, endpoint="n"),
        ),
        life=PodLife(startup=5.0),
    )
    assert log(registry.truth(Draws(seed=1)))[1:] == [
        (1.0, 1, S),
        (3.0, 1, D),
        (4.0, 1, S),
        (9.0, 1, R),
        (20.0, 1, D),
    ]


def test_startup_times_are_drawn_by_endpoint_and_start() -> None:
    changes = tuple(Join(at=float(k), endpoint=Endpoint(f"n{k}")) for k in range(1, 4))
    life = PodLife(startup=Exponential(mean=1.0))
    few = log(Registry("o", changes=changes[:2], life=life).truth(Draws(seed=1)))
    many = log(Registry("o", changes=changes, life=life).truth(Draws(seed=1)))
    ready = {endpoint: time for time, endpoint, state in many if state == R}
    assert all(ready[endpoint] == time for time, endpoint, state in few if state == R)
    assert len({ready[k] - k for k in (1, 2, 3)}) == 3


def test_what_a_caller_with_an_old_view_meets() -> None:
    assert [meets(state) for state in State] == [
        "silent",
        "refused",
        "answered",
        "answered",
        "answered",
        "refused",
    ]


def test_a_pre_stop_hook_wins_the_race_against_slow_lists() -> None:
    """With a hook longer than the lists take, nobody is sent to a closed port."""
    for hook, gone in ((0.0, True), (4.9, True), (5.1, False)):
        life = PodLife(pre_stop=hook, shutdown=20.0, on_term="refuses")
        registry = Registry("o", endpoints=2, changes=(Drain(at=50.0, endpoint="o-1"),), life=life)
        truth = registry.truth(Draws(seed=1))
        views = Dns(refresh=5.0).views(truth, 200, Draws(seed=1), "o")
        stale = staleness(views, truth, 200, until=100.0)
        assert (sum(s.gone for s in stale) > 0.0) == gone, hook
        assert 1.5 < sum(s.unfit + s.gone for s in stale) / 200 < 3.5


# -- readiness ------------------------------------------------------------------------------------

LIFE: list[tuple[float, State]] = [(2.0, S), (6.0, R)]


def said(probe: Readiness, states: list[tuple[float, State]], until: float = 1e9) -> list[Any]:
    truth = [Truth(time, 0, state) for time, state in states]
    stream = probe.published(truth, Draws(seed=1), "o")
    return [(time, state) for time, _, state in log(stream, until)]


@pytest.mark.parametrize(
    ("probe", "states", "expected"),
    [
        (Readiness(), LIFE, [(2.0, S), (12.0, R)]),
        (Readiness(success=3), LIFE, [(2.0, S), (32.0, R)]),
        (Readiness(response=0.4), LIFE, [(2.0, S), (12.4, R)]),
        (Readiness(response=1.0), LIFE, [(2.0, S), (13.0, R)]),  # just in time
        (Readiness(response=1.1), LIFE, [(2.0, S)]),
        (Readiness(initial_delay=11.0), LIFE, [(2.0, S), (22.0, R)]),
        # ready at 12, unready from 15 on: probes at 22, 32, 42 fail
        (Readiness(), [*LIFE, (15.0, U)], [(2.0, S), (12.0, R), (42.0, U)]),
        # the third failure does not come
        (Readiness(), [*LIFE, (15.0, U), (41.0, R)], [(2.0, S), (12.0, R)]),
        (Readiness(response=0.2, failure=1), [*LIFE, (22.0, U)], [(2.0, S), (12.2, R), (22.2, U)]),
        # a crash is known a second later, or at the next probe
        (Readiness(), [*LIFE, (15.0, D)], [(2.0, S), (12.0, R), (16.0, D)]),
        (Readiness(), [*LIFE, (21.5, D)], [(2.0, S), (12.0, R), (22.0, D)]),
        (Readiness(exit_noticed=20.0), [*LIFE, (15.0, D)], [(2.0, S), (12.0, R), (22.0, D)]),
        # it starts again: not ready at once, and again at the probe after it can answer
        (
            Readiness(),
            [*LIFE, (15.0, D), (15.5, S), (40.0, R)],
            [(2.0, S), (12.0, R), (15.5, S), (42.0, R)],
        ),
        # the API server knows of a deletion at once
        (
            Readiness(),
            [*LIFE, (14.0, T), (20.0, D), (21.0, A)],
            [(2.0, S), (12.0, R), (14.0, T), (21.0, A)],
        ),
    ],
)
def test_readiness_follows_the_kubelet(probe: Readiness, states: Any, expected: Any) -> None:
    assert said(probe, states) == expected


def kubelet(probe: Readiness, states: list[tuple[float, State]], until: float) -> list[Any]:
    """Say what is published of one pod that starts after 0, probe by probe, in plain Python."""
    begin = states[0][0]
    happens: list[tuple[float, int, str]] = [(t, 0, s.name) for t, s in states]
    happens += [(t + probe.exit_noticed, 1, "exit") for t, s in states if s == D]
    ticks = int((until - begin) / probe.period) + 2
    happens += [(begin + k * probe.period, 2, "probe") for k in range(ticks)]
    results: list[bool] = []
    fact, told = "ABSENT", "ABSENT"
    out: list[Any] = []

    def tell(time: float, name: str) -> None:
        nonlocal told
        if name != told and time < until:
            told = name
            out.append((time, State[name]))

    for time, _, what in sorted(happens):
        if what == "exit" or (what == "probe" and fact == "DOWN"):
            if fact == "DOWN" and told not in ("ABSENT", "TERMINATING"):
                tell(time, "DOWN")
        elif what == "probe":
            if fact not in ("READY", "UNREADY", "STARTING") or told == "TERMINATING":
                continue
            results.append(fact == "READY")
            if all(results[-probe.success :]) and len(results) >= probe.success:
                tell(time, "READY")
            lost = results[-probe.failure :]
            if len(lost) == probe.failure and not any(lost) and told == "READY":
                tell(time, "UNREADY")
        else:
            if told == "ABSENT" or what in ("STARTING", "TERMINATING"):
                tell(time, "TERMINATING" if what == "TERMINATING" else "STARTING")
            fact = what
    return out


def random_life(rng: random.Random) -> list[tuple[float, State]]:
    time, state = float(rng.randint(1, 5)), S
    life = [(time, state)]
    after = {S: [R, R, D], R: [U, D, D], U: [R, R, D], D: [S]}
    for _ in range(rng.randint(1, 12)):
        time += rng.choice([0.25, 0.5, 1.0, 3.0, 9.75, 10.0, 21.0, 35.5])
        state = rng.choice(after[state])
        life.append((time, state))
    if rng.random() < 0.3:
        life.append((time + 3.0, T))
    return life


def test_readiness_against_a_second_account() -> None:
    changes = 0
    for seed in range(1, 401):
        rng = random.Random(seed)
        probe = Readiness(
            period=rng.choice([2.0, 10.0]),
            success=rng.randint(1, 3),
            failure=rng.randint(1, 4),
            exit_noticed=rng.choice([0.25, 1.0]),
        )
        life = random_life(rng)
        until = life[-1][0] + 60.0
        expected = kubelet(probe, life, until)
        assert said(probe, life, until) == expected, (seed, probe, life)
        changes += len(expected)
    assert changes > 1500


def test_pods_of_the_beginning_are_probed_at_a_phase_of_their_own() -> None:
    truth = [Truth(0.0, e, R) for e in range(400)] + [Truth(100.0, e, U) for e in range(400)]
    stream = log(Readiness().published(truth, Draws(seed=1), "o"))[400:]
    waits = sorted(time - 100.0 for time, _, _ in stream)
    assert len(waits) == 400
    assert 20.0 <= waits[0] < 20.3  # two periods and a phase
    assert 29.7 < waits[-1] <= 30.0


def test_the_registry_publishes_what_its_probes_found() -> None:
    registry = Registry(
        "o", changes=(Fail(at=25.0, endpoint="o-0"),), readiness=Readiness(exit_noticed=2.0)
    )
    truth = registry.truth(Draws(seed=1))
    assert log(truth)[1:] == [(25.0, 0, D)]
    ((time, _, state),) = log(published(truth))[1:]
    assert state == D
    assert 25.0 < time <= 27.0
    views = list(AtOnce().views(truth, 1, Draws(seed=1), "o"))
    assert [change.time for change in views] == [0.0, time]


# -- at once, and staleness -----------------------------------------------------------------------


def test_at_once_differs_in_nothing_but_those_who_are_not_ready() -> None:
    truth = [Truth(0.0, 0, R), Truth(1.0, 1, S), Truth(1.0, 0, U), Truth(2.0, 0, T)]
    left_out = list(AtOnce().views(truth, 2, Draws(seed=1), "o"))
    assert left_out == [
        ViewChange(0.0, 0, ((0, True),)),
        ViewChange(0.0, 1, ((0, True),)),
        ViewChange(1.0, 0, ()),
        ViewChange(1.0, 1, ()),
    ]
    marked = list(AtOnce(unready=True).views(truth, 1, Draws(seed=1), "o"))
    assert [change.endpoints for change in marked] == [
        ((0, True),),
        ((0, False), (1, False)),
        ((1, False),),
    ]


def sampled(views: list[ViewChange], truth: list[Truth], proxies: int, until: int) -> list[Any]:
    """Count the errors of views second by second; all happens on whole seconds."""
    sums = [[0, 0, 0, 0] for _ in range(proxies)]
    for second in range(until):
        states = {c.endpoint: c.state for c in truth if c.time <= second}
        for proxy in range(proxies):
            seen = [c.endpoints for c in views if c.proxy == proxy and c.time <= second]
            healthy = {e for e, well in (seen or [()])[-1] if well}
            gone = sum(states.get(e, A) in (A, S, D) for e in healthy)
            unfit = sum(states.get(e, A) in (U, T) for e in healthy)
            lacking = sum(state == R and e not in healthy for e, state in states.items())
            for k, n in enumerate((gone, unfit, lacking, gone + unfit + lacking > 0)):
                sums[proxy][k] += n
    return sums


def test_staleness_against_a_second_account() -> None:
    for seed in range(1, 31):
        rng = random.Random(seed)
        times = sorted(rng.randint(0, 39) for _ in range(60))
        truth = [Truth(float(t), rng.randint(0, 4), rng.choice(list(State))) for t in times]
        moments = sorted((rng.randint(0, 45), rng.randint(0, 2)) for _ in range(40))
        views = [
            ViewChange(float(t), p, tuple((e, rng.random() < 0.8) for e in range(5)))
            for t, p in moments
        ]
        found = staleness(views, truth, 3, until=40.0)
        assert [[s.gone, s.unfit, s.lacking, s.stale] for s in found] == sampled(
            views, truth, 3, 40
        )


def test_staleness_counts_stretches_and_changes() -> None:
    truth = [Truth(0.0, 0, R), Truth(2.0, 0, D), Truth(3.0, 1, D), Truth(7.0, 0, R)]
    views = [
        ViewChange(0.0, 0, ((0, True),)),
        ViewChange(4.0, 0, ()),
        ViewChange(5.0, 0, ()),  # a sign of life
        ViewChange(8.0, 0, ((0, True),)),
    ]
    (found,) = staleness(views, truth, 1, until=20.0)
    assert (found.gone, found.lacking, found.stale, found.longest) == (2.0, 1.0, 3.0, 2.0)
    assert found.changes == 2


# -- bad input ------------------------------------------------------------------------------------

PARTS = (
    AtOnce(),
    HealthChecks(interval=5.0, timeout=1.0),
    Dns(),
    BlockingQueries(),
    EndpointSlices(),
    ControlPlane(),
    Gossip(),
)
OF = [type(part).__name__ for part in PARTS]


@pytest.mark.parametrize("part", PARTS, ids=OF)
@pytest.mark.parametrize(
    ("truth", "says"),
    [
        ([Truth(1.0, 0, R), Truth(0.5, 0, D)], "must not go back"),
        ([Truth(float("nan"), 0, R)], "must be finite"),
        ([Truth(float("inf"), 0, R)], "must be finite"),
        ([Truth(-1.0, 0, R)], "must not go back"),
        ([Truth(1.0, -1, R)], "whole number, 0 or more"),
        ([Truth(1.0, 0, 7)], "one of State"),  # type: ignore[arg-type]
        ([(1.0, 0, R)], "Truth"),
    ],
)
def test_a_truth_that_cannot_be_is_refused(part: Any, truth: Any, says: str) -> None:
    with pytest.raises(ScenarioError, match=says) as caught:
        list(part.views(truth, 1, Draws(seed=1), "orders"))
    assert "'orders'" in str(caught.value)


@pytest.mark.parametrize("part", PARTS, ids=OF)
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"proxies": 0}, "proxies is 0"),
        ({"proxies": True}, "proxies is True"),
        ({"proxies": 1.5}, "proxies is 1.5"),
        ({"draws": 7}, "draws is 7"),
        ({"name": ""}, "name is ''"),
    ],
)
def test_impossible_arguments_are_refused_at_once(part: Any, given: Any, says: str) -> None:
    arguments = {"truth": [], "proxies": 1, "draws": Draws(seed=1), "name": "o", **given}
    with pytest.raises(ScenarioError, match=says):
        part.views(**arguments)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Registry("o", endpoints=()), "must name one"),
        (lambda: Registry("o", endpoints=("a", "a")), "'a' is there twice"),
        (lambda: Registry("o", changes=(Fail(at=1.0, endpoint="x"),)), "not there at that time"),
        (
            lambda: Registry(
                "o", changes=(Leave(at=1.0, endpoint="o-0"), Fail(at=2.0, endpoint="o-0"))
            ),
            "gone for good",
        ),
        (lambda: Readiness(timeout=11.0), "before the last one has ended"),
        (lambda: HealthChecks(interval=5.0, timeout=5.1), "slower than its interval"),
        (
            lambda: HealthChecks(interval=5.0, timeout=2.0, unhealthy_edge_interval=1.0),
            "unhealthy_edge_interval is 1.0",
        ),
        (lambda: HealthChecks.haproxy(inter=1.0, timeout=2.0), "slower than its interval"),
        (lambda: HealthChecks(interval=5.0, timeout=1.0, unhealthy=0), "at least 1"),
        (lambda: Dns(ttl=0.0), "without end"),
        (lambda: Dns(negative_ttl=0.0), "without end"),
        (lambda: Dns(ttl=-1.0), "at least 0"),
        (lambda: Dns(refresh="never"), "refresh"),  # type: ignore[arg-type]
        (lambda: BlockingQueries(wait=601.0), "at most 600"),
        (lambda: EndpointSlices(most=0), "from 1 to 1000"),
        (lambda: ControlPlane(after=11.0), "longest is 10.0"),
        (lambda: ControlPlane(down=((5.0, 4.0),)), "ends before it begins"),
        (lambda: ControlPlane(down=((1.0, 4.0), (3.0, 5.0))), "in order"),
        (lambda: ControlPlane(refused=1.5), r"from 0.* to 1"),
        (lambda: Gossip(probe_timeout=1.5), "slower than its interval"),
        (lambda: Gossip(loss=1.0), "below 1"),
    ],
)
def test_impossible_fields_are_refused(make: Any, says: str) -> None:
    with pytest.raises(PartError, match=says):
        make()


def test_staleness_refuses_what_cannot_be() -> None:
    with pytest.raises(ScenarioError, match=r"until is 0\.0"):
        staleness([], [], 1, until=0.0)
    with pytest.raises(ScenarioError, match="numbered from 0"):
        staleness([ViewChange(0.0, 3, ())], [], 2, until=1.0)
