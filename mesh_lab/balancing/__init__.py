"""Who of several endpoints serves the next request: the rules, and what a balancer sees."""

from .chain import IptablesChain
from .least import LeastRequest
from .rule import Balancer, View
from .slow_start import SlowStart
from .smooth import SmoothRoundRobin
from .static import Random, RoundRobin
from .stride import StaticStride
from .weighted import WeightedRandom

__all__ = [
    "Balancer",
    "IptablesChain",
    "LeastRequest",
    "Random",
    "RoundRobin",
    "SlowStart",
    "SmoothRoundRobin",
    "StaticStride",
    "View",
    "WeightedRandom",
]
