"""Every rule that limits or sheds load: the same on lists, on arrays, and compiled."""

from __future__ import annotations

import pytest

from mesh_lab import shedding
from mesh_lab.balancing.rule import Arrays, Lists
from mesh_lab.shedding import (
    AdaptiveConcurrency,
    AdmissionControl,
    AimdLimit,
    ClientThrottling,
    CoDel,
    ConcurrencyLimit,
    FixedWindowLimit,
    Gradient2Limit,
    LeakyBucket,
    Shedder,
    SlidingLog,
    SlidingWindowLimit,
    TokenBucket,
    VegasLimit,
)

from .shedding_bench import ADMITS, BEGAN, HOLD, life, plain, replay, replay_compiled

THIRDS = (1.0, 0.6, 0.3)
PARTS: list[Shedder] = [
    TokenBucket(rate=70.0, burst=20, shares=THIRDS),
    TokenBucket(rate=70.0, burst=20, fill_interval=0.1),
    LeakyBucket(rate=70.0, burst=5),
    LeakyBucket(rate=70.0, burst=5, delay=2),
    FixedWindowLimit(limit=50, window=0.7, shares=THIRDS),
    SlidingLog(limit=50, window=0.7),
    SlidingWindowLimit(limit=50, window=0.7),
    SlidingWindowLimit(limit=80, window=0.7, penalty=True),
    CoDel(target=0.02, interval=0.2),
    AdaptiveConcurrency(min_rtt_interval=3.0, request_count=20, samples=25, shares=THIRDS),
    ConcurrencyLimit(limit=12, shares=THIRDS),
    ClientThrottling(k=1.1, window=5.0, width=0.5),
    AdmissionControl(window=3.0, aggression=1.5, rps_threshold=20),
    AimdLimit(timeout=0.2, min_limit=2, shares=THIRDS),
    VegasLimit(smoothing=0.8, probe=3),
    Gradient2Limit(min_limit=2, long_window=100),
]


def test_every_rule_is_here() -> None:
    public = {getattr(shedding, name) for name in shedding.__all__} - {Shedder}
    assert {type(rule) for rule in PARTS} == public


@pytest.mark.parametrize("rule", PARTS, ids=str)
def test_lists_arrays_and_compiled_code_agree(rule: Shedder) -> None:
    pytest.importorskip("numba")
    for seed, lattice in ((1, 0.0), (2, 1 / 64), (3, 0.01)):
        reference = rule.state(2, Lists())
        calls, results = life(reference, seed, 3000, lattice=lattice)
        arrays, compiled = rule.state(2, Arrays()), rule.state(2, Arrays())
        assert replay(arrays, calls) == results
        assert replay_compiled(compiled, calls) == results
        assert plain(arrays) == plain(reference)
        assert plain(compiled) == plain(reference)
        # it was worth it: some were let in, and some were not
        decided = {
            r if c.kernel == ADMITS else 1.0 - r
            for c, r in zip(calls, results, strict=True)
            if c.kernel == (BEGAN if isinstance(rule, CoDel) else ADMITS)
        }
        assert decided == {0.0, 1.0}
        holds = [r for c, r in zip(calls, results, strict=True) if c.kernel == HOLD]
        assert (max(holds) > 0.0) == ("delay" in str(rule))


@pytest.mark.parametrize("rule", PARTS, ids=str)
def test_what_is_in_flight_is_known_to_the_end(rule: Shedder) -> None:
    """Let in, less answered, gone and dropped; and what CoDel takes for waiting."""
    s = rule.state(2, Lists())
    calls, results = life(s, 1, 3000)
    for p in (0, 1):
        let_in = sum(
            r for c, r in zip(calls, results, strict=True) if c.kernel == ADMITS and c.p == p
        )
        begun = sum(1 for c in calls if c.kernel == BEGAN and c.p == p)
        left = sum(1 for c in calls if c.kernel > BEGAN and c.p == p)
        early = sum(1 for c in calls if c.kernel == 4 and c.p == p and not c.b)
        if hasattr(s, "in_flight"):
            assert s.in_flight[p] == let_in - left
        if hasattr(s, "waiting"):
            assert s.waiting[p] == let_in - begun - early


def test_places_do_not_know_of_each_other() -> None:
    for rule in PARTS:
        both = rule.state(2, Lists())
        calls, results = life(both, 1, 2000)
        for p in (0, 1):
            own = [(c, r) for c, r in zip(calls, results, strict=True) if c.p == p]
            alone = rule.state(1, Lists())
            got = replay(alone, [c._replace(p=0) for c, _ in own])
            assert got == [r for _, r in own], str(rule)
