"""Random message queues in the compiled engine and in the reference, to the last bit.

``python -m tests.differential_queue 2000`` compares scenarios 1 to 2000 of `tests.scenarios_queue`
(seeds are counted, never chosen) and prints what they covered.  It ends with status 1 when there is
a difference, which is shown shrunken, or when a feature was met by fewer than one scenario in a
hundred.  ``--plain`` runs the loop without numba; ``--faults`` plants every fault of `FAULTS` as
well, and says after how many scenarios each was found (within 500).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

import mesh_lab as ml
from mesh_lab import draws
from mesh_lab.engines.compiled import loop
from mesh_lab.engines.compiled.driver import NotForCompiled
from mesh_lab.engines.compiled.events import (
    arriving,
    queue_draws,
    queue_driver,
    queue_loop,
    queue_start,
)
from mesh_lab.engines.compiled.events.queue_world import ATTEMPTS
from mesh_lab.messaging.deliveries import OUTCOMES, REASONS, DeliveryColumns
from tests.compare import shrink
from tests.compare_events import reference
from tests.faults import Fault, planted
from tests.scenarios import Case
from tests.scenarios_queue import cramped, features, make

WITHIN = 500  # scenarios that must find a planted fault
MOST = 100_000  # numbers put on heaps and plans made, in one scenario with a fault
REQUESTS = ("source", "made", "station", "endpoint", "start", "finish", "outcome", "key")
LOOP, DRAWS = "engines.compiled.events.queue_loop", "engines.compiled.events.queue_draws"
TABLES = "engines.compiled.events.queue_tables"

EVERYTHING = (
    *("Poisson", "Renewal", "PoissonBatches", "Bursts", "TimeVarying", "Replay", "AccessLog"),
    *("several sources", "one source", "keys", "no keys", "until=", "to its end", "cramped"),
    *("order fifo", "order priority", "order key", "capacity, reject", "capacity, drop_oldest"),
    *("visibility", "ttl", "backoff", "delivery_limit", "delay", "outages"),
    *("0 consumers", "1 consumers", "3 consumers", "several workers", "carried work"),
    *("ack after", "ack before", "prefetch 1", "prefetch 5", "prefetch None"),
    *("failure, requeue=True", "failure, requeue=False", "plain rows", "rows of several attempts"),
    *(f"outcome {name}" for name in ("in_flight", "acked", "expired", "lost", "rejected")),
    *(f"outcome {name}" for name in ("withdrawn", "handled", "nacked", "crashed")),
    *(f"reason {name}" for name in ("expired", "maxlen", "delivery_limit", "crash", "failed")),
    *("more rows than there is room for at first", "attempts whose draws are made one by one"),
    *("reason rejected", "published together", "finished together", "published and finished"),
)

FAULTS = {
    "sources before everything else": Fault(
        LOOP,
        "if first <= planned and first <= time and not joined:",
        "if first <= planned and first < time and not joined:",
    ),
    "outages before completions": Fault(
        LOOP,
        "if first <= planned and first <= time and not joined:",
        "if first < planned and first <= time and not joined:",
    ),
    "sources before outages": Fault(
        LOOP, "elif planned <= time and not joined:", "elif planned < time and not joined:"
    ),
    "something comes between those of a batch": Fault(
        LOOP, "joined = w.joined[e] != 0", "joined = w.joined[e] > 1"
    ),
    "timers before completions": Fault(LOOP, "EXPIRY, VISIBLE, row", "0, VISIBLE, row"),
    "the first consumer is always asked first": Fault(
        LOOP, "c[TURN] = k + 1 if k + 1 < consumers else 0", "c[TURN] = 0"
    ),
    "one place too many": Fault(
        LOOP,
        "while w.up[k] == 0 or w.taken[k] >= w.places[k]:",
        "while w.up[k] == 0 or w.taken[k] > w.places[k] + 1:",
    ),
    "what a consumer holds goes last in first out": Fault(
        LOOP, "w.follow[w.tail[k]] = row", "w.follow[row], w.head[k] = w.head[k], row"
    ),
    "an event that comes back goes to the end": Fault(
        LOOP,
        "if not (w.in_turn and attempt[row] == 1) and (",
        "if not w.in_turn and (",
    ),
    "one too many may wait": Fault(
        LOOP, "if 0 <= w.room <= c[WAITING]:", "if 0 <= w.room < c[WAITING]:"
    ),
    "delivered events count as waiting": Fault(
        LOOP,
        "                c[WAITING] -= 1\n                state[e] = HELD\n",
        "                state[e] = HELD\n",
    ),
    "the newest is dropped": Fault(
        LOOP,
        "end_row(outcome, reason, ended, row_of[other], LOST, MAXLEN, now)",
        "other = e - 1 if e and state[e - 1] < HELD else other\n"
        "                    end_row(outcome, reason, ended, row_of[other], LOST, MAXLEN, now)",
    ),
    "one delivery too many": Fault(LOOP, "elif 0 < w.limit <= tries:", "elif 0 < w.limit < tries:"),
    "back-off begins with its second pause": Fault(
        LOOP,
        "w.pauses[min(tries, len(w.pauses)) - 1]",
        "w.pauses[min(tries, len(w.pauses) - 1)]",
    ),
    "the next attempt is drawn as the first": Fault(
        LOOP, "tries = 0 if plain else attempt[row] - 1", "tries = 0"
    ),
    "later attempts are drawn as the first": Fault(
        DRAWS,
        "else (int(w.event[row]), int(w.attempt[row]) - 1)",
        "else (int(w.event[row]), 0)",
    ),
    "a rejected event comes back": Fault(LOOP, "w.requeues[k] == 0", "w.requeues[k] < 0"),
    "failures are drawn by the draws of the work": Fault(
        LOOP, "                        at += work_table\n", "                        at += 0\n"
    ),
    "a late acknowledgement does not count": Fault(
        LOOP,
        "                        if latest[e] == row:\n",
        "                        if latest[e] == row and state[e] == HELD:\n",
    ),
    "an acknowledgement counts after the next delivery": Fault(
        LOOP,
        "                        if latest[e] == row:\n",
        "                        if latest[e] >= 0:\n",
    ),
    "an event that is settled becomes visible again": Fault(
        LOOP, "if latest[e] == row and state[e] == HELD:", "if row_of[e] == row:"
    ),
    "an old delivery makes an event visible that was delivered again": Fault(
        LOOP, "if latest[e] == row and state[e] == HELD:", "if state[e] == HELD:"
    ),
    "what was delivered expires": Fault(
        LOOP,
        "                state[e] != PAUSED and (kind == RESUMES or state[e] != WAITS)\n",
        "                state[e] >= GONE\n",
    ),
    "the time-to-live begins anew": Fault(
        LOOP,
        "elif w.ttl < INF and w.expires[e] <= now:",
        "elif w.ttl < INF and w.expires[e] + w.ttl <= now:",
    ),
    "by key, the next waits until somebody is stored": Fault(
        LOOP, "if other >= 0 and state[other] == WAITS:", "if other >= 0 and state[other] > GONE:"
    ),
    "by key, two of one key at once": Fault(
        LOOP,
        "                        not w.keyed or w.first_of[w.key[e]] == e\n",
        "                        not w.keyed or w.first_of[w.key[e]] >= 0\n",
    ),
    "who has it when it is settled is told that it comes again": Fault(
        LOOP, "(LOST, FAILED) if state[e] == FORGOTTEN", "(LOST, FAILED) if w.settles_first[k]"
    ),
    "what crashed is handled all the same": Fault(
        LOOP,
        "if not plain and outcome[row] != IN_FLIGHT:",
        "if not plain and outcome[row] == LOST:",
    ),
    "crashed events come back in order of their places": Fault(
        LOOP, "back = w.after[row] if chained else -1", "back = w.before[row] if chained else -1"
    ),
    "a consumer that is down is given events": Fault(
        LOOP,
        "while w.up[k] == 0 or w.taken[k] >= w.places[k]:",
        "while w.taken[k] >= w.places[k]:",
    ),
    "ties of ends in the order of rows": Fault(
        LOOP,
        "                c[SEQUENCE] = w.pending_key[k]\n",
        "                c[SEQUENCE] = row\n",
    ),
    "a window of draws that was given up is still used": Fault(
        DRAWS, "w.table[self.owners[slot]] = -1", "pass"
    ),
    "keys by number": Fault(
        TABLES,
        "    keys, order = by_first(codes)\n",
        "    keys, order = codes, by_first(codes)[1]\n",
    ),
    "what was not stored was written": Fault(
        TABLES, "written = np.where(outcome == NOT_STORED, np.nan, sent)", "written = sent"
    ),
}

PLAIN = SimpleNamespace(run_queue=queue_loop.run_queue)


class GoesOnError(Exception):
    """An engine, with a fault in it, does not come to an end."""


@contextmanager
def quarters(small: bool) -> Iterator[None]:
    """Let draws come 8 at a time and rows be few at first, where the scenario is cramped."""
    if not small:
        yield
        return
    with (
        mock.patch.multiple(draws, _BITS=3, CHUNK=8, _MASK=7),
        mock.patch.object(arriving, "CHUNK", 8),
        mock.patch.object(queue_draws, "CHUNK", 8),
        mock.patch.multiple(queue_start, CHUNK=8, _MORE=1, _LONG=(0, 0), _SLOTS=1),
    ):
        yield


@contextmanager
def the_loop(plain: bool) -> Iterator[None]:
    """Run the loop compiled, or as plain Python that does not go on for ever."""
    if not plain:
        yield
        return
    left = MOST

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise GoesOnError(function.__name__)
            return function(*arguments)

        return call

    with (
        mock.patch.object(queue_driver, "compiled", return_value=PLAIN),
        mock.patch.object(queue_loop, "put", counted(queue_loop.put)),
        mock.patch.object(queue_loop, "schedule", counted(loop.schedule)),
    ):
        yield


def difference(case: Case, *, plain: bool, expected: Any = ()) -> str | None:
    """Return where the engines differ, in words; None if they do not."""
    found = queue_driver.reasons(case.scenario)
    assert not found, found
    with quarters(cramped(case.seed)), np.errstate(all="ignore"):
        wanted = reference(case) if expected == () else expected
        with the_loop(plain):
            try:
                got = queue_driver.run(
                    case.scenario, case.seed, requests=case.requests, until=case.until
                )
            except NotForCompiled:
                return None if wanted is None else "left to the reference, which has rows"
    return "the reference comes to a deadlock" if wanted is None else differing(got, wanted)


def differing(got: Any, wanted: ml.Run) -> str | None:
    """Return which columns differ first, and how."""
    columns, rows = got
    right = wanted.delivery_columns
    assert right is not None
    pairs = [(f"requests.{n}", getattr(columns, n), getattr(wanted.columns, n)) for n in REQUESTS]
    pairs += [(n, getattr(rows, n), getattr(right, n)) for n in rows.arrays()]
    for name, one, other in pairs:
        if one is None or other is None:
            if one is not other:
                return f"only one of the engines has {name}"
        elif one.dtype != other.dtype or len(one) != len(other):
            return f"{name}: {len(one)} {one.dtype}, the reference {len(other)} {other.dtype}"
    unlike: list[tuple[int, str]] = []
    for name, one, other in pairs:
        if one is not None:
            same = (one == other) | ((one != one) & (other != other))
            if not same.all():
                row = int(np.argmin(same))
                unlike.append((row, f"row {row}, {name}: {one[row]}, the reference {other[row]}"))
    if unlike:
        return min(unlike)[1]
    for name in DeliveryColumns.names():
        if getattr(rows, name) != getattr(right, name):
            return f"{name}: {getattr(rows, name)}, the reference {getattr(right, name)}"
    return None


def happenings(run: ml.Run) -> Iterator[str]:
    """Yield what happened in a run."""
    rows = run.delivery_columns
    assert rows is not None
    yield from (f"outcome {OUTCOMES[k]}" for k in np.unique(rows.outcome))
    yield from (f"reason {REASONS[k]}" for k in np.unique(rows.reason) if k)
    yield "rows of several attempts" if len(rows) > len(run.columns.made) else "plain rows"
    if len(rows) > 1.5 * len(run.columns.made) + 2:
        yield "more rows than there is room for at first"
    if np.any(rows.attempt > ATTEMPTS):
        yield "attempts whose draws are made one by one"
    made, done = run.columns.made, rows.finished[~np.isnan(rows.finished)]
    if len(np.unique(made)) < len(made):
        yield "published together"
    if len(np.unique(done)) < len(done):
        yield "finished together"
    if np.isin(made, done).any():
        yield "published and finished"


def compare(first: int, last: int, *, plain: bool) -> tuple[Counter[str], list[int]]:
    """Compare scenarios; return what they covered and the seeds of those that differ."""
    covered: Counter[str] = Counter()
    found = []
    for seed in range(first, last + 1):
        case = make(seed)
        with quarters(cramped(seed)):
            wanted = reference(case)
        covered.update(set(features(case)))
        covered.update(set(() if wanted is None else happenings(wanted)))
        try:
            if difference(case, plain=plain, expected=wanted) is not None:
                found.append(seed)
        except Exception as error:
            error.add_note(f"This is scenario {seed}.")
            raise
    return covered, found


def report(seed: int, *, plain: bool) -> str:
    """Return the first difference of scenario `seed`, shrunken, and the case."""

    def fails(smaller: Case) -> bool:
        queues = len(smaller.scenario.channels) == 1
        return queues and difference(smaller, plain=plain) is not None

    small = shrink(make(seed), fails, 300)
    return f"scenario {seed}: {difference(small, plain=plain)}\n{small!r}"


_expected: dict[int, ml.Run | None] = {}


def found_after(name: str, last: int = WITHIN) -> int | None:
    """Plant fault `name`; return the first scenario up to `last` that finds it, or None."""
    with planted(name, FAULTS):  # the reference shares nothing with what is broken
        for seed in range(1, last + 1):
            case = make(seed)
            if seed not in _expected:
                with quarters(cramped(seed)):
                    _expected[seed] = reference(case)
            try:
                if difference(case, plain=True, expected=_expected[seed]) is not None:
                    return seed
            except Exception:  # a loop that stumbles is found too
                return seed
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", type=int, nargs="?", default=2000, help="how many scenarios")
    parser.add_argument("--plain", action="store_true", help="run the loop without numba")
    parser.add_argument("--faults", action="store_true", help="plant the faults as well")
    given = parser.parse_args()
    began = time.perf_counter()
    covered, found = compare(1, given.scenarios, plain=given.plain)
    for what, count in sorted(covered.items()):
        print(f"  {count:8d}  {what}")
    print(f"compared {given.scenarios} scenarios in {time.perf_counter() - began:.0f} s")
    if found:
        print(f"{len(found)} scenarios differ: {', '.join(map(str, found[:20]))}")
        print(report(found[0], plain=given.plain))
        return 1
    least = given.scenarios // 100
    lacking = [f"{what} ({covered[what]})" for what in EVERYTHING if covered[what] < least]
    if lacking:
        print(f"met by fewer than {least} scenarios: {', '.join(lacking)}")
        return 1
    print("compiled engine and reference: the same columns, to the last bit")
    code = 0
    for name in FAULTS if given.faults else ():
        seed = found_after(name)
        print(f"  {name}: {'NOT FOUND' if seed is None else f'found by scenario {seed}'}")
        code = code or int(seed is None)
    return code


if __name__ == "__main__":
    sys.exit(main())
