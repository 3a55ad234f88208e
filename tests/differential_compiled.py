"""Random scenarios in the compiled engine and in the reference, to the last bit; prints coverage.

``python -m tests.differential_compiled 5000`` compares scenarios 1 to 5000 of
`tests.scenarios_compiled` (seeds are counted, never chosen), and the express lane where it fits.
It ends with status 1 when there is a difference, which is shown shrunken, or when a rule, a
discipline or another feature was met by fewer than one scenario in a hundred.  ``--plain`` runs the
loop without numba; ``--faults`` plants every fault of `tests.faults_compiled` as well, and says
after how many scenarios each was found (within 500).
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor

from mesh_lab.engines.compiled.world import DISCIPLINES
from mesh_lab.ledger import OUTCOMES
from tests.compare_compiled import Coverage, Way, first_difference, report
from tests.faults_compiled import FAULTS, found_after
from tests.scenarios_compiled import RULES, cramped, make

HANGS = 300.0  # seconds that one scenario may take, compiling included
WITHIN = 500  # scenarios that must find a planted fault
EVERYTHING = (
    *RULES,
    *DISCIPLINES,
    # sources
    *("Poisson", "Renewal", "PoissonBatches", "Bursts", "TimeVarying", "Merge", "Users"),
    *("Replay", "AccessLog", "carried service times", "priorities drawn"),
    *("several sources", "uniform keys", "Zipf keys", "requests=", "until=", "to its end"),
    # lines and endpoints
    *("capacity", "no limit", "several workers", "a plain line", "Queue"),
    *("weights", "speeds", "priority levels", "several balancers", "panic threshold"),
    *(
        f"{way} delay {kind}"
        for way in ("forward", "return")
        for kind in ("0", "constant", "drawn")
    ),
    *("Fail", "Recover", "Slow", "Join", "Leave", "Drain", "Failures"),
    *("DeterministicSubset", "RandomSubset", "Aperture", "ZoneAware", "LocalityWeighted"),
    # forms of rules
    *("LeastRequest choices=all", "LeastRequest weighted", "LeastRequest with slow_start"),
    *("RoundRobin weighted", "RoundRobin with slow_start", "LeastConnections weighted"),
    *("JoinShortestQueue with refresh", "PowerOfD with refresh", "JoinIdleQueue withdraw=True"),
    *("RingHash with balance_factor", "Maglev with balance_factor", "Maglev weighted"),
    *("RingHash weighted", "Rendezvous weighted", "LoadReports out_of_band=True"),
    *("cramped", "summary without rows"),
)
HAPPENINGS = (
    *(f"outcome {name}" for name in ("ok", "rejected", "crashed", "unavailable", "in_flight")),
    *("waiting", "one pass", "the express lane", "arrivals together", "ends together"),
    *("an arrival and a completion together", "a change together with other events"),
)
assert set(OUTCOMES) >= {what.removeprefix("outcome ") for what in HAPPENINGS[:5]}


def missing(coverage: Coverage, least: int) -> list[str]:
    """Return what fewer than `least` of the compared scenarios had, though they should."""
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
            if first_difference(make(seed), way, cramped(seed), coverage=coverage) is not None:
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
    """Compare scenarios 1, 2, ..., each rule in one process, so that it is compiled once."""
    groups: dict[int, list[int]] = defaultdict(list)
    for seed in range(1, scenarios + 1):
        groups[seed // 2 % len(RULES)].append(seed)
    coverage, found = Coverage(), []
    if processes == 1:
        return compare(list(range(1, scenarios + 1)), way)
    with ProcessPoolExecutor(processes) as pool:
        for some, differ in pool.map(compare, groups.values(), [way] * len(groups)):
            coverage.add(some)
            found += differ
    return coverage, sorted(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", type=int, nargs="?", default=5000, help="how many scenarios")
    parser.add_argument("--plain", action="store_true", help="run the loop without numba")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--faults", action="store_true", help="plant the faults as well")
    given = parser.parse_args()
    way: Way = "plain" if given.plain else "compiled"
    began = time.perf_counter()
    coverage, found = compare_all(given.scenarios, way, given.processes)
    print(coverage)
    print(f"compared in {time.perf_counter() - began:.0f} s")
    if found:
        first = found[0]
        print(f"{len(found)} scenarios differ: {', '.join(map(str, found[:20]))}")
        print(f"scenario {first}: {report(make(first), way, cramped(first))}")
        return 1
    least = given.scenarios // 100
    lacking = missing(coverage, least)
    if lacking:
        print(f"met by fewer than {least} scenarios: {', '.join(lacking)}")
        return 1
    print(f"{way} engine and reference: the same columns, to the last bit")
    if given.faults:
        return _plant()
    return 0


def _plant() -> int:
    code = 0
    for name in FAULTS:
        seed = found_after(name, WITHIN)
        print(f"  {name}: {'NOT FOUND' if seed is None else f'found by scenario {seed}'}")
        code = code or int(seed is None)
    return code


if __name__ == "__main__":
    sys.exit(main())
