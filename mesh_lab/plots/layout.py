"""Where the boxes of a graph go: in layers from left to right, with few crossings.

The steps are those of Sugiyama, Tagawa and Toda (1981), as Healy and Nikolov describe them
("Hierarchical drawing algorithms", Handbook of Graph Drawing and Visualization, 2013, ch. 13):

1. arrows that close a loop, found by a depth-first walk, are set aside;
2. a node's layer is the length of the longest path to it;
3. an arrow over several layers gets a stand-in on each layer that it crosses, so that boxes make
   room for it;
4. within the layers, nodes are sorted by the mean place of their neighbours, to and fro, and the
   order with the fewest crossings is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layout", "layered"]

Arrow = tuple[str, str]
Spot = str | tuple[str, str, int]  # a node, or an arrow's stand-in on a layer

_SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """Which layer each node is on, in which order, and which arrows go back.

    Parameters
    ----------
    layers : list of list
        The spots of each layer, from top to bottom: node names, and for arrows that pass through
        a layer ``(from, to, layer)``.
    back : frozenset of (str, str)
        The arrows that close a loop.
    """

    layers: list[list[Spot]]
    back: frozenset[Arrow]

    def layer_of(self, node: str) -> int:
        """Return the layer that a node is on."""
        return next(i for i, layer in enumerate(self.layers) if node in layer)


def layered(nodes: Sequence[str], arrows: Sequence[Arrow]) -> Layout:
    """Return the layers of a graph, which may have loops.

    Parameters
    ----------
    nodes : sequence of str
        The nodes; those without an arrow into them are on the first layer.
    arrows : sequence of (str, str)
        From which node to which.

    Examples
    --------
    >>> drawn = layered(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c"), ("c", "b")])
    >>> drawn.layers, sorted(drawn.back)
    ([['a'], ['b', ('a', 'c', 1)], ['c']], [('c', 'b')])
    """
    back = _closing(nodes, arrows)
    forward = [arrow for arrow in dict.fromkeys(arrows) if arrow not in back]
    level = _longest_paths(nodes, forward)
    layers: list[list[Spot]] = [[] for _ in range(max(level.values(), default=0) + 1)]
    for node in nodes:
        layers[level[node]].append(node)
    pieces: list[tuple[Spot, Spot]] = []
    for source, target in forward:
        before: Spot = source
        for i in range(level[source] + 1, level[target]):
            stand_in = (source, target, i)
            layers[i].append(stand_in)
            pieces.append((before, stand_in))
            before = stand_in
        pieces.append((before, target))
    return Layout(_untangled(layers, pieces), back)


def _closing(nodes: Sequence[str], arrows: Sequence[Arrow]) -> frozenset[Arrow]:
    """Return the arrows that lead to a node on the way to which they are (depth-first)."""
    onward: dict[str, list[str]] = {node: [] for node in nodes}
    entered = set()
    for source, target in arrows:
        onward[source].append(target)
        entered.add(target)
    closing, state = set(), dict.fromkeys(nodes, "new")
    # begin where nothing leads to, so that loops are entered where requests enter them
    for root in sorted(nodes, key=lambda node: node in entered):
        if state[root] != "new":
            continue
        state[root] = "open"
        path = [(root, iter(onward[root]))]
        while path:
            node, ahead = path[-1]
            following = next(ahead, None)
            if following is None:
                state[node] = "done"
                path.pop()
            elif state[following] == "open":
                closing.add((node, following))
            elif state[following] == "new":
                state[following] = "open"
                path.append((following, iter(onward[following])))
    return frozenset(closing)


def _longest_paths(nodes: Sequence[str], forward: Sequence[Arrow]) -> dict[str, int]:
    """Return the most arrows on any way to each node, of a graph without loops."""
    level = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for source, target in forward:
            if level[target] <= level[source]:
                level[target] = level[source] + 1
                changed = True
        if not changed:
            break
    return level


def _untangled(layers: list[list[Spot]], pieces: Sequence[tuple[Spot, Spot]]) -> list[list[Spot]]:
    """Sort each layer by where its neighbours are, and keep the order with fewest crossings."""
    into: dict[Spot, list[Spot]] = {spot: [] for layer in layers for spot in layer}
    out: dict[Spot, list[Spot]] = {spot: [] for layer in layers for spot in layer}
    for a, b in pieces:
        out[a].append(b)
        into[b].append(a)
    best = [list(layer) for layer in layers]
    fewest = _crossings(best, out)
    order = [list(layer) for layer in layers]
    for sweep in range(_SWEEPS):
        rightward = sweep % 2 == 0
        indices = range(1, len(order)) if rightward else range(len(order) - 2, -1, -1)
        for i in indices:
            beside = order[i - 1] if rightward else order[i + 1]
            place = {spot: k for k, spot in enumerate(beside)}
            _sort_by_mean(order[i], into if rightward else out, place)
        crossings = _crossings(order, out)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in order], crossings
    return best


def _sort_by_mean(
    layer: list[Spot], neighbours: Mapping[Spot, Sequence[Spot]], place: Mapping[Spot, int]
) -> None:
    own = {spot: k for k, spot in enumerate(layer)}

    def mean(spot: Spot) -> float:
        places = [place[other] for other in neighbours[spot]]
        return sum(places) / len(places) if places else float(own[spot])

    layer.sort(key=mean)  # a stable sort: of equals, the order stays


def _crossings(layers: Sequence[Sequence[Spot]], out: Mapping[Spot, Sequence[Spot]]) -> int:
    """Count the pairs of arrows between neighbouring layers that cross."""
    total = 0
    for left, right in pairwise(layers):
        place = {spot: k for k, spot in enumerate(right)}
        ends = [(k, place[to]) for k, spot in enumerate(left) for to in out[spot]]
        total += sum(
            (a[0] - b[0]) * (a[1] - b[1]) < 0 for i, a in enumerate(ends) for b in ends[:i]
        )
    return total
