"""SWIM as memberlist does it: suspicion, refutation, detection, dissemination."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from mesh_lab import Exponential
from mesh_lab.draws import Draws
from mesh_lab.mesh.discovery import Gossip, State, Truth, ViewChange
from mesh_lab.mesh.discovery.member import Kind, Member, News, Record, Status
from mesh_lab.mesh.discovery.suspicion import Suspicion, retransmit_limit, suspicion_timeout

A, S, R, U, T, D = State


def group(size: int, *later: tuple[float, int, State]) -> list[Truth]:
    return [Truth(0.0, e, R) for e in range(size)] + [Truth(*change) for change in later]


def views(gossip: Gossip, truth: list[Truth], proxies: int, seed: int) -> Iterator[ViewChange]:
    return gossip.views(truth, proxies, Draws(seed=seed), "o")


def without_signs_of_life(changes: Iterable[ViewChange]) -> list[ViewChange]:
    """Return the changes that change something."""
    last: dict[int, Any] = {}
    kept = []
    for change in changes:
        if last.get(change.proxy, ()) != change.endpoints:
            last[change.proxy] = change.endpoints
            kept.append(change)
    return kept


def healthy(change: ViewChange) -> set[int]:
    return {e for e, well in change.endpoints if well}


# -- suspicion ------------------------------------------------------------------------------------


def test_suspicion_times_are_those_of_memberlist() -> None:
    assert suspicion_timeout(4, 3, 1.0) == 4.0
    assert suspicion_timeout(5, 500, 1.0) == pytest.approx(5 * 2.698)  # in whole milliseconds
    # 24 - log(c + 1) / log(3) * 20 in whole milliseconds
    for others, expected in ([], 24.0), ([7], 11.381), ([7, 8], 4.0), ([7, 8, 9], 4.0):
        suspicion = Suspicion(1, k=2, least=4.0, most=24.0, start=0.0)
        for other in others:
            suspicion.confirm(other, 0.0)
        assert suspicion.deadline == expected
    assert Suspicion(1, k=0, least=4.0, most=24.0, start=0.0).deadline == 4.0


def end_of_suspicion(
    messages: list[tuple[float, int]], k: int, least: float, most: float
) -> tuple[float, set[int]]:
    """Say when a suspect is given up, looking at all messages before each moment at once."""
    (start, first), *_ = messages
    for n in range(len(messages)):
        sources = list(dict.fromkeys(source for _, source in messages[: n + 1]))
        counted = [s for s in sources if s != first][: max(k, 0)]
        share = math.log(len(counted) + 1) / math.log(k + 1) if k > 0 else 1.0
        given = max(math.floor(1000 * (most - share * (most - least))) / 1000, least)
        if not counted and k > 0:
            given = most  # the first timer is not rounded
        over = max(start + given, messages[n][0])
        if n + 1 == len(messages) or over <= messages[n + 1][0]:
            return over, {first, *counted}
    raise AssertionError


def test_suspicions_against_a_second_account() -> None:
    early = 0
    for seed in range(1, 501):
        rng = random.Random(seed)
        k, least = rng.randint(0, 4), rng.choice([1.0, 4.0, 6.792])
        most = least * rng.randint(1, 6)
        times = sorted(rng.uniform(0.0, most) for _ in range(rng.randint(1, 12)))
        messages = [(time, rng.randint(0, 5)) for time in times]
        suspicion = Suspicion(messages[0][1], k, least, most, messages[0][0])
        new = 1
        for time, source in messages[1:]:
            if suspicion.deadline <= time:
                break
            new += suspicion.confirm(source, time)
        over, sources = end_of_suspicion(messages, k, least, most)
        assert suspicion.deadline == over, seed
        assert new == len(sources), seed
        early += over < messages[0][0] + most
    assert early > 200


# -- one member -----------------------------------------------------------------------------------


class Lonely(Member):
    """A member of a group of six, without clocks."""

    def __init__(self, rule: Gossip | None = None) -> None:
        self.timers: list[tuple[int, float]] = []
        numbers = random.Random(1)
        super().__init__(
            0, rule or Gossip(), numbers.random, lambda e, s: self.timers.append((e, s.deadline))
        )
        self.records = {e: Record(Status.ALIVE, 1, 0.0) for e in range(6)}
        self.nodes = list(range(6))

    def told(self, kind: Kind, about: int, incarnation: int, source: int, now: float = 10.0) -> Any:
        """Hear some news; return what is believed, and what is passed on."""
        self.queue.clear()
        self.hear(News(kind, about, incarnation, source), now)
        record = self.records.get(about)
        believed = None if record is None else (record.status.name, record.incarnation)
        return believed, [(n.kind.name, n.about, n.incarnation) for n, _ in self.queue.values()]


ALIVE, SUSPECT, DEAD = Kind


def test_news_is_believed_by_kind_and_incarnation() -> None:
    member = Lonely()
    assert member.told(ALIVE, 3, 1, 3) == (("ALIVE", 1), [])  # old
    assert member.told(ALIVE, 3, 2, 3) == (("ALIVE", 2), [("ALIVE", 3, 2)])
    assert member.told(SUSPECT, 3, 1, 4) == (("ALIVE", 2), [])  # of an earlier incarnation
    assert member.told(SUSPECT, 3, 2, 4) == (("SUSPECT", 2), [("SUSPECT", 3, 2)])
    assert member.told(SUSPECT, 3, 2, 4) == (("SUSPECT", 2), [])  # the same source
    assert member.told(SUSPECT, 3, 2, 5) == (("SUSPECT", 2), [("SUSPECT", 3, 2)])  # confirmed
    assert member.timers == [(3, 34.0), (3, 21.381)]
    assert member.told(ALIVE, 3, 2, 3) == (("SUSPECT", 2), [])
    assert member.told(ALIVE, 3, 3, 3) == (("ALIVE", 3), [("ALIVE", 3, 3)])  # refuted
    assert member.records[3].suspicion is None
    assert member.told(DEAD, 3, 2, 4) == (("ALIVE", 3), [])
    assert member.told(DEAD, 3, 3, 4) == (("DEAD", 3), [("DEAD", 3, 3)])
    assert member.told(SUSPECT, 3, 3, 5) == (("DEAD", 3), [])
    assert member.told(DEAD, 3, 3, 5) == (("DEAD", 3), [])
    assert member.told(ALIVE, 3, 4, 3) == (("ALIVE", 4), [("ALIVE", 3, 4)])  # it is back
    assert member.told(DEAD, 3, 4, 3) == (("LEFT", 4), [("DEAD", 3, 4)])  # it says so itself
    assert member.told(SUSPECT, 9, 1, 3) == (None, [])  # never heard of
    assert member.told(ALIVE, 9, 1, 9) == (("ALIVE", 1), [("ALIVE", 9, 1)])  # it joins
    assert sorted(member.nodes) == [0, 1, 2, 3, 4, 5, 9]


def test_accusations_of_oneself_are_outbid() -> None:
    member = Lonely()
    assert member.told(SUSPECT, 0, 1, 4) == (("ALIVE", 2), [("ALIVE", 0, 2)])
    assert member.told(SUSPECT, 0, 1, 5) == (("ALIVE", 2), [])  # refuted already
    assert member.told(DEAD, 0, 7, 4) == (("ALIVE", 8), [("ALIVE", 0, 8)])
    assert member.told(ALIVE, 0, 9, 3) == (("ALIVE", 10), [("ALIVE", 0, 10)])  # an earlier life
    assert member.score == 3  # it feels worse each time
    member.leaving = True
    assert member.told(DEAD, 0, 10, 0) == (("LEFT", 10), [("DEAD", 0, 10)])


def test_with_few_members_nobody_is_waited_for() -> None:
    member = Lonely()
    member.nodes = member.nodes[:3]
    member.told(SUSPECT, 2, 1, 1)
    assert member.timers == [(2, 14.0)]


def test_news_is_sent_on_so_many_times_and_no_more() -> None:
    member = Lonely()
    member.told(DEAD, 3, 1, 4)
    sent = list(itertools.takewhile(bool, (member.packet() for _ in range(99))))
    assert len(sent) == retransmit_limit(4, 6) == 4
    # newer news of the same member takes the place of older
    member.told(DEAD, 4, 1, 5)
    member.hear(News(ALIVE, 4, 2, 4), 10.0)
    assert [(n.kind, n.about) for n in member.packet()] == [(ALIVE, 4)]


def test_the_dead_of_another_are_only_suspects() -> None:
    member = Lonely()
    member.merge([(1, 1, Status.DEAD), (2, 1, Status.LEFT), (3, 5, Status.ALIVE)], 10.0)
    found = {e: (r.status.name, r.incarnation) for e, r in member.records.items() if 0 < e < 4}
    assert found == {1: ("SUSPECT", 1), 2: ("LEFT", 1), 3: ("ALIVE", 5)}


def test_everybody_is_probed_once_a_round_and_the_dead_are_forgotten() -> None:
    member = Lonely()
    rounds = [[member.next_target(0.0) for _ in range(5)] for _ in range(40)]
    assert all(sorted(r) == [1, 2, 3, 4, 5] for r in rounds)  # type: ignore[type-var]
    assert len({tuple(r) for r in rounds}) > 20  # shuffled each time
    member.told(DEAD, 3, 1, 4, now=100.0)
    assert {member.next_target(101.0) for _ in range(20)} == {1, 2, 4, 5}
    assert 3 in member.records
    assert {member.next_target(131.0) for _ in range(20)} == {1, 2, 4, 5}
    assert 3 not in member.records


# -- the group ------------------------------------------------------------------------------------


def test_a_crash_is_believed_after_a_probe_and_the_suspicion() -> None:
    """The first suspicion comes a probe interval after the first probe; all hear of the end."""
    for seed in range(1, 21):
        changes = list(views(Gossip(), group(9, (10.0, 4, D)), 3, seed))
        assert [healthy(c) for c in changes] == [set(range(9))] * 3 + [{*range(9)} - {4}] * 3
        times = [c.time for c in changes[3:]]
        # 12 members: 4 * log10(12) = 4.316 s at least, 6 times that at most; confirmed by then
        assert min(times) >= 10.0 + 1.0 + 4.316
        assert max(times) < 10.0 + 12.0 + 1.0 + 25.896
        assert max(times) - min(times) < 3.0


def test_the_time_until_the_end_is_the_suspicions_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member gives a suspect up at the moment that its own messages make."""
    heard: dict[int, list[tuple[float, int]]] = {}
    died: dict[int, tuple[float, int]] = {}
    hear = Member.hear

    def noted(self: Member, news: News, now: float) -> None:
        if news.about == 4 and self.number != 4:
            if news.kind == SUSPECT and self.number not in died:
                heard.setdefault(self.number, []).append((now, news.source))
            if news.kind == DEAD and self.number not in died:
                died[self.number] = now, news.source
        hear(self, news, now)

    monkeypatch.setattr(Member, "hear", noted)
    own = 0
    for seed in range(1, 11):
        heard.clear()
        died.clear()
        list(views(Gossip(), group(9, (10.0, 4, D)), 3, seed))
        least = suspicion_timeout(4, 12, 1.0)
        assert len(died) == 11
        for number, (time, source) in died.items():
            if source == number:
                over, _ = end_of_suspicion(heard[number], 2, least, 6 * least)
                assert time == over
                own += 1
    assert own >= 10


def test_nobody_is_ever_suspected_without_loss() -> None:
    gossip = Gossip(suspects=False, push_pull=5.0, delay=Exponential(mean=0.001))
    truth = group(20, (200.0, 25, S))  # nobody, but the truth goes on until then
    found = list(views(gossip, truth, 5, 1))
    assert [c.time for c in without_signs_of_life(found)] == [0.0] * 5
    assert found[-1].time > 80.0  # the time was looked at


def test_false_suspicions_are_refuted() -> None:
    """A third of all messages lost, no TCP: suspicions come, and hardly anybody is given up."""
    gossip = Gossip(suspects=False, loss=0.3, tcp_fallback=False)
    suspected, dead = 0, 0
    for seed in range(1, 6):
        taken = itertools.takewhile(lambda c: c.time < 120.0, views(gossip, group(15), 2, seed))
        for change in taken:
            suspected += len(healthy(change)) < len(change.endpoints)
            dead += len(change.endpoints) < 15
    assert suspected > 20
    assert dead < suspected / 5


def test_tcp_saves_those_whose_messages_are_lost() -> None:
    gossip = Gossip(suspects=False, loss=0.5, push_pull=None)
    assert [c.time for c in views(gossip, group(12), 3, 1)] == [0.0] * 3


def test_who_leaves_says_so() -> None:
    changes = list(views(Gossip(), group(9, (10.0, 4, T), (12.0, 4, A)), 4, 1))[4:]
    assert [healthy(c) for c in changes] == [{*range(9)} - {4}] * 4
    assert all(10.0 < c.time < 11.5 for c in changes)


def test_who_joins_is_heard_of_by_gossip() -> None:
    changes = list(views(Gossip(), group(9, (10.0, 9, S), (12.0, 9, R)), 4, 1))[4:]
    assert [healthy(c) for c in changes] == [{*range(10)}] * 4
    assert all(12.0 < c.time < 13.5 for c in changes)


@pytest.mark.parametrize("back", [10.5, 12.0, 40.0, 200.0])
def test_who_starts_again_takes_up_where_it_was(back: float) -> None:
    """It remembers nothing, learns what it is accused of, and outbids that."""
    for seed in range(1, 6):
        changes = list(views(Gossip(), group(9, (10.0, 4, D), (back, 4, R)), 3, seed))
        last = {c.proxy: c for c in changes}
        assert all(healthy(c) == set(range(9)) for c in last.values())
        gone = {c.proxy for c in changes if 4 not in healthy(c)}
        assert gone == (set() if back < 14.0 else {0, 1, 2})
        assert max(c.time for c in changes) < back + 3.0


def test_an_endpoint_that_is_not_ready_is_a_member_all_the_same() -> None:
    changes = list(views(Gossip(), group(5, (10.0, 2, U), (60.0, 2, R)), 2, 1))
    assert [c.time for c in changes] == [0.0, 0.0]


# -- theory ---------------------------------------------------------------------------------------

PROBERS = 29


def periods_until_probed(seeds: range) -> list[int]:
    """Count the protocol periods until somebody first probes the one that crashed."""
    found = []
    first: list[float] = []
    hear = Member.hear

    def noted(self: Member, news: News, now: float) -> None:
        if news.kind == SUSPECT and news.source == self.number and now > 3.0 and not first:
            first.append(now)
        hear(self, news, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Member, "hear", noted)
        for seed in seeds:
            first.clear()
            gossip = Gossip(suspects=False, delay=0.0)
            # one proxy, and one endpoint that crashes, beside 28 more
            stream = views(gossip, group(PROBERS, (3.0, 7, D)), 1, seed)
            next(c for c in stream if c.time > 3.0)
            found.append(math.ceil(first[0] - 1.0 - 3.0))  # a failed probe takes one interval
    return found


def test_first_detection_takes_e_over_e_minus_1_periods() -> None:
    """SWIM, section 5: 1 / (1 - 1/e) = 1.58 periods in a large group; 99.9 %, 300 groups of 30."""
    found = periods_until_probed(range(1, 301))
    # each prober comes by once in so many periods, at a place of the round of its own
    expected = sum((1.0 - k / PROBERS) ** PROBERS for k in range(PROBERS))
    assert expected == pytest.approx(math.e / (math.e - 1.0), rel=0.03)
    mean = sum(found) / len(found)
    half = 3.29 * math.sqrt(sum((x - mean) ** 2 for x in found) / len(found) / len(found))
    assert abs(mean - expected) < half
    assert half < 0.2
    counts = Counter(found)
    assert abs(counts[1] / 300 - (1.0 - 1.0 / math.e)) < 3.29 * math.sqrt(0.23 / 300)


def test_the_test_of_detection_finds_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """If every second probe were left out, it would take 1 / (1 - exp(-1/2)) = 2.5 periods."""
    wanted = Member.next_target
    turns: Counter[int] = Counter()

    def lazy(self: Member, now: float) -> int | None:
        turns[id(self)] += 1
        return wanted(self, now) if turns[id(self)] % 2 else None

    monkeypatch.setattr(Member, "next_target", lazy)
    found = periods_until_probed(range(1, 101))
    mean = sum(found) / len(found)
    half = 2.58 * math.sqrt(sum((x - mean) ** 2 for x in found) / len(found) / len(found))
    assert mean - half > 1.6


def spread(size: int, seed: int) -> float:
    """Return how long it takes until all proxies have heard that somebody left."""
    truth = group(size // 2, (5.0, 0, T), (15.0, 0, A))
    changes = without_signs_of_life(views(Gossip(push_pull=None), truth, size - size // 2, seed))
    heard = [c.time - 5.0 for c in changes if c.time > 5.0]
    assert len(heard) == size - size // 2, (size, seed)  # nobody is left out
    return max(heard)


def test_news_spreads_in_logarithmic_time() -> None:
    """Each who knows tells three more every 0.2 s: the group that knows grows geometrically."""
    means = {n: sum(spread(n, seed) for seed in range(1, 9)) / 8 for n in (8, 32, 128)}
    steps = [means[32] - means[8], means[128] - means[32]]
    assert 0.05 < steps[0] < 0.6  # about the same for each factor of four,
    assert 0.05 < steps[1] < 0.6
    assert means[128] < 2.0  # where linear growth would take it to 16 times means[8]


# -- streams --------------------------------------------------------------------------------------


def test_the_same_stream_however_it_is_read() -> None:
    gossip = Gossip(loss=0.2, tcp_fallback=False)
    truth = group(10, (5.0, 3, D), (30.0, 3, R), (40.0, 5, T))
    one = views(gossip, truth, 3, 1)
    other = views(gossip, truth, 3, 1)
    next(other)
    first = list(itertools.islice(one, 12))
    assert first[1:] == list(itertools.islice(other, 11))
    assert [(c.time, c.proxy) for c in first] == sorted((c.time, c.proxy) for c in first)
    assert first != list(itertools.islice(views(gossip, truth, 3, 2), 12))


def test_a_group_of_proxies_alone() -> None:
    assert list(views(Gossip(), [], 3, 1)) == []
    changes = list(views(Gossip(), [Truth(2.0, 0, R)], 1, 1))
    assert [(healthy(c), 2.0 < c.time < 2.1) for c in changes] == [({0}, True)]
