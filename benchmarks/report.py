"""The page that the measurements leave: bars first, then every number."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .peers import PEERS
from .sides import COMPILED, PLAIN, SIDES, SIMPY, Sizes
from .timing import ratio
from .workloads import Workload

VERSIONS = ("simpy", "numpy", "numba", *PEERS)
GROWTH = 8.0  # times the time per request from 10 to 10 000 endpoints


@dataclass(frozen=True)
class Bar:
    """Something measured that has a bar."""

    what: str
    measured: str
    bar: str
    met: bool


@dataclass
class Results:
    """All that one run of the benchmarks has found; times are seconds a request."""

    sizes: Sizes
    rounds: int
    speed: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    growth: dict[str, dict[int, float]] = field(default_factory=dict)
    first_use: dict[str, tuple[float, float]] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def speeds(self) -> dict[str, dict[str, float]]:
        """Return requests per second: medians over the rounds."""
        return {
            name: {side: 1.0 / statistics.median(times) for side, times in sides.items()}
            for name, sides in self.speed.items()
        }


def speed_bars(workload: Workload, times: Mapping[str, list[float]]) -> list[Bar]:
    """Return how the two engines stand to the plain script; missing counts as missed."""
    found = []
    for side, least in ((SIMPY, workload.simpy_bar), (COMPILED, workload.bar)):
        what = f"{workload.name}: {side} / {PLAIN}"
        if side in times and PLAIN in times:
            by = ratio(times[PLAIN], times[side])
            bar = f"at least {least:g}" if least else "none"
            found.append(Bar(what, f"{by:.1f} times", bar, by >= least))
        else:
            found.append(Bar(what, "not there", f"at least {least:g}", False))
    return found


def growth_bar(workload: Workload, times: Mapping[int, float]) -> Bar:
    """Return by how much the time a request has grown from the fewest endpoints to the most."""
    by = times[max(times)] / times[min(times)]
    what = f"{workload.name}: time a request, {min(times)} to {max(times):,} endpoints"
    if not workload.grows:
        return Bar(what, f"{by:.1f} times", "none", True)
    return Bar(what, f"{by:.1f} times", f"at most {GROWTH:.0f}", by <= GROWTH)


def machine() -> str:
    """Return the machine and the versions, in a sentence."""
    found = []
    for name in VERSIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return (
        f"Machine: {_processor()}, {platform.system()}; Python {platform.python_version()}, "
        f"{', '.join(found)}."
    )


def _processor() -> str:
    """Return the processor's name where the system tells it, and its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def page(results: Results, figure: str | None) -> str:
    """Return the page as Markdown."""
    sizes = results.sizes
    missed = [bar for bar in results.bars if not bar.met]
    lines = [
        "# What was measured",
        "",
        "Written by `python -m benchmarks`. Processor time, "
        f"{_rounds(results.rounds)} in which all sides take turns. The engines and the C loop "
        f"simulate {sizes.ours:,} requests, the plain scripts {sizes.plain:,} and the other "
        f"simulators {sizes.peers:,}; all speeds are per request.",
        machine(),
        "",
        f"{len(results.bars)} bars, {len(missed)} missed" + (":" if missed else "."),
        *(f"- {bar.what}: {bar.measured}, {bar.bar}" for bar in missed),
        "",
    ]
    if results.speed:
        lines += ["## Speed", "", *_speed_words(figure), *_speed_table(results), ""]
    if results.growth:
        lines += ["## Many endpoints", "", *_growth_table(results), ""]
    if results.first_use:
        lines += ["## First use", "", *_first_use_table(results), ""]
    lines += ["## Bars", "", *_table(("what", "measured", "bar", ""), map(_cells, results.bars))]
    if results.missing:
        lines += ["", "## Not measured", "", *(f"- {why}" for why in results.missing)]
    return "\n".join([*lines, ""])


def _rounds(rounds: int) -> str:
    return "one round" if rounds == 1 else f"medians of {rounds} rounds"


def _speed_words(figure: str | None) -> list[str]:
    words = (
        "Thousands of requests per second of processor time, rows kept; load 0.8. M/M/c are one "
        "queue, the log has 12 partitions and 12 members, and all others are 50 FIFO endpoints "
        "with one worker each. In brackets: times the plain script."
    )
    picture = [f"![Speed of every side on every workload]({figure})", ""] if figure else []
    return [words, "", *picture]


def _speed_table(results: Results) -> list[str]:
    rows = []
    for name, times in results.speed.items():
        row = [name]
        for side in SIDES:
            if side not in times:
                row.append("")
                continue
            speed = f"{1e-3 / statistics.median(times[side]):,.0f}"
            brackets = side in (SIMPY, COMPILED) and PLAIN in times
            row.append(f"{speed} ({ratio(times[PLAIN], times[side]):.1f})" if brackets else speed)
        rows.append(row)
    return _table(("workload", *SIDES), rows)


def _growth_table(results: Results) -> list[str]:
    counts = sorted({n for times in results.growth.values() for n in times})
    rows = [
        [name, *(f"{1e6 * times[n]:.2f}" if n in times else "" for n in counts)]
        for name, times in results.growth.items()
    ]
    words = "Microseconds a request on the compiled engine, by the number of endpoints, load 0.8."
    return [words, "", *_table(("policy", *(f"{n:,}" for n in counts)), rows)]


def _first_use_table(results: Results) -> list[str]:
    rows = [
        [name, f"{first:.2f} s", f"{later:.2f} s"]
        for name, (first, later) in results.first_use.items()
    ]
    words = "The first compiled run of a process, 1 000 requests: with an empty cache, and later."
    return [words, "", *_table(("workload", "empty cache", "later processes"), rows)]


def _cells(bar: Bar) -> list[str]:
    verdict = "" if bar.bar == "none" else "met" if bar.met else "**missed**"
    return [bar.what, bar.measured, bar.bar, verdict]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:]]
