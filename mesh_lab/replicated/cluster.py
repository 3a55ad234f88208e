"""The replicated store as a part: nodes, replicas, consistency levels, and what becomes of nodes.

The rules are Cassandra's; each field says where its default comes from.  What the model leaves
out: data centres and racks, deletions, lightweight transactions, anti-entropy repair, speculative
retries, and the digests of a read (its replicas send what they have at once).
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Le

from ..distributions import Distribution
from ..parts import Count, Name, NonNegative, Positive, field, part
from ..stations.endpoints import Change, Fail, Failures, Leave, Recover
from .murmur3 import token
from .ring import TokenRing

__all__ = ["Cluster", "Consistency", "Isolations", "NetworkPartition", "needed"]

Consistency: TypeAlias = Literal["ONE", "TWO", "THREE", "QUORUM", "ALL"]
Offset = Annotated[float, Ge(-1e9), Le(1e9)]


def needed(level: Consistency, replication: int) -> int:
    """Return how many replicas must answer at a consistency level.

    Source: Cassandra's documentation, "Dynamo", "Tunable consistency": a quorum is n/2 + 1,
    rounded down.

    Examples
    --------
    >>> [needed("QUORUM", replicas) for replicas in (1, 2, 3, 4, 5)]
    [1, 2, 2, 3, 3]
    """
    fixed = {"ONE": 1, "TWO": 2, "THREE": 3, "ALL": replication}
    return fixed.get(level, replication // 2 + 1)


@part
class NetworkPartition:
    """Some nodes cannot reach the others from `at` to `until` seconds, nor the others them.

    Parameters
    ----------
    at, until : float
        When it begins and when it is healed.
    nodes : tuple of str
        The nodes on one side; all others are on the other.

    Examples
    --------
    >>> NetworkPartition(at=10.0, until=40.0, nodes=("db-0", "db-1"))
    NetworkPartition(at=10.0, until=40.0, nodes=('db-0', 'db-1'))
    """

    at: NonNegative
    until: Positive
    nodes: tuple[Name, ...]

    def __post_init__(self) -> None:
        if self.until <= self.at:
            raise ValueError(f"until is {self.until}, but must be later than at, {self.at}")
        if not self.nodes:
            raise ValueError("nodes is empty, but must name those on one side")


@part
class Isolations:
    """Nodes are cut off from all others at random, each by itself, and go on working.

    Parameters
    ----------
    connected, isolated : Distribution
        Seconds until a node that is connected is cut off, and until it is connected again; both
        together 1e-9 at least in the mean.
    nodes : tuple of str
        Which nodes; all, if none is named.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Isolations(connected=Exponential(mean=600.0), isolated=Exponential(mean=5.0))
    Isolations(connected=Exponential(mean=600.0), isolated=Exponential(mean=5.0))
    """

    connected: Distribution
    isolated: Distribution
    nodes: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        if self.connected.mean + self.isolated.mean < 1e-9:
            raise ValueError(
                f"connected is {self.connected!r} and isolated is {self.isolated!r}: a node would "
                "be cut off and connected without end at one moment; their means must be 1e-9 s at "
                "least together"
            )


@part
class Cluster:
    """A replicated store with Cassandra's rules; run by `mesh_lab.replicated.simulate`.

    A write is sent to all replicas of its key, a read to as many as its level needs, chosen
    uniformly at random among those that the coordinator takes for alive (Cassandra takes the
    nearest; nothing here says which that is).  The coordinator is any node that is up, with equal
    probability.  Data and hints are on disk: a node that fails keeps them, one that leaves takes
    them with it.

    Parameters
    ----------
    name : str
        Its name, which sources give as ``to=``.
    nodes : int or tuple of str
        How many nodes (``db-0``, ``db-1``, ... in a cluster ``db``), or their names.
    replication : int
        How many nodes keep each key.
    vnodes : int
        Tokens a node (``num_tokens``, 16 since Cassandra 4.0).
    read, write : str
        Consistency levels: ``"ONE"``, ``"TWO"``, ``"THREE"``, ``"QUORUM"``, ``"ALL"``.
    link : float or Distribution
        Seconds that a message takes from one node to another; to itself a node needs none.
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
    nodes: Annotated[int, Ge(1), Le(1000)] | tuple[Name, ...] = 6
    replication: Count = 3
    vnodes: Annotated[int, Ge(1), Le(1024)] = 16
    read: Consistency = "QUORUM"
    write: Consistency = "QUORUM"
    link: NonNegative | Distribution = 0.001
    write_time: NonNegative | Distribution = 0.0
    read_time: NonNegative | Distribution = 0.0
    write_timeout: Positive = 2.0
    read_timeout: Positive = 5.0
    detection: NonNegative = 18.4
    hints: bool = True
    hint_window: NonNegative = 10_800.0
    hint_interval: Positive = 10.0
    read_repair: bool = True
    skew: NonNegative | dict[Name, Offset] = 0.0
    changes: tuple[Change | Failures | NetworkPartition | Isolations, ...] = ()

    def __post_init__(self) -> None:
        for name, times in Counter(self.names).items():
            if times > 1:
                raise ValueError(f"nodes: {name!r} is there twice; every name must be unique")
        if self.replication > len(self.names):
            raise ValueError(
                f"replication is {self.replication}, but there are only {len(self.names)} nodes"
            )
        for what in ("read", "write"):
            level = getattr(self, what)
            if needed(level, self.replication) > self.replication:
                raise ValueError(
                    f"{what} is {level!r}, but replication is {self.replication}: there would "
                    "never be enough replicas; take a lower level or more replicas"
                )
        if isinstance(self.skew, dict):
            for name in self.skew:
                self._known("skew", name)
        _check_changes(self)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes, in order."""
        if isinstance(self.nodes, int):
            return tuple(f"{self.name}-{i}" for i in range(self.nodes))
        return self.nodes

    @cached_property
    def ring(self) -> TokenRing:
        """Who owns which tokens."""
        return TokenRing.of(self.names, self.vnodes)

    def replicas(self, key: str) -> tuple[str, ...]:
        """Return the nodes that keep a key, in the order of the ring."""
        return self.ring.replicas(token(key), self.replication)

    def needed(self, kind: Literal["read", "write"]) -> int:
        """Return how many replicas must answer a read or a write."""
        return needed(self.read if kind == "read" else self.write, self.replication)

    def _known(self, where: str, name: str) -> None:
        if name not in self.names:
            few = ", ".join(map(repr, self.names[:10]))
            more = ", ..." if len(self.names) > 10 else ""
            raise ValueError(f"{where}: {name!r} is no node; there are: {few}{more}")


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
