"""The replicated store by hand: every time, outcome and version worked out beforehand."""

from __future__ import annotations

from pathlib import Path

import pytest
import simpy

import mesh_lab as ml
from mesh_lab.clock import Clock
from mesh_lab.draws import Draws
from mesh_lab.replicated import simulate
from mesh_lab.replicated.history import History, Operation
from mesh_lab.replicated.store import Store
from tests.clusters import at, one_key, only

ABC = ("a", "b", "c")
LINK, WRITE, READ = 0.010, 0.002, 0.003


def cluster(nodes: tuple[str, ...] = ABC, **more: object) -> ml.Cluster:
    given = {"link": LINK, "write_time": WRITE, "read_time": READ, "detection": 0.0, **more}
    return ml.Cluster("db", nodes=nodes, **given)  # type: ignore[arg-type]


# -- how long it takes ------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "answers"), [("ONE", 0), ("TWO", 1), ("QUORUM", 1), ("ALL", 1)])
def test_the_coordinator_waits_for_as_many_as_the_level_needs(
    tmp_path: Path, level: str, answers: int
) -> None:
    # every node has every key, so the coordinator's own answer is the first
    store = cluster(write=level, read=level)
    run = simulate(
        store,
        writes=at(tmp_path, "writes", [1.0, 2.0]),
        reads=at(tmp_path, "reads", [10.0]),
        keys=one_key(),
        seed=1,
    )
    done = run.operations
    assert done.outcome.tolist() == ["ok"] * 3
    assert done.latency[:2].tolist() == pytest.approx([WRITE + 2 * LINK * answers] * 2)
    if level != "ONE":
        assert done.latency[2] == pytest.approx(READ + 2 * LINK)
    assert done.version.tolist() == [0, 1, 1]
    assert done.replicas.tolist() == [3, 3, store.needed("read")]
    assert run.stored("key-0") == dict.fromkeys(store.replicas("key-0"), 1)


def test_a_node_that_keeps_nothing_of_a_key_coordinates_all_the_same(tmp_path: Path) -> None:
    store = cluster(("a", "b", "c", "d"), replication=1, read="ONE", write="ONE")
    (keeper,) = store.replicas("key-0")
    run = simulate(store, writes=at(tmp_path, "w", range(1, 41)), keys=one_key(), seed=1)
    for row in run.operations.itertuples():
        own = row.coordinator == keeper
        assert row.latency == pytest.approx(WRITE if own else WRITE + 2 * LINK)
    assert set(run.operations.coordinator) == set(store.names)


# -- what fails, and what is written all the same ---------------------------------------------


def test_before_a_failure_is_known_it_is_a_timeout_and_later_unavailable(tmp_path: Path) -> None:
    store = cluster(
        write="ALL", read="ALL", detection=18.4, changes=(ml.Fail(at=0.5, endpoint="b"),)
    )
    run = simulate(
        store,
        writes=at(tmp_path, "w", [1.0, 20.0]),
        reads=at(tmp_path, "r", [1.5, 18.8, 18.95]),
        keys=one_key(),
        until=60.0,
        seed=1,
    )
    done = run.operations
    assert done.kind.tolist() == ["write", "read", "read", "read", "write"]
    assert done.outcome.tolist() == ["timeout"] * 3 + ["unavailable"] * 2
    assert done.latency.tolist() == pytest.approx([2.0, 5.0, 5.0, 0.0, 0.0])
    assert done.replicas.tolist() == [2, 2, 2, 0, 0]  # nothing is sent when it is unavailable
    assert done.version.tolist() == [0, -1, -1, -1, 1]
    report = run.report()["count"]
    assert report["failed writes"] == 2
    assert report["timeout writes"] == report["unavailable writes"] == 1
    assert report["written though failed"] == 1
    assert report["lost updates"] == report["stale reads"] == 0


def test_no_node_up_means_no_coordinator(tmp_path: Path) -> None:
    store = cluster(("a",), replication=1, changes=(ml.Fail(at=0.5, endpoint="a"),))
    run = simulate(store, writes=at(tmp_path, "w", [1.0]), seed=1)
    (row,) = run.operations.itertuples()
    assert (row.coordinator, row.outcome, row.latency) == ("", "unavailable", 0.0)


def test_a_coordinator_that_fails_takes_its_operations_with_it(tmp_path: Path) -> None:
    changes = (*only("a", "ab", 0.0, 1.5), ml.Fail(at=1.5025, endpoint="a"))
    store = cluster(("a", "b"), replication=2, write="ALL", link=0.001, changes=changes)
    # unavailable while b is down; then a, if it coordinates, sends to b, which has it at 1.5045
    coordinators = set()
    for seed in range(1, 7):
        run = simulate(store, writes=at(tmp_path, "w", [1.0, 1.5015]), keys=one_key(), seed=seed)
        first, second = run.operations.itertuples()
        assert (first.coordinator, first.outcome) == ("a", "unavailable")
        held = run.stored("key-0")
        if second.coordinator == "a":
            assert second.outcome == "crashed"
            assert second.finish == pytest.approx(1.5025)
        else:
            assert second.outcome == "timeout"
        assert second.replicas == 1
        assert (held["a"], held["b"]) == (-1, 1)
        coordinators.add(second.coordinator)
    assert coordinators == {"a", "b"}


def test_a_message_is_lost_when_its_receiver_is_down_or_cut_off_on_arrival(tmp_path: Path) -> None:
    cut = ml.NetworkPartition(at=1.005, until=1.006, nodes=("a",))
    store = cluster(write="ALL", hints=False, changes=(ml.Fail(at=2.011, endpoint="b"), cut))
    run = simulate(store, writes=at(tmp_path, "w", [1.0, 2.0]), keys=one_key(), seed=1)
    first, second = run.operations.itertuples()
    assert (first.outcome, first.replicas) == ("ok", 3)  # the cut was over when it came
    if second.coordinator == "b":
        assert (second.outcome, second.replicas) == ("crashed", 3)
    else:
        assert (second.outcome, second.replicas) == ("timeout", 2)


def test_a_partition_divides_the_nodes_and_the_larger_side_goes_on(tmp_path: Path) -> None:
    sides = ml.NetworkPartition(at=10.0, until=20.0, nodes=("a", "b"))
    store = cluster(tuple("abcde"), replication=5, changes=(sides,))
    times = [k / 4 for k in range(4, 120)]
    run = simulate(store, writes=at(tmp_path, "w", times), keys=one_key(), seed=1)
    inside = run.operations.arrival.between(10.0, 20.0, inclusive="left")
    small = run.operations.coordinator.isin(["a", "b"])
    assert set(run.operations.outcome[inside & small]) == {"unavailable"}
    assert set(run.operations.outcome[~(inside & small)]) == {"ok"}
    assert (inside & small).sum() > 5 < (inside & ~small).sum()
    isolated = cluster(
        changes=(
            ml.Isolations(
                connected=ml.Deterministic(value=10.0), isolated=ml.Deterministic(value=5.0)
            ),
        )
    )
    run = simulate(isolated, writes=at(tmp_path, "w2", [9.0, 12.0, 16.0]), seed=1)
    assert run.operations.outcome.tolist() == ["ok", "unavailable", "ok"]


# -- hints ------------------------------------------------------------------------------------


def test_hints_are_handed_over_at_the_next_tick_after_the_node_is_back(tmp_path: Path) -> None:
    changes = (ml.Fail(at=0.5, endpoint="c"), ml.Recover(at=43.0, endpoint="c"))
    for until, held in ((50.011, -1), (50.013, 1)):
        store = cluster(changes=changes)
        run = simulate(
            store, writes=at(tmp_path, "w", [1.0, 2.0]), keys=one_key(), until=until, seed=1
        )
        assert run.operations.outcome.tolist() == ["ok", "ok"]
        assert run.stored("key-0")["c"] == held
        assert run.operations.replicas.tolist() == [2 + (held > 0)] * 2
    without = simulate(
        cluster(changes=changes, hints=False),
        writes=at(tmp_path, "w", [1.0, 2.0]),
        keys=one_key(),
        until=100.0,
        seed=1,
    )
    assert without.stored("key-0")["c"] == -1


def test_no_hints_for_a_node_that_has_been_away_for_longer_than_the_window(tmp_path: Path) -> None:
    changes = (ml.Fail(at=1.0, endpoint="c"), ml.Recover(at=60.0, endpoint="c"))
    store = cluster(hint_window=20.0, changes=changes)
    run = simulate(
        store, writes=at(tmp_path, "w", [21.0, 22.0]), keys=one_key(), until=99.0, seed=1
    )
    assert run.stored("key-0")["c"] == 0
    assert run.operations.replicas.tolist() == [3, 2]


def test_a_write_that_a_replica_did_not_confirm_in_time_becomes_a_hint(tmp_path: Path) -> None:
    changes = (ml.Fail(at=0.5, endpoint="c"), ml.Recover(at=1.5, endpoint="c"))
    store = cluster(detection=18.4, changes=changes)  # nobody notices
    run = simulate(store, writes=at(tmp_path, "w", [1.0]), keys=one_key(), until=10.013, seed=1)
    assert run.operations.outcome.tolist() == ["ok"]
    assert run.stored("key-0")["c"] == 0


def test_a_hint_that_is_not_confirmed_is_sent_again_but_not_while_it_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []
    send = Store._send_hint

    def noted(self: Store, holder: int, target: int, write: Operation, attempt: int) -> None:
        sent.append(round(self.clock.env.now, 6))
        send(self, holder, target, write, attempt)

    monkeypatch.setattr(Store, "_send_hint", noted)
    # c is back when the first hand-over begins, and away when it comes
    changes = (
        ml.Fail(at=0.5, endpoint="c"),
        ml.Recover(at=3.95, endpoint="c"),
        ml.NetworkPartition(at=4.005, until=4.1, nodes=("c",)),
    )
    for interval, times in ((4.0, [4.0, 8.0]), (0.5, [4.0, 6.5]), (1e-6, [3.950001])):
        sent.clear()
        store = cluster(changes=changes, hint_interval=interval)
        run = simulate(store, writes=at(tmp_path, "w", [1.0]), keys=one_key(), until=20.0, seed=1)
        assert run.stored("key-0")["c"] == 0
        assert sent == pytest.approx(times, abs=2e-6)


def test_hints_do_not_undo_what_is_newer(tmp_path: Path) -> None:
    changes = (ml.Fail(at=0.5, endpoint="c"), ml.Recover(at=5.0, endpoint="c"))
    store = cluster(changes=changes)
    run = simulate(store, writes=at(tmp_path, "w", [1.0, 6.0]), keys=one_key(), until=30.0, seed=1)
    assert run.operations.replicas.tolist() == [3, 3]
    assert run.stored("key-0") == dict.fromkeys("abc", 1)


# -- reads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("repair", [True, False])
def test_a_read_repairs_what_it_finds_behind_before_it_answers(
    tmp_path: Path, repair: bool
) -> None:
    changes = (ml.Fail(at=0.5, endpoint="c"), ml.Recover(at=5.0, endpoint="c"))
    store = cluster(read="ALL", hints=False, read_repair=repair, changes=changes)
    run = simulate(
        store,
        writes=at(tmp_path, "w", [1.0]),
        reads=at(tmp_path, "r", [6.0, 7.0]),
        keys=one_key(),
        seed=1,
    )
    write, first, second = run.operations.itertuples()
    assert write.replicas == (3 if repair else 2)
    assert (first.version, second.version) == (0, 0)
    plain = READ + 2 * LINK
    way = WRITE if first.coordinator == "c" else WRITE + 2 * LINK
    assert first.latency == pytest.approx(plain + way if repair else plain)
    assert second.latency == pytest.approx(plain)
    assert run.stored("key-0")["c"] == (0 if repair else -1)


def test_a_repair_that_is_not_confirmed_fails_the_read(tmp_path: Path) -> None:
    # c answers the read from 6.0 at 6.023 or before, and is down when the repair comes
    changes = (
        ml.Fail(at=0.5, endpoint="c"),
        ml.Recover(at=5.0, endpoint="c"),
        *only("a", ABC, 5.5, 5.9),
        ml.Fail(at=6.025, endpoint="c"),
    )
    store = cluster(read="ALL", hints=False, detection=9.0, changes=changes)
    outcomes = set()
    for seed in range(1, 9):
        run = simulate(
            store,
            writes=at(tmp_path, "w", [1.0]),
            reads=at(tmp_path, "r", [6.0]),
            keys=one_key(),
            seed=seed,
        )
        read = run.operations.iloc[1]
        if read.coordinator == "c":
            assert read.outcome == "ok"  # it has repaired itself by then
        else:
            assert (read.outcome, read.version, bool(read.stale)) == ("timeout", -1, False)
            assert read.latency == pytest.approx(5.0)
        outcomes.add(read.outcome)
    assert outcomes == {"ok", "timeout"}


def test_a_read_of_one_replica_that_missed_the_write_is_stale(tmp_path: Path) -> None:
    changes = (ml.Fail(at=0.5, endpoint="c"), ml.Recover(at=5.0, endpoint="c"))
    store = cluster(read="ONE", write="ONE", hints=False, changes=changes)
    run = simulate(
        store,
        writes=at(tmp_path, "w", [1.0]),
        reads=at(tmp_path, "r", [0.7, *(6.0 + k for k in range(40))]),
        keys=one_key(),
        seed=1,
    )
    reads = run.operations[run.operations.kind == "read"]
    assert not reads.stale.iloc[0]  # there was nothing to see
    assert (reads.stale == (reads.version == -1)).iloc[1:].all()
    assert 4 < reads.stale.sum() < 30
    assert run.report()["count"]["stale reads"] == reads.stale.sum()


# -- clocks -----------------------------------------------------------------------------------


def test_a_clock_that_is_ahead_makes_the_next_update_disappear(tmp_path: Path) -> None:
    changes = (*only("a", "ab", 0.5, 1.5), *only("b", "ab", 2.5, 3.5))
    for skew, lost in (({"a": 5.0}, True), ({"b": 5.0}, False), ({"a": 1.9}, False)):
        store = cluster(
            ("a", "b"), replication=2, write="ONE", read="ALL", skew=skew, changes=changes
        )
        run = simulate(
            store,
            writes=at(tmp_path, "w", [1.0, 3.0]),
            reads=at(tmp_path, "r", [15.0]),
            keys=one_key(),
            seed=1,
        )
        first, second, read = run.operations.itertuples()
        assert (first.coordinator, second.coordinator) == ("a", "b")
        assert [first.outcome, second.outcome, read.outcome] == ["ok"] * 3
        assert (first.lost, second.lost, read.stale) == (False, lost, lost)
        assert read.version == (0 if lost else 1)
        assert run.report()["count"]["lost updates"] == lost


def test_a_skew_of_s_draws_every_clock_within_s() -> None:
    offsets = []
    for seed in range(1, 200):
        store = Store(cluster(skew=0.5), Clock(simpy.Environment()), Draws(seed), History())
        offsets += store._offsets
    assert -0.5 <= min(offsets) < -0.48
    assert 0.48 < max(offsets) <= 0.5
    assert len(set(offsets)) == len(offsets)


def test_equal_timestamps_are_decided_by_the_value_as_bytes(tmp_path: Path) -> None:
    """Writes 1 and 2, 3 and 4, ... begin together; "9" is above "10", and "99" above "100"."""
    lower_won = 0
    for seed in (1, 2, 3):
        store = cluster(tuple("abcd"), read="ALL", write="ALL")
        pairs = range(1, 61)
        run = simulate(
            store,
            writes=at(tmp_path, "w", [0.5, *(float(p) for p in pairs for _ in "xy")]),
            reads=at(tmp_path, "r", [p + 0.5 for p in pairs]),
            keys=one_key(),
            seed=seed,
        )
        done = run.operations
        writes, reads = done[done.kind == "write"], done[done.kind == "read"]
        for pair, read in zip(pairs, reads.itertuples(), strict=True):
            one, two = writes.iloc[2 * pair - 1], writes.iloc[2 * pair]
            assert one.arrival == two.arrival == pair
            if one.coordinator == two.coordinator:  # which gives no timestamp twice
                winner = two.version
            else:
                winner = int(max(str(one.version), str(two.version)))
            assert read.version == winner
            lower_won += winner == one.version
        assert not done.lost.any()
        assert not done.stale.any()
    assert lower_won > 0


# -- lost for good ----------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "lost"), [("ONE", True), ("ALL", False)])
def test_what_only_one_node_has_is_lost_when_it_leaves(
    tmp_path: Path, level: str, lost: bool
) -> None:
    changes = (
        *(only("a", ABC, 0.5, 2.0) if level == "ONE" else ()),
        ml.Leave(at=3.0, endpoint="a"),
    )
    store = cluster(write=level, read="ONE", hints=False, changes=changes)
    run = simulate(
        store,
        writes=at(tmp_path, "w", [1.0]),
        reads=at(tmp_path, "r", [4.0]),
        keys=one_key(),
        seed=1,
    )
    write, read = run.operations.itertuples()
    assert (write.outcome, write.lost) == ("ok", lost)
    assert (read.outcome, read.stale) == ("ok", lost)


def test_a_hint_saves_what_its_node_takes_away_but_not_if_the_hint_leaves_too(
    tmp_path: Path,
) -> None:
    for leaving, lost in (("b", False), ("a", True)):
        changes = (*only("a", ABC, 0.5, 2.0), ml.Leave(at=3.0, endpoint=leaving))
        store = cluster(write="ONE", changes=changes)
        run = simulate(store, writes=at(tmp_path, "w", [1.0]), keys=one_key(), until=5.0, seed=1)
        assert run.operations.lost.tolist() == [lost]
        # at 10 s it would have been handed over
        run = simulate(store, writes=at(tmp_path, "w", [1.0]), keys=one_key(), until=11.0, seed=1)
        assert run.stored("key-0")["c"] == (-1 if lost else 0)


# -- the run ----------------------------------------------------------------------------------


def test_a_run_ends_when_nothing_is_under_way_or_at_its_time() -> None:
    writes = ml.Poisson("w", rate=100.0, to="db")
    reads = ml.PoissonBatches("r", rate=50.0, size=3, to="db")
    store = cluster(
        changes=(ml.Failures(up=ml.Exponential(mean=5.0), down=ml.Exponential(mean=1.0)),)
    )
    run = simulate(store, writes=writes, reads=reads, requests=1000, seed=3)
    assert len(run.operations) == 1000
    assert "in_flight" not in set(run.operations.outcome)
    assert run.duration >= run.operations.finish.max()
    stopped = simulate(store, writes=writes, reads=reads, until=2.0, seed=3)
    assert stopped.duration == 2.0
    assert (stopped.operations.arrival < 2.0).all()
    unfinished = stopped.operations[stopped.operations.outcome == "in_flight"]
    assert unfinished.finish.isna().all()
    same = run.operations.iloc[: len(stopped.operations)]
    ended = stopped.operations.outcome != "in_flight"
    columns = ["kind", "key", "coordinator", "arrival", "finish", "outcome", "version", "stale"]
    assert same.loc[ended, columns].equals(stopped.operations.loc[ended, columns])
    assert repr(run).startswith("ClusterRun(1000 operations, ")


def test_equal_seeds_give_equal_runs_and_sources_do_not_disturb_each_other() -> None:
    store = cluster(link=ml.Exponential(mean=0.01), skew=0.01)
    writes = ml.Poisson("w", rate=100.0, to="db", key=ml.Keys(5, prefix="k"))
    one = simulate(store, writes=writes, requests=500, seed=1).operations
    assert one.equals(simulate(store, writes=writes, requests=500, seed=1).operations)
    assert not one.equals(simulate(store, writes=writes, requests=500, seed=2).operations)
    reads = ml.Poisson("r", rate=100.0, to="db")
    both = simulate(store, writes=writes, reads=reads, keys=ml.Keys(3), until=4.0, seed=1)
    same = both.operations[both.operations.kind == "write"].reset_index(drop=True)
    columns = ["key", "coordinator", "arrival", "version"]
    assert same[columns].equals(one.loc[: len(same) - 1, columns])
    assert set(same.key) == {f"k{k}" for k in range(5)}
