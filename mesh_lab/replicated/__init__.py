"""A replicated store with Cassandra's rules: what fails, what is stale, what is lost.

`Cluster` is declared in `cluster` (what may happen to its nodes in `changes`), its tokens are made
in `murmur3` and `ring`, and `simulate` (`running`) runs it: coordinators and replicas are in
`store`, hinted hand-off in `hints`, who can reach whom in `network`, what becomes of nodes in
`fates`.  `history` says what stale and lost mean, and `run` counts them.
"""

from __future__ import annotations

from .changes import Isolations, NetworkPartition
from .cluster import Cluster, needed
from .murmur3 import token
from .ring import TokenRing
from .run import ClusterRun
from .running import simulate

__all__ = [
    "Cluster",
    "ClusterRun",
    "Isolations",
    "NetworkPartition",
    "TokenRing",
    "needed",
    "simulate",
    "token",
]
