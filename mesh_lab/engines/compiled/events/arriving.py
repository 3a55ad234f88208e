"""When the events of open sources are published, all of them, before the loop begins.

Nothing that becomes of an event holds up its source, so the times are the running sums of the gaps
(`numpy.add.accumulate` adds one after the other, as the clock does), merged by (time, source),
which is the order of ranks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....draws import CHUNK, Column, Draws
from ....scenario import Scenario
from ....sources.base import OpenSource
from ....sources.keys import Keys

__all__ = ["Arrived", "arrivals", "by_number"]

Floats = NDArray[np.float64]

_FEW = 8  # chunks to begin with, when nobody knows how many there will be
_AT_ONCE = 16  # chunks of keys


class Arrived(NamedTuple):
    """The publishings of a run, in order.

    Attributes
    ----------
    made : array of float
        When, seconds.
    source : array of int16
        By which source.
    number : array of int64
        Which of that source's it is, from 0.
    key : array of int32
        The number of its key in its source; -1 without keys.
    follows : array of bool
        Whether it is published together with the one before, by one arrival of a batch: what
        follows from them follows when all are published.
    stops : bool
        Whether the sources make no more after the last of these, so that the run can end.
    """

    made: Floats
    source: NDArray[np.int16]
    number: NDArray[np.int64]
    key: NDArray[np.int32]
    follows: NDArray[np.bool_]
    stops: bool


def arrivals(
    scenario: Scenario, draws: Draws, *, requests: int | None, until: float | None
) -> Arrived:
    """Return what the sources of a scenario publish; all of them are open ones.

    Parameters
    ----------
    requests, until
        As for `mesh_lab.simulate`.
    """
    streams = [_Stream(source, draws) for source in scenario.sources]  # type: ignore[arg-type]
    limit = math.inf if until is None else float(until)
    if requests is not None:
        share = -(-requests // len(streams)) + (CHUNK if len(streams) > 1 else 0)
        for stream in streams:
            stream.reach(share)
        while True:
            limit = min(limit, _last(streams, requests))
            behind = [s for s in streams if not s.passed(limit)]
            if not behind or (len(streams) == 1 and limit < math.inf):
                break
            for stream in behind:
                stream.reach(2 * len(stream.times) + CHUNK)
    else:
        for stream in streams:
            while not stream.passed(limit):
                stream.reach(2 * len(stream.times) + _FEW * CHUNK)
    made, source, number, follows = _merged(streams)
    count = len(made) if until is None else int(np.searchsorted(made, until, side="left"))
    reached = requests is not None and count >= requests
    if requests is not None:
        count = min(count, requests)
    made, source, number = made[:count], source[:count], number[:count]
    key = np.full(count, -1, dtype=np.int32)
    for i, each in enumerate(scenario.sources):
        if each.key is not None:
            column = draws.column("uniform", each.name, "key", each.name)
            if len(streams) == 1:
                _fill_keys(key, each.key, column)
            else:
                mine = np.flatnonzero(source == i)
                numbers = np.empty(len(mine), dtype=np.int32)
                _fill_keys(numbers, each.key, column)
                key[mine] = numbers
    return Arrived(made, source, number, key, follows[:count], reached or until is None)


def _fill_keys(numbers: NDArray[np.int32], keys: Keys, column: Column) -> None:
    """Fill in the numbers of keys, some thousand at a time, which stay in the processor's cache."""
    for begin in range(0, len(numbers), _AT_ONCE * CHUNK):
        part = numbers[begin : begin + _AT_ONCE * CHUNK]
        uniforms = column.block(begin // CHUNK, -(-len(part) // CHUNK))
        part[:] = keys.numbers(uniforms[: len(part)])


def first(column: Column, count: int) -> Any:
    """Return the first `count` numbers of a column."""
    return column.block(0, max(-(-count // CHUNK), 1))[:count]


def by_number(columns: list[Floats], arrived: Arrived) -> Floats:
    """Return what each event finds at its number in the column of its source."""
    if len(columns) == 1:
        return columns[0]
    found = np.empty(len(arrived.made))
    for i, column in enumerate(columns):
        mine = arrived.source == i
        found[mine] = column[arrived.number[mine]]
    return found


class _Stream:
    """The times at which one source publishes, as far as they are known."""

    def __init__(self, source: OpenSource, draws: Draws) -> None:
        self.column = source.gap_column(draws)
        self.gaps: Iterator[float] | None = None if self.column else source.gaps(draws)
        self.sizes = source.sizes(draws)
        self.fires: Floats = np.empty(0)
        self.times: Floats = np.empty(0)  # one a request
        self.follows: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)  # one a request, with sizes
        self.over = False

    def reach(self, count: int) -> None:
        """Know so many times, or all that there are."""
        count = -(-count // CHUNK) * CHUNK
        while len(self.times) < count and not self.over:
            known = len(self.fires)
            if self.column is not None:
                gaps = self.column.block(known // CHUNK, (count - known) // CHUNK)
            else:
                assert self.gaps is not None
                gaps = np.fromiter(islice(self.gaps, count - known), dtype=np.float64)
                self.over = len(gaps) < count - known
            if known and len(gaps):
                gaps[0] += self.fires[-1]
            more = np.add.accumulate(gaps, out=gaps)
            self.fires = np.concatenate((self.fires, more)) if known else more
            if self.sizes is not None:
                sizes = np.fromiter(islice(self.sizes, len(more)), dtype=np.int64)
                more = np.repeat(more, sizes)
                follows = np.ones(len(more), dtype=np.bool_)
                follows[np.cumsum(sizes) - sizes] = False
                self.times = np.concatenate((self.times, more))
                self.follows = np.concatenate((self.follows, follows))
            else:
                self.times = self.fires

    def passed(self, time: float) -> bool:
        """Whether all times up to and including `time` are known."""
        return self.over or (len(self.fires) > 0 and self.fires[-1] > time)


def _last(streams: list[_Stream], requests: int) -> float:
    """Return when the last of so many requests would come, as far as is known."""
    if len(streams) == 1:
        times = streams[0].times
        return float(times[requests - 1]) if len(times) >= requests else math.inf
    times = np.concatenate([stream.times for stream in streams])
    if len(times) < requests:
        return math.inf
    return float(np.partition(times, requests - 1)[requests - 1])


def _merged(
    streams: list[_Stream],
) -> tuple[Floats, NDArray[np.int16], NDArray[np.int64], NDArray[np.bool_]]:
    counts = [len(stream.times) for stream in streams]
    follows = [
        np.zeros(count, dtype=np.bool_) if stream.sizes is None else stream.follows
        for stream, count in zip(streams, counts, strict=True)
    ]
    if len(streams) == 1:
        n = counts[0]
        return streams[0].times, np.zeros(n, dtype=np.int16), np.arange(n), follows[0]
    times = np.concatenate([stream.times for stream in streams])
    source = np.repeat(np.arange(len(streams)), counts)
    number = np.concatenate([np.arange(count) for count in counts])
    order = np.argsort(times, kind="stable")  # at one time in order of the sources
    return (
        times[order],
        source[order].astype(np.int16),
        number[order],
        np.concatenate(follows)[order],
    )
