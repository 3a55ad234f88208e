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

from . import replicated
from .balancing import (
    C3,
    Balancer,
    FirstAvailable,
    IptablesChain,
    JoinIdleQueue,
    JoinShortestQueue,
    JumpHash,
    KetamaHash,
    LeastConnections,
    LeastRequest,
    LeastWorkLeft,
    LoadReports,
    Maglev,
    MapHash,
    PeakEwma,
    PowerOfD,
    Prequal,
    Random,
    Rendezvous,
    RingHash,
    RoundRobin,
    SizeInterval,
    SlowStart,
    SmoothRoundRobin,
    StaticStride,
    WeightedRandom,
    picks,
    policy_table,
)
from .balancing.eligible import (
    Aperture,
    DeterministicSubset,
    Eligible,
    LocalityWeighted,
    RandomSubset,
    ZoneAware,
)
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
    ConflictError,
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
    StoreError,
    TraceError,
    UnstableError,
)
from .events import (
    AllOf,
    AnyOf,
    CountWithin,
    Event,
    FollowedBy,
    NotFollowedBy,
    SlidingWindow,
    TumblingWindow,
    causes,
    change_event,
)
from .explain import explain
from .live import Reply, build
from .mesh.canary import Canary
from .mesh.discovery import (
    AtOnce,
    BlockingQueries,
    ControlPlane,
    Dns,
    EndpointSlices,
    Gossip,
    HealthChecks,
    PodLife,
    Readiness,
)
from .mesh.finding import ServiceDiscovery
from .mesh.plane import DataPlane
from .mesh.routing import Route, Rule
from .messaging.consumer import Consumer
from .messaging.link import Link
from .messaging.log.assignors import (
    CooperativeStickyAssignor,
    RangeAssignor,
    RoundRobinAssignor,
    StickyAssignor,
)
from .messaging.log.changes import CrashMember, JoinGroup, LeaveGroup, Seek
from .messaging.log.group import ConsumerGroup
from .messaging.log.log import Log
from .messaging.log.murmur import murmur2
from .messaging.log.partitioner import StickyPartitioner, keyed_partition
from .messaging.log.producer import Producer
from .messaging.presets import rabbitmq, sqs, sqs_fifo
from .messaging.queue import MessageQueue
from .messaging.redrive import Redrive
from .messaging.topic import Topic
from .replicated import Cluster, ClusterRun, Isolations, NetworkPartition
from .resilience import (
    Backoff,
    ConsecutiveBreaker,
    EnvoyBackoff,
    EnvoyRetryBudget,
    FailureRateBreaker,
    FinagleRetryBudget,
    GrpcBackoff,
    GrpcRetryThrottle,
    Hedge,
    Limits,
    OutlierDetection,
    Policy,
    Retries,
    RetryLimit,
)
from .run import Run
from .saving import load_run
from .scenario import Scenario
from .shedding import (
    AdaptiveConcurrency,
    AdmissionControl,
    AimdLimit,
    ClientThrottling,
    CoDel,
    ConcurrencyLimit,
    FixedWindowLimit,
    Gradient2Limit,
    LeakyBucket,
    SlidingLog,
    SlidingWindowLimit,
    TokenBucket,
    VegasLimit,
)
from .simulate import simulate
from .sources.access_log import AccessLog
from .sources.closed import Users
from .sources.keys import Keys
from .sources.merge import Merge
from .sources.open import Poisson, PoissonBatches, Renewal
from .sources.replay import Replay
from .sources.varying import Bursts, Profile, TimeVarying, daily
from .stations.calls import Call, Parallel
from .stations.connections import Connections
from .stations.endpoints import (
    Change,
    Drain,
    Endpoint,
    Fail,
    Failures,
    Join,
    Leave,
    Recover,
    Slow,
)
from .stations.faults import Faults
from .stations.handler import Failing, Handler
from .stations.queue import Queue
from .stations.service import Service
from .stations.sight import Sight

if TYPE_CHECKING:
    from . import course, experiments, plots, statistics, store, study, theory
    from .store import EventStore
    from .study import compare, replicate, sweep

__version__ = "0.1.0"

__all__ = [
    "C3",
    "AccessLog",
    "AdaptiveConcurrency",
    "AdmissionControl",
    "AimdLimit",
    "AllOf",
    "AnyOf",
    "Aperture",
    "AtOnce",
    "Backoff",
    "Balancer",
    "BlockingQueries",
    "BoundedPareto",
    "Bursts",
    "Call",
    "Canary",
    "Change",
    "ClientThrottling",
    "Cluster",
    "ClusterRun",
    "CoDel",
    "ConcurrencyLimit",
    "ConflictError",
    "Connections",
    "ConsecutiveBreaker",
    "Consumer",
    "ConsumerGroup",
    "ControlPlane",
    "CooperativeStickyAssignor",
    "CountWithin",
    "CrashMember",
    "DataError",
    "DataPlane",
    "Deadlock",
    "Deterministic",
    "DeterministicSubset",
    "Distribution",
    "Dns",
    "Drain",
    "Draws",
    "Eligible",
    "Empirical",
    "Endpoint",
    "EndpointSlices",
    "EnvoyBackoff",
    "EnvoyRetryBudget",
    "Erlang",
    "Event",
    "EventError",
    "EventStore",
    "ExerciseError",
    "Exponential",
    "Fail",
    "Failing",
    "FailureRateBreaker",
    "Failures",
    "Faults",
    "FinagleRetryBudget",
    "FirstAvailable",
    "FixedWindowLimit",
    "FollowedBy",
    "Gamma",
    "Gossip",
    "Gradient2Limit",
    "GrpcBackoff",
    "GrpcRetryThrottle",
    "Handler",
    "HealthChecks",
    "Hedge",
    "Histogram",
    "HyperExponential",
    "InvariantError",
    "IptablesChain",
    "Isolations",
    "Join",
    "JoinGroup",
    "JoinIdleQueue",
    "JoinShortestQueue",
    "JumpHash",
    "KetamaHash",
    "Keys",
    "LeakyBucket",
    "LeastConnections",
    "LeastRequest",
    "LeastWorkLeft",
    "Leave",
    "LeaveGroup",
    "Limits",
    "Link",
    "LoadReports",
    "LocalityWeighted",
    "Log",
    "LogNormal",
    "Maglev",
    "MapHash",
    "Merge",
    "MeshLabError",
    "MessageQueue",
    "Mixture",
    "NetworkPartition",
    "NotFollowedBy",
    "OutlierDetection",
    "Parallel",
    "PartError",
    "PeakEwma",
    "PlotError",
    "PodLife",
    "Poisson",
    "PoissonBatches",
    "Policy",
    "PowerOfD",
    "Prequal",
    "Producer",
    "Profile",
    "Queue",
    "Random",
    "RandomSubset",
    "RangeAssignor",
    "Readiness",
    "Recover",
    "Redrive",
    "Rendezvous",
    "Renewal",
    "Replay",
    "Reply",
    "Retries",
    "RetryLimit",
    "RingHash",
    "RoundRobin",
    "RoundRobinAssignor",
    "Route",
    "Rule",
    "Run",
    "Scenario",
    "ScenarioError",
    "ScenarioFileError",
    "Seek",
    "Service",
    "ServiceDiscovery",
    "Sight",
    "SizeInterval",
    "SlidingLog",
    "SlidingWindow",
    "SlidingWindowLimit",
    "Slow",
    "SlowStart",
    "SmoothRoundRobin",
    "StaticStride",
    "StatisticsError",
    "StickyAssignor",
    "StickyPartitioner",
    "StoreError",
    "TimeVarying",
    "TokenBucket",
    "Topic",
    "TraceError",
    "TumblingWindow",
    "Uniform",
    "UnstableError",
    "Users",
    "VegasLimit",
    "Weibull",
    "WeightedRandom",
    "ZoneAware",
    "build",
    "causes",
    "change_event",
    "compare",
    "course",
    "daily",
    "data_path",
    "experiments",
    "explain",
    "keyed_partition",
    "load_run",
    "murmur2",
    "picks",
    "plots",
    "policy_table",
    "rabbitmq",
    "replicate",
    "replicated",
    "simulate",
    "sqs",
    "sqs_fifo",
    "statistics",
    "store",
    "study",
    "sweep",
    "theory",
]

# imported when first asked for, because they need SciPy, matplotlib, joblib or SQLAlchemy
_LATER = {
    "EventStore": "store",
    "compare": "study",
    "course": "",
    "experiments": "",
    "plots": "",
    "replicate": "study",
    "statistics": "",
    "store": "",
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
