"""Random clusters, the laws that their runs obey, and ways to break the rules of the store.

Random clusters 1, 2, 3, ... have failures, partitions and isolations, planned and at random, slow
links, early timeouts, batches and few keys.  `violations` says which law a run breaks, and every
one of `FAULTS` must make it say something.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import mesh_lab as ml
from mesh_lab.replicated import ClusterRun, simulate
from mesh_lab.replicated.history import OK, Operation
from mesh_lab.replicated.store import Store

__all__ = ["FAULTS", "after", "random_run", "stale_from_scratch", "violations"]

LEVELS = ("ONE", "TWO", "THREE", "QUORUM", "ALL")


def random_run(seed: int, skew: float = 0.0, overlap: bool = True) -> ClusterRun:
    """Run a random cluster; with `overlap`, R + W > RF."""
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(1, 8))
    replication = int(rng.integers(1, nodes + 1))
    while True:
        read, write = (str(level) for level in rng.choice(LEVELS, 2))
        try:
            levels = ml.Cluster("db", nodes=nodes, replication=replication, read=read, write=write)  # type: ignore[arg-type]
        except ml.PartError:
            continue
        if (levels.needed("read") + levels.needed("write") > replication) == overlap:
            break
        if not overlap and replication < 2:
            replication = nodes = 3
    names = levels.names
    end = 20.0
    changes: list[Any] = []
    for _ in range(int(rng.integers(0, 5))):
        some = [str(name) for name in rng.choice(names, int(rng.integers(1, nodes + 1)), False)]
        begin = float(rng.uniform(0.0, end))
        until = begin + float(rng.exponential(3.0))
        if rng.random() < 0.5:
            changes.append(ml.NetworkPartition(at=begin, until=until, nodes=tuple(some)))
        else:
            changes += [ml.Fail(at=begin, endpoint=some[0])]
            changes += [ml.Recover(at=until, endpoint=some[0])]
    for kind, well, ill in ((ml.Failures, "up", "down"), (ml.Isolations, "connected", "isolated")):
        if rng.random() < 0.4:
            means = {well: rng.uniform(1.0, 20.0), ill: rng.uniform(0.1, 3.0)}
            stays: dict[str, Any] = {
                word: ml.Exponential(mean=mean) for word, mean in means.items()
            }
            changes.append(kind(**stays))
    store = ml.Cluster(
        "db",
        nodes=nodes,
        replication=replication,
        read=read,  # type: ignore[arg-type]
        write=write,  # type: ignore[arg-type]
        link=ml.Uniform(low=0.001, high=float(rng.choice([0.002, 0.2]))),
        write_time=ml.Exponential(mean=float(rng.choice([0.001, 0.1]))),
        read_time=float(rng.choice([0.0, 0.01])),
        write_timeout=float(rng.choice([0.2, 2.0])),
        read_timeout=float(rng.choice([0.2, 5.0])),
        detection=float(rng.choice([0.0, 0.5, 18.4])),
        hints=bool(rng.random() < 0.7),
        hint_window=float(rng.choice([1.0, 10_800.0])),
        hint_interval=float(rng.choice([1.0, 10.0])),
        read_repair=bool(rng.random() < 0.7),
        skew=skew,
        changes=tuple(changes),
    )
    return simulate(
        store,
        writes=ml.Poisson("w", rate=20.0, to="db"),
        reads=ml.PoissonBatches("r", rate=10.0, size={1: 0.5, 3: 0.5}, to="db"),
        keys=ml.Keys(int(rng.integers(1, 5))),
        until=end,
        seed=seed,
    )


def violations(run: ClusterRun) -> Iterator[str]:
    """Yield the laws that a run breaks."""
    cluster = run.cluster
    reads_needed, writes_needed = cluster.needed("read"), cluster.needed("write")
    copies = sum(cluster.copies.values())
    overlap = reads_needed + writes_needed > copies
    reads: dict[str, list[Operation]] = defaultdict(list)
    for one in run._operations:
        if one.outcome == OK and one.write and one.received.bit_count() < writes_needed:
            yield "a confirmed write is on too few replicas"
        if one.outcome == OK and not one.write:
            reads[one.key].append(one)
            if len(one.replies) != reads_needed or len({node for node, _ in one.replies}) < len(
                one.replies
            ):
                yield "a read is answered by too few replicas"
        keepers = {cluster.names.index(name) for name in cluster.replicas(one.key)}
        if one.write and {k for k in range(64) if one.received >> k & 1} - keepers:
            yield "a write is on a node that does not keep the key"
        limit = cluster.write_timeout if one.write else cluster.read_timeout
        if one.finish - one.arrival > limit * (1 + 1e-12):
            yield "an operation takes longer than its timeout"
        if overlap and one.stale:
            yield "a stale read"
        if overlap and one.lost:
            yield "a lost update"
    if 2 * reads_needed > copies and cluster.read_repair:
        for line in reads.values():
            for before, after in going_back(line):
                yield f"read {after.number} goes back behind read {before.number}"


def going_back(reads: list[Operation]) -> Iterator[tuple[Operation, Operation]]:
    """Yield two reads, one after the other, of which the second returns what is older."""
    ends = sorted(reads, key=lambda one: one.ended)
    newest: Operation | None = None
    k = 0
    for read in sorted(reads, key=lambda one: one.began):
        while k < len(ends) and ends[k].ended < read.began:
            if newest is None or stamp(ends[k]) > stamp(newest):
                newest = ends[k]
            k += 1
        if newest is not None and stamp(read) < stamp(newest):
            yield newest, read


def stamp(read: Operation) -> tuple[int, bytes]:
    return (-(1 << 63), b"") if read.version is None else read.version.stamp


def after(later: Operation, earlier: Operation) -> bool:
    """Whether one operation began after the other had ended."""
    return earlier.finish < later.arrival


def stale_from_scratch(read: Operation, confirmed: list[Operation]) -> bool:
    """Whether a read misses one of these writes, by the definition of `mesh_lab.replicated`."""
    known = [write for write in confirmed if write.finish < read.arrival]
    version = read.version
    if version is None:
        return bool(known)
    return any(
        after(write, version) or (not after(version, write) and write.stamp > version.stamp)
        for write in known
    )


def one_answer_is_enough(self: Store, operation: Operation, node: int) -> None:
    operation.needed = 1
    acknowledged(self, operation, node)


def the_first_answer_is_read(self: Store, operation: Operation, node: int, version: Any) -> None:
    if operation.replies:
        version = operation.replies[0][1]
    replied(self, operation, node, version)


def first_write_wins(self: Store, node: int, write: Operation) -> None:
    write.received |= 1 << node
    there = self.data[node].get(write.key)
    if there is None or write.stamp < there.stamp:
        self.data[node][write.key] = write


def the_last_to_come_wins(self: Store, node: int, write: Operation) -> None:
    write.received |= 1 << node
    self.data[node][write.key] = write


def failures_lose_data(self: Store, node: int) -> None:
    self.data[node].clear()
    crash(self, node)


def repairs_are_not_waited_for(
    self: Store, operation: Operation, nodes: list[int], write: Operation, attempt: int
) -> None:
    send_write(self, operation, nodes, write, attempt)
    if attempt and operation.outcome != OK:
        self.history.end(operation, OK, self.clock.env.now)


acknowledged, replied, crash = Store._acknowledged, Store._replied, Store.crash
send_write = Store._send_write
FAULTS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("_acknowledged", one_answer_is_enough),
    ("_replied", the_first_answer_is_read),
    ("_apply", first_write_wins),
    ("_apply", the_last_to_come_wins),
    ("crash", failures_lose_data),
    ("_send_write", repairs_are_not_waited_for),
)
