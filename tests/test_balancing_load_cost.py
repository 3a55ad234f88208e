"""What a pick costs rules that look at load, counted in looks at arrays and not in seconds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

import mesh_lab.balancing as mb
from mesh_lab.balancing import Balancer
from mesh_lab.balancing.counts import Sorted, lower, raise_, set_count, sorted_by_count
from mesh_lab.balancing.rule import Lists, Pool

from .load_life import LeastWork, Naive, Shortest, events
from .rule_bench import Bench


class Counted(list[Any]):
    """A list that counts how often it is looked at."""

    looks = 0

    def __getitem__(self, key: Any) -> Any:
        Counted.looks += 1
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        Counted.looks += 1
        super().__setitem__(key, value)


class CountedLists(Lists):
    """Makes such lists."""

    def ints(self, values: Iterable[int]) -> Any:
        return Counted(super().ints(values))

    def floats(self, values: Iterable[float]) -> Any:
        return Counted(super().floats(values))


def looks_a_request(rule: Balancer, n: int, weights: Sequence[float] | None) -> float:
    """The mean number of looks a request takes in its life, at a load of 0.8 in one-second jobs."""
    rng = random.Random(1)
    bench = Bench(rule, n, weights=weights, make=CountedLists(), own=[0.5] * 9000)
    for _ in range(int(0.8 * n)):
        bench.arrive(bench.pick(*(rng.random() for _ in range(rule.draws))), work=1.0)
    working = [e for e in range(n) for _ in range(int(bench.view.there[e]))]
    Counted.looks = 0
    for step in range(2000):
        e = working.pop(rng.randrange(len(working)))
        bench.leave(e, now=float(step))
        bench.answer(e, now=float(step))
        e = bench.pick(*(rng.random() for _ in range(rule.draws)), now=float(step))
        bench.arrive(e, now=float(step), work=1.0)
        working.append(e)
    return Counted.looks / 2000


@pytest.mark.parametrize(
    "rule",
    [
        mb.LeastRequest(),
        mb.LeastRequest(choices="all"),
        mb.LeastConnections(),
        mb.FirstAvailable(limit=2),
        mb.JoinShortestQueue(),
        mb.PowerOfD(),
        mb.JoinIdleQueue(),
        mb.LeastWorkLeft(),
    ],
    ids=repr,
)
def test_a_thousand_times_the_endpoints_take_at_most_eight_times_the_looks(rule: Balancer) -> None:
    assert looks_a_request(rule, 10_000, None) <= 8.0 * looks_a_request(rule, 10, None)


def test_least_request_by_weight_grows_with_the_logarithm() -> None:
    few, many = (
        looks_a_request(mb.LeastRequest(), n, [1.0 + i % 3 for i in range(n)]) for n in (10, 10_000)
    )
    assert many <= 8.0 * few


def blocks(s: Sorted, c: int, stride: int) -> list[tuple[int, set[int]]]:
    """The counts that occur in a group, ascending, and who has them."""
    found: list[tuple[int, set[int]]] = []
    for i in range(c * stride, c * stride + s.members[c]):
        e = s.order[i]
        assert s.at[c * stride + e] == i
        b = s.block[c * stride + e]
        assert s.low[b] <= i <= s.high[b]
        if i == s.low[b]:
            found.append((s.value[b], set()))
        found[-1][1].add(e)
    assert s.spare[c] == stride - len(found)
    return found


def test_sorted_by_count_stays_sorted() -> None:
    rng = random.Random(1)
    groups = [(0, 2, 3, 5, 6), (1,), (6, 4, 0)]
    counts = [{e: rng.randint(0, 3) for e in group} for group in groups]
    s = sorted_by_count(Lists(), 7, groups, [list(known.values()) for known in counts])
    for _ in range(3000):
        c = rng.randrange(3)
        e = rng.choice(groups[c])
        move = rng.random()
        if move < 0.45:
            raise_(s, c, 7, e)
            counts[c][e] += 1
        elif move < 0.9 and counts[c][e]:
            lower(s, c, 7, e)
            counts[c][e] -= 1
        else:
            counts[c][e] = rng.randint(0, 9)
            set_count(s, c, 7, e, counts[c][e])
        for k, known in enumerate(counts):
            values = sorted(set(known.values()))
            assert blocks(s, k, 7) == [(x, {e for e in known if known[e] == x}) for x in values]


class Apart(Bench):
    """A bench whose balancers pick out of different endpoints; two of them out of the same."""

    SETS: tuple[list[int], ...] = ([0, 1, 2, 3], [3, 4, 5], [0, 1, 2, 3], [5])

    def change(
        self,
        members: Sequence[int] | range,
        now: float = 0.0,
        since: Sequence[float] | None = None,
    ) -> None:
        """Let balancer `p` pick out of those of its set that are among `members`."""
        v, n = self.view, self.n
        pools = []
        for p, mine in enumerate(self.SETS):
            for e in range(n):
                v.pool[p * n + e] = v.place[p * n + e] = -1
            for j, e in enumerate(mine):
                v.hosts[p * n + j], v.pool[p * n + e], v.place[p * n + e] = e, p, j
            v.size[p] = len(mine)
            many = len(mine)
            pools.append(Pool(p, tuple(mine), (1.0,) * many, ("",) * many, (float("-inf"),) * many))
        self.state = self.part.state(pools, v, self.make, old=self.state, now=now)


@pytest.mark.parametrize(
    ("rule", "account"),
    [(mb.JoinShortestQueue(), Shortest), (mb.LeastWorkLeft(), LeastWork)],
    ids=["shortest", "work"],
)
def test_balancers_of_different_endpoints_see_what_others_did(
    rule: Balancer, account: type[Naive]
) -> None:
    class Restricted(account):  # type: ignore[misc, valid-type]
        def allowed(self, p: int, u: Sequence[float], now: float) -> Any:
            self.members = Apart.SETS[p]
            return super().allowed(p, u, now)

    bench = Apart(rule, 6, proxies=4)
    assert len(set(bench.state.group)) == 3
    number = 0
    for number, (e, allowed) in enumerate(
        events(bench, 1, 4000, changes=0.0, naive=Restricted(bench)), 1
    ):
        assert e in allowed, f"pick {number}"
    assert number > 1000


@pytest.mark.parametrize("withdraw", [False, True])
def test_idle_endpoints_join_only_balancers_that_know_them(withdraw: bool) -> None:
    rng = random.Random(3)
    own = [rng.random() for _ in range(9000)]
    bench = Apart(mb.JoinIdleQueue(choices=2, withdraw=withdraw), 6, proxies=4, own=own)
    picked = set()
    for e, _ in events(bench, 1, 4000, changes=0.0):
        picked.add(e)
        for g, members in enumerate(Apart.SETS):
            e, queue = int(bench.state.head[g]), []
            while e >= 0:
                queue.append(e)
                e = int(bench.state.after[e])
            assert set(queue) <= set(members)
            assert len(queue) == bench.state.length[g] == len(set(queue))
            if withdraw:
                assert all(bench.view.there[e] == 0 for e in queue)
    assert picked == set(range(6))
