"""What theory knows of balancers, against chains written down by their transitions.

The chains know nothing of levels, thresholds or fluctuations: lengths of queues, one by one, up
to a length that is practically never reached, solved by the oracles of `test_theory_oracles`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mesh_lab.errors import PartError
from mesh_lab.theory import (
    join_shortest_queue,
    mm1,
    mmc,
    power_of_d,
    random_split,
    round_robin,
)

from .test_theory_oracles import mean_of, steady_state

Queues = tuple[int, ...]


def chain(
    n: int, arrival: float, service: float, most: int, draws: list[tuple[int, ...]]
) -> dict[Any, float]:
    """The steady state of n queues; each of `draws` is equally likely, ties break at random."""

    def moves(lengths: Queues) -> list[tuple[Queues, float]]:
        out = []
        for drawn in draws:
            least = min(lengths[e] for e in drawn)
            best = sorted({e for e in drawn if lengths[e] == least})
            for e in best:
                if least < most:
                    more = (*lengths[:e], least + 1, *lengths[e + 1 :])
                    out.append((more, arrival / len(draws) / len(best)))
        for e in range(n):
            if lengths[e]:
                out.append(((*lengths[:e], lengths[e] - 1, *lengths[e + 1 :]), service))
        return out

    return steady_state(moves, (0,) * n)


def agrees_join_shortest_queue(model: Callable[..., Any]) -> None:
    cases: list[tuple[int, int | None, bool, int, list[tuple[int, ...]]]] = [
        (2, None, False, 40, [(0, 1)]),
        (2, 2, True, 45, list(itertools.product(range(2), repeat=2))),
        (3, None, False, 16, [(0, 1, 2)]),
        (3, 2, False, 20, list(itertools.combinations(range(3), 2))),
    ]
    for n, choices, replacement, most, draws in cases:
        arrival, service = 0.6 * n * 2.0, 2.0
        p = chain(n, arrival, service, most, draws)
        result = model(
            arrival_rate=arrival,
            service_rate=service,
            servers=n,
            choices=choices,
            replacement=replacement,
        )
        assert result.utilisation == pytest.approx(0.6, rel=1e-12)
        assert result.in_system == pytest.approx(mean_of(p, sum), rel=1e-7)
        waiting = mean_of(p, lambda s: sum(max(x - 1, 0) for x in s))
        assert result.in_queue == pytest.approx(waiting, rel=1e-7)
        busy = math.fsum(
            share * sum(min(s[e] for e in drawn) > 0 for drawn in draws) / len(draws)
            for s, share in p.items()
        )
        assert result.wait_probability == pytest.approx(busy, rel=1e-7)
        assert result.response == pytest.approx(result.in_system / arrival, rel=1e-12)
        assert result.uncertainty <= 1e-7 * result.response


def agrees_random_split(model: Callable[..., Any]) -> None:
    one = mm1(arrival_rate=1.5, service_rate=2.0)
    result = model(arrival_rate=6.0, service_rate=2.0, servers=4)
    assert result.response == pytest.approx(one.response, rel=1e-12)
    assert result.wait == pytest.approx(one.wait, rel=1e-12)
    assert result.in_system == pytest.approx(4.0 * one.in_system, rel=1e-12)
    assert result.in_queue == pytest.approx(4.0 * one.in_queue, rel=1e-12)
    times = [0.0, 0.3, 2.0]
    assert result.wait_tail(times) == pytest.approx(one.wait_tail(times), rel=1e-12)
    assert result.response_quantile(0.9) == pytest.approx(one.response_quantile(0.9), rel=1e-12)
    assert result.wait_quantile(0.2) == 0.0
    assert result.wait_quantile(0.9) == pytest.approx(one.wait_quantile(0.9), rel=1e-12)


def agrees_round_robin(model: Callable[..., Any]) -> None:
    n, arrival, service = 3, 4.2, 2.0

    def moves(state: tuple[int, int]) -> list[tuple[tuple[int, int], float]]:
        there, turn = state  # at the first server; the next request is `turn` turns away from it
        comes = (min(there + 1, 200), n - 1) if turn == 0 else (there, turn - 1)
        return [(comes, arrival), *([((there - 1, turn), service)] if there else [])]

    p = steady_state(moves, (0, 0))
    result = model(arrival_rate=arrival, service_rate=service, servers=n)
    assert result.in_system == pytest.approx(n * mean_of(p, lambda s: s[0]), rel=1e-9)
    assert result.in_queue == pytest.approx(n * mean_of(p, lambda s: max(s[0] - 1, 0)), rel=1e-9)
    found = sum(share for s, share in p.items() if s[1] == 0)
    busy = sum(share for s, share in p.items() if s[1] == 0 and s[0] > 0)
    assert result.wait_probability == pytest.approx(busy / found, rel=1e-9)
    assert result.response == pytest.approx(result.in_system / arrival, rel=1e-12)


def agrees_power_of_d(model: Callable[..., Any]) -> None:
    for d, load in ((2, 0.9), (3, 0.7)):
        result = model(arrival_rate=100 * load * 2.0, service_rate=2.0, servers=100, choices=d)
        s = [result.at_least(i) for i in range(12)]
        # the fixed point of the differential equation, and Little's law at one server
        assert s[0] == 1.0
        for i in range(1, 11):
            gain, loss = load * (s[i - 1] ** d - s[i] ** d), s[i] - s[i + 1]
            assert gain == pytest.approx(loss, rel=1e-9, abs=1e-15)
        assert result.in_system == pytest.approx(100 * sum(s[1:]), rel=1e-9)
        assert result.in_queue == pytest.approx(100 * sum(s[2:]), rel=1e-9)
        assert result.wait_probability == pytest.approx(s[1] ** d, rel=1e-12)
        # a mean is the integral of its tail
        t, step = np.linspace(0.0, 15.0, 6001, retstep=True)
        for tail, mean in (
            (result.response_tail, result.response),
            (result.wait_tail, result.wait),
        ):
            values = tail(t)
            integral = step * (values.sum() - 0.5 * (values[0] + values[-1]))
            assert integral == pytest.approx(mean, rel=1e-5)


@functools.cache
def occupied(n: int, load: float, d: int, replacement: bool, most: int) -> float:
    """The mean response of n queues, from the chain of how many have 1 or more, 2 or more, ..."""

    def all_drawn_among(k: int) -> float:
        return (k / n) ** d if replacement else math.comb(k, d) / math.comb(n, d)

    def moves(tail: tuple[int, ...]) -> list[tuple[tuple[int, ...], float]]:
        out, whole = [], (n, *tail, 0)
        for i in range(1, most + 1):
            joins = all_drawn_among(whole[i - 1]) - all_drawn_among(whole[i])
            for rate, change in ((load * n * joins, 1), (float(whole[i] - whole[i + 1]), -1)):
                if rate > 0.0:
                    out.append(((*tail[: i - 1], tail[i - 1] + change, *tail[i:]), rate))
        return out

    return mean_of(steady_state(moves, (0,) * most), sum) / (load * n)


def refined_agrees(model: Callable[..., Any]) -> None:
    """The error of the corrected mean falls with the square of n: twice as many, a quarter of it.

    That of the limit itself, or of a correction that is only nearly right, is halved at best.
    """
    for replacement in (True, False):
        for d in (2, 3):
            off, correction = [], []
            for n in (6, 12):
                exact = occupied(n, 0.3, d, replacement, most=5)
                found = model(
                    arrival_rate=0.3 * n * 2.0,
                    service_rate=2.0,
                    servers=n,
                    choices=d,
                    replacement=replacement,
                )
                off.append(exact - 2.0 * found.refined_response)
                correction.append(exact - 2.0 * found.response)
            assert 0.15 < off[1] / off[0] < 0.35
            assert abs(off[1]) < 0.2 * abs(correction[1])


def agrees_join_idle_queue(model: Callable[..., Any]) -> None:
    for r, load in ((10, 0.9), (4, 0.5)):
        n = 20 * r
        result = model(
            arrival_rate=load * n * 2.0, service_rate=2.0, servers=n, balancers=20, choices=1
        )
        assert result.response == pytest.approx((1 + load / (1 - load) / (1 + r)) / 2.0, rel=1e-12)
        # what is idle: by the load, and by the lengths of the I-queues
        p = result.idle_known
        assert p / (1 - p) == pytest.approx(r * (1 - load), rel=1e-12)
        better = model(
            arrival_rate=load * n * 2.0, service_rate=2.0, servers=n, balancers=20, choices=3
        )
        p = better.idle_known
        length = sum(p ** ((3**i - 1) // 2) for i in range(1, 8))
        assert length == pytest.approx(r * (1 - load), rel=1e-9)
        assert better.response < result.response
        assert better.wait_probability == pytest.approx(load * (1 - p), rel=1e-12)
        assert better.in_system == pytest.approx(load * n * 2.0 * better.response, rel=1e-12)


def test_shortest_queue_of_one_server_and_of_all_alike() -> None:
    one = join_shortest_queue(arrival_rate=0.8, service_rate=1.0, servers=1)
    assert one.response == pytest.approx(5.0, rel=1e-12)
    for n in (2, 3):
        every: dict[str, Any] = {"arrival_rate": 0.9 * n, "service_rate": 1.0, "servers": n}
        assert join_shortest_queue(**every) == join_shortest_queue(**every, choices=n + 3)


@pytest.mark.parametrize("load", [0.5, 0.8, 0.95])
def test_shortest_queue_lies_between_one_queue_and_looking_at_fewer(load: float) -> None:
    n = 3
    every: dict[str, Any] = {"arrival_rate": load * n, "service_rate": 1.0, "servers": n}
    ladder = [
        mmc(**every).response,
        join_shortest_queue(**every).response,
        join_shortest_queue(**every, choices=2).response,
        join_shortest_queue(**every, choices=2, replacement=True).response,
        random_split(**every).response,
    ]
    assert ladder == sorted(ladder)
    assert round_robin(**every).response < ladder[-1]


def test_two_queues_in_heavy_traffic_are_like_one() -> None:
    # (Foschini and Salz 1978: the queues move together; recalled)  Twice as near to 1, the excess
    # over M/M/2 grows by less and less
    excess = []
    for load in (0.99, 0.999, 0.9999):
        every: dict[str, Any] = {"arrival_rate": 2 * load, "service_rate": 1.0, "servers": 2}
        two = join_shortest_queue(**every)
        excess.append(two.response / mmc(**every).response - 1.0)
        assert two.uncertainty < 1e-7 * two.response
    assert 0.0 < excess[2] < 0.11 * excess[1] < 0.11**2 * 1.01 * excess[0]


def test_one_choice_is_random() -> None:
    one = power_of_d(arrival_rate=8.0, service_rate=1.0, servers=10, choices=1)
    known = random_split(arrival_rate=8.0, service_rate=1.0, servers=10)
    assert one.response == pytest.approx(known.response, rel=1e-12)
    assert one.refined_response == pytest.approx(known.response, rel=1e-12)
    times = [0.0, 1.0, 20.0]
    assert one.response_tail(times) == pytest.approx(known.response_tail(times), rel=1e-12)
    assert one.wait_tail(times) == pytest.approx(known.wait_tail(times), rel=1e-12)


def test_the_shortest_queue_of_too_many_is_refused() -> None:
    with pytest.raises(PartError, match=r"servers: is 5, but must be a whole number from 1 to 4"):
        join_shortest_queue(arrival_rate=1.0, service_rate=1.0, servers=5)
    with pytest.raises(PartError, match=r"servers: is 4, but at this load .* simulate"):
        join_shortest_queue(arrival_rate=3.9, service_rate=1.0, servers=4, choices=2)
    with pytest.raises(PartError, match=r"choices: is 1, but must be a whole number, 2 or more"):
        join_shortest_queue(arrival_rate=1.0, service_rate=1.0, servers=2, choices=1)


@pytest.mark.parametrize("model", [power_of_d, join_shortest_queue])
@pytest.mark.parametrize("value", [1, 0, "no", None])
def test_replacement_is_true_or_false(model: Callable[..., Any], value: Any) -> None:
    with pytest.raises(PartError, match=r"replacement: is .* must be True or False"):
        model(arrival_rate=1.0, service_rate=1.0, servers=2, choices=2, replacement=value)


@pytest.mark.parametrize("load", [1e-6, 0.5, 1.0 - 1e-9])
def test_the_supermarket_holds_at_the_ends(load: float) -> None:
    result = power_of_d(arrival_rate=100 * load, service_rate=1.0, servers=100)
    assert result.response >= 1.0
    assert result.refined_response >= result.response * (1 - 1e-12)
    assert 0.0 <= result.response_tail(30.0) <= result.response_tail(3.0) <= 1.0
    assert result.response_tail(0.0) == 1.0
    assert result.response_quantile(0.5) > 0.0
