"""The longer checks: ``python -m validation`` runs them and writes RESULTS.md (`make validate`).

1. Theory at 95 % load: 99.9 % intervals over 20 replications (seeds 1 to 20) of every model, and a
   planted error of 3 % in service time, which each must show.
2. Balancers against theory, within three standard errors at loads up to 95 %; longer service times
   and wrong rules, planted, must be found (`validation.balancing`).
3. The replicated store against exact probabilities, and random clusters against its laws
   (`validation.replicated`).
4. Recorded runs of real proxies against the model of them (`validation.measured`).
5. A recorded Envoy under failures against the model of it (`validation.resilience`).
6. The collapse under retries: the state after a pulse, 20 seeds a load (`validation.collapse`).
7. The engine against the independent event loop of the tests: random scenarios 1 to 2000, row by
   row, and faults planted in the engine, each of which must be found.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

from joblib import Parallel, delayed

import mesh_lab as ml
from mesh_lab.statistics import Interval, replication_interval
from tests.compare import Coverage, Expected
from tests.differential import EVERYTHING, HAPPENINGS, compare, found_after, missing
from tests.faults import FAULTS

from .balancing import balancing
from .collapse import collapse
from .measured import measured
from .models import MODELS, Model
from .replicated import replicated
from .resilience import resilience

RESULTS = Path(__file__).with_name("RESULTS.md")
LOAD, REPLICATIONS, WARMUP = 0.95, 20, 5_000.0
REQUESTS, PLANTED_REQUESTS = 300_000, 60_000


def main() -> int:
    """Run all parts; return 1 if anything disagrees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenarios", type=int, default=2000, help="of the differential check")
    given = parser.parse_args()
    good, lines = True, ["# What the longer checks found", "", _written_by(), ""]
    parts = [theory(), balancing(), replicated(), measured(), resilience(), collapse()]
    for part in (*parts, differential(given.scenarios)):
        for fine, line in part:
            good = good and fine
            lines.append(line)
            print(line, flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"\nWritten to {RESULTS.parent.name}/{RESULTS.name}: {'all well' if good else 'FAILED'}")
    return 0 if good else 1


def _written_by() -> str:
    return (
        f"Written by `make validate`; Python {platform.python_version()}. Everything here is "
        "seeded: the same code gives the same numbers."
    )


def theory() -> Iterable[tuple[bool, str]]:
    """Yield the lines about theory, each with whether it is as it should be."""
    yield True, f"## Theory at a load of {LOAD}"
    yield True, ""
    yield (
        True,
        f"99.9 % intervals over {REPLICATIONS} replications of {REQUESTS:,} requests, after "
        f"{WARMUP:,.0f} s of warm-up, in units of the mean service time (`rejected` is a share, "
        "`rate` is requests a second). The last column: is an error of 3 % in service time, "
        f"planted, found with {PLANTED_REQUESTS:,} requests?",
    )
    yield True, ""
    yield True, "| model | what | theory | simulation | inside | 3 % found |"
    yield True, "|---|---|---|---|---|---|"
    for model in MODELS:
        found = _intervals(model, 1.0, REQUESTS)
        planted = _intervals(model, 1.03, PLANTED_REQUESTS)
        expected = model.expected(LOAD)
        seen = any(value not in planted[key] for key, value in expected.items())
        for key, value in expected.items():
            interval = found[key]
            inside = value in interval
            yield (
                inside and seen,
                f"| {model.name} | {key} | {value:.4f} | {interval.low:.4f} to "
                f"{interval.high:.4f} | {_yes(inside)} | {_yes(seen)} |",
            )


def _intervals(model: Model, factor: float, requests: int) -> dict[str, Interval]:
    measured = Parallel(n_jobs=-1)(
        delayed(_measure)(model, factor, requests, seed) for seed in range(1, REPLICATIONS + 1)
    )
    return {
        key: replication_interval([numbers[key] for numbers in measured], confidence=0.999)
        for key in measured[0]
    }


def _measure(model: Model, factor: float, requests: int, seed: int) -> dict[str, float]:
    scenario = model.scenario(LOAD, factor)
    return model.measured(ml.simulate(scenario, requests=requests, seed=seed, warmup=WARMUP))


def differential(scenarios: int) -> Iterable[tuple[bool, str]]:
    """Yield the lines about the independent event loop."""
    coverage = Coverage()
    difference = compare(1, scenarios, coverage)
    yield True, ""
    yield True, "## The engine against the independent event loop"
    yield True, ""
    verdict = "the same rows, to the last bit" if difference is None else f"**{difference}**"
    yield (
        difference is None,
        f"{coverage.cases:,} random scenarios, {coverage.requests:,} requests, "
        f"{coverage.calls:,} visits: {verdict}.",
    )
    lacking = missing(coverage)
    yield not lacking, f"Not covered: {', '.join(lacking) or 'nothing of the lists below'}."
    for title, names, counts in (
        ("Scenarios with", EVERYTHING, coverage.has),
        ("Happened", HAPPENINGS, coverage.happened),
    ):
        yield True, ""
        yield True, f"{title}: " + ", ".join(f"{name} {counts[name]:,}" for name in names) + "."
    yield True, ""
    yield True, "| planted fault | found by scenario |"
    yield True, "|---|---|"
    expected: dict[int, Expected] = {}
    for name in FAULTS:
        seed = found_after(name, expected, min(scenarios, 200))
        yield seed is not None, f"| {name} | {seed if seed is not None else '**not found**'} |"


def _yes(fine: bool) -> str:
    return "yes" if fine else "**no**"


if __name__ == "__main__":
    sys.exit(main())
