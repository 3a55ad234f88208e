"""Random partitioned logs in the quick engines and in the reference, to the last bit.

``python -m tests.differential_log 2000`` compares scenarios 1 to 2000 of `tests.scenarios_log`
(seeds are counted, never chosen) and prints what they covered.  It ends with status 1 when there is
a difference, or when a feature was met by fewer than one scenario in a hundred.  ``--plain`` runs
the loop without numba; ``--faults`` plants every fault of `FAULTS` as well, and says after how many
scenarios each was found (within 500).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import simpy

import mesh_lab as ml
from mesh_lab.engines import express_log
from mesh_lab.engines.compiled.driver import NotForCompiled
from mesh_lab.engines.compiled.events import log_driver, log_filling, log_loop
from mesh_lab.messaging.deliveries import DeliveryColumns
from tests.compare_events import reference
from tests.faults import Fault, planted
from tests.scenarios import Case
from tests.scenarios_log import features, make

WITHIN = 500  # scenarios that must find a planted fault
REQUESTS = ("source", "made", "station", "endpoint", "start", "finish", "outcome", "key")
LOOP, DRIVER = "engines.compiled.events.log_loop", "engines.compiled.events.log_driver"
LANE, LANE_ROWS = "engines.express_log", "engines.express_log_rows"
ARRIVING = "engines.compiled.events.arriving"

FAULTS = {
    "lingering batches before the ends of handling": Fault(
        LOOP, "keys[0] - EXPIRY * RANKED < b_sequence[oldest]", "keys[0] < 1"
    ),
    "copies before lingering batches": Fault(LOOP, "HOP, COPY, copies", "0, COPY, copies"),
    "one event too many in a batch": Fault(
        LOOP, "if b < 0 or b_count[b] >= batch:", "if b < 0 or b_count[b] > batch:"
    ),
    "a sticky partitioner that does not wait for a full batch": Fault(
        LOOP, "(s_produced[s] >= batch and full)", "(s_produced[s] >= batch)"
    ),
    "one request too many in flight": Fault(
        LOOP,
        "if flying[s * brokers + broker] < most_in_flight:",
        "if flying[s * brokers + broker] <= most_in_flight:",
    ),
    "partitions in order of their turn": Fault(
        LOOP, "while k > 0 and due[s, k - 1] > p:", "while k > 0 and due[s, k - 1] > p + 99:"
    ),
    "a connection that does not keep order": Fault(
        LOOP, "if w_last[way] > arrives:", "if w_last[way] > arrives + 1e9:"
    ),
    "the leader alone is enough": Fault(
        LOOP, "if followers == 0 or acks != ALL:", "if followers == 0 or acks != 9:"
    ),
    "consumers read what followers have not copied": Fault(
        LOOP, "if ends[other] < high:", "if ends[other] > high:"
    ),
    "a commit before it is time": Fault(
        LOOP, "if g_commit[g] == AFTER and now >= m_next[m]:", "if g_commit[g] == AFTER:"
    ),
    "a poll that begins at the first partition again": Fault(
        LOOP,
        "m_turn[m] = turn + 1 if turn + 1 < many else 0",
        "m_turn[m] = 0",
    ),
    "a poll with one record too many": Fault(
        LOOP, "upto = min(offset + room, p_high[p])", "upto = min(offset + room + 1, p_high[p])"
    ),
    "nobody commits at rest": Fault(
        LOOP, "if m_waits[m] and m_open[m]:", "if m_waits[m] and not m_open[m]:"
    ),
    "the latest is the earliest": Fault(DRIVER, 'group.reset == "latest"', 'group.reset == "-"'),
    "the run ends before everything is committed": Fault(
        LOOP,
        "            live += b_count[b] * groups\n            in_flight -=",
        "            live += 0 * groups\n            in_flight -=",
    ),
    "all sources draw as the first": Fault(
        ARRIVING, "found[mine] = column[arrived.number[mine]]",
        "found[mine] = columns[0][np.minimum(arrived.number[mine], len(columns[0]) - 1)]",
    ),
    "of two sources the last comes first": Fault(
        ARRIVING, 'order = np.argsort(times, kind="stable")',
        'order = len(times) - 1 - np.argsort(times[::-1], kind="stable")',
    ),
    "in the lane, the oldest commit covers everything": Fault(
        LANE_ROWS, "acked[order[first[m] + begin : first[m] + covered]] = time",
        "acked[order[first[m] : first[m] + covered]] = time",
    ),
    "in the lane, a poll begins at the first partition again": Fault(
        LANE, "turn = (at + 1) % many", "turn = 0"
    ),
    "in the lane, one event too many in a batch": Fault(
        LANE, "full = len(batch) >= size", "full = len(batch) > size"
    ),
    "in the lane, nobody commits at rest": Fault(
        LANE, "if waits[member] and handled > covered:", "if waits[member] and handled < covered:"
    ),
    "in the lane, what waits at the end is forgotten": Fault(
        LANE_ROWS, "len(events) - begin, math.nan", "0, math.nan"
    ),
}  # fmt: skip

PLAIN = SimpleNamespace(run_log=log_loop.run_log, fill_rows=log_filling.fill_rows)


def differing(run: Any, wanted: ml.Run) -> list[str]:
    """Return the names of the columns that are not the same, to the last bit.

    Parameters
    ----------
    run : tuple or str
        The columns of requests and of deliveries.
    """
    columns, rows = run
    pairs = [(name, getattr(columns, name), getattr(wanted.columns, name)) for name in REQUESTS]
    right = wanted.delivery_columns
    pairs += [(name, getattr(rows, name), getattr(right, name)) for name in rows.arrays()]
    found = [name for name, got, want in pairs if not _same(got, want)]
    found += [n for n in DeliveryColumns.names() if getattr(rows, n) != getattr(right, n)]
    return found


def _same(got: Any, want: Any) -> bool:
    if got is None or want is None:
        return got is want
    floats = want.dtype.kind == "f"
    return got.dtype == want.dtype and np.array_equal(got, want, equal_nan=floats)


def difference(case: Case, wanted: ml.Run | None, *, plain: bool) -> list[str] | None:
    """Return where the compiled engine differs; None if it leaves the case to the reference."""
    reasons = log_driver.reasons(case.scenario)
    assert not reasons, reasons
    way: AbstractContextManager[Any] = nullcontext()
    if plain:
        way = mock.patch.object(log_driver, "compiled", return_value=PLAIN)
    with way, np.errstate(all="ignore"):
        try:
            made = log_driver.run(
                case.scenario, case.seed, requests=case.requests, until=case.until
            )
        except NotForCompiled:
            return None
    return ["a deadlock"] if wanted is None else differing(made, wanted)


def lane(case: Case, wanted: ml.Run | None) -> list[str] | None:
    """Return where the express lane differs; None if it does not take the case."""
    if not express_log.fits(case.scenario):
        return None
    made = express_log.run(
        simpy.Environment(), case.scenario, case.seed, requests=case.requests, until=case.until
    )
    if made is None:
        return None
    return ["a deadlock"] if wanted is None else differing(made, wanted)


def compare(first: int, last: int, *, plain: bool) -> tuple[Counter[str], list[tuple[int, Any]]]:
    """Compare scenarios; return what they covered, and those that differ."""
    covered: Counter[str] = Counter()
    found = []
    for seed in range(first, last + 1):
        case = make(seed)
        wanted = reference(case)
        columns = difference(case, wanted, plain=plain)
        if columns:
            found.append((seed, columns))
        in_lane = lane(case, wanted)
        if in_lane:
            found.append((seed, ["the express lane", *in_lane]))
        covered["the express lane"] += in_lane is not None
        covered["left to the reference" if columns is None else "compiled"] += 1
        covered.update(set(features(case)))
        if wanted is not None:
            rows = wanted.delivery_columns
            covered["rows"] += len(rows)
            times = rows.finished[~np.isnan(rows.finished)]
            covered["ends together"] += len(np.unique(times)) < len(times)
            covered["lag at the end"] += bool(np.any(np.isnan(rows.delivered)))
    return covered, found


def found_after(name: str, last: int) -> int | None:
    """Plant fault `name`; return the first scenario up to `last` that finds it, or None."""
    for seed in range(1, last + 1):
        case = make(seed)
        wanted = reference(case)
        with planted(name, FAULTS):
            try:
                if difference(case, wanted, plain=True) or lane(case, wanted):
                    return seed
            except Exception:  # a broken loop may break anywhere
                return seed
    return None


def main() -> int:
    """Compare, and say what was covered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", type=int, nargs="?", default=2000)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--faults", action="store_true")
    given = parser.parse_args()
    began = time.perf_counter()
    covered, found = compare(1, given.scenarios, plain=given.plain)
    for what, count in covered.most_common():
        print(f"{count:8} {what}")
    print(f"compared in {time.perf_counter() - began:.0f} s; {len(found)} differ")
    for seed, columns in found[:10]:
        print(f"scenario {seed}: {', '.join(columns)}")
    left = covered.pop("left to the reference", 0)  # a timeout has run out, which is seldom
    least = given.scenarios // 100
    rare = [what for what, count in covered.items() if count < least]
    if rare or left > 3 * least:
        print(f"met by fewer than {least} scenarios: {', '.join(rare)}; {left} were left out")
    missed = 0
    if given.faults:
        for name in FAULTS:
            seed = found_after(name, WITHIN)
            missed += seed is None
            print(f"  {name}: {'NOT FOUND' if seed is None else f'found by scenario {seed}'}")
    return int(bool(found or missed or rare or left > 3 * least))


if __name__ == "__main__":
    sys.exit(main())
