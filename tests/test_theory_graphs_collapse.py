"""The boundaries of a collapse under retries, against a simulation with proxies and budgets.

The simulation has nothing of the closed form in it: requests with timeouts, one queue, a server
that works on for callers that have left, and in each proxy the comparison that Envoy makes before
a retry.  A pulse of two seconds is over long before the state is read.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_lab.errors import PartError
from mesh_lab.theory import retry_collapse

quick = settings(deadline=None, max_examples=200, derandomize=True)

CAPACITY, TIMEOUT, END = 200.0, 0.5, 200.0
PULSE = 2.0  # seconds, from the tenth on, of 300 requests per second more


def goodput_after(
    seed: int,
    rate: float,
    retries: int,
    budget: float | None = None,
    floor: int = 3,
    proxies: int = 1,
    pause: float = 0.0,
    pulse: float = PULSE,
) -> float:
    """Return the share of the requests of the last 20 seconds that were answered in time."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / rate, int(rate * END * 1.2)))
    extra = 10.0 + np.cumsum(rng.exponential(1 / 300.0, 1200))
    times = np.concatenate((arrivals[arrivals < END], extra[extra < 10.0 + pulse]))
    proxy_of = rng.integers(proxies, size=len(times)).tolist()
    service = rng.exponential(1 / CAPACITY, len(times) * (retries + 1)).tolist()
    active, retrying = [0] * proxies, [0] * proxies
    # events: time, order, kind (0 send, 1 too late), request, attempt
    events = [(t, i, 0, i, 0) for i, t in enumerate(times.tolist())]
    heapq.heapify(events)
    order, free, drawn = len(events), 0.0, 0
    answered = [False] * len(times)
    while events:
        now, _, kind, request, attempt = heapq.heappop(events)
        if now > END:
            break
        proxy = proxy_of[request]
        if kind == 0:
            active[proxy] += 1
            free = max(free, now) + service[drawn]  # first come, first served, never called off
            drawn += 1
            in_time = free - now < TIMEOUT
            end, kind = (free, 2) if in_time else (now + TIMEOUT, 1)
            heapq.heappush(events, (end, order, kind, request, attempt))
            order += 1
            continue
        retrying[proxy] -= attempt > 0  # its own place is given back first
        if kind == 2:
            answered[request] = True
        elif attempt < retries:
            allowed = math.inf
            if budget is not None:
                allowed = max(int(budget * active[proxy]), floor)
            if retrying[proxy] < allowed:
                retrying[proxy] += 1
                heapq.heappush(events, (now + pause, order, 0, request, attempt + 1))
                order += 1
        active[proxy] -= 1
    late = [i for i, t in enumerate(times.tolist()) if END - 22.0 < t < END - 2.0]
    return sum(answered[i] for i in late) / len(late)


# What is at least 6 % away from each boundary.
CASES: tuple[dict[str, Any], ...] = (
    # without a budget: stable below capacity / (1 + retries)
    {"rate": 60.0, "retries": 2},
    {"rate": 80.0, "retries": 2},
    {"rate": 90.0, "retries": 1},
    {"rate": 110.0, "retries": 1},
    {"rate": 160.0, "retries": 3},
    # a budget of 20 % lets a quarter more through
    {"rate": 145.0, "retries": 3, "budget": 0.2, "proxies": 2},
    {"rate": 172.0, "retries": 3, "budget": 0.2, "proxies": 2},
    {"rate": 130.0, "retries": 1, "budget": 0.3, "proxies": 2},
    # the floor of many: 60 per second for ten proxies, 180 for thirty
    {"rate": 130.0, "retries": 3, "budget": 0.2, "proxies": 10},
    {"rate": 150.0, "retries": 3, "budget": 0.2, "proxies": 10},
    {"rate": 100.0, "retries": 3, "budget": 0.2, "proxies": 30},
    {"rate": 100.0, "retries": 3, "budget": 0.2, "proxies": 30, "floor": 1},
    # a long pause leaves fewer retries: 10 proxies, 60 / 2 per second
    {"rate": 150.0, "retries": 3, "budget": 0.2, "proxies": 10, "pause": 0.5},
    {"rate": 158.0, "retries": 3, "budget": 0.3, "proxies": 2, "pause": 0.5},
    {"rate": 158.0, "retries": 3, "budget": 0.3, "proxies": 2},
)


def predicted(case: dict[str, Any]) -> Any:
    given = {name: value for name, value in case.items() if name != "rate"}
    return retry_collapse(arrival_rate=case["rate"], capacity=CAPACITY, timeout=TIMEOUT, **given)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_state_after_a_pulse_is_as_predicted(case: dict[str, Any], seed: int) -> None:
    known = predicted(case)
    assert known.verdict in ("stable", "bistable")
    share = goodput_after(seed, **case)
    if known.verdict == "stable":
        assert share > 0.9, known.reasoning
    else:
        assert share < 0.1, known.reasoning


def test_the_cases_are_on_both_sides_and_for_each_reason() -> None:
    found = {(predicted(case).verdict, predicted(case).limit) for case in CASES}
    assert found >= {
        ("stable", "retries"),
        ("bistable", "retries"),
        ("stable", "budget"),
        ("bistable", "budget"),
        ("stable", "floor"),
        ("bistable", "floor"),
    }
    for case in CASES:
        known = predicted(case)
        assert abs(known.collapsed_load / CAPACITY - 1.0) > 0.05


def test_without_a_pulse_a_bistable_system_works() -> None:
    for seed in (1, 2, 3):
        assert goodput_after(seed, 160.0, 3, pulse=0.0) > 0.99


def test_a_wrong_boundary_would_be_seen() -> None:
    # the planted error: a budget counted against first attempts only, b instead of b/(1 - b)
    case: dict[str, Any] = {"rate": 150.0, "retries": 3, "budget": 0.3, "proxies": 2}
    assert case["rate"] * 1.3 < CAPACITY < predicted(case).collapsed_load
    assert all(goodput_after(seed, **case) < 0.1 for seed in (1, 2, 3))


@quick
@given(
    rate=st.floats(1.0, 300.0),
    retries=st.integers(0, 6),
    budget=st.none() | st.floats(0.0, 1.0),
    floor=st.integers(0, 5),
    proxies=st.integers(1, 200),
    pause=st.floats(0.0, 2.0),
)
def test_boundaries_and_verdict_agree(
    rate: float, retries: int, budget: float | None, floor: int, proxies: int, pause: float
) -> None:
    def at(arrival: float) -> Any:
        return retry_collapse(
            arrival_rate=arrival, capacity=200.0, retries=retries, timeout=0.5, budget=budget,
            floor=floor, proxies=proxies, pause=pause,
        )  # fmt: skip

    known = at(rate)
    assert rate <= known.collapsed_load <= rate * (retries + 1) * (1 + 1e-12)
    expected = "overloaded" if rate >= 200.0 else "stable"
    if rate < 200.0 and known.collapsed_load >= 200.0:
        expected = "bistable"
    assert known.verdict == expected
    assert 0.0 < known.recovers_below <= 200.0
    edge = known.recovers_below
    if edge < 200.0 * (1 - 1e-6):
        assert at(edge * (1 + 1e-6)).verdict == "bistable"
    assert at(edge * (1 - 1e-6)).verdict == "stable"
    if budget is not None and budget < 1.0 and pause == 0.0:
        # the formula as people write it
        simple = rate + max(rate * budget / (1.0 - budget), floor * proxies / 0.5)
        assert known.collapsed_load == pytest.approx(min(simple, rate * (retries + 1)), rel=1e-12)
    if budget is None:
        assert known.limit == "retries"
        assert known.collapsed_load == pytest.approx(rate * (retries + 1), rel=1e-12)


def test_words() -> None:
    given = {"capacity": 100.0, "retries": 2, "timeout": 1.0}
    over = retry_collapse(arrival_rate=150.0, **given)  # type: ignore[arg-type]
    assert over.verdict == "overloaded"
    assert over.reasoning.startswith("Normally 150 attempts/s meet a capacity of 100/s: more than")
    fine = retry_collapse(arrival_rate=30.0, **given)  # type: ignore[arg-type]
    assert fine.reasoning.endswith(
        "there are 90 attempts/s, retries being limited by 2 retries of each request: still below "
        "capacity, so any backlog drains by itself."
    )
    with pytest.raises(PartError, match=r"budget: is 20, but must be a share from 0 to 1 \(0.2 is"):
        retry_collapse(arrival_rate=30.0, budget=20, **given)  # type: ignore[arg-type]
