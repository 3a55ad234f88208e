"""A made-up life of a service, for rules that look at load, and naive accounts of such rules.

`events` drives a bench at random: requests are picked, arrive at once or later, leave, are answered
at once or later, endpoints come and go.  A `Naive` rule is told the same and looks through all of
its endpoints for every pick.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from .rule_bench import Bench


class Naive:
    """What a naive account of a rule is told; `members` are the endpoints."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.n = bench.n
        self.members = list(range(bench.n))

    def out(self, p: int, e: int) -> int:
        """How many requests balancer `p` has outstanding at `e`."""
        return int(self.bench.view.outstanding[p * self.n + e])

    def there(self, e: int) -> int:
        """How many requests are at `e`."""
        return int(self.bench.view.there[e])

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        """The endpoints that may be picked; called before the pick."""
        raise NotImplementedError

    def sent(self, p: int, e: int) -> None:
        """Be told of a pick."""

    def answered(self, p: int, e: int) -> None:
        """Be told of an answer."""

    def arrived(self, e: int) -> None:
        """Be told of an arrival."""

    def left(self, e: int) -> None:
        """Be told that one has left."""

    def rang(self) -> None:
        """Be told of an alarm."""

    def changed(self) -> None:
        """Be told that `members` have changed."""


def events(
    bench: Bench, seed: int, steps: int, *, changes: float = 0.01, naive: Naive | None = None
) -> Iterator[tuple[int, set[int]]]:
    """Drive `bench`, and yield each pick and what the naive account allowed."""
    rng = random.Random(seed)
    told = naive or Naive(bench)
    under_way: list[tuple[int, int]] = []
    there: list[tuple[int, int]] = []
    on_the_way_back: list[tuple[int, int]] = []
    now, load = 0.0, 2.5 * bench.n
    for _ in range(steps):
        now += rng.choice([0.0, 0.125, 0.25, rng.random()])  # several events at one instant
        while bench.view.alarms[0] and bench.view.alarm_times[0] <= now:
            bench.ring()
            told.rang()
        what = rng.random()
        if what < changes:
            told.members = sorted(rng.sample(range(bench.n), rng.randint(1, bench.n)))
            bench.change(told.members, now=now)
            told.changed()
        elif what < 0.45 and len(under_way) + len(there) + len(on_the_way_back) < load:
            p = rng.randrange(bench.proxies)
            u = [rng.random() for _ in range(bench.part.draws)]
            allowed = told.allowed(p, u, now) if naive else set()
            bench.view.job[0] = rng.random()
            e = bench.pick(*u, now=now, proxy=p)
            told.sent(p, e)
            yield e, allowed
            under_way.append((p, e))
            if rng.random() < 0.7:
                _arrive(bench, told, under_way.pop(), there, rng, now)
        elif what < 0.6 and under_way:
            chosen = under_way.pop(rng.randrange(len(under_way)))
            _arrive(bench, told, chosen, there, rng, now)
        elif what < 0.9 and there:
            p, e = there.pop(rng.randrange(len(there)))
            bench.leave(e, now=now)
            told.left(e)
            on_the_way_back.append((p, e))
            if rng.random() < 0.7:
                _answer(bench, told, on_the_way_back.pop(), now)
        elif on_the_way_back:
            _answer(bench, told, on_the_way_back.pop(0), now)


def _arrive(
    bench: Bench,
    told: Naive,
    request: tuple[int, int],
    there: list[tuple[int, int]],
    rng: random.Random,
    now: float,
) -> None:
    bench.arrive(request[1], now=now, work=rng.choice([0.5, 1.0, rng.expovariate(0.2)]))
    told.arrived(request[1])
    there.append(request)


def _answer(bench: Bench, told: Naive, request: tuple[int, int], now: float) -> None:
    bench.answer(request[1], now=now, proxy=request[0])
    told.answered(*request)


class LeastOut(Naive):
    """Least request of all: any of those with the fewest outstanding."""

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        least = min(self.out(p, e) for e in self.members)
        return {e for e in self.members if self.out(p, e) == least}


class FewOut(Naive):
    """Least request of a few, different ones unless with replacement."""

    replacement = False

    def value(self, p: int, e: int) -> int:
        return self.out(p, e)

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        left, drawn = list(self.members), []
        for x in u[: None if self.replacement else len(left)]:
            j = int(x * len(left))
            drawn.append(left[j] if self.replacement else left.pop(j))
        return {min(drawn, key=lambda e: self.value(p, e))}


class AgainOut(FewOut):
    """With replacement."""

    replacement = True


class Due(Naive):
    """Envoy's turns: a list of [deadline, sequence, endpoint] for each balancer."""

    bias = 1.0
    replacement = True
    equal: type[Naive] = AgainOut
    value = FewOut.value

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.changed()

    def weight(self, p: int, e: int) -> float:
        return self.bench.weights[e] / math.pow(self.out(p, e) + 1.0, self.bias)

    def changed(self) -> None:
        self.count = 1000
        self.due = []
        for p in range(self.bench.proxies):
            first = [[1.0 / (self.weight(p, e) + 1e-13), j, e] for j, e in enumerate(self.members)]
            self.due.append(first)

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        if len({self.bench.weights[e] for e in self.members}) == 1:
            return self.equal.allowed(self, p, u, now)
        entry = min(self.due[p])
        e = int(entry[2])
        self.count += 1
        entry[:2] = entry[0] + 1.0 / self.weight(p, e), self.count
        return {e}


class DueBySquare(Due):
    """With a bias of 2, and the least of all where weights are equal."""

    bias = 2.0
    equal = LeastOut


class Leastconn(Naive):
    """HAProxy's list for each balancer: put at the end when a number changes."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.lists = [list(self.members) for _ in range(bench.proxies)]

    def key(self, p: int, e: int) -> int:
        inflight = self.out(p, e)
        if not inflight:
            return 0
        return (inflight + 1) * 4096 // math.ceil(16 * self.bench.weights[e])

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        return {min(self.lists[p], key=lambda e: self.key(p, e))}

    def sent(self, p: int, e: int) -> None:
        if e in self.lists[p]:
            self.lists[p].remove(e)
            self.lists[p].append(e)

    answered = sent

    def changed(self) -> None:
        for p, known in enumerate(self.lists):
            stay = [e for e in known if e in self.members]
            self.lists[p] = stay + [e for e in self.members if e not in stay]


class First(Naive):
    """HAProxy's first with a limit of 2."""

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        free = [e for e in self.members if self.out(p, e) < 2]
        return {free[0] if free else min(self.members, key=lambda e: self.out(p, e))}


class Shortest(Naive):
    """Any of those with the fewest there, now or when the alarm last rang."""

    board: Sequence[int] | None = None

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        seen = {e: self.seen(e) for e in self.members}
        return {e for e in seen if seen[e] == min(seen.values())}

    def seen(self, e: int) -> int:
        return self.there(e)


class ShortestOnBoard(Shortest):
    """As it was when the alarm last rang."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.rang()

    def rang(self) -> None:
        self.board = [self.there(e) for e in range(self.n)]

    def seen(self, e: int) -> int:
        assert self.board is not None
        return self.board[e]


class FewThere(FewOut):
    """Power of d."""

    def value(self, p: int, e: int) -> int:
        return self.there(e)


class AgainThere(FewThere):
    """With replacement."""

    replacement = True


class FewOnBoard(FewThere):
    """Power of d, as it was when the alarm last rang."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.rang()

    def rang(self) -> None:
        self.board = [self.there(e) for e in range(self.n)]

    def value(self, p: int, e: int) -> int:
        return self.board[e]


class AgainOnBoard(FewOnBoard):
    """With replacement."""

    replacement = True


class LeastWork(Naive):
    """Done first; of a tie, the lowest number."""

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        return {min(self.members, key=lambda e: (float(self.bench.view.busy_until[e]), e))}


class IdleQueues(Naive):
    """An I-queue a balancer; endpoints join the shortest of `choices`."""

    choices, withdraw = 1, False

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.queues: list[list[int]] = [[] for _ in range(bench.proxies)]
        self.own = iter([float(x) for x in bench.view.own])
        self.dealt = 0
        self.changed()

    def changed(self) -> None:
        self.queues = [[e for e in queue if e in self.members] for queue in self.queues]
        for e in self.members:
            if not self.there(e) and not any(e in queue for queue in self.queues):
                self.queues[self.dealt % len(self.queues)].append(e)
                self.dealt += 1

    def allowed(self, p: int, u: Sequence[float], now: float) -> set[int]:
        if self.queues[p]:
            return {self.queues[p].pop(0)}
        return {self.members[int(u[0] * len(self.members))]}

    def left(self, e: int) -> None:
        if self.there(e) or e not in self.members or any(e in queue for queue in self.queues):
            return
        left, drawn = list(range(len(self.queues))), []
        if len(left) == 1:
            drawn = left
        else:
            for _ in range(min(self.choices, len(left))):
                drawn.append(left.pop(int(next(self.own) * len(left))))
        self.queues[min(drawn, key=lambda p: len(self.queues[p]))].append(e)

    def arrived(self, e: int) -> None:
        if self.withdraw:
            self.queues = [[other for other in queue if other != e] for queue in self.queues]


class IdleShorter(IdleQueues):
    """Of two."""

    choices = 2


class IdleWithdrawn(IdleQueues):
    """Of all, and taken back."""

    choices, withdraw = 9, True
