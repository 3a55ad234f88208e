"""Random scenarios in the engine and in the oracle, row by row; prints what they covered.

``python -m tests.differential 2000`` compares scenarios 1 to 2000 (seeds are counted, never
chosen) and ends with status 1 at the first difference, after it has been shrunk to something
small; ``--faults`` also plants every fault of `tests.faults` and says after how many scenarios
each was found.
"""

from __future__ import annotations

import argparse
import sys

from tests.compare import Coverage, Expected, first_difference, report
from tests.faults import FAULTS, planted
from tests.scenarios import make

EVERYTHING = (
    # sources
    *("Poisson", "PoissonBatches", "Renewal", "Bursts", "TimeVarying"),
    *("Users", "Merge", "Replay", "AccessLog", "carried service times", "a user's function"),
    # lines
    *("fifo", "lifo", "random", "ps", "priority", "preemptive", "sjf", "edf"),
    *("overflow reject", "overflow drop_oldest", "overflow block", "time-to-live"),
    # who serves them
    *("Service", "Queue", "Handler", "sync I/O", "async I/O", "concurrency", "failure"),
    *("outage of a service", "outage of a handler", "routing", "feedback to itself"),
    *("RoundRobin of several", "Random of several", "LeastRequest of several"),
    "all five together",
)
HAPPENINGS = (
    *(f"outcome {name}" for name in ("ok", "rejected", "dropped", "expired", "failed")),
    *("outcome crashed", "outcome unavailable", "came back", "preempted", "blocked"),
    *("released: a source", "released: a worker", "released: a batch that went on"),
    *("turned away while blocked", "crashed while blocked"),
    *("events at the time of the one before", "picked at random among several"),
    *("sharing: more than workers", "deadlock"),
)


def missing(coverage: Coverage) -> list[str]:
    """Return what the compared scenarios had not, though they should."""
    return [what for what in EVERYTHING if not coverage.has[what]] + [
        what for what in HAPPENINGS if not coverage.happened[what]
    ]


def compare(first: int, last: int, coverage: Coverage) -> str | None:
    """Compare scenarios `first` to `last`; return the first difference, shrunk, or None."""
    for seed in range(first, last + 1):
        case = make(seed)
        if first_difference(case, coverage=coverage) is not None:
            return f"scenario {seed}: {report(case)}"
    return None


def found_after(name: str, expected: dict[int, Expected], last: int) -> int | None:
    """Plant fault `name`; return the scenario that finds it, or None; `expected` is a cache."""
    with planted(name):
        for seed in range(1, last + 1):
            case = make(seed)
            if seed not in expected:
                expected[seed] = Expected(case)
            if first_difference(case, expected=expected[seed], tolerate_errors=True) is not None:
                return seed
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", type=int, help="how many scenarios")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--faults", action="store_true", help="plant the faults as well")
    given = parser.parse_args()
    coverage = Coverage()
    difference = compare(given.first, given.first + given.scenarios - 1, coverage)
    print(coverage)
    if difference is not None:
        print(difference)
        return 1
    print("engine and oracle: the same rows, to the last bit")
    if given.faults:
        expected: dict[int, Expected] = {}
        for name in FAULTS:
            seed = found_after(name, expected, given.scenarios)
            print(f"  {name}: {'NOT FOUND' if seed is None else f'found by scenario {seed}'}")
            if seed is None:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
