"""Peak EWMA and C3: worked numbers, and independent accounts of the rules on random events."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mesh_lab.balancing.c3 import C3
from mesh_lab.balancing.peak import PeakEwma

from .rule_bench import Bench
from .rule_life import live

# --- peak EWMA ---


def test_peak_ewma_draws_two_distinct_endpoints_and_the_first_wins_ties() -> None:
    bench = Bench(PeakEwma(), 4)
    pairs = [(0.0, 0.0), (0.0, 0.99), (0.3, 0.34), (0.3, 0.33), (0.99, 0.99), (0.5, 0.7)]
    # the second number is of the three that are left: 0.34 is the second of 0, 2, 3
    firsts = [bench.state.pick(bench.state, bench.view, 0, list(u), 0.0, 0) for u in pairs]
    assert firsts == [0, 0, 1, 1, 3, 2]
    for k, other in [(0, 1), (1, 3), (2, 2), (3, 0), (4, 2), (5, 3)]:
        bench.view.outstanding[:] = [1] * 4
        bench.view.outstanding[other] = 0
        seen = bench.state.pick(bench.state, bench.view, 0, list(pairs[k]), 0.0, 0)
        assert seen == other, f"draws {pairs[k]}"


def test_peak_ewma_of_one_endpoint_is_that_one() -> None:
    bench = Bench(PeakEwma(), 3)
    bench.change([2])
    assert bench.pick(0.9, 0.9) == 2


def test_peak_resets_at_once_and_decays_towards_faster_responses() -> None:
    bench = Bench(PeakEwma(decay=10.0, default_rtt=0.03), 2)
    bench.view.outstanding[0] = 3
    bench.answer(0, now=1.0, latency=0.5)  # more than 0.03: taken as it is
    assert bench.state.estimate[0] == 0.5
    bench.answer(0, now=6.0, latency=0.1)  # five seconds later: exp(-1/2) of the old is left
    assert bench.state.estimate[0] == pytest.approx(0.1 + 0.4 * 0.6065306597126334, rel=1e-14)
    bench.answer(0, now=6.0, latency=0.01)  # no time has passed: a faster response says nothing
    assert bench.state.estimate[0] == pytest.approx(0.3426122638850534, rel=1e-14)


def test_reading_the_load_decays_the_estimate_and_keeps_it() -> None:
    bench = Bench(PeakEwma(decay=2.0, default_rtt=0.08), 2)
    bench.pick(0.0, 0.0, now=1.0)
    left = 0.6065306597126334  # exp(-1/2)
    for e in (0, 1):  # both were looked at, and what was seen is stored
        assert bench.state.estimate[e] == pytest.approx(0.08 * left, rel=1e-14)
        assert bench.state.stamp[e] == 1.0
    bench.answer(0, now=3.0, latency=0.02)  # two seconds after the look, not three
    expected = 0.02 * (1 - 0.36787944117144233) + 0.08 * left * 0.36787944117144233
    assert bench.state.estimate[0] == pytest.approx(expected, rel=1e-14)


def test_load_is_the_estimate_times_one_more_than_outstanding() -> None:
    bench = Bench(PeakEwma(), 2)
    bench.view.outstanding[:] = [4, 3]
    bench.answer(0, latency=0.2)  # leaves 3 outstanding: 0.2 * 4 = 0.8
    bench.answer(1, latency=0.27)  # leaves 2: 0.27 * 3 = 0.81
    assert bench.pick(0.9, 0.0) == 0
    assert bench.pick(0.9, 0.0) == 1  # now 0.2 * 5 = 1.0 against 0.81


def test_finagle_penalises_whom_it_has_not_heard_from() -> None:
    bench = Bench(PeakEwma(default_rtt=None), 2)
    assert bench.pick(0.0, 0.0) == 0  # both cost 0, and the first wins
    assert bench.pick(0.0, 0.0) == 1  # 0 has a request out and no history: 39 hours against 0
    assert bench.pick(0.9, 0.0) == 1  # both penalised, and equal
    assert bench.pick(0.9, 0.0) == 0  # a nanosecond a request: 1 against 2
    bench.answer(1, now=100.0, latency=100.0)
    assert bench.pick(0.0, 0.0, now=100.0) == 1  # 100 s * 2 is still less than 39 hours


def test_linkerd_gives_the_unknown_its_default_rtt() -> None:
    bench = Bench(PeakEwma(default_rtt=0.03), 2)
    bench.view.outstanding[0] = 1
    bench.answer(0, latency=0.05)
    assert bench.pick(0.0, 0.0) == 1  # 0.05 against 0.03
    assert bench.pick(0.0, 0.0) == 0  # 0.05 against 0.06


def test_an_endpoint_that_joins_again_has_no_memory_and_the_others_keep_theirs() -> None:
    bench = Bench(PeakEwma(), 3)
    bench.view.outstanding[:] = [1, 2, 0]
    bench.answer(0, latency=5.0, now=1.0)
    bench.answer(1, latency=7.0, now=1.0)
    bench.change([0, 2], now=2.0)
    bench.answer(1, latency=9.0, now=3.0)  # on its way while 1 left
    bench.change([0, 1, 2], now=4.0)
    assert list(bench.state.estimate) == [5.0, 0.03, 0.03]
    assert list(bench.state.stamp) == [1.0, 4.0, 0.0]


class NaivePeak:
    """Peak EWMA written from Finagle's and tower's source, with one object an endpoint."""

    def __init__(self, decay: float, default: float | None, now: float) -> None:
        self.decay, self.finagle = decay, default is None
        self.cost, self.stamp = default or 0.0, now

    def observe(self, rtt: float, now: float) -> None:
        if rtt > self.cost:
            self.cost = rtt
        elif now > self.stamp:
            w = math.exp(-(now - self.stamp) / self.decay)
            self.cost = rtt * (1.0 - w) + self.cost * w
        self.stamp = now

    def load(self, pending: int, now: float) -> float:
        self.observe(0.0, now)
        if self.finagle and self.cost == 0.0 and pending:
            return ((2**63 - 1) >> 16) / 1e9 + pending * 1e-9
        return self.cost * (pending + 1)


@pytest.mark.parametrize("default", [0.03, None])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_peak_ewma_equals_an_independent_account(seed: int, default: float | None) -> None:
    part = PeakEwma(decay=0.5, default_rtt=default)
    bench = Bench(part, 6, proxies=2)
    members = list(range(6))
    nodes = [{e: NaivePeak(0.5, default, 0.0) for e in members} for _ in range(2)]
    pending = [[0] * 6 for _ in range(2)]

    def also(what: str, now: float, *rest: Any) -> None:
        nonlocal members
        if what == "answered":
            p, e, latency, *_ = rest
            pending[p][e] -= 1
            if e in nodes[p]:
                nodes[p][e].observe(latency, now)
        elif what == "change":
            members = rest[0]
            for p in range(2):
                nodes[p] = {e: nodes[p].get(e) or NaivePeak(0.5, default, now) for e in members}

    chosen = set()
    for now, p, u, e in live(bench, seed, 2000, changes=0.5, also=also):
        if len(members) == 1:
            expected = members[0]
        else:
            rest = list(members)
            a = rest.pop(int(u[0] * len(rest)))
            b = rest[int(u[1] * len(rest))]
            load_a, load_b = (nodes[p][x].load(pending[p][x], now) for x in (a, b))
            expected = a if load_a <= load_b else b
            chosen.add(expected == a)
        assert e == expected
        pending[p][e] += 1
    assert chosen == {True, False}


# --- C3 ---


def test_c3_score_by_hand() -> None:
    bench = Bench(C3(alpha=0.5), 2, proxies=3)
    bench.view.outstanding[:] = [5, 2, 0, 0, 0, 0]
    bench.answer(0, latency=0.10, worked=0.02, there=4)
    bench.answer(0, latency=0.30, worked=0.04, there=1)
    bench.answer(1, latency=0.50, worked=0.01, there=6)
    # endpoint 0: R = 0.2, S = 0.03, Q = 2.5, 3 outstanding of each of 3 balancers:
    #   q = 1 + 9 + 2.5 = 12.5; 0.2 - 0.03 + 1953.125 * 0.03 = 58.76375
    # endpoint 1: R = 0.5, S = 0.01, Q = 6, 1 outstanding: q = 1 + 3 + 6 = 10; 0.5 - 0.01 + 10
    from mesh_lab.balancing.c3 import score_of

    assert score_of(bench.state, 3, 0) == pytest.approx(58.76375, rel=1e-12)
    assert score_of(bench.state, 1, 1) == pytest.approx(10.49, rel=1e-12)
    assert bench.pick(0.0) == 1
    # then q = 1 + 6 + 6 = 13, 22.46; then 16, 41.45; then 19, 69.08
    assert [bench.pick(0.0) for _ in range(3)] == [1, 1, 0]


def test_c3_takes_the_multiplier_it_is_given() -> None:
    bench = Bench(C3(clients=0.0), 2, proxies=3)
    bench.view.outstanding[0] = 100
    bench.view.outstanding[1] = 2
    bench.answer(0, latency=0.1, worked=0.1)
    bench.answer(1, latency=0.2, worked=0.1)
    assert [bench.pick(0.0) for _ in range(5)] == [0] * 5  # 99 outstanding count for nothing


def test_c3_takes_the_unknown_first_and_draws_among_ties() -> None:
    bench = Bench(C3(), 4)
    bench.view.outstanding[2] = 1
    bench.answer(2, latency=0.001, worked=0.001)
    assert [
        bench.state.pick(bench.state, bench.view, 0, [u], 0.0, 0) for u in (0.0, 0.34, 0.99)
    ] == [
        0,
        1,
        3,
    ]


def test_c3_learns_only_from_good_responses() -> None:
    bench = Bench(C3(), 2)
    bench.view.outstanding[0] = 3
    bench.answer(0, latency=0.2, worked=0.1, there=2)
    before = [list(x) for x in bench.state[:3]]
    bench.answer(0, latency=9.0, worked=math.nan, ok=0, there=7)
    bench.answer(0, latency=9.0, worked=1.0, ok=0, there=7)
    assert [list(x) for x in bench.state[:3]] == before
    assert before == [[0.2, 0.0], [0.1, -1.0], [2.0, 0.0]]


def test_c3_averages_give_the_newest_value_the_weight_alpha() -> None:
    bench = Bench(C3(), 1)
    bench.view.outstanding[0] = 2
    bench.answer(0, latency=1.0, worked=0.5, there=10)
    bench.answer(0, latency=2.0, worked=1.5, there=0)
    assert bench.state.response[0] == pytest.approx(1.9)
    assert bench.state.service[0] == pytest.approx(1.4)
    assert bench.state.queue[0] == pytest.approx(1.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_c3_equals_an_independent_account(seed: int) -> None:
    bench = Bench(C3(alpha=0.3), 6, proxies=2)
    members = list(range(6))
    heard: list[dict[int, tuple[float, float, float]]] = [{}, {}]
    pending = [[0] * 6 for _ in range(2)]

    def also(what: str, now: float, *rest: Any) -> None:
        nonlocal members
        if what == "answered":
            p, e, latency, ok, there, worked = rest
            pending[p][e] -= 1
            if ok and worked == worked and e in members:
                new = latency, worked, float(there)
                old = heard[p].get(e)
                heard[p][e] = (
                    tuple(0.3 * x + (1.0 - 0.3) * y for x, y in zip(new, old, strict=True))
                    if old
                    else new
                )
        elif what == "change":
            members = rest[0]
            for p in range(2):
                heard[p] = {e: heard[p][e] for e in members if e in heard[p]}

    def score(p: int, e: int) -> float:
        if e not in heard[p]:
            return 0.0
        response, service, queue = heard[p][e]
        q = 1.0 + 2.0 * pending[p][e] + queue
        return response - service + q * q * q * service

    ties = 0
    for _, p, u, e in live(bench, seed, 2000, changes=0.5, also=also):
        scores = {x: score(p, x) for x in members}
        lowest = [x for x in members if scores[x] == min(scores.values())]
        ties += len(lowest) > 1
        assert e == lowest[int(u[0] * len(lowest))]
        pending[p][e] += 1
    assert 0 < ties < 1500


# --- both ---


@pytest.mark.parametrize("part", [PeakEwma(), PeakEwma(default_rtt=None), C3()])
def test_lists_arrays_and_compiled_kernels_agree(part: Any) -> None:
    pytest.importorskip("numba")
    from .bench_compiled import benches

    runs = [
        [(e, now) for now, _, _, e in live(bench, 1, 1500, changes=0.5)]
        for bench in benches(part, 6, proxies=2)
    ]
    assert runs[0] == runs[1] == runs[2]
    assert len({e for e, _ in runs[0]}) == 6


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_parameters_are_refused(bad: float) -> None:
    for make in (lambda: PeakEwma(decay=bad), lambda: PeakEwma(default_rtt=bad)):
        with pytest.raises(ValueError, match="must be a number above 0"):
            make()
    with pytest.raises(ValueError, match="alpha"):
        C3(alpha=bad)
    if bad:
        with pytest.raises(ValueError, match="clients"):
            C3(clients=bad)


def test_a_slow_endpoint_gets_less_from_both_than_from_random_choice() -> None:
    # endpoint 2 of `live` takes three times as long as endpoint 0; a fair share is a third
    for part in (PeakEwma(), C3()):
        bench = Bench(part, 3)
        counts = [0, 0, 0]
        for _, _, _, e in live(bench, 1, 3000, rate=5.0, slow=0.1, bad=0.0):
            counts[e] += 1
        assert counts[2] < 700 < counts[0], (part, counts)
