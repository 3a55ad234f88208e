"""The recordings of a real Envoy in data/resilience/: ejections as documented.

As in test_recorded_resilience.py, the rules are a small account of their own, which follows what
the back ends and Envoy's logs say, and nothing of `mesh_lab` is used.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest

from tests.recorded_resilience import (
    NOISE,
    attempts,
    cluster,
    counters,
    events,
    runs,
    runs_of,
    schedule,
)

RUNS = runs()

EJECTING = [name for name, row in RUNS.items() if row["scenario"].startswith("eject-")]
CONSECUTIVE = [run for run in EJECTING if "percentage" not in run and "rate" not in run]


class Detector:
    """Consecutive errors and the limit of ejections, from what back ends answered."""

    def __init__(self, run: str) -> None:
        settings = cluster(run)["outlier_detection"]
        self.hosts = len(cluster(run)["load_assignment"]["endpoints"][0]["lb_endpoints"])
        self.percent = settings.get("max_ejection_percent", 10)
        self.one = settings.get("always_eject_one_host", False)
        self.errors: Counter[int] = Counter()
        self.out: set[int] = set()
        self.refused = 0

    def heard(self, host: int, bad: bool) -> bool:
        """Return whether the host goes out now."""
        self.errors[host] = self.errors[host] + 1 if bad else 0
        if self.errors[host] != 5 or host in self.out:
            return False
        self.errors[host] = 0
        fits = 100 * (len(self.out) + 1) / self.hosts <= self.percent
        if fits or (self.one and not self.out):
            self.out.add(host)
            return True
        self.refused += 1
        return False

    def back(self, host: int) -> None:
        self.out.discard(host)
        self.errors[host] = 0


def log(run: str, action: str) -> list[tuple[float, int]]:
    """Time and host of what was enforced."""
    rows = (row for row in events(run) if row["action"] == action and row["enforced"] != "0")
    return [(1000 * float(row["time_s"]), int(row["back_end"])) for row in rows]


@pytest.mark.parametrize("run", CONSECUTIVE)
def test_five_errors_in_a_row_eject_where_the_limit_lets_them(run: str) -> None:
    detector = Detector(run)
    heard = [(one.ended, 1, one.back_end, one.left or one.status >= 500) for one in attempts(run)]
    returned = [(time, 0, host, False) for time, host in log(run, "uneject")]
    found = []
    for time, kind, host, bad in sorted(heard + returned):
        if kind == 0:
            detector.back(host)
        elif detector.heard(host, bad):
            found.append((time, host))
    logged = log(run, "eject")
    assert [host for _, host in found] == [host for _, host in logged]
    assert all(-2.0 <= b - a <= 5.0 for (a, _), (b, _) in zip(found, logged, strict=True))
    counted = counters(run)
    assert counted.get("outlier_detection.ejections_enforced_total", 0) == len(logged)
    assert bool(logged) == (RUNS[run]["scenario"] != "eject-nine")


@pytest.mark.parametrize("run", EJECTING)
def test_a_host_comes_back_at_the_first_sweep_after_its_time(run: str) -> None:
    """2 s times the multiplier: one more for each ejection, one less for each healthy sweep.

    Whether the sweep right after the one that put the host back counts is a matter of less than a
    millisecond, as that sweep must be a whole interval later; so both are allowed.
    """
    coarse = RUNS[run]["scenario"] == "eject-one-default"
    within = 15.0 if coarse else 5.0
    since: dict[int, float] = {}
    multiplier: dict[int, tuple[int, int]] = {}
    back: dict[int, float] = {}
    actions = [(t, h, True) for t, h in log(run, "eject")]
    for time, host, out in sorted(actions + [(t, h, False) for t, h in log(run, "uneject")]):
        if out:
            low, high = multiplier.get(host, (0, 0))
            healthy = math.floor((time - back.get(host, time)) / 1000)
            low, high = max(low - healthy, 0), max(high - max(healthy - 1, 0), 0)
            multiplier[host], since[host] = (low + 1, high + 1), time
            continue
        sweep = float(RUNS[run]["sweep_s"]) * 1000
        every = float(RUNS[run]["sweep_every_s"] or 1) * 1000
        assert abs((time - sweep + every / 2) % every - every / 2) <= within, "at a sweep"
        lasted = time - since.pop(host)
        fitting = [m for m in multiplier[host] if 2000 * m <= lasted + within <= 2000 * m + 1020]
        assert fitting, (run, host, lasted, multiplier[host])
        multiplier[host], back[host] = (fitting[0], fitting[0]), time
    end = schedule(run)[-1][0]
    assert all(end < start + 2000 * multiplier[h][1] + 1020 for h, start in since.items())


@pytest.mark.parametrize("run", EJECTING)
def test_nothing_is_sent_to_an_ejected_host_unless_in_panic(run: str) -> None:
    hosts = Detector(run).hosts
    merged = 1000.0 if "common_lb_config" not in cluster(run) else 0.0
    out: dict[int, float] = {}
    marks = [(time, 1, host) for time, host in log(run, "eject")]
    marks += [(time - NOISE, 0, host) for time, host in log(run, "uneject")]
    marks += [(one.arrived, 2, one.back_end) for one in attempts(run)]
    in_panic = in_window = 0
    for time, kind, host in sorted(marks):
        if kind == 1:
            out[host] = time
        elif kind == 0:
            out.pop(host, None)
        elif host in out and time > out[host] + NOISE:
            panic = 100 * (hosts - len(out)) / hosts < 50
            assert panic or time < out[host] + merged + NOISE, (run, time, host)
            in_panic += panic
            in_window += not panic
    assert (in_panic > 0) == (RUNS[run]["scenario"] == "eject-panic")
    assert (in_window > 0) == (merged > 0), "changes within a second of another come late"


def rates(run: str, after: float, until: float, out: set[int]) -> dict[int, float]:
    """Success rates (%) of the hosts that are not out, with at least ten answers."""
    heard: dict[int, list[bool]] = defaultdict(list)
    for one in attempts(run):
        if after < one.ended <= until:
            heard[one.back_end].append(one.status < 500)
    return {h: 100 * sum(x) / len(x) for h, x in heard.items() if len(x) >= 10 and h not in out}


RATED = runs_of("eject-success-rate", "eject-failure-percentage")


@pytest.mark.parametrize("run", RATED)
def test_rates_and_thresholds_are_those_of_the_answers_since_the_last_sweep(run: str) -> None:
    """In whole per cent, rounded down, as logged; an answer within 4 ms may count or not."""
    percentage = RUNS[run]["scenario"] == "eject-failure-percentage"
    out: set[int] = set()
    seen = 0
    for row in events(run):
        host, time = int(row["back_end"]), 1000 * float(row["time_s"])
        if row["action"] == "uneject":
            out.discard(host)
            continue
        if row["kind"] not in ("success_rate", "failure_percentage"):
            continue
        fits = False
        for start in range(-4, 5):
            for end in range(-4, 5):
                found = rates(run, time - 1000 + start, time + end, out)
                if not found or host not in found:
                    continue
                mean = sum(found.values()) / len(found)
                spread = math.sqrt(sum((x - mean) ** 2 for x in found.values()) / len(found))
                wanted = [str(int(x)) for x in (found[host], mean, mean - 1.9 * spread)]
                logged = [row["host_rate"], row["mean_rate"], row["threshold"]]
                fits |= wanted[:1] == logged[:1] if percentage else wanted == logged
        assert fits, row
        if percentage:
            assert int(row["host_rate"]) <= 100 - 85
        else:
            assert int(row["host_rate"]) <= int(row["threshold"])
        if row["enforced"] == "1":
            out.add(host)
            seen += 1
    assert seen


def test_three_bad_hosts_of_ten_are_no_outliers() -> None:
    for run in runs_of("eject-success-rate-three"):
        assert not events(run)
        assert int(RUNS[run]["503"]) > 50
    ejected = {row["back_end"] for run in RATED for row in events(run) if "percentage" in run}
    assert ejected >= {"1", "8"}, "9 of 10 and all are above 85 %"
