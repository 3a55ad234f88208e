"""Which node can reach which, and which nodes take each other for down.

Two nodes reach each other when both are up, no network partition stands between them, and neither
is isolated.  A node takes another for down when it could not reach it for ``detection`` seconds,
and for alive again as soon as it can: a node that starts tells the others at once.  The time is
that of the pair, whichever of the two was out of reach.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Network"]


class Network:
    """The nodes by their number, and since when a pair is out of reach."""

    __slots__ = ("_since", "detection", "gone", "isolated", "partitions", "up")

    def __init__(self, nodes: int, detection: float) -> None:
        self.detection = detection
        self.up = [True] * nodes
        self.gone = [False] * nodes
        self.isolated = [False] * nodes
        self.partitions: list[frozenset[int]] = []  # one side of each; there may be several
        self._since: list[list[float | None]] = [[None] * nodes for _ in range(nodes)]

    def connected(self, a: int, b: int) -> bool:
        """Whether the network would carry a message between two nodes, up or not."""
        if a == b:
            return True
        if self.isolated[a] or self.isolated[b]:
            return False
        return all((a in side) == (b in side) for side in self.partitions)

    def reaches(self, a: int, b: int) -> bool:
        """Whether both are up and connected."""
        return self._since[a][b] is None

    def out_of_reach(self, a: int, b: int, now: float) -> float:
        """Seconds for which `a` and `b` have not reached each other; 0 when they do."""
        since = self._since[a][b]
        return 0.0 if since is None else now - since

    def takes_for_alive(self, a: int, b: int, now: float) -> bool:
        """Whether `a` would send `b` anything."""
        since = self._since[a][b]
        return since is None or now - since < self.detection

    def settle(self, changed: Iterable[int], now: float) -> list[tuple[int, int]]:
        """Note what has changed about some nodes; return the pairs that reach each other again."""
        again = []
        for a in changed:
            for b, since in enumerate(self._since[a]):
                if self.up[a] and self.up[b] and self.connected(a, b):
                    if since is not None:
                        self._since[a][b] = self._since[b][a] = None
                        again += [(a, b), (b, a)] if a != b else [(a, a)]
                elif since is None:
                    self._since[a][b] = self._since[b][a] = now
        return again
