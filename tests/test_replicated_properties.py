"""What must hold in every run, over random clusters; and that broken rules are found out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from mesh_lab.replicated.history import OK, OUTCOMES, History, Operation
from mesh_lab.replicated.store import Store
from tests.random_clusters import FAULTS, after, random_run, stale_from_scratch, violations

CASES = 120


# -- what always holds ------------------------------------------------------------------------


def test_overlapping_quorums_are_never_stale_and_lose_nothing() -> None:
    seen: dict[str, int] = defaultdict(int)
    for seed in range(1, CASES + 1):
        run = random_run(seed)
        assert list(violations(run)) == [], seed
        report = run.report()["count"]
        for name in report.index:
            seen[name] += int(report[name])
        seen["ok"] += int((run.operations.outcome == "ok").sum())
        assert set(run.operations.outcome) <= set(OUTCOMES)
    assert seen["stale reads"] == seen["lost updates"] == 0
    for name in ("ok", "unavailable writes", "timeout writes", "crashed writes", "timeout reads"):
        assert seen[name] > 50, name
    assert seen["written though failed"] > 50


def test_quorums_that_do_not_overlap_are_stale_at_times() -> None:
    stale = 0
    for seed in range(1, 41):
        run = random_run(seed, overlap=False)
        assert list(violations(run)) == [], seed
        stale += int(run.operations.stale.sum())
    assert stale > 100


# -- broken rules are found -------------------------------------------------------------------


@pytest.mark.parametrize(("method", "fault"), FAULTS)
def test_a_broken_rule_is_found(method: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, method, fault)
    found = next((s for s in range(1, CASES + 1) if any(violations(random_run(s)))), None)
    assert found is not None


# -- stale and lost, from scratch -------------------------------------------------------------


def lost_from_scratch(write: Operation, writes: list[Operation]) -> bool:
    return any(
        after(write, other) and other.stamp > write.stamp and other.received for other in writes
    )


def differences(seeds: range, found: Counter[str]) -> Iterator[str]:
    """Yield where the verdicts of runs with clocks that are off differ from their definitions.

    Counts in `found` how often each verdict was given.
    """
    for seed in seeds:
        run = random_run(seed, skew=float(seed % 4), overlap=seed % 2 == 0)
        by_key: dict[str, list[Operation]] = defaultdict(list)
        for one in run._operations:
            if one.write:
                by_key[one.key].append(one)
        for one in run._operations:
            if one.outcome != OK:
                verdicts = one.stale, one.lost, False, False
            elif one.write:
                verdicts = one.stale, one.lost, False, lost_from_scratch(one, by_key[one.key])
            else:
                confirmed = [write for write in by_key[one.key] if write.outcome == OK]
                verdicts = one.stale, one.lost, stale_from_scratch(one, confirmed), False
            if verdicts[:2] != verdicts[2:]:
                yield f"run {seed}, {'write' if one.write else 'read'} {one.number}"
            found.update(stale=verdicts[0], lost=verdicts[1])


def test_the_verdicts_are_what_their_definitions_say() -> None:
    found: Counter[str] = Counter()
    assert next(differences(range(1, 41), found), None) is None
    assert found["stale"] > 100 < found["lost"]


def test_a_wrong_verdict_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = History._is_stale

    def only_by_timestamp(self: History, read: Operation) -> bool:
        if read.version is None or not read.known:
            return plain(self, read)
        known = self._confirmed[read.key].writes[: read.known]
        return any(write.stamp > read.version.stamp for write in known)

    monkeypatch.setattr(History, "_is_stale", only_by_timestamp)
    assert next(differences(range(1, 41), Counter()), None) is not None
