"""Jackson networks and closed networks against their chains, state by state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_lab.errors import PartError, UnstableError
from mesh_lab.theory import ClosedNetwork, erlang_c, jackson, mm1, mmc, mva

from .test_theory_oracles import mean_of, steady_state

quick = settings(derandomize=True, deadline=None, max_examples=40)


def open_chain(
    outside: tuple[float, float],
    service: tuple[float, float],
    servers: tuple[int, int],
    routing: tuple[tuple[float, float], tuple[float, float]],
    most: int,
) -> dict[Any, float]:
    def moves(n: tuple[int, int]) -> list[tuple[Any, float]]:
        out = []
        for i in (0, 1):
            if n[i] < most:
                out.append(((n[0] + (i == 0), n[1] + (i == 1)), outside[i]))
            if n[i]:
                rate = service[i] * min(n[i], servers[i])
                left = (n[0] - (i == 0), n[1] - (i == 1))
                out.append((left, rate * (1.0 - sum(routing[i]))))
                for j in (0, 1):
                    if left[j] < most:
                        out.append(((left[0] + (j == 0), left[1] + (j == 1)), rate * routing[i][j]))
        return out

    return steady_state(moves, (0, 0))


def agrees_jackson(model: Callable[..., Any]) -> None:
    outside, service, servers = (1.0, 0.3), (1.6, 2.0), (2, 1)
    routing = ((0.2, 0.4), (0.3, 0.1))
    p = open_chain(outside, service, servers, routing, 60)
    result = model(
        arrival_rates={"a": 1.0, "b": 0.3},
        service_rates={"a": 1.6, "b": 2.0},
        routing={"a": {"a": 0.2, "b": 0.4}, "b": {"a": 0.3, "b": 0.1}},
        servers={"a": 2},
    )
    waiting = 0.0
    for i, name in enumerate("ab"):
        there = mean_of(p, lambda n, i=i: n[i])  # type: ignore[misc]
        busy = mean_of(p, lambda n, i=i: min(n[i], servers[i]))  # type: ignore[misc]
        station = result.stations[name]
        assert station.in_system == pytest.approx(there, rel=1e-9)
        assert station.in_queue == pytest.approx(there - busy, rel=1e-8)
        assert station.utilisation == pytest.approx(busy / servers[i], rel=1e-9)
        assert station.throughput == pytest.approx(busy * service[i], rel=1e-9)
        assert result.visits[name] == pytest.approx(busy * service[i] / 1.3, rel=1e-9)
        waiting += there - busy
        for n in (0, 1, 4):
            share = math.fsum(q for s, q in p.items() if s[i] == n)
            assert station.in_system_probability(n) == pytest.approx(share, rel=1e-9)
    total = mean_of(p, sum)
    assert result.in_system == pytest.approx(total, rel=1e-9)
    assert result.response == pytest.approx(total / 1.3, rel=1e-9)
    assert result.in_queue == pytest.approx(waiting, rel=1e-8)
    assert result.wait == pytest.approx(waiting / 1.3, rel=1e-8)
    assert result.throughput == pytest.approx(1.3, rel=1e-12)
    assert result.bottleneck == "b"
    assert result.utilisation == result.stations["b"].utilisation
    # Independence at one instant, which is the theorem.
    for a, b in ((0, 0), (2, 1), (3, 5)):
        product = result.stations["a"].in_system_probability(a) * result.stations[
            "b"
        ].in_system_probability(b)
        assert p[a, b] == pytest.approx(product, rel=1e-9)


def closed_chain(
    users: int,
    means: tuple[float, ...],
    servers: tuple[float, ...],
    routing: dict[int, Any],
    think: float,
) -> dict[Any, float]:
    """Return the steady state of users at stations 0, 1, ... and, last, thinking.

    `routing[i]` lists (station, probability); thinking is the station ``len(means)``.
    """
    rates = [1.0 / m for m in means] + ([1.0 / think] if think else [])
    sizes = (*servers, math.inf)

    def moves(n: tuple[int, ...]) -> list[tuple[Any, float]]:
        out = []
        for i, rate in enumerate(rates):
            if n[i]:
                for j, p in routing[i]:
                    after = tuple(v - (k == i) + (k == j) for k, v in enumerate(n))
                    out.append((after, rate * min(n[i], sizes[i]) * p))
        return out

    return steady_state(moves, (users,) + (0,) * (len(rates) - 1))


CLOSED = (
    # users, servers of web, db and net, think time
    (1, (1, 1, math.inf), 0.7),
    (7, (1, 1, math.inf), 0.7),
    (7, (1, 3, 1), 0.7),
    (6, (2, 2, math.inf), 0.0),
    (9, (4, 1, 2), 0.05),
)


def agrees_mva(model: Callable[..., Any]) -> None:
    means, names = (0.10, 0.25, 0.40), ("web", "db", "net")
    for users, servers, think in CLOSED:
        # web -> db (1/2), net (1/4) or the user (1/4); db and net -> web.
        user = 3 if think else 0
        routing = {0: [(1, 0.5), (2, 0.25), (user, 0.25)], 1: [(0, 1.0)], 2: [(0, 1.0)]}
        if think:
            routing[3] = [(0, 1.0)]
        p = closed_chain(users, means, servers, routing, think)
        result = model(
            users=users,
            think_mean=think,
            service_means=dict(zip(names, means, strict=True)),
            visits={"web": 4.0, "db": 2.0},
            servers=dict(zip(names, servers, strict=True)),
        )
        rate = mean_of(p, lambda n: min(n[0], servers[0])) / means[0] / 4.0  # noqa: B023
        assert result.throughput == pytest.approx(rate, rel=1e-10)
        thinking = rate * think
        assert result.thinking == pytest.approx(thinking, rel=1e-10)
        assert result.in_system == pytest.approx(users - thinking, rel=1e-10)
        assert result.response == pytest.approx(users / rate - think, rel=1e-10)
        waiting = 0.0
        for i, name in enumerate(names):
            there = mean_of(p, lambda n, i=i: n[i])  # type: ignore[misc]
            busy = mean_of(p, lambda n, i=i, c=servers[i]: min(n[i], c))  # type: ignore[misc]
            flow = rate * (4.0, 2.0, 1.0)[i]
            station = result.stations[name]
            assert station.in_system == pytest.approx(there, rel=1e-9)
            assert station.in_queue == pytest.approx(there - busy, rel=1e-9, abs=1e-13)
            assert station.response == pytest.approx(there / flow, rel=1e-9)
            assert station.wait == pytest.approx((there - busy) / flow, rel=1e-9, abs=1e-13)
            assert station.residence == pytest.approx(there / rate, rel=1e-9)
            assert station.throughput == pytest.approx(flow, rel=1e-9)
            assert station.utilisation == pytest.approx(busy / servers[i], rel=1e-9)
            waiting += there - busy
        assert result.in_queue == pytest.approx(waiting, rel=1e-9)
        assert result.wait == pytest.approx(waiting / rate, rel=1e-9)


def test_jackson_is_its_chain() -> None:
    agrees_jackson(jackson)


def test_mva_is_its_chain() -> None:
    agrees_mva(mva)


@quick
@given(back=st.floats(0.0, 0.9), load=st.floats(0.05, 0.95))
def test_feedback_is_a_longer_service(back: float, load: float) -> None:
    """One station with feedback: visits are 1/(1 - back), and the number there is M/M/1's."""
    result = jackson(
        arrival_rates={"a": load * (1.0 - back)},
        service_rates={"a": 1.0},
        routing={"a": {"a": back}},
    )
    assert result.visits["a"] == pytest.approx(1.0 / (1.0 - back), rel=1e-9)
    assert result.in_system == pytest.approx(
        mm1(arrival_rate=load, service_rate=1.0).in_system, rel=1e-9
    )


@quick
@given(
    demands=st.lists(st.floats(0.01, 2.0), min_size=1, max_size=4),
    users=st.integers(1, 30),
    think=st.floats(0.0, 5.0),
)
def test_recursion_and_product_form_meet(demands: list[float], users: int, think: float) -> None:
    """Two servers of an empty station change nothing, but take the other way through the code."""
    names = [f"s{i}" for i in range(len(demands))]
    plain = mva(users=users, service_means=dict(zip(names, demands, strict=True)), think_mean=think)
    other = mva(
        users=users,
        service_means={**dict(zip(names, demands, strict=True)), "extra": 1e-13},
        servers={"extra": 2},
        think_mean=think,
    )
    assert other.throughput == pytest.approx(plain.throughput, rel=1e-9)
    for name in names:
        mine, its = plain.stations[name], other.stations[name]
        assert its.in_system == pytest.approx(mine.in_system, rel=1e-9)
        assert its.in_queue == pytest.approx(mine.in_queue, rel=1e-9, abs=1e-12)


@quick
@given(
    web=st.floats(0.01, 1.0),
    db=st.floats(0.01, 1.0),
    servers=st.integers(1, 8),
    users=st.integers(1, 80),
)
def test_bounds_hold(web: float, db: float, servers: int, users: int) -> None:
    def solved(n: int) -> ClosedNetwork:
        means = {"web": web, "db": db}
        return mva(users=n, service_means=means, servers={"web": servers}, think_mean=1.0)

    result = solved(users)
    limit = min(result.throughput_limit, users / (1.0 + web + db))
    assert result.throughput <= limit * (1.0 + 1e-12)
    assert result.saturation == pytest.approx((1.0 + web + db) * result.throughput_limit)
    assert solved(users + 1).throughput >= result.throughput * (1.0 - 1e-12)


def test_closed_and_open_networks_meet_for_many_users_who_think_long() -> None:
    # Users who think so long that together they are nearly a Poisson process of rate 1.5; what is
    # missing to it falls like 1/users.
    exact = mmc(arrival_rate=1.5, service_rate=1.0, servers=3).response

    def missing(users: int) -> float:
        closed = mva(
            users=users, service_means={"a": 1.0}, servers={"a": 3}, think_mean=users / 1.5
        )
        return exact - closed.response

    assert 0.0 < missing(2_000) < 0.002 * exact
    assert missing(1_000) / missing(2_000) == pytest.approx(2.0, rel=0.01)


def test_machine_repair_is_known() -> None:
    # Two users, one server, no thinking to speak of: 1 - p[0] by hand.
    for users, think in ((2, 1.0), (3, 2.0)):
        weights = [math.perm(users, k) * (1.0 / think) ** k for k in range(users + 1)]
        result = mva(users=users, service_means={"a": 1.0}, think_mean=think)
        assert result.throughput == pytest.approx(1.0 - weights[0] / sum(weights), rel=1e-14)


def test_several_servers_near_saturation_stay_positive() -> None:
    # The textbook recursion for several servers returns negative numbers here.
    result = mva(
        users=400,
        service_means={"web": 1.0, "db": 0.0625},
        servers={"web": 16},
        think_mean=3.0,
    )
    assert result.throughput <= 16.0 * (1.0 + 1e-12)
    assert result.in_system + result.thinking == pytest.approx(400.0, rel=1e-12)
    for station in result.stations.values():
        assert station.in_system > 0.0
        assert station.in_queue >= 0.0
    # Both stations have the same limit of 16 per second, so both queues grow.
    assert min(s.in_queue for s in result.stations.values()) > 100.0


def test_a_station_that_is_not_reached_rests() -> None:
    result = jackson(
        arrival_rates={"a": 0.5},
        service_rates={"a": 1.0, "b": 1.0, "c": 1.0},
        routing={"b": {"c": 1.0}, "c": {"b": 1.0}},
    )
    assert result.in_system == pytest.approx(1.0, rel=1e-12)
    assert result.stations["b"].in_system == result.visits["c"] == 0.0


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"routing": {"a": {"b": 1.0}, "b": {"a": 1.0}}}, "routing", "none ever leaves"),
        ({"routing": {"a": {"b": 0.7, "a": 0.4}}}, "routing['a']", "sum to 1.1"),
        ({"routing": {"a": {"x": 0.5}}}, "routing['a']", "'x', which has no service rate"),
        ({"routing": {"x": {"a": 0.5}}}, "routing", "'x', which has no service rate"),
        ({"routing": {"a": {"b": 1.5}}}, "routing['a']['b']", "1.5, but must be a probability"),
        ({"routing": {"a": 0.5}}, "routing['a']", "must be a mapping"),
        ({"arrival_rates": {"x": 1.0}}, "arrival_rates", "stations are: a, b"),
        ({"arrival_rates": {"a": 0.0}}, "arrival_rates", "above 0 for some station"),
        ({"arrival_rates": {"a": -1.0}}, "arrival_rates['a']", "0 or more"),
        ({"servers": {"a": 0}}, "servers['a']", "a whole number, 1 or more"),
        ({"servers": {"x": 1}}, "servers", "'x', which has no service rate"),
        ({"servers": 1.5}, "servers", "a whole number, 1 or more"),
        ({"service_rates": {}}, "service_rates", "one station or more"),
        ({"service_rates": {"a": 0.0, "b": 1.0}}, "service_rates['a']", "above 0"),
    ],
)
def test_jackson_says_what_is_wrong(change: dict[str, Any], field: str, says: str) -> None:
    good: dict[str, Any] = {
        "arrival_rates": {"a": 0.1},
        "service_rates": {"a": 1.0, "b": 1.0},
        "routing": {"a": {"b": 0.5}},
    }
    jackson(**good)
    with pytest.raises(PartError) as refused:
        jackson(**(good | change))
    assert refused.value.field == field
    assert says in str(refused.value)


def test_jackson_names_the_station_that_gets_too_much() -> None:
    with pytest.raises(UnstableError, match="station 'db': M/M/1 with arrival rate 2 "):
        jackson(
            arrival_rates={"web": 1.0},
            service_rates={"web": 10.0, "db": 1.5},
            routing={"web": {"db": 1.0}, "db": {"web": 0.5}},
        )


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"users": 0}, "users", "a whole number, 1 or more"),
        ({"users": 2.5}, "users", "a whole number, 1 or more"),
        ({"service_means": {}}, "service_means", "no station with a queue"),
        ({"service_means": {"a": -1.0}}, "service_means['a']", "above 0"),
        ({"visits": {"b": 1.0}}, "visits", "stations are: a"),
        ({"visits": {"a": 0.0}}, "visits['a']", "above 0"),
        ({"servers": {"a": 1.5}}, "servers['a']", "math.inf for a delay"),
        ({"servers": math.inf}, "servers", "no station with a queue"),
        ({"think_mean": -0.1}, "think_mean", "0 or more"),
        ({"think_mean": math.nan}, "think_mean", "0 or more"),
    ],
)
def test_mva_says_what_is_wrong(change: dict[str, Any], field: str, says: str) -> None:
    good: dict[str, Any] = {"users": 3, "service_means": {"a": 1.0}, "think_mean": 1.0}
    mva(**good)
    with pytest.raises(PartError) as refused:
        mva(**(good | change))
    assert refused.value.field == field
    assert says in str(refused.value)


def test_every_way_to_place_three_users_is_counted() -> None:
    """The product form summed over all states, for stations with several servers."""
    demands, servers = (0.5, 0.3, 0.8), (2, 1, 3)
    weights = {}
    for n in itertools.product(range(4), repeat=3):
        if sum(n) == 3:
            weights[n] = math.prod(
                d**k / math.prod(min(j, c) for j in range(1, k + 1))
                for d, k, c in zip(demands, n, servers, strict=True)
            )
    total = sum(weights.values())
    result = mva(
        users=3,
        service_means=dict(zip("abc", demands, strict=True)),
        servers=dict(zip("abc", servers, strict=True)),
    )
    for i, name in enumerate("abc"):
        there = sum(w * n[i] for n, w in weights.items()) / total
        assert result.stations[name].in_system == pytest.approx(there, rel=1e-13)


def test_one_station_of_a_network_is_erlang_c() -> None:
    result = jackson(arrival_rates={"a": 7.0}, service_rates={"a": 1.0}, servers=9)
    assert result.stations["a"].wait_probability == erlang_c(servers=9, offered_load=7.0)
