"""The sources, as the oracle reads them: when a request comes, how many, and what it carries.

A source's gaps come from its "gap" column, number 0, 1, 2, ...; the kinds that have an algorithm
of their own (bursts, time-varying rates) offer their gaps as an iterator, and that is believed.
A recorded arrival comes at its recorded time, which is read here; after a block made it late, the
gap to the next one is kept (that gap, too, is what the source says: to the last bit it is not
always the difference of the two times).
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mesh_lab.distributions import Exponential
from mesh_lab.draws import Column, Draws

DUST = 1e-9


def chosen(shares: dict[Any, float], u: float) -> Any:
    """Return the name that `u` in [0, 1) falls on, or None if it falls beyond them all."""
    total = 0.0
    for name, share in shares.items():
        total += share
        if total > u:
            return name
    return list(shares)[-1] if shares and abs(total - 1.0) <= DUST else None


@dataclass(eq=False)
class Feed:
    """One source: users, or an open source (merged ones are told apart)."""

    part: Any
    draws: Draws
    place: int = 0  # among the open sources, in declared order
    made: int = 0  # arrivals so far
    batch: int = 0  # batches so far
    ended: bool = False  # a record that has no more
    rest: int = 0  # how many of the present batch have not come yet
    recorded: list[tuple[float, float | None]] = field(default_factory=list)
    gaps: Iterator[float] | None = None
    columns: dict[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name: str = self.part.name
        self.kind = type(self.part).__name__
        if self.kind == "Replay":
            self.recorded = _replay(self.part)
        elif self.kind == "AccessLog":
            self.recorded = _access_log(self.part)
        if self.kind in {"Bursts", "TimeVarying", "Replay", "AccessLog"}:
            self.gaps = iter(self.part.gaps(self.draws))

    @property
    def users(self) -> int:
        return int(self.part.users) if self.kind == "Users" else 0

    def draw(self, of: Any, purpose: str, number: int) -> float:
        if purpose not in self.columns:
            self.columns[purpose] = self.draws.column(of, self.name, purpose, self.name)
        return self.columns[purpose].at(number)

    def next_time(self, now: float) -> float | None:
        """Return when the next arrival (or batch) after one at `now` comes; None: never."""
        number = self.batch
        if self.recorded:
            if number >= len(self.recorded):
                return None
            then = self.recorded[number][0]
            before = self.recorded[number - 1][0] if number else 0.0
            assert self.gaps is not None
            gap = next(self.gaps)
            return then if now == before else now + gap
        if self.gaps is not None:
            return now + next(self.gaps)
        if self.kind == "Renewal":
            return now + self.draw(self.part.gap, "gap", number)
        return now + self.draw(Exponential(mean=1.0 / self.part.rate), "gap", number)

    def batch_size(self) -> int:
        """Return how many arrive together now."""
        size = self.part.size if self.kind == "PoissonBatches" else 1
        if isinstance(size, dict):
            return int(chosen(size, self.draw("uniform", "batch", self.batch)))
        return int(size)

    def carried(self, number: int) -> float | None:
        return self.recorded[number][1] if self.recorded else None

    def think(self, number: int) -> float:
        return self.draw(self.part.think, "think", number)

    def priority(self, number: int) -> int:
        given = self.part.priority
        if isinstance(given, dict):
            return int(chosen(given, self.draw("uniform", "priority", number)))
        return int(given)

    def deadline(self, arrival: float, number: int) -> float:
        given = self.part.deadline
        if given is None:
            return math.inf
        if isinstance(given, int | float):
            return arrival + given
        return arrival + self.draw(given, "deadline", number)

    def destination(self, number: int) -> str | None:
        to = self.part.to
        if isinstance(to, dict):
            name = chosen(to, self.draw("uniform", "route", number))
            return None if name is None else str(name)
        return None if to is None else str(to)


def feeds(parts: list[Any], draws: Draws) -> list[Feed]:
    """Return the sources among `parts`, merged ones in the place of what merges them."""
    found: list[Feed] = []
    for part in parts:
        kind = type(part).__name__
        if kind == "Merge":
            common = {"to": part.to, "priority": part.priority, "deadline": part.deadline}
            found += [Feed(dataclasses.replace(p, **common), draws) for p in part.sources]
        elif hasattr(part, "to") and not hasattr(part, "workers"):
            found.append(Feed(part, draws))
    for index, feed in enumerate(f for f in found if f.kind != "Users"):
        feed.place = index
    return found


def _access_log(part: Any) -> list[tuple[float, float | None]]:
    """Read the requests of an access log; whole seconds only, work as the last word of a line."""
    assert part.spread == "none"
    found: list[tuple[float, float | None]] = []
    for line in Path(part.path).read_text().splitlines():
        inside = line[line.index("[") + 1 : line.index("]")]
        moment = datetime.strptime(inside, "%d/%b/%Y:%H:%M:%S %z").timestamp()
        work = None if part.service_time is None else float(line.split()[-1]) * part.unit
        found.append((moment, work))
    return [(moment - found[0][0], work) for moment, work in found]


def _replay(part: Any) -> list[tuple[float, float | None]]:
    """Read the recorded arrivals: (time, service time or None), one a line of the file."""
    path = Path(part.path)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        rows = list(csv.DictReader(file))
    work = part.service_time
    times = [float(r[part.time]) - part.start for r in rows]
    return [(t, None if work is None else float(r[work])) for t, r in zip(times, rows, strict=True)]
