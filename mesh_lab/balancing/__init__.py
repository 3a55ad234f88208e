"""Who of several endpoints serves the next request: the rules, and what a balancer sees."""

from .c3 import C3
from .chain import IptablesChain
from .connections import FirstAvailable, LeastConnections
from .eligible import (
    Aperture,
    DeterministicSubset,
    Eligible,
    LocalityWeighted,
    RandomSubset,
    ZoneAware,
)
from .hashing import JumpHash, KetamaHash, Maglev, MapHash, Rendezvous, RingHash
from .idle import JoinIdleQueue
from .intervals import SizeInterval
from .least import LeastRequest
from .peak import PeakEwma
from .picking import picks
from .prequal import Prequal
from .reports import LoadReports
from .rule import Balancer, View
from .shortest import JoinShortestQueue, PowerOfD
from .slow_start import SlowStart
from .smooth import SmoothRoundRobin
from .static import Random, RoundRobin
from .stride import StaticStride
from .table import policy_table
from .weighted import WeightedRandom
from .work import LeastWorkLeft

__all__ = [
    "C3",
    "Aperture",
    "Balancer",
    "DeterministicSubset",
    "Eligible",
    "FirstAvailable",
    "IptablesChain",
    "JoinIdleQueue",
    "JoinShortestQueue",
    "JumpHash",
    "KetamaHash",
    "LeastConnections",
    "LeastRequest",
    "LeastWorkLeft",
    "LoadReports",
    "LocalityWeighted",
    "Maglev",
    "MapHash",
    "PeakEwma",
    "PowerOfD",
    "Prequal",
    "Random",
    "RandomSubset",
    "Rendezvous",
    "RingHash",
    "RoundRobin",
    "SizeInterval",
    "SlowStart",
    "SmoothRoundRobin",
    "StaticStride",
    "View",
    "WeightedRandom",
    "ZoneAware",
    "picks",
    "policy_table",
]
