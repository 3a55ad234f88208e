"""How quick the event store is beside the plain statements of the same database.

Three bars: appends of a thousand events at once against ``executemany`` of ready rows and a commit;
durable appends one by one against one INSERT and a commit; and the memory that a replay of a
million events takes.  The plain side writes the same columns to a table with the same keys and
indexes, and makes its rows before the clock starts: what the store does to events (to JSON, to
rows), its lock and its look at the version are the difference.

The time here is that on the wall, because much of it is spent by the database and the disk.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mesh_lab as ml
from mesh_lab.store import rows
from mesh_lab.store.connecting import connect
from mesh_lab.store.schema import EVENTS, METADATA
from mesh_lab.store.statements import statements
from tests.store_servers import SERVERS, NoServerError, database, serve

from .report import Bar

AT_ONCE = 1000
BATCHES, SINGLES = 20, 200  # a turn
TURNS = 5
REPLAYED = 1_000_000
BATCH_BAR, SINGLE_BAR = 0.5, 0.6
MEMORY_BAR = 16.0  # MiB that the peak may grow while nine tenths of the events are read


def events(count: int, first: int = 1) -> list[ml.Event]:
    """Return orders with the attributes that people set."""
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    return [
        ml.Event(
            id=str(number),
            source="/shop/orders",
            type="order.placed",
            subject=f"order-{number}",
            time=at,
            key=f"customer-{number % 97}",
            data={"number": number, "eur": 17.5, "items": ["tea", "milk"], "paid": False},
        )
        for number in range(first, first + count)
    ]


class Plain:
    """The plain statements, through the same driver with the same settings."""

    def __init__(self, url: str) -> None:
        self.engine, _ = connect(url, 30.0, durable=True)
        self.insert = statements(self.engine.dialect).insert
        with self.engine.begin() as connection:
            METADATA.create_all(connection, [EVENTS])
        self.raw: Any = self.engine.raw_connection()
        if self.engine.dialect.name == "sqlite":
            self.raw.cursor().execute("PRAGMA journal_mode = WAL")
        self.position = 0

    def ready(self, some: list[ml.Event]) -> list[tuple[Any, ...]]:
        """Return the rows of some events."""
        first, self.position = self.position + 1, self.position + len(some)
        now = rows.now()
        return [(n, "orders", n, *rows.encode(event, now)) for n, event in enumerate(some, first)]

    def write(self, ready: list[tuple[Any, ...]]) -> None:
        """Write rows, and wait until they are kept."""
        cursor = self.raw.cursor()
        if self.engine.dialect.name == "sqlite":
            cursor.execute("BEGIN")
        if len(ready) > 1:
            cursor.executemany(self.insert, ready)
        else:
            cursor.execute(self.insert, ready[0])
        self.raw.commit()
        cursor.close()

    def close(self) -> None:
        """End it."""
        self.raw.close()
        self.engine.dispose()


def _seconds(do: Callable[[], object]) -> float:
    before = time.perf_counter()
    do()
    return time.perf_counter() - before


def speeds(plain_url: str, store_url: str) -> dict[str, tuple[float, float]]:
    """Return events per second, plain and through the store: medians of turns, after a first one.

    Every turn writes the same events, one side after the other, so both tables grow alike.
    """
    plain, store = Plain(plain_url), ml.EventStore(store_url, timeout=30.0)
    found: dict[str, list[tuple[float, float]]] = {"batches": [], "one by one": []}
    number = 1
    for _ in range(TURNS + 1):
        for what, (batches, at_once) in {
            "batches": (BATCHES, AT_ONCE),
            "one by one": (SINGLES, 1),
        }.items():
            taken = [0.0, 0.0]
            for _ in range(batches):
                some = events(at_once, number)
                ready = plain.ready(some)
                number += at_once
                taken[0] += _seconds(lambda ready=ready: plain.write(ready))  # type: ignore[misc]
                taken[1] += _seconds(lambda some=some: store.append("orders", some))  # type: ignore[misc]
            found[what].append((batches * at_once / taken[0], batches * at_once / taken[1]))
    plain.close()
    store.close()
    return {
        what: (
            statistics.median(plain for plain, _ in turns[1:]),
            statistics.median(ours for _, ours in turns[1:]),
        )
        for what, turns in found.items()
    }


def replayed(count: int) -> tuple[float, float]:
    """Return events per second of a replay from a file, and by how many MiB its memory grew.

    The growth is that of the process's peak from a tenth of the events to all of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'events.db'}"
        with ml.EventStore(url, durable=False) as store:
            for first in range(1, count + 1, 10_000):
                store.append("orders", events(min(10_000, count + 1 - first), first))
        code = (
            "import resource, sys, time\n"
            "import mesh_lab as ml\n"
            "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            f"store, seen, before = ml.EventStore({url!r}), 0, time.perf_counter()\n"
            "for recorded in store.read_all():\n"
            "    seen += 1\n"
            "    if recorded.position != seen: sys.exit('out of order')\n"
            f"    if seen == {count // 10}: first = peak()\n"
            "print(seen, peak() - first, time.perf_counter() - before)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    seen, grown, took = done.stdout.split()
    if int(seen) != count:
        raise RuntimeError(f"{seen} of {count} events were replayed")
    return count / float(took), int(grown) / (1024.0 if sys.platform != "darwin" else 2.0**20)


@contextmanager
def two_databases(kind: str) -> Iterator[tuple[str, str]]:
    """Give the URLs of two new databases of a kind: one for each side."""
    with ExitStack() as stack:
        if kind == "sqlite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            yield f"sqlite:///{folder / 'plain.db'}", f"sqlite:///{folder / 'store.db'}"
        else:
            server = stack.enter_context(serve(kind, durable=True))
            one, other = (stack.enter_context(database(server)) for _ in "12")
            yield one, other


def measure(*, quick: bool) -> tuple[list[Bar], list[str]]:
    """Return the bars, and what could not be measured."""
    bars, missing = [], []
    for kind in ("sqlite", *SERVERS):
        try:
            with two_databases(kind) as urls:
                found = speeds(*urls)
        except NoServerError as why:
            missing.append(f"event store on {kind}: {why}")
            continue
        for what, least in {"batches": BATCH_BAR, "one by one": SINGLE_BAR}.items():
            plain, ours = found[what]
            said = "executemany" if what == "batches" else "INSERT and COMMIT"
            bars.append(
                Bar(
                    f"event store on {kind}, appends {what} / plain {said}, wall clock",
                    f"{ours:,.0f} of {plain:,.0f} events/s: {ours / plain:.0%}",
                    f"at least {least:.0%}",
                    ours / plain >= least,
                )
            )
    count = REPLAYED // 10 if quick else REPLAYED
    speed, grown = replayed(count)
    bars.append(
        Bar(
            f"event store: memory growth of a replay of {count:,} events ({speed:,.0f} events/s)",
            f"{grown:.1f} MiB",
            f"at most {MEMORY_BAR:.0f} MiB",
            grown <= MEMORY_BAR,
        )
    )
    return bars, missing


if __name__ == "__main__":
    for bar in measure(quick="--quick" in sys.argv)[0]:
        print(f"{bar.what}: {bar.measured}, {bar.bar}, {'met' if bar.met else 'MISSED'}")
