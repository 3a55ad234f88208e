"""Who of several endpoints serves the next request: the rules, and what a balancer sees."""

from .c3 import C3
from .chain import IptablesChain
from .least import LeastRequest
from .peak import PeakEwma
from .prequal import Prequal
from .rule import Balancer, View
from .slow_start import SlowStart
from .smooth import SmoothRoundRobin
from .static import Random, RoundRobin
from .stride import StaticStride
from .weighted import WeightedRandom

__all__ = [
    "C3",
    "Balancer",
    "IptablesChain",
    "LeastRequest",
    "PeakEwma",
    "Prequal",
    "Random",
    "RoundRobin",
    "SlowStart",
    "SmoothRoundRobin",
    "StaticStride",
    "View",
    "WeightedRandom",
]
