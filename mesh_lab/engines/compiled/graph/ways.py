"""The draws of the loop, way by way and chunk by chunk.

A way is known by its name: that of the source, and of the calls and attempts on the way; see
`mesh_lab.mesh.calling.Caller.origin`.  It has one column for each draw of an attempt that was sent
along it.  The loop asks for a way when it is first gone, and for a chunk when a number in it is
first needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....draws import CHUNK, Column, Draws
from ....scenario import Scenario
from .tables import Tables
from .world import Callings, Store, Visits

__all__ = ["Ways"]

_REACH = 8  # chunks of a way that are kept, to begin with
_MOST = 1 << 16
_WAYS = 64
_FEW = 8


class Ways:
    """Knows the ways, and keeps their draws.

    Attributes
    ----------
    store : Store
        For the loop; another one after each call of `learn` or `fill`.
    """

    def __init__(self, scenario: Scenario, tables: Tables, draws: Draws) -> None:
        self.tables = tables
        self.draws = draws
        self.services = len(tables.columns)
        self.sources = [source.name for source in scenario.sources]
        self.origins: list[str] = []  # of each way: the source of its draws
        self.visits: list[int] = []  # which attempt it is
        self.service: list[int] = []
        self.columns: list[list[Column]] = []
        self.filled: list[set[int]] = []
        self.used = 0  # blocks
        bits = CHUNK.bit_length() - 1
        self.store = Store(
            numbers=np.empty(_WAYS << bits),
            block=np.zeros(_WAYS * _REACH, dtype=np.int64),
            tag=np.full(_WAYS * _REACH, -1, dtype=np.int64),
            first=np.full(_WAYS * tables.places, -1, dtype=np.int64),
            after=np.full(_WAYS, -1, dtype=np.int64),
            roots=np.full(len(self.sources) * self.services, -1, dtype=np.int64),
            reach=_REACH,
            places=tables.places,
            bits=bits,
        )

    # -- ways ------------------------------------------------------------------------------------

    def learn(self, q: int, cs: Callings, vs: Visits, source: int, service: int) -> None:
        """Give a number to the way of the next attempt of calling `q`.

        Parameters
        ----------
        source, service : int
            Where its request came from, and went to.
        """
        store, parent, call = self.store, int(cs.parent[q]), int(cs.call[q])
        callee = int(self.tables.graph.callee[call])
        if cs.tried[q]:
            before = int(cs.way[q])
            way = self._add(self.origins[before], self.visits[before] + 1, callee)
            self.store.after[before] = way
        elif parent < 0:
            way = self._add(self.sources[source], 0, callee)
            store.roots[source * self.services + service] = way
        else:
            of = int(vs.way[parent])
            again = f":{self.visits[of]}" if self.visits[of] else ""
            way = self._add(f"{self.origins[of]}{again}>{self.tables.ways[call]}", 0, callee)
            self.store.first[of * store.places + int(self.tables.graph.place[call])] = way

    def _add(self, origin: str, visit: int, service: int) -> int:
        way = len(self.origins)
        self.origins.append(origin)
        self.visits.append(visit)
        self.service.append(service)
        self.columns.append(
            [
                self.draws.column(column.of, column.part, column.purpose, origin, visit)
                for column in self.tables.columns[service]
            ]
        )
        self.filled.append(set())
        store = self.store
        if way == len(store.after):
            self.store = store._replace(
                block=_twice(store.block, 0),
                tag=_twice(store.tag, -1),
                first=_twice(store.first, -1),
                after=_twice(store.after, -1),
            )
        return way

    # -- draws -----------------------------------------------------------------------------------

    def fill(self, way: int, number: int) -> None:
        """Draw the chunk of a way that holds `number`."""
        store = self.store
        chunk = number >> store.bits
        if chunk in self.filled[way] and store.reach < _MOST:
            self._reach_further()
            store = self.store
        self.filled[way].add(chunk)
        columns = self.columns[way]
        at = way * store.reach + (chunk & (store.reach - 1))
        used = store.tag[at] >= 0
        block = int(store.block[at]) if used else self._blocks(len(columns))
        store = self.store
        size = 1 << store.bits
        for k, column in enumerate(columns):
            begin = (block + k) << store.bits
            # a way that is much used gets the seeds of many chunks at a time
            numbers = column.chunk(chunk) if chunk < _FEW else column.block(chunk, 1)
            store.numbers[begin : begin + size] = numbers
        store.block[at] = block
        store.tag[at] = chunk

    def _blocks(self, count: int) -> int:
        block = self.used
        self.used += count
        while self.used << self.store.bits > len(self.store.numbers):
            self.store = self.store._replace(numbers=_twice(self.store.numbers, 0.0))
        return block

    def _reach_further(self) -> None:
        """Keep twice as many chunks of every way: requests of one chunk too few were in flight."""
        store = self.store
        reach = 2 * store.reach
        ways = len(store.after)
        block = np.zeros(ways * reach, dtype=np.int64)
        tag = np.full(ways * reach, -1, dtype=np.int64)
        for at in np.flatnonzero(store.tag >= 0).tolist():
            chunk = int(store.tag[at])
            place = at // store.reach * reach + (chunk & (reach - 1))
            tag[place], block[place] = chunk, store.block[at]
        for filled in self.filled:
            filled.clear()
        self.store = store._replace(block=block, tag=tag, reach=reach)


def _twice(array: Any, rest: Any) -> Any:
    made = np.full(2 * len(array), rest, dtype=array.dtype)
    made[: len(array)] = array
    return made
