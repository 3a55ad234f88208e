"""The ways of the express lane for service graphs: along which attempts are sent, with their draws.

A way is known by its name: that of the source, and of the calls and attempts on the way; see
`mesh_lab.mesh.calling.Caller.origin`.  What an attempt draws is drawn when its way is first asked
for that chunk of requests, all of it together: one look then finds all the draws of an attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..draws import CHUNK, Column
from ..sources.base import OpenSource
from ..stations.service import Delay
from .express_graph_attempts import Attempt, Ended, Judge, Setting

__all__ = ["BITS", "MASK", "Wanted", "Way"]

BITS = CHUNK.bit_length() - 1
MASK = CHUNK - 1
FEW = 8  # chunks, after which the seeds of many are made at a time
KEPT = 32  # chunks of a way that are remembered; older ones are made again if somebody still asks


def _nobody(attempt: Attempt, result: int, now: float) -> None:
    raise AssertionError("nobody waits for what a source has made")


class Drawn(Protocol):
    """What the draws of a way come from: a `mesh_lab.draws.Column`, for one."""

    def chunk(self, index: int) -> NDArray[np.float64]:
        """Return chunk number `index`."""
        ...

    def block(self, first: int, chunks: int) -> NDArray[np.float64]:
        """Return so many chunks from number `first` on."""
        ...


class Carried:
    """The seconds of work that the requests of a source bring along, as a column."""

    def __init__(self, source: OpenSource) -> None:
        carried = source.carried()
        assert carried is not None  # the scenario was checked
        self.seconds = np.array(carried, dtype=np.float64)

    def chunk(self, index: int) -> NDArray[np.float64]:
        """Return those of some requests, as `Column.chunk` does."""
        return self.seconds[index * CHUNK : (index + 1) * CHUNK]

    def block(self, first: int, chunks: int) -> NDArray[np.float64]:
        """Return those of one chunk."""
        return self.chunk(first)


class Wanted:
    """What is drawn for each attempt at one service.

    Parameters
    ----------
    name : str
        Of the service.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._columns: list[tuple[Any, str]] = []

    def column(self, of: Any, purpose: str) -> int:
        """Let something be drawn, and return its place; None: what requests bring along."""
        self._columns.append((of, purpose))
        return len(self._columns) - 1

    def chance(self, purpose: str) -> int:
        """Let a uniform number be drawn, and return its place."""
        return self.column("uniform", purpose)

    def delay(self, of: Delay, purpose: str) -> tuple[float | None, int]:
        """Return a delay (None: there is none), and the place of its draw (-1: it is constant)."""
        if of is None or isinstance(of, float):
            return of, -1
        return 0.0, self.column(of, purpose)

    def along(self, setting: Setting, origin: str, visit: int, source: int) -> list[Drawn]:
        """Return the columns of one way."""
        made: list[Drawn] = []
        for of, purpose in self._columns:
            if of is not None:
                made.append(setting.draws.column(of, self.name, purpose, origin, visit))
            else:
                brings = setting.scenario.sources[source]
                assert isinstance(brings, OpenSource)
                made.append(Carried(brings))
        return made


@dataclass(slots=True, eq=False, repr=False)
class Way:
    """A way along which attempts are sent, and their draws.

    Attributes
    ----------
    origin : str
        The source of its draws.
    visit : int
        Which attempt of its call it is for.
    source : int
        From which all comes.
    columns : list of Drawn
        What an attempt draws.
    further : list of Way or None
        Those of the calls that its attempts make, as far as any was made.
    judge, ended : callable
        What to do with a result, and with a good one.
    again : Way or None
        That of the next attempt.
    jitter : Column or None
        The draws for pauses, which few attempts need.
    chunks : dict
        The other draws, by the number of the chunk: a list for each column.
    """

    origin: str
    visit: int
    source: int
    columns: list[Drawn]
    further: list[Way | None]
    judge: Judge = _nobody
    ended: Ended = _nobody
    again: Way | None = None
    jitter: Column | None = None
    chunks: dict[int, list[list[float]]] = field(default_factory=dict)

    def fill(self, chunk: int) -> list[list[float]]:
        """Draw what the attempts for a chunk of requests need."""
        if len(self.chunks) >= KEPT:
            del self.chunks[next(iter(self.chunks))]
        made = self.chunks[chunk] = [
            (each.chunk(chunk) if chunk < FEW else each.block(chunk, 1)).tolist()
            for each in self.columns
        ]
        return made
