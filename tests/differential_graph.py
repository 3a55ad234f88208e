"""Random service graphs in the compiled engine and in the reference, to the last bit.

``python -m tests.differential_graph 3000`` compares scenarios 1 to 3000 of `tests.scenarios_graph`
(seeds are counted, never chosen) and prints what they covered.  It ends with status 1 when there is
a difference, which is shown shrunken, or when a feature or a happening was met by fewer than one
scenario in sixty.  ``--plain`` runs the loop without numba; ``--faults`` plants every fault of
`tests.faults_graph` as well, and says after how many scenarios each was found (within 500).
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor

from tests.compare_compiled import Coverage, Way
from tests.compare_graph import LEFT, first_difference
from tests.faults_graph import FAULTS, found_after
from tests.features_graph import EVERYTHING
from tests.happenings_graph import HAPPENINGS
from tests.scenarios_graph import MIXES, make, mix_of
from tests.shrink_graph import report

HANGS = 300.0  # seconds that one scenario may take, compiling included
WITHIN = 500  # scenarios that must find a planted fault
RARE = 60  # everything is met by one scenario in so many


def missing(coverage: Coverage, least: int) -> list[str]:
    """Return what fewer than `least` of the compared scenarios had, though they should."""
    left = coverage.happened[LEFT]
    if left > coverage.cases // 10:
        return [f"those that are not {LEFT} ({coverage.cases - left})"]
    return [
        f"{what} ({counts[what]})"
        for counts, whats in ((coverage.has, EVERYTHING), (coverage.happened, HAPPENINGS))
        for what in whats
        if counts[what] < least
    ]


def compare(seeds: list[int], way: Way) -> tuple[Coverage, list[int]]:
    """Compare scenarios; return what they covered and the seeds of those that differ."""
    coverage, found = Coverage(), []
    for seed in seeds:
        watch = threading.Timer(HANGS, _hangs, [seed])
        watch.daemon = True
        watch.start()
        try:
            if first_difference(make(seed), way, coverage=coverage) is not None:
                found.append(seed)
        except Exception as error:
            error.add_note(f"This is scenario {seed}.")
            raise
        finally:
            watch.cancel()
    return coverage, found


def _hangs(seed: int) -> None:
    """Say which scenario goes on for ever, and end the process, even from compiled code."""
    print(f"scenario {seed} takes more than {HANGS:g} s", file=sys.stderr, flush=True)
    os._exit(1)


def compare_all(scenarios: int, way: Way, processes: int) -> tuple[Coverage, list[int]]:
    """Compare scenarios 1, 2, ..., those with equal rules in one process: they share a loop."""
    groups: dict[int, list[int]] = defaultdict(list)
    for seed in range(1, scenarios + 1):
        groups[mix_of(seed)].append(seed)
    if processes == 1:
        return compare(list(range(1, scenarios + 1)), way)
    coverage, found = Coverage(), []
    with ProcessPoolExecutor(processes) as pool:
        for some, differ in pool.map(compare, groups.values(), [way] * len(groups)):
            coverage.add(some)
            found += differ
    return coverage, sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", type=int, nargs="?", default=3000, help="how many scenarios")
    parser.add_argument("--plain", action="store_true", help="run the loop without numba")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--faults", action="store_true", help="plant the faults as well")
    given = parser.parse_args()
    way: Way = "plain" if given.plain else "compiled"
    began = time.perf_counter()
    coverage, found = compare_all(given.scenarios, way, given.processes)
    print(coverage)
    print(f"{len(MIXES)} mixes of rules, compared in {time.perf_counter() - began:.0f} s")
    if found:
        print(f"{len(found)} scenarios differ: {', '.join(map(str, found[:20]))}")
        first = make(found[0])
        if first_difference(first, "plain") is not None:
            way = "plain"  # shrinking would compile many loops
        print(f"scenario {found[0]}, {way}: {report(first, way)}")
        return 1
    least = given.scenarios // RARE
    lacking = missing(coverage, least)
    if lacking:
        print(f"met by fewer than {least} scenarios: {', '.join(lacking)}")
        return 1
    print(f"{way} engine and reference: the same columns, to the last bit")
    return _plant() if given.faults else 0


def _plant() -> int:
    code = 0
    for name in FAULTS:
        seed = found_after(name, WITHIN)
        print(f"  {name}: {'NOT FOUND' if seed is None else f'found by scenario {seed}'}")
        code = code or int(seed is None)
    return code


if __name__ == "__main__":
    sys.exit(main())
