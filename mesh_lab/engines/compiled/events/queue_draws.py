"""The draws of the consumers of a message queue, in windows, as the loop comes to need them.

Work and failures are drawn by consumer, source and attempt, and which consumer will get an event is
known only when it does.  So the loop looks for the window that it needs, and asks for it when it is
not at hand; the oldest windows make room.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ....draws import CHUNK, Column, Draws
from ....scenario import Scenario
from . import queue_world as world
from .arriving import Arrived
from .queue_world import QueueWorld

__all__ = ["Feed", "published"]


def published(scenario: Scenario, made: Arrived) -> list[int]:
    """Return how many events each source publishes."""
    if len(scenario.sources) == 1:
        return [len(made.made)]
    counts: list[int] = np.bincount(made.source, minlength=len(scenario.sources)).tolist()
    return counts


class Feed:
    """Gives the loop the draws that it lacks, and those that it will need next."""

    def __init__(self, scenario: Scenario, draws: Draws, made: Arrived, w: QueueWorld) -> None:
        self.takers: tuple[Any, ...] = scenario.subscribers
        self.sources = [source.name for source in scenario.sources]
        self.draws = draws
        self.counts = published(scenario, made)
        self.columns: dict[tuple[int, int, int, int], Column] = {}
        self.slots = max(len(w.pool) >> w.shift, 1)
        self.owners = [-1] * self.slots
        self.next_slot = 0

    def give(self, w: QueueWorld) -> None:
        """Give what those need whose handling has begun without draws."""
        for j in range(int(w.counter[world.PENDING])):
            row = int(w.pending[j])
            e, tries = (row, 0) if w.plain else (int(w.event[row]), int(w.attempt[row]) - 1)
            k, source, number = int(w.consumer[row]), int(w.source[e]), int(w.number[e])
            w.given_chance[j] = 1.0
            if w.carries[k]:
                w.given_work[j] = w.carried[e]
            else:
                w.given_work[j] = self._draw(w, (0, k, source, tries), number)
            if w.chance[k] > 0.0:
                w.given_chance[j] = self._draw(w, (1, k, source, tries), number)

    def _draw(self, w: QueueWorld, which: tuple[int, int, int, int], number: int) -> float:
        purpose, k, source, tries = which
        if tries >= world.ATTEMPTS:
            return self._column(which).at(number)
        at = ((purpose * len(self.takers) + k) * w.sources + source) * world.ATTEMPTS + tries
        at = at * w.windows + (number >> w.shift)
        if w.table[at] < 0:
            slot, self.next_slot = self.next_slot, (self.next_slot + 1) % self.slots
            if self.owners[slot] >= 0:
                w.table[self.owners[slot]] = -1
            self.owners[slot] = at
            low = number >> w.shift << w.shift
            size = min(-(-(self.counts[source] - low) // CHUNK) * CHUNK, 1 << w.shift)
            begin = slot << w.shift
            w.pool[begin : begin + size] = self._column(which).block(low // CHUNK, size // CHUNK)
            w.table[at] = begin
        return float(w.pool[w.table[at] + (number & ((1 << w.shift) - 1))])

    def _column(self, which: tuple[int, int, int, int]) -> Column:
        if which not in self.columns:
            purpose, k, source, tries = which
            taker = self.takers[k]
            self.columns[which] = self.draws.column(
                "uniform" if purpose else taker.work,
                taker.name,
                "failure" if purpose else "service",
                self.sources[source],
                0,
                tries,
            )
        return self.columns[which]
