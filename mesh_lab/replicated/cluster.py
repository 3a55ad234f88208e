"""The replicated store as a part: nodes, replicas, consistency levels, and what becomes of nodes.

The rules are Cassandra's; each field says where its default comes from.  What the model leaves
out: racks, deletions, lightweight transactions, anti-entropy repair, speculative
retries, and the digests of a read (its replicas send what they have at once).
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Le

from ..distributions import Distribution
from ..parts import Count, Name, Seconds, SomeSeconds, field, part
from ..stations.endpoints import Change, Fail, Failures, Leave, Recover
from .changes import Isolations, NetworkPartition
from .murmur3 import token
from .ring import TokenRing

__all__ = ["Cluster", "Consistency", "needed"]

Consistency: TypeAlias = Literal["ONE", "TWO", "THREE", "QUORUM", "LOCAL_QUORUM", "ALL"]
Nodes = Annotated[int, Ge(1), Le(1000)]
Offset = Annotated[float, Ge(-1e9), Le(1e9)]


def needed(level: Consistency, replication: int) -> int:
    """Return how many of so many replicas must answer at a consistency level.

    Source: Cassandra's documentation, "Dynamo", "Tunable consistency": a quorum is n/2 + 1,
    rounded down.  ``"LOCAL_QUORUM"`` is that of the replicas in the coordinator's data centre.

    Examples
    --------
    >>> [needed("QUORUM", replicas) for replicas in (1, 2, 3, 4, 5)]
    [1, 2, 2, 3, 3]
    """
    fixed = {"ONE": 1, "TWO": 2, "THREE": 3, "ALL": replication}
    return fixed.get(level, replication // 2 + 1)


@part
class Cluster:
    """A replicated store with Cassandra's rules; run by `mesh_lab.replicated.simulate`.

    A write is sent to all replicas of its key, a read to as many as its level needs, chosen
    uniformly at random among those that the coordinator takes for alive (Cassandra takes the
    nearest; nothing here says which that is).  The coordinator is any node that is up, with equal
    probability.  Data and hints are on disk: a node that fails keeps them, one that leaves takes
    them with it.

    A read that asked a node of which nobody knows yet that it is down ends in a timeout.  Cassandra
    would mostly save it: by default it asks one more replica when an answer is slower than 99 % are
    (``speculative_retry``), where there is one that it has not asked.  ``detection=0.0`` is nearer
    to that.

    Parameters
    ----------
    name : str
        Its name, which sources give as ``to=``.
    nodes : int, tuple of str, or dict
        How many nodes (``db-0``, ``db-1``, ... in a cluster ``db``), or their names; or either for
        each data centre, as in ``{"east": 3, "west": 3}`` (``db-east-0``, ...).
    replication : int or dict
        How many nodes keep each key, in each data centre; ``{"east": 3, "west": 2}`` where that
        differs.
    vnodes : int
        Tokens a node (``num_tokens``, 16 since Cassandra 4.0).
    read, write : str
        Consistency levels: ``"ONE"``, ``"TWO"``, ``"THREE"``, ``"QUORUM"`` (of all replicas
        wherever they are), ``"LOCAL_QUORUM"`` (of those in the coordinator's data centre; only
        these are read, though all are written), ``"ALL"``.
    link : float or Distribution
        Seconds that a message takes from one node to another; to itself a node needs none.
    far_link : float or Distribution, optional
        The same between nodes in different data centres; as `link`, if it is left out.
    write_time, read_time : float or Distribution
        Seconds that a replica takes to write, and to read; nobody waits in line.
    write_timeout, read_timeout : float
        Seconds that the coordinator waits for enough answers (``cassandra.yaml``: 2 s, 5 s).
    detection : float
        Seconds after which nodes take one that they cannot reach for down; that it is back they
        know at once.  After 8 ln 10 = 18.4 s Cassandra's failure detector, with its threshold of 8
        and a heartbeat a second, convicts a node (from the formula of ``FailureDetector.java``).
    hints : bool
        Whether coordinators keep the writes that a replica missed, and hand them over later.
    hint_window : float
        Seconds after which no more hints are kept for a node that is down (3 h).
    hint_interval : float
        Hints are handed over at multiples of so many seconds (10 s, ``HintsDispatchTrigger.java``).
    read_repair : bool
        Whether a read that finds its replicas different writes the newest value to those that lack
        it, and waits for them, before it answers (``read_repair = 'BLOCKING'``, the default).
    skew : float or dict
        How far off the nodes' clocks are, seconds: each by a number drawn once from -`skew` to
        `skew`; or ``{node: seconds}``, 0 where none is given.
    changes : tuple
        `Fail`, `Recover`, `Leave` (for good, with its data), `NetworkPartition`; and at random
        `Failures` and `Isolations`.

    Examples
    --------
    >>> store = Cluster("db", nodes=4, replication=3)
    >>> store.needed("write"), store.replicas("key-7")
    (2, ('db-0', 'db-1', 'db-3'))
    >>> Cluster("db", nodes=2, replication=3)
    Traceback (most recent call last):
        ...
    mesh_lab.errors.PartError: Cluster 'db': replication is 3, but there are only 2 nodes
    """

    name: Name = field(kw_only=False)
    nodes: Nodes | tuple[Name, ...] | dict[Name, Nodes | tuple[Name, ...]] = 6
    replication: Count | dict[Name, Count] = 3
    vnodes: Annotated[int, Ge(1), Le(1024)] = 16
    read: Consistency = "QUORUM"
    write: Consistency = "QUORUM"
    link: Seconds | Distribution = 0.001
    far_link: Seconds | Distribution | None = None
    write_time: Seconds | Distribution = 0.0
    read_time: Seconds | Distribution = 0.0
    write_timeout: SomeSeconds = 2.0
    read_timeout: SomeSeconds = 5.0
    detection: Seconds = 18.4
    hints: bool = True
    hint_window: Seconds = 10_800.0
    hint_interval: SomeSeconds = 10.0
    read_repair: bool = True
    skew: Annotated[float, Ge(0), Le(1e9)] | dict[Name, Offset] = 0.0
    changes: tuple[Change | Failures | NetworkPartition | Isolations, ...] = ()

    def __post_init__(self) -> None:
        for name, times in Counter(self.names).items():
            if times > 1:
                raise ValueError(f"nodes: {name!r} is there twice; every name must be unique")
        _check_replication(self)
        if isinstance(self.skew, dict):
            for name in self.skew:
                self._known("skew", name)
        _check_changes(self)

    @cached_property
    def centres(self) -> dict[str, tuple[str, ...]]:
        """The names of the nodes by data centre; there is one, "", where none is declared."""
        declared = self.nodes if isinstance(self.nodes, dict) else {"": self.nodes}
        named = {}
        for centre, nodes in declared.items():
            prefix = f"{self.name}-{centre}-" if centre else f"{self.name}-"
            if isinstance(nodes, int):
                named[centre] = tuple(f"{prefix}{i}" for i in range(nodes))
            else:
                named[centre] = nodes
        return named

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes, in order."""
        return tuple(name for nodes in self.centres.values() for name in nodes)

    @cached_property
    def copies(self) -> dict[str, int]:
        """How many nodes keep each key, by data centre."""
        if isinstance(self.replication, int):
            return dict.fromkeys(self.centres, self.replication)
        return dict(self.replication)

    @cached_property
    def ring(self) -> TokenRing:
        """Who owns which tokens."""
        return TokenRing.of(self.names, self.vnodes)

    def replicas(self, key: str) -> tuple[str, ...]:
        """Return the nodes that keep a key, in the order of the ring.

        Of each data centre these are the next nodes round the ring, every one once (Cassandra's
        ``NetworkTopologyStrategy``, without racks).
        """
        if len(self.centres) == 1:
            return self.ring.replicas(token(key), sum(self.copies.values()))
        round_the_ring = self.ring.replicas(token(key), len(self.names))
        kept = {
            name
            for centre, nodes in self.centres.items()
            for name in [one for one in round_the_ring if one in nodes][: self.copies[centre]]
        }
        return tuple(name for name in round_the_ring if name in kept)

    def needed(self, kind: Literal["read", "write"], centre: str | None = None) -> int:
        """Return how many replicas must answer a read or a write.

        Parameters
        ----------
        kind : str
            ``"read"`` or ``"write"``.
        centre : str, optional
            The coordinator's data centre, which matters at ``"LOCAL_QUORUM"``; the first one,
            if it is left out.
        """
        level = self.read if kind == "read" else self.write
        if level == "LOCAL_QUORUM":
            return needed(
                level, self.copies[next(iter(self.centres)) if centre is None else centre]
            )
        return needed(level, sum(self.copies.values()))

    def _known(self, where: str, name: str) -> None:
        if name not in self.names:
            few = ", ".join(map(repr, self.names[:10]))
            more = ", ..." if len(self.names) > 10 else ""
            raise ValueError(f"{where}: {name!r} is no node; there are: {few}{more}")


def _check_replication(cluster: Cluster) -> None:
    """Raise ValueError when there are too few nodes, or never enough replicas for a level."""
    if isinstance(cluster.nodes, dict) and not cluster.nodes:
        raise ValueError("nodes is empty, but must give one data centre at least")
    if cluster.copies.keys() != cluster.centres.keys():
        centres = ", ".join(map(repr, cluster.centres)) if any(cluster.centres) else "none declared"
        raise ValueError(
            f"replication is given for the data centres {', '.join(map(repr, cluster.copies))}, "
            f"but must be a number, or be given for each there is: {centres}"
        )
    for centre, nodes in cluster.centres.items():
        if cluster.copies[centre] > len(nodes):
            where = f" in {centre!r}" if centre else ""
            raise ValueError(
                f"replication{where} is {cluster.copies[centre]}, but there are only "
                f"{len(nodes)} nodes"
            )
    total = sum(cluster.copies.values())
    for what, level in (("read", cluster.read), ("write", cluster.write)):
        if needed(level, total) > total:
            raise ValueError(
                f"{what} is {level!r}, but replication is {total}: there would never be enough "
                "replicas; take a lower level or more replicas"
            )


def _check_changes(cluster: Cluster) -> None:
    """Raise ValueError for a change that a cluster does not know, or of a node that is not there.

    Also for two that are at odds: a change after a node has left, failures declared twice.
    """
    random: Counter[tuple[str, str]] = Counter()
    planned: list[Change] = []
    for change in cluster.changes:
        if isinstance(change, Change):
            planned.append(change)
            continue
        nodes = change.endpoints if isinstance(change, Failures) else change.nodes
        for name in nodes:
            cluster._known("changes", name)
        if not isinstance(change, NetworkPartition):
            random.update((type(change).__name__, name) for name in nodes or cluster.names)
    for (kind, name), times in random.items():
        if times > 1:
            raise ValueError(
                f"changes: {kind} of {name!r} are declared {times} times; once is allowed"
            )
    gone: set[str] = set()
    for change in sorted(planned, key=lambda one: one.at):
        if not isinstance(change, Fail | Recover | Leave):
            raise ValueError(
                f"changes: {change!r} is nothing that happens to the nodes of a cluster; take "
                "Fail, Recover, Leave, NetworkPartition, Failures or Isolations"
            )
        cluster._known("changes", change.endpoint)
        if change.endpoint in gone:
            raise ValueError(
                f"changes: {change!r} comes after {change.endpoint!r} has gone for good"
            )
        if isinstance(change, Leave):
            gone.add(change.endpoint)
