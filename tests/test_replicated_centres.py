"""Data centres: where replicas stand, who counts at LOCAL_QUORUM, and what that promises."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import mesh_lab as ml
from mesh_lab.replicated import simulate, token
from mesh_lab.replicated.history import OK, Operation
from tests.clusters import at, one_key
from tests.random_clusters import stale_from_scratch

LINK, FAR, WRITE, READ = 0.010, 0.100, 0.002, 0.003
EAST, WEST = [f"db-east-{k}" for k in range(3)], [f"db-west-{k}" for k in range(3)]


def cluster(**more: object) -> ml.Cluster:
    given = {
        "nodes": {"east": 3, "west": 3},
        "replication": 3,
        "read": "LOCAL_QUORUM",
        "write": "LOCAL_QUORUM",
        "link": LINK,
        "far_link": FAR,
        "write_time": WRITE,
        "read_time": READ,
        "detection": 0.0,
        **more,
    }
    return ml.Cluster("db", **given)  # type: ignore[arg-type]


def test_every_data_centre_keeps_its_own_copies() -> None:
    store = ml.Cluster("db", nodes={"a": 5, "b": ("x", "y", "z")}, replication={"a": 3, "b": 1})
    assert store.names == ("db-a-0", "db-a-1", "db-a-2", "db-a-3", "db-a-4", "x", "y", "z")
    assert (store.needed("read", "a"), store.needed("read")) == (3, 3)  # of 4 replicas
    first = Counter[str]()
    for k in range(300):
        key = f"key-{k}"
        # from scratch: all tokens by the distance upwards, modulo 2**64, data centre by data centre
        by_distance = sorted(
            ((token(f"{node}/{v}") - token(key)) % 2**64, node)
            for node in store.names
            for v in range(store.vnodes)
        )
        line = list(dict.fromkeys(node for _, node in by_distance))
        kept = [n for n in line if n.startswith("db-a")][:3] + [n for n in line if n in "xyz"][:1]
        assert store.replicas(key) == tuple(node for node in line if node in kept)
        first.update(kept)
    assert set(first) == set(store.names)


@pytest.mark.parametrize(
    ("level", "write", "read", "answers"),
    [
        ("LOCAL_QUORUM", 2 * LINK, 2 * LINK, 2),
        ("ONE", 0.0, None, 1),  # a read may ask any one
        ("THREE", 2 * LINK, None, 3),
        ("QUORUM", 2 * FAR, 2 * FAR, 4),
        ("ALL", 2 * FAR, 2 * FAR, 6),
    ],
)
def test_how_long_each_level_takes(
    tmp_path: Path, level: str, write: float, read: float | None, answers: int
) -> None:
    store = cluster(read=level, write=level)
    run = simulate(
        store,
        writes=at(tmp_path, "w", [1.0, 2.0, 3.0, 4.0]),
        reads=at(tmp_path, "r", [11.0, 12.0, 13.0, 14.0]),
        keys=one_key(),
        seed=1,
    )
    done = run.operations
    writes, reads = done[done.kind == "write"], done[done.kind == "read"]
    assert set(done.outcome) == {"ok"}
    assert writes.latency.tolist() == pytest.approx([WRITE + write] * 4)
    assert writes.replicas.tolist() == [6] * 4  # all are written, at every level
    assert reads.replicas.tolist() == [answers] * 4
    if read is not None:
        assert reads.latency.tolist() == pytest.approx([READ + read] * 4)


def test_in_one_data_centre_it_is_a_quorum(tmp_path: Path) -> None:
    runs = []
    for level in ("QUORUM", "LOCAL_QUORUM"):
        store = ml.Cluster("db", nodes=5, replication=3, read=level, write=level)  # type: ignore[arg-type]
        writes, reads = at(tmp_path, "w", range(1, 30)), at(tmp_path, "r", range(1, 30))
        runs.append(simulate(store, writes=writes, reads=reads, seed=1).operations)
    assert runs[0].equals(runs[1])


def test_a_cut_between_data_centres_stops_quorums_but_not_local_ones(tmp_path: Path) -> None:
    cut = ml.NetworkPartition(at=5.0, until=15.0, nodes=tuple(EAST))
    times = [1.0, *(6.0 + k / 4 for k in range(30)), 16.0]
    for level, inside in (("LOCAL_QUORUM", {"ok"}), ("QUORUM", {"unavailable"}), ("ONE", {"ok"})):
        store = cluster(write=level, changes=(cut,))
        run = simulate(store, writes=at(tmp_path, "w", times), keys=one_key(), until=40.0, seed=1)
        done = run.operations
        during = done.arrival.between(5.0, 15.0)
        assert set(done.outcome[during]) == inside
        assert set(done.outcome[~during]) == {"ok"}
        sides = set(done.coordinator[during])
        assert sides & set(EAST)
        assert sides & set(WEST)
        assert set(run.stored("key-0").values()) == {len(times) - 1}


def test_only_the_replicas_nearby_count(tmp_path: Path) -> None:
    """Two of three in the east are down: known at once, or not at all."""
    changes = tuple(ml.Fail(at=0.5, endpoint=name) for name in EAST[:2])
    for detection, failed in ((0.0, "unavailable"), (18.4, "timeout")):
        store = cluster(changes=changes, detection=detection, hints=False)
        run = simulate(
            store,
            writes=at(tmp_path, "w", [1.0 + k / 4 for k in range(12)]),
            reads=at(tmp_path, "r", [1.1 + k / 4 for k in range(12)]),
            keys=one_key(),
            seed=1,
        )
        done = run.operations
        east = done.coordinator.isin(EAST)
        assert set(done.outcome[~east]) == {"ok"}
        writes = done[east & (done.kind == "write")]
        assert set(writes.outcome) == {failed}
        # the others have it all the same
        assert set(writes.replicas) == ({0} if failed == "unavailable" else {4})
        reads = done[east & (done.kind == "read")]
        assert set(reads.outcome) <= {failed}
        assert len(writes) > 1 < len(reads)


def test_what_was_written_nearby_is_seen_nearby_and_elsewhere_later() -> None:
    """Random failures, 8 runs: a read misses no write that its own data centre confirmed."""
    stale = 0
    for seed in range(1, 9):
        store = cluster(
            far_link=ml.Exponential(mean=1.0),
            detection=float(seed % 2),
            read_repair=seed % 4 < 2,
            changes=(
                ml.Failures(up=ml.Exponential(mean=10.0), down=ml.Exponential(mean=1.0)),
                ml.NetworkPartition(at=10.0, until=15.0, nodes=tuple(EAST)),
            ),
        )
        run = simulate(
            store,
            writes=ml.Poisson("w", rate=10.0, to="db"),
            reads=ml.Poisson("r", rate=20.0, to="db"),
            keys=ml.Keys(3),
            requests=900,
            seed=seed,
        )
        names = store.names
        confirmed = [one for one in run._operations if one.write and one.outcome == OK]
        for read in run._operations:
            if read.write or read.outcome != OK:
                continue
            mine = [one for one in confirmed if one.key == read.key and near(one, read, names)]
            assert not stale_from_scratch(read, mine)
            stale += read.stale
        assert not run.operations.lost.any()
    assert stale > 100


def near(one: Operation, other: Operation, names: tuple[str, ...]) -> bool:
    return ("east" in names[one.coordinator]) == ("east" in names[other.coordinator])


def test_near_and_far_messages_have_draws_of_their_own() -> None:
    store = cluster(link=ml.Deterministic(value=LINK), far_link=ml.Deterministic(value=FAR))
    plain = cluster()
    writes = ml.Poisson("w", rate=10.0, to="db")
    found = [
        simulate(one, writes=writes, requests=200, seed=1).operations for one in (store, plain)
    ]
    assert found[0].equals(found[1])
