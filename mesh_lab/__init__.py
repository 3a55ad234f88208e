"""mesh_lab: learn, try and predict how event-driven systems and service meshes behave.

Declare parts, put them into a `Scenario`, `simulate` it, and look at the `Run`; or `build` the
same parts inside a SimPy program of your own.

>>> import mesh_lab as ml
>>> scenario = ml.Scenario(
...     ml.Poisson("shop", rate=350.0, to="orders"),
...     ml.Service("orders", replicas=10, service_time=ml.Exponential(mean=0.020)),
... )
>>> run = ml.simulate(scenario, requests=20_000, seed=7)
>>> run.check_invariants()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .balancing import Balancer, LeastRequest, Random, RoundRobin
from .data import data_path
from .distributions import (
    BoundedPareto,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Gamma,
    Histogram,
    HyperExponential,
    LogNormal,
    Mixture,
    Uniform,
    Weibull,
)
from .draws import Draws
from .errors import (
    DataError,
    Deadlock,
    EventError,
    ExerciseError,
    InvariantError,
    MeshLabError,
    PartError,
    PlotError,
    ScenarioError,
    ScenarioFileError,
    StatisticsError,
    TraceError,
    UnstableError,
)
from .events import AllOf, AnyOf, Event, causes, change_event
from .explain import explain
from .live import Reply, build
from .run import Run
from .saving import load_run
from .scenario import Scenario
from .simulate import simulate
from .sources.access_log import AccessLog
from .sources.closed import Users
from .sources.merge import Merge
from .sources.open import Poisson, PoissonBatches, Renewal
from .sources.replay import Replay
from .sources.varying import Bursts, Profile, TimeVarying, daily
from .stations.handler import Handler
from .stations.queue import Queue
from .stations.service import Service

if TYPE_CHECKING:
    from . import course, plots, statistics, study, theory
    from .study import compare, replicate, sweep

__version__ = "0.1.0"

__all__ = [
    "AccessLog",
    "AllOf",
    "AnyOf",
    "Balancer",
    "BoundedPareto",
    "Bursts",
    "DataError",
    "Deadlock",
    "Deterministic",
    "Distribution",
    "Draws",
    "Empirical",
    "Erlang",
    "Event",
    "EventError",
    "ExerciseError",
    "Exponential",
    "Gamma",
    "Handler",
    "Histogram",
    "HyperExponential",
    "InvariantError",
    "LeastRequest",
    "LogNormal",
    "Merge",
    "MeshLabError",
    "Mixture",
    "PartError",
    "PlotError",
    "Poisson",
    "PoissonBatches",
    "Profile",
    "Queue",
    "Random",
    "Renewal",
    "Replay",
    "Reply",
    "RoundRobin",
    "Run",
    "Scenario",
    "ScenarioError",
    "ScenarioFileError",
    "Service",
    "StatisticsError",
    "TimeVarying",
    "TraceError",
    "Uniform",
    "UnstableError",
    "Users",
    "Weibull",
    "build",
    "causes",
    "change_event",
    "compare",
    "course",
    "daily",
    "data_path",
    "explain",
    "load_run",
    "plots",
    "replicate",
    "simulate",
    "statistics",
    "study",
    "sweep",
    "theory",
]

# imported when first asked for, because they need SciPy, matplotlib or joblib
_LATER = {
    "compare": "study",
    "course": "",
    "plots": "",
    "replicate": "study",
    "statistics": "",
    "study": "",
    "sweep": "study",
    "theory": "",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'mesh_lab' has no attribute {name!r}")
    module = importlib.import_module(f".{_LATER[name] or name}", __name__)
    value = getattr(module, name) if _LATER[name] else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
