"""DNS: times to live, caches, clients that ask when they please, order, negative answers."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest
from scipy import stats

from mesh_lab import Uniform
from mesh_lab.draws import Draws
from mesh_lab.mesh.discovery import Dns, State, Truth, negative_ttl, staleness

R, D = State.READY, State.DOWN


def log(dns: Dns, truth: list[Truth], proxies: int = 1, until: float = 1e9) -> Any:
    views = dns.views(truth, proxies, Draws(seed=1), "o")
    taken = itertools.takewhile(lambda change: change.time < until, views)
    return [(round(c.time, 9), c.proxy, c.endpoints) for c in taken]


def phase(proxy: int) -> float:
    return Draws(seed=1).column("uniform", "o", "phase", "").at(proxy)


def cache_phase(resolver: int) -> float:
    return Draws(seed=1).column("uniform", "o", "cache phase", "").at(resolver)


ONE = [Truth(0.0, 0, R), Truth(1.0, 1, R)]
BOTH = ((0, True), (1, True))


# -- when clients ask -----------------------------------------------------------------------------


def test_a_client_asks_again_when_it_pleases() -> None:
    truth = [Truth(0.0, 0, R), Truth(12.0, 1, R), Truth(13.0, 0, D)]
    found = log(Dns(ttl=30.0, refresh=5.0), truth, 50)
    for proxy in range(50):
        asks = [round(5.0 * phase(proxy) + 5.0 * k, 9) for k in range(5)]
        expected = [(0.0, ((0, True),))]
        for ask in asks:
            now = ((0, True),) if ask < 12.0 else BOTH if ask < 13.0 else ((1, True),)
            if now != expected[-1][1]:
                expected.append((ask, now))
        assert [(t, v) for t, p, v in found if p == proxy] == expected


def test_a_client_that_caches_for_ever_never_hears_of_anything() -> None:
    for dns in (Dns(refresh=None), Dns.jvm(forever=True)):
        assert log(dns, [*ONE, Truth(2.0, 0, D)], 3) == [(0.0, p, ((0, True),)) for p in range(3)]


def test_a_lookup_takes_time_and_answers_what_was_so_when_it_began() -> None:
    dns = Dns(refresh=5.0, lookup=0.5)
    first = 5.0 * phase(0)
    truth = [Truth(0.0, 0, R), Truth(first + 0.25, 1, R)]
    # the next question is 5 s after the answer
    assert log(dns, truth) == [
        (0.0, 0, ((0, True),)),
        (round(first + 0.5 + 5.0 + 0.5, 9), 0, BOTH),
    ]


def test_without_a_cache_a_client_that_obeys_is_as_quick_as_the_ttl() -> None:
    assert log(Dns(ttl=7.0), ONE) == [(0.0, 0, ((0, True),)), (round(7.0 * phase(0), 9), 0, BOTH)]


# -- caches ---------------------------------------------------------------------------------------


def test_a_resolver_hands_on_the_time_that_is_left() -> None:
    """All who obey ask again in the moment in which the resolver's answer expires."""
    dns = Dns(ttl=30.0, resolvers=2)
    found = log(dns, ONE, 6)
    for proxy in range(6):
        expiry = 30.0 * cache_phase(proxy % 2)
        assert [(t, v) for t, p, v in found if p == proxy][1:] == [(round(expiry, 9), BOTH)]


def test_a_resolver_and_a_client_add_up() -> None:
    """The resolver's answer expires, and then each client hears when it asks next."""
    dns = Dns(ttl=30.0, resolvers=1, refresh=5.0)
    expiry = 30.0 * cache_phase(0)
    found = {p: t for t, p, v in log(dns, ONE, 100) if v == BOTH}
    for proxy in range(100):
        asks = [round(5.0 * phase(proxy) + 5.0 * k, 9) for k in range(20)]
        assert found[proxy] == next(t for t in asks if t >= expiry)


def test_a_resolver_keeps_an_answer_no_longer_than_it_may() -> None:
    found = log(Dns(ttl=3600.0, resolvers=1, cache=30.0), ONE)
    assert found[1][0] == round(30.0 * cache_phase(0), 9)


def test_the_worst_case_is_the_sum_of_all_times() -> None:
    worst = 0.0
    for seed in range(1, 41):
        rng = random.Random(seed)
        dns = Dns(
            ttl=rng.choice([5.0, 30.0]),
            resolvers=rng.randint(1, 3),
            refresh=rng.choice(["ttl", 5.0, 10.0]),
            lookup=Uniform(low=0.0, high=0.2),
        )
        bound = dns.ttl + (dns.refresh if isinstance(dns.refresh, float) else 0.0) + 0.4
        views = dns.views([*ONE, Truth(300.0, 0, D)], 20, Draws(seed=seed), "o")
        late = [c.time - 300.0 for c in views if c.endpoints == ((1, True),)]
        assert len(late) == 20
        assert max(late) <= bound, (seed, dns)
        worst = max(worst, max(late) / bound)
    assert worst > 0.8


# -- theory ---------------------------------------------------------------------------------------


def stale(dns: Dns, proxies: int = 1000) -> list[float]:
    truth = [Truth(0.0, 0, R), Truth(0.0, 1, R), Truth(100.0, 0, D)]
    views = dns.views(truth, proxies, Draws(seed=1), "o")
    return [s.gone for s in staleness(views, truth, proxies, until=200.0)]


def test_polling_is_stale_for_half_a_period_on_average() -> None:
    """Uniform over the period: KS test at 99.9 %, 1000 clients; the mean within 99 %."""
    found = stale(Dns(ttl=30.0))
    assert stats.kstest(found, stats.uniform(0.0, 30.0).cdf).pvalue > 0.001
    half = 2.58 * 30.0 / 12**0.5 / 1000**0.5
    assert abs(sum(found) / 1000 - 15.0) < half
    # it would find clients that ask too early, or all at once
    assert abs(sum(stale(Dns(ttl=27.0))) / 1000 - 15.0) > half
    assert stats.kstest(stale(Dns(ttl=30.0, resolvers=1)), stats.uniform(0, 30).cdf).pvalue < 1e-6


# -- order ----------------------------------------------------------------------------------------

THREE = [Truth(0.0, e, R) for e in range(3)]


def test_all_records_are_believed_in_order_of_their_numbers_whatever_the_order() -> None:
    for order in ("fixed", "round robin", "random"):
        found = log(Dns(refresh=5.0, order=order), THREE, 2)  # type: ignore[arg-type]
        assert found == [(0.0, p, ((0, True), (1, True), (2, True))) for p in range(2)]


def test_who_takes_the_first_of_a_fixed_order_goes_where_all_go() -> None:
    found = log(Dns(refresh=5.0, takes="first"), [*THREE, Truth(9.0, 0, D)], 4)
    assert [v for t, p, v in found if t == 0.0] == [((0, True),)] * 4
    assert {v for t, p, v in found if t > 0.0} == {((1, True),)}


def test_round_robin_begins_one_further_with_each_answer() -> None:
    dns = Dns(refresh=5.0, takes="first", order="round robin")
    found = log(dns, THREE, 3, until=30.0)
    assert [v[0][0] for t, p, v in found if t == 0.0] == [0, 1, 2]
    # the clients ask in the same order again and again, so nobody ever moves
    order = sorted(range(3), key=phase)
    moved = {p: v[0][0] for t, p, v in found if 0.0 < t < 5.0}
    assert {p: moved.get(p, p) for p in range(3)} == {p: k for k, p in enumerate(order)}
    assert [t for t, p, v in found if t > 5.0] == []


def test_random_order_spreads_first_records_evenly() -> None:
    """Chi-square at 99.9 %, about 4000 answers; and each proxy's draws are its own."""
    dns = Dns.coredns(refresh=5.0, takes="first")
    views = dns.views(THREE, 20, Draws(seed=1), "o")
    now: dict[int, int] = {}
    counts: Counter[int] = Counter()
    pending = next(views)
    for step in range(1, 201):
        while pending.time < 5.0 * step:
            now[pending.proxy] = pending.endpoints[0][0]
            pending = next(views)
        counts.update(now.values())
    assert stats.chisquare([counts[e] for e in range(3)]).pvalue > 0.001
    alone = dns.views(THREE, 1, Draws(seed=1), "o")
    few = [(c.time, c.endpoints) for c in itertools.islice(alone, 50)]
    many = (c for c in dns.views(THREE, 5, Draws(seed=1), "o") if c.proxy == 0)
    assert [(c.time, c.endpoints) for c in itertools.islice(many, 50)] == few


# -- nobody ---------------------------------------------------------------------------------------

NOBODY = [Truth(0.0, 0, R), Truth(40.0, 0, D), Truth(50.0, 0, R)]


def test_negative_answers_are_kept_as_rfc_2308_says() -> None:
    assert negative_ttl(300.0, 30.0) == negative_ttl(30.0, 300.0) == 30.0


@pytest.mark.parametrize(
    ("dns", "again"),
    [
        (Dns(ttl=4.0, negative_ttl=8.0), 8.0),
        (Dns(ttl=4.0, negative_ttl=20.0), 20.0),
        (Dns(ttl=4.0, negative_ttl=20.0, negative_refresh=6.0), 6.0),
        (Dns(ttl=30.0, refresh=4.0), 4.0),
        (Dns(ttl=30.0, refresh=4.0, negative_refresh=10.0), 10.0),
    ],
)
def test_a_client_asks_again_after_nobody(dns: Dns, again: float) -> None:
    gone = next(4.0 * phase(0) + 4.0 * k for k in range(99) if 4.0 * phase(0) + 4.0 * k >= 40.0)
    back = next(gone + again * k for k in range(99) if gone + again * k >= 50.0)
    assert log(dns, NOBODY)[1:] == [(round(gone, 9), 0, ()), (round(back, 9), 0, ((0, True),))]


def test_a_resolver_keeps_that_there_is_nobody() -> None:
    """It is asked every second, hears at 40 or a little later, and says so for 30 s."""
    dns = Dns(ttl=1.0, negative_ttl=30.0, resolvers=1, refresh=1.0)
    (_, _, _), (gone, _, nobody), (back, _, again) = log(dns, NOBODY)
    assert (nobody, again) == ((), ((0, True),))
    assert 40.0 <= gone <= 42.0
    assert 30.0 <= back - gone + 1e-6 <= 31.0


def test_who_ignores_an_empty_answer_goes_on_with_what_it_had() -> None:
    assert log(Dns(refresh=1.0, empty="ignored"), NOBODY) == [(0.0, 0, ((0, True),))]


def test_nobody_at_the_beginning() -> None:
    found = log(Dns(ttl=30.0, negative_ttl=3.0), [Truth(10.0, 0, R)])
    asks = [3.0 * phase(0) + 3.0 * k for k in range(9)]
    assert found == [(round(next(t for t in asks if t >= 10.0), 9), 0, ((0, True),))]


def test_presets_are_what_they_say() -> None:
    assert (Dns.coredns().ttl, Dns.coredns().order) == (5.0, "random")
    assert (Dns.kubeadm().ttl, Dns.kubeadm().cache) == (30.0, 30.0)
    assert (Dns.envoy().refresh, Dns.envoy(respect_ttl=True).refresh) == (5.0, "ttl")
    assert (Dns.jvm().refresh, Dns.jvm(forever=True).refresh) == (30.0, None)
    assert Dns.kubeadm(order="fixed").order == "fixed"
