"""Load reports: weights and periods by hand, and an independent account on random events."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from mesh_lab.balancing.reports import LoadReports

from .rule_bench import Bench
from .rule_life import live


def shares(bench: Bench, proxy: int = 0) -> list[int]:
    n = bench.n
    return [int(w) for w in bench.state.weights[proxy * n : proxy * n + bench.view.size[proxy]]]


def serve(bench: Bench, e: int, began: float, ended: float, *, ok: int = 1) -> None:
    """One request, alone at endpoint `e` from `began` to `ended`, answered at once."""
    bench.view.outstanding[e] += 1
    bench.arrive(e, now=began)
    bench.leave(e, now=ended, stay=ended - began)
    bench.answer(e, now=ended, ok=ok, worked=ended - began)


def ring_until(bench: Bench, time: float) -> None:
    v = bench.view
    while min(v.alarm_times[k] for k in range(v.alarms[0])) <= time:
        bench.ring()


def test_weight_is_rate_over_utilisation_and_errors() -> None:
    part = LoadReports(report_period=4.0, blackout=0.0, error_penalty=0.5, out_of_band=True)
    bench = Bench(part, 3)
    serve(bench, 0, 0.0, 1.0)
    serve(bench, 0, 1.5, 2.5)  # 2 in 4 s, busy half of it: 0.5 / 0.5 = 1
    serve(bench, 1, 0.0, 0.25)
    serve(bench, 1, 1.0, 1.25, ok=0)  # 0.5 / (0.125 + 0.25 / 0.5 * 0.5) = 4/3
    ring_until(bench, 4.0)
    assert bench.state.qps[:] == [0.5, 0.5, 0.0]
    assert bench.state.utilisation[:] == [0.5, 0.125, 0.0]
    assert bench.state.eps[:] == [0.0, 0.25, 0.0]
    assert bench.state.weight[:2] == [1.0, pytest.approx(4 / 3, rel=1e-15)]
    # scaled to 65 535, with the mean 7/6 for endpoint 2, which has told nothing:
    # 65535 * 3/4 = 49151.25, 65535 * 7/8 = 57343.125
    ring_until(bench, 5.0)
    assert shares(bench) == [49_151, 65_535, 57_343]


def test_a_long_busy_time_is_divided_among_the_periods() -> None:
    bench = Bench(LoadReports(report_period=2.0, blackout=0.0), 1)
    bench.arrive(0, now=0.5)
    bench.arrive(0, now=1.0)
    ring_until(bench, 2.0)
    assert bench.state.utilisation[0] == 0.75  # from 0.5 on
    ring_until(bench, 4.0)
    assert bench.state.utilisation[0] == 1.0
    bench.leave(0, now=4.5)
    bench.leave(0, now=5.0)
    ring_until(bench, 6.0)
    assert bench.state.utilisation[0] == 0.5
    ring_until(bench, 8.0)
    assert bench.state.utilisation[0] == 0.0


def test_with_responses_a_report_comes_only_with_the_next_response() -> None:
    bench = Bench(LoadReports(report_period=1.0, blackout=0.0), 2)
    serve(bench, 0, 0.0, 0.5)
    ring_until(bench, 1.5)
    assert bench.state.qps[0] == 1.0
    assert bench.state.weight[0] == 0.0
    serve(bench, 0, 1.5, 1.75)
    assert bench.state.weight[0] == 2.0  # of the first period: 1 / 0.5


@pytest.mark.parametrize("out_of_band", [False, True])
def test_weights_count_after_the_blackout_and_until_they_expire(out_of_band: bool) -> None:
    part = LoadReports(
        report_period=1.0, blackout=3.0, expiration=5.0, out_of_band=out_of_band, update_period=0.5
    )
    bench = Bench(part, 2)

    def busy(second: int) -> None:
        """In each second endpoint 0 has four quick requests, and endpoint 1 one slow one."""
        for k in range(4):
            serve(bench, 0, second + k / 8, second + k / 8 + 0.125)
        serve(bench, 1, second + 0.25, second + 0.75)

    changed = []
    was = shares(bench)
    assert was == [65_535, 65_535]
    second, time = 0, 0.0
    while time < 25.0:
        if time == second:
            if second < 6 or 15 <= second < 20:
                busy(second)
            second += 1
        time += 0.5
        ring_until(bench, time)
        if shares(bench) != was:
            was = shares(bench)
            changed.append((time, was))
    # weights 4 / 0.5 = 8 and 1 / 0.5 = 2.  Out of band the first report comes at 1 and the last at
    # 6, then at 16 and 20.  With responses: the report of second 0 with the first response of
    # second 1, at 1.125 and 1.75, the last at 5.5 and 5.75, then (second 14 was empty) from 16.125
    # and 16.75 on, to 19.5 and 19.75.  Weights of one endpoint alone do not count
    unequal = [65_535, 16_384]
    if out_of_band:
        expected = [(4.0, unequal), (11.0, [65_535] * 2), (19.0, unequal), (25.0, [65_535] * 2)]
    else:
        expected = [(5.0, unequal), (10.5, [65_535] * 2), (20.0, unequal), (24.5, [65_535] * 2)]
    assert changed == expected


def test_turns_follow_the_weights() -> None:
    bench = Bench(LoadReports(report_period=1.0, blackout=0.0, out_of_band=True), 2)
    serve(bench, 0, 0.0, 0.25)
    serve(bench, 1, 0.0, 0.75)
    ring_until(bench, 1.0)
    ring_until(bench, 2.0)
    picks = [bench.pick() for _ in range(4000)]
    # 65 535 : 21 845 is 3 : 1 exactly; a static stride is off by less than a turn for each
    assert abs(picks.count(0) - 3000) <= 1


def test_periods_are_not_shorter_than_grpc_allows() -> None:
    bench = Bench(LoadReports(update_period=0.01), 2)
    assert min(bench.view.alarm_times[:2]) == 0.1


def test_an_endpoint_that_joins_again_is_unknown_and_the_loops_of_alarms_are_not_doubled() -> None:
    part = LoadReports(report_period=1.0, blackout=0.0, out_of_band=True, update_period=0.25)
    bench = Bench(part, 3)
    for e in range(3):
        serve(bench, e, 0.0, 0.25 * (e + 1))
    ring_until(bench, 1.0)
    weights = [4.0, 2.0, pytest.approx(4 / 3)]
    assert bench.state.weight[:] == weights
    bench.change([0, 2], now=1.0)
    assert shares(bench) == [65_535, 21_845]
    bench.arrive(1, now=1.25)  # it was on its way
    bench.change([0, 1, 2], now=1.5)
    assert bench.view.alarms[0] == 2
    assert bench.state.weight[:] == [4.0, 0.0, weights[2]]
    assert shares(bench) == [65_535, 43_690, 21_845]  # the mean
    ring_until(bench, 2.0)
    assert bench.state.utilisation[1] == 1.0  # of the half second that it has been back


class NaiveReports:
    """gRPC's proposal A58 on dicts; an endpoint's busy time is added up from a list of changes."""

    def __init__(self, part: LoadReports, bench: Bench) -> None:
        self.part, self.bench = part, bench
        self.members = list(range(bench.n))
        self.there = [0] * bench.n
        self.busy: list[list[tuple[float, int]]] = [[(0.0, 0)] for _ in range(bench.n)]
        self.responses: list[list[tuple[float, int]]] = [[] for _ in range(bench.n)]
        self.joined_at = [0.0] * bench.n
        self.report: dict[int, tuple[float, float, float]] = {}
        self.known: list[dict[int, dict[str, float]]] = [{} for _ in range(bench.proxies)]
        self.count = [part.start] * bench.proxies
        self.update(0.0)
        self.next_update, self.next_report = part.update_period, part.report_period

    def step(self, e: int, now: float, by: int) -> None:
        self.there[e] += by
        self.busy[e].append((now, self.there[e]))

    def measure(self, e: int, now: float) -> None:
        began = max(now - self.part.report_period, self.joined_at[e])
        if now <= began:
            return
        times = [*self.busy[e], (now, 0)]
        busy = sum(
            max(b - max(a, began), 0.0) for (a, there), (b, _) in itertools.pairwise(times) if there
        )
        mine = [ok for time, ok in self.responses[e] if time > began or began == 0.0]
        self.responses[e] = []
        passed = now - began
        self.report[e] = busy / passed, len(mine) / passed, mine.count(0) / passed

    def hear(self, p: int, e: int, now: float) -> None:
        utilisation, qps, eps = self.report.get(e, (0.0, 0.0, 0.0))
        if utilisation == 0.0 or qps == 0.0:
            return
        known = self.known[p].setdefault(e, {"since": now})
        known.setdefault("since", now)
        known["updated"] = now
        known["weight"] = qps / (utilisation + eps / qps * self.part.error_penalty)

    def weight(self, p: int, e: int, now: float) -> float:
        known = self.known[p].get(e)
        if known is None:
            return 0.0
        if now - known["updated"] >= self.part.expiration:
            known.pop("since", None)
            return 0.0
        if self.part.blackout > 0 and (
            "since" not in known or now - known["since"] < self.part.blackout
        ):
            return 0.0
        return known["weight"]

    def update(self, now: float) -> None:
        self.shares = []
        for p in range(self.bench.proxies):
            weights = [self.weight(p, e, now) for e in self.members]
            valid = [w for w in weights if w]
            if len(valid) < 2:
                self.shares.append([65_535] * len(weights))
            else:
                mean, most = sum(valid) / len(valid), max(valid)
                self.shares.append(
                    [math.floor((w or mean) * (65_535 / most) + 0.5) for w in weights]
                )

    def alarm(self, now: float, code: int) -> None:
        if code == 0:
            assert now == pytest.approx(self.next_update)
            self.next_update += self.part.update_period
            self.update(now)
            return
        assert now == pytest.approx(self.next_report)
        self.next_report += self.part.report_period
        for e in self.members:
            self.measure(e, now)
        if self.part.out_of_band:
            for p in range(self.bench.proxies):
                for e in self.members:
                    self.hear(p, e, now)

    def change(self, members: list[int], now: float) -> None:
        for e in set(members) - set(self.members):
            self.joined_at[e] = now
            self.report.pop(e, None)
            self.responses[e] = []
        for known in self.known:
            for e in set(known) - set(members):
                del known[e]
        self.members = members
        self.count = [self.part.start] * self.bench.proxies
        self.update(now)

    def pick(self, p: int) -> int:
        while True:
            generation, j = divmod(self.count[p], len(self.members))
            weight = self.shares[p][j]
            self.count[p] += 1
            if (weight * generation + j * 32_767) % 65_535 >= 65_535 - weight:
                return self.members[j]


@pytest.mark.parametrize(
    ("part", "seed"),
    [
        (LoadReports(blackout=0.5, report_period=0.5, update_period=0.25, expiration=2.0), 1),
        (LoadReports(blackout=0.0, report_period=1.0, update_period=0.5, error_penalty=3.0), 2),
        (LoadReports(blackout=1.0, report_period=0.5, update_period=0.25, out_of_band=True), 3),
    ],
)
def test_load_reports_equal_an_independent_account(part: LoadReports, seed: int) -> None:
    bench = Bench(part, 6, proxies=2)
    naive = NaiveReports(part, bench)

    def also(what: str, now: float, *rest: Any) -> None:
        if what == "alarm":
            naive.alarm(now, rest[0])
        elif what == "arrived":
            naive.step(rest[0], now, +1)
        elif what == "left":
            naive.step(rest[0], now, -1)
        elif what == "answered":
            p, e, _, ok, *_ = rest
            naive.responses[e].append((now, ok))
            if not part.out_of_band and e in naive.members:
                naive.hear(p, e, now)
        else:
            naive.change(rest[0], now)

    unequal = 0
    for _, p, _, e in live(bench, seed, 3000, slow=0.02, changes=0.3, also=also):
        mine = naive.shares[p]
        # the busy time is added up in another order, so a share may differ by its last digit
        assert shares(bench, p) == pytest.approx(mine, abs=1)
        naive.shares[p] = shares(bench, p)
        assert naive.pick(p) == e
        unequal += len(set(mine)) > 1
    assert unequal > 1000


def test_lists_arrays_and_compiled_kernels_agree() -> None:
    pytest.importorskip("numba")
    from .bench_compiled import benches

    for out_of_band in (False, True):
        part = LoadReports(
            blackout=0.5, report_period=0.5, update_period=0.25, out_of_band=out_of_band
        )
        runs = [
            [(e, now) for now, _, _, e in live(bench, 1, 2000, slow=0.02, changes=0.3)]
            for bench in benches(part, 6, proxies=2)
        ]
        assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("blackout", -1.0),
        ("blackout", math.nan),
        ("expiration", 0.0),
        ("update_period", 0.0),
        ("update_period", math.inf),
        ("error_penalty", -1.0),
        ("report_period", 0.0),
        ("report_period", math.nan),
        ("start", -1),
        ("start", 2**32),
    ],
)
def test_impossible_parameters_are_refused(field: str, bad: float) -> None:
    with pytest.raises(ValueError, match=field):
        LoadReports(**{field: bad})
