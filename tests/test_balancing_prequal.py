"""Prequal: the hot-cold rule and the pool by hand, and an independent account on random events."""

from __future__ import annotations

import bisect
import collections
import heapq
import itertools
import math
import random
import statistics
from typing import Any

import pytest

from mesh_lab.balancing.answers import best_entry, oldest_entry, worst_entry
from mesh_lab.balancing.prequal import Prequal
from mesh_lab.balancing.probes import bucket_of, note_rif, told_latency
from mesh_lab.balancing.rule import Pool

from .rule_bench import Bench
from .rule_life import live


def holding(answers: list[tuple[int, int, float]], limit: int, **options: Any) -> Bench:
    """A balancer that holds these (endpoint, RIF, latency), oldest first, under a hot limit."""
    bench = Bench(Prequal(**{"removals": 0.0, "probes": 1.0, **options}), 8)
    s = bench.state
    for j, (e, rif, latency) in enumerate(answers):
        s.host[j], s.rif[j], s.latency[j], s.order[j], s.uses[j] = e, rif, latency, j, 10
        s.entry[e] = j
    s.filled[0], s.threshold[0], s.answers[0] = len(answers), limit, len(answers)
    return bench


def pick(bench: Bench, first: float = 0.0, *rest: float, now: float = 0.0) -> int:
    u = [first, *rest]
    return bench.pick(*u, *[0.0] * (bench.part.draws - len(u)), now=now)


def held(bench: Bench) -> list[tuple[int, int]]:
    """(endpoint, RIF) of what is in the pool, oldest first."""
    s = bench.state
    entries = sorted((s.order[j], s.host[j], s.rif[j]) for j in range(s.filled[0]))
    return [(e, rif) for _, e, rif in entries]


@pytest.mark.parametrize(
    ("answers", "limit", "expected"),
    [
        # the quickest of all is hot, so the quickest that is cold
        ([(0, 1, 0.009), (1, 2, 0.004), (2, 3, 0.008), (3, 10, 0.001)], 3, 1),
        # at the limit is cold
        ([(0, 1, 0.009), (3, 3, 0.001)], 3, 3),
        # all are hot: the emptiest, though it is the slowest
        ([(0, 7, 0.001), (1, 5, 0.9), (2, 6, 0.002)], 4, 1),
        # one cold among the hot, and it is the slowest
        ([(0, 7, 0.001), (1, 5, 0.002), (2, 4, 0.9)], 4, 2),
        # equal latencies: fewer in flight; equal both: the newer
        ([(4, 2, 0.5), (5, 1, 0.5), (6, 2, 0.5)], 3, 5),
        ([(4, 2, 0.5), (5, 2, 0.5), (6, 3, 0.5)], 3, 5),
        # equal numbers among the hot: the quicker, then the newer
        ([(4, 9, 0.5), (5, 9, 0.4), (6, 9, 0.5)], 3, 5),
        ([(4, 9, 0.5), (5, 9, 0.5)], 3, 5),
    ],
)
def test_hot_cold_rule(answers: list[tuple[int, int, float]], limit: int, expected: int) -> None:
    for order in itertools.permutations(range(len(answers))):  # where an answer lies is nothing
        bench = holding(answers, limit)
        s = bench.state
        for j, k in enumerate(order):
            s.host[j], s.rif[j], s.latency[j] = answers[k]
            s.order[j] = k
            s.entry[s.host[j]] = j
        assert s.host[best_entry(s, 0, limit)] == expected
        assert pick(bench) == expected


def test_worst_is_the_fullest_that_is_hot_or_else_the_slowest() -> None:
    answers = [(0, 1, 0.9), (1, 5, 0.1), (2, 6, 0.2), (3, 2, 0.95)]
    for limit, expected in [(4, 2), (5, 2), (6, 3), (0, 2)]:
        assert (
            holding(answers, limit).state.host[worst_entry(holding(answers, limit).state, 0, limit)]
            == expected
        )
    ties = [(0, 9, 0.1), (1, 9, 0.3), (2, 9, 0.2)]
    assert worst_entry(holding(ties, 4).state, 0, 4) == 0  # of a tie the oldest
    assert oldest_entry(holding(ties, 4).state, 0) == 0


def test_a_pick_counts_in_the_answer_that_led_to_it() -> None:
    bench = holding([(0, 1, 0.010), (1, 1, 0.011), (2, 9, 0.001)], 3)
    # 0 is cold with RIF 1, 2 and 3 and then hot; so is 1; then all are hot, with 4, 4 and 9
    assert [pick(bench) for _ in range(8)] == [0, 0, 0, 1, 1, 1, 0, 1]
    assert held(bench) == [(0, 5), (1, 5), (2, 9)]


def test_an_answer_goes_when_it_is_used_up() -> None:
    bench = holding([(0, 0, 0.01), (1, 0, 0.02), (2, 0, 0.03)], 50)
    bench.state.uses[0], bench.state.uses[1] = 2, 1
    assert [pick(bench) for _ in range(3)] == [0, 0, 1]
    assert held(bench) == [(2, 0)]
    assert pick(bench, 0.99) == 7  # one answer is not enough: anywhere at random
    assert held(bench) == [(2, 0)]
    assert pick(bench, 0.26) == 2  # and if that is the one, it counts
    assert held(bench) == [(2, 1)]


def test_removals_take_the_oldest_and_the_worst_in_turn() -> None:
    answers = [(0, 1, 0.1), (1, 2, 0.5), (2, 9, 0.3), (3, 1, 0.2), (4, 1, 0.05), (5, 2, 0.06)]
    bench = holding(answers, 6, removals=1.0)
    assert pick(bench) == 4
    assert [e for e, _ in held(bench)] == [1, 2, 3, 4, 5]  # the oldest is gone
    pick(bench)
    assert [e for e, _ in held(bench)] == [1, 3, 4, 5]  # the hot one
    pick(bench)
    assert [e for e, _ in held(bench)] == [3, 4, 5]  # the oldest
    pick(bench)
    assert [e for e, _ in held(bench)] == [4, 5]  # none is hot: the slowest


@pytest.mark.parametrize(
    ("removals", "draw", "left"), [(0.25, 0.24, 3), (0.25, 0.26, 4), (1.5, 0.4, 2)]
)
def test_removals_that_are_not_whole_are_rounded_at_random(
    removals: float, draw: float, left: int
) -> None:
    bench = holding([(e, 1, 0.1) for e in range(4)], 4, removals=removals)
    pick(bench, 0.0, draw)
    assert len(held(bench)) == left


def test_answers_are_used_until_their_greatest_age() -> None:
    bench = holding([(0, 1, 0.1), (1, 1, 0.2), (2, 1, 0.3)], 4)
    bench.state.born[0], bench.state.born[1], bench.state.born[2] = 0.0, 0.5, 0.6
    assert pick(bench, now=1.0) == 0
    assert pick(bench, now=1.0001) == 1
    assert [e for e, _ in held(bench)] == [1, 2]


def test_a_probe_reads_at_arrival_and_counts_when_it_is_back() -> None:
    part = Prequal(probes=1.0, removals=0.0, probe_delay=0.25)
    bench = Bench(part, 4)
    for _ in range(3):
        bench.arrive(2)
    pick(bench, 0.0, 0.0, 0.0, 0.6)  # the third of four gets the probe
    assert (list(bench.view.alarm_times[:1]), bench.view.alarms[0]) == ([0.25], 1)
    bench.leave(2, now=0.2, stay=0.125, met=2)
    bench.leave(2, now=0.2, stay=0.375, met=2)
    assert bench.ring()[0] == 0.25  # one is there, and two that stayed 0.125 and 0.375 are known
    bench.leave(2, now=0.3, stay=9.0, met=0)
    bench.arrive(2, now=0.3)
    assert held(bench) == []
    assert bench.ring()[0] == 0.5
    assert held(bench) == [(2, 1)]
    assert bench.state.latency[0] == 0.25
    assert bench.state.born[0] == 0.5
    assert bench.view.alarms[0] == 0


def test_a_newer_answer_replaces_an_endpoints_older_and_a_full_pool_drops_its_oldest() -> None:
    bench = Bench(Prequal(probes=1.0, removals=0.0, pool=2, probe_delay=0.0), 4)
    order = [0, 1, 0, 2]
    for e in order:
        bench.view.there[e] += 1
        deck = list(bench.state.deck[:4])
        pick(bench, 0.0, 0.0, 0.0, (deck.index(e) + 0.5) / 4)
        bench.ring()
        bench.ring()
        if e == 1:
            assert held(bench) == [(0, 2), (1, 1)]  # the second request went to 0, at random
    assert [e for e, _ in held(bench)] == [0, 2]  # 0 was renewed after 1, so 1 is the oldest


def test_probes_go_to_different_endpoints_all_equally_often() -> None:
    bench = Bench(Prequal(probes=3.0, removals=0.0, probe_delay=0.0), 7)
    rng, pairs = random.Random(1), collections.Counter()
    for _ in range(7000):
        bench.pick(*[rng.random() for _ in range(bench.part.draws)])
        s, v = bench.state, bench.view
        targets = [s.probe_to[int(v.alarm_codes[k]) // 2] for k in range(3)]
        assert v.alarms[0] == 3
        assert len(set(targets)) == 3
        pairs.update(itertools.combinations(sorted(targets), 2))
        while v.alarms[0]:
            bench.ring()
    # each of the 21 pairs is among the three with probability 1/7: 1000 of 7000 times, and four
    # standard errors are exceeded by any of them with a probability of at most 21 * 6.4e-5
    spread = math.sqrt(7000 * 6 / 49)
    assert len(pairs) == 21
    assert max(abs(count - 1000) for count in pairs.values()) < 4 * spread


@pytest.mark.parametrize(
    ("probes", "draw", "sent"), [(2.5, 0.49, 3), (2.5, 0.51, 2), (0.25, 0.3, 0)]
)
def test_probes_that_are_not_whole_are_rounded_at_random(
    probes: float, draw: float, sent: int
) -> None:
    bench = Bench(Prequal(probes=probes), 7)
    pick(bench, 0.0, 0.0, draw)
    assert bench.view.alarms[0] == sent


def test_no_more_probes_than_endpoints_and_none_for_a_single_one() -> None:
    bench = Bench(Prequal(probes=5.0), 7)
    bench.change([3, 5])
    pick(bench)
    assert bench.view.alarms[0] == 2
    bench.change([5])
    assert pick(bench) == 5
    assert bench.view.alarms[0] == 2


def test_a_probe_is_lost_when_its_endpoint_leaves_and_its_slot_is_free_again() -> None:
    bench = Bench(Prequal(probes=1.0, removals=0.0), 4)
    for member in (0, 1):
        pick(bench, 0.0, 0.0, 0.0, (list(bench.state.deck[:4]).index(member) + 0.5) / 4)
    before = bench.state.free_count[0]
    bench.change([0, 2, 3])
    while bench.view.alarms[0]:
        bench.ring()
    assert [e for e, _ in held(bench)] == [0]
    assert bench.state.free_count[0] == before + 2


def test_uses_follow_the_formula() -> None:
    # b = max(1, (1 + 1) / ((1 - 16/n) * 3 - 1))
    assert Prequal().uses(100) == pytest.approx(2 / (0.84 * 3 - 1), rel=1e-14)
    assert Prequal().uses(32) == pytest.approx(4.0, rel=1e-14)
    assert Prequal(probes=8.0).uses(100) == 1.0
    assert Prequal().uses(24) == math.inf  # (1/3) * 3 - 1 = 0: no more come in than go out
    assert Prequal().uses(10) == math.inf
    bench = Bench(Prequal(probes=2.0, removals=0.5, pool=2, probe_delay=0.0), 8)
    assert bench.state.reuse[0] == 2.0  # 2 / (0.75 * 2 - 0.5)
    bench = Bench(Prequal(probes=1.0, removals=0.0, pool=2, delta=0.125, probe_delay=0.0), 8)
    assert bench.state.reuse[0] == 1.5
    for draw, uses in [(0.49, 2), (0.51, 1)]:
        pick(bench, 0.0, 0.0, 0.0, 0.0, draw)
        assert bench.state.probe_uses[int(bench.view.alarm_codes[0]) // 2] == uses
        bench.ring()
        bench.ring()


def test_buckets_of_requests_that_were_met() -> None:
    assert [bucket_of(rif) for rif in (0, 1, 15, 16, 31, 32, 63, 64, 1024, 2047)] == [
        0, 1, 15, 16, 16, 17, 17, 18, 22, 22,
    ]  # fmt: skip
    assert {bucket_of(rif) for rif in (2048, 4096, 10**6)} == {23}


def test_the_latency_told_is_the_median_of_the_latest_of_the_nearest_bucket() -> None:
    bench = Bench(Prequal(), 2)
    s = bench.state
    assert told_latency(s, 0, 5) == 0.0
    stays = [9.0, 0.5, 0.1, 0.4, 0.2, 0.3, 0.6, 0.7]
    expected = [9.0, 4.75, 0.5, 0.45, 0.4, 0.35, 0.4, 0.4]  # the last without the first
    for stay, median in zip(stays, expected, strict=True):
        bench.arrive(0)
        bench.leave(0, stay=stay, met=6)
        assert told_latency(s, 0, 6) == pytest.approx(median, rel=1e-15)
    bench.arrive(0)
    bench.leave(0, stay=5.0, met=2)
    told = [told_latency(s, 0, rif) for rif in (0, 2, 3, 4, 5, 6, 100)]
    assert told == [5.0, 5.0, 5.0, 5.0, 0.4, 0.4, 0.4]  # 4 is as near to 2 as to 6
    assert told_latency(s, 1, 2) == 0.0  # another endpoint


@pytest.mark.parametrize("quantile", [0.0, 0.5, 2**-0.25, 1.0])
def test_the_threshold_is_the_quantile_of_the_latest_answers(quantile: float) -> None:
    bench = Bench(Prequal(quantile=quantile), 4, proxies=2)
    rng = random.Random(1)
    latest: list[collections.deque[int]] = [collections.deque(maxlen=128) for _ in range(2)]
    values = set()
    for k in range(3000):
        p = rng.randrange(2)
        level = [3, 40, 2000, 0][k // 750]
        rif = rng.randint(0, level)
        note_rif(bench.state, p, rif)
        latest[p].append(min(rif, 1023))
        ordered = sorted(latest[p])
        enough = quantile * len(ordered)
        expected = next(r for r in ordered if bisect.bisect_right(ordered, r) >= enough)
        assert bench.state.threshold[p] == expected
        values.add(expected)
    assert len(values) > 3 or quantile == 0.0


class Naive:
    """Prequal with lists and dicts, written from the summary of the paper and the notes."""

    def __init__(self, part: Prequal, bench: Bench) -> None:
        self.part, self.bench = part, bench
        self.flying: list[tuple[float, int, str, Any]] = []
        self.count = itertools.count()
        self.answers: list[list[dict[str, Any]]] = [[] for _ in range(bench.proxies)]
        self.rifs = [collections.deque[int](maxlen=128) for _ in range(bench.proxies)]
        self.memory: dict[tuple[int, int], collections.deque[float]] = {}
        self.turn = [0] * bench.proxies
        self.joined(list(range(bench.n)))
        self.hot_picks = self.random_picks = self.cold_picks = 0

    def joined(self, members: list[int]) -> None:
        self.members = members
        self.deck = [list(members) for _ in range(self.bench.proxies)]
        self.turn = [0] * self.bench.proxies
        for p, held in enumerate(self.answers):
            self.answers[p] = [answer for answer in held if answer["e"] in members]

    def bucket(self, rif: int) -> int:
        return rif if rif < 16 else min(16 + int(math.log2(rif)) - 4, 23)

    def latency(self, e: int, rif: int) -> float:
        known = [b for (x, b) in self.memory if x == e]
        if not known:
            return 0.0
        here = self.bucket(rif)
        return statistics.median(self.memory[e, min(known, key=lambda b: (abs(b - here), b))])

    def limit(self, p: int) -> int:
        ordered = sorted(self.rifs[p])
        needed = max(math.ceil(self.part.quantile * len(ordered)), 1)
        return ordered[needed - 1] if ordered else 0

    def pick(self, p: int, u: list[float], now: float) -> int:
        if len(self.members) == 1:
            return self.members[0]
        held = [a for a in self.answers[p] if now - a["born"] <= self.part.max_age]
        limit = self.limit(p)
        if len(held) < 2:
            e = self.members[int(u[0] * len(self.members))]
            used = next((a for a in held if a["e"] == e), None)
            self.random_picks += 1
        else:
            cold = [a for a in held if a["rif"] <= limit]
            newest_first = held[::-1]
            if cold:
                used = min(cold[::-1], key=lambda a: (a["latency"], a["rif"]))
            else:
                used = min(newest_first, key=lambda a: (a["rif"], a["latency"]))
            e = used["e"]
            self.hot_picks += not cold
            self.cold_picks += bool(cold)
        if used is not None:
            used["rif"] += 1
            used["uses"] -= 1
            if used["uses"] == 0:
                held.remove(used)
        whole = math.floor(self.part.removals)
        for _ in range(whole + (u[1] < self.part.removals - whole)):
            if not held:
                break
            if self.turn[p] == 0:
                held.pop(0)
            else:
                hot = [a for a in held if a["rif"] > limit]
                worst = (
                    max(hot, key=lambda a: a["rif"])
                    if hot
                    else max(held, key=lambda a: a["latency"])
                )
                held.remove(worst)
            self.turn[p] = 1 - self.turn[p]
        self.answers[p] = held
        whole = math.floor(self.part.probes)
        probes = whole + (u[2] < self.part.probes - whole)
        deck = self.deck[p]
        supply = (1 - self.part.pool / len(deck)) * self.part.probes - self.part.removals
        uses = max(1.0, (1 + self.part.delta) / supply) if supply > 0 else 1e15
        for k in range(min(probes, len(deck))):
            other = k + int(u[3 + 2 * k] * (len(deck) - k))
            deck[k], deck[other] = deck[other], deck[k]
            often = math.floor(uses) + (u[4 + 2 * k] < uses - math.floor(uses))
            self.fly(now, "there", {"p": p, "e": deck[k], "uses": often})
        return e

    def fly(self, now: float, what: str, probe: dict[str, Any]) -> None:
        time = now + self.part.probe_delay
        heapq.heappush(self.flying, (time, next(self.count), what, probe))

    def land(self, now: float) -> None:
        time, _, what, probe = heapq.heappop(self.flying)
        assert time == now
        e, p = probe["e"], probe["p"]
        if e not in self.members:
            return
        if what == "there":
            rif = int(self.bench.view.there[e])
            self.fly(now, "back", {**probe, "rif": rif, "latency": self.latency(e, rif)})
            return
        self.rifs[p].append(min(probe["rif"], 1023))
        kept = [a for a in self.answers[p] if a["e"] != e]
        if len(kept) == self.part.pool:
            kept.pop(0)
        self.answers[p] = [*kept, {**probe, "born": now}]


@pytest.mark.parametrize(
    ("part", "seed"),
    [
        (Prequal(), 1),
        (Prequal(probes=2.5, pool=4, removals=0.75, max_age=0.5, probe_delay=0.01), 2),
        (Prequal(probes=1.0, pool=3, removals=0.25, quantile=0.5, delta=0.2), 3),
        (Prequal(probes=0.5, removals=0.1, quantile=0.0, max_age=0.2), 4),
    ],
)
def test_prequal_equals_an_independent_account(part: Prequal, seed: int) -> None:
    bench = Bench(part, 12, proxies=2)
    naive = Naive(part, bench)

    def also(what: str, now: float, *rest: Any) -> None:
        if what == "alarm":
            naive.land(now)
        elif what == "left":
            e, stay, met = rest
            key = e, naive.bucket(met)
            naive.memory.setdefault(key, collections.deque(maxlen=7)).append(stay)
        elif what == "change":
            naive.joined(rest[0])

    for now, p, u, e in live(bench, seed, 3000, slow=0.05, changes=0.5, also=also):
        assert naive.pick(p, u, now) == e
        mine = [(a["e"], a["rif"], a["latency"], a["born"]) for a in naive.answers[p]]
        s, row = bench.state, p * bench.state.room
        order = sorted(range(row, row + s.filled[p]), key=lambda at: s.order[at])
        assert mine == [(s.host[k], s.rif[k], s.latency[k], s.born[k]) for k in order]
    assert min(naive.hot_picks, naive.cold_picks, naive.random_picks) > 0


def test_lists_arrays_and_compiled_kernels_agree() -> None:
    pytest.importorskip("numba")
    from .bench_compiled import benches

    part = Prequal(probes=2.5, pool=4, removals=0.75, max_age=0.5)
    runs = []
    for bench in benches(part, 12, proxies=2):
        runs.append([(e, now) for now, _, _, e in live(bench, 1, 2000, slow=0.05, changes=0.5)])
        runs[-1].append((int(bench.state.answers[0]), float(sum(bench.state.latency))))
    assert runs[0] == runs[1] == runs[2]


def test_two_pools_of_one_balancer_keep_their_answers_apart() -> None:
    bench = Bench(Prequal(probes=2.0, removals=0.0, probe_delay=0.0), 6, proxies=2)
    v, n = bench.view, bench.n
    # balancer 0 has pools 0 (0, 1, 2) and 1 (3, 4, 5), and balancer 1 none
    v.balancer[1] = 0
    v.size[0] = v.size[1] = 3
    pools = []
    for g, members in enumerate([(0, 1, 2), (3, 4, 5)]):
        for j, e in enumerate(members):
            v.hosts[g * n + j], v.pool[e], v.pool[n + e] = e, g, -1
        pools.append(Pool(0, members, (1.0,) * 3, ("a", "b", "c"), (-math.inf,) * 3))
    bench.state = bench.part.state(pools, v, bench.make, old=bench.state, now=0.0)
    s = bench.state
    for g in (0, 1):
        e = s.pick(s, v, g, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0, 0)
        assert e == 3 * g
        while v.alarms[0]:
            bench.ring()
        assert {s.host[g * s.room + j] for j in range(s.filled[g])} == {3 * g, 3 * g + 1}
    # the pools become one, which keeps what both have heard, the newest of it if it is too much
    for e in range(6):
        v.hosts[e], v.pool[e] = e, 0
    v.size[0], v.size[1] = 6, 0
    merged = [Pool(0, tuple(range(6)), (1.0,) * 6, ("x",) * 6, (-math.inf,) * 6)]
    bench.state = bench.part.state(merged, v, bench.make, old=s, now=0.0)
    assert [e for e, _ in held(bench)] == [0, 1, 3, 4]
    small = Prequal(probes=2.0, pool=3)
    bench.state = small.state(merged, v, bench.make, old=bench.state, now=0.0)
    assert [e for e, _ in held(bench)] == [1, 3, 4]


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("probes", 0.0),
        ("probes", math.nan),
        ("probes", 17.0),
        ("pool", 1),
        ("max_age", 0.0),
        ("removals", -1.0),
        ("removals", math.inf),
        ("quantile", 1.1),
        ("quantile", math.nan),
        ("delta", -0.5),
        ("probe_delay", -1.0),
        ("probe_delay", math.inf),
    ],
)
def test_impossible_parameters_are_refused(field: str, bad: float) -> None:
    with pytest.raises(ValueError, match=field):
        Prequal(**{field: bad})
