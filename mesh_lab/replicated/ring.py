"""The token ring: which nodes keep a key.

Every node owns some tokens (its virtual nodes).  A key belongs to the first token that is not
below its own, round the ring; its replicas are the owners of that token and of those that follow,
every node once (Cassandra's ``SimpleStrategy``; documentation, "Dynamo", "Consistent hashing using
a token ring").
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from ..errors import ScenarioError
from .murmur3 import LARGEST, SMALLEST, token

__all__ = ["TokenRing"]

_WHOLE = 1 << 64


class TokenRing:
    """Tokens and the nodes that own them.

    Parameters
    ----------
    tokens : mapping of str to iterable of int
        Each node with its tokens, from -2**63 to 2**63 - 1; no token is owned twice.

    Raises
    ------
    ScenarioError
        When there is no token, one is owned twice, or one is out of range.

    Examples
    --------
    The eight nodes of Cassandra's documentation, or rather three of them:

    >>> ring = TokenRing({"a": [-100], "b": [0], "c": [100]})
    >>> ring.replicas(1, 2), ring.replicas(0, 2), ring.replicas(101, 3)
    (('c', 'a'), ('b', 'c'), ('a', 'b', 'c'))
    """

    __slots__ = ("_owners", "_tokens", "nodes")

    def __init__(self, tokens: Mapping[str, Iterable[int]]) -> None:
        owned: dict[int, str] = {}
        for node, its in tokens.items():
            for one in its:
                if not SMALLEST <= one <= LARGEST:
                    raise ScenarioError(
                        f"token {one} of node {node!r} must be from -2**63 to 2**63 - 1"
                    )
                if one in owned:
                    raise ScenarioError(
                        f"token {one} of node {node!r} is owned by {owned[one]!r} already"
                    )
                owned[one] = node
        if not owned:
            raise ScenarioError("a token ring needs one token at least")
        self.nodes = tuple(tokens)
        self._tokens = sorted(owned)
        self._owners = tuple(owned[one] for one in self._tokens)

    @classmethod
    def of(cls, nodes: Iterable[str], vnodes: int) -> TokenRing:
        """Return the ring in which every node owns `vnodes` tokens, made by hashing its name.

        Token *k* of node ``"db-0"`` is the token of the text ``"db-0/k"``: scattered as the random
        ones of Cassandra are, and the same in every run.
        """
        return cls({node: [token(f"{node}/{k}") for k in range(vnodes)] for node in nodes})

    def replicas(self, key_token: int, count: int) -> tuple[str, ...]:
        """Return the nodes that keep a key of this token, `count` of them if there are so many."""
        first = bisect_left(self._tokens, key_token)
        found: dict[str, None] = {}
        for k in range(len(self._owners)):
            found[self._owners[(first + k) % len(self._owners)]] = None
            if len(found) == count:
                break
        return tuple(found)

    def ownership(self) -> dict[str, float]:
        """Return the share of the ring whose first replica each node is; together they are 1.

        Examples
        --------
        >>> TokenRing({"a": [-(2**62)], "b": [2**62]}).ownership()
        {'a': 0.5, 'b': 0.5}
        """
        widths = dict.fromkeys(self.nodes, 0)
        before = self._tokens[-1] - _WHOLE
        for one, owner in zip(self._tokens, self._owners, strict=True):
            widths[owner] += one - before
            before = one
        return {node: width / _WHOLE for node, width in widths.items()}
