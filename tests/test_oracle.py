"""The oracle itself, against recursions that need no events, and against cases done by hand.

Only then is it worth comparing the engine with it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.draws import Draws
from tests import oracle

Rows = list[dict[str, Any]]
FIXED = ml.Deterministic


def every(mean: float) -> ml.Deterministic:
    return ml.Deterministic(value=mean)


def recorded(
    folder: Path, name: str, to: str, jobs: list[tuple[float, float]], **fields: Any
) -> ml.Replay:
    """Return a source whose requests come at given times and carry given service times."""
    path = folder / f"{name}.csv"
    path.write_text("t,s\n" + "".join(f"{t!r},{s!r}\n" for t, s in jobs))
    return ml.Replay(name, path=str(path), time="t", service_time="s", to=to, **fields)


def outcome(rows: Rows) -> list[tuple[float, float, float, str]]:
    """Return (arrival, start, finish, outcome) of each row; -1 stands for not at all."""

    def shown(x: float) -> float:
        return -1.0 if math.isnan(x) else x

    return [
        (shown(r["arrival"]), shown(r["start"]), shown(r["finish"]), r["outcome"]) for r in rows
    ]


def run(*parts: Any, requests: int = 10**9, seed: int = 1, until: float | None = None) -> Rows:
    return oracle.run(ml.Scenario(*parts), requests, until, seed=seed)[0]


# --------------------------------------------------------------------------- recursions, exact


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_worker_is_lindleys_recursion(seed: int) -> None:
    work = ml.Gamma(mean=0.8, shape=0.7)
    rows = run(
        ml.Poisson("in", rate=1.0, to="s"),
        ml.Service("s", service_time=work),
        requests=2000,
        seed=seed,
    )
    gaps = Draws(seed).column(ml.Exponential(mean=1.0), "in", "gap", "in")
    works = Draws(seed).column(work, "s", "service", "in")
    arrival = finish = 0.0
    for n, row in enumerate(rows):
        arrival += gaps.at(n)
        start = max(arrival, finish)
        finish = start + works.at(n)
        assert (row["arrival"], row["start"], row["finish"]) == (arrival, start, finish)
    assert n == 1999


@pytest.mark.parametrize("shape", ["service", "queue"])
def test_several_workers_are_kiefer_and_wolfowitz(shape: str) -> None:
    gap, work = ml.Erlang(mean=0.3, stages=2), ml.HyperExponential.fit(mean=0.8, scv=4.0)
    parts: list[Any] = [ml.Renewal("in", gap=gap, to="s")]
    if shape == "service":
        parts.append(ml.Service("s", workers=3, service_time=work))
        working = "s"
    else:
        parts += [ml.Queue("s"), ml.Handler("h", source="s", work=work, workers=3)]
        working = "h"
    rows = run(*parts, requests=2000)
    gaps = Draws(1).column(gap, "in", "gap", "in")
    works = Draws(1).column(work, working, "service", "in")
    free = [0.0] * 3
    arrival = 0.0
    for n, row in enumerate(rows):
        arrival += gaps.at(n)
        free.sort()
        start = max(arrival, free[0])
        free[0] = start + works.at(n)
        assert (row["arrival"], row["start"], row["finish"]) == (arrival, start, free[0])


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_a_blocking_tandem_is_its_recursion(capacity: int) -> None:
    one, two = ml.Exponential(mean=0.7), ml.Uniform(low=0.1, high=1.5)
    first, second = oracle.run(
        ml.Scenario(
            ml.Poisson("in", rate=1.0, to="a"),
            ml.Service("a", service_time=one, to="b"),
            ml.Service("b", service_time=two, capacity=capacity, overflow="block"),
        ),
        1000,
        seed=2,
    )
    gaps = Draws(2).column(ml.Exponential(mean=1.0), "in", "gap", "in")
    ones = Draws(2).column(one, "a", "service", "in")
    twos = Draws(2).column(two, "b", "service", "in")
    calls = {(c["request"], c["service"]): c for c in second}
    arrival = 0.0
    left_a: list[float] = []
    left_b: list[float] = []
    blocked = 0
    for n in range(1000):
        arrival += gaps.at(n)
        start = max(arrival, left_a[-1] if left_a else 0.0)
        done = start + ones.at(n)
        # The place in b that it needs is the one that number n - capacity - 1 gives up.
        room = left_b[n - capacity - 1] if n > capacity else 0.0
        left_a.append(max(done, room))
        blocked += room > done
        start_b = max(left_a[-1], left_b[-1] if left_b else 0.0)
        left_b.append(start_b + twos.at(n))
        a, b = calls[n, "a"], calls[n, "b"]
        assert (a["sent"], a["start"], a["finish"]) == (arrival, start, left_a[-1])
        assert (b["sent"], b["arrival"], b["start"]) == (done, left_a[-1], start_b)
        assert (b["finish"], first[n]["finish"]) == (left_b[-1], left_b[-1])
    assert blocked > 50


def test_a_blocked_source_begins_its_next_gap_when_it_is_released() -> None:
    work = ml.Exponential(mean=1.0)
    rows = run(
        ml.Poisson("in", rate=1.0, to="s"),
        ml.Service("s", service_time=work, capacity=1, overflow="block"),
        requests=500,
        seed=3,
    )
    gaps = Draws(3).column(ml.Exponential(mean=1.0), "in", "gap", "in")
    works = Draws(3).column(work, "s", "service", "in")
    released = 0.0
    left: list[float] = []
    for n, row in enumerate(rows):
        arrival = released + gaps.at(n)
        released = max(arrival, left[n - 2] if n >= 2 else 0.0)
        start = max(arrival, left[-1] if left else 0.0)
        left.append(start + works.at(n))
        assert (row["arrival"], row["start"], row["finish"]) == (arrival, start, left[-1])


def test_processor_sharing_is_the_remaining_work_shared_out() -> None:
    work = ml.Exponential(mean=1.5)
    rows = run(
        ml.Poisson("in", rate=1.0, to="s"),
        ml.Service("s", service_time=work, workers=2, discipline="ps"),
        requests=400,
        seed=4,
    )
    works = Draws(4).column(work, "s", "service", "in")
    left: dict[int, float] = {}
    now, following, most = 0.0, 0, 0
    finished: dict[int, float] = {}
    while len(finished) < 400:
        rate = min(1.0, 2 / len(left)) if left else 1.0
        soonest = min(left, key=lambda n: left[n]) if left else None
        end = now + left[soonest] / rate if soonest is not None else math.inf
        come = rows[following]["arrival"] if following < 400 else math.inf
        then = min(end, come)
        left = {n: x - (then - now) * rate for n, x in left.items()}
        now = then
        if come <= end:
            left[following] = works.at(following)
            following += 1
        else:
            assert soonest is not None
            del left[soonest]
            finished[soonest] = now
        most = max(most, len(left))
    assert most > 6
    for n, row in enumerate(rows):
        assert row["start"] == row["arrival"]
        assert row["finish"] == pytest.approx(finished[n], rel=1e-9)


def test_paths_follow_the_draws_when_nobody_waits() -> None:
    """Feedback, routing and failure, recomputed for every request from its own draws."""
    works = {"a": ml.Exponential(mean=1.0), "b": ml.Uniform(low=0.0, high=1.0)}
    onward = {"a": {"b": 0.5, "a": 0.3}, "b": {"a": 0.4}}
    failure = {"a": 0.0, "b": 0.2}
    scenario = ml.Scenario(
        ml.Poisson("in", rate=5.0, to={"b": 0.3, "a": 0.7}),
        *(
            ml.Service(n, workers=10**6, service_time=works[n], to=onward[n], failure=failure[n])
            for n in "ab"
        ),
    )
    rows, calls = oracle.run(scenario, 500, seed=5)
    draws = Draws(5)
    longest = 0
    for n, row in enumerate(rows):
        now = row["arrival"]
        at = "b" if draws.column("uniform", "in", "route", "in").at(n) < 0.3 else "a"
        visits = {"a": 0, "b": 0}
        path, result = [], None
        while result is None:
            visit = visits[at]
            now += draws.column(works[at], at, "service", "in", visit).at(n)
            path.append((at, now))
            visits[at] += 1
            u = draws.column("uniform", at, "route", "in", visit).at(n)
            if draws.column("uniform", at, "failure", "in", visit).at(n) < failure[at]:
                result = "failed"
            elif at == "a" and u < 0.8:
                at = "b" if u < 0.5 else "a"
            elif at == "b" and u < 0.4:
                at = "a"
            else:
                result = "ok"
        seen = [(c["service"], c["finish"]) for c in calls if c["request"] == n]
        assert seen == path
        assert (row["finish"], row["outcome"]) == (now, result)
        longest = max(longest, len(path))
    assert longest >= 5
    assert {"ok", "failed"} == {r["outcome"] for r in rows}


# --------------------------------------------------------------------------- disciplines by hand


JOBS = [(0.0, 4.0), (1.0, 3.0), (2.0, 1.0), (3.0, 2.0)]


@pytest.mark.parametrize(
    ("discipline", "order"),
    [("fifo", [0, 1, 2, 3]), ("lifo", [0, 3, 2, 1]), ("sjf", [0, 2, 3, 1])],
)
def test_who_is_next(tmp_path: Path, discipline: Any, order: list[int]) -> None:
    rows = run(
        recorded(tmp_path, "in", "s", JOBS),
        ml.Service("s", discipline=discipline),
        requests=4,
    )
    assert sorted(range(4), key=lambda n: rows[n]["start"]) == order
    assert max(r["finish"] for r in rows) == 10.0


def test_random_order_takes_its_picks_from_the_stations_own_draws(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "in", "s", [(0.0, 10.0)] + [(k / 10, 1.0) for k in range(1, 9)]),
        ml.Service("s", discipline="random"),
        requests=9,
        seed=6,
    )
    waiting, expected = list(range(1, 9)), [0]
    for pick in range(8):
        u = Draws(6).column("uniform", "s", "order", "").at(pick)
        index = int(u * len(waiting))
        expected.append(waiting[index])
        waiting[index] = waiting[-1]
        waiting.pop()
    assert sorted(range(9), key=lambda n: rows[n]["start"]) == expected
    assert expected != sorted(expected)


def test_priority_does_not_interrupt(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "low", "s", [(0.0, 4.0), (1.0, 1.0)], priority=1),
        recorded(tmp_path, "high", "s", [(2.0, 1.0), (3.0, 1.0)], priority=0),
        ml.Service("s", discipline="priority"),
        requests=4,
    )
    assert outcome(rows) == [
        (0.0, 0.0, 4.0, "ok"),
        (1.0, 6.0, 7.0, "ok"),
        (2.0, 4.0, 5.0, "ok"),
        (3.0, 5.0, 6.0, "ok"),
    ]


def test_preemption_resumes_the_rest(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "low", "s", [(0.0, 10.0), (0.5, 1.0)], priority=2),
        recorded(tmp_path, "middle", "s", [(2.0, 4.0)], priority=1),
        recorded(tmp_path, "high", "s", [(3.0, 1.0), (3.0, 1.0)], priority=0),
        ml.Service("s", discipline="preemptive"),
        requests=5,
    )
    # 0-2 low; 2-3 middle; 3-5 the two high; 5-8 middle; 8-16 the first low; 16-17 the second
    assert outcome(rows) == [
        (0.0, 0.0, 16.0, "ok"),
        (0.5, 16.0, 17.0, "ok"),
        (2.0, 2.0, 8.0, "ok"),
        (3.0, 3.0, 4.0, "ok"),
        (3.0, 4.0, 5.0, "ok"),
    ]


def test_preemption_takes_the_lowest_class_then_the_latest_started(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "low", "s", [(0.0, 10.0), (1.0, 10.0)], priority=2),
        recorded(tmp_path, "middle", "s", [(0.0, 10.0)], priority=1),
        recorded(tmp_path, "high", "s", [(2.0, 5.0), (3.0, 5.0)], priority=0),
        ml.Service("s", discipline="preemptive", workers=3),
        requests=5,
    )
    # The low of 1.0 goes first (at 2), then the low of 0.0 (at 3); at 7 the low of 0.0 is first in
    # line again with 7 left, at 8 the other with 9 left; the middle one is never touched.
    assert [r["finish"] for r in rows] == [14.0, 10.0, 17.0, 7.0, 8.0]


def test_preemption_with_limited_room_counts_everybody(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "low", "s", [(0.0, 10.0), (1.0, 10.0)], priority=1),
        recorded(tmp_path, "high", "s", [(2.0, 5.0)], priority=0),
        ml.Service("s", discipline="preemptive", capacity=1),
        requests=3,
    )
    assert [r["outcome"] for r in rows] == ["ok", "ok", "rejected"]
    assert [r["finish"] for r in rows] == [10.0, 20.0, 2.0]


def test_the_new_one_may_preempt_when_the_oldest_was_dropped(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "low", "s", [(0.0, 10.0), (1.0, 10.0)], priority=1),
        recorded(tmp_path, "high", "s", [(2.0, 5.0)], priority=0),
        ml.Service("s", discipline="preemptive", capacity=1, overflow="drop_oldest"),
        requests=3,
    )
    assert outcome(rows) == [
        (0.0, 0.0, 15.0, "ok"),
        (1.0, -1.0, 2.0, "dropped"),
        (2.0, 2.0, 7.0, "ok"),
    ]


def test_the_earliest_deadline_is_next_and_none_is_last(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "never", "s", [(0.0, 4.0), (1.0, 1.0)]),
        recorded(tmp_path, "later", "s", [(2.0, 1.0)], deadline=9.0),
        recorded(tmp_path, "soon", "s", [(3.0, 1.0)], deadline=7.5),
        ml.Service("s", discipline="edf"),
        requests=4,
    )
    assert [r["finish"] for r in rows] == [4.0, 7.0, 6.0, 5.0]


def test_processor_sharing_by_hand(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "in", "s", [(0.0, 4.0), (1.0, 1.0), (2.0, 0.5)]),
        ml.Service("s", discipline="ps"),
        requests=3,
    )
    # 0-1 alone; 1-2 halves (left 2.5, 0.5, and 0.5 comes); 2-3.5 thirds: both halves end at 3.5
    # with one event after the other; the first has 2.0 left and ends at 5.5.
    assert outcome(rows) == [
        (0.0, 0.0, 5.5, "ok"),
        (1.0, 1.0, 3.5, "ok"),
        (2.0, 2.0, 3.5, "ok"),
    ]


def test_processor_sharing_with_limited_room(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "in", "s", [(0.0, 4.0), (0.0, 4.0), (1.0, 1.0), (9.0, 1.0)]),
        ml.Service("s", discipline="ps", capacity=1),
        requests=4,
    )
    assert outcome(rows) == [
        (0.0, 0.0, 8.0, "ok"),
        (0.0, 0.0, 8.0, "ok"),
        (1.0, -1.0, 1.0, "rejected"),
        (9.0, 9.0, 10.0, "ok"),
    ]


def test_one_who_is_held_back_has_no_share(tmp_path: Path) -> None:
    """Of two that share, one is done and cannot go on; the other has the worker for itself."""
    rows, calls = oracle.run(
        ml.Scenario(
            recorded(tmp_path, "in", "front", [(0.0, 1.0), (0.0, 2.0), (3.0, 4.0)]),
            recorded(tmp_path, "first", "back", [(0.0, 7.0)]),
            ml.Service("front", discipline="ps", to="back"),
            ml.Service("back", capacity=0, overflow="block"),
        ),
        10**9,
        seed=1,
    )
    # 0-2 halves; the first is done at 2 and held back until 7; the second is alone from 2 to 3,
    # done at 3, and held back until 8; the third is alone from 3 to 7, and held back until 10.
    assert [c["sent"] for c in calls if c["service"] == "back"] == [0.0, 2.0, 3.0, 7.0]
    front = [c["finish"] for c in calls if c["service"] == "front"]
    assert front == [7.0, 8.0, 10.0]
    assert [r["finish"] for r in rows] == [8.0, 10.0, 7.0, 14.0]


# --------------------------------------------------------------------------- room by hand


@pytest.mark.parametrize(
    ("overflow", "finishes", "outcomes"),
    [
        ("reject", [4.0, 8.0, 2.0, 12.0], ["ok", "ok", "rejected", "ok"]),
        ("drop_oldest", [4.0, 2.0, 8.0, 12.0], ["ok", "dropped", "ok", "ok"]),
        # The third stands blocked from 2 to 4, and the fourth comes 3 after that.
        ("block", [4.0, 8.0, 12.0, 16.0], ["ok", "ok", "ok", "ok"]),
    ],
)
def test_overflow(
    tmp_path: Path, overflow: Any, finishes: list[float], outcomes: list[str]
) -> None:
    rows = run(
        recorded(tmp_path, "in", "s", [(0.0, 4.0), (1.0, 4.0), (2.0, 4.0), (5.0, 4.0)]),
        ml.Service("s", capacity=1, overflow=overflow),
        requests=4,
    )
    assert [r["finish"] for r in rows] == finishes
    assert [r["outcome"] for r in rows] == outcomes
    assert rows[3]["arrival"] == (7.0 if overflow == "block" else 5.0)


def test_time_to_live(tmp_path: Path) -> None:
    rows = run(
        recorded(tmp_path, "in", "s", [(0.0, 4.0), (1.0, 4.0), (1.5, 4.0), (2.0, 4.0)]),
        ml.Service("s", ttl=3.0),
        requests=4,
    )
    # The second is served at the very instant when it would expire: completions come first.
    assert outcome(rows) == [
        (0.0, 0.0, 4.0, "ok"),
        (1.0, 4.0, 8.0, "ok"),
        (1.5, -1.0, 4.5, "expired"),
        (2.0, -1.0, 5.0, "expired"),
    ]


def test_a_request_that_blocks_itself_is_a_deadlock() -> None:
    with pytest.raises(ml.Deadlock):
        run(
            ml.Renewal("in", gap=every(1.0), to="s"),
            ml.Service(
                "s", service_time=every(1.0), capacity=0, overflow="block", to={"s": 1.0 - 1e-3}
            ),
            requests=5,
        )


# --------------------------------------------------------------------------- handlers by hand


@pytest.mark.parametrize(
    ("fields", "finishes"),
    [
        ({"mode": "sync"}, [4.0, 8.0, 12.0]),
        # work 0-1, 1-2, 2-3; then 3 seconds of I/O each
        ({"mode": "async"}, [4.0, 5.0, 6.0]),
        # the third may begin only when the first has its I/O behind it
        ({"mode": "async", "concurrency": 2}, [4.0, 5.0, 8.0]),
    ],
)
def test_input_and_output(fields: Any, finishes: list[float]) -> None:
    rows = run(
        ml.PoissonBatches("in", rate=1.0, size=3, to="q"),
        ml.Queue("q"),
        ml.Handler("h", source="q", work=every(1.0), io=every(3.0), **fields),
        requests=3,
    )
    assert [r["finish"] - r["arrival"] for r in rows] == pytest.approx(finishes, rel=1e-12)


def test_two_handlers_share_a_queue() -> None:
    rows = run(
        ml.Renewal("in", gap=every(1.0), to="q"),
        ml.Queue("q"),
        ml.Handler("slow", source="q", work=every(5.0)),
        ml.Handler("quick", source="q", work=every(1.5)),
        requests=5,
    )
    # slow 1-6; quick 2-3.5, 3.5-5, 5-6.5; at 6 the fifth (of 5) goes to slow
    assert [r["finish"] for r in rows] == [6.0, 3.5, 5.0, 6.5, 11.0]


def test_users_think_between_their_requests() -> None:
    rows = run(
        ml.Users("u", users=2, think=every(1.0), to="s"),
        ml.Service("s", service_time=every(2.0)),
        requests=5,
    )
    assert outcome(rows) == [
        (1.0, 1.0, 3.0, "ok"),
        (1.0, 3.0, 5.0, "ok"),
        (4.0, 5.0, 7.0, "ok"),
        (6.0, 7.0, 9.0, "ok"),
        (8.0, 9.0, 11.0, "ok"),
    ]


def test_the_numbers_of_users_draws() -> None:
    """Draw number cycle * users + user, whoever wakes first."""
    think = ml.Exponential(mean=1.0)
    rows = run(
        ml.Users("u", users=3, think=think, to="s"),
        ml.Service("s", service_time=every(0.5), workers=3),
        requests=200,
        seed=7,
    )
    column = Draws(7).column(think, "u", "think", "u")
    expected = []
    for user in range(3):
        now = 0.0
        for cycle in range(200):
            now += column.at(cycle * 3 + user)
            expected.append(now)
            now += 0.5
    assert [r["arrival"] for r in rows] == sorted(expected)[:200]


def test_an_outage_of_a_handler_keeps_what_waits() -> None:
    rows = run(
        ml.Renewal("in", gap=every(1.0), to="q"),
        ml.Queue("q"),
        ml.Handler("h", source="q", work=every(1.5), outages=((3.0, 6.0),)),
        requests=4,
    )
    # 1-2.5, 2.5-3 crashed; at 3 the outage precedes the arrival of the third
    assert outcome(rows) == [
        (1.0, 1.0, 2.5, "ok"),
        (2.0, 2.5, 3.0, "crashed"),
        (3.0, 6.0, 7.5, "ok"),
        (4.0, 7.5, 9.0, "ok"),
    ]


def test_an_outage_of_a_service_ends_everything_there() -> None:
    rows, calls = oracle.run(
        ml.Scenario(
            ml.Renewal("in", gap=every(1.0), to="s"),
            ml.Service("s", service_time=every(4.0), outages=((2.5, 3.5),)),
        ),
        4,
        seed=1,
    )
    assert outcome(rows) == [
        (1.0, 1.0, 2.5, "crashed"),
        (2.0, -1.0, 2.5, "crashed"),
        (3.0, -1.0, 3.0, "unavailable"),
        (4.0, 4.0, 8.0, "ok"),
    ]
    assert [c["endpoint"] for c in calls] == [0, 0, 0, 0]
    assert math.isnan(calls[2]["arrival"])


def test_an_outage_turns_blocked_producers_away() -> None:
    """Of the three at the front, one works behind, one waits there, and one stands blocked."""
    rows, calls = oracle.run(
        ml.Scenario(
            ml.Renewal("in", gap=every(1.0), to="front"),
            ml.Service("front", service_time=every(0.5), to="back"),
            ml.Service(
                "back",
                service_time=every(10.0),
                capacity=1,
                overflow="block",
                outages=((5.0, 7.0),),
            ),
        ),
        4,
        seed=1,
    )
    assert [r["outcome"] for r in rows] == ["crashed", "crashed", "unavailable", "unavailable"]
    # The third is blocked from 3.5 to 5.0, when its worker is free for the fourth (5.0 to 5.5).
    front = [c for c in calls if c["service"] == "front"]
    assert [(c["start"], c["finish"]) for c in front] == [
        (1.0, 1.5),
        (2.0, 2.5),
        (3.0, 5.0),
        (5.0, 5.5),
    ]
    back = [c for c in calls if c["service"] == "back"]
    assert [c["sent"] for c in back] == [1.5, 2.5, 3.5, 5.5]


def test_a_crash_takes_its_blocked_request_out_of_the_next_line() -> None:
    rows, calls = oracle.run(
        ml.Scenario(
            ml.Renewal("in", gap=every(1.0), to="front"),
            ml.Service("front", service_time=every(0.5), to="back", outages=((4.0, 4.25),)),
            ml.Service("back", service_time=every(3.0), capacity=0, overflow="block"),
        ),
        5,
        seed=1,
    )
    # The second is blocked from 2.5 and crashes at 4; the third waits and crashes; the fourth
    # comes at 4 after the outage began; the fifth finds the back free again.
    assert [r["outcome"] for r in rows] == ["ok", "crashed", "crashed", "unavailable", "ok"]
    assert rows[4]["finish"] == 8.5
    gone = [c for c in calls if c["service"] == "back" and c["outcome"] == "crashed"]
    assert [(c["request"], c["sent"], c["finish"]) for c in gone] == [(1, 2.5, 4.0)]


# --------------------------------------------------------------------------- balancers, sources


def test_balancers_pick_from_their_draws() -> None:
    work = ml.Exponential(mean=2.5)
    for balancer in (ml.RoundRobin(), ml.RoundRobin(start=2), ml.Random(), ml.LeastRequest()):
        rows = run(
            ml.Poisson("in", rate=1.0, to="s"),
            ml.Service("s", replicas=3, service_time=work, balancer=balancer),
            requests=300,
            seed=8,
        )
        draws = Draws(8)
        outstanding_seen = 0
        for n, row in enumerate(rows):
            if isinstance(balancer, ml.RoundRobin):
                expected = (n + balancer.start) % 3
            elif isinstance(balancer, ml.Random):
                expected = int(draws.column("uniform", "s", "balance", "in").at(n) * 3)
            else:
                picks = [
                    int(draws.column("uniform", "s", f"balance{i or ''}", "in").at(n) * 3)
                    for i in range(2)
                ]
                load = [
                    sum(r["endpoint"] == k and r["finish"] > row["arrival"] for r in rows[:n])
                    for k in range(3)
                ]
                expected = picks[1] if load[picks[1]] < load[picks[0]] else picks[0]
                outstanding_seen = max(outstanding_seen, *load)
            assert row["endpoint"] == expected
    assert outstanding_seen >= 3


def test_sources_come_when_their_draws_say() -> None:
    sizes = {1: 0.25, 3: 0.75}
    scenario = ml.Scenario(
        ml.PoissonBatches("batches", rate=0.5, size=sizes, to="s"),
        ml.Merge(
            "both",
            sources=(
                ml.Poisson("x", rate=1.0, to="-"),
                ml.Renewal("y", gap=ml.Uniform(low=0.5, high=1.5), to="-"),
            ),
            to="s",
        ),
        ml.Bursts("bursts", rates=(0.2, 4.0), holds=(5.0, 2.0), to="s"),
        ml.TimeVarying("daily", profile=ml.daily(low=0.2, high=2.0), to="s"),
        ml.Service("s", service_time=every(0.1), workers=1000),
    )
    rows = oracle.run(scenario, None, 200.0, seed=9)[0]
    draws = Draws(9)
    seen = {
        name: [r["arrival"] for r in rows if r["source"] == name]
        for name in ("batches", "x", "y", "bursts", "daily")
    }

    def sums(gaps: Any) -> list[float]:
        times: list[float] = []
        now = 0.0
        for gap in gaps:
            now += gap
            if now >= 200.0:
                return times
            times.append(now)
        raise AssertionError("the gaps ended")

    assert seen["x"] == sums(draws.column(ml.Exponential(mean=1.0), "x", "gap", "x"))
    assert seen["y"] == sums(draws.column(ml.Uniform(low=0.5, high=1.5), "y", "gap", "y"))
    assert seen["bursts"] == sums(scenario["bursts"].gaps(draws))  # type: ignore[union-attr]
    assert seen["daily"] == sums(scenario["daily"].gaps(draws))  # type: ignore[union-attr]
    batches = sums(draws.column(ml.Exponential(mean=2.0), "batches", "gap", "batches"))
    size = draws.column("uniform", "batches", "batch", "batches")
    together = [1 if size.at(k) < 0.25 else 3 for k in range(len(batches))]
    assert seen["batches"] == [t for t, n in zip(batches, together, strict=True) for _ in range(n)]
    assert all(len(times) > 20 for times in seen.values())


def test_the_last_arrival_stops_sources_and_users() -> None:
    rows = run(
        ml.Poisson("in", rate=1.0, to="s"),
        ml.Users("u", users=3, think=ml.Exponential(mean=1.0), to="s"),
        ml.Service("s", service_time=ml.Exponential(mean=0.5)),
        requests=50,
    )
    opened = [r for r in rows if r["source"] == "in"]
    assert len(opened) == 50
    assert rows[-1] is opened[-1]
    assert len(rows) > 75
    assert {r["outcome"] for r in rows} == {"ok"}


def test_until_leaves_the_rest_in_flight() -> None:
    rows = run(
        ml.Renewal("in", gap=every(1.0), to="s"),
        ml.Service("s", service_time=every(1.5)),
        until=4.0,
    )
    # At 4.0 the fourth would come and the second be done: events strictly before only.
    assert outcome(rows) == [
        (1.0, 1.0, 2.5, "ok"),
        (2.0, 2.5, -1.0, "in_flight"),
        (3.0, -1.0, -1.0, "in_flight"),
    ]
