"""Queueing models that can be simulated and that theory knows: what each must agree on.

Every model is built for a load (the utilisation of its busiest station) and can be given a planted
error: all service times longer by a factor that the theory is not told of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import mesh_lab as ml
from mesh_lab import theory

__all__ = ["MODELS", "Model"]

Numbers = dict[str, float]
BURSTY = ml.HyperExponential.fit(mean=1.0, scv=4.0)


@dataclass(frozen=True)
class Model:
    """A model in both worlds.

    Attributes
    ----------
    scenario : callable
        (load, factor on service times) -> Scenario, with a mean service time of about 1 second.
    expected : callable
        load -> what theory says, by name.
    measured : callable
        (run, share of the run that is warm-up) -> the same names from a run.
    """

    name: str
    scenario: Callable[[float, float], ml.Scenario]
    expected: Callable[[float], Numbers]
    measured: Callable[[ml.Run], Numbers]


def responses(*names: str) -> Callable[[ml.Run], Numbers]:
    """The mean response of each part, after the warm-up."""
    return lambda run: {name: float(np.mean(run.latencies(name))) for name in names}


def stretched(distribution: ml.Distribution, factor: float) -> ml.Distribution:
    """The same shape with every value longer by `factor`."""
    if isinstance(distribution, ml.Exponential):
        return ml.Exponential(mean=distribution.mean * factor)
    if isinstance(distribution, ml.Deterministic):
        return ml.Deterministic(value=distribution.value * factor)
    assert isinstance(distribution, ml.HyperExponential)
    means = tuple(mean * factor for mean in distribution.means)
    return ml.HyperExponential(means=means, probabilities=distribution.probabilities)


def single(
    work: ml.Distribution, *, workers: int = 1, **fields: object
) -> Callable[[float, float], ml.Scenario]:
    """One Poisson source and one service."""

    def scenario(load: float, factor: float) -> ml.Scenario:
        return ml.Scenario(
            ml.Poisson("a", rate=load * workers / work.mean, to="s"),
            ml.Service("s", workers=workers, service_time=stretched(work, factor), **fields),  # type: ignore[arg-type]
        )

    return scenario


def classes(discipline: str) -> Callable[[float, float], ml.Scenario]:
    """An urgent class of short requests (0.4 of the work) and a normal one of long, bursty ones."""

    def scenario(load: float, factor: float) -> ml.Scenario:
        # a class is a source; the service draws by class through a user's function, so that
        # each class has a service time of its own
        short, long_ = ml.Exponential(mean=0.5 * factor), stretched(BURSTY, factor)

        def work(request: object, rng: np.random.Generator) -> float:
            of = short if request.priority == 0 else long_  # type: ignore[attr-defined]
            return float(of.draw(rng, 1)[0])

        return ml.Scenario(
            ml.Poisson("urgent", rate=0.4 * load / 0.5, to="s", priority=0),
            ml.Poisson("normal", rate=0.6 * load, to="s", priority=1),
            ml.Service("s", service_time=work, discipline=discipline),  # type: ignore[arg-type]
        )

    return scenario


def classes_expected(preemptive: bool) -> Callable[[float], Numbers]:
    """Cobham's formulas, or those of preemptive-resume."""

    def expected(load: float) -> Numbers:
        known = theory.mg1_priority(
            arrival_rates=(0.4 * load / 0.5, 0.6 * load),
            service_means=(0.5, 1.0),
            service_scvs=(1.0, 4.0),
            preemptive=preemptive,
        )
        return {"urgent": known.classes[0].response, "normal": known.classes[1].response}

    return expected


def bounded(load: float, factor: float) -> ml.Scenario:
    """M/M/2 with room for three more."""
    return ml.Scenario(
        ml.Poisson("a", rate=2.0 * load, to="s"),
        ml.Service("s", workers=2, capacity=3, service_time=ml.Exponential(mean=factor)),
    )


def bounded_expected(load: float) -> Numbers:
    """Birth and death."""
    known = theory.mmck(arrival_rate=2.0 * load, service_rate=1.0, servers=2, waiting_room=3)
    return {"a": known.response, "rejected": known.blocking_probability}


def bounded_measured(run: ml.Run) -> Numbers:
    """Response of the accepted, and the share of the rejected."""
    requests = run.requests[run.requests["arrival"] >= run.warmup]
    rejected = float((requests["outcome"] == "rejected").mean())
    return {"a": float(np.mean(run.latencies("a"))), "rejected": rejected}


GAP = ml.Gamma(mean=1.0, shape=0.5)  # scv 2: more irregular than Poisson arrivals


def renewal(load: float, factor: float) -> ml.Scenario:
    """GI/M/1."""
    return ml.Scenario(
        ml.Renewal("a", gap=ml.Gamma(mean=1.0 / load, shape=0.5), to="s"),
        ml.Service("s", service_time=ml.Exponential(mean=factor)),
    )


def renewal_expected(load: float) -> Numbers:
    """The geometric queue of GI/M/1."""
    gap = ml.Gamma(mean=1.0 / load, shape=0.5)
    known = theory.gim1(arrival_rate=load, interarrival_laplace=gap.laplace, service_rate=1.0)
    return {"a": known.response}


ROUTES = {"front": {"back": 0.5, "store": 0.3}, "back": {"front": 0.4}, "store": {"store": 0.2}}


def network(load: float, factor: float) -> ml.Scenario:
    """An open network with feedback, through two stations and back to itself."""
    return ml.Scenario(
        ml.Poisson("a", rate=0.8 * load, to="front"),
        ml.Service("front", service_time=ml.Exponential(mean=factor), to=ROUTES["front"]),
        ml.Service("back", service_time=ml.Exponential(mean=1.5 * factor), to=ROUTES["back"]),
        ml.Service(
            "store", workers=2, service_time=ml.Exponential(mean=2 * factor), to=ROUTES["store"]
        ),
    )


def network_expected(load: float) -> Numbers:
    """Jackson's product form."""
    known = theory.jackson(
        arrival_rates={"front": 0.8 * load},
        service_rates={"front": 1.0, "back": 1 / 1.5, "store": 0.5},
        routing=ROUTES,
        servers={"front": 1, "back": 1, "store": 2},
    )
    stations = {name: station.response for name, station in known.stations.items()}
    return {"a": known.response, **stations}


def closed(load: float, factor: float) -> ml.Scenario:
    """Users who think 10 s and pass two stations; the load decides how many there are."""
    return ml.Scenario(
        ml.Users("u", users=_users(load), think=ml.Exponential(mean=10.0), to="cpu"),
        ml.Service("cpu", service_time=ml.Exponential(mean=factor), to="disk"),
        ml.Service("disk", service_time=ml.Exponential(mean=0.6 * factor)),
    )


def _users(load: float) -> int:
    """The fewest users at which the CPU is at least so busy."""
    return next(n for n in range(1, 200) if _mva(n).stations["cpu"].utilisation >= load)


def _mva(users: int) -> theory.ClosedNetwork:
    return theory.mva(users=users, service_means={"cpu": 1.0, "disk": 0.6}, think_mean=10.0)


def closed_expected(load: float) -> Numbers:
    """Exact mean value analysis."""
    known = _mva(_users(load))
    return {"u": known.response, "cpu": known.stations["cpu"].response, "rate": known.throughput}


def closed_measured(run: ml.Run) -> Numbers:
    """Response of a cycle and of the CPU, and requests a second."""
    made = run.columns.made
    made = made[made >= run.warmup]
    rate = (len(made) - 1) / (made[-1] - made[0])
    return {**responses("u", "cpu")(run), "rate": float(rate)}


def _mm1(load: float) -> Numbers:
    return {"a": theory.mm1(arrival_rate=load, service_rate=1.0).response}


def _mmc(load: float) -> Numbers:
    return {"a": theory.mmc(arrival_rate=4.0 * load, service_rate=1.0, servers=4).response}


def _md1(load: float) -> Numbers:
    return {"a": theory.md1(arrival_rate=load, service_mean=1.0).response}


def _mg1(load: float) -> Numbers:
    known = theory.mg1(arrival_rate=load, service_mean=1.0, service_scv=4.0)
    return {"a": known.response}


def _ps(load: float) -> Numbers:
    return {"a": theory.mg1_ps(arrival_rate=load, service_mean=1.0).response}


ONE = ml.Exponential(mean=1.0)
MODELS = [
    Model("M/M/1", single(ONE), _mm1, responses("a")),
    Model("M/M/4", single(ONE, workers=4), _mmc, responses("a")),
    Model("M/M/2/5", bounded, bounded_expected, bounded_measured),
    Model("M/D/1", single(ml.Deterministic(value=1.0)), _md1, responses("a")),
    Model("M/G/1", single(BURSTY), _mg1, responses("a")),
    Model("M/G/1 PS", single(BURSTY, discipline="ps"), _ps, responses("a")),
    Model(
        "M/G/1 priority",
        classes("priority"),
        classes_expected(False),
        responses("urgent", "normal"),
    ),
    Model(
        "M/G/1 preemptive",
        classes("preemptive"),
        classes_expected(True),
        responses("urgent", "normal"),
    ),
    Model("GI/M/1", renewal, renewal_expected, responses("a")),
    Model("Jackson network", network, network_expected, responses("a", "front", "back", "store")),
    Model("closed network", closed, closed_expected, closed_measured),
]
