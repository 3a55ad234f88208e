"""Blocking queries, endpoint slices, and a control plane that pushes."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from mesh_lab import Exponential
from mesh_lab.draws import Draws
from mesh_lab.mesh.discovery import (
    BlockingQueries,
    ControlPlane,
    Discovery,
    EndpointSlices,
    State,
    Truth,
)
from mesh_lab.mesh.discovery.debounce import Debounce
from mesh_lab.mesh.discovery.slices import packed

A, S, R, U, T, D = State


def log(part: Discovery, truth: list[Truth], proxies: int = 1, until: float = 1e9) -> Any:
    views = part.views(truth, proxies, Draws(seed=1), "o")
    taken = itertools.takewhile(lambda change: change.time < until, views)
    return [(round(c.time, 9), c.proxy, tuple(e for e, well in c.endpoints if well)) for c in taken]


def joins(*times: float) -> list[Truth]:
    """Endpoint 0 is there from the beginning, and number k joins at the k-th time."""
    return [Truth(0.0, 0, R), *(Truth(t, k, R) for k, t in enumerate(times, 1))]


# -- blocking queries -----------------------------------------------------------------------------


def test_a_waiting_question_is_answered_when_something_changes() -> None:
    # question under way until 10.3: what comes at 10.1 and 10.25 is told together
    found = log(BlockingQueries(way=0.1), joins(10.0, 10.1, 10.25, 11.0))
    assert found == [
        (0.0, 0, (0,)),
        (10.1, 0, (0, 1)),
        (10.3, 0, (0, 1, 2)),
        (10.5, 0, (0, 1, 2, 3)),
        (11.1, 0, (0, 1, 2, 3, 4)),
    ]


def test_a_pause_spares_the_server() -> None:
    found = log(BlockingQueries(way=0.1, pause=2.0), joins(10.0, 10.1, 10.25, 11.0))
    assert [(t, len(view)) for t, _, view in found] == [(0.0, 1), (10.1, 2), (12.3, 5)]


def test_what_changes_at_one_time_is_told_at_one_time() -> None:
    truth = [Truth(0.0, 0, R), Truth(5.0, 0, D), Truth(5.0, 1, R), Truth(5.0, 2, R)]
    assert log(BlockingQueries(), truth) == [(0.0, 0, (0,)), (5.0, 0, (1, 2))]


def test_a_wait_that_is_over_costs_only_the_time_in_which_nobody_asks() -> None:
    """With a wait of 10 s plus up to a sixteenth, and 0.5 s each way, a change comes late by 0.5 s
    if the question waits, and by up to 1.5 s if it does not."""
    late = []
    for k in range(400):
        at = 100.0 + k / 40.0
        (_, _, _), (heard, _, _) = log(BlockingQueries(wait=10.0, way=0.5), joins(at))
        late.append(heard - at)
    assert min(late) == pytest.approx(0.5)
    assert 1.2 < max(late) <= 1.5
    away = sum(x > 0.5 + 1e-9 for x in late) / len(late)
    assert 0.05 < away < 0.13  # about 1 s of 11.3 s


def test_states_that_no_list_shows_change_nothing() -> None:
    truth = [Truth(0.0, 0, R), Truth(1.0, 1, S), Truth(2.0, 1, U), Truth(3.0, 1, A)]
    assert log(BlockingQueries(way=0.1), truth) == [(0.0, 0, (0,))]


# -- endpoint slices ------------------------------------------------------------------------------


def test_slices_are_packed_as_the_controller_does() -> None:
    full = dict.fromkeys(range(100), "up")
    slices, changed = packed({}, dict.fromkeys(range(250), "up"), most=100)
    assert [len(held) for held in slices.values()] == [100, 100, 50]
    assert changed == [0, 1, 2]
    # one leaves a full slice: its place is filled first; who is left goes where he fits best
    wanted = dict.fromkeys(range(1, 252), "up")
    slices, changed = packed(slices, wanted, most=100)
    assert changed == [0, 2]
    assert slices[0].keys() == {*range(1, 100), 250}
    assert slices[2].keys() == {*range(200, 250), 251}
    # what only changes is changed where it is
    after, changed = packed(slices, {**wanted, 150: "down"}, most=100)
    assert changed == [1]
    assert after[1][150] == "down"
    # an empty slice is deleted, or used again
    assert packed({0: full, 1: {100: "up"}}, full, most=100) == ({0: full}, [1])
    again = packed({0: {500: "up"}, 1: full}, {200: "up", **full}, most=100)
    assert again == ({0: {200: "up"}, 1: full}, [0])
    # where 60 do not fit into either of two half full ones, they get one of their own
    halves = {0: dict.fromkeys(range(50), "up"), 1: dict.fromkeys(range(50, 100), "up")}
    after, changed = packed(halves, dict.fromkeys(range(160), "up"), most=100)
    assert changed == [2]
    assert len(after[2]) == 60


def test_packing_keeps_everybody_and_changes_little() -> None:
    for seed in range(1, 201):
        rng = random.Random(seed)
        most = rng.randint(1, 6)
        slices: dict[int, dict[int, int]] = {}
        for _ in range(12):
            wanted = {e: rng.randint(0, 1) for e in range(30) if rng.random() < 0.6}
            before = slices
            slices, changed = packed(before, wanted, most)
            placed = [pair for held in slices.values() for pair in held.items()]
            assert sorted(placed) == sorted(wanted.items())
            assert all(1 <= len(held) <= most for held in slices.values())
            assert all(slices.get(n) == before.get(n) for n in {*before, *slices} - {*changed})
            assert all(slices.get(n) != before.get(n) for n in changed)
            stayed = {e: n for n, held in before.items() for e in held if e in wanted}
            now = {e: n for n, held in slices.items() for e in held}
            assert all(now[e] == n for e, n in stayed.items())  # nobody is moved


def test_changes_of_a_batch_period_are_written_together() -> None:
    # the first change at 1.0 is looked at at 1.5, with what came until then; 1.6 at 2.1
    found = log(EndpointSlices(batch=0.5), joins(1.0, 1.4, 1.5, 1.6, 2.1, 2.2))
    assert [(t, len(view)) for t, _, view in found] == [(0.0, 1), (1.5, 4), (2.1, 6), (2.7, 7)]


def test_slices_are_written_one_after_the_other() -> None:
    """Three slices of two change: a watcher has the first before the second."""
    truth = [Truth(0.0, e, R) for e in range(6)]
    truth += [Truth(1.0, e, U) for e in (0, 2, 4)]
    found = log(EndpointSlices(most=2, write=0.25, way=0.1), truth)
    assert [(t, view) for t, _, view in found] == [
        (0.0, (0, 1, 2, 3, 4, 5)),
        (1.35, (1, 2, 3, 4, 5)),
        (1.6, (1, 3, 4, 5)),
        (1.85, (1, 3, 5)),
    ]


def test_what_changes_while_slices_are_written_waits_for_that() -> None:
    truth = [Truth(0.0, e, R) for e in range(4)]
    truth += [Truth(1.0, 0, U), Truth(1.0, 2, U), Truth(1.1, 1, U), Truth(1.2, 3, U)]
    found = log(EndpointSlices(most=2, write=0.5), truth)
    # written at 1.5 and 2.0; then those of 1.1 and 1.2, at 2.5 and 3.0
    assert [(t, view) for t, _, view in found] == [
        (0.0, (0, 1, 2, 3)),
        (1.5, (1, 2, 3)),
        (2.0, (1, 3)),
        (2.5, (3,)),
        (3.0, ()),
    ]


def test_a_watch_never_overtakes_itself() -> None:
    part = EndpointSlices(way=Exponential(mean=5.0))
    truth = joins(*(1.0 + k / 10.0 for k in range(100)))
    sizes: dict[int, list[int]] = {}
    for _, proxy, view in log(part, truth, 5):
        sizes.setdefault(proxy, []).append(len(view))
    assert all(held == sorted(held) and held[-1] == 101 for held in sizes.values())


# -- debouncing -----------------------------------------------------------------------------------


def by_the_clock(changes: list[int], after: int, longest: int) -> list[int]:
    """Find the pushes by looking at every millisecond."""
    pushes, first, last, ring = [], None, 0, None
    for now in range(max(changes) + after + longest + 2):
        for _ in range(changes.count(now)):
            last = now
            if first is None:
                first, ring = now, now + after
        if ring == now and first is not None:
            if now - last >= after or now - first >= longest:
                pushes.append(now)
                first = ring = None
            else:
                ring = last + after
    return pushes


def pushes_of(changes: list[int], after: int, longest: int) -> list[int]:
    debounce = Debounce(after, longest)
    pushes: list[int] = []
    todo, timer = sorted(changes), None
    while todo or timer is not None:
        if todo and (timer is None or todo[0] <= timer):
            set_to = debounce.came(todo.pop(0))
            timer = timer if set_to is None else set_to
        else:
            assert timer is not None
            now, timer = timer, debounce.rang(timer)
            if timer is None:
                pushes.append(int(now))
    return pushes


def test_debouncing_against_a_second_account() -> None:
    limited = 0
    for seed in range(1, 301):
        rng = random.Random(seed)
        after, longest = rng.randint(1, 20), rng.randint(20, 80)
        changes = [rng.randint(0, 400) for _ in range(rng.choice([2, 10, 60, 150]))]
        expected = by_the_clock(changes, after, longest)
        assert pushes_of(changes, after, longest) == expected, seed
        limited += sum(p - max(c for c in changes if c <= p) < after for p in expected)
        first = min(changes)
        assert expected[0] <= first + longest + after
    assert limited > 50  # pushes that did not wait for quiet


# -- the control plane ----------------------------------------------------------------------------


def test_a_push_waits_for_quiet_but_not_for_ever() -> None:
    found = log(ControlPlane(), joins(1.0, 1.05, 1.125, 5.0))
    assert [(t, len(view)) for t, _, view in found] == [(0.0, 1), (1.225, 4), (5.1, 5)]
    steady = log(ControlPlane(after=0.5, longest=2.0), joins(*(1.0 + 0.25 * k for k in range(40))))
    # the timer rings at 1.5, 2.0, 2.5, 3.0: then the first change is 2 s ago
    assert [(t, len(view)) for t, _, view in steady[:3]] == [(0.0, 1), (3.0, 10), (5.25, 19)]


def test_proxies_are_served_so_many_at_a_time() -> None:
    found = log(ControlPlane(concurrency=3, work=0.2, way=0.05), joins(1.0), 8)
    assert [t for t, _, _ in found[8:]] == [1.35] * 3 + [1.55] * 3 + [1.75] * 2
    assert sorted(p for _, p, _ in found[8:]) == list(range(8))
    assert [p for _, p, _ in found[8:]] != list(range(8))  # in random order


def test_proxies_are_served_so_many_a_second() -> None:
    found = log(ControlPlane(rate=4.0), joins(1.0), 5)
    assert [t for t, _, _ in found[5:]] == [1.1, 1.35, 1.6, 1.85, 2.1]


def test_each_push_has_an_order_of_its_own_and_all_are_equally_likely() -> None:
    firsts = [0] * 4
    truth = joins(*(10.0 * k for k in range(1, 401)))
    for number, group in itertools.groupby(
        log(ControlPlane(rate=1.0), truth, 4)[4:], key=lambda change: len(change[2])
    ):
        order = [p for _, p, _ in group]
        assert sorted(order) == [0, 1, 2, 3], number
        firsts[order[0]] += 1
    assert sum(firsts) == 400
    assert all(60 < n < 140 for n in firsts)  # 100 +- 4.6 standard deviations


def test_who_waits_gets_what_is_known_when_his_turn_comes() -> None:
    """A second push while the first is being served: nobody is served three times."""
    # pushes at 1.1 and 1.3; four proxies, one at a time, 0.25 s each
    found = log(ControlPlane(concurrency=1, work=0.25), joins(1.0, 1.2), 4)[4:]
    assert [(t, len(view)) for t, _, view in found] == [
        (1.35, 2),  # was being served at the second push, and comes again after the others
        (1.6, 3),  # his turn came at 1.35, and he is told of what happened at 1.2
        (1.85, 3),
        (2.1, 3),
        (2.35, 3),
    ]
    assert sorted(p for _, p, _ in found[1:]) == [0, 1, 2, 3]
    assert found[0][1] == found[-1][1]


def test_a_refused_configuration_leaves_the_old_one_in_force() -> None:
    assert log(ControlPlane(refused=1.0), joins(1.0, 5.0), 2) == [(0.0, 0, (0,)), (0.0, 1, (0,))]
    truth = joins(*(10.0 * k for k in range(1, 401)))
    found = log(ControlPlane(refused=0.25), truth)
    assert 260 < len(found) - 1 < 340  # 300 +- 4.6 standard deviations
    for time, _, view in found[1:]:
        assert len(view) == int((time - 0.1) / 10.0 + 1e-6) + 1  # and always the newest


def test_a_data_plane_goes_on_without_its_control_plane() -> None:
    plane = ControlPlane(way=0.5, down=((9.0, 20.0),), reconnect=0.25)
    # 8.75 is pushed at 8.85 and under way; 8.95 would be pushed at 9.05, and 12 is not seen
    found = log(plane, joins(8.75, 8.95, 12.0, 20.1))
    assert [(t, len(view)) for t, _, view in found] == [
        (0.0, 1),
        (9.35, 2),
        (20.75, 5),
    ]


def test_an_outage_forgets_who_was_being_served() -> None:
    plane = ControlPlane(concurrency=1, work=1.0, down=((2.5, 10.0),))
    found = log(plane, joins(1.0), 4)[4:]
    (first, *others) = found
    assert first[0] == 2.1
    # all are served again from 10 on, one after the other; the first has it already
    assert others == [(11.0 + p, p, (0, 1)) for p in range(4) if p != first[1]]


def test_proxies_reconnect_one_by_one() -> None:
    plane = ControlPlane(down=((5.0, 10.0),), reconnect=Exponential(mean=3.0))
    found = log(plane, joins(6.0), 200)[200:]
    waits = [t - 10.0 for t, _, _ in found]
    assert len(waits) == 200
    assert abs(sum(waits) / 200 - 3.0) < 2.58 * 3.0 / 200**0.5
    # who is not connected yet misses the push at 10.6, and hears of it when he is
    later = log(plane, joins(6.0, 10.5), 200)[200:]
    assert all(view == (0, 1, 2) for t, _, view in later if t > 10.6)
    assert {view for t, _, view in later if t < 10.5} == {(0, 1)}


def test_what_was_sent_first_arrives_first() -> None:
    plane = ControlPlane(after=0.0, way=Exponential(mean=5.0))
    sizes: dict[int, list[int]] = {}
    for _, proxy, view in log(plane, joins(*(1.0 + k / 10.0 for k in range(100))), 5):
        sizes.setdefault(proxy, []).append(len(view))
    assert all(held == sorted(held) and held[-1] == 101 for held in sizes.values())
