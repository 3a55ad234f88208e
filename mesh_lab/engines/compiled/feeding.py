"""The draws that the loop will need next, in windows: one row a source, some thousand numbers each.

A window of source *i* holds what its requests ``window_low[i]`` and following need: work, choices
of balancers, delays, keys.  The loop returns when it comes to the end of one, and gets the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...balancing.rule import Balancer
from ...distributions import Distribution
from ...draws import CHUNK, Column, Drawable, Draws
from ...scenario import Scenario
from ...sources.base import OpenSource, Source, choices
from ...sources.closed import Users
from ...stations.handler import Handler
from ...stations.service import Delay, Service
from ..keys import KeyNumbers, key_hashes
from .world import World

__all__ = ["Feed"]

Floats = NDArray[np.float64]
WINDOW = 8 * CHUNK  # requests; small enough that the draws stay in the processor's cache


class Feed:
    """Fills the windows of a world.

    Parameters
    ----------
    scenario : Scenario
        With one queue or service.
    draws : Draws
        All the random numbers of the run.
    uniforms : int
        How many of a balancer, a level and a zone are drawn for each request, beside its picks.
    requests : int or None
        How many there will be at most, so that a short run draws little.
    """

    def __init__(
        self, scenario: Scenario, draws: Draws, uniforms: int, requests: int | None
    ) -> None:
        self.scenario = scenario
        self.draws = draws
        self.uniforms = uniforms
        station = scenario.stations[0]
        crew = scenario.serving(station.name)[0]
        if isinstance(crew, Service):
            self.name, self.work = crew.name, crew.service_time
        else:
            assert isinstance(crew, Handler)
            self.name, self.work = crew.name, crew.work
        self.service = station if isinstance(station, Service) else None
        most = WINDOW if requests is None else min(requests + 1, WINDOW)
        users = max((s.users for s in scenario.sources if isinstance(s, Users)), default=0)
        self.step = -(-most // CHUNK) * CHUNK
        self.width = self.step + CHUNK + 2 * -(-users // CHUNK) * CHUNK
        self.sources = [self._source(i, source) for i, source in enumerate(scenario.sources)]

    def windows(self) -> dict[str, Any]:
        """Return the empty windows and what says where they stand, as fields of a `World`."""
        n, width = len(self.sources), self.width
        counts = np.zeros((9, n), dtype=np.int64)
        rule = self.service.balancer if self.service is not None else None
        needs = rule.draws if isinstance(rule, Balancer) else 0
        return {
            "next_time": np.full(n, np.inf),
            "number": counts[0].copy(),
            "fires": counts[1].copy(),
            "users": np.array([getattr(s, "users", 0) for s in self.scenario.sources], np.int64),
            "window_low": counts[2].copy(),
            "window_size": counts[3].copy(),
            "gap_low": counts[4].copy(),
            "gap_size": counts[5].copy(),
            "gap_over": counts[6].copy(),
            "gaps": np.zeros((n, width)),
            "sizes": np.ones((n, width), dtype=np.int64),
            "works": np.zeros((n, width)),
            "priorities": np.zeros((n, width)),
            "uniforms": np.zeros((needs + 3, n, width)),
            "ways": np.zeros((2, n, width)),
            "hashes": np.zeros((n, width), dtype=np.uint64),
            "key_numbers": np.zeros((n, width), dtype=np.int32),
        }

    def fill(self, w: World, i: int) -> World:
        """Bring the windows of source `i` up to what it needs next."""
        return self.sources[i].fill(w)

    def _source(self, i: int, source: Source) -> _Fed:
        return _Fed(self, i, source)

    def column(self, of: Drawable | str, part: str, purpose: str, source: str) -> Column:
        """Return a column of draws."""
        return self.draws.column(of, part, purpose, source)


class _Fed:
    """What feeds one source."""

    def __init__(self, feed: Feed, i: int, source: Source) -> None:
        self.feed = feed
        self.i = i
        self.source = source
        self.name = source.name
        service = feed.service
        self.columns: list[tuple[str, int, Column]] = []
        if isinstance(feed.work, Distribution):
            self._add("works", 0, feed.work, feed.name, "service")
        if isinstance(source.priority, dict):
            self._add("priorities", 0, Classes(source.priority), source.name, "priority")
        if service is not None and not service.is_line:
            rule = service.balancer
            assert isinstance(rule, Balancer)
            purposes = [f"balance{k}" if k else "balance" for k in range(rule.draws)]
            for k, purpose in enumerate([*purposes, "proxy", "level", "zone"]):
                if k >= rule.draws + feed.uniforms:
                    break
                self._add("uniforms", k, "uniform", service.name, purpose)
            self._delay(0, service.forward_delay, service.name, "forward")
            self._delay(1, service.return_delay, service.name, "return")
        self.keys: Column | None = None
        self.hashes: NDArray[np.uint64] | None = None
        if source.key is not None:
            self.keys = feed.column(KeyNumbers(source.key), source.name, "key", source.name)
            hashing = service.balancer if service is not None else None
            if isinstance(hashing, Balancer) and hashing.hashes:
                self.hashes = key_hashes(feed.scenario, hashing)[i]
        self.carried: Any = None
        self.gap_column: Column | None = None
        self.gaps: Iterator[float] | None = None
        self.sizes: Iterator[int] | None = None
        if isinstance(source, Users):
            self.gap_column = feed.column(source.think, source.name, "think", source.name)
            return
        assert isinstance(source, OpenSource)
        if feed.work is None:
            self.carried = source.carried()
        self.sizes = source.sizes(feed.draws)
        self.gap_column = source.gap_column(feed.draws)
        if self.gap_column is None:
            self.gaps = source.gaps(feed.draws)

    def _add(self, field: str, k: int, of: Drawable | str, part: str, purpose: str) -> None:
        self.columns.append((field, k, self.feed.column(of, part, purpose, self.name)))

    def _delay(self, k: int, delay: Delay, part: str, purpose: str) -> None:
        if isinstance(delay, Distribution):
            self._add("ways", k, delay, part, purpose)

    def fill(self, w: World) -> World:
        """Bring the windows up to what the source needs next."""
        if w.users[self.i]:
            return self._fill_users(w)
        i, step = self.i, self.feed.step
        at = int(w.fires[i] - w.gap_low[i])
        # both windows move together, so that the loop is left once for both
        if self.gap_column is not None or (at + 1 >= w.gap_size[i] and not w.gap_over[i]):
            self._fill_gaps(w, at)
        at = int(w.fires[i] - w.gap_low[i])
        batch = int(w.sizes[i, at]) if at < w.gap_size[i] else 1
        low = int(w.number[i]) // CHUNK * CHUNK
        chunks = -(-max(int(w.number[i]) + batch - low, step + 1) // CHUNK)
        if chunks * CHUNK > w.works.shape[1]:
            w = _wider(w, chunks * CHUNK)
        self._fill_requests(w, low, chunks)
        return w

    def _fill_gaps(self, w: World, at: int) -> None:
        """Keep the gap that is planned, and add those that follow."""
        i, step = self.i, self.feed.step
        if self.gap_column is not None:
            low, chunks = int(w.fires[i]) // CHUNK * CHUNK, step // CHUNK + 1
            w.gaps[i, : chunks * CHUNK] = self.gap_column.block(low // CHUNK, chunks)
            w.gap_low[i], w.gap_size[i] = low, chunks * CHUNK
            return
        kept = int(w.gap_size[i]) - at
        w.gaps[i, :kept] = w.gaps[i, at : at + kept].copy()
        w.sizes[i, :kept] = w.sizes[i, at : at + kept].copy()
        w.gap_low[i] += at
        assert self.gaps is not None
        made = np.fromiter(islice(self.gaps, step - kept), dtype=np.float64)
        w.gap_over[i] = len(made) < step - kept
        w.gaps[i, kept : kept + len(made)] = made
        if self.sizes is not None:
            w.sizes[i, kept : kept + len(made)] = list(islice(self.sizes, len(made)))
        w.gap_size[i] = kept + len(made)

    def _fill_users(self, w: World) -> World:
        """Move the window to the user who is furthest behind, and make it reach the others."""
        i = self.i
        mine = w.user_number[w.user_source == i]
        low = int(mine.min()) // CHUNK * CHUNK
        needed = int(mine.max()) + 2 * int(w.users[i]) + 1 - low
        chunks = -(-max(needed, self.feed.step) // CHUNK)
        if chunks * CHUNK > w.works.shape[1]:
            w = _wider(w, 2 * chunks * CHUNK)
        chunks = w.works.shape[1] // CHUNK
        assert self.gap_column is not None
        w.gaps[i, : chunks * CHUNK] = self.gap_column.block(low // CHUNK, chunks)
        w.gap_low[i], w.gap_size[i] = low, chunks * CHUNK
        self._fill_requests(w, low, chunks)
        return w

    def _fill_requests(self, w: World, low: int, chunks: int) -> None:
        i, first, size = self.i, low // CHUNK, chunks * CHUNK
        for field, k, column in self.columns:
            window = getattr(w, field)
            row = window[k, i] if window.ndim == 3 else window[i]
            row[:size] = column.block(first, chunks)
        if not isinstance(self.source.priority, dict):
            w.priorities[i, :size] = self.source.priority
        if self.carried is not None:
            part = self.carried[low : low + size]
            w.works[i, : len(part)] = part
        if self.keys is not None:
            numbers = self.keys.block(first, chunks).astype(np.int64)
            w.key_numbers[i, :size] = numbers
            if self.hashes is not None:
                w.hashes[i, :size] = self.hashes[numbers]
        w.window_low[i], w.window_size[i] = low, size


class Classes:
    """Draws priorities by their probabilities, as `mesh_lab.sources.base.pick_by` chooses."""

    def __init__(self, classes: dict[int, float]) -> None:
        values, bounds = choices(list(classes), list(classes.values()))
        self.bounds = np.array(bounds)
        self.values = np.array([*values, 0], dtype=np.float64)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return `size` priorities."""
        # the first bound that is above the draw, and class 0 if none is
        return self.values[np.searchsorted(self.bounds, rng.random(size), side="right")]


def _wider(w: World, width: int) -> World:
    """Return the world with windows of another width."""

    def grown(window: Any) -> Any:
        made = np.zeros((*window.shape[:-1], width), dtype=window.dtype)
        made[..., : window.shape[-1]] = window
        return made

    fields = ("gaps", "works", "priorities", "uniforms", "ways", "hashes", "key_numbers")
    sizes = np.ones((w.sizes.shape[0], width), dtype=np.int64)
    sizes[:, : w.sizes.shape[1]] = w.sizes
    return w._replace(sizes=sizes, **{name: grown(getattr(w, name)) for name in fields})
