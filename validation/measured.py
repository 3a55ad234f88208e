"""The model against recorded runs of real proxies (data/measured).

Everything is replayed, when requests came and how much work each brought, so what is left to
predict is who serves whom and who waits.  One number is fitted, and not on the runs that are
predicted: a constant delay per proxy, outside the workers, from the mean of its round robin run.
It is split evenly between the way there and the way back; how it is split hardly matters, since
a balancer's count of outstanding requests holds the whole of it.
"""

from __future__ import annotations

import csv
import functools
import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mesh_lab as ml
from mesh_lab.balancing import Balancer

__all__ = ["MEAN_WITHIN", "P99_WITHIN", "RULES", "Compared", "delay_of", "measured", "play"]

MEAN_WITHIN, P99_WITHIN = 0.02, 0.04
SEEDS = range(1, 21)
REPLICATIONS = 200  # the least and the largest of 200 are a prediction interval of 199/201 = 99 %

Floats = NDArray[np.float64]

RULES: dict[str, Balancer] = {
    "envoy": ml.LeastRequest(choices="all"),
    "haproxy": ml.LeastConnections(),
}


@functools.cache
def recorded(name: str) -> tuple[NDArray[np.int64], Floats]:
    """Who served each request, and how long it took, in a recorded run."""
    with gzip.open(ml.data_path(f"measured/{name}.csv.gz"), "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return (
        np.array([int(row["endpoint"]) for row in rows]),
        np.array([float(row["latency_s"]) for row in rows]),
    )


def play(
    rule: Balancer | Callable[[Any, Any], int], delay: float, seed: int = 1, factor: float = 1.0
) -> Floats:
    """Replay the workload and return how long each request took; `factor` plants an error."""
    requests = ml.data_path("measured/requests.csv.gz")
    scenario = ml.Scenario(
        ml.Replay("shop", requests, to="orders", time="scheduled_s", service_time="service_s"),
        ml.Service(
            "orders",
            endpoints=tuple(ml.Endpoint(str(e), speed=1.0 / factor) for e in range(10)),
            balancer=rule,
            forward_delay=delay / 2.0,
            return_delay=delay / 2.0,
        ),
    )
    return np.asarray(ml.simulate(scenario, seed=seed).requests["latency"])


@functools.cache
def delay_of(proxy: str) -> float:
    """The delay that gives the proxy's round robin run its mean; in turn, it moves no queue."""
    _, latency = recorded(f"{proxy}-round-robin")
    return float(latency.mean() - play(ml.RoundRobin(), 0.0).mean())


def as_recorded(name: str) -> Callable[[Any, Any], int]:
    """A balancer that sends each request where it went in the recorded run."""
    endpoints, _ = recorded(name)
    return lambda sight, request: int(endpoints[request.number])


@dataclass(frozen=True)
class Compared:
    """How far a prediction is off, as a share of what was recorded."""

    mean: float
    p99: float

    @property
    def fine(self) -> bool:
        """Whether it is as near as was asked for."""
        return abs(self.mean) <= MEAN_WITHIN and abs(self.p99) <= P99_WITHIN


def compared(predicted: Floats, name: str) -> Compared:
    """Compare a prediction with the recorded run of this name."""
    _, latency = recorded(name)
    return Compared(
        float(predicted.mean() / latency.mean()) - 1.0,
        float(np.quantile(predicted, 0.99) / np.quantile(latency, 0.99)) - 1.0,
    )


def own_picks(factor: float = 1.0, replications: int = REPLICATIONS) -> Floats:
    """Mean and 99th percentile under random picks of the model's own; shape (replications, 2)."""
    rows = []
    for seed in range(1, replications + 1):
        latency = play(ml.Random(), delay_of("envoy"), seed, factor)
        rows.append((float(latency.mean()), float(np.quantile(latency, 0.99))))
    return np.array(rows)


def measured() -> Iterable[tuple[bool, str]]:
    """Yield the lines about the recorded runs, each with whether it is as it should be."""
    yield True, ""
    yield True, "## Recorded runs of real proxies"
    yield True, ""
    yield (
        True,
        "The workload of data/measured replayed; how far mean and 99th percentile are off, the "
        f"worst of seeds {SEEDS[0]} to {SEEDS[-1]}. One delay for each proxy, fitted on round "
        f"robin; asked for: {MEAN_WITHIN:.0%} and {P99_WITHIN:.0%}.",
    )
    yield True, ""
    yield True, "| run | picks | delay | mean | 99th percentile | as it should |"
    yield True, "|---|---|---|---|---|---|"
    for proxy, rule in RULES.items():
        name, delay = f"{proxy}-least-request", delay_of(proxy)
        every = [compared(play(rule, delay, seed), name) for seed in SEEDS]
        worst = Compared(
            max((c.mean for c in every), key=abs), max((c.p99 for c in every), key=abs)
        )
        yield worst.fine, _line(name, "its own", delay, worst)
    delay = delay_of("envoy")
    again = compared(play(as_recorded("envoy-random"), delay), "envoy-random")
    yield again.fine, _line("envoy-random", "as recorded", delay, again)
    yield True, ""
    _, latency = recorded("envoy-random")
    values, mean = own_picks(), float(latency.mean())
    low, high = float(values[:, 0].min()), float(values[:, 0].max())
    inside = low <= mean <= high
    yield (
        inside,
        f"envoy-random with picks of the model's own: mean recorded {mean * 1e3:.2f} ms, 99 % "
        f"prediction interval of {REPLICATIONS} replications {low * 1e3:.2f} to {high * 1e3:.2f} "
        f"ms: {'inside' if inside else '**outside**'}.",
    )
    p99 = float(np.quantile(latency, 0.99))
    low, high = float(values[:, 1].min()), float(values[:, 1].max())
    inside = low <= p99 <= high
    yield (
        inside,
        f"Its 99th percentile: recorded {p99 * 1e3:.0f} ms, interval {low * 1e3:.0f} to "
        f"{high * 1e3:.0f} ms: {'inside' if inside else '**outside**'}.",
    )


def _line(name: str, picks: str, delay: float, off: Compared) -> str:
    return (
        f"| {name} | {picks} | {delay * 1e3:.2f} ms | {off.mean:+.2%} | {off.p99:+.2%} "
        f"| {'yes' if off.fine else '**no**'} |"
    )
