"""What must hold for every way of discovery, over random truths."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from mesh_lab import Exponential, Uniform
from mesh_lab.draws import Draws
from mesh_lab.mesh.discovery import (
    AtOnce,
    BlockingQueries,
    ControlPlane,
    Discovery,
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
    staleness,
)
from mesh_lab.mesh.discovery.pushing import Pushing
from mesh_lab.mesh.discovery.slices import _Model as Slices
from mesh_lab.stations.endpoints import Drain, Endpoint, Fail, Failures, Join, Leave, Recover

R, T = State.READY, State.TERMINATING
SMALL = Uniform(low=0.0, high=0.2)


def random_part(rng: random.Random) -> tuple[Discovery, float]:
    """Return a way of discovery, and the seconds after which its views equal the truth."""
    kind = rng.randrange(7)
    if kind == 0:
        return AtOnce(), 0.0
    if kind == 1:
        interval, rise, fall = rng.choice([1.0, 5.0]), rng.randint(1, 3), rng.randint(1, 3)
        checks = HealthChecks(
            interval=interval,
            timeout=1.0,
            healthy=rise,
            unhealthy=fall,
            response=SMALL,
            interval_jitter=0.5,
            warm=rng.random() < 0.5,
        )
        return checks, (max(rise, fall) + 1) * (interval + 0.5 + 1.0)
    if kind == 2:
        refresh = rng.choice(["ttl", 5.0])
        dns = Dns(ttl=8.0, refresh=refresh, resolvers=rng.randint(0, 2), lookup=SMALL)
        return dns, 8.0 + 8.0 + 0.4
    if kind == 3:
        return BlockingQueries(way=SMALL, wait=rng.choice([2.0, 300.0])), 0.6
    if kind == 4:
        slices = EndpointSlices(
            batch=rng.choice([0.0, 0.5]), most=rng.randint(1, 4), write=0.05, way=SMALL
        )
        return slices, 0.5 + 2 * 30 * 0.05 + 0.2
    if kind == 5:
        plane = ControlPlane(
            concurrency=rng.randint(1, 3), work=0.3, way=SMALL, rate=rng.choice([None, 20.0])
        )
        return plane, 10.1 + 3 * 4 * 0.3 + 0.2
    return Gossip(delay=0.01, loss=rng.choice([0.0, 0.1])), 200.0


def random_registry(rng: random.Random, life: PodLife | None = None) -> Registry:
    names = [f"o-{k}" for k in range(4)]
    changes: list[Any] = []
    time, there, down = 0.0, list(names), set()
    for k in range(rng.randint(1, 12)):
        time += rng.choice([0.05, 0.5, 3.0, 20.0])
        what = rng.randrange(5)
        if what == 0 or not there:
            changes.append(Join(at=time, endpoint=Endpoint(f"n{k}")))
            there.append(f"n{k}")
            continue
        name = rng.choice(there)
        if what == 1:
            changes.append(rng.choice([Drain, Leave])(at=time, endpoint=name))
            there.remove(name)
        elif name in down:
            changes.append(Recover(at=time, endpoint=name))
            down.discard(name)
        else:
            changes.append(Fail(at=time, endpoint=name))
            down.add(name)
    return Registry("o", endpoints=4, changes=tuple(changes), life=life)


def ready_at_the_end(truth: Any) -> tuple[set[int], float]:
    state: dict[int, State] = {}
    last = 0.0
    for time, endpoint, now in truth:
        state[endpoint] = now
        last = time
    return {e for e, s in state.items() if s == R}, last


def violations(seed: int) -> list[str]:
    """Name what does not hold for one random way of discovery and one random truth."""
    rng = random.Random(seed)
    part, bound = random_part(rng)
    life = rng.choice([None, PodLife(startup=SMALL, shutdown=1.0, on_term="refuses")])
    truth = random_registry(rng, life).truth(Draws(seed=seed))
    ready, last = ready_at_the_end(truth)
    proxies = rng.randint(1, 4)
    stream = part.views(truth, proxies, Draws(seed=seed), "o")
    changes = list(itertools.takewhile(lambda c: c.time <= last + bound + 500.0, stream))
    found = []
    if [(c.time, c.proxy) for c in changes] != sorted((c.time, c.proxy) for c in changes):
        found.append("out of order")
    believed: dict[int, ViewChange] = {}
    for change in changes:
        if [e for e, _ in change.endpoints] != sorted({e for e, _ in change.endpoints}):
            found.append("a view that is not in order")
        before = believed.get(change.proxy)
        if before is None or before.endpoints != change.endpoints:
            believed[change.proxy] = change
    for proxy in range(proxies):
        change = believed.get(proxy, ViewChange(0.0, proxy, ()))
        if {e for e, well in change.endpoints if well} != ready:
            found.append(f"proxy {proxy} ends with another view")
        if change.time > last + bound + 1e-9:
            found.append(f"proxy {proxy} learns too late")
    return found


def test_views_settle_on_the_truth_within_their_bounds() -> None:
    for seed in range(1, 301):
        assert violations(seed) == [], (seed, random_part(random.Random(seed)))


def test_a_lost_push_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pushing, "_enqueue", _forgetful(Pushing._enqueue))
    assert any(violations(seed) for seed in range(1, 101))


def test_a_slice_that_is_not_deleted_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hear = Slices._hear

    def keeps(self: Any, proxy: int, number: int, held: Any) -> None:
        if held:
            hear(self, proxy, number, held)

    monkeypatch.setattr(Slices, "_hear", keeps)
    assert any(violations(seed) for seed in range(1, 101))


def _forgetful(enqueue: Any) -> Any:
    def forgets(self: Any, proxy: int) -> None:
        if proxy not in self.served:  # who is being served would have to come again
            enqueue(self, proxy)

    return forgets


ENDLESS = (
    AtOnce(),
    HealthChecks(interval=2.0, timeout=1.0, response=SMALL),
    HealthChecks.haproxy(members=Dns(refresh=5.0)),
    Dns.kubeadm(refresh=5.0),
    Dns.jvm(order="random"),
    BlockingQueries(way=SMALL),
    EndpointSlices(batch=0.5, way=SMALL),
    ControlPlane(way=SMALL, refused=0.1, down=((50.0, 60.0),)),
    Gossip(loss=0.05),
)
FAILURES = Failures(up=Exponential(mean=20.0), down=Exponential(mean=5.0))


@pytest.mark.parametrize("part", ENDLESS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("readiness", [None, Readiness(response=SMALL)])
def test_failures_without_end_give_views_without_end(part: Any, readiness: Any) -> None:
    registry = Registry("o", endpoints=5, changes=(FAILURES,), readiness=readiness)
    truth = registry.truth(Draws(seed=1))
    stream = part.views(truth, 3, Draws(seed=1), "o")
    first = list(itertools.islice(stream, 100))
    assert len(first) == 100
    # the same, from the beginning, however fast it is read; another seed gives another stream
    again = part.views(registry.truth(Draws(seed=1)), 3, Draws(seed=1), "o")
    assert [next(again) for _ in range(100)] == first
    other = part.views(registry.truth(Draws(seed=2)), 3, Draws(seed=2), "o")
    assert list(itertools.islice(other, 100)) != first
    times = [change.time for change in first]
    assert times == sorted(times)


@pytest.mark.parametrize("part", ENDLESS, ids=lambda part: type(part).__name__)
def test_a_stream_whose_truth_says_nothing_more_ends_or_shows_signs_of_life(part: Any) -> None:
    stream = part.views([Truth(0.0, e, R) for e in range(3)], 2, Draws(seed=1), "o")
    first = list(itertools.islice(stream, 8))
    assert {change.proxy for change in first} == {0, 1}


def test_staleness_orders_the_ways_of_discovery() -> None:
    """The longer the times, the staler: gone endpoint-seconds of 10 proxies in 600 s."""
    registry = Registry("o", endpoints=10, changes=(FAILURES,))
    truth = registry.truth(Draws(seed=1))

    def gone(part: Discovery) -> float:
        views = part.views(truth, 10, Draws(seed=1), "o")
        return sum(s.gone for s in staleness(views, truth, 10, until=600.0))

    ways = (
        AtOnce(),
        ControlPlane(way=0.05),
        HealthChecks(interval=1.0, timeout=0.5, unhealthy=1),
        HealthChecks(interval=1.0, timeout=0.5, unhealthy=2),
        Dns(refresh=5.0),
        Dns(refresh=5.0, resolvers=1, ttl=30.0),
        Dns(refresh=None),
    )
    amounts = [gone(way) for way in ways]
    assert amounts[0] == 0.0
    assert amounts == sorted(amounts)
    assert all(a < b for a, b in itertools.pairwise(amounts))
